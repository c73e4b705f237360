/*
 * lmdb.c - the simulated disk, tried on bare LMDB
 *
 * Commits to an LMDB environment, every state that a power cut may leave
 * of them, and for each the question: is it one of the commits between
 * the last acknowledged and the last begun?  If the rig did not see the
 * difference when syncs lie, nothing else it says would be worth much.
 */
#include <lmdb.h>
#include <stdarg.h>
#include <stddef.h>
#include <setjmp.h>
#include <cmocka.h>
#include <fcntl.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>
#include <xxhash.h>

#include "rig/disk.h"
#include "rig/enum.h"
#include "rig/real.h"

#define COMMITS	30
#define SEEN	(1u << 18)

struct fx {
	struct disk *live, *scratch;
	struct rng rng;
	uint64_t want[COMMITS + 1];	/* digest after each commit */
	int acked, begun;
	uint64_t *seen;
	uint64_t states, distinct, wrong;
};

static uint64_t
now_ns(void)
{
	struct timespec t;

	clock_gettime(CLOCK_MONOTONIC, &t);
	return (uint64_t)t.tv_sec * 1000000000u + (uint64_t)t.tv_nsec;
}

static MDB_env *
env_open(struct disk *d)
{
	MDB_env *env;

	assert_int_equal(mdb_env_create(&env), 0);
	assert_int_equal(mdb_env_set_mapsize(env, 64 << 20), 0);
	if (mdb_env_open(env, d->dir, 0, 0600) != 0) {
		mdb_env_close(env);
		return NULL;
	}
	return env;
}

static uint64_t
digest(MDB_env *env)
{
	MDB_txn *t;
	MDB_dbi dbi;
	MDB_cursor *c;
	MDB_val k, v;
	uint64_t h = 1;
	int rc;

	if (mdb_txn_begin(env, NULL, MDB_RDONLY, &t) != 0)
		return 0;
	if (mdb_dbi_open(t, NULL, 0, &dbi) != 0 ||
	    mdb_cursor_open(t, dbi, &c) != 0) {
		mdb_txn_abort(t);
		return 0;
	}
	for (rc = mdb_cursor_get(c, &k, &v, MDB_FIRST); rc == 0;
	    rc = mdb_cursor_get(c, &k, &v, MDB_NEXT)) {
		h = XXH3_64bits_withSeed(k.mv_data, k.mv_size, h);
		h = XXH3_64bits_withSeed(v.mv_data, v.mv_size, h);
	}
	mdb_cursor_close(c);
	mdb_txn_abort(t);
	return rc == MDB_NOTFOUND ? h : 0;
}

static bool
try_pick(void *arg, const struct pick *p)
{
	struct fx *fx = arg;
	uint64_t h = disk_hash(fx->live, p), got;
	uint32_t at = (uint32_t)(h % SEEN);
	MDB_env *env;
	int i;

	fx->states++;
	while (fx->seen[at] != 0 && fx->seen[at] != h)
		at = (at + 1) % SEEN;
	/* seen before: but when syncs lie, it may no longer be allowed */
	if (fx->seen[at] == h && !disk_lies)
		return true;
	if (fx->seen[at] == 0)
		fx->distinct++;
	fx->seen[at] = h;
	disk_make(fx->live, p, fx->scratch);
	if (!(env = env_open(fx->scratch))) {
		/* before the first commit there may be no environment */
		fx->wrong += fx->acked > 0;
		return true;
	}
	got = digest(env);
	mdb_env_close(env);
	for (i = fx->acked; i <= fx->begun; i++)
		if (fx->want[i] == got)
			return true;
	fx->wrong++;
	return true;
}

static void
at_sync(void *arg, struct disk *d, bool after)
{
	struct fx *fx = arg;

	(void)after;
	enum_picks(d, &fx->rng, 64, try_pick, fx);
}

static void
commit(struct fx *fx, MDB_env *env)
{
	MDB_txn *t;
	MDB_dbi dbi;
	uint32_t i, n = 1 + rng_to(&fx->rng, 40);
	char key[20], val[600];

	assert_int_equal(mdb_txn_begin(env, NULL, 0, &t), 0);
	assert_int_equal(mdb_dbi_open(t, NULL, 0, &dbi), 0);
	for (i = 0; i < n; i++) {
		MDB_val k = { 0, key }, v = { 0, val };

		k.mv_size = (size_t)snprintf(key, sizeof(key), "k%u",
		    rng_to(&fx->rng, 300));
		memset(val, (int)rng_to(&fx->rng, 255), sizeof(val));
		v.mv_size = rng_to(&fx->rng, sizeof(val));
		if (rng_to(&fx->rng, 4) == 0)
			mdb_del(t, dbi, &k, NULL);
		else
			assert_int_equal(mdb_put(t, dbi, &k, &v, 0), 0);
	}
	assert_int_equal(mdb_txn_commit(t), 0);
}

/* The same history twice: for the digests, and under the knife. */
static void
history(struct fx *fx, struct disk *d, bool cut)
{
	MDB_env *env;
	int i;

	fx->rng.s = 42;
	env = env_open(d);
	assert_non_null(env);
	disk_flush(d);
	if (!cut)
		fx->want[0] = digest(env);
	for (i = 1; i <= COMMITS; i++) {
		struct rng keep = fx->rng;

		if (cut) {
			d->hook = at_sync;
			d->hook_arg = fx;
			fx->begun = i;
		}
		keep.s += (uint64_t)i;
		fx->rng.s = 1000 + (uint64_t)i;
		commit(fx, env);
		fx->rng = keep;
		if (!cut) {
			fx->want[i] = digest(env);
		} else {
			fx->acked = i;
			at_sync(fx, d, true);
		}
	}
	assert_true(disk_audit(d));
	mdb_env_close(env);
}

static void
fx_up(struct fx *fx, char base[])
{
	char dir[100];

	memset(fx, 0, sizeof(*fx));
	strcpy(base, "/dev/shm/vfsd-crash.XXXXXX");
	assert_non_null(mkdtemp(base));
	fx->seen = calloc(SEEN, sizeof(*fx->seen));
	snprintf(dir, sizeof(dir), "%s/ref", base);
	assert_int_equal(mkdir(dir, 0700), 0);
	fx->scratch = disk_new(dir, true);
	history(fx, fx->scratch, false);
	disk_free(fx->scratch);
	snprintf(dir, sizeof(dir), "%s/live", base);
	assert_int_equal(mkdir(dir, 0700), 0);
	fx->live = disk_new(dir, false);
	snprintf(dir, sizeof(dir), "%s/scratch", base);
	assert_int_equal(mkdir(dir, 0700), 0);
	fx->scratch = disk_new(dir, true);
}

static void
fx_down(struct fx *fx, const char *base)
{
	disk_free(fx->live);
	disk_free(fx->scratch);
	free(fx->seen);
	assert_int_equal(rmdir(base), 0);
}

static void
lmdb__power_cut_anywhere__a_commit_that_was_allowed(void **state)
{
	struct fx fx;
	char base[40];
	uint64_t t;

	(void)state;
	fx_up(&fx, base);
	t = now_ns();
	history(&fx, fx.live, true);
	t = now_ns() - t;
	fprintf(stderr, "# %llu states, %llu distinct, %.0f/s\n",
	    (unsigned long long)fx.states, (unsigned long long)fx.distinct,
	    (double)fx.distinct * 1e9 / (double)t);
	assert_int_equal(fx.wrong, 0);
	assert_true(fx.distinct > 1000);
	fx_down(&fx, base);
}

static void
lmdb__syncs_that_lie__are_seen(void **state)
{
	struct fx fx;
	char base[40];
	int status;
	pid_t pid;

	(void)state;
	fx_up(&fx, base);
	if ((pid = fork()) == 0) {
		/* a torn LMDB file may well end in SIGBUS: also seen */
		signal(SIGBUS, SIG_DFL);
		signal(SIGSEGV, SIG_DFL);
		disk_lies = true;
		history(&fx, fx.live, true);
		_exit(fx.wrong > 0 ? 1 : 0);
	}
	assert_int_equal(waitpid(pid, &status, 0), pid);
	assert_int_not_equal(status, 0);
	fx_down(&fx, base);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(lmdb__power_cut_anywhere__a_commit_that_was_allowed),
		cmocka_unit_test(lmdb__syncs_that_lie__are_seen),
	};

	return cmocka_run_group_tests_name("crash/lmdb", tests, NULL, NULL);
}
