/*
 * overlay_adopt.c - a large write set becomes part of a table, uncopied
 *
 * Its keys get their place in the table's lists and index where they lie,
 * each with its newest version only; then its memory is the table's.
 */
#include <assert.h>
#include <string.h>

#include "overlay_in.h"

#define ADOPT_MIN	((size_t)1 << 20)	/* bytes */
#ifdef PLANT_ALL_LARGE
#undef ADOPT_MIN
#define ADOPT_MIN	1
#endif

struct ov_key *
overlay_oldest(const struct overlay *ws)
{
	assert(!ws->table);
	return ws->oldest;
}

struct ov_key *
overlay_younger(const struct ov_key *k)
{
	return k->late;
}

bool
overlay_adopts(const struct overlay *ws)
{
	size_t needed = overlay_newest(ws) + overlay_rows(ws) *
	    (sizeof(struct ov_key) + sizeof(struct ov_ver));

	return ws->hash != NULL && overlay_bytes(ws) >= ADOPT_MIN &&
	    overlay_bytes(ws) / 2 <= needed;
}

void
overlay_more(const struct ov_ver *v, const uint8_t more[OV_MORE])
{
	memcpy((uint8_t *)v->b + v->n, more, OV_MORE);
}

void
overlay_adopt_soon(const struct overlay *o, const struct ov_key *n)
{
	__builtin_prefetch(&o->hash[n->hash & (o->buckets - 1)], 1);
	__builtin_prefetch(atomic_load_explicit(&n->newest,
	    memory_order_relaxed), 1);
}

void
overlay_adopt(struct overlay *o, struct ov_key *n, uint64_t tick)
{
	struct ov_ver *v = atomic_load_explicit(&n->newest,
	    memory_order_relaxed);
	struct ov_key *k = ov_find(o, overlay_key(n), &n->hash);
	int err;

	assert(o->table);
	v->tick = tick;
	if (!v->dead)
		v->n += OV_MORE;
	if (k == NULL) {
		err = ov_place(o, n);
		assert(err == 0);	/* its memory was reserved */
		(void)err;
		k = n;
	}
	ov_put_newest(o, k, v);
}

void
overlay_adopted(struct overlay *o, struct overlay *ws)
{
	atomic_store_explicit(&o->bytes, overlay_bytes(o) +
	    overlay_bytes(ws), memory_order_relaxed);
	arena_give(&o->arena, &ws->arena);
	overlay_reset(ws);
}
