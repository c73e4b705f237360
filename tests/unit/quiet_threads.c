/*
 * Threads of the fronts: no signal reaches them, and yet a page of the store
 * that cannot be read does not end the process.
 */
#include <signal.h>
#include <sys/mman.h>
#include <unistd.h>

#include "../../backends/escape.h"
#include "../../vfsd/front/quiet.h"
#include "../cm.h"

#define LOST	7

struct seen {
	volatile char *page;
	sigset_t mask;
	int ret;
};

static int
touch(void *arg)
{
	struct seen *s = arg;

	return s->page[0];
}

static void *
run(void *arg)
{
	struct seen *s = arg;

	pthread_sigmask(SIG_SETMASK, NULL, &s->mask);
	s->ret = escape_run(touch, s, LOST);
	return NULL;
}

static void
quiet_thread__page_that_is_gone__escapes(void **state)
{
	FILE *f = tmpfile();
	struct seen s = { .page = mmap(NULL, 4096, PROT_READ, MAP_SHARED,
	    fileno(f), 0) };		/* behind the file's end */
	sigset_t mine;
	pthread_t t;

	(void)state;
	assert_true(s.page != MAP_FAILED);
	escape_begin();
	assert_int_equal(quiet_create(&t, run, &s), 0);
	pthread_join(t, NULL);
	assert_int_equal(s.ret, LOST);
	assert_true(sigismember(&s.mask, SIGTERM) == 1 &&
	    sigismember(&s.mask, SIGUSR1) == 1);
	pthread_sigmask(SIG_SETMASK, NULL, &mine);
	assert_int_equal(sigismember(&mine, SIGTERM), 0);
	munmap((void *)s.page, 4096);
	fclose(f);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(quiet_thread__page_that_is_gone__escapes),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
