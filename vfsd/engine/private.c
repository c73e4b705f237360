/*
 * private.c - transactions that nobody else sees, or not yet
 *
 * Each pins a version (tables and a store snapshot, which it shares with
 * the others of its generation) and a tick, and has a write set of its
 * own.  All gets and puts are those of any other txn.
 *
 * A speculative one has the sequence number of the next commit, and what it
 * writes is that commit's, if the tick is still the same when it begins.
 */
#include <assert.h>
#include <stdlib.h>
#include <time.h>

#include "engine_impl.h"

#define GIVE_WAY_NS	50000

/* --- begin and end ------------------------------------------------- */

/* Take what a reader takes, but no slot. */
static void
pin(struct engine *e, struct private *p)
{
	struct txn *t = &p->txn;

	pthread_mutex_lock(&e->vlock);
	t->v = e->cur;
	p->seq.n = atomic_load(&e->last_seq);	/* or one that is older */
	atomic_fetch_add_explicit(&t->v->refs, 1, memory_order_relaxed);
	t->tick = atomic_load_explicit(&e->tick, memory_order_acquire);
	base_private(e, t->v->base, +1);
	p->generation = e->generation;
	p->next = e->privates;
	if (p->next != NULL)
		p->next->prev = &p->next;
	p->prev = &e->privates;
	e->privates = p;
	pthread_mutex_unlock(&e->vlock);
}

/* Under vlock; the caller puts the version afterwards. */
static struct version *
unpin(struct engine *e, struct private *p)
{
	struct version *v = p->txn.v;

	*p->prev = p->next;
	if (p->next != NULL)
		p->next->prev = p->prev;
	base_private(e, v->base, -1);
	p->txn.v = NULL;
	p->expired = true;
	return v;
}

static int
private_new(struct engine *e, struct private **out)
{
	struct private *p = calloc(1, sizeof(*p));
	int err;

	if (p == NULL)
		return -VFS_NOMEM;
	if ((err = overlay_new(false, &p->ws)) < 0) {
		free(p);
		return err;
	}
	p->txn.e = e;
	p->txn.mode = TXN_WRITE;
	p->txn.slot = e->nslots;
	p->txn.ws = p->ws;
	p->txn.priv = p;
	pthread_mutex_init(&p->busy, NULL);
	*out = p;
	return 0;
}

int
private_begin(struct engine *e, struct private **out)
{
	int err = private_new(e, out);

	if (err == 0)
		pin(e, *out);
	return err;
}

int
speculation_begin(struct engine *e, struct private **out)
{
	struct txn *t;
	int err;

	if (atomic_exchange(&e->speculates, true))
		return -VFS_BUSY;
	if ((err = private_new(e, out)) < 0) {
		atomic_store(&e->speculates, false);
		return err;
	}
	t = &(*out)->txn;
	t->speculative = t->whole = true;
	pthread_mutex_lock(&e->serial);
	pin(e, *out);
	t->seq = atomic_load(&e->seq_now);
	t->did.first_id = atomic_load(&e->id_now);
	t->places = atomic_load(&e->places);
	pthread_mutex_unlock(&e->serial);
	return 0;
}

void
private_end(struct private *p)
{
	struct version *v = NULL;
	struct engine *e;

	if (p == NULL)
		return;
	e = p->txn.e;
	pthread_mutex_lock(&e->vlock);
	if (!p->expired)
		v = unpin(e, p);
	pthread_mutex_unlock(&e->vlock);
	if (v != NULL)
		version_put(e, v);
	pthread_mutex_destroy(&p->busy);
	if (p->txn.speculative)
		atomic_store(&e->speculates, false);
	free(p->txn.did.frees.p);
	free(p->txn.did.carried.p);
	free(p->txn.did.carry_buf.p);
	overlay_free(p->ws);
	free(p->issued.p);
	free(p);
}

/*
 * The checkpoint thread, before it makes one more generation: those that
 * keep the oldest alive have had their time.  One that is at work just
 * now is met the next time.
 */
void
privates_retire(struct engine *e)
{
	struct version *v[8];
	struct private *p, *next;
	size_t n, i;

	do {
		n = 0;
		pthread_mutex_lock(&e->vlock);
		for (p = e->privates; p != NULL && n < 8; p = next) {
			next = p->next;
			if (e->generation - p->generation + 2 <
			    GENERATIONS_MAX ||
			    pthread_mutex_trylock(&p->busy) != 0)
				continue;
			v[n++] = unpin(e, p);
			pthread_mutex_unlock(&p->busy);
		}
		pthread_mutex_unlock(&e->vlock);
		for (i = 0; i < n; i++)
			version_put(e, v[i]);
	} while (n == 8);
}

uint64_t
privates_min_tick(const struct engine *e)
{
	const struct private *p;
	uint64_t min = UINT64_MAX;

	for (p = e->privates; p != NULL; p = p->next)
		if (p->txn.tick < min)
			min = p->txn.tick;
	return min;
}

/* --- one operation ------------------------------------------------- */

static int
may_enter(const struct private *p)
{
	if (p->expired)
		return -VFS_EXPIRED;
	if (!p->txn.speculative)
		return 0;
	if (!engine_writable(p->txn.e))
		return -VFS_ROFS;
	return p->taken || !speculation_holds(p) ? -VFS_CONFLICT : 0;
}

/*
 * Who runs many one after the other would always be faster than one that has
 * to be woken for its turn.
 */
static void
take_turn(struct private *p)
{
	struct base *b = p->txn.v->base;

	if (p->txn.speculative && atomic_load(&b->waiting) > 0)
		nanosleep(&(struct timespec){ 0, GIVE_WAY_NS }, NULL);
	atomic_fetch_add(&b->waiting, 1);
	pthread_mutex_lock(&b->shared);
	atomic_fetch_sub(&b->waiting, 1);
}

int
private_enter(struct private *p, const struct req_env *env, struct txn **t)
{
	int err;

	pthread_mutex_lock(&p->busy);
	if ((err = may_enter(p)) < 0) {
		pthread_mutex_unlock(&p->busy);
		return err;
	}
	take_turn(p);
	p->txn.env = env;
	p->txn.nids = 0;
	*t = &p->txn;
	return 0;
}

void
private_leave(struct private *p)
{
	unsigned i;

	for (i = 0; i < TXN_CURSORS_MAX; i++)
		txn_cur_close(&p->txn.cur[i]);
	p->txn.ws = p->ws;
	p->txn.env = NULL;
	pthread_mutex_unlock(&p->txn.v->base->shared);
	pthread_mutex_unlock(&p->busy);
}

void
private_look(struct private *p, bool below)
{
	p->txn.ws = below ? NULL : p->ws;
}

void
private_reset(struct private *p)
{
	overlay_reset(p->ws);
	p->journal = 0;
}

/* Ids come from the serial point, which is left at once. */
int
private_new_id(struct private *p, struct vfs_id *id)
{
	struct engine *e = p->txn.e;
	int err;

	if (vec_room(&p->issued, sizeof(*id), 1) < 0)
		return -VFS_NOMEM;
	pthread_mutex_lock(&e->serial);
	if ((err = marks_need(e)) == 0)
		id->n = atomic_fetch_add(&e->id_now, 1);
	pthread_mutex_unlock(&e->serial);
	if (err == 0)
		((struct vfs_id *)p->issued.p)[p->issued.n++] = *id;
	return err;
}

/* --- what was speculated -------------------------------------------- */

/* t is at the serial point, whose write set changes hands. */
static void
swap_writes(struct private *p, struct txn *t)
{
	struct overlay *ws = p->ws;
	struct did did = p->txn.did;

	p->ws = p->txn.ws = t->ws;
	p->txn.did = t->did;
	t->ws = t->e->ws = ws;
	t->did = did;
}

bool
speculation_holds(const struct private *p)
{
	return p->txn.tick == atomic_load(&p->txn.e->tick);
}

/* With the same tick it is the same state, whatever checkpoints have made of
 * its tables. */
bool
speculation_take(struct private *p, struct txn *t)
{
	if (p->taken || p->txn.tick != t->tick)
		return false;
	assert(p->txn.seq == t->seq);
	swap_writes(p, t);
	p->taken = true;
	t->taken = p;
	return true;
}

void
speculation_give_back(struct txn *t)
{
	swap_writes(t->taken, t);
	t->taken->taken = false;
	t->taken = NULL;
}

/* --- looking ------------------------------------------------------- */

uint64_t
private_puts(const struct private *p)
{
	return p->puts;
}

size_t
private_bytes(const struct private *p)
{
	return overlay_bytes(p->ws);
}

size_t
private_record(const struct private *p)
{
	return overlay_newest(p->ws) + p->journal +
	    overlay_rows(p->ws) * redo_row_size(0, ROW_SUM);
}

const struct vfs_id *
private_ids(const struct private *p, size_t *n)
{
	*n = p->issued.n;
	return p->issued.p;
}

struct vfs_seq
private_seq(const struct private *p)
{
	return p->seq;
}

size_t
engine_commit_max(const struct engine *e)
{
	return atomic_load(&e->log_size) / 4;
}
