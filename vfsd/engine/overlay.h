/*
 * overlay.h - an ordered table of rows in memory, with old versions
 *
 * A skip list of keys for each kind of row (the key's first byte, which is
 * 64 to 127); each key has its versions, newest first, stamped
 * with the tick of the commit that wrote them.  A hash index finds a key
 * in about one cache miss.  The same thing is the write set of a
 * transaction (an index only once it is large), the active and the frozen
 * table.
 *
 * Threads:   one writer at a time (the serial point); any number of
 *            readers beside it without locks, each looking at one tick.
 * Lifetime:  rows live until overlay_reset or overlay_free; nothing is
 *            ever moved.
 */
#ifndef ENGINE_OVERLAY_H
#define ENGINE_OVERLAY_H

#include <stdatomic.h>

#include "../../protocol/err.h"
#include "../../protocol/types.h"

#define OV_LEVELS	12u
#define OV_TICK_MAX	UINT64_MAX
#define OV_HASH_BITS	18u

/* One state of a row.  b is what was put (tables: payload and sum); in
 * write sets OV_MORE bytes are free behind it. */
struct ov_ver {
	struct ov_ver *older;
	uint64_t tick;
	uint32_t n;
	bool dead;			/* a deletion */
	uint8_t b[];
};

/* A key and its tower; the key's bytes follow next[height]. */
struct ov_key {
	_Atomic(struct ov_ver *) newest;
	struct ov_key *chain;		/* next of the same hash bucket */
	struct ov_key *late;		/* next of those not in order yet; in
					 * a write set the next younger one */
	uint32_t hash;
	uint16_t n;
	uint8_t height;
	bool linked;			/* in its list; the writer's */
	_Atomic(struct ov_key *) next[];
};

struct overlay;

int overlay_new(bool table, struct overlay **out);
void overlay_free(struct overlay *o);
/* Who names a table, its maker first; the last drop frees it.  NULL is
 * fine. */
void overlay_hold(struct overlay *o);
void overlay_drop(struct overlay *o);
/* A write set's: forget all rows, keep the first chunk of memory. */
void overlay_reset(struct overlay *o);

/* Make room so that puts of this size (overlay_cost summed) cannot fail. */
int overlay_reserve(struct overlay *o, size_t bytes);
size_t overlay_cost(size_t nkey, size_t nval);

/* Put a version, or a deletion if val.p == NULL; tick never falls.  In a
 * write set the same tick replaces. */
int overlay_put(struct overlay *o, struct vfs_slice key,
    struct vfs_slice val, uint64_t tick);

/*
 * A large write set need not be copied into a table.  Whoever commits puts
 * OV_MORE bytes (more) behind what each row holds; then the table adopts
 * each key, whose successor in ws is asked for before that, and at last
 * (adopted) the memory of ws, which is empty then.  None of it fails if
 * the table was asked to reserve (0 bytes).  adopts: is it worth that?
 */
#define OV_MORE		8u
bool overlay_adopts(const struct overlay *ws);
void overlay_more(const struct ov_ver *v, const uint8_t more[OV_MORE]);
/* It will be, some keys from here: have at hand what that needs. */
void overlay_adopt_soon(const struct overlay *o, const struct ov_key *n);
void overlay_adopt(struct overlay *o, struct ov_key *n, uint64_t tick);
void overlay_adopted(struct overlay *o, struct overlay *ws);

/*
 * Take a key out of the walk (the index still finds it), so that walks do
 * not step through what was deleted long ago.  Its newest version is a
 * deletion, and no reader is older than that.  A put brings it back.
 */
void overlay_unlink(struct overlay *o, struct ov_key *k);
struct ov_key *overlay_find(const struct overlay *o, struct vfs_slice key);

/* The version visible at tick (maybe a deletion), or NULL.  *hash is 0 at
 * first, and the key's for the next table if one had to work it out. */
const struct ov_ver *overlay_get(const struct overlay *o,
    struct vfs_slice key, uint64_t tick, uint32_t *hash);

/* Walk: the first key >= at, the one after, what is visible there. */
struct ov_key *overlay_seek(struct overlay *o, struct vfs_slice at);
struct ov_key *overlay_next(struct overlay *o, const struct ov_key *k);
/* A write set's keys as they came, which is as they lie in memory: a walk
 * of a large one that way is many times as fast. */
struct ov_key *overlay_oldest(const struct overlay *ws);
struct ov_key *overlay_younger(const struct ov_key *k);

/* At each step of such a walk: fetch what lies some keys behind k. */
static inline void
overlay_ahead(const struct ov_key *k)
{
	uintptr_t at = (uintptr_t)k + 2048, end = at + 320;

	for (; at < end; at += 64)
		__builtin_prefetch((const void *)at);
}

struct vfs_slice overlay_key(const struct ov_key *k);
const struct ov_ver *overlay_at(const struct ov_key *k, uint64_t tick);

/* The writer: a bit for each kind of key there is (bit i: it begins with
 * 64 + i); how many of a kind, and how many of them hold something now. */
struct ov_kind {
	size_t keys, live;
};
#define OV_KIND_FIRST	64u
uint64_t overlay_kinds(const struct overlay *o);
struct ov_kind overlay_kind(const struct overlay *o, unsigned i);
/* At most what puts of all that o holds need, each value longer by more. */
size_t overlay_cost_all(const struct overlay *o, size_t more);

/* Any thread. */
size_t overlay_rows(const struct overlay *o);	/* keys */
size_t overlay_bytes(const struct overlay *o);	/* of arena in use */
size_t overlay_newest(const struct overlay *o);	/* of keys and what they
						 * hold now */

int slice_cmp(struct vfs_slice a, struct vfs_slice b);

#endif
