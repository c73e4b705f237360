/* Attributes, links' targets, room, extended attributes. */
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

#include "p9_in.h"

#define READLINK_HDR	(P9_HDR + 2u)	/* before the target in a reply */

/* --- getattr ------------------------------------------------------------ */

/* As new_encode_dev() has it in the kernel. */
static uint64_t
rdev(const struct vfs_attr *a)
{
	return (a->rdev_minor & 0xff) | (uint64_t)a->rdev_major << 8 |
	    (uint64_t)(a->rdev_minor & ~0xffu) << 12;
}

/* All of it, whatever was asked for: it is one row. */
static void
fill(struct p9_rgetattr *r, const struct vfs_attr *a)
{
	*r = (struct p9_rgetattr){
		.valid = P9_GET_ALL, .qid = p9_qid_of(a),
		.mode = a->mode, .uid = a->uid, .gid = a->gid,
		.nlink = a->nlink, .rdev = rdev(a), .size = a->size,
		.blksize = VFS_DIRBLK, .blocks = (a->alloc + 511) / 512,
		.atime = (uint64_t)a->atime.sec, .atime_ns = a->atime.nsec,
		.mtime = (uint64_t)a->mtime.sec, .mtime_ns = a->mtime.nsec,
		.ctime = (uint64_t)a->ctime.sec, .ctime_ns = a->ctime.nsec,
		.btime = (uint64_t)a->btime.sec, .btime_ns = a->btime.nsec,
		.data_version = a->data_version,
	};
}

int
p9_do_getattr(struct p9_req *q, const struct p9_tgetattr *t,
    struct p9_rgetattr *r)
{
	struct p9_fid *f = p9_fid_get(q->c, t->fid);
	struct vfs_stat sq = { 0 };
	struct vfs_stat_reply sr;
	int err = -VFS_BAD_HANDLE;

	if (f != NULL) {
		sq.id = f->ref;
		err = p9_run(q, f->as, VFS_OP_STAT, &sq, &sr);
	}
	p9_fid_drop(f);
	if (err == 0)
		fill(r, &sr.attr);
	return err;
}

/* --- setattr ------------------------------------------------------------ */

static const struct {
	uint32_t theirs, ours;
} valid_map[] = {
	{ P9_SET_MODE, VFS_SET_MODE },
	{ P9_SET_UID, VFS_SET_UID },
	{ P9_SET_GID, VFS_SET_GID },
	{ P9_SET_SIZE, VFS_SET_SIZE },
	{ P9_SET_ATIME_SET, VFS_SET_ATIME },
	{ P9_SET_MTIME_SET, VFS_SET_MTIME },
	{ P9_SET_ATIME, VFS_SET_ATIME_NOW },
	{ P9_SET_MTIME, VFS_SET_MTIME_NOW },
};

/* ctime is never the client's to set. */
static uint32_t
valid_of(uint32_t theirs)
{
	uint32_t v = 0;
	size_t i;

	for (i = 0; i < sizeof valid_map / sizeof valid_map[0]; i++)
		if (theirs & valid_map[i].theirs)
			v |= valid_map[i].ours;
	if (v & VFS_SET_ATIME)
		v &= ~VFS_SET_ATIME_NOW;
	if (v & VFS_SET_MTIME)
		v &= ~VFS_SET_MTIME_NOW;
	/* A new size brings its own; Linux asks all the same. */
	if (v & VFS_SET_SIZE)
		v &= ~VFS_SET_MTIME_NOW;
	return v;
}

static bool
open_for_writing(const struct p9_fid *f)
{
	return f->kind == P9_OPEN &&
	    (f->flags & P9_O_ACCMODE) != P9_O_RDONLY;
}

/*
 * Linux ends set-id bits by itself when somebody writes or truncates, as a
 * new mode, which only an owner could set.  true: it is just that.
 */
static bool
only_kills(struct p9_req *q, struct p9_fid *f, struct vfs_setattr *sq)
{
	struct vfs_stat tq = { .id = f->ref };
	struct vfs_stat_reply r;

	if ((sq->valid & VFS_SET_MODE) == 0 ||
	    (sq->valid & (VFS_SET_UID | VFS_SET_GID)) != 0 ||
	    p9_run(q, f->as, VFS_OP_STAT, &tq, &r) < 0 ||
	    sq->mode != (r.attr.mode & VFS_MODE_PERM & ~(S_ISUID | S_ISGID)))
		return false;
	sq->valid = (sq->valid & ~VFS_SET_MODE) | VFS_SET_KILL_SUIDGID;
	return true;
}

/* ftruncate: whether it may was asked when it was opened.  Through what
 * is open for reading, a client truncates by path. */
static int
set(struct p9_req *q, struct p9_fid *f, struct vfs_setattr sq)
{
	struct vfs_setattr_reply r;

	sq.id = (sq.valid & (VFS_SET_SIZE | VFS_SET_KILL_SUIDGID)) &&
	    !open_for_writing(f) ? f->id : f->ref;
	return p9_run(q, f->as, VFS_OP_SETATTR, &sq, &r);
}

int
p9_do_setattr(struct p9_req *q, const struct p9_tsetattr *t,
    struct p9_rsetattr *r)
{
	struct vfs_setattr sq = { .valid = valid_of(t->valid),
	    .mode = t->mode & VFS_MODE_PERM, .uid = t->uid, .gid = t->gid,
	    .size = t->size,
	    .atime = { (int64_t)t->atime, (uint32_t)t->atime_ns },
	    .mtime = { (int64_t)t->mtime, (uint32_t)t->mtime_ns } };
	struct p9_fid *f;
	int err;

	(void)r;
	if ((sq.valid & VFS_SET_ATIME && t->atime_ns > 999999999) ||
	    (sq.valid & VFS_SET_MTIME && t->mtime_ns > 999999999))
		return -VFS_INVAL;
	if ((f = p9_fid_get(q->c, t->fid)) == NULL)
		return -VFS_BAD_HANDLE;
	err = set(q, f, sq);
	if (err == -VFS_PERM && only_kills(q, f, &sq))
		err = set(q, f, sq);
	p9_fid_drop(f);
	return err;
}

/* --- readlink, statfs --------------------------------------------------- */

int
p9_do_readlink(struct p9_req *q, const struct p9_treadlink *t,
    struct p9_rreadlink *r)
{
	struct p9_fid *f = p9_fid_get(q->c, t->fid);
	struct vfs_readlink rq = { 0 };
	struct vfs_readlink_reply rr = {
		.target = { q->out + READLINK_HDR, VFS_SYMLINK_MAX, 0 }
	};
	int err = -VFS_BAD_HANDLE;

	if (f != NULL) {
		rq.id = f->id;
		err = p9_run(q, f->as, VFS_OP_READLINK, &rq, &rr);
		if (err == 0)
			p9_atime(q, f);
	}
	p9_fid_drop(f);
	if (err == 0)
		r->target = (struct vfs_slice){ rr.target.p, rr.target.n };
	return err;
}

int
p9_do_statfs(struct p9_req *q, const struct p9_tstatfs *t,
    struct p9_rstatfs *r)
{
	struct p9_fid *f = p9_fid_get(q->c, t->fid);
	struct vfs_statfs sq = { 0 };
	struct vfs_statfs_reply sr;
	int err = -VFS_BAD_HANDLE;

	if (f != NULL) {
		sq.id = f->ref;
		err = p9_run(q, f->as, VFS_OP_STATFS, &sq, &sr);
	}
	p9_fid_drop(f);
	if (err == 0)
		*r = (struct p9_rstatfs){ .type = P9_STATFS_TYPE,
			.bsize = sr.bsize, .blocks = sr.blocks,
			.bfree = sr.bfree, .bavail = sr.bfree,
			.files = sr.files, .ffree = sr.ffree,
			.fsid = q->c->p9->fsid, .namelen = sr.namelen };
	return err;
}

/* --- extended attributes ------------------------------------------------ */

static int
xattr_name(struct vfs_slice name)
{
	if (name.n > VFS_XATTR_NAME_MAX)
		return -VFS_RANGE;
	return name.n == 0 || memchr(name.p, '\0', name.n) != NULL ?
	    -VFS_INVAL : 0;
}

/* A value, or without a name all names, into room that is the fid's. */
static int
fetch(struct p9_req *q, struct p9_fid *f, struct vfs_slice name,
    struct vfs_buf *b)
{
	struct vfs_xattr_get gq = { .id = f->ref, .name = name };
	struct vfs_xattr_get_reply gr = { .value = *b };
	struct vfs_xattr_list lq = { .id = f->ref };
	struct vfs_xattr_list_reply lr = { .names = *b };
	int err;

	if (name.n == 0) {
		err = p9_run(q, f->as, VFS_OP_XATTR_LIST, &lq, &lr);
		*b = lr.names;
	} else {
		err = p9_run(q, f->as, VFS_OP_XATTR_GET, &gq, &gr);
		*b = gr.value;
	}
	return err;
}

static int
walk_to(struct p9_req *q, struct p9_fid *f, const struct p9_txattrwalk *t,
    uint64_t *size)
{
	struct vfs_buf b = { q->out, VFS_XATTR_SIZE_MAX, 0 };
	struct p9_fid *x;
	int err;

	if (f->kind != P9_PATH && f->kind != P9_OPEN)
		return -VFS_BAD_HANDLE;
	if (t->name.n > 0 && (err = xattr_name(t->name)) < 0)
		return err;
	if ((err = fetch(q, f, t->name, &b)) < 0)
		return err;
	if ((err = p9_fid_like(q, f, &x)) < 0)
		return err;
	if ((x->bytes = malloc(b.n + 1)) == NULL) {
		p9_fid_drop(x);
		return -VFS_NOMEM;
	}
	x->kind = P9_XATTR_READ;
	x->nbytes = b.n;
	memcpy(x->bytes, b.p, b.n);
	*size = b.n;
	return p9_fid_add(q->c, t->newfid, t->newfid == t->fid ? f : NULL, x);
}

int
p9_do_xattrwalk(struct p9_req *q, const struct p9_txattrwalk *t,
    struct p9_rxattrwalk *r)
{
	struct p9_fid *f = p9_fid_get(q->c, t->fid);
	int err = f == NULL ? -VFS_BAD_HANDLE : walk_to(q, f, t, &r->size);

	p9_fid_drop(f);
	return err;
}

/* The value comes by Twrite, and is set when the fid is clunked. */
static int
begin_xattr(struct p9_req *q, struct p9_fid *f,
    const struct p9_txattrcreate *t)
{
	struct p9_fid *x;
	int err;

	if (f->kind != P9_PATH)
		return -VFS_BAD_HANDLE;
	if (t->flags & ~(P9_XATTR_CREATE | P9_XATTR_REPLACE))
		return -VFS_INVAL;
	if ((err = xattr_name(t->name)) < 0)
		return err;
	if (t->size > VFS_XATTR_SIZE_MAX)
		return -VFS_NOSPC;
	if ((err = p9_fid_like(q, f, &x)) < 0)
		return err;
	if ((x->bytes = malloc((size_t)t->size + 1)) == NULL ||
	    p9_fid_name(x, f->id, t->name) < 0) {
		p9_fid_drop(x);
		return -VFS_NOMEM;
	}
	x->kind = P9_XATTR_WRITE;
	x->size = (size_t)t->size;
	if (t->flags & P9_XATTR_CREATE)
		x->xflags |= VFS_XATTR_CREATE;
	if (t->flags & P9_XATTR_REPLACE)
		x->xflags |= VFS_XATTR_REPLACE;
	return p9_fid_add(q->c, t->fid, f, x);
}

int
p9_do_xattrcreate(struct p9_req *q, const struct p9_txattrcreate *t,
    struct p9_rxattrcreate *r)
{
	struct p9_fid *f = p9_fid_get(q->c, t->fid);
	int err = f == NULL ? -VFS_BAD_HANDLE : begin_xattr(q, f, t);

	(void)r;
	p9_fid_drop(f);
	return err;
}
