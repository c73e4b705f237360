/*
 * tree_perm.c - may a tree go, with all that is in it?
 *
 * It goes in one step of a few rows, so for those whom modes stop it is
 * looked at first: what they could not remove name by name they cannot
 * remove whole.
 */
#include <stdlib.h>

#include "dirent.h"
#include "perm.h"
#include "tree.h"

#define MODE_STICKY	01000u
#define BATCH		64u
#define DEPTH_MAX	(1u << 20)	/* more parents are damage */

struct look {
	struct txn *t;
	struct vfs_id *dirs;		/* that are to be looked at */
	size_t ndirs, cap;
	uint32_t names;			/* looked at so far */
	struct dirent_row *v;		/* BATCH of them */
};

static int
push(struct look *x, struct vfs_id dir)
{
	size_t cap = 2 * x->cap + 16;
	struct vfs_id *v;

	if (x->ndirs == x->cap) {
		if ((v = realloc(x->dirs, cap * sizeof *v)) == NULL)
			return -VFS_NOMEM;
		x->dirs = v;
		x->cap = cap;
	}
	x->dirs[x->ndirs++] = dir;
	return 0;
}

static int
look_at(struct look *x, const struct node *dir, const struct rec_name *e)
{
	struct node n;
	int err;

	if (++x->names > VFS_TREE_LOOK_MAX)
		return -VFS_TX_LIMIT;
	if ((dir->in.mode & MODE_STICKY) != 0 &&
	    ((err = dirent_node(x->t, dir->id, e, &n)) < 0 ||
	    (err = perm_remove(x->t, dir, &n)) < 0))
		return err;
	return e->type == VFS_DIR ? push(x, e->id) : 0;
}

/* An empty one goes with its name, whatever its mode is. */
static int
look_in(struct look *x, struct vfs_id id)
{
	uint64_t from = VFS_SLOT_FIRST;
	struct node dir;
	uint32_t i, n;
	int err;

	if ((err = node_get_dir(x->t, id, &dir)) < 0)
		return err;
	if (dir.in.entries == 0)
		return 0;
	if ((err = perm_check(x->t, &dir, VFS_MAY_READ | VFS_MAY_WRITE |
	    VFS_MAY_EXEC)) < 0)
		return err;
	do {
		if ((err = dirent_batch(x->t, id, from, BATCH, x->v,
		    &n)) < 0)
			return err;
		for (i = 0; i < n; i++) {
			from = x->v[i].e.slot + 1;
			if ((err = look_at(x, &dir, &x->v[i].e)) < 0)
				return err;
		}
	} while (n == BATCH);
	return 0;
}

static int
look_through(struct txn *t, struct vfs_id top)
{
	struct look x = { .t = t };
	int err;

	if ((x.v = malloc(BATCH * sizeof *x.v)) == NULL)
		return -VFS_NOMEM;
	err = push(&x, top);
	while (err == 0 && x.ndirs > 0)
		err = look_in(&x, x.dirs[--x.ndirs]);
	free(x.dirs);
	free(x.v);
	return err;
}

int
tree_may_remove(struct txn *t, const struct node *dir)
{
	if (dir->in.entries == 0)
		return 0;
	if (!perm_stops(t))
		return perm_check(t, dir, VFS_MAY_WRITE | VFS_MAY_EXEC);
	return look_through(t, dir->id);
}

/* Does it, or a directory above, have no name? */
static int
goes(struct txn *t, struct vfs_id id)
{
	struct node n;
	unsigned i;
	int err;

	for (i = 0; i < DEPTH_MAX && id.n != VFS_ID_ROOT; i++) {
		if ((err = node_get_dir(t, id, &n)) < 0)
			return err;
		if (n.in.nlink == 0)
			return 1;
		id.n = n.in.parent;
	}
	return 0;
}

int
tree_may_move(struct txn *t, const struct node *n, struct vfs_id dir)
{
	int yes;

	if (!node_is_dir(n) || n->in.entries == 0 || !perm_stops(t))
		return 0;
	yes = goes(t, dir);
	return yes > 0 ? tree_may_remove(t, n) : yes;
}
