#include <errno.h>
#include <fcntl.h>
#include <unistd.h>

#include "../protocol/err.h"
#include "dir.h"

int
be_dir_sync(int dirfd)
{
	int fd, err = 0;

	fd = openat(dirfd, ".", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	if (fd < 0)
		return vfs_err_from_os(errno);
	if (fsync(fd) < 0)
		err = vfs_err_from_os(errno);
	close(fd);
	return err;
}
