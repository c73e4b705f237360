#include "mem.h"

#include "codec.h"

/* --- forms: the fields of ops.def as letters ----------------------- */

#define REQ(...)	"" __VA_ARGS__
#define REP(...)	"" __VA_ARGS__
#define ID(f)		"8"
#define U32(f)		"4"
#define U64(f)		"8"
#define TIME(f)		"T"
#define ATTR(f)		"A"
#define NAME(f)		"N"
#define BYTES(f)	"B"
#define BUF(f)		"R"
#define SINK(f)		"S"

const struct proto_op proto_ops[VFS_OP_COUNT] = {
	[VFS_OP_NONE] = { 0, 0, 0, "NONE", "", "" },
#define OP(n, N, name, mode, lock, req, rep) \
	[VFS_OP_##N] = { n, sizeof(struct vfs_##name), \
	    sizeof(struct vfs_##name##_reply), #N, req, rep },
#include "ops.def"
#undef OP
};

#define ALIGN_OF(type)	offsetof(struct { char c; type v; }, v)
#define SHAPE(letter, type, bytes) \
	{ letter, ALIGN_OF(type), sizeof(type), bytes }

/* Two texts, behind their lengths. */
struct texts {
	struct vfs_slice a, b;
};

/* What a letter is in the struct, and how long in the fixed part. */
static const struct shape {
	char letter;
	uint8_t align, size, fixed;
} shapes[] = {
	SHAPE('8', uint64_t, 8),
	SHAPE('4', uint32_t, 4),
	SHAPE('T', struct vfs_time, 16),
	SHAPE('A', struct vfs_attr, PROTO_STAT),
	SHAPE('N', struct vfs_slice, 16),
	SHAPE('B', struct vfs_slice, 16),
	SHAPE('R', struct vfs_buf, 16),
	SHAPE('S', struct vfs_sink, 16),
	/* in records only */
	SHAPE('2', uint16_t, 2),
	SHAPE('X', struct texts, 8),
	{ 'Z', 1, 0, 4 },
};

/* Stands on one field after the other, as C lays out the struct. */
struct walk {
	const char *form;
	const struct shape *s;
	size_t at, end;			/* the field's place, and behind it */
};

static bool
walk_next(struct walk *w)
{
	if (*w->form == 0)
		return false;
	for (w->s = shapes; w->s->letter != *w->form; w->s++)
		;
	w->form++;
	w->at = (w->end + w->s->align - 1) / w->s->align * w->s->align;
	w->end = w->at + w->s->size;
	return true;
}

size_t
proto_form_fixed(const char *form)
{
	struct walk w = { form, NULL, 0, 0 };
	size_t n = 0;

	while (walk_next(&w)) {
		if (w.s->fixed != 4)
			n = (n + 7) & ~(size_t)7;
		n += w.s->fixed;
	}
	return (n + 7) & ~(size_t)7;
}

size_t
proto_form_struct(const char *form)
{
	struct walk w = { form, NULL, 0, 0 };
	size_t align = 1;

	while (walk_next(&w))
		if (w.s->align > align)
			align = w.s->align;
	return (w.end + align - 1) / align * align;
}

enum vfs_op
proto_op_find(unsigned number)
{
	unsigned op;

	for (op = VFS_OP_NONE + 1; op < VFS_OP_COUNT; op++)
		if (proto_ops[op].number == number)
			return (enum vfs_op)op;
	return VFS_OP_NONE;
}

/* --- encoding ------------------------------------------------------- */

/* Any field; a copy, so that no pointer is cast. */
union field {
	uint64_t n8;
	uint32_t n4;
	struct vfs_time time;
	struct vfs_attr attr;
	struct vfs_slice slice;
	struct vfs_buf buf;
	struct vfs_sink sink;
	uint16_t n2;
	struct texts texts;
};

static void
texts_encode(const struct texts *t, struct wbuf *w)
{
	if (t->a.n > UINT16_MAX || t->b.n > UINT16_MAX)
		w->err = -VFS_TOO_BIG;
	wbuf_u16(w, (uint16_t)t->a.n);
	wbuf_u16(w, (uint16_t)t->b.n);
	wbuf_u32(w, 0);
	wbuf_bytes(w, t->a.p, t->a.n);
	wbuf_bytes(w, t->b.p, t->b.n);
}

static void
list_encode(const struct vfs_sink *s, struct wbuf *w)
{
	const struct proto_list *l = s->arg;

	if (s->add == proto_list_add)
		wbuf_blob(w, l->p, l->n);
	else
		wbuf_blob(w, NULL, 0);
}

static void
field_encode(char letter, const union field *f, struct wbuf *w)
{
	switch (letter) {
	case '8':
		wbuf_u64(w, f->n8);
		break;
	case '4':
		wbuf_u32(w, f->n4);
		break;
	case 'T':
		wbuf_time(w, f->time);
		break;
	case 'A':
		proto_attr_encode(&f->attr, w);
		break;
	case 'N':
	case 'B':
		wbuf_blob(w, f->slice.p, f->slice.n);
		break;
	case 'R':
		wbuf_blob(w, f->buf.p, f->buf.n);
		break;
	case 'S':
		list_encode(&f->sink, w);
		break;
	case '2':
		wbuf_u16(w, f->n2);
		break;
	case 'X':
		texts_encode(&f->texts, w);
		break;
	case 'Z':
		wbuf_u32(w, 0);
		break;
	}
}

static int
message(struct proto_hdr *h, struct wbuf *w)
{
	size_t len;
	int err;

	if ((err = wbuf_end(w, &len)) < 0)
		return err;
	if (len > UINT32_MAX)
		return -VFS_TOO_BIG;
	h->len = (uint32_t)len;
	h->flags = 0;
	h->ext_len = 0;
	proto_hdr_encode(h, w->p);
	return 0;
}

void
proto_form_encode(const char *form, const void *in, struct wbuf *w)
{
	struct walk walk = { form, NULL, 0, 0 };
	union field f;

	while (walk_next(&walk)) {
		memcpy(&f, (const char *)in + walk.at, walk.s->size);
		field_encode(walk.s->letter, &f, w);
	}
}

static int
form_encode(const char *form, const void *in, struct proto_hdr *h,
    void *msg, size_t cap)
{
	struct wbuf w;

	wbuf_init(&w, msg, cap, PROTO_HDR, proto_form_fixed(form));
	proto_form_encode(form, in, &w);
	return message(h, &w);
}

int
proto_request_encode(enum vfs_op op, const void *q, struct proto_hdr *h,
    void *msg, size_t cap)
{
	h->op = proto_ops[op].number;
	return form_encode(proto_ops[op].req, q, h, msg, cap);
}

int
proto_reply_encode(enum vfs_op op, const void *r, struct proto_hdr *h,
    void *msg, size_t cap)
{
	h->op = proto_ops[op].number | PROTO_REPLY;
	h->status = 0;
	h->prio = 0;
	return form_encode(proto_ops[op].rep, r, h, msg, cap);
}

int
proto_failed_encode(const struct proto_error *e, int err,
    struct proto_hdr *h, void *msg, size_t cap)
{
	struct wbuf w;

	h->op |= PROTO_REPLY;
	h->status = (uint32_t)(err < 0 ? -err : err);
	h->prio = 0;
	wbuf_init(&w, msg, cap, PROTO_HDR, PROTO_ERROR);
	proto_error_encode(e, &w);
	return message(h, &w);
}

/* --- decoding ------------------------------------------------------- */

/* Entries are checked before anybody is told of the first one; who takes
 * all of them checks them then. */
static struct vfs_slice
list_decode(struct rbuf *b, const struct vfs_sink *s)
{
	struct vfs_slice list = rbuf_blob(b);
	struct vfs_dirent e;
	struct vfs_attr attr;
	struct rbuf l;

	if (s->add == proto_list_lend)
		return list;
	proto_list_read(&l, list);
	while (proto_list_more(&l))
		proto_dirent_next(&l, &e, &attr);
	if (b->err == 0 && l.err != 0)
		rbuf_fail(b, l.err, b->next - ((list.n + 7) & ~(size_t)7) +
		    l.err_at);
	return list;
}

static void
list_deliver(struct vfs_slice list, const struct vfs_sink *s)
{
	struct vfs_dirent e;
	struct vfs_attr attr;
	struct rbuf l;

	if (s->add == proto_list_lend) {
		*(struct vfs_slice *)s->arg = list;
		return;
	}
	proto_list_read(&l, list);
	while (s->add != NULL && proto_list_more(&l))
		if (proto_dirent_next(&l, &e, &attr) < 0 ||
		    !s->add(s->arg, &e))
			break;
}

static void
texts_decode(struct rbuf *b, struct texts *t)
{
	uint16_t n = rbuf_u16(b), m = rbuf_u16(b);

	rbuf_zero32(b);
	t->a = rbuf_slice(b, n);
	t->b = rbuf_slice(b, m);
}

static void
field_decode(char letter, struct rbuf *b, union field *f)
{
	struct vfs_slice s;

	switch (letter) {
	case '8':
		f->n8 = rbuf_u64(b);
		break;
	case '4':
		f->n4 = rbuf_u32(b);
		break;
	case 'T':
		f->time = rbuf_time(b);
		break;
	case 'A':
		rbuf_align(b, 8);
		proto_attr_decode(b, &f->attr);
		break;
	case 'N':
		f->slice = rbuf_name(b);
		break;
	case 'B':
		f->slice = rbuf_blob(b);
		break;
	case 'R':
		s = rbuf_blob(b);
		f->buf.p = (void *)(uintptr_t)s.p;
		f->buf.n = f->buf.cap = s.n;
		break;
	case '2':
		f->n2 = rbuf_u16(b);
		break;
	case 'X':
		texts_decode(b, &f->texts);
		break;
	case 'Z':
		rbuf_zero32(b);
		break;
	}
}

int
proto_form_decode(const char *form, struct rbuf *b, void *out)
{
	struct walk walk = { form, NULL, 0, 0 };
	union field f;

	memset(&f, 0, sizeof f);
	while (walk_next(&walk)) {
		field_decode(walk.s->letter, b, &f);
		memcpy((char *)out + walk.at, &f, walk.s->size);
	}
	return b->err;
}

union any {
	union proto_req req;
	union proto_rep rep;
	char c[1];
};

static int
form_decode(const char *form, size_t size, struct rbuf *b, void *out)
{
	struct walk walk = { form, NULL, 0, 0 };
	struct vfs_slice list = { NULL, 0 };
	struct vfs_sink sink = { NULL, NULL };
	union field f;
	union any any;
	int err;

	memset(&any, 0, sizeof any);
	memset(&f, 0, sizeof f);
	while (walk_next(&walk)) {
		if (walk.s->letter == 'S') {
			memcpy(&sink, (const char *)out + walk.at,
			    sizeof sink);
			list = list_decode(b, &sink);
			f.sink = sink;
		} else {
			field_decode(walk.s->letter, b, &f);
		}
		memcpy(any.c + walk.at, &f, walk.s->size);
	}
	if ((err = rbuf_end(b)) < 0)
		return err;
	memcpy(out, &any, size);
	list_deliver(list, &sink);
	return 0;
}

int
proto_request_decode(enum vfs_op op, struct rbuf *b, void *out)
{
	return form_decode(proto_ops[op].req, proto_ops[op].req_size, b, out);
}

int
proto_reply_decode(enum vfs_op op, struct rbuf *b, void *out)
{
	return form_decode(proto_ops[op].rep, proto_ops[op].rep_size, b, out);
}
