#include <inttypes.h>
#include <stdlib.h>
#include <string.h>

#include "where.h"

#define DEPTH_MAX	(1u << 20)	/* more parents are damage */

static const struct journal_pos never = { UINT64_MAX, UINT32_MAX };

void
where_init(struct where *w, struct txn *t, struct vfs_id top)
{
	memset(w, 0, sizeof *w);
	w->t = t;
	w->top = top.n;
}

void
where_end(struct where *w)
{
	txn_cur_close(w->moved);
	txn_cur_close(w->links);
	free(w->names);
	w->moved = w->links = NULL;
	w->names = NULL;
}

static int
open_once(struct where *w, struct txn_cur **c)
{
	return *c != NULL ? 0 : txn_cur_open(w->t, c);
}

/* --- what happened to an object's names ------------------------------- */

struct moved {
	struct journal_pos at;
	struct rec_moved m;
};

/* One row under the cursor; -VFS_NOENT behind the object's last. */
static int
moved_take(struct where *w, int err, struct vfs_slice key,
    struct vfs_slice val, struct moved *out)
{
	struct row_parts p;

	w->work++;
	if (err < 0)
		return err;
	if ((err = row_key_parse(key, &p)) == 0)
		err = rec_moved_decode(val, &out->m);
	if (err < 0)
		return fault(w->t, -VFS_CORRUPT, "a row that tells where "
		    "object %" PRIu64 " was", p.a);
	out->at = (struct journal_pos){ p.b, (uint32_t)p.c };
	return 0;
}

static int
moved_after(struct where *w, uint64_t id, struct journal_pos at,
    struct moved *out)
{
	struct vfs_slice key, val;
	struct row_key k;
	int err;

	if ((err = open_once(w, &w->moved)) < 0)
		return err;
	row_key_moved(&k, (struct vfs_id){ id }, at.seq,
	    (uint64_t)at.idx + 1);
	err = txn_cur_seek_in(w->moved, row_key_slice(&k), ROW_KEY_ID, &key,
	    &val);
	return moved_take(w, err, key, val, out);
}

static int
moved_next(struct where *w, struct moved *out)
{
	struct vfs_slice key, val;
	int err = txn_cur_next(w->moved, &key, &val);

	return moved_take(w, err, key, val, out);
}

/* --- directories ------------------------------------------------------ */

/* Today's parent, 0 if it has no place in the tree any more. */
static int
parent_now(struct where *w, uint64_t dir, uint64_t *parent)
{
	struct node n;
	int err = node_get_published(w->t, (struct vfs_id){ dir }, &n);

	*parent = 0;
	if (err == -VFS_NO_SUCH_ID)
		return 0;
	if (err == 0 && n.in.nlink > 0)
		*parent = n.in.parent;
	return err;
}

static bool
before(struct journal_pos a, struct journal_pos b)
{
	return a.seq < b.seq || (a.seq == b.seq && a.idx < b.idx);
}

static int
parent_at(struct where *w, uint64_t dir, struct journal_pos at,
    uint64_t *parent)
{
	struct where_dir *d = &w->cache[(dir * 0x9e3779b97f4a7c15ull >> 32) %
	    WHERE_CACHE];
	struct moved x;
	int err;

	if (d->dir != dir || !before(at, d->until)) {
		err = moved_after(w, dir, at, &x);
		d->dir = 0;
		if (err == 0) {
			d->until = x.at;
			d->parent = x.m.from.n;
		} else if (err == -VFS_NOENT) {
			d->until = never;
			err = parent_now(w, dir, &d->parent);
		}
		if (err < 0)
			return err;
		d->dir = dir;
	}
	*parent = d->parent;
	return 0;
}

int
where_dir(struct where *w, uint64_t dir, struct journal_pos at)
{
	unsigned i;
	int err;

	for (i = 0; i < DEPTH_MAX; i++, w->work++) {
		if (dir == w->top)
			return 1;
		if (dir == VFS_ID_ROOT || dir == 0)
			return 0;
		if ((err = parent_at(w, dir, at, &dir)) < 0)
			return err;
	}
	return fault(w->t, -VFS_CORRUPT, "the parents of directory %" PRIu64
	    " had no end", dir);
}

/* --- objects with several names --------------------------------------- */

static int
name_add(struct where *w, uint64_t dir, int64_t by)
{
	size_t cap = w->cap > 0 ? 2 * w->cap : 64;
	struct where_name *v;

	if (dir == 0)
		return 0;
	if (w->nnames == w->cap) {
		if ((v = realloc(w->names, cap * sizeof *v)) == NULL)
			return -VFS_NOMEM;
		w->names = v;
		w->cap = cap;
	}
	w->names[w->nnames++] = (struct where_name){ dir, by };
	return 0;
}

static int
names_now(struct where *w, uint64_t id)
{
	struct vfs_slice key, val;
	struct row_parts p;
	struct row_key k;
	int err;

	if ((err = open_once(w, &w->links)) < 0)
		return err;
	row_key_id(&k, ROW_LINK, id);
	err = txn_cur_seek_in(w->links, row_key_slice(&k), ROW_KEY_ID, &key,
	    &val);
	while (err == 0) {
		w->work++;
		if ((err = row_key_parse(key, &p)) == 0)
			err = name_add(w, p.b, 1);
		if (err == 0)
			err = txn_cur_next(w->links, &key, &val);
	}
	return err == -VFS_NOENT ? 0 : err;
}

/* Sums do not ask for an order. */
static int
names_undo(struct where *w, uint64_t id, struct journal_pos at)
{
	struct moved x;
	int err = moved_after(w, id, at, &x);

	while (err == 0) {
		if ((err = name_add(w, x.m.from.n, 1)) == 0 &&
		    (err = name_add(w, x.m.to.n, -1)) == 0)
			err = moved_next(w, &x);
	}
	return err == -VFS_NOENT ? 0 : err;
}

static int
by_dir(const void *a, const void *b)
{
	const struct where_name *x = a, *y = b;

	return x->dir < y->dir ? -1 : x->dir > y->dir;
}

/* Any of its names. */
static int
names_below(struct where *w, uint64_t id, struct journal_pos at,
    uint64_t *parent)
{
	size_t i, j;
	int64_t n;
	int err;

	w->nnames = 0;
	if ((err = names_now(w, id)) < 0 ||
	    (err = names_undo(w, id, at)) < 0)
		return err;
	if (w->nnames > 0)
		qsort(w->names, w->nnames, sizeof w->names[0], by_dir);
	for (i = 0; i < w->nnames; i = j) {
		*parent = w->names[i].dir;
		for (n = 0, j = i; j < w->nnames &&
		    w->names[j].dir == *parent; j++)
			n += w->names[j].n;
		if (n > 0 && (err = where_dir(w, *parent, at)) != 0)
			return err;
	}
	return 0;
}

int
where_object(struct where *w, const struct rec_journal *j,
    struct journal_pos at, uint64_t *parent)
{
	*parent = 0;
	if (j->id.n == w->top)
		return 1;
	if (j->flags & JOURNAL_MANY)
		return names_below(w, j->id.n, at, parent);
	/* Other records than these have a parent that does not say where
	 * the object is. */
	if (j->kind < JOURNAL_DATA || j->kind > JOURNAL_DELETE)
		return 0;
	*parent = j->parent.n;
	return where_dir(w, j->parent.n, at);
}
