/*
 * draft.h - unpublished content of a file, and content as others see it
 *
 * Plain writes change only volatile rows: ROW_DRAFT (an inode that
 * replaces the published one for all readers) and its bytes, ROW_DINLINE
 * if INODE_INLINE is set in it, else ROW_DEXTENTs laid over the published
 * extents (which INODE_DRAFT_CUT hides; cut is 0).  Whoever else
 * changes the inode or the content publishes the draft first, in the same
 * write set.
 */
#ifndef CORE_DRAFT_H
#define CORE_DRAFT_H

#include "core.h"
#include "node.h"

/*
 * Make n's draft the published state: rewrites its rows, adds one
 * journal record, and leaves n as it was put (n->draft is false).
 * Nothing to do if there is no draft.  The caller may change and put n
 * once more.
 */
int draft_publish(struct txn *t, struct node *n);

/* Cut a file's content to nothing within its draft (O_TRUNC, touches n);
 * puts n's draft row.  The txn must be a draft's (txn_set_draft). */
int draft_cut(struct txn *t, struct node *n);

/* Free all content, draft or published, of an object that goes away.
 * Deletes ROW_DRAFT too; ROW_INODE is the caller's.  1: it is too much for
 * one commit; commit this and come again. */
int content_delete(struct txn *t, struct node *n);

/*
 * Set the size of a regular file, n->draft being false (publish first).
 * p is what prep_setattr made, NULL if it made nothing.  Changes n->in
 * (size, blocks, flags); the caller touches and puts it.  -VFS_AGAIN: the
 * plan is stale, the dispatcher prepares again.
 */
int content_resize(struct txn *t, struct node *n, uint64_t size,
    struct plan *p);

/* The bytes of an INODE_INLINE object (symlinks too); borrows the row. */
int content_inline(struct txn *t, const struct node *n,
    struct vfs_slice *out);

#endif
