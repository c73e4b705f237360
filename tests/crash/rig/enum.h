/*
 * enum.h - what a power cut may leave, one pick after the other
 */
#ifndef CRASH_ENUM_H
#define CRASH_ENUM_H

#include "disk.h"

/* Small, fast, and the same everywhere: one number is the whole state. */
struct rng {
	uint64_t s;
};
static inline uint64_t
rng_u64(struct rng *r)
{
	uint64_t z = (r->s += 0x9E3779B97F4A7C15ull);

	z = (z ^ (z >> 30)) * 0xBF58476D1CE4E5B9ull;
	z = (z ^ (z >> 27)) * 0x94D049BB133111EBull;
	return z ^ (z >> 31);
}
static inline uint32_t
rng_to(struct rng *r, uint32_t n)
{
	return (uint32_t)(rng_u64(r) % n);
}

/*
 * Call each for: none, all, every prefix, each single entry dropped, each
 * single one kept, all subsets of up to 8 entries (else 64 random ones), and
 * torn entries.  Stops when it returns false.
 */
void enum_picks(struct disk *d, struct rng *r, int random_max,
    bool (*each)(void *arg, const struct pick *p), void *arg);

/* One pick at random, for a cut in the middle of a workload. */
void enum_random(struct disk *d, struct rng *r, struct pick *p);

#endif
