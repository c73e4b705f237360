/*
 * identity.c - no id and no sequence number is ever given twice
 *
 * IDENTITY_CYCLES times (a million) create and unlink, with restarts,
 * kills, power cuts that keep any subset, stops right at the edge of a
 * lease, and older copies of the store put back within the same second.
 * The clock moves as fast as a quick machine creates files.
 */
#include <stdarg.h>
#include <stddef.h>
#include <setjmp.h>
#include <cmocka.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "../../vfsd/core/core.h"
#include "../../vfsd/server/dispatch.h"
#include "rig/disk.h"
#include "rig/enum.h"
#include "rig/real.h"
#include "rig/walk.h"

#define CYCLE_NS	4000u		/* a create and an unlink */
#define LEASE		65536u
#define SET		(1u << 23)	/* at most half full */

#ifdef __SANITIZE_ADDRESS__
#define CYCLES		50000ul
#else
#define CYCLES		1000000ul
#endif

struct set {
	uint64_t *v;
	size_t n;
};

struct fx {
	struct disk *live, *copy;
	bool copied;
	int fd;
	struct rng rng;
	struct engine_conf conf;
	struct engine *e;
	struct server *s;
	struct set ids, seqs;
	uint64_t last_seq, stops[6];
};

static void
set_add(struct set *s, uint64_t x, const char *what)
{
	uint64_t i = x * 0x9E3779B97F4A7C15ull >> 41;

	while (s->v[i] != 0) {
		if (s->v[i] == x)
			fail_msg("%s %llu was given twice", what,
			    (unsigned long long)x);
		i = (i + 1) % SET;
	}
	s->v[i] = x;
	assert_true(++s->n < SET / 2);
}

/* The log's mapping is watched one append at a time: looking at all of
 * it for every record would take most of the time. */
static struct log_ops watched;
static struct disk *watched_disk;

static int
append(void *self, uint64_t pos, const void *p, size_t n)
{
	int err = be_log_file.append(self, pos, p, n);

	disk_look_at(watched_disk, pos % be_log_file.size(self), n);
	return err;
}

static void
see_seq(struct fx *fx)
{
	struct engine_status es;

	engine_status(fx->e, &es);
	if (es.seq.n != fx->last_seq)
		set_add(&fx->seqs, es.seq.n, "sequence number");
	fx->last_seq = es.seq.n;
}

static void
start(struct fx *fx)
{
	struct server_conf sc;
	struct engine_status es;

	fx->conf.now = (struct vfs_time){ (int64_t)(disk_now_ns / 1000000000u),
	    (uint32_t)(disk_now_ns % 1000000000u) };
	assert_int_equal(engine_open(&fx->conf, &fx->e), 0);
	engine_status(fx->e, &es);
	fx->last_seq = es.seq.n;
	sc = (struct server_conf){ .engine = fx->e };
	assert_int_equal(server_new(&sc, &fx->s), 0);
}

static void
die(struct fx *fx)
{
	fx->live->dead = true;
	server_free(fx->s);
	engine_kill(fx->e);
}

/* --- ways to stop -------------------------------------------------------- */

static void
restart(struct fx *fx)
{
	server_free(fx->s);
	assert_int_equal(engine_close(fx->e), 0);
	start(fx);
}

static void
kill9(struct fx *fx)
{
	die(fx);
	disk_killed(fx->live);
	start(fx);
}

static void
power_cut(struct fx *fx)
{
	struct pick k;

	enum_random(fx->live, &fx->rng, &k);
	die(fx);
	fx->live->dead = false;
	disk_cut(fx->live, &k);
	fx->conf.boot[0]++;
	start(fx);
}

/* cp -a of a store that is stopped. */
static void
take_copy(struct fx *fx)
{
	server_free(fx->s);
	assert_int_equal(engine_close(fx->e), 0);
	disk_flush(fx->live);
	disk_copy(fx->copy, fx->live);
	fx->copied = true;
	start(fx);
}

static void
put_back(struct fx *fx)
{
	if (!fx->copied)
		return;
	die(fx);
	fx->live->dead = false;
	disk_copy(fx->live, fx->copy);
	start(fx);
}

/* Burn ids up to one before, at, or one past the end of a lease. */
static void
to_the_edge(struct fx *fx)
{
	uint32_t n = LEASE - 1 + rng_to(&fx->rng, 3);
	struct vfs_id id;
	struct txn *t;

	assert_int_equal(txn_begin(fx->e, TXN_WRITE, &walk_env, &t), 0);
	while (n-- > 0)
		assert_int_equal(txn_new_id(t, &id), 0);
	txn_abort(t);
	disk_now_ns += LEASE * 125ull;	/* 8192 in a millisecond */
	if (rng_to(&fx->rng, 2))
		kill9(fx);
	else
		power_cut(fx);
}

static void (*const stops[])(struct fx *) = { restart, kill9, power_cut,
    take_copy, put_back, to_the_edge };

/* --- the cycle ----------------------------------------------------------- */

static void
cycle(struct fx *fx)
{
	struct vfs_create c = { .dir = { VFS_ID_ROOT },
	    .mode = VFS_TYPE_MODE(VFS_REG) | 0644, .name = { "f", 1 } };
	struct vfs_unlink u = { .dir = { VFS_ID_ROOT }, .name = { "f", 1 },
	    .flags = VFS_UNLINK_FILE };
	struct vfs_create_reply cr;
	struct vfs_unlink_reply ur;
	struct req_env env = walk_env;

	disk_now_ns += CYCLE_NS;
	env.now.sec = (int64_t)(disk_now_ns / 1000000000u);
	env.now.nsec = (uint32_t)(disk_now_ns % 1000000000u);
	assert_int_equal(dispatch(fx->s, VFS_OP_CREATE, &env, &c, &cr), 0);
	if (cr.created)		/* a crash may have kept the last one */
		set_add(&fx->ids, cr.attr.id.n, "id");
	assert_true(cr.attr.id.n < 1ull << 53);
	see_seq(fx);
	assert_int_equal(dispatch(fx->s, VFS_OP_UNLINK, &env, &u, &ur), 0);
	see_seq(fx);
}

static struct disk *
disk_at(const char *base, const char *name)
{
	char dir[100];

	snprintf(dir, sizeof(dir), "%s/%s", base, name);
	assert_int_equal(mkdir(dir, 0700), 0);
	return disk_new(dir, false);
}

static void
identity__a_million_cycles_with_every_kind_of_stop__all_new(void **state)
{
	static const struct core_root root = { 0, 0, 0755 };
	const char *env = getenv("IDENTITY_CYCLES");
	unsigned long i, n = env ? strtoul(env, NULL, 0) : CYCLES, next = 100;
	struct fx fx = { .rng = { 11 } };
	char base[] = "/dev/shm/vfsd-crash.XXXXXX";
	unsigned k;

	(void)state;
	assert_non_null(mkdtemp(base));
	disk_now_ns = 1767225600000000000ull;
	fx.live = watched_disk = disk_at(base, "live");
	fx.live->told = true;
	fx.copy = disk_at(base, "copy");
	fx.fd = disk_dirfd(fx.live);
	fx.ids.v = calloc(SET, sizeof(uint64_t));
	fx.seqs.v = calloc(SET, sizeof(uint64_t));
	watched = be_log_file;
	watched.append = append;
	/* Not no_threads: the clock shall be waited for.  (None starts.) */
	fx.conf = (struct engine_conf){
		.dirfd = fx.fd, .create = true, .log_bytes = 8 << 20,
		.log = &watched, .boot = { 1 }, .format = core_format,
		.format_arg = &root,
	};
	start(&fx);
	for (i = 0; i < n; i++) {
		cycle(&fx);
		if (i % 4000 == 3999)
			assert_int_equal(engine_checkpoint(fx.e), 0);
		if (i < next)
			continue;
		next += 1 + rng_to(&fx.rng, n < 8000 ? 500 : 8000);
		k = rng_to(&fx.rng, 6);
		stops[k](&fx);
		fx.stops[k]++;
	}
	fprintf(stderr, "# %zu ids, %zu sequence numbers; %llu restarts, "
	    "%llu kills, %llu power cuts, %llu copies taken, %llu put back, "
	    "%llu lease edges\n", fx.ids.n, fx.seqs.n,
	    (unsigned long long)fx.stops[0], (unsigned long long)fx.stops[1],
	    (unsigned long long)fx.stops[2], (unsigned long long)fx.stops[3],
	    (unsigned long long)fx.stops[4], (unsigned long long)fx.stops[5]);
	assert_true(fx.ids.n > n / 2);
	die(&fx);
	__wrap_close(fx.fd);
	disk_free(fx.live);
	disk_free(fx.copy);
	free(fx.ids.v);
	free(fx.seqs.v);
	disk_now_ns = 0;
	assert_int_equal(rmdir(base), 0);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(identity__a_million_cycles_with_every_kind_of_stop__all_new),
	};

	return cmocka_run_group_tests_name("crash/identity", tests, NULL, NULL);
}
