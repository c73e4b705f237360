/*
 * at.h - a place in a store, named from outside
 *
 * PATH is anywhere in a mount, or STORE:PATH, where STORE is a store's
 * directory and PATH begins at its root.
 */
#ifndef VFSD_CTL_AT_H
#define VFSD_CTL_AT_H

#include "ctl.h"

struct ctl_at {
	struct vfs_id dir;
	char name[VFS_NAME_MAX + 1];	/* in dir; "" if dir itself is meant */
};

/* Connects k and finds the directory (whole), or that of the last name.
 * Says why not. */
int ctl_at(const char *path, bool whole, struct ctl *k, struct ctl_at *out);

/* The directory at a path that begins at the store's root. */
int ctl_walk(struct ctl *k, const char *path, struct vfs_id *dir);

/* The next name of a path, up to '/'; false at its end.  ".." and "." are
 * names like others. */
bool ctl_next_name(const char **path, struct vfs_slice *name);

#endif
