/*
 * attr.c - chmod, chown, utimensat, times, the permission matrix
 */
#include <sys/syscall.h>
#include <sys/statvfs.h>

#include "posix.h"

static const struct row chmod_rows[] = {
	{ "file f 600", "chmod f 4755", 0, "mode f 4755", 0 },
	{ "file f 600", "chmod f 7777", 0, "mode f 7777", 0 },
	{ "file f 777", "chmod f 0", 0, "mode f 0", 0 },
	{ "mkdir d", "chmod d 3755", 0, "mode d 3755", 0 },
	{ "file f; symlink f s", "chmod s 600", 0, "mode f 600; mode s 777", 0 },
	{ "file f; hold 0 f r", "fchmod 0 640", 0, "mode f 640", 0 },
	{ "file f; stamp f; stamp .", "chmod f 600", 0, "times f c; times . -", 0 },
	{ "mkdir d; stamp d", "chmod d 700", 0, "times d c", 0 },
	{ "", "chmod f 600", ENOENT, "", 0 },
	{ "file f", "as=1000/1000 chmod f 600", EPERM, "mode f 644", 0 },
	{ "file f; chown f 1000 1000", "as=1000/1000 chmod f 600", 0, "mode f 600", 0 },
	{ "file f; chown f 1000 77", "as=1000/1000 chmod f 2755", 0, "mode f 755", 0 },
	{ "file f; chown f 1000 77", "as=1000/77 chmod f 2755", 0, "mode f 2755", 0 },
	{ "file f; chown f 1000 77", "as=1000/1000/77 chmod f 2755", 0, "mode f 2755", 0 },
	{ "mkdir d; chown d 1000 77", "as=1000/1000 chmod d 2755", 0, "mode d 755", 0 },
	{ "file f; chown f 1000 77", "as=1000/1000 chmod f 4755", 0, "mode f 4755", 0 },
	{ "mkfifo p", "chmod p 600", 0, "mode p 600", 0 },
	{ 0 },
};

static const struct row chown_rows[] = {
	{ "file f", "chown f 12 34", 0, "own f 12 34", 0 },
	{ "file f", "chown f 4294967294 4294967294", 0, "own f 4294967294 4294967294", 0 },
	{ "file f; chown f 1 2", "chown f -1 5", 0, "own f 1 5", 0 },
	{ "file f; chown f 1 2", "chown f 5 -1", 0, "own f 5 2", 0 },
	{ "file f; chown f 1 2", "chown f -1 -1", 0, "own f 1 2", 0 },
	{ "file f; stamp f; stamp .", "chown f 1 2", 0, "times f c; times . -", 0 },
	{ "file f; chmod f 6755", "chown f 1 2", 0, "mode f 755; own f 1 2", 0 },
	{ "file f; chmod f 6755", "chown f 1 -1", 0, "mode f 755", 0 },
	{ "file f; chmod f 6755", "chown f -1 2", 0, "mode f 755", 0 },
	{ "file f; chmod f 6711", "chown f 1 2", 0, "mode f 711", 0 },
	{ "file f; chmod f 2644", "chown f 1 2", 0, "mode f 2644", 0 },
	{ "file f; chmod f 4644", "chown f 1 2", 0, "mode f 644", 0 },
	{ "mkdir d; chmod d 6755", "chown d 1 2", 0, "mode d 6755", 0 },
	{ "file f; chown f 1000 5; chmod f 6755", "as=1000/1000 chown f 1000 1000", 0, "mode f 755; own f 1000 1000", 0 },
	{ "file f; chown f 1000 5", "as=1000/1000 chown f 1000 7", EPERM, "own f 1000 5", 0 },
	{ "file f; chown f 1000 5", "as=1000/1000/7 chown f 1000 7", 0, "own f 1000 7", 0 },
	{ "file f; chown f 1000 5", "as=1000/1000 chown f 1001 -1", EPERM, "own f 1000 5", 0 },
	{ "file f; chown f 1000 5", "as=1001/1001 chown f -1 1001", EPERM, "own f 1000 5", 0 },
	{ "file f; chown f 1000 5", "as=1000/5 chown f -1 -1", 0, "own f 1000 5", 0 },
	{ "file f; symlink f s", "chown s 3 4", 0, "own f 3 4; own s 0 0", 0 },
	{ "file f; symlink f s", "lchown s 3 4", 0, "own f 0 0; own s 3 4", 0 },
	{ "symlink t s; stamp s", "lchown s 3 4", 0, "times s c", 0 },
	{ "file f; hold 0 f r", "fchown 0 8 9", 0, "own f 8 9", 0 },
	{ "mkfifo p", "chown p 8 9", 0, "own p 8 9", 0 },
	{ "", "chown f 1 1", ENOENT, "", 0 },
	{ 0 },
};

static const struct row perm_rows[] = {
	{ "mkdir d 700; file d/f", "as=1000/1000 stat d/f", EACCES, "", 0 },
	{ "mkdir d 711; file d/f", "as=1000/1000 stat d/f", 0, "", 0 },
	{ "mkdir d 711; file d/f", "as=1000/1000 list d", EACCES, "", 0 },
	{ "mkdir d 744; file d/f", "as=1000/1000 list d", 0, "", 0 },
	{ "mkdir d 744; file d/f", "as=1000/1000 stat d/f", EACCES, "", 0 },
	{ "mkdir d 750; chown d 0 7; file d/f", "as=1000/7 stat d/f", 0, "", 0 },
	{ "mkdir d 750; chown d 0 7; file d/f", "as=1000/8/7 stat d/f", 0, "", 0 },
	{ "mkdir d 705; chown d 0 7; file d/f", "as=1000/7 stat d/f", EACCES, "", 0 },
	{ "mkdir d 77; chown d 1000 7; file d/f", "as=1000/7 stat d/f", EACCES, "", 0 },
	{ "file f 604; chown f 0 7", "as=1000/7 read f", EACCES, "", 0 },
	{ "file f 604; chown f 0 7", "as=1000/8 read f", 0, "", 0 },
	{ "file f 640; chown f 0 7", "as=1000/8/7 read f", 0, "", 0 },
	{ "file f 77; chown f 1000 7", "as=1000/7 read f", EACCES, "", 0 },
	{ "file f 444; chown f 1000 7", "as=1000/7 open f w", EACCES, "", 0 },
	{ "file f 444; chown f 1000 7", "as=1000/7 truncate f 0", EACCES, "", 0 },
	{ "file f 222; chown f 1000 7", "as=1000/7 open f r", EACCES, "", 0 },
	{ "file f 222; chown f 1000 7", "as=1000/7 open f w,trunc", 0, "", 0 },
	{ "put f abc; chmod f 444", "as=1000/7 open f r,trunc", EACCES, "text f abc", 0 },
	{ "file f 644", "access f x", EACCES, "", 0 },
	{ "file f 645", "as=0/0 access f x", 0, "", 0 },
	{ "file f 0", "as=0/0 access f rw", 0, "", 0 },
	{ "file f 0", "as=1000/7 access f r", EACCES, "", 0 },
	{ "file f 6; chown f 1 7", "as=1000/8 access f rw", 0, "", 0 },
	{ "mkdir d 0", "as=0/0 access d rwx", 0, "", 0 },
	{ "file f; chmod f 0; as=0/0 hold 0 f rw", "wr 0 abc", 0, "size f 3", 0 },
	{ "mkdir d 755; file d/f; chown d/f 1000 0; hold 0 d/f rw; chmod d 0", "wr 0 x", 0, "fsize 0 1", 0 },
	{ 0 },
};

static const struct row utimens_rows[] = {
	{ "file f", "utimens f 1.000000001 2.999999999", 0, "atime f 1.1; mtime f 2.999999999", 0 },
	{ "file f", "utimens f 0 0", 0, "atime f 0.0; mtime f 0.0", 0 },
	{ "file f", "utimens f 4000000000 5000000000.5", 0, "atime f 4000000000.0; mtime f 5000000000.5", 0 },
	{ "file f", "utimens f -1.5 -2000000000", 0, "atime f -1.5; mtime f -2000000000.0", 0 },
	{ "file f; utimens f 1 2", "utimens f omit 3.3", 0, "atime f 1.0; mtime f 3.3", 0 },
	{ "file f; utimens f 1 2", "utimens f 3.3 omit", 0, "atime f 3.3; mtime f 2.0", 0 },
	{ "file f; utimens f 1 2", "utimens f now omit", 0, "mtime f 2.0", 0 },
	{ "file f; utimens f 1 2", "utimens f omit now", 0, "atime f 1.0; recent f", 0 },
	{ "file f; utimens f 1 2; stamp f", "utimens f omit omit", 0, "times f -", 0 },
	{ "file f; stamp f; stamp .", "utimens f 1 2", 0, "times f amc; times . -", 0 },
	{ "file f; stamp f", "utimens f omit 2", 0, "times f mc", 0 },
	{ "file f; stamp f", "utimens f 1 omit", 0, "times f ac", 0 },
	{ "mkdir d", "utimens d 1.1 2.2", 0, "atime d 1.1; mtime d 2.2", 0 },
	{ "file f; symlink f s", "utimens s 1 2", 0, "mtime f 2.0", 0 },
	{ "file f; symlink f s; utimens f 8 9", "lutimens s 1.1 2.2", 0, "mtime f 9.0; atime s 1.1; mtime s 2.2", 0 },
	{ "mkfifo p", "utimens p 1.1 2.2", 0, "mtime p 2.2", 0 },
	{ "file f", "utimens f 1.1000000000 2", EINVAL, "", 0 },
	{ "", "utimens f 1 2", ENOENT, "", 0 },
	{ "file f; chown f 1000 0", "as=1000/0 utimens f 1 2", 0, "mtime f 2.0", 0 },
	{ "file f; chmod f 666", "as=1000/1000 utimens f 1 2", EPERM, "", 0 },
	{ "file f; chmod f 666; utimens f 1 2", "as=1000/1000 utimens f 0 0 null", 0, "recent f", 0 },
	{ "file f; chmod f 666", "as=1000/1000 utimens f now now", 0, "recent f", 0 },
	{ "file f; chmod f 666", "as=1000/1000 utimens f now omit", EPERM, "", 0 },
	{ "file f; chmod f 644", "as=1000/1000 utimens f 0 0 null", EACCES, "", 0 },
	{ "file f; chmod f 444; chown f 1000 0", "as=1000/0 utimens f 0 0 null", 0, "recent f", 0 },
	{ "file f; hold 0 f rw; wr 0 abc; utimens f 1 2", "close 0", 0, "mtime f 2.0", 0 },
	{ "file f; hold 0 f rw; utimens f 1 2", "wr 0 abc", 0, "recent f", 0 },
	{ 0 },
};

/* "times X amc": exactly these changed. */
static const struct row times_rows[] = {
	{ "put f abc; stamp f", "read f", 0, "times f a", 0 },
	{ "put f abc; stamp f; hold 0 f r", "close 0", 0, "times f -", 0 },
	{ "put f abc; stamp f", "open f r,noatime", 0, "times f -", 0 },
	{ "put f abc; stamp f", "stat f", 0, "times f -", 0 },
	{ "mkdir d; file d/f; stamp d", "list d", 0, "times d a", 0 },
	{ "mkdir d; file d/f; stamp d", "stat d/f", 0, "times d -", 0 },
	{ "file f; stamp f; stamp .; hold 0 f w", "wr 0 abc", 0, "times f mc; times . -", 0 },
	{ "put f abc; stamp f", "open f w,trunc", 0, "times f mc", 0 },
	{ "file f; stamp f", "open f w,trunc", 0, "times f mc", "tmpfs=an empty file is not cut" },
	{ "file f; stamp f", "open f w,creat", 0, "times f -", 0 },
	{ "put f abc; stamp f", "truncate f 1", 0, "times f mc", 0 },
	{ "put f abc; stamp f", "truncate f 9", 0, "times f mc", 0 },
	{ "put f abc; stamp f", "truncate f 3", 0, "times f mc", "tmpfs=the same size is no change;xfs=so here" },
	{ "put f abc; stamp f; hold 0 f w", "ftrunc 0 3", 0, "times f mc", "tmpfs=the same size is no change" },
	{ "file f; stamp f; hold 0 f w", "falloc 0 plain 0 8k", 0, "times f mc", "tmpfs=sets ctime only" },
	{ "put f abc; stamp f; hold 0 f w", "falloc 0 punch 0 8k", 0, "times f mc", 0 },
	{ "file f; put g abc; stamp f; stamp g", "copy g f", 0, "times f mc", 0 },
	{ "stamp .", "file f", 0, "times . mc", 0 },
	{ "file f; stamp f; stamp .", "setx f user.a b", 0, "times f c; times . -", 0 },
	{ "file f; setx f user.a b; stamp f", "delx f user.a", 0, "times f c", 0 },
	{ "file f; setx f user.a b; stamp f", "getx f user.a", 0, "times f -", 0 },
	{ "mkdir d; stamp .", "rmdir d", 0, "times . mc", 0 },
	{ "file f; stamp .; stamp f", "move f g", 0, "times . mc; times g c", 0 },
	{ "file f; stamp f", "chmod f 644", 0, "times f c", 0 },
	{ "file f; stamp f", "link f f", EEXIST, "times f -", 0 },
	{ "mkdir d; file d/f; stamp d", "rmdir d", ENOTEMPTY, "times d -", 0 },
	{ "file f; file g; stamp .", "move f g", EEXIST, "times . -", 0 },
	{ 0 },
};

/* All 512 modes against owner, group and others, three accesses each. */
static void
matrix(struct px *px)
{
	static const struct {
		uid_t uid;
		gid_t gid;
		unsigned shift;
	} who[] = { { 1000, 9, 6 }, { 1001, 7, 3 }, { 1001, 9, 0 } };
	char name[16], cmd[64];
	unsigned mode, i, m;

	for (mode = 0; mode < 512; mode++) {
		snprintf(name, sizeof name, "f%03o", mode);
		CALL(px, mknod(name, S_IFREG | mode, 0));
		CALL(px, chown(name, 1000, 7));
		for (i = 0; i < 3; i++)
		for (m = 1; m < 8; m++) {
			unsigned has = mode >> who[i].shift & 7;
			int want = (has & m) == m ? 0 : EACCES;

			snprintf(cmd, sizeof cmd, "as=%u/%u access %s %s%s%sz",
			    who[i].uid, who[i].gid, name, m & 4 ? "r" : "",
			    m & 2 ? "w" : "", m & 1 ? "x" : "");
			if (px_call(px, cmd) != want)
				px_fail(px, "%s: not %d", cmd, want);
		}
	}
}

static void
open_matrix(struct px *px)
{
	char cmd[64];
	unsigned mode;

	for (mode = 0; mode < 8; mode++) {
		snprintf(cmd, sizeof cmd, "file f%u %o", mode, mode);
		px_do(px, cmd);
		snprintf(cmd, sizeof cmd, "as=1000/1000 open f%u r", mode);
		EQUAL(px, px_call(px, cmd), mode & 4 ? 0 : EACCES);
		snprintf(cmd, sizeof cmd, "as=1000/1000 open f%u w", mode);
		EQUAL(px, px_call(px, cmd), mode & 2 ? 0 : EACCES);
		snprintf(cmd, sizeof cmd, "as=1000/1000 open f%u rw", mode);
		EQUAL(px, px_call(px, cmd), (mode & 6) == 6 ? 0 : EACCES);
		snprintf(cmd, sizeof cmd, "as=1000/1000 truncate f%u 0", mode);
		EQUAL(px, px_call(px, cmd), mode & 2 ? 0 : EACCES);
	}
}

static void
exec_script(struct px *px)
{
	int fd = CALL(px, open("x", O_CREAT | O_WRONLY, 0755));
	const char s[] = "#!/bin/sh\nexit 7\n";

	CALL(px, write(fd, s, sizeof s - 1));
	close(fd);
	EQUAL(px, system("./x"), 7 << 8);
	CALL(px, chmod("x", 0644));
	EQUAL(px, system("./x 2>/dev/null"), 126 << 8);
}

/* Set-id bits go when somebody without privilege changes the bytes. */
static void
kill_suid_user(struct px *px)
{
	struct stat st;
	int fd = CALL(px, open("f", O_RDWR));

	CALL(px, pwrite(fd, "x", 1, 0));
	CALL(px, fstat(fd, &st));
	EQUAL(px, st.st_mode & 07777, 0777);
	close(fd);
	CALL(px, truncate("g", 1));
	CALL(px, stat("g", &st));
	EQUAL(px, st.st_mode & 07777, 0777);
	fd = CALL(px, open("h", O_RDWR));
	CALL(px, fallocate(fd, 0, 0, 4096));
	CALL(px, fstat(fd, &st));
	EQUAL(px, st.st_mode & 07777, 0777);
	close(fd);
	CALL(px, close(open("i", O_WRONLY | O_TRUNC)));
	CALL(px, stat("i", &st));
	EQUAL(px, st.st_mode & 07777, 0777);
}

static void
kill_sgid_user(struct px *px)
{
	struct stat st;
	int fd = CALL(px, open("f", O_RDWR));

	CALL(px, pwrite(fd, "x", 1, 0));
	CALL(px, fstat(fd, &st));
	EQUAL(px, st.st_mode & 07777, 0767);
}

static void
kill_sgid(struct px *px)
{
	px_do(px, "put f abc; chmod f 6767");
	px_as(px, 1000, 1000, kill_sgid_user);
}

static void
kill_suid(struct px *px)
{
	px_do(px, "put f abc; put g abc; put h abc; put i abc;"
	    "chmod f 6777; chmod g 6777; chmod h 6777; chmod i 6777");
	px_as(px, 1000, 1000, kill_suid_user);
}

/* Root keeps them. */
static void
keep_suid(struct px *px)
{
	px_do(px, "put f abc; chmod f 6777; hold 0 f rw; wr 0 x");
	px_expect(px, "mode f 6777");
	px_do(px, "truncate f 1");
	px_expect(px, "mode f 6777");
}

static void
statx_btime(struct px *px)
{
	struct statx a, b;

	px_do(px, "file f");
	CALL(px, statx(AT_FDCWD, "f", 0, STATX_ALL | STATX_BTIME, &a));
	if (!(a.stx_mask & STATX_BTIME))
		px_fail(px, "no btime");
	CHECK(px, a.stx_btime.tv_sec > 1500000000);
	px_tick();
	px_do(px, "chmod f 600; truncate f 5; utimens f 1 1; rename f g");
	CALL(px, statx(AT_FDCWD, "g", 0, STATX_ALL, &b));
	CHECK(px, memcmp(&a.stx_btime, &b.stx_btime, sizeof a.stx_btime) == 0);
	CHECK(px, b.stx_ino == a.stx_ino);
	EQUAL(px, b.stx_mask & STATX_BASIC_STATS, STATX_BASIC_STATS);
	CALL(px, statx(AT_FDCWD, "g", AT_STATX_DONT_SYNC, STATX_SIZE, &b));
	EQUAL(px, b.stx_size, 5);
	CALL(px, statx(AT_FDCWD, "g", AT_STATX_FORCE_SYNC, STATX_SIZE, &b));
	EQUAL(px, b.stx_size, 5);
}

/* Two changes are never told apart by size and time alone being equal. */
static void
ctime_moves(struct px *px)
{
	struct stat a, b;
	int i;

	px_do(px, "file f; hold 0 f rw");
	for (i = 0; i < 200; i++) {
		CALL(px, fstat(px->fd[0], &a));
		CALL(px, pwrite(px->fd[0], "x", 1, 0));
		CALL(px, fstat(px->fd[0], &b));
		CHECK(px, b.st_ctim.tv_sec > a.st_ctim.tv_sec ||
		    (b.st_ctim.tv_sec == a.st_ctim.tv_sec &&
		     b.st_ctim.tv_nsec > a.st_ctim.tv_nsec));
		CHECK(px, memcmp(&b.st_mtim, &b.st_ctim, sizeof b.st_ctim)
		    == 0);
	}
}

static void
statvfs_sane(struct px *px)
{
	struct statvfs s;

	CALL(px, statvfs(".", &s));
	CHECK(px, s.f_bsize > 0 && s.f_blocks > 0);
	CHECK(px, s.f_bavail <= s.f_bfree && s.f_bfree <= s.f_blocks);
	CHECK(px, s.f_files == 0 || s.f_ffree <= s.f_files);
	EQUAL(px, s.f_namemax, 255);
}

static const struct test perm_tests[] = {
	{ "access: 512 modes, owner, group, others", matrix, 0, true },
	{ "open and truncate: 8 modes", open_matrix, 0, true },
	{ "a script runs by its x bit", exec_script, 0, false },
	{ "set-id goes at write, truncate, fallocate, O_TRUNC", kill_suid,
	    0, true },
	{ "set-gid goes without group execute too", kill_sgid,
	    "fuse=its protocol clears it together with execute only", true },
	{ "set-id stays when root writes", keep_suid, 0, true },
	{ 0 },
};

static const struct test times_tests[] = {
	{ "btime is set once", statx_btime, 0, false },
	{ "every write that was seen moves ctime, mtime equals it",
	    ctime_moves, "ext4=coarse clock on some kernels", false },
	{ "statvfs adds up", statvfs_sane, 0, false },
	{ 0 },
};

const struct family f_chmod = { "chmod", chmod_rows, NULL };
const struct family f_chown = { "chown", chown_rows, NULL };
const struct family f_perm = { "perm", perm_rows, perm_tests };
const struct family f_times = { "times", times_rows, times_tests };
const struct family f_utimens = { "utimens", utimens_rows, NULL };
