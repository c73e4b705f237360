/*
 * wire_own.c - what the connection and the daemon themselves answer
 */
#include <stdio.h>
#include <string.h>

#include "../server/why.h"
#include "wire_in.h"

/* What a peer that nobody knows yet need not be told is 0. */
static void
tell_store(struct wire_call *k, struct vfs_hello_reply *r)
{
	struct engine *e = server_engine(k->w->conf.server);
	struct engine_status *st = k->k->status;
	struct vfs_journal_pos pq = { 0 };
	struct vfs_journal_pos_reply pr;

	engine_status(e, st);
	memcpy(k->k->room, st->uuid, sizeof st->uuid);
	r->uuid = (struct vfs_buf){ k->k->room, sizeof st->uuid,
		sizeof st->uuid };
	r->max_tx_bytes = engine_commit_max(e);
	if (k->q->s == NULL)
		return;
	if (dispatch(k->w->conf.server, VFS_OP_JOURNAL_POS, &k->env, &pq,
	    &pr) == 0)
		r->journal_oldest = pr.oldest;
	r->opens = st->opens;
	r->commit_seq = st->seq.n;
	r->next_id = st->next_id;
}

/* Under w->lock.  Sessions that it attaches later get it from c->who. */
static void
name_client(struct wire_conn *c, struct vfs_slice client)
{
	if (client.n == 0)
		return;
	memcpy(c->client, client.p, client.n);
	c->who.client = (struct vfs_slice){ c->client, client.n };
}

static int
own_hello(struct wire_call *k, const void *qp, void *rp)
{
	static const char who[] = "vfsd " VFSD_VERSION;
	struct wire_conn *c = k->q->c;
	const struct vfs_hello *q = qp;
	struct vfs_hello_reply *r = rp;
	bool first;

	if (q->magic != PROTO_MAGIC || q->version_min > PROTO_VERSION ||
	    q->version_max < PROTO_VERSION)
		return -VFS_VERSION;
	if (q->max_msg < PROTO_MSG_MIN || q->client.n > VFS_CLIENT_MAX)
		return -VFS_INVAL;
	*r = (struct vfs_hello_reply){
		.version = PROTO_VERSION, .max_msg = c->link->max_msg,
		.max_bytes = WIRE_BYTES,
		.max_name = VFS_NAME_MAX, .write_atomic_max = VFS_IO_MAX,
		.max_age_ms = VFS_AGE_MS, .max_tx_open = VFS_TX_OPEN_MAX,
		.tx_idle_ms = VFS_TX_IDLE_MS, .tx_life_ms = VFS_TX_LIFE_MS,
		.max_handles = VFS_HANDLES_MAX, .max_batch = VFS_BATCH_MAX,
		.max_sessions = VFS_SESSIONS_MAX,
		.max_stage = VFS_STAGE_MAX, .max_tx_ops = VFS_TX_OPS_MAX,
		.now = k->env.now,
		.server = { (void *)(uintptr_t)who, sizeof who - 1,
			sizeof who - 1 },
	};
	tell_store(k, r);
	pthread_mutex_lock(&k->w->lock);
	if ((first = !c->hello))
		name_client(c, q->client);
	c->hello = true;
	c->max_msg = q->max_msg < r->max_msg ? q->max_msg : r->max_msg;
	r->credits = c->granted;
	pthread_mutex_unlock(&k->w->lock);
	if (first && k->q->s != NULL)
		session_client(k->q->s, q->client);
	return 0;
}

static int
own_ping(struct wire_call *k, const void *qp, void *rp)
{
	const struct vfs_ping *q = qp;

	(void)k;
	((struct vfs_ping_reply *)rp)->cookie = q->cookie;
	return 0;
}

/* Never less than was granted before. */
static int
own_credit(struct wire_call *k, const void *qp, void *rp)
{
	const struct vfs_credit *q = qp;
	struct vfs_credit_reply *r = rp;
	struct wire_conn *c = k->q->c;
	unsigned room;

	pthread_mutex_lock(&k->w->lock);
	room = VFS_CREDITS - c->granted;
	r->granted = q->want < room ? q->want : room;
	c->granted += r->granted;
	pthread_mutex_unlock(&k->w->lock);
	k->q->more_credits = (uint16_t)r->granted;
	return 0;
}

static struct wire_req *
find_req(struct wire_call *k, uint64_t req_id)
{
	struct wire_req *q;

	TAILQ_FOREACH(q, &k->q->c->reqs, in_conn)
		if (q->ws == k->q->ws && q->job == NULL &&
		    q->h.req_id == req_id)
			return q;
	return NULL;
}

static bool
was_answered(const struct wire_sess *ws, uint64_t req_id)
{
	unsigned i;

	for (i = 0; i < WIRE_DONE_KEPT; i++)
		if (req_id != 0 && ws->done[i] == req_id)
			return true;
	return false;
}

/* The request's own reply goes out before this one's. */
static int
own_cancel(struct wire_call *k, const void *qp, void *rp)
{
	const struct vfs_cancel *q = qp;
	struct vfs_cancel_reply *r = rp;
	struct wire_req *target;

	pthread_mutex_lock(&k->w->lock);
	target = find_req(k, q->req);
	r->state = target != NULL || was_answered(k->q->ws, q->req) ?
	    VFS_CANCEL_TOO_LATE : VFS_CANCEL_UNKNOWN;
	if (target != NULL && !wire_is_control(target->op)) {
		if (wire_unqueue(k->w, target))
			r->state = VFS_CANCEL_DONE;
		else if (target->stop == 0)
			target->stop = -VFS_CANCELLED;
	}
	pthread_mutex_unlock(&k->w->lock);
	if (r->state == VFS_CANCEL_DONE) {
		k->w->n.cancelled++;
		wire_refuse(k->k, target, -VFS_CANCELLED, 0);
	}
	return 0;
}

/* The daemon's own business needs the right to it. */
static int
admin(struct wire_call *k)
{
	int err = session_state(k->q->s);

	return err < 0 ? err : session_allows(&k->sc, VFS_RIGHT_ADMIN);
}

static int
own_status(struct wire_call *k, const void *qp, void *rp)
{
	const struct vfs_status *q = qp;
	struct vfs_status_reply *r = rp;
	struct proto_list l = { .p = r->pairs.p, .cap = r->pairs.cap };
	int err;

	if ((err = admin(k)) < 0)
		return err;
	if (q->flags != 0)
		return -VFS_INVAL;
	wire_status(k->k, &l);
	r->pairs.n = l.n;
	return 0;
}

static int
own_check(struct wire_call *k, const void *q, void *rp)
{
	int err = admin(k);

	return err < 0 ? err : wire_check_ask(&k->w->check, q, rp);
}

static bool
tell_fault(struct proto_list *l, const struct fault_rec *rec)
{
	struct proto_fault f = { .trace_id = rec->trace_id,
		.when = rec->when, .line = (uint32_t)rec->line,
		.err = (uint32_t)-rec->err,
		.file = { rec->file, strlen(rec->file) },
		.text = { rec->text, strlen(rec->text) } };

	return proto_fault_put(l, &f);
}

static bool
tell_error(struct proto_list *l, const struct why_rec *rec)
{
	char text[WHY_TEXT_MAX + 100];
	struct proto_fault f = { .trace_id = rec->trace_id,
		.when = rec->when, .pid = rec->pid, .id = rec->id,
		.op = proto_ops[rec->op].number,
		.err = (uint32_t)-rec->err, .text = { text, 0 } };

	snprintf(text, sizeof text, "%s%s%s", vfs_err_text(rec->err),
	    rec->text[0] != 0 ? ": " : "", rec->text);
	f.text.n = strlen(text);
	return proto_fault_put(l, &f);
}

/* Of a trace, or all if it is 0. */
static void
tell_faults(struct wire_call *k, struct proto_list *l, uint64_t trace_id)
{
	struct fault_rec faults[64];
	size_t i, n;

	n = engine_faults(server_engine(k->w->conf.server), trace_id, faults,
	    64);
	for (i = 0; i < n; i++)
		tell_fault(l, &faults[i]);
}

/* What requests were told, and where that was born if it was a surprise. */
static int
own_why(struct wire_call *k, const void *qp, void *rp)
{
	struct why_rec recs[WHY_FOUND_MAX];
	const struct vfs_why *q = qp;
	struct vfs_why_reply *r = rp;
	struct proto_list l = { .p = r->faults.p, .cap = r->faults.cap };
	size_t i, n;
	int err;

	if ((err = admin(k)) < 0)
		return err;
	n = why_find(server_why(k->w->conf.server), q->trace_id, q->pid,
	    recs);
	for (i = 0; i < n; i++) {
		tell_error(&l, &recs[i]);
		if (q->pid != 0 && recs[i].trace_id != 0 && (i == 0 ||
		    recs[i].trace_id != recs[i - 1].trace_id))
			tell_faults(k, &l, recs[i].trace_id);
	}
	if (q->pid == 0)
		tell_faults(k, &l, q->trace_id);
	r->faults.n = l.n;
	return l.count == 0 && (q->trace_id != 0 || q->pid != 0) ?
	    -VFS_NOENT : 0;
}

static int
own_grant_map(struct wire_call *k, const void *q, void *r)
{
	return grants_map(&k->q->c->grants, k->q->fd, q, r);
}

static int
own_grant_unmap(struct wire_call *k, const void *q, void *r)
{
	(void)r;
	return grants_unmap(&k->q->c->grants, q);
}

static wire_own_fn *const own[VFS_OP_COUNT] = {
	[VFS_OP_HELLO] = own_hello,
	[VFS_OP_ATTACH] = wire_own_attach,
	[VFS_OP_DETACH] = wire_own_detach,
	[VFS_OP_PING] = own_ping,
	[VFS_OP_CANCEL] = own_cancel,
	[VFS_OP_STAGE] = wire_own_stage,
	[VFS_OP_CREDIT] = own_credit,
	[VFS_OP_GRANT_MAP] = own_grant_map,
	[VFS_OP_GRANT_UNMAP] = own_grant_unmap,
	[VFS_OP_WATCH] = wire_own_watch,
	[VFS_OP_UNWATCH] = wire_own_unwatch,
	[VFS_OP_STATUS] = own_status,
	[VFS_OP_CHECK] = own_check,
	[VFS_OP_WHY] = own_why,
};

wire_own_fn *
wire_own(enum vfs_op op)
{
	return own[op];
}
