/*
 * types.h - the words that every part of vfsd shares
 *
 * Plain C11: no I/O, no allocation.  Ids and sequence numbers are
 * one-member structs so that the compiler tells them apart.
 */
#ifndef VFS_TYPES_H
#define VFS_TYPES_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/* An object.  0 is invalid, 1 the root, 2 to 15 reserved; never reused. */
struct vfs_id {
	uint64_t n;
};

/* A position in the one history of the store: commit sequence number. */
struct vfs_seq {
	uint64_t n;
};

#define VFS_ID_ROOT	1
#define VFS_ID_FIRST	16	/* the first id that is handed out */

/* Bytes that belong to somebody else. */
struct vfs_slice {
	const void *p;
	size_t n;
};

/* Time as the kernel has it; nsec is below 1,000,000,000. */
struct vfs_time {
	int64_t sec;
	uint32_t nsec;
};

/* File types: the upper four bits of st_mode, shifted down (DT_*). */
enum vfs_type {
	VFS_FIFO = 1,
	VFS_CHR = 2,
	VFS_DIR = 4,
	VFS_BLK = 6,
	VFS_REG = 8,
	VFS_LNK = 10,
	VFS_SOCK = 12,
};

#define VFS_MODE_TYPE(mode)	((enum vfs_type)(((mode) >> 12) & 15))
#define VFS_TYPE_MODE(type)	((uint32_t)(type) << 12)
#define VFS_MODE_PERM		07777u

/* What stat(2) wants to know.  mode has the type bits. */
struct vfs_attr {
	struct vfs_id id;
	struct vfs_id parent;		/* of directories: ".."; else a hint */
	uint32_t mode, nlink, uid, gid;
	uint32_t rdev_major, rdev_minor;
	uint64_t size;
	uint64_t alloc;			/* bytes of storage */
	struct vfs_time atime, mtime, ctime, btime;
	uint64_t data_version, meta_version;
};

#endif
