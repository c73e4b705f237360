#include <assert.h>
#include <pthread.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "../../protocol/codec.h"
#include "../clock.h"
#include "../core/core.h"
#include "../core/record.h"
#include "../core/within.h"
#include "counts.h"
#include "dispatch_in.h"
#include "../engine/engine.h"
#include "publisher.h"
#include "visible.h"
#include "why.h"

#define TRIES_MAX	64u		/* stale plans in a row */
#define BATCH		256u		/* ids of drafts or orphans at a time */
#define CARRY_MAX	65536u		/* bytes that travel in the log */

/* --- the table ---------------------------------------------------------- */

typedef int run_fn(struct txn *, const void *, struct plan *, void *);
typedef int prep_fn(struct txn *, const void *, struct plan **);
typedef int peek_fn(struct txn *, const void *, bool, void *);

#define NO_ID	SIZE_MAX

struct op_row {
	run_fn *run;			/* NULL: not the core's */
	enum op_mode mode;
	size_t lock;			/* where the request has the id */
};

/* The core's functions have the request's types; a table needs one. */
#define OP(n, NAME, name, mode, lock, req, rep) RUN_##mode(name)
#define RUN_READ(name) \
	static int \
	call_##name(struct txn *t, const void *q, struct plan *p, void *r) \
	{ \
		(void)p; \
		return op_##name(t, q, r); \
	}
#define RUN_WRITE(name) \
	static int \
	call_##name(struct txn *t, const void *q, struct plan *p, void *r) \
	{ \
		return op_##name(t, q, p, r); \
	}
#define RUN_NONE(name)
#include "../../protocol/ops.def"
#undef OP

#define FN_READ(name)	call_##name
#define FN_WRITE(name)	call_##name
#define FN_NONE(name)	NULL
#define LOCK_NOLOCK(name)	NO_ID
#define LOCK_id(name)	offsetof(struct vfs_##name, id)
#define LOCK_dst(name)	offsetof(struct vfs_##name, dst)

static const struct op_row ops[VFS_OP_COUNT] = {
#define OP(n, NAME, name, mode, lock, req, rep) \
	[VFS_OP_##NAME] = { FN_##mode(name), MODE_##mode, LOCK_##lock(name) },
#include "../../protocol/ops.def"
#undef OP
};

/* What only a few operations have. */
struct op_extra {
	peek_fn *peek;
	prep_fn *prep;
	after_fn *after;		/* it was committed */
	big_fn *big;			/* it does not fit one commit */
	size_t lock2;			/* + 1; the other object's id */
	bool drafts;			/* without a sequence number it wrote
					 * a draft of the locked object */
};

#define PEEK(name) \
	static int \
	peek_##name##_(struct txn *t, const void *q, bool rdonly, void *r) \
	{ \
		return peek_##name(t, q, rdonly, r); \
	}
PEEK(open)
PEEK(publish)
PEEK(reclaim)

#define PREP(name) \
	static int \
	prep_##name##_(struct txn *t, const void *q, struct plan **p) \
	{ \
		return prep_##name(t, q, p); \
	}
PREP(write)
PREP(setattr)
PREP(allocate)
PREP(copy_range)
PREP(publish)

static int publish(struct server *, const struct req_env *, struct vfs_id,
    uint32_t);
static const struct op_extra extras[VFS_OP_COUNT] = {
	[VFS_OP_OPEN] = { .peek = peek_open_, .drafts = true },
	[VFS_OP_WRITE] = { .prep = prep_write_, .drafts = true },
	[VFS_OP_SETATTR] = { .prep = prep_setattr_ },
	[VFS_OP_ALLOCATE] = { .prep = prep_allocate_ },
	[VFS_OP_COPY_RANGE] = { .prep = prep_copy_range_,
	    .lock2 = offsetof(struct vfs_copy_range, src) + 1 },
	[VFS_OP_PUBLISH] = { .peek = peek_publish_, .prep = prep_publish_ },
	[VFS_OP_RECLAIM] = { .peek = peek_reclaim_ },
	[VFS_OP_UNLINK] = { .after = after_unlink },
	[VFS_OP_RENAME] = { .after = after_rename },
	[VFS_OP_TMPFILE] = { .after = after_tmpfile },
	[VFS_OP_TREE_PUBLISH] = { .after = after_tree_publish },
	[VFS_OP_TREE_REMOVE] = { .after = after_tree_remove },
	[VFS_OP_TREE_CLONE] = { .big = big_tree_clone },
};

enum op_mode
table_mode(enum vfs_op op)
{
	return op > VFS_OP_NONE && op < VFS_OP_COUNT ? ops[op].mode :
	    MODE_NONE;
}

int
table_prepare(enum vfs_op op, struct txn *t, const void *q, struct plan **p)
{
	int err;

	*p = NULL;
	if (extras[op].prep == NULL)
		return 0;
	if ((err = within_check(t, op, q)) < 0)
		return err;
	return extras[op].prep(t, q, p);
}

int
table_run(enum vfs_op op, struct txn *t, const void *q, struct plan *p,
    void *r)
{
	int err;

	if ((err = within_check(t, op, q)) < 0 ||
	    (err = ops[op].run(t, q, p, r)) < 0 ||
	    proto_ops[op].rep[0] != 'A')
		return err;
	return within_attr(t, r);	/* attributes come first */
}

/* --- object locks ------------------------------------------------------- */

static unsigned
stripe(uint64_t id)
{
	return (unsigned)((id * 0x9e3779b97f4a7c15ull) >> 54) % SERVER_LOCKS;
}

static uint64_t
field_id(const void *q, size_t off)
{
	struct vfs_id id;

	memcpy(&id, (const char *)q + off, sizeof id);
	return id.n;
}

/* Stripes a request needs, ascending. */
struct held {
	unsigned n, at[2];
};

static void
lock_objects(struct server *s, enum vfs_op op, const void *q, struct held *h)
{
	unsigned a, b;

	h->n = 0;
	if (ops[op].lock == NO_ID)
		return;
	a = stripe(field_id(q, ops[op].lock));
	h->at[h->n++] = a;
	if (extras[op].lock2 != 0 &&
	    (b = stripe(field_id(q, extras[op].lock2 - 1))) != a) {
		h->at[0] = a < b ? a : b;
		h->at[h->n++] = a < b ? b : a;
	}
	for (a = 0; a < h->n; a++)
		pthread_mutex_lock(&s->locks[h->at[a]]);
}

static void
unlock_objects(struct server *s, struct held *h)
{
	while (h->n > 0)
		pthread_mutex_unlock(&s->locks[h->at[--h->n]]);
}

/* What becomes of a commit. */
struct commit_out {
	struct vfs_seq seq;
	struct visible_commit vis;
};

/* --- running one -------------------------------------------------------- */

static int
run_read(struct server *s, enum vfs_op op, const struct req_env *env,
    const void *q, void *r)
{
	struct txn *t;
	int err;

	if ((err = txn_begin(s->engine, TXN_READ, env, &t)) < 0)
		return err;
	err = table_run(op, t, q, NULL, r);
	txn_abort(t);
	return err;
}

static int
peek(struct server *s, enum vfs_op op, const struct req_env *env,
    const void *q, bool rdonly, void *r)
{
	struct txn *t;
	int err, out;

	if ((err = txn_begin(s->engine, TXN_READ, env, &t)) < 0)
		return err;
	err = within_check(t, op, q);
	if (err == 0)
		err = extras[op].peek(t, q, rdonly, r);
	if (err == 1 && proto_ops[op].rep[0] == 'A' &&
	    (out = within_attr(t, r)) < 0)
		err = out;
	txn_abort(t);
	return err;
}

/* A publication that carries nothing is of a draft that is known to be
 * there, and has nothing to read. */
static bool
is_plain_publish(enum vfs_op op, const void *q)
{
	return op == VFS_OP_PUBLISH &&
	    ((const struct vfs_publish *)q)->carry_max == 0;
}

static int
prepare(struct server *s, enum vfs_op op, const struct req_env *env,
    const void *q, struct plan **p)
{
	struct txn *t;
	int err;

	*p = NULL;
	if (extras[op].prep == NULL || is_plain_publish(op, q))
		return 0;
	if ((err = txn_begin(s->engine, TXN_READ, env, &t)) < 0)
		return err;
	err = table_prepare(op, t, q, p);
	txn_abort(t);
	return err;
}

static int
try_write(struct server *s, enum vfs_op op, const struct req_env *env,
    const void *q, void *r, struct commit_out *out)
{
	struct plan *p;
	struct txn *t;
	int err;

	err = prepare(s, op, env, q, &p);
	if (err == 0)
		err = txn_begin(s->engine, TXN_WRITE, env, &t);
	if (err == 0) {
		err = table_run(op, t, q, p, r);
		if (err == 0 && env->stop != NULL)
			err = env->stop(env->stop_arg);
		if (err == 0)
			err = visible_txn_commit(&out->vis, t, &out->seq);
		else
			txn_abort(t);
	}
	plan_drop(s->engine, p, err == 0);
	return err;
}

static struct vfs_id
locked_id(enum vfs_op op, const void *q)
{
	return (struct vfs_id){ field_id(q, ops[op].lock) };
}

/*
 * A publication is one record of the log, so a draft must not outgrow it:
 * scattered writes without end are published early, at this boundary.
 */
static void
wrote(struct server *s, const struct req_env *env, struct vfs_id id,
    uint64_t end)
{
	if (publisher_wrote(s->publisher, id, end) < s->draft_max)
		return;
	publisher_forget(s->publisher, id);
	if (publish(s, env, id, 0) < 0)
		publisher_wrote(s->publisher, id, end);
}

static uint64_t
write_end(enum vfs_op op, const void *q, const void *r)
{
	const struct vfs_write *w = q;
	const struct vfs_write_reply *a = r;

	return op == VFS_OP_WRITE ? a->off + w->data.n : 0;
}

/* The request and the drafts that it publishes do not fit one record:
 * drafts first.  True if it is worth another try. */
static bool
make_smaller(struct server *s, enum vfs_op op, const struct req_env *env,
    const void *q)
{
	struct vfs_id other = { 0 };

	if (ops[op].lock == NO_ID || op == VFS_OP_PUBLISH)
		return false;
	if (extras[op].lock2 != 0)
		other.n = field_id(q, extras[op].lock2 - 1);
	return publish(s, env, locked_id(op, q), 0) == 0 &&
	    (other.n == 0 || publish(s, env, other, 0) == 0);
}

static int
run_locked(struct server *s, enum vfs_op op, const struct req_env *env,
    const void *q, void *r, struct commit_out *out)
{
	unsigned tries = 0;
	int err;

	do
		err = try_write(s, op, env, q, r, out);
	while (err == -VFS_AGAIN && ++tries < TRIES_MAX);
	if (err == -VFS_TX_LIMIT && make_smaller(s, op, env, q))
		err = try_write(s, op, env, q, r, out);
	if (err == 0 && extras[op].drafts && out->seq.n == 0)
		wrote(s, env, locked_id(op, q), write_end(op, q, r));
	return err;
}

/* Of what the daemon does for itself nobody sees anything, but that a
 * removed tree's files lose names. */
static struct visible *
must_be_seen(struct server *s, enum vfs_op op, const struct req_env *env)
{
	if (op == VFS_OP_REAP)
		return s->visible;
	return env->from_kernel || env->kernel_checked ||
	    op == VFS_OP_PUBLISH || op == VFS_OP_RECLAIM ? NULL : s->visible;
}

/* The kernel is told without locks: requests of its own may want them. */
static int
run_seen(struct server *s, enum vfs_op op, const struct req_env *env,
    const void *q, void *r, struct vfs_seq *seq)
{
	struct commit_out out = { 0 };
	struct held held;
	int err;

	visible_begin(&out.vis, must_be_seen(s, op, env));
	for (;;) {
		lock_objects(s, op, q, &held);
		err = run_locked(s, op, env, q, r, &out);
		unlock_objects(s, &held);
		if (err != VISIBLE_TELL)
			break;
		visible_tell(&out.vis);
	}
	visible_end(&out.vis);
	*seq = out.seq;
	return err;
}

static int
run_write(struct server *s, enum vfs_op op, const struct req_env *env,
    const void *q, void *r)
{
	struct vfs_seq seq = { 0 };
	int err;

	if (extras[op].peek != NULL && !is_plain_publish(op, q) &&
	    (err = peek(s, op, env, q, false, r)) != 0)
		return err < 0 ? err : 0;
	err = run_seen(s, op, env, q, r, &seq);
	if (err == 0 && extras[op].drafts && seq.n == 0 &&
	    engine_drafts_heavy(s->engine))
		server_released(s, (struct vfs_id){ field_id(q,
		    ops[op].lock) });

	if (extras[op].peek != NULL && (err == -VFS_ROFS || err == -VFS_NOSPC)
	    && peek(s, op, env, q, true, r) == 1)
		return 0;
	if (err == -VFS_TX_LIMIT && extras[op].big != NULL)
		err = extras[op].big(s, env, q, r);
	if (err < 0)
		return err;
	if (extras[op].after != NULL)
		extras[op].after(s, q, r);
	if (!s->sync_all || op == VFS_OP_REAP)	/* nobody waits for it */
		return 0;
	if (extras[op].drafts && seq.n == 0)
		return dispatch_sync(s, env, locked_id(op, q), 0, NULL);
	return engine_sync(s->engine);
}

/* Everything that was written before is published, and has a record. */
static int
run_settle(struct server *s, const struct req_env *env,
    const struct vfs_settle *q, struct vfs_settle_reply *r)
{
	struct vfs_journal_pos pq = { 0 };
	struct vfs_journal_pos_reply pr;
	int err;

	if (q->flags != 0)
		return -VFS_INVAL;
	if ((err = server_publish_all(s, env)) < 0 ||
	    (err = run_read(s, VFS_OP_JOURNAL_POS, env, &pq, &pr)) < 0)
		return err;
	*r = (struct vfs_settle_reply){ .seq = pr.seq, .idx = pr.idx };
	return 0;
}

/* Operations that are no txn of their own. */
static int
run_none(struct server *s, enum vfs_op op, const struct req_env *env,
    const void *q, void *r)
{
	const struct vfs_sync *sync = q;
	struct engine_status st;
	int err;

	if (op == VFS_OP_SETTLE)
		return run_settle(s, env, q, r);
	if (op != VFS_OP_SYNC)
		return -VFS_UNKNOWN_OP;
	err = dispatch_sync(s, env, sync->id, sync->flags, NULL);
	if (err < 0)
		return err;
	engine_status(s->engine, &st);
	((struct vfs_sync_reply *)r)->seq = st.seq_durable.n;
	return 0;
}

/* Most requests begin with an id. */
static uint64_t
first_id(enum vfs_op op, const void *q)
{
	return proto_ops[op].req[0] == '8' ? field_id(q, 0) : 0;
}

/* The kernel asks for capabilities with each write, for access lists with
 * each look at modes: no program has asked, none gets the answer. */
static bool
is_kernels_own(enum vfs_op op, const struct req_env *env, const void *q,
    int err)
{
	static const char user[] = "user.";
	const struct vfs_xattr_get *get = q;

	return err == -VFS_NOXATTR && op == VFS_OP_XATTR_GET &&
	    env->from_kernel && (get->name.n < sizeof user - 1 ||
	    memcmp(get->name.p, user, sizeof user - 1) != 0);
}

static void
note(struct server *s, enum vfs_op op, const struct req_env *env,
    const void *q, int err)
{
	if (is_kernels_own(op, env, q, err))
		return;
	why_note(s->why, env, (struct why_what){ .op = op, .err = err,
	    .id = first_id(op, q) });
}

int
dispatch(struct server *s, enum vfs_op op, const struct req_env *env,
    const void *q, void *r)
{
	static int (*const by_mode[])(struct server *, enum vfs_op,
	    const struct req_env *, const void *, void *) = {
		[MODE_NONE] = run_none,
		[MODE_READ] = run_read,
		[MODE_WRITE] = run_write,
	};
	uint64_t start;
	int err;

	if (op <= VFS_OP_NONE || op >= VFS_OP_COUNT)
		return -VFS_UNKNOWN_OP;
	start = clock_ns();
	err = by_mode[ops[op].mode](s, op, env, q, r);
	if (op != VFS_OP_SYNC)
		counts_add(&s->counts, op, start, err);
	if (err < 0)
		note(s, op, env, q, err);
	return err;
}

/* --- publishing --------------------------------------------------------- */

void
server_env(struct req_env *env)
{
	struct timespec ts;

	clock_gettime(CLOCK_REALTIME, &ts);
	*env = (struct req_env){
		.now = { ts.tv_sec, (uint32_t)ts.tv_nsec },
		.kernel_checked = true, .privileged = true,
	};
}

static int
publish(struct server *s, const struct req_env *env, struct vfs_id id,
    uint32_t carry_max)
{
	struct vfs_publish q = { .id = id, .carry_max = carry_max };
	struct vfs_publish_reply r;
	struct req_env own = *env;	/* the daemon's own business, all of it */
	int err;

	own.root = 0;
	own.stop = NULL;
	err = dispatch(s, VFS_OP_PUBLISH, &own, &q, &r);
	return err == -VFS_NO_SUCH_ID ? 0 : err;
}

int
server_publish_all(struct server *s, const struct req_env *env)
{
	struct vfs_id ids[BATCH], after = { 0 };
	int err, first = 0;
	size_t i, n;

	do {
		err = engine_drafts(s->engine, after, ids, BATCH, &n);
		if (err < 0)
			return err;
		for (i = 0; i < n; i++) {
			publisher_forget(s->publisher, ids[i]);
			err = publish(s, env, ids[i], 0);
			if (err < 0 && first == 0)
				first = err;
			after = ids[i];
		}
	} while (n == BATCH);
	return first;
}

/*
 * The publisher's thread.  A write that the kernel has split is not cut
 * in half: its object is locked, or was written a moment ago.
 */
int
server_publish_quiet(void *arg, struct vfs_id id, bool late)
{
	struct server *s = arg;
	pthread_mutex_t *lock = &s->locks[stripe(id.n)];
	struct req_env env;
	int err = -VFS_BUSY;

	server_env(&env);
	if (late)
		pthread_mutex_lock(lock);
	else if (pthread_mutex_trylock(lock) != 0)
		return -VFS_BUSY;
	if (late || publisher_is_quiet(s->publisher, id))
		err = publish(s, &env, id, 0);
	pthread_mutex_unlock(lock);
	return err;
}

void
server_released(struct server *s, struct vfs_id id)
{
	struct req_env env;

	if (!publisher_forget(s->publisher, id))
		return;
	server_env(&env);
	if (publish(s, &env, id, 0) < 0)
		publisher_wrote(s->publisher, id, 0);	/* later, then */
}

int
dispatch_sync(struct server *s, const struct req_env *env, struct vfs_id id,
    uint32_t flags, const struct sync_call *call)
{
	uint64_t start = clock_ns();
	int err;

	/* Of those known none counts: size and times travel together. */
	if (flags & ~VFS_SYNC_DATA) {
		err = -VFS_INVAL;
	} else if (id.n == 0) {
		err = server_publish_all(s, env);
	} else {
		publisher_forget(s->publisher, id);
		err = publish(s, env, id, CARRY_MAX);
		if (err < 0)
			publisher_wrote(s->publisher, id, 0);
	}
	if (err == 0)
		err = call != NULL ?
		    engine_sync_shared(s->engine, call) :
		    engine_sync(s->engine);
	counts_add(&s->counts, VFS_OP_SYNC, start, err);
	return err;
}
