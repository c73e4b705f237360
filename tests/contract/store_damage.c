/*
 * A row backend on a disk whose file is damaged: nothing kills who reads it,
 * a scan tells what is lost and reaches the rest, and a store can be made
 * anew from that.
 */
#include <signal.h>
#include <sys/mman.h>
#include <sys/resource.h>

#include "store_fx.h"

#define FILE_NAME	"rows.mdb"
#define PAGE		4096u
#define SMALL		600u		/* rows of one line */
#define LARGE		30u		/* rows of several pages */
#define LARGE_SIZE	9000u
#define KEY_SIZE	8u
#define ROWS		(SMALL + LARGE)
#define FLIPS		400u
#define FLIPS_WRITTEN	100u		/* each with a sync */
#define PAGE_HEAD	16u		/* LMDB's */
#define NODE_HEAD	8u
#define BRANCH		0x01u
#define LEAF		0x02u
#define DIRTY		0x10u
#define HISTORY		8000u		/* rows, in all */

/* --- a store with something of everything ---------------------------- */

/* Large ones stand between the small ones. */
static void
key_of(unsigned i, char key[16])
{
	snprintf(key, 16, "%08u", i < SMALL ? i * 10 : (i - SMALL) * 200 + 5);
}

static size_t
val_of(unsigned i, char *val)
{
	size_t n = i < SMALL ? 60 + i % 50 : LARGE_SIZE + i;

	memset(val, 'a' + (int)(i % 26), n);
	return n;
}

/* Every step-th row, put or deleted in one batch. */
static int
try_apply(struct fx *fx, unsigned step, bool del)
{
	static char keys[ROWS][16], vals[ROWS][LARGE_SIZE + ROWS];
	static struct store_row rows[ROWS];
	struct store_batch b = { rows, 0 };
	unsigned i, k, next = 0;

	for (k = 0; k < SMALL * 10; k += 5) {
		if (k % 10 == 0)
			i = k / 10;
		else if (k % 200 == 5)
			i = SMALL + k / 200;
		else
			continue;
		if (next++ % step != 0)
			continue;
		key_of(i, keys[i]);
		rows[b.nrows++] = (struct store_row){ str(keys[i]), del ?
		    absent : (struct vfs_slice){ vals[i], val_of(i, vals[i]) } };
	}
	return fx->ops->apply(fx->b, &b);
}

static void
apply(struct fx *fx, unsigned step, bool del)
{
	assert_int_equal(try_apply(fx, step, del), 0);
}

/* Several times, so that there are free pages as well. */
static void
fill(struct fx *fx)
{
	apply(fx, 1, false);
	apply(fx, 7, true);
	apply(fx, 7, false);
	apply(fx, 3, false);
}

/* The file's bytes: closed, and taken into memory. */
static uint8_t *
image(struct fx *fx, size_t *n)
{
	int fd = openat(fx->dir.dirfd, FILE_NAME, O_RDONLY);
	struct stat st;
	uint8_t *b;

	assert_true(fd >= 0 && fstat(fd, &st) == 0);
	*n = (size_t)st.st_size;
	b = malloc(*n);
	assert_int_equal(pread(fd, b, *n, 0), *n);
	close(fd);
	return b;
}

static void
put_image(struct fx *fx, const uint8_t *b, size_t n)
{
	int fd = openat(fx->dir.dirfd, FILE_NAME, O_WRONLY | O_TRUNC);

	assert_true(fd >= 0);
	assert_int_equal(write(fd, b, n), n);
	close(fd);
}

/* --- what a scan says ------------------------------------------------ */

struct told {
	bool row[ROWS];
	unsigned rows, losses, wrong;
	unsigned from[64], to[64];	/* keys between which rows are lost */
};

static unsigned
number(struct vfs_slice key, unsigned none)
{
	char b[16] = "";

	if (key.n == 0)
		return none;
	memcpy(b, key.p, key.n < 15 ? key.n : 15);
	return (unsigned)strtoul(b, NULL, 10);
}

static bool
told_row(void *arg, struct vfs_slice key, struct vfs_slice val)
{
	static char want[LARGE_SIZE + ROWS];
	unsigned k = number(key, 0), i = k % 10 == 0 ? k / 10 :
	    SMALL + k / 200;
	struct told *t = arg;

	t->rows++;
	if (i >= ROWS || t->row[i] || val.n != val_of(i, want) ||
	    memcmp(val.p, want, val.n) != 0)
		return t->wrong++, true;
	return t->row[i] = true;
}

static void
told_lost(void *arg, struct vfs_slice from, struct vfs_slice to,
    const char *why)
{
	struct told *t = arg;

	(void)why;
	assert_true(t->losses < 64);
	t->from[t->losses] = number(from, 0);
	t->to[t->losses++] = number(to, 99999999);
}

static int
scan(struct fx *fx, struct told *t)
{
	struct store_scan to = { t, told_row, told_lost };

	memset(t, 0, sizeof *t);
	return fx->ops->scan(fx->b, &to);
}

/* A row that was not told lies where some are lost. */
static bool
is_covered(const struct told *t, unsigned i)
{
	char key[16];
	unsigned k, n;

	key_of(i, key);
	k = number(str(key), 0);
	for (n = 0; n < t->losses; n++)
		if (t->from[n] <= k && k < t->to[n])
			return true;
	return t->row[i];
}

static unsigned
uncovered(const struct told *t)
{
	unsigned i, n = 0;

	for (i = 0; i < ROWS; i++)
		n += !is_covered(t, i);
	return n;
}

/* --- one damage ------------------------------------------------------ */

/* Reads of all kinds come back, with a row or without. */
static void
read_all(struct fx *fx)
{
	struct vfs_slice key, val;
	char k[16];
	void *sn, *cur;
	unsigned i;
	int err;

	if (fx->ops->snap_begin(fx->b, &sn) < 0)
		return;
	for (i = 0; i < ROWS; i++) {
		key_of(i, k);
		err = fx->ops->get(sn, str(k), &val);
		assert_true(err == 0 || err == -VFS_NOENT ||
		    err == -VFS_CORRUPT);
	}
	assert_int_equal(fx->ops->cur_open(sn, &cur), 0);
	for (i = 0; i < ROWS; i += 20) {
		key_of(i, k);
		err = fx->ops->cur_seek(cur, str(k), &key, &val);
		while (err == 0)
			err = fx->ops->cur_next(cur, &key, &val);
		assert_true(err == -VFS_NOENT || err == -VFS_CORRUPT);
	}
	fx->ops->cur_close(cur);
	fx->ops->snap_end(sn);
}

/* The same rows, in a store with nothing wrong. */
static void
made_anew(struct fx *fx, const struct told *before)
{
	struct told t = { .rows = 0 };
	struct store_scan to = { &t, told_row, told_lost };
	const char *kept;

	fx_close(fx);
	assert_int_equal(fx->ops->rebuild(fx->dir.dirfd, &to, NULL, &kept), 0);
	assert_int_equal(unlinkat(fx->dir.dirfd, kept, 0), 0);
	reopen(fx, false);
	assert_int_equal(scan(fx, &t), 0);
	assert_int_equal(t.losses, 0);
	assert_memory_equal(t.row, before->row, sizeof t.row);
	assert_int_equal(put1(fx, str("new"), str("row")), 0);
	assert_now(fx, "new", "row");
}

static void
look(struct fx *fx, const uint8_t *b, size_t n, struct told *t, bool anew)
{
	int err;

	fx_close(fx);
	put_image(fx, b, n);
	err = fx->ops->open(fx->dir.dirfd, false, true, &fx->b);
	if (err < 0) {			/* it says so, and that is all */
		memset(t, 0, sizeof *t);
		assert_int_equal(err, -VFS_CORRUPT);
		fx->b = NULL;
		return;
	}
	assert_int_equal(scan(fx, t), 0);
	read_all(fx);
	if (anew)
		made_anew(fx, t);
}

/* --- the cases ------------------------------------------------------- */

static void
store__undamaged__scan_tells_all(void **state)
{
	struct fx *fx = *state;
	struct told t;

	fill(fx);
	assert_int_equal(scan(fx, &t), 0);
	assert_int_equal(t.rows, ROWS);
	assert_int_equal(t.wrong, 0);
	assert_int_equal(t.losses, 0);
}

static bool
any_row(void *arg, struct vfs_slice key, struct vfs_slice val)
{
	(void)key;
	(void)val;
	return ++*(unsigned *)arg > 0;
}

static void
no_loss(void *arg, struct vfs_slice from, struct vfs_slice to, const char *why)
{
	(void)arg;
	(void)from;
	(void)to;
	fail_msg("%s", why);
}

/* One row of eight of a random part is put or deleted. */
static void
history_step(struct fx *fx, uint64_t *rng, bool *is, unsigned *n)
{
	static char keys[HISTORY][24], val[700];
	static struct store_row rows[HISTORY];
	struct store_batch b = { rows, 0 };
	unsigned i = (unsigned)scratch_random(rng) % HISTORY;
	unsigned end = i + (unsigned)scratch_random(rng) % 2000;
	bool del = scratch_random(rng) % 2 == 0;

	for (; i < end && i < HISTORY; i += 1 + scratch_random(rng) % 3) {
		snprintf(keys[i], sizeof keys[i], "%05u%.*s", i, (int)(i % 8),
		    "-------");
		rows[b.nrows++] = (struct store_row){ str(keys[i]), del ?
		    absent : (struct vfs_slice){ val,
		    scratch_random(rng) % sizeof val } };
		*n += del ? -(unsigned)is[i] : !is[i];
		is[i] = !del;
	}
	assert_int_equal(fx->ops->apply(fx->b, &b), 0);
}

/* Whatever shape LMDB gives its trees, nothing is called damaged. */
static void
store__any_history__is_undamaged(void **state)
{
	static bool is[HISTORY];
	struct fx *fx = *state;
	uint64_t rng = scratch_seed();
	unsigned i, n = 0, told;
	struct store_scan to = { &told, any_row, no_loss };

	memset(is, 0, sizeof is);
	for (i = 0; i < 120; i++) {
		history_step(fx, &rng, is, &n);
		told = 0;
		assert_int_equal(fx->ops->scan(fx->b, &to), 0);
		assert_int_equal(told, n);
	}
}

enum { ZEROS, NOISE, ANOTHER, WAYS };

static void
spoil(uint8_t *p, const uint8_t *other, int how, uint64_t *rng)
{
	unsigned i;

	for (i = 0; i < PAGE; i++)
		p[i] = how == ZEROS ? 0 : how == ANOTHER ? other[i] :
		    (uint8_t)(scratch_random(rng) >> 32);
}

/* Every page but the two that LMDB begins with. */
static void
store__any_page_overwritten__rest_is_told(void **state)
{
	struct fx *fx = *state;
	uint64_t rng = scratch_seed();
	uint8_t *b, *bad;
	size_t n, at;
	unsigned seen = 0, lost = 0;
	struct told t;
	int how;

	fill(fx);
	fx_close(fx);
	b = image(fx, &n);
	bad = malloc(n);
	for (at = 2 * PAGE; at < n; at += PAGE)
		for (how = 0; how < WAYS; how++) {
			memcpy(bad, b, n);
			spoil(bad + at, b + (at > 2 * PAGE ? at - PAGE :
			    at + PAGE), how, &rng);
			look(fx, bad, n, &t, at / PAGE % 8 == 0);
			seen++;
			lost += t.losses > 0;
			/* Noise in a large value is for its checksum. */
			assert_true(t.wrong <= 1);
			assert_int_equal(uncovered(&t), t.wrong);
		}
	print_message("# %u damages, %u of what is used\n", seen, lost);
	assert_true(lost > seen / 4);
	free(b);
	free(bad);
}

static void
store__cut_short_anywhere__rest_is_told(void **state)
{
	struct fx *fx = *state;
	size_t n, at;
	uint8_t *b;
	struct told t;

	fill(fx);
	fx_close(fx);
	b = image(fx, &n);
	for (at = 0; at < n; at += 3 * PAGE / 2) {
		look(fx, b, at, &t, false);
		if (fx->b != NULL)
			assert_int_equal(uncovered(&t), 0);
	}
	free(b);
}

static void
store__any_bit_flipped__nothing_dies(void **state)
{
	struct fx *fx = *state;
	uint64_t rng = scratch_seed();
	size_t n, at;
	unsigned i;
	uint8_t *b;
	struct told t;

	fill(fx);
	fx_close(fx);
	b = image(fx, &n);
	for (i = 0; i < FLIPS; i++) {
		/* Heads and places of nodes, or anywhere. */
		at = 2 * PAGE + scratch_random(&rng) % (n - 2 * PAGE);
		if (i % 2 == 0)
			at = at / PAGE * PAGE + at % 64;
		b[at] ^= (uint8_t)(1u << i % 8);
		look(fx, b, n, &t, i % 16 == 0);
		b[at] ^= (uint8_t)(1u << i % 8);
	}
	free(b);
}

/* --- what damage leaves alone --------------------------------------- */

/* The leaves with this row, the used one and those it was in before. */
static void
zero_leaves(struct fx *fx, const char *key)
{
	uint16_t flags;
	uint8_t *b;
	size_t n, at;

	fx_close(fx);
	b = image(fx, &n);
	for (at = 2 * PAGE; at < n; at += PAGE) {
		memcpy(&flags, b + at + 10, sizeof flags);
		if ((flags & ~DIRTY) == LEAF &&
		    memmem(b + at, PAGE, key, strlen(key)) != NULL)
			memset(b + at, 0, PAGE);
	}
	put_image(fx, b, n);
	reopen(fx, false);
	free(b);
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
	zero_leaves(fx, k);
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
		if (key.n == 8 && number(key, 0) % 10 == 5)
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
swap_nodes(uint8_t *page)
{
	uint16_t first = places(page)[1];

	places(page)[1] = places(page)[2];
	places(page)[2] = first;
}

/* What is below the first way down is looked for before it. */
static void
raise_key(uint8_t *page)
{
	uint8_t *key = page + places(page)[1] + NODE_HEAD;

	memcpy(key, page + places(page)[2] + NODE_HEAD, KEY_SIZE);
	key[KEY_SIZE - 1]--;
}

static void
in_pages(struct fx *fx, unsigned kind, void (*spoil_one)(uint8_t *page))
{
	uint16_t flags;
	uint8_t *b;
	size_t n, at;

	fx_close(fx);
	b = image(fx, &n);
	for (at = 2 * PAGE; at < n; at += PAGE) {
		memcpy(&flags, b + at + 10, sizeof flags);
		if ((flags & ~DIRTY) == kind)
			spoil_one(b + at);
	}
	put_image(fx, b, n);
	reopen(fx, false);
	free(b);
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
	in_pages(fx, kind, swap_nodes);
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
	in_pages(fx, BRANCH, raise_key);
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

/* How many rows a search does not find; large values are not looked at. */
static unsigned
hidden(struct fx *fx)
{
	struct vfs_slice val;
	void *sn = snap(fx);
	unsigned i, n = 0;
	char key[16];

	for (i = 0; i < SMALL; i++) {
		key_of(i, key);
		n += fx->ops->get(sn, str(key), &val) < 0;
	}
	fx->ops->snap_end(sn);
	return n;
}

static uint16_t
at16(const uint8_t *p)
{
	uint16_t v;

	return memcpy(&v, p, sizeof v), v;
}

/* One bit of a key by which LMDB finds a page: 1, a search misses rows. */
static unsigned
misled(struct fx *fx, uint8_t *b, size_t n, uint8_t *key, unsigned bit)
{
	unsigned miss = 0;
	struct told t;

	key[bit / 8] ^= (uint8_t)(1u << bit % 8);
	put_image(fx, b, n);
	assert_int_equal(fx->ops->open(fx->dir.dirfd, false, true, &fx->b), 0);
	assert_int_equal(scan(fx, &t), 0);
	assert_int_equal(t.wrong, 0);
	assert_int_equal(t.rows, ROWS);
	if (hidden(fx) > 0) {
		miss = 1;
		assert_true(t.losses > 0);
		if (bit % 8 == 0) {
			made_anew(fx, &t);
			assert_int_equal(hidden(fx), 0);
		}
	}
	fx_close(fx);
	key[bit / 8] ^= (uint8_t)(1u << bit % 8);
	return miss;
}

/* LMDB's pages: 10 flags, 1 for a branch; 12 end of the places of nodes;
 * a node's key begins at 8. */
static void
store__branch_key_flipped__all_is_told(void **state)
{
	struct fx *fx = *state;
	unsigned i, bit, miss = 0;
	uint8_t *b, *p;
	size_t n;

	fill(fx);
	fx_close(fx);
	b = image(fx, &n);
	for (p = b + 2 * PAGE; p < b + n; p += PAGE)
		for (i = 1; at16(p + 10) == 1 && 16 + 2 * i < at16(p + 12);
		    i++)
			for (bit = i % 2; bit < 64; bit += 3)
				miss += misled(fx, b, n, p + 8 +
				    at16(p + 16 + 2 * i), bit);
	assert_true(miss > 10);
	free(b);
}

/* One head of two is bad: a scan goes by the other one, and nothing else. */
static void
headless(struct fx *fx, const uint8_t *b, size_t n, bool anew)
{
	struct told t;
	void *sn;

	put_image(fx, b, n);
	assert_int_equal(fx->ops->open(fx->dir.dirfd, false, false, &fx->b),
	    -VFS_CORRUPT);
	assert_int_equal(fx->ops->open(fx->dir.dirfd, false, true, &fx->b), 0);
	assert_int_equal(fx->ops->snap_begin(fx->b, &sn), -VFS_CORRUPT);
	assert_int_equal(scan(fx, &t), 0);
	assert_true(t.losses > 0);
	assert_int_equal(t.rows, ROWS);
	if (anew)
		made_anew(fx, &t);
	fx_close(fx);
}

/* The two that LMDB begins with: 10 flags, 16 magic, 20 version, 40 length of
 * a page, 44 and 92 kinds of the trees, 46 and 94 depths, 136 last page. */
static void
store__head_flipped__is_told(void **state)
{
	static const struct { unsigned at, bits; } flip[] = {
		{ 10, 16 }, { 16, 64 }, { 40, 48 }, { 92, 16 }, { 95, 8 },
		{ 140, 32 },
	};
	struct fx *fx = *state;
	unsigned page, i, bit;
	uint8_t *b, *p;
	size_t n;

	fill(fx);
	fx_close(fx);
	b = image(fx, &n);
	for (page = 0; page < 2; page++)
		for (i = 0; i < sizeof flip / sizeof flip[0]; i++)
			for (bit = 0; bit < flip[i].bits; bit++) {
				p = b + page * PAGE + flip[i].at + bit / 8;
				*p ^= (uint8_t)(1u << bit % 8);
				headless(fx, b, n, bit == 0);
				*p ^= (uint8_t)(1u << bit % 8);
			}
	put_image(fx, b, n);
	reopen(fx, false);
	free(b);
}

static void
store__head_overwritten__rest_is_told(void **state)
{
	struct fx *fx = *state;
	uint8_t *b, was[PAGE];
	unsigned page;
	size_t n;

	fill(fx);
	fx_close(fx);
	b = image(fx, &n);
	for (page = 0; page < 2; page++) {
		memcpy(was, b + page * PAGE, PAGE);
		memset(b + page * PAGE, 0, PAGE);
		headless(fx, b, n, true);
		memcpy(b + page * PAGE, was, PAGE);
	}
	memset(b, 0, 2 * PAGE);
	put_image(fx, b, n);
	assert_int_equal(fx->ops->open(fx->dir.dirfd, false, true, &fx->b),
	    -VFS_CORRUPT);
	free(b);
}

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
	uint16_t flags;
	size_t at;

	for (at = 2 * PAGE; at < n; at += PAGE) {
		memcpy(&flags, b + at + 10, sizeof flags);
		if ((flags & ~DIRTY) == LEAF)
			b[at + (bit < 8 ? 15 : 13)] ^=
			    (uint8_t)(1u << bit % 8);
	}
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

/* What it was made from is not overwritten by the next one. */
static void
store__made_anew_twice__keeps_the_first(void **state)
{
	struct fx *fx = *state;
	struct told t = { .rows = 0 };
	struct store_scan to = { &t, told_row, told_lost };
	const char *kept;

	fill(fx);
	fx_close(fx);
	assert_int_equal(fx->ops->rebuild(fx->dir.dirfd, &to, NULL, &kept), 0);
	assert_int_equal(faccessat(fx->dir.dirfd, kept, F_OK, 0), 0);
	assert_int_equal(fx->ops->rebuild(fx->dir.dirfd, &to, NULL, &kept),
	    -VFS_EXIST);
	reopen(fx, false);
	assert_int_equal(scan(fx, &t), 0);
	assert_int_equal(t.rows, ROWS);
}

/* Killed when the old one had its other name and the new one not yet its
 * own. */
static void
store__made_anew_but_for_the_name__can_be_again(void **state)
{
	struct fx *fx = *state;
	struct told t = { .rows = 0 };
	struct store_scan to = { &t, told_row, told_lost };
	int dir = fx->dir.dirfd;
	struct stat now, was;
	const char *kept;

	fill(fx);
	fx_close(fx);
	assert_int_equal(linkat(dir, FILE_NAME, dir, FILE_NAME ".damaged", 0),
	    0);
	assert_int_equal(fx->ops->rebuild(dir, &to, NULL, &kept), 0);
	assert_int_equal(fstatat(dir, FILE_NAME, &now, 0), 0);
	assert_int_equal(fstatat(dir, kept, &was, 0), 0);
	assert_true(now.st_ino != was.st_ino);
	reopen(fx, false);
	assert_int_equal(scan(fx, &t), 0);
	assert_int_equal(t.rows, ROWS);
}

/* The host takes a part of a write: that is a full disk, too. */
static void
store__made_anew_without_room__is_nospc(void **state)
{
	struct fx *fx = *state;
	struct told t = { .rows = 0 };
	struct store_scan to = { &t, told_row, told_lost };
	struct rlimit was, low;
	const char *kept;
	int err;

	fill(fx);
	fx_close(fx);
	signal(SIGXFSZ, SIG_IGN);
	assert_int_equal(getrlimit(RLIMIT_FSIZE, &was), 0);
	low = was;
	low.rlim_cur = 20 * PAGE + PAGE / 2;
	assert_int_equal(setrlimit(RLIMIT_FSIZE, &low), 0);
	err = fx->ops->rebuild(fx->dir.dirfd, &to, NULL, &kept);
	assert_int_equal(setrlimit(RLIMIT_FSIZE, &was), 0);
	assert_int_equal(err, -VFS_NOSPC);
	assert_int_equal(faccessat(fx->dir.dirfd, kept, F_OK, 0), -1);
	memset(&t, 0, sizeof t);
	assert_int_equal(fx->ops->rebuild(fx->dir.dirfd, &to, NULL, &kept), 0);
	reopen(fx, false);
}

static const struct contract_case cases[] = {
	CASE_DISK(store__undamaged__scan_tells_all),
	CASE_DISK(store__any_history__is_undamaged),
	CASE_DISK(store__any_page_overwritten__rest_is_told),
	CASE_DISK(store__cut_short_anywhere__rest_is_told),
	CASE_DISK(store__any_bit_flipped__nothing_dies),
	CASE_DISK(store__row_is_damaged__cursor_goes_on),
	CASE_DISK(store__rows_out_of_order__walk_ends),
	CASE_DISK(store__pages_out_of_order__walk_ends),
	CASE_DISK(store__seek_led_astray__is_corrupt),
	CASE_DISK(store__value_ends_behind_the_file__is_corrupt),
	CASE_DISK(store__cut_short_while_open__nothing_dies),
	CASE_DISK(store__branch_key_flipped__all_is_told),
	CASE_DISK(store__head_flipped__is_told),
	CASE_DISK(store__head_overwritten__rest_is_told),
	CASE_DISK(store__write_to_damaged__is_an_error),
	CASE_DISK(store__write_to_any_wrong_head__is_an_error),
	CASE_DISK(store__write_to_any_bit_flipped__heap_stays_whole),
	CASE_DISK(store__made_anew_twice__keeps_the_first),
	CASE_DISK(store__made_anew_but_for_the_name__can_be_again),
	CASE_DISK(store__made_anew_without_room__is_nospc),
};

int
main(void)
{
	return every_backend(cases, sizeof cases / sizeof cases[0]);
}
