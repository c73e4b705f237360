/*
 * Every mutating operation: let each call of a backend and each memory
 * request fail once.  The operation fails, and neither a reader nor a
 * recovery finds a trace of it.
 */
#include "../cm.h"
#include "../../vfsd/core/token.h"

static uint8_t acl[44] = { 2, 0, 0, 0,
	1, 0, 7, 0, 255, 255, 255, 255, 2, 0, 7, 0, 7, 0, 0, 0,
	4, 0, 5, 0, 255, 255, 255, 255, 16, 0, 7, 0, 255, 255, 255, 255,
	32, 0, 5, 0, 255, 255, 255, 255 };

static int
do_tmpfile(struct fx *fx)
{
	struct vfs_tmpfile q = { .dir = { VFS_ID_ROOT }, .mode = 0100600 };
	struct vfs_tmpfile_reply r;

	return fx_op_tmpfile(fx, &q, &r);
}

static int
do_reclaim(struct fx *fx)
{
	return fx_reclaim_all(fx);
}

static int
do_token(struct fx *fx)
{
	struct rec_token rec = { .root = { VFS_ID_ROOT }, .rights = 1 };
	uint8_t row[REC_TOKEN_MAX];
	struct vfs_token q = { .number = 1, .next = 3,
		.row = { row, rec_token_encode(&rec, row) } };
	struct vfs_token_reply r;

	return fx_op_token(fx, &q, &r);
}

static int
do_create(struct fx *fx)
{
	return fx_create(fx, "/new", 0644);
}

static int
do_create_acl(struct fx *fx)
{
	return fx_mkdir(fx, "/acl/new", 0755);
}

static int
do_symlink(struct fx *fx)
{
	return fx_symlink(fx, "target", "/new");
}

static int
do_link(struct fx *fx)
{
	return fx_link(fx, "/f", "/new");
}

static int
do_unlink(struct fx *fx)
{
	return fx_unlink(fx, "/f");
}

static int
do_rmdir(struct fx *fx)
{
	return fx_rmdir(fx, "/empty");
}

static int
do_rename(struct fx *fx)
{
	return fx_rename(fx, "/f", "/new", 0);
}

static int
do_rename_over(struct fx *fx)
{
	return fx_rename(fx, "/f", "/d/g", 0);
}

static int
do_rename_dir(struct fx *fx)
{
	return fx_rename(fx, "/d", "/acl/d", 0);
}

static int
do_exchange(struct fx *fx)
{
	return fx_rename(fx, "/f", "/d", VFS_RENAME_EXCHANGE);
}

static int
do_chmod(struct fx *fx)
{
	return fx_chmod(fx, "/acl", 0700);
}

static int
do_chown(struct fx *fx)
{
	return fx_chown(fx, "/f", 5, 6);
}

static int
do_truncate(struct fx *fx)
{
	return fx_truncate(fx, "/f", 100);
}

static int
do_setxattr(struct fx *fx)
{
	return fx_setxattr(fx, "/f", "user.new", "value", 5, 0);
}

static int
do_set_acl(struct fx *fx)
{
	return fx_setxattr(fx, "/f", "system.posix_acl_access", acl,
	    sizeof acl, 0);
}

static int
do_removexattr(struct fx *fx)
{
	return fx_removexattr(fx, "/f", "user.old");
}

static int
do_write(struct fx *fx)
{
	static char bytes[9000];

	return fx_write(fx, "/f", 100, bytes, sizeof bytes);
}

static int
do_publish(struct fx *fx)
{
	return fx_publish_all(fx);
}

static int
do_tree_remove(struct fx *fx)
{
	return fx_tree_remove(fx, "/d");
}

static int
do_tree_publish(struct fx *fx)
{
	return fx_tree_publish(fx, "/acl", "/d", VFS_TREE_REPLACE);
}

static int
do_tree_clone(struct fx *fx)
{
	return fx_tree_clone(fx, "/", "/d/all");
}

/* An orphan that has entries, and what takes them away. */
static struct vfs_id reaped;

static int
before_reap(struct fx *fx)
{
	reaped = fx_id(fx, "/d");
	return fx_tree_remove(fx, "/d");
}

static int
do_reap(struct fx *fx)
{
	uint64_t next = 0;
	bool done = false;

	return fx_reap(fx, reaped, 8, &next, &done);
}

static const struct {
	const char *name;
	int (*run)(struct fx *fx);
} ops[] = {
	{ "create", do_create }, { "create under an ACL", do_create_acl },
	{ "symlink", do_symlink }, { "tmpfile", do_tmpfile },
	{ "link", do_link }, { "unlink", do_unlink }, { "rmdir", do_rmdir },
	{ "rename", do_rename }, { "rename over", do_rename_over },
	{ "rename of a directory", do_rename_dir },
	{ "exchange", do_exchange }, { "chmod", do_chmod },
	{ "chown", do_chown }, { "truncate", do_truncate },
	{ "setxattr", do_setxattr }, { "set an ACL", do_set_acl },
	{ "removexattr", do_removexattr }, { "write", do_write },
	{ "publish", do_publish }, { "reclaim", do_reclaim },
	{ "tree remove", do_tree_remove },
	{ "tree publish", do_tree_publish },
	{ "tree clone", do_tree_clone },
	{ "reap", do_reap },
	{ "token", do_token },
};
#define NOPS	(sizeof ops / sizeof ops[0])

/* A tree with one of everything, an orphan, and unpublished bytes; in the
 * row store if stored, else in the tables. */
static int
with_tree(void **state, bool stored)
{
	struct fx *fx;
	int err;

	fx_setup(state);
	fx = *state;
	fx->quiet = true;
	if ((err = fx_create(fx, "/f", 06755)) < 0 ||
	    (err = fx_write(fx, "/f", 0, "some bytes", 10)) < 0 ||
	    (err = fx_publish_all(fx)) < 0 ||
	    (err = fx_setxattr(fx, "/f", "user.old", "1", 1, 0)) < 0 ||
	    (err = fx_setxattr(fx, "/f", "security.capability", "1", 1,
	    0)) < 0 ||
	    (err = fx_mkdir(fx, "/d", 0755)) < 0 ||
	    (err = fx_create(fx, "/d/g", 0644)) < 0 ||
	    (err = fx_mkdir(fx, "/empty", 0755)) < 0 ||
	    (err = fx_mkdir(fx, "/acl", 0755)) < 0 ||
	    (err = fx_setxattr(fx, "/acl", "system.posix_acl_access", acl,
	    sizeof acl, 0)) < 0 ||
	    (err = fx_setxattr(fx, "/acl", "system.posix_acl_default", acl,
	    sizeof acl, 0)) < 0 ||
	    (err = fx_create(fx, "/gone", 0644)) < 0 ||
	    (err = fx_unlink(fx, "/gone")) < 0)
		return err;
	if (stored && (err = engine_checkpoint(fx->e)) < 0)
		return err;
	return fx_write(fx, "/f", 5, "a draft", 7);
}

static void
check_no_trace(struct fx *fx, const char *name, unsigned n, int err,
    uint64_t before)
{
	uint64_t seen = fx_digest(fx), recovered;

	fx_reopen(fx);			/* it may have latched the store */
	recovered = fx_digest(fx);
	if (err >= 0 || seen != before || recovered != before)
		print_message("%s: call %u (%s) fails: %s%s%s\n", name, n,
		    fault_what(), vfs_err_name(err),
		    seen != before ? ", and is seen" : "",
		    recovered != before ? ", and is recovered" : "");
	assert_true(err < 0);
	assert_true(seen == before);
	assert_true(recovered == before);
}

static void
fail_each_call(struct fx *fx, const char *name, int (*run)(struct fx *),
    bool forever)
{
	uint64_t before = fx_digest(fx);
	unsigned n;
	int err;

	for (n = 0; ; n++) {
		(forever ? fault_arm_forever : fault_arm)(n, -VFS_IO);
		err = run(fx);
		if (!fault_disarm())
			break;
		check_no_trace(fx, name, n, err, before);
	}
	if (err < 0 || n == 0 || fx_digest(fx) == before)
		print_message("%s: %s after %u calls\n", name,
		    vfs_err_name(err), n);
	assert_err(err, OK);
	assert_true(n > 0);
	assert_true(fx_digest(fx) != before);
	assert_int_equal(fx_check(fx), 0);
}

static void
each_op(bool stored, bool forever)
{
	unsigned op;
	void *fx;

	for (op = 0; op < NOPS; op++) {
		assert_err(with_tree(&fx, stored), OK);
		if (ops[op].run == do_reap)
			assert_err(before_reap(fx), OK);
		fail_each_call(fx, ops[op].name, ops[op].run, forever);
		fx_teardown(&fx);
	}
}

static void
op__any_call_fails_once__leaves_no_trace(void **state)
{
	(void)state;
	each_op(false, false);
}

static void
op__any_call_fails_once_rows_in_store__leaves_no_trace(void **state)
{
	(void)state;
	each_op(true, false);
}

static void
op__all_calls_fail_from_one_on__leaves_no_trace(void **state)
{
	(void)state;
	each_op(true, true);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(op__any_call_fails_once__leaves_no_trace),
		cmocka_unit_test(
		    op__any_call_fails_once_rows_in_store__leaves_no_trace),
		cmocka_unit_test(
		    op__all_calls_fail_from_one_on__leaves_no_trace),
	};

	return cmocka_run_group_tests_name("core_faults", tests, NULL, NULL);
}
