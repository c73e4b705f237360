/* Extended attributes and ACLs: name spaces, limits, what the mode says. */
#include "../cm.h"

#define ALICE	1000u
#define BOB	1001u
#define CAROL	1002u
#define ACCESS_NAME	"system.posix_acl_access"
#define DEFAULT_NAME	"system.posix_acl_default"

static struct vfs_attr
stat_of(struct fx *fx, const char *path)
{
	struct vfs_attr a = { .nlink = 0 };

	assert_err(fx_stat(fx, path, &a), OK);
	return a;
}

/* All but a negative result is a length. */
static int
get(struct fx *fx, const char *path, const char *name)
{
	char buf[64];
	int64_t n = fx_getxattr(fx, path, name, buf, sizeof buf);

	return n < 0 ? (int)n : 0;
}

static int
set(struct fx *fx, const char *path, const char *name)
{
	return fx_setxattr(fx, path, name, "value", 5, 0);
}

static int
list(struct fx *fx, const char *path, char *buf, size_t cap, size_t *n)
{
	struct vfs_xattr_list q = { .id = fx_id(fx, path) };
	struct vfs_xattr_list_reply r = { .names = { buf, cap, 0 } };
	int err = fx_op_xattr_list(fx, &q, &r);

	*n = r.names.n;
	return err;
}

static int
with_files(void **state)
{
	struct fx *fx;

	fx_setup(state);
	fx = *state;
	fx_chmod(fx, "/", 0777);
	fx_create(fx, "/f", 0640);
	fx_chown(fx, "/f", ALICE, ALICE);
	fx_mkdir(fx, "/d", 0755);
	fx_chown(fx, "/d", ALICE, ALICE);
	return 0;
}

/* --- plain ----------------------------------------------------------------- */

static void
xattr__set_get_list_remove__round_trip(void **state)
{
	struct fx *fx = *state;
	struct vfs_attr a = stat_of(fx, "/f");
	char buf[64];
	size_t n;

	assert_err(get(fx, "/f", "user.a"), NOXATTR);
	assert_err(set(fx, "/f", "user.a"), OK);
	assert_err(fx_setxattr(fx, "/f", "user.b", "", 0, 0), OK);
	assert_true(stat_of(fx, "/f").meta_version > a.meta_version);
	fx_restart(fx);
	assert_int_equal(fx_getxattr(fx, "/f", "user.a", buf, 64), 5);
	assert_memory_equal(buf, "value", 5);
	assert_int_equal(fx_getxattr(fx, "/f", "user.b", buf, 64), 0);
	assert_int_equal(fx_getxattr(fx, "/f", "user.a", NULL, 0), 5);
	assert_int_equal(fx_getxattr(fx, "/f", "user.a", buf, 4), -VFS_RANGE);
	assert_err(list(fx, "/f", buf, sizeof buf, &n), OK);
	assert_int_equal(n, 14);
	assert_memory_equal(buf, "user.a\0user.b", 14);
	assert_err(list(fx, "/f", NULL, 0, &n), OK);
	assert_int_equal(n, 14);
	assert_err(list(fx, "/f", buf, 13, &n), RANGE);
	assert_err(fx_removexattr(fx, "/f", "user.a"), OK);
	assert_err(fx_removexattr(fx, "/f", "user.a"), NOXATTR);
	assert_err(fx_removexattr(fx, "/f", "user.b"), OK);
	assert_err(list(fx, "/f", buf, sizeof buf, &n), OK);
	assert_int_equal(n, 0);
	assert_int_equal(fx_check(fx), 0);
}

static void
xattr__create_and_replace__as_asked(void **state)
{
	struct fx *fx = *state;

	assert_err(fx_setxattr(fx, "/f", "user.a", "1", 1,
	    VFS_XATTR_REPLACE), NOXATTR);
	assert_err(fx_setxattr(fx, "/f", "user.a", "1", 1,
	    VFS_XATTR_CREATE), OK);
	assert_err(fx_setxattr(fx, "/f", "user.a", "2", 1,
	    VFS_XATTR_CREATE), EXIST);
	assert_err(fx_setxattr(fx, "/f", "user.a", "2", 1,
	    VFS_XATTR_REPLACE), OK);
	assert_err(fx_setxattr(fx, "/f", "user.a", "2", 1, 3), INVAL);
}

static void
xattr__limits__at_and_one_past(void **state)
{
	static char value[VFS_XATTR_SIZE_MAX + 1];
	struct fx *fx = *state;
	char name[VFS_XATTR_NAME_MAX + 2] = "user.";

	memset(name + 5, 'n', sizeof name - 6);
	name[VFS_XATTR_NAME_MAX + 1] = '\0';
	assert_err(set(fx, "/f", name), RANGE);
	name[VFS_XATTR_NAME_MAX] = '\0';
	assert_err(set(fx, "/f", name), OK);
	assert_err(get(fx, "/f", name), OK);
	assert_err(fx_setxattr(fx, "/f", "user.v", value, sizeof value, 0),
	    TOO_BIG);
	assert_err(fx_setxattr(fx, "/f", "user.v", value,
	    sizeof value - 1, 0), OK);
	assert_int_equal(fx_getxattr(fx, "/f", "user.v", value,
	    sizeof value), VFS_XATTR_SIZE_MAX);
	assert_int_equal(fx_check(fx), 0);
}

static void
xattr__list_at_limit__one_more_is_refused(void **state)
{
	struct fx *fx = *state;
	char name[VFS_XATTR_NAME_MAX + 1];
	unsigned i;

	memset(name, 'n', sizeof name);
	name[VFS_XATTR_NAME_MAX] = '\0';
	for (i = 0; i < VFS_XATTR_LIST_MAX / 256; i++) {
		memcpy(name, "user.0000", 9);
		name[5] = (char)('a' + i % 26);
		name[6] = (char)('a' + i / 26);
		assert_err(fx_setxattr(fx, "/f", name, "", 0, 0), OK);
	}
	assert_err(set(fx, "/f", "user.x"), NOSPC);
	assert_err(fx_setxattr(fx, "/f", name, "new", 3, 0), OK);
	assert_err(fx_removexattr(fx, "/f", name), OK);
	assert_err(set(fx, "/f", "user.x"), OK);
}

static void
xattr__names__unknown_spaces_and_empty_rests(void **state)
{
	struct fx *fx = *state;

	assert_err(set(fx, "/f", "user."), INVAL);
	assert_err(set(fx, "/f", "user"), UNSUPPORTED);
	assert_err(set(fx, "/f", "os2.x"), UNSUPPORTED);
	assert_err(set(fx, "/f", "system.other"), UNSUPPORTED);
	assert_err(set(fx, "/f", "system.posix_acl_access2"), UNSUPPORTED);
	assert_err(set(fx, "/f", ""), INVAL);
	assert_err(set(fx, "/f", "security.selinux"), OK);
	assert_err(set(fx, "/f", "trusted.x"), OK);
	assert_err(get(fx, "/d", ACCESS_NAME), NOXATTR);
}

static void
xattr__user_on_symlink__perm_and_noxattr(void **state)
{
	struct fx *fx = *state;

	assert_err(fx_symlink(fx, "t", "/l"), OK);
	assert_err(set(fx, "/l", "user.a"), PERM);
	assert_err(get(fx, "/l", "user.a"), NOXATTR);
	assert_err(set(fx, "/l", "trusted.a"), OK);
	assert_err(set(fx, "/l", ACCESS_NAME), UNSUPPORTED);
	assert_err(get(fx, "/l", ACCESS_NAME), NOXATTR);
}

static void
xattr__by_whom__each_space_its_rule(void **state)
{
	struct fx *fx = *state;
	char buf[64];
	size_t n;

	assert_err(set(fx, "/f", "trusted.t"), OK);
	assert_err(set(fx, "/f", "user.u"), OK);
	fx_as(fx, BOB, BOB);
	assert_err(set(fx, "/f", "user.u"), ACCESS);
	assert_err(get(fx, "/f", "user.u"), ACCESS);
	assert_err(get(fx, "/f", "trusted.t"), NOXATTR);
	assert_err(set(fx, "/f", "trusted.t"), PERM);
	assert_err(set(fx, "/f", "security.s"), PERM);
	assert_err(set(fx, "/f", ACCESS_NAME), PERM);
	fx_as(fx, ALICE, ALICE);
	assert_err(set(fx, "/f", "user.u"), OK);
	assert_err(list(fx, "/f", buf, sizeof buf, &n), OK);
	assert_int_equal(n, 7);
	assert_err(fx_chmod(fx, "/d", 01777), OK);
	assert_err(set(fx, "/d", "user.u"), OK);
	fx_as(fx, BOB, BOB);
	assert_err(set(fx, "/d", "user.u"), PERM);	/* sticky */
}

static void
reclaim__object_with_xattrs__all_rows_go(void **state)
{
	struct fx *fx = *state;
	uint64_t id = fx_id(fx, "/f").n;
	unsigned i;
	char name[16];

	for (i = 0; i < 5; i++) {
		snprintf(name, sizeof name, "user.%u", i);
		assert_err(set(fx, "/f", name), OK);
	}
	assert_err(fx_unlink(fx, "/f"), OK);
	assert_err(fx_reclaim_all(fx), OK);
	assert_int_equal(fx_check(fx), 0);
	assert_true(id != 0);
}

/* --- ACLs ------------------------------------------------------------------ */

struct ace {
	uint16_t tag, perm;
	uint32_t id;
};
#define NOID	UINT32_MAX

static size_t
acl_bytes(uint8_t *buf, const struct ace *e, unsigned n)
{
	unsigned i;

	memcpy(buf, "\2\0\0\0", 4);
	for (i = 0; i < n; i++) {
		memcpy(buf + 4 + 8 * i, &e[i].tag, 2);
		memcpy(buf + 6 + 8 * i, &e[i].perm, 2);
		memcpy(buf + 8 + 8 * i, &e[i].id, 4);
	}
	return 4 + 8 * (size_t)n;
}

static int
set_acl(struct fx *fx, const char *path, const char *name,
    const struct ace *e, unsigned n)
{
	uint8_t buf[8192];

	return fx_setxattr(fx, path, name, buf, acl_bytes(buf, e, n), 0);
}

static const struct ace named[] = {	/* alice rw, bob r, mask r, other - */
	{ 1, 6, NOID }, { 2, 6, BOB }, { 4, 4, NOID }, { 0x10, 4, NOID },
	{ 0x20, 0, NOID },
};
static const struct ace minimal[] = {
	{ 1, 7, NOID }, { 4, 5, NOID }, { 0x20, 1, NOID },
};

static void
acl__invalid__inval_and_nothing_changes(void **state)
{
	static const struct {
		unsigned n;
		struct ace e[6];
	} bad[] = {
		{ 2, { { 1, 7, NOID }, { 4, 7, NOID } } },
		{ 3, { { 4, 7, NOID }, { 1, 7, NOID }, { 0x20, 7, NOID } } },
		{ 3, { { 1, 8, NOID }, { 4, 7, NOID }, { 0x20, 7, NOID } } },
		{ 4, { { 1, 7, NOID }, { 1, 7, NOID }, { 4, 7, NOID },
		    { 0x20, 7, NOID } } },
		{ 4, { { 1, 7, NOID }, { 2, 7, BOB }, { 4, 7, NOID },
		    { 0x20, 7, NOID } } },		/* no mask */
		{ 5, { { 1, 7, NOID }, { 2, 7, NOID }, { 4, 7, NOID },
		    { 0x10, 7, NOID }, { 0x20, 7, NOID } } },
		{ 4, { { 1, 7, NOID }, { 4, 7, NOID }, { 0x20, 7, NOID },
		    { 0x40, 7, NOID } } },
	};
	struct fx *fx = *state;
	uint64_t before = fx_digest(fx);
	unsigned i;

	for (i = 0; i < sizeof bad / sizeof bad[0]; i++) {
		assert_err(set_acl(fx, "/f", ACCESS_NAME, bad[i].e,
		    bad[i].n), INVAL);
		assert_err(set_acl(fx, "/d", DEFAULT_NAME, bad[i].e,
		    bad[i].n), INVAL);
	}
	assert_err(fx_setxattr(fx, "/f", ACCESS_NAME, "\1\0\0\0", 4, 0),
	    INVAL);
	assert_err(fx_setxattr(fx, "/f", ACCESS_NAME, "\2\0\0\0x", 5, 0),
	    INVAL);
	assert_true(fx_digest(fx) == before);
}

static void
acl__at_limit__one_more_is_refused(void **state)
{
	static struct ace e[VFS_ACL_MAX + 1];
	struct fx *fx = *state;
	unsigned n;

	for (n = VFS_ACL_MAX; n <= VFS_ACL_MAX + 1; n++) {
		unsigned i;

		e[0] = named[0];
		for (i = 1; i < n - 3; i++)
			e[i] = (struct ace){ 2, 4, i };
		memcpy(&e[n - 3], &named[2], 3 * sizeof e[0]);
		assert_string_equal(vfs_err_name(set_acl(fx, "/f",
		    ACCESS_NAME, e, n)), n == VFS_ACL_MAX ? "OK" : "NOSPC");
	}
}

static void
acl__named_user__mode_shows_the_mask(void **state)
{
	struct fx *fx = *state;
	uint8_t want[64], got[64];
	size_t n = acl_bytes(want, named, 5);

	assert_err(set_acl(fx, "/f", ACCESS_NAME, named, 5), OK);
	assert_int_equal(stat_of(fx, "/f").mode, 0100640);
	assert_int_equal(fx_getxattr(fx, "/f", ACCESS_NAME, got, 64), n);
	assert_memory_equal(got, want, n);
	assert_err(fx_chmod(fx, "/f", 0760), OK);
	assert_int_equal(fx_getxattr(fx, "/f", ACCESS_NAME, got, 64), n);
	assert_int_equal(got[4 + 2], 7);		/* owner */
	assert_int_equal(got[4 + 8 + 2], 6);		/* bob, as he was */
	assert_int_equal(got[4 + 16 + 2], 4);		/* group, as it was */
	assert_int_equal(got[4 + 24 + 2], 6);		/* mask */
	assert_int_equal(fx_check(fx), 0);
}

static void
acl__equivalent_to_mode__is_not_kept(void **state)
{
	struct fx *fx = *state;

	assert_err(set_acl(fx, "/f", ACCESS_NAME, named, 5), OK);
	assert_err(set_acl(fx, "/f", ACCESS_NAME, minimal, 3), OK);
	assert_int_equal(stat_of(fx, "/f").mode, 0100751);
	assert_err(get(fx, "/f", ACCESS_NAME), NOXATTR);
	assert_err(set_acl(fx, "/f", ACCESS_NAME, named, 5), OK);
	assert_err(fx_removexattr(fx, "/f", ACCESS_NAME), OK);
	assert_err(get(fx, "/f", ACCESS_NAME), NOXATTR);
	assert_int_equal(stat_of(fx, "/f").mode, 0100640);
	assert_int_equal(fx_check(fx), 0);
}

static uint32_t
granted(struct fx *fx, uint32_t uid, uint32_t gid)
{
	struct vfs_access q = { .id = fx_id(fx, "/f"), .mask = 7 };
	struct vfs_access_reply r;

	fx_as(fx, uid, gid);
	assert_err(fx_op_access(fx, &q, &r), OK);
	fx_as_kernel(fx);
	return r.granted;
}

static void
acl__who_may__mask_and_classes(void **state)
{
	static const struct ace e[] = {
		{ 1, 6, NOID }, { 2, 7, BOB }, { 4, 1, NOID },
		{ 8, 2, 70 }, { 8, 4, 71 }, { 0x10, 6, NOID },
		{ 0x20, 1, NOID },
	};
	static const uint32_t both[] = { 70, 71 };
	struct fx *fx = *state;
	struct vfs_access q = { .id = fx_id(fx, "/f"), .mask = 7 };
	struct vfs_access_reply r;

	assert_err(set_acl(fx, "/f", ACCESS_NAME, e, 7), OK);
	assert_int_equal(granted(fx, ALICE, 1), 6);
	assert_int_equal(granted(fx, BOB, 70), 6);	/* 7 under the mask */
	assert_int_equal(granted(fx, CAROL, 70), 2);
	assert_int_equal(granted(fx, CAROL, ALICE), 0);	/* x is masked */
	assert_int_equal(granted(fx, CAROL, CAROL), 1);
	fx_as(fx, CAROL, CAROL);
	fx_groups(fx, 2, both);
	assert_err(fx_op_access(fx, &q, &r), OK);
	assert_int_equal(r.granted, 6);		/* each bit by some group */
	assert_err(fx_truncate(fx, "/f", 0), OK);
}

static void
acl__default__children_inherit_and_umask_does_not_count(void **state)
{
	static const struct ace e[] = {
		{ 1, 7, NOID }, { 2, 7, BOB }, { 4, 5, NOID },
		{ 0x10, 7, NOID }, { 0x20, 5, NOID },
	};
	struct fx *fx = *state;
	uint8_t got[64];

	assert_err(set_acl(fx, "/d", DEFAULT_NAME, e, 5), OK);
	assert_int_equal(stat_of(fx, "/d").mode, 0040755);
	fx->env.umask = 077;
	assert_err(fx_create(fx, "/d/f", 0664), OK);
	assert_int_equal(stat_of(fx, "/d/f").mode, 0100664);
	assert_int_equal(fx_getxattr(fx, "/d/f", ACCESS_NAME, got, 64), 44);
	assert_int_equal(got[4 + 2], 6);
	assert_int_equal(got[4 + 8 + 2], 7);
	assert_int_equal(got[4 + 24 + 2], 6);
	assert_err(get(fx, "/d/f", DEFAULT_NAME), NOXATTR);
	assert_err(fx_mkdir(fx, "/d/s", 0700), OK);
	assert_int_equal(stat_of(fx, "/d/s").mode, 0040700);
	assert_err(get(fx, "/d/s", DEFAULT_NAME), OK);
	assert_err(fx_symlink(fx, "t", "/d/l"), OK);
	assert_err(get(fx, "/d/l", ACCESS_NAME), NOXATTR);
	assert_int_equal(fx_check(fx), 0);
}

static void
acl__default_on_file__access(void **state)
{
	struct fx *fx = *state;

	assert_err(set_acl(fx, "/f", DEFAULT_NAME, minimal, 3), ACCESS);
	assert_err(set_acl(fx, "/d", DEFAULT_NAME, minimal, 3), OK);
	assert_err(get(fx, "/d", DEFAULT_NAME), OK);
	assert_err(fx_setxattr(fx, "/d", DEFAULT_NAME, NULL, 0, 0), OK);
	assert_err(get(fx, "/d", DEFAULT_NAME), NOXATTR);
}

static void
chown__capabilities__are_dropped(void **state)
{
	struct fx *fx = *state;

	assert_err(set(fx, "/f", "security.capability"), OK);
	assert_err(set(fx, "/f", "user.a"), OK);
	assert_err(fx_chown(fx, "/f", BOB, BOB), OK);
	assert_err(get(fx, "/f", "security.capability"), NOXATTR);
	assert_err(get(fx, "/f", "user.a"), OK);
	assert_int_equal(fx_check(fx), 0);
}

#define T(f)	cmocka_unit_test_setup_teardown(f, with_files, fx_teardown)

int
main(void)
{
	const struct CMUnitTest tests[] = {
		T(xattr__set_get_list_remove__round_trip),
		T(xattr__create_and_replace__as_asked),
		T(xattr__limits__at_and_one_past),
		T(xattr__list_at_limit__one_more_is_refused),
		T(xattr__names__unknown_spaces_and_empty_rests),
		T(xattr__user_on_symlink__perm_and_noxattr),
		T(xattr__by_whom__each_space_its_rule),
		T(reclaim__object_with_xattrs__all_rows_go),
		T(acl__invalid__inval_and_nothing_changes),
		T(acl__at_limit__one_more_is_refused),
		T(acl__named_user__mode_shows_the_mask),
		T(acl__equivalent_to_mode__is_not_kept),
		T(acl__who_may__mask_and_classes),
		T(acl__default__children_inherit_and_umask_does_not_count),
		T(acl__default_on_file__access),
		T(chown__capabilities__are_dropped),
	};

	return cmocka_run_group_tests_name("core_xattr", tests, NULL, NULL);
}
