/*
 * node.h - an object's inode in an operation's hands
 *
 * A node is a copy: get it, change it, put it once.  Whoever changes an
 * inode other than by plain writing publishes its draft first
 * (draft_publish), so that node_put never meets one.
 */
#ifndef CORE_NODE_H
#define CORE_NODE_H

#include "record.h"
#include "txn.h"

struct node {
	struct vfs_id id;
	bool draft;			/* in came from ROW_DRAFT */
	struct rec_inode in;
};

/* The object as readers see it: its draft if there is one.
 * -VFS_NO_SUCH_ID; damage is a fault that names the object. */
int node_get(struct txn *t, struct vfs_id id, struct node *out);

/* The same, and -VFS_NOTDIR if it is not a directory. */
int node_get_dir(struct txn *t, struct vfs_id id, struct node *out);

/* The published inode, whatever draft lies over it. */
int node_get_published(struct txn *t, struct vfs_id id, struct node *out);

int node_put(struct txn *t, const struct node *n);	/* !n->draft */
int node_put_draft(struct txn *t, const struct node *n);
/* A row that an object has one of. */
int node_del_row(struct txn *t, enum row_kind kind, struct vfs_id id);

/*
 * A new object: a fresh id, all times now, nlink 1 (directories 2).
 * mode has the type bits.  Nothing is put.
 */
int node_new(struct txn *t, uint32_t mode, uint32_t uid, uint32_t gid,
    struct node *out);

/*
 * Note a change: ctime moves on (strictly), and versions become this
 * commit's.  A draft keeps its versions; it gets them when published.
 */
enum {
	NODE_META = 1 << 0,		/* attributes, names, xattrs */
	NODE_DATA = 1 << 1,		/* bytes, or a directory's entries:
					 * mtime too */
};
void node_touch(struct txn *t, struct node *n, unsigned what);

/*
 * Add a change record: rec has kind, parents and names, n (as it is now)
 * gives the rest.  Every change of a row that people see has one, or the
 * journal has a gap.
 */
int node_journal(struct txn *t, const struct node *n,
    struct rec_journal rec);
/*
 * n's content was changed and published.  was: the inode before; set-id
 * bits and capabilities that went with it are told too.
 */
int node_journal_content(struct txn *t, const struct node *n,
    const struct rec_inode *was);
/* Did they?  Then NODE_META, for node_touch; else 0. */
unsigned node_lost_privs(const struct rec_inode *was, const struct node *n);

/* No name is left: ROW_ORPHAN, until somebody reclaims it. */
int node_orphan(struct txn *t, const struct node *n);

/* One name less (a directory: its only one).  Publishes and puts n. */
int node_unlinked(struct txn *t, struct node *n);

void node_attr(const struct node *n, struct vfs_attr *out);

/* Clear set-user-id, and set-group-id of group executables, as a write
 * or chown by others does.  true if something changed. */
bool node_kill_suidgid(struct txn *t, struct node *n);

static inline enum vfs_type
node_type(const struct node *n)
{
	return VFS_MODE_TYPE(n->in.mode);
}

static inline bool
node_is_dir(const struct node *n)
{
	return node_type(n) == VFS_DIR;
}

static inline bool
node_is_file(const struct node *n)
{
	return node_type(n) == VFS_REG;
}

#endif
