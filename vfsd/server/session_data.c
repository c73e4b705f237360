/*
 * session_data.c - TRUNCATE, SYNC, ACCESS, HASH, WAIT: what the core
 * answers in several steps, or another operation of it does
 */
#include <string.h>
#include <time.h>

#include "../engine/engine.h"
#include "hash_file.h"
#include "session_in.h"

int
session_truncate(struct run *r, void *qp, void *rp)
{
	struct vfs_truncate *q = qp;
	struct vfs_truncate_reply *rep = rp;
	struct vfs_setattr set = { .valid = VFS_SET_SIZE, .size = q->size };
	struct vfs_setattr_reply sr;
	int err;

	if ((err = run_resolve(r, VFS_OP_TRUNCATE, q)) < 0)
		return err;
	run_opened(r, VFS_OP_TRUNCATE, q);
	set.id = q->id;
	if ((err = run_core(r, VFS_OP_SETATTR, &set, &sr)) < 0)
		return err;
	rep->attr = sr.attr;
	run_mask(r, r->f[0].rights, &rep->attr);
	return 0;
}

/* What is not seen is not published either. */
int
session_sync(struct run *r, void *qp, void *rep)
{
	struct vfs_sync *q = qp;
	struct vfs_stat_reply st;
	struct vfs_stat at;
	int err;

	if ((err = run_resolve(r, VFS_OP_SYNC, q)) < 0)
		return err;
	at.id = q->id;
	if (at.id.n != 0 && (err = run_core(r, VFS_OP_STAT, &at, &st)) < 0)
		return err;
	return run_core(r, VFS_OP_SYNC, q, rep);
}

/* --- ACCESS ---------------------------------------------------------------- */

/* What rights allow, as modes say it. */
static uint32_t
as_modes(uint32_t rights, bool dir)
{
	uint32_t w = dir ? VFS_RIGHT_CREATE | VFS_RIGHT_DELETE |
	    VFS_RIGHT_RENAME | VFS_RIGHT_LINK :
	    VFS_RIGHT_WRITE | VFS_RIGHT_APPEND;
	uint32_t x = dir ? VFS_RIGHT_TRAVERSE : VFS_RIGHT_EXEC;
	uint32_t rd = dir ? VFS_RIGHT_ENUMERATE : VFS_RIGHT_READ;

	return (rights & rd ? VFS_MAY_READ : 0) |
	    (rights & w ? VFS_MAY_WRITE : 0) |
	    (rights & x ? VFS_MAY_EXEC : 0);
}

int
session_access(struct run *r, void *qp, void *rp)
{
	struct vfs_access_reply *rep = rp;
	struct vfs_access *q = qp;
	struct vfs_stat_reply st;
	struct vfs_stat at;
	int err;

	if ((err = run_plain(r, VFS_OP_ACCESS, q, rep)) < 0)
		return err;
	at.id = q->id;
	if ((err = run_core(r, VFS_OP_STAT, &at, &st)) < 0)
		return err;
	rep->granted &= as_modes(r->f[0].rights,
	    VFS_MODE_TYPE(st.attr.mode) == VFS_DIR);
	return 0;
}

/* --- HASH ------------------------------------------------------------------ */

static int
hash_run(void *arg, enum vfs_op op, const void *q, void *rep)
{
	return run_core(arg, op, q, rep);
}

int
session_hash(struct run *r, void *qp, void *rp)
{
	struct vfs_hash_reply *rep = rp;
	struct vfs_hash *q = qp;
	struct hash_source src = { .server = r->server,
		.publishes = r->k->tx == 0, .run = hash_run, .arg = r,
		.stop = r->env.stop, .stop_arg = r->env.stop_arg };
	struct hash_result h;
	int err;

	if ((err = run_resolve(r, VFS_OP_HASH, q)) < 0)
		return err;
	if (q->flags != 0)
		return -VFS_INVAL;
	run_opened(r, VFS_OP_HASH, q);
	if ((err = hash_file(&src, q->id, q->alg, &h)) < 0)
		return err;
	if (rep->hash.cap < h.n)
		return -VFS_RANGE;
	memcpy(rep->hash.p, h.hash, h.n);
	rep->hash.n = h.n;
	rep->data_version = h.data_version;
	rep->size = h.size;
	rep->alg = q->alg;
	return 0;
}

/* --- WAIT ------------------------------------------------------------------ */

#define STEP_NS_MIN	200000
#define STEP_NS_MAX	10000000

/* Until seq is visible. */
static int
wait_visible(struct run *r, uint64_t seq, struct engine_status *st)
{
	struct timespec step = { 0, STEP_NS_MIN };
	uint64_t left = VFS_WAIT_MS_MAX * 1000000ull;
	int err;

	for (;;) {
		engine_status(server_engine(r->server), st);
		if (st->seq.n >= seq)
			return 0;
		if ((err = r->env.stop(r->env.stop_arg)) < 0)
			return err;
		if (left < (uint64_t)step.tv_nsec)
			return -VFS_DEADLINE;
		nanosleep(&step, NULL);
		left -= (uint64_t)step.tv_nsec;
		if (step.tv_nsec < STEP_NS_MAX)
			step.tv_nsec *= 2;
	}
}

int
session_wait(struct run *r, void *qp, void *rp)
{
	const struct vfs_wait *q = qp;
	struct vfs_wait_reply *rep = rp;
	struct engine_status st;
	int err;

	if (q->level > VFS_WAIT_STABLE || q->flags != 0)
		return -VFS_INVAL;
	if ((err = wait_visible(r, q->seq, &st)) < 0)
		return err;
	rep->seq = st.seq.n;
	if (q->level == VFS_WAIT_VISIBLE)
		return 0;
	if (st.seq_durable.n < q->seq &&
	    (err = engine_sync(server_engine(r->server))) < 0)
		return err;
	engine_status(server_engine(r->server), &st);
	rep->seq = st.seq_durable.n;
	return 0;
}
