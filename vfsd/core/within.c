#include <inttypes.h>

#include "../../protocol/tx.h"
#include "node.h"
#include "within.h"

#define DEPTH_MAX	(1u << 20)	/* more parents are damage */

/* Is the root still where it was when it was given?  If it was moved or
 * removed, nothing is below it any more. */
static bool
root_stands(const struct req_env *env, const struct node *root)
{
	return root->in.nlink > 0 &&
	    (env->root_parent == 0 || env->root_parent == root->in.parent);
}

static bool
is_held(const struct req_env *env, struct vfs_id id)
{
	return env->holds != NULL && env->holds(env->holder, id.n);
}

/* Nowhere, but perhaps open; or its last name went in this very txn. */
static bool
nameless(struct txn *t, const struct node *n)
{
	const struct req_env *env = txn_env(t);

	if (txn_mode(t) == TXN_WRITE &&
	    n->in.meta_version == txn_seq(t).n)
		return true;
	return is_held(env, n->id);
}

/* Up to the root: 1; or out of it: 0, and *removed is the nameless
 * directory at which the way ended, or 0. */
static int
climb(struct txn *t, struct vfs_id id, struct vfs_id *removed)
{
	const struct req_env *env = txn_env(t);
	struct node n;
	unsigned i;
	int err;

	removed->n = 0;
	for (i = 0; i < DEPTH_MAX; i++) {
		err = node_get_published(t, id, &n);
		if (err < 0)
			return err == -VFS_NO_SUCH_ID ? 0 : err;
		if (!node_is_dir(&n))
			return 0;
		if (id.n == env->root)
			return root_stands(env, &n);
		if (id.n == VFS_ID_ROOT)
			return 0;
		if (n.in.nlink == 0) {	/* of a removed tree, or staged */
			removed->n = id.n;
			return nameless(t, &n);
		}
		id.n = n.in.parent;
	}
	return fault(t, -VFS_CORRUPT, "the parents of directory %" PRIu64
	    " have no end", id.n);
}

/* What is open in a removed tree stays, with all below, also while the
 * names above it are still being taken away. */
static int
open_below(struct txn *t, struct vfs_id id, struct vfs_id removed)
{
	const struct req_env *env = txn_env(t);
	struct node n;
	int err;

	while (id.n != removed.n) {
		if (is_held(env, id))
			return 1;
		if ((err = node_get_published(t, id, &n)) < 0)
			return err;
		id.n = n.in.parent;
	}
	return 0;
}

int
within_dir(struct txn *t, struct vfs_id id)
{
	struct vfs_id removed;
	int in = climb(t, id, &removed);

	return in == 0 && removed.n != 0 ? open_below(t, id, removed) : in;
}

/* Is one of its names below the root?  Or, if it is open, in a tree that
 * was removed? */
static int
any_link(struct txn *t, struct txn_cur *c, struct vfs_id id)
{
	bool held = is_held(txn_env(t), id);
	struct vfs_id dir, removed;
	struct vfs_slice key, val;
	struct row_parts link;
	struct row_key k;
	int err, in = 0;

	row_key_id(&k, ROW_LINK, id.n);
	err = txn_cur_seek_in(c, row_key_slice(&k), ROW_KEY_ID, &key, &val);
	while (err == 0 && in == 0) {
		if (row_key_parse(key, &link) < 0)
			return fault(t, -VFS_CORRUPT,
			    "a row behind the links of object %" PRIu64,
			    id.n);
		dir.n = link.b;
		in = within_dir(t, dir);
		if (in == 0 && held && (in = climb(t, dir, &removed)) == 0)
			in = removed.n != 0;
		if (in == 0)
			err = txn_cur_next(c, &key, &val);
	}
	return err < 0 && err != -VFS_NOENT ? err : in;
}

/* By its names, all the way up. */
static int
placed(struct txn *t, struct vfs_id id, const struct node *n)
{
	struct txn_cur *c;
	int err;

	if (node_is_dir(n))
		return within_dir(t, id);
	if ((err = txn_cur_open(t, &c)) < 0)
		return err;
	err = any_link(t, c, id);
	txn_cur_close(c);
	return err;
}

/*
 * Most requests are about what was found a moment ago, and nothing has
 * moved since.  Only what lies inside is remembered.
 */
int
within(struct txn *t, struct vfs_id id)
{
	const struct req_env *env = txn_env(t);
	uint64_t now, stamp = txn_placed(t);
	struct node n;
	int err;

	if (within_all(t))
		return 1;
	now = env->seen != NULL ? txn_places_now(t) : 0;
	if (now != 0 && env->seen(env->holder, id.n, now))
		return 1;
	if ((err = node_get_published(t, id, &n)) < 0)
		return err == -VFS_NO_SUCH_ID ? 0 : err;
	if (n.in.nlink == 0)
		return nameless(t, &n);
	err = placed(t, id, &n);
	if (err == 1 && stamp != 0 && env->saw != NULL)
		env->saw(env->holder, id.n, stamp);
	return err;
}

unsigned
within_compared(enum vfs_op op)
{
	switch (op) {
	case VFS_OP_UNLINK:
	case VFS_OP_TREE_REMOVE:
		return 1u << 1;
	case VFS_OP_RENAME:
	case VFS_OP_TREE_PUBLISH:
		return 1u << 2 | 1u << 3;
	default:
		return 0;
	}
}

struct look {
	struct txn *t;
	unsigned compared, at;
};

static int
look(void *arg, struct vfs_id *id)
{
	struct look *l = arg;
	int in;

	if ((l->compared >> l->at++ & 1) != 0 || id->n == 0)
		return 0;
	in = within(l->t, *id);
	return in < 0 ? in : in == 0 ? -VFS_NO_SUCH_ID : 0;
}

int
within_check(struct txn *t, enum vfs_op op, const void *q)
{
	struct look l = { .t = t, .compared = within_compared(op) };

	if (within_all(t))
		return 0;
	/* look only reads the ids */
	return proto_each_id(op, (void *)(uintptr_t)q, look, &l);
}

int
within_attr_next(struct txn *t, struct vfs_attr *a, struct within_last *last)
{
	int in;

	if (within_all(t))
		return 0;
	if (a->id.n == txn_env(t)->root) {
		a->parent = a->id;
		return 0;
	}
	if (VFS_MODE_TYPE(a->mode) == VFS_DIR || a->parent.n == 0)
		return 0;
	if (a->parent.n != last->parent) {
		if ((in = within_dir(t, a->parent)) < 0)
			return in;
		*last = (struct within_last){ a->parent.n, in != 0 };
	}
	if (!last->in)
		a->parent.n = 0;
	return 0;
}

int
within_attr(struct txn *t, struct vfs_attr *a)
{
	struct within_last none = { 0, false };

	return within_attr_next(t, a, &none);
}
