/* Commit, look, close or kill, open again: over every backend. */
#include <fcntl.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include <cmocka.h>

#include "../../vfsd/core/record.h"
#include "../../vfsd/engine/engine.h"
#include "engine_fx.h"

static void
put_get(void **state, bool mem, bool kill)
{
	struct fx fx;
	unsigned i;

	(void)state;
	fx_open(&fx, mem);
	for (i = 0; i < 500; i++)
		fx_put(&fx, i, i * 3);
	fx_del(&fx, 7);
	fx_reopen(&fx, kill);
	for (i = 0; i < 500; i++)
		assert_int_equal(fx_get(&fx, i), i == 7 ? -1 : (int)i * 3);
	assert_int_equal(fx_count(&fx), 499);
	fx_close(&fx);
}

static void
reopen__closed__rows_are_there(void **state)
{
	put_get(state, false, false);
	put_get(state, true, false);
}

static void
reopen__killed__rows_are_there(void **state)
{
	put_get(state, false, true);
	put_get(state, true, true);
}

/* The next id and sequence number of an opening. */
static void
next_of(struct fx *fx, uint64_t next[2])
{
	struct engine_status st;

	fx_start(fx);
	fx_put(fx, 1, 1);
	engine_status(fx->e, &st);
	next[0] = st.next_id.n;
	next[1] = st.seq.n;
	fx_stop(fx, false);
}

static void
shell(const char *line)
{
	assert_int_equal(system(line), 0);
}

/* The clock was wrong when the copy was made, and is right now. */
static void
reopen__copy_from_a_wrong_clock__no_number_twice(void **state)
{
	uint64_t was[2], one[2], other[2];
	char line[256];
	struct fx fx;
	int i;

	(void)state;
	fx_init(&fx, false);
	fx.conf.now.sec += 86400;
	next_of(&fx, was);
	fx.conf.now.sec -= 86400;
	snprintf(line, sizeof line, "cp -a %s %s.copy", fx.dir, fx.dir);
	shell(line);
	next_of(&fx, one);
	snprintf(line, sizeof line, "cp -a %s.copy/. %s", fx.dir, fx.dir);
	shell(line);
	next_of(&fx, other);
	snprintf(line, sizeof line, "rm -r %s.copy", fx.dir);
	shell(line);
	fx_fini(&fx);
	for (i = 0; i < 2; i++) {
		assert_true(one[i] >= was[i] && other[i] >= was[i]);
		assert_true(one[i] > other[i] + 65536 ||
		    other[i] > one[i] + 65536);
	}
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(reopen__closed__rows_are_there),
		cmocka_unit_test(reopen__killed__rows_are_there),
		cmocka_unit_test(
		    reopen__copy_from_a_wrong_clock__no_number_twice),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
