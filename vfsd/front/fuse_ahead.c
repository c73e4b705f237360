/*
 * fuse_ahead.c - the next page of a directory stream, before it is asked for
 *
 * One page at a time for the whole mount.  A handle whose page was not good,
 * or had to go for somebody else's, asks for no more.
 */
#include <stdlib.h>
#include <string.h>

#include "../engine/engine.h"
#include "fuse_dir.h"

enum state { EMPTY, ASKED, MAKING, READY, TAKEN };

struct fuse_ahead {
	pthread_mutex_t lock;		/* all below, but for what is MAKING
					 * or TAKEN: that one's thread's */
	pthread_cond_t wake, made;
	pthread_t thread;
	bool stop;
	enum state state;
	struct fuse_page page;
	struct req_env env;
	uint64_t tick;			/* from before it was made */
	struct fuse_page_out out;
	uint64_t made_n, sent, stale;	/* pages, so far */
};

static bool
is_page(const struct fuse_ahead *a, const struct fuse_page *page)
{
	const struct fuse_page *b = &a->page;

	return b->fh == page->fh && b->dir.n == page->dir.n &&
	    b->cookie == page->cookie && b->fence == page->fence &&
	    b->cap == page->cap && b->plus == page->plus;
}

static uint64_t
tick(struct fuse_front *f)
{
	return engine_tick(server_engine(f->conf.server));
}

/* The lock is held at call and return. */
static void
make(struct fuse_front *f, struct fuse_ahead *a)
{
	int err;

	a->state = MAKING;
	pthread_mutex_unlock(&a->lock);
	a->tick = tick(f);
	a->out.n = 0;
	err = fuse_page_make(f, &a->env, &a->page, &a->out);
	pthread_mutex_lock(&a->lock);
	a->state = err == 0 && a->out.n > 0 ? READY : EMPTY;
	a->made_n++;
	pthread_cond_broadcast(&a->made);
}

static void *
run(void *arg)
{
	struct fuse_front *f = arg;
	struct fuse_ahead *a = f->ahead;

	pthread_mutex_lock(&a->lock);
	while (!a->stop) {
		if (a->state == ASKED)
			make(f, a);
		else
			pthread_cond_wait(&a->wake, &a->lock);
	}
	pthread_mutex_unlock(&a->lock);
	return NULL;
}

int
fuse_ahead_start(struct fuse_front *f)
{
	struct fuse_ahead *a = calloc(1, sizeof *a);

	if (a == NULL || (a->out.p = malloc(VFS_IO_MAX)) == NULL) {
		free(a);
		return -VFS_NOMEM;
	}
	pthread_mutex_init(&a->lock, NULL);
	pthread_cond_init(&a->wake, NULL);
	pthread_cond_init(&a->made, NULL);
	f->ahead = a;
	if (pthread_create(&a->thread, NULL, run, f) == 0)
		return 0;
	a->stop = true;			/* there is nothing to join */
	fuse_ahead_stop(f);
	return -VFS_NOMEM;
}

void
fuse_ahead_stop(struct fuse_front *f)
{
	struct fuse_ahead *a = f->ahead;
	bool runs;

	if (a == NULL)
		return;
	pthread_mutex_lock(&a->lock);
	runs = !a->stop;
	a->stop = true;
	pthread_cond_signal(&a->wake);
	pthread_mutex_unlock(&a->lock);
	if (runs)
		pthread_join(a->thread, NULL);
	pthread_cond_destroy(&a->wake);
	pthread_cond_destroy(&a->made);
	pthread_mutex_destroy(&a->lock);
	free(a->out.p);
	free(a);
	f->ahead = NULL;
}

void
fuse_ahead_ask(struct freq *q, struct fuse_handle *h,
    const struct fuse_page *page)
{
	struct fuse_ahead *a = q->f->ahead;

	if (a == NULL || atomic_load(&h->ahead) == FUSE_AHEAD_NEVER)
		return;
	pthread_mutex_lock(&a->lock);
	if (a->state != MAKING && a->state != TAKEN) {
		a->page = *page;
		a->env = q->env;
		a->env.stop = NULL;	/* it is q's */
		a->state = ASKED;
		atomic_store(&h->ahead, FUSE_AHEAD_ASKED);
		pthread_cond_signal(&a->wake);
	}
	pthread_mutex_unlock(&a->lock);
}

bool
fuse_ahead_take(struct freq *q, struct fuse_handle *h,
    const struct fuse_page *page, struct fuse_page_out *out)
{
	struct fuse_ahead *a = q->f->ahead;
	unsigned then = FUSE_AHEAD_NEVER;
	bool good = false;

	if (atomic_load(&h->ahead) != FUSE_AHEAD_ASKED)
		return false;
	pthread_mutex_lock(&a->lock);
	while (a->state == MAKING && is_page(a, page))
		pthread_cond_wait(&a->made, &a->lock);
	if (a->state == READY && is_page(a, page)) {
		good = a->tick == tick(q->f);
		a->state = good ? TAKEN : EMPTY;
		a->sent += good;
		a->stale += !good;
		if (good)		/* else *out keeps its own room */
			*out = a->out;
	} else if (a->state == ASKED && is_page(a, page)) {
		a->state = EMPTY;	/* here it is made sooner */
		then = FUSE_AHEAD_MAY;
	}
	pthread_mutex_unlock(&a->lock);
	atomic_store(&h->ahead, good ? FUSE_AHEAD_MAY : then);
	return good;
}

void
fuse_ahead_done(struct freq *q)
{
	struct fuse_ahead *a = q->f->ahead;

	pthread_mutex_lock(&a->lock);
	a->state = EMPTY;
	pthread_mutex_unlock(&a->lock);
}

void
fuse_ahead_count(struct fuse_front *f, struct fuse_stats *out)
{
	struct fuse_ahead *a = f->ahead;

	pthread_mutex_lock(&a->lock);
	out->pages_ahead = a->made_n;
	out->pages_sent = a->sent;
	out->pages_stale = a->stale;
	pthread_mutex_unlock(&a->lock);
}
