/*
 * tree.h - whole trees: taken away, put in place, out of reach
 *
 * A tree is removed by taking its top's name away: the top becomes an
 * orphan that still has entries, and REAP takes those away later, in
 * batches.  What lies in it keeps names and counts until then, but is out
 * of reach: on the way up from it there is a directory without a name.
 *
 * A staging directory (INODE_STAGING, made by TMPFILE) has no name either,
 * but takes entries; a tree is prepared in it and then published.
 */
#ifndef CORE_TREE_H
#define CORE_TREE_H

#include "core.h"
#include "node.h"

/* Does this directory take new names? */
static inline bool
tree_takes_names(const struct node *dir)
{
	return dir->in.nlink > 0 || (dir->in.flags & INODE_STAGING) != 0;
}

/* Directories count the directories in them, as long as they are named. */
static inline void
tree_count_subdir(struct node *dir, int by)
{
	if (dir->in.nlink > 0)
		dir->in.nlink += (uint32_t)by;
}

/* Is dir the directory top, or below it?  1, 0 or an error. */
int tree_is_below(struct txn *t, struct vfs_id dir, struct vfs_id top);

/*
 * Is the object root, or below it, without a removed directory on the way?
 * A directory goes by its parents, others by any of their names.  What
 * lies in a staging directory is below the directory that it was made
 * for.  1, 0 or an error; 0 for an object that is not there.
 */
int tree_reaches(struct txn *t, struct vfs_id id, struct vfs_id root);

/* All rows of an object that are left when its content is gone. */
int tree_forget(struct txn *t, struct node *n);

/* RENAME; tree: what it replaces may be any tree. */
int rename_run(struct txn *t, const struct vfs_rename *q, bool tree,
    struct vfs_rename_reply *r);

/* UNLINK; tree: a directory may have entries. */
int unlink_run(struct txn *t, const struct vfs_unlink *q, bool tree,
    struct vfs_unlink_reply *r);

/*
 * May the caller take the directory away with all that is in it?  For root
 * and the store's owner its own mode tells; for others every directory in
 * it is looked at.  -VFS_ACCESS, -VFS_PERM; -VFS_TX_LIMIT: there are more
 * than VFS_TREE_LOOK_MAX names.
 */
int tree_may_remove(struct txn *t, const struct node *dir);

/* The same where n comes to lie in a directory that will go: one that was
 * removed, or is in a staging directory.  0 for all other directories. */
int tree_may_move(struct txn *t, const struct node *n, struct vfs_id dir);

/* The record for a name that goes with all that is behind it. */
enum journal_kind tree_unlink_kind(const struct node *n);

#endif
