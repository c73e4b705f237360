/* What the log gives back: torn ends, old laps, drafts, numbers. */
#include <fcntl.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include <cmocka.h>

#include "../../vfsd/core/record.h"
#include "../../vfsd/engine/engine.h"
#include "engine_fx.h"

/* --- the ring, behind the engine's back ---------------------------- */

static void
ring(struct fx *fx, uint64_t pos, void *p, size_t n, bool put)
{
	const struct log_ops *ops = &be_log_mem;
	void *log;

	assert_int_equal(ops->open(fx->conf.dirfd, false, false, 0, &log), 0);
	assert_int_equal(put ? ops->append(log, pos, p, n) :
	    ops->read(log, pos, p, n), 0);
	ops->close(log);
}

/* Where the next record goes. */
static uint64_t
end_of(struct fx *fx)
{
	struct engine_status st;

	engine_status(fx->e, &st);
	return st.log_end;
}

static void
log__torn_record__ends_the_history(void **state)
{
	uint64_t pos;
	struct fx fx;
	uint8_t b;

	(void)state;
	fx_open(&fx, true);
	fx_put(&fx, 1, 1);
	pos = end_of(&fx);
	fx_put(&fx, 2, 2);
	fx_put(&fx, 3, 3);
	fx_stop(&fx, true);
	ring(&fx, pos + 60, &b, 1, false);
	b ^= 1;
	ring(&fx, pos + 60, &b, 1, true);
	fx_start(&fx);
	assert_int_equal(fx_get(&fx, 1), 1);
	assert_int_equal(fx_get(&fx, 2), -1);
	assert_int_equal(fx_get(&fx, 3), -1);
	fx_put(&fx, 4, 4);
	fx_reopen(&fx, true);
	assert_int_equal(fx_get(&fx, 4), 4);
	assert_int_equal(fx_get(&fx, 3), -1);
	fx_close(&fx);
}

/* The last record did not reach the disk; where it should be stands one
 * of an earlier lap, with a checksum that was good. */
static void
log__old_record_in_its_place__is_not_taken(void **state)
{
	static uint8_t old[4096];
	uint64_t pos, size = 1u << 20, first;
	struct fx fx;
	unsigned i = 0;

	(void)state;
	fx_init(&fx, true);
	fx.conf.log_bytes = size;
	fx_start(&fx);
	first = end_of(&fx);
	fx_put(&fx, 5, 0);
	pos = end_of(&fx) - first;
	/* Records of one size that divides the ring, more than a lap. */
	fx.fill += (unsigned)(256 - pos % 256);
	for (i = 0; i < size / 256 + 64; i++) {
		if (i % 500 == 0)
			assert_int_equal(engine_checkpoint(fx.e), 0);
		fx_put(&fx, 1000 + i, i);
	}
	pos = end_of(&fx);
	ring(&fx, pos, old, sizeof(old), false);
	fx_put(&fx, 1, 77);
	assert_int_equal((end_of(&fx) - pos) % 256, 0);
	fx_stop(&fx, true);
	ring(&fx, pos, old, sizeof(old), true);
	fx_start(&fx);
	assert_int_equal(fx_get(&fx, 1), -1);
	assert_int_equal(fx_get(&fx, 1000 + i - 1), (int)i - 1);
	assert_int_equal(fx_count(&fx), i + 1);
	fx_close(&fx);
}

/* --- drafts -------------------------------------------------------- */

static int
draft_of(struct fx *fx, uint64_t id)
{
	struct txn *t = fx_begin(fx, TXN_READ);
	int n = fx_see(t, ROW_DRAFT, id);

	txn_abort(t);
	return n;
}

static void
drafts__same_boot__are_kept(void **state)
{
	struct engine_status st;
	struct vfs_id ids[4];
	struct fx fx;
	size_t n;

	(void)state;
	fx_open(&fx, true);
	fx_put(&fx, 1, 1);
	fx_draft(&fx, 1, 2);
	fx_draft(&fx, 9, 3);
	/* Twice over the table, so that only the log keeps them. */
	assert_int_equal(engine_checkpoint(fx.e), 0);
	fx_put(&fx, 2, 1);
	assert_int_equal(engine_checkpoint(fx.e), 0);
	fx_reopen(&fx, true);
	assert_int_equal(draft_of(&fx, 1), 2);
	assert_int_equal(draft_of(&fx, 9), 3);
	engine_status(fx.e, &st);
	assert_int_equal(st.drafts, 2);
	assert_true(st.drafts_published);
	assert_int_equal(engine_drafts(fx.e, (struct vfs_id){ 0 }, ids, 4,
	    &n), 0);
	assert_int_equal(n, 2);
	assert_int_equal(ids[1].n, 9);
	fx_close(&fx);
}

static void
drafts__other_boot__are_dropped_for_good(void **state)
{
	struct engine_status st;
	struct fx fx;

	(void)state;
	fx_open(&fx, true);
	fx_put(&fx, 1, 1);
	fx_draft(&fx, 1, 2);
	fx_stop(&fx, true);
	fx.conf.boot[0]++;
	fx_start(&fx);
	assert_int_equal(draft_of(&fx, 1), -1);
	assert_int_equal(fx_get(&fx, 1), 1);
	engine_status(fx.e, &st);
	assert_true(st.drafts_dropped);
	/* A new one of this boot stays, the old one does not come back. */
	fx_draft(&fx, 2, 5);
	fx_reopen(&fx, true);
	assert_int_equal(draft_of(&fx, 1), -1);
	assert_int_equal(draft_of(&fx, 2), 5);
	fx_close(&fx);
}

/* --- numbers ------------------------------------------------------- */

static uint64_t
new_id(struct fx *fx)
{
	struct txn *t = fx_begin(fx, TXN_WRITE);
	struct vfs_id id;

	assert_int_equal(txn_new_id(t, &id), 0);
	txn_abort(t);
	return id.n;
}

static void
ids__over_leases_and_stops__only_grow(void **state)
{
	uint64_t last = 0, id;
	struct fx fx;
	unsigned i;

	(void)state;
	fx_init(&fx, true);
	fx.conf.no_threads = true;
	fx_start(&fx);
	for (i = 0; i < 200000; i++) {
		id = new_id(&fx);
		assert_true(id > last);
		last = id;
		if (i % 40000 == 39999) {
			fx.conf.now.sec--;	/* the same second */
			fx_reopen(&fx, true);
		}
	}
	assert_true(last < 1ull << 53);
	fx_close(&fx);
}

static void
ids__clock_is_wrong__go_on_beyond_the_mark(void **state)
{
	const uint64_t step = 1ull << 36;	/* at most, by chance */
	static const int64_t wrong[] = { 0, 1577836799, 2524608001, -5 };
	uint64_t last;
	struct fx fx;
	unsigned i;

	(void)state;
	fx_open(&fx, true);
	last = new_id(&fx);
	for (i = 0; i < 4; i++) {
		fx_stop(&fx, i % 2);
		fx.conf.now.sec = wrong[i] - 1;
		fx_start(&fx);
		assert_in_range(new_id(&fx), last + 1,
		    last + step + 1000000);
		last = new_id(&fx);
	}
	fx_close(&fx);
}

static void
seq__killed__starts_beyond(void **state)
{
	struct vfs_seq a, b;
	struct txn *t;
	struct fx fx;

	(void)state;
	fx_open(&fx, true);
	t = fx_begin(&fx, TXN_WRITE);
	fx_row(&fx, t, ROW_INODE, 1, 1);
	a = txn_seq(t);
	assert_int_equal(txn_commit(t, &b), 0);
	assert_int_equal(a.n, b.n);
	fx.conf.now.sec -= 100;
	fx_reopen(&fx, true);
	t = fx_begin(&fx, TXN_WRITE);
	assert_true(txn_seq(t).n > a.n);
	txn_abort(t);
	fx_close(&fx);
}

/* --- read-only ----------------------------------------------------- */

static void
rdonly__unclean_store__seen_and_not_touched(void **state)
{
	static uint8_t before[1u << 20], after[1u << 20];
	struct txn *t;
	struct fx fx;
	int i;

	(void)state;
	fx_init(&fx, true);
	fx.conf.log_bytes = sizeof(before);
	fx_start(&fx);
	fx_put(&fx, 1, 1);
	fx_draft(&fx, 1, 2);
	fx_stop(&fx, true);
	ring(&fx, 0, before, sizeof(before), false);
	fx.conf.rdonly = true;
	fx.conf.create = false;
	for (i = 0; i < 2; i++) {
		fx_start(&fx);
		assert_int_equal(fx_get(&fx, 1), 1);
		assert_int_equal(draft_of(&fx, 1), 2);
		assert_int_equal(txn_begin(fx.e, TXN_WRITE, NULL, &t),
		    -VFS_ROFS);
		assert_int_equal(engine_sync(fx.e), 0);
		assert_int_equal(engine_checkpoint(fx.e), 0);
		fx_stop(&fx, i);
	}
	ring(&fx, 0, after, sizeof(after), false);
	assert_memory_equal(before, after, sizeof(before));
	fx_fini(&fx);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(log__torn_record__ends_the_history),
		cmocka_unit_test(log__old_record_in_its_place__is_not_taken),
		cmocka_unit_test(drafts__same_boot__are_kept),
		cmocka_unit_test(drafts__other_boot__are_dropped_for_good),
		cmocka_unit_test(ids__over_leases_and_stops__only_grow),
		cmocka_unit_test(ids__clock_is_wrong__go_on_beyond_the_mark),
		cmocka_unit_test(seq__killed__starts_beyond),
		cmocka_unit_test(rdonly__unclean_store__seen_and_not_touched),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
