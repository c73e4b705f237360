/*
 * Sessions when memory or the store fails, at every call: an error or all
 * of it, nothing half, and what was revoked stays revoked.
 */
#include "../cm.h"
#include "../session_rig.h"

#define FILE_MODE	0100644u
#define DIR_MODE	0040755u

struct world {
	struct srig *x;
	struct session *s;		/* of the token */
	uint64_t number;
	uint8_t token[VFS_TOKEN_BYTES];
	struct vfs_id d, f;
	uint64_t h;
};

static void
grant(struct world *w)
{
	struct vfs_grant q = { .root = w->d };
	struct vfs_grant_reply r;

	assert_err(srig_run(w->x, w->x->own, VFS_OP_GRANT, &q, &r), OK);
	w->number = r.number;
	memcpy(w->token, r.token.p, sizeof w->token);
}

static int
attach(struct world *w, struct session **out)
{
	struct session_who who = { .transport = "test" };
	struct vfs_attach q = { .token = { w->token, sizeof w->token } };
	struct vfs_attach_reply r;

	return session_attach(w->x->ss, &who, &q, out, &r);
}

static struct world
begin(void)
{
	struct world w = { .x = srig_open() };

	w.x->r->fx->quiet = true;
	assert_err(s_create(w.x, w.x->own, ROOT, "d", DIR_MODE, &w.d), OK);
	assert_err(s_create(w.x, w.x->own, w.d, "f", FILE_MODE, &w.f), OK);
	assert_err(s_write(w.x, w.x->own, w.f, 0, "bytes", 0), OK);
	assert_int_equal(fx_publish_all(w.x->r->fx), 0);
	grant(&w);
	assert_err(attach(&w, &w.s), OK);
	assert_err(s_open(w.x, w.s, w.f, VFS_OPEN_READ, &w.h), OK);
	return w;
}

static void
end(struct world *w)
{
	srig_end(w->s);
	assert_int_equal(fx_check(w->x->r->fx), 0);
	srig_close(w->x);
}

/* --- what is done ------------------------------------------------------------ */

static int
do_attach(struct world *w)
{
	struct session *s;
	int err = attach(w, &s);

	if (err == 0)
		srig_end(s);
	return err;
}

static int
do_user(struct world *w)
{
	struct session_who who = { .has_cred = true, .uid = 7 };
	struct session *s;
	int err = session_new(w->x->ss, &who, &s);

	if (err == 0)
		srig_end(s);
	return err;
}

static int
do_grant(struct world *w)
{
	struct vfs_grant q = { .root = w->d };
	struct vfs_grant_reply r;

	return srig_run(w->x, w->x->own, VFS_OP_GRANT, &q, &r);
}

static int
do_handles(struct world *w)
{
	uint64_t h[40];
	unsigned i, n;
	int err = 0;

	for (n = 0; n < 40 && err == 0; n++)
		err = s_walk(w->x, w->s, w->d, "f", 0, &h[n]);
	for (i = 0; i + (err != 0) < n; i++)
		assert_err(s_close(w->x, w->s, h[i]), OK);
	return err;
}

static int
do_hash(struct world *w)
{
	struct vfs_hash q = { H(w->h), VFS_HASH_XXH3_128, 0 };
	struct vfs_hash_reply r;

	return srig_run(w->x, w->s, VFS_OP_HASH, &q, &r);
}

static int
do_batch(struct world *w)
{
	uint64_t ids[3] = { w->h, w->f.n, 5 };
	struct vfs_stat_batch q = { .n = 3, .ids = { ids, sizeof ids } };
	struct vfs_stat_batch_reply r;
	int err = srig_run(w->x, w->s, VFS_OP_STAT_BATCH, &q, &r);

	assert_true(err < 0 || r.n == 3);
	return err;
}

static int
do_exec(struct world *w)
{
	struct vfs_tx_exec q = { .nops = 1 };
	struct vfs_tx_exec_reply r;

	rig_new(w->x->r);
	rig_add(w->x->r, VFS_OP_STAT, &(struct vfs_stat){ H(w->h) });
	q.ops = (struct vfs_slice){ w->x->r->ops, w->x->r->nops_bytes };
	return srig_run(w->x, w->s, VFS_OP_TX_EXEC, &q, &r);
}

static int
do_lock(struct world *w)
{
	struct vfs_lock q = { .id = H(w->h), .type = VFS_LOCK_SHARED };
	struct vfs_lock_reply r;

	return srig_run(w->x, w->s, VFS_OP_LOCK, &q, &r);
}

static int
do_sessions(struct world *w)
{
	struct vfs_sessions q = { 0 };
	struct vfs_sessions_reply r;

	return srig_run(w->x, w->x->own, VFS_OP_SESSIONS, &q, &r);
}

static const struct {
	const char *name;
	int (*run)(struct world *w);
} things[] = {
	{ "attach", do_attach }, { "a user", do_user }, { "grant", do_grant },
	{ "handles", do_handles }, { "hash", do_hash },
	{ "a batch", do_batch }, { "a transaction", do_exec },
	{ "a lock", do_lock }, { "a list", do_sessions },
};

static void
session__any_call_fails__nothing_is_left_over(void **state)
{
	unsigned i, n;
	int err;

	(void)state;
	for (i = 0; i < sizeof things / sizeof things[0]; i++) {
		for (n = 0; ; n++) {
			struct world w = begin();
			bool fired;

			fault_arm(n, -VFS_IO);
			err = things[i].run(&w);
			fired = fault_disarm();
			if (!fired)
				assert_err(err, OK);
			end(&w);
			if (!fired)
				break;
		}
		printf("# %s: %u calls\n", things[i].name, n);
		assert_true(n > 0 || things[i].run == do_sessions);
	}
}

/* Even where the row could not be taken away: until a restart at least. */
static void
revoke__any_call_fails__no_way_in(void **state)
{
	unsigned n;

	(void)state;
	for (n = 0; ; n++) {
		struct world w = begin();
		struct vfs_revoke q = { .number = w.number };
		struct vfs_revoke_reply r;
		struct session *s;
		bool fired;
		int err, state_is;

		fault_arm(n, -VFS_IO);
		err = srig_run(w.x, w.x->own, VFS_OP_REVOKE, &q, &r);
		fired = fault_disarm();
		state_is = session_state(w.s);
		assert_err(attach(&w, &s), ACCESS);
		assert_true(state_is == -VFS_REVOKED);
		if (!fired)
			assert_err(err, OK);
		end(&w);
		if (!fired)
			break;
	}
	printf("# revoke: %u calls\n", n);
	assert_true(n > 0);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(session__any_call_fails__nothing_is_left_over),
		cmocka_unit_test(revoke__any_call_fails__no_way_in),
	};

	return cmocka_run_group_tests_name("sessions: faults", tests, NULL,
	    NULL);
}
