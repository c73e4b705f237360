/*
 * client.h - the smallest client: no allocation, no C library
 *
 * For hosts that have nothing but a way to move bytes: a kernel of one's
 * own, a microkernel task, firmware.  It encodes requests into one buffer
 * of the caller's, takes messages apart in another, and turns what comes
 * unasked into two flags.  Where there is a C library, libvfs does more.
 *
 * Threads:   one.
 * Lifetime:  what a reply borrows (names, bytes) stands in the in buffer,
 *            until the next call.
 * Failure:   0 or a negative vfs_err.  client_err says whether the
 *            connection itself has ended; a request that was refused leaves
 *            its reason in e.
 */
#ifndef PROTO_CLIENT_H
#define PROTO_CLIENT_H

#include "codec.h"

/* How bytes move on this host. */
struct client_pipe {
	/* Bytes that moved, 0: none now, negative: it has ended. */
	long (*get)(void *arg, void *p, size_t n);
	long (*put)(void *arg, const void *p, size_t n);
	/* Sleeps until reading, or (room) writing, may do better: looks
	 * first, since either of them may have made room for the other.  May
	 * return too early.  Negative: ended. */
	int (*wait)(void *arg, bool room);
	void *arg;
};

struct client {
	struct client_pipe pipe;
	uint8_t *out, *in;		/* lent */
	size_t out_cap, in_cap;
	size_t in_at, in_n;
	uint64_t req_id;		/* of the last request */
	/* What the next requests carry; the caller sets them. */
	uint32_t session, deadline_ms;
	uint8_t prio;
	uint64_t tx;			/* not 0: they run in this one */
	/* What came unasked. */
	bool changed;			/* the journal has grown; take it away
					 * before JOURNAL_READ */
	int ended;			/* why the peer ended it */
	struct proto_error e;		/* of the last refusal */
};

/* out has room for the longest request, in for the longest message that is
 * to come (HELLO tells the server), both at least PROTO_MSG_MIN. */
void client_init(struct client *c, const struct client_pipe *pipe, void *out,
    size_t out_cap, void *in, size_t in_cap);

/* One request, one reply: r is written on success only. */
int client_call(struct client *c, enum vfs_op op, const void *q, void *r);

/*
 * In steps, for several under way: send gives c->req_id; next takes the
 * next reply in the order they come.  -VFS_AGAIN: none yet (wait false).
 * client_reply decodes it, or gives its error.
 */
int client_send(struct client *c, enum vfs_op op, const void *q);
int client_next(struct client *c, bool wait, struct proto_hdr *h,
    struct rbuf *body);
int client_reply(struct client *c, enum vfs_op op,
    const struct proto_hdr *h, struct rbuf *body, void *r);

/*
 * As client_send, but the k-th blob of the request, encoded empty, is n
 * bytes elsewhere: in a region that was mapped (PROTO_GRANT), or staged
 * (PROTO_STAGED, grant 0).
 */
struct client_far {
	unsigned blob, kind, grant;
	uint64_t off;
	uint32_t n;
};
int client_send_far(struct client *c, enum vfs_op op, const void *q,
    const struct client_far *far);
int client_call_far(struct client *c, enum vfs_op op, const void *q,
    const struct client_far *far, void *r);

/* HELLO, and ATTACH with a token if n > 0. */
int client_hello(struct client *c, const char *name,
    struct vfs_hello_reply *r);
int client_attach(struct client *c, const void *token, size_t n,
    struct vfs_attach_reply *r);

#endif
