/* tx.c - interactive transactions */
#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <sys/random.h>

#include "vfs_in.h"

#define PAUSE_MS	2u		/* between attempts, at first */
#define PAUSE_MS_MAX	200u

/* --- names ---------------------------------------------------------------- */

/* Never all zero, which means none. */
int
vfs_tx_name_new(struct vfs *v, struct vfs_tx_name *out)
{
	ssize_t k;

	do
		k = getrandom(out->b, sizeof out->b, 0);
	while (k < 0 && errno == EINTR);
	if (k != (ssize_t)sizeof out->b)
		return lv_fail(v, -VFS_IO);
	out->b[0] |= 1;
	return 0;
}

struct vfs_tx_name
vfs_tx_name(const struct vfs_tx *tx)
{
	struct vfs_tx_name n;

	memcpy(n.b, tx->id, sizeof n.b);
	return n;
}

/* --- begin and abort -------------------------------------------------------- */

int
vfs_tx_begin(struct vfs *v, struct vfs_tx **out)
{
	struct vfs_tx *tx = calloc(1, sizeof *tx);
	struct vfs_tx_begin q = { 0 };
	struct vfs_tx_begin_reply r;
	struct vfs_tx_name name;
	int err;

	if (tx == NULL)
		return lv_fail(v, -VFS_NOMEM);
	if ((err = vfs_tx_name_new(v, &name)) < 0 ||
	    (err = lv_call(v, NULL, VFS_OP_TX_BEGIN, &q, &r)) < 0) {
		free(tx);
		return err;
	}
	*tx = (struct vfs_tx){ .v = v, .n = r.tx, .epoch = v->epoch,
		.max_ops = r.max_ops, .seq = r.seq };
	memcpy(tx->id, name.b, sizeof tx->id);
	*out = tx;
	return 0;
}

void
vfs_tx_abort(struct vfs_tx *tx)
{
	struct vfs_failure why;
	struct vfs_tx_abort q;
	struct vfs *v;

	if (tx == NULL)
		return;
	v = tx->v;
	why = v->failure;
	lv_part_free(tx);
	q.tx = tx->n;
	if (v->lost == 0 && tx->epoch == v->epoch)
		lv_call(v, NULL, VFS_OP_TX_ABORT, &q, NULL);
	v->failure = why;		/* of what made the caller give up */
	free(tx);
}

static int
dead(const struct vfs_tx *tx)
{
	return tx->epoch == tx->v->epoch && tx->v->lost == 0 ? 0 :
	    lv_fail(tx->v, -VFS_ABORTED);
}

int
vfs_tx_savepoint(struct vfs_tx *tx, uint32_t *savepoint)
{
	struct vfs_tx_savepoint q = { tx->n };
	struct vfs_tx_savepoint_reply r;
	int err = dead(tx);

	if (err == 0)
		err = lv_call(tx->v, NULL, VFS_OP_TX_SAVEPOINT, &q, &r);
	if (err == 0)
		*savepoint = r.savepoint;
	return err;
}

int
vfs_tx_rollback(struct vfs_tx *tx, uint32_t savepoint)
{
	struct vfs_tx_rollback_to q = { tx->n, savepoint };
	int err = dead(tx);

	return err < 0 ? err :
	    lv_call(tx->v, NULL, VFS_OP_TX_ROLLBACK_TO, &q, NULL);
}

/* --- what became of it ------------------------------------------------------- */

static int
status(struct vfs *v, const uint8_t id[VFS_TX_ID_BYTES],
    struct vfs_tx_status_reply *r)
{
	struct vfs_tx_status q = { { id, VFS_TX_ID_BYTES } };

	return lv_call(v, NULL, VFS_OP_TX_STATUS, &q, r);
}

int
vfs_tx_status(struct vfs *v, const struct vfs_tx_name *name,
    uint32_t *state, struct vfs_seq *seq)
{
	struct vfs_tx_status_reply r;
	int err = status(v, name->b, &r);

	if (err < 0)
		return err;
	*state = r.state;
	if (r.state == VFS_TX_COMMITTED && r.nresults == 0)
		*state = VFS_TX_ABORTED;	/* see bar, below */
	if (seq != NULL)
		seq->n = r.seq;
	return 0;
}

/* The loser learns the name as well as the object. */
void
lv_tx_explain(struct vfs *v, const uint8_t id[VFS_TX_ID_BYTES])
{
	struct vfs_failure why = v->failure;
	struct vfs_tx_status_reply r;

	if ((why.err != -VFS_CONFLICT && why.err != -VFS_PRECOND) ||
	    v->lost != 0)
		return;
	if (status(v, id, &r) == 0 && r.state == VFS_TX_ABORTED) {
		why.object = r.object;
		if (r.name.n <= VFS_NAME_MAX) {
			memcpy(why.name, r.name.p, r.name.n);
			why.name[r.name.n] = 0;
		}
	}
	v->failure = why;
}

/*
 * An answer was lost, and the daemon may still be about to commit: a
 * transaction of nothing under the same name comes before it, or after
 * it, and whichever is second is refused.  So the answer stays true.
 */
static int
bar(struct vfs *v, const uint8_t id[VFS_TX_ID_BYTES])
{
	struct vfs_tx_exec q = { .tx_id = { id, VFS_TX_ID_BYTES } };

	return lv_call(v, NULL, VFS_OP_TX_EXEC, &q, NULL);
}

/* 0: it was committed, at *seq. */
static int
find_out(struct vfs *v, const uint8_t id[VFS_TX_ID_BYTES],
    struct vfs_seq *seq, struct vfs_buf *results)
{
	struct vfs_tx_status_reply r;
	struct vfs_failure why;
	int err;

	err = status(v, id, &r);
	if (err == 0 && r.state != VFS_TX_COMMITTED) {
		err = bar(v, id);
		if (err == 0)
			return lv_fail(v, -VFS_ABORTED);
		if (err == -VFS_INVAL)	/* it was second */
			err = status(v, id, &r);
	}
	if (err < 0) {
		why = v->failure;
		why.unsure = true;
		v->failure = why;
		return err;
	}
	if (r.state != VFS_TX_COMMITTED)
		return lv_fail(v, -VFS_ABORTED);
	seq->n = r.seq;
	*results = r.results;
	return 0;
}

/* --- commit ---------------------------------------------------------------------- */

static int
commit(struct vfs_tx *tx, uint32_t durability, struct vfs_seq *seq,
    struct vfs_buf *results)
{
	struct vfs *v = tx->v;
	struct vfs_tx_commit q = { tx->n, durability, 0,
		{ tx->id, sizeof tx->id } };
	struct vfs_tx_commit_reply r;
	int err = dead(tx);

	if (err < 0)
		return err;
	err = lv_call(v, NULL, VFS_OP_TX_COMMIT, &q, &r);
	if (err == 0) {
		seq->n = r.seq;
		*results = r.results;
		return 0;
	}
	if (v->failure.unsure && v->where != NULL && !v->conf.once) {
		err = find_out(v, tx->id, seq, results);
		if (err < 0 || durability != VFS_TX_STABLE)
			return err;
		/* Its answer takes the place of the results. */
		err = vfs_sync(v, v->root, false, NULL);
		return err < 0 ? err : find_out(v, tx->id, seq, results);
	}
	lv_tx_explain(v, tx->id);
	return err;
}

int
lv_tx_commit(struct vfs_tx *tx, uint32_t durability, struct vfs_seq *seq,
    struct vfs_buf *results)
{
	int err = commit(tx, durability, seq, results);

	lv_part_free(tx);
	free(tx);
	return err;
}

int
vfs_tx_commit(struct vfs_tx *tx, uint32_t durability, struct vfs_seq *seq)
{
	struct vfs_seq at;
	struct vfs_buf results;
	int err = lv_tx_commit(tx, durability, &at, &results);

	if (err == 0 && seq != NULL)
		*seq = at;
	return err;
}

/* --- until it works ------------------------------------------------------------------ */

static int
run_once(struct vfs *v, uint32_t durability,
    int (*fn)(struct vfs *v, struct vfs_tx *tx, void *arg), void *arg,
    struct vfs_seq *seq)
{
	struct vfs_tx *tx;
	int err;

	if ((err = vfs_tx_begin(v, &tx)) < 0)
		return err;
	if ((err = fn(v, tx, arg)) < 0) {
		vfs_tx_abort(tx);
		return err;
	}
	return vfs_tx_commit(tx, durability, seq);
}

/* Does it make sense to try once more? */
static bool
passes(int err)
{
	return err == -VFS_CONFLICT || err == -VFS_EXPIRED ||
	    err == -VFS_ABORTED;
}

int
vfs_tx_run(struct vfs *v, uint32_t durability,
    int (*fn)(struct vfs *v, struct vfs_tx *tx, void *arg), void *arg,
    struct vfs_seq *seq)
{
	uint32_t pause = PAUSE_MS;
	unsigned tries;
	int err;

	for (tries = 1; ; tries++) {
		err = run_once(v, durability, fn, arg, seq);
		if (err == 0 || !passes(err) || tries == VFS_TX_TRIES)
			return err;
		lv_sleep_ms(v, pause);
		pause = pause < PAUSE_MS_MAX ? 2 * pause : pause;
	}
}
