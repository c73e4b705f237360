/*
 * Out of a session's root, on purpose: every operation, every field that
 * takes an id, each way to name something outside.  It is answered as an
 * id is that never existed, in the error's details, too; outside nothing
 * changes; and no reply has a name or an id of outside in it.
 *
 * What is outside has "SECRET" in its names, contents and attributes.
 */
#include "../cm.h"
#include "../../vfsd/server/dispatch_in.h"
#include "../session_site.h"

#define NO_ID		777777u		/* nobody ever had it */

static struct vfs_slice
str(const char *s)
{
	return (struct vfs_slice){ s, strlen(s) };
}

/* Is an operation with ids of nobody's, and why? */
static bool
not_for_sessions(enum vfs_op op)
{
	return proto_ops[op].number >= 0x3f00 ||	/* the daemon's */
	    op == VFS_OP_WATCH ||		/* the wire's: see there */
	    op == VFS_OP_GRANT;			/* ADMIN's */
}

/* --- what it may not tell ------------------------------------------------- */

static bool
has(const uint8_t *p, size_t n, const void *what, size_t len)
{
	size_t i;

	for (i = 0; i + len <= n; i++)
		if (memcmp(p + i, what, len) == 0)
			return true;
	return false;
}

/* The link target inside says the word itself: it is the jail's.  The
 * journal tells of what has gone that it was here and has left. */
static void
tells_nothing(struct site *t, enum vfs_op op, const union proto_rep *rep)
{
	struct proto_hdr h = { .req_id = 1 };
	unsigned i;

	assert_int_equal(proto_reply_encode(op, rep, &h, t->msg,
	    VFS_MSG_MAX), 0);
	if (op != VFS_OP_READLINK && has(t->msg, h.len, SECRET,
	    sizeof SECRET - 1))
		fail_msg("%s tells a name", proto_ops[op].name);
	for (i = 1; i < t->nout; i++)	/* ROOT is too small a number */
		if (!(op == VFS_OP_JOURNAL_READ && i >= t->moved) &&
		    has(t->msg + PROTO_HDR, h.len - PROTO_HDR,
		    &t->out[i].n, 8))
			fail_msg("%s tells id %u of outside",
			    proto_ops[op].name, i);
}

struct answer {
	int err;
	uint64_t detail;
	uint32_t op_index;
};

static struct answer
ask(struct site *t, enum vfs_op op, const union proto_req *q, uint64_t id)
{
	union proto_rep rep;
	struct answer a;

	a.err = srig_run(t->x, t->s, op, q, &rep);
	if (a.err == 0)
		tells_nothing(t, op, &rep);
	a.detail = t->x->e.detail == id && id != 0 ? 1 : t->x->e.detail;
	a.op_index = t->x->e.op_index;
	return a;
}

/* --- one field, one id ---------------------------------------------------- */

struct put {
	unsigned n, at;			/* fields so far; which gets it */
	struct vfs_id id;
};

static int
put_id(void *arg, struct vfs_id *id)
{
	struct put *p = arg;

	if (p->n++ == p->at)
		*id = p->id;
	return 0;
}

/* How many fields there are; the at-th gets id. */
static unsigned
put(enum vfs_op op, union proto_req *q, unsigned at, struct vfs_id id)
{
	struct put p = { .at = at, .id = id };

	assert_int_equal(proto_each_id(op, q, put_id, &p), 0);
	return p.n;
}

static void
compare(enum vfs_op op, unsigned field, unsigned which, struct answer got,
    struct answer want)
{
	if (got.err == want.err && got.detail == want.detail &&
	    got.op_index == want.op_index)
		return;
	fail_msg("%s, field %u, id %u: %s, detail %llu, op %u instead of "
	    "%s, %llu, %u", proto_ops[op].name, field, which,
	    vfs_err_name(got.err), (unsigned long long)got.detail,
	    got.op_index, vfs_err_name(want.err),
	    (unsigned long long)want.detail, want.op_index);
}

/* DUP is of handles only; what is only compared is PRECOND for all. */
static int
as_nothing(enum vfs_op op, unsigned field)
{
	if (op == VFS_OP_DUP)
		return -VFS_BAD_HANDLE;
	if (op == VFS_OP_UNLINK || op == VFS_OP_TREE_REMOVE)
		return field == 1 ? -VFS_PRECOND : -VFS_NO_SUCH_ID;
	if (op == VFS_OP_RENAME || op == VFS_OP_TREE_PUBLISH)
		return field >= 2 ? -VFS_PRECOND : -VFS_NO_SUCH_ID;
	return -VFS_NO_SUCH_ID;
}

/* Handles that were good ones are known to be lost, and no more. */
static void
try_lost(struct site *t, enum vfs_op op, unsigned field)
{
	union proto_req q;
	unsigned i;
	int err;

	for (i = 0; i < t->nlost; i++) {
		site_request(t, op, &q);
		put(op, &q, field, t->lost[i]);
		err = ask(t, op, &q, 0).err;
		if (op == VFS_OP_DUP && err == 0)
			continue;	/* of no more use than it was */
		if (err != -VFS_NO_SUCH_ID && err != as_nothing(op, field))
			fail_msg("%s, field %u, lost handle %u: %s",
			    proto_ops[op].name, field, i,
			    vfs_err_name(err));
	}
}

static void
try_field(struct site *t, enum vfs_op op, unsigned field)
{
	union proto_req q;
	struct answer want;
	unsigned i;

	site_request(t, op, &q);
	put(op, &q, field, (struct vfs_id){ NO_ID });
	want = ask(t, op, &q, NO_ID);
	if (want.err != as_nothing(op, field))
		fail_msg("%s, field %u, an id that is none: %s",
		    proto_ops[op].name, field, vfs_err_name(want.err));
	for (i = 0; i < t->nout; i++) {
		site_request(t, op, &q);
		put(op, &q, field, t->out[i]);
		compare(op, field, i, ask(t, op, &q, t->out[i].n), want);
	}
	try_lost(t, op, field);
}

/* All of an operation; the request itself is good, or nothing is shown. */
static void
try_op(struct site *t, enum vfs_op op)
{
	uint64_t before = fx_part_digest(t->x->r->fx, "/" SECRET);
	union proto_req q;
	unsigned n, i;
	int err;

	site_request(t, op, &q);
	n = put(op, &q, 99, ROOT);
	assert_true(n > 0);
	for (i = 0; i < n; i++)
		try_field(t, op, i);
	site_request(t, op, &q);
	if ((err = ask(t, op, &q, 0).err) != 0)
		fail_msg("%s itself: %s", proto_ops[op].name,
		    vfs_err_name(err));
	if (fx_part_digest(t->x->r->fx, "/" SECRET) != before)
		fail_msg("%s has changed what lies outside",
		    proto_ops[op].name);
}

static unsigned
fields(enum vfs_op op)
{
	union proto_req q = { 0 };

	return put(op, &q, 99, ROOT);
}

static void
every_operation__every_id_outside__is_no_id(void **state)
{
	struct site t;
	unsigned op, n = 0;

	(void)state;
	for (op = 1; op < VFS_OP_COUNT; op++) {
		if (fields(op) == 0 || not_for_sessions(op))
			continue;
		struct srig *x = srig_open();
		union proto_req q;

		site_open(&t, x);
		if (!site_request(&t, op, &q))
			fail_msg("no request of %s is tried",
			    proto_ops[op].name);
		try_op(&t, op);
		n++;
		site_close(&t);
		srig_close(x);
	}
	printf("# %u operations\n", n);
}

/* --- the same, in a transaction ------------------------------------------- */

static uint64_t
begin(struct site *t)
{
	struct vfs_tx_begin q = { 0 };
	struct vfs_tx_begin_reply r;

	assert_err(srig_run(t->x, t->s, VFS_OP_TX_BEGIN, &q, &r), OK);
	return r.tx;
}

static void
abort_it(struct site *t, uint64_t tx)
{
	struct vfs_tx_abort q = { tx };
	struct vfs_tx_abort_reply r;

	assert_err(srig_run(t->x, t->s, VFS_OP_TX_ABORT, &q, &r), OK);
}

/* In one of its own: the request, or all that a field of it is not. */
static int
in_transaction(struct site *t, enum vfs_op op, const union proto_req *q,
    unsigned field)
{
	uint64_t tx = t->x->tx = begin(t);
	int err = 0;

	if (q != NULL)
		err = ask(t, op, q, 0).err;
	else
		try_field(t, op, field);
	t->x->tx = 0;
	abort_it(t, tx);
	return err;
}

static void
transaction__every_id_outside__is_no_id(void **state)
{
	struct srig *x = *state;
	struct site t;
	uint64_t before;
	unsigned op, i, n = 0;
	int err;

	site_open(&t, x);
	before = fx_part_digest(x->r->fx, "/" SECRET);
	for (op = 1; op < VFS_OP_COUNT; op++) {
		union proto_req q;

		if (table_mode(op) == MODE_NONE || !site_request(&t, op, &q))
			continue;
		err = in_transaction(&t, op, &q, 0);
		if (err == -VFS_UNSUPPORTED)
			continue;
		assert_int_equal(err, 0);
		for (i = 0; i < fields(op); i++)
			(void)in_transaction(&t, op, NULL, i);
		n++;
	}
	assert_true(fx_part_digest(x->r->fx, "/" SECRET) == before);
	printf("# %u operations\n", n);
	site_close(&t);
}

/* One message: its operations, and what it asks before them. */
static struct answer
exec(struct site *t, uint64_t id)
{
	struct rig *r = t->x->r;
	union proto_req q = { .tx_exec = { .npre = r->npre,
		.nops = r->nops, .pre = { r->pre, r->npre_bytes },
		.ops = { r->ops, r->nops_bytes } } };

	return ask(t, VFS_OP_TX_EXEC, &q, id);
}

static void
one_message__every_id_outside__is_no_id(void **state)
{
	static const enum vfs_op ops[] = { VFS_OP_CREATE, VFS_OP_LINK,
		VFS_OP_UNLINK, VFS_OP_RENAME, VFS_OP_SETATTR, VFS_OP_WRITE,
		VFS_OP_COPY_RANGE, VFS_OP_XATTR_SET, VFS_OP_TREE_CLONE,
		VFS_OP_TREE_PUBLISH, VFS_OP_TREE_REMOVE };
	struct srig *x = *state;
	struct answer want, got;
	union proto_req q;
	uint64_t before, id;
	struct site t;
	unsigned o, f, i;

	site_open(&t, x);
	before = fx_part_digest(x->r->fx, "/" SECRET);
	for (o = 0; o < sizeof ops / sizeof ops[0]; o++)
		for (f = 0; f < fields(ops[o]); f++)
			for (i = 0; i <= t.nout; i++) {
				id = i == 0 ? NO_ID : t.out[i - 1].n;
				site_request(&t, ops[o], &q);
				put(ops[o], &q, f, H(id));
				rig_new(x->r);
				rig_add(x->r, ops[o], &q);
				got = exec(&t, id);
				assert_true(got.err < 0);
				if (i == 0)
					want = got;
				compare(ops[o], f, i, got, want);
			}
	assert_true(fx_part_digest(x->r->fx, "/" SECRET) == before);
	site_close(&t);
}

static struct vfs_tx_pre
condition(uint32_t kind, struct vfs_id id)
{
	static const uint8_t hash[32];
	struct vfs_tx_pre p = { .kind = kind, .id = id };

	if (kind == VFS_PRE_NAME_IS || kind == VFS_PRE_NAME_ABSENT)
		p.name = str(SECRET "-f");
	if (kind == VFS_PRE_HASH_IS) {
		p.a = VFS_HASH_SHA256;
		p.name = (struct vfs_slice){ hash, sizeof hash };
	}
	return p;
}

static void
precondition__about_outside__tells_nothing(void **state)
{
	struct srig *x = *state;
	struct answer want, got;
	struct vfs_id id;
	struct site t;
	uint32_t kind;
	unsigned i;

	site_open(&t, x);
	for (kind = VFS_PRE_ID_VERSION; kind <= VFS_PRE_JOURNAL_AT_MOST;
	    kind++)
		for (i = 0; i <= t.nout; i++) {
			id.n = i == 0 ? NO_ID : t.out[i - 1].n;
			rig_new(x->r);
			rig_pre(x->r, condition(kind, id));
			got = exec(&t, id.n);
			if (i == 0)
				want = got;
			compare(VFS_OP_TX_EXEC, kind, i, got, want);
		}
	/* What only the name's object is: any id but the right one is none. */
	for (i = 0; i <= t.nout; i++) {
		rig_new(x->r);
		rig_pre(x->r, (struct vfs_tx_pre){ .kind = VFS_PRE_NAME_IS,
		    .id = t.jail, .id2 = { i == 0 ? NO_ID :
		    t.out[i - 1].n }, .name = str("f") });
		got = exec(&t, 0);
		if (i == 0)
			want = got;
		compare(VFS_OP_TX_EXEC, 99, i, got, want);
	}
	site_close(&t);
}

/*
 * Whoever asked for something outside was told that there is nothing: what
 * others do there makes no difference to the commit.
 */
static void
transaction__asked_for_outside__others_there_do_not_show(void **state)
{
	struct srig *x = *state;
	struct vfs_tx_commit cq = { 0 };
	struct vfs_tx_commit_reply cr;
	struct site t;
	unsigned i;

	site_open(&t, x);
	for (i = 0; i <= t.nout; i++) {
		char name[32], name2[32];

		snprintf(name, sizeof name, SECRET "%u", i);
		snprintf(name2, sizeof name2, "in%u", i);
		x->tx = cq.tx = begin(&t);
		assert_err(s_stat(x, t.s, i == 0 ? H(NO_ID) : t.out[i - 1],
		    NULL), NO_SUCH_ID);
		assert_err(s_lookup(x, t.s, i == 0 ? H(NO_ID) :
		    t.out[i - 1], "x", NULL), NO_SUCH_ID);
		assert_err(s_create(x, t.s, t.jail, name2, FILE_MODE, NULL),
		    OK);
		x->tx = 0;
		/* Outside all is moved about, and written to. */
		assert_err(s_rename(x, x->own, ROOT, i == 0 ? SECRET :
		    "SECRET-moved", ROOT, "SECRET-moved"), OK);
		site_make(x, t.out[1], name, FILE_MODE);
		assert_err(s_rename(x, x->own, t.out[1], name, t.out[2],
		    name), OK);
		assert_err(s_write(x, x->own, t.out[4], 0, name, 0), OK);
		if (i == 0)
			assert_err(s_rename(x, x->own, t.out[1],
			    SECRET "-gone", t.out[2], SECRET "-gone"), OK);
		assert_err(srig_run(x, t.s, VFS_OP_TX_COMMIT, &cq, &cr), OK);
	}
	site_close(&t);
}

/* Unless it has come in since: the answer would be another one now. */
static void
transaction__asked_for_outside__it_comes_in__conflict(void **state)
{
	struct srig *x = *state;
	struct vfs_tx_commit cq = { 0 };
	struct vfs_tx_commit_reply cr;
	struct site t;

	site_open(&t, x);
	x->tx = cq.tx = begin(&t);
	assert_err(s_stat(x, t.s, t.out[4], NULL), NO_SUCH_ID);
	assert_err(s_create(x, t.s, t.jail, "new", FILE_MODE, NULL), OK);
	x->tx = 0;
	assert_err(s_rename(x, x->own, t.out[1], SECRET "-f", t.jail, "in"),
	    OK);
	assert_err(srig_run(x, t.s, VFS_OP_TX_COMMIT, &cq, &cr), CONFLICT);
	assert_int_equal(x->e.detail, t.out[4].n);
	assert_err(s_lookup(x, t.s, t.jail, "new", NULL), NOENT);
	site_close(&t);
}

/* --- many at once --------------------------------------------------------- */

static void
batch__ids_outside__each_is_no_id(void **state)
{
	struct srig *x = *state;
	struct vfs_stat_batch q = { .want = VFS_WANT_BRIEF };
	struct vfs_stat_batch_reply r;
	struct proto_found f;
	uint8_t list[512];
	struct proto_list l = { .p = list, .cap = sizeof list };
	struct site t;
	struct rbuf b;
	unsigned i;

	site_open(&t, x);
	proto_id_put(&l, t.f);
	for (i = 0; i < t.nout; i++)
		proto_id_put(&l, t.out[i]);
	for (i = 0; i < t.nlost; i++)
		proto_id_put(&l, t.lost[i]);
	q.n = 1 + t.nout + t.nlost;
	q.ids = (struct vfs_slice){ l.p, l.n };
	assert_err(srig_run(x, t.s, VFS_OP_STAT_BATCH, &q, &r), OK);
	assert_int_equal(r.n, q.n);
	proto_list_read(&b, (struct vfs_slice){ r.results.p, r.results.n });
	for (i = 0; i < r.n; i++) {
		assert_int_equal(proto_found_next(&b, q.want, &f), 0);
		assert_int_equal(f.err, i == 0 ? 0 : VFS_NO_SUCH_ID);
	}
	site_close(&t);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(every_operation__every_id_outside__is_no_id),
		S_TEST(transaction__every_id_outside__is_no_id),
		S_TEST(one_message__every_id_outside__is_no_id),
		S_TEST(precondition__about_outside__tells_nothing),
		S_TEST(
		transaction__asked_for_outside__others_there_do_not_show),
		S_TEST(transaction__asked_for_outside__it_comes_in__conflict),
		S_TEST(batch__ids_outside__each_is_no_id),
	};

	return cmocka_run_group_tests_name("sessions: escapes", tests, NULL,
	    NULL);
}
