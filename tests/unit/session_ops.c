/*
 * Operations that sessions do: batches, hashes, extents, locks, waits.
 */
#include <pthread.h>
#include <sha2.h>
#include <time.h>

#include "../cm.h"
#include "../session_rig.h"

#define FILE_MODE	0100644u
#define DIR_MODE	0040755u
#define RW	(VFS_OPEN_READ | VFS_OPEN_WRITE)

/* --- batches ---------------------------------------------------------------- */

#define MANY	200u

static void
stat_batch__ids_and_handles__each_has_its_answer(void **state)
{
	struct srig *x = *state;
	uint8_t buf[8 * (MANY + 3)];
	struct proto_list l = { .p = buf, .cap = sizeof buf };
	struct vfs_stat_batch q = { .want = VFS_WANT_BRIEF };
	struct vfs_stat_batch_reply r;
	struct proto_found f;
	struct vfs_id ids[MANY];
	struct rbuf b;
	uint64_t h;
	unsigned i;
	char name[16];

	for (i = 0; i < MANY; i++) {
		snprintf(name, sizeof name, "f%u", i);
		assert_err(s_create(x, x->own, ROOT, name, FILE_MODE,
		    &ids[i]), OK);
		proto_id_put(&l, ids[i]);
	}
	assert_err(s_open(x, x->own, ids[7], VFS_OPEN_READ, &h), OK);
	proto_id_put(&l, H(h));
	proto_id_put(&l, (struct vfs_id){ 999999 });
	proto_id_put(&l, H(h + 1));
	q.n = MANY + 3;
	q.ids = (struct vfs_slice){ buf, l.n };
	assert_err(srig_run(x, x->own, VFS_OP_STAT_BATCH, &q, &r), OK);
	assert_int_equal(r.n, q.n);
	proto_list_read(&b, (struct vfs_slice){ r.results.p, r.results.n });
	for (i = 0; i < MANY; i++) {
		assert_int_equal(proto_found_next(&b, q.want, &f), 0);
		assert_int_equal(f.err, 0);
		assert_int_equal(f.attr.id.n, ids[i].n);
	}
	assert_int_equal(proto_found_next(&b, q.want, &f), 0);
	assert_int_equal(f.attr.id.n, ids[7].n);
	assert_int_equal(proto_found_next(&b, q.want, &f), 0);
	assert_int_equal(f.err, VFS_NO_SUCH_ID);
	assert_int_equal(proto_found_next(&b, q.want, &f), 0);
	assert_int_equal(f.err, VFS_BAD_HANDLE);
	assert_false(proto_list_more(&b));
}

static void
batch__no_room__count_tells(void **state)
{
	struct srig *x = *state;
	uint64_t ids[10] = { 1, 1, 1, 1, 1, 1, 1, 1, 1, 1 };
	struct vfs_stat_batch q = { .n = 10, .ids = { ids, sizeof ids } };
	struct vfs_stat_batch_reply r;

	x->cap = 3 * (8 + PROTO_STAT) + 20;
	assert_err(srig_run(x, x->own, VFS_OP_STAT_BATCH, &q, &r), OK);
	assert_int_equal(r.n, 3);
	assert_int_equal(r.results.n, 3 * (8 + PROTO_STAT));
}

static void
batch__limits_and_lies__are_refused(void **state)
{
	struct srig *x = *state;
	struct vfs_stat_batch q = { .n = VFS_BATCH_MAX };
	struct vfs_stat_batch_reply r;
	uint64_t *ids = calloc(VFS_BATCH_MAX + 1, 8);
	size_t i;

	for (i = 0; i <= VFS_BATCH_MAX; i++)
		ids[i] = 1;
	q.ids = (struct vfs_slice){ ids, VFS_BATCH_MAX * 8 };
	assert_err(srig_run(x, x->own, VFS_OP_STAT_BATCH, &q, &r), OK);
	q.n++;
	q.ids.n += 8;
	assert_err(srig_run(x, x->own, VFS_OP_STAT_BATCH, &q, &r), TOO_BIG);
	q.n = 4;			/* more than it says */
	assert_err(srig_run(x, x->own, VFS_OP_STAT_BATCH, &q, &r),
	    MALFORMED);
	q.ids.n = 24;			/* fewer */
	assert_err(srig_run(x, x->own, VFS_OP_STAT_BATCH, &q, &r),
	    MALFORMED);
	q.n = 3;
	q.want = 2;
	assert_err(srig_run(x, x->own, VFS_OP_STAT_BATCH, &q, &r), INVAL);
	free(ids);
}

/* One malloc and one read transaction for the whole batch. */
static void
stat_batch__a_thousand__one_allocation(void **state)
{
	struct srig *x = *state;
	uint64_t ids[1000];
	struct vfs_stat_batch q = { .n = 1000, .want = VFS_WANT_BRIEF,
		.ids = { ids, sizeof ids } };
	struct vfs_stat_batch_reply r;
	struct timespec a, b;
	unsigned i;
	double us;

	for (i = 0; i < 1000; i++)
		ids[i] = VFS_ID_ROOT;
	assert_err(srig_run(x, x->own, VFS_OP_STAT_BATCH, &q, &r), OK);
	fault_arm(1, -VFS_IO);		/* the second would fail */
	assert_err(srig_run(x, x->own, VFS_OP_STAT_BATCH, &q, &r), OK);
	assert_false(fault_disarm());
	clock_gettime(CLOCK_MONOTONIC, &a);
	for (i = 0; i < 100; i++)
		assert_err(srig_run(x, x->own, VFS_OP_STAT_BATCH, &q, &r),
		    OK);
	clock_gettime(CLOCK_MONOTONIC, &b);
	us = ((double)(b.tv_sec - a.tv_sec) * 1e9 +
	    (double)(b.tv_nsec - a.tv_nsec)) / 1e3 / 100 / 1000;
	printf("# %.3f us an id\n", us);
}

static void
lookup_batch__places__each_has_its_answer(void **state)
{
	struct srig *x = *state;
	uint8_t buf[512];
	struct proto_list l = { .p = buf, .cap = sizeof buf };
	struct proto_place p[] = { { ROOT, { "a", 1 } }, { ROOT, { "no", 2 } },
		{ { 12345 }, { "a", 1 } }, { { 0 }, { "b", 1 } } };
	struct vfs_lookup_batch q = { .n = 4 };
	struct vfs_lookup_batch_reply r;
	struct proto_found f[4];
	struct vfs_id d, a, e;
	struct rbuf b;
	uint64_t h;
	unsigned i;

	assert_err(s_create(x, x->own, ROOT, "d", DIR_MODE, &d), OK);
	assert_err(s_create(x, x->own, ROOT, "a", FILE_MODE, &a), OK);
	assert_err(s_create(x, x->own, d, "b", FILE_MODE, &e), OK);
	assert_err(s_walk(x, x->own, d, "", 0, &h), OK);
	p[3].dir = H(h);
	for (i = 0; i < 4; i++)
		assert_true(proto_place_put(&l, &p[i]));
	q.names = (struct vfs_slice){ buf, l.n };
	assert_err(srig_run(x, x->own, VFS_OP_LOOKUP_BATCH, &q, &r), OK);
	proto_list_read(&b, (struct vfs_slice){ r.results.p, r.results.n });
	for (i = 0; i < 4; i++)
		assert_int_equal(proto_found_next(&b, 0, &f[i]), 0);
	assert_int_equal(f[0].attr.id.n, a.n);
	assert_int_equal(f[1].err, VFS_NOENT);
	assert_int_equal(f[2].err, VFS_NO_SUCH_ID);
	assert_int_equal(f[3].attr.id.n, e.n);
}

static int
read_batch(struct srig *x, struct session *s, const struct proto_range *g,
    unsigned n, struct proto_bytes *out)
{
	uint8_t buf[512];
	struct proto_list l = { .p = buf, .cap = sizeof buf };
	struct vfs_read_batch q = { .n = n };
	struct vfs_read_batch_reply r;
	struct rbuf b;
	unsigned i;
	int err;

	for (i = 0; i < n; i++)
		assert_true(proto_range_put(&l, &g[i]));
	q.reads = (struct vfs_slice){ buf, l.n };
	if ((err = srig_run(x, s, VFS_OP_READ_BATCH, &q, &r)) < 0)
		return err;
	proto_list_read(&b, (struct vfs_slice){ r.results.p, r.results.n });
	for (i = 0; i < r.n; i++)
		assert_int_equal(proto_bytes_next(&b, &out[i]), 0);
	return (int)r.n;
}

static void
read_batch__ranges__bytes_of_each(void **state)
{
	struct srig *x = *state;
	struct session *u = srig_user(x, 4000, 4000);
	struct proto_bytes got[4];
	struct vfs_id f, g;
	uint64_t h, open;

	assert_err(s_create(x, x->own, ROOT, "f", FILE_MODE, &f), OK);
	assert_err(s_create(x, x->own, ROOT, "g", FILE_MODE, &g), OK);
	assert_err(s_write(x, x->own, f, 0, "hello world", 0), OK);
	assert_err(s_write(x, x->own, g, 0, "other", 0), OK);
	assert_int_equal(read_batch(x, x->own, (struct proto_range[]){
	    { f, 6, 5 }, { g, 1, 100 }, { { 77777 }, 0, 5 }, { f, 50, 5 } },
	    4, got), 4);
	assert_int_equal(got[0].data.n, 5);
	assert_memory_equal(got[0].data.p, "world", 5);
	assert_int_equal(got[1].data.n, 4);
	assert_memory_equal(got[1].data.p, "ther", 4);
	assert_int_equal(got[2].err, VFS_NO_SUCH_ID);
	assert_int_equal(got[3].err, 0);
	assert_int_equal(got[3].data.n, 0);
	/* What was opened is read, whatever the mode is now. */
	assert_err(s_walk(x, u, ROOT, "f", 0, &h), OK);
	assert_err(s_open(x, u, H(h), VFS_OPEN_READ, &open), OK);
	fx_as(x->r->fx, 0, 0);
	assert_int_equal(do_chmod(x->r, 0, f, 0600), 0);
	assert_int_equal(read_batch(x, u, (struct proto_range[]){
	    { H(open), 0, 5 }, { H(h), 0, 5 } }, 2, got), 2);
	assert_int_equal(got[0].data.n, 5);
	assert_int_equal(got[1].err, VFS_ACCESS);
	srig_end(u);
}

static void
batch__in_a_transaction__sees_its_writes(void **state)
{
	struct srig *x = *state;
	struct vfs_tx_begin bq = { 0 };
	struct vfs_tx_begin_reply br;
	uint64_t ids[2] = { 0, 424242 };
	struct vfs_stat_batch q = { .n = 2, .ids = { ids, sizeof ids } };
	struct vfs_stat_batch_reply r;
	struct proto_bytes got[1];
	struct proto_found f;
	struct vfs_id id;
	struct rbuf b;

	assert_err(srig_run(x, x->own, VFS_OP_TX_BEGIN, &bq, &br), OK);
	x->tx = br.tx;
	assert_err(s_create(x, x->own, ROOT, "new", FILE_MODE, &id), OK);
	assert_err(s_write(x, x->own, id, 0, "private", 0), OK);
	ids[0] = id.n;
	assert_err(srig_run(x, x->own, VFS_OP_STAT_BATCH, &q, &r), OK);
	proto_list_read(&b, (struct vfs_slice){ r.results.p, r.results.n });
	assert_int_equal(proto_found_next(&b, 0, &f), 0);
	assert_int_equal(f.err, 0);
	assert_int_equal(f.attr.size, 7);
	assert_int_equal(proto_found_next(&b, 0, &f), 0);
	assert_int_equal(f.err, VFS_NO_SUCH_ID);
	assert_int_equal(read_batch(x, x->own, (struct proto_range[]){
	    { id, 0, 7 } }, 1, got), 1);
	assert_memory_equal(got[0].data.p, "private", 7);
	x->tx = 0;
	assert_err(s_stat(x, x->own, id, NULL), NO_SUCH_ID);
}

/* --- hashes ------------------------------------------------------------------ */

static int
hash(struct srig *x, struct vfs_id id, uint32_t alg, struct vfs_hash_reply *r)
{
	struct vfs_hash q = { .id = id, .alg = alg };

	return srig_run(x, x->own, VFS_OP_HASH, &q, r);
}

static void
hash__of_a_file__is_that_of_its_bytes(void **state)
{
	static const uint8_t abc[32] = {
		0xba, 0x78, 0x16, 0xbf, 0x8f, 0x01, 0xcf, 0xea, 0x41, 0x41,
		0x40, 0xde, 0x5d, 0xae, 0x22, 0x23, 0xb0, 0x03, 0x61, 0xa3,
		0x96, 0x17, 0x7a, 0x9c, 0xb4, 0x10, 0xff, 0x61, 0xf2, 0x00,
		0x15, 0xad };
	static uint8_t p[900000];
	struct srig *x = *state;
	struct vfs_hash_reply r;
	struct vfs_attr a;
	struct vfs_id f;
	uint8_t want[32];
	SHA2_CTX c;
	size_t i;

	assert_err(s_create(x, x->own, ROOT, "f", FILE_MODE, &f), OK);
	assert_err(s_write(x, x->own, f, 0, "abc", 0), OK);
	assert_err(hash(x, f, VFS_HASH_SHA256, &r), OK);
	assert_int_equal(r.hash.n, 32);
	assert_memory_equal(r.hash.p, abc, 32);
	assert_int_equal(r.size, 3);
	assert_err(s_stat(x, x->own, f, &a), OK);
	assert_int_equal(r.data_version, a.data_version);
	for (i = 0; i < sizeof p; i++)
		p[i] = (uint8_t)(i * 13 + i / 777);
	fx_as(x->r->fx, 0, 0);
	assert_int_equal(do_write(x->r, 0, f, 0, p, sizeof p), 0);
	SHA256Init(&c);
	SHA256Update(&c, p, sizeof p);
	SHA256Final(want, &c);
	assert_err(hash(x, f, VFS_HASH_SHA256, &r), OK);
	assert_memory_equal(r.hash.p, want, 32);
	assert_err(hash(x, f, VFS_HASH_XXH3_128, &r), OK);
	assert_int_equal(r.hash.n, 16);
	assert_err(hash(x, f, 1, &r), INVAL);
	assert_err(hash(x, ROOT, VFS_HASH_SHA256, &r), ISDIR);
}

static int
exec_if_hash(struct srig *x, struct vfs_id f, const uint8_t *h, size_t n,
    const char *name)
{
	struct vfs_tx_exec q = { .npre = 1, .nops = 1 };
	struct vfs_tx_exec_reply r;

	rig_new(x->r);
	rig_pre(x->r, (struct vfs_tx_pre){ .kind = VFS_PRE_HASH_IS, .id = f,
	    .a = VFS_HASH_SHA256, .name = { h, n } });
	rig_create(x->r, ROOT, name, FILE_MODE);
	q.pre = (struct vfs_slice){ x->r->pre, x->r->npre_bytes };
	q.ops = (struct vfs_slice){ x->r->ops, x->r->nops_bytes };
	return srig_run(x, x->own, VFS_OP_TX_EXEC, &q, &r);
}

static void
hash_is__precondition__holds_or_stops_all(void **state)
{
	struct srig *x = *state;
	struct vfs_hash_reply r;
	struct vfs_attr a;
	uint8_t h[32];
	struct vfs_id f;

	assert_err(s_create(x, x->own, ROOT, "f", FILE_MODE, &f), OK);
	assert_err(s_write(x, x->own, f, 0, "abc", 0), OK);
	assert_err(hash(x, f, VFS_HASH_SHA256, &r), OK);
	memcpy(h, r.hash.p, 32);
	assert_err(exec_if_hash(x, f, h, 32, "one"), OK);
	assert_err(s_lookup(x, x->own, ROOT, "one", NULL), OK);
	assert_err(s_write(x, x->own, f, 0, "abd", 0), OK);
	assert_err(exec_if_hash(x, f, h, 32, "two"), PRECOND);
	assert_err(s_stat(x, x->own, f, &a), OK);
	assert_int_equal(x->e.detail, 0);	/* of the STAT just now */
	assert_err(exec_if_hash(x, f, h, 32, "two"), PRECOND);
	assert_int_equal(x->e.detail, a.data_version);
	assert_err(s_lookup(x, x->own, ROOT, "two", NULL), NOENT);
	assert_err(exec_if_hash(x, f, h, 31, "two"), INVAL);
	assert_err(exec_if_hash(x, (struct vfs_id){ 4711 }, h, 32, "two"),
	    PRECOND);
}

/* --- content ------------------------------------------------------------------ */

static void
truncate__grows_and_cuts__and_opened_handles_may(void **state)
{
	struct srig *x = *state;
	struct vfs_truncate q = { .size = 5000 };
	struct vfs_truncate_reply r;
	struct vfs_id f;
	uint64_t h;

	assert_err(s_create(x, x->own, ROOT, "f", FILE_MODE, &f), OK);
	assert_err(s_open(x, x->own, f, VFS_OPEN_READ, &h), OK);
	q.id = f;
	assert_err(srig_run(x, x->own, VFS_OP_TRUNCATE, &q, &r), OK);
	assert_int_equal(r.attr.size, 5000);
	q.id = H(h);
	q.size = 3;
	assert_err(srig_run(x, x->own, VFS_OP_TRUNCATE, &q, &r), ACCESS);
	assert_err(s_open(x, x->own, f, RW, &h), OK);
	assert_err(s_unlink(x, x->own, ROOT, "f"), OK);
	q.id = H(h);
	assert_err(srig_run(x, x->own, VFS_OP_TRUNCATE, &q, &r), OK);
	assert_int_equal(r.attr.size, 3);
}

static int
map(struct srig *x, struct vfs_id f, uint64_t off, uint64_t len,
    struct proto_extent *out, unsigned cap, unsigned *n, uint64_t *next)
{
	struct vfs_map_extents q = { .id = f, .off = off, .len = len };
	struct vfs_map_extents_reply r;
	struct rbuf b;
	int err = srig_run(x, x->own, VFS_OP_MAP_EXTENTS, &q, &r);

	if (err < 0)
		return err;
	proto_list_read(&b, (struct vfs_slice){ r.extents.p, r.extents.n });
	for (*n = 0; proto_list_more(&b) && *n < cap; ++*n)
		assert_int_equal(proto_extent_next(&b, &out[*n]), 0);
	*next = r.next;
	return 0;
}

static void
map_extents__data_holes_and_rows__are_told_apart(void **state)
{
	struct srig *x = *state;
	static uint8_t p[3 * 4096];
	struct proto_extent e[8];
	struct vfs_id f, g;
	uint64_t next;
	unsigned n;

	assert_err(s_create(x, x->own, ROOT, "f", FILE_MODE, &f), OK);
	assert_err(s_create(x, x->own, ROOT, "g", FILE_MODE, &g), OK);
	assert_err(s_write(x, x->own, g, 0, "inline", 0), OK);
	fx_as(x->r->fx, 0, 0);
	memset(p, 7, sizeof p);
	assert_int_equal(do_write(x->r, 0, f, 0, p, sizeof p), 0);
	assert_int_equal(do_write(x->r, 0, f, 1 << 20, p, sizeof p), 0);
	assert_err(map(x, f, 0, 0, e, 8, &n, &next), OK);
	assert_int_equal(n, 2);
	assert_int_equal(next, 0);
	assert_int_equal(e[0].off, 0);
	assert_int_equal(e[0].len, sizeof p);
	assert_true(e[0].place > 0);
	assert_int_equal(e[1].off, 1 << 20);
	assert_err(map(x, f, 4096, 4096, e, 8, &n, &next), OK);
	assert_int_equal(n, 1);
	assert_int_equal(e[0].off, 4096);
	assert_int_equal(e[0].len, 4096);
	assert_err(map(x, f, 65536, 4096, e, 8, &n, &next), OK);
	assert_int_equal(n, 0);
	/* What follows at once is not asked for. */
	assert_int_equal(do_write(x->r, 0, f, (1 << 20) - 4096, p, 4096), 0);
	assert_err(map(x, f, (1 << 20) - 4096, 4096, e, 8, &n, &next), OK);
	assert_int_equal(n, 1);
	assert_int_equal(e[0].len, 4096);
	x->cap = 40;			/* of one */
	assert_err(map(x, f, 0, 0, e, 8, &n, &next), OK);
	assert_int_equal(n, 1);
	assert_int_equal(next, (1 << 20) - 4096);
	x->cap = 4096;
	assert_err(map(x, g, 0, 0, e, 8, &n, &next), OK);
	assert_int_equal(n, 1);
	assert_int_equal(e[0].flags, PROTO_EXTENT_INLINE);
	assert_int_equal(e[0].len, 6);
	assert_err(map(x, ROOT, 0, 0, e, 8, &n, &next), ISDIR);
}

/* --- WAIT, ACCESS -------------------------------------------------------------- */

static void
wait__commit__is_visible_and_stable(void **state)
{
	struct srig *x = *state;
	struct vfs_wait q = { .level = VFS_WAIT_STABLE };
	struct vfs_wait_reply r;
	struct vfs_attr a;

	assert_err(s_create(x, x->own, ROOT, "f", FILE_MODE, NULL), OK);
	assert_err(s_stat(x, x->own, ROOT, &a), OK);
	q.seq = a.data_version;
	assert_err(srig_run(x, x->own, VFS_OP_WAIT, &q, &r), OK);
	assert_true(r.seq >= q.seq);
	q.level = VFS_WAIT_VISIBLE;
	assert_err(srig_run(x, x->own, VFS_OP_WAIT, &q, &r), OK);
	q.level = 2;
	assert_err(srig_run(x, x->own, VFS_OP_WAIT, &q, &r), INVAL);
}

static void
access__user_and_rights__both_count(void **state)
{
	struct srig *x = *state;
	struct session *u = srig_user(x, 4000, 4000);
	struct vfs_access q = { .mask = 7 };
	struct vfs_access_reply r;
	uint64_t h;

	assert_err(s_create(x, x->own, ROOT, "f", 0100754, NULL), OK);
	assert_err(s_walk(x, u, ROOT, "f", 0, &h), OK);
	q.id = H(h);
	assert_err(srig_run(x, u, VFS_OP_ACCESS, &q, &r), OK);
	assert_int_equal(r.granted, VFS_MAY_READ);
	assert_err(s_walk(x, x->own, ROOT, "f", 0, &h), OK);
	q.id = H(h);
	assert_err(srig_run(x, x->own, VFS_OP_ACCESS, &q, &r), OK);
	assert_int_equal(r.granted, 7);
	assert_err(s_walk(x, x->own, ROOT, "f", VFS_RIGHT_GETATTR |
	    VFS_RIGHT_APPEND, &h), OK);
	q.id = H(h);
	assert_err(srig_run(x, x->own, VFS_OP_ACCESS, &q, &r), OK);
	assert_int_equal(r.granted, VFS_MAY_WRITE);
	srig_end(u);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		S_TEST(stat_batch__ids_and_handles__each_has_its_answer),
		S_TEST(batch__no_room__count_tells),
		S_TEST(batch__limits_and_lies__are_refused),
		S_TEST(stat_batch__a_thousand__one_allocation),
		S_TEST(lookup_batch__places__each_has_its_answer),
		S_TEST(read_batch__ranges__bytes_of_each),
		S_TEST(batch__in_a_transaction__sees_its_writes),
		S_TEST(hash__of_a_file__is_that_of_its_bytes),
		S_TEST(hash_is__precondition__holds_or_stops_all),
		S_TEST(truncate__grows_and_cuts__and_opened_handles_may),
		S_TEST(map_extents__data_holes_and_rows__are_told_apart),
		S_TEST(wait__commit__is_visible_and_stable),
		S_TEST(access__user_and_rights__both_count),
	};

	return cmocka_run_group_tests_name("sessions: operations", tests,
	    NULL, NULL);
}
