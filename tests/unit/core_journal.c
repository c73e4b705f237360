/* One record for each change, in order, with the names it was about. */
#include "../../vfsd/core/record.h"
#include "../cm.h"

static const char *const kinds[] = {
	[JOURNAL_CREATE] = "create", [JOURNAL_LINK] = "link",
	[JOURNAL_UNLINK] = "unlink", [JOURNAL_RENAME] = "rename",
	[JOURNAL_EXCHANGE] = "exchange", [JOURNAL_DATA] = "data",
	[JOURNAL_META] = "meta", [JOURNAL_XATTR] = "xattr",
	[JOURNAL_DELETE] = "delete", [JOURNAL_REMOVE_TREE] = "remove_tree",
	[JOURNAL_CLONE_TREE] = "clone_tree",
};

/* The records from sequence number *from on, as text; moves *from. */
static const char *
records(struct fx *fx, uint64_t *from)
{
	static char text[4096];
	struct vfs_slice key, val;
	struct rec_journal j;
	struct row_parts p;
	struct row_key k;
	struct txn_cur *c;
	struct txn *t;
	uint64_t next = *from;
	int err;

	text[0] = '\0';
	assert_err(txn_begin(fx->e, TXN_READ, &fx->env, &t), OK);
	assert_err(txn_cur_open(t, &c), OK);
	row_key_id2(&k, ROW_JOURNAL, *from, 0);
	err = txn_cur_seek(c, row_key_slice(&k), &key, &val);
	while (err == 0 && row_key_parse(key, &p) == 0 &&
	    p.kind == ROW_JOURNAL) {
		assert_true(p.a >= *from);
		next = p.a + 1;
		assert_err(rec_journal_decode(val, &j), OK);
		assert_true(j.id.n != 0);
		sprintf(text + strlen(text), "%s", kinds[j.kind]);
		if (j.name.n > 0)
			sprintf(text + strlen(text), " %.*s",
			    (int)j.name.n, (const char *)j.name.p);
		if (j.name2.n > 0)
			sprintf(text + strlen(text), " %.*s",
			    (int)j.name2.n, (const char *)j.name2.p);
		strcat(text, "; ");
		err = txn_cur_next(c, &key, &val);
	}
	*from = next;
	txn_abort(t);
	return text;
}

#define assert_records(fx, from, want) \
	assert_string_equal(records(fx, from), want)

static void
journal__each_change__is_recorded_once(void **state)
{
	struct fx *fx = *state;
	uint64_t at = 0;

	assert_records(fx, &at, "create; ");	/* the root */
	assert_err(fx_create(fx, "/f", 0644), OK);
	assert_records(fx, &at, "create f; ");
	assert_err(fx_create(fx, "/f", 0644), EXIST);
	assert_records(fx, &at, "");
	assert_err(fx_link(fx, "/f", "/g"), OK);
	assert_records(fx, &at, "link g; ");
	assert_err(fx_rename(fx, "/g", "/h", 0), OK);
	assert_records(fx, &at, "rename g h; ");
	assert_err(fx_rename(fx, "/f", "/h", 0), OK);	/* same object */
	assert_records(fx, &at, "");
	assert_err(fx_create(fx, "/x", 0644), OK);
	assert_err(fx_rename(fx, "/x", "/h", 0), OK);
	assert_records(fx, &at, "create x; unlink h; rename x h; ");
	assert_err(fx_rename(fx, "/f", "/h", VFS_RENAME_EXCHANGE), OK);
	assert_records(fx, &at, "exchange f h; exchange h f; ");
	assert_err(fx_chmod(fx, "/f", 0600), OK);
	assert_records(fx, &at, "meta; ");
	assert_err(fx_truncate(fx, "/f", 5), OK);
	assert_records(fx, &at, "data; ");
	assert_err(fx_setxattr(fx, "/f", "user.a", "1", 1, 0), OK);
	assert_err(fx_removexattr(fx, "/f", "user.a"), OK);
	assert_records(fx, &at, "xattr user.a; xattr user.a; ");
	assert_err(fx_unlink(fx, "/f"), OK);
	assert_err(fx_reclaim_all(fx), OK);
	assert_records(fx, &at, "unlink f; delete; ");
}

static void
journal__tree_removed__one_record_and_what_survives(void **state)
{
	struct fx *fx = *state;
	uint64_t at = 0;

	assert_err(fx_mkdir(fx, "/t", 0755), OK);
	assert_err(fx_mkdir(fx, "/t/d", 0755), OK);
	assert_err(fx_create(fx, "/t/d/f", 0644), OK);
	assert_err(fx_create(fx, "/t/g", 0644), OK);
	assert_err(fx_link(fx, "/t/g", "/g"), OK);
	assert_err(fx_mkdir(fx, "/new", 0755), OK);
	(void)records(fx, &at);
	assert_err(fx_tree_publish(fx, "/new", "/t", VFS_TREE_REPLACE), OK);
	assert_records(fx, &at, "remove_tree t; rename new t; ");
	assert_err(fx_reclaim_all(fx), OK);
	assert_records(fx, &at, "unlink d; unlink g; ");
	assert_err(fx_create(fx, "/t/h", 0644), OK);
	assert_err(fx_tree_clone(fx, "/t", "/u"), OK);
	assert_records(fx, &at, "create h; clone_tree u; ");
	assert_err(fx_unlink(fx, "/t/h"), OK);
	(void)records(fx, &at);
	assert_err(fx_tree_remove(fx, "/t"), OK);
	assert_records(fx, &at, "unlink t; ");	/* it was empty */
}

/* user::rwx, user:5:rwx, group::rwx, mask::rwx, other::r-- */
static const uint8_t an_acl[] = {
	2, 0, 0, 0,
	1, 0, 7, 0, 255, 255, 255, 255,
	2, 0, 7, 0, 5, 0, 0, 0,
	4, 0, 7, 0, 255, 255, 255, 255,
	16, 0, 7, 0, 255, 255, 255, 255,
	32, 0, 4, 0, 255, 255, 255, 255,
};

/* A file with set-id bits and capabilities, which lose both. */
static void
dangerous(struct fx *fx, uint64_t *at)
{
	fx_as_kernel(fx);
	assert_err(fx_chmod(fx, "/f", 06777), OK);
	assert_err(fx_setxattr(fx, "/f", "security.capability", "12345678"
	    "901234567890", 20, 0), OK);
	(void)records(fx, at);
	fx_as(fx, 7, 7);
}

#define ALONG	"data; meta; xattr security.capability; "

static void
assert_both_versions(struct fx *fx)
{
	struct vfs_attr a;

	assert_err(fx_stat(fx, "/f", &a), OK);
	assert_int_equal(a.mode & 06000, 0);
	assert_int_equal(a.data_version, a.meta_version);
}

static void
journal__what_goes_along_with_content__has_its_record(void **state)
{
	struct fx *fx = *state;
	struct vfs_allocate al = { .len = 9000 };
	struct vfs_allocate_reply ar;
	struct vfs_copy_range cp = { .len = 4 };
	struct vfs_copy_range_reply cr;
	uint64_t at = 0;

	assert_err(fx_create(fx, "/f", 0777), OK);
	assert_err(fx_create(fx, "/g", 0777), OK);
	assert_err(fx_write(fx, "/g", 0, "text", 4), OK);
	assert_err(fx_publish(fx, "/g"), OK);
	dangerous(fx, &at);
	assert_err(fx_write(fx, "/f", 0, "x", 1), OK);
	assert_records(fx, &at, ALONG);
	assert_both_versions(fx);
	dangerous(fx, &at);
	assert_err(fx_truncate(fx, "/f", 10), OK);
	assert_records(fx, &at, ALONG);
	assert_both_versions(fx);
	dangerous(fx, &at);
	al.id = fx_id(fx, "/f");
	assert_err(fx_op_allocate(fx, &al, &ar), OK);
	assert_records(fx, &at, ALONG);
	assert_both_versions(fx);
	dangerous(fx, &at);
	/* Into blocks that were set aside: no draft. */
	assert_err(fx_write(fx, "/f", 4096, "x", 1), OK);
	assert_err(fx_publish(fx, "/f"), OK);
	assert_records(fx, &at, ALONG);
	assert_both_versions(fx);
	dangerous(fx, &at);
	cp.src = fx_id(fx, "/g");
	cp.dst = fx_id(fx, "/f");
	assert_err(fx_op_copy_range(fx, &cp, &cr), OK);
	assert_records(fx, &at, ALONG);
	assert_both_versions(fx);
	dangerous(fx, &at);
	fx_as_kernel(fx);
	assert_err(fx_chown(fx, "/f", 8, 8), OK);
	assert_records(fx, &at, "meta; xattr security.capability; ");
}

static void
journal__an_acl_and_the_mode__are_told_of_both(void **state)
{
	struct fx *fx = *state;
	uint64_t at = 0;

	assert_err(fx_create(fx, "/f", 0600), OK);
	(void)records(fx, &at);
	assert_err(fx_setxattr(fx, "/f", "system.posix_acl_access", an_acl,
	    sizeof an_acl, 0), OK);
	assert_records(fx, &at, "xattr system.posix_acl_access; meta; ");
	assert_err(fx_chmod(fx, "/f", 0640), OK);
	assert_records(fx, &at, "meta; xattr system.posix_acl_access; ");
}

static void
journal__a_file_without_a_name__is_told_of_from_birth_to_end(void **state)
{
	struct fx *fx = *state;
	struct vfs_tmpfile q = { .dir = { VFS_ID_ROOT },
		.mode = VFS_TYPE_MODE(VFS_REG) | 0600 };
	struct vfs_tmpfile_reply r;
	struct vfs_link l = { .dir = { VFS_ID_ROOT }, .name = { "n", 1 } };
	struct vfs_link_reply lr;
	uint64_t at = 0;

	(void)records(fx, &at);
	assert_err(fx_op_tmpfile(fx, &q, &r), OK);
	assert_records(fx, &at, "create; ");
	l.target = r.attr.id;
	assert_err(fx_op_link(fx, &l, &lr), OK);
	assert_records(fx, &at, "link n; ");
	assert_err(fx_op_tmpfile(fx, &q, &r), OK);
	assert_err(fx_reclaim_all(fx), OK);
	assert_records(fx, &at, "create; delete; ");
}

static void
journal__draft__recorded_when_published(void **state)
{
	struct fx *fx = *state;
	uint64_t at = 0;

	assert_err(fx_create(fx, "/f", 0644), OK);
	assert_records(fx, &at, "create; create f; ");
	assert_err(fx_write(fx, "/f", 0, "x", 1), OK);
	assert_records(fx, &at, "");
	assert_err(fx_publish(fx, "/f"), OK);
	assert_records(fx, &at, "data; ");
	assert_err(fx_write(fx, "/f", 0, "y", 1), OK);
	assert_err(fx_rename(fx, "/f", "/g", 0), OK);
	assert_records(fx, &at, "data; rename f g; ");
}

static void
journal__after_recovery_and_checkpoint__is_the_same(void **state)
{
	struct fx *fx = *state;
	char first[4096];
	uint64_t at = 0;

	assert_err(fx_mkdir(fx, "/d", 0755), OK);
	assert_err(fx_create(fx, "/d/f", 0644), OK);
	assert_err(fx_rename(fx, "/d/f", "/f", 0), OK);
	strcpy(first, records(fx, &at));
	fx_reopen(fx);
	at = 0;
	assert_records(fx, &at, first);
	assert_err(engine_checkpoint(fx->e), OK);
	at = 0;
	assert_records(fx, &at, first);
	fx_restart(fx);
	at = 0;
	assert_records(fx, &at, first);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		FX_TEST(journal__each_change__is_recorded_once),
		FX_TEST(journal__tree_removed__one_record_and_what_survives),
		FX_TEST(journal__what_goes_along_with_content__has_its_record),
		FX_TEST(journal__an_acl_and_the_mode__are_told_of_both),
		FX_TEST(journal__a_file_without_a_name__is_told_of_from_birth_to_end),
		FX_TEST(journal__draft__recorded_when_published),
		FX_TEST(journal__after_recovery_and_checkpoint__is_the_same),
	};

	return cmocka_run_group_tests_name("core_journal", tests, NULL,
	    NULL);
}
