/*
 * p9_codec.h - the messages of 9P2000.L, to bytes and back
 *
 * size[4] type[1] tag[2], then the fields of p9_msg.def, little-endian and
 * without padding.  A message that says anything but exactly its own bytes
 * is malformed.  Strings and data point into the message.  Both directions
 * of both kinds are here: the front decodes requests, clients (tests,
 * benchmarks) decode replies.
 *
 * Nothing allocates; no input makes anything assert.
 */
#ifndef FRONT_P9_CODEC_H
#define FRONT_P9_CODEC_H

#include "../../protocol/err.h"
#include "../../protocol/types.h"

#define P9_HDR		7u
#define P9_IOHDR	24u		/* what read and write need at most */
#define P9_WALK_MAX	16u
#define P9_NOTAG	0xffffu
#define P9_NOFID	0xffffffffu
#define P9_NOUID	0xffffffffu
#define P9_VERSION	"9P2000.L"

/* Of the reply that says an error: ecode[4], a Linux errno. */
#define P9_RLERROR	7u

/* qid.type */
#define P9_QTDIR	0x80u
#define P9_QTAUTH	0x08u
#define P9_QTSYMLINK	0x02u

/* Tgetattr's mask, Rgetattr's valid */
#define P9_GET_BASIC	0x07ffu
#define P9_GET_BTIME	0x0800u
#define P9_GET_GEN	0x1000u
#define P9_GET_VERSION	0x2000u
#define P9_GET_ALL	0x3fffu

/* Tsetattr's valid; a time without its _SET is now */
#define P9_SET_MODE	0x001u
#define P9_SET_UID	0x002u
#define P9_SET_GID	0x004u
#define P9_SET_SIZE	0x008u
#define P9_SET_ATIME	0x010u
#define P9_SET_MTIME	0x020u
#define P9_SET_CTIME	0x040u
#define P9_SET_ATIME_SET 0x080u
#define P9_SET_MTIME_SET 0x100u

/* Tlopen's and Tlcreate's flags: open(2)'s, as Linux has them on x86 */
#define P9_O_ACCMODE	000000003u
#define P9_O_RDONLY	000000000u
#define P9_O_WRONLY	000000001u
#define P9_O_RDWR	000000002u
#define P9_O_CREAT	000000100u
#define P9_O_EXCL	000000200u
#define P9_O_TRUNC	000001000u
#define P9_O_APPEND	000002000u
#define P9_O_DSYNC	000010000u
#define P9_O_DIRECTORY	000200000u
#define P9_O_NOATIME	001000000u
#define P9_O_SYNC	004010000u

/* Tunlinkat's flags */
#define P9_REMOVEDIR	0x200u

/* Tlock */
#define P9_RDLCK	0u
#define P9_WRLCK	1u
#define P9_UNLCK	2u
#define P9_LOCK_BLOCK	1u		/* flags */
#define P9_LOCK_RECLAIM	2u
#define P9_LOCK_SUCCESS	0u		/* status */
#define P9_LOCK_BLOCKED	1u
#define P9_LOCK_ERROR	2u

/* Txattrcreate's flags: setxattr(2)'s */
#define P9_XATTR_CREATE	1u
#define P9_XATTR_REPLACE 2u

#define P9_STATFS_TYPE	0x01021997u	/* what Linux calls V9FS_MAGIC */
#define P9_DIRENT	24u		/* of Rreaddir, before the name */

struct p9_qid {
	uint8_t type;
	uint32_t version;
	uint64_t path;
};

struct p9_names {
	uint16_t n;
	struct vfs_slice name[P9_WALK_MAX];
};

struct p9_qids {
	uint16_t n;
	struct p9_qid qid[P9_WALK_MAX];
};

enum p9_type {
#define P9(n, NAME, name, req, rep) P9_T##NAME = (n), P9_R##NAME = (n) + 1,
#include "p9_msg.def"
#undef P9
};

#define T(...)		__VA_ARGS__
#define R(...)		__VA_ARGS__
#define U8(f)		uint8_t f;
#define U16(f)		uint16_t f;
#define U32(f)		uint32_t f;
#define OPT32(f)	uint32_t f;
#define U64(f)		uint64_t f;
#define STR(f)		struct vfs_slice f;
#define DATA(f)		struct vfs_slice f;
#define QID(f)		struct p9_qid f;
#define NAMES(f)	struct p9_names f;
#define QIDS(f)		struct p9_qids f;
#define P9(n, NAME, name, req, rep) \
	struct p9_t##name { req }; \
	struct p9_r##name { rep };
#include "p9_msg.def"
#undef P9
#undef T
#undef R
#undef U8
#undef U16
#undef U32
#undef OPT32
#undef U64
#undef STR
#undef DATA
#undef QID
#undef NAMES
#undef QIDS

union p9_t {
#define P9(n, NAME, name, req, rep) struct p9_t##name name;
#include "p9_msg.def"
#undef P9
};

union p9_r {
	uint32_t ecode;			/* Rlerror */
#define P9(n, NAME, name, req, rep) struct p9_r##name name;
#include "p9_msg.def"
#undef P9
};

struct p9_hdr {
	uint32_t size;
	uint8_t type;
	uint16_t tag;
};

/* The first P9_HDR bytes. */
void p9_hdr_decode(const uint8_t *p, struct p9_hdr *h);

/* "Twalk", "Rwalk"; NULL: no such message. */
const char *p9_type_name(unsigned type);

/*
 * A whole message of n bytes.  0, -VFS_UNKNOWN_OP (no request, or no
 * reply, has this type) or -VFS_MALFORMED.  *out is written on success
 * only.
 */
int p9_t_decode(const uint8_t *p, size_t n, union p9_t *out);
int p9_r_decode(const uint8_t *p, size_t n, union p9_r *out);

/*
 * A whole message; its length, or 0 if it has no room (or type is none).
 * A DATA that is in its place already is not moved.
 */
size_t p9_t_encode(uint8_t type, uint16_t tag, const union p9_t *in,
    uint8_t *p, size_t cap);
size_t p9_r_encode(uint8_t type, uint16_t tag, const union p9_r *in,
    uint8_t *p, size_t cap);

/* Entries of Rreaddir, packed; put returns false, and changes nothing,
 * when there is no room. */
struct p9_dirent {
	struct p9_qid qid;
	uint64_t offset;		/* continue after this entry */
	uint8_t type;			/* DT_* */
	struct vfs_slice name;
};
bool p9_dirent_put(uint8_t *p, size_t cap, size_t *n,
    const struct p9_dirent *e);
/* 1: *e is the entry at *at, which moved on; 0: the end; or an error. */
int p9_dirent_next(const uint8_t *p, size_t n, size_t *at,
    struct p9_dirent *e);

#endif
