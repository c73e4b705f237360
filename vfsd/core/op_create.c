/* CREATE and TMPFILE: new objects. */
#include <assert.h>
#include <string.h>

#include "core.h"
#include "dirent.h"
#include "perm.h"
#include "tree.h"
#include "xattr.h"

#define MODE_SETGID	02000u
#define MODE_XGROUP	00010u
#define MODE_STICKY	01000u

#define CREATE_FLAGS	(VFS_CREATE_EXCL | VFS_CREATE_TRUNC)

/* What a new object gets from its directory, besides the name. */
struct birth {
	uint32_t mode, gid;
	bool access, inherit;		/* which ACLs to put */
	struct acl acl, dflt;		/* if so; 8 KiB, not to be cleared */
};

/* System V groups: a set-gid directory hands its group, and directories
 * the bit, down. */
static void
inherit_group(const struct txn *t, const struct node *dir,
    struct birth *b)
{
	const struct req_env *env = txn_env(t);
	uint32_t both = MODE_SETGID | MODE_XGROUP;

	b->gid = env->gid;
	if ((dir->in.mode & MODE_SETGID) == 0)
		return;
	b->gid = dir->in.gid;
	if (VFS_MODE_TYPE(b->mode) == VFS_DIR)
		b->mode |= MODE_SETGID;
	else if ((b->mode & both) == both && !env->kernel_checked &&
	    !env->privileged && !perm_in_group(t, b->gid))
		b->mode &= ~MODE_SETGID;
}

/* A default ACL takes the umask's place; without one the umask counts. */
static int
inherit_acl(struct txn *t, const struct node *dir, struct birth *b)
{
	enum vfs_type type = VFS_MODE_TYPE(b->mode);
	int err;

	if (type == VFS_LNK)
		return 0;
	err = (dir->in.flags & INODE_HAS_DEFACL) == 0 ? -VFS_NOXATTR :
	    xattr_acl_get(t, dir, ACL_NAME_DEFAULT, &b->dflt);
	if (err == -VFS_NOXATTR) {
		b->mode &= ~(txn_env(t)->umask & 0777);
		return 0;
	}
	if (err < 0)
		return err;
	b->acl = b->dflt;
	b->access = !acl_inherit(&b->acl, &b->mode);
	b->inherit = type == VFS_DIR;
	return 0;
}

/* Puts the ACLs; the inode row is still the caller's to put. */
static int
bear(struct txn *t, const struct node *dir, uint32_t mode,
    struct node *out)
{
	struct birth b;
	int err;

	b.mode = mode;
	b.access = b.inherit = false;
	inherit_group(t, dir, &b);
	if ((err = inherit_acl(t, dir, &b)) < 0)
		return err;
	err = node_new(t, b.mode, txn_env(t)->uid, b.gid, out);
	if (err < 0)
		return err;
	out->in.parent = dir->id.n;
	if (b.access)
		err = xattr_acl_put(t, out, ACL_NAME_ACCESS, &b.acl);
	if (err == 0 && b.inherit)
		err = xattr_acl_put(t, out, ACL_NAME_DEFAULT, &b.dflt);
	return err;
}

static int
check_target(struct vfs_slice target)
{
	if (target.n == 0)
		return -VFS_NOENT;
	if (target.n > VFS_SYMLINK_MAX)
		return -VFS_NAMETOOLONG;
	return memchr(target.p, '\0', target.n) ? -VFS_INVAL : 0;
}

/* -VFS_INVAL if it cannot be made, whoever asks. */
static int
check_request(const struct txn *t, const struct vfs_create *q)
{
	int err;

	if ((q->mode >> 16) != 0 || (q->flags & ~CREATE_FLAGS) != 0)
		return -VFS_INVAL;
	if ((err = dirent_name_check(q->name)) < 0)
		return err;
	switch (VFS_MODE_TYPE(q->mode)) {
	case VFS_LNK:
		return check_target(q->target);
	case VFS_CHR:
	case VFS_BLK:
		return perm_trusted(t) ? 0 : -VFS_PERM;
	case VFS_REG:
	case VFS_DIR:
	case VFS_FIFO:
	case VFS_SOCK:
		return 0;
	default:
		return -VFS_INVAL;
	}
}

static uint32_t
wanted_mode(const struct vfs_create *q)
{
	switch (VFS_MODE_TYPE(q->mode)) {
	case VFS_LNK:
		return VFS_TYPE_MODE(VFS_LNK) | 0777;
	case VFS_DIR:
		return VFS_TYPE_MODE(VFS_DIR) |
		    (q->mode & (0777 | MODE_STICKY));
	default:
		return q->mode;
	}
}

/* There is one already: open(O_CREAT) takes it if it is a file. */
static int
take_existing(struct txn *t, const struct vfs_create *q,
    const struct rec_name *e, struct vfs_create_reply *r)
{
	struct node n;
	int err;

	if ((q->flags & VFS_CREATE_EXCL) ||
	    VFS_MODE_TYPE(q->mode) != VFS_REG)
		return -VFS_EXIST;
	if (e->type != VFS_REG)
		return e->type == VFS_DIR ? -VFS_ISDIR : -VFS_EXIST;
	if ((err = dirent_node(t, q->dir, e, &n)) < 0)
		return err;
	node_attr(&n, &r->attr);
	r->created = 0;
	return 0;
}

/* What kinds of object have that others have not. */
static int
put_kind(struct txn *t, const struct vfs_create *q, struct node *n)
{
	struct row_key k;

	switch (node_type(n)) {
	case VFS_CHR:
	case VFS_BLK:
		n->in.rdev_major = q->rdev_major;
		n->in.rdev_minor = q->rdev_minor;
		return 0;
	case VFS_LNK:
		n->in.size = q->target.n;
		n->in.flags |= INODE_INLINE;
		row_key_id(&k, ROW_INLINE, n->id.n);
		return txn_put(t, row_key_slice(&k), q->target);
	default:
		return 0;
	}
}

static int
create_new(struct txn *t, const struct vfs_create *q, struct node *dir,
    struct node *n)
{
	struct rec_journal j = {
		.kind = JOURNAL_CREATE, .parent = dir->id, .name = q->name,
	};
	int err;

	if ((err = bear(t, dir, wanted_mode(q), n)) < 0 ||
	    (err = put_kind(t, q, n)) < 0 ||
	    (err = node_put(t, n)) < 0 ||
	    (err = dirent_add(t, dir, q->name, n->id, node_type(n))) < 0)
		return err;
	if (node_is_dir(n))
		tree_count_subdir(dir, +1);
	node_touch(t, dir, NODE_DATA | (node_is_dir(n) ? NODE_META : 0));
	if ((err = node_put(t, dir)) < 0)
		return err;
	return node_journal(t, n, j);
}

int
op_create(struct txn *t, const struct vfs_create *q, struct plan *p,
    struct vfs_create_reply *r)
{
	struct node dir, n;
	struct rec_name e;
	int err;

	(void)p;
	assert(txn_mode(t) == TXN_WRITE);
	if ((err = check_request(t, q)) < 0)
		return err;
	if ((err = node_get_dir(t, q->dir, &dir)) < 0)
		return err;
	if ((err = perm_check(t, &dir, VFS_MAY_EXEC)) < 0)
		return err;
	err = dirent_find(t, q->dir, q->name, &e);
	if (err == 0)
		return take_existing(t, q, &e, r);
	if (err != -VFS_NOENT)
		return err;
	if (!tree_takes_names(&dir))
		return -VFS_NOENT;	/* removed, and still held */
	if ((err = perm_check(t, &dir, VFS_MAY_WRITE)) < 0)
		return err;
	if ((err = create_new(t, q, &dir, &n)) < 0)
		return err;
	node_attr(&n, &r->attr);
	r->created = 1;
	return 0;
}

int
op_tmpfile(struct txn *t, const struct vfs_tmpfile *q, struct plan *p,
    struct vfs_tmpfile_reply *r)
{
	struct rec_journal j = {
		.kind = JOURNAL_CREATE, .parent = q->dir,
	};
	enum vfs_type type = VFS_MODE_TYPE(q->mode);
	struct node dir, n;
	int err;

	(void)p;
	assert(txn_mode(t) == TXN_WRITE);
	if ((q->mode >> 16) != 0 || (type != VFS_REG && type != VFS_DIR))
		return -VFS_INVAL;
	if ((err = dirent_parent(t, q->dir, &dir)) < 0 ||
	    (err = bear(t, &dir, q->mode, &n)) < 0)
		return err;
	n.in.nlink = 0;
	if (node_is_dir(&n))
		n.in.flags |= INODE_STAGING;
	if ((err = node_put(t, &n)) < 0 ||
	    (err = node_orphan(t, &n)) < 0 ||
	    (err = node_journal(t, &n, j)) < 0)
		return err;
	node_attr(&n, &r->attr);
	return 0;
}
