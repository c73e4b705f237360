/* The mount, as any program uses it. */
#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "front.h"

static int
result(int rc)
{
	if (rc >= 0)
		return 0;
	return errno == ENOTCONN || errno == ECONNABORTED ||
	    errno == ECONNREFUSED || errno == ENODEV || errno == EIO ?
	    ELOST : errno;
}

static int
fuse_open(struct front *f, const char *where, const char *token)
{
	(void)token;
	f->dir[0].fd = open(where, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	return result(f->dir[0].fd);
}

static void
fuse_close(struct front *f)
{
	unsigned i;

	for (i = 0; i < FRONT_DIRS_MAX; i++)
		if (f->dir[i].fd > 0)
			close(f->dir[i].fd);
}

static int
fuse_enter(struct front *f, unsigned k, unsigned dir, const char *name)
{
	if (name == NULL)
		return 0;
	f->dir[k].fd = openat(f->dir[dir].fd, name,
	    O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	return result(f->dir[k].fd);
}

static int
fuse_mkdir(struct front *f, unsigned dir, const char *name)
{
	return result(mkdirat(f->dir[dir].fd, name, 0755));
}

static int
fuse_create(struct front *f, unsigned dir, const char *name)
{
	int fd = openat(f->dir[dir].fd, name,
	    O_CREAT | O_EXCL | O_WRONLY | O_CLOEXEC, 0644);

	return fd < 0 ? result(fd) : result(close(fd));
}

static int
fuse_unlink(struct front *f, unsigned dir, const char *name)
{
	return result(unlinkat(f->dir[dir].fd, name, 0));
}

static int
fuse_rename(struct front *f, unsigned dir, const char *name, unsigned dir2,
    const char *name2)
{
	return result(renameat(f->dir[dir].fd, name, f->dir[dir2].fd, name2));
}

static int
fuse_stat(struct front *f, unsigned dir, const char *name,
    struct front_stat *out)
{
	struct stat st;
	int rc = fstatat(f->dir[dir].fd, name, &st, AT_SYMLINK_NOFOLLOW);

	if (rc == 0)
		*out = (struct front_stat){ st.st_ino, (uint64_t)st.st_size };
	return result(rc);
}

static int
fuse_resize(struct front *f, unsigned dir, const char *name, uint64_t size)
{
	char path[64];

	snprintf(path, sizeof path, "/proc/self/fd/%d/%s", f->dir[dir].fd,
	    name);
	return result(truncate(path, (off_t)size));
}

static int
fuse_read(struct front *f, unsigned dir, const char *name, void *p,
    size_t *n)
{
	int fd = openat(f->dir[dir].fd, name, O_RDONLY | O_CLOEXEC), rc;
	ssize_t k;

	if (fd < 0)
		return result(fd);
	k = pread(fd, p, *n, 0);
	rc = result((int)k);
	close(fd);
	if (rc == 0)
		*n = (size_t)k;
	return rc;
}

static int
fuse_write(struct front *f, unsigned dir, const char *name, const void *p,
    size_t n)
{
	int fd = openat(f->dir[dir].fd, name, O_WRONLY | O_CLOEXEC), rc;

	if (fd < 0)
		return result(fd);
	rc = result((int)pwrite(fd, p, n, 0));
	close(fd);
	return rc;
}

static int
fuse_list(struct front *f, unsigned dir, front_entry *fn, void *arg)
{
	int fd = openat(f->dir[dir].fd, ".", O_RDONLY | O_DIRECTORY);
	DIR *d = fd < 0 ? NULL : fdopendir(fd);
	struct dirent *e;
	int rc;

	if (d == NULL)
		return result(-1);
	errno = 0;
	while ((e = readdir(d)) != NULL)
		if (e->d_name[0] != '.')
			fn(arg, e->d_name, strlen(e->d_name));
	rc = errno != 0 ? result(-1) : 0;
	closedir(d);
	return rc;
}

const struct front_ops front_fuse = {
	fuse_open, fuse_close, fuse_enter, fuse_mkdir, fuse_create,
	fuse_unlink, fuse_rename, fuse_stat, fuse_resize, fuse_read,
	fuse_write, fuse_list,
};
