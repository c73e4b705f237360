/*
 * check_in.h - what the files of the checker share
 */
#ifndef CORE_CHECK_IN_H
#define CORE_CHECK_IN_H

#include "check.h"

/* What a row of an object's was seen to be. */
enum {
	OBJ_DAMAGED = 1 << 0,		/* its inode did not check */
	OBJ_UNSURE = 1 << 1,		/* a row of it did not: do not count */
	OBJ_HAS_INLINE = 1 << 2,
	OBJ_HAS_ACL = 1 << 3,
	OBJ_HAS_DEFACL = 1 << 4,
	OBJ_HAS_ORPHAN = 1 << 5,
	OBJ_HAS_DRAFT = 1 << 6,
	OBJ_HAS_DINLINE = 1 << 7,
	OBJ_REACHED = 1 << 8,
	OBJ_ON_WAY = 1 << 9,
	OBJ_LOST = 1 << 10,
	OBJ_RECOUNT = 1 << 11,		/* check_fix puts what was counted */
	OBJ_DRAFT_INLINE = 1 << 12,	/* the draft's flag */
	OBJ_LOST_BLOCKS = 1 << 13,	/* some are, which is not known */
};

/* An inode, and what was counted of its other rows. */
struct obj {
	uint64_t id, size, blocks, parent, next_slot, entries;
	uint64_t up;			/* the directory of its last link */
	uint32_t mode, nlink, flags, xattrs;
	uint32_t seen;			/* OBJ_* */
	uint32_t links, subdirs, got_xattrs;
	uint64_t names, slots, got_blocks, slot_max, inline_bytes;
};

/* A run of blocks that a row refers to. */
struct run {
	uint64_t place, id, last;	/* last: of the file, for the key */
	uint32_t n;
	uint8_t kind;			/* of the row */
	bool shared;			/* it says that it may be */
	uint32_t refs;			/* ROW_SHARE only */
};

/* One thing that check_fix does. */
enum fix_kind {
	FIX_DEL,			/* delete the row key */
	FIX_PUT,			/* put val under key */
	FIX_RECOUNT,			/* the object a */
	FIX_ADOPT,			/* the object a into lost+found */
	FIX_INODE,			/* an inode for object a, type b, in dir */
	FIX_SHARED,			/* set the flag of the extent key */
};

struct fix {
	enum fix_kind kind;
	uint64_t a, b, dir;
	struct row_key key;
	uint16_t val_n;
	uint8_t val[VFS_NAME_MAX + 32];
};

#define FIXES_MAX	100000u		/* remembered; the rest next time */

struct check {
	struct check_conf conf;
	struct check_sum sum;
	struct txn *t;			/* of the call under way */
	uint64_t total;			/* rows and blocks, for progress */

	struct obj *objs;		/* ascending by id */
	size_t nobjs, objs_cap;
	size_t at;			/* last found: rows come in order */
	struct run *runs;
	size_t nruns, runs_cap;
	struct run *shares;
	size_t nshares, shares_cap;
	struct run *gaps;		/* not free, and no row's: leaked? */
	size_t ngaps, gaps_cap;
	struct fix *fixes;
	size_t nfixes, fixes_cap, fixed;
	size_t remade;			/* FIX_INODE among them */
	size_t moved;			/* FIX_DEL, FIX_PUT among them */

	uint64_t last_id, last_end;	/* of the extent before */
	uint64_t jseq, jidx, jrows;	/* the journal row before, how many */

	struct row_key bytes_at;	/* check_bytes goes on here */
	uint64_t written;		/* blocks with bytes */
	uint8_t *buf;			/* of an extent's bytes */
};

/* check.c */
void check_found(struct check *c, enum row_kind kind, uint64_t id,
    bool fixable, const char *fmt, ...)
    __attribute__((format(printf, 5, 6)));
/* NULL if it cannot be remembered; check_found says fixable then too. */
struct fix *check_fix_add(struct check *c, enum fix_kind kind,
    const struct row_key *key);
void check_fix_del(struct check *c, const struct row_key *key);
struct obj *check_obj(struct check *c, uint64_t id);
bool check_more(struct check *c);	/* progress; false: stop */
int check_grow(void **p, size_t *cap, size_t n, size_t item);
bool check_has(struct check *c, const struct row_key *k,
    struct vfs_slice *val);

/* check_journal.c */
void check_journal(struct check *c, const struct row_parts *p,
    struct vfs_slice val);
void check_moved(struct check *c, const struct row_parts *p,
    struct vfs_slice key, struct vfs_slice val);

/* check_names.c */
void check_name(struct check *c, const struct row_parts *p,
    struct vfs_slice val);
void check_slot(struct check *c, const struct row_parts *p,
    struct vfs_slice val);
void check_link(struct check *c, const struct row_parts *p,
    struct vfs_slice val);
void check_objects(struct check *c);

/* check_space.c */
int check_extent(struct check *c, const struct row_parts *p,
    struct vfs_slice val);
/* An extent row is lost: in its place what reads as an error. */
void check_poison(struct check *c, uint64_t id, uint64_t last);
/* An inode says more blocks than there are: so in all holes of the file.
 * false if that cannot be (or is not asked for): it has to go on saying so. */
bool check_lost_blocks(struct check *c, struct obj *o);
int check_share(struct check *c, const struct row_parts *p,
    struct vfs_slice val);
int check_owners(struct check *c);

#endif
