/*
 * model_run.h - random runs on the model, which stop and start the store
 *
 * For core_model.c and tree_model.c, behind model_ops.h.
 */
#ifndef TESTS_MODEL_RUN_H
#define TESTS_MODEL_RUN_H

static void
do_store(struct model *m)
{
	unsigned what = draw(m, 6);

	snprintf(m->done, sizeof m->done, "store %u", what);
	switch (what) {
	case 0:
		fx_reopen(m->fx);
		break;
	case 1:
		fx_reboot(m->fx);
		publish_below(m->root, true);
		break;
	case 2:
		same(m, fx_publish_all(m->fx), 0);
		publish_below(m->root, false);
		fx_restart(m->fx);
		break;
	case 3:
		same(m, engine_checkpoint(m->fx->e), 0);
		break;
	case 4:
		same(m, fx_publish_all(m->fx), 0);
		publish_below(m->root, false);
		break;
	default:
		same(m, fx_reclaim_all(m->fx), 0);
		break;
	}
	compare(m);
}

static void
run(unsigned seed, unsigned nops, void (*one)(struct model *m))
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
	compare(&m);
	tree_free(m.root);
	fx_close(m.fx);
}

static unsigned
number(const char *name, unsigned other)
{
	const char *s = getenv(name);

	return s ? (unsigned)strtoul(s, NULL, 0) : other;
}

/* So many seeds of so many operations, or what SEED and OPS say. */
static void
runs(unsigned seeds, unsigned nops, void (*one)(struct model *m))
{
	unsigned seed = number("SEED", 0), i;

	nops = number("OPS", nops);
	if (seed != 0) {
		run(seed, nops, one);
		return;
	}
	for (i = 1; i <= seeds; i++) {
		print_message("# SEED=%u OPS=%u\n", i, nops);
		run(i, nops, one);
	}
}

#endif
