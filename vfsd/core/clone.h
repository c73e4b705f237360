/*
 * clone.h - a copy of a tree by reference
 *
 * New objects with new ids get the names, modes, owners, times and
 * attributes of the old ones, and share the places of their bytes.  A
 * small tree is copied in one txn.  A large one takes several steps, each
 * a txn of its own, into a directory that nobody sees; nothing of the
 * source may be newer than the number given, so what comes out is the tree
 * as it was then.
 *
 * State moves on only with steps that are committed: after a failed one
 * the clone is of no use any more.
 */
#ifndef CORE_CLONE_H
#define CORE_CLONE_H

#include "core.h"
#include "node.h"

struct clone;

/* upto: -VFS_CONFLICT if anything has a later version; 0: whatever there
 * is.  -VFS_NOMEM. */
int clone_new(struct vfs_id src, uint64_t upto, struct clone **out);
void clone_free(struct clone *c);		/* NULL is fine */

/* The top, as a name that is free in dir; dir is changed in the caller's
 * hands, as by dirent_add. */
int clone_top(struct txn *t, struct clone *c, struct node *dir,
    struct vfs_slice name);

/* Copy until about so many bytes of rows are put: 1 if there is more. */
int clone_step(struct txn *t, struct clone *c, size_t bytes);

/* So far. */
struct vfs_id clone_id(const struct clone *c);
uint64_t clone_objects(const struct clone *c);

#endif
