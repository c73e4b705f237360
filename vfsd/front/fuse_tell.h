/*
 * fuse_tell.h - threads from which the kernel is told
 *
 * A notice can wait in the kernel for the lock of a directory, without an
 * end if the daemon is killed meanwhile: whoever holds that lock waits for
 * an answer of the daemon's, and a thread that cannot die keeps all files
 * of its process open, so nobody learns that the daemon is dead.  So
 * notices are given by threads that share no file with the others: their
 * table of descriptors is their own, and holds one clone of /dev/fuse.
 *
 * Threads:   any but those that serve the kernel.
 */
#ifndef FRONT_FUSE_TELL_H
#define FRONT_FUSE_TELL_H

struct fuse_tellers;

/* fd: borrowed; all other descriptors are closed in the new threads. */
int fuse_tellers_start(int fd, struct fuse_tellers **out);
/* Runs fn(arg) on one of them and waits for its end. */
void fuse_tellers_run(struct fuse_tellers *t, void (*fn)(void *arg),
    void *arg);
/* NULL is fine. */
void fuse_tellers_stop(struct fuse_tellers *t);

#endif
