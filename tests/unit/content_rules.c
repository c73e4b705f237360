/*
 * Rules of content that random steps do not reach: damage, limits, rows
 * of large files, stale plans, privileges.
 */
#include "../../protocol/records.h"
#include "../../vfsd/core/content.h"
#include "../../vfsd/engine/engine_impl.h"
#include "../cm.h"

#define MIB	(1u << 20)

/* --- helpers ------------------------------------------------------------ */

static unsigned
count_rows(struct fx *fx, enum row_kind kind)
{
	struct vfs_slice key, val;
	uint8_t first = (uint8_t)kind;
	struct txn_cur *c;
	struct txn *t;
	unsigned n = 0;
	int err;

	assert_int_equal(txn_begin(fx->e, TXN_READ, &fx->env, &t), 0);
	assert_int_equal(txn_cur_open(t, &c), 0);
	err = txn_cur_seek(c, (struct vfs_slice){ &first, 1 }, &key, &val);
	while (err == 0 && *(const uint8_t *)key.p == kind) {
		n++;
		err = txn_cur_next(c, &key, &val);
	}
	txn_abort(t);
	return n;
}

static int
copy(struct fx *fx, const char *from, uint64_t a, const char *to, uint64_t b,
    uint64_t len, uint64_t *copied)
{
	struct vfs_copy_range q = { .src = fx_id(fx, from),
		.dst = fx_id(fx, to), .src_off = a, .dst_off = b,
		.len = len };
	struct vfs_copy_range_reply r = { 0 };
	int err = fx_op_copy_range(fx, &q, &r);

	*copied = r.copied;
	return err;
}

static int
allocate(struct fx *fx, const char *path, uint64_t off, uint64_t len,
    uint32_t flags)
{
	struct vfs_allocate q = { .id = fx_id(fx, path), .off = off,
		.len = len, .flags = flags };
	struct vfs_allocate_reply r;

	return fx_op_allocate(fx, &q, &r);
}

static int64_t
seek(struct fx *fx, const char *path, uint64_t off, uint32_t whence)
{
	struct vfs_seek q = { .id = fx_id(fx, path), .off = off,
		.whence = whence };
	struct vfs_seek_reply r;
	int err = fx_op_seek(fx, &q, &r);

	return err < 0 ? err : (int64_t)r.off;
}

/* Spoil a byte of a file's block where it lies. */
static void
spoil(struct fx *fx, const char *path, uint64_t block)
{
	uint8_t byte;
	struct node n;
	struct txn *t;
	struct ext x;
	uint64_t at;

	assert_int_equal(txn_begin(fx->e, TXN_READ, &fx->env, &t), 0);
	assert_int_equal(node_get(t, fx_id(fx, path), &n), 0);
	assert_int_equal(ext_find(t, &n, block, &x), 0);
	at = x.place * VFS_BLOCK + 77;
	txn_abort(t);
	assert_int_equal(fx->e->dops->read(fx->e->data, at, &byte, 1), 0);
	byte ^= 1;
	assert_int_equal(fx->e->dops->write(fx->e->data, at, &byte, 1), 0);
}

static void
fill(uint8_t *b, size_t n, unsigned seed)
{
	size_t i;

	for (i = 0; i < n; i++)
		b[i] = (uint8_t)(seed + i * 7 + i / 4096);
}

/* --- damage ------------------------------------------------------------- */

static void
read__block_spoiled__corrupt_and_named(void **state)
{
	struct fx *fx = *state;
	static uint8_t b[4 * VFS_BLOCK], c[4 * VFS_BLOCK];
	char want[32];

	fx->quiet = true;
	fill(b, sizeof b, 1);
	assert_int_equal(fx_create(fx, "/f", 0644), 0);
	assert_int_equal(fx_write(fx, "/f", 0, b, sizeof b), 0);
	spoil(fx, "/f", 2);
	assert_err((int)fx_read(fx, "/f", 0, c, sizeof c), CORRUPT);
	assert_err((int)fx_read(fx, "/f", 2 * VFS_BLOCK + 5, c, 1), CORRUPT);
	snprintf(want, sizeof want, "object %llu:",
	    (unsigned long long)fx_id(fx, "/f").n);
	assert_non_null(strstr(fx->report, want));
	assert_non_null(strstr(fx->report, "offset 8192"));
	assert_int_equal(fx_read(fx, "/f", 0, c, 2 * VFS_BLOCK),
	    2 * VFS_BLOCK);
	assert_int_equal(fx_read(fx, "/f", 3 * VFS_BLOCK, c, VFS_BLOCK),
	    VFS_BLOCK);
	/* Nor does it get a good checksum by being written in part. */
	assert_err(fx_write(fx, "/f", 2 * VFS_BLOCK, b, 10), CORRUPT);
	assert_int_equal(fx_write(fx, "/f", 2 * VFS_BLOCK, b, VFS_BLOCK), 0);
	assert_int_equal(fx_read(fx, "/f", 0, c, sizeof c), sizeof c);
}

static void
copy__block_spoiled__copy_is_corrupt_too(void **state)
{
	struct fx *fx = *state;
	static uint8_t b[2 * VFS_BLOCK];
	uint64_t n;

	fx->quiet = true;
	assert_int_equal(fx_create(fx, "/f", 0644), 0);
	assert_int_equal(fx_create(fx, "/g", 0644), 0);
	assert_int_equal(fx_write(fx, "/f", 0, b, sizeof b), 0);
	assert_int_equal(copy(fx, "/f", 0, "/g", 0, sizeof b, &n), 0);
	spoil(fx, "/f", 1);
	assert_err((int)fx_read(fx, "/g", VFS_BLOCK, b, 1), CORRUPT);
	assert_int_equal(fx_read(fx, "/g", 0, b, 1), 1);
}

/* --- large and small ---------------------------------------------------- */

static void
write__in_sequence__few_rows(void **state)
{
	struct fx *fx = *state;
	uint8_t *b = calloc(1, 65536);
	uint64_t off, n;

	assert_int_equal(fx_create(fx, "/f", 0644), 0);
	assert_int_equal(fx_create(fx, "/g", 0644), 0);
	for (off = 0; off < 32 * MIB; off += 65536)
		assert_int_equal(fx_write(fx, "/f", off, b, 65536), 0);
	assert_true(count_rows(fx, ROW_DEXTENT) <= 130);
	assert_int_equal(fx_publish(fx, "/f"), 0);
	assert_int_equal(count_rows(fx, ROW_DEXTENT), 0);
	assert_true(count_rows(fx, ROW_EXTENT) <= 34);
	assert_int_equal(copy(fx, "/f", 0, "/g", 0, 32 * MIB, &n), 0);
	assert_int_equal(n, 32 * MIB);
	assert_true(count_rows(fx, ROW_EXTENT) <= 68);
	assert_true(count_rows(fx, ROW_SHARE) <= 34);
	assert_int_equal(fx_unlink(fx, "/f"), 0);
	assert_int_equal(fx_reclaim_all(fx), 0);
	assert_int_equal(count_rows(fx, ROW_SHARE), 0);
	free(b);
}

/* Each write logs a row that grows, but not for long. */
static void
write__small_in_sequence__little_is_logged(void **state)
{
	struct fx *fx = *state;
	static uint8_t b[VFS_BLOCK];
	struct engine_status a, z;
	uint64_t off;

	assert_int_equal(fx_create(fx, "/f", 0644), 0);
	engine_status(fx->e, &a);
	for (off = 0; off < 2 * MIB; off += sizeof b)
		assert_int_equal(fx_write(fx, "/f", off, b, sizeof b), 0);
	engine_status(fx->e, &z);
	assert_in_range(z.log_end - a.log_end, 0, 2 * MIB / 6);
	assert_int_equal(count_rows(fx, ROW_DEXTENT), 8);
	assert_int_equal(fx_publish(fx, "/f"), 0);
	engine_status(fx->e, &a);
	assert_in_range(a.log_end - z.log_end, 0, 6000);
	assert_int_equal(count_rows(fx, ROW_EXTENT), 2);
}

/* Write [off, off + n) with calls of step bytes; like_kernel: those that
 * begin within a block end with it, as the kernel cuts them. */
static void
write_in_steps(struct fx *fx, const char *path, uint64_t upto, size_t step,
    bool like_kernel, const uint8_t *b)
{
	uint64_t off = 0, end;
	size_t n;

	while (off < upto) {
		end = off + step - off % step;
		n = end - off;
		if (like_kernel && off % VFS_BLOCK != 0 &&
		    VFS_BLOCK - off % VFS_BLOCK < n)
			n = VFS_BLOCK - off % VFS_BLOCK;
		assert_int_equal(fx_write(fx, path, off, b, n), 0);
		off += n;
	}
}

/* What tar writes, and what a log does. */
static void
write__unaligned_in_sequence__few_rows(void **state)
{
	static const size_t steps[] = { 10240, 3000, 70000 };
	struct fx *fx = *state;
	uint8_t *b = malloc(70000), c[VFS_BLOCK];
	char path[] = "/0";
	unsigned i, more;

	memset(b, 7, 70000);
	for (i = 0; i < 6; i++, path[1]++) {
		assert_int_equal(fx_create(fx, path, 0644), 0);
		more = count_rows(fx, ROW_EXTENT);
		write_in_steps(fx, path, 8400000, steps[i / 2], i % 2, b);
		assert_true(count_rows(fx, ROW_DEXTENT) <= 33 + 8);
		assert_int_equal(fx_publish(fx, path), 0);
		assert_int_equal(count_rows(fx, ROW_DEXTENT), 0);
		assert_true(count_rows(fx, ROW_EXTENT) - more <= 8 + 8);
		assert_int_equal(fx_read(fx, path, 8400000 - 4096, c, 4096),
		    4096);
		assert_memory_equal(c, b, 4096);
	}
	assert_int_equal(fx_check(fx), 0);
	free(b);
}

/* One that ends where it likes is no reason for a second row. */
static void
write__end_within_a_block__one_row(void **state)
{
	struct fx *fx = *state;
	uint8_t *b = calloc(1, 65536);

	assert_int_equal(fx_create(fx, "/e", 0644), 0);
	assert_int_equal(fx_create(fx, "/f", 0644), 0);
	assert_int_equal(fx_write(fx, "/e", 0, b, 65536), 0);
	assert_int_equal(fx_write(fx, "/f", 0, b, 65536), 0);
	assert_int_equal(fx_write(fx, "/f", 65536, b, 5000), 0);
	assert_int_equal(count_rows(fx, ROW_DEXTENT), 2);
	free(b);
}

static void
offsets__at_the_limit__work(void **state)
{
	struct fx *fx = *state;
	uint64_t n;
	char c = 0;

	assert_int_equal(fx_create(fx, "/f", 0644), 0);
	assert_int_equal(fx_create(fx, "/g", 0644), 0);
	assert_int_equal(fx_write(fx, "/f", VFS_FILE_MAX - 1, "x", 1), 0);
	assert_err(fx_write(fx, "/f", VFS_FILE_MAX, "x", 1), FBIG);
	assert_err(fx_write(fx, "/f", VFS_FILE_MAX - 1, "xy", 2), FBIG);
	assert_int_equal(fx_read(fx, "/f", VFS_FILE_MAX - 1, &c, 1), 1);
	assert_int_equal(c, 'x');
	assert_int_equal(seek(fx, "/f", 0, VFS_SEEK_DATA),
	    VFS_FILE_MAX / VFS_BLOCK * VFS_BLOCK);
	assert_int_equal(copy(fx, "/f", 0, "/g", 0, UINT64_MAX / 4, &n), 0);
	assert_err(copy(fx, "/f", 0, "/g", VFS_FILE_MAX, 1, &n), FBIG);
	assert_err(allocate(fx, "/f", VFS_FILE_MAX, 1, 0), FBIG);
	assert_int_equal(fx_truncate(fx, "/f", VFS_FILE_MAX), 0);
	assert_err(fx_truncate(fx, "/f", (uint64_t)VFS_FILE_MAX + 1), FBIG);
	assert_int_equal(fx_truncate(fx, "/f", 0), 0);
	assert_int_equal(fx_check(fx), 0);
}

static void
inline_limit__one_past__is_a_block(void **state)
{
	struct fx *fx = *state;
	static uint8_t b[VFS_INLINE_MAX + 1], c[VFS_INLINE_MAX + 1];
	struct vfs_attr a;

	fill(b, sizeof b, 3);
	assert_int_equal(fx_create(fx, "/f", 0644), 0);
	assert_int_equal(fx_write(fx, "/f", 0, b, VFS_INLINE_MAX), 0);
	assert_int_equal(fx_publish(fx, "/f"), 0);
	assert_int_equal(count_rows(fx, ROW_EXTENT), 0);
	assert_int_equal(count_rows(fx, ROW_INLINE), 1);
	assert_int_equal(fx_stat(fx, "/f", &a), 0);
	assert_int_equal(a.alloc, VFS_INLINE_MAX);
	assert_int_equal(fx_write(fx, "/f", VFS_INLINE_MAX,
	    b + VFS_INLINE_MAX, 1), 0);
	assert_int_equal(fx_publish(fx, "/f"), 0);
	assert_int_equal(count_rows(fx, ROW_EXTENT), 1);
	assert_int_equal(count_rows(fx, ROW_INLINE), 0);
	assert_int_equal(fx_read(fx, "/f", 0, c, sizeof c), sizeof c);
	assert_memory_equal(b, c, sizeof c);
	assert_int_equal(fx_stat(fx, "/f", &a), 0);
	assert_int_equal(a.alloc, VFS_BLOCK);
}

static void
truncate__within_block_and_up__zeroes(void **state)
{
	struct fx *fx = *state;
	static uint8_t b[2 * VFS_BLOCK], c[2 * VFS_BLOCK];

	fill(b, sizeof b, 5);
	assert_int_equal(fx_create(fx, "/f", 0644), 0);
	assert_int_equal(fx_write(fx, "/f", 0, b, sizeof b), 0);
	assert_int_equal(fx_truncate(fx, "/f", 5000), 0);
	assert_int_equal(fx_truncate(fx, "/f", sizeof b), 0);
	memset(b + 5000, 0, sizeof b - 5000);
	assert_int_equal(fx_read(fx, "/f", 0, c, sizeof c), sizeof c);
	assert_memory_equal(b, c, sizeof c);
}

/* --- sharing ------------------------------------------------------------ */

static void
copy__ranges_overlap__inval(void **state)
{
	struct fx *fx = *state;
	static uint8_t b[8 * VFS_BLOCK];
	uint64_t n;

	assert_int_equal(fx_create(fx, "/f", 0644), 0);
	assert_int_equal(fx_write(fx, "/f", 0, b, sizeof b), 0);
	assert_err(copy(fx, "/f", 0, "/f", 0, 1, &n), INVAL);
	assert_err(copy(fx, "/f", 0, "/f", 4096, 4097, &n), INVAL);
	assert_int_equal(copy(fx, "/f", 0, "/f", 4096, 4096, &n), 0);
	/* What lies behind the end is no part of the range. */
	assert_int_equal(copy(fx, "/f", 7 * VFS_BLOCK, "/f", 8 * VFS_BLOCK,
	    1 << 30, &n), 0);
	assert_int_equal(n, VFS_BLOCK);
	assert_int_equal(copy(fx, "/f", 1 << 30, "/f", 0, 5, &n), 0);
	assert_int_equal(n, 0);
	assert_int_equal(fx_check(fx), 0);
}

static void
copy__not_a_file__refused(void **state)
{
	struct fx *fx = *state;
	uint64_t n;

	assert_int_equal(fx_create(fx, "/f", 0644), 0);
	assert_int_equal(fx_mkdir(fx, "/d", 0755), 0);
	assert_int_equal(fx_symlink(fx, "x", "/l"), 0);
	assert_err(copy(fx, "/d", 0, "/f", 0, 1, &n), ISDIR);
	assert_err(copy(fx, "/f", 0, "/d", 0, 1, &n), ISDIR);
	assert_err(copy(fx, "/l", 0, "/f", 0, 1, &n), INVAL);
}

/* Flags of all extents of a file that MAP_EXTENTS tells, or'ed. */
static uint32_t
map_flags(struct fx *fx, const char *path)
{
	static uint8_t buf[65536];
	struct vfs_map_extents q = { .id = fx_id(fx, path) };
	struct vfs_map_extents_reply r = {
		.extents = { .p = buf, .cap = sizeof buf } };
	struct proto_extent e;
	uint32_t flags = 0;
	struct rbuf b;

	assert_int_equal(fx_op_map_extents(fx, &q, &r), 0);
	proto_list_read(&b, (struct vfs_slice){ r.extents.p, r.extents.n });
	while (proto_list_more(&b)) {
		assert_int_equal(proto_extent_next(&b, &e), 0);
		flags |= e.flags;
	}
	return flags;
}

/* Its sums go into the log once, for the copy. */
static void
copy__large_file__source_is_not_written(void **state)
{
	struct fx *fx = *state;
	struct engine_status a, z;
	uint64_t n, sums = 8 * (4 * MIB / VFS_BLOCK);
	uint8_t *b = calloc(1, MIB);
	unsigned i;

	assert_int_equal(fx_create(fx, "/f", 0644), 0);
	assert_int_equal(fx_create(fx, "/g", 0644), 0);
	for (i = 0; i < 4; i++)
		assert_int_equal(fx_write(fx, "/f", i * MIB, b, MIB), 0);
	assert_int_equal(fx_publish(fx, "/f"), 0);
	assert_int_equal(map_flags(fx, "/f"), 0);
	engine_status(fx->e, &a);
	assert_int_equal(copy(fx, "/f", 0, "/g", 0, 4 * MIB, &n), 0);
	assert_int_equal(n, 4 * MIB);
	engine_status(fx->e, &z);
	assert_in_range(z.log_end - a.log_end, sums, sums + sums / 2);
	assert_int_equal(map_flags(fx, "/f"), PROTO_EXTENT_SHARED);
	assert_int_equal(map_flags(fx, "/g"), PROTO_EXTENT_SHARED);
	assert_int_equal(fx_unlink(fx, "/f"), 0);
	assert_int_equal(fx_reclaim_all(fx), 0);
	assert_int_equal(map_flags(fx, "/g"), 0);
	assert_int_equal(fx_check(fx), 0);
	free(b);
}

/* What is shared in part and what is not become one row, but what was set
 * aside stays the file's own. */
static void
append__to_a_copied_file__row_grows(void **state)
{
	struct fx *fx = *state;
	static uint8_t b[8 * VFS_BLOCK];
	uint64_t n;

	assert_int_equal(fx_create(fx, "/f", 0644), 0);
	assert_int_equal(fx_create(fx, "/g", 0644), 0);
	assert_int_equal(fx_write(fx, "/f", 0, b, sizeof b), 0);
	assert_int_equal(copy(fx, "/f", 0, "/g", 0, sizeof b, &n), 0);
	assert_int_equal(count_rows(fx, ROW_EXTENT), 2);
	assert_int_equal(fx_write(fx, "/f", sizeof b, b, sizeof b), 0);
	assert_int_equal(fx_publish(fx, "/f"), 0);
	assert_int_equal(count_rows(fx, ROW_EXTENT), 2);
	assert_int_equal(allocate(fx, "/f", 2 * sizeof b, VFS_BLOCK, 0), 0);
	assert_int_equal(count_rows(fx, ROW_EXTENT), 3);
	assert_int_equal(fx_unlink(fx, "/f"), 0);
	assert_int_equal(fx_reclaim_all(fx), 0);
	assert_int_equal(count_rows(fx, ROW_SHARE), 0);
	assert_int_equal(fx_check(fx), 0);
}

static void
shares__partly_overlapping__freed_exactly(void **state)
{
	struct fx *fx = *state;
	static uint8_t b[64 * VFS_BLOCK];
	static const char *const names[] = { "/a", "/b", "/c", "/d" };
	struct space_usage u0, u;
	uint64_t n;
	int i;

	space_usage(fx->e->space, &u0);
	for (i = 0; i < 4; i++)
		assert_int_equal(fx_create(fx, names[i], 0644), 0);
	assert_int_equal(fx_write(fx, "/a", 0, b, sizeof b), 0);
	assert_int_equal(copy(fx, "/a", 0, "/b", 0, 40 * VFS_BLOCK, &n), 0);
	assert_int_equal(copy(fx, "/a", 30 * VFS_BLOCK, "/c", 0,
	    30 * VFS_BLOCK, &n), 0);
	assert_int_equal(copy(fx, "/b", 10 * VFS_BLOCK, "/d", VFS_BLOCK,
	    25 * VFS_BLOCK, &n), 0);
	space_usage(fx->e->space, &u);
	assert_int_equal(u.used - u0.used, 64);
	assert_int_equal(fx_truncate(fx, "/a", 5 * VFS_BLOCK), 0);
	assert_int_equal(fx_truncate(fx, "/b", 12 * VFS_BLOCK), 0);
	space_usage(fx->e->space, &u);
	assert_int_equal(u.used - u0.used, 12 + 23 + 25);
	for (i = 0; i < 4; i++)
		assert_int_equal(fx_unlink(fx, names[i]), 0);
	assert_int_equal(fx_reclaim_all(fx), 0);
	space_usage(fx->e->space, &u);
	assert_int_equal(u.used, u0.used);
	assert_int_equal(count_rows(fx, ROW_SHARE), 0);
}

/* --- plans -------------------------------------------------------------- */

static void
write__file_changed_since_prepared__again(void **state)
{
	struct fx *fx = *state;
	static uint8_t b[VFS_BLOCK];
	struct vfs_write q = { .data = { b, sizeof b } };
	struct vfs_write_reply r;
	struct space_usage u0, u;
	struct plan *p = NULL;
	struct txn *t;

	assert_int_equal(fx_create(fx, "/f", 0644), 0);
	assert_int_equal(fx_write(fx, "/f", 0, b, 2000), 0);
	q.id = fx_id(fx, "/f");
	space_usage(fx->e->space, &u0);
	assert_int_equal(txn_begin(fx->e, TXN_READ, &fx->env, &t), 0);
	assert_int_equal(prep_write(t, &q, &p), 0);
	txn_abort(t);
	assert_int_equal(fx_chmod(fx, "/f", 0600), 0);
	assert_int_equal(txn_begin(fx->e, TXN_WRITE, &fx->env, &t), 0);
	assert_err(op_write(t, &q, p, &r), AGAIN);
	txn_abort(t);
	plan_drop(fx->e, p, false);
	space_usage(fx->e->space, &u);
	assert_int_equal(u.used, u0.used);
}

/* --- allocate and seek --------------------------------------------------- */

static void
allocate__keep_size__room_but_no_bytes(void **state)
{
	struct fx *fx = *state;
	struct vfs_attr a;
	char c[16];

	assert_int_equal(fx_create(fx, "/f", 0644), 0);
	assert_int_equal(fx_write(fx, "/f", 0, "abc", 3), 0);
	assert_int_equal(allocate(fx, "/f", 0, 3 * MIB, VFS_ALLOC_KEEP_SIZE),
	    0);
	assert_int_equal(fx_stat(fx, "/f", &a), 0);
	assert_int_equal(a.size, 3);
	assert_int_equal(a.alloc, 3 * MIB);
	assert_int_equal(fx_read(fx, "/f", 0, c, sizeof c), 3);
	assert_memory_equal(c, "abc", 3);
	assert_int_equal(fx_truncate(fx, "/f", 3), 0);
	assert_int_equal(fx_stat(fx, "/f", &a), 0);
	assert_int_equal(a.alloc, VFS_BLOCK);
	assert_err(allocate(fx, "/f", 0, 0, 0), INVAL);
	assert_err(allocate(fx, "/f", 0, 1ull << 50, 0), NOSPC);
}

static void
allocate__disk_full__promised_room_is_there(void **state)
{
	struct fx *fx = *state;
	static uint8_t b[64 * VFS_BLOCK], c[64 * VFS_BLOCK];
	struct space_usage u0, u;
	uint64_t step = 1u << 30;
	char name[16];
	int err = 0, i;

	fx->quiet = true;
	assert_int_equal(fx_create(fx, "/f", 0644), 0);
	assert_int_equal(allocate(fx, "/f", 0, sizeof b,
	    VFS_ALLOC_KEEP_SIZE), 0);
	for (i = 0; step >= VFS_BLOCK; i++) {
		snprintf(name, sizeof name, "/%d", i);
		assert_int_equal(fx_create(fx, name, 0644), 0);
		while ((err = allocate(fx, name, 0, step, 0)) ==
		    -VFS_NOSPC && step >= VFS_BLOCK)
			step /= 2;
	}
	assert_err(err, NOSPC);
	assert_err(fx_write(fx, "/f", sizeof b, b, 4096), NOSPC);
	space_usage(fx->e->space, &u0);
	fill(b, sizeof b, 9);
	assert_int_equal(fx_write(fx, "/f", 8192, b + 8192, 5 * 4096), 0);
	assert_int_equal(fx_write(fx, "/f", 100, b + 100, 7000), 0);
	memset(b, 0, 100);
	memset(b + 7100, 0, 8192 - 7100);
	assert_int_equal(fx_write(fx, "/f", 7 * 4096, b + 7 * 4096,
	    sizeof b - 7 * 4096), 0);
	assert_int_equal(fx_read(fx, "/f", 0, c, sizeof c), sizeof c);
	assert_memory_equal(b, c, sizeof c);
	space_usage(fx->e->space, &u);
	assert_int_equal(u.used, u0.used);
	fx_reopen(fx);
	assert_int_equal(fx_read(fx, "/f", 0, c, sizeof c), sizeof c);
	assert_memory_equal(b, c, sizeof c);
	/* Zeroed blocks had bytes: they are not written in place. */
	assert_int_equal(allocate(fx, "/f", 0, 4096, VFS_ALLOC_ZERO), 0);
	assert_err(fx_write(fx, "/f", 0, b, 4096), NOSPC);
	assert_int_equal(fx_unlink(fx, "/0"), 0);
	assert_int_equal(fx_reclaim_all(fx), 0);
	assert_int_equal(fx_write(fx, "/f", 0, b, 4096), 0);
	assert_int_equal(fx_check(fx), 0);
}

static void
seek__holes_and_unwritten__are_no_data(void **state)
{
	struct fx *fx = *state;
	static uint8_t b[VFS_BLOCK];

	assert_int_equal(fx_create(fx, "/f", 0644), 0);
	assert_int_equal(fx_truncate(fx, "/f", 10 * VFS_BLOCK), 0);
	assert_err((int)seek(fx, "/f", 0, VFS_SEEK_DATA), NXIO);
	assert_int_equal(seek(fx, "/f", 0, VFS_SEEK_HOLE), 0);
	assert_int_equal(allocate(fx, "/f", 0, 2 * VFS_BLOCK, 0), 0);
	assert_err((int)seek(fx, "/f", 0, VFS_SEEK_DATA), NXIO);
	assert_int_equal(fx_write(fx, "/f", 4 * VFS_BLOCK, b, sizeof b), 0);
	assert_int_equal(seek(fx, "/f", 100, VFS_SEEK_DATA), 4 * VFS_BLOCK);
	assert_int_equal(seek(fx, "/f", 4 * VFS_BLOCK + 9, VFS_SEEK_HOLE),
	    5 * VFS_BLOCK);
	assert_int_equal(seek(fx, "/f", 4 * VFS_BLOCK + 9, VFS_SEEK_DATA),
	    4 * VFS_BLOCK + 9);
	assert_err((int)seek(fx, "/f", 10 * VFS_BLOCK, VFS_SEEK_HOLE), NXIO);
	assert_err((int)seek(fx, "/f", 0, 7), INVAL);
}

/* --- privileges --------------------------------------------------------- */

static void
write__with_kill__set_id_and_caps_go(void **state)
{
	struct fx *fx = *state;
	struct vfs_write q = { .flags = VFS_WRITE_KILL_SUIDGID,
		.data = { "x", 1 } };
	struct vfs_write_reply r;
	struct vfs_attr a;
	char v[8];

	assert_int_equal(fx_create(fx, "/f", 0755), 0);
	assert_int_equal(fx_setxattr(fx, "/f", "security.capability", "c", 1,
	    0), 0);
	assert_int_equal(fx_chmod(fx, "/f", 06755), 0);
	q.id = fx_id(fx, "/f");
	assert_int_equal(fx_op_write(fx, &q, &r), 0);
	assert_int_equal(fx_stat(fx, "/f", &a), 0);
	assert_int_equal(a.mode & 07777, 0755);
	assert_err((int)fx_getxattr(fx, "/f", "security.capability", v, 8),
	    NOXATTR);
	assert_int_equal(fx_check(fx), 0);
	/* Without capabilities it stays a draft. */
	assert_int_equal(fx_chmod(fx, "/f", 06755), 0);
	assert_int_equal(fx_op_write(fx, &q, &r), 0);
	assert_int_equal(count_rows(fx, ROW_DRAFT), 1);
	fx_reopen(fx);
	assert_int_equal(fx_publish_all(fx), 0);
	assert_int_equal(fx_stat(fx, "/f", &a), 0);
	assert_int_equal(a.mode & 07777, 0755);
}

/* A wire client cannot ask for less than a kernel would do. */
static void
change__by_user__set_id_goes(void **state)
{
	struct fx *fx = *state;
	struct vfs_write w = { .data = { "x", 1 } };
	struct vfs_open o = { .flags = VFS_OPEN_WRITE | VFS_OPEN_TRUNC };
	struct vfs_setattr s = { .valid = VFS_SET_SIZE, .size = 9 };
	struct vfs_write_reply wr;
	struct vfs_open_reply or;
	struct vfs_setattr_reply sr;
	struct vfs_attr a;
	int i;

	assert_int_equal(fx_create(fx, "/f", 0777), 0);
	w.id = o.id = s.id = fx_id(fx, "/f");
	for (i = 0; i < 4; i++) {
		fx_as_kernel(fx);
		assert_int_equal(fx_chmod(fx, "/f", 06777), 0);
		fx_as(fx, 7, 7);
		assert_int_equal(i == 0 ? fx_op_write(fx, &w, &wr) :
		    i == 1 ? fx_op_open(fx, &o, &or) :
		    i == 2 ? fx_op_setattr(fx, &s, &sr) :
		    allocate(fx, "/f", 0, 5, VFS_ALLOC_ZERO), 0);
		assert_int_equal(fx_stat(fx, "/f", &a), 0);
		assert_int_equal(a.mode & 07777, 0777);
	}
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		FX_TEST(read__block_spoiled__corrupt_and_named),
		FX_TEST(copy__block_spoiled__copy_is_corrupt_too),
		FX_TEST(write__in_sequence__few_rows),
		FX_TEST(write__small_in_sequence__little_is_logged),
		FX_TEST(write__unaligned_in_sequence__few_rows),
		FX_TEST(write__end_within_a_block__one_row),
		FX_TEST(offsets__at_the_limit__work),
		FX_TEST(inline_limit__one_past__is_a_block),
		FX_TEST(truncate__within_block_and_up__zeroes),
		FX_TEST(copy__ranges_overlap__inval),
		FX_TEST(copy__not_a_file__refused),
		FX_TEST(copy__large_file__source_is_not_written),
		FX_TEST(append__to_a_copied_file__row_grows),
		FX_TEST(shares__partly_overlapping__freed_exactly),
		FX_TEST(write__file_changed_since_prepared__again),
		FX_TEST(allocate__keep_size__room_but_no_bytes),
		FX_TEST(allocate__disk_full__promised_room_is_there),
		FX_TEST(seek__holes_and_unwritten__are_no_data),
		FX_TEST(write__with_kill__set_id_and_caps_go),
		FX_TEST(change__by_user__set_id_goes),
	};

	return cmocka_run_group_tests_name("content_rules", tests, NULL,
	    NULL);
}
