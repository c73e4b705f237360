/* Names of commits: how long each is known, whoever else makes many. */
#include "../cm.h"
#include "token_fx.h"

#define MANY	(VFS_TX_IDS_MAX + 1)

/* A commit of nothing under a name of the session's own. */
static void
commit(struct srig *x, struct session *s, uint64_t who, uint64_t n)
{
	uint64_t id[2] = { who, n };
	struct vfs_tx_exec q = { .tx_id = { id, sizeof id } };
	struct vfs_tx_exec_reply r;

	assert_err(srig_run(x, s, VFS_OP_TX_EXEC, &q, &r), OK);
}

static bool
is_known(struct srig *x, struct session *s, uint64_t who, uint64_t n)
{
	uint64_t id[2] = { who, n };
	struct vfs_tx_status q = { .tx_id = { id, sizeof id } };
	struct vfs_tx_status_reply r;

	assert_err(srig_run(x, s, VFS_OP_TX_STATUS, &q, &r), OK);
	return r.state == VFS_TX_COMMITTED;
}

static void
commit_many(struct srig *x, struct session *s, uint64_t who)
{
	uint64_t i;

	for (i = 1; i <= MANY; i++)
		commit(x, s, who, i);
}

static void
name__another_user_makes_many__is_known_after_a_restart_too(void **state)
{
	struct srig *x = *state;
	struct session *s = srig_user(x, 4000, 4000);
	struct session *few = srig_user(x, 4001, 4001);
	struct session *root = srig_user(x, 0, 0);

	commit(x, x->own, 1, 1);
	commit(x, root, 2, 1);
	commit(x, few, 3, 1);
	commit_many(x, s, 4);
	assert_false(is_known(x, x->own, 4, 2));
	assert_true(is_known(x, x->own, 4, 3));
	srig_end(root);
	srig_end(few);
	srig_end(s);
	srig_restart(x);
	s = srig_user(x, 4000, 4000);
	commit(x, s, 4, MANY + 1);
	assert_true(is_known(x, x->own, 1, 1));
	assert_true(is_known(x, x->own, 2, 1));
	assert_true(is_known(x, x->own, 3, 1));
	assert_false(is_known(x, x->own, 4, 3));
	assert_true(is_known(x, x->own, 4, 4));
	srig_end(s);
}

/* Tokens are somebody else's, and those derived from one are his who has
 * it. */
static void
name__holders_of_tokens_make_many__is_known(void **state)
{
	struct srig *x = *state;
	struct session *s, *d[2], *other = srig_user(x, 4000, 4000);
	struct vfs_attach_reply ar;
	struct tok t, u;
	uint64_t i;

	commit(x, x->own, 1, 1);
	commit(x, other, 2, 1);
	commit(x, other, 2, 2);
	assert_err(grant(x, x->own, (struct vfs_grant){ .root = ROOT }, &t),
	    OK);
	assert_err(attach(x, &t, &s, &ar), OK);
	for (i = 0; i < 2; i++) {
		assert_err(derive(x, s, (struct vfs_derive){ .root = ROOT },
		    &u), OK);
		assert_err(attach(x, &u, &d[i], &ar), OK);
		commit(x, d[i], 3, 1 + i);
	}
	commit_many(x, s, 4);
	assert_true(is_known(x, x->own, 1, 1));
	assert_true(is_known(x, x->own, 2, 1));
	assert_true(is_known(x, x->own, 2, 2));
	assert_false(is_known(x, x->own, 3, 1));
	assert_false(is_known(x, x->own, 3, 2));
	assert_true(is_known(x, x->own, 4, MANY));
	srig_end(d[0]);
	srig_end(d[1]);
	srig_end(s);
	srig_end(other);
}

static void
name__one_makes_as_many_as_another__loses_his_own(void **state)
{
	struct srig *x = *state;
	struct session *a = srig_user(x, 4000, 4000);
	struct session *b = srig_user(x, 4001, 4001);
	uint64_t i;

	for (i = 1; i <= VFS_TX_IDS_MAX / 2; i++) {
		commit(x, a, 1, i);
		commit(x, b, 2, i);
	}
	commit(x, b, 2, i);
	assert_true(is_known(x, a, 1, 1));
	assert_false(is_known(x, b, 2, 1));
	assert_true(is_known(x, b, 2, 2));
	srig_end(a);
	srig_end(b);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		S_TEST(name__another_user_makes_many__is_known_after_a_restart_too),
		S_TEST(name__holders_of_tokens_make_many__is_known),
		S_TEST(name__one_makes_as_many_as_another__loses_his_own),
	};

	return cmocka_run_group_tests_name("tx_names", tests, NULL, NULL);
}
