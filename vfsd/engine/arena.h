/*
 * arena.h - memory that is given out in pieces and taken back at once
 *
 * It comes from mmap in chunks, so that a dropped table goes back to the
 * system at once.
 *
 * Threads:   one.
 * Lifetime:  a piece is good until arena_reset or arena_free.
 */
#ifndef ENGINE_ARENA_H
#define ENGINE_ARENA_H

#include <stddef.h>
#include <stdint.h>

struct arena_chunk;

struct arena {
	struct arena_chunk *chunks, *first;
	uint8_t *at, *end;
};

/* The first chunk; -VFS_NOMEM. */
int arena_init(struct arena *a);
/* All zero is fine. */
void arena_free(struct arena *a);
/* Only the first chunk stays. */
void arena_reset(struct arena *a);
/* All of from's pieces, and its chunks, are to's now; from is as new, but
 * has no chunk yet. */
void arena_give(struct arena *to, struct arena *from);
/* The next pieces, so many bytes of them, cannot fail. */
int arena_reserve(struct arena *a, size_t bytes);
/* A multiple of 8, aligned so; NULL: no memory. */
void *arena_alloc(struct arena *a, size_t n);

#endif
