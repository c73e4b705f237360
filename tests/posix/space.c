/*
 * space.c - fallocate, SEEK_DATA and SEEK_HOLE, copy_file_range, mmap
 */
#include <signal.h>
#include <sys/mman.h>
#include <sys/wait.h>

#include "posix.h"

static const struct row alloc_rows[] = {
	{ "file f; hold 0 f rw", "falloc 0 plain 0 10k", 0, "size f 10240", 0 },
	{ "file f; hold 0 f rw", "falloc 0 plain 5 10", 0, "size f 15", 0 },
	{ "put f abc; hold 0 f rw", "falloc 0 plain 0 2", 0, "text f abc", 0 },
	{ "put f abc; hold 0 f rw", "falloc 0 keep 0 10k", 0, "text f abc; size f 3", 0 },
	{ "put f abc; hold 0 f rw", "falloc 0 keep 1m 1m", 0, "text f abc; size f 3", 0 },
	{ "put f abc; hold 0 f rw", "falloc 0 punch 0 10k", 0, "size f 3", 0 },
	{ "put f abc; hold 0 f rw", "falloc 0 punch 10k 10k", 0, "text f abc", 0 },
	{ "put f abc; hold 0 f rw", "falloc 0 punchalone 0 1", EOPNOTSUPP, "text f abc", 0 },
	{ "put f abc; hold 0 f rw", "falloc 0 zero 0 10", 0, "size f 10", "tmpfs=no ZERO_RANGE" },
	{ "put f abc; hold 0 f rw", "falloc 0 zerokeep 0 10", 0, "size f 3", "tmpfs=no ZERO_RANGE" },
	{ "put f abc; hold 0 f rw", "falloc 0 plain 0 0", EINVAL, "", 0 },
	{ "put f abc; hold 0 f rw", "falloc 0 plain -1 5", EINVAL, "", 0 },
	{ "put f abc; hold 0 f rw", "falloc 0 plain 5 -1", EINVAL, "", 0 },
	{ "put f abc; hold 0 f rw", "falloc 0 plain max 5", EFBIG, "size f 3", 0 },
	{ "put f abc; hold 0 f r", "falloc 0 plain 0 5", EBADF, "", 0 },
	{ "mkdir d; hold 0 d r", "falloc 0 plain 0 5", EBADF, "", 0 },
	{ "file f; hold 0 f rw; unlink f", "falloc 0 plain 0 5", 0, "fsize 0 5", 0 },
	{ "file f; hold 0 f rw", "seek 0 data 0", ENXIO, "", 0 },
	{ "file f; hold 0 f rw", "seek 0 hole 0", ENXIO, "", 0 },
	{ "put f abc; hold 0 f rw", "seek 0 data 0", 0, "", 0 },
	{ "put f abc; hold 0 f rw", "seek 0 hole 0", 0, "", 0 },
	{ "put f abc; hold 0 f rw", "seek 0 data 3", ENXIO, "", 0 },
	{ "put f abc; hold 0 f rw", "seek 0 hole 3", ENXIO, "", 0 },
	{ "put f abc; hold 0 f rw", "seek 0 data -1", ENXIO, "", 0 },
	{ 0 },
};

static const struct row copy_rows[] = {
	{ "put a abc; file b", "copy a b", 0, "text b abc; text a abc", 0 },
	{ "put a abc; put b xyzw", "copy a b", 0, "text b abcw", 0 },
	{ "file a; put b xyzw", "copy a b", 0, "text b xyzw", 0 },
	{ "put a abc; file b; copy a b; put a xyz", "stat b", 0, "text b abc", 0 },
	{ "put a abc; file b; copy a b; put b xyz", "stat b", 0, "text a abc", 0 },
	{ "put a abc; file b; copy a b", "unlink a", 0, "text b abc", 0 },
	{ "put a abc; file b; copy a b", "truncate a 1", 0, "text b abc; text a a", 0 },
	{ "put a abc", "copy a a", EINVAL, "text a abc", 0 },
	{ 0 },
};

#define K 1024

static void
pattern(char *b, size_t n, unsigned seed)
{
	size_t i;

	for (i = 0; i < n; i++)
		b[i] = (i * 7 + (i >> 9) + seed) | 1;
}

static void
punch_and_zero(struct px *px)
{
	static char b[256 * K], c[256 * K];
	static const struct { off_t off, len; } t[] = {
		{ 0, 1 }, { 0, 4096 }, { 4095, 2 }, { 4096, 8192 },
		{ 5000, 100 }, { 100, 200000 }, { 255 * K, 4 * K },
		{ 0, 256 * K }, { 65536, 65536 }, { 12345, 54321 },
	};
	int fd = CALL(px, open("f", O_CREAT | O_RDWR, 0600));
	bool zero = strcmp(px->fs, "tmpfs") != 0;
	struct stat st;
	unsigned i, k;

	for (k = 0; k < 1u + zero; k++)
	for (i = 0; i < sizeof t / sizeof t[0]; i++) {
		size_t n = t[i].off + t[i].len > (off_t)sizeof b ?
		    sizeof b - t[i].off : (size_t)t[i].len;

		pattern(b, sizeof b, i);
		EQUAL(px, pwrite(fd, b, sizeof b, 0), sizeof b);
		CALL(px, fallocate(fd, FALLOC_FL_KEEP_SIZE | (k ?
		    FALLOC_FL_ZERO_RANGE : FALLOC_FL_PUNCH_HOLE),
		    t[i].off, t[i].len));
		memset(b + t[i].off, 0, n);
		EQUAL(px, pread(fd, c, sizeof c, 0), sizeof c);
		CHECK(px, memcmp(b, c, sizeof c) == 0);
		CALL(px, fstat(fd, &st));
		EQUAL(px, st.st_size, sizeof b);
	}
	CALL(px, fallocate(fd, FALLOC_FL_KEEP_SIZE | FALLOC_FL_PUNCH_HOLE, 0,
	    sizeof b));
	CALL(px, fsync(fd));
	CALL(px, fstat(fd, &st));
	CHECK(px, st.st_blocks < 128);
}

static void
holes(struct px *px)
{
	static char b[64 * K];
	off_t at, hole;
	int fd = CALL(px, open("f", O_CREAT | O_RDWR, 0600));

	memset(b, 1, sizeof b);
	EQUAL(px, pwrite(fd, b, sizeof b, 1 << 20), sizeof b);
	EQUAL(px, pwrite(fd, b, sizeof b, 3 << 20), sizeof b);
	CALL(px, ftruncate(fd, 5 << 20));
	CALL(px, fsync(fd));
	EQUAL(px, lseek(fd, 0, SEEK_HOLE), 0);
	at = CALL(px, lseek(fd, 0, SEEK_DATA));
	CHECK(px, at > 0 && at <= 1 << 20);
	EQUAL(px, lseek(fd, (1 << 20) + 5, SEEK_DATA), (1 << 20) + 5);
	hole = CALL(px, lseek(fd, 1 << 20, SEEK_HOLE));
	CHECK(px, hole >= (1 << 20) + 64 * K && hole <= 2 << 20);
	at = CALL(px, lseek(fd, hole, SEEK_DATA));
	CHECK(px, at > hole && at <= 3 << 20);
	hole = CALL(px, lseek(fd, 3 << 20, SEEK_HOLE));
	CHECK(px, hole >= (3 << 20) + 64 * K && hole <= 4 << 20);
	ERRNO(px, lseek(fd, hole, SEEK_DATA), ENXIO);
	EQUAL(px, lseek(fd, 5 << 20, SEEK_END), 10 << 20);
	ERRNO(px, lseek(fd, 5 << 20, SEEK_HOLE), ENXIO);
	CALL(px, ftruncate(fd, (3 << 20) + 10));
	EQUAL(px, lseek(fd, 3 << 20, SEEK_HOLE), (3 << 20) + 10);
}

/* Nothing has written it yet but the processor. */
static void
mapped_data(struct px *px)
{
	int fd = CALL(px, open("f", O_CREAT | O_RDWR, 0600));
	int r = CALL(px, open("f", O_RDONLY));
	off_t at, hole;
	char *p;

	CALL(px, ftruncate(fd, 1 << 20));
	p = mmap(NULL, 1 << 20, PROT_READ | PROT_WRITE, MAP_SHARED, fd, 0);
	CHECK(px, p != MAP_FAILED);
	p[300000] = 1;
	at = CALL(px, lseek(r, 0, SEEK_DATA));
	CHECK(px, at <= 300000);
	hole = CALL(px, lseek(r, 300000, SEEK_HOLE));
	CHECK(px, hole > 300000);
	ERRNO(px, lseek(r, 1 << 20, SEEK_DATA), ENXIO);
	CALL(px, munmap(p, 1 << 20));
	CALL(px, close(fd));
	at = CALL(px, lseek(r, 0, SEEK_DATA));
	CHECK(px, at <= 300000);
}

static void
keep_then_grow(struct px *px)
{
	char b[100], z[100] = { 0 };
	struct stat st;
	int fd = CALL(px, open("f", O_CREAT | O_RDWR, 0600));

	CALL(px, write(fd, "abc", 3));
	CALL(px, fallocate(fd, FALLOC_FL_KEEP_SIZE, 0, 1 << 20));
	CALL(px, fstat(fd, &st));
	EQUAL(px, st.st_size, 3);
	CALL(px, ftruncate(fd, 8192));
	EQUAL(px, pread(fd, b, 100, 3), 100);
	CHECK(px, memcmp(b, z, 100) == 0);
	EQUAL(px, pread(fd, b, 100, 8092), 100);
	CHECK(px, memcmp(b, z, 100) == 0);
}

/* Random copies between two files, against memory. */
static void
copies(struct px *px)
{
	static char a[128 * K], b[128 * K], c[128 * K];
	unsigned seed = 99, i;
	int fa = CALL(px, open("a", O_CREAT | O_RDWR, 0600));
	int fb = CALL(px, open("b", O_CREAT | O_RDWR, 0600));

	pattern(a, sizeof a, 1);
	pattern(b, sizeof b, 2);
	CALL(px, write(fa, a, sizeof a));
	CALL(px, write(fb, b, sizeof b));
	for (i = 0; i < 300; i++) {
		bool page = rand_r(&seed) % 2;
		loff_t x = rand_r(&seed) % sizeof a, y = rand_r(&seed) %
		    sizeof b, x0, y0;
		size_t n = rand_r(&seed) % (sizeof a / 2);

		if (page)
			x &= ~4095, y &= ~4095, n &= ~4095;
		if (x + n > sizeof a)
			n = sizeof a - x;
		if (y + n > sizeof b)
			n = sizeof b - y;
		for (x0 = x, y0 = y; n > 0; ) {
			ssize_t r = CALL(px, copy_file_range(fa, &x, fb, &y, n,
			    0));

			CHECK(px, r > 0);
			memcpy(b + y0, a + x0, r);
			x0 += r, y0 += r, n -= r;
			EQUAL(px, x, x0);
			EQUAL(px, y, y0);
		}
		if (rand_r(&seed) % 3 == 0) {
			pattern(a + x0 / 2, 3000, i);
			CALL(px, pwrite(fa, a + x0 / 2, 3000, x0 / 2));
		}
		EQUAL(px, pread(fb, c, sizeof c, 0), sizeof c);
		CHECK(px, memcmp(b, c, sizeof c) == 0);
		EQUAL(px, pread(fa, c, sizeof c, 0), sizeof c);
		CHECK(px, memcmp(a, c, sizeof c) == 0);
	}
}

static void
copy_inside(struct px *px)
{
	static char a[64 * K], c[64 * K];
	int fd = CALL(px, open("a", O_CREAT | O_RDWR, 0600));
	loff_t x = 0, y = 32 * K;

	pattern(a, sizeof a, 1);
	CALL(px, write(fd, a, sizeof a));
	EQUAL(px, copy_file_range(fd, &x, fd, &y, 32 * K, 0), 32 * K);
	memcpy(a + 32 * K, a, 32 * K);
	EQUAL(px, pread(fd, c, sizeof c, 0), sizeof c);
	CHECK(px, memcmp(a, c, sizeof c) == 0);
	x = 0, y = 4096;
	ERRNO(px, copy_file_range(fd, &x, fd, &y, 8192, 0), EINVAL);
	x = 128 * K, y = 0;
	EQUAL(px, copy_file_range(fd, &x, fd, &y, 10, 0), 0);
	x = 64 * K - 5, y = 0;
	EQUAL(px, copy_file_range(fd, &x, fd, &y, 100, 0), 5);
}

static void
map_shared(struct px *px)
{
	char *p, b[8];
	struct stat s, t;
	int fd = CALL(px, open("f", O_CREAT | O_RDWR, 0600));

	CALL(px, ftruncate(fd, 8192));
	p = mmap(NULL, 8192, PROT_READ | PROT_WRITE, MAP_SHARED, fd, 0);
	CHECK(px, p != MAP_FAILED);
	CALL(px, fstat(fd, &s));
	px_tick();
	memcpy(p + 5000, "mapped", 6);
	EQUAL(px, pread(fd, b, 6, 5000), 6);
	CHECK(px, memcmp(b, "mapped", 6) == 0);
	CALL(px, pwrite(fd, "written", 7, 100));
	CHECK(px, memcmp(p + 100, "written", 7) == 0);
	px_tick();
	p[0] = 1;
	CALL(px, msync(p, 8192, MS_SYNC));
	CALL(px, fstat(fd, &t));
	CHECK(px, memcmp(&s.st_mtim, &t.st_mtim, sizeof s.st_mtim) != 0);
	CHECK(px, memcmp(&s.st_ctim, &t.st_ctim, sizeof s.st_ctim) != 0);
	CALL(px, munmap(p, 8192));
	CALL(px, close(fd));
	fd = CALL(px, open("f", O_RDONLY));
	EQUAL(px, pread(fd, b, 6, 5000), 6);
	CHECK(px, memcmp(b, "mapped", 6) == 0);
}

static void
map_shared_times(struct px *px)
{
	char *p;
	struct stat s, t;
	int fd = CALL(px, open("f", O_CREAT | O_RDWR, 0600));

	CALL(px, ftruncate(fd, 4096));
	p = mmap(NULL, 4096, PROT_READ | PROT_WRITE, MAP_SHARED, fd, 0);
	CHECK(px, p != MAP_FAILED);
	CALL(px, fstat(fd, &s));
	px_tick();
	p[0] = 1;
	CALL(px, munmap(p, 4096));
	CALL(px, fsync(fd));
	CALL(px, close(fd));
	CALL(px, stat("f", &t));
	CHECK(px, t.st_mtim.tv_sec > s.st_mtim.tv_sec ||
	    t.st_mtim.tv_nsec > s.st_mtim.tv_nsec);
}

static void
map_private(struct px *px)
{
	char *p, b[4];
	int fd;

	px_do(px, "put f abc");
	fd = CALL(px, open("f", O_RDWR));
	p = mmap(NULL, 3, PROT_READ | PROT_WRITE, MAP_PRIVATE, fd, 0);
	CHECK(px, p != MAP_FAILED);
	CHECK(px, memcmp(p, "abc", 3) == 0);
	CHECK(px, p[3] == 0 && p[4095] == 0);
	p[0] = 'X';
	EQUAL(px, pread(fd, b, 3, 0), 3);
	CHECK(px, memcmp(b, "abc", 3) == 0);
}

static void
map_survives(struct px *px)
{
	char *p;
	int fd = CALL(px, open("f", O_CREAT | O_RDWR, 0600));

	CALL(px, ftruncate(fd, 4096));
	p = mmap(NULL, 4096, PROT_READ | PROT_WRITE, MAP_SHARED, fd, 0);
	CHECK(px, p != MAP_FAILED);
	CALL(px, close(fd));
	memcpy(p, "one", 3);
	CALL(px, rename("f", "g"));
	px_do(px, "truncate g 3");
	px_expect(px, "text g one");
	CALL(px, unlink("g"));
	memcpy(p, "two", 3);
	CALL(px, msync(p, 4096, MS_SYNC));
	CHECK(px, memcmp(p, "two", 3) == 0);
}

static void
map_after_cut(struct px *px)
{
	char *p;
	int fd, status;
	pid_t pid;

	fd = CALL(px, open("f", O_CREAT | O_RDWR, 0600));
	CALL(px, ftruncate(fd, 8192));
	p = mmap(NULL, 8192, PROT_READ | PROT_WRITE, MAP_SHARED, fd, 0);
	CHECK(px, p != MAP_FAILED);
	memset(p, 7, 8192);
	CALL(px, ftruncate(fd, 100));
	CHECK(px, p[99] == 7 && p[100] == 0 && p[4095] == 0);
	pid = CALL(px, fork());
	if (pid == 0) {
		signal(SIGBUS, SIG_DFL);
		_exit(p[4096]);
	}
	CALL(px, waitpid(pid, &status, 0));
	CHECK(px, WIFSIGNALED(status) && WTERMSIG(status) == SIGBUS);
	CALL(px, ftruncate(fd, 8192));
	CHECK(px, p[100] == 0 && p[4096] == 0);
}

/* Two mappings and plain writes of two processes see one file. */
static void
map_two(struct px *px)
{
	char *p, *q;
	int fd = CALL(px, open("f", O_CREAT | O_RDWR, 0600)), status;

	CALL(px, ftruncate(fd, 4096));
	p = mmap(NULL, 4096, PROT_READ | PROT_WRITE, MAP_SHARED, fd, 0);
	CHECK(px, p != MAP_FAILED);
	if (CALL(px, fork()) == 0) {
		int f2 = CALL(px, open("f", O_RDWR));

		q = mmap(NULL, 4096, PROT_READ | PROT_WRITE, MAP_SHARED, f2,
		    0);
		CHECK(px, q != MAP_FAILED);
		q[10] = 42;
		CALL(px, pwrite(f2, "+", 1, 11));
		_exit(0);
	}
	CALL(px, wait(&status));
	EQUAL(px, status, 0);
	CHECK(px, p[10] == 42 && p[11] == '+');
}

/* Who made a file and writes it, and one who has mapped it meanwhile. */
static void
map_of_new(struct px *px)
{
	int w = CALL(px, open("f", O_CREAT | O_EXCL | O_WRONLY, 0600)), r;
	char *p, b[4];

	EQUAL(px, write(w, "abc", 3), 3);
	r = CALL(px, open("f", O_RDONLY));
	p = mmap(NULL, 4096, PROT_READ, MAP_SHARED, r, 0);
	CHECK(px, p != MAP_FAILED);
	CHECK(px, memcmp(p, "abc\0", 4) == 0);
	EQUAL(px, pwrite(w, "X", 1, 1), 1);
	CHECK(px, memcmp(p, "aXc\0", 4) == 0);
	EQUAL(px, write(w, "d", 1), 1);
	CHECK(px, memcmp(p, "aXcd", 4) == 0);
	EQUAL(px, pread(r, b, 4, 0), 4);
	CHECK(px, memcmp(b, "aXcd", 4) == 0);
	CALL(px, ftruncate(w, 2));
	CHECK(px, p[1] == 'X' && p[2] == 0);
	CALL(px, close(w));
	EQUAL(px, pread(r, b, 4, 0), 2);
}

static const struct test alloc_tests[] = {
	{ "punched and zeroed ranges read as zeroes", punch_and_zero, 0, false },
	{ "SEEK_DATA and SEEK_HOLE find them", holes, 0, false },
	{ "SEEK_DATA finds what a mapping has", mapped_data, 0, false },
	{ "space past the end reads as zeroes when the file grows",
	    keep_then_grow, 0, false },
	{ 0 },
};

static const struct test copy_tests[] = {
	{ "300 copies between files against memory", copies, 0, false },
	{ "inside one file, past its end", copy_inside, 0, false },
	{ 0 },
};

static const struct test mmap_tests[] = {
	{ "shared: bytes and times", map_shared, 0, false },
	{ "shared: mtime after munmap and close", map_shared_times, 0, false },
	{ "private stays private, zeroes behind the end", map_private, 0, false },
	{ "lives on after close, rename, unlink", map_survives, 0, false },
	{ "a cut file gives SIGBUS behind it", map_after_cut, 0, false },
	{ "two processes share", map_two, 0, false },
	{ "what is written to a new file shows in mappings", map_of_new, 0,
	    false },
	{ 0 },
};

const struct family f_alloc = { "fallocate", alloc_rows, alloc_tests };
const struct family f_copy = { "copy", copy_rows, copy_tests };
const struct family f_mmap = { "mmap", NULL, mmap_tests };
