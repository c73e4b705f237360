/* Trees that go, and what modes protect in them: no way to remove what the
 * caller could not remove name by name. */
#include "../cm.h"
#include "tree_fx.h"

#define ME	7u

static void
as_me(struct fx *fx)
{
	fx_as(fx, ME, ME);
}

static void
mkdir_of(struct fx *fx, const char *path, uint32_t mode, uint32_t uid)
{
	fx_as_kernel(fx);
	assert_err(fx_mkdir(fx, path, 0700), OK);
	assert_err(fx_chmod(fx, path, mode), OK);
	assert_err(fx_chown(fx, path, uid, uid), OK);
	as_me(fx);
}

static void
create_of(struct fx *fx, const char *path, uint32_t uid)
{
	fx_as_kernel(fx);
	assert_err(fx_create(fx, path, 0600), OK);
	assert_err(fx_chown(fx, path, uid, uid), OK);
	as_me(fx);
}

/* A directory of one's own with all that may lie in it. */
static void
make_home(struct fx *fx)
{
	mkdir_of(fx, "/home", 0755, ME);
	mkdir_of(fx, "/home/t", 0755, ME);
	mkdir_of(fx, "/home/t/d", 0700, ME);
	create_of(fx, "/home/t/d/theirs", 0);
	create_of(fx, "/home/t/d/mine", ME);
	mkdir_of(fx, "/home/t/empty", 0700, 0);
}

/* As removed, and as replaced. */
static void
assert_goes(struct fx *fx, int err)
{
	mkdir_of(fx, "/home/new", 0755, ME);
	if (err < 0) {
		assert_int_equal(fx_tree_publish(fx, "/home/new", "/home/t",
		    VFS_TREE_REPLACE), err);
		assert_int_equal(fx_tree_remove(fx, "/home/t"), err);
		assert_err(fx_tree_remove(fx, "/home/new"), OK);
	} else {
		assert_err(fx_tree_publish(fx, "/home/new", "/home/t",
		    VFS_TREE_REPLACE), OK);
	}
	fx_as_kernel(fx);
	assert_err(fx_reclaim_all(fx), OK);
	assert_int_equal(fx_check(fx), 0);
}

static void
tree__all_of_it_could_be_removed__goes(void **state)
{
	make_home(*state);
	assert_goes(*state, 0);
}

static void
tree__a_shut_directory_with_names_below__stays(void **state)
{
	make_home(*state);
	create_of(*state, "/home/t/empty/f", ME);
	assert_goes(*state, -VFS_ACCESS);
}

/* Nobody removes what he cannot list. */
static void
tree__a_directory_that_cannot_be_read__stays(void **state)
{
	struct fx *fx = *state;

	make_home(fx);
	assert_err(fx_chmod(fx, "/home/t/d", 0300), OK);
	assert_goes(fx, -VFS_ACCESS);
}

static void
tree__others_in_a_sticky_directory__stays(void **state)
{
	make_home(*state);
	mkdir_of(*state, "/home/t/tmp", 01777, 0);
	create_of(*state, "/home/t/tmp/mine", ME);
	create_of(*state, "/home/t/tmp/theirs", 0);
	assert_goes(*state, -VFS_PERM);
}

static void
tree__only_ones_own_in_a_sticky_directory__goes(void **state)
{
	make_home(*state);
	mkdir_of(*state, "/home/t/tmp", 01777, 0);
	create_of(*state, "/home/t/tmp/mine", ME);
	mkdir_of(*state, "/home/t/own", 01777, ME);
	create_of(*state, "/home/t/own/theirs", 0);
	assert_goes(*state, 0);
}

static void
tree__its_top_is_sticky__stays(void **state)
{
	mkdir_of(*state, "/home", 0755, ME);
	mkdir_of(*state, "/home/t", 01777, 0);
	create_of(*state, "/home/t/theirs", 0);
	assert_goes(*state, -VFS_PERM);
}

static void
tree__the_store_is_ones_own__goes_unlooked_at(void **state)
{
	struct fx *fx = *state;

	make_home(fx);
	create_of(fx, "/home/t/empty/f", 0);
	fx->env.own_store = true;
	assert_err(fx_tree_remove(fx, "/home/t"), OK);
	fx_as_kernel(fx);
	assert_err(fx_reclaim_all(fx), OK);
	assert_int_equal(fx_check(fx), 0);
}

/* --- where it would go with something else -------------------------------- */

static struct vfs_id
stage(struct fx *fx)
{
	struct vfs_tmpfile q = { .dir = fx_id(fx, "/home"),
		.mode = VFS_TYPE_MODE(VFS_DIR) | 0755 };
	struct vfs_tmpfile_reply r;

	assert_err(fx_op_tmpfile(fx, &q, &r), OK);
	return r.attr.id;
}

static int
move_into(struct fx *fx, const char *name, struct vfs_id dir)
{
	struct vfs_rename q = { .dir = fx_id(fx, "/home"), .dir2 = dir,
		.name = { name, strlen(name) }, .name2 = { "x", 1 } };
	struct vfs_rename_reply r;

	return fx_op_rename(fx, &q, &r);
}

static void
move__of_others_things_to_what_goes__is_refused(void **state)
{
	struct fx *fx = *state;
	struct vfs_create q = { .mode = VFS_TYPE_MODE(VFS_DIR) | 0755,
		.name = { "below", 5 }, .flags = VFS_CREATE_EXCL };
	struct vfs_create_reply r;
	struct vfs_id removed;

	make_home(fx);
	mkdir_of(fx, "/home/tmp", 01777, 0);
	create_of(fx, "/home/tmp/theirs", 0);
	q.dir = stage(fx);
	assert_err(fx_op_create(fx, &q, &r), OK);
	assert_err(move_into(fx, "tmp", q.dir), PERM);
	assert_err(move_into(fx, "tmp", r.attr.id), PERM);
	removed = fx_id(fx, "/home/t/d");
	assert_err(fx_tree_remove(fx, "/home/t"), OK);
	assert_err(move_into(fx, "tmp", removed), PERM);
	mkdir_of(fx, "/home/mine", 0755, ME);
	create_of(fx, "/home/mine/theirs", 0);
	assert_err(move_into(fx, "mine", r.attr.id), OK);
	mkdir_of(fx, "/home/there", 0755, ME);
	assert_err(move_into(fx, "tmp", fx_id(fx, "/home/there")), OK);
}

/* --- how much is looked at ------------------------------------------------ */

static void
tree__limit__at_and_one_past(void **state)
{
	struct fx *fx = *state;
	char path[64];
	unsigned i;

	mkdir_of(fx, "/home", 0755, ME);
	mkdir_of(fx, "/home/t", 0755, ME);
	mkdir_of(fx, "/home/t/d", 0755, ME);
	for (i = 0; i < VFS_TREE_LOOK_MAX; i++) {
		snprintf(path, sizeof path, "/home/t/d/%u", i);
		assert_err(fx_create(fx, path, 0644), OK);
	}
	assert_err(fx_tree_remove(fx, "/home/t"), TX_LIMIT);
	assert_err(fx_unlink(fx, "/home/t/d/0"), OK);
	assert_err(fx_tree_remove(fx, "/home/t"), OK);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		FX_TEST(tree__all_of_it_could_be_removed__goes),
		FX_TEST(tree__a_shut_directory_with_names_below__stays),
		FX_TEST(tree__a_directory_that_cannot_be_read__stays),
		FX_TEST(tree__others_in_a_sticky_directory__stays),
		FX_TEST(tree__only_ones_own_in_a_sticky_directory__goes),
		FX_TEST(tree__its_top_is_sticky__stays),
		FX_TEST(tree__the_store_is_ones_own__goes_unlooked_at),
		FX_TEST(move__of_others_things_to_what_goes__is_refused),
		FX_TEST(tree__limit__at_and_one_past),
	};

	return cmocka_run_group_tests_name("tree_perm", tests, NULL, NULL);
}
