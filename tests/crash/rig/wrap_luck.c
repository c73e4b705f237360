/*
 * wrap_luck.c - time, threads and random bytes, as the simulation has them
 */
#include <string.h>
#include <time.h>

#include "disk.h"
#include "real.h"

uint64_t disk_now_ns;
static uint64_t random_state = 1;

/* --- time ----------------------------------------------------------- */

int
__wrap_nanosleep(const struct timespec *t, struct timespec *left)
{
	(void)left;
	disk_now_ns += (uint64_t)t->tv_sec * 1000000000u +
	    (uint64_t)t->tv_nsec;
	return 0;
}

int
__wrap_clock_nanosleep(clockid_t clock, int flags, const struct timespec *t,
    struct timespec *left)
{
	(void)clock;
	if (flags & TIMER_ABSTIME) {
		uint64_t to = (uint64_t)t->tv_sec * 1000000000u +
		    (uint64_t)t->tv_nsec;

		if (to > disk_now_ns)
			disk_now_ns = to;
		return 0;
	}
	return __wrap_nanosleep(t, left);
}

int
__wrap_usleep(useconds_t us)
{
	disk_now_ns += us * 1000ull;
	return 0;
}

int
__wrap_clock_gettime(clockid_t clock, struct timespec *t)
{
	if (disk_now_ns == 0)
		return __real_clock_gettime(clock, t);
	t->tv_sec = (time_t)(disk_now_ns / 1000000000u);
	t->tv_nsec = (long)(disk_now_ns % 1000000000u);
	return 0;
}

/* --- threads -------------------------------------------------------- */

/* The simulation is single-threaded: helpers do not start.  (The engine is
 * told so; the publisher is driven by the workload instead.) */
int
__wrap_pthread_create(pthread_t *t, const pthread_attr_t *a,
    void *(*fn)(void *), void *arg)
{
	if (disk_now_ns == 0)
		return __real_pthread_create(t, a, fn, arg);
	memset(t, 0, sizeof(*t));
	return 0;
}

int
__wrap_pthread_join(pthread_t t, void **r)
{
	return disk_now_ns == 0 ? __real_pthread_join(t, r) : 0;
}

/* --- random bytes --------------------------------------------------- */

/* The simulation takes the place of luck: same seed, same bytes. */
void
wrap_random_seed(uint64_t seed)
{
	random_state = seed * 2 + 1;
}

ssize_t
__wrap_getrandom(void *p, size_t n, unsigned flags)
{
	uint8_t *b = p;
	size_t i;

	(void)flags;
	for (i = 0; i < n; i++) {
		random_state = random_state * 6364136223846793005ull +
		    1442695040888963407ull;
		b[i] = (uint8_t)(random_state >> 56);
	}
	return (ssize_t)n;
}
