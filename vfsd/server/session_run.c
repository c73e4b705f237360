/*
 * session_run.c - one request: what its ids name, whether all of it may be
 * done, and as whom; then the core's work, or an operation of our own
 */
#include <string.h>

#include "../../protocol/codec.h"
#include "../clock.h"
#include "../core/within.h"
#include "session_in.h"

/* --- refusals ------------------------------------------------------------ */

static int
note(struct run *r, enum vfs_op op, uint64_t id, uint32_t missing, int err)
{
	const struct session *s = r->s;
	struct audit_rec a = { .trace_id = r->env.trace_id,
		.session = s->number, .when = r->env.now, .uid = s->uid,
		.pid = s->pid, .has_cred = s->cred, .op = op,
		.missing = missing, .err = err, .id = id };

	memcpy(a.transport, s->transport, sizeof a.transport);
	sessions_denied(s->ss, &a);
	return err;
}

int
run_denied(struct run *r, enum vfs_op op, uint64_t id, uint32_t missing)
{
	return note(r, op, id, missing, -VFS_ACCESS);
}

void
run_note(struct run *r, struct why_what what)
{
	r->told = what.err;
	why_note(r->server->why, &r->env, what);
}

static int
first_id(void *arg, struct vfs_id *id)
{
	*(struct vfs_id *)arg = *id;
	return -VFS_INTR;		/* no other is asked for */
}

/* The request that got err, with its first object if that was found. */
static void
note_request(struct run *r, enum vfs_op op, const void *q, int err)
{
	union proto_req copy;
	struct vfs_id id = { 0 };

	memcpy(&copy, q, proto_ops[op].req_size);
	(void)proto_each_id(op, &copy, first_id, &id);
	if ((id.n & (VFS_HANDLE | VFS_TX_RESULT)) != 0)
		id.n = 0;
	run_note(r, (struct why_what){ .op = op, .err = err, .id = id.n });
}

/* Its client is told the same of what exists and of what never did; so is
 * the record of it: who guesses leaves a trace. */
static void
note_outside(struct run *r)
{
	unsigned i;

	if (r->s->root.n == VFS_ID_ROOT || r->k->own_ids)
		return;
	for (i = 0; i < r->n; i++)
		if (r->f[i].raw != 0) {
			note(r, r->op, r->f[i].raw, 0, -VFS_NO_SUCH_ID);
			return;
		}
}

/* --- ids ----------------------------------------------------------------- */

/* What one id field names, and with which rights. */
static int
look_up(struct run *r, struct vfs_id *id, bool compared, struct field *f)
{
	struct session *s = r->s;
	struct handle h;
	int err;

	*f = (struct field){ .rights = s->rights };
	if ((id->n & VFS_TX_RESULT) != 0 || id->n == 0)
		return 0;
	if ((id->n & VFS_HANDLE) != 0) {
		if ((err = handle_get(s, id->n, &h)) < 0)
			return err;
		*f = (struct field){ .handle = id->n,
			.rights = h.rights & s->rights, .opened = h.opened };
		id->n = h.id;
		return 0;
	}
	if (compared || id->n == s->root.n || r->k->own_ids)
		return 0;
	f->raw = id->n;
	if ((s->rights & VFS_RIGHT_OPEN_BY_ID) != 0)
		return 0;
	return note(r, r->op, id->n, VFS_RIGHT_OPEN_BY_ID, -VFS_NO_SUCH_ID);
}

struct resolve {
	struct run *r;
	enum vfs_op op;
	const void *q;
	unsigned compared;
};

static int
resolve(void *arg, struct vfs_id *id)
{
	struct resolve *x = arg;
	struct run *r = x->r;
	unsigned n = r->n++;
	bool compared = (x->compared >> n & 1) != 0;
	struct field *f = &r->f[n];
	uint32_t missing;
	int err;

	if ((err = look_up(r, id, compared, f)) < 0)
		return err;
	if (compared)
		return 0;
	missing = rights_needed(x->op, x->q, n, f->rights) & ~f->rights;
	return missing != 0 ? run_denied(r, x->op, id->n, missing) : 0;
}

/*
 * A name in another directory must not give anybody more rights than the
 * one who moves it has: from: where it is, to: where it will be.
 */
static int
escalates(struct run *r, enum vfs_op op, const struct field *from,
    const struct field *to)
{
	uint32_t more = to->rights & ~from->rights;

	return more != 0 ? run_denied(r, op, 0, more) : 0;
}

static int
check_moves(struct run *r, enum vfs_op op, const void *q)
{
	const struct vfs_tree_publish *tp = q;
	const struct vfs_rename *rn = q;
	uint32_t flags;
	int err;

	if (op == VFS_OP_LINK)
		return escalates(r, op, &r->f[1], &r->f[0]);
	if (op != VFS_OP_RENAME && op != VFS_OP_TREE_PUBLISH)
		return 0;
	flags = op == VFS_OP_RENAME ? rn->flags : tp->flags;
	err = escalates(r, op, &r->f[0], &r->f[1]);
	if (err == 0 && (flags & VFS_RENAME_EXCHANGE))
		err = escalates(r, op, &r->f[1], &r->f[0]);
	return err;
}

int
run_resolve(struct run *r, enum vfs_op op, void *q)
{
	struct resolve x = { r, op, q, within_compared(op) };
	int err;

	r->n = 0;
	if ((err = proto_each_id(op, q, resolve, &x)) < 0)
		return err;
	return check_moves(r, op, q);
}

int
run_resolve_one(struct run *r, enum vfs_op op, struct vfs_id *id,
    struct field *f)
{
	uint32_t missing;
	int err;

	if ((err = look_up(r, id, false, f)) < 0)
		return err;
	missing = rights_needed(op, r->q, 0, f->rights) & ~f->rights;
	return missing != 0 ? run_denied(r, op, id->n, missing) : 0;
}

/* --- the work ------------------------------------------------------------ */

int
run_core(struct run *r, enum vfs_op op, const void *q, void *rep)
{
	struct tx_ref ref = { r->k->tx, r->s->number };
	int err;

	if (ref.tx == 0) {
		err = dispatch(r->server, op, &r->env, q, rep);
		r->told = err;		/* it notes errors itself */
		return err;
	}
	err = tx_op(r->server, &r->env, ref, op, q, rep);
	if (err < 0)
		note_request(r, op, q, err);
	return err;
}

void
run_mask(const struct run *r, uint32_t rights, struct vfs_attr *a)
{
	(void)r;
	if ((rights & VFS_RIGHT_GETATTR) == 0)
		*a = (struct vfs_attr){ .id = a->id,
			.mode = VFS_TYPE_MODE(VFS_MODE_TYPE(a->mode)) };
}

/* Were the modes looked at when these were opened? */
static bool
all_opened(const struct run *r, enum vfs_op op, const void *q)
{
	uint32_t want;
	unsigned i;

	for (i = 0; i < r->n; i++) {
		want = rights_bytes(op, q, i);
		if (want == 0 || (r->f[i].opened & want) == 0)
			return false;
	}
	return r->n > 0;
}

void
run_opened(struct run *r, enum vfs_op op, const void *q)
{
	if (all_opened(r, op, q))
		r->env.no_modes = true;
}

/* What handles learn of a request that was done through them. */
static void
tell_handles(struct run *r, enum vfs_op op, int err)
{
	const struct field *f = &r->f[0];

	if (f->handle == 0)
		return;
	if (err == 0 && op == VFS_OP_WRITE)
		handle_wrote(r->s, f->handle);
	if (err == -VFS_NO_SUCH_ID && r->n == 1 && r->k->tx == 0)
		handle_lost(r->s, f->handle);
}

int
run_plain(struct run *r, enum vfs_op op, void *q, void *rep)
{
	int err;

	if ((err = run_resolve(r, op, q)) < 0)
		return err;
	run_opened(r, op, q);
	err = run_core(r, op, q, rep);
	if (r->n > 0)
		tell_handles(r, op, err);
	if (err == 0 && r->n > 0 && proto_ops[op].rep[0] == 'A')
		run_mask(r, r->f[0].rights, rep);
	return err;
}

static int
plain(struct run *r, void *q, void *rep)
{
	return run_plain(r, r->op, q, rep);
}

/* --- who asks ------------------------------------------------------------ */

static int
run_stop(void *arg)
{
	struct run *r = arg;

	if (r->s->ended != 0)
		return r->s->ended;
	return r->k->stop != NULL ? r->k->stop(r->k->stop_arg) : 0;
}

static bool
in_group(const struct session *s, uint32_t gid)
{
	uint32_t i;

	for (i = 0; i < s->ngroups; i++)
		if (s->groups[i] == gid)
			return true;
	return s->any_gid || s->gid == gid;
}

/* --- what was found below the root (within.h) ----------------------------- */

static bool
seen(const void *session, uint64_t id, uint64_t stamp)
{
	/* the lock of an object that is not changed otherwise */
	struct session *s = (struct session *)(uintptr_t)session;
	unsigned i = id % SESSION_SEEN;
	bool is;

	pthread_mutex_lock(&s->lock);
	is = s->seen[i].id == id && s->seen[i].stamp == stamp;
	pthread_mutex_unlock(&s->lock);
	return is;
}

static void
saw(const void *session, uint64_t id, uint64_t stamp)
{
	struct session *s = (struct session *)(uintptr_t)session;
	unsigned i = id % SESSION_SEEN;

	pthread_mutex_lock(&s->lock);
	s->seen[i].id = id;
	s->seen[i].stamp = stamp;
	pthread_mutex_unlock(&s->lock);
}

/* A front that keeps ids by itself holds what they name. */
static bool
front_holds(const void *session, uint64_t id)
{
	(void)session;
	return id != 0;
}

/* What only a removed tree still has is gone for all but its holders. */
static bool
sees_all(const struct run *r)
{
	return r->s->root.n == VFS_ID_ROOT &&
	    (r->server == NULL || !server_has_graves(r->server));
}

/* Who has no user acts as the store's owner whom modes do not stop: what
 * he may do, his rights say. */
static void
run_env(struct run *r)
{
	const struct session *s = r->s;

	r->env = (struct req_env){
		.now = r->k->env->now, .trace_id = r->k->env->trace_id,
		.umask = r->k->env->umask,
		.uid = s->cred ? s->uid : s->ss->owner,
		.gid = s->cred ? s->gid : s->ss->owner_gid,
		.pid = r->k->env->pid != 0 ? r->k->env->pid : s->pid,
		.groups = s->groups, .ngroups = s->ngroups,
		.privileged = s->cred && s->uid == 0, .no_modes = !s->cred,
		.own_store = sessions_owns(s->ss, s->uid), .whose = s->whose,
		.root = sees_all(r) ? 0 : s->root.n,
		.root_parent = s->root_parent.n,
		.holds = r->k->own_ids ? front_holds : handle_holds,
		.seen = seen, .saw = saw, .holder = s,
		.stop = run_stop, .stop_arg = r,
	};
	if (r->k->has_gid && s->cred && in_group(s, r->k->gid))
		r->env.gid = r->k->gid;
}

static session_fn *const fns[VFS_OP_COUNT] = {
#define OP(n, NAME, name, mode, lock, req, rep) \
	[VFS_OP_##NAME] = FN_##mode,
#define FN_READ	plain
#define FN_WRITE plain
#define FN_NONE	NULL
#include "../../protocol/ops.def"
#undef OP
};

static session_fn *const own_fns[VFS_OP_COUNT] = {
	[VFS_OP_SYNC] = session_sync,
	[VFS_OP_SETTLE] = plain,
	[VFS_OP_DERIVE] = session_derive,
	[VFS_OP_REVOKE] = session_revoke,
	[VFS_OP_GRANT] = session_grant,
	[VFS_OP_SESSIONS] = session_sessions,
	[VFS_OP_WALK] = session_walk,
	[VFS_OP_OPEN_ID] = session_open_id,
	[VFS_OP_OPEN] = session_open,
	[VFS_OP_CLOSE] = session_close_op,
	[VFS_OP_DUP] = session_dup,
	[VFS_OP_CREATE] = session_create,
	[VFS_OP_TMPFILE] = session_tmpfile,
	[VFS_OP_LOOKUP_BATCH] = session_batch,
	[VFS_OP_STAT_BATCH] = session_batch,
	[VFS_OP_READ_BATCH] = session_batch,
	[VFS_OP_TRUNCATE] = session_truncate,
	[VFS_OP_ACCESS] = session_access,
	[VFS_OP_HASH] = session_hash,
	[VFS_OP_WAIT] = session_wait,
	[VFS_OP_LOCK] = session_lock,
	[VFS_OP_LOCK_TEST] = session_lock_test,
	[VFS_OP_TX_EXEC] = session_tx,
	[VFS_OP_TX_BEGIN] = session_tx,
	[VFS_OP_TX_ADD] = session_tx,
	[VFS_OP_TX_COMMIT] = session_tx,
	[VFS_OP_TX_ABORT] = session_tx,
	[VFS_OP_TX_STATUS] = session_tx,
	[VFS_OP_TX_SAVEPOINT] = session_tx,
	[VFS_OP_TX_ROLLBACK_TO] = session_tx,
};

#define OP_INTERNAL	0x3f00u		/* numbers from here: never a peer's */

static session_fn *
fn_of(enum vfs_op op)
{
	if (op <= VFS_OP_NONE || op >= VFS_OP_COUNT ||
	    proto_ops[op].number >= OP_INTERNAL)
		return NULL;
	return own_fns[op] != NULL ? own_fns[op] : fns[op];
}

static int
run(struct run *r, session_fn *fn, void *q, void *rep)
{
	uint32_t missing = rights_of_session(r->op) & ~r->s->rights;
	int err;

	if (missing != 0)
		return run_denied(r, r->op, 0, missing);
	if ((err = run_stop(r)) < 0)
		return err;
	return fn(r, q, rep);
}

int
session_run(struct session_call *k, enum vfs_op op, void *q, void *rep)
{
	session_fn *fn = fn_of(op);
	struct run r = { .k = k, .s = k->s, .server = k->s->ss->server,
		.op = op, .q = q };
	uint64_t start;
	int err;

	if ((err = session_state(k->s)) < 0)
		return err;
	if (fn == NULL)
		return -VFS_UNKNOWN_OP;
	run_env(&r);
	k->e.trace_id = r.env.trace_id;
	start = clock_ns();
	err = run(&r, fn, q, rep);
	if (err == -VFS_NO_SUCH_ID &&
	    (k->s->rights & VFS_RIGHT_OPEN_BY_ID) != 0)
		note_outside(&r);
	if (err < 0 && err != r.told)
		note_request(&r, op, q, err);
	if (table_mode(op) == MODE_NONE && op != VFS_OP_SYNC &&
	    op != VFS_OP_SETTLE)	/* the dispatcher counts those */
		counts_add(&r.server->counts, op, start, err);
	return err;
}

int
session_sees(struct session_call *k, struct vfs_id id)
{
	struct run r = { .k = k, .s = k->s, .server = k->s->ss->server };
	struct vfs_stat q = { .id = id };
	struct vfs_stat_reply rep;

	run_env(&r);
	r.env.no_modes = true;
	return dispatch(r.server, VFS_OP_STAT, &r.env, &q, &rep);
}

int
session_allows(struct session_call *k, uint32_t rights)
{
	struct run r = { .k = k, .s = k->s };
	uint32_t missing = rights & ~k->s->rights;
	int err;

	if ((err = session_state(k->s)) < 0)
		return err;
	run_env(&r);
	return missing != 0 ? run_denied(&r, VFS_OP_NONE, 0, missing) : 0;
}
