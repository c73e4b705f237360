#include "hdr.h"

#define EXT_CRITICAL	1u

static int
hdr_check(const struct proto_hdr *h, uint32_t max)
{
	uint16_t op = h->op & (PROTO_REPLY - 1);
	bool reply = (h->op & PROTO_REPLY) != 0;

	if (h->len < PROTO_HDR || h->len > max || h->len % 8 != 0)
		return -VFS_MALFORMED;
	if ((h->flags & ~(PROTO_EXT | (reply ? PROTO_MORE : 0))) != 0)
		return -VFS_MALFORMED;
	if (((h->flags & PROTO_EXT) != 0) != (h->ext_len != 0))
		return -VFS_MALFORMED;
	if (h->ext_len > (h->len - PROTO_HDR) / 8)
		return -VFS_MALFORMED;
	if (op == 0 || h->prio > 7)
		return -VFS_MALFORMED;
	if (op >= 0x4000)		/* notifications answer nothing */
		return reply || h->req_id != 0 || h->status != 0 ||
		    h->prio != 0 ? -VFS_MALFORMED : 0;
	if (h->req_id == 0 || (reply && h->prio != 0))
		return -VFS_MALFORMED;
	return 0;
}

int
proto_hdr_decode(const void *p, size_t n, uint32_t max, struct proto_hdr *out)
{
	struct proto_hdr h;
	struct rbuf b;
	uint16_t v;
	int err;

	rbuf_init(&b, p, n < PROTO_HDR ? n : PROTO_HDR, 0);
	h.len = rbuf_u32(&b);
	h.op = rbuf_u16(&b);
	v = rbuf_u16(&b);
	h.flags = v & 255;
	h.prio = (uint8_t)(v >> 8);
	h.req_id = rbuf_u64(&b);
	h.session = rbuf_u32(&b);
	h.status = rbuf_u32(&b);
	h.credits = rbuf_u16(&b);
	h.ext_len = rbuf_u16(&b);
	rbuf_zero32(&b);
	if (b.err != 0)
		return -VFS_MALFORMED;
	if ((err = hdr_check(&h, max)) < 0)
		return err;
	*out = h;
	return 0;
}

void
proto_hdr_encode(const struct proto_hdr *h, uint8_t p[PROTO_HDR])
{
	struct wbuf w;

	wbuf_init(&w, p, PROTO_HDR, 0, PROTO_HDR);
	wbuf_u32(&w, h->len);
	wbuf_u16(&w, h->op);
	wbuf_u8(&w, h->flags);
	wbuf_u8(&w, h->prio);
	wbuf_u64(&w, h->req_id);
	wbuf_u32(&w, h->session);
	wbuf_u32(&w, h->status);
	wbuf_u16(&w, h->credits);
	wbuf_u16(&w, h->ext_len);
	wbuf_u32(&w, 0);
}

/* One extension: type, flags, length, bytes, zeroes up to 8.  known is
 * NULL for who knows none. */
static void
ext_next(struct rbuf *b, struct proto_ext *known)
{
	size_t at = b->pos;
	uint16_t type = rbuf_u16(b), flags = rbuf_u16(b);
	uint32_t n = rbuf_u32(b);

	if (known != NULL && type == PROTO_X_TX) {
		/* Once, critical, and a transaction. */
		if (flags != EXT_CRITICAL || n != 8 || known->tx != 0 ||
		    (known->tx = rbuf_u64(b)) == 0)
			rbuf_fail(b, -VFS_MALFORMED, at);
		return;
	}
	rbuf_bytes(b, n);
	rbuf_align(b, 8);
	if ((flags & ~EXT_CRITICAL) != 0)
		rbuf_fail(b, -VFS_MALFORMED, at + 2);
	if ((flags & EXT_CRITICAL) != 0)
		rbuf_fail(b, -VFS_UNSUPPORTED_EXT, at);
}

int
proto_body_ext(const struct proto_hdr *h, const void *msg, struct rbuf *out,
    struct proto_ext *ext)
{
	size_t body = h->len - (size_t)h->ext_len * 8;
	struct rbuf b;

	if (ext != NULL)
		ext->tx = 0;
	rbuf_init(&b, msg, h->len, body);
	while (b.err == 0 && b.pos < b.len)
		ext_next(&b, ext);
	rbuf_init(out, msg, body, PROTO_HDR);
	if (b.err != 0)
		rbuf_fail(out, b.err, b.err_at);
	return out->err;
}

int
proto_body(const struct proto_hdr *h, const void *msg, struct rbuf *out)
{
	return proto_body_ext(h, msg, out, NULL);
}

int
proto_ext_tx(struct proto_hdr *h, void *msg, size_t cap, uint64_t tx)
{
	struct wbuf w;

	wbuf_init(&w, msg, cap, h->len, 16);
	wbuf_u16(&w, PROTO_X_TX);
	wbuf_u16(&w, EXT_CRITICAL);
	wbuf_u32(&w, 8);
	wbuf_u64(&w, tx);
	if (w.err < 0)
		return w.err;
	h->len += 16;
	h->ext_len = (uint16_t)(h->ext_len + 2);
	h->flags |= PROTO_EXT;
	proto_hdr_encode(h, msg);
	return 0;
}

void
proto_error_encode(const struct proto_error *e, struct wbuf *w)
{
	wbuf_u64(w, e->detail);
	wbuf_u64(w, e->trace_id);
	wbuf_u32(w, e->op_index);
	wbuf_u32(w, e->retry_after_ms);
}

int
proto_error_decode(struct rbuf *b, struct proto_error *out)
{
	struct proto_error e;
	int err;

	e.detail = rbuf_u64(b);
	e.trace_id = rbuf_u64(b);
	e.op_index = rbuf_u32(b);
	e.retry_after_ms = rbuf_u32(b);
	err = rbuf_end(b);
	if (err == 0)
		*out = e;
	return err;
}
