#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <limits.h>
#include <search.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/sysmacros.h>
#include <sys/xattr.h>
#include <time.h>
#include <unistd.h>

#include "../clock.h"
#include "batch.h"
#include "copy.h"

#define SHOW_MS		100u

/* A file with several names, by what the host calls it. */
struct hard {
	dev_t dev;
	ino_t ino;
	struct vfs_id id;
};

struct copy {
	struct ctl *k;
	struct batch *b;
	struct copy_sum sum;
	bool root, show;
	uint64_t shown_ms;
	void *hards;			/* tsearch(3) */
	uint8_t *buf;			/* VFS_IO_MAX */
	char path[PATH_MAX];		/* of what is being copied */
	size_t path_n;
};

/* One object of the host on its way. */
struct item {
	int fd;				/* files and directories; else -1 */
	struct stat st;
	struct vfs_id dir, *id;
	const char *name;
};

static int
told(struct copy *c, int err)
{
	ctl_fail(c->path, err);
	return err;
}

static int
told_errno(struct copy *c)
{
	return told(c, vfs_err_from_os(errno));
}

/* --- progress ------------------------------------------------------------ */

static void
progress(struct copy *c, bool last)
{
	uint64_t now;

	if (!c->show || (!last && (now = clock_ms()) < c->shown_ms + SHOW_MS))
		return;
	c->shown_ms = last ? 0 : now;
	fprintf(stderr, "\r%" PRIu64 " files, %.1f MiB%s",
	    c->sum.files + c->sum.links + c->sum.others, (double)c->sum.bytes / 1048576,
	    last ? "\n" : "");
}

/* --- attributes ---------------------------------------------------------- */

static struct vfs_time
time_of(struct timespec ts)
{
	return (struct vfs_time){ ts.tv_sec, (uint32_t)ts.tv_nsec };
}

/* Size too: of a file that ends in a hole. */
static int
put_attr(struct copy *c, const struct item *x, uint32_t more)
{
	struct vfs_setattr q = { .id = *x->id,
		.valid = VFS_SET_ATIME | VFS_SET_MTIME | more,
		.mode = x->st.st_mode & 07777, .uid = x->st.st_uid,
		.gid = x->st.st_gid, .size = (uint64_t)x->st.st_size,
		.atime = time_of(x->st.st_atim),
		.mtime = time_of(x->st.st_mtim) };

	if (!S_ISLNK(x->st.st_mode))
		q.valid |= VFS_SET_MODE;
	if (c->root)
		q.valid |= VFS_SET_UID | VFS_SET_GID;
	return batch_add(c->b, VFS_OP_SETATTR, &q, c->path, NULL);
}

/* Labels and what root keeps for himself are left out where they may not
 * be set. */
static bool
may_set(const struct copy *c, const char *name)
{
	return c->root || strncmp(name, "user.", 5) == 0 ||
	    strncmp(name, "system.", 7) == 0;
}

static int
put_xattr(struct copy *c, const struct item *x, const char *name)
{
	struct vfs_xattr_set q = { .name = { name, strlen(name) } };
	ssize_t n;
	int err;

	n = lgetxattr(c->path, name, c->buf, VFS_XATTR_SIZE_MAX);
	if (n < 0)
		return errno == ENODATA ? 0 : told_errno(c);
	if ((err = batch_room(c->b, (size_t)n)) < 0)
		return err;
	q.id = *x->id;
	q.value = (struct vfs_slice){ c->buf, (size_t)n };
	return batch_add(c->b, VFS_OP_XATTR_SET, &q, c->path, NULL);
}

static int
put_xattrs(struct copy *c, const struct item *x)
{
	char *list, *name;
	ssize_t n;
	int err = 0;

	n = llistxattr(c->path, NULL, 0);
	if (n <= 0)
		return n == 0 || errno == ENOTSUP ? 0 : told_errno(c);
	if ((list = malloc((size_t)n + 1)) == NULL)
		return -VFS_NOMEM;
	if ((n = llistxattr(c->path, list, (size_t)n)) < 0)
		err = told_errno(c);
	for (name = list; err == 0 && name < list + n;
	    name += strlen(name) + 1)
		if (may_set(c, name))
			err = put_xattr(c, x, name);
	free(list);
	return err;
}

/* --- bytes --------------------------------------------------------------- */

static int
put_bytes(struct copy *c, const struct item *x, uint64_t off, size_t n,
    bool now)
{
	struct vfs_write q = { .off = off, .data = { c->buf, n } };
	struct vfs_write_reply r;
	int err;

	if (!now && (err = batch_room(c->b, n)) < 0)
		return err;
	q.id = *x->id;
	c->sum.bytes += n;
	if (!now)
		return batch_add(c->b, VFS_OP_WRITE, &q, c->path, NULL);
	err = ctl_call(c->k, VFS_OP_WRITE, &q, &r);
	progress(c, false);
	return err < 0 ? told(c, err) : 0;
}

/* From off up to end there are bytes, at least when it was asked. */
static int
put_range(struct copy *c, const struct item *x, off_t off, off_t end,
    bool now)
{
	size_t max = now ? VFS_IO_MAX : BATCH_DATA_MAX;
	ssize_t n;
	int err;

	while (off < end) {
		n = pread(x->fd, c->buf, (size_t)(end - off) < max ?
		    (size_t)(end - off) : max, off);
		if (n < 0 && errno == EINTR)
			continue;
		if (n < 0)
			return told_errno(c);
		if (n == 0)
			break;		/* cut meanwhile: seen below */
		if ((err = put_bytes(c, x, (uint64_t)off, (size_t)n,
		    now)) < 0)
			return err;
		off += n;
	}
	return 0;
}

/* *end: how far there were bytes. */
static int
put_data(struct copy *c, const struct item *x, bool now, off_t *end)
{
	off_t at = 0, to;
	int err;

	*end = 0;
	while (at < x->st.st_size) {
		at = lseek(x->fd, at, SEEK_DATA);
		if (at < 0)
			return errno == ENXIO ? 0 : told_errno(c);
		if ((to = lseek(x->fd, at, SEEK_HOLE)) < 0)
			return told_errno(c);
		if (to > x->st.st_size)
			to = x->st.st_size;
		if ((err = put_range(c, x, at, to, now)) < 0)
			return err;
		at = *end = to;
	}
	return 0;
}

/* What is copied is one state of the file, or nothing. */
static int
same_still(struct copy *c, const struct item *x)
{
	struct stat st;

	if (fstat(x->fd, &st) < 0)
		return told_errno(c);
	if (st.st_size == x->st.st_size &&
	    st.st_mtim.tv_sec == x->st.st_mtim.tv_sec &&
	    st.st_mtim.tv_nsec == x->st.st_mtim.tv_nsec)
		return 0;
	fprintf(stderr, "vfsctl: %s: changed while it was copied\n",
	    c->path);
	return -VFS_CONFLICT;
}

/* --- objects ------------------------------------------------------------- */

static int
create(struct copy *c, const struct item *x, struct vfs_slice target)
{
	struct vfs_create q = { .dir = x->dir, .mode = x->st.st_mode,
		.rdev_major = major(x->st.st_rdev),
		.rdev_minor = minor(x->st.st_rdev),
		.flags = VFS_CREATE_EXCL,
		.name = { x->name, strlen(x->name) }, .target = target };

	if (!S_ISCHR(x->st.st_mode) && !S_ISBLK(x->st.st_mode))
		q.rdev_major = q.rdev_minor = 0;
	return batch_add(c->b, VFS_OP_CREATE, &q, c->path, x->id);
}

static int
copy_file(struct copy *c, struct item *x)
{
	static const struct vfs_slice none;
	bool big = x->st.st_size > (off_t)BATCH_DATA_MAX;
	off_t end;
	int err;

	if ((err = create(c, x, none)) < 0 ||
	    (big && (err = batch_send(c->b)) < 0) ||
	    (err = put_data(c, x, big, &end)) < 0 ||
	    (err = same_still(c, x)) < 0 ||
	    (err = batch_room(c->b, 0)) < 0 ||
	    (err = put_attr(c, x, end < x->st.st_size ? VFS_SET_SIZE :
	    0)) < 0)
		return err;
	c->sum.files++;
	return put_xattrs(c, x);
}

static int
copy_other(struct copy *c, struct item *x)
{
	char target[VFS_SYMLINK_MAX + 1];
	struct vfs_slice t = { NULL, 0 };
	ssize_t n;
	int err;

	if (S_ISLNK(x->st.st_mode)) {
		if ((n = readlink(c->path, target, sizeof target)) < 0)
			return told_errno(c);
		if (n > (ssize_t)VFS_SYMLINK_MAX)
			return told(c, -VFS_NAMETOOLONG);
		t = (struct vfs_slice){ target, (size_t)n };
	}
	if ((err = create(c, x, t)) < 0 || (err = put_attr(c, x, 0)) < 0)
		return err;
	c->sum.others++;
	return put_xattrs(c, x);
}

static int
by_ino(const void *a, const void *b)
{
	const struct hard *x = a, *y = b;

	if (x->dev != y->dev)
		return x->dev < y->dev ? -1 : 1;
	return x->ino < y->ino ? -1 : x->ino > y->ino;
}

/* Met before?  Then *id is its; else it is where the id will be. */
static int
hard_find(struct copy *c, const struct stat *st, struct vfs_id **id)
{
	struct hard *h = calloc(1, sizeof *h), **found;

	if (h == NULL)
		return -VFS_NOMEM;
	h->dev = st->st_dev;
	h->ino = st->st_ino;
	found = tsearch(h, &c->hards, by_ino);
	if (found == NULL || *found != h)
		free(h);
	if (found == NULL)
		return -VFS_NOMEM;
	*id = &(*found)->id;
	return 0;
}

static int
copy_link(struct copy *c, const struct item *x)
{
	struct vfs_link q = { .dir = x->dir, .target = *x->id,
		.name = { x->name, strlen(x->name) } };

	c->sum.links++;
	return batch_add(c->b, VFS_OP_LINK, &q, c->path, NULL);
}

static int copy_dir(struct copy *c, struct item *x);

static int
copy_item(struct copy *c, struct item *x)
{
	struct vfs_id id = { 0 };
	int err = 0;

	x->id = &id;
	if (!S_ISDIR(x->st.st_mode) && x->st.st_nlink > 1)
		err = hard_find(c, &x->st, &x->id);
	progress(c, false);
	if (err < 0)
		return err;
	if (x->id->n != 0)
		return copy_link(c, x);
	err = S_ISDIR(x->st.st_mode) ? copy_dir(c, x) :
	    S_ISREG(x->st.st_mode) ? copy_file(c, x) : copy_other(c, x);
	batch_forget(c->b, &id);
	return err;
}

/* --- the tree ------------------------------------------------------------ */

static int
open_item(struct copy *c, struct item *x)
{
	if (lstat(c->path, &x->st) < 0)
		return told_errno(c);
	if (!S_ISREG(x->st.st_mode) && !S_ISDIR(x->st.st_mode))
		return 0;
	x->fd = open(c->path, O_RDONLY | O_NOFOLLOW | O_CLOEXEC | O_NONBLOCK |
	    (S_ISDIR(x->st.st_mode) ? O_DIRECTORY : 0));
	if (x->fd < 0 || fstat(x->fd, &x->st) < 0)
		return told_errno(c);
	return 0;
}

static int
copy_entry(struct copy *c, struct vfs_id dir, const char *name)
{
	struct item x = { .fd = -1, .dir = dir, .name = name };
	size_t before = c->path_n, n = strlen(name);
	int err;

	if (before + n + 2 > sizeof c->path)
		return told(c, -VFS_NAMETOOLONG);
	c->path[before] = '/';
	memcpy(c->path + before + 1, name, n + 1);
	c->path_n += n + 1;
	if ((err = open_item(c, &x)) == 0)
		err = copy_item(c, &x);
	if (x.fd >= 0)
		close(x.fd);
	c->path_n = before;
	c->path[before] = 0;
	return err;
}

static int
copy_entries(struct copy *c, DIR *d, const struct vfs_id *dir)
{
	struct dirent *e;
	int err = 0;

	while (err == 0) {
		errno = 0;
		if ((e = readdir(d)) == NULL)
			return errno != 0 ? told_errno(c) : 0;
		if (strcmp(e->d_name, ".") == 0 ||
		    strcmp(e->d_name, "..") == 0)
			continue;
		if ((err = batch_room(c->b, 0)) == 0)
			err = copy_entry(c, *dir, e->d_name);
	}
	return err;
}

/* Its own mode and times come last: until then it is written to. */
static int
copy_dir(struct copy *c, struct item *x)
{
	static const struct vfs_slice none;
	struct item made = *x;
	DIR *d;
	int err;

	made.st.st_mode = S_IFDIR | 0700;
	if ((err = create(c, &made, none)) < 0)
		return err;
	if ((d = fdopendir(x->fd)) == NULL)
		return told_errno(c);
	x->fd = -1;
	err = copy_entries(c, d, x->id);
	closedir(d);
	if (err < 0 || (err = batch_room(c->b, 0)) < 0 ||
	    (err = put_attr(c, x, 0)) < 0)
		return err;
	c->sum.dirs++;
	return put_xattrs(c, x);
}

static int
run(struct copy *c, const char *src, struct vfs_id dir, const char *name)
{
	struct item x = { .fd = -1, .dir = dir, .name = name,
		.id = &c->sum.top };
	int err;

	if (strlen(src) >= sizeof c->path)
		return ctl_fail(src, -VFS_NAMETOOLONG), -VFS_NAMETOOLONG;
	c->path_n = strlen(strcpy(c->path, src));
	if ((x.fd = open(src, O_RDONLY | O_DIRECTORY | O_CLOEXEC)) < 0 ||
	    fstat(x.fd, &x.st) < 0) {
		err = told_errno(c);
	} else if ((err = copy_dir(c, &x)) == 0) {
		err = batch_send(c->b);
	}
	if (x.fd >= 0)
		close(x.fd);
	progress(c, true);
	return err;
}

int
copy_tree(struct ctl *k, const char *src, struct vfs_id dir,
    const char *name, bool show, struct copy_sum *out)
{
	struct copy c = { .k = k, .root = geteuid() == 0, .show = show };
	int err;

	c.buf = malloc(VFS_IO_MAX);
	err = c.buf == NULL ? -VFS_NOMEM : batch_new(k, &c.b);
	if (err < 0)
		ctl_fail(src, err);
	else
		err = run(&c, src, dir, name);
	*out = c.sum;
	batch_free(c.b);
	tdestroy(c.hards, free);
	free(c.buf);
	return err;
}
