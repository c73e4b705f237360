/* Open transactions: who was faster, and what decided. */
#include <time.h>

#include "../tx_rig.h"
#include "../cm.h"

#define FILE_MODE	0100644u
#define DIR_MODE	0040755u
#define RIG_TEST(f)	cmocka_unit_test_setup_teardown(f, rig_setup, \
	rig_teardown)

/* --- conflicts ---------------------------------------------------------- */

static void
conflict_on(struct rig *r, uint64_t tx, struct vfs_id id, const char *name)
{
	assert_err(rig_commit(r, tx), CONFLICT);
	assert_int_equal(r->v.object.n, id.n);
	assert_int_equal(r->v.name_n, strlen(name));
	assert_memory_equal(r->v.name, name, strlen(name));
}

static void
tx_conflict__same_name__first_committer_wins(void **state)
{
	struct rig *r = *state;
	uint64_t a = rig_begin(r), b = rig_begin(r);
	struct vfs_id x, y;

	assert_int_equal(do_create(r, a, ROOT, "f", FILE_MODE, &x), 0);
	assert_int_equal(do_create(r, b, ROOT, "f", FILE_MODE, &y), 0);
	assert_int_not_equal(x.n, y.n);
	assert_int_equal(rig_commit(r, a), 0);
	conflict_on(r, b, ROOT, "f");
	assert_int_equal(do_lookup(r, 0, ROOT, "f", &y), 0);
	assert_int_equal(y.n, x.n);
}

static void
tx_conflict__siblings__have_none(void **state)
{
	struct rig *r = *state;
	uint64_t a = rig_begin(r), b = rig_begin(r);
	struct vfs_attr root;

	assert_int_equal(do_create(r, a, ROOT, "x", FILE_MODE, NULL), 0);
	assert_int_equal(do_create(r, b, ROOT, "y", DIR_MODE, NULL), 0);
	assert_int_equal(do_create(r, 0, ROOT, "z", DIR_MODE, NULL), 0);
	assert_int_equal(rig_commit(r, a), 0);
	assert_int_equal(rig_commit(r, b), 0);
	assert_int_equal(do_list(r, 0, ROOT, NULL), 3);
	assert_int_equal(do_stat(r, 0, ROOT, &root), 0);
	assert_int_equal(root.nlink, 4);
	assert_int_equal(fx_check(r->fx), 0);
}

static void
tx_conflict__content_against_attributes__has_none(void **state)
{
	struct rig *r = *state;
	struct vfs_id f;
	uint64_t a;
	char buf[8];

	assert_int_equal(do_create(r, 0, ROOT, "f", FILE_MODE, &f), 0);
	a = rig_begin(r);
	assert_int_equal(do_chmod(r, a, f, 0600), 0);
	assert_int_equal(do_write(r, 0, f, 0, "abc", 3), 0);
	assert_int_equal(rig_commit(r, a), 0);
	assert_int_equal(do_read(r, 0, f, 0, buf, 8), 3);
	a = rig_begin(r);
	assert_int_equal(do_read(r, a, f, 0, buf, 8), 3);
	assert_int_equal(do_create(r, a, ROOT, "g", FILE_MODE, NULL), 0);
	assert_int_equal(do_write(r, 0, f, 0, "x", 1), 0);
	conflict_on(r, a, f, "");
}

static void
tx_conflict__publishing_what_was_read__is_none(void **state)
{
	struct rig *r = *state;
	struct vfs_id f;
	uint64_t a;
	char buf[8];

	assert_int_equal(do_create(r, 0, ROOT, "f", FILE_MODE, &f), 0);
	assert_int_equal(do_write(r, 0, f, 0, "abc", 3), 0);
	a = rig_begin(r);
	assert_int_equal(do_read(r, a, f, 0, buf, 8), 3);
	assert_int_equal(do_create(r, a, ROOT, "g", FILE_MODE, NULL), 0);
	(void)fx_publish(r->fx, "/f");
	assert_int_equal(rig_commit(r, a), 0);
}

static void
tx_conflict__name_that_was_absent__counts(void **state)
{
	struct rig *r = *state;
	uint64_t a = rig_begin(r);

	assert_err(do_lookup(r, a, ROOT, "lock", NULL), NOENT);
	assert_int_equal(do_create(r, a, ROOT, "mine", FILE_MODE, NULL), 0);
	assert_int_equal(do_create(r, 0, ROOT, "lock", FILE_MODE, NULL), 0);
	conflict_on(r, a, ROOT, "lock");
	assert_err(do_lookup(r, 0, ROOT, "mine", NULL), NOENT);
}

static void
tx_conflict__phantom_in_a_listing__is_refused(void **state)
{
	struct rig *r = *state;
	struct vfs_id d;
	uint64_t a;

	assert_int_equal(do_create(r, 0, ROOT, "d", DIR_MODE, &d), 0);
	a = rig_begin(r);
	assert_int_equal(do_list(r, a, d, NULL), 0);
	assert_int_equal(do_create(r, a, ROOT, "empty", FILE_MODE, NULL), 0);
	assert_int_equal(do_create(r, 0, d, "x", FILE_MODE, NULL), 0);
	conflict_on(r, a, d, "");

	/* rmdir has asked whether it is empty. */
	assert_int_equal(do_unlink(r, 0, d, "x"), 0);
	a = rig_begin(r);
	assert_int_equal(do_unlink(r, a, ROOT, "d"), 0);
	assert_int_equal(do_create(r, 0, d, "x", FILE_MODE, NULL), 0);
	conflict_on(r, a, d, "");
	assert_int_equal(do_list(r, 0, d, NULL), 1);

	/* And a refused one was told that it is not. */
	a = rig_begin(r);
	assert_err(do_unlink(r, a, ROOT, "d"), NOTEMPTY);
	assert_int_equal(do_create(r, a, ROOT, "full", FILE_MODE, NULL), 0);
	assert_int_equal(do_unlink(r, 0, d, "x"), 0);
	conflict_on(r, a, d, "");
}

static void
tx_conflict__write_skew__is_refused(void **state)
{
	struct rig *r = *state;
	struct vfs_id x, y;
	uint64_t a, b;
	char buf[4];

	assert_int_equal(do_create(r, 0, ROOT, "x", FILE_MODE, &x), 0);
	assert_int_equal(do_create(r, 0, ROOT, "y", FILE_MODE, &y), 0);
	assert_int_equal(do_write(r, 0, x, 0, "1", 1), 0);
	assert_int_equal(do_write(r, 0, y, 0, "1", 1), 0);
	a = rig_begin(r);
	b = rig_begin(r);
	assert_int_equal(do_read(r, a, x, 0, buf, 4), 1);
	assert_int_equal(do_read(r, a, y, 0, buf, 4), 1);
	assert_int_equal(do_read(r, b, x, 0, buf, 4), 1);
	assert_int_equal(do_read(r, b, y, 0, buf, 4), 1);
	assert_int_equal(do_write(r, a, x, 0, "0", 1), 0);
	assert_int_equal(do_write(r, b, y, 0, "0", 1), 0);
	assert_int_equal(rig_commit(r, a), 0);
	conflict_on(r, b, x, "");
	assert_int_equal(do_read(r, 0, y, 0, buf, 4), 1);
	assert_int_equal(buf[0], '1');
}

static void
tx_conflict__directory_removed__is_one(void **state)
{
	struct rig *r = *state;
	struct vfs_id d;
	uint64_t a;

	assert_int_equal(do_create(r, 0, ROOT, "d", DIR_MODE, &d), 0);
	a = rig_begin(r);
	assert_int_equal(do_create(r, a, d, "f", FILE_MODE, NULL), 0);
	assert_int_equal(do_unlink(r, 0, ROOT, "d"), 0);
	assert_err(rig_commit(r, a), CONFLICT);
	assert_int_equal(r->v.object.n, d.n);
}

static void
tx_conflict__its_detail__is_kept_for_status(void **state)
{
	struct rig *r = *state;
	uint64_t a = rig_begin(r);

	assert_int_equal(do_create(r, a, ROOT, "f", FILE_MODE, NULL), 0);
	assert_int_equal(do_create(r, 0, ROOT, "f", FILE_MODE, NULL), 0);
	assert_err(rig_commit_as(r, a, 77), CONFLICT);
	assert_int_equal(rig_status(r, 77), 0);
	assert_int_equal(r->v.state, VFS_TX_ABORTED);
	assert_err(r->v.err, CONFLICT);
	assert_int_equal(r->v.object.n, VFS_ID_ROOT);
	assert_int_equal(r->v.name_n, 1);
	assert_int_equal(r->v.name[0], 'f');
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		RIG_TEST(tx_conflict__same_name__first_committer_wins),
		RIG_TEST(tx_conflict__siblings__have_none),
		RIG_TEST(tx_conflict__content_against_attributes__has_none),
		RIG_TEST(tx_conflict__publishing_what_was_read__is_none),
		RIG_TEST(tx_conflict__name_that_was_absent__counts),
		RIG_TEST(tx_conflict__phantom_in_a_listing__is_refused),
		RIG_TEST(tx_conflict__write_skew__is_refused),
		RIG_TEST(tx_conflict__directory_removed__is_one),
		RIG_TEST(tx_conflict__its_detail__is_kept_for_status),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
