/* What a step that succeeded means for the model. */
#include <stdlib.h>
#include <string.h>

#include "life.h"

static void
born(struct life *l, const struct vfs_attr *a)
{
	model_add(&l->m, a);
	if (!l->trying)
		server_hold(l->s, a->id, 1);
	if (a->id.n > l->id_max)
		l->id_max = a->id.n;
}

/* A directory without a name is one to build a tree in. */
static void
apply_tmpfile(struct mobj *o)
{
	o->nlink = 0;
	o->staging = o->type == VFS_DIR;
}

static void
count_dirs(struct mobj *parent, int by)
{
	if (parent->nlink > 0)
		parent->nlink += (uint32_t)by;
}

static void
apply_rename(struct model *m, const struct step *st)
{
	const struct vfs_rename *q = &st->q.rename;
	struct mname *a = model_name(m, q->dir.n, st->name);
	struct mname *b = model_name(m, q->dir2.n, st->name2);
	uint64_t id = a->id, id2 = b ? b->id : 0;

	if (id == id2)
		return;			/* two names of one object */
	if (q->flags & VFS_RENAME_EXCHANGE) {
		bool ad = model_obj(m, id)->type == VFS_DIR;
		bool bd = model_obj(m, id2)->type == VFS_DIR;

		a->id = id2;
		b->id = id;
		if (ad != bd) {
			count_dirs(model_obj(m, q->dir.n), bd ? 1 : -1);
			count_dirs(model_obj(m, q->dir2.n), ad ? 1 : -1);
		}
		return;
	}
	if (b)
		model_unlink(m, q->dir2.n, st->name2);
	{
		struct mobj *o = model_obj(m, id);
		uint32_t nlink = o->nlink;

		model_unlink(m, q->dir.n, st->name);
		model_link(m, q->dir2.n, st->name2, id);
		model_obj(m, id)->nlink = nlink;
	}
}

/* An object that has lost a name there is gone with its last one, unless
 * it was to stay. */
static void
reaped(struct life *l, const struct step *st, uint64_t id)
{
	struct mobj *o = model_obj(&l->m, id);

	if (!o || walk_there(l->e, id))
		return;
	if (o->nlink > 0 || o->type == VFS_DIR || st->q.reap.held.n > 0)
		life_fail(l, "%s took object %llu", st->text,
		    (unsigned long long)id);
	model_forget(&l->m, id);
}

/* Which of its names are gone the rows say; how many, the reply. */
static void
apply_reap(struct life *l, const struct step *st)
{
	uint64_t dir = st->q.reap.id.n, lost[MODEL_NAMES];
	struct mobj *d = model_obj(&l->m, dir);
	unsigned gone = 0, k;
	int i;

	if (d->nlink > 0) {
		if (!st->r.reap.done || st->r.reap.names > 0)
			life_fail(l, "%s took of what has a name", st->text);
		return;
	}
	d->staging = false;		/* nothing comes to it any more */
	for (i = l->m.nname - 1; i >= 0; i--) {
		struct mname n = l->m.name[i];

		if (n.dir != dir || model_name_stored(&n, l->e))
			continue;
		lost[gone++] = n.id;
		model_unlink(&l->m, dir, n.name);
	}
	for (k = 0; k < gone; k++)
		reaped(l, st, lost[k]);
	if (gone != st->r.reap.names)
		life_fail(l, "%s took %u names, says %u", st->text, gone,
		    st->r.reap.names);
	if (st->r.reap.done)
		model_forget(&l->m, dir);
}

static void
apply_allocate(struct mobj *o, const struct vfs_allocate *q)
{
	size_t size = model_seen(o)->n, end = q->off + q->len;

	if (!(q->flags & VFS_ALLOC_KEEP_SIZE) && end > size) {
		model_write(o, size, NULL, end - size, end);
		size = end;
	}
	if (q->flags & (VFS_ALLOC_PUNCH | VFS_ALLOC_ZERO))
		model_write(o, q->off, NULL, q->len, size);
}

static void
apply_copy(struct model *m, const struct step *st)
{
	const struct vfs_copy_range *q = &st->q.copy_range;
	struct mobj *src = model_obj(m, q->src.n), *dst = model_obj(m, q->dst.n);
	size_t n = st->r.copy_range.copied, size = model_seen(dst)->n;
	uint8_t *b;

	if (n == 0)
		return;
	b = malloc(n);
	memcpy(b, model_seen(src)->b + q->src_off, n);
	model_write(dst, q->dst_off, b, n,
	    q->dst_off + n > size ? q->dst_off + n : size);
	free(b);
}

static void
apply_setattr(struct mobj *o, const struct step *st)
{
	const struct vfs_attr *a = &st->r.setattr.attr;

	o->mode = a->mode & VFS_MODE_PERM;
	o->uid = a->uid;
	o->gid = a->gid;
	if (st->q.setattr.valid & VFS_SET_SIZE)
		model_write(o, st->q.setattr.size, NULL, 0,
		    st->q.setattr.size);
}

static void
apply_write(struct mobj *o, const struct step *st)
{
	size_t n = st->r.write.count, size = model_seen(o)->n;
	uint64_t off = st->r.write.off;

	if (n > 0)
		model_write(o, off, st->q.write.data.p, n,
		    off + n > size ? off + n : size);
}

static void
apply_op(struct life *l, const struct step *st)
{
	struct model *m = &l->m;

	switch (st->op) {
	case VFS_OP_CREATE:
		if (!st->r.create.created)
			break;
		born(l, &st->r.create.attr);
		model_link(m, st->q.create.dir.n, st->name,
		    st->r.create.attr.id.n);
		break;
	case VFS_OP_TMPFILE:
		born(l, &st->r.tmpfile.attr);
		apply_tmpfile(model_obj(m, st->r.tmpfile.attr.id.n));
		break;
	case VFS_OP_LINK:
		model_link(m, st->q.link.dir.n, st->name, st->q.link.target.n);
		break;
	case VFS_OP_UNLINK:
		model_unlink(m, st->q.unlink.dir.n, st->name);
		break;
	case VFS_OP_RENAME:
	case VFS_OP_TREE_PUBLISH:
		apply_rename(m, st);
		break;
	case VFS_OP_TREE_REMOVE:
		model_unlink(m, st->q.tree_remove.dir.n, st->name);
		break;
	case VFS_OP_REAP:
		apply_reap(l, st);
		break;
	case VFS_OP_TREE_CLONE:
		step_apply_clone(l, st);
		break;
	case VFS_OP_SETATTR:
		apply_setattr(model_obj(m, st->q.setattr.id.n), st);
		break;
	case VFS_OP_OPEN:
		if (st->q.open.flags & VFS_OPEN_TRUNC)
			model_write(model_obj(m, st->q.open.id.n), 0, NULL, 0, 0);
		break;
	case VFS_OP_WRITE:
		apply_write(model_obj(m, st->q.write.id.n), st);
		break;
	case VFS_OP_ALLOCATE:
		apply_allocate(model_obj(m, st->q.allocate.id.n),
		    &st->q.allocate);
		break;
	case VFS_OP_COPY_RANGE:
		apply_copy(m, st);
		break;
	case VFS_OP_XATTR_SET:
		model_obj(m, st->q.xattr_set.id.n)->xattr[st->xattr] = st->seed;
		break;
	case VFS_OP_XATTR_REMOVE:
		model_obj(m, st->q.xattr_remove.id.n)->xattr[st->xattr] = 0;
		break;
	default:
		break;
	}
}

void
step_apply(struct life *l, const struct step *st)
{
	if (st->act == ACT_OP)
		apply_op(l, st);
	else if (st->act == ACT_TX)
		step_apply_tx(l, st);
	else if (st->act == ACT_DROP && !model_entries(&l->m, st->id))
		model_forget(&l->m, st->id);	/* else the reaper's */
}

uint64_t
step_publishes(const struct step *st)
{
	if (st->act == ACT_RELEASE)
		return st->id;
	if (st->act != ACT_OP)
		return 0;
	switch (st->op) {
	case VFS_OP_PUBLISH:
	case VFS_OP_SYNC:
	case VFS_OP_SETATTR:
		return st->q.stat.id.n;
	case VFS_OP_LINK:
		return st->q.link.target.n;
	case VFS_OP_RENAME:
		return st->r.rename.id.n;
	default:
		return 0;
	}
}
