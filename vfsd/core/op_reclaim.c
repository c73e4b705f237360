/*
 * RECLAIM: an object without names, and whatever belonged to it, goes
 * away.  One that has got a name again meanwhile (link), or is gone, is
 * left.  reclaimed: there is nothing more to do.
 */
#include <assert.h>

#include "core.h"
#include "draft.h"
#include "xattr.h"

int
op_reclaim(struct txn *t, const struct vfs_reclaim *q, struct plan *p,
    struct vfs_reclaim_reply *r)
{
	struct rec_journal j = { .kind = JOURNAL_DELETE };
	struct row_key inode, orphan;
	struct node n;
	int err;

	(void)p;
	assert(txn_mode(t) == TXN_WRITE);
	r->reclaimed = 1;
	err = node_get(t, q->id, &n);
	if (err == -VFS_NO_SUCH_ID || (err == 0 && n.in.nlink > 0))
		return 0;
	row_key_id(&inode, ROW_INODE, n.id.n);
	row_key_id(&orphan, ROW_ORPHAN, n.id.n);
	if (err < 0 || (err = content_delete(t, &n)) < 0)
		return err;
	if (err > 0) {			/* a huge file goes in steps */
		r->reclaimed = 0;
		return n.draft ? 0 : node_put(t, &n);
	}
	if ((err = xattr_del_all(t, &n)) < 0 ||
	    (err = txn_del(t, row_key_slice(&inode))) < 0 ||
	    (err = txn_del(t, row_key_slice(&orphan))) < 0)
		return err;
	return node_journal(t, &n, j);
}
