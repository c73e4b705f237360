/*
 * real.h - the calls behind the wraps, and the wraps themselves
 */
#ifndef CRASH_REAL_H
#define CRASH_REAL_H

#include <pthread.h>
#include <stdint.h>
#include <sys/types.h>
#include <sys/uio.h>
#include <time.h>

#define WRAPPED(type, name, ...) \
	type __real_##name(__VA_ARGS__); \
	type __wrap_##name(__VA_ARGS__)

WRAPPED(int, open, const char *, int, ...);
WRAPPED(int, openat, int, const char *, int, ...);
WRAPPED(int, close, int);
WRAPPED(int, dup, int);
WRAPPED(int, fcntl, int, int, ...);
WRAPPED(ssize_t, pwrite, int, const void *, size_t, off_t);
WRAPPED(ssize_t, pwritev, int, const struct iovec *, int, off_t);
WRAPPED(ssize_t, write, int, const void *, size_t);
WRAPPED(ssize_t, writev, int, const struct iovec *, int);
WRAPPED(ssize_t, pread, int, void *, size_t, off_t);
WRAPPED(int, ftruncate, int, off_t);
WRAPPED(int, fallocate, int, int, off_t, off_t);
WRAPPED(int, posix_fallocate, int, off_t, off_t);
WRAPPED(int, fsync, int);
WRAPPED(int, fdatasync, int);
WRAPPED(int, sync_file_range, int, off_t, off_t, unsigned);
WRAPPED(int, msync, void *, size_t, int);
WRAPPED(int, unlink, const char *);
WRAPPED(int, unlinkat, int, const char *, int);
WRAPPED(int, rename, const char *, const char *);
WRAPPED(int, renameat, int, const char *, int, const char *);
WRAPPED(int, mkdir, const char *, mode_t);
WRAPPED(int, mkdirat, int, const char *, mode_t);
WRAPPED(void *, mmap, void *, size_t, int, int, int, off_t);
WRAPPED(int, munmap, void *, size_t);
WRAPPED(int, nanosleep, const struct timespec *, struct timespec *);
WRAPPED(int, clock_nanosleep, clockid_t, int, const struct timespec *,
    struct timespec *);
WRAPPED(int, clock_gettime, clockid_t, struct timespec *);
WRAPPED(int, pthread_create, pthread_t *, const pthread_attr_t *,
    void *(*)(void *), void *);
WRAPPED(int, pthread_join, pthread_t, void **);
WRAPPED(int, usleep, useconds_t);
WRAPPED(ssize_t, getrandom, void *, size_t, unsigned);
#undef WRAPPED

struct disk;
/* A directory descriptor that the wraps shall know. */
int wrap_adopt_dir(struct disk *d, int fd);
void wrap_random_seed(uint64_t seed);

#endif
