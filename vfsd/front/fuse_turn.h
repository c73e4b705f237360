/*
 * fuse_turn.h - which of the threads looks for the next request
 *
 * One at a time reads /dev/fuse, spins for a while when there is nothing
 * (spin.h) and then sleeps there; the others are parked.  It runs what it
 * reads itself, so that a client that does one thing after another meets
 * one thread that is awake, and nobody else is woken.  Others join in
 *
 * - when the reader takes a request that may wait: the turn is free before
 *   it runs; or when it is about to wait for a flush, unless nobody asked
 *   for anything during the last few;
 * - when requests are there already each time it looks: one more helps, and
 *   goes on as long as it finds any without waiting;
 * - when a request takes longer than FUSE_TURN_MS after all: as long as
 *   there is something to do one of the parked looks at the clock.
 *
 * Two readers for a moment do no harm.
 *
 * Threads:   all of a front's that read /dev/fuse.
 */
#ifndef FRONT_FUSE_TURN_H
#define FRONT_FUSE_TURN_H

#include <pthread.h>
#include <stdatomic.h>
#include <stdbool.h>
#include <stdint.h>
#include <sys/types.h>

#include "../spin.h"

#define FUSE_TURN_MS	2u

struct fuse_worker;

struct fuse_turn {
	pthread_mutex_t lock;		/* guards those that are not atomic */
	pthread_cond_t wake;
	struct fuse_worker *_Atomic reader;	/* NULL: whoever comes next */
	unsigned parked, calls;		/* calls for help, not yet heard */
	bool over;
	atomic_bool watched;		/* somebody looks at the clock */
	unsigned still;			/* how often nothing was new for him */
	_Atomic uint64_t runs;		/* requests so far */
	_Atomic uint64_t since;		/* the reader's; 0: it runs nothing */
	atomic_uint help_after;		/* requests that were there already */
	atomic_uint alone;		/* flushes that nobody waited behind */
};

/* What a thread keeps for itself. */
struct fuse_turn_own {
	struct spin spin;
	unsigned streak;		/* requests found without waiting */
	bool called, found;		/* it came to help; and could */
	bool flushes;			/* it is at a flush, as the reader */
	uint64_t runs;			/* as that began */
};

void fuse_turn_init(struct fuse_turn *t);
void fuse_turn_destroy(struct fuse_turn *t);

/* The length of the next request, which is in w->in; 0: there will be none.
 * What w did before is done. */
size_t fuse_turn_read(struct fuse_worker *w);

/* w is at something that takes long: the turn is whoever's, if it was w's. */
void fuse_turn_pass(struct fuse_worker *w);
/* w is to flush.  The same, or, while a client is alone, not: to be woken
 * for nothing slows it.  Who comes then waits for two ticks at most. */
void fuse_turn_flush(struct fuse_worker *w);
/* It has, and will reply now. */
void fuse_turn_flushed(struct fuse_worker *w);

/* Whoever is parked returns 0, now and from now on. */
void fuse_turn_end(struct fuse_turn *t);

#endif
