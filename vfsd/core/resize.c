/*
 * resize.c - a file gets another size (SETATTR)
 *
 * A block in which the new end lies is written again with zeroes behind
 * the end, so that growing later shows zeroes; an inline file that grows
 * too long becomes a block.  Both need new bytes: prep_setattr.
 */
#include <assert.h>
#include <string.h>

#include "content.h"

static uint64_t
blocks_of(uint64_t size)
{
	return size / VFS_BLOCK + (size % VFS_BLOCK != 0);
}

/* Does the cut go through written bytes? */
static int
cuts_block(struct txn *t, const struct node *n, uint64_t size, bool *cuts)
{
	struct ext x;
	int err;

	*cuts = false;
	if (size >= n->in.size || size % VFS_BLOCK == 0)
		return 0;
	err = ext_find(t, n, size / VFS_BLOCK, &x);
	*cuts = err == 0 && ext_written(&x);
	return err == -VFS_NOENT ? 0 : err;
}

static int
plan_cut(struct txn *rt, const struct node *n, uint64_t size,
    struct plan *p)
{
	uint64_t block = size / VFS_BLOCK, hint;
	uint8_t buf[VFS_BLOCK];
	int err;

	if ((err = content_read(rt, n, block * VFS_BLOCK, buf,
	    size % VFS_BLOCK)) < 0 ||
	    (err = plan_hint(rt, n, block, &hint)) < 0)
		return err;
	memset(buf + size % VFS_BLOCK, 0, VFS_BLOCK - size % VFS_BLOCK);
	return plan_write_block(rt, p, block, hint, buf);
}

int
prep_setattr(struct txn *rt, const struct vfs_setattr *q, struct plan **out)
{
	struct plan *p;
	struct node n;
	bool cuts;
	int err;

	if ((q->valid & VFS_SET_SIZE) == 0)
		return 0;
	if ((err = content_file(rt, q->id, &n)) < 0)
		return 0;		/* the operation says so */
	if (n.in.flags & INODE_INLINE) {
		if (q->size <= VFS_INLINE_MAX)
			return 0;
	} else if ((err = cuts_block(rt, &n, q->size, &cuts)) < 0 || !cuts) {
		return err;
	}
	if ((err = plan_new(&n, &p)) < 0)
		return err;
	*out = p;			/* dropped by the caller, whatever */
	if (n.in.flags & INODE_INLINE)
		return content_plan_convert(rt, &n, p);
	return plan_cut(rt, &n, q->size, p);
}

static int
resize_inline(struct txn *t, struct node *n, uint64_t size)
{
	struct content_inline c;
	int err;

	if ((err = content_inline_edit(t, n, 0, NULL, 0, &c)) < 0)
		return err;
	if (size > c.n)
		c.n = size;		/* zeroes are there */
	return content_put_inline(t, n, ROW_INLINE,
	    (struct vfs_slice){ c.b, size });
}

static int
inline_to_blocks(struct txn *t, struct node *n, struct plan *p)
{
	int err;

	if ((err = node_del_row(t, ROW_INLINE, n->id)) < 0)
		return err;
	n->in.flags &= ~(uint32_t)INODE_INLINE;
	return plan_apply(t, p, ROW_EXTENT, n);
}

static int
resize_blocks(struct txn *t, struct node *n, uint64_t size, struct plan *p)
{
	uint64_t gone;
	bool cuts;
	int err;

	if ((err = cuts_block(t, n, size, &cuts)) < 0)
		return err;
	if (cuts && (p == NULL || p->nruns == 0))
		return -VFS_AGAIN;
	if (size <= n->in.size) {
		err = ext_clear(t, ROW_EXTENT, n, blocks_of(size),
		    EXT_LAST_BLOCK, 0, &gone);
		if (err < 0)
			return err;
		n->in.blocks -= gone;
	}
	return cuts ? plan_apply(t, p, ROW_EXTENT, n) : 0;
}

int
content_resize(struct txn *t, struct node *n, uint64_t size, struct plan *p)
{
	int err;

	assert(!n->draft);
	if ((err = content_range(size, 0)) < 0)
		return err;
	if (p != NULL && (err = plan_fits(p, n)) < 0)
		return err;
	if ((n->in.flags & INODE_INLINE) == 0)
		err = resize_blocks(t, n, size, p);
	else if (size <= VFS_INLINE_MAX)
		err = resize_inline(t, n, size);
	else if (p == NULL || p->nruns == 0)
		err = -VFS_AGAIN;
	else
		err = inline_to_blocks(t, n, p);
	if (err == 0)
		n->in.size = size;
	return err;
}
