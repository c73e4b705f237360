/*
 * LOOKUP_BATCH, STAT_BATCH, READ_BATCH: many small questions, one view of
 * the store.  An item that fails says so in its own record.  What the reply
 * has no room for is left out, and its count tells.
 */
#include "../../protocol/records.h"
#include "core.h"
#include "node.h"
#include "within.h"

static struct proto_list
list_of(const struct vfs_buf *b)
{
	return (struct proto_list){ .p = b->p, .cap = b->cap };
}

static int
check_batch(uint32_t n, uint32_t want)
{
	if (n > VFS_BATCH_MAX)
		return -VFS_TOO_BIG;
	return want > VFS_WANT_BRIEF ? -VFS_INVAL : 0;
}

/* What a reader of the request's list ended with. */
static int
check_end(const struct rbuf *b, uint32_t seen, uint32_t n)
{
	if (b->err < 0)
		return b->err;
	return seen == n && proto_list_more(b) ? -VFS_MALFORMED : 0;
}

static int
found_attr(struct txn *t, struct vfs_id id, struct vfs_attr *a)
{
	struct node n;
	int err, in;

	if ((in = within(t, id)) <= 0)
		return in < 0 ? in : -VFS_NO_SUCH_ID;
	if ((err = node_get(t, id, &n)) < 0)
		return err;
	node_attr(&n, a);
	return within_attr(t, a);
}

int
op_stat_batch(struct txn *t, const struct vfs_stat_batch *q,
    struct vfs_stat_batch_reply *r)
{
	struct proto_list l = list_of(&r->results);
	struct proto_found f;
	struct vfs_id id;
	struct rbuf b;
	int err;

	if ((err = check_batch(q->n, q->want)) < 0)
		return err;
	proto_list_read(&b, q->ids);
	for (r->n = 0; r->n < q->n; r->n++) {
		if (proto_id_next(&b, &id) < 0)
			break;
		f.err = (uint32_t)-found_attr(t, id, &f.attr);
		if (!proto_found_put(&l, q->want, &f))
			break;
	}
	r->results.n = l.n;
	return check_end(&b, r->n, q->n);
}

static int
found_name(struct txn *t, const struct proto_place *p, struct vfs_attr *a)
{
	struct vfs_lookup q = { p->dir, p->name };
	struct vfs_lookup_reply r;
	int err;

	if ((err = within_check(t, VFS_OP_LOOKUP, &q)) < 0 ||
	    (err = op_lookup(t, &q, &r)) < 0)
		return err;
	*a = r.attr;
	return within_attr(t, a);
}

int
op_lookup_batch(struct txn *t, const struct vfs_lookup_batch *q,
    struct vfs_lookup_batch_reply *r)
{
	struct proto_list l = list_of(&r->results);
	struct proto_place p;
	struct proto_found f;
	struct rbuf b;
	int err;

	if ((err = check_batch(q->n, q->want)) < 0)
		return err;
	proto_list_read(&b, q->names);
	for (r->n = 0; r->n < q->n; r->n++) {
		if (proto_place_next(&b, &p) < 0)
			break;
		f.err = (uint32_t)-found_name(t, &p, &f.attr);
		if (!proto_found_put(&l, q->want, &f))
			break;
	}
	r->results.n = l.n;
	return check_end(&b, r->n, q->n);
}

/* --- READ_BATCH ----------------------------------------------------------- */

#define BYTES_HEAD	8u		/* of a bytes record */

/* VFS_HANDLE set: it was opened for reading, the modes were looked at. */
static int
read_one(struct txn *t, const struct proto_range *g, struct vfs_buf *to)
{
	const struct req_env *was = txn_env(t);
	struct req_env env = *was;
	struct vfs_read q = { .id = g->id, .off = g->off,
		.count = g->count };
	struct vfs_read_reply r = { .data = *to };
	int err;

	env.no_modes = was->no_modes || (q.id.n & VFS_HANDLE) != 0;
	q.id.n &= ~VFS_HANDLE;
	if ((err = within_check(t, VFS_OP_READ, &q)) < 0)
		return err;
	txn_set_env(t, &env);
	err = op_read(t, &q, &r);
	txn_set_env(t, was);
	to->n = err == 0 ? r.data.n : 0;
	return err;
}

/* The bytes go where their record will be.  False: no room. */
static bool
read_into(struct txn *t, const struct proto_range *g, struct proto_list *l)
{
	struct vfs_buf to = { l->p + l->n + BYTES_HEAD, 0, 0 };
	struct proto_bytes rec = { 0 };

	if (l->cap - l->n < BYTES_HEAD + 8 ||
	    g->count > l->cap - l->n - BYTES_HEAD)
		return false;
	to.cap = g->count;
	rec.err = (uint32_t)-read_one(t, g, &to);
	rec.data = (struct vfs_slice){ to.p, to.n };
	return proto_bytes_put(l, &rec);
}

int
op_read_batch(struct txn *t, const struct vfs_read_batch *q,
    struct vfs_read_batch_reply *r)
{
	struct proto_list l = list_of(&r->results);
	struct proto_range g;
	struct rbuf b;
	int err;

	if (q->unused != 0)
		return -VFS_INVAL;
	if ((err = check_batch(q->n, 0)) < 0)
		return err;
	proto_list_read(&b, q->reads);
	for (r->n = 0; r->n < q->n; r->n++)
		if (proto_range_next(&b, &g) < 0 || !read_into(t, &g, &l))
			break;
	r->results.n = l.n;
	if (b.err == 0 && r->n == 0 && q->n > 0)
		return -VFS_TOO_BIG;
	return check_end(&b, r->n, q->n);
}
