/*
 * tx_open.c - operations of an open transaction, and going back
 *
 * A transaction is a private txn, the operations that were run in it, and
 * what they have read.  Going back to a savepoint is running those before
 * it again: the write set has no history, and none is needed.
 */
#include <stdlib.h>
#include <string.h>

#include "tx_in.h"

#define TRIES_MAX	3u
#define PUTS_MAX	2u		/* memory: times what a commit takes */

/* --- operations ---------------------------------------------------------- */

struct own
tx_own(const struct tx *t)
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
		struct req_env env;

		item_ask_as(it, p, was, &env);
		item_give_ids(it, p, ids);
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

int
tx_cut(struct server *s, struct tx *t, size_t n)
{
	struct txn *p;
	int err;

	if (n == t->items.n)
		return 0;
	if ((err = private_enter(t->priv, &tx_nobody, &p)) < 0)
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
	err = deps_note(&t->deps, p, tx_own(t), op, q);
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

/* What the commit will write has to fit; a row that was put often is
 * written once, but takes memory until then. */
static int
too_large(struct server *s, const struct tx *t)
{
	size_t max = engine_commit_max(server_engine(s));
	size_t record = private_record(t->priv) + txids_row(t->items.n);

	return record > max || private_bytes(t->priv) > PUTS_MAX * max ||
	    t->items.bytes > max || t->data > VFS_TX_DATA_MAX ?
	    -VFS_TX_LIMIT : 0;
}

/* Without all that is its caller's. */
static int
env_keep(struct item *it, const struct req_env *env)
{
	if ((it->env = malloc(sizeof *env)) == NULL)
		return -VFS_NOMEM;
	*it->env = *env;
	it->env->groups = NULL;
	it->env->stop = NULL;
	return 0;
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
	(void)private_ids(t->priv, &it->ids_at);
	err = env_keep(it, txn_env(p));
	if (err == 0)
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
		err = deps_note_attr(&t->deps, p, tx_own(t), l->ids[i]);
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
	uint32_t at;
	int err;

	if (!deps_allows(op) || table_mode(op) == MODE_NONE)
		return -VFS_UNSUPPORTED;
	if ((err = later_run(s, t, env, &at)) < 0)
		return err;
	return enter_and_run(s, t, env, op, q, r, false);
}

int
tx_run_packed(struct server *s, struct tx *t, const struct req_env *env,
    enum vfs_op op, const void *q, void *r)
{
	return enter_and_run(s, t, env, op, q, r, true);
}
