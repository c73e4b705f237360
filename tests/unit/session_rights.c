/*
 * Rights: each operation without each right, denied and kept for whoever
 * administers the store; what depends on flags; no way up by moving.
 */
#include "../cm.h"
#include "token_fx.h"

#define FILE_MODE	0100644u
#define DIR_MODE	0040755u
#define RW	(VFS_OPEN_READ | VFS_OPEN_WRITE)
#define R(name)	VFS_RIGHT_##name

static struct vfs_slice
str(const char *s)
{
	return (struct vfs_slice){ s, strlen(s) };
}

/* --- the table, as this test understands it -------------------------------------- */

/* F: a file, D: the directory that it is in. */
struct want {
	enum vfs_op op;
	uint32_t rights;
	union proto_req q;
};

static size_t
wants(struct vfs_id f, struct vfs_id d, struct want *w)
{
	static uint64_t id;
	struct want all[] = {
	{ VFS_OP_LOOKUP, R(TRAVERSE), .q.lookup = { d, str("f") } },
	{ VFS_OP_WALK, R(TRAVERSE), .q.walk = { d, 0, 0, str("f") } },
	{ VFS_OP_CREATE, R(CREATE), .q.create = { .dir = d,
	    .mode = FILE_MODE, .flags = VFS_CREATE_EXCL, .name = str("f") } },
	{ VFS_OP_CREATE, R(CREATE) | R(TRAVERSE), .q.create = { .dir = d,
	    .mode = FILE_MODE, .name = str("f") } },
	{ VFS_OP_TMPFILE, R(CREATE), .q.tmpfile = { d, FILE_MODE } },
	{ VFS_OP_LINK, R(LINK), .q.link = { d, f, str("f") } },
	{ VFS_OP_UNLINK, R(DELETE), .q.unlink = { .dir = d,
	    .name = str("none") } },
	{ VFS_OP_RENAME, R(RENAME) | R(DELETE), .q.rename = { .dir = d,
	    .dir2 = d, .name = str("none"), .name2 = str("no") } },
	{ VFS_OP_RENAME, R(RENAME), .q.rename = { .dir = d, .dir2 = d,
	    .flags = VFS_RENAME_NOREPLACE, .name = str("none"),
	    .name2 = str("no") } },
	{ VFS_OP_PATHS_OF, R(GETATTR) | R(TRAVERSE), .q.paths_of = { f } },
	{ VFS_OP_DIR_READ, R(ENUMERATE), .q.dir_read = { .dir = d } },
	{ VFS_OP_DIR_READ, R(ENUMERATE) | R(GETATTR), .q.dir_read = {
	    .dir = d, .want = VFS_WANT_ATTR } },
	{ VFS_OP_DIR_FENCE, R(ENUMERATE), .q.dir_fence = { .dir = d } },
	{ VFS_OP_TREE_PUBLISH, R(RENAME) | R(DELETE), .q.tree_publish = {
	    .dir = d, .dir2 = d, .name = str("none"), .name2 = str("no") } },
	{ VFS_OP_TREE_REMOVE, R(DELETE), .q.tree_remove = { .dir = d,
	    .name = str("none") } },
	{ VFS_OP_TREE_CLONE, R(CREATE) | R(TRAVERSE) | R(ENUMERATE) |
	    R(GETATTR) | R(READ) | R(XATTR_R), .q.tree_clone = { .dir = d,
	    .src = d, .name = str("f") } },
	{ VFS_OP_STAT, R(GETATTR), .q.stat = { f } },
	{ VFS_OP_SETATTR, R(SETATTR), .q.setattr = { .id = f,
	    .valid = VFS_SET_MODE, .mode = 0644 } },
	{ VFS_OP_SETATTR, R(WRITE), .q.setattr = { .id = f,
	    .valid = VFS_SET_SIZE } },
	{ VFS_OP_ACCESS, R(GETATTR), .q.access = { f, 7 } },
	{ VFS_OP_READLINK, R(READ), .q.readlink = { f } },
	{ VFS_OP_STATFS, R(GETATTR), .q.statfs = { d } },
	{ VFS_OP_XATTR_GET, R(XATTR_R), .q.xattr_get = { f, str("user.a") } },
	{ VFS_OP_XATTR_LIST, R(XATTR_R), .q.xattr_list = { f } },
	{ VFS_OP_XATTR_SET, R(XATTR_W), .q.xattr_set = { f, 0,
	    str("user.a"), str("b") } },
	{ VFS_OP_XATTR_REMOVE, R(XATTR_W), .q.xattr_remove = { f,
	    str("user.a") } },
	{ VFS_OP_OPEN_ID, R(OPEN_BY_ID), .q.open_id = { d, 0, 0 } },
	{ VFS_OP_OPEN, R(READ), .q.open = { f, VFS_OPEN_READ, 0 } },
	{ VFS_OP_OPEN, R(EXEC), .q.open = { f, VFS_OPEN_EXEC, 0 } },
	{ VFS_OP_OPEN, R(WRITE), .q.open = { f, VFS_OPEN_TRUNC, 0 } },
	{ VFS_OP_READ, R(READ), .q.read = { .id = f, .count = 1 } },
	{ VFS_OP_WRITE, R(WRITE), .q.write = { f, 0, 0, str("x") } },
	{ VFS_OP_TRUNCATE, R(WRITE), .q.truncate = { f, 1 } },
	{ VFS_OP_ALLOCATE, R(WRITE), .q.allocate = { f, 0, 1, 0 } },
	{ VFS_OP_COPY_RANGE, R(READ) | R(WRITE), .q.copy_range = { f, f, 0,
	    1, 1 } },
	{ VFS_OP_SEEK, R(READ), .q.seek = { f, 0, VFS_SEEK_DATA } },
	{ VFS_OP_SYNC, R(SYNC), .q.sync = { f, 0 } },
	{ VFS_OP_MAP_EXTENTS, R(READ), .q.map_extents = { f, 0, 0 } },
	{ VFS_OP_HASH, R(READ), .q.hash = { f, VFS_HASH_SHA256, 0 } },
	{ VFS_OP_LOCK, R(LOCK), .q.lock = { .id = f,
	    .type = VFS_LOCK_NONE } },
	{ VFS_OP_LOCK_TEST, R(LOCK), .q.lock_test = { .id = f,
	    .type = VFS_LOCK_SHARED } },
	{ VFS_OP_WAIT, R(SYNC), .q.wait = { 0, 0, 0 } },
	{ VFS_OP_JOURNAL_POS, R(WATCH), .q.journal_pos = { 0 } },
	{ VFS_OP_JOURNAL_READ, R(WATCH), .q.journal_read = { .subtree = d } },
	{ VFS_OP_SETTLE, R(WATCH), .q.settle = { 0 } },
	{ VFS_OP_TX_EXEC, R(TX), .q.tx_exec = { 0 } },
	{ VFS_OP_TX_BEGIN, R(TX), .q.tx_begin = { 0, 0 } },
	{ VFS_OP_TX_ADD, R(TX), .q.tx_add = { .tx = 999 } },
	{ VFS_OP_TX_COMMIT, R(TX), .q.tx_commit = { .tx = 999 } },
	{ VFS_OP_TX_ABORT, R(TX), .q.tx_abort = { 999 } },
	{ VFS_OP_TX_STATUS, R(TX), .q.tx_status = { str("") } },
	{ VFS_OP_TX_SAVEPOINT, R(TX), .q.tx_savepoint = { 999 } },
	{ VFS_OP_TX_ROLLBACK_TO, R(TX), .q.tx_rollback_to = { 999, 1 } },
	{ VFS_OP_DERIVE, R(DELEGATE), .q.derive = { .root = d } },
	{ VFS_OP_GRANT, R(ADMIN), .q.grant = { .root = d } },
	{ VFS_OP_SESSIONS, R(ADMIN), .q.sessions = { 0, 0 } },
	{ VFS_OP_DUP, 0, .q.dup = { d, 0 } },
	{ VFS_OP_CLOSE, 0, .q.close = { { &id, 8 } } },
	};

	memcpy(w, all, sizeof all);
	return sizeof all / sizeof all[0];
}

/* The newest denial, as an administrator sees it. */
static void
audited(struct srig *x, enum vfs_op op, uint32_t right)
{
	struct vfs_sessions q = { .flags = VFS_SESSIONS_AUDIT };
	struct vfs_sessions_reply r;
	struct proto_fault f;
	char text[500];
	struct rbuf b;

	assert_err(srig_run(x, x->own, VFS_OP_SESSIONS, &q, &r), OK);
	proto_list_read(&b, (struct vfs_slice){ r.sessions.p,
	    r.sessions.n });
	assert_int_equal(proto_fault_next(&b, &f), 0);
	assert_int_equal(f.op, proto_ops[op].number);
	assert_int_equal(f.err, VFS_ACCESS);
	snprintf(text, sizeof text, "%.*s", (int)f.text.n,
	    (const char *)f.text.p);
#define RIGHT(bit, NAME, word, what) \
	if (right == bit && strstr(text, word) == NULL) \
		fail_msg("%s is not in: %s", word, text);
	VFS_RIGHTS(RIGHT)
#undef RIGHT
}

static void
rights__each_missing_from_each_operation__is_denied_and_kept(void **state)
{
	struct srig *x = *state;
	struct want w[80];
	union proto_rep rep;
	uint32_t bit;
	size_t i, n;
	struct vfs_id f;

	assert_err(s_create(x, x->own, ROOT, "f", FILE_MODE, &f), OK);
	for (bit = 1; bit <= R(ADMIN); bit <<= 1) {
		struct session *s = srig_token(x, ROOT, VFS_RIGHTS_ALL & ~bit);
		struct vfs_id id = f, d = ROOT;
		uint64_t h;

		if (bit != R(TRAVERSE)) {
			assert_err(s_walk(x, s, ROOT, "f", 0, &h), OK);
			id = H(h);
		}
		assert_err(s_walk(x, s, ROOT, "", 0, &h), OK);
		d = H(h);
		n = wants(id, d, w);
		for (i = 0; i < n; i++) {
			int err = srig_run(x, s, w[i].op, &w[i].q, &rep);

			if ((err == -VFS_ACCESS) !=
			    ((w[i].rights & bit) != 0))
				fail_msg("%s (%zu) without %x: %s",
				    proto_ops[w[i].op].name, i, bit,
				    vfs_err_name(err));
			if (err == -VFS_ACCESS)
				audited(x, w[i].op, bit);
		}
		srig_end(s);
	}
}

/* Items of a batch, operations of a transaction: each is looked at. */
static void
rights__inside_of_lists__are_looked_at(void **state)
{
	struct srig *x = *state;
	struct session *s = srig_token(x, ROOT, VFS_RIGHTS_ALL & ~(R(GETATTR) |
	    R(CREATE) | R(READ)));
	uint64_t ids[2] = { VFS_ID_ROOT, 0 };
	struct vfs_stat_batch bq = { .n = 2, .ids = { ids, sizeof ids } };
	struct vfs_stat_batch_reply br;
	struct vfs_tx_exec q = { .nops = 1 };
	struct vfs_tx_exec_reply r;
	struct vfs_lookup lq = { ROOT, str("f") };
	struct vfs_lookup_reply lr;
	struct proto_found g;
	struct vfs_id f;
	struct rbuf b;

	assert_err(s_create(x, x->own, ROOT, "f", FILE_MODE, &f), OK);
	ids[1] = f.n;
	assert_err(srig_run(x, s, VFS_OP_STAT_BATCH, &bq, &br), OK);
	proto_list_read(&b, (struct vfs_slice){ br.results.p,
	    br.results.n });
	assert_int_equal(proto_found_next(&b, 0, &g), 0);
	assert_int_equal(g.err, VFS_ACCESS);
	assert_int_equal(g.attr.id.n, 0);
	rig_new(x->r);
	rig_create(x->r, ROOT, "g", FILE_MODE);
	q.ops = (struct vfs_slice){ x->r->ops, x->r->nops_bytes };
	assert_err(srig_run(x, s, VFS_OP_TX_EXEC, &q, &r), ACCESS);
	audited(x, VFS_OP_CREATE, R(CREATE));
	rig_new(x->r);
	rig_pre(x->r, (struct vfs_tx_pre){ .kind = VFS_PRE_ID_VERSION,
	    .id = f, .a = 1 });
	rig_unlink(x->r, ROOT, "f");
	q.npre = 1;
	q.pre = (struct vfs_slice){ x->r->pre, x->r->npre_bytes };
	q.ops = (struct vfs_slice){ x->r->ops, x->r->nops_bytes };
	assert_err(srig_run(x, s, VFS_OP_TX_EXEC, &q, &r), ACCESS);
	/* A lookup tells which object it is, and of what type; no more. */
	assert_err(srig_run(x, s, VFS_OP_LOOKUP, &lq, &lr), OK);
	assert_int_equal(lr.attr.id.n, f.n);
	assert_int_equal(lr.attr.mode, 0100000);
	assert_int_equal(lr.attr.nlink, 0);
	assert_int_equal(lr.attr.ctime.sec, 0);
	srig_end(s);
}

static void
append__without_write__only_at_the_end(void **state)
{
	struct srig *x = *state;
	struct session *s = srig_token(x, ROOT, VFS_RIGHTS_ALL & ~R(WRITE));
	struct vfs_id f;
	uint64_t h;

	assert_err(s_create(x, x->own, ROOT, "f", FILE_MODE, &f), OK);
	assert_err(s_write(x, x->own, f, 0, "abc", 0), OK);
	assert_err(s_write(x, s, f, 0, "x", 0), ACCESS);
	assert_err(s_write(x, s, f, 0, "d", VFS_WRITE_APPEND), OK);
	assert_err(s_open(x, s, f, RW, &h), OK);
	assert_err(s_write(x, s, H(h), 0, "e", VFS_WRITE_APPEND), OK);
	assert_err(s_write(x, s, H(h), 0, "x", 0), ACCESS);
	assert_err(s_open(x, s, f, RW | VFS_OPEN_TRUNC, &h), ACCESS);
	assert_int_equal(s_read(x, x->own, f, 0, 10), 5);
	assert_memory_equal(x->room, "abcde", 5);
	srig_end(s);
	s = srig_token(x, ROOT, VFS_RIGHTS_ALL & ~(R(WRITE) | R(APPEND)));
	assert_err(s_write(x, s, f, 0, "x", VFS_WRITE_APPEND), ACCESS);
	srig_end(s);
}

/* Through a handle that may less, an object must not come to lie where the
 * session may more. */
static void
move__to_where_more_is_allowed__is_denied(void **state)
{
	struct srig *x = *state;
	uint32_t few = R(TRAVERSE) | R(RENAME) | R(LINK) | R(GETATTR) |
	    R(DELETE);
	struct vfs_id a, b, f;
	struct vfs_link lq = { .name = str("stolen") };
	struct vfs_link_reply lr;
	uint64_t ha, hb, hf;

	assert_err(s_create(x, x->own, ROOT, "a", DIR_MODE, &a), OK);
	assert_err(s_create(x, x->own, ROOT, "b", DIR_MODE, &b), OK);
	assert_err(s_create(x, x->own, a, "f", FILE_MODE, &f), OK);
	assert_err(s_walk(x, x->own, a, "", few, &ha), OK);
	assert_err(s_walk(x, x->own, b, "", 0, &hb), OK);
	assert_err(s_walk(x, x->own, H(ha), "f", 0, &hf), OK);
	assert_err(s_rename(x, x->own, H(ha), "f", H(hb), "f"), ACCESS);
	lq.dir = H(hb);
	lq.target = H(hf);
	assert_err(srig_run(x, x->own, VFS_OP_LINK, &lq, &lr), ACCESS);
	lq.dir = H(ha);
	assert_err(srig_run(x, x->own, VFS_OP_LINK, &lq, &lr), OK);
	assert_err(s_rename(x, x->own, H(hb), "none", H(ha), "f"), NOENT);
	assert_err(s_walk(x, x->own, b, "", few, &hb), OK);
	assert_err(s_rename(x, x->own, H(ha), "f", H(hb), "f"), OK);
}

/* --- the journal ----------------------------------------------------------- */

static void
assert_watches(struct srig *x, struct session *s, bool may)
{
	int want = may ? 0 : -VFS_ACCESS;
	struct vfs_journal_pos_reply pr;
	struct vfs_journal_read_reply jr;
	struct vfs_settle_reply sr;
	struct vfs_tx_exec q = { .npre = 1 };
	struct vfs_tx_exec_reply r;
	struct vfs_journal_pos pq = { 0 };
	struct vfs_journal_read jq = { .idx = UINT32_MAX };
	struct vfs_settle sq = { 0 };

	assert_int_equal((session_rights(s) & R(WATCH)) != 0, may);
	assert_int_equal(srig_run(x, s, VFS_OP_SETTLE, &sq, &sr), want);
	assert_int_equal(srig_run(x, s, VFS_OP_JOURNAL_POS, &pq, &pr), want);
	jq.seq = pr.oldest;
	assert_int_equal(srig_run(x, s, VFS_OP_JOURNAL_READ, &jq, &jr), want);
	jq.subtree = ROOT;
	assert_int_equal(srig_run(x, s, VFS_OP_JOURNAL_READ, &jq, &jr), want);
	rig_new(x->r);
	rig_pre(x->r, (struct vfs_tx_pre){ .kind = VFS_PRE_JOURNAL_AT_MOST,
	    .id = ROOT, .a = UINT64_MAX });
	q.pre = (struct vfs_slice){ x->r->pre, x->r->npre_bytes };
	assert_int_equal(srig_run(x, s, VFS_OP_TX_EXEC, &q, &r), want);
}

/* It tells the names in directories that modes shut, so it is for those
 * whom they do not stop, or who have no user. */
static void
journal__of_one_whom_modes_stop__is_denied(void **state)
{
	static const struct {
		uint32_t uid, rights;
		bool may;
	} who[] = {
		{ 0, 0, true }, { SRIG_OWNER, 0, true }, { 4000, 0, false },
		{ 4000, R(WATCH) | R(TX) | R(TRAVERSE), false },
	};
	struct srig *x = *state;
	struct vfs_attach_reply ar;
	struct session *s, *root = srig_user(x, 0, 0);
	struct tok t;
	size_t i;

	s = srig_token(x, ROOT, 0);
	assert_watches(x, s, true);
	srig_end(s);
	for (i = 0; i < sizeof who / sizeof who[0]; i++) {
		s = srig_user(x, who[i].uid, who[i].uid);
		assert_watches(x, s, who[i].may);
		srig_end(s);
		assert_err(grant(x, root, (struct vfs_grant){ .root = ROOT,
		    .rights = who[i].rights, .flags = VFS_GRANT_CRED,
		    .uid = who[i].uid, .gid = who[i].uid }, &t), OK);
		assert_int_equal((t.rights & R(WATCH)) != 0, who[i].may);
		assert_err(attach(x, &t, &s, &ar), OK);
		assert_watches(x, s, who[i].may);
		srig_end(s);
	}
	srig_end(root);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
	S_TEST(rights__each_missing_from_each_operation__is_denied_and_kept),
	S_TEST(rights__inside_of_lists__are_looked_at),
	S_TEST(append__without_write__only_at_the_end),
	S_TEST(move__to_where_more_is_allowed__is_denied),
	S_TEST(journal__of_one_whom_modes_stop__is_denied),
	};

	return cmocka_run_group_tests_name("sessions: rights", tests, NULL,
	    NULL);
}
