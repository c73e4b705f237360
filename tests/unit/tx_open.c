/*
 * Interactive transactions: private until commit, over one snapshot, with
 * conflicts where somebody else was faster and nowhere else.
 */

#include "../../vfsd/clock.h"
#include "../tx_rig.h"
#include "../cm.h"

#define FILE_MODE	0100644u
#define DIR_MODE	0040755u
#define RIG_TEST(f)	cmocka_unit_test_setup_teardown(f, rig_setup, \
	rig_teardown)

/* --- what it sees ------------------------------------------------------- */

static void
tx_open__its_writes__are_seen_by_it_alone_until_commit(void **state)
{
	struct rig *r = *state;
	struct vfs_id d, f, g;
	struct vfs_attr a;
	uint64_t tx = rig_begin(r);
	char buf[16];

	assert_int_equal(do_create(r, tx, ROOT, "d", DIR_MODE, &d), 0);
	assert_int_equal(do_create(r, tx, d, "f", FILE_MODE, &f), 0);
	assert_int_equal(do_write(r, tx, f, 0, "hello", 5), 0);
	assert_int_equal(do_read(r, tx, f, 0, buf, 16), 5);
	assert_memory_equal(buf, "hello", 5);
	assert_int_equal(do_lookup(r, tx, d, "f", &g), 0);
	assert_int_equal(g.n, f.n);

	assert_err(do_lookup(r, 0, ROOT, "d", NULL), NOENT);
	assert_err(do_stat(r, 0, f, NULL), NO_SUCH_ID);
	assert_int_equal(rig_commit(r, tx), 0);
	assert_int_equal(do_lookup(r, 0, d, "f", &g), 0);
	assert_int_equal(g.n, f.n);
	assert_int_equal(do_read(r, 0, f, 0, buf, 16), 5);
	assert_int_equal(do_stat(r, 0, f, &a), 0);
	assert_int_equal(a.data_version, r->v.seq.n);
	assert_int_equal(r->v.nresults, 3);
	assert_err(do_stat(r, tx, f, NULL), TX_UNKNOWN);
	assert_int_equal(fx_check(r->fx), 0);
}

static void
tx_open__others_change_things__it_sees_the_old_state(void **state)
{
	struct rig *r = *state;
	struct vfs_id f;
	uint64_t tx;
	char buf[8];

	assert_int_equal(do_create(r, 0, ROOT, "f", FILE_MODE, &f), 0);
	assert_int_equal(do_write(r, 0, f, 0, "old", 3), 0);
	tx = rig_begin(r);
	assert_int_equal(do_write(r, 0, f, 0, "new", 3), 0);
	assert_int_equal(do_create(r, 0, ROOT, "g", FILE_MODE, NULL), 0);
	assert_int_equal(engine_checkpoint(r->fx->e), 0);
	assert_int_equal(do_read(r, tx, f, 0, buf, 8), 3);
	assert_memory_equal(buf, "old", 3);
	assert_err(do_lookup(r, tx, ROOT, "g", NULL), NOENT);
	assert_int_equal(do_list(r, tx, ROOT, NULL), 1);
	/* Who only looked has seen one state: fine. */
	assert_int_equal(rig_commit(r, tx), 0);
}

static void
tx_open__replaced_blocks__stay_readable_for_it(void **state)
{
	struct rig *r = *state;
	static uint8_t p[40000], got[40000];
	struct vfs_id f, g;
	uint64_t tx;
	int i;

	memset(p, 'a', sizeof p);
	assert_int_equal(do_create(r, 0, ROOT, "f", FILE_MODE, &f), 0);
	assert_int_equal(do_create(r, 0, ROOT, "g", FILE_MODE, &g), 0);
	assert_int_equal(do_write(r, 0, f, 0, p, sizeof p), 0);
	tx = rig_begin(r);
	memset(p, 'b', sizeof p);
	for (i = 0; i < 20; i++) {
		assert_int_equal(do_write(r, 0, f, 0, p, sizeof p), 0);
		assert_int_equal(do_write(r, 0, g, 0, p, sizeof p), 0);
		if (i % 7 == 0)
			assert_int_equal(engine_checkpoint(r->fx->e), 0);
	}
	memset(p, 'a', sizeof p);
	assert_int_equal(do_read(r, tx, f, 0, got, sizeof got), sizeof got);
	assert_memory_equal(got, p, sizeof p);
	assert_int_equal(rig_commit(r, tx), 0);
}

static void
tx_open__bytes_in_many_pieces__are_as_written(void **state)
{
	struct rig *r = *state;
	static uint8_t p[70000], got[70000];
	struct vfs_id f;
	uint64_t tx;
	size_t at, n;
	unsigned seed = 5;
	int i;

	assert_int_equal(do_create(r, 0, ROOT, "f", FILE_MODE, &f), 0);
	assert_int_equal(do_write(r, 0, f, 0, p, sizeof p), 0);
	tx = rig_begin(r);
	for (i = 0; i < 60; i++) {
		at = (size_t)rand_r(&seed) % sizeof p;
		n = (size_t)rand_r(&seed) % 9000;
		n = n < sizeof p - at ? n : sizeof p - at;
		memset(p + at, i, n);
		assert_int_equal(do_write(r, tx, f, at, p + at, n), 0);
	}
	assert_int_equal(do_truncate(r, tx, f, 66666), 0);
	assert_int_equal(do_read(r, tx, f, 0, got, sizeof got), 66666);
	assert_memory_equal(got, p, 66666);
	assert_int_equal(do_chmod(r, 0, f, 0600), 0);	/* no conflict */
	assert_int_equal(rig_commit(r, tx), -VFS_CONFLICT);

	/* The chmod was a conflict: SETATTR had read the attributes. */
	tx = rig_begin(r);
	memset(p, 0, sizeof p);
	assert_int_equal(do_write(r, tx, f, 4000, "0123456789", 10), 0);
	assert_int_equal(do_write(r, tx, f, 4005, "abc", 3), 0);
	assert_int_equal(rig_commit(r, tx), 0);
	assert_int_equal(do_read(r, 0, f, 4000, got, 10), 10);
	assert_memory_equal(got, "01234abc89", 10);
	assert_int_equal(fx_check(r->fx), 0);
}

static void
tx_open__cookies_of_its_own_names__are_provisional(void **state)
{
	struct rig *r = *state;
	uint64_t tx, last;

	assert_int_equal(do_create(r, 0, ROOT, "a", FILE_MODE, NULL), 0);
	tx = rig_begin(r);
	assert_int_equal(do_list(r, tx, ROOT, &last), 1);
	assert_true(last < VFS_TX_PROVISIONAL);
	assert_int_equal(do_create(r, tx, ROOT, "b", FILE_MODE, NULL), 0);
	assert_int_equal(do_list(r, tx, ROOT, &last), 2);
	assert_true(last >= VFS_TX_PROVISIONAL && last < 1ull << 62);
	assert_int_equal(rig_commit(r, tx), 0);
	assert_int_equal(do_list(r, 0, ROOT, &last), 2);
	assert_true(last < 100);
}

/* --- going back --------------------------------------------------------- */

static void
tx_rollback__to_a_savepoint__forgets_what_came_after(void **state)
{
	struct rig *r = *state;
	uint64_t tx = rig_begin(r);
	struct tx_ref ref = { tx, RIG_OWNER };
	static uint8_t p[10000];
	struct vfs_id a, b;
	uint32_t one, two;
	char buf[8];

	assert_int_equal(do_create(r, tx, ROOT, "a", FILE_MODE, &a), 0);
	assert_int_equal(do_write(r, tx, a, 0, "one", 3), 0);
	assert_int_equal(tx_savepoint(r->s, ref, &one), 0);
	assert_int_equal(do_write(r, tx, a, 0, p, sizeof p), 0);
	assert_int_equal(do_create(r, tx, ROOT, "b", FILE_MODE, NULL), 0);
	assert_int_equal(tx_savepoint(r->s, ref, &two), 0);
	assert_int_equal(do_unlink(r, tx, ROOT, "a"), 0);
	assert_int_equal(tx_rollback_to(r->s, ref, two), 0);
	assert_int_equal(do_list(r, tx, ROOT, NULL), 2);
	assert_int_equal(tx_rollback_to(r->s, ref, one), 0);
	assert_err(tx_rollback_to(r->s, ref, two), INVAL);
	assert_int_equal(do_list(r, tx, ROOT, NULL), 1);
	assert_int_equal(do_read(r, tx, a, 0, buf, 8), 3);
	assert_memory_equal(buf, "one", 3);
	assert_int_equal(tx_rollback_to(r->s, ref, one), 0);
	assert_int_equal(do_create(r, tx, ROOT, "c", FILE_MODE, &b), 0);
	assert_int_equal(rig_commit(r, tx), 0);
	assert_int_equal(do_lookup(r, 0, ROOT, "a", &b), 0);
	assert_int_equal(b.n, a.n);
	assert_err(do_lookup(r, 0, ROOT, "b", NULL), NOENT);
	assert_int_equal(do_list(r, 0, ROOT, NULL), 2);
	assert_int_equal(fx_check(r->fx), 0);
}

static void
tx_open__failed_operation__leaves_it_as_it_was(void **state)
{
	struct rig *r = *state;
	uint64_t tx = rig_begin(r);

	assert_int_equal(do_create(r, tx, ROOT, "a", FILE_MODE, NULL), 0);
	assert_err(do_create(r, tx, ROOT, "a", FILE_MODE, NULL), EXIST);
	assert_err(do_unlink(r, tx, ROOT, "b"), NOENT);
	assert_err(do_rename(r, tx, ROOT, "c", ROOT, "d"), NOENT);
	assert_int_equal(do_list(r, tx, ROOT, NULL), 1);
	assert_int_equal(rig_commit(r, tx), 0);
	assert_int_equal(do_list(r, 0, ROOT, NULL), 1);
}

static uint64_t
write_and_abort(struct rig *r)
{
	static uint8_t p[500000];
	uint64_t tx = rig_begin(r);
	struct engine_status st;
	struct vfs_id f;

	assert_int_equal(do_create(r, tx, ROOT, "f", FILE_MODE, &f), 0);
	assert_int_equal(do_write(r, tx, f, 0, p, sizeof p), 0);
	assert_int_equal(tx_abort(r->s,
	    (struct tx_ref){ tx, RIG_OWNER }), 0);
	assert_err(rig_commit(r, tx), TX_UNKNOWN);
	engine_status(r->fx->e, &st);
	return st.space_free;
}

static void
tx_abort__everything_is_gone__and_its_room_too(void **state)
{
	struct rig *r = *state;
	uint64_t before = fx_digest(r->fx), room = write_and_abort(r);

	assert_true(fx_digest(r->fx) == before);
	assert_true(room > 0);
	assert_int_equal(write_and_abort(r), room);
}

static void
tx_open__objects_without_names_at_commit__are_reclaimed(void **state)
{
	struct rig *r = *state;
	struct vfs_id f, g;
	uint64_t tx;

	assert_int_equal(do_create(r, 0, ROOT, "g", FILE_MODE, &g), 0);
	tx = rig_begin(r);
	assert_int_equal(do_create(r, tx, ROOT, "f", FILE_MODE, &f), 0);
	assert_int_equal(do_unlink(r, tx, ROOT, "f"), 0);
	assert_int_equal(do_create(r, tx, ROOT, "f", FILE_MODE, NULL), 0);
	assert_int_equal(do_rename(r, tx, ROOT, "f", ROOT, "g"), 0);
	assert_int_equal(rig_commit(r, tx), 0);
	assert_err(do_stat(r, 0, f, NULL), NO_SUCH_ID);
	assert_err(do_stat(r, 0, g, NULL), NO_SUCH_ID);
	assert_int_equal(do_list(r, 0, ROOT, NULL), 1);
	assert_int_equal(fx_check(r->fx), 0);
}

/* --- the end of it ------------------------------------------------------ */

static void
tx_commit__answer_was_lost__is_found_by_its_name(void **state)
{
	struct rig *r = *state;
	uint64_t tx = rig_begin(r), seq;

	assert_int_equal(do_create(r, tx, ROOT, "f", FILE_MODE, NULL), 0);
	assert_int_equal(rig_commit_as(r, tx, 9), 0);
	seq = r->v.seq.n;
	assert_int_equal(rig_commit_as(r, tx, 9), 0);
	assert_true(r->v.repeated);
	assert_int_equal(r->v.seq.n, seq);
	rig_kill(r);
	assert_int_equal(rig_commit_as(r, tx, 9), 0);
	assert_int_equal(r->v.seq.n, seq);
	assert_err(rig_commit_as(r, tx, 10), TX_UNKNOWN);

	/* The name belongs to that commit. */
	tx = rig_begin(r);
	assert_int_equal(do_create(r, tx, ROOT, "g", FILE_MODE, NULL), 0);
	assert_err(rig_commit_as(r, tx, 9), INVAL);
	assert_err(do_lookup(r, 0, ROOT, "g", NULL), NOENT);
}

static void
tx_open__daemon_dies__nothing_is_left(void **state)
{
	struct rig *r = *state;
	static uint8_t p[20000];
	struct vfs_id f;
	uint64_t tx = rig_begin(r), before = fx_tree_digest(r->fx);

	assert_int_equal(do_create(r, tx, ROOT, "f", FILE_MODE, &f), 0);
	assert_int_equal(do_write(r, tx, f, 0, p, sizeof p), 0);
	rig_kill(r);
	assert_true(fx_tree_digest(r->fx) == before);
	assert_err(rig_commit(r, tx), TX_UNKNOWN);
	assert_int_equal(fx_check(r->fx), 0);
}

static void
tx_commit__daemon_dies_after_it__all_is_there(void **state)
{
	struct rig *r = *state;
	static uint8_t p[20000], got[20000];
	struct vfs_id f, g;
	uint64_t tx;

	memset(p, 'q', sizeof p);
	tx = rig_begin(r);
	assert_int_equal(do_create(r, tx, ROOT, "f", FILE_MODE, &f), 0);
	assert_int_equal(do_write(r, tx, f, 0, p, sizeof p), 0);
	assert_int_equal(rig_commit(r, tx), 0);
	rig_kill(r);
	assert_int_equal(do_lookup(r, 0, ROOT, "f", &g), 0);
	assert_int_equal(g.n, f.n);
	assert_int_equal(do_read(r, 0, g, 0, got, sizeof got), sizeof got);
	assert_memory_equal(got, p, sizeof p);
}

static void
tx_expire__idle_for_too_long__is_told_so(void **state)
{
	struct rig *r = *state;
	uint64_t tx = rig_begin(r), other = rig_begin(r);
	struct tx_counts c;

	assert_int_equal(do_create(r, tx, ROOT, "f", FILE_MODE, NULL), 0);
	tx_expire(r->s, clock_ms() + VFS_TX_IDLE_MS - 1000);
	assert_int_equal(do_list(r, tx, ROOT, NULL), 1);
	tx_expire(r->s, clock_ms() + VFS_TX_IDLE_MS + 1);
	assert_err(do_list(r, tx, ROOT, NULL), EXPIRED);
	assert_err(rig_commit(r, tx), EXPIRED);
	assert_err(rig_commit(r, tx), TX_UNKNOWN);
	assert_int_equal(tx_abort(r->s,
	    (struct tx_ref){ other, RIG_OWNER }), 0);
	tx_counts(r->s, &c);
	assert_int_equal(c.open, 0);
	assert_int_equal(c.expired, 2);
}

static void
tx_expire__keeps_too_many_old_states__is_told_so(void **state)
{
	struct rig *r = *state;
	uint64_t tx = rig_begin(r);
	char name[16];
	int i;

	assert_int_equal(do_list(r, tx, ROOT, NULL), 0);
	for (i = 0; i < 8; i++) {
		snprintf(name, sizeof name, "f%d", i);
		assert_int_equal(do_create(r, 0, ROOT, name, FILE_MODE,
		    NULL), 0);
		assert_int_equal(engine_checkpoint(r->fx->e), 0);
	}
	assert_err(do_list(r, tx, ROOT, NULL), EXPIRED);
	assert_err(rig_commit(r, tx), EXPIRED);
}

static void
tx_begin__as_many_as_may_be_open__and_one_more(void **state)
{
	struct rig *r = *state;
	struct vfs_tx_begin q = { 0 };
	struct vfs_tx_begin_reply rep;
	uint64_t first = 0, tx;
	unsigned i;

	for (i = 0; i < VFS_TX_OPEN_MAX; i++) {
		tx = rig_begin(r);
		first = first != 0 ? first : tx;
	}
	assert_err(tx_begin(r->s, VFS_TX_OPEN_MAX, RIG_OWNER, &q, &rep),
	    TX_LIMIT);
	assert_int_equal(rig_commit(r, first), 0);
	assert_int_equal(tx_begin(r->s, VFS_TX_OPEN_MAX, RIG_OWNER, &q, &rep),
	    0);
	assert_err(tx_abort(r->s, (struct tx_ref){ rep.tx, 1 }), TX_UNKNOWN);
	tx_abort_all(r->s, RIG_OWNER);
	assert_err(tx_abort(r->s, (struct tx_ref){ rep.tx, RIG_OWNER }),
	    TX_UNKNOWN);
}

static void
tx_savepoint__as_many_as_may_be__and_one_more(void **state)
{
	struct rig *r = *state;
	struct tx_ref ref = { rig_begin(r), RIG_OWNER };
	uint32_t sp;
	unsigned i;

	for (i = 0; i < VFS_TX_SAVEPOINTS_MAX; i++)
		assert_int_equal(tx_savepoint(r->s, ref, &sp), 0);
	assert_err(tx_savepoint(r->s, ref, &sp), TX_LIMIT);
	assert_int_equal(tx_rollback_to(r->s, ref, 1), 0);
	assert_int_equal(tx_savepoint(r->s, ref, &sp), 0);
}

/* A quarter of the log: told at the operation, not at the commit. */
static void
tx_open__too_many_rows__the_operation_is_refused(void **state)
{
	struct rig *r = *state;
	uint64_t tx = rig_begin(r);
	char name[16];
	int err = 0, i;

	for (i = 0; err == 0; i++) {
		snprintf(name, sizeof name, "f%d", i);
		err = do_create(r, tx, ROOT, name, FILE_MODE, NULL);
	}
	assert_err(err, TX_LIMIT);
	assert_true(i > 500);
	assert_int_equal(do_list(r, tx, ROOT, NULL), i - 1);
	assert_int_equal(rig_commit(r, tx), 0);
	assert_int_equal(do_list(r, 0, ROOT, NULL), i - 1);
	assert_int_equal(fx_check(r->fx), 0);
}

static void
tx_open__operations_that_it_cannot_have__are_unsupported(void **state)
{
	struct rig *r = *state;
	uint64_t tx = rig_begin(r);
	struct vfs_sync sync = { ROOT, 0 };
	struct vfs_sync_reply srep;
	struct vfs_reclaim rc = { ROOT };
	struct vfs_reclaim_reply rrep;

	assert_err(rig_op(r, tx, VFS_OP_SYNC, &sync, &srep), UNSUPPORTED);
	assert_err(rig_op(r, tx, VFS_OP_RECLAIM, &rc, &rrep), UNSUPPORTED);
	assert_int_equal(rig_commit(r, tx), 0);
}

static void
tx_add__one_of_several_fails__none_happened(void **state)
{
	struct rig *r = *state;
	struct vfs_tx_add q = { .tx = rig_begin(r) };
	uint32_t first;

	rig_new(r);
	rig_create(r, ROOT, "d", DIR_MODE);
	rig_create(r, RESULT(0), "f", FILE_MODE);
	q.nops = r->nops;
	q.ops = (struct vfs_slice){ r->ops, r->nops_bytes };
	r->v = (struct tx_verdict){ .results = r->results, .cap = 64 };
	assert_int_equal(tx_add(r->s, &r->fx->env, RIG_OWNER, &q, NULL,
	    &first, &r->v), 0);
	assert_int_equal(first, 0);
	assert_int_equal(r->v.nresults, 2);
	rig_new(r);
	rig_create(r, RESULT(0), "g", FILE_MODE);
	rig_create(r, RESULT(0), "f", FILE_MODE);
	q.ops = (struct vfs_slice){ r->ops, r->nops_bytes };
	assert_err(tx_add(r->s, &r->fx->env, RIG_OWNER, &q, NULL, &first,
	    &r->v), EXIST);
	assert_int_equal(r->v.op_index, 1);
	assert_int_equal(rig_commit(r, q.tx), 0);
	assert_int_equal(do_list(r, 0, r->results[0].id, NULL), 1);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		RIG_TEST(
		    tx_open__its_writes__are_seen_by_it_alone_until_commit),
		RIG_TEST(tx_open__others_change_things__it_sees_the_old_state),
		RIG_TEST(tx_open__replaced_blocks__stay_readable_for_it),
		RIG_TEST(tx_open__bytes_in_many_pieces__are_as_written),
		RIG_TEST(tx_open__cookies_of_its_own_names__are_provisional),
		RIG_TEST(tx_rollback__to_a_savepoint__forgets_what_came_after),
		RIG_TEST(tx_open__failed_operation__leaves_it_as_it_was),
		RIG_TEST(tx_abort__everything_is_gone__and_its_room_too),
		RIG_TEST(
		    tx_open__objects_without_names_at_commit__are_reclaimed),
		RIG_TEST(tx_commit__answer_was_lost__is_found_by_its_name),
		RIG_TEST(tx_open__daemon_dies__nothing_is_left),
		RIG_TEST(tx_commit__daemon_dies_after_it__all_is_there),
		RIG_TEST(tx_expire__idle_for_too_long__is_told_so),
		RIG_TEST(tx_expire__keeps_too_many_old_states__is_told_so),
		RIG_TEST(tx_begin__as_many_as_may_be_open__and_one_more),
		RIG_TEST(tx_savepoint__as_many_as_may_be__and_one_more),
		RIG_TEST(tx_open__too_many_rows__the_operation_is_refused),
		RIG_TEST(
		    tx_open__operations_that_it_cannot_have__are_unsupported),
		RIG_TEST(tx_add__one_of_several_fails__none_happened),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
