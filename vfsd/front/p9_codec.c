#include <string.h>

#include "../core/le.h"
#include "p9_codec.h"

/* --- reading ------------------------------------------------------------ */

/* Keeps that it ran off the end, and returns zeroes from then on. */
struct rd {
	const uint8_t *p;
	size_t n, at;
	bool bad;
};

static const uint8_t *
take(struct rd *b, size_t n)
{
	const uint8_t *p;

	if (b->bad || n > b->n - b->at) {
		b->bad = true;
		return NULL;
	}
	p = b->p + b->at;
	b->at += n;
	return p;
}

static uint8_t
rd8(struct rd *b)
{
	const uint8_t *p = take(b, 1);

	return p != NULL ? *p : 0;
}

static uint16_t
rd16(struct rd *b)
{
	const uint8_t *p = take(b, 2);

	return p != NULL ? le_get16(p) : 0;
}

static uint32_t
rd32(struct rd *b)
{
	const uint8_t *p = take(b, 4);

	return p != NULL ? le_get32(p) : 0;
}

static uint32_t
rd_opt32(struct rd *b)
{
	return b->at == b->n ? 0 : rd32(b);
}

static uint64_t
rd64(struct rd *b)
{
	const uint8_t *p = take(b, 8);

	return p != NULL ? le_get64(p) : 0;
}

static struct vfs_slice
rd_slice(struct rd *b, size_t n)
{
	const uint8_t *p = take(b, n);

	return (struct vfs_slice){ p, p != NULL ? n : 0 };
}

static struct vfs_slice
rd_str(struct rd *b)
{
	return rd_slice(b, rd16(b));
}

static struct vfs_slice
rd_data(struct rd *b)
{
	return rd_slice(b, rd32(b));
}

static struct p9_qid
rd_qid(struct rd *b)
{
	struct p9_qid q;

	q.type = rd8(b);
	q.version = rd32(b);
	q.path = rd64(b);
	return q;
}

static uint16_t
rd_count(struct rd *b)
{
	uint16_t n = rd16(b);

	if (n <= P9_WALK_MAX)
		return n;
	b->bad = true;
	return 0;
}

static void
rd_names(struct rd *b, struct p9_names *out)
{
	unsigned i;

	out->n = rd_count(b);
	for (i = 0; i < out->n; i++)
		out->name[i] = rd_str(b);
}

static void
rd_qids(struct rd *b, struct p9_qids *out)
{
	unsigned i;

	out->n = rd_count(b);
	for (i = 0; i < out->n; i++)
		out->qid[i] = rd_qid(b);
}

/* --- writing ------------------------------------------------------------ */

struct wr {
	uint8_t *p;
	size_t cap, n;
	bool full;
};

static uint8_t *
room(struct wr *w, size_t n)
{
	uint8_t *p;

	if (w->full || n > w->cap - w->n) {
		w->full = true;
		return NULL;
	}
	p = w->p + w->n;
	w->n += n;
	return p;
}

static void
wr8(struct wr *w, uint8_t v)
{
	uint8_t *p = room(w, 1);

	if (p != NULL)
		*p = v;
}

static void
wr16(struct wr *w, uint16_t v)
{
	uint8_t *p = room(w, 2);

	if (p != NULL)
		le_put16(p, v);
}

static void
wr32(struct wr *w, uint32_t v)
{
	uint8_t *p = room(w, 4);

	if (p != NULL)
		le_put32(p, v);
}

static void
wr64(struct wr *w, uint64_t v)
{
	uint8_t *p = room(w, 8);

	if (p != NULL)
		le_put64(p, v);
}

static void
wr_slice(struct wr *w, struct vfs_slice s)
{
	uint8_t *p = room(w, s.n);

	if (p != NULL && s.n > 0 && p != s.p)
		memmove(p, s.p, s.n);
}

static void
wr_str(struct wr *w, struct vfs_slice s)
{
	if (s.n > UINT16_MAX)
		w->full = true;
	wr16(w, (uint16_t)s.n);
	wr_slice(w, s);
}

static void
wr_data(struct wr *w, struct vfs_slice s)
{
	if (s.n > UINT32_MAX)
		w->full = true;
	wr32(w, (uint32_t)s.n);
	wr_slice(w, s);
}

static void
wr_qid(struct wr *w, struct p9_qid q)
{
	wr8(w, q.type);
	wr32(w, q.version);
	wr64(w, q.path);
}

static void
wr_names(struct wr *w, const struct p9_names *in)
{
	unsigned i;

	if (in->n > P9_WALK_MAX) {
		w->full = true;
		return;
	}
	wr16(w, in->n);
	for (i = 0; i < in->n; i++)
		wr_str(w, in->name[i]);
}

static void
wr_qids(struct wr *w, const struct p9_qids *in)
{
	unsigned i;

	if (in->n > P9_WALK_MAX) {
		w->full = true;
		return;
	}
	wr16(w, in->n);
	for (i = 0; i < in->n; i++)
		wr_qid(w, in->qid[i]);
}

/* --- one function for each message and direction ------------------------ */

#define T(...)		__VA_ARGS__
#define R(...)		__VA_ARGS__
#define U8(f)		m->f = rd8(b);
#define U16(f)		m->f = rd16(b);
#define U32(f)		m->f = rd32(b);
#define OPT32(f)	m->f = rd_opt32(b);
#define U64(f)		m->f = rd64(b);
#define STR(f)		m->f = rd_str(b);
#define DATA(f)		m->f = rd_data(b);
#define QID(f)		m->f = rd_qid(b);
#define NAMES(f)	rd_names(b, &m->f);
#define QIDS(f)		rd_qids(b, &m->f);
#define P9(n, NAME, name, req, rep) \
	static void \
	rd_t##name(struct rd *b, void *to) \
	{ \
		struct p9_t##name *m = to; \
		(void)b, (void)m; \
		req \
	} \
	static void \
	rd_r##name(struct rd *b, void *to) \
	{ \
		struct p9_r##name *m = to; \
		(void)b, (void)m; \
		rep \
	}
#include "p9_msg.def"
#undef P9
#undef U8
#undef U16
#undef U32
#undef OPT32
#undef U64
#undef STR
#undef DATA
#undef QID
#undef NAMES
#undef QIDS

#define U8(f)		wr8(w, m->f);
#define U16(f)		wr16(w, m->f);
#define U32(f)		wr32(w, m->f);
#define OPT32(f)	wr32(w, m->f);
#define U64(f)		wr64(w, m->f);
#define STR(f)		wr_str(w, m->f);
#define DATA(f)		wr_data(w, m->f);
#define QID(f)		wr_qid(w, m->f);
#define NAMES(f)	wr_names(w, &m->f);
#define QIDS(f)		wr_qids(w, &m->f);
#define P9(n, NAME, name, req, rep) \
	static void \
	wr_t##name(struct wr *w, const void *from) \
	{ \
		const struct p9_t##name *m = from; \
		(void)w, (void)m; \
		req \
	} \
	static void \
	wr_r##name(struct wr *w, const void *from) \
	{ \
		const struct p9_r##name *m = from; \
		(void)w, (void)m; \
		rep \
	}
#include "p9_msg.def"
#undef P9

static void
rd_error(struct rd *b, void *to)
{
	union p9_r *r = to;

	r->ecode = rd32(b);
}

static void
wr_error(struct wr *w, const void *from)
{
	const union p9_r *r = from;

	wr32(w, r->ecode);
}

struct row {
	const char *name;
	void (*rd)(struct rd *, void *);
	void (*wr)(struct wr *, const void *);
};

/* By type: requests are even, replies odd. */
static const struct row rows[] = {
	[P9_RLERROR] = { "Rlerror", rd_error, wr_error },
#define P9(n, NAME, name, req, rep) \
	[n] = { "T" #name, rd_t##name, wr_t##name }, \
	[n + 1] = { "R" #name, rd_r##name, wr_r##name },
#include "p9_msg.def"
#undef P9
};

#define NROWS	(sizeof rows / sizeof rows[0])

static const struct row *
row_of(unsigned type)
{
	return type < NROWS && rows[type].name != NULL ? &rows[type] : NULL;
}

const char *
p9_type_name(unsigned type)
{
	const struct row *row = row_of(type);

	return row != NULL ? row->name : NULL;
}

void
p9_hdr_decode(const uint8_t *p, struct p9_hdr *h)
{
	h->size = le_get32(p);
	h->type = p[4];
	h->tag = le_get16(p + 5);
}

/* out is big enough for any message of this kind. */
static int
decode(const uint8_t *p, size_t n, bool reply, void *tmp)
{
	struct rd b = { .p = p, .n = n, .at = P9_HDR };
	const struct row *row;
	struct p9_hdr h;

	if (n < P9_HDR)
		return -VFS_MALFORMED;
	p9_hdr_decode(p, &h);
	if (h.size != n)
		return -VFS_MALFORMED;
	row = row_of(h.type);
	if (row == NULL || (h.type & 1) != reply)
		return -VFS_UNKNOWN_OP;
	row->rd(&b, tmp);
	return b.bad || b.at != n ? -VFS_MALFORMED : 0;
}

int
p9_t_decode(const uint8_t *p, size_t n, union p9_t *out)
{
	union p9_t m;
	int err = decode(p, n, false, &m);

	if (err == 0)
		*out = m;
	return err;
}

int
p9_r_decode(const uint8_t *p, size_t n, union p9_r *out)
{
	union p9_r m;
	int err = decode(p, n, true, &m);

	if (err == 0)
		*out = m;
	return err;
}

static size_t
encode(uint8_t type, uint16_t tag, bool reply, const void *in, uint8_t *p,
    size_t cap)
{
	struct wr w = { .p = p, .cap = cap };
	const struct row *row = row_of(type);

	if (row == NULL || (type & 1) != reply)
		return 0;
	wr32(&w, 0);
	wr8(&w, type);
	wr16(&w, tag);
	row->wr(&w, in);
	if (w.full)
		return 0;
	le_put32(p, (uint32_t)w.n);
	return w.n;
}

size_t
p9_t_encode(uint8_t type, uint16_t tag, const union p9_t *in, uint8_t *p,
    size_t cap)
{
	return encode(type, tag, false, in, p, cap);
}

size_t
p9_r_encode(uint8_t type, uint16_t tag, const union p9_r *in, uint8_t *p,
    size_t cap)
{
	return encode(type, tag, true, in, p, cap);
}

/* --- entries ------------------------------------------------------------ */

bool
p9_dirent_put(uint8_t *p, size_t cap, size_t *n, const struct p9_dirent *e)
{
	struct wr w = { .p = p, .cap = cap, .n = *n };

	wr_qid(&w, e->qid);
	wr64(&w, e->offset);
	wr8(&w, e->type);
	wr_str(&w, e->name);
	if (!w.full)
		*n = w.n;
	return !w.full;
}

int
p9_dirent_next(const uint8_t *p, size_t n, size_t *at, struct p9_dirent *e)
{
	struct rd b = { .p = p, .n = n, .at = *at };

	if (b.at >= n)
		return 0;
	e->qid = rd_qid(&b);
	e->offset = rd64(&b);
	e->type = rd8(&b);
	e->name = rd_str(&b);
	if (b.bad)
		return -VFS_MALFORMED;
	*at = b.at;
	return 1;
}
