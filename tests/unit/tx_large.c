/*
 * Large transactions: what counts is what the commit writes, and it is
 * told at the operation that would be too much.
 */
#include "../tx_rig.h"
#include "../cm.h"

#define FILE_MODE	0100644u
#define SMALL		1024u

static void
name_of(char *name, size_t n, unsigned i)
{
	snprintf(name, n, "file-%05u", i);
}

/* A new file of 1 KiB; TX_LIMIT comes from the create or the write. */
static int
file(struct rig *r, uint64_t tx, unsigned i)
{
	static const uint8_t data[SMALL];
	struct vfs_id id;
	char name[16];
	int err;

	name_of(name, sizeof name, i);
	err = do_create(r, tx, ROOT, name, FILE_MODE, &id);
	return err < 0 ? err : do_write(r, tx, id, 0, data, sizeof data);
}

static void
tx_large__ten_thousand_files_of_1_KiB__fit_a_store_as_it_is_made(
    void **state)
{
	struct rig *r = rig_open(128 << 20);
	uint64_t tx = rig_begin(r);
	unsigned i;

	(void)state;
	for (i = 0; i < 10000; i++)
		assert_int_equal(file(r, tx, i), 0);
	assert_int_equal(rig_commit_as(r, tx, 1), 0);
	assert_int_equal(do_list(r, 0, ROOT, NULL), 10000);
	rig_kill(r);
	assert_int_equal(do_list(r, 0, ROOT, NULL), 10000);
	assert_int_equal(fx_check(r->fx), 0);
	rig_close(r);
}

/* Until one is refused; then all kinds of changes that need no more. */
static void
tx_large__as_much_as_it_takes__can_be_committed(void **state)
{
	struct rig *r = rig_open(8 << 20);
	uint64_t tx = rig_begin(r);
	char name[16], other[32];
	unsigned n = 0, i;
	int err = 0;

	(void)state;
	while ((err = file(r, tx, n)) == 0)
		n++;
	assert_err(err, TX_LIMIT);
	/* A quarter of the log, and what a file takes beside its bytes. */
	assert_in_range(n, (2 << 20) / 2100, (2 << 20) / 1400);
	name_of(name, sizeof name, n);
	err = do_unlink(r, tx, ROOT, name);	/* the create did fit */
	assert_true(err == 0 || err == -VFS_NOENT);
	for (i = 0; i < n && err != -VFS_TX_LIMIT; i++) {
		name_of(name, sizeof name, i);
		snprintf(other, sizeof other, "other-%u", i);
		err = do_rename(r, tx, ROOT, name, ROOT, other);
	}
	assert_int_equal(rig_commit_as(r, tx, 1), 0);
	assert_int_equal(do_list(r, 0, ROOT, NULL), n);
	assert_int_equal(fx_check(r->fx), 0);
	rig_close(r);
}

static void
tx_large__one_row_many_times__counts_once(void **state)
{
	struct rig *r = rig_open(4 << 20);
	uint8_t data[SMALL];
	struct vfs_id id;
	uint64_t tx;
	unsigned i;

	(void)state;
	assert_int_equal(do_create(r, 0, ROOT, "f", FILE_MODE, &id), 0);
	tx = rig_begin(r);
	for (i = 0; i < 600; i++) {	/* 1.2 MiB of rows are put */
		memset(data, (int)i, sizeof data);
		assert_int_equal(do_write(r, tx, id, 0, data, sizeof data),
		    0);
	}
	assert_int_equal(rig_commit(r, tx), 0);
	assert_int_equal(do_read(r, 0, id, 0, data, 1), 1);
	assert_int_equal(data[0], (uint8_t)599);
	rig_close(r);
}

/* Long names stand in change records too. */
static void
tx_large__change_records__count(void **state)
{
	struct rig *r = rig_open(4 << 20);
	uint64_t tx = rig_begin(r);
	char name[VFS_NAME_MAX + 1];
	unsigned n = 0;
	int err = 0;

	(void)state;
	memset(name, 'n', sizeof name);
	for (; err == 0; n++) {
		snprintf(name + 240, 16, "%u", n);
		err = do_create(r, tx, ROOT, name, FILE_MODE, NULL);
	}
	assert_err(err, TX_LIMIT);
	assert_true(n > 500);
	assert_int_equal(rig_commit_as(r, tx, 1), 0);
	assert_int_equal(do_list(r, 0, ROOT, NULL), n - 1);
	rig_close(r);
}

/* One byte is asked for, and all there is of a small file is put again. */
static void
tx_large__little_that_puts_much__memory_is_bounded(void **state)
{
	struct rig *r = rig_open(4 << 20);
	uint64_t tx = rig_begin(r);
	uint8_t data[SMALL] = { 0 };
	struct vfs_id id;
	unsigned i;
	int err = 0;

	(void)state;
	assert_int_equal(do_create(r, tx, ROOT, "f", FILE_MODE, &id), 0);
	assert_int_equal(do_write(r, tx, id, 0, data, sizeof data), 0);
	for (i = 0; err == 0 && i < 10000; i++)
		err = do_write(r, tx, id, i % SMALL, "x", 1);
	assert_err(err, TX_LIMIT);
	assert_in_range(i, 500, 2000);
	assert_int_equal(rig_commit(r, tx), 0);
	assert_int_equal(do_read(r, 0, id, (i - 2) % SMALL, data, 1), 1);
	assert_int_equal(data[0], 'x');
	rig_close(r);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(
	tx_large__ten_thousand_files_of_1_KiB__fit_a_store_as_it_is_made),
		cmocka_unit_test(
		    tx_large__as_much_as_it_takes__can_be_committed),
		cmocka_unit_test(tx_large__one_row_many_times__counts_once),
		cmocka_unit_test(tx_large__change_records__count),
		cmocka_unit_test(
		    tx_large__little_that_puts_much__memory_is_bounded),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
