/*
 * tx_add.c - TX_ADD: packed operations in parts
 *
 * They are run in private at once, or, if the client allows it and no
 * bytes have to find blocks, kept as they came until somebody has to see
 * what they do.  Mostly that is the commit: then each is run only once.
 */
#include <stdlib.h>
#include <string.h>

#include "tx_in.h"

/* --- later --------------------------------------------------------------- */

void
later_free(struct later *l)
{
	struct part *k, *next;

	for (k = l->first; k != NULL; k = next) {
		next = k->next;
		free(k->ops);
		free(k);
	}
	arena_free(&l->copies);
	*l = (struct later){ 0 };
}

int
later_run(struct server *s, struct tx *t, const struct req_env *env,
    uint32_t *at)
{
	union proto_rep rep;
	const struct part *k;
	uint32_t i;
	int err = 0;

	if (t->later.n == 0)
		return 0;
	speculation_drop(server_txs(s)->speculator, t);
	for (k = t->later.first, *at = 0; err == 0 && k != NULL; k = k->next)
		for (i = 0; err == 0 && i < k->n; i++) {
			err = tx_run_packed(s, t, env, k->ops[i].op,
			    &k->ops[i].q, &rep);
			*at += err == 0;
		}
	if (err < 0)
		t->dead = -VFS_ABORTED;
	later_free(&t->later);
	return err;
}

/* What follows an operation that was run, or a savepoint, is run too. */
static bool
may_wait(struct server *s, const struct tx *t, const struct vfs_tx_add *q)
{
	return t->items.n == 0 && t->deps.n == 0 && t->nsaves == 0 &&
	    q->nops <= VFS_TX_OPS_MAX - t->later.n &&
	    t->later.bytes + q->ops.n <= engine_commit_max(server_engine(s));
}

/* Takes ops. */
static int
later_append(struct later *l, const struct req_env *env, struct packed *ops,
    uint32_t n)
{
	size_t groups = env->ngroups * sizeof env->groups[0];
	struct part *k = calloc(1, sizeof *k + groups);

	if (k == NULL) {
		free(ops);
		return -VFS_NOMEM;
	}
	k->ops = ops;
	k->n = n;
	k->env = *env;
	k->env.stop = NULL;
	if (groups > 0)
		memcpy(k->groups, env->groups, groups);
	k->env.groups = k->groups;
	if (l->last != NULL)
		l->last->next = k;
	else
		l->first = k;
	l->last = k;
	l->n += n;
	l->confined |= env->root != 0;
	return 0;
}

/* --- TX_ADD -------------------------------------------------------------- */

static int
add(struct server *s, struct tx *t, const struct req_env *env,
    const struct packed *ops, uint32_t n, struct tx_verdict *v)
{
	size_t before = t->items.n;
	union proto_rep rep;
	uint32_t i;
	int err;

	for (i = 0; i < n; i++) {
		err = tx_run_packed(s, t, env, ops[i].op, &ops[i].q, &rep);
		if (err < 0) {
			v->op_index = i;
			if (t->dead == 0)
				(void)tx_cut(s, t, before);
			return err;
		}
		if (v->nresults++ < v->cap)
			v->results[i] = (struct proto_brief){
				.id = t->items.v[t->items.n - 1].id };
	}
	return 0;
}

/* 1: they cannot wait. */
static int
keep(struct server *s, struct tx *t, const struct req_env *env,
    const struct vfs_tx_add *q, const struct tx_gate *gate,
    struct tx_verdict *v)
{
	size_t room = (q->ops.n + 7) & ~(size_t)7;
	struct later *l = &t->later;
	struct vfs_slice list = q->ops;
	struct packed *ops;
	int err;

	if (!may_wait(s, t, q))
		return 1;
	if (q->nops == 0 && q->ops.n == 0)
		return 0;
	if ((err = arena_reserve(&l->copies, room)) < 0)
		return err;
	if (list.n > 0)
		list.p = memcpy(l->copies.at, list.p, list.n);
	err = packed_decode(list, q->nops, gate, &ops, &v->op_index);
	if (err < 0)
		return err;
	/* Bytes that need blocks find them at once. */
	if (!packed_are_rows(ops, q->nops)) {
		free(ops);
		return 1;
	}
	if ((err = later_append(l, env, ops, q->nops)) < 0)
		return err;
	(void)arena_alloc(&l->copies, room);
	l->bytes += list.n;
	speculate(server_txs(s)->speculator, t);
	return 0;
}

static int
run_now(struct server *s, struct tx *t, const struct req_env *env,
    const struct vfs_tx_add *q, const struct tx_gate *gate,
    struct tx_verdict *v)
{
	struct packed *ops;
	int err;

	err = packed_decode(q->ops, q->nops, gate, &ops, &v->op_index);
	if (err < 0)
		return err;
	if ((err = later_run(s, t, env, &v->op_index)) == 0)
		err = add(s, t, env, ops, q->nops, v);
	free(ops);
	return err;
}

int
tx_add(struct server *s, const struct req_env *env, uint64_t owner,
    const struct vfs_tx_add *q, const struct tx_gate *gate,
    uint32_t *first, struct tx_verdict *v)
{
	struct tx_ref ref = { q->tx, owner };
	struct tx *t;
	int err;

	verdict_clear(v);
	if ((q->flags & ~VFS_TX_LATER) != 0)
		return -VFS_INVAL;
	if ((err = tx_get(s, ref, &t)) < 0)
		return err;
	*first = (uint32_t)(t->items.n + t->later.n);
	err = (q->flags & VFS_TX_LATER) != 0 ? keep(s, t, env, q, gate, v) :
	    1;
	if (err > 0)
		err = run_now(s, t, env, q, gate, v);
	if (err == 0)
		v->op_index = 0;
	if (err == -VFS_EXPIRED)
		t->dead = err;
	tx_put(s, t);
	return err;
}
