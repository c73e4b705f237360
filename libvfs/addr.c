/* From what a caller writes to a socket that is connected. */
#include <arpa/inet.h>
#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <limits.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <poll.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/sysmacros.h>
#include <sys/un.h>
#include <sys/xattr.h>
#include <unistd.h>

#include "vfs_in.h"

#define STORE_XATTR	"user.vfsd.store"	/* answered by every object
						 * of a mount */
#define MOUNT_TYPE	"fuse.vfsd"
#define SOCK		"sock"			/* in a store's directory */
#define QUEUE_MS	5			/* until it may have room */

/* --- sockets ------------------------------------------------------------- */

static int
refused(int os)
{
	return os == ENOENT || os == ECONNREFUSED ? -VFS_OFFLINE :
	    vfs_err_from_os(os);
}

/* TCP: it is under way. */
static int
finished(int fd, uint64_t until)
{
	struct pollfd p = { .fd = fd, .events = POLLOUT };
	socklen_t len = sizeof(int);
	uint64_t now, left;
	int os = 0, rc;

	do {
		now = lv_now_ms();
		left = until > now ? until - now : 0;
		rc = poll(&p, 1, (int)(left < INT_MAX ? left : INT_MAX));
	} while (rc < 0 && errno == EINTR);
	if (rc != 1)
		return -VFS_DEADLINE;
	if (getsockopt(fd, SOL_SOCKET, SO_ERROR, &os, &len) < 0)
		os = errno;
	return os == 0 ? 0 : refused(os);
}

/* Connects within wait_ms.  A unix socket whose queue is full, since many
 * come at once, says EAGAIN and cannot be waited for. */
static int
connected(int fd, const void *sa, socklen_t n, uint32_t wait_ms)
{
	uint64_t until = lv_now_ms() + wait_ms;

	while (connect(fd, sa, n) < 0) {
		if (errno == EINPROGRESS || errno == EINTR)
			return finished(fd, until);
		if (errno != EAGAIN)
			return refused(errno);
		if (lv_now_ms() >= until)
			return -VFS_BUSY;
		poll(NULL, 0, QUEUE_MS);
	}
	return 0;
}

static int
new_socket(int family)
{
	int fd = socket(family, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK,
	    0);

	return fd < 0 ? vfs_err_from_os(errno) : fd;
}

static int
connect_unix(const struct sockaddr_un *sa, socklen_t n, uint32_t wait_ms)
{
	int fd = new_socket(AF_UNIX), err;

	if (fd < 0)
		return fd;
	err = connected(fd, sa, n, wait_ms);
	if (err == 0)
		return fd;
	close(fd);
	return err;
}

static int
by_unix(const char *path, uint32_t wait_ms)
{
	struct sockaddr_un sa = { .sun_family = AF_UNIX };
	size_t n = strlen(path);

	if (n == 0)
		return -VFS_NOENT;
	if (n >= sizeof sa.sun_path)
		return -VFS_NAMETOOLONG;
	memcpy(sa.sun_path, path, n);
	return connect_unix(&sa, sizeof sa, wait_ms);
}

/* HOST:PORT, both numbers: nothing is looked up. */
static int
by_tcp(const char *at, uint32_t wait_ms)
{
	struct sockaddr_in sa = { .sin_family = AF_INET };
	const char *colon = strrchr(at, ':');
	char host[INET_ADDRSTRLEN], *end;
	int fd, err, one = 1;
	unsigned long port;

	if (colon == NULL || colon[1] < '0' || colon[1] > '9' ||
	    (size_t)(colon - at) >= sizeof host)
		return -VFS_INVAL;
	memcpy(host, at, (size_t)(colon - at));
	host[colon - at] = 0;
	port = strtoul(colon + 1, &end, 10);
	if (*end != 0 || port == 0 || port > 65535 ||
	    inet_pton(AF_INET, host, &sa.sin_addr) != 1)
		return -VFS_INVAL;
	sa.sin_port = htons((uint16_t)port);
	if ((fd = new_socket(AF_INET)) < 0)
		return fd;
	setsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &one, sizeof one);
	if ((err = connected(fd, &sa, sizeof sa, wait_ms)) == 0)
		return fd;
	close(fd);
	return err;
}

/* --- stores --------------------------------------------------------------- */

/* Anybody can take an abstract name: is it the store's owner, or root? */
static bool
is_owner(int fd, const struct stat *st)
{
	struct ucred cred;
	socklen_t n = sizeof cred;

	return getsockopt(fd, SOL_SOCKET, SO_PEERCRED, &cred, &n) == 0 &&
	    (cred.uid == 0 || cred.uid == st->st_uid);
}

/* Where a store is served that nothing may be written to: a name made of
 * its directory's device and inode. */
static int
by_abstract(int dir, uint32_t wait_ms)
{
	struct sockaddr_un sa = { .sun_family = AF_UNIX };
	struct stat st;
	int n, fd;

	if (fstat(dir, &st) < 0)
		return vfs_err_from_os(errno);
	n = snprintf(sa.sun_path + 1, sizeof sa.sun_path - 1,
	    "vfsd/%llx:%llx", (unsigned long long)st.st_dev,
	    (unsigned long long)st.st_ino);
	fd = connect_unix(&sa, (socklen_t)(offsetof(struct sockaddr_un,
	    sun_path) + 1 + (size_t)n), wait_ms);
	if (fd >= 0 && !is_owner(fd, &st)) {
		close(fd);
		return -VFS_OFFLINE;
	}
	return fd;
}

/* Through the directory's descriptor: a path of any length fits. */
static int
by_dir(int dir, uint32_t wait_ms)
{
	struct sockaddr_un sa = { .sun_family = AF_UNIX };
	int fd;

	snprintf(sa.sun_path, sizeof sa.sun_path, "/proc/self/fd/%d/%s",
	    dir, SOCK);
	fd = connect_unix(&sa, sizeof sa, wait_ms);
	return fd == -VFS_OFFLINE ? by_abstract(dir, wait_ms) : fd;
}

/* --- mounts --------------------------------------------------------------- */

/* A line of mountinfo: is it a mount of vfsd on this device, and whose? */
static bool
mount_line(const char *line, dev_t dev, uint32_t *user)
{
	const char *type = strstr(line, " - "), *id;
	unsigned major, minor;

	if (type == NULL || sscanf(line, "%*u %*u %u:%u", &major,
	    &minor) != 2 || makedev(major, minor) != dev ||
	    strncmp(type + 3, MOUNT_TYPE " ", sizeof MOUNT_TYPE) != 0)
		return false;
	/* Blanks in the source are escaped: these are its options. */
	id = strchr(type + 3 + sizeof MOUNT_TYPE, ' ');
	id = id != NULL ? strstr(id, ",user_id=") : NULL;
	return id != NULL && sscanf(id, ",user_id=%" SCNu32, user) == 1;
}

static bool
mount_user(dev_t dev, uint32_t *user)
{
	FILE *f = fopen("/proc/self/mountinfo", "re");
	bool found = false;
	char *line = NULL;
	size_t cap = 0;

	while (f != NULL && !found && getline(&line, &cap, f) > 0)
		found = mount_line(line, dev, user);
	free(line);
	if (f != NULL)
		fclose(f);
	return found;
}

/* An object of a mount says where its store is.  Elsewhere anybody can give
 * his files that attribute. */
static bool
in_mount(int at, dev_t dev, char store[PATH_MAX], uint32_t *user)
{
	char path[40];
	ssize_t n;

	snprintf(path, sizeof path, "/proc/self/fd/%d", at);
	n = getxattr(path, STORE_XATTR, store, PATH_MAX - 1);
	if (n <= 0 || store[0] != '/')
		return false;
	store[n] = 0;
	return mount_user(dev, user);
}

/* Whoever mounted it sends nobody to another one's daemon; root may. */
static int
by_mount(const char *store, uint32_t user, uint32_t wait_ms)
{
	struct ucred cred;
	socklen_t n = sizeof cred;
	int fd, dir = open(store, O_PATH | O_DIRECTORY | O_CLOEXEC);

	if (dir < 0)
		return vfs_err_from_os(errno);
	fd = by_dir(dir, wait_ms);
	close(dir);
	if (fd < 0 || user == 0 || (getsockopt(fd, SOL_SOCKET, SO_PEERCRED,
	    &cred, &n) == 0 && cred.uid == user))
		return fd;
	close(fd);
	return -VFS_OFFLINE;
}

static int
by_path(const char *path, uint32_t wait_ms)
{
	char store[PATH_MAX];
	struct stat st;
	uint32_t user;
	int fd, at = open(path, O_PATH | O_CLOEXEC);

	if (at < 0)
		return vfs_err_from_os(errno);
	if (fstat(at, &st) < 0)
		fd = vfs_err_from_os(errno);
	else if (in_mount(at, st.st_dev, store, &user))
		fd = by_mount(store, user, wait_ms);
	else
		fd = S_ISDIR(st.st_mode) ? by_dir(at, wait_ms) : -VFS_NOENT;
	close(at);
	return fd;
}

static const char *
after(const char *where, const char *prefix)
{
	size_t n = strlen(prefix);

	return strncmp(where, prefix, n) == 0 ? where + n : NULL;
}

int
lv_addr_connect(const char *where, uint32_t wait_ms, bool *tcp)
{
	const char *at;

	*tcp = false;
	if ((at = after(where, "unix:")) != NULL)
		return by_unix(at, wait_ms);
	if ((at = after(where, "tcp:")) == NULL)
		return by_path(where, wait_ms);
	*tcp = true;
	return by_tcp(at, wait_ms);
}
