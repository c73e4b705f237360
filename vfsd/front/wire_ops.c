/*
 * One message in, one reply out.  Operations with a mode go to the
 * dispatcher; the few that speak of the daemon itself are answered here.
 */
#include <string.h>
#include <time.h>

#include "../engine/engine.h"
#include "../why.h"
#include "wire_in.h"
#include "wire_tx.h"

#define OP_INTERNAL	0x3f00u		/* numbers from here: never a peer's */

enum { FROM_NONE, FROM_READ, FROM_WRITE };

static const uint8_t modes[VFS_OP_COUNT] = {
#define OP(n, N, name, mode, lock, req, rep) [VFS_OP_##N] = FROM_##mode,
#include "../../protocol/ops.def"
#undef OP
};

/* --- room for what an operation fills in ---------------------------- */

static struct vfs_buf
lend_room(struct wire *w)
{
	unsigned k = w->lent++ % WIRE_ROOMS;

	return (struct vfs_buf){ w->room + (size_t)k * VFS_IO_MAX,
		VFS_IO_MAX, 0 };
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
#define BUF(f)		r->f = lend_room(w);
#define SINK(f)		r->f = proto_list_sink(&w->entries);
#define OP(n, N, name, mode, lock, req, rep) \
	static void \
	lend_##name(struct wire *w, void *p) \
	{ \
		struct vfs_##name##_reply *r = p; \
		(void)w, (void)r; \
		rep \
	}
#include "../../protocol/ops.def"
#undef OP

static void (*const lend[VFS_OP_COUNT])(struct wire *, void *) = {
#define OP(n, N, name, mode, lock, req, rep) [VFS_OP_##N] = lend_##name,
#include "../../protocol/ops.def"
#undef OP
};

/* --- what the daemon itself answers --------------------------------- */

struct call {
	struct wire *w;
	struct wire_conn *c;
	const struct req_env *env;
	struct proto_error e;
};

typedef int own_fn(struct call *, const void *q, void *r);

static int
own_hello(struct call *k, const void *qp, void *rp)
{
	static const char who[] = "vfsd " VFSD_VERSION;
	const struct vfs_hello *q = qp;
	struct vfs_hello_reply *r = rp;
	struct engine_status *st = k->w->status;

	if (q->magic != PROTO_MAGIC || q->version_min > PROTO_VERSION ||
	    q->version_max < PROTO_VERSION)
		return -VFS_VERSION;
	if (q->max_msg < PROTO_MSG_MIN || q->client.n > 32)
		return -VFS_INVAL;
	k->c->max_msg = q->max_msg < VFS_MSG_MAX ? q->max_msg : VFS_MSG_MAX;
	engine_status(server_engine(k->w->conf.server), st);
	*r = (struct vfs_hello_reply){
		.version = PROTO_VERSION, .max_msg = VFS_MSG_MAX,
		.credits = WIRE_CREDITS, .max_bytes = WIRE_OUT_MAX,
		.max_name = VFS_NAME_MAX, .write_atomic_max = VFS_IO_MAX,
		.max_tx_ops = VFS_TX_OPS_MAX,
		.max_tx_bytes = engine_commit_max(server_engine(
		    k->w->conf.server)),
		.opens = st->opens, .commit_seq = st->seq.n,
		.next_id = st->next_id, .now = k->env->now,
		.uuid = { k->w->room, sizeof st->uuid, sizeof st->uuid },
		.server = { (void *)(uintptr_t)who, sizeof who - 1,
			sizeof who - 1 },
	};
	memcpy(k->w->room, st->uuid, sizeof st->uuid);
	return 0;
}

static int
own_ping(struct call *k, const void *qp, void *rp)
{
	const struct vfs_ping *q = qp;

	(void)k;
	((struct vfs_ping_reply *)rp)->cookie = q->cookie;
	return 0;
}

static int
own_status(struct call *k, const void *qp, void *rp)
{
	const struct vfs_status *q = qp;
	struct vfs_status_reply *r = rp;
	struct proto_list l = { .p = k->w->room, .cap = VFS_IO_MAX };

	if (q->flags != 0)
		return -VFS_INVAL;
	wire_status(k->w, &l);
	r->pairs.n = l.n;
	return 0;
}

static int
own_check(struct call *k, const void *q, void *rp)
{
	return wire_check_ask(&k->w->check, q, rp);
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
	const char *text = vfs_err_text(rec->err);
	struct proto_fault f = { .trace_id = rec->trace_id,
		.when = rec->when, .pid = rec->pid, .id = rec->id,
		.op = proto_ops[rec->op].number,
		.err = (uint32_t)-rec->err, .text = { text, strlen(text) } };

	return proto_fault_put(l, &f);
}

/* What requests were told, and where that was born if it was a surprise. */
static int
own_why(struct call *k, const void *qp, void *rp)
{
	struct server *s = k->w->conf.server;
	struct fault_rec faults[64];
	struct why_rec recs[64];
	const struct vfs_why *q = qp;
	struct vfs_why_reply *r = rp;
	struct proto_list l = { .p = k->w->room, .cap = VFS_IO_MAX };
	size_t i, j, n, m = 0;

	n = why_find(server_why(s), q->trace_id, q->pid, recs, 64);
	for (i = 0; i < n; i++) {
		tell_error(&l, &recs[i]);
		if (q->pid == 0 || recs[i].trace_id == 0)
			continue;
		m = engine_faults(server_engine(s), recs[i].trace_id, faults,
		    64);
		for (j = 0; j < m; j++)
			tell_fault(&l, &faults[j]);
	}
	if (q->pid == 0) {
		m = engine_faults(server_engine(s), q->trace_id, faults, 64);
		for (j = 0; j < m; j++)
			tell_fault(&l, &faults[j]);
	}
	r->faults.n = l.n;
	return l.count == 0 && (q->trace_id != 0 || q->pid != 0) ?
	    -VFS_NOENT : 0;
}

/* The next name of a path; false at its end. */
static bool
next_name(struct vfs_slice *path, struct vfs_slice *name)
{
	const char *slash;

	if (path->n == 0)
		return false;
	slash = memchr(path->p, '/', path->n);
	name->p = path->p;
	name->n = slash != NULL ? (size_t)(slash - (const char *)path->p)
	    : path->n;
	path->p = (const char *)path->p + name->n + (slash != NULL);
	path->n -= name->n + (slash != NULL);
	return true;
}

/* Names one after the other; op_index says where it ended. */
static int
own_walk(struct call *k, const void *qp, void *rp)
{
	const struct vfs_walk *q = qp;
	struct vfs_walk_reply *r = rp;
	struct vfs_stat at = { .id = q->dir };
	struct vfs_stat_reply st;
	struct vfs_lookup lq = { .dir = q->dir };
	struct vfs_lookup_reply lr;
	struct vfs_slice path = q->path;
	int err;

	err = dispatch(k->w->conf.server, VFS_OP_STAT, k->env, &at, &st);
	r->attr = st.attr;
	for (r->walked = 0; err == 0 && next_name(&path, &lq.name);
	    r->walked++) {
		k->e.op_index = r->walked;
		if (r->walked == VFS_WALK_MAX)
			return -VFS_TOO_BIG;
		if ((err = proto_name_check(lq.name)) < 0)
			break;
		err = dispatch(k->w->conf.server, VFS_OP_LOOKUP, k->env, &lq,
		    &lr);
		if (err == 0) {
			r->attr = lr.attr;
			lq.dir = lr.attr.id;
		}
	}
	return err;
}

static own_fn *const own[VFS_OP_COUNT] = {
	[VFS_OP_HELLO] = own_hello,
	[VFS_OP_PING] = own_ping,
	[VFS_OP_STATUS] = own_status,
	[VFS_OP_CHECK] = own_check,
	[VFS_OP_WHY] = own_why,
	[VFS_OP_WALK] = own_walk,
};

/* --- transactions --------------------------------------------------- */

#define OP_TX		0x0500u		/* their numbers */
#define REPLY_FIXED	512u		/* of a reply, beyond its results */

static bool
is_tx(enum vfs_op op)
{
	return (proto_ops[op].number & 0x3f00u) == OP_TX;
}

/* Results are cut to what the peer takes. */
static int
own_tx(struct call *k, enum vfs_op op, const void *q, union proto_rep *r)
{
	struct wire_tx x = { .server = k->w->conf.server, .env = k->env,
		.owner = wire_owner(k->c) };
	size_t room = k->c->max_msg > REPLY_FIXED ?
	    k->c->max_msg - REPLY_FIXED : 0;
	struct vfs_buf *cut[] = { &r->tx_exec.results, &r->tx_add.results,
		&r->tx_commit.results, &r->tx_status.results };
	static const enum vfs_op has[] = { VFS_OP_TX_EXEC, VFS_OP_TX_ADD,
		VFS_OP_TX_COMMIT, VFS_OP_TX_STATUS };
	unsigned i;

	for (i = 0; i < sizeof has / sizeof has[0]; i++)
		if (op == has[i] && cut[i]->cap > room)
			cut[i]->cap = room;
	return wire_tx_serve(&x, op, q, r, &k->e);
}

/* --- one message ---------------------------------------------------- */

static void
peer_env(struct wire *w, const struct wire_conn *c, struct req_env *env)
{
	struct timespec ts;

	clock_gettime(CLOCK_REALTIME, &ts);
	*env = (struct req_env){
		.now = { ts.tv_sec, (uint32_t)ts.tv_nsec },
		.uid = c->uid, .gid = c->gid, .pid = (uint32_t)c->pid,
		.groups = c->groups, .ngroups = c->ngroups,
		.privileged = c->uid == 0, .trace_id = ++w->trace,
	};
}

/*
 * Changes have to wait until the front that mounts can tell the kernel of
 * them (its caches know no timeout); reads and SYNC are for everybody.
 */
static bool
offered(const struct wire *w, enum vfs_op op)
{
	return w->conf.changes ||
	    (modes[op] != FROM_WRITE && !is_tx(op));
}

static int
run(struct call *k, enum vfs_op op, struct rbuf *body, union proto_rep *r)
{
	union proto_req q;
	int err;

	if (!offered(k->w, op))
		return -VFS_UNSUPPORTED;
	if ((err = proto_request_decode(op, body, &q)) < 0) {
		k->e.detail = body->err_at;
		return err;
	}
	k->w->entries = (struct proto_list){ .p = k->w->list,
		.cap = WIRE_LIST_MAX, .dirs = op == VFS_OP_PATHS_OF };
	memset(r, 0, sizeof *r);
	k->w->lent = 0;
	lend[op](k->w, r);
	if (own[op] != NULL)
		return own[op](k, &q, r);
	if (is_tx(op))
		return own_tx(k, op, &q, r);
	return dispatch(k->w->conf.server, op, k->env, &q, r);
}

static size_t
failed(struct call *k, struct proto_hdr h, int err)
{
	if (proto_failed_encode(&k->e, err, &h, k->w->msg, VFS_MSG_MAX) < 0)
		return 0;
	return h.len;
}

size_t
wire_serve(struct wire *w, struct wire_conn *c, const struct proto_hdr *h,
    const uint8_t *msg)
{
	enum vfs_op op = proto_op_find(h->op);
	struct proto_hdr reply = { .op = h->op, .req_id = h->req_id,
		.session = h->session, .credits = 1 };
	struct req_env env;
	struct call k = { .w = w, .c = c, .env = &env };
	union proto_rep r;
	struct rbuf body;
	int err;

	peer_env(w, c, &env);
	k.e.trace_id = env.trace_id;
	if (h->req_id <= c->last_req) {	/* strictly increasing */
		k.e.detail = 8;
		return failed(&k, reply, -VFS_MALFORMED);
	}
	c->last_req = h->req_id;
	if (op == VFS_OP_NONE || h->op >= OP_INTERNAL)
		return failed(&k, reply, -VFS_UNKNOWN_OP);
	if ((err = proto_body(h, msg, &body)) < 0) {
		k.e.detail = body.err_at;
		return failed(&k, reply, err);
	}
	if ((err = run(&k, op, &body, &r)) < 0)
		return failed(&k, reply, err);
	err = proto_reply_encode(op, &r, &reply, w->msg, c->max_msg);
	return err < 0 ? failed(&k, reply, err) : reply.len;
}
