/*
 * Every history backend keeps log.h: opening, and the ring.
 */
#include "log_fx.h"

static int
setup_tmpfs(void **state)
{
	return fx_in(state, scratch_open_tmpfs, 4 << 20);
}

/* --- opening ------------------------------------------------------- */

static void
log__open_where_none__noent(void **state)
{
	finds_none(state);
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

	assert_int_equal(fx->ops->size(fx->b), SIZE);
	assert_int_equal(fx->ops->read(fx->b, 0, p, SIZE), 0);
	for (i = 0; i < SIZE; i++)
		bad += p[i] != 0;
	assert_int_equal(bad, 0);
	assert_int_equal(fx->ops->head_get(fx->b, head, sizeof head, &n),
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
	fx->ops->close(fx->b);
	hostcalls_reset();
	assert_int_equal(fx->ops->open(fx->dir.dirfd, true, false, 2 * SIZE,
	    &fx->b), 0);
	assert_string_equal(hostcalls_seen(), on_disk(fx) ? "d" : "");
	assert_int_equal(fx->ops->size(fx->b), SIZE);
	assert_pattern(fx, 100, 1000);
	assert_head(fx, "head");
}

static void
log__any_sync_of_create_fails__creates_nothing(void **state)
{
	creates_all_or_nothing(state);
}

/* 4 MiB of disk, of which the fixture's log has one. */
static void
log__create_without_room__leaves_no_file(void **state)
{
	struct fx *fx = *state;
	void *l;

	if (!fx->b)
		skip();
	fx_close(fx);
	assert_int_equal(unlinkat(fx->dir.dirfd, "log", 0), 0);
	assert_int_equal(fx->ops->open(fx->dir.dirfd, true, false, 64 << 20,
	    &l), -VFS_NOSPC);
	assert_int_equal(scratch_count(&fx->dir), 0);
	assert_int_equal(fx->ops->open(fx->dir.dirfd, false, false, 0, &l),
	    -VFS_NOENT);
	assert_int_equal(fx->ops->open(fx->dir.dirfd, true, false, SIZE,
	    &fx->b), 0);
}

static void
log__rdonly__writes_nothing(void **state)
{
	struct fx *fx = *state;
	uint64_t before;

	append_pattern(fx, 0, 5000);
	put_head(fx, "head");
	fx_close(fx);
	before = scratch_digest(&fx->dir);
	assert_int_equal(fx->ops->open(fx->dir.dirfd, false, true, 0,
	    &fx->b), 0);
	assert_int_equal(fx->ops->size(fx->b), SIZE);
	assert_pattern(fx, 0, 5000);
	assert_head(fx, "head");
	assert_int_equal(fx->ops->append(fx->b, 0, "x", 1), -VFS_ROFS);
	assert_int_equal(fx->ops->head_put(fx->b, "x", 1), -VFS_ROFS);
	assert_int_equal(fx->ops->sync(fx->b), 0);
	fx_close(fx);
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
	assert_int_equal(fx->ops->read(fx->b, SIZE, got, 10), 0);
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
	assert_int_equal(fx->ops->append(fx->b, 0, p, SIZE / 4 + 1),
	    -VFS_INVAL);
	assert_int_equal(fx->ops->append(fx->b, 0, p, 0), 0);
	assert_pattern(fx, 3 * SIZE / 4 + 1, SIZE / 4);
	free(p);
}

static void
log__read_at_limit__fits_and_past_it_not(void **state)
{
	struct fx *fx = *state;
	unsigned char *p = calloc(1, SIZE + 1);

	assert_int_equal(fx->ops->read(fx->b, 5, p, SIZE), 0);
	assert_int_equal(fx->ops->read(fx->b, 5, p, SIZE + 1), -VFS_INVAL);
	free(p);
}

/* As after kill -9: the handle is left alone, another finds the bytes. */
static void
log__append_without_sync__survives_the_process(void **state)
{
	struct fx *fx = *state;
	void *dead = fx->b;

	append_pattern(fx, SIZE - 100, 300);
	assert_int_equal(fx->ops->open(fx->dir.dirfd, false, false, 0,
	    &fx->b), 0);
	assert_pattern(fx, SIZE - 100, 300);
	fx->ops->close(dead);
}

static void
log__sync__syncs_the_file(void **state)
{
	struct fx *fx = *state;

	append_pattern(fx, 0, 300);
	hostcalls_reset();
	assert_int_equal(fx->ops->sync(fx->b), 0);
	assert_string_equal(hostcalls_seen(), on_disk(fx) ? "f" : "");
}

static void
log__failed_sync__latches(void **state)
{
	struct fx *fx = *state;

	put_head(fx, "before");
	hostcalls_fail_sync(0, EIO);
	assert_int_equal(fx->ops->sync(fx->b), -VFS_IO);
	hostcalls_reset();
	assert_int_equal(fx->ops->sync(fx->b), -VFS_IO);
	assert_int_equal(fx->ops->head_put(fx->b, "after", 5), -VFS_IO);
	assert_string_equal(hostcalls_seen(), "");
	assert_head(fx, "before");
	reopen(fx, false);
	assert_int_equal(fx->ops->sync(fx->b), 0);
}

/* The kernel tells of a lost page once: whoever hears it, all fail. */
static void
log__failed_sync_of_head__latches(void **state)
{
	struct fx *fx = *state;

	hostcalls_fail_sync(0, EIO);
	assert_int_equal(fx->ops->head_put(fx->b, "head", 4), -VFS_IO);
	assert_int_equal(fx->ops->sync(fx->b), -VFS_IO);
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
		s->err = s->fx->ops->sync(s->fx->b);
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

/* --- damage -------------------------------------------------------- */

/* A page of the ring that cannot be brought in: an error, not the end. */
static void
log__append_to_unreadable__is_an_error(void **state)
{
	struct fx *fx = *state;
	struct stat st;
	int fd;

	append_pattern(fx, 0, 5000);
	reopen(fx, false);
	fd = openat(fx->dir.dirfd, "log", O_RDWR);
	assert_true(fd >= 0 && fstat(fd, &st) == 0);
	assert_int_equal(ftruncate(fd, st.st_size - SIZE / 2), 0);
	close(fd);
	append_pattern(fx, 5000, 5000);
	assert_int_equal(fx->ops->append(fx->b, SIZE - 100, "x", 1), -VFS_IO);
	assert_int_equal(fx->ops->append(fx->b, SIZE - 5, "0123456789", 10),
	    -VFS_IO);
	assert_pattern(fx, 0, 10000);
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
	CASE(log__syncs_and_heads_beside_appends__all_succeed),
	CASE_DISK(log__append_to_unreadable__is_an_error),
};

int
main(void)
{
	return every_backend(cases, sizeof cases / sizeof cases[0]);
}
