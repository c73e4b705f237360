/*
 * What a directory is, and what is left when making a store fails.
 */
#include "../cm.h"

#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

#include "../../vfsd/storedir.h"

static char why[512];

static int
setup(void **state)
{
	char path[] = "/tmp/vfsd-test-XXXXXX";

	assert_non_null(mkdtemp(path));
	assert_int_equal(chdir(path), 0);
	*state = strdup(path);
	return 0;
}

static int
teardown(void **state)
{
	unlink("s/" STOREDIR_MARK);
	unlink("s/x");
	rmdir("s");
	assert_int_equal(chdir("/"), 0);
	assert_int_equal(rmdir(*state), 0);
	free(*state);
	return 0;
}

static void
put(const char *name, const char *text)
{
	int fd = open(name, O_WRONLY | O_CREAT | O_TRUNC, 0600);

	assert_int_equal(write(fd, text, strlen(text)), strlen(text));
	close(fd);
}

static int
try(bool create, struct storedir *d)
{
	why[0] = '\0';
	return storedir_open("s", create, false, d, why, sizeof why);
}

static void
store__made__recognized(void **state)
{
	struct storedir d;
	uint8_t uuid[16] = { 1 };

	(void)state;
	assert_int_equal(try(true, &d), 0);
	assert_true(d.made && d.fresh);
	assert_int_equal(storedir_begin(&d), 0);
	assert_int_equal(storedir_ready(&d, uuid), 0);
	storedir_close(&d);
	assert_int_equal(try(true, &d), 0);
	assert_false(d.made || d.fresh);
	storedir_close(&d);
}

static void
store__making_cut_short__made_again(void **state)
{
	struct storedir d;

	(void)state;
	assert_int_equal(try(true, &d), 0);
	assert_int_equal(storedir_begin(&d), 0);
	put("s/x", "half a file");
	storedir_close(&d);
	assert_int_equal(try(true, &d), 0);
	assert_true(d.fresh);
	assert_int_equal(storedir_begin(&d), 0);
	assert_int_not_equal(access("s/x", F_OK), 0);
	storedir_undo(&d, "s");
	storedir_close(&d);
	assert_int_not_equal(access("s/" STOREDIR_MARK, F_OK), 0);
}

static void
store__in_use__refused(void **state)
{
	struct storedir d, d2;

	(void)state;
	assert_int_equal(try(true, &d), 0);
	assert_int_equal(try(true, &d2), -1);
	assert_non_null(strstr(why, "in use"));
	storedir_close(&d);
}

static void
directory__not_a_store__refused(void **state)
{
	static const struct {
		const char *mark, *says;
	} rows[] = {
		{ "", "damaged" },
		{ "vfsd store\n", "damaged" },
		{ "vfsd store\nformat 2\n", "damaged" },
		{ "something else\nformat 2\nstate ready\n", "damaged" },
		{ "vfsd store\nformat 2\nstate raady\n", "damaged" },
		{ "vfsd store\nformat 1\nstate ready\n", "has store format 1" },
		{ "vfsd store\nformat 1\nstate new\n", "has store format 1" },
		{ "vfsd store\nformat 3\nstate ready\n", "has store format 3" },
		{ "vfsd store\nformat -1\nstate ready\n", "format -1" },
	};
	struct storedir d;
	size_t i;

	(void)state;
	assert_int_equal(mkdir("s", 0700), 0);
	put("s/x", "somebody's");
	assert_int_equal(try(true, &d), -1);
	assert_non_null(strstr(why, "not a store"));
	for (i = 0; i < sizeof rows / sizeof rows[0]; i++) {
		put("s/" STOREDIR_MARK, rows[i].mark);
		assert_int_equal(try(true, &d), -1);
		assert_non_null(strstr(why, rows[i].says));
	}
	assert_int_equal(access("s/x", F_OK), 0);
}

static void
store__not_there_and_not_wanted__refused(void **state)
{
	struct storedir d;

	(void)state;
	assert_int_equal(try(false, &d), -1);
	assert_int_not_equal(access("s", F_OK), 0);
	assert_int_equal(mkdir("s", 0700), 0);
	assert_int_equal(try(false, &d), -1);
	assert_non_null(strstr(why, "no store"));
}

int
main(void)
{
#define T(f)	cmocka_unit_test_setup_teardown(f, setup, teardown)
	const struct CMUnitTest tests[] = {
		T(store__made__recognized),
		T(store__making_cut_short__made_again),
		T(store__in_use__refused),
		T(directory__not_a_store__refused),
		T(store__not_there_and_not_wanted__refused),
	};

	return cmocka_run_group_tests_name("storedir", tests, NULL, NULL);
}
