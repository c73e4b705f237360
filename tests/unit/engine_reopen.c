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

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(reopen__closed__rows_are_there),
		cmocka_unit_test(reopen__killed__rows_are_there),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
