/*
 * Tokens: taken back, by number or by their bytes, with all that came of
 * them; and their time is over.
 */
#include "../cm.h"
#include "../../vfsd/core/token.h"
#include "token_fx.h"

#define DAY		86400

static int
status(struct srig *x, struct session *s)
{
	return s_stat(x, s, session_root(s), NULL);
}

/* --- taking back --------------------------------------------------------- */

#define CHAIN	6u

static void
count_end(void *arg, int err)
{
	assert_err(err, REVOKED);
	++*(unsigned *)arg;
}

static void
revoke__in_the_middle__all_below_end_at_once(void **state)
{
	struct srig *x = *state;
	struct vfs_attach_reply r;
	struct session *s[CHAIN];
	struct tok t[CHAIN];
	unsigned i, ended = 0;
	uint64_t h[CHAIN];
	uint32_t n;

	assert_err(grant(x, x->own, (struct vfs_grant){ .root = ROOT },
	    &t[0]), OK);
	for (i = 0; i < CHAIN; i++) {
		assert_err(attach(x, &t[i], &s[i], &r), OK);
		session_on_end(s[i], count_end, &ended);
		assert_err(s_walk(x, s[i], ROOT, "", 0, &h[i]), OK);
		if (i + 1 < CHAIN)
			assert_err(derive(x, s[i], (struct vfs_derive){
			    .root = ROOT }, &t[i + 1]), OK);
	}
	assert_err(revoke(x, x->own, &t[2], &n), OK);
	assert_int_equal(n, CHAIN - 2);
	assert_int_equal(ended, CHAIN - 2);
	for (i = 0; i < CHAIN; i++) {
		int err = s_stat(x, s[i], H(h[i]), NULL);

		assert_int_equal(err, i < 2 ? 0 : -VFS_REVOKED);
		assert_int_equal(session_state(s[i]), i < 2 ? 0 :
		    -VFS_REVOKED);
		srig_end(s[i]);
	}
	for (i = 0; i < CHAIN; i++) {
		int err = attach(x, &t[i], &s[i], &r);

		assert_int_equal(err, i < 2 ? 0 : -VFS_ACCESS);
		if (err == 0)
			srig_end(s[i]);
	}
	assert_err(revoke(x, x->own, &t[3], NULL), NOENT);
	assert_int_equal(ended, CHAIN - 2);
}

static void
revoke__by_a_holder__only_what_came_from_it(void **state)
{
	struct srig *x = *state;
	struct vfs_attach_reply r;
	struct vfs_revoke q = { 0 };
	struct vfs_revoke_reply rr;
	struct session *a, *b;
	struct tok ta, tb, ta2;

	uint32_t rights = VFS_RIGHT_GETATTR | VFS_RIGHT_DELEGATE;

	assert_err(grant(x, x->own, (struct vfs_grant){ .root = ROOT,
	    .rights = rights }, &ta), OK);
	assert_err(grant(x, x->own, (struct vfs_grant){ .root = ROOT,
	    .rights = rights }, &tb), OK);
	assert_err(attach(x, &ta, &a, &r), OK);
	assert_err(attach(x, &tb, &b, &r), OK);
	assert_err(derive(x, a, (struct vfs_derive){ .root = ROOT }, &ta2),
	    OK);
	assert_err(revoke(x, b, &ta2, NULL), NOENT);
	assert_err(revoke(x, b, &ta, NULL), NOENT);
	assert_err(revoke(x, a, &ta, NULL), NOENT);	/* not itself */
	assert_err(revoke(x, a, &ta2, NULL), OK);
	/* Whoever has the token itself may throw it away. */
	q.token = (struct vfs_slice){ tb.bytes, sizeof tb.bytes };
	assert_err(srig_run(x, a, VFS_OP_REVOKE, &q, &rr), OK);
	assert_err(status(x, b), REVOKED);
	q.number = 1;
	assert_err(srig_run(x, a, VFS_OP_REVOKE, &q, &rr), INVAL);
	srig_end(a);
	srig_end(b);
}

static void
revoke__a_session__only_it_ends(void **state)
{
	struct srig *x = *state;
	struct session *u = srig_user(x, 4000, 4000);
	struct tok t = { .number = session_number(u) };
	uint32_t n;

	assert_err(revoke(x, u, &t, NULL), ACCESS);
	assert_err(revoke(x, x->own, &t, &n), OK);
	assert_int_equal(n, 1);
	assert_err(status(x, u), REVOKED);
	assert_err(status(x, x->own), OK);
	srig_end(u);
}

static void
revoke__transaction_open__is_aborted(void **state)
{
	struct srig *x = *state;
	struct vfs_tx_begin q = { 0 };
	struct vfs_tx_begin_reply b;
	struct vfs_attach_reply r;
	struct session *s;
	struct tok t;

	assert_err(grant(x, x->own, (struct vfs_grant){ .root = ROOT,
	    .max_tx_open = 1 }, &t), OK);
	assert_err(attach(x, &t, &s, &r), OK);
	assert_err(srig_run(x, s, VFS_OP_TX_BEGIN, &q, &b), OK);
	assert_int_equal(tx_open(x->s, session_number(s)), 1);
	assert_err(srig_run(x, s, VFS_OP_TX_BEGIN, &q, &b), QUOTA);
	assert_err(revoke(x, x->own, &t, NULL), OK);
	assert_int_equal(tx_open(x->s, session_number(s)), 0);
	srig_end(s);
}

static void
token__its_time_is_over__ends(void **state)
{
	struct srig *x = *state;
	struct vfs_attach_reply r;
	struct session *s;
	struct tok t;

	assert_err(grant(x, x->own, (struct vfs_grant){ .root = ROOT,
	    .ttl_s = DAY }, &t), OK);
	assert_err(attach(x, &t, &s, &r), OK);
	sessions_ahead(x->ss, DAY - 5);
	assert_err(status(x, s), OK);
	sessions_ahead(x->ss, DAY + 1);
	assert_err(status(x, s), EXPIRED);
	assert_err(s_stat(x, s, H(r.root), NULL), EXPIRED);
	srig_end(s);
	assert_err(attach(x, &t, &s, &r), EXPIRED);
	sessions_expire(x->ss);
	assert_err(attach(x, &t, &s, &r), ACCESS);	/* forgotten */
	sessions_ahead(x->ss, 0);
	assert_err(attach(x, &t, &s, &r), ACCESS);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		S_TEST(revoke__in_the_middle__all_below_end_at_once),
		S_TEST(revoke__by_a_holder__only_what_came_from_it),
		S_TEST(revoke__a_session__only_it_ends),
		S_TEST(revoke__transaction_open__is_aborted),
		S_TEST(token__its_time_is_over__ends),
	};

	return cmocka_run_group_tests_name("tokens: taken back", tests, NULL,
	    NULL);
}
