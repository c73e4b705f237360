/*
 * visible.c - a commit on its way through mark, tell, commit, unmark
 */
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "../core/record.h"
#include "../engine/engine.h"
#include "visible_in.h"

#define SETTLE_TRIES	20000u		/* for an object on its way in or out */
#define SETTLE_NS	100000

enum {
	IS_NAME = 1 << 0,
	HAS_PAGES = 1 << 1,		/* its bytes change */
	HAS_ACL = 1 << 2,		/* an xattr does */
	TOLD = 1 << 3,			/* the kernel keeps nothing of it */
};

struct visible_thing {
	uint64_t hash;
	uint64_t mark;			/* the mark that it has; 0: another's */
	struct vfs_id id;		/* names: the directory */
	size_t name_at;
	uint16_t name_n;
	uint8_t is;
};

static struct vfs_slice
name_of(const struct visible_commit *c, const struct visible_thing *x)
{
	return (struct vfs_slice){ c->names + x->name_at, x->name_n };
}

void
visible_begin(struct visible_commit *c, struct visible *v)
{
	*c = (struct visible_commit){ .v = v };
	if (v == NULL)
		return;
	c->moves = atomic_load(&v->moves);
	c->since_ns = clock_ns();
}

/* --- what it touches ------------------------------------------------------- */

static int
slots_grow(struct visible_commit *c)
{
	size_t n = c->nslots > 0 ? 2 * c->nslots : 32, i, at;
	uint32_t *p = calloc(n, sizeof *p);

	if (p == NULL)
		return -VFS_NOMEM;
	for (i = 0; i < c->n; i++) {
		at = c->things[i].hash & (n - 1);
		while (p[at] != 0)
			at = (at + 1) & (n - 1);
		p[at] = (uint32_t)i + 1;
	}
	free(c->slots);
	c->slots = p;
	c->nslots = n;
	return 0;
}

static struct visible_thing *
find(struct visible_commit *c, uint64_t hash, size_t *at)
{
	struct visible_thing *x;

	*at = hash & (c->nslots - 1);
	for (; c->slots[*at] != 0; *at = (*at + 1) & (c->nslots - 1)) {
		x = &c->things[c->slots[*at] - 1];
		if (x->hash == hash)
			return x;
	}
	return NULL;
}

static int
room(struct visible_commit *c, size_t name_n)
{
	size_t cap;
	void *p;

	if ((c->n + 1) * 2 > c->nslots && slots_grow(c) < 0)
		return -VFS_NOMEM;
	if (c->n == c->cap) {
		cap = c->cap > 0 ? 2 * c->cap : 16;
		if ((p = realloc(c->things, cap * sizeof *c->things)) == NULL)
			return -VFS_NOMEM;
		c->things = p;
		c->cap = cap;
	}
	if (name_n > c->names_cap - c->names_n) {
		cap = 2 * c->names_cap + VFS_NAME_MAX;
		if ((p = realloc(c->names, cap)) == NULL)
			return -VFS_NOMEM;
		c->names = p;
		c->names_cap = cap;
	}
	return 0;
}

static int
add(struct visible_commit *c, uint64_t hash, struct vfs_id id,
    struct vfs_slice name, unsigned is)
{
	struct visible_thing *x;
	size_t at;
	int err;

	if ((err = room(c, name.n)) < 0)
		return err;
	if ((x = find(c, hash, &at)) == NULL) {
		x = &c->things[c->n++];
		*x = (struct visible_thing){ .hash = hash, .id = id,
		    .name_at = c->names_n, .name_n = (uint16_t)name.n };
		if (name.n > 0)
			memcpy(c->names + c->names_n, name.p, name.n);
		c->names_n += name.n;
		c->slots[at] = (uint32_t)c->n;
	}
	x->is |= is;
	return 0;
}

static void
touched(void *arg, struct vfs_slice key)
{
	static const struct vfs_slice none;
	struct visible_commit *c = arg;
	struct row_parts r;
	unsigned is = 0;

	if (c->err < 0 || row_key_parse(key, &r) < 0 ||
	    r.a >= c->first_new.n)
		return;
	switch (r.kind) {
	case ROW_NAME:
		c->err = add(c, mark_name((struct vfs_id){ r.a }, r.name),
		    (struct vfs_id){ r.a }, r.name, IS_NAME);
		return;
	case ROW_XATTR:
		is = HAS_ACL;
		break;
	case ROW_INLINE:
	case ROW_EXTENT:
	case ROW_DINLINE:
	case ROW_DEXTENT:
		is = HAS_PAGES;
		break;
	case ROW_INODE:
	case ROW_DRAFT:
		break;
	default:
		return;
	}
	c->err = add(c, mark_object((struct vfs_id){ r.a }),
	    (struct vfs_id){ r.a }, none, is);
}

/* --- marks ----------------------------------------------------------------- */

/*
 * A directory that the kernel does not have: one mark stands for all of
 * its names, of which the kernel has none.
 */
static uint64_t
mark_for(struct visible_commit *c, const struct visible_thing *x)
{
	bool same = c->last_dir.n == x->id.n;

	if (!(x->is & IS_NAME))
		return x->hash;
	if (!same) {
		c->last_dir = x->id;
		c->last_held = visible_holds(c->v, x->id);
	}
	if (c->last_held)
		return x->hash;
	return same ? 0 : mark_names(x->id);
}

static int
mark(struct visible_commit *c)
{
	struct visible_thing *x;
	int err = 0;

	if (c->n > VISIBLE_MARKS && !c->all) {
		if ((err = marks_add(c->v, MARK_ALL)) < 0)
			return err;
		c->all = true;
	}
	for (; c->marked < c->n; c->marked++) {
		x = &c->things[c->marked];
		if (!c->all)
			x->mark = mark_for(c, x);
		if (x->mark != 0 && (err = marks_add(c->v, x->mark)) < 0) {
			x->mark = 0;
			return err;
		}
	}
	return 0;
}

/* Names that the kernel has renamed since it was told are not told. */
static void
unsay_moved(struct visible_commit *c)
{
	uint64_t now = atomic_load(&c->v->moves), i;
	struct visible_thing *x;
	size_t at;

	if (now - c->moves > VISIBLE_MOVES / 2) {	/* others move, too */
		for (i = 0; i < c->n; i++)
			c->things[i].is &= (uint8_t)~TOLD;
		return;
	}
	for (i = c->moves; c->n > 0 && i < now; i++) {
		x = find(c, atomic_load(&c->v->moved[i &
		    (VISIBLE_MOVES - 1)]), &at);
		if (x != NULL)
			x->is &= (uint8_t)~TOLD;
	}
}

/*
 * What the kernel may keep, after it was marked: what it gets from now on
 * it does not keep.  (Who holds first and then looks for marks, and who
 * marks first and then looks for holds: the lock of the holds is between
 * them, so one sees the other.)  Returns how much was not told yet.
 */
static size_t
know(struct visible_commit *c)
{
	struct vfs_id dir = { 0 };
	struct visible_thing *x;
	bool held = false;
	size_t i, n = 0;

	unsay_moved(c);
	for (i = 0; i < c->n; i++) {
		x = &c->things[i];
		if (x->is & TOLD)
			continue;
		if (x->id.n != dir.n) {
			dir = x->id;
			held = visible_holds(c->v, dir);
		}
		if (!held)
			x->is |= TOLD;	/* it is marked: that is enough */
		n += held;
	}
	return n;
}

int
visible_txn_commit(struct visible_commit *c, struct txn *t,
    struct vfs_seq *seq)
{
	int err;

	if (c->v == NULL)
		return txn_commit(t, seq);
	atomic_fetch_add(&c->v->deaf, 1);
	if (!atomic_load(&c->v->listening)) {
		err = txn_commit(t, seq);
		atomic_fetch_sub(&c->v->deaf, 1);
		return err;
	}
	atomic_fetch_sub(&c->v->deaf, 1);
	c->first_new = txn_first_id(t);
	txn_each_key(t, touched, c);
	if ((err = c->err) == 0)
		err = mark(c);
#ifdef PLANT_VISIBLE_TELL_AFTER
	c->tries = VISIBLE_TRIES;
#endif
	if (err == 0 && know(c) > 0 && c->tries < VISIBLE_TRIES)
		err = VISIBLE_TELL;
	c->tried = err == 0;		/* even if it fails: a sync may have */
	if (err != 0)
		txn_abort(t);
	else
		err = txn_commit(t, seq);
	return err;
}

/* --- telling --------------------------------------------------------------- */

static void
tell_object(struct visible_commit *c, struct visible_thing *x, bool pages)
{
	struct visible *v = c->v;

	if (v->ear.object(v->ear.arg, x->id, pages) == 0)
		x->is |= TOLD;
	atomic_fetch_add(pages ? &v->count.pages : &v->count.objects, 1);
}

/* Where the ear wants it.  ear_lock is held. */
static void
run(struct visible *v, void (*fn)(void *), void *p)
{
	if (v->ear.object == NULL)
		return;
	if (v->ear.run != NULL)
		v->ear.run(v->ear.arg, fn, p);
	else
		fn(p);
}

/*
 * The kernel has a reference to it and does not know it: a reply that
 * hands it over is on its way in, or what it gave back on its way out.
 */
static void
tell_late(struct visible_commit *c, struct visible_thing *x)
{
	static const struct timespec nap = { .tv_nsec = SETTLE_NS };
	unsigned i;

	for (i = 0; i < SETTLE_TRIES && !(x->is & TOLD) &&
	    visible_holds(c->v, x->id); i++) {
		nanosleep(&nap, NULL);
		tell_object(c, x, false);
	}
	x->is |= TOLD;
}

/* Objects first: a name that goes may take its object with it. */
static void
tell_all(void *p)
{
	struct visible_commit *c = p;
	struct visible *v = c->v;
	struct visible_thing *x;
	size_t i;

#ifdef PLANT_VISIBLE_NO_TELL
	for (i = 0; i < c->n; i++)
		c->things[i].is |= TOLD;
#endif
	for (i = 0; i < c->n; i++) {
		x = &c->things[i];
		if ((x->is & (IS_NAME | TOLD)) == 0)
			tell_object(c, x, false);
	}
	for (i = 0; i < c->n; i++) {
		x = &c->things[i];
		if ((x->is & (IS_NAME | TOLD)) != IS_NAME)
			continue;
		v->ear.name(v->ear.arg, x->id, name_of(c, x));
		atomic_fetch_add(&v->count.names, 1);
		x->is |= TOLD;
	}
	for (i = 0; i < c->n; i++)
		if (!(c->things[i].is & TOLD))
			tell_late(c, &c->things[i]);
}

void
visible_tell(struct visible_commit *c)
{
	struct visible *v = c->v;

	c->moves = atomic_load(&v->moves);
	if (c->tries++ == 0)
		atomic_fetch_add(&v->count.commits, 1);
	else
		atomic_fetch_add(&v->count.again, 1);
	pthread_rwlock_rdlock(&v->ear_lock);
	run(v, tell_all, c);
	pthread_rwlock_unlock(&v->ear_lock);
}

/*
 * An answer of old attributes that are not to be kept replaces new ones all
 * the same.  A stat that finds those good and copies them in this moment
 * would get the old ones: so they are in before anything is kept again.
 */
static bool
is_unseen(const struct visible_commit *c, const struct visible_thing *x)
{
	const struct visible_ear *ear = &c->v->ear;

	return !(x->is & IS_NAME) && ear->unseen != NULL &&
	    ear->unseen(ear->arg, x->id, c->since_ns);
}

/* Is it to be told once more, now that the new state is there? */
static bool
has_more(const struct visible_commit *c, const struct visible_thing *x)
{
	return (x->is & (HAS_PAGES | HAS_ACL) || is_unseen(c, x)) &&
	    visible_holds(c->v, x->id);
}

/* How many names it has if they are to be told once more, or 0. */
static size_t
names_after(const struct visible_commit *c)
{
	size_t i, n = 0;

	if (c->tries == 0 || c->n > 4 * c->v->ear.names_after)
		return 0;
	for (i = 0; i < c->n; i++)
		n += (c->things[i].is & IS_NAME) != 0 &&
		    visible_holds(c->v, c->things[i].id);
	return n <= c->v->ear.names_after ? n : 0;
}

static void
tell_names_after(struct visible_commit *c)
{
	struct visible *v = c->v;
	struct visible_thing *x;
	size_t i;

	for (i = 0; i < c->n; i++) {
		x = &c->things[i];
		if (!(x->is & IS_NAME) || !visible_holds(v, x->id))
			continue;
		v->ear.name(v->ear.arg, x->id, name_of(c, x));
		atomic_fetch_add(&v->count.names, 1);
	}
}

/*
 * Pages are dropped when the new bytes are there, and access lists are
 * forgotten once more: nothing says of these how long they are good.
 */
static void
tell_after(void *p)
{
	struct visible_commit *c = p;
	struct visible *v = c->v;
	struct visible_thing *x;
	size_t i;

	if (c->tries == VISIBLE_TRIES) {
		atomic_fetch_add(&v->count.late, 1);
		tell_all(c);
	}
#ifdef PLANT_VISIBLE_KEEP_PAGES
	return;
#endif
	if (names_after(c) > 0)
		tell_names_after(c);
	for (i = 0; i < c->n; i++) {
		x = &c->things[i];
		if (!has_more(c, x))
			continue;
		if (x->is & HAS_PAGES)
			tell_object(c, x, true);
		if (!(x->is & HAS_PAGES) || is_unseen(c, x))
			tell_object(c, x, false);
	}
}

/* Is there anything of that? */
static bool
has_after(const struct visible_commit *c)
{
	size_t i;

	for (i = 0; i < c->n; i++)
		if (has_more(c, &c->things[i]))
			return true;
	return names_after(c) > 0 || c->tries == VISIBLE_TRIES;
}

static void
unmark(struct visible_commit *c)
{
	static const uint64_t all = MARK_ALL;
	uint64_t some[256];
	size_t i, n = 0;

	for (i = 0; i < c->marked; i++) {
		if (c->tried && !(c->things[i].is & IS_NAME) &&
		    visible_holds(c->v, c->things[i].id))
			wary_set(c->v, c->things[i].hash);
		if (c->things[i].mark == 0)
			continue;
		some[n++] = c->things[i].mark;
		if (n == sizeof some / sizeof some[0]) {
			marks_retire(c->v, some, n);
			n = 0;
		}
	}
	if (n > 0)
		marks_retire(c->v, some, n);
	if (c->all)
		marks_retire(c->v, &all, 1);
}

void
visible_end(struct visible_commit *c)
{
	if (c->v == NULL)
		return;
	if (c->tried && c->n > 0) {
		pthread_rwlock_rdlock(&c->v->ear_lock);
		if (has_after(c))
			run(c->v, tell_after, c);
		pthread_rwlock_unlock(&c->v->ear_lock);
	}
	unmark(c);
	free(c->things);
	free(c->slots);
	free(c->names);
	*c = (struct visible_commit){ 0 };
}

struct shed {
	struct visible *v;
	struct vfs_id dir;
	struct vfs_slice name;
};

static void
tell_shed(void *p)
{
	struct shed *s = p;

	s->v->ear.name(s->v->ear.arg, s->dir, s->name);
}

bool
visible_shed(struct visible *v, struct vfs_id dir, struct vfs_slice name,
    struct vfs_id id)
{
	struct shed s = { v, dir, name };

	if (!visible_holds(v, id))
		return false;
	pthread_rwlock_rdlock(&v->ear_lock);
	run(v, tell_shed, &s);
	pthread_rwlock_unlock(&v->ear_lock);
	return true;
}
