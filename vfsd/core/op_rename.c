/*
 * RENAME.  Which slot an entry has afterwards (so that nobody who is
 * listing misses or sees twice what was there all the time):
 *   in one directory to a free name: it keeps its own;
 *   onto a name that exists: it takes that name's;
 *   exchange: slots stay with the names;
 *   to a free name elsewhere: a new one.
 */
#include <assert.h>
#include <string.h>

#include "core.h"
#include "dirent.h"
#include "draft.h"
#include "perm.h"
#include "tree.h"

/* One end: a directory, a name in it, and what has the name. */
struct end {
	struct node *dir;
	struct vfs_slice name;
	bool there;
	struct rec_name e;
	struct node n;
};

struct move {
	const struct vfs_rename *q;
	struct node dir, dir2;
	struct end from, to;	/* to.dir is &dir if both are the same */
	bool tree;		/* what is replaced may have entries */
};

static bool
exchanges(const struct move *m)
{
	return (m->q->flags & VFS_RENAME_EXCHANGE) != 0;
}

static bool
one_dir(const struct move *m)
{
	return m->to.dir == m->from.dir;
}

/* --- looking ------------------------------------------------------------ */

static int
find_end(struct txn *t, struct end *x)
{
	int err = dirent_find(t, x->dir->id, x->name, &x->e);

	x->there = err == 0;
	if (err == -VFS_NOENT)
		return 0;
	return err < 0 ? err : dirent_node(t, x->dir->id, &x->e, &x->n);
}

/* id 0: anything, or nothing. */
static bool
expected(const struct end *x, struct vfs_id id)
{
	return id.n == 0 || (x->there && x->n.id.n == id.n);
}

static int
load(struct txn *t, struct move *m)
{
	const struct vfs_rename *q = m->q;
	int err;

	if ((err = dirent_name_check(q->name)) < 0 ||
	    (err = dirent_name_check(q->name2)) < 0 ||
	    (err = node_get_dir(t, q->dir, &m->dir)) < 0)
		return err;
	m->from = (struct end){ .dir = &m->dir, .name = q->name };
	m->to = (struct end){ .dir = &m->dir, .name = q->name2 };
	if (q->dir.n != q->dir2.n) {
		if ((err = node_get_dir(t, q->dir2, &m->dir2)) < 0)
			return err;
		m->to.dir = &m->dir2;
	}
	if ((err = perm_check(t, m->from.dir, VFS_MAY_EXEC)) < 0 ||
	    (err = perm_check(t, m->to.dir, VFS_MAY_EXEC)) < 0 ||
	    (err = find_end(t, &m->from)) < 0)
		return err;
	if (!m->from.there || !tree_takes_names(m->to.dir))
		return -VFS_NOENT;
	if ((err = find_end(t, &m->to)) < 0)
		return err;
	return expected(&m->from, q->expect) && expected(&m->to, q->expect2) ?
	    0 : -VFS_PRECOND;
}

/* --- rules -------------------------------------------------------------- */

/* A directory cannot come to lie in itself. */
static int
check_loop(struct txn *t, const struct end *moved, const struct end *into)
{
	int below;

	if (!moved->there || !node_is_dir(&moved->n))
		return 0;
	below = tree_is_below(t, into->dir->id, moved->n.id);
	return below > 0 ? -VFS_INVAL : below;
}

/* Moving a directory changes what ".." in it means. */
static int
check_parent(struct txn *t, const struct move *m, const struct end *x)
{
	struct vfs_id into = x == &m->from ? m->to.dir->id : m->from.dir->id;
	int err;

	if (one_dir(m) || !node_is_dir(&x->n))
		return 0;
	if ((err = perm_check(t, &x->n, VFS_MAY_WRITE)) < 0)
		return err;
	return tree_may_move(t, &x->n, into);
}

static int
check_perm(struct txn *t, const struct move *m)
{
	int err;

	if ((err = perm_remove(t, m->from.dir, &m->from.n)) < 0 ||
	    (err = check_parent(t, m, &m->from)) < 0)
		return err;
	if (!m->to.there)
		return perm_check(t, m->to.dir,
		    VFS_MAY_WRITE | VFS_MAY_EXEC);
	if ((err = perm_remove(t, m->to.dir, &m->to.n)) < 0)
		return err;
	return exchanges(m) ? check_parent(t, m, &m->to) : 0;
}

/* A tree that goes cannot have in it what takes its place. */
static int
check_replaced_tree(struct txn *t, const struct move *m)
{
	int below;

	if (!node_is_dir(&m->to.n))
		return 0;
	below = tree_is_below(t, m->from.dir->id, m->to.n.id);
	if (below != 0)
		return below > 0 ? -VFS_INVAL : below;
	return tree_may_remove(t, &m->to.n);
}

/* Two names of one object, or one: nothing is replaced, says POSIX. */
static bool
onto_itself(const struct move *m)
{
	return m->to.there && m->to.n.id.n == m->from.n.id.n;
}

static int
check_replaced(struct txn *t, const struct move *m)
{
	bool dir = node_is_dir(&m->from.n);

	if (!m->to.there || exchanges(m) || onto_itself(m))
		return 0;
	if (m->tree)
		return check_replaced_tree(t, m);
	if (dir && !node_is_dir(&m->to.n))
		return -VFS_NOTDIR;
	if (!dir && node_is_dir(&m->to.n))
		return -VFS_ISDIR;
	return dir && m->to.n.in.entries > 0 ? -VFS_NOTEMPTY : 0;
}

static int
check(struct txn *t, const struct move *m)
{
	int err;

	if ((m->q->flags & VFS_RENAME_NOREPLACE) && m->to.there)
		return -VFS_EXIST;
	if (exchanges(m) && !m->to.there)
		return -VFS_NOENT;
	if ((err = check_perm(t, m)) < 0)
		return err;
	if (!one_dir(m) &&
	    ((err = check_loop(t, &m->from, &m->to)) < 0 ||
	    (exchanges(m) &&
	    (err = check_loop(t, &m->to, &m->from)) < 0)))
		return err;
	return check_replaced(t, m);
}

/* --- doing -------------------------------------------------------------- */

/* x's object now lives in dir. */
static int
moved(struct txn *t, struct end *x, const struct node *dir)
{
	int err;

	if ((err = draft_publish(t, &x->n)) < 0)
		return err;
	x->n.in.parent = dir->id.n;
	node_touch(t, &x->n, NODE_META);
	return node_put(t, &x->n);
}

/* Directories count the directories in them. */
static void
count_subdir(struct node *dir, const struct node *n, int by)
{
	if (node_is_dir(n))
		tree_count_subdir(dir, by);
}

static int
put_dirs(struct txn *t, struct move *m)
{
	bool moves = node_is_dir(&m->from.n);
	bool goes = m->to.there && node_is_dir(&m->to.n);
	int err;

	/* Only a directory that loses or gets one counts anew. */
	node_touch(t, m->from.dir, NODE_DATA | (moves || (goes &&
	    (exchanges(m) || one_dir(m))) ? NODE_META : 0));
	if ((err = node_put(t, m->from.dir)) < 0 || one_dir(m))
		return err;
	node_touch(t, m->to.dir, NODE_DATA | (moves || goes ? NODE_META : 0));
	return node_put(t, m->to.dir);
}

static int
to_free_name(struct txn *t, struct move *m)
{
	struct end *f = &m->from;
	int err;

	if (one_dir(m))
		return dirent_rename(t, f->dir, f->name, &f->e, m->to.name);
	if ((err = dirent_del(t, f->dir, f->name, &f->e)) < 0)
		return err;
	return dirent_add(t, m->to.dir, m->to.name, f->n.id, f->e.type);
}

static int
over_name(struct txn *t, struct move *m)
{
	struct rec_journal j = {
		.kind = tree_unlink_kind(&m->to.n), .parent = m->to.dir->id,
		.name = m->to.name,
	};
	struct end *f = &m->from, *to = &m->to;
	int err;

	if ((err = dirent_del(t, f->dir, f->name, &f->e)) < 0 ||
	    (err = dirent_set(t, to->dir, to->name, &to->e, f->n.id,
	    f->e.type)) < 0 ||
	    (err = node_unlinked(t, &to->n)) < 0)
		return err;
	count_subdir(to->dir, &to->n, -1);
	return node_journal(t, &to->n, j);
}

static int
replace(struct txn *t, struct move *m)
{
	int err;

	err = m->to.there ? over_name(t, m) : to_free_name(t, m);
	if (err < 0)
		return err;
	count_subdir(m->from.dir, &m->from.n, -1);
	count_subdir(m->to.dir, &m->from.n, +1);
	return moved(t, &m->from, m->to.dir);
}

static int
exchange(struct txn *t, struct move *m)
{
	struct end *f = &m->from, *to = &m->to;
	int err;

	if ((err = dirent_set(t, f->dir, f->name, &f->e, to->n.id,
	    to->e.type)) < 0 ||
	    (err = dirent_set(t, to->dir, to->name, &to->e, f->n.id,
	    f->e.type)) < 0)
		return err;
	count_subdir(f->dir, &f->n, -1);
	count_subdir(f->dir, &to->n, +1);
	count_subdir(to->dir, &to->n, -1);
	count_subdir(to->dir, &f->n, +1);
	if ((err = moved(t, f, to->dir)) < 0)
		return err;
	return moved(t, to, f->dir);
}

/* What was replaced has its own record before this; of an exchange each
 * object has one.  Of what was prepared without records nobody knows. */
static int
record(struct txn *t, const struct move *m, const struct end *from,
    const struct end *to)
{
	struct rec_journal j = {
		.kind = exchanges(m) ? JOURNAL_EXCHANGE : JOURNAL_RENAME,
		.parent = from->dir->id, .name = from->name,
		.parent2 = to->dir->id, .name2 = to->name,
	};

	if (!exchanges(m) && (from->dir->in.flags & INODE_UNTOLD))
		j = (struct rec_journal){
			.kind = node_is_dir(&from->n) ? JOURNAL_CLONE_TREE :
			    JOURNAL_CREATE,
			.parent = to->dir->id, .name = to->name,
		};
	return node_journal(t, &from->n, j);
}

static int
apply(struct txn *t, struct move *m)
{
	int err;

	err = exchanges(m) ? exchange(t, m) : replace(t, m);
	if (err < 0 || (err = put_dirs(t, m)) < 0 ||
	    (err = record(t, m, &m->from, &m->to)) < 0 || !exchanges(m))
		return err;
	return record(t, m, &m->to, &m->from);
}

int
op_rename(struct txn *t, const struct vfs_rename *q, struct plan *p,
    struct vfs_rename_reply *r)
{
	(void)p;
	return rename_run(t, q, false, r);
}

int
rename_run(struct txn *t, const struct vfs_rename *q, bool tree,
    struct vfs_rename_reply *r)
{
	uint32_t both = VFS_RENAME_NOREPLACE | VFS_RENAME_EXCHANGE;
	struct move m = { .q = q, .tree = tree };
	int err;

	assert(txn_mode(t) == TXN_WRITE);
	if ((q->flags & ~both) != 0 || q->flags == both)
		return -VFS_INVAL;
	if ((err = load(t, &m)) < 0 || (err = check(t, &m)) < 0)
		return err;
	*r = (struct vfs_rename_reply){ .id = m.from.n.id };
	if (onto_itself(&m))
		return 0;
	if ((err = apply(t, &m)) < 0)
		return err;
	if (m.to.there && !exchanges(&m)) {
		r->replaced = m.to.n.id;
		r->replaced_nlink = m.to.n.in.nlink;
	}
	return 0;
}
