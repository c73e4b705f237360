/*
 * op_tree.c - TREE_PUBLISH, TREE_REMOVE, TREE_CLONE, REAP: whole trees
 *
 * A tree goes in one commit of a few rows, whatever its size: its top
 * loses its name.  REAP takes away what is in it, a batch of names at a
 * time; directories below become tops in their turn.  Nobody can come
 * upon any of it meanwhile but through a directory that he holds, and
 * what is held is not given to REAP.
 */
#include <assert.h>
#include <inttypes.h>
#include <stdlib.h>
#include <string.h>

#include "clone.h"
#include "dirent.h"
#include "draft.h"
#include "tree.h"
#include "xattr.h"

#define DEPTH_MAX	(1u << 20)	/* more parents are damage */
#define BLOCKS_MAX	16384u		/* larger files go on their own */
#define CLONE_BYTES	(192u << 10)	/* of rows, in one commit */

/* --- out of reach ------------------------------------------------------- */

/* The directory above: 1, 0 if there is none, or an error. */
static int
parent_of(struct txn *t, struct vfs_id dir, struct vfs_id *up)
{
	struct node n;
	int err;

	if (dir.n == VFS_ID_ROOT)
		return 0;
	if ((err = node_get_dir(t, dir, &n)) < 0)
		return err;
	if (!tree_takes_names(&n))
		return 0;
	up->n = n.in.parent;
	if (n.in.nlink > 0)
		return 1;
	/* Staged for a directory that may be gone since. */
	err = node_get_dir(t, *up, &n);
	return err == -VFS_NO_SUCH_ID ? 0 : err < 0 ? err : 1;
}

int
tree_is_below(struct txn *t, struct vfs_id dir, struct vfs_id top)
{
	unsigned i;
	int more;

	for (i = 0; i < DEPTH_MAX; i++) {
		if (dir.n == top.n)
			return 1;
		if ((more = parent_of(t, dir, &dir)) <= 0)
			return more;
	}
	return fault(t, -VFS_CORRUPT, "the parents of directory %" PRIu64
	    " have no end", dir.n);
}

/* A top that has lost its name reaches nothing, not even itself. */
static int
dir_reaches(struct txn *t, const struct node *n, struct vfs_id root)
{
	return tree_takes_names(n) ? tree_is_below(t, n->id, root) : 0;
}

static int
link_reaches(struct txn *t, struct vfs_id dir, struct vfs_id root)
{
	struct node n;
	int err = node_get_dir(t, dir, &n);

	return err < 0 ? err : dir_reaches(t, &n, root);
}

static int
any_link_reaches(struct txn *t, struct txn_cur *c, struct vfs_id id,
    struct vfs_id root)
{
	struct vfs_slice key, val;
	struct row_parts link;
	struct row_key k;
	int err, yes = 0;

	row_key_id(&k, ROW_LINK, id.n);
	err = txn_cur_seek_in(c, row_key_slice(&k), ROW_KEY_ID, &key, &val);
	while (err == 0 && yes == 0) {
		if (row_key_parse(key, &link) < 0)
			return fault(t, -VFS_CORRUPT,
			    "a row behind the links of object %" PRIu64,
			    id.n);
		yes = link_reaches(t, (struct vfs_id){ link.b }, root);
		if (yes == 0)
			err = txn_cur_next(c, &key, &val);
	}
	return err < 0 && err != -VFS_NOENT ? err : yes;
}

int
tree_reaches(struct txn *t, struct vfs_id id, struct vfs_id root)
{
	struct txn_cur *c;
	struct node n;
	int err;

	if ((err = node_get(t, id, &n)) < 0)
		return err == -VFS_NO_SUCH_ID ? 0 : err;
	if (id.n == root.n)
		return 1;
	if (node_is_dir(&n))
		return dir_reaches(t, &n, root);
	if ((err = txn_cur_open(t, &c)) < 0)
		return err;
	err = any_link_reaches(t, c, id, root);
	txn_cur_close(c);
	return err;
}

/* --- away, and in place ------------------------------------------------- */

enum journal_kind
tree_unlink_kind(const struct node *n)
{
	return node_is_dir(n) && n->in.entries > 0 ? JOURNAL_REMOVE_TREE :
	    JOURNAL_UNLINK;
}

int
op_tree_remove(struct txn *t, const struct vfs_tree_remove *q,
    struct plan *p, struct vfs_tree_remove_reply *r)
{
	struct vfs_unlink u = { .dir = q->dir, .expect = q->expect,
	    .name = q->name };
	struct vfs_unlink_reply ur;
	int err;

	(void)p;
	assert(txn_mode(t) == TXN_WRITE);
	if (q->flags != 0)
		return -VFS_INVAL;
	if ((err = unlink_run(t, &u, true, &ur)) < 0)
		return err;
	r->id = ur.id;
	r->seq = txn_seq(t).n;
	return 0;
}

/* REPLACE says what to do with what has the name; the others that there
 * is nothing, or where it goes. */
static bool
publish_flags_ok(uint32_t flags)
{
	return flags == 0 || flags == VFS_RENAME_NOREPLACE ||
	    flags == VFS_RENAME_EXCHANGE || flags == VFS_TREE_REPLACE;
}

int
op_tree_publish(struct txn *t, const struct vfs_tree_publish *q,
    struct plan *p, struct vfs_tree_publish_reply *r)
{
	struct vfs_rename rn = {
		.dir = q->dir, .dir2 = q->dir2, .expect = q->expect,
		.expect2 = q->expect2, .name = q->name, .name2 = q->name2,
		.flags = q->flags & ~VFS_TREE_REPLACE,
	};
	struct vfs_rename_reply rr;
	int err;

	(void)p;
	assert(txn_mode(t) == TXN_WRITE);
	if (!publish_flags_ok(q->flags))
		return -VFS_INVAL;
	if ((err = rename_run(t, &rn, q->flags == VFS_TREE_REPLACE,
	    &rr)) < 0)
		return err;
	r->id = rr.id;
	r->replaced = rr.replaced;
	r->seq = txn_seq(t).n;
	return 0;
}

/* --- a copy ------------------------------------------------------------- */

static int
clone(struct txn *t, const struct vfs_tree_clone *q, struct clone *c,
    struct vfs_tree_clone_reply *r)
{
	struct rec_journal j = { .kind = JOURNAL_CLONE_TREE,
		.parent = q->dir, .name = q->name };
	struct node dir, n;
	struct rec_name e;
	int err, more;

	if ((err = dirent_name_check(q->name)) < 0 ||
	    (err = dirent_parent(t, q->dir, &dir)) < 0)
		return err;
	if ((err = dirent_find(t, q->dir, q->name, &e)) != -VFS_NOENT)
		return err == 0 ? -VFS_EXIST : err;
	if ((err = clone_top(t, c, &dir, q->name)) < 0 ||
	    (err = node_get(t, clone_id(c), &n)) < 0)
		return err;
	node_touch(t, &dir, NODE_DATA | (node_is_dir(&n) ? NODE_META : 0));
	if ((err = node_put(t, &dir)) < 0 ||
	    (more = clone_step(t, c, CLONE_BYTES)) < 0)
		return err < 0 ? err : more;
	if (more)
		return -VFS_TX_LIMIT;	/* in steps, then */
	if ((err = node_get(t, clone_id(c), &n)) < 0)
		return err;
	if (!node_is_dir(&n))
		j.kind = JOURNAL_CREATE;
	node_attr(&n, &r->attr);
	r->objects = clone_objects(c);
	r->seq = txn_seq(t).n;
	return node_journal(t, &n, j);
}

/* -VFS_TX_LIMIT: it is too large for one commit. */
int
op_tree_clone(struct txn *t, const struct vfs_tree_clone *q, struct plan *p,
    struct vfs_tree_clone_reply *r)
{
	struct clone *c;
	int err;

	(void)p;
	assert(txn_mode(t) == TXN_WRITE);
	if (q->flags != 0)
		return -VFS_INVAL;
	if ((err = clone_new(q->src, 0, &c)) < 0)
		return err;
	err = clone(t, q, c, r);
	clone_free(c);
	return err;
}

/* --- the rest ----------------------------------------------------------- */

struct reap {
	const struct vfs_reap *q;
	struct vfs_reap_reply *r;
	struct node dir;
	struct dirent_row *v;		/* the batch */
	uint32_t n;
	uint64_t blocks;		/* that it has freed */
};

static bool
is_held(const struct reap *x, struct vfs_id id)
{
	const uint8_t *p = x->q->held.p;
	struct vfs_id h;
	size_t i;

	for (i = 0; i + sizeof h <= x->q->held.n; i += sizeof h) {
		memcpy(&h, p + i, sizeof h);
		if (h.n == id.n)
			return true;
	}
	return false;
}

/* A record only of what the journal keeps track of by all its names. */
static int
journal(struct txn *t, const struct reap *x, const struct node *n,
    struct vfs_slice name)
{
	if (!node_is_dir(n) && (n->in.flags & INODE_MANY) == 0)
		return 0;
	return node_journal(t, n, (struct rec_journal){
	    .kind = JOURNAL_UNLINK, .parent = x->dir.id, .name = name });
}

/* It lives on without a name: the caller sees to it. */
static int
orphaned(struct txn *t, struct reap *x, struct node *n)
{
	struct vfs_buf *o = &x->r->orphans;
	int err;

	if ((err = node_unlinked(t, n)) < 0)
		return err;
	if (n->in.nlink > 0)
		return 0;
	memcpy((uint8_t *)o->p + o->n, &n->id, sizeof n->id);
	o->n += sizeof n->id;
#ifdef PLANT_REAP_IN_MEMORY
	return node_del_row(t, ROW_ORPHAN, n->id);
#endif
	return 0;
}

int
tree_forget(struct txn *t, struct node *n)
{
	int err;

	if ((err = xattr_del_all(t, n)) < 0 ||
	    (err = node_del_row(t, ROW_INODE, n->id)) < 0)
		return err;
	return n->in.nlink > 0 ? 0 : node_del_row(t, ROW_ORPHAN, n->id);
}

/* Can it go at once?  Not what others need, nor what takes long. */
static bool
goes_at_once(const struct reap *x, const struct node *n)
{
	return !node_is_dir(n) && n->in.nlink == 1 && !n->draft &&
	    n->in.blocks <= BLOCKS_MAX && !is_held(x, n->id);
}

static int
reap_entry(struct txn *t, struct reap *x, const struct dirent_row *v)
{
	struct vfs_slice name = dirent_row_name(v);
	struct node n;
	uint64_t blocks;
	int err;

	if ((err = dirent_node(t, x->dir.id, &v->e, &n)) < 0 ||
	    (err = dirent_del(t, &x->dir, name, &v->e)) < 0)
		return err;
	if (!goes_at_once(x, &n)) {
		err = orphaned(t, x, &n);
		return err < 0 ? err : journal(t, x, &n, name);
	}
	if ((err = journal(t, x, &n, name)) < 0)
		return err;
	blocks = n.in.blocks;
	if ((err = content_delete(t, &n)) < 0)
		return err;
	x->blocks += blocks - n.in.blocks;
	return err > 0 ? orphaned(t, x, &n) : tree_forget(t, &n);
}

/* The batch ends early where it has done enough. */
static int
reap_batch(struct txn *t, struct reap *x)
{
	uint32_t i;
	int err;

	for (i = 0; i < x->n && x->blocks < BLOCKS_MAX; i++) {
		if ((err = reap_entry(t, x, &x->v[i])) < 0)
			return err;
		x->r->next = x->v[i].e.slot + 1;
		x->r->names++;
	}
	if (x->dir.in.entries > 0) {
		if (x->n == 0)
			x->r->next = 0;	/* there are some before from */
		return node_put(t, &x->dir);
	}
	x->r->done = 1;
	return tree_forget(t, &x->dir);
}

static int
reap(struct txn *t, struct reap *x)
{
	int err;

	err = node_get_dir(t, x->q->id, &x->dir);
	if (err == -VFS_NO_SUCH_ID || err == -VFS_NOTDIR ||
	    (err == 0 && x->dir.in.nlink > 0)) {
		x->r->done = 1;
		return 0;
	}
	if (err < 0 || (err = dirent_batch(t, x->q->id, x->q->from,
	    x->q->max, x->v, &x->n)) < 0)
		return err;
	x->dir.in.flags &= ~(uint32_t)INODE_STAGING;
	return reap_batch(t, x);
}

int
op_reap(struct txn *t, const struct vfs_reap *q, struct plan *p,
    struct vfs_reap_reply *r)
{
	struct reap x = { .q = q, .r = r };
	struct vfs_buf orphans = r->orphans;
	int err;

	(void)p;
	assert(txn_mode(t) == TXN_WRITE);
	*r = (struct vfs_reap_reply){ .next = q->from, .orphans = orphans };
	r->orphans.n = 0;
	if (q->max == 0 || q->max > VFS_REAP_MAX ||
	    r->orphans.cap < q->max * sizeof(struct vfs_id))
		return -VFS_INVAL;
	if ((x.v = malloc(q->max * sizeof *x.v)) == NULL)
		return -VFS_NOMEM;
	err = reap(t, &x);
	free(x.v);
	return err;
}
