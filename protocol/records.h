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

#endif
