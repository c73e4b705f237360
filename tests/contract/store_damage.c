/*
 * A row backend on a disk whose file is damaged: nothing kills who reads it,
 * a scan tells what is lost and reaches the rest, and a store can be made
 * anew from that.
 */
#include <signal.h>
#include <sys/mman.h>
#include <sys/resource.h>

#include "damage_fx.h"

#define FLIPS		400u
#define HISTORY		8000u		/* rows, in all */

/* --- what a scan says ------------------------------------------------ */

struct told {
	bool row[ROWS];
	unsigned rows, losses, wrong;
	unsigned from[64], to[64];	/* keys between which rows are lost */
};

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
		for (i = 1; u16(p + 10) == 1 && 16 + 2 * i < u16(p + 12);
		    i++)
			for (bit = i % 2; bit < 64; bit += 3)
				miss += misled(fx, b, n, p + 8 +
				    u16(p + 16 + 2 * i), bit);
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
	CASE_DISK(store__branch_key_flipped__all_is_told),
	CASE_DISK(store__head_flipped__is_told),
	CASE_DISK(store__head_overwritten__rest_is_told),
	CASE_DISK(store__made_anew_twice__keeps_the_first),
	CASE_DISK(store__made_anew_but_for_the_name__can_be_again),
	CASE_DISK(store__made_anew_without_room__is_nospc),
};

int
main(void)
{
	return every_backend(cases, sizeof cases / sizeof cases[0]);
}
