#include "mem.h"

#include "tx.h"

#define ITEM_HEAD	8u

/* --- items --------------------------------------------------------------- */

/* The body is in place; now the head before it. */
static int
item_end(unsigned number, struct wbuf *w, size_t *n)
{
	struct wbuf head;
	size_t len;
	int err;

	if ((err = wbuf_end(w, &len)) < 0)
		return err;
	wbuf_init(&head, w->p, ITEM_HEAD, 0, ITEM_HEAD);
	wbuf_u16(&head, (uint16_t)number);
	wbuf_u16(&head, 0);
	wbuf_u32(&head, (uint32_t)len);
	*n += len;
	return 0;
}

int
proto_tx_op_put(enum vfs_op op, const void *q, void *list, size_t cap,
    size_t *n)
{
	const char *form = proto_ops[op].req;
	struct wbuf w;

	if (cap - *n < ITEM_HEAD)
		return -VFS_TOO_BIG;
	wbuf_init(&w, (uint8_t *)list + *n, cap - *n, ITEM_HEAD,
	    proto_form_fixed(form));
	proto_form_encode(form, q, &w);
	return item_end(proto_ops[op].number, &w, n);
}

/* A reader of the body of the first item, and its number. */
static int
item_next(struct vfs_slice *list, unsigned *number, struct rbuf *b)
{
	uint32_t len;

	if (list->n == 0)
		return 0;
	rbuf_init(b, list->p, list->n, 0);
	*number = rbuf_u16(b);
	if (rbuf_u16(b) != 0)
		rbuf_fail(b, -VFS_MALFORMED, 2);
	len = rbuf_u32(b);
	if (b->err < 0)
		return b->err;
	if (len < ITEM_HEAD || len % 8 != 0 || len > list->n)
		return -VFS_MALFORMED;
	rbuf_init(b, list->p, len, ITEM_HEAD);
	list->p = (const uint8_t *)list->p + len;
	list->n -= len;
	return 1;
}

int
proto_tx_op_next(struct vfs_slice *list, enum vfs_op *op,
    union proto_req *q)
{
	struct vfs_slice rest = *list;
	unsigned number;
	struct rbuf b;
	int err;

	if ((err = item_next(&rest, &number, &b)) <= 0)
		return err;
	if ((*op = proto_op_find(number)) == VFS_OP_NONE)
		return -VFS_UNKNOWN_OP;
	if ((err = proto_request_decode(*op, &b, q)) < 0)
		return err;
	*list = rest;
	return 1;
}

/* --- preconditions ------------------------------------------------------- */

int
proto_tx_pre_put(const struct vfs_tx_pre *pre, void *list, size_t cap,
    size_t *n)
{
	struct wbuf w;

	if (cap - *n < ITEM_HEAD)
		return -VFS_TOO_BIG;
	wbuf_init(&w, (uint8_t *)list + *n, cap - *n, ITEM_HEAD, 48);
	wbuf_u64(&w, pre->id.n);
	wbuf_u64(&w, pre->id2.n);
	wbuf_u64(&w, pre->a);
	wbuf_u64(&w, pre->b);
	wbuf_blob(&w, pre->name.p, pre->name.n);
	return item_end(pre->kind, &w, n);
}

static bool
pre_has_name(uint32_t kind)
{
	return kind == VFS_PRE_NAME_IS || kind == VFS_PRE_NAME_ABSENT;
}

static bool
pre_ok(const struct vfs_tx_pre *p)
{
	bool id2 = p->kind == VFS_PRE_NAME_IS;
	bool b = p->kind == VFS_PRE_ID_VERSION;

	if (p->kind < VFS_PRE_ID_VERSION || p->kind > VFS_PRE_JOURNAL_AT_MOST)
		return false;
	if ((!id2 && p->id2.n != 0) || (!b && p->b != 0) ||
	    (pre_has_name(p->kind) && p->a != 0))
		return false;
	if (pre_has_name(p->kind))
		return proto_name_check(p->name) == 0;
	return p->kind == VFS_PRE_HASH_IS || p->name.n == 0;
}

int
proto_tx_pre_next(struct vfs_slice *list, struct vfs_tx_pre *out)
{
	struct vfs_slice rest = *list;
	struct vfs_tx_pre p;
	unsigned kind;
	struct rbuf b;
	int err;

	if ((err = item_next(&rest, &kind, &b)) <= 0)
		return err;
	p.kind = kind;
	p.id.n = rbuf_u64(&b);
	p.id2.n = rbuf_u64(&b);
	p.a = rbuf_u64(&b);
	p.b = rbuf_u64(&b);
	p.name = rbuf_blob(&b);
	if ((err = rbuf_end(&b)) < 0)
		return err;
	if (!pre_ok(&p))
		return -VFS_MALFORMED;
	*out = p;
	*list = rest;
	return 1;
}

/* --- ids of a request ---------------------------------------------------- */

#define REQ(...)	__VA_ARGS__
#define REP(...)
#define ID(f)		if ((err = fn(arg, &q->f)) < 0) return err;
#define U32(f)
#define U64(f)
#define TIME(f)
#define ATTR(f)
#define NAME(f)
#define BYTES(f)
#define BUF(f)
#define SINK(f)

typedef int id_fn(void *arg, struct vfs_id *id);

#define OP(n, N, name, mode, lock, req, rep) \
	static int \
	ids_##name(void *p, id_fn *fn, void *arg) \
	{ \
		struct vfs_##name *q = p; \
		int err = 0; \
		(void)q, (void)fn, (void)arg; \
		req \
		return err; \
	}
#include "ops.def"
#undef OP

int
proto_each_id(enum vfs_op op, void *q, id_fn *fn, void *arg)
{
	static int (*const visit[VFS_OP_COUNT])(void *, id_fn *, void *) = {
#define OP(n, N, name, mode, lock, req, rep) [VFS_OP_##N] = ids_##name,
#include "ops.def"
#undef OP
	};

	return visit[op](q, fn, arg);
}
