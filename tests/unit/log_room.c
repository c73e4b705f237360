/*
 * A log that is nearly full: what must still go in has room, though several
 * commits have looked for room before the first of them took it.
 */
#include <fcntl.h>
#include <pthread.h>
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
#include "../../vfsd/engine/redo.h"
#include "engine_fx.h"

#define LOG		(4u << 20)
#define FILL		996u		/* of a row */
#define ROW_HEAD	27u		/* lengths, key, number, checksum */
#define ROW		(ROW_HEAD + FILL)
#define REST		0u		/* bytes: all that are left */

struct waiter {
	struct fx *fx;
	uint64_t id;
	size_t bytes;
	int err;
	pthread_t thread;
};

/* Rows so that nothing is left behind the record. */
static void
fill_up(struct fx *fx, struct txn *t, uint64_t id)
{
	struct engine_status st;
	size_t left;

	engine_status(fx->e, &st);
	left = st.log_size - st.log_used - REDO_HEAD;
	for (; left > 3 * ROW; left -= ROW)
		assert_int_equal(fx_row(fx, t, ROW_INODE, id++, 1), 0);
	fx->fill = (unsigned)(left / 2 - ROW_HEAD);
	assert_int_equal(fx_row(fx, t, ROW_INODE, id++, 1), 0);
	fx->fill = (unsigned)(left - left / 2 - ROW_HEAD);
	assert_int_equal(fx_row(fx, t, ROW_INODE, id, 1), 0);
	fx->fill = FILL;
}

static int
commit(struct fx *fx, uint64_t id, size_t bytes)
{
	struct txn *t;
	int err;

	if ((err = txn_begin(fx->e, TXN_WRITE, NULL, &t)) < 0)
		return err;
	if (bytes == REST)
		fill_up(fx, t, id);
	for (; bytes > ROW; bytes -= ROW)
		assert_int_equal(fx_row(fx, t, ROW_INODE, id++, 1), 0);
	return txn_commit(t, NULL);
}

static void *
wait_and_commit(void *arg)
{
	struct waiter *w = arg;

	w->err = commit(w->fx, w->id, w->bytes);
	return NULL;
}

/* One holds the serial point; the others have looked at the room, and come
 * in this order. */
static void
crowd(struct fx *fx, const size_t *bytes, unsigned n)
{
	struct waiter w[4];
	struct txn *t = fx_begin(fx, TXN_WRITE);
	unsigned i;

	for (i = 0; i < n; i++) {
		w[i] = (struct waiter){ .fx = fx, .id = 1000000 * (i + 1),
			.bytes = bytes[i] };
		assert_int_equal(pthread_create(&w[i].thread, NULL,
		    wait_and_commit, &w[i]), 0);
		usleep(50000);
	}
	assert_int_equal(fx_row(fx, t, ROW_INODE, 999, 1), 0);
	assert_int_equal(txn_commit(t, NULL), 0);
	for (i = 0; i < n; i++) {
		pthread_join(w[i].thread, NULL);
		assert_true(w[i].err == 0 || w[i].err == -VFS_AGAIN);
	}
}

static void
fx_small(struct fx *fx, bool threads)
{
	fx_init(fx, true);
	fx->conf.no_threads = !threads;
	fx->fill = FILL;
	fx->conf.log_bytes = LOG;
	fx_start(fx);
}

static void
drafts__log_filled_by_a_crowd__next_commit_goes_on(void **state)
{
	static const size_t bytes[] = { 1000 << 10, 1000 << 10, 300 << 10 };
	struct fx fx;
	unsigned i;

	(void)state;
	fx_small(&fx, true);
	for (i = 0; i < 250; i++)
		fx_draft(&fx, 10 + i, i);
	assert_int_equal(commit(&fx, 2000, 900 << 10), 0);
	assert_int_equal(commit(&fx, 4000, 500 << 10), 0);
	crowd(&fx, bytes, 3);
	alarm(60);			/* it hung */
	assert_int_equal(commit(&fx, 6000, 2000), 0);
	assert_int_equal(engine_checkpoint(fx.e), 0);
	alarm(0);
	fx_close(&fx);
}

/* Killed at once, often: each opening leaves a record. */
static void
open__log_filled_by_a_crowd__opens_again_and_again(void **state)
{
	static const size_t bytes[] = { 900 << 10, REST };
	struct fx fx;
	unsigned i;

	(void)state;
	fx_small(&fx, false);
	for (i = 0; i < 3; i++)
		assert_int_equal(commit(&fx, 2000 * (i + 1), 1000 << 10), 0);
	crowd(&fx, bytes, 2);
	for (i = 0; i < 8; i++) {
		fx_stop(&fx, true);
		fx.conf.now.sec += 5;
		fx_start(&fx);
	}
	assert_int_equal(commit(&fx, 9000, 2000), 0);
	fx_close(&fx);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(
		    drafts__log_filled_by_a_crowd__next_commit_goes_on),
		cmocka_unit_test(
		    open__log_filled_by_a_crowd__opens_again_and_again),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
