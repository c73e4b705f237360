/*
 * wrap.c - the system calls, as the simulated disk sees them
 *
 * Linked with -Wl,--wrap=NAME for each: our objects and liblmdb.a call
 * __wrap_NAME.  Files outside a disk's directory are passed through.
 */
#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <sys/uio.h>
#include <unistd.h>

#include "disk.h"
#include "real.h"

#define FDS_MAX	1024

struct fdent {
	struct disk *d;
	int file;		/* -1: a directory */
	bool dsync;
	uint64_t pos;		/* for write(2) */
	char path[DISK_PATH_MAX];
};

static struct fdent fdtab[FDS_MAX];
struct disk_fault disk_fault = { .left = -1 };
bool disk_lies;

bool wrap_fails(unsigned kind, const char *where);

bool
wrap_fails(unsigned kind, const char *where)
{
	if (disk_fault.left < 0 || !(disk_fault.kinds & kind))
		return false;
	if (disk_fault.left > 0) {
		disk_fault.left--;
		return false;
	}
	if (!disk_fault.forever)
		disk_fault.left = -1;
	if (disk_fault.fired++ == 0)
		disk_fault.where = where;
	errno = disk_fault.error;
	return true;
}

static struct fdent *
ent(int fd)
{
	return fd >= 0 && fd < FDS_MAX && fdtab[fd].d ? &fdtab[fd] : NULL;
}

static struct fdent *
file_ent(int fd)
{
	struct fdent *e = ent(fd);

	return e && e->file >= 0 ? e : NULL;
}

/* What LMDB's lock file holds means nothing across a crash. */
static bool
unmanaged(const char *rel)
{
	size_t n = strlen(rel);

	return n >= 5 && strcmp(rel + n - 5, "-lock") == 0;
}

static void
opened(int fd, int flags)
{
	char link[40], abs[PATH_MAX];
	const char *rel;
	struct disk *d;
	struct stat st;
	ssize_t n;
	int f;

	snprintf(link, sizeof(link), "/proc/self/fd/%d", fd);
	n = readlink(link, abs, sizeof(abs) - 1);
	if (n < 0)
		return;
	abs[n] = 0;
	if (!(d = disk_of_path(abs, &rel)) || unmanaged(rel) ||
	    strstr(rel, "(deleted)"))
		return;
	if (fd >= FDS_MAX || strlen(rel) >= DISK_PATH_MAX)
		abort();
	fstat(fd, &st);
	memset(&fdtab[fd], 0, sizeof(fdtab[fd]));
	fdtab[fd].d = d;
	fdtab[fd].dsync = (flags & O_DSYNC) != 0;
	strcpy(fdtab[fd].path, rel);
	if (S_ISDIR(st.st_mode)) {
		fdtab[fd].file = -1;
		return;
	}
	if (flags & __O_TMPFILE & ~O_DIRECTORY) {
		fdtab[fd].d = NULL;	/* no user of the store does that */
		return;
	}
	if ((f = disk_file_named(d, rel)) < 0)
		f = disk_file_add(d, rel);
	else if (flags & O_TRUNC)
		disk_note_size(d, f, 0);
	fdtab[fd].file = f;
}

int
wrap_adopt_dir(struct disk *d, int fd)
{
	if (fd < 0 || fd >= FDS_MAX)
		abort();
	memset(&fdtab[fd], 0, sizeof(fdtab[fd]));
	fdtab[fd].d = d;
	fdtab[fd].file = -1;
	return fd;
}

#define OPEN_MODE(mode, last) do {		\
	va_list ap_;				\
	va_start(ap_, last);			\
	mode = (last) & (O_CREAT | (__O_TMPFILE & ~O_DIRECTORY)) ?	\
	    va_arg(ap_, mode_t) : 0;		\
	va_end(ap_);				\
} while (0)

int
__wrap_open(const char *path, int flags, ...)
{
	mode_t mode;
	int fd;

	OPEN_MODE(mode, flags);
	if (disk_of_path(path, NULL) && wrap_fails(FAULT_OPEN, "open"))
		return -1;
	fd = __real_open(path, flags, mode);
	if (fd >= 0)
		opened(fd, flags);
	return fd;
}

int
__wrap_openat(int dfd, const char *path, int flags, ...)
{
	mode_t mode;
	int fd;

	OPEN_MODE(mode, flags);
	if (ent(dfd) && wrap_fails(FAULT_OPEN, "openat"))
		return -1;
	fd = __real_openat(dfd, path, flags, mode);
	if (fd >= 0)
		opened(fd, flags);
	return fd;
}

int
__wrap_close(int fd)
{
	if (ent(fd)) {
		disk_look(fdtab[fd].d);
		fdtab[fd].d = NULL;
	}
	return __real_close(fd);
}

static void
copy_ent(int from, int to)
{
	if (to >= 0 && ent(from))
		fdtab[to] = fdtab[from];
}

int
__wrap_dup(int fd)
{
	int r = __real_dup(fd);

	copy_ent(fd, r);
	return r;
}

int
__wrap_fcntl(int fd, int cmd, ...)
{
	va_list ap;
	void *arg;
	int r;

	va_start(ap, cmd);
	arg = va_arg(ap, void *);
	va_end(ap);
	r = __real_fcntl(fd, cmd, arg);
	if (cmd == F_DUPFD || cmd == F_DUPFD_CLOEXEC)
		copy_ent(fd, r);
	return r;
}

/* --- writing -------------------------------------------------------- */

static void
wrote(struct fdent *e, uint64_t off, ssize_t n)
{
	struct disk *d = e->d;
	int from = d->npend;

	if (n <= 0)
		return;
	if (e->dsync && !d->scratch && !d->dead && d->hook)
		d->hook(d->hook_arg, d, false);
	from = d->npend;
	disk_note_write(d, e->file, off, (uint64_t)n);
	if (e->dsync && !d->scratch && !d->dead) {
		if (d->hook)
			d->hook(d->hook_arg, d, false);
		disk_note_range_sync(d, e->file, from);
		if (d->hook)
			d->hook(d->hook_arg, d, true);
	}
}

ssize_t
__wrap_pwrite(int fd, const void *p, size_t n, off_t off)
{
	struct fdent *e = file_ent(fd);
	ssize_t r;

	if (!e)
		return __real_pwrite(fd, p, n, off);
	disk_look(e->d);
	if (wrap_fails(FAULT_WRITE, "pwrite"))
		return -1;
	r = __real_pwrite(fd, p, n, off);
	wrote(e, (uint64_t)off, r);
	return r;
}

ssize_t
__wrap_pwritev(int fd, const struct iovec *iov, int cnt, off_t off)
{
	struct fdent *e = file_ent(fd);
	ssize_t r;

	if (!e)
		return __real_pwritev(fd, iov, cnt, off);
	disk_look(e->d);
	if (wrap_fails(FAULT_WRITE, "pwritev"))
		return -1;
	r = __real_pwritev(fd, iov, cnt, off);
	wrote(e, (uint64_t)off, r);
	return r;
}

ssize_t
__wrap_write(int fd, const void *p, size_t n)
{
	struct fdent *e = file_ent(fd);
	off_t off;
	ssize_t r;

	if (!e)
		return __real_write(fd, p, n);
	disk_look(e->d);
	if (wrap_fails(FAULT_WRITE, "write"))
		return -1;
	r = __real_write(fd, p, n);
	off = lseek(fd, 0, SEEK_CUR);
	if (r > 0)
		wrote(e, (uint64_t)(off - r), r);
	return r;
}

ssize_t
__wrap_writev(int fd, const struct iovec *iov, int cnt)
{
	struct fdent *e = file_ent(fd);
	off_t off;
	ssize_t r;

	if (!e)
		return __real_writev(fd, iov, cnt);
	disk_look(e->d);
	if (wrap_fails(FAULT_WRITE, "writev"))
		return -1;
	r = __real_writev(fd, iov, cnt);
	off = lseek(fd, 0, SEEK_CUR);
	if (r > 0)
		wrote(e, (uint64_t)(off - r), r);
	return r;
}

int
__wrap_ftruncate(int fd, off_t n)
{
	struct fdent *e = file_ent(fd);
	int r;

	if (!e)
		return __real_ftruncate(fd, n);
	disk_look(e->d);
	if (wrap_fails(FAULT_WRITE, "ftruncate"))
		return -1;
	r = __real_ftruncate(fd, n);
	if (r == 0)
		disk_note_size(e->d, e->file, (uint64_t)n);
	return r;
}

/* A reservation changes nothing that can be read; a tmpfs would zero
 * megabytes for it. */
int
__wrap_fallocate(int fd, int mode, off_t off, off_t n)
{
	struct fdent *e = file_ent(fd);
	struct dfile *f;
	uint64_t end;
	int r;

	if (!e)
		return __real_fallocate(fd, mode, off, n);
	disk_look(e->d);
	if (wrap_fails(FAULT_SPACE, "fallocate"))
		return -1;
	end = (uint64_t)(off + n);
	if (mode == FALLOC_FL_KEEP_SIZE) {
		if (e->d->room == 0 || end <= e->d->room ||
		    strcmp(e->path, "data") != 0)
			return 0;
		errno = ENOSPC;
		return -1;
	}
	f = &e->d->file[e->file];
	if (mode & (FALLOC_FL_PUNCH_HOLE | FALLOC_FL_ZERO_RANGE)) {
		r = __real_fallocate(fd, FALLOC_FL_PUNCH_HOLE |
		    FALLOC_FL_KEEP_SIZE, off, n);
		if (end > f->csize)
			end = f->csize;
		if (r == 0 && end > (uint64_t)off)
			disk_note_write(e->d, e->file, (uint64_t)off,
			    end - (uint64_t)off);
		return r;
	}
	if (end > f->csize) {
		r = __real_ftruncate(fd, (off_t)end);
		if (r == 0)
			disk_note_size(e->d, e->file, end);
		return r;
	}
	return 0;
}

int
__wrap_posix_fallocate(int fd, off_t off, off_t n)
{
	if (!file_ent(fd))
		return __real_posix_fallocate(fd, off, n);
	return __wrap_fallocate(fd, 0, off, n) == 0 ? 0 : errno;
}

/* --- syncing -------------------------------------------------------- */

static int
synced(struct fdent *e, const char *where)
{
	struct disk *d = e->d;

	disk_look(d);
	if (wrap_fails(FAULT_SYNC, where))
		return -1;
	d->syncs++;
	if (d->scratch || d->dead || disk_lies)
		return 0;
	if (d->hook)
		d->hook(d->hook_arg, d, false);
	disk_note_sync(d, e->file, e->path);
	if (d->hook)
		d->hook(d->hook_arg, d, true);
	return 0;
}

int
__wrap_fsync(int fd)
{
	struct fdent *e = ent(fd);

	return e ? synced(e, "fsync") : __real_fsync(fd);
}

int
__wrap_fdatasync(int fd)
{
	struct fdent *e = ent(fd);

	return e ? synced(e, "fdatasync") : __real_fdatasync(fd);
}

int
__wrap_sync_file_range(int fd, off_t off, off_t n, unsigned flags)
{
	return ent(fd) ? 0 : __real_sync_file_range(fd, off, n, flags);
}

int
__wrap_msync(void *p, size_t n, int flags)
{
	int fd;

	for (fd = 0; fd < FDS_MAX; fd++) {
		struct fdent *e = file_ent(fd);
		struct dfile *f = e ? &e->d->file[e->file] : NULL;

		if (f && f->map && (uint8_t *)p >= f->map &&
		    (uint8_t *)p < f->map + f->map_len)
			return flags & MS_SYNC ? synced(e, "msync") : 0;
	}
	return __real_msync(p, n, flags);
}

/* --- names ---------------------------------------------------------- */

static struct disk *
name_at(int dfd, const char *path, char rel[DISK_PATH_MAX])
{
	struct fdent *e;
	struct disk *d;
	const char *r;

	if (path[0] == '/') {
		if (!(d = disk_of_path(path, &r)))
			return NULL;
		snprintf(rel, DISK_PATH_MAX, "%s", r);
	} else {
		if (!(e = ent(dfd)))
			return NULL;
		d = e->d;
		snprintf(rel, DISK_PATH_MAX, "%.30s%s%.30s", e->path,
		    e->path[0] ? "/" : "", path);
	}
	return unmanaged(rel) ? NULL : d;
}

int
__wrap_unlinkat(int dfd, const char *path, int flags)
{
	char rel[DISK_PATH_MAX];
	struct disk *d = name_at(dfd, path, rel);
	int r;

	if (d && wrap_fails(FAULT_WRITE, "unlinkat"))
		return -1;
	r = __real_unlinkat(dfd, path, flags);
	if (d && r == 0)
		disk_note_name(d, PEND_UNLINK, rel, NULL);
	return r;
}

int
__wrap_unlink(const char *path)
{
	return __wrap_unlinkat(AT_FDCWD, path, 0);
}

int
__wrap_renameat(int dfd, const char *a, int dfd2, const char *b)
{
	char rel[DISK_PATH_MAX], rel2[DISK_PATH_MAX];
	struct disk *d = name_at(dfd, a, rel);
	int r;

	if (d && wrap_fails(FAULT_WRITE, "renameat"))
		return -1;
	r = __real_renameat(dfd, a, dfd2, b);
	if (d && r == 0 && name_at(dfd2, b, rel2))
		disk_note_name(d, PEND_RENAME, rel, rel2);
	return r;
}

int
__wrap_rename(const char *a, const char *b)
{
	return __wrap_renameat(AT_FDCWD, a, AT_FDCWD, b);
}

int
__wrap_mkdirat(int dfd, const char *path, mode_t mode)
{
	char rel[DISK_PATH_MAX];
	struct disk *d = name_at(dfd, path, rel);
	int r;

	if (d && wrap_fails(FAULT_WRITE, "mkdirat"))
		return -1;
	r = __real_mkdirat(dfd, path, mode);
	if (d && r == 0)
		disk_note_name(d, PEND_MKDIR, rel, NULL);
	return r;
}

int
__wrap_mkdir(const char *path, mode_t mode)
{
	return __wrap_mkdirat(AT_FDCWD, path, mode);
}

/* --- mappings ------------------------------------------------------- */

void *
__wrap_mmap(void *at, size_t n, int prot, int flags, int fd, off_t off)
{
	void *p = __real_mmap(at, n, prot, flags, fd, off);
	struct fdent *e = file_ent(fd);

	if (p != MAP_FAILED && e && (prot & PROT_WRITE) &&
	    (flags & MAP_TYPE) != MAP_PRIVATE) {
		struct dfile *f = &e->d->file[e->file];

		f->map = p;
		f->map_off = (uint64_t)off;
		f->map_len = n;
	}
	return p;
}

void disk_unmapped(void *p);

int
__wrap_munmap(void *p, size_t n)
{
	disk_unmapped(p);
	return __real_munmap(p, n);
}

/* --- reading -------------------------------------------------------- */

ssize_t
__wrap_pread(int fd, void *p, size_t n, off_t off)
{
	if (file_ent(fd) && wrap_fails(FAULT_READ, "pread"))
		return -1;
	return __real_pread(fd, p, n, off);
}
