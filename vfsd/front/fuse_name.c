/*
 * fuse_name.c - requests about names: lookup, create, link, rename, ...
 */
#include <errno.h>
#include <fcntl.h>
#include <string.h>
#include <sys/stat.h>

#include "fuse_req.h"

#define RENAME_KNOWN	(VFS_RENAME_NOREPLACE | VFS_RENAME_EXCHANGE)

/* open_by_handle_at asks for "." of an id, and ".." to reconnect a
 * directory; they are no names of ours. */
static int
lookup_dots(struct freq *q, bool parent)
{
	static const struct vfs_slice none;
	struct vfs_stat sq = { .id = freq_id(q) };
	struct vfs_stat_reply r = { 0 };
	int err;

	err = freq_dispatch(q, VFS_OP_STAT, &sq, &r);
	if (err == 0 && parent) {
		sq.id = r.attr.parent;
		err = freq_dispatch(q, VFS_OP_STAT, &sq, &r);
	}
	/* No lock of a directory's guards it: nothing is kept. */
	return err < 0 ? err : freq_entry(q, none, &r.attr);
}

int
fuse_do_lookup(struct freq *q)
{
	struct vfs_lookup lq = { .dir = freq_id(q) };
	struct vfs_lookup_reply r = { 0 };
	struct fuse_entry_out none;
	size_t off = 0;
	int err;

	if ((err = freq_name(q, &off, &lq.name)) < 0)
		return err;
	if (lq.name.n == 1 && memcmp(lq.name.p, ".", 1) == 0)
		return lookup_dots(q, false);
	if (lq.name.n == 2 && memcmp(lq.name.p, "..", 2) == 0)
		return lookup_dots(q, true);
	freq_watch(q);
	err = freq_dispatch(q, VFS_OP_LOOKUP, &lq, &r);
	if (err == 0)
		return freq_entry(q, lq.name, &r.attr);
	if (err != -VFS_NOENT)
		return err;
	/* Nodeid 0: the kernel remembers that there is nothing. */
	memset(&none, 0, sizeof none);
	if (freq_keeps_name(q, lq.name))
		none.entry_valid = FUSE_FOREVER;
	q->err = ENOENT;
	freq_reply(q, &none, sizeof none);
	return 0;
}

int
fuse_do_forget(struct freq *q)
{
	const struct fuse_forget_in *in = (const void *)q->body;

	if (q->h->nodeid != FUSE_ROOT_ID)
		fuse_drop(q->f, freq_id(q), in->nlookup);
	return 0;
}

int
fuse_do_batch_forget(struct freq *q)
{
	const struct fuse_batch_forget_in *in = (const void *)q->body;
	const struct fuse_forget_one *one = (const void *)(in + 1);
	size_t i, n = (q->n - sizeof *in) / sizeof *one;

	for (i = 0; i < n && i < in->count; i++)
		if (one[i].nodeid != FUSE_ROOT_ID)
			fuse_drop(q->f, (struct vfs_id){ one[i].nodeid },
			    one[i].nlookup);
	return 0;
}

static int
create(struct freq *q, struct vfs_create *cq, size_t off)
{
	struct vfs_create_reply r = { 0 };
	int err;

	cq->dir = freq_id(q);
	cq->flags = VFS_CREATE_EXCL;
	if ((err = freq_name(q, &off, &cq->name)) < 0)
		return err;
	freq_watch(q);
	err = freq_dispatch(q, VFS_OP_CREATE, cq, &r);
	return err < 0 ? err : freq_entry(q, cq->name, &r.attr);
}

int
fuse_do_mknod(struct freq *q)
{
	const struct fuse_mknod_in *in = (const void *)q->body;
	struct vfs_create cq = { .mode = in->mode };

	q->env.umask = in->umask;
	if (S_ISCHR(in->mode) || S_ISBLK(in->mode)) {
		/* As new_decode_dev() has it in the kernel. */
		cq.rdev_major = (in->rdev & 0xfff00) >> 8;
		cq.rdev_minor = (in->rdev & 0xff) |
		    ((in->rdev >> 12) & 0xfff00);
	}
	return create(q, &cq, sizeof *in);
}

int
fuse_do_mkdir(struct freq *q)
{
	const struct fuse_mkdir_in *in = (const void *)q->body;
	struct vfs_create cq = {
		.mode = S_IFDIR | (in->mode & VFS_MODE_PERM)
	};

	q->env.umask = in->umask;
	return create(q, &cq, sizeof *in);
}

/* name, NUL, target, NUL */
int
fuse_do_symlink(struct freq *q)
{
	struct vfs_create cq = { .mode = S_IFLNK | 0777 };
	const uint8_t *end, *to;

	end = memchr(q->body, 0, q->n);
	if (end == NULL)
		return -VFS_INVAL;
	to = end + 1;
	cq.target.p = to;
	end = memchr(to, 0, q->n - (size_t)(to - q->body));
	if (end == NULL)
		return -VFS_INVAL;
	cq.target.n = (size_t)(end - to);
	if (cq.target.n == 0)
		return -VFS_NOENT;
	if (cq.target.n > VFS_SYMLINK_MAX)
		return -VFS_NAMETOOLONG;
	return create(q, &cq, 0);
}

int
fuse_do_link(struct freq *q)
{
	const struct fuse_link_in *in = (const void *)q->body;
	struct vfs_link lq = {
		.dir = freq_id(q), .target = { in->oldnodeid }
	};
	struct vfs_link_reply r = { 0 };
	size_t off = sizeof *in;
	int err;

	if ((err = freq_name(q, &off, &lq.name)) < 0)
		return err;
	freq_watch(q);
	fuse_sets(q->f, lq.target);
	err = freq_dispatch(q, VFS_OP_LINK, &lq, &r);
	fuse_sets(q->f, lq.target);
	return err < 0 ? err : freq_entry(q, lq.name, &r.attr);
}

static int
unlink_flags(struct freq *q, uint32_t flags)
{
	struct vfs_unlink uq = { .dir = freq_id(q), .flags = flags };
	struct vfs_unlink_reply r = { 0 };
	size_t off = 0;
	int err;

	if ((err = freq_name(q, &off, &uq.name)) < 0)
		return err;
	if ((err = freq_dispatch(q, VFS_OP_UNLINK, &uq, &r)) < 0)
		return err;
	freq_reply(q, NULL, 0);
	return 0;
}

int
fuse_do_unlink(struct freq *q)
{
	return unlink_flags(q, VFS_UNLINK_FILE);
}

int
fuse_do_rmdir(struct freq *q)
{
	return unlink_flags(q, VFS_UNLINK_DIR);
}

static int
rename_flags(struct freq *q, uint64_t dir2, uint32_t flags, size_t off)
{
	struct vfs_rename rq = {
		.dir = freq_id(q), .dir2 = { dir2 }, .flags = flags
	};
	struct vfs_rename_reply r = { 0 };
	int err;

	if ((err = freq_name(q, &off, &rq.name)) < 0)
		return err;
	if ((err = freq_name(q, &off, &rq.name2)) < 0)
		return err;
	visible_moves(q->f->visible, rq.dir, rq.name);
	visible_moves(q->f->visible, rq.dir2, rq.name2);
	if ((err = freq_dispatch(q, VFS_OP_RENAME, &rq, &r)) < 0)
		return err;
	freq_reply(q, NULL, 0);
	return 0;
}

int
fuse_do_rename(struct freq *q)
{
	const struct fuse_rename_in *in = (const void *)q->body;

	return rename_flags(q, in->newdir, 0, sizeof *in);
}

/* The flags' numbers are renameat2(2)'s; so are ours. */
int
fuse_do_rename2(struct freq *q)
{
	const struct fuse_rename2_in *in = (const void *)q->body;

	if (in->flags & ~RENAME_KNOWN)
		return -VFS_INVAL;	/* RENAME_WHITEOUT */
	return rename_flags(q, in->newdir, in->flags, sizeof *in);
}
