/*
 * faults.c - the n-th system call fails (rig R5)
 *
 * For every mutating operation and act, and each kind of call: let the
 * n-th one fail, once or from then on, until none does.  What failed must
 * have changed nothing, in memory and after kill -9; what was
 * acknowledged must be there; a failed write or sync latches the engine.
 */
#include <errno.h>
#include <stdarg.h>
#include <stddef.h>
#include <setjmp.h>
#include <cmocka.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "rig/life.h"
#include "rig/real.h"

#define NTH_MAX		400
#define SETUPS		3
#define TX_SETUPS	16

struct fx {
	char base[40];
	struct tally tally;
	struct life *l;
	struct image image;
	unsigned fired;			/* runs in which a call failed */
};

static const unsigned kinds[] = { FAULT_WRITE, FAULT_SYNC, FAULT_SPACE,
    FAULT_READ };
static const char *const kind_names[] = { "write", "sync", "space", "read" };

static int
setup(void **state)
{
	struct fx *fx = calloc(1, sizeof(*fx));
	char dir[80];

	strcpy(fx->base, "/dev/shm/vfsd-crash.XXXXXX");
	assert_non_null(mkdtemp(fx->base));
	fx->tally.seen_max = 1024;
	fx->tally.seen = calloc(1024, sizeof(uint64_t));
	assert_int_equal(life_new(fx->base, &fx->tally, &fx->l), 0);
	assert_true(life_create(fx->l));
	snprintf(dir, sizeof(dir), "%s/image", fx->base);
	assert_int_equal(__real_mkdir(dir, 0700), 0);
	fx->image.disk = disk_new(dir, false);
	life_end(fx->l);
	disk_flush(fx->l->live);
	disk_copy(fx->image.disk, fx->l->live);
	*state = fx;
	return 0;
}

static int
teardown(void **state)
{
	struct fx *fx = *state;

	life_free(fx->l);
	disk_free(fx->image.disk);
	disk_now_ns = 0;
	assert_int_equal(rmdir(fx->base), 0);
	free(fx->tally.seen);
	free(fx);
	return 0;
}

static void
arm(unsigned kind, int nth, bool forever)
{
	disk_fault = (struct disk_fault){ .left = nth, .error = EIO,
	    .kinds = kind, .forever = forever };
}

static void
disarm(void)
{
	disk_fault.left = -1;
}

/* The same few files, drafts and unsynced rows each time. */
static void
prepare(struct fx *fx, uint64_t seed, struct rng *r)
{
	struct step st;
	int i;

	r->s = seed * 0xD1342543DE82EF95ull;
	disarm();
	disk_fault.fired = 0;
	assert_true(life_begin(fx->l, &fx->image, seed));
	fx->l->quiet = true;
	for (i = 0; i < 12; i++) {
		do
			step_random(fx->l, r, &st);
		while (st.act > ACT_RELEASE);
		if (!life_step(fx->l, &st))
			fail_msg("%s: %s", st.text, fx->l->why);
	}
}

static uint64_t
digest(struct fx *fx)
{
	struct walk w;

	if (walk_engine(fx->l->e, true, &w) < 0 || w.bad[0])
		fail_msg("walk: %s", w.bad);
	return w.full;
}

/* Everything that could go wrong later goes wrong now. */
static void
force(struct fx *fx)
{
	(void)engine_sync(fx->l->e);
	(void)engine_checkpoint(fx->l->e);
	(void)engine_sync(fx->l->e);
}

static void
latched_is_latched(struct fx *fx, const char *what)
{
	struct engine_status es;
	struct req_env env = walk_env;
	struct vfs_setattr q = { .id = { VFS_ID_ROOT },
	    .valid = VFS_SET_MODE, .mode = 0700 };
	struct vfs_setattr_reply r;
	uint64_t before = digest(fx);

	engine_status(fx->l->e, &es);
	if (!es.latched)
		fail_msg("%s: the engine is not latched", what);
	assert_int_equal(dispatch(fx->l->s, VFS_OP_SETATTR, &env, &q, &r),
	    -VFS_ROFS);
	assert_true(digest(fx) == before);
}

/* The row store's own reads of its file cannot be told from others. */
static bool
must_latch(unsigned kind)
{
	return (kind == FAULT_WRITE || kind == FAULT_SYNC) &&
	    strcmp(disk_fault.where, "unlinkat") != 0;
}

/* (A sync comes behind the change.) */
static bool
all_or_nothing(const struct step *st)
{
	return st->act == ACT_TX ? !st->tx->stable :
	    st->act == ACT_OP && st->op != VFS_OP_SYNC;
}

static bool
once(struct fx *fx, enum act act, enum vfs_op op, uint64_t seed,
    unsigned kind, int nth, bool forever, const char *name)
{
	struct life *l = fx->l;
	struct req_env env = walk_env;
	uint64_t before, after;
	char what[260];
	struct step st;
	struct rng r;
	bool fired;
	int err;

	prepare(fx, seed, &r);
	if (!step_make(l, &r, act, op, &st)) {
		life_end(l);
		return false;
	}
	before = digest(fx);
	env.now.sec = (int64_t)(disk_now_ns / 1000000000u);
	l->appends = 0;
	arm(kind, nth, forever);
	err = step_run(l->s, &st, &env);
	force(fx);
	fired = disk_fault.fired > 0;
	disarm();
	snprintf(what, sizeof(what), "seed %llu: %s: %s %d fails %s (in %s), "
	    "the answer %s", (unsigned long long)seed, st.text, name, nth,
	    forever ? "for ever" : "once", fired ? disk_fault.where : "-",
	    err < 0 ? vfs_err_text(err) : "ok");
	after = digest(fx);
	if (fired && err < 0 && all_or_nothing(&st) && after != before)
		fail_msg("%s: rows changed", what);
	if (fired && must_latch(kind))
		latched_is_latched(fx, what);
	life_kill(l);
	if (!life_open(l, &after))
		fail_msg("%s: after kill -9: %s", what, l->why);
	life_end(l);
	disk_killed(l->live);
	fx->fired += fired;
	return fired;
}

static void
every_call(struct fx *fx, enum act act, enum vfs_op op, unsigned setups)
{
	unsigned k, s;
	int nth;

	for (s = 1; s <= setups; s++)
		for (k = 0; k < sizeof(kinds) / sizeof(kinds[0]); k++) {
			for (nth = 0; nth < NTH_MAX && once(fx, act, op, s,
			    kinds[k], nth, false, kind_names[k]); nth++)
				;
			assert_true(nth < NTH_MAX);
			for (nth = 0; nth < NTH_MAX && once(fx, act, op, s,
			    kinds[k], nth, true, kind_names[k]); nth++)
				;
		}
}

/* From the table: what is added to it is tested here. */
static void
faults__any_call_of_any_operation__changes_nothing_or_all(void **state)
{
	static const struct {
		enum vfs_op op;
		bool writes;
	} ops[] = {
#define MODE_READ	false
#define MODE_WRITE	true
#define MODE_NONE	false
#define OP(n, N, name, mode, lock, req, rep) { VFS_OP_##N, MODE_##mode },
#include "../../protocol/ops.def"
#undef OP
	};
	struct fx *fx = *state;
	unsigned i, before;

	for (i = 0; i < sizeof(ops) / sizeof(ops[0]); i++) {
		if (!ops[i].writes && ops[i].op != VFS_OP_SYNC)
			continue;
		before = fx->fired;
		every_call(fx, ACT_OP, ops[i].op, SETUPS);
		if (fx->fired == before)
			fail_msg("operation %u was never made to fail",
			    ops[i].op);
	}
}

static void
faults__any_call_of_background_work__changes_nothing(void **state)
{
	static const enum act acts[] = { ACT_DROP, ACT_RELEASE,
	    ACT_CHECKPOINT, ACT_STEP };
	unsigned i;

	for (i = 0; i < sizeof(acts) / sizeof(acts[0]); i++)
		every_call(*state, acts[i], VFS_OP_NONE, SETUPS);
}

static void
faults__any_call_of_a_transaction__changes_nothing_or_all(void **state)
{
	struct fx *fx = *state;
	unsigned before = fx->fired;

	every_call(fx, ACT_TX, VFS_OP_NONE, TX_SETUPS);
	assert_true(fx->fired > before);
}

/* Opening: an error or a store, and the next try finds everything. */
static bool
open_once(struct fx *fx, unsigned kind, int nth, bool forever)
{
	struct life *l = fx->l;
	struct engine *e = NULL;
	struct rng r;
	uint64_t want;
	bool fired;

	prepare(fx, 2, &r);
	want = digest(fx);
	life_kill(l);
	l->conf.boot[0] = l->boot;
	arm(kind, nth, forever);
	if (engine_open(&l->conf, &e) == 0)
		engine_kill(e);
	fired = disk_fault.fired > 0;
	disarm();
	disk_killed(l->live);
	if (!life_open(l, &want))
		fail_msg("call %d of kind %u: %s", nth, kind, l->why);
	life_end(l);
	disk_killed(l->live);
	fx->fired += fired;
	return fired;
}

static void
faults__any_call_of_an_open__the_next_open_finds_all(void **state)
{
	static const unsigned open_kinds[] = { FAULT_WRITE, FAULT_SYNC,
	    FAULT_READ, FAULT_OPEN };
	unsigned k, forever;
	int nth;

	for (k = 0; k < 4; k++)
		for (forever = 0; forever < 2; forever++) {
			for (nth = 0; nth < NTH_MAX && open_once(*state,
			    open_kinds[k], nth, forever); nth++)
				;
			assert_true(nth > 0 && nth < NTH_MAX);
		}
}

/* Closing: drafts were published before, so nothing may be lost. */
static bool
close_once(struct fx *fx, unsigned kind, int nth, bool forever)
{
	struct life *l = fx->l;
	struct rng r;
	uint64_t want;
	bool fired;
	int err;

	prepare(fx, 3, &r);
	server_free(l->s);
	l->s = NULL;
	want = digest(fx);
	arm(kind, nth, forever);
	err = engine_close(l->e);
	fired = disk_fault.fired > 0;
	disarm();
	l->e = NULL;
	/* (giving back what was reserved may fail) */
	if (fired && err == 0 && strcmp(disk_fault.where, "ftruncate") != 0)
		fail_msg("close: call %d of kind %u (%s) failed, the answer "
		    "is 0", nth, kind, disk_fault.where);
	disk_killed(l->live);
	if (!life_open(l, &want))
		fail_msg("close: call %d of kind %u: %s", nth, kind, l->why);
	life_end(l);
	disk_killed(l->live);
	fx->fired += fired;
	return fired;
}

static void
faults__any_call_of_a_close__nothing_is_lost(void **state)
{
	unsigned k, forever;
	int nth;

	for (k = 0; k < 2; k++)
		for (forever = 0; forever < 2; forever++) {
			for (nth = 0; nth < NTH_MAX && close_once(*state,
			    kinds[k], nth, forever); nth++)
				;
			assert_true(nth > 0 && nth < NTH_MAX);
		}
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(faults__any_call_of_any_operation__changes_nothing_or_all),
		cmocka_unit_test(faults__any_call_of_a_transaction__changes_nothing_or_all),
		cmocka_unit_test(faults__any_call_of_background_work__changes_nothing),
		cmocka_unit_test(faults__any_call_of_an_open__the_next_open_finds_all),
		cmocka_unit_test(faults__any_call_of_a_close__nothing_is_lost),
	};

	return cmocka_run_group_tests_name("crash/faults", tests, setup,
	    teardown);
}
