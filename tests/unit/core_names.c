/* Create, lookup, link, unlink, rename: rules, limits, what is left. */
#include "../cm.h"

static struct vfs_attr
stat_of(struct fx *fx, const char *path)
{
	struct vfs_attr a = { .nlink = 0 };

	assert_err(fx_stat(fx, path, &a), OK);
	return a;
}

static bool
later(struct vfs_time a, struct vfs_time b)
{
	return a.sec > b.sec || (a.sec == b.sec && a.nsec > b.nsec);
}

static int
create_as(struct fx *fx, const char *dir, struct vfs_slice name,
    uint32_t mode, uint32_t flags, struct vfs_create_reply *r)
{
	struct vfs_create q = { .dir = fx_id(fx, dir), .mode = mode,
	    .flags = flags, .name = name };

	return fx_op_create(fx, &q, r);
}

static const char *
long_name(char *buf, size_t n)
{
	buf[0] = '/';
	memset(buf + 1, 'n', n);
	buf[n + 1] = '\0';
	return buf;
}

/* --- create and lookup --------------------------------------------------- */

static void
create__new_file__has_everything(void **state)
{
	struct fx *fx = *state;
	struct vfs_attr a, dir = stat_of(fx, "/");

	fx->env.umask = 022;
	fx->env.uid = 7;
	fx->env.gid = 8;
	assert_err(fx_create(fx, "/f", 0666), OK);
	a = stat_of(fx, "/f");
	assert_int_equal(a.mode, 0100644);
	assert_int_equal(a.uid, 7);
	assert_int_equal(a.gid, 8);
	assert_int_equal(a.nlink, 1);
	assert_int_equal(a.size, 0);
	assert_int_equal(a.parent.n, VFS_ID_ROOT);
	assert_true(a.id.n >= VFS_ID_FIRST);
	assert_time_equal(a.btime, a.ctime);
	assert_true(later(stat_of(fx, "/").mtime, dir.mtime));
	assert_true(stat_of(fx, "/").data_version > dir.data_version);
	assert_int_equal(fx_check(fx), 0);
}

static void
create__name_exists__exist_or_taken(void **state)
{
	struct fx *fx = *state;
	struct vfs_slice f = { "f", 1 }, d = { "d", 1 };
	struct vfs_create_reply r;
	uint64_t before;

	assert_err(fx_create(fx, "/f", 0644), OK);
	assert_err(fx_mkdir(fx, "/d", 0755), OK);
	before = fx_digest(fx);
	assert_err(fx_create(fx, "/f", 0644), EXIST);
	assert_err(fx_mkdir(fx, "/f", 0644), EXIST);
	assert_err(fx_symlink(fx, "x", "/f"), EXIST);
	assert_err(create_as(fx, "/", f, 0100644, 0, &r), OK);
	assert_int_equal(r.created, 0);
	assert_int_equal(r.attr.id.n, fx_id(fx, "/f").n);
	assert_err(create_as(fx, "/", d, 0100644, 0, &r), ISDIR);
	assert_err(create_as(fx, "/", d, 0040755, 0, &r), EXIST);
	assert_true(fx_digest(fx) == before);
}

static void
create__name_at_limit__one_more_is_refused(void **state)
{
	struct fx *fx = *state;
	char buf[VFS_NAME_MAX + 3];

	assert_err(fx_create(fx, long_name(buf, VFS_NAME_MAX), 0644), OK);
	assert_err(fx_create(fx, long_name(buf, VFS_NAME_MAX + 1), 0644),
	    NAMETOOLONG);
	assert_int_equal(fx_check(fx), 0);
}

static void
create__bad_names__refused(void **state)
{
	struct fx *fx = *state;
	static const struct vfs_slice bad[] = {
		{ "", 0 }, { ".", 1 }, { "..", 2 }, { "a/b", 3 },
		{ "a\0b", 3 },
	};
	struct vfs_create_reply r;
	unsigned i;

	for (i = 0; i < sizeof bad / sizeof bad[0]; i++)
		assert_err(create_as(fx, "/", bad[i], 0100644, 0, &r), NAME);
}

static void
create__bad_mode_or_flags__inval(void **state)
{
	struct fx *fx = *state;
	struct vfs_slice f = { "f", 1 };
	struct vfs_create_reply r;

	assert_err(create_as(fx, "/", f, 0644, 0, &r), INVAL);
	assert_err(create_as(fx, "/", f, 0170644, 0, &r), INVAL);
	assert_err(create_as(fx, "/", f, 0x100000 | 0100644, 0, &r), INVAL);
	assert_err(create_as(fx, "/", f, 0100644, 4, &r), INVAL);
}

static void
create__every_type__has_its_own(void **state)
{
	static const enum vfs_type types[] = {
		VFS_FIFO, VFS_CHR, VFS_DIR, VFS_BLK, VFS_REG, VFS_SOCK,
	};
	struct fx *fx = *state;
	unsigned i;

	for (i = 0; i < sizeof types / sizeof types[0]; i++) {
		char name = (char)('a' + i);
		struct vfs_create q = { .dir = { VFS_ID_ROOT },
		    .mode = VFS_TYPE_MODE(types[i]) | 0600,
		    .rdev_major = 8, .rdev_minor = 1,
		    .name = { &name, 1 } };
		struct vfs_create_reply r;
		bool dev = types[i] == VFS_CHR || types[i] == VFS_BLK;

		assert_err(fx_op_create(fx, &q, &r), OK);
		assert_int_equal(VFS_MODE_TYPE(r.attr.mode), types[i]);
		assert_int_equal(r.attr.rdev_major, dev ? 8 : 0);
		assert_int_equal(r.attr.nlink, types[i] == VFS_DIR ? 2 : 1);
	}
	assert_int_equal(stat_of(fx, "/").nlink, 3);
	assert_int_equal(fx_check(fx), 0);
}

static void
symlink__target_at_limit__one_more_is_refused(void **state)
{
	struct fx *fx = *state;
	char target[VFS_SYMLINK_MAX + 2], back[VFS_SYMLINK_MAX];
	struct vfs_readlink q;
	struct vfs_readlink_reply r = {
		.target = { .p = back, .cap = sizeof back } };

	memset(target, 't', sizeof target);
	target[VFS_SYMLINK_MAX + 1] = '\0';
	assert_err(fx_symlink(fx, target, "/l"), NAMETOOLONG);
	target[VFS_SYMLINK_MAX] = '\0';
	assert_err(fx_symlink(fx, target, "/l"), OK);
	assert_err(fx_symlink(fx, "", "/e"), NOENT);
	q.id = fx_id(fx, "/l");
	assert_err(fx_op_readlink(fx, &q, &r), OK);
	assert_int_equal(r.target.n, VFS_SYMLINK_MAX);
	assert_memory_equal(back, target, VFS_SYMLINK_MAX);
	r.target.cap--;
	assert_err(fx_op_readlink(fx, &q, &r), RANGE);
	assert_int_equal(stat_of(fx, "/l").size, VFS_SYMLINK_MAX);
	fx_restart(fx);
	r.target.cap++;
	assert_err(fx_op_readlink(fx, &q, &r), OK);
	q.id.n = VFS_ID_ROOT;
	assert_err(fx_op_readlink(fx, &q, &r), INVAL);
}

static void
create__setgid_directory__hands_its_group_down(void **state)
{
	struct fx *fx = *state;

	assert_err(fx_mkdir(fx, "/d", 0777), OK);
	assert_err(fx_chown(fx, "/d", 0, 50), OK);
	assert_err(fx_chmod(fx, "/d", 02777), OK);
	fx_as(fx, 7, 8);
	assert_err(fx_create(fx, "/d/f", 02775), OK);
	assert_err(fx_mkdir(fx, "/d/s", 0755), OK);
	assert_int_equal(stat_of(fx, "/d/f").gid, 50);
	assert_int_equal(stat_of(fx, "/d/f").mode, 0100775);
	assert_int_equal(stat_of(fx, "/d/s").gid, 50);
	assert_int_equal(stat_of(fx, "/d/s").mode, 0042755);
}

static void
names__into_removed_directory__noent(void **state)
{
	struct fx *fx = *state;
	struct vfs_create q = { .mode = 0100644, .name = { "f", 1 } };
	struct vfs_tmpfile t = { .mode = 0100644 };
	struct vfs_link l = { .name = { "l", 1 } };
	struct vfs_rename m = { .dir = { VFS_ID_ROOT }, .name = { "f", 1 },
	    .name2 = { "m", 1 } };
	struct vfs_create_reply r;
	struct vfs_tmpfile_reply tr;
	struct vfs_link_reply lr;
	struct vfs_rename_reply mr;
	uint64_t before;

	assert_err(fx_mkdir(fx, "/d", 0755), OK);
	assert_err(fx_create(fx, "/f", 0644), OK);
	q.dir = t.dir = l.dir = m.dir2 = fx_id(fx, "/d");
	l.target = fx_id(fx, "/f");
	assert_err(fx_rmdir(fx, "/d"), OK);
	before = fx_digest(fx);
	assert_err(fx_op_create(fx, &q, &r), NOENT);
	assert_err(fx_op_tmpfile(fx, &t, &tr), NOENT);
	assert_err(fx_op_link(fx, &l, &lr), NOENT);
	assert_err(fx_op_rename(fx, &m, &mr), NOENT);
	assert_true(fx_digest(fx) == before);
	assert_err(fx_reclaim_all(fx), OK);
	assert_err(fx_op_create(fx, &q, &r), NO_SUCH_ID);
}

static void
lookup__dots__self_and_parent(void **state)
{
	struct fx *fx = *state;
	struct vfs_lookup q = { .name = { "..", 2 } };
	struct vfs_lookup_reply r;

	assert_err(fx_mkdir(fx, "/d", 0755), OK);
	assert_err(fx_mkdir(fx, "/d/e", 0755), OK);
	assert_err(fx_create(fx, "/f", 0644), OK);
	q.dir = fx_id(fx, "/d/e");
	assert_err(fx_op_lookup(fx, &q, &r), OK);
	assert_int_equal(r.attr.id.n, fx_id(fx, "/d").n);
	q.dir.n = VFS_ID_ROOT;
	assert_err(fx_op_lookup(fx, &q, &r), OK);
	assert_int_equal(r.attr.id.n, VFS_ID_ROOT);
	q.dir = fx_id(fx, "/f");
	assert_err(fx_op_lookup(fx, &q, &r), NOTDIR);
	q.name = (struct vfs_slice){ ".", 1 };
	assert_err(fx_op_lookup(fx, &q, &r), OK);
	assert_int_equal(r.attr.id.n, q.dir.n);
}

static void
lookup__not_there__says_why(void **state)
{
	struct fx *fx = *state;
	struct vfs_lookup q = { .dir = { VFS_ID_ROOT }, .name = { "x", 1 } };
	struct vfs_lookup_reply r;

	assert_err(fx_op_lookup(fx, &q, &r), NOENT);
	assert_err(fx_create(fx, "/f", 0644), OK);
	q.dir = fx_id(fx, "/f");
	assert_err(fx_op_lookup(fx, &q, &r), NOTDIR);
	q.dir.n = 12345;
	assert_err(fx_op_lookup(fx, &q, &r), NO_SUCH_ID);
}

/* --- link, tmpfile ------------------------------------------------------- */

static void
link__file__two_names_one_object(void **state)
{
	struct fx *fx = *state;
	struct vfs_attr a, b;

	assert_err(fx_create(fx, "/f", 0644), OK);
	a = stat_of(fx, "/f");
	assert_err(fx_link(fx, "/f", "/g"), OK);
	b = stat_of(fx, "/g");
	assert_int_equal(a.id.n, b.id.n);
	assert_int_equal(b.nlink, 2);
	assert_true(later(b.ctime, a.ctime));
	assert_time_equal(a.mtime, b.mtime);
	assert_err(fx_link(fx, "/f", "/g"), EXIST);
	assert_err(fx_link(fx, "/nope", "/h"), NOENT);
	assert_err(fx_link(fx, "/", "/h"), PERM);
	assert_int_equal(fx_check(fx), 0);
}

static void
link__at_limit__mlink(void **state)
{
	struct fx *fx = *state;
	char name[16];
	unsigned i;

	assert_err(fx_create(fx, "/f", 0644), OK);
	for (i = 1; i < VFS_LINK_MAX; i++) {
		struct vfs_link q = { .dir = { VFS_ID_ROOT } };
		struct vfs_link_reply r;

		if (i == 1)
			q.target = fx_id(fx, "/f");
		else
			q.target.n = stat_of(fx, "/f").id.n;
		q.name.n = (size_t)snprintf(name, sizeof name, "%u", i);
		q.name.p = name;
		assert_int_equal(fx_op_link(fx, &q, &r), 0);
		while (engine_step(fx->e) > 0)
			;
	}
	assert_int_equal(stat_of(fx, "/f").nlink, VFS_LINK_MAX);
	assert_err(fx_link(fx, "/f", "/more"), MLINK);
	assert_err(fx_unlink(fx, "/1"), OK);
	assert_err(fx_link(fx, "/f", "/more"), OK);
}

static void
tmpfile__linked__is_no_orphan_any_more(void **state)
{
	struct fx *fx = *state;
	struct vfs_tmpfile q = { .dir = { VFS_ID_ROOT }, .mode = 0100600 };
	struct vfs_tmpfile_reply r;
	struct vfs_link l = { .dir = { VFS_ID_ROOT }, .name = { "t", 1 } };
	struct vfs_link_reply lr;

	assert_err(fx_op_tmpfile(fx, &q, &r), OK);
	assert_int_equal(r.attr.nlink, 0);
	assert_int_equal(fx_check(fx), 0);
	l.target = r.attr.id;
	assert_err(fx_op_link(fx, &l, &lr), OK);
	assert_int_equal(lr.attr.nlink, 1);
	assert_err(fx_reclaim_all(fx), OK);
	assert_int_equal(stat_of(fx, "/t").id.n, r.attr.id.n);
	assert_int_equal(fx_check(fx), 0);
}

static void
tmpfile__never_linked__is_reclaimed(void **state)
{
	struct fx *fx = *state;
	struct vfs_tmpfile q = { .dir = { VFS_ID_ROOT }, .mode = 0100600 };
	struct vfs_tmpfile_reply r;
	struct vfs_stat s;
	struct vfs_stat_reply sr;

	assert_err(fx_op_tmpfile(fx, &q, &r), OK);
	s.id = r.attr.id;
	assert_err(fx_op_stat(fx, &s, &sr), OK);
	fx_reopen(fx);
	assert_err(fx_reclaim_all(fx), OK);
	assert_err(fx_op_stat(fx, &s, &sr), NO_SUCH_ID);
	assert_int_equal(fx_check(fx), 0);
	q.mode = 0120777;
	assert_err(fx_op_tmpfile(fx, &q, &r), INVAL);
}

/* --- unlink --------------------------------------------------------------- */

static void
unlink__last_name__object_stays_until_reclaimed(void **state)
{
	struct fx *fx = *state;
	struct vfs_unlink q = { .dir = { VFS_ID_ROOT }, .name = { "f", 1 } };
	struct vfs_unlink_reply r;
	struct vfs_stat s;
	struct vfs_stat_reply sr;

	assert_err(fx_create(fx, "/f", 0644), OK);
	s.id = fx_id(fx, "/f");
	assert_err(fx_op_unlink(fx, &q, &r), OK);
	assert_int_equal(r.id.n, s.id.n);
	assert_int_equal(r.nlink, 0);
	assert_err(fx_op_unlink(fx, &q, &r), NOENT);
	assert_err(fx_op_stat(fx, &s, &sr), OK);
	assert_int_equal(sr.attr.nlink, 0);
	assert_int_equal(fx_check(fx), 0);
	assert_err(fx_reclaim_all(fx), OK);
	assert_err(fx_op_stat(fx, &s, &sr), NO_SUCH_ID);
	assert_int_equal(fx_check(fx), 0);
}

static void
unlink__wrong_kind__refused(void **state)
{
	struct fx *fx = *state;
	uint64_t before;

	assert_err(fx_create(fx, "/f", 0644), OK);
	assert_err(fx_mkdir(fx, "/d", 0755), OK);
	assert_err(fx_mkdir(fx, "/d/e", 0755), OK);
	before = fx_digest(fx);
	assert_err(fx_unlink(fx, "/d"), ISDIR);
	assert_err(fx_rmdir(fx, "/f"), NOTDIR);
	assert_err(fx_rmdir(fx, "/d"), NOTEMPTY);
	assert_err(fx_rmdir(fx, "/x"), NOENT);
	assert_true(fx_digest(fx) == before);
	assert_err(fx_rmdir(fx, "/d/e"), OK);
	assert_err(fx_rmdir(fx, "/d"), OK);
	assert_int_equal(stat_of(fx, "/").nlink, 2);
	assert_int_equal(fx_check(fx), 0);
}

static void
unlink__expects_another__precond(void **state)
{
	struct fx *fx = *state;
	struct vfs_unlink q = { .dir = { VFS_ID_ROOT }, .name = { "f", 1 } };
	struct vfs_unlink_reply r;

	assert_err(fx_create(fx, "/f", 0644), OK);
	q.expect.n = fx_id(fx, "/f").n + 1;
	assert_err(fx_op_unlink(fx, &q, &r), PRECOND);
	q.expect.n--;
	assert_err(fx_op_unlink(fx, &q, &r), OK);
}

/* --- rename --------------------------------------------------------------- */

static void
rename__rules__as_posix(void **state)
{
	static const struct {
		const char *from, *to;
		uint32_t flags;
		const char *err;
	} rows[] = {
		{ "/x", "/y", 0, "NOENT" },
		{ "/f", "/d", 0, "ISDIR" },
		{ "/d", "/f", 0, "NOTDIR" },
		{ "/d", "/full", 0, "NOTEMPTY" },
		{ "/d", "/d/in", 0, "INVAL" },
		{ "/full", "/full/sub/deep", 0, "INVAL" },
		{ "/full/sub", "/full", 0, "NOTEMPTY" },
		{ "/full/f", "/full", 0, "ISDIR" },
		{ "/f", "/g", VFS_RENAME_NOREPLACE, "EXIST" },
		{ "/f", "/y", VFS_RENAME_EXCHANGE, "NOENT" },
		{ "/f", "/g", 3, "INVAL" },
		{ "/f", "/g", 4, "INVAL" },
		{ "/full", "/full/sub", VFS_RENAME_EXCHANGE, "INVAL" },
		{ "/full/sub", "/full", VFS_RENAME_EXCHANGE, "INVAL" },
		{ "/f", "/.", 0, "NAME" },
		{ "/f", "/f", 0, "OK" },
		{ "/full", "/full", 0, "OK" },
		{ "/f", "/hard", 0, "OK" },
		{ "/hard", "/f", VFS_RENAME_EXCHANGE, "OK" },
	};
	struct fx *fx = *state;
	uint64_t before;
	unsigned i;

	assert_err(fx_create(fx, "/f", 0644), OK);
	assert_err(fx_create(fx, "/g", 0644), OK);
	assert_err(fx_link(fx, "/f", "/hard"), OK);
	assert_err(fx_mkdir(fx, "/d", 0755), OK);
	assert_err(fx_mkdir(fx, "/full", 0755), OK);
	assert_err(fx_mkdir(fx, "/full/sub", 0755), OK);
	assert_err(fx_create(fx, "/full/f", 0755), OK);
	before = fx_digest(fx);
	for (i = 0; i < sizeof rows / sizeof rows[0]; i++) {
		int err = fx_rename(fx, rows[i].from, rows[i].to,
		    rows[i].flags);

		if (strcmp(vfs_err_name(err), rows[i].err) != 0)
			print_message("row %u: %s -> %s\n", i,
			    rows[i].from, rows[i].to);
		assert_string_equal(vfs_err_name(err), rows[i].err);
		assert_true(fx_digest(fx) == before);
	}
}

static void
rename__over_file__replaced_is_told(void **state)
{
	struct fx *fx = *state;
	struct vfs_rename q = { .dir = { VFS_ID_ROOT },
	    .dir2 = { VFS_ID_ROOT }, .name = { "f", 1 },
	    .name2 = { "g", 1 } };
	struct vfs_rename_reply r;
	struct vfs_id f, g;

	assert_err(fx_create(fx, "/f", 0644), OK);
	assert_err(fx_create(fx, "/g", 0644), OK);
	assert_err(fx_link(fx, "/g", "/g2"), OK);
	f = fx_id(fx, "/f");
	g = fx_id(fx, "/g");
	assert_err(fx_op_rename(fx, &q, &r), OK);
	assert_int_equal(r.id.n, f.n);
	assert_int_equal(r.replaced.n, g.n);
	assert_int_equal(r.replaced_nlink, 1);
	assert_int_equal(fx_id(fx, "/g").n, f.n);
	assert_int_equal(stat_of(fx, "/g2").nlink, 1);
	assert_int_equal(fx_check(fx), 0);
}

static void
rename__directory_moved__parents_follow(void **state)
{
	struct fx *fx = *state;
	struct vfs_attr a;

	assert_err(fx_mkdir(fx, "/a", 0755), OK);
	assert_err(fx_mkdir(fx, "/b", 0755), OK);
	assert_err(fx_mkdir(fx, "/a/d", 0755), OK);
	assert_err(fx_rename(fx, "/a/d", "/b/e", 0), OK);
	a = stat_of(fx, "/b/e");
	assert_int_equal(a.parent.n, fx_id(fx, "/b").n);
	assert_int_equal(stat_of(fx, "/a").nlink, 2);
	assert_int_equal(stat_of(fx, "/b").nlink, 3);
	assert_err(fx_mkdir(fx, "/a/over", 0755), OK);
	assert_err(fx_rename(fx, "/b/e", "/a/over", 0), OK);
	assert_int_equal(stat_of(fx, "/a").nlink, 3);
	assert_int_equal(stat_of(fx, "/b").nlink, 2);
	assert_int_equal(fx_check(fx), 0);
}

static void
rename__exchange_of_file_and_directory__both_follow(void **state)
{
	struct fx *fx = *state;
	struct vfs_id d, f;

	assert_err(fx_mkdir(fx, "/a", 0755), OK);
	assert_err(fx_mkdir(fx, "/b", 0755), OK);
	assert_err(fx_mkdir(fx, "/a/x", 0755), OK);
	assert_err(fx_create(fx, "/b/y", 0644), OK);
	d = fx_id(fx, "/a/x");
	f = fx_id(fx, "/b/y");
	assert_err(fx_rename(fx, "/a/x", "/b/y", VFS_RENAME_EXCHANGE), OK);
	assert_int_equal(fx_id(fx, "/a/x").n, f.n);
	assert_int_equal(fx_id(fx, "/b/y").n, d.n);
	assert_int_equal(stat_of(fx, "/a").nlink, 2);
	assert_int_equal(stat_of(fx, "/b").nlink, 3);
	assert_int_equal(stat_of(fx, "/b/y").parent.n,
	    fx_id(fx, "/b").n);
	assert_int_equal(fx_check(fx), 0);
}

static void
ctime__clock_stands_or_goes_back__still_increases(void **state)
{
	struct fx *fx = *state;
	struct vfs_attr a, b;
	int i;

	assert_err(fx_create(fx, "/f", 0644), OK);
	fx->step_ns = 0;
	fx->env.now.sec -= 100;
	for (i = 0; i < 5; i++) {
		a = stat_of(fx, "/f");
		assert_err(fx_chmod(fx, "/f", 0600), OK);
		b = stat_of(fx, "/f");
		assert_true(later(b.ctime, a.ctime));
		assert_true(b.meta_version > a.meta_version);
		assert_time_equal(a.mtime, b.mtime);
	}
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		FX_TEST(create__new_file__has_everything),
		FX_TEST(create__name_exists__exist_or_taken),
		FX_TEST(create__name_at_limit__one_more_is_refused),
		FX_TEST(create__bad_names__refused),
		FX_TEST(create__bad_mode_or_flags__inval),
		FX_TEST(create__every_type__has_its_own),
		FX_TEST(symlink__target_at_limit__one_more_is_refused),
		FX_TEST(create__setgid_directory__hands_its_group_down),
		FX_TEST(names__into_removed_directory__noent),
		FX_TEST(lookup__dots__self_and_parent),
		FX_TEST(lookup__not_there__says_why),
		FX_TEST(link__file__two_names_one_object),
		FX_TEST(link__at_limit__mlink),
		FX_TEST(tmpfile__linked__is_no_orphan_any_more),
		FX_TEST(tmpfile__never_linked__is_reclaimed),
		FX_TEST(unlink__last_name__object_stays_until_reclaimed),
		FX_TEST(unlink__wrong_kind__refused),
		FX_TEST(unlink__expects_another__precond),
		FX_TEST(rename__rules__as_posix),
		FX_TEST(rename__over_file__replaced_is_told),
		FX_TEST(rename__directory_moved__parents_follow),
		FX_TEST(rename__exchange_of_file_and_directory__both_follow),
		FX_TEST(ctime__clock_stands_or_goes_back__still_increases),
	};

	return cmocka_run_group_tests_name("core_names", tests, NULL, NULL);
}
