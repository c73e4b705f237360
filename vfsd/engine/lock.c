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

/* The file holds nothing: one that is lost is made again.  Read-only writes
 * nothing, so without one there is no lock. */
int
lock_take(struct engine *e)
{
	bool ro = e->conf.rdonly;
	int fd;

	if (e->conf.dirfd < 0)
		return 0;		/* backends in memory */
	fd = be_dir_open(e->conf.dirfd, LOCK_NAME,
	    ro ? O_RDONLY : O_RDWR | O_CREAT);
	if (fd == -VFS_NOENT && ro)
		return 0;
	if (fd < 0)
		return efault(e, fd, "open the lock file");
	e->lock_fd = fd;
	if (flock(e->lock_fd, (ro ? LOCK_SH : LOCK_EX) | LOCK_NB) == 0)
		return 0;
	return errno == EWOULDBLOCK ?
	    efault(e, -VFS_BUSY, "the store is in use") :
	    efault(e, vfs_err_from_os(errno), "lock the store");
}
