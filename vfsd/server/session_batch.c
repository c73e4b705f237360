/*
 * session_batch.c - LOOKUP_BATCH, STAT_BATCH, READ_BATCH
 *
 * The list is copied once, with ids in the place of handles, and the core
 * answers all of it in one txn.  An item that may not be asked for gets id
 * 0 there, and its own error here, afterwards.  In a transaction the items
 * are run one by one: what each has read is part of it.
 */
#include <stdlib.h>
#include <string.h>

#include "../../protocol/codec.h"
#include "session_in.h"

/* What the three have in common: a list of n items, one after the other. */
struct batch {
	enum vfs_op op;
	uint32_t n, want;
	struct vfs_slice list;		/* asked */
	struct vfs_buf *out;		/* answered */
	uint32_t *answered;
	uint8_t *copy;			/* of the list; behind it: */
	uint8_t *refused;		/* for each item: vfs_err, 0 none */
	bool any_refused;
};

static struct batch
batch_of(enum vfs_op op, void *qp, void *rp)
{
	struct vfs_lookup_batch *lq = qp;
	struct vfs_lookup_batch_reply *lr = rp;
	struct vfs_stat_batch *sq = qp;
	struct vfs_stat_batch_reply *sr = rp;
	struct vfs_read_batch *rq = qp;
	struct vfs_read_batch_reply *rr = rp;

	if (op == VFS_OP_LOOKUP_BATCH)
		return (struct batch){ .op = op, .n = lq->n, .want = lq->want,
			.list = lq->names, .out = &lr->results,
			.answered = &lr->n };
	if (op == VFS_OP_STAT_BATCH)
		return (struct batch){ .op = op, .n = sq->n, .want = sq->want,
			.list = sq->ids, .out = &sr->results,
			.answered = &sr->n };
	return (struct batch){ .op = op, .n = rq->n, .list = rq->reads,
		.out = &rr->results, .answered = &rr->n };
}

static void
put_list(enum vfs_op op, void *qp, struct vfs_slice list)
{
	if (op == VFS_OP_LOOKUP_BATCH)
		((struct vfs_lookup_batch *)qp)->names = list;
	else if (op == VFS_OP_STAT_BATCH)
		((struct vfs_stat_batch *)qp)->ids = list;
	else
		((struct vfs_read_batch *)qp)->reads = list;
}

/* One item; all begin with an id. */
struct item {
	struct vfs_id id;
	struct proto_place place;
	struct proto_range range;
};

static int
next_item(enum vfs_op op, struct rbuf *b, struct item *out)
{
	int err;

	switch (op) {
	case VFS_OP_LOOKUP_BATCH:
		err = proto_place_next(b, &out->place);
		out->id = out->place.dir;
		return err;
	case VFS_OP_STAT_BATCH:
		return proto_id_next(b, &out->id);
	default:
		err = proto_range_next(b, &out->range);
		out->id = out->range.id;
		return err;
	}
}

/* --- ids in the place of handles ------------------------------------------- */

static void
put_id(uint8_t *at, uint64_t id)
{
	struct wbuf w;

	wbuf_init(&w, at, 8, 0, 8);
	wbuf_u64(&w, id);
}

/* What the core gets for id; 0 if it is refused. */
static uint64_t
core_id(struct run *r, struct batch *k, uint32_t i, struct vfs_id id)
{
	struct field f;
	int err = run_resolve_one(r, k->op, &id, &f);

	if (err < 0 || (id.n & (VFS_TX_RESULT | VFS_HANDLE)) != 0) {
		k->refused[i] = (uint8_t)(err < 0 ? -err : VFS_NO_SUCH_ID);
		k->any_refused = true;
		return 0;
	}
	if (k->op == VFS_OP_READ_BATCH && (f.opened & VFS_OPEN_READ))
		id.n |= VFS_HANDLE;	/* see op_read_batch */
	return id.n;
}

static int
translate(struct run *r, struct batch *k)
{
	struct item it;
	struct rbuf b;
	uint32_t i;
	size_t at;
	int err;

	if (k->n > VFS_BATCH_MAX)
		return -VFS_TOO_BIG;
	if ((k->copy = malloc(k->list.n + k->n + 1)) == NULL)
		return -VFS_NOMEM;
	k->refused = k->copy + k->list.n;
	memset(k->refused, 0, k->n);
	if (k->list.n > 0)
		memcpy(k->copy, k->list.p, k->list.n);
	proto_list_read(&b, k->list);
	for (i = 0; i < k->n; i++) {
		at = b.pos;
		if ((err = next_item(k->op, &b, &it)) < 0)
			return err;
		put_id(k->copy + at, core_id(r, k, i, it.id));
	}
	return proto_list_more(&b) ? -VFS_MALFORMED : 0;
}

/* --- what may not be told ---------------------------------------------------- */

/* Errors of items that were refused, in their records. */
static void
put_refusals(struct batch *k)
{
	struct proto_found f;
	struct proto_bytes g;
	struct rbuf b;
	uint32_t i;
	size_t at;

	proto_list_read(&b, (struct vfs_slice){ k->out->p, k->out->n });
	for (i = 0; i < *k->answered; i++) {
		at = b.pos;
		if ((k->op == VFS_OP_READ_BATCH ? proto_bytes_next(&b, &g) :
		    proto_found_next(&b, k->want, &f)) < 0)
			return;
		if (k->refused[i] != 0)
			((uint8_t *)k->out->p)[at] = k->refused[i];
	}
}

/* LOOKUP_BATCH tells attributes that the session may not see. */
static void
mask_all(struct run *r, struct batch *k)
{
	struct proto_list l = { .p = k->out->p, .cap = k->out->n };
	struct proto_found f;
	struct rbuf b;

	if (k->op != VFS_OP_LOOKUP_BATCH ||
	    (r->s->rights & VFS_RIGHT_GETATTR) != 0)
		return;
	proto_list_read(&b, (struct vfs_slice){ k->out->p, k->out->n });
	while (proto_list_more(&b) &&
	    proto_found_next(&b, k->want, &f) == 0) {
		if (f.err == 0)
			run_mask(r, 0, &f.attr);
		if (!proto_found_put(&l, k->want, &f))
			return;
	}
}

/* --- in a transaction --------------------------------------------------------- */

static bool
tx_found(struct run *r, const struct batch *k, const struct item *it,
    struct proto_list *l)
{
	struct vfs_lookup lq = { it->place.dir, it->place.name };
	struct vfs_lookup_reply lr;
	struct vfs_stat sq = { it->id };
	struct vfs_stat_reply sr;
	struct proto_found f;
	int err;

	if (k->op == VFS_OP_STAT_BATCH) {
		err = run_core(r, VFS_OP_STAT, &sq, &sr);
		f.attr = sr.attr;
	} else {
		err = run_core(r, VFS_OP_LOOKUP, &lq, &lr);
		f.attr = lr.attr;
	}
	f.err = (uint32_t)-err;
	return proto_found_put(l, k->want, &f);
}

static bool
tx_read(struct run *r, const struct item *it, struct proto_list *l)
{
	struct vfs_read q = { .id = it->range.id, .off = it->range.off,
		.count = it->range.count };
	struct vfs_read_reply rep = { .data = { l->p + l->n + 8, 0, 0 } };
	struct proto_bytes g = { 0 };
	bool was = r->env.no_modes;

	if (l->cap - l->n < 16 || q.count > l->cap - l->n - 8)
		return false;
	rep.data.cap = q.count;
	r->env.no_modes = was || (q.id.n & VFS_HANDLE) != 0;
	q.id.n &= ~VFS_HANDLE;
	g.err = (uint32_t)-run_core(r, VFS_OP_READ, &q, &rep);
	r->env.no_modes = was;
	if (g.err == 0)
		g.data = (struct vfs_slice){ rep.data.p, rep.data.n };
	return proto_bytes_put(l, &g);
}

static int
run_items(struct run *r, struct batch *k)
{
	struct proto_list l = { .p = k->out->p, .cap = k->out->cap };
	struct vfs_slice list = { k->copy, k->list.n };
	struct item it;
	struct rbuf b;
	uint32_t i;

	if (k->want > VFS_WANT_BRIEF)
		return -VFS_INVAL;
	proto_list_read(&b, list);
	for (i = 0; i < k->n; i++) {
		if (next_item(k->op, &b, &it) < 0)
			return b.err;
		if (!(k->op == VFS_OP_READ_BATCH ? tx_read(r, &it, &l) :
		    tx_found(r, k, &it, &l)))
			break;
	}
	*k->answered = i;
	k->out->n = l.n;
	return i == 0 && k->n > 0 ? -VFS_TOO_BIG : 0;
}

int
session_batch(struct run *r, void *q, void *rep)
{
	struct batch k = batch_of(r->op, q, rep);
	int err;

	if ((err = translate(r, &k)) == 0) {
		put_list(k.op, q, (struct vfs_slice){ k.copy, k.list.n });
		err = r->k->tx != 0 ? run_items(r, &k) :
		    run_core(r, k.op, q, rep);
	}
	if (err == 0 && k.any_refused)
		put_refusals(&k);
	if (err == 0)
		mask_all(r, &k);
	free(k.copy);
	return err;
}
