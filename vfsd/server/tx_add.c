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

struct later_copy {
	struct later_copy *next;
	uint8_t b[];
};

void
later_free(struct later *l)
{
	struct later_copy *c;

	while ((c = l->copies) != NULL) {
		l->copies = c->next;
		free(c);
	}
	free(l->ops);
	*l = (struct later){ 0 };
}

int
later_run(struct server *s, struct tx *t, const struct req_env *env,
    uint32_t *at)
{
	union proto_rep rep;
	size_t i;
	int err = 0;

	for (i = 0; err == 0 && i < t->later.n; i++) {
		*at = (uint32_t)i;
		err = tx_run_packed(s, t, env, t->later.ops[i].op,
		    &t->later.ops[i].q, &rep);
	}
	if (err < 0)
		t->dead = -VFS_ABORTED;
	later_free(&t->later);
	return err;
}

/* Bytes that need blocks find them at once, and what follows an operation
 * that was run, or a savepoint, is run too. */
static bool
can_wait(struct server *s, const struct tx *t, const struct packed *ops,
    uint32_t n, size_t bytes)
{
	uint32_t i;

	for (i = 0; i < n; i++)
		if (!packed_is_rows(&ops[i]))
			return false;
	return t->items.n == 0 && t->deps.n == 0 && t->nsaves == 0 &&
	    n <= VFS_TX_OPS_MAX - t->later.n &&
	    t->later.bytes + bytes <= engine_commit_max(server_engine(s));
}

static int
later_append(struct later *l, const struct packed *ops, uint32_t n)
{
	size_t cap = 2 * l->cap > l->n + n ? 2 * l->cap : l->n + n;
	struct packed *v;

	if (l->n + n > l->cap) {
		if ((v = realloc(l->ops, cap * sizeof *v)) == NULL)
			return -VFS_NOMEM;
		l->ops = v;
		l->cap = cap;
	}
	if (n > 0)
		memcpy(l->ops + l->n, ops, n * sizeof *ops);
	l->n += n;
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

/* *copy, which ops borrow from, is NULL when it is kept. */
static int
add_to(struct server *s, struct tx *t, const struct req_env *env,
    const struct packed *ops, const struct vfs_tx_add *q,
    struct later_copy **copy, struct tx_verdict *v)
{
	struct later *l = &t->later;
	int err;

	if (*copy == NULL || !can_wait(s, t, ops, q->nops, q->ops.n)) {
		if ((err = later_run(s, t, env, &v->op_index)) < 0)
			return err;
		return add(s, t, env, ops, q->nops, v);
	}
	if ((err = later_append(l, ops, q->nops)) < 0)
		return err;
	(*copy)->next = l->copies;
	l->copies = *copy;
	l->bytes += q->ops.n;
	*copy = NULL;
	return 0;
}

int
tx_add(struct server *s, const struct req_env *env, uint64_t owner,
    const struct vfs_tx_add *q, const struct tx_gate *gate,
    uint32_t *first, struct tx_verdict *v)
{
	struct tx_ref ref = { q->tx, owner };
	struct later_copy *copy = NULL;
	struct vfs_slice list = q->ops;
	struct packed *ops = NULL;
	struct tx *t;
	int err;

	verdict_clear(v);
	if ((q->flags & ~VFS_TX_LATER) != 0)
		return -VFS_INVAL;
	if ((q->flags & VFS_TX_LATER) != 0 && list.n > 0) {
		if ((copy = malloc(sizeof *copy + list.n)) == NULL)
			return -VFS_NOMEM;
		memcpy(copy->b, list.p, list.n);
		list.p = copy->b;
	}
	err = packed_decode(list, q->nops, gate, &ops, &v->op_index);
	if (err == 0 && (err = tx_get(s, ref, &t)) == 0) {
		v->op_index = 0;
		*first = (uint32_t)(t->items.n + t->later.n);
		err = add_to(s, t, env, ops, q, &copy, v);
		if (err == -VFS_EXPIRED)
			t->dead = err;
		tx_put(s, t);
	}
	free(ops);
	free(copy);
	return err;
}
