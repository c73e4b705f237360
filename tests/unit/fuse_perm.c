/*
 * Permissions where the kernel checks none: who asks is looked at in each
 * request, and the kernel keeps no name that he may not find by it.
 */
#include "fuse_fx.h"

#include <errno.h>
#include <fcntl.h>
#include <sys/stat.h>

#define USER	54321u
#define OTHER	54322u
#define BY_EXEC	0x20u			/* the kernel's FMODE_EXEC */

/* d and f are USER's, who asks. */
static int
rig_open_own(void **state)
{
	struct rig *r;

	rig_open_as(state, (struct fuse_front_conf){ .own_checks = true });
	r = *state;
	fx_chown(r->fx, "/d", USER, USER);
	fx_chown(r->fx, "/d/f", USER, USER);
	r->uid = USER;
	return 0;
}

static int
open_errno(struct rig *r, uint32_t op, uint64_t id, uint32_t flags)
{
	struct fuse_open_in in = { .flags = flags };

	request(r, op, 90, id, &in, sizeof in);
	return answer(r, 90);
}

static int
chmod_errno(struct rig *r, uint64_t id, uint32_t mode)
{
	struct fuse_setattr_in in = { .valid = FATTR_MODE, .mode = mode };

	request(r, FUSE_SETATTR, 91, id, &in, sizeof in);
	return answer(r, 91);
}

static int
name_errno(struct rig *r, uint32_t op, uint64_t dir, const char *name)
{
	request(r, op, 92, dir, name, strlen(name) + 1);
	return answer(r, 92);
}

static void
init__own_checks__the_kernel_is_not_made_to_check(void **state)
{
	struct rig *r = *state;
	struct fuse_init_in in = { .major = 7, .minor = FUSE_MINOR,
	    .flags = ~0u };

	request(r, FUSE_INIT, 1, 0, &in, sizeof in);
	assert_int_equal(answer(r, 1), 0);
	assert_false(((const struct fuse_init_out *)body(r))->flags &
	    FUSE_POSIX_ACL);
	in.minor = FUSE_MINOR_EPOCH - 1;	/* could not forget names */
	request(r, FUSE_INIT, 2, 0, &in, sizeof in);
	assert_int_equal(answer(r, 2), EPROTO);
}

/* What the kernel looks at whatever the mount says, or does by itself. */
static void
requests__the_kernel_has_looked__pass(void **state)
{
	static const char caps[] = "security.capability";
	struct rig *r = *state;
	uint64_t d = look(r, 2, 1, "d"), f = look(r, 3, d, "f");
	struct {
		struct fuse_mknod_in in;
		char name[2];
	} whiteout = { .in = { .mode = S_IFCHR }, .name = "w" };

	assert_int_equal(fx_setxattr(r->fx, "/d/f", caps, "x", 1, 0), 0);
	request(r, FUSE_REMOVEXATTR, 4, f, caps, sizeof caps);
	assert_int_equal(answer(r, 4), 0);
	request(r, FUSE_MKNOD, 5, d, &whiteout, sizeof whiteout.in + 2);
	assert_int_equal(answer(r, 5), 0);
}

static void
requests__mode_forbids__refused(void **state)
{
	struct rig *r = *state;
	uint64_t d = look(r, 2, 1, "d"), f = look(r, 3, d, "f");
	struct fuse_access_in acc = { .mask = 4 };
	struct fuse_setattr_in cut = { .valid = FATTR_SIZE };

	assert_int_equal(chmod_errno(r, f, 0100111), 0);
	assert_int_equal(open_errno(r, FUSE_OPEN, f, O_RDONLY), EACCES);
	assert_int_equal(open_errno(r, FUSE_OPEN, f, O_WRONLY), EACCES);
	assert_int_equal(open_errno(r, FUSE_OPEN, f, O_RDONLY | BY_EXEC), 0);
	request(r, FUSE_ACCESS, 4, f, &acc, sizeof acc);
	assert_int_equal(answer(r, 4), EACCES);
	request(r, FUSE_SETATTR, 5, f, &cut, sizeof cut);
	assert_int_equal(answer(r, 5), EACCES);
	assert_int_equal(chmod_errno(r, d, 0040500), 0);
	assert_int_equal(open_errno(r, FUSE_OPENDIR, d, 0), 0);
	assert_int_equal(name_errno(r, FUSE_UNLINK, d, "f"), EACCES);
	assert_int_equal(chmod_errno(r, 1, 0040777), EPERM);	/* root's */
	r->uid = OTHER;
	assert_int_equal(chmod_errno(r, f, 0100777), EPERM);
	assert_int_equal(name_errno(r, FUSE_LOOKUP, d, "f"), EACCES);
	assert_int_equal(open_errno(r, FUSE_OPENDIR, d, 0), EACCES);
	r->uid = 0;
	assert_int_equal(name_errno(r, FUSE_UNLINK, d, "f"), 0);
}

/* What was opened in time can be used as before. */
static void
handles__mode_changes_later__go_on(void **state)
{
	struct rig *r = *state;
	uint64_t d = look(r, 2, 1, "d"), f = look(r, 3, d, "f");
	struct {
		struct fuse_write_in in;
		char text[8];
	} w = { .in = { .size = 3 }, .text = "abc" };
	struct fuse_read_in rd = { .size = 4096 };
	struct fuse_setattr_in cut = { .valid = FATTR_SIZE | FATTR_FH };

	assert_int_equal(open_errno(r, FUSE_OPEN, f, O_RDWR), 0);
	w.in.fh = rd.fh = cut.fh = ((const struct fuse_open_out *)body(r))->fh;
	assert_int_equal(chmod_errno(r, f, 0100000), 0);
	request(r, FUSE_WRITE, 4, f, &w, sizeof w.in + 3);
	assert_int_equal(answer(r, 4), 0);
	request(r, FUSE_READ, 5, f, &rd, sizeof rd);
	assert_int_equal(answer(r, 5), 0);
	assert_memory_equal(body(r), "abclo", 5);
	request(r, FUSE_SETATTR, 6, f, &cut, sizeof cut);
	assert_int_equal(answer(r, 6), 0);
}

static void
chown__nothing_new_by_the_owner__needs_no_write_permission(void **state)
{
	struct rig *r = *state;
	uint64_t f = look(r, 3, look(r, 2, 1, "d"), "f");
	struct fuse_setattr_in in = { .gid = USER,
	    .valid = FATTR_GID | FATTR_KILL_SUIDGID };

	assert_int_equal(chmod_errno(r, f, 0100444), 0);
	request(r, FUSE_SETATTR, 4, f, &in, sizeof in);
	assert_int_equal(answer(r, 4), 0);
	in.gid = OTHER;
	request(r, FUSE_SETATTR, 5, f, &in, sizeof in);
	assert_int_equal(answer(r, 5), EPERM);
}

/* What comes first after the request: that all names are asked for again. */
static void
assert_told_first(struct rig *r, uint64_t id, uint32_t mode)
{
	struct fuse_setattr_in in = { .valid = FATTR_MODE, .mode = mode };
	const struct fuse_out_header *h = (const void *)r->reply;
	struct pollfd p = { .fd = r->kernel, .events = POLLIN };

	request(r, FUSE_SETATTR, 5, id, &in, sizeof in);
	assert_int_equal(poll(&p, 1, 10000), 1);
	assert_int_equal(recv(r->kernel, r->reply, sizeof r->reply, 0),
	    sizeof *h);
	assert_int_equal(h->unique, 0);
	assert_int_equal(h->error, FUSE_NOTIFY_INC_EPOCH);
	assert_int_equal(answer(r, 5), 0);
}

static void
directory__is_shut__the_kernel_forgets_names_before_it_hears(void **state)
{
	struct rig *r = *state;
	uint64_t d = look(r, 2, 1, "d");

	look(r, 3, d, "f");
	assert_told_first(r, d, 0040600);
	assert_int_equal(name_errno(r, FUSE_LOOKUP, d, "f"), EACCES);
	assert_int_equal(name_errno(r, FUSE_LOOKUP, d, "none"), EACCES);
	assert_int_equal(chmod_errno(r, d, 0040700), 0);
	look(r, 6, d, "f");
}

/* Nodes that a listing hands over would be kept. */
static void
readdirplus__no_search_permission__only_names(void **state)
{
	struct rig *r = *state;
	uint64_t d = look(r, 2, 1, "d");
	struct fuse_read_in in = { .size = 4096 };
	const struct fuse_entry_out *e = body(r);
	const struct fuse_dirent *de;
	unsigned i, n, seen = 0, handed = 0;

	for (i = 0; i < 2; i++) {
		assert_int_equal(chmod_errno(r, d, i ? 0040700 : 0040400), 0);
		assert_int_equal(open_errno(r, FUSE_OPENDIR, d, 0), 0);
		in.fh = ((const struct fuse_open_out *)body(r))->fh;
		request(r, FUSE_READDIRPLUS, 6, d, &in, sizeof in);
		assert_int_equal(answer(r, 6), 0);
		for (n = 0; n + sizeof(struct fuse_out_header) < r->n;
		    n += sizeof *e + FUSE_DIRENT_SIZE(de->namelen)) {
			e = (const void *)((const uint8_t *)body(r) + n);
			de = (const void *)(e + 1);
			seen += de->name[0] == 'f';
			handed += e->nodeid != 0;
		}
		assert_int_equal(seen, i + 1);
		assert_int_equal(handed, i);
	}
}

int
main(void)
{
#define T(f)	cmocka_unit_test_setup_teardown(f, rig_open_own, rig_close)
	const struct CMUnitTest tests[] = {
		T(init__own_checks__the_kernel_is_not_made_to_check),
		T(requests__mode_forbids__refused),
		T(requests__the_kernel_has_looked__pass),
		T(handles__mode_changes_later__go_on),
		T(chown__nothing_new_by_the_owner__needs_no_write_permission),
		T(directory__is_shut__the_kernel_forgets_names_before_it_hears),
		T(readdirplus__no_search_permission__only_names),
	};

	return cmocka_run_group_tests_name("fuse_perm", tests, NULL, NULL);
}
