/*
 * Operations, any of them in any order, through the dispatcher on a store
 * in memory; every result, and the whole tree now and then, is that of
 * the model of tests/unit/core_model.h.  Some run in a transaction that
 * goes back to savepoints, is given up or committed; some stop the store:
 * kill -9, power cut, in order.  Bytes say which, with what; no thread
 * runs (the Makefile wraps pthread_create).
 */
#include <pthread.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

/* In place of cmocka, which has no place in a fuzzer. */
#define TESTS_CM_H
#include "../tests/fx.h"
#define print_message	printf
#define assert_true(x)	((x) ? (void)0 : wrong(#x, __LINE__))
#define assert_int_equal(a, b)	assert_true((a) == (b))
#define assert_err(got, want)	assert_true((got) == ops_##want)
enum { ops_OK = 0 };

static void
wrong(const char *what, int line)
{
	printf("not so in line %d: %s\n", line, what);
	fflush(stdout);
	abort();
}

#define SIZE_MAX_	12000u		/* copies of the model cost */
#include "../tests/unit/core_model.h"
#include "../tests/unit/model_ops.h"
#include "../tests/unit/tree_model.h"
#include "../vfsd/server/dispatch.h"
#include "../vfsd/server/tx.h"
#include "fuzz.h"

#define OWNER		1u
#define OPS_MAX		400u
#define TX_OPS_MAX	40u
#define SAVES		4u
#define NAMED		8u
#define FULL		60u		/* objects, 24 KB each here */

int __wrap_pthread_create(pthread_t *t, const pthread_attr_t *a,
    void *(*fn)(void *), void *arg);
int __wrap_pthread_join(pthread_t t, void **r);

int
__wrap_pthread_create(pthread_t *t, const pthread_attr_t *a,
    void *(*fn)(void *), void *arg)
{
	(void)a, (void)fn, (void)arg;
	memset(t, 0, sizeof *t);
	return 0;
}

int
__wrap_pthread_join(pthread_t t, void **r)
{
	(void)t, (void)r;
	return 0;
}

/* A tree as it was, to go back to. */
struct save {
	struct obj *root;
	uint32_t number;
};

struct ops {
	struct model m;
	struct server *s;
	uint64_t tx;			/* 0: none is open */
	unsigned nops;			/* in it */
	struct save saves[1 + SAVES];	/* 0: where it began */
	unsigned nsaves;
	struct {
		uint64_t n;
		bool committed;
	} named[NAMED];			/* the last names of commits */
	uint64_t names;
};

/* --- the store -------------------------------------------------------------- */

static int
via(void *arg, enum vfs_op op, const void *q, void *r)
{
	struct ops *o = arg;
	struct tx_ref ref = { o->tx, OWNER };

	if (o->tx == 0)
		return dispatch(o->s, op, &o->m.fx->env, q, r);
	return tx_op(o->s, &o->m.fx->env, ref, op, q, r);
}

static void
start(struct ops *o)
{
	struct server_conf conf = { .engine = o->m.fx->e };

	assert_int_equal(server_new(&conf, &o->s), 0);
}

static void
look(struct ops *o)
{
	if (o->tx == 0) {
		compare(&o->m);
		return;
	}
	compare_dumps(&o->m);	/* in it; the checker would look past it */
}

/* --- the model, twice --------------------------------------------------------- */

static struct obj *
again(struct obj *o, struct twins *t)
{
	struct obj *c;
	unsigned i;

	for (i = 0; i < t->n; i++)
		if (t->v[i].o == o)
			return t->v[i].copy;
	if ((c = malloc(sizeof *c)) == NULL)
		abort();
	*c = *o;
	c->nkids = 0;
	c->refs = 0;
	if (o->type != VFS_DIR) {
		t->v[t->n].o = o;
		t->v[t->n++].copy = c;
	}
	for (i = 0; i < o->nkids; i++) {
		c->kids[c->nkids].name = o->kids[i].name;
		c->kids[c->nkids].o = again(o->kids[i].o, t);
		c->kids[c->nkids].o->refs++;
		if (o->kids[i].o->type == VFS_DIR)
			c->kids[c->nkids].o->up = c;
		c->nkids++;
	}
	return c;
}

static struct obj *
tree_copy(struct obj *root)
{
	struct twins t = { .n = 0 };
	struct obj *c = again(root, &t);

	c->refs = 1;
	return c;
}

/* The model is as it was there; later ones are of no use. */
static void
go_back(struct ops *o, unsigned save)
{
	tree_free(o->m.root);
	o->m.root = tree_copy(o->saves[save].root);
	while (o->nsaves > save + 1)
		tree_free(o->saves[--o->nsaves].root);
}

static void
forget_saves(struct ops *o)
{
	while (o->nsaves > 0)
		tree_free(o->saves[--o->nsaves].root);
	o->tx = 0;
}

static void
keep(struct ops *o, uint32_t number)
{
	o->saves[o->nsaves++] = (struct save){ tree_copy(o->m.root), number };
}

/* --- transactions --------------------------------------------------------------- */

static struct vfs_slice
name_of(uint64_t n, uint8_t buf[VFS_TX_ID_BYTES])
{
	memset(buf, 0, VFS_TX_ID_BYTES);
	memcpy(buf, &n, sizeof n);
	return (struct vfs_slice){ buf, n ? VFS_TX_ID_BYTES : 0 };
}

static void
known(struct ops *o)
{
	uint8_t buf[VFS_TX_ID_BYTES];
	struct tx_verdict v = { .cap = 0 };
	unsigned i;

	for (i = 0; i < NAMED; i++) {
		struct vfs_tx_status q = { name_of(o->named[i].n, buf) };

		if (o->named[i].n == 0)
			continue;
		same(&o->m, tx_status(o->s, &q, &v), 0);
		assert_true((v.state == VFS_TX_COMMITTED) ==
		    o->named[i].committed);
	}
}

static void
tx_start(struct ops *o)
{
	struct vfs_tx_begin q = { .flags = 0 };
	struct vfs_tx_begin_reply r;

	same(&o->m, tx_begin(o->s, VFS_TX_OPEN_MAX, OWNER, &q, &r), 0);
	o->tx = r.tx;
	o->nops = 0;
	keep(o, 0);
}

static void
tx_end(struct ops *o, bool commit)
{
	struct tx_ref ref = { o->tx, OWNER };
	uint8_t buf[VFS_TX_ID_BYTES];
	struct vfs_tx_commit q = { .tx = o->tx,
	    .durability = draw(&o->m, 2) };
	struct tx_verdict v = { .cap = 0 };
	uint64_t name = draw(&o->m, 2) ? ++o->names : 0;

	q.tx_id = name_of(name, buf);
	if (commit) {
		same(&o->m, tx_commit(o->s, &o->m.fx->env, OWNER, &q, &v), 0);
	} else {
		same(&o->m, tx_abort(o->s, ref), 0);
		go_back(o, 0);
	}
	forget_saves(o);
	o->named[name % NAMED].n = name;
	o->named[name % NAMED].committed = commit;
	compare(&o->m);
}

static void
tx_way_back(struct ops *o)
{
	struct tx_ref ref = { o->tx, OWNER };
	uint32_t number;
	unsigned to;

	if (draw(&o->m, 2) && o->nsaves <= SAVES) {
		same(&o->m, tx_savepoint(o->s, ref, &number), 0);
		keep(o, number);
	} else if (o->nsaves > 1) {
		to = 1 + draw(&o->m, o->nsaves - 1);
		same(&o->m, tx_rollback_to(o->s, ref,
		    o->saves[to].number), 0);
		go_back(o, to);
		compare_dumps(&o->m);
	}
}

static void
tx_act(struct ops *o)
{
	snprintf(o->m.done, sizeof o->m.done, "transaction");
	if (o->tx == 0)
		tx_start(o);
	else if (o->nops >= TX_OPS_MAX || draw(&o->m, 3) == 0)
		tx_end(o, draw(&o->m, 3) > 0);
	else
		tx_way_back(o);
}

/* --- stops ------------------------------------------------------------------------ */

static void
killed(struct ops *o)
{
	tx_abort_all(o->s, OWNER);
	server_kill(o->s);
	fx_reopen(o->m.fx);
	start(o);			/* publishes what it finds */
	publish_below(o->m.root, false);
}

static void
power_cut(struct ops *o)
{
	tx_abort_all(o->s, OWNER);
	server_kill(o->s);
	fx_reboot(o->m.fx);
	publish_below(o->m.root, true);
	start(o);
}

static void
restarted(struct ops *o)
{
	server_free(o->s);
	publish_below(o->m.root, false);
	fx_restart(o->m.fx);
	start(o);
}

static void
synced(struct ops *o)
{
	struct vfs_sync q = { .flags = 0 };
	struct vfs_sync_reply r;

	same(&o->m, dispatch(o->s, VFS_OP_SYNC, &o->m.fx->env, &q, &r), 0);
	publish_below(o->m.root, false);
}

static void
reaped(struct ops *o)
{
	while (server_reap(o->s) > 0)
		;
}

static void
checkpointed(struct ops *o)
{
	same(&o->m, engine_checkpoint(o->m.fx->e), 0);
}

static void
stop(struct ops *o)
{
	static void (*const ways[])(struct ops *) = { killed, power_cut,
	    restarted, synced, reaped, checkpointed };
	unsigned way = draw(&o->m, 6);

	snprintf(o->m.done, sizeof o->m.done, "stop %u", way);
	if (o->tx != 0 && way < 3) {
		go_back(o, 0);
		forget_saves(o);
	} else if (o->tx != 0 && way < 5) {
		return;			/* would be others' changes */
	}
	ways[way](o);
	known(o);
	look(o);
}

/* --- operations --------------------------------------------------------------------- */

/* A transaction leaves no draft. */
static void
bytes(struct model *m, const char *path)
{
	const struct ops *o = m->fx->via_arg;
	struct obj *f;

	do_bytes(m, path);
	if (o->tx != 0 && object(m, path, &f) == 0)
		publish(f);
}

static void
tree_remove(struct model *m, const char *path)
{
	snprintf(m->done, sizeof m->done, "tree remove %s", path);
	same(m, fx_tree_remove(m->fx, path), m_tree_remove(m, path));
}

static void
tree_publish(struct model *m, const char *path)
{
	static const uint32_t flags[] = { 0, VFS_RENAME_NOREPLACE,
		VFS_RENAME_EXCHANGE, VFS_TREE_REPLACE };
	uint32_t flag = flags[draw(m, 4)];
	char path2[32];

	draw_path(m, path2);
	snprintf(m->done, sizeof m->done, "tree publish %s %s %u", path,
	    path2, flag);
	same(m, fx_tree_publish(m->fx, path, path2, flag),
	    flag == VFS_TREE_REPLACE ? m_replace(m, path, path2) :
	    m_rename(m, path, path2, flag));
}

static void
tree_clone(struct model *m, const char *path)
{
	const struct ops *o = m->fx->via_arg;
	struct obj *src;
	char path2[32];

	draw_free(m, path2);
	snprintf(m->done, sizeof m->done, "tree clone %s %s", path, path2);
	if (o->tx != 0 || (object(m, path, &src) == 0 &&
	    count(src) + count(m->root) > FULL))
		return;
	same(m, fx_tree_clone(m->fx, path, path2),
	    m_tree_clone(m, path, path2));
}

static void
make(struct model *m, const char *path)
{
	if (count(m->root) < FULL)
		do_make(m, path);
}

static void
one(struct ops *o)
{
	static void (*const ops[])(struct model *, const char *) = {
		make, make, make, do_names, do_names, do_remove, do_chmod,
		do_xattr, bytes, bytes, tree_remove, tree_publish,
		tree_clone,
	};
	unsigned what = draw(&o->m, 24);
	char path[32];

	if (what >= 20) {
		stop(o);
	} else if (what >= 14) {
		tx_act(o);
	} else if (what == 13) {
		look(o);
	} else if (o->tx == 0 || o->nops++ < TX_OPS_MAX) {
		draw_path(&o->m, path);
		ops[what](&o->m, path);
	}
	while (engine_step(o->m.fx->e) > 0)
		;
}

int
LLVMFuzzerTestOneInput(const uint8_t *p, size_t n)
{
	static struct ops o;
	unsigned i;

	o = (struct ops){ .m = { .fx = fx_open(), .in = p, .end = p + n } };
	o.m.root = obj_new(VFS_DIR, 0755);
	o.m.root->refs = 1;
	o.m.fx->via = via;
	o.m.fx->via_arg = &o;
	start(&o);
	for (i = 0; i < OPS_MAX && o.m.in < o.m.end; i++)
		one(&o);
	if (o.tx != 0)
		tx_end(&o, true);
	reaped(&o);
	look(&o);
	tree_free(o.m.root);
	server_kill(o.s);
	fx_close(o.m.fx);
	return 0;
}
