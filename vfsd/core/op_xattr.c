/* XATTR_GET, _SET, _LIST, _REMOVE: rules of the name spaces. */
#include <assert.h>
#include <string.h>

#include "core.h"
#include "draft.h"
#include "perm.h"
#include "xattr.h"

#define MODE_SETGID	02000u
#define MODE_STICKY	01000u

enum space {
	SPACE_USER,
	SPACE_TRUSTED,
	SPACE_SECURITY,
	SPACE_ACL_ACCESS,
	SPACE_ACL_DEFAULT,
	SPACE_NONE,
};

static const struct space_row {
	const char *name;
	bool whole;			/* not just a prefix */
} spaces[] = {
	[SPACE_USER] = { "user.", false },
	[SPACE_TRUSTED] = { "trusted.", false },
	[SPACE_SECURITY] = { "security.", false },
	[SPACE_ACL_ACCESS] = { ACL_NAME_ACCESS, true },
	[SPACE_ACL_DEFAULT] = { ACL_NAME_DEFAULT, true },
};

static int
space_of(struct vfs_slice name, enum space *out)
{
	unsigned i;

	if (name.n == 0 || memchr(name.p, '\0', name.n) != NULL)
		return -VFS_INVAL;
	if (name.n > VFS_XATTR_NAME_MAX)
		return -VFS_RANGE;
	for (i = 0; i < SPACE_NONE; i++) {
		size_t n = strlen(spaces[i].name);

		if (name.n < n || memcmp(name.p, spaces[i].name, n) != 0 ||
		    (spaces[i].whole && name.n != n))
			continue;
		if (!spaces[i].whole && name.n == n)
			return -VFS_INVAL;
		*out = i;
		return 0;
	}
	return -VFS_UNSUPPORTED;
}

static bool
is_acl(enum space s)
{
	return s == SPACE_ACL_ACCESS || s == SPACE_ACL_DEFAULT;
}

/* The kernel asks for ACLs and labels of everything that is listed:
 * "not there" is the answer, never "not supported". */
static int
may_get(struct txn *t, const struct node *n, enum space s)
{
	switch (s) {
	case SPACE_USER:
		if (!node_is_file(n) && !node_is_dir(n))
			return -VFS_NOXATTR;
		return perm_check(t, n, VFS_MAY_READ);
	case SPACE_TRUSTED:
		return perm_trusted(t) ? 0 : -VFS_NOXATTR;
	default:
		return 0;
	}
}

static int
may_set(struct txn *t, const struct node *n, enum space s)
{
	switch (s) {
	case SPACE_USER:
		if (!node_is_file(n) && !node_is_dir(n))
			return -VFS_PERM;
		if (node_is_dir(n) && (n->in.mode & MODE_STICKY) &&
		    perm_owner(t, n) < 0)
			return -VFS_PERM;
		return perm_check(t, n, VFS_MAY_WRITE);
	case SPACE_ACL_ACCESS:
	case SPACE_ACL_DEFAULT:
		if (node_type(n) == VFS_LNK)
			return -VFS_UNSUPPORTED;
		return perm_owner(t, n);
	default:
		if (!perm_trusted(t))
			return -VFS_PERM;
		/* It takes capabilities away before it asks for a chown that
		 * may not be. */
		return perm_owner(t, n) < 0 &&
		    perm_check(t, n, VFS_MAY_WRITE) < 0 ? -VFS_PERM : 0;
	}
}

/* cap 0 only asks how much there is. */
static int
fill(struct vfs_buf *b, struct vfs_slice val)
{
	b->n = val.n;
	if (b->cap == 0)
		return 0;
	if (val.n > b->cap)
		return -VFS_RANGE;
	if (val.n > 0)
		memcpy(b->p, val.p, val.n);
	return 0;
}

int
op_xattr_get(struct txn *t, const struct vfs_xattr_get *q,
    struct vfs_xattr_get_reply *r)
{
	struct vfs_slice val;
	struct node n;
	enum space s;
	int err;

	if ((err = space_of(q->name, &s)) < 0 ||
	    (err = node_get(t, q->id, &n)) < 0 ||
	    (err = may_get(t, &n, s)) < 0 ||
	    (err = xattr_get(t, &n, q->name, &val)) < 0)
		return err;
	return fill(&r->value, val);
}

/* --- listing ------------------------------------------------------------ */

struct listing {
	const struct txn *t;
	struct vfs_buf *out;		/* NULL: only count */
	size_t n;
};

static int
list_one(void *arg, struct vfs_slice name)
{
	struct listing *l = arg;
	enum space s;
	char *p;

	if (space_of(name, &s) == 0 && s == SPACE_TRUSTED && l->out &&
	    !txn_env(l->t)->privileged)
		return 0;
	if (l->out && l->out->cap > 0) {
		if (name.n + 1 > l->out->cap - l->n)
			return -VFS_RANGE;
		p = (char *)l->out->p + l->n;
		memcpy(p, name.p, name.n);
		p[name.n] = '\0';
	}
	l->n += name.n + 1;
	return 0;
}

int
op_xattr_list(struct txn *t, const struct vfs_xattr_list *q,
    struct vfs_xattr_list_reply *r)
{
	struct listing l = { .t = t, .out = &r->names };
	struct node n;
	int err;

	if ((err = node_get(t, q->id, &n)) < 0 ||
	    (err = xattr_each(t, &n, list_one, &l)) < 0)
		return err;
	r->names.n = l.n;
	return 0;
}

/* --- changing ----------------------------------------------------------- */

/* An ACL may have changed the mode. */
static int
changed(struct txn *t, struct node *n, struct vfs_slice name,
    uint32_t old_mode)
{
	struct rec_journal j = { .kind = JOURNAL_XATTR, .name = name };
	int err;

	node_touch(t, n, NODE_META);
	if ((err = node_put(t, n)) < 0 ||
	    (err = node_journal(t, n, j)) < 0 || n->in.mode == old_mode)
		return err;
	return node_journal(t, n, (struct rec_journal){
	    .kind = JOURNAL_META });
}

/* The list of all names has a limit: whoever lists must get it whole. */
static int
check_list(struct txn *t, const struct node *n, struct vfs_slice name)
{
	struct listing l = { .t = t };
	int err;

	if ((err = xattr_each(t, n, list_one, &l)) < 0)
		return err;
	return l.n + name.n + 1 > VFS_XATTR_LIST_MAX ? -VFS_NOSPC : 0;
}

static int
set_plain(struct txn *t, const struct vfs_xattr_set *q, struct node *n)
{
	struct vfs_slice old;
	int err = xattr_get(t, n, q->name, &old);

	if (err == 0 && (q->flags & VFS_XATTR_CREATE))
		return -VFS_EXIST;
	if (err == -VFS_NOXATTR && (q->flags & VFS_XATTR_REPLACE))
		return err;
	if (err == -VFS_NOXATTR)
		err = check_list(t, n, q->name);
	if (err < 0)
		return err;
	return xattr_put(t, n, q->name, q->value);
}

/* The mode says what the ACL says; if it says all, it stands alone. */
static int
set_access(struct txn *t, const struct vfs_xattr_set *q, struct node *n,
    const struct acl *acl)
{
	const struct req_env *env = txn_env(t);
	uint32_t mode;
	bool exact = acl_to_mode(acl, &mode);

	n->in.mode = (n->in.mode & ~0777u) | mode;
	if ((q->flags & VFS_XATTR_KILL_SGID) || (!env->kernel_checked &&
	    !env->privileged && !perm_in_group(t, n->in.gid)))
		n->in.mode &= ~MODE_SETGID;
	if (exact)
		return xattr_del(t, n, q->name);
	return xattr_acl_put(t, n, ACL_NAME_ACCESS, acl);
}

static int
set_acl(struct txn *t, const struct vfs_xattr_set *q, struct node *n,
    enum space s)
{
	struct acl acl;
	int err;

	if ((err = acl_decode(q->value, &acl)) < 0)
		return err;
	if (s == SPACE_ACL_DEFAULT && !node_is_dir(n))
		return acl.n > 0 ? -VFS_ACCESS : 0;
	if (acl.n == 0)
		return xattr_del(t, n, q->name);
	if (s == SPACE_ACL_ACCESS)
		return set_access(t, q, n, &acl);
	return xattr_acl_put(t, n, ACL_NAME_DEFAULT, &acl);
}

int
op_xattr_set(struct txn *t, const struct vfs_xattr_set *q, struct plan *p,
    struct vfs_xattr_set_reply *r)
{
	uint32_t both = VFS_XATTR_CREATE | VFS_XATTR_REPLACE;
	uint32_t mode;
	struct node n;
	enum space s;
	int err;

	(void)p;
	assert(txn_mode(t) == TXN_WRITE);
	if ((q->flags & ~(both | VFS_XATTR_KILL_SGID)) != 0 ||
	    (q->flags & both) == both)
		return -VFS_INVAL;
	if (q->value.n > VFS_XATTR_SIZE_MAX)
		return -VFS_TOO_BIG;
	if ((err = space_of(q->name, &s)) < 0 ||
	    (err = node_get(t, q->id, &n)) < 0 ||
	    (err = may_set(t, &n, s)) < 0 ||
	    (err = draft_publish(t, &n)) < 0)
		return err;
	mode = n.in.mode;
	err = is_acl(s) ? set_acl(t, q, &n, s) : set_plain(t, q, &n);
	if (err < 0)
		return err;
	r->unused = 0;
	return changed(t, &n, q->name, mode);
}

int
op_xattr_remove(struct txn *t, const struct vfs_xattr_remove *q,
    struct plan *p, struct vfs_xattr_remove_reply *r)
{
	struct vfs_slice old;
	struct node n;
	enum space s;
	int err;

	(void)p;
	assert(txn_mode(t) == TXN_WRITE);
	if ((err = space_of(q->name, &s)) < 0 ||
	    (err = node_get(t, q->id, &n)) < 0 ||
	    (err = may_set(t, &n, s)) < 0)
		return err;
	err = xattr_get(t, &n, q->name, &old);
	if (err == -VFS_NOXATTR && is_acl(s))
		return 0;	/* the mode is one, and stays */
	if (err < 0 || (err = draft_publish(t, &n)) < 0 ||
	    (err = xattr_del(t, &n, q->name)) < 0)
		return err;
	r->unused = 0;
	return changed(t, &n, q->name, n.in.mode);
}
