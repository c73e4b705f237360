/*
 * Transactions by several threads at once.  A bank: money moves between
 * accounts, auditors always see the same sum.  Doctors on call: each may
 * go home if another stays, which only serializability guarantees.  A
 * counter: no increment is lost.  The seed is printed; SEED=n repeats it.
 */
#include <pthread.h>
#include <sched.h>
#include <stdatomic.h>
#include <time.h>

#include "../../backends/mem/mem.h"
#include "../tx_rig.h"
#include "../cm.h"

#define DIRFD		(-3100)		/* the mem backends' name for it */
#define FILE_MODE	0100644u
#define TELLERS		3u
#define ACCOUNTS	6u
#define START		1000
#define ROUNDS		300
#define BLOCKS_AT	8192u		/* a balance beyond inline bytes */

struct world {
	struct server *s;
	struct vfs_id files[ACCOUNTS];
	_Atomic unsigned busy;
	_Atomic uint64_t commits, conflicts, bad;
	uint64_t seed;
};

struct worker {
	struct world *w;
	unsigned seed, no;
	pthread_t thread;
};

static struct req_env
env_now(void)
{
	struct timespec ts;

	clock_gettime(CLOCK_REALTIME, &ts);
	return (struct req_env){ .now = { ts.tv_sec, (uint32_t)ts.tv_nsec },
	    .kernel_checked = true, .privileged = true };
}

static uint64_t
begin(struct worker *k)
{
	struct vfs_tx_begin q = { 0 };
	struct vfs_tx_begin_reply r;

	return tx_begin(k->w->s, VFS_TX_OPEN_MAX, k->no + 1, &q, &r) == 0 ?
	    r.tx : 0;
}

static int
ask(struct worker *k, uint64_t tx, enum vfs_op op, const void *q, void *r)
{
	struct req_env env = env_now();

	if (tx == 0)
		return dispatch(k->w->s, op, &env, q, r);
	return tx_op(k->w->s, &env, (struct tx_ref){ tx, k->no + 1 }, op, q,
	    r);
}

/* Half of the accounts have their balance in a block. */
static uint64_t
off_of(unsigned i)
{
	return i % 2 ? BLOCKS_AT : 0;
}

static int
get(struct worker *k, uint64_t tx, unsigned i, int *out)
{
	struct vfs_read q = { .id = k->w->files[i], .off = off_of(i),
		.count = sizeof *out };
	struct vfs_read_reply r = { .data = { out, sizeof *out, 0 } };
	int err;

	sched_yield();			/* let the others come between */
	err = ask(k, tx, VFS_OP_READ, &q, &r);

	return err < 0 ? err : r.data.n == sizeof *out ? 0 : -VFS_IO;
}

static int
put(struct worker *k, uint64_t tx, unsigned i, int n)
{
	struct vfs_write q = { .id = k->w->files[i], .off = off_of(i),
		.data = { &n, sizeof n } };
	struct vfs_write_reply r;

	return ask(k, tx, VFS_OP_WRITE, &q, &r);
}

/* 1 if it was committed, 0 if somebody was faster. */
static int
commit(struct worker *k, uint64_t tx)
{
	struct req_env env = env_now();
	struct vfs_tx_commit q = { .tx = tx };
	struct tx_verdict v = { .cap = 0 };
	int err = tx_commit(k->w->s, &env, k->no + 1, &q, &v);

	if (err == 0)
		atomic_fetch_add(&k->w->commits, 1);
	else if (err == -VFS_CONFLICT)
		atomic_fetch_add(&k->w->conflicts, 1);
	else if (err != -VFS_EXPIRED)
		atomic_fetch_add(&k->w->bad, 1);
	return err == 0;
}

static void
give_up(struct worker *k, uint64_t tx, int err)
{
	tx_abort(k->w->s, (struct tx_ref){ tx, k->no + 1 });
	if (err != 0 && err != -VFS_EXPIRED)
		atomic_fetch_add(&k->w->bad, 1);
}

/* --- the bank ----------------------------------------------------------- */

static void
transfer(struct worker *k)
{
	unsigned a = (unsigned)rand_r(&k->seed) % ACCOUNTS;
	unsigned b = (a + 1 + (unsigned)rand_r(&k->seed) % (ACCOUNTS - 1)) %
	    ACCOUNTS;
	int sum = rand_r(&k->seed) % 50, x, y, err;
	uint64_t tx = begin(k);

	if ((err = get(k, tx, a, &x)) < 0 || (err = get(k, tx, b, &y)) < 0 ||
	    (err = put(k, tx, a, x - sum)) < 0 ||
	    (err = put(k, tx, b, y + sum)) < 0)
		give_up(k, tx, err);
	else
		commit(k, tx);
}

static void *
teller(void *arg)
{
	struct worker *k = arg;
	unsigned i;

	for (i = 0; i < ROUNDS; i++)
		transfer(k);
	atomic_fetch_sub(&k->w->busy, 1);
	return NULL;
}

static void *
auditor(void *arg)
{
	struct worker *k = arg;
	int sum, x, err;
	uint64_t tx;
	unsigned i;

	while (atomic_load(&k->w->busy) > 0) {
		tx = begin(k);
		for (sum = 0, err = 0, i = 0; err == 0 && i < ACCOUNTS; i++)
			if ((err = get(k, tx, i, &x)) == 0)
				sum += x;
		if (err == 0 && sum != (int)(ACCOUNTS * START))
			atomic_fetch_add(&k->w->bad, 1);
		give_up(k, tx, err);
	}
	return NULL;
}

/* Others who make names, and plain checkpoints: nobody is in the way. */
static void *
bystander(void *arg)
{
	struct worker *k = arg;
	struct vfs_create q = { .dir = ROOT, .mode = FILE_MODE };
	struct vfs_create_reply r;
	char name[32];
	unsigned i;

	for (i = 0; atomic_load(&k->w->busy) > 0; i++) {
		q.name = (struct vfs_slice){ name,
			(size_t)sprintf(name, "by%u", i) };
		if (ask(k, 0, VFS_OP_CREATE, &q, &r) < 0)
			atomic_fetch_add(&k->w->bad, 1);
		if (i % 500 == 0)
			(void)engine_checkpoint(server_engine(k->w->s));
	}
	return NULL;
}

/* --- the counter -------------------------------------------------------- */

static void *
counter(void *arg)
{
	struct worker *k = arg;
	unsigned i;
	uint64_t tx;
	int x, err;

	for (i = 0; i < ROUNDS; ) {
		tx = begin(k);
		if ((err = get(k, tx, 0, &x)) < 0 ||
		    (err = put(k, tx, 0, x + 1)) < 0)
			give_up(k, tx, err);
		else
			i += (unsigned)commit(k, tx);
	}
	atomic_fetch_sub(&k->w->busy, 1);
	return NULL;
}

/* --- doctors ------------------------------------------------------------ */

/* Who is on call has 1 in his file; one at least must be. */
static void *
doctor(void *arg)
{
	struct worker *k = arg;
	unsigned i, j;
	uint64_t tx;
	int on, x, err;

	for (i = 0; i < ROUNDS; i++) {
		tx = begin(k);
		for (on = 0, err = 0, j = 0; err == 0 && j < TELLERS; j++)
			if ((err = get(k, tx, j, &x)) == 0)
				on += x;
		if (err == 0 && on < 1)
			atomic_fetch_add(&k->w->bad, 1);
		if (err == 0)
			err = put(k, tx, k->no, i % 2 == 0 && on > 1 ? 0 : 1);
		if (err < 0)
			give_up(k, tx, err);
		else
			commit(k, tx);
	}
	atomic_fetch_sub(&k->w->busy, 1);
	return NULL;
}

/* --- running ------------------------------------------------------------ */

static void
fill(struct world *w, int start)
{
	struct worker k = { .w = w, .no = 99 };
	struct vfs_create q = { .dir = ROOT, .mode = FILE_MODE };
	struct vfs_create_reply r;
	char name[16];
	unsigned i;

	for (i = 0; i < ACCOUNTS; i++) {
		q.name = (struct vfs_slice){ name,
			(size_t)sprintf(name, "a%u", i) };
		assert_err(ask(&k, 0, VFS_OP_CREATE, &q, &r), OK);
		w->files[i] = r.attr.id;
		assert_err(put(&k, 0, i, start), OK);
	}
}

static void
run(struct world *w, struct worker *ks, unsigned n,
    void *(*const fn[])(void *))
{
	const char *seed = getenv("SEED");
	unsigned i;

	w->seed = seed != NULL ? strtoull(seed, NULL, 0) :
	    (uint64_t)time(NULL);
	print_message("# SEED=%llu\n", (unsigned long long)w->seed);
	atomic_store(&w->busy, TELLERS);
	for (i = 0; i < n; i++) {
		ks[i] = (struct worker){ .w = w, .no = i,
			.seed = (unsigned)w->seed + i };
		assert_int_equal(pthread_create(&ks[i].thread, NULL, fn[i],
		    &ks[i]), 0);
	}
	for (i = 0; i < n; i++)
		pthread_join(ks[i].thread, NULL);
	print_message("# %llu commits, %llu conflicts\n",
	    (unsigned long long)atomic_load(&w->commits),
	    (unsigned long long)atomic_load(&w->conflicts));
	assert_int_equal(atomic_load(&w->bad), 0);
}

static int
sum_now(struct world *w, unsigned n)
{
	struct worker k = { .w = w, .no = 99 };
	int sum = 0, x;
	unsigned i;

	for (i = 0; i < n; i++) {
		assert_err(get(&k, 0, i, &x), OK);
		sum += x;
	}
	return sum;
}

struct place {
	struct core_root root;
	struct engine_conf conf;
	struct server_conf sc;
};

static void
open_world(struct place *p, struct world *w)
{
	p->root = (struct core_root){ .mode = 0755 };
	p->conf = (struct engine_conf){ .dirfd = DIRFD, .create = true,
	    .log_bytes = 8 << 20, .table_rows_max = 20000, .boot = { 1, 1 },
	    .now = env_now().now, .store = &be_store_mem,
	    .log = &be_log_mem, .data = &be_data_mem,
	    .format = core_format, .format_arg = &p->root };
	p->sc = (struct server_conf){ .sync_all = false };
	assert_err(engine_open(&p->conf, &p->sc.engine), OK);
	assert_err(server_new(&p->sc, &w->s), OK);
}

/* Another daemon, after kill -9. */
static void
kill_world(struct place *p, struct world *w)
{
	server_kill(w->s);
	engine_kill(p->sc.engine);
	p->conf.now = env_now().now;
	assert_err(engine_open(&p->conf, &p->sc.engine), OK);
	assert_err(server_new(&p->sc, &w->s), OK);
}

static void
close_world(struct place *p, struct world *w)
{
	server_free(w->s);
	assert_err(engine_close(p->sc.engine), OK);
	be_mem_forget(DIRFD);
}

static void
tx_bank__many_tellers__the_sum_stays(void **state)
{
	static void *(*const fn[])(void *) = { teller, teller, teller,
		auditor, bystander };
	struct world w = { .s = NULL };
	struct worker ks[5];
	struct place p;

	(void)state;
	open_world(&p, &w);
	fill(&w, START);
	run(&w, ks, 5, fn);
	assert_int_equal(sum_now(&w, ACCOUNTS), ACCOUNTS * START);
	kill_world(&p, &w);
	assert_int_equal(sum_now(&w, ACCOUNTS), ACCOUNTS * START);
	close_world(&p, &w);
}

static void
tx_counter__many_threads__no_increment_is_lost(void **state)
{
	static void *(*const fn[])(void *) = { counter, counter, counter };
	struct world w = { .s = NULL };
	struct worker ks[3];
	struct place p;

	(void)state;
	open_world(&p, &w);
	fill(&w, 0);
	run(&w, ks, 3, fn);
	assert_int_equal(sum_now(&w, 1), TELLERS * ROUNDS);
	close_world(&p, &w);
}

static void
tx_doctors__all_want_to_go_home__one_stays(void **state)
{
	static void *(*const fn[])(void *) = { doctor, doctor, doctor };
	struct world w = { .s = NULL };
	struct worker ks[3];
	struct place p;

	(void)state;
	open_world(&p, &w);
	fill(&w, 1);
	run(&w, ks, 3, fn);
	assert_true(sum_now(&w, TELLERS) >= 1);
	close_world(&p, &w);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(tx_bank__many_tellers__the_sum_stays),
		cmocka_unit_test(
		    tx_counter__many_threads__no_increment_is_lost),
		cmocka_unit_test(tx_doctors__all_want_to_go_home__one_stays),
	};

	return cmocka_run_group_tests_name("tx_threads", tests, NULL, NULL);
}
