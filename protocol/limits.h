/*
 * limits.h - every named limit, in one place
 *
 * Tested at the limit and one past it; reported to clients in HELLO.
 */
#ifndef VFS_LIMITS_H
#define VFS_LIMITS_H

#define VFS_NAME_MAX		255u		/* bytes of one name */
#define VFS_SYMLINK_MAX		4095u		/* bytes of a link's target */
#define VFS_LINK_MAX		65000u		/* names of one object */
#define VFS_XATTR_NAME_MAX	255u
#define VFS_XATTR_SIZE_MAX	65536u		/* one value */
#define VFS_XATTR_LIST_MAX	65536u		/* all names of an object */
#define VFS_ACL_MAX		512u		/* entries of one ACL */
#define VFS_FILE_MAX		INT64_MAX	/* largest offset */
#define VFS_IO_MAX		(1u << 20)	/* bytes of one read or write */
#define VFS_BLOCK		4096u		/* unit of space and checksums */
#define VFS_EXTENT_BLOCKS_MAX	256u		/* blocks of one extent row */
#define VFS_INLINE_MAX		1536u		/* bytes kept in a row */
#define VFS_SLOT_FIRST		16u		/* 1 is ".", 2 is ".." */
#define VFS_SLOT_MAX		((1ull << 62) - 1)
#define VFS_KEY_MAX		280u		/* longest row key */
#define VFS_WALK_MAX		16u		/* names of one WALK */
#define VFS_MSG_MAX		(VFS_IO_MAX + 65536u)	/* bytes of a message */
#define VFS_TX_OPEN_MAX		64u		/* transactions at once */
#define VFS_TX_OPS_MAX		65536u		/* operations of one */
#define VFS_TX_PRE_MAX		1024u		/* preconditions of one */
#define VFS_TX_READS_MAX	131072u		/* things that one has read */
#define VFS_TX_DATA_MAX		(1ull << 32)	/* file bytes of one */
#define VFS_TX_SAVEPOINTS_MAX	64u
#define VFS_TX_IDLE_MS		30000u		/* unused: expires, or later */
#define VFS_TX_IDLE_MS_MAX	300000u
#define VFS_TX_LIFE_MS		600000u		/* used or not */
#define VFS_TX_IDS_MAX		4096u		/* commits that TX_STATUS knows of
						 * the owner; of all others */
#define VFS_TX_JOURNAL_MAX	65536u		/* records a precondition reads */
#define VFS_JOURNAL_BYTES	(256u << 20)	/* of change records are kept:
						 * two million and more */
#define VFS_JOURNAL_BYTES_MIN	(1u << 20)	/* the least that may be asked */
#define VFS_JOURNAL_SCAN_MAX	65536u		/* rows one JOURNAL_READ looks at */
#define VFS_JOURNAL_READ_MAX	16384u		/* records it returns */
#define VFS_PATTERN_MAX		255u		/* bytes of a name pattern */
#define VFS_WATCHES_MAX		1024u		/* of one daemon */
#define VFS_BATCH_MAX		16384u		/* items of one batch */
#define VFS_CLOSE_MAX		16u		/* handles of one CLOSE */
#define VFS_HANDLES_MAX		65536u		/* of one session */
#define VFS_SESSIONS_MAX	16u		/* of one connection */
#define VFS_CREDITS		256u		/* requests under way */
#define VFS_CREDITS_CONTROL	4u		/* beside them: the control lane */
#define VFS_STAGE_MAX		(1u << 20)	/* bytes staged by a session */
#define VFS_GRANTS_MAX		16u		/* regions of a connection */
#define VFS_GRANT_BYTES_MAX	(64u << 20)	/* of one region */
#define VFS_HELLO_MS		1000u		/* a TCP peer says HELLO by then */
#define VFS_STALL_MS		10000u		/* to attach over TCP or 9P; for the
						 * rest of a message; for reading any
						 * of what waits */
#define VFS_WAIT_MS_MAX		30000u		/* of WAIT without a deadline */
#define VFS_TOKEN_BYTES		32u		/* of a bearer token */
#define VFS_TOKENS_MAX		4096u		/* grants that are out */
#define VFS_CLIENT_MAX		32u		/* bytes of a client's name */
#define VFS_LABEL_MAX		64u		/* bytes of a grant's label */
#define VFS_AGE_MS		500u		/* a request of the lowest priority
						 * starts before it is so old */
#define VFS_TREE_LOOK_MAX	16384u		/* names below that are looked at
						 * before a tree goes */
#define VFS_REAP_MAX		64u		/* names of one background removal */
#define VFS_DIRBLK		65536u		/* st_blksize of directories */

#endif
