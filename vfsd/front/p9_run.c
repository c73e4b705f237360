/* From 9P's users and fids to requests for the dispatcher. */
#include <string.h>
#include <time.h>

#include "p9_in.h"

bool
p9_privileged(const struct p9_as *as)
{
	return as->uid == 0;
}

static bool
in_group(const struct p9_as *as, uint32_t gid)
{
	uint32_t i;

	if (as->gid == gid)
		return true;
	for (i = 0; i < as->ngroups; i++)
		if (as->groups[i] == gid)
			return true;
	return false;
}

void
p9_env(struct p9_req *q, const struct p9_as *as, struct req_env *env)
{
	struct timespec ts;

	clock_gettime(CLOCK_REALTIME, &ts);
	*env = (struct req_env){
		.now = { ts.tv_sec, (uint32_t)ts.tv_nsec },
		.uid = as->uid, .gid = as->gid, .pid = q->c->pid,
		.groups = as->groups, .ngroups = as->ngroups,
		.privileged = p9_privileged(as),
		.trace_id = atomic_fetch_add(&q->c->p9->trace, 1) + 1,
	};
}

int
p9_run(struct p9_req *q, struct p9_as *as, enum vfs_op op, const void *req,
    void *rep)
{
	struct req_env env;

	p9_env(q, as, &env);
	return dispatch(q->c->p9->conf.server, op, &env, req, rep);
}

/* The client has applied its umask, and says which group it acts with. */
int
p9_make(struct p9_req *q, struct p9_as *as, uint32_t gid, enum vfs_op op,
    const void *req, void *rep)
{
	struct req_env env;

	p9_env(q, as, &env);
	if (gid != P9_NOUID && (as->any_gid || p9_privileged(as) ||
	    in_group(as, gid)))
		env.gid = gid;
	return dispatch(q->c->p9->conf.server, op, &env, req, rep);
}

int
p9_through(struct p9_req *q, struct p9_fid *f, enum vfs_op op,
    const void *req, void *rep)
{
	struct req_env env;

	p9_env(q, f->as, &env);
	env.privileged = true;
	return dispatch(q->c->p9->conf.server, op, &env, req, rep);
}

int
p9_look(struct p9_req *q, enum vfs_op op, const void *req, void *rep)
{
	struct req_env env;

	p9_env(q, q->c->peer, &env);
	env.privileged = true;
	return dispatch(q->c->p9->conf.server, op, &env, req, rep);
}

/*
 * Ids are never given twice, so the version need not tell objects apart;
 * and Linux takes an object of another version for another inode, which
 * would part the pages and locks of open files from those of new ones.
 * Since 6.4 it also caches nothing of version 0.
 */
struct p9_qid
p9_qid(struct vfs_id id, enum vfs_type type)
{
	return (struct p9_qid){
		.type = type == VFS_DIR ? P9_QTDIR :
		    type == VFS_LNK ? P9_QTSYMLINK : 0,
		.version = 1, .path = id.n,
	};
}

struct p9_qid
p9_qid_of(const struct vfs_attr *a)
{
	return p9_qid(a->id, VFS_MODE_TYPE(a->mode));
}

static int
look_at(struct p9_req *q, struct vfs_id id, struct vfs_attr *a)
{
	struct vfs_stat sq = { .id = id };
	struct vfs_stat_reply r;
	int err = p9_look(q, VFS_OP_STAT, &sq, &r);

	if (err == 0)
		*a = r.attr;
	return err;
}

/* -VFS_NOENT: it was moved away.  Only directories have one way up. */
int
p9_below(struct p9_req *q, struct vfs_id id, struct vfs_id root)
{
	struct vfs_attr a = { 0 };
	unsigned depth;
	int err;

	if (root.n == VFS_ID_ROOT)
		return 0;
	for (depth = 0; depth < P9_DEPTH_MAX; depth++) {
		if (id.n == root.n)
			return 0;
		if (id.n == VFS_ID_ROOT)
			break;
		if ((err = look_at(q, id, &a)) < 0)
			return err;
		id = a.parent;
	}
	return -VFS_NOENT;
}

int
p9_parent(struct p9_req *q, struct p9_as *as, struct vfs_id root,
    struct vfs_id dir, struct vfs_attr *out)
{
	struct vfs_lookup lq = { .dir = dir, .name = { "..", 2 } };
	struct vfs_lookup_reply r;
	int err;

	if (dir.n == root.n)
		return look_at(q, root, out);
	if ((err = p9_run(q, as, VFS_OP_LOOKUP, &lq, &r)) < 0)
		return err;
	if ((err = p9_below(q, r.attr.id, root)) < 0)
		return err;
	*out = r.attr;
	return 0;
}
