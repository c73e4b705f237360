/* What modes keep from a user whom a socket lets in, in ways that have no
 * system call. */
#include "../cm.h"
#include "../../protocol/records.h"
#include "../session_rig.h"

#define FILE_MODE	0100644u
#define ME		4000u

static struct vfs_slice
str(const char *s)
{
	return (struct vfs_slice){ s, strlen(s) };
}

static int
chmod_to(struct srig *x, struct session *s, struct vfs_id id, uint32_t mode)
{
	struct vfs_setattr q = { .id = id, .valid = VFS_SET_MODE,
		.mode = mode };
	struct vfs_setattr_reply r;

	return srig_run(x, s, VFS_OP_SETATTR, &q, &r);
}

static struct vfs_id
walk(struct srig *x, struct session *s, const char *path)
{
	uint64_t h;

	assert_err(s_walk(x, s, ROOT, path, 0, &h), OK);
	return H(h);
}

/* --- names ---------------------------------------------------------------- */

static int
pre(struct srig *x, struct session *s, struct vfs_tx_pre p)
{
	struct vfs_tx_exec q = { .npre = 1 };
	struct vfs_tx_exec_reply r;

	rig_new(x->r);
	rig_pre(x->r, p);
	q.pre = (struct vfs_slice){ x->r->pre, x->r->npre_bytes };
	return srig_run(x, s, VFS_OP_TX_EXEC, &q, &r);
}

static void
precondition__a_name_in_a_shut_directory__tells_nothing(void **state)
{
	static const char *const names[] = { "there", "none" };
	struct srig *x = *state;
	struct session *s = srig_user(x, ME, ME);
	struct vfs_tx_pre p = { .kind = VFS_PRE_NAME_ABSENT };
	struct vfs_id d, f;
	int i;

	assert_err(s_create(x, x->own, ROOT, "d", 0040700, &d), OK);
	assert_err(s_create(x, x->own, d, "there", FILE_MODE, &f), OK);
	p.id = walk(x, s, "d");
	for (i = 0; i < 2; i++) {
		p.kind = VFS_PRE_NAME_ABSENT;
		p.id2.n = 0;
		p.name = str(names[i]);
		assert_err(pre(x, s, p), ACCESS);
		assert_int_equal(x->e.detail, 0);
		p.kind = VFS_PRE_NAME_IS;
		p.id2 = f;
		assert_err(pre(x, s, p), ACCESS);
		assert_int_equal(x->e.detail, 0);
	}
	assert_err(chmod_to(x, x->own, d, 0711), OK);
	assert_err(pre(x, s, p), PRECOND);
	p.name = str("there");
	assert_err(pre(x, s, p), OK);
	srig_end(s);
}

/* Entries of a listing, and how many of these have attributes. */
static void
assert_lists(struct srig *x, struct session *s, struct vfs_id dir,
    unsigned n, unsigned attrs)
{
	struct vfs_dir_read q = { .dir = dir, .want = VFS_WANT_ATTR };
	struct vfs_dir_read_reply r;
	struct vfs_dirent e;
	struct vfs_attr a;
	unsigned i, got = 0;
	struct rbuf b;

	assert_err(srig_run(x, s, VFS_OP_DIR_READ, &q, &r), OK);
	assert_int_equal(x->entries.count, n);
	proto_list_read(&b, (struct vfs_slice){ x->entries.p, x->entries.n });
	for (i = 0; i < n; i++) {
		assert_int_equal(proto_dirent_next(&b, &e, &a), 0);
		got += e.attr != NULL;
	}
	assert_int_equal(got, attrs);
}

static void
listing__of_what_may_not_be_searched__has_names_only(void **state)
{
	struct srig *x = *state;
	struct session *s = srig_user(x, ME, ME);
	struct vfs_id d;

	assert_err(s_create(x, x->own, ROOT, "d", 0040744, &d), OK);
	assert_err(s_create(x, x->own, d, "f", FILE_MODE, NULL), OK);
	assert_lists(x, s, walk(x, s, "d"), 3, 0);
	assert_lists(x, x->own, d, 3, 3);
	assert_err(chmod_to(x, x->own, d, 0755), OK);
	assert_lists(x, s, walk(x, s, "d"), 3, 3);
	srig_end(s);
}

static void
assert_paths(struct srig *x, struct session *s, struct vfs_id id, unsigned n)
{
	struct vfs_paths_of q = { .id = id };
	struct vfs_paths_of_reply r;

	assert_err(srig_run(x, s, VFS_OP_PATHS_OF, &q, &r), OK);
	assert_int_equal(x->entries.count, n);
}

static void
paths__in_directories_that_may_not_be_listed__are_left_out(void **state)
{
	struct srig *x = *state;
	struct session *s = srig_user(x, ME, ME);
	struct vfs_link q = { .name = str("second") };
	struct vfs_link_reply r;
	struct vfs_id d, sub, f;

	assert_err(s_create(x, x->own, ROOT, "f", FILE_MODE, &f), OK);
	assert_err(s_create(x, x->own, ROOT, "d", 0040711, &d), OK);
	assert_err(s_create(x, x->own, d, "sub", 0040755, &sub), OK);
	q.target = f;
	q.dir = d;
	assert_err(srig_run(x, x->own, VFS_OP_LINK, &q, &r), OK);
	q.dir = sub;
	assert_err(srig_run(x, x->own, VFS_OP_LINK, &q, &r), OK);
	assert_paths(x, x->own, f, 3);
	assert_paths(x, s, walk(x, s, "f"), 2);	/* not that in d */
	assert_err(chmod_to(x, x->own, d, 0744), OK);
	assert_paths(x, s, walk(x, s, "f"), 2);	/* not that in sub */
	assert_err(chmod_to(x, x->own, d, 0755), OK);
	assert_paths(x, s, walk(x, s, "f"), 3);
	srig_end(s);
}

/* --- files ---------------------------------------------------------------- */

static void
open__to_execute__does_not_read(void **state)
{
	struct srig *x = *state;
	struct session *s = srig_user(x, ME, ME);
	struct vfs_id f;
	uint64_t h;

	assert_err(s_create(x, x->own, ROOT, "f", 0100711, &f), OK);
	assert_err(s_write(x, x->own, f, 0, "bytes", 0), OK);
	assert_err(s_open(x, s, walk(x, s, "f"), VFS_OPEN_READ, &h), ACCESS);
	assert_err(s_open(x, s, walk(x, s, "f"), VFS_OPEN_EXEC, &h), OK);
	assert_int_equal(s_read(x, s, H(h), 0, 5), -VFS_ACCESS);
	assert_err(chmod_to(x, x->own, f, 0755), OK);
	assert_int_equal(s_read(x, s, H(h), 0, 5), 5);
	srig_end(s);
}

static void
setattr__of_nothing__changes_nothing_of_others(void **state)
{
	struct srig *x = *state;
	struct session *s = srig_user(x, ME, ME);
	struct vfs_setattr q = { .valid = 0 };
	struct vfs_setattr_reply r;
	struct vfs_attr was, is;
	struct vfs_id f;

	assert_err(s_create(x, x->own, ROOT, "f", 0100600, &f), OK);
	assert_err(s_stat(x, x->own, f, &was), OK);
	q.id = walk(x, s, "f");
	assert_err(srig_run(x, s, VFS_OP_SETATTR, &q, &r), OK);
	assert_int_equal(r.attr.id.n, f.n);
	assert_err(s_stat(x, x->own, f, &is), OK);
	assert_int_equal(is.meta_version, was.meta_version);
	assert_memory_equal(&is.ctime, &was.ctime, sizeof is.ctime);
	q.id = f;
	assert_err(srig_run(x, x->own, VFS_OP_SETATTR, &q, &r), OK);
	assert_true(r.attr.meta_version > was.meta_version);
	srig_end(s);
}

static int
link_to(struct srig *x, struct session *s, struct vfs_id f, const char *name)
{
	struct vfs_link q = { .dir = walk(x, s, "pub"), .target = f,
		.name = str(name) };
	struct vfs_link_reply r;

	return srig_run(x, s, VFS_OP_LINK, &q, &r);
}

/* As with protected_hardlinks, and linkat(2) of a descriptor. */
static void
link__to_what_is_not_ones_own__needs_the_right_to_write(void **state)
{
	static const struct {
		uint32_t mode;
		int err;
	} rules[] = {
		{ 0100644, -VFS_PERM }, { 0100666, 0 }, { 0104777, -VFS_PERM },
		{ 0102777, -VFS_PERM }, { 0102767, 0 }, { 0010666, -VFS_PERM },
	};
	struct srig *x = *state;
	struct session *s = srig_user(x, ME, ME);
	struct vfs_tmpfile q = { .mode = FILE_MODE };
	struct vfs_tmpfile_reply r;
	struct vfs_id pub, f, h;
	size_t i;

	assert_err(s_create(x, x->own, ROOT, "pub", 0040777, &pub), OK);
	for (i = 0; i < sizeof rules / sizeof rules[0]; i++) {
		assert_err(s_create(x, x->own, ROOT, "f", rules[i].mode,
		    &f), OK);
		assert_err(chmod_to(x, x->own, f, rules[i].mode & 07777), OK);
		h = walk(x, s, "f");
		assert_int_equal(link_to(x, s, h, "n"), rules[i].err);
		if (rules[i].err == 0)
			assert_err(s_unlink(x, s, walk(x, s, "pub"), "n"),
			    OK);
		assert_err(s_unlink(x, x->own, ROOT, "f"), OK);
		assert_err(link_to(x, s, h, "again"), PERM);
	}
	q.dir = walk(x, s, "pub");
	assert_err(srig_run(x, s, VFS_OP_TMPFILE, &q, &r), OK);
	assert_err(link_to(x, s, H(r.handle), "mine"), OK);
	srig_end(s);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		S_TEST(precondition__a_name_in_a_shut_directory__tells_nothing),
		S_TEST(listing__of_what_may_not_be_searched__has_names_only),
		S_TEST(paths__in_directories_that_may_not_be_listed__are_left_out),
		S_TEST(open__to_execute__does_not_read),
		S_TEST(setattr__of_nothing__changes_nothing_of_others),
		S_TEST(link__to_what_is_not_ones_own__needs_the_right_to_write),
	};

	return cmocka_run_group_tests_name("session_modes", tests, NULL,
	    NULL);
}
