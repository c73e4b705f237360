/*
 * background.c - the checkpoint's thread and the syncer's
 *
 * Neither wakes while nothing was committed.  Without threads (tests) the
 * caller does their work in engine_step, and whoever would wait does it
 * himself.
 */
#include <assert.h>
#include <errno.h>
#include <malloc.h>

#include "../clock.h"
#include "engine_impl.h"

#define SYNC_AFTER_MS	2500	/* of a commit; power loss costs 5 s at most */
#define IDLE_MS		2000	/* without commits: empty the table */

void
bg_init(struct engine *e)
{
	pthread_condattr_t a;

	pthread_mutex_init(&e->bg.lock, NULL);
	pthread_condattr_init(&a);
	pthread_condattr_setclock(&a, CLOCK_MONOTONIC);
	pthread_cond_init(&e->bg.wake, &a);
	pthread_cond_init(&e->bg.progress, &a);
	pthread_cond_init(&e->bg.sync_wake, &a);
	pthread_condattr_destroy(&a);
}

static struct timespec
after_ms(unsigned ms)
{
	return clock_at(clock_ns() + ms * UINT64_C(1000000));
}

/* --- signals ------------------------------------------------------- */

void
bg_kick(struct engine *e)
{
	if (!e->threads_on)
		return;
	pthread_mutex_lock(&e->bg.lock);
	pthread_cond_signal(&e->bg.wake);
	pthread_cond_broadcast(&e->bg.progress);
	pthread_mutex_unlock(&e->bg.lock);
}

/* A checkpoint soon. */
void
bg_want(struct engine *e)
{
	if (!e->threads_on)
		return;
	pthread_mutex_lock(&e->bg.lock);
	e->bg.want = true;
	pthread_cond_signal(&e->bg.wake);
	pthread_mutex_unlock(&e->bg.lock);
}

void
bg_tight(struct engine *e)
{
	if (!atomic_exchange(&e->bg.tight, true))
		bg_kick(e);
}

/* A checkpoint ended. */
void
bg_progress(struct engine *e, int err)
{
	if (err == 0) {
		atomic_store(&e->bg.tight, false);
		atomic_store(&e->bg.again, false);
	}
	pthread_mutex_lock(&e->bg.lock);
	e->bg.err = err;
	e->bg.rounds++;
	pthread_cond_broadcast(&e->bg.progress);
	pthread_mutex_unlock(&e->bg.lock);
}

/* After each commit: who has to wake up? */
void
bg_committed(struct engine *e)
{
	bool due = ckpt_due(e), lease = marks_due(e);
	bool first = atomic_load(&e->stable_rows) > 0 &&
	    atomic_load(&e->bg.resting);

	if (!first && (!due || atomic_load_explicit(&e->bg.due, memory_order_relaxed)) &&
	    (!lease || atomic_load_explicit(&e->bg.lease,
	    memory_order_relaxed)) &&
	    atomic_load_explicit(&e->bg.dirty, memory_order_relaxed))
		return;
	pthread_mutex_lock(&e->bg.lock);
	atomic_store(&e->bg.due, due);
	atomic_store(&e->bg.lease, lease);
	atomic_store(&e->bg.dirty, true);
	pthread_cond_signal(&e->bg.wake);
	pthread_cond_signal(&e->bg.sync_wake);
	pthread_mutex_unlock(&e->bg.lock);
}

/* --- backpressure -------------------------------------------------- */

/* The only wait of a mutation: until a checkpoint has made room. */
int
bg_wait_room(struct engine *e)
{
	uint64_t round;
	int err = 0;

	atomic_fetch_add(&e->bg.waits, 1);
	if (!e->threads_on) {
		err = ckpt_run(e);
		return err == -VFS_NOSPC ? err : 0;
	}
	pthread_mutex_lock(&e->bg.lock);
	round = e->bg.rounds;
	e->bg.want = true;
	pthread_cond_signal(&e->bg.wake);
	while (!e->bg.stop && atomic_load(&e->latched) == 0 &&
	    ckpt_pressed(e)) {
		/* It had its chance, and the disk is full. */
		if (e->bg.rounds > round && e->bg.err == -VFS_NOSPC) {
			err = e->bg.err;
			break;
		}
		/* A whole round since did not help: what is left are live
		 * drafts, and publishing them is a mutation, too. */
		if (e->bg.rounds > round + 1 && e->bg.err == 0)
			break;
		pthread_cond_wait(&e->bg.progress, &e->bg.lock);
		if (ckpt_pressed(e)) {
			e->bg.want = true;
			pthread_cond_signal(&e->bg.wake);
		}
	}
	pthread_mutex_unlock(&e->bg.lock);
	return err;
}

/* --- the checkpoint's thread --------------------------------------- */

/* Wait for work; false: to stop.  *idle: the table should be emptied. */
static bool
ckpt_wait_work(struct engine *e, bool *idle)
{
	uint64_t seen = atomic_load(&e->commits);
	struct timespec ts;
	int rc = 0;

	*idle = false;
	while (!e->bg.stop && !e->bg.want && !atomic_load(&e->bg.due) &&
	    !atomic_load(&e->have_garbage)) {
		if (atomic_load(&e->stable_rows) == 0) {
			atomic_store(&e->bg.resting, true);
			if (atomic_load(&e->stable_rows) == 0)
				pthread_cond_wait(&e->bg.wake, &e->bg.lock);
			atomic_store(&e->bg.resting, false);
			continue;
		}
		if (rc == ETIMEDOUT && atomic_load(&e->commits) == seen) {
			*idle = true;
			break;
		}
		seen = atomic_load(&e->commits);
		ts = after_ms(IDLE_MS);
		rc = pthread_cond_timedwait(&e->bg.wake, &e->bg.lock, &ts);
	}
	return !e->bg.stop;
}

static void *
ckpt_main(void *arg)
{
	struct engine *e = arg;
	struct timespec ts;
	bool idle, need;
	int err = 0;

	pthread_mutex_lock(&e->bg.lock);
	while (ckpt_wait_work(e, &idle)) {
		need = idle || e->bg.want || atomic_load(&e->bg.due);
		e->bg.want = false;
		pthread_mutex_unlock(&e->bg.lock);
		garbage_free(e);
		if (need)
			err = ckpt_run(e);
		if (idle)
			malloc_trim(0);
		pthread_mutex_lock(&e->bg.lock);
		if (need)
			atomic_store(&e->bg.due, err == 0 && ckpt_due(e));
		if (need && err < 0 && !e->bg.stop) {
			ts = after_ms(IDLE_MS);	/* a full disk: not at once */
			pthread_cond_timedwait(&e->bg.wake, &e->bg.lock, &ts);
		}
	}
	pthread_mutex_unlock(&e->bg.lock);
	return NULL;
}

/* --- the syncer's thread ------------------------------------------- */

static void
sync_pause(struct engine *e)
{
	struct timespec ts = after_ms(SYNC_AFTER_MS);

	while (!e->bg.stop && !atomic_load(&e->bg.lease) &&
	    pthread_cond_timedwait(&e->bg.sync_wake, &e->bg.lock, &ts) == 0)
		;
}

static void *
sync_main(void *arg)
{
	struct engine *e = arg;
	bool lease;

	pthread_mutex_lock(&e->bg.lock);
	while (!e->bg.stop) {
		if (!atomic_load(&e->bg.dirty) && !atomic_load(&e->bg.lease)) {
			pthread_cond_wait(&e->bg.sync_wake, &e->bg.lock);
			continue;
		}
		sync_pause(e);
		if (e->bg.stop)
			break;
		lease = atomic_load(&e->bg.lease);
		if (!lease)
			atomic_store(&e->bg.dirty, false);
		pthread_mutex_unlock(&e->bg.lock);
		if (lease)
			(void)marks_renew(e);	/* a failure latches */
		else
			(void)engine_sync(e);
		pthread_mutex_lock(&e->bg.lock);
		if (lease)
			atomic_store(&e->bg.lease, false);
		if (atomic_load(&e->latched) != 0 && !e->bg.stop)
			pthread_cond_wait(&e->bg.sync_wake, &e->bg.lock);
	}
	pthread_mutex_unlock(&e->bg.lock);
	return NULL;
}

/* --- life ---------------------------------------------------------- */

static void
stop(struct engine *e)
{
	pthread_mutex_lock(&e->bg.lock);
	e->bg.stop = true;
	pthread_cond_broadcast(&e->bg.wake);
	pthread_cond_broadcast(&e->bg.sync_wake);
	pthread_cond_broadcast(&e->bg.progress);
	pthread_mutex_unlock(&e->bg.lock);
	sync_thread_stop(e);
}

int
bg_start(struct engine *e)
{
	pthread_t *const t[] = { &e->bg.ckpt, &e->bg.syncer,
		&e->sync.thread };
	void *(*const fn[])(void *) = { ckpt_main, sync_main, sync_thread };
	unsigned i;

	for (i = 0; i < sizeof t / sizeof t[0]; i++)
		if (pthread_create(t[i], NULL, fn[i], e) != 0)
			break;
	if (i < sizeof t / sizeof t[0]) {
		stop(e);
		while (i-- > 0)
			pthread_join(*t[i], NULL);
		return efault(e, -VFS_NOMEM, "start a thread");
	}
	e->threads_on = true;
	return 0;
}

void
bg_stop(struct engine *e)
{
	if (!e->threads_on)
		return;
	stop(e);
	pthread_join(e->bg.ckpt, NULL);
	pthread_join(e->bg.syncer, NULL);
	pthread_join(e->sync.thread, NULL);
	e->threads_on = false;
}

/* One unit of what the threads would do, without a clock. */
int
engine_step(struct engine *e)
{
	if (e->conf.rdonly || atomic_load(&e->latched) != 0)
		return 0;
	if (garbage_free(e))
		return 1;
	if (marks_due(e))
		return marks_renew(e) == 0;
	if (ckpt_due(e) || atomic_load(&e->bg.again))
		return ckpt_run(e) == 0;
	if (atomic_load(&e->log_end) > atomic_load(&e->sync.pos))
		return engine_sync(e) == 0;
	return 0;
}
