/*
 * space.c - blocks free, kept, waiting, and promised by the host
 */
#include <assert.h>
#include <pthread.h>
#include <stdlib.h>
#include <string.h>

#include "../core/txn.h"
#include "freemap.h"
#include "space.h"

#define CHUNK_MAX	(SPACE_CHUNK_MAX / VFS_BLOCK)
#define WINDOWS		16u	/* files that grow at the same time */
#define WINDOW_BLOCKS	512u	/* kept contiguous for each */
#define STREAM_MIN	8u	/* blocks at once: this file will grow */
#define DISCARD_MIN	(1024u * 1024 / VFS_BLOCK)
#define YIELD_MIN	(64u * 1024 / VFS_BLOCK)
#define DISCARDS_MAX	65536u	/* at once; a damaged row may say that there
				 * is room for ages */

/* A freed range that waits. */
struct freed {
	uint64_t block, n, tick;
};

/* First in, first out; ticks only grow. */
struct queue {
	struct freed *ring;
	size_t cap, head, n;
	uint64_t blocks;
};

/* Taken from ready for the file that asked for what is before it, so
 * that it finds room behind its last block; given back when others
 * are more active, or in need. */
struct window {
	uint64_t next, n, used;		/* used: when, in allocations */
};

struct space {
	const struct data_ops *ops;
	void *data;
	bool rdonly;
	pthread_mutex_t mu;	/* guards all below */
	struct freemap *ready;	/* free, and the host has promised room */
	struct freemap *bare;	/* free, nothing promised */
	uint64_t end;		/* everything from here on was never used */
	struct queue published, drafts;
	struct window window[WINDOWS];
	uint64_t allocs;
	uint64_t yielded;	/* nothing of bare takes room before it */
};

int
space_new(const struct data_ops *ops, void *data, bool rdonly,
    struct space **out)
{
	struct space *s = calloc(1, sizeof *s);
	int err;

	if (s == NULL)
		return -VFS_NOMEM;
	s->ops = ops;
	s->data = data;
	s->rdonly = rdonly;
	s->end = 1;
	pthread_mutex_init(&s->mu, NULL);
	if ((err = freemap_new(&s->ready)) < 0 ||
	    (err = freemap_new(&s->bare)) < 0) {
		space_free(s);
		return err;
	}
	*out = s;
	return 0;
}

void
space_free(struct space *s)
{
	if (s == NULL)
		return;
	freemap_free(s->ready);
	freemap_free(s->bare);
	free(s->published.ring);
	free(s->drafts.ring);
	pthread_mutex_destroy(&s->mu);
	free(s);
}

/* Take what is still free of a range, whoever has the rest. */
static int
claim_rest(struct space *s, uint64_t block, uint64_t n)
{
	uint64_t at = block, start, len, end = block + n;
	int err;

	while (at < end && freemap_next(s->bare, at, &start, &len) == 0 &&
	    start < end) {
		if (start < at) {
			len -= at - start;
			start = at;
		}
		if (len > end - start)
			len = end - start;
		if ((err = freemap_del(s->bare, start, len)) < 0)
			return err;
		at = start + len;
	}
	return 0;
}

int
space_claim(struct space *s, uint64_t block, uint64_t n, bool shared)
{
	uint64_t old;
	int err = 0;

	if (block == 0 || n == 0 || block > UINT64_MAX / VFS_BLOCK - n)
		return -VFS_CORRUPT;
	pthread_mutex_lock(&s->mu);
	old = s->end;
	if (block + n > old) {
		err = freemap_add(s->bare, old, block + n - old);
		if (err == 0)
			s->end = block + n;
	}
	if (err == 0)
		err = shared ? claim_rest(s, block, n) :
		    freemap_del(s->bare, block, n);
	pthread_mutex_unlock(&s->mu);
	return err;
}

/* Ask the host for room in [start, start + *n), or for less of it. */
static int
promise(struct space *s, uint64_t start, uint64_t *n, uint32_t want)
{
	int err;

	for (;;) {
		err = s->ops->reserve(s->data, start * VFS_BLOCK,
		    *n * VFS_BLOCK);
		if (err == -VFS_UNSUPPORTED)
			err = 0;
		if (err != -VFS_NOSPC || *n <= 1)
			return err;
		*n = *n > 2 * (uint64_t)want ? *n / 4 : *n / 2;
	}
}

/* Make some blocks ready, near hint if that is possible. */
static int
refill(struct space *s, uint32_t want, uint64_t hint)
{
	uint64_t start, n;
	int err;

	if (freemap_find(s->bare, hint, CHUNK_MAX, &start, &n) == 0) {
		if ((err = promise(s, start, &n, want)) < 0)
			return err;
		if ((err = freemap_del(s->bare, start, n)) < 0)
			return err;
		return freemap_add(s->ready, start, n);
	}
	n = CHUNK_MAX;
	if ((err = promise(s, s->end, &n, want)) < 0)
		return err;
	if ((err = freemap_add(s->ready, s->end, n)) < 0)
		return err;
	s->end += n;
	return 0;
}

/* --- windows ------------------------------------------------------- */

static int
window_drop(struct space *s, struct window *w)
{
	int err = w->n > 0 ? freemap_add(s->ready, w->next, w->n) : 0;

	if (err == 0)
		w->n = 0;
	return err;
}

static int
windows_drop(struct space *s)
{
	unsigned i;
	int err = 0;

	for (i = 0; err == 0 && i < WINDOWS; i++)
		err = window_drop(s, &s->window[i]);
	return err;
}

static uint64_t
windows_total(const struct space *s)
{
	uint64_t n = 0;
	unsigned i;

	for (i = 0; i < WINDOWS; i++)
		n += s->window[i].n;
	return n;
}

/* Blocks behind the ones that hint follows; 0 if none are kept. */
static uint64_t
window_take(struct space *s, uint64_t hint, uint64_t want)
{
	struct window *w;
	uint64_t n;

	for (w = s->window; w < s->window + WINDOWS; w++) {
		if (w->n == 0 || w->next != hint)
			continue;
		n = w->n < want ? w->n : want;
		w->next += n;
		w->n -= n;
		w->used = s->allocs;
		return n;
	}
	return 0;
}

/* Keep [start, start + n) for whoever goes on at start. */
static int
window_keep(struct space *s, uint64_t start, uint64_t n)
{
	struct window *w, *old = s->window;
	int err;

	for (w = s->window; w < s->window + WINDOWS; w++)
		if (w->n == 0 || (old->n > 0 && w->used < old->used))
			old = w;
	if ((err = window_drop(s, old)) < 0)
		return err;
	*old = (struct window){ start, n, s->allocs };
	return 0;
}

/* A free range for all blocks of want where there is one: a scrap at hint
 * is left alone. */
static int
find_run(struct space *s, uint64_t hint, uint64_t want, uint64_t *start,
    uint64_t *n)
{
	uint64_t other, m;
	int err = freemap_find(s->ready, hint, want, start, n);

	if (err < 0 || *n >= want || *start != hint)
		return err;
	err = freemap_find(s->ready, *start + *n, want, &other, &m);
	if (err == 0 && m > *n) {
		*start = other;
		*n = m;
	}
	return 0;
}

/* --- allocating ---------------------------------------------------- */

/* For a file that grows: its blocks, and a window behind them. */
static int
alloc_new_stream(struct space *s, uint32_t want, uint64_t hint, uint64_t *start,
    uint64_t *n)
{
	uint64_t all = want > WINDOW_BLOCKS / 2 ? want * 2ull : WINDOW_BLOCKS;
	int err;

	if ((err = find_run(s, hint, all, start, n)) < 0)
		return err;
	if (*n < want)
		return -VFS_NOENT;
	if ((err = freemap_del(s->ready, *start, *n)) < 0 || *n == want)
		return err;
	if ((err = window_keep(s, *start + want, *n - want)) < 0)
		return err;
	*n = want;
	return 0;
}

static int
alloc_stream(struct space *s, uint32_t want, uint64_t hint, bool grows,
    uint64_t *start, uint64_t *n)
{
	s->allocs++;
	*start = hint;
	if (hint != 0 && (*n = window_take(s, hint, want)) > 0)
		return 0;
	return grows || want >= STREAM_MIN ?
	    alloc_new_stream(s, want, hint, start, n) : -VFS_NOENT;
}

static int
alloc_packed(struct space *s, uint32_t want, uint64_t hint, uint64_t *start,
    uint64_t *n)
{
	int err, more;

	err = find_run(s, hint, want, start, n);
	if (err < 0 || *n < want) {
		more = refill(s, want, hint);
		/* Before the host says no, what is kept for others goes. */
		if (more == -VFS_NOSPC && windows_total(s) > 0)
			more = windows_drop(s);
		if (more == 0)
			err = find_run(s, hint, want, start, n);
		else if (err < 0)
			err = more;
	}
	return err < 0 ? err : freemap_del(s->ready, *start, *n);
}

int
space_alloc(struct space *s, uint32_t want, uint64_t hint, uint64_t *block,
    uint32_t *got)
{
	bool grows = (hint & DATA_GROWS) != 0;
	uint64_t start = 0, n = 0;
	int err;

	assert(want > 0);
	hint &= ~DATA_GROWS;
	if (s->rdonly)
		return -VFS_ROFS;
	pthread_mutex_lock(&s->mu);
	err = alloc_stream(s, want, hint, grows, &start, &n);
	if (err == -VFS_NOENT)
		err = alloc_packed(s, want, hint, &start, &n);
	pthread_mutex_unlock(&s->mu);
	if (err < 0)
		return err;
	*block = start;
	*got = (uint32_t)n;
	return 0;
}

int
space_unalloc(struct space *s, uint64_t block, uint64_t n)
{
	int err;

	pthread_mutex_lock(&s->mu);
	err = freemap_add(s->ready, block, n);
	pthread_mutex_unlock(&s->mu);
	return err;
}

static int
push(struct queue *q, struct freed f)
{
	size_t i, cap;
	struct freed *ring;

	if (q->n > 0) {			/* often the next of the same run */
		struct freed *last = &q->ring[(q->head + q->n - 1) % q->cap];

		if (last->tick == f.tick && last->block + last->n == f.block) {
			last->n += f.n;
			q->blocks += f.n;
			return 0;
		}
	}
	if (q->n == q->cap) {
		cap = q->cap ? 2 * q->cap : 64;
		ring = malloc(cap * sizeof *ring);
		if (ring == NULL)
			return -VFS_NOMEM;
		for (i = 0; i < q->n; i++)
			ring[i] = q->ring[(q->head + i) % q->cap];
		free(q->ring);
		q->ring = ring;
		q->cap = cap;
		q->head = 0;
	}
	q->ring[(q->head + q->n++) % q->cap] = f;
	q->blocks += f.n;
	return 0;
}

int
space_defer(struct space *s, uint64_t block, uint64_t n, uint64_t tick,
    bool published)
{
	struct queue *q = published ? &s->published : &s->drafts;
	int err;

	pthread_mutex_lock(&s->mu);
	err = push(q, (struct freed){ block, n, tick });
	pthread_mutex_unlock(&s->mu);
	return err;
}

int
space_hold_free(struct space *s, uint64_t end, uint64_t tick)
{
	uint64_t at = 1, start, n;
	int err = 0;

	pthread_mutex_lock(&s->mu);
	if (end > s->end) {
		err = freemap_add(s->bare, s->end, end - s->end);
		if (err == 0)
			s->end = end;
	}
	while (err == 0 && freemap_next(s->bare, at, &start, &n) == 0) {
		at = start + n;
		err = freemap_del(s->bare, start, n);
		if (err == 0)
			err = push(&s->published,
			    (struct freed){ start, n, tick });
	}
	pthread_mutex_unlock(&s->mu);
	return err;
}

static int
settle_queue(struct space *s, struct queue *q, uint64_t upto)
{
	int err;

	while (q->n > 0 && q->ring[q->head].tick <= upto) {
		struct freed *f = &q->ring[q->head];

		if ((err = freemap_add(s->ready, f->block, f->n)) < 0)
			return err;
		q->blocks -= f->n;
		q->head = (q->head + 1) % q->cap;
		q->n--;
	}
	return 0;
}

/*
 * Give a range that is in neither map back, outside the lock: nobody can
 * take it meanwhile.  1.
 */
static int
give_back(struct space *s, uint64_t start, uint64_t n)
{
	int err;

	(void)s->ops->discard(s->data, start * VFS_BLOCK, n * VFS_BLOCK);
	pthread_mutex_lock(&s->mu);
	err = freemap_add(s->bare, start, n);
	pthread_mutex_unlock(&s->mu);
	return err < 0 ? err : 1;
}

/* The longest range of ready, if more than keep is there; else 0. */
static int
discard_one(struct space *s, uint64_t keep, uint64_t min)
{
	uint64_t start = 0, n = 0;
	bool more;
	int err = 0;

	pthread_mutex_lock(&s->mu);
	more = freemap_total(s->ready) > keep &&
	    freemap_find(s->ready, 1, UINT64_MAX, &start, &n) == 0 && n >= min;
	if (more && n > CHUNK_MAX)
		n = CHUNK_MAX;
	if (more)
		err = freemap_del(s->ready, start, n);
	pthread_mutex_unlock(&s->mu);
	return !more || err < 0 ? err : give_back(s, start, n);
}

/* What an earlier daemon kept; each range once. */
static int
yield_bare(struct space *s)
{
	uint64_t start = 0, n = 0;
	bool more;
	int err = 0;

	pthread_mutex_lock(&s->mu);
	do {
		more = freemap_next(s->bare, s->yielded, &start, &n) == 0;
		if (more && start < s->yielded) {
			n -= s->yielded - start;
			start = s->yielded;
		}
		if (more && n > CHUNK_MAX)
			n = CHUNK_MAX;
		if (more)
			s->yielded = start + n;
	} while (more && n < YIELD_MIN);
	if (more)
		err = freemap_del(s->bare, start, n);
	pthread_mutex_unlock(&s->mu);
	return !more || err < 0 ? err : give_back(s, start, n);
}

int
space_yield(struct space *s)
{
	int err = discard_one(s, 0, YIELD_MIN);

	return err == 0 ? yield_bare(s) : err;
}

int
space_settle(struct space *s, uint64_t readers_tick, uint64_t durable_tick)
{
	uint64_t upto = readers_tick < durable_tick ? readers_tick :
	    durable_tick;
	unsigned i;
	int err;

	pthread_mutex_lock(&s->mu);
	err = settle_queue(s, &s->drafts, readers_tick);
	if (err == 0)
		err = settle_queue(s, &s->published, upto);
	pthread_mutex_unlock(&s->mu);
	for (i = 0; i < DISCARDS_MAX && err >= 0; i++)
		if ((err = discard_one(s, SPACE_SLACK / VFS_BLOCK,
		    DISCARD_MIN)) == 0)
			break;
	return err < 0 ? err : 0;
}

void
space_usage(struct space *s, struct space_usage *out)
{
	pthread_mutex_lock(&s->mu);
	out->end = s->end;
	out->pending = s->published.blocks + s->drafts.blocks;
	out->free = freemap_total(s->ready) + freemap_total(s->bare) +
	    windows_total(s);
	out->used = s->end - 1 - out->free - out->pending;
	pthread_mutex_unlock(&s->mu);
}

static bool
in_queue(const struct queue *q, uint64_t block, uint64_t n)
{
	size_t i;

	for (i = 0; i < q->n; i++) {
		const struct freed *f = &q->ring[(q->head + i) % q->cap];

		if (f->block <= block && block + n <= f->block + f->n)
			return true;
	}
	return false;
}

static bool
in_window(const struct space *s, uint64_t block, uint64_t n)
{
	unsigned i;

	for (i = 0; i < WINDOWS; i++)
		if (s->window[i].n > 0 && s->window[i].next <= block &&
		    block + n <= s->window[i].next + s->window[i].n)
			return true;
	return false;
}

/* With mu: could it be handed out now? */
static bool
is_ready(struct space *s, uint64_t block, uint64_t n)
{
	uint64_t start, len;

	return block >= s->end ||
	    (freemap_next(s->ready, block, &start, &len) == 0 &&
	    start <= block && block + n <= start + len) ||
	    (freemap_next(s->bare, block, &start, &len) == 0 &&
	    start <= block && block + n <= start + len);
}

bool
space_is_ready(struct space *s, uint64_t block, uint64_t n)
{
	bool yes;

	pthread_mutex_lock(&s->mu);
	yes = is_ready(s, block, n);
	pthread_mutex_unlock(&s->mu);
	return yes;
}

bool
space_is_free(struct space *s, uint64_t block, uint64_t n)
{
	bool yes;

	pthread_mutex_lock(&s->mu);
	yes = is_ready(s, block, n) ||
	    in_queue(&s->published, block, n) ||
	    in_queue(&s->drafts, block, n) || in_window(s, block, n);
	pthread_mutex_unlock(&s->mu);
	return yes;
}
