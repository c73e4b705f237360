/*
 * proto.h - requests and replies, as every part of vfsd has them
 *
 * struct vfs_link { struct vfs_id dir; ... } and struct vfs_link_reply come
 * from ops.def.  Fronts fill the first from their own wire form and put
 * the second back into it; the core understands nothing else.
 */
#ifndef VFS_PROTO_H
#define VFS_PROTO_H

#include "err.h"
#include "limits.h"
#include "rights.h"
#include "types.h"

/*
 * What an id field of a request may hold on the wire: an id; a handle of
 * the session (it pins the object, and its rights hold); inside a
 * transaction, the result of an earlier operation (VFS_TX_RESULT, tx.h).
 * A handle is VFS_HANDLE | generation << 22 | slot, never given twice.
 */
#define VFS_HANDLE		(1ull << 62)
#define VFS_HANDLE_SLOT_BITS	22u

enum vfs_op {
	VFS_OP_NONE,
#define OP(n, NAME, name, mode, lock, req, rep) VFS_OP_##NAME,
#include "ops.def"
#undef OP
	VFS_OP_COUNT	/* dense, for tables; the wire's numbers differ */
};

/* Room that the caller lends for a reply's bytes; n is set.  Operations
 * on xattrs with cap == 0 only say how much there is. */
struct vfs_buf {
	void *p;
	size_t cap, n;
};

/* One name of a directory (or of an object, for PATHS_OF). */
struct vfs_dirent {
	struct vfs_id id, dir;
	uint64_t cookie;		/* continue after this entry */
	enum vfs_type type;
	struct vfs_slice name;		/* good during the call only */
	const struct vfs_attr *attr;	/* NULL unless wanted */
};

/* Takes entries one at a time; add returns false when it has no room
 * (that entry was not taken and comes first next time). */
struct vfs_sink {
	bool (*add)(void *arg, const struct vfs_dirent *e);
	void *arg;
};

/* CHECK actions, flags and states */
#define VFS_CHECK_START		1u
#define VFS_CHECK_POLL		2u	/* findings from number after on */
#define VFS_CHECK_STOP		3u
#define VFS_CHECK_DATA		1u	/* flag: read all file bytes too */
#define VFS_CHECK_IDLE		0u
#define VFS_CHECK_RUNNING	1u
#define VFS_CHECK_DONE		2u	/* result: 0 or a vfs_err */

/* CREATE flags */
#define VFS_CREATE_EXCL		1u	/* -VFS_EXIST if there is one */
#define VFS_CREATE_TRUNC	2u	/* created == 0: OPEN it with TRUNC next,
					 * under its lock; CREATE does not cut */

#define VFS_CREATE_OPEN		4u	/* wire: a handle too */

/* ATTACH flags; its reply's say whether uid and gid mean something */
#define VFS_ATTACH_NEW		1u	/* one more session of this connection */
#define VFS_ATTACH_CRED		1u	/* reply: the session is a user's */

/* CANCEL states */
#define VFS_CANCEL_UNKNOWN	0u	/* answered long ago, or never seen */
#define VFS_CANCEL_DONE		1u	/* its reply says CANCELLED: no effect */
#define VFS_CANCEL_TOO_LATE	2u	/* it runs, or ran: its reply tells */

/* DERIVE and GRANT flags */
#define VFS_GRANT_CRED		1u	/* GRANT: acts as uid and gid */

/* SESSIONS flags */
#define VFS_SESSIONS_AUDIT	1u	/* what was denied, as fault records */

/* GRANT_MAP flags */
#define VFS_GRANT_WRITE		1u	/* the daemon may write to the region */

/* WALK, OPEN_ID flags */
#define VFS_WALK_OPEN		1u	/* a handle of what was found */

/* LOOKUP_BATCH, STAT_BATCH want */
#define VFS_WANT_STAT		0u	/* stat records */
#define VFS_WANT_BRIEF		1u	/* brief records */

/* UNLINK flags; expect.n != 0 also asks for that very object */
#define VFS_UNLINK_FILE		1u
#define VFS_UNLINK_DIR		2u

/* RENAME and TREE_PUBLISH flags; expect and expect2, unless 0, ask for
 * those very objects at name and name2 */
#define VFS_RENAME_NOREPLACE	1u
#define VFS_RENAME_EXCHANGE	2u

/* TREE_PUBLISH: without a flag, name2 must be free or is replaced as by
 * RENAME; with this whatever has the name is taken away in the same step */
#define VFS_TREE_REPLACE	4u

/* SETATTR valid */
#define VFS_SET_MODE		(1u << 0)
#define VFS_SET_UID		(1u << 1)
#define VFS_SET_GID		(1u << 2)
#define VFS_SET_SIZE		(1u << 3)
#define VFS_SET_ATIME		(1u << 4)
#define VFS_SET_MTIME		(1u << 5)
#define VFS_SET_ATIME_NOW	(1u << 6)
#define VFS_SET_MTIME_NOW	(1u << 7)
#define VFS_SET_KILL_SUIDGID	(1u << 8)	/* clear set-id bits, caps */

/* ACCESS mask and granted, as access(2) */
#define VFS_MAY_EXEC		1u
#define VFS_MAY_WRITE		2u
#define VFS_MAY_READ		4u

/* DIR_READ want */
#define VFS_WANT_ATTR		1u

/* OPEN flags */
#define VFS_OPEN_READ		1u
#define VFS_OPEN_WRITE		2u
#define VFS_OPEN_TRUNC		4u	/* the cut is part of the draft */
#define VFS_OPEN_EXEC		8u
#define VFS_OPEN_ATIME		16u	/* atime is due (relatime decides) */
#define VFS_OPEN_KILL_SUIDGID	32u

/* WRITE flags */
#define VFS_WRITE_APPEND	1u	/* at the end, whatever off says */
#define VFS_WRITE_KILL_SUIDGID	2u	/* and capabilities */
#define VFS_WRITE_KILL_CAPS	4u	/* capabilities only */

/* ALLOCATE flags */
#define VFS_ALLOC_KEEP_SIZE	1u
#define VFS_ALLOC_PUNCH		2u
#define VFS_ALLOC_ZERO		4u
#define VFS_ALLOC_KILL_SUIDGID	8u

/* XATTR_SET flags */
#define VFS_XATTR_CREATE	1u
#define VFS_XATTR_REPLACE	2u
#define VFS_XATTR_KILL_SGID	4u	/* an ACL was set by a non-member */

/* SEEK whence */
#define VFS_SEEK_DATA		1u
#define VFS_SEEK_HOLE		2u

/* RECLAIM, reclaimed: it is a directory with entries */
#define VFS_RECLAIM_TREE	2u

/* SYNC flags */
#define VFS_SYNC_DATA		1u	/* fdatasync: size and bytes only */

/* HASH algorithms */
#define VFS_HASH_SHA256		2u
#define VFS_HASH_XXH3_128	3u

/* LOCK and LOCK_TEST: type, flags.  len 0: to the end of the file */
#define VFS_LOCK_SHARED		1u
#define VFS_LOCK_EXCLUSIVE	2u
#define VFS_LOCK_NONE		3u	/* unlock; TEST: nobody is in the way */
#define VFS_LOCK_WAIT		1u	/* flag: wait for it; CANCEL ends that */
#define VFS_LOCK_WHOLE		2u	/* flag: flock's, not fcntl's */

/* WAIT levels */
#define VFS_WAIT_VISIBLE	0u
#define VFS_WAIT_STABLE		1u	/* on stable media */

/* JOURNAL_READ flags.  mask: 1 << kind, 0 for all (records.h) */
#define VFS_JOURNAL_COLLAPSE	1u	/* one record an object where that
					 * tells the same */

/* --- transactions; tx.h has their lists -------------------------------- */

#define VFS_TX_RESULT	(1ull << 63)	/* | index of the operation */

/* Cookies and versions that only a transaction has seen so far are at or
 * above this. */
#define VFS_TX_PROVISIONAL	(1ull << 61)

#define VFS_TX_ID_BYTES	16u		/* of tx_id; all zero or empty: none */

/* durability */
/* TX_ADD: it may be run by the commit; until then nothing is known. */
#define VFS_TX_LATER	1u

#define VFS_TX_VISIBLE	0u		/* safe against kill -9 */
#define VFS_TX_STABLE	1u		/* on stable media */

/* TX_STATUS states */
#define VFS_TX_NEVER_SEEN	0u
#define VFS_TX_COMMITTED	1u
#define VFS_TX_ABORTED		2u	/* nothing of it happened */

enum vfs_tx_pre_kind {
	VFS_PRE_ID_VERSION = 1,		/* id; a, b: data, meta; 0: any */
	VFS_PRE_NAME_IS = 2,		/* id: directory, name, id2 */
	VFS_PRE_NAME_ABSENT = 3,	/* id: directory, name */
	VFS_PRE_HASH_IS = 4,		/* id; a: algorithm, name: hash */
	VFS_PRE_DIR_VERSION = 5,	/* id; a: data version */
	VFS_PRE_JOURNAL_AT_MOST = 6,	/* id: subtree; a: sequence number */
};

/* What a kind does not use is zero. */
struct vfs_tx_pre {
	uint32_t kind;
	struct vfs_id id, id2;
	uint64_t a, b;
	struct vfs_slice name;
};

#define REQ(...)	__VA_ARGS__
#define REP(...)	__VA_ARGS__
#define ID(f)		struct vfs_id f;
#define U32(f)		uint32_t f;
#define U64(f)		uint64_t f;
#define TIME(f)		struct vfs_time f;
#define ATTR(f)		struct vfs_attr f;
#define NAME(f)		struct vfs_slice f;
#define BYTES(f)	struct vfs_slice f;
#define BUF(f)		struct vfs_buf f;
#define SINK(f)		struct vfs_sink f;
#define OP(n, N, name, mode, lock, req, rep) \
	struct vfs_##name { req }; \
	struct vfs_##name##_reply { rep };
#include "ops.def"
#undef OP
#undef REQ
#undef REP
#undef ID
#undef U32
#undef U64
#undef TIME
#undef ATTR
#undef NAME
#undef BYTES
#undef BUF
#undef SINK

#endif
