/*
 * stream.c - bytes to and from the socket, cut into messages
 *
 * Replies are received into the room of the call that they answer as soon
 * as their header is known; only what came along with it is copied.  The
 * daemon is not trusted: whatever does not fit the rules ends the
 * connection.
 */
#include <errno.h>
#include <string.h>
#include <sys/socket.h>
#include <time.h>
#include <unistd.h>

#include "vfs_in.h"

#define TURNS_MAX	64u		/* of receiving, without a pause */
#define FIRST_BYTES	4096u		/* of the only reply to come: the rest
					 * goes where it belongs at once */

uint64_t
lv_now_ms(void)
{
	struct timespec ts;

	clock_gettime(CLOCK_MONOTONIC, &ts);
	return (uint64_t)ts.tv_sec * 1000 + (uint64_t)ts.tv_nsec / 1000000;
}

int
lv_lose(struct vfs *v, int err)
{
	if (v->lost != 0)
		return v->lost;
	v->lost = err;
	if (v->fd >= 0)
		close(v->fd);
	v->fd = -1;
	v->rx.on = false;
	lv_calls_fail(v, err);
	return err;
}

static bool
is_again(void)
{
	return errno == EAGAIN || errno == EINTR;
}

/* A peer that has gone is no surprise; all else is. */
static int
socket_failed(struct vfs *v)
{
	return lv_lose(v, errno == EPIPE || errno == ECONNRESET ?
	    -VFS_SESSION_CLOSED : vfs_err_from_os(errno));
}

int
lv_pump_out(struct vfs *v)
{
	ssize_t k;

	while (v->lost == 0 && v->out_at < v->out_n) {
		k = send(v->fd, v->out + v->out_at, v->out_n - v->out_at,
		    MSG_NOSIGNAL | MSG_DONTWAIT);
		if (k < 0 && is_again())
			return 0;
		if (k < 0 && errno != EPIPE && errno != ECONNRESET)
			return socket_failed(v);
		/* What it said before it went is still to be read. */
		v->out_at = k < 0 ? v->out_n : v->out_at + (size_t)k;
	}
	if (v->out_at == v->out_n)
		v->out_at = v->out_n = 0;
	return v->lost;
}

/* --- notifications -------------------------------------------------------- */

/* Why the daemon ends this session. */
static int
farewell(struct vfs *v, struct rbuf *b)
{
	uint32_t why;

	rbuf_u32(b);			/* REVOKED: the session */
	why = rbuf_u32(b);
	return lv_lose(v, why == 0 ? -VFS_SESSION_CLOSED :
	    lv_err_of_status(why));
}

static int
shut_down(struct vfs *v, struct rbuf *b)
{
	uint32_t why = rbuf_u32(b);

	return lv_lose(v, why == 0 || why == VFS_SESSION_CLOSED ?
	    -VFS_SESSION_CLOSED : lv_err_of_status(why));
}

/* Kinds that are not known here are for somebody else. */
static int
notified(struct vfs *v, const struct proto_hdr *h, const uint8_t *msg)
{
	struct rbuf b;

	if (proto_body(h, msg, &b) < 0)
		return lv_lose(v, -VFS_MALFORMED);
	switch (h->op) {
	case PROTO_N_CHANGED:
		v->changed_seq = rbuf_u64(&b);
		v->changed = b.err == 0;
		return b.err == 0 ? 0 : lv_lose(v, -VFS_MALFORMED);
	case PROTO_N_REVOKED:
		return h->session == 0 ? farewell(v, &b) : 0;
	case PROTO_N_SHUTDOWN:
		return shut_down(v, &b);
	default:
		return 0;
	}
}

/* --- replies --------------------------------------------------------------- */

/* An answer that nobody waits for any more is skipped; one that nobody
 * can have asked for ends the connection. */
static int
nobodys(struct vfs *v, const struct proto_hdr *h)
{
	enum vfs_op op = proto_op_find(h->op & ~PROTO_REPLY);
	unsigned i;

	for (i = 0; i < VFS_CANCELS && v->cancels[i] != h->req_id; i++)
		;
	if (h->req_id == 0)
		return lv_lose(v, -VFS_MALFORMED);
	if (i < VFS_CANCELS && op == VFS_OP_CANCEL)
		v->cancels[i] = 0;
	else if (v->forgotten > 0 && h->req_id <= v->req_id)
		lv_forgotten(v);
	else
		return lv_lose(v, -VFS_MALFORMED);
	lv_pay(v, op, h);
	return 0;
}

/* Whose is it, and is there room? */
static int
reply_begin(struct vfs *v, const struct proto_hdr *h)
{
	struct vfs_call *c = lv_call_find(v, h->req_id);
	uint8_t *buf;
	size_t cap;

	v->rx = (struct rx){ .h = *h, .on = true, .call = c };
	if (c == NULL)
		return nobodys(v, h);
	if (h->op != (proto_ops[c->op].number | PROTO_REPLY) ||
	    h->session != c->session || (h->flags & PROTO_MORE) != 0)
		return lv_lose(v, -VFS_MALFORMED);
	buf = c->buf != NULL ? c->buf : (uint8_t *)c->small;
	cap = c->buf != NULL ? c->cap : sizeof c->small;
	v->rx.to = h->len <= cap ? buf : NULL;
	if (v->rx.to == NULL && h->len <= sizeof c->small)
		v->rx.to = (uint8_t *)c->small;
	return 0;
}

static void
reply_end(struct vfs *v)
{
	struct rx rx = v->rx;

	v->rx.on = false;
	if (rx.call != NULL)
		lv_call_finish(v, rx.call, &rx.h, rx.to);
}

/* Bytes of the reply under way that have come along. */
static void
reply_take(struct vfs *v)
{
	size_t n = v->in_n - v->in_at, left = v->rx.h.len - v->rx.got;

	if (n > left)
		n = left;
	if (v->rx.to != NULL)
		memcpy(v->rx.to + v->rx.got, v->in + v->in_at, n);
	v->in_at += n;
	v->rx.got += n;
	if (v->rx.got == v->rx.h.len)
		reply_end(v);
}

/* --- receiving -------------------------------------------------------------- */

/* 1: a message was taken or begun; 0: more bytes are needed. */
static int
message(struct vfs *v)
{
	const uint8_t *p = v->in + v->in_at;
	size_t n = v->in_n - v->in_at;
	struct proto_hdr h;

	if (n < PROTO_HDR)
		return 0;
	if (proto_hdr_decode(p, n, v->conf.max_msg, &h) < 0)
		return lv_lose(v, -VFS_MALFORMED);
	if ((h.op & PROTO_REPLY) == 0) {
		if (h.op < 0x4000 || h.len > VFS_NOTE_MAX)
			return lv_lose(v, -VFS_MALFORMED);
		if (n < h.len)
			return 0;
		v->in_at += h.len;
		return notified(v, &h, p) < 0 ? v->lost : 1;
	}
	return reply_begin(v, &h) < 0 ? v->lost : 1;
}

static int
consume(struct vfs *v)
{
	int more = 1;

	while (v->lost == 0 && more > 0) {
		if (v->rx.on) {
			reply_take(v);
			more = v->in_at < v->in_n;
		} else {
			more = message(v);
		}
	}
	if (v->in_at > 0 && v->in_at < v->in_n)
		memmove(v->in, v->in + v->in_at, v->in_n - v->in_at);
	v->in_n -= v->in_at;
	v->in_at = 0;
	return v->lost;
}

/* Straight to where a long reply belongs; else to the heap of bytes. */
static ssize_t
receive(struct vfs *v, size_t *asked)
{
	size_t room = v->waiting == 1 ? FIRST_BYTES : VFS_IN_BYTES;
	struct rx *rx = &v->rx;
	ssize_t k;

	if (rx->on && rx->to != NULL && rx->h.len - rx->got >= room / 4) {
		*asked = rx->h.len - rx->got;
		k = recv(v->fd, rx->to + rx->got, *asked, MSG_DONTWAIT);
		if (k > 0 && (rx->got += (size_t)k) == rx->h.len)
			reply_end(v);
		return k;
	}
	if (room <= v->in_n)
		room = VFS_IN_BYTES;
	*asked = room - v->in_n;
	k = recv(v->fd, v->in + v->in_n, *asked, MSG_DONTWAIT);
	if (k > 0)
		v->in_n += (size_t)k;
	return k;
}

/* A peer that never stops talking must not keep us from looking at the
 * clock. */
static int
pump_in(struct vfs *v)
{
	unsigned turns = 0;
	size_t asked;
	ssize_t k;

	do {
		k = receive(v, &asked);
		if (k == 0)
			return lv_lose(v, -VFS_SESSION_CLOSED);
		if (k < 0)
			return is_again() ? 0 : socket_failed(v);
		if (consume(v) < 0)
			return v->lost;
	} while ((size_t)k == asked && v->ndone == 0 && ++turns < TURNS_MAX);
	return 0;
}

int
lv_pump(struct vfs *v)
{
	uint64_t now;

	if (v->lost != 0)
		return v->lost;
	if (v->out_at < v->out_n)
		lv_pump_out(v);
	if (v->lost == 0)
		pump_in(v);
	if (v->expires_ms != 0 && v->lost == 0 &&
	    (now = lv_now_ms()) >= v->expires_ms)
		lv_calls_expire(v, now);
	return v->lost;
}
