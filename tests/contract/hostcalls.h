/*
 * hostcalls.h - watch and break what backends ask of the host
 *
 * Included by a test program's one source file, this stands in front of
 * libc's fsync, fdatasync and renameat, for our code and for liblmdb.
 * Threads may call; arming and reading is for one.
 */
#ifndef CONTRACT_HOSTCALLS_H
#define CONTRACT_HOSTCALLS_H

#include <errno.h>
#include <pthread.h>
#include <stdbool.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <unistd.h>

static struct {
	pthread_mutex_t lock;		/* guards all */
	char seen[64];
	size_t nseen;
	bool armed, failed;
	unsigned left;
	int os;
} hc = { .lock = PTHREAD_MUTEX_INITIALIZER };

/* Forget what was seen and armed. */
static inline void
hostcalls_reset(void)
{
	pthread_mutex_lock(&hc.lock);
	memset(hc.seen, 0, sizeof hc.seen);
	hc.nseen = 0;
	hc.armed = hc.failed = false;
	pthread_mutex_unlock(&hc.lock);
}

/* What was seen, in order: 'f' file synced, 'd' directory synced,
 * 'r' renamed; the last 63. */
static inline const char *
hostcalls_seen(void)
{
	return hc.seen;
}

/* The n-th sync from now on (0: the next) fails once with this errno. */
static inline void
hostcalls_fail_sync(unsigned n, int os)
{
	pthread_mutex_lock(&hc.lock);
	hc.armed = true;
	hc.failed = false;
	hc.left = n;
	hc.os = os;
	pthread_mutex_unlock(&hc.lock);
}

static inline bool
hostcalls_failed(void)
{
	return hc.failed;
}

static void
note(char what)
{
	if (hc.nseen == sizeof hc.seen - 1)
		memmove(hc.seen, hc.seen + 1, --hc.nseen);
	hc.seen[hc.nseen++] = what;
}

/* The errno to fail with, or 0. */
static int
sync_seen(int fd)
{
	struct stat st;
	int os = 0;

	pthread_mutex_lock(&hc.lock);
	note(fstat(fd, &st) == 0 && S_ISDIR(st.st_mode) ? 'd' : 'f');
	if (hc.armed && hc.left-- == 0) {
		hc.armed = false;
		hc.failed = true;
		os = hc.os;
	}
	pthread_mutex_unlock(&hc.lock);
	return os;
}

static int
do_sync(long call, int fd)
{
	int os = sync_seen(fd);

	if (os != 0) {
		errno = os;
		return -1;
	}
	return (int)syscall(call, fd);
}

int
fsync(int fd)
{
	return do_sync(SYS_fsync, fd);
}

int
fdatasync(int fd)
{
	return do_sync(SYS_fdatasync, fd);
}

int
renameat(int ofd, const char *old, int nfd, const char *new)
{
	pthread_mutex_lock(&hc.lock);
	note('r');
	pthread_mutex_unlock(&hc.lock);
	return (int)syscall(SYS_renameat2, ofd, old, nfd, new, 0);
}

#endif
