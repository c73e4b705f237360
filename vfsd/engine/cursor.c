/*
 * cursor.c - one walk over write set, tables and store
 *
 * Layers are asked from the newest to the oldest; the first that has a
 * key decides what it is, and a deletion there hides it below.
 */
#include <assert.h>
#include <string.h>

#include "engine_impl.h"

/* --- one layer ----------------------------------------------------- */

static bool
is_within(const struct txn_cur *c, struct vfs_slice key)
{
	return key.n >= c->within.n &&
	    memcmp(key.p, c->within.b, c->within.n) == 0;
}

static bool
is_volatile(struct vfs_slice key)
{
	return key.n > 0 && ROW_IS_VOLATILE(*(const uint8_t *)key.p);
}

/*
 * From where it stands on to the first key that exists at its tick.  Live
 * volatile rows were put into the active table when the frozen one was
 * frozen; deletions in the active one may have left the walk.
 */
static void
layer_settle(const struct txn_cur *c, struct layer *l)
{
	bool frozen = l == &c->layer[LAYER_FROZEN];

	for (; l->at != NULL; l->at = overlay_next(l->o, l->at)) {
		if (frozen && is_volatile(overlay_key(l->at)))
			break;
		if ((l->ver = overlay_at(l->at, l->tick)) != NULL)
			return;
		if (!is_within(c, overlay_key(l->at)))
			break;
	}
	l->at = NULL;
}

static void
layer_seek(const struct txn_cur *c, struct layer *l, struct vfs_slice at)
{
	if (l->o == NULL || overlay_rows(l->o) == 0)
		l->at = NULL;
	else
		l->at = overlay_seek(l->o, at);
	layer_settle(c, l);
}

/* --- the store ----------------------------------------------------- */

static int
store_result(struct txn_cur *c, int err, const char *what)
{
	c->store_live = err == 0;
	if (err == 0 || err == -VFS_NOENT)
		return 0;
	return fault(c->t, err, "row store: %s", what);
}

static int
store_seek(struct txn_cur *c, struct vfs_slice at)
{
	const struct store_ops *ops = c->t->e->sops;
	int err;

	c->store_live = false;
	if (is_volatile(at))
		return 0;
	if (c->store == NULL) {
		err = ops->cur_open(txn_snap(c->t),
		    &c->store);
		if (err < 0)
			return store_result(c, err, "open a cursor");
	}
	err = ops->cur_seek(c->store, at, &c->skey, &c->sval);
	return store_result(c, err, "seek");
}

static int
store_next(struct txn_cur *c)
{
	return store_result(c, c->t->e->sops->cur_next(c->store, &c->skey,
	    &c->sval), "next");
}

/* --- all of them --------------------------------------------------- */

int
txn_cur_open(struct txn *t, struct txn_cur **out)
{
	struct txn_cur *c;
	unsigned i;

	for (i = 0; i < TXN_CURSORS_MAX && t->cur[i].open; i++)
		;
	assert(i < TXN_CURSORS_MAX);
	c = &t->cur[i];
	c->t = t;
	c->open = true;
	c->store = NULL;
	c->store_live = false;
	c->layer[LAYER_WS] = (struct layer){ t->ws, OV_TICK_MAX, NULL, NULL };
	c->layer[LAYER_ACTIVE] =
	    (struct layer){ t->v->active, t->tick, NULL, NULL };
	c->layer[LAYER_FROZEN] =
	    (struct layer){ t->v->frozen, t->tick, NULL, NULL };
	*out = c;
	return 0;
}

void
txn_cur_close(struct txn_cur *c)
{
	if (c == NULL || !c->open)
		return;
	if (c->store != NULL)
		c->t->e->sops->cur_close(c->store);
	c->store = NULL;
	c->open = false;
}

/* The layer with the smallest key, the newest of equals; LAYERS: the
 * store; -1: nothing is left. */
static int
smallest(const struct txn_cur *c, struct vfs_slice *key)
{
	int best = -1, i;

	for (i = 0; i < LAYERS; i++) {
		struct vfs_slice k;

		if (c->layer[i].at == NULL)
			continue;
		k = overlay_key(c->layer[i].at);
		if (best < 0 || slice_cmp(k, *key) < 0) {
			best = i;
			*key = k;
		}
	}
	if (c->store_live && (best < 0 || slice_cmp(c->skey, *key) < 0)) {
		best = LAYERS;
		*key = c->skey;
	}
	return best;
}

/* The tables have nothing more to say: the walk is the store's. */
static bool
only_store(const struct txn_cur *c)
{
	int i;

	for (i = 0; i < LAYERS && c->layer[i].at == NULL; i++)
		;
	return i == LAYERS && c->store_live;
}

/* Move every layer that stands on key past it. */
static int
pass(struct txn_cur *c, struct vfs_slice key)
{
	int i;

	for (i = 0; i < LAYERS; i++) {
		struct layer *l = &c->layer[i];

		if (l->at == NULL || slice_cmp(overlay_key(l->at), key) != 0)
			continue;
		l->at = overlay_next(l->o, l->at);
		layer_settle(c, l);
	}
	if (c->store_live && slice_cmp(c->skey, key) == 0)
		return store_next(c);
	return 0;
}

static bool
is_behind(const struct txn_cur *c, struct vfs_slice key)
{
	return c->end.n > 0 && slice_cmp(key, row_key_slice(&c->end)) > 0;
}

/* Lend the first row that exists from where the layers stand. */
static int
lend(struct txn_cur *c, struct vfs_slice *key, struct vfs_slice *val)
{
	const struct ov_ver *v;
	struct vfs_slice raw;
	int from, err;

	for (;;) {
		from = smallest(c, key);
		if (from < 0 || !is_within(c, *key) || is_behind(c, *key))
			return -VFS_NOENT;
		if (from == LAYERS) {
			raw = c->sval;
			break;
		}
		v = c->layer[from].ver;
		raw = (struct vfs_slice){ v->b, v->n };
		if (!v->dead)
			break;
		if ((err = pass(c, *key)) < 0)
			return err;
	}
	if (key->n == 0 || key->n > VFS_KEY_MAX) {	/* only damage does */
		*key = (struct vfs_slice){ NULL, 0 };
		return fault(c->t, -VFS_CORRUPT,
		    "row store: a key of impossible length");
	}
	c->last.n = key->n;
	if (!only_store(c))
		memcpy(c->last.b, key->p, key->n);
	if (from == LAYER_WS) {
		*val = raw;		/* not summed yet */
		return 0;
	}
	return row_check(c->t, *key, raw, val);
}

static int
seek_in(struct txn_cur *c, struct vfs_slice at, size_t n,
    struct vfs_slice *key, struct vfs_slice *val)
{
	int i, err;

	assert(c->open && n <= at.n && at.n <= VFS_KEY_MAX);
	memcpy(c->within.b, at.p, n);
	c->within.n = n;
	for (i = 0; i < LAYERS; i++)
		layer_seek(c, &c->layer[i], at);
	if ((err = store_seek(c, at)) < 0)
		return err;
	return lend(c, key, val);
}

int
txn_cur_seek(struct txn_cur *c, struct vfs_slice at, struct vfs_slice *key,
    struct vfs_slice *val)
{
	c->end.n = 0;
	return seek_in(c, at, 0, key, val);
}

int
txn_cur_seek_in(struct txn_cur *c, struct vfs_slice at, size_t n,
    struct vfs_slice *key, struct vfs_slice *val)
{
	c->end.n = 0;
	return seek_in(c, at, n, key, val);
}

int
txn_cur_seek_until(struct txn_cur *c, struct vfs_slice at,
    struct vfs_slice end, struct vfs_slice *key, struct vfs_slice *val)
{
	const uint8_t *a = at.p, *b = end.p;
	size_t n = 0;

	assert(end.n > 0 && end.n <= VFS_KEY_MAX);
	memcpy(c->end.b, end.p, end.n);
	c->end.n = end.n;
	while (n < at.n && n < end.n && a[n] == b[n])
		n++;
	return seek_in(c, at, n, key, val);
}

int
txn_cur_next(struct txn_cur *c, struct vfs_slice *key,
    struct vfs_slice *val)
{
	int err;

	assert(c->open && c->last.n > 0);
	if (only_store(c))
		err = store_next(c);
	else
		err = pass(c, row_key_slice(&c->last));
	return err < 0 ? err : lend(c, key, val);
}
