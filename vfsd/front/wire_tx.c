#include <stdlib.h>
#include <string.h>

#include "../../protocol/records.h"
#include "wire_tx.h"

/* --- results ------------------------------------------------------------- */

/* As many as the reply has room for; the count tells of all. */
static int
verdict_new(const struct vfs_buf *room, struct tx_verdict *v)
{
	*v = (struct tx_verdict){ .cap = room->cap / PROTO_BRIEF };
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

static void
explain(const struct tx_verdict *v, int err, struct proto_error *e)
{
	if (err == 0)
		return;
	e->op_index = v->op_index;
	e->detail = err == -VFS_PRECOND ? v->detail : v->object.n;
}

/* --- one for each operation ---------------------------------------------- */

static int
serve_exec(const struct wire_tx *x, const void *q, void *rp,
    struct proto_error *e)
{
	struct vfs_tx_exec_reply *r = rp;
	struct tx_verdict v;
	int err;

	if ((err = verdict_new(&r->results, &v)) < 0)
		return err;
	err = tx_exec(x->server, x->env, q, x->gate, &v);
	explain(&v, err, e);
	r->seq = v.seq.n;
	r->repeated = v.repeated;
	r->nresults = results_end(&v, &r->results);
	return err;
}

static int
serve_begin(const struct wire_tx *x, const void *q, void *r,
    struct proto_error *e)
{
	(void)e;
	return tx_begin(x->server, x->env, x->owner, q, r);
}

static int
serve_add(const struct wire_tx *x, const void *q, void *rp,
    struct proto_error *e)
{
	struct vfs_tx_add_reply *r = rp;
	struct tx_verdict v;
	int err;

	if ((err = verdict_new(&r->results, &v)) < 0)
		return err;
	err = tx_add(x->server, x->env, x->owner, q, x->gate, &r->first, &v);
	explain(&v, err, e);
	r->nresults = results_end(&v, &r->results);
	return err;
}

static int
serve_commit(const struct wire_tx *x, const void *q, void *rp,
    struct proto_error *e)
{
	struct vfs_tx_commit_reply *r = rp;
	struct tx_verdict v;
	int err;

	if ((err = verdict_new(&r->results, &v)) < 0)
		return err;
	err = tx_commit(x->server, x->env, x->owner, q, &v);
	explain(&v, err, e);
	r->seq = v.seq.n;
	r->repeated = v.repeated;
	r->nresults = results_end(&v, &r->results);
	return err;
}

static int
serve_abort(const struct wire_tx *x, const void *qp, void *r,
    struct proto_error *e)
{
	const struct vfs_tx_abort *q = qp;

	(void)r, (void)e;
	return tx_abort(x->server, (struct tx_ref){ q->tx, x->owner });
}

static int
serve_status(const struct wire_tx *x, const void *q, void *rp,
    struct proto_error *e)
{
	struct vfs_tx_status_reply *r = rp;
	struct tx_verdict v;
	int err;

	(void)e;
	if ((err = verdict_new(&r->results, &v)) < 0)
		return err;
	if ((err = tx_status(x->server, q, &v)) == 0) {
		r->state = v.state;
		r->error = (uint32_t)-v.err;
		r->op_index = v.op_index;
		r->seq = v.seq.n;
		r->object = v.object;
		if (v.name_n <= r->name.cap) {
			memcpy(r->name.p, v.name, v.name_n);
			r->name.n = v.name_n;
		}
	}
	r->nresults = results_end(&v, &r->results);
	return err;
}

static int
serve_savepoint(const struct wire_tx *x, const void *qp, void *rp,
    struct proto_error *e)
{
	const struct vfs_tx_savepoint *q = qp;
	struct vfs_tx_savepoint_reply *r = rp;

	(void)e;
	return tx_savepoint(x->server, (struct tx_ref){ q->tx, x->owner },
	    &r->savepoint);
}

static int
serve_rollback_to(const struct wire_tx *x, const void *qp, void *r,
    struct proto_error *e)
{
	const struct vfs_tx_rollback_to *q = qp;

	(void)r, (void)e;
	return tx_rollback_to(x->server, (struct tx_ref){ q->tx, x->owner },
	    q->savepoint);
}

int
wire_tx_serve(const struct wire_tx *x, enum vfs_op op, const void *q,
    void *r, struct proto_error *e)
{
	static int (*const serve[VFS_OP_COUNT])(const struct wire_tx *,
	    const void *, void *, struct proto_error *) = {
		[VFS_OP_TX_EXEC] = serve_exec,
		[VFS_OP_TX_BEGIN] = serve_begin,
		[VFS_OP_TX_ADD] = serve_add,
		[VFS_OP_TX_COMMIT] = serve_commit,
		[VFS_OP_TX_ABORT] = serve_abort,
		[VFS_OP_TX_STATUS] = serve_status,
		[VFS_OP_TX_SAVEPOINT] = serve_savepoint,
		[VFS_OP_TX_ROLLBACK_TO] = serve_rollback_to,
	};

	return serve[op] != NULL ? serve[op](x, q, r, e) : -VFS_UNKNOWN_OP;
}
