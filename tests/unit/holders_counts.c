/*
 * Who holds what: counted as a plain array counts it, in little memory.
 */
#include "../../vfsd/server/holders.h"
#include "../cm.h"

#define IDS		500u
#define MANY		300000u
#define SMALL		(64u << 10)	/* a table of few */
#define BYTES_EACH	32u

struct count {
	uint64_t other, kernel;
	bool orphan;
};

static int
setup(void **state)
{
	return holders_new((struct holders **)state);
}

static int
teardown(void **state)
{
	holders_free(*state);
	return 0;
}

static struct vfs_id
id_of(uint64_t n)
{
	return (struct vfs_id){ n + 1 };
}

static uint64_t
ids_in(struct holders *h)
{
	uint64_t ids, bytes;

	holders_size(h, &ids, &bytes);
	return ids;
}

static uint64_t
bytes_of(struct holders *h)
{
	uint64_t ids, bytes;

	holders_size(h, &ids, &bytes);
	return bytes;
}

/* --- counts --------------------------------------------------------------- */

/* One step of both, with what it answers. */
static void
step(struct holders *h, struct count *c, struct vfs_id id, uint64_t x)
{
	enum holder who = x >> 20 & 1 ? HOLDER_KERNEL : HOLDER_OTHER;
	uint64_t *held = who == HOLDER_KERNEL ? &c->kernel : &c->other;
	uint64_t n = 1 + (x >> 40) % 3;
	bool last;

	if (x % 8 < 4) {
		assert_int_equal(holders_add(h, who, id, n), 0);
		*held += n;
	} else if (x % 8 < 7) {
		*held = n < *held ? *held - n : 0;
		last = c->orphan && c->other + c->kernel == 0;
		assert_int_equal(holders_drop(h, who, id, n), last);
		c->orphan = c->orphan && !last;
	} else {
		c->orphan = c->other + c->kernel > 0;
		assert_int_equal(holders_orphan(h, id, false), !c->orphan);
	}
	assert_int_equal(holders_held(h, id), c->other + c->kernel > 0);
	assert_int_equal(holders_kernel(h, id), c->kernel > 0);
	assert_int_equal(holders_marked(h, id), c->orphan);
}

static void
holders__random_steps__same_as_counts(void **state)
{
	static struct count counts[IDS];
	uint64_t x = 88172645463325252ull, there = 0;
	unsigned i, n;

	for (n = 0; n < 300000; n++) {
		x ^= x << 13, x ^= x >> 7, x ^= x << 17;
		i = (unsigned)(x >> 8) % IDS;
		step(*state, &counts[i], id_of(i), x);
	}
	for (i = 0; i < IDS; i++)
		there += counts[i].other + counts[i].kernel > 0;
	assert_int_equal(ids_in(*state), there);
}

/* All ids begin in the last slot of one part, and are pushed past it. */
static void
holders__all_in_one_place__found_until_they_go(void **state)
{
	struct vfs_id ids[40];
	uint64_t n, at = 0;
	size_t i, j;

	for (n = 1; at < 40; n++)
		if (n * 0x9e3779b97f4a7c15ull >> 48 == 0x43ff)
			ids[at++].n = n;
	for (i = 0; i < 40; i++)
		assert_int_equal(holders_add(*state, HOLDER_OTHER, ids[i],
		    1), 0);
	for (i = 0; i < 40; i++) {
		for (j = 0; j < 40; j++)
			assert_int_equal(holders_held(*state, ids[j]),
			    j >= i);
		assert_false(holders_drop(*state, HOLDER_OTHER, ids[i], 1));
	}
	assert_int_equal(ids_in(*state), 0);
}

/* A count that is too high for its place must not become another's. */
static void
holders__count_at_its_end__held_for_good(void **state)
{
	struct vfs_id k = id_of(0), o = id_of(1);

	assert_int_equal(holders_add(*state, HOLDER_KERNEL, k, 1ull << 40),
	    0);
	assert_int_equal(holders_add(*state, HOLDER_KERNEL, k, UINT64_MAX),
	    0);
	assert_int_equal(holders_add(*state, HOLDER_OTHER, o, 1ull << 23), 0);
	assert_int_equal(holders_add(*state, HOLDER_OTHER, o, UINT64_MAX), 0);
	assert_false(holders_marked(*state, k));
	assert_false(holders_marked(*state, o));
	assert_false(holders_kernel(*state, o));
	assert_false(holders_orphan(*state, k, false));
	assert_false(holders_drop(*state, HOLDER_KERNEL, k, UINT64_MAX));
	assert_false(holders_drop(*state, HOLDER_OTHER, o, UINT64_MAX));
	assert_true(holders_kernel(*state, k));
	assert_true(holders_held(*state, o));
}

static void
holders__one_below_the_end__counted(void **state)
{
	struct vfs_id k = id_of(0), o = id_of(1);

	assert_int_equal(holders_add(*state, HOLDER_KERNEL, k,
	    (1ull << 40) - 2), 0);
	assert_int_equal(holders_add(*state, HOLDER_OTHER, o,
	    (1ull << 23) - 2), 0);
	assert_false(holders_drop(*state, HOLDER_KERNEL, k,
	    (1ull << 40) - 2));
	assert_false(holders_drop(*state, HOLDER_OTHER, o,
	    (1ull << 23) - 2));
	assert_int_equal(ids_in(*state), 0);
}

/* --- memory --------------------------------------------------------------- */

/* At every size, on the way up and down; what each step leaves is right. */
static void
holders__many__in_32_bytes_each_and_given_back(void **state)
{
	unsigned i;

	for (i = 0; i < MANY; i++) {
		assert_int_equal(holders_add(*state, HOLDER_KERNEL,
		    id_of(i), 1), 0);
		if (i % 1000 == 999)
			assert_in_range(bytes_of(*state), 0,
			    BYTES_EACH * (i + 1) + SMALL);
	}
	for (i = 0; i < MANY; i++)
		assert_true(holders_kernel(*state, id_of(i)));
	assert_false(holders_kernel(*state, id_of(MANY)));
	for (i = 0; i < MANY; i++) {
		assert_false(holders_drop(*state, HOLDER_KERNEL, id_of(i),
		    1));
		assert_false(holders_held(*state, id_of(i)));
		if (i % 1000 == 999)
			assert_in_range(bytes_of(*state), 0,
			    BYTES_EACH * (MANY - i) + SMALL);
	}
	assert_int_equal(ids_in(*state), 0);
	assert_in_range(bytes_of(*state), 0, SMALL);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup_teardown(
		    holders__random_steps__same_as_counts, setup, teardown),
		cmocka_unit_test_setup_teardown(
		    holders__all_in_one_place__found_until_they_go, setup,
		    teardown),
		cmocka_unit_test_setup_teardown(
		    holders__count_at_its_end__held_for_good, setup,
		    teardown),
		cmocka_unit_test_setup_teardown(
		    holders__one_below_the_end__counted, setup, teardown),
		cmocka_unit_test_setup_teardown(
		    holders__many__in_32_bytes_each_and_given_back, setup,
		    teardown),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
