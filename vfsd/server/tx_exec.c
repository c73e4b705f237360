/*
 * tx_exec.c - TX_EXEC: operations that come packed
 *
 * What brings no file bytes is run at the serial point at once.  The rest
 * is run in private first, where bytes find their blocks, and committed as
 * an interactive transaction is; if somebody was faster, all over again.
 */
#include <stdlib.h>
#include <string.h>
#define XXH_INLINE_ALL
#include <xxhash.h>

#include "hash_file.h"
#include "tx_in.h"

#define TRIES_MAX	16u

/* --- unpacking ----------------------------------------------------------- */

int
packed_decode(struct vfs_slice list, uint32_t n, const struct tx_gate *gate,
    struct packed **out, uint32_t *at)
{
	struct packed *v;
	int err = 0;

	if (n > VFS_TX_OPS_MAX)
		return -VFS_TX_LIMIT;
	if (n > list.n / 8)
		return -VFS_MALFORMED;
	if ((v = calloc(n > 0 ? n : 1, sizeof *v)) == NULL)
		return -VFS_NOMEM;
	for (*at = 0; err == 0 && *at < n; ++*at) {
		struct packed *p = &v[*at];

		err = proto_tx_op_next(&list, &p->op, &p->q);
		if (err >= 0)
			err = err == 0 ? -VFS_MALFORMED :
			    !deps_allows_packed(p->op) ? -VFS_UNSUPPORTED : 0;
		if (err == 0 && gate != NULL && gate->op != NULL)
			err = gate->op(gate->arg, p->op, &p->q);
		if (err < 0)
			break;
	}
	if (err == 0 && list.n > 0)
		err = -VFS_MALFORMED;
	if (err < 0)
		free(v);
	else
		*out = v;
	return err;
}

static int
pre_decode(const struct vfs_tx_exec *q, const struct tx_gate *gate,
    struct vfs_tx_pre **out, uint32_t *at)
{
	struct vfs_slice list = q->pre;
	struct vfs_tx_pre *v;
	int err = 0;

	if (q->npre > VFS_TX_PRE_MAX)
		return -VFS_TX_LIMIT;
	v = calloc(q->npre > 0 ? q->npre : 1, sizeof *v);
	if (v == NULL)
		return -VFS_NOMEM;
	for (*at = 0; err == 0 && *at < q->npre; ++*at) {
		err = proto_tx_pre_next(&list, &v[*at]);
		err = err == 0 ? -VFS_MALFORMED : err < 0 ? err : 0;
		if (err == 0 && gate != NULL && gate->pre != NULL)
			err = gate->pre(gate->arg, &v[*at]);
		if (err < 0)
			break;
	}
	if (err == 0 && list.n > 0)
		err = -VFS_MALFORMED;
	if (err < 0)
		free(v);
	else
		*out = v;
	return err;
}

/* --- TX_EXEC ------------------------------------------------------------- */

struct exec {
	struct server *s;
	const struct req_env *env;
	const struct vfs_tx_exec *q;
	struct items *items;		/* q->nops of them */
	bool rows;			/* packed_are_rows */
	struct vfs_tx_pre *pre;
	const struct speculation *spec;	/* NULL: nothing was run before */
	const uint8_t *tx_id;
	uint64_t digest[2];
};

static void
digest(const struct vfs_tx_exec *q, uint64_t out[2])
{
	uint64_t head[4] = { q->npre, q->nops, q->pre.n, q->ops.n };
	XXH128_hash_t h;

	h = XXH3_128bits(head, sizeof head);
	if (q->pre.n > 0)
		h = XXH3_128bits_withSeed(q->pre.p, q->pre.n,
		    h.low64 ^ h.high64);
	if (q->ops.n > 0)
		h = XXH3_128bits_withSeed(q->ops.p, q->ops.n,
		    h.low64 ^ h.high64);
	out[0] = h.low64;
	out[1] = h.high64 | 1;		/* never that of an interactive one */
}

static bool
is_rows(const struct packed *p)
{
	switch (p->op) {
	case VFS_OP_WRITE:
		return p->q.write.data.n <= VFS_INLINE_MAX;
	case VFS_OP_SETATTR:
		return (p->q.setattr.valid & VFS_SET_SIZE) == 0;
	case VFS_OP_ALLOCATE:
	case VFS_OP_COPY_RANGE:
		return false;
	default:
		return true;
	}
}

bool
packed_are_rows(const struct packed *ops, uint32_t n)
{
	uint32_t i;

	for (i = 0; i < n; i++)
		if (!is_rows(&ops[i]))
			return false;
	return true;
}

static struct commit
commit_of(const struct exec *x, struct items *items)
{
	return (struct commit){
		.env = x->env, .items = items, .pre = x->pre,
		.npre = x->q->npre, .tx_id = x->tx_id,
		.digest = { x->digest[0], x->digest[1] },
		.durability = x->q->durability,
	};
}

/* -VFS_AGAIN: bytes need blocks after all. */
static int
exec_rows(const struct exec *x, struct tx_verdict *v)
{
	struct commit c = commit_of(x, x->items);

	c.spec = x->spec;
	return commit_run(x->s, &c, v);
}

/* Here a failure is seen on a snapshot; preconditions come first. */
static int
check_private(const struct exec *x, struct tx *t, struct tx_verdict *v)
{
	struct txn *p;
	int err;

	if ((err = private_enter(t->priv, x->env, &p)) < 0)
		return err;
	err = pre_check(p, x->pre, x->q->npre, v);
	private_leave(t->priv);
	return err;
}

/* LOOKUP and STAT are kept as operations too: the others count them. */
static int
run_private(const struct exec *x, struct tx *t, struct tx_verdict *v)
{
	union proto_rep rep;
	uint32_t i;
	int err;

	for (i = 0; i < x->q->nops; i++) {
		err = tx_run_packed(x->s, t, x->env, x->items->v[i].op,
		    x->items->v[i].q, &rep);
		if (err < 0) {
			v->op_index = i;
			return err;
		}
	}
	return 0;
}

static int
exec_private(const struct exec *x, struct tx_verdict *v)
{
	struct tx *t = NULL;
	struct commit c;
	int err;

	if ((err = tx_new(x->s, &t)) < 0)
		return err;
	if ((err = check_private(x, t, v)) == 0 &&
	    (err = run_private(x, t, v)) == 0) {
		c = commit_of(x, &t->items);
		c.deps = &t->deps;
		c.own = tx_own(t);
		err = commit_run(x->s, &c, v);
		items_cut(x->s, &t->items, 0,
		    v->seq.n != 0 && !v->repeated);
	}
	tx_free(x->s, t);
	return err;
}

static int
exec(const struct exec *x, struct tx_verdict *v)
{
	unsigned tries = 0;
	int err = -VFS_AGAIN;

	if (x->rows)
		err = exec_rows(x, v);
	while ((err == -VFS_AGAIN || err == -VFS_CONFLICT ||
	    err == -VFS_EXPIRED) && tries++ < TRIES_MAX) {
		verdict_clear(v);
		err = exec_private(x, v);
	}
	return err == -VFS_EXPIRED ? -VFS_CONFLICT : err;
}

/* "Nothing has changed since" speaks of what is being written, too. */
static int
settle(const struct exec *x)
{
	uint32_t i;

	for (i = 0; i < x->q->npre; i++)
		if (x->pre[i].kind == VFS_PRE_JOURNAL_AT_MOST)
			return server_publish_all(x->s, x->env);
	return 0;
}

/*
 * A hash is compared before, where reading takes time; the step itself only
 * asks whether this is still the same version.
 */
static int
hashes(const struct exec *x, struct tx_verdict *v)
{
	uint64_t left = VFS_TX_DATA_MAX;
	struct hash_result h;
	uint32_t i;
	int err;

	for (i = 0; i < x->q->npre; i++) {
		struct vfs_tx_pre *p = &x->pre[i];

		if (p->kind != VFS_PRE_HASH_IS)
			continue;
		v->op_index = i;
		if (p->a > UINT32_MAX || hash_size((uint32_t)p->a) == 0 ||
		    p->name.n != hash_size((uint32_t)p->a))
			return -VFS_INVAL;
		err = hash_file_as(x->s, x->env, p, left, &h);
		if (err == -VFS_NO_SUCH_ID)
			h = (struct hash_result){ .n = 0 };
		else if (err < 0)
			return err;
		if (h.n != p->name.n ||
		    !hash_same(h.hash, p->name.p, h.n)) {
			v->object = p->id;
			v->detail = h.data_version;
			return -VFS_PRECOND;
		}
		left -= h.size < left ? h.size : left - 1;
		*p = (struct vfs_tx_pre){ .kind = VFS_PRE_ID_VERSION,
			.id = p->id, .a = h.data_version };
	}
	v->op_index = 0;
	return 0;
}

static int
exec_decoded(const struct exec *x, struct tx_verdict *v)
{
	int err = tx_answered(x->s, x->tx_id, x->digest, v);

	if (err > 0)
		return x->q->durability == VFS_TX_STABLE ?
		    engine_sync(server_engine(x->s)) : 0;
	if (err == 0)
		err = settle(x);
	if (err == 0)
		err = hashes(x, v);
	if (err == 0)
		err = exec(x, v);
	if (err < 0 && x->tx_id != NULL)
		txids_failed(server_txs(x->s)->ids, x->tx_id, err, v);
	tx_tally(x->s, err);
	return err;
}

/* They borrow from ops. */
static int
items_of(struct items *l, const struct packed *ops, uint32_t n)
{
	uint32_t i;

	for (i = 0; i < n; i++)
		if (items_add_packed(l, &ops[i]) == NULL)
			return -VFS_NOMEM;
	return 0;
}

int
tx_exec(struct server *s, const struct req_env *env,
    const struct vfs_tx_exec *q, const struct tx_gate *gate,
    struct tx_verdict *v)
{
	struct items l = { 0 };
	struct exec x = { .s = s, .env = env, .q = q, .items = &l };
	struct packed *ops;
	int err;

	verdict_clear(v);
	if (q->flags != 0 || q->durability > VFS_TX_STABLE ||
	    txid_of(q->tx_id, &x.tx_id) < 0)
		return -VFS_INVAL;
	digest(q, x.digest);
	if ((err = pre_decode(q, gate, &x.pre, &v->op_index)) < 0)
		return err;
	err = packed_decode(q->ops, q->nops, gate, &ops, &v->op_index);
	if (err == 0) {
		v->op_index = 0;
		x.rows = packed_are_rows(ops, q->nops);
		if (q->nops == 0 || (err = items_room(&l, q->nops)) == 0)
			err = items_of(&l, ops, q->nops);
		if (err == 0)
			err = exec_decoded(&x, v);
		items_cut(s, &l, 0, err == 0);
		free(ops);
	}
	free(x.pre);
	return err;
}

/* As TX_EXEC that came in several messages. */
int
later_commit(struct server *s, struct tx *t, const struct req_env *env,
    uint32_t durability, const uint8_t *tx_id, struct tx_verdict *v)
{
	struct vfs_tx_exec q = { .durability = durability,
		.nops = (uint32_t)t->later.n };
	struct items l = { 0 };
	struct exec x = { .s = s, .env = env, .q = &q, .items = &l,
		.rows = true, .tx_id = tx_id };
	const struct part *k = t->later.first;
	int err = 0;

	if (speculation_end(server_txs(s)->speculator, t)) {
		x.spec = &t->spec;
		x.items = &t->spec.items;
	} else {
		err = items_room(&l, t->later.n);
		for (; err == 0 && k != NULL; k = k->next)
			err = items_of(&l, k->ops, k->n);
	}
	if (err == 0)
		err = exec(&x, v);
	items_cut(s, &l, 0, err == 0);
	return err;
}
