/* From 9P's fids to requests of sessions. */
#include <string.h>
#include <time.h>

#include "../core/le.h"
#include "p9_in.h"

#define SERIAL_9P	(3ull << 62)	/* see p9_serial */

/* Locks and waits have names that no other front gives. */
uint64_t
p9_serial(struct p9 *p)
{
	return SERIAL_9P | (atomic_fetch_add(&p->serial, 1) + 1);
}

void
p9_env(struct p9_req *q, struct req_env *env)
{
	struct timespec ts;

	clock_gettime(CLOCK_REALTIME, &ts);
	*env = (struct req_env){
		.now = { ts.tv_sec, (uint32_t)ts.tv_nsec },
	};
	if (q == NULL)
		return;
	env->pid = q->c->peer.pid;
	env->trace_id = atomic_fetch_add(&q->c->p9->trace, 1) + 1;
}

static int
run(struct p9_req *q, struct session_call *k, enum vfs_op op, void *req,
    void *rep)
{
	struct req_env env;

	p9_env(q, &env);
	k->env = &env;
	k->room = VFS_MSG_MAX;
	k->own_ids = true;
	return session_run(k, op, req, rep);
}

int
p9_run(struct p9_req *q, struct p9_as *as, enum vfs_op op, void *req,
    void *rep)
{
	struct session_call k = { .s = as->session };

	return run(q, &k, op, req, rep);
}

/* The client has applied its umask, and says which group it acts with. */
int
p9_make(struct p9_req *q, struct p9_as *as, uint32_t gid, enum vfs_op op,
    void *req, void *rep)
{
	struct session_call k = { .s = as->session,
	    .has_gid = gid != P9_NOUID, .gid = gid };

	return run(q, &k, op, req, rep);
}

int
p9_allows(struct p9_req *q, struct p9_fid *f, uint32_t rights)
{
	struct req_env env;
	struct session_call k = { .s = f->as->session, .env = &env,
		.own_ids = true };
	int err;

	p9_env(q, &env);
	if ((err = session_allows(&k, rights)) < 0)
		return err;
	return session_sees(&k, f->id);
}

void
p9_close(struct p9_as *as, uint64_t handle)
{
	struct session_call k = { .s = as->session };
	struct vfs_close cq;
	struct vfs_close_reply r;
	uint8_t bytes[8];

	le_put64(bytes, handle);
	cq.handles = (struct vfs_slice){ bytes, sizeof bytes };
	/* An ended session has closed it. */
	(void)run(NULL, &k, VFS_OP_CLOSE, &cq, &r);
}

void
p9_atime(struct p9_req *q, struct p9_fid *f)
{
	struct vfs_open oq = { .id = f->ref, .flags = VFS_OPEN_ATIME };
	struct vfs_open_reply r;

	if (!q->c->p9->conf.atime || (f->flags & P9_O_NOATIME))
		return;
	if (p9_run(q, f->as, VFS_OP_OPEN, &oq, &r) == 0)
		p9_close(f->as, r.handle);
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
