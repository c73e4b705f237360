/* A log that is lost is made anew, if that is asked for. */
#include <fcntl.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cmocka.h>

#include "../../vfsd/core/record.h"
#include "../../vfsd/engine/engine.h"
#include "engine_fx.h"

#define RING_AT	65536

static int
lost_open(struct fx *fx, struct engine_lost *lost, bool anew)
{
	int err;

	fx->conf.now.sec++;
	fx->conf.lost = lost;
	fx->conf.log_anew = anew;
	fx->conf.create = false;
	err = engine_open(&fx->conf, &fx->e);
	fx->conf.log_anew = false;
	fx->conf.lost = NULL;
	return err;
}

static void
is_refused(struct fx *fx, const char *what)
{
	struct engine_lost lost = { NULL, NULL };
	struct stat was = { 0 }, is = { 0 };

	(void)fstatat(fx->conf.dirfd, "log", &was, 0);
	assert_int_equal(lost_open(fx, &lost, false), -VFS_CORRUPT);
	assert_string_equal(lost.what, what);
	assert_null(lost.kept);
	(void)fstatat(fx->conf.dirfd, "log", &is, 0);
	assert_true(was.st_ino == is.st_ino && was.st_size == is.st_size);
}

static void
anew(struct fx *fx, const char *what, const char *kept)
{
	struct engine_lost lost = { NULL, NULL };

	is_refused(fx, what);
	assert_int_equal(lost_open(fx, &lost, true), 0);
	assert_string_equal(lost.what, what);
	if (kept != NULL)
		assert_string_equal(lost.kept, kept);
	else
		assert_null(lost.kept);
}

static void
overwrite(struct fx *fx, off_t at, size_t n)
{
	int fd = openat(fx->conf.dirfd, "log", O_WRONLY);
	char *noise = malloc(n);

	assert_non_null(noise);
	memset(noise, 0x5a, n);
	assert_int_equal(pwrite(fd, noise, n, at), n);
	free(noise);
	close(fd);
}

static void
numbers(struct fx *fx, uint64_t out[2])
{
	struct txn *t = fx_begin(fx, TXN_WRITE);
	struct vfs_seq seq;
	struct vfs_id id;

	assert_int_equal(txn_new_id(t, &id), 0);
	assert_int_equal(fx_row(fx, t, ROW_INODE, id.n, 1), 0);
	assert_int_equal(txn_commit(t, &seq), 0);
	out[0] = id.n;
	out[1] = seq.n;
}

/* The clock was years ahead once: it does not tell what was given out. */
static void
lost__with_a_clock_behind__numbers_go_on(void **state)
{
	uint64_t was[2], is[2];
	struct fx fx;
	int i;

	(void)state;
	fx_init(&fx, false);
	fx.conf.now.sec += 5 * 365 * 86400;
	fx_start(&fx);
	numbers(&fx, is);
	assert_int_equal(engine_checkpoint(fx.e), 0);
	for (i = 0; i < 100; i++)
		numbers(&fx, was);
	fx_stop(&fx, true);
	fx.conf.now.sec -= 5 * 365 * 86400;
	/* Each opening went on, and nothing of it is in the rows. */
	for (i = 0; i < 3; i++) {
		fx_start(&fx);
		numbers(&fx, was);
		fx_stop(&fx, true);
	}
	assert_int_equal(unlinkat(fx.conf.dirfd, "log", 0), 0);
	anew(&fx, "the log is missing", NULL);
	assert_int_equal(fx_get(&fx, is[0]), 1);
	assert_int_equal(fx_get(&fx, was[0]), -1);
	numbers(&fx, is);
	assert_true(is[0] > was[0] + 65536 && is[1] > was[1] + 65536);
	fx_reopen(&fx, true);
	numbers(&fx, was);
	assert_true(was[0] > is[0] && was[1] > is[1]);
	fx_close(&fx);
}

/* Only the header: every record is still there, drafts too. */
static void
lost__the_header__records_are_replayed(void **state)
{
	struct txn *t;
	struct fx fx;

	(void)state;
	fx_open(&fx, false);
	fx_put(&fx, 1, 1);
	assert_int_equal(engine_checkpoint(fx.e), 0);
	fx_put(&fx, 2, 2);
	fx_draft(&fx, 1, 3);
	fx_stop(&fx, true);
	overwrite(&fx, 0, 8192);
	anew(&fx, "the log's header is damaged", "log.damaged");
	assert_int_equal(fx_get(&fx, 1), 1);
	assert_int_equal(fx_get(&fx, 2), 2);
	t = fx_begin(&fx, TXN_READ);
	assert_int_equal(fx_see(t, ROW_DRAFT, 1), 3);
	txn_abort(t);
	fx_reopen(&fx, true);
	assert_int_equal(fx_get(&fx, 2), 2);
	fx_close(&fx);
}

/* --- a checkpoint has got half of it into the rows ------------------ */

static struct {
	struct store_ops ops;
	unsigned left;			/* batches until it fails */
} half;

static int
half_apply(void *self, const struct store_batch *b)
{
	if (half.left == 0)
		return -VFS_IO;
	half.left--;
	return be_store_lmdb.apply(self, b);
}

static void
half_checkpoint(struct fx *fx)
{
	struct txn *t;
	uint32_t i;

	half.ops = be_store_lmdb;
	half.ops.apply = half_apply;
	half.left = UINT32_MAX;
	fx_init(fx, false);
	fx->conf.store = &half.ops;
	fx->conf.no_threads = true;
	fx->conf.log_bytes = 64u << 20;
	fx_start(fx);
	fx_put(fx, 1, 1);
	assert_int_equal(engine_checkpoint(fx->e), 0);
	t = fx_begin(fx, TXN_WRITE);
	for (i = 2; i <= STORE_BATCH_MAX + 100; i++)
		assert_int_equal(fx_row(fx, t, ROW_INODE, i, i), 0);
	assert_int_equal(txn_commit(t, NULL), 0);
	half.left = 1;
	assert_int_equal(engine_checkpoint(fx->e), -VFS_IO);
	half.left = UINT32_MAX;
	fx_stop(fx, true);
}

static void
lost__behind_half_a_checkpoint__opens_after_a_repair(void **state)
{
	struct fx fx;
	int i;

	(void)state;
	for (i = 0; i < 2; i++) {
		half_checkpoint(&fx);
		if (i == 0)
			assert_int_equal(unlinkat(fx.conf.dirfd, "log", 0), 0);
		else
			overwrite(&fx, RING_AT, 8u << 20);
		anew(&fx, i == 0 ? "the log is missing" : "the log ends "
		    "before what a checkpoint has seen of it", NULL);
		assert_int_equal(fx_get(&fx, 1), 1);
		assert_int_equal(fx_get(&fx, 2), 2);
		assert_int_equal(fx_get(&fx, STORE_BATCH_MAX + 50), -1);
		fx_reopen(&fx, true);
		assert_int_equal(fx_get(&fx, 1), 1);
		fx_close(&fx);
	}
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(lost__with_a_clock_behind__numbers_go_on),
		cmocka_unit_test(lost__the_header__records_are_replayed),
		cmocka_unit_test(
		    lost__behind_half_a_checkpoint__opens_after_a_repair),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
