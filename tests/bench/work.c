/*
 * work.c - the measured workloads, on any directory
 *
 *   work DIR [FILES [BIG_MIB]]
 *
 * Prints one line a workload: its name, a number, its unit.  A time is the
 * median over single operations, so a pause of the machine costs nothing.
 * Cold means: after dropping dentries and inodes (and for reads, pages).
 */
#include <sys/mman.h>
#include <sys/stat.h>

#include <dirent.h>
#include <err.h>
#include <errno.h>
#include <fcntl.h>
#include <pthread.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "times.h"

#define SYNCERS		16
#define SYNCS		100
#define APPENDS		400
#define MIB		(1u << 20)

struct work {
	int dir;
	unsigned files, big_mib;
	uint64_t *t;		/* one slot per operation */
	unsigned nt;
	char *buf;		/* 1 MiB */
};

static void
say(const char *name, double v, const char *unit)
{
	printf("%s %.3f %s\n", name, v, unit);
	fflush(stdout);
}

static void
say_median(struct work *w, const char *name)
{
	if (w->nt > 0)
		say(name, (double)median(w->t, w->nt) / 1000, "us");
	w->nt = 0;
}

static void
drop(char what)
{
	int fd;

	sync();
	fd = open("/proc/sys/vm/drop_caches", O_WRONLY);
	if (fd < 0 || write(fd, &what, 1) != 1)
		warn("cannot drop caches: cold numbers are warm ones");
	if (fd >= 0)
		close(fd);
}

static int
open_at(struct work *w, const char *name, int flags)
{
	int fd = openat(w->dir, name, flags, 0644);

	if (fd < 0)
		err(1, "%s", name);
	return fd;
}

static int
sub(struct work *w, const char *name)
{
	if (mkdirat(w->dir, name, 0755) < 0 && errno != EEXIST)
		err(1, "mkdir %s", name);
	return open_at(w, name, O_RDONLY | O_DIRECTORY);
}

/* Run one operation on each file's name and keep its time. */
static void
each(struct work *w, int dir, const char *prefix,
    void (*op)(struct work *, int, const char *), const char *say_as)
{
	unsigned i;
	uint64_t t0;
	char name[64];

	for (i = 0; i < w->files; i++) {
		snprintf(name, sizeof name, "%s%u", prefix, i);
		t0 = clock_ns();
		op(w, dir, name);
		w->t[w->nt++] = clock_ns() - t0;
	}
	say_median(w, say_as);
}

static void
do_create(struct work *w, int dir, const char *name)
{
	int fd = openat(dir, name, O_CREAT | O_EXCL | O_WRONLY, 0644);

	(void)w;
	if (fd < 0)
		err(1, "create %s", name);
	close(fd);
}

static void
do_create4k(struct work *w, int dir, const char *name)
{
	int fd = openat(dir, name, O_CREAT | O_EXCL | O_WRONLY, 0644);

	if (fd < 0 || write(fd, w->buf, 4096) != 4096)
		err(1, "create %s", name);
	close(fd);
}

static void
do_rename(struct work *w, int dir, const char *name)
{
	char to[80];

	(void)w;
	snprintf(to, sizeof to, "r%s", name);
	if (renameat(dir, name, dir, to) < 0)
		err(1, "rename %s", name);
}

static void
do_unlink(struct work *w, int dir, const char *name)
{
	(void)w;
	if (unlinkat(dir, name, 0) < 0)
		err(1, "unlink %s", name);
}

static void
do_stat(struct work *w, int dir, const char *name)
{
	struct stat st;

	(void)w;
	if (fstatat(dir, name, &st, AT_SYMLINK_NOFOLLOW) < 0)
		err(1, "stat %s", name);
}

static void
do_read(struct work *w, int dir, const char *name)
{
	int fd = openat(dir, name, O_RDONLY);

	if (fd < 0 || read(fd, w->buf, 8192) != 4096)
		err(1, "read %s", name);
	close(fd);
}

static void
list(struct work *w, const char *name, const char *say_as)
{
	int fd = sub(w, name);
	DIR *d = fdopendir(fd);
	struct dirent *e;
	struct stat st;
	unsigned n = 0;
	uint64_t t0 = clock_ns();

	if (d == NULL)
		err(1, "%s", name);
	while ((e = readdir(d)) != NULL) {
		if (fstatat(fd, e->d_name, &st, AT_SYMLINK_NOFOLLOW) < 0)
			err(1, "stat %s", e->d_name);
		n++;
	}
	say(say_as, (double)(clock_ns() - t0) / 1000 / n, "us/entry");
	closedir(d);
}

static void
small_files(struct work *w)
{
	int a = sub(w, "empty"), b = sub(w, "full");

	each(w, a, "f", do_create, "create");
	each(w, a, "f", do_rename, "rename");
	each(w, a, "rf", do_unlink, "unlink");
	each(w, b, "f", do_create4k, "create_4k");
	drop('2');
	each(w, b, "f", do_stat, "stat_cold");
	each(w, b, "f", do_stat, "stat_warm");
	drop('2');		/* a daemon's own file stays in the cache */
	each(w, b, "f", do_read, "read_4k_cold");
	each(w, b, "f", do_read, "read_4k_warm");
	close(a);
	close(b);
}

static void
append_fsync(struct work *w)
{
	int fd = open_at(w, "log", O_CREAT | O_WRONLY | O_APPEND);
	unsigned i;
	uint64_t t0;

	for (i = 0; i < APPENDS; i++) {
		t0 = clock_ns();
		if (write(fd, w->buf, 4096) != 4096 || fsync(fd) < 0)
			err(1, "append");
		w->t[w->nt++] = clock_ns() - t0;
	}
	close(fd);
	say_median(w, "append_fsync");
}

struct syncer {
	struct work *w;
	unsigned n;
	pthread_t t;
};

static void *
syncer(void *arg)
{
	struct syncer *s = arg;
	char name[32];
	unsigned i;
	int fd;

	snprintf(name, sizeof name, "sync%u", s->n);
	fd = open_at(s->w, name, O_CREAT | O_WRONLY | O_APPEND);
	for (i = 0; i < SYNCS; i++)
		if (write(fd, s->w->buf, 4096) != 4096 || fsync(fd) < 0)
			err(1, "%s", name);
	close(fd);
	return NULL;
}

static void
many_syncers(struct work *w)
{
	struct syncer s[SYNCERS];
	uint64_t t0 = clock_ns();
	unsigned i;

	for (i = 0; i < SYNCERS; i++) {
		s[i] = (struct syncer){ w, i, 0 };
		if (pthread_create(&s[i].t, NULL, syncer, &s[i]) != 0)
			errx(1, "no thread");
	}
	for (i = 0; i < SYNCERS; i++)
		pthread_join(s[i].t, NULL);
	say("fsync_16", (double)(clock_ns() - t0) / 1000 / (SYNCERS * SYNCS),
	    "us");
}

static void
fill(struct work *w)
{
	uint64_t x = 0x9e3779b97f4a7c15u;
	unsigned i;

	for (i = 0; i < MIB; i += 8) {
		x ^= x << 13;
		x ^= x >> 7;
		x ^= x << 17;
		memcpy(w->buf + i, &x, 8);
	}
}

static void
say_rate(const struct work *w, uint64_t ns, const char *name)
{
	say(name, w->big_mib / ((double)ns / 1e9), "MiB/s");
}

static void
big_write(struct work *w)
{
	int fd = open_at(w, "big", O_CREAT | O_TRUNC | O_WRONLY);
	uint64_t t0 = clock_ns();
	unsigned i;

	for (i = 0; i < w->big_mib; i++) {
		memcpy(w->buf, &i, sizeof i);
		if (write(fd, w->buf, MIB) != MIB)
			err(1, "big");
	}
	if (fsync(fd) < 0)
		err(1, "big");
	say_rate(w, clock_ns() - t0, "write_big");
	close(fd);
}

static uint64_t
big_read(struct work *w)
{
	int fd = open_at(w, "big", O_RDONLY);
	uint64_t t0 = clock_ns();
	unsigned i, v;

	for (i = 0; i < w->big_mib; i++) {
		if (read(fd, w->buf, MIB) != MIB)
			err(1, "big");
		memcpy(&v, w->buf, sizeof v);
		if (v != i)
			errx(1, "big: wrong bytes at MiB %u", i);
	}
	close(fd);
	return clock_ns() - t0;
}

/* In the first warm pass the kernel moves each page to another list, once. */
static void
big_reads(struct work *w)
{
	unsigned i;

	drop('3');
	say_rate(w, big_read(w), "read_big_cold");
	for (i = 0; i < 5; i++)
		w->t[w->nt++] = big_read(w);
	say_rate(w, median(w->t, w->nt), "read_big_warm");
	w->nt = 0;
}

/* The first pass maps, the second has only memory to read. */
static void
mmap_pass(struct work *w, const char *p, const char *say_as)
{
	size_t n = (size_t)w->big_mib * MIB, i;
	volatile uint64_t sum = 0;
	uint64_t t0 = clock_ns(), v;

	for (i = 0; i < n; i += 64) {
		memcpy(&v, p + i, sizeof v);
		sum += v;
	}
	say_rate(w, clock_ns() - t0, say_as);
}

static void
big_mmap(struct work *w)
{
	int fd = open_at(w, "big", O_RDONLY);
	size_t n = (size_t)w->big_mib * MIB;
	char *p = mmap(NULL, n, PROT_READ, MAP_SHARED, fd, 0);

	if (p == MAP_FAILED)
		err(1, "mmap");
	mmap_pass(w, p, "mmap_first");
	mmap_pass(w, p, "mmap_warm");
	munmap(p, n);
	close(fd);
}

static void
big_copy(struct work *w)
{
	int in = open_at(w, "big", O_RDONLY);
	int out = open_at(w, "copy", O_CREAT | O_TRUNC | O_WRONLY);
	size_t left = (size_t)w->big_mib * MIB;
	uint64_t t0 = clock_ns();
	ssize_t n = 1;

	while (left > 0 && n > 0) {
		n = copy_file_range(in, NULL, out, NULL, left, 0);
		left -= n > 0 ? (size_t)n : 0;
	}
	if (left == 0)
		say("copy_range", (double)(clock_ns() - t0) / 1e6, "ms");
	close(in);
	close(out);
}

int
main(int argc, char **argv)
{
	struct work w = { .files = 2000, .big_mib = 1024 };

	if (argc < 2)
		errx(2, "usage: work DIR [FILES [BIG_MIB]]");
	if (argc > 2)
		w.files = (unsigned)atoi(argv[2]);
	if (argc > 3)
		w.big_mib = (unsigned)atoi(argv[3]);
	w.dir = open(argv[1], O_RDONLY | O_DIRECTORY);
	if (w.dir < 0)
		err(1, "%s", argv[1]);
	w.t = calloc(w.files + APPENDS, sizeof *w.t);
	/* malloc's would begin 16 bytes into a page: to there some machines
	 * copy at a fifth of their speed, whatever the filesystem. */
	w.buf = aligned_alloc(4096, MIB);
	if (w.t == NULL || w.buf == NULL)
		err(1, NULL);
	fill(&w);
	small_files(&w);
	append_fsync(&w);
	many_syncers(&w);
	/* An inode with pages outlives '2'.  Last: '3' takes a daemon's own
	 * files from the cache, too. */
	drop('3');
	list(&w, "full", "list_cold");
	if (w.big_mib > 0) {
		big_write(&w);
		big_reads(&w);
		big_mmap(&w);
		big_copy(&w);
	}
	free(w.t);
	free(w.buf);
	return 0;
}
