/* The free map and space against a plain array of blocks. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include <cmocka.h>

#include "../../vfsd/engine/freemap.h"
#include "../../vfsd/engine/space.h"

#define BLOCKS	512u
#define STEPS	20000u

struct rnd {
	uint64_t x;
};

static unsigned
rnd(struct rnd *r, unsigned below)
{
	r->x = r->x * 6364136223846793005u + 1442695040888963407u;
	return (unsigned)(r->x >> 33) % below;
}

static struct rnd
seeded(void)
{
	const char *s = getenv("SEED");
	uint64_t seed = s ? strtoull(s, NULL, 0) : (uint64_t)time(NULL);

	print_message("# SEED=%llu\n", (unsigned long long)seed);
	return (struct rnd){ seed };
}

static bool
all(const bool *used, unsigned at, unsigned n, bool v)
{
	while (n-- > 0)
		if (used[at++] != v)
			return false;
	return true;
}

static void
compare(const struct freemap *m, const bool *isfree)
{
	uint64_t at = 0, start, n, total = 0;
	unsigned i;

	while (freemap_next(m, at, &start, &n) == 0) {
		assert_true(start >= at);
		for (i = (unsigned)at; i < start; i++)
			assert_false(isfree[i]);
		for (i = (unsigned)start; i < start + n; i++)
			assert_true(isfree[i]);
		at = start + n;
		total += n;
		assert_true(at >= BLOCKS || !isfree[at]);	/* merged */
	}
	for (i = (unsigned)at; i < BLOCKS; i++)
		assert_false(isfree[i]);
	assert_int_equal(total, freemap_total(m));
}

static void
freemap__random_steps__equals_array(void **state)
{
	struct rnd r = seeded();
	bool isfree[BLOCKS + 1] = { false };
	struct freemap *m;
	uint64_t start, n;
	unsigned i;

	(void)state;
	assert_int_equal(freemap_new(&m), 0);
	for (i = 0; i < STEPS; i++) {
		unsigned at = rnd(&r, BLOCKS), len = 1 + rnd(&r, 16);

		if (at + len > BLOCKS)
			len = BLOCKS - at;
		if (rnd(&r, 2)) {
			bool ok = all(isfree, at, len, false);

			assert_int_equal(freemap_add(m, at, len),
			    ok ? 0 : -VFS_CORRUPT);
			if (ok)
				memset(isfree + at, true, len);
		} else if (rnd(&r, 2)) {
			bool ok = all(isfree, at, len, true);

			assert_int_equal(freemap_del(m, at, len),
			    ok ? 0 : -VFS_CORRUPT);
			if (ok)
				memset(isfree + at, false, len);
		} else if (freemap_find(m, at, len, &start, &n) == 0) {
			assert_true(n >= 1 && n <= len);
			assert_true(all(isfree, (unsigned)start, (unsigned)n,
			    true));
			if (isfree[at])
				assert_int_equal(start, at);
		} else {
			assert_int_equal(freemap_total(m), 0);
		}
		if (i % 64 == 0)
			compare(m, isfree);
	}
	compare(m, isfree);
	freemap_free(m);
}

/* --- a data backend with a limit, and nothing else ----------------- */

struct host {
	uint64_t room;		/* bytes that may be reserved, as an end */
	uint64_t discarded;
};

static int
host_reserve(void *self, uint64_t off, uint64_t n)
{
	struct host *h = self;

	return off + n > h->room ? -VFS_NOSPC : 0;
}

static int
host_discard(void *self, uint64_t off, uint64_t n)
{
	struct host *h = self;

	(void)off;
	h->discarded += n;
	return 0;
}

static const struct data_ops host_ops = {
	.name = "host", .reserve = host_reserve, .discard = host_discard,
};

static void
space__until_full__every_block_once(void **state)
{
	struct host h = { .room = 1000 * VFS_BLOCK };
	static bool seen[1000];
	struct space *s;
	struct space_usage u;
	uint64_t block;
	uint32_t got, i, sum = 0;
	int err;

	(void)state;
	memset(seen, 0, sizeof seen);
	assert_int_equal(space_new(&host_ops, &h, false, &s), 0);
	while ((err = space_alloc(s, 7, 0, &block, &got)) == 0) {
		assert_in_range(got, 1, 7);
		for (i = 0; i < got; i++) {
			assert_in_range(block + i, 1, 999);
			assert_false(seen[block + i]);
			seen[block + i] = true;
		}
		sum += got;
	}
	assert_int_equal(err, -VFS_NOSPC);
	assert_int_equal(sum, 999);	/* all but block 0 */
	space_usage(s, &u);
	assert_int_equal(u.used, 999);
	assert_int_equal(u.free, 0);
	space_free(s);
}

static void
space__freed__waits_for_readers_and_checkpoint(void **state)
{
	struct host h = { .room = 9 * VFS_BLOCK };
	struct space *s;
	uint64_t a, b;
	uint32_t got;

	(void)state;
	assert_int_equal(space_new(&host_ops, &h, false, &s), 0);
	assert_int_equal(space_alloc(s, 4, 0, &a, &got), 0);
	assert_int_equal(space_alloc(s, 4, 0, &b, &got), 0);
	assert_int_equal(space_alloc(s, 1, 0, &b, &got), -VFS_NOSPC);
	assert_int_equal(space_defer(s, a, 2, 5, true), 0);
	assert_int_equal(space_defer(s, a + 2, 2, 5, false), 0);

	assert_int_equal(space_settle(s, 4, 9), 0);	/* an old reader */
	assert_int_equal(space_alloc(s, 1, 0, &b, &got), -VFS_NOSPC);
	assert_int_equal(space_settle(s, 5, 4), 0);	/* no checkpoint yet */
	assert_true(space_is_free(s, a, 2));
	assert_int_equal(space_alloc(s, 4, 0, &b, &got), 0);
	assert_int_equal(b, a + 2);
	assert_int_equal(got, 2);
	assert_int_equal(space_settle(s, 5, 5), 0);
	assert_int_equal(space_alloc(s, 4, 0, &b, &got), 0);
	assert_int_equal(b, a);
	assert_int_equal(got, 2);
	space_free(s);
}

/* Files that are written at the same time, 128 KiB by turns. */
static void
space__several_files_grow__each_in_long_runs(void **state)
{
	struct host h = { .room = 1u << 30 };
	uint64_t next[5] = { 0 }, runs = 0, block;
	struct space *s;
	uint32_t got, i, f;

	(void)state;
	assert_int_equal(space_new(&host_ops, &h, false, &s), 0);
	for (i = 0; i < 256; i++)
		for (f = 0; f < 5; f++) {
			assert_int_equal(space_alloc(s, 32, next[f], &block,
			    &got), 0);
			assert_in_range(got, 1, 32);
			runs += block != next[f];
			next[f] = block + got;
			/* and small ones between */
			assert_int_equal(space_alloc(s, 1, 0, &block, &got),
			    0);
		}
	assert_in_range(runs, 5, 5 * 256 * 32 / 512 + 10);
	space_free(s);
}

/* Streams too use every block, and what is kept for them is free. */
static void
space__random_streams__accounts_stay_exact(void **state)
{
	struct host h = { .room = 4000 * VFS_BLOCK };
	struct { uint64_t block; uint32_t n; } have[512];
	struct rnd r = seeded();
	unsigned n = 0, i, step;
	struct space_usage u;
	uint64_t used = 0, block, last = 0;
	struct space *s;
	uint32_t got;
	int err;

	(void)state;
	assert_int_equal(space_new(&host_ops, &h, false, &s), 0);
	for (step = 0; step < STEPS; step++) {
		if (n < 512 && rnd(&r, 2)) {
			err = space_alloc(s, 1 + rnd(&r, 64),
			    rnd(&r, 2) ? last : 0, &block, &got);
			assert_true(err == 0 || err == -VFS_NOSPC);
			if (err < 0) {
				assert_int_equal(used, 3999);
				continue;
			}
			for (i = 0; i < n; i++)
				assert_true(block + got <= have[i].block ||
				    have[i].block + have[i].n <= block);
			have[n].block = block;
			have[n++].n = got;
			used += got;
			last = block + got;
		} else if (n > 0) {
			i = rnd(&r, n);
			assert_int_equal(space_unalloc(s, have[i].block,
			    have[i].n), 0);
			used -= have[i].n;
			have[i] = have[--n];
		}
		space_usage(s, &u);
		assert_int_equal(u.used, used);
		assert_int_equal(u.end - 1, u.used + u.free);
	}
	space_free(s);
}

static void
space__claims__leave_the_rest_free(void **state)
{
	struct host h = { .room = 100 * VFS_BLOCK };
	struct space *s;
	struct space_usage u;

	(void)state;
	assert_int_equal(space_new(&host_ops, &h, false, &s), 0);
	assert_int_equal(space_claim(s, 10, 5, false), 0);
	assert_int_equal(space_claim(s, 12, 1, false), -VFS_CORRUPT);
	assert_int_equal(space_claim(s, 13, 7, true), 0);
	assert_int_equal(space_claim(s, 0, 1, false), -VFS_CORRUPT);
	assert_int_equal(space_claim(s, UINT64_MAX - 2, 9, false),
	    -VFS_CORRUPT);
	space_usage(s, &u);
	assert_int_equal(u.end, 20);
	assert_int_equal(u.used, 10);
	assert_int_equal(u.free, 9);
	space_free(s);
}

static void
space__much_is_freed__host_gets_it_back(void **state)
{
	struct host h = { .room = UINT64_MAX };
	struct space *s;
	struct space_usage u;
	uint64_t block;
	uint32_t got, n = 2 * SPACE_SLACK / VFS_BLOCK;

	(void)state;
	assert_int_equal(space_new(&host_ops, &h, false, &s), 0);
	assert_int_equal(space_claim(s, 1, n, false), 0);
	assert_int_equal(space_defer(s, 1, n, 1, true), 0);
	assert_int_equal(space_settle(s, 1, 1), 0);
	assert_true(h.discarded >= SPACE_SLACK / 2);
	space_usage(s, &u);
	assert_int_equal(u.free, n);
	assert_int_equal(space_alloc(s, 1, 0, &block, &got), 0);
	space_free(s);
}

static void
space__others_need_room__each_free_range_goes_back_once(void **state)
{
	struct host h = { .room = UINT64_MAX };
	const uint32_t n = 3 * SPACE_CHUNK_MAX / VFS_BLOCK;
	struct space_usage u;
	struct space *s;
	unsigned i;

	(void)state;
	assert_int_equal(space_new(&host_ops, &h, false, &s), 0);
	/* free since before, in use, freed now, too short to help */
	assert_int_equal(space_claim(s, 1 + n, n, false), 0);
	assert_int_equal(space_claim(s, 1 + 2 * n + 1, 1, false), 0);
	assert_int_equal(space_defer(s, 1 + n, n / 3, 1, true), 0);
	assert_int_equal(space_settle(s, 1, 1), 0);
	assert_int_equal(h.discarded, 0);
	for (i = 0; i < 100 && space_yield(s) == 1; i++)
		;
	assert_int_equal(i, 1 + 3 + 1);	/* ready, old, and ready is old now */
	assert_int_equal(space_yield(s), 0);
	space_usage(s, &u);
	assert_int_equal(u.free, n + n / 3 + 1);
	assert_int_equal(u.used, n - n / 3 + 1);
	space_free(s);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(freemap__random_steps__equals_array),
		cmocka_unit_test(space__until_full__every_block_once),
		cmocka_unit_test(space__freed__waits_for_readers_and_checkpoint),
		cmocka_unit_test(space__several_files_grow__each_in_long_runs),
		cmocka_unit_test(space__random_streams__accounts_stay_exact),
		cmocka_unit_test(space__claims__leave_the_rest_free),
		cmocka_unit_test(
		    space__others_need_room__each_free_range_goes_back_once),
		cmocka_unit_test(space__much_is_freed__host_gets_it_back),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
