/*
 * fuse_handle.h - the open files and directories of one mount
 *
 * The kernel keeps a number for each open file and hands it back with
 * every request.  The number is checked: one that was never given, or was
 * released, finds nothing.  Records never move and are never freed before
 * the table, so a stale pointer is at worst another open file's.
 *
 * Threads:   any.  Finding takes no lock.
 */
#ifndef FRONT_FUSE_HANDLE_H
#define FRONT_FUSE_HANDLE_H

#include <stdatomic.h>
#include <stdbool.h>

#include "../../protocol/types.h"

#define FUSE_HANDLES_MAX	(1u << 24)

enum { FUSE_AHEAD_MAY, FUSE_AHEAD_ASKED, FUSE_AHEAD_NEVER };

struct fuse_handle {
	struct vfs_id id;
	_Atomic uint32_t gen;		/* odd while open */
	uint32_t flags;			/* open(2)'s */
	bool direct;			/* FOPEN_DIRECT_IO: no page cache */
	atomic_bool wrote;		/* publish at release */
	atomic_bool read;		/* atime was looked at */
	_Atomic uint64_t fence;		/* directories: end of this scan */
	_Atomic unsigned ahead;		/* its next page: FUSE_AHEAD_ */
	uint32_t index, next_free;
};

struct fuse_handles;

int fuse_handles_new(struct fuse_handles **out);
void fuse_handles_free(struct fuse_handles *t);

/* A record for id, and its number; -VFS_NOMEM. */
int fuse_handle_add(struct fuse_handles *t, struct vfs_id id, uint32_t flags,
    uint64_t *fh);
/* NULL: not an open handle of id. */
struct fuse_handle *fuse_handle_find(struct fuse_handles *t, uint64_t fh,
    struct vfs_id id);
void fuse_handle_del(struct fuse_handles *t, uint64_t fh);
uint64_t fuse_handles_open(struct fuse_handles *t);

/*
 * May the kernel have bytes of id that were stored through a mapping, and
 * that it has not written yet?  Only if pages of it were read (a page is
 * read before it is stored into) and it is open for both.  Kept by a hash of
 * the id: yes may be said of others, no is always true.
 */
bool fuse_handles_mapped(struct fuse_handles *t, struct vfs_id id);
void fuse_handles_was_read(struct fuse_handles *t, struct vfs_id id);

#endif
