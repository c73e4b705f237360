/*
 * xattr.c - extended attributes
 */
#include <sys/xattr.h>

#include "posix.h"

static const struct row xattr_rows[] = {
	{ "file f", "setx f user.a b", 0, "xattr f user.a b", 0 },
	{ "file f; setx f user.a b", "setx f user.a cd", 0, "xattr f user.a cd", 0 },
	{ "file f", "setx f user.a b create", 0, "xattr f user.a b", 0 },
	{ "file f; setx f user.a b", "setx f user.a c create", EEXIST, "xattr f user.a b", 0 },
	{ "file f; setx f user.a b", "setx f user.a c replace", 0, "xattr f user.a c", 0 },
	{ "file f", "setx f user.a c replace", ENODATA, "", 0 },
	{ "file f", "getx f user.a", ENODATA, "", 0 },
	{ "file f", "delx f user.a", ENODATA, "", 0 },
	{ "file f; setx f user.a b", "delx f user.a", 0, "", 0 },
	{ "file f; setx f user.a b; delx f user.a", "getx f user.a", ENODATA, "", 0 },
	{ "mkdir d", "setx d user.a b", 0, "xattr d user.a b", 0 },
	{ "file f", "setx f user. b", EINVAL, "", 0 },
	{ "file f", "setx f nonsense.a b", EOPNOTSUPP, "", 0 },
	{ "file f", "setx f plain b", EOPNOTSUPP, "", 0 },
	{ "file f", "getx f nonsense.a", EOPNOTSUPP, "", 0 },
	{ "file f", "setx f user.a/b c", 0, "xattr f user.a/b c", 0 },
	{ "file f; setx f user./ c", "delx f user./", 0, "", 0 },
	{ "file f", "setx f user.@250 b", 0, "xattr f user.@250 b", 0 },
	{ "file f", "setx f user.@251 b", ERANGE, "", 0 },
	{ "file f", "setx f trusted.a b", 0, "xattr f trusted.a b", 0 },
	{ "mkdir d; setx d trusted.a b; file d/f", "as=1000/1000 getx d trusted.a", ENODATA, "", 0 },
	{ "file f; chown f 1000 1000", "as=1000/1000 setx f trusted.a b", EPERM, "", 0 },
	{ "file f", "setx f security.vfsd b", 0, "xattr f security.vfsd b", 0 },
	{ "symlink t s", "setx s user.a b", EPERM, "", 0 },
	{ "symlink t s", "setx s trusted.a b", 0, "xattr s trusted.a b", 0 },
	{ "mkfifo p", "setx p user.a b", EPERM, "", 0 },
	{ "mkfifo p", "setx p trusted.a b", 0, "xattr p trusted.a b", 0 },
	{ "file f 644", "as=1000/1000 setx f user.a b", EACCES, "", 0 },
	{ "file f 666", "as=1000/1000 setx f user.a b", 0, "xattr f user.a b", 0 },
	{ "file f 600; setx f user.a b", "as=1000/1000 getx f user.a", EACCES, "", 0 },
	{ "file f 644; setx f user.a b", "as=1000/1000 getx f user.a", 0, "", 0 },
	{ "mkdir d; chmod d 1777", "as=1000/1000 setx d user.a b", EPERM, "", 0 },
	{ "file f; setx f user.a b; link f g", "rename f h", 0, "xattr h user.a b; xattr g user.a b", 0 },
	{ "file f; setx f user.a b; file g; setx g user.a c", "rename f g", 0, "xattr g user.a b", 0 },
	{ "", "getx f user.a", ENOENT, "", 0 },
	{ 0 },
};

static void
sizes(struct px *px)
{
	static char v[65537], b[65537];
	size_t max = strcmp(px->fs, "ext4") == 0 ? 2000 : 65536, n;

	px_do(px, "file f");
	memset(v, 0xff, sizeof v);
	v[7] = 0;
	for (n = 0; n <= max; n = n < 4 ? n + 1 : n * 2 > max && n < max ?
	    max : n * 2) {
		CALL(px, setxattr("f", "user.v", v, n, 0));
		EQUAL(px, getxattr("f", "user.v", NULL, 0), n);
		EQUAL(px, getxattr("f", "user.v", b, sizeof b), n);
		CHECK(px, memcmp(v, b, n) == 0);
		if (n > 1)
			ERRNO(px, getxattr("f", "user.v", b, n - 1), ERANGE);
	}
	ERRNO(px, setxattr("f", "user.v", v, 65537, 0), E2BIG);
	EQUAL(px, getxattr("f", "user.v", b, sizeof b), max);
}

static void
lists(struct px *px)
{
	char b[4096], *p;
	char name[32];
	ssize_t n;
	int i, seen = 0;

	px_do(px, "file f");
	n = CALL(px, listxattr("f", b, sizeof b));
	for (p = b; p < b + n; p += strlen(p) + 1)
		CHECK(px, strncmp(p, "user.", 5) != 0);
	for (i = 0; i < 20; i++) {
		snprintf(name, sizeof name, "user.n%d", i);
		CALL(px, setxattr("f", name, "x", 1, 0));
	}
	n = CALL(px, listxattr("f", NULL, 0));
	EQUAL(px, listxattr("f", b, sizeof b), n);
	EQUAL(px, listxattr("f", b, n), n);
	ERRNO(px, listxattr("f", b, n - 1), ERANGE);
	for (p = b; p < b + n; p += strlen(p) + 1) {
		if (strncmp(p, "user.n", 6) == 0)
			seen |= 1 << atoi(p + 6);
	}
	EQUAL(px, seen, (1 << 20) - 1);
}

static void
trusted_user(struct px *px)
{
	char b[4096], *p;
	ssize_t n = CALL(px, listxattr("f", b, sizeof b));
	bool user = false;

	for (p = b; p < b + n; p += strlen(p) + 1) {
		CHECK(px, strncmp(p, "trusted.", 8) != 0);
		user |= strcmp(p, "user.a") == 0;
	}
	CHECK(px, user);
}

static void
trusted_hidden(struct px *px)
{
	px_do(px, "file f; setx f trusted.t x; setx f user.a x");
	px_as(px, 1000, 1000, trusted_user);
}

static void
many(struct px *px)
{
	char name[64], b[2];
	int i;

	px_do(px, "file f");
	for (i = 0; i < 100; i++) {
		snprintf(name, sizeof name, "user.attribute%d", i);
		CALL(px, setxattr("f", name, "v", 1, XATTR_CREATE));
	}
	for (i = 0; i < 100; i += 2) {
		snprintf(name, sizeof name, "user.attribute%d", i);
		CALL(px, removexattr("f", name));
	}
	for (i = 0; i < 100; i++) {
		snprintf(name, sizeof name, "user.attribute%d", i);
		ERRNO(px, getxattr("f", name, b, 2), i % 2 ? 0 : ENODATA);
	}
}

/* VFS_CAP_REVISION_2 with one bit: as setcap writes it. */
static const unsigned char cap[20] = { 0, 0, 0, 2, 0, 4 };

static void
capability(struct px *px)
{
	char b[64];

	px_do(px, "put f abc; hold 0 f rw");
	CALL(px, setxattr("f", "security.capability", cap, sizeof cap, 0));
	EQUAL(px, getxattr("f", "security.capability", b, sizeof b), 20);
	CALL(px, pwrite(px->fd[0], "x", 1, 0));
	ERRNO(px, getxattr("f", "security.capability", b, sizeof b), ENODATA);
	CALL(px, setxattr("f", "security.capability", cap, sizeof cap, 0));
	px_do(px, "chown f 5 5");
	ERRNO(px, getxattr("f", "security.capability", b, sizeof b), ENODATA);
	CALL(px, setxattr("f", "security.capability", cap, sizeof cap, 0));
	px_do(px, "truncate f 1");
	ERRNO(px, getxattr("f", "security.capability", b, sizeof b), ENODATA);
	CALL(px, setxattr("f", "security.capability", cap, sizeof cap, 0));
	px_do(px, "chmod f 755; rename f g; read g");
	EQUAL(px, getxattr("g", "security.capability", b, sizeof b), 20);
}

static const struct test xattr_tests[] = {
	{ "values of 0 to 65,536 bytes", sizes, 0, false },
	{ "lists and their sizes", lists, 0, false },
	{ "trusted names are root's", trusted_hidden, 0, true },
	{ "a hundred, half of them removed", many, 0, false },
	{ "capabilities go with a write, a cut, a chown", capability, 0, true },
	{ 0 },
};

const struct family f_xattr = { "xattr", xattr_rows, xattr_tests };
