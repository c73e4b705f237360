/*
 * handle.c - the caller's handles, which outlive connections
 *
 * A daemon's handle is good for one session.  The caller has numbers of
 * our own, made alike, and the table says what they stand for now; in a
 * request they are exchanged after it was encoded, wherever an id may
 * stand.  A new connection opens them again by id.
 */
#include <stdlib.h>
#include <string.h>

#include "vfs_in.h"

#define SLOTS_FIRST	16u
#define GEN_MAX		((1ull << (62 - VFS_HANDLE_SLOT_BITS)) - 1)

/* --- the table -------------------------------------------------------------- */

static bool
is_handle(uint64_t n)
{
	return (n & VFS_TX_RESULT) == 0 && (n & VFS_HANDLE) != 0;
}

struct handle *
lv_handle_find(struct vfs *v, uint64_t n)
{
	uint64_t slot = n & ((1u << VFS_HANDLE_SLOT_BITS) - 1);
	uint64_t gen = (n & ~VFS_HANDLE) >> VFS_HANDLE_SLOT_BITS;

	if (!is_handle(n) || slot >= v->handles.n ||
	    v->handles.v[slot].gen != gen || gen % 2 == 0)
		return NULL;
	return &v->handles.v[slot];
}

static int
table_grow(struct handles *t)
{
	uint32_t cap = t->cap > 0 ? 2 * t->cap : SLOTS_FIRST;
	struct handle *p;

	if (t->cap > VFS_HANDLES_MAX)
		return -VFS_QUOTA;
	if ((p = realloc(t->v, cap * sizeof *p)) == NULL)
		return -VFS_NOMEM;
	t->v = p;
	t->cap = cap;
	return 0;
}

static int
slot_new(struct handles *t, uint32_t *slot)
{
	int err;

	if (t->free != 0) {
		*slot = t->free - 1;
		t->free = t->v[*slot].next;
	} else {
		if (t->n == t->cap && (err = table_grow(t)) < 0)
			return err;
		*slot = t->n++;
		t->v[*slot] = (struct handle){ 0 };
	}
	t->used++;
	return 0;
}

static void
slot_free(struct handles *t, uint32_t slot)
{
	struct handle *h = &t->v[slot];

	t->used--;
	if (h->gen % 2 == 1)
		h->gen++;
	if (h->gen >= GEN_MAX)		/* worn out: never again */
		return;
	h->next = t->free;
	t->free = slot + 1;
}

void
lv_handles_free(struct vfs *v)
{
	free(v->handles.v);
	v->handles = (struct handles){ 0 };
}

/* --- given ------------------------------------------------------------------ */

bool
lv_gives_handle(enum vfs_op op, const void *q)
{
	switch (op) {
	case VFS_OP_OPEN:
	case VFS_OP_OPEN_ID:
	case VFS_OP_DUP:
	case VFS_OP_TMPFILE:
	case VFS_OP_ATTACH:
		return true;
	case VFS_OP_CREATE:
		return (((const struct vfs_create *)q)->flags &
		    VFS_CREATE_OPEN) != 0;
	case VFS_OP_WALK:
		return (((const struct vfs_walk *)q)->flags &
		    VFS_WALK_OPEN) != 0;
	default:
		return false;
	}
}

/* How it is opened when it has to be again. */
static void
promise_how(struct vfs *v, struct handle *h, enum vfs_op op, const void *q)
{
	const struct handle *from;

	h->op = VFS_OP_OPEN_ID;
	h->flags = 0;
	h->rights = VFS_RIGHTS_ALL;
	h->id.n = 0;
	switch (op) {
	case VFS_OP_OPEN:
		h->op = VFS_OP_OPEN;
		h->flags = ((const struct vfs_open *)q)->flags &
		    (VFS_OPEN_READ | VFS_OPEN_WRITE | VFS_OPEN_EXEC);
		break;
	case VFS_OP_CREATE:
	case VFS_OP_TMPFILE:
		h->op = VFS_OP_OPEN;
		h->flags = VFS_OPEN_READ | VFS_OPEN_WRITE;
		break;
	case VFS_OP_DUP:
		h->id = ((const struct vfs_dup *)q)->id;
		if ((from = lv_handle_find(v, h->id.n)) != NULL) {
			h->op = from->op;
			h->flags = from->flags;
			h->id = from->id;
		}
		break;
	default:
		break;
	}
}

int
lv_handle_promise(struct vfs *v, enum vfs_op op, const void *q,
    uint32_t *given)
{
	uint32_t slot;
	int err = slot_new(&v->handles, &slot);

	if (err < 0)
		return err;
	promise_how(v, &v->handles.v[slot], op, q);
	*given = slot + 1;
	return 0;
}

void
lv_handle_unpromise(struct vfs *v, uint32_t given)
{
	if (given != 0)
		slot_free(&v->handles, given - 1);
}

/* Where a reply has its handle. */
static uint64_t *
handle_of(enum vfs_op op, void *rp, struct vfs_id *id, uint32_t *rights)
{
	union proto_rep *r = rp;	/* its first member, whichever it is */

	switch (op) {
	case VFS_OP_OPEN:
		*id = r->open.attr.id;
		*rights = r->open.rights;
		return &r->open.handle;
	case VFS_OP_OPEN_ID:
		*id = r->open_id.attr.id;
		*rights = r->open_id.rights;
		return &r->open_id.handle;
	case VFS_OP_WALK:
		*id = r->walk.attr.id;
		*rights = r->walk.rights;
		return &r->walk.handle;
	case VFS_OP_CREATE:
		*id = r->create.attr.id;
		return &r->create.handle;
	case VFS_OP_TMPFILE:
		*id = r->tmpfile.attr.id;
		return &r->tmpfile.handle;
	case VFS_OP_ATTACH:
		*id = r->attach.root_id;
		*rights = r->attach.rights;
		return &r->attach.root;
	default:
		*rights = r->dup.rights;
		return &r->dup.handle;
	}
}

/* Those of other sessions than the first do not come again. */
void
lv_handle_take(struct vfs *v, const struct vfs_call *c, void *r)
{
	struct handle *h = &v->handles.v[c->given - 1];
	uint64_t *n = handle_of(c->op, r, &h->id, &h->rights);

	if (c->session != 0)
		h->id.n = 0;
	if (*n == 0) {			/* it gave none */
		slot_free(&v->handles, c->given - 1);
		return;
	}
	h->real = *n;
	h->gen++;
	*n = VFS_HANDLE | h->gen << VFS_HANDLE_SLOT_BITS | (c->given - 1);
}

void
lv_handle_drop(struct vfs *v, struct handle *h)
{
	slot_free(&v->handles, (uint32_t)(h - v->handles.v));
}

void
lv_handles_closed(struct vfs *v, struct vfs_slice list)
{
	struct handle *h;
	struct vfs_id id;
	struct rbuf b;

	proto_list_read(&b, list);
	while (proto_list_more(&b) && proto_id_next(&b, &id) == 0)
		if ((h = lv_handle_find(v, id.n)) != NULL)
			lv_handle_drop(v, h);
}

/* --- in requests -------------------------------------------------------------- */

/* How many ids a request begins with: they are always in front. */
#define REQ(...)	"" __VA_ARGS__
#define REP(...)
#define ID(f)		"I"
#define U32(f)		"."
#define U64(f)		"."
#define TIME(f)		"."
#define ATTR(f)		"."
#define NAME(f)		"."
#define BYTES(f)	"."
#define BUF(f)		"."
#define SINK(f)		"."
static const char *const fields[VFS_OP_COUNT] = {
	[VFS_OP_NONE] = "",
#define OP(n, N, name, mode, lock, req, rep) [VFS_OP_##N] = req,
#include "../protocol/ops.def"
#undef OP
};

static size_t
ids_of(enum vfs_op op)
{
	return strspn(fields[op], "I");
}

/* The id at p. */
static int
put_one(struct vfs *v, uint8_t *p)
{
	struct handle *h;
	struct rbuf b;
	struct wbuf w;
	uint64_t n;

	rbuf_init(&b, p, 8, 0);
	n = rbuf_u64(&b);
	if (!is_handle(n))
		return 0;
	if ((h = lv_handle_find(v, n)) == NULL)
		return -VFS_BAD_HANDLE;
	if (h->real == 0)
		return -VFS_GONE;
	wbuf_init(&w, p, 8, 0, 8);
	wbuf_u64(&w, h->real);
	return 0;
}

/* The first n ids of every step bytes. */
static int
put_each(struct vfs *v, struct vfs_slice list, size_t step)
{
	uint8_t *p = (uint8_t *)(uintptr_t)list.p;
	size_t at;
	int err = 0;

	for (at = 0; err == 0 && at + step <= list.n; at += step)
		err = put_one(v, p + at);
	return err;
}

/* Items of tx.h, which say how long they are. */
static int
put_items(struct vfs *v, struct vfs_slice list, bool pre)
{
	uint8_t *p = (uint8_t *)(uintptr_t)list.p;
	size_t at = 0, len, n, i;
	struct rbuf b;
	unsigned number;
	int err = 0;

	while (err == 0 && list.n - at >= 8) {
		rbuf_init(&b, p + at, 8, 0);
		number = rbuf_u16(&b);
		rbuf_u16(&b);
		len = rbuf_u32(&b);
		n = pre ? 2 : ids_of(proto_op_find(number));
		if (len < 8 + 8 * n || len > list.n - at)
			return -VFS_INVAL;
		for (i = 0; err == 0 && i < n; i++)
			err = put_one(v, p + at + 8 + 8 * i);
		at += len;
	}
	return err;
}

/* Places of LOOKUP_BATCH. */
static int
put_places(struct vfs *v, struct vfs_slice list)
{
	struct proto_place place;
	struct rbuf b;
	size_t at;
	int err = 0;

	proto_list_read(&b, list);
	while (err == 0 && proto_list_more(&b)) {
		at = b.pos;
		if ((err = proto_place_next(&b, &place)) == 0)
			err = put_one(v, (uint8_t *)(uintptr_t)list.p + at);
	}
	return err;
}

static int
put_lists(struct vfs *v, enum vfs_op op, const union proto_req *q)
{
	int err;

	switch (op) {
	case VFS_OP_CLOSE:
		return put_each(v, q->close.handles, 8);
	case VFS_OP_STAT_BATCH:
		return put_each(v, q->stat_batch.ids, 8);
	case VFS_OP_READ_BATCH:
		return put_each(v, q->read_batch.reads, 24);
	case VFS_OP_LOOKUP_BATCH:
		return put_places(v, q->lookup_batch.names);
	case VFS_OP_TX_ADD:
		return put_items(v, q->tx_add.ops, false);
	default:
		err = put_items(v, q->tx_exec.pre, true);
		return err < 0 ? err : put_items(v, q->tx_exec.ops, false);
	}
}

static bool
has_lists(enum vfs_op op)
{
	return op == VFS_OP_CLOSE || op == VFS_OP_STAT_BATCH ||
	    op == VFS_OP_READ_BATCH || op == VFS_OP_LOOKUP_BATCH ||
	    op == VFS_OP_TX_ADD || op == VFS_OP_TX_EXEC;
}

int
lv_handles_put(struct vfs *v, enum vfs_op op, uint8_t *msg, size_t n)
{
	union proto_req q;
	struct rbuf b;
	size_t i;
	int err = 0;

	for (i = 0; err == 0 && i < ids_of(op); i++)
		err = put_one(v, msg + PROTO_HDR + 8 * i);
	if (err < 0 || !has_lists(op))
		return err;
	rbuf_init(&b, msg, n, PROTO_HDR);
	if ((err = proto_request_decode(op, &b, &q)) < 0)
		return err;
	return put_lists(v, op, &q);
}

/* --- again -------------------------------------------------------------------- */

/* The slot that it has got; h is a copy. */
static int
reopen(struct vfs *v, const struct handle *h)
{
	struct vfs_open oq = { .id = h->id, .flags = h->flags,
		.rights = h->rights };
	struct vfs_open_id iq = { .id = h->id, .rights = h->rights };
	bool by_open = h->op == VFS_OP_OPEN;
	struct handle *fresh;
	union proto_rep r;
	struct vfs_call c = { .op = h->op, .r = &r,
		.q = by_open ? (const void *)&oq : (const void *)&iq };
	int err = lv_run_once(v, &c);

	if (err < 0)
		return err;
	fresh = lv_handle_find(v, by_open ? r.open.handle :
	    r.open_id.handle);
	return fresh != NULL ? (int)(fresh - v->handles.v) : -VFS_GONE;
}

/* Every handle of before; what is gone stays as gone. */
int
lv_handles_reopen(struct vfs *v)
{
	uint32_t n = v->handles.n, i;
	struct handle h;
	int slot;

	for (i = 0; i < n; i++)
		v->handles.v[i].real = 0;
	for (i = 0; i < n; i++) {
		h = v->handles.v[i];
		if (h.gen % 2 == 0 || h.id.n == 0)
			continue;
		slot = reopen(v, &h);
		if (v->lost != 0)
			return v->lost;
		if (slot < 0)
			continue;
		v->handles.v[i].real = v->handles.v[slot].real;
		slot_free(&v->handles, (uint32_t)slot);
	}
	return 0;
}
