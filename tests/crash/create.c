/*
 * create.c - a store's creation, cut short anywhere
 *
 * Before the creation was acknowledged the same command must succeed as
 * if nothing had happened; afterwards the store must be there.
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
#include "rig/disk.h"
#include "rig/enum.h"
#include "rig/real.h"
#include "rig/walk.h"

struct fx {
	struct disk *live, *scratch;
	int live_fd, scratch_fd;
	struct rng rng;
	bool acked, judging;
	unsigned states, wrong;
	struct engine_conf conf;
};

static void
wrong(struct fx *fx, const char *what, int err)
{
	fx->wrong++;
	if (fx->wrong < 10)
		fprintf(stderr, "# %s: %s\n", what, vfs_err_text(err));
}

static bool
try_pick(void *arg, const struct pick *p)
{
	struct fx *fx = arg;
	struct engine_conf c = fx->conf;
	struct engine *e = NULL;
	struct walk w;
	int err;

	fx->states++;
	disk_make(fx->live, p, fx->scratch);
	c.dirfd = fx->scratch_fd;
	c.boot[0]++;
	c.create = !fx->acked;
	if ((err = engine_open(&c, &e)) < 0) {
		wrong(fx, "cannot be opened", err);
		return true;
	}
	if ((err = walk_engine(e, true, &w)) < 0 || w.bad[0] || w.rows == 0 ||
	    w.names != 0)
		wrong(fx, w.bad, err);
	engine_kill(e);
	return true;
}

static void
at_sync(void *arg, struct disk *d, bool after)
{
	struct fx *fx = arg;

	(void)after;
	if (fx->judging)
		return;
	fx->judging = true;
	enum_picks(d, &fx->rng, 16, try_pick, fx);
	fx->judging = false;
}

static struct disk *
disk_at(const char *base, const char *name, bool scratch)
{
	char dir[100];

	snprintf(dir, sizeof(dir), "%s/%s", base, name);
	assert_int_equal(mkdir(dir, 0700), 0);
	return disk_new(dir, scratch);
}

static void
create__cut_anywhere__made_again_or_there(void **state)
{
	static const struct core_root root = { 0, 0, 0755 };
	struct fx fx = { .rng = { 5 } };
	char base[] = "/dev/shm/vfsd-crash.XXXXXX";
	struct engine *e;

	(void)state;
	assert_non_null(mkdtemp(base));
	disk_now_ns = 1767225600000000000ull;
	fx.live = disk_at(base, "live", false);
	fx.scratch = disk_at(base, "scratch", true);
	fx.live_fd = disk_dirfd(fx.live);
	fx.scratch_fd = disk_dirfd(fx.scratch);
	fx.conf = (struct engine_conf){
		.dirfd = fx.live_fd, .create = true, .log_bytes = 1 << 20,
		.no_threads = true, .now = { 1767225600, 0 }, .boot = { 1 },
		.format = core_format, .format_arg = &root,
	};
	fx.live->hook = at_sync;
	fx.live->hook_arg = &fx;
	assert_int_equal(engine_open(&fx.conf, &e), 0);
	fx.acked = true;
	at_sync(&fx, fx.live, true);
	assert_true(disk_audit(fx.live));
	fx.live->hook = NULL;
	engine_kill(e);
	fprintf(stderr, "# %u states\n", fx.states);
	assert_int_equal(fx.wrong, 0);
	assert_true(fx.states > 100);
	__wrap_close(fx.live_fd);
	__wrap_close(fx.scratch_fd);
	disk_free(fx.live);
	disk_free(fx.scratch);
	disk_now_ns = 0;
	assert_int_equal(rmdir(base), 0);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(create__cut_anywhere__made_again_or_there),
	};

	return cmocka_run_group_tests_name("crash/create", tests, NULL, NULL);
}
