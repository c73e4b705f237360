/* Trees removed, replaced, staged: rules of the core, and what is left. */
#include "../../vfsd/core/clone.h"
#include "../../vfsd/core/dirent.h"
#include "../../vfsd/core/tree.h"
#include "../cm.h"
#include "tree_fx.h"

static int
open_by_id(struct fx *fx, struct vfs_id id)
{
	struct vfs_lookup q = { .dir = id, .name = { ".", 1 } };
	struct vfs_lookup_reply r;

	return fx_op_lookup(fx, &q, &r);
}

/* --- remove -------------------------------------------------------------- */

static void
tree_remove__full_directory__is_gone_in_one_commit(void **state)
{
	struct fx *fx = *state;
	struct vfs_attr root = stat_of(fx, "/"), a;
	struct vfs_id g;
	uint64_t seq;

	make_tree(fx);
	assert_err(fx_publish_all(fx), OK);
	g = fx_id(fx, "/t/g");
	seq = seq_now(fx);
	assert_err(fx_tree_remove(fx, "/t"), OK);
	assert_int_equal(seq_now(fx), seq + 1);
	assert_err(fx_stat(fx, "/t", &a), NOENT);
	assert_int_equal(stat_of(fx, "/").nlink, root.nlink);
	assert_int_equal(fx_check(fx), 0);
	assert_err(fx_reclaim_all(fx), OK);
	assert_int_equal(fx_check(fx), 0);
	a = stat_of(fx, "/keep");
	assert_int_equal(a.id.n, g.n);
	assert_int_equal(a.nlink, 1);
	assert_int_equal(a.size, 20000);
}

static uint64_t
make_and_remove(struct fx *fx)
{
	struct engine_status st;
	int i;

	make_tree(fx);
	assert_err(fx_tree_remove(fx, "/t"), OK);
	assert_err(fx_unlink(fx, "/keep"), OK);
	assert_err(fx_reclaim_all(fx), OK);
	for (i = 0; i < 3; i++)
		assert_err(engine_checkpoint(fx->e), OK);
	engine_status(fx->e, &st);
	assert_int_equal(st.space_pending, 0);
	return st.space_free;
}

static void
tree_remove__then_the_last_link__all_space_comes_back(void **state)
{
	struct fx *fx = *state;
	uint64_t free = make_and_remove(fx);

	assert_int_equal(make_and_remove(fx), free);
	assert_int_equal(fx_check(fx), 0);
}

static void
tree_remove__other_things__rules_of_unlink(void **state)
{
	struct fx *fx = *state;
	struct vfs_tree_remove q = { .dir = { VFS_ID_ROOT },
		.name = { "f", 1 } };
	struct vfs_tree_remove_reply r;

	assert_err(fx_tree_remove(fx, "/f"), NOENT);
	assert_err(fx_create(fx, "/f", 0644), OK);
	q.expect.n = VFS_ID_ROOT;
	assert_err(fx_op_tree_remove(fx, &q, &r), PRECOND);
	q.expect = fx_id(fx, "/f");
	q.flags = 1;
	assert_err(fx_op_tree_remove(fx, &q, &r), INVAL);
	q.flags = 0;
	assert_err(fx_op_tree_remove(fx, &q, &r), OK);
	assert_int_equal(r.id.n, q.expect.n);
	assert_int_equal(r.seq, seq_now(fx));
	assert_err(fx_reclaim_all(fx), OK);
	assert_int_equal(fx_check(fx), 0);
}

static void
tree_remove__by_a_user__needs_the_directory_and_what_is_in_it(void **state)
{
	struct fx *fx = *state;

	assert_err(fx_mkdir(fx, "/home", 0777), OK);
	assert_err(fx_mkdir(fx, "/home/full", 0755), OK);
	assert_err(fx_create(fx, "/home/full/f", 0644), OK);
	assert_err(fx_mkdir(fx, "/home/empty", 0755), OK);
	fx_as(fx, 7, 7);
	assert_err(fx_tree_remove(fx, "/home/full"), ACCESS);
	assert_err(fx_tree_remove(fx, "/home/empty"), OK);
	fx_as_kernel(fx);
	assert_err(fx_chown(fx, "/home/full", 7, 7), OK);
	fx_as(fx, 7, 7);
	assert_err(fx_tree_remove(fx, "/home/full"), OK);
	fx_as_kernel(fx);
	assert_err(fx_tree_remove(fx, "/home"), OK);
}

static void
removed_tree__seen_through_its_top__as_it_was_but_takes_no_names(void **state)
{
	struct fx *fx = *state;
	struct vfs_create q = { .mode = VFS_TYPE_MODE(VFS_REG) | 0644,
		.name = { "new", 3 } };
	struct vfs_lookup lq = { .name = { "d", 1 } };
	struct vfs_create_reply r;
	struct vfs_lookup_reply lr;
	struct vfs_id top, d;
	unsigned n;

	make_tree(fx);
	top = fx_id(fx, "/t");
	d = fx_id(fx, "/t/d");
	assert_err(fx_tree_remove(fx, "/t"), OK);
	assert_err(list(fx, top, &n), OK);
	assert_int_equal(n, 4);
	lq.dir = q.dir = top;
	assert_err(fx_op_lookup(fx, &lq, &lr), OK);
	assert_int_equal(lr.attr.id.n, d.n);
	assert_err(fx_op_create(fx, &q, &r), NOENT);
	assert_int_equal(fx_check(fx), 0);
}

static void
removed_tree__by_id__is_gone(void **state)
{
	struct fx *fx = *state;
	struct vfs_id root = { VFS_ID_ROOT }, t, d, f, g;

	make_tree(fx);
	t = fx_id(fx, "/t");
	d = fx_id(fx, "/t/d");
	f = fx_id(fx, "/t/d/f");
	g = fx_id(fx, "/t/g");
	assert_int_equal(reaches(fx, f, root), 1);
	assert_int_equal(reaches(fx, f, d), 1);
	assert_int_equal(reaches(fx, g, d), 0);
	assert_int_equal(reaches(fx, d, f), 0);
	assert_err(open_by_id(fx, f), OK);
	assert_err(fx_tree_remove(fx, "/t"), OK);
	assert_err(open_by_id(fx, t), NO_SUCH_ID);
	assert_err(open_by_id(fx, d), NO_SUCH_ID);
	assert_err(open_by_id(fx, f), NO_SUCH_ID);
	assert_err(open_by_id(fx, g), OK);	/* /keep */
	assert_int_equal(reaches(fx, f, root), 0);
	assert_int_equal(reaches(fx, f, d), 1);
	assert_int_equal(reaches(fx, g, root), 1);
}

static void
removed_tree__directory_taken_out_again__lives(void **state)
{
	struct fx *fx = *state;
	struct vfs_rename q = { .dir2 = { VFS_ID_ROOT }, .name = { "d", 1 },
		.name2 = { "saved", 5 } };
	struct vfs_rename_reply r;

	make_tree(fx);
	q.dir = fx_id(fx, "/t");
	assert_err(fx_tree_remove(fx, "/t"), OK);
	assert_err(fx_op_rename(fx, &q, &r), OK);
	assert_err(fx_reclaim_all(fx), OK);
	assert_int_equal(stat_of(fx, "/saved/f").size, 5);
	assert_int_equal(fx_check(fx), 0);
}

/* --- reap ---------------------------------------------------------------- */

static void
reap__small_batches__each_leaves_a_sound_store(void **state)
{
	struct fx *fx = *state;
	struct vfs_id id;
	uint64_t next = 0;
	unsigned i, batches = 0;
	bool done = false;
	char name[32];

	assert_err(fx_mkdir(fx, "/t", 0755), OK);
	for (i = 0; i < 20; i++) {
		snprintf(name, sizeof name, "/t/%u", i);
		assert_err(i % 3 == 0 ? fx_mkdir(fx, name, 0755) :
		    fx_create(fx, name, 0644), OK);
	}
	id = fx_id(fx, "/t");
	assert_err(fx_reap(fx, id, 7, &next, &done), OK);
	assert_true(done);		/* it has a name: nothing happens */
	assert_int_equal(stat_of(fx, "/t").nlink, 9);
	assert_err(fx_tree_remove(fx, "/t"), OK);
	for (done = false; !done; batches++) {
		assert_err(fx_reap(fx, id, 7, &next, &done), OK);
		assert_int_equal(fx_check(fx), 0);
		fx_reopen(fx);
	}
	assert_int_equal(batches, 3);
	assert_err(fx_reap(fx, id, 7, &next, &done), OK);
	assert_true(done);		/* it is gone */
	assert_err(fx_reclaim_all(fx), OK);
	assert_int_equal(fx_check(fx), 0);
}

static void
reap__held_file__keeps_its_bytes(void **state)
{
	struct fx *fx = *state;
	struct vfs_id held, orphan[4];
	struct vfs_reap q = { .max = 4 };
	struct vfs_reap_reply r = {
	    .orphans = { .p = orphan, .cap = sizeof orphan } };
	struct vfs_stat sq;
	struct vfs_stat_reply sr;

	assert_err(fx_mkdir(fx, "/t", 0755), OK);
	assert_err(fx_create(fx, "/t/a", 0644), OK);
	assert_err(fx_create(fx, "/t/b", 0644), OK);
	assert_err(fx_write(fx, "/t/b", 0, "bytes", 5), OK);
	assert_err(fx_publish_all(fx), OK);
	q.id = fx_id(fx, "/t");
	held = fx_id(fx, "/t/b");
	q.held = (struct vfs_slice){ &held, sizeof held };
	assert_err(fx_tree_remove(fx, "/t"), OK);
	assert_err(fx_op_reap(fx, &q, &r), OK);
	assert_true(r.done);
	assert_int_equal(r.names, 2);
	assert_int_equal(r.orphans.n, sizeof held);
	assert_int_equal(orphan[0].n, held.n);
	sq.id = held;
	assert_err(fx_op_stat(fx, &sq, &sr), OK);
	assert_int_equal(sr.attr.nlink, 0);
	assert_int_equal(sr.attr.size, 5);
	assert_int_equal(fx_check(fx), 0);
}

static void
reap__limits__at_and_one_past(void **state)
{
	struct fx *fx = *state;
	struct vfs_id ids[VFS_REAP_MAX + 1];
	struct vfs_reap q = { .id = { VFS_ID_ROOT } };
	struct vfs_reap_reply r = { .orphans = { .p = ids,
	    .cap = sizeof ids } };

	assert_err(fx_op_reap(fx, &q, &r), INVAL);
	q.max = VFS_REAP_MAX;
	assert_err(fx_op_reap(fx, &q, &r), OK);
	q.max = VFS_REAP_MAX + 1;
	assert_err(fx_op_reap(fx, &q, &r), INVAL);
	q.max = VFS_REAP_MAX;
	r.orphans.cap = VFS_REAP_MAX * sizeof ids[0] - 1;
	assert_err(fx_op_reap(fx, &q, &r), INVAL);
}

/* --- publish ------------------------------------------------------------- */

static void
tree_publish__each_flag__its_rule(void **state)
{
	struct fx *fx = *state;
	struct vfs_id old, new;
	struct vfs_attr a;

	make_tree(fx);
	assert_err(fx_mkdir(fx, "/new", 0755), OK);
	assert_err(fx_create(fx, "/new/n", 0644), OK);
	old = fx_id(fx, "/t");
	new = fx_id(fx, "/new");
	assert_err(fx_tree_publish(fx, "/new", "/t", 0), NOTEMPTY);
	assert_err(fx_tree_publish(fx, "/new", "/t", VFS_RENAME_NOREPLACE),
	    EXIST);
	assert_err(fx_tree_publish(fx, "/new", "/t", VFS_TREE_REPLACE |
	    VFS_RENAME_EXCHANGE), INVAL);
	assert_err(fx_tree_publish(fx, "/new", "/x", VFS_RENAME_EXCHANGE),
	    NOENT);
	assert_err(fx_tree_publish(fx, "/new", "/t", VFS_RENAME_EXCHANGE),
	    OK);
	assert_int_equal(fx_id(fx, "/t").n, new.n);
	assert_int_equal(fx_id(fx, "/new").n, old.n);
	assert_err(fx_tree_publish(fx, "/t", "/new", VFS_TREE_REPLACE), OK);
	assert_int_equal(fx_id(fx, "/new").n, new.n);
	assert_err(fx_stat(fx, "/t", &a), NOENT);
	assert_int_equal(fx_check(fx), 0);
	assert_err(fx_reclaim_all(fx), OK);
	assert_int_equal(fx_check(fx), 0);
	assert_err(fx_tree_publish(fx, "/new", "/keep", VFS_TREE_REPLACE),
	    OK);			/* whatever it is */
	assert_err(fx_tree_publish(fx, "/keep", "/last", 0), OK);
	assert_err(fx_reclaim_all(fx), OK);
	assert_int_equal(stat_of(fx, "/").nlink, 3);
	assert_int_equal(fx_check(fx), 0);
}

static void
tree_publish__one_tree_in_the_other__is_refused(void **state)
{
	struct fx *fx = *state;

	make_tree(fx);
	assert_err(fx_tree_publish(fx, "/t/d", "/t", VFS_TREE_REPLACE),
	    INVAL);
	assert_err(fx_tree_publish(fx, "/t", "/t/d", VFS_TREE_REPLACE),
	    INVAL);
	assert_err(fx_tree_publish(fx, "/t", "/t", VFS_TREE_REPLACE), OK);
	assert_int_equal(fx_check(fx), 0);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		FX_TEST(tree_remove__full_directory__is_gone_in_one_commit),
		FX_TEST(tree_remove__then_the_last_link__all_space_comes_back),
		FX_TEST(tree_remove__other_things__rules_of_unlink),
		FX_TEST(tree_remove__by_a_user__needs_the_directory_and_what_is_in_it),
		FX_TEST(removed_tree__seen_through_its_top__as_it_was_but_takes_no_names),
		FX_TEST(removed_tree__by_id__is_gone),
		FX_TEST(removed_tree__directory_taken_out_again__lives),
		FX_TEST(reap__small_batches__each_leaves_a_sound_store),
		FX_TEST(reap__held_file__keeps_its_bytes),
		FX_TEST(reap__limits__at_and_one_past),
		FX_TEST(tree_publish__each_flag__its_rule),
		FX_TEST(tree_publish__one_tree_in_the_other__is_refused),
	};

	return cmocka_run_group_tests_name("tree_ops", tests, NULL, NULL);
}
