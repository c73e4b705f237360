/*
 * The dispatcher's side of trees: what is held stays, the rest goes in
 * the background, also after a kill; trees in transactions.
 */
#include <pthread.h>
#include <time.h>

#include "../../vfsd/server/visible.h"
#include "../cm.h"
#include "../tx_rig.h"

#define PATIENCE_MS	10000

static struct vfs_slice
str(const char *s)
{
	return (struct vfs_slice){ s, strlen(s) };
}

static struct vfs_id
make(struct rig *r, struct vfs_id dir, const char *name, enum vfs_type type)
{
	struct vfs_id id;

	assert_err(do_create(r, 0, dir, name, VFS_TYPE_MODE(type) | 0755,
	    &id), OK);
	return id;
}

/* dirs directories with files files each. */
static struct vfs_id
make_tree(struct rig *r, const char *name, unsigned dirs, unsigned files)
{
	struct vfs_id top = make(r, ROOT, name, VFS_DIR), d;
	unsigned i, j;
	char s[16];

	for (i = 0; i < dirs; i++) {
		snprintf(s, sizeof s, "d%u", i);
		d = make(r, top, s, VFS_DIR);
		for (j = 0; j < files; j++) {
			snprintf(s, sizeof s, "f%u", j);
			make(r, d, s, VFS_REG);
		}
	}
	return top;
}

static int
remove_tree(struct rig *r, uint64_t tx, const char *name)
{
	struct vfs_tree_remove q = { .dir = ROOT, .name = str(name) };
	struct vfs_tree_remove_reply rep;

	return rig_op(r, tx, VFS_OP_TREE_REMOVE, &q, &rep);
}

static int
publish_tree(struct rig *r, uint64_t tx, struct vfs_id dir,
    const char *name, const char *name2, uint32_t flags)
{
	struct vfs_tree_publish q = { .dir = dir, .dir2 = ROOT,
		.flags = flags, .name = str(name), .name2 = str(name2) };
	struct vfs_tree_publish_reply rep;

	return rig_op(r, tx, VFS_OP_TREE_PUBLISH, &q, &rep);
}

static int
look(struct rig *r, uint64_t tx, struct vfs_id dir, const char *name,
    struct vfs_id *id)
{
	struct vfs_lookup q = { .dir = dir, .name = str(name) };
	struct vfs_lookup_reply rep;
	struct vfs_id none;
	int err = rig_op(r, tx, VFS_OP_LOOKUP, &q, &rep);

	if (id == NULL)
		id = &none;
	*id = err == 0 ? rep.attr.id : (struct vfs_id){ 0 };
	return err;
}

static int
stat_id(struct rig *r, struct vfs_id id)
{
	struct vfs_stat q = { .id = id };
	struct vfs_stat_reply rep;

	return rig_op(r, 0, VFS_OP_STAT, &q, &rep);
}

/* Until the background is through. */
static void
settle(struct rig *r)
{
	struct timespec ms = { 0, 1000000 };
	unsigned i;

	for (i = 0; server_reaper_busy(r->s) && i < PATIENCE_MS; i++) {
		assert_err(engine_checkpoint(r->fx->e), OK);
		nanosleep(&ms, NULL);
	}
	assert_false(server_reaper_busy(r->s));
	assert_int_equal(fx_check(r->fx), 0);
}

/* --- the background ------------------------------------------------------ */

static void
tree_remove__big_tree__goes_in_the_background(void **state)
{
	struct rig *r = *state;
	struct op_count counts[VFS_OP_COUNT];
	struct vfs_id top = make_tree(r, "t", 20, 150), d;

	assert_err(look(r, 0, top, "d7", &d), OK);
	assert_err(remove_tree(r, 0, "t"), OK);
	assert_err(look(r, 0, ROOT, "t", NULL), NOENT);
	settle(r);
	assert_err(stat_id(r, top), NO_SUCH_ID);
	assert_err(stat_id(r, d), NO_SUCH_ID);
	server_counts(r->s, counts);
	assert_true(counts[VFS_OP_REAP].calls >= 20 * 3);
	assert_int_equal(counts[VFS_OP_REAP].errors, 0);
}

static void
tree_remove__killed_on_the_way__the_next_open_goes_on(void **state)
{
	struct rig *r = *state;
	struct vfs_id top = make_tree(r, "t", 300, 3);
	int i;

	make(r, ROOT, "stays", VFS_REG);
	assert_err(remove_tree(r, 0, "t"), OK);
	for (i = 0; i < 5; i++) {
		(void)server_reap(r->s);
		rig_kill(r);
		assert_int_equal(fx_check(r->fx), 0);
	}
	settle(r);
	assert_err(stat_id(r, top), NO_SUCH_ID);
	assert_err(look(r, 0, ROOT, "stays", NULL), OK);
}

static void
removed_directory__held__keeps_all_below_until_dropped(void **state)
{
	struct rig *r = *state;
	struct vfs_id top = make_tree(r, "t", 5, 5), d, f;

	assert_err(look(r, 0, top, "d2", &d), OK);
	assert_err(look(r, 0, d, "f2", &f), OK);
	server_hold(r->s, d, 1);
	assert_err(remove_tree(r, 0, "t"), OK);
	settle(r);
	assert_err(stat_id(r, top), NO_SUCH_ID);
	assert_err(look(r, 0, d, "f2", NULL), OK);
	server_hold(r->s, f, 1);
	server_drop(r->s, d, 1);
	settle(r);
	assert_err(stat_id(r, d), NO_SUCH_ID);
	assert_err(stat_id(r, f), OK);		/* an open file */
	server_drop(r->s, f, 1);
	settle(r);
	assert_err(stat_id(r, f), NO_SUCH_ID);
}

/* --- what the kernel keeps ------------------------------------------------ */

#define KEPT		200u		/* names in a directory */
#define TELL_MS		20

static void
nap_ms(unsigned ms)
{
	struct timespec t = { ms / 1000, ms % 1000 * 1000000 };

	nanosleep(&t, NULL);
}

static void
slow_name(void *arg, struct vfs_id dir, struct vfs_slice name)
{
	(void)dir, (void)name;
	++*(_Atomic unsigned *)arg;
	nap_ms(TELL_MS);
}

static int
some_object(void *arg, struct vfs_id id, bool pages)
{
	(void)arg, (void)id, (void)pages;
	return 0;
}

/* Asking the kernel to let go of it would take seconds, and does not
 * hold up the end. */
static void
end__while_the_kernel_is_asked__is_soon(void **state)
{
	struct rig *r = *state;
	struct vfs_id top = make_tree(r, "t", 1, KEPT), d, f;
	_Atomic unsigned told = 0;
	struct visible_ear ear = { .object = some_object,
		.name = slow_name, .arg = &told };
	unsigned i, ms;
	char name[16];

	assert_err(look(r, 0, top, "d0", &d), OK);
	for (i = 0; i < KEPT; i++) {
		snprintf(name, sizeof name, "f%u", i);
		assert_err(look(r, 0, d, name, &f), OK);
		server_kernel_hold(r->s, f, 1);
	}
	server_kernel_hold(r->s, d, 1);
	assert_err(remove_tree(r, 0, "t"), OK);
	visible_listen(server_visible(r->s), &ear);
	for (ms = 0; ms < PATIENCE_MS && told == 0; ms++)
		nap_ms(1);
	assert_true(told > 0);
	rig_kill(r);
	assert_true(told < KEPT / 2);
	settle(r);
}

static void
replaced_top__held__is_read_as_it_was(void **state)
{
	struct rig *r = *state;
	struct vfs_id old = make_tree(r, "t", 3, 3), new;

	new = make_tree(r, "new", 2, 2);
	server_hold(r->s, old, 1);
	assert_err(publish_tree(r, 0, ROOT, "new", "t", VFS_TREE_REPLACE),
	    OK);
	settle(r);
	assert_err(look(r, 0, old, "d2", NULL), OK);
	assert_err(look(r, 0, new, "d1", NULL), OK);
	assert_err(look(r, 0, new, "d2", NULL), NOENT);
	server_drop(r->s, old, 1);
	settle(r);
	assert_err(look(r, 0, old, "d2", NULL), NO_SUCH_ID);
}

/* A thousand orphans: opening takes a few, the rest goes later. */
static void
open__many_orphans__they_all_go(void **state)
{
	struct rig *r = *state;
	struct vfs_id last = { 0 };
	char name[16];
	int i;

	for (i = 0; i < 1000; i++) {
		struct vfs_unlink q = { .dir = ROOT };
		struct vfs_unlink_reply rep;

		snprintf(name, sizeof name, "f%d", i);
		last = make(r, ROOT, name, VFS_REG);
		server_hold(r->s, last, 1);
		q.name = str(name);
		assert_err(rig_op(r, 0, VFS_OP_UNLINK, &q, &rep), OK);
	}
	rig_kill(r);
	settle(r);
	assert_err(stat_id(r, last), NO_SUCH_ID);
}

/* --- large copies --------------------------------------------------------- */

static int
clone_tree(struct rig *r, struct vfs_id src, const char *name,
    struct vfs_tree_clone_reply *rep)
{
	struct vfs_tree_clone q = { .dir = ROOT, .src = src,
		.name = str(name) };

	return rig_op(r, 0, VFS_OP_TREE_CLONE, &q, rep);
}

static void
tree_clone__of_a_large_tree__appears_whole(void **state)
{
	static uint8_t big[1 << 20];
	struct rig *r = *state;
	struct vfs_tree_clone_reply rep;
	struct vfs_id top = make_tree(r, "t", 30, 200), d, f, e;
	struct vfs_attr a, b;
	struct vfs_link lq = { .name = str("twin") };
	struct vfs_link_reply lr;
	unsigned i;

	assert_err(look(r, 0, top, "d3", &d), OK);
	assert_err(look(r, 0, d, "f199", &f), OK);
	for (i = 0; i < 4; i++) {
		memset(big, (int)i + 1, sizeof big);
		assert_err(do_write(r, 0, f, i * sizeof big, big,
		    sizeof big), OK);
	}
	lq.dir = top;
	lq.target = f;
	assert_err(rig_op(r, 0, VFS_OP_LINK, &lq, &lr), OK);
	assert_err(clone_tree(r, top, "copy", &rep), OK);
	assert_int_equal(rep.objects, 1 + 30 + 30 * 200);
	assert_err(look(r, 0, ROOT, "copy", &e), OK);
	assert_int_equal(e.n, rep.attr.id.n);
	assert_err(look(r, 0, e, "twin", &e), OK);
	assert_err(do_stat(r, 0, f, &a), OK);
	assert_err(do_stat(r, 0, e, &b), OK);
	assert_int_not_equal(a.id.n, b.id.n);
	assert_int_equal(b.nlink, 2);
	assert_int_equal(b.size, 4 << 20);
	assert_int_equal(a.alloc, b.alloc);
	assert_int_equal(do_read(r, 0, e, 3 << 20, big, 1), 1);
	assert_int_equal(big[0], 4);
	settle(r);
	assert_err(clone_tree(r, top, "copy", &rep), EXIST);
	settle(r);
}

/* Before the nth commit of a request. */
static int
stop(void *arg)
{
	int *left = arg;

	return --*left == 0 ? -VFS_CANCELLED : 0;
}

static void
tree_clone__stopped_on_the_way__leaves_nothing(void **state)
{
	struct rig *r = *state;
	struct vfs_tree_clone_reply rep;
	struct vfs_id top = make_tree(r, "t", 30, 200);
	struct req_env was = r->fx->env;
	int n, left, err = -VFS_CANCELLED;

	for (n = 1; err == -VFS_CANCELLED; n++) {
		left = n;
		r->fx->env.stop = stop;
		r->fx->env.stop_arg = &left;
		err = clone_tree(r, top, "copy", &rep);
		r->fx->env = was;
		settle(r);
		if (err < 0)
			assert_err(look(r, 0, ROOT, "copy", NULL), NOENT);
	}
	assert_err(err, OK);
	assert_true(n > 5);
}

static void
tree_clone__killed_on_the_way__the_next_open_cleans_up(void **state)
{
	struct rig *r = *state;
	struct vfs_tmpfile q = { .dir = ROOT, .mode = 0040700 };
	struct vfs_tmpfile_reply rep;
	struct vfs_id top;

	/* what is there in the middle of one */
	assert_err(rig_op(r, 0, VFS_OP_TMPFILE, &q, &rep), OK);
	top = make(r, rep.attr.id, "top", VFS_DIR);
	make(r, top, "f", VFS_REG);
	rig_kill(r);
	settle(r);
	assert_err(stat_id(r, top), NO_SUCH_ID);
	assert_err(stat_id(r, rep.attr.id), NO_SUCH_ID);
}

/* --- others at the same time --------------------------------------------- */

static void *
create_many(void *arg)
{
	struct rig *r = arg;
	struct vfs_id dir = make(r, ROOT, "busy", VFS_DIR);
	char name[16];
	int i;

	for (i = 0; i < 2000; i++) {
		snprintf(name, sizeof name, "n%d", i);
		make(r, dir, name, VFS_REG);
	}
	return NULL;
}

static void
tree_remove__others_create__nobody_disturbs(void **state)
{
	struct rig *r = *state;
	pthread_t thread;
	int i;

	make_tree(r, "a", 10, 100);
	make_tree(r, "b", 10, 100);
	assert_int_equal(pthread_create(&thread, NULL, create_many, r), 0);
	assert_err(remove_tree(r, 0, "a"), OK);
	assert_err(remove_tree(r, 0, "b"), OK);
	for (i = 0; i < 100; i++)		/* two reapers at once */
		(void)server_reap(r->s);
	pthread_join(thread, NULL);
	settle(r);
}

/* --- in transactions ----------------------------------------------------- */

static void
tx__removes_and_publishes__all_in_its_commit(void **state)
{
	struct rig *r = *state;
	struct vfs_id a = make_tree(r, "a", 2, 2), b = make_tree(r, "b", 1, 1),
	    id;
	uint64_t tx = rig_begin(r);

	assert_err(publish_tree(r, tx, ROOT, "b", "a", VFS_TREE_REPLACE), OK);
	assert_err(look(r, tx, ROOT, "b", NULL), NOENT);
	assert_err(look(r, tx, ROOT, "a", &id), OK);
	assert_int_equal(id.n, b.n);
	assert_err(look(r, 0, ROOT, "a", &id), OK);
	assert_int_equal(id.n, a.n);
	assert_err(rig_commit(r, tx), OK);
	assert_err(look(r, 0, ROOT, "a", &id), OK);
	assert_int_equal(id.n, b.n);
	tx = rig_begin(r);
	assert_err(remove_tree(r, tx, "a"), OK);
	assert_err(rig_commit(r, tx), OK);
	settle(r);
	assert_err(stat_id(r, a), NO_SUCH_ID);
	assert_err(stat_id(r, b), NO_SUCH_ID);
}

static void
tx__replaced_tree_changed_meanwhile__is_no_conflict(void **state)
{
	struct rig *r = *state;
	struct vfs_id a = make_tree(r, "a", 1, 1);
	uint64_t tx;

	make_tree(r, "b", 1, 1);
	tx = rig_begin(r);
	assert_err(publish_tree(r, tx, ROOT, "b", "a", VFS_TREE_REPLACE), OK);
	make(r, a, "late", VFS_REG);
	assert_err(rig_commit(r, tx), OK);
	settle(r);
}

static void
tx__empty_target_filled_meanwhile__conflicts(void **state)
{
	struct rig *r = *state;
	struct vfs_id a = make(r, ROOT, "a", VFS_DIR);
	uint64_t tx;

	make_tree(r, "b", 1, 1);
	tx = rig_begin(r);
	assert_err(publish_tree(r, tx, ROOT, "b", "a", 0), OK);
	make(r, a, "late", VFS_REG);
	assert_err(rig_commit(r, tx), CONFLICT);
	assert_err(look(r, 0, ROOT, "b", NULL), OK);
}

static void
tx__tree_around_it_removed_meanwhile__conflicts(void **state)
{
	struct rig *r = *state;
	struct vfs_id top = make_tree(r, "a", 1, 1), d, id;
	uint64_t tx;

	assert_err(look(r, 0, top, "d0", &d), OK);
	server_hold(r->s, d, 1);	/* it is still there to be written */
	tx = rig_begin(r);
	assert_err(do_create(r, tx, d, "new", VFS_TYPE_MODE(VFS_REG) | 0644,
	    &id), OK);
	assert_err(remove_tree(r, 0, "a"), OK);
	assert_err(rig_commit(r, tx), CONFLICT);
	server_drop(r->s, d, 1);
	settle(r);
}

static void
tx_exec__tree_made_and_put_in_place__one_message(void **state)
{
	struct rig *r = *state;
	struct vfs_tree_publish q = { .dir = ROOT, .dir2 = ROOT,
		.flags = VFS_TREE_REPLACE, .name = { "new", 3 },
		.name2 = { "a", 1 } };
	struct vfs_tree_remove rm = { .dir = ROOT, .name = { "b", 1 } };

	make_tree(r, "a", 2, 2);
	make_tree(r, "b", 2, 2);
	rig_new(r);
	rig_create(r, ROOT, "new", VFS_TYPE_MODE(VFS_DIR) | 0755);
	rig_create(r, RESULT(0), "f", VFS_TYPE_MODE(VFS_REG) | 0644);
	rig_write(r, RESULT(1), 0, "x", 1);
	rig_add(r, VFS_OP_TREE_PUBLISH, &q);
	rig_add(r, VFS_OP_TREE_REMOVE, &rm);
	assert_err(rig_exec(r, 0), OK);
	assert_err(look(r, 0, ROOT, "b", NULL), NOENT);
	assert_err(look(r, 0, ROOT, "new", NULL), NOENT);
	settle(r);
}

#define RIG_TEST(f)	cmocka_unit_test_setup_teardown(f, rig_setup, \
	rig_teardown)

int
main(void)
{
	const struct CMUnitTest tests[] = {
		RIG_TEST(tree_remove__big_tree__goes_in_the_background),
		RIG_TEST(tree_remove__killed_on_the_way__the_next_open_goes_on),
		RIG_TEST(removed_directory__held__keeps_all_below_until_dropped),
		RIG_TEST(end__while_the_kernel_is_asked__is_soon),
		RIG_TEST(replaced_top__held__is_read_as_it_was),
		RIG_TEST(open__many_orphans__they_all_go),
		RIG_TEST(tree_clone__of_a_large_tree__appears_whole),
		RIG_TEST(tree_clone__stopped_on_the_way__leaves_nothing),
		RIG_TEST(tree_clone__killed_on_the_way__the_next_open_cleans_up),
		RIG_TEST(tree_remove__others_create__nobody_disturbs),
		RIG_TEST(tx__removes_and_publishes__all_in_its_commit),
		RIG_TEST(tx__replaced_tree_changed_meanwhile__is_no_conflict),
		RIG_TEST(tx__empty_target_filled_meanwhile__conflicts),
		RIG_TEST(tx__tree_around_it_removed_meanwhile__conflicts),
		RIG_TEST(tx_exec__tree_made_and_put_in_place__one_message),
	};

	return cmocka_run_group_tests_name("tree_reap", tests, NULL, NULL);
}
