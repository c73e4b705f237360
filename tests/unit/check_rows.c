/*
 * The checker: a store with one row of each kind and more, every row of it
 * deleted, spoilt, doubled or changed, one at a time.  Each is found, and
 * named by kind.
 */
#include "../../backends/mem/mem.h"
#include "../../vfsd/check_store.h"
#include "../../vfsd/core/le.h"
#include "../cm.h"
#include "../fx.h"

#define ROWS_MAX	400
#define SUM		8u

struct raw {
	uint8_t key[VFS_KEY_MAX + 1], val[8192];
	size_t nkey, nval;
};

static struct raw rows[ROWS_MAX];
static size_t nrows;

/* What a check said. */
static struct {
	unsigned n, kinds[256], leaked, pathed;
	char first[400];
	struct check_sum sum;
} said;

static void
found(void *arg, const struct check_finding *f)
{
	(void)arg;
	if (said.n++ == 0)
		snprintf(said.first, sizeof said.first, "%c %llu %s: %s",
		    f->kind, (unsigned long long)f->id, f->path, f->text);
	said.kinds[(uint8_t)f->kind]++;
	said.leaked += strstr(f->text, "leaked") != NULL;
	said.pathed += f->path[0] == '/';
}

static int
check(struct engine *e, bool repair)
{
	struct check_conf conf = { .bytes = true, .repair = repair,
		.still = true, .found = found };

	memset(&said, 0, sizeof said);
	return check_store(e, &conf, &said.sum);
}

/* --- a store with something of everything ---------------------------- */

static void
collect(struct fx *fx)
{
	struct vfs_slice key, val, none = { "", 0 };
	void *store, *snap, *cur;
	int err;

	nrows = 0;
	assert_int_equal(be_store_mem.open(fx->conf.dirfd, false, true,
	    &store), 0);
	assert_int_equal(be_store_mem.snap_begin(store, &snap), 0);
	assert_int_equal(be_store_mem.cur_open(snap, &cur), 0);
	for (err = be_store_mem.cur_seek(cur, none, &key, &val); err == 0;
	    err = be_store_mem.cur_next(cur, &key, &val)) {
		struct raw *r = &rows[nrows++];

		assert_true(nrows < ROWS_MAX && val.n <= sizeof r->val);
		memcpy(r->key, key.p, r->nkey = key.n);
		memcpy(r->val, val.p, r->nval = val.n);
	}
	be_store_mem.cur_close(cur);
	be_store_mem.snap_end(snap);
	be_store_mem.close(store);
}

static int
setup(void **state)
{
	struct fx *fx;

	if (fx_setup(state) != 0)
		return -1;
	fx = *state;
	fx_varied(fx);
	fx_restart(fx);
	assert_int_equal(engine_close(fx->e), 0);
	fx->e = NULL;
	fx->quiet = true;
	fx->conf.damaged_ok = true;
	collect(fx);
	return 0;
}

static int
teardown(void **state)
{
	return fx_teardown(state);
}

/* --- one row changed ------------------------------------------------- */

static void
put(struct fx *fx, const struct raw *r, bool del)
{
	struct store_row row = { { r->key, r->nkey }, { r->val, r->nval } };
	struct store_batch b = { &row, 1 };
	void *store;

	if (del)
		row.val = (struct vfs_slice){ NULL, 0 };
	assert_int_equal(be_store_mem.open(fx->conf.dirfd, false, false,
	    &store), 0);
	assert_int_equal(be_store_mem.apply(store, &b), 0);
	be_store_mem.close(store);
}

static void
seal(struct raw *r)
{
	size_t n = r->nval - SUM;

	le_put64(r->val + n, sum_row((struct vfs_slice){ r->key, r->nkey },
	    (struct vfs_slice){ r->val, n }));
}

/* Opens what is there now and checks it.  -VFS_CORRUPT is a finding too:
 * the engine has named a row that it cannot do without. */
static void
look(struct fx *fx)
{
	int err;

	fx->conf.rdonly = true;
	fx->conf.create = false;
	err = engine_open(&fx->conf, &fx->e);
	memset(&said, 0, sizeof said);
	if (err == -VFS_CORRUPT) {
		said.n = said.kinds['A'] = 1;
		return;
	}
	assert_int_equal(err, 0);
	assert_int_equal(check(fx->e, false), 0);
	engine_kill(fx->e);
	fx->e = NULL;
}

static void
must_name(const struct raw *r, size_t i, const char *what)
{
	/* A doubled inode without names is an orphan that is not listed. */
	if (r->key[0] == 'B' && said.kinds['B'] == 0)
		said.kinds['B'] = said.kinds['J'];
	if (r->key[0] == 'J' && said.kinds['J'] == 0)
		said.kinds['J'] = said.kinds['B'];
	if (said.kinds[r->key[0]] == 0)
		print_message("# row %zu of kind %c %s: %u findings: %s\n", i,
		    r->key[0], what, said.n, said.first);
	assert_true(said.kinds[r->key[0]] > 0);
}

static void
check__sound_store__finds_nothing(void **state)
{
	look(*state);
	if (said.n > 0)
		print_message("# %s\n", said.first);
	assert_int_equal(said.n, 0);
	assert_true(said.sum.blocks >= 40 + 3 + 8);
	assert_int_equal(said.sum.rows, nrows);
}

static void
check__all_kinds__are_in_the_store(void **state)
{
	const char *k = "ABCDEFGHIJK";
	size_t i;

	(void)state;
	for (; *k != 0; k++) {
		for (i = 0; i < nrows && rows[i].key[0] != *k; i++)
			;
		if (i == nrows)
			print_message("# no row of kind %c\n", *k);
		assert_true(i < nrows);
	}
}

static void
check__each_row_deleted__is_named(void **state)
{
	struct fx *fx = *state;
	size_t i;

	for (i = 0; i < nrows; i++) {
		put(fx, &rows[i], true);
		look(fx);
		must_name(&rows[i], i, "deleted");
		put(fx, &rows[i], false);
	}
	look(fx);
	assert_int_equal(said.n, 0);
}

static void
check__each_row_spoilt__is_named(void **state)
{
	struct fx *fx = *state;
	struct raw r;
	size_t i, at;

	for (i = 0; i < nrows; i++) {
		for (at = 0; at < rows[i].nval;
		    at += 1 + rows[i].nval / 16) {
			r = rows[i];
			r.val[at] ^= 0x10;
			put(fx, &r, false);
			look(fx);
			must_name(&r, i, "spoilt");
		}
		put(fx, &rows[i], false);
	}
}

/* A copy under a key beside it, with a right checksum. */
static void
check__each_row_doubled__is_named(void **state)
{
	struct fx *fx = *state;
	struct raw r;
	size_t i;

	for (i = 0; i < nrows; i++) {
		r = rows[i];
		switch (r.key[0]) {
		case 'A':
		case 'C':
		case 'F':
			r.key[r.nkey++] = 'x';
			break;
		default:
			r.key[r.nkey - 2] ^= 0x40;
			break;
		}
		seal(&r);
		put(fx, &r, false);
		look(fx);
		must_name(&r, i, "doubled");
		put(fx, &r, true);
	}
	look(fx);
	assert_int_equal(said.n, 0);
}

/* Rows all of whose bytes mean structure: each change is found even if
 * the checksum agrees. */
static void
check__each_byte_changed_and_sealed__is_found(void **state)
{
	struct fx *fx = *state;
	struct raw r;
	size_t i, at;

	for (i = 0; i < nrows; i++) {
		if (strchr("CDHI", rows[i].key[0]) == NULL)
			continue;
		for (at = 0; at < rows[i].nval - SUM; at++) {
			if (rows[i].key[0] == 'H' && at == 4)
				continue;	/* flags: said below */
			r = rows[i];
			r.val[at] ^= 1;
			seal(&r);
			put(fx, &r, false);
			look(fx);
			if (said.n == 0)
				print_message("# kind %c byte %zu\n",
				    r.key[0], at);
			assert_true(said.n > 0);
		}
		put(fx, &rows[i], false);
	}
}

/* Two files with one block, and nothing that says so. */
static void
check__extents_overlap__both_are_named(void **state)
{
	struct fx *fx = *state;
	struct raw r, *plain = NULL, *big = NULL;
	size_t i;

	for (i = 0; i < nrows; i++)
		if (rows[i].key[0] == 'H') {
			if (rows[i].val[0] == 3)
				plain = &rows[i];
			else if (big == NULL)
				big = &rows[i];
		}
	assert_true(plain != NULL && big != NULL);
	r = *plain;
	memcpy(r.val + 8, big->val + 8, 8);
	seal(&r);
	put(fx, &r, false);
	look(fx);
	put(fx, plain, false);
	assert_true(said.kinds['H'] > 0);
	assert_true(said.pathed > 0);
}

static void
check__file_bytes_spoilt__file_is_named(void **state)
{
	struct fx *fx = *state;
	uint8_t old[VFS_BLOCK], bad[VFS_BLOCK];
	void *data;
	size_t i;

	for (i = 0; i < nrows && !(rows[i].key[0] == 'H' &&
	    rows[i].val[0] == 3); i++)
		;
	assert_true(i < nrows);
	assert_int_equal(be_data_mem.open(fx->conf.dirfd, false, false,
	    &data), 0);
	be_data_mem.read(data, le_get64(rows[i].val + 8) * VFS_BLOCK, old,
	    VFS_BLOCK);
	memcpy(bad, old, VFS_BLOCK);
	bad[4095] ^= 1;
	be_data_mem.write(data, le_get64(rows[i].val + 8) * VFS_BLOCK, bad,
	    VFS_BLOCK);
	look(fx);
	be_data_mem.write(data, le_get64(rows[i].val + 8) * VFS_BLOCK, old,
	    VFS_BLOCK);
	be_data_mem.close(data);
	assert_int_equal(said.n, 1);
	assert_int_equal(said.sum.unreadable, 1);
	assert_non_null(strstr(said.first, "/plain"));
}

static void
check__blocks_nobody_has__are_leaked(void **state)
{
	struct fx *fx = *state;
	uint64_t block;
	uint32_t got;

	fx->conf.rdonly = false;
	fx->conf.damaged_ok = false;
	assert_int_equal(engine_open(&fx->conf, &fx->e), 0);
	assert_int_equal(check(fx->e, false), 0);
	assert_int_equal(said.n, 0);
	assert_int_equal(data_alloc(fx->e, 3, 0, &block, &got), 0);
	assert_int_equal(check(fx->e, false), 0);
	assert_int_equal(said.leaked, 1);
	data_unalloc(fx->e, block, got);
	assert_int_equal(check(fx->e, false), 0);
	assert_int_equal(said.n, 0);
	engine_close(fx->e);
	fx->e = NULL;
	fx->conf.damaged_ok = true;
}

/* --- repair ---------------------------------------------------------- */

/* What no repair brings back: the bytes themselves, marks. */
static bool
lost_for_good(const struct raw *r)
{
	return strchr("AGH", r->key[0]) != NULL;
}

static void
repair_one(struct fx *fx, const struct raw *r, const char *what, size_t i)
{
	fx->conf.rdonly = false;
	assert_int_equal(engine_open(&fx->conf, &fx->e), 0);
	assert_int_equal(check(fx->e, true), 0);
	if (said.sum.left > 0) {
		print_message("# row %zu of kind %c %s: %llu left\n", i,
		    r->key[0], what, (unsigned long long)said.sum.left);
		check(fx->e, false);
		print_message("# %s\n", said.first);
	}
	assert_int_equal(said.sum.left, 0);
	assert_true(said.sum.fixed > 0 || said.n == 0);
	if (said.n == 0)	/* the journal's end, which is not counted */
		assert_int_equal(r->key[0], 'K');
	assert_int_equal(engine_close(fx->e), 0);
	fx->e = NULL;
	look(fx);
	if (said.n > 0)
		print_message("# row %zu of kind %c %s, repaired: %s\n", i,
		    r->key[0], what, said.first);
	assert_int_equal(said.n, 0);
}

/* Put the store back as it was. */
static void
restore(struct fx *fx)
{
	struct vfs_slice key, val, none = { "", 0 };
	void *store, *snap, *cur;
	static struct raw extra[64];
	size_t n = 0, i;
	int err;

	assert_int_equal(be_store_mem.open(fx->conf.dirfd, false, true,
	    &store), 0);
	assert_int_equal(be_store_mem.snap_begin(store, &snap), 0);
	assert_int_equal(be_store_mem.cur_open(snap, &cur), 0);
	for (err = be_store_mem.cur_seek(cur, none, &key, &val); err == 0;
	    err = be_store_mem.cur_next(cur, &key, &val)) {
		for (i = 0; i < nrows; i++)
			if (rows[i].nkey == key.n &&
			    memcmp(rows[i].key, key.p, key.n) == 0)
				break;
		/* The journal is counted in a mark that has moved on. */
		if (i < nrows || *(const uint8_t *)key.p == 'K')
			continue;
		assert_true(n < 64);
		memcpy(extra[n].key, key.p, extra[n].nkey = key.n);
		n++;
	}
	be_store_mem.cur_close(cur);
	be_store_mem.snap_end(snap);
	be_store_mem.close(store);
	for (i = 0; i < n; i++)
		put(fx, &extra[i], true);
	for (i = 0; i < nrows; i++)
		if (rows[i].key[0] != 'A')
			put(fx, &rows[i], false);
}

static void
repair__each_row_deleted_or_spoilt__is_clean_after(void **state)
{
	struct fx *fx = *state;
	struct raw r;
	size_t i;

	for (i = 0; i < nrows; i++) {
		if (lost_for_good(&rows[i]))
			continue;
		put(fx, &rows[i], true);
		repair_one(fx, &rows[i], "deleted", i);
		restore(fx);
		r = rows[i];
		r.val[r.nval - 1] ^= 1;
		put(fx, &r, false);
		repair_one(fx, &rows[i], "spoilt", i);
		restore(fx);
	}
}

/* Repaired, the store is served again: lost bytes are an error, not
 * zeroes, and the file that has lost them can be removed. */
static void
serve_again(struct fx *fx, size_t i)
{
	static const char *const files[] = { "/big", "/plain", "/d/e/copy" };
	uint8_t buf[64 * VFS_BLOCK];
	unsigned bad = 0, f;

	fx->conf.damaged_ok = false;
	assert_int_equal(engine_open(&fx->conf, &fx->e), 0);
	assert_int_equal(check(fx->e, false), 0);
	assert_true(said.sum.unreadable > 0);
	assert_int_equal(said.n, said.sum.unreadable);
	for (f = 0; f < 3; f++)
		bad += fx_read(fx, files[f], 0, buf, sizeof buf) < 0;
	if (bad == 0)
		print_message("# row %zu\n", i);
	assert_true(bad > 0);
	for (f = 0; f < 3; f++)
		assert_int_equal(fx_unlink(fx, files[f]), 0);
	assert_int_equal(fx_reclaim_all(fx), 0);
	assert_int_equal(check(fx->e, false), 0);
	assert_int_equal(said.n, 0);
	assert_int_equal(engine_close(fx->e), 0);
	fx->e = NULL;
	fx->conf.damaged_ok = true;
}

static void
repair_extent(struct fx *fx, const struct raw *r, size_t i)
{
	put(fx, r, false);
	fx->conf.rdonly = false;
	fx->conf.damaged_ok = false;
	assert_int_equal(engine_open(&fx->conf, &fx->e), -VFS_CORRUPT);
	fx->conf.damaged_ok = true;
	assert_int_equal(engine_open(&fx->conf, &fx->e), 0);
	assert_int_equal(check(fx->e, true), 0);
	assert_true(said.sum.left > 0);
	assert_int_equal(engine_close(fx->e), 0);
	fx->e = NULL;
	serve_again(fx, i);
	restore(fx);
}

static void
repair__spoilt_or_overlapping_extent__is_an_error_and_served(void **state)
{
	struct fx *fx = *state;
	struct raw r, *big = NULL;
	size_t i;

	for (i = 0; i < nrows; i++) {
		if (rows[i].key[0] != 'H')
			continue;
		r = rows[i];
		r.val[r.nval - 1] ^= 1;
		repair_extent(fx, &r, i);
		if (big == NULL)
			big = &rows[i];
		if (rows[i].val[0] != 3)
			continue;
		r = rows[i];		/* /plain, at somebody else's place */
		memcpy(r.val + 8, big->val + 8, 8);
		seal(&r);
		repair_extent(fx, &r, i);
	}
}

static void
repair__extent_that_is_gone__is_an_error_not_zeros(void **state)
{
	struct fx *fx = *state;
	size_t i, some = 0;

	for (i = 0; i < nrows; i++) {
		if (rows[i].key[0] != 'H')
			continue;
		put(fx, &rows[i], true);
		fx->conf.rdonly = false;
		assert_int_equal(engine_open(&fx->conf, &fx->e), 0);
		assert_int_equal(check(fx->e, true), 0);
		assert_true(said.sum.left > 0);
		assert_int_equal(engine_close(fx->e), 0);
		fx->e = NULL;
		serve_again(fx, i);
		restore(fx);
		some++;
	}
	assert_true(some > 2);
}

/* Which holes of a file were always ones is not known then. */
static void
repair__extent_between_holes_is_gone__holes_are_an_error(void **state)
{
	struct fx *fx = *state;
	uint8_t buf[VFS_BLOCK] = "bytes";
	struct row_key k;
	struct txn *t;

	fx->conf.rdonly = fx->conf.damaged_ok = false;
	assert_int_equal(engine_open(&fx->conf, &fx->e), 0);
	assert_int_equal(fx_create(fx, "/thin", 0644), 0);
	assert_int_equal(fx_write(fx, "/thin", 5 * VFS_BLOCK, buf,
	    sizeof buf), 0);
	assert_int_equal(fx_write(fx, "/thin", 90 * VFS_BLOCK, buf,
	    sizeof buf), 0);
	assert_int_equal(fx_publish(fx, "/thin"), 0);
	row_key_id2(&k, ROW_EXTENT, fx_id(fx, "/thin").n, 5);
	assert_int_equal(txn_begin(fx->e, TXN_WRITE, &fx->env, &t), 0);
	assert_int_equal(txn_del(t, row_key_slice(&k)), 0);
	assert_int_equal(txn_commit(t, NULL), 0);
	assert_int_equal(check(fx->e, true), 0);
	assert_true(said.sum.left > 0);
	assert_true(fx_read(fx, "/thin", 0, buf, 1) < 0);
	assert_true(fx_read(fx, "/thin", 5 * VFS_BLOCK, buf, 1) < 0);
	assert_true(fx_read(fx, "/thin", 89 * VFS_BLOCK, buf, 1) < 0);
	assert_int_equal(fx_read(fx, "/thin", 90 * VFS_BLOCK, buf, 1), 1);
	assert_int_equal(fx_unlink(fx, "/thin"), 0);
	assert_int_equal(fx_reclaim_all(fx), 0);
	assert_int_equal(engine_close(fx->e), 0);
	look(fx);
	assert_int_equal(said.n, 0);
}

/* Bytes in a row that is spoilt are not made an empty file. */
static void
repair__spoilt_inline_bytes__are_left_alone(void **state)
{
	struct fx *fx = *state;
	struct raw r;
	size_t i;

	for (i = 0; i < nrows; i++) {
		if (rows[i].key[0] != 'G')
			continue;
		r = rows[i];
		r.val[r.nval - 1] ^= 1;
		put(fx, &r, false);
		fx->conf.rdonly = false;
		assert_int_equal(engine_open(&fx->conf, &fx->e), 0);
		assert_int_equal(check(fx->e, true), 0);
		assert_true(said.sum.left > 0);
		assert_int_equal(engine_close(fx->e), 0);
		fx->e = NULL;
		look(fx);
		assert_true(said.kinds[r.key[0]] > 0);
		restore(fx);
	}
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
#define T(f) cmocka_unit_test_setup_teardown(f, setup, teardown)
		T(check__sound_store__finds_nothing),
		T(check__all_kinds__are_in_the_store),
		T(check__each_row_deleted__is_named),
		T(check__each_row_spoilt__is_named),
		T(check__each_row_doubled__is_named),
		T(check__each_byte_changed_and_sealed__is_found),
		T(check__extents_overlap__both_are_named),
		T(check__file_bytes_spoilt__file_is_named),
		T(check__blocks_nobody_has__are_leaked),
		T(repair__each_row_deleted_or_spoilt__is_clean_after),
		T(repair__spoilt_or_overlapping_extent__is_an_error_and_served),
		T(repair__extent_that_is_gone__is_an_error_not_zeros),
		T(repair__extent_between_holes_is_gone__holes_are_an_error),
		T(repair__spoilt_inline_bytes__are_left_alone),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
