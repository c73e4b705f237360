/*
 * store.h - what a row backend must provide
 *
 * A store is a durable ordered map from byte strings to byte strings,
 * ordered as memcmp orders, shorter first.  Keys have 1 to VFS_KEY_MAX
 * bytes, values any number.  It knows nothing of files.
 * What changed since the last batch lives in the engine's tables and
 * log, not here.
 *
 * Threads:   apply and reserve from one thread at a time; any number of
 *            snapshots (at most STORE_SNAPS_MAX at once), each used by
 *            one thread at a time, beside an apply.
 * Lifetime:  what get and the cursor lend is good until the snapshot
 *            ends (the mem store spoils it then, on purpose).
 * Failure:   0 or a negative vfs_err; a failed apply has changed
 *            nothing, and what it wrote may not be retried.
 */
#ifndef BACKENDS_STORE_H
#define BACKENDS_STORE_H

#include <string.h>

#include "../protocol/err.h"
#include "../protocol/types.h"

#define STORE_BATCH_MAX	30000u	/* rows of one apply */
#define STORE_SNAPS_MAX	120u

/* The order of keys. */
static inline int
store_key_cmp(struct vfs_slice a, struct vfs_slice b)
{
	int c = memcmp(a.p, b.p, a.n < b.n ? a.n : b.n);

	return c ? c : (a.n > b.n) - (a.n < b.n);
}

/* One change: val.p == NULL deletes (deleting what is absent is fine). */
struct store_row {
	struct vfs_slice key, val;
};

/* Rows sorted by key, each key once. */
struct store_batch {
	const struct store_row *rows;
	size_t nrows;
};

struct store_usage {
	uint64_t bytes_file;	/* size of what is on the host's disk */
	uint64_t bytes_used;	/* of these, holding rows */
	uint64_t rows;
};

/* Who a scan tells; what it lends is good until the call returns. */
struct store_scan {
	void *arg;
	/* A row, in order.  false: the scan ends with -VFS_CANCELLED. */
	bool (*row)(void *arg, struct vfs_slice key, struct vfs_slice val);
	/*
	 * Something is damaged, and rows between two keys (the first
	 * included; empty: from the beginning, to the end) are not told,
	 * if there were any.  why is the rest of a sentence.
	 */
	void (*lost)(void *arg, struct vfs_slice from, struct vfs_slice to,
	    const char *why);
};

typedef struct vfs_slice store_anew(void *arg, struct vfs_slice key,
    struct vfs_slice val);

struct store_ops {
	const char *name;

	/*
	 * Open the store in the directory dirfd; where there is none,
	 * make one if create, else -VFS_NOENT.  A creation is all or
	 * nothing and durable, directory entry included, on return.
	 * rdonly: never write, not even a lock file.  Keeps no reference
	 * to dirfd after it returns.
	 */
	int (*open)(int dirfd, bool create, bool rdonly, void **self);
	void (*close)(void *self);

	/*
	 * Put one sorted batch durably: all or nothing, through any crash.
	 * A failure to write or sync is final: every later apply returns it
	 * too.  -VFS_NOSPC and -VFS_NOMEM are not, nor -VFS_INVAL for
	 * what breaks a limit.
	 */
	int (*apply)(void *self, const struct store_batch *b);

	/*
	 * Promise room for an apply that may dirty this many bytes, or
	 * -VFS_NOSPC.  -VFS_UNSUPPORTED where the host cannot promise.
	 * A few MiB of the last promise outlive close, so that whoever
	 * opens on a full disk can make room.
	 */
	int (*reserve)(void *self, uint64_t bytes);

	/* -VFS_BUSY past STORE_SNAPS_MAX. */
	int (*snap_begin)(void *self, void **snap);
	void (*snap_end)(void *snap);

	/* -VFS_NOENT where there is none. */
	int (*get)(void *snap, struct vfs_slice key, struct vfs_slice *val);

	/*
	 * A cursor belongs to its snapshot and is closed before it.
	 * seek stands on the first key >= the given one (an empty one
	 * precedes all), next on the one after; both lend key and val, or
	 * -VFS_NOENT at the end, where next stays, and before any seek.
	 */
	int (*cur_open)(void *snap, void **cur);
	int (*cur_seek)(void *cur, struct vfs_slice at,
	    struct vfs_slice *key, struct vfs_slice *val);
	int (*cur_next)(void *cur,
	    struct vfs_slice *key, struct vfs_slice *val);
	void (*cur_close)(void *cur);

	int (*usage)(void *self, struct store_usage *out);

	/*
	 * Read every row of a snapshot of its own without believing in
	 * how the store keeps them: damage is told and passed over.
	 */
	int (*scan)(void *self, const struct store_scan *to);

	/*
	 * Make the store in dirfd, which nobody has open, anew from what a
	 * scan reaches.  What it was stays beside it, as *kept (static);
	 * -VFS_EXIST if one is kept already.  anew, with to's arg, says what
	 * value a row gets there (lent until the next call; p NULL: it is
	 * left out); NULL: its own.  NULL: there is no such need.
	 */
	int (*rebuild)(int dirfd, const struct store_scan *to,
	    store_anew *anew, const char **kept);
};

#endif
