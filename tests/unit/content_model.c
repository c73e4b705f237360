/*
 * Content against a byte array: random writes, cuts, holes, copies,
 * publications, stops and starts; then rows, owners and free space are
 * counted.  SEED repeats a run, STEPS makes it longer.
 */
#include <inttypes.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include <cmocka.h>

#include "../../vfsd/core/content.h"
#include "../../vfsd/engine/engine_impl.h"
#include "../fx.h"

#define FILES		4
#define MAX		(320u << 10)
#define PLACES		(1u << 16)

struct image {
	uint32_t size;
	bool here;
	uint8_t b[MAX];
};

struct model {
	struct fx *fx;
	uint64_t rnd, step;
	bool trace;			/* TRACE=1: say and check each step */
	struct image now[FILES], published[FILES];
	bool draft[FILES];
	uint8_t buf[MAX], buf2[MAX];
};

static uint64_t
rnd(struct model *m, uint64_t below)
{
	m->rnd ^= m->rnd << 13;
	m->rnd ^= m->rnd >> 7;
	m->rnd ^= m->rnd << 17;
	return (m->rnd >> 11) % below;
}

static const char *
path(unsigned i)
{
	static const char *const names[FILES] = { "/a", "/b", "/c", "/d" };

	return names[i];
}

#define MUST(expr) do { \
	int err_ = (expr); \
	if (err_ < 0) \
		fail_msg("step %" PRIu64 ": %s: %s", m->step, #expr, \
		    vfs_err_name(err_)); \
} while (0)

static struct vfs_id
id_of(struct model *m, unsigned i)
{
	return fx_id(m->fx, path(i));
}

/* Everything of file i is published now. */
static void
published(struct model *m, unsigned i)
{
	m->published[i] = m->now[i];
	m->draft[i] = false;
}

/* A length: often small, or whole blocks. */
static uint32_t
len_of(struct model *m, uint32_t max)
{
	uint32_t n;

	switch (rnd(m, 6)) {
	case 0:
		n = 1 + (uint32_t)rnd(m, 100);
		break;
	case 1:
		n = 1 + (uint32_t)rnd(m, 1600);
		break;
	case 2:
		n = 4096 * (1 + (uint32_t)rnd(m, 10));
		break;
	case 3:
		n = 1 + (uint32_t)rnd(m, max);
		break;
	default:
		n = 1 + (uint32_t)rnd(m, 9000);
		break;
	}
	return n < max ? n : max;
}

static uint32_t
off_of(struct model *m, unsigned i)
{
	uint32_t off;

	switch (rnd(m, 6)) {
	case 0:
		off = 0;
		break;
	case 1:
		off = m->now[i].size;
		break;
	case 2:
		off = (uint32_t)rnd(m, MAX / 4096) * 4096;
		break;
	case 3:
		off = (uint32_t)rnd(m, 2000);
		break;
	case 4:
		off = (uint32_t)rnd(m, MAX);
		break;
	default:
		off = (uint32_t)rnd(m, m->now[i].size + 1);
		break;
	}
	return off < MAX ? off : MAX - 1;
}

/* --- steps -------------------------------------------------------------- */

static void
grow(struct image *f, uint32_t size)
{
	if (size > f->size)
		f->size = size;
}

static void
do_write(struct model *m, unsigned i)
{
	struct image *f = &m->now[i];
	uint32_t off = off_of(m, i), n = len_of(m, MAX - off), k;
	struct vfs_write q = { .id = id_of(m, i), .off = off,
		.data = { m->buf, n } };
	struct vfs_write_reply r;

	if (rnd(m, 4) == 0 && f->size < MAX) {
		q.flags = VFS_WRITE_APPEND;
		off = f->size;
		if (n > MAX - off)
			q.data.n = n = MAX - off;
	}
	for (k = 0; k < n; k++)
		m->buf[k] = (uint8_t)rnd(m, 256);
	MUST(fx_op_write(m->fx, &q, &r));
	assert_int_equal(r.count, n);
	assert_int_equal(r.off, off);
	memcpy(f->b + off, m->buf, n);
	grow(f, off + n);
	m->draft[i] = true;
}

static void
do_truncate(struct model *m, unsigned i)
{
	struct image *f = &m->now[i];
	uint32_t size = off_of(m, i);

	MUST(fx_truncate(m->fx, path(i), size));
	if (size < f->size)
		memset(f->b + size, 0, f->size - size);
	f->size = size;
	published(m, i);
}

static void
do_allocate(struct model *m, unsigned i)
{
	static const uint32_t how[] = {
		0, VFS_ALLOC_KEEP_SIZE, VFS_ALLOC_ZERO,
		VFS_ALLOC_PUNCH | VFS_ALLOC_KEEP_SIZE,
		VFS_ALLOC_PUNCH | VFS_ALLOC_KEEP_SIZE,
		VFS_ALLOC_ZERO | VFS_ALLOC_KEEP_SIZE,
	};
	struct image *f = &m->now[i];
	uint32_t off = off_of(m, i), n = len_of(m, MAX - off), end = off + n;
	struct vfs_allocate q = { .id = id_of(m, i), .off = off, .len = n,
		.flags = how[rnd(m, sizeof how / sizeof how[0])] };
	struct vfs_allocate_reply r;

	MUST(fx_op_allocate(m->fx, &q, &r));
	if ((q.flags & VFS_ALLOC_KEEP_SIZE) == 0)
		grow(f, end);
	if (end > f->size)
		end = f->size;
	if (q.flags & (VFS_ALLOC_PUNCH | VFS_ALLOC_ZERO) && off < end)
		memset(f->b + off, 0, end - off);
	published(m, i);
}

static void
do_copy(struct model *m, unsigned i)
{
	unsigned j = (unsigned)rnd(m, FILES);
	uint32_t a = off_of(m, i), b = off_of(m, j), n, k;
	struct vfs_copy_range_reply r;
	struct vfs_copy_range q;
	int err;

	if (!m->now[j].here)
		return;
	if (rnd(m, 2))
		b = b / 4096 * 4096 + a % 4096;
	n = 1 + (uint32_t)rnd(m, MAX);
	if (n > MAX - b)
		n = MAX - b;
	q = (struct vfs_copy_range){ .src = id_of(m, i), .dst = id_of(m, j),
	    .src_off = a, .dst_off = b, .len = n };
	err = fx_op_copy_range(m->fx, &q, &r);
	k = a >= m->now[i].size ? 0 : m->now[i].size - a < n ?
	    m->now[i].size - a : n;
	if (i == j && a < b + k && b < a + k) {
		assert_int_equal(err, -VFS_INVAL);
		return;
	}
	MUST(err);
	assert_int_equal(r.copied, k);
	if (k == 0)
		return;
	memmove(m->now[j].b + b, m->now[i].b + a, k);
	grow(&m->now[j], b + k);
	published(m, i);
	published(m, j);
}

static void
do_cut(struct model *m, unsigned i)
{
	struct vfs_open q = { .id = id_of(m, i),
		.flags = VFS_OPEN_WRITE | VFS_OPEN_TRUNC };
	struct vfs_open_reply r;

	MUST(fx_op_open(m->fx, &q, &r));
	memset(m->now[i].b, 0, m->now[i].size);
	m->now[i].size = 0;
	m->draft[i] = true;
}

static void
do_publish(struct model *m, unsigned i)
{
	struct vfs_publish q = { .id = id_of(m, i),
		.carry_max = rnd(m, 2) ? 65536 : 0 };
	struct vfs_publish_reply r;

	MUST(fx_op_publish(m->fx, &q, &r));
	assert_int_equal(r.published, m->draft[i]);
	if (rnd(m, 2))
		MUST(engine_sync(m->fx->e));
	published(m, i);
}

static void
do_remove(struct model *m, unsigned i)
{
	if (rnd(m, 4) > 0)
		return;
	MUST(fx_unlink(m->fx, path(i)));
	MUST(fx_reclaim_all(m->fx));
	memset(&m->now[i], 0, sizeof m->now[i]);
	published(m, i);
}

static void
do_rename(struct model *m, unsigned i)
{
	unsigned j = (unsigned)rnd(m, FILES);

	if (i == j)
		return;
	MUST(fx_rename(m->fx, path(i), path(j), 0));
	MUST(fx_reclaim_all(m->fx));
	published(m, i);
	m->now[j] = m->now[i];
	memset(&m->now[i], 0, sizeof m->now[i]);
	published(m, i);
	published(m, j);
}

static void
do_read(struct model *m, unsigned i)
{
	struct image *f = &m->now[i];
	uint32_t off = off_of(m, i), n = len_of(m, MAX);
	uint32_t want = off >= f->size ? 0 :
	    f->size - off < n ? f->size - off : n;
	int64_t got;

	memset(m->buf2, 0xee, MAX);
	got = fx_read(m->fx, path(i), off, m->buf2, n);
	if (got != want || memcmp(m->buf2, f->b + off, want) != 0)
		fail_msg("step %" PRIu64 ": read %u at %u of %s: %" PRId64,
		    m->step, n, off, path(i), got);
}

static void
do_seek(struct model *m, unsigned i)
{
	struct image *f = &m->now[i];
	uint32_t off = off_of(m, i), k;
	struct vfs_seek q = { .id = id_of(m, i), .off = off,
		.whence = VFS_SEEK_DATA };
	struct vfs_seek_reply r;
	int err = fx_op_seek(m->fx, &q, &r);

	if (err < 0) {
		assert_int_equal(err, -VFS_NXIO);
		r.off = f->size;
	}
	assert_true(r.off >= off || off >= f->size);
	for (k = off; k < r.off; k++)
		assert_int_equal(f->b[k], 0);
	q.whence = VFS_SEEK_HOLE;
	err = fx_op_seek(m->fx, &q, &r);
	assert_int_equal(err, off < f->size ? 0 : -VFS_NXIO);
	if (err == 0)
		assert_true(r.off >= off && r.off <= f->size);
}

/* --- stops and starts --------------------------------------------------- */

static void
compare(struct model *m)
{
	struct vfs_attr a;
	unsigned i;
	int err;

	for (i = 0; i < FILES; i++) {
		struct image *f = &m->now[i];

		err = fx_stat(m->fx, path(i), &a);
		if (!f->here) {
			assert_int_equal(err, -VFS_NOENT);
			continue;
		}
		MUST(err);
		if (a.size != f->size)
			fail_msg("step %" PRIu64 ": %s has size %" PRIu64
			    ", not %u", m->step, path(i), a.size, f->size);
		int64_t got = fx_read(m->fx, path(i), 0, m->buf2, MAX);
		if (got != f->size)
			fail_msg("step %" PRIu64 ": %s: read %" PRId64,
			    m->step, path(i), got);
		if (memcmp(m->buf2, f->b, f->size) != 0)
			fail_msg("step %" PRIu64 ": bytes of %s", m->step,
			    path(i));
	}
}

static void
do_restart(struct model *m)
{
	unsigned i, how = (unsigned)rnd(m, 4);

	if (m->trace)
		printf("# restart %u\n", how);
	switch (how) {
	case 0:				/* power cut, nothing lost */
		fx_reboot(m->fx);
		for (i = 0; i < FILES; i++)
			m->now[i] = m->published[i];
		break;
	case 1:
		MUST(fx_publish_all(m->fx));
		fx_restart(m->fx);
		break;
	default:			/* kill -9 */
		fx_reopen(m->fx);
		compare(m);		/* drafts are seen even before */
		MUST(fx_publish_all(m->fx));
		break;
	}
	for (i = 0; i < FILES; i++)
		published(m, i);
	MUST(fx_reclaim_all(m->fx));
	compare(m);
}

/* --- counting ----------------------------------------------------------- */

struct owners {
	uint32_t refs[PLACES], drafts[PLACES], shares[PLACES];
	bool flagged[PLACES];		/* all that own it say shared */
};

static void
count_extent(struct owners *o, enum row_kind kind, struct vfs_slice val)
{
	struct rec_extent x;
	uint64_t p;

	assert_int_equal(rec_extent_decode(val, &x), 0);
	for (p = x.place; p < x.place + x.nblocks; p++) {
		assert_true(p < PLACES);
		if (kind == ROW_DEXTENT) {
			o->drafts[p]++;
			continue;
		}
		if (o->refs[p]++ == 0)
			o->flagged[p] = true;
		if ((x.flags & EXTENT_SHARED) == 0)
			o->flagged[p] = false;
	}
}

static void
count_share(struct owners *o, uint64_t last, struct vfs_slice val)
{
	struct rec_share s;
	uint64_t p;

	assert_int_equal(rec_share_decode(val, &s), 0);
	for (p = last + 1 - s.nblocks; p <= last; p++) {
		assert_true(p < PLACES && o->shares[p] == 0);
		o->shares[p] = s.refs;
	}
}

static void
count_rows(struct model *m, struct owners *o)
{
	struct vfs_slice key, val, first = { "\0", 1 };
	struct row_parts p;
	struct txn_cur *c;
	struct txn *t;
	int err;

	MUST(txn_begin(m->fx->e, TXN_READ, &m->fx->env, &t));
	MUST(txn_cur_open(t, &c));
	err = txn_cur_seek(c, first, &key, &val);
	for (; err == 0; err = txn_cur_next(c, &key, &val)) {
		MUST(row_key_parse(key, &p));
		if (p.kind == ROW_EXTENT || p.kind == ROW_DEXTENT)
			count_extent(o, p.kind, val);
		else if (p.kind == ROW_SHARE)
			count_share(o, p.a, val);
	}
	assert_int_equal(err, -VFS_NOENT);
	txn_abort(t);
}

static void
count_file(struct model *m, unsigned i)
{
	uint64_t blocks;
	struct node n;
	struct txn *t;

	MUST(txn_begin(m->fx->e, TXN_READ, &m->fx->env, &t));
	MUST(node_get(t, id_of(m, i), &n));
	assert_int_equal(n.draft, m->draft[i]);
	MUST(ext_count(t, &n, 0, EXT_LAST_BLOCK, &blocks));
	if (blocks != n.in.blocks)
		fail_msg("step %" PRIu64 ": %s has %" PRIu64
		    " blocks, says %" PRIu64, m->step, path(i), blocks,
		    n.in.blocks);
	txn_abort(t);
}

static void
count(struct model *m)
{
	struct owners *o = calloc(1, sizeof *o);
	struct space_usage u;
	uint64_t used = 0, p;
	unsigned i;

	assert_non_null(o);
	for (i = 0; i < FILES; i++)
		if (m->now[i].here)
			count_file(m, i);
	count_rows(m, o);
	for (p = 0; p < PLACES; p++) {
		used += o->refs[p] > 0 || o->drafts[p] > 0;
		assert_true(o->drafts[p] + (o->refs[p] > 0) <= 1);
		assert_int_equal(o->shares[p],
		    o->refs[p] > 1 ? o->refs[p] : 0);
		assert_true(o->refs[p] < 2 || o->flagged[p]);
	}
	free(o);
	space_usage(m->fx->e->space, &u);
	if (u.used != used)
		fail_msg("step %" PRIu64 ": %" PRIu64
		    " blocks are in use, rows name %" PRIu64, m->step,
		    u.used, used);
	assert_int_equal(fx_check(m->fx), 0);
}

/* --- the run ------------------------------------------------------------ */

static void
step(struct model *m)
{
	static void (*const steps[])(struct model *, unsigned) = {
		do_write, do_write, do_write, do_write, do_write, do_write,
		do_truncate, do_allocate, do_allocate, do_copy, do_copy,
		do_cut, do_publish, do_publish, do_remove, do_rename,
		do_read, do_read, do_seek,
	};
	unsigned i = (unsigned)rnd(m, FILES), k;

	if (!m->now[i].here) {
		MUST(fx_create(m->fx, path(i), 0644));
		m->now[i].here = true;
		published(m, i);
	}
	k = (unsigned)rnd(m, sizeof steps / sizeof steps[0]);
	if (m->trace)
		printf("# %" PRIu64 ": %s step %u\n", m->step, path(i), k);
	steps[k](m, i);
	if (m->trace) {
		compare(m);
		count(m);
	}
	if (rnd(m, 20) == 0)
		while (engine_step(m->fx->e) > 0)
			;
	if (rnd(m, 50) == 0)
		MUST(engine_checkpoint(m->fx->e));
	if (rnd(m, 10) == 0)
		compare(m);
	if (rnd(m, 10) == 0)
		count(m);
	if (rnd(m, 60) == 0) {
		do_restart(m);
		count(m);
	}
}

static void
content__random_steps__same_as_array(void **state)
{
	struct model *m = calloc(1, sizeof *m);
	const char *seed = getenv("SEED"), *steps = getenv("STEPS");
	uint64_t n = steps ? strtoull(steps, NULL, 0) : 3000;

	assert_non_null(m);
	m->fx = *state;
	m->rnd = seed ? strtoull(seed, NULL, 0) :
	    (uint64_t)time(NULL) * 2654435761u | 1;
	m->trace = getenv("TRACE") != NULL;
	printf("# SEED=%" PRIu64 "\n", m->rnd);
	for (m->step = 0; m->step < n; m->step++)
		step(m);
	compare(m);
	count(m);
	free(m);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup_teardown(
		    content__random_steps__same_as_array,
		    fx_setup, fx_teardown),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
