/*
 * lock.c - one daemon at a time
 */
#include <errno.h>
#include <fcntl.h>
#include <sys/file.h>
#include <unistd.h>

#include "../../backends/dir.h"
#include "engine_impl.h"

#define LOCK_NAME	"lock"

/* Read-only writes nothing, so without a lock file there is no lock. */
int
lock_take(struct engine *e)
{
	bool ro = e->conf.rdonly;
	int fd;

	if (e->conf.dirfd < 0)
		return 0;		/* backends in memory */
	fd = be_dir_open(e->conf.dirfd, LOCK_NAME,
	    ro ? O_RDONLY : O_RDWR | (e->conf.create ? O_CREAT : 0));
	if (fd == -VFS_NOENT)
		return ro ? 0 : efault(e, -VFS_INVAL,
		    "there is no store here");
	if (fd < 0)
		return efault(e, fd, "the store's lock file");
	e->lock_fd = fd;
	if (flock(e->lock_fd, (ro ? LOCK_SH : LOCK_EX) | LOCK_NB) == 0)
		return 0;
	return errno == EWOULDBLOCK ?
	    efault(e, -VFS_BUSY, "the store is in use") :
	    efault(e, vfs_err_from_os(errno), "lock the store");
}
