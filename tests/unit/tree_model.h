/*
 * tree_model.h - operations on whole trees, in the model
 *
 * For tree_model.c and fuzz/ops.c, behind model_ops.h.
 */
#ifndef TESTS_TREE_MODEL_H
#define TESTS_TREE_MODEL_H

#define OBJECTS_MAX	200u		/* or clones of clones fill it */

static unsigned
count(const struct obj *o)
{
	unsigned n = 1, i;

	for (i = 0; i < o->nkids; i++)
		n += count(o->kids[i].o);
	return n;
}

/* Its only name, and all that are in it, are gone. */
static void
drop(struct obj *o)
{
	while (o->nkids > 0)
		drop(o->kids[--o->nkids].o);
	unlinked(o);
}

static int
m_tree_remove(struct model *m, const char *path)
{
	struct place p;
	struct obj *o;
	int err;

	if ((err = taken(m, path, &p)) < 0)
		return err;
	o = p.kid->o;
	take_out(p.dir, p.kid);
	drop(o);
	return 0;
}

/* Whatever stands at path2 makes room. */
static int
m_replace(struct model *m, const char *path, const char *path2)
{
	struct place p, p2;
	struct obj *o, *old;
	int err;

	if ((err = from_to(m, path, path2, &p, &p2)) < 0)
		return err;
	if (p2.kid == NULL)
		return m_rename(m, path, path2, 0);
	o = p.kid->o;
	old = p2.kid->o;
	if (p.dir != p2.dir && o->type == VFS_DIR && below(p2.dir, o))
		return -VFS_INVAL;
	if (old == o)
		return 0;
	if (old->type == VFS_DIR && below(p.dir, old))
		return -VFS_INVAL;
	publish(o);
	stand_for(p2.dir, p2.kid, o);
	take_out(p.dir, find(p.dir, p.name));
	drop(old);
	return 0;
}

/* Objects with several names, and their copies so far. */
struct twins {
	struct {
		struct obj *o, *copy;
	} v[OBJECTS_MAX];
	unsigned n;
};

static struct obj *
copy(struct obj *o, struct twins *t)
{
	struct obj *c;
	unsigned i;

	publish(o);
	for (i = 0; i < t->n; i++)
		if (t->v[i].o == o) {
			t->v[i].copy->nlink++;
			return t->v[i].copy;
		}
	c = obj_new(o->type, o->mode);
	memcpy(c->xattr, o->xattr, sizeof c->xattr);
	c->now = o->now;
	publish(c);
	if (o->type != VFS_DIR && o->nlink > 1) {
		t->v[t->n].o = o;
		t->v[t->n++].copy = c;
	}
	for (i = 0; i < o->nkids; i++)
		add(c, o->kids[i].name, copy(o->kids[i].o, t));
	return c;
}

static int
m_tree_clone(struct model *m, const char *path, const char *path2)
{
	struct twins t = { .n = 0 };
	struct place p;
	struct obj *o;
	int err;

	if ((err = object(m, path, &o)) < 0 ||
	    (err = vacant(m, path2, &p)) < 0)
		return err;
	add(p.dir, p.name, copy(o, &t));
	return 0;
}

/* Mostly a name that something can get. */
static void
draw_free(struct model *m, char *path)
{
	struct place p;
	unsigned i;

	for (i = 0; i < 40; i++) {
		draw_path(m, path);
		if (vacant(m, path, &p) == 0)
			return;
	}
}

#endif
