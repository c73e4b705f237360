/*
 * A row backend whose file is damaged goes on with what is whole: what reads
 * or writes a damaged page is told so, and nothing dies.
 */
#include "damage_fx.h"

#define FLIPS_WRITTEN	100u		/* each with a sync */

/* What LMDB held when a write was escaped from, it holds for ever
 * (backends/escape.h). */
const char *__lsan_default_suppressions(void);
const char *
__lsan_default_suppressions(void)
{
	return "leak:liblmdb\n";
}

/* --- what damage leaves alone --------------------------------------- */

/* On the pages of a kind, those as well that the tree has left. */
static void
in_pages(struct fx *fx, unsigned kind,
    void (*spoil_one)(uint8_t *page, const char *key), const char *key)
{
	uint8_t *b;
	size_t n, at;

	fx_close(fx);
	b = image(fx, &n);
	for (at = 2 * PAGE; at < n; at += PAGE)
		if (is_kind(b + at, kind))
			spoil_one(b + at, key);
	put_image(fx, b, n);
	reopen(fx, false);
	free(b);
}

/* If it has this row, or had it. */
static void
zero(uint8_t *page, const char *key)
{
	if (memmem(page, PAGE, key, strlen(key)) != NULL)
		memset(page, 0, PAGE);
}

/* A cursor elsewhere in the snapshot stays where it is. */
static void
store__row_is_damaged__cursor_goes_on(void **state)
{
	struct fx *fx = *state;
	struct vfs_slice key, val;
	unsigned i;
	void *sn, *cur;
	char k[16];

	fill(fx);
	key_of(500, k);
	in_pages(fx, LEAF, zero, k);
	sn = snap(fx);
	assert_int_equal(fx->ops->cur_open(sn, &cur), 0);
	key_of(0, k);
	assert_int_equal(fx->ops->cur_seek(cur, str(k), &key, &val), 0);
	for (i = 1; i < 40; i++) {
		key_of(500, k);
		assert_int_equal(fx->ops->get(sn, str(k), &val),
		    -VFS_CORRUPT);
		key_of(i, k);
		assert_int_equal(fx->ops->cur_next(cur, &key, &val), 0);
		if (key.n == KEY_SIZE && number(key, 0) % 10 == 5)
			i--;		/* a large one, in between */
		else
			assert_slice(key, str(k));
	}
	fx->ops->cur_close(cur);
	fx->ops->snap_end(sn);
}

/* Where the nodes of a page are, in the order of their keys. */
static uint16_t *
places(uint8_t *page)
{
	return (uint16_t *)(void *)(page + PAGE_HEAD);
}

/* Two rows, or ways down, change places. */
static void
swap_nodes(uint8_t *page, const char *key)
{
	uint16_t first = places(page)[1];

	(void)key;
	places(page)[1] = places(page)[2];
	places(page)[2] = first;
}

/* What is below the first way down is looked for before it. */
static void
raise_key(uint8_t *page, const char *key)
{
	uint8_t *to = page + places(page)[1] + NODE_HEAD;

	(void)key;
	memcpy(to, page + places(page)[2] + NODE_HEAD, KEY_SIZE);
	to[KEY_SIZE - 1]--;
}

/* A walk does not go back, or it might never end. */
static void
walk_damaged(void **state, unsigned kind)
{
	struct fx *fx = *state;
	struct vfs_slice key, val;
	char last[16] = "", k[16];
	void *sn, *cur;
	int err;

	fill(fx);
	in_pages(fx, kind, swap_nodes, NULL);
	sn = snap(fx);
	assert_int_equal(fx->ops->cur_open(sn, &cur), 0);
	for (err = fx->ops->cur_seek(cur, str("0"), &key, &val); err == 0;
	    err = fx->ops->cur_next(cur, &key, &val)) {
		snprintf(k, sizeof k, "%.*s", (int)key.n,
		    (const char *)key.p);
		assert_true(strcmp(k, last) > 0);
		strcpy(last, k);
	}
	assert_int_equal(err, -VFS_CORRUPT);
	fx->ops->cur_close(cur);
	fx->ops->snap_end(sn);
}

static void
store__rows_out_of_order__walk_ends(void **state)
{
	walk_damaged(state, LEAF);
}

static void
store__pages_out_of_order__walk_ends(void **state)
{
	walk_damaged(state, BRANCH);
}

/* What a seek finds is not before what was sought. */
static void
store__seek_led_astray__is_corrupt(void **state)
{
	struct fx *fx = *state;
	struct vfs_slice key, val;
	unsigned i, bad = 0;
	char k[16];
	void *sn, *cur;
	int err;

	fill(fx);
	in_pages(fx, BRANCH, raise_key, NULL);
	sn = snap(fx);
	assert_int_equal(fx->ops->cur_open(sn, &cur), 0);
	for (i = SMALL; i-- > 0;) {	/* LMDB looks ahead from where it is */
		key_of(i, k);
		err = fx->ops->cur_seek(cur, str(k), &key, &val);
		if (err == 0)
			assert_true(number(key, 0) >= i * 10);
		else
			bad += err == -VFS_CORRUPT;
	}
	assert_true(bad > 0);
	fx->ops->cur_close(cur);
	fx->ops->snap_end(sn);
}

/* --- a file that ends too early -------------------------------------- */

static void
cut(struct fx *fx, size_t n)
{
	int fd = openat(fx->dir.dirfd, FILE_NAME, O_WRONLY);

	assert_true(fd >= 0 && ftruncate(fd, (off_t)n) == 0);
	close(fd);
}

/* What is lent can be read to its last byte, on a page of its own here. */
static void
store__value_ends_behind_the_file__is_corrupt(void **state)
{
	struct fx *fx = *state;
	struct vfs_slice val;
	char big[PAGE - PAGE_HEAD + 5];
	size_t n;
	void *sn;

	memset(big, 'x', sizeof big);
	assert_int_equal(put1(fx, str("a"),
	    (struct vfs_slice){ big, sizeof big }), 0);
	fx_close(fx);
	free(image(fx, &n));
	cut(fx, n - PAGE);
	reopen(fx, false);
	sn = snap(fx);
	assert_int_equal(fx->ops->get(sn, str("a"), &val), -VFS_CORRUPT);
	fx->ops->snap_end(sn);
}

/* LMDB's second page is gone while the store is open. */
static void
store__cut_short_while_open__nothing_dies(void **state)
{
	struct fx *fx = *state;
	struct store_usage u;
	unsigned i;
	void *sn;

	fill(fx);
	reopen(fx, false);	/* the signals, which each test begins with */
	cut(fx, PAGE);
	assert_int_equal(fx->ops->usage(fx->b, &u), -VFS_CORRUPT);
	assert_int_equal(fx->ops->reserve(fx->b, 1 << 20), -VFS_CORRUPT);
	for (i = 0; i < 2 * STORE_SNAPS_MAX; i++)
		assert_int_equal(fx->ops->snap_begin(fx->b, &sn),
		    -VFS_CORRUPT);
	assert_int_equal(put1(fx, str("a"), str("b")), -VFS_CORRUPT);
}

/* --- writing ---------------------------------------------------------- */

/* Writing finds damage as well: an error, and the last one. */
static void
store__write_to_damaged__is_an_error(void **state)
{
	struct fx *fx = *state;
	unsigned i, failed = 0;
	char key[16];
	size_t n;
	uint8_t *b;

	fill(fx);
	fx_close(fx);
	b = image(fx, &n);
	memset(b + 2 * PAGE, 0, n - 2 * PAGE);
	put_image(fx, b, n);
	reopen(fx, false);
	for (i = 0; i < 3; i++) {
		key_of(i, key);
		failed += put1(fx, str(key), str("x")) == -VFS_CORRUPT;
	}
	assert_int_equal(failed, 3);
	free(b);
}

/* A batch is put into what is there, or refused; the heap stays whole. */
static bool
write_to(struct fx *fx, const uint8_t *b, size_t n, unsigned i)
{
	int err;

	fx_close(fx);
	put_image(fx, b, n);
	if (fx->ops->open(fx->dir.dirfd, false, false, &fx->b) < 0) {
		fx->b = NULL;
		return false;
	}
	err = try_apply(fx, 5 + i % 9, i % 2 != 0);
	assert_true(err == 0 || err == -VFS_CORRUPT);
	return err == 0;
}

/* In each leaf, one bit of the upper byte of where nodes begin, or end. */
static void
flip_heads(uint8_t *b, size_t n, unsigned bit)
{
	size_t at;

	for (at = 2 * PAGE; at < n; at += PAGE)
		if (is_kind(b + at, LEAF))
			b[at + (bit < 8 ? 15 : 13)] ^=
			    (uint8_t)(1u << bit % 8);
}

/* LMDB copies a page by what its head says, and moves what is on it. */
static void
store__write_to_any_wrong_head__is_an_error(void **state)
{
	struct fx *fx = *state;
	unsigned bit, i = 0;
	size_t n;
	uint8_t *b;

	fill(fx);
	fx_close(fx);
	b = image(fx, &n);
	for (bit = 0; bit < 16; bit++) {
		flip_heads(b, n, bit);
		assert_false(write_to(fx, b, n, i++));
		flip_heads(b, n, bit);
	}
	free(b);
}

static void
store__write_to_any_bit_flipped__heap_stays_whole(void **state)
{
	struct fx *fx = *state;
	uint64_t rng = scratch_seed();
	unsigned i, ok = 0;
	size_t n, at;
	uint8_t *b;

	fill(fx);
	fx_close(fx);
	b = image(fx, &n);
	for (i = 0; i < FLIPS_WRITTEN; i++) {
		at = 2 * PAGE + scratch_random(&rng) % (n - 2 * PAGE);
		if (i % 4 != 0)		/* heads, and places of nodes */
			at = at / PAGE * PAGE + at % 64;
		b[at] ^= (uint8_t)(1u << i % 8);
		ok += write_to(fx, b, n, i);
		b[at] ^= (uint8_t)(1u << i % 8);
	}
	print_message("# %u of %u written\n", ok, FLIPS_WRITTEN);
	free(b);
}

static const struct contract_case cases[] = {
	CASE_DISK(store__row_is_damaged__cursor_goes_on),
	CASE_DISK(store__rows_out_of_order__walk_ends),
	CASE_DISK(store__pages_out_of_order__walk_ends),
	CASE_DISK(store__seek_led_astray__is_corrupt),
	CASE_DISK(store__value_ends_behind_the_file__is_corrupt),
	CASE_DISK(store__cut_short_while_open__nothing_dies),
	CASE_DISK(store__write_to_damaged__is_an_error),
	CASE_DISK(store__write_to_any_wrong_head__is_an_error),
	CASE_DISK(store__write_to_any_bit_flipped__heap_stays_whole),
};

int
main(void)
{
	return every_backend(cases, sizeof cases / sizeof cases[0]);
}
