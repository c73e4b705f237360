/*
 * wire_admit.c - a request arrives
 *
 * All that has to happen in the order of the stream: numbers that grow,
 * credits, which session and what it has staged.  Then it is queued, or
 * run at once if it is the connection's own.
 */
#include <stdlib.h>
#include <unistd.h>

#include "wire_in.h"

#define OP_INTERNAL	0x3f00u		/* numbers from here: never a peer's */
#define OP_PROVIDER	0x0700u		/* kept for providers of content */

/* What a connection may ask though its session 0 is not there (yet). */
static bool
needs_no_session(enum vfs_op op)
{
	return op == VFS_OP_HELLO || op == VFS_OP_PING ||
	    op == VFS_OP_CREDIT || op == VFS_OP_ATTACH;
}

static int
known(const struct proto_hdr *h, enum vfs_op op)
{
	if (h->op > OP_PROVIDER && h->op < OP_PROVIDER + 8)
		return -VFS_UNSUPPORTED;
	return op == VFS_OP_NONE || h->op >= OP_INTERNAL ?
	    -VFS_UNKNOWN_OP : 0;
}

/* Has it a credit, and room for its bytes? */
static bool
has_credit(const struct wire_conn *c, const struct wire_sess *ws,
    const struct wire_req *q)
{
	if (wire_is_control(q->op))
		return c->lane < VFS_CREDITS_CONTROL;
	return c->ordinary < c->granted &&
	    c->bytes + q->h.len <= WIRE_BYTES &&
	    ws->ordinary < ws->limits.credits &&
	    ws->bytes + q->h.len <= ws->limits.bytes;
}

static void
spend(struct wire_conn *c, struct wire_sess *ws, const struct wire_req *q)
{
	if (wire_is_control(q->op)) {
		c->lane++;
		return;
	}
	c->strikes = 0;
	c->ordinary++;
	c->bytes += q->h.len;
	ws->ordinary++;
	ws->bytes += q->h.len;
}

/* 0, or what it is answered with; w->lock is held. */
static int
admit(struct wire_conn *c, struct wire_req *q)
{
	struct wire_sess *ws = q->ws;
	int err;

	/* Also if it is refused: the peer has counted it. */
	q->spent = !wire_is_control(q->op);
	if (ws == NULL)
		return -VFS_SESSION_CLOSED;
	if (q->h.req_id <= ws->last_req) {
		q->early_detail = 8;	/* its place in the header */
		return -VFS_MALFORMED;
	}
	ws->last_req = q->h.req_id;
	if ((err = known(&q->h, q->op)) < 0)
		return err;
	if (ws->s == NULL && !needs_no_session(q->op))
		return ws->none;
	if (!has_credit(c, ws, q)) {
		c->w->n.no_credit++;
		c->strikes++;
		q->spent = c->ordinary < c->granted &&
		    ws->ordinary < ws->limits.credits;
		return -VFS_NO_CREDIT;
	}
	spend(c, ws, q);
	return 0;
}

/* What it keeps of how things are now. */
static void
capture(struct wire_req *q)
{
	struct wire_sess *ws = q->ws;

	if (ws->s != NULL) {
		session_hold(ws->s);
		q->s = ws->s;
	}
	if ((q->stage = ws->stage) != NULL)
		q->stage->refs++;
}

static void
enqueue(struct wire *w, struct wire_req *q)
{
	wire_enqueue(w, q);
	if (w->queued > 1)
		wire_wake(w);
}

/* Links it into its connection; true: it waits in the queue. */
static bool
place(struct wire_conn *c, struct wire_req *q, struct wire_queue *drop)
{
	struct wire *w = c->w;
	bool queued = false;

	pthread_mutex_lock(&w->lock);
	q->ws = wire_sess_find(c, q->h.session);
	q->early = admit(c, q);
	TAILQ_INSERT_TAIL(&c->reqs, q, in_conn);
	if (q->ws != NULL)
		q->ws->reqs++;
	if (q->early == 0) {
		capture(q);
		queued = q->class != WIRE_INLINE;
		if (q->ends)
			wire_sess_detach(q, drop);
	}
	if (queued && !q->ends)
		enqueue(w, q);
	pthread_mutex_unlock(&w->lock);
	return queued;
}

/* Those that were queued are answered before it is. */
static void
place_detach(struct wire_work *k, struct wire_req *q,
    struct wire_queue *drop)
{
	wire_refuse_all(k, drop, -VFS_SESSION_CLOSED);
	pthread_mutex_lock(&k->w->lock);
	enqueue(k->w, q);
	pthread_mutex_unlock(&k->w->lock);
}

/* A DETACH takes the session away as it arrives; one that will be refused
 * must not. */
static bool
ends_session(const struct wire_req *q)
{
	struct vfs_detach d;
	struct rbuf b;

	return q->op == VFS_OP_DETACH &&
	    proto_body(&q->h, q->msg, &b) == 0 &&
	    proto_request_decode(q->op, &b, &d) == 0 && d.flags == 0;
}

static struct wire_req *
req_new(struct wire_conn *c, const struct proto_hdr *h, uint8_t *msg)
{
	struct wire_req *q = calloc(1, sizeof *q);

	if (q == NULL)
		return NULL;
	q->c = c;
	q->h = *h;
	q->msg = msg;
	q->op = proto_op_find(h->op);
	q->ends = ends_session(q);
	q->class = wire_class_of(q->op, h, msg);
	q->since_ms = clock_ms();
	if (h->status != 0)		/* of a request: its deadline */
		q->deadline_ms = q->since_ms + h->status;
	q->fd = q->op == VFS_OP_GRANT_MAP && c->link->ops->take_fd != NULL ?
	    c->link->ops->take_fd(c->link) : -1;
	return q;
}

void
wire_arrive(struct wire_work *k, struct wire_conn *c, uint8_t *msg, size_t n)
{
	struct proto_hdr h;
	struct wire_queue drop = TAILQ_HEAD_INITIALIZER(drop);
	struct wire_req *q;
	bool flood, queued, detach;

	if (proto_hdr_decode(msg, n, c->link->max_msg, &h) < 0 ||
	    h.len != n || h.op >= 0x4000) {
		free(msg);
		k->w->n.bad++;
		wire_farewell(c, -VFS_MALFORMED);
		return;
	}
	if (c->token_first && !c->hello &&
	    h.op != proto_ops[VFS_OP_HELLO].number) {
		free(msg);
		wire_farewell(c, -VFS_ACCESS);
		return;
	}
	if ((q = req_new(c, &h, msg)) == NULL) {
		free(msg);
		wire_farewell(c, -VFS_NOMEM);
		return;
	}
	detach = q->ends;
	queued = place(c, q, &drop);
	if (queued && detach)
		place_detach(k, q, &drop);
	if (queued)
		return;
	if (q->early == 0) {
		wire_run(k, q);
		return;
	}
	flood = q->early == -VFS_NO_CREDIT && c->strikes > WIRE_STRIKES;
	wire_refuse(k, q, q->early, q->early_detail);
	if (flood)
		wire_farewell(c, -VFS_NO_CREDIT);
}
