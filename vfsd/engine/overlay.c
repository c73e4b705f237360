/*
 * overlay.c - skip list, versions, hash index; arena memory
 *
 * Memory comes from mmap in chunks, so that a dropped table goes back to
 * the system at once.
 */
#include <assert.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>

#define XXH_INLINE_ALL
#include <xxhash.h>

#include "overlay.h"

#define HASH_SIZE	(1u << OV_HASH_BITS)
#define FINGERS		64u		/* by kind, the key's first byte */
#define CLIMB_MAX	3u		/* levels, before we start at the top */

struct ov_chunk {
	struct ov_chunk *next;
	size_t size;			/* with this header */
};

/* Where the last insertion of a kind went: its node, and at each level
 * the last node before the next insertion. */
struct finger {
	struct ov_key *last;
	struct ov_key *prev[OV_LEVELS];
};

struct overlay {
	_Atomic unsigned refs;
	struct ov_key *head;		/* a tower without key */
	_Atomic(struct ov_key *) *hash;	/* NULL: no index */

	/* The writer's. */
	struct ov_chunk *chunks, *first;
	uint8_t *at, *end;
	uint64_t random;
	unsigned used[FINGERS], nused;	/* fingers that are set */
	struct finger finger[FINGERS];

	/* Written by the writer, read by all. */
	_Atomic size_t rows, bytes;
};

/* --- arena --------------------------------------------------------- */

static size_t
round_up(size_t n, size_t to)
{
	return (n + to - 1) & ~(to - 1);
}

static int
chunk_add(struct overlay *o, size_t n)
{
	size_t size = round_up(n + sizeof(struct ov_chunk), OV_CHUNK);
	struct ov_chunk *c = mmap(NULL, size, PROT_READ | PROT_WRITE,
	    MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);

	if (c == MAP_FAILED)
		return -VFS_NOMEM;
	c->size = size;
	c->next = o->chunks;
	o->chunks = c;
	o->at = (uint8_t *)(c + 1);
	o->end = (uint8_t *)c + size;
	return 0;
}

int
overlay_reserve(struct overlay *o, size_t bytes)
{
	if (bytes <= (size_t)(o->end - o->at))
		return 0;
	return chunk_add(o, bytes);
}

static void *
arena_alloc(struct overlay *o, size_t n)
{
	void *p;

	n = round_up(n, 8);
	if (overlay_reserve(o, n) < 0)
		return NULL;
	p = o->at;
	o->at += n;
	atomic_store_explicit(&o->bytes, atomic_load_explicit(&o->bytes,
	    memory_order_relaxed) + n, memory_order_relaxed);
	return p;
}

static void
chunks_free(struct ov_chunk *c, struct ov_chunk *keep)
{
	struct ov_chunk *next;

	for (; c != NULL; c = next) {
		next = c->next;
		if (c != keep)
			munmap(c, c->size);
	}
}

/* --- life ---------------------------------------------------------- */

static struct ov_key *
key_alloc(struct overlay *o, unsigned height, size_t nkey)
{
	struct ov_key *k;

	k = arena_alloc(o, sizeof(*k) + height * sizeof(k->next[0]) + nkey);
	if (k == NULL)
		return NULL;
	k->height = (uint8_t)height;
	k->n = (uint16_t)nkey;
	return k;
}

static int
head_new(struct overlay *o)
{
	unsigned i;

	o->head = key_alloc(o, OV_LEVELS, 0);
	if (o->head == NULL)
		return -VFS_NOMEM;
	atomic_init(&o->head->newest, NULL);
	for (i = 0; i < OV_LEVELS; i++)
		atomic_init(&o->head->next[i], NULL);
	return 0;
}

int
overlay_new(bool hashed, struct overlay **out)
{
	struct overlay *o = calloc(1, sizeof(*o));
	void *p;

	if (o == NULL)
		return -VFS_NOMEM;
	atomic_init(&o->refs, 1);
	o->random = 0x9e3779b97f4a7c15u;
	if (hashed) {
		p = mmap(NULL, HASH_SIZE * sizeof(o->hash[0]),
		    PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS,
		    -1, 0);
		if (p == MAP_FAILED)
			goto fail;
		o->hash = p;
	}
	if (head_new(o) < 0)
		goto fail;
	o->first = o->chunks;
	*out = o;
	return 0;
fail:
	overlay_free(o);
	return -VFS_NOMEM;
}

void
overlay_free(struct overlay *o)
{
	if (o == NULL)
		return;
	chunks_free(o->chunks, NULL);
	if (o->hash != NULL)
		munmap(o->hash, HASH_SIZE * sizeof(o->hash[0]));
	free(o);
}

void
overlay_hold(struct overlay *o)
{
	if (o != NULL)
		atomic_fetch_add(&o->refs, 1);
}

void
overlay_drop(struct overlay *o)
{
	if (o != NULL && atomic_fetch_sub(&o->refs, 1) == 1)
		overlay_free(o);
}

void
overlay_reset(struct overlay *o)
{
	unsigned i;

	assert(o->hash == NULL);
	if (atomic_load_explicit(&o->rows, memory_order_relaxed) == 0)
		return;
	chunks_free(o->chunks, o->first);
	o->chunks = o->first;
	o->first->next = NULL;
	o->end = (uint8_t *)o->first + o->first->size;
	o->at = (uint8_t *)(o->first + 1);
	for (i = 0; i < o->nused; i++)
		o->finger[o->used[i]].last = NULL;
	o->nused = 0;
	atomic_store_explicit(&o->rows, 0, memory_order_relaxed);
	atomic_store_explicit(&o->bytes, 0, memory_order_relaxed);
	head_new(o);		/* the first chunk has room */
}

/* --- keys ---------------------------------------------------------- */

int
slice_cmp(struct vfs_slice a, struct vfs_slice b)
{
	int c = memcmp(a.p, b.p, a.n < b.n ? a.n : b.n);

	if (c != 0)
		return c;
	return a.n < b.n ? -1 : a.n > b.n;
}

uint32_t
overlay_hash(struct vfs_slice key)
{
	return (uint32_t)XXH3_64bits(key.p, key.n);
}

struct vfs_slice
overlay_key(const struct ov_key *k)
{
	return (struct vfs_slice){ &k->next[k->height], k->n };
}

static struct ov_key *
next_of(const struct ov_key *k, unsigned level)
{
	return atomic_load_explicit(&k->next[level], memory_order_acquire);
}

/* Whether there is a node after k at level, and it is before key. */
static struct ov_key *
next_before(const struct ov_key *k, unsigned level, struct vfs_slice key)
{
	struct ov_key *n = next_of(k, level);

	return n != NULL && slice_cmp(overlay_key(n), key) < 0 ? n : NULL;
}

/* The last node before key at each level from top down, into prev. */
static struct ov_key *
descend(struct ov_key *k, unsigned top, struct vfs_slice key,
    struct ov_key **prev)
{
	struct ov_key *n;
	unsigned level = top;

	for (;;) {
		while ((n = next_before(k, level, key)) != NULL)
			k = n;
		if (prev != NULL)
			prev[level] = k;
		if (level == 0)
			return k;
		level--;
	}
}

struct ov_key *
overlay_seek(const struct overlay *o, struct vfs_slice at)
{
	return next_of(descend(o->head, OV_LEVELS - 1, at, NULL), 0);
}

struct ov_key *
overlay_next(const struct ov_key *k)
{
	return next_of(k, 0);
}

/* --- versions ------------------------------------------------------ */

const struct ov_ver *
overlay_at(const struct ov_key *k, uint64_t tick)
{
	const struct ov_ver *v;

	v = atomic_load_explicit(&k->newest, memory_order_acquire);
	while (v != NULL && v->tick > tick)
		v = v->older;
	return v;
}

static struct ov_key *
key_hashed(const struct overlay *o, struct vfs_slice key, uint32_t hash)
{
	struct ov_key *k = atomic_load_explicit(
	    &o->hash[hash & (HASH_SIZE - 1)], memory_order_acquire);

	for (; k != NULL; k = k->chain)
		if (k->hash == hash && k->n == key.n &&
		    memcmp(overlay_key(k).p, key.p, key.n) == 0)
			return k;
	return NULL;
}

static struct ov_key *
key_find(const struct overlay *o, struct vfs_slice key, uint32_t hash)
{
	struct ov_key *k;

	if (o->hash != NULL)
		return key_hashed(o, key, hash);
	k = overlay_seek(o, key);
	return k != NULL && slice_cmp(overlay_key(k), key) == 0 ? k : NULL;
}

const struct ov_ver *
overlay_get_hashed(const struct overlay *o, struct vfs_slice key,
    uint32_t hash, uint64_t tick)
{
	struct ov_key *k = key_find(o, key, hash);

	return k != NULL ? overlay_at(k, tick) : NULL;
}

const struct ov_ver *
overlay_get(const struct overlay *o, struct vfs_slice key, uint64_t tick)
{
	return overlay_get_hashed(o, key,
	    o->hash != NULL ? overlay_hash(key) : 0, tick);
}

/* --- writing ------------------------------------------------------- */

static unsigned
height_draw(struct overlay *o)
{
	unsigned height = 1;
	uint64_t r = o->random;

	r ^= r << 13;
	r ^= r >> 7;
	r ^= r << 17;
	o->random = r;
	for (; height < OV_LEVELS && (r & 3) == 0; r >>= 2)
		height++;
	return height;
}

/*
 * The last node before key at each level, in prev.  Ascending keys of a
 * kind, which is most of them, start where the last one went.
 */
static struct ov_key **
find_place(struct overlay *o, struct vfs_slice key, unsigned height)
{
	unsigned kind = key.n > 0 ? *(const uint8_t *)key.p % FINGERS : 0;
	struct finger *f = &o->finger[kind];
	unsigned level = 0, i;
	bool near = f->last != NULL && slice_cmp(overlay_key(f->last), key) < 0;

	if (f->last == NULL)
		o->used[o->nused++] = kind;
	while (near && next_before(f->prev[level], level, key) != NULL)
		near = ++level <= CLIMB_MAX;
	if (!near) {
		descend(o->head, OV_LEVELS - 1, key, f->prev);
		return f->prev;
	}
	if (level > 0)
		descend(f->prev[level], level, key, f->prev);
	/* Other kinds may have come between, higher up.  Above height a
	 * stale start is good enough: it is before key. */
	for (i = level + 1; i < height; i++) {
		struct ov_key *n;

		while ((n = next_before(f->prev[i], i, key)) != NULL)
			f->prev[i] = n;
	}
	return f->prev;
}

static struct ov_key *
key_insert(struct overlay *o, struct vfs_slice key, uint32_t hash)
{
	unsigned height = height_draw(o), i;
	struct ov_key *k = key_alloc(o, height, key.n);
	struct ov_key **prev;
	struct finger *f;

	if (k == NULL)
		return NULL;
	k->hash = hash;
	atomic_init(&k->newest, NULL);
	memcpy(&k->next[height], key.p, key.n);
	prev = find_place(o, key, height);
	f = &o->finger[key.n > 0 ? *(const uint8_t *)key.p % FINGERS : 0];
	f->last = k;
	for (i = 0; i < height; i++)
		atomic_init(&k->next[i], next_of(prev[i], i));
	for (i = 0; i < height; i++) {
		atomic_store_explicit(&prev[i]->next[i], k,
		    memory_order_release);
		prev[i] = k;
	}
	if (o->hash != NULL) {
		_Atomic(struct ov_key *) *b = &o->hash[hash & (HASH_SIZE - 1)];

		k->chain = atomic_load_explicit(b, memory_order_relaxed);
		atomic_store_explicit(b, k, memory_order_release);
	}
	atomic_store_explicit(&o->rows, overlay_rows(o) + 1,
	    memory_order_relaxed);
	return k;
}

int
overlay_put(struct overlay *o, struct vfs_slice key, struct vfs_slice val,
    uint64_t tick)
{
	uint32_t hash = o->hash != NULL ? overlay_hash(key) : 0;
	struct ov_key *k = key_find(o, key, hash);
	struct ov_ver *v = arena_alloc(o, sizeof(*v) + val.n);

	if (v == NULL)
		return -VFS_NOMEM;
	v->tick = tick;
	v->n = (uint32_t)val.n;
	v->dead = val.p == NULL;
	if (val.n > 0)
		memcpy(v->b, val.p, val.n);
	if (k == NULL && (k = key_insert(o, key, hash)) == NULL)
		return -VFS_NOMEM;
	v->older = atomic_load_explicit(&k->newest, memory_order_relaxed);
	assert(v->older == NULL || v->older->tick <= tick);
	atomic_store_explicit(&k->newest, v, memory_order_release);
	return 0;
}

size_t
overlay_cost(size_t nkey, size_t nval)
{
	return round_up(sizeof(struct ov_key) + nkey +
	    OV_LEVELS * sizeof(struct ov_key *), 8) +
	    round_up(sizeof(struct ov_ver) + nval, 8);
}

size_t
overlay_rows(const struct overlay *o)
{
	return atomic_load_explicit(&o->rows, memory_order_relaxed);
}

size_t
overlay_bytes(const struct overlay *o)
{
	return atomic_load_explicit(&o->bytes, memory_order_relaxed);
}
