/*
 * mem/data.c - file bytes in memory: the reference for data.h
 *
 * A large private mapping; the kernel gives it pages as they are
 * touched, so it is as sparse as a file.
 */
#include <assert.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

#include "mem.h"

#define SPACE_MAX	(16ull << 30)

struct space {
	unsigned char *p;		/* SPACE_MAX bytes */
};

struct mem_data {
	struct space *s;
	bool rdonly;
};

static void
space_free(void *p)
{
	struct space *s = p;

	munmap(s->p, SPACE_MAX);
	free(s);
}

static int
space_new(int dirfd, struct space **out)
{
	struct space *s;
	void *p;

	if (!(s = calloc(1, sizeof *s)))
		return -VFS_NOMEM;
	p = mmap(NULL, SPACE_MAX, PROT_READ | PROT_WRITE,
	    MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);
	if (p == MAP_FAILED) {
		free(s);
		return -VFS_NOMEM;
	}
	s->p = p;
	if (mem_add(dirfd, MEM_DATA, s, space_free) < 0) {
		space_free(s);
		return -VFS_NOMEM;
	}
	*out = s;
	return 0;
}

static void
mem_close(void *self)
{
	free(self);
}

static int
mem_open(int dirfd, bool create, bool rdonly, void **self)
{
	struct mem_data *d;
	struct space *s = NULL;
	void *p;
	int err;

	assert(!(create && rdonly));
	err = mem_find(dirfd, MEM_DATA, &p);
	if (err == 0)
		s = p;
	else if (create)
		err = space_new(dirfd, &s);
	if (err < 0)
		return err;
	if (!(d = calloc(1, sizeof *d)))
		return -VFS_NOMEM;
	d->s = s;
	d->rdonly = rdonly;
	*self = d;
	return 0;
}

static bool
inside(uint64_t off, uint64_t n)
{
	return off <= SPACE_MAX && n <= SPACE_MAX - off;
}

static int
mem_read(void *self, uint64_t off, void *p, size_t n)
{
	struct mem_data *d = self;
	size_t have = 0;

	if (n == 0)
		return 0;
	if (off < SPACE_MAX)
		have = SPACE_MAX - off < n ? SPACE_MAX - off : n;
	if (have > 0)
		memcpy(p, d->s->p + off, have);
	memset((char *)p + have, 0, n - have);
	return 0;
}

static int
mem_write(void *self, uint64_t off, const void *p, size_t n)
{
	struct mem_data *d = self;

	if (d->rdonly)
		return -VFS_ROFS;
	if (!inside(off, n))
		return -VFS_NOSPC;
	memcpy(d->s->p + off, p, n);
	return 0;
}

static void
mem_writeback(void *self, uint64_t off, uint64_t n)
{
	(void)self, (void)off, (void)n;
}

static int
mem_sync(void *self)
{
	(void)self;
	return 0;
}

static int
mem_reserve(void *self, uint64_t off, uint64_t n)
{
	struct mem_data *d = self;

	if (d->rdonly)
		return -VFS_ROFS;
	return inside(off, n) ? 0 : -VFS_NOSPC;
}

/* Whole pages go back to the system, what is left is overwritten. */
static int
mem_discard(void *self, uint64_t off, uint64_t n)
{
	struct mem_data *d = self;
	uint64_t page = (uint64_t)sysconf(_SC_PAGESIZE);
	uint64_t end, a, b;

	if (d->rdonly)
		return -VFS_ROFS;
	if (off >= SPACE_MAX)
		return 0;
	end = SPACE_MAX - off < n ? SPACE_MAX : off + n;
	a = (off + page - 1) / page * page;
	b = end / page * page;
	if (a >= b) {
		memset(d->s->p + off, 0, end - off);
		return 0;
	}
	memset(d->s->p + off, 0, a - off);
	memset(d->s->p + b, 0, end - b);
	return madvise(d->s->p + a, b - a, MADV_DONTNEED) < 0 ? -VFS_IO : 0;
}

static int
mem_room(void *self, uint64_t *room, uint64_t *total)
{
	(void)self;
	*room = *total = SPACE_MAX;
	return 0;
}

const struct data_ops be_data_mem = {
	.name = "mem",
	.open = mem_open,
	.close = mem_close,
	.read = mem_read,
	.write = mem_write,
	.writeback = mem_writeback,
	.sync = mem_sync,
	.reserve = mem_reserve,
	.discard = mem_discard,
	.room = mem_room,
};
