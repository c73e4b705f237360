/*
 * fuse_uring.h - requests through rings that are shared with the kernel
 *
 * Where root has enabled it (module parameter enable_uring of fuse) and
 * the mount asked for it, requests come by FUSE-over-io_uring: a queue for
 * each CPU, and in each several threads with a ring and one entry of their
 * own.  So an entry that waits stands for a thread that is idle, and a
 * thread that waits for the disk holds nobody up.  FORGET and INTERRUPT
 * still come by /dev/fuse.  Where any step fails, all do.
 *
 * Threads:   start and stop as fuse_front_start and _stop; put is called by
 *            the ring's own thread only, so its requests are never answered
 *            by a callback.
 */
#ifndef FRONT_FUSE_URING_H
#define FRONT_FUSE_URING_H

#include <sys/uio.h>

#include "fuse_req.h"

/* Makes threads and rings, which wait; none if that is not possible. */
void fuse_rings_start(struct fuse_front *f);
/* The kernel agreed: register them. */
void fuse_rings_go(struct fuse_front *f);
/* The session may still be there; on_wake has been set up. */
void fuse_rings_stop(struct fuse_front *f);
unsigned fuse_rings_serving(const struct fuse_front *f);

/* The answer to the request in hand. */
void fuse_ring_put(struct fuse_ring *r, uint64_t unique, int os,
    const struct iovec *body, int nbody);
/* Adds what its threads have counted. */
void fuse_rings_each(struct fuse_front *f,
    void (*fn)(void *arg, struct fuse_worker *w), void *arg);

#endif
