/*
 * Transactions when something fails: every call to memory, log, store and
 * data once, and from then on.  All of it happened or nothing did, and
 * those that are open can still be ended.
 */
#include "../tx_rig.h"
#include "../cm.h"

#define FILE_MODE	0100644u
#define DIR_MODE	0040755u

static uint8_t bytes[9000];

static void
message(struct rig *r, bool blocks)
{
	rig_new(r);
	rig_create(r, ROOT, "d", DIR_MODE);
	rig_create(r, RESULT(0), "f", FILE_MODE);
	rig_write(r, RESULT(1), 0, bytes, blocks ? sizeof bytes : 100);
	rig_unlink(r, ROOT, "old");
}

static int
do_exec(struct rig *r, bool blocks)
{
	message(r, blocks);
	return rig_exec(r, 3);
}

static int
in_tx(struct rig *r, uint64_t tx)
{
	struct vfs_id d, f;
	int err;

	if ((err = do_create(r, tx, ROOT, "d", DIR_MODE, &d)) < 0 ||
	    (err = do_create(r, tx, d, "f", FILE_MODE, &f)) < 0 ||
	    (err = do_write(r, tx, f, 0, bytes, sizeof bytes)) < 0 ||
	    (err = do_write(r, tx, f, 10, "abc", 3)) < 0)
		return err;
	return do_unlink(r, tx, ROOT, "old");
}

static int
do_interactive(struct rig *r, bool blocks)
{
	struct vfs_tx_begin q = { 0 };
	struct vfs_tx_begin_reply rep;
	struct tx_ref ref;
	int err;

	(void)blocks;
	err = tx_begin(r->s, VFS_TX_OPEN_MAX, RIG_OWNER, &q, &rep);
	if (err < 0)
		return err;
	ref = (struct tx_ref){ rep.tx, RIG_OWNER };
	if ((err = in_tx(r, rep.tx)) < 0) {
		(void)tx_abort(r->s, ref);
		return err;
	}
	return rig_commit_as(r, rep.tx, 3);
}

static struct rig *
fresh(void)
{
	struct rig *r = rig_open(0);

	r->fx->quiet = true;
	assert_int_equal(do_create(r, 0, ROOT, "old", FILE_MODE, NULL), 0);
	return r;
}

/* The old state or the new one. */
static void
check(struct rig *r, const char *name, unsigned n, int err)
{
	struct tx_counts c;
	bool before, after;

	tx_counts(r->s, &c);
	assert_int_equal(c.open, 0);
	rig_kill(r);
	before = do_lookup(r, 0, ROOT, "old", NULL) == 0 &&
	    do_lookup(r, 0, ROOT, "d", NULL) == -VFS_NOENT;
	after = do_lookup(r, 0, ROOT, "old", NULL) == -VFS_NOENT &&
	    do_lookup(r, 0, ROOT, "d", NULL) == 0;
	if (before == after || (err == 0 && before) ||
	    (err < 0 && err != -VFS_IO && after))
		print_message("%s: call %u (%s): %s\n", name, n,
		    fault_what(), vfs_err_name(err));
	assert_true(before != after);
	assert_true(err < 0 || after);
	assert_int_equal(rig_status(r, 3), 0);
	assert_int_equal(r->v.state == VFS_TX_COMMITTED, after);
	assert_int_equal(fx_check(r->fx), 0);
}

static void
fail_each(const char *name, int (*run)(struct rig *, bool), bool blocks,
    bool forever)
{
	struct rig *r;
	unsigned n;
	bool fired;
	int err;

	for (n = 0; ; n++) {
		r = fresh();
		(forever ? fault_arm_forever : fault_arm)(n, -VFS_IO);
		err = run(r, blocks);
		fired = fault_disarm();
		check(r, name, n, err);
		rig_close(r);
		if (!fired)
			break;
	}
	assert_err(err, OK);
	assert_true(n > 5);
}

static void
tx_exec__any_fault__all_or_nothing(void **state)
{
	(void)state;
	fail_each("exec", do_exec, false, false);
	fail_each("exec", do_exec, false, true);
}

static void
tx_exec__any_fault_with_blocks__all_or_nothing(void **state)
{
	(void)state;
	fail_each("exec with blocks", do_exec, true, false);
	fail_each("exec with blocks", do_exec, true, true);
}

static void
tx_open__any_fault__all_or_nothing(void **state)
{
	(void)state;
	fail_each("interactive", do_interactive, true, false);
	fail_each("interactive", do_interactive, true, true);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(tx_exec__any_fault__all_or_nothing),
		cmocka_unit_test(
		    tx_exec__any_fault_with_blocks__all_or_nothing),
		cmocka_unit_test(tx_open__any_fault__all_or_nothing),
	};

	return cmocka_run_group_tests_name("tx_faults", tests, NULL, NULL);
}
