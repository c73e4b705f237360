/*
 * call.c - blocking: one request, and again if need be
 *
 * When the connection is lost, requests that change nothing are asked
 * again on a new one, and so are transactions of one message, which the
 * daemon knows by their tx_id.  What changes something by itself is not:
 * whether it happened is not known, and the caller is told so.
 */
#include <errno.h>
#include <poll.h>
#include <string.h>
#include <time.h>

#include "vfs_in.h"

#define TRIES_MAX	3u
#define HOUR_MS		3600000

uint64_t
lv_random(struct vfs *v)
{
	v->random ^= v->random >> 12;
	v->random ^= v->random << 25;
	v->random ^= v->random >> 27;
	return v->random * 2685821657736338717u;
}

/* From half of it to all. */
void
lv_sleep_ms(struct vfs *v, uint32_t most)
{
	uint64_t ms = most / 2 + lv_random(v) % (most / 2 + 1);
	struct timespec ts = { (time_t)(ms / 1000),
		(long)(ms % 1000) * 1000000 };

	while (nanosleep(&ts, &ts) < 0 && errno == EINTR)
		;
}

/* --- failure --------------------------------------------------------------- */

int
lv_fail(struct vfs *v, int err)
{
	v->failure = (struct vfs_failure){ .err = err,
		.status = (uint32_t)-err };
	return err;
}

static int
fail_call(struct vfs *v, const struct vfs_call *c, int err)
{
	v->failure = (struct vfs_failure){ .err = err,
		.unsure = c->unsure, .status = c->status,
		.op_index = c->op_index, .detail = c->detail,
		.retry_after_ms = c->retry_after_ms,
		.trace_id = c->trace_id };
	if (err == -VFS_CONFLICT)
		v->failure.object.n = c->detail;
	return err;
}

/* --- once -------------------------------------------------------------------- */

/* For something to happen, but not beyond the time until. */
static int
wait(struct vfs *v, uint64_t until)
{
	struct pollfd p = { .fd = v->fd, .events = vfs_events(v) };
	uint64_t now = lv_now_ms(), at = v->expires_ms;
	int ms = -1;

	if (until != 0 && now >= until)
		return -VFS_DEADLINE;
	if (until != 0 && (at == 0 || until < at))
		at = until;
	if (at != 0)
		ms = at <= now ? 0 : at - now < HOUR_MS ? (int)(at - now) :
		    HOUR_MS;
	if (poll(&p, 1, ms) < 0 && errno != EINTR)
		return lv_lose(v, vfs_err_from_os(errno));
	return lv_pump(v);
}

/* Those that are done are somebody else's, and stay. */
static int
submit(struct vfs *v, struct vfs_call *c, uint64_t until)
{
	struct vfs_credit q = { 1 };
	struct vfs_credit_reply r;
	struct vfs_call k = { .op = VFS_OP_CREDIT, .q = &q, .r = &r,
		.prio = 7, .deadline_ms = c->deadline_ms };
	int err;

	while ((err = vfs_submit(v, c)) == -VFS_AGAIN ||
	    err == -VFS_NO_CREDIT) {
		if (err == -VFS_AGAIN) {
			if ((err = wait(v, until)) < 0)
				return err;
			continue;
		}
		if ((err = lv_run_once(v, &k)) < 0)
			return err;
		if (r.granted == 0)
			return -VFS_NO_CREDIT;
		v->credits += r.granted < 65535 ? r.granted : 65535;
	}
	return err;
}

/* When it is over; 0: there is no deadline. */
static uint64_t
set_deadline(struct vfs *v, struct vfs_call *c)
{
	if (c->deadline_ms == 0)
		c->deadline_ms = v->conf.deadline_ms;
	if (c->deadline_ms != VFS_NO_DEADLINE)
		return lv_now_ms() + c->deadline_ms;
	c->deadline_ms = 0;
	return 0;
}

/* It was taken: send it, and wait for its end. */
static int
wait_end(struct vfs *v, struct vfs_call *c)
{
	lv_pump_out(v);
	while (c->state == CALL_WAITS)
		wait(v, 0);
	lv_done_take(v, c);
	return c->err;
}

int
lv_run_once(struct vfs *v, struct vfs_call *c)
{
	uint64_t until = set_deadline(v, c);
	int err;

	c->unsure = false;
	if ((err = submit(v, c, until)) < 0) {
		c->err = err;
		return err;
	}
	return wait_end(v, c);
}

/* --- again --------------------------------------------------------------------- */

/* Asking twice is like asking once. */
static bool
is_harmless(enum vfs_op op, const void *q)
{
	switch (op) {
	case VFS_OP_OPEN:
		return (((const struct vfs_open *)q)->flags &
		    VFS_OPEN_TRUNC) == 0;
	case VFS_OP_TX_EXEC:
		return ((const struct vfs_tx_exec *)q)->tx_id.n > 0;
	case VFS_OP_WALK: case VFS_OP_LOOKUP: case VFS_OP_LOOKUP_BATCH:
	case VFS_OP_PATHS_OF: case VFS_OP_DIR_READ: case VFS_OP_DIR_FENCE:
	case VFS_OP_STAT: case VFS_OP_STAT_BATCH: case VFS_OP_ACCESS:
	case VFS_OP_READLINK: case VFS_OP_STATFS: case VFS_OP_XATTR_GET:
	case VFS_OP_XATTR_LIST: case VFS_OP_OPEN_ID: case VFS_OP_DUP:
	case VFS_OP_READ: case VFS_OP_READ_BATCH: case VFS_OP_SEEK:
	case VFS_OP_SYNC: case VFS_OP_MAP_EXTENTS: case VFS_OP_HASH:
	case VFS_OP_LOCK_TEST: case VFS_OP_WAIT: case VFS_OP_JOURNAL_POS:
	case VFS_OP_JOURNAL_READ: case VFS_OP_SETTLE: case VFS_OP_TX_BEGIN:
	case VFS_OP_TX_STATUS: case VFS_OP_STATUS: case VFS_OP_WHY:
	case VFS_OP_PING: case VFS_OP_SESSIONS:
		return true;
	default:
		return false;
	}
}

/* By its number, which to the next connection is another's, or none's. */
static bool
names_tx(enum vfs_op op)
{
	switch (op) {
	case VFS_OP_TX_ADD:
	case VFS_OP_TX_COMMIT:
	case VFS_OP_TX_ABORT:
	case VFS_OP_TX_SAVEPOINT:
	case VFS_OP_TX_ROLLBACK_TO:
		return true;
	default:
		return false;
	}
}

/* 0: once more; else what to tell. */
static int
lost_in(struct vfs *v, const struct vfs_call *c, int err)
{
	if (c->tx != NULL || (!c->unsure && names_tx(c->op)))
		return -VFS_ABORTED;
	if (v->where == NULL || v->conf.once || (err != -VFS_SESSION_CLOSED &&
	    err != -VFS_OFFLINE))
		return err;
	return c->unsure && !is_harmless(c->op, c->q) ? err : 0;
}

static void
set_defaults(struct vfs *v, struct vfs_call *c)
{
	if (c->buf == NULL && c->cap == 0) {
		c->buf = v->msg;
		c->cap = v->conf.max_msg;
	}
	if (c->prio == 0)
		c->prio = v->conf.prio;
}

void
lv_ahead(struct vfs *v, struct vfs_call *c)
{
	set_defaults(v, c);
	set_deadline(v, c);
	if (vfs_submit(v, c) == 0)
		lv_pump_out(v);
}

void
lv_ahead_own(struct vfs *v, struct vfs_call *c)
{
	set_defaults(v, c);
	set_deadline(v, c);
	if (lv_submit_own(v, c) < 0)
		return;
	lv_pump_out(v);
	while (c->state == CALL_WAITS && v->out_n > 0)
		wait(v, 0);
}

int
lv_run(struct vfs *v, struct vfs_call *c)
{
	uint32_t deadline = c->deadline_ms;
	unsigned tries = 0;
	int err;

	set_defaults(v, c);
	do {
		if (c->state != CALL_IDLE) {	/* by lv_ahead */
			err = wait_end(v, c);
		} else {
			c->unsure = false;
			c->deadline_ms = deadline;
			if (v->lost != 0 &&
			    (v->conf.once || v->where == NULL))
				return lv_fail(v, v->lost);
			if (v->lost != 0 && (err = vfs_reconnect(v)) < 0)
				return err;
			err = lv_run_once(v, c);
		}
		if (err == 0)
			return 0;
		if (v->lost == 0)
			break;
		if ((err = lost_in(v, c, err)) < 0)
			break;
		err = -VFS_SESSION_CLOSED;
	} while (++tries < TRIES_MAX);
	return fail_call(v, c, err);
}

int
lv_call(struct vfs *v, struct vfs_tx *tx, enum vfs_op op, const void *q,
    void *r)
{
	struct vfs_call c = { .op = op, .q = q, .r = r, .tx = tx };

	return lv_run(v, &c);
}
