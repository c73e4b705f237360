/* SETATTR: everything is checked before anything is changed. */
#include <assert.h>

#include "core.h"
#include "draft.h"
#include "perm.h"
#include "xattr.h"

#define MODE_SETGID	02000u
#define NSEC		1000000000u

#define SET_OWNER	(VFS_SET_UID | VFS_SET_GID)
#define SET_EXACT	(VFS_SET_ATIME | VFS_SET_MTIME)
#define SET_NOW		(VFS_SET_ATIME_NOW | VFS_SET_MTIME_NOW)
#define SET_ALL		((VFS_SET_KILL_SUIDGID << 1) - 1)

/* --- rules -------------------------------------------------------------- */

static int
check_values(const struct vfs_setattr *q, const struct node *n)
{
	if ((q->valid & ~SET_ALL) != 0)
		return -VFS_INVAL;
	if ((q->valid & VFS_SET_ATIME) && q->atime.nsec >= NSEC)
		return -VFS_INVAL;
	if ((q->valid & VFS_SET_MTIME) && q->mtime.nsec >= NSEC)
		return -VFS_INVAL;
	if ((q->valid & VFS_SET_MODE) && node_type(n) == VFS_LNK)
		return -VFS_UNSUPPORTED;
	if ((q->valid & VFS_SET_SIZE) == 0)
		return 0;
	if (node_is_dir(n))
		return -VFS_ISDIR;
	if (!node_is_file(n))
		return -VFS_INVAL;
	return q->size > VFS_FILE_MAX ? -VFS_FBIG : 0;
}

/* Only root gives files away; owners choose among their groups. */
static int
check_owner(const struct txn *t, const struct vfs_setattr *q,
    const struct node *n)
{
	const struct req_env *env = txn_env(t);
	bool owner = env->uid == n->in.uid;

	if ((q->valid & VFS_SET_UID) && !(owner && q->uid == n->in.uid))
		return -VFS_PERM;
	if ((q->valid & VFS_SET_GID) && !(owner &&
	    (q->gid == n->in.gid || perm_in_group(t, q->gid))))
		return -VFS_PERM;
	return 0;
}

/* Both times at once may be set to now by whoever may write. */
static bool
only_owner(const struct vfs_setattr *q)
{
	uint32_t now = q->valid & SET_NOW;

	if (now != 0 && now != SET_NOW && !(q->valid & VFS_SET_SIZE))
		return true;
	return (q->valid & (VFS_SET_MODE | SET_EXACT)) != 0;
}

static int
check_perm(struct txn *t, const struct vfs_setattr *q,
    const struct node *n)
{
	const struct req_env *env = txn_env(t);
	int err;

	if (env->kernel_checked || env->privileged)
		return 0;
	if (only_owner(q) && (err = perm_owner(t, n)) < 0)
		return err;
	if ((q->valid & SET_OWNER) && (err = check_owner(t, q, n)) < 0)
		return err;
	if ((q->valid & SET_NOW) && perm_owner(t, n) < 0 &&
	    (err = perm_check(t, n, VFS_MAY_WRITE)) < 0)
		return err;
	/* An owner can take the set-id bits away in any case. */
	if ((q->valid & VFS_SET_SIZE) || ((q->valid & VFS_SET_KILL_SUIDGID) &&
	    perm_owner(t, n) < 0))
		return perm_check(t, n, VFS_MAY_WRITE);
	return 0;
}

/* --- changes ------------------------------------------------------------ */

/* A new owner, even the old one again, ends set-id and capabilities. */
static int
set_owner(struct txn *t, const struct vfs_setattr *q, struct node *n)
{
	bool changed;

	if (q->valid & VFS_SET_UID)
		n->in.uid = q->uid;
	if (q->valid & VFS_SET_GID)
		n->in.gid = q->gid;
	return node_is_dir(n) ? 0 : xattr_kill_privs(t, n, &changed);
}

static int
set_mode(struct txn *t, const struct vfs_setattr *q, struct node *n)
{
	const struct req_env *env = txn_env(t);
	uint32_t mode = q->mode & VFS_MODE_PERM;
	struct acl acl;
	int err;

	if (!env->kernel_checked && !env->privileged &&
	    !perm_in_group(t, n->in.gid))
		mode &= ~MODE_SETGID;
	n->in.mode = VFS_TYPE_MODE(node_type(n)) | mode;
	if ((n->in.flags & INODE_HAS_ACL) == 0)
		return 0;
	if ((err = xattr_acl_get(t, n, ACL_NAME_ACCESS, &acl)) < 0)
		return err;
	acl_chmod(&acl, mode);
	return xattr_acl_put(t, n, ACL_NAME_ACCESS, &acl);
}

/* After the touch: what was asked for wins over it. */
static void
set_times(struct txn *t, const struct vfs_setattr *q, struct node *n)
{
	if (q->valid & VFS_SET_ATIME)
		n->in.atime = q->atime;
	if (q->valid & VFS_SET_MTIME)
		n->in.mtime = q->mtime;
	if (q->valid & VFS_SET_ATIME_NOW)
		n->in.atime = txn_env(t)->now;
	if (q->valid & VFS_SET_MTIME_NOW)
		n->in.mtime = n->in.ctime;
}

/* The kernel sends chown(-1, -1) as nothing at all, whoever asks; and the
 * same before somebody writes to a file with set-id bits. */
static bool
is_chown(const struct txn *t, const struct vfs_setattr *q,
    const struct node *n)
{
	const struct req_env *env = txn_env(t);

	return q->valid == 0 && env->from_kernel &&
	    (env->privileged || env->uid == n->in.uid);
}

static int
change(struct txn *t, const struct vfs_setattr *q, struct plan *p,
    struct node *n)
{
	bool owner = (q->valid & SET_OWNER) != 0 || is_chown(t, q, n);
	bool changed;
	int err;

	if ((q->valid & VFS_SET_SIZE) &&
	    (err = content_resize(t, n, q->size, p)) < 0)
		return err;
	if (owner && (err = set_owner(t, q, n)) < 0)
		return err;
	if (((q->valid & VFS_SET_KILL_SUIDGID) ||
	    ((q->valid & VFS_SET_SIZE) && perm_kills_suidgid(t))) &&
	    (err = xattr_kill_privs(t, n, &changed)) < 0)
		return err;
	return q->valid & VFS_SET_MODE ? set_mode(t, q, n) : 0;
}

/* A change of size is one of content; all others are attributes, but
 * clearing set-id bits may have had nothing to do. */
static bool
is_meta(const struct vfs_setattr *q, const struct rec_inode *was,
    const struct node *n)
{
	return q->valid != VFS_SET_SIZE || node_lost_privs(was, n) != 0;
}

/* Attributes that went or were written anew along with others. */
static int
note_xattrs(struct txn *t, const struct vfs_setattr *q,
    const struct rec_inode *was, const struct node *n)
{
	struct rec_journal j = { .kind = JOURNAL_XATTR };
	int err = 0;

	j.name = (struct vfs_slice){ XATTR_CAPS, sizeof XATTR_CAPS - 1 };
	if (was->xattrs != n->in.xattrs)
		err = node_journal(t, n, j);
	j.name = (struct vfs_slice){ ACL_NAME_ACCESS,
		sizeof ACL_NAME_ACCESS - 1 };
	if (err == 0 && (q->valid & VFS_SET_MODE) &&
	    (n->in.flags & INODE_HAS_ACL))
		err = node_journal(t, n, j);
	return err;
}

static int
note(struct txn *t, const struct vfs_setattr *q,
    const struct rec_inode *was, const struct node *n)
{
	int err = 0;

	if (q->valid & VFS_SET_SIZE)
		err = node_journal(t, n, (struct rec_journal){
		    .kind = JOURNAL_DATA });
	if (err == 0 && is_meta(q, was, n))
		err = node_journal(t, n, (struct rec_journal){
		    .kind = JOURNAL_META });
	return err < 0 ? err : note_xattrs(t, q, was, n);
}

/* Nothing is asked for: whose file it is not does not move its times. */
static bool
is_idle(const struct txn *t, const struct vfs_setattr *q,
    const struct node *n)
{
	return q->valid == 0 && !txn_env(t)->from_kernel &&
	    perm_owner(t, n) < 0;
}

int
op_setattr(struct txn *t, const struct vfs_setattr *q, struct plan *p,
    struct vfs_setattr_reply *r)
{
	struct rec_inode was;
	unsigned what = 0;
	struct node n;
	int err;

	assert(txn_mode(t) == TXN_WRITE);
	if (q->valid & VFS_SET_SIZE)
		what |= NODE_DATA;
	if ((err = node_get(t, q->id, &n)) < 0 ||
	    (err = check_values(q, &n)) < 0 ||
	    (err = check_perm(t, q, &n)) < 0)
		return err;
	if (is_idle(t, q, &n)) {
		node_attr(&n, &r->attr);
		return 0;
	}
	if ((err = draft_publish(t, &n)) < 0)
		return err;
	was = n.in;
	if ((err = change(t, q, p, &n)) < 0)
		return err;
	if (is_meta(q, &was, &n))
		what |= NODE_META;
	node_touch(t, &n, what);
	set_times(t, q, &n);
	if ((err = node_put(t, &n)) < 0 || (err = note(t, q, &was, &n)) < 0)
		return err;
	node_attr(&n, &r->attr);
	return 0;
}
