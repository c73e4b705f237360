#include <errno.h>
#include <fcntl.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <unistd.h>

#include "../protocol/err.h"
#include "dir.h"

int
be_dir_open(int dirfd, const char *name, int flags)
{
	struct stat st;
	int fd;

	fd = openat(dirfd, name, flags | O_CLOEXEC | O_NOFOLLOW | O_NONBLOCK,
	    0600);
	if (fd < 0)
		return errno == ELOOP || errno == ENXIO ? -VFS_CORRUPT :
		    vfs_err_from_os(errno);
	if (fstat(fd, &st) == 0 && S_ISREG(st.st_mode))
		return fd;
	close(fd);
	return -VFS_CORRUPT;
}

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

int
be_dir_keep(int dirfd, const char *name, const char *keep)
{
	struct stat now, was;

	if (linkat(dirfd, name, dirfd, keep, 0) == 0)
		return 0;
	if (errno != EEXIST)
		return vfs_err_from_os(errno);
	if (fstatat(dirfd, name, &now, AT_SYMLINK_NOFOLLOW) < 0 ||
	    fstatat(dirfd, keep, &was, AT_SYMLINK_NOFOLLOW) < 0)
		return vfs_err_from_os(errno);
	return now.st_ino == was.st_ino && now.st_dev == was.st_dev ? 0 :
	    -VFS_EXIST;
}

int
be_no_room(int err)
{
	return err == -VFS_FBIG || err == -VFS_QUOTA ? -VFS_NOSPC : err;
}

int
be_own_blocks(int fd, off_t size)
{
	static const int modes[] = { FALLOC_FL_UNSHARE_RANGE, 0 };
	unsigned i;
	int rc;

	for (i = 0; i < sizeof modes / sizeof modes[0]; i++) {
		while ((rc = fallocate(fd, modes[i], 0, size)) < 0 &&
		    errno == EINTR)
			;
		if (rc < 0 && errno != EOPNOTSUPP && errno != EINVAL)
			return vfs_err_from_os(errno);
	}
	return 0;
}

uint64_t
be_file_max(void)
{
	struct rlimit l;

	return getrlimit(RLIMIT_FSIZE, &l) == 0 &&
	    l.rlim_cur != RLIM_INFINITY ? l.rlim_cur : INT64_MAX;
}
