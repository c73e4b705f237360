/*
 * Tokens: given, weakened, taken back with all that came of them, and
 * still there after a restart.
 */
#include "../cm.h"
#include "../../vfsd/core/token.h"
#include "token_fx.h"

#define FILE_MODE	0100644u
#define DIR_MODE	0040755u

/* --- giving -------------------------------------------------------------- */

static void
grant__attach__session_is_what_was_granted(void **state)
{
	struct srig *x = *state;
	uint32_t rights = VFS_RIGHT_TRAVERSE | VFS_RIGHT_GETATTR |
	    VFS_RIGHT_READ;
	struct vfs_attach_reply r;
	struct session *s;
	struct vfs_id d, f;
	struct vfs_attr a;
	struct tok t;

	assert_err(s_create(x, x->own, ROOT, "d", DIR_MODE, &d), OK);
	assert_err(s_create(x, x->own, d, "f", 0100640, &f), OK);
	assert_err(grant(x, x->own, (struct vfs_grant){ .root = d,
	    .rights = rights, .ttl_s = 60, .max_handles = 9, .uid = 4000,
	    .gid = 4001, .flags = VFS_GRANT_CRED, .label = { "ci", 2 } },
	    &t), OK);
	assert_err(attach(x, &t, &s, &r), OK);
	assert_int_equal(r.rights, rights);
	assert_int_equal(r.root_id.n, d.n);
	assert_int_equal(r.flags, VFS_ATTACH_CRED);
	assert_int_equal(r.uid, 4000);
	assert_int_equal(r.gid, 4001);
	assert_int_equal(r.max_handles, 9);
	assert_true(r.expires.sec > 0);
	assert_err(s_stat(x, s, H(r.root), &a), OK);
	assert_int_equal(a.id.n, d.n);
	assert_int_equal(a.parent.n, d.n);	/* nothing above it */
	assert_err(s_lookup(x, s, d, "f", NULL), OK);
	assert_err(s_create(x, s, d, "g", FILE_MODE, NULL), ACCESS);
	assert_err(s_stat(x, s, f, NULL), NO_SUCH_ID);	/* no OPEN_BY_ID */
	srig_end(s);
}

static void
grant__nobody_in_particular__acts_as_the_owner(void **state)
{
	struct srig *x = *state;
	struct vfs_setattr own = { .valid = VFS_SET_UID, .uid = 5 };
	struct vfs_create dev = { .mode = 0020600, .name = { "dev", 3 } };
	struct vfs_attach_reply r;
	struct vfs_setattr_reply sr;
	struct vfs_create_reply cr;
	struct session *s;
	struct vfs_id d, f;
	struct vfs_attr a;
	struct tok t;

	assert_err(s_create(x, x->own, ROOT, "d", 0040500, &d), OK);
	assert_err(grant(x, x->own, (struct vfs_grant){ .root = d }, &t),
	    OK);
	assert_err(attach(x, &t, &s, &r), OK);
	assert_err(s_create(x, s, d, "f", 0100000, &f), OK);	/* no modes */
	assert_err(s_stat(x, s, f, &a), OK);
	assert_int_equal(a.uid, SRIG_OWNER);
	assert_err(s_write(x, s, f, 0, "x", 0), OK);
	own.id = f;
	assert_err(srig_run(x, s, VFS_OP_SETATTR, &own, &sr), PERM);
	dev.dir = d;
	assert_err(srig_run(x, s, VFS_OP_CREATE, &dev, &cr), PERM);
	srig_end(s);
}

static void
grant__below_the_root__no_administration(void **state)
{
	struct srig *x = *state;
	struct vfs_id d;
	struct tok t;

	assert_err(s_create(x, x->own, ROOT, "d", DIR_MODE, &d), OK);
	assert_err(grant(x, x->own, (struct vfs_grant){ .root = d }, &t),
	    OK);
	assert_int_equal(t.rights, VFS_RIGHTS_ALL & ~VFS_RIGHT_ADMIN);
	assert_err(grant(x, x->own, (struct vfs_grant){ .root = ROOT }, &t),
	    OK);
	assert_int_equal(t.rights, VFS_RIGHTS_ALL);
}

static void
grant__no_directory__is_refused(void **state)
{
	struct srig *x = *state;
	struct vfs_grant q = { .label = { "x", 1 } };
	char label[VFS_LABEL_MAX + 1] = { 0 };
	struct vfs_id f;
	struct tok t;

	assert_err(s_create(x, x->own, ROOT, "f", FILE_MODE, &f), OK);
	q.root = f;
	assert_err(grant(x, x->own, q, &t), NOTDIR);
	q.root.n = 999999;
	assert_err(grant(x, x->own, q, &t), NO_SUCH_ID);
	q.root = ROOT;
	q.label = (struct vfs_slice){ label, sizeof label };
	assert_err(grant(x, x->own, q, &t), TOO_BIG);
	q.label.n--;
	assert_err(grant(x, x->own, q, &t), OK);
	q.flags = 2;
	assert_err(grant(x, x->own, q, &t), INVAL);
}

static void
token__a_bit_off__is_nobodys(void **state)
{
	struct srig *x = *state;
	struct vfs_attach_reply r;
	struct session *s;
	struct tok t;
	unsigned i;

	assert_err(grant(x, x->own, (struct vfs_grant){ .root = ROOT }, &t),
	    OK);
	for (i = 0; i < 8 * VFS_TOKEN_BYTES; i += 5) {
		t.bytes[i / 8] ^= (uint8_t)(1u << i % 8);
		assert_err(attach(x, &t, &s, &r), ACCESS);
		t.bytes[i / 8] ^= (uint8_t)(1u << i % 8);
	}
	assert_err(attach(x, &t, &s, &r), OK);
	srig_end(s);
}

/* Whoever reads the store does not have the token. */
static void
token__rows__do_not_have_it(void **state)
{
	struct srig *x = *state;
	struct vfs_slice key, val;
	struct row_parts p;
	struct row_key k;
	struct txn_cur *c;
	struct txn *txn;
	struct tok t;
	unsigned n = 0;

	assert_err(grant(x, x->own, (struct vfs_grant){ .root = ROOT }, &t),
	    OK);
	assert_err(txn_begin(x->r->fx->e, TXN_READ, &x->r->fx->env, &txn),
	    OK);
	row_key_id(&k, ROW_TOKEN, 0);
	assert_err(txn_cur_open(txn, &c), OK);
	assert_err(txn_cur_seek_in(c, row_key_slice(&k), 1, &key, &val), OK);
	do {
		assert_int_equal(row_key_parse(key, &p), 0);
		assert_null(memmem(val.p, val.n, t.bytes, sizeof t.bytes));
		assert_null(memmem(val.p, val.n, t.bytes, 8));
		n++;
	} while (txn_cur_next(c, &key, &val) == 0);
	txn_abort(txn);
	assert_int_equal(n, 2);
}

static void
tokens__at_the_limit__quota(void **state)
{
	struct srig *x = *state;
	struct vfs_grant q = { .root = ROOT, .ttl_s = 100 };
	struct tok t, no;
	unsigned i;

	for (i = 0; i < VFS_TOKENS_MAX; i++)
		assert_err(grant(x, x->own, q, &t), OK);
	assert_err(grant(x, x->own, q, &no), QUOTA);
	assert_err(revoke(x, x->own, &t, NULL), OK);
	assert_err(grant(x, x->own, q, &t), OK);
	assert_err(grant(x, x->own, q, &no), QUOTA);
	sessions_ahead(x->ss, 200);		/* all are over */
	assert_err(grant(x, x->own, q, &t), OK);
	assert_int_equal(fx_check(x->r->fx), 0);
}

/* --- weakening ----------------------------------------------------------- */

static void
derive__every_axis__only_weaker(void **state)
{
	struct srig *x = *state;
	uint32_t rights = VFS_RIGHT_TRAVERSE | VFS_RIGHT_GETATTR |
	    VFS_RIGHT_DELEGATE | VFS_RIGHT_OPEN_BY_ID;
	struct vfs_attach_reply r, r2;
	struct session *s, *s2;
	struct vfs_id d, e, out;
	struct tok t, t2;

	assert_err(s_create(x, x->own, ROOT, "d", DIR_MODE, &d), OK);
	assert_err(s_create(x, x->own, d, "e", DIR_MODE, &e), OK);
	assert_err(s_create(x, x->own, ROOT, "out", DIR_MODE, &out), OK);
	assert_err(grant(x, x->own, (struct vfs_grant){ .root = d,
	    .rights = rights, .ttl_s = 1000, .max_handles = 50,
	    .max_tx_open = 3, .max_credits = 8, .max_bytes = 1000000,
	    .flags = VFS_GRANT_CRED, .uid = 4000, .gid = 4000 }, &t), OK);
	assert_err(attach(x, &t, &s, &r), OK);
	assert_err(derive(x, s, (struct vfs_derive){ .root = e,
	    .rights = VFS_RIGHTS_ALL, .ttl_s = 100000, .max_handles = 5000,
	    .max_tx_open = 64, .max_credits = 4000,
	    .max_bytes = 1ull << 40 }, &t2), OK);
	assert_int_equal(t2.rights, rights);
	assert_int_equal(t2.expires.sec, t.expires.sec);
	assert_err(attach(x, &t2, &s2, &r2), OK);
	assert_int_equal(r2.root_id.n, e.n);
	assert_int_equal(r2.max_handles, 50);
	assert_int_equal(r2.max_tx_open, 3);
	assert_int_equal(r2.max_credits, 8);
	assert_int_equal(r2.max_bytes, 1000000);
	assert_int_equal(r2.max_stage, 1000000);
	assert_int_equal(r2.uid, 4000);
	/* Nothing above or beside. */
	assert_err(derive(x, s, (struct vfs_derive){ .root = out }, &t2),
	    NO_SUCH_ID);
	assert_err(derive(x, s, (struct vfs_derive){ .root = ROOT }, &t2),
	    NO_SUCH_ID);
	assert_err(derive(x, s2, (struct vfs_derive){ .root = d }, &t2),
	    NO_SUCH_ID);
	assert_err(derive(x, s, (struct vfs_derive){ .root = d,
	    .rights = VFS_RIGHT_GETATTR, .ttl_s = 10, .max_handles = 2 },
	    &t2), OK);
	assert_true(t2.expires.sec < t.expires.sec);
	srig_end(s);
	srig_end(s2);
}

static void
derive__through_a_narrow_handle__has_its_rights(void **state)
{
	struct srig *x = *state;
	struct vfs_attach_reply r;
	struct session *s;
	struct tok t;
	uint64_t h;

	assert_err(s_walk(x, x->own, ROOT, "", VFS_RIGHT_GETATTR |
	    VFS_RIGHT_DELEGATE, &h), OK);
	assert_err(derive(x, x->own, (struct vfs_derive){ .root = H(h) },
	    &t), OK);
	assert_int_equal(t.rights, VFS_RIGHT_GETATTR | VFS_RIGHT_DELEGATE);
	assert_err(attach(x, &t, &s, &r), OK);
	assert_int_equal(r.uid, SRIG_OWNER);	/* no more than he is */
	srig_end(s);
}

static void
derive__without_the_right__is_denied(void **state)
{
	struct srig *x = *state;
	struct session *u = srig_user(x, 4000, 4000);
	struct tok t;

	assert_err(derive(x, u, (struct vfs_derive){ .root = ROOT }, &t),
	    ACCESS);
	assert_err(grant(x, u, (struct vfs_grant){ .root = ROOT }, &t),
	    ACCESS);
	srig_end(u);
}

/* A holder of a token for one user does not become another. */
static void
grant__from_a_token__gives_no_other_user(void **state)
{
	struct srig *x = *state;
	struct vfs_attach_reply r;
	struct session *s;
	struct tok t, t2;

	assert_err(grant(x, x->own, (struct vfs_grant){ .root = ROOT,
	    .flags = VFS_GRANT_CRED, .uid = 4000, .gid = 4000 }, &t), OK);
	assert_err(attach(x, &t, &s, &r), OK);
	assert_err(grant(x, s, (struct vfs_grant){ .root = ROOT,
	    .flags = VFS_GRANT_CRED, .uid = 0 }, &t2), ACCESS);
	assert_err(grant(x, s, (struct vfs_grant){ .root = ROOT,
	    .flags = VFS_GRANT_CRED, .uid = 4000, .gid = 4000 }, &t2), OK);
	srig_end(s);
	assert_err(grant(x, x->own, (struct vfs_grant){ .root = ROOT }, &t),
	    OK);
	assert_err(attach(x, &t, &s, &r), OK);
	assert_err(grant(x, s, (struct vfs_grant){ .root = ROOT,
	    .flags = VFS_GRANT_CRED, .uid = 0 }, &t2), ACCESS);
	srig_end(s);
}

static void
grant__user_0__by_user_0_only(void **state)
{
	struct vfs_grant q = { .root = ROOT, .flags = VFS_GRANT_CRED };
	struct srig *x = *state;
	struct vfs_attach_reply r;
	struct session *s, *root = srig_user(x, 0, 0);
	struct tok t, t2;

	assert_err(grant(x, x->own, q, &t), ACCESS);
	q.gid = SRIG_OWNER;
	assert_err(grant(x, x->own, q, &t), ACCESS);
	assert_err(grant(x, root, q, &t), OK);
	assert_err(attach(x, &t, &s, &r), OK);
	assert_err(grant(x, s, q, &t2), OK);
	q.uid = SRIG_OWNER;
	assert_err(grant(x, s, q, &t2), ACCESS);
	srig_end(s);
	srig_end(root);
}

/* --- the store ----------------------------------------------------------- */

static void
tokens__restart__those_that_are_out_are_known(void **state)
{
	struct srig *x = *state;
	struct vfs_attach_reply r;
	struct session *s;
	struct tok a, b, c, d;

	assert_err(grant(x, x->own, (struct vfs_grant){ .root = ROOT,
	    .label = { "a", 1 } }, &a), OK);
	assert_err(grant(x, x->own, (struct vfs_grant){ .root = ROOT }, &b),
	    OK);
	assert_err(attach(x, &b, &s, &r), OK);
	assert_err(derive(x, s, (struct vfs_derive){ .root = ROOT }, &c),
	    OK);
	srig_end(s);
	assert_err(revoke(x, x->own, &b, NULL), OK);
	srig_restart(x);
	assert_err(attach(x, &a, &s, &r), OK);
	srig_end(s);
	assert_err(attach(x, &b, &s, &r), ACCESS);
	assert_err(attach(x, &c, &s, &r), ACCESS);
	assert_err(grant(x, x->own, (struct vfs_grant){ .root = ROOT }, &d),
	    OK);
	assert_true(d.number > c.number);	/* never a second time */
	assert_int_equal(fx_check(x->r->fx), 0);
}

/* A row that does not say what it gives is told by the checker, and gives
 * nothing. */
static void
token__row_is_damaged__is_found_and_gives_nothing(void **state)
{
	struct srig *x = *state;
	struct vfs_attach_reply r;
	struct vfs_token q = { .next = 99, .row = { "xx", 2 } };
	struct vfs_token_reply tr;
	struct session *s;
	struct tok t;

	assert_err(grant(x, x->own, (struct vfs_grant){ .root = ROOT }, &t),
	    OK);
	q.number = t.number;
	fx_as(x->r->fx, 0, 0);
	assert_err(dispatch(x->s, VFS_OP_TOKEN, &x->r->fx->env, &q, &tr),
	    OK);
	x->r->fx->quiet = true;
	srig_restart(x);
	assert_err(attach(x, &t, &s, &r), ACCESS);
	assert_true(fx_check(x->r->fx) > 0);
}

static void
root__moved_away_or_removed__nothing_is_left(void **state)
{
	struct srig *x = *state;
	struct vfs_attach_reply r;
	struct session *s, *s2;
	struct vfs_id p, d, f;
	struct tok t;
	uint64_t h;

	assert_err(s_create(x, x->own, ROOT, "p", DIR_MODE, &p), OK);
	assert_err(s_create(x, x->own, p, "d", DIR_MODE, &d), OK);
	assert_err(s_create(x, x->own, d, "f", FILE_MODE, &f), OK);
	assert_err(grant(x, x->own, (struct vfs_grant){ .root = d }, &t),
	    OK);
	assert_err(attach(x, &t, &s, &r), OK);
	assert_err(s_open(x, s, f, VFS_OPEN_READ, &h), OK);
	assert_err(s_rename(x, x->own, p, "d", p, "d2"), OK);
	assert_err(s_stat(x, s, f, NULL), OK);	/* it lies where it lay */
	assert_err(s_rename(x, x->own, p, "d2", ROOT, "d"), OK);
	assert_err(s_stat(x, s, d, NULL), NO_SUCH_ID);
	assert_err(s_stat(x, s, f, NULL), NO_SUCH_ID);
	assert_err(s_stat(x, s, H(h), NULL), NO_SUCH_ID);
	assert_int_equal(s_read(x, s, H(h), 0, 1), -VFS_NO_SUCH_ID);
	assert_err(attach(x, &t, &s2, &r), GONE);
	srig_end(s);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		S_TEST(grant__attach__session_is_what_was_granted),
		S_TEST(grant__nobody_in_particular__acts_as_the_owner),
		S_TEST(grant__below_the_root__no_administration),
		S_TEST(grant__no_directory__is_refused),
		S_TEST(token__a_bit_off__is_nobodys),
		S_TEST(token__rows__do_not_have_it),
		S_TEST(tokens__at_the_limit__quota),
		S_TEST(derive__every_axis__only_weaker),
		S_TEST(derive__through_a_narrow_handle__has_its_rights),
		S_TEST(derive__without_the_right__is_denied),
		S_TEST(grant__from_a_token__gives_no_other_user),
		S_TEST(grant__user_0__by_user_0_only),
		S_TEST(tokens__restart__those_that_are_out_are_known),
		S_TEST(token__row_is_damaged__is_found_and_gives_nothing),
		S_TEST(root__moved_away_or_removed__nothing_is_left),
	};

	return cmocka_run_group_tests_name("sessions: tokens", tests, NULL,
	    NULL);
}
