/*
 * lmdb/way.c - the pages that a batch changes, looked at before LMDB does
 *
 * LMDB copies a page to the heap and then moves what is on it as the numbers
 * there say: with a wrong one it writes outside of the copy.  So these are
 * looked at first: the pages on the way to each key and to the last row, for
 * a row that is deleted those beside them, which LMDB merges with or takes
 * from, and all of the tree of what is free.
 *
 * They are read where LMDB has mapped them, each shortly before it is copied,
 * which costs least.  Until the commit no page of the file is overwritten that
 * the tree holds, so what was looked at stays as it was.  What a page looks
 * like is told in page.h.
 */
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "../../protocol/limits.h"
#include "lmdb_store.h"
#include "page.h"

#define WORD		64u		/* bits */

struct lmdb_way {
	const uint8_t *map;
	size_t size;			/* of a page */
	uint64_t npages;
	uint64_t *seen;			/* a bit for each page */
	uint64_t root;			/* of the rows; or LMDB_NONE */
	unsigned depth;
	const uint8_t *leaf;		/* where the last row goes; or NULL */
	bool big;			/* may have values with own pages */
	bool around;			/* those beside it were looked at */
	struct vfs_slice end;		/* its keys are before this, or empty */
};

/* --- one page ------------------------------------------------------ */

static const uint8_t *
node(const uint8_t *p, unsigned i)
{
	return p + u16(p + PAGE_HEAD + 2 * (size_t)i);
}

static uint64_t
child(const uint8_t *p, unsigned i)
{
	const uint8_t *nd = node(p, i);

	return u32(nd) | (uint64_t)u16(nd + 4) << 32;
}

static struct vfs_slice
key_at(const uint8_t *p, unsigned i)
{
	const uint8_t *nd = node(p, i);

	return (struct vfs_slice){ nd + NODE_HEAD, u16(nd + 6) };
}

/* false: some of these bits are taken. */
static bool
take(uint64_t *bits, size_t at, size_t n)
{
	size_t off, k;
	uint64_t mask;

	for (; n > 0; at += k, n -= k) {
		off = at % WORD;
		k = n < WORD - off ? n : WORD - off;
		mask = (k < WORD ? ((uint64_t)1 << k) - 1 : ~(uint64_t)0)
		    << off;
		if (bits[at / WORD] & mask)
			return false;
		bits[at / WORD] |= mask;
	}
	return true;
}

/* Its length, if it is one that LMDB made. */
static size_t
node_size(const uint8_t *nd, size_t left, unsigned kind)
{
	size_t key, n;

	if (left < NODE_HEAD)
		return 0;
	key = u16(nd + 6);
	n = NODE_HEAD + key;
	if (key > VFS_KEY_MAX)
		return 0;
	if (kind == LEAF && (key == 0 || u16(nd + 4) > BIG))
		return 0;
	if (kind == LEAF)
		n += u16(nd + 4) == BIG ? sizeof(uint64_t) : u32(nd);
	n = (n + 1) & ~(size_t)1;
	return n <= left ? n : 0;
}

/* Nodes lie side by side between the head's end and the page's. */
static bool
nodes_fit(struct lmdb_way *w, const uint8_t *p, unsigned kind)
{
	unsigned lower = u16(p + 12), upper = u16(p + 14), i, at;
	uint64_t used[PAGE_MAX / 2 / WORD];
	size_t n;

	if (lower <= PAGE_HEAD || lower % 2 != 0 || upper < lower ||
	    upper > w->size)
		return false;
	memset(used, 0, w->size / 2 / 8);
	w->big = false;
	for (i = 0; i < nodes(p); i++) {
		at = u16(p + PAGE_HEAD + 2 * (size_t)i);
		if (at < upper || at % 2 != 0 || at >= w->size)
			return false;
		n = node_size(p + at, w->size - at, kind);
		if (n == 0 || !take(used, at / 2, n / 2))
			return false;
		w->big |= u16(p + at + 4) == BIG;
	}
	return true;
}

/* Or LMDB's search and ours would part. */
static bool
is_sorted(const uint8_t *p)
{
	unsigned i;

	for (i = 2; i < nodes(p); i++)
		if (store_key_cmp(key_at(p, i - 1), key_at(p, i)) >= 0)
			return false;
	return true;
}

static bool
is_seen(const struct lmdb_way *w, uint64_t no)
{
	return w->seen[no / WORD] >> no % WORD & 1;
}

/* NULL: it is not what it should be. */
static const uint8_t *
page(struct lmdb_way *w, uint64_t no, unsigned kind)
{
	const uint8_t *p;

	if (no < 2 || no >= w->npages)
		return NULL;
	p = w->map + no * w->size;
	if (u64(p) != no || (u16(p + 10) & ~DIRTY) != kind)
		return NULL;
	w->big = true;
	if (is_seen(w, no))
		return p;
	if (!nodes_fit(w, p, kind))
		return NULL;
	w->seen[no / WORD] |= (uint64_t)1 << no % WORD;
	return p;
}

/* --- the tree of what is free -------------------------------------- */

/* Small, and LMDB takes from both of its ends. */
static bool
all_below(struct lmdb_way *w, uint64_t no, unsigned levels)
{
	const uint8_t *p;
	unsigned i;

	if (no < w->npages && is_seen(w, no))
		return false;
	p = page(w, no, levels == 1 ? LEAF : BRANCH);
	for (i = 0; p != NULL && levels > 1 && i < nodes(p); i++)
		if (!all_below(w, child(p, i), levels - 1))
			return false;
	return p != NULL;
}

/* --- the tree of rows ---------------------------------------------- */

static const uint8_t *
row_page(struct lmdb_way *w, uint64_t no, unsigned levels)
{
	bool is_new = no < w->npages && !is_seen(w, no);
	const uint8_t *p = page(w, no, levels == 1 ? LEAF : BRANCH);

	return p != NULL && levels > 1 && is_new && !is_sorted(p) ? NULL : p;
}

/* Down along the one side or the other. */
static bool
edge(struct lmdb_way *w, uint64_t no, unsigned levels, bool last)
{
	const uint8_t *p;

	for (;; levels--) {
		if ((p = row_page(w, no, levels)) == NULL)
			return false;
		if (levels == 1)
			return true;
		no = child(p, last ? nodes(p) - 1 : 0);
	}
}

/* The last node that has the key or one before it; or the first. */
static unsigned
place_of(const uint8_t *p, struct vfs_slice key)
{
	unsigned lo = 0, hi = nodes(p), mid;

	while (hi - lo > 1) {
		mid = lo + (hi - lo) / 2;
		if (store_key_cmp(key_at(p, mid), key) <= 0)
			lo = mid;
		else
			hi = mid;
	}
	return lo;
}

static bool
beside(struct lmdb_way *w, const uint8_t *p, unsigned i, unsigned levels)
{
	return (i == 0 || edge(w, child(p, i - 1), levels, true)) &&
	    (i + 1 == nodes(p) || edge(w, child(p, i + 1), levels, false));
}

static bool
down(struct lmdb_way *w, struct vfs_slice key, bool del)
{
	uint64_t no = w->root;
	unsigned levels, i;
	const uint8_t *p;

	w->leaf = NULL;
	w->end.n = 0;
	for (levels = w->depth;; levels--) {
		if ((p = row_page(w, no, levels)) == NULL)
			return false;
		if (levels == 1)
			return w->leaf = p, true;
		i = place_of(p, key);
		no = child(p, i);
		if (i + 1 < nodes(p))
			w->end = key_at(p, i + 1);
		if (del && !beside(w, p, i, levels - 1))
			return false;
	}
}

/* A value with pages of its own, which go back to what is free: as many as
 * the first one says. */
static bool
value_fits(const struct lmdb_way *w, struct vfs_slice key)
{
	const uint8_t *nd, *p;
	uint64_t no, n;
	unsigned i;

	if (!w->big)
		return true;
	i = place_of(w->leaf, key);
	nd = node(w->leaf, i);
	if (u16(nd + 4) != BIG || store_key_cmp(key_at(w->leaf, i), key) != 0)
		return true;
	no = u64(nd + NODE_HEAD + key.n);
	n = (PAGE_HEAD + (uint64_t)u32(nd) + w->size - 1) / w->size;
	if (no < 2 || no >= w->npages || n > w->npages - no)
		return false;
	p = w->map + no * w->size;
	return u64(p) == no && (u16(p + 10) & ~DIRTY) == OVERFLOW &&
	    u32(p + 12) == n;
}

/* Rows come in order, many for the same leaf. */
int
lmdb_way_row(struct lmdb_way *w, const struct store_row *row)
{
	bool del = row->val.p == NULL, same;

	if (w->root == LMDB_NONE)
		return 0;
	same = w->leaf != NULL && (w->around || !del) && (w->end.n == 0 ||
	    store_key_cmp(row->key, w->end) < 0);
	if (!same && !down(w, row->key, del))
		return MDB_CORRUPTED;
	w->around = same ? w->around : del;
	return value_fits(w, row->key) ? 0 : MDB_CORRUPTED;
}

/* --- the whole ----------------------------------------------------- */

/* LMDB does not say where its map begins, but each page has its number. */
static bool
map_find(struct lmdb_way *w, const void *in_page)
{
	const uint8_t *p = in_page;

	p -= (uintptr_t)p % w->size;
	if (u64(p) >= w->npages)
		return false;
	w->map = p - u64(p) * w->size;
	return true;
}

static bool
meta_find(const struct lmdb_way *w, uint64_t txn, struct lmdb_meta *out)
{
	unsigned i;

	for (i = 0; i < 2; i++)
		if (lmdb_meta_parse(w->map + i * w->size, w->size, i, out) &&
		    out->id == txn)
			return true;
	return false;
}

static bool
trees_begin(struct lmdb_way *w, const struct lmdb_meta *meta)
{
	if (meta->free.root != LMDB_NONE &&
	    !all_below(w, meta->free.root, meta->free.depth))
		return false;
	w->root = meta->rows.root;
	w->depth = meta->rows.depth;
	return w->root != LMDB_NONE && edge(w, w->root, w->depth, true);
}

int
lmdb_way_begin(struct lmdb_way *w, const struct lmdb_store *s, MDB_cursor *c)
{
	MDB_envinfo info;
	struct lmdb_meta meta;
	MDB_val k, v;
	int rc;

	w->root = LMDB_NONE;
	w->size = s->page;
	rc = mdb_cursor_get(c, &k, &v, MDB_LAST);
	if (rc != 0)
		return rc == MDB_NOTFOUND ? 0 : rc;
	if ((rc = mdb_env_info(s->env, &info)) != 0)
		return rc;
	w->npages = (uint64_t)info.me_last_pgno + 1;
	if (w->size > PAGE_MAX || w->npages > info.me_mapsize / w->size)
		return MDB_CORRUPTED;
	w->seen = calloc(w->npages / WORD + 1, sizeof w->seen[0]);
	if (w->seen == NULL)
		return ENOMEM;
	if (!map_find(w, k.mv_data))
		return MDB_CORRUPTED;
	return meta_find(w, info.me_last_txnid, &meta) &&
	    trees_begin(w, &meta) ? 0 : MDB_CORRUPTED;
}

struct lmdb_way *
lmdb_way_new(void)
{
	return calloc(1, sizeof(struct lmdb_way));
}

void
lmdb_way_free(struct lmdb_way *w)
{
	free(w->seen);
	free(w);
}
