/*
 * overlay_in.h - what the files of the overlay share
 *
 *   overlay.c		rows in memory: put, find, walk
 *   overlay_size.c	how much a write set or table is, or will be
 *   overlay_adopt.c	a write set becomes part of a table
 */
#ifndef ENGINE_OVERLAY_IN_H
#define ENGINE_OVERLAY_IN_H

#include <pthread.h>

#include "arena.h"
#include "overlay.h"

#define KINDS		64u
#define KIND(c)		((c) % KINDS)	/* of a key's first byte, 64 to 127 */

/*
 * Keys of one kind (their first byte).  Where the last insertion went:
 * its node, and at each level the last node before the next insertion.
 */
struct kind {
	struct ov_kind count;		/* the writer's */
	_Atomic(struct ov_key *) head[OV_LEVELS];
	_Atomic(struct ov_key *) late;	/* not in order yet, newest first */
	_Atomic(struct ov_key *) max;	/* none is behind this one */
	struct ov_key *last;
	_Atomic(struct ov_key *) *prev[OV_LEVELS];
};

struct overlay {
	_Atomic unsigned refs;
	bool table;			/* readers beside the writer */
	_Atomic(struct ov_key *) *hash;	/* NULL: no index */
	size_t buckets;			/* a power of two */
	_Atomic uint64_t kinds;		/* a bit for each with keys */
	struct kind *kind[KINDS];	/* set before the bit is */

	/*
	 * Kinds that are looked up and hardly ever walked (LATE_KINDS) are
	 * put in order when somebody walks.  order_lock guards their lists;
	 * nlate counts keys that are not in theirs.
	 */
	pthread_mutex_t order_lock;
	_Atomic size_t nlate;

	/* The writer's. */
	struct arena arena;
	uint64_t random;
	struct ov_key *oldest, *youngest;	/* of a write set */

	/* Written by the writer, read by all. */
	_Atomic size_t rows, bytes, newest;
};

static inline size_t
round_up(size_t n, size_t to)
{
	return (n + to - 1) & ~(to - 1);
}

/* The key, or NULL; *hash: its own, or 0 and worked out if need be. */
struct ov_key *ov_find(const struct overlay *o, struct vfs_slice key,
    uint32_t *hash);
/* A key that is in no list, with its hash, becomes one of o's, without a
 * version yet; -VFS_NOMEM for its kind. */
int ov_place(struct overlay *o, struct ov_key *n);
/* v becomes the newest version of k, which is in the index. */
void ov_put_newest(struct overlay *o, struct ov_key *k, struct ov_ver *v);

#endif
