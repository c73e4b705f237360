#include "perm.h"
#include "xattr.h"

#define MODE_STICKY	01000u
#define MODE_XANY	00111u
#define MODE_SETUID	04000u
#define MODE_SETGID_X	02010u		/* both */

static bool
in_group(const void *arg, uint32_t gid)
{
	const struct req_env *env = arg;
	uint32_t i;

	if (env->gid == gid)
		return true;
	for (i = 0; i < env->ngroups; i++)
		if (env->groups[i] == gid)
			return true;
	return false;
}

bool
perm_kills_suidgid(const struct txn *t)
{
	return !txn_env(t)->kernel_checked && !txn_env(t)->privileged;
}

bool
perm_in_group(const struct txn *t, uint32_t gid)
{
	return in_group(txn_env(t), gid);
}

/* CAP_DAC_OVERRIDE: everything, but executing needs somebody's x bit. */
static bool
root_allows(const struct node *n, uint32_t mask)
{
	return (mask & VFS_MAY_EXEC) == 0 || node_is_dir(n) ||
	    (n->in.mode & MODE_XANY) != 0;
}

static bool
mode_allows(const struct req_env *env, const struct node *n, uint32_t mask)
{
	uint32_t bits = n->in.mode;

	if (env->uid == n->in.uid)
		bits >>= 6;
	else if (in_group(env, n->in.gid))
		bits >>= 3;
	return (bits & mask) == mask;
}

/* 1 yes, 0 no, or an error.  VFS_MAY_* are the mode's rwx bits. */
static int
allows(struct txn *t, const struct node *n, uint32_t mask)
{
	const struct req_env *env = txn_env(t);
	struct acl_who who = {
		.uid = env->uid, .owner = n->in.uid, .group = n->in.gid,
		.in_group = in_group, .arg = env,
	};
	struct acl acl;
	int err;

	if (env->privileged)
		return root_allows(n, mask);
	if ((n->in.flags & INODE_HAS_ACL) == 0)
		return mode_allows(env, n, mask);
	err = xattr_acl_get(t, n, ACL_NAME_ACCESS, &acl);
	if (err < 0)
		return err;
	return acl_allows(&acl, &who, mask);
}

int
perm_check(struct txn *t, const struct node *n, uint32_t mask)
{
	int yes;

	if (txn_env(t)->kernel_checked || txn_env(t)->no_modes)
		return 0;
	yes = allows(t, n, mask);
	if (yes < 0)
		return yes;
	return yes ? 0 : -VFS_ACCESS;
}

int
perm_granted(struct txn *t, const struct node *n, uint32_t mask,
    uint32_t *granted)
{
	uint32_t bit, sum = 0;
	int yes;

	for (bit = VFS_MAY_EXEC; bit <= VFS_MAY_READ; bit <<= 1) {
		if ((mask & bit) == 0)
			continue;
		yes = txn_env(t)->no_modes ? root_allows(n, bit) :
		    allows(t, n, bit);
		if (yes < 0)
			return yes;
		if (yes)
			sum |= bit;
	}
	*granted = sum;
	return 0;
}

int
perm_owner(const struct txn *t, const struct node *n)
{
	const struct req_env *env = txn_env(t);

	if (env->kernel_checked || env->privileged ||
	    env->uid == n->in.uid)
		return 0;
	return -VFS_PERM;
}

bool
perm_trusted(const struct txn *t)
{
	const struct req_env *env = txn_env(t);

	return env->privileged || env->kernel_checked || env->from_kernel;
}

int
perm_remove(struct txn *t, const struct node *dir,
    const struct node *victim)
{
	const struct req_env *env = txn_env(t);
	int err;

	if (env->kernel_checked)
		return 0;
	if ((err = perm_check(t, dir, VFS_MAY_WRITE | VFS_MAY_EXEC)) < 0)
		return err;
	if ((dir->in.mode & MODE_STICKY) == 0 || env->privileged ||
	    env->uid == dir->in.uid || env->uid == victim->in.uid)
		return 0;
	return -VFS_PERM;
}

bool
perm_stops(const struct txn *t)
{
	const struct req_env *env = txn_env(t);

	return !env->kernel_checked && !env->privileged && !env->no_modes &&
	    !env->own_store;
}

int
perm_link(struct txn *t, const struct node *n)
{
	const struct req_env *env = txn_env(t);
	int err;

	if (env->from_kernel || env->no_modes || perm_owner(t, n) == 0)
		return 0;
	if (!node_is_file(n) || n->in.nlink == 0 ||
	    (n->in.mode & MODE_SETUID) != 0 ||
	    (n->in.mode & MODE_SETGID_X) == MODE_SETGID_X)
		return -VFS_PERM;
	err = perm_check(t, n, VFS_MAY_READ | VFS_MAY_WRITE);
	return err == -VFS_ACCESS ? -VFS_PERM : err;
}
