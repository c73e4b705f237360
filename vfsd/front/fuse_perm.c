/*
 * fuse_perm.c - permissions, where the kernel checks none
 *
 * With default_permissions the kernel asks for the attributes of a directory
 * again after each change in it, only to see whether the next one is
 * allowed.  Without, requests are checked where those of other fronts are,
 * and there is a request less for each create, rename and unlink.
 *
 * What never comes here is a path through names that the kernel keeps: it
 * shows them to all who have access to the mount.  So nobody but the user
 * who mounted may have that, and names are kept only in directories that he
 * may search.  When he shuts one, the kernel is told to ask for all names
 * again before he is answered.  To forget just the names in that directory
 * would take its lock, which the caller of chmod(2) has, or that of the one
 * above, which may wait for it.
 */
#include <stdlib.h>
#include <unistd.h>

#include "fuse_req.h"

/* Requests do not tell the groups of who asks.  If he is the daemon's user
 * they are taken to be the daemon's. */
int
fuse_groups_read(struct fuse_front *f)
{
	gid_t *groups;
	int n;

	if (!f->conf.own_checks || (n = getgroups(0, NULL)) <= 0)
		return 0;
	if ((groups = calloc((size_t)n, sizeof *groups)) == NULL)
		return -VFS_NOMEM;
	n = getgroups(n, groups);
	f->groups = groups;
	f->ngroups = n > 0 ? (uint32_t)n : 0;
	f->user = getuid();
	return 0;
}

void
fuse_groups(const struct fuse_front *f, struct req_env *env)
{
	if (f->ngroups == 0 || env->uid != f->user)
		return;
	env->groups = f->groups;
	env->ngroups = f->ngroups;
}

bool
freq_may_search(struct freq *q, struct vfs_id id)
{
	struct vfs_access aq = { .id = id, .mask = VFS_MAY_EXEC };
	struct vfs_access_reply r = { 0 };
	struct req_env env = q->env;

	if (env.kernel_checked || env.privileged)
		return true;
	env.no_modes = false;
	return dispatch(q->f->conf.server, VFS_OP_ACCESS, &env, &aq, &r) == 0 &&
	    r.granted != 0;
}

void
freq_shut(struct freq *q, struct vfs_id id)
{
	struct vfs_stat sq = { .id = id };
	struct vfs_stat_reply r = { 0 };

	if (!freq_may_search(q, id) &&
	    freq_dispatch(q, VFS_OP_STAT, &sq, &r) == 0 &&
	    VFS_MODE_TYPE(r.attr.mode) == VFS_DIR)
		fuse_forget_names(q->f);
}
