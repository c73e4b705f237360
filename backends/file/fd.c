#include <errno.h>
#include <fcntl.h>
#include <unistd.h>

#include "../dir.h"
#include "fd.h"

int
fd_open(int dirfd, const char *name, bool create, bool rdonly,
    int (*make)(int dirfd, uint64_t arg), uint64_t arg)
{
	int fd, err;

	fd = be_dir_open(dirfd, name, rdonly ? O_RDONLY : O_RDWR);
	if (fd == -VFS_NOENT && create)
		return make(dirfd, arg);
	if (fd < 0)
		return fd;
	/* Whoever made it may have died before it synced the name. */
	if (create && (err = be_dir_sync(dirfd)) < 0) {
		close(fd);
		return err;
	}
	return fd;
}

int
fd_read(int fd, uint64_t off, void *p, size_t n, size_t *got)
{
	ssize_t k;

	for (*got = 0; *got < n; *got += (size_t)k) {
		k = pread(fd, (char *)p + *got, n - *got,
		    (off_t)(off + *got));
		if (k < 0 && errno != EINTR)
			return vfs_err_from_os(errno);
		if (k == 0)
			break;
		if (k < 0)
			k = 0;
	}
	return 0;
}

int
fd_write(int fd, uint64_t off, const void *p, size_t n)
{
	const char *at = p;
	ssize_t put;

	while (n > 0) {
		put = pwrite(fd, at, n, (off_t)off);
		if (put < 0 && errno == EINTR)
			continue;
		if (put <= 0)
			return put < 0 ? vfs_err_from_os(errno) : -VFS_IO;
		at += put;
		off += (uint64_t)put;
		n -= (size_t)put;
	}
	return 0;
}

int
fd_sync_locked(int fd, struct fd_latch *l)
{
	if (l->failed == 0 && fdatasync(fd) < 0)
		l->failed = vfs_err_from_os(errno);
	return l->failed;
}

int
fd_sync(int fd, struct fd_latch *l)
{
	int err;

	pthread_mutex_lock(&l->lock);
	err = fd_sync_locked(fd, l);
	pthread_mutex_unlock(&l->lock);
	return err;
}
