/*
 * Which thread of the FUSE front reads next: one serves a client that does
 * one thing after another, and nobody waits behind a request that does not
 * end.
 */
#include "../cm.h"

#include <fcntl.h>
#include <semaphore.h>
#include <sys/socket.h>
#include <unistd.h>

#include "../../vfsd/front/fuse_req.h"

#define THREADS	3u
#define HOLD	1u			/* uniques: waits until let go */
#define QUICK	2u
#define WORK	3u			/* a fifth of a millisecond */
#define PASS	4u			/* gives up the turn, and waits */
#define FLUSH	5u			/* a flush that takes no time */
#define LONG	6u			/* one that waits until let go */
#define MANY	100u
#define SOON_MS	2000u			/* on a machine that is busy */

struct rig {
	struct fuse_front f;
	struct fuse_worker w[THREADS];
	int kernel;
	sem_t held, let_go, served;
	_Atomic unsigned by[THREADS];	/* how many each has served */
	struct fuse_worker *_Atomic flushing;	/* at the last LONG */
};

static struct rig *rig;			/* one test at a time */

static void *
thread(void *arg)
{
	struct fuse_worker *w = arg;
	const struct fuse_in_header *h = (const void *)w->in;

	while (fuse_turn_read(w) > 0) {
		atomic_fetch_add(&rig->by[w->n], 1);
		if (h->unique == PASS)
			fuse_turn_pass(w);
		if (h->unique == FLUSH || h->unique == LONG)
			fuse_turn_flush(w);
		if (h->unique == LONG)
			atomic_store(&rig->flushing, w);
		if (h->unique == HOLD || h->unique == PASS ||
		    h->unique == LONG) {
			sem_post(&rig->held);
			sem_wait(&rig->let_go);
		}
		if (h->unique == FLUSH || h->unique == LONG)
			fuse_turn_flushed(w);
		if (h->unique == WORK)
			usleep(200);
		sem_post(&rig->served);
	}
	return NULL;
}

/* Until all but the reader are. */
static void
wait_parked(struct rig *r)
{
	unsigned n = 0;

	while (n < THREADS - 1) {
		usleep(1000);
		pthread_mutex_lock(&r->f.turn.lock);
		n = r->f.turn.parked;
		pthread_mutex_unlock(&r->f.turn.lock);
	}
}

static void
let_go(struct rig *r, unsigned n)
{
	while (n-- > 0)
		sem_post(&r->let_go);
}

static int
rig_open(void **state)
{
	struct rig *r = calloc(1, sizeof *r);
	int sv[2];
	unsigned i;

	rig = r;
	sem_init(&r->held, 0, 0);
	sem_init(&r->let_go, 0, 0);
	sem_init(&r->served, 0, 0);
	fuse_turn_init(&r->f.turn);
	assert_int_equal(socketpair(AF_UNIX, SOCK_SEQPACKET | SOCK_NONBLOCK,
	    0, sv), 0);
	r->kernel = sv[1];
	for (i = 0; i < THREADS; i++) {
		r->w[i] = (struct fuse_worker){ .f = &r->f, .n = i,
		    .fd = dup(sv[0]), .in = malloc(FUSE_BUF) };
		assert_int_equal(pthread_create(&r->w[i].thread, NULL, thread,
		    &r->w[i]), 0);
	}
	close(sv[0]);
	wait_parked(r);
	*state = r;
	return 0;
}

static int
rig_close(void **state)
{
	struct rig *r = *state;
	unsigned i;

	close(r->kernel);		/* ends the reader, who ends all */
	let_go(r, MANY);
	for (i = 0; i < THREADS; i++) {
		pthread_join(r->w[i].thread, NULL);
		close(r->w[i].fd);
		free(r->w[i].in);
	}
	fuse_turn_destroy(&r->f.turn);
	free(r);
	return 0;
}

static void
ask(struct rig *r, uint32_t op, uint64_t unique)
{
	struct fuse_in_header h = { .len = sizeof h, .opcode = op,
	    .unique = unique };

	assert_int_equal(send(r->kernel, &h, sizeof h, 0), sizeof h);
}

static bool
in_time(sem_t *s)
{
	struct timespec ts;

	clock_gettime(CLOCK_REALTIME, &ts);
	ts.tv_sec += SOON_MS / 1000;
	return sem_timedwait(s, &ts) == 0;
}

/* Were n requests, one after the other, all run by the same thread? */
static bool
one_ran_all(struct rig *r, unsigned n)
{
	unsigned was[THREADS], i;

	for (i = 0; i < THREADS; i++)
		was[i] = r->by[i];
	for (i = 0; i < n; i++) {
		ask(r, FUSE_LOOKUP, QUICK);
		assert_true(in_time(&r->served));
	}
	for (i = 0; i < THREADS; i++)
		if (r->by[i] == was[i] + n)
			return true;
	return false;
}

/* Another takes over where a busy machine stops one for 2 ms, so not
 * always. */
static void
one_after_another__one_thread_serves(void **state)
{
	unsigned tries, whole = 0;

	for (tries = 0; tries < 1000 && whole < 10; tries++)
		whole += one_ran_all(*state, 50);
	assert_int_equal(whole, 10);
}

/* LOOKUP is not expected to wait: only the clock tells. */
static void
slow_one__nobody_waits_behind_it(void **state)
{
	struct rig *r = *state;
	unsigned i;

	for (i = 1; i < THREADS; i++) {
		ask(r, FUSE_LOOKUP, HOLD);
		assert_true(in_time(&r->held));
		ask(r, FUSE_LOOKUP, QUICK);
		assert_true(in_time(&r->served));
	}
	let_go(r, THREADS - 1);
	for (i = 1; i < THREADS; i++)
		assert_true(in_time(&r->served));
	ask(r, FUSE_LOOKUP, QUICK);
	assert_true(in_time(&r->served));
}

/* As above after a sleep, when nobody looks at the clock any more. */
static void
slow_one_after_a_sleep__nobody_waits_behind_it(void **state)
{
	struct rig *r = *state;

	ask(r, FUSE_LOOKUP, QUICK);
	assert_true(in_time(&r->served));
	usleep(100000);
	assert_false(atomic_load(&r->f.turn.watched));
	slow_one__nobody_waits_behind_it(state);
}

static void
turn_is_free(struct rig *r, uint32_t op, uint64_t unique)
{
	ask(r, op, unique);
	assert_true(in_time(&r->held));
	assert_true(atomic_load(&r->f.turn.reader) == NULL ||
	    r->by[atomic_load(&r->f.turn.reader)->n] == 0);
	ask(r, FUSE_LOOKUP, QUICK);
	assert_true(in_time(&r->served));
	let_go(r, 1);
	assert_true(in_time(&r->served));
}

static void
may_wait__turn_is_free_before(void **state)
{
	turn_is_free(*state, FUSE_SYNCFS, HOLD);
}

/* As whoever leads a flush does; the other fsyncs leave a callback. */
static void
waits_now__turn_is_passed(void **state)
{
	turn_is_free(*state, FUSE_FSYNC, PASS);
}

/* Whether who is at a long flush has kept the turn, for a tick at least. */
static bool
keeps(struct rig *r)
{
	ask(r, FUSE_FSYNC, LONG);
	assert_true(in_time(&r->held));
	return atomic_load(&r->f.turn.reader) == atomic_load(&r->flushing);
}

/* It keeps the turn after some flushes during which nobody asked for
 * anything; here that is seen unless we come a tick too late. */
static void
become_alone(struct rig *r)
{
	unsigned i, k;

	for (i = 0; i < MANY; i++) {
		for (k = 0; k < 20; k++) {
			ask(r, FUSE_FSYNC, FLUSH);
			assert_true(in_time(&r->served));
		}
		if (keeps(r))
			return;
		let_go(r, 1);
		assert_true(in_time(&r->served));
	}
	fail_msg("the turn was passed each time");
}

/* The first one waits for a tick, the next ones for nothing. */
static void
flushes_alone__the_turn_stays_until_somebody_asks(void **state)
{
	struct rig *r = *state;

	become_alone(r);
	ask(r, FUSE_LOOKUP, QUICK);
	assert_true(in_time(&r->served));
	let_go(r, 1);
	assert_true(in_time(&r->served));
	assert_false(keeps(r));
	let_go(r, 1);
	assert_true(in_time(&r->served));
}

/* Who is not the reader any more has none to pass. */
static void
passed_twice__the_next_keeps_it(void **state)
{
	struct rig *r = *state;
	struct fuse_worker *w;

	turn_is_free(r, FUSE_FSYNC, PASS);
	w = atomic_load(&r->f.turn.reader);
	assert_non_null(w);
	fuse_turn_pass(&r->w[(w->n + 1) % THREADS]);
	assert_ptr_equal(atomic_load(&r->f.turn.reader), w);
}

/* The next one is there each time, and none takes as long as a tick. */
static void
many_at_once__others_help(void **state)
{
	struct rig *r = *state;
	unsigned i, n = 0;

	for (i = 0; i < MANY; i++)
		ask(r, FUSE_LOOKUP, WORK);
	for (i = 0; i < MANY; i++)
		assert_true(in_time(&r->served));
	for (i = 0; i < THREADS; i++)
		n += r->by[i] > 0;
	assert_true(n > 1);
}

#define T(f)	cmocka_unit_test_setup_teardown(f, rig_open, rig_close)

int
main(void)
{
	const struct CMUnitTest tests[] = {
		T(one_after_another__one_thread_serves),
		T(slow_one__nobody_waits_behind_it),
		T(slow_one_after_a_sleep__nobody_waits_behind_it),
		T(may_wait__turn_is_free_before),
		T(waits_now__turn_is_passed),
		T(flushes_alone__the_turn_stays_until_somebody_asks),
		T(passed_twice__the_next_keeps_it),
		T(many_at_once__others_help),
	};

	return cmocka_run_group_tests_name("fuse_turn", tests, NULL, NULL);
}
