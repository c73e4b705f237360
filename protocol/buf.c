#include "mem.h"

#include "buf.h"
#include "limits.h"

#define ALIGN(n, to)	(((n) + (to) - 1) & ~((size_t)(to) - 1))
#define NSEC_MAX	999999999u

void
rbuf_init(struct rbuf *b, const void *p, size_t len, size_t at)
{
	b->p = p;
	b->len = len;
	b->pos = at;
	b->first = b->next = 0;
	b->err = 0;
	b->err_at = 0;
	b->far = NULL;
	if (at > len)
		rbuf_fail(b, -VFS_MALFORMED, len);
}

void
rbuf_fail(struct rbuf *b, int err, size_t at)
{
	if (b->err == 0) {
		b->err = err;
		b->err_at = at;
	}
}

const uint8_t *
rbuf_bytes(struct rbuf *b, size_t n)
{
	const uint8_t *p;

	if (b->err != 0)
		return NULL;
	if (n > b->len - b->pos) {
		rbuf_fail(b, -VFS_MALFORMED, b->pos);
		return NULL;
	}
	p = b->p + b->pos;
	b->pos += n;
	return p;
}

struct vfs_slice
rbuf_slice(struct rbuf *b, size_t n)
{
	const uint8_t *p = rbuf_bytes(b, n);

	return (struct vfs_slice){ p, p != NULL ? n : 0 };
}

void
rbuf_align(struct rbuf *b, size_t n)
{
	while (b->err == 0 && (b->pos & (n - 1)) != 0) {
		if (b->pos == b->len || b->p[b->pos] != 0)
			rbuf_fail(b, -VFS_MALFORMED, b->pos);
		else
			b->pos++;
	}
}

/* n bytes at a multiple of n; the first case is nearly every one. */
static inline const uint8_t *
number(struct rbuf *b, size_t n)
{
	if (b->err == 0 && (b->pos & (n - 1)) == 0 &&
	    n <= b->len - b->pos) {
		b->pos += n;
		return b->p + b->pos - n;
	}
	rbuf_align(b, n);
	return rbuf_bytes(b, n);
}

static inline uint32_t
get32(const uint8_t *p)
{
	return p[0] | (uint32_t)p[1] << 8 | (uint32_t)p[2] << 16 |
	    (uint32_t)p[3] << 24;
}

uint16_t
rbuf_u16(struct rbuf *b)
{
	const uint8_t *p = number(b, 2);

	return p == NULL ? 0 : (uint16_t)(p[0] | p[1] << 8);
}

uint32_t
rbuf_u32(struct rbuf *b)
{
	const uint8_t *p = number(b, 4);

	return p == NULL ? 0 : get32(p);
}

uint64_t
rbuf_u64(struct rbuf *b)
{
	const uint8_t *p = number(b, 8);

	return p == NULL ? 0 : get32(p) | (uint64_t)get32(p + 4) << 32;
}

void
rbuf_zero32(struct rbuf *b)
{
	if (rbuf_u32(b) != 0)
		rbuf_fail(b, -VFS_MALFORMED, b->pos - 4);
}

struct vfs_time
rbuf_time(struct rbuf *b)
{
	struct vfs_time t;

	t.sec = (int64_t)rbuf_u64(b);
	t.nsec = rbuf_u32(b);
	if (t.nsec > NSEC_MAX) {
		rbuf_fail(b, -VFS_MALFORMED, b->pos - 4);
		t.nsec = 0;
	}
	rbuf_zero32(b);
	return t;
}

/* The place of n bytes at off, if it is the one place they may have. */
static bool
place(struct rbuf *b, uint64_t off, uint32_t n)
{
	size_t end;

	if (off > b->len || n > b->len - off)
		return false;
	if (b->first == 0) {
		if (off < b->pos || off % 8 != 0)
			return false;
		b->first = (size_t)off;
	} else if (off != b->next) {
		return false;
	}
	end = (size_t)off + n;
	if (ALIGN(end, 8) > b->len)
		return false;
	for (b->next = end; b->next % 8 != 0; b->next++)
		if (b->p[b->next] != 0)
			return false;
	return true;
}

/* Bytes that are not in the message. */
static struct vfs_slice
far_away(struct rbuf *b, size_t at, unsigned kind, unsigned grant,
    uint64_t off, uint32_t n)
{
	struct vfs_slice s = { b->p, 0 };
	const void *p = NULL;

	if (n == 0 || (kind == PROTO_STAGED && grant != 0))
		rbuf_fail(b, -VFS_MALFORMED, at);
	else if (b->far == NULL)
		rbuf_fail(b, -VFS_UNSUPPORTED, at);
	else if ((p = b->far->get(b->far->arg, kind, grant, off, n)) == NULL)
		rbuf_fail(b, -VFS_MALFORMED, at + 8);
	if (p != NULL)
		s = (struct vfs_slice){ p, n };
	return s;
}

struct vfs_slice
rbuf_blob(struct rbuf *b)
{
	struct vfs_slice none = { b->p, 0 };
	size_t at;
	uint32_t n;
	uint16_t kind, grant;
	uint64_t off;

	rbuf_align(b, 8);
	at = b->pos;
	n = rbuf_u32(b);
	kind = rbuf_u16(b);
	grant = rbuf_u16(b);
	off = rbuf_u64(b);
	if (b->err != 0)
		return none;
	if (kind == PROTO_GRANT || kind == PROTO_STAGED)
		return far_away(b, at, kind, grant, off, n);
	if (kind != PROTO_INLINE || grant != 0)
		rbuf_fail(b, -VFS_MALFORMED, at + 4);
	else if (n == 0 && off != 0)
		rbuf_fail(b, -VFS_MALFORMED, at + 8);
	else if (n != 0 && !place(b, off, n))
		rbuf_fail(b, -VFS_MALFORMED, at);
	else if (n != 0)
		return (struct vfs_slice){ b->p + off, n };
	return none;
}

#define ALL(byte)	(0x0101010101010101u * (byte))

/* Is one of the eight bytes zero? */
static bool
has_zero(uint64_t v)
{
	return ((v - ALL(1)) & ~v & ALL(0x80)) != 0;
}

int
proto_name_check(struct vfs_slice name)
{
	const uint8_t *p = name.p;
	size_t i = 0;
	uint64_t v;

	if (name.n > VFS_NAME_MAX)
		return -VFS_NAMETOOLONG;
	if (name.n == 0)
		return -VFS_NAME;
	for (; name.n - i >= sizeof v; i += sizeof v) {
		memcpy(&v, p + i, sizeof v);
		if (has_zero(v) || has_zero(v ^ ALL((uint64_t)'/')))
			return -VFS_NAME;
	}
	for (; i < name.n; i++)
		if (p[i] == 0 || p[i] == '/')
			return -VFS_NAME;
	return 0;
}

struct vfs_slice
rbuf_name(struct rbuf *b)
{
	struct vfs_slice s = rbuf_blob(b);
	int err;

	if (b->err == 0 && (err = proto_name_check(s)) < 0)
		rbuf_fail(b, err, b->pos - 16);
	return s;
}

int
rbuf_end(struct rbuf *b)
{
	size_t end;

	rbuf_align(b, 8);
	end = b->first == 0 ? b->pos : b->next;
	if (b->first != 0 && b->first != b->pos)
		rbuf_fail(b, -VFS_MALFORMED, b->pos);
	else if (end != b->len)
		rbuf_fail(b, -VFS_MALFORMED, end);
	return b->err;
}

void
wbuf_init(struct wbuf *w, void *p, size_t cap, size_t at, size_t fixed)
{
	w->p = p;
	w->cap = cap;
	w->pos = at;
	w->err = 0;
	w->next = at;
	if (at > cap || fixed > cap - at)
		w->err = -VFS_TOO_BIG;
	else
		w->next = at + fixed;
}

uint8_t *
wbuf_room(struct wbuf *w, size_t n)
{
	wbuf_align(w, 8);
	if (w->err == 0 && n > w->cap - w->pos)
		w->err = -VFS_TOO_BIG;
	if (w->err != 0)
		return NULL;
	w->pos += n;
	return w->p + w->pos - n;
}

void
wbuf_bytes(struct wbuf *w, const void *p, size_t n)
{
	if (w->err == 0 && n > w->cap - w->pos)
		w->err = -VFS_TOO_BIG;
	if (w->err != 0 || n == 0)
		return;
	memcpy(w->p + w->pos, p, n);
	w->pos += n;
}

void
wbuf_align(struct wbuf *w, size_t n)
{
	while (w->err == 0 && w->pos % n != 0)
		if (w->pos == w->cap)
			w->err = -VFS_TOO_BIG;
		else
			w->p[w->pos++] = 0;
}

static inline void
put_number(struct wbuf *w, uint64_t v, unsigned n)
{
	uint8_t *p;
	unsigned i;

	if (w->pos % n != 0)
		wbuf_align(w, n);
	if (w->err == 0 && n > w->cap - w->pos)
		w->err = -VFS_TOO_BIG;
	if (w->err != 0)
		return;
	p = w->p + w->pos;
	for (i = 0; i < n; i++)
		p[i] = (uint8_t)(v >> 8 * i);
	w->pos += n;
}

void
wbuf_u8(struct wbuf *w, uint8_t v)
{
	wbuf_bytes(w, &v, 1);
}

void
wbuf_u16(struct wbuf *w, uint16_t v)
{
	put_number(w, v, 2);
}

void
wbuf_u32(struct wbuf *w, uint32_t v)
{
	put_number(w, v, 4);
}

void
wbuf_u64(struct wbuf *w, uint64_t v)
{
	put_number(w, v, 8);
}

void
wbuf_time(struct wbuf *w, struct vfs_time t)
{
	wbuf_u64(w, (uint64_t)t.sec);
	wbuf_u32(w, t.nsec);
	wbuf_u32(w, 0);
}

void
wbuf_blob(struct wbuf *w, const void *p, size_t n)
{
	size_t at = w->next, padded;

	wbuf_align(w, 8);
	padded = ALIGN(n, 8);
	if (w->err == 0 &&
	    (n > UINT32_MAX || padded < n || padded > w->cap - at))
		w->err = -VFS_TOO_BIG;
	wbuf_u32(w, (uint32_t)n);
	wbuf_u32(w, 0);			/* inline, no grant */
	wbuf_u64(w, n == 0 ? 0 : at);
	if (w->err != 0 || n == 0)
		return;
	if (p != w->p + at)
		memmove(w->p + at, p, n);
	memset(w->p + at + n, 0, padded - n);
	w->next = at + padded;
}

int
wbuf_end(struct wbuf *w, size_t *len)
{
	wbuf_align(w, 8);
	if (w->err != 0)
		return w->err;
	*len = w->next > w->pos ? w->next : w->pos;
	return 0;
}
