/* Attributes and who may change them, for sessions that the core checks. */
#include "../cm.h"

#define ROOT	0u
#define ALICE	1000u
#define BOB	1001u
#define STAFF	50u

static struct vfs_attr
stat_of(struct fx *fx, const char *path)
{
	struct vfs_attr a = { .nlink = 0 };

	assert_err(fx_stat(fx, path, &a), OK);
	return a;
}

static int
set(struct fx *fx, const char *path, struct vfs_setattr q)
{
	struct vfs_setattr_reply r;

	q.id = fx_id(fx, path);
	return fx_op_setattr(fx, &q, &r);
}

/* /f belongs to alice and staff, 0640; /d to alice, 0755. */
static int
with_files(void **state)
{
	struct fx *fx;

	fx_setup(state);
	fx = *state;
	fx_chmod(fx, "/", 0777);
	fx_create(fx, "/f", 0640);
	fx_chown(fx, "/f", ALICE, STAFF);
	fx_mkdir(fx, "/d", 0755);
	fx_chown(fx, "/d", ALICE, STAFF);
	return 0;
}

static uint32_t
granted(struct fx *fx, const char *path, uint32_t mask)
{
	struct vfs_access q = { .id = fx_id(fx, path), .mask = mask };
	struct vfs_access_reply r;

	assert_err(fx_op_access(fx, &q, &r), OK);
	return r.granted;
}

static void
access__mode__class_that_fits_first_decides(void **state)
{
	static const uint32_t staff[] = { STAFF };
	struct fx *fx = *state;

	fx_as(fx, ALICE, ALICE);
	assert_int_equal(granted(fx, "/f", 7), 6);
	fx_as(fx, BOB, STAFF);
	assert_int_equal(granted(fx, "/f", 7), 4);
	fx_as(fx, BOB, BOB);
	assert_int_equal(granted(fx, "/f", 7), 0);
	fx_groups(fx, 1, staff);
	assert_int_equal(granted(fx, "/f", 7), 4);
	assert_int_equal(granted(fx, "/f", 2), 0);
	fx_as(fx, ROOT, ROOT);
	assert_int_equal(granted(fx, "/f", 7), 6);	/* nobody's x bit */
	assert_int_equal(granted(fx, "/d", 7), 7);
	assert_err(fx_chmod(fx, "/f", 0047), OK);
	fx_as(fx, ALICE, STAFF);
	assert_int_equal(granted(fx, "/f", 7), 0);	/* the owner's class */
}

static void
access__unknown_bits__inval(void **state)
{
	struct fx *fx = *state;
	struct vfs_access q = { .id = { VFS_ID_ROOT }, .mask = 8 };
	struct vfs_access_reply r;

	assert_err(fx_op_access(fx, &q, &r), INVAL);
}

static void
names__in_anothers_directory__access(void **state)
{
	struct fx *fx = *state;
	struct vfs_lookup q = { .dir = fx_id(fx, "/d"), .name = { "x", 1 } };
	struct vfs_lookup_reply r;
	uint64_t before;

	assert_err(fx_create(fx, "/d/x", 0644), OK);
	before = fx_digest(fx);
	fx_as(fx, BOB, BOB);
	assert_err(fx_create(fx, "/d/y", 0644), ACCESS);
	assert_err(fx_mkdir(fx, "/d/y", 0755), ACCESS);
	assert_err(fx_link(fx, "/f", "/d/y"), ACCESS);
	assert_err(fx_unlink(fx, "/d/x"), ACCESS);
	assert_err(fx_rename(fx, "/d/x", "/y", 0), ACCESS);
	assert_err(fx_rename(fx, "/f", "/d/y", 0), ACCESS);
	assert_err(fx_op_lookup(fx, &q, &r), OK);
	fx_as(fx, ALICE, ALICE);
	assert_err(fx_chmod(fx, "/d", 0600), OK);
	assert_err(fx_op_lookup(fx, &q, &r), ACCESS);
	assert_err(fx_unlink(fx, "/d/x"), ACCESS);
	assert_err(fx_chmod(fx, "/d", 0755), OK);
	assert_true(fx_digest(fx) != before);	/* only ctime */
	assert_int_equal(fx_check(fx), 0);
}

static void
sticky__anothers_file__perm(void **state)
{
	struct fx *fx = *state;

	assert_err(fx_chmod(fx, "/", 01777), OK);
	assert_err(fx_create(fx, "/r", 0666), OK);
	fx_as(fx, BOB, BOB);
	assert_err(fx_create(fx, "/b", 0644), OK);
	assert_err(fx_unlink(fx, "/f"), PERM);
	assert_err(fx_rename(fx, "/f", "/g", 0), PERM);
	assert_err(fx_rename(fx, "/b", "/f", 0), PERM);
	assert_err(fx_rename(fx, "/b", "/f", VFS_RENAME_EXCHANGE), PERM);
	assert_err(fx_rename(fx, "/b", "/c", 0), OK);
	assert_err(fx_unlink(fx, "/c"), OK);
	fx_as(fx, ALICE, ALICE);
	assert_err(fx_unlink(fx, "/f"), OK);
	fx_as_kernel(fx);
	fx->env.uid = BOB;		/* the kernel has looked at it */
	fx->env.privileged = false;
	assert_err(fx_unlink(fx, "/r"), OK);
}

static void
rename__directory_to_elsewhere__needs_write_on_it(void **state)
{
	struct fx *fx = *state;

	assert_err(fx_mkdir(fx, "/o", 0777), OK);
	fx_as(fx, BOB, BOB);
	assert_err(fx_rename(fx, "/d", "/o/d", 0), ACCESS);
	assert_err(fx_rename(fx, "/d", "/e", 0), OK);
}

static void
mknod__device_by_user__perm(void **state)
{
	struct fx *fx = *state;
	struct vfs_create q = { .dir = { VFS_ID_ROOT },
	    .mode = VFS_TYPE_MODE(VFS_BLK) | 0600, .name = { "b", 1 } };
	struct vfs_create_reply r;

	fx_as(fx, ALICE, ALICE);
	assert_err(fx_op_create(fx, &q, &r), PERM);
	q.mode = VFS_TYPE_MODE(VFS_FIFO) | 0600;
	assert_err(fx_op_create(fx, &q, &r), OK);
}

/* --- chmod, chown --------------------------------------------------------- */

static void
chmod__by_whom__owner_or_root(void **state)
{
	struct fx *fx = *state;

	fx_as(fx, BOB, STAFF);
	assert_err(fx_chmod(fx, "/f", 0777), PERM);
	fx_as(fx, ALICE, ALICE);
	assert_err(fx_chmod(fx, "/f", 0751), OK);
	assert_int_equal(stat_of(fx, "/f").mode, 0100751);
	fx_as(fx, ROOT, ROOT);
	assert_err(fx_chmod(fx, "/f", 07777), OK);
	assert_int_equal(stat_of(fx, "/f").mode, 0107777);
}

static void
chmod__setgid_by_non_member__is_cleared(void **state)
{
	static const uint32_t staff[] = { STAFF };
	struct fx *fx = *state;

	fx_as(fx, ALICE, ALICE);
	assert_err(fx_chmod(fx, "/f", 02755), OK);
	assert_int_equal(stat_of(fx, "/f").mode, 0100755);
	fx_groups(fx, 1, staff);
	assert_err(fx_chmod(fx, "/f", 02755), OK);
	assert_int_equal(stat_of(fx, "/f").mode, 0102755);
}

static void
chmod__symlink__unsupported(void **state)
{
	struct fx *fx = *state;

	assert_err(fx_symlink(fx, "t", "/l"), OK);
	assert_err(fx_chmod(fx, "/l", 0600), UNSUPPORTED);
	assert_err(fx_chown(fx, "/l", BOB, BOB), OK);
	assert_int_equal(stat_of(fx, "/l").uid, BOB);
}

static void
chown__by_whom__root_or_owner_among_groups(void **state)
{
	static const uint32_t groups[] = { 60 };
	struct fx *fx = *state;

	fx_as(fx, ALICE, ALICE);
	fx_groups(fx, 1, groups);
	assert_err(fx_chown(fx, "/f", BOB, STAFF), PERM);
	assert_err(fx_chown(fx, "/f", ALICE, 60), OK);
	assert_err(fx_chown(fx, "/f", ALICE, ALICE), OK);
	assert_err(fx_chown(fx, "/f", ALICE, STAFF), PERM);
	fx_as(fx, BOB, BOB);
	assert_err(fx_chown(fx, "/f", ALICE, ALICE), PERM);
	fx_as(fx, ROOT, ROOT);
	assert_err(fx_chown(fx, "/f", BOB, STAFF), OK);
	assert_int_equal(stat_of(fx, "/f").uid, BOB);
	assert_int_equal(stat_of(fx, "/f").gid, STAFF);
}

static void
chown__set_id_bits__are_cleared_as_linux_does(void **state)
{
	static const struct {
		uint32_t before, after;
	} rows[] = {
		{ 06775, 0775 }, { 06765, 02765 }, { 04700, 0700 },
		{ 02755, 0755 }, { 01755, 01755 },
	};
	struct fx *fx = *state;
	unsigned i;

	for (i = 0; i < sizeof rows / sizeof rows[0]; i++) {
		assert_err(fx_chmod(fx, "/f", rows[i].before), OK);
		assert_err(fx_chown(fx, "/f", ALICE, STAFF), OK);
		assert_int_equal(stat_of(fx, "/f").mode,
		    0100000 | rows[i].after);
	}
	assert_err(fx_chmod(fx, "/d", 06775), OK);
	assert_err(fx_chown(fx, "/d", BOB, BOB), OK);
	assert_int_equal(stat_of(fx, "/d").mode, 0046775);
}

/* --- times, size ---------------------------------------------------------- */

static void
times__explicit_values__kept_exactly(void **state)
{
	struct fx *fx = *state;
	struct vfs_attr a, b = stat_of(fx, "/f");
	struct vfs_setattr q = { .valid = VFS_SET_ATIME | VFS_SET_MTIME,
	    .atime = { -5, 999999999 }, .mtime = { 1ll << 40, 1 } };

	assert_err(set(fx, "/f", q), OK);
	a = stat_of(fx, "/f");
	assert_memory_equal(&a.atime.sec, &q.atime.sec, 8);
	assert_int_equal(a.atime.nsec, 999999999);
	assert_int_equal(a.mtime.sec, 1ll << 40);
	assert_true(a.ctime.nsec != b.ctime.nsec);
	assert_true(a.meta_version > b.meta_version);
	assert_int_equal(a.data_version, b.data_version);
	q.mtime.nsec = 1000000000;
	assert_err(set(fx, "/f", q), INVAL);
	q.valid = 1u << 20;
	assert_err(set(fx, "/f", q), INVAL);
}

static void
times__by_whom__now_needs_only_write(void **state)
{
	struct fx *fx = *state;
	struct vfs_setattr exact = { .valid = VFS_SET_MTIME };
	struct vfs_setattr now = {
		.valid = VFS_SET_ATIME_NOW | VFS_SET_MTIME_NOW };

	assert_err(fx_chmod(fx, "/f", 0646), OK);
	fx_as(fx, BOB, BOB);
	assert_err(set(fx, "/f", exact), PERM);
	assert_err(set(fx, "/f", now), OK);
	now.valid = VFS_SET_MTIME_NOW;		/* one alone is the owner's */
	assert_err(set(fx, "/f", now), PERM);
	now.valid |= VFS_SET_ATIME_NOW;
	fx_as(fx, ALICE, ALICE);
	assert_err(fx_chmod(fx, "/f", 0640), OK);
	assert_err(set(fx, "/f", exact), OK);
	fx_as(fx, BOB, BOB);
	assert_err(set(fx, "/f", now), ACCESS);
}

/* As the kernel sends chown(-1, -1), by anybody. */
static void
nothing__from_the_kernel__ends_set_id_bits_for_the_owner(void **state)
{
	struct fx *fx = *state;
	struct vfs_setattr nothing = { .valid = 0 };

	assert_err(fx_chmod(fx, "/f", 04755), OK);
	fx_as(fx, BOB, BOB);
	fx->env.from_kernel = fx->env.kernel_checked = true;
	assert_err(set(fx, "/f", nothing), OK);
	assert_int_equal(stat_of(fx, "/f").mode & 07777, 04755);
	fx->env.uid = ALICE;
	assert_err(set(fx, "/f", nothing), OK);
	assert_int_equal(stat_of(fx, "/f").mode & 07777, 0755);
}

static void
size__of_what_has_none__refused(void **state)
{
	struct fx *fx = *state;

	assert_err(fx_symlink(fx, "t", "/l"), OK);
	assert_err(fx_truncate(fx, "/d", 0), ISDIR);
	assert_err(fx_truncate(fx, "/l", 0), INVAL);
	assert_err(fx_truncate(fx, "/f", (uint64_t)VFS_FILE_MAX + 1), FBIG);
	fx_as(fx, BOB, STAFF);
	assert_err(fx_truncate(fx, "/f", 0), ACCESS);
}

static void
size__set__is_a_change_of_content(void **state)
{
	struct fx *fx = *state;
	struct vfs_attr a = stat_of(fx, "/f"), b;

	assert_err(fx_truncate(fx, "/f", 10000), OK);
	b = stat_of(fx, "/f");
	assert_int_equal(b.size, 10000);
	assert_true(b.data_version > a.data_version);
	assert_int_equal(b.meta_version, a.meta_version);
	assert_time_equal(b.mtime, b.ctime);
	assert_true(b.ctime.nsec != a.ctime.nsec);
}

static void
statfs__empty_store__room_and_limits(void **state)
{
	struct fx *fx = *state;
	struct vfs_statfs q = { .id = { VFS_ID_ROOT } };
	struct vfs_statfs_reply r;

	assert_err(fx_op_statfs(fx, &q, &r), OK);
	assert_true(r.blocks >= r.bfree);
	assert_true(r.bfree > 0);
	assert_int_equal(r.bsize, VFS_BLOCK);
	assert_int_equal(r.namelen, VFS_NAME_MAX);
}

#define T(f)	cmocka_unit_test_setup_teardown(f, with_files, fx_teardown)

int
main(void)
{
	const struct CMUnitTest tests[] = {
		T(access__mode__class_that_fits_first_decides),
		T(access__unknown_bits__inval),
		T(names__in_anothers_directory__access),
		T(sticky__anothers_file__perm),
		T(rename__directory_to_elsewhere__needs_write_on_it),
		T(mknod__device_by_user__perm),
		T(chmod__by_whom__owner_or_root),
		T(chmod__setgid_by_non_member__is_cleared),
		T(chmod__symlink__unsupported),
		T(chown__by_whom__root_or_owner_among_groups),
		T(chown__set_id_bits__are_cleared_as_linux_does),
		T(times__explicit_values__kept_exactly),
		T(times__by_whom__now_needs_only_write),
		T(nothing__from_the_kernel__ends_set_id_bits_for_the_owner),
		T(size__of_what_has_none__refused),
		T(size__set__is_a_change_of_content),
		T(statfs__empty_store__room_and_limits),
	};

	return cmocka_run_group_tests_name("core_attr", tests, NULL, NULL);
}
