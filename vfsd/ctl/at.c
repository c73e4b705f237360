#include <errno.h>
#include <limits.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

#include "at.h"

bool
ctl_next_name(const char **path, struct vfs_slice *name)
{
	const char *p = *path + strspn(*path, "/");

	name->p = p;
	name->n = strcspn(p, "/");
	*path = p + name->n;
	return name->n > 0;
}

/* The colon behind a store's directory, NULL if there is none. */
static const char *
store_end(const char *path)
{
	char dir[PATH_MAX];
	const char *colon;
	struct addr addr;

	for (colon = strchr(path, ':'); colon != NULL;
	    colon = strchr(colon + 1, ':')) {
		if ((size_t)(colon - path) >= sizeof dir)
			return NULL;
		memcpy(dir, path, (size_t)(colon - path));
		dir[colon - path] = 0;
		if (addr_find(dir, &addr) == 0 && addr.mount[0] == 0)
			return colon;
	}
	return NULL;
}

/* Take the last name off; the rest is in dir. */
static int
split(const char *path, char dir[PATH_MAX], char name[VFS_NAME_MAX + 1])
{
	size_t n = strlen(path), k;

	while (n > 1 && path[n - 1] == '/')
		n--;
	for (k = n; k > 0 && path[k - 1] != '/'; k--)
		;
	if (n - k > VFS_NAME_MAX || k + 2 > PATH_MAX)
		return -VFS_NAMETOOLONG;
	if (n == k)
		return -VFS_NAME;
	memcpy(name, path + k, n - k);
	name[n - k] = 0;
	memcpy(dir, path, k);
	dir[k] = 0;
	if (k == 0)
		strcpy(dir, ".");
	return strcmp(name, ".") == 0 || strcmp(name, "..") == 0 ?
	    -VFS_NAME : 0;
}

int
ctl_walk(struct ctl *k, const char *path, struct vfs_id *dir)
{
	struct vfs_lookup q = { .dir = { VFS_ID_ROOT } };
	struct vfs_lookup_reply r;
	int err;

	while (ctl_next_name(&path, &q.name)) {
		if ((err = ctl_call(k, VFS_OP_LOOKUP, &q, &r)) < 0)
			return err;
		if (VFS_MODE_TYPE(r.attr.mode) != VFS_DIR)
			return -VFS_NOTDIR;
		q.dir = r.attr.id;
	}
	*dir = q.dir;
	return 0;
}

static int
in_store(const char *path, const char *colon, bool whole, struct ctl *k,
    struct ctl_at *out)
{
	struct addr addr = { .user = 0 };
	char dir[PATH_MAX];
	const char *rest = colon + 1;
	int err;

	memcpy(addr.store, path, (size_t)(colon - path));
	out->name[0] = 0;
	if (!whole) {
		if ((err = split(rest, dir, out->name)) < 0)
			return err;
		rest = strcmp(dir, ".") == 0 ? "" : dir;
	}
	if ((err = ctl_open(k, &addr)) < 0)
		return err == -VFS_OFFLINE && !ctl_is_store(addr.store) ?
		    -VFS_XDEV : err;
	if ((err = ctl_walk(k, rest, &out->dir)) < 0)
		ctl_close(k);
	return err;
}

/* A mount shows ids as inode numbers. */
static int
in_mount(const char *path, bool whole, struct ctl *k, struct ctl_at *out)
{
	char dir[PATH_MAX];
	struct addr addr;
	struct stat st;
	int err;

	out->name[0] = 0;
	if (!whole) {
		if ((err = split(path, dir, out->name)) < 0)
			return err;
		path = dir;
	}
	if (stat(path, &st) < 0)
		return vfs_err_from_os(errno);
	if (!S_ISDIR(st.st_mode))
		return -VFS_NOTDIR;
	if ((err = addr_find(path, &addr)) < 0)
		return err;
	if (addr.mount[0] == 0)
		return -VFS_XDEV;
	out->dir.n = st.st_ino;
	return ctl_open(k, &addr);
}

/* What has no name that could become another's. */
static bool
is_root(const char *path, const char *colon)
{
	struct addr addr;
	struct stat st;

	if (colon != NULL)
		return colon[1 + strspn(colon + 1, "/")] == 0;
	return stat(path, &st) == 0 && st.st_ino == VFS_ID_ROOT &&
	    addr_find(path, &addr) == 0 && addr.mount[0] != 0;
}

int
ctl_at(const char *path, bool whole, struct ctl *k, struct ctl_at *out)
{
	const char *colon = store_end(path);
	int err;

	if (!whole && is_root(path, colon)) {
		fprintf(stderr, "vfsctl: %s: that is the root, which nothing "
		    "can replace: name something in it\n", path);
		return -VFS_BUSY;
	}
	err = colon != NULL ? in_store(path, colon, whole, k, out) :
	    in_mount(path, whole, k, out);
	if (err == -VFS_XDEV)
		fprintf(stderr, "vfsctl: %s: not in a mount of vfsd, nor "
		    "STORE:PATH\n", path);
	else if (err < 0)
		ctl_fail(path, err);
	return err;
}
