/*
 * tx_list.c - which transactions are open, whose, and for how long
 */
#include <stdlib.h>
#include <string.h>

#include "../clock.h"
#include "tx_in.h"

#define DEAD_MAX	256u		/* expired ones that are remembered */

/* --- one ----------------------------------------------------------------- */

int
tx_new(struct server *s, struct tx **out)
{
	struct tx *t = calloc(1, sizeof *t);
	int err;

	if (t == NULL)
		return -VFS_NOMEM;
	if ((err = private_begin(server_engine(s), &t->priv)) < 0) {
		free(t);
		return err;
	}
	pthread_mutex_init(&t->lock, NULL);
	t->refs = 1;
	t->begun_ms = t->used_ms = clock_ms();
	t->idle_ms = VFS_TX_IDLE_MS;
	*out = t;
	return 0;
}

/* Nothing is left but the error that it answers with. */
static void
drop(struct server *s, struct tx *t, int err)
{
	items_cut(s, &t->items, 0, false);
	speculation_drop(server_txs(s)->speculator, t);
	later_free(&t->later);
	deps_free(&t->deps);
	private_end(t->priv);
	t->priv = NULL;
	t->dead = err;
}

void
tx_free(struct server *s, struct tx *t)
{
	if (t == NULL)
		return;
	drop(s, t, -VFS_TX_UNKNOWN);
	pthread_mutex_destroy(&t->lock);
	free(t);
}

/* --- the list of open ones ----------------------------------------------- */

/* A dead one gives its memory back at once. */
static void
bury(struct server *s, struct tx *t)
{
	if (t->dead != 0 && t->priv != NULL)
		drop(s, t, t->dead);
}

static bool
due(const struct tx *t, uint64_t now_ms)
{
	return now_ms > t->used_ms + t->idle_ms ||
	    now_ms > t->begun_ms + VFS_TX_LIFE_MS;
}

void
tx_expire(struct server *s, uint64_t now_ms)
{
	struct txs *x = server_txs(s);
	struct tx *t;

	pthread_mutex_lock(&x->lock);
	for (t = x->list; t != NULL; t = t->next) {
		if (pthread_mutex_trylock(&t->lock) != 0)
			continue;	/* at work */
		if (t->dead == 0 && due(t, now_ms)) {
			t->dead = -VFS_EXPIRED;
			bury(s, t);
			x->counts.open--;
			x->counts.expired++;
		}
		pthread_mutex_unlock(&t->lock);
	}
	pthread_mutex_unlock(&x->lock);
}

/* Under txs.lock: take it out; whoever has it still frees it. */
static void
unlist(struct server *s, struct tx **at)
{
	struct tx *t = *at;

	*at = t->next;
	t->next = NULL;
	if (--t->refs == 0)
		tx_free(s, t);
}

/* Too many that nobody came back for: forget the last of the list, which
 * is the oldest. */
static void
forget_dead(struct server *s, struct txs *x)
{
	struct tx **at, **last = NULL;
	unsigned n = 0;

	for (at = &x->list; *at != NULL; at = &(*at)->next)
		if ((*at)->dead != 0 && (*at)->refs == 1) {
			last = at;
			n++;
		}
	if (n > DEAD_MAX)
		unlist(s, last);
}

int
tx_begin(struct server *s, unsigned max, uint64_t owner,
    const struct vfs_tx_begin *q, struct vfs_tx_begin_reply *r)
{
	struct txs *x = server_txs(s);
	struct tx *t;
	int err;

	if (q->flags != 0)
		return -VFS_INVAL;
	tx_expire(s, clock_ms());
	if ((err = tx_new(s, &t)) < 0)
		return err;
	t->owner = owner;
	if (q->idle_ms > t->idle_ms)
		t->idle_ms = q->idle_ms < VFS_TX_IDLE_MS_MAX ? q->idle_ms :
		    VFS_TX_IDLE_MS_MAX;
	*r = (struct vfs_tx_begin_reply){
		.seq = private_seq(t->priv).n, .max_ops = VFS_TX_OPS_MAX,
		.max_bytes = engine_commit_max(server_engine(s)),
		.idle_ms = (uint32_t)t->idle_ms,
	};
	pthread_mutex_lock(&x->lock);
	forget_dead(s, x);
	if (x->counts.open >= max) {
		err = -VFS_TX_LIMIT;
	} else {
		x->counts.open++;
		r->tx = t->number = ++x->next;
		t->next = x->list;
		x->list = t;
	}
	pthread_mutex_unlock(&x->lock);
	if (err < 0)
		tx_free(s, t);
	return err;
}

int
tx_get(struct server *s, struct tx_ref ref, struct tx **out)
{
	struct txs *x = server_txs(s);
	struct tx *t;
	int err;

	pthread_mutex_lock(&x->lock);
	for (t = x->list; t != NULL && (t->number != ref.tx ||
	    t->owner != ref.owner); t = t->next)
		;
	if (t != NULL)
		t->refs++;
	pthread_mutex_unlock(&x->lock);
	if (t == NULL)
		return -VFS_TX_UNKNOWN;
	pthread_mutex_lock(&t->lock);
	if ((err = t->dead) < 0) {
		tx_put(s, t);
		return err;
	}
	t->used_ms = clock_ms();
	*out = t;
	return 0;
}

/* What died while it was out is no longer counted. */
void
tx_put(struct server *s, struct tx *t)
{
	struct txs *x = server_txs(s);
	bool died = t->dead != 0 && t->priv != NULL;
	bool last;

	if (died)
		bury(s, t);
	pthread_mutex_unlock(&t->lock);
	pthread_mutex_lock(&x->lock);
	if (died)
		x->counts.open--;
	last = --t->refs == 0;
	pthread_mutex_unlock(&x->lock);
	if (last)
		tx_free(s, t);
}

/* Takes it out of the list, whatever it is. */
void
tx_forget(struct server *s, uint64_t number)
{
	struct txs *x = server_txs(s);
	struct tx **at;

	pthread_mutex_lock(&x->lock);
	for (at = &x->list; *at != NULL && (*at)->number != number;
	    at = &(*at)->next)
		;
	if (*at != NULL)
		unlist(s, at);
	pthread_mutex_unlock(&x->lock);
}

uint32_t
tx_open(struct server *s, uint64_t owner)
{
	struct txs *x = server_txs(s);
	const struct tx *t;
	uint32_t n = 0;

	pthread_mutex_lock(&x->lock);
	for (t = x->list; t != NULL; t = t->next)
		n += t->owner == owner && t->dead == 0;
	pthread_mutex_unlock(&x->lock);
	return n;
}

/* --- start and end ------------------------------------------------------- */

int
txs_new(struct server *s, struct txs **out)
{
	struct txs *x = calloc(1, sizeof *x);
	int err;

	if (x == NULL)
		return -VFS_NOMEM;
	if ((err = txids_new(server_engine(s), &x->ids)) < 0 ||
	    (err = speculator_new(s, &x->speculator)) < 0) {
		speculator_free(x->speculator);
		txids_free(x->ids);
		free(x);
		return err;
	}
	pthread_mutex_init(&x->lock, NULL);
	*out = x;
	return 0;
}

/* No front is left. */
void
txs_free(struct server *s, struct txs *x)
{
	if (x == NULL)
		return;
	while (x->list != NULL)
		unlist(s, &x->list);
	speculator_free(x->speculator);
	txids_free(x->ids);
	pthread_mutex_destroy(&x->lock);
	free(x);
}
