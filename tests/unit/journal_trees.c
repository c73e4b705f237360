/*
 * Mirrors beside whole trees that come and go, and transactions: removed,
 * put in place, copied, staged; committed and aborted; through kill -9.
 *
 *	SEED=n OPS=n journal_trees		repeats a run
 */
#include "../cm.h"
#include "../mirror.h"
#include "../tx_rig.h"

#define DIR_MODE	(VFS_TYPE_MODE(VFS_DIR) | 0755)
#define FILE_MODE	(VFS_TYPE_MODE(VFS_REG) | 0644)
#define OPS_MAX	1500u

static unsigned seed;
static struct vfs_id top;		/* of the subtree that is followed */

static unsigned
rnd(unsigned n)
{
	return (unsigned)rand_r(&seed) % n;
}

static struct vfs_slice
name(char buf[2])
{
	buf[0] = (char)('a' + rnd(4));
	buf[1] = 0;
	return (struct vfs_slice){ buf, 1 };
}

/* Some directory: a walk down by names that are there. */
static struct vfs_id
some_dir(struct rig *r, uint64_t tx)
{
	struct vfs_id at = rnd(2) ? ROOT : top, next;
	struct vfs_attr a;
	unsigned depth = rnd(5);
	char buf[2];

	while (depth-- > 0) {
		(void)name(buf);
		if (do_lookup(r, tx, at, buf, &next) == 0 &&
		    do_stat(r, tx, next, &a) == 0 &&
		    VFS_MODE_TYPE(a.mode) == VFS_DIR)
			at = next;
	}
	return at;
}

/* One that a transaction may have, too. */
static int
plain(struct rig *r, uint64_t tx)
{
	struct vfs_id dir = some_dir(r, tx), dir2 = some_dir(r, tx), id;
	struct vfs_link l;
	struct vfs_link_reply lr;
	struct vfs_rename x;
	struct vfs_rename_reply xr;
	char a[2], b[2];

	(void)name(a);
	(void)name(b);
	switch (rnd(8)) {
	case 0:
	case 1:
		return do_create(r, tx, dir, a, FILE_MODE, NULL);
	case 2:
		return do_create(r, tx, dir, a, DIR_MODE, NULL);
	case 3:
		return do_unlink(r, tx, dir, a);
	case 4:
		return do_rename(r, tx, dir, a, dir2, b);
	case 5:
		x = (struct vfs_rename){ .dir = dir, .dir2 = dir2,
			.name = { a, 1 }, .name2 = { b, 1 },
			.flags = VFS_RENAME_EXCHANGE };
		return rig_op(r, tx, VFS_OP_RENAME, &x, &xr);
	case 6:
		if (do_lookup(r, tx, dir, a, &id) < 0)
			return 0;
		l = (struct vfs_link){ .dir = dir2, .target = id,
			.name = { b, 1 } };
		return rig_op(r, tx, VFS_OP_LINK, &l, &lr);
	default:
		if (do_lookup(r, tx, dir, a, &id) < 0)
			return 0;
		return rnd(2) ? do_chmod(r, tx, id, rnd(0777)) :
		    do_write(r, tx, id, rnd(9000), a, 1);
	}
}

static void
transaction(struct rig *r)
{
	uint64_t tx = rig_begin(r);
	unsigned n = 1 + rnd(12);

	while (n-- > 0)
		if (plain(r, tx) == -VFS_EXPIRED)
			return;
	if (rnd(5) == 0)
		(void)plain(r, 0);	/* it may lose */
	if (rnd(4) == 0)
		(void)tx_abort(r->s, (struct tx_ref){ tx, RIG_OWNER });
	else
		(void)rig_commit(r, tx);
}

static void
tree(struct rig *r)
{
	struct vfs_id dir = some_dir(r, 0), dir2 = some_dir(r, 0), src;
	struct vfs_tree_remove rm = { .dir = dir };
	struct vfs_tree_remove_reply rr;
	struct vfs_tree_publish p = { .dir = dir, .dir2 = dir2 };
	struct vfs_tree_publish_reply pr;
	struct vfs_tree_clone c = { .dir = dir2 };
	struct vfs_tree_clone_reply cr;
	char a[2], b[2];

	rm.name = p.name = name(a);
	c.name = p.name2 = name(b);
	switch (rnd(4)) {
	case 0:
		(void)rig_op(r, 0, VFS_OP_TREE_REMOVE, &rm, &rr);
		break;
	case 1:
		p.flags = rnd(2) ? VFS_TREE_REPLACE : VFS_RENAME_EXCHANGE;
		(void)rig_op(r, 0, VFS_OP_TREE_PUBLISH, &p, &pr);
		break;
	default:
		if (do_lookup(r, 0, dir, a, &src) < 0)
			break;
		c.src = src;
		(void)rig_op(r, 0, VFS_OP_TREE_CLONE, &c, &cr);
		break;
	}
}

/* A tree is prepared where nobody sees it, and put in place. */
static void
staged(struct rig *r)
{
	struct vfs_tmpfile q = { .dir = some_dir(r, 0), .mode = DIR_MODE };
	struct vfs_tmpfile_reply t;
	struct vfs_tree_publish p = { .flags = VFS_TREE_REPLACE,
		.dir2 = some_dir(r, 0), .name = { "top", 3 } };
	struct vfs_tree_publish_reply pr;
	struct vfs_id above;
	char b[2];

	if (rig_op(r, 0, VFS_OP_TMPFILE, &q, &t) < 0)
		return;
	server_hold(r->s, t.attr.id, 1);
	assert_err(do_create(r, 0, t.attr.id, "top", DIR_MODE, &above), OK);
	assert_err(do_create(r, 0, above, "a", DIR_MODE, NULL), OK);
	assert_err(do_create(r, 0, above, "b", FILE_MODE, NULL), OK);
	p.dir = t.attr.id;
	p.name2 = name(b);
	if (rnd(4) > 0)
		(void)rig_op(r, 0, VFS_OP_TREE_PUBLISH, &p, &pr);
	server_drop(r->s, t.attr.id, 1);
}

static void
reap(struct rig *r)
{
	while (server_reap(r->s) > 0)
		;
}

static void
same(struct rig *r, struct mirror *m, const char *who)
{
	struct vfs_settle q = { 0 };
	struct vfs_settle_reply at;

	reap(r);			/* links of what was removed count */
	assert_err(dispatch(r->s, VFS_OP_SETTLE, &r->fx->env, &q, &at), OK);
	assert_err(mirror_read(m, r->fx), OK);
	if (mirror_compare(m, r->fx) != 0)
		fail_msg("%s: the mirror is not the tree", who);
}

#define KINDS(n)	(1u << PROTO_CHANGE_##n)

static void
journal__trees_and_transactions__mirrors_are_the_tree(void **state)
{
	const char *s = getenv("OPS");
	unsigned n = s != NULL ? (unsigned)atoi(s) : OPS_MAX, i;
	struct rig *r = *state;
	struct mirror all, fold, sub;

	s = getenv("SEED");
	seed = s != NULL ? (unsigned)atoi(s) : 11;
	printf("# SEED=%u\n", seed);
	fflush(stdout);
	assert_err(do_create(r, 0, ROOT, "s", DIR_MODE, &top), OK);
	assert_err(do_create(r, 0, top, "a", DIR_MODE, NULL), OK);
	mirror_init(&all, r->fx, (struct vfs_id){ 0 });
	mirror_init(&fold, r->fx, (struct vfs_id){ 0 });
	mirror_init(&sub, r->fx, top);
	fold.flags = VFS_JOURNAL_COLLAPSE;
	fold.dir_versions = false;
	for (i = 0; i < n; i++) {
		/* s is there, and what is moved from and to */
		if (rnd(3) == 0)
			(void)do_rename(r, 0, ROOT, "a", top, "b");
		if (rnd(3) == 0)
			(void)do_rename(r, 0, top, "b", some_dir(r, 0), "c");
		(void)plain(r, 0);
		if (rnd(3) == 0)
			transaction(r);
		if (rnd(4) == 0)
			tree(r);
		if (rnd(9) == 0)
			staged(r);
		if (rnd(60) == 0)
			rig_kill(r);
		if (rnd(5) == 0)
			same(r, &all, "all");
		if (rnd(9) == 0)
			same(r, &sub, "subtree");
		if (rnd(25) == 0)
			same(r, &fold, "collapsed");
	}
	same(r, &all, "all");
	same(r, &sub, "subtree");
	same(r, &fold, "collapsed");
	assert_int_equal(fx_check(r->fx), 0);
	printf("# %llu records, subtree %llu, collapsed %llu\n",
	    (unsigned long long)all.records, (unsigned long long)sub.records,
	    (unsigned long long)fold.records);
	if (getenv("SEED") != NULL || getenv("OPS") != NULL)
		all.kinds = sub.kinds = ~0u;	/* it may have been short */
	assert_true(all.kinds & KINDS(REMOVE_TREE));
	assert_true(all.kinds & KINDS(CLONE_TREE));
	assert_true(sub.kinds & KINDS(REMOVE_TREE));
	assert_true(sub.kinds & KINDS(CLONE_TREE));
	assert_true(sub.kinds & KINDS(ENTERED));
	assert_true(sub.kinds & KINDS(LEFT));
	mirror_free(&all);
	mirror_free(&fold);
	mirror_free(&sub);
}

/* A copy that is made in many commits is told of when it is in place. */
static void
journal__a_copy_too_large_for_one_commit__is_told_of_as_a_tree(void **state)
{
	struct rig *r = *state;
	struct vfs_tree_clone c = { .dir = ROOT, .name = { "copy", 4 } };
	struct vfs_tree_clone_reply cr;
	struct mirror all;
	struct vfs_id dir;
	char buf[16];
	unsigned i;

	assert_err(do_create(r, 0, ROOT, "src", DIR_MODE, &c.src), OK);
	mirror_init(&all, r->fx, (struct vfs_id){ 0 });
	for (i = 0; i < 1000; i++) {
		if (i % 200 == 0) {
			sprintf(buf, "d%u", i / 200);
			assert_err(do_create(r, 0, c.src, buf, DIR_MODE,
			    &dir), OK);
		}
		sprintf(buf, "f%u", i);
		assert_err(do_create(r, 0, dir, buf, FILE_MODE, NULL), OK);
	}
	same(r, &all, "all");
	assert_err(rig_op(r, 0, VFS_OP_TREE_CLONE, &c, &cr), OK);
	assert_true(cr.objects > 1000);
	same(r, &all, "all");
	assert_true(all.kinds & KINDS(CLONE_TREE));
	assert_false(all.kinds & KINDS(RENAME));
	mirror_free(&all);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup_teardown(
		    journal__trees_and_transactions__mirrors_are_the_tree,
		    rig_setup, rig_teardown),
		cmocka_unit_test_setup_teardown(
		    journal__a_copy_too_large_for_one_commit__is_told_of_as_a_tree,
		    rig_setup, rig_teardown),
	};

	return cmocka_run_group_tests_name("journal_trees", tests, NULL,
	    NULL);
}
