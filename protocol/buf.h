/*
 * buf.h - bounded reading and writing of messages
 *
 * A message is a fixed part, fields in order at their natural alignment,
 * and behind it the inline bytes of its blobs, in field order, each at a
 * multiple of 8, nothing between them.  Pad bytes are zero, and checked.
 * So there is one encoding of each message: what decodes, encodes to the
 * same bytes again.
 *
 * A reader keeps its first error and where it was, and returns zeroes
 * afterwards; a writer keeps that it ran out of room.  Nothing here
 * allocates, reads past the buffer, or forms a pointer from a number that
 * was not compared before.
 */
#ifndef PROTO_BUF_H
#define PROTO_BUF_H

#include "err.h"
#include "types.h"

/*
 * Where blobs are that do not stand in the message: in a region that the
 * peer shares (kind 1), or in the session's staging buffer (kind 2, grant
 * 0).  get returns n bytes of the caller's own, which no peer can change
 * any more, or NULL if there are none.
 */
#define PROTO_INLINE	0u
#define PROTO_GRANT	1u
#define PROTO_STAGED	2u
struct proto_far {
	const void *(*get)(void *arg, unsigned kind, unsigned grant,
	    uint64_t off, uint32_t n);
	void *arg;
};

struct rbuf {
	const uint8_t *p;
	size_t len;		/* offsets below are from p */
	size_t pos;		/* of the next fixed field */
	size_t first, next;	/* first blob, end of the last; 0: none */
	int err;		/* the first, negative */
	size_t err_at;
	const struct proto_far *far;	/* NULL: such blobs -VFS_UNSUPPORTED */
};

/* Read p[at..len); offsets in blobs and errors count from p. */
void rbuf_init(struct rbuf *b, const void *p, size_t len, size_t at);
void rbuf_fail(struct rbuf *b, int err, size_t at);

uint16_t rbuf_u16(struct rbuf *b);
uint32_t rbuf_u32(struct rbuf *b);
uint64_t rbuf_u64(struct rbuf *b);
/* A number that must be zero. */
void rbuf_zero32(struct rbuf *b);
struct vfs_time rbuf_time(struct rbuf *b);
/* n bytes that follow here (records), or NULL. */
const uint8_t *rbuf_bytes(struct rbuf *b, size_t n);
/* The same as a slice; empty if they are not there. */
struct vfs_slice rbuf_slice(struct rbuf *b, size_t n);
/* Skip zero bytes up to a multiple of n, a power of two. */
void rbuf_align(struct rbuf *b, size_t n);

/* Borrowed bytes behind a blob descriptor, or from b->far. */
struct vfs_slice rbuf_blob(struct rbuf *b);
/* The same, 1 to 255 bytes, no '/', no NUL. */
struct vfs_slice rbuf_name(struct rbuf *b);
int proto_name_check(struct vfs_slice name);

/* The first error, or -VFS_MALFORMED if bytes are left over. */
int rbuf_end(struct rbuf *b);

struct wbuf {
	uint8_t *p;
	size_t cap, pos;
	size_t next;		/* where the next blob goes */
	int err;
};

/* Write p[at..cap), the fixed part being fixed bytes long. */
void wbuf_init(struct wbuf *w, void *p, size_t cap, size_t at, size_t fixed);

void wbuf_u8(struct wbuf *w, uint8_t v);
void wbuf_u16(struct wbuf *w, uint16_t v);
void wbuf_u32(struct wbuf *w, uint32_t v);
void wbuf_u64(struct wbuf *w, uint64_t v);
void wbuf_time(struct wbuf *w, struct vfs_time t);
void wbuf_bytes(struct wbuf *w, const void *p, size_t n);
/* n bytes at a multiple of 8, for the caller to write, or NULL. */
uint8_t *wbuf_room(struct wbuf *w, size_t n);
void wbuf_align(struct wbuf *w, size_t n);
/* A descriptor here, the bytes (which may be in place already) behind. */
void wbuf_blob(struct wbuf *w, const void *p, size_t n);
/* The message's length, or a negative error. */
int wbuf_end(struct wbuf *w, size_t *len);

#endif
