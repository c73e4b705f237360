/*
 * Every row backend keeps store.h: opening, rows, failures.
 */
#include "../../protocol/limits.h"
#include "store_fx.h"

/* --- opening ------------------------------------------------------- */

static void
store__open_where_none__noent(void **state)
{
	finds_none(state);
}

static void
store__create__is_empty(void **state)
{
	struct fx *fx = *state;
	struct store_usage u;
	void *sn = snap(fx);

	assert_keys(fx, sn, "", "");
	assert_get(fx, sn, "a", NULL);
	fx->ops->snap_end(sn);
	assert_int_equal(fx->ops->usage(fx->b, &u), 0);
	assert_int_equal(u.rows, 0);
}

/* The file is synced before it gets its name, the directory after. */
static void
store__create__syncs_the_directory(void **state)
{
	(void)state;
	assert_string_equal(hostcalls_seen(), "frd");
}

static void
store__create_where_one_is__keeps_it(void **state)
{
	struct fx *fx = *state;

	put_ok(fx, "a", "1");
	fx->ops->close(fx->b);
	hostcalls_reset();
	assert_int_equal(fx->ops->open(fx->dir.dirfd, true, false, &fx->b), 0);
	assert_string_equal(hostcalls_seen(), on_disk(fx) ? "d" : "");
	assert_now(fx, "a", "1");
}

static void
store__any_sync_of_create_fails__creates_nothing(void **state)
{
	creates_all_or_nothing(state);
}

static void
store__reopen__finds_all_rows(void **state)
{
	struct fx *fx = *state;

	put_ok(fx, "b", "2");
	put_ok(fx, "a", "1");
	put_ok(fx, "b", NULL);
	put_ok(fx, "c", "3");
	reopen(fx, false);
	assert_now(fx, "a", "1");
	assert_now(fx, "b", NULL);
	assert_now(fx, "c", "3");
}

static void
store__rdonly__writes_nothing(void **state)
{
	struct fx *fx = *state;
	uint64_t before;
	void *sn;

	put_ok(fx, "a", "1");
	fx_close(fx);
	before = scratch_digest(&fx->dir);
	assert_int_equal(fx->ops->open(fx->dir.dirfd, false, true, &fx->b), 0);
	sn = snap(fx);
	assert_get(fx, sn, "a", "1");
	assert_keys(fx, sn, "", "a ");
	assert_int_equal(put1(fx, str("b"), str("2")), -VFS_ROFS);
	assert_int_equal(fx->ops->reserve(fx->b, 1), -VFS_ROFS);
	fx->ops->snap_end(sn);
	fx_close(fx);
	assert_true(scratch_digest(&fx->dir) == before);
}

/* --- rows ---------------------------------------------------------- */

static void
store__keys__are_in_memcmp_order(void **state)
{
	static const char *const in[] = {
		"a", "aa", "ab", "b", "ba", "\x7f", "\x80", "\xff", "\xff\xff",
	};
	struct fx *fx = *state;
	struct store_row rows[9];
	struct store_batch b = { rows, 9 };
	void *sn;
	size_t i;

	for (i = 0; i < 9; i++)
		rows[i] = (struct store_row){ str(in[i]), str("") };
	assert_int_equal(fx->ops->apply(fx->b, &b), 0);
	sn = snap(fx);
	assert_keys(fx, sn, "",
	    "a aa ab b ba \x7f \x80 \xff \xff\xff ");
	assert_keys(fx, sn, "ab", "ab b ba \x7f \x80 \xff \xff\xff ");
	fx->ops->snap_end(sn);
}

static void
store__put_again__replaces(void **state)
{
	struct fx *fx = *state;

	put_ok(fx, "a", "1");
	put_ok(fx, "a", "longer than before");
	assert_now(fx, "a", "longer than before");
	put_ok(fx, "a", "");
	assert_now(fx, "a", "");
}

static void
store__delete__leaves_no_row(void **state)
{
	struct fx *fx = *state;
	void *sn;

	put_ok(fx, "a", "1");
	put_ok(fx, "b", "2");
	put_ok(fx, "a", NULL);
	sn = snap(fx);
	assert_keys(fx, sn, "", "b ");
	fx->ops->snap_end(sn);
}

static void
store__delete_of_absent__is_fine(void **state)
{
	struct fx *fx = *state;

	put_ok(fx, "x", NULL);
	put_ok(fx, "b", "2");
	put_ok(fx, "a", NULL);
	put_ok(fx, "z", NULL);
	assert_now(fx, "b", "2");
}

static void
store__batch_of_puts_and_deletes__does_all(void **state)
{
	struct fx *fx = *state;
	struct store_row rows[] = {
		{ str("a"), str("1") }, { str("b"), absent },
		{ str("c"), str("3") }, { str("d"), absent },
		{ str("e"), str("5") }, { str("f"), absent },
	};
	struct store_batch b = { rows, 6 };
	void *sn;

	put_ok(fx, "b", "old");
	put_ok(fx, "c", "old");
	put_ok(fx, "d", "old");
	assert_int_equal(fx->ops->apply(fx->b, &b), 0);
	sn = snap(fx);
	assert_keys(fx, sn, "", "a c e ");
	assert_get(fx, sn, "c", "3");
	fx->ops->snap_end(sn);
}

static void
store__empty_batch__is_fine(void **state)
{
	struct fx *fx = *state;
	struct store_batch b = { NULL, 0 };

	assert_int_equal(fx->ops->apply(fx->b, &b), 0);
	put_ok(fx, "a", "1");
	assert_int_equal(fx->ops->apply(fx->b, &b), 0);
	assert_now(fx, "a", "1");
}

static void
store__key_at_limit__fits_and_past_it_not(void **state)
{
	struct fx *fx = *state;
	char key[VFS_KEY_MAX + 1];
	struct vfs_slice val;
	void *sn;

	memset(key, 'k', sizeof key);
	assert_int_equal(put1(fx, (struct vfs_slice){ key, 0 },
	    str("v")), -VFS_INVAL);
	assert_int_equal(put1(fx, (struct vfs_slice){ key, VFS_KEY_MAX + 1 },
	    str("v")), -VFS_INVAL);
	assert_int_equal(put1(fx, (struct vfs_slice){ key, VFS_KEY_MAX },
	    str("v")), 0);
	sn = snap(fx);
	assert_int_equal(fx->ops->get(sn,
	    (struct vfs_slice){ key, VFS_KEY_MAX }, &val), 0);
	assert_slice(val, str("v"));
	fx->ops->snap_end(sn);
}

static void
store__values_of_any_size__come_back(void **state)
{
	static const size_t sizes[] = {
		0, 1, 1536, 2000, 2040, 4000, 4096, 65536, 1 << 20,
	};
	struct fx *fx = *state;
	unsigned char *buf = malloc(1 << 20);
	struct vfs_slice val;
	char key[2] = "a";
	void *sn;
	size_t i, j;

	for (j = 0; j < 1 << 20; j++)
		buf[j] = (unsigned char)(j * 31 >> 3);
	for (i = 0; i < 9; i++, key[0]++)
		assert_int_equal(put1(fx, str(key),
		    (struct vfs_slice){ buf, sizes[i] }), 0);
	reopen(fx, false);
	sn = snap(fx);
	for (i = 0, key[0] = 'a'; i < 9; i++, key[0]++) {
		assert_int_equal(fx->ops->get(sn, str(key), &val), 0);
		assert_slice(val, (struct vfs_slice){ buf, sizes[i] });
	}
	fx->ops->snap_end(sn);
	free(buf);
}

static void
store__batch_at_limit__fits_and_past_it_not(void **state)
{
	struct fx *fx = *state;
	struct store_row *rows;
	struct store_batch b;
	struct store_usage u;
	char (*keys)[8];
	size_t i, n = STORE_BATCH_MAX + 1;

	rows = calloc(n, sizeof *rows);
	keys = calloc(n, sizeof *keys);
	for (i = 0; i < n; i++) {
		snprintf(keys[i], sizeof keys[i], "%06zu", i);
		rows[i] = (struct store_row){ str(keys[i]), str(keys[i]) };
	}
	b = (struct store_batch){ rows, n };
	assert_int_equal(fx->ops->apply(fx->b, &b), -VFS_INVAL);
	assert_now(fx, "000000", NULL);
	b.nrows = STORE_BATCH_MAX;
	assert_int_equal(fx->ops->apply(fx->b, &b), 0);
	assert_now(fx, "000000", "000000");
	assert_now(fx, "029999", "029999");
	assert_int_equal(fx->ops->usage(fx->b, &u), 0);
	assert_int_equal(u.rows, STORE_BATCH_MAX);
	assert_true(u.bytes_used <= u.bytes_file);
	for (i = 0; i < n; i++)
		rows[i].val = absent;
	assert_int_equal(fx->ops->apply(fx->b, &b), 0);
	assert_int_equal(fx->ops->usage(fx->b, &u), 0);
	assert_int_equal(u.rows, 0);
	free(keys);
	free(rows);
}

/* --- failures ------------------------------------------------------ */

static void
store__failed_sync__latches(void **state)
{
	struct fx *fx = *state;

	put_ok(fx, "a", "1");
	hostcalls_fail_sync(0, EIO);
	assert_int_equal(put1(fx, str("a"), str("2")), -VFS_IO);
	assert_true(hostcalls_failed());
	assert_int_equal(put1(fx, str("b"), str("2")), -VFS_IO);
	assert_now(fx, "a", "1");
	assert_now(fx, "b", NULL);
	reopen(fx, false);
	assert_now(fx, "a", "1");
	assert_now(fx, "b", NULL);
	put_ok(fx, "a", "2");
	assert_now(fx, "a", "2");
}

static void
store__apply__syncs(void **state)
{
	struct fx *fx = *state;

	hostcalls_reset();
	put_ok(fx, "a", "1");
	assert_string_equal(hostcalls_seen(), "f");
}

/* --- every case on every backend ----------------------------------- */

static const struct contract_case cases[] = {
	CASE(store__open_where_none__noent),
	CASE(store__create__is_empty),
	CASE_DISK(store__create__syncs_the_directory),
	CASE(store__create_where_one_is__keeps_it),
	CASE(store__any_sync_of_create_fails__creates_nothing),
	CASE(store__reopen__finds_all_rows),
	CASE(store__rdonly__writes_nothing),
	CASE(store__keys__are_in_memcmp_order),
	CASE(store__put_again__replaces),
	CASE(store__delete__leaves_no_row),
	CASE(store__delete_of_absent__is_fine),
	CASE(store__batch_of_puts_and_deletes__does_all),
	CASE(store__empty_batch__is_fine),
	CASE(store__key_at_limit__fits_and_past_it_not),
	CASE(store__values_of_any_size__come_back),
	CASE(store__batch_at_limit__fits_and_past_it_not),
	CASE_DISK(store__failed_sync__latches),
	CASE_DISK(store__apply__syncs),
};

int
main(void)
{
	return every_backend(cases, sizeof cases / sizeof cases[0]);
}
