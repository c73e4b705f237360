/*
 * What the sweep has remembered is put right, row by row; whoever calls
 * sweeps again, because one thing put right shows the next.
 */
#include <inttypes.h>
#include <stdio.h>
#include <string.h>

#include "check_in.h"
#include "dirent.h"
#include "draft.h"

#define FIXES_A_TXN	1000u
#define LOST		"lost+found"

static int
put_val(struct txn *t, const struct fix *f)
{
	return txn_put(t, row_key_slice(&f->key),
	    (struct vfs_slice){ f->val, f->val_n });
}

/* --- an inode -------------------------------------------------------- */

static void
recount_dir(struct node *n, const struct obj *o)
{
	n->in.entries = o->slots;
	n->in.nlink = 2 + o->subdirs;
	if (o->links == 1)
		n->in.parent = o->up;
	if (o->slots != 0 && n->in.next_slot <= o->slot_max)
		n->in.next_slot = o->slot_max + 1;
}

static int
recount(struct check *c, const struct fix *f)
{
	struct obj *o = check_obj(c, f->a);
	struct node n;
	int err;

	err = node_get_published(c->t, (struct vfs_id){ f->a }, &n);
	if (err < 0 || o == NULL)
		return err == -VFS_NO_SUCH_ID ? 0 : err;
	if (node_is_dir(&n))
		recount_dir(&n, o);
	else if (o->links > 0)
		n.in.nlink = o->links;
	if (!(o->seen & OBJ_LOST_BLOCKS))
		n.in.blocks = o->got_blocks;
	if ((n.in.flags & INODE_INLINE) && (o->seen & OBJ_HAS_INLINE))
		n.in.size = o->inline_bytes;
	n.in.xattrs = o->got_xattrs;
	n.in.flags &= ~(uint32_t)(INODE_HAS_XATTR | INODE_HAS_ACL |
	    INODE_HAS_DEFACL);
	if (o->got_xattrs > 0)
		n.in.flags |= INODE_HAS_XATTR;
	if (o->seen & OBJ_HAS_ACL)
		n.in.flags |= INODE_HAS_ACL;
	if (o->seen & OBJ_HAS_DEFACL)
		n.in.flags |= INODE_HAS_DEFACL;
	return node_put(c->t, &n);
}

/* Where the bytes of a file without inode end. */
static int
find_bytes(struct txn *t, struct node *n)
{
	struct vfs_slice key, val;
	struct row_parts p;
	struct txn_cur *cur;
	struct row_key k;
	int err;

	row_key_id(&k, ROW_INLINE, n->id.n);
	if (txn_get(t, row_key_slice(&k), &val) == 0) {
		n->in.flags |= INODE_INLINE;
		n->in.size = val.n;
		return 0;
	}
	if ((err = txn_cur_open(t, &cur)) < 0)
		return err;
	row_key_id(&k, ROW_EXTENT, n->id.n);
	err = txn_cur_seek(cur, row_key_slice(&k), &key, &val);
	while (err == 0 && row_key_parse(key, &p) == 0 &&
	    p.kind == ROW_EXTENT && p.a == n->id.n) {
		n->in.size = (p.b + 1) * VFS_BLOCK;
		err = txn_cur_next(cur, &key, &val);
	}
	txn_cur_close(cur);
	return err == -VFS_NOENT || err == -VFS_CORRUPT ? 0 : err;
}

/* The object's rows are there, its inode is not: what is known of it. */
static int
make_inode(struct check *c, const struct fix *f)
{
	struct vfs_time now = txn_env(c->t)->now;
	struct node n;
	int err;

	err = node_get_published(c->t, (struct vfs_id){ f->a }, &n);
	if (err != -VFS_NO_SUCH_ID && err != -VFS_CORRUPT)
		return err;
	n = (struct node){ .id = { f->a }, .in = {
		.mode = VFS_TYPE_MODE(f->b) | (f->b == VFS_DIR ? 0700 : 0600),
		.nlink = f->b == VFS_DIR ? 2 : 1,
		.atime = now, .mtime = now, .ctime = now, .btime = now,
		.data_version = txn_seq(c->t).n,
		.meta_version = txn_seq(c->t).n,
		.parent = f->dir,
		.next_slot = f->b == VFS_DIR ? VFS_SLOT_FIRST : 0,
	} };
	if ((err = find_bytes(c->t, &n)) < 0)
		return err;
	return node_put(c->t, &n);
}

/* --- lost+found ------------------------------------------------------ */

static int
lost_dir(struct txn *t, struct node *root, struct node *dir)
{
	struct vfs_slice name = { LOST, strlen(LOST) };
	struct rec_name e;
	int err;

	err = node_get_dir(t, (struct vfs_id){ VFS_ID_ROOT }, root);
	if (err < 0)
		return err;
	err = dirent_find(t, root->id, name, &e);
	if (err == 0)
		return node_get_dir(t, e.id, dir);
	if (err != -VFS_NOENT)
		return err;
	err = node_new(t, VFS_TYPE_MODE(VFS_DIR) | 0700, root->in.uid,
	    root->in.gid, dir);
	if (err < 0)
		return err;
	dir->in.parent = VFS_ID_ROOT;
	root->in.nlink++;
	if ((err = dirent_add(t, root, name, dir->id, VFS_DIR)) < 0)
		return err;
	node_touch(t, root, NODE_DATA);
	if ((err = node_put(t, root)) < 0)
		return err;
	return node_put(t, dir);
}

static int
adopt(struct check *c, const struct fix *f)
{
	struct node n, root, dir;
	struct rec_name e;
	char text[32];
	struct vfs_slice name = { text, 0 };
	int err;

	name.n = (size_t)snprintf(text, sizeof text, "%" PRIu64, f->a);
	err = node_get_published(c->t, (struct vfs_id){ f->a }, &n);
	if (err < 0)
		return err == -VFS_NO_SUCH_ID ? 0 : err;
	if ((err = lost_dir(c->t, &root, &dir)) < 0)
		return err;
	if (dirent_find(c->t, dir.id, name, &e) == 0)
		return 0;
	if ((err = dirent_add(c->t, &dir, name, n.id, node_type(&n))) < 0)
		return err;
	if (node_is_dir(&n))
		dir.in.nlink++;
	else
		n.in.nlink = 1;
	n.in.parent = dir.id.n;
	node_touch(c->t, &dir, NODE_DATA);
	if ((err = node_put(c->t, &dir)) < 0)
		return err;
	return node_put(c->t, &n);
}

/* --- an extent ------------------------------------------------------- */

static int
set_shared(struct txn *t, const struct fix *f)
{
	uint8_t buf[REC_EXTENT_MAX];
	struct vfs_slice val;
	struct rec_extent x;
	int err;

	if ((err = txn_get(t, row_key_slice(&f->key), &val)) < 0)
		return err == -VFS_NOENT || err == -VFS_CORRUPT ? 0 : err;
	if (rec_extent_decode(val, &x) < 0)
		return 0;
	x.flags |= EXTENT_SHARED;
	return txn_put(t, row_key_slice(&f->key),
	    (struct vfs_slice){ buf, rec_extent_encode(&x, buf) });
}

static int
apply(struct check *c, const struct fix *f)
{
	switch (f->kind) {
	case FIX_DEL:
		return txn_del(c->t, row_key_slice(&f->key));
	case FIX_PUT:
		return put_val(c->t, f);
	case FIX_RECOUNT:
		return recount(c, f);
	case FIX_INODE:
		return make_inode(c, f);
	case FIX_ADOPT:
		return adopt(c, f);
	case FIX_SHARED:
		return set_shared(c->t, f);
	}
	return 0;
}

bool
check_to_fix(const struct check *c)
{
	return c->nfixes > 0 || c->sum.records > 0;
}

int
check_fix(struct check *c, struct txn *t, bool *more)
{
	size_t i, end = c->fixed + FIXES_A_TXN;
	int err = 0;

	if (end > c->nfixes)
		end = c->nfixes;
	c->t = t;
	for (i = c->fixed; err == 0 && i < end; i++)
		err = apply(c, &c->fixes[i]);
	c->t = NULL;
	if (err < 0)
		return err;
	c->sum.fixed += end - c->fixed;
	c->fixed = end;
	*more = c->fixed < c->nfixes;
	return 0;
}
