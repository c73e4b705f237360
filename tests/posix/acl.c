/*
 * acl.c - POSIX ACLs, in the kernel's form of the attribute
 */
#include <endian.h>
#include <sys/xattr.h>

#include "posix.h"

#define ACCESS	"system.posix_acl_access"
#define DEFAULT	"system.posix_acl_default"

enum { USER_OBJ = 1, USER = 2, GROUP_OBJ = 4, GROUP = 8, MASK = 16,
	OTHER = 32 };

struct acl_entry {
	uint16_t tag, perm;
	uint32_t id;
};

struct acl {
	uint32_t version;
	struct acl_entry e[16];
};

/* "u:7 u1000:5 g:0 g7:4 m:7 o:0" */
static size_t
acl_make(struct px *px, const char *s, struct acl *a)
{
	unsigned n = 0;

	a->version = htole32(2);
	while (*s != '\0') {
		char c = *s++;
		long id = *s == ':' ? -1 : strtol(s, (char **)&s, 10);
		uint16_t tag = c == 'm' ? MASK : c == 'o' ? OTHER :
		    c == 'u' ? (id < 0 ? USER_OBJ : USER) :
		    id < 0 ? GROUP_OBJ : GROUP;

		if (*s != ':' || n == 16)
			px_fail(px, "acl: %s", s);
		a->e[n].tag = htole16(tag);
		a->e[n].perm = htole16(s[1] - '0');
		a->e[n++].id = htole32((uint32_t)id);
		s += 2;
		s += *s == ' ';
	}
	return 4 + n * sizeof a->e[0];
}

static int
acl_try(struct px *px, const char *path, const char *name, const char *s)
{
	struct acl a;
	size_t n = acl_make(px, s, &a);

	return setxattr(path, name, &a, n, 0) < 0 ? errno : 0;
}

static void
acl_set(struct px *px, const char *path, const char *name, const char *s)
{
	int err = acl_try(px, path, name, s);

	if (err == EOPNOTSUPP)
		px_skip(px, "no ACLs here");
	if (err != 0)
		px_fail(px, "%s of %s: %s", name, path, strerrorname_np(err));
}

static void
acl_is(struct px *px, const char *path, const char *name, const char *s)
{
	struct acl want, is;
	ssize_t n, m = acl_make(px, s, &want);

	memset(&is, 0, sizeof is);
	n = getxattr(path, name, &is, sizeof is);
	if (n < 0)
		px_fail(px, "%s of %s: %s", name, path,
		    strerrorname_np(errno));
	if (n != m || memcmp(&is, &want, n) != 0)
		px_fail(px, "%s of %s is not %s (%zd bytes)", name, path, s,
		    n);
}

static void
round_trip(struct px *px)
{
	px_do(px, "file f 640; stamp f; tick");
	acl_set(px, "f", ACCESS, "u:6 u1000:7 g:4 g7:1 m:7 o:0");
	acl_is(px, "f", ACCESS, "u:6 u1000:7 g:4 g7:1 m:7 o:0");
	px_expect(px, "mode f 670; times f c");
	CALL(px, removexattr("f", ACCESS));
	px_expect(px, "mode f 670");
	ERRNO(px, getxattr("f", ACCESS, NULL, 0), ENODATA);
	CALL(px, removexattr("f", ACCESS));
}

static void
minimal_is_mode(struct px *px)
{
	px_do(px, "file f 640");
	acl_set(px, "f", ACCESS, "u:7 g:5 o:1");
	px_expect(px, "mode f 751");
	ERRNO(px, getxattr("f", ACCESS, NULL, 0), ENODATA);
}

static void
chmod_moves_mask(struct px *px)
{
	px_do(px, "file f 640");
	acl_set(px, "f", ACCESS, "u:6 u1000:7 g:4 m:7 o:0");
	px_do(px, "chmod f 715");
	acl_is(px, "f", ACCESS, "u:7 u1000:7 g:4 m:1 o:5");
	px_expect(px, "mode f 715");
	px_do(px, "chmod f 4761");
	acl_is(px, "f", ACCESS, "u:7 u1000:7 g:4 m:6 o:1");
	px_expect(px, "mode f 4761");
}

static void
bad_ones(struct px *px)
{
	struct acl a;
	size_t n;

	px_do(px, "file f 640; mkdir d");
	acl_set(px, "f", ACCESS, "u:6 g:4 o:0");
	EQUAL(px, acl_try(px, "f", ACCESS, "u:6 u1000:7 g:4 o:0"), EINVAL);
	EQUAL(px, acl_try(px, "f", ACCESS, "u:6 g:4"), EINVAL);
	EQUAL(px, acl_try(px, "f", ACCESS, "g:4 u:6 o:0"), EINVAL);
	EQUAL(px, acl_try(px, "f", ACCESS, "u:6 u:6 g:4 o:0"), EINVAL);
	EQUAL(px, acl_try(px, "f", ACCESS, "u:9 g:4 o:0"), EINVAL);
	n = acl_make(px, "u:6 g:4 o:0", &a);
	ERRNO(px, setxattr("f", ACCESS, &a, n - 1, 0), EINVAL);
	a.version = htole32(3);
	ERRNO(px, setxattr("f", ACCESS, &a, n, 0), EOPNOTSUPP);
	EQUAL(px, acl_try(px, "f", DEFAULT, "u:6 g:4 o:0"), EACCES);
	ERRNO(px, getxattr("d", DEFAULT, NULL, 0), ENODATA);
	px_expect(px, "mode f 640");
}

static void
inherited(struct px *px)
{
	px_do(px, "mkdir d; umask 77");
	acl_set(px, "d", DEFAULT, "u:7 u1000:7 g:5 m:7 o:5");
	px_expect(px, "mode d 755");
	px_do(px, "file d/f 664; mkdir d/e 775; mkfifo d/p 600;"
	    "symlink t d/s");
	/* the mode asked for, not umask, limits what is inherited */
	acl_is(px, "d/f", ACCESS, "u:6 u1000:7 g:5 m:6 o:4");
	px_expect(px, "mode d/f 664; mode d/e 775; mode d/p 600");
	acl_is(px, "d/e", ACCESS, "u:7 u1000:7 g:5 m:7 o:5");
	acl_is(px, "d/e", DEFAULT, "u:7 u1000:7 g:5 m:7 o:5");
	acl_is(px, "d/p", ACCESS, "u:6 u1000:7 g:5 m:0 o:0");
	ERRNO(px, getxattr("d/f", DEFAULT, NULL, 0), ENODATA);
	px_expect(px, "mode d/s 777");
	CALL(px, removexattr("d", DEFAULT));
	px_do(px, "file d/g 664");
	px_expect(px, "mode d/g 600");
	ERRNO(px, getxattr("d/g", ACCESS, NULL, 0), ENODATA);
}

static void
inherited_minimal(struct px *px)
{
	px_do(px, "mkdir d; umask 77");
	acl_set(px, "d", DEFAULT, "u:7 g:5 o:5");
	px_do(px, "file d/f 666; mkdir d/e 777");
	px_expect(px, "mode d/f 644; mode d/e 755");
	ERRNO(px, getxattr("d/f", ACCESS, NULL, 0), ENODATA);
	acl_is(px, "d/e", DEFAULT, "u:7 g:5 o:5");
}

static void
inherited_tmpfile(struct px *px)
{
	px_do(px, "mkdir d; umask 77");
	acl_set(px, "d", DEFAULT, "u:7 u1000:7 g:5 m:7 o:5");
	px_do(px, "hold 0 d rw,tmpfile 660; flink 0 d/f");
	acl_is(px, "d/f", ACCESS, "u:6 u1000:7 g:5 m:6 o:0");
	px_expect(px, "mode d/f 660");
}

static void
decides(struct px *px)
{
	px_do(px, "put f abc; chmod f 600");
	acl_set(px, "f", ACCESS, "u:6 u1000:4 u1001:6 g:0 g7:6 m:4 o:0");
	EQUAL(px, px_call(px, "as=1000/9 access f r"), 0);
	EQUAL(px, px_call(px, "as=1000/9 access f w"), EACCES);
	EQUAL(px, px_call(px, "as=1001/9 access f w"), EACCES);
	EQUAL(px, px_call(px, "as=1002/7 access f r"), 0);
	EQUAL(px, px_call(px, "as=1002/9/7 access f r"), 0);
	EQUAL(px, px_call(px, "as=1002/7 access f w"), EACCES);
	EQUAL(px, px_call(px, "as=1002/9 access f r"), EACCES);
	acl_set(px, "f", ACCESS, "u:6 u1000:4 u1001:6 g:0 g7:6 m:6 o:0");
	EQUAL(px, px_call(px, "as=1001/9 open f w"), 0);
	EQUAL(px, px_call(px, "as=1002/9/7 open f rw"), 0);
	EQUAL(px, px_call(px, "as=1000/7 open f w"), EACCES);
}

static void
sgid_user(struct px *px)
{
	acl_set(px, "f", ACCESS, "u:7 g:5 o:5");
}

/* An owner outside the group loses set-gid with a new ACL, as by chmod. */
static void
sgid_goes(struct px *px)
{
	px_do(px, "file f; chown f 1000 7; chmod f 2755");
	px_as(px, 1000, 1000, sgid_user);
	px_expect(px, "mode f 755");
	px_do(px, "chmod f 2755");
	px_as(px, 1000, 7, sgid_user);
	px_expect(px, "mode f 2755");
}

static void
others_user(struct px *px)
{
	EQUAL(px, acl_try(px, "f", ACCESS, "u:7 g:5 o:5"), EPERM);
	EQUAL(px, acl_try(px, "d", DEFAULT, "u:7 g:5 o:5"), EPERM);
}

static void
owner_only(struct px *px)
{
	px_do(px, "file f 666; mkdir d; chmod d 777");
	acl_set(px, "f", ACCESS, "u:6 g:6 o:6");
	px_as(px, 1000, 1000, others_user);
}

static void
on_link(struct px *px)
{
	struct acl a;
	size_t n = acl_make(px, "u:7 g:5 o:5", &a);

	px_do(px, "symlink t s");
	ERRNO(px, lsetxattr("s", ACCESS, &a, n, 0), EOPNOTSUPP);
	ERRNO(px, lgetxattr("s", ACCESS, NULL, 0), EOPNOTSUPP);
}

static const struct test acl_tests[] = {
	{ "what is set is read back, and moves the mode", round_trip, 0, false },
	{ "one that says no more than the mode is the mode",
	    minimal_is_mode, 0, false },
	{ "chmod moves the mask", chmod_moves_mask, 0, false },
	{ "malformed ones are refused", bad_ones, 0, false },
	{ "defaults are inherited, umask is not asked", inherited, 0, false },
	{ "minimal defaults are inherited", inherited_minimal, 0, false },
	{ "defaults reach O_TMPFILE", inherited_tmpfile, 0, false },
	{ "they decide", decides, 0, true },
	{ "set-gid goes when a stranger to the group sets one", sgid_goes, 0,
	    true },
	{ "only the owner sets them", owner_only, 0, true },
	{ "symlinks have none", on_link, 0, false },
	{ 0 },
};

const struct family f_acl = { "acl", NULL, acl_tests };
