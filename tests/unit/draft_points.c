/*
 * Drafts: what publishes one, what survives which stop, and what times,
 * versions and the journal say of it.
 */
#include "../../vfsd/core/content.h"
#include "../../vfsd/engine/engine_impl.h"
#include "../cm.h"

static uint8_t big[40 * VFS_BLOCK], got[40 * VFS_BLOCK];

static uint64_t
drafts(struct fx *fx)
{
	struct engine_status st;

	engine_status(fx->e, &st);
	return st.drafts;
}

/* DATA records of the journal. */
static unsigned
data_records(struct fx *fx)
{
	static const uint8_t first = ROW_JOURNAL;
	struct vfs_slice key, val;
	struct rec_journal j;
	struct txn_cur *c;
	struct txn *t;
	unsigned n = 0;
	int err;

	assert_int_equal(txn_begin(fx->e, TXN_READ, &fx->env, &t), 0);
	assert_int_equal(txn_cur_open(t, &c), 0);
	err = txn_cur_seek(c, (struct vfs_slice){ &first, 1 }, &key, &val);
	while (err == 0 && *(const uint8_t *)key.p == ROW_JOURNAL) {
		assert_int_equal(rec_journal_decode(val, &j), 0);
		n += j.kind == JOURNAL_DATA;
		err = txn_cur_next(c, &key, &val);
	}
	txn_abort(t);
	return n;
}

static int
cut(struct fx *fx, const char *path)
{
	struct vfs_open q = { .id = fx_id(fx, path),
		.flags = VFS_OPEN_WRITE | VFS_OPEN_TRUNC };
	struct vfs_open_reply r;

	return fx_op_open(fx, &q, &r);
}

static int
publish(struct fx *fx, const char *path, uint32_t carry_max)
{
	struct vfs_publish q = { .id = fx_id(fx, path),
		.carry_max = carry_max };
	struct vfs_publish_reply r;

	return fx_op_publish(fx, &q, &r);
}

/* Padding may differ. */
static void
assert_same(const struct vfs_attr *a, const struct vfs_attr *b)
{
	assert_int_equal(a->size, b->size);
	assert_int_equal(a->alloc, b->alloc);
	assert_int_equal(a->mode, b->mode);
	assert_time_equal(a->mtime, b->mtime);
	assert_time_equal(a->ctime, b->ctime);
	assert_int_equal(a->data_version, b->data_version);
	assert_int_equal(a->meta_version, b->meta_version);
}

/* --- stops -------------------------------------------------------------- */

static void
draft__killed__all_of_it_is_there(void **state)
{
	struct fx *fx = *state;

	memset(big, 1, sizeof big);
	assert_int_equal(fx_create(fx, "/f", 0644), 0);
	assert_int_equal(fx_create(fx, "/g", 0644), 0);
	assert_int_equal(fx_write(fx, "/f", 0, big, sizeof big), 0);
	assert_int_equal(fx_write(fx, "/g", 3, "abc", 3), 0);
	fx_reopen(fx);
	assert_int_equal(drafts(fx), 2);
	assert_int_equal(fx_publish_all(fx), 0);
	assert_int_equal(drafts(fx), 0);
	assert_int_equal(fx_read(fx, "/f", 0, got, sizeof got), sizeof got);
	assert_memory_equal(big, got, sizeof got);
	assert_int_equal(fx_read(fx, "/g", 0, got, 9), 6);
	assert_memory_equal(got, "\0\0\0abc", 6);
	assert_int_equal(fx_check(fx), 0);
}

static void
draft__other_boot__last_publish_point(void **state)
{
	struct fx *fx = *state;
	struct vfs_attr a, b;

	memset(big, 1, sizeof big);
	assert_int_equal(fx_create(fx, "/f", 0644), 0);
	assert_int_equal(fx_write(fx, "/f", 0, big, sizeof big), 0);
	assert_int_equal(fx_publish(fx, "/f"), 0);
	assert_int_equal(fx_stat(fx, "/f", &a), 0);
	assert_int_equal(fx_write(fx, "/f", 100, "zzz", 3), 0);
	assert_int_equal(fx_write(fx, "/f", sizeof big, "zzz", 3), 0);
	assert_int_equal(cut(fx, "/f"), 0);
	assert_int_equal(fx_write(fx, "/f", 0, "new", 3), 0);
	fx_reboot(fx);
	assert_int_equal(drafts(fx), 0);
	assert_int_equal(fx_stat(fx, "/f", &b), 0);
	assert_same(&a, &b);
	assert_int_equal(fx_read(fx, "/f", 0, got, sizeof got), sizeof got);
	assert_memory_equal(big, got, sizeof got);
	assert_int_equal(fx_check(fx), 0);
}

static void
draft__checkpoint_then_kill__kept(void **state)
{
	struct fx *fx = *state;
	int i;

	assert_int_equal(fx_create(fx, "/f", 0644), 0);
	assert_int_equal(fx_write(fx, "/f", 0, "abc", 3), 0);
	for (i = 0; i < 3; i++) {
		assert_int_equal(fx_create(fx, i == 0 ? "/x" : i == 1 ?
		    "/y" : "/z", 0644), 0);
		assert_int_equal(engine_checkpoint(fx->e), 0);
	}
	fx_reopen(fx);
	assert_int_equal(drafts(fx), 1);
	assert_int_equal(fx_read(fx, "/f", 0, got, 9), 3);
	assert_int_equal(engine_checkpoint(fx->e), 0);
	fx_reboot(fx);
	assert_int_equal(fx_read(fx, "/f", 0, got, 9), 0);
}

/* "Write a new file, rename it over the old one": one or the other. */
static void
rename__over__publishes_with_the_name(void **state)
{
	struct fx *fx = *state;

	assert_int_equal(fx_create(fx, "/new", 0644), 0);
	assert_int_equal(fx_create(fx, "/old", 0644), 0);
	assert_int_equal(fx_write(fx, "/new", 0, "abc", 3), 0);
	assert_int_equal(drafts(fx), 1);
	assert_int_equal(fx_rename(fx, "/new", "/old", 0), 0);
	assert_int_equal(drafts(fx), 0);
	fx_reboot(fx);
	assert_int_equal(fx_read(fx, "/old", 0, got, 9), 3);
}

static void
other_changes__of_a_draft__publish_it(void **state)
{
	struct fx *fx = *state;
	int i;

	assert_int_equal(fx_create(fx, "/f", 0644), 0);
	for (i = 0; i < 6; i++) {
		assert_int_equal(fx_write(fx, "/f", 0, "abc", 3), 0);
		assert_int_equal(drafts(fx), 1);
		switch (i) {
		case 0:
			assert_int_equal(fx_chmod(fx, "/f", 0600), 0);
			break;
		case 1:
			assert_int_equal(fx_link(fx, "/f", "/g"), 0);
			break;
		case 2:
			assert_int_equal(fx_unlink(fx, "/g"), 0);
			break;
		case 3:
			assert_int_equal(fx_truncate(fx, "/f", 2), 0);
			break;
		case 4:
			assert_int_equal(fx_setxattr(fx, "/f", "user.a", "1",
			    1, 0), 0);
			break;
		default:
			assert_int_equal(fx_chown(fx, "/f", 5, 5), 0);
			break;
		}
		assert_int_equal(drafts(fx), 0);
		assert_int_equal(fx_check(fx), 0);
	}
}

/* --- times, versions, journal ------------------------------------------- */

static void
write__clock_stands__times_move_versions_wait(void **state)
{
	struct fx *fx = *state;
	struct vfs_attr a, b, c;
	unsigned n;

	fx->step_ns = 0;
	assert_int_equal(fx_create(fx, "/f", 0644), 0);
	assert_int_equal(fx_stat(fx, "/f", &a), 0);
	n = data_records(fx);
	assert_int_equal(fx_write(fx, "/f", 0, "abc", 3), 0);
	assert_int_equal(fx_stat(fx, "/f", &b), 0);
	assert_time_equal(b.mtime, b.ctime);
	assert_int_equal(b.ctime.nsec, a.ctime.nsec + 1);
	assert_int_equal(b.data_version, a.data_version);
	assert_int_equal(fx_write(fx, "/f", 0, "abc", 3), 0);
	assert_int_equal(fx_stat(fx, "/f", &c), 0);
	assert_int_equal(c.ctime.nsec, b.ctime.nsec + 1);
	assert_int_equal(data_records(fx), n);
	assert_int_equal(fx_publish(fx, "/f"), 0);
	assert_int_equal(fx_stat(fx, "/f", &b), 0);
	assert_time_equal(b.ctime, c.ctime);
	assert_time_equal(b.mtime, c.mtime);
	assert_true(b.data_version > a.data_version);
	assert_int_equal(b.meta_version, a.meta_version);
	assert_int_equal(data_records(fx), n + 1);
}

static void
open__atime__only_when_due_and_nothing_else(void **state)
{
	struct fx *fx = *state;
	struct vfs_open q = { .flags = VFS_OPEN_READ | VFS_OPEN_ATIME };
	struct vfs_open_reply r;
	struct vfs_attr a, b;
	struct txn *t;

	assert_int_equal(fx_create(fx, "/f", 0644), 0);
	assert_int_equal(fx_write(fx, "/f", 0, "abc", 3), 0);
	assert_int_equal(fx_publish(fx, "/f"), 0);
	q.id = fx_id(fx, "/f");
	assert_int_equal(fx_stat(fx, "/f", &a), 0);
	assert_int_equal(fx_op_open(fx, &q, &r), 0);
	assert_int_equal(fx_stat(fx, "/f", &b), 0);
	assert_true(b.atime.nsec > a.atime.nsec);
	assert_same(&a, &b);
	assert_int_equal(txn_begin(fx->e, TXN_READ, &fx->env, &t), 0);
	assert_int_equal(peek_open(t, &q, false, &r), 1);
	txn_abort(t);
	fx->env.now.sec += 86400;	/* a day later it is due again */
	assert_int_equal(txn_begin(fx->e, TXN_READ, &fx->env, &t), 0);
	assert_int_equal(peek_open(t, &q, false, &r), 0);
	assert_int_equal(peek_open(t, &q, true, &r), 1);
	txn_abort(t);
}

static void
open__atime_of_a_draft__stays_a_draft(void **state)
{
	struct fx *fx = *state;
	struct vfs_open q = { .flags = VFS_OPEN_READ | VFS_OPEN_ATIME };
	struct vfs_open_reply r;

	assert_int_equal(fx_create(fx, "/f", 0644), 0);
	assert_int_equal(fx_write(fx, "/f", 0, "abc", 3), 0);
	q.id = fx_id(fx, "/f");
	assert_int_equal(fx_op_open(fx, &q, &r), 0);
	assert_int_equal(drafts(fx), 1);
	fx_reopen(fx);
	assert_int_equal(fx_read(fx, "/f", 0, got, 9), 3);
	assert_int_equal(fx_publish_all(fx), 0);
	assert_int_equal(fx_check(fx), 0);
}

/* --- carried bytes ------------------------------------------------------ */

static uint64_t
data_syncs(struct fx *fx)
{
	struct engine_status st;

	engine_status(fx->e, &st);
	return st.data_syncs;
}

static void
fsync__small_append__one_flush(void **state)
{
	struct fx *fx = *state;
	uint64_t n;

	memset(big, 7, sizeof big);
	assert_int_equal(fx_create(fx, "/f", 0644), 0);
	assert_int_equal(fx_write(fx, "/f", 0, big, 8 * VFS_BLOCK), 0);
	assert_int_equal(engine_sync(fx->e), 0);	/* the first: all */
	n = data_syncs(fx);
	assert_int_equal(fx_write(fx, "/f", 0, big, 8 * VFS_BLOCK), 0);
	assert_int_equal(publish(fx, "/f", 65536), 0);
	assert_int_equal(engine_sync(fx->e), 0);
	assert_int_equal(data_syncs(fx), n);
	assert_int_equal(fx_write(fx, "/f", 8 * VFS_BLOCK, big, 4096), 0);
	assert_int_equal(publish(fx, "/f", 65536), 0);
	assert_int_equal(engine_sync(fx->e), 0);
	assert_int_equal(data_syncs(fx), n);
	/* One block more than fits: the data file is flushed. */
	assert_int_equal(fx_write(fx, "/f", 0, big, 17 * VFS_BLOCK), 0);
	assert_int_equal(publish(fx, "/f", 65536), 0);
	assert_int_equal(engine_sync(fx->e), 0);
	assert_int_equal(data_syncs(fx), n + 1);
}

static void
fsync__carried_bytes_lost_from_disk__recovered(void **state)
{
	struct fx *fx = *state;
	uint8_t zero[VFS_BLOCK] = { 0 };
	struct node n;
	struct txn *t;
	struct ext x;

	memset(big, 7, sizeof big);
	assert_int_equal(fx_create(fx, "/f", 0644), 0);
	assert_int_equal(fx_write(fx, "/f", 0, big, 4096), 0);
	assert_int_equal(publish(fx, "/f", 65536), 0);
	assert_int_equal(engine_sync(fx->e), 0);
	assert_int_equal(txn_begin(fx->e, TXN_READ, &fx->env, &t), 0);
	assert_int_equal(node_get(t, fx_id(fx, "/f"), &n), 0);
	assert_int_equal(ext_find(t, &n, 0, &x), 0);
	txn_abort(t);
	assert_int_equal(fx->e->dops->write(fx->e->data,
	    x.place * VFS_BLOCK, zero, sizeof zero), 0);
	fx_reboot(fx);
	assert_int_equal(fx_read(fx, "/f", 0, got, 8192), 4096);
	assert_memory_equal(got, big, 4096);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		FX_TEST(draft__killed__all_of_it_is_there),
		FX_TEST(draft__other_boot__last_publish_point),
		FX_TEST(draft__checkpoint_then_kill__kept),
		FX_TEST(rename__over__publishes_with_the_name),
		FX_TEST(other_changes__of_a_draft__publish_it),
		FX_TEST(write__clock_stands__times_move_versions_wait),
		FX_TEST(open__atime__only_when_due_and_nothing_else),
		FX_TEST(open__atime_of_a_draft__stays_a_draft),
		FX_TEST(fsync__small_append__one_flush),
		FX_TEST(fsync__carried_bytes_lost_from_disk__recovered),
	};

	return cmocka_run_group_tests_name("draft_points", tests, NULL,
	    NULL);
}
