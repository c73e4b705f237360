#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <xxhash.h>

#include "walk.h"

#define BLOCKS_MAX	(1u << 16)

const struct req_env walk_env = {
	.now = { 1767225600, 0 }, .kernel_checked = true, .privileged = true,
};

struct refs {
	uint16_t count[BLOCKS_MAX], share[BLOCKS_MAX];
	uint32_t seen[BLOCKS_MAX];
	uint32_t nseen;
};

bool walk_trims;

static struct refs refs;	/* large, mostly zero, used by one at a time */

static void
bad(struct walk *w, const char *what, uint64_t a, uint64_t b)
{
	if (!w->bad[0])
		snprintf(w->bad, sizeof(w->bad), "%s (%llu, %llu)", what,
		    (unsigned long long)a, (unsigned long long)b);
}

static void
refer(struct walk *w, uint64_t place, uint32_t n, int by_extent, unsigned refs_)
{
	uint64_t b;

	for (b = place; b < place + n; b++) {
		if (b >= BLOCKS_MAX) {
			bad(w, "block out of bounds", place, n);
			return;
		}
		if (!refs.count[b] && !refs.share[b])
			refs.seen[refs.nseen++] = (uint32_t)b;
		if (by_extent && !refs.count[b]++)
			w->blocks++;
		if (!by_extent)
			refs.share[b] = (uint16_t)refs_;
	}
}

static void
refs_check(struct walk *w)
{
	uint32_t i, b;

	for (i = 0; i < refs.nseen; i++) {
		b = refs.seen[i];
		if (refs.count[b] != (refs.share[b] ? refs.share[b] : 1))
			bad(w, "owners of a block and its share row", b,
			    refs.count[b] * 1000u + refs.share[b]);
		refs.count[b] = refs.share[b] = 0;
	}
	refs.nseen = 0;
}

static uint64_t
sum_at(const struct rec_extent *x, uint32_t i)
{
	const uint8_t *p = (const uint8_t *)x->sums.p + 8 * i;
	uint64_t v = 0;
	int j;

	for (j = 7; j >= 0; j--)
		v = v << 8 | p[j];
	return v;
}

static void
extent_bytes(struct txn *t, const struct row_parts *k,
    const struct rec_extent *x, struct walk *w)
{
	uint8_t buf[VFS_BLOCK];
	uint32_t i;
	int err;

	for (i = 0; i < x->nblocks; i++) {
		err = data_get(txn_engine(t), x->place + i, buf, sizeof(buf));
		if (err < 0)
			bad(w, "block cannot be read", k->a, x->place + i);
		else if (sum_block(buf) != sum_at(x, i))
			bad(w, "block has a wrong checksum (object, block)",
			    k->a, x->place + i);
	}
}

static int
extent(struct txn *t, const struct row_parts *k, struct vfs_slice val,
    bool bytes, struct walk *w, uint64_t *h)
{
	struct rec_extent x;
	uint64_t head[4];
	int err;

	if ((err = rec_extent_decode(val, &x)) < 0)
		return err;
	head[0] = x.nblocks;
	head[1] = x.flags;
	head[2] = x.place;
	head[3] = k->b;
	*h = XXH3_64bits_withSeed(head, sizeof(head), *h);
	*h = XXH3_64bits_withSeed(x.sums.p, x.sums.n, *h);
	if (x.place != 0)
		refer(w, x.place, x.nblocks, 1, 0);
	if (bytes && x.place != 0 && !(x.flags & EXTENT_UNWRITTEN))
		extent_bytes(t, k, &x, w);
	return 0;
}

/* Records of a commit count from 0, without a gap. */
static void
record(struct walk *w, const struct row_parts *k)
{
	if (k->b != (k->a == w->last.seq ? w->last.idx + 1ull : 0) &&
	    w->last.seq != 0)
		bad(w, "a change record is missing before this", k->a, k->b);
	w->last = (struct journal_pos){ k->a, (uint32_t)k->b };
}

static int
row(struct txn *t, struct vfs_slice key, struct vfs_slice val, bool bytes,
    struct walk *w)
{
	struct row_parts k;
	struct rec_share s;
	uint64_t h = w->full;
	int err;

	if ((err = row_key_parse(key, &k)) < 0)
		return err;
	if (k.kind == ROW_META)
		return 0;
	if (k.kind == ROW_JOURNAL)
		record(w, &k);
	if (walk_trims && (k.kind == ROW_JOURNAL || k.kind == ROW_MOVED))
		return 0;
	w->rows++;
	w->drafts += k.kind == ROW_DRAFT;
	w->orphans += k.kind == ROW_ORPHAN;
	w->names += k.kind == ROW_NAME;
	h = XXH3_64bits_withSeed(key.p, key.n, h);
	if (k.kind == ROW_EXTENT || k.kind == ROW_DEXTENT) {
		if ((err = extent(t, &k, val, bytes, w, &h)) < 0)
			return err;
	} else {
		h = XXH3_64bits_withSeed(val.p, val.n, h);
	}
	if (k.kind == ROW_SHARE) {
		if ((err = rec_share_decode(val, &s)) < 0)
			return err;
		refer(w, k.a + 1 - s.nblocks, s.nblocks, 0, s.refs);
	}
	w->full = h;
	if (!ROW_IS_VOLATILE(k.kind))
		w->pub = h;
	return 0;
}

/* Two moments may have the same rows but for the journal. */
static void
seal(struct walk *w)
{
	uint64_t at[2] = { w->last.seq, w->last.idx };

	w->pub = XXH3_64bits_withSeed(at, sizeof(at), w->pub);
	w->full = XXH3_64bits_withSeed(at, sizeof(at), w->full);
}

int
walk_txn(struct txn *t, bool bytes, struct walk *w)
{
	struct vfs_slice key, val, at = { "", 0 };
	struct txn_cur *c;
	int err;

	memset(w, 0, sizeof(*w));
	if ((err = txn_cur_open(t, &c)) < 0)
		return err;
	err = txn_cur_seek(c, at, &key, &val);
	while (err == 0) {
		if ((err = row(t, key, val, bytes, w)) < 0)
			break;
		err = txn_cur_next(c, &key, &val);
	}
	txn_cur_close(c);
	refs_check(w);
	if (walk_trims)
		seal(w);
	if (err != -VFS_NOENT)
		bad(w, "walking the rows", (uint64_t)-err, w->rows);
	return err == -VFS_NOENT ? 0 : err;
}

int
walk_engine(struct engine *e, bool bytes, struct walk *w)
{
	struct txn *t;
	int err;

	if ((err = txn_begin(e, TXN_READ, &walk_env, &t)) < 0)
		return err;
	err = walk_txn(t, bytes, w);
	txn_abort(t);
	return err;
}

/* --- one file ------------------------------------------------------- */

bool
walk_there(struct engine *e, uint64_t id)
{
	struct rec_inode in;
	struct txn *t;
	int err;

	if (txn_begin(e, TXN_READ, &walk_env, &t) < 0)
		abort();
	err = walk_inode(t, (struct vfs_id){ id }, false, &in);
	txn_abort(t);
	return err == 0;
}

int
walk_inode(struct txn *t, struct vfs_id id, bool draft, struct rec_inode *out)
{
	struct row_key k;
	struct vfs_slice val;
	int err = -VFS_NOENT;

	if (draft) {
		row_key_id(&k, ROW_DRAFT, id.n);
		err = txn_get(t, row_key_slice(&k), &val);
	}
	if (err == -VFS_NOENT) {
		row_key_id(&k, ROW_INODE, id.n);
		err = txn_get(t, row_key_slice(&k), &val);
	}
	return err < 0 ? err : rec_inode_decode(val, out);
}

static int
lay_inline(struct txn *t, enum row_kind kind, struct vfs_id id, uint8_t *buf,
    size_t cap)
{
	struct row_key k;
	struct vfs_slice val;
	int err;

	row_key_id(&k, kind, id.n);
	if ((err = txn_get(t, row_key_slice(&k), &val)) < 0)
		return err == -VFS_NOENT ? 0 : err;
	memcpy(buf, val.p, val.n < cap ? val.n : cap);
	return 0;
}

static int
lay_one(struct txn *t, const struct rec_extent *x, uint64_t first,
    uint8_t *buf, size_t cap)
{
	uint8_t b[VFS_BLOCK];
	uint64_t at;
	uint32_t i;
	int err;

	for (i = 0; i < x->nblocks; i++) {
		at = (first + i) * VFS_BLOCK;
		if (at >= cap)
			break;
		memset(b, 0, sizeof(b));
		if (x->place != 0 && !(x->flags & EXTENT_UNWRITTEN) &&
		    (err = data_get(txn_engine(t), x->place + i, b,
		    sizeof(b))) < 0)
			return err;
		memcpy(buf + at, b, cap - at < VFS_BLOCK ? cap - at : VFS_BLOCK);
	}
	return 0;
}

static int
lay_extents(struct txn *t, enum row_kind kind, struct vfs_id id, uint8_t *buf,
    size_t cap)
{
	struct row_key from;
	struct vfs_slice key, val;
	struct row_parts k;
	struct rec_extent x;
	struct txn_cur *c;
	int err;

	if ((err = txn_cur_open(t, &c)) < 0)
		return err;
	row_key_id2(&from, kind, id.n, 0);
	err = txn_cur_seek(c, row_key_slice(&from), &key, &val);
	while (err == 0) {
		if ((err = row_key_parse(key, &k)) < 0)
			break;
		if (k.kind != kind || k.a != id.n)
			break;
		if ((err = rec_extent_decode(val, &x)) < 0 ||
		    (err = lay_one(t, &x, k.b + 1 - x.nblocks, buf, cap)) < 0)
			break;
		err = txn_cur_next(c, &key, &val);
	}
	txn_cur_close(c);
	return err == -VFS_NOENT ? 0 : err;
}

int
walk_content(struct txn *t, struct vfs_id id, bool draft, uint8_t *buf,
    size_t cap, size_t *n)
{
	struct rec_inode pub, in;
	struct vfs_slice val;
	struct row_key k;
	bool has;
	int err;

	if ((err = walk_inode(t, id, false, &pub)) < 0 ||
	    (err = walk_inode(t, id, draft, &in)) < 0)
		return err;
	row_key_id(&k, ROW_DRAFT, id.n);
	has = draft && txn_get(t, row_key_slice(&k), &val) == 0;
	*n = in.size;
	if (in.size > cap)
		return -VFS_FBIG;
	memset(buf, 0, in.size);
	if (has && (in.flags & INODE_INLINE))
		return lay_inline(t, ROW_DINLINE, id, buf, in.size);
	if (pub.flags & INODE_INLINE)
		err = lay_inline(t, ROW_INLINE, id, buf,
		    in.size < pub.size ? in.size : pub.size);
	else
		err = lay_extents(t, ROW_EXTENT, id, buf, in.size);
	if (err < 0 || !has)
		return err;
	if (in.flags & INODE_DRAFT_CUT && in.cut < in.size)
		memset(buf + in.cut, 0, in.size - in.cut);
	return lay_extents(t, ROW_DEXTENT, id, buf, in.size);
}
