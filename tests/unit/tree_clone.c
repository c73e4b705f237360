/* TREE_CLONE: a tree by reference; and trees in the making. */
#include "../../vfsd/core/clone.h"
#include "../../vfsd/core/dirent.h"
#include "../../vfsd/core/tree.h"
#include "../cm.h"
#include "tree_fx.h"

/* --- clone --------------------------------------------------------------- */

static struct vfs_id
stage(struct fx *fx, const char *path)
{
	struct vfs_tmpfile q = { .dir = fx_id(fx, path),
		.mode = VFS_TYPE_MODE(VFS_DIR) | 0700 };
	struct vfs_tmpfile_reply r;

	assert_err(fx_op_tmpfile(fx, &q, &r), OK);
	assert_int_equal(r.attr.nlink, 0);
	return r.attr.id;
}

static uint8_t
byte_at(struct fx *fx, const char *path, uint64_t off)
{
	uint8_t b = 0xee;

	assert_int_equal(fx_read(fx, path, off, &b, 1), 1);
	return b;
}

static void
tree_clone__of_all_kinds__the_same_under_new_ids(void **state)
{
	static uint8_t big[300000];
	struct fx *fx = *state;
	struct vfs_attr a, b;

	memset(big, 7, sizeof big);
	make_tree(fx);
	assert_err(fx_link(fx, "/t/d/f", "/t/twin"), OK);
	assert_err(fx_create(fx, "/t/d/big", 0600), OK);
	assert_err(fx_write(fx, "/t/d/big", 8192, big, sizeof big), OK);
	assert_err(fx_setxattr(fx, "/t/d/big", "user.a", "1", 1, 0), OK);
	assert_err(fx_setxattr(fx, "/t/d", "user.b", "22", 2, 0), OK);
	assert_err(fx_chown(fx, "/t/d", 5, 6), OK);
	assert_err(fx_tree_clone(fx, "/t", "/copy"), OK);
	assert_int_equal(fx_check(fx), 0);
	a = stat_of(fx, "/t/d/big");
	b = stat_of(fx, "/copy/d/big");
	assert_int_not_equal(a.id.n, b.id.n);
	assert_int_equal(a.size, b.size);
	assert_int_equal(a.mode, b.mode);
	assert_int_equal(a.alloc, b.alloc);
	assert_time_equal(a.mtime, b.mtime);
	assert_int_equal(fx_getxattr(fx, "/copy/d/big", "user.a", NULL, 0), 1);
	assert_int_equal(fx_getxattr(fx, "/copy/d", "user.b", NULL, 0), 2);
	b = stat_of(fx, "/copy/d");
	assert_int_equal(b.uid, 5);
	assert_int_equal(b.gid, 6);
	assert_time_equal(b.mtime, stat_of(fx, "/t/d").mtime);
	b = stat_of(fx, "/copy/twin");
	assert_int_equal(b.nlink, 2);
	assert_int_equal(b.id.n, fx_id(fx, "/copy/d/f").n);
	assert_int_equal(stat_of(fx, "/copy/g").nlink, 1);
	assert_int_equal(stat_of(fx, "/t/g").nlink, 2);
	/* each its own from now on */
	assert_err(fx_write(fx, "/copy/d/big", 8192, "x", 1), OK);
	assert_err(fx_publish_all(fx), OK);
	assert_int_equal(byte_at(fx, "/t/d/big", 8192), 7);
	assert_int_equal(byte_at(fx, "/copy/d/big", 8192), 'x');
	assert_err(fx_tree_remove(fx, "/t"), OK);
	assert_err(fx_reclaim_all(fx), OK);
	assert_int_equal(fx_check(fx), 0);
	assert_int_equal(byte_at(fx, "/copy/d/big", 100000), 7);
	fx_reboot(fx);
	assert_int_equal(fx_check(fx), 0);
}

static void
tree_clone__into_itself__is_what_was_there(void **state)
{
	struct fx *fx = *state;
	struct vfs_attr a;

	make_tree(fx);
	assert_err(fx_tree_clone(fx, "/t", "/t/d/copy"), OK);
	assert_int_equal(fx_check(fx), 0);
	assert_err(fx_stat(fx, "/t/d/copy/d/copy", &a), NOENT);
	assert_err(fx_stat(fx, "/t/d/copy/d/f", &a), OK);
	assert_err(fx_tree_clone(fx, "/", "/all"), OK);
	assert_int_equal(fx_check(fx), 0);
	assert_int_equal(stat_of(fx, "/all").nlink, 3);
}

/* One commit of a copy in steps; the first makes its top. */
static int
step(struct fx *fx, struct clone *c, struct vfs_id staging, size_t bytes)
{
	struct node dir;
	struct txn *t;
	int err;

	assert_err(txn_begin(fx->e, TXN_WRITE, &fx->env, &t), OK);
	if (clone_id(c).n != 0) {
		err = clone_step(t, c, bytes);
	} else if ((err = node_get_dir(t, staging, &dir)) == 0 &&
	    (err = clone_top(t, c, &dir, (struct vfs_slice){ "top", 3 })) ==
	    0) {
		err = node_put(t, &dir) < 0 ? -VFS_IO : 1;
	}
	if (err < 0)
		txn_abort(t);
	else
		assert_err(txn_commit(t, NULL), OK);
	return err;
}

static int
change_nothing(struct fx *fx)
{
	return fx_create(fx, "/elsewhere", 0644);
}

static int
change_names(struct fx *fx)
{
	return fx_create(fx, "/t/zz/late", 0644);
}

static int
change_mode(struct fx *fx)
{
	return fx_chmod(fx, "/t/zz/f", 0600);
}

static int
change_bytes(struct fx *fx)
{
	return fx_write(fx, "/t/zz/f", 0, "x", 1);
}

static int
change_away(struct fx *fx)
{
	return fx_tree_remove(fx, "/t/zz");
}

static void
tree_clone__source_changed_between_steps__conflicts(void **state)
{
	static const struct {
		int (*change)(struct fx *fx);
		int err;
	} cases[] = {
		{ change_nothing, 0 }, { change_names, -VFS_CONFLICT },
		{ change_mode, -VFS_CONFLICT }, { change_bytes, -VFS_CONFLICT },
		{ change_away, -VFS_CONFLICT },
	};
	struct clone *c;
	void *fresh;
	struct fx *fx;
	unsigned i;
	int err;

	(void)state;
	for (i = 0; i < sizeof cases / sizeof cases[0]; i++) {
		struct vfs_id staging;

		fx_setup(&fresh);
		fx = fresh;
		make_tree(fx);
		assert_err(fx_mkdir(fx, "/t/zz", 0755), OK);
		assert_err(fx_create(fx, "/t/zz/f", 0644), OK);
		assert_err(fx_publish_all(fx), OK);
		staging = stage(fx, "/");
		assert_err(clone_new(fx_id(fx, "/t"), seq_now(fx), &c), OK);
		assert_int_equal(step(fx, c, staging, 1), 1);
		assert_int_equal(step(fx, c, staging, 1), 1);
		assert_err(cases[i].change(fx), OK);
		while ((err = step(fx, c, staging, 1)) > 0)
			assert_int_equal(fx_check(fx), 0);
		assert_string_equal(vfs_err_name(err),
		    vfs_err_name(cases[i].err));
		clone_free(c);
		assert_int_equal(fx_check(fx), 0);
		assert_err(fx_reclaim_all(fx), OK);
		assert_int_equal(fx_check(fx), 0);
		fx_teardown(&fresh);
	}
}

static void
tree_clone__wrong_requests__are_refused(void **state)
{
	struct fx *fx = *state;
	struct vfs_tree_clone q = { .dir = { VFS_ID_ROOT },
		.src = { VFS_ID_ROOT }, .flags = 1, .name = { "x", 1 } };
	struct vfs_tree_clone_reply r;

	make_tree(fx);
	assert_err(fx_op_tree_clone(fx, &q, &r), INVAL);
	q.flags = 0;
	q.src.n = 12345;
	assert_err(fx_op_tree_clone(fx, &q, &r), NO_SUCH_ID);
	assert_err(fx_tree_clone(fx, "/t", "/keep"), EXIST);
	assert_err(fx_tree_clone(fx, "/t/g", "/file"), OK);
	assert_int_equal(stat_of(fx, "/file").size, 20000);
	assert_err(fx_chmod(fx, "/t/d", 0700), OK);
	assert_err(fx_chmod(fx, "/", 0777), OK);
	fx_as(fx, 7, 7);
	assert_err(fx_tree_clone(fx, "/t", "/mine"), ACCESS);
	fx_as_kernel(fx);
	assert_err(fx_chmod(fx, "/t/d", 0755), OK);
	assert_err(fx_chmod(fx, "/t/g", 06755), OK);
	fx_as(fx, 7, 7);
	assert_err(fx_tree_clone(fx, "/t", "/mine"), OK);
	assert_int_equal(stat_of(fx, "/mine/d/f").uid, 7);
	assert_int_equal(stat_of(fx, "/mine/g").mode, 0100755);
	assert_int_equal(fx_check(fx), 0);
}

/* --- staging ------------------------------------------------------------- */

static struct vfs_id
make_in(struct fx *fx, struct vfs_id dir, const char *name,
    enum vfs_type type)
{
	struct vfs_create q = { .dir = dir, .mode = VFS_TYPE_MODE(type) | 0755,
		.name = { name, strlen(name) } };
	struct vfs_create_reply r;

	assert_err(fx_op_create(fx, &q, &r), OK);
	return r.attr.id;
}

static void
staging__filled_and_published__is_there_at_once(void **state)
{
	struct fx *fx = *state;
	struct vfs_id root = { VFS_ID_ROOT }, s, top;
	struct vfs_tree_publish q = { .name = { "top", 3 }, .dir2 = root,
		.name2 = { "out", 3 }, .flags = VFS_RENAME_NOREPLACE };
	struct vfs_tree_publish_reply r;
	unsigned n;

	s = stage(fx, "/");
	assert_err(list(fx, s, &n), OK);
	assert_int_equal(n, 2);
	top = make_in(fx, s, "top", VFS_DIR);
	make_in(fx, top, "sub", VFS_DIR);
	make_in(fx, top, "f", VFS_REG);
	assert_int_equal(reaches(fx, top, root), 1);
	assert_int_equal(fx_check(fx), 0);
	q.dir = s;
	assert_err(fx_op_tree_publish(fx, &q, &r), OK);
	assert_int_equal(r.id.n, top.n);
	assert_int_equal(stat_of(fx, "/out").nlink, 3);
	assert_int_equal(stat_of(fx, "/out/f").nlink, 1);
	assert_int_equal(fx_check(fx), 0);
	assert_err(fx_reclaim_all(fx), OK);
	assert_err(list(fx, s, &n), NO_SUCH_ID);
	assert_int_equal(fx_check(fx), 0);
}

static void
staging__its_holder_is_gone__all_of_it_goes(void **state)
{
	struct fx *fx = *state;
	struct vfs_id s, top;

	assert_err(fx_mkdir(fx, "/for", 0755), OK);
	s = stage(fx, "/for");
	top = make_in(fx, s, "top", VFS_DIR);
	make_in(fx, top, "f", VFS_REG);
	assert_err(fx_rmdir(fx, "/for"), OK);
	assert_int_equal(fx_check(fx), 0);
	fx_reopen(fx);
	assert_err(fx_reclaim_all(fx), OK);
	assert_int_equal(fx_check(fx), 0);
	fx_restart(fx);
	assert_int_equal(stat_of(fx, "/").nlink, 2);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		FX_TEST(tree_clone__of_all_kinds__the_same_under_new_ids),
		FX_TEST(tree_clone__into_itself__is_what_was_there),
		cmocka_unit_test(
		    tree_clone__source_changed_between_steps__conflicts),
		FX_TEST(tree_clone__wrong_requests__are_refused),
		FX_TEST(staging__filled_and_published__is_there_at_once),
		FX_TEST(staging__its_holder_is_gone__all_of_it_goes),
	};

	return cmocka_run_group_tests_name("trees: clone", tests, NULL, NULL);
}
