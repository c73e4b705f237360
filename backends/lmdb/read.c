/*
 * lmdb/read.c - snapshots of the rows, and what lies on damaged pages
 *
 * LMDB dies of a page that is not what it should be; see ../escape.h.
 */
#include <endian.h>
#include <stdlib.h>
#include <string.h>

#include "../../protocol/limits.h"
#include "../escape.h"
#include "lmdb_store.h"

#define NODE_HEAD	8u		/* LMDB's, before a key */
#define NODE_NEAR	512u		/* bytes worth a look ahead */
#define CACHE_LINE	64u
#define HOST_PAGE	4096u		/* of any machine */
#define NEAR_STEPS	4u		/* rows; then a search is no dearer */

struct lmdb_cur {
	struct lmdb_snap *snap;
	MDB_cursor *c;
	unsigned renewed;	/* the snapshot's, when it got its place */
	bool on;		/* stands on a row; LMDB would start over */
	size_t at_n;
	uint8_t at[VFS_KEY_MAX];	/* that row's key */
};

static struct vfs_slice
slice_of(const MDB_val *v)
{
	return (struct vfs_slice){ v->mv_data, v->mv_size };
}

/* --- damage -------------------------------------------------------- */

struct get {
	MDB_cursor *c;
	MDB_val *k, *v;
	MDB_cursor_op op;
};

static void
touch(const MDB_val *v)
{
	const volatile char *p = v->mv_data;
	size_t i;

	for (i = 0; i < v->mv_size; i += HOST_PAGE)
		(void)p[i];
	if (v->mv_size > 0)
		(void)p[v->mv_size - 1];
}

/* A value larger than a page has pages of its own, which LMDB lends without
 * a look at them. */
static int
get(void *arg)
{
	struct get *g = arg;
	int rc = mdb_cursor_get(g->c, g->k, g->v, g->op);

	if (rc == 0) {
		touch(g->k);
		touch(g->v);
	}
	return rc;
}

int
lmdb_cursor_get(MDB_cursor *c, MDB_val *k, MDB_val *v, MDB_cursor_op op)
{
	struct get g = { c, k, v, op };

	return escape_run(get, &g, MDB_CORRUPTED);
}

struct info {
	MDB_env *env;
	MDB_envinfo *out;
	MDB_txn **txn;			/* or NULL */
};

/* What has a look at both metas goes first: a txn that does not begin keeps
 * its reader's slot for ever. */
static int
info(void *arg)
{
	struct info *i = arg;
	int rc = mdb_env_info(i->env, i->out);

	return rc != 0 || i->txn == NULL ? rc :
	    mdb_txn_begin(i->env, NULL, MDB_RDONLY, i->txn);
}

int
lmdb_info(MDB_env *env, MDB_envinfo *out)
{
	struct info i = { env, out, NULL };

	return escape_run(info, &i, MDB_CORRUPTED);
}

int
lmdb_begin(MDB_env *env, MDB_txn **txn)
{
	MDB_envinfo out;
	struct info i = { env, &out, txn };

	return escape_run(info, &i, MDB_CORRUPTED);
}

/* --- snapshots and their rows -------------------------------------- */

/*
 * Lends a row's value.  Rows that were put in order lie one before the
 * other in a page, from its end on: have the next one, if it is as long as
 * this, come to the cache while this one is used.
 */
static void
lend(size_t key, const MDB_val *v, struct vfs_slice *val)
{
	size_t n = (NODE_HEAD + key + v->mv_size + 1) & ~(size_t)1;
	const char *node = (const char *)v->mv_data - key - NODE_HEAD, *p;

	*val = slice_of(v);
	if (n <= NODE_NEAR)
		for (p = node - n; p < node; p += CACHE_LINE)
			__builtin_prefetch(p);
}

int
lmdb_snap_begin(void *self, void **snap)
{
	struct lmdb_store *s = self;
	struct lmdb_snap *p;
	int rc = MDB_READERS_FULL;

	if (s->env == NULL)
		return -VFS_CORRUPT;
	if (!(p = calloc(1, sizeof *p)))
		return -VFS_NOMEM;
	p->s = s;
	pthread_mutex_lock(&s->lock);
	if (s->nsnaps < STORE_SNAPS_MAX)
		rc = lmdb_begin(s->env, &p->txn);
	if (rc == 0) {
		p->next = s->snaps;
		if (s->snaps)
			s->snaps->prev = p;
		s->snaps = p;
		s->nsnaps++;
	}
	pthread_mutex_unlock(&s->lock);
	if (rc != 0) {
		free(p);
		return lmdb_err(rc);
	}
	*snap = p;
	return 0;
}

void
lmdb_snap_end(void *snap)
{
	struct lmdb_snap *p = snap;
	struct lmdb_store *s;

	if (!p)
		return;
	s = p->s;
	pthread_mutex_lock(&s->lock);
	if (p->next)
		p->next->prev = p->prev;
	if (p->prev)
		p->prev->next = p->next;
	else
		s->snaps = p->next;
	s->nsnaps--;
	mdb_cursor_close(p->near);
	mdb_txn_abort(p->txn);
	pthread_mutex_unlock(&s->lock);
	free(p);
}

/*
 * LMDB gives up a transaction that has met damage, for all other rows too.
 * So the snapshot gets another one, unless there was a commit since.
 */
static void
renew(struct lmdb_snap *p)
{
	MDB_txn *txn = NULL, *old = p->txn;

	mdb_cursor_close(p->near);
	p->near = NULL;
	pthread_mutex_lock(&p->s->lock);
	if (lmdb_begin(p->s->env, &txn) == 0) {
		if (mdb_txn_id(txn) == mdb_txn_id(old)) {
			p->txn = txn;
			p->renewed++;
			txn = old;
		}
		mdb_txn_abort(txn);
	}
	pthread_mutex_unlock(&p->s->lock);
}

static bool
is_damage(int rc)
{
	return rc != 0 && rc != MDB_NOTFOUND;
}

/*
 * Keys end in numbers, and who asks for one number often asks for the next
 * one then: how far the key is behind the last that was found, if that is
 * near, or 0.  It is a guess; only the bytes that count are looked at.
 */
static unsigned
steps_to(struct lmdb_snap *p, struct vfs_slice key)
{
	uint64_t end, from = p->near_end;
	bool alike = key.n == p->near_n;

	p->near_n = 0;			/* until it is found */
	if (key.n < sizeof end)
		return 0;
	memcpy(&end, (const uint8_t *)key.p + key.n - sizeof end, sizeof end);
	p->near_end = end = be64toh(end);
	return alike && end > from && end - from <= NEAR_STEPS ?
	    (unsigned)(end - from) : 0;
}

/* 0: the row is among the next ones. */
static int
step_to(struct lmdb_snap *p, MDB_val *k, MDB_val *v, unsigned steps)
{
	MDB_val at;
	int rc = MDB_NOTFOUND;

	for (; steps > 0; steps--) {
		rc = lmdb_cursor_get(p->near, &at, v, MDB_NEXT);
		if (rc != 0)
			break;
		if (at.mv_size == k->mv_size &&
		    memcmp(at.mv_data, k->mv_data, k->mv_size) == 0)
			return 0;
		rc = MDB_NOTFOUND;
	}
	return rc;
}

/*
 * By a cursor that stays where the last row was: rows of one directory, or
 * of objects made one after the other, lie on the same page, and LMDB looks
 * there first.
 */
int
lmdb_get(void *snap, struct vfs_slice key, struct vfs_slice *val)
{
	struct lmdb_snap *p = snap;
	MDB_val k = val_of(key), v;
	int rc;

	if (p->near == NULL && (rc = mdb_cursor_open(p->txn, p->s->dbi,
	    &p->near)) != 0)
		return lmdb_err(rc);
	rc = step_to(p, &k, &v, steps_to(p, key));
	if (rc == MDB_NOTFOUND)
		rc = lmdb_cursor_get(p->near, &k, &v, MDB_SET);
	if (rc == 0) {
		p->near_n = key.n;
		lend(key.n, &v, val);
		return 0;
	}
	if (is_damage(rc))
		renew(p);
	return lmdb_err(rc);
}

int
lmdb_cur_open(void *snap, void **cur)
{
	struct lmdb_snap *p = snap;
	struct lmdb_cur *c;
	int rc;

	if (!(c = calloc(1, sizeof *c)))
		return -VFS_NOMEM;
	c->snap = p;
	c->renewed = p->renewed;
	if ((rc = mdb_cursor_open(p->txn, p->s->dbi, &c->c)) != 0) {
		free(c);
		return lmdb_err(rc);
	}
	*cur = c;
	return 0;
}

/* Into the snapshot's transaction: the one it stood in may be gone, or
 * nobody knows where it stands after damage. */
static int
cur_renew(struct lmdb_cur *c)
{
	int rc = mdb_cursor_renew(c->snap->txn, c->c);

	if (rc == 0)
		c->renewed = c->snap->renewed;
	return rc;
}

/* To the row where it stood in a transaction that is gone. */
static int
cur_return(struct lmdb_cur *c)
{
	MDB_val k = { c->at_n, c->at }, v;
	int rc = cur_renew(c);

	if (rc == 0)
		rc = lmdb_cursor_get(c->c, &k, &v, MDB_SET);
	if (rc == MDB_NOTFOUND)		/* it was there */
		rc = MDB_CORRUPTED;
	c->on = rc == 0;
	if (rc != 0)
		renew(c->snap);
	return lmdb_err(rc);
}

/* A walk that went back might never end. */
static bool
is_ahead(const struct lmdb_cur *c, MDB_cursor_op op, struct vfs_slice sought,
    struct vfs_slice found)
{
	if (found.n < 1 || found.n > sizeof c->at)
		return false;
	if (op == MDB_NEXT)
		return store_key_cmp((struct vfs_slice){ c->at, c->at_n },
		    found) < 0;
	return sought.n == 0 || store_key_cmp(sought, found) <= 0;
}

static int
cur_move(struct lmdb_cur *c, MDB_val *k, MDB_val *v, MDB_cursor_op op)
{
	struct vfs_slice sought = slice_of(k);
	int rc = lmdb_cursor_get(c->c, k, v, op);

	if (rc == 0 && !is_ahead(c, op, sought, slice_of(k)))
		rc = MDB_CORRUPTED;
	c->on = rc == 0;
	if (rc == 0) {
		c->at_n = k->mv_size;
		memcpy(c->at, k->mv_data, k->mv_size);
	}
	if (is_damage(rc))
		renew(c->snap);
	return lmdb_err(rc);
}

int
lmdb_cur_seek(void *cur, struct vfs_slice at,
    struct vfs_slice *key, struct vfs_slice *val)
{
	struct lmdb_cur *c = cur;
	MDB_val k = val_of(at), v;
	int err;

	if ((!c->on || c->renewed != c->snap->renewed) &&
	    (err = lmdb_err(cur_renew(c))) < 0)
		return err;
	/* LMDB refuses the empty key, which stands before all others. */
	err = cur_move(c, &k, &v, at.n > 0 ? MDB_SET_RANGE : MDB_FIRST);
	if (err < 0)
		return err;
	*key = slice_of(&k);
	lend(k.mv_size, &v, val);
	return 0;
}

int
lmdb_cur_next(void *cur, struct vfs_slice *key, struct vfs_slice *val)
{
	struct lmdb_cur *c = cur;
	MDB_val k = { 0, NULL }, v;
	int err;

	if (!c->on)
		return -VFS_NOENT;
	if (c->renewed != c->snap->renewed && (err = cur_return(c)) < 0)
		return err;
	if ((err = cur_move(c, &k, &v, MDB_NEXT)) < 0)
		return err;
	*key = slice_of(&k);
	lend(k.mv_size, &v, val);
	return 0;
}

void
lmdb_cur_close(void *cur)
{
	struct lmdb_cur *c = cur;

	if (!c)
		return;
	mdb_cursor_close(c->c);
	free(c);
}
