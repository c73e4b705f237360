/*
 * fuse_abi.h - the kernel's FUSE protocol, as much of it as we speak
 *
 * Numbers and layouts of protocol 7.31 to 7.45, in our own words, because
 * the headers of the build machine are older than what the running kernel
 * can do.  Every struct is a multiple of eight bytes; integers are the
 * host's.
 */
#ifndef FRONT_FUSE_ABI_H
#define FRONT_FUSE_ABI_H

#include <stdint.h>
#include <sys/ioctl.h>

#define FUSE_MAJOR		7
#define FUSE_MINOR		45	/* the newest we know */
#define FUSE_MINOR_MIN		31	/* Linux 5.4 */
#define FUSE_MINOR_EPOCH	44	/* Linux 6.16 */
#define FUSE_ROOT_ID		1

#define FUSE_DEV_IOC_CLONE	_IOR(229, 0, uint32_t)

/* Requests; FUSE_OP_COUNT is one past the last we know. */
enum fuse_opcode {
#define FUSE_OP(n, NAME, name, fixed, opened)	FUSE_##NAME = n,
#include "fuse_ops.def"
#undef FUSE_OP
};
#define FUSE_OP_COUNT		54

/* INIT flags; those from bit 32 up travel in flags2. */
#define FUSE_ASYNC_READ			(1ull << 0)
#define FUSE_POSIX_LOCKS		(1ull << 1)
#define FUSE_ATOMIC_O_TRUNC		(1ull << 3)
#define FUSE_EXPORT_SUPPORT		(1ull << 4)
#define FUSE_BIG_WRITES			(1ull << 5)
#define FUSE_DONT_MASK			(1ull << 6)
#define FUSE_FLOCK_LOCKS		(1ull << 10)
#define FUSE_AUTO_INVAL_DATA		(1ull << 12)
#define FUSE_DO_READDIRPLUS		(1ull << 13)
#define FUSE_READDIRPLUS_AUTO		(1ull << 14)
#define FUSE_ASYNC_DIO			(1ull << 15)
#define FUSE_PARALLEL_DIROPS		(1ull << 18)
#define FUSE_POSIX_ACL			(1ull << 20)
#define FUSE_MAX_PAGES			(1ull << 22)
#define FUSE_CACHE_SYMLINKS		(1ull << 23)
#define FUSE_EXPLICIT_INVAL_DATA	(1ull << 25)
#define FUSE_HANDLE_KILLPRIV_V2		(1ull << 28)
#define FUSE_SETXATTR_EXT		(1ull << 29)
#define FUSE_INIT_EXT			(1ull << 30)
#define FUSE_HAS_EXPIRE_ONLY		(1ull << 35)
#define FUSE_DIRECT_IO_ALLOW_MMAP	(1ull << 36)
#define FUSE_OVER_IO_URING		(1ull << 41)

/* OPEN, CREATE, OPENDIR: flags of the reply */
#define FOPEN_DIRECT_IO			(1u << 0)
#define FOPEN_KEEP_CACHE		(1u << 1)
#define FOPEN_CACHE_DIR			(1u << 3)
#define FOPEN_NOFLUSH			(1u << 5)

/* OPEN, CREATE: open_flags of the request */
#define FUSE_OPEN_KILL_SUIDGID		(1u << 0)

/* SETATTR: valid */
#define FATTR_MODE		(1u << 0)
#define FATTR_UID		(1u << 1)
#define FATTR_GID		(1u << 2)
#define FATTR_SIZE		(1u << 3)
#define FATTR_ATIME		(1u << 4)
#define FATTR_MTIME		(1u << 5)
#define FATTR_FH		(1u << 6)
#define FATTR_ATIME_NOW		(1u << 7)
#define FATTR_MTIME_NOW		(1u << 8)
#define FATTR_LOCKOWNER		(1u << 9)
#define FATTR_CTIME		(1u << 10)
#define FATTR_KILL_SUIDGID	(1u << 11)

#define FUSE_RELEASE_FLUSH		(1u << 0)
#define FUSE_RELEASE_FLOCK_UNLOCK	(1u << 1)
#define FUSE_LK_FLOCK			(1u << 0)
#define FUSE_WRITE_CACHE		(1u << 0)
#define FUSE_WRITE_KILL_SUIDGID		(1u << 2)
#define FUSE_FSYNC_FDATASYNC		(1u << 0)
#define FUSE_SETXATTR_ACL_KILL_SGID	(1u << 0)

/* Messages of our own accord: unique is 0, error is the code. */
#define FUSE_NOTIFY_INVAL_INODE		2
#define FUSE_NOTIFY_INVAL_ENTRY		3
#define FUSE_NOTIFY_INC_EPOCH		8

struct fuse_in_header {
	uint32_t len, opcode;
	uint64_t unique, nodeid;
	uint32_t uid, gid, pid;
	uint16_t total_extlen, padding;
};

struct fuse_out_header {
	uint32_t len;
	int32_t error;
	uint64_t unique;
};

struct fuse_init_in {
	uint32_t major, minor, max_readahead, flags;
	uint32_t flags2;		/* from here on with INIT_EXT */
	uint32_t unused[11];
};
#define FUSE_INIT_IN_OLD	16

struct fuse_init_out {
	uint32_t major, minor, max_readahead, flags;
	uint16_t max_background, congestion_threshold;
	uint32_t max_write, time_gran;
	uint16_t max_pages, map_alignment;
	uint32_t flags2, max_stack_depth;
	uint16_t request_timeout;
	uint16_t unused[11];
};

struct fuse_attr {
	uint64_t ino, size, blocks;
	uint64_t atime, mtime, ctime;
	uint32_t atimensec, mtimensec, ctimensec;
	uint32_t mode, nlink, uid, gid, rdev, blksize, flags;
};

struct fuse_entry_out {
	uint64_t nodeid, generation;
	uint64_t entry_valid, attr_valid;
	uint32_t entry_valid_nsec, attr_valid_nsec;
	struct fuse_attr attr;
};

struct fuse_attr_out {
	uint64_t attr_valid;
	uint32_t attr_valid_nsec, dummy;
	struct fuse_attr attr;
};

struct fuse_sx_time {
	int64_t sec;
	uint32_t nsec;
	int32_t reserved;
};

/* Laid out like the system call's, st_mode in two bytes. */
struct fuse_statx {
	uint32_t mask, blksize;
	uint64_t attributes;
	uint32_t nlink, uid, gid;
	uint16_t mode, spare0;
	uint64_t ino, size, blocks, attributes_mask;
	struct fuse_sx_time atime, btime, ctime, mtime;
	uint32_t rdev_major, rdev_minor, dev_major, dev_minor;
	uint64_t spare2[14];
};

struct fuse_statx_in {
	uint32_t getattr_flags, reserved;
	uint64_t fh;
	uint32_t sx_flags, sx_mask;
};

struct fuse_statx_out {
	uint64_t attr_valid;
	uint32_t attr_valid_nsec, flags;
	uint64_t spare[2];
	struct fuse_statx stat;
};

struct fuse_forget_in {
	uint64_t nlookup;
};

struct fuse_forget_one {
	uint64_t nodeid, nlookup;
};

struct fuse_batch_forget_in {
	uint32_t count, dummy;
};

struct fuse_getattr_in {
	uint32_t getattr_flags, dummy;
	uint64_t fh;
};

struct fuse_setattr_in {
	uint32_t valid, padding;
	uint64_t fh, size, lock_owner;
	uint64_t atime, mtime, ctime;
	uint32_t atimensec, mtimensec, ctimensec;
	uint32_t mode, unused4, uid, gid, unused5;
};

struct fuse_mknod_in {
	uint32_t mode, rdev, umask, padding;
};

struct fuse_mkdir_in {
	uint32_t mode, umask;
};

struct fuse_rename_in {
	uint64_t newdir;
};

struct fuse_rename2_in {
	uint64_t newdir;
	uint32_t flags, padding;
};

struct fuse_link_in {
	uint64_t oldnodeid;
};

struct fuse_open_in {
	uint32_t flags, open_flags;
};

struct fuse_create_in {
	uint32_t flags, mode, umask, open_flags;
};

struct fuse_open_out {
	uint64_t fh;
	uint32_t open_flags, backing_id;
};

struct fuse_release_in {
	uint64_t fh;
	uint32_t flags, release_flags;
	uint64_t lock_owner;
};

struct fuse_flush_in {
	uint64_t fh;
	uint32_t unused, padding;
	uint64_t lock_owner;
};

struct fuse_read_in {		/* READDIR and READDIRPLUS too */
	uint64_t fh, offset;
	uint32_t size, read_flags;
	uint64_t lock_owner;
	uint32_t flags, padding;
};

struct fuse_write_in {
	uint64_t fh, offset;
	uint32_t size, write_flags;
	uint64_t lock_owner;
	uint32_t flags, padding;
};

struct fuse_write_out {
	uint32_t size, padding;
};

struct fuse_statfs_out {
	uint64_t blocks, bfree, bavail, files, ffree;
	uint32_t bsize, namelen, frsize, padding, spare[6];
};

struct fuse_fsync_in {
	uint64_t fh;
	uint32_t fsync_flags, padding;
};

struct fuse_setxattr_in {
	uint32_t size, flags;
	uint32_t setxattr_flags, padding;	/* with SETXATTR_EXT */
};
#define FUSE_SETXATTR_IN_OLD	8

struct fuse_getxattr_in {
	uint32_t size, padding;
};

struct fuse_getxattr_out {
	uint32_t size, padding;
};

struct fuse_file_lock {
	uint64_t start, end;
	uint32_t type, pid;
};

struct fuse_lk_in {
	uint64_t fh, owner;
	struct fuse_file_lock lk;
	uint32_t lk_flags, padding;
};

struct fuse_lk_out {
	struct fuse_file_lock lk;
};

struct fuse_access_in {
	uint32_t mask, padding;
};

struct fuse_interrupt_in {
	uint64_t unique;
};

struct fuse_fallocate_in {
	uint64_t fh, offset, length;
	uint32_t mode, padding;
};

struct fuse_lseek_in {
	uint64_t fh, offset;
	uint32_t whence, padding;
};

struct fuse_lseek_out {
	uint64_t offset;
};

struct fuse_copy_file_range_in {
	uint64_t fh_in, off_in;
	uint64_t nodeid_out, fh_out, off_out;
	uint64_t len, flags;
};

struct fuse_copy_file_range_out {
	uint64_t bytes_copied;
};

struct fuse_dirent {
	uint64_t ino, off;
	uint32_t namelen, type;
	char name[];
};

/* READDIRPLUS puts a fuse_entry_out before each of them. */
#define FUSE_DIRENT_SIZE(namelen) \
	((sizeof(struct fuse_dirent) + (namelen) + 7) & ~(size_t)7)

struct fuse_notify_inval_inode_out {
	uint64_t ino;
	int64_t off, len;
};

struct fuse_notify_inval_entry_out {
	uint64_t parent;
	uint32_t namelen, flags;
};

#endif
