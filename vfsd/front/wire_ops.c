/*
 * wire_ops.c - one request in, one reply out
 */
#include <string.h>
#include <time.h>

#include "wire_in.h"


enum { FROM_NONE, FROM_READ, FROM_WRITE };

static const uint8_t modes[VFS_OP_COUNT] = {
#define OP(n, N, name, mode, lock, req, rep) [VFS_OP_##N] = FROM_##mode,
#include "../../protocol/ops.def"
#undef OP
};

/* --- where an operation is run ------------------------------------------- */

bool
wire_is_control(enum vfs_op op)
{
	return op == VFS_OP_HELLO || op == VFS_OP_PING ||
	    op == VFS_OP_CANCEL || op == VFS_OP_CLOSE ||
	    op == VFS_OP_CREDIT || op == VFS_OP_DETACH ||
	    op == VFS_OP_TX_STATUS || op == VFS_OP_TX_ABORT;
}

/* What ops.def does not tell: its modes say what the core does. */
static const uint8_t classes[VFS_OP_COUNT] = {
#define C(N, c) [VFS_OP_##N] = WIRE_##c + 1
	C(HELLO, INLINE), C(PING, INLINE), C(CANCEL, INLINE),
	C(CREDIT, INLINE), C(STAGE, INLINE),
	C(CLOSE, LANE), C(DETACH, LANE), C(TX_STATUS, LANE),
	C(TX_ABORT, LANE),
	C(ATTACH, QUICK), C(STATUS, QUICK), C(WHY, QUICK), C(WALK, QUICK),
	C(OPEN_ID, QUICK), C(DUP, QUICK), C(LOCK_TEST, QUICK),
	C(JOURNAL_POS, QUICK), C(WAIT, WAIT), C(HASH, WAIT),
	C(GRANT_MAP, QUICK),
	C(GRANT_UNMAP, QUICK), C(JOURNAL_READ, WORK),
#undef C
};

/* Some depend on what is asked. */
static enum wire_class
by_request(enum vfs_op op, const struct proto_hdr *h, const uint8_t *msg)
{
	union proto_req q;
	struct rbuf b;

	if (proto_body(h, msg, &b) < 0 || proto_request_decode(op, &b, &q) < 0)
		return WIRE_QUICK;	/* an error is quick */
	if (op == VFS_OP_READ)
		return q.read.count > WIRE_QUICK_READ ? WIRE_WORK : WIRE_QUICK;
	if (op == VFS_OP_LOCK)
		return (q.lock.flags & VFS_LOCK_WAIT) != 0 ? WIRE_WAIT :
		    WIRE_WORK;
	return (q.open.flags & ~(VFS_OPEN_READ | VFS_OPEN_EXEC)) != 0 ?
	    WIRE_WORK : WIRE_QUICK;
}

enum wire_class
wire_class_of(enum vfs_op op, const struct proto_hdr *h, const uint8_t *msg)
{
	if (classes[op] != 0)
		return (enum wire_class)(classes[op] - 1);
	if ((h->flags & PROTO_EXT) != 0)
		return WIRE_WORK;	/* those of a transaction take turns */
	if (op == VFS_OP_READ || op == VFS_OP_LOCK || op == VFS_OP_OPEN)
		return by_request(op, h, msg);
	return modes[op] == FROM_READ ? WIRE_QUICK : WIRE_WORK;
}

/* --- room for what an operation fills in ---------------------------------- */

/* Behind the reply's fixed part, so that its bytes need not be moved; as
 * long as the peer takes. */
static struct vfs_buf
in_reply(struct wire_call *k, size_t max)
{
	size_t at = PROTO_HDR + proto_form_fixed(proto_ops[k->q->op].rep);
	size_t cap = (k->sc.room - at) & ~(size_t)7;

	if (k->sc.room < at)
		cap = 0;
	return (struct vfs_buf){ k->k->msg + at, cap < max ? cap : max, 0 };
}

static struct vfs_buf
lend_room(struct wire_call *k)
{
	struct vfs_buf b = in_reply(k, VFS_IO_MAX);

	if (k->k->lent++ > 0)
		b.p = k->k->room;
	return b;
}

static struct vfs_sink
lend_list(struct wire_call *k)
{
	struct vfs_buf b = in_reply(k, WIRE_LIST_MAX);

	k->k->entries = (struct proto_list){ .p = b.p, .cap = b.cap,
		.dirs = k->q->op == VFS_OP_PATHS_OF };
	return proto_list_sink(&k->k->entries);
}

#define REQ(...)
#define REP(...)	__VA_ARGS__
#define ID(f)
#define U32(f)
#define U64(f)
#define TIME(f)
#define ATTR(f)
#define NAME(f)
#define BYTES(f)
#define BUF(f)		r->f = lend_room(k);
#define SINK(f)		r->f = lend_list(k);
#define OP(n, N, name, mode, lock, req, rep) \
	static void \
	lend_##name(struct wire_call *k, void *p) \
	{ \
		struct vfs_##name##_reply *r = p; \
		(void)k, (void)r; \
		rep \
	}
#include "../../protocol/ops.def"
#undef OP

static void (*const lend[VFS_OP_COUNT])(struct wire_call *, void *) = {
#define OP(n, N, name, mode, lock, req, rep) [VFS_OP_##N] = lend_##name,
#include "../../protocol/ops.def"
#undef OP
};

static void
lend_all(struct wire_call *k, union proto_rep *r)
{
	k->k->lent = 0;
	memset(r, 0, sizeof *r);
	lend[k->q->op](k, r);
}

/* What a peer asks for at most, but room for one entry. */
static void
cut_list(struct wire_call *k, uint32_t max)
{
	if (max < PROTO_MSG_MIN)
		max = PROTO_MSG_MIN;
	if (k->k->entries.cap > max)
		k->k->entries.cap = max;
}

/* --- one request ------------------------------------------------------------ */

int
wire_asked(void *req)
{
	struct wire_req *q = req;

	if (q->stop != 0)
		return -VFS_CANCELLED;
	return q->deadline_ms != 0 && clock_ms() >= q->deadline_ms ?
	    -VFS_DEADLINE : 0;
}

static void
call_init(struct wire_call *k, struct wire_work *w, struct wire_req *q)
{
	struct timespec ts;

	clock_gettime(CLOCK_REALTIME, &ts);
	*k = (struct wire_call){ .k = w, .w = w->w, .q = q };
	k->env = (struct req_env){
		.now = { ts.tv_sec, (uint32_t)ts.tv_nsec },
		.pid = q->c->pid, .trace_id = ++w->w->trace,
	};
	k->sc = (struct session_call){ .s = q->s, .env = &k->env,
		.room = q->c->max_msg, .stop = wire_asked, .stop_arg = q };
	k->sc.e.trace_id = k->env.trace_id;
	k->copies.g = &q->c->grants;
}

static int
decode(struct wire_call *k, union proto_req *r, struct proto_ext *ext)
{
	struct proto_far far = { wire_far_get, k };
	struct rbuf b;
	int err;

	if ((err = proto_body_ext(&k->q->h, k->q->msg, &b, ext)) == 0) {
		b.far = &far;
		err = proto_request_decode(k->q->op, &b, r);
	}
	if (err < 0)
		k->sc.e.detail = b.err_at;
	return err;
}

/* The bytes go where the peer said, not into the message. */
static int
read_granted(struct wire_call *k, struct vfs_read *q, union proto_rep *r)
{
	struct grants *g = &k->q->c->grants;
	uint32_t grant = q->grant;
	uint64_t off = q->grant_off;
	int err;

	if (q->count > VFS_IO_MAX)
		return -VFS_TOO_BIG;
	if ((err = grants_room(g, grant, off, q->count)) < 0)
		return err;
	q->grant = 0;
	q->grant_off = 0;
	k->sc.room = VFS_MSG_MAX;
	lend_all(k, r);
	if ((err = session_run(&k->sc, VFS_OP_READ, q, r)) < 0)
		return err;
	err = grants_put(g, grant, off, r->read.data.p, r->read.data.n);
	r->read.data.n = 0;
	return err;
}

static void
journal_was_read(struct wire_call *k, const struct vfs_journal_read *q,
    const struct vfs_journal_read_reply *r, int err)
{
	if (err == 0)
		wire_watch_read(k, q, r);
	if (err == -VFS_CURSOR_EXPIRED)
		k->sc.e.detail = r->oldest;
}

static int
run(struct wire_call *k, union proto_rep *r)
{
	wire_own_fn *own = wire_own(k->q->op);
	struct proto_ext ext;
	union proto_req q;
	int err;

	if ((err = wire_asked(k->q)) < 0)
		return err;
	if ((err = decode(k, &q, &ext)) < 0)
		return err;
	k->sc.tx = ext.tx;
	if (own != NULL) {
		lend_all(k, r);
		return ext.tx != 0 ? -VFS_UNSUPPORTED : own(k, &q, r);
	}
	if (k->q->op == VFS_OP_READ && q.read.grant != 0)
		return read_granted(k, &q.read, r);
	lend_all(k, r);
	if (k->q->op == VFS_OP_DIR_READ && q.dir_read.max_bytes != 0)
		cut_list(k, q.dir_read.max_bytes);
	err = session_run(&k->sc, k->q->op, &q, r);
	if (k->q->op == VFS_OP_JOURNAL_READ)
		journal_was_read(k, &q.journal_read, &r->journal_read, err);
	return err;
}

static size_t
failed(struct wire_call *k, struct proto_hdr h, int err)
{
	if (err == -VFS_CANCELLED && k->q->stop == -VFS_SESSION_CLOSED)
		err = -VFS_SESSION_CLOSED;
	if (err == -VFS_DEADLINE)
		k->w->n.late++;
	if (proto_failed_encode(&k->sc.e, err, &h, k->k->msg,
	    VFS_MSG_MAX) < 0)
		return 0;
	return h.len;
}

static struct proto_hdr
reply_hdr(const struct wire_req *q)
{
	return (struct proto_hdr){ .op = q->h.op, .req_id = q->h.req_id,
		.session = q->h.session, .credits = q->spent };
}

size_t
wire_serve(struct wire_work *k, struct wire_req *q)
{
	struct proto_hdr h = reply_hdr(q);
	struct wire_call call;
	union proto_rep r;
	int err;

	call_init(&call, k, q);
	err = run(&call, &r);
	grant_copies_free(&call.copies);
	if (err < 0)
		return failed(&call, h, err);
	h.credits = (uint16_t)(h.credits + q->more_credits);
	err = proto_reply_encode(q->op, &r, &h, k->msg, q->c->max_msg);
	return err < 0 ? failed(&call, reply_hdr(q), err) : h.len;
}

/* --- its answer -------------------------------------------------------------- */

/* What it held is given back first: the peer may use it at once.  Without
 * a request the connection may be another peer's, unless it is held. */
static void
answer(struct wire_work *k, struct wire_req *q, size_t n)
{
	struct wire *w = k->w;
	struct wire_conn *c = q->c;
	bool there;

	pthread_mutex_lock(&w->lock);
	wire_settle(q);
	there = wire_hold(c);
	pthread_mutex_unlock(&w->lock);
	w->n.served++;
	if (there)
		wire_send_held(c, k->msg, n);
	wire_req_free(q);
	if (c->gone || c->eof || c->ending) {	/* it may have been the last */
		w->reap = true;
		wire_poke(w);
	}
}

void
wire_run(struct wire_work *k, struct wire_req *q)
{
	answer(k, q, wire_serve(k, q));
}

static void
stranger(struct wire_call *k, int err)
{
	struct session_who who = k->q->c->who;

	who.trace_id = k->env.trace_id;
	(void)session_refused(k->w->conf.sessions, &who, err);
}

void
wire_refuse(struct wire_work *k, struct wire_req *q, int err, uint64_t detail)
{
	struct wire_call call;

	call_init(&call, k, q);
	call.sc.e.detail = detail;
	if (err == -VFS_ACCESS)		/* it has no session yet */
		stranger(&call, err);
	answer(k, q, failed(&call, reply_hdr(q), err));
}
