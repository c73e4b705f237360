/*
 * tree_model.h - operations on whole trees, in the model
 *
 * For tree_model.c and fuzz/ops.c, behind core_model.h.
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
	struct obj *dir, *o;
	struct kid *k;
	char name;
	int err;

	if ((err = parent(m, path, &dir, &name)) < 0)
		return err;
	if (dir->type != VFS_DIR)
		return -VFS_NOTDIR;
	if ((k = find(dir, name)) == NULL)
		return -VFS_NOENT;
	o = k->o;
	take_out(dir, k);
	drop(o);
	return 0;
}

/* Whatever stands at path2 makes room. */
static int
m_replace(struct model *m, const char *path, const char *path2)
{
	struct obj *d, *d2, *o, *old;
	struct kid *k, *k2;
	char name, name2;
	int err;

	if ((err = parent(m, path, &d, &name)) < 0 ||
	    (err = parent(m, path2, &d2, &name2)) < 0)
		return err;
	if (d->type != VFS_DIR || d2->type != VFS_DIR)
		return -VFS_NOTDIR;
	if ((k = find(d, name)) == NULL)
		return -VFS_NOENT;
	if ((k2 = find(d2, name2)) == NULL)
		return m_rename(m, path, path2, 0);
	o = k->o;
	old = k2->o;
	if (d != d2 && o->type == VFS_DIR && below(d2, o))
		return -VFS_INVAL;
	if (old == o)
		return 0;
	if (old->type == VFS_DIR && below(d, old))
		return -VFS_INVAL;
	publish(o);
	stand_for(d2, k2, o);
	k = find(d, name);
	take_out(d, k);
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
	struct obj *o, *dir;
	char name;
	int err;

	if ((err = object(m, path, &o)) < 0 ||
	    (err = parent(m, path2, &dir, &name)) < 0)
		return err;
	if (dir->type != VFS_DIR)
		return -VFS_NOTDIR;
	if (find(dir, name) != NULL)
		return -VFS_EXIST;
	add(dir, name, copy(o, &t));
	return 0;
}

/* Mostly a name that something can get. */
static void
draw_free(struct model *m, char *path)
{
	struct obj *dir;
	unsigned i;
	char name;

	for (i = 0; i < 40; i++) {
		draw_path(m, path);
		if (parent(m, path, &dir, &name) == 0 &&
		    dir->type == VFS_DIR && find(dir, name) == NULL)
			return;
	}
}

#endif
