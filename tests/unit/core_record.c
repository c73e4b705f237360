/* Keys, records and checksums: what is written comes back, and nothing
 * else decodes. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <cmocka.h>

#include <xxhash.h>

#include "../../vfsd/core/record.h"
#include "../../vfsd/core/sum.h"

static const struct rec_inode some_inode = {
	.mode = 0100644, .nlink = 3, .uid = 1000, .gid = 100,
	.rdev_major = 1, .rdev_minor = 2,
	.flags = INODE_INLINE | INODE_HAS_XATTR,
	.size = 0x123456789abcdef0, .blocks = 77,
	.atime = { -1, 999999999 }, .mtime = { 1, 0 }, .ctime = { 2, 5 },
	.btime = { INT64_MAX, 1 }, .data_version = 5, .meta_version = 6,
	.parent = 1, .next_slot = 16, .entries = 9, .cut = 4096,
};

static void
inode__encoded__decodes_the_same(void **state)
{
	uint8_t buf[REC_INODE_MAX];
	struct rec_inode r;
	size_t n;

	(void)state;
	n = rec_inode_encode(&some_inode, buf);
	assert_true(n <= REC_INODE_MAX);
	memset(&r, 0, sizeof r);
	assert_int_equal(rec_inode_decode((struct vfs_slice){ buf, n }, &r),
	    0);
	assert_int_equal(r.mode, some_inode.mode);
	assert_int_equal(r.size, some_inode.size);
	assert_int_equal(r.atime.sec, -1);
	assert_int_equal(r.atime.nsec, 999999999);
	assert_int_equal(r.btime.sec, INT64_MAX);
	assert_int_equal(r.cut, 4096);
	assert_int_equal(r.entries, 9);
}

static void
inode__any_length_but_its_own__is_damage(void **state)
{
	uint8_t buf[REC_INODE_MAX + 1] = { 0 };
	struct rec_inode r;
	size_t n = rec_inode_encode(&some_inode, buf), i;

	(void)state;
	for (i = 0; i <= REC_INODE_MAX; i++)
		assert_int_equal(rec_inode_decode(
		    (struct vfs_slice){ buf, i }, &r),
		    i == n ? 0 : -VFS_CORRUPT);
}

static void
inode__impossible_value__is_damage(void **state)
{
	struct rec_inode bad[5], r;
	uint8_t buf[REC_INODE_MAX];
	unsigned i;

	(void)state;
	for (i = 0; i < 5; i++)
		bad[i] = some_inode;
	bad[0].mode = 0644;		/* no type */
	bad[1].mode = 0170644;		/* no such type */
	bad[2].mtime.nsec = 1000000000;
	bad[3].size = (uint64_t)INT64_MAX + 1;
	bad[4].flags = 1u << 30;
	for (i = 0; i < 5; i++) {
		size_t n = rec_inode_encode(&bad[i], buf);

		assert_int_equal(rec_inode_decode(
		    (struct vfs_slice){ buf, n }, &r), -VFS_CORRUPT);
	}
}

static void
slot__longest_name__comes_back(void **state)
{
	char name[VFS_NAME_MAX + 1];
	uint8_t buf[16 + sizeof name];
	struct rec_slot s = { .id = { 99 }, .type = VFS_SOCK,
	    .name = { name, VFS_NAME_MAX } }, r;
	size_t n;

	(void)state;
	memset(name, 'x', sizeof name);
	n = rec_slot_encode(&s, buf);
	assert_int_equal(rec_slot_decode((struct vfs_slice){ buf, n }, &r),
	    0);
	assert_int_equal(r.id.n, 99);
	assert_int_equal(r.type, VFS_SOCK);
	assert_int_equal(r.name.n, VFS_NAME_MAX);
	assert_memory_equal(r.name.p, name, VFS_NAME_MAX);
	buf[n] = 'x';
	assert_int_equal(rec_slot_decode((struct vfs_slice){ buf, n + 1 },
	    &r), -VFS_CORRUPT);
}

static void
slot__name_that_no_front_takes__is_damage(void **state)
{
	static const struct vfs_slice names[] = {
		{ "a/b", 3 }, { "a\0b", 3 }, { "", 0 },
	};
	uint8_t buf[64];
	struct rec_slot r;
	unsigned i;

	(void)state;
	for (i = 0; i < 3; i++) {
		struct rec_slot s = { .id = { 1 }, .type = VFS_REG,
		    .name = names[i] };
		size_t n = rec_slot_encode(&s, buf);

		assert_int_equal(rec_slot_decode(
		    (struct vfs_slice){ buf, n }, &r), -VFS_CORRUPT);
	}
}

static void
name__any_byte_of_the_type_wrong__is_damage(void **state)
{
	struct rec_name e = { .id = { 7 }, .slot = 16, .type = VFS_DIR }, r;
	uint8_t buf[32];
	size_t n = rec_name_encode(&e, buf);

	(void)state;
	assert_int_equal(rec_name_decode((struct vfs_slice){ buf, n }, &r),
	    0);
	assert_int_equal(r.slot, 16);
	buf[n - 1] = 3;
	assert_int_equal(rec_name_decode((struct vfs_slice){ buf, n }, &r),
	    -VFS_CORRUPT);
}

static void
extent__limits__hold(void **state)
{
	static uint8_t sums[8 * VFS_EXTENT_BLOCKS_MAX], buf[REC_EXTENT_MAX];
	struct rec_extent x = { .nblocks = VFS_EXTENT_BLOCKS_MAX,
	    .place = 5, .gen = 6, .sums = { sums, sizeof sums } }, r;
	size_t n = rec_extent_encode(&x, buf);

	(void)state;
	assert_true(n <= REC_EXTENT_MAX);
	assert_int_equal(rec_extent_decode((struct vfs_slice){ buf, n },
	    &r), 0);
	assert_int_equal(r.nblocks, VFS_EXTENT_BLOCKS_MAX);
	assert_int_equal(r.sums.n, sizeof sums);
	assert_int_equal(rec_extent_decode(
	    (struct vfs_slice){ buf, n - 8 }, &r), -VFS_CORRUPT);
	buf[0] = 0, buf[1] = 0;		/* nblocks */
	assert_int_equal(rec_extent_decode((struct vfs_slice){ buf, 24 },
	    &r), -VFS_CORRUPT);
}

static void
share__one_owner__is_damage(void **state)
{
	struct rec_share s = { .nblocks = 1, .refs = 1 }, r;
	uint8_t buf[8];
	size_t n = rec_share_encode(&s, buf);

	(void)state;
	assert_int_equal(rec_share_decode((struct vfs_slice){ buf, n }, &r),
	    -VFS_CORRUPT);
}

static void
journal__two_names__come_back(void **state)
{
	struct rec_journal j = { .kind = JOURNAL_RENAME, .type = VFS_REG,
	    .id = { 3 }, .parent = { 1 }, .parent2 = { 2 },
	    .data_version = 10, .meta_version = 11,
	    .name = { "old", 3 }, .name2 = { "newer", 5 } }, r;
	uint8_t buf[REC_JOURNAL_MAX];
	size_t n = rec_journal_encode(&j, buf);

	(void)state;
	assert_int_equal(rec_journal_decode((struct vfs_slice){ buf, n },
	    &r), 0);
	assert_int_equal(r.kind, JOURNAL_RENAME);
	assert_int_equal(r.parent2.n, 2);
	assert_memory_equal(r.name.p, "old", 3);
	assert_memory_equal(r.name2.p, "newer", 5);
	assert_int_equal(rec_journal_decode(
	    (struct vfs_slice){ buf, n - 1 }, &r), -VFS_CORRUPT);
}

/* --- keys --------------------------------------------------------------- */

static void
key__every_kind__parses_back(void **state)
{
	struct row_parts p;
	struct row_key k;

	(void)state;
	row_key_id(&k, ROW_INODE, 0x0102030405060708);
	assert_int_equal(row_key_parse(row_key_slice(&k), &p), 0);
	assert_int_equal(p.kind, ROW_INODE);
	assert_int_equal(p.a, 0x0102030405060708);
	row_key_id2(&k, ROW_SLOT, 1, 2);
	assert_int_equal(row_key_parse(row_key_slice(&k), &p), 0);
	assert_int_equal(p.b, 2);
	row_key_link(&k, (struct vfs_id){ 1 }, (struct vfs_id){ 2 }, 3);
	assert_int_equal(row_key_parse(row_key_slice(&k), &p), 0);
	assert_int_equal(p.c, 3);
	row_key_name(&k, ROW_NAME, (struct vfs_id){ 9 },
	    (struct vfs_slice){ "abc", 3 });
	assert_int_equal(row_key_parse(row_key_slice(&k), &p), 0);
	assert_int_equal(p.a, 9);
	assert_int_equal(p.name.n, 3);
	row_key_name(&k, ROW_META, (struct vfs_id){ 9 },
	    (struct vfs_slice){ "uuid", 4 });
	assert_int_equal(k.n, 5);
	assert_int_equal(row_key_parse(row_key_slice(&k), &p), 0);
}

static void
key__longest__fits_and_one_more_is_damage(void **state)
{
	char name[VFS_NAME_MAX];
	struct row_parts p;
	struct row_key k;

	(void)state;
	memset(name, 'n', sizeof name);
	row_key_name(&k, ROW_XATTR, (struct vfs_id){ UINT64_MAX },
	    (struct vfs_slice){ name, sizeof name });
	assert_true(k.n < VFS_KEY_MAX);
	assert_int_equal(row_key_parse(row_key_slice(&k), &p), 0);
	k.b[k.n++] = 'n';
	assert_int_equal(row_key_parse(row_key_slice(&k), &p),
	    -VFS_CORRUPT);
}

static void
key__random_bytes__never_read_past_the_end(void **state)
{
	unsigned seed = 1, i, j;

	(void)state;
	for (i = 0; i < 20000; i++) {
		size_t n = (size_t)rand_r(&seed) % 40;
		uint8_t *b = malloc(n ? n : 1);	/* exact, for ASan */
		struct row_parts p;

		for (j = 0; j < n; j++)
			b[j] = (uint8_t)rand_r(&seed);
		if (n > 0 && i % 2)
			b[0] = (uint8_t)("ABCDEFGHIJKLMabc"[i / 2 % 16]);
		row_key_parse((struct vfs_slice){ b, n }, &p);
		free(b);
	}
}

static void
key__byte_order__is_number_order(void **state)
{
	struct row_key a, b;

	(void)state;
	row_key_id2(&a, ROW_SLOT, 1, 255);
	row_key_id2(&b, ROW_SLOT, 1, 256);
	assert_true(memcmp(a.b, b.b, a.n) < 0);
}

/* --- checksums ---------------------------------------------------------- */

/* Those of the library, which knows one way only. */
static void
sum_bytes__any_length__is_xxh3(void **state)
{
	static uint8_t b[5000];
	size_t n;

	(void)state;
	for (n = 0; n < sizeof b; n++)
		b[n] = (uint8_t)(n * 2654435761u >> 13);
	for (n = 0; n < sizeof b; n++) {
		assert_true(sum_bytes(b, n, 0) == XXH3_64bits(b, n));
		assert_true(sum_bytes(b + 1, n > 0 ? n - 1 : 0, n << 40 | 7)
		    == XXH3_64bits_withSeed(b + 1, n > 0 ? n - 1 : 0,
		    n << 40 | 7));
	}
}

static void
sum_row__any_bit_flipped__differs(void **state)
{
	uint8_t key[9] = "Bkey", val[144] = "value";
	uint64_t sum = sum_row((struct vfs_slice){ key, sizeof key },
	    (struct vfs_slice){ val, sizeof val });
	unsigned i;

	(void)state;
	for (i = 0; i < 8 * (sizeof key + sizeof val); i++) {
		uint8_t *p = i / 8 < sizeof key ? &key[i / 8] :
		    &val[i / 8 - sizeof key];

		*p ^= (uint8_t)(1 << i % 8);
		assert_true(sum_row((struct vfs_slice){ key, sizeof key },
		    (struct vfs_slice){ val, sizeof val }) != sum);
		*p ^= (uint8_t)(1 << i % 8);
	}
}

static void
sum_row__bytes_moved_between_key_and_value__differs(void **state)
{
	(void)state;
	assert_true(sum_row((struct vfs_slice){ "ab", 2 },
	    (struct vfs_slice){ "c", 1 }) !=
	    sum_row((struct vfs_slice){ "a", 1 },
	    (struct vfs_slice){ "bc", 2 }));
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(inode__encoded__decodes_the_same),
		cmocka_unit_test(inode__any_length_but_its_own__is_damage),
		cmocka_unit_test(inode__impossible_value__is_damage),
		cmocka_unit_test(slot__longest_name__comes_back),
		cmocka_unit_test(slot__name_that_no_front_takes__is_damage),
		cmocka_unit_test(name__any_byte_of_the_type_wrong__is_damage),
		cmocka_unit_test(extent__limits__hold),
		cmocka_unit_test(share__one_owner__is_damage),
		cmocka_unit_test(journal__two_names__come_back),
		cmocka_unit_test(key__every_kind__parses_back),
		cmocka_unit_test(key__longest__fits_and_one_more_is_damage),
		cmocka_unit_test(key__random_bytes__never_read_past_the_end),
		cmocka_unit_test(key__byte_order__is_number_order),
		cmocka_unit_test(sum_bytes__any_length__is_xxh3),
		cmocka_unit_test(sum_row__any_bit_flipped__differs),
		cmocka_unit_test(
		    sum_row__bytes_moved_between_key_and_value__differs),
	};

	return cmocka_run_group_tests_name("core_record", tests, NULL, NULL);
}
