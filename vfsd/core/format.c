/* An empty store is a root directory, its own parent. */
#include "core.h"
#include "node.h"

int
core_format(struct txn *t, const void *arg)
{
	const struct core_root *root = arg;
	struct vfs_time now = txn_env(t)->now;
	uint64_t seq = txn_seq(t).n;
	struct node n = { .id = { VFS_ID_ROOT }, .in = {
		.mode = VFS_TYPE_MODE(VFS_DIR) |
		    (root->mode & VFS_MODE_PERM),
		.nlink = 2, .uid = root->uid, .gid = root->gid,
		.atime = now, .mtime = now, .ctime = now, .btime = now,
		.data_version = seq, .meta_version = seq,
		.parent = VFS_ID_ROOT, .next_slot = VFS_SLOT_FIRST,
	} };
	struct rec_journal j = {
		.kind = JOURNAL_CREATE, .parent = { VFS_ID_ROOT },
	};
	int err;

	if ((err = node_put(t, &n)) < 0)
		return err;
	return node_journal(t, &n, j);
}
