/*
 * times.h - how long operations took, and the one in the middle
 */
#ifndef BENCH_TIMES_H
#define BENCH_TIMES_H

#include <stdlib.h>

#include "../../vfsd/clock.h"

static inline int
by_value(const void *a, const void *b)
{
	uint64_t x = *(const uint64_t *)a, y = *(const uint64_t *)b;

	return x < y ? -1 : x > y;
}

/* Sorts them; n is not 0. */
static inline uint64_t
median(uint64_t *t, size_t n)
{
	qsort(t, n, sizeof t[0], by_value);
	return t[n / 2];
}

#endif
