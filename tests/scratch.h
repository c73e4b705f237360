/*
 * scratch.h - a directory for one test
 */
#ifndef TESTS_SCRATCH_H
#define TESTS_SCRATCH_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct scratch {
	char path[128];
	int dirfd;
	bool mounted;
};

/* 0, or -1 with errno. */
int scratch_open(struct scratch *s);
/* The same on a filesystem of its own of about this size; -1 where this
 * process may not mount. */
int scratch_open_tmpfs(struct scratch *s, size_t bytes);
int scratch_open_ext4(struct scratch *s, size_t bytes);
/* Removes everything in it. */
void scratch_close(struct scratch *s);

/* A hash of names, inode numbers, sizes, mtimes, ctimes and bytes. */
uint64_t scratch_digest(const struct scratch *s);

/* How many names are in it. */
size_t scratch_count(const struct scratch *s);

/* A random seed, or the one in SEED; printed, so that it can be replayed. */
uint64_t scratch_seed(void);
/* xorshift64*; the state is not 0. */
uint64_t scratch_random(uint64_t *state);

#endif
