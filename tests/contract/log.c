/*
 * Every history backend keeps log.h.
 */
#include <fcntl.h>
#include <stdlib.h>

#include "../../backends/backends.h"
#include "../../backends/mem/mem.h"
#include "../scratch.h"
#include "cases.h"
#include "hostcalls.h"

#define SIZE	LOG_SIZE_MIN

struct fx {
	const struct log_ops *ops;
	struct scratch dir;
	void *l;
};

static bool
on_disk(const struct fx *fx)
{
	return fx->ops != &be_log_mem;
}

static void
reopen(struct fx *fx, bool rdonly)
{
	fx->ops->close(fx->l);
	fx->l = NULL;
	assert_int_equal(fx->ops->open(fx->dir.dirfd, false, rdonly, 0,
	    &fx->l), 0);
}

static int
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
	return fx->ops->open(fx->dir.dirfd, true, false, SIZE, &fx->l);
}

static int
setup(void **state)
{
	return fx_in(state, NULL, 0);
}

static int
setup_tmpfs(void **state)
{
	return fx_in(state, scratch_open_tmpfs, 4 << 20);
}

static int
teardown(void **state)
{
	struct fx *fx = *state;

	hostcalls_reset();
	if (fx->l)
		fx->ops->close(fx->l);
	if (fx->dir.dirfd >= 0) {
		be_mem_forget(fx->dir.dirfd);
		scratch_close(&fx->dir);
	}
	free(fx);
	return 0;
}

/* n bytes that depend on their position only. */
static void
pattern(unsigned char *p, uint64_t pos, size_t n)
{
	while (n-- > 0) {
		*p++ = (unsigned char)((pos * 0x9e3779b97f4a7c15u) >> 56);
		pos++;
	}
}

static void
append_pattern(struct fx *fx, uint64_t pos, size_t n)
{
	unsigned char *p = malloc(n + 1);

	pattern(p, pos, n);
	assert_int_equal(fx->ops->append(fx->l, pos, p, n), 0);
	free(p);
}

static void
assert_pattern(struct fx *fx, uint64_t pos, size_t n)
{
	unsigned char *want = malloc(n + 1), *got = malloc(n + 1);

	pattern(want, pos, n);
	assert_int_equal(fx->ops->read(fx->l, pos, got, n), 0);
	assert_memory_equal(got, want, n);
	free(want);
	free(got);
}

static void
assert_head(struct fx *fx, const char *want)
{
	char got[LOG_HEAD_MAX];
	size_t n;

	assert_int_equal(fx->ops->head_get(fx->l, got, sizeof got, &n), 0);
	assert_int_equal(n, strlen(want));
	assert_memory_equal(got, want, n);
}

static void
put_head(struct fx *fx, const char *head)
{
	assert_int_equal(fx->ops->head_put(fx->l, head, strlen(head)), 0);
}

/* --- opening ------------------------------------------------------- */

static void
log__open_where_none__noent(void **state)
{
	struct fx *fx = *state;
	struct scratch d;
	uint64_t before;
	void *l;

	assert_int_equal(scratch_open(&d), 0);
	before = scratch_digest(&d);
	assert_int_equal(fx->ops->open(d.dirfd, false, false, SIZE, &l),
	    -VFS_NOENT);
	assert_int_equal(fx->ops->open(d.dirfd, false, true, SIZE, &l),
	    -VFS_NOENT);
	assert_true(scratch_digest(&d) == before);
	scratch_close(&d);
}

static void
log__create_of_bad_size__inval(void **state)
{
	struct fx *fx = *state;
	struct scratch d;
	uint64_t before;
	void *l;

	assert_int_equal(scratch_open(&d), 0);
	before = scratch_digest(&d);
	assert_int_equal(fx->ops->open(d.dirfd, true, false,
	    LOG_SIZE_MIN - 4096, &l), -VFS_INVAL);
	assert_int_equal(fx->ops->open(d.dirfd, true, false,
	    LOG_SIZE_MIN + 512, &l), -VFS_INVAL);
	assert_true(scratch_digest(&d) == before);
	scratch_close(&d);
}

static void
log__create__is_zero_and_has_no_head(void **state)
{
	struct fx *fx = *state;
	unsigned char *p = malloc(SIZE);
	char head[LOG_HEAD_MAX];
	size_t i, n, bad = 0;

	assert_int_equal(fx->ops->size(fx->l), SIZE);
	assert_int_equal(fx->ops->read(fx->l, 0, p, SIZE), 0);
	for (i = 0; i < SIZE; i++)
		bad += p[i] != 0;
	assert_int_equal(bad, 0);
	assert_int_equal(fx->ops->head_get(fx->l, head, sizeof head, &n),
	    -VFS_NOENT);
	free(p);
}

/* The file is synced before it gets its name, the directory after. */
static void
log__create__syncs_the_directory(void **state)
{
	(void)state;
	assert_string_equal(hostcalls_seen(), "frd");
}

static void
log__create_where_one_is__keeps_it(void **state)
{
	struct fx *fx = *state;

	append_pattern(fx, 100, 1000);
	put_head(fx, "head");
	fx->ops->close(fx->l);
	hostcalls_reset();
	assert_int_equal(fx->ops->open(fx->dir.dirfd, true, false, 2 * SIZE,
	    &fx->l), 0);
	assert_string_equal(hostcalls_seen(), on_disk(fx) ? "d" : "");
	assert_int_equal(fx->ops->size(fx->l), SIZE);
	assert_pattern(fx, 100, 1000);
	assert_head(fx, "head");
}

static void
log__any_sync_of_create_fails__creates_nothing(void **state)
{
	struct fx *fx = *state;
	struct scratch d;
	unsigned n;
	void *l;
	int err;

	for (n = 0; ; n++) {
		assert_int_equal(scratch_open(&d), 0);
		hostcalls_fail_sync(n, EIO);
		err = fx->ops->open(d.dirfd, true, false, SIZE, &l);
		if (err == 0)
			fx->ops->close(l);
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

/* 4 MiB of disk, of which the fixture's log has one. */
static void
log__create_without_room__leaves_no_file(void **state)
{
	struct fx *fx = *state;
	void *l;

	if (!fx->l)
		skip();
	fx->ops->close(fx->l);
	fx->l = NULL;
	assert_int_equal(unlinkat(fx->dir.dirfd, "log", 0), 0);
	assert_int_equal(fx->ops->open(fx->dir.dirfd, true, false, 64 << 20,
	    &l), -VFS_NOSPC);
	assert_int_equal(scratch_count(&fx->dir), 0);
	assert_int_equal(fx->ops->open(fx->dir.dirfd, false, false, 0, &l),
	    -VFS_NOENT);
	assert_int_equal(fx->ops->open(fx->dir.dirfd, true, false, SIZE,
	    &fx->l), 0);
}

static void
log__rdonly__writes_nothing(void **state)
{
	struct fx *fx = *state;
	uint64_t before;

	append_pattern(fx, 0, 5000);
	put_head(fx, "head");
	fx->ops->close(fx->l);
	fx->l = NULL;
	before = scratch_digest(&fx->dir);
	assert_int_equal(fx->ops->open(fx->dir.dirfd, false, true, 0,
	    &fx->l), 0);
	assert_int_equal(fx->ops->size(fx->l), SIZE);
	assert_pattern(fx, 0, 5000);
	assert_head(fx, "head");
	assert_int_equal(fx->ops->append(fx->l, 0, "x", 1), -VFS_ROFS);
	assert_int_equal(fx->ops->head_put(fx->l, "x", 1), -VFS_ROFS);
	assert_int_equal(fx->ops->sync(fx->l), 0);
	fx->ops->close(fx->l);
	fx->l = NULL;
	assert_true(scratch_digest(&fx->dir) == before);
}

/* --- the ring ------------------------------------------------------ */

static void
log__append__is_read_back(void **state)
{
	struct fx *fx = *state;

	append_pattern(fx, 0, 1);
	append_pattern(fx, 1, 4095);
	append_pattern(fx, 4096, 100000);
	assert_pattern(fx, 0, 104096);
	assert_pattern(fx, 77, 5);
}

static void
log__append_across_the_end__wraps(void **state)
{
	struct fx *fx = *state;
	unsigned char got[10];

	append_pattern(fx, 5 * (uint64_t)SIZE - 7, 5000);
	assert_pattern(fx, 5 * (uint64_t)SIZE - 7, 5000);
	append_pattern(fx, 9 * (uint64_t)SIZE - 10, 10);
	assert_pattern(fx, 9 * (uint64_t)SIZE - 10, 10);
	/* It ended exactly at the end. */
	assert_int_equal(fx->ops->read(fx->l, SIZE, got, 10), 0);
	assert_pattern(fx, 5 * (uint64_t)SIZE, 4993);
}

static void
log__several_rounds__keep_the_last(void **state)
{
	struct fx *fx = *state;
	uint64_t pos = 0, rnd = scratch_seed();
	size_t n;

	while (pos < 5 * (uint64_t)SIZE) {
		n = scratch_random(&rnd) % 60000;
		append_pattern(fx, pos, n);
		pos += n;
	}
	assert_pattern(fx, pos - SIZE, SIZE);
	reopen(fx, false);
	assert_pattern(fx, pos - SIZE, SIZE);
}

static void
log__append_at_limit__fits_and_past_it_not(void **state)
{
	struct fx *fx = *state;
	unsigned char *p = calloc(1, SIZE / 4 + 1);

	append_pattern(fx, 3 * SIZE / 4 + 1, SIZE / 4);
	assert_int_equal(fx->ops->append(fx->l, 0, p, SIZE / 4 + 1),
	    -VFS_INVAL);
	assert_int_equal(fx->ops->append(fx->l, 0, p, 0), 0);
	assert_pattern(fx, 3 * SIZE / 4 + 1, SIZE / 4);
	free(p);
}

static void
log__read_at_limit__fits_and_past_it_not(void **state)
{
	struct fx *fx = *state;
	unsigned char *p = calloc(1, SIZE + 1);

	assert_int_equal(fx->ops->read(fx->l, 5, p, SIZE), 0);
	assert_int_equal(fx->ops->read(fx->l, 5, p, SIZE + 1), -VFS_INVAL);
	free(p);
}

/* As after kill -9: the handle is left alone, another finds the bytes. */
static void
log__append_without_sync__survives_the_process(void **state)
{
	struct fx *fx = *state;
	void *dead = fx->l;

	append_pattern(fx, SIZE - 100, 300);
	assert_int_equal(fx->ops->open(fx->dir.dirfd, false, false, 0,
	    &fx->l), 0);
	assert_pattern(fx, SIZE - 100, 300);
	fx->ops->close(dead);
}

static void
log__sync__syncs_the_file(void **state)
{
	struct fx *fx = *state;

	append_pattern(fx, 0, 300);
	hostcalls_reset();
	assert_int_equal(fx->ops->sync(fx->l), 0);
	assert_string_equal(hostcalls_seen(), on_disk(fx) ? "f" : "");
}

static void
log__failed_sync__latches(void **state)
{
	struct fx *fx = *state;

	put_head(fx, "before");
	hostcalls_fail_sync(0, EIO);
	assert_int_equal(fx->ops->sync(fx->l), -VFS_IO);
	hostcalls_reset();
	assert_int_equal(fx->ops->sync(fx->l), -VFS_IO);
	assert_int_equal(fx->ops->head_put(fx->l, "after", 5), -VFS_IO);
	assert_string_equal(hostcalls_seen(), "");
	assert_head(fx, "before");
	reopen(fx, false);
	assert_int_equal(fx->ops->sync(fx->l), 0);
}

/* The kernel tells of a lost page once: whoever hears it, all fail. */
static void
log__failed_sync_of_head__latches(void **state)
{
	struct fx *fx = *state;

	hostcalls_fail_sync(0, EIO);
	assert_int_equal(fx->ops->head_put(fx->l, "head", 4), -VFS_IO);
	assert_int_equal(fx->ops->sync(fx->l), -VFS_IO);
}

/* --- the header ---------------------------------------------------- */

static void
log__head_put__replaces_and_survives_reopen(void **state)
{
	struct fx *fx = *state;
	char head[16];
	int i;

	for (i = 0; i < 9; i++) {
		snprintf(head, sizeof head, "head %d", i);
		put_head(fx, head);
		assert_head(fx, head);
		if (i % 3 == 0)
			reopen(fx, false);
		assert_head(fx, head);
	}
	put_head(fx, "");
	reopen(fx, false);
	assert_head(fx, "");
}

static void
log__head_at_limit__fits_and_past_it_not(void **state)
{
	struct fx *fx = *state;
	unsigned char in[LOG_HEAD_MAX + 1], out[LOG_HEAD_MAX];
	size_t n;

	pattern(in, 7, sizeof in);
	assert_int_equal(fx->ops->head_put(fx->l, in, LOG_HEAD_MAX + 1),
	    -VFS_INVAL);
	assert_int_equal(fx->ops->head_put(fx->l, in, LOG_HEAD_MAX), 0);
	reopen(fx, false);
	assert_int_equal(fx->ops->head_get(fx->l, out, sizeof out, &n), 0);
	assert_int_equal(n, LOG_HEAD_MAX);
	assert_memory_equal(out, in, n);
	assert_int_equal(fx->ops->head_get(fx->l, out, LOG_HEAD_MAX - 1, &n),
	    -VFS_RANGE);
}

static void
log__head_put__leaves_the_ring_alone(void **state)
{
	struct fx *fx = *state;
	int i;

	append_pattern(fx, 3 * SIZE / 4, SIZE / 4);
	append_pattern(fx, SIZE, SIZE / 4);
	for (i = 0; i < 3; i++)
		put_head(fx, "some head");
	assert_pattern(fx, 3 * SIZE / 4, SIZE / 2);
	assert_head(fx, "some head");
}

static void
log__head_put__is_synced(void **state)
{
	struct fx *fx = *state;

	put_head(fx, "head");
	hostcalls_reset();
	put_head(fx, "head");
	assert_string_equal(hostcalls_seen(), on_disk(fx) ? "f" : "");
}

/*
 * What follows knows be_log_file's format: a put may reach the disk in
 * part, and then the header before it must be found.
 */
#define SLOT_STEP	4096

static void
scribble(struct fx *fx, off_t at, size_t n)
{
	unsigned char bad[512];
	int fd = openat(fx->dir.dirfd, "log", O_RDWR);

	memset(bad, 0xa5, sizeof bad);
	assert_true(fd >= 0 && n <= sizeof bad);
	assert_int_equal(pwrite(fd, bad, n, at), n);
	close(fd);
}

static void
log__torn_head__leaves_the_one_before(void **state)
{
	struct fx *fx = *state;

	if (fx->ops != &be_log_file)
		skip();
	put_head(fx, "one");			/* into both slots */
	put_head(fx, "two");			/* into slot 1 */
	scribble(fx, SLOT_STEP + 100, 7);
	reopen(fx, false);
	assert_head(fx, "one");
	/* The next one goes over what is torn, not over what is good. */
	put_head(fx, "three");
	assert_head(fx, "three");
	scribble(fx, SLOT_STEP + 3, 1);
	reopen(fx, false);
	assert_head(fx, "one");
	put_head(fx, "four");			/* into slot 1 */
	put_head(fx, "five");			/* into slot 0 */
	scribble(fx, 511, 1);
	reopen(fx, false);
	assert_head(fx, "four");
}

static void
log__torn_first_head__noent(void **state)
{
	struct fx *fx = *state;
	unsigned char never[512];
	char head[LOG_HEAD_MAX];
	size_t n;
	int fd;

	if (fx->ops != &be_log_file)
		skip();
	fd = openat(fx->dir.dirfd, "log", O_RDWR);
	assert_int_equal(pread(fd, never, sizeof never, 0), sizeof never);
	put_head(fx, "one");
	assert_int_equal(pwrite(fd, never, sizeof never, 0), sizeof never);
	close(fd);
	scribble(fx, SLOT_STEP + 32, 1);
	reopen(fx, false);
	assert_int_equal(fx->ops->head_get(fx->l, head, sizeof head, &n),
	    -VFS_NOENT);
	put_head(fx, "two");
	reopen(fx, false);
	assert_head(fx, "two");
}

static void
log__first_head_damaged__is_still_there(void **state)
{
	struct fx *fx = *state;
	int i;

	if (fx->ops != &be_log_file)
		skip();
	put_head(fx, "one");
	for (i = 0; i < 2; i++) {
		scribble(fx, i * SLOT_STEP + 32, 1);
		reopen(fx, false);
		assert_head(fx, "one");
		put_head(fx, "one");
	}
}

static void
log__both_heads_damaged__corrupt(void **state)
{
	struct fx *fx = *state;
	char head[LOG_HEAD_MAX];
	size_t n;

	if (fx->ops != &be_log_file)
		skip();
	put_head(fx, "one");
	put_head(fx, "two");
	append_pattern(fx, 0, 100);
	scribble(fx, 40, 1);
	scribble(fx, SLOT_STEP + 511, 1);
	reopen(fx, false);
	assert_int_equal(fx->ops->head_get(fx->l, head, sizeof head, &n),
	    -VFS_CORRUPT);
	assert_pattern(fx, 0, 100);
}

static void
log__cut_file__corrupt(void **state)
{
	struct fx *fx = *state;
	int fd;
	void *l;

	if (fx->ops != &be_log_file)
		skip();
	fx->ops->close(fx->l);
	fx->l = NULL;
	fd = openat(fx->dir.dirfd, "log", O_RDWR);
	assert_int_equal(ftruncate(fd, 65536 + 2 * SIZE), 0);
	assert_int_equal(fx->ops->open(fx->dir.dirfd, false, false, 0, &l),
	    -VFS_CORRUPT);
	assert_int_equal(ftruncate(fd, 65536 + SIZE / 2), 0);
	assert_int_equal(fx->ops->open(fx->dir.dirfd, false, false, 0, &l),
	    -VFS_CORRUPT);
	assert_int_equal(ftruncate(fd, 0), 0);
	assert_int_equal(fx->ops->open(fx->dir.dirfd, false, true, 0, &l),
	    -VFS_CORRUPT);
	close(fd);
}

/* --- threads ------------------------------------------------------- */

struct syncer {
	struct fx *fx;
	const bool *stop;
	unsigned syncs;
	int err;
};

static void *
sync_on(void *arg)
{
	struct syncer *s = arg;

	while (!__atomic_load_n(s->stop, __ATOMIC_ACQUIRE) && s->err == 0) {
		s->err = s->fx->ops->sync(s->fx->l);
		__atomic_fetch_add(&s->syncs, 1, __ATOMIC_RELAXED);
	}
	return NULL;
}

static void
log__syncs_and_heads_beside_appends__all_succeed(void **state)
{
	struct fx *fx = *state;
	struct syncer s = { .fx = fx };
	bool stop = false;
	pthread_t t;
	uint64_t pos = 0;

	s.stop = &stop;
	assert_int_equal(pthread_create(&t, NULL, sync_on, &s), 0);
	while (pos < 300 * 999 ||
	    __atomic_load_n(&s.syncs, __ATOMIC_RELAXED) < 3) {
		append_pattern(fx, pos, 999);
		pos += 999;
		if (pos % 7 == 0)
			put_head(fx, "beside");
	}
	__atomic_store_n(&stop, true, __ATOMIC_RELEASE);
	pthread_join(t, NULL);
	assert_int_equal(s.err, 0);
	assert_pattern(fx, pos - 100 * 999, 100 * 999);
}

/* --- every case on every backend ----------------------------------- */

static const struct contract_case cases[] = {
	CASE(log__open_where_none__noent),
	CASE(log__create_of_bad_size__inval),
	CASE(log__create__is_zero_and_has_no_head),
	CASE_DISK(log__create__syncs_the_directory),
	CASE(log__create_where_one_is__keeps_it),
	CASE(log__any_sync_of_create_fails__creates_nothing),
	CASE_ON(tmpfs, log__create_without_room__leaves_no_file),
	CASE(log__rdonly__writes_nothing),
	CASE(log__append__is_read_back),
	CASE(log__append_across_the_end__wraps),
	CASE(log__several_rounds__keep_the_last),
	CASE(log__append_at_limit__fits_and_past_it_not),
	CASE(log__read_at_limit__fits_and_past_it_not),
	CASE(log__append_without_sync__survives_the_process),
	CASE(log__sync__syncs_the_file),
	CASE_DISK(log__failed_sync__latches),
	CASE_DISK(log__failed_sync_of_head__latches),
	CASE(log__head_put__replaces_and_survives_reopen),
	CASE(log__head_at_limit__fits_and_past_it_not),
	CASE(log__head_put__leaves_the_ring_alone),
	CASE(log__head_put__is_synced),
	CASE_DISK(log__torn_head__leaves_the_one_before),
	CASE_DISK(log__torn_first_head__noent),
	CASE_DISK(log__first_head_damaged__is_still_there),
	CASE_DISK(log__both_heads_damaged__corrupt),
	CASE_DISK(log__cut_file__corrupt),
	CASE(log__syncs_and_heads_beside_appends__all_succeed),
};

#define NCASES (sizeof cases / sizeof cases[0])

int
main(void)
{
	int failed = 0;
	size_t k;

	for (k = 0; backends_log[k]; k++)
		failed += cases_run("log", backends_log[k]->name,
		    backends_log[k], backends_log[k] != &be_log_mem,
		    cases, NCASES);
	return failed != 0;
}
