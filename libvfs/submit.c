/*
 * submit.c - requests under way
 *
 * A request is encoded into the connection's output at once, so the
 * caller's is free again.  Each spends a credit, each reply brings some;
 * the control lane has its own, which come back one by one.
 */
#include <poll.h>
#include <string.h>

#include "vfs_in.h"

#define OP_INTERNAL	0x3f00u		/* numbers from here are the daemon's */
#define CREDITS_MAX	65535u
#define STATUS_MAX	1000u
#define EXT_TX		16u		/* bytes of the extension */

bool
lv_is_control(enum vfs_op op)
{
	switch (op) {
	case VFS_OP_HELLO:
	case VFS_OP_PING:
	case VFS_OP_CANCEL:
	case VFS_OP_CLOSE:
	case VFS_OP_CREDIT:
	case VFS_OP_DETACH:
	case VFS_OP_TX_STATUS:
	case VFS_OP_TX_ABORT:
		return true;
	default:
		return false;
	}
}

/* Codes that are newer than this library stand for their group. */
int
lv_err_of_status(uint32_t status)
{
	static const int groups[] = { VFS_IO, VFS_IO, VFS_IO, VFS_IO,
		VFS_GONE, VFS_ABORTED, VFS_CURSOR_EXPIRED, VFS_CANCELLED,
		VFS_UNSUPPORTED, VFS_OFFLINE };

	if (status >= STATUS_MAX)
		return -VFS_IO;
	if (strcmp(vfs_err_name((int)status), "UNKNOWN") != 0)
		return -(int)status;
	return status / 10 < sizeof groups / sizeof groups[0] ?
	    -groups[status / 10] : -VFS_IO;
}

/* --- finding ---------------------------------------------------------------- */

static struct vfs_call **
bucket(struct vfs *v, uint64_t req_id)
{
	return &v->bucket[req_id % VFS_BUCKETS];
}

struct vfs_call *
lv_call_find(struct vfs *v, uint64_t req_id)
{
	struct vfs_call *c = *bucket(v, req_id);

	while (c != NULL && c->req_id != req_id)
		c = c->next;
	return c;
}

static void
waiting_add(struct vfs *v, struct vfs_call *c)
{
	struct vfs_call **at = bucket(v, c->req_id);

	c->state = CALL_WAITS;
	c->next = *at;
	*at = c;
	v->waiting++;
	v->waiting_own += c->own;
	v->waiting_normal += !lv_is_control(c->op);
	v->bytes += c->len;
}

static void
waiting_take(struct vfs *v, struct vfs_call *c)
{
	struct vfs_call **at = bucket(v, c->req_id);

	while (*at != c)
		at = &(*at)->next;
	*at = c->next;
	if (--v->waiting == 0)
		v->expires_ms = 0;
	v->waiting_own -= c->own;
	v->waiting_normal -= !lv_is_control(c->op);
	v->bytes -= c->len;
	if (v->rx.on && v->rx.call == c) {
		v->rx.call = NULL;	/* the rest of it is skipped */
		v->rx.to = NULL;
	}
}

static void
done_add(struct vfs *v, struct vfs_call *c)
{
	c->state = c->own ? CALL_OWN_DONE : CALL_DONE;
	c->next = NULL;
	if (c->own)
		return;
	*v->done_end = c;
	v->done_end = &c->next;
	v->ndone++;
}

void
lv_done_take(struct vfs *v, struct vfs_call *c)
{
	struct vfs_call **at = &v->done;

	if (c->state == CALL_OWN_DONE) {
		c->state = CALL_IDLE;
		return;
	}
	while (*at != c)
		at = &(*at)->next;
	*at = c->next;
	if (c->next == NULL)
		v->done_end = at;
	v->ndone--;
	c->state = CALL_IDLE;
}

/* --- forgotten --------------------------------------------------------------- */

/* The daemon still has it. */
static void
forget(struct vfs *v, const struct vfs_call *c)
{
	v->forgotten++;
	v->forgotten_bytes += c->len;
}

/* One of them has been answered; whose it was nobody knows. */
void
lv_forgotten(struct vfs *v)
{
	if (--v->forgotten == 0)
		v->forgotten_bytes = 0;
}

/* --- ends -------------------------------------------------------------------- */

void
lv_call_fail(struct vfs *v, struct vfs_call *c, int err)
{
	waiting_take(v, c);
	lv_handle_unpromise(v, c->given);
	c->err = err;
	c->unsure = true;
	c->status = (uint32_t)-err;
	done_add(v, c);
}

void
lv_calls_fail(struct vfs *v, int err)
{
	unsigned i;

	for (i = 0; i < VFS_BUCKETS; i++)
		while (v->bucket[i] != NULL)
			lv_call_fail(v, v->bucket[i], err);
}

/* The first deadline of those that are left. */
void
lv_calls_expire(struct vfs *v, uint64_t now)
{
	struct vfs_call *c, *next;
	uint64_t first = 0;
	unsigned i;

	for (i = 0; i < VFS_BUCKETS; i++)
		for (c = v->bucket[i]; c != NULL; c = next) {
			next = c->next;
			if (c->expires_ms == 0)
				continue;
			if (c->expires_ms <= now) {
				forget(v, c);
				lv_call_fail(v, c, -VFS_DEADLINE);
			} else if (first == 0 || c->expires_ms < first) {
				first = c->expires_ms;
			}
		}
	v->expires_ms = first;
}

static int
refused(struct vfs_call *c, const struct proto_hdr *h, struct rbuf *b)
{
	struct proto_error e;

	if (proto_error_decode(b, &e) < 0)
		return -VFS_MALFORMED;
	c->status = h->status;
	c->err = lv_err_of_status(h->status);
	c->detail = e.detail;
	c->trace_id = e.trace_id;
	c->op_index = e.op_index;
	c->retry_after_ms = e.retry_after_ms;
	return 0;
}

static int
answered(struct vfs *v, struct vfs_call *c, struct rbuf *b)
{
	union proto_rep any;
	void *r = c->r;
	int err;

	if (r == NULL) {
		memset(&any, 0, sizeof any);
		r = &any;
	}
	if ((err = proto_reply_decode(c->op, b, r)) < 0)
		return err;
	if (c->given != 0)
		lv_handle_take(v, c, r);
	c->given = 0;
	return 0;
}

void
lv_pay(struct vfs *v, enum vfs_op op, const struct proto_hdr *h)
{
	if (lv_is_control(op))
		v->control++;
	else if (v->credits <= CREDITS_MAX - h->credits)
		v->credits += h->credits;
}

void
lv_call_finish(struct vfs *v, struct vfs_call *c, const struct proto_hdr *h,
    const uint8_t *msg)
{
	struct rbuf b;
	int err = 0;

	waiting_take(v, c);
	lv_pay(v, c->op, h);
	c->err = 0;
	c->unsure = false;
	if (msg == NULL) {		/* done, but the reply has no room */
		c->err = -VFS_TOO_BIG;
		c->unsure = true;
	} else if ((err = proto_body(h, msg, &b)) == 0) {
		err = h->status != 0 ? refused(c, h, &b) : answered(v, c, &b);
	}
	if (err < 0) {
		c->err = -VFS_MALFORMED;
		c->unsure = true;
	}
	lv_handle_unpromise(v, c->given);	/* unless taken */
	if (c->err != 0 && c->status == 0)
		c->status = (uint32_t)-c->err;
	done_add(v, c);
	if (err < 0)			/* who says such things is not asked */
		lv_lose(v, -VFS_MALFORMED);
}

/* --- submit ------------------------------------------------------------------ */

static int
may_submit(struct vfs *v, enum vfs_op op)
{
	uint32_t busy = v->waiting_normal + v->forgotten;

	if (v->lost != 0)
		return v->lost;
	if (op <= VFS_OP_NONE || op >= VFS_OP_COUNT ||
	    proto_ops[op].number >= OP_INTERNAL)
		return -VFS_INVAL;
	if (lv_is_control(op))
		return v->control > 0 ? 0 : -VFS_AGAIN;
	if (busy > 0 && busy >= v->max_credits)
		return -VFS_AGAIN;
	if (v->credits > 0)
		return 0;
	return busy > 0 ? -VFS_AGAIN : -VFS_NO_CREDIT;
}

static void
put_ext_tx(uint8_t *p, uint64_t tx)
{
	struct wbuf w;

	wbuf_init(&w, p, EXT_TX, 0, EXT_TX);
	wbuf_u16(&w, PROTO_X_TX);
	wbuf_u16(&w, 1);		/* critical */
	wbuf_u32(&w, 8);
	wbuf_u64(&w, tx);
}

/* Behind what is in the output already; the header is complete. */
static int
encode(struct vfs *v, const struct vfs_call *c, uint64_t req_id, size_t *len)
{
	size_t ext = c->tx != NULL ? EXT_TX : 0;
	size_t room = v->conf.max_msg - v->out_n, cap = v->peer.max_msg;
	uint8_t *msg = v->out + v->out_n;
	struct proto_hdr h = { .req_id = req_id, .prio = c->prio,
		.session = c->session, .status = c->deadline_ms,
		.credits = 1 };
	int err;

	if (cap > room)
		cap = room;
	if (cap < PROTO_HDR + ext)
		return -VFS_TOO_BIG;
	if ((err = proto_request_encode(c->op, c->q, &h, msg, cap - ext)) < 0)
		return err;
	if ((err = lv_handles_put(v, c->op, msg, h.len)) < 0)
		return err;
	if (ext > 0) {
		put_ext_tx(msg + h.len, c->tx->n);
		h.len += EXT_TX;
		h.flags |= PROTO_EXT;
		h.ext_len = EXT_TX / 8;
		proto_hdr_encode(&h, msg);
	}
	*len = h.len;
	return 0;
}

/* With the room that sending makes, if it needs that. */
static int
encode_somewhere(struct vfs *v, const struct vfs_call *c, uint64_t req_id,
    size_t *len)
{
	int err = encode(v, c, req_id, len);

	if (err != -VFS_TOO_BIG || v->out_n == 0)
		return err;
	if ((err = lv_pump_out(v)) < 0)
		return err;
	if (v->out_at > 0) {
		memmove(v->out, v->out + v->out_at, v->out_n - v->out_at);
		v->out_n -= v->out_at;
		v->out_at = 0;
	}
	err = encode(v, c, req_id, len);
	return err == -VFS_TOO_BIG && v->out_n > 0 ? -VFS_AGAIN : err;
}

static void
set_expiry(struct vfs *v, struct vfs_call *c)
{
	c->expires_ms = 0;
	if (c->deadline_ms == 0)
		return;
	c->expires_ms = lv_now_ms() + c->deadline_ms + (c->deadline_ms / 2 <
	    VFS_GRACE_MS ? c->deadline_ms / 2 : VFS_GRACE_MS) + 1;
	if (v->expires_ms == 0 || c->expires_ms < v->expires_ms)
		v->expires_ms = c->expires_ms;
}

/* One that is too long by itself is the daemon's to refuse. */
static bool
is_too_much(const struct vfs *v, enum vfs_op op, size_t len)
{
	uint64_t bytes = v->bytes + v->forgotten_bytes;

	return !lv_is_control(op) && bytes > 0 &&
	    (bytes > v->max_bytes || len > v->max_bytes - bytes);
}

static void
accepted(struct vfs *v, struct vfs_call *c, size_t len)
{
	if (c->op == VFS_OP_CLOSE)
		lv_handles_closed(v, ((const struct vfs_close *)c->q)->handles);
	v->out_n += len;
	c->req_id = ++v->req_id;
	c->len = 0;			/* these are not counted */
	if (lv_is_control(c->op)) {
		v->control--;
	} else {
		v->credits--;
		c->len = (uint32_t)len;
	}
	set_expiry(v, c);
	waiting_add(v, c);
}

static int
submit(struct vfs *v, struct vfs_call *c, bool own)
{
	size_t len;
	int err;

	c->own = own;
	c->state = CALL_IDLE;
	c->err = 0;
	c->unsure = false;
	c->status = c->op_index = c->retry_after_ms = c->given = 0;
	c->detail = c->trace_id = 0;
	if ((err = may_submit(v, c->op)) < 0)
		return err;
	if (c->tx != NULL && c->tx->v != v)
		return -VFS_INVAL;
	if (c->tx != NULL && c->tx->epoch != v->epoch)
		return -VFS_ABORTED;
	if (lv_gives_handle(c->op, c->q) &&
	    (err = lv_handle_promise(v, c->op, c->q, &c->given)) < 0)
		return err;
	err = encode_somewhere(v, c, v->req_id + 1, &len);
	if (err == 0 && is_too_much(v, c->op, len))
		err = -VFS_AGAIN;
	if (err < 0) {
		lv_handle_unpromise(v, c->given);
		return err;
	}
	accepted(v, c, len);
	return 0;
}

int
vfs_submit(struct vfs *v, struct vfs_call *c)
{
	return submit(v, c, false);
}

int
lv_submit_own(struct vfs *v, struct vfs_call *c)
{
	return submit(v, c, true);
}

/* --- the caller's side ---------------------------------------------------- */

int
vfs_flush(struct vfs *v)
{
	return lv_pump_out(v);
}

int
vfs_complete(struct vfs *v, struct vfs_call **out)
{
	if (v->ndone == 0)
		lv_pump(v);
	else
		lv_pump_out(v);
	if (v->ndone == 0)
		return v->lost;
	*out = v->done;
	lv_done_take(v, *out);
	return 1;
}

int
vfs_fd(const struct vfs *v)
{
	return v->fd;
}

short
vfs_events(const struct vfs *v)
{
	return (short)(v->out_at < v->out_n ? POLLIN | POLLOUT : POLLIN);
}

int
vfs_timeout(const struct vfs *v)
{
	uint64_t now;

	if (v->ndone > 0 || v->lost != 0)
		return 0;
	if (v->expires_ms == 0)
		return -1;
	now = lv_now_ms();
	if (v->expires_ms <= now)
		return 0;
	return v->expires_ms - now < 3600000 ? (int)(v->expires_ms - now) :
	    3600000;
}

unsigned
vfs_pending(const struct vfs *v)
{
	return v->waiting - v->waiting_own + v->ndone;
}

size_t
vfs_room(enum vfs_op op, size_t n)
{
	(void)op;
	return VFS_REPLY_FIXED + ((n + 7) & ~(size_t)7);
}

void
vfs_forget(struct vfs *v, struct vfs_call *c)
{
	if (c->state == CALL_WAITS) {
		forget(v, c);
		waiting_take(v, c);
		lv_handle_unpromise(v, c->given);
		c->state = CALL_IDLE;
	} else if (c->state != CALL_IDLE) {
		lv_done_take(v, c);
	}
}

/* Its answer is of no interest: the other call's tells. */
int
vfs_cancel(struct vfs *v, struct vfs_call *c)
{
	struct vfs_cancel q = { c->req_id };
	struct vfs_call k = { .op = VFS_OP_CANCEL, .q = &q, .prio = 7,
		.session = c->session };
	size_t len;
	unsigned i;
	int err;

	if (c->state != CALL_WAITS)
		return 0;
	for (i = 0; i < VFS_CANCELS && v->cancels[i] != 0; i++)
		;
	if (i == VFS_CANCELS)
		return -VFS_AGAIN;
	if ((err = may_submit(v, k.op)) < 0 ||
	    (err = encode_somewhere(v, &k, v->req_id + 1, &len)) < 0)
		return err;
	v->out_n += len;
	v->control--;
	v->cancels[i] = ++v->req_id;
	return 0;
}
