#include <assert.h>
#include <inttypes.h>
#include <string.h>

#include "content.h"
#include "le.h"

int
content_file(struct txn *t, struct vfs_id id, struct node *out)
{
	int err = node_get(t, id, out);

	if (err < 0)
		return err;
	if (node_is_dir(out))
		return -VFS_ISDIR;
	return node_is_file(out) ? 0 : -VFS_INVAL;
}

int
content_range(uint64_t off, uint64_t len)
{
	return off > VFS_FILE_MAX || len > VFS_FILE_MAX - off ?
	    -VFS_FBIG : 0;
}

/* --- reading blocks ----------------------------------------------------- */

/* Nothing that does not match its sum is ever handed on; nor is it read
 * again, in the hope of better. */
static int
verify(struct txn *t, const struct ext *x, struct vfs_id id, uint32_t i,
    const uint8_t *block)
{
	if (le_get64(x->sums + 8 * (size_t)i) == sum_block(block))
		return 0;
	return fault(t, -VFS_CORRUPT, "object %" PRIu64 ": bytes at offset %"
	    PRIu64 ", place %" PRIu64 ", do not match their checksum",
	    id.n, (x->first + i) * VFS_BLOCK, x->place + i);
}

/* Block i of x, of which only some bytes are wanted. */
static int
read_part(struct txn *t, const struct ext *x, struct vfs_id id, uint32_t i,
    size_t from, void *p, size_t len)
{
	uint8_t buf[VFS_BLOCK];
	int err;

	if ((err = data_get(txn_engine(t), x->place + i, buf,
	    sizeof buf)) < 0)
		return fault(t, err, "object %" PRIu64 ": reading place %"
		    PRIu64, id.n, x->place + i);
	if ((err = verify(t, x, id, i, buf)) < 0)
		return err;
	memcpy(p, buf + from, len);
	return 0;
}

static int
read_whole(struct txn *t, const struct ext *x, struct vfs_id id, uint32_t i,
    uint8_t *p, uint32_t n)
{
	uint32_t j;
	int err;

	if ((err = data_get(txn_engine(t), x->place + i, p,
	    (size_t)n * VFS_BLOCK)) < 0)
		return fault(t, err, "object %" PRIu64 ": reading place %"
		    PRIu64, id.n, x->place + i);
	for (j = 0; j < n; j++)
		if ((err = verify(t, x, id, i + j,
		    p + (size_t)j * VFS_BLOCK)) < 0)
			return err;
	return 0;
}

/* len bytes from off on, all of them in x. */
static int
read_ext(struct txn *t, const struct ext *x, struct vfs_id id, uint64_t off,
    uint8_t *p, size_t len)
{
	uint32_t i = (uint32_t)(off / VFS_BLOCK - x->first);
	size_t from = off % VFS_BLOCK, n;
	int err;

	while (len > 0) {
		if (from == 0 && len >= VFS_BLOCK) {
			n = len / VFS_BLOCK;
			err = read_whole(t, x, id, i, p, (uint32_t)n);
			i += (uint32_t)n;
			n *= VFS_BLOCK;
		} else {
			n = VFS_BLOCK - from < len ? VFS_BLOCK - from : len;
			err = read_part(t, x, id, i++, from, p, n);
			from = 0;
		}
		if (err < 0)
			return err;
		p += n;
		len -= n;
	}
	return 0;
}

static int
read_extents(struct txn *t, const struct node *nd, uint64_t off, uint8_t *p,
    size_t len)
{
	uint64_t end = off + len, start, stop;
	struct ext_walk w;
	struct ext x;
	int err;

	if ((err = ext_walk_begin(&w, t, nd, off / VFS_BLOCK,
	    (end - 1) / VFS_BLOCK)) < 0)
		return err;
	while (off < end && (err = ext_walk_next(&w, &x)) == 0) {
		start = x.first * VFS_BLOCK;
		stop = start + (uint64_t)x.n * VFS_BLOCK;
		if (start >= end)
			break;
		if (start > off) {
			memset(p, 0, start - off);
			p += start - off;
			off = start;
		}
		if (stop > end)
			stop = end;
		if (!ext_written(&x))
			memset(p, 0, stop - off);
		else if ((err = read_ext(t, &x, nd->id, off, p,
		    stop - off)) < 0)
			break;
		p += stop - off;
		off = stop;
	}
	ext_walk_end(&w);
	if (err < 0 && err != -VFS_NOENT)
		return err;
	memset(p, 0, end - off);
	return 0;
}

int
content_read(struct txn *t, const struct node *n, uint64_t off, void *p,
    size_t len)
{
	struct vfs_slice all;
	size_t some = 0;
	int err;

	if ((n->in.flags & INODE_INLINE) == 0)
		return read_extents(t, n, off, p, len);
	if ((err = content_inline(t, n, &all)) < 0)
		return err;
	if (off < all.n) {
		some = all.n - off < len ? all.n - off : len;
		memcpy(p, (const uint8_t *)all.p + off, some);
	}
	memset((uint8_t *)p + some, 0, len - some);
	return 0;
}

int
content_block(struct txn *t, const struct node *n, uint64_t block,
    uint8_t buf[VFS_BLOCK])
{
	return content_read(t, n, block * VFS_BLOCK, buf, VFS_BLOCK);
}

/* --- inline ------------------------------------------------------------- */

int
content_inline(struct txn *t, const struct node *n, struct vfs_slice *out)
{
	struct row_key k;
	int err;

	row_key_id(&k, n->draft ? ROW_DINLINE : ROW_INLINE, n->id.n);
	err = txn_get(t, row_key_slice(&k), out);
	if (err == -VFS_NOENT || (err == 0 && out->n != n->in.size))
		return fault(t, -VFS_CORRUPT,
		    "object %" PRIu64 ": its inline bytes", n->id.n);
	return err;
}

int
content_put_inline(struct txn *t, struct node *n, enum row_kind kind,
    struct vfs_slice bytes)
{
	struct row_key k;

	row_key_id(&k, kind, n->id.n);
	n->in.size = bytes.n;
	if (bytes.n == 0) {
		n->in.flags &= ~(uint32_t)INODE_INLINE;
		return txn_del(t, row_key_slice(&k));
	}
	n->in.flags |= INODE_INLINE;
	return txn_put(t, row_key_slice(&k), bytes);
}

int
content_inline_edit(struct txn *t, const struct node *n, uint64_t off,
    const void *p, size_t len, struct content_inline *out)
{
	struct vfs_slice old = { NULL, 0 };
	int err;

	assert(off + len <= VFS_INLINE_MAX && n->in.size <= VFS_INLINE_MAX);
	if ((n->in.flags & INODE_INLINE) &&
	    (err = content_inline(t, n, &old)) < 0)
		return err;
	memset(out->b, 0, sizeof out->b);
	if (old.n > 0)
		memcpy(out->b, old.p, old.n);
	if (p != NULL)
		memcpy(out->b + off, p, len);
	else
		memset(out->b + off, 0, len);
	out->n = n->in.size > off + len ? n->in.size : off + len;
	return 0;
}

int
content_plan_convert(struct txn *rt, const struct node *n, struct plan *p)
{
	uint8_t buf[VFS_BLOCK];
	size_t i;
	int err;

	if ((n->in.flags & INODE_INLINE) == 0)
		return 0;
	for (i = 0; i < p->nruns; i++)
		if (p->runs[i].first == 0)
			return 0;
	if ((err = content_block(rt, n, 0, buf)) < 0)
		return err;
	return plan_write_block(rt, p, 0, 0, buf);
}

/* --- the end of it ------------------------------------------------------ */

int
content_delete(struct txn *t, struct node *n)
{
	uint64_t gone;
	int err;

	if (node_is_file(n) && (n->draft || n->in.blocks > 0)) {
		err = ext_clear(t, ROW_DEXTENT, n, 0, EXT_LAST_BLOCK,
		    CONTENT_STEP_ROWS, &gone);
		if (err == 0) {
			err = ext_clear(t, ROW_EXTENT, n, 0,
			    EXT_LAST_BLOCK, CONTENT_STEP_ROWS, &gone);
			if (!n->draft)
				n->in.blocks -= gone;
		}
		if (err != 0)
			return err;
	}
	if (n->draft && ((err = node_del_row(t, ROW_DINLINE, n->id)) < 0 ||
	    (err = node_del_row(t, ROW_DRAFT, n->id)) < 0))
		return err;
	if ((n->draft || (n->in.flags & INODE_INLINE)) &&
	    (err = node_del_row(t, ROW_INLINE, n->id)) < 0)
		return err;
	n->draft = false;
	n->in.blocks = 0;
	n->in.flags &= ~(uint32_t)(INODE_INLINE | INODE_DRAFT_CUT);
	return 0;
}
