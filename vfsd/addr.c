#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <limits.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/sysmacros.h>
#include <sys/time.h>
#include <sys/un.h>
#include <sys/xattr.h>
#include <unistd.h>

#include "../protocol/err.h"
#include "addr.h"
#include "mount.h"

#define SOCK	"sock"
#define QUEUE_S	5		/* until one is let in */

/* mountinfo writes space, tab, newline and backslash as \ooo. */
static void
unescape(char *s)
{
	char *to = s;
	unsigned c;

	while (*s != 0) {
		if (*s == '\\' && sscanf(s + 1, "%3o", &c) == 1) {
			*to++ = (char)c;
			s += 4;
		} else {
			*to++ = *s++;
		}
	}
	*to = 0;
}

/* vfsd's mount of a device: its mount point and source, and whose it is. */
static bool
mount_line(char *line, dev_t dev, char **point, char **source,
    uint32_t *user)
{
	char *save, *w, *type, *opts;
	unsigned major, minor, i;

	w = strtok_r(line, " \n", &save);
	for (i = 0; i < 2 && w != NULL; i++)
		w = strtok_r(NULL, " \n", &save);
	if (w == NULL || sscanf(w, "%u:%u", &major, &minor) != 2 ||
	    makedev(major, minor) != dev)
		return false;
	strtok_r(NULL, " \n", &save);		/* root of the mount */
	*point = strtok_r(NULL, " \n", &save);
	while ((w = strtok_r(NULL, " \n", &save)) != NULL &&
	    strcmp(w, "-") != 0)
		;
	type = strtok_r(NULL, " \n", &save);
	*source = strtok_r(NULL, " \n", &save);
	opts = strtok_r(NULL, " \n", &save);
	if (w == NULL || opts == NULL || strcmp(type, MOUNT_TYPE) != 0 ||
	    (opts = strstr(opts, ",user_id=")) == NULL ||
	    sscanf(opts, ",user_id=%" SCNu32, user) != 1)
		return false;
	unescape(*point);
	unescape(*source);
	return true;
}

/* A link may lead out of the mount, to somebody's file with an attribute of
 * that name. */
static bool
ask(const char *path, dev_t dev, char *store, size_t cap)
{
	int at = open(path, O_PATH | O_CLOEXEC);
	char by_fd[40];
	struct stat st;
	ssize_t n = -1;

	if (at < 0)
		return false;
	snprintf(by_fd, sizeof by_fd, "/proc/self/fd/%d", at);
	if (fstat(at, &st) == 0 && st.st_dev == dev)
		n = getxattr(by_fd, ADDR_XATTR, store, cap - 1);
	close(at);
	if (n <= 0)
		return false;
	store[n] = 0;
	return store[0] == '/';
}

static bool
has_socket(const char *dir)
{
	char path[PATH_MAX + 8];
	struct stat st;

	snprintf(path, sizeof path, "%s/%s", dir, SOCK);
	return stat(path, &st) == 0 && S_ISSOCK(st.st_mode);
}

static bool
in_mount(const char *path, struct addr *out)
{
	char *line = NULL, *point, *source;
	bool found = false;
	struct stat st;
	size_t cap = 0;
	FILE *f;

	if (lstat(path, &st) < 0 ||
	    (f = fopen("/proc/self/mountinfo", "re")) == NULL)
		return false;
	while (!found && getline(&line, &cap, f) > 0) {
		if (!mount_line(line, st.st_dev, &point, &source,
		    &out->user) ||
		    strlen(point) >= sizeof out->mount)
			continue;
		strcpy(out->mount, point);
		found = ask(path, st.st_dev, out->store, sizeof out->store) ||
		    ask(point, st.st_dev, out->store, sizeof out->store);
		if (!found && source[0] == '/' && has_socket(source) &&
		    strlen(source) < sizeof out->store) {
			strcpy(out->store, source);
			found = true;
		}
	}
	free(line);
	fclose(f);
	return found;
}

int
addr_find(const char *path, struct addr *out)
{
	char real[PATH_MAX];
	struct stat st;

	out->through = false;
	if (in_mount(path, out))
		return 0;
	if (lstat(path, &st) == 0 && S_ISLNK(st.st_mode) &&
	    realpath(path, real) != NULL && in_mount(real, out)) {
		out->through = true;
		return 0;
	}
	out->mount[0] = 0;
	out->user = 0;
	if (stat(path, &st) < 0)
		return vfs_err_from_os(errno);
	if (!S_ISDIR(st.st_mode))
		return -VFS_NOTDIR;
	if (realpath(path, out->store) == NULL)
		return vfs_err_from_os(errno);
	return 0;
}

size_t
addr_abstract(int dirfd, struct sockaddr_un *sa)
{
	struct stat st;
	int n;

	memset(sa, 0, sizeof *sa);
	sa->sun_family = AF_UNIX;
	if (fstat(dirfd, &st) < 0)
		return 0;
	n = snprintf(sa->sun_path + 1, sizeof sa->sun_path - 1,
	    "vfsd/%llx:%llx", (unsigned long long)st.st_dev,
	    (unsigned long long)st.st_ino);
	return offsetof(struct sockaddr_un, sun_path) + 1 + (size_t)n;
}

/* Does this user serve there? */
static bool
is_by(int fd, uint32_t user)
{
	struct ucred cred;
	socklen_t n = sizeof cred;

	return getsockopt(fd, SOL_SOCKET, SO_PEERCRED, &cred, &n) == 0 &&
	    cred.uid == user;
}

/* Anybody can take an abstract name: is it the store's owner, or root? */
static bool
is_owner(int fd, int dir)
{
	struct stat st;

	return is_by(fd, 0) || (fstat(dir, &st) == 0 && is_by(fd, st.st_uid));
}

static bool
try_abstract(int fd, int dir)
{
	struct sockaddr_un sa;
	size_t n = addr_abstract(dir, &sa);

	return n > 0 && connect(fd, (struct sockaddr *)&sa,
	    (socklen_t)n) == 0 && is_owner(fd, dir);
}

/* A full queue may be so for ever.  It counts for connect and for send. */
static int
set_patience(int fd)
{
	struct timeval tv = { .tv_sec = QUEUE_S };

	return setsockopt(fd, SOL_SOCKET, SO_SNDTIMEO, &tv, sizeof tv);
}

int
addr_connect(const char *store, uint32_t user)
{
	struct sockaddr_un sa = { .sun_family = AF_UNIX };
	int dir, fd = -1, err = 0;

	dir = open(store, O_PATH | O_DIRECTORY | O_CLOEXEC);
	if (dir < 0)
		return vfs_err_from_os(errno);
	snprintf(sa.sun_path, sizeof sa.sun_path, "/proc/self/fd/%d/%s",
	    dir, SOCK);
	fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);
	if (fd < 0)
		err = vfs_err_from_os(errno);
	else if (set_patience(fd) < 0)
		err = vfs_err_from_os(errno);
	else if (connect(fd, (struct sockaddr *)&sa, sizeof sa) < 0)
		err = errno == EAGAIN ? -VFS_BUSY :
		    errno != ENOENT && errno != ECONNREFUSED ?
		    vfs_err_from_os(errno) :
		    try_abstract(fd, dir) ? 0 : -VFS_OFFLINE;
	if (err == 0 && user != 0 && !is_by(fd, user))
		err = -VFS_OFFLINE;
	close(dir);
	if (err == 0)
		return fd;
	if (fd >= 0)
		close(fd);
	return err;
}
