/*
 * fd.h - a backend's one file: whole reads and writes, syncs that latch
 */
#ifndef BE_FILE_FD_H
#define BE_FILE_FD_H

#include <pthread.h>

#include "../backends.h"

/* Opens name; where it is missing and create, make(dirfd, arg) makes it.
 * A descriptor or a negative vfs_err. */
int fd_open(int dirfd, const char *name, bool create, bool rdonly,
    int (*make)(int dirfd, uint64_t arg), uint64_t arg);

/* All n bytes at off.  Reading: *got is less at the file's end. */
int fd_read(int fd, uint64_t off, void *p, size_t n, size_t *got);
int fd_write(int fd, uint64_t off, const void *p, size_t n);

/*
 * Syncs of one descriptor, kept apart: Linux tells of a lost page once
 * per descriptor, so of two at once the wrong one might hear of it.  The
 * first failure is every later one's: the kernel forgets what it lost.
 */
struct fd_latch {
	pthread_mutex_t lock;		/* guards failed */
	int failed;
};

/* The caller holds the lock. */
int fd_sync_locked(int fd, struct fd_latch *l);
int fd_sync(int fd, struct fd_latch *l);

#endif
