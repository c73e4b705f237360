/*
 * content.c - bytes: read, write, truncate, O_TMPFILE, unlinked files
 */
#include <linux/aio_abi.h>
#include <signal.h>
#include <sys/syscall.h>
#include <sys/uio.h>
#include <sys/wait.h>

#include "posix.h"

static const struct row truncate_rows[] = {
	{ "put f abc", "truncate f 0", 0, "size f 0", 0 },
	{ "put f abc", "truncate f 2", 0, "text f ab", 0 },
	{ "put f abc", "truncate f 5", 0, "size f 5", 0 },
	{ "put f abc; truncate f 1; truncate f 3", "truncate f 5", 0, "size f 5", 0 },
	{ "file f", "truncate f 4294967296", 0, "size f 4294967296", 0 },
	{ "file f", "truncate f 1234567891234", 0, "size f 1234567891234", 0 },
	{ "file f", "truncate f -1", EINVAL, "size f 0", 0 },
	{ "", "truncate f 0", ENOENT, "", 0 },
	{ "mkdir d", "truncate d 0", EISDIR, "", 0 },
	{ "mkfifo p", "truncate p 0", EINVAL, "", 0 },
	{ "put f abc; symlink f s", "truncate s 1", 0, "size f 1", 0 },
	{ "put f abc; hold 0 f r", "ftrunc 0 0", EINVAL, "size f 3", 0 },
	{ "put f abc; hold 0 f rw", "ftrunc 0 1", 0, "size f 1; ftext 0 a", 0 },
	{ "put f abc; hold 0 f rw; chmod f 0", "ftrunc 0 1", 0, "size f 1", 0 },
	{ "put f abc; hold 0 f rw; link f g", "truncate g 1", 0, "fsize 0 1; ftext 0 a", 0 },
	{ "put f abc; hold 0 f r", "open f w,trunc", 0, "fsize 0 0", 0 },
	{ 0 },
};

static const struct row io_rows[] = {
	{ "file f; hold 0 f w", "wr 0 abc", 0, "text f abc; size f 3", 0 },
	{ "put f abc; hold 0 f rw", "wr 0 X", 0, "text f Xbc", 0 },
	{ "put f abc; hold 0 f rw,append", "wr 0 X", 0, "text f abcX", 0 },
	{ "put f abc; hold 0 f rw,append", "pwr 0 0 X", 0, "text f abcX", 0 },
	{ "put f abc; hold 0 f rw; hold 1 f rw,append; wr 0 xyzw", "wr 1 !", 0, "text f xyzw!", 0 },
	{ "put f abc; hold 0 f r", "wr 0 X", EBADF, "text f abc", 0 },
	{ "put f abc; hold 0 f path", "wr 0 X", EBADF, "text f abc", 0 },
	{ "file f; hold 0 f rw", "pwr 0 4294967295 abc", 0, "size f 4294967298", 0 },
	{ "file f; hold 0 f rw,sync", "wr 0 abc", 0, "text f abc", 0 },
	{ "mkdir d; hold 0 d r", "wr 0 X", EBADF, "", 0 },
	{ "mkdir d; hold 0 d r", "fsync 0", 0, "", 0 },
	{ "put f abc; hold 0 f r", "fsync 0", 0, "", 0 },
	{ "put f abc", "read f", 0, "", 0 },
	{ "mkdir d", "read d", EISDIR, "", 0 },
	{ "put f abc; hold 0 f r; put g xyz; rename g f", "read f", 0, "ftext 0 abc; text f xyz", 0 },
	{ 0 },
};

static const struct row tmpfile_rows[] = {
	{ "", "hold 0 . rw,tmpfile 600", 0, "fnlink 0 0; count . 0", 0 },
	{ "hold 0 . rw,tmpfile 640; wr 0 abc", "flink 0 f", 0, "text f abc; nlink f 1; mode f 640", 0 },
	{ "hold 0 . rw,tmpfile 640; flink 0 f", "flink 0 g", 0, "same f g; nlink f 2", 0 },
	{ "hold 0 . rw,tmpfile,excl 640", "flink 0 f", ENOENT, "gone f", 0 },
	{ "file f; hold 0 . rw,tmpfile", "flink 0 f", EEXIST, "fnlink 0 0", 0 },
	{ "", "hold 0 . r,tmpfile", EINVAL, "", 0 },
	{ "file f", "hold 0 f rw,tmpfile", ENOTDIR, "", 0 },
	{ "umask 77", "hold 0 . rw,tmpfile 666", 0, "fnlink 0 0", 0 },
	{ "mkdir d 555", "as=1000/1000 hold 0 d rw,tmpfile", EACCES, "", 0 },
	{ "mkdir d; chown d 0 77; chmod d 2777; as=1000/1000 hold 0 d rw,tmpfile", "flink 0 d/f", 0, "own d/f 1000 77", 0 },
	{ "stamp .", "hold 0 . rw,tmpfile", 0, "times . -", 0 },
	{ "hold 0 . rw,tmpfile; wr 0 abcdef", "ftrunc 0 3", 0, "ftext 0 abc", 0 },
	{ 0 },
};

/* Byte k of every pattern: tells positions and turns apart. */
static unsigned char
byte_at(uint64_t pos, unsigned turn)
{
	return (pos * 31 + (pos >> 8) * 7 + (pos >> 16) + turn * 101) | 1;
}

static void
fill(unsigned char *p, size_t n, uint64_t pos, unsigned turn)
{
	size_t i;

	for (i = 0; i < n; i++)
		p[i] = byte_at(pos + i, turn);
}

#define SPAN (300 << 10)

/* Random writes, truncates and reads against a copy in memory. */
static void
against_memory(struct px *px)
{
	static unsigned char model[SPAN], b[SPAN];
	unsigned seed = 4711, turn;
	size_t size = 0, off, n;
	struct stat st;
	int fd = CALL(px, open("f", O_CREAT | O_RDWR, 0600));

	for (turn = 0; turn < 1500; turn++) {
		off = rand_r(&seed) % SPAN;
		n = rand_r(&seed) % 5 ? rand_r(&seed) % 9000 :
		    rand_r(&seed) % SPAN;
		if (off + n > SPAN)
			n = SPAN - off;
		switch (rand_r(&seed) % 5) {
		case 0:
			CALL(px, ftruncate(fd, off));
			if (off < size)
				memset(model + off, 0, size - off);
			size = off;
			break;
		case 1:
		case 2:
			fill(b, n, off, turn);
			memcpy(model + off, b, n);
			EQUAL(px, pwrite(fd, b, n, off), n);
			if (n > 0 && off + n > size)
				size = off + n;
			break;
		case 3:
			if (rand_r(&seed) % 8 == 0)
				CALL(px, fsync(fd));
			if (rand_r(&seed) % 8 == 0) {
				close(fd);
				fd = CALL(px, open("f", O_RDWR));
			}
			break;
		}
		n = off >= size ? 0 : n > size - off ? size - off : n;
		EQUAL(px, pread(fd, b, n, off), n);
		CHECK(px, memcmp(b, model + off, n) == 0);
	}
	CALL(px, fstat(fd, &st));
	EQUAL(px, st.st_size, size);
	EQUAL(px, pread(fd, b, SPAN, 0), size);
	CHECK(px, memcmp(b, model, size) == 0);
}

static void
sparse(struct px *px)
{
	char b[8192], z[8192] = { 0 };
	struct stat st;
	int fd = CALL(px, open("f", O_CREAT | O_RDWR, 0600));

	EQUAL(px, pwrite(fd, "end", 3, 5ll << 30), 3);
	EQUAL(px, pwrite(fd, "mid", 3, 1 << 20), 3);
	EQUAL(px, pread(fd, b, 8192, (1 << 20) - 4096), 8192);
	CHECK(px, memcmp(b, z, 4096) == 0);
	CHECK(px, memcmp(b + 4096, "mid", 3) == 0);
	CHECK(px, memcmp(b + 4099, z, 4093) == 0);
	EQUAL(px, pread(fd, b, 8192, 5ll << 30), 3);
	EQUAL(px, pread(fd, b, 8192, 6ll << 30), 0);
	CALL(px, fsync(fd));
	CALL(px, fstat(fd, &st));
	EQUAL(px, st.st_size, (5ll << 30) + 3);
	CHECK(px, st.st_blocks > 0 && st.st_blocks < 2048);
}

static void
largest_offset(struct px *px)
{
	const off_t max = INT64_MAX;
	char b[4];
	struct stat st;
	int fd = CALL(px, open("f", O_CREAT | O_RDWR, 0600));

	EQUAL(px, pwrite(fd, "x", 1, max - 1), 1);
	CALL(px, fstat(fd, &st));
	EQUAL(px, st.st_size, max);
	EQUAL(px, pread(fd, b, 1, max - 1), 1);
	CHECK(px, b[0] == 'x');
	EQUAL(px, pread(fd, b, 1, max - 4096), 1);
	CHECK(px, b[0] == 0);
	ERRNO(px, pwrite(fd, "x", 1, max), EINVAL);
	CALL(px, ftruncate(fd, 1));
	CALL(px, ftruncate(fd, max));
	EQUAL(px, pread(fd, b, 1, max - 1), 1);
	CHECK(px, b[0] == 0);
}

static void
o_direct(struct px *px)
{
	unsigned char *p, *q;
	int fd, dfd, i;

	CHECK(px, (p = aligned_alloc(4096, 1 << 20)) != NULL);
	CHECK(px, (q = aligned_alloc(4096, 1 << 20)) != NULL);
	dfd = CALL(px, open("f", O_CREAT | O_RDWR | O_DIRECT, 0600));
	fd = CALL(px, open("f", O_RDWR));
	for (i = 0; i < 4; i++) {
		fill(p, 1 << 20, 0, i);
		EQUAL(px, pwrite(dfd, p, 1 << 20, 0), 1 << 20);
		EQUAL(px, pread(fd, q, 1 << 20, 0), 1 << 20);
		CHECK(px, memcmp(p, q, 1 << 20) == 0);
		fill(p, 8192, 4096, i + 50);
		EQUAL(px, pwrite(fd, p, 8192, 4096), 8192);
		EQUAL(px, pread(dfd, q, 8192, 4096), 8192);
		CHECK(px, memcmp(p, q, 8192) == 0);
	}
	EQUAL(px, pread(dfd, q, 4096, 1 << 20), 0);
}

/* Two processes bring pages back into the cache all the time. */
static void
readers(struct px *px, pid_t pid[2])
{
	static char b[65536];
	int i, fd;

	for (i = 0; i < 2; i++) {
		if ((pid[i] = CALL(px, fork())) > 0)
			continue;
		fd = CALL(px, open("f", O_RDONLY));
		while (pread(fd, b, sizeof b, 0) >= 0)
			;
		_exit(1);
	}
}

static void
aio_direct(struct px *px)
{
	enum { N = 65536, WRITES = 400 };
	aio_context_t ctx = 0;
	struct io_event done;
	unsigned char *p, *q;
	int fd, dfd, i, stale = 0;
	pid_t pid[2];

	CHECK(px, (p = aligned_alloc(4096, N)) != NULL);
	CHECK(px, (q = aligned_alloc(4096, N)) != NULL);
	dfd = CALL(px, open("f", O_CREAT | O_RDWR | O_DIRECT, 0600));
	fd = CALL(px, open("f", O_RDONLY));
	memset(p, 0, N);
	EQUAL(px, pwrite(dfd, p, N, 0), N);
	CALL(px, (int)syscall(SYS_io_setup, 1, &ctx));
	readers(px, pid);
	for (i = 1; i <= WRITES; i++) {
		struct iocb cb = { .aio_lio_opcode = IOCB_CMD_PWRITE,
			.aio_fildes = (uint32_t)dfd, .aio_nbytes = N,
			.aio_buf = (uintptr_t)p }, *one = &cb;

		memset(p, i, N);
		EQUAL(px, syscall(SYS_io_submit, ctx, 1, &one), 1);
		EQUAL(px, syscall(SYS_io_getevents, ctx, 1, 1, &done, NULL),
		    1);
		EQUAL(px, pread(fd, q, N, 0), N);
		stale += memcmp(p, q, N) != 0;
	}
	for (i = 0; i < 2; i++) {
		CALL(px, kill(pid[i], SIGKILL));
		CALL(px, waitpid(pid[i], NULL, 0));
	}
	EQUAL(px, stale, 0);
}

static void
append_race(struct px *px)
{
	int fd, i, w, status, seen[4] = { 0 };
	char rec[64];

	for (w = 0; w < 4; w++) {
		if (CALL(px, fork()) > 0)
			continue;
		fd = CALL(px, open("f", O_CREAT | O_WRONLY | O_APPEND, 0600));
		memset(rec, 'a' + w, sizeof rec);
		for (i = 0; i < 200; i++)
			EQUAL(px, write(fd, rec, sizeof rec), sizeof rec);
		_exit(0);
	}
	for (w = 0; w < 4; w++) {
		CALL(px, wait(&status));
		EQUAL(px, status, 0);
	}
	fd = CALL(px, open("f", O_RDONLY));
	while (CALL(px, read(fd, rec, sizeof rec)) == sizeof rec) {
		for (i = 1; i < 64; i++)
			CHECK(px, rec[i] == rec[0]);
		CHECK(px, rec[0] >= 'a' && rec[0] < 'e');
		seen[rec[0] - 'a']++;
	}
	for (w = 0; w < 4; w++)
		EQUAL(px, seen[w], 200);
}

static void
vectors(struct px *px)
{
	char a[5000], b[10000];
	struct iovec v[3] = { { a, 5000 }, { (char *)"-", 1 }, { a, 5000 } };
	int fd = CALL(px, open("f", O_CREAT | O_RDWR, 0600));

	fill((unsigned char *)a, sizeof a, 0, 1);
	EQUAL(px, pwritev(fd, v, 3, 100), 10001);
	EQUAL(px, pread(fd, b, 10000, 5101), 5000);
	CHECK(px, memcmp(a, b, 5000) == 0);
	EQUAL(px, pread(fd, b, 100, 0), 100);
	EQUAL(px, b[99], 0);
	EQUAL(px, lseek(fd, 0, SEEK_END), 10101);
	EQUAL(px, write(fd, "", 0), 0);
	ERRNO(px, pread(fd, b, 1, -1), EINVAL);
	ERRNO(px, lseek(fd, -1, SEEK_SET), EINVAL);
}

static void
blocks(struct px *px)
{
	static char b[1 << 20];
	struct stat st;
	int fd = CALL(px, open("f", O_CREAT | O_RDWR, 0600));

	CALL(px, fstat(fd, &st));
	EQUAL(px, st.st_blocks, 0);
	CALL(px, ftruncate(fd, 1 << 20));
	CALL(px, fstat(fd, &st));
	EQUAL(px, st.st_blocks, 0);
	memset(b, 1, sizeof b);
	EQUAL(px, pwrite(fd, b, sizeof b, 0), sizeof b);
	CALL(px, fsync(fd));
	CALL(px, fstat(fd, &st));
	CHECK(px, st.st_blocks >= 2048 && st.st_blocks < 2048 + 512);
	CALL(px, ftruncate(fd, 4096));
	CALL(px, fsync(fd));
	CALL(px, fstat(fd, &st));
	CHECK(px, st.st_blocks >= 8 && st.st_blocks <= 16 + 512);
	CALL(px, close(fd));
	/* tar leaves out files that claim no blocks */
	px_do(px, "put small abc; hold 0 small rw; fsync 0");
	CALL(px, stat("small", &st));
	CHECK(px, st.st_blocks > 0);
}

static void
shrink_zeroes(struct px *px)
{
	char b[8192];
	unsigned cut;
	int fd = CALL(px, open("f", O_CREAT | O_RDWR, 0600));

	for (cut = 0; cut <= 8192; cut += 511) {
		memset(b, 0xee, sizeof b);
		EQUAL(px, pwrite(fd, b, sizeof b, 0), sizeof b);
		CALL(px, ftruncate(fd, cut));
		CALL(px, ftruncate(fd, sizeof b));
		EQUAL(px, pread(fd, b, sizeof b, 0), sizeof b);
		for (unsigned i = 0; i < sizeof b; i++)
			CHECK(px, (unsigned char)b[i] == (i < cut ? 0xee : 0));
	}
}

static void
two_handles(struct px *px)
{
	static char b[4096];
	int fd = CALL(px, open("f", O_CREAT | O_RDWR, 0600));

	int fd2 = CALL(px, open("f", O_RDWR));

	EQUAL(px, write(fd, "abc", 3), 3);
	EQUAL(px, read(fd2, b, 10), 3);
	EQUAL(px, write(fd2, "def", 3), 3);
	EQUAL(px, read(fd, b, 10), 3);
	CHECK(px, memcmp(b, "def", 3) == 0);
	CALL(px, ftruncate(fd2, 1));
	EQUAL(px, pread(fd, b, 10, 0), 1);
	EQUAL(px, pwrite(fd, "z", 1, 6), 1);
	EQUAL(px, pread(fd2, b, 10, 0), 7);
	CHECK(px, memcmp(b, "a\0\0\0\0\0z", 7) == 0);
}

static const struct test io_tests[] = {
	{ "1,500 writes, cuts and reads against memory", against_memory, 0, false },
	{ "beyond 4 GiB and in between", sparse, 0, false },
	{ "the largest off_t", largest_offset,
	    "ext4=16 TiB at most", false },
	{ "O_DIRECT and the cache agree", o_direct, 0, false },
	{ "O_DIRECT by aio and the cache agree", aio_direct, 0, false },
	{ "appends of four processes stay whole", append_race, 0, false },
	{ "vectors and odd offsets", vectors, 0, false },
	{ "st_blocks of holes, data, cuts, small files", blocks, 0, false },
	{ "a cut leaves zeroes behind it", shrink_zeroes, 0, false },
	{ "two handles see each other at once", two_handles, 0, false },
	{ 0 },
};

static void
cwd_removed(struct px *px)
{
	struct stat st;

	px_do(px, "mkdir d; chdir d");
	CALL(px, rmdir("../d"));
	ERRNO(px, mkdir("e", 0755), ENOENT);
	ERRNO(px, open("f", O_CREAT | O_WRONLY, 0644), ENOENT);
	ERRNO(px, symlink("a", "b"), ENOENT);
	CALL(px, stat(".", &st));
	EQUAL(px, st.st_nlink, 0);
	px_do(px, "list .");
	CALL(px, chdir(".."));
	px_expect(px, "gone d");
}

static void
cwd_replaced(struct px *px)
{
	struct stat st;

	px_do(px, "mkdir d; mkdir e; file e/in; chdir d");
	CALL(px, rename("../e", "../d"));
	ERRNO(px, mkdir("x", 0755), ENOENT);
	CALL(px, stat(".", &st));
	EQUAL(px, st.st_nlink, 0);
	CALL(px, chdir("../d"));
	px_expect(px, "is in f");
}

static void
unlinked_grows(struct px *px)
{
	static unsigned char b[1 << 20], c[1 << 20];
	int fd = CALL(px, open("f", O_CREAT | O_RDWR, 0600)), fd2;
	char proc[64];
	struct stat st;

	snprintf(proc, sizeof proc, "/proc/self/fd/%d", fd);
	CALL(px, unlink("f"));
	fill(b, sizeof b, 0, 3);
	EQUAL(px, pwrite(fd, b, sizeof b, 0), sizeof b);
	fd2 = CALL(px, open(proc, O_RDONLY));
	EQUAL(px, pread(fd2, c, sizeof c, 0), sizeof c);
	CHECK(px, memcmp(b, c, sizeof b) == 0);
	CALL(px, close(fd));
	EQUAL(px, pread(fd2, c, sizeof c, 0), sizeof c);
	CHECK(px, memcmp(b, c, sizeof b) == 0);
	CALL(px, fchmod(fd2, 0400));
	CALL(px, fstat(fd2, &st));
	EQUAL(px, st.st_nlink, 0);
	EQUAL(px, st.st_mode & 07777, 0400);
}

static const struct test orphan_tests[] = {
	{ "in a directory that is gone", cwd_removed, 0, false },
	{ "in a directory that was replaced", cwd_replaced, 0, false },
	{ "an unlinked file grows and reopens", unlinked_grows, 0, false },
	{ 0 },
};

const struct family f_truncate = { "truncate", truncate_rows, NULL };
const struct family f_io = { "io", io_rows, io_tests };
const struct family f_tmpfile = { "tmpfile", tmpfile_rows, NULL };
const struct family f_orphan = { "orphan", NULL, orphan_tests };
