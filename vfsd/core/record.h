/*
 * record.h - rows: their keys and what their values hold
 *
 * A key is one byte for the kind of row and big-endian numbers, so that
 * byte order is meaning.  A value is little-endian fields, fixed first.
 * The engine appends and checks a checksum over key and value; what the
 * core sees is the payload without it.  vfs-format(5) describes every
 * byte.
 *
 * Decoders are pure functions of a bounded buffer; a row that does not
 * decode is -VFS_CORRUPT.  Slices in decoded records borrow the row.
 */
#ifndef CORE_RECORD_H
#define CORE_RECORD_H

#include "../../protocol/err.h"
#include "../../protocol/limits.h"
#include "../../protocol/types.h"

/* The kinds, in key order.  Volatile kinds never reach the row store. */
enum row_kind {
	ROW_META = 'A',		/* name -> format, uuid, marks */
	ROW_INODE = 'B',	/* id */
	ROW_NAME = 'C',		/* dir, name -> id, slot, type */
	ROW_SLOT = 'D',		/* dir, slot -> id, type, name */
	ROW_LINK = 'E',		/* id, dir, slot -> (empty) */
	ROW_XATTR = 'F',	/* id, name -> value */
	ROW_INLINE = 'G',	/* id -> the bytes of a small file */
	ROW_EXTENT = 'H',	/* id, last block of file -> place, sums */
	ROW_SHARE = 'I',	/* last block of space -> blocks, references */
	ROW_ORPHAN = 'J',	/* id -> (empty): no name left, still open */
	ROW_JOURNAL = 'K',	/* seq, index -> change record */
	ROW_TXID = 'L',		/* 16 bytes -> commit seq, answer */
	ROW_TOKEN = 'M',	/* number -> a grant (token.h) */
	ROW_MOVED = 'N',	/* id, seq, index -> a name went or came */
	ROW_DRAFT = 'a',	/* id -> inode with unpublished content */
	ROW_DINLINE = 'b',	/* id -> unpublished bytes of a small file */
	ROW_DEXTENT = 'c',	/* id, version, last block -> place, sums */
};
#define ROW_IS_VOLATILE(kind)	((kind) >= 'a')

struct row_key {
	uint8_t b[VFS_KEY_MAX];
	size_t n;
};

static inline struct vfs_slice
row_key_slice(const struct row_key *k)
{
	return (struct vfs_slice){ k->b, k->n };
}

#define ROW_KEY_ID	9u	/* bytes that all rows of one object share */

/* Build keys.  _id: kind and one number; _id2: kind and two numbers. */
void row_key_id(struct row_key *k, enum row_kind kind, uint64_t id);
void row_key_id2(struct row_key *k, enum row_kind kind, uint64_t id,
    uint64_t second);
/* version is the data_version below the draft. */
void row_key_dextent(struct row_key *k, struct vfs_id id, uint64_t version,
    uint64_t last);
void row_key_link(struct row_key *k, struct vfs_id id, struct vfs_id dir,
    uint64_t slot);
void row_key_moved(struct row_key *k, struct vfs_id id, uint64_t seq,
    uint64_t idx);
void row_key_name(struct row_key *k, enum row_kind kind, struct vfs_id id,
    struct vfs_slice name);		/* ROW_NAME, ROW_XATTR, ROW_META */

/* Take keys apart: the kind, and how much of key was understood. */
struct row_parts {
	enum row_kind kind;
	uint64_t a, b, c;		/* the numbers, as many as there are;
					 * ROW_DEXTENT: c is the version */
	struct vfs_slice name;		/* of ROW_NAME, ROW_XATTR, ROW_META */
};
int row_key_parse(struct vfs_slice key, struct row_parts *out);
/* Only the second number, of a kind that has two: where the cursor stays
 * within the first. */
int row_key_second(struct vfs_slice key, uint64_t *out);

enum {
	INODE_INLINE = 1 << 0,		/* bytes are in ROW_INLINE */
	INODE_HAS_XATTR = 1 << 1,	/* saves looking when there are none */
	INODE_HAS_ACL = 1 << 2,		/* an access ACL is among them */
	INODE_HAS_DEFACL = 1 << 3,
	INODE_DRAFT_CUT = 1 << 4,	/* ROW_DRAFT only: see cut */
	INODE_MANY = 1 << 5,		/* has, or had, more than one name */
	INODE_STAGING = 1 << 6,		/* a directory that takes names though
					 * it has none itself */
	INODE_UNTOLD = 1 << 7,		/* staging: what is in it has no change
					 * records */
};

/* ROW_INODE, and ROW_DRAFT (same bytes). */
struct rec_inode {
	uint32_t mode, nlink, uid, gid;
	uint32_t rdev_major, rdev_minor;
	uint32_t flags;
	uint32_t xattrs;		/* how many rows: one that is lost
					 * is missed */
	uint64_t size;
	uint64_t blocks;		/* of VFS_BLOCK, holes not counted */
	struct vfs_time atime, mtime, ctime, btime;
	uint64_t data_version, meta_version;
	uint64_t parent;		/* directories: ".."; others: first dir */
	uint64_t next_slot;		/* directories */
	uint64_t entries;		/* directories: names, without . and .. */
	uint64_t cut;			/* drafts with INODE_DRAFT_CUT: published
					 * bytes from here on are hidden */
};
#define REC_INODE_MAX	192

/* ROW_NAME */
struct rec_name {
	struct vfs_id id;
	uint64_t slot;
	enum vfs_type type;
};

/* ROW_SLOT */
struct rec_slot {
	struct vfs_id id;
	enum vfs_type type;
	struct vfs_slice name;
};

/*
 * ROW_EXTENT, ROW_DEXTENT: nblocks file blocks, up to and with the key's,
 * lie at place, each with a checksum.  The key names the *last* block, so
 * that one seek to block b finds the row that covers b, or the next one.
 * Rows of one kind and file never overlap; holes have no row; a draft's
 * row hides what it lies over, and its key has the data_version of what it
 * lies over, so that a draft never wades through the deleted rows of
 * earlier ones.  sums borrows nblocks * 8 little-endian
 * bytes (none if unwritten).
 */
enum {
	EXTENT_UNWRITTEN = 1 << 0,	/* reads as zeroes; place is reserved, and,
					 * unless shared, was never written */
	EXTENT_SHARED = 1 << 1,		/* look at ROW_SHARE before freeing */
};
struct rec_extent {
	uint32_t nblocks;
	uint32_t flags;
	uint64_t place;			/* in blocks of the data file */
	uint64_t gen;			/* DEXTENT: data_put's generation */
	struct vfs_slice sums;
};

/*
 * ROW_SHARE: the nblocks of space up to and with the key's last one have
 * refs owners each.  An owner is a block of a ROW_EXTENT (drafts never share).
 * Share rows do not overlap; refs >= 2, and blocks without a share row have
 * one owner if any extent has them.  Every extent that covers a block with a
 * share row has EXTENT_SHARED; one that has the flag may be alone, again or
 * still (extent.c).
 * So references to parts of an extent are exact, and extents without the
 * flag are freed without looking.
 */
struct rec_share {
	uint32_t nblocks, refs;
};

/* ROW_JOURNAL: one change.  Names borrow. */
enum journal_kind {
	JOURNAL_CREATE = 1,
	JOURNAL_LINK = 2,
	JOURNAL_UNLINK = 3,
	JOURNAL_RENAME = 4,		/* parent/name -> parent2/name2 */
	JOURNAL_EXCHANGE = 5,
	JOURNAL_DATA = 6,		/* content published */
	JOURNAL_META = 7,		/* mode, owner, times */
	JOURNAL_XATTR = 8,
	JOURNAL_DELETE = 9,		/* the object itself is gone */
	JOURNAL_ENTERED = 10,		/* only in answers, not in rows */
	JOURNAL_LEFT = 11,
	JOURNAL_REMOVE_TREE = 12,	/* UNLINK of a directory with all below */
	JOURNAL_CLONE_TREE = 13,	/* CREATE of one */
};
#define JOURNAL_KIND_MAX 13u
enum {
	JOURNAL_MANY = 1 << 0,		/* flag: parent is but one of its
					 * directories, ROW_MOVED tells all */
};
struct rec_journal {
	uint16_t kind;
	uint8_t type, flags;		/* of id: enum vfs_type */
	struct vfs_id id, parent, parent2;
	uint64_t data_version, meta_version;
	struct vfs_slice name, name2;
};
#define REC_JOURNAL_MAX	(64 + 2 * VFS_NAME_MAX)

/*
 * ROW_MOVED: what a change record did to the names of a directory, or of
 * an object with INODE_MANY; the key has the record's position.  From
 * today's parent (links) and these, where the object was at any position
 * of the journal is known.  It goes when the record is trimmed.
 */
struct rec_moved {
	struct vfs_id from, to;		/* one name less here, one more there;
					 * 0: none */
};

/* A position of the journal; records have it, cursors are one: what was
 * delivered up to and with. */
struct journal_pos {
	uint64_t seq;
	uint32_t idx;
};

struct journal_info {
	struct journal_pos floor, last;
	uint64_t opened, newest;	/* commits of this opening: all numbers
					 * between are one, with records or not */
	uint64_t records, bytes, bytes_max;
};

/* Encoders return the length; buf must have room (the _MAX above, or
 * what is computed from the record). */
size_t rec_inode_encode(const struct rec_inode *r, uint8_t *buf);
int rec_inode_decode(struct vfs_slice val, struct rec_inode *r);
size_t rec_name_encode(const struct rec_name *r, uint8_t *buf);
int rec_name_decode(struct vfs_slice val, struct rec_name *r);
size_t rec_slot_encode(const struct rec_slot *r, uint8_t *buf);
int rec_slot_decode(struct vfs_slice val, struct rec_slot *r);
size_t rec_extent_encode(const struct rec_extent *r, uint8_t *buf);
int rec_extent_decode(struct vfs_slice val, struct rec_extent *r);
#define REC_EXTENT_MAX	(32 + 8 * VFS_EXTENT_BLOCKS_MAX)
size_t rec_share_encode(const struct rec_share *r, uint8_t *buf);
int rec_share_decode(struct vfs_slice val, struct rec_share *r);
size_t rec_journal_encode(const struct rec_journal *r, uint8_t *buf);
int rec_journal_decode(struct vfs_slice val, struct rec_journal *r);
#define REC_MOVED_MAX	16
/* What r, as it stands in a row, did to names that are tracked: false,
 * nothing, and there is no ROW_MOVED for it. */
bool rec_journal_moved(const struct rec_journal *r, struct rec_moved *out);
size_t rec_moved_encode(const struct rec_moved *r, uint8_t *buf);
int rec_moved_decode(struct vfs_slice val, struct rec_moved *r);

/* The checksum of a block of file bytes, and of a row. */
uint64_t sum_block(const void *p);		/* VFS_BLOCK bytes */
uint64_t sum_row(struct vfs_slice key, struct vfs_slice val);

#endif
