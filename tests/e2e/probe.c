/*
 * probe - what the end-to-end suites cannot say in shell
 *
 *	probe ids PATH...	the numbers of each, by every way to ask
 *	probe open HANDLE MNT	open by handle; prints st_ino or the errno
 *	probe call NAME PATH [PATH2]	one operation, nothing around it
 *	probe churn DIR N	create and unlink N times; prints each id
 *	probe fill DIR		write until the space is used; prints bytes
 *	probe small DIR		the same with files of one byte
 *	probe umount DIR	without a question to who serves it
 *	probe kill ...		kill.c
 *	probe uml-...		uml.c
 */
#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mount.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "probe.h"

union handle {
	struct file_handle h;
	char room[sizeof(struct file_handle) + MAX_HANDLE_SZ];
};

void
die(const char *what)
{
	fprintf(stderr, "%s: %s\n", what, strerror(errno));
	exit(1);
}

/* The number that the directory's stream gives. */
static uint64_t
stream_number(const char *path)
{
	char dir[4096];
	const char *base = strrchr(path, '/');
	struct dirent *e;
	uint64_t n = 0;
	DIR *d;

	base = base == NULL ? path : base + 1;
	snprintf(dir, sizeof dir, "%.*s", (int)(base - path), path);
	if ((d = opendir(*dir ? dir : ".")) == NULL)
		die(dir);
	while ((e = readdir(d)) != NULL) {
		if (strcmp(e->d_name, base) == 0)
			n = e->d_ino;
	}
	closedir(d);
	return n;
}

/* "PATH st_ino statx d_ino handle" */
static int
ids(int n, char **path)
{
	union handle h;
	struct statx sx;
	struct stat st;
	int id, i;
	unsigned k;

	for (i = 0; i < n; i++) {
		h.h.handle_bytes = MAX_HANDLE_SZ;
		if (lstat(path[i], &st) < 0 ||
		    statx(AT_FDCWD, path[i], AT_SYMLINK_NOFOLLOW |
			AT_STATX_FORCE_SYNC, STATX_INO, &sx) < 0 ||
		    name_to_handle_at(AT_FDCWD, path[i], &h.h, &id, 0) < 0)
			die(path[i]);
		printf("%s %ju %ju %ju %d:", path[i], (uintmax_t)st.st_ino,
		    (uintmax_t)sx.stx_ino, (uintmax_t)stream_number(path[i]),
		    h.h.handle_type);
		for (k = 0; k < h.h.handle_bytes; k++)
			printf("%02x", h.h.f_handle[k]);
		printf("\n");
	}
	return 0;
}

static int
open_handle(char *text, const char *mnt)
{
	union handle h;
	struct stat st;
	char *at;
	int fd, dir = open(mnt, O_RDONLY);

	if (dir < 0)
		die(mnt);
	h.h.handle_type = strtol(text, &at, 10);
	h.h.handle_bytes = 0;
	for (at++; at[0] && at[1]; at += 2) {
		char two[3] = { at[0], at[1], 0 };

		h.h.f_handle[h.h.handle_bytes++] = strtol(two, NULL, 16);
	}
	fd = open_by_handle_at(dir, &h.h, O_RDONLY);
	if (fd < 0) {
		printf("%s\n", strerrorname_np(errno));
		return 0;
	}
	if (fstat(fd, &st) < 0)
		die("fstat");
	printf("%ju\n", (uintmax_t)st.st_ino);
	return 0;
}

static int
must(int r, const char *what)
{
	if (r < 0)
		die(what);
	return r;
}

static char page[4096];

static void
call_create(const char *p, const char *q)
{
	int fd = must(open(p, O_CREAT | O_EXCL | O_WRONLY, 0644), p);

	(void)q;
	must(write(fd, page, sizeof page), p);
	must(close(fd), p);
}

static void
call_read(const char *p, const char *q)
{
	int fd = must(open(p, O_RDONLY), p);

	(void)q;
	must(read(fd, page, sizeof page), p);
	must(close(fd), p);
}

static void
call_over(const char *p, const char *q)
{
	int fd = must(open(p, O_WRONLY | O_TRUNC), p);

	(void)q;
	must(write(fd, page, sizeof page), p);
	must(close(fd), p);
}

static void
call_append(const char *p, const char *q)
{
	int fd = must(open(p, O_WRONLY | O_APPEND), p);

	(void)q;
	must(write(fd, "x", 1), p);
	must(fsync(fd), p);
	must(close(fd), p);
}

static void
call_stat(const char *p, const char *q)
{
	struct stat st;

	(void)q;
	if (lstat(p, &st) < 0 && errno != ENOENT)
		die(p);
}

static void
call_readlink(const char *p, const char *q)
{
	(void)q;
	must(readlink(p, page, sizeof page), p);
}

static void
call_rename(const char *p, const char *q)
{
	must(rename(p, q), p);
}

static void
call_unlink(const char *p, const char *q)
{
	(void)q;
	must(unlink(p), p);
}

static void
call_mkdir(const char *p, const char *q)
{
	(void)q;
	must(mkdir(p, 0755), p);
}

/* List with attributes; q is the size of the buffer. */
static void
call_list(const char *p, const char *q)
{
	static char b[1 << 20];
	int fd = must(open(p, O_RDONLY | O_DIRECTORY), p);
	size_t size = atoi(q);
	unsigned calls = 0;
	struct stat st;
	long n, at;

	while ((n = syscall(SYS_getdents64, fd, b, size)) > 0) {
		calls++;
		for (at = 0; at < n; at += *(uint16_t *)(b + at + 16))
			must(fstatat(fd, b + at + 19, &st,
			    AT_SYMLINK_NOFOLLOW), p);
	}
	must(close(fd), p);
	printf("%u\n", calls + 1);
}

static const struct {
	const char *name;
	void (*run)(const char *p, const char *q);
} calls[] = {
	{ "create", call_create }, { "read", call_read },
	{ "over", call_over }, { "append", call_append },
	{ "stat", call_stat }, { "readlink", call_readlink },
	{ "rename", call_rename }, { "unlink", call_unlink },
	{ "mkdir", call_mkdir }, { "list", call_list },
};

static int
call(const char *name, const char *p, const char *q)
{
	size_t i;

	for (i = 0; i < sizeof calls / sizeof calls[0]; i++) {
		if (strcmp(calls[i].name, name) == 0) {
			calls[i].run(p, q);
			return 0;
		}
	}
	fprintf(stderr, "no such call: %s\n", name);
	return 2;
}

/* Prints every number it was given; the caller looks for one twice. */
static int
churn(const char *dir, unsigned n)
{
	char path[4096];
	struct stat st;
	unsigned i;
	int fd;

	for (i = 0; i < n; i++) {
		snprintf(path, sizeof path, "%s/churn%u.%d", dir, i % 7,
		    (int)getpid());
		fd = open(path, O_CREAT | O_EXCL | O_WRONLY, 0600);
		if (fd < 0 || fstat(fd, &st) < 0 || close(fd) < 0)
			break;
		printf("%ju\n", (uintmax_t)st.st_ino);
		if (unlink(path) < 0)
			break;
	}
	return i < n;
}

/* Returns 0 when the end was ENOSPC, as it should. */
static int
fill(const char *dir)
{
	static char b[65536];
	char path[4096];
	uint64_t total = 0;
	unsigned i;
	ssize_t n;
	int fd, err = 0;

	memset(b, 'x', sizeof b);
	for (i = 0; err == 0 && i < 100000; i++) {
		snprintf(path, sizeof path, "%s/fill%u", dir, i);
		fd = open(path, O_CREAT | O_WRONLY, 0600);
		if (fd < 0) {
			err = errno;
			break;
		}
		while ((n = write(fd, b, sizeof b)) > 0) {
			total += n;
			if (total % (16 << 20) == 0)
				break;
		}
		if (n < 0)
			err = errno;
		if (close(fd) < 0 && err == 0)
			err = errno;
	}
	printf("%ju %s\n", (uintmax_t)total, strerrorname_np(err));
	return err != ENOSPC;
}

/* The same with files of one byte. */
static int
fill_small(const char *dir)
{
	char path[4096];
	unsigned i;
	int fd, err = 0;

	for (i = 0; err == 0 && i < 1000000; i++) {
		snprintf(path, sizeof path, "%s/new%u", dir, i);
		fd = open(path, O_CREAT | O_WRONLY, 0600);
		if (fd < 0 || write(fd, "x", 1) < 0)
			err = errno;
		if (fd >= 0)
			close(fd);
	}
	printf("%u %s\n", i, strerrorname_np(err));
	return err != ENOSPC;
}

int
main(int argc, char **argv)
{
	const char *what = argc > 2 ? argv[1] : "";

	if (strcmp(what, "ids") == 0)
		return ids(argc - 2, argv + 2);
	if (strcmp(what, "open") == 0 && argc == 4)
		return open_handle(argv[2], argv[3]);
	if (strcmp(what, "call") == 0 && argc >= 4)
		return call(argv[2], argv[3], argv[4]);
	if (strcmp(what, "churn") == 0 && argc == 4)
		return churn(argv[2], atoi(argv[3]));
	if (strcmp(what, "fill") == 0)
		return fill(argv[2]);
	if (strcmp(what, "small") == 0)
		return fill_small(argv[2]);
	if (strcmp(what, "umount") == 0)
		return umount2(argv[2], 0) != 0;
	if (strcmp(what, "kill") == 0)
		return kill_main(argc - 1, argv + 1);
	if (strcmp(what, "visible") == 0)
		return visible_main(argc - 1, argv + 1);
	if (strcmp(what, "uml-host") == 0)
		return uml_host(argc - 1, argv + 1);
	if (strcmp(what, "uml-mount") == 0)
		return uml_mount(argc - 1, argv + 1);
	if (strcmp(what, "uml-insmod") == 0)
		return uml_insmod(argc - 1, argv + 1);
	fprintf(stderr, "probe: wrong arguments\n");
	return 2;
}
