/*
 * Rows that checked but say nonsense (written by a bug, not by the disk):
 * whoever meets one gets CORRUPT, and a fault names the object.  Never
 * other bytes, never a crash.
 */
#include "../../vfsd/core/node.h"
#include "../../vfsd/core/record.h"
#include "../cm.h"

static int
with_tree(void **state)
{
	struct fx *fx;

	fx_setup(state);
	fx = *state;
	fx->quiet = true;
	fx_mkdir(fx, "/d", 0755);
	fx_create(fx, "/d/f", 0644);
	fx_symlink(fx, "target", "/d/l");
	fx_setxattr(fx, "/d/f", "system.posix_acl_access",
	    "\2\0\0\0\1\0\6\0\377\377\377\377\2\0\7\0\7\0\0\0"
	    "\4\0\5\0\377\377\377\377\20\0\7\0\377\377\377\377"
	    "\40\0\5\0\377\377\377\377", 44, 0);
	return engine_checkpoint(fx->e);
}

/* Replace a row's payload; NULL deletes it. */
static void
put(struct fx *fx, const struct row_key *k, const char *val)
{
	struct txn *t;

	assert_err(txn_begin(fx->e, TXN_WRITE, &fx->env, &t), OK);
	if (val != NULL)
		assert_err(txn_put(t, row_key_slice(k),
		    (struct vfs_slice){ val, strlen(val) }), OK);
	else
		assert_err(txn_del(t, row_key_slice(k)), OK);
	assert_err(txn_commit(t, NULL), OK);
}

static void
assert_named(struct fx *fx, struct vfs_id id)
{
	char number[24];

	snprintf(number, sizeof number, "%llu", (unsigned long long)id.n);
	if (strstr(fx->report, number) == NULL)
		print_message("\"%s\" names no %s\n", fx->report, number);
	assert_non_null(strstr(fx->report, number));
	fx->report[0] = '\0';
}

static void
inode__damaged__named_and_nothing_served(void **state)
{
	struct fx *fx = *state;
	struct vfs_id id = fx_id(fx, "/d/f");
	struct vfs_attr a;
	struct row_key k;

	row_key_id(&k, ROW_INODE, id.n);
	put(fx, &k, "nonsense");
	assert_err(fx_stat(fx, "/d/f", &a), CORRUPT);
	assert_named(fx, id);
	assert_err(fx_unlink(fx, "/d/f"), CORRUPT);
	assert_named(fx, id);
	assert_err(fx_rename(fx, "/d/f", "/g", 0), CORRUPT);
	assert_named(fx, id);
	assert_err(fx_rename(fx, "/d/l", "/d/f", 0), CORRUPT);
	assert_named(fx, id);
}

static void
inode__missing_behind_a_name__is_damage(void **state)
{
	struct fx *fx = *state;
	struct vfs_id id = fx_id(fx, "/d/l");
	struct vfs_attr a;
	struct row_key k;

	row_key_id(&k, ROW_INODE, id.n);
	put(fx, &k, NULL);
	assert_err(fx_stat(fx, "/d/l", &a), CORRUPT);
	assert_named(fx, id);
}

static void
inode__type_unlike_the_name__is_damage(void **state)
{
	struct fx *fx = *state;
	struct vfs_id id = fx_id(fx, "/d/f"), dir = fx_id(fx, "/d");
	struct rec_name e = { .id = id, .slot = VFS_SLOT_FIRST,
	    .type = VFS_DIR };
	struct vfs_attr a;
	struct row_key k;
	struct txn *t;
	uint8_t buf[32];

	row_key_name(&k, ROW_NAME, dir, (struct vfs_slice){ "f", 1 });
	assert_err(txn_begin(fx->e, TXN_WRITE, &fx->env, &t), OK);
	assert_err(txn_put(t, row_key_slice(&k), (struct vfs_slice){ buf,
	    rec_name_encode(&e, buf) }), OK);
	assert_err(txn_commit(t, NULL), OK);
	assert_err(fx_stat(fx, "/d/f", &a), CORRUPT);
	assert_named(fx, id);
}

static void
name__damaged__named(void **state)
{
	struct fx *fx = *state;
	struct vfs_id dir = fx_id(fx, "/d");
	struct row_key k;

	row_key_name(&k, ROW_NAME, dir, (struct vfs_slice){ "f", 1 });
	put(fx, &k, "nonsense");
	assert_err(fx_unlink(fx, "/d/f"), CORRUPT);
	assert_named(fx, dir);
	assert_err(fx_create(fx, "/d/f", 0644), CORRUPT);
	assert_named(fx, dir);
	assert_err(fx_link(fx, "/d/l", "/d/f"), CORRUPT);
	assert_named(fx, dir);
}

struct seen {
	unsigned n, without;
};

static bool
take(void *arg, const struct vfs_dirent *e)
{
	struct seen *s = arg;

	s->n++;
	s->without += e->attr == NULL;
	return true;
}

static void
dir_read__one_inode_damaged__others_are_listed(void **state)
{
	struct fx *fx = *state;
	struct seen seen = { 0, 0 };
	struct vfs_dir_read q = { .dir = fx_id(fx, "/d"),
	    .want = VFS_WANT_ATTR };
	struct vfs_dir_read_reply r = { .entries = { take, &seen } };
	struct row_key k;

	row_key_id(&k, ROW_INODE, fx_id(fx, "/d/f").n);
	put(fx, &k, "nonsense");
	assert_err(fx_op_dir_read(fx, &q, &r), OK);
	assert_int_equal(seen.n, 4);
	assert_int_equal(seen.without, 1);
}

static void
slot__damaged__named(void **state)
{
	struct fx *fx = *state;
	struct seen seen = { 0, 0 };
	struct vfs_id dir = fx_id(fx, "/d");
	struct vfs_dir_read q = { .dir = dir };
	struct vfs_dir_read_reply r = { .entries = { take, &seen } };
	struct vfs_paths_of pq = { .id = fx_id(fx, "/d/f") };
	struct vfs_paths_of_reply pr = { .links = { take, &seen } };
	struct row_key k;

	row_key_id2(&k, ROW_SLOT, dir.n, VFS_SLOT_FIRST);
	put(fx, &k, "x");
	assert_err(fx_op_dir_read(fx, &q, &r), CORRUPT);
	assert_named(fx, dir);
	assert_err(fx_op_paths_of(fx, &pq, &pr), CORRUPT);
	assert_named(fx, pq.id);
}

static void
acl__damaged__nobody_gets_in(void **state)
{
	struct fx *fx = *state;
	struct vfs_access q = { .id = fx_id(fx, "/d/f"), .mask = 4 };
	struct vfs_access_reply r;
	static const char name[] = "system.posix_acl_access";
	struct row_key k;

	row_key_name(&k, ROW_XATTR, q.id,
	    (struct vfs_slice){ name, sizeof name - 1 });
	put(fx, &k, "nonsense");
	fx_as(fx, 7, 7);
	assert_err(fx_op_access(fx, &q, &r), CORRUPT);
	assert_named(fx, q.id);
	fx_as(fx, 0, 0);
	assert_err(fx_chmod(fx, "/d/f", 0600), CORRUPT);
	assert_named(fx, q.id);
}

static void
parents__in_a_circle__rename_ends(void **state)
{
	struct fx *fx = *state;
	struct node a, b;
	struct txn *t;

	assert_err(fx_mkdir(fx, "/a", 0755), OK);
	assert_err(fx_mkdir(fx, "/a/b", 0755), OK);
	assert_err(fx_mkdir(fx, "/m", 0755), OK);
	a.id = fx_id(fx, "/a");
	b.id = fx_id(fx, "/a/b");
	assert_err(txn_begin(fx->e, TXN_WRITE, &fx->env, &t), OK);
	assert_err(node_get_dir(t, a.id, &a), OK);
	a.in.parent = b.id.n;
	assert_err(node_put(t, &a), OK);
	assert_err(txn_commit(t, NULL), OK);
	assert_err(fx_rename(fx, "/m", "/a/b/m", 0), CORRUPT);
}

static void
slots__all_used__nospc(void **state)
{
	struct fx *fx = *state;
	struct node d = { .id = fx_id(fx, "/d") };
	struct txn *t;

	assert_err(txn_begin(fx->e, TXN_WRITE, &fx->env, &t), OK);
	assert_err(node_get_dir(t, d.id, &d), OK);
	d.in.next_slot = VFS_SLOT_MAX;
	assert_err(node_put(t, &d), OK);
	assert_err(txn_commit(t, NULL), OK);
	assert_err(fx_create(fx, "/d/last", 0644), OK);
	assert_err(fx_create(fx, "/d/more", 0644), NOSPC);
	assert_err(fx_rename(fx, "/d/last", "/d/other", 0), OK);
	assert_err(fx_unlink(fx, "/d/other"), OK);
	assert_int_equal(fx_check(fx), 0);
}

#define T(f)	cmocka_unit_test_setup_teardown(f, with_tree, fx_teardown)

int
main(void)
{
	const struct CMUnitTest tests[] = {
		T(inode__damaged__named_and_nothing_served),
		T(inode__missing_behind_a_name__is_damage),
		T(inode__type_unlike_the_name__is_damage),
		T(name__damaged__named),
		T(dir_read__one_inode_damaged__others_are_listed),
		T(slot__damaged__named),
		T(acl__damaged__nobody_gets_in),
		T(parents__in_a_circle__rename_ends),
		T(slots__all_used__nospc),
	};

	return cmocka_run_group_tests_name("core_damage", tests, NULL, NULL);
}
