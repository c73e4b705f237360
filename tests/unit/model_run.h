/*
 * model_run.h - how a random run on the model stops and starts the store
 *
 * For core_model.c and tree_model.c, behind core_model.h.
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

static unsigned
number(const char *name, unsigned other)
{
	const char *s = getenv(name);

	return s ? (unsigned)strtoul(s, NULL, 0) : other;
}

#endif
