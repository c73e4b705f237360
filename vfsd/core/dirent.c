#include <inttypes.h>
#include <string.h>

#include "dirent.h"
#include "perm.h"
#include "tree.h"

#define NAME_VALUE_MAX	32u
#define SLOT_VALUE_MAX	(16u + VFS_NAME_MAX)

int
dirent_name_check(struct vfs_slice name)
{
	if (name.n > VFS_NAME_MAX)
		return -VFS_NAMETOOLONG;
	if (name.n == 0 || dirent_is_dot(name) || dirent_is_dotdot(name) ||
	    memchr(name.p, '/', name.n) != NULL ||
	    memchr(name.p, '\0', name.n) != NULL)
		return -VFS_NAME;
	return 0;
}

int
dirent_parent(struct txn *t, struct vfs_id id, struct node *dir)
{
	int err;

	if ((err = node_get_dir(t, id, dir)) < 0)
		return err;
	if (!tree_takes_names(dir))
		return -VFS_NOENT;	/* removed, and still held */
	return perm_check(t, dir, VFS_MAY_WRITE | VFS_MAY_EXEC);
}

int
dirent_find(struct txn *t, struct vfs_id dir, struct vfs_slice name,
    struct rec_name *out)
{
	struct row_key k;
	struct vfs_slice val;
	int err;

	if (name.n > VFS_NAME_MAX)
		return -VFS_NAMETOOLONG;
	row_key_name(&k, ROW_NAME, dir, name);
	if ((err = txn_get(t, row_key_slice(&k), &val)) < 0)
		return err;
	if (rec_name_decode(val, out) < 0)
		return fault(t, -VFS_CORRUPT, "a name in directory %" PRIu64,
		    dir.n);
	return 0;
}

int
dirent_node(struct txn *t, struct vfs_id dir, const struct rec_name *e,
    struct node *out)
{
	int err;

	if (e->type == VFS_REG)
		err = node_get(t, e->id, out);
	else
		err = node_get_published(t, e->id, out);
	if (err == -VFS_NO_SUCH_ID)
		return fault(t, -VFS_CORRUPT, "object %" PRIu64
		    ", slot %" PRIu64 " of directory %" PRIu64
		    ", has no inode", e->id.n, e->slot, dir.n);
	if (err == 0 && node_type(out) != e->type)
		return fault(t, -VFS_CORRUPT, "object %" PRIu64
		    " is not of the type that directory %" PRIu64 " says",
		    e->id.n, dir.n);
	return err;
}

static int
put_name(struct txn *t, struct vfs_id dir, struct vfs_slice name,
    const struct rec_name *e)
{
	uint8_t buf[NAME_VALUE_MAX];
	struct row_key k;

	row_key_name(&k, ROW_NAME, dir, name);
	return txn_put(t, row_key_slice(&k),
	    (struct vfs_slice){ buf, rec_name_encode(e, buf) });
}

static int
put_slot(struct txn *t, struct vfs_id dir, struct vfs_slice name,
    const struct rec_name *e)
{
	uint8_t buf[SLOT_VALUE_MAX];
	struct rec_slot s = { .id = e->id, .type = e->type, .name = name };
	struct row_key k;

	row_key_id2(&k, ROW_SLOT, dir.n, e->slot);
	return txn_put(t, row_key_slice(&k),
	    (struct vfs_slice){ buf, rec_slot_encode(&s, buf) });
}

static int
put_link(struct txn *t, struct vfs_id dir, const struct rec_name *e)
{
	struct row_key k;

	row_key_link(&k, e->id, dir, e->slot);
	return txn_put(t, row_key_slice(&k), (struct vfs_slice){ "", 0 });
}

static int
del_name(struct txn *t, struct vfs_id dir, struct vfs_slice name)
{
	struct row_key k;

	row_key_name(&k, ROW_NAME, dir, name);
	return txn_del(t, row_key_slice(&k));
}

static int
del_link(struct txn *t, struct vfs_id dir, const struct rec_name *e)
{
	struct row_key k;

	row_key_link(&k, e->id, dir, e->slot);
	return txn_del(t, row_key_slice(&k));
}

int
dirent_add(struct txn *t, struct node *dir, struct vfs_slice name,
    struct vfs_id id, enum vfs_type type)
{
	struct rec_name e = { .id = id, .slot = dir->in.next_slot,
	    .type = type };
	int err;

	if (e.slot < txn_slot_floor(t))
		e.slot = txn_slot_floor(t);
	if (e.slot > VFS_SLOT_MAX)
		return -VFS_NOSPC;
	if ((err = put_name(t, dir->id, name, &e)) < 0 ||
	    (err = put_slot(t, dir->id, name, &e)) < 0 ||
	    (err = put_link(t, dir->id, &e)) < 0)
		return err;
	dir->in.next_slot = e.slot + 1;
	dir->in.entries++;
	return 0;
}

int
dirent_del(struct txn *t, struct node *dir, struct vfs_slice name,
    const struct rec_name *e)
{
	struct row_key k;
	int err;

	if (dir->in.entries == 0)
		return fault(t, -VFS_CORRUPT, "directory %" PRIu64
		    " has more names than it counts", dir->id.n);
	row_key_id2(&k, ROW_SLOT, dir->id.n, e->slot);
	if ((err = del_name(t, dir->id, name)) < 0 ||
	    (err = txn_del(t, row_key_slice(&k))) < 0 ||
	    (err = del_link(t, dir->id, e)) < 0)
		return err;
	dir->in.entries--;
	return 0;
}

int
dirent_set(struct txn *t, struct node *dir, struct vfs_slice name,
    const struct rec_name *e, struct vfs_id id, enum vfs_type type)
{
	struct rec_name to = { .id = id, .slot = e->slot, .type = type };
	int err;

	if ((err = del_link(t, dir->id, e)) < 0 ||
	    (err = put_name(t, dir->id, name, &to)) < 0 ||
	    (err = put_slot(t, dir->id, name, &to)) < 0)
		return err;
	return put_link(t, dir->id, &to);
}

int
dirent_rename(struct txn *t, struct node *dir, struct vfs_slice name,
    const struct rec_name *e, struct vfs_slice name2)
{
	int err;

	if ((err = del_name(t, dir->id, name)) < 0 ||
	    (err = put_name(t, dir->id, name2, e)) < 0)
		return err;
	return put_slot(t, dir->id, name2, e);
}

static int
row_take(struct txn *t, struct vfs_id dir, struct vfs_slice key,
    struct vfs_slice val, struct dirent_row *v)
{
	struct row_parts parts;
	struct rec_slot slot;

	if (row_key_parse(key, &parts) < 0 ||
	    rec_slot_decode(val, &slot) < 0)
		return fault(t, -VFS_CORRUPT, "a slot of directory %" PRIu64,
		    dir.n);
	v->e = (struct rec_name){ .id = slot.id, .slot = parts.b,
	    .type = slot.type };
	v->name_n = slot.name.n;
	memcpy(v->name, slot.name.p, slot.name.n);
	return 0;
}

int
dirent_batch(struct txn *t, struct vfs_id dir, uint64_t from, uint32_t max,
    struct dirent_row *v, uint32_t *n)
{
	struct vfs_slice key, val;
	struct txn_cur *c;
	struct row_key k;
	int err;

	*n = 0;
	if ((err = txn_cur_open(t, &c)) < 0)
		return err;
	row_key_id2(&k, ROW_SLOT, dir.n, from);
	err = txn_cur_seek_in(c, row_key_slice(&k), ROW_KEY_ID, &key, &val);
	while (err == 0 && *n < max) {
		if ((err = row_take(t, dir, key, val, &v[*n])) < 0)
			break;
		++*n;
		err = txn_cur_next(c, &key, &val);
	}
	txn_cur_close(c);
	return err == -VFS_NOENT ? 0 : err;
}
