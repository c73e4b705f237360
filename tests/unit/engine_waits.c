/*
 * What waits, and what must not: readers for a slot, who begins for room in
 * the tables, the checkpoint for its first row.
 */
#include <fcntl.h>
#include <pthread.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdatomic.h>
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

struct reader {
	struct fx fx;
	atomic_uint wrong, answers;
};

static void *
one_reader(void *arg)
{
	struct reader *s = arg;

	if (fx_get(&s->fx, 1) != 1)
		s->wrong++;
	s->answers++;
	return NULL;
}

/* More readers than slots: they wait for one, and old views stay. */
static void
slots__all_taken__the_next_waits(void **state)
{
	struct reader s = { .wrong = 0 };
	struct txn *t[4];
	pthread_t th;
	unsigned i;

	(void)state;
	fx_init(&s.fx, false);
	s.fx.conf.readers_max = 4;
	fx_start(&s.fx);
	fx_put(&s.fx, 1, 1);
	for (i = 0; i < 4; i++) {
		t[i] = fx_begin(&s.fx, TXN_READ);
		assert_int_equal(engine_checkpoint(s.fx.e), 0);
	}
	pthread_create(&th, NULL, one_reader, &s);
	usleep(20000);
	assert_int_equal(s.answers, 0);
	for (i = 0; i < 4; i++) {
		assert_int_equal(fx_see(t[i], ROW_INODE, 1), 1);
		txn_abort(t[i]);
	}
	pthread_join(th, NULL);
	assert_int_equal(s.wrong, 0);
	fx_close(&s.fx);
}

static void
views__over_many_checkpoints__stay(void **state)
{
	struct txn *t[20];
	struct fx fx;
	unsigned i;

	(void)state;
	fx_open(&fx, false);
	for (i = 0; i < 20; i++) {
		fx_put(&fx, 1, i);
		t[i] = fx_begin(&fx, TXN_READ);
		fx_put(&fx, 2, i);
		assert_int_equal(engine_checkpoint(fx.e), 0);
	}
	for (i = 0; i < 20; i++) {
		assert_int_equal(fx_see(t[i], ROW_INODE, 1), i);
		assert_int_equal(fx_see(t[i], ROW_INODE, 2), (int)i - 1);
		txn_abort(t[i]);
	}
	fx_close(&fx);
}

/* A checkpoint does not make live drafts fewer; whoever publishes them
 * must get in (this waited for ever). */
static void
begin__live_drafts_fill_the_table__does_not_wait(void **state)
{
	struct fx fx;
	unsigned i;

	(void)state;
	fx_init(&fx, true);
	fx.conf.table_rows_max = 100;
	fx_start(&fx);
	for (i = 1; i <= 200; i++)
		fx_draft(&fx, i, i);
	alarm(30);
	fx_put(&fx, 1, 1);
	alarm(0);
	fx_close(&fx);
}

/* The first row for a checkpoint wakes its thread, though drafts before it
 * have woken all others. */
static void
idle__row_after_a_draft__is_checkpointed(void **state)
{
	struct engine_status st = { 0 };
	struct fx fx;
	unsigned i;

	(void)state;
	fx_open(&fx, false);
	fx_draft(&fx, 1, 1);
	usleep(50000);
	fx_put(&fx, 2, 2);
	for (i = 0; i < 200 && st.checkpoints == 0; i++) {
		usleep(50000);
		engine_status(fx.e, &st);
	}
	assert_true(st.checkpoints > 0);
	fx_close(&fx);
}

/* Whoever waits for room on a full disk reads meanwhile: that must not
 * keep the one at the serial point from going on. */
static void
slots__readers_have_all_of_them__a_writer_begins(void **state)
{
	struct txn *r[2], *w;
	struct fx fx;

	(void)state;
	fx_init(&fx, true);
	fx.conf.readers_max = 2;
	fx_start(&fx);
	assert_int_equal(txn_begin(fx.e, TXN_READ, NULL, &r[0]), 0);
	assert_int_equal(txn_begin(fx.e, TXN_READ, NULL, &r[1]), 0);
	alarm(20);			/* it hung */
	assert_int_equal(txn_begin(fx.e, TXN_WRITE, NULL, &w), 0);
	alarm(0);
	txn_abort(w);
	txn_abort(r[0]);
	txn_abort(r[1]);
	fx_close(&fx);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(slots__all_taken__the_next_waits),
		cmocka_unit_test(
		    slots__readers_have_all_of_them__a_writer_begins),
		cmocka_unit_test(views__over_many_checkpoints__stay),
		cmocka_unit_test(
		    begin__live_drafts_fill_the_table__does_not_wait),
		cmocka_unit_test(idle__row_after_a_draft__is_checkpointed),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
