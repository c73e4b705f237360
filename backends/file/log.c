/*
 * file/log.c - the redo log's ring in one preallocated file
 *
 *	0	slot 0 of the header, 512 bytes
 *	4096	slot 1
 *	65536	the ring, mapped shared
 *
 * Every byte was written and synced when the file was made, so no append
 * can want for space, and fdatasync has no metadata to write.  An append
 * is a copy into the mapping, or a write if it is a large one: the page
 * cache has it when this process dies.  log_append is the only function
 * that writes to the ring, so a crash test can put its own in its place.
 *
 * A header slot: u64 XXH3 of what follows, u64 generation, u64 size of
 * the ring, u32 magic, u32 length, bytes; little-endian.  The newest slot
 * that checks is the header; put overwrites the other one.  Generation 0
 * is written at creation and means "never put".
 */
#include <assert.h>
#include <errno.h>
#include <fcntl.h>
#include <linux/magic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <sys/vfs.h>
#include <unistd.h>

#include <xxhash.h>

#include "../dir.h"
#include "../escape.h"
#include "fd.h"

#define FILE_NAME	"log"
#define FILE_NEW	"log.new"	/* a creation under way */
#define KEPT		"log.damaged"
#define SLOT_SIZE	512u
#define SLOT_STEP	4096u
#define SLOT_DATA	32u
#define SLOT_MAGIC	0x676c6676u	/* "vflg" */
#define RING_AT		65536u		/* page-aligned on every machine */
#define CREATE_CHUNK	4096u		/* see cache_small */
#define LARGE		(128u << 10)	/* an append of many pages */
#define CUT_MAX		(4u << 20)	/* less than that was a longer ring */

_Static_assert(SLOT_DATA + LOG_HEAD_MAX == SLOT_SIZE, "a slot is full");

struct slot {
	uint64_t gen, size;
	uint32_t n;
	unsigned char data[LOG_HEAD_MAX];
};

struct log_file {
	int fd;
	bool rdonly;
	unsigned char *ring;
	uint64_t size;
	bool writes;		/* no append by a store into the mapping */
	struct fd_latch latch;
	unsigned newest;	/* slot of the header; head_put's thread */
	uint64_t gen;
};

/* --- bytes --------------------------------------------------------- */

static void
le_put(unsigned char *p, uint64_t v, unsigned n)
{
	while (n-- > 0) {
		*p++ = (unsigned char)v;
		v >>= 8;
	}
}

static uint64_t
le_get(const unsigned char *p, unsigned n)
{
	uint64_t v = 0;

	while (n-- > 0)
		v = v << 8 | p[n];
	return v;
}

/* The file's end is damage here: it was written whole. */
static int
read_all(int fd, uint64_t off, void *p, size_t n)
{
	size_t got;
	int err = fd_read(fd, off, p, n, &got);

	return err == 0 && got < n ? -VFS_CORRUPT : err;
}

/* --- header slots -------------------------------------------------- */

static int
slot_write(int fd, unsigned at, const struct slot *s)
{
	unsigned char b[SLOT_SIZE] = { 0 };

	le_put(b + 8, s->gen, 8);
	le_put(b + 16, s->size, 8);
	le_put(b + 24, SLOT_MAGIC, 4);
	le_put(b + 28, s->n, 4);
	memcpy(b + SLOT_DATA, s->data, s->n);
	le_put(b, XXH3_64bits(b + 8, sizeof b - 8), 8);
	return fd_write(fd, at * SLOT_STEP, b, sizeof b);
}

static int
slot_read(int fd, unsigned at, struct slot *s)
{
	unsigned char b[SLOT_SIZE];
	int err;

	if ((err = read_all(fd, at * SLOT_STEP, b, sizeof b)) < 0)
		return err;
	s->gen = le_get(b + 8, 8);
	s->size = le_get(b + 16, 8);
	s->n = (uint32_t)le_get(b + 28, 4);
	if (le_get(b, 8) != XXH3_64bits(b + 8, sizeof b - 8) ||
	    le_get(b + 24, 4) != SLOT_MAGIC || s->n > LOG_HEAD_MAX)
		return -VFS_CORRUPT;
	memcpy(s->data, b + SLOT_DATA, s->n);
	return 0;
}

/* The newest slot that checks. */
static int
slot_newest(int fd, struct slot *out, unsigned *at)
{
	struct slot s[2];
	int err[2];
	unsigned i;

	for (i = 0; i < 2; i++) {
		err[i] = slot_read(fd, i, &s[i]);
		if (err[i] < 0 && err[i] != -VFS_CORRUPT)
			return err[i];
	}
	if (err[0] < 0 && err[1] < 0)
		return -VFS_CORRUPT;
	i = err[0] < 0 || (err[1] == 0 && s[1].gen > s[0].gen);
	*out = s[i];
	*at = i;
	return 0;
}

/* --- opening and creating ------------------------------------------ */

static int
fill(int fd, const struct slot *s)
{
	static const unsigned char zero[CREATE_CHUNK];
	uint64_t off, end = RING_AT + s->size;
	int err = 0;

	/* One long extent where the host can give it; else as it comes. */
	(void)fallocate(fd, 0, 0, (off_t)end);
	for (off = 0; err == 0 && off < end; off += CREATE_CHUNK)
		err = fd_write(fd, off, zero, CREATE_CHUNK);
	if (err == 0)
		err = slot_write(fd, 0, s);
	if (err == 0)
		err = slot_write(fd, 1, s);
	if (err == 0 && fsync(fd) < 0)
		err = vfs_err_from_os(errno);
	return err;
}

/* Under another name until it is whole. */
static int
file_create(int dirfd, uint64_t size)
{
	struct slot s = { .size = size };
	int fd, err;

	if (size < LOG_SIZE_MIN || size % 4096 != 0 || size > INT64_MAX / 2)
		return -VFS_INVAL;
	fd = be_dir_open(dirfd, FILE_NEW, O_RDWR | O_CREAT | O_TRUNC);
	if (fd < 0)
		return fd;
	err = fill(fd, &s);
	if (err == 0 && renameat(dirfd, FILE_NEW, dirfd, FILE_NAME) < 0)
		err = vfs_err_from_os(errno);
	if (err == 0)
		err = be_dir_sync(dirfd);
	if (err < 0) {
		(void)unlinkat(dirfd, FILE_NEW, 0);
		(void)unlinkat(dirfd, FILE_NAME, 0);
		close(fd);
		return err;
	}
	return fd;
}

/*
 * There a store into the mapping wants room, though the file is not written
 * to new places (vfsd/storedir.c), and hangs or fails where there is none; a
 * write does not.
 */
static bool
on_btrfs(int fd)
{
	struct statfs fs;

	return fstatfs(fd, &fs) == 0 && fs.f_type == BTRFS_SUPER_MAGIC;
}

/*
 * A store into the mapping dirties the whole folio of the page cache, and
 * a sync writes it.  Linux makes them as large as the write or the
 * readahead that brought them in: 1 MiB folios double the time of an
 * append and sync.  So the ring is written and read in single pages, and
 * all of it now, lest an append wait for the disk.
 */
static void
cache_small(const struct log_file *l)
{
	(void)posix_fadvise(l->fd, 0, 0, POSIX_FADV_RANDOM);
	(void)madvise(l->ring, l->size, MADV_RANDOM);
	(void)posix_fadvise(l->fd, RING_AT, (off_t)l->size,
	    POSIX_FADV_WILLNEED);
}

static int
map(struct log_file *l)
{
	struct slot s;
	struct stat st;
	uint64_t size;
	void *p;
	int err;

	if (fstat(l->fd, &st) < 0)
		return vfs_err_from_os(errno);
	size = (uint64_t)st.st_size - RING_AT;
	if (st.st_size < RING_AT + LOG_SIZE_MIN || size % 4096 != 0)
		return -VFS_CORRUPT;
	err = slot_newest(l->fd, &s, &l->newest);
	if (err < 0 && err != -VFS_CORRUPT)
		return err;
	if (err == 0 && s.size != size)
		return -VFS_CORRUPT;
	l->gen = err == 0 ? s.gen : 0;
	p = mmap(NULL, size, PROT_READ | (l->rdonly ? 0 : PROT_WRITE),
	    MAP_SHARED, l->fd, RING_AT);
	if (p == MAP_FAILED)
		return vfs_err_from_os(errno);
	l->ring = p;
	l->size = size;
	escape_begin();
	if (l->rdonly)
		return 0;
	l->writes = on_btrfs(l->fd);
	/* A store into the mapping that wants room is an I/O error. */
	if (be_own_blocks(l->fd, (off_t)(RING_AT + l->size)) == -VFS_NOSPC)
		return -VFS_NOSPC;
	cache_small(l);
	return 0;
}

static void
log_close(void *self)
{
	struct log_file *l = self;

	if (!l)
		return;
	if (l->ring)
		munmap(l->ring, l->size);
	close(l->fd);
	pthread_mutex_destroy(&l->latch.lock);
	free(l);
}

static int
log_open(int dirfd, bool create, bool rdonly, uint64_t size, void **self)
{
	struct log_file *l;
	int fd, err;

	assert(!(create && rdonly));
	fd = fd_open(dirfd, FILE_NAME, create, rdonly, file_create, size);
	if (fd < 0)
		return fd;
	if (!(l = calloc(1, sizeof *l))) {
		close(fd);
		return -VFS_NOMEM;
	}
	pthread_mutex_init(&l->latch.lock, NULL);
	l->fd = fd;
	l->rdonly = rdonly;
	if ((err = map(l)) < 0) {
		log_close(l);
		return err;
	}
	*self = l;
	return 0;
}

static uint64_t
log_size(void *self)
{
	return ((struct log_file *)self)->size;
}

/* --- the ring ------------------------------------------------------ */

/*
 * The first store into each page since the last sync is a fault, and the
 * sync has to protect it again: of many pages that is most of an append.
 * The disk begins at once, so that it has little to do when a sync comes;
 * not with the last page, which the next append goes on with.
 */
static int
put_large(struct log_file *l, uint64_t at, const void *p, size_t n)
{
	uint64_t from = RING_AT + at, end = (from + n) & ~(uint64_t)4095;
	int err = fd_write(l->fd, from, p, n);

	if (err == 0)
		(void)sync_file_range(l->fd, (off_t)from, (off_t)(end - from),
		    SYNC_FILE_RANGE_WRITE);
	return err;
}

struct copy {
	void *to;
	const void *from;
	size_t n;
};

static int
copy(void *arg)
{
	struct copy *c = arg;

	memcpy(c->to, c->from, c->n);
	return 0;
}

/* A page that has left the page cache is read again to be stored into. */
static int
put(struct log_file *l, uint64_t at, const void *p, size_t n)
{
	struct copy c = { l->ring + at, p, n };

	if (n >= LARGE)
		return put_large(l, at, p, n);
	if (l->writes)
		return fd_write(l->fd, RING_AT + at, p, n);
	return escape_run(copy, &c, -VFS_IO);
}

static int
log_append(void *self, uint64_t pos, const void *p, size_t n)
{
	struct log_file *l = self;
	uint64_t at = pos % l->size;
	size_t head = l->size - at < n ? l->size - at : n;
	int err;

	if (l->rdonly)
		return -VFS_ROFS;
	if (n > l->size / 4)
		return -VFS_INVAL;
	err = put(l, at, p, head);
	return err < 0 ? err : put(l, 0, (const char *)p + head, n - head);
}

/* By pread, not from the mapping: a bad sector is an error, no SIGBUS. */
static int
log_read(void *self, uint64_t pos, void *p, size_t n)
{
	struct log_file *l = self;
	uint64_t at = pos % l->size;
	size_t head = l->size - at < n ? l->size - at : n;
	int err;

	if (n > l->size)
		return -VFS_INVAL;
	if ((err = read_all(l->fd, RING_AT + at, p, head)) < 0)
		return err;
	return read_all(l->fd, RING_AT, (char *)p + head, n - head);
}

static int
log_sync(void *self)
{
	struct log_file *l = self;

	return l->rdonly ? 0 : fd_sync(l->fd, &l->latch);
}

/* --- the header ---------------------------------------------------- */

/* The caller holds the latch. */
static int
head_write(struct log_file *l, struct slot *s)
{
	int err;

	s->gen = l->gen + 1;
	if ((err = l->latch.failed) < 0)
		return err;
	if ((err = slot_write(l->fd, !l->newest, s)) < 0)
		return l->latch.failed = err;
	if ((err = fd_sync_locked(l->fd, &l->latch)) < 0)
		return err;
	l->newest = !l->newest;
	l->gen = s->gen;
	return 0;
}

/*
 * The first goes into both slots: else the other one would go on saying
 * "never put", and be believed if this one were damaged.
 */
static int
log_head_put(void *self, const void *p, size_t n)
{
	struct log_file *l = self;
	struct slot s = { .size = l->size };
	int err;

	if (l->rdonly)
		return -VFS_ROFS;
	if (n > LOG_HEAD_MAX)
		return -VFS_INVAL;
	s.n = (uint32_t)n;
	memcpy(s.data, p, n);
	pthread_mutex_lock(&l->latch.lock);
	err = head_write(l, &s);
	if (err == 0 && s.gen == 1)
		err = head_write(l, &s);
	pthread_mutex_unlock(&l->latch.lock);
	return err;
}

static int
log_head_get(void *self, void *p, size_t cap, size_t *n)
{
	struct log_file *l = self;
	struct slot s;
	unsigned at;
	int err;

	if ((err = slot_newest(l->fd, &s, &at)) < 0)
		return err;
	if (s.gen == 0)
		return -VFS_NOENT;
	if (s.n > cap)
		return -VFS_RANGE;
	memcpy(p, s.data, s.n);
	*n = s.n;
	return 0;
}

/* --- made anew ----------------------------------------------------- */

/* By the header, or the file's own size, if either tells. */
static uint64_t
size_guess(int fd, uint64_t size)
{
	struct slot old;
	struct stat st;
	unsigned at;

	if (fd < 0)
		return size;
	if (slot_newest(fd, &old, &at) == 0)
		return old.size;
	if (fstat(fd, &st) < 0 || st.st_size < RING_AT + CUT_MAX)
		return size;
	return ((uint64_t)st.st_size - RING_AT + 4095) & ~(uint64_t)4095;
}

/* What the host cannot read stays zeroes: history ends there. */
static int
ring_copy(int from, int to, uint64_t size)
{
	unsigned char b[CREATE_CHUNK];
	uint64_t off = RING_AT;
	size_t n = 1;
	int err = 0, bad;

	for (; err == 0 && n > 0 && off < RING_AT + size; off += sizeof b) {
		bad = fd_read(from, off, b, sizeof b, &n);
		if (bad == 0)
			err = fd_write(to, off, b, n);
	}
	return err == 0 && fsync(to) < 0 ? vfs_err_from_os(errno) : err;
}

static int
put_in_place(int dirfd, const char *keep)
{
	int err = 0;

	if (keep != NULL && (err = be_dir_keep(dirfd, FILE_NAME, keep)) < 0)
		return err;
	if (renameat(dirfd, FILE_NEW, dirfd, FILE_NAME) == 0)
		return be_dir_sync(dirfd);
	err = vfs_err_from_os(errno);
	if (keep != NULL)
		(void)unlinkat(dirfd, keep, 0);
	return err;
}

static int
make_anew(int dirfd, int from, const struct slot *s, const char *keep)
{
	int fd, err;

	fd = be_dir_open(dirfd, FILE_NEW, O_RDWR | O_CREAT | O_TRUNC);
	if (fd < 0)
		return fd;
	err = fill(fd, s);
	if (err == 0 && from >= 0)
		err = ring_copy(from, fd, s->size);
	if (err == 0)
		err = put_in_place(dirfd, keep);
	if (err < 0)
		(void)unlinkat(dirfd, FILE_NEW, 0);
	close(fd);
	return err;
}

static int
log_anew(int dirfd, uint64_t size, const void *head, size_t n,
    const char **kept)
{
	struct slot s = { .gen = 1, .n = (uint32_t)n };
	int from, err;

	if (size < LOG_SIZE_MIN || size % 4096 != 0 || n > LOG_HEAD_MAX)
		return -VFS_INVAL;
	from = be_dir_open(dirfd, FILE_NAME, O_RDONLY);
	if (from < 0 && from != -VFS_NOENT && from != -VFS_CORRUPT)
		return from;
	memcpy(s.data, head, n);
	s.size = size_guess(from, size);
	*kept = from == -VFS_NOENT ? NULL : KEPT;
	err = make_anew(dirfd, from, &s, *kept);
	if (from >= 0)
		close(from);
	return err;
}

const struct log_ops be_log_file = {
	.name = "file",
	.open = log_open,
	.close = log_close,
	.size = log_size,
	.append = log_append,
	.sync = log_sync,
	.read = log_read,
	.head_put = log_head_put,
	.head_get = log_head_get,
	.anew = log_anew,
};
