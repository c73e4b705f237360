/* How much journal is kept, which cursors are good, and pages of it. */
#include "../../vfsd/check_store.h"
#include "../../vfsd/core/glob.h"
#include "../../vfsd/core/record.h"
#include "../cm.h"
#include "../mirror.h"

#define PAGE	65536u

static struct vfs_journal_pos_reply
pos(struct fx *fx)
{
	struct vfs_journal_pos q = { 0 };
	struct vfs_journal_pos_reply r;

	assert_err(fx_op_journal_pos(fx, &q, &r), OK);
	return r;
}

static int
read_from(struct fx *fx, uint64_t seq, uint32_t idx,
    struct vfs_journal_read_reply *r)
{
	static uint8_t page[PAGE];
	struct vfs_journal_read q = { .seq = seq, .idx = idx };

	*r = (struct vfs_journal_read_reply){ .records = { page, PAGE, 0 } };
	return fx_op_journal_read(fx, &q, r);
}

static int
good(struct fx *fx, uint64_t seq, uint32_t idx)
{
	struct vfs_journal_read_reply r;

	return read_from(fx, seq, idx, &r);
}

static void
files(struct fx *fx, unsigned from, unsigned n)
{
	char path[32];

	for (; n > 0; n--, from++) {
		sprintf(path, "/%06u", from);
		assert_err(fx_create(fx, path, 0644), OK);
	}
}

/* Trimmed behind a checkpoint; seen by whoever begins after the next. */
static void
trim(struct fx *fx)
{
	assert_err(engine_checkpoint(fx->e), OK);
	fx_restart(fx);
}

static void
keep(struct fx *fx, uint64_t bytes)
{
	fx->conf.journal_bytes_max = bytes;
	fx_restart(fx);
}

/* What the rows really take, with their checksums. */
static uint64_t
bytes_of_rows(struct fx *fx)
{
	struct vfs_slice key, val, first = { "\0", 1 };
	uint64_t n = 0;
	struct txn_cur *c;
	struct txn *t;
	int err;

	assert_err(txn_begin(fx->e, TXN_READ, &fx->env, &t), OK);
	assert_err(txn_cur_open(t, &c), OK);
	err = txn_cur_seek(c, first, &key, &val);
	for (; err == 0; err = txn_cur_next(c, &key, &val)) {
		uint8_t kind = *(const uint8_t *)key.p;

		if (kind == ROW_JOURNAL || kind == ROW_MOVED)
			n += key.n + val.n + 8;
	}
	txn_abort(t);
	return n;
}

/* Where the records behind a cursor are; how many. */
static unsigned
positions(struct fx *fx, struct journal_pos from, struct journal_pos *v,
    unsigned cap)
{
	struct vfs_journal_read_reply r;
	struct proto_change x;
	struct rbuf b;
	unsigned n = 0;

	assert_err(read_from(fx, from.seq, from.idx, &r), OK);
	assert_int_equal(r.more, 0);
	proto_list_read(&b, (struct vfs_slice){ r.records.p, r.records.n });
	while (proto_list_more(&b) && proto_change_next(&b, &x) == 0) {
		assert_true(n < cap);
		v[n++] = (struct journal_pos){ x.seq, x.idx };
	}
	return n;
}

/* All that was behind the newest record that went is there. */
static void
assert_no_gap(struct fx *fx, const struct journal_pos *was, unsigned n)
{
	struct journal_pos now[300];
	unsigned i, k, left;

	for (i = 0; i < n && good(fx, was[i].seq, was[i].idx) < 0; i++)
		;
	left = positions(fx, was[i], now, 300);
	assert_int_equal(left, n - i - 1);
	for (k = 0; k < left; k++) {
		assert_int_equal(now[k].seq, was[i + 1 + k].seq);
		assert_int_equal(now[k].idx, was[i + 1 + k].idx);
	}
	assert_int_equal(pos(fx).records, left);
}

/* --- how much is kept --------------------------------------------------- */

static void
journal__at_the_bound__all_is_kept_one_past_the_oldest_goes(void **state)
{
	struct fx *fx = *state;
	struct vfs_journal_pos_reply was, r;
	struct journal_pos all[300], start = { 0, 0 };
	uint64_t full;
	unsigned n;

	files(fx, 0, 100);
	was = pos(fx);
	full = was.bytes;
	keep(fx, full);
	r = pos(fx);
	assert_int_equal(r.oldest, 0);
	assert_int_equal(r.records, 101);	/* the root's, too */
	assert_err(good(fx, 0, 0), OK);

	files(fx, 100, 1);
	n = positions(fx, start, all, 300);
	trim(fx);
	r = pos(fx);
	assert_no_gap(fx, all, n);
	assert_true(r.bytes <= full);
	assert_int_equal(bytes_of_rows(fx), r.bytes);
	assert_true(r.records >= 100);		/* no more than had to */
	assert_true(r.oldest > 0);
	assert_int_equal(r.bytes_max, full);
	assert_err(good(fx, 0, 0), CURSOR_EXPIRED);
	assert_err(good(fx, r.oldest, 0), OK);
	assert_int_equal(fx_check(fx), 0);
}

/* What is told of the oldest is as exact after the next start. */
static void
journal__trimmed__says_the_same_after_kill_and_restart(void **state)
{
	struct fx *fx = *state;
	struct vfs_journal_pos_reply r;
	struct vfs_journal_read_reply first;
	uint64_t oldest;
	unsigned i;

	files(fx, 0, 2000);
	assert_err(fx_mkdir(fx, "/d", 0755), OK);
	for (i = 0; i < 500; i++) {		/* rows of ROW_MOVED too */
		assert_err(fx_rename(fx, "/d", "/e", 0), OK);
		assert_err(fx_rename(fx, "/e", "/000001/x", 0), NOTDIR);
		assert_err(fx_rename(fx, "/e", "/d", 0), OK);
	}
	keep(fx, 60000);
	trim(fx);
	files(fx, 2000, 1);
	trim(fx);
	r = pos(fx);
	oldest = r.oldest;
	assert_true(oldest > 0);
	assert_true(r.bytes <= 60000 && r.bytes > 50000);
	assert_err(read_from(fx, oldest, 0, &first), OK);
	assert_true(first.n > 100);
	for (i = 0; i < 3; i++) {
		if (i == 0)
			fx_reopen(fx);
		else if (i == 1)
			fx_reboot(fx);
		else
			fx_restart(fx);
		assert_int_equal(pos(fx).oldest, oldest);
		assert_int_equal(pos(fx).records, r.records);
		assert_int_equal(pos(fx).bytes, r.bytes);
		assert_int_equal(bytes_of_rows(fx), r.bytes);
		assert_err(good(fx, oldest, 0), OK);
		assert_err(good(fx, oldest - 1, 0), CURSOR_EXPIRED);
		assert_err(good(fx, oldest - 1, UINT32_MAX), CURSOR_EXPIRED);
		assert_int_equal(fx_check(fx), 0);
	}
}

static void
journal__trimmed_below_a_subtree__what_is_left_is_told(void **state)
{
	struct fx *fx = *state;
	struct vfs_journal_pos_reply r;
	struct mirror m;
	unsigned i;

	assert_err(fx_mkdir(fx, "/s", 0755), OK);
	assert_err(fx_mkdir(fx, "/o", 0755), OK);
	for (i = 0; i < 300; i++) {
		assert_err(fx_mkdir(fx, "/s/d", 0755), OK);
		assert_err(fx_create(fx, "/s/d/f", 0644), OK);
		assert_err(fx_rename(fx, "/s/d", "/o/d", 0), OK);
		assert_err(fx_unlink(fx, "/o/d/f"), OK);
		assert_err(fx_rmdir(fx, "/o/d"), OK);
		assert_err(fx_reclaim_all(fx), OK);
	}
	keep(fx, 40000);
	trim(fx);
	r = pos(fx);
	assert_true(r.oldest > 0);
	mirror_init(&m, fx, fx_id(fx, "/s"));
	m.seq = r.oldest;
	m.idx = UINT32_MAX;
	assert_err(mirror_read(&m, fx), OK);
	assert_int_equal(mirror_compare(&m, fx), 0);
	/* Of each round two records of /s/d, and f's; nothing of /o. */
	assert_true(m.records > 100);
	assert_int_equal(m.kinds, 1u << PROTO_CHANGE_CREATE |
	    1u << PROTO_CHANGE_LEFT);
	mirror_free(&m);
	assert_int_equal(fx_check(fx), 0);
}

/* --- cursors ------------------------------------------------------------ */

static void
journal__cursor_that_nobody_was_given__is_expired(void **state)
{
	struct fx *fx = *state, *other = fx_open();
	struct vfs_journal_pos_reply r, o;

	files(fx, 0, 3);
	r = pos(fx);
	assert_err(good(fx, r.seq, r.idx), OK);
	assert_err(good(fx, r.seq, r.idx + 1), CURSOR_EXPIRED);
	assert_err(good(fx, r.seq + 1, 0), CURSOR_EXPIRED);
	assert_err(good(fx, UINT64_MAX, UINT32_MAX), CURSOR_EXPIRED);
	assert_err(good(fx, 1, 0), CURSOR_EXPIRED);
	/* Of a store that was made later. */
	other->env.now.sec += 5;
	fx_close(other);
	other = fx_open();
	other->env.now.sec += 1000;
	fx_restart(other);
	files(other, 0, 3);
	o = pos(other);
	assert_err(good(fx, o.seq, o.idx), CURSOR_EXPIRED);
	assert_err(good(other, r.seq + 1, 0), CURSOR_EXPIRED);
	fx_close(other);
}

static void
journal__cursor_in_a_jumped_range__is_expired(void **state)
{
	struct fx *fx = *state;
	struct vfs_journal_pos_reply was, now;
	uint64_t seq;

	files(fx, 0, 3);
	was = pos(fx);
	fx_reopen(fx);
	files(fx, 3, 1);
	now = pos(fx);
	assert_true(now.seq > was.seq + 1);
	for (seq = was.seq + 1; seq < now.seq; seq += 1 +
	    (now.seq - seq) / 3) {
		assert_err(good(fx, seq, 0), CURSOR_EXPIRED);
		assert_err(good(fx, seq, UINT32_MAX), CURSOR_EXPIRED);
	}
	assert_err(good(fx, was.seq, was.idx), OK);
	assert_err(good(fx, was.seq, UINT32_MAX), OK);
}

/* --- pages -------------------------------------------------------------- */

static void
journal__many_records__come_in_pages_of_the_limit(void **state)
{
	struct fx *fx = *state;
	struct vfs_journal_read q = { .max = 0 };
	struct vfs_journal_read_reply r = { 0 };
	uint8_t *page = malloc(8u << 20);
	struct vfs_attr a;
	unsigned i;

	assert_err(fx_create(fx, "/f", 0644), OK);
	assert_err(fx_mkdir(fx, "/empty", 0755), OK);
	for (i = 0; i < VFS_JOURNAL_SCAN_MAX + 10; i++)
		assert_err(fx_chmod(fx, "/f", i & 0777), OK);
	r.records = (struct vfs_buf){ page, 8u << 20, 0 };
	assert_err(fx_op_journal_read(fx, &q, &r), OK);
	assert_int_equal(r.n, VFS_JOURNAL_READ_MAX);
	assert_int_equal(r.more, 1);
	q.max = VFS_JOURNAL_READ_MAX + 1;
	assert_err(fx_op_journal_read(fx, &q, &r), OK);
	assert_int_equal(r.n, VFS_JOURNAL_READ_MAX);
	/* A reader for whom nothing is gets on all the same. */
	assert_err(fx_stat(fx, "/empty", &a), OK);
	q.subtree = a.id;
	q.mask = 1u << PROTO_CHANGE_META;
	assert_err(fx_op_journal_read(fx, &q, &r), OK);
	assert_int_equal(r.n, 0);
	assert_int_equal(r.more, 1);
	assert_true(r.seq > 0);
	for (i = 0; r.more; i++) {
		q.seq = r.seq;
		q.idx = r.idx;
		assert_err(fx_op_journal_read(fx, &q, &r), OK);
	}
	assert_true(i < 10);
	assert_int_equal(r.seq, pos(fx).seq);
	/* No room for one record, then for just one. */
	q = (struct vfs_journal_read){ 0 };
	r.records.cap = 32;
	assert_err(fx_op_journal_read(fx, &q, &r), TOO_BIG);
	r.records.cap = 80;
	assert_err(fx_op_journal_read(fx, &q, &r), OK);
	assert_int_equal(r.n, 1);
	free(page);
}

/* Memory requests of reading n records that are in the table. */
static unsigned
requests(struct fx *fx, unsigned n, struct vfs_id subtree)
{
	static uint8_t page[1u << 20];
	struct vfs_journal_read q = { .max = n, .subtree = subtree };
	struct vfs_journal_read_reply r = {
		.records = { page, sizeof page, 0 } };

	fault_arm(1u << 30, -VFS_IO);
	assert_err(fx_op_journal_read(fx, &q, &r), OK);
	assert_false(fault_disarm());
	assert_int_equal(r.n, n);
	return fault_calls();
}

static void
journal__more_records__ask_for_no_more_memory(void **state)
{
	struct fx *fx = *state;
	struct vfs_id root = { 0 }, dir;
	char path[32];
	unsigned i;

	assert_err(fx_mkdir(fx, "/d", 0755), OK);
	dir = fx_id(fx, "/d");
	for (i = 0; i < 5000; i++) {
		sprintf(path, "/d/%u", i);
		assert_err(fx_create(fx, path, 0644), OK);
	}
	assert_int_equal(requests(fx, 10, root), requests(fx, 4900, root));
	assert_int_equal(requests(fx, 10, dir), requests(fx, 4900, dir));
}

/* Each call of the backends while records are trimmed fails once. */
static void
journal__any_fault_while_trimming__leaves_no_gap(void **state)
{
	struct fx *fx = *state;
	uint64_t oldest;
	unsigned n;
	int err;

	files(fx, 0, 50);
	assert_err(fx_mkdir(fx, "/d", 0755), OK);
	assert_err(fx_rename(fx, "/d", "/e", 0), OK);
	files(fx, 50, 50);
	assert_err(engine_checkpoint(fx->e), OK);
	fx->conf.journal_bytes_max = pos(fx).bytes;
	fx->quiet = true;
	for (n = 0; n < 60; n++) {
		fx->conf.journal_bytes_max -= 100;
		fx_restart(fx);
		fault_arm(n, -VFS_IO);
		(void)engine_checkpoint(fx->e);
		err = fault_disarm();
		fx_reopen(fx);
		oldest = pos(fx).oldest;
		assert_err(good(fx, oldest, oldest != 0 ? UINT32_MAX : 0),
		    OK);
		assert_int_equal(fx_check(fx), 0);
		if (!err)
			break;
	}
	assert_true(n > 3 && n < 60);
	assert_true(pos(fx).oldest > 0);
}

/* A repair changes the tree without records. */
static void
journal__after_a_repair__all_cursors_have_expired(void **state)
{
	struct fx *fx = *state;
	struct check_conf conf = { .still = true, .repair = true };
	struct check_sum sum;
	struct vfs_journal_pos_reply was, now;
	struct row_key k;
	struct txn *t;

	files(fx, 0, 3);
	was = pos(fx);
	row_key_name(&k, ROW_NAME, (struct vfs_id){ VFS_ID_ROOT },
	    (struct vfs_slice){ "000001", 6 });
	assert_err(txn_begin(fx->e, TXN_WRITE, &fx->env, &t), OK);
	assert_err(txn_del(t, row_key_slice(&k)), OK);
	assert_err(txn_commit(t, NULL), OK);
	assert_err(check_store(fx->e, &conf, &sum), OK);
	assert_true(sum.fixed > 0);
	fx_restart(fx);
	assert_int_equal(fx_check(fx), 0);
	assert_err(good(fx, was.seq, was.idx), CURSOR_EXPIRED);
	assert_err(good(fx, was.seq, UINT32_MAX), CURSOR_EXPIRED);
	assert_err(good(fx, 0, 0), CURSOR_EXPIRED);
	now = pos(fx);
	assert_int_equal(now.records, 0);
	assert_err(good(fx, now.seq, now.idx), OK);
	files(fx, 3, 1);
	assert_err(good(fx, now.seq, now.idx), OK);
	assert_int_equal(pos(fx).records, 1);
}

/* The name of file n is gone, its other rows are not. */
static void
lose_name(struct fx *fx, unsigned n)
{
	struct row_key k;
	struct txn *t;
	char name[16];

	snprintf(name, sizeof name, "%06u", n);
	row_key_name(&k, ROW_NAME, (struct vfs_id){ VFS_ID_ROOT },
	    (struct vfs_slice){ name, 6 });
	assert_err(txn_begin(fx->e, TXN_WRITE, &fx->env, &t), OK);
	assert_err(txn_del(t, row_key_slice(&k)), OK);
	assert_err(txn_commit(t, NULL), OK);
}

/* Each call of the backends while one repairs fails once: what a repair has
 * changed nobody may miss, even if it did not come to its end. */
static void
journal__any_fault_while_repairing__cursors_expire_first(void **state)
{
	struct check_conf conf = { .still = true, .repair = true };
	struct fx *fx = *state;
	struct vfs_journal_pos_reply was;
	struct check_sum sum;
	unsigned n, half = 0;
	bool failed = true;
	char path[32];

	fx->quiet = true;
	for (n = 0; failed && n < 1000; n++) {
		files(fx, n, 1);
		lose_name(fx, n);
		fx_restart(fx);
		was = pos(fx);
		conf.repair = true;
		fault_arm(n, -VFS_IO);
		(void)check_store(fx->e, &conf, &sum);
		failed = fault_disarm();
		fx_reopen(fx);
		conf.repair = false;
		assert_err(check_store(fx->e, &conf, &sum), OK);
		if (sum.found == 0)
			assert_err(good(fx, was.seq, was.idx),
			    CURSOR_EXPIRED);
		half += failed && sum.found == 0;
		conf.repair = true;
		assert_err(check_store(fx->e, &conf, &sum), OK);
		sprintf(path, "/%06u", n);
		assert_err(fx_unlink(fx, path), OK);
		assert_int_equal(fx_reclaim_all(fx), 0);
		fx_restart(fx);
		assert_int_equal(fx_check(fx), 0);
	}
	assert_true(n > 3 && n < 1000);
	assert_true(half > 0);
}

static void
journal__bad_request__is_refused(void **state)
{
	struct fx *fx = *state;
	char pattern[VFS_PATTERN_MAX + 1];
	struct vfs_journal_read q = { .mask = 1u << 14 };
	struct vfs_journal_read_reply r = { 0 };
	uint8_t page[1000];

	memset(pattern, '*', sizeof pattern);
	r.records = (struct vfs_buf){ page, sizeof page, 0 };
	assert_err(fx_op_journal_read(fx, &q, &r), INVAL);
	q = (struct vfs_journal_read){ .flags = 2 };
	assert_err(fx_op_journal_read(fx, &q, &r), INVAL);
	q = (struct vfs_journal_read){ .pattern = { pattern,
		sizeof pattern } };
	assert_err(fx_op_journal_read(fx, &q, &r), NAMETOOLONG);
	q.pattern.n--;
	assert_err(fx_op_journal_read(fx, &q, &r), OK);
}

static void
journal__pattern__names_of_then_and_objects_of_now(void **state)
{
	struct fx *fx = *state;
	struct vfs_journal_read q = { .pattern = { "*.c", 3 } };
	struct vfs_journal_read_reply r = { 0 };
	uint8_t page[4000];
	struct proto_change x;
	char text[200] = "";
	struct rbuf b;

	assert_err(fx_create(fx, "/a.c", 0644), OK);
	assert_err(fx_create(fx, "/a.h", 0644), OK);
	assert_err(fx_chmod(fx, "/a.c", 0600), OK);
	assert_err(fx_chmod(fx, "/a.h", 0600), OK);
	assert_err(fx_link(fx, "/a.h", "/b.c"), OK);
	assert_err(fx_rename(fx, "/a.c", "/x", 0), OK);
	r.records = (struct vfs_buf){ page, sizeof page, 0 };
	assert_err(fx_op_journal_read(fx, &q, &r), OK);
	proto_list_read(&b, (struct vfs_slice){ page, r.records.n });
	while (proto_list_more(&b) && proto_change_next(&b, &x) == 0)
		sprintf(text + strlen(text), "%u%.*s ", x.kind,
		    (int)x.name.n, (const char *)x.name.p);
	/* The META of what is x now is told by its rename. */
	assert_string_equal(text, "1a.c 7 2b.c 4a.c ");
}

/* --- patterns ----------------------------------------------------------- */

static void
glob__table__matches_as_said(void **state)
{
	static const struct {
		const char *p, *s;
		bool want;
	} t[] = {
		{ "", "", true }, { "", "a", false }, { "*", "", true },
		{ "*", ".x", true }, { "a*", "a", true },
		{ "a*b", "axxb", true }, { "a*b", "axxbc", false },
		{ "*a*b*", "xaybz", true }, { "a?c", "abc", true },
		{ "a?c", "ac", false }, { "?", "\xc3\xa9", true },
		{ "??", "\xc3\xa9", false }, { "?", "\xff", true },
		{ "[a-c]x", "bx", true }, { "[a-c]x", "dx", false },
		{ "[!a-c]x", "dx", true }, { "[!a-c]x", "ax", false },
		{ "[^a]", "b", true }, { "[]]", "]", true },
		{ "[a-]", "-", true }, { "[\\]]", "]", true },
		{ "[", "[", true }, { "[a", "[a", true },
		{ "\\*", "*", true }, { "\\*", "a", false },
		{ "a\\", "a\\", true }, { "*.[ch]", "x.c", true },
		{ "*.[ch]", "x.o", false }, { "[", "", false },
		{ "?", "", false },
	};
	char p[256], s[256];
	unsigned i;

	(void)state;
	for (i = 0; i < sizeof t / sizeof t[0]; i++)
		if (glob_match((struct vfs_slice){ t[i].p, strlen(t[i].p) },
		    (struct vfs_slice){ t[i].s, strlen(t[i].s) }) !=
		    t[i].want)
			fail_msg("%s and %s", t[i].p, t[i].s);
	/* What others need ages for. */
	for (i = 0; i < 255; i++) {
		p[i] = i % 2 ? '*' : 'a';
		s[i] = 'a';
	}
	s[254] = 'b';
	assert_false(glob_match((struct vfs_slice){ p, 253 },
	    (struct vfs_slice){ s, 100 }));
	p[252] = 'c';
	assert_false(glob_match((struct vfs_slice){ p, 253 },
	    (struct vfs_slice){ s, 255 }));
}

static void
glob__random_bytes__never_read_past_the_end(void **state)
{
	static const char set[] = "ab*?[]!-\\^\xc3\xa9";
	unsigned seed = 3, i, k;

	(void)state;
	for (i = 0; i < 50000; i++) {
		size_t pn = (size_t)rand_r(&seed) % 12;
		size_t sn = (size_t)rand_r(&seed) % 8;
		char *p = malloc(pn + 1), *s = malloc(sn + 1);

		for (k = 0; k < pn; k++)
			p[k] = set[rand_r(&seed) % (sizeof set - 1)];
		for (k = 0; k < sn; k++)
			s[k] = set[rand_r(&seed) % (sizeof set - 1)];
		p = realloc(p, pn ? pn : 1);	/* exact, for ASan */
		s = realloc(s, sn ? sn : 1);
		glob_match((struct vfs_slice){ p, pn },
		    (struct vfs_slice){ s, sn });
		free(p);
		free(s);
	}
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		FX_TEST(journal__at_the_bound__all_is_kept_one_past_the_oldest_goes),
		FX_TEST(journal__trimmed__says_the_same_after_kill_and_restart),
		FX_TEST(journal__trimmed_below_a_subtree__what_is_left_is_told),
		FX_TEST(journal__cursor_that_nobody_was_given__is_expired),
		FX_TEST(journal__cursor_in_a_jumped_range__is_expired),
		FX_TEST(journal__many_records__come_in_pages_of_the_limit),
		FX_TEST(journal__more_records__ask_for_no_more_memory),
		FX_TEST(journal__any_fault_while_trimming__leaves_no_gap),
		FX_TEST(journal__any_fault_while_repairing__cursors_expire_first),
		FX_TEST(journal__after_a_repair__all_cursors_have_expired),
		FX_TEST(journal__bad_request__is_refused),
		FX_TEST(journal__pattern__names_of_then_and_objects_of_now),
		cmocka_unit_test(glob__table__matches_as_said),
		cmocka_unit_test(glob__random_bytes__never_read_past_the_end),
	};

	return cmocka_run_group_tests_name("journal_keep", tests, NULL,
	    NULL);
}
