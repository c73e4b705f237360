/*
 * rename.c - rename(2) in all its combinations
 */
#include "posix.h"

/* What may stand at either end of a rename. */
enum kind { NONE, FILE_, EMPTY, FULL, LINK, FIFO, KINDS };

static const char *const kind_names[KINDS] = {
	"nothing", "a file", "an empty directory", "a full directory",
	"a symlink", "a fifo",
};

static bool
is_dir(enum kind k)
{
	return k == EMPTY || k == FULL;
}

static void
make(struct px *px, enum kind k, const char *name)
{
	char inside[16];

	snprintf(inside, sizeof inside, "%s/in", name);
	switch (k) {
	case FILE_:
		CALL(px, mknod(name, S_IFREG | 0644, 0));
		break;
	case EMPTY:
		CALL(px, mkdir(name, 0755));
		break;
	case FULL:
		CALL(px, mkdir(name, 0755));
		CALL(px, mkdir(inside, 0755));
		break;
	case LINK:
		CALL(px, symlink("nowhere", name));
		break;
	case FIFO:
		CALL(px, mkfifo(name, 0644));
		break;
	default:
		break;
	}
}

static ino_t
ino_of(const char *name)
{
	struct stat st;

	return lstat(name, &st) < 0 ? 0 : st.st_ino;
}

static int
want(enum kind from, enum kind to, unsigned flags)
{
	if (from == NONE)
		return ENOENT;
	if (flags & RENAME_EXCHANGE)
		return to == NONE ? ENOENT : 0;
	if (to == NONE)
		return 0;
	if (flags & RENAME_NOREPLACE)
		return EEXIST;
	if (is_dir(from) && !is_dir(to))
		return ENOTDIR;
	if (!is_dir(from) && is_dir(to))
		return EISDIR;
	return to == FULL ? ENOTEMPTY : 0;
}

/* One combination in directories a and b (or the same). */
static void
combine(struct px *px, enum kind from, enum kind to, unsigned flags,
    const char *a, const char *b)
{
	int err = want(from, to, flags);
	ino_t x, y;
	int r;

	make(px, from, a);
	make(px, to, b);
	x = ino_of(a);
	y = ino_of(b);
	r = renameat2(AT_FDCWD, a, AT_FDCWD, b, flags) < 0 ? errno : 0;
	if (r == EEXIST && err == ENOTEMPTY)
		r = ENOTEMPTY;		/* POSIX allows both */
	if (r != err)
		px_fail(px, "%s over %s, flags %u, %s to %s: %s, not %s",
		    kind_names[from], kind_names[to], flags, a, b,
		    strerrorname_np(r), strerrorname_np(err));
	EQUAL(px, ino_of(b), err ? y : x);
	EQUAL(px, ino_of(a), err ? x : flags & RENAME_EXCHANGE ? y : 0);
}

static void
clear(struct px *px)
{
	/* nothing clever: the tables only make these */
	static const char *const names[] = { "d/x/in", "e/y/in", "d/y/in",
		"d/x", "d/y", "e/y", "d", "e" };
	size_t i;

	(void)px;
	for (i = 0; i < sizeof names / sizeof names[0]; i++) {
		if (unlink(names[i]) < 0)
			rmdir(names[i]);
	}
}

static void
all_combinations(struct px *px)
{
	static const unsigned flags[] = { 0, RENAME_NOREPLACE,
		RENAME_EXCHANGE };
	struct stat d, e;
	int f, t, i, same;

	for (f = NONE; f < KINDS; f++)
	for (t = NONE; t < KINDS; t++)
	for (i = 0; i < 3; i++)
	for (same = 0; same < 2; same++) {
		CALL(px, mkdir("d", 0755));
		CALL(px, mkdir("e", 0755));
		combine(px, f, t, flags[i], "d/x", same ? "d/y" : "e/y");
		CALL(px, stat("d", &d));
		CALL(px, stat("e", &e));
		EQUAL(px, d.st_nlink + e.st_nlink, 4 +
		    is_dir(ino_of("d/x") ? flags[i] & RENAME_EXCHANGE &&
			want(f, t, flags[i]) == 0 ? t : f : NONE) +
		    is_dir(ino_of(same ? "d/y" : "e/y") == 0 ? NONE :
			want(f, t, flags[i]) == 0 ? f : t));
		clear(px);
		EQUAL(px, ino_of("d"), 0);
		EQUAL(px, ino_of("e"), 0);
	}
}

static void
replaced_while_open(struct px *px)
{
	char b[8];
	int fd;
	struct stat st;

	px_do(px, "put a new; put b old");
	fd = CALL(px, open("b", O_RDWR));
	CALL(px, rename("a", "b"));
	EQUAL(px, pread(fd, b, 3, 0), 3);
	CHECK(px, memcmp(b, "old", 3) == 0);
	CALL(px, fstat(fd, &st));
	EQUAL(px, st.st_nlink, 0);
	EQUAL(px, pwrite(fd, "older", 5, 0), 5);
	px_expect(px, "text b new; nlink b 1");
}

static void
directory_while_inside(struct px *px)
{
	char cwd[4096];

	px_do(px, "mkdir d; mkdir d/e; mkdir f; chdir d/e");
	CALL(px, rename("../../d", "../../f/g"));
	CHECK(px, getcwd(cwd, sizeof cwd) != NULL);
	CHECK(px, strlen(cwd) > 6 &&
	    strcmp(cwd + strlen(cwd) - 6, "/f/g/e") == 0);
	px_do(px, "file x");
	CALL(px, chdir("../../.."));
	px_expect(px, "is f/g/e/x f; gone d");
}

static const struct row rename_rows[] = {
	{ "put a x", "rename a b", 0, "gone a; text b x", 0 },
	{ "put a x; put b y", "rename a b", 0, "gone a; text b x; count . 1", 0 },
	{ "put a x", "rename a a", 0, "text a x", 0 },
	{ "mkdir a", "rename a a", 0, "is a d", 0 },
	{ "put a x; link a b", "rename a b", 0, "same a b; nlink a 2", 0 },
	{ "put a x; link a b; stamp a; stamp .", "rename a b", 0, "same a b; times a -; times . -", 0 },
	{ "put a x; link a b", "swap a b", 0, "same a b; nlink a 2", 0 },
	{ "put a x; link a b", "move a b", EEXIST, "same a b", 0 },
	{ "put a x", "move a a", EEXIST, "", 0 },
	{ "put a x", "swap a a", 0, "text a x", 0 },
	{ "put a x", "both a b", EINVAL, "is a f; gone b", 0 },
	{ "put a x; link a c; put b y", "rename a b", 0, "same b c; nlink b 2", 0 },
	{ "put a x; put b y; link b c", "rename a b", 0, "text c y; nlink c 1; text b x", 0 },
	{ "file a; stamp a; stamp .", "rename a b", 0, "times b c; times . mc", 0 },
	{ "mkdir d; mkdir e; file d/a; stamp d; stamp e; stamp d/a", "rename d/a e/a", 0, "times d mc; times e mc; times e/a c", 0 },
	{ "mkdir d; mkdir e; file d/a; file e/a; link e/a k; stamp k", "rename d/a e/a", 0, "times k c; nlink k 1", 0 },
	{ "mkdir d; mkdir e; put d/a 1; put e/b 2; stamp d; stamp e", "swap d/a e/b", 0, "text d/a 2; text e/b 1; times d mc; times e mc", 0 },
	{ "put a 1; put b 2; stamp a; stamp b", "swap a b", 0, "times a c; times b c", "xfs=one of them only" },
	{ "mkdir d; mkdir e; mkdir d/x", "rename d/x e/x", 0, "nlink d 2; nlink e 3; same e/x/.. e", 0 },
	{ "mkdir d; mkdir e; mkdir d/x; file e/x", "swap d/x e/x", 0, "nlink d 2; nlink e 3; same e/x/.. e; is d/x f", 0 },
	{ "mkdir d; mkdir e; mkdir d/x; mkdir e/y", "swap d/x e/y", 0, "nlink d 3; nlink e 3; same e/y/.. e; same d/x/.. d", 0 },
	{ "mkdir d; mkdir e; mkdir d/x; mkdir e/y", "rename d/x e/y", 0, "nlink d 2; nlink e 3; same e/y/.. e", 0 },
	{ "mkdir a", "rename a a/b", EINVAL, "is a d", 0 },
	{ "mkdir a; mkdir a/b; mkdir a/b/c", "rename a a/b/c/d", EINVAL, "is a/b/c d", 0 },
	{ "mkdir a; mkdir a/b; mkdir a/b/c", "rename a a/b/c", EINVAL, "is a/b/c d", 0 },
	{ "mkdir a; mkdir a/b", "rename a/b a", ENOTEMPTY, "is a/b d", 0 },
	{ "mkdir a; mkdir a/b", "swap a a/b", EINVAL, "is a/b d", 0 },
	{ "mkdir a; mkdir a/b", "swap a/b a", EINVAL, "is a/b d", 0 },
	{ "mkdir a; file a/b", "rename a/b a", ENOTEMPTY, "is a/b f", 0 },
	{ "mkdir a; mkdir b", "rename a/. b", EBUSY, "is a d", 0 },
	{ "mkdir a; mkdir b", "rename a b/.", EBUSY, "is a d", 0 },
	{ "mkdir a; mkdir b; mkdir b/c", "rename a b/c/..", EBUSY, "is a d", 0 },
	{ "mkdir a", "rename a b/", 0, "is b d", 0 },
	{ "file a", "rename a b/", ENOTDIR, "is a f", 0 },
	{ "file a", "rename a/ b", ENOTDIR, "is a f", 0 },
	{ "mkdir d; symlink d s", "rename s t", 0, "is t l; is d d", 0 },
	{ "mkdir d; symlink d s; mkdir e", "rename e s", ENOTDIR, "", 0 },
	{ "file a; symlink b s", "rename a s", 0, "is s f; gone b", 0 },
	{ "file a", "rename a d/b", ENOENT, "is a f", 0 },
	{ "file a; file f", "rename a f/b", ENOTDIR, "is a f", 0 },
	{ "file a", "rename a @255", 0, "is @255 f", 0 },
	{ "file a", "rename a @256", ENAMETOOLONG, "is a f", 0 },
	{ "", "rename @256 a", ENAMETOOLONG, "", 0 },
	{ 0 },
};

static const struct row rule_rows[] = {
	{ "mkdir d; chmod d 755; file d/a; mkdir e; chmod e 777", "as=1000/1000 rename d/a e/a", EACCES, "is d/a f", 0 },
	{ "mkdir d; chmod d 777; file d/a; mkdir e; chmod e 755", "as=1000/1000 rename d/a e/a", EACCES, "is d/a f", 0 },
	{ "mkdir d; chmod d 777; file d/a 0; mkdir e; chmod e 777", "as=1000/1000 rename d/a e/a", 0, "own e/a 0 0", 0 },
	{ "mkdir d; chmod d 1777; file d/a; mkdir e; chmod e 777", "as=1000/1000 rename d/a e/a", EPERM, "is d/a f", 0 },
	{ "mkdir d; chmod d 1777; file d/a; chown d/a 1000 0; mkdir e; chmod e 777", "as=1000/1000 rename d/a e/a", 0, "gone d/a", 0 },
	{ "mkdir d; chmod d 1777; chown d 1000 0; file d/a; mkdir e; chmod e 777", "as=1000/1000 rename d/a e/a", 0, "gone d/a", 0 },
	{ "mkdir d; chmod d 777; file d/a; mkdir e; chmod e 1777; file e/a", "as=1000/1000 rename d/a e/a", EPERM, "other d/a e/a", 0 },
	{ "mkdir d; chmod d 777; file d/a; mkdir e; chmod e 1777; file e/a; chown e/a 1000 0", "as=1000/1000 rename d/a e/a", 0, "gone d/a", 0 },
	{ "mkdir d; chmod d 777; file d/a; mkdir e; chmod e 1777", "as=1000/1000 rename d/a e/a", 0, "gone d/a", 0 },
	{ "mkdir d; chmod d 1777; file d/a; chown d/a 1000 0; file d/b", "as=1000/1000 swap d/a d/b", EPERM, "other d/a d/b", 0 },
	{ "mkdir d; chmod d 1777; file d/a; chown d/a 1000 0; file d/b; chown d/b 1000 0", "as=1000/1000 swap d/a d/b", 0, "", 0 },
	{ "mkdir d; chmod d 777; mkdir d/s 755; mkdir e; chmod e 777", "as=1000/1000 rename d/s e/s", EACCES, "is d/s d", 0 },
	{ "mkdir d; chmod d 777; mkdir d/s 755; mkdir e", "as=1000/1000 rename d/s d/t", 0, "is d/t d", 0 },
	{ "mkdir d; chmod d 777; mkdir d/s 755; chown d/s 1000 0; mkdir e; chmod e 777", "as=1000/1000 rename d/s e/s", 0, "is e/s d", 0 },
	{ "mkdir d; chown d 0 77; chmod d 2777; file a; chown a 1 2", "rename a d/a", 0, "own d/a 1 2", 0 },
	{ "file a; chown a 1000 5; chmod a 6755", "rename a b", 0, "mode b 6755; own b 1000 5", 0 },
	{ 0 },
};

static const struct test rename_tests[] = {
	{ "every type over every type, plain, NOREPLACE, EXCHANGE",
	    all_combinations, 0, false },
	{ "what was replaced lives while open", replaced_while_open, 0, false },
	{ "a directory moves with who is inside", directory_while_inside, 0,
	    false },
	{ 0 },
};

const struct family f_rename = { "rename", rename_rows, rename_tests };
const struct family f_rename_rule = { "rename rule", rule_rows, NULL };
