/*
 * plan.h - what a prepare step leaves for its operation
 *
 * Runs of fresh blocks that hold new bytes (or are only set aside), each for
 * a range of file blocks; nothing refers to them yet.  The file was
 * looked at when the plan was made: its ctime tells whether it is still
 * the same.  Bytes: what a copy has read for an inline file, or what a
 * publication carries.
 */
#ifndef CORE_PLAN_H
#define CORE_PLAN_H

#include "core.h"
#include "extent.h"

struct plan_run {
	uint64_t first;			/* block of the file */
	uint64_t place, gen;
	uint32_t n;			/* <= VFS_EXTENT_BLOCKS_MAX */
	uint32_t flags;			/* EXTENT_UNWRITTEN: set aside */
	size_t sum_at;			/* index into sums */
	bool taken;			/* a row refers to it now */
	bool own;			/* it is the file's already */
};

/* A block whose bytes are in the plan: bytes + VFS_BLOCK * its index. */
struct plan_carry {
	uint64_t place, gen;
	bool wanted;			/* a row of the draft is on it */
};

struct plan {
	struct vfs_id id;
	struct vfs_time ctime;		/* of the file, when planned */
	struct vfs_time src_ctime;	/* of a copy's source */
	uint64_t bare, bare_end;	/* no block is mapped from .. before */
	uint64_t len;			/* how much a copy copies */
	struct plan_run *runs;
	size_t nruns, runs_cap;
	bool fills;			/* some runs are own */
	uint64_t *sums;
	size_t nsums, sums_cap;
	uint8_t *bytes;
	struct plan_carry *carries;
	size_t ncarries;
};

int plan_new(const struct node *n, struct plan **out);

/* -VFS_AGAIN if n is not what the plan was made for. */
int plan_fits(const struct plan *p, const struct node *n);

/*
 * New bytes for n blocks of the file from first on.  Where they come from
 * in memory, block by block; what lies side by side is written in one go.
 */
typedef const uint8_t *plan_src(const void *arg, uint32_t i);
int plan_write(struct txn *rt, struct plan *p, uint64_t first, uint32_t n,
    uint64_t hint, plan_src *src, const void *arg);

/* The same for one block. */
int plan_write_block(struct txn *rt, struct plan *p, uint64_t block,
    uint64_t hint, const uint8_t *bytes);

/*
 * Write to blocks that were set aside for the file: place is that of an
 * extent which is EXTENT_UNWRITTEN and not shared, so nobody reads it.
 */
int plan_fill(struct txn *rt, struct plan *p, uint64_t first, uint32_t n,
    uint64_t place, plan_src *src, const void *arg);

/* Blocks set aside, never written. */
int plan_reserve(struct txn *rt, struct plan *p, uint64_t first, uint64_t n,
    uint64_t hint);

/*
 * Put all runs into a layer of n, where they replace what is there.
 * Changes n->in.blocks.
 */
int plan_apply(struct txn *t, struct plan *p, enum row_kind kind,
    struct node *n);

/* A good place for blocks of n from first on; with DATA_GROWS if what is
 * before them lies in pieces. */
int plan_hint(struct txn *rt, const struct node *n, uint64_t first,
    uint64_t *hint);

/* The same, and the plan knows whether first..last is a hole. */
int plan_look(struct txn *rt, struct plan *p, const struct node *n,
    uint64_t first, uint64_t last, uint64_t *hint);

#endif
