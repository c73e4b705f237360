#include <assert.h>
#include <sys/mman.h>

#include "../../protocol/err.h"
#include "arena.h"

#define CHUNK	((size_t)1 << 20)	/* the first ones */
#define CHUNK_MAX	((size_t)4 << 20)	/* unless more is asked for */
#define HUGE	((size_t)2 << 20)

struct arena_chunk {
	struct arena_chunk *next;
	size_t size;			/* with this header */
};

static void *
map(size_t size)
{
	void *p = mmap(NULL, size, PROT_READ | PROT_WRITE,
	    MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);

	return p == MAP_FAILED ? NULL : p;
}

/* Where many pages will be used, of those that come at a fault each the
 * kernel is asked for large ones. */
static void *
map_large(size_t size)
{
	uint8_t *p = map(size + HUGE), *at;
	size_t skip;

	if (p == NULL)
		return NULL;
	skip = (size_t)(-(uintptr_t)p & (HUGE - 1));
	at = p + skip;
	if (skip > 0)
		munmap(p, skip);
	if (HUGE - skip > 0)
		munmap(at + size, HUGE - skip);
	(void)madvise(at, size, MADV_HUGEPAGE);
	return at;
}

/* Of twice the last one's size, to a limit. */
static int
chunk_add(struct arena *a, size_t n)
{
	size_t size = (n + sizeof(struct arena_chunk) + CHUNK - 1) &
	    ~(CHUNK - 1);
	size_t grow = a->chunks != NULL ? 2 * a->chunks->size : 0;
	struct arena_chunk *c;

	if (grow > CHUNK_MAX)
		grow = CHUNK_MAX;
	if (size < grow)
		size = grow;
	c = size < HUGE ? map(size) : map_large(size);

	if (c == NULL)
		return -VFS_NOMEM;
	c->size = size;
	c->next = a->chunks;
	if (a->chunks == NULL)
		a->first = c;
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
	*a = (struct arena){ 0 };
	return chunk_add(a, CHUNK / 2);
}

void
arena_free(struct arena *a)
{
	chunks_free(a->chunks, NULL);
}

void
arena_reset(struct arena *a)
{
	if (a->first == NULL)
		return;
	chunks_free(a->chunks, a->first);
	a->chunks = a->first;
	a->first->next = NULL;
	a->end = (uint8_t *)a->first + a->first->size;
	a->at = (uint8_t *)(a->first + 1);
}

void
arena_give(struct arena *to, struct arena *from)
{
	struct arena_chunk **end = &from->chunks;

	while (*end != NULL)
		end = &(*end)->next;
	*end = to->chunks;
	to->chunks = from->chunks;
	if (from->end - from->at > to->end - to->at) {
		to->at = from->at;
		to->end = from->end;
	}
	*from = (struct arena){ 0 };
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
