/* What step comes next: one maker for each kind of operation. */
#include <stdio.h>
#include <string.h>

#include "life.h"

static const char *const names[] = { "a", "b", "c", "d", "e", "f" };
static struct vfs_id held[MODEL_OBJS];	/* lent to REAP */

/* --- choosing ------------------------------------------------------- */

/* named: a directory without a name that takes some is as good. */
static struct mobj *
pick_obj(struct life *l, struct rng *r, enum vfs_type type, bool named)
{
	struct mobj *v[MODEL_OBJS];
	int i, n = 0;

	for (i = 0; i < l->m.nobj; i++)
		if ((type == 0 || l->m.obj[i].type == type) &&
		    (!named || l->m.obj[i].nlink > 0 || l->m.obj[i].staging))
			v[n++] = &l->m.obj[i];
	return n > 0 ? v[rng_to(r, (uint32_t)n)] : NULL;
}

static uint64_t
pick_dir(struct life *l, struct rng *r)
{
	return pick_obj(l, r, VFS_DIR, true)->id;
}

static struct mname *
pick_name(struct life *l, struct rng *r)
{
	return l->m.nname > 0 ?
	    &l->m.name[rng_to(r, (uint32_t)l->m.nname)] : NULL;
}

static struct vfs_slice
put_name(char *to, const char *from)
{
	snprintf(to, 16, "%s", from);
	return (struct vfs_slice){ to, strlen(to) };
}

static struct vfs_slice
some_name(struct rng *r, char *to)
{
	return put_name(to, names[rng_to(r, 6)]);
}

/* Where a change of a file begins, and how long it is. */
static void
pick_range(struct rng *r, size_t size, uint64_t *off, size_t *n)
{
	switch (rng_to(r, 10)) {
	case 0: case 1: case 2: case 3:
		*n = 1 + rng_to(r, 100);
		break;
	case 4: case 5: case 6:
		*n = 1 + rng_to(r, 9000);
		break;
	case 7: case 8:
		*n = 4096 * (1 + rng_to(r, 8));
		break;
	default:
		*n = 60000 + rng_to(r, 90000);
	}
	switch (rng_to(r, 5)) {
	case 0:
		*off = 0;
		break;
	case 1: case 2:
		*off = size;
		break;
	case 3:
		*off = size > 0 ? rng_to(r, (uint32_t)size) : 0;
		break;
	default:
		*off = 4096ull * rng_to(r, 40);
	}
	if (*off > MODEL_FILE_MAX - STEP_DATA_MAX)
		*off = MODEL_FILE_MAX - STEP_DATA_MAX;
}

/* --- making: one function for each kind of operation ----------------- */

static bool
make_create(struct life *l, struct rng *r, struct step *st)
{
	static const enum vfs_type types[] = { VFS_REG, VFS_REG, VFS_REG,
	    VFS_REG, VFS_DIR, VFS_LNK, VFS_FIFO, VFS_CHR };
	struct vfs_create *q = &st->q.create;
	enum vfs_type t = types[rng_to(r, 8)];

	if (l->m.nobj > MODEL_OBJS - 4 || l->m.nname > MODEL_NAMES - 4)
		return false;
	q->dir.n = pick_dir(l, r);
	q->mode = VFS_TYPE_MODE(t) | 0644;
	q->name = some_name(r, st->name);
	if (t == VFS_LNK)
		q->target = put_name(st->name2, "target");
	q->rdev_major = t == VFS_CHR ? 1 : 0;
	q->rdev_minor = t == VFS_CHR ? 3 : 0;
	q->flags = rng_to(r, 3) ? VFS_CREATE_EXCL : 0;
	return true;
}

static bool
make_tmpfile(struct life *l, struct rng *r, struct step *st)
{
	if (l->m.nobj > MODEL_OBJS - 4)
		return false;
	st->q.tmpfile.dir.n = pick_dir(l, r);
	st->q.tmpfile.mode = rng_to(r, 3) ? VFS_TYPE_MODE(VFS_REG) | 0600 :
	    VFS_TYPE_MODE(VFS_DIR) | 0755;
	return true;
}

static bool
make_link(struct life *l, struct rng *r, struct step *st)
{
	struct mobj *o = pick_obj(l, r, VFS_REG, rng_to(r, 2));

	if (!o || l->m.nname > MODEL_NAMES - 4)
		return false;
	st->q.link.dir.n = pick_dir(l, r);
	st->q.link.target.n = o->id;
	st->q.link.name = some_name(r, st->name);
	return true;
}

static bool
make_unlink(struct life *l, struct rng *r, struct step *st)
{
	struct mname *n = pick_name(l, r);
	struct mobj *o;

	if (!n || !(o = model_obj(&l->m, n->id)))
		return false;
	st->q.unlink.dir.n = n->dir;
	st->q.unlink.name = put_name(st->name, n->name);
	st->q.unlink.flags = o->type == VFS_DIR ? VFS_UNLINK_DIR :
	    VFS_UNLINK_FILE;
	return true;
}

/* Where a name is already. */
static void
aim_at(struct step *st, const struct mname *n)
{
	st->q.rename.dir2.n = n->dir;
	st->q.rename.name2 = put_name(st->name2, n->name);
}

static bool
make_rename(struct life *l, struct rng *r, struct step *st)
{
	struct mname *n = pick_name(l, r), *n2 = pick_name(l, r);
	struct vfs_rename *q = &st->q.rename;

	if (!n)
		return false;
	q->dir.n = n->dir;
	q->name = put_name(st->name, n->name);
	q->dir2.n = pick_dir(l, r);
	q->name2 = some_name(r, st->name2);
	switch (rng_to(r, 4)) {
	case 0:
		q->flags = VFS_RENAME_NOREPLACE;
		break;
	case 1:
		q->flags = VFS_RENAME_EXCHANGE;
		/* FALLTHROUGH */
	case 2:
		aim_at(st, n2);
		break;
	default:
		break;
	}
	return true;
}

static bool
make_setattr(struct life *l, struct rng *r, struct step *st)
{
	struct vfs_setattr *q = &st->q.setattr;
	struct mobj *o = pick_obj(l, r, rng_to(r, 3) ? VFS_REG : 0, false);
	uint64_t off;
	size_t n;

	if (!o)
		return false;
	q->id.n = o->id;
	switch (rng_to(r, o->type == VFS_REG ? 6 : 3)) {
	case 0:
		q->valid = VFS_SET_MODE;
		q->mode = rng_to(r, 0777);
		break;
	case 1:
		q->valid = VFS_SET_UID | VFS_SET_GID;
		q->uid = rng_to(r, 5);
		q->gid = rng_to(r, 5);
		break;
	case 2:
		q->valid = VFS_SET_MTIME | VFS_SET_ATIME_NOW;
		q->mtime.sec = rng_to(r, 1000000);
		break;
	default:
		q->valid = VFS_SET_SIZE;
		pick_range(r, model_seen(o)->n, &off, &n);
		q->size = rng_to(r, 3) ? off : 0;
	}
	return true;
}

static bool
make_xattr_set(struct life *l, struct rng *r, struct step *st)
{
	struct vfs_xattr_set *q = &st->q.xattr_set;
	struct mobj *o = pick_obj(l, r, rng_to(r, 2) ? VFS_REG : VFS_DIR, false);

	if (!o)
		return false;
	st->xattr = (int)rng_to(r, MODEL_XATTRS);
	snprintf(st->name, sizeof(st->name), "user.x%d", st->xattr);
	st->seed = 1 + (uint32_t)rng_to(r, 1u << 30);
	q->id.n = o->id;
	q->name = (struct vfs_slice){ st->name, strlen(st->name) };
	return true;
}

static bool
make_xattr_remove(struct life *l, struct rng *r, struct step *st)
{
	struct mobj *o = pick_obj(l, r, 0, false);
	int i;

	for (i = 0; i < MODEL_XATTRS && !o->xattr[i]; i++)
		;
	st->xattr = i < MODEL_XATTRS ? i : 0;
	snprintf(st->name, sizeof(st->name), "user.x%d", st->xattr);
	st->q.xattr_remove.id.n = o->id;
	st->q.xattr_remove.name = (struct vfs_slice){ st->name,
	    strlen(st->name) };
	return true;
}

static bool
make_open(struct life *l, struct rng *r, struct step *st)
{
	struct mobj *o = pick_obj(l, r, VFS_REG, false);

	if (!o)
		return false;
	st->q.open.id.n = o->id;
	st->q.open.flags = VFS_OPEN_WRITE | (rng_to(r, 4) ? VFS_OPEN_TRUNC : 0);
	return true;
}

static bool
make_write(struct life *l, struct rng *r, struct step *st)
{
	struct mobj *o = pick_obj(l, r, VFS_REG, false);

	if (!o)
		return false;
	st->q.write.id.n = o->id;
	pick_range(r, model_seen(o)->n, &st->q.write.off, &st->ndata);
	if (rng_to(r, 5) == 0)
		st->q.write.flags = VFS_WRITE_APPEND;
	if (model_seen(o)->n + st->ndata > MODEL_FILE_MAX)
		st->q.write.flags = 0;
	st->seed = (uint32_t)rng_u64(r);
	return true;
}

static bool
make_allocate(struct life *l, struct rng *r, struct step *st)
{
	static const uint32_t flags[] = { 0, VFS_ALLOC_KEEP_SIZE,
	    VFS_ALLOC_PUNCH | VFS_ALLOC_KEEP_SIZE, VFS_ALLOC_ZERO,
	    VFS_ALLOC_ZERO | VFS_ALLOC_KEEP_SIZE };
	struct mobj *o = pick_obj(l, r, VFS_REG, false);
	size_t n;

	if (!o)
		return false;
	st->q.allocate.id.n = o->id;
	pick_range(r, model_seen(o)->n, &st->q.allocate.off, &n);
	st->q.allocate.len = n;
	st->q.allocate.flags = flags[rng_to(r, 5)];
	return true;
}

static bool
make_copy_range(struct life *l, struct rng *r, struct step *st)
{
	struct vfs_copy_range *q = &st->q.copy_range;
	struct mobj *src = pick_obj(l, r, VFS_REG, false);
	struct mobj *dst = pick_obj(l, r, VFS_REG, false);
	size_t n;

	if (!src)
		return false;
	q->src.n = src->id;
	q->dst.n = dst->id;
	n = model_seen(src)->n;
	if (rng_to(r, 2)) {
		q->len = n;
	} else {
		q->src_off = 4096ull * rng_to(r, 5);
		q->dst_off = 4096ull * rng_to(r, 5);
		q->len = 1 + rng_to(r, 50000);
	}
	return true;
}

static bool
make_sync(struct life *l, struct rng *r, struct step *st)
{
	struct mobj *o = pick_obj(l, r, VFS_REG, false);

	st->q.sync.id.n = o && rng_to(r, 5) ? o->id : 0;
	return true;
}

static bool
make_publish(struct life *l, struct rng *r, struct step *st)
{
	struct mobj *o = pick_obj(l, r, VFS_REG, false);

	if (!o)
		return false;
	st->q.publish.id.n = o->id;
	st->q.publish.carry_max = rng_to(r, 3) ? 0 : 65536;
	return true;
}

static bool
make_reclaim(struct life *l, struct rng *r, struct step *st)
{
	struct mobj *o = pick_obj(l, r, 0, false);

	st->q.reclaim.id.n = o->id;
	return o->nlink > 0;	/* must change nothing; ACT_DROP is the other */
}

static bool
make_tree_remove(struct life *l, struct rng *r, struct step *st)
{
	struct mname *n = pick_name(l, r);

	if (!n)
		return false;
	st->q.tree_remove.dir.n = n->dir;
	st->q.tree_remove.name = put_name(st->name, n->name);
	return true;
}

static bool
make_tree_publish(struct life *l, struct rng *r, struct step *st)
{
	static const uint32_t flags[] = { 0, VFS_RENAME_NOREPLACE,
	    VFS_RENAME_EXCHANGE, VFS_TREE_REPLACE, VFS_TREE_REPLACE,
	    VFS_TREE_REPLACE };
	struct vfs_tree_publish *q = &st->q.tree_publish;

	if (!make_rename(l, r, st))	/* the same fields */
		return false;
	q->flags = flags[rng_to(r, 6)];
	if (q->flags == VFS_RENAME_EXCHANGE)
		aim_at(st, pick_name(l, r));
	return true;
}

static bool
make_tree_clone(struct life *l, struct rng *r, struct step *st)
{
	if (!step_make_clone(l, r, st))
		return false;
	st->q.tree_clone.dir.n = pick_dir(l, r);
	st->q.tree_clone.name = some_name(r, st->name);
	return true;
}

/* Of a removed directory, or (nothing is to happen) another one. */
static bool
make_reap(struct life *l, struct rng *r, struct step *st)
{
	struct vfs_reap *q = &st->q.reap;
	int i;

	q->id.n = pick_dir(l, r);
	for (i = 0; i < l->m.nobj; i++)
		if (l->m.obj[i].type == VFS_DIR && l->m.obj[i].nlink == 0 &&
		    !rng_to(r, 2))
			q->id.n = l->m.obj[i].id;
	q->max = 1 + rng_to(r, 4);
	for (i = 0; i < l->m.nobj; i++)
		held[i].n = l->m.obj[i].id;
	q->held = (struct vfs_slice){ held, rng_to(r, 2) ?
	    (size_t)l->m.nobj * sizeof(held[0]) : 0 };
	return true;
}

/* One of a few grants comes, changes, or goes. */
static bool
make_token(struct life *l, struct rng *r, struct step *st)
{
	(void)l;
	st->q.token.number = 1 + rng_to(r, 4);
	st->q.token.next = st->q.token.number + 4;
	st->seed = rng_to(r, 3);
	return true;
}
static bool (*const makers[VFS_OP_COUNT])(struct life *, struct rng *,
    struct step *) = {
	[VFS_OP_CREATE] = make_create,
	[VFS_OP_TMPFILE] = make_tmpfile,
	[VFS_OP_LINK] = make_link,
	[VFS_OP_UNLINK] = make_unlink,
	[VFS_OP_RENAME] = make_rename,
	[VFS_OP_SETATTR] = make_setattr,
	[VFS_OP_XATTR_SET] = make_xattr_set,
	[VFS_OP_XATTR_REMOVE] = make_xattr_remove,
	[VFS_OP_OPEN] = make_open,
	[VFS_OP_WRITE] = make_write,
	[VFS_OP_ALLOCATE] = make_allocate,
	[VFS_OP_COPY_RANGE] = make_copy_range,
	[VFS_OP_SYNC] = make_sync,
	[VFS_OP_PUBLISH] = make_publish,
	[VFS_OP_RECLAIM] = make_reclaim,
	[VFS_OP_TREE_REMOVE] = make_tree_remove,
	[VFS_OP_TREE_PUBLISH] = make_tree_publish,
	[VFS_OP_REAP] = make_reap,
	[VFS_OP_TREE_CLONE] = make_tree_clone,
	[VFS_OP_TOKEN] = make_token,
};

bool
step_make(struct life *l, struct rng *r, enum act act, enum vfs_op op,
    struct step *st)
{
	struct mobj *o;

	memset(st, 0, sizeof(*st));
	st->act = act;
	st->op = op;
	if (act == ACT_OP) {
		if (!makers[op] || !makers[op](l, r, st))
			return false;
	} else if (act == ACT_TX) {
		if (!step_make_tx(l, r, st))
			return false;
	} else if (act == ACT_DROP) {
		int i;

		for (i = 0; i < l->m.nobj && l->m.obj[i].nlink > 0; i++)
			;
		if (i == l->m.nobj)
			return false;
		st->id = l->m.obj[i].id;
	} else if (act == ACT_RELEASE) {
		if (!(o = pick_obj(l, r, VFS_REG, false)))
			return false;
		st->id = o->id;
	}
	step_describe(st);
	return true;
}

void
step_random(struct life *l, struct rng *r, struct step *st)
{
	static const struct {
		enum act act;
		enum vfs_op op;
		int weight;
	} table[] = {
		{ ACT_OP, VFS_OP_CREATE, 14 },
		{ ACT_OP, VFS_OP_WRITE, 26 },
		{ ACT_OP, VFS_OP_TMPFILE, 2 },
		{ ACT_OP, VFS_OP_LINK, 4 },
		{ ACT_OP, VFS_OP_UNLINK, 6 },
		{ ACT_OP, VFS_OP_RENAME, 8 },
		{ ACT_OP, VFS_OP_SETATTR, 6 },
		{ ACT_OP, VFS_OP_XATTR_SET, 3 },
		{ ACT_OP, VFS_OP_XATTR_REMOVE, 2 },
		{ ACT_OP, VFS_OP_OPEN, 3 },
		{ ACT_OP, VFS_OP_ALLOCATE, 4 },
		{ ACT_OP, VFS_OP_COPY_RANGE, 4 },
		{ ACT_OP, VFS_OP_SYNC, 8 },
		{ ACT_OP, VFS_OP_PUBLISH, 6 },
		{ ACT_OP, VFS_OP_RECLAIM, 1 },
		{ ACT_OP, VFS_OP_TREE_REMOVE, 4 },
		{ ACT_OP, VFS_OP_TREE_PUBLISH, 4 },
		{ ACT_OP, VFS_OP_REAP, 6 },
		{ ACT_OP, VFS_OP_TREE_CLONE, 4 },
		{ ACT_OP, VFS_OP_TOKEN, 2 },
		{ ACT_TX, 0, 14 },
		{ ACT_DROP, 0, 6 },
		{ ACT_RELEASE, 0, 4 },
		{ ACT_CHECKPOINT, 0, 5 },
		{ ACT_STEP, 0, 3 },
		{ ACT_READER, 0, 4 },
		{ ACT_CUT, 0, 2 },
		{ ACT_KILL, 0, 2 },
		{ ACT_CLOSE, 0, 1 },
	};
	int i, w, total = 0;

	for (i = 0; i < (int)(sizeof(table) / sizeof(table[0])); i++)
		total += table[i].weight;
	do {
		w = (int)rng_to(r, (uint32_t)total);
		for (i = 0; w >= table[i].weight; i++)
			w -= table[i].weight;
	} while (!step_make(l, r, table[i].act, table[i].op, st));
}
