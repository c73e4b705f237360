/*
 * tx_speculate.c - what waits for a commit is run before it
 *
 * The parts of a large transaction take a while to come, and the commit
 * would have to run them all.  So a thread runs each when it has come, as if
 * it were the commit's turn.  If nobody else commits until it is, the commit
 * only logs what is there already; and if somebody does, or anything fails,
 * all that is forgotten, and the commit runs the operations itself.
 */
#include <stdlib.h>
#include <string.h>

#include "tx_in.h"

#define STEP		64u	/* operations, then others may have a turn */

struct speculator {
	struct server *s;
	pthread_t thread;
	pthread_mutex_t lock;		/* guards the rest */
	pthread_cond_t wake, left;
	bool started, stop;
	bool busy;			/* it is at a part of tx */
	struct tx *tx;			/* whose parts; NULL: nobody's */
	const struct part *done, *last;	/* of its parts; NULL: none yet */
	atomic_bool cancel;		/* it need not go on */
};

/* --- one part ------------------------------------------------------------ */

static void
forget(struct server *s, struct speculation *x)
{
	private_end(x->priv);
	items_cut(s, &x->items, 0, false);
	free(x->orphans.v);
	free(x->briefs);
	*x = (struct speculation){ 0 };
}

static int
room(struct speculation *x, size_t n)
{
	size_t cap = 2 * x->items.cap;
	struct proto_brief *v;

	if (n <= x->items.cap)
		return 0;
	if (cap < n)
		cap = n;
	if (items_room(&x->items, cap) < 0 ||
	    (v = realloc(x->briefs, cap * sizeof *v)) == NULL)
		return -VFS_NOMEM;
	x->briefs = v;
	return 0;
}

static int
run_one(struct speculation *x, struct txn *p, const struct packed *op)
{
	struct item *it = items_add_packed(&x->items, op);
	size_t i = x->items.n - 1;
	union proto_rep rep;
	int err;

	err = item_run(&x->items, i, p, &rep, &x->orphans);
	return err < 0 ? err : item_brief(it, p, &rep, &x->briefs[i]);
}

/* Operations from i on, not for long. */
static int
run_some(struct speculator *sp, struct speculation *x, const struct part *k,
    uint32_t i)
{
	uint32_t end = k->n - i > STEP ? i + STEP : k->n;
	struct txn *p;
	int err = private_enter(x->priv, &k->env, &p);

	if (err < 0)
		return err;
	for (; err == 0 && i < end; i++)
		err = atomic_load(&sp->cancel) ? -VFS_CANCELLED :
		    run_one(x, p, &k->ops[i]);
	private_leave(x->priv);
	return err;
}

static int
run_part(struct speculator *sp, struct speculation *x, const struct part *k)
{
	struct engine *e = server_engine(sp->s);
	uint32_t i;
	int err = 0;

	if (x->priv == NULL)
		err = speculation_begin(e, &x->priv);
	if (err == 0)
		err = room(x, x->items.n + k->n);
	for (i = 0; err == 0 && i < k->n; i += STEP)
		err = run_some(sp, x, k, i);
	if (err == 0 && private_record(x->priv) > engine_commit_max(e))
		err = -VFS_TX_LIMIT;
	return err;
}

/* --- the thread ---------------------------------------------------------- */

static void
run_next(struct speculator *sp)
{
	struct tx *t = sp->tx;
	const struct part *k = sp->done == NULL ? t->later.first :
	    sp->done->next;
	int err;

	sp->busy = true;
	pthread_mutex_unlock(&sp->lock);
	if ((err = run_part(sp, &t->spec, k)) < 0)
		forget(sp->s, &t->spec);
	pthread_mutex_lock(&sp->lock);
	sp->busy = false;
	sp->done = k;
	if (err < 0) {
		t->spec.over = err != -VFS_BUSY;
		sp->tx = NULL;
	}
	pthread_cond_broadcast(&sp->left);
}

static void *
run(void *arg)
{
	struct speculator *sp = arg;

	pthread_setname_np(pthread_self(), "speculator");
	pthread_mutex_lock(&sp->lock);
	while (!sp->stop) {
		if (sp->tx != NULL && sp->done != sp->last)
			run_next(sp);
		else
			pthread_cond_wait(&sp->wake, &sp->lock);
	}
	pthread_mutex_unlock(&sp->lock);
	return NULL;
}

int
speculator_new(struct server *s, struct speculator **out)
{
	struct speculator *sp = calloc(1, sizeof *sp);

	if (sp == NULL)
		return -VFS_NOMEM;
	sp->s = s;
	pthread_mutex_init(&sp->lock, NULL);
	pthread_cond_init(&sp->wake, NULL);
	pthread_cond_init(&sp->left, NULL);
	/* Without it all is as slow as it was, and works. */
	sp->started = pthread_create(&sp->thread, NULL, run, sp) == 0;
	*out = sp;
	return 0;
}

void
speculator_free(struct speculator *sp)
{
	if (sp == NULL)
		return;
	pthread_mutex_lock(&sp->lock);
	sp->stop = true;
	pthread_cond_signal(&sp->wake);
	pthread_mutex_unlock(&sp->lock);
	if (sp->started)
		pthread_join(sp->thread, NULL);
	pthread_cond_destroy(&sp->left);
	pthread_cond_destroy(&sp->wake);
	pthread_mutex_destroy(&sp->lock);
	free(sp);
}

/* --- its clients --------------------------------------------------------- */

/* All that came of another one is run, and somebody has committed since:
 * it is idle, and cannot win any more. */
static void
put_out(struct speculator *sp)
{
	struct tx *t = sp->tx;

	if (t == NULL || sp->busy || sp->done != sp->last ||
	    speculation_holds(t->spec.priv))
		return;
	forget(sp->s, &t->spec);
	t->spec.over = true;
	sp->tx = NULL;
}

void
speculate(struct speculator *sp, struct tx *t)
{
	/* A session that is confined says what it sees: not to this thread. */
	if (!sp->started || t->later.confined) {
		speculation_drop(sp, t);
		return;
	}
	pthread_mutex_lock(&sp->lock);
	if (sp->tx != t)
		put_out(sp);
	if (sp->tx == NULL && !t->spec.over) {
		sp->tx = t;
		sp->done = NULL;
		atomic_store(&sp->cancel, false);
	}
	if (sp->tx == t) {
		sp->last = t->later.last;
		if (!sp->busy)
			pthread_cond_signal(&sp->wake);
	}
	pthread_mutex_unlock(&sp->lock);
}

/* t's part in it ends: at once, or when all is run. */
static void
take_back(struct speculator *sp, struct tx *t, bool all)
{
	pthread_mutex_lock(&sp->lock);
	if (sp->tx == t && !all)
		atomic_store(&sp->cancel, true);
	while (sp->tx == t && (sp->busy || (all && sp->done != sp->last)))
		pthread_cond_wait(&sp->left, &sp->lock);
	if (sp->tx == t)
		sp->tx = NULL;
	pthread_mutex_unlock(&sp->lock);
}

bool
speculation_end(struct speculator *sp, struct tx *t)
{
	take_back(sp, t, true);
	return t->spec.priv != NULL && t->spec.items.n == t->later.n;
}

void
speculation_drop(struct speculator *sp, struct tx *t)
{
	take_back(sp, t, false);
	forget(sp->s, &t->spec);
	t->spec.over = true;
}

int
speculation_told(const struct speculation *x, struct orphans *o,
    struct tx_verdict *v)
{
	size_t n = x->items.n, told = n < v->cap ? n : v->cap;

	if (x->orphans.n > 0) {
		free(o->v);
		*o = (struct orphans){ .cap = x->orphans.n };
		if ((o->v = malloc(o->cap * sizeof *o->v)) == NULL)
			return -VFS_NOMEM;
		memcpy(o->v, x->orphans.v, o->cap * sizeof *o->v);
		o->n = o->cap;
	}
	v->nresults = n;
	if (told > 0)
		memcpy(v->results, x->briefs, told * sizeof *v->results);
	return 0;
}
