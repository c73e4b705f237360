/* LOOKUP, LINK, UNLINK: names come and go. */
#include <assert.h>

#include "core.h"
#include "dirent.h"
#include "draft.h"
#include "perm.h"
#include "tree.h"
#include "within.h"

/* What lies in a removed tree is gone for whoever comes with its id.  One
 * without names of its own is somebody's who holds it. */
static int
lookup_self(struct txn *t, struct vfs_id id, struct node *out)
{
	int err;

	if ((err = node_get(t, id, out)) < 0)
		return err;
	if (out->in.nlink == 0)
		return out->in.entries == 0 ? 0 : -VFS_NO_SUCH_ID;
	err = tree_reaches(t, id, (struct vfs_id){ VFS_ID_ROOT });
	return err > 0 ? 0 : err < 0 ? err : -VFS_NO_SUCH_ID;
}

/* "." is any object itself, ".." the directory above (at the root: the
 * root); whoever exports ids needs both. */
static int
lookup_dots(struct txn *t, const struct vfs_lookup *q, struct node *out)
{
	struct node dir;
	int err;

	if (dirent_is_dot(q->name))
		return lookup_self(t, q->dir, out);
	if ((err = node_get_dir(t, q->dir, &dir)) < 0)
		return err;
	if ((err = perm_check(t, &dir, VFS_MAY_EXEC)) < 0)
		return err;
	return node_get_dir(t, within_up(t, dir.id, dir.in.parent), out);
}

/* The kernel has checked the directory; it need not be read at all unless
 * the name is missing. */
static int
lookup_name(struct txn *t, const struct vfs_lookup *q, struct node *out)
{
	struct node dir;
	struct rec_name e;
	int err, found;

	found = dirent_find(t, q->dir, q->name, &e);
	if (found < 0 || !txn_env(t)->kernel_checked) {
		if ((err = node_get_dir(t, q->dir, &dir)) < 0)
			return err;
		if ((err = perm_check(t, &dir, VFS_MAY_EXEC)) < 0)
			return err;
	}
	return found < 0 ? found : dirent_node(t, q->dir, &e, out);
}

int
op_lookup(struct txn *t, const struct vfs_lookup *q,
    struct vfs_lookup_reply *r)
{
	struct node n;
	int err;

	if (dirent_is_dot(q->name) || dirent_is_dotdot(q->name))
		err = lookup_dots(t, q, &n);
	else if ((err = dirent_name_check(q->name)) == 0)
		err = lookup_name(t, q, &n);
	if (err < 0)
		return err;
	node_attr(&n, &r->attr);
	return 0;
}

/* One more name for n, which may have had none (a tmpfile). */
static int
link_added(struct txn *t, struct node *n, const struct node *dir)
{
	int err;

	if (n->in.nlink == 0) {
		if ((err = node_del_row(t, ROW_ORPHAN, n->id)) < 0)
			return err;
		n->in.parent = dir->id.n;
	}
	if (++n->in.nlink > 1)
		n->in.flags |= INODE_MANY;
	node_touch(t, n, NODE_META);
	return node_put(t, n);
}

static int
link_name(struct txn *t, const struct vfs_link *q, struct node *dir,
    struct node *n)
{
	struct rec_journal j = {
		.kind = JOURNAL_LINK, .parent = dir->id, .name = q->name,
	};
	int err;

	if ((err = draft_publish(t, n)) < 0 ||
	    (err = link_added(t, n, dir)) < 0 ||
	    (err = dirent_add(t, dir, q->name, n->id, node_type(n))) < 0)
		return err;
	node_touch(t, dir, NODE_DATA);
	if ((err = node_put(t, dir)) < 0)
		return err;
	return node_journal(t, n, j);
}

int
op_link(struct txn *t, const struct vfs_link *q, struct plan *p,
    struct vfs_link_reply *r)
{
	struct node dir, n;
	struct rec_name e;
	int err;

	(void)p;
	assert(txn_mode(t) == TXN_WRITE);
	if ((err = dirent_name_check(q->name)) < 0 ||
	    (err = dirent_parent(t, q->dir, &dir)) < 0 ||
	    (err = node_get(t, q->target, &n)) < 0)
		return err;
	err = dirent_find(t, q->dir, q->name, &e);
	if (err != -VFS_NOENT)
		return err == 0 ? -VFS_EXIST : err;
	if (node_is_dir(&n))
		return -VFS_PERM;
	if ((err = perm_link(t, &n)) < 0)
		return err;
	if (n.in.nlink >= VFS_LINK_MAX)
		return -VFS_MLINK;
	if ((err = link_name(t, q, &dir, &n)) < 0)
		return err;
	node_attr(&n, &r->attr);
	return 0;
}

/* May the entry e go, with these flags? */
static int
unlink_check(struct txn *t, const struct vfs_unlink *q, bool tree,
    const struct node *dir, const struct node *n)
{
	bool is_dir = node_is_dir(n);
	int err;

	if ((err = perm_remove(t, dir, n)) < 0)
		return err;
	if (q->expect.n != 0 && q->expect.n != n->id.n)
		return -VFS_PRECOND;
	if (is_dir && (q->flags & VFS_UNLINK_FILE))
		return -VFS_ISDIR;
	if (!is_dir && (q->flags & VFS_UNLINK_DIR))
		return -VFS_NOTDIR;
	if (!is_dir || n->in.entries == 0)
		return 0;
	return tree ? tree_may_remove(t, n) : -VFS_NOTEMPTY;
}

static int
unlink_name(struct txn *t, const struct vfs_unlink *q, struct node *dir,
    const struct rec_name *e, struct node *n)
{
	struct rec_journal j = {
		.kind = tree_unlink_kind(n), .parent = dir->id,
		.name = q->name,
	};
	bool is_dir = node_is_dir(n);
	int err;

	if ((err = dirent_del(t, dir, q->name, e)) < 0 ||
	    (err = node_unlinked(t, n)) < 0)
		return err;
	if (is_dir)
		tree_count_subdir(dir, -1);
	node_touch(t, dir, NODE_DATA | (is_dir ? NODE_META : 0));
	if ((err = node_put(t, dir)) < 0)
		return err;
	return node_journal(t, n, j);
}

int
op_unlink(struct txn *t, const struct vfs_unlink *q, struct plan *p,
    struct vfs_unlink_reply *r)
{
	(void)p;
	return unlink_run(t, q, false, r);
}

int
unlink_run(struct txn *t, const struct vfs_unlink *q, bool tree,
    struct vfs_unlink_reply *r)
{
	struct node dir, n;
	struct rec_name e;
	int err;

	assert(txn_mode(t) == TXN_WRITE);
	if ((q->flags & ~(VFS_UNLINK_FILE | VFS_UNLINK_DIR)) != 0 ||
	    q->flags == (VFS_UNLINK_FILE | VFS_UNLINK_DIR))
		return -VFS_INVAL;
	if ((err = dirent_name_check(q->name)) < 0 ||
	    (err = node_get_dir(t, q->dir, &dir)) < 0 ||
	    (err = perm_check(t, &dir, VFS_MAY_EXEC)) < 0 ||
	    (err = dirent_find(t, q->dir, q->name, &e)) < 0 ||
	    (err = dirent_node(t, q->dir, &e, &n)) < 0 ||
	    (err = unlink_check(t, q, tree, &dir, &n)) < 0 ||
	    (err = unlink_name(t, q, &dir, &e, &n)) < 0)
		return err;
	r->id = n.id;
	r->nlink = n.in.nlink;
	return 0;
}
