/*
 * Consumers that keep only a cursor: of the whole tree, of a subtree, by
 * small pages, collapsed.  Random operations, then everything that they
 * rebuilt must be what is there; through checkpoints, kill -9, restarts.
 *
 *	SEED=n OPS=n journal_mirror		repeats a run
 */
#include "../cm.h"
#include "../mirror.h"
#include "../tx_rig.h"

#define OPS_MAX	3000u

static unsigned seed;

static unsigned
rnd(unsigned n)
{
	return (unsigned)rand_r(&seed) % n;
}

static unsigned
ops(void)
{
	const char *s = getenv("OPS");

	return s != NULL ? (unsigned)atoi(s) : OPS_MAX;
}

static void
seed_start(void)
{
	const char *s = getenv("SEED");

	seed = s != NULL ? (unsigned)atoi(s) : 20u;
	printf("# SEED=%u\n", seed);
	fflush(stdout);
}

/* --- one random operation ----------------------------------------------- */

/* "/s" is the subtree that somebody follows; the rest is outside. */
static const char *
path(char buf[32])
{
	static const char *const tops[] = { "/s", "/s", "/o", "" };
	unsigned depth = 1 + rnd(3);
	int n = sprintf(buf, "%s", tops[rnd(4)]);

	while (depth-- > 0)
		n += sprintf(buf + n, "/%c", 'a' + (int)rnd(4));
	return buf;
}

static void
write_some(struct fx *fx, const char *p)
{
	static const char bytes[6000];

	(void)fx_write(fx, p, rnd(3000), bytes, 1 + rnd(5000));
	if (rnd(2))
		(void)fx_publish(fx, p);
}

static void
tmpfile_link(struct fx *fx, const char *p)
{
	struct vfs_tmpfile q = { .dir = fx_id(fx, "/s"),
		.mode = VFS_TYPE_MODE(VFS_REG) | 0600 };
	struct vfs_tmpfile_reply r;
	struct vfs_link l = { .dir = fx_id(fx, rnd(2) ? "/s" : "/o") };
	struct vfs_link_reply lr;

	assert_err(fx_op_tmpfile(fx, &q, &r), OK);
	l.target = r.attr.id;
	l.name = (struct vfs_slice){ p + strlen(p) - 1, 1 };
	if (rnd(3) > 0)
		(void)fx_op_link(fx, &l, &lr);
}

static void
copy(struct fx *fx, const char *p, const char *p2)
{
	struct vfs_attr a, b;
	struct vfs_copy_range q = { .len = 5000 };
	struct vfs_copy_range_reply r;

	if (fx_stat(fx, p, &a) < 0 || fx_stat(fx, p2, &b) < 0)
		return;
	q.src = a.id;
	q.dst = b.id;
	(void)fx_op_copy_range(fx, &q, &r);
}

static void
allocate(struct fx *fx, const char *p)
{
	struct vfs_attr a;
	struct vfs_allocate q = { .len = 9000,
		.flags = rnd(2) ? VFS_ALLOC_KEEP_SIZE : 0 };
	struct vfs_allocate_reply r;

	if (fx_stat(fx, p, &a) < 0)
		return;
	q.id = a.id;
	(void)fx_op_allocate(fx, &q, &r);
}

static void
chmod_some(struct fx *fx, const char *p)
{
	if (rnd(3) == 0)		/* as others, who lose set-id bits */
		fx_as(fx, rnd(2) ? 7 : 0, 7);
	else
		(void)fx_chmod(fx, p, rnd(2) ? 06777 : 0777);
	if (rnd(2))
		write_some(fx, p);
	else
		(void)fx_truncate(fx, p, rnd(9000));
	fx_as_kernel(fx);
}

static void
change(struct fx *fx)
{
	char a[32], b[32];
	const char *p = path(a), *p2 = path(b);

	switch (rnd(16)) {
	case 0:
	case 1:
		(void)fx_create(fx, p, 0666);
		break;
	case 2:
		(void)fx_mkdir(fx, p, 0777);
		break;
	case 3:
		(void)fx_link(fx, p, p2);
		break;
	case 4:
		(void)fx_unlink(fx, p);
		break;
	case 5:
		(void)fx_rmdir(fx, p);
		break;
	case 6:
	case 7:
	case 8:
		(void)fx_rename(fx, p, p2, 0);
		break;
	case 9:
		(void)fx_rename(fx, p, p2, VFS_RENAME_EXCHANGE);
		break;
	case 10:
		chmod_some(fx, p);
		break;
	case 11:
		write_some(fx, p);
		break;
	case 12:
		(void)fx_setxattr(fx, p, "user.x", "1", 1, 0);
		(void)fx_removexattr(fx, p2, "user.x");
		break;
	case 13:
		tmpfile_link(fx, p);
		break;
	case 14:
		copy(fx, p, p2);
		break;
	default:
		allocate(fx, p);
		break;
	}
}

/* What may happen to a daemon in between. */
static void
fate(struct fx *fx)
{
	switch (rnd(40)) {
	case 0:
		fx_reopen(fx);
		assert_err(fx_publish_all(fx), OK);
		break;
	case 1:
		fx_reboot(fx);
		break;
	case 2:
		fx_restart(fx);
		break;
	case 3:
		assert_err(engine_checkpoint(fx->e), OK);
		break;
	case 4:
	case 5:
		assert_err(fx_reclaim_all(fx), OK);
		break;
	default:
		break;
	}
}

/* --- consumers ---------------------------------------------------------- */

#define KINDS(n)	(1u << PROTO_CHANGE_##n)

static void
same(struct mirror *m, struct fx *fx, const char *who)
{
	assert_err(mirror_read(m, fx), OK);
	if (mirror_compare(m, fx) != 0)
		fail_msg("%s: the mirror is not the tree", who);
}

static void
setup_tops(struct fx *fx)
{
	assert_err(fx_mkdir(fx, "/s", 0777), OK);
	assert_err(fx_mkdir(fx, "/o", 0777), OK);
}

static void
journal__random_operations__mirrors_are_the_tree(void **state)
{
	struct mirror all, slow, sub, fold;
	struct fx *fx = *state;
	unsigned i;

	seed_start();
	setup_tops(fx);
	mirror_init(&all, fx, (struct vfs_id){ 0 });
	mirror_init(&slow, fx, (struct vfs_id){ 0 });
	mirror_init(&fold, fx, (struct vfs_id){ 0 });
	mirror_init(&sub, fx, fx_id(fx, "/s"));
	slow.room = 1000;
	slow.max = 3;
	fold.flags = VFS_JOURNAL_COLLAPSE;
	fold.dir_versions = false;
	for (i = 0; i < ops(); i++) {
		change(fx);
		fate(fx);
		if (rnd(4) == 0)
			same(&all, fx, "all");
		if (rnd(7) == 0)
			same(&sub, fx, "subtree");
		if (rnd(20) == 0)
			same(&fold, fx, "collapsed");
		if (rnd(50) == 0)
			same(&slow, fx, "small pages");
	}
	same(&all, fx, "all");
	same(&sub, fx, "subtree");
	same(&fold, fx, "collapsed");
	same(&slow, fx, "small pages");
	assert_int_equal(fx_check(fx), 0);
	printf("# %llu records, subtree %llu, collapsed %llu\n",
	    (unsigned long long)all.records, (unsigned long long)sub.records,
	    (unsigned long long)fold.records);
	assert_true(fold.records < all.records);
	if (getenv("SEED") != NULL || getenv("OPS") != NULL)
		goto out;		/* it may have been short */
	assert_int_equal(all.kinds, KINDS(CREATE) | KINDS(LINK) |
	    KINDS(UNLINK) | KINDS(RENAME) | KINDS(EXCHANGE) | KINDS(DATA) |
	    KINDS(META) | KINDS(XATTR) | KINDS(DELETE));
	assert_int_equal(sub.kinds, (all.kinds & ~KINDS(DELETE)) |
	    KINDS(ENTERED) | KINDS(LEFT));
out:
	mirror_free(&all);
	mirror_free(&slow);
	mirror_free(&sub);
	mirror_free(&fold);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		FX_TEST(journal__random_operations__mirrors_are_the_tree),
	};

	return cmocka_run_group_tests_name("journal_mirror", tests, NULL,
	    NULL);
}
