/*
 * codec.h - every message of ops.def, to bytes and back
 *
 * A row's fields become a form, one letter for each, and one walker
 * encodes and decodes all forms: so 60 operations cost no more code than
 * one, and none is forgotten.  What is borrowed (names, bytes, buffers)
 * points into the message.
 *
 * Replies with a sink: encoding takes the entries of a proto_list whose
 * proto_list_sink is in the struct; decoding hands each entry to the
 * sink that the caller has put there (if its add is not NULL), after the
 * whole message was found right.
 */
#ifndef PROTO_CODEC_H
#define PROTO_CODEC_H

#include "hdr.h"
#include "proto.h"
#include "records.h"

struct proto_op {
	uint16_t number;
	uint16_t req_size, rep_size;	/* of the structs */
	const char *name;		/* "LOOKUP" */
	const char *req, *rep;		/* forms */
};

/* By enum vfs_op; VFS_OP_NONE is an empty row. */
extern const struct proto_op proto_ops[VFS_OP_COUNT];

/* VFS_OP_NONE if no operation has this number. */
enum vfs_op proto_op_find(unsigned number);

/* Any request, any reply. */
union proto_req {
#define OP(n, N, name, mode, lock, req, rep) struct vfs_##name name;
#include "ops.def"
#undef OP
};
union proto_rep {
#define OP(n, N, name, mode, lock, req, rep) struct vfs_##name##_reply name;
#include "ops.def"
#undef OP
};

/* Bytes of the fixed part of a form. */
size_t proto_form_fixed(const char *form);
/* Size of the struct of a form. */
size_t proto_form_struct(const char *form);
/* The fields of a struct, where the writer stands. */
void proto_form_encode(const char *form, const void *in, struct wbuf *w);
/* The fields of a record (records.c), where the reader stands. */
int proto_form_decode(const char *form, struct rbuf *b, void *out);

/*
 * A whole message from a struct: h's op, len and flags are filled in.
 * op gets PROTO_REPLY by the second.  -VFS_TOO_BIG if it has no room.
 */
int proto_request_encode(enum vfs_op op, const void *q,
    struct proto_hdr *h, void *msg, size_t cap);
int proto_reply_encode(enum vfs_op op, const void *r,
    struct proto_hdr *h, void *msg, size_t cap);
/* The reply that says a (negative) error. */
int proto_failed_encode(const struct proto_error *e, int err,
    struct proto_hdr *h, void *msg, size_t cap);

/* The struct from a reader of the body (proto_body); *out is written on
 * success only. */
int proto_request_decode(enum vfs_op op, struct rbuf *b, void *out);
int proto_reply_decode(enum vfs_op op, struct rbuf *b, void *out);

/* The same by name: proto_link_decode(b, &q). */
#define OP(n, N, name, mode, lock, req, rep) \
	static inline int \
	proto_##name##_decode(struct rbuf *b, struct vfs_##name *q) \
	{ \
		return proto_request_decode(VFS_OP_##N, b, q); \
	} \
	static inline int \
	proto_##name##_reply_decode(struct rbuf *b, \
	    struct vfs_##name##_reply *r) \
	{ \
		return proto_reply_decode(VFS_OP_##N, b, r); \
	}
#include "ops.def"
#undef OP

#endif
