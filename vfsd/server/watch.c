#include <pthread.h>
#include <stdatomic.h>
#include <stdlib.h>

#include "dispatch_in.h"
#include "../engine/engine.h"
#include "share.h"
#include "watch.h"

#define ROOM	2048u			/* for one record */

struct watch {
	struct watch_conf conf;		/* its cursor moves on */
	uint64_t number;
	bool armed;
	struct watch *next;
};

struct watches {
	struct server *s;
	pthread_t thread;
	bool started;
	struct committed hook;
	_Atomic unsigned armed;
	_Atomic bool news;		/* since the thread has looked */
	pthread_mutex_t lock;		/* guards the rest */
	pthread_cond_t wake, idle;
	bool stop;
	uint64_t numbers, busy;		/* busy: whose turn it is; 0 */
	unsigned n;
	struct watch *head;
};

/* --- a commit ----------------------------------------------------------- */

static void
wake(struct watches *w)
{
	pthread_mutex_lock(&w->lock);
	pthread_cond_signal(&w->wake);
	pthread_mutex_unlock(&w->lock);
}

/*
 * Behind the store of the commit's number: whoever arms after this load
 * finds its records when he looks, which he does first.
 */
static void
committed(void *arg, struct vfs_seq seq, uint32_t kinds)
{
	struct watches *w = arg;

	(void)seq, (void)kinds;
	if (atomic_load(&w->armed) == 0 || atomic_exchange(&w->news, true))
		return;
	wake(w);
}

/* --- looking ------------------------------------------------------------ */

/* Is there something behind conf's cursor?  1, and its commit; 0, and the
 * cursor stands at the end. */
static int
look(struct watches *w, struct watch_conf *conf, uint64_t *seq)
{
	struct vfs_journal_read q = { .subtree = conf->subtree,
		.mask = conf->mask, .max = 1 };
	uint8_t room[ROOM];
	struct vfs_journal_read_reply r;
	struct req_env env;
	struct txn *t;
	int err;

	server_env(&env);
	do {
		q.seq = conf->seq;
		q.idx = conf->idx;
		r = (struct vfs_journal_read_reply){
			.records = { room, sizeof room, 0 } };
		err = txn_begin(w->s->engine, TXN_READ, &env, &t);
		if (err < 0)
			return err;
		err = op_journal_read(t, &q, &r);
		txn_abort(t);
		*seq = r.seq;
		if (err < 0 || r.n > 0)
			return err < 0 ? err : 1;
		conf->seq = r.seq;
		conf->idx = r.idx;
	} while (r.more);
	return 0;
}

static struct watch *
find(struct watches *w, uint64_t number)
{
	struct watch *x = w->head;

	while (x != NULL && x->number != number)
		x = x->next;
	return x;
}

static void
disarm(struct watches *w, struct watch *x)
{
	if (x->armed)
		atomic_fetch_sub(&w->armed, 1);
	x->armed = false;
}

/* Who reads the journal and finds an error will be told of it, too. */
static void
serve(struct watches *w, struct watch *x)
{
	struct watch_conf was = x->conf, conf = was;
	uint64_t number = x->number, seq = 0;
	int found;

	w->busy = number;
	pthread_mutex_unlock(&w->lock);
	found = look(w, &conf, &seq);
	pthread_mutex_lock(&w->lock);
	if ((x = find(w, number)) != NULL && x->armed &&
	    x->conf.seq == was.seq && x->conf.idx == was.idx) {
		x->conf = conf;
		if (found != 0) {
			disarm(w, x);
			pthread_mutex_unlock(&w->lock);
			conf.notify(conf.arg, seq);
			pthread_mutex_lock(&w->lock);
		}
	}
	w->busy = 0;
	pthread_cond_broadcast(&w->idle);
}

/* The armed one with the least number above last: the list may change in
 * between. */
static struct watch *
after(struct watches *w, uint64_t last)
{
	struct watch *x, *best = NULL;

	for (x = w->head; x != NULL; x = x->next)
		if (x->armed && x->number > last &&
		    (best == NULL || x->number < best->number))
			best = x;
	return best;
}

static void *
run(void *arg)
{
	struct watches *w = arg;
	struct watch *x;
	uint64_t last;

	pthread_setname_np(pthread_self(), "watch");
	pthread_mutex_lock(&w->lock);
	while (!w->stop) {
		if (!atomic_exchange(&w->news, false)) {
			pthread_cond_wait(&w->wake, &w->lock);
			continue;
		}
		for (last = 0; !w->stop && (x = after(w, last)) != NULL;) {
			last = x->number;
			serve(w, x);
		}
	}
	pthread_mutex_unlock(&w->lock);
	return NULL;
}

/* --- for the fronts ----------------------------------------------------- */

static void
arm(struct watches *w, struct watch *x)
{
	if (!x->armed)
		atomic_fetch_add(&w->armed, 1);
	x->armed = true;
	atomic_store(&w->news, true);
	pthread_cond_signal(&w->wake);
}

int
watch_add(struct server *s, const struct watch_conf *conf, uint64_t *number)
{
	struct watches *w = s->watches;
	struct watch *x = calloc(1, sizeof *x);
	int err = 0;

	if (x == NULL)
		return -VFS_NOMEM;
	x->conf = *conf;
	pthread_mutex_lock(&w->lock);
	if (w->n >= share_of(VFS_WATCHES_MAX, !conf->foreign)) {
		err = -VFS_TX_LIMIT;
	} else {
		*number = x->number = ++w->numbers;
		x->next = w->head;
		w->head = x;
		w->n++;
		arm(w, x);
		x = NULL;
	}
	pthread_mutex_unlock(&w->lock);
	free(x);
	return err;
}

int
watch_arm(struct server *s, uint64_t number, uint64_t seq, uint32_t idx)
{
	struct watches *w = s->watches;
	struct watch *x;

	pthread_mutex_lock(&w->lock);
	if ((x = find(w, number)) != NULL) {
		x->conf.seq = seq;
		x->conf.idx = idx;
		arm(w, x);
	}
	pthread_mutex_unlock(&w->lock);
	return x != NULL ? 0 : -VFS_NOENT;
}

void
watch_rest(struct server *s, uint64_t number)
{
	struct watches *w = s->watches;
	struct watch *x;

	pthread_mutex_lock(&w->lock);
	if ((x = find(w, number)) != NULL)
		disarm(w, x);
	while (w->busy == number)
		pthread_cond_wait(&w->idle, &w->lock);
	pthread_mutex_unlock(&w->lock);
}

int
watch_del(struct server *s, uint64_t number)
{
	struct watches *w = s->watches;
	struct watch **at, *x = NULL;

	pthread_mutex_lock(&w->lock);
	for (at = &w->head; *at != NULL && (*at)->number != number;)
		at = &(*at)->next;
	if ((x = *at) != NULL) {
		*at = x->next;
		w->n--;
		disarm(w, x);
	}
	while (w->busy == number)
		pthread_cond_wait(&w->idle, &w->lock);
	pthread_mutex_unlock(&w->lock);
	if (x == NULL)
		return -VFS_NOENT;
	free(x);
	return 0;
}

/* --- start and end ------------------------------------------------------ */

int
watches_new(struct server *s, struct watches **out)
{
	struct watches *w = calloc(1, sizeof *w);

	if (w == NULL)
		return -VFS_NOMEM;
	w->s = s;
	w->hook = (struct committed){ committed, w };
	pthread_mutex_init(&w->lock, NULL);
	pthread_cond_init(&w->wake, NULL);
	pthread_cond_init(&w->idle, NULL);
	w->started = pthread_create(&w->thread, NULL, run, w) == 0;
	if (!w->started) {
		watches_free(w);
		return -VFS_NOMEM;
	}
	engine_on_commit(s->engine, &w->hook);
	*out = w;
	return 0;
}

void
watches_free(struct watches *w)
{
	struct watch *x;

	if (w == NULL)
		return;
	engine_on_commit(w->s->engine, NULL);
	if (w->started) {
		pthread_mutex_lock(&w->lock);
		w->stop = true;
		pthread_cond_signal(&w->wake);
		pthread_mutex_unlock(&w->lock);
		pthread_join(w->thread, NULL);
	}
	while ((x = w->head) != NULL) {
		w->head = x->next;
		free(x);
	}
	pthread_cond_destroy(&w->wake);
	pthread_cond_destroy(&w->idle);
	pthread_mutex_destroy(&w->lock);
	free(w);
}
