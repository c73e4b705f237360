/*
 * Backends that fail: the latch, full disks, stores that are in use, of
 * something else, or damaged.
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

/* What fails next; 0: nothing. */
static struct {
	int append, log_sync, head, apply, data_write, data_sync;
	uint64_t room;			/* bytes reserve still gives */
	unsigned log_syncs, data_syncs;
	bool lossy;
	char said[400];
} broken;

static int
bad_append(void *self, uint64_t pos, const void *p, size_t n)
{
	return broken.append < 0 ? broken.append :
	    be_log_mem.append(self, pos, p, n);
}

static int
bad_log_sync(void *self)
{
	broken.log_syncs++;
	return broken.log_sync < 0 ? broken.log_sync : be_log_mem.sync(self);
}

static int
bad_head(void *self, const void *p, size_t n)
{
	return broken.head < 0 ? broken.head :
	    be_log_mem.head_put(self, p, n);
}

static int
bad_apply(void *self, const struct store_batch *b)
{
	return broken.apply < 0 ? broken.apply : be_store_mem.apply(self, b);
}

static int
bad_reserve(void *self, uint64_t n)
{
	(void)self;
	return n > broken.room ? -VFS_NOSPC : 0;
}

static int
bad_write(void *self, uint64_t off, const void *p, size_t n)
{
	return broken.data_write < 0 ? broken.data_write :
	    be_data_mem.write(self, off, p, n);
}

static int
bad_data_sync(void *self)
{
	broken.data_syncs++;
	return broken.data_sync < 0 ? broken.data_sync :
	    be_data_mem.sync(self);
}

static void
said(void *arg, const struct fault_rec *f)
{
	(void)arg;
	snprintf(broken.said, sizeof(broken.said), "%s", f->text);
	fx_report(NULL, f);
}

struct bad {
	struct fx fx;
	struct store_ops store;
	struct log_ops log;
	struct data_ops data;
};

static void
bad_init(struct bad *b)
{
	memset(&broken, 0, sizeof(broken));
	broken.room = UINT64_MAX;
	fx_init(&b->fx, true);
	b->store = be_store_mem;
	b->store.apply = bad_apply;
	b->store.reserve = bad_reserve;
	b->log = be_log_mem;
	b->log.append = bad_append;
	b->log.sync = bad_log_sync;
	b->log.head_put = bad_head;
	b->data = be_data_mem;
	b->data.write = bad_write;
	b->data.sync = bad_data_sync;
	b->fx.conf.store = &b->store;
	b->fx.conf.log = &b->log;
	b->fx.conf.data = &b->data;
	b->fx.conf.no_threads = true;
	b->fx.conf.report = said;
}

static int
put_once(struct fx *fx, uint64_t id, uint32_t num)
{
	struct txn *t;
	int err = txn_begin(fx->e, TXN_WRITE, NULL, &t);

	if (err < 0)
		return err;
	fx_row(fx, t, ROW_INODE, id, num);
	return txn_commit(t, NULL);
}

/* As the dispatcher does. */
static int
try_put(struct fx *fx, uint64_t id, uint32_t num)
{
	int err = put_once(fx, id, num);

	return err == -VFS_AGAIN ? put_once(fx, id, num) : err;
}

/* After what failed: nothing more is written, what is there is read, and
 * the next opening finds what was acknowledged. */
static void
is_latched(struct bad *b, int rows)
{
	struct engine_status st;
	struct fault_rec f[8];

	engine_status(b->fx.e, &st);
	assert_true(st.latched);
	assert_non_null(strstr(st.latch.text, "read-only"));
	assert_true(engine_faults(b->fx.e, 0, f, 8) > 0);
	assert_int_equal(try_put(&b->fx, 50, 1), -VFS_ROFS);
	assert_int_equal(fx_count(&b->fx), rows);
	engine_close(b->fx.e);
	memset(&broken, 0, sizeof(broken));
	broken.room = UINT64_MAX;
	fx_start(&b->fx);
	assert_int_equal(fx_count(&b->fx), rows);
	assert_int_equal(try_put(&b->fx, 50, 1), 0);
	fx_close(&b->fx);
}

static void
faults__damage_and_errors__counted_apart(void **state)
{
	struct engine_status st;
	struct txn *t;
	struct fx fx;

	(void)state;
	fx_init(&fx, true);
	fx_start(&fx);
	engine_status(fx.e, &st);
	assert_int_equal(st.faults_corrupt, 0);
	assert_int_equal(st.faults_io, 0);
	assert_int_equal(txn_begin(fx.e, TXN_READ, NULL, &t), 0);
	fault(t, -VFS_CORRUPT, "object 1");
	fault(t, -VFS_CORRUPT, "object 1");
	fault(t, -VFS_IO, "place 1");
	fault(t, -VFS_NOSPC, "no room");
	txn_abort(t);
	engine_status(fx.e, &st);
	assert_int_equal(st.faults_corrupt, 2);
	assert_int_equal(st.faults_io, 1);
	fx_close(&fx);
}

static void
latch__append_fails__not_visible(void **state)
{
	struct bad b;

	(void)state;
	bad_init(&b);
	fx_start(&b.fx);
	fx_put(&b.fx, 1, 1);
	broken.append = -VFS_IO;
	assert_int_equal(try_put(&b.fx, 2, 2), -VFS_IO);
	assert_int_equal(fx_get(&b.fx, 2), -1);
	broken.append = 0;
	is_latched(&b, 1);
}

static void
latch__log_sync_fails__is_never_tried_again(void **state)
{
	struct bad b;

	(void)state;
	bad_init(&b);
	fx_start(&b.fx);
	fx_put(&b.fx, 1, 1);
	broken.log_sync = -VFS_IO;
	assert_int_equal(engine_sync(b.fx.e), -VFS_IO);
	broken.log_sync = 0;
	broken.log_syncs = 0;
	assert_int_equal(engine_sync(b.fx.e), -VFS_IO);
	assert_int_equal(engine_checkpoint(b.fx.e), -VFS_IO);
	assert_int_equal(broken.log_syncs, 0);
	is_latched(&b, 1);
}

static void
latch__apply_fails__rows_stay_in_the_log(void **state)
{
	struct bad b;

	(void)state;
	bad_init(&b);
	fx_start(&b.fx);
	fx_put(&b.fx, 1, 1);
	broken.apply = -VFS_IO;
	assert_int_equal(engine_checkpoint(b.fx.e), -VFS_IO);
	is_latched(&b, 1);
}

static void
latch__data_write_fails__located(void **state)
{
	uint64_t block, gen;
	uint8_t bytes[VFS_BLOCK] = { 1 };
	struct bad b;
	uint32_t got;

	(void)state;
	bad_init(&b);
	fx_start(&b.fx);
	assert_int_equal(data_alloc(b.fx.e, 1, 0, &block, &got), 0);
	broken.data_write = -VFS_IO;
	assert_int_equal(data_put(b.fx.e, block, bytes, sizeof(bytes), &gen),
	    -VFS_IO);
	is_latched(&b, 0);
}

static void
latch__lease_cannot_be_written__no_id_is_given(void **state)
{
	struct vfs_id id;
	struct bad b;
	struct txn *t;
	int err = 0;
	unsigned i;

	(void)state;
	bad_init(&b);
	fx_start(&b.fx);
	broken.head = -VFS_IO;
	t = fx_begin(&b.fx, TXN_WRITE);
	for (i = 0; i < 70000 && err == 0; i++)
		err = txn_new_id(t, &id);
	assert_int_equal(err, -VFS_IO);
	assert_in_range(i, 60000, 65537);
	txn_abort(t);
	is_latched(&b, 0);
}

/* --- full ---------------------------------------------------------- */

static void
full__no_room_for_rows__said_at_commit_deletions_go_on(void **state)
{
	struct engine_status st;
	struct bad b;
	unsigned i, n = 0;
	int err;

	(void)state;
	bad_init(&b);
	broken.room = 24u << 20;
	fx_start(&b.fx);
	for (i = 0; i < 300000 && (err = try_put(&b.fx, i, i)) == 0; i++)
		n++;
	/* The mem store never fills; so shrink the host. */
	assert_int_equal(err, 0);
	assert_int_equal(engine_checkpoint(b.fx.e), 0);
	broken.room = 6u << 20;
	assert_int_equal(try_put(&b.fx, n, 0), 0);
	broken.room = 1u << 20;
	assert_int_equal(engine_checkpoint(b.fx.e), 0);
	assert_int_equal(try_put(&b.fx, n + 1, 0), -VFS_NOSPC);
	for (i = 0; i < 1000; i++)
		fx_del(&b.fx, i);
	assert_int_equal(try_put(&b.fx, n + 1, 0), -VFS_NOSPC);
	broken.room = UINT64_MAX;
	assert_int_equal(try_put(&b.fx, n + 1, 0), 0);
	engine_status(b.fx.e, &st);
	assert_false(st.latched);
	fx_close(&b.fx);
}

static void
full__apply_finds_no_room__tried_again_not_latched(void **state)
{
	struct bad b;

	(void)state;
	bad_init(&b);
	fx_start(&b.fx);
	fx_put(&b.fx, 1, 1);
	broken.apply = -VFS_NOSPC;
	assert_int_equal(engine_checkpoint(b.fx.e), -VFS_NOSPC);
	fx_put(&b.fx, 2, 2);
	assert_int_equal(fx_count(&b.fx), 2);
	broken.apply = 0;
	assert_int_equal(engine_checkpoint(b.fx.e), 0);
	assert_int_equal(engine_checkpoint(b.fx.e), 0);
	assert_int_equal(fx_count(&b.fx), 2);
	fx_reopen(&b.fx, true);
	assert_int_equal(fx_count(&b.fx), 2);
	fx_close(&b.fx);
}

static void
huge__commit_over_a_quarter_of_the_ring__refused(void **state)
{
	struct fx fx;
	struct txn *t;
	unsigned i;

	(void)state;
	fx_init(&fx, true);
	fx.conf.log_bytes = 1u << 20;
	fx.fill = 4000;
	fx_start(&fx);
	t = fx_begin(&fx, TXN_WRITE);
	for (i = 0; i < 70; i++)
		fx_row(&fx, t, ROW_INODE, i, i);
	assert_int_equal(txn_commit(t, NULL), -VFS_TX_LIMIT);
	assert_int_equal(fx_count(&fx), 0);
	t = fx_begin(&fx, TXN_WRITE);
	for (i = 0; i < 60; i++)
		fx_row(&fx, t, ROW_INODE, i, i);
	assert_int_equal(txn_commit(t, NULL), 0);
	fx_close(&fx);
}

/* --- flushes ------------------------------------------------------- */

static int
commit_extent(struct fx *fx, bool carry)
{
	struct rec_extent x = { .nblocks = 1 };
	uint8_t bytes[VFS_BLOCK] = { 7 }, sum[8] = { 0 }, buf[REC_EXTENT_MAX];
	struct row_key k;
	struct txn *t;
	uint64_t gen;
	uint32_t got;

	assert_int_equal(data_alloc(fx->e, 1, 0, &x.place, &got), 0);
	assert_int_equal(data_put(fx->e, x.place, bytes, sizeof(bytes), &gen),
	    0);
	assert_false(data_is_synced(fx->e, gen));
	x.sums = (struct vfs_slice){ sum, 8 };
	row_key_id2(&k, ROW_EXTENT, x.place, 0);
	t = fx_begin(fx, TXN_WRITE);
	txn_put(t, row_key_slice(&k), (struct vfs_slice){ buf,
	    rec_extent_encode(&x, buf) });
	if (carry)
		assert_int_equal(txn_carry(t, x.place, bytes, sizeof(bytes)),
		    0);
	return txn_commit(t, NULL);
}

static void
sync__bytes_carried__one_flush_else_two(void **state)
{
	struct bad b;

	(void)state;
	bad_init(&b);
	fx_start(&b.fx);
	/* The first one of an opening knows nothing yet. */
	assert_int_equal(commit_extent(&b.fx, false), 0);
	assert_int_equal(engine_sync(b.fx.e), 0);
	broken.log_syncs = broken.data_syncs = 0;
	assert_int_equal(commit_extent(&b.fx, true), 0);
	assert_int_equal(engine_sync(b.fx.e), 0);
	assert_int_equal(broken.log_syncs, 1);
	assert_int_equal(broken.data_syncs, 0);
	assert_int_equal(commit_extent(&b.fx, false), 0);
	assert_int_equal(engine_sync(b.fx.e), 0);
	assert_int_equal(broken.log_syncs, 2);
	assert_int_equal(broken.data_syncs, 1);
	assert_int_equal(engine_sync(b.fx.e), 0);
	assert_int_equal(broken.log_syncs, 2);
	/* Before the log is trimmed, carried bytes go to the disk too. */
	assert_int_equal(commit_extent(&b.fx, true), 0);
	assert_int_equal(engine_sync(b.fx.e), 0);
	assert_int_equal(broken.data_syncs, 1);
	assert_int_equal(engine_checkpoint(b.fx.e), 0);
	assert_int_equal(broken.data_syncs, 2);
	fx_close(&b.fx);
}

/* --- stores that are not to be opened ------------------------------ */

static void
open__in_use__busy(void **state)
{
	struct engine *other = NULL;
	struct fx fx;

	(void)state;
	fx_open(&fx, false);
	assert_int_equal(engine_open(&fx.conf, &other), -VFS_BUSY);
	fx_close(&fx);
}

static void
open__nothing_there__corrupt(void **state)
{
	struct fx fx;

	(void)state;
	fx_init(&fx, false);
	fx.conf.create = false;
	fx.conf.report = said;
	assert_int_equal(engine_open(&fx.conf, &fx.e), -VFS_CORRUPT);
	assert_string_equal(broken.said, "the log is missing");
	fx_fini(&fx);
}

static void
open__other_format__version(void **state)
{
	char head[80] = "vfsdlog9";
	struct fx fx;
	void *log;

	(void)state;
	fx_open(&fx, true);
	fx_stop(&fx, false);
	assert_int_equal(be_log_mem.open(fx.conf.dirfd, false, false, 0, &log),
	    0);
	assert_int_equal(be_log_mem.head_put(log, head, sizeof(head)), 0);
	be_log_mem.close(log);
	assert_int_equal(engine_open(&fx.conf, &fx.e), -VFS_VERSION);
	fx_fini(&fx);
}

/* Flip a byte of a row in LMDB's file: the child finds it. */
static void
open__damaged_row_after_kill__names_it(void **state)
{
	static char file[1u << 20];
	static char mark[] = "a row that will be damaged";
	char path[96], *at;
	struct row_key k;
	struct fx fx;
	struct txn *t;
	ssize_t n;
	int fd;

	(void)state;
	fx_init(&fx, false);
	fx.conf.report = said;
	fx_start(&fx);
	t = fx_begin(&fx, TXN_WRITE);
	row_key_id(&k, ROW_INODE, 4711);
	txn_put(t, row_key_slice(&k), (struct vfs_slice){ mark,
	    sizeof(mark) });
	assert_int_equal(txn_commit(t, NULL), 0);
	assert_int_equal(engine_checkpoint(fx.e), 0);
	fx_stop(&fx, true);
	snprintf(path, sizeof(path), "%s/rows.mdb", fx.dir);
	fd = open(path, O_RDWR);
	n = read(fd, file, sizeof(file));
	at = memmem(file, (size_t)n, mark, sizeof(mark));
	assert_non_null(at);
	assert_int_equal(pwrite(fd, "A", 1, at - file), 1);
	close(fd);
	assert_int_equal(engine_open(&fx.conf, &fx.e), -VFS_CORRUPT);
	assert_non_null(strstr(broken.said, "B 4711"));
	fx_fini(&fx);
}

static int
lossy_scan(void *self, const struct store_scan *to)
{
	struct vfs_slice none = { NULL, 0 };

	if (broken.lossy)
		to->lost(to->arg, none, none, "page 7 is gone");
	return be_store_mem.scan(self, to);
}

static void
open__rows_lost_after_kill__says_why(void **state)
{
	struct bad b;

	(void)state;
	bad_init(&b);
	b.store.scan = lossy_scan;
	fx_start(&b.fx);
	fx_put(&b.fx, 1, 1);
	fx_stop(&b.fx, true);
	broken.lossy = true;
	assert_int_equal(engine_open(&b.fx.conf, &b.fx.e), -VFS_CORRUPT);
	assert_non_null(strstr(broken.said, "page 7 is gone"));
	broken.lossy = false;
	fx_start(&b.fx);
	fx_close(&b.fx);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(faults__damage_and_errors__counted_apart),
		cmocka_unit_test(latch__append_fails__not_visible),
		cmocka_unit_test(latch__log_sync_fails__is_never_tried_again),
		cmocka_unit_test(latch__apply_fails__rows_stay_in_the_log),
		cmocka_unit_test(latch__data_write_fails__located),
		cmocka_unit_test(latch__lease_cannot_be_written__no_id_is_given),
		cmocka_unit_test(
		    full__no_room_for_rows__said_at_commit_deletions_go_on),
		cmocka_unit_test(
		    full__apply_finds_no_room__tried_again_not_latched),
		cmocka_unit_test(
		    huge__commit_over_a_quarter_of_the_ring__refused),
		cmocka_unit_test(sync__bytes_carried__one_flush_else_two),
		cmocka_unit_test(open__in_use__busy),
		cmocka_unit_test(open__nothing_there__corrupt),
		cmocka_unit_test(open__other_format__version),
		cmocka_unit_test(open__damaged_row_after_kill__names_it),
		cmocka_unit_test(open__rows_lost_after_kill__says_why),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
