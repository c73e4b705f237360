/*
 * holders.h - who may still use an object that has no name
 *
 * A compact table id -> count of holders outside (the kernel's lookups,
 * and others: open handles, sessions), and a mark on those that lost their
 * last name.  Whoever takes the last hold of a marked object reclaims it;
 * an object that nobody holds is reclaimed by whoever takes its last name.
 *
 * It takes 32 bytes an id at the most.  Growing and shrinking stops the
 * ids of one part in 128 for as long as it takes to copy that part.
 *
 * Threads:   any.
 */
#ifndef VFSD_HOLDERS_H
#define VFSD_HOLDERS_H

#include "../../protocol/types.h"

struct holders;

enum holder { HOLDER_OTHER, HOLDER_KERNEL };

int holders_new(struct holders **out);
void holders_free(struct holders *h);

/* id: not 0.  -VFS_NOMEM: not counted. */
int holders_add(struct holders *h, enum holder who, struct vfs_id id,
    uint64_t n);

/* true: nobody holds it any more and it was marked (it no longer is). */
bool holders_drop(struct holders *h, enum holder who, struct vfs_id id,
    uint64_t n);

/*
 * The object has no name left.  true: nobody holds it, reclaim it now;
 * else it is marked.  keep marks it even if nobody holds it yet (a
 * TMPFILE, whose creator is about to).
 */
bool holders_orphan(struct holders *h, struct vfs_id id, bool keep);

bool holders_held(struct holders *h, struct vfs_id id);

/* The kernel holds it. */
bool holders_kernel(struct holders *h, struct vfs_id id);

/* It has lost its name, and whoever took that saw that it is held. */
bool holders_marked(struct holders *h, struct vfs_id id);

/* Are any marked? */
bool holders_any_orphan(struct holders *h);

/* Ids in the table, and what it takes. */
void holders_size(struct holders *h, uint64_t *ids, uint64_t *bytes);

#endif
