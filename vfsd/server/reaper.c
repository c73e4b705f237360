#include <pthread.h>
#include <stdatomic.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "../clock.h"
#include "../core/dirent.h"
#include "../core/record.h"
#include "dispatch_in.h"
#include "../engine/engine.h"
#include "holders.h"
#include "publisher.h"
#include "reaper.h"
#include "visible.h"

#define CROWDED_NS	10000000u	/* until the checkpoint gets on */
#define PAUSE_MIN_NS	50000u		/* between two commits */
#define RETRY_NS	1000000000u	/* after a failure */
#define SCAN_MAX	256u		/* orphans read at a time */
#define SHED_MAX	16u		/* names read at a time */
#define SHED_DEPTH	64u
#define SWEEP_MIN_NS	50000000u	/* asking the kernel to let go */
#define SWEEP_MAX_NS	10000000000u

/* One object to take apart. */
struct job {
	struct vfs_id id;
	uint64_t from;			/* of a directory: the next slot */
	bool tree;			/* it has entries */
};

/* A directory that is left to its holders. */
struct left {
	struct vfs_id id;
	uint64_t due_ns, wait_ns;	/* for the next sweep */
};

struct reaper {
	struct server *s;
	pthread_t thread;
	pthread_mutex_t lock;		/* guards the rest */
	pthread_cond_t wake;
	_Atomic bool stop;		/* looked at without the lock, too */
	struct job *v;			/* a stack: depth first is small */
	size_t n, cap;
	struct vfs_id scan_after, scan_last;
	bool scanning;
	struct left *left;
	size_t nleft, left_cap;
	struct reaper_counts counts;
};

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

static void
leave(struct reaper *r, struct vfs_id id)
{
	size_t cap = r->left_cap > 0 ? 2 * r->left_cap : 16;
	struct left *v;

	if (r->nleft == r->left_cap) {
		if ((v = realloc(r->left, cap * sizeof *v)) == NULL)
			return;
		r->left = v;
		r->left_cap = cap;
	}
	r->left[r->nleft++] = (struct left){ .id = id,
	    .due_ns = clock_ns() + SWEEP_MIN_NS, .wait_ns = SWEEP_MIN_NS };
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
		else
			leave(r, ids[i]);
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
		leave(r, j->id);
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

/* --- what the kernel keeps ----------------------------------------------- */

/*
 * The kernel keeps what it has looked up as long as it has room, so a
 * directory that somebody was in may be held though nobody is.  What was
 * used once is looked up under its directory's id, whether that has a name
 * or not.
 */
static int
shed_batch(struct reaper *r, struct vfs_id dir, uint64_t *from,
    struct vfs_id *below, size_t *n)
{
	struct dirent_row v[SHED_MAX];
	struct req_env env;
	struct txn *t;
	uint32_t i, rows = 0;
	int err;

	server_env(&env);
	if ((err = txn_begin(r->s->engine, TXN_READ, &env, &t)) < 0)
		return err;
	err = dirent_batch(t, dir, *from, SHED_MAX, v, &rows);
	txn_abort(t);
	for (i = 0, *n = 0; err == 0 && i < rows; i++) {
		*from = v[i].e.slot + 1;
		if (visible_shed(server_visible(r->s), dir,
		    dirent_row_name(&v[i]), v[i].e.id) &&
		    v[i].e.type == VFS_DIR)
			below[(*n)++] = v[i].e.id;
	}
	return err < 0 ? err : rows == SHED_MAX;
}

/* Deeper only where the kernel goes; it is small, or has been in use. */
static void
shed(struct reaper *r, struct vfs_id dir, unsigned depth)
{
	struct vfs_id below[SHED_MAX];
	uint64_t from = 0;
	size_t i, n;
	int more;

	do {
		more = shed_batch(r, dir, &from, below, &n);
		if (depth == SHED_DEPTH)
			n = 0;
		for (i = 0; more >= 0 && i < n && !r->stop; i++)
			shed(r, below[i], depth + 1);
	} while (more > 0 && !r->stop);
}

static bool
sweep_due(const struct reaper *r, uint64_t now, size_t *at)
{
	for (*at = 0; *at < r->nleft; ++*at)
		if (r->left[*at].due_ns <= now)
			return true;
	return false;
}

static uint64_t
next_sweep(const struct reaper *r)
{
	uint64_t ns = UINT64_MAX;
	size_t i;

	for (i = 0; i < r->nleft; i++)
		if (r->left[i].due_ns < ns)
			ns = r->left[i].due_ns;
	return ns;
}

/* Under lock, which is given up; nobody else takes away from left. */
static void
sweep(struct reaper *r, size_t at)
{
	struct vfs_id id = r->left[at].id;
	struct left *l;

	if (!holders_held(r->s->holders, id)) {
		r->left[at] = r->left[--r->nleft];
		return;
	}
	pthread_mutex_unlock(&r->lock);
	shed(r, id, 0);
	pthread_mutex_lock(&r->lock);
	l = &r->left[at];
	if (l->wait_ns < SWEEP_MAX_NS)
		l->wait_ns *= 2;
	l->due_ns = clock_ns() + l->wait_ns;
}

/* --- the thread ---------------------------------------------------------- */

static void
wait_until(struct reaper *r, uint64_t ns)
{
	struct timespec ts;

	if (r->stop)
		return;
	if (ns == UINT64_MAX) {
		pthread_cond_wait(&r->wake, &r->lock);
		return;
	}
	ts = clock_at(ns);
	pthread_cond_timedwait(&r->wake, &r->lock, &ts);
}

static void
pause_ns(struct reaper *r, uint64_t ns)
{
	wait_until(r, clock_ns() + ns);
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
	size_t at;

	pthread_setname_np(pthread_self(), "reaper");
	pthread_mutex_lock(&r->lock);
	while (!r->stop) {
		if (sweep_due(r, clock_ns(), &at))
			sweep(r, at);
		else if (r->n > 0 || r->scanning)
			work(r);
		else
			wait_until(r, next_sweep(r));
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
	free(r->left);
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
reaper_left(struct reaper *r, struct vfs_id id)
{
	pthread_mutex_lock(&r->lock);
	leave(r, id);
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
	out->held = r->nleft;
	pthread_mutex_unlock(&r->lock);
}
