/*
 * sum_wide.c - checksums with AVX2; nothing else may be in this file,
 * which not every processor can run
 */
#define XXH_INLINE_ALL
#include <xxhash.h>

#include "sum.h"

#ifdef __AVX2__
const bool sum_wide_built = true;
#else
const bool sum_wide_built = false;
#endif

uint64_t
sum_bytes_wide(const void *p, size_t n, uint64_t seed)
{
	return XXH3_64bits_withSeed(p, n, seed);
}
