/* STAT, ACCESS, READLINK, STATFS: looking at one object. */
#include <string.h>

#include "core.h"
#include "draft.h"
#include "perm.h"

#define MAY_ALL	(VFS_MAY_EXEC | VFS_MAY_WRITE | VFS_MAY_READ)

int
op_stat(struct txn *t, const struct vfs_stat *q, struct vfs_stat_reply *r)
{
	struct node n;
	int err;

	if ((err = node_get(t, q->id, &n)) < 0)
		return err;
	node_attr(&n, &r->attr);
	return 0;
}

int
op_access(struct txn *t, const struct vfs_access *q,
    struct vfs_access_reply *r)
{
	struct node n;
	int err;

	if ((q->mask & ~MAY_ALL) != 0)
		return -VFS_INVAL;
	if ((err = node_get(t, q->id, &n)) < 0)
		return err;
	return perm_granted(t, &n, q->mask, &r->granted);
}

int
op_readlink(struct txn *t, const struct vfs_readlink *q,
    struct vfs_readlink_reply *r)
{
	struct vfs_slice target;
	struct node n;
	int err;

	if ((err = node_get(t, q->id, &n)) < 0)
		return err;
	if (node_type(&n) != VFS_LNK)
		return -VFS_INVAL;
	if ((err = content_inline(t, &n, &target)) < 0)
		return err;
	if (target.n > r->target.cap)
		return -VFS_RANGE;
	memcpy(r->target.p, target.p, target.n);
	r->target.n = target.n;
	return 0;
}

/* Objects are not counted and not limited but by room: 0, as btrfs says. */
int
op_statfs(struct txn *t, const struct vfs_statfs *q,
    struct vfs_statfs_reply *r)
{
	uint64_t total, room;
	int err;

	(void)q;
	if ((err = engine_room(txn_engine(t), &total, &room)) < 0)
		return err;
	*r = (struct vfs_statfs_reply){
		.blocks = total / VFS_BLOCK, .bfree = room / VFS_BLOCK,
		.bsize = VFS_BLOCK, .namelen = VFS_NAME_MAX,
	};
	return 0;
}
