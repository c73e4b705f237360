/*
 * Random operations against a tree in memory.  Every result and, now and
 * then, the whole tree must be the same: names and their order, types,
 * modes, link counts, bytes, attributes; also after kill -9, after a
 * power cut (which undoes what was not published) and after a restart.
 *
 *	SEED=n OPS=n core_model		repeats a run
 */
#include "core_model.h"
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
run(unsigned seed, unsigned nops)
{
	struct model m = { .fx = fx_open(), .seed = seed };
	unsigned i;

	m.root = obj_new(VFS_DIR, 0755);
	m.root->refs = 1;
	for (i = 0; i < nops; i++) {
		snprintf(m.done, sizeof m.done, "nothing");
		one(&m);
		while (engine_step(m.fx->e) > 0)
			;
	}
	tree_free(m.root);
	fx_close(m.fx);
}

static void
model__random_operations__same_results_and_tree(void **state)
{
	unsigned seed = number("SEED", 0), nops = number("OPS", 1500), i;

	(void)state;
	if (seed != 0) {
		run(seed, nops);
		return;
	}
	for (i = 1; i <= 20; i++) {
		print_message("# SEED=%u OPS=%u\n", i, nops);
		run(i, nops);
	}
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
