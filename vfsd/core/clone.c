#include <assert.h>
#include <inttypes.h>
#include <stdlib.h>
#include <string.h>

#include "clone.h"
#include "content.h"
#include "dirent.h"
#include "draft.h"
#include "extent.h"
#include "perm.h"
#include "tree.h"
#include "xattr.h"

#define BATCH		16u		/* entries read at a time */
#define ROW_COST	80u		/* of a row besides what is in it */
#define MODE_SETID	06000u

/* A directory under way; the last is the one that is walked. */
struct level {
	struct vfs_id src, dst;
	uint64_t from;			/* the next slot */
};

/* Objects with several names: the copy gets as many as are met. */
struct twin {
	uint64_t src, dst;		/* src 0: free */
};

struct clone {
	struct vfs_id src, top;
	uint64_t upto, objects;
	struct level *levels;
	size_t nlevels, levels_cap;
	struct twin *twins;		/* open addressing */
	size_t ntwins, twins_cap;	/* cap: a power of two, or 0 */
	struct vfs_id file_src, file_dst;	/* whose extents are next */
	uint64_t block;
	size_t cost;			/* of this step */
};

int
clone_new(struct vfs_id src, uint64_t upto, struct clone **out)
{
	struct clone *c = calloc(1, sizeof *c);

	if (c == NULL)
		return -VFS_NOMEM;
	c->src = src;
	c->upto = upto;
	*out = c;
	return 0;
}

void
clone_free(struct clone *c)
{
	if (c == NULL)
		return;
	free(c->levels);
	free(c->twins);
	free(c);
}

struct vfs_id
clone_id(const struct clone *c)
{
	return c->top;
}

uint64_t
clone_objects(const struct clone *c)
{
	return c->objects;
}

/* --- what is remembered -------------------------------------------------- */

static int
push(struct clone *c, struct vfs_id src, struct vfs_id dst)
{
	size_t cap = c->levels_cap > 0 ? 2 * c->levels_cap : 32;
	struct level *v;

	if (c->nlevels == c->levels_cap) {
		if ((v = realloc(c->levels, cap * sizeof *v)) == NULL)
			return -VFS_NOMEM;
		c->levels = v;
		c->levels_cap = cap;
	}
	c->levels[c->nlevels++] = (struct level){ .src = src, .dst = dst };
	return 0;
}

static struct twin *
twin_at(struct twin *v, size_t cap, uint64_t src)
{
	size_t i = (src * 0x9e3779b97f4a7c15ull >> 32) & (cap - 1);

	while (v[i].src != 0 && v[i].src != src)
		i = (i + 1) & (cap - 1);
	return &v[i];
}

static int
twin_add(struct clone *c, struct vfs_id src, struct vfs_id dst)
{
	size_t cap = c->twins_cap > 0 ? 2 * c->twins_cap : 64, i;
	struct twin *v;

	if ((c->ntwins + 1) * 4 > c->twins_cap * 3) {
		if ((v = calloc(cap, sizeof *v)) == NULL)
			return -VFS_NOMEM;
		for (i = 0; i < c->twins_cap; i++)
			if (c->twins[i].src != 0)
				*twin_at(v, cap, c->twins[i].src) =
				    c->twins[i];
		free(c->twins);
		c->twins = v;
		c->twins_cap = cap;
	}
	*twin_at(c->twins, c->twins_cap, src.n) =
	    (struct twin){ src.n, dst.n };
	c->ntwins++;
	return 0;
}

/* 0: it was not met yet. */
static uint64_t
twin_of(const struct clone *c, struct vfs_id src)
{
	return c->twins_cap == 0 ? 0 :
	    twin_at(c->twins, c->twins_cap, src.n)->dst;
}

/* --- the source ---------------------------------------------------------- */

/* As it is, or as it was: then nothing of it is newer. */
static int
source(struct txn *t, const struct clone *c, struct vfs_id id,
    struct node *n)
{
	uint32_t mask = VFS_MAY_READ;
	int err = node_get(t, id, n);

	if (c->upto == 0) {
		if (err == 0)
			err = draft_publish(t, n);
	} else if (err == -VFS_NO_SUCH_ID || (err == 0 && (n->draft ||
	    n->in.data_version > c->upto || n->in.meta_version > c->upto))) {
		return -VFS_CONFLICT;
	}
	if (err < 0)
		return err;
	if (node_is_dir(n))
		mask |= VFS_MAY_EXEC;
	return node_is_dir(n) || node_is_file(n) ? perm_check(t, n, mask) : 0;
}

/* --- one object ---------------------------------------------------------- */

static bool
keeps_owners(const struct req_env *env)
{
	return env->kernel_checked || env->privileged || env->no_modes;
}

/* What a user copies is his own, and gives nobody his rights. */
static int
new_node(struct txn *t, const struct node *src, struct node *n)
{
	const struct req_env *env = txn_env(t);
	uint32_t mode = src->in.mode, uid = src->in.uid, gid = src->in.gid;
	enum vfs_type type = node_type(src);
	int err;

	if (!keeps_owners(env)) {
		if (type == VFS_CHR || type == VFS_BLK)
			return -VFS_PERM;
		if (!perm_in_group(t, gid))
			gid = env->gid;
		if (uid != env->uid || gid != src->in.gid)
			mode &= ~MODE_SETID;
		uid = env->uid;
	}
	if ((err = node_new(t, mode, uid, gid, n)) < 0)
		return err;
	n->in.atime = src->in.atime;
	n->in.mtime = src->in.mtime;
	n->in.rdev_major = src->in.rdev_major;
	n->in.rdev_minor = src->in.rdev_minor;
	return 0;
}

/* Names, one after the other, each with its length before it. */
struct names {
	uint8_t *p;
	size_t n, cap;
};

static int
collect(void *arg, struct vfs_slice name)
{
	struct names *l = arg;
	size_t cap = 2 * l->cap + 512;
	uint8_t *p;

	if (l->cap - l->n < name.n + 1) {
		if ((p = realloc(l->p, cap)) == NULL)
			return -VFS_NOMEM;
		l->p = p;
		l->cap = cap;
	}
	l->p[l->n++] = (uint8_t)name.n;
	memcpy(l->p + l->n, name.p, name.n);
	l->n += name.n;
	return 0;
}

/* What only root may set is not handed on by others. */
static bool
may_copy(const struct txn *t, struct vfs_slice name)
{
	static const char *const kept[] = { "security.", "trusted." };
	size_t i, n;

	for (i = 0; i < 2 && !keeps_owners(txn_env(t)); i++) {
		n = strlen(kept[i]);
		if (name.n >= n && memcmp(name.p, kept[i], n) == 0)
			return false;
	}
	return true;
}

static int
copy_attrs(struct txn *t, struct clone *c, const struct node *src,
    struct node *n, const struct names *l)
{
	struct vfs_slice name, val;
	size_t at;
	int err = 0;

	for (at = 0; at < l->n && err == 0; at += name.n) {
		name.n = l->p[at++];
		name.p = l->p + at;
		if (!may_copy(t, name))
			continue;
		if ((err = xattr_get(t, src, name, &val)) == 0)
			err = xattr_put(t, n, name, val);
		c->cost += ROW_COST + name.n + val.n;
	}
	return err;
}

static int
copy_xattrs(struct txn *t, struct clone *c, const struct node *src,
    struct node *n)
{
	struct names l = { NULL, 0, 0 };
	int err;

	err = xattr_each(t, src, collect, &l);
	if (err == 0)
		err = copy_attrs(t, c, src, n, &l);
	free(l.p);
	return err;
}

/* A file's blocks come later. */
static int
copy_content(struct txn *t, struct clone *c, const struct node *src,
    struct node *n)
{
	struct vfs_slice bytes;
	int err;

	if (node_is_dir(src))
		return push(c, src->id, n->id);
	n->in.size = src->in.size;
	if (src->in.flags & INODE_INLINE) {
		if ((err = content_inline(t, src, &bytes)) < 0)
			return err;
		c->cost += ROW_COST + bytes.n;
		return content_put_inline(t, n, ROW_INLINE, bytes);
	}
	if (src->in.blocks > 0) {
		c->file_src = src->id;
		c->file_dst = n->id;
		c->block = 0;
	}
	return 0;
}

static int
copy_object(struct txn *t, struct clone *c, const struct node *src,
    const struct node *dir, struct node *n)
{
	int err;

	if ((err = new_node(t, src, n)) < 0)
		return err;
	n->in.parent = dir->id.n;
	if ((err = copy_xattrs(t, c, src, n)) < 0 ||
	    (err = copy_content(t, c, src, n)) < 0 ||
	    (err = node_put(t, n)) < 0)
		return err;
	if (!node_is_dir(src) && src->in.nlink > 1 &&
	    (err = twin_add(c, src->id, n->id)) < 0)
		return err;
	c->objects++;
	c->cost += REC_INODE_MAX + ROW_COST;
	return 0;
}

/* One more name for what was copied before. */
static int
link_twin(struct txn *t, struct vfs_id id, struct node *n)
{
	int err;

	if ((err = node_get(t, id, n)) < 0)
		return err;
	n->in.nlink++;
	n->in.flags |= INODE_MANY;
	return node_put(t, n);
}

static int
copy_named(struct txn *t, struct clone *c, const struct node *src,
    struct node *dir, struct vfs_slice name, struct node *n)
{
	struct vfs_id twin = { twin_of(c, src->id) };
	int err;

	err = twin.n != 0 ? link_twin(t, twin, n) :
	    copy_object(t, c, src, dir, n);
	if (err < 0)
		return err;
	c->cost += 3 * ROW_COST + 2 * name.n;
	if (node_is_dir(n))
		tree_count_subdir(dir, +1);
	return dirent_add(t, dir, name, n->id, node_type(n));
}

int
clone_top(struct txn *t, struct clone *c, struct node *dir,
    struct vfs_slice name)
{
	struct node src, n;
	int err;

	if ((err = source(t, c, c->src, &src)) < 0 ||
	    (err = copy_named(t, c, &src, dir, name, &n)) < 0)
		return err;
	c->top = n.id;
	return 0;
}

/* --- the bytes of a file ------------------------------------------------- */

static int
share_row(struct txn *t, struct clone *c, const struct node *src,
    struct node *dst, const struct ext *x)
{
	uint8_t sums[8 * VFS_EXTENT_BLOCKS_MAX];
	struct ext y = *x;
	int err;

	memcpy(sums, x->sums, 8 * (size_t)x->n);
	y.sums = sums;
	if ((err = share_ext(t, src, &y, dst, y.first)) < 0)
		return err;
	dst->in.blocks += y.n;
	c->cost += ext_share_cost(x);
	return 0;
}

/* What is not written in the source becomes a hole. */
static int
copy_blocks(struct txn *t, struct clone *c, size_t bytes)
{
	struct node src, dst;
	struct ext x;
	int err;

	if ((err = source(t, c, c->file_src, &src)) < 0 ||
	    (err = node_get(t, c->file_dst, &dst)) < 0)
		return err;
	while (c->cost < bytes && (err = ext_row_at(t, ROW_EXTENT, &src,
	    c->block, EXT_LAST_BLOCK, &x)) == 0) {
		c->block = ext_last(&x) + 1;
		if (ext_written(&x) &&
		    (err = share_row(t, c, &src, &dst, &x)) < 0)
			return err;
	}
	if (err < 0 && err != -VFS_NOENT)
		return err;
	if (err == -VFS_NOENT)
		c->file_src.n = 0;
	return node_put(t, &dst);
}

/* --- a directory --------------------------------------------------------- */

static int
copy_entry(struct txn *t, struct clone *c, const struct dirent_row *v,
    struct node *dir)
{
	struct node src, n;
	int err;

	if (v->e.id.n == c->top.n)
		return 0;		/* it lies in what it is a copy of */
	if ((err = source(t, c, v->e.id, &src)) < 0)
		return err;
	return copy_named(t, c, &src, dir, dirent_row_name(v), &n);
}

/* A batch of the last level's entries, or up to a file with blocks. */
static int
copy_entries(struct txn *t, struct clone *c, size_t bytes)
{
	size_t at = c->nlevels - 1;
	struct level l = c->levels[at];
	struct dirent_row v[BATCH];
	struct node src, dir;
	uint32_t i, n;
	int err;

	if ((err = source(t, c, l.src, &src)) < 0 ||
	    (err = node_get_dir(t, l.dst, &dir)) < 0 ||
	    (err = dirent_batch(t, l.src, l.from, BATCH, v, &n)) < 0)
		return err;
	for (i = 0; i < n && c->cost < bytes && c->file_src.n == 0; i++) {
		if ((err = copy_entry(t, c, &v[i], &dir)) < 0)
			return err;
		c->levels[at].from = v[i].e.slot + 1;
	}
	if (n < BATCH && i == n) {	/* done; those below are behind it */
		memmove(&c->levels[at], &c->levels[at + 1],
		    (c->nlevels - at - 1) * sizeof *c->levels);
		c->nlevels--;
	}
	return node_put(t, &dir);
}

int
clone_step(struct txn *t, struct clone *c, size_t bytes)
{
	int err = 0;

	assert(txn_mode(t) == TXN_WRITE);
	c->cost = 0;
	while (err == 0 && c->cost < bytes &&
	    (c->file_src.n != 0 || c->nlevels > 0))
		err = c->file_src.n != 0 ? copy_blocks(t, c, bytes) :
		    copy_entries(t, c, bytes);
	return err < 0 ? err : c->file_src.n != 0 || c->nlevels > 0;
}
