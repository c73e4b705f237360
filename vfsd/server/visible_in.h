/*
 * visible_in.h - what visible.c, visible_marks.c and visible_wary.c share
 */
#ifndef VFSD_VISIBLE_IN_H
#define VFSD_VISIBLE_IN_H

#include <pthread.h>
#include <stdatomic.h>

#include "../clock.h"
#include "holders.h"
#include "visible.h"

#define VISIBLE_MOVES	1024u		/* a power of two */
#define VISIBLE_WARY	1024u		/* a power of two */

/* A mark whose commit is done, as long as a request that began before it
 * may still hold the old state. */
struct old_mark {
	uint64_t hash, until;
};

/* An object of which no answer is kept yet. */
struct wary {
	_Atomic uint64_t mark;		/* its hash; 0: free */
	uint64_t until;
	uint32_t thread;		/* that was answered first */
	uint32_t answers;		/* it has had */
};

struct visible {
	struct holders *holders;	/* the server's: what the kernel has */
	struct holders *marks;		/* hash -> commits, and old ones */
	_Atomic uint64_t nmarks;	/* 0: no need to look */
	_Atomic uint64_t seq;		/* moves on with each unmark */
	_Atomic uint64_t since[VISIBLE_THREADS];	/* seq when the
					 * request began; UINT64_MAX: idle */
	_Atomic uint64_t moves;		/* names renamed while marks were on */
	_Atomic uint64_t moved[VISIBLE_MOVES];	/* the last ones' hashes */
	pthread_mutex_t lock;		/* the ring of old marks; moved */
	struct old_mark *old;
	size_t old_at, old_n, old_cap;	/* cap: a power of two, or 0 */
	pthread_mutex_t wary_lock;	/* the next two; marks, and whether
					 * there are any, are read without */
	_Atomic unsigned nwary;		/* slots that are taken */
	struct wary wary[VISIBLE_WARY];	/* by hash */
	_Atomic uint64_t wary_ns;	/* of ear */
	_Atomic bool listening;
	_Atomic unsigned deaf;		/* commits that found it false */
	pthread_rwlock_t ear_lock;	/* ear; read while it is told.  Never
					 * taken at the serial point, for which
					 * the kernel may wait */
	struct visible_ear ear;		/* object NULL: nobody */
	struct {
		_Atomic uint64_t commits, objects, names, pages, again, late;
	} count;
};

/* What is marked: an object, a name, all names of a directory, all. */
uint64_t mark_object(struct vfs_id id);
uint64_t mark_name(struct vfs_id dir, struct vfs_slice name);
uint64_t mark_names(struct vfs_id dir);
#define MARK_ALL	1u

int marks_add(struct visible *v, uint64_t hash);
/* They linger until requests that are under way have ended. */
void marks_retire(struct visible *v, const uint64_t *hash, size_t n);

/* At the end of a commit that has changed the object. */
void wary_set(struct visible *v, uint64_t mark);
bool visible_holds(struct visible *v, struct vfs_id id);

#endif
