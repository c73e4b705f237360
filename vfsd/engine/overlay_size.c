/*
 * overlay_size.c - how much a write set or table is, or will be
 */
#include "overlay_in.h"

size_t
overlay_cost(size_t nkey, size_t nval)
{
	return round_up(sizeof(struct ov_key) + nkey +
	    OV_LEVELS * sizeof(struct ov_key *), 8) +
	    round_up(sizeof(struct ov_ver) + nval, 8);
}

size_t
overlay_cost_all(const struct overlay *o, size_t more)
{
	return overlay_rows(o) * (overlay_cost(0, more) + 2 * 8) +
	    overlay_newest(o);
}

uint64_t
overlay_kinds(const struct overlay *o)
{
	return atomic_load_explicit(&o->kinds, memory_order_acquire);
}

struct ov_kind
overlay_kind(const struct overlay *o, unsigned i)
{
	return o->kind[i]->count;
}
