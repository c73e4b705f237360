/*
 * TX_EXEC: many operations in one message, all or none; preconditions;
 * once for each tx_id, also after a restart.
 */
#include <time.h>

#include "../tx_rig.h"
#include "../cm.h"

#define FILE_MODE	0100644u
#define DIR_MODE	0040755u
#define RIG_TEST(f)	cmocka_unit_test_setup_teardown(f, rig_setup, \
	rig_teardown)

static void
tx_exec__tree_with_references__is_there_whole(void **state)
{
	struct rig *r = *state;
	struct vfs_id d, f;
	char buf[8];

	rig_new(r);
	rig_create(r, ROOT, "d", DIR_MODE);
	rig_create(r, RESULT(0), "sub", DIR_MODE);
	rig_create(r, RESULT(1), "f", FILE_MODE);
	rig_write(r, RESULT(2), 0, "hello", 5);
	assert_int_equal(rig_exec(r, 0), 0);
	assert_int_equal(r->v.nresults, 4);
	assert_int_equal(do_lookup(r, 0, ROOT, "d", &d), 0);
	assert_int_equal(d.n, r->v.results[0].id.n);
	assert_int_equal(do_lookup(r, 0, r->v.results[1].id, "f", &f), 0);
	assert_int_equal(f.n, r->v.results[3].id.n);
	assert_int_equal(r->v.results[3].size, 5);
	assert_int_equal(r->v.results[3].data_version, r->v.seq.n);
	assert_int_equal(do_read(r, 0, f, 0, buf, 8), 5);
	assert_memory_equal(buf, "hello", 5);
	assert_int_equal(fx_check(r->fx), 0);
}

static void
tx_exec__large_contents__go_through_blocks(void **state)
{
	struct rig *r = *state;
	static uint8_t p[300000], got[300000];
	struct vfs_id f;
	size_t i;

	for (i = 0; i < sizeof p; i++)
		p[i] = (uint8_t)(i * 7 + i / 4096);
	rig_new(r);
	rig_create(r, ROOT, "f", FILE_MODE);
	rig_write(r, RESULT(0), 0, p, 100000);
	rig_write(r, RESULT(0), 100000, p + 100000, 200000);
	rig_write(r, RESULT(0), 50, "xyz", 3);
	assert_int_equal(rig_exec(r, 0), 0);
	memcpy(p + 50, "xyz", 3);
	f = r->v.results[0].id;
	assert_int_equal(do_read(r, 0, f, 0, got, sizeof got), sizeof got);
	assert_memory_equal(got, p, sizeof p);
	assert_int_equal(fx_check(r->fx), 0);
}

static void
tx_exec__last_operation_fails__nothing_happened(void **state)
{
	struct rig *r = *state;
	uint64_t before;

	assert_int_equal(do_create(r, 0, ROOT, "there", FILE_MODE, NULL), 0);
	before = fx_digest(r->fx);
	rig_new(r);
	rig_create(r, ROOT, "a", FILE_MODE);
	rig_write(r, RESULT(0), 0, "x", 1);
	rig_create(r, ROOT, "there", FILE_MODE);
	assert_err(rig_exec(r, 0), EXIST);
	assert_int_equal(r->v.op_index, 2);
	assert_true(fx_digest(r->fx) == before);

	/* The same with bytes that need blocks. */
	rig_new(r);
	rig_create(r, ROOT, "a", FILE_MODE);
	rig_write(r, RESULT(0), 5000, "x", 1);
	rig_create(r, ROOT, "there", FILE_MODE);
	assert_err(rig_exec(r, 0), EXIST);
	assert_int_equal(r->v.op_index, 2);
	assert_true(fx_digest(r->fx) == before);
}

static void
tx_exec__reference_to_a_later_operation__is_refused(void **state)
{
	struct rig *r = *state;

	rig_new(r);
	rig_create(r, RESULT(0), "a", FILE_MODE);
	assert_err(rig_exec(r, 0), INVAL);
	rig_new(r);
	rig_create(r, RESULT(9), "a", FILE_MODE);
	assert_err(rig_exec(r, 0), INVAL);
}

static void
tx_exec__damaged_lists__are_malformed(void **state)
{
	struct rig *r = *state;
	size_t n, i;

	rig_new(r);
	rig_create(r, ROOT, "a", FILE_MODE);
	rig_create(r, ROOT, "b", FILE_MODE);
	n = r->nops_bytes;
	for (i = 0; i < n; i += 8) {
		r->nops_bytes = i;
		assert_true(rig_exec(r, 0) < 0);
	}
	r->nops_bytes = n;
	r->nops = 1;
	assert_err(rig_exec(r, 0), MALFORMED);
	r->nops = 3;
	assert_err(rig_exec(r, 0), MALFORMED);
	r->nops = 2;
	r->ops[2] = 1;
	assert_err(rig_exec(r, 0), MALFORMED);
	r->ops[2] = 0;
	assert_int_equal(rig_exec(r, 0), 0);
}

static void
tx_exec__operation_that_cannot_be_packed__is_unsupported(void **state)
{
	struct rig *r = *state;
	struct vfs_read rd = { .id = ROOT };
	struct vfs_reclaim rc = { ROOT };

	rig_new(r);
	rig_add(r, VFS_OP_READ, &rd);
	assert_err(rig_exec(r, 0), UNSUPPORTED);
	rig_new(r);
	rig_add(r, VFS_OP_RECLAIM, &rc);
	assert_err(rig_exec(r, 0), UNSUPPORTED);
}

/* --- preconditions ------------------------------------------------------ */

static struct vfs_slice
str(const char *s)
{
	return (struct vfs_slice){ s, strlen(s) };
}

/* Whether CREATE of a fresh name happens under one precondition. */
static int
under(struct rig *r, struct vfs_tx_pre pre)
{
	static unsigned n;
	char name[16];
	int err;

	snprintf(name, sizeof name, "n%u", n++);
	rig_new(r);
	rig_pre(r, pre);
	rig_create(r, ROOT, name, FILE_MODE);
	err = rig_exec(r, 0);
	assert_int_equal(do_lookup(r, 0, ROOT, name, NULL),
	    err == 0 ? 0 : -VFS_NOENT);
	return err;
}

static void
tx_pre__names__are_compared(void **state)
{
	struct rig *r = *state;
	struct vfs_id f;

	assert_int_equal(do_create(r, 0, ROOT, "f", FILE_MODE, &f), 0);
	assert_int_equal(under(r, (struct vfs_tx_pre){ VFS_PRE_NAME_IS, ROOT,
	    f, 0, 0, str("f") }), 0);
	assert_err(under(r, (struct vfs_tx_pre){ VFS_PRE_NAME_IS, ROOT,
	    { f.n + 1 }, 0, 0, str("f") }), PRECOND);
	assert_int_equal(r->v.detail, f.n);
	assert_int_equal(r->v.object.n, VFS_ID_ROOT);
	assert_int_equal(r->v.name_n, 1);
	assert_err(under(r, (struct vfs_tx_pre){ VFS_PRE_NAME_ABSENT, ROOT,
	    { 0 }, 0, 0, str("f") }), PRECOND);
	assert_int_equal(under(r, (struct vfs_tx_pre){ VFS_PRE_NAME_ABSENT,
	    ROOT, { 0 }, 0, 0, str("g") }), 0);
	assert_err(under(r, (struct vfs_tx_pre){ VFS_PRE_HASH_IS, f, { 0 },
	    1, 0, str("h") }), INVAL);
}

/* Reading it would take for ever. */
static void
tx_pre__hash_of_more_than_a_transaction__is_refused(void **state)
{
	uint8_t hash[16] = { 0 };
	struct rig *r = *state;
	struct vfs_tx_pre pre = { .kind = VFS_PRE_HASH_IS,
		.a = VFS_HASH_XXH3_128, .name = { hash, sizeof hash } };

	assert_int_equal(do_create(r, 0, ROOT, "f", FILE_MODE, &pre.id), 0);
	assert_int_equal(do_truncate(r, 0, pre.id, VFS_TX_DATA_MAX + 1), 0);
	assert_err(under(r, pre), TX_LIMIT);
	assert_int_equal(do_truncate(r, 0, pre.id, VFS_BLOCK), 0);
	assert_err(under(r, pre), PRECOND);
}

static void
tx_pre__versions__are_compared(void **state)
{
	struct rig *r = *state;
	struct vfs_attr a;
	struct vfs_id f;

	assert_int_equal(do_create(r, 0, ROOT, "f", FILE_MODE, &f), 0);
	assert_int_equal(do_stat(r, 0, f, &a), 0);
	assert_int_equal(under(r, (struct vfs_tx_pre){ VFS_PRE_ID_VERSION, f,
	    { 0 }, a.data_version, a.meta_version, { 0 } }), 0);
	assert_int_equal(do_chmod(r, 0, f, 0600), 0);
	assert_err(under(r, (struct vfs_tx_pre){ VFS_PRE_ID_VERSION, f,
	    { 0 }, a.data_version, a.meta_version, { 0 } }), PRECOND);
	assert_true(r->v.detail > a.meta_version);
	assert_int_equal(under(r, (struct vfs_tx_pre){ VFS_PRE_ID_VERSION, f,
	    { 0 }, a.data_version, 0, { 0 } }), 0);
	/* Bytes that nobody has published are no version. */
	assert_int_equal(do_write(r, 0, f, 0, "x", 1), 0);
	assert_err(under(r, (struct vfs_tx_pre){ VFS_PRE_ID_VERSION, f,
	    { 0 }, a.data_version, 0, { 0 } }), PRECOND);

	assert_int_equal(do_stat(r, 0, ROOT, &a), 0);
	assert_int_equal(under(r, (struct vfs_tx_pre){ VFS_PRE_DIR_VERSION,
	    ROOT, { 0 }, a.data_version, 0, { 0 } }), 0);
	assert_err(under(r, (struct vfs_tx_pre){ VFS_PRE_DIR_VERSION,
	    ROOT, { 0 }, a.data_version, 0, { 0 } }), PRECOND);
	assert_err(under(r, (struct vfs_tx_pre){ VFS_PRE_ID_VERSION,
	    { 1ull << 50 }, { 0 }, 1, 0, { 0 } }), PRECOND);
}

static void
tx_pre__journal_at_most__looks_below_the_subtree_only(void **state)
{
	struct rig *r = *state;
	struct vfs_id a, b, f;
	uint64_t seq;

	assert_int_equal(do_create(r, 0, ROOT, "a", DIR_MODE, &a), 0);
	assert_int_equal(do_create(r, 0, ROOT, "b", DIR_MODE, &b), 0);
	assert_int_equal(do_create(r, 0, a, "f", FILE_MODE, &f), 0);
	rig_new(r);
	assert_int_equal(rig_exec(r, 1), 0);
	seq = r->v.seq.n;
	assert_int_equal(under(r, (struct vfs_tx_pre){
	    VFS_PRE_JOURNAL_AT_MOST, a, { 0 }, seq, 0, { 0 } }), 0);
	assert_int_equal(do_create(r, 0, b, "x", FILE_MODE, NULL), 0);
	assert_int_equal(under(r, (struct vfs_tx_pre){
	    VFS_PRE_JOURNAL_AT_MOST, a, { 0 }, seq, 0, { 0 } }), 0);
	assert_err(under(r, (struct vfs_tx_pre){
	    VFS_PRE_JOURNAL_AT_MOST, b, { 0 }, seq, 0, { 0 } }), PRECOND);
	assert_err(under(r, (struct vfs_tx_pre){
	    VFS_PRE_JOURNAL_AT_MOST, ROOT, { 0 }, seq, 0, { 0 } }), PRECOND);
	/* A draft counts: it is published first. */
	assert_int_equal(do_write(r, 0, f, 0, "x", 1), 0);
	assert_err(under(r, (struct vfs_tx_pre){
	    VFS_PRE_JOURNAL_AT_MOST, a, { 0 }, seq, 0, { 0 } }), PRECOND);
	assert_err(under(r, (struct vfs_tx_pre){
	    VFS_PRE_JOURNAL_AT_MOST, a, { 0 }, 0, 0, { 0 } }), PRECOND);
	/* Before this opening, and not the number of any commit. */
	assert_err(under(r, (struct vfs_tx_pre){
	    VFS_PRE_JOURNAL_AT_MOST, a, { 0 }, 7, 0, { 0 } }),
	    CURSOR_EXPIRED);
	assert_err(under(r, (struct vfs_tx_pre){
	    VFS_PRE_JOURNAL_AT_MOST, a, { 0 }, 1ull << 60, 0, { 0 } }),
	    CURSOR_EXPIRED);
}

/* --- once --------------------------------------------------------------- */

static void
tx_id__same_message_again__gets_the_first_answer(void **state)
{
	struct rig *r = *state;
	struct proto_brief was;
	uint64_t seq;

	rig_new(r);
	rig_create(r, ROOT, "a", FILE_MODE);
	assert_int_equal(rig_exec(r, 5), 0);
	assert_false(r->v.repeated);
	seq = r->v.seq.n;
	was = r->v.results[0];
	assert_int_equal(rig_exec(r, 5), 0);
	assert_true(r->v.repeated);
	assert_int_equal(r->v.seq.n, seq);
	assert_memory_equal(&r->v.results[0], &was, sizeof was);

	rig_kill(r);
	assert_int_equal(rig_exec(r, 5), 0);
	assert_true(r->v.repeated);
	assert_int_equal(r->v.seq.n, seq);
	assert_memory_equal(&r->v.results[0], &was, sizeof was);
	assert_int_equal(rig_status(r, 5), 0);
	assert_int_equal(r->v.state, VFS_TX_COMMITTED);
	assert_int_equal(r->v.seq.n, seq);

	rig_new(r);
	rig_create(r, ROOT, "b", FILE_MODE);
	assert_err(rig_exec(r, 5), INVAL);
	assert_int_equal(do_lookup(r, 0, ROOT, "b", NULL), -VFS_NOENT);
	assert_int_equal(rig_exec(r, 6), 0);
	assert_int_equal(fx_check(r->fx), 0);
}

static void
tx_id__with_blocks__happens_once_too(void **state)
{
	struct rig *r = *state;
	static uint8_t p[9000];
	uint64_t before;

	rig_new(r);
	rig_create(r, ROOT, "a", FILE_MODE);
	rig_write(r, RESULT(0), 0, p, sizeof p);
	assert_int_equal(rig_exec(r, 5), 0);
	before = fx_digest(r->fx);
	assert_int_equal(rig_exec(r, 5), 0);
	assert_true(r->v.repeated);
	assert_true(fx_digest(r->fx) == before);
}

static void
tx_status__failed_and_unknown__say_so(void **state)
{
	struct rig *r = *state;

	assert_int_equal(rig_status(r, 1), 0);
	assert_int_equal(r->v.state, VFS_TX_NEVER_SEEN);
	assert_int_equal(do_create(r, 0, ROOT, "a", FILE_MODE, NULL), 0);
	rig_new(r);
	rig_create(r, ROOT, "a", FILE_MODE);
	assert_err(rig_exec(r, 1), EXIST);
	assert_int_equal(rig_status(r, 1), 0);
	assert_int_equal(r->v.state, VFS_TX_ABORTED);
	assert_err(r->v.err, EXIST);
	assert_err(rig_status(r, 0), INVAL);
}

static void
tx_id__one_more_than_are_kept__the_oldest_goes(void **state)
{
	struct rig *r = *state;
	uint64_t i;

	rig_new(r);
	for (i = 1; i <= VFS_TX_IDS_MAX; i++)
		assert_int_equal(rig_exec(r, i), 0);
	assert_int_equal(rig_status(r, 1), 0);
	assert_int_equal(r->v.state, VFS_TX_COMMITTED);
	rig_kill(r);
	assert_int_equal(rig_exec(r, i), 0);
	assert_int_equal(rig_status(r, 1), 0);
	assert_int_equal(r->v.state, VFS_TX_NEVER_SEEN);
	assert_int_equal(rig_status(r, 2), 0);
	assert_int_equal(r->v.state, VFS_TX_COMMITTED);
}

/* --- limits ------------------------------------------------------------- */

static void
tx_exec__more_rows_than_a_quarter_of_the_log__is_refused(void **state)
{
	struct rig *r = *state;
	uint64_t before = fx_digest(r->fx);
	char name[32];
	int i;

	rig_new(r);
	for (i = 0; i < 4000; i++) {
		snprintf(name, sizeof name, "f%d", i);
		rig_create(r, ROOT, name, FILE_MODE);
	}
	assert_err(rig_exec(r, 0), TX_LIMIT);
	assert_true(fx_digest(r->fx) == before);
}

static void
tx_exec__preconditions_at_the_limit__and_one_past(void **state)
{
	struct rig *r = *state;
	unsigned i;

	rig_new(r);
	for (i = 0; i < VFS_TX_PRE_MAX; i++)
		rig_pre(r, (struct vfs_tx_pre){ VFS_PRE_NAME_ABSENT, ROOT,
		    { 0 }, 0, 0, str("none") });
	assert_int_equal(rig_exec(r, 0), 0);
	rig_pre(r, (struct vfs_tx_pre){ VFS_PRE_NAME_ABSENT, ROOT, { 0 }, 0,
	    0, str("none") });
	assert_err(rig_exec(r, 0), TX_LIMIT);
}

static double
now(void)
{
	struct timespec ts;

	clock_gettime(CLOCK_MONOTONIC, &ts);
	return (double)ts.tv_sec + (double)ts.tv_nsec / 1e9;
}

static void
tx_exec__ten_thousand_files__in_one_commit(void **state)
{
	struct rig *r = rig_open(128 << 20);
	char name[32];
	double t;
	int i;

	(void)state;
	rig_new(r);
	rig_create(r, ROOT, "d", DIR_MODE);
	for (i = 0; i < 10000; i++) {
		snprintf(name, sizeof name, "file%d", i);
		rig_create(r, RESULT(0), name, FILE_MODE);
		rig_write(r, RESULT(1 + 2 * (unsigned)i), 0, name, 10);
	}
	t = now();
	assert_int_equal(rig_exec(r, 1), 0);
	print_message("# 10,000 files in %.0f ms\n", (now() - t) * 1e3);
	assert_int_equal(do_list(r, 0, r->v.results[0].id, NULL), 10000);
	t = now();
	assert_int_equal(rig_exec(r, 1), 0);
	assert_true(r->v.repeated);
	rig_kill(r);
	assert_int_equal(rig_status(r, 1), 0);
	assert_int_equal(r->v.state, VFS_TX_COMMITTED);
	assert_int_equal(fx_check(r->fx), 0);
	rig_close(r);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		RIG_TEST(tx_exec__tree_with_references__is_there_whole),
		RIG_TEST(tx_exec__large_contents__go_through_blocks),
		RIG_TEST(tx_exec__last_operation_fails__nothing_happened),
		RIG_TEST(tx_exec__reference_to_a_later_operation__is_refused),
		RIG_TEST(tx_exec__damaged_lists__are_malformed),
		RIG_TEST(
		    tx_exec__operation_that_cannot_be_packed__is_unsupported),
		RIG_TEST(tx_pre__names__are_compared),
		RIG_TEST(tx_pre__hash_of_more_than_a_transaction__is_refused),
		RIG_TEST(tx_pre__versions__are_compared),
		RIG_TEST(tx_pre__journal_at_most__looks_below_the_subtree_only),
		RIG_TEST(tx_id__same_message_again__gets_the_first_answer),
		RIG_TEST(tx_id__with_blocks__happens_once_too),
		RIG_TEST(tx_status__failed_and_unknown__say_so),
		RIG_TEST(tx_id__one_more_than_are_kept__the_oldest_goes),
		RIG_TEST(
		    tx_exec__more_rows_than_a_quarter_of_the_log__is_refused),
		RIG_TEST(tx_exec__preconditions_at_the_limit__and_one_past),
		cmocka_unit_test(tx_exec__ten_thousand_files__in_one_commit),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
