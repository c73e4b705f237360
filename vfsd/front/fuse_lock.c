/*
 * fuse_lock.c - locks=shared: fcntl, OFD and flock locks kept here
 */
#include <errno.h>

#include "fuse_lock.h"

int
fuse_locks_new(struct fuse_front *f)
{
	(void)f;
	return -VFS_UNSUPPORTED;
}

void
fuse_locks_free(struct fuse_locks *l)
{
	(void)l;
}

void
fuse_locks_cancel(struct fuse_locks *l)
{
	(void)l;
}

void
fuse_locks_closed(struct fuse_front *f, struct vfs_id id, uint64_t owner,
    bool flock)
{
	(void)f;
	(void)id;
	(void)owner;
	(void)flock;
}

int
fuse_do_getlk(struct freq *q)
{
	return freq_errno(q, ENOSYS);
}

int
fuse_do_setlk(struct freq *q)
{
	return freq_errno(q, ENOSYS);
}

int
fuse_do_setlkw(struct freq *q)
{
	return freq_errno(q, ENOSYS);
}

int
fuse_do_interrupt(struct freq *q)
{
	(void)q;			/* nothing that waits: nothing to do */
	return 0;
}
