/*
 * copy.h - a tree of the host into a store
 *
 * Files with their holes, modes, times, hard links, extended attributes
 * and ACLs; owners if root copies.  What went wrong has been told, with the
 * file's name.
 */
#ifndef VFSD_CTL_COPY_H
#define VFSD_CTL_COPY_H

#include "ctl.h"

struct copy_sum {
	uint64_t files, dirs, links, others, bytes;
	struct vfs_id top;
};

/* src becomes name in dir.  show: progress, on stderr. */
int copy_tree(struct ctl *k, const char *src, struct vfs_id dir,
    const char *name, bool show, struct copy_sum *out);

#endif
