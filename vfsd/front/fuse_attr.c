/*
 * fuse_attr.c - attributes: stat, setattr, xattrs, statfs, readlink
 */
#include <errno.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/xattr.h>

#include "../addr.h"
#include "fuse_req.h"

static int
reply_attr(struct freq *q, const struct vfs_attr *a)
{
	struct fuse_attr_out r = {
		.attr_valid = freq_keeps_answer(q, a->id) ? FUSE_FOREVER : 0
	};

	fuse_attr_fill(&r.attr, a);
	freq_reply(q, &r, sizeof r);
	return 0;
}

int
fuse_do_getattr(struct freq *q)
{
	struct vfs_stat sq = { .id = freq_id(q) };
	struct vfs_stat_reply r = { 0 };
	int err;

	freq_watch(q);
	err = freq_dispatch(q, VFS_OP_STAT, &sq, &r);
	return err < 0 ? err : reply_attr(q, &r.attr);
}

static struct fuse_sx_time
sx_time(struct vfs_time t)
{
	return (struct fuse_sx_time){ .sec = t.sec, .nsec = t.nsec };
}

int
fuse_do_statx(struct freq *q)
{
	struct vfs_stat sq = { .id = freq_id(q) };
	struct vfs_stat_reply r = { 0 };
	struct fuse_statx_out out = { 0 };
	const struct vfs_attr *a = &r.attr;
	int err;

	freq_watch(q);
	if ((err = freq_dispatch(q, VFS_OP_STAT, &sq, &r)) < 0)
		return err;
	if (freq_keeps_answer(q, a->id))
		out.attr_valid = FUSE_FOREVER;
	out.stat = (struct fuse_statx){
		.mask = STATX_BASIC_STATS | STATX_BTIME,
		.blksize = VFS_DIRBLK, .nlink = a->nlink,
		.uid = a->uid, .gid = a->gid, .mode = (uint16_t)a->mode,
		.ino = a->id.n, .size = a->size,
		.blocks = (a->alloc + 511) / 512,
		.atime = sx_time(a->atime), .btime = sx_time(a->btime),
		.ctime = sx_time(a->ctime), .mtime = sx_time(a->mtime),
		.rdev_major = a->rdev_major, .rdev_minor = a->rdev_minor,
	};
	freq_reply(q, &out, sizeof out);
	return 0;
}

static const struct {
	uint32_t kernel, ours;
} valid_map[] = {
	{ FATTR_MODE, VFS_SET_MODE },
	{ FATTR_UID, VFS_SET_UID },
	{ FATTR_GID, VFS_SET_GID },
	{ FATTR_SIZE, VFS_SET_SIZE },
	{ FATTR_ATIME, VFS_SET_ATIME },
	{ FATTR_MTIME, VFS_SET_MTIME },
	{ FATTR_ATIME_NOW, VFS_SET_ATIME_NOW },
	{ FATTR_MTIME_NOW, VFS_SET_MTIME_NOW },
	{ FATTR_KILL_SUIDGID, VFS_SET_KILL_SUIDGID },
};

/* FATTR_FH, LOCKOWNER and CTIME tell nothing that we need. */
static uint32_t
valid_of(uint32_t kernel)
{
	uint32_t v = 0;
	size_t i;

	for (i = 0; i < sizeof valid_map / sizeof valid_map[0]; i++)
		if (kernel & valid_map[i].kernel)
			v |= valid_map[i].ours;
	/* The kernel sets both bits of a time that is to be now. */
	if (v & VFS_SET_ATIME_NOW)
		v &= ~VFS_SET_ATIME;
	if (v & VFS_SET_MTIME_NOW)
		v &= ~VFS_SET_MTIME;
	return v;
}

int
fuse_do_setattr(struct freq *q)
{
	const struct fuse_setattr_in *in = (const void *)q->body;
	struct vfs_setattr sq = {
		.id = freq_id(q), .valid = valid_of(in->valid),
		.mode = in->mode & VFS_MODE_PERM,
		.uid = in->uid, .gid = in->gid, .size = in->size,
		.atime = { (int64_t)in->atime, in->atimensec },
		.mtime = { (int64_t)in->mtime, in->mtimensec },
	};
	struct vfs_setattr_reply r = { 0 };
	struct fuse_handle *h;
	int err;

	if (in->atimensec > 999999999 || in->mtimensec > 999999999)
		return -VFS_INVAL;
	q->env.no_modes = (in->valid & FATTR_FH) != 0;
	freq_watch(q);
	fuse_sets(q->f, sq.id);
	if ((err = freq_dispatch(q, VFS_OP_SETATTR, &sq, &r)) < 0)
		return err;
	if (sq.valid & VFS_SET_MODE)
		freq_shut(q, sq.id);
	fuse_sets(q->f, sq.id);		/* it may have taken long */
	if (in->valid & FATTR_SIZE && in->valid & FATTR_FH &&
	    (h = fuse_handle_find(q->f->handles, in->fh, sq.id)) != NULL)
		atomic_store(&h->wrote, true);
	return reply_attr(q, &r.attr);
}

int
fuse_do_access(struct freq *q)
{
	const struct fuse_access_in *in = (const void *)q->body;
	struct vfs_access aq = { .id = freq_id(q), .mask = in->mask & 7 };
	struct vfs_access_reply r = { 0 };
	int err;

	if ((err = freq_dispatch(q, VFS_OP_ACCESS, &aq, &r)) < 0)
		return err;
	if ((r.granted & aq.mask) != aq.mask)
		return -VFS_ACCESS;
	freq_reply(q, NULL, 0);
	return 0;
}

int
fuse_do_readlink(struct freq *q)
{
	struct vfs_readlink rq = { .id = freq_id(q) };
	struct vfs_readlink_reply r = { .target = { q->w->out, FUSE_BUF, 0 } };
	int err;

	if ((err = freq_dispatch(q, VFS_OP_READLINK, &rq, &r)) < 0)
		return err;
	freq_atime(q);
	freq_reply(q, r.target.p, r.target.n);
	return 0;
}

int
fuse_do_statfs(struct freq *q)
{
	struct vfs_statfs sq = { .id = freq_id(q) };
	struct vfs_statfs_reply r = { 0 };
	struct fuse_statfs_out out = { 0 };
	int err;

	if ((err = freq_dispatch(q, VFS_OP_STATFS, &sq, &r)) < 0)
		return err;
	out.blocks = r.blocks;
	out.bfree = out.bavail = r.bfree;
	out.files = r.files;
	out.ffree = r.ffree;
	out.bsize = out.frsize = r.bsize;
	out.namelen = r.namelen;
	freq_reply(q, &out, sizeof out);
	return 0;
}

/* --- extended attributes ------------------------------------------- */

static bool
is_addr(struct vfs_slice name)
{
	return name.n == sizeof ADDR_XATTR - 1 &&
	    memcmp(name.p, ADDR_XATTR, name.n) == 0;
}

/* size 0 asks how long it is; too small is ERANGE. */
static int
reply_sized(struct freq *q, uint32_t size, const void *p, size_t n)
{
	struct fuse_getxattr_out out = { .size = (uint32_t)n };

	if (size == 0) {
		freq_reply(q, &out, sizeof out);
		return 0;
	}
	if (n > size)
		return -VFS_RANGE;
	freq_reply(q, p, n);
	return 0;
}

int
fuse_do_getxattr(struct freq *q)
{
	const struct fuse_getxattr_in *in = (const void *)q->body;
	struct vfs_xattr_get xq = { .id = freq_id(q) };
	struct vfs_xattr_get_reply r = {
		.value = { q->w->out, VFS_XATTR_SIZE_MAX, 0 }
	};
	size_t off = sizeof *in;
	int err;

	if ((err = freq_string(q, &off, &xq.name)) < 0)
		return err;
	if (is_addr(xq.name) && q->f->store != NULL)
		return reply_sized(q, in->size, q->f->store,
		    strlen(q->f->store));
	if ((err = freq_dispatch(q, VFS_OP_XATTR_GET, &xq, &r)) < 0)
		return err;
	return reply_sized(q, in->size, r.value.p, r.value.n);
}

int
fuse_do_listxattr(struct freq *q)
{
	const struct fuse_getxattr_in *in = (const void *)q->body;
	struct vfs_xattr_list xq = { .id = freq_id(q) };
	struct vfs_xattr_list_reply r = {
		.names = { q->w->out, VFS_XATTR_LIST_MAX, 0 }
	};
	int err;

	if ((err = freq_dispatch(q, VFS_OP_XATTR_LIST, &xq, &r)) < 0)
		return err;
	return reply_sized(q, in->size, r.names.p, r.names.n);
}

/* The fixed part is eight bytes longer with SETXATTR_EXT. */
int
fuse_do_setxattr(struct freq *q)
{
	struct fuse_setxattr_in in = { 0 };
	struct vfs_xattr_set xq = { .id = freq_id(q) };
	struct vfs_xattr_set_reply r = { 0 };
	size_t off = FUSE_SETXATTR_IN_OLD;
	int err;

	if (atomic_load(&q->f->flags) & FUSE_SETXATTR_EXT)
		off = sizeof in;
	if (q->n < off)
		return -VFS_INVAL;
	memcpy(&in, q->body, off);
	if ((err = freq_string(q, &off, &xq.name)) < 0)
		return err;
	if (in.size > q->n - off)
		return -VFS_INVAL;
	if (is_addr(xq.name))
		return -VFS_PERM;	/* made up by us, never stored */
	xq.value = (struct vfs_slice){ q->body + off, in.size };
	if (in.flags & XATTR_CREATE)
		xq.flags |= VFS_XATTR_CREATE;
	if (in.flags & XATTR_REPLACE)
		xq.flags |= VFS_XATTR_REPLACE;
	if (in.setxattr_flags & FUSE_SETXATTR_ACL_KILL_SGID)
		xq.flags |= VFS_XATTR_KILL_SGID;
	if ((err = freq_dispatch(q, VFS_OP_XATTR_SET, &xq, &r)) < 0)
		return err;
	freq_shut(q, xq.id);
	freq_reply(q, NULL, 0);
	return 0;
}

int
fuse_do_removexattr(struct freq *q)
{
	struct vfs_xattr_remove xq = { .id = freq_id(q) };
	struct vfs_xattr_remove_reply r = { 0 };
	size_t off = 0;
	int err;

	if ((err = freq_string(q, &off, &xq.name)) < 0)
		return err;
	if ((err = freq_dispatch(q, VFS_OP_XATTR_REMOVE, &xq, &r)) < 0)
		return err;
	freq_shut(q, xq.id);
	freq_reply(q, NULL, 0);
	return 0;
}
