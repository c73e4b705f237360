/*
 * Speculative txns: a commit that is run before it is asked for, and taken up
 * once, if nobody else has committed.
 */
#include "../../vfsd/core/record.h"
#include "../cm.h"
#include "../tx_rig.h"

#define FILE_MODE	0100644u
#define MANY		5000u
#define RIG_TEST(f)	cmocka_unit_test_setup_teardown(f, rig_setup, \
	rig_teardown)

static struct private *
guess(struct rig *r, const char *name)
{
	struct vfs_create q = { .dir = ROOT, .mode = FILE_MODE,
		.name = { name, strlen(name) } };
	struct vfs_create_reply rep;
	struct private *p;
	struct txn *t;

	assert_int_equal(speculation_begin(r->fx->e, &p), 0);
	assert_int_equal(private_enter(p, &r->fx->env, &t), 0);
	assert_int_equal(op_create(t, &q, NULL, &rep), 0);
	private_leave(p);
	return p;
}

static void
speculation__its_commit_is_aborted__is_taken_up_once_more(void **state)
{
	struct rig *r = *state;
	struct private *p = guess(r, "f");
	struct txn *t;

	assert_int_equal(txn_begin_speculated(r->fx->e, p, &r->fx->env, &t),
	    1);
	txn_abort(t);
	assert_err(do_lookup(r, 0, ROOT, "f", NULL), NOENT);
	assert_int_equal(txn_begin_speculated(r->fx->e, p, &r->fx->env, &t),
	    1);
	assert_int_equal(txn_commit(t, NULL), 0);
	assert_int_equal(do_lookup(r, 0, ROOT, "f", NULL), 0);
	/* After the commit it has nothing. */
	assert_int_equal(txn_begin_speculated(r->fx->e, p, &r->fx->env, &t),
	    0);
	txn_abort(t);
	private_end(p);
	assert_int_equal(fx_check(r->fx), 0);
}

static void
speculation__somebody_commits__is_not_entered_or_taken_up(void **state)
{
	struct rig *r = *state;
	struct private *p = guess(r, "f");
	struct txn *t;

	assert_int_equal(do_create(r, 0, ROOT, "g", FILE_MODE, NULL), 0);
	assert_err(private_enter(p, &r->fx->env, &t), CONFLICT);
	assert_int_equal(txn_begin_speculated(r->fx->e, p, &r->fx->env, &t),
	    0);
	txn_abort(t);
	private_end(p);
	assert_err(do_lookup(r, 0, ROOT, "f", NULL), NOENT);
}

/* It is too large, say: what is left of it is nothing, and no commit. */
static void
speculation__its_commit_fails__is_not_taken_up_again(void **state)
{
	struct rig *r = *state;
	struct vfs_create q = { .dir = ROOT, .mode = FILE_MODE };
	struct vfs_create_reply rep;
	struct private *p = guess(r, "f");
	char name[16];
	struct txn *t;
	unsigned i;

	assert_int_equal(private_enter(p, &r->fx->env, &t), 0);
	for (i = 0; i < MANY; i++) {
		snprintf(name, sizeof name, "f%u", i);
		q.name = (struct vfs_slice){ name, strlen(name) };
		assert_int_equal(op_create(t, &q, NULL, &rep), 0);
	}
	private_leave(p);
	assert_int_equal(txn_begin_speculated(r->fx->e, p, &r->fx->env, &t),
	    1);
	assert_err(txn_commit(t, NULL), TX_LIMIT);
	assert_int_equal(txn_begin_speculated(r->fx->e, p, &r->fx->env, &t),
	    0);
	txn_abort(t);
	private_end(p);
	assert_int_equal(do_list(r, 0, ROOT, NULL), 0);
}

/* What is damaged is reported by who asked for it, not by a guess as well. */
static void
speculation__meets_damage__says_nothing(void **state)
{
	struct rig *r = *state;
	struct vfs_setattr q = { .valid = VFS_SET_MODE, .mode = 0600 };
	struct vfs_setattr_reply rep;
	struct fault_rec f[2];
	struct row_key k;
	struct private *p;
	struct txn *t;

	assert_int_equal(do_create(r, 0, ROOT, "f", FILE_MODE, &q.id), 0);
	row_key_id(&k, ROW_INODE, q.id.n);
	assert_int_equal(txn_begin(r->fx->e, TXN_WRITE, &r->fx->env, &t), 0);
	assert_int_equal(txn_put(t, row_key_slice(&k),
	    (struct vfs_slice){ "nonsense", 8 }), 0);
	assert_int_equal(txn_commit(t, NULL), 0);
	r->fx->quiet = true;
	assert_int_equal(speculation_begin(r->fx->e, &p), 0);
	assert_int_equal(private_enter(p, &r->fx->env, &t), 0);
	assert_err(op_setattr(t, &q, NULL, &rep), CORRUPT);
	private_leave(p);
	private_end(p);
	assert_int_equal(engine_faults(r->fx->e, 0, f, 2), 0);
	assert_err(do_chmod(r, 0, q.id, 0600), CORRUPT);
	assert_int_equal(engine_faults(r->fx->e, 0, f, 2), 1);
}

static void
speculation__there_is_one__another_is_busy(void **state)
{
	struct rig *r = *state;
	struct private *p = guess(r, "f"), *q;

	assert_err(speculation_begin(r->fx->e, &q), BUSY);
	private_end(p);
	private_end(guess(r, "g"));
}

static void
speculation__store_is_read_only__is_not_entered(void **state)
{
	struct rig *r = *state;
	struct private *p;
	struct txn *t;

	server_kill(r->s);
	r->fx->conf.rdonly = true;
	fx_restart(r->fx);
	assert_int_equal(speculation_begin(r->fx->e, &p), 0);
	assert_err(private_enter(p, &r->fx->env, &t), ROFS);
	private_end(p);
	r->s = NULL;
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		RIG_TEST(
		    speculation__its_commit_is_aborted__is_taken_up_once_more),
		RIG_TEST(
		    speculation__somebody_commits__is_not_entered_or_taken_up),
		RIG_TEST(speculation__its_commit_fails__is_not_taken_up_again),
		RIG_TEST(speculation__meets_damage__says_nothing),
		RIG_TEST(speculation__there_is_one__another_is_busy),
		RIG_TEST(speculation__store_is_read_only__is_not_entered),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
