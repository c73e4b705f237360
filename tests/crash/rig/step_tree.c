/* TREE_CLONE in the rig: what it makes is found by its names. */
#include <string.h>

#include "life.h"

static int
objects_in(const struct model *m, uint64_t dir)
{
	int i, n = 0;

	for (i = 0; i < m->nname; i++)
		if (m->name[i].dir == dir)
			n += 1 + objects_in(m, m->name[i].id);
	return n;
}

bool
step_make_clone(struct life *l, struct rng *r, struct step *st)
{
	struct mobj *o = &l->m.obj[rng_to(r, (uint32_t)l->m.nobj)];
	int n = 1 + objects_in(&l->m, o->id);

	if (l->m.nobj + n > MODEL_OBJS - 4 || l->m.nname + n > MODEL_NAMES - 4)
		return false;
	st->q.tree_clone.src.n = o->id;
	return true;
}

static uint64_t
look(struct life *l, uint64_t dir, const char *name, struct vfs_attr *a)
{
	struct vfs_lookup q = { .dir = { dir }, .name = { name, strlen(name) } };
	struct vfs_lookup_reply r;
	int err = dispatch(l->s, VFS_OP_LOOKUP, &walk_env, &q, &r);

	if (err < 0) {
		life_fail(l, "%s is not in the clone: %s", name,
		    vfs_err_text(err));
		return 0;
	}
	*a = r.attr;
	return r.attr.id.n;
}

static void
born(struct life *l, const struct vfs_attr *a, const struct mobj *src)
{
	struct mobj *o = model_add(&l->m, a);

	model_share(o, src);
	server_hold(l->s, a->id, 1);
	if (a->id.n > l->id_max)
		l->id_max = a->id.n;
}

/* top: the clone's, which lies in what it is a copy of, perhaps. */
static void
apply(struct life *l, uint64_t src, uint64_t dir, const char *name,
    uint64_t top)
{
	struct mname names[MODEL_NAMES];
	int i, n = l->m.nname;
	struct vfs_attr a;
	uint64_t id = look(l, dir, name, &a);

	if (id == 0)
		return;
	memcpy(names, l->m.name, sizeof(names));
	if (!model_obj(&l->m, id))	/* not a second name of it */
		born(l, &a, model_obj(&l->m, src));
	if (model_obj(&l->m, id)->mode != model_obj(&l->m, src)->mode)
		life_fail(l, "%s has another mode in the clone", name);
	model_link(&l->m, dir, name, id);
	for (i = 0; i < n; i++)
		if (names[i].dir == src && names[i].id != top)
			apply(l, names[i].id, id, names[i].name, top);
}

void
step_apply_clone(struct life *l, const struct step *st)
{
	apply(l, st->q.tree_clone.src.n, st->q.tree_clone.dir.n, st->name,
	    st->r.tree_clone.attr.id.n);
}
