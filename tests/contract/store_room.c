/*
 * Every row backend keeps store.h: room, promised and given back.
 */
#include <signal.h>
#include <sys/resource.h>

#include "store_fx.h"

static int
setup_tmpfs(void **state)
{
	return fx_in(state, scratch_open_tmpfs, 8 << 20);
}

static int
setup_ext4(void **state)
{
	return fx_in(state, scratch_open_ext4, 32 << 20);
}

static int
setup_big_ext4(void **state)
{
	return fx_in(state, scratch_open_ext4, 64 << 20);
}

/* --- room ---------------------------------------------------------- */

#define ROW 1000	/* bytes of a value below: four rows to a page */

/* One batch of n rows from number `first` on, all of one size. */
static int
put_many(struct fx *fx, unsigned first, unsigned n, char fill)
{
	struct store_row *rows = calloc(n, sizeof *rows);
	char (*keys)[12] = calloc(n, sizeof *keys), val[ROW];
	struct store_batch b = { rows, n };
	unsigned i;
	int err;

	memset(val, fill, sizeof val);
	for (i = 0; i < n; i++) {
		snprintf(keys[i], sizeof keys[i], "%08u", first + i);
		rows[i] = (struct store_row){ str(keys[i]),
		    { val, sizeof val } };
	}
	err = fx->ops->apply(fx->b, &b);
	free(keys);
	free(rows);
	return err;
}

static void
reserve_then_fill(void **state)
{
	struct fx *fx = *state;
	unsigned i;

	if (!fx->b)
		skip();
	assert_int_equal(put_many(fx, 0, 10, 'x'), 0);
	assert_int_equal(fx->ops->reserve(fx->b, 2 << 20), 0);
	assert_int_equal(fx->ops->reserve(fx->b, 2 << 20), 0);
	fill_disk(fx);
	assert_int_equal(fx->ops->reserve(fx->b, 64 << 20), -VFS_NOSPC);
	/* 1,000 rows: 250 pages and what holds them, twice. */
	assert_int_equal(put_many(fx, 100, 500, 'a'), 0);
	assert_int_equal(put_many(fx, 600, 500, 'b'), 0);
	/* Past the promise it may fail, but then for want of space only,
	 * and for good only while there is none. */
	for (i = 0; i < 8; i++) {
		int err = put_many(fx, 2000 + 1000 * i, 1000, 'c');

		assert_true(err == 0 || err == -VFS_NOSPC);
	}
	assert_int_equal(put_many(fx, 20000, 1000, 'd'), -VFS_NOSPC);
	assert_int_equal(unlinkat(fx->dir.dirfd, "filler", 0), 0);
	assert_int_equal(put_many(fx, 20000, 100, 'd'), 0);
	reopen(fx, false);
	assert_now(fx, "99999999", NULL);
}

static void
store__reserved_then_disk_full_tmpfs__applies(void **state)
{
	reserve_then_fill(state);
}

static void
store__reserved_then_disk_full_ext4__applies(void **state)
{
	reserve_then_fill(state);
}

/* Whoever opens on a full disk can make room there. */
static void
store__reserved_and_closed__some_of_it_is_kept(void **state)
{
	struct fx *fx = *state;

	if (!fx->b)
		skip();
	assert_int_equal(put_many(fx, 0, 10, 'x'), 0);
	assert_int_equal(fx->ops->reserve(fx->b, 16 << 20), 0);
	reopen(fx, false);
	fill_disk(fx);
	assert_int_equal(fx->ops->reserve(fx->b, 8 << 20), -VFS_NOSPC);
	assert_int_equal(fx->ops->reserve(fx->b, 4 << 20), 0);
	assert_int_equal(put_many(fx, 100, 500, 'a'), 0);
	reopen(fx, false);
	assert_int_equal(fx->ops->reserve(fx->b, 1 << 20), 0);
}

static void
store__rewriting_rows__needs_no_more_room(void **state)
{
	struct fx *fx = *state;
	struct store_usage first, last;
	unsigned i;

	assert_int_equal(put_many(fx, 0, 4000, 'a'), 0);
	for (i = 0; i < 4; i++) {
		assert_int_equal(fx->ops->reserve(fx->b, 8 << 20), 0);
		assert_int_equal(put_many(fx, 0, 4000, (char)('b' + i)), 0);
	}
	assert_int_equal(fx->ops->usage(fx->b, &first), 0);
	for (i = 0; i < 8; i++) {
		assert_int_equal(fx->ops->reserve(fx->b, 8 << 20), 0);
		assert_int_equal(put_many(fx, 0, 4000, (char)('h' + i)), 0);
	}
	assert_int_equal(fx->ops->usage(fx->b, &last), 0);
	assert_true(last.bytes_file <= first.bytes_file + (4 << 20));
}

/* A full disk: what can be promised are free pages, and only those that
 * no snapshot needs. */
static void
store__disk_full__promises_free_pages_only(void **state)
{
	struct fx *fx = *state;
	unsigned i;
	void *sn;

	if (!fx->b)
		skip();
	for (i = 0; i < 5; i++)
		assert_int_equal(put_many(fx, 0, 2000, (char)('a' + i)), 0);
	reopen(fx, false);
	fill_disk(fx);
	assert_int_equal(fx->ops->reserve(fx->b, 1 << 20), 0);
	assert_int_equal(put_many(fx, 100, 400, 'x'), 0);
	assert_int_equal(unlinkat(fx->dir.dirfd, "filler", 0), 0);

	sn = snap(fx);
	for (i = 0; i < 5; i++)
		assert_int_equal(put_many(fx, 0, 2000, (char)('f' + i)), 0);
	fill_disk(fx);
	assert_int_equal(fx->ops->reserve(fx->b, 5 << 20), -VFS_NOSPC);
	fx->ops->snap_end(sn);
}

/* ulimit -f is as a full disk: no promise, no failure for good. */
static void
store__file_may_not_grow__nospc(void **state)
{
	struct rlimit few, old;
	struct fx *fx = *state;
	int reserve, err = 0;
	unsigned i;

	if (!on_disk(fx))
		return;
	signal(SIGXFSZ, SIG_IGN);
	assert_int_equal(put_many(fx, 0, 2000, 'a'), 0);
	assert_int_equal(getrlimit(RLIMIT_FSIZE, &old), 0);
	few = (struct rlimit){ 6 << 20, old.rlim_max };
	assert_int_equal(setrlimit(RLIMIT_FSIZE, &few), 0);
	reserve = fx->ops->reserve(fx->b, 64 << 20);
	for (i = 1; i < 8 && err == 0; i++)
		err = put_many(fx, 2000 * i, 2000, 'b');
	assert_int_equal(setrlimit(RLIMIT_FSIZE, &old), 0);
	assert_int_equal(reserve, -VFS_NOSPC);
	assert_int_equal(err, -VFS_NOSPC);
	assert_int_equal(put_many(fx, 2000, 2000, 'c'), 0);
	assert_int_equal(fx->ops->reserve(fx->b, 8 << 20), 0);
}

/* --- every case on every backend ----------------------------------- */

static const struct contract_case cases[] = {
	CASE_ON(tmpfs, store__reserved_then_disk_full_tmpfs__applies),
	CASE_ON(ext4, store__reserved_then_disk_full_ext4__applies),
	CASE_ON(big_ext4, store__disk_full__promises_free_pages_only),
	CASE_ON(big_ext4, store__reserved_and_closed__some_of_it_is_kept),
	CASE(store__rewriting_rows__needs_no_more_room),
	CASE(store__file_may_not_grow__nospc),
};

int
main(void)
{
	return every_backend(cases, sizeof cases / sizeof cases[0]);
}
