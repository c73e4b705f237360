/*
 * step_tx.c - transactions in the rig
 *
 * What goes into one is found by trying it in a transaction that is
 * aborted; what each operation gave out there stands as VFS_TX_RESULT in
 * those behind it.  Then it is run for good: packed in one message, packed
 * into an open one, or an operation at a time with a way back in between.
 * The last operation of a packed one may be one that must fail: then
 * nothing has happened.
 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "../../../vfsd/server/tx.h"
#include "life.h"

#define OWNER		1u
#define LIST_MAX	(2u << 20)
#define TRIES		8

static const enum vfs_op ops[] = { VFS_OP_CREATE, VFS_OP_CREATE,
    VFS_OP_CREATE, VFS_OP_TMPFILE, VFS_OP_LINK, VFS_OP_UNLINK,
    VFS_OP_RENAME, VFS_OP_SETATTR, VFS_OP_XATTR_SET, VFS_OP_XATTR_REMOVE,
    VFS_OP_OPEN, VFS_OP_WRITE, VFS_OP_WRITE, VFS_OP_WRITE, VFS_OP_ALLOCATE,
    VFS_OP_COPY_RANGE, VFS_OP_TREE_REMOVE, VFS_OP_TREE_PUBLISH };
#define OPS		(sizeof(ops) / sizeof(ops[0]))

static uint8_t list[LIST_MAX];
static uint8_t name_buf[VFS_TX_ID_BYTES];

static struct vfs_slice
name_of(uint64_t n)
{
	memset(name_buf, 0, sizeof(name_buf));
	memcpy(name_buf, &n, sizeof(n));
	return (struct vfs_slice){ name_buf, n ? sizeof(name_buf) : 0 };
}

/* What the operation has made: where the reply says it, or NULL. */
static struct vfs_attr *
made(struct step *st)
{
	if (st->op == VFS_OP_CREATE && st->r.create.created)
		return &st->r.create.attr;
	return st->op == VFS_OP_TMPFILE ? &st->r.tmpfile.attr : NULL;
}

/* --- finding out what to do -------------------------------------------- */

static int
as_result(void *arg, struct vfs_id *id)
{
	struct step_tx *x = arg;
	struct vfs_attr *a;
	int i;

	for (i = 0; i < x->n; i++)
		if ((a = made(&x->sub[i])) && a->id.n == id->n)
			id->n = VFS_TX_RESULT | (unsigned)i;
	return 0;
}

/* One more; false: it failed, and stands there all the same. */
static bool
try_one(struct life *l, struct rng *r, struct tx_ref ref, struct step_tx *x)
{
	struct step *st = &x->sub[x->n];
	enum vfs_op op = ops[rng_to(r, OPS)];
	int err;

	if (!step_make(l, r, ACT_OP, op, st))
		return true;
	if (op == VFS_OP_OPEN)	/* else it changes nothing and has no result */
		st->q.open.flags |= VFS_OPEN_TRUNC;
	step_lend(st);
	err = tx_op(l->s, &walk_env, ref, op, &st->q, &st->r);
	if (err == 0)
		step_apply(l, st);
	proto_each_id(op, &st->q, as_result, x);
	x->n += err == 0;
	return err == 0;
}

static void
try_all(struct life *l, struct rng *r, struct step_tx *x)
{
	struct vfs_tx_begin q = { 0 };
	struct vfs_tx_begin_reply rep;
	struct model was = { .nobj = 0 };
	struct tx_ref ref;
	int i, want = 1 + (int)rng_to(r, TX_SUBS - 1);

	if (tx_begin(l->s, VFS_TX_OPEN_MAX, OWNER, &q, &rep) < 0)
		return;
	ref = (struct tx_ref){ rep.tx, OWNER };
	model_copy(&was, &l->m);
	l->trying = true;
	for (i = 0; i < TRIES && x->n < want && !x->fails; i++)
		if (!try_one(l, r, ref, x))
			x->fails = x->how != TX_OPEN && rng_to(r, 3) == 0;
	l->trying = false;
	tx_abort(l->s, ref);
	model_drop(&l->m);
	l->m = was;
}

bool
step_make_tx(struct life *l, struct rng *r, struct step *st)
{
	struct step_tx *x = calloc(1, sizeof(*x));

	if (!x)
		abort();
	x->next = l->txs;
	l->txs = x;
	st->tx = x;
	x->how = (enum tx_how)rng_to(r, 3);
	x->stable = rng_to(r, 4) == 0;
	x->name = rng_to(r, 4) ? ++l->tx_names : 0;
	try_all(l, r, x);
	x->back = x->n > 1 && rng_to(r, 2) ? (int)rng_to(r, (uint32_t)x->n) :
	    -1;
	return x->n > 0;
}

void
step_tx_free(struct life *l)
{
	struct step_tx *x;

	while ((x = l->txs)) {
		l->txs = x->next;
		free(x);
	}
	l->tx_names = 0;
	l->nnamed = 0;
}

/* --- for good ----------------------------------------------------------- */

/* Its operations as they are packed; how many bytes. */
static size_t
pack(struct step_tx *x)
{
	int i, n = x->n + x->fails;
	size_t used = 0;

	for (i = 0; i < n; i++) {
		step_lend(&x->sub[i]);
		if (proto_tx_op_put(x->sub[i].op, &x->sub[i].q, list,
		    sizeof(list), &used) < 0)
			abort();
	}
	return used;
}

static int
run_exec(struct server *s, struct step_tx *x, const struct req_env *env,
    struct tx_verdict *v)
{
	struct vfs_tx_exec q = { .durability = x->stable,
	    .nops = (uint32_t)(x->n + x->fails), .tx_id = name_of(x->name) };

	q.ops = (struct vfs_slice){ list, pack(x) };
	return tx_exec(s, env, &q, NULL, v);
}

static int
run_subs(struct server *s, struct step_tx *x, const struct req_env *env,
    struct tx_ref ref, int from)
{
	int i, err = 0;

	for (i = from; err == 0 && i < x->n; i++) {
		step_lend(&x->sub[i]);
		err = tx_op(s, env, ref, x->sub[i].op, &x->sub[i].q,
		    &x->sub[i].r);
	}
	return err;
}

/* All of it, back to the savepoint, and the rest once more. */
static int
run_open(struct server *s, struct step_tx *x, const struct req_env *env,
    struct tx_ref ref)
{
	struct step_tx head = *x;
	uint32_t save;
	int err;

	if (x->back < 0)
		return run_subs(s, x, env, ref, 0);
	head.n = x->back;
	if ((err = run_subs(s, &head, env, ref, 0)) < 0 ||
	    (err = tx_savepoint(s, ref, &save)) < 0 ||
	    (err = run_subs(s, x, env, ref, x->back)) < 0 ||
	    (err = tx_rollback_to(s, ref, save)) < 0)
		return err;
	return run_subs(s, x, env, ref, x->back);
}

static int
run_staged(struct server *s, struct step_tx *x, const struct req_env *env,
    struct tx_ref ref)
{
	struct vfs_tx_add q = { .tx = ref.tx,
	    .nops = (uint32_t)(x->n + x->fails) };
	struct tx_verdict v = { .results = NULL };
	uint32_t first;

	q.ops = (struct vfs_slice){ list, pack(x) };
	return tx_add(s, env, OWNER, &q, NULL, &first, &v);
}

static int
run_begun(struct server *s, struct step_tx *x, const struct req_env *env,
    struct tx_verdict *v)
{
	struct vfs_tx_commit q = { .durability = x->stable };
	struct vfs_tx_begin bq = { 0 };
	struct vfs_tx_begin_reply rep;
	struct tx_ref ref;
	int err;

	if ((err = tx_begin(s, VFS_TX_OPEN_MAX, OWNER, &bq, &rep)) < 0)
		return err;
	ref = (struct tx_ref){ rep.tx, OWNER };
	err = x->how == TX_OPEN ? run_open(s, x, env, ref) :
	    run_staged(s, x, env, ref);
	if (err < 0) {
		tx_abort(s, ref);
		return err;
	}
	q.tx = ref.tx;
	q.tx_id = name_of(x->name);
	return tx_commit(s, env, OWNER, &q, v);
}

int
step_run_tx(struct server *s, struct step *st, const struct req_env *env)
{
	struct step_tx *x = st->tx;
	struct tx_verdict v = { .results = x->result, .cap = TX_SUBS };
	int err;

	err = x->how == TX_EXEC ? run_exec(s, x, env, &v) :
	    run_begun(s, x, env, &v);
	x->repeated = v.repeated;
	x->nresult = v.nresults;
	return err;
}

/* --- what it means ------------------------------------------------------- */

static int
as_id(void *arg, struct vfs_id *id)
{
	const struct step_tx *x = arg;

	if (id->n & VFS_TX_RESULT)
		*id = x->result[id->n & ~VFS_TX_RESULT].id;
	return 0;
}

/* What came and went in it had no holder: it is gone with it. */
static void
forget_gone(struct life *l, struct step_tx *x)
{
	struct mobj *o;
	int i;

	for (i = 0; i < x->n; i++) {
		if (!made(&x->sub[i]))
			continue;
		o = model_obj(&l->m, x->result[i].id.n);
		if (o && o->nlink == 0 && !walk_there(l->e, o->id)) {
			model_forget(&l->m, o->id);
			x->gone++;
		}
	}
}

void
step_apply_tx(struct life *l, const struct step *st)
{
	struct step_tx *x = st->tx;
	struct vfs_attr *a;
	struct step sub;
	int i;

	if (x->fails || x->nresult != (size_t)x->n) {
		life_fail(l, "%s went well with %zu results", st->text,
		    x->nresult);
		return;
	}
	x->gone = 0;
	for (i = 0; i < x->n; i++) {
		sub = x->sub[i];
		proto_each_id(sub.op, &sub.q, as_id, x);
		if ((a = made(&sub)))
			a->id = x->result[i].id;
		step_lend(&sub);
		step_apply(l, &sub);
	}
	forget_gone(l, x);
}

/* --- its name -------------------------------------------------------------- */

void
step_tx_begun(struct life *l, const struct step *st)
{
	if (st->act != ACT_TX || st->tx->name == 0 || l->nnamed == TX_NAMED)
		return;
	l->named[l->nnamed++] = (struct named){ st->tx->name, l->n + 1,
	    st->tx->n };
}

void
step_tx_failed(struct life *l, const struct step *st)
{
	if (st->act == ACT_TX && l->nnamed > 0 &&
	    l->named[l->nnamed - 1].name == st->tx->name)
		l->named[l->nnamed - 1].at = MOMENTS_MAX;
}

void
step_tx_cut(struct life *l, int at)
{
	int i;

	for (i = 0; i < l->nnamed; i++)
		l->named[i].at = l->named[i].at <= at ? 0 : MOMENTS_MAX;
}

/* TX_STATUS knows what is in the state of this moment, nothing else. */
bool
step_tx_known(struct life *l, struct server *s, int at, char text[200])
{
	struct proto_brief b[TX_SUBS];
	struct tx_verdict v;
	int i, err;

	for (i = 0; i < l->nnamed; i++) {
		struct named *n = &l->named[i];
		struct vfs_tx_status q = { name_of(n->name) };

		v = (struct tx_verdict){ .results = b, .cap = TX_SUBS };
		err = tx_status(s, &q, &v);
		if (err == 0 && v.state == (n->at <= at ? VFS_TX_COMMITTED :
		    VFS_TX_NEVER_SEEN) && (n->at > at ||
		    v.nresults == (size_t)n->nresult))
			continue;
		snprintf(text, 200, "transaction %llu of moment %d: %s, "
		    "state %u, %zu results", (unsigned long long)n->name,
		    n->at, err < 0 ? vfs_err_text(err) : "ok", v.state,
		    v.nresults);
		return false;
	}
	return true;
}
