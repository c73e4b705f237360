#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <ftw.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mount.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>

#include <xxhash.h>

#include "scratch.h"

#define FILES_MAX 64

static int
make_dir(struct scratch *s)
{
	const char *tmp = getenv("TMPDIR");

	s->dirfd = -1;
	s->mounted = false;
	snprintf(s->path, sizeof s->path, "%s/vfsd-test-XXXXXX",
	    tmp && strlen(tmp) < 80 ? tmp : "/tmp");
	return mkdtemp(s->path) ? 0 : -1;
}

static int
open_dir(struct scratch *s)
{
	s->dirfd = open(s->path, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	if (s->dirfd >= 0)
		return 0;
	scratch_close(s);
	return -1;
}

int
scratch_open(struct scratch *s)
{
	return make_dir(s) < 0 ? -1 : open_dir(s);
}

int
scratch_open_tmpfs(struct scratch *s, size_t bytes)
{
	char opt[64];

	if (make_dir(s) < 0)
		return -1;
	snprintf(opt, sizeof opt, "size=%zu", bytes);
	if (mount("vfsd-test", s->path, "tmpfs", MS_NOSUID | MS_NODEV,
	    opt) < 0) {
		scratch_close(s);
		return -1;
	}
	s->mounted = true;
	return open_dir(s);
}

int
scratch_open_ext4(struct scratch *s, size_t bytes)
{
	char cmd[1024];

	if (make_dir(s) < 0)
		return -1;
	/* The mount keeps the image, which needs no name of its own. */
	snprintf(cmd, sizeof cmd, "{ truncate -s %zu %s.img && "
	    "mkfs.ext4 -q -F -m 0 %s.img && mount -o loop %s.img %s; } "
	    ">/dev/null 2>&1; rc=$?; rm -f %s.img; exit $rc",
	    bytes, s->path, s->path, s->path, s->path, s->path);
	if (system(cmd) != 0) {
		scratch_close(s);
		return -1;
	}
	s->mounted = true;
	return open_dir(s);
}

static int
remove_one(const char *path, const struct stat *st, int flag, struct FTW *f)
{
	(void)st, (void)flag, (void)f;
	return remove(path);
}

void
scratch_close(struct scratch *s)
{
	if (s->dirfd >= 0)
		close(s->dirfd);
	s->dirfd = -1;
	if (s->mounted)
		umount2(s->path, MNT_DETACH);
	s->mounted = false;
	nftw(s->path, remove_one, 16, FTW_DEPTH | FTW_PHYS);
}

static void
digest_file(XXH3_state_t *h, int dirfd, const char *name)
{
	unsigned char buf[65536];
	struct stat st;
	ssize_t n;
	int fd;

	XXH3_64bits_update(h, name, strlen(name) + 1);
	if (fstatat(dirfd, name, &st, AT_SYMLINK_NOFOLLOW) < 0)
		return;
	XXH3_64bits_update(h, &st.st_ino, sizeof st.st_ino);
	XXH3_64bits_update(h, &st.st_size, sizeof st.st_size);
	XXH3_64bits_update(h, &st.st_mtim, sizeof st.st_mtim);
	XXH3_64bits_update(h, &st.st_ctim, sizeof st.st_ctim);
	if (!S_ISREG(st.st_mode) ||
	    (fd = openat(dirfd, name, O_RDONLY | O_CLOEXEC)) < 0)
		return;
	while ((n = read(fd, buf, sizeof buf)) > 0)
		XXH3_64bits_update(h, buf, (size_t)n);
	close(fd);
}

static int
by_name(const void *a, const void *b)
{
	return strcmp(*(char *const *)a, *(char *const *)b);
}

uint64_t
scratch_digest(const struct scratch *s)
{
	XXH3_state_t *h = XXH3_createState();
	char *names[FILES_MAX];
	struct dirent *e;
	size_t n = 0, i;
	uint64_t sum;
	DIR *d;

	XXH3_64bits_reset(h);
	d = opendir(s->path);
	while (d && n < FILES_MAX && (e = readdir(d)) != NULL)
		if (strcmp(e->d_name, "..") != 0)
			names[n++] = strdup(e->d_name);
	if (d)
		closedir(d);
	qsort(names, n, sizeof *names, by_name);
	for (i = 0; i < n; i++) {
		digest_file(h, s->dirfd, names[i]);
		free(names[i]);
	}
	sum = XXH3_64bits_digest(h);
	XXH3_freeState(h);
	return sum;
}

size_t
scratch_count(const struct scratch *s)
{
	DIR *d = opendir(s->path);
	struct dirent *e;
	size_t n = 0;

	while (d && (e = readdir(d)) != NULL)
		n += strcmp(e->d_name, ".") != 0 && strcmp(e->d_name, "..") != 0;
	if (d)
		closedir(d);
	return n;
}

uint64_t
scratch_seed(void)
{
	const char *env = getenv("SEED");
	struct timespec now;
	uint64_t seed;

	clock_gettime(CLOCK_REALTIME, &now);
	seed = (uint64_t)now.tv_sec * 1000000007u ^ (uint64_t)now.tv_nsec;
	if (env)
		seed = strtoull(env, NULL, 0);
	seed |= 1;
	printf("# SEED=%llu\n", (unsigned long long)seed);
	fflush(stdout);
	return seed;
}

uint64_t
scratch_random(uint64_t *x)
{
	*x ^= *x >> 12;
	*x ^= *x << 25;
	*x ^= *x >> 27;
	return *x * 0x2545f4914f6cdd1dull;
}
