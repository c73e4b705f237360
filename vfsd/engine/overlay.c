/*
 * overlay.c - skip list, versions, hash index
 *
 * Memory comes from an arena and is given back only as a whole.
 */
#include <assert.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>

#define XXH_INLINE_ALL
#include <xxhash.h>

#include "../../backends/store.h"
#include "overlay_in.h"

#define TABLE_BUCKETS	((size_t)1 << OV_HASH_BITS)
#define INDEX_FROM	128u		/* keys of a write set */
#ifdef PLANT_ALL_LARGE
#undef INDEX_FROM
#define INDEX_FROM	4u
#endif
#define INDEX_BUCKETS	512u		/* at first */
#define LATE_KINDS	(1ull << KIND('B') | 1ull << KIND('C'))
#define WALKED_KINDS	(1ull << KIND('K'))	/* hardly ever looked up */
#define OVER_KINDS	(1ull << KIND('B'))	/* nobody borrows from them */
#define CLIMB_MAX	3u		/* levels, before we start at the top */

/* --- memory -------------------------------------------------------- */

int
overlay_reserve(struct overlay *o, size_t bytes)
{
	/* kinds may be new */
	return arena_reserve(&o->arena, bytes + 16 * sizeof(struct kind));
}

static void *
take(struct overlay *o, size_t n)
{
	void *p = arena_alloc(&o->arena, n = round_up(n, 8));

	if (p != NULL)
		atomic_store_explicit(&o->bytes, overlay_bytes(o) + n,
		    memory_order_relaxed);
	return p;
}

/* --- life ---------------------------------------------------------- */

static struct ov_key *
key_alloc(struct overlay *o, unsigned height, size_t nkey)
{
	struct ov_key *k;

	k = take(o, sizeof(*k) + height * sizeof(k->next[0]) + nkey);
	if (k == NULL)
		return NULL;
	k->height = (uint8_t)height;
	k->n = (uint16_t)nkey;
	return k;
}

int
overlay_new(bool table, struct overlay **out)
{
	struct overlay *o = calloc(1, sizeof(*o));
	void *p;

	if (o == NULL)
		return -VFS_NOMEM;
	atomic_init(&o->refs, 1);
	o->random = 0x9e3779b97f4a7c15u;
	o->table = table;
	if (table) {
		p = mmap(NULL, TABLE_BUCKETS * sizeof(o->hash[0]),
		    PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS,
		    -1, 0);
		if (p == MAP_FAILED)
			goto fail;
		o->hash = p;
		o->buckets = TABLE_BUCKETS;
	}
	if (arena_init(&o->arena) < 0)
		goto fail;
	pthread_mutex_init(&o->order_lock, NULL);
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
	arena_free(&o->arena);
	pthread_mutex_destroy(&o->order_lock);
	if (o->table && o->hash != NULL)
		munmap(o->hash, TABLE_BUCKETS * sizeof(o->hash[0]));
	else
		free(o->hash);
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
	assert(!o->table);
	if (atomic_load_explicit(&o->rows, memory_order_relaxed) == 0)
		return;
	arena_reset(&o->arena);
	free(o->hash);
	o->hash = NULL;
	o->oldest = o->youngest = NULL;
	atomic_store_explicit(&o->kinds, 0, memory_order_relaxed);
	atomic_store_explicit(&o->rows, 0, memory_order_relaxed);
	atomic_store_explicit(&o->bytes, 0, memory_order_relaxed);
	atomic_store_explicit(&o->newest, 0, memory_order_relaxed);
}

/* --- keys ---------------------------------------------------------- */

int
slice_cmp(struct vfs_slice a, struct vfs_slice b)
{
	return store_key_cmp(a, b);
}

static uint32_t
hash_of(struct vfs_slice key)
{
	return (uint32_t)XXH3_64bits(key.p, key.n);
}

struct vfs_slice
overlay_key(const struct ov_key *k)
{
	return (struct vfs_slice){ &k->next[k->height], k->n };
}

/*
 * A place in a list is the array of pointers that leads on from there: a
 * node's next, or the kind's head.
 */
static struct ov_key *
load(_Atomic(struct ov_key *) *at, unsigned level)
{
	return atomic_load_explicit(&at[level], memory_order_acquire);
}

/* The node behind a place, if it is before key. */
static struct ov_key *
next_before(_Atomic(struct ov_key *) *at, unsigned level,
    struct vfs_slice key)
{
	struct ov_key *n = load(at, level);

	return n != NULL && slice_cmp(overlay_key(n), key) < 0 ? n : NULL;
}

/* The last place before key at each level from top down, into prev. */
static _Atomic(struct ov_key *) *
descend(_Atomic(struct ov_key *) *at, unsigned top, struct vfs_slice key,
    _Atomic(struct ov_key *) **prev)
{
	struct ov_key *n;
	unsigned level = top;

	for (;;) {
		while ((n = next_before(at, level, key)) != NULL)
			at = n->next;
		if (prev != NULL)
			prev[level] = at;
		if (level == 0)
			return at;
		level--;
	}
}

static void order(struct overlay *o, struct kind *k);

/* The first key of kind c or a later one. */
static struct ov_key *
first_from(struct overlay *o, unsigned c)
{
	uint64_t kinds = atomic_load_explicit(&o->kinds,
	    memory_order_acquire);
	struct ov_key *n;

	for (; c < KINDS; c++) {
		kinds = kinds >> c << c;
		if (kinds == 0)
			break;
		c = (unsigned)__builtin_ctzll(kinds);
		order(o, o->kind[c]);
		if ((n = load(o->kind[c]->head, 0)) != NULL)
			return n;
	}
	return NULL;
}

static unsigned
kind_of(struct vfs_slice key)
{
	return KIND(*(const uint8_t *)key.p);
}

struct ov_key *
overlay_seek(struct overlay *o, struct vfs_slice at)
{
	struct ov_key *n = NULL;
	unsigned c;

	if (at.n == 0 || *(const uint8_t *)at.p < KINDS)
		return first_from(o, 0);
	if (*(const uint8_t *)at.p >= 2 * KINDS)
		return NULL;
	c = kind_of(at);
	if ((atomic_load_explicit(&o->kinds, memory_order_acquire) >> c & 1) ==
	    0)
		return first_from(o, c + 1);
	order(o, o->kind[c]);
	n = load(descend(o->kind[c]->head, OV_LEVELS - 1, at, NULL), 0);
	/* One that came in just now may stand before it. */
	while (n != NULL && slice_cmp(overlay_key(n), at) < 0)
		n = load(n->next, 0);
	return n != NULL ? n : first_from(o, c + 1);
}

struct ov_key *
overlay_next(struct overlay *o, const struct ov_key *k)
{
	struct ov_key *n = atomic_load_explicit(&k->next[0],
	    memory_order_acquire);

	return n != NULL ? n : first_from(o, kind_of(overlay_key(k)) + 1);
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
	    &o->hash[hash & (o->buckets - 1)], memory_order_acquire);

	for (; k != NULL; k = k->chain)
		if (k->hash == hash && k->n == key.n &&
		    memcmp(overlay_key(k).p, key.p, key.n) == 0)
			return k;
	return NULL;
}

/*
 * Most of what is looked for is of a kind that is not there, or new and
 * behind all others (ids, slots and sequence numbers grow), or the newest
 * of all: that is known without the index, which costs a cache miss or two.
 * Compares key with the last one of its kind.
 */
static int
from_max(const struct overlay *o, struct vfs_slice key, struct ov_key **max)
{
	unsigned c = kind_of(key);

	if ((atomic_load_explicit(&o->kinds, memory_order_acquire) >> c & 1) ==
	    0)
		return 1;
	*max = atomic_load_explicit(&o->kind[c]->max, memory_order_acquire);
	return *max != NULL ? slice_cmp(key, overlay_key(*max)) : 1;
}

struct ov_key *
ov_find(const struct overlay *o, struct vfs_slice key, uint32_t *hash)
{
	unsigned c = kind_of(key);
	struct ov_key *k;
	int cmp;

	if ((cmp = from_max(o, key, &k)) >= 0)
		return cmp == 0 ? k : NULL;
	if (o->hash != NULL && (WALKED_KINDS >> c & 1) == 0) {
		if (*hash == 0)
			*hash = hash_of(key);
		return key_hashed(o, key, *hash);
	}
	k = load(descend(o->kind[c]->head, OV_LEVELS - 1, key, NULL), 0);
	return k != NULL && slice_cmp(overlay_key(k), key) == 0 ? k : NULL;
}

const struct ov_ver *
overlay_get(const struct overlay *o, struct vfs_slice key, uint64_t tick,
    uint32_t *hash)
{
	struct ov_key *k = ov_find(o, key, hash);

	return k != NULL ? overlay_at(k, tick) : NULL;
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
 * The last place before key at each level, in k->prev.  Ascending keys,
 * which is most of them, start where the last one went.
 */
static void
find_place(struct kind *k, struct vfs_slice key)
{
	unsigned level = 0;
	bool near = k->last != NULL && slice_cmp(overlay_key(k->last), key) < 0;

	while (near && next_before(k->prev[level], level, key) != NULL)
		near = ++level <= CLIMB_MAX;
	if (!near)
		descend(k->head, OV_LEVELS - 1, key, k->prev);
	else if (level > 0)
		descend(k->prev[level], level, key, k->prev);
}

/* Into the list of its kind, which only we change. */
static void
link_key(struct kind *k, struct ov_key *n)
{
	unsigned i;

	find_place(k, overlay_key(n));
	k->last = n;
	for (i = 0; i < n->height; i++)
		atomic_store_explicit(&n->next[i], load(k->prev[i], i),
		    memory_order_relaxed);
	for (i = 0; i < n->height; i++) {
		atomic_store_explicit(&k->prev[i][i], n,
		    memory_order_release);
		k->prev[i] = n->next;
	}
}

/* Readers that stand on it go on from there as before: what came behind
 * it since is newer than they are. */
void
overlay_unlink(struct overlay *o, struct ov_key *n)
{
	_Atomic(struct ov_key *) *prev[OV_LEVELS];
	unsigned c = kind_of(overlay_key(n)), i;
	struct kind *k = o->kind[c];

	assert((LATE_KINDS >> c & 1) == 0);
	if (!n->linked)
		return;
	descend(k->head, OV_LEVELS - 1, overlay_key(n), prev);
	for (i = 0; i < n->height; i++)
		if (load(prev[i], i) == n)
			atomic_store_explicit(&prev[i][i], load(n->next, i),
			    memory_order_release);
	n->linked = false;
	k->last = NULL;			/* it may have led there */
}

struct ov_key *
overlay_find(const struct overlay *o, struct vfs_slice key)
{
	uint32_t hash = 0;

	return ov_find(o, key, &hash);
}

static struct kind *
kind_get(struct overlay *o, unsigned c)
{
	uint64_t kinds = atomic_load_explicit(&o->kinds,
	    memory_order_relaxed);
	struct kind *k = o->kind[c];
	unsigned i;

	if ((kinds >> c & 1) != 0)
		return k;
	if ((k = take(o, sizeof(*k))) == NULL)
		return NULL;
	for (i = 0; i < OV_LEVELS; i++) {
		atomic_init(&k->head[i], NULL);
		k->prev[i] = k->head;
	}
	atomic_init(&k->late, NULL);
	atomic_init(&k->max, NULL);
	k->count = (struct ov_kind){ 0, 0 };
	k->last = NULL;
	o->kind[c] = k;
	atomic_store_explicit(&o->kinds, kinds | 1ull << c,
	    memory_order_release);
	return k;
}

static void
index_key(struct overlay *o, struct ov_key *n)
{
	_Atomic(struct ov_key *) *b = &o->hash[n->hash & (o->buckets - 1)];

	if (WALKED_KINDS >> kind_of(overlay_key(n)) & 1)
		return;
	n->chain = atomic_load_explicit(b, memory_order_relaxed);
	atomic_store_explicit(b, n, memory_order_release);
}

/* A write set that has grown: without memory it goes on as it is. */
static void
index_grow(struct overlay *o)
{
	size_t buckets = o->hash != NULL ? 4 * o->buckets : INDEX_BUCKETS;
	_Atomic(struct ov_key *) *hash = calloc(buckets, sizeof(hash[0]));
	bool hashed = o->hash != NULL;
	struct ov_key *n;

	if (hash == NULL)
		return;
	free(o->hash);
	o->hash = hash;
	o->buckets = buckets;
	for (n = o->oldest; n != NULL; n = overlay_younger(n)) {
		overlay_ahead(n);
		if (!hashed)
			n->hash = hash_of(overlay_key(n));
		index_key(o, n);
	}
}

/* Into its kind's list, or among those that are not in order yet. */
int
ov_place(struct overlay *o, struct ov_key *n)
{
	unsigned c = kind_of(overlay_key(n)), i;
	struct kind *k = kind_get(o, c);
	struct ov_key *max;

	if (k == NULL)
		return -VFS_NOMEM;
	n->linked = true;		/* or will be, in time */
	atomic_init(&n->newest, NULL);
	for (i = 0; i < n->height; i++)
		atomic_init(&n->next[i], NULL);
	if (!o->table) {
		n->late = NULL;
		*(o->oldest != NULL ? &o->youngest->late : &o->oldest) = n;
		o->youngest = n;
	}
	if (!o->table || (LATE_KINDS >> c & 1) == 0) {
		link_key(k, n);
	} else {
		n->late = atomic_load_explicit(&k->late,
		    memory_order_relaxed);
		atomic_fetch_add(&o->nlate, 1);
		while (!atomic_compare_exchange_weak(&k->late, &n->late, n))
			;
	}
	if (o->hash != NULL)
		index_key(o, n);
	max = atomic_load_explicit(&k->max, memory_order_relaxed);
	if (max == NULL || slice_cmp(overlay_key(max), overlay_key(n)) < 0)
		atomic_store_explicit(&k->max, n, memory_order_release);
	atomic_store_explicit(&o->rows, overlay_rows(o) + 1,
	    memory_order_relaxed);
	return 0;
}

static struct ov_key *
key_insert(struct overlay *o, struct vfs_slice key, uint32_t hash)
{
	unsigned height = height_draw(o);
	struct ov_key *n = key_alloc(o, height, key.n);

	if (n == NULL)
		return NULL;
	n->hash = hash;
	memcpy(&n->next[height], key.p, key.n);
	if (ov_place(o, n) < 0)
		return NULL;
	if (!o->table && overlay_rows(o) >=
	    (o->hash != NULL ? o->buckets : INDEX_FROM))
		index_grow(o);
	return n;
}

/* --- late order ---------------------------------------------------- */

static int
key_order(const void *a, const void *b)
{
	return slice_cmp(overlay_key(*(struct ov_key *const *)a),
	    overlay_key(*(struct ov_key *const *)b));
}

/* Sorted first where there is memory for it: then each finds its place
 * at once. */
static void
link_late(struct kind *k, struct ov_key *late, size_t n)
{
	struct ov_key **all = n > 8 ? malloc(n * sizeof(all[0])) : NULL;
	struct ov_key *next;
	size_t i = 0;

	for (; late != NULL; late = next) {
		next = late->late;
		if (all != NULL)
			all[i++] = late;
		else
			link_key(k, late);
	}
	if (all == NULL)
		return;
	qsort(all, n, sizeof(all[0]), key_order);
	for (i = 0; i < n; i++)
		link_key(k, all[i]);
	free(all);
}

/* Put what came since into the list of its kind; any thread that walks. */
static void
order(struct overlay *o, struct kind *k)
{
	struct ov_key *late, *n;
	size_t count = 0;

	if (!o->table || atomic_load(&o->nlate) == 0)
		return;
	pthread_mutex_lock(&o->order_lock);
	late = atomic_exchange(&k->late, NULL);
	for (n = late; n != NULL; n = n->late)
		count++;
	link_late(k, late, count);
	atomic_fetch_sub(&o->nlate, count);
	pthread_mutex_unlock(&o->order_lock);
}

/* --- put ----------------------------------------------------------- */

/* v becomes what k holds; the first brings the key. */
static void
count_newest(struct overlay *o, const struct ov_key *k,
    const struct ov_ver *v)
{
	struct ov_kind *c = &o->kind[kind_of(overlay_key(k))]->count;
	const struct ov_ver *was = v->older;
	size_t n = overlay_newest(o) + v->n;

	c->live += !v->dead;
	if (was != NULL) {
		c->live -= !was->dead;
		n -= was->n;
	} else {
		c->keys++;
		n += k->n;
	}
	atomic_store_explicit(&o->newest, n, memory_order_relaxed);
}

void
ov_put_newest(struct overlay *o, struct ov_key *k, struct ov_ver *v)
{
	if (!k->linked) {
		link_key(o->kind[kind_of(overlay_key(k))], k);
		k->linked = true;
	}
	v->older = atomic_load_explicit(&k->newest, memory_order_relaxed);
	assert(v->older == NULL || v->older->tick <= v->tick);
	count_newest(o, k, v);
	atomic_store_explicit(&k->newest, v, memory_order_release);
}

/*
 * A transaction of many operations puts the inode of a directory anew with
 * each name; what was read of one is a copy, always.
 */
static bool
put_over(struct ov_key *k, struct vfs_slice val)
{
	struct ov_ver *v = atomic_load_explicit(&k->newest,
	    memory_order_relaxed);

	if ((OVER_KINDS >> kind_of(overlay_key(k)) & 1) == 0 ||
	    v->dead || val.p == NULL || v->n != val.n)
		return false;
	memcpy(v->b, val.p, val.n);
	return true;
}

int
overlay_put(struct overlay *o, struct vfs_slice key, struct vfs_slice val,
    uint64_t tick)
{
	uint32_t hash = o->hash != NULL ? hash_of(key) : 0;
	struct ov_key *k;
	struct ov_ver *v;

	assert(key.n > 0 && *(const uint8_t *)key.p / KINDS == 1);
	if (o->hash != NULL)		/* for index_key, in time */
		__builtin_prefetch(&o->hash[hash & (o->buckets - 1)], 1);
	k = ov_find(o, key, &hash);
	if (!o->table && k != NULL && put_over(k, val))
		return 0;
	v = take(o, sizeof(*v) + val.n + (o->table ? 0 : OV_MORE));
	if (v == NULL)
		return -VFS_NOMEM;
	v->tick = tick;
	v->n = (uint32_t)val.n;
	v->dead = val.p == NULL;
	if (val.n > 0)
		memcpy(v->b, val.p, val.n);
	if (k == NULL && (k = key_insert(o, key, hash)) == NULL)
		return -VFS_NOMEM;
	ov_put_newest(o, k, v);
	return 0;
}

/* --- sizes ------------------------------------------------------------ */

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

size_t
overlay_newest(const struct overlay *o)
{
	return atomic_load_explicit(&o->newest, memory_order_relaxed);
}
