/*
 * space.h - who may use which block of the data file
 *
 * Nothing here is stored: at open every range that a row refers to is
 * claimed, the rest is free.  Block 0 is never handed out (place 0 means a
 * hole).  A freed range waits in one of two queues: until no reader is older
 * than its tick, and, if a published row referred to it, until a
 * checkpoint at or past its tick is durable.
 *
 * Room is asked of the host (data_ops.reserve) in chunks before it is
 * used, so "full" is known when blocks are asked for.
 *
 * Threads:   any; one mutex inside guards everything.
 */
#ifndef ENGINE_SPACE_H
#define ENGINE_SPACE_H

#include "../../backends/data.h"
#include "../../protocol/limits.h"

#define SPACE_CHUNK_MAX	(64u << 20)	/* bytes reserved at once, at most */
#define SPACE_SLACK	(256u << 20)	/* freed bytes kept before discard */

struct space;

struct space_usage {
	uint64_t used, free, pending;	/* blocks; free: within the file */
	uint64_t end;			/* of the data file, blocks */
};

int space_new(const struct data_ops *ops, void *data, bool rdonly,
    struct space **out);
void space_free(struct space *s);

/*
 * While opening: a row refers to this range.  shared: other rows may have
 * claimed parts of it before.  -VFS_CORRUPT if somebody has and neither
 * says shared.
 */
int space_claim(struct space *s, uint64_t block, uint64_t n, bool shared);

/* As data_alloc in txn.h. */
int space_alloc(struct space *s, uint32_t want, uint64_t hint,
    uint64_t *block, uint32_t *got);

/* Blocks that no row ever referred to: free at once. */
int space_unalloc(struct space *s, uint64_t block, uint64_t n);

/* Blocks that lost their last reference in the commit of this tick. */
int space_defer(struct space *s, uint64_t block, uint64_t n, uint64_t tick,
    bool published);

/*
 * After a recovery: what is free now may still be named by rows that the
 * next recovery would start from or replay, so all of it up to end waits
 * for the first checkpoint, as if freed at this tick.
 */
int space_hold_free(struct space *s, uint64_t end, uint64_t tick);

/*
 * Free what no one can need any more: readers_tick is the least tick of a
 * running reader (the current one if none), durable_tick that of the last
 * durable checkpoint.  Gives long free ranges back to the host.
 */
int space_settle(struct space *s, uint64_t readers_tick,
    uint64_t durable_tick);

/*
 * The host has no room for something else: give one more free range back.
 * 1, or 0 if none is left that would help.
 */
int space_yield(struct space *s);

void space_usage(struct space *s, struct space_usage *out);

/* Is all of this range free (or pending)?  For the checker. */
bool space_is_free(struct space *s, uint64_t block, uint64_t n);
/* The same without what waits for readers or a checkpoint. */
bool space_is_ready(struct space *s, uint64_t block, uint64_t n);

#endif
