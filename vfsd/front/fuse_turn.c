#include <errno.h>
#include <poll.h>
#include <string.h>
#include <unistd.h>

#include "fuse_req.h"

#define TURN_NS		(FUSE_TURN_MS * 1000000u)
#define HELP_MIN	2u
#define HELP_MAX	64u
#define STILL_MAX	10u		/* ticks without a request */
#define LONG_IO		32768u		/* bytes to copy */
#define ALONE		4u		/* flushes that tell */

void
fuse_turn_init(struct fuse_turn *t)
{
	memset(t, 0, sizeof *t);
	pthread_mutex_init(&t->lock, NULL);
	pthread_cond_init(&t->wake, NULL);
	atomic_store(&t->help_after, HELP_MIN);
}

void
fuse_turn_destroy(struct fuse_turn *t)
{
	pthread_cond_destroy(&t->wake);
	pthread_mutex_destroy(&t->lock);
}

void
fuse_turn_end(struct fuse_turn *t)
{
	pthread_mutex_lock(&t->lock);
	t->over = true;
	pthread_cond_broadcast(&t->wake);
	pthread_mutex_unlock(&t->lock);
}

/* --- the parked ------------------------------------------------------ */

/* Whether the reader has been at one request since the last look. */
static bool
stuck(struct fuse_turn *t)
{
	uint64_t since = atomic_load(&t->since);

	return since != 0 &&
	    clock_ns() - since >= TURN_NS;
}

/* A tick of the clock; called and returns with the lock held. */
static void
watch(struct fuse_turn *t)
{
	uint64_t runs = atomic_load(&t->runs);
	struct timespec until = clock_at(clock_ns() + TURN_NS);

	if (pthread_cond_clockwait(&t->wake, &t->lock, CLOCK_MONOTONIC,
	    &until) != ETIMEDOUT)
		return;
	if (stuck(t))
		atomic_store(&t->reader, NULL);
	t->still = runs == atomic_load(&t->runs) &&
	    atomic_load(&t->since) == 0 ? t->still + 1 : 0;
}

/*
 * Nothing has happened for a while: the reader will say when it does.  It
 * says first that it runs something, and then looks whether it is watched.
 */
static bool
all_still(struct fuse_turn *t)
{
	if (t->still < STILL_MAX)
		return false;
	atomic_store(&t->watched, false);
	if (atomic_load(&t->since) == 0)
		return true;
	atomic_store(&t->watched, true);
	t->still = 0;
	return false;
}

/* Waits for the turn, which is w's then, or for a call for help. */
static void
park(struct fuse_turn *t, struct fuse_worker *w)
{
	bool mine = false;		/* I look at the clock */

	pthread_mutex_lock(&t->lock);
	t->parked++;
	while (!t->over && t->calls == 0 && atomic_load(&t->reader) != NULL) {
		if (!mine && t->still < STILL_MAX && !atomic_load(&t->watched))
			mine = atomic_exchange(&t->watched, true) == false;
		if (mine && !all_still(t)) {
			watch(t);
		} else {
			mine = false;
			pthread_cond_wait(&t->wake, &t->lock);
		}
	}
	t->parked--;
	if (mine)
		atomic_store(&t->watched, false);
	if (t->over) {
		pthread_mutex_unlock(&t->lock);
		return;
	}
	if (atomic_load(&t->reader) == NULL) {
		atomic_store(&t->reader, w);
		atomic_store(&t->since, 0);
	} else {
		t->calls--;
		w->turn.called = true;
		w->turn.found = false;
	}
	if (mine && t->parked > 0)
		pthread_cond_signal(&t->wake);	/* the clock is free */
	pthread_mutex_unlock(&t->lock);
}

/* --- the reader ------------------------------------------------------ */

static void
call(struct fuse_turn *t)
{
	pthread_mutex_lock(&t->lock);
	if (t->calls < t->parked)
		t->calls++;
	pthread_cond_signal(&t->wake);
	pthread_mutex_unlock(&t->lock);
}

void
fuse_turn_pass(struct fuse_worker *w)
{
	struct fuse_turn *t = &w->f->turn;

	if (atomic_load(&t->reader) != w)
		return;
	pthread_mutex_lock(&t->lock);
	if (atomic_load(&t->reader) == w) {
		atomic_store(&t->since, 0);
		atomic_store(&t->reader, NULL);
		pthread_cond_signal(&t->wake);
	}
	pthread_mutex_unlock(&t->lock);
}

void
fuse_turn_flush(struct fuse_worker *w)
{
	struct fuse_turn *t = &w->f->turn;

	if (atomic_load(&t->reader) != w)
		return;
	w->turn.flushes = true;
	w->turn.runs = atomic_load(&t->runs);
	if (atomic_load(&t->alone) < ALONE)
		fuse_turn_pass(w);
}

/* Has anybody asked for anything since? */
static bool
asked(struct fuse_turn *t, const struct fuse_worker *w)
{
	struct pollfd p = { .fd = w->fd, .events = POLLIN };

	return atomic_load(&t->runs) != w->turn.runs ||
	    (atomic_load(&t->reader) == w && poll(&p, 1, 0) > 0);
}

void
fuse_turn_flushed(struct fuse_worker *w)
{
	struct fuse_turn *t = &w->f->turn;

	if (!w->turn.flushes)
		return;
	w->turn.flushes = false;
	if (asked(t, w))
		atomic_store(&t->alone, 0);
	else if (atomic_load(&t->alone) < ALONE)
		atomic_fetch_add(&t->alone, 1);
}

/* From now on somebody looks at the clock. */
static void
be_watched(struct fuse_turn *t)
{
	if (atomic_load(&t->watched))
		return;
	pthread_mutex_lock(&t->lock);
	t->still = 0;
	if (t->parked > 0)
		pthread_cond_signal(&t->wake);
	pthread_mutex_unlock(&t->lock);
}

static bool
may_wait(const struct fuse_worker *w, size_t n)
{
	const struct fuse_in_header *h = (const void *)w->in;
	const struct fuse_read_in *r = (const void *)(h + 1);

	switch (h->opcode) {
	case FUSE_READ:
		return n >= sizeof *h + sizeof *r && r->size >= LONG_IO;
	case FUSE_SYNCFS:
	case FUSE_SETLKW:
	case FUSE_FALLOCATE:
	case FUSE_COPY_FILE_RANGE:
	case FUSE_COPY_FILE_RANGE_64:
		return true;
	default:
		return n >= LONG_IO;
	}
}

/* The reader has read n bytes, or somebody who helps. */
static void
begin(struct fuse_turn *t, struct fuse_worker *w, size_t n)
{
	struct fuse_turn_own *o = &w->turn;

	o->found = true;
	atomic_fetch_add(&t->runs, 1);
	if (atomic_load(&t->reader) != w)
		return;
	if (may_wait(w, n)) {
		fuse_turn_pass(w);
		return;
	}
	atomic_store(&t->since, clock_ns());
	be_watched(t);
	if (++o->streak > atomic_load(&t->help_after)) {
		o->streak = 0;
		call(t);
	}
}

/* There was nothing for one that came to help, or no more. */
static void
helped(struct fuse_turn *t, struct fuse_turn_own *o)
{
	unsigned n = atomic_load(&t->help_after);

	if (o->found && n > HELP_MIN)
		atomic_store(&t->help_after, n / 2);
	else if (!o->found && n < HELP_MAX)
		atomic_store(&t->help_after, n * 2);
	o->called = false;
}

/* Nothing there: look again soon, or sleep until there is. */
static void
nothing(struct fuse_turn *t, struct fuse_worker *w)
{
	struct fuse_turn_own *o = &w->turn;
	struct pollfd p = { .fd = w->fd, .events = POLLIN };

	o->streak = 0;
	if (o->called)
		helped(t, o);
	if (atomic_load(&t->reader) != w) {
		park(t, w);
		spin_start(&o->spin);
	} else if (w->f->rings != NULL || !spin_more(&o->spin)) {
		/* Nobody waits for what comes beside the rings. */
		(void)poll(&p, 1, -1);
	}
}

size_t
fuse_turn_read(struct fuse_worker *w)
{
	struct fuse_turn *t = &w->f->turn;
	ssize_t n;

	if (atomic_load(&t->reader) == w)
		atomic_store(&t->since, 0);
	spin_start(&w->turn.spin);
	while (!atomic_load(&w->f->stopping)) {
		n = read(w->fd, w->in, FUSE_BUF);
		if (n > 0) {
			begin(t, w, (size_t)n);
			return (size_t)n;
		}
		if (n < 0 && errno == EAGAIN)
			nothing(t, w);
		/* ENOENT: a request was interrupted as we took it. */
		else if (n == 0 || (errno != EINTR && errno != ENOENT))
			break;		/* ENODEV: unmounted */
	}
	fuse_turn_end(t);
	return 0;
}
