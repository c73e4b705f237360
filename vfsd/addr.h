/*
 * addr.h - from a path to the daemon that serves it
 *
 * A path is a store's directory (it holds the socket), or anything in a
 * mount.  Mounts are asked for the extended attribute ADDR_XATTR, which
 * the FUSE front answers on every object with the store's absolute path
 * (never listed, never stored); where that is not to be had, the mount's
 * source in /proc/self/mountinfo is tried.  Only mounts of vfsd are asked,
 * since anywhere else everybody can set that attribute, and one that is not
 * root's is believed only if the same user serves the store: nobody sends
 * others to another one's.  libvfs/addr.c does the same.
 */
#ifndef VFSD_ADDR_H
#define VFSD_ADDR_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define ADDR_XATTR	"user.vfsd.store"

struct addr {
	char store[4096];	/* the store's directory */
	char mount[4096];	/* its mount point; "" if path is the store */
	uint32_t user;		/* who mounted it; 0: anybody may serve it */
	bool through;		/* path is a link from outside into the mount */
};

/* 0, or a negative vfs_err: -VFS_NOTDIR if path is neither. */
int addr_find(const char *path, struct addr *out);

struct sockaddr_un;

/* Where a store is served that nothing may be written to: a name outside
 * of the filesystem, made of the directory's device and inode. */
size_t addr_abstract(int dirfd, struct sockaddr_un *sa);

/* A connected socket, or a negative vfs_err; -VFS_OFFLINE: nobody serves
 * this store, or not this user (0: anybody may), -VFS_BUSY: nobody is let
 * in.  SO_SNDTIMEO is short. */
int addr_connect(const char *store, uint32_t user);

#endif
