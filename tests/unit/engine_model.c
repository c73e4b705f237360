/*
 * The engine against an array: random puts, deletions, drafts,
 * checkpoints, stops and boots, with tables and a ring so small that both
 * turn over all the time.
 */
#include <fcntl.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#include <cmocka.h>

#include "../../vfsd/core/record.h"
#include "../../vfsd/engine/engine.h"
#include "engine_fx.h"

#define IDS	300u
#define NONE	(-1)

struct model {
	int row[IDS], draft[IDS];
};

struct run {
	struct fx fx;
	struct model m;
	uint64_t rnd;
	uint64_t next_id, next_seq;
};

static unsigned
rnd(struct run *r, unsigned below)
{
	r->rnd = r->rnd * 6364136223846793005u + 1442695040888963407u;
	return (unsigned)(r->rnd >> 33) % below;
}

static void
look(struct run *r)
{
	struct txn *t = fx_begin(&r->fx, TXN_READ);
	unsigned i, n = 0;

	for (i = 0; i < IDS; i++) {
		assert_int_equal(fx_see(t, ROW_INODE, i), r->m.row[i]);
		assert_int_equal(fx_see(t, ROW_DRAFT, i), r->m.draft[i]);
		n += r->m.row[i] != NONE;
	}
	txn_abort(t);
	assert_int_equal(fx_count(&r->fx), n);
}

/* A handful of rows in one commit, or thrown away. */
static void
change(struct run *r, bool draft)
{
	struct model after = r->m;
	struct txn *t = fx_begin(&r->fx, TXN_WRITE);
	unsigned n = 1 + rnd(r, 8), id, num;
	int *v;
	struct vfs_seq seq;
	struct row_key k;

	if (draft)
		txn_set_draft(t);
	for (; n > 0; n--) {
		id = rnd(r, IDS);
		num = rnd(r, 1u << 20);
		/* An ordinary commit may publish a draft. */
		v = draft || rnd(r, 5) == 0 ? &after.draft[id] : &after.row[id];
		row_key_id(&k, v == &after.row[id] ? ROW_INODE : ROW_DRAFT,
		    id);
		if (rnd(r, 3) == 0) {
			assert_int_equal(txn_del(t, row_key_slice(&k)), 0);
			*v = NONE;
		} else {
			assert_int_equal(fx_row(&r->fx, t, k.b[0], id, num),
			    0);
			*v = (int)num;
		}
		assert_int_equal(fx_see(t, k.b[0], id), *v);
	}
	if (rnd(r, 10) == 0) {
		txn_abort(t);
		return;
	}
	assert_int_equal(txn_commit(t, &seq), 0);
	r->m = after;
	if (draft) {
		assert_int_equal(seq.n, 0);
		return;
	}
	assert_true(seq.n >= r->next_seq);
	r->next_seq = seq.n + 1;
}

static void
stop_and_start(struct run *r)
{
	struct vfs_id id;
	struct txn *t;
	unsigned i;
	bool kill = rnd(r, 2);

	/* A power cut is more than this; see the crash suite. */
	if (rnd(r, 4) == 0) {
		r->fx.conf.boot[0]++;
		for (i = 0; i < IDS; i++)
			r->m.draft[i] = NONE;
	}
	fx_reopen(&r->fx, kill);
	t = fx_begin(&r->fx, TXN_WRITE);
	assert_int_equal(txn_new_id(t, &id), 0);
	txn_abort(t);
	assert_true(id.n >= r->next_id);
	r->next_id = id.n + 1;
	look(r);
}

static void
steps(struct run *r, unsigned n)
{
	while (n-- > 0) {
		unsigned what = rnd(r, 1000);

		if (what < 700)
			change(r, false);
		else if (what < 900)
			change(r, true);
		else if (what < 950)
			while (engine_step(r->fx.e) > 0 && rnd(r, 3) > 0)
				;
		else if (what < 970)
			assert_int_equal(engine_checkpoint(r->fx.e), 0);
		else if (what < 990)
			look(r);
		else
			stop_and_start(r);
	}
}

static void
model_run(bool mem, bool threads, unsigned n)
{
	const char *s = getenv("SEED");
	struct run r = { .rnd = s ? strtoull(s, NULL, 0) :
	    (uint64_t)time(NULL) * 2 + mem };
	unsigned i;

	print_message("# SEED=%llu\n", (unsigned long long)r.rnd);
	for (i = 0; i < IDS; i++)
		r.m.row[i] = r.m.draft[i] = NONE;
	fx_init(&r.fx, mem);
	r.fx.conf.log_bytes = 1u << 20;
	r.fx.conf.table_rows_max = 150;
	r.fx.conf.no_threads = !threads;
	r.fx.fill = 300;
	fx_start(&r.fx);
	steps(&r, n);
	look(&r);
	fx_close(&r.fx);
}

static void
model__memory__equal(void **state)
{
	(void)state;
	model_run(true, false, 20000);
}

static void
model__memory_threads__equal(void **state)
{
	(void)state;
	model_run(true, true, 10000);
}

static void
model__lmdb_threads__equal(void **state)
{
	(void)state;
	model_run(false, true, 3000);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(model__memory__equal),
		cmocka_unit_test(model__memory_threads__equal),
		cmocka_unit_test(model__lmdb_threads__equal),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
