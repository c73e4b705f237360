/*
 * publisher.h - publishes drafts that were left quiet
 *
 * A draft is published when nothing was written to it for 2 ms, at the
 * latest 5 s after its first write.  One thread does it; it sleeps without
 * a timer while there is no draft.
 *
 * Threads:   any.
 */
#ifndef VFSD_PUBLISHER_H
#define VFSD_PUBLISHER_H

#include "../../protocol/types.h"

#define PUBLISH_QUIET_NS	2000000ull
#define PUBLISH_LATEST_NS	5000000000ull

struct publisher;

/*
 * Called by the thread without locks.  late: the 5 s are over, wait for
 * the object's lock; else -VFS_BUSY if it is being written.  Other errors
 * are tried again a second later.
 */
typedef int publisher_fn(void *arg, struct vfs_id id, bool late);

int publisher_new(publisher_fn *fn, void *arg, struct publisher **out);

/* Ends the thread; drafts that it knows stay drafts. */
void publisher_free(struct publisher *p);

/* A draft of id was written just now, up to byte end.  Returns about how
 * many bytes of rows its publication will take. */
uint64_t publisher_wrote(struct publisher *p, struct vfs_id id,
    uint64_t end);

/* The caller publishes id itself.  false: no draft of it is known. */
bool publisher_forget(struct publisher *p, struct vfs_id id);

/* Was id quiet for long enough?  (asked under its lock) */
bool publisher_is_quiet(struct publisher *p, struct vfs_id id);

#endif
