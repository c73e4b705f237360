/*
 * file/data.c - file bytes in one sparse file
 *
 * The host's page cache is our cache.  Offsets are the caller's; a part
 * of the file that was never written, or was given back, is a hole.
 */
#include <assert.h>
#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/statvfs.h>
#include <unistd.h>

#include "../dir.h"
#include "fd.h"

#define FILE_NAME "data"

struct data_file {
	int fd;
	bool rdonly;
	struct fd_latch latch;
};

static int
file_create(int dirfd, uint64_t unused)
{
	int fd, err = 0;

	(void)unused;
	fd = openat(dirfd, FILE_NAME, O_RDWR | O_CREAT | O_EXCL | O_CLOEXEC,
	    0600);
	if (fd < 0)
		return vfs_err_from_os(errno);
	if (fsync(fd) < 0)
		err = vfs_err_from_os(errno);
	if (err == 0)
		err = be_dir_sync(dirfd);
	if (err < 0) {
		(void)unlinkat(dirfd, FILE_NAME, 0);
		close(fd);
		return err;
	}
	return fd;
}

static void
data_close(void *self)
{
	struct data_file *d = self;

	if (!d)
		return;
	close(d->fd);
	pthread_mutex_destroy(&d->latch.lock);
	free(d);
}

static int
data_open(int dirfd, bool create, bool rdonly, void **self)
{
	struct data_file *d;
	int fd;

	assert(!(create && rdonly));
	fd = fd_open(dirfd, FILE_NAME, create, rdonly, file_create, 0);
	if (fd < 0)
		return fd;
	if (!(d = calloc(1, sizeof *d))) {
		close(fd);
		return -VFS_NOMEM;
	}
	pthread_mutex_init(&d->latch.lock, NULL);
	d->fd = fd;
	d->rdonly = rdonly;
	*self = d;
	return 0;
}

static int
data_read(void *self, uint64_t off, void *p, size_t n)
{
	struct data_file *d = self;
	size_t got;
	int err;

	if ((err = fd_read(d->fd, off, p, n, &got)) < 0)
		return err;
	if (got < n)
		memset((char *)p + got, 0, n - got);	/* never written */
	return 0;
}

static int
data_write(void *self, uint64_t off, const void *p, size_t n)
{
	struct data_file *d = self;

	return d->rdonly ? -VFS_ROFS : be_no_room(fd_write(d->fd, off, p, n));
}

static void
data_writeback(void *self, uint64_t off, uint64_t n)
{
	struct data_file *d = self;

	/* A hint: what goes wrong here, sync will tell. */
	if (!d->rdonly)
		(void)sync_file_range(d->fd, (off_t)off, (off_t)n,
		    SYNC_FILE_RANGE_WRITE);
}

static int
data_sync(void *self)
{
	struct data_file *d = self;

	return d->rdonly ? 0 : fd_sync(d->fd, &d->latch);
}

static int
data_fallocate(struct data_file *d, int mode, uint64_t off, uint64_t n)
{
	if (d->rdonly)
		return -VFS_ROFS;
	if (n == 0)
		return 0;
	while (fallocate(d->fd, mode, (off_t)off, (off_t)n) < 0) {
		if (errno != EINTR)
			return be_no_room(vfs_err_from_os(errno));
	}
	return 0;
}

static int
data_reserve(void *self, uint64_t off, uint64_t n)
{
	uint64_t max = be_file_max();

	/* FALLOC_FL_KEEP_SIZE is allowed there: only the write is not. */
	if (n > max || off > max - n)
		return -VFS_NOSPC;
	return data_fallocate(self, FALLOC_FL_KEEP_SIZE, off, n);
}

/*
 * ext4 punches no hole behind the file's end, though what was reserved there
 * takes room.  Not by ftruncate: beside a write it might cut the file.  If
 * it fails, what lies there stays reserved.
 */
static void
reach(struct data_file *d, uint64_t end)
{
	struct stat st;

	if (fstat(d->fd, &st) == 0 && (uint64_t)st.st_size < end)
		(void)data_fallocate(d, 0, end - 1, 1);
}

static int
data_discard(void *self, uint64_t off, uint64_t n)
{
	struct data_file *d = self;

	if (!d->rdonly && n > 0)
		reach(d, off + n);
	return data_fallocate(d, FALLOC_FL_KEEP_SIZE | FALLOC_FL_PUNCH_HOLE,
	    off, n);
}

static int
data_room(void *self, uint64_t *room, uint64_t *total)
{
	struct data_file *d = self;
	struct statvfs st;

	if (fstatvfs(d->fd, &st) < 0)
		return vfs_err_from_os(errno);
	*room = (uint64_t)st.f_bavail * st.f_frsize;
	*total = (uint64_t)st.f_blocks * st.f_frsize;
	return 0;
}

const struct data_ops be_data_file = {
	.name = "file",
	.open = data_open,
	.close = data_close,
	.read = data_read,
	.write = data_write,
	.writeback = data_writeback,
	.sync = data_sync,
	.reserve = data_reserve,
	.discard = data_discard,
	.room = data_room,
};
