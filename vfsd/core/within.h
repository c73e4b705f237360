/*
 * within.h - what a confined request may see at all
 *
 * A request whose env has a root sees the objects at and below that
 * directory; every other id is answered like one that never existed.  The
 * look is taken in the request's own txn, so no move can slip in between.
 *
 * An object without names lies nowhere: whoever holds it open (env->holds),
 * or this very txn has taken its last name or made it, may use it.
 */
#ifndef CORE_WITHIN_H
#define CORE_WITHIN_H

#include "../../protocol/proto.h"
#include "txn.h"

static inline bool
within_all(const struct txn *t)
{
	return txn_env(t)->root == 0;
}

/* May the request use this id?  1, 0 or an error. */
int within(struct txn *t, struct vfs_id id);

/* Is id a directory at or below the root?  1, 0 or an error. */
int within_dir(struct txn *t, struct vfs_id id);

/* All objects that the operation will look at: 0 or -VFS_NO_SUCH_ID. */
int within_check(struct txn *t, enum vfs_op op, const void *q);

/* Which id fields of op, by position, are only compared with what is
 * found (expect): nothing is told of such an object. */
unsigned within_compared(enum vfs_op op);

/* Take out of attributes what lies outside: the parent. */
int within_attr(struct txn *t, struct vfs_attr *a);

/* The same for many in one txn, most with the parent of the one before;
 * *last begins with zeroes. */
struct within_last {
	uint64_t parent;
	bool in;
};
int within_attr_next(struct txn *t, struct vfs_attr *a,
    struct within_last *last);

/* What ".." is in a directory whose record says parent. */
static inline struct vfs_id
within_up(const struct txn *t, struct vfs_id dir, uint64_t parent)
{
	return dir.n == txn_env(t)->root ? dir : (struct vfs_id){ parent };
}

#endif
