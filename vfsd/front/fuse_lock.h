/*
 * fuse_lock.h - locks=shared: the kernel forwards fcntl, OFD and flock
 *
 * Internal to vfsd/front/fuse*.c; who holds what is vfsd/server/locks.c's.
 */
#ifndef FRONT_FUSE_LOCK_H
#define FRONT_FUSE_LOCK_H

#include "fuse_req.h"

/* FLUSH: a descriptor was closed, so the owner's fcntl locks go. */
void fuse_locks_flushed(struct freq *q, uint64_t owner);

/* RELEASE: the open file is gone, and with it its OFD and flock locks. */
void fuse_locks_released(struct freq *q, const struct fuse_release_in *in);

#endif
