/*
 * txn.c - begin, abort, and the rows as a transaction sees them
 */
#include <assert.h>
#include <stdlib.h>
#include <string.h>

#include "../core/le.h"
#include "engine_impl.h"

static const struct req_env nobody;

int
vec_room(struct vec *v, size_t item, size_t more)
{
	size_t cap = v->cap;
	void *p;

	if (v->cap - v->n >= more)
		return 0;
	cap = cap * 2 > v->n + more ? cap * 2 : v->n + more;
	if ((p = realloc(v->p, cap * item)) == NULL)
		return -VFS_NOMEM;
	v->p = p;
	v->cap = cap;
	return 0;
}

/* --- begin and end ------------------------------------------------- */

static struct txn *
txn_start(struct engine *e, enum txn_mode mode, const struct req_env *env)
{
	uint64_t places = atomic_load(&e->places);
	struct txn *t = slot_take(e, mode == TXN_WRITE);
	struct did *d = &t->did;

	t->mode = mode;
	t->env = env != NULL ? env : &nobody;
	t->ws = NULL;
	t->taken = NULL;
	t->seq = mode == TXN_WRITE ? atomic_load(&e->seq_now) : 0;
	t->draft = t->whole = t->stable = false;
	t->nids = 0;
	t->places = places;
	d->first_id = atomic_load(&e->id_now);
	d->njournal = d->changes = 0;
	d->carries = false;
	d->frees.n = d->carried.n = d->carry_buf.n = 0;
	return t;
}

/* Without the checks of a client's write: recovery and format use it. */
int
txn_begin_inner(struct engine *e, enum txn_mode mode,
    const struct req_env *env, struct txn **out)
{
	if (mode == TXN_WRITE)
		pthread_mutex_lock(&e->serial);
	*out = txn_start(e, mode, env);
	if (mode == TXN_WRITE)
		(*out)->ws = e->ws;
	return 0;
}

static int
write_allowed(struct engine *e)
{
	return e->conf.rdonly || atomic_load(&e->latched) != 0 ?
	    -VFS_ROFS : 0;
}

bool
engine_writable(struct engine *e)
{
	return write_allowed(e) == 0;
}

static int
begin_write(struct engine *e, const struct req_env *env, struct txn **out)
{
	int err;

	if ((err = write_allowed(e)) < 0)
		return err;
	if (ckpt_pressed(e) && (err = bg_wait_room(e)) < 0)
		return err;
	pthread_mutex_lock(&e->serial);
	if ((err = write_allowed(e)) == 0)
		err = marks_need(e);
	if (err < 0) {
		pthread_mutex_unlock(&e->serial);
		return err;
	}
	*out = txn_start(e, TXN_WRITE, env);
	(*out)->ws = e->ws;
	return 0;
}

int
txn_begin(struct engine *e, enum txn_mode mode, const struct req_env *env,
    struct txn **out)
{
	return mode == TXN_READ ? txn_begin_inner(e, mode, env, out) :
	    begin_write(e, env, out);
}

int
txn_begin_speculated(struct engine *e, struct private *p,
    const struct req_env *env, struct txn **out)
{
	int err = begin_write(e, env, out);

	if (err < 0)
		return err;
	return p != NULL && speculation_take(p, *out) ? 1 : 0;
}

void
txn_end(struct txn *t)
{
	struct engine *e = t->e;
	bool write = t->mode == TXN_WRITE;
	unsigned i;

	for (i = 0; i < TXN_CURSORS_MAX; i++)
		txn_cur_close(&t->cur[i]);
	if (write)
		overlay_reset(e->ws);
	slot_give(e, t);
	if (write)
		pthread_mutex_unlock(&e->serial);
}

void
txn_abort(struct txn *t)
{
	if (t == NULL)
		return;
	if (t->taken != NULL)
		speculation_give_back(t);
	txn_end(t);
}

const struct req_env *
txn_env(const struct txn *t)
{
	return t->env;
}

enum txn_mode
txn_mode(const struct txn *t)
{
	return t->mode;
}

struct engine *
txn_engine(struct txn *t)
{
	return t->e;
}

/* --- rows ---------------------------------------------------------- */

int
row_check(struct txn *t, struct vfs_slice key, struct vfs_slice raw,
    struct vfs_slice *val)
{
	struct vfs_slice payload = { raw.p, raw.n - ROW_SUM };
	char text[96];

	if (raw.n >= ROW_SUM && le_get64((const uint8_t *)raw.p +
	    payload.n) == sum_row(key, payload)) {
		*val = payload;
		return 0;
	}
	return fault(t, -VFS_CORRUPT, "row %s: its checksum is wrong",
	    key_text(key, text, sizeof(text)));
}

static int
get_store(struct txn *t, struct vfs_slice key, struct vfs_slice *val)
{
	struct vfs_slice raw;
	char text[96];
	int err;

	if (ROW_IS_VOLATILE(*(const uint8_t *)key.p))
		return -VFS_NOENT;
	err = t->e->sops->get(txn_snap(t), key, &raw);
	if (err == 0)
		return row_check(t, key, raw, val);
	if (err == -VFS_NOENT)
		return err;
	return fault(t, err, "row %s", key_text(key, text, sizeof(text)));
}

int
txn_get(struct txn *t, struct vfs_slice key, struct vfs_slice *val)
{
	const struct ov_ver *v;
	uint32_t hash = 0;

	assert(key.n > 0 && key.n <= VFS_KEY_MAX);
	if (t->ws != NULL &&
	    (v = overlay_get(t->ws, key, OV_TICK_MAX, &hash)) != NULL) {
		*val = (struct vfs_slice){ v->b, v->n };
		return v->dead ? -VFS_NOENT : 0;
	}
	v = overlay_get(t->v->active, key, t->tick, &hash);
	if (v == NULL && t->v->frozen != NULL &&
	    !ROW_IS_VOLATILE(*(const uint8_t *)key.p))
		v = overlay_get(t->v->frozen, key, t->tick, &hash);
	if (v == NULL)
		return get_store(t, key, val);
	if (v->dead)
		return -VFS_NOENT;
	return row_check(t, key, (struct vfs_slice){ v->b, v->n }, val);
}

int
txn_put(struct txn *t, struct vfs_slice key, struct vfs_slice val)
{
	static const uint8_t none;

	assert(t->mode == TXN_WRITE);
	assert(key.n > 0 && key.n <= VFS_KEY_MAX);
	if (val.p == NULL)
		val.p = &none;		/* an empty row, not a deletion */
	if (t->priv != NULL)
		t->priv->puts++;
	return overlay_put(t->ws, key, val, 0);
}

int
txn_del(struct txn *t, struct vfs_slice key)
{
	assert(t->mode == TXN_WRITE);
	assert(key.n > 0 && key.n <= VFS_KEY_MAX);
	if (t->priv != NULL)
		t->priv->puts++;
	return overlay_put(t->ws, key, (struct vfs_slice){ NULL, 0 }, 0);
}

/* --- what is handed out -------------------------------------------- */

int
txn_new_id(struct txn *t, struct vfs_id *id)
{
	struct engine *e = t->e;
	int err;

	assert(t->mode == TXN_WRITE);
	if (t->nids > 0) {
		*id = *t->ids++;
		t->nids--;
		return 0;
	}
	if (t->priv != NULL)
		return private_new_id(t->priv, id);
	if ((err = marks_need(e)) < 0)
		return err;
	id->n = atomic_fetch_add(&e->id_now, 1);
	return 0;
}

struct vfs_id
txn_first_id(const struct txn *t)
{
	assert(t->mode == TXN_WRITE);
	return (struct vfs_id){ t->did.first_id };
}

struct vfs_seq
txn_seq(const struct txn *t)
{
	assert(t->mode == TXN_WRITE);
	if (txn_is_private(t))
		return (struct vfs_seq){ VFS_PROVISIONAL };
	return (struct vfs_seq){ t->seq };
}

int
txn_journal(struct txn *t, const struct rec_journal *rec,
    struct journal_pos *at)
{
	uint8_t buf[REC_JOURNAL_MAX];
	struct row_key key;

	assert(t->mode == TXN_WRITE);
	*at = (struct journal_pos){ 0, 0 };
	if (txn_is_private(t)) {
		row_key_id2(&key, ROW_JOURNAL, 0, 0);
		t->priv->journal += redo_row_size(key.n,
		    rec_journal_encode(rec, buf) + ROW_SUM);
		return 0;
	}
	*at = (struct journal_pos){ t->seq, t->did.njournal++ };
	t->did.changes |= 1u << rec->kind;
	row_key_id2(&key, ROW_JOURNAL, at->seq, at->idx);
	return txn_put(t, row_key_slice(&key), (struct vfs_slice){
	    buf, rec_journal_encode(rec, buf) });
}

/* A commit that moves something is under way, or this txn does it itself. */
static bool
unsettled(const struct txn *t, uint64_t places)
{
	return txn_is_private(t) || places % 2 != 0 ||
	    (t->did.changes & CHANGES_PLACES) != 0;
}

uint64_t
txn_placed(const struct txn *t)
{
	return unsettled(t, t->places) ? 0 : t->places + 2;
}

uint64_t
txn_places_now(const struct txn *t)
{
	uint64_t now = atomic_load(&t->e->places);

	return unsettled(t, now) ? 0 : now + 2;
}

void
txn_set_draft(struct txn *t)
{
	t->draft = !txn_publishes(t);
}

bool
txn_publishes(const struct txn *t)
{
	return t->whole || txn_is_private(t);
}

uint64_t
txn_slot_floor(const struct txn *t)
{
	return txn_is_private(t) ? VFS_PROVISIONAL : 0;
}

void
txn_set_whole(struct txn *t)
{
	t->whole = true;
}

void
txn_set_stable(struct txn *t)
{
	t->stable = true;
}

void
txn_set_env(struct txn *t, const struct req_env *env)
{
	t->env = env;
}

void
txn_set_ids(struct txn *t, const struct vfs_id *ids, size_t n)
{
	t->ids = ids;
	t->nids = n;
}

int
txn_free_blocks(struct txn *t, uint64_t block, uint32_t n, bool published)
{
	struct free_ent *f;

	assert(t->mode == TXN_WRITE && block > 0 && n > 0);
	if (txn_is_private(t))
		return 0;
	if (vec_room(&t->did.frees, sizeof(*f), 1) < 0)
		return -VFS_NOMEM;
	f = t->did.frees.p;
	f[t->did.frees.n++] = (struct free_ent){ block, n, published };
	return 0;
}

/* With n == 0 it only says that nothing unsynced is published. */
int
txn_carry(struct txn *t, uint64_t block, const void *p, size_t n)
{
	struct did *d = &t->did;
	struct carry_ent *c;

	assert(t->mode == TXN_WRITE);
	d->carries = true;
	if (n == 0)
		return 0;
	if (vec_room(&d->carried, sizeof(*c), 1) < 0 ||
	    vec_room(&d->carry_buf, 1, n) < 0)
		return -VFS_NOMEM;
	c = d->carried.p;
	c[d->carried.n++] = (struct carry_ent){ block, (uint32_t)n,
	    d->carry_buf.n };
	memcpy((uint8_t *)d->carry_buf.p + d->carry_buf.n, p, n);
	d->carry_buf.n += n;
	return 0;
}
