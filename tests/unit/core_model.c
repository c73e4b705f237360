/*
 * Random operations against a tree in memory.  Every result and, now and
 * then, the whole tree must be the same: names and their order, types,
 * modes, link counts, bytes, attributes; also after kill -9, after a
 * power cut (which undoes what was not published) and after a restart.
 *
 *	SEED=n OPS=n core_model		repeats a run
 */
#include "core_model.h"
#include "model_ops.h"
#include "model_run.h"

static void
one(struct model *m)
{
	static void (*const ops[])(struct model *, const char *) = {
		do_make, do_make, do_make, do_remove, do_names, do_names,
		do_chmod, do_xattr, do_bytes, do_bytes,
	};
	char path[32];

	draw_path(m, path);
	ops[draw(m, sizeof ops / sizeof ops[0])](m, path);
	if (draw(m, 100) == 0)
		do_store(m);
	else if (draw(m, 20) == 0)
		compare(m);
}

static void
model__random_operations__same_results_and_tree(void **state)
{
	(void)state;
	runs(20, 1500, one);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(
		    model__random_operations__same_results_and_tree),
	};

	return cmocka_run_group_tests_name("core_model", tests, NULL, NULL);
}
