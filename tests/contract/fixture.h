/*
 * fixture.h - one backend of a contract, on a directory of its own
 *
 * A suite says first which contract it is about, and how that opens:
 *
 *	#define CONTRACT	store
 *	#define OPEN(ops, dirfd, create, rdonly, b)	0 or a vfs_err
 */
#ifndef CONTRACT_FIXTURE_H
#define CONTRACT_FIXTURE_H

#include <fcntl.h>
#include <stdlib.h>

#include "../../backends/backends.h"
#include "../../backends/mem/mem.h"
#include "../scratch.h"
#include "cases.h"
#include "hostcalls.h"

#define PASTE_(a, b, c)	a ## b ## c
#define PASTE(a, b, c)	PASTE_(a, b, c)
#define OPS		PASTE(, CONTRACT, _ops)
#define IN_MEMORY	PASTE(be_, CONTRACT, _mem)
#define BACKENDS	PASTE(backends_, CONTRACT, )
#define WORD_(a)	#a
#define WORD(a)		WORD_(a)

struct fx {
	const struct OPS *ops;
	struct scratch dir;
	void *b;			/* NULL: it is closed */
};

static inline bool
on_disk(const struct fx *fx)
{
	return fx->ops != &IN_MEMORY;
}

static inline void
fx_close(struct fx *fx)
{
	if (fx->b != NULL)
		fx->ops->close(fx->b);
	fx->b = NULL;
}

static inline void
reopen(struct fx *fx, bool rdonly)
{
	fx_close(fx);
	assert_int_equal(OPEN(fx->ops, fx->dir.dirfd, false, rdonly, &fx->b),
	    0);
}

/* dir NULL: any directory; else it is open only where one may mount. */
static inline int
fx_in(void **state, int (*dir)(struct scratch *, size_t), size_t bytes)
{
	struct fx *fx = calloc(1, sizeof *fx);

	fx->ops = *state;
	*state = fx;
	if ((dir ? dir(&fx->dir, bytes) : scratch_open(&fx->dir)) < 0) {
		fx->dir.dirfd = -1;
		return dir ? 0 : -1;
	}
	hostcalls_reset();
	return OPEN(fx->ops, fx->dir.dirfd, true, false, &fx->b);
}

static inline int
setup(void **state)
{
	return fx_in(state, NULL, 0);
}

static inline int
teardown(void **state)
{
	struct fx *fx = *state;

	hostcalls_reset();
	fx_close(fx);
	if (fx->dir.dirfd >= 0) {
		be_mem_forget(fx->dir.dirfd);
		scratch_close(&fx->dir);
	}
	free(fx);
	return 0;
}

/* Leaves no room on the filesystem. */
static inline void
fill_disk(struct fx *fx)
{
	static const char zero[4096];
	int fd = openat(fx->dir.dirfd, "filler", O_WRONLY | O_CREAT, 0600);

	assert_true(fd >= 0);
	while (write(fd, zero, sizeof zero) > 0)
		;
	/* Delayed allocation: only a sync tells that it is full. */
	syscall(SYS_fsync, fd);
	close(fd);
}

/* --- what all contracts ask of open ---------------------------------------- */

static inline void
finds_none(void **state)
{
	struct fx *fx = *state;
	struct scratch d;
	uint64_t before;
	void *b;

	assert_int_equal(scratch_open(&d), 0);
	before = scratch_digest(&d);
	assert_int_equal(OPEN(fx->ops, d.dirfd, false, false, &b),
	    -VFS_NOENT);
	assert_int_equal(OPEN(fx->ops, d.dirfd, false, true, &b), -VFS_NOENT);
	assert_true(scratch_digest(&d) == before);
	scratch_close(&d);
}

static inline void
creates_all_or_nothing(void **state)
{
	struct fx *fx = *state;
	struct scratch d;
	unsigned n;
	void *b;
	int err;

	for (n = 0; ; n++) {
		assert_int_equal(scratch_open(&d), 0);
		hostcalls_fail_sync(n, EIO);
		err = OPEN(fx->ops, d.dirfd, true, false, &b);
		if (err == 0)
			fx->ops->close(b);
		else
			assert_int_equal(err, -VFS_IO);
		assert_int_equal(err < 0, hostcalls_failed());
		if (err < 0)
			assert_int_equal(scratch_count(&d), 0);
		be_mem_forget(d.dirfd);
		scratch_close(&d);
		if (err == 0)
			break;
	}
	assert_int_equal(n, on_disk(fx) ? 2 : 0);
}

/* --- every case on every backend ------------------------------------------- */

static inline int
every_backend(const struct contract_case *c, size_t n)
{
	int failed = 0;
	size_t k;

	for (k = 0; BACKENDS[k] != NULL; k++)
		failed += cases_run(WORD(CONTRACT), BACKENDS[k]->name,
		    BACKENDS[k], BACKENDS[k] != &IN_MEMORY, c, n);
	return failed != 0;
}

#endif
