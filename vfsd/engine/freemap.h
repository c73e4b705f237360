/*
 * freemap.h - which ranges of a space are free
 *
 * A set of disjoint ranges, neighbours merged: a treap in address order in
 * which every node also knows the longest range below it, so that looking
 * by address and looking by length both take O(log n).
 *
 * Threads:   none of its own; the caller locks.
 * Failure:   -VFS_NOMEM, -VFS_NOENT; -VFS_CORRUPT for a range that is added
 *            twice or taken without being free (nothing is changed then).
 */
#ifndef ENGINE_FREEMAP_H
#define ENGINE_FREEMAP_H

#include "../../protocol/err.h"
#include "../../protocol/types.h"

struct freemap;

int freemap_new(struct freemap **out);
void freemap_free(struct freemap *m);

int freemap_add(struct freemap *m, uint64_t start, uint64_t n);
int freemap_del(struct freemap *m, uint64_t start, uint64_t n);

/*
 * The free range to use for want blocks: at hint if that is free, else the
 * first of at least want blocks after it, else before it, else the longest
 * there is.  *n is at most want, at least 1.  -VFS_NOENT when empty.
 */
int freemap_find(const struct freemap *m, uint64_t hint, uint64_t want,
    uint64_t *start, uint64_t *n);

/* The free range that holds at, or the first after it. */
int freemap_next(const struct freemap *m, uint64_t at, uint64_t *start,
    uint64_t *n);

uint64_t freemap_total(const struct freemap *m);
uint64_t freemap_ranges(const struct freemap *m);

#endif
