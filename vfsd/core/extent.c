#include <assert.h>
#include <inttypes.h>
#include <string.h>

#include "extent.h"

/*
 * Rows of so many blocks say from the beginning that they may be shared:
 * to look for other owners before they are freed is cheap beside writing
 * all their sums once more when somebody copies the file.
 */
#define SHARED_FROM	64u

#define DRAFT_BLOCKS	64u		/* see grows_below */

void
ext_clip(struct ext *x, uint64_t first, uint64_t last)
{
	uint64_t skip;

	assert(x->first <= last && ext_last(x) >= first);
	if (x->first < first) {
		skip = first - x->first;
		x->first = first;
		x->place += skip;
		x->n -= (uint32_t)skip;
		if (x->sums != NULL)
			x->sums += 8 * skip;
	}
	if (ext_last(x) > last)
		x->n = (uint32_t)(last - x->first + 1);
}

/* --- rows --------------------------------------------------------------- */

static int
damaged(struct txn *t, struct vfs_id id, uint64_t block)
{
	return fault(t, -VFS_CORRUPT,
	    "extent of object %" PRIu64 " at block %" PRIu64, id.n, block);
}

/* -VFS_NOENT if the row is not one of this layer and file. */
static int
decode(struct txn *t, enum row_kind kind, struct vfs_id id,
    struct vfs_slice key, struct vfs_slice val, struct ext *out)
{
	struct row_parts parts;
	struct rec_extent r;

	if (*(const uint8_t *)key.p != kind)
		return -VFS_NOENT;
	if (row_key_parse(key, &parts) < 0)
		return damaged(t, id, 0);
	if (parts.a != id.n)
		return -VFS_NOENT;
	if (rec_extent_decode(val, &r) < 0 || parts.b > EXT_LAST_BLOCK ||
	    parts.b + 1 < r.nblocks || r.place == 0)
		return damaged(t, id, parts.b);
	*out = (struct ext){
		.first = parts.b + 1 - r.nblocks, .n = r.nblocks,
		.place = r.place, .gen = r.gen, .flags = r.flags,
		.sums = r.sums.n > 0 ? r.sums.p : NULL,
		.draft = kind == ROW_DEXTENT,
	};
	return 0;
}

static void
key_of(struct row_key *k, enum row_kind kind, const struct node *n,
    uint64_t last)
{
	if (kind == ROW_DEXTENT)
		row_key_dextent(k, n->id, n->in.data_version, last);
	else
		row_key_id2(k, kind, n->id.n, last);
}

/* The row that covers block, or the first after it, if it begins at or
 * before last. */
static int
seek(struct txn *t, struct txn_cur *c, enum row_kind kind,
    const struct node *n, uint64_t block, uint64_t last, struct ext *out)
{
	uint64_t reach = VFS_EXTENT_BLOCKS_MAX - 1;
	struct vfs_slice key, val;
	struct row_key k, end;
	int err;

	key_of(&k, kind, n, block);
	key_of(&end, kind, n, last < EXT_LAST_BLOCK - reach ? last + reach :
	    EXT_LAST_BLOCK);
	if ((err = txn_cur_seek_until(c, row_key_slice(&k),
	    row_key_slice(&end), &key, &val)) < 0)
		return err;
	if ((err = decode(t, kind, n->id, key, val, out)) < 0)
		return err;
	return out->first <= last ? 0 : -VFS_NOENT;
}

int
ext_row_at(struct txn *t, enum row_kind kind, const struct node *n,
    uint64_t block, uint64_t last, struct ext *out)
{
	struct txn_cur *c;
	int err;

	if ((err = txn_cur_open(t, &c)) < 0)
		return err;
	err = seek(t, c, kind, n, block, last, out);
	txn_cur_close(c);
	return err;
}

static int
put_row(struct txn *t, enum row_kind kind, const struct node *n,
    const struct ext *x)
{
	uint8_t buf[REC_EXTENT_MAX];
	struct rec_extent r = {
		.nblocks = x->n, .flags = x->flags, .place = x->place,
		.gen = kind == ROW_DEXTENT ? x->gen : 0,
	};
	struct vfs_slice val = { buf, 0 };
	struct row_key k;

	if (kind == ROW_EXTENT && ext_written(x) && x->n >= SHARED_FROM)
		r.flags |= EXTENT_SHARED;
	if (ext_written(x))
		r.sums = (struct vfs_slice){ x->sums, 8 * (size_t)x->n };
	val.n = rec_extent_encode(&r, buf);
	key_of(&k, kind, n, ext_last(x));
	return txn_put(t, row_key_slice(&k), val);
}

int
ext_row_del(struct txn *t, enum row_kind kind, const struct node *n,
    const struct ext *x)
{
	struct row_key k;

	key_of(&k, kind, n, ext_last(x));
	return txn_del(t, row_key_slice(&k));
}

/* --- looking ------------------------------------------------------------ */

static int
layer_begin(struct ext_walk *w, struct ext_layer *l, enum row_kind kind)
{
	int err;

	l->kind = kind;
	if ((err = txn_cur_open(w->t, &l->cur)) < 0)
		return err;
	err = seek(w->t, l->cur, kind, w->n, w->pos, w->last, &l->x);
	l->ended = err == -VFS_NOENT;
	return l->ended ? 0 : err;
}

/* Bring the layer to its first row that ends at or after pos. */
static int
layer_to(struct ext_walk *w, struct ext_layer *l)
{
	struct vfs_slice key, val;
	int err;

	while (!l->ended && ext_last(&l->x) < w->pos) {
		err = txn_cur_next(l->cur, &key, &val);
		if (err == 0)
			err = decode(w->t, l->kind, w->n->id, key, val,
			    &l->x);
		if (err == -VFS_NOENT)
			l->ended = true;
		else if (err < 0)
			return err;
	}
	return 0;
}

int
ext_walk_begin(struct ext_walk *w, struct txn *t, const struct node *n,
    uint64_t first, uint64_t last)
{
	int err = 0;

	*w = (struct ext_walk){ .t = t, .n = n, .pos = first,
	    .last = last };
	w->up.ended = w->low.ended = true;
	if (n->in.flags & INODE_INLINE)
		return 0;
	if (n->draft)
		err = layer_begin(w, &w->up, ROW_DEXTENT);
	if (err == 0 && (n->in.flags & INODE_DRAFT_CUT) == 0)
		err = layer_begin(w, &w->low, ROW_EXTENT);
	if (err < 0)
		ext_walk_end(w);
	return err;
}

int
ext_walk_next(struct ext_walk *w, struct ext *out)
{
	struct ext *up = &w->up.x, *low = &w->low.x;
	int err;

	if ((err = layer_to(w, &w->up)) < 0 ||
	    (err = layer_to(w, &w->low)) < 0)
		return err;
	if (w->up.ended && w->low.ended)
		return -VFS_NOENT;
	if (w->low.ended || (!w->up.ended && up->first <= w->pos) ||
	    (!w->up.ended && up->first <= low->first)) {
		*out = *up;
		ext_clip(out, w->pos, UINT64_MAX);
	} else {
		*out = *low;
		ext_clip(out, w->pos,
		    w->up.ended ? UINT64_MAX : up->first - 1);
	}
	w->pos = ext_last(out) + 1;
	return 0;
}

void
ext_walk_end(struct ext_walk *w)
{
	if (w->up.cur != NULL)
		txn_cur_close(w->up.cur);
	if (w->low.cur != NULL)
		txn_cur_close(w->low.cur);
	w->up.cur = w->low.cur = NULL;
}

int
ext_find(struct txn *t, const struct node *n, uint64_t block,
    struct ext *out)
{
	struct ext_walk w;
	int err;

	if ((err = ext_walk_begin(&w, t, n, block, block)) < 0)
		return err;
	err = ext_walk_next(&w, out);
	ext_walk_end(&w);
	return err == 0 && out->first > block ? -VFS_NOENT : err;
}

int
ext_count(struct txn *t, const struct node *n, uint64_t first, uint64_t last,
    uint64_t *count)
{
	struct ext_walk w;
	struct ext x;
	int err;

	*count = 0;
	if ((err = ext_walk_begin(&w, t, n, first, last)) < 0)
		return err;
	while ((err = ext_walk_next(&w, &x)) == 0 && x.first <= last) {
		ext_clip(&x, first, last);
		*count += x.n;
	}
	ext_walk_end(&w);
	return err == -VFS_NOENT ? 0 : err;
}

/* --- changing ----------------------------------------------------------- */

static int
release(struct txn *t, const struct ext *x)
{
	if (x->draft)
		return txn_free_blocks(t, x->place, x->n, false);
	if (x->flags & EXTENT_SHARED)
		return share_drop(t, x->place, x->n);
	return txn_free_blocks(t, x->place, x->n, true);
}

/*
 * Replace row x by what is left of it outside of first..last, and by mid
 * if that is not NULL.  The right rest keeps the key, so it is put last:
 * until then the row's sums are lent.
 */
static int
split(struct txn *t, enum row_kind kind, const struct node *n,
    const struct ext *x, uint64_t first, uint64_t last,
    const struct ext *mid)
{
	struct ext rest;
	int err;

	if (x->first < first) {
		rest = *x;
		ext_clip(&rest, 0, first - 1);
		if ((err = put_row(t, kind, n, &rest)) < 0)
			return err;
	}
	if (mid != NULL && ext_last(mid) < ext_last(x) &&
	    (err = put_row(t, kind, n, mid)) < 0)
		return err;
	if (ext_last(x) > last) {
		rest = *x;
		ext_clip(&rest, last + 1, UINT64_MAX);
		return put_row(t, kind, n, &rest);
	}
	return mid != NULL ? put_row(t, kind, n, mid) :
	    ext_row_del(t, kind, n, x);
}

int
ext_clear(struct txn *t, enum row_kind kind, const struct node *n,
    uint64_t first, uint64_t last, unsigned rows_max, uint64_t *gone)
{
	struct txn_cur *c;
	struct ext x, cut;
	unsigned rows = 0;
	int err;

	*gone = 0;
	if ((err = txn_cur_open(t, &c)) < 0)
		return err;
	while (first <= last &&
	    (err = seek(t, c, kind, n, first, last, &x)) == 0) {
		if (rows_max != 0 && rows++ == rows_max) {
			err = 1;
			break;
		}
		cut = x;
		ext_clip(&cut, first, last);
		first = ext_last(&cut) + 1;
		*gone += cut.n;
		if ((err = release(t, &cut)) < 0 ||
		    (err = split(t, kind, n, &x, cut.first, ext_last(&cut),
		    NULL)) < 0)
			break;
	}
	txn_cur_close(c);
	return err == -VFS_NOENT ? 0 : err;
}

/*
 * A row that grows is written anew with all its sums, and a draft's with
 * each write: behind so many blocks the next row begins.  Publishing makes
 * them one.
 */
static uint32_t
grows_below(enum row_kind kind)
{
	return kind == ROW_DEXTENT ? DRAFT_BLOCKS : VFS_EXTENT_BLOCKS_MAX;
}

/* Written blocks may be shared in part; what was set aside is not to become
 * so. */
static bool
flags_merge(uint32_t a, uint32_t b)
{
	return a == b || ((a | b) & EXTENT_UNWRITTEN) == 0;
}

/* The row that ends right before x, if x continues it on the disk too. */
static int
predecessor(struct txn *t, enum row_kind kind, const struct node *n,
    const struct ext *x, struct ext *out)
{
	struct vfs_slice val;
	struct row_key k;
	int err;

	if (x->first == 0)
		return -VFS_NOENT;
	key_of(&k, kind, n, x->first - 1);
	if ((err = txn_get(t, row_key_slice(&k), &val)) < 0)
		return err;
	if ((err = decode(t, kind, n->id, row_key_slice(&k), val,
	    out)) < 0)
		return err;
	if (out->place + out->n != x->place ||
	    !flags_merge(out->flags, x->flags) ||
	    out->n >= grows_below(kind))
		return -VFS_NOENT;
	return 0;
}

/* Move as much of x as fits to the end of row pre. */
static int
merge(struct txn *t, enum row_kind kind, const struct node *n,
    const struct ext *pre, struct ext *x)
{
	uint8_t sums[8 * VFS_EXTENT_BLOCKS_MAX];
	struct ext all = *pre;
	uint32_t fit = VFS_EXTENT_BLOCKS_MAX - pre->n;
	int err;

	if (fit > x->n)
		fit = x->n;
	if (ext_written(x)) {
		memcpy(sums, pre->sums, 8 * (size_t)pre->n);
		memcpy(sums + 8 * (size_t)pre->n, x->sums, 8 * (size_t)fit);
		all.sums = sums;
	}
	all.n += fit;
	all.flags |= x->flags;
	if (x->gen > all.gen)
		all.gen = x->gen;
	if ((err = ext_row_del(t, kind, n, pre)) < 0 ||
	    (err = put_row(t, kind, n, &all)) < 0)
		return err;
	if (fit < x->n)
		ext_clip(x, x->first + fit, UINT64_MAX);
	else
		x->n = 0;
	return 0;
}

int
ext_put(struct txn *t, enum row_kind kind, const struct node *n,
    const struct ext *x)
{
	struct ext pre, rest = *x;
	int err;

	assert(x->place != 0 && x->n > 0);
	err = predecessor(t, kind, n, x, &pre);
	if (err == 0)
		err = merge(t, kind, n, &pre, &rest);
	if (err < 0 && err != -VFS_NOENT)
		return err;
	return rest.n > 0 ? put_row(t, kind, n, &rest) : 0;
}

int
ext_mark(struct txn *t, const struct node *n, uint64_t first, uint64_t last,
    uint32_t flags)
{
	struct txn_cur *c;
	struct ext x, mid;
	int err;

	if ((err = txn_cur_open(t, &c)) < 0)
		return err;
	while (first <= last &&
	    (err = seek(t, c, ROW_EXTENT, n, first, last, &x)) == 0) {
		mid = x;
		ext_clip(&mid, first, last);
		first = ext_last(&mid) + 1;
		if ((x.flags & flags) == flags)
			continue;
		mid.flags |= flags;
		if ((err = split(t, ROW_EXTENT, n, &x, mid.first,
		    ext_last(&mid), &mid)) < 0)
			break;
	}
	txn_cur_close(c);
	return err == -VFS_NOENT ? 0 : err;
}

int
ext_fill(struct txn *t, const struct node *n, const struct ext *x)
{
	struct ext row, part;
	int err;

	err = ext_row_at(t, ROW_EXTENT, n, x->first, ext_last(x), &row);
	if (err < 0)
		return err == -VFS_NOENT ? -VFS_AGAIN : err;
	if (row.flags != EXTENT_UNWRITTEN || row.first > x->first ||
	    ext_last(&row) < ext_last(x))
		return -VFS_AGAIN;
	part = row;
	ext_clip(&part, x->first, ext_last(x));
	if (part.place != x->place)
		return -VFS_AGAIN;
	return split(t, ROW_EXTENT, n, &row, x->first, ext_last(x), x);
}
