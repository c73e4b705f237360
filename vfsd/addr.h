/*
 * addr.h - from a path to the daemon that serves it
 *
 * A path is a store's directory (it holds the socket), or anything in a
 * mount.  Mounts are asked for the extended attribute ADDR_XATTR, which
 * the FUSE front answers on every object with the store's absolute path
 * (never listed, never stored); where that is not to be had, the mount's
 * source in /proc/self/mountinfo is tried.
 */
#ifndef VFSD_ADDR_H
#define VFSD_ADDR_H

#include <stdbool.h>
#include <stddef.h>

#define ADDR_XATTR	"user.vfsd.store"

struct addr {
	char store[4096];	/* the store's directory */
	char mount[4096];	/* its mount point; "" if path is the store */
};

/* 0, or a negative vfs_err: -VFS_NOENT if path is neither. */
int addr_find(const char *path, struct addr *out);

struct sockaddr_un;

/* Where a store is served that nothing may be written to: a name outside
 * of the filesystem, made of the directory's device and inode. */
size_t addr_abstract(int dirfd, struct sockaddr_un *sa);

/* A connected socket, or a negative vfs_err; -VFS_OFFLINE: nobody serves
 * this store, -VFS_BUSY: nobody is let in.  SO_SNDTIMEO is short. */
int addr_connect(const char *store);

#endif
