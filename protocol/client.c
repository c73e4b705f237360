#include "mem.h"

#include "client.h"

#define FORM_MAX	24u		/* fields of one message */

void
client_init(struct client *c, const struct client_pipe *pipe, void *out,
    size_t out_cap, void *in, size_t in_cap)
{
	memset(c, 0, sizeof *c);
	c->pipe = *pipe;
	c->out = out;
	c->out_cap = out_cap;
	c->in = in;
	c->in_cap = in_cap;
	c->prio = 4;
}

/* --- bytes ----------------------------------------------------------- */

/* What has come, as far as there is room: bytes, or why it ended. */
static long
fill(struct client *c)
{
	long k;

	if (c->in_at > 0 && c->in_n == c->in_at)
		c->in_at = c->in_n = 0;
	if (c->in_n == c->in_cap)
		return 0;
	k = c->pipe.get(c->pipe.arg, c->in + c->in_n, c->in_cap - c->in_n);
	if (k > 0)
		c->in_n += (size_t)k;
	else if (k < 0)
		c->ended = (int)k;
	return k;
}

/* The peer may have to be read before it goes on reading. */
static int
write_all(struct client *c, const uint8_t *p, size_t n)
{
	long k, got;
	int err;

	while (n > 0) {
		k = c->pipe.put(c->pipe.arg, p, n);
		if (k < 0)
			return c->ended = (int)k;
		p += k;
		n -= (size_t)k;
		if (k > 0)
			continue;
		if ((got = fill(c)) < 0)
			return (int)got;
		if (got == 0 && (err = c->pipe.wait(c->pipe.arg, true)) < 0)
			return c->ended = err;
	}
	return 0;
}

/* --- requests -------------------------------------------------------- */

/* Where the blob's descriptor stands: behind the fields before it. */
static size_t
blob_at(const char *form, unsigned k)
{
	char before[FORM_MAX];
	size_t n = 0;

	while (form[n] != 0 && n + 1 < FORM_MAX) {
		if ((form[n] == 'B' || form[n] == 'N') && k-- == 0)
			break;
		before[n] = form[n];
		n++;
	}
	before[n] = 0;
	return PROTO_HDR + proto_form_fixed(before);
}

static void
put_far(struct client *c, enum vfs_op op, const struct client_far *far)
{
	size_t at = blob_at(proto_ops[op].req, far->blob);
	struct wbuf w;

	wbuf_init(&w, c->out, at + 16, at, 16);
	wbuf_u32(&w, far->n);
	wbuf_u16(&w, (uint16_t)far->kind);
	wbuf_u16(&w, (uint16_t)far->grant);
	wbuf_u64(&w, far->off);
}

/* The critical extension: in this transaction. */
static int
put_tx(struct client *c, struct proto_hdr *h)
{
	struct wbuf w;

	if (c->tx == 0)
		return 0;
	wbuf_init(&w, c->out, c->out_cap, h->len, 16);
	wbuf_u16(&w, PROTO_X_TX);
	wbuf_u16(&w, 1);
	wbuf_u32(&w, 8);
	wbuf_u64(&w, c->tx);
	h->len += 16;
	h->ext_len = 2;
	h->flags |= PROTO_EXT;
	proto_hdr_encode(h, c->out);
	return w.err;
}

int
client_send_far(struct client *c, enum vfs_op op, const void *q,
    const struct client_far *far)
{
	struct proto_hdr h = { .req_id = c->req_id + 1, .prio = c->prio,
		.session = c->session, .status = c->deadline_ms };
	int err;

	if (c->ended < 0)
		return c->ended;
	err = proto_request_encode(op, q, &h, c->out, c->out_cap);
	if (err < 0)
		return err;
	if (far != NULL)
		put_far(c, op, far);
	if ((err = put_tx(c, &h)) < 0)
		return err;
	c->req_id = h.req_id;
	return write_all(c, c->out, h.len);
}

int
client_send(struct client *c, enum vfs_op op, const void *q)
{
	return client_send_far(c, op, q, NULL);
}

/* --- replies --------------------------------------------------------- */

/* The next whole message: 1, 0 if there is none yet. */
static int
message(struct client *c, struct proto_hdr *h)
{
	size_t have = c->in_n - c->in_at;
	int err;

	if (have >= PROTO_HDR) {
		err = proto_hdr_decode(c->in + c->in_at, have,
		    (uint32_t)c->in_cap, h);
		if (err < 0)
			return c->ended = err;
		if (h->len <= have)
			return 1;
	}
	if (c->in_at > 0) {		/* room for the rest of it */
		memmove(c->in, c->in + c->in_at, have);
		c->in_at = 0;
		c->in_n = have;
	}
	return 0;
}

static void
unasked(struct client *c, const struct proto_hdr *h, struct rbuf *b)
{
	uint32_t why;

	if (h->op == PROTO_N_CHANGED)
		c->changed = true;
	if (h->op != PROTO_N_SHUTDOWN)
		return;
	why = rbuf_u32(b);
	c->ended = why > 0 && why < 1000 ? -(int)why : -VFS_SESSION_CLOSED;
}

int
client_next(struct client *c, bool wait, struct proto_hdr *h,
    struct rbuf *body)
{
	int rc;
	long k;

	while (c->ended == 0) {
		if ((rc = message(c, h)) < 0)
			break;
		if (rc == 1) {
			proto_body(h, c->in + c->in_at, body);
			c->in_at += h->len;
			if ((h->op & PROTO_REPLY) != 0)
				return 0;
			unasked(c, h, body);
			continue;
		}
		if ((k = fill(c)) != 0)
			continue;
		if (!wait)
			return -VFS_AGAIN;
		if ((rc = c->pipe.wait(c->pipe.arg, false)) < 0)
			c->ended = rc;
	}
	return c->ended;
}

int
client_reply(struct client *c, enum vfs_op op, const struct proto_hdr *h,
    struct rbuf *body, void *r)
{
	memset(&c->e, 0, sizeof c->e);
	if (body->err < 0)
		return body->err;
	if (h->status == 0 && h->op == (proto_ops[op].number | PROTO_REPLY))
		return proto_reply_decode(op, body, r);
	if (h->status == 0 || h->status > INT32_MAX ||
	    proto_error_decode(body, &c->e) < 0)
		return -VFS_MALFORMED;
	return -(int)h->status;
}

int
client_call_far(struct client *c, enum vfs_op op, const void *q,
    const struct client_far *far, void *r)
{
	struct proto_hdr h;
	struct rbuf body;
	int err = client_send_far(c, op, q, far);

	while (err == 0 && (err = client_next(c, true, &h, &body)) == 0)
		if (h.req_id == c->req_id)
			return client_reply(c, op, &h, &body, r);
	return err;
}

int
client_call(struct client *c, enum vfs_op op, const void *q, void *r)
{
	return client_call_far(c, op, q, NULL, r);
}

/* --- coming in ------------------------------------------------------- */

int
client_hello(struct client *c, const char *name, struct vfs_hello_reply *r)
{
	struct vfs_hello q = { .magic = PROTO_MAGIC,
		.version_min = PROTO_VERSION, .version_max = PROTO_VERSION,
		.max_msg = (uint32_t)c->in_cap, .client = { name, 0 } };

	while (name[q.client.n] != 0 && q.client.n < 32)
		q.client.n++;
	return client_call(c, VFS_OP_HELLO, &q, r);
}

int
client_attach(struct client *c, const void *token, size_t n,
    struct vfs_attach_reply *r)
{
	struct vfs_attach q = { .token = { token, n } };
	int err = client_call(c, VFS_OP_ATTACH, &q, r);

	if (err == 0)
		c->session = r->session;
	return err;
}
