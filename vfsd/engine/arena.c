#include <assert.h>
#include <sys/mman.h>

#include "../../protocol/err.h"
#include "arena.h"

#define CHUNK	((size_t)1 << 20)

struct arena_chunk {
	struct arena_chunk *next;
	size_t size;			/* with this header */
};

static int
chunk_add(struct arena *a, size_t n)
{
	size_t size = (n + sizeof(struct arena_chunk) + CHUNK - 1) &
	    ~(CHUNK - 1);
	struct arena_chunk *c = mmap(NULL, size, PROT_READ | PROT_WRITE,
	    MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);

	if (c == MAP_FAILED)
		return -VFS_NOMEM;
	c->size = size;
	c->next = a->chunks;
	a->chunks = c;
	a->at = (uint8_t *)(c + 1);
	a->end = (uint8_t *)c + size;
	return 0;
}

static void
chunks_free(struct arena_chunk *c, const struct arena_chunk *keep)
{
	struct arena_chunk *next;

	for (; c != NULL; c = next) {
		next = c->next;
		if (c != keep)
			munmap(c, c->size);
	}
}

int
arena_init(struct arena *a)
{
	int err;

	*a = (struct arena){ 0 };
	if ((err = chunk_add(a, CHUNK / 2)) < 0)
		return err;
	a->first = a->chunks;
	return 0;
}

void
arena_free(struct arena *a)
{
	chunks_free(a->chunks, NULL);
}

void
arena_reset(struct arena *a)
{
	chunks_free(a->chunks, a->first);
	a->chunks = a->first;
	a->first->next = NULL;
	a->end = (uint8_t *)a->first + a->first->size;
	a->at = (uint8_t *)(a->first + 1);
}

int
arena_reserve(struct arena *a, size_t bytes)
{
	return bytes <= (size_t)(a->end - a->at) ? 0 : chunk_add(a, bytes);
}

void *
arena_alloc(struct arena *a, size_t n)
{
	void *p;

	assert(n % 8 == 0);
	if (n > (size_t)(a->end - a->at) && chunk_add(a, n) < 0)
		return NULL;
	p = a->at;
	a->at += n;
	return p;
}
