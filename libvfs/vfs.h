/*
 * vfs.h - libvfs: a program's way into a store of vfsd
 *
 * A struct vfs is one connection to one daemon.  Objects are named by
 * struct vfs_id: an id, which is st_ino of the mount and never given
 * twice, or a handle from vfs_open and its kin, which pins the object.
 * Names are (directory, name) pairs; paths are a convenience on top
 * (vfs_dir.h).
 *
 * Two layers:
 *   plain	vfs_submit and vfs_complete: never block; the caller polls
 *		one descriptor and owns requests, replies and room for them.
 *		No thread, callback or timer is hidden anywhere.
 *   blocking	everything else that talks to the daemon: sends one or
 *		more requests, waits, makes a lost connection again.
 * Both may be used on one connection.
 *
 * Threads:   one thread at a time in a connection, any number of
 *            connections; there is no lock and no state outside of them.
 *            A thread that wants to work beside others opens its own.
 * Forking:   a connection is its opener's; a child must not use it.
 * Failure:   0, a count where it says so, or a negative enum vfs_err
 *            (err.h); vfs_failure tells more.  Nothing sets errno on
 *            purpose.  SIGPIPE is never raised.
 * Lifetime:  what is passed in is borrowed until the function returns;
 *            what comes back in the caller's memory is the caller's.
 */
#ifndef VFS_H
#define VFS_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#ifdef __cplusplus
extern "C" {
#endif

#include "../protocol/proto.h"

struct vfs;
struct vfs_tx;			/* vfs_tx.h; NULL: no transaction */

/* --- connecting ---------------------------------------------------------- */

/* All zero is fine. */
struct vfs_conf {
	const char *client;	/* who, for vfsctl sessions; up to 32 bytes */
	const void *token;	/* VFS_TOKEN_BYTES from vfsctl grant: needed
				 * for tcp:, narrows what a user may otherwise */
	uint32_t deadline_ms;	/* of blocking calls; 0: VFS_DEADLINE_MS */
	uint32_t retry_ms;	/* how long a lost connection is tried again;
				 * 0: VFS_RETRY_MS */
	uint32_t max_msg;	/* longest message; 0: VFS_MSG_MAX.  That much
				 * memory is taken up to three times */
	uint8_t prio;		/* of blocking calls, 1 to 7; 0: VFS_PRIO */
	bool once;		/* do not make a lost connection again */
};

#define VFS_DEADLINE_MS	30000u
#define VFS_RETRY_MS	10000u
#define VFS_NO_DEADLINE	UINT32_MAX
#define VFS_PRIO	4u
/* How long after its deadline, at most half of that, a reply may still come
 * before the request is given up on this side. */
#define VFS_GRACE_MS	1000u

/*
 * where: anything in a mount, or a store's directory, or
 *	unix:PATH		a socket of -o listen=
 *	tcp:127.0.0.1:PORT	the same, with a token
 * A path that begins with "unix:" or "tcp:" is written "./unix:...".
 * -VFS_NOENT: there is nothing, or no directory; -VFS_OFFLINE: nobody serves
 * it (a directory may become a store).
 */
int vfs_connect(const char *where, const struct vfs_conf *conf,
    struct vfs **out);

/* A token as vfsctl grant prints it: 64 hexadecimal digits, and perhaps a
 * newline.  -VFS_INVAL: it is none. */
int vfs_token_parse(const char *text, uint8_t token[VFS_TOKEN_BYTES]);

/* On a connected stream socket, which is the library's from now on, even
 * if this fails.  It is never made again when lost. */
int vfs_connect_fd(int fd, const struct vfs_conf *conf, struct vfs **out);

/* Ends the connection: handles are closed, calls forgotten.  Transactions
 * are let go of before (vfs_tx_abort).  NULL is fine. */
void vfs_disconnect(struct vfs *v);

/*
 * Make a lost (or any) connection again, as the same user or token, to
 * the same store: handles are opened again by id, watches go on from
 * their cursors, open transactions are gone (-VFS_ABORTED).  Blocking
 * calls do it by themselves.  A handle whose object is gone answers
 * -VFS_GONE from then on.  -VFS_NO_SUCH_ID: it is another store now.
 */
int vfs_reconnect(struct vfs *v);

/* What the daemon told of itself: limits, uuid; good until the next
 * connection. */
const struct vfs_hello_reply *vfs_peer(const struct vfs *v);

/* Where paths start: the root, or the directory that a token confines
 * to. */
struct vfs_id vfs_root(const struct vfs *v);

/* Rights of the session (rights.h): the token's, or what this user has. */
uint32_t vfs_rights(const struct vfs *v);

/* Of the blocking calls that follow. */
void vfs_set_deadline(struct vfs *v, uint32_t ms);
void vfs_set_priority(struct vfs *v, uint8_t prio);

/* --- errors -------------------------------------------------------------- */

struct vfs_failure {
	int err;		/* negative enum vfs_err; 0: none so far */
	bool unsure;		/* it may have been done all the same: the
				 * answer was lost */
	uint32_t status;	/* the wire's number, known here or not */
	uint32_t op_index;	/* transactions: which operation; paths and
				 * batches: which name or item */
	uint32_t retry_after_ms;
	uint64_t trace_id;	/* for vfsctl why */
	uint64_t detail;	/* PRECOND: the version there is;
				 * CURSOR_EXPIRED: the oldest commit told */
	struct vfs_id object;	/* CONFLICT, PRECOND: what decided */
	char name[VFS_NAME_MAX + 1];	/* and its name there; or "" */
};

/* Of the last blocking call that failed; good until the next call. */
const struct vfs_failure *vfs_failure(const struct vfs *v);

/* A short text, and the errno that stands for it; of either sign. */
const char *vfs_strerror(int err);
int vfs_errno(int err);

/* --- plain: submit and complete ------------------------------------------- */

/*
 * A request under way.  It and all it points to is the caller's: q until
 * vfs_submit returns, the rest until vfs_complete hands it back (or
 * vfs_forget, vfs_disconnect).  Zero what is not used.
 */
struct vfs_call {
	enum vfs_op op;		/* VFS_OP_READ, ... */
	const void *q;		/* struct vfs_read, ... */
	void *r;		/* struct vfs_read_reply, ..., or NULL.  Its
				 * buffers point into buf afterwards; a sink
				 * is given its entries by vfs_complete */
	void *buf;		/* room for the reply message, aligned as */
	size_t cap;		/* malloc does; NULL: small, for replies
				 * without bytes; vfs_room says how much */
	struct vfs_tx *tx;	/* inside of this transaction */
	uint32_t session;	/* 0, or one that ATTACH gave */
	uint32_t deadline_ms;	/* from receipt; 0: none */
	uint8_t prio;		/* 0 background to 7 urgent */
	void *user;		/* not looked at */

	/* What became of it. */
	int err;		/* 0 or a negative enum vfs_err */
	bool unsure;		/* as in vfs_failure */
	uint32_t status, op_index, retry_after_ms;
	uint64_t detail, trace_id;

	/* The library's. */
	struct vfs_call *next;
	uint64_t req_id, expires_ms;
	uint32_t state, given, len;
	bool own;		/* nobody else is to be given it */
	uint64_t small[64];
};

/* How much room a reply takes that carries n bytes (of data, entries, a
 * value, results). */
size_t vfs_room(enum vfs_op op, size_t n);

/*
 * Takes a request.  It is sent by the next vfs_flush or vfs_complete.
 * -VFS_AGAIN: no credit or room now, complete others first;
 * -VFS_NO_CREDIT: none, and nothing to wait for (ask with VFS_OP_CREDIT).
 * After any failure the call is the caller's at once.
 */
int vfs_submit(struct vfs *v, struct vfs_call *c);

/* Sends what it can; 0 also if something is left. */
int vfs_flush(struct vfs *v);

/*
 * Sends and receives what it can, without waiting.  1: *out is finished,
 * its err says how; 0: none is now.  An error: the connection is lost and
 * every call has been handed back.
 */
int vfs_complete(struct vfs *v, struct vfs_call **out);

/* The descriptor to poll (not to use), for these events (POLLIN,
 * POLLOUT), not longer than so many ms (-1: any time). */
int vfs_fd(const struct vfs *v);
short vfs_events(const struct vfs *v);
int vfs_timeout(const struct vfs *v);

/* Requests that are under way or wait to be handed back. */
unsigned vfs_pending(const struct vfs *v);

/* Asks the daemon to give the request up; it completes in any case, with
 * -VFS_CANCELLED if it has had no effect. */
int vfs_cancel(struct vfs *v, struct vfs_call *c);

/* The call is the caller's again at once, whatever becomes of it. */
void vfs_forget(struct vfs *v, struct vfs_call *c);

#ifdef __cplusplus
}
#endif

#include "vfs_file.h"
#include "vfs_dir.h"
#include "vfs_tx.h"
#include "vfs_watch.h"

#endif
