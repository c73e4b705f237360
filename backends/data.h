/*
 * data.h - what a file-bytes backend must provide
 *
 * One space of bytes, addressed by offset, in units of VFS_BLOCK.  Who
 * owns which block, and its checksum, is the engine's business.
 *
 * Threads:   everything from any thread at any time; the caller keeps
 *            writes to the same bytes apart.
 * Failure:   0 or a negative vfs_err; short transfers do not exist: a
 *            read past what was ever written gives zeroes.
 */
#ifndef BACKENDS_DATA_H
#define BACKENDS_DATA_H

#include "../protocol/err.h"
#include "../protocol/types.h"

struct data_iov {
	void *p;
	size_t n;
};

struct data_ops {
	const char *name;

	/* Where there is none: make one, durably, if create; -VFS_NOENT. */
	int (*open)(int dirfd, bool create, bool rdonly, void **self);
	void (*close)(void *self);

	int (*read)(void *self, uint64_t off, void *p, size_t n);
	int (*write)(void *self, uint64_t off, const void *p, size_t n);

	/* Begin writing a range to the disk; a hint, never waits. */
	void (*writeback)(void *self, uint64_t off, uint64_t n);

	/* Every write that returned before the call is on stable media;
	 * after a failure every later sync returns the same error. */
	int (*sync)(void *self);

	/*
	 * Promise room for a range: later writes there do not fail for
	 * lack of space.  -VFS_NOSPC if there is none, -VFS_UNSUPPORTED
	 * where the host cannot promise.
	 */
	int (*reserve)(void *self, uint64_t off, uint64_t n);

	/* Give a range back to the host; it reads as zeroes afterwards.
	 * -VFS_UNSUPPORTED where the host cannot. */
	int (*discard)(void *self, uint64_t off, uint64_t n);

	/* What the host has free, and its size, in bytes. */
	int (*room)(void *self, uint64_t *free, uint64_t *total);
};

#endif
