/*
 * Every row backend keeps store.h.
 */
#include <fcntl.h>
#include <stdlib.h>

#include "../../backends/backends.h"
#include "../../backends/mem/mem.h"
#include "../../protocol/limits.h"
#include "../scratch.h"
#include "cases.h"
#include "hostcalls.h"

struct fx {
	const struct store_ops *ops;
	struct scratch dir;
	void *s;
};

static bool
on_disk(const struct fx *fx)
{
	return fx->ops != &be_store_mem;
}

static struct vfs_slice
str(const char *p)
{
	return (struct vfs_slice){ p, strlen(p) };
}

static const struct vfs_slice absent;	/* as a value: delete */

static int
put1(struct fx *fx, struct vfs_slice key, struct vfs_slice val)
{
	struct store_row row = { key, val };
	struct store_batch b = { &row, 1 };

	return fx->ops->apply(fx->s, &b);
}

static void
put_ok(struct fx *fx, const char *key, const char *val)
{
	assert_int_equal(put1(fx, str(key), val ? str(val) : absent), 0);
}

static void *
snap(struct fx *fx)
{
	void *p = NULL;

	assert_int_equal(fx->ops->snap_begin(fx->s, &p), 0);
	return p;
}

static void
assert_slice(struct vfs_slice got, struct vfs_slice want)
{
	assert_int_equal(got.n, want.n);
	assert_memory_equal(got.p, want.p, want.n);
}

static void
assert_get(struct fx *fx, void *sn, const char *key, const char *want)
{
	struct vfs_slice val;
	int err = fx->ops->get(sn, str(key), &val);

	assert_int_equal(err, want ? 0 : -VFS_NOENT);
	if (want)
		assert_slice(val, str(want));
}

/* What a fresh snapshot says. */
static void
assert_now(struct fx *fx, const char *key, const char *want)
{
	void *sn = snap(fx);

	assert_get(fx, sn, key, want);
	fx->ops->snap_end(sn);
}

/* The keys of a snapshot from a place on, each followed by a space. */
static void
assert_keys(struct fx *fx, void *sn, const char *from, const char *want)
{
	struct vfs_slice key, val;
	char got[256] = "";
	void *cur;
	int err;

	assert_int_equal(fx->ops->cur_open(sn, &cur), 0);
	for (err = fx->ops->cur_seek(cur, str(from), &key, &val); err == 0;
	    err = fx->ops->cur_next(cur, &key, &val)) {
		strncat(got, key.p, key.n);
		strcat(got, " ");
	}
	fx->ops->cur_close(cur);
	assert_int_equal(err, -VFS_NOENT);
	assert_string_equal(got, want);
}

static void
reopen(struct fx *fx, bool rdonly)
{
	fx->ops->close(fx->s);
	fx->s = NULL;
	assert_int_equal(fx->ops->open(fx->dir.dirfd, false, rdonly,
	    &fx->s), 0);
}

static int
fx_in(void **state, int (*dir)(struct scratch *, size_t), size_t bytes)
{
	struct fx *fx = calloc(1, sizeof *fx);

	fx->ops = *state;
	*state = fx;
	if ((dir ? dir(&fx->dir, bytes) : scratch_open(&fx->dir)) < 0) {
		fx->dir.dirfd = -1;
		return dir ? 0 : -1;
	}
	hostcalls_reset();
	return fx->ops->open(fx->dir.dirfd, true, false, &fx->s);
}

static int
setup(void **state)
{
	return fx_in(state, NULL, 0);
}

static int
setup_tmpfs(void **state)
{
	return fx_in(state, scratch_open_tmpfs, 8 << 20);
}

static int
setup_ext4(void **state)
{
	return fx_in(state, scratch_open_ext4, 32 << 20);
}

static int
setup_big_ext4(void **state)
{
	return fx_in(state, scratch_open_ext4, 64 << 20);
}

static int
teardown(void **state)
{
	struct fx *fx = *state;

	hostcalls_reset();
	if (fx->s)
		fx->ops->close(fx->s);
	if (fx->dir.dirfd >= 0) {
		be_mem_forget(fx->dir.dirfd);
		scratch_close(&fx->dir);
	}
	free(fx);
	return 0;
}

/* --- opening ------------------------------------------------------- */

static void
store__open_where_none__noent(void **state)
{
	struct fx *fx = *state;
	struct scratch d;
	uint64_t before;
	void *s;

	assert_int_equal(scratch_open(&d), 0);
	before = scratch_digest(&d);
	assert_int_equal(fx->ops->open(d.dirfd, false, false, &s), -VFS_NOENT);
	assert_int_equal(fx->ops->open(d.dirfd, false, true, &s), -VFS_NOENT);
	assert_true(scratch_digest(&d) == before);
	scratch_close(&d);
}

static void
store__create__is_empty(void **state)
{
	struct fx *fx = *state;
	struct store_usage u;
	void *sn = snap(fx);

	assert_keys(fx, sn, "", "");
	assert_get(fx, sn, "a", NULL);
	fx->ops->snap_end(sn);
	assert_int_equal(fx->ops->usage(fx->s, &u), 0);
	assert_int_equal(u.rows, 0);
}

/* The file is synced before it gets its name, the directory after. */
static void
store__create__syncs_the_directory(void **state)
{
	(void)state;
	assert_string_equal(hostcalls_seen(), "frd");
}

static void
store__create_where_one_is__keeps_it(void **state)
{
	struct fx *fx = *state;

	put_ok(fx, "a", "1");
	fx->ops->close(fx->s);
	hostcalls_reset();
	assert_int_equal(fx->ops->open(fx->dir.dirfd, true, false, &fx->s), 0);
	assert_string_equal(hostcalls_seen(), on_disk(fx) ? "d" : "");
	assert_now(fx, "a", "1");
}

static void
store__any_sync_of_create_fails__creates_nothing(void **state)
{
	struct fx *fx = *state;
	struct scratch d;
	unsigned n;
	void *s;
	int err;

	for (n = 0; ; n++) {
		assert_int_equal(scratch_open(&d), 0);
		hostcalls_fail_sync(n, EIO);
		err = fx->ops->open(d.dirfd, true, false, &s);
		if (err == 0)
			fx->ops->close(s);
		else
			assert_int_equal(err, -VFS_IO);
		assert_int_equal(err < 0, hostcalls_failed());
		if (err < 0)
			assert_int_equal(scratch_count(&d), 0);
		be_mem_forget(d.dirfd);
		scratch_close(&d);
		if (err == 0)
			break;
	}
	assert_int_equal(n, on_disk(fx) ? 2 : 0);
}

static void
store__reopen__finds_all_rows(void **state)
{
	struct fx *fx = *state;

	put_ok(fx, "b", "2");
	put_ok(fx, "a", "1");
	put_ok(fx, "b", NULL);
	put_ok(fx, "c", "3");
	reopen(fx, false);
	assert_now(fx, "a", "1");
	assert_now(fx, "b", NULL);
	assert_now(fx, "c", "3");
}

static void
store__rdonly__writes_nothing(void **state)
{
	struct fx *fx = *state;
	uint64_t before;
	void *sn;

	put_ok(fx, "a", "1");
	fx->ops->close(fx->s);
	fx->s = NULL;
	before = scratch_digest(&fx->dir);
	assert_int_equal(fx->ops->open(fx->dir.dirfd, false, true, &fx->s), 0);
	sn = snap(fx);
	assert_get(fx, sn, "a", "1");
	assert_keys(fx, sn, "", "a ");
	assert_int_equal(put1(fx, str("b"), str("2")), -VFS_ROFS);
	assert_int_equal(fx->ops->reserve(fx->s, 1), -VFS_ROFS);
	fx->ops->snap_end(sn);
	fx->ops->close(fx->s);
	fx->s = NULL;
	assert_true(scratch_digest(&fx->dir) == before);
}

/* --- rows ---------------------------------------------------------- */

static void
store__keys__are_in_memcmp_order(void **state)
{
	static const char *const in[] = {
		"a", "aa", "ab", "b", "ba", "\x7f", "\x80", "\xff", "\xff\xff",
	};
	struct fx *fx = *state;
	struct store_row rows[9];
	struct store_batch b = { rows, 9 };
	void *sn;
	size_t i;

	for (i = 0; i < 9; i++)
		rows[i] = (struct store_row){ str(in[i]), str("") };
	assert_int_equal(fx->ops->apply(fx->s, &b), 0);
	sn = snap(fx);
	assert_keys(fx, sn, "",
	    "a aa ab b ba \x7f \x80 \xff \xff\xff ");
	assert_keys(fx, sn, "ab", "ab b ba \x7f \x80 \xff \xff\xff ");
	fx->ops->snap_end(sn);
}

static void
store__put_again__replaces(void **state)
{
	struct fx *fx = *state;

	put_ok(fx, "a", "1");
	put_ok(fx, "a", "longer than before");
	assert_now(fx, "a", "longer than before");
	put_ok(fx, "a", "");
	assert_now(fx, "a", "");
}

static void
store__delete__leaves_no_row(void **state)
{
	struct fx *fx = *state;
	void *sn;

	put_ok(fx, "a", "1");
	put_ok(fx, "b", "2");
	put_ok(fx, "a", NULL);
	sn = snap(fx);
	assert_keys(fx, sn, "", "b ");
	fx->ops->snap_end(sn);
}

static void
store__delete_of_absent__is_fine(void **state)
{
	struct fx *fx = *state;

	put_ok(fx, "x", NULL);
	put_ok(fx, "b", "2");
	put_ok(fx, "a", NULL);
	put_ok(fx, "z", NULL);
	assert_now(fx, "b", "2");
}

static void
store__batch_of_puts_and_deletes__does_all(void **state)
{
	struct fx *fx = *state;
	struct store_row rows[] = {
		{ str("a"), str("1") }, { str("b"), absent },
		{ str("c"), str("3") }, { str("d"), absent },
		{ str("e"), str("5") }, { str("f"), absent },
	};
	struct store_batch b = { rows, 6 };
	void *sn;

	put_ok(fx, "b", "old");
	put_ok(fx, "c", "old");
	put_ok(fx, "d", "old");
	assert_int_equal(fx->ops->apply(fx->s, &b), 0);
	sn = snap(fx);
	assert_keys(fx, sn, "", "a c e ");
	assert_get(fx, sn, "c", "3");
	fx->ops->snap_end(sn);
}

static void
store__empty_batch__is_fine(void **state)
{
	struct fx *fx = *state;
	struct store_batch b = { NULL, 0 };

	assert_int_equal(fx->ops->apply(fx->s, &b), 0);
	put_ok(fx, "a", "1");
	assert_int_equal(fx->ops->apply(fx->s, &b), 0);
	assert_now(fx, "a", "1");
}

static void
store__key_at_limit__fits_and_past_it_not(void **state)
{
	struct fx *fx = *state;
	char key[VFS_KEY_MAX + 1];
	struct vfs_slice val;
	void *sn;

	memset(key, 'k', sizeof key);
	assert_int_equal(put1(fx, (struct vfs_slice){ key, 0 },
	    str("v")), -VFS_INVAL);
	assert_int_equal(put1(fx, (struct vfs_slice){ key, VFS_KEY_MAX + 1 },
	    str("v")), -VFS_INVAL);
	assert_int_equal(put1(fx, (struct vfs_slice){ key, VFS_KEY_MAX },
	    str("v")), 0);
	sn = snap(fx);
	assert_int_equal(fx->ops->get(sn,
	    (struct vfs_slice){ key, VFS_KEY_MAX }, &val), 0);
	assert_slice(val, str("v"));
	fx->ops->snap_end(sn);
}

static void
store__values_of_any_size__come_back(void **state)
{
	static const size_t sizes[] = {
		0, 1, 1536, 2000, 2040, 4000, 4096, 65536, 1 << 20,
	};
	struct fx *fx = *state;
	unsigned char *buf = malloc(1 << 20);
	struct vfs_slice val;
	char key[2] = "a";
	void *sn;
	size_t i, j;

	for (j = 0; j < 1 << 20; j++)
		buf[j] = (unsigned char)(j * 31 >> 3);
	for (i = 0; i < 9; i++, key[0]++)
		assert_int_equal(put1(fx, str(key),
		    (struct vfs_slice){ buf, sizes[i] }), 0);
	reopen(fx, false);
	sn = snap(fx);
	for (i = 0, key[0] = 'a'; i < 9; i++, key[0]++) {
		assert_int_equal(fx->ops->get(sn, str(key), &val), 0);
		assert_slice(val, (struct vfs_slice){ buf, sizes[i] });
	}
	fx->ops->snap_end(sn);
	free(buf);
}

static void
store__batch_at_limit__fits_and_past_it_not(void **state)
{
	struct fx *fx = *state;
	struct store_row *rows;
	struct store_batch b;
	struct store_usage u;
	char (*keys)[8];
	size_t i, n = STORE_BATCH_MAX + 1;

	rows = calloc(n, sizeof *rows);
	keys = calloc(n, sizeof *keys);
	for (i = 0; i < n; i++) {
		snprintf(keys[i], sizeof keys[i], "%06zu", i);
		rows[i] = (struct store_row){ str(keys[i]), str(keys[i]) };
	}
	b = (struct store_batch){ rows, n };
	assert_int_equal(fx->ops->apply(fx->s, &b), -VFS_INVAL);
	assert_now(fx, "000000", NULL);
	b.nrows = STORE_BATCH_MAX;
	assert_int_equal(fx->ops->apply(fx->s, &b), 0);
	assert_now(fx, "000000", "000000");
	assert_now(fx, "029999", "029999");
	assert_int_equal(fx->ops->usage(fx->s, &u), 0);
	assert_int_equal(u.rows, STORE_BATCH_MAX);
	assert_true(u.bytes_used <= u.bytes_file);
	for (i = 0; i < n; i++)
		rows[i].val = absent;
	assert_int_equal(fx->ops->apply(fx->s, &b), 0);
	assert_int_equal(fx->ops->usage(fx->s, &u), 0);
	assert_int_equal(u.rows, 0);
	free(keys);
	free(rows);
}

/* --- failures ------------------------------------------------------ */

static void
store__failed_sync__latches(void **state)
{
	struct fx *fx = *state;

	put_ok(fx, "a", "1");
	hostcalls_fail_sync(0, EIO);
	assert_int_equal(put1(fx, str("a"), str("2")), -VFS_IO);
	assert_true(hostcalls_failed());
	assert_int_equal(put1(fx, str("b"), str("2")), -VFS_IO);
	assert_now(fx, "a", "1");
	assert_now(fx, "b", NULL);
	reopen(fx, false);
	assert_now(fx, "a", "1");
	assert_now(fx, "b", NULL);
	put_ok(fx, "a", "2");
	assert_now(fx, "a", "2");
}

static void
store__apply__syncs(void **state)
{
	struct fx *fx = *state;

	hostcalls_reset();
	put_ok(fx, "a", "1");
	assert_string_equal(hostcalls_seen(), "f");
}

/* --- snapshots and cursors ----------------------------------------- */

static void
store__snapshot__does_not_see_later_applies(void **state)
{
	struct fx *fx = *state;
	void *before, *after;

	put_ok(fx, "a", "1");
	put_ok(fx, "b", "1");
	before = snap(fx);
	put_ok(fx, "a", "2");
	put_ok(fx, "b", NULL);
	put_ok(fx, "c", "2");
	after = snap(fx);
	assert_get(fx, before, "a", "1");
	assert_keys(fx, before, "", "a b ");
	assert_get(fx, after, "a", "2");
	assert_keys(fx, after, "", "a c ");
	fx->ops->snap_end(after);
	assert_get(fx, before, "b", "1");
	fx->ops->snap_end(before);
}

static void
store__lent_memory__is_good_until_the_snapshot_ends(void **state)
{
	struct fx *fx = *state;
	struct vfs_slice val;
	char key[8];
	void *sn;
	int i;

	put_ok(fx, "a", "lent");
	sn = snap(fx);
	assert_int_equal(fx->ops->get(sn, str("a"), &val), 0);
	for (i = 0; i < 50; i++) {
		snprintf(key, sizeof key, "k%d", i);
		put_ok(fx, "a", key);
		put_ok(fx, key, "x");
	}
	assert_slice(val, str("lent"));
	fx->ops->snap_end(sn);
}

static void
store__snapshots_at_limit__begin_and_past_it_not(void **state)
{
	struct fx *fx = *state;
	void *sn[STORE_SNAPS_MAX], *more;
	char val[16];
	size_t i;

	for (i = 0; i < STORE_SNAPS_MAX; i++) {
		if (i % 10 == 0) {
			snprintf(val, sizeof val, "%zu", i);
			put_ok(fx, "a", val);
		}
		sn[i] = snap(fx);
	}
	assert_int_equal(fx->ops->snap_begin(fx->s, &more), -VFS_BUSY);
	if (on_disk(fx))	/* takes a look at the free list */
		assert_int_equal(fx->ops->reserve(fx->s, 4 << 20), 0);
	for (i = 0; i < STORE_SNAPS_MAX; i++) {
		snprintf(val, sizeof val, "%zu", i / 10 * 10);
		assert_get(fx, sn[i], "a", val);
	}
	for (i = 0; i < STORE_SNAPS_MAX; i++)
		fx->ops->snap_end(sn[(i * 7) % STORE_SNAPS_MAX]);
	assert_now(fx, "a", val);
}

static void
store__cursor__seeks_to_the_next_key(void **state)
{
	struct fx *fx = *state;
	void *sn;

	put_ok(fx, "b", "1");
	put_ok(fx, "d", "1");
	put_ok(fx, "dd", "1");
	sn = snap(fx);
	assert_keys(fx, sn, "a", "b d dd ");
	assert_keys(fx, sn, "b", "b d dd ");
	assert_keys(fx, sn, "bb", "d dd ");
	assert_keys(fx, sn, "d", "d dd ");
	assert_keys(fx, sn, "da", "dd ");
	assert_keys(fx, sn, "e", "");
	fx->ops->snap_end(sn);
}

static void
store__cursor_at_end__stays_there(void **state)
{
	struct fx *fx = *state;
	struct vfs_slice key, val;
	void *sn, *cur;

	put_ok(fx, "a", "1");
	put_ok(fx, "b", "2");
	sn = snap(fx);
	assert_int_equal(fx->ops->cur_open(sn, &cur), 0);
	assert_int_equal(fx->ops->cur_next(cur, &key, &val), -VFS_NOENT);
	assert_int_equal(fx->ops->cur_seek(cur, str("b"), &key, &val), 0);
	assert_int_equal(fx->ops->cur_next(cur, &key, &val), -VFS_NOENT);
	assert_int_equal(fx->ops->cur_next(cur, &key, &val), -VFS_NOENT);
	assert_int_equal(fx->ops->cur_seek(cur, str("c"), &key, &val),
	    -VFS_NOENT);
	assert_int_equal(fx->ops->cur_next(cur, &key, &val), -VFS_NOENT);
	assert_int_equal(fx->ops->cur_seek(cur, str("a"), &key, &val), 0);
	assert_int_equal(fx->ops->cur_next(cur, &key, &val), 0);
	assert_slice(key, str("b"));
	assert_slice(val, str("2"));
	fx->ops->cur_close(cur);
	fx->ops->snap_end(sn);
}

static void
store__two_cursors__move_apart(void **state)
{
	struct fx *fx = *state;
	struct vfs_slice key, val, first;
	void *sn, *c1, *c2;

	put_ok(fx, "a", "1");
	put_ok(fx, "b", "2");
	sn = snap(fx);
	assert_int_equal(fx->ops->cur_open(sn, &c1), 0);
	assert_int_equal(fx->ops->cur_open(sn, &c2), 0);
	assert_int_equal(fx->ops->cur_seek(c1, str(""), &first, &val), 0);
	assert_int_equal(fx->ops->cur_seek(c2, str("b"), &key, &val), 0);
	assert_int_equal(fx->ops->cur_next(c1, &key, &val), 0);
	assert_slice(key, str("b"));
	assert_slice(first, str("a"));
	fx->ops->cur_close(c1);
	fx->ops->cur_close(c2);
	fx->ops->snap_end(sn);
}

/* --- room ---------------------------------------------------------- */

#define ROW 1000	/* bytes of a value below: four rows to a page */

/* One batch of n rows from number `first` on, all of one size. */
static int
put_many(struct fx *fx, unsigned first, unsigned n, char fill)
{
	struct store_row *rows = calloc(n, sizeof *rows);
	char (*keys)[12] = calloc(n, sizeof *keys), val[ROW];
	struct store_batch b = { rows, n };
	unsigned i;
	int err;

	memset(val, fill, sizeof val);
	for (i = 0; i < n; i++) {
		snprintf(keys[i], sizeof keys[i], "%08u", first + i);
		rows[i] = (struct store_row){ str(keys[i]),
		    { val, sizeof val } };
	}
	err = fx->ops->apply(fx->s, &b);
	free(keys);
	free(rows);
	return err;
}

/* Leaves no room on the filesystem. */
static void
fill_disk(struct fx *fx)
{
	static const char zero[4096];
	int fd = openat(fx->dir.dirfd, "filler", O_WRONLY | O_CREAT, 0600);

	assert_true(fd >= 0);
	while (write(fd, zero, sizeof zero) > 0)
		;
	/* Delayed allocation: only a sync tells that it is full. */
	syscall(SYS_fsync, fd);
	close(fd);
}

static void
reserve_then_fill(void **state)
{
	struct fx *fx = *state;
	unsigned i;

	if (!fx->s)
		skip();
	assert_int_equal(put_many(fx, 0, 10, 'x'), 0);
	assert_int_equal(fx->ops->reserve(fx->s, 2 << 20), 0);
	assert_int_equal(fx->ops->reserve(fx->s, 2 << 20), 0);
	fill_disk(fx);
	assert_int_equal(fx->ops->reserve(fx->s, 64 << 20), -VFS_NOSPC);
	/* 1,000 rows: 250 pages and what holds them, twice. */
	assert_int_equal(put_many(fx, 100, 500, 'a'), 0);
	assert_int_equal(put_many(fx, 600, 500, 'b'), 0);
	/* Past the promise it may fail, but then for want of space only,
	 * and for good only while there is none. */
	for (i = 0; i < 8; i++) {
		int err = put_many(fx, 2000 + 1000 * i, 1000, 'c');

		assert_true(err == 0 || err == -VFS_NOSPC);
	}
	assert_int_equal(put_many(fx, 20000, 1000, 'd'), -VFS_NOSPC);
	assert_int_equal(unlinkat(fx->dir.dirfd, "filler", 0), 0);
	assert_int_equal(put_many(fx, 20000, 100, 'd'), 0);
	reopen(fx, false);
	assert_now(fx, "99999999", NULL);
}

static void
store__reserved_then_disk_full_tmpfs__applies(void **state)
{
	reserve_then_fill(state);
}

static void
store__reserved_then_disk_full_ext4__applies(void **state)
{
	reserve_then_fill(state);
}

static void
store__rewriting_rows__needs_no_more_room(void **state)
{
	struct fx *fx = *state;
	struct store_usage first, last;
	unsigned i;

	assert_int_equal(put_many(fx, 0, 4000, 'a'), 0);
	for (i = 0; i < 4; i++) {
		assert_int_equal(fx->ops->reserve(fx->s, 8 << 20), 0);
		assert_int_equal(put_many(fx, 0, 4000, (char)('b' + i)), 0);
	}
	assert_int_equal(fx->ops->usage(fx->s, &first), 0);
	for (i = 0; i < 8; i++) {
		assert_int_equal(fx->ops->reserve(fx->s, 8 << 20), 0);
		assert_int_equal(put_many(fx, 0, 4000, (char)('h' + i)), 0);
	}
	assert_int_equal(fx->ops->usage(fx->s, &last), 0);
	assert_true(last.bytes_file <= first.bytes_file + (4 << 20));
}

/* A full disk: what can be promised are free pages, and only those that
 * no snapshot needs. */
static void
store__disk_full__promises_free_pages_only(void **state)
{
	struct fx *fx = *state;
	unsigned i;
	void *sn;

	if (!fx->s)
		skip();
	for (i = 0; i < 5; i++)
		assert_int_equal(put_many(fx, 0, 2000, (char)('a' + i)), 0);
	reopen(fx, false);
	fill_disk(fx);
	assert_int_equal(fx->ops->reserve(fx->s, 1 << 20), 0);
	assert_int_equal(put_many(fx, 100, 400, 'x'), 0);
	assert_int_equal(unlinkat(fx->dir.dirfd, "filler", 0), 0);

	sn = snap(fx);
	for (i = 0; i < 5; i++)
		assert_int_equal(put_many(fx, 0, 2000, (char)('f' + i)), 0);
	fill_disk(fx);
	assert_int_equal(fx->ops->reserve(fx->s, 5 << 20), -VFS_NOSPC);
	fx->ops->snap_end(sn);
}

/* --- model --------------------------------------------------------- */

#define MODEL_KEYS	600
#define MODEL_SNAPS	4
#define MODEL_STEPS	400

struct model {
	uint64_t rnd;
	unsigned char key[MODEL_KEYS][VFS_KEY_MAX];
	size_t nkey[MODEL_KEYS];
	uint64_t now[MODEL_KEYS];	/* seed of the value, 0: none */
	void *snap[MODEL_SNAPS];
	uint64_t then[MODEL_SNAPS][MODEL_KEYS];
};

static unsigned
below(struct model *m, unsigned n)
{
	return (unsigned)(scratch_random(&m->rnd) >> 33) % n;
}

static struct vfs_slice
model_key(const struct model *m, unsigned i)
{
	return (struct vfs_slice){ m->key[i], m->nkey[i] };
}

static int
model_cmp(struct vfs_slice a, struct vfs_slice b)
{
	int c = memcmp(a.p, b.p, a.n < b.n ? a.n : b.n);

	return c ? c : a.n < b.n ? -1 : a.n > b.n;
}

/* Ascending distinct keys of many lengths with common beginnings. */
static void
model_keys(struct model *m)
{
	unsigned i, j, n;

	for (i = 0; i < MODEL_KEYS; ) {
		n = below(m, 8) ? 1 + below(m, 12) : 1 + below(m, VFS_KEY_MAX);
		for (j = 0; j < n; j++)
			m->key[i][j] = below(m, 4) ? (unsigned char)(j & 3) :
			    (unsigned char)below(m, 256);
		m->nkey[i] = n;
		for (j = 0; j < i; j++)
			if (model_cmp(model_key(m, j), model_key(m, i)) == 0)
				break;
		if (j == i)
			i++;
	}
	for (i = 1; i < MODEL_KEYS; i++)	/* insertion sort */
		for (j = i; j > 0 && model_cmp(model_key(m, j - 1),
		    model_key(m, j)) > 0; j--) {
			unsigned char t[VFS_KEY_MAX];
			size_t tn = m->nkey[j];

			memcpy(t, m->key[j], sizeof t);
			memcpy(m->key[j], m->key[j - 1], sizeof t);
			m->nkey[j] = m->nkey[j - 1];
			memcpy(m->key[j - 1], t, sizeof t);
			m->nkey[j - 1] = tn;
		}
}

/* The value of a seed; free it. */
static struct vfs_slice
model_val(uint64_t seed)
{
	uint64_t x = seed;
	size_t i, n = scratch_random(&x) % 40 ? scratch_random(&x) % 200 :
	    scratch_random(&x) % 20000;
	unsigned char *p = malloc(n + 1);

	for (i = 0; i < n; i++)
		p[i] = (unsigned char)(scratch_random(&x) >> 56);
	return (struct vfs_slice){ p, n };
}

static void
model_apply(struct fx *fx, struct model *m)
{
	struct store_row rows[MODEL_KEYS];
	struct store_batch b = { rows, 0 };
	unsigned i, rate = 1 + below(m, 60), dels = 1 + below(m, 3);
	size_t j;

	for (i = 0; i < MODEL_KEYS; i++) {
		if (below(m, 60) >= rate)
			continue;
		m->now[i] = below(m, 4) < dels ? 0 : scratch_random(&m->rnd);
		rows[b.nrows].key = model_key(m, i);
		rows[b.nrows++].val = m->now[i] ? model_val(m->now[i]) : absent;
	}
	assert_int_equal(fx->ops->apply(fx->s, &b), 0);
	for (j = 0; j < b.nrows; j++)
		free((void *)rows[j].val.p);
}

static void
model_check_row(struct vfs_slice val, uint64_t seed)
{
	struct vfs_slice want = model_val(seed);

	assert_slice(val, want);
	free((void *)want.p);
}

static void
model_scan(struct fx *fx, struct model *m, void *sn, const uint64_t *rows)
{
	struct vfs_slice key, val;
	unsigned i = below(m, MODEL_KEYS), left = 1 + below(m, MODEL_KEYS);
	void *cur;
	int err;

	assert_int_equal(fx->ops->cur_open(sn, &cur), 0);
	err = fx->ops->cur_seek(cur, model_key(m, i), &key, &val);
	for (; left > 0; left--) {
		while (i < MODEL_KEYS && !rows[i])
			i++;
		assert_int_equal(err, i < MODEL_KEYS ? 0 : -VFS_NOENT);
		if (err < 0)
			break;
		assert_slice(key, model_key(m, i));
		model_check_row(val, rows[i++]);
		err = fx->ops->cur_next(cur, &key, &val);
	}
	fx->ops->cur_close(cur);
}

static void
model_look(struct fx *fx, struct model *m, void *sn, const uint64_t *rows)
{
	struct vfs_slice val;
	unsigned i, k;

	for (k = 0; k < 20; k++) {
		i = below(m, MODEL_KEYS);
		assert_int_equal(fx->ops->get(sn, model_key(m, i), &val),
		    rows[i] ? 0 : -VFS_NOENT);
		if (rows[i])
			model_check_row(val, rows[i]);
	}
	model_scan(fx, m, sn, rows);
}

static void
model_step(struct fx *fx, struct model *m)
{
	unsigned k = below(m, MODEL_SNAPS), i;

	switch (below(m, 8)) {
	case 0: case 1: case 2:
		model_apply(fx, m);
		break;
	case 3: case 4:
		fx->ops->snap_end(m->snap[k]);
		m->snap[k] = snap(fx);
		memcpy(m->then[k], m->now, sizeof m->now);
		break;
	case 5: case 6:
		if (m->snap[k])
			model_look(fx, m, m->snap[k], m->then[k]);
		break;
	default:
		if (below(m, 8))
			break;
		for (i = 0; i < MODEL_SNAPS; i++) {
			fx->ops->snap_end(m->snap[i]);
			m->snap[i] = NULL;
		}
		reopen(fx, false);
	}
}

static void
store__random_operations__match_the_model(void **state)
{
	struct fx *fx = *state;
	struct model *m = calloc(1, sizeof *m);
	unsigned i;

	m->rnd = scratch_seed();
	model_keys(m);
	for (i = 0; i < MODEL_STEPS; i++)
		model_step(fx, m);
	for (i = 0; i < MODEL_SNAPS; i++)
		fx->ops->snap_end(m->snap[i]);
	m->snap[0] = snap(fx);
	for (i = 0; i < 20; i++)
		model_look(fx, m, m->snap[0], m->now);
	fx->ops->snap_end(m->snap[0]);
	free(m);
}

/* --- threads ------------------------------------------------------- */

#define READERS		3
#define THREAD_ROWS	64
#define THREAD_APPLIES	150

struct reader {
	struct fx *fx;
	pthread_t thread;
	const bool *stop;
	unsigned scans, bad;
};

/* One snapshot: every row has the number of one and the same apply. */
static bool
scan_is_one_apply(struct fx *fx, void *sn, char seen[16])
{
	struct vfs_slice key, val;
	unsigned n = 0;
	bool good = true;
	void *cur;
	int err;

	if (fx->ops->cur_open(sn, &cur) < 0)
		return false;
	for (err = fx->ops->cur_seek(cur, str(""), &key, &val); err == 0;
	    err = fx->ops->cur_next(cur, &key, &val)) {
		if (n++ == 0)
			snprintf(seen, 16, "%.*s", (int)val.n,
			    (const char *)val.p);
		good = good && val.n == strlen(seen) &&
		    memcmp(val.p, seen, val.n) == 0;
	}
	fx->ops->cur_close(cur);
	return good && err == -VFS_NOENT && n == THREAD_ROWS;
}

static void *
read_on(void *arg)
{
	struct reader *r = arg;
	char one[16], two[16];
	int last = 0;
	void *sn;

	while (!__atomic_load_n(r->stop, __ATOMIC_ACQUIRE)) {
		if (r->fx->ops->snap_begin(r->fx->s, &sn) < 0) {
			r->bad++;
			continue;
		}
		__atomic_fetch_add(&r->scans, 1, __ATOMIC_RELAXED);
		r->bad += !scan_is_one_apply(r->fx, sn, one);
		r->bad += !scan_is_one_apply(r->fx, sn, two);
		r->bad += strcmp(one, two) != 0 || atoi(one) < last;
		last = atoi(one);
		r->fx->ops->snap_end(sn);
	}
	return NULL;
}

static bool
all_scan(const struct reader *r)
{
	unsigned i, n = 0;

	for (i = 0; i < READERS; i++)
		n += __atomic_load_n(&r[i].scans, __ATOMIC_RELAXED) > 2;
	return n == READERS;
}

static int
put_generation(struct fx *fx, unsigned gen)
{
	struct store_row rows[THREAD_ROWS];
	struct store_batch b = { rows, THREAD_ROWS };
	char keys[THREAD_ROWS][8], val[16];
	unsigned i;

	snprintf(val, sizeof val, "%u", gen);
	for (i = 0; i < THREAD_ROWS; i++) {
		snprintf(keys[i], sizeof keys[i], "%04u", i);
		rows[i] = (struct store_row){ str(keys[i]), str(val) };
	}
	return fx->ops->apply(fx->s, &b);
}

static void
store__readers_beside_applies__see_whole_batches(void **state)
{
	struct fx *fx = *state;
	struct reader r[READERS] = { 0 };
	bool stop = false;
	unsigned i, bad = 0;
	int err = 0;

	assert_int_equal(put_generation(fx, 1), 0);
	for (i = 0; i < READERS; i++) {
		r[i].fx = fx;
		r[i].stop = &stop;
		assert_int_equal(pthread_create(&r[i].thread, NULL, read_on,
		    &r[i]), 0);
	}
	for (i = 2; err == 0 && (i < THREAD_APPLIES || !all_scan(r)); i++)
		err = put_generation(fx, i);
	__atomic_store_n(&stop, true, __ATOMIC_RELEASE);
	for (i = 0; i < READERS; i++) {
		pthread_join(r[i].thread, NULL);
		bad += r[i].bad;
	}
	assert_int_equal(err, 0);
	assert_int_equal(bad, 0);
}

/* --- every case on every backend ----------------------------------- */

static const struct contract_case cases[] = {
	CASE(store__open_where_none__noent),
	CASE(store__create__is_empty),
	CASE_DISK(store__create__syncs_the_directory),
	CASE(store__create_where_one_is__keeps_it),
	CASE(store__any_sync_of_create_fails__creates_nothing),
	CASE(store__reopen__finds_all_rows),
	CASE(store__rdonly__writes_nothing),
	CASE(store__keys__are_in_memcmp_order),
	CASE(store__put_again__replaces),
	CASE(store__delete__leaves_no_row),
	CASE(store__delete_of_absent__is_fine),
	CASE(store__batch_of_puts_and_deletes__does_all),
	CASE(store__empty_batch__is_fine),
	CASE(store__key_at_limit__fits_and_past_it_not),
	CASE(store__values_of_any_size__come_back),
	CASE(store__batch_at_limit__fits_and_past_it_not),
	CASE_DISK(store__failed_sync__latches),
	CASE_DISK(store__apply__syncs),
	CASE(store__snapshot__does_not_see_later_applies),
	CASE(store__lent_memory__is_good_until_the_snapshot_ends),
	CASE(store__snapshots_at_limit__begin_and_past_it_not),
	CASE(store__cursor__seeks_to_the_next_key),
	CASE(store__cursor_at_end__stays_there),
	CASE(store__two_cursors__move_apart),
	CASE_ON(tmpfs, store__reserved_then_disk_full_tmpfs__applies),
	CASE_ON(ext4, store__reserved_then_disk_full_ext4__applies),
	CASE_ON(big_ext4, store__disk_full__promises_free_pages_only),
	CASE(store__rewriting_rows__needs_no_more_room),
	CASE(store__random_operations__match_the_model),
	CASE(store__readers_beside_applies__see_whole_batches),
};

#define NCASES (sizeof cases / sizeof cases[0])

int
main(void)
{
	int failed = 0;
	size_t k;

	for (k = 0; backends_store[k]; k++)
		failed += cases_run("store", backends_store[k]->name,
		    backends_store[k], backends_store[k] != &be_store_mem,
		    cases, NCASES);
	return failed != 0;
}
