/* What sessions see of removed and of staged trees. */
#include "../cm.h"
#include "../session_rig.h"

#define FILE_MODE	0100644u
#define DIR_MODE	0040755u

static int
remove_tree(struct srig *x, struct session *s, struct vfs_id dir,
    const char *name)
{
	struct vfs_tree_remove q = { .dir = dir,
		.name = { name, strlen(name) } };
	struct vfs_tree_remove_reply r;

	return srig_run(x, s, VFS_OP_TREE_REMOVE, &q, &r);
}

static int
look(struct srig *x, struct session *s, struct vfs_id dir, const char *name)
{
	struct vfs_lookup q = { .dir = dir, .name = { name, strlen(name) } };
	struct vfs_lookup_reply r;

	return srig_run(x, s, VFS_OP_LOOKUP, &q, &r);
}

static void
removed_tree__raw_ids__only_its_holder_has_them(void **state)
{
	struct srig *x = *state;
	struct session *two = srig_user(x, SRIG_OWNER, SRIG_OWNER);
	struct vfs_id t, d, f;
	uint64_t h;

	assert_err(s_create(x, x->own, ROOT, "t", DIR_MODE, &t), OK);
	assert_err(s_create(x, x->own, t, "d", DIR_MODE, &d), OK);
	assert_err(s_create(x, x->own, d, "f", FILE_MODE, &f), OK);
	assert_err(s_walk(x, x->own, t, "", 0, &h), OK);
	assert_err(remove_tree(x, two, ROOT, "t"), OK);
	assert_err(look(x, x->own, H(h), "d"), OK);
	assert_err(look(x, x->own, d, "f"), OK);
	assert_err(s_stat(x, x->own, f, NULL), OK);
	assert_err(s_stat(x, two, f, NULL), NO_SUCH_ID);
	assert_err(look(x, two, d, "f"), NO_SUCH_ID);
	assert_err(s_stat(x, two, t, NULL), NO_SUCH_ID);
	assert_err(s_close(x, x->own, h), OK);
	while (server_reap(x->r->s) > 0)
		;
	assert_err(s_stat(x, x->own, f, NULL), NO_SUCH_ID);
	srig_end(two);
	assert_int_equal(fx_check(x->r->fx), 0);
}

/* The names above what is open go later, and nobody can tell when. */
static void
removed_tree__what_is_open_inside__stays(void **state)
{
	struct srig *x = *state;
	struct session *two = srig_user(x, SRIG_OWNER, SRIG_OWNER);
	struct vfs_id t, d, f, e;
	uint64_t hf, he;
	unsigned i;

	assert_err(s_create(x, x->own, ROOT, "t", DIR_MODE, &t), OK);
	assert_err(s_create(x, x->own, t, "d", DIR_MODE, &d), OK);
	assert_err(s_create(x, x->own, d, "f", FILE_MODE, &f), OK);
	assert_err(s_create(x, x->own, d, "e", DIR_MODE, &e), OK);
	assert_err(s_create(x, x->own, e, "g", FILE_MODE, NULL), OK);
	assert_err(s_walk(x, two, f, "", 0, &hf), OK);
	assert_err(s_walk(x, two, e, "", 0, &he), OK);
	assert_err(remove_tree(x, x->own, ROOT, "t"), OK);
	for (i = 0; i < 100; i++) {
		assert_err(s_stat(x, two, H(hf), NULL), OK);
		assert_err(look(x, two, H(he), "g"), OK);
		assert_err(s_stat(x, two, d, NULL), NO_SUCH_ID);
		assert_err(s_stat(x, x->own, f, NULL), NO_SUCH_ID);
		assert_err(look(x, x->own, e, "g"), NO_SUCH_ID);
		if (server_reap(x->r->s) == 0)
			break;
	}
	assert_true(i < 100);
	assert_err(s_close(x, two, hf), OK);
	assert_err(s_close(x, two, he), OK);
	while (server_reap(x->r->s) > 0)
		;
	assert_err(s_stat(x, two, f, NULL), NO_SUCH_ID);
	srig_end(two);
	assert_int_equal(fx_check(x->r->fx), 0);
}

static void
staging__session_dies__nothing_is_left(void **state)
{
	struct srig *x = *state;
	struct session *two = srig_user(x, SRIG_OWNER, SRIG_OWNER);
	struct vfs_tmpfile q = { .dir = ROOT, .mode = DIR_MODE };
	struct vfs_tmpfile_reply r;
	struct vfs_id top, f;

	assert_err(srig_run(x, two, VFS_OP_TMPFILE, &q, &r), OK);
	assert_err(s_create(x, two, H(r.handle), "top", DIR_MODE, &top), OK);
	assert_err(s_create(x, two, top, "f", FILE_MODE, &f), OK);
	assert_err(s_stat(x, two, f, NULL), OK);
	srig_end(two);
	while (server_reap(x->r->s) > 0)
		;
	assert_err(s_stat(x, x->own, r.attr.id, NULL), NO_SUCH_ID);
	assert_err(s_stat(x, x->own, f, NULL), NO_SUCH_ID);
	assert_int_equal(fx_check(x->r->fx), 0);
}

static void
staging__published__is_there_and_the_rest_goes(void **state)
{
	struct srig *x = *state;
	struct vfs_tmpfile q = { .dir = ROOT, .mode = DIR_MODE };
	struct vfs_tmpfile_reply r;
	struct vfs_tree_publish p = { .dir2 = ROOT, .name = { "top", 3 },
		.name2 = { "out", 3 }, .flags = VFS_RENAME_NOREPLACE };
	struct vfs_tree_publish_reply pr;
	struct vfs_id top, f;

	assert_err(srig_run(x, x->own, VFS_OP_TMPFILE, &q, &r), OK);
	assert_err(s_create(x, x->own, H(r.handle), "top", DIR_MODE, &top),
	    OK);
	assert_err(s_create(x, x->own, top, "f", FILE_MODE, &f), OK);
	p.dir = H(r.handle);
	assert_err(srig_run(x, x->own, VFS_OP_TREE_PUBLISH, &p, &pr), OK);
	assert_int_equal(pr.id.n, top.n);
	assert_err(s_close(x, x->own, r.handle), OK);
	assert_err(look(x, x->own, top, "f"), OK);
	assert_err(look(x, x->own, ROOT, "out"), OK);
	assert_err(s_stat(x, x->own, r.attr.id, NULL), NO_SUCH_ID);
	assert_int_equal(fx_check(x->r->fx), 0);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		S_TEST(removed_tree__raw_ids__only_its_holder_has_them),
		S_TEST(removed_tree__what_is_open_inside__stays),
		S_TEST(staging__session_dies__nothing_is_left),
		S_TEST(staging__published__is_there_and_the_rest_goes),
	};

	return cmocka_run_group_tests_name("tree_sessions", tests, NULL,
	    NULL);
}
