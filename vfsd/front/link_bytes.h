/*
 * link_bytes.h - links over what moves bytes but is no descriptor
 *
 * A ring, a mailbox, a framed line: each moves bytes of the stream of
 * messages both ways and has a descriptor that says when to look again.
 * This puts messages together and keeps what does not go yet; the kinds
 * say how bytes move.
 *
 * Threads:   as link.h; the lock guards the kind's state too, its functions
 *            are called with it held.
 */
#ifndef FRONT_LINK_BYTES_H
#define FRONT_LINK_BYTES_H

#include <pthread.h>

#include "link.h"

struct link_bytes;

struct bytes_ops {
	/* Bytes that moved; 0 for now, or for ever: look at err. */
	size_t (*read)(struct link_bytes *b, void *p, size_t n);
	size_t (*write)(struct link_bytes *b, const void *p, size_t n);
	/* The descriptor was reported: take what it has to say. */
	int (*look)(struct link_bytes *b);
	/* Something moved, or has to be said: tell the peer. */
	int (*tell)(struct link_bytes *b);
	/* Nothing to read, or (room) to write: true if the descriptor will
	 * tell when there is. */
	bool (*sleep)(struct link_bytes *b, bool room);
	int (*err)(struct link_bytes *b);
	/* As link.h; may be NULL. */
	int (*tick)(struct link_bytes *b, uint64_t now_ms,
	    uint32_t *again_ms);
	void (*free)(struct link_bytes *b);
};

struct link_bytes {
	struct link link;
	const struct bytes_ops *ops;
	const struct link_frame *frame;
	int fd;
	pthread_mutex_t lock;		/* guards all below, and the kind's */
	bool to_write;			/* fd is waited on for room too */
	uint8_t head[64];
	uint8_t *msg;			/* under way, NULL: its head is */
	size_t n, len;
	uint8_t *out;			/* kept */
	size_t out_cap, out_at, out_n;
};

extern const struct link_ops link_ring, link_ipc, link_serial;

void link_bytes_init(struct link_bytes *b, const struct link_ops *ops,
    const struct bytes_ops *how, const struct link_frame *frame, int fd);

/* The functions of struct link_ops. */
unsigned link_bytes_fds(struct link *l, bool in,
    struct link_fd fd[LINK_FDS_MAX]);
int link_bytes_recv(struct link *l, bool ready, uint8_t **msg, size_t *n);
int link_bytes_send(struct link *l, const void *msg, size_t n);
int link_bytes_flush(struct link *l);
int link_bytes_tick(struct link *l, uint64_t now_ms, uint32_t *again_ms);
void link_bytes_close(struct link *l);

#define LINK_BYTES_OPS(text, take) { \
	.name = text, .fds = link_bytes_fds, .recv = link_bytes_recv, \
	.send = link_bytes_send, .flush = link_bytes_flush, \
	.take_fd = take, .tick = link_bytes_tick, .close = link_bytes_close }

/*
 * Bells: one byte over the unix socket that the peer came by.  Not an
 * eventfd: its flags are the peer's too, who could make our write wait.
 */
int bell_ring(int fd);
/* The last byte says why it ends: the number of a vfs_err, never 1. */
void bell_end(int fd, int err);
/* Take those that came; -VFS_SESSION_CLOSED: the peer is gone. */
int bell_hear(int fd);

/* A ring for the peer behind fd, which is borrowed, in memory that it
 * shares; memfd is borrowed, too.  pre: what the peer sent first.  hear
 * does what bell_hear does: descriptors may come with bells. */
#define LINK_RING_PRE	16u
int link_ring_new(int fd, int memfd, const uint8_t pre[LINK_RING_PRE],
    int (*hear)(void *arg), void *arg, struct link **out);

#endif
