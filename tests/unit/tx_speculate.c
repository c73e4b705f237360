/*
 * Parts that wait for the commit are run before it: what they make is what
 * TX_EXEC of the same would, whoever commits in between, and whenever.
 */
#include <pthread.h>
#include <stdatomic.h>
#include <time.h>

#include "../cm.h"
#include "../tx_rig.h"

#define FILE_MODE	0100644u
#define DIR_MODE	0040755u
#define VARIED		10u		/* operations of pack_varied */
#define MANY		5000u
#define ROUNDS		200u
#define RIG_TEST(f)	cmocka_unit_test_setup_teardown(f, rig_setup, \
	rig_teardown)

static void
nap(void)
{
	nanosleep(&(struct timespec){ 0, 1000000 }, NULL);
}

static void
add(struct rig *r, uint64_t tx)
{
	uint32_t first;

	assert_int_equal(rig_part(r, tx, VFS_TX_LATER, &first), 0);
}

static uint64_t
next_id(struct rig *r)
{
	struct engine_status st;

	engine_status(r->fx->e, &st);
	return st.next_id.n;
}

/* The same, and waits until it has made the n objects that it makes. */
static void
add_and_see(struct rig *r, uint64_t tx, uint64_t n)
{
	uint64_t end = next_id(r) + n;

	add(r, tx);
	while (next_id(r) < end)
		nap();
}

static uint64_t
speculated(struct rig *r)
{
	struct tx_counts c;

	tx_counts(r->s, &c);
	return c.speculated;
}

/* d, and f in it. */
static uint64_t
begin_tree(struct rig *r)
{
	uint64_t tx = rig_begin(r);

	rig_new(r);
	rig_create(r, ROOT, "d", DIR_MODE);
	rig_create(r, RESULT(0), "f", FILE_MODE);
	add_and_see(r, tx, 2);
	return tx;
}

static void
check_tree(struct rig *r)
{
	struct vfs_id d, f;

	assert_int_equal(do_lookup(r, 0, ROOT, "d", &d), 0);
	assert_int_equal(do_lookup(r, 0, d, "f", &f), 0);
	assert_int_equal(fx_check(r->fx), 0);
}

/* --- who commits when ---------------------------------------------------- */

static void
speculate__nobody_else_commits__is_taken_up(void **state)
{
	struct rig *r = *state;
	uint64_t tx = begin_tree(r);

	rig_create(r, RESULT(0), "g", FILE_MODE);
	add(r, tx);
	assert_err(do_lookup(r, 0, ROOT, "d", NULL), NOENT);
	assert_int_equal(rig_commit(r, tx), 0);
	assert_int_equal(speculated(r), 1);
	assert_int_equal(r->v.nresults, 3);
	assert_int_equal(r->v.results[2].nlink, 1);
	check_tree(r);
	rig_kill(r);
	check_tree(r);
}

static void
speculate__somebody_commits_between_parts__is_run_again(void **state)
{
	struct rig *r = *state;
	uint64_t tx = begin_tree(r);
	struct vfs_id other, g;

	assert_int_equal(do_create(r, 0, ROOT, "other", FILE_MODE, &other), 0);
	rig_create(r, RESULT(0), "g", FILE_MODE);
	add(r, tx);
	assert_int_equal(rig_commit(r, tx), 0);
	assert_int_equal(speculated(r), 0);
	assert_int_equal(do_lookup(r, 0, ROOT, "other", NULL), 0);
	assert_int_equal(do_lookup(r, 0, r->v.results[0].id, "g", &g), 0);
	assert_true(g.n > other.n);
	check_tree(r);
}

static void
speculate__somebody_commits_after_all__is_run_again(void **state)
{
	struct rig *r = *state;
	uint64_t tx = begin_tree(r);

	assert_int_equal(do_create(r, 0, ROOT, "other", FILE_MODE, NULL), 0);
	assert_int_equal(rig_commit(r, tx), 0);
	assert_int_equal(speculated(r), 0);
	assert_int_equal(do_list(r, 0, ROOT, NULL), 2);
	check_tree(r);
}

/* What it would have made is there when its turn has come. */
static void
speculate__somebody_takes_the_name__fails_at_the_commit(void **state)
{
	struct rig *r = *state;
	uint64_t before, tx;

	rig_new(r);
	tx = rig_begin(r);
	rig_add(r, VFS_OP_CREATE, &(struct vfs_create){ .dir = ROOT,
	    .name = { "d", 1 }, .mode = DIR_MODE,
	    .flags = VFS_CREATE_EXCL });
	add_and_see(r, tx, 1);
	assert_int_equal(do_create(r, 0, ROOT, "d", FILE_MODE, NULL), 0);
	before = fx_digest(r->fx);
	assert_err(rig_commit(r, tx), EXIST);
	assert_true(fx_digest(r->fx) == before);
}

/* A freeze and a checkpoint change the tables, and nothing in them. */
static void
speculate__checkpoint_between__is_taken_up(void **state)
{
	struct rig *r = *state;
	uint64_t tx;

	assert_int_equal(do_create(r, 0, ROOT, "was", FILE_MODE, NULL), 0);
	tx = begin_tree(r);
	assert_int_equal(engine_checkpoint(r->fx->e), 0);
	rig_create(r, RESULT(0), "g", FILE_MODE);
	rig_unlink(r, ROOT, "was");
	add_and_see(r, tx, 1);
	assert_int_equal(engine_checkpoint(r->fx->e), 0);
	assert_int_equal(rig_commit(r, tx), 0);
	assert_int_equal(speculated(r), 1);
	assert_err(do_lookup(r, 0, ROOT, "was", NULL), NOENT);
	check_tree(r);
}

static void
speculate__two_at_once__both_are_right(void **state)
{
	struct rig *r = *state;
	uint64_t tx = begin_tree(r), tx2 = rig_begin(r);

	rig_create(r, ROOT, "e", DIR_MODE);
	add(r, tx2);
	assert_int_equal(rig_commit(r, tx2), 0);
	assert_int_equal(rig_commit(r, tx), 0);
	assert_int_equal(do_list(r, 0, ROOT, NULL), 2);
	check_tree(r);
	tx = rig_begin(r);		/* the place is free again */
	rig_create(r, ROOT, "h", FILE_MODE);
	add(r, tx);
	assert_int_equal(rig_commit(r, tx), 0);
	assert_int_equal(speculated(r), 1);
}

/* One that is idle, and wrong already, is in nobody's way. */
static void
speculate__somebody_idles__another_is_run(void **state)
{
	struct rig *r = *state;
	uint64_t idle = begin_tree(r), tx;

	assert_int_equal(do_create(r, 0, ROOT, "other", FILE_MODE, NULL), 0);
	tx = rig_begin(r);
	rig_create(r, ROOT, "e", DIR_MODE);
	add(r, tx);
	assert_int_equal(rig_commit(r, tx), 0);
	assert_int_equal(speculated(r), 1);
	assert_int_equal(rig_commit(r, idle), 0);
	assert_int_equal(speculated(r), 1);
	check_tree(r);
}

/* Whoever is confined has a session that says what it may see. */
static void
speculate__somebody_confined_asks__is_not_run_before(void **state)
{
	struct rig *r = *state;
	uint64_t tx = begin_tree(r);

	r->fx->env.root = VFS_ID_ROOT;
	rig_create(r, RESULT(0), "g", FILE_MODE);
	add(r, tx);
	r->fx->env.root = 0;
	rig_create(r, RESULT(0), "h", FILE_MODE);
	add(r, tx);
	assert_int_equal(rig_commit(r, tx), 0);
	assert_int_equal(speculated(r), 0);
	assert_int_equal(r->v.nresults, 4);
	check_tree(r);
}

static void
speculate__parts_without_operations__are_nothing(void **state)
{
	struct rig *r = *state;
	uint64_t tx = rig_begin(r);
	unsigned i;

	rig_new(r);
	for (i = 0; i < 3; i++)
		add(r, tx);
	assert_int_equal(rig_commit(r, tx), 0);
	assert_int_equal(speculated(r), 0);
	tx = begin_tree(r);
	add(r, tx);
	assert_int_equal(do_lookup(r, tx, ROOT, "d", NULL), 0);
	add(r, tx);
	assert_int_equal(rig_commit(r, tx), 0);
	check_tree(r);
}

/* All are counted, and those that there is room for are told. */
static void
speculate__more_results_than_room__the_first_are_told(void **state)
{
	struct rig *r = *state;
	uint64_t tx = rig_begin(r);
	struct vfs_id id;
	char name[16];
	unsigned i;

	rig_new(r);
	for (i = 0; i < RIG_RESULTS + 6; i++) {
		snprintf(name, sizeof name, "f%u", i);
		rig_create(r, ROOT, name, FILE_MODE);
	}
	add(r, tx);
	assert_int_equal(rig_commit(r, tx), 0);
	assert_int_equal(speculated(r), 1);
	assert_int_equal(r->v.nresults, RIG_RESULTS + 6);
	snprintf(name, sizeof name, "f%u", RIG_RESULTS - 1);
	assert_int_equal(do_lookup(r, 0, ROOT, name, &id), 0);
	assert_int_equal(r->results[RIG_RESULTS - 1].id.n, id.n);
}

static void
speculate__aborted_in_the_middle__leaves_nothing(void **state)
{
	struct rig *r = *state;
	struct tx_ref ref = { rig_begin(r), RIG_OWNER };
	uint64_t before = fx_digest(r->fx);
	char name[16];
	unsigned i;

	rig_new(r);
	for (i = 0; i < MANY; i++) {
		snprintf(name, sizeof name, "f%u", i);
		rig_create(r, ROOT, name, FILE_MODE);
	}
	add(r, ref.tx);
	assert_int_equal(tx_abort(r->s, ref), 0);
	assert_true(fx_digest(r->fx) == before);
	assert_int_equal(rig_commit(r, begin_tree(r)), 0);
	check_tree(r);
	assert_int_equal(speculated(r), 1);
}

/* --- what it makes ------------------------------------------------------- */

/* Something of everything that is rows, of what there is and what is new; but
 * no tree is removed, which goes on behind the commit. */
static void
pack_varied(struct rig *r, struct vfs_id was)
{
	static const uint8_t data[600] = { 1, 2, 3 };

	rig_create(r, ROOT, "d", DIR_MODE);
	rig_create(r, RESULT(0), "f", FILE_MODE);
	rig_write(r, RESULT(1), 0, data, sizeof data);
	rig_write(r, RESULT(1), 600, data, 20);
	rig_add(r, VFS_OP_LINK, &(struct vfs_link){ .target = RESULT(1),
	    .dir = ROOT, .name = { "g", 1 } });
	rig_add(r, VFS_OP_RENAME, &(struct vfs_rename){ .dir = ROOT,
	    .name = { "was", 3 }, .dir2 = RESULT(0), .name2 = { "is", 2 } });
	rig_add(r, VFS_OP_SETATTR, &(struct vfs_setattr){ .id = was,
	    .valid = VFS_SET_MODE, .mode = 0600 });
	rig_add(r, VFS_OP_XATTR_SET, &(struct vfs_xattr_set){ .id = was,
	    .name = { "user.a", 6 }, .value = { "b", 1 } });
	rig_unlink(r, ROOT, "gone");
	rig_unlink(r, RESULT(0), "f");
}

static struct rig *
varied_store(struct vfs_id *was)
{
	static uint8_t big[20000];
	struct rig *r = rig_open(0);
	struct vfs_id gone;

	assert_int_equal(do_create(r, 0, ROOT, "was", FILE_MODE, was), 0);
	assert_int_equal(do_create(r, 0, ROOT, "gone", FILE_MODE, &gone), 0);
	assert_int_equal(do_write(r, 0, gone, 0, big, sizeof big), 0);
	assert_int_equal(fx_publish_all(r->fx), 0);
	rig_new(r);
	return r;
}

/* The same in two parts, of which the first has n. */
static void
add_varied(struct rig *r, uint64_t tx, struct vfs_id was, uint32_t n)
{
	uint32_t i;
	struct vfs_slice rest;
	union proto_req q;
	enum vfs_op op;
	size_t first;

	pack_varied(r, was);
	rest = (struct vfs_slice){ r->ops, r->nops_bytes };
	for (i = 0; i < n; i++)
		assert_int_equal(proto_tx_op_next(&rest, &op, &q), 1);
	first = r->nops_bytes - rest.n;
	r->nops = n;
	r->nops_bytes = first;
	add(r, tx);
	memmove(r->ops, r->ops + first, rest.n);
	r->nops = VARIED - n;
	r->nops_bytes = rest.n;
	add(r, tx);
}

static void
speculate__all_operations_in_two_parts__are_those_of_exec(void **state)
{
	struct rig *one, *two;
	struct vfs_id was;
	uint32_t n, i;
	uint64_t tx;

	(void)state;
	for (n = 0; n <= VARIED; n++) {
		one = varied_store(&was);
		pack_varied(one, was);
		assert_int_equal(rig_exec(one, 0), 0);
		two = varied_store(&was);
		tx = rig_begin(two);
		add_varied(two, tx, was, n);
		assert_int_equal(rig_commit(two, tx), 0);
		assert_int_equal(speculated(two), 1);
		assert_int_equal(two->v.nresults, VARIED);
		for (i = 0; i < VARIED; i++)
			assert_memory_equal(&two->results[i],
			    &one->results[i], sizeof two->results[i]);
		assert_true(fx_digest(two->fx) == fx_digest(one->fx));
		assert_int_equal(fx_check(two->fx), 0);
		rig_close(one);
		rig_close(two);
	}
}

/* --- at once ------------------------------------------------------------- */

struct noise {
	struct rig *r;
	atomic_bool stop;
	unsigned made;
};

/* Commits that nobody waits for, so that a guess is wrong now and then. */
static void *
make_noise(void *arg)
{
	struct noise *n = arg;
	struct req_env env = { .kernel_checked = true, .privileged = true };
	char name[16];

	for (; !atomic_load(&n->stop); n->made++) {
		struct vfs_create q = { .dir = ROOT, .mode = FILE_MODE };
		struct vfs_create_reply r;

		snprintf(name, sizeof name, "n%u", n->made);
		q.name = (struct vfs_slice){ name, strlen(name) };
		assert_int_equal(dispatch(n->r->s, VFS_OP_CREATE, &env, &q,
		    &r), 0);
		nap();
	}
	return NULL;
}

/* Each round takes the name that the last one made. */
static void
speculate__others_commit_at_any_time__nothing_is_lost(void **state)
{
	struct rig *r = *state;
	struct noise n = { .r = r };
	struct vfs_id last;
	pthread_t thread;
	char name[16];
	uint64_t tx;
	unsigned i;

	assert_int_equal(do_create(r, 0, ROOT, "r0", DIR_MODE, NULL), 0);
	assert_int_equal(pthread_create(&thread, NULL, make_noise, &n), 0);
	for (i = 1; i <= ROUNDS; i++) {
		tx = rig_begin(r);
		rig_new(r);
		snprintf(name, sizeof name, "r%u", i);
		rig_create(r, ROOT, name, DIR_MODE);
		add(r, tx);
		rig_create(r, RESULT(0), "f", FILE_MODE);
		add(r, tx);
		snprintf(name, sizeof name, "r%u", i - 1);
		rig_add(r, VFS_OP_TREE_REMOVE, &(struct vfs_tree_remove){
		    .dir = ROOT, .name = { name, strlen(name) } });
		add(r, tx);
		assert_int_equal(rig_commit(r, tx), 0);
		assert_int_equal(r->v.nresults, 3);
	}
	atomic_store(&n.stop, true);
	pthread_join(thread, NULL);
	print_message("%u rounds, %lu of them taken up, beside %u commits\n",
	    ROUNDS, (unsigned long)speculated(r), n.made);
	snprintf(name, sizeof name, "r%u", ROUNDS);
	assert_int_equal(do_lookup(r, 0, ROOT, name, &last), 0);
	assert_int_equal(do_lookup(r, 0, last, "f", NULL), 0);
	assert_int_equal(do_list(r, 0, ROOT, NULL), n.made + 1);
	assert_int_equal(fx_check(r->fx), 0);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		RIG_TEST(speculate__nobody_else_commits__is_taken_up),
		RIG_TEST(
		    speculate__somebody_commits_between_parts__is_run_again),
		RIG_TEST(speculate__somebody_commits_after_all__is_run_again),
		RIG_TEST(
		    speculate__somebody_takes_the_name__fails_at_the_commit),
		RIG_TEST(speculate__checkpoint_between__is_taken_up),
		RIG_TEST(speculate__two_at_once__both_are_right),
		RIG_TEST(speculate__somebody_idles__another_is_run),
		RIG_TEST(speculate__somebody_confined_asks__is_not_run_before),
		RIG_TEST(speculate__parts_without_operations__are_nothing),
		RIG_TEST(speculate__more_results_than_room__the_first_are_told),
		RIG_TEST(speculate__aborted_in_the_middle__leaves_nothing),
		cmocka_unit_test(
		    speculate__all_operations_in_two_parts__are_those_of_exec),
		RIG_TEST(speculate__others_commit_at_any_time__nothing_is_lost),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
