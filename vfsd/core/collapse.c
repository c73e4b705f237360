#include "collapse.h"

#include <stdlib.h>
#include <string.h>

#define RECORD_BYTES	72u		/* packed, without names */
#define LOOKS_MAX	16u		/* names of one object looked at */
#define NONE		UINT32_MAX

struct entry {
	struct proto_change x;
	uint32_t before;		/* of the same object; NONE */
	bool dead;
};

/* An object of the page. */
struct object {
	uint64_t id;			/* 0: nobody */
	uint32_t last;			/* its newest entry; NONE */
	uint32_t content;		/* the one that is not about names */
	bool born;			/* its CREATE is of this page */
};

struct collapse {
	struct entry *v;
	size_t n, cap;
	size_t from;			/* names are not folded before it */
	struct object *objects;		/* by hash; a power of two */
	size_t nslots;
	size_t room;
};

int
collapse_new(size_t max, size_t room, struct collapse **out)
{
	struct collapse *c = calloc(1, sizeof *c);
	size_t n = 16;

	while (n < 2 * max)
		n *= 2;
	if (c != NULL)
		c->objects = calloc(n, sizeof *c->objects);
	if (c == NULL || c->objects == NULL) {
		collapse_free(c);
		return -VFS_NOMEM;
	}
	c->nslots = n;
	c->room = room;
	*out = c;
	return 0;
}

void
collapse_free(struct collapse *c)
{
	if (c == NULL)
		return;
	free(c->v);
	free(c->objects);
	free(c);
}

static struct object *
object(struct collapse *c, uint64_t id)
{
	size_t i = id * 0x9e3779b97f4a7c15ull >> 20;

	while (c->objects[i & (c->nslots - 1)].id != 0 &&
	    c->objects[i & (c->nslots - 1)].id != id)
		i++;
	return &c->objects[i & (c->nslots - 1)];
}

/* --- where a record leaves a name ------------------------------------- */

static bool
same(struct vfs_slice a, struct vfs_slice b)
{
	return a.n == b.n && (a.n == 0 || memcmp(a.p, b.p, a.n) == 0);
}

static bool
leads_to(const struct proto_change *r, struct vfs_id dir,
    struct vfs_slice name)
{
	switch (r->kind) {
	case PROTO_CHANGE_CREATE:
	case PROTO_CHANGE_LINK:
		return r->name.n > 0 && r->parent.n == dir.n &&
		    same(r->name, name);
	case PROTO_CHANGE_RENAME:
	case PROTO_CHANGE_EXCHANGE:
		return r->parent2.n == dir.n && same(r->name2, name);
	default:
		return false;
	}
}

/* The record of o that gave it the name that x takes away; NONE. */
static uint32_t
source_of(struct collapse *c, const struct object *o,
    const struct proto_change *x)
{
	uint32_t i = o->last, looks = 0;

	for (; i != NONE && i >= c->from && looks < LOOKS_MAX;
	    i = c->v[i].before, looks++)
		if (!c->v[i].dead &&
		    leads_to(&c->v[i].x, x->parent, x->name))
			return i;
	return NONE;
}

/* Out of the object's list, too, if that does not take long. */
static void
drop(struct collapse *c, struct object *o, uint32_t i)
{
	uint32_t *at = &o->last, looks = 0;

	c->v[i].dead = true;
	if (o->content == i)
		o->content = NONE;
	while (*at != i && *at != NONE && looks++ < LOOKS_MAX)
		at = &c->v[*at].before;
	if (*at == i)
		*at = c->v[i].before;
}

static uint32_t
last_alive(const struct collapse *c, const struct object *o)
{
	uint32_t i = o->last;

	while (i != NONE && c->v[i].dead)
		i = c->v[i].before;
	return i;
}

/* --- folding: true if x is told by what is there ----------------------- */

static void
versions(struct proto_change *r, const struct proto_change *x)
{
	r->data_version = x->data_version;
	r->meta_version = x->meta_version;
}

/* A name is where it was: what is left to tell is that it has changed,
 * and another record of the object tells that, too. */
static void
become_meta(struct collapse *c, struct object *o, uint32_t i)
{
	struct proto_change *r = &c->v[i].x;

	r->kind = PROTO_CHANGE_META;
	r->parent = r->parent2 = (struct vfs_id){ 0 };
	r->name = r->name2 = (struct vfs_slice){ NULL, 0 };
	if (o->last != i || c->v[i].before != NONE)
		drop(c, o, i);
	else
		o->content = i;
}

static bool
is_content(unsigned kind)
{
	return kind == PROTO_CHANGE_DATA || kind == PROTO_CHANGE_META ||
	    kind == PROTO_CHANGE_XATTR;
}

static bool
stronger(unsigned a, unsigned b)
{
	return b == PROTO_CHANGE_META ? a != b :
	    b == PROTO_CHANGE_XATTR && a == PROTO_CHANGE_DATA;
}

static bool
fold_content(struct collapse *c, struct object *o,
    const struct proto_change *x)
{
	uint32_t i = last_alive(c, o);
	struct proto_change *r;

	if (i == NONE || c->v[i].x.kind == PROTO_CHANGE_DELETE)
		return false;
	r = &c->v[i].x;
	if (!is_content(r->kind))
		return true;
	if (!same(r->name, x->name))	/* of attributes: several */
		r->name = (struct vfs_slice){ NULL, 0 };
	if (stronger(x->kind, r->kind))
		r->kind = x->kind;
	return true;
}

static bool
fold_unlink(struct collapse *c, struct object *o,
    const struct proto_change *x)
{
	uint32_t i = source_of(c, o, x);
	struct proto_change *r;

	if (i == NONE)
		return false;
	r = &c->v[i].x;
	switch (r->kind) {
	case PROTO_CHANGE_CREATE:
		drop(c, o, i);		/* other names have their LINK */
		break;
	case PROTO_CHANGE_LINK:
		become_meta(c, o, i);
		break;
	default:
		r->kind = PROTO_CHANGE_UNLINK;
		r->parent2.n = 0;
		r->name2 = (struct vfs_slice){ NULL, 0 };
		break;
	}
	return true;
}

static bool
fold_rename(struct collapse *c, struct object *o,
    const struct proto_change *x)
{
	uint32_t i = source_of(c, o, x);
	struct proto_change *r;

	if (i == NONE)
		return false;
	r = &c->v[i].x;
	if (r->kind == PROTO_CHANGE_CREATE || r->kind == PROTO_CHANGE_LINK) {
		r->parent = x->parent2;
		r->name = x->name2;
		return true;
	}
	r->kind = PROTO_CHANGE_RENAME;
	r->parent2 = x->parent2;
	r->name2 = x->name2;
	if (r->parent.n == r->parent2.n && same(r->name, r->name2))
		become_meta(c, o, i);
	return true;
}

/* Of what was made in this page nobody has heard. */
static bool
fold_delete(struct collapse *c, struct object *o)
{
	uint32_t i;

	if (!o->born)
		return false;
	for (i = o->last; i != NONE; i = c->v[i].before)
		c->v[i].dead = true;
	return true;
}

static bool
fold(struct collapse *c, struct object *o, const struct proto_change *x,
    bool many)
{
	if (many && !is_content(x->kind))
		return false;
	switch (x->kind) {
	case PROTO_CHANGE_DATA:
	case PROTO_CHANGE_META:
	case PROTO_CHANGE_XATTR:
		return fold_content(c, o, x);
	case PROTO_CHANGE_UNLINK:
		return fold_unlink(c, o, x);
	case PROTO_CHANGE_RENAME:
	case PROTO_CHANGE_EXCHANGE:
		return fold_rename(c, o, x);
	case PROTO_CHANGE_DELETE:
		return fold_delete(c, o);
	default:
		return false;
	}
}

/* --- the page --------------------------------------------------------- */

static bool
is_barrier(unsigned kind, bool many)
{
	return (many && !is_content(kind)) || kind == PROTO_CHANGE_ENTERED || kind == PROTO_CHANGE_LEFT ||
	    kind == PROTO_CHANGE_REMOVE_TREE ||
	    kind == PROTO_CHANGE_CLONE_TREE;
}

static int
append(struct collapse *c, struct object *o, const struct proto_change *x,
    bool many)
{
	size_t cap = c->cap > 0 ? 2 * c->cap : 64;
	struct entry *v;

	if (c->n == c->cap) {
		if ((v = realloc(c->v, cap * sizeof *v)) == NULL)
			return -VFS_NOMEM;
		c->v = v;
		c->cap = cap;
	}
	if (!is_content(x->kind) && o->content != NONE)
		drop(c, o, o->content);	/* x has the versions */
	c->v[c->n] = (struct entry){ .x = *x, .before = o->last };
	o->last = (uint32_t)c->n++;
	if (is_content(x->kind))
		o->content = o->last;
	if (x->kind == PROTO_CHANGE_CREATE)
		o->born = true;
	if (is_barrier(x->kind, many))
		c->from = c->n;
	return 0;
}

/* What is folded needs no more room than it would have alone. */
int
collapse_add(struct collapse *c, const struct proto_change *x, bool many)
{
	size_t room = RECORD_BYTES + x->name.n + x->name2.n;
	struct object *o = object(c, x->id.n);
	uint32_t i;

	if (room > c->room)
		return -VFS_TOO_BIG;
	c->room -= room;
	if (o->id == 0)
		*o = (struct object){ .id = x->id.n, .last = NONE,
		    .content = NONE };
	if (!fold(c, o, x, many))
		return append(c, o, x, many);
	if ((i = last_alive(c, o)) != NONE)
		versions(&c->v[i].x, x);
	return 0;
}

int
collapse_end(struct collapse *c, struct proto_list *out)
{
	size_t i;

	for (i = 0; i < c->n; i++)
		if (!c->v[i].dead && !proto_change_put(out, &c->v[i].x))
			return -VFS_TOO_BIG;
	return 0;
}
