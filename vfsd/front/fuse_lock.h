/*
 * fuse_lock.h - locks=shared: the kernel forwards fcntl, OFD and flock
 *
 * Internal to vfsd/front/fuse*.c; who holds what is vfsd/locks.c's.
 */
#ifndef FRONT_FUSE_LOCK_H
#define FRONT_FUSE_LOCK_H

#include "fuse_req.h"

/* Sets f->locks. */
int fuse_locks_new(struct fuse_front *f);
void fuse_locks_free(struct fuse_locks *l);

/* Everybody who waits is told EINTR; NULL is fine. */
void fuse_locks_cancel(struct fuse_locks *l);

/* FLUSH: the owner's fcntl locks on this file go.  RELEASE: a flock lock
 * goes too, if flock. */
void fuse_locks_closed(struct fuse_front *f, struct vfs_id id,
    uint64_t owner, bool flock);

#endif
