/*
 * vfs_file.h - objects: their content, attributes and locks
 *
 * id is an id or a handle.  tx is a transaction, or NULL: then each call
 * is one by itself.  Offsets and lengths are bytes, up to VFS_FILE_MAX.
 * Where attr or another out-parameter may be NULL it is not wanted.
 *
 * Errors that every call may return: -VFS_NO_SUCH_ID, -VFS_GONE,
 * -VFS_BAD_HANDLE of ids; -VFS_ACCESS, -VFS_PERM of rights and modes;
 * -VFS_DEADLINE, -VFS_SESSION_CLOSED, -VFS_REVOKED, -VFS_EXPIRED,
 * -VFS_MALFORMED of the connection; -VFS_IO, -VFS_CORRUPT, -VFS_ROFS,
 * -VFS_NOSPC of the store; -VFS_ABORTED, -VFS_TX_UNKNOWN, -VFS_TX_LIMIT
 * of tx.  Those that a call is known by are named with it; they are the
 * ones of the POSIX function that it is named after, as in err.h.
 */
#ifndef VFS_FILE_H
#define VFS_FILE_H

#ifndef VFS_H
#error "include vfs.h"
#endif

#ifdef __cplusplus
extern "C" {
#endif

/* --- opening --------------------------------------------------------------- */

/*
 * A handle: checks once, keeps the object while it is open, with names or
 * without.  flags: VFS_OPEN_READ, WRITE, EXEC, TRUNC.  What was written
 * through it is published when it is closed.  Inside of a transaction
 * *handle may be id itself, which vfs_close leaves alone.
 */
int vfs_open(struct vfs *v, struct vfs_tx *tx, struct vfs_id id,
    uint32_t flags, struct vfs_id *handle, struct vfs_attr *attr);

/* The same of what a path names, from directory dir on; see vfs_resolve
 * for the path and at.  VFS_O_CREATE makes a regular file with mode if
 * there is none, VFS_O_EXCL insists on that (POSIX open, O_CREAT). */
#define VFS_O_CREATE	(1u << 16)
#define VFS_O_EXCL	(1u << 17)
int vfs_open_path(struct vfs *v, struct vfs_tx *tx, struct vfs_id dir,
    const char *path, uint32_t flags, uint32_t mode, unsigned at,
    struct vfs_id *handle, struct vfs_attr *attr);

/* A handle with no more than these rights (rights.h; 0: all there are),
 * for any id that exists, after restarts too. */
int vfs_open_id(struct vfs *v, struct vfs_id id, uint32_t rights,
    struct vfs_id *handle, struct vfs_attr *attr);

/* Another handle of the same object, with no more than these rights. */
int vfs_dup(struct vfs *v, struct vfs_id handle, uint32_t rights,
    struct vfs_id *out);

/* The handle is gone whatever this returns. */
int vfs_close(struct vfs *v, struct vfs_id handle);
int vfs_close_batch(struct vfs *v, const struct vfs_id *handles, size_t n);

/* --- content ----------------------------------------------------------------- */

/*
 * Reads n bytes from off on, in as many requests as that takes (POSIX
 * pread): how many there were, less than n at the end of the file only.
 * Each request (VFS_IO_MAX bytes at most) sees one state of the file;
 * inside of a transaction all do.
 */
int64_t vfs_read(struct vfs *v, struct vfs_tx *tx, struct vfs_id id,
    uint64_t off, void *p, size_t n);

/*
 * Writes n bytes at off: 0 if all of them are written (POSIX pwrite, but
 * never short).  Up to write_atomic_max of vfs_peer they appear at once;
 * more is written piece by piece: put it into a transaction.
 */
int vfs_write(struct vfs *v, struct vfs_tx *tx, struct vfs_id id,
    uint64_t off, const void *p, size_t n);

/* At the end of the file, in one piece: where it was is in *off.
 * -VFS_TOO_BIG beyond write_atomic_max. */
int vfs_append(struct vfs *v, struct vfs_tx *tx, struct vfs_id id,
    const void *p, size_t n, uint64_t *off);

/* Several ranges at once, of any files; count is what to read, n what was
 * read, err 0 or a negative vfs_err.  One message, or as few as fit. */
struct vfs_range {
	struct vfs_id id;
	uint64_t off;
	void *p;
	uint32_t count;		/* up to VFS_IO_MAX */
	uint32_t n;
	int err;
};
int vfs_read_batch(struct vfs *v, struct vfs_tx *tx, struct vfs_range *ranges,
    size_t n);

int vfs_truncate(struct vfs *v, struct vfs_tx *tx, struct vfs_id id,
    uint64_t size);
/* flags: VFS_ALLOC_KEEP_SIZE, PUNCH, ZERO (fallocate). */
int vfs_allocate(struct vfs *v, struct vfs_tx *tx, struct vfs_id id,
    uint64_t off, uint64_t len, uint32_t flags);
/* By reference where blocks meet: how many bytes were copied, less than
 * len at the end of src only. */
int64_t vfs_copy_range(struct vfs *v, struct vfs_tx *tx, struct vfs_id src,
    uint64_t src_off, struct vfs_id dst, uint64_t dst_off, uint64_t len);
/* The next data or hole from off on (POSIX lseek, SEEK_DATA, SEEK_HOLE);
 * -VFS_NXIO: there is none. */
int vfs_seek_data(struct vfs *v, struct vfs_tx *tx, struct vfs_id id,
    uint64_t off, uint64_t *out);
int vfs_seek_hole(struct vfs *v, struct vfs_tx *tx, struct vfs_id id,
    uint64_t off, uint64_t *out);

/* All that is published so far is on stable media, and of id the bytes
 * too, when this returns; *seq is the position up to which (may be NULL).
 * data_only: fdatasync. */
int vfs_sync(struct vfs *v, struct vfs_id id, bool data_only,
    struct vfs_seq *seq);
/* Until history has come to seq: VFS_WAIT_VISIBLE, VFS_WAIT_STABLE. */
int vfs_wait(struct vfs *v, struct vfs_seq seq, uint32_t level);

/* Where the bytes are; flags and place as the daemon tells them.  How many
 * there are, up to cap; *next is where to go on, 0 at the end. */
#define VFS_EXTENT_UNWRITTEN	1u
#define VFS_EXTENT_SHARED	2u
#define VFS_EXTENT_INLINE	4u
struct vfs_extent {
	uint64_t off, len, place;
	uint32_t flags;
};
int64_t vfs_map_extents(struct vfs *v, struct vfs_id id, uint64_t off,
    uint64_t len, struct vfs_extent *out, size_t cap, uint64_t *next);

/* A hash of the content (VFS_HASH_*) in out; how many bytes it has.
 * *version is the data version that was hashed. */
int64_t vfs_hash(struct vfs *v, struct vfs_id id, uint32_t alg, void *out,
    size_t cap, uint64_t *version);

/* --- attributes --------------------------------------------------------------- */

int vfs_stat(struct vfs *v, struct vfs_tx *tx, struct vfs_id id,
    struct vfs_attr *attr);

/* Many at once.  want: VFS_WANT_STAT, or VFS_WANT_BRIEF for id, mode,
 * nlink, size and versions only.  Each message, of 1,024 at most, sees one
 * state of the store. */
struct vfs_found {
	int err;		/* 0 or a negative vfs_err */
	struct vfs_attr attr;
};
int vfs_stat_batch(struct vfs *v, struct vfs_tx *tx,
    const struct vfs_id *ids, size_t n, uint32_t want,
    struct vfs_found *out);

/* What q->valid says (VFS_SET_*), all or nothing. */
int vfs_setattr(struct vfs *v, struct vfs_tx *tx,
    const struct vfs_setattr *q, struct vfs_attr *attr);
int vfs_chmod(struct vfs *v, struct vfs_tx *tx, struct vfs_id id,
    uint32_t mode);
/* VFS_KEEP leaves one as it is. */
#define VFS_KEEP	UINT32_MAX
int vfs_chown(struct vfs *v, struct vfs_tx *tx, struct vfs_id id,
    uint32_t uid, uint32_t gid);
/* NULL: now (POSIX futimens). */
int vfs_utimens(struct vfs *v, struct vfs_tx *tx, struct vfs_id id,
    const struct vfs_time *atime, const struct vfs_time *mtime);
/* 0 if all of mask (VFS_MAY_*) is allowed, else -VFS_ACCESS. */
int vfs_access(struct vfs *v, struct vfs_tx *tx, struct vfs_id id,
    uint32_t mask);
int vfs_statfs(struct vfs *v, struct vfs_id id, struct vfs_statfs_reply *out);

/*
 * Extended attributes; names as the kernel has them ("user.x").  get and
 * list return the length; with cap 0 only that; -VFS_RANGE if cap is too
 * small, -VFS_NOXATTR.  A list is names, each with its NUL.
 * flags: VFS_XATTR_CREATE, VFS_XATTR_REPLACE.
 */
int64_t vfs_getxattr(struct vfs *v, struct vfs_tx *tx, struct vfs_id id,
    const char *name, void *p, size_t cap);
int vfs_setxattr(struct vfs *v, struct vfs_tx *tx, struct vfs_id id,
    const char *name, const void *p, size_t n, uint32_t flags);
int64_t vfs_listxattr(struct vfs *v, struct vfs_tx *tx, struct vfs_id id,
    char *p, size_t cap);
int vfs_removexattr(struct vfs *v, struct vfs_tx *tx, struct vfs_id id,
    const char *name);

/* --- locks --------------------------------------------------------------------- */

/*
 * Advisory locks, of owner (any number, the caller's choice) within this
 * session.  type: VFS_LOCK_SHARED, EXCLUSIVE, NONE; len 0: to the end.
 * flags: VFS_LOCK_WAIT, VFS_LOCK_WHOLE.  -VFS_LOCKED: held by another;
 * -VFS_DEADLK.  They go with the handle, or the session.
 */
int vfs_lock(struct vfs *v, struct vfs_id id, uint64_t owner,
    uint64_t start, uint64_t len, uint32_t type, uint32_t flags);
/* Who would be in the way; type VFS_LOCK_NONE: nobody. */
int vfs_lock_test(struct vfs *v, struct vfs_id id, uint64_t owner,
    uint64_t start, uint64_t len, uint32_t type, uint32_t flags,
    struct vfs_lock_test_reply *out);

#ifdef __cplusplus
}
#endif

#endif
