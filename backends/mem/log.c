/*
 * mem/log.c - a ring of bytes in memory: the reference for log.h
 */
#include <assert.h>
#include <stdlib.h>
#include <string.h>

#include "mem.h"

/* The contents; a handle is one of these with a note on how it opened. */
struct ring {
	unsigned char *p;
	uint64_t size;
	bool put;			/* head is valid */
	size_t nhead;
	unsigned char head[LOG_HEAD_MAX];
};

struct mem_log {
	struct ring *r;
	bool rdonly;
};

static void
ring_free(void *p)
{
	struct ring *r = p;

	if (!r)
		return;
	free(r->p);
	free(r);
}

static int
ring_new(int dirfd, uint64_t size, struct ring **out)
{
	struct ring *r;

	if (size < LOG_SIZE_MIN || size % 4096 != 0)
		return -VFS_INVAL;
	if (!(r = calloc(1, sizeof *r)))
		return -VFS_NOMEM;
	r->size = size;
	if (!(r->p = calloc(1, size)) ||
	    mem_add(dirfd, MEM_LOG, r, ring_free) < 0) {
		ring_free(r);
		return -VFS_NOMEM;
	}
	*out = r;
	return 0;
}

static void
mem_close(void *self)
{
	free(self);
}

static int
mem_open(int dirfd, bool create, bool rdonly, uint64_t size, void **self)
{
	struct mem_log *l;
	struct ring *r = NULL;
	void *p;
	int err;

	assert(!(create && rdonly));
	err = mem_find(dirfd, MEM_LOG, &p);
	if (err == 0)
		r = p;
	else if (create)
		err = ring_new(dirfd, size, &r);
	if (err < 0)
		return err;
	if (!(l = calloc(1, sizeof *l)))
		return -VFS_NOMEM;
	l->r = r;
	l->rdonly = rdonly;
	*self = l;
	return 0;
}

static uint64_t
mem_size(void *self)
{
	return ((struct mem_log *)self)->r->size;
}

static int
mem_append(void *self, uint64_t pos, const void *p, size_t n)
{
	struct mem_log *l = self;
	uint64_t at = pos % l->r->size;
	size_t head = l->r->size - at < n ? l->r->size - at : n;

	if (l->rdonly)
		return -VFS_ROFS;
	if (n > l->r->size / 4)
		return -VFS_INVAL;
	memcpy(l->r->p + at, p, head);
	memcpy(l->r->p, (const char *)p + head, n - head);
	return 0;
}

static int
mem_sync(void *self)
{
	(void)self;
	return 0;
}

static int
mem_read(void *self, uint64_t pos, void *p, size_t n)
{
	struct mem_log *l = self;
	uint64_t at = pos % l->r->size;
	size_t head = l->r->size - at < n ? l->r->size - at : n;

	if (n > l->r->size)
		return -VFS_INVAL;
	memcpy(p, l->r->p + at, head);
	memcpy((char *)p + head, l->r->p, n - head);
	return 0;
}

static int
mem_head_put(void *self, const void *p, size_t n)
{
	struct mem_log *l = self;

	if (l->rdonly)
		return -VFS_ROFS;
	if (n > LOG_HEAD_MAX)
		return -VFS_INVAL;
	memcpy(l->r->head, p, n);
	l->r->nhead = n;
	l->r->put = true;
	return 0;
}

static int
mem_head_get(void *self, void *p, size_t cap, size_t *n)
{
	struct ring *r = ((struct mem_log *)self)->r;

	if (!r->put)
		return -VFS_NOENT;
	if (r->nhead > cap)
		return -VFS_RANGE;
	memcpy(p, r->head, r->nhead);
	*n = r->nhead;
	return 0;
}

const struct log_ops be_log_mem = {
	.name = "mem",
	.open = mem_open,
	.close = mem_close,
	.size = mem_size,
	.append = mem_append,
	.sync = mem_sync,
	.read = mem_read,
	.head_put = mem_head_put,
	.head_get = mem_head_get,
};
