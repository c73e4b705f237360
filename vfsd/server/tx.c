/*
 * tx.c - what fronts ask of transactions
 */
#include <stdlib.h>
#include <string.h>

#include "tx_in.h"

int
tx_answered(struct server *s, const uint8_t *tx_id,
    const uint64_t digest[2], struct tx_verdict *v)
{
	uint64_t was[2];
	struct txn *t;
	int found;

	if (tx_id == NULL)
		return 0;
	found = txn_begin(server_engine(s), TXN_READ, &tx_nobody, &t);
	if (found < 0)
		return found;
	found = txids_find(t, tx_id, was, v);
	txn_abort(t);
	if (found <= 0)
		return found;
	if (was[0] != digest[0] || was[1] != digest[1])
		return -VFS_INVAL;
	v->repeated = true;
	return 1;
}

/* --- what fronts ask ----------------------------------------------------- */

int
tx_op(struct server *s, const struct req_env *env, struct tx_ref ref,
    enum vfs_op op, const void *q, void *r)
{
	struct tx *t;
	int err;

	if ((err = tx_get(s, ref, &t)) < 0)
		return err;
	err = tx_run_op(s, t, env, op, q, r);
	if (err == -VFS_EXPIRED)
		t->dead = err;
	tx_put(s, t);
	return err;
}

int
tx_savepoint(struct server *s, struct tx_ref ref, uint32_t *savepoint)
{
	struct tx *t;
	int err;

	if ((err = tx_get(s, ref, &t)) < 0)
		return err;
	if (t->later.n > 0) {
		err = -VFS_INVAL;	/* nobody knows yet how it is */
	} else if (t->nsaves == VFS_TX_SAVEPOINTS_MAX) {
		err = -VFS_TX_LIMIT;
	} else {
		t->saves[t->nsaves].number = *savepoint = ++t->last_save;
		t->saves[t->nsaves++].n = t->items.n;
	}
	tx_put(s, t);
	return err;
}

int
tx_rollback_to(struct server *s, struct tx_ref ref, uint32_t savepoint)
{
	struct tx *t;
	unsigned i;
	int err;

	if ((err = tx_get(s, ref, &t)) < 0)
		return err;
	for (i = 0; i < t->nsaves && t->saves[i].number != savepoint; i++)
		;
	if (i == t->nsaves) {
		err = -VFS_INVAL;
	} else {
		t->nsaves = i + 1;
		err = tx_cut(s, t, t->saves[i].n);
	}
	tx_put(s, t);
	return err;
}

/* An answer that got lost: the commit is found by its name. */
static int
lost_answer(struct server *s, const struct vfs_tx_commit *q,
    const uint8_t *tx_id, struct tx_verdict *v)
{
	static const uint64_t interactive[2];
	int found = tx_answered(s, tx_id, interactive, v);

	if (found <= 0)
		return found < 0 ? found : -VFS_TX_UNKNOWN;
	return q->durability == VFS_TX_STABLE ?
	    engine_sync(server_engine(s)) : 0;
}

void
tx_tally(struct server *s, int err)
{
	struct txs *x = server_txs(s);

	pthread_mutex_lock(&x->lock);
	if (err == 0)
		x->counts.commits++;
	else if (err == -VFS_CONFLICT)
		x->counts.conflicts++;
	else
		x->counts.aborts++;
	pthread_mutex_unlock(&x->lock);
}

void
tx_speculated(struct server *s)
{
	struct txs *x = server_txs(s);

	pthread_mutex_lock(&x->lock);
	x->counts.speculated++;
	pthread_mutex_unlock(&x->lock);
}

/* Who only looked has seen one state, and need not be told of later ones. */
static int
commit_one(struct server *s, struct tx *t, const struct req_env *env,
    const struct vfs_tx_commit *q, const uint8_t *tx_id,
    struct tx_verdict *v)
{
	struct commit c = { .env = env, .items = &t->items,
		.deps = &t->deps, .own = tx_own(t), .tx_id = tx_id,
		.durability = q->durability };
	struct deps none = { 0 };

	if (t->items.n == 0) {
		c.deps = &none;
		v->seq = private_seq(t->priv);
		if (tx_id == NULL)
			return 0;
	}
	return commit_run(s, &c, v);
}

int
tx_commit(struct server *s, const struct req_env *env, uint64_t owner,
    const struct vfs_tx_commit *q, struct tx_verdict *v)
{
	struct tx_ref ref = { q->tx, owner };
	const uint8_t *tx_id;
	struct tx *t;
	int err;

	verdict_clear(v);
	if (q->flags != 0 || q->durability > VFS_TX_STABLE ||
	    txid_of(q->tx_id, &tx_id) < 0)
		return -VFS_INVAL;
	err = tx_get(s, ref, &t);
	if (err == -VFS_TX_UNKNOWN)
		return lost_answer(s, q, tx_id, v);
	if (err < 0) {
		tx_forget(s, q->tx);
		return err;
	}
	err = t->later.n > 0 ?
	    later_commit(s, t, env, q->durability, tx_id, v) :
	    commit_one(s, t, env, q, tx_id, v);
	items_cut(s, &t->items, 0, v->seq.n != 0);
	t->dead = -VFS_TX_UNKNOWN;
	tx_put(s, t);
	tx_forget(s, q->tx);
	if (err < 0 && tx_id != NULL)
		txids_failed(server_txs(s)->ids, tx_id, err, v);
	tx_tally(s, err);
	return err;
}

int
tx_abort(struct server *s, struct tx_ref ref)
{
	struct tx *t;
	int err = tx_get(s, ref, &t);

	if (err == 0) {
		t->dead = -VFS_ABORTED;
		tx_put(s, t);
		tx_tally(s, -VFS_ABORTED);
	}
	if (err != -VFS_TX_UNKNOWN)
		tx_forget(s, ref.tx);
	return err == -VFS_EXPIRED ? 0 : err;
}

void
tx_abort_all(struct server *s, uint64_t owner)
{
	struct txs *x = server_txs(s);
	struct tx_ref ref = { 0, owner };
	struct tx *t;

	do {
		pthread_mutex_lock(&x->lock);
		for (t = x->list; t != NULL && t->owner != owner;
		    t = t->next)
			;
		ref.tx = t != NULL ? t->number : 0;
		pthread_mutex_unlock(&x->lock);
		if (ref.tx != 0)
			(void)tx_abort(s, ref);
	} while (ref.tx != 0);
}

int
tx_status(struct server *s, const struct vfs_tx_status *q,
    struct tx_verdict *v)
{
	const uint8_t *tx_id;
	uint64_t digest[2];
	struct txn *t;
	int found;

	verdict_clear(v);
	if (txid_of(q->tx_id, &tx_id) < 0 || tx_id == NULL)
		return -VFS_INVAL;
	found = txn_begin(server_engine(s), TXN_READ, &tx_nobody, &t);
	if (found < 0)
		return found;
	found = txids_find(t, tx_id, digest, v);
	txn_abort(t);
	if (found < 0)
		return found;
	if (found > 0)
		v->state = VFS_TX_COMMITTED;
	else if (txids_find_failed(server_txs(s)->ids, tx_id, v))
		v->state = VFS_TX_ABORTED;
	else
		v->state = VFS_TX_NEVER_SEEN;
	return 0;
}

void
tx_counts(struct server *s, struct tx_counts *out)
{
	struct txs *x = server_txs(s);

	pthread_mutex_lock(&x->lock);
	*out = x->counts;
	pthread_mutex_unlock(&x->lock);
}
