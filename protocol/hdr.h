/*
 * hdr.h - the 32 bytes before every message, and extensions after it
 */
#ifndef PROTO_HDR_H
#define PROTO_HDR_H

#include "buf.h"

#define PROTO_MAGIC	0x31504656u	/* "VFP1" as bytes */
#define PROTO_VERSION	1u
#define PROTO_HDR	32u
#define PROTO_REPLY	0x8000u		/* or-ed to the op */
#define PROTO_MSG_MIN	480u		/* every peer takes this much */

/* Notifications */
#define PROTO_N_CHANGED	0x4001u		/* u64 seq, u64 0 */
#define PROTO_N_REVOKED	0x4003u		/* u32 session, u32 vfs_err */
#define PROTO_N_SHUTDOWN 0x4004u	/* u32 vfs_err, u32 0 */

/* Extensions: u16 type, u16 flags (1: critical), u32 length of the value,
 * the value, padded to a multiple of 8. */
#define PROTO_X_TX	1u		/* critical; u64: run it in this tx */

/* Header flags */
#define PROTO_EXT	1u
#define PROTO_MORE	4u		/* replies: another one follows */

struct proto_hdr {
	uint32_t len;			/* with the header, a multiple of 8 */
	uint16_t op;
	uint8_t flags, prio;
	uint64_t req_id;
	uint32_t session;
	uint32_t status;		/* requests: deadline in ms, 0 none */
	uint16_t credits;
	uint16_t ext_len;		/* in units of 8 bytes */
};

/*
 * Reads a header of either direction: 0, or -VFS_MALFORMED, after which
 * a stream cannot be trusted any more.  max is the longest message.
 */
int proto_hdr_decode(const void *p, size_t n, uint32_t max,
    struct proto_hdr *out);
void proto_hdr_encode(const struct proto_hdr *h, uint8_t p[PROTO_HDR]);

/*
 * A reader of the body of a whole message; extensions are checked first:
 * unknown ones are skipped, or -VFS_UNSUPPORTED_EXT if they are critical.
 */
int proto_body(const struct proto_hdr *h, const void *msg, struct rbuf *out);

/* The same for who knows the extensions of this version. */
struct proto_ext {
	uint64_t tx;			/* PROTO_X_TX, or 0 */
};
int proto_body_ext(const struct proto_hdr *h, const void *msg,
    struct rbuf *out, struct proto_ext *ext);
/* Appends PROTO_X_TX to a whole message, and says so in its header. */
int proto_ext_tx(struct proto_hdr *h, void *msg, size_t cap, uint64_t tx);

/* What an error reply says beyond its status. */
struct proto_error {
	uint64_t detail;		/* MALFORMED: the byte's offset */
	uint64_t trace_id;		/* for WHY */
	uint32_t op_index;
	uint32_t retry_after_ms;
};
#define PROTO_ERROR	24u

/* Appends at the writer's place; decode ends the reader. */
void proto_error_encode(const struct proto_error *e, struct wbuf *w);
int proto_error_decode(struct rbuf *b, struct proto_error *out);

#endif
