/*
 * pack.c - transactions of one message, or of as few as they need
 *
 * A name of ours goes with every pack, so that asking again after a lost
 * answer is safe.  What does not fit is sent with TX_ADD, in order, so
 * that results are numbered through; preconditions then become reads of
 * the transaction, which its commit checks.
 */
#include <stdlib.h>
#include <string.h>

#include "vfs_in.h"

#define EXEC_FIXED	256u		/* of TX_EXEC, its name and so on */
#define PART_BYTES	(128u << 10)	/* of a part behind the first: what a
					 * socket takes at once */

void
vfs_pack_begin(struct vfs_pack *p, struct vfs *v, void *buf, size_t cap,
    void *pre, size_t pre_cap)
{
	*p = (struct vfs_pack){ .v = v, .buf = buf, .cap = cap, .pre = pre,
		.pre_cap = pre_cap };
}

void
vfs_pack_end(struct vfs_pack *p)
{
	vfs_tx_abort(p->tx);
	p->tx = NULL;
	p->n = p->pre_n = 0;
	p->ops = p->sent = p->npre = 0;
}

/* --- in parts -------------------------------------------------------------- */

/*
 * One part is under way while the next is packed.  Its results are the
 * caller's only at the end, but its reply may tell them.
 */
struct part {
	bool sent;			/* and its answer not taken yet */
	uint32_t first;			/* of its operations */
	struct vfs_call call;
	struct vfs_tx_add q;
	struct vfs_tx_add_reply r;
	void *room;			/* for the reply: max_msg */
};

void
lv_part_free(struct vfs_tx *tx)
{
	struct part *t = tx->part;

	if (t == NULL)
		return;
	vfs_forget(tx->v, &t->call);
	free(t->room);
	free(t);
	tx->part = NULL;
}

static int
part_new(struct vfs_pack *p)
{
	struct part *t = calloc(1, sizeof *t);

	if (t == NULL || (t->room = malloc(p->v->conf.max_msg)) == NULL) {
		free(t);
		return lv_fail(p->v, -VFS_NOMEM);
	}
	p->tx->part = t;
	return 0;
}

/* Its transaction has gone with the connection. */
static bool
is_lost(const struct vfs_pack *p)
{
	return p->tx->epoch != p->v->epoch || p->v->lost != 0;
}

/* The answer to the part that was sent, if one was. */
static int
part_end(struct vfs_pack *p)
{
	struct part *t = p->tx->part;
	int err;

	if (t == NULL || !t->sent)
		return 0;
	t->sent = false;
	err = is_lost(p) ? 0 : lv_run(p->v, &t->call);
	if (is_lost(p))
		return lv_fail(p->v, -VFS_ABORTED);
	if (err < 0) {
		p->v->failure.op_index += t->first;
		return err;
	}
	return t->r.first == t->first ? 0 : lv_fail(p->v, -VFS_MALFORMED);
}

/* Without preconditions, which are looked at now, nothing has to run
 * before the commit.  What is not taken now is sent by part_end. */
static void
part_begin(struct vfs_pack *p, struct part *t)
{
	t->sent = true;
	t->first = p->sent;
	t->q = (struct vfs_tx_add){ .tx = p->tx->n, .nops = p->ops,
		.flags = p->npre == 0 ? VFS_TX_LATER : 0,
		.ops = { p->buf, p->n } };
	t->call = (struct vfs_call){ .op = VFS_OP_TX_ADD, .q = &t->q,
		.r = &t->r, .buf = t->room, .cap = p->v->conf.max_msg };
	lv_ahead_own(p->v, &t->call);
}

/* They are run in the order in which they come, so one at a time. */
static int
part_send(struct vfs_pack *p)
{
	int err = part_end(p);

	if (err == 0 && is_lost(p))
		err = lv_fail(p->v, -VFS_ABORTED);
	if (err == 0 && p->tx->part == NULL)
		err = part_new(p);
	if (err < 0)
		return err;
	part_begin(p, p->tx->part);
	/* The operations lie where the next ones will. */
	return p->tx->part->call.state == CALL_IDLE ? part_end(p) : 0;
}

static int
check_name(struct vfs_pack *p, const struct vfs_tx_pre *c)
{
	struct vfs_lookup q = { c->id, c->name };
	struct vfs_lookup_reply r;
	uint64_t is = 0;
	int err = lv_call(p->v, p->tx, VFS_OP_LOOKUP, &q, &r);

	if (err == 0)
		is = r.attr.id.n;
	if (err < 0 && err != -VFS_NOENT)
		return err;
	return is == c->id2.n ? 0 : -VFS_PRECOND;
}

static int
check_version(struct vfs_pack *p, const struct vfs_tx_pre *c)
{
	struct vfs_attr a;
	int err = vfs_stat(p->v, p->tx, c->id, &a);

	if (err < 0)
		return err == -VFS_NO_SUCH_ID ? -VFS_PRECOND : err;
	return (c->a == 0 || a.data_version == c->a) &&
	    (c->b == 0 || a.meta_version == c->b) ? 0 : -VFS_PRECOND;
}

/* What the transaction reads is checked again when it commits. */
static int
check_pre(struct vfs_pack *p)
{
	struct vfs_slice list = { p->pre, p->pre_n };
	struct vfs_tx_pre c;
	uint32_t i;
	int err;

	for (i = 0; (err = proto_tx_pre_next(&list, &c)) > 0; i++) {
		if (c.kind == VFS_PRE_NAME_IS || c.kind == VFS_PRE_NAME_ABSENT)
			err = check_name(p, &c);
		else if (c.kind == VFS_PRE_ID_VERSION ||
		    c.kind == VFS_PRE_DIR_VERSION)
			err = check_version(p, &c);
		else
			err = -VFS_TX_LIMIT;	/* one message only */
		if (err == 0)
			continue;
		lv_fail(p->v, err);
		p->v->failure.op_index = i;
		p->v->failure.object = c.id;
		return err;
	}
	return err;
}

/* Send what is packed so far, for there is more. */
static int
spill(struct vfs_pack *p)
{
	int err;

	if (p->ops == 0)
		return lv_fail(p->v, -VFS_TOO_BIG);
	if (p->tx == NULL) {
		if ((err = vfs_tx_begin(p->v, &p->tx)) < 0 ||
		    (err = check_pre(p)) < 0)
			return err;
	}
	if ((err = part_send(p)) < 0)
		return err;
	p->sent += p->ops;
	p->ops = 0;
	p->n = 0;
	return 0;
}

/* --- operations -------------------------------------------------------------- */

/* Bytes of operations that one message takes. */
static size_t
part_max(const struct vfs_pack *p)
{
	size_t n = lv_payload(p->v) - EXEC_FIXED / 2;

	if (p->pre_n < n)
		n -= p->pre_n;
	return n < p->cap ? n : p->cap;
}

/* Once it is known that there are parts, the daemon need not wait for long
 * ones. */
static size_t
part_room(const struct vfs_pack *p)
{
	size_t n = part_max(p);

	if (p->tx != NULL && n > PART_BYTES)
		n = PART_BYTES > p->n ? PART_BYTES : p->n;
	return n;
}

static int
put(struct vfs_pack *p, enum vfs_op op, const void *q)
{
	int err = proto_tx_op_put(op, q, p->buf, part_room(p), &p->n);

	if (err != -VFS_TOO_BIG)
		return err;
	if ((p->ops > 0 || p->tx == NULL) && (err = spill(p)) < 0)
		return err;
	err = proto_tx_op_put(op, q, p->buf, part_max(p), &p->n);
	return err < 0 ? lv_fail(p->v, err) : 0;
}

struct vfs_id
vfs_pack_op(struct vfs_pack *p, enum vfs_op op, const void *q)
{
	struct vfs_id id = { VFS_RESULT(p->sent + p->ops) };

	if (p->err == 0 && p->sent + p->ops >= VFS_TX_OPS_MAX)
		p->err = lv_fail(p->v, -VFS_TX_LIMIT);
	if (p->err == 0)
		p->err = put(p, op, q);
	if (p->err < 0)
		return (struct vfs_id){ 0 };
	id.n = VFS_RESULT(p->sent + p->ops);
	p->ops++;
	return id;
}

struct vfs_id
vfs_pack_mkdir(struct vfs_pack *p, struct vfs_id dir, const char *name,
    uint32_t mode)
{
	struct vfs_create q = { .dir = dir, .name = lv_str(name),
		.mode = VFS_TYPE_MODE(VFS_DIR) | (mode & VFS_MODE_PERM),
		.flags = VFS_CREATE_EXCL };

	return vfs_pack_op(p, VFS_OP_CREATE, &q);
}

struct vfs_id
vfs_pack_file(struct vfs_pack *p, struct vfs_id dir, const char *name,
    uint32_t mode, const void *data, size_t n)
{
	struct vfs_create q = { .dir = dir, .name = lv_str(name),
		.mode = VFS_TYPE_MODE(VFS_REG) | (mode & VFS_MODE_PERM),
		.flags = VFS_CREATE_EXCL };
	struct vfs_id id = vfs_pack_op(p, VFS_OP_CREATE, &q);

	if (n > 0)
		vfs_pack_write(p, id, 0, data, n);
	return id;
}

struct vfs_id
vfs_pack_symlink(struct vfs_pack *p, struct vfs_id dir, const char *name,
    const char *target)
{
	struct vfs_create q = { .dir = dir, .name = lv_str(name),
		.mode = VFS_TYPE_MODE(VFS_LNK) | 0777,
		.flags = VFS_CREATE_EXCL, .target = lv_str(target) };

	return vfs_pack_op(p, VFS_OP_CREATE, &q);
}

void
vfs_pack_write(struct vfs_pack *p, struct vfs_id id, uint64_t off,
    const void *data, size_t n)
{
	size_t max = part_max(p) - EXEC_FIXED / 2, k, done = 0;
	struct vfs_write q = { .id = id };

	if (max > VFS_IO_MAX)
		max = VFS_IO_MAX;
	if (max > p->v->peer.write_atomic_max &&
	    p->v->peer.write_atomic_max > 0)
		max = (size_t)p->v->peer.write_atomic_max;
	do {
		k = n - done < max ? n - done : max;
		q.off = off + done;
		q.data = (struct vfs_slice){ (const char *)data + done, k };
		vfs_pack_op(p, VFS_OP_WRITE, &q);
		done += k;
	} while (p->err == 0 && done < n);
}

void
vfs_pack_unlink(struct vfs_pack *p, struct vfs_id dir, const char *name,
    uint32_t flags)
{
	struct vfs_unlink q = { .dir = dir,
		.flags = lv_unlink_flags(flags), .name = lv_str(name) };

	vfs_pack_op(p, VFS_OP_UNLINK, &q);
}

void
vfs_pack_rename(struct vfs_pack *p, const struct vfs_move *m)
{
	struct vfs_rename q = { m->dir, m->dir2, m->expect, m->expect2,
		m->flags, lv_str(m->name), lv_str(m->name2) };

	vfs_pack_op(p, VFS_OP_RENAME, &q);
}

void
vfs_pack_publish(struct vfs_pack *p, const struct vfs_move *m)
{
	struct vfs_tree_publish q = { m->dir, m->dir2, m->expect, m->expect2,
		m->flags, lv_str(m->name), lv_str(m->name2) };

	vfs_pack_op(p, VFS_OP_TREE_PUBLISH, &q);
}

void
vfs_pack_remove_tree(struct vfs_pack *p, struct vfs_id dir, const char *name)
{
	struct vfs_tree_remove q = { .dir = dir, .name = lv_str(name) };

	vfs_pack_op(p, VFS_OP_TREE_REMOVE, &q);
}

/* --- preconditions ------------------------------------------------------------- */

static void
pre(struct vfs_pack *p, const struct vfs_tx_pre *c)
{
	if (p->err < 0)
		return;
	if (p->tx != NULL)		/* too late: parts were sent */
		p->err = -VFS_INVAL;
	else if (p->npre >= VFS_TX_PRE_MAX)
		p->err = -VFS_TX_LIMIT;
	else
		p->err = proto_tx_pre_put(c, p->pre, p->pre_cap, &p->pre_n);
	if (p->err < 0)
		lv_fail(p->v, p->err);
	else
		p->npre++;
}

void
vfs_pack_if_version(struct vfs_pack *p, struct vfs_id id, uint64_t data,
    uint64_t meta)
{
	struct vfs_tx_pre c = { .kind = VFS_PRE_ID_VERSION, .id = id,
		.a = data, .b = meta };

	pre(p, &c);
}

void
vfs_pack_if_name(struct vfs_pack *p, struct vfs_id dir, const char *name,
    struct vfs_id is)
{
	struct vfs_tx_pre c = { .kind = VFS_PRE_NAME_IS, .id = dir,
		.id2 = is, .name = lv_str(name) };

	pre(p, &c);
}

void
vfs_pack_if_absent(struct vfs_pack *p, struct vfs_id dir, const char *name)
{
	struct vfs_tx_pre c = { .kind = VFS_PRE_NAME_ABSENT, .id = dir,
		.name = lv_str(name) };

	pre(p, &c);
}

void
vfs_pack_if_dir_version(struct vfs_pack *p, struct vfs_id dir,
    uint64_t version)
{
	struct vfs_tx_pre c = { .kind = VFS_PRE_DIR_VERSION, .id = dir,
		.a = version };

	pre(p, &c);
}

void
vfs_pack_if_hash(struct vfs_pack *p, struct vfs_id id, uint32_t alg,
    const void *hash, size_t n)
{
	struct vfs_tx_pre c = { .kind = VFS_PRE_HASH_IS, .id = id, .a = alg,
		.name = { hash, n } };

	pre(p, &c);
}

void
vfs_pack_if_unchanged(struct vfs_pack *p, struct vfs_id subtree,
    struct vfs_seq since)
{
	struct vfs_tx_pre c = { .kind = VFS_PRE_JOURNAL_AT_MOST,
		.id = subtree, .a = since.n };

	pre(p, &c);
}

/* --- all of it ------------------------------------------------------------------ */

struct exec {
	uint32_t durability;
	struct vfs_tx_name name;
	struct vfs_result *results;
	size_t nresults;
	struct vfs_seq seq;
};

static int
take_results(struct vfs *v, const struct vfs_buf *list, struct exec *x)
{
	size_t n = list->n / PROTO_BRIEF, i;
	struct proto_brief b;
	struct rbuf rb;

	if (list->n % PROTO_BRIEF != 0)
		return lv_fail(v, -VFS_MALFORMED);
	for (i = n; i < x->nresults; i++)
		x->results[i] = (struct vfs_result){ .id = { 0 } };
	rbuf_init(&rb, list->p, list->n, 0);
	for (i = 0; i < n && i < x->nresults; i++) {
		proto_brief_decode(&rb, &b);
		x->results[i] = (struct vfs_result){ b.id, b.data_version,
			b.meta_version, b.size, b.nlink, b.mode };
	}
	return 0;
}

static int
exec_one(struct vfs_pack *p, struct exec *x)
{
	struct vfs_tx_exec q = { .durability = x->durability,
		.npre = p->npre, .nops = p->ops,
		.tx_id = { x->name.b, sizeof x->name.b },
		.pre = { p->pre, p->pre_n }, .ops = { p->buf, p->n } };
	struct vfs_tx_exec_reply r;
	int err = lv_call(p->v, NULL, VFS_OP_TX_EXEC, &q, &r);

	if (err < 0) {
		lv_tx_explain(p->v, x->name.b);
		return err;
	}
	x->seq.n = r.seq;
	return take_results(p->v, &r.results, x);
}

static int
exec_parts(struct vfs_pack *p, struct exec *x)
{
	struct vfs_buf results;
	int err = p->ops > 0 ? spill(p) : 0;

	if (err == 0)
		err = part_end(p);
	if (err < 0)
		return err;
	memcpy(p->tx->id, x->name.b, sizeof p->tx->id);
	err = lv_tx_commit(p->tx, x->durability, &x->seq, &results);
	p->tx = NULL;
	return err < 0 ? err : take_results(p->v, &results, x);
}

int
vfs_pack_exec(struct vfs_pack *p, uint32_t durability,
    const struct vfs_tx_name *name, struct vfs_result *results,
    size_t nresults, struct vfs_seq *seq)
{
	struct exec x = { .durability = durability, .results = results,
		.nresults = nresults };
	int err = p->err;

	if (err == 0 && name != NULL)
		x.name = *name;
	else if (err == 0)
		err = vfs_tx_name_new(p->v, &x.name);
	if (err == 0)
		err = p->tx == NULL ? exec_one(p, &x) : exec_parts(p, &x);
	vfs_pack_end(p);
	if (err == 0 && seq != NULL)
		*seq = x.seq;
	return err;
}
