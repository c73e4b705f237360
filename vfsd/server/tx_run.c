/*
 * tx_run.c - one operation of several, and the commit of all
 */
#include <assert.h>
#include <stdlib.h>
#include <string.h>

#include "tx_in.h"
#include "visible.h"

/* --- the list ------------------------------------------------------------ */

int
items_room(struct items *l, size_t n)
{
	struct item *v = realloc(l->v, n * sizeof *v);

	if (v == NULL)
		return -VFS_NOMEM;
	l->v = v;
	l->cap = n;
	return 0;
}

struct item *
items_add(struct items *l)
{
	if (l->n == l->cap &&
	    items_room(l, l->cap > 0 ? 2 * l->cap : 8) < 0)
		return NULL;
	l->v[l->n] = (struct item){ 0 };
	return &l->v[l->n++];
}

struct item *
items_add_packed(struct items *l, const struct packed *op)
{
	struct item *it = items_add(l);

	if (it != NULL) {
		it->op = op->op;
		it->q = &op->q;
	}
	return it;
}

void
items_cut(struct server *s, struct items *l, size_t n, bool committed)
{
	struct item *it;

	while (l->n > n) {
		it = &l->v[--l->n];
		plan_drop(server_engine(s), it->plan, committed);
		l->bytes -= it->nbody;
		free(it->body);
		free(it->env);
	}
	if (n == 0) {
		free(l->v);
		*l = (struct items){ 0 };
	}
}

/* --- requests that stay -------------------------------------------------- */

/* Enough for any request but long bytes, which are counted. */
static size_t
body_room(enum vfs_op op, const void *q)
{
	size_t n = 1024 + proto_form_fixed(proto_ops[op].req);

	if (op == VFS_OP_WRITE)
		n += ((const struct vfs_write *)q)->data.n;
	if (op == VFS_OP_XATTR_SET)
		n += ((const struct vfs_xattr_set *)q)->value.n;
	if (op == VFS_OP_CREATE)
		n += ((const struct vfs_create *)q)->target.n;
	return n;
}

/* Bytes that are in blocks already are not kept in memory too. */
static int
body_encode(struct item *it, const void *q, uint8_t *buf, size_t cap)
{
	struct vfs_write w;

	if (it->op == VFS_OP_WRITE && it->plan != NULL) {
		w = *(const struct vfs_write *)q;
		it->data_n = w.data.n;
		w.data = (struct vfs_slice){ NULL, 0 };
		return proto_tx_op_put(it->op, &w, buf, cap, &it->nbody);
	}
	return proto_tx_op_put(it->op, q, buf, cap, &it->nbody);
}

int
items_keep(struct items *l, const void *q)
{
	struct item *it = &l->v[l->n - 1];
	uint8_t small[2048], *buf = small;
	size_t room = body_room(it->op, q);
	int err;

	if (it->op == VFS_OP_WRITE && it->plan != NULL)
		room = sizeof small;
	if (room > sizeof small && (buf = malloc(room)) == NULL)
		return -VFS_NOMEM;
	it->nbody = 0;
	err = body_encode(it, q, buf, room > sizeof small ? room :
	    sizeof small);
	if (err == 0 && (it->body = malloc(it->nbody)) == NULL)
		err = -VFS_NOMEM;
	if (err == 0)
		memcpy(it->body, buf, it->nbody);
	else
		it->nbody = 0;
	l->bytes += it->nbody;
	if (buf != small)
		free(buf);
	return err;
}

static int
item_request(const struct item *it, union proto_req *q)
{
	struct vfs_slice list = { it->body, it->nbody };
	enum vfs_op op;
	int err;

	if (it->q != NULL) {
		memcpy(q, it->q, proto_ops[it->op].req_size);
		return 0;
	}
	if ((err = proto_tx_op_next(&list, &op, q)) < 0)
		return err;
	if (it->data_n > 0)
		q->write.data = (struct vfs_slice){ it->body, it->data_n };
	return 0;
}

/* --- results of earlier operations --------------------------------------- */

struct refs {
	const struct items *l;
	size_t n;
};

static int
resolve(void *arg, struct vfs_id *id)
{
	const struct refs *r = arg;
	uint64_t k = id->n & ~VFS_TX_RESULT;

	if ((id->n & VFS_TX_RESULT) == 0)
		return 0;
	if (k >= r->n)
		return -VFS_INVAL;
	*id = r->l->v[k].id;
	return 0;
}

int
items_resolve(const struct items *l, size_t n, enum vfs_op op, void *q)
{
	struct refs r = { l, n };

	return proto_each_id(op, q, resolve, &r);
}

int
items_request(const struct items *l, size_t i, union proto_req *q)
{
	int err = item_request(&l->v[i], q);

	return err < 0 ? err : items_resolve(l, i, l->v[i].op, q);
}

/* --- one operation ------------------------------------------------------- */

/* Where the result is: in the reply (they begin with it or an attr, which
 * begins with it) or in the request. */
static struct vfs_id
result_of(enum vfs_op op, const void *q, const void *rep)
{
	struct vfs_id id;

	switch (proto_ops[op].rep[0]) {
	case 'A':
	case '8':
		if (op != VFS_OP_COPY_RANGE) {
			memcpy(&id, rep, sizeof id);
			return id;
		}
		return ((const struct vfs_copy_range *)q)->dst;
	default:
		memcpy(&id, q, sizeof id);
		return id;
	}
}

/* Not checked by number: what the operation did says it. */
static int
note_orphans(struct orphans *o, enum vfs_op op, const void *rep)
{
	const struct vfs_rename_reply *rn = rep;
	const struct vfs_unlink_reply *un = rep;
	const struct vfs_tmpfile_reply *tm = rep;
	const struct vfs_tree_remove_reply *tr = rep;
	const struct vfs_tree_publish_reply *tp = rep;
	struct orphan x = { .id = { 0 } };
	struct orphan *v;

	if (op == VFS_OP_UNLINK && un->nlink == 0)
		x.id = un->id;
	if (op == VFS_OP_RENAME && rn->replaced.n != 0 &&
	    rn->replaced_nlink == 0)
		x.id = rn->replaced;
	if (op == VFS_OP_TREE_REMOVE)	/* if it has no other name */
		x.id = tr->id;
	if (op == VFS_OP_TREE_PUBLISH)
		x.id = tp->replaced;
	if (op == VFS_OP_TMPFILE)
		x = (struct orphan){ .id = tm->attr.id, .keep = true };
	x.tree = op == VFS_OP_TREE_REMOVE || op == VFS_OP_TREE_PUBLISH;
	if (x.id.n == 0 || o == NULL)
		return 0;
	if (o->n == o->cap) {
		o->cap = o->cap > 0 ? 2 * o->cap : 8;
		if ((v = realloc(o->v, o->cap * sizeof *v)) == NULL)
			return -VFS_NOMEM;
		o->v = v;
	}
	o->v[o->n++] = x;
	return 0;
}

/* A transaction leaves no draft behind. */
static int
publish(struct txn *t, enum vfs_op op, const void *q)
{
	struct vfs_publish p = { 0 };
	struct vfs_publish_reply r;

	if (op != VFS_OP_WRITE && op != VFS_OP_OPEN)
		return 0;
	memcpy(&p.id, q, sizeof p.id);
	return op_publish(t, &p, NULL, &r);
}

int
item_run_q(struct item *it, struct txn *t, const void *q, void *rep,
    struct orphans *o)
{
	int err;

	if ((err = table_run(it->op, t, q, it->plan, rep)) < 0 ||
	    (err = publish(t, it->op, q)) < 0)
		return err;
	it->id = result_of(it->op, q, rep);
	return note_orphans(o, it->op, rep);
}

int
item_run(struct items *l, size_t i, struct txn *t, void *rep,
    struct orphans *o)
{
	struct item *it = &l->v[i];
	struct vfs_id src = { 0 };
	union proto_req q;
	int err;

	if ((err = items_request(l, i, &q)) < 0)
		return err;
	if (it->op == VFS_OP_COPY_RANGE)
		src = q.copy_range.src;
	if (it->plan != NULL && (err = plan_again(t, it->plan, src)) < 0)
		return err;
	return item_run_q(it, t, &q, rep, o);
}

/* --- commit -------------------------------------------------------------- */

/* Not the transaction's fault, nor anybody's who was faster. */
static bool
passes(int err)
{
	switch (-err) {
	case VFS_NOSPC:
	case VFS_QUOTA:
	case VFS_ROFS:
	case VFS_IO:
	case VFS_CORRUPT:
	case VFS_NOMEM:
	case VFS_TX_LIMIT:
		return true;
	default:
		return false;
	}
}

/* What was created has just been told. */
int
item_brief(const struct item *it, struct txn *t, const union proto_rep *rep,
    struct proto_brief *out)
{
	struct vfs_stat q = { it->id };
	struct vfs_stat_reply r;
	int err = 0;

	*out = (struct proto_brief){ .id = it->id };
	if (it->op == VFS_OP_CREATE)
		r.attr = rep->create.attr;
	else if ((err = op_stat(t, &q, &r)) < 0)
		return err == -VFS_NO_SUCH_ID ? 0 : err;
	*out = (struct proto_brief){
		.id = it->id, .data_version = r.attr.data_version,
		.meta_version = r.attr.meta_version, .size = r.attr.size,
		.nlink = r.attr.nlink, .mode = r.attr.mode,
	};
	return 0;
}

void
item_ask_as(const struct item *it, struct txn *t, const struct req_env *now,
    struct req_env *env)
{
	if (it->env == NULL) {
		txn_set_env(t, now);
		return;
	}
	*env = *it->env;
	env->groups = now->groups;
	env->ngroups = now->ngroups;
	env->trace_id = now->trace_id;
	txn_set_env(t, env);
}

/* Operation i, with the ids that it got before. */
static int
run_one(const struct commit *c, struct txn *t, size_t i, struct orphans *o,
    struct tx_verdict *v)
{
	struct item *it = &c->items->v[i];
	struct vfs_id was = it->id;
	struct req_env env;
	union proto_rep rep;
	int err;

	item_ask_as(it, t, c->env, &env);
	if (c->deps != NULL)
		item_give_ids(it, t, c->own.ids);
	err = item_run(c->items, i, t, &rep, o);
	if (err == 0 && c->deps != NULL && it->id.n != was.n)
		err = -VFS_CONFLICT;
	if (err == 0 && v->nresults++ < v->cap)
		err = item_brief(it, t, &rep, &v->results[v->nresults - 1]);
	txn_set_env(t, c->env);
	txn_set_ids(t, NULL, 0);
	if (err == 0)
		return 0;
	v->op_index = (uint32_t)i;
	if (c->deps == NULL || passes(err))
		return err;
	v->object = was;
	v->again = it->op;
	v->cause = err == -VFS_CONFLICT ? 0 : err;
	return -VFS_CONFLICT;
}

static int
run_each(const struct commit *c, struct txn *t, struct orphans *o,
    struct tx_verdict *v)
{
	size_t i;
	int err;

	if ((err = pre_check(t, c->pre, c->npre, v)) < 0)
		return err;
	if (c->deps != NULL && (err = deps_check(c->deps, t, v)) < 0)
		return err;
	for (i = 0; i < c->items->n; i++)
		if ((err = run_one(c, t, i, o, v)) < 0)
			return err;
	return 0;
}

/* ran: t has all that was run before. */
static int
run_all(struct server *s, const struct commit *c, struct txn *t, bool ran,
    struct orphans *o, struct tx_verdict *v)
{
	int err = ran ? speculation_told(c->spec, o, v) :
	    run_each(c, t, o, v);

	if (err < 0)
		return err;
	v->seq = txn_seq(t);
#ifdef PLANT_OUTCOME_LATER
	return 0;
#endif
	if (c->tx_id != NULL)
		return txids_put(server_txs(s)->ids, t, c, v);
	return 0;
}

/* The answer that the same commit got before: 1; 0 if there was none.  An
 * interactive one is answered where its transaction is found to be gone. */
static int
answered(const struct commit *c, struct txn *t, struct tx_verdict *v)
{
	uint64_t digest[2];
	int found;

	if (c->tx_id == NULL)
		return 0;
	if ((found = txids_find(t, c->tx_id, digest, v)) <= 0)
		return found;
	if (digest[0] != c->digest[0] || digest[1] != c->digest[1] ||
	    (digest[0] | digest[1]) == 0)
		return -VFS_INVAL;
	v->repeated = true;
	return 1;
}

#ifdef PLANT_OUTCOME_LATER
/* The answer comes when the commit is done. */
static void
outcome(struct server *s, const struct commit *c, const struct tx_verdict *v)
{
	struct txn *t;

	if (c->tx_id == NULL || txn_begin(server_engine(s), TXN_WRITE,
	    c->env, &t) < 0)
		return;
	(void)txids_put(server_txs(s)->ids, t, c, v);
	(void)txn_commit(t, NULL);
}
#endif

static bool
syncs(struct server *s, const struct commit *c)
{
	return c->durability == VFS_TX_STABLE || server_syncs_all(s);
}

static int
try_commit(struct server *s, const struct commit *c,
    struct visible_commit *vis, struct orphans *o, struct tx_verdict *v)
{
	struct vfs_seq seq;
	struct txn *t;
	bool ran;
	int err;

	err = txn_begin_speculated(server_engine(s),
	    c->spec != NULL ? c->spec->priv : NULL, c->env, &t);
	if (err < 0)
		return err;
	ran = err > 0;
	txn_set_whole(t);
	if (syncs(s, c))
		txn_set_stable(t);
	/* Taken up again: nobody has committed since we asked, and t has our own
	 * answer by now. */
	err = ran && vis->tries > 0 ? 0 : answered(c, t, v);
	if (err == 0)
		err = run_all(s, c, t, ran, o, v);
	if (err == 0 && c->env->stop != NULL)
		err = c->env->stop(c->env->stop_arg);
	if (err != 0) {
		txn_abort(t);
		if (err < 0)
			v->seq.n = 0;
		return err;
	}
	if ((err = visible_txn_commit(vis, t, &seq)) != 0) {
		v->seq.n = 0;
		return err;
	}
	if (seq.n != 0)
		v->seq = seq;
#ifdef PLANT_OUTCOME_LATER
	outcome(s, c, v);
#endif
	if (c->tx_id != NULL)
		txids_committed(server_txs(s)->ids, c);
	if (ran)
		tx_speculated(s);
	return 0;
}

/* The kernel is told without locks, and then it is all done again. */
static int
commit_seen(struct server *s, const struct commit *c, struct orphans *o,
    struct tx_verdict *v)
{
	struct txids *ids = server_txs(s)->ids;
	struct visible_commit vis;
	int err;

	visible_begin(&vis, c->env->kernel_checked ? NULL :
	    server_visible(s));
	for (;;) {
		if (c->tx_id != NULL)
			txids_lock(ids);
		err = try_commit(s, c, &vis, o, v);
		if (c->tx_id != NULL)
			txids_unlock(ids);
		if (err != VISIBLE_TELL)
			break;
		visible_tell(&vis);
		verdict_clear(v);
		o->n = 0;
	}
	visible_end(&vis);
	return err;
}

int
commit_run(struct server *s, const struct commit *c, struct tx_verdict *v)
{
	struct orphans o = { 0 };
	size_t i;
	int err;

	err = commit_seen(s, c, &o, v);
	for (i = 0; err == 0 && i < o.n; i++) {
		if (o.v[i].tree)
			server_tree_orphaned(s, o.v[i].id);
		else
			server_orphaned(s, o.v[i].id, o.v[i].keep);
	}
	free(o.v);
	if (err < 0)
		return err;
	return syncs(s, c) ? engine_sync(server_engine(s)) : 0;
}
