/*
 * share.c - how many extents own a block of space
 *
 * Share rows cut the space into ranges with the same number of owners;
 * what has one owner has no row.  Adding or dropping an owner of a range
 * rewrites the rows that it overlaps.
 */
#include <inttypes.h>

#include "extent.h"

#define ROW_COST	80u		/* of a row besides its sums */

struct share {
	uint64_t first, last;
	uint32_t refs;
};

/* The first share row that ends at or after place, if it begins at or before
 * last.  A share row is never longer than an extent. */
static int
seek(struct txn *t, struct txn_cur *c, uint64_t place, uint64_t last,
    struct share *out)
{
	struct vfs_slice key, val;
	struct row_parts parts;
	struct rec_share r;
	struct row_key k, end;
	int err;

	row_key_id(&k, ROW_SHARE, place);
	row_key_id(&end, ROW_SHARE, last + VFS_EXTENT_BLOCKS_MAX - 1);
	if ((err = txn_cur_seek_until(c, row_key_slice(&k),
	    row_key_slice(&end), &key, &val)) < 0)
		return err;
	if (row_key_parse(key, &parts) < 0 || rec_share_decode(val, &r) < 0 ||
	    parts.a < r.nblocks)
		return fault(t, -VFS_CORRUPT, "share row near place %" PRIu64,
		    place);
	*out = (struct share){ parts.a + 1 - r.nblocks, parts.a, r.refs };
	return out->first <= last ? 0 : -VFS_NOENT;
}

static int
put(struct txn *t, uint64_t first, uint64_t last, uint32_t refs)
{
	uint8_t buf[16];
	struct rec_share r = { (uint32_t)(last - first + 1), refs };
	struct vfs_slice val = { buf, rec_share_encode(&r, buf) };
	struct row_key k;

	row_key_id(&k, ROW_SHARE, last);
	return txn_put(t, row_key_slice(&k), val);
}

static int
del(struct txn *t, uint64_t last)
{
	struct row_key k;

	row_key_id(&k, ROW_SHARE, last);
	return txn_del(t, row_key_slice(&k));
}

/* Row s has another number of owners in first..last, which is within it. */
static int
change(struct txn *t, const struct share *s, uint64_t first, uint64_t last,
    uint32_t refs)
{
	int err;

	if (s->first < first && (err = put(t, s->first, first - 1,
	    s->refs)) < 0)
		return err;
	if (last < s->last && (err = put(t, last + 1, s->last, s->refs)) < 0)
		return err;
	if (refs > 1)
		return put(t, first, last, refs);
	return last == s->last ? del(t, last) : 0;
}

/* Blocks without a row get their second owner, or lose the only one. */
static int
change_single(struct txn *t, uint64_t first, uint64_t last, bool add)
{
	if (add)
		return put(t, first, last, 2);
	return txn_free_blocks(t, first, (uint32_t)(last - first + 1), true);
}

static int
walk(struct txn *t, struct txn_cur *c, uint64_t at, uint64_t last, bool add)
{
	struct share s;
	uint64_t upto;
	int err;

	while (at <= last) {
		err = seek(t, c, at, last, &s);
		if (err == -VFS_NOENT)
			return change_single(t, at, last, add);
		if (err < 0)
			return err;
		if (s.first > at) {
			upto = s.first - 1;
			err = change_single(t, at, upto, add);
		} else {
			upto = s.last < last ? s.last : last;
			if (add && s.refs == UINT32_MAX)
				return -VFS_MLINK;
			err = change(t, &s, at, upto,
			    add ? s.refs + 1 : s.refs - 1);
		}
		if (err < 0)
			return err;
		at = upto + 1;
	}
	return 0;
}

static int
each(struct txn *t, uint64_t place, uint32_t n, bool add)
{
	struct txn_cur *c;
	int err;

	if ((err = txn_cur_open(t, &c)) < 0)
		return err;
	err = walk(t, c, place, place + n - 1, add);
	txn_cur_close(c);
	return err;
}

int
share_any(struct txn *t, uint64_t place, uint32_t n, bool *any)
{
	struct txn_cur *c;
	struct share s;
	int err;

	if ((err = txn_cur_open(t, &c)) < 0)
		return err;
	err = seek(t, c, place, place + n - 1, &s);
	txn_cur_close(c);
	*any = err == 0;
	return err == -VFS_NOENT ? 0 : err;
}

int
share_add(struct txn *t, uint64_t place, uint32_t n)
{
	return each(t, place, n, true);
}

int
share_drop(struct txn *t, uint64_t place, uint32_t n)
{
	return each(t, place, n, false);
}

int
share_ext(struct txn *t, const struct node *src, const struct ext *x,
    const struct node *dst, uint64_t to)
{
	struct ext y = *x;
	int err;

	y.first = to;
	y.flags |= EXTENT_SHARED;
	if ((err = share_add(t, x->place, x->n)) < 0)
		return err;
	if ((x->flags & EXTENT_SHARED) == 0 &&
	    (err = ext_mark(t, src, x->first, ext_last(x),
	    EXTENT_SHARED)) < 0)
		return err;
	return ext_put(t, ROW_EXTENT, dst, &y);
}

size_t
ext_share_cost(const struct ext *x)
{
	unsigned rows = x->flags & EXTENT_SHARED ? 1 : 2;

	return 3 * ROW_COST + (size_t)rows * 8 * x->n;
}
