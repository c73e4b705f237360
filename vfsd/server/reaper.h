/*
 * reaper.h - what removed trees held goes away in the background
 *
 * A queue of objects without names, mostly directories with entries, and
 * one thread that takes them apart in small commits (REAP, RECLAIM).  It
 * lets mutations through between them and waits while a checkpoint is due.
 * What is in the queue is also in the orphan rows: nothing is lost when
 * the daemon ends, the next open finds it there.
 *
 * An object that somebody holds is left, with all below it, until the
 * last holder lets it go (orphans.c queues it again).
 *
 * Threads:   any.
 */
#ifndef VFSD_REAPER_H
#define VFSD_REAPER_H

#include "dispatch.h"

struct reaper;

int reaper_new(struct server *s, struct reaper **out);
/* The thread ends; what is queued stays in the rows. */
void reaper_free(struct reaper *r);

/* This one has lost its name, and somebody holds it.  If that is the
 * kernel, and only because it keeps what it has looked up, it is asked to
 * let go, again and again. */
void reaper_left(struct reaper *r, struct vfs_id id);

/* This one has lost its name.  Never fails: without memory the next open
 * does it. */
void reaper_add(struct reaper *r, struct vfs_id id);

/* All orphans from after on, up to and with last. */
void reaper_scan(struct reaper *r, struct vfs_id after, struct vfs_id last);

/* One piece of work: 1 if there may be more, 0 if there is none.  What the
 * thread does; tests without threads call it. */
int reaper_step(struct reaper *r);

struct reaper_counts {
	uint64_t trees;			/* that were queued */
	uint64_t batches, names;	/* commits, names taken away */
	uint64_t waiting;		/* in the queue */
	uint64_t held;			/* directories left to holders */
};
void reaper_counts(struct reaper *r, struct reaper_counts *out);

#endif
