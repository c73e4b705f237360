/*
 * link.h - one peer's message pipe
 *
 * A link carries whole messages, whatever is below: a stream, a ring of
 * shared memory, a mailbox, a serial line.  It knows nothing of what they
 * say but their length.  The wire's loop polls the descriptors that it
 * names, takes messages off it and sends on it.
 *
 * Threads:   two sides.  Receiving (recv, take_fd, tick) is one thread at
 *            a time, sending (send, flush) is one thread at a time; both
 *            may happen at once.  fds holds for both sides: it is called
 *            by whoever sends.  close when neither is under way.
 * Lifetime:  a message belongs to the caller of recv, who frees it.
 * Failure:   0 or a negative vfs_err; after one the link is closed.
 *            -VFS_SESSION_CLOSED from recv is the orderly end: the peer
 *            sends no more, but may still read.
 */
#ifndef FRONT_LINK_H
#define FRONT_LINK_H

#include <stdatomic.h>

#include "../server/session.h"

#define LINK_FDS_MAX	2u		/* that one link has polled */
#define LINK_GROUPS_MAX	64u		/* of the peer that are known */

struct link;

struct link_fd {
	int fd;
	uint32_t events;		/* EPOLLIN, EPOLLOUT; ends are always told */
};

struct link_ops {
	const char *name;		/* "unix": in status */
	/* What to wait for now; how many.  in: messages are wanted.  The
	 * descriptors of a link are the same ones all its life. */
	unsigned (*fds)(struct link *l, bool in,
	    struct link_fd fd[LINK_FDS_MAX]);
	/* 1 with a message from malloc, 0 if none is complete, or an error.
	 * ready: a descriptor was reported since the last call, look
	 * outside; else only what is here already is looked at. */
	int (*recv)(struct link *l, bool ready, uint8_t **msg, size_t *n);
	/* Takes all of it; what the peer does not take yet is kept, and
	 * counted in unsent. */
	int (*send)(struct link *l, const void *msg, size_t n);
	/* Send what was kept, as much as goes. */
	int (*flush)(struct link *l);
	/* A descriptor that came with the last message, or -1.  May be
	 * NULL: none ever does. */
	int (*take_fd)(struct link *l);
	/* Called at least so often as *again_ms (0: no need) asks for:
	 * sends again, gives up.  May be NULL. */
	int (*tick)(struct link *l, uint64_t now_ms, uint32_t *again_ms);
	/* Frees l too. */
	void (*close)(struct link *l);
};

/* The head of every implementation's struct; filled in by who makes it. */
struct link {
	const struct link_ops *ops;
	struct session_who who;		/* groups may point to the array */
	uint32_t groups[LINK_GROUPS_MAX];
	struct closer *closer;		/* of what the peer passes, or NULL */
	uint32_t max_msg;		/* longest message, either way */
	bool token_first;		/* no identity: HELLO within a second,
					 * then a token */
	_Atomic size_t unsent;		/* bytes kept */
	_Atomic bool partial;		/* part of a message is in */
};

/* How long a message is, for streams. */
struct link_frame {
	uint32_t head;			/* bytes that tell it; most 64 */
	uint32_t max;
	/* -VFS_MALFORMED: the stream cannot be trusted any more. */
	int (*len)(const uint8_t *head, uint32_t max, uint32_t *len);
};
extern const struct link_frame link_frame_vfp;

/*
 * A stream over a connected socket, pipe or tty; takes fd whatever it
 * returns.  Descriptors are received where sock is a unix socket.
 */
int link_stream_new(int fd, const struct link_ops *ops,
    const struct link_frame *frame, struct link **out);
extern const struct link_ops link_unix, link_tcp;

/* Fills who of a connected unix socket: SO_PEERCRED, SO_PEERGROUPS. */
int link_peer(struct link *l, int fd);

#endif
