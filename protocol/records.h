/*
 * records.h - what messages hold more than one of
 *
 * stat (184 bytes) and brief (40) stand in fixed parts and in entries;
 * entries, pairs, findings and faults are packed in blobs, each at a
 * multiple of 8: put appends one to a list, next takes one off a reader.
 */
#ifndef PROTO_RECORDS_H
#define PROTO_RECORDS_H

#include "buf.h"
#include "proto.h"

#define PROTO_STAT	184u
#define PROTO_BRIEF	40u
#define PROTO_STAT_ALL	0xffffu		/* valid: all but the hash */

void proto_attr_encode(const struct vfs_attr *a, struct wbuf *w);
void proto_attr_decode(struct rbuf *b, struct vfs_attr *a);

struct proto_brief {
	struct vfs_id id;
	uint64_t data_version, meta_version, size;
	uint32_t nlink, mode;
};
void proto_brief_encode(const struct proto_brief *a, struct wbuf *w);
void proto_brief_decode(struct rbuf *b, struct proto_brief *a);

/* Room for packed records; put returns false, and changes nothing, when
 * the record does not fit. */
struct proto_list {
	uint8_t *p;
	size_t cap, n;
	uint32_t count;
	bool dirs;			/* entries: keep dir too */
};

/* Starts a reader over packed records. */
void proto_list_read(struct rbuf *b, struct vfs_slice list);
/* Is there another one?  False at the end and after an error. */
bool proto_list_more(const struct rbuf *b);

/*
 * Entries.  dir and attr are kept where given; a reader gets attr in
 * *attr, and e->attr points there or is NULL.
 */
#define PROTO_DIRENT	24u		/* before dir, stat and name */
#define PROTO_DIRENT_DIR 1u		/* flag: dir follows */
bool proto_dirent_put(struct proto_list *l, const struct vfs_dirent *e);
int proto_dirent_next(struct rbuf *b, struct vfs_dirent *e,
    struct vfs_attr *attr);
/* A sink that puts into the list; what the encoder knows by its add. */
struct vfs_sink proto_list_sink(struct proto_list *l);
bool proto_list_add(void *list, const struct vfs_dirent *e);
/* A sink that is told of no entry: the decoder leaves them all in *list,
 * in the message and unchecked, for proto_dirent_next. */
struct vfs_sink proto_list_lent(struct vfs_slice *list);
bool proto_list_lend(void *list, const struct vfs_dirent *e);

/* STATUS: a number, or a text, under a name. */
struct proto_pair {
	uint64_t n;
	struct vfs_slice name, text;
};
bool proto_pair_put(struct proto_list *l, const struct proto_pair *r);
int proto_pair_next(struct rbuf *b, struct proto_pair *r);

/* CHECK: what is wrong, where. */
struct proto_finding {
	uint32_t kind;			/* the row's, as in vfs-format(5) */
	uint32_t flags;			/* 1: repaired */
	uint64_t id;			/* object, or block of space */
	struct vfs_slice path, text;
};
bool proto_finding_put(struct proto_list *l, const struct proto_finding *r);
int proto_finding_next(struct rbuf *b, struct proto_finding *r);

/* WHY: the birthplace of an error. */
struct proto_fault {
	uint64_t trace_id;
	struct vfs_time when;
	uint32_t err, line, pid, op;
	uint64_t id;
	struct vfs_slice file, text;
};
bool proto_fault_put(struct proto_list *l, const struct proto_fault *r);
int proto_fault_next(struct rbuf *b, struct proto_fault *r);

/* LOOKUP_BATCH: where to look for what. */
struct proto_place {
	struct vfs_id dir;
	struct vfs_slice name;
};
bool proto_place_put(struct proto_list *l, const struct proto_place *r);
int proto_place_next(struct rbuf *b, struct proto_place *r);

/* LOOKUP_BATCH, STAT_BATCH: 0 or an error, then a stat or brief record
 * (zeroes after an error), whichever was wanted. */
struct proto_found {
	uint32_t err;			/* positive vfs_err, 0: found */
	struct vfs_attr attr;		/* of a brief record: what it has */
};
bool proto_found_put(struct proto_list *l, uint32_t want,
    const struct proto_found *r);
int proto_found_next(struct rbuf *b, uint32_t want, struct proto_found *r);

/* STAT_BATCH, CLOSE: ids or handles, 8 bytes each. */
bool proto_id_put(struct proto_list *l, struct vfs_id id);
int proto_id_next(struct rbuf *b, struct vfs_id *id);

/* READ_BATCH: what to read, and what came of it. */
struct proto_range {
	struct vfs_id id;
	uint64_t off;
	uint32_t count;
};
bool proto_range_put(struct proto_list *l, const struct proto_range *r);
int proto_range_next(struct rbuf *b, struct proto_range *r);
struct proto_bytes {
	uint32_t err;			/* positive vfs_err */
	struct vfs_slice data;
};
bool proto_bytes_put(struct proto_list *l, const struct proto_bytes *r);
int proto_bytes_next(struct rbuf *b, struct proto_bytes *r);

/* MAP_EXTENTS: where bytes are; what no record covers is a hole. */
#define PROTO_EXTENT_UNWRITTEN	1u	/* reserved, reads as zeroes */
#define PROTO_EXTENT_SHARED	2u	/* with another file, or range */
#define PROTO_EXTENT_INLINE	4u	/* in a row */
struct proto_extent {
	uint64_t off, len, place;
	uint32_t flags;
};
bool proto_extent_put(struct proto_list *l, const struct proto_extent *r);
int proto_extent_next(struct rbuf *b, struct proto_extent *r);

/* JOURNAL_READ: one change.  kind is one of these; mask in a request has
 * 1 << kind of those wanted. */
enum proto_change_kind {
	PROTO_CHANGE_CREATE = 1,
	PROTO_CHANGE_LINK = 2,
	PROTO_CHANGE_UNLINK = 3,
	PROTO_CHANGE_RENAME = 4,	/* parent/name -> parent2/name2 */
	PROTO_CHANGE_EXCHANGE = 5,
	PROTO_CHANGE_DATA = 6,		/* content was published */
	PROTO_CHANGE_META = 7,		/* mode, owner, times */
	PROTO_CHANGE_XATTR = 8,
	PROTO_CHANGE_DELETE = 9,	/* the object itself is gone */
	PROTO_CHANGE_ENTERED = 10,	/* moved into the subtree asked for */
	PROTO_CHANGE_LEFT = 11,		/* moved out of it */
	PROTO_CHANGE_REMOVE_TREE = 12,	/* UNLINK of a whole tree */
	PROTO_CHANGE_CLONE_TREE = 13,	/* CREATE of a whole tree */
};
struct proto_change {
	uint64_t seq;
	uint32_t idx;
	uint16_t kind;
	uint16_t type;			/* enum vfs_type of id */
	struct vfs_id id, parent, parent2;
	uint64_t data_version, meta_version;
	struct vfs_slice name, name2;
};
bool proto_change_put(struct proto_list *l, const struct proto_change *r);
int proto_change_next(struct rbuf *b, struct proto_change *r);

/* SESSIONS: who is there, and which tokens are out. */
#define PROTO_SESSION_TOKEN	1u	/* a token, not a session */
#define PROTO_SESSION_CRED	2u	/* uid and gid mean something */
struct proto_session {
	uint64_t number, parent;	/* parent: the token it came from */
	struct vfs_id root;
	struct vfs_time since, expires;	/* expires 0: never */
	uint32_t flags, rights, uid, gid, pid, handles;
	struct vfs_slice label, transport;
};
bool proto_session_put(struct proto_list *l, const struct proto_session *r);
int proto_session_next(struct rbuf *b, struct proto_session *r);

#endif
