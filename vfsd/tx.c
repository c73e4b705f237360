/*
 * tx.c - open transactions: begin, operations, savepoints, expiry
 *
 * Each is a private txn, the operations that were run in it, and what
 * they have read.  Going back to a savepoint is running those before it
 * again: the write set has no history, and none is needed.
 */
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "tx_in.h"

#define DEAD_MAX	256u		/* expired ones that are remembered */
#define TRIES_MAX	3u

static uint64_t
clock_ms(void)
{
	struct timespec ts;

	clock_gettime(CLOCK_MONOTONIC, &ts);
	return (uint64_t)ts.tv_sec * 1000 + (uint64_t)ts.tv_nsec / 1000000;
}

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

/* --- operations ---------------------------------------------------------- */

static struct own
own_of(const struct tx *t)
{
	struct own o;

	o.ids = private_ids(t->priv, &o.n);
	return o;
}

/* Run what is left again, over nothing. */
static int
run_again(struct tx *t, struct txn *p)
{
	const struct req_env *was = txn_env(p);
	size_t i, nids;
	const struct vfs_id *ids = private_ids(t->priv, &nids);
	union proto_rep rep;
	int err = 0;

	private_reset(t->priv);
	for (i = 0; err == 0 && i < t->items.n; i++) {
		struct item *it = &t->items.v[i];
		struct req_env env = it->env;

		env.groups = was->groups;
		env.ngroups = was->ngroups;
		txn_set_env(p, &env);
		txn_set_ids(p, ids + it->ids_at, it->nids);
		err = item_run(&t->items, i, p, &rep, NULL);
	}
	txn_set_env(p, was);
	txn_set_ids(p, NULL, 0);
	return err;
}

/* After a failure of which rows are left, or to a savepoint. */
static int
cut(struct server *s, struct tx *t, struct txn *p, size_t n)
{
	int err;

	items_cut(s, &t->items, n, false);
	if ((err = run_again(t, p)) < 0)
		t->dead = -VFS_ABORTED;
	return err;
}

static const struct req_env nobody = {
	.kernel_checked = true, .privileged = true
};

int
tx_cut(struct server *s, struct tx *t, size_t n)
{
	struct txn *p;
	int err;

	if (n == t->items.n)
		return 0;
	if ((err = private_enter(t->priv, &nobody, &p)) < 0)
		return err;
	err = cut(s, t, p, n);
	private_leave(t->priv);
	return err;
}

/* What the operation learned, from below the transaction's own writes. */
static int
note(struct tx *t, struct txn *p, enum vfs_op op, const void *q)
{
	int err;

	private_look(t->priv, true);
	err = deps_note(&t->deps, p, own_of(t), op, q);
	private_look(t->priv, false);
	return err;
}

static int
prepare_and_run(struct item *it, struct server *s, struct txn *p,
    const void *q, void *r)
{
	unsigned tries = 0;
	int err;

	do {
		err = table_prepare(it->op, p, q, &it->plan);
		if (err == 0)
			err = item_run_q(it, p, q, r, NULL);
		if (err < 0) {
			plan_drop(server_engine(s), it->plan, false);
			it->plan = NULL;
		}
	} while (err == -VFS_AGAIN && ++tries < TRIES_MAX);
	return err;
}

static int
too_large(struct server *s, const struct tx *t)
{
	size_t max = engine_commit_max(server_engine(s));

	return private_bytes(t->priv) > max || t->items.bytes > max ||
	    t->data > VFS_TX_DATA_MAX ? -VFS_TX_LIMIT : 0;
}

static int
run_write(struct server *s, struct tx *t, struct txn *p, enum vfs_op op,
    const void *q, void *r)
{
	uint64_t puts = private_puts(t->priv), data = t->data;
	size_t at = t->items.n, nids;
	struct item *it;
	int err;

	if (at >= VFS_TX_OPS_MAX)
		return -VFS_TX_LIMIT;
	if (!engine_writable(server_engine(s)))
		return -VFS_ROFS;
	if ((it = items_add(&t->items)) == NULL)
		return -VFS_NOMEM;
	it->op = op;
	it->env = *txn_env(p);
	it->env.groups = NULL;
	(void)private_ids(t->priv, &it->ids_at);
	err = prepare_and_run(it, s, p, q, r);
	(void)private_ids(t->priv, &nids);
	it->nids = nids - it->ids_at;
	if (err == 0)
		err = items_keep(&t->items, q);
	if (op == VFS_OP_WRITE)
		t->data += ((const struct vfs_write *)q)->data.n;
	if (err == 0 && (err = too_large(s, t)) == 0)
		return 0;
	t->data = data;
	items_cut(s, &t->items, at, false);
	if (private_puts(t->priv) != puts && cut(s, t, p, at) < 0)
		return -VFS_ABORTED;
	return err;
}

/* Entries with attributes tell of more than the directory. */
struct listing {
	struct vfs_sink to;
	struct vfs_id *ids;
	size_t n, cap;
	int err;
};

static bool
listing_add(void *arg, const struct vfs_dirent *e)
{
	struct listing *l = arg;
	struct vfs_id *ids;

	if (l->n == l->cap) {
		l->cap = 2 * l->cap + 64;
		if ((ids = realloc(l->ids, l->cap * sizeof *ids)) == NULL) {
			l->err = -VFS_NOMEM;
			return false;
		}
		l->ids = ids;
	}
	if (!l->to.add(l->to.arg, e))
		return false;
	if (e->type != VFS_DIR)
		l->ids[l->n++] = e->id;
	return true;
}

static int
note_listing(struct tx *t, struct txn *p, const struct listing *l)
{
	size_t i;
	int err = l->err;

	private_look(t->priv, true);
	for (i = 0; err == 0 && i < l->n; i++)
		err = deps_note_attr(&t->deps, p, own_of(t), l->ids[i]);
	private_look(t->priv, false);
	return err;
}

static int
run_dir_read(struct tx *t, struct txn *p, const struct vfs_dir_read *q,
    struct vfs_dir_read_reply *r)
{
	struct listing l = { .to = r->entries };
	int err, noted;

	r->entries = (struct vfs_sink){ listing_add, &l };
	err = table_run(VFS_OP_DIR_READ, p, q, NULL, r);
	r->entries = l.to;
	noted = note_listing(t, p, &l);
	free(l.ids);
	return err < 0 ? err : noted;
}

static int
run_read(struct tx *t, struct txn *p, enum vfs_op op, const void *q, void *r)
{
	if (op == VFS_OP_DIR_READ &&
	    (((const struct vfs_dir_read *)q)->want & VFS_WANT_ATTR))
		return run_dir_read(t, p, q, r);
	return table_run(op, p, q, NULL, r);
}

/* An open is only a change if it cuts: atime is not worth a conflict. */
static bool
changes(enum vfs_op op, union proto_req *q)
{
	if (op != VFS_OP_OPEN)
		return table_mode(op) == MODE_WRITE;
	q->open.flags &= ~VFS_OPEN_ATIME;
	return (q->open.flags & VFS_OPEN_TRUNC) != 0;
}

static int
run_op(struct server *s, struct tx *t, struct txn *p, enum vfs_op op,
    const void *qp, void *r, bool packed)
{
	union proto_req q;
	int err, noted;

	memcpy(&q, qp, proto_ops[op].req_size);
	if ((err = items_resolve(&t->items, t->items.n, op, &q)) < 0)
		return err;
	err = changes(op, &q) || packed ? run_write(s, t, p, op, &q, r) :
	    run_read(t, p, op, &q, r);
	if (t->dead != 0)
		return t->dead;
	if ((noted = note(t, p, op, &q)) < 0) {
		t->dead = noted;	/* it has seen what is not known */
		return noted;
	}
	return err;
}

static int
enter_and_run(struct server *s, struct tx *t, const struct req_env *env,
    enum vfs_op op, const void *q, void *r, bool packed)
{
	struct txn *p;
	int err;

	if ((err = private_enter(t->priv, env, &p)) < 0)
		return err;
	err = run_op(s, t, p, op, q, r, packed);
	private_leave(t->priv);
	return err;
}

int
tx_run_op(struct server *s, struct tx *t, const struct req_env *env,
    enum vfs_op op, const void *q, void *r)
{
	if (!deps_allows(op) || table_mode(op) == MODE_NONE)
		return -VFS_UNSUPPORTED;
	return enter_and_run(s, t, env, op, q, r, false);
}

int
tx_run_packed(struct server *s, struct tx *t, const struct req_env *env,
    enum vfs_op op, const void *q, void *r)
{
	return enter_and_run(s, t, env, op, q, r, true);
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
tx_begin(struct server *s, const struct req_env *env, uint64_t owner,
    const struct vfs_tx_begin *q, struct vfs_tx_begin_reply *r)
{
	struct txs *x = server_txs(s);
	struct tx *t;
	int err;

	(void)env;
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
	if (x->counts.open >= VFS_TX_OPEN_MAX) {
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
static void
forget(struct server *s, uint64_t number)
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

/* --- answers ------------------------------------------------------------- */

int
tx_answered(struct server *s, const uint8_t *tx_id,
    const uint64_t digest[2], struct tx_verdict *v)
{
	uint64_t was[2];
	struct txn *t;
	int found;

	if (tx_id == NULL)
		return 0;
	found = txn_begin(server_engine(s), TXN_READ, &nobody, &t);
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
	if (t->nsaves == VFS_TX_SAVEPOINTS_MAX) {
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

/* Who only looked has seen one state, and need not be told of later ones. */
static int
commit_one(struct server *s, struct tx *t, const struct req_env *env,
    const struct vfs_tx_commit *q, const uint8_t *tx_id,
    struct tx_verdict *v)
{
	struct commit c = { .env = env, .items = &t->items,
		.deps = &t->deps, .own = own_of(t), .tx_id = tx_id,
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
		forget(s, q->tx);
		return err;
	}
	err = commit_one(s, t, env, q, tx_id, v);
	items_cut(s, &t->items, 0, v->seq.n != 0);
	t->dead = -VFS_TX_UNKNOWN;
	tx_put(s, t);
	forget(s, q->tx);
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
		forget(s, ref.tx);
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
	found = txn_begin(server_engine(s), TXN_READ, &nobody, &t);
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

/* --- start and end ------------------------------------------------------- */

int
txs_new(struct server *s, struct txs **out)
{
	struct txs *x = calloc(1, sizeof *x);
	int err;

	if (x == NULL)
		return -VFS_NOMEM;
	if ((err = txids_new(server_engine(s), &x->ids)) < 0) {
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
	txids_free(x->ids);
	pthread_mutex_destroy(&x->lock);
	free(x);
}
