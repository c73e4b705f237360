#include <pthread.h>
#include <stdlib.h>
#include <time.h>

#include "../../protocol/err.h"
#include "../../protocol/limits.h"
#include "../clock.h"
#include "publisher.h"

#define ROWS_A_WRITE	250u		/* bytes, without sums */
#define RETRY_NS	1000000000ull	/* after a failure */
#define LINGER		16		/* ticks without drafts before sleep */
#define CAP_MIN		64u

/* One draft.  It is in its bucket's chain and in both lists. */
struct draft {
	uint64_t id;
	uint64_t first_ns, last_ns;	/* writes */
	uint64_t writes, end;		/* since published; the furthest */
	struct draft *chain;
	struct draft *prev[2], *next[2];
};

/* Lists in order of time: the head is due first. */
enum { BY_LAST, BY_FIRST };

struct publisher {
	publisher_fn *fn;
	void *arg;
	pthread_t thread;
	pthread_mutex_t lock;		/* guards the rest */
	pthread_cond_t wake;
	bool stop, asleep;
	struct draft *head[2], *tail[2];
	struct draft **buckets;
	size_t cap, n;			/* cap: a power of two */
	struct draft *spare;		/* one, so that a lone writer never
					 * allocates */
};

/* --- the table and the two lists ---------------------------------------- */

static struct draft **
bucket(struct publisher *p, uint64_t id)
{
	return &p->buckets[(id * 0x9e3779b97f4a7c15ull >> 32) & (p->cap - 1)];
}

static struct draft *
find(struct publisher *p, uint64_t id)
{
	struct draft *d = *bucket(p, id);

	while (d != NULL && d->id != id)
		d = d->chain;
	return d;
}

static void
list_del(struct publisher *p, struct draft *d, int by)
{
	if (d->prev[by] != NULL)
		d->prev[by]->next[by] = d->next[by];
	else
		p->head[by] = d->next[by];
	if (d->next[by] != NULL)
		d->next[by]->prev[by] = d->prev[by];
	else
		p->tail[by] = d->prev[by];
}

static void
list_append(struct publisher *p, struct draft *d, int by)
{
	d->next[by] = NULL;
	d->prev[by] = p->tail[by];
	if (p->tail[by] != NULL)
		p->tail[by]->next[by] = d;
	else
		p->head[by] = d;
	p->tail[by] = d;
}

static void
list_move(struct publisher *p, struct draft *d, int by)
{
	list_del(p, d, by);
	list_append(p, d, by);
}

/* Keeps chains short; without memory they just get longer. */
static void
grow(struct publisher *p)
{
	struct draft **old = p->buckets, *d;
	struct draft **b = calloc(p->cap * 2, sizeof *b);

	if (b == NULL)
		return;
	p->buckets = b;
	p->cap *= 2;
	free(old);
	for (d = p->head[BY_FIRST]; d != NULL; d = d->next[BY_FIRST]) {
		d->chain = *bucket(p, d->id);
		*bucket(p, d->id) = d;
	}
}

static struct draft *
add(struct publisher *p, uint64_t id, uint64_t now)
{
	struct draft *d = p->spare, **b;

	p->spare = NULL;
	if (d == NULL && (d = malloc(sizeof *d)) == NULL)
		return NULL;
	if (p->n >= p->cap)
		grow(p);
	b = bucket(p, id);
	d->id = id;
	d->first_ns = d->last_ns = now;
	d->writes = d->end = 0;
	d->chain = *b;
	*b = d;
	list_append(p, d, BY_LAST);
	list_append(p, d, BY_FIRST);
	p->n++;
	return d;
}

static void
del(struct publisher *p, struct draft *d)
{
	struct draft **b = bucket(p, d->id);

	while (*b != d)
		b = &(*b)->chain;
	*b = d->chain;
	list_del(p, d, BY_LAST);
	list_del(p, d, BY_FIRST);
	p->n--;
	if (p->spare == NULL)
		p->spare = d;
	else
		free(d);
}

/* --- the thread --------------------------------------------------------- */

static struct draft *
due(struct publisher *p, uint64_t now, bool *late, uint64_t *until)
{
	struct draft *d = p->head[BY_FIRST];

	*late = d != NULL && now >= d->first_ns + PUBLISH_LATEST_NS;
	if (*late)
		return d;
	if (d != NULL)
		*until = d->first_ns + PUBLISH_LATEST_NS;
	d = p->head[BY_LAST];
	if (d == NULL || now >= d->last_ns + PUBLISH_QUIET_NS)
		return d;
	if (d->last_ns + PUBLISH_QUIET_NS < *until)
		*until = d->last_ns + PUBLISH_QUIET_NS;
	return NULL;
}

/* Written to again, or failed: it stays in the lists. */
static void
publish(struct publisher *p, struct draft *d, bool late)
{
	struct vfs_id id = { d->id };
	uint64_t last = d->last_ns, now;
	int err;

	pthread_mutex_unlock(&p->lock);
	err = p->fn(p->arg, id, late);
	pthread_mutex_lock(&p->lock);

	if ((d = find(p, id.n)) == NULL)
		return;
	if (err == 0 && d->last_ns == last) {
		del(p, d);
		return;
	}
	now = clock_ns();
	if (err == 0 || err != -VFS_BUSY) {
		d->first_ns = now;
		list_move(p, d, BY_FIRST);
	}
	if (err == 0)
		d->writes = 1;
	if (d->last_ns == last) {
		d->last_ns = err == -VFS_BUSY ? now : now + RETRY_NS;
		list_move(p, d, BY_LAST);
	}
}

static void
wait_until(struct publisher *p, uint64_t ns)
{
	struct timespec ts = clock_at(ns);

	pthread_cond_timedwait(&p->wake, &p->lock, &ts);
}

/*
 * While drafts come and go within 2 ms, as those of small files do, the
 * thread ticks by its timer, and no writer pays for waking it.
 */
static void *
run(void *arg)
{
	struct publisher *p = arg;
	struct draft *d;
	unsigned idle = 0;
	uint64_t now, until;
	bool late;

	pthread_setname_np(pthread_self(), "publisher");
	pthread_mutex_lock(&p->lock);
	while (!p->stop) {
		now = clock_ns();
		until = UINT64_MAX;
		if ((d = due(p, now, &late, &until)) != NULL) {
			publish(p, d, late);
			idle = 0;
		} else if (p->n > 0) {
			wait_until(p, until);
			idle = 0;
		} else if (idle++ < LINGER) {
			wait_until(p, now + PUBLISH_QUIET_NS);
		} else {
			p->asleep = true;
			pthread_cond_wait(&p->wake, &p->lock);
			p->asleep = false;
			idle = 0;
		}
	}
	pthread_mutex_unlock(&p->lock);
	return NULL;
}

/* --- for the dispatcher ------------------------------------------------- */

int
publisher_new(publisher_fn *fn, void *arg, struct publisher **out)
{
	struct publisher *p = calloc(1, sizeof *p);
	pthread_condattr_t ca;

	if (p == NULL)
		return -VFS_NOMEM;
	p->fn = fn;
	p->arg = arg;
	p->cap = CAP_MIN;
	p->buckets = calloc(p->cap, sizeof *p->buckets);
	if (p->buckets == NULL) {
		free(p);
		return -VFS_NOMEM;
	}
	pthread_mutex_init(&p->lock, NULL);
	pthread_condattr_init(&ca);
	pthread_condattr_setclock(&ca, CLOCK_MONOTONIC);
	pthread_cond_init(&p->wake, &ca);
	pthread_condattr_destroy(&ca);
	if (pthread_create(&p->thread, NULL, run, p) != 0) {
		pthread_cond_destroy(&p->wake);
		pthread_mutex_destroy(&p->lock);
		free(p->buckets);
		free(p);
		return -VFS_NOMEM;
	}
	*out = p;
	return 0;
}

void
publisher_free(struct publisher *p)
{
	if (p == NULL)
		return;
	pthread_mutex_lock(&p->lock);
	p->stop = true;
	pthread_cond_signal(&p->wake);
	pthread_mutex_unlock(&p->lock);
	pthread_join(p->thread, NULL);
	while (p->head[BY_FIRST] != NULL)
		del(p, p->head[BY_FIRST]);
	free(p->spare);
	free(p->buckets);
	pthread_cond_destroy(&p->wake);
	pthread_mutex_destroy(&p->lock);
	free(p);
}

/* Each write brings a row or two, and may split others; all sums of the
 * rows that it splits are written anew. */
static uint64_t
rows_bytes(const struct draft *d)
{
	uint64_t all = 8 * (d->end / VFS_BLOCK + 2 * VFS_EXTENT_BLOCKS_MAX);
	uint64_t split = 8 * VFS_EXTENT_BLOCKS_MAX * d->writes;

	return ROWS_A_WRITE * d->writes + (all < split ? all : split);
}

/* Without memory to remember it, the draft waits for release or fsync. */
uint64_t
publisher_wrote(struct publisher *p, struct vfs_id id, uint64_t end)
{
	uint64_t now = clock_ns(), bytes = 0;
	struct draft *d;

	pthread_mutex_lock(&p->lock);
	if ((d = find(p, id.n)) != NULL) {
		d->last_ns = now;
		list_move(p, d, BY_LAST);
	} else {
		d = add(p, id.n, now);
	}
	if (d != NULL) {
		d->writes++;
		if (end > d->end)
			d->end = end;
		bytes = rows_bytes(d);
	}
	if (p->asleep) {
		p->asleep = false;
		pthread_cond_signal(&p->wake);
	}
	pthread_mutex_unlock(&p->lock);
	return bytes;
}

bool
publisher_forget(struct publisher *p, struct vfs_id id)
{
	struct draft *d;

	pthread_mutex_lock(&p->lock);
	if ((d = find(p, id.n)) != NULL)
		del(p, d);
	pthread_mutex_unlock(&p->lock);
	return d != NULL;
}

bool
publisher_is_quiet(struct publisher *p, struct vfs_id id)
{
	uint64_t now = clock_ns();
	struct draft *d;
	bool quiet;

	pthread_mutex_lock(&p->lock);
	d = find(p, id.n);
	quiet = d == NULL || now >= d->last_ns + PUBLISH_QUIET_NS;
	pthread_mutex_unlock(&p->lock);
	return quiet;
}
