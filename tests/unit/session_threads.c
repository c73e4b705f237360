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
#define REPLACED	5000u

struct tok {
	uint64_t number;
	uint8_t bytes[VFS_TOKEN_BYTES];
};

static struct vfs_slice
str(const char *s)
{
	return (struct vfs_slice){ s, strlen(s) };
}

/* Calls of several threads: the rig's own are for one. */
static int
call(struct session *s, enum vfs_op op, union proto_req *q,
    union proto_rep *r, uint64_t tx)
{
	struct req_env env = { .now = { 1800000000, 0 } };
	struct session_call k = { .s = s, .env = &env, .tx = tx,
		.room = 65536 };

	return session_run(&k, op, q, r);
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
	if ((err = call(w->s, VFS_OP_CREATE, &q, &r, 0)) < 0)
		return err;
	++*w->made;
	memset(&q, 0, sizeof q);
	q.stat.id.n = r.create.handle;
	return call(w->s, VFS_OP_STAT, &q, &r, 0);
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

	if ((err = call(w->s, VFS_OP_TX_BEGIN, &q, &r, 0)) < 0)
		return err;
	tx = r.tx_begin.tx;
	snprintf(name, sizeof name, "%u-t%u", w->no, w->n++);
	q.create = (struct vfs_create){ .dir = w->dir, .mode = FILE_MODE,
		.name = str(name) };
	if ((err = call(w->s, VFS_OP_CREATE, &q, &r, tx)) < 0)
		return err;
	q.tx_commit = (struct vfs_tx_commit){ .tx = tx };
	r.tx_commit.results = (struct vfs_buf){ bytes, sizeof bytes, 0 };
	if ((err = call(w->s, VFS_OP_TX_COMMIT, &q, &r, 0)) < 0)
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
		(void)call(s, VFS_OP_DERIVE, &dq, &dr, 0);
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

/* --- what is remembered of places -------------------------------------------------- */

struct looker {
	struct session *s;
	struct vfs_id f;
	_Atomic bool stop;
	unsigned found, lost;
};

static void *
look(void *arg)
{
	struct looker *l = arg;
	union proto_req q;
	union proto_rep r;
	int err;

	while (!l->stop) {
		memset(&q, 0, sizeof q);
		q.stat.id = l->f;
		err = call(l->s, VFS_OP_STAT, &q, &r, 0);
		assert_true(err == 0 || err == -VFS_NO_SUCH_ID);
		l->found += err == 0;
		l->lost += err != 0;
	}
	return NULL;
}

/* Others look all the time, so that the session remembers: after a move
 * has been answered nobody sees the old place. */
static void
move__while_others_look__is_seen_at_once(void **state)
{
	struct srig *x = *state;
	struct vfs_id jail, d, f, out;
	struct looker l[2];
	struct session *s;
	pthread_t t[2];
	unsigned i;

	assert_err(s_create(x, x->own, ROOT, "jail", DIR_MODE, &jail), OK);
	assert_err(s_create(x, x->own, ROOT, "out", DIR_MODE, &out), OK);
	assert_err(s_create(x, x->own, jail, "d", DIR_MODE, &d), OK);
	assert_err(s_create(x, x->own, d, "f", FILE_MODE, &f), OK);
	s = srig_token(x, jail, 0);
	for (i = 0; i < 2; i++) {
		l[i] = (struct looker){ .s = s, .f = f };
		pthread_create(&t[i], NULL, look, &l[i]);
	}
	for (i = 0; i < 2000; i++) {
		assert_err(s_rename(x, x->own, jail, "d", out, "d"), OK);
		assert_err(s_stat(x, s, f, NULL), NO_SUCH_ID);
		assert_err(s_rename(x, x->own, out, "d", jail, "d"), OK);
		assert_err(s_stat(x, s, f, NULL), OK);
	}
	for (i = 0; i < 2; i++) {
		l[i].stop = true;
		pthread_join(t[i], NULL);
		printf("# found %u times, not found %u\n", l[i].found,
		    l[i].lost);
	}
	srig_end(s);
}

/* --- who is told of an end ------------------------------------------------- */

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

	(void)call(t->x->own, VFS_OP_REVOKE, &q, &r, 0);
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

/* --- a limit ------------------------------------------------------------- */

#define TX_LIMIT	2u

#define TX_ROUNDS	1000u

struct beginner {
	pthread_t thread;
	struct srig *x;
	struct session *s;
	pthread_barrier_t *all;
	unsigned began, over;
};

/* All at once, as near as it can be. */
static void *
begin_often(void *arg)
{
	struct beginner *b = arg;
	union proto_req q;
	union proto_rep r;
	unsigned i;
	int err;

	for (i = 0; i < TX_ROUNDS; i++) {
		memset(&q, 0, sizeof q);
		pthread_barrier_wait(b->all);
		err = call(b->s, VFS_OP_TX_BEGIN, &q, &r, 0);
		pthread_barrier_wait(b->all);
		b->over += tx_open(b->x->s, session_number(b->s)) > TX_LIMIT;
		pthread_barrier_wait(b->all);
		if (err < 0)
			continue;
		b->began++;
		q.tx_abort.tx = r.tx_begin.tx;
		(void)call(b->s, VFS_OP_TX_ABORT, &q, &r, 0);
	}
	return NULL;
}

static void
limit__many_begin_at_once__is_never_passed(void **state)
{
	struct srig *x = *state;
	struct vfs_grant gq = { .root = ROOT, .max_tx_open = TX_LIMIT };
	struct beginner b[WORKERS];
	pthread_barrier_t all;
	struct vfs_grant_reply gr;
	struct session *s;
	struct tok t;
	unsigned i, began = 0;

	assert_err(srig_run(x, x->own, VFS_OP_GRANT, &gq, &gr), OK);
	memcpy(t.bytes, gr.token.p, sizeof t.bytes);
	s = attach(x, &t);
	pthread_barrier_init(&all, NULL, WORKERS);
	for (i = 0; i < WORKERS; i++) {
		b[i] = (struct beginner){ .x = x, .s = s, .all = &all };
		pthread_create(&b[i].thread, NULL, begin_often, &b[i]);
	}
	for (i = 0; i < WORKERS; i++) {
		pthread_join(b[i].thread, NULL);
		assert_int_equal(b[i].over, 0);
		began += b[i].began;
	}
	pthread_barrier_destroy(&all);
	assert_int_equal(began, TX_ROUNDS * TX_LIMIT);
	srig_end(s);
}

/* --- a name that always leads to a file ----------------------------------- */

struct reader {
	pthread_t thread;
	struct session *s;
	_Atomic bool *stop;
	unsigned opened;
	int err;
};

/* What a handle is of stays, even if it has lost its name by now. */
static int
use_handle(struct session *s, uint64_t handle)
{
	union proto_req q = { .stat = { { handle } } };
	union proto_rep r;
	uint8_t list[8];
	int err, i;

	if ((err = call(s, VFS_OP_STAT, &q, &r, 0)) < 0)
		return err;
	for (i = 0; i < 8; i++)
		list[i] = (uint8_t)(handle >> 8 * i);
	q.close.handles = (struct vfs_slice){ list, 8 };
	return call(s, VFS_OP_CLOSE, &q, &r, 0);
}

static int
open_name(struct session *s, bool create)
{
	union proto_req q = { .walk = { .dir = { VFS_ID_ROOT },
		.flags = VFS_WALK_OPEN, .path = str("f") } };
	union proto_rep r;
	int err;

	if (create)
		q.create = (struct vfs_create){ .dir = { VFS_ID_ROOT },
		    .mode = FILE_MODE, .flags = VFS_CREATE_OPEN,
		    .name = str("f") };
	err = call(s, create ? VFS_OP_CREATE : VFS_OP_WALK, &q, &r, 0);
	if (err < 0)
		return err;
	return use_handle(s, create ? r.create.handle : r.walk.handle);
}

static void *
read_on(void *arg)
{
	struct reader *d = arg;

	for (; d->err == 0 && !*d->stop; d->opened++)
		d->err = open_name(d->s, d->opened % 2);
	return NULL;
}

/* Another file gets the name, each time: the old one goes. */
static int
replace(struct session *s)
{
	union proto_req q = { .create = { .dir = { VFS_ID_ROOT },
		.mode = FILE_MODE, .flags = VFS_CREATE_EXCL,
		.name = str("new") } };
	union proto_rep r;
	int err;

	if ((err = call(s, VFS_OP_CREATE, &q, &r, 0)) < 0)
		return err;
	q.rename = (struct vfs_rename){ .dir = { VFS_ID_ROOT },
	    .dir2 = { VFS_ID_ROOT }, .name = str("new"), .name2 = str("f") };
	return call(s, VFS_OP_RENAME, &q, &r, 0);
}

static void
handle__its_name_is_replaced_meanwhile__of_one_or_the_other(void **state)
{
	struct srig *x = *state;
	struct session *s = srig_user(x, SRIG_OWNER, SRIG_OWNER);
	struct reader d[2] = { { 0 } };
	_Atomic bool stop = false;
	unsigned i;

	assert_err(replace(x->own), OK);
	for (i = 0; i < 2; i++) {
		d[i].s = s;
		d[i].stop = &stop;
		assert_int_equal(pthread_create(&d[i].thread, NULL, read_on,
		    &d[i]), 0);
	}
	for (i = 0; i < REPLACED; i++)
		assert_err(replace(x->own), OK);
	stop = true;
	for (i = 0; i < 2; i++) {
		assert_int_equal(pthread_join(d[i].thread, NULL), 0);
		assert_err(d[i].err, OK);
		assert_true(d[i].opened > 0);
	}
	srig_end(s);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup_teardown(
		    revoke__threads_at_work__nothing_happens_afterwards,
		    srig_setup, srig_teardown),
		cmocka_unit_test_setup_teardown(
		    move__while_others_look__is_seen_at_once, srig_setup,
		    srig_teardown),
		cmocka_unit_test_setup_teardown(
		    close__while_it_is_revoked__nobody_is_told_later,
		    srig_setup, srig_teardown),
		cmocka_unit_test_setup_teardown(
		    limit__many_begin_at_once__is_never_passed,
		    srig_setup, srig_teardown),
		cmocka_unit_test_setup_teardown(
		    tokens__a_crowd_derives__until_it_is_revoked,
		    srig_setup, srig_teardown),
		cmocka_unit_test_setup_teardown(
		    handle__its_name_is_replaced_meanwhile__of_one_or_the_other,
		    srig_setup, srig_teardown),
	};

	return cmocka_run_group_tests_name("sessions: threads", tests, NULL,
	    NULL);
}
