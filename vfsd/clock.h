/*
 * clock.h - time that only goes on: CLOCK_MONOTONIC
 */
#ifndef VFSD_CLOCK_H
#define VFSD_CLOCK_H

#include <stdint.h>
#include <time.h>

static inline uint64_t
clock_ns(void)
{
	struct timespec ts;

	clock_gettime(CLOCK_MONOTONIC, &ts);
	return (uint64_t)ts.tv_sec * 1000000000u + (uint64_t)ts.tv_nsec;
}

static inline uint64_t
clock_ms(void)
{
	return clock_ns() / 1000000u;
}

/* As the kernel wants to have it. */
static inline struct timespec
clock_at(uint64_t ns)
{
	return (struct timespec){ (time_t)(ns / 1000000000u),
		(long)(ns % 1000000000u) };
}

#endif
