#include <pthread.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "core/record.h"
#include "dispatch_in.h"
#include "engine/engine.h"
#include "holders.h"
#include "publisher.h"
#include "reaper.h"

#define CROWDED_NS	10000000u	/* until the checkpoint gets on */
#define PAUSE_MIN_NS	50000u		/* between two commits */
#define RETRY_NS	1000000000u	/* after a failure */
#define SCAN_MAX	256u		/* orphans read at a time */

/* One object to take apart. */
struct job {
	struct vfs_id id;
	uint64_t from;			/* of a directory: the next slot */
	bool tree;			/* it has entries */
};

struct reaper {
	struct server *s;
	pthread_t thread;
	pthread_mutex_t lock;		/* guards the rest */
	pthread_cond_t wake;
	bool stop;
	struct job *v;			/* a stack: depth first is small */
	size_t n, cap;
	struct vfs_id scan_after, scan_last;
	bool scanning;
	struct reaper_counts counts;
};

static uint64_t
clock_ns(void)
{
	struct timespec ts;

	clock_gettime(CLOCK_MONOTONIC, &ts);
	return (uint64_t)ts.tv_sec * 1000000000u + (uint64_t)ts.tv_nsec;
}

/* --- the queue (under lock) --------------------------------------------- */

static void
push(struct reaper *r, struct vfs_id id)
{
	size_t cap = r->cap > 0 ? 2 * r->cap : 64;
	struct job *v;

	if (r->n == r->cap) {
		if ((v = realloc(r->v, cap * sizeof *v)) == NULL)
			return;
		r->v = v;
		r->cap = cap;
	}
	r->v[r->n++] = (struct job){ .id = id };
}

/* Others may have been put on top meanwhile. */
static void
job_update(struct reaper *r, const struct job *j, bool done)
{
	size_t i = r->n;

	while (i > 0 && r->v[i - 1].id.n != j->id.n)
		i--;
	if (i == 0)
		return;
	if (!done) {
		r->v[i - 1] = *j;
		return;
	}
	memmove(&r->v[i - 1], &r->v[i], (r->n - i) * sizeof *r->v);
	r->n--;
}

/* --- one piece of work --------------------------------------------------- */

/* Which of the next names' objects somebody holds. */
static int
find_held(struct reaper *r, const struct job *j, struct vfs_id *held,
    size_t *n)
{
	struct vfs_slice key, val;
	struct rec_slot slot;
	struct txn_cur *c;
	struct req_env env;
	struct row_key k;
	struct txn *t;
	unsigned i;
	int err;

	*n = 0;
	server_env(&env);
	if ((err = txn_begin(r->s->engine, TXN_READ, &env, &t)) < 0)
		return err;
	row_key_id2(&k, ROW_SLOT, j->id.n, j->from);
	if ((err = txn_cur_open(t, &c)) == 0)
		err = txn_cur_seek_in(c, row_key_slice(&k), ROW_KEY_ID,
		    &key, &val);
	for (i = 0; err == 0 && i < VFS_REAP_MAX; i++) {
		if ((err = rec_slot_decode(val, &slot)) < 0)
			break;
		if (holders_held(r->s->holders, slot.id))
			held[(*n)++] = slot.id;
		err = txn_cur_next(c, &key, &val);
	}
	txn_abort(t);
	return err == -VFS_NOENT ? 0 : err;
}

/* Those that live on without a name: the held ones wait for their
 * holders, the others are next. */
static void
queue_orphans(struct reaper *r, const struct vfs_id *ids, size_t n)
{
	size_t i;

	for (i = 0; i < n; i++)
		if (holders_orphan(r->s->holders, ids[i], false))
			push(r, ids[i]);
}

static int
reap(struct reaper *r, struct job *j)
{
	struct vfs_id held[VFS_REAP_MAX], orphans[VFS_REAP_MAX];
	struct vfs_reap q = { .id = j->id, .from = j->from,
	    .max = VFS_REAP_MAX };
	struct vfs_reap_reply rep = {
	    .orphans = { .p = orphans, .cap = sizeof orphans } };
	struct req_env env;
	size_t n;
	int err;

	if ((err = find_held(r, j, held, &n)) < 0)
		return err;
	q.held = (struct vfs_slice){ held, n * sizeof *held };
	server_env(&env);
	if ((err = dispatch(r->s, VFS_OP_REAP, &env, &q, &rep)) < 0)
		return err;
	j->from = rep.next;
	pthread_mutex_lock(&r->lock);
	r->counts.batches++;
	r->counts.names += rep.names;
	job_update(r, j, rep.done != 0);
	queue_orphans(r, orphans, rep.orphans.n / sizeof *orphans);
	pthread_mutex_unlock(&r->lock);
	return 0;
}

/* A file in steps; a directory that has entries turns out to be a tree. */
static int
reclaim(struct reaper *r, struct job *j)
{
	struct vfs_reclaim q = { .id = j->id };
	struct vfs_reclaim_reply rep = { .reclaimed = 1 };
	struct req_env env;
	int err;

	server_env(&env);
	if ((err = dispatch(r->s, VFS_OP_RECLAIM, &env, &q, &rep)) < 0)
		return err;
	j->tree = rep.reclaimed == VFS_RECLAIM_TREE;
	if (rep.reclaimed == 1)
		publisher_forget(r->s->publisher, j->id);
	pthread_mutex_lock(&r->lock);
	r->counts.trees += j->tree;
	job_update(r, j, rep.reclaimed == 1);
	pthread_mutex_unlock(&r->lock);
	return 0;
}

/* Somebody got hold of it since it was queued: he queues it again. */
static int
do_job(struct reaper *r, struct job *j)
{
	if (!holders_orphan(r->s->holders, j->id, false)) {
		pthread_mutex_lock(&r->lock);
		job_update(r, j, true);
		pthread_mutex_unlock(&r->lock);
		return 0;
	}
	return j->tree ? reap(r, j) : reclaim(r, j);
}

/* More of those that were there at the start. */
static int
scan(struct reaper *r, struct vfs_id after, struct vfs_id last)
{
	struct vfs_id ids[SCAN_MAX];
	size_t i, n;
	int err;

	err = server_orphans(r->s, after, ids, SCAN_MAX, &n);
	if (err < 0)
		return err;
	pthread_mutex_lock(&r->lock);
	for (i = 0; i < n && ids[i].n <= last.n; i++) {
		push(r, ids[i]);
		r->scan_after = ids[i];
	}
	r->scanning = n == SCAN_MAX && i == n;
	pthread_mutex_unlock(&r->lock);
	return 0;
}

int
reaper_step(struct reaper *r)
{
	struct vfs_id after, last;
	struct job j = { { 0 }, 0, false };
	bool scanning;
	int err;

	pthread_mutex_lock(&r->lock);
	after = r->scan_after;
	last = r->scan_last;
	scanning = r->scanning;
	if (r->n > 0)
		j = r->v[r->n - 1];
	pthread_mutex_unlock(&r->lock);
	if (j.id.n == 0 && !scanning)
		return 0;
	err = j.id.n != 0 ? do_job(r, &j) : scan(r, after, last);
	return err < 0 ? err : 1;
}

/* --- the thread ---------------------------------------------------------- */

static void
pause_ns(struct reaper *r, uint64_t ns)
{
	struct timespec ts;

	if (r->stop)
		return;
	ns += clock_ns();
	ts = (struct timespec){ (time_t)(ns / 1000000000u),
	    (long)(ns % 1000000000u) };
	pthread_cond_timedwait(&r->wake, &r->lock, &ts);
}

/* As long as it took, so that the serial point is mostly others'. */
static void
work(struct reaper *r)
{
	uint64_t start = clock_ns(), took;
	int err;

	if (engine_crowded(r->s->engine)) {
		pause_ns(r, CROWDED_NS);
		return;
	}
	pthread_mutex_unlock(&r->lock);
	err = reaper_step(r);
	pthread_mutex_lock(&r->lock);
	took = clock_ns() - start;
	if (err < 0 && err != -VFS_AGAIN)
		pause_ns(r, RETRY_NS);
	else
		pause_ns(r, took > PAUSE_MIN_NS ? took : PAUSE_MIN_NS);
}

static void *
run(void *arg)
{
	struct reaper *r = arg;

	pthread_setname_np(pthread_self(), "reaper");
	pthread_mutex_lock(&r->lock);
	while (!r->stop) {
		if (r->n > 0 || r->scanning)
			work(r);
		else
			pthread_cond_wait(&r->wake, &r->lock);
	}
	pthread_mutex_unlock(&r->lock);
	return NULL;
}

int
reaper_new(struct server *s, struct reaper **out)
{
	struct reaper *r = calloc(1, sizeof *r);
	pthread_condattr_t ca;

	if (r == NULL)
		return -VFS_NOMEM;
	r->s = s;
	pthread_mutex_init(&r->lock, NULL);
	pthread_condattr_init(&ca);
	pthread_condattr_setclock(&ca, CLOCK_MONOTONIC);
	pthread_cond_init(&r->wake, &ca);
	pthread_condattr_destroy(&ca);
	if (pthread_create(&r->thread, NULL, run, r) != 0) {
		pthread_cond_destroy(&r->wake);
		pthread_mutex_destroy(&r->lock);
		free(r);
		return -VFS_NOMEM;
	}
	*out = r;
	return 0;
}

void
reaper_free(struct reaper *r)
{
	if (r == NULL)
		return;
	pthread_mutex_lock(&r->lock);
	r->stop = true;
	pthread_cond_signal(&r->wake);
	pthread_mutex_unlock(&r->lock);
	pthread_join(r->thread, NULL);
	pthread_cond_destroy(&r->wake);
	pthread_mutex_destroy(&r->lock);
	free(r->v);
	free(r);
}

void
reaper_add(struct reaper *r, struct vfs_id id)
{
	pthread_mutex_lock(&r->lock);
	push(r, id);
	pthread_cond_signal(&r->wake);
	pthread_mutex_unlock(&r->lock);
}

void
reaper_scan(struct reaper *r, struct vfs_id after, struct vfs_id last)
{
	pthread_mutex_lock(&r->lock);
	r->scan_after = after;
	r->scan_last = last;
	r->scanning = true;
	pthread_cond_signal(&r->wake);
	pthread_mutex_unlock(&r->lock);
}

void
reaper_counts(struct reaper *r, struct reaper_counts *out)
{
	pthread_mutex_lock(&r->lock);
	*out = r->counts;
	out->waiting = r->n + r->scanning;
	pthread_mutex_unlock(&r->lock);
}
