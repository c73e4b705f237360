#define XXH_INLINE_ALL
#include <xxhash.h>

#include "sum.h"

static bool
has_wide(void)
{
#ifdef __x86_64__
	return sum_wide_built && __builtin_cpu_supports("avx2");
#else
	return false;
#endif
}

uint64_t
sum_bytes(const void *p, size_t n, uint64_t seed)
{
	if (n > XXH3_MIDSIZE_MAX && has_wide())
		return sum_bytes_wide(p, n, seed);
	return XXH3_64bits_withSeed(p, n, seed);
}
