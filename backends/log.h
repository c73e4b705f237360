/*
 * log.h - what a history backend must provide
 *
 * A log is a ring of bytes of fixed size that is written in order and
 * read back after a stop.  A position is a byte count since the store's
 * creation and only grows; the byte at position p lives at p % size.
 * What a record is, and which checksum it has, is the engine's business
 * (vfsd/engine/redo.c): a backend moves bytes.
 *
 * It also keeps one small header (LOG_HEAD_MAX bytes, opaque to it) that
 * is replaced atomically and durably: the marks of promised ids and
 * sequence numbers and the host's boot id live there.
 *
 * Threads:   append from one thread at a time, sync from any thread,
 *            beside it; head_put from one thread at a time.
 * Failure:   0 or a negative vfs_err.  A failed sync is never retried:
 *            every later sync and head_put returns the same error.
 *            -VFS_INVAL for what breaks a limit.
 */
#ifndef BACKENDS_LOG_H
#define BACKENDS_LOG_H

#include "../protocol/err.h"
#include "../protocol/types.h"

#define LOG_SIZE_MIN	(1u << 20)
#define LOG_HEAD_MAX	480u

struct log_ops {
	const char *name;

	/*
	 * Open the ring in dirfd; where there is none, make one of size
	 * bytes (a multiple of 4096) if create, else -VFS_NOENT.  size
	 * means nothing to one that exists.  A creation is all or nothing,
	 * every byte written (as zero), durable on return.
	 */
	int (*open)(int dirfd, bool create, bool rdonly, uint64_t size,
	    void **self);
	void (*close)(void *self);
	uint64_t (*size)(void *self);

	/*
	 * Copy n bytes (at most a quarter of the ring) to position pos,
	 * around the end where it falls there.  When it returns they
	 * survive the death of this process, not yet a power cut.
	 */
	int (*append)(void *self, uint64_t pos, const void *p, size_t n);

	/* Everything appended before the call is on stable media. */
	int (*sync)(void *self);

	/* Read n bytes from position pos, for recovery. */
	int (*read)(void *self, uint64_t pos, void *p, size_t n);

	/* Replace, or read, the header; put is durable on return (and
	 * says nothing of appends).  get: -VFS_NOENT if never put,
	 * -VFS_CORRUPT if no copy checks. */
	int (*head_put)(void *self, const void *p, size_t n);
	int (*head_get)(void *self, void *p, size_t cap, size_t *n);

	/*
	 * Make the log in dirfd, which nobody has open, anew, because open or
	 * head_get say that it is not whole, or there is none: with what can
	 * be read of its ring where that lay, zeroes elsewhere, and this header.
	 * size is that of the ring if the old log does not tell.  What it was
	 * stays beside it, as *kept (static; NULL: there was none);
	 * -VFS_EXIST if one is kept already.  All or nothing, durable on
	 * return.  NULL: there is no such need.
	 */
	int (*anew)(int dirfd, uint64_t size, const void *head, size_t n,
	    const char **kept);
};

#endif
