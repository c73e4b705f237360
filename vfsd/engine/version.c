/*
 * version.c - what readers take at once, and who still reads what
 *
 * A version names the tables and the store snapshots that together are
 * all rows.  A reader takes the newest one and the tick in one step;
 * taking the parts one after the other would lose rows when a checkpoint
 * ends in between.
 */
#include <assert.h>
#include <stdlib.h>

#include "engine_impl.h"

/* --- store snapshots ----------------------------------------------- */

static void
snap_drop(struct engine *e, struct base *b, unsigned slot)
{
	void *snap = atomic_exchange(&b->snap[slot], NULL);

	if (snap != NULL)
		e->sops->snap_end(snap);
}

void
base_put(struct engine *e, struct base *b)
{
	unsigned i;

	if (b == NULL || atomic_fetch_sub(&b->refs, 1) != 1)
		return;
	for (i = 0; i < b->n; i++)
		snap_drop(e, b, i);
	pthread_mutex_destroy(&b->shared);
	free(b);
}

/*
 * Nobody can take this base any more (vlock is held): end the snapshots
 * of the slots that are not using it; the others end theirs when they are
 * done.  So a slot has at most one old snapshot, however long it reads.
 */
static void
base_retire(struct engine *e, struct base *b)
{
	unsigned i;

	atomic_store(&b->retired, true);
	for (i = 0; i < e->nslots; i++)
		if (atomic_load(&e->slots[i].base) != b)
			snap_drop(e, b, i);
	if (b->privates == 0)
		snap_drop(e, b, e->nslots);
}

/* A private txn joins or leaves; vlock is held. */
void
base_private(struct engine *e, struct base *b, int by)
{
	b->privates += (unsigned)by;
	if (b->privates == 0 && atomic_load(&b->retired))
		snap_drop(e, b, e->nslots);
}

int
base_new(struct engine *e, struct base **out)
{
	struct base *b = calloc(1, sizeof(*b));
	void *snap;
	int err;

	if (b == NULL)
		return -VFS_NOMEM;
	atomic_init(&b->refs, 1);
	pthread_mutex_init(&b->shared, NULL);
	for (; b->n <= e->nslots; b->n++) {
		err = e->sops->snap_begin(e->store, &snap);
		if (err < 0) {
			base_put(e, b);
			return err;
		}
		atomic_init(&b->snap[b->n], snap);
	}
	*out = b;
	return 0;
}

/* --- versions ------------------------------------------------------ */

static struct version *
version_new(struct overlay *active, struct overlay *frozen,
    struct base *base)
{
	struct version *v = calloc(1, sizeof(*v));

	if (v == NULL)
		return NULL;
	atomic_init(&v->refs, 1);
	v->active = active;
	v->frozen = frozen;
	v->base = base;
	return v;
}

int
version_first(struct engine *e, struct overlay *active)
{
	struct base *base = NULL;
	int err = base_new(e, &base);

	if (err < 0)
		return err;
	overlay_hold(active);
	e->cur = version_new(active, NULL, base);
	if (e->cur == NULL) {
		base_put(e, base);
		return -VFS_NOMEM;
	}
	return 0;
}

/*
 * Make a new version the newest; called under the serial point.  base
 * NULL keeps the snapshots, otherwise it is taken over.  Tables count the
 * versions that name them.
 */
int
version_swap(struct engine *e, struct overlay *active,
    struct overlay *frozen, struct base *base)
{
	struct version *old = e->cur, *v;

	v = version_new(active, frozen, base != NULL ? base : old->base);
	if (v == NULL)
		return -VFS_NOMEM;
	if (base == NULL)
		atomic_fetch_add(&old->base->refs, 1);
	overlay_hold(active);
	overlay_hold(frozen);
	pthread_mutex_lock(&e->vlock);
	e->cur = v;
	if (base != NULL) {
		base_retire(e, old->base);
		e->generation++;
	}
	pthread_mutex_unlock(&e->vlock);
	version_put(e, old);
	return 0;
}

/* The last user leaves it to the background: freeing takes a while. */
void
version_put(struct engine *e, struct version *v)
{
	if (atomic_fetch_sub(&v->refs, 1) != 1)
		return;
	pthread_mutex_lock(&e->vlock);
	v->next = e->garbage;
	e->garbage = v;
	atomic_store(&e->have_garbage, true);
	pthread_mutex_unlock(&e->vlock);
	bg_kick(e);
}

static void
version_free(struct engine *e, struct version *v)
{
	overlay_drop(v->active);
	overlay_drop(v->frozen);
	base_put(e, v->base);
	free(v);
}

bool
garbage_free(struct engine *e)
{
	struct version *v, *next;

	if (!atomic_load(&e->have_garbage))
		return false;
	pthread_mutex_lock(&e->vlock);
	v = e->garbage;
	e->garbage = NULL;
	atomic_store(&e->have_garbage, false);
	pthread_mutex_unlock(&e->vlock);
	for (; v != NULL; v = next) {
		next = v->next;
		version_free(e, v);
	}
	return true;
}

/* No reader is left. */
void
versions_close(struct engine *e)
{
	if (e->cur == NULL)
		return;
	garbage_free(e);
	version_free(e, e->cur);
	e->cur = NULL;
}

/* --- slots --------------------------------------------------------- */

static struct slot *
slot_try(struct engine *e)
{
	unsigned from, i;
	struct slot *s;

	/* Each thread tends to find the slot that it had last. */
	from = (unsigned)((uintptr_t)pthread_self() >> 12) * 2654435761u >> 8;
	for (i = 0; i < e->nslots - 1; i++) {
		s = &e->slots[(from + i) % (e->nslots - 1)];
		if (!atomic_load_explicit(&s->busy, memory_order_relaxed) &&
		    !atomic_exchange_explicit(&s->busy, true,
		    memory_order_acquire))
			return s;
	}
	return NULL;
}

/*
 * The one at the serial point has the last slot for itself: readers that
 * wait for a checkpoint (on a full disk, for room) may have all others,
 * and the checkpoint waits for the serial point.
 */
struct txn *
slot_take(struct engine *e, bool serial)
{
	struct slot *s = serial ? &e->slots[e->nslots - 1] : slot_try(e);
	struct txn *t;

	pthread_mutex_lock(&e->vlock);
	while (s == NULL) {
		e->slot_waiters++;
		s = slot_try(e);	/* after we are seen to wait */
		if (s == NULL)
			pthread_cond_wait(&e->slot_free, &e->vlock);
		e->slot_waiters--;
		if (s == NULL)
			s = slot_try(e);
	}
	t = &s->txn;
	t->v = e->cur;
	atomic_fetch_add_explicit(&t->v->refs, 1, memory_order_relaxed);
	t->tick = atomic_load_explicit(&e->tick, memory_order_acquire);
	atomic_store_explicit(&s->tick, t->tick, memory_order_release);
	atomic_store_explicit(&s->base, t->v->base, memory_order_relaxed);
	pthread_mutex_unlock(&e->vlock);
	return t;
}

void
slot_give(struct engine *e, struct txn *t)
{
	struct slot *s = &e->slots[t->slot];
	struct version *v = t->v;

	t->v = NULL;
	atomic_store_explicit(&s->tick, UINT64_MAX, memory_order_release);
	atomic_store(&s->base, NULL);
	if (atomic_load(&v->base->retired))
		snap_drop(e, v->base, t->slot);
	version_put(e, v);
	atomic_store(&s->busy, false);
	if (atomic_load(&e->slot_waiters) > 0) {
		pthread_mutex_lock(&e->vlock);
		pthread_cond_signal(&e->slot_free);
		pthread_mutex_unlock(&e->vlock);
	}
}

/* The oldest tick that somebody reads at, or the newest there is. */
uint64_t
slots_min_tick(struct engine *e)
{
	uint64_t min, tick;
	unsigned i;

	pthread_mutex_lock(&e->vlock);
	min = atomic_load(&e->tick);
	for (i = 0; i < e->nslots; i++) {
		tick = atomic_load_explicit(&e->slots[i].tick,
		    memory_order_acquire);
		if (tick < min)
			min = tick;
	}
	tick = privates_min_tick(e);
	if (tick < min)
		min = tick;
	pthread_mutex_unlock(&e->vlock);
	return min;
}
