/*
 * err.h - the errors of err.def
 *
 * Functions return 0 or a negative enum vfs_err.  errno exists only at
 * system calls (vfs_err_from_os) and at the fronts (vfs_err_errno).
 */
#ifndef VFS_ERR_H
#define VFS_ERR_H

enum vfs_err {
	VFS_OK = 0,
#define ERR(n, name, os, text) VFS_##name = n,
#include "err.def"
#undef ERR
};

/* A short text for an error of either sign; never NULL. */
const char *vfs_err_text(int err);

/* The error's name as in err.def ("NOENT"); never NULL. */
const char *vfs_err_name(int err);

/* The errno (positive) that stands for an error of either sign. */
int vfs_err_errno(int err);

/* The negative vfs_err for a positive errno; -VFS_IO where none fits. */
int vfs_err_from_os(int os);

#endif
