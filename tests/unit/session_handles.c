/*
 * Handles: what they pin, that only the very one that was given matches,
 * and how many there may be.
 */
#include "../cm.h"
#include "../session_rig.h"

#define FILE_MODE	0100644u
#define DIR_MODE	0040755u
#define RW	(VFS_OPEN_READ | VFS_OPEN_WRITE)

static void
handle__name_is_gone__object_is_there(void **state)
{
	struct srig *x = *state;
	struct vfs_attr a;
	struct vfs_id f;
	uint64_t h;

	assert_err(s_create(x, x->own, ROOT, "f", FILE_MODE, &f), OK);
	assert_err(s_open(x, x->own, f, RW, &h), OK);
	assert_err(s_unlink(x, x->own, ROOT, "f"), OK);
	assert_err(s_stat(x, x->own, H(h), &a), OK);
	assert_int_equal(a.id.n, f.n);
	assert_int_equal(a.nlink, 0);
	assert_err(s_write(x, x->own, H(h), 0, "hello", 0), OK);
	assert_int_equal(s_read(x, x->own, H(h), 0, 100), 5);
	assert_memory_equal(x->room, "hello", 5);
	assert_err(s_close(x, x->own, h), OK);
	assert_err(s_stat(x, x->own, f, &a), NO_SUCH_ID);
	assert_int_equal(fx_check(x->r->fx), 0);
}

static void
handle__not_the_very_one__is_bad(void **state)
{
	struct srig *x = *state;
	struct vfs_id f;
	uint64_t h, h2, slot = (1u << VFS_HANDLE_SLOT_BITS);
	uint64_t forged[8];
	size_t i;

	assert_err(s_create(x, x->own, ROOT, "f", FILE_MODE, &f), OK);
	assert_err(s_open(x, x->own, f, RW, &h), OK);
	assert_err(s_close(x, x->own, h), OK);
	assert_err(s_open(x, x->own, f, RW, &h2), OK);
	assert_int_not_equal(h, h2);
	forged[0] = h;			/* stale */
	forged[1] = h2 + slot;		/* of the future */
	forged[2] = h2 - slot;
	forged[3] = h2 + 1;		/* another slot */
	forged[4] = VFS_HANDLE;
	forged[5] = VFS_HANDLE | (VFS_HANDLE - 1);
	forged[6] = h2 ^ (1ull << 61);
	forged[7] = VFS_HANDLE | (h2 & (slot - 1));
	for (i = 0; i < 8; i++) {
		assert_err(s_stat(x, x->own, H(forged[i]), NULL), BAD_HANDLE);
		assert_err(s_close(x, x->own, forged[i]), BAD_HANDLE);
	}
	assert_err(s_stat(x, x->own, H(h2), NULL), OK);
}

static void
handle__of_another_session__is_bad(void **state)
{
	struct srig *x = *state;
	struct session *two = srig_user(x, SRIG_OWNER, SRIG_OWNER);
	uint64_t h;

	assert_err(s_walk(x, x->own, ROOT, "", 0, &h), OK);
	assert_err(s_stat(x, two, H(h), NULL), BAD_HANDLE);
	srig_end(two);
}

static void
handle__at_the_limit__quota(void **state)
{
	struct srig *x = *state;
	struct vfs_attach q = { .max_handles = 4 };
	struct session_who who = { .has_cred = true, .uid = SRIG_OWNER };
	struct vfs_attach_reply r;
	struct session *s;
	uint64_t h[4];
	unsigned i;

	assert_err(session_attach(x->ss, &who, &q, &s, &r), OK);
	assert_int_equal(r.max_handles, 4);	/* one is the root's */
	for (i = 0; i < 3; i++)
		assert_err(s_walk(x, s, H(r.root), "", 0, &h[i]), OK);
	assert_err(s_walk(x, s, H(r.root), "", 0, &h[3]), QUOTA);
	assert_err(s_close(x, s, h[1]), OK);
	assert_err(s_walk(x, s, H(r.root), "", 0, &h[1]), OK);
	assert_err(s_walk(x, s, H(r.root), "", 0, &h[3]), QUOTA);
	srig_end(s);
}

static void
handle__opened_for_reading__does_not_write(void **state)
{
	struct srig *x = *state;
	struct vfs_id f;
	uint64_t h;

	assert_err(s_create(x, x->own, ROOT, "f", FILE_MODE, &f), OK);
	assert_err(s_open(x, x->own, f, VFS_OPEN_READ, &h), OK);
	assert_int_equal(s_read(x, x->own, H(h), 0, 5), 0);
	assert_err(s_write(x, x->own, H(h), 0, "x", 0), ACCESS);
	assert_err(s_close(x, x->own, h), OK);
	assert_err(s_open(x, x->own, f, VFS_OPEN_WRITE, &h), OK);
	assert_err(s_write(x, x->own, H(h), 0, "x", 0), OK);
	assert_int_equal(s_read(x, x->own, H(h), 0, 5), -VFS_ACCESS);
}

/* As a descriptor: what chmod does later does not matter to it. */
static void
handle__mode_changes_later__still_reads(void **state)
{
	struct srig *x = *state;
	struct session *u = srig_user(x, 4000, 4000);
	struct vfs_id f;
	uint64_t root, h, late;

	assert_err(s_create(x, x->own, ROOT, "f", 0100644, &f), OK);
	assert_err(s_walk(x, u, ROOT, "f", 0, &root), OK);
	assert_err(s_open(x, u, H(root), VFS_OPEN_READ, &h), OK);
	fx_as(x->r->fx, 0, 0);
	assert_int_equal(do_chmod(x->r, 0, f, 0600), 0);
	assert_int_equal(s_read(x, u, H(h), 0, 5), 0);
	assert_err(s_open(x, u, H(root), VFS_OPEN_READ, &late), ACCESS);
	assert_int_equal(s_read(x, u, H(root), 0, 5), -VFS_ACCESS);
	srig_end(u);
}

static void
id__without_the_right_to_use_ids__does_not_exist(void **state)
{
	struct srig *x = *state;
	struct session *u = srig_user(x, 4000, 4000);
	struct vfs_id f;
	uint64_t h;

	assert_err(s_create(x, x->own, ROOT, "f", FILE_MODE, &f), OK);
	assert_err(s_stat(x, u, f, NULL), NO_SUCH_ID);
	assert_err(s_stat(x, u, ROOT, NULL), OK);	/* its root */
	assert_err(s_walk(x, u, ROOT, "f", 0, &h), OK);
	assert_err(s_stat(x, u, H(h), NULL), OK);
	srig_end(u);
}

static void
close__sixteen_at_once__seventeen_are_too_many(void **state)
{
	struct srig *x = *state;
	uint64_t h[VFS_CLOSE_MAX + 1];
	struct vfs_close q = { .handles = { h, sizeof h } };
	struct vfs_close_reply r;
	unsigned i;

	for (i = 0; i <= VFS_CLOSE_MAX; i++)
		assert_err(s_walk(x, x->own, ROOT, "", 0, &h[i]), OK);
	assert_err(srig_run(x, x->own, VFS_OP_CLOSE, &q, &r), TOO_BIG);
	q.handles.n -= 8;
	assert_err(srig_run(x, x->own, VFS_OP_CLOSE, &q, &r), OK);
	assert_int_equal(r.closed, VFS_CLOSE_MAX);
	h[1] = h[VFS_CLOSE_MAX];
	assert_err(srig_run(x, x->own, VFS_OP_CLOSE, &q, &r), BAD_HANDLE);
	assert_err(s_stat(x, x->own, H(h[1]), NULL), BAD_HANDLE);
}

static void
session__ends__its_handles_go(void **state)
{
	struct srig *x = *state;
	struct session *two = srig_user(x, SRIG_OWNER, SRIG_OWNER);
	struct vfs_id f;
	uint64_t h;

	assert_err(s_create(x, two, ROOT, "f", FILE_MODE, &f), OK);
	assert_err(s_open(x, two, f, RW, &h), OK);
	assert_err(s_unlink(x, two, ROOT, "f"), OK);
	session_close(two);
	assert_err(s_stat(x, two, H(h), NULL), SESSION_CLOSED);
	assert_err(s_stat(x, x->own, f, NULL), NO_SUCH_ID);
	session_drop(two);
}

static void
walk__names_dots_and_links__ends_where_it_should(void **state)
{
	struct srig *x = *state;
	struct vfs_id d, e;
	struct vfs_attr a;
	uint64_t h;

	assert_err(s_create(x, x->own, ROOT, "d", DIR_MODE, &d), OK);
	assert_err(s_create(x, x->own, d, "e", DIR_MODE, &e), OK);
	assert_err(s_walk(x, x->own, ROOT, "d/./e/../e/../../d", 0, &h), OK);
	assert_err(s_stat(x, x->own, H(h), &a), OK);
	assert_int_equal(a.id.n, d.n);
	assert_err(s_walk(x, x->own, ROOT, "../../d", 0, &h), OK);
	assert_err(s_walk(x, x->own, ROOT, "d/x", 0, &h), NOENT);
	assert_int_equal(x->e.op_index, 1);
	assert_err(s_walk(x, x->own, ROOT, "d//e", 0, &h), NAME);
	assert_err(s_walk(x, x->own, ROOT,
	    "./././././././././././././././d", 0, &h), OK);
	assert_err(s_walk(x, x->own, ROOT,
	    "././././././././././././././././d", 0, &h), TOO_BIG);
}

static void
dup__narrows__and_never_widens(void **state)
{
	struct srig *x = *state;
	struct vfs_dup q = { .rights = VFS_RIGHT_GETATTR };
	struct vfs_dup_reply r, r2;
	struct vfs_id f;
	uint64_t h;

	assert_err(s_create(x, x->own, ROOT, "f", FILE_MODE, &f), OK);
	assert_err(s_open(x, x->own, f, RW, &h), OK);
	q.id.n = h;
	assert_err(srig_run(x, x->own, VFS_OP_DUP, &q, &r), OK);
	assert_int_equal(r.rights, VFS_RIGHT_GETATTR);
	q.id.n = r.handle;
	q.rights = VFS_RIGHTS_ALL;
	assert_err(srig_run(x, x->own, VFS_OP_DUP, &q, &r2), OK);
	assert_int_equal(r2.rights, VFS_RIGHT_GETATTR);
	assert_int_equal(s_read(x, x->own, H(r2.handle), 0, 1), -VFS_ACCESS);
	q.id = f;
	assert_err(srig_run(x, x->own, VFS_OP_DUP, &q, &r2), BAD_HANDLE);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		S_TEST(handle__name_is_gone__object_is_there),
		S_TEST(handle__not_the_very_one__is_bad),
		S_TEST(handle__of_another_session__is_bad),
		S_TEST(handle__at_the_limit__quota),
		S_TEST(handle__opened_for_reading__does_not_write),
		S_TEST(handle__mode_changes_later__still_reads),
		S_TEST(id__without_the_right_to_use_ids__does_not_exist),
		S_TEST(close__sixteen_at_once__seventeen_are_too_many),
		S_TEST(session__ends__its_handles_go),
		S_TEST(walk__names_dots_and_links__ends_where_it_should),
		S_TEST(dup__narrows__and_never_widens),
	};

	return cmocka_run_group_tests_name("sessions: handles", tests, NULL,
	    NULL);
}
