/*
 * RECLAIM: an object without names, and whatever belonged to it, goes
 * away.  One that has got a name again meanwhile (link), or is gone, is
 * left.  reclaimed: there is nothing more to do; or it has entries, and
 * REAP comes first.
 */
#include <assert.h>

#include "core.h"
#include "draft.h"
#include "tree.h"

int
op_reclaim(struct txn *t, const struct vfs_reclaim *q, struct plan *p,
    struct vfs_reclaim_reply *r)
{
	struct rec_journal j = { .kind = JOURNAL_DELETE };
	struct node n;
	int err;

	(void)p;
	assert(txn_mode(t) == TXN_WRITE);
	r->reclaimed = 1;
	err = node_get(t, q->id, &n);
	if (err == -VFS_NO_SUCH_ID || (err == 0 && n.in.nlink > 0))
		return 0;
	if (err == 0 && n.in.entries > 0) {
		r->reclaimed = VFS_RECLAIM_TREE;
		return 0;
	}
	if (err < 0 || (err = content_delete(t, &n)) < 0)
		return err;
	if (err > 0) {			/* a huge file goes in steps */
		r->reclaimed = 0;
		return n.draft ? 0 : node_put(t, &n);
	}
	if ((err = tree_forget(t, &n)) < 0)
		return err;
	return node_journal(t, &n, j);
}
