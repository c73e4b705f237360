/* libvfs: what POSIX says of paths, of open, and of users. */
#include "../cm.h"
#include "../vfs_rig.h"

#define OK(call)	assert_int_equal((call), 0)
#define ROOT		VFS_RIG_ROOT
#define USER		1234u

/* A client that is a user whom modes stop. */
static struct vfs *
user(struct vfs_rig *r, uint32_t rights)
{
	uint8_t token[VFS_TOKEN_BYTES];
	struct vfs_conf conf = { .token = token };
	struct vfs_grant q = { .root = ROOT, .rights = rights,
		.flags = VFS_GRANT_CRED, .uid = USER, .gid = USER };
	struct vfs_grant_reply rep;
	struct vfs_call c = { .op = VFS_OP_GRANT, .q = &q, .r = &rep }, *got;

	OK(vfs_submit(r->v, &c));
	while (vfs_complete(r->v, &got) == 0)
		;
	OK(c.err);
	assert_int_equal(rep.token.n, sizeof token);
	memcpy(token, rep.token.p, sizeof token);
	OK(vfs_chmod(r->v, NULL, ROOT, 0777));
	return vfs_rig_peer(r, &conf);
}

static int
open_at(struct vfs *v, const char *path, uint32_t flags, uint32_t mode,
    struct vfs_id *h)
{
	struct vfs_attr a;

	return vfs_open_path(v, NULL, ROOT, path, flags, mode, 0, h, &a);
}

#define CREATE(how)	(VFS_O_CREATE | (how))

/* --- open ---------------------------------------------------------------- */

/* The mode is for those who open it later. */
static void
open__made_read_only__may_be_written(void **state)
{
	struct vfs_rig *r = *state;
	struct vfs *v = user(r, VFS_RIGHTS_ALL);
	struct vfs_attr a;
	struct vfs_id h;
	char got[8];

	OK(open_at(v, "f", CREATE(VFS_OPEN_WRITE), 0444, &h));
	OK(vfs_write(v, NULL, h, 0, "text", 4));
	assert_err(vfs_read(v, NULL, h, 0, got, 4), ACCESS);
	OK(vfs_close(v, h));
	OK(vfs_lookup(v, NULL, ROOT, "f", &a));
	assert_int_equal(a.mode, 0100444);
	assert_int_equal(a.uid, USER);
	assert_err(open_at(v, "f", CREATE(VFS_OPEN_WRITE), 0444, &h), ACCESS);
	OK(open_at(v, "none", CREATE(VFS_OPEN_READ | VFS_OPEN_WRITE), 0, &h));
	OK(vfs_write(v, NULL, h, 0, "text", 4));
	assert_int_equal(vfs_read(v, NULL, h, 0, got, 8), 4);
	OK(vfs_close(v, h));
	OK(open_at(v, "read", CREATE(VFS_OPEN_READ), 0, &h));
	assert_int_equal(vfs_read(v, NULL, h, 0, got, 8), 0);
	assert_err(vfs_write(v, NULL, h, 0, "text", 4), ACCESS);
	OK(vfs_close(v, h));
	vfs_disconnect(v);
}

/* --- paths that end in a slash -------------------------------------------- */

static void
open__of_a_directory__is_not_to_be_made(void **state)
{
	struct vfs *v = ((struct vfs_rig *)*state)->v;
	struct vfs_attr a;
	struct vfs_id h;

	OK(vfs_mkdir(v, NULL, ROOT, "d", 0755, NULL));
	OK(vfs_symlink(v, NULL, ROOT, "l", "slash/", NULL));
	assert_err(open_at(v, "d", CREATE(VFS_OPEN_READ), 0644, &h), ISDIR);
	assert_err(open_at(v, "d/", CREATE(VFS_OPEN_READ), 0644, &h), ISDIR);
	assert_err(open_at(v, "n/", CREATE(VFS_OPEN_READ), 0644, &h), ISDIR);
	assert_err(open_at(v, "n//", CREATE(VFS_O_EXCL), 0644, &h), ISDIR);
	assert_err(open_at(v, "l", CREATE(VFS_OPEN_READ), 0644, &h), ISDIR);
	assert_err(vfs_lookup(v, NULL, ROOT, "n", &a), NOENT);
	assert_err(vfs_lookup(v, NULL, ROOT, "slash", &a), NOENT);
}

static void
slash__behind_a_file__is_no_directory(void **state)
{
	struct vfs *v = ((struct vfs_rig *)*state)->v;
	struct vfs_attr a;

	OK(vfs_create(v, NULL, ROOT, "f", 0644, 0, NULL, NULL));
	OK(vfs_mkdir(v, NULL, ROOT, "d", 0755, NULL));
	assert_err(vfs_unlink_path(v, NULL, ROOT, "f/", VFS_UNLINK_FILE),
	    NOTDIR);
	assert_err(vfs_rename_path(v, NULL, ROOT, "f/", "g", 0), NOTDIR);
	assert_err(vfs_rename_path(v, NULL, ROOT, "f", "g/", 0), NOTDIR);
	assert_err(vfs_rename_path(v, NULL, ROOT, "none/", "g", 0), NOENT);
	assert_err(vfs_link_path(v, NULL, ROOT, "f", "g/"), NOENT);
	assert_err(vfs_symlink_path(v, NULL, ROOT, "g/", "f"), NOENT);
	OK(vfs_lookup(v, NULL, ROOT, "f", &a));
	assert_err(vfs_lookup(v, NULL, ROOT, "g", &a), NOENT);
	OK(vfs_mkdir_path(v, NULL, ROOT, "d/e/", 0755, &a));
	OK(vfs_rename_path(v, NULL, ROOT, "d/", "g/", 0));
	OK(vfs_unlink_path(v, NULL, ROOT, "g/e/", VFS_UNLINK_DIR));
}

/* --- in a transaction, in a batch ------------------------------------------ */

static void
handles__inside_of_a_transaction__are_ids(void **state)
{
	struct vfs *v = ((struct vfs_rig *)*state)->v;
	struct vfs_attr a;
	struct vfs_tx *tx;
	struct vfs_id h;
	char got[8];

	OK(vfs_tx_begin(v, &tx));
	OK(vfs_mkdir_path(v, tx, ROOT, "d", 0755, &a));
	OK(vfs_open_path(v, tx, ROOT, "d/f", CREATE(VFS_OPEN_WRITE), 0644, 0,
	    &h, &a));
	assert_int_equal(h.n, a.id.n);
	OK(vfs_write(v, tx, h, 0, "text", 4));
	OK(vfs_resolve_open(v, tx, ROOT, "d/f", 0, 0, &h, &a));
	assert_int_equal(a.size, 4);
	assert_int_equal(vfs_read(v, tx, h, 0, got, 8), 4);
	OK(vfs_close(v, h));
	OK(vfs_tx_commit(tx, VFS_TX_VISIBLE, NULL));
}

#define NO_IDS	(VFS_RIGHTS_ALL & ~(uint32_t)VFS_RIGHT_OPEN_BY_ID)

/* Most users are like that: everything is by path and handle. */
static void
work(struct vfs *v, struct vfs_tx *tx)
{
	struct vfs_attr a;
	struct vfs_id h;
	char got[8];

	OK(vfs_mkdir_path(v, tx, ROOT, "d", 0755, NULL));
	OK(vfs_mkdir_path(v, tx, ROOT, "d/e", 0755, NULL));
	OK(vfs_open_path(v, tx, ROOT, "d/e/f", CREATE(VFS_OPEN_READ |
	    VFS_OPEN_WRITE), 0444, 0, &h, &a));
	OK(vfs_write(v, tx, h, 0, "text", 4));
	assert_int_equal(vfs_read(v, tx, h, 0, got, 8), 4);
	OK(vfs_close(v, h));
	OK(vfs_symlink_path(v, tx, ROOT, "d/l", "e/f"));
	OK(vfs_open_path(v, tx, ROOT, "d/l", VFS_OPEN_READ, 0, 0, &h, &a));
	assert_int_equal(vfs_read(v, tx, h, 0, got, 8), 4);
	OK(vfs_close(v, h));
	OK(vfs_link_path(v, tx, ROOT, "d/l", "d/m"));
	OK(vfs_link_path(v, tx, ROOT, "d/e/f", "d/g"));
	OK(vfs_rename_path(v, tx, ROOT, "d/g", "d/e/g", 0));
	OK(vfs_unlink_path(v, tx, ROOT, "d/m", VFS_UNLINK_FILE));
	assert_err(vfs_resolve(v, tx, ROOT, "d/e/f/x", 0, &a), NOTDIR);
	assert_err(vfs_resolve(v, tx, ROOT, "d/x/y", 0, &a), NOENT);
}

static void
transaction__of_a_user_without_ids__goes_by_paths(void **state)
{
	struct vfs_rig *r = *state;
	struct vfs *v = user(r, NO_IDS);
	struct vfs_attr a;
	struct vfs_tx *tx;

	OK(vfs_tx_begin(v, &tx));
	work(v, tx);
	vfs_tx_abort(tx);
	assert_err(vfs_resolve(v, NULL, ROOT, "d", 0, &a), NOENT);
	OK(vfs_tx_begin(v, &tx));
	work(v, tx);
	OK(vfs_tx_commit(tx, VFS_TX_VISIBLE, NULL));
	OK(vfs_resolve(v, NULL, ROOT, "d/e/g", 0, &a));
	assert_int_equal(a.nlink, 2);
	assert_int_equal(a.size, 4);
	assert_int_equal(a.uid, USER);
	vfs_disconnect(v);
	assert_int_equal(fx_check(r->fx), 0);
}

static void
transaction__of_another_connection__is_refused(void **state)
{
	struct vfs_rig *r = *state;
	struct vfs *two = vfs_rig_peer(r, NULL);
	struct vfs_attr a;
	struct vfs_tx *tx;

	OK(vfs_tx_begin(r->v, &tx));
	assert_err(vfs_stat(two, tx, ROOT, &a), INVAL);
	vfs_tx_abort(tx);
	vfs_disconnect(two);
}

static void
lookups__with_bad_names_among_them__fail_alone(void **state)
{
	struct vfs *v = ((struct vfs_rig *)*state)->v;
	char longest[VFS_NAME_MAX + 2];
	struct vfs_found found[5];
	struct vfs_place places[5] = { { ROOT, "" }, { ROOT, "f" },
		{ ROOT, longest }, { ROOT, "a/b" }, { ROOT, "f" } };

	memset(longest, 'n', VFS_NAME_MAX + 1);
	longest[VFS_NAME_MAX + 1] = 0;
	OK(vfs_create(v, NULL, ROOT, "f", 0644, 0, NULL, NULL));
	OK(vfs_lookup_batch(v, NULL, places, 5, VFS_WANT_STAT, found));
	assert_err(found[0].err, NAME);
	assert_int_equal(found[1].err, 0);
	assert_err(found[2].err, NAMETOOLONG);
	assert_err(found[3].err, NAME);
	assert_int_equal(found[4].attr.id.n, found[1].attr.id.n);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		VFS_TEST(open__made_read_only__may_be_written),
		VFS_TEST(open__of_a_directory__is_not_to_be_made),
		VFS_TEST(slash__behind_a_file__is_no_directory),
		VFS_TEST(handles__inside_of_a_transaction__are_ids),
		VFS_TEST(transaction__of_a_user_without_ids__goes_by_paths),
		VFS_TEST(transaction__of_another_connection__is_refused),
		VFS_TEST(lookups__with_bad_names_among_them__fail_alone),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
