/*
 * core_model.h - a tree in memory, which says what operations should do
 *
 * For tests that include it all: core_model.c, tree_model.c, fuzz/ops.c.
 */
#ifndef TESTS_CORE_MODEL_H
#define TESTS_CORE_MODEL_H

#include "../cm.h"

#define NAMES		5		/* "a" to "e" */
#define DEPTH		3
#define KIDS_MAX	NAMES
#define XATTRS		3
#ifndef SIZE_MAX_
#define SIZE_MAX_	40000u		/* of a file */
#endif

/* --- the model -------------------------------------------------------------- */

struct bytes {
	uint8_t p[SIZE_MAX_];
	size_t n;
};

struct obj {
	enum vfs_type type;
	uint32_t mode, nlink;
	unsigned refs;			/* entries; 0 frees */
	struct obj *up;			/* of directories */
	struct kid {
		char name;
		struct obj *o;
	} kids[KIDS_MAX];		/* in the order of slots */
	unsigned nkids;
	char xattr[XATTRS];		/* one byte values, 0 none */
	struct bytes now, published;
	size_t number;			/* in the dump; see mark */
	unsigned mark;
};

struct model {
	struct fx *fx;
	struct obj *root;
	unsigned seed, mark;
	const uint8_t *in, *end;	/* not NULL: what is drawn */
	size_t numbers;
	uint64_t last_id;
	char done[100];			/* the last operation, for messages */
};

static struct obj *
obj_new(enum vfs_type type, uint32_t mode)
{
	struct obj *o = calloc(1, sizeof *o);

	o->type = type;
	o->mode = mode;
	o->nlink = type == VFS_DIR ? 2 : 1;
	return o;
}

static void
obj_unref(struct obj *o)
{
	if (--o->refs == 0)
		free(o);
}

static void
tree_free(struct obj *o)
{
	while (o->nkids > 0)
		tree_free(o->kids[--o->nkids].o);
	obj_unref(o);
}

static void
publish(struct obj *o)
{
	if (o->type == VFS_REG)
		o->published = o->now;
}

static struct kid *
find(struct obj *dir, char name)
{
	unsigned i;

	for (i = 0; i < dir->nkids; i++)
		if (dir->kids[i].name == name)
			return &dir->kids[i];
	return NULL;
}

static int
walk(struct model *m, const char *path, size_t n, struct obj **out)
{
	struct obj *o = m->root;
	struct kid *k;
	size_t i;

	for (i = 1; i < n; i += 2) {
		if (o->type != VFS_DIR)
			return -VFS_NOTDIR;
		if ((k = find(o, path[i])) == NULL)
			return -VFS_NOENT;
		o = k->o;
	}
	*out = o;
	return 0;
}

static int
object(struct model *m, const char *path, struct obj **out)
{
	return walk(m, path, strlen(path), out);
}

/* A name in a directory; kid is NULL if nothing stands there. */
struct place {
	struct obj *dir;
	struct kid *kid;
	char name;
};

static int
parent(struct model *m, const char *path, struct place *p)
{
	size_t n = strlen(path);

	p->name = path[n - 1];
	return walk(m, path, n - 2, &p->dir);
}

static int
entry(struct place *p)
{
	if (p->dir->type != VFS_DIR)
		return -VFS_NOTDIR;
	p->kid = find(p->dir, p->name);
	return 0;
}

/* Where something stands. */
static int
taken(struct model *m, const char *path, struct place *p)
{
	int err;

	if ((err = parent(m, path, p)) < 0 || (err = entry(p)) < 0)
		return err;
	return p->kid == NULL ? -VFS_NOENT : 0;
}

/* Where something can be put. */
static int
vacant(struct model *m, const char *path, struct place *p)
{
	int err;

	if ((err = parent(m, path, p)) < 0 || (err = entry(p)) < 0)
		return err;
	return p->kid != NULL ? -VFS_EXIST : 0;
}

/* What is to be moved, and where to: both ways are walked first. */
static int
from_to(struct model *m, const char *path, const char *path2,
    struct place *p, struct place *p2)
{
	int err;

	if ((err = parent(m, path, p)) < 0 ||
	    (err = parent(m, path2, p2)) < 0 ||
	    (err = entry(p)) < 0 || (err = entry(p2)) < 0)
		return err;
	return p->kid == NULL ? -VFS_NOENT : 0;
}

static void
add(struct obj *dir, char name, struct obj *o)
{
	dir->kids[dir->nkids++] = (struct kid){ name, o };
	o->refs++;
	if (o->type == VFS_DIR) {
		o->up = dir;
		dir->nlink++;
	}
}

static void
take_out(struct obj *dir, struct kid *k)
{
	if (k->o->type == VFS_DIR)
		dir->nlink--;
	memmove(k, k + 1, (size_t)(&dir->kids[dir->nkids] - (k + 1)) *
	    sizeof *k);
	dir->nkids--;
}

static void
unlinked(struct obj *o)
{
	publish(o);
	o->nlink--;
	obj_unref(o);
}

static int
m_make(struct model *m, const char *path, enum vfs_type type, uint32_t mode)
{
	struct place p;
	int err;

	if ((err = vacant(m, path, &p)) < 0)
		return err;
	if (type == VFS_DIR)
		mode |= p.dir->mode & 02000;
	add(p.dir, p.name, obj_new(type, mode));
	return 0;
}

static int
m_link(struct model *m, const char *path, const char *path2)
{
	struct place p;
	struct obj *o;
	int err;

	if ((err = object(m, path, &o)) < 0 ||
	    (err = vacant(m, path2, &p)) < 0)
		return err;
	if (o->type == VFS_DIR)
		return -VFS_PERM;
	publish(o);
	o->nlink++;
	add(p.dir, p.name, o);
	return 0;
}

static int
m_remove(struct model *m, const char *path, bool is_rmdir)
{
	struct place p;
	struct obj *o;
	int err;

	if ((err = taken(m, path, &p)) < 0)
		return err;
	o = p.kid->o;
	if (!is_rmdir && o->type == VFS_DIR)
		return -VFS_ISDIR;
	if (is_rmdir && o->type != VFS_DIR)
		return -VFS_NOTDIR;
	if (o->nkids > 0)
		return -VFS_NOTEMPTY;
	take_out(p.dir, p.kid);
	unlinked(o);
	return 0;
}

static bool
below(const struct obj *dir, const struct obj *top)
{
	while (dir != top && dir->up != NULL)
		dir = dir->up;
	return dir == top;
}

static int
rename_check(struct obj *d, const struct kid *k, struct obj *d2,
    const struct kid *k2, uint32_t flags)
{
	bool exchange = flags & VFS_RENAME_EXCHANGE;

	if ((flags & VFS_RENAME_NOREPLACE) && k2)
		return -VFS_EXIST;
	if (exchange && !k2)
		return -VFS_NOENT;
	if (k->o->type == VFS_DIR && below(d2, k->o))
		return -VFS_INVAL;
	if (exchange)
		return k2->o->type == VFS_DIR && below(d, k2->o) ?
		    -VFS_INVAL : 0;
	if (k2 && k->o->type == VFS_DIR && k2->o->type != VFS_DIR)
		return -VFS_NOTDIR;
	if (k2 && k->o->type != VFS_DIR && k2->o->type == VFS_DIR)
		return -VFS_ISDIR;
	return k2 && k2->o != k->o && k2->o->nkids > 0 ? -VFS_NOTEMPTY : 0;
}

/* What an entry stands for changes; its place does not. */
static void
stand_for(struct obj *dir, struct kid *k, struct obj *o)
{
	if (k->o->type == VFS_DIR)
		dir->nlink--;
	if (o->type == VFS_DIR) {
		dir->nlink++;
		o->up = dir;
	}
	k->o = o;
}

static int
m_rename(struct model *m, const char *path, const char *path2,
    uint32_t flags)
{
	struct place p, p2;
	struct obj *o, *old;
	int err;

	if ((err = from_to(m, path, path2, &p, &p2)) < 0 ||
	    (err = rename_check(p.dir, p.kid, p2.dir, p2.kid, flags)) < 0)
		return err;
	o = p.kid->o;
	if (p2.kid && p2.kid->o == o)
		return 0;
	publish(o);
	if (flags & VFS_RENAME_EXCHANGE) {
		old = p2.kid->o;
		publish(old);
		stand_for(p2.dir, p2.kid, o);
		stand_for(p.dir, p.kid, old);
		return 0;
	}
	if (p2.kid) {
		old = p2.kid->o;
		stand_for(p2.dir, p2.kid, o);
		take_out(p.dir, find(p.dir, p.name));
		unlinked(old);
	} else if (p.dir == p2.dir) {
		p.kid->name = p2.name;
	} else {
		take_out(p.dir, p.kid);
		add(p2.dir, p2.name, o);
		o->refs--;
	}
	return 0;
}

static void
publish_below(struct obj *o, bool undo)
{
	unsigned i;

	if (undo && o->type == VFS_REG)
		o->now = o->published;
	else
		publish(o);
	for (i = 0; i < o->nkids; i++)
		publish_below(o->kids[i].o, undo);
}

#endif
