/*
 * session_tx.c - transactions as messages
 *
 * A confined session's names of commits are its root's own: nobody learns
 * by TX_STATUS what others did elsewhere, or takes their names away.
 */
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#define XXH_INLINE_ALL
#include <xxhash.h>

#include "../../protocol/codec.h"
#include "../../protocol/records.h"
#include "session_in.h"
#include "share.h"

#define REPLY_FIXED	512u		/* of a reply, beyond its results */

/* --- operations that come packed ------------------------------------------ */

static int
gate_op(void *arg, enum vfs_op op, void *q)
{
	return run_resolve(arg, op, q);
}

/* What a precondition asks about has to be visible. */
static int
gate_pre(void *arg, struct vfs_tx_pre *pre)
{
	static const enum vfs_op like[] = {
		[VFS_PRE_ID_VERSION] = VFS_OP_STAT,
		[VFS_PRE_NAME_IS] = VFS_OP_LOOKUP,
		[VFS_PRE_NAME_ABSENT] = VFS_OP_LOOKUP,
		[VFS_PRE_HASH_IS] = VFS_OP_HASH,
		[VFS_PRE_DIR_VERSION] = VFS_OP_STAT,
		[VFS_PRE_JOURNAL_AT_MOST] = VFS_OP_JOURNAL_READ,
	};
	struct run *r = arg;
	struct vfs_id id2 = pre->id2;
	struct field f;
	int err;

	if (pre->kind == VFS_PRE_JOURNAL_AT_MOST && pre->id.n == 0)
		pre->id = r->s->root;
	if ((err = run_resolve_one(r, like[pre->kind], &pre->id, &f)) < 0)
		return err;
	if ((id2.n & VFS_HANDLE) != 0 && (err = run_resolve_one(r,
	    VFS_OP_DUP, &pre->id2, &f)) < 0)
		return err;
	return 0;
}

static struct tx_gate
gate_of(struct run *r)
{
	return (struct tx_gate){ gate_op, gate_pre, r };
}

/* The name under which a session's commit is kept. */
static void
own_name(const struct run *r, struct vfs_slice *tx_id,
    uint8_t buf[VFS_TX_ID_BYTES])
{
	static const uint8_t zero[VFS_TX_ID_BYTES];
	XXH128_hash_t h;

	if (r->s->root.n == VFS_ID_ROOT || tx_id->n != VFS_TX_ID_BYTES ||
	    memcmp(tx_id->p, zero, VFS_TX_ID_BYTES) == 0)
		return;
	h = XXH3_128bits_withSeed(tx_id->p, tx_id->n, r->s->root.n);
	memcpy(buf, &h, VFS_TX_ID_BYTES);
	tx_id->p = buf;
}

/* --- results ------------------------------------------------------------- */

/* As many as the reply has room for; the count tells of all. */
static int
verdict_new(const struct run *r, const struct vfs_buf *room,
    struct tx_verdict *v)
{
	size_t fits = r->k->room > REPLY_FIXED ? r->k->room - REPLY_FIXED : 0;

	if (fits > room->cap)
		fits = room->cap;
	*v = (struct tx_verdict){ .cap = fits / PROTO_BRIEF };
	v->results = malloc((v->cap + 1) * sizeof *v->results);
	return v->results == NULL ? -VFS_NOMEM : 0;
}

static uint32_t
results_end(struct tx_verdict *v, struct vfs_buf *out)
{
	size_t n = v->nresults < v->cap ? v->nresults : v->cap, i;
	struct wbuf w;

	out->n = n * PROTO_BRIEF;
	wbuf_init(&w, out->p, out->n, 0, out->n);
	for (i = 0; i < n; i++)
		proto_brief_encode(&v->results[i], &w);
	free(v->results);
	return (uint32_t)v->nresults;
}

/* Which object and what of it, for who looks into it afterwards. */
static void
object_text(const struct tx_verdict *v, char *buf, size_t cap)
{
	unsigned long long id = v->object.n;

	if (v->again != VFS_OP_NONE)
		snprintf(buf, cap, "operation %" PRIu32 ", %s, now %s%s",
		    v->op_index, proto_ops[v->again].name,
		    v->cause < 0 ? "fails: " : "makes another object",
		    v->cause < 0 ? vfs_err_text(v->cause) : "");
	else if (v->name_n > 0)
		snprintf(buf, cap, "directory %llu: name \"%.*s\"", id,
		    (int)v->name_n, v->name);
	else if (id != 0)
		snprintf(buf, cap, "object %llu: %s", id,
		    v->about != NULL ? v->about : "version");
}

static void
verdict_note(struct run *r, const struct tx_verdict *v, int err)
{
	char text[WHY_TEXT_MAX] = "";
	size_t n = 0;

	if (err == -VFS_PRECOND)
		n = (size_t)snprintf(text, sizeof text,
		    "precondition %" PRIu32 ": ", v->op_index);
	if (err == -VFS_PRECOND || err == -VFS_CONFLICT)
		object_text(v, text + n, sizeof text - n);
	run_note(r, (struct why_what){ .op = r->op, .err = err,
	    .id = v->object.n, .text = text });
}

static int
explain(struct run *r, const struct tx_verdict *v, int err)
{
	if (err == 0)
		return 0;
	verdict_note(r, v, err);
	r->k->e.op_index = v->op_index;
	r->k->e.detail = err == -VFS_PRECOND ? v->detail : v->object.n;
	return err;
}

/* --- one for each operation ---------------------------------------------- */

static int
do_exec(struct run *r, void *qp, void *rp)
{
	struct vfs_tx_exec_reply *rep = rp;
	struct tx_gate gate = gate_of(r);
	uint8_t name[VFS_TX_ID_BYTES];
	struct vfs_tx_exec *q = qp;
	struct tx_verdict v;
	int err;

	own_name(r, &q->tx_id, name);
	if ((err = verdict_new(r, &rep->results, &v)) < 0)
		return err;
	err = tx_exec(r->server, &r->env, q, &gate, &v);
	rep->seq = v.seq.n;
	rep->repeated = v.repeated;
	rep->nresults = results_end(&v, &rep->results);
	return explain(r, &v, err);
}

static int
do_begin(struct run *r, void *q, void *rep)
{
	struct session *s = r->s;
	unsigned all = share_of(VFS_TX_OPEN_MAX, session_is_own(s));
	uint32_t max = s->limits.tx_open;
	int err;

	if (max >= VFS_TX_OPEN_MAX)	/* as many as there may be at all */
		return tx_begin(r->server, all, s->number, q, rep);
	pthread_mutex_lock(&s->begin);
	err = tx_open(r->server, s->number) >= max ? -VFS_QUOTA :
	    tx_begin(r->server, all, s->number, q, rep);
	pthread_mutex_unlock(&s->begin);
	return err;
}

static int
do_add(struct run *r, void *q, void *rp)
{
	struct vfs_tx_add_reply *rep = rp;
	struct tx_gate gate = gate_of(r);
	struct tx_verdict v;
	int err;

	if ((err = verdict_new(r, &rep->results, &v)) < 0)
		return err;
	err = tx_add(r->server, &r->env, r->s->number, q, &gate, &rep->first,
	    &v);
	rep->nresults = results_end(&v, &rep->results);
	return explain(r, &v, err);
}

static int
do_commit(struct run *r, void *qp, void *rp)
{
	struct vfs_tx_commit_reply *rep = rp;
	uint8_t name[VFS_TX_ID_BYTES];
	struct vfs_tx_commit *q = qp;
	struct tx_verdict v;
	int err;

	own_name(r, &q->tx_id, name);
	if ((err = verdict_new(r, &rep->results, &v)) < 0)
		return err;
	err = tx_commit(r->server, &r->env, r->s->number, q, &v);
	rep->seq = v.seq.n;
	rep->repeated = v.repeated;
	rep->nresults = results_end(&v, &rep->results);
	return explain(r, &v, err);
}

static int
do_abort(struct run *r, void *qp, void *rep)
{
	const struct vfs_tx_abort *q = qp;

	(void)rep;
	return tx_abort(r->server, (struct tx_ref){ q->tx, r->s->number });
}

static int
do_status(struct run *r, void *qp, void *rp)
{
	struct vfs_tx_status_reply *rep = rp;
	uint8_t name[VFS_TX_ID_BYTES];
	struct vfs_tx_status *q = qp;
	struct tx_verdict v;
	int err;

	own_name(r, &q->tx_id, name);
	if ((err = verdict_new(r, &rep->results, &v)) < 0)
		return err;
	if ((err = tx_status(r->server, q, &v)) == 0) {
		rep->state = v.state;
		rep->error = (uint32_t)-v.err;
		rep->op_index = v.op_index;
		rep->seq = v.seq.n;
		rep->object = v.object;
		rep->name.n = 0;
		if (v.name_n <= rep->name.cap) {
			memcpy(rep->name.p, v.name, v.name_n);
			rep->name.n = v.name_n;
		}
	}
	rep->nresults = results_end(&v, &rep->results);
	return err;
}

static int
do_savepoint(struct run *r, void *qp, void *rp)
{
	const struct vfs_tx_savepoint *q = qp;
	struct vfs_tx_savepoint_reply *rep = rp;

	return tx_savepoint(r->server, (struct tx_ref){ q->tx,
	    r->s->number }, &rep->savepoint);
}

static int
do_rollback_to(struct run *r, void *qp, void *rep)
{
	const struct vfs_tx_rollback_to *q = qp;

	(void)rep;
	return tx_rollback_to(r->server, (struct tx_ref){ q->tx,
	    r->s->number }, q->savepoint);
}

int
session_tx(struct run *r, void *q, void *rep)
{
	static session_fn *const fns[VFS_OP_COUNT] = {
		[VFS_OP_TX_EXEC] = do_exec,
		[VFS_OP_TX_BEGIN] = do_begin,
		[VFS_OP_TX_ADD] = do_add,
		[VFS_OP_TX_COMMIT] = do_commit,
		[VFS_OP_TX_ABORT] = do_abort,
		[VFS_OP_TX_STATUS] = do_status,
		[VFS_OP_TX_SAVEPOINT] = do_savepoint,
		[VFS_OP_TX_ROLLBACK_TO] = do_rollback_to,
	};

	return fns[r->op](r, q, rep);
}
