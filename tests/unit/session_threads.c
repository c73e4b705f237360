/*
 * Sessions at work while they are revoked, closed and expired: when REVOKE
 * has answered, nothing of them happens any more.
 */
#include <pthread.h>
#include <sched.h>
#include <time.h>

#include "../cm.h"
#include "../session_rig.h"

#define FILE_MODE	0100644u
#define DIR_MODE	0040755u
#define WORKERS		4u
#define ROUNDS		12u

struct tok {
	uint64_t number;
	uint8_t bytes[VFS_TOKEN_BYTES];
};

static struct vfs_slice
str(const char *s)
{
	return (struct vfs_slice){ s, strlen(s) };
}

static struct session *
attach(struct srig *x, const struct tok *t)
{
	struct vfs_attach q = { .token = { t->bytes, sizeof t->bytes } };
	struct session_who who = { .transport = "test" };
	struct vfs_attach_reply r;
	struct session *s;

	assert_err(session_attach(x->ss, &who, &q, &s, &r), OK);
	return s;
}

static struct tok
grant(struct srig *x, struct vfs_id root)
{
	struct vfs_grant q = { .root = root };
	struct vfs_grant_reply r;
	struct tok t;

	assert_err(srig_run(x, x->own, VFS_OP_GRANT, &q, &r), OK);
	t.number = r.number;
	memcpy(t.bytes, r.token.p, sizeof t.bytes);
	return t;
}

struct worker {
	pthread_t thread;
	struct session *s;
	struct vfs_id dir;
	unsigned n, no;
	int err;
	_Atomic unsigned *made;		/* replies that said OK */
};

static int
make_one(struct worker *w)
{
	union proto_req q = { .create = { .dir = w->dir, .mode = FILE_MODE,
		.flags = VFS_CREATE_EXCL | VFS_CREATE_OPEN } };
	union proto_rep r;
	char name[32];
	int err;

	snprintf(name, sizeof name, "%u-%u", w->no, w->n++);
	q.create.name = str(name);
	memset(&r, 0, sizeof r);
	if ((err = srig_call(w->s, VFS_OP_CREATE, &q, &r, 0)) < 0)
		return err;
	++*w->made;
	memset(&q, 0, sizeof q);
	q.stat.id.n = r.create.handle;
	return srig_call(w->s, VFS_OP_STAT, &q, &r, 0);
}

/* In a transaction, too: one file each. */
static int
make_in_tx(struct worker *w)
{
	union proto_req q = { .tx_begin = { 0, 0 } };
	union proto_rep r;
	char name[32], bytes[PROTO_BRIEF * 4];
	uint64_t tx;
	int err;

	if ((err = srig_call(w->s, VFS_OP_TX_BEGIN, &q, &r, 0)) < 0)
		return err;
	tx = r.tx_begin.tx;
	snprintf(name, sizeof name, "%u-t%u", w->no, w->n++);
	q.create = (struct vfs_create){ .dir = w->dir, .mode = FILE_MODE,
		.name = str(name) };
	if ((err = srig_call(w->s, VFS_OP_CREATE, &q, &r, tx)) < 0)
		return err;
	q.tx_commit = (struct vfs_tx_commit){ .tx = tx };
	r.tx_commit.results = (struct vfs_buf){ bytes, sizeof bytes, 0 };
	if ((err = srig_call(w->s, VFS_OP_TX_COMMIT, &q, &r, 0)) < 0)
		return err;
	++*w->made;
	return 0;
}

static void *
work(void *arg)
{
	struct worker *w = arg;

	do
		w->err = w->n % 3 == 2 ? make_in_tx(w) : make_one(w);
	while (w->err == 0);
	return NULL;
}

static unsigned
count(struct srig *x, struct vfs_id dir)
{
	uint64_t last = 0;
	int n = do_list(x->r, 0, dir, &last);

	assert_true(n >= 0);
	return (unsigned)n;
}

/* After the end, an abort or an end may be what a request was told. */
static bool
is_end(int err, int want)
{
	return err == want || err == -VFS_BAD_HANDLE ||
	    err == -VFS_TX_UNKNOWN || err == -VFS_ABORTED;
}

static void
revoke__threads_at_work__nothing_happens_afterwards(void **state)
{
	struct srig *x = *state;
	struct worker w[WORKERS];
	struct vfs_revoke_reply rr;
	struct timespec ms = { 0, 3000000 };
	unsigned round, i, before, after;
	struct vfs_id d;
	char name[16];

	fx_as(x->r->fx, 0, 0);
	for (round = 0; round < ROUNDS; round++) {
		_Atomic unsigned made = 0;
		struct vfs_revoke q;
		struct tok t;

		snprintf(name, sizeof name, "d%u", round);
		assert_err(s_create(x, x->own, ROOT, name, DIR_MODE, &d),
		    OK);
		t = grant(x, d);
		for (i = 0; i < WORKERS; i++) {
			w[i] = (struct worker){ .s = attach(x, &t),
				.dir = d, .no = i, .made = &made };
			pthread_create(&w[i].thread, NULL, work, &w[i]);
		}
		nanosleep(&ms, NULL);
		if (round % 2 == 0) {
			q = (struct vfs_revoke){ .number = t.number };
			assert_err(srig_run(x, x->own, VFS_OP_REVOKE, &q,
			    &rr), OK);
		} else {
			for (i = 0; i < WORKERS; i++) {
				q = (struct vfs_revoke){ .number =
				    session_number(w[i].s) };
				assert_err(srig_run(x, x->own,
				    VFS_OP_REVOKE, &q, &rr), OK);
			}
		}
		before = count(x, d);
		for (i = 0; i < WORKERS; i++) {
			pthread_join(w[i].thread, NULL);
			assert_true(is_end(w[i].err, -VFS_REVOKED));
			assert_err(session_state(w[i].s), REVOKED);
			srig_end(w[i].s);
		}
		after = count(x, d);
		assert_int_equal(before, after);
		assert_true(made <= after);
		assert_true(after <= made + WORKERS);
	}
	assert_int_equal(fx_check(x->r->fx), 0);
}

/* Coming, deriving and going, all at once. */
struct crowd {
	struct srig *x;
	struct tok t;
	pthread_t thread;
	_Atomic bool *stop;
	unsigned came;
};

static void *
come_and_go(void *arg)
{
	struct crowd *c = arg;
	struct vfs_attach q = { .token = { c->t.bytes,
		sizeof c->t.bytes } };
	struct session_who who = { .transport = "crowd" };
	uint8_t token[VFS_TOKEN_BYTES];
	struct vfs_attach_reply r;
	union proto_req dq;
	union proto_rep dr;
	struct session *s;

	while (!*c->stop) {
		if (session_attach(c->x->ss, &who, &q, &s, &r) < 0)
			break;
		memset(&dq, 0, sizeof dq);
		dq.derive = (struct vfs_derive){ .root.n = r.root,
			.ttl_s = 100 };
		dr.derive.token = (struct vfs_buf){ token, sizeof token, 0 };
		(void)srig_call(s, VFS_OP_DERIVE, &dq, &dr, 0);
		session_close(s);
		session_drop(s);
		c->came++;
	}
	return NULL;
}

static void
tokens__a_crowd_derives__until_it_is_revoked(void **state)
{
	struct srig *x = *state;
	struct crowd c[WORKERS];
	struct timespec ms = { 0, 20000000 };
	_Atomic bool stop = false;
	struct tok t = grant(x, ROOT);
	struct vfs_revoke q = { .number = t.number };
	struct vfs_sessions sq = { 0 };
	struct vfs_sessions_reply sr;
	struct vfs_revoke_reply r;
	struct proto_session rec;
	struct rbuf b;
	unsigned i, n = 0;

	for (i = 0; i < WORKERS; i++) {
		c[i] = (struct crowd){ .x = x, .t = t, .stop = &stop };
		pthread_create(&c[i].thread, NULL, come_and_go, &c[i]);
	}
	nanosleep(&ms, NULL);
	assert_err(srig_run(x, x->own, VFS_OP_REVOKE, &q, &r), OK);
	stop = true;
	for (i = 0; i < WORKERS; i++) {
		pthread_join(c[i].thread, NULL);
		n += c[i].came;
	}
	printf("# %u came, %u tokens revoked\n", n, r.revoked);
	/* Whoever was deriving just then has left nothing behind. */
	assert_err(srig_run(x, x->own, VFS_OP_SESSIONS, &sq, &sr), OK);
	proto_list_read(&b, (struct vfs_slice){ sr.sessions.p,
	    sr.sessions.n });
	while (proto_list_more(&b)) {
		assert_int_equal(proto_session_next(&b, &rec), 0);
		assert_int_equal(rec.flags & PROTO_SESSION_TOKEN, 0);
	}
	srig_restart(x);
	assert_err(srig_run(x, x->own, VFS_OP_SESSIONS, &sq, &sr), OK);
	proto_list_read(&b, (struct vfs_slice){ sr.sessions.p,
	    sr.sessions.n });
	while (proto_list_more(&b)) {
		assert_int_equal(proto_session_next(&b, &rec), 0);
		assert_int_equal(rec.flags & PROTO_SESSION_TOKEN, 0);
	}
}

/* --- who is told of an end --------------------------------------------- */

struct told {
	struct srig *x;
	struct session *s;
	_Atomic bool gone;		/* nobody may be told any more */
	_Atomic unsigned late, n;
};

static void
on_end(void *arg, int err)
{
	struct told *t = arg;

	(void)err;
	t->n++;
	sched_yield();			/* time for whoever closes it */
	t->late += t->gone;
}

static void *
revoke_it(void *arg)
{
	struct told *t = arg;
	union proto_req q = { .revoke = { .number =
	    session_number(t->s) } };
	union proto_rep r;

	(void)srig_call(t->x->own, VFS_OP_REVOKE, &q, &r, 0);
	return NULL;
}

/* The front's connection is gone when session_close returns. */
static void
close__while_it_is_revoked__nobody_is_told_later(void **state)
{
	struct srig *x = *state;
	struct told t = { .x = x };
	pthread_t thread;
	unsigned i;

	for (i = 0; i < 2000; i++) {
		t.s = srig_user(x, SRIG_OWNER, SRIG_OWNER);
		t.gone = false;
		session_on_end(t.s, on_end, &t);
		pthread_create(&thread, NULL, revoke_it, &t);
		while (i % 2 && t.n == i && session_state(t.s) == 0)
			;
		session_close(t.s);
		t.gone = true;
		pthread_join(thread, NULL);
		session_drop(t.s);
		t.n = i + 1;
	}
	assert_int_equal(t.late, 0);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		S_TEST(revoke__threads_at_work__nothing_happens_afterwards),
		S_TEST(close__while_it_is_revoked__nobody_is_told_later),
		S_TEST(tokens__a_crowd_derives__until_it_is_revoked),
	};

	return cmocka_run_group_tests_name("sessions: threads", tests, NULL,
	    NULL);
}
