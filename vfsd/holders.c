#include <assert.h>
#include <pthread.h>
#include <stdatomic.h>
#include <stdlib.h>

#include "../protocol/err.h"
#include "holders.h"

#define SHARDS		64u
#define CAP_MIN		16u
#define ORPHAN		(1ull << 63)	/* in held: lost its last name */

struct slot {
	uint64_t id;			/* 0: free */
	uint64_t held;			/* count, and ORPHAN */
};

/* Open addressing, linear probing, at most 3/4 full. */
struct shard {
	pthread_mutex_t lock;		/* guards all of it */
	struct slot *slots;
	size_t cap, n;			/* cap: a power of two, or 0 */
};

struct holders {
	struct shard shards[SHARDS];
	_Atomic uint64_t orphans;	/* marked ones */
};

/* Ids are nearly consecutive; spread them. */
static uint64_t
mix(uint64_t id)
{
	id *= 0x9e3779b97f4a7c15ull;
	return id ^ id >> 32;
}

static struct shard *
shard_of(struct holders *h, struct vfs_id id)
{
	return &h->shards[mix(id.n) >> 20 & (SHARDS - 1)];
}

int
holders_new(struct holders **out)
{
	struct holders *h = calloc(1, sizeof *h);
	unsigned i;

	if (h == NULL)
		return -VFS_NOMEM;
	for (i = 0; i < SHARDS; i++)
		pthread_mutex_init(&h->shards[i].lock, NULL);
	*out = h;
	return 0;
}

void
holders_free(struct holders *h)
{
	unsigned i;

	if (h == NULL)
		return;
	for (i = 0; i < SHARDS; i++) {
		pthread_mutex_destroy(&h->shards[i].lock);
		free(h->shards[i].slots);
	}
	free(h);
}

/* Where id is, or the free slot where it would go. */
static struct slot *
find(struct slot *slots, size_t cap, uint64_t id)
{
	size_t i = mix(id) & (cap - 1);

	while (slots[i].id != 0 && slots[i].id != id)
		i = (i + 1) & (cap - 1);
	return &slots[i];
}

static int
resize(struct shard *s, size_t cap)
{
	struct slot *slots = calloc(cap, sizeof *slots);
	size_t i;

	if (slots == NULL)
		return -VFS_NOMEM;
	for (i = 0; i < s->cap; i++)
		if (s->slots[i].id != 0)
			*find(slots, cap, s->slots[i].id) = s->slots[i];
	free(s->slots);
	s->slots = slots;
	s->cap = cap;
	return 0;
}

static int
get_slot(struct shard *s, uint64_t id, struct slot **out)
{
	struct slot *p;
	int err;

	if (s->cap == 0 && (err = resize(s, CAP_MIN)) < 0)
		return err;
	p = find(s->slots, s->cap, id);
	if (p->id == 0) {
		if ((s->n + 1) * 4 > s->cap * 3) {
			if ((err = resize(s, s->cap * 2)) < 0)
				return err;
			p = find(s->slots, s->cap, id);
		}
		*p = (struct slot){ id, 0 };
		s->n++;
	}
	*out = p;
	return 0;
}

/* Free a slot and move up what had been pushed past it. */
static void
del_slot(struct shard *s, struct slot *p)
{
	size_t mask = s->cap - 1;
	size_t hole = (size_t)(p - s->slots), i = hole, home;

	for (;;) {
		i = (i + 1) & mask;
		if (s->slots[i].id == 0)
			break;
		home = mix(s->slots[i].id) & mask;
		if (((i - home) & mask) < ((i - hole) & mask))
			continue;
		s->slots[hole] = s->slots[i];
		hole = i;
	}
	s->slots[hole] = (struct slot){ 0, 0 };
	s->n--;
	if (s->cap > CAP_MIN && s->n * 8 < s->cap)
		(void)resize(s, s->cap / 2);	/* else it stays as it is */
}

int
holders_add(struct holders *h, struct vfs_id id, uint64_t n)
{
	struct shard *s = shard_of(h, id);
	struct slot *p;
	int err;

	if (n == 0)
		return 0;
	pthread_mutex_lock(&s->lock);
	err = get_slot(s, id.n, &p);
	if (err == 0)
		p->held += n;
	pthread_mutex_unlock(&s->lock);
	return err;
}

/* More drops than holds come from a confused peer: they end at 0. */
bool
holders_drop(struct holders *h, struct vfs_id id, uint64_t n)
{
	struct shard *s = shard_of(h, id);
	struct slot *p;
	bool last = false;

	pthread_mutex_lock(&s->lock);
	p = s->cap > 0 ? find(s->slots, s->cap, id.n) : NULL;
	if (p != NULL && p->id != 0) {
		uint64_t held = p->held & ~ORPHAN;

		if (n < held) {
			p->held -= n;
		} else {
			last = (p->held & ORPHAN) != 0;
			h->orphans -= last;
			del_slot(s, p);
		}
	}
	pthread_mutex_unlock(&s->lock);
	return last;
}

bool
holders_orphan(struct holders *h, struct vfs_id id, bool keep)
{
	struct shard *s = shard_of(h, id);
	struct slot *p;
	bool alone = true;

	pthread_mutex_lock(&s->lock);
	p = s->cap > 0 ? find(s->slots, s->cap, id.n) : NULL;
	if (p != NULL && p->id == 0)
		p = NULL;
	if (p == NULL && keep && get_slot(s, id.n, &p) < 0)
		p = NULL;
	if (p != NULL && !keep && (p->held & ~ORPHAN) == 0) {
		h->orphans -= (p->held & ORPHAN) != 0;
		del_slot(s, p);
	} else if (p != NULL) {
		h->orphans += (p->held & ORPHAN) == 0;
		p->held |= ORPHAN;
		alone = false;
	}
	pthread_mutex_unlock(&s->lock);
	return alone && !keep;
}

bool
holders_held(struct holders *h, struct vfs_id id)
{
	struct shard *s = shard_of(h, id);
	struct slot *p;
	bool held = false;

	pthread_mutex_lock(&s->lock);
	if (s->cap > 0) {
		p = find(s->slots, s->cap, id.n);
		held = p->id != 0 && (p->held & ~ORPHAN) != 0;
	}
	pthread_mutex_unlock(&s->lock);
	return held;
}

bool
holders_marked(struct holders *h, struct vfs_id id)
{
	struct shard *s = shard_of(h, id);
	struct slot *p;
	bool marked = false;

	pthread_mutex_lock(&s->lock);
	if (s->cap > 0) {
		p = find(s->slots, s->cap, id.n);
		marked = p->id != 0 && (p->held & ORPHAN) != 0;
	}
	pthread_mutex_unlock(&s->lock);
	return marked;
}

bool
holders_any_orphan(struct holders *h)
{
	return h->orphans > 0;
}

uint64_t
holders_count(struct holders *h)
{
	uint64_t n = 0;
	unsigned i;

	for (i = 0; i < SHARDS; i++) {
		pthread_mutex_lock(&h->shards[i].lock);
		n += h->shards[i].n;
		pthread_mutex_unlock(&h->shards[i].lock);
	}
	return n;
}
