/*
 * Every history backend keeps log.h: the header, torn and damaged too.
 */
#include "log_fx.h"

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
	assert_int_equal(fx->ops->head_put(fx->b, in, LOG_HEAD_MAX + 1),
	    -VFS_INVAL);
	assert_int_equal(fx->ops->head_put(fx->b, in, LOG_HEAD_MAX), 0);
	reopen(fx, false);
	assert_int_equal(fx->ops->head_get(fx->b, out, sizeof out, &n), 0);
	assert_int_equal(n, LOG_HEAD_MAX);
	assert_memory_equal(out, in, n);
	assert_int_equal(fx->ops->head_get(fx->b, out, LOG_HEAD_MAX - 1, &n),
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
	assert_int_equal(fx->ops->head_get(fx->b, head, sizeof head, &n),
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
	assert_int_equal(fx->ops->head_get(fx->b, head, sizeof head, &n),
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
	fx_close(fx);
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

/* --- made anew ----------------------------------------------------- */

static off_t
length(struct fx *fx, const char *name)
{
	struct stat st;

	return fstatat(fx->dir.dirfd, name, &st, 0) == 0 ? st.st_size : -1;
}

static const char *
anew(struct fx *fx)
{
	const char *kept = "not set";

	fx_close(fx);
	assert_int_equal(fx->ops->anew(fx->dir.dirfd, 2 * SIZE, "given", 5,
	    &kept), 0);
	reopen(fx, false);
	return kept;
}

static void
cut(struct fx *fx, off_t size)
{
	int fd = openat(fx->dir.dirfd, "log", O_RDWR);

	assert_int_equal(ftruncate(fd, size), 0);
	close(fd);
}

static void
log__anew_where_none_is__is_empty(void **state)
{
	unsigned char got[100], zero[100] = { 0 };
	struct fx *fx = *state;

	assert_int_equal(unlinkat(fx->dir.dirfd, "log", 0), 0);
	assert_null(anew(fx));
	assert_head(fx, "given");
	assert_int_equal(fx->ops->size(fx->b), 2 * SIZE);
	assert_int_equal(fx->ops->read(fx->b, 0, got, sizeof got), 0);
	assert_memory_equal(got, zero, sizeof got);
	put_head(fx, "next");
	reopen(fx, false);
	assert_head(fx, "next");
}

/* The file's size tells where its bytes lay. */
static void
log__anew_without_header__has_the_ring(void **state)
{
	struct fx *fx = *state;
	struct stat st;

	cut(fx, 65536 + 4 * SIZE + 4095);
	scribble(fx, 0, 512);
	scribble(fx, SLOT_STEP, 512);
	fx_close(fx);
	assert_int_equal(fx->ops->anew(fx->dir.dirfd, 2 * SIZE, "x", 1,
	    &(const char *){ NULL }), 0);
	assert_int_equal(fstatat(fx->dir.dirfd, "log", &st, 0), 0);
	assert_int_equal(st.st_size, 65536 + 4 * SIZE + 4096);
	assert_int_equal(unlinkat(fx->dir.dirfd, "log.damaged", 0), 0);
	reopen(fx, false);
	append_pattern(fx, SIZE - 50, 100);
	scribble(fx, 0, 512);
	scribble(fx, SLOT_STEP, 512);
	assert_string_equal(anew(fx), "log.damaged");
	assert_head(fx, "given");
	assert_pattern(fx, SIZE - 50, 100);
}

static void
log__anew_of_a_wrong_size__has_its_own_again(void **state)
{
	static const off_t by[] = { -100, -4096, -(off_t)SIZE / 2, 1, SIZE };
	struct fx *fx = *state;
	size_t i;

	put_head(fx, "one");
	append_pattern(fx, 0, SIZE / 4);
	for (i = 0; i < sizeof by / sizeof by[0]; i++) {
		cut(fx, 65536 + SIZE + by[i]);
		assert_string_equal(anew(fx), "log.damaged");
		assert_head(fx, "given");
		assert_int_equal(fx->ops->size(fx->b), SIZE);
		assert_pattern(fx, 0, SIZE / 4);
		assert_int_equal(length(fx, "log.damaged"),
		    65536 + SIZE + by[i]);
		assert_int_equal(unlinkat(fx->dir.dirfd, "log.damaged", 0), 0);
	}
}

static void
log__anew_where_one_is_kept__exist(void **state)
{
	struct fx *fx = *state;
	const char *kept;

	cut(fx, 65536);
	anew(fx);
	fx_close(fx);
	cut(fx, 1000);
	assert_int_equal(fx->ops->anew(fx->dir.dirfd, SIZE, "x", 1, &kept),
	    -VFS_EXIST);
	assert_int_equal(length(fx, "log"), 1000);
	assert_int_equal(length(fx, "log.damaged"), 65536);
	assert_int_equal(length(fx, "log.new"), -1);
	/* Of one that was killed before the new one had its name. */
	assert_int_equal(unlinkat(fx->dir.dirfd, "log.damaged", 0), 0);
	assert_int_equal(linkat(fx->dir.dirfd, "log", fx->dir.dirfd,
	    "log.damaged", 0), 0);
	assert_string_equal(anew(fx), "log.damaged");
	assert_int_equal(length(fx, "log.damaged"), 1000);
}

static void
log__anew__is_synced_before_it_has_its_name(void **state)
{
	struct fx *fx = *state;

	scribble(fx, 0, 512);
	scribble(fx, SLOT_STEP, 512);
	hostcalls_reset();
	anew(fx);
	assert_string_equal(hostcalls_seen(), "ffrd");
}

/* --- every case on every backend ----------------------------------- */

static const struct contract_case cases[] = {
	CASE(log__head_put__replaces_and_survives_reopen),
	CASE(log__head_at_limit__fits_and_past_it_not),
	CASE(log__head_put__leaves_the_ring_alone),
	CASE(log__head_put__is_synced),
	CASE_DISK(log__torn_head__leaves_the_one_before),
	CASE_DISK(log__torn_first_head__noent),
	CASE_DISK(log__first_head_damaged__is_still_there),
	CASE_DISK(log__both_heads_damaged__corrupt),
	CASE_DISK(log__cut_file__corrupt),
	CASE_DISK(log__anew_where_none_is__is_empty),
	CASE_DISK(log__anew_without_header__has_the_ring),
	CASE_DISK(log__anew_of_a_wrong_size__has_its_own_again),
	CASE_DISK(log__anew_where_one_is_kept__exist),
	CASE_DISK(log__anew__is_synced_before_it_has_its_name),
};

int
main(void)
{
	return every_backend(cases, sizeof cases / sizeof cases[0]);
}
