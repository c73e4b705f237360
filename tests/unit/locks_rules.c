/*
 * Advisory locks kept by the daemon: ranges, waits, circles.
 */
#include "../cm.h"

#include "../../vfsd/server/locks.h"

static struct vfs_id file = { 77 };

struct told {
	int err, n;
};

static void
told(void *arg, int err)
{
	struct told *t = arg;

	t->err = err;
	t->n++;
}

static int
setup(void **state)
{
	return locks_new((struct locks **)state);
}

static int
teardown(void **state)
{
	locks_free(*state);
	return 0;
}

static struct lock
range(uint64_t owner, enum lock_type type, uint64_t start, uint64_t end)
{
	return (struct lock){ .id = file, .owner = owner, .handle = owner,
	    .start = start, .end = end, .type = type };
}

static int
set(struct locks *t, uint64_t owner, enum lock_type type, uint64_t start,
    uint64_t end)
{
	struct lock l = range(owner, type, start, end);

	return locks_set(t, &l, 0, NULL, NULL);
}

static int
await(struct locks *t, uint64_t owner, uint64_t start, uint64_t end,
    uint64_t key, struct told *w)
{
	struct lock l = range(owner, LOCK_EXCL, start, end);

	*w = (struct told){ 1, 0 };
	return locks_set(t, &l, key, told, w);
}

/* Who is in the way of everything, seen by a stranger. */
static struct lock
seen(struct locks *t, uint64_t start)
{
	struct lock want = range(99, LOCK_EXCL, start, INT64_MAX), out;

	if (!locks_test(t, &want, &out))
		out.type = LOCK_NONE;
	return out;
}

static void
range__unlocked_in_the_middle__two_are_left(void **state)
{
	struct locks *t = *state;

	assert_int_equal(set(t, 1, LOCK_EXCL, 0, 99), 0);
	assert_int_equal(set(t, 1, LOCK_NONE, 40, 59), 0);
	assert_int_equal(seen(t, 0).end, 39);
	assert_int_equal(seen(t, 40).start, 60);
	assert_int_equal(set(t, 2, LOCK_EXCL, 40, 59), 0);
	assert_err(set(t, 2, LOCK_EXCL, 39, 40), LOCKED);
}

static void
range__meets_another_of_the_same_kind__is_one(void **state)
{
	struct locks *t = *state;

	assert_int_equal(set(t, 1, LOCK_SHARED, 10, 13), 0);
	assert_int_equal(set(t, 1, LOCK_SHARED, 20, 30), 0);
	assert_int_equal(set(t, 1, LOCK_SHARED, 14, 19), 0);
	assert_int_equal(seen(t, 0).start, 10);
	assert_int_equal(seen(t, 0).end, 30);
	assert_int_equal(set(t, 1, LOCK_EXCL, 15, 15), 0);
	assert_int_equal(seen(t, 0).end, 14);
	assert_int_equal(set(t, 1, LOCK_SHARED, 0, INT64_MAX), 0);
	assert_int_equal(seen(t, 5).end, INT64_MAX);
}

static void
shared__many_owners__no_writer(void **state)
{
	struct locks *t = *state;

	assert_int_equal(set(t, 1, LOCK_SHARED, 0, 9), 0);
	assert_int_equal(set(t, 2, LOCK_SHARED, 5, 9), 0);
	assert_err(set(t, 3, LOCK_EXCL, 9, 9), LOCKED);
	assert_err(set(t, 1, LOCK_EXCL, 0, 9), LOCKED);
	assert_int_equal(set(t, 1, LOCK_EXCL, 0, 4), 0);
}

static void
wait__holder_unlocks__told_in_order(void **state)
{
	struct locks *t = *state;
	struct told a, b;

	assert_int_equal(set(t, 1, LOCK_EXCL, 0, 9), 0);
	assert_int_equal(await(t, 2, 0, 4, 1, &a), 1);
	assert_int_equal(await(t, 3, 4, 9, 2, &b), 1);
	assert_int_equal(set(t, 1, LOCK_NONE, 0, 9), 0);
	assert_int_equal(a.n, 1);
	assert_int_equal(a.err, 0);
	assert_int_equal(b.n, 0);		/* byte 4 is 2's now */
	locks_drop_owner(t, file, 2, false);
	assert_int_equal(b.n, 1);
	assert_int_equal(b.err, 0);
}

static void
wait__circle__refused(void **state)
{
	struct locks *t = *state;
	struct told a, b, c;

	assert_int_equal(set(t, 1, LOCK_EXCL, 1, 1), 0);
	assert_int_equal(set(t, 2, LOCK_EXCL, 2, 2), 0);
	assert_int_equal(set(t, 3, LOCK_EXCL, 3, 3), 0);
	assert_int_equal(await(t, 1, 2, 2, 1, &a), 1);
	assert_int_equal(await(t, 2, 3, 3, 2, &b), 1);
	assert_err(await(t, 3, 1, 1, 3, &c), DEADLK);
	assert_int_equal(c.n, 0);
	locks_interrupt(t, 1);
	assert_int_equal(a.err, -VFS_INTR);
	assert_int_equal(await(t, 3, 1, 1, 3, &c), 1);
	locks_interrupt_all(t);
	assert_int_equal(b.err, -VFS_INTR);
	assert_int_equal(c.err, -VFS_INTR);
}

/* 3 would wait for both who share, one of whom waits for 3. */
static void
wait__circle_through_any_of_those_who_share__refused(void **state)
{
	struct locks *t = *state;
	struct told a, b, c;
	uint64_t other;

	for (other = 1; other <= 2; other++) {
		assert_int_equal(set(t, 1, LOCK_SHARED, 1, 1), 0);
		assert_int_equal(set(t, 2, LOCK_SHARED, 1, 1), 0);
		assert_int_equal(set(t, 3, LOCK_EXCL, 3, 3), 0);
		assert_int_equal(set(t, 4, LOCK_EXCL, 4, 4), 0);
		assert_int_equal(await(t, 3 - other, 4, 4, 1, &a), 1);
		assert_int_equal(await(t, other, 3, 3, 2, &b), 1);
		assert_err(await(t, 3, 1, 1, 3, &c), DEADLK);
		locks_interrupt(t, 2);
		assert_int_equal(await(t, 3, 1, 1, 3, &c), 1);
		locks_interrupt_all(t);
		locks_drop_domain(t, 0);
	}
}

static void
interrupt__before_its_wait__ends_it(void **state)
{
	struct locks *t = *state;
	struct told a;

	assert_int_equal(set(t, 1, LOCK_EXCL, 0, 9), 0);
	locks_interrupt(t, 5);
	assert_err(await(t, 2, 0, 0, 5, &a), INTR);
	assert_int_equal(await(t, 2, 0, 0, 5, &a), 1);
}

static void
handle__released__its_ranges_go_flock_stays(void **state)
{
	struct locks *t = *state;
	struct lock whole = { .id = file, .owner = 1, .handle = 1,
	    .end = INT64_MAX, .type = LOCK_EXCL, .flock = true };

	assert_int_equal(locks_set(t, &whole, 0, NULL, NULL), 0);
	assert_int_equal(set(t, 1, LOCK_EXCL, 0, 9), 0);	/* no clash */
	locks_drop_handle(t, file, 0, 1);
	assert_int_equal(seen(t, 0).type, LOCK_NONE);
	whole.owner = 2;
	assert_err(locks_set(t, &whole, 0, NULL, NULL), LOCKED);
	locks_drop_owner(t, file, 1, true);
	assert_int_equal(locks_set(t, &whole, 0, NULL, NULL), 0);
}

/* As in the kernel: a conversion that must wait, or fails, gives up. */
static void
flock__two_want_more__both_get_it(void **state)
{
	struct locks *t = *state;
	struct lock a = { .id = file, .owner = 1, .handle = 1,
	    .end = INT64_MAX, .type = LOCK_SHARED, .flock = true }, b = a;
	struct told w = { 1, 0 };

	b.owner = b.handle = 2;
	assert_int_equal(locks_set(t, &a, 0, NULL, NULL), 0);
	assert_int_equal(locks_set(t, &b, 0, NULL, NULL), 0);
	a.type = b.type = LOCK_EXCL;
	assert_int_equal(locks_set(t, &a, 5, told, &w), 1);
	assert_int_equal(w.n, 0);
	assert_int_equal(locks_set(t, &b, 0, NULL, NULL), 0);
	assert_int_equal(w.n, 0);
	locks_drop_owner(t, file, 2, true);
	assert_int_equal(w.n, 1);
	assert_int_equal(w.err, 0);
}

int
main(void)
{
#define T(f)	cmocka_unit_test_setup_teardown(f, setup, teardown)
	const struct CMUnitTest tests[] = {
		T(range__unlocked_in_the_middle__two_are_left),
		T(range__meets_another_of_the_same_kind__is_one),
		T(shared__many_owners__no_writer),
		T(wait__holder_unlocks__told_in_order),
		T(wait__circle__refused),
		T(wait__circle_through_any_of_those_who_share__refused),
		T(interrupt__before_its_wait__ends_it),
		T(handle__released__its_ranges_go_flock_stays),
		T(flock__two_want_more__both_get_it),
	};

	return cmocka_run_group_tests_name("locks", tests, NULL, NULL);
}
