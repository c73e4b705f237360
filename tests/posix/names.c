/*
 * names.c - open, mkdir, rmdir, link, symlink, unlink, mknod
 */
#include <dirent.h>
#include <limits.h>

#include "posix.h"

static const struct row open_rows[] = {
	{ "", "open f w", ENOENT, "gone f", 0 },
	{ "", "open f w,creat 644", 0, "is f f; mode f 644; size f 0; nlink f 1", 0 },
	{ "", "open f r,creat 0", 0, "mode f 0", 0 },
	{ "", "open f w,creat 7777", 0, "mode f 7777", 0 },
	{ "umask 27", "open f w,creat 666", 0, "mode f 640", 0 },
	{ "put f abc", "open f w,creat 600", 0, "text f abc; mode f 644", 0 },
	{ "put f abc", "open f w,creat,excl", EEXIST, "text f abc", 0 },
	{ "put f abc", "open f w,trunc", 0, "size f 0", 0 },
	{ "put f abc", "open f w,creat,trunc", 0, "size f 0; mode f 644", 0 },
	{ "symlink t f", "open f w,creat,excl", EEXIST, "gone t; target f t", 0 },
	{ "symlink t f", "open f w,creat", 0, "is t f; target f t", 0 },
	{ "symlink t f", "open f r", ENOENT, "", 0 },
	{ "symlink t f", "open f r,nofollow", ELOOP, "", 0 },
	{ "symlink f f", "open f r", ELOOP, "", 0 },
	{ "symlink b a; symlink a b", "open a w,creat", ELOOP, "", 0 },
	{ "mkdir d", "open d r", 0, "", 0 },
	{ "mkdir d", "open d w", EISDIR, "", 0 },
	{ "mkdir d", "open d rw", EISDIR, "", 0 },
	{ "mkdir d", "open d r,creat", EISDIR, "", 0 },
	{ "mkdir d", "open d r,creat,excl", EEXIST, "", 0 },
	{ "mkdir d", "open d r,dir", 0, "", 0 },
	{ "file f", "open f r,dir", ENOTDIR, "", 0 },
	{ "file f", "open f/ r", ENOTDIR, "", 0 },
	{ "file f", "open f/g r", ENOTDIR, "", 0 },
	{ "file f", "open f/g w,creat", ENOTDIR, "", 0 },
	{ "", "open d/f w,creat", ENOENT, "gone d", 0 },
	{ "", "open f/ w,creat", EISDIR, "gone f", 0 },
	{ "mkdir d", "open d/ r", 0, "", 0 },
	{ "mkfifo p", "open p w,nonblock", ENXIO, "", 0 },
	{ "mkfifo p", "open p r,nonblock", 0, "", 0 },
	{ "mksock s", "open s r", ENXIO, "", 0 },
	{ "file f 0", "open f path", 0, "", 0 },
	{ "", "open @255 w,creat", 0, "is @255 f", 0 },
	{ "", "open @256 w,creat", ENAMETOOLONG, "", 0 },
	{ "", "open @256 r", ENAMETOOLONG, "", 0 },
	{ "mkdir d 777", "as=1000/1001 open d/f w,creat 644", 0, "own d/f 1000 1001", 0 },
	{ "mkdir d; chown d 0 77; chmod d 2777", "as=1000/1001 open d/f w,creat 644", 0, "own d/f 1000 77; mode d/f 644", 0 },
	{ "mkdir d; chown d 0 77; chmod d 2777", "as=1000/1001 open d/f w,creat 2775", 0, "own d/f 1000 77; mode d/f 775", 0 },
	{ "mkdir d; chown d 0 77; chmod d 2777", "as=1000/77 open d/f w,creat 2775", 0, "own d/f 1000 77; mode d/f 2775", 0 },
	{ "mkdir d; chown d 0 77; chmod d 2777", "as=1000/1001/77 open d/f w,creat 2775", 0, "own d/f 1000 77; mode d/f 2775", 0 },
	{ "mkdir d 755", "as=1000/1000 open d/f w,creat", EACCES, "gone d/f", 0 },
	{ "file f 0", "as=1000/1000 open f r", EACCES, "", 0 },
	{ "file f 0", "as=0/0 open f rw", 0, "", 0 },
	{ "mkdir d 777; chmod d 1777; file d/f; chown d/f 5 5; chmod d/f 666", "as=1000/1000 open d/f w", 0, "", 0 },
	{ 0 },
};

static const struct row dir_rows[] = {
	{ "", "mkdir d 755", 0, "is d d; mode d 755; count d 0; nlink d 2", 0 },
	{ "stamp .", "mkdir d", 0, "nlink . 3; times . mc", 0 },
	{ "umask 77", "mkdir d 777", 0, "mode d 700", 0 },
	{ "", "mkdir d 1777", 0, "mode d 1777", 0 },
	{ "", "mkdir d/", 0, "is d d", 0 },
	{ "mkdir d", "mkdir d", EEXIST, "", 0 },
	{ "file d", "mkdir d", EEXIST, "is d f", 0 },
	{ "symlink t d", "mkdir d", EEXIST, "gone t", 0 },
	{ "", "mkdir .", EEXIST, "", 0 },
	{ "", "mkdir a/b", ENOENT, "gone a", 0 },
	{ "file f", "mkdir f/b", ENOTDIR, "", 0 },
	{ "", "mkdir @255", 0, "is @255 d", 0 },
	{ "", "mkdir @256", ENAMETOOLONG, "", 0 },
	{ "mkdir d 755", "as=1000/1000 mkdir d/e", EACCES, "gone d/e", 0 },
	{ "mkdir d 777", "as=1000/1001 mkdir d/e", 0, "own d/e 1000 1001", 0 },
	{ "mkdir d; chown d 0 77; chmod d 2777", "as=1000/1001 mkdir d/e 755", 0, "own d/e 1000 77; mode d/e 2755", 0 },
	{ "mkdir a; mkdir a/b; mkdir a/c; file a/f", "rmdir a/b", 0, "gone a/b; nlink a 3; count a 2", 0 },
	{ "mkdir d", "rmdir d/", 0, "gone d", 0 },
	{ "mkdir d; file d/f", "rmdir d", ENOTEMPTY, "is d/f f", 0 },
	{ "mkdir d; mkdir d/e", "rmdir d", ENOTEMPTY, "is d/e d", 0 },
	{ "mkdir d; symlink x d/e", "rmdir d", ENOTEMPTY, "", 0 },
	{ "mkdir d; file d/f; unlink d/f", "rmdir d", 0, "gone d", 0 },
	{ "file f", "rmdir f", ENOTDIR, "is f f", 0 },
	{ "mkdir d; symlink d s", "rmdir s", ENOTDIR, "is d d", 0 },
	{ "", "rmdir d", ENOENT, "", 0 },
	{ "mkdir d", "rmdir d/.", EINVAL, "is d d", 0 },
	{ "mkdir d; mkdir d/e", "rmdir d/e/..", ENOTEMPTY, "is d/e d", 0 },
	{ "file f", "rmdir f/g", ENOTDIR, "", 0 },
	{ "", "rmdir @256", ENAMETOOLONG, "", 0 },
	{ "mkdir d; mkdir d/e; chmod d 555", "as=1000/1000 rmdir d/e", EACCES, "is d/e d", 0 },
	{ "mkdir d; mkdir d/e; chmod d 1777; chown d 5 5", "as=1000/1000 rmdir d/e", EPERM, "is d/e d", 0 },
	{ "mkdir d; mkdir d/e; chown d/e 1000 5; chmod d 1777", "as=1000/1000 rmdir d/e", 0, "gone d/e", 0 },
	{ "mkdir d; mkdir d/e; chown d 1000 5; chmod d 1777", "as=1000/1000 rmdir d/e", 0, "gone d/e", 0 },
	{ "mkdir d; chdir d; mkdir e; hold 0 . r", "rmdir ../d", ENOTEMPTY, "", 0 },
	{ 0 },
};

static const struct row link_rows[] = {
	{ "put a x", "link a b", 0, "same a b; nlink a 2; text b x", 0 },
	{ "file a; stamp a; stamp .", "link a b", 0, "times a c; times . mc", 0 },
	{ "file a; file b", "link a b", EEXIST, "other a b; nlink a 1", 0 },
	{ "file a; symlink t b", "link a b", EEXIST, "gone t", 0 },
	{ "", "link a b", ENOENT, "gone b", 0 },
	{ "file a", "link a d/b", ENOENT, "nlink a 1", 0 },
	{ "file a", "link a a/b", ENOTDIR, "nlink a 1", 0 },
	{ "mkdir d", "link d e", EPERM, "gone e; nlink d 2", 0 },
	{ "file a", "link a b/", ENOENT, "gone b", 0 },
	{ "file a; symlink a s", "link s b", 0, "is b l; same s b; nlink s 2; nlink a 1", 0 },
	{ "file a; symlink a s", "linkf s b", 0, "is b f; same a b; nlink s 1", 0 },
	{ "symlink t s", "linkf s b", ENOENT, "gone b", 0 },
	{ "mkfifo p", "link p q", 0, "same p q", 0 },
	{ "mksock p", "link p q", 0, "same p q", 0 },
	{ "file a", "link a @255", 0, "same a @255", 0 },
	{ "file a", "link a @256", ENAMETOOLONG, "nlink a 1", 0 },
	{ "file a; mkdir d 755", "as=1000/1000 link a d/b", EPERM, "nlink a 1", 0 },
	{ "file a; chmod a 666; mkdir d 755; chown a 1000 5", "as=1000/1000 link a d/b", EACCES, "nlink a 1", 0 },
	{ "file a; chown a 1000 5; mkdir d 777", "as=1000/1000 link a d/b", 0, "nlink a 2; own a 1000 5", 0 },
	{ "put a x; link a b", "unlink a", 0, "text b x; nlink b 1", 0 },
	{ "file a; link a b; stamp a; stamp .", "unlink b", 0, "times a c; times . mc", 0 },
	{ "mkdir d; file d/a; link d/a b", "put b hello", 0, "text d/a hello; size d/a 5", 0 },
	{ "file a; link a b; chmod b 600", "chmod a 444", 0, "mode b 444", 0 },
	{ 0 },
};

static const struct row symlink_rows[] = {
	{ "", "symlink target s", 0, "is s l; target s target; mode s 777; nlink s 1", 0 },
	{ "stamp .", "symlink t s", 0, "times . mc", 0 },
	{ "umask 77", "symlink t s", 0, "mode s 777", 0 },
	{ "", "symlink a/../b//c/ s", 0, "target s a/../b//c/", 0 },
	{ "", "symlink @1 s", 0, "target s x", 0 },
	{ "", "symlink @59 s", 0, "target s @59", 0 },
	{ "", "symlink @60 s", 0, "target s @60", 0 },
	{ "", "symlink @1023 s", 0, "target s @1023", 0 },
	{ "", "symlink @1024 s", 0, "target s @1024", "xfs=its links end at 1,023" },
	{ "", "symlink @4094 s", 0, "target s @4094", "xfs=its links end at 1,023" },
	{ "", "symlink @4095 s", 0, "target s @4095", "xfs=its links end at 1,023;ext4=one block with its NUL" },
	{ "", "symlink @4096 s", ENAMETOOLONG, "gone s", 0 },
	{ "", "symlink %01%ff%80 s", 0, "target s %01%ff%80", 0 },
	{ "file s", "symlink t s", EEXIST, "is s f", 0 },
	{ "mkdir s", "symlink t s", EEXIST, "is s d", 0 },
	{ "symlink a s", "symlink t s", EEXIST, "target s a", 0 },
	{ "", "symlink t d/s", ENOENT, "", 0 },
	{ "file f", "symlink t f/s", ENOTDIR, "", 0 },
	{ "", "symlink t @255", 0, "target @255 t", 0 },
	{ "", "symlink t @256", ENAMETOOLONG, "", 0 },
	{ "mkdir d 755", "as=1000/1000 symlink t d/s", EACCES, "gone d/s", 0 },
	{ "mkdir d 777", "as=1000/1001 symlink t d/s", 0, "own d/s 1000 1001", 0 },
	{ "mkdir d; symlink d s", "file s/f", 0, "is d/f f", 0 },
	{ "mkdir d; symlink d s; file d/f", "stat s/f", 0, "", 0 },
	{ "file f; symlink f s", "stat s/g", ENOTDIR, "", 0 },
	{ "symlink s s", "stat s", ELOOP, "", 0 },
	{ "symlink t s", "chmod s 600", ENOENT, "mode s 777", 0 },
	{ "symlink t s", "lchown s 7 8", 0, "own s 7 8", 0 },
	{ "symlink t s; stamp s", "readlink s", 0, "times s a", "xfs=defers it;tmpfs=not for links in memory;fuse=the kernel answers" },
	{ "file s", "readlink s", EINVAL, "", 0 },
	{ "", "readlink s", ENOENT, "", 0 },
	{ "symlink a s; link s t", "unlink s", 0, "target t a; nlink t 1", 0 },
	{ 0 },
};

static const struct row unlink_rows[] = {
	{ "file f", "unlink f", 0, "gone f; count . 0", 0 },
	{ "file f; stamp .", "unlink f", 0, "times . mc", 0 },
	{ "", "unlink f", ENOENT, "", 0 },
	{ "mkdir d", "unlink d", EISDIR, "is d d", 0 },
	{ "symlink t s; file t", "unlink s", 0, "gone s; is t f", 0 },
	{ "symlink t s", "unlink s", 0, "gone s", 0 },
	{ "mkdir d; symlink d s", "unlink s/", ENOTDIR, "is s l; is d d", 0 },
	{ "mkfifo p", "unlink p", 0, "gone p", 0 },
	{ "mksock p", "unlink p", 0, "gone p", 0 },
	{ "file f", "unlink f/", ENOTDIR, "is f f", 0 },
	{ "file f", "unlink f/g", ENOTDIR, "", 0 },
	{ "", "unlink @256", ENAMETOOLONG, "", 0 },
	{ "mkdir d 755; file d/f", "as=1000/1000 unlink d/f", EACCES, "is d/f f", 0 },
	{ "mkdir d 777; file d/f 0", "as=1000/1000 unlink d/f", 0, "gone d/f", 0 },
	{ "mkdir d; file d/f; chmod d 1777", "as=1000/1000 unlink d/f", EPERM, "is d/f f", 0 },
	{ "mkdir d; file d/f; chown d/f 1000 0; chmod d 1777", "as=1000/1000 unlink d/f", 0, "gone d/f", 0 },
	{ "mkdir d; file d/f; chown d 1000 0; chmod d 1755", "as=1000/1000 unlink d/f", 0, "gone d/f", 0 },
	{ "file f; hold 0 f rw; wr 0 abc", "unlink f", 0, "gone f; fnlink 0 0; fsize 0 3; ftext 0 abc", 0 },
	{ "file f; hold 0 f rw; unlink f; wr 0 abc", "file f", 0, "size f 0; fsize 0 3", 0 },
	{ "file f; hold 0 f rw; unlink f; wr 0 abcdef", "ftrunc 0 2", 0, "ftext 0 ab", 0 },
	{ "file f; hold 0 f rw; unlink f", "fchmod 0 600", 0, "fnlink 0 0", 0 },
	{ "file f; hold 0 f rw; unlink f", "fsync 0", 0, "", 0 },
	{ "file f; hold 0 f rw; unlink f", "flink 0 g", ENOENT, "gone g", 0 },
	{ 0 },
};

static const struct row mknod_rows[] = {
	{ "", "mkfifo p 644", 0, "is p p; mode p 644; size p 0", 0 },
	{ "umask 22", "mkfifo p 666", 0, "mode p 644", 0 },
	{ "", "mknod p p 600", 0, "is p p", 0 },
	{ "", "mknod s s 600", 0, "is s s; mode s 600", 0 },
	{ "", "mknod f f 640", 0, "is f f; mode f 640", 0 },
	{ "", "mknod d d 755", EPERM, "gone d", 0 },
	{ "", "mknod c c 600 1 3", 0, "is c c; rdev c 1 3; mode c 600", 0 },
	{ "", "mknod b b 600 7 1048575", 0, "is b b; rdev b 7 1048575", "xfs=18 bits of minor at most" },
	{ "", "mknod b b 600 4095 255", 0, "rdev b 4095 255", "xfs=9 bits of major" },
	{ "", "mknod b b 600 8 300", 0, "rdev b 8 300", 0 },
	{ "mkdir d 777", "as=1000/1000 mknod d/c c 600 1 3", EPERM, "gone d/c", 0 },
	{ "mkdir d 777", "as=1000/1000 mkfifo d/p", 0, "own d/p 1000 1000", 0 },
	{ "file p", "mkfifo p", EEXIST, "is p f", 0 },
	{ "symlink t p", "mkfifo p", EEXIST, "gone t", 0 },
	{ "", "mkfifo d/p", ENOENT, "", 0 },
	{ "", "mkfifo @256", ENAMETOOLONG, "", 0 },
	{ "stamp .", "mkfifo p", 0, "times . mc", 0 },
	{ "mkfifo p; chown p 3 4", "chmod p 4711", 0, "own p 3 4; mode p 4711", 0 },
	{ "mknod c c 600 1 3; chown c 3 4", "rename c e", 0, "rdev e 1 3; own e 3 4", 0 },
	{ "mkdir d 555", "as=1000/1000 mksock d/s", EACCES, "gone d/s", 0 },
	{ 0 },
};

static void
path_limit(struct px *px)
{
	char path[PATH_MAX + 2], at[PATH_MAX];
	unsigned i;

	/* 15 directories of 255 and the rest: exactly PATH_MAX - 1 */
	memset(path, 'x', sizeof path);
	for (i = 255; i < PATH_MAX; i += 256)
		path[i] = '/';
	for (i = 255; i < PATH_MAX - 256; i += 256) {
		memcpy(at, path, i);
		at[i] = '\0';
		CALL(px, mkdir(at, 0755));
	}
	path[PATH_MAX - 1] = '\0';
	CALL(px, mkdir(path, 0755));
	CALL(px, rmdir(path));
	path[PATH_MAX - 1] = '/';
	path[PATH_MAX] = '\0';
	ERRNO(px, mkdir(path, 0755), ENAMETOOLONG);
}

static void
deep(struct px *px)
{
	char cwd[8 * PATH_MAX];
	unsigned i;

	for (i = 0; i < 400; i++) {
		CALL(px, mkdir("directory", 0755));
		CALL(px, chdir("directory"));
	}
	CHECK(px, getcwd(cwd, sizeof cwd) != NULL);
	CHECK(px, strlen(cwd) > 4000);
	for (i = 0; i < 400; i++) {
		CALL(px, chdir(".."));
		CALL(px, rmdir("directory"));
	}
}

static void
all_bytes(struct px *px)
{
	char name[3] = { 'n', 0, 0 };
	bool seen[256] = { false };
	struct dirent *e;
	struct stat st;
	DIR *d;
	int c, n = 0;

	for (c = 1; c < 256; c++) {
		if (c == '/')
			continue;
		name[1] = c;
		CALL(px, mknod(name, S_IFREG | 0644, 0));
	}
	for (c = 1; c < 256; c++) {
		name[1] = c;
		if (c != '/')
			CALL(px, stat(name, &st));
	}
	CHECK(px, (d = opendir(".")) != NULL);
	while ((e = readdir(d)) != NULL) {
		if (e->d_name[0] != 'n')
			continue;
		EQUAL(px, strlen(e->d_name), 2);
		c = (unsigned char)e->d_name[1];
		CHECK(px, !seen[c]);
		seen[c] = true;
		n++;
	}
	closedir(d);
	EQUAL(px, n, 254);
}

static void
dots(struct px *px)
{
	struct stat a, b;
	struct dirent *e;
	DIR *d;

	CALL(px, mkdir("a", 0755));
	CALL(px, mkdir("a/b", 0755));
	CALL(px, stat("a", &a));
	CALL(px, stat("a/b/..", &b));
	EQUAL(px, a.st_ino, b.st_ino);
	CALL(px, rename("a/b", "b"));
	CALL(px, stat(".", &a));
	CALL(px, stat("b/..", &b));
	EQUAL(px, a.st_ino, b.st_ino);
	CHECK(px, (d = opendir("b")) != NULL);
	while ((e = readdir(d)) != NULL) {
		if (strcmp(e->d_name, "..") == 0)
			EQUAL(px, e->d_ino, a.st_ino);
	}
	closedir(d);
}

static void
link_limit(struct px *px)
{
	char name[32];
	unsigned i;
	struct stat st;

	CALL(px, mknod("f", S_IFREG | 0644, 0));
	for (i = 1; ; i++) {
		snprintf(name, sizeof name, "l%u", i);
		if (link("f", name) < 0)
			break;
	}
	EQUAL(px, errno, EMLINK);
	CALL(px, stat("f", &st));
	EQUAL(px, st.st_nlink, 65000);
	CALL(px, unlink("l7"));
	CALL(px, link("f", "again"));
	ERRNO(px, link("f", "more"), EMLINK);
	CALL(px, stat("f", &st));
	EQUAL(px, st.st_nlink, 65000);
}

/* 300 directories: no limit at 255 or at one byte of anything. */
static void
many_directories(struct px *px)
{
	char name[32];
	struct stat st;
	unsigned i;

	for (i = 0; i < 300; i++) {
		snprintf(name, sizeof name, "d%u", i);
		CALL(px, mkdir(name, 0755));
	}
	CALL(px, stat(".", &st));
	EQUAL(px, st.st_nlink, 302);
	for (i = 0; i < 300; i += 2) {
		snprintf(name, sizeof name, "d%u", i);
		CALL(px, rmdir(name));
	}
	CALL(px, stat(".", &st));
	EQUAL(px, st.st_nlink, 152);
}

static const struct test name_tests[] = {
	{ "paths of 4,095 bytes, not of 4,096", path_limit, 0, false },
	{ "400 levels deep", deep, 0, false },
	{ "every byte but NUL and / in names", all_bytes, 0, false },
	{ ".. follows a move, in stat and in the stream", dots, 0, false },
	{ "65,000 links, not one more", link_limit,
	    "xfs=no such limit;tmpfs=no such limit", false },
	{ "300 directories count in nlink", many_directories, 0, false },
	{ 0 },
};

const struct family f_open = { "open", open_rows, NULL };
const struct family f_dir = { "dir", dir_rows, NULL };
const struct family f_link = { "link", link_rows, NULL };
const struct family f_symlink = { "symlink", symlink_rows, NULL };
const struct family f_unlink = { "unlink", unlink_rows, NULL };
const struct family f_mknod = { "mknod", mknod_rows, NULL };
const struct family f_names = { "names", NULL, name_tests };
