/* Walking, making, linking, renaming and removing names. */
#include <string.h>
#include <sys/stat.h>

#include "p9_in.h"

/* --- walk --------------------------------------------------------------- */

/* Where a walk has come to. */
struct at {
	struct vfs_attr a;
	struct vfs_id dir;		/* and how it is called there */
	struct vfs_slice name;
};

static bool
is_dots(struct vfs_slice name, size_t n)
{
	return name.n == n && memcmp(name.p, "..", n) == 0;
}

static int
step(struct p9_req *q, struct p9_fid *f, struct vfs_slice name,
    struct at *at)
{
	struct vfs_lookup lq = { .dir = at->a.id, .name = name };
	struct vfs_lookup_reply r;
	int err;

	if (is_dots(name, 1) && VFS_MODE_TYPE(at->a.mode) != VFS_DIR)
		return -VFS_NOTDIR;
	if ((err = p9_run(q, f->as, VFS_OP_LOOKUP, &lq, &r)) < 0)
		return err;
	at->a = r.attr;
	if (!is_dots(name, 1)) {
		at->dir = lq.dir;
		at->name = name;
	}
	if (is_dots(name, 2))		/* how it is called nobody said */
		at->name.n = 0;
	return 0;
}

static int
walk_names(struct p9_req *q, struct p9_fid *f, const struct p9_names *names,
    struct at *at, struct p9_qids *qids)
{
	int err = 0;
	unsigned i;

	for (i = 0; i < names->n; i++) {
		if ((err = step(q, f, names->name[i], at)) < 0)
			break;
		qids->qid[i] = p9_qid_of(&at->a);
	}
	qids->n = (uint16_t)i;
	return i == 0 ? err : 0;	/* else: as far as it went */
}

static int
walk_done(struct p9_req *q, const struct p9_twalk *t, struct p9_fid *f,
    const struct at *at)
{
	struct p9_fid *new = NULL;
	int err = 0;

	if (t->names.n == 0)
		err = p9_fid_like(q, f, &new);
	else if ((new = p9_fid_new(q->c->p9, f->as, &at->a)) == NULL)
		err = -VFS_NOMEM;
	if (err == 0)
		err = p9_fid_name(new, at->dir, at->name);
	if (err < 0) {
		p9_fid_drop(new);
		return err;
	}
	return p9_fid_add(q->c, t->newfid,
	    t->newfid == t->fid ? f : NULL, new);
}

static int
walk_from(struct p9_req *q, const struct p9_twalk *t, struct p9_fid *f,
    struct p9_rwalk *r)
{
	struct at at = { .dir = f->dir, .name = f->name,
	    .a = { .id = f->id, .mode = VFS_TYPE_MODE(f->type) } };
	int err;

	if (f->kind != P9_PATH && f->kind != P9_OPEN)
		return -VFS_BAD_HANDLE;
	if (f->kind == P9_OPEN && t->newfid == t->fid)
		return -VFS_BAD_HANDLE;	/* Linux clones open ones only */
	if ((err = walk_names(q, f, &t->names, &at, &r->qids)) < 0 ||
	    r->qids.n < t->names.n)
		return err;
	return walk_done(q, t, f, &at);
}

int
p9_do_walk(struct p9_req *q, const struct p9_twalk *t, struct p9_rwalk *r)
{
	struct p9_fid *f = p9_fid_get(q->c, t->fid);
	int err = f == NULL ? -VFS_BAD_HANDLE : walk_from(q, t, f, r);

	p9_fid_drop(f);
	return err;
}

/* --- new names ---------------------------------------------------------- */

static int
make(struct p9_req *q, uint32_t dfid, uint32_t gid, struct vfs_create *cq,
    struct p9_qid *qid)
{
	struct p9_fid *d = p9_fid_get(q->c, dfid);
	struct vfs_create_reply r = { 0 };
	int err;

	if (d == NULL)
		return -VFS_BAD_HANDLE;
	cq->dir = d->id;
	cq->flags = VFS_CREATE_EXCL;
	err = p9_make(q, d->as, gid, VFS_OP_CREATE, cq, &r);
	p9_fid_drop(d);
	if (err == 0)
		*qid = p9_qid_of(&r.attr);
	return err;
}

int
p9_do_mkdir(struct p9_req *q, const struct p9_tmkdir *t,
    struct p9_rmkdir *r)
{
	struct vfs_create cq = { .name = t->name,
	    .mode = S_IFDIR | (t->mode & VFS_MODE_PERM) };

	return make(q, t->dfid, t->gid, &cq, &r->qid);
}

int
p9_do_symlink(struct p9_req *q, const struct p9_tsymlink *t,
    struct p9_rsymlink *r)
{
	struct vfs_create cq = { .name = t->name, .target = t->target,
	    .mode = S_IFLNK | 0777 };

	return make(q, t->dfid, t->gid, &cq, &r->qid);
}

int
p9_do_mknod(struct p9_req *q, const struct p9_tmknod *t,
    struct p9_rmknod *r)
{
	struct vfs_create cq = { .name = t->name, .mode = t->mode };

	if (VFS_MODE_TYPE(t->mode) == 0)
		cq.mode |= S_IFREG;
	if (S_ISDIR(cq.mode) || S_ISLNK(cq.mode))
		return -VFS_INVAL;
	if (S_ISCHR(cq.mode) || S_ISBLK(cq.mode)) {
		cq.rdev_major = t->major;
		cq.rdev_minor = t->minor;
	}
	return make(q, t->dfid, t->gid, &cq, &r->qid);
}

int
p9_do_link(struct p9_req *q, const struct p9_tlink *t, struct p9_rlink *r)
{
	struct p9_fid *d = p9_fid_get(q->c, t->dfid);
	struct p9_fid *f = p9_fid_get(q->c, t->fid);
	struct vfs_link lq = { .name = t->name };
	struct vfs_link_reply lr;
	int err = -VFS_BAD_HANDLE;

	(void)r;
	if (d != NULL && f != NULL) {
		lq.dir = d->id;
		lq.target = f->id;
		err = p9_run(q, d->as, VFS_OP_LINK, &lq, &lr);
	}
	p9_fid_drop(d);
	p9_fid_drop(f);
	return err;
}

/* --- a fid's own name --------------------------------------------------- */

/* What may be its name, among all that an object has. */
struct links {
	struct p9_fid *f;
	struct vfs_id dir;
	char name[VFS_NAME_MAX];
	size_t len;
	unsigned n, here;		/* all; those in the same directory */
};

static bool
add_link(void *arg, const struct vfs_dirent *e)
{
	struct links *l = arg;
	bool here = e->dir.n == l->f->dir.n;

	if (here || l->here == 0) {
		l->dir = e->dir;
		l->len = e->name.n;
		memcpy(l->name, e->name.p, e->name.n);
	}
	l->n++;
	l->here += here;
	return l->n < VFS_LINK_MAX;
}

/* It was renamed since it was walked to: the one name it has, or the one
 * in the directory where it was. */
static int
find_name(struct p9_req *q, struct links *l)
{
	struct vfs_paths_of pq = { .id = l->f->id };
	struct vfs_paths_of_reply r = { .links = { add_link, l } };
	int err = p9_run(q, l->f->as, VFS_OP_PATHS_OF, &pq, &r);

	if (err < 0)
		return err;
	if (l->here != 1 && l->n != 1)
		return l->n == 0 ? -VFS_NOENT : -VFS_NO_SUCH_ID;
	return 0;
}

static bool
moved(int err)
{
	return err == -VFS_NOENT || err == -VFS_PRECOND ||
	    err == -VFS_NO_SUCH_ID;
}

/*
 * Tremove and Trename know an object by its fid only.  fn is tried with
 * the name it was walked to by, and with the one it has now.
 */
static int
with_name(struct p9_req *q, struct p9_fid *f,
    int (*fn)(struct p9_req *, struct p9_fid *, struct vfs_id,
    struct vfs_slice, const void *), const void *arg)
{
	struct links l = { .f = f };
	int err = -VFS_NOENT;

	if (f->id.n == session_root(f->as->session).n)
		return -VFS_BUSY;
	if (f->name.n > 0)
		err = fn(q, f, f->dir, f->name, arg);
	if (!moved(err) || find_name(q, &l) < 0)
		return err;
	return fn(q, f, l.dir, (struct vfs_slice){ l.name, l.len }, arg);
}

static int
unlink_it(struct p9_req *q, struct p9_fid *f, struct vfs_id dir,
    struct vfs_slice name, const void *arg)
{
	struct vfs_unlink uq = { .dir = dir, .expect = f->id, .name = name,
	    .flags = f->type == VFS_DIR ? VFS_UNLINK_DIR : VFS_UNLINK_FILE };
	struct vfs_unlink_reply r;

	(void)arg;
	return p9_run(q, f->as, VFS_OP_UNLINK, &uq, &r);
}

/* Whatever comes of it, the fid is clunked. */
int
p9_do_remove(struct p9_req *q, const struct p9_tremove *t,
    struct p9_rremove *r)
{
	struct p9_fid *f = p9_fid_take(q->c, t->fid);
	int err;

	(void)r;
	if (f == NULL)
		return -VFS_BAD_HANDLE;
	err = f->kind == P9_PATH || f->kind == P9_OPEN ?
	    with_name(q, f, unlink_it, NULL) : -VFS_BAD_HANDLE;
	p9_fid_clunk(q, f);
	return err;
}

struct target {
	struct vfs_id dir;
	struct vfs_slice name;
};

static int
rename_it(struct p9_req *q, struct p9_fid *f, struct vfs_id dir,
    struct vfs_slice name, const void *arg)
{
	const struct target *to = arg;
	struct vfs_rename rq = { .dir = dir, .name = name, .expect = f->id,
	    .dir2 = to->dir, .name2 = to->name };
	struct vfs_rename_reply r;

	return p9_run(q, f->as, VFS_OP_RENAME, &rq, &r);
}

int
p9_do_rename(struct p9_req *q, const struct p9_trename *t,
    struct p9_rrename *r)
{
	struct p9_fid *f = p9_fid_get(q->c, t->fid);
	struct p9_fid *d = p9_fid_get(q->c, t->dfid);
	struct target to = { .name = t->name };
	int err = -VFS_BAD_HANDLE;

	(void)r;
	if (f != NULL && d != NULL &&
	    (f->kind == P9_PATH || f->kind == P9_OPEN)) {
		to.dir = d->id;
		err = with_name(q, f, rename_it, &to);
	}
	p9_fid_drop(f);
	p9_fid_drop(d);
	return err;
}

/* --- by directory and name ---------------------------------------------- */

int
p9_do_renameat(struct p9_req *q, const struct p9_trenameat *t,
    struct p9_rrenameat *r)
{
	struct p9_fid *d = p9_fid_get(q->c, t->dfid);
	struct p9_fid *d2 = p9_fid_get(q->c, t->dfid2);
	struct vfs_rename rq = { .name = t->name, .name2 = t->name2 };
	struct vfs_rename_reply rr;
	int err = -VFS_BAD_HANDLE;

	(void)r;
	if (d != NULL && d2 != NULL) {
		rq.dir = d->id;
		rq.dir2 = d2->id;
		err = p9_run(q, d->as, VFS_OP_RENAME, &rq, &rr);
	}
	p9_fid_drop(d);
	p9_fid_drop(d2);
	return err;
}

int
p9_do_unlinkat(struct p9_req *q, const struct p9_tunlinkat *t,
    struct p9_runlinkat *r)
{
	struct p9_fid *d;
	struct vfs_unlink uq = { .name = t->name,
	    .flags = t->flags & P9_REMOVEDIR ? VFS_UNLINK_DIR :
	    VFS_UNLINK_FILE };
	struct vfs_unlink_reply ur;
	int err;

	(void)r;
	if (t->flags & ~P9_REMOVEDIR)
		return -VFS_INVAL;
	if ((d = p9_fid_get(q->c, t->dfid)) == NULL)
		return -VFS_BAD_HANDLE;
	uq.dir = d->id;
	err = p9_run(q, d->as, VFS_OP_UNLINK, &uq, &ur);
	p9_fid_drop(d);
	return err;
}
