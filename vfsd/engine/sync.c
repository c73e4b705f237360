/*
 * sync.c - group commit
 *
 * One flush is under way at a time; it covers what was committed before
 * it began.  The thread that finds none leads one itself, without a
 * hop; who comes meanwhile waits or leaves a callback.  For those there is
 * a thread: the leader is one of a front's few, which has requests to
 * read, and those that will share the next flush are among them.
 */
#include <assert.h>
#include <stdlib.h>

#include "engine_impl.h"
#include "plants.h"

/* Put file bytes on the disk, if a committed row refers to some that may
 * not be there.  One thread at a time: the leader, or the checkpoint. */
static int
sync_data(struct engine *e, uint64_t need)
{
	uint64_t gen = atomic_load(&e->sync.data_gen);
	int err;

	if (need <= atomic_load(&e->sync.data_synced))
		return 0;
#ifdef PLANT_SKIP_DATA_SYNC
	atomic_store(&e->sync.data_synced, gen);
	return 0;
#endif
	atomic_fetch_add(&e->sync.data_syncs, 1);
	if ((err = e->dops->sync(e->data)) < 0)
		return latch(e, err, "sync of the data file");
	atomic_store(&e->sync.data_synced, gen);
	return 0;
}

static int
sync_log(struct engine *e)
{
	int err = 0;

	atomic_fetch_add(&e->sync.log_syncs, 1);
#ifndef PLANT_SKIP_LOG_SYNC
	err = e->lops->sync(e->log);
#endif
	return err < 0 ? latch(e, err, "sync of the log") : 0;
}

/*
 * One flush.  Bytes before the log that refers to them.  all: also the
 * bytes that the log carries, because it is about to be trimmed.
 */
static int
sync_flush(struct engine *e, bool all)
{
	uint64_t seq = atomic_load(&e->last_seq);
	uint64_t pos = atomic_load(&e->log_end);
	uint64_t need = atomic_load(&e->sync.data_need);
	uint64_t carry = atomic_load(&e->sync.carry_need);
	int err;

	if ((err = atomic_load(&e->latched)) < 0)
		return err;
	if (all && carry > need)
		need = carry;
	if ((all || pos > atomic_load(&e->sync.pos)) &&
	    (err = sync_data(e, need)) < 0)
		return err;
	if (pos > atomic_load(&e->sync.pos) && (err = sync_log(e)) < 0)
		return err;
	atomic_store(&e->sync.seq, seq);
	atomic_store(&e->sync.pos, pos);
	return 0;
}

/* Begin to lead, if nobody does. */
static bool
lead(struct engine *e)
{
	if (e->sync.flushing)
		return false;
	e->sync.flushing = true;
	e->sync.round++;
	return true;
}

static void
answer(struct waiter *w, int err)
{
	struct waiter *next;

	for (; w != NULL; w = next) {
		next = w->next;
		w->c.done(w->c.arg, err);
		free(w);
	}
}

static void
finish(struct engine *e, int err)
{
	e->sync.flushing = false;
	e->sync.ended = e->sync.round;
	e->sync.err = err;
	pthread_cond_broadcast(&e->sync.done);
}

/*
 * Flush for those who queued and for me, if not NULL; the lock is held
 * at call and return, and lead was true.
 */
static int
serve(struct engine *e, const struct sync_call *me)
{
	struct waiter *w = e->sync.queue;
	int err;

	e->sync.queue = NULL;
	e->sync.soon = false;
	pthread_mutex_unlock(&e->sync.lock);
	if (me != NULL && me->leads != NULL)
		me->leads(me->arg);
	err = sync_flush(e, false);
	answer(w, err);
	pthread_mutex_lock(&e->sync.lock);
	finish(e, err);
	return err;
}

static bool
is_wanted(const struct engine *e)
{
	return e->sync.queue != NULL || e->sync.soon;
}

/*
 * A large commit is logged, and will ask when it is visible, too: that takes
 * as long as the disk does.
 */
void
sync_soon(struct engine *e)
{
	if (!e->threads_on)
		return;
	pthread_mutex_lock(&e->sync.lock);
	e->sync.soon = true;
	pthread_cond_signal(&e->sync.wake);
	pthread_mutex_unlock(&e->sync.lock);
}

void *
sync_thread(void *arg)
{
	struct engine *e = arg;

	pthread_mutex_lock(&e->sync.lock);
	while (!e->sync.stop) {
		if (is_wanted(e) && lead(e))
			serve(e, NULL);
		else
			pthread_cond_wait(&e->sync.wake, &e->sync.lock);
	}
	pthread_mutex_unlock(&e->sync.lock);
	return NULL;
}

void
sync_thread_stop(struct engine *e)
{
	pthread_mutex_lock(&e->sync.lock);
	e->sync.stop = true;
	pthread_cond_signal(&e->sync.wake);
	pthread_mutex_unlock(&e->sync.lock);
}

/*
 * Flush; the thread goes on for those who queued meanwhile, or (none) we
 * do.  The lock is held at call and return.  The first flush's result;
 * *left tells that me was answered by its callback, because others were
 * waiting.
 */
static int
lead_flushes(struct engine *e, const struct sync_call *me, bool *left)
{
	int err = serve(e, me);

	if (e->threads_on) {
		if (is_wanted(e))
			pthread_cond_signal(&e->sync.wake);
		return err;
	}
	while (e->sync.queue != NULL && lead(e)) {
		if (me != NULL && !*left) {
			pthread_mutex_unlock(&e->sync.lock);
			me->done(me->arg, err);
			pthread_mutex_lock(&e->sync.lock);
			*left = true;
		}
		serve(e, NULL);
	}
	return err;
}

static bool
nothing_to_do(struct engine *e)
{
	return e->conf.rdonly ||
	    (atomic_load(&e->log_end) <= atomic_load(&e->sync.pos) &&
	    atomic_load(&e->last_seq) <= atomic_load(&e->sync.seq));
}

int
engine_sync(struct engine *e)
{
	uint64_t want;
	bool left = false;
	int err;

	if (nothing_to_do(e))
		return 0;
	pthread_mutex_lock(&e->sync.lock);
	/* One that is under way may have begun before our commit. */
	want = e->sync.round + 1;
	for (;;) {
		if (e->sync.ended >= want) {
			err = e->sync.err;
			break;
		}
		if (lead(e)) {
			err = lead_flushes(e, NULL, &left);
			break;
		}
		pthread_cond_wait(&e->sync.done, &e->sync.lock);
	}
	pthread_mutex_unlock(&e->sync.lock);
	return err;
}

int
engine_sync_shared(struct engine *e, const struct sync_call *c)
{
	struct waiter *w;
	bool left = false;
	int err;

	if (nothing_to_do(e))
		return 0;
	if ((w = malloc(sizeof(*w))) == NULL)
		return engine_sync(e);
	*w = (struct waiter){ .c = *c };
	pthread_mutex_lock(&e->sync.lock);
	if (e->sync.queue != NULL || !lead(e)) {
		w->next = e->sync.queue;
		e->sync.queue = w;
		pthread_mutex_unlock(&e->sync.lock);
		return 1;
	}
	err = lead_flushes(e, c, &left);
	pthread_mutex_unlock(&e->sync.lock);
	free(w);
	return left ? 1 : err;
}

/* The log up to now, and every byte that its rows refer to. */
int
sync_for_checkpoint(struct engine *e)
{
	int err;

	pthread_mutex_lock(&e->sync.lock);
	while (!lead(e))
		pthread_cond_wait(&e->sync.done, &e->sync.lock);
	pthread_mutex_unlock(&e->sync.lock);
	err = sync_flush(e, true);
	pthread_mutex_lock(&e->sync.lock);
	finish(e, err);
	/* Who queued meanwhile must not wait for the next flush. */
	while (e->sync.queue != NULL && lead(e))
		serve(e, NULL);
	pthread_mutex_unlock(&e->sync.lock);
	return err;
}
