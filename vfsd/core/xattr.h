/*
 * xattr.h - the extended attributes of an object, as rows
 *
 * No permission is asked and nothing is touched here; the node's flags
 * are changed in the caller's hands.
 */
#ifndef CORE_XATTR_H
#define CORE_XATTR_H

#include "acl.h"
#include "node.h"

#define XATTR_CAPS	"security.capability"

/* Lends the value; -VFS_NOXATTR. */
int xattr_get(struct txn *t, const struct node *n, struct vfs_slice name,
    struct vfs_slice *val);
int xattr_put(struct txn *t, struct node *n, struct vfs_slice name,
    struct vfs_slice val);
int xattr_del(struct txn *t, struct node *n, struct vfs_slice name);

/* The names, one after the other; each returns non-zero to stop, which
 * is what xattr_each then returns. */
int xattr_each(struct txn *t, const struct node *n,
    int (*each)(void *arg, struct vfs_slice name), void *arg);

/* All of them: the object is gone. */
int xattr_del_all(struct txn *t, struct node *n);

/* Set-id bits and capabilities, as a write by somebody else clears them.
 * *changed: the node must be put. */
int xattr_kill_privs(struct txn *t, struct node *n, bool *changed);

/* ACL_NAME_ACCESS or ACL_NAME_DEFAULT; -VFS_NOXATTR if there is none. */
int xattr_acl_get(struct txn *t, const struct node *n, const char *name,
    struct acl *out);
int xattr_acl_put(struct txn *t, struct node *n, const char *name,
    const struct acl *a);

#endif
