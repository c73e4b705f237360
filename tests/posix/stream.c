/*
 * stream.c - directory streams while the directory changes; handles
 */
#include <dirent.h>
#include <signal.h>
#include <sys/prctl.h>
#include <sys/syscall.h>
#include <sys/wait.h>

#include "posix.h"

#define MANY 3000

struct dent {
	uint64_t ino;
	int64_t off;
	uint16_t reclen;
	uint8_t type;
	char name[];
};

static void
make_many(struct px *px, const char *dir, unsigned n)
{
	char name[64];
	unsigned i;

	CALL(px, mkdir(dir, 0755));
	for (i = 0; i < n; i++) {
		snprintf(name, sizeof name, "%s/f%05u", dir, i);
		CALL(px, mknod(name, S_IFREG | 0644, 0));
	}
}

/*
 * Scan with getdents64 and a buffer of size; counts names "fNNNNN" in
 * seen, calls each (may be NULL) for every one.
 */
static void
scan(struct px *px, const char *dir, size_t size, unsigned char *seen,
    void (*each)(struct px *px, const char *dir, const char *name))
{
	static char b[1 << 18];
	int fd = CALL(px, open(dir, O_RDONLY | O_DIRECTORY));
	unsigned turns = 0;
	long n, at;

	while ((n = CALL(px, syscall(SYS_getdents64, fd, b, size))) > 0) {
		CHECK(px, ++turns < 100000);	/* always ends */
		for (at = 0; at < n; ) {
			struct dent *e = (struct dent *)(b + at);

			at += e->reclen;
			if (e->name[0] != 'f')
				continue;
			seen[atoi(e->name + 1)]++;
			if (each != NULL)
				each(px, dir, e->name);
		}
	}
	CALL(px, close(fd));
}

static const size_t buffers[] = { 48, 280, 1024, 4096, 32768, 1 << 18 };

static void
every_buffer(struct px *px)
{
	static unsigned char seen[MANY];
	unsigned i, k;

	make_many(px, "d", 1000);
	for (i = 0; i < sizeof buffers / sizeof buffers[0]; i++) {
		memset(seen, 0, sizeof seen);
		scan(px, "d", buffers[i], seen, NULL);
		for (k = 0; k < 1000; k++)
			EQUAL(px, seen[k], 1);
	}
}

static void
tiny_buffer(struct px *px)
{
	char b[16];
	int fd;

	make_many(px, "d", 3);
	fd = CALL(px, open("d", O_RDONLY));
	ERRNO(px, syscall(SYS_getdents64, fd, b, sizeof b), EINVAL);
}

static void
unlink_each(struct px *px, const char *dir, const char *name)
{
	char path[300];

	snprintf(path, sizeof path, "%s/%s", dir, name);
	CALL(px, unlink(path));
}

static void
unlink_all(struct px *px)
{
	static unsigned char seen[MANY];
	unsigned i, k;
	char dir[8];

	for (i = 0; i < sizeof buffers / sizeof buffers[0]; i++) {
		snprintf(dir, sizeof dir, "d%u", i);
		make_many(px, dir, 500);
		memset(seen, 0, sizeof seen);
		scan(px, dir, buffers[i], seen, unlink_each);
		for (k = 0; k < 500; k++)
			EQUAL(px, seen[k], 1);
		CALL(px, rmdir(dir));
	}
}

/* What comes and goes must not lose or repeat what stays. */
static void
churn(struct px *px, const char *dir, const char *name)
{
	char a[300], b[300];
	int n = atoi(name + 1);

	if (n >= 1000)
		return;
	snprintf(a, sizeof a, "%s/x%d", dir, n);
	snprintf(b, sizeof b, "%s/y%d", dir, n);
	CALL(px, mknod(a, S_IFREG | 0644, 0));
	CALL(px, rename(a, b));
	if (n % 3 == 0)
		CALL(px, unlink(b));
}

static void
while_changing(struct px *px)
{
	static unsigned char seen[MANY];
	unsigned i, k;
	char dir[8];

	for (i = 0; i < sizeof buffers / sizeof buffers[0]; i++) {
		snprintf(dir, sizeof dir, "d%u", i);
		make_many(px, dir, 400);
		memset(seen, 0, sizeof seen);
		scan(px, dir, buffers[i], seen, churn);
		for (k = 0; k < 400; k++)
			EQUAL(px, seen[k], 1);
	}
}

/* Every name is renamed as it comes: the scan ends all the same. */
static void
rename_each(struct px *px, const char *dir, const char *name)
{
	char a[300], b[300];

	snprintf(a, sizeof a, "%s/%s", dir, name);
	snprintf(b, sizeof b, "%s/f%05d", dir, (atoi(name + 1) + 1000) % MANY);
	if (atoi(name + 1) < 1000)
		CALL(px, rename(a, b));
}

static void
rename_storm(struct px *px)
{
	static unsigned char seen[MANY];
	unsigned i, k;
	char dir[8];

	for (i = 0; i < sizeof buffers / sizeof buffers[0]; i++) {
		snprintf(dir, sizeof dir, "d%u", i);
		make_many(px, dir, 300);
		memset(seen, 0, sizeof seen);
		scan(px, dir, buffers[i], seen, rename_each);
		for (k = 0; k < 300; k++)
			EQUAL(px, seen[k], 1);
	}
}

/* Another process renames all the time; what it leaves alone is seen. */
static void
storm_outside(struct px *px)
{
	static unsigned char seen[MANY];
	unsigned i, k, turn;
	int status;
	pid_t pid;

	make_many(px, "d", 500);
	pid = CALL(px, fork());
	if (pid == 0) {
		char a[32], b[32];

		prctl(PR_SET_PDEATHSIG, SIGKILL);
		for (turn = 0; turn < 20000; turn++) {
			snprintf(a, sizeof a, "d/t%u", turn % 50);
			snprintf(b, sizeof b, "d/t%u", (turn + 25) % 50);
			if (turn < 50)
				mknod(a, S_IFREG | 0644, 0);
			else
				rename(a, b), mknod(a, S_IFREG | 0644, 0);
		}
		_exit(0);
	}
	for (i = 0; i < 24; i++) {
		memset(seen, 0, sizeof seen);
		scan(px, "d", buffers[i % 6], seen, NULL);
		for (k = 0; k < 500; k++)
			EQUAL(px, seen[k], 1);
	}
	CALL(px, waitpid(pid, &status, 0));
	EQUAL(px, status, 0);
}

static void
seeking(struct px *px)
{
	static long at[600];
	static char names[600][32];
	unsigned n = 0, i;
	struct dirent *e;
	DIR *d;

	make_many(px, "d", 500);
	CHECK(px, (d = opendir("d")) != NULL);
	for (;;) {
		at[n] = telldir(d);
		if ((e = readdir(d)) == NULL)
			break;
		strcpy(names[n++], e->d_name);
	}
	EQUAL(px, n, 502);
	for (i = 0; i < n; i += 7) {
		unsigned k = (i * 131) % n;

		seekdir(d, at[k]);
		CHECK(px, (e = readdir(d)) != NULL);
		CHECK(px, strcmp(e->d_name, names[k]) == 0);
	}
	seekdir(d, at[n]);
	CHECK(px, readdir(d) == NULL);
	rewinddir(d);
	for (i = 0; readdir(d) != NULL; i++)
		;
	EQUAL(px, i, 502);
	closedir(d);
}

/* To a place whose entry, and the next ones, are gone. */
static void
seeking_gone(struct px *px)
{
	static long at[64];
	static char names[64][32];
	unsigned n = 0, i, k;
	char path[64];
	struct dirent *e;
	DIR *d;

	make_many(px, "d", 40);
	CHECK(px, (d = opendir("d")) != NULL);
	for (n = 0; ; n++) {
		at[n] = telldir(d);
		if ((e = readdir(d)) == NULL)
			break;
		strcpy(names[n], e->d_name);
	}
	EQUAL(px, n, 42);
	for (i = 10, k = 0; i < 16; i++) {
		if (names[i][0] != 'f')
			continue;
		snprintf(path, sizeof path, "d/%s", names[i]);
		CALL(px, unlink(path));
		k++;
	}
	/* from there on every survivor once */
	seekdir(d, at[10]);
	for (i = 0; readdir(d) != NULL; i++)
		;
	EQUAL(px, i, 42 - 10 - k);
	closedir(d);
}

static void
rewind_sees_new(struct px *px)
{
	unsigned n = 0;
	DIR *d;

	make_many(px, "d", 5);
	CHECK(px, (d = opendir("d")) != NULL);
	while (readdir(d) != NULL)
		;
	px_do(px, "file d/new; unlink d/f00001");
	rewinddir(d);
	while (readdir(d) != NULL)
		n++;
	EQUAL(px, n, 7);
	closedir(d);
}

static void
types_and_numbers(struct px *px)
{
	static const struct { char c; int type; } t[] = {
		{ 'f', DT_REG }, { 'd', DT_DIR }, { 'l', DT_LNK },
		{ 'p', DT_FIFO }, { 's', DT_SOCK },
	};
	struct dirent *e;
	struct stat st;
	unsigned i, n = 0;
	DIR *d;

	px_do(px, "file f; mkdir d; symlink x l; mkfifo p; mksock s");
	CHECK(px, (d = opendir(".")) != NULL);
	while ((e = readdir(d)) != NULL) {
		CALL(px, lstat(e->d_name, &st));
		EQUAL(px, e->d_ino, st.st_ino);
		if (e->d_name[0] == '.') {
			EQUAL(px, e->d_type, DT_DIR);
			continue;
		}
		for (i = 0; i < 5 && t[i].c != e->d_name[0]; i++)
			;
		CHECK(px, i < 5);
		EQUAL(px, e->d_type, t[i].type);
		n++;
	}
	EQUAL(px, n, 5);
	closedir(d);
}

static void
removed_directory(struct px *px)
{
	DIR *d;

	px_do(px, "mkdir d");
	CHECK(px, (d = opendir("d")) != NULL);
	CALL(px, rmdir("d"));
	errno = 0;
	while (readdir(d) != NULL)
		;
	CHECK(px, errno == 0 || errno == ENOENT);
	closedir(d);
}

static void
delete_by_parts(struct px *px)
{
	struct dirent *e;
	DIR *d;
	int fd;

	/* as rm -r on some systems: delete, rewind, until empty */
	make_many(px, "d", 1000);
	fd = CALL(px, open("d", O_RDONLY));
	CHECK(px, (d = fdopendir(fd)) != NULL);
	while ((e = readdir(d)) != NULL) {
		if (e->d_name[0] == 'f')
			CALL(px, unlinkat(fd, e->d_name, 0));
	}
	rewinddir(d);
	while ((e = readdir(d)) != NULL)
		CHECK(px, e->d_name[0] == '.');
	CALL(px, rmdir("d"));
	closedir(d);
}

static const struct test stream_tests[] = {
	{ "each name once with every buffer", every_buffer, 0, false },
	{ "a buffer too small for one", tiny_buffer, 0, false },
	{ "unlinking each name as it comes", unlink_all, 0, false },
	{ "creating, renaming, unlinking beside", while_changing, 0, false },
	{ "renaming each name as it comes", rename_storm,
	    "ext4=hash order meets them again;xfs=so may its",
	    false },
	{ "another process renames all the time", storm_outside,
	    "ext4=splitting blocks repeats names", false },
	{ "telldir and seekdir", seeking, 0, false },
	{ "seekdir to an entry that is gone", seeking_gone,
	    "tmpfs=its libfs cookies may", false },
	{ "rewinddir sees what is new", rewind_sees_new, 0, false },
	{ "d_type and d_ino are stat's", types_and_numbers, 0, false },
	{ "a directory removed while read", removed_directory, 0, false },
	{ "deleting by and by", delete_by_parts, 0, false },
	{ 0 },
};

union handle {
	struct file_handle h;
	char room[sizeof(struct file_handle) + MAX_HANDLE_SZ];
};

static void
handle_of(struct px *px, const char *path, union handle *h)
{
	int id;

	h->h.handle_bytes = MAX_HANDLE_SZ;
	if (name_to_handle_at(AT_FDCWD, path, &h->h, &id, 0) < 0) {
		if (errno == EOPNOTSUPP)
			px_skip(px, "no handles here");
		px_fail(px, "handle of %s: %s", path, strerror(errno));
	}
}

static void
handle_opens(struct px *px)
{
	int fd, at = CALL(px, open(".", O_RDONLY));
	union handle f, d, again;
	struct stat a, b;
	char text[4];

	px_do(px, "put f abc; mkdir d; file d/in");
	handle_of(px, "f", &f);
	handle_of(px, "d", &d);
	CALL(px, stat("f", &a));
	px_do(px, "rename f d/g");
	fd = CALL(px, open_by_handle_at(at, &f.h, O_RDWR));
	CALL(px, fstat(fd, &b));
	EQUAL(px, a.st_ino, b.st_ino);
	EQUAL(px, read(fd, text, 4), 3);
	handle_of(px, "d/g", &again);
	EQUAL(px, again.h.handle_bytes, f.h.handle_bytes);
	CHECK(px, memcmp(f.h.f_handle, again.h.f_handle,
	    f.h.handle_bytes) == 0);
	fd = CALL(px, open_by_handle_at(at, &d.h, O_RDONLY));
	CALL(px, faccessat(fd, "in", F_OK, 0));
	/* up from a directory that was opened so */
	CALL(px, fstatat(fd, "..", &b, 0));
	CALL(px, stat(".", &a));
	EQUAL(px, a.st_ino, b.st_ino);
}

static void
handle_stale(struct px *px)
{
	int at = CALL(px, open(".", O_RDONLY)), i;
	union handle f, d;
	char name[16];

	px_do(px, "put f abc; mkdir d");
	handle_of(px, "f", &f);
	handle_of(px, "d", &d);
	px_do(px, "unlink f; rmdir d");
	for (i = 0; i < 50; i++) {	/* a number that came again? */
		snprintf(name, sizeof name, "n%d", i);
		CALL(px, mknod(name, S_IFREG | 0644, 0));
	}
	ERRNO(px, open_by_handle_at(at, &f.h, O_RDONLY), ESTALE);
	ERRNO(px, open_by_handle_at(at, &d.h, O_RDONLY), ESTALE);
}

static void
handle_orphan(struct px *px)
{
	int at = CALL(px, open(".", O_RDONLY)), fd;
	union handle f;
	struct stat st;

	px_do(px, "put f abc; hold 0 f rw");
	handle_of(px, "f", &f);
	px_do(px, "unlink f");
	fd = open_by_handle_at(at, &f.h, O_RDONLY);
	if (fd < 0) {
		EQUAL(px, errno, ESTALE);
		return;
	}
	CALL(px, fstat(fd, &st));
	EQUAL(px, st.st_nlink, 0);
	EQUAL(px, st.st_size, 3);
}

static void
handle_buffer(struct px *px)
{
	union handle f;
	int id;

	px_do(px, "file f");
	f.h.handle_bytes = 0;
	ERRNO(px, name_to_handle_at(AT_FDCWD, "f", &f.h, &id, 0), EOVERFLOW);
	CHECK(px, f.h.handle_bytes > 0);
	CALL(px, name_to_handle_at(AT_FDCWD, "f", &f.h, &id, 0));
}

static const struct test handle_tests[] = {
	{ "open what moved, and stay the same", handle_opens, 0, true },
	{ "of the dead are stale, whatever was born", handle_stale, 0, true },
	{ "of an unlinked open file", handle_orphan, 0, true },
	{ "say how long they are", handle_buffer, 0, false },
	{ 0 },
};

const struct family f_stream = { "stream", NULL, stream_tests };
const struct family f_handle = { "handle", NULL, handle_tests };
