/*
 * extent.h - where the blocks of a file are, as rows
 *
 * Two layers: ROW_DEXTENT over ROW_EXTENT.  Looking sees both (what
 * readers see), changing works on one.  Blocks are numbered from the
 * start of the file; places are blocks of the data file.
 *
 * Freeing is part of taking rows away: blocks of a draft are free at
 * once, published ones when their last owner goes (ROW_SHARE).
 */
#ifndef CORE_EXTENT_H
#define CORE_EXTENT_H

#include "node.h"

#define EXT_LAST_BLOCK	(VFS_FILE_MAX / VFS_BLOCK)

/* A run of blocks; sums borrows a row or the caller's memory. */
struct ext {
	uint64_t first;			/* block of the file */
	uint64_t place;
	uint64_t gen;
	uint32_t n;
	uint32_t flags;			/* EXTENT_* */
	const uint8_t *sums;
	bool draft;			/* from the upper layer */
};

static inline uint64_t
ext_last(const struct ext *x)
{
	return x->first + x->n - 1;
}

static inline bool
ext_written(const struct ext *x)
{
	return (x->flags & EXTENT_UNWRITTEN) == 0;
}

/* Keep only what lies in first..last, which it overlaps. */
void ext_clip(struct ext *x, uint64_t first, uint64_t last);

/* --- looking ------------------------------------------------------------ */

/* Walks the blocks that are mapped, in order; what it gives borrows rows.
 * Any put or del of the same txn ends it. */
struct ext_walk {
	struct txn *t;
	const struct node *n;
	uint64_t pos;			/* nothing below is given */
	uint64_t last;			/* nor what begins behind it */
	struct ext_layer {
		struct txn_cur *cur;	/* NULL: the layer is not looked at */
		enum row_kind kind;
		bool ended;
		struct ext x;
	} up, low;
};

int ext_walk_begin(struct ext_walk *w, struct txn *t, const struct node *n,
    uint64_t first, uint64_t last);
/* -VFS_NOENT at the end. */
int ext_walk_next(struct ext_walk *w, struct ext *out);
void ext_walk_end(struct ext_walk *w);

/* What covers block, from there on.  -VFS_NOENT: a hole. */
int ext_find(struct txn *t, const struct node *n, uint64_t block,
    struct ext *out);

/* How many of the blocks first..last are mapped. */
int ext_count(struct txn *t, const struct node *n, uint64_t first,
    uint64_t last, uint64_t *count);

/* The first row of one layer that ends at or after block, and begins at or
 * before last. */
int ext_row_at(struct txn *t, enum row_kind kind, const struct node *n,
    uint64_t block, uint64_t last, struct ext *out);

/* --- changing one layer ------------------------------------------------- */

/* Blocks first..last are mapped no more; frees what nobody else has.
 * *gone counts them.  At most rows_max rows (0: all); 1 if more are left. */
int ext_clear(struct txn *t, enum row_kind kind, const struct node *n,
    uint64_t first, uint64_t last, unsigned rows_max, uint64_t *gone);

/* Map x, which lies in a hole of the layer; at most VFS_EXTENT_BLOCKS_MAX
 * blocks.  Becomes one row with its predecessor where that fits. */
int ext_put(struct txn *t, enum row_kind kind, const struct node *n,
    const struct ext *x);

/* Take away a row of the upper layer whose blocks move to the lower. */
int ext_row_del(struct txn *t, enum row_kind kind, const struct node *n,
    const struct ext *x);

/* Published blocks that were set aside have bytes now: x lies within one
 * row, at the same place.  -VFS_AGAIN if it does not. */
int ext_fill(struct txn *t, const struct node *n, const struct ext *x);

/* Set flags of all published rows in first..last, which splits rows. */
int ext_mark(struct txn *t, const struct node *n, uint64_t first,
    uint64_t last, uint32_t flags);

/* --- owners of places (share.c) ----------------------------------------- */

/* Has any of n blocks more than one? */
int share_any(struct txn *t, uint64_t place, uint32_t n, bool *any);

/* One more owner for each of n blocks. */
int share_add(struct txn *t, uint64_t place, uint32_t n);

/* dst, which has a hole there, gets what is at x->place too: x, with sums
 * in the caller's memory, is one of src's rows, or a part, that has bytes;
 * to: where in dst. */
int share_ext(struct txn *t, const struct node *src, const struct ext *x,
    const struct node *dst, uint64_t to);

/* About what that takes of a record. */
size_t ext_share_cost(const struct ext *x);

/* One owner less; those that had only one are freed. */
int share_drop(struct txn *t, uint64_t place, uint32_t n);

#endif
