/*
 * TX_ADD with VFS_TX_LATER: operations that wait for the commit, or for
 * somebody who has to see what they do.
 */
#include "../tx_rig.h"
#include "../cm.h"

#define FILE_MODE	0100644u
#define DIR_MODE	0040755u
#define RIG_TEST(f)	cmocka_unit_test_setup_teardown(f, rig_setup, \
	rig_teardown)

/* d, and in it f with some bytes, in two parts. */
static void
add_tree(struct rig *r, uint64_t tx)
{
	uint32_t first;

	rig_new(r);
	rig_create(r, ROOT, "d", DIR_MODE);
	assert_int_equal(rig_part(r, tx, VFS_TX_LATER, &first), 0);
	assert_int_equal(first, 0);
	assert_int_equal(r->v.nresults, 0);
	rig_create(r, RESULT(0), "f", FILE_MODE);
	rig_write(r, RESULT(1), 0, "hello", 5);
	assert_int_equal(rig_part(r, tx, VFS_TX_LATER, &first), 0);
	assert_int_equal(first, 1);
}

static void
check_tree(struct rig *r, uint64_t tx)
{
	struct vfs_id d, f;
	char buf[8];

	assert_int_equal(do_lookup(r, tx, ROOT, "d", &d), 0);
	assert_int_equal(do_lookup(r, tx, d, "f", &f), 0);
	assert_int_equal(do_read(r, tx, f, 0, buf, 8), 5);
	assert_memory_equal(buf, "hello", 5);
}

static void
tx_later__parts_that_refer_to_each_other__are_one_commit(void **state)
{
	struct rig *r = *state;
	uint64_t tx = rig_begin(r);

	add_tree(r, tx);
	assert_err(do_lookup(r, 0, ROOT, "d", NULL), NOENT);
	assert_int_equal(rig_commit_as(r, tx, 5), 0);
	assert_int_equal(r->v.nresults, 3);
	assert_int_equal(r->v.results[2].size, 5);
	check_tree(r, 0);
	rig_kill(r);
	check_tree(r, 0);
	assert_int_equal(rig_status(r, 5), 0);
	assert_int_equal(r->v.state, VFS_TX_COMMITTED);
	assert_int_equal(fx_check(r->fx), 0);
}

static void
tx_later__commit_is_asked_for_again__gets_the_first_answer(void **state)
{
	struct rig *r = *state;
	uint64_t tx = rig_begin(r);

	add_tree(r, tx);
	assert_int_equal(rig_commit_as(r, tx, 5), 0);
	assert_int_equal(rig_commit_as(r, tx, 5), 0);
	assert_true(r->v.repeated);
	assert_int_equal(do_list(r, 0, ROOT, NULL), 1);
}

static void
tx_later__it_looks_itself__sees_them(void **state)
{
	struct rig *r = *state;
	uint64_t tx = rig_begin(r);
	uint32_t first;

	add_tree(r, tx);
	check_tree(r, tx);
	assert_err(do_lookup(r, 0, ROOT, "d", NULL), NOENT);
	rig_create(r, RESULT(0), "g", FILE_MODE);
	assert_int_equal(rig_part(r, tx, VFS_TX_LATER, &first), 0);
	assert_int_equal(first, 3);
	assert_int_equal(r->v.nresults, 1);	/* run at once by now */
	assert_int_equal(rig_commit(r, tx), 0);
	check_tree(r, 0);
	assert_int_equal(fx_check(r->fx), 0);
}

static void
tx_later__one_of_them_fails__is_told_at_the_commit(void **state)
{
	struct rig *r = *state;
	uint64_t before, tx = rig_begin(r);
	uint32_t first;

	assert_int_equal(do_create(r, 0, ROOT, "g", FILE_MODE, NULL), 0);
	before = fx_digest(r->fx);
	add_tree(r, tx);
	rig_add(r, VFS_OP_CREATE, &(struct vfs_create){ .dir = ROOT,
	    .name = { "g", 1 }, .mode = FILE_MODE,
	    .flags = VFS_CREATE_EXCL });
	assert_int_equal(rig_part(r, tx, VFS_TX_LATER, &first), 0);
	assert_err(rig_commit_as(r, tx, 6), EXIST);
	assert_int_equal(r->v.op_index, 3);
	assert_true(fx_digest(r->fx) == before);
	assert_int_equal(rig_status(r, 6), 0);
	assert_int_equal(r->v.state, VFS_TX_ABORTED);
}

static void
tx_later__one_fails_when_it_looks__ends_it(void **state)
{
	struct rig *r = *state;
	uint64_t tx = rig_begin(r);
	uint32_t first;

	rig_new(r);
	rig_unlink(r, ROOT, "nobody");
	assert_int_equal(rig_part(r, tx, VFS_TX_LATER, &first), 0);
	assert_err(do_lookup(r, tx, ROOT, "d", NULL), NOENT);
	assert_err(do_lookup(r, tx, ROOT, "d", NULL), ABORTED);
	assert_err(rig_commit(r, tx), ABORTED);
}

/* What was there first wins as in TX_EXEC: there is nothing to conflict. */
static void
tx_later__others_commit_meanwhile__is_no_conflict(void **state)
{
	struct rig *r = *state;
	uint64_t tx = rig_begin(r);

	add_tree(r, tx);
	assert_int_equal(do_create(r, 0, ROOT, "other", FILE_MODE, NULL), 0);
	assert_int_equal(engine_checkpoint(r->fx->e), 0);
	assert_int_equal(rig_commit(r, tx), 0);
	check_tree(r, 0);
}

static void
tx_later__bytes_that_need_blocks__are_run_at_once(void **state)
{
	static uint8_t big[20000], got[sizeof big];
	struct rig *r = *state;
	uint64_t tx = rig_begin(r);
	struct vfs_id f;
	uint32_t first;

	memset(big, 7, sizeof big);
	add_tree(r, tx);
	rig_write(r, RESULT(1), 0, big, sizeof big);
	assert_int_equal(rig_part(r, tx, VFS_TX_LATER, &first), 0);
	assert_int_equal(r->v.nresults, 1);
	f = r->results[0].id;
	assert_int_equal(rig_commit(r, tx), 0);
	assert_int_equal(do_read(r, 0, f, 0, got, sizeof got), sizeof got);
	assert_memory_equal(got, big, sizeof got);
	assert_int_equal(fx_check(r->fx), 0);
}

/* A file that has blocks already: only the commit finds out. */
static void
tx_later__bytes_turn_out_to_need_blocks__are_written(void **state)
{
	static uint8_t big[20000];
	struct rig *r = *state;
	uint64_t tx = rig_begin(r);
	struct vfs_id f;
	uint32_t first;

	assert_int_equal(do_create(r, 0, ROOT, "f", FILE_MODE, &f), 0);
	assert_int_equal(do_write(r, 0, f, 0, big, sizeof big), 0);
	rig_new(r);
	rig_write(r, f, 100, "hello", 5);
	assert_int_equal(rig_part(r, tx, VFS_TX_LATER, &first), 0);
	assert_int_equal(rig_commit(r, tx), 0);
	assert_int_equal(do_read(r, 0, f, 100, big, 5), 5);
	assert_memory_equal(big, "hello", 5);
	assert_int_equal(fx_check(r->fx), 0);
}

static void
tx_later__more_bytes_than_a_commit_takes__are_refused_in_time(void **state)
{
	static const uint8_t data[1024];
	struct rig *r = *state;
	uint64_t tx = rig_begin(r);
	uint32_t first;
	unsigned n;
	int err = 0;
	char name[16];

	rig_new(r);
	for (n = 0; err == 0 && n < 4000; n++) {
		snprintf(name, sizeof name, "f%u", n);
		rig_create(r, ROOT, name, FILE_MODE);
		rig_write(r, RESULT(2 * n), 0, data, sizeof data);
		err = rig_part(r, tx, VFS_TX_LATER, &first);
	}
	assert_err(err, TX_LIMIT);
	tx_abort(r->s, (struct tx_ref){ tx, RIG_OWNER });
	assert_int_equal(do_list(r, 0, ROOT, NULL), 0);
}

static void
tx_later__savepoints_and_unknown_flags__are_invalid(void **state)
{
	struct rig *r = *state;
	uint64_t tx = rig_begin(r);
	struct tx_ref ref = { tx, RIG_OWNER };
	uint32_t first, save;

	assert_int_equal(tx_savepoint(r->s, ref, &save), 0);
	rig_new(r);
	rig_create(r, ROOT, "x", FILE_MODE);
	assert_int_equal(rig_part(r, tx, VFS_TX_LATER, &first), 0);
	assert_int_equal(r->v.nresults, 1);	/* there is a way back */
	assert_int_equal(tx_rollback_to(r->s, ref, save), 0);
	assert_err(do_lookup(r, tx, ROOT, "x", NULL), NOENT);
	assert_int_equal(tx_abort(r->s, ref), 0);
	tx = rig_begin(r);
	add_tree(r, tx);
	assert_err(tx_savepoint(r->s, (struct tx_ref){ tx, RIG_OWNER },
	    &save), INVAL);
	assert_err(rig_part(r, tx, VFS_TX_LATER << 1, &first), INVAL);
	assert_int_equal(rig_commit(r, tx), 0);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		RIG_TEST(
		    tx_later__parts_that_refer_to_each_other__are_one_commit),
		RIG_TEST(
		    tx_later__commit_is_asked_for_again__gets_the_first_answer),
		RIG_TEST(tx_later__it_looks_itself__sees_them),
		RIG_TEST(tx_later__one_of_them_fails__is_told_at_the_commit),
		RIG_TEST(tx_later__one_fails_when_it_looks__ends_it),
		RIG_TEST(tx_later__others_commit_meanwhile__is_no_conflict),
		RIG_TEST(tx_later__bytes_that_need_blocks__are_run_at_once),
		RIG_TEST(tx_later__bytes_turn_out_to_need_blocks__are_written),
		RIG_TEST(
	tx_later__more_bytes_than_a_commit_takes__are_refused_in_time),
		RIG_TEST(tx_later__savepoints_and_unknown_flags__are_invalid),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
