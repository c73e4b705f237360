#include <assert.h>
#include <pthread.h>
#include <stdatomic.h>
#include <stdlib.h>
#include <sys/mman.h>

#include "../../protocol/err.h"
#include "holders.h"

#define SHARD_BITS	7
#define SHARDS		(1u << SHARD_BITS)
#define CAP_MIN		16u
#define CAP_MAPPED	1024u		/* from here on by mmap */

/*
 * held: the kernel's references, everybody else's, and ORPHAN.  A count
 * that has reached its end stays there: the object is kept until the next
 * daemon finds it.
 */
#define KERNEL_BITS	40
#define KERNEL_MAX	((1ull << KERNEL_BITS) - 1)
#define OTHERS_ONE	(1ull << KERNEL_BITS)
#define ORPHAN		(1ull << 63)	/* lost its last name */
#define HOLDS		(~ORPHAN)

struct slot {
	uint64_t id;			/* 0: free */
	uint64_t held;
};

/*
 * Open addressing, linear probing, half to three quarters full: 21 to 32
 * bytes an id.  Slots are in the order of the hash (but for what had to be
 * pushed on), so that a copy to another size goes through both once.
 */
struct shard {
	pthread_mutex_t lock;		/* guards all of it */
	struct slot *slots;
	uint32_t cap, n;
};

struct holders {
	struct shard shards[SHARDS];
	_Atomic uint64_t orphans;	/* marked ones */
};

/* Ids are nearly consecutive, which this spreads better than chance would:
 * the upper bits choose the shard, the next ones the slot. */
static uint64_t
mix(uint64_t id)
{
	return id * 0x9e3779b97f4a7c15ull;
}

static struct shard *
shard_of(struct holders *h, struct vfs_id id)
{
	return &h->shards[mix(id.n) >> (64 - SHARD_BITS)];
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

/* --- slots ---------------------------------------------------------------- */

/* Large ones straight from the system, to which they go back at once. */
static struct slot *
slots_new(uint32_t cap)
{
	void *p;

	if (cap < CAP_MAPPED)
		return calloc(cap, sizeof(struct slot));
	p = mmap(NULL, cap * sizeof(struct slot), PROT_READ | PROT_WRITE,
	    MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
	return p != MAP_FAILED ? p : NULL;
}

static void
slots_free(struct slot *slots, uint32_t cap)
{
	if (cap < CAP_MAPPED)
		free(slots);
	else
		munmap(slots, cap * sizeof *slots);
}

void
holders_free(struct holders *h)
{
	unsigned i;

	if (h == NULL)
		return;
	for (i = 0; i < SHARDS; i++) {
		pthread_mutex_destroy(&h->shards[i].lock);
		slots_free(h->shards[i].slots, h->shards[i].cap);
	}
	free(h);
}

static uint32_t
home_of(uint64_t id, uint32_t cap)
{
	return (uint32_t)((mix(id) << SHARD_BITS >> 32) * cap >> 32);
}

static uint32_t
after(uint32_t i, uint32_t cap)
{
	return i + 1 < cap ? i + 1 : 0;
}

/* How far it is from one slot on to the other. */
static uint32_t
distance(uint32_t from, uint32_t to, uint32_t cap)
{
	return to >= from ? to - from : to + cap - from;
}

/* Where id is, or the free slot where it would go. */
static struct slot *
find(struct slot *slots, uint32_t cap, uint64_t id)
{
	uint32_t i = home_of(id, cap);

	while (slots[i].id != 0 && slots[i].id != id)
		i = after(i, cap);
	return &slots[i];
}

/* NULL: nobody has held it, and it is not marked. */
static struct slot *
look(struct shard *s, uint64_t id)
{
	struct slot *p;

	if (s->cap == 0)
		return NULL;
	p = find(s->slots, s->cap, id);
	return p->id != 0 ? p : NULL;
}

/* To three fifths full, with n. */
static int
resize(struct shard *s, uint32_t n)
{
	uint32_t cap = (uint32_t)((uint64_t)n * 5 / 3), i;
	struct slot *slots;

	if (n > UINT32_MAX / 2)
		return -VFS_NOMEM;
	if (cap < CAP_MIN)
		cap = CAP_MIN;
	if ((slots = slots_new(cap)) == NULL)
		return -VFS_NOMEM;
	for (i = 0; i < s->cap; i++)
		if (s->slots[i].id != 0)
			*find(slots, cap, s->slots[i].id) = s->slots[i];
	slots_free(s->slots, s->cap);
	s->slots = slots;
	s->cap = cap;
	return 0;
}

static int
get_slot(struct shard *s, uint64_t id, struct slot **out)
{
	struct slot *p = look(s, id);

	if (p == NULL) {
		/* Without memory the last slots serve, too, but for one,
		 * where a search ends. */
		if ((uint64_t)(s->n + 1) * 4 > (uint64_t)s->cap * 3 &&
		    resize(s, s->n + 1) < 0 && s->n + 2 > s->cap)
			return -VFS_NOMEM;
		p = find(s->slots, s->cap, id);
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
	uint32_t hole = (uint32_t)(p - s->slots), i, home;

	for (i = after(hole, s->cap); s->slots[i].id != 0;
	    i = after(i, s->cap)) {
		home = home_of(s->slots[i].id, s->cap);
		if (distance(home, i, s->cap) < distance(hole, i, s->cap))
			continue;
		s->slots[hole] = s->slots[i];
		hole = i;
	}
	s->slots[hole] = (struct slot){ 0, 0 };
	s->n--;
	if (s->cap > CAP_MIN && s->n < s->cap / 2)
		(void)resize(s, s->n);	/* else it stays as it is */
}

/* --- counts --------------------------------------------------------------- */

static uint64_t
kernels(const struct slot *p)
{
	return p->held & KERNEL_MAX;
}

static uint64_t
others(const struct slot *p)
{
	return (p->held & HOLDS) >> KERNEL_BITS;
}

/* Not past the end, and not back from there. */
static uint64_t
raised(uint64_t count, uint64_t n, uint64_t max)
{
	return n < max - count ? count + n : max;
}

/* More drops than holds come from a confused peer: they end at 0. */
static uint64_t
lowered(uint64_t count, uint64_t n, uint64_t max)
{
	return count == max ? max : n < count ? count - n : 0;
}

/* One of the two counts, by n up or down. */
static void
move_count(struct slot *p, enum holder who, bool up, uint64_t n)
{
	uint64_t (*moved)(uint64_t, uint64_t, uint64_t) =
	    up ? raised : lowered;
	uint64_t k = kernels(p), o = others(p);

	if (who == HOLDER_KERNEL)
		k = moved(k, n, KERNEL_MAX);
	else
		o = moved(o, n, HOLDS >> KERNEL_BITS);
	p->held = (p->held & ORPHAN) | o * OTHERS_ONE | k;
}

int
holders_add(struct holders *h, enum holder who, struct vfs_id id, uint64_t n)
{
	struct shard *s = shard_of(h, id);
	struct slot *p;
	int err;

	assert(id.n != 0);
	if (n == 0)
		return 0;
	pthread_mutex_lock(&s->lock);
	err = get_slot(s, id.n, &p);
	if (err == 0)
		move_count(p, who, true, n);
	pthread_mutex_unlock(&s->lock);
	return err;
}

bool
holders_drop(struct holders *h, enum holder who, struct vfs_id id,
    uint64_t n)
{
	struct shard *s = shard_of(h, id);
	struct slot *p;
	bool last = false;

	pthread_mutex_lock(&s->lock);
	if ((p = look(s, id.n)) != NULL) {
		move_count(p, who, false, n);
		if ((p->held & HOLDS) == 0) {
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
	p = look(s, id.n);
	if (p == NULL && keep && get_slot(s, id.n, &p) < 0)
		p = NULL;
	if (p != NULL && !keep && (p->held & HOLDS) == 0) {
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

/* What is kept of it. */
static uint64_t
held_of(struct holders *h, struct vfs_id id)
{
	struct shard *s = shard_of(h, id);
	const struct slot *p;
	uint64_t held;

	pthread_mutex_lock(&s->lock);
	p = look(s, id.n);
	held = p != NULL ? p->held : 0;
	pthread_mutex_unlock(&s->lock);
	return held;
}

bool
holders_held(struct holders *h, struct vfs_id id)
{
	return (held_of(h, id) & HOLDS) != 0;
}

bool
holders_kernel(struct holders *h, struct vfs_id id)
{
	return (held_of(h, id) & KERNEL_MAX) != 0;
}

bool
holders_marked(struct holders *h, struct vfs_id id)
{
	return (held_of(h, id) & ORPHAN) != 0;
}

bool
holders_any_orphan(struct holders *h)
{
	return h->orphans > 0;
}

void
holders_size(struct holders *h, uint64_t *ids, uint64_t *bytes)
{
	struct shard *s;

	*ids = 0;
	*bytes = sizeof *h;
	for (s = h->shards; s < h->shards + SHARDS; s++) {
		pthread_mutex_lock(&s->lock);
		*ids += s->n;
		*bytes += s->cap * sizeof *s->slots;
		pthread_mutex_unlock(&s->lock);
	}
}
