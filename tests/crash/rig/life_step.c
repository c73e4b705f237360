#include <limits.h>
#include <stdlib.h>
#include <string.h>

#include "life_in.h"

static bool
reader_check(struct life *l)
{
	struct walk w;
	int err;

	if (!l->reader)
		return true;
	if ((err = walk_txn(l->reader, true, &w)) < 0 || w.bad[0])
		return life_fail(l, "a long reader: %s, %s",
		    vfs_err_text(err), w.bad);
	if (w.full != l->reader_full)
		return life_fail(l, "a long reader sees other rows than at "
		    "its begin");
	return true;
}

static bool
reader_toggle(struct life *l)
{
	struct walk w;
	int err;

	if (l->reader) {
		life_reader_end(l);
		return true;
	}
	if ((err = txn_begin(l->e, TXN_READ, &walk_env, &l->reader)) < 0 ||
	    (err = walk_txn(l->reader, true, &w)) < 0)
		return life_fail(l, "a reader: %s", vfs_err_text(err));
	l->reader_full = w.full;
	return true;
}

/* Which drafts did the operation publish?  Those that are gone. */
static bool
observe(struct life *l, const struct step *st)
{
	struct row_key k;
	struct vfs_slice val;
	struct txn *t;
	int i, err;

	if ((err = txn_begin(l->e, TXN_READ, &walk_env, &t)) < 0)
		return life_fail(l, "begin: %s", vfs_err_text(err));
	for (i = 0; i < l->m.nobj; i++) {
		struct mobj *o = &l->m.obj[i];

		if (!o->draft)
			continue;
		row_key_id(&k, ROW_DRAFT, o->id);
		err = txn_get(t, row_key_slice(&k), &val);
		if (err == -VFS_NOENT)
			model_publish(o);
		else if (step_publishes(st) == o->id && l->appends > 0)
			life_fail(l, "%s did not publish the draft", st->text);
	}
	txn_abort(t);
	return !l->why[0];
}

static bool
surprising(const struct life *l, int err)
{
	if (err == -VFS_NOSPC && l->live->room > 0)
		return false;
	switch (-err) {
	case VFS_IO: case VFS_CORRUPT: case VFS_NOMEM: case VFS_ROFS:
	case VFS_NOSPC: case VFS_AGAIN: case VFS_BUSY: case VFS_GONE:
	case VFS_NO_SUCH_ID: case VFS_UNKNOWN_OP: case VFS_CONFLICT:
	case VFS_EXPIRED: case VFS_TX_UNKNOWN: case VFS_ABORTED:
		return true;
	default:
		return false;
	}
}

static bool
makes_durable(const struct life *l, const struct step *st)
{
	return st->act == ACT_CHECKPOINT ||
	    (st->act == ACT_TX && (st->tx->stable || l->sync_all)) ||
	    (st->act == ACT_OP && (st->op == VFS_OP_SYNC ||
	    (l->sync_all && l->appends > 0 && st->op != VFS_OP_REAP)));
}

static bool
after_error(struct life *l, const struct step *st, int err)
{
	int n = l->n;

	if (surprising(l, err))
		return life_fail(l, "%s: %s", st->text, vfs_err_text(err));
	moment_look(l);
	if (l->n != n)
		return life_fail(l, "%s failed (%s) and changed rows",
		    st->text, vfs_err_text(err));
	return true;
}

/* A commit's number is beyond all that were ever given. */
static bool
seq_check(struct life *l, uint64_t seq)
{
	if (seq != l->seq_last && seq <= l->seq_max)
		return life_fail(l, "sequence number %llu again (%llu was)",
		    (unsigned long long)seq, (unsigned long long)l->seq_max);
	l->seq_last = seq;
	if (seq > l->seq_max)
		l->seq_max = seq;
	return true;
}

/* An operation is one commit, except that a write may also publish a draft
 * that many writes have made large. */
static unsigned
commits_max(const struct life *l, const struct step *st)
{
	if (st->act == ACT_TX && !l->sync_all)
		return 1 + st->tx->gone;
	if (st->act != ACT_OP || l->sync_all ||
	    (st->op == VFS_OP_SYNC && st->q.sync.id.n == 0))
		return UINT_MAX;
	return st->op == VFS_OP_WRITE ? 2 : 1;
}

static bool
after_success(struct life *l, const struct step *st)
{
	struct engine_status es;
	char text[200];

	step_apply(l, st);
	if (!observe(l, st))
		return false;
	if (l->appends > commits_max(l, st))
		return life_fail(l, "%s took %u commits", st->text, l->appends);
	moment_look(l);
	if (model_check(&l->m, l->e, text) < 0)
		return life_fail(l, "after %s: %s", st->text, text);
	moment_model(l);
	l->acked = l->n;
	if (makes_durable(l, st))
		moments_promised(l);
	engine_status(l->e, &es);
	return seq_check(l, es.seq.n);
}

/* Run one and compare; nothing is judged. */
bool
life_run(struct life *l, struct step *st)
{
	struct req_env env = walk_env;
	int err;

	env.now = life_clock();
	l->appends = 0;
	l->last = *st;
	l->last_from = l->n;
	step_tx_begun(l, st);
	err = step_run(l->s, st, &env);
	if (l->why[0])
		return false;
	if (err < 0)
		step_tx_failed(l, st);
	return err < 0 ? after_error(l, st, err) : after_success(l, st);
}

bool
life_step(struct life *l, struct step *st)
{
	bool ok;

	disk_now_ns += 1000000u * (1 + rng_to(&l->rng, 30));
	switch (st->act) {
	case ACT_READER:
		ok = reader_toggle(l);
		break;
	case ACT_CUT:
		ok = life_power_cut(l);
		break;
	case ACT_KILL:
		ok = life_killed(l);
		break;
	case ACT_CLOSE:
		ok = life_closed(l);
		break;
	default:
		ok = life_run(l, st);
	}
	if (ok)
		ok = reader_check(l);
	if (ok && !l->quiet)
		judge_all(l);
	return ok && !l->why[0];
}
