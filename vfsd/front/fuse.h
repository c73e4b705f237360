/*
 * fuse.h - the FUSE front: requests of a mounted kernel become operations
 *
 * It reads /dev/fuse with threads of its own (fuse_turn.h), each on its own
 * clone of the descriptor, which becomes nonblocking; decodes, calls
 * dispatch(), replies.  Mounting and unmounting are mount.h's business.
 * Any descriptor that gives one message for each read will do, which is
 * how tests feed it hostile bytes.
 *
 * Threads:   start, wait, stop from one thread; the rest from any.
 * Failure:   0 or a negative vfs_err.  The session's end is no failure.
 */
#ifndef FRONT_FUSE_H
#define FRONT_FUSE_H

#include "../server/dispatch.h"

#define FUSE_THREADS_MAX	64u

struct fuse_front;

struct fuse_front_conf {
	struct server *server;
	const int *fds;			/* one for each thread; closed by stop */
	unsigned nfds;			/* 1 to FUSE_THREADS_MAX */
	int notice_fd;			/* one more for notices, closed by stop
					 * too; 0: the first of fds is used */
	const char *store;		/* its path, for ADDR_XATTR */
	bool direct;			/* every write(2) arrives whole */
	bool direct_new;		/* only by who made a file to write it */
	unsigned ring_queues;		/* fuse_ring_queues: by io_uring, where
					 * that can be; 0: no.  Not with shared
					 * locks */
	bool shared_locks;		/* fcntl and flock locks are kept here */
	bool atime;			/* opens for reading may set atime */
	bool own_checks;		/* the kernel checks no permissions */
	/* Called once, by a thread of the front, when INIT was answered;
	 * err is why the kernel was refused. */
	void (*ready)(void *arg, int err);
	/* Called by the last thread that ends. */
	void (*ended)(void *arg);
	void *arg;
};

int fuse_front_start(const struct fuse_front_conf *conf,
    struct fuse_front **out);

/* Ends the threads even if the kernel would go on, answers what still
 * waits, and frees everything; NULL is fine. */
void fuse_front_stop(struct fuse_front *f);

/* A queue for each CPU that there may ever be: the kernel waits for those
 * that are missing.  0: not known.  Before the sandbox closes. */
unsigned fuse_ring_queues(void);

/* How many threads, so how many descriptors, this machine wants. */
unsigned fuse_front_threads(void);

#endif
