/*
 * Commits of a megabyte and more: their record is written in pieces, and
 * the table takes over the write set's memory.
 */
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

#define IDS	3000u
#define FILL	1000u			/* of each row: 3 MB */

/* What each row is to hold; -1: there is none. */
struct want {
	int inode[IDS], bytes[IDS], draft[IDS];
};

static void
start(struct fx *fx, struct want *w)
{
	fx_init(fx, true);
	fx->conf.log_bytes = 64u << 20;
	fx_start(fx);
	memset(w, 0xff, sizeof(*w));
}

static void
put(struct fx *fx, struct txn *t, enum row_kind kind, int *row, unsigned id,
    int num)
{
	assert_int_equal(fx_row(fx, t, kind, id + 1, (uint32_t)num), 0);
	row[id] = num;
}

static void
del(struct txn *t, enum row_kind kind, int *row, unsigned id)
{
	struct row_key k;

	row_key_id(&k, kind, id + 1);
	assert_int_equal(txn_del(t, row_key_slice(&k)), 0);
	row[id] = -1;
}

/* Rows of which some are put twice, with other sizes, and some deleted,
 * in no order. */
static void
fill(struct fx *fx, struct txn *t, struct want *w, int num)
{
	unsigned i, id;

	for (i = 0; i < IDS; i++) {
		id = (unsigned)(i * 1009ull % IDS);
		fx->fill = FILL;
		put(fx, t, ROW_INODE, w->inode, id, num + (int)i);
		fx->fill = i % 3 * 16;
		put(fx, t, ROW_INLINE, w->bytes, id, num);
		if (i % 5 == 0)
			put(fx, t, ROW_INODE, w->inode, id, num - 1);
		if (i % 7 == 0)
			del(t, ROW_INODE, w->inode, id);
		if (w->draft[id] >= 0 && i % 2 == 0)
			del(t, ROW_DRAFT, w->draft, id);
	}
}

static void
look(struct txn *t, const struct want *w)
{
	unsigned i;

	for (i = 0; i < IDS; i++) {
		assert_int_equal(fx_see(t, ROW_INODE, i + 1), w->inode[i]);
		assert_int_equal(fx_see(t, ROW_INLINE, i + 1), w->bytes[i]);
		assert_int_equal(fx_see(t, ROW_DRAFT, i + 1), w->draft[i]);
	}
}

static void
look_now(struct fx *fx, const struct want *w)
{
	struct txn *t = fx_begin(fx, TXN_READ);
	unsigned i, n = 0;

	look(t, w);
	txn_abort(t);
	for (i = 0; i < IDS; i++)
		n += w->inode[i] >= 0;
	assert_int_equal(fx_count(fx), n);
}

static void
commit_large(struct fx *fx, struct want *w, int num)
{
	struct txn *t = fx_begin(fx, TXN_WRITE);

	fill(fx, t, w, num);
	look(t, w);
	assert_int_equal(txn_commit(t, NULL), 0);
}

static void
drafts(struct fx *fx, struct want *w)
{
	unsigned i;

	fx->fill = 8;
	for (i = 0; i < 200; i++)
		fx_draft(fx, i + 1, i);
	for (i = 0; i < 200; i++)
		w->draft[i] = (int)i;
}

static void
large__over_rows_of_all_kinds__replaces_them(void **state)
{
	struct want w, before;
	struct txn *old;
	struct fx fx;

	(void)state;
	start(&fx, &w);
	commit_large(&fx, &w, 1000);
	look_now(&fx, &w);
	drafts(&fx, &w);
	before = w;
	old = fx_begin(&fx, TXN_READ);
	commit_large(&fx, &w, 10000);
	look_now(&fx, &w);
	look(old, &before);		/* who began before sees none of it */
	txn_abort(old);
	fx.fill = 10;
	fx_put(&fx, 1, 5);		/* the next one is as any other */
	w.inode[0] = 5;
	look_now(&fx, &w);
	fx_close(&fx);
}

static void
large__killed__is_there(void **state)
{
	struct want w;
	struct fx fx;

	(void)state;
	start(&fx, &w);
	commit_large(&fx, &w, 1000);
	drafts(&fx, &w);
	commit_large(&fx, &w, 10000);
	fx_reopen(&fx, true);
	look_now(&fx, &w);
	commit_large(&fx, &w, 20000);
	assert_int_equal(engine_checkpoint(fx.e), 0);
	look_now(&fx, &w);
	commit_large(&fx, &w, 30000);
	fx_reopen(&fx, true);
	look_now(&fx, &w);
	fx_close(&fx);
}

/* --- the log fails ------------------------------------------------- */

static unsigned left;			/* appends that are good yet */

static int
append_some(void *self, uint64_t pos, const void *p, size_t n)
{
	if (left == 0)
		return -VFS_IO;
	left--;
	return be_log_mem.append(self, pos, p, n);
}

/* As if the daemon had been killed between two pieces, too: what is
 * behind the last record is none without its head. */
static void
large__any_append_fails__leaves_no_trace(void **state)
{
	struct log_ops log = be_log_mem;
	struct want w, none;
	struct txn *t;
	struct fx fx;
	unsigned n;
	int err;

	(void)state;
	log.append = append_some;
	for (n = 0, err = -1; err < 0; n++) {
		start(&fx, &w);
		fx.conf.log = &log;
		left = 1000;
		fx_reopen(&fx, false);
		fx.fill = 100;
		fx_put(&fx, 1, 7);
		w.inode[0] = 7;
		none = w;
		t = fx_begin(&fx, TXN_WRITE);
		fill(&fx, t, &w, 1000);
		left = n;
		err = txn_commit(t, NULL);
		if (err < 0)
			assert_int_equal(err, -VFS_IO);
		look_now(&fx, err < 0 ? &none : &w);
		left = 1000;
		fx_reopen(&fx, true);
		look_now(&fx, err < 0 ? &none : &w);
		fx_close(&fx);
	}
	assert_true(n > 8);		/* there were pieces */
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(large__over_rows_of_all_kinds__replaces_them),
		cmocka_unit_test(large__killed__is_there),
		cmocka_unit_test(large__any_append_fails__leaves_no_trace),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
