/*
 * A session with a root, and the property: two stores that differ only
 * outside of it (names, contents, which ids exist) answer the same thousand
 * random requests with the same bytes, and nothing outside changes.
 */
#include <time.h>

#include "../cm.h"
#include "jail_fx.h"

static struct vfs_slice
str(const char *s)
{
	return (struct vfs_slice){ s, strlen(s) };
}

/* --- the property ---------------------------------------------------------------- */

#define STEPS		1000u
#define IDS_MAX		512u
#define MSG		(1u << 20)

/* One of the two worlds. */
struct world {
	struct srig *x;
	struct session *s;
	struct vfs_id out, deep;	/* directories outside */
	char salt;
	uint8_t *msg;
	size_t n;			/* of the reply's bytes */
	int err;
};

struct pair {
	struct world w[2];
	uint64_t rng, seed;
	uint64_t ids[IDS_MAX];		/* what requests may name */
	unsigned nids;
	uint64_t tx;
	unsigned made;			/* names outside */
	union proto_req q;
	uint8_t list[4096];		/* of batches */
	uint64_t handles[2];
	unsigned answered[2];		/* with success, with an error */
};

static uint32_t
rnd(struct pair *p, uint32_t n)
{
	p->rng = p->rng * 6364136223846793005u + 1442695040888963407u;
	return (uint32_t)(p->rng >> 33) % n;
}

static void
remember(struct pair *p, uint64_t id)
{
	if (p->nids < IDS_MAX)
		p->ids[p->nids++] = id;
	else
		p->ids[rnd(p, IDS_MAX)] = id;
}

static uint64_t
pick_id(struct pair *p)
{
	switch (rnd(p, 40)) {
	case 0:
		return 0;
	case 1:
		return VFS_ID_ROOT;
	case 2:
		return VFS_HANDLE | rnd(p, 100) << VFS_HANDLE_SLOT_BITS |
		    rnd(p, 4);
	case 3:
		return p->ids[rnd(p, p->nids)] + 1;
	case 4:
		return VFS_TX_RESULT | rnd(p, 3);
	case 5: case 6: case 7: case 8: case 9: case 10:
		return p->ids[rnd(p, p->nids)];
	case 11: case 12: case 13: case 14: case 15: case 16:
		return p->ids[p->nids - 1 - rnd(p, p->nids < 8 ? p->nids :
		    8)];
	default:
		return p->ids[rnd(p, 20) == 0 ? 4 : rnd(p, 4)];
	}
}

static struct vfs_slice
pick_name(struct pair *p)
{
	static const char *const names[] = { "a", "b", "c", "d", "e", "sub",
		"f", ".", "..", "x0", "y0", "out", "A-secret", "B-secret",
		"jail" };

	return str(names[rnd(p, sizeof names / sizeof names[0])]);
}

/* Any request: fields one by one. */
#define REQ(...)	__VA_ARGS__
#define REP(...)
#define ID(f)		q->f.n = pick_id(p);
#define U32(f)		q->f = rnd(p, 8) == 0 ? rnd(p, 9) : 0;
#define U64(f)		q->f = rnd(p, 3) == 0 ? rnd(p, 9000) : 0;
#define TIME(f)		q->f = (struct vfs_time){ rnd(p, 1000000), 5 };
#define ATTR(f)
#define NAME(f)		q->f = pick_name(p);
#define BYTES(f)	q->f = pick_name(p);
#define BUF(f)
#define SINK(f)
#define OP(n, N, name, mode, lock, req, rep) \
	static void \
	make_##name(struct pair *p, void *v) \
	{ \
		struct vfs_##name *q = v; \
		(void)p, (void)q; \
		req \
	}
#include "../../protocol/ops.def"
#undef OP

static void (*const make[VFS_OP_COUNT])(struct pair *, void *) = {
#define OP(n, N, name, mode, lock, req, rep) [VFS_OP_##N] = make_##name,
#include "../../protocol/ops.def"
#undef OP
};

/* What is asked, how often.  STATFS tells of the whole store, and so does
 * JOURNAL_POS; WAIT would wait. */
static const struct {
	enum vfs_op op;
	unsigned weight;
} asked[] = {
	{ VFS_OP_LOOKUP, 8 }, { VFS_OP_WALK, 6 }, { VFS_OP_CREATE, 8 },
	{ VFS_OP_STAT, 8 }, { VFS_OP_LINK, 4 }, { VFS_OP_UNLINK, 4 },
	{ VFS_OP_RENAME, 8 }, { VFS_OP_PATHS_OF, 4 }, { VFS_OP_DIR_READ, 6 },
	{ VFS_OP_DIR_FENCE, 1 }, { VFS_OP_TREE_PUBLISH, 2 },
	{ VFS_OP_TREE_CLONE, 2 }, { VFS_OP_SETATTR, 3 },
	{ VFS_OP_ACCESS, 2 }, { VFS_OP_READLINK, 2 },
	{ VFS_OP_XATTR_GET, 2 }, { VFS_OP_XATTR_SET, 2 },
	{ VFS_OP_XATTR_LIST, 2 }, { VFS_OP_OPEN_ID, 4 }, { VFS_OP_OPEN, 5 },
	{ VFS_OP_CLOSE, 1 }, { VFS_OP_DUP, 2 }, { VFS_OP_READ, 5 },
	{ VFS_OP_WRITE, 5 }, { VFS_OP_TRUNCATE, 2 }, { VFS_OP_ALLOCATE, 1 },
	{ VFS_OP_COPY_RANGE, 3 }, { VFS_OP_SEEK, 1 }, { VFS_OP_SYNC, 1 },
	{ VFS_OP_MAP_EXTENTS, 2 }, { VFS_OP_HASH, 2 }, { VFS_OP_LOCK, 1 },
	{ VFS_OP_LOCK_TEST, 2 }, { VFS_OP_JOURNAL_READ, 3 },
	{ VFS_OP_STAT_BATCH, 3 }, { VFS_OP_LOOKUP_BATCH, 3 },
	{ VFS_OP_READ_BATCH, 2 }, { VFS_OP_TX_BEGIN, 2 },
	{ VFS_OP_TX_COMMIT, 2 }, { VFS_OP_TX_EXEC, 6 },
	{ VFS_OP_TX_STATUS, 1 }, { VFS_OP_TX_ADD, 2 },
	{ VFS_OP_TX_ABORT, 1 }, { VFS_OP_TX_SAVEPOINT, 1 },
	{ VFS_OP_TX_ROLLBACK_TO, 1 }, { VFS_OP_TREE_REMOVE, 1 },
	{ VFS_OP_TMPFILE, 1 }, { VFS_OP_XATTR_REMOVE, 1 },
	{ VFS_OP_SETTLE, 1 }, { VFS_OP_GRANT, 1 }, { VFS_OP_REVOKE, 1 },
	{ VFS_OP_SESSIONS, 1 },
};

static enum vfs_op
pick_op(struct pair *p)
{
	unsigned i, sum = 0, at;

	for (i = 0; i < sizeof asked / sizeof asked[0]; i++)
		sum += asked[i].weight;
	at = rnd(p, sum);
	for (i = 0; at >= asked[i].weight; i++)
		at -= asked[i].weight;
	return asked[i].op;
}

static void
make_list(struct pair *p, enum vfs_op op)
{
	struct proto_list l = { .p = p->list, .cap = sizeof p->list };
	unsigned i, n = 1 + rnd(p, 12);

	for (i = 0; i < n; i++)
		if (op == VFS_OP_STAT_BATCH)
			proto_id_put(&l, H(pick_id(p)));
		else if (op == VFS_OP_LOOKUP_BATCH)
			proto_place_put(&l, &(struct proto_place){
			    H(pick_id(p)), pick_name(p) });
		else
			proto_range_put(&l, &(struct proto_range){
			    H(pick_id(p)), rnd(p, 9), rnd(p, 30) });
	p->q.stat_batch.n = n;
	p->q.stat_batch.want = op == VFS_OP_READ_BATCH ? 0 : rnd(p, 2);
	p->q.stat_batch.ids = (struct vfs_slice){ l.p, l.n };
}

static void
make_exec(struct pair *p, struct rig *r)
{
	static const enum vfs_op some[] = { VFS_OP_CREATE, VFS_OP_LINK,
		VFS_OP_RENAME, VFS_OP_UNLINK, VFS_OP_SETATTR, VFS_OP_WRITE,
		VFS_OP_LOOKUP, VFS_OP_STAT };
	union proto_req q;
	unsigned i, n = 1 + rnd(p, 3);
	uint32_t kind;

	rig_new(r);
	for (i = 0; i < n; i++) {
		enum vfs_op op = some[rnd(p, sizeof some / sizeof some[0])];

		memset(&q, 0, sizeof q);
		make[op](p, &q);
		if (op == VFS_OP_CREATE)
			q.create.mode = rnd(p, 2) ? FILE_MODE : DIR_MODE;
		rig_add(r, op, &q);
	}
	for (i = rnd(p, 3); i > 0; i--) {
		kind = 1 + rnd(p, 6);
		rig_pre(r, (struct vfs_tx_pre){ .kind = kind,
		    .id = H(pick_id(p)),
		    .id2 = { kind == VFS_PRE_NAME_IS ? pick_id(p) : 0 },
		    .a = kind == VFS_PRE_HASH_IS ? VFS_HASH_SHA256 :
			kind == VFS_PRE_NAME_IS ||
			kind == VFS_PRE_NAME_ABSENT ? 0 : rnd(p, 300),
		    .name = kind == VFS_PRE_HASH_IS ? (struct vfs_slice){
			p->list, 32 } : kind == VFS_PRE_NAME_IS ||
			kind == VFS_PRE_NAME_ABSENT ? pick_name(p) :
			(struct vfs_slice){ NULL, 0 } });
	}
	p->q.tx_exec = (struct vfs_tx_exec){ .npre = r->npre,
		.nops = r->nops, .pre = { r->pre, r->npre_bytes },
		.ops = { r->ops, r->nops_bytes } };
	if (rnd(p, 3) == 0)
		p->q.tx_exec.tx_id = (struct vfs_slice){ p->list, 16 };
}

/* More sense than chance gives. */
static void
make_request(struct pair *p, enum vfs_op op)
{
	union proto_req *q = &p->q;

	memset(q, 0, sizeof *q);
	memset(p->list, (int)rnd(p, 4), 32);
	make[op](p, q);
	switch (op) {
	case VFS_OP_CREATE:
		q->create.mode = rnd(p, 2) ? FILE_MODE : DIR_MODE;
		q->create.flags = rnd(p, 2) | (rnd(p, 3) ? 0 :
		    VFS_CREATE_OPEN);
		break;
	case VFS_OP_WALK:
		q->walk.flags = rnd(p, 2);
		q->walk.rights = 0;
		q->walk.path = rnd(p, 2) ? str("../../a/../sub/f") :
		    pick_name(p);
		break;
	case VFS_OP_RENAME:
	case VFS_OP_TREE_PUBLISH:
		if (rnd(p, 4) != 0)
			q->rename.expect.n = q->rename.expect2.n = 0;
		break;
	case VFS_OP_SETATTR:
		q->setattr.valid = VFS_SET_MODE;
		q->setattr.mode = 0600 + rnd(p, 64);
		break;
	case VFS_OP_OPEN:
		q->open.flags = rnd(p, 8);
		q->open.rights = 0;
		break;
	case VFS_OP_OPEN_ID:
		q->open_id.flags = 1;
		q->open_id.rights = 0;
		break;
	case VFS_OP_XATTR_SET:
	case VFS_OP_XATTR_GET:
		q->xattr_set.name = str("user.a");
		break;
	case VFS_OP_CLOSE:
		p->handles[0] = pick_id(p);
		q->close.handles = (struct vfs_slice){ p->handles, 8 };
		break;
	case VFS_OP_HASH:
		q->hash.alg = 2;
		q->hash.flags = 0;
		break;
	case VFS_OP_LOCK:
	case VFS_OP_LOCK_TEST:
		q->lock.flags = 0;
		q->lock.type = 1 + rnd(p, 3);
		break;
	case VFS_OP_JOURNAL_READ:
		q->journal_read.seq = q->journal_read.idx = 0;
		q->journal_read.flags = rnd(p, 2);
		q->journal_read.mask = 0;
		q->journal_read.max = 0;
		q->journal_read.pattern.n = 0;
		break;
	case VFS_OP_STAT_BATCH:
	case VFS_OP_LOOKUP_BATCH:
	case VFS_OP_READ_BATCH:
		make_list(p, op);
		break;
	case VFS_OP_TX_BEGIN:
		q->tx_begin.flags = q->tx_begin.idle_ms = 0;
		break;
	case VFS_OP_TX_COMMIT:
		q->tx_commit = (struct vfs_tx_commit){ .tx = p->tx };
		break;
	case VFS_OP_TX_STATUS:
		q->tx_status.tx_id = (struct vfs_slice){ p->list, 16 };
		break;
	case VFS_OP_TX_EXEC:
		make_exec(p, p->w[0].x->r);
		break;
	case VFS_OP_TX_ADD:
		make_exec(p, p->w[0].x->r);
		q->tx_add = (struct vfs_tx_add){ .tx = p->tx,
			.nops = p->w[0].x->r->nops,
			.ops = q->tx_exec.ops };
		break;
	case VFS_OP_TX_ABORT:
	case VFS_OP_TX_SAVEPOINT:
	case VFS_OP_TX_ROLLBACK_TO:
		q->tx_abort.tx = p->tx;
		break;
	default:
		break;
	}
}

/* --- both worlds answer ------------------------------------------------------------ */

/* No draft is left for a thread to publish when it likes. */
static void
settle(struct world *w)
{
	struct vfs_sync q = { 0 };
	struct vfs_sync_reply r;

	assert_err(srig_run(w->x, w->x->own, VFS_OP_SYNC, &q, &r), OK);
}

static void
ask(struct pair *p, struct world *w, enum vfs_op op)
{
	struct proto_hdr h = { .req_id = 1 };
	union proto_rep rep;

	w->x->tx = rnd(p, 5) == 0 ? p->tx : 0;
	w->err = srig_run(w->x, w->s, op, &p->q, &rep);
	w->x->tx = 0;
	w->n = 0;
	if (w->err == 0) {
		assert_int_equal(proto_reply_encode(op, &rep, &h, w->msg,
		    MSG), 0);
		w->n = h.len;
		if (op == VFS_OP_OPEN || op == VFS_OP_OPEN_ID)
			p->handles[1] = rep.open.handle;
		if (op == VFS_OP_CREATE)
			p->handles[1] = rep.create.attr.id.n;
		if (op == VFS_OP_WALK)
			p->handles[1] = rep.walk.handle;
		if (op == VFS_OP_TX_BEGIN)
			p->handles[1] = rep.tx_begin.tx;
	}
	settle(w);
}

static void
compare(struct pair *p, enum vfs_op op, unsigned step)
{
	struct world *a = &p->w[0], *b = &p->w[1];
	uint64_t at = p->rng;

	p->handles[1] = 0;
	ask(p, a, op);
	a->x->e.trace_id = 0;
	p->rng = at;			/* the same choices */
	ask(p, b, op);
	if (a->err != b->err || a->n != b->n ||
	    memcmp(a->msg, b->msg, a->n) != 0)
		fail_msg("SEED=%llu step %u: %s answers %s and %s, %zu and "
		    "%zu bytes", (unsigned long long)p->seed, step,
		    proto_ops[op].name, vfs_err_name(a->err),
		    vfs_err_name(b->err), a->n, b->n);
	p->answered[a->err != 0]++;
}

static void
compare_errors(struct pair *p, struct proto_error *a, struct proto_error *b,
    enum vfs_op op, unsigned step)
{
	if (a->detail != b->detail || a->op_index != b->op_index)
		fail_msg("SEED=%llu step %u: the errors of %s differ",
		    (unsigned long long)p->seed, step, proto_ops[op].name);
}

/* What the other world has not moves, and gets another content. */
static void
only_here(struct world *w, const char *name, unsigned i)
{
	struct vfs_id from = i % 2 ? w->deep : w->out,
	    to = i % 2 ? w->out : w->deep, id;
	struct srig *x = w->x;

	assert_err(s_lookup(x, x->own, from, name, &id), OK);
	assert_err(s_write(x, x->own, id, 0, name, 0), OK);
	settle(w);
	assert_err(s_rename(x, x->own, from, name, to, name), OK);
}

/* Outside, the worlds go different ways, but as many. */
static void
outside(struct pair *p)
{
	char name[32], name2[32];
	unsigned k, i = p->made++;
	struct vfs_id id = { 0 };

	for (k = 0; k < 2; k++) {
		struct world *w = &p->w[k];
		struct srig *x = w->x;

		snprintf(name, sizeof name, "%c-%u", w->salt, i);
		snprintf(name2, sizeof name2, "%c-%u-%s", w->salt, i,
		    k ? "longer" : "l");
		assert_err(s_create(x, x->own, w->out, name, FILE_MODE, &id),
		    OK);
		assert_err(s_write(x, x->own, id, 0, name2, 0), OK);
		settle(w);
		assert_err(s_rename(x, x->own, w->out, name, w->deep, name2),
		    OK);
		only_here(w, k ? "two" : "one", i);
	}
	remember(p, id.n);
}

/* A directory goes out, or comes back; its name is the same in both. */
static void
move(struct pair *p, bool out)
{
	unsigned k;
	int err[2];

	for (k = 0; k < 2; k++) {
		struct world *w = &p->w[k];
		struct vfs_id in = session_root(w->s);

		err[k] = out ? s_rename(w->x, w->x->own, in, "sub", w->out,
		    "moved") : s_rename(w->x, w->x->own, w->out, "moved", in,
		    "sub");
	}
	assert_int_equal(err[0], err[1]);
}

/* Which of two objects exists is not the same in both. */
static void
plant_world(struct pair *p, unsigned k)
{
	struct world *w = &p->w[k];
	struct srig *x = w->x;
	struct vfs_id one, two;
	struct tree t;

	w->s = plant(x, &t);
	w->out = t.out;
	w->salt = k ? 'B' : 'A';
	assert_err(s_create(x, x->own, t.out, "deep", DIR_MODE, &w->deep),
	    OK);
	assert_err(s_create(x, x->own, t.out, "one", FILE_MODE, &one), OK);
	assert_err(s_create(x, x->own, t.out, "two", FILE_MODE, &two), OK);
	assert_err(s_unlink(x, x->own, t.out, k ? "one" : "two"), OK);
	assert_err(s_create(x, x->own, t.out, k ? "B-secret" : "A-secret",
	    FILE_MODE, NULL), OK);
	assert_err(s_write(x, x->own, t.outf, 0, k ? "to B or" :
	    "or not to B", 0), OK);
	settle(w);
	if (k == 0) {
		uint64_t ids[] = { t.jail.n, t.sub.n, t.subf.n, t.f.n,
			t.out.n, t.outf.n, w->deep.n, one.n, two.n };
		unsigned i;

		for (i = 0; i < sizeof ids / sizeof ids[0]; i++)
			remember(p, ids[i]);
	}
}

static void
confined__a_thousand_requests__tell_nothing_of_outside(void **state)
{
	struct pair *p = calloc(1, sizeof *p);
	const char *env = getenv("SEED");
	unsigned k, step;
	uint64_t before;

	(void)state;
	p->seed = p->rng = env != NULL ? strtoull(env, NULL, 10) :
	    (uint64_t)time(NULL);
	printf("# SEED=%llu\n", (unsigned long long)p->seed);
	for (k = 0; k < 2; k++) {
		p->w[k].x = srig_open();
		p->w[k].msg = malloc(MSG);
		plant_world(p, k);
	}
	for (step = 0; step < STEPS; step++) {
		enum vfs_op op = pick_op(p);

		make_request(p, op);
		before = fx_part_digest(p->w[0].x->r->fx, "/out");
		compare(p, op, step);
		if (p->w[0].err != 0)
			compare_errors(p, &p->w[0].x->e, &p->w[1].x->e, op,
			    step);
		if (fx_part_digest(p->w[0].x->r->fx, "/out") != before)
			fail_msg("SEED=%llu step %u: %s has changed what "
			    "lies outside", (unsigned long long)p->seed,
			    step, proto_ops[op].name);
		if (op == VFS_OP_TX_COMMIT || op == VFS_OP_TX_ABORT)
			p->tx = 0;
		if (p->w[0].err == 0 && p->handles[1] != 0) {
			if (op == VFS_OP_TX_BEGIN)
				p->tx = p->handles[1];
			else
				remember(p, p->handles[1]);
		}
		if (rnd(p, 10) == 0)
			outside(p);
		if (rnd(p, 50) == 0)
			move(p, rnd(p, 4) == 0);
	}
	printf("# %u answered, %u refused\n", p->answered[0],
	    p->answered[1]);
	assert_true(p->answered[0] > STEPS / 10);
	for (k = 0; k < 2; k++) {
		srig_end(p->w[k].s);	/* and its transactions' blocks */
		assert_int_equal(fx_check(p->w[k].x->r->fx), 0);
		srig_close(p->w[k].x);
		free(p->w[k].msg);
	}
	free(p);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(
		    confined__a_thousand_requests__tell_nothing_of_outside),
	};

	return cmocka_run_group_tests_name("sessions: two worlds", tests,
	    NULL, NULL);
}
