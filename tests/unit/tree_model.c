/*
 * Random operations on trees, and on what is in them, against a tree in
 * memory: removed, replaced, exchanged, copied.  Between the batches in
 * which removed trees go, killed or not, the store is sound.
 *
 *	SEED=n OPS=n tree_model		repeats a run
 */
#include "core_model.h"
#include "model_ops.h"
#include "model_run.h"
#include "tree_model.h"

/* --- removed ------------------------------------------------------------- */

/* Some batches of it, each of which leaves a sound store; then the rest. */
static void
reap(struct model *m, struct vfs_id id)
{
	unsigned n = draw(m, 4);
	uint64_t next = 0;
	bool done = false;

	while (n-- > 0 && !done) {
		same(m, fx_reap(m->fx, id, 1 + draw(m, 3), &next, &done), 0);
		assert_int_equal(fx_check(m->fx), 0);
		if (draw(m, 3) == 0)
			fx_reopen(m->fx);
	}
	same(m, fx_reclaim_all(m->fx), 0);
	compare(m);
}

static void
do_tree_remove(struct model *m, const char *path)
{
	struct vfs_attr a = { .id = { 0 } };
	int err;

	snprintf(m->done, sizeof m->done, "tree remove %s", path);
	(void)fx_stat(m->fx, path, &a);
	same(m, err = fx_tree_remove(m->fx, path), m_tree_remove(m, path));
	if (err == 0)
		reap(m, a.id);
}

/* --- published ----------------------------------------------------------- */

static void
do_tree_publish(struct model *m, const char *path)
{
	static const uint32_t flags[] = { 0, VFS_RENAME_NOREPLACE,
		VFS_RENAME_EXCHANGE, VFS_TREE_REPLACE, VFS_TREE_REPLACE };
	uint32_t flag = flags[draw(m, 5)];
	struct vfs_attr a = { .id = { 0 } };
	char path2[32];
	int err;

	draw_path(m, path2);
	snprintf(m->done, sizeof m->done, "tree publish %s %s %u", path,
	    path2, flag);
	(void)fx_stat(m->fx, path2, &a);
	err = fx_tree_publish(m->fx, path, path2, flag);
	same(m, err, flag == VFS_TREE_REPLACE ? m_replace(m, path, path2) :
	    m_rename(m, path, path2, flag));
	if (err == 0 && flag == VFS_TREE_REPLACE && a.id.n != 0)
		reap(m, a.id);
}

/* --- copied -------------------------------------------------------------- */

static void
do_tree_clone(struct model *m, const char *path)
{
	struct obj *o;
	char path2[32];
	int err;

	if (draw(m, 3) == 0)
		path = "/";
	if (object(m, path, &o) == 0 &&
	    count(o) + count(m->root) > OBJECTS_MAX)
		return;
	draw_free(m, path2);
	snprintf(m->done, sizeof m->done, "tree clone %s %s", path, path2);
	err = fx_tree_clone(m->fx, path, path2);
	same(m, err, m_tree_clone(m, path, path2));
	if (err < 0)
		return;
	check_id(m, path2, err);
	compare(m);
}

/* A second name for a file, wherever that is. */
static void
do_twin(struct model *m, const char *first)
{
	char path[32], path2[32];
	struct obj *o;
	unsigned i;

	strcpy(path, first);
	for (i = 0; i < 50 && (object(m, path, &o) < 0 ||
	    o->type != VFS_REG); i++)
		draw_path(m, path);
	draw_free(m, path2);
	snprintf(m->done, sizeof m->done, "link %s %s", path, path2);
	same(m, fx_link(m->fx, path, path2), m_link(m, path, path2));
}

/* ------------------------------------------------------------------------- */

static void
one(struct model *m)
{
	static void (*const ops[])(struct model *, const char *) = {
		do_make, do_make, do_names, do_names, do_names, do_names,
		do_chmod, do_xattr, do_bytes, do_bytes, do_bytes, do_bytes,
		do_bytes, do_remove, do_tree_remove, do_tree_publish,
		do_tree_publish, do_tree_clone, do_tree_clone, do_twin,
		do_twin,
	};
	char path[32];

	/* it should not get bare */
	while (count(m->root) < 25 && draw(m, 30) != 0) {
		draw_path(m, path);
		do_make(m, path);
	}
	while (count(m->root) > OBJECTS_MAX / 2) {	/* nor a jungle */
		snprintf(path, sizeof path, "/%c", 'a' + (int)draw(m, NAMES));
		do_tree_remove(m, path);
	}
	draw_path(m, path);
	ops[draw(m, sizeof ops / sizeof ops[0])](m, path);
	if (draw(m, 100) == 0)
		do_store(m);
}

static void
trees__random_operations__same_results_and_tree(void **state)
{
	(void)state;
	runs(12, 800, one);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(
		    trees__random_operations__same_results_and_tree),
	};

	return cmocka_run_group_tests_name("tree_model", tests, NULL, NULL);
}
