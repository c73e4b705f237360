#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <grp.h>
#include <limits.h>
#include <linux/fs.h>
#include <stdio.h>
#include <string.h>
#include <sys/file.h>
#include <sys/ioctl.h>
#include <sys/stat.h>
#include <sys/statvfs.h>
#include <time.h>
#include <unistd.h>

#include "../protocol/err.h"
#include "addr.h"
#include "report.h"
#include "storedir.h"

#define MARK_NEW	STOREDIR_MARK ".new"
#define MARK_MAX	512
#define ROOM_MIN	(9u << 20)	/* the smallest log, and room to write */
#define LOCK_WAIT_MS	1500	/* a killed daemon takes a moment to go */
#define LOCK_END_MS	10000	/* and one that ends has things to write */

static void
parent_of(const char *path, char *out, size_t cap)
{
	char *slash;

	snprintf(out, cap, "%s", path);
	slash = strrchr(out, '/');
	if (slash == NULL)
		strcpy(out, ".");
	else if (slash == out)
		strcpy(out, "/");
	else
		*slash = '\0';
}

static int
sync_parent(const char *path)
{
	char parent[PATH_MAX];
	int fd, rc;

	parent_of(path, parent, sizeof parent);
	fd = open(parent, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	if (fd < 0)
		return errno == EACCES ? 0 : -1;	/* not ours to sync */
	rc = fsync(fd);
	close(fd);
	return rc;
}

/* Room for the least store there can be; asked before anything is made. */
static bool
has_room(const char *path)
{
	char parent[PATH_MAX];
	struct statvfs v;
	uint64_t blocks;

	parent_of(path, parent, sizeof parent);
	if (statvfs(parent, &v) != 0)
		return true;		/* mkdir will tell */
	blocks = geteuid() == 0 ? v.f_bfree : v.f_bavail;
	return blocks * v.f_frsize >= ROOM_MIN;
}

static bool
is_served(const char *path)
{
	int fd = addr_connect(path, 0);

	if (fd >= 0)
		close(fd);
	return fd != -VFS_OFFLINE;
}

static int
lock(int fd, const char *path)
{
	struct timespec nap = { 0, 50 * 1000000 };
	int waited;

	for (waited = 0; ; waited += 50) {
		if (flock(fd, LOCK_EX | LOCK_NB) == 0)
			return 0;
		if (errno != EWOULDBLOCK)
			return -1;
		if (waited >= LOCK_END_MS ||
		    (waited >= LOCK_WAIT_MS && is_served(path)))
			break;
		nanosleep(&nap, NULL);
	}
	errno = EWOULDBLOCK;
	return -1;
}

/* lost+found is what an empty filesystem has. */
static int
is_empty(int fd)
{
	struct dirent *e;
	int copy, found = 0;
	DIR *d;

	copy = openat(fd, ".", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	if (copy < 0)
		return -1;
	if ((d = fdopendir(copy)) == NULL) {
		close(copy);
		return -1;
	}
	while ((e = readdir(d)) != NULL)
		if (strcmp(e->d_name, ".") != 0 &&
		    strcmp(e->d_name, "..") != 0 &&
		    strcmp(e->d_name, "lost+found") != 0)
			found = 1;
	closedir(d);
	return !found;
}

int
storedir_become_owner(int dirfd, char *why, size_t cap)
{
	struct stat st;

	if (geteuid() != 0)
		return 0;
	if (fstat(dirfd, &st) != 0)
		return report_why(why, cap, "fstat: %s", strerror(errno));
	if (st.st_uid == 0)
		return 0;
	if (setgroups(0, NULL) != 0 ||
	    setresgid(st.st_gid, st.st_gid, st.st_gid) != 0 ||
	    setresuid(st.st_uid, st.st_uid, st.st_uid) != 0)
		return report_why(why, cap,
		    "cannot become the store's owner: %s",
		    strerror(errno));
	return 0;
}

/* Decide what the directory is; sets d->fresh. */
static int
recognize(struct storedir *d, const char *path, char *why, size_t cap)
{
	char text[MARK_MAX + 1], state[16];
	int format, fd;
	ssize_t n;

	/* A FIFO would wait for somebody; it reads as nothing so. */
	fd = openat(d->fd, STOREDIR_MARK, O_RDONLY | O_CLOEXEC | O_NOFOLLOW |
	    O_NONBLOCK);
	if (fd < 0 && errno == ENOENT) {
		switch (is_empty(d->fd)) {
		case 1:
			d->fresh = true;
			return 0;
		case 0:
			return report_why(why, cap,
			    "%s is not a store (no %s in "
			    "it) and not empty: name a store, or a directory "
			    "that is empty or new", path, STOREDIR_MARK);
		default:
			return report_why(why, cap, "%s: cannot read: %s", path,
			    strerror(errno));
		}
	}
	if (fd < 0)
		return report_why(why, cap, "%s/%s: %s", path, STOREDIR_MARK,
		    strerror(errno));
	n = read(fd, text, MARK_MAX);
	close(fd);
	if (n < 0)
		return report_why(why, cap, "%s/%s: cannot read: %s", path,
		    STOREDIR_MARK, strerror(errno));
	text[n] = '\0';
	if (sscanf(text, "vfsd store\nformat %d\nstate %15s", &format,
	    state) != 2)
		return report_why(why, cap,
		    "%s/%s is damaged: the first lines of "
		    "it should say: vfsd store, format %d, state ready",
		    path, STOREDIR_MARK, STOREDIR_FORMAT);
	if (format != STOREDIR_FORMAT)
		return report_why(why, cap, "%s has store format %d, this vfsd "
		    "knows format %d: use the vfsd that made it", path,
		    format, STOREDIR_FORMAT);
	/* Fresh means that all in it goes: only if it says just that. */
	d->fresh = strcmp(state, "new") == 0;
	if (!d->fresh && strcmp(state, "ready") != 0)
		return report_why(why, cap, "%s/%s is damaged: state %s, which "
		    "should be ready", path, STOREDIR_MARK, state);
	return 0;
}

int
storedir_open(const char *path, bool create, bool rdonly,
    struct storedir *out, char *why, size_t cap)
{
	struct storedir d = { .fd = -1 };
	struct stat st;

	if (create && !rdonly && stat(path, &st) != 0 && errno == ENOENT &&
	    !has_room(path))
		return report_why(why, cap,
		    "%s: cannot make the store: no space "
		    "left: make room on the disk and try again", path);
	if (create && !rdonly && mkdir(path, 0700) == 0) {
		d.made = true;
		if (sync_parent(path) != 0) {
			report_why(why, cap,
			    "%s: cannot make it durable: %s", path,
			    strerror(errno));
			rmdir(path);
			return -1;
		}
	} else if (create && !rdonly && errno != EEXIST) {
		return report_why(why, cap,
		    "%s: cannot make the store: %s", path,
		    strerror(errno));
	}
	d.fd = open(path, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	if (d.fd < 0)
		return report_why(why, cap,
		    "%s: cannot open the store: %s", path,
		    strerror(errno));
	if (lock(d.fd, path) != 0) {
		if (errno == EWOULDBLOCK)
			report_why(why, cap, "%s is in use: another vfsd, or a "
			    "check, works on it: end that first (a mount: "
			    "umount)", path);
		else
			report_why(why, cap, "%s: cannot lock: %s", path,
			    strerror(errno));
		goto bad;
	}
	if (!create && storedir_become_owner(d.fd, why, cap) != 0)
		goto bad;
	if (recognize(&d, path, why, cap) != 0)
		goto bad;
	if (d.fresh && (rdonly || !create)) {
		report_why(why, cap,
		    "%s holds no store: mount it without ro to "
		    "make one", path);
		goto bad;
	}
	*out = d;
	return 0;
bad:
	close(d.fd);
	if (d.made)
		rmdir(path);
	return -1;
}

void
storedir_close(struct storedir *d)
{
	if (d->fd >= 0)
		close(d->fd);
	d->fd = -1;
}

static int
put_mark(int dirfd, const char *text)
{
	size_t n = strlen(text);
	int fd, rc;

	fd = openat(dirfd, MARK_NEW, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC |
	    O_NOFOLLOW | O_NONBLOCK, 0600);
	if (fd < 0)
		return -1;
	rc = write(fd, text, n) == (ssize_t)n ? fsync(fd) : -1;
	if (close(fd) != 0)
		rc = -1;
	if (rc == 0)
		rc = renameat(dirfd, MARK_NEW, dirfd, STOREDIR_MARK);
	if (rc == 0)
		rc = fsync(dirfd);
	return rc;
}

/* Files only: nothing of ours has folders. */
static void
remove_all(int dirfd, bool mark_too)
{
	struct dirent *e;
	int copy;
	DIR *d;

	copy = openat(dirfd, ".", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	if (copy < 0 || (d = fdopendir(copy)) == NULL)
		return;
	while ((e = readdir(d)) != NULL)
		if (mark_too || strcmp(e->d_name, STOREDIR_MARK) != 0)
			unlinkat(dirfd, e->d_name, 0);
	closedir(d);
}

/*
 * Our files are promised their blocks, and checked by our own sums: where the
 * host would write each block to a new place, as btrfs does, it need not.
 * Files get it from the directory; elsewhere there is no such thing.
 */
static void
in_place(int dirfd)
{
	int flags;

	if (ioctl(dirfd, FS_IOC_GETFLAGS, &flags) == 0) {
		flags |= FS_NOCOW_FL;
		(void)ioctl(dirfd, FS_IOC_SETFLAGS, &flags);
	}
}

int
storedir_begin(struct storedir *d)
{
	char text[MARK_MAX];

	in_place(d->fd);
	snprintf(text, sizeof text, "vfsd store\nformat %d\nstate new\n",
	    STOREDIR_FORMAT);
	remove_all(d->fd, false);	/* of a making that was cut short */
	return put_mark(d->fd, text);
}

int
storedir_ready(struct storedir *d, const uint8_t uuid[16])
{
	char text[MARK_MAX], hex[33];
	int i;

	for (i = 0; i < 16; i++)
		snprintf(hex + 2 * i, 3, "%02x", uuid[i]);
	snprintf(text, sizeof text,
	    "vfsd store\nformat %d\nstate ready\nuuid %s\n"
	    "See vfs-format(5).  Only vfsd and vfsctl may change what is "
	    "in here.\n", STOREDIR_FORMAT, hex);
	if (fsync(d->fd) != 0 || put_mark(d->fd, text) != 0)
		return -1;
	d->fresh = false;
	return 0;
}

void
storedir_undo(struct storedir *d, const char *path)
{
	remove_all(d->fd, true);
	if (d->made)
		rmdir(path);
}
