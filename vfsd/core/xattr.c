#include <inttypes.h>
#include <string.h>

#include "xattr.h"

static struct vfs_slice
name_slice(const char *s)
{
	return (struct vfs_slice){ s, strlen(s) };
}

static uint32_t
acl_flag(struct vfs_slice name)
{
	if (name.n == strlen(ACL_NAME_ACCESS) &&
	    memcmp(name.p, ACL_NAME_ACCESS, name.n) == 0)
		return INODE_HAS_ACL;
	if (name.n == strlen(ACL_NAME_DEFAULT) &&
	    memcmp(name.p, ACL_NAME_DEFAULT, name.n) == 0)
		return INODE_HAS_DEFACL;
	return 0;
}

int
xattr_get(struct txn *t, const struct node *n, struct vfs_slice name,
    struct vfs_slice *val)
{
	struct row_key k;
	int err;

	if ((n->in.flags & INODE_HAS_XATTR) == 0)
		return -VFS_NOXATTR;
	row_key_name(&k, ROW_XATTR, n->id, name);
	err = txn_get(t, row_key_slice(&k), val);
	return err == -VFS_NOENT ? -VFS_NOXATTR : err;
}

int
xattr_put(struct txn *t, struct node *n, struct vfs_slice name,
    struct vfs_slice val)
{
	struct vfs_slice old;
	struct row_key k;
	int had, err;

	had = xattr_get(t, n, name, &old);
	if (had < 0 && had != -VFS_NOXATTR)
		return had;
	row_key_name(&k, ROW_XATTR, n->id, name);
	if ((err = txn_put(t, row_key_slice(&k), val)) < 0)
		return err;
	if (had < 0)
		n->in.xattrs++;
	n->in.flags |= INODE_HAS_XATTR | acl_flag(name);
	return 0;
}

int
xattr_del(struct txn *t, struct node *n, struct vfs_slice name)
{
	struct vfs_slice old;
	struct row_key k;
	int err;

	err = xattr_get(t, n, name, &old);
	if (err < 0)
		return err == -VFS_NOXATTR ? 0 : err;
	row_key_name(&k, ROW_XATTR, n->id, name);
	if ((err = txn_del(t, row_key_slice(&k))) < 0)
		return err;
	n->in.flags &= ~acl_flag(name);
	if (n->in.xattrs > 0)
		n->in.xattrs--;
	if (n->in.xattrs == 0)
		n->in.flags &= ~(uint32_t)INODE_HAS_XATTR;
	return 0;
}

/* The first attribute of n at or behind where the cursor stands. */
static int
this_name(struct txn *t, const struct node *n, int err,
    struct vfs_slice key, struct vfs_slice *name)
{
	struct row_parts parts;

	if (err < 0)
		return err;
	if (row_key_parse(key, &parts) < 0)
		return fault(t, -VFS_CORRUPT,
		    "a row behind the attributes of object %" PRIu64,
		    n->id.n);
	if (parts.kind != ROW_XATTR || parts.a != n->id.n)
		return -VFS_NOENT;
	*name = parts.name;
	return 0;
}

static int
walk(struct txn *t, struct txn_cur *c, const struct node *n,
    int (*each)(void *arg, struct vfs_slice name), void *arg)
{
	struct vfs_slice key, val, name;
	struct row_key k;
	int err;

	row_key_id(&k, ROW_XATTR, n->id.n);
	err = txn_cur_seek_in(c, row_key_slice(&k), ROW_KEY_ID, &key, &val);
	while ((err = this_name(t, n, err, key, &name)) == 0) {
		if ((err = each(arg, name)) != 0)
			return err;
		err = txn_cur_next(c, &key, &val);
	}
	return err == -VFS_NOENT ? 0 : err;
}

int
xattr_each(struct txn *t, const struct node *n,
    int (*each)(void *arg, struct vfs_slice name), void *arg)
{
	struct txn_cur *c;
	int err;

	if ((n->in.flags & INODE_HAS_XATTR) == 0)
		return 0;
	if ((err = txn_cur_open(t, &c)) < 0)
		return err;
	err = walk(t, c, n, each, arg);
	txn_cur_close(c);
	return err;
}

struct first_name {
	uint8_t b[VFS_XATTR_NAME_MAX];
	size_t n;
};

static int
take_first(void *arg, struct vfs_slice name)
{
	struct first_name *f = arg;

	memcpy(f->b, name.p, name.n);
	f->n = name.n;
	return 1;
}

/* One at a time: a delete ends the cursor's view. */
int
xattr_del_all(struct txn *t, struct node *n)
{
	struct first_name f;
	struct row_key k;
	int err;

	while ((err = xattr_each(t, n, take_first, &f)) > 0) {
		row_key_name(&k, ROW_XATTR, n->id,
		    (struct vfs_slice){ f.b, f.n });
		if ((err = txn_del(t, row_key_slice(&k))) < 0)
			return err;
	}
	n->in.xattrs = 0;
	n->in.flags &= ~(uint32_t)(INODE_HAS_XATTR | INODE_HAS_ACL |
	    INODE_HAS_DEFACL);
	return err;
}

int
xattr_kill_privs(struct txn *t, struct node *n, bool *changed)
{
	struct vfs_slice name = name_slice(XATTR_CAPS), val;
	int err;

	*changed = node_kill_suidgid(t, n);
	err = xattr_get(t, n, name, &val);
	if (err == -VFS_NOXATTR)
		return 0;
	if (err < 0)
		return err;
	*changed = true;
	return xattr_del(t, n, name);
}

int
xattr_acl_get(struct txn *t, const struct node *n, const char *name,
    struct acl *out)
{
	struct vfs_slice val;
	int err;

	if ((n->in.flags & (INODE_HAS_ACL | INODE_HAS_DEFACL)) == 0)
		return -VFS_NOXATTR;
	if ((err = xattr_get(t, n, name_slice(name), &val)) < 0)
		return err;
	if (acl_decode(val, out) < 0 || out->n == 0)
		return fault(t, -VFS_CORRUPT, "%s of object %" PRIu64,
		    name, n->id.n);
	return 0;
}

int
xattr_acl_put(struct txn *t, struct node *n, const char *name,
    const struct acl *a)
{
	uint8_t buf[ACL_BYTES_MAX];

	return xattr_put(t, n, name_slice(name),
	    (struct vfs_slice){ buf, acl_encode(a, buf) });
}
