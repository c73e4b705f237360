/*
 * op_allocate.c - ALLOCATE: set room aside, punch holes, zero ranges
 *
 * The prepare step brings blocks for what was a hole, and new bytes for
 * blocks of which only a part becomes zero.  Whole blocks are a matter of
 * rows.  A written block that is zeroed keeps its place as unwritten, marked
 * as shared too: new bytes must not go there while others may read it.
 */
#include <assert.h>
#include <string.h>

#include "content.h"
#include "perm.h"
#include "xattr.h"

#define ALL_FLAGS	(VFS_ALLOC_KEEP_SIZE | VFS_ALLOC_PUNCH | \
			VFS_ALLOC_ZERO | VFS_ALLOC_KILL_SUIDGID)

/* The range in blocks: those that it touches, those that it covers. */
struct span {
	uint64_t off, end;		/* bytes */
	uint64_t first, last;		/* touched */
	uint64_t in_first, in_end;	/* covered; none if not first < end */
};

static void
span_of(const struct vfs_allocate *q, const struct node *n, struct span *s)
{
	uint64_t end = q->off + q->len;

	*s = (struct span){ .off = q->off, .end = end,
		.first = q->off / VFS_BLOCK, .last = (end - 1) / VFS_BLOCK,
		.in_first = (q->off + VFS_BLOCK - 1) / VFS_BLOCK,
		.in_end = end / VFS_BLOCK };
	if (end >= n->in.size && s->in_end <= s->last)
		s->in_end = s->last + 1;	/* zeroes behind the end */
}

static uint64_t
size_after(const struct vfs_allocate *q, const struct node *n)
{
	uint64_t end = q->off + q->len;

	if ((q->flags & (VFS_ALLOC_KEEP_SIZE | VFS_ALLOC_PUNCH)) ||
	    end <= n->in.size)
		return n->in.size;
	return end;
}

/* Is it all a matter of the bytes in a row? */
static bool
stays_inline(const struct vfs_allocate *q, const struct node *n)
{
	if (n->in.flags & INODE_INLINE) {
		if (q->flags & VFS_ALLOC_PUNCH)
			return true;
		return q->off + q->len <= VFS_INLINE_MAX;
	}
	return (q->flags & (VFS_ALLOC_KEEP_SIZE | VFS_ALLOC_PUNCH)) == 0 &&
	    content_fits_inline(n, size_after(q, n));
}

static int
check(struct txn *t, const struct vfs_allocate *q, struct node *n)
{
	uint32_t how = q->flags & (VFS_ALLOC_PUNCH | VFS_ALLOC_ZERO);
	int err;

	if (q->len == 0 || (q->flags & ~ALL_FLAGS) != 0)
		return -VFS_INVAL;
	if (how == (VFS_ALLOC_PUNCH | VFS_ALLOC_ZERO))
		return -VFS_INVAL;
	if ((err = content_file(t, q->id, n)) < 0 ||
	    (err = perm_check(t, n, VFS_MAY_WRITE)) < 0)
		return err;
	return content_range(q->off, q->len);
}

/* --- prepare ------------------------------------------------------------ */

/* Zero some bytes of a block, if there are any but zeroes. */
static int
zero_part(struct txn *rt, const struct node *n, struct plan *p,
    uint64_t block, size_t from, size_t upto)
{
	uint8_t buf[VFS_BLOCK];
	uint64_t hint;
	struct ext x;
	int err;

	if ((n->in.flags & INODE_INLINE) == 0) {
		err = ext_find(rt, n, block, &x);
		if (err < 0 || !ext_written(&x))
			return err == -VFS_NOENT ? 0 : err;
	} else if (block > 0) {
		return 0;
	}
	if ((err = content_block(rt, n, block, buf)) < 0 ||
	    (err = plan_hint(rt, n, block, &hint)) < 0)
		return err;
	memset(buf + from, 0, upto - from);
	return plan_write_block(rt, p, block, hint, buf);
}

static int
zero_edges(struct txn *rt, const struct node *n, const struct span *s,
    struct plan *p)
{
	size_t from = s->off % VFS_BLOCK, upto = s->end % VFS_BLOCK;
	int err;

	if (s->first == s->last && s->in_first >= s->in_end)
		return zero_part(rt, n, p, s->first, from,
		    upto ? upto : VFS_BLOCK);
	if (s->first < s->in_first && (err = zero_part(rt, n, p, s->first,
	    from, VFS_BLOCK)) < 0)
		return err;
	if (s->in_end <= s->last)
		return zero_part(rt, n, p, s->last, 0, upto);
	return 0;
}

/* Room for the holes of the range.  Block 0 of an inline file is none,
 * unless all of it is to be zero. */
static int
fill_holes(struct txn *rt, const struct node *n, const struct span *s,
    bool zero, struct plan *p)
{
	bool all = zero && s->in_first == 0 && s->in_end > 0;
	uint64_t at = s->first, hint, upto;
	struct ext_walk w;
	struct ext x;
	int err, end;

	if ((n->in.flags & INODE_INLINE) && at == 0 && !all)
		at = 1;
	if ((err = plan_hint(rt, n, at, &hint)) < 0 ||
	    (err = ext_walk_begin(&w, rt, n, at, s->last)) < 0)
		return err;
	do {
		end = ext_walk_next(&w, &x);
		if (end < 0 && (err = end) != -VFS_NOENT)
			break;
		upto = end == 0 && x.first <= s->last ? x.first :
		    s->last + 1;
		err = upto > at ? plan_reserve(rt, p, at, upto - at,
		    hint) : 0;
		if (end == 0) {
			at = ext_last(&x) + 1;
			hint = x.place + x.n;
		}
	} while (err == 0 && end == 0 && at <= s->last);
	ext_walk_end(&w);
	return err;
}

/* Do not take everything there is before saying that it is not enough. */
static int
check_room(struct txn *rt, const struct node *n, const struct span *s)
{
	uint64_t total, room, mapped;
	int err;

	if ((err = engine_room(txn_engine(rt), &total, &room)) < 0 ||
	    (err = ext_count(rt, n, s->first, s->last, &mapped)) < 0)
		return err;
	return s->last - s->first + 1 - mapped > room / VFS_BLOCK ?
	    -VFS_NOSPC : 0;
}

int
prep_allocate(struct txn *rt, const struct vfs_allocate *q,
    struct plan **out)
{
	struct node n;
	struct span s;
	int err;

	if ((err = check(rt, q, &n)) < 0)
		return err;
	if (stays_inline(q, &n))
		return 0;
	span_of(q, &n, &s);
	if ((err = plan_new(&n, out)) < 0)
		return err;
	if (q->flags & VFS_ALLOC_PUNCH)
		return zero_edges(rt, &n, &s, *out);
	if ((err = check_room(rt, &n, &s)) < 0)
		return err;
	if ((q->flags & VFS_ALLOC_ZERO) &&
	    (err = zero_edges(rt, &n, &s, *out)) < 0)
		return err;
	if ((err = fill_holes(rt, &n, &s,
	    (q->flags & VFS_ALLOC_ZERO) != 0, *out)) < 0)
		return err;
	return content_plan_convert(rt, &n, *out);
}

/* --- run ---------------------------------------------------------------- */

static int
run_inline(struct txn *t, const struct vfs_allocate *q, struct node *n)
{
	uint64_t size = size_after(q, n), end = q->off + q->len;
	uint64_t off = q->off;
	struct content_inline c;
	int err;

	if ((q->flags & (VFS_ALLOC_PUNCH | VFS_ALLOC_ZERO)) == 0)
		off = end = 0;
	if (end > size)
		end = size;
	if (off > end)
		off = end;
	if ((err = content_inline_edit(t, n, off, NULL, end - off, &c)) < 0)
		return err;
	return content_put_inline(t, n, ROW_INLINE,
	    (struct vfs_slice){ c.b, size });
}

static int
run_blocks(struct txn *t, const struct vfs_allocate *q, struct node *n,
    struct plan *p)
{
	uint64_t gone, size = size_after(q, n);
	struct span s;
	int err = 0;

	span_of(q, n, &s);
	if (n->in.flags & INODE_INLINE) {
		if ((err = node_del_row(t, ROW_INLINE, n->id)) < 0)
			return err;
		n->in.flags &= ~(uint32_t)INODE_INLINE;
	} else if (s.in_first < s.in_end && (q->flags & VFS_ALLOC_PUNCH)) {
		err = ext_clear(t, ROW_EXTENT, n, s.in_first,
		    s.in_end - 1, 0, &gone);
		n->in.blocks -= gone;
	} else if (s.in_first < s.in_end && (q->flags & VFS_ALLOC_ZERO)) {
		err = ext_mark(t, n, s.in_first, s.in_end - 1,
		    EXTENT_UNWRITTEN | EXTENT_SHARED);
	}
	if (err < 0)
		return err;
	n->in.size = size;
	return plan_apply(t, p, ROW_EXTENT, n);
}

int
op_allocate(struct txn *t, const struct vfs_allocate *q, struct plan *p,
    struct vfs_allocate_reply *r)
{
	struct rec_inode was;
	struct node n;
	bool caps;
	int err;

	assert(txn_mode(t) == TXN_WRITE);
	r->unused = 0;
	if ((err = check(t, q, &n)) < 0)
		return err;
	if (stays_inline(q, &n) != (p == NULL))
		return -VFS_AGAIN;
	if (p != NULL && (err = plan_fits(p, &n)) < 0)
		return err;
	if ((err = draft_publish(t, &n)) < 0)
		return err;
	was = n.in;
	if (((q->flags & VFS_ALLOC_KILL_SUIDGID) || perm_kills_suidgid(t)) &&
	    (err = content_kill_privs(t, &n, &caps)) < 0)
		return err;
	err = p == NULL ? run_inline(t, q, &n) : run_blocks(t, q, &n, p);
	if (err < 0)
		return err;
	node_touch(t, &n, NODE_DATA | node_lost_privs(&was, &n));
	if ((err = node_put(t, &n)) < 0)
		return err;
	return node_journal_content(t, &n, &was);
}
