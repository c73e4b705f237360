/*
 * op_copy.c - COPY_RANGE: whole blocks are shared, the rest is copied
 *
 * Where both offsets lie alike within a block, the copy gets rows that name
 * the source's places (share.c counts them); bytes of the first and
 * last block, if only a part is wanted, are copied by the prepare step.
 * Otherwise all bytes are.  One call may do less than it was asked for.
 */
#include <assert.h>
#include <inttypes.h>
#include <stdlib.h>
#include <string.h>

#include "content.h"
#include "perm.h"
#include "xattr.h"

#define BYTES_MAX	VFS_IO_MAX	/* copied in one call */
#define RECORD_MAX	(768u << 10)	/* about what its rows may take */

/* What is copied how: [0, head) bytes, blocks, [tail, len) bytes. */
struct copy {
	struct node src, dst;
	uint64_t src_off, dst_off, len;
	uint64_t head, tail;
	bool empty;			/* the target had no blocks */
};

static int
look(struct txn *t, const struct vfs_copy_range *q, struct copy *c)
{
	uint64_t size, a = q->src_off, b = q->dst_off;
	int err;

	if ((err = content_file(t, q->src, &c->src)) < 0 ||
	    (err = content_file(t, q->dst, &c->dst)) < 0 ||
	    (err = perm_check(t, &c->src, VFS_MAY_READ)) < 0 ||
	    (err = perm_check(t, &c->dst, VFS_MAY_WRITE)) < 0)
		return err;
	size = c->src.in.size;
	c->src_off = a;
	c->dst_off = b;
	c->len = a >= size ? 0 : size - a < q->len ? size - a : q->len;
	if ((err = content_range(b, c->len)) < 0)
		return err;
	if (q->src.n == q->dst.n && a < b + c->len && b < a + c->len)
		return -VFS_INVAL;
	return 0;
}

/* The last block may be shared in whole if nothing but zeroes follows. */
static bool
ends_both(const struct copy *c)
{
	return c->src_off + c->len == c->src.in.size &&
	    c->dst_off + c->len >= c->dst.in.size;
}

static bool
shares(const struct copy *c)
{
	return c->src_off % VFS_BLOCK == c->dst_off % VFS_BLOCK &&
	    (c->src.in.flags & INODE_INLINE) == 0;
}

static uint64_t
size_after(const struct copy *c)
{
	uint64_t end = c->dst_off + c->len;

	return end > c->dst.in.size ? end : c->dst.in.size;
}

/* Shorten the copy to what one commit takes. */
static int
limit_rows(struct txn *rt, struct copy *c)
{
	uint64_t end = c->src_off + c->len, cost = 0, stop;
	struct ext_walk w;
	struct ext x;
	int err;

	if ((err = ext_walk_begin(&w, rt, &c->src,
	    c->src_off / VFS_BLOCK, (end - 1) / VFS_BLOCK)) < 0)
		return err;
	while ((err = ext_walk_next(&w, &x)) == 0 &&
	    x.first * VFS_BLOCK < end) {
		cost += ext_share_cost(&x);
		stop = (ext_last(&x) + 1) * VFS_BLOCK;
		if (cost > RECORD_MAX && stop < end) {
			c->len = stop - c->src_off;
			break;
		}
	}
	ext_walk_end(&w);
	return err == -VFS_NOENT ? 0 : err;
}

static void
divide(struct copy *c)
{
	uint64_t from = c->src_off % VFS_BLOCK;
	uint64_t upto = (c->src_off + c->len) % VFS_BLOCK;

	c->head = from ? VFS_BLOCK - from : 0;
	if (c->head > c->len)
		c->head = c->len;
	c->tail = c->len;
	if (upto != 0 && c->len > c->head && !ends_both(c))
		c->tail = c->len - upto;
}

/* --- prepare ------------------------------------------------------------ */

/* Copy bytes [from, upto) of the range into new blocks. */
static int
plan_bytes(struct txn *rt, const struct copy *c, uint64_t from,
    uint64_t upto, struct plan *p)
{
	size_t n = upto - from;
	uint8_t *b;
	int err;

	if (n == 0)
		return 0;
	if ((b = malloc(n)) == NULL)
		return -VFS_NOMEM;
	err = content_read(rt, &c->src, c->src_off + from, b, n);
	if (err == 0)
		err = content_plan_write(rt, &c->dst, c->dst_off + from,
		    (struct vfs_slice){ b, n }, p);
	free(b);
	return err;
}

/* The copy ends up in a row. */
static int
plan_inline(struct txn *rt, const struct copy *c, struct plan *p)
{
	if ((p->bytes = malloc(c->len)) == NULL)
		return -VFS_NOMEM;
	return content_read(rt, &c->src, c->src_off, p->bytes, c->len);
}

/* Does the shared middle replace block 0 of the target? */
static bool
replaces_first(const struct copy *c)
{
	return c->dst_off + c->head == 0 && c->tail > c->head;
}

static int
plan_shares(struct txn *rt, struct copy *c, struct plan *p)
{
	int err;

	if ((err = limit_rows(rt, c)) < 0)
		return err;
	p->len = c->len;
	divide(c);
	if ((err = plan_bytes(rt, c, 0, c->head, p)) < 0 ||
	    (err = plan_bytes(rt, c, c->tail, c->len, p)) < 0)
		return err;
	return replaces_first(c) ? 0 :
	    content_plan_convert(rt, &c->dst, p);
}

int
prep_copy_range(struct txn *rt, const struct vfs_copy_range *q,
    struct plan **out)
{
	struct copy c;
	struct plan *p;
	int err;

	if ((err = look(rt, q, &c)) < 0 || c.len == 0)
		return err;
	if ((err = plan_new(&c.dst, out)) < 0)
		return err;
	p = *out;
	p->src_ctime = c.src.in.ctime;
	p->len = c.len;
	if (content_fits_inline(&c.dst, size_after(&c)))
		return plan_inline(rt, &c, p);
	if (shares(&c))
		return plan_shares(rt, &c, p);
	if (c.len > BYTES_MAX)
		p->len = c.len = BYTES_MAX;
	if ((err = plan_bytes(rt, &c, 0, c.len, p)) < 0)
		return err;
	return content_plan_convert(rt, &c.dst, p);
}

/* --- run ---------------------------------------------------------------- */

static int
clear(struct txn *t, struct copy *c, uint64_t first, uint64_t end)
{
	uint64_t gone;
	int err;

	if (first >= end || c->empty)
		return 0;
	err = ext_clear(t, ROW_EXTENT, &c->dst, first, end - 1, 0, &gone);
	c->dst.in.blocks -= gone;
	return err;
}

/* The source's row x, clipped to what is wanted, at the target's block. */
static int
share(struct txn *t, struct copy *c, const struct ext *x, uint64_t to)
{
	uint8_t sums[8 * VFS_EXTENT_BLOCKS_MAX];
	struct ext y = *x;
	int err;

	memcpy(sums, x->sums, 8 * (size_t)x->n);
	y.sums = sums;
	if ((err = clear(t, c, to, to + x->n)) < 0 ||
	    (err = share_ext(t, &c->src, &y, &c->dst, to)) < 0)
		return err;
	c->dst.in.blocks += y.n;
	return 0;
}

/* What is not written in the source becomes a hole. */
static int
share_blocks(struct txn *t, struct copy *c)
{
	uint64_t at = (c->src_off + c->head) / VFS_BLOCK;
	uint64_t to = (c->dst_off + c->head) / VFS_BLOCK;
	uint64_t n = (c->tail - c->head + VFS_BLOCK - 1) / VFS_BLOCK;
	uint64_t end = at + n, shift = to - at;
	struct ext x;
	int err = 0;

	while (at < end && (err = ext_row_at(t, ROW_EXTENT, &c->src, at,
	    end - 1, &x)) == 0) {
		ext_clip(&x, at, end - 1);
		if ((err = clear(t, c, at + shift, x.first + shift)) < 0)
			return err;
		at = x.first + x.n;
		err = ext_written(&x) ?
		    share(t, c, &x, x.first + shift) :
		    clear(t, c, x.first + shift, at + shift);
		if (err < 0)
			return err;
	}
	if (err < 0 && err != -VFS_NOENT)
		return err;
	return clear(t, c, at + shift, end + shift);
}

static int
to_blocks(struct txn *t, struct node *n)
{
	if ((n->in.flags & INODE_INLINE) == 0)
		return 0;
	n->in.flags &= ~(uint32_t)INODE_INLINE;
	return node_del_row(t, ROW_INLINE, n->id);
}

static int
copy_inline(struct txn *t, struct copy *c, const struct plan *p)
{
	struct content_inline in;
	int err;

	err = content_inline_edit(t, &c->dst, c->dst_off, p->bytes, c->len,
	    &in);
	if (err < 0)
		return err;
	return content_put_inline(t, &c->dst, ROW_INLINE,
	    (struct vfs_slice){ in.b, in.n });
}

static int
run(struct txn *t, struct copy *c, struct plan *p)
{
	uint64_t size;
	int err;

	c->len = p->len;
	if (p->bytes != NULL)
		return copy_inline(t, c, p);
	size = size_after(c);
	divide(c);
	c->empty = c->dst.in.blocks == 0;
	if ((err = to_blocks(t, &c->dst)) < 0)
		return err;
	if (shares(c) && c->tail > c->head &&
	    (err = share_blocks(t, c)) < 0)
		return err;
	c->dst.in.size = size;
	return plan_apply(t, p, ROW_EXTENT, &c->dst);
}

/* Both drafts become what the rows are about. */
static int
publish(struct txn *t, struct copy *c)
{
	int err;

	if ((err = draft_publish(t, &c->src)) < 0)
		return err;
	if (c->src.id.n != c->dst.id.n)
		return draft_publish(t, &c->dst);
	c->dst = c->src;
	return 0;
}

int
op_copy_range(struct txn *t, const struct vfs_copy_range *q, struct plan *p,
    struct vfs_copy_range_reply *r)
{
	struct rec_inode was;
	struct copy c;
	bool caps;
	int err;

	assert(txn_mode(t) == TXN_WRITE);
	r->copied = 0;
	if ((err = look(t, q, &c)) < 0 || c.len == 0)
		return err;
	if (p == NULL || (err = plan_fits(p, &c.dst)) < 0 ||
	    p->src_ctime.sec != c.src.in.ctime.sec ||
	    p->src_ctime.nsec != c.src.in.ctime.nsec)
		return -VFS_AGAIN;
	if ((err = publish(t, &c)) < 0)
		return err;
	was = c.dst.in;
	if (!txn_env(t)->privileged &&
	    (err = content_kill_privs(t, &c.dst, &caps)) < 0)
		return err;
	if ((err = run(t, &c, p)) < 0)
		return err;
	node_touch(t, &c.dst, NODE_DATA | node_lost_privs(&was, &c.dst));
	if ((err = node_put(t, &c.dst)) < 0)
		return err;
	r->copied = c.len;
	return node_journal_content(t, &c.dst, &was);
}
