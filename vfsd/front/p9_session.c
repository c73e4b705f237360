/* Version, auth, attach, flush, clunk: the connection's own messages. */
#include <errno.h>
#include <string.h>

#include "p9_in.h"

#define GROUP_NONE	65534u		/* of whom nobody knows */

static bool
is_text(struct vfs_slice s, const char *text)
{
	return s.n == strlen(text) && memcmp(s.p, text, s.n) == 0;
}

/* Runs alone on its connection. */
int
p9_do_version(struct p9_req *q, const struct p9_tversion *t,
    struct p9_rversion *r)
{
	struct p9_conn *c = q->c;
	bool known = is_text(t->version, P9_VERSION);

	if (t->msize < P9_MSIZE_MIN)
		return EMSGSIZE;
	p9_fid_clunk_all(c);
	r->msize = t->msize < P9_MSIZE_MAX ? t->msize : P9_MSIZE_MAX;
	r->version.p = known ? P9_VERSION : "unknown";
	r->version.n = strlen(r->version.p);
	atomic_store(&c->msize, r->msize);
	atomic_store(&c->versioned, known);
	return 0;
}

/* The transport says who it is. */
int
p9_do_auth(struct p9_req *q, const struct p9_tauth *t, struct p9_rauth *r)
{
	(void)q, (void)t, (void)r;
	return ENOENT;			/* "not required", to Linux and diod */
}

/* --- attach ------------------------------------------------------------- */

static struct p9_as *
somebody(struct p9_conn *c, uint32_t uid)
{
	const struct p9_user *u = p9_users_find(c->p9->conf.users, uid);
	struct p9_as *as = p9_as_new(uid, u != NULL ? u->gid :
	    uid == 0 ? 0 : GROUP_NONE);
	uint32_t i;

	if (as == NULL)
		return NULL;
	as->any_gid = true;
	for (i = 0; u != NULL && i < u->ngroups && i < P9_GROUPS_MAX; i++)
		as->groups[as->ngroups++] = u->groups[i];
	return as;
}

/*
 * A peer acts for itself; root's also for anybody whose number it says.
 * Names (uname) are the client's, and not looked up.
 */
static int
acting(struct p9_conn *c, uint32_t n_uname, struct p9_as **out)
{
	*out = NULL;
	if (n_uname == P9_NOUID || n_uname == c->peer->uid)
		*out = p9_as_hold(c->peer);
	else if (!c->peer->any_gid)
		return -VFS_PERM;
	else if ((*out = somebody(c, n_uname)) == NULL)
		return -VFS_NOMEM;
	return 0;
}

/* The next name of a path; empty ones are skipped. */
static bool
next_name(struct vfs_slice *path, struct vfs_slice *name)
{
	const char *p = path->p, *end = p + path->n, *q;

	while (p < end && *p == '/')
		p++;
	for (q = p; q < end && *q != '/'; q++)
		;
	*name = (struct vfs_slice){ p, (size_t)(q - p) };
	*path = (struct vfs_slice){ q, (size_t)(end - q) };
	return name->n > 0;
}

/* aname is a path from the root, walked as who attaches. */
static int
find_root(struct p9_req *q, struct p9_as *as, struct vfs_slice path,
    struct vfs_attr *out)
{
	const struct vfs_id top = { VFS_ID_ROOT };
	struct vfs_stat sq = { .id = top };
	struct vfs_stat_reply sr;
	struct vfs_lookup lq = { .dir = top };
	struct vfs_lookup_reply lr;
	int err;

	if ((err = p9_look(q, VFS_OP_STAT, &sq, &sr)) < 0)
		return err;
	*out = sr.attr;
	while (next_name(&path, &lq.name)) {
		if (is_text(lq.name, ".."))
			err = p9_parent(q, as, top, lq.dir, out);
		else if ((err = p9_run(q, as, VFS_OP_LOOKUP, &lq, &lr)) == 0)
			*out = lr.attr;
		if (err < 0)
			return err;
		lq.dir = out->id;
	}
	return VFS_MODE_TYPE(out->mode) == VFS_DIR ? 0 : -VFS_NOTDIR;
}

int
p9_do_attach(struct p9_req *q, const struct p9_tattach *t,
    struct p9_rattach *r)
{
	struct p9_conn *c = q->c;
	struct p9_as *as;
	struct p9_fid *f;
	struct vfs_attr a;
	int err;

	if (t->afid != P9_NOFID)
		return -VFS_BAD_HANDLE;
	if ((err = acting(c, t->n_uname, &as)) < 0)
		return err;
	err = find_root(q, as, t->aname, &a);
	if (err == 0) {
		f = p9_fid_new(c->p9, as, a.id, &a);
		err = f == NULL ? -VFS_NOMEM :
		    p9_fid_add(c, t->fid, NULL, f);
	}
	if (err == 0) {
		atomic_store(&c->attached, true);
		r->qid = p9_qid_of(&a);
	}
	p9_as_drop(as);
	return err;
}

/* --- flush -------------------------------------------------------------- */

/* Answered after the request that it flushes, which then either was
 * answered or has had no effect. */
int
p9_do_flush(struct p9_req *q, const struct p9_tflush *t,
    struct p9_rflush *r)
{
	struct p9_conn *c = q->c;
	struct locks *locks = c->p9->conf.locks;
	struct p9_req *old;
	uint64_t wait = 0;

	(void)r;
	pthread_mutex_lock(&c->lock);
	for (old = c->active; old != NULL; old = old->next)
		if (old->tag == t->oldtag && old != q)
			break;
	if (old != NULL) {
		q->flush_next = old->flushes;
		old->flushes = q;
		old->flushed = true;
		wait = old->waits ? old->serial : 0;
	}
	pthread_mutex_unlock(&c->lock);
	if (old == NULL)
		return 0;
	if (wait != 0)			/* q and old may be gone */
		locks_interrupt(locks, wait);
	return P9_LATER;
}

/* --- clunk -------------------------------------------------------------- */

int
p9_do_clunk(struct p9_req *q, const struct p9_tclunk *t,
    struct p9_rclunk *r)
{
	struct p9_fid *f = p9_fid_take(q->c, t->fid);

	(void)r;
	return f == NULL ? -VFS_BAD_HANDLE : p9_fid_clunk(q, f);
}
