/* name.c - (directory, name) pairs, and whole trees */
#include <stdlib.h>
#include <string.h>

#include "vfs_in.h"

int
vfs_lookup(struct vfs *v, struct vfs_tx *tx, struct vfs_id dir,
    const char *name, struct vfs_attr *attr)
{
	struct vfs_lookup q = { dir, lv_str(name) };
	struct vfs_lookup_reply r;
	int err = lv_call(v, tx, VFS_OP_LOOKUP, &q, &r);

	if (err == 0 && attr != NULL)
		*attr = r.attr;
	return err;
}

/* --- many ---------------------------------------------------------------- */

#define PLACE_MAX	272u		/* bytes of a packed one */

/* A name that cannot be one is no reason to fail the others. */
static int64_t
lookup_some(struct vfs *v, struct vfs_tx *tx, const struct vfs_place *places,
    size_t n, uint32_t want, struct vfs_found *out, struct vfs_buf room)
{
	struct proto_list l = { .p = room.p, .cap = room.cap };
	struct vfs_lookup_batch q = { .want = want };
	struct vfs_lookup_batch_reply r;
	struct proto_place p;
	int bad = 0, err;

	for (; q.n < n; q.n++) {
		p = (struct proto_place){ places[q.n].dir,
			lv_str(places[q.n].name) };
		bad = proto_name_check(p.name);
		if (bad < 0 || !proto_place_put(&l, &p))
			break;		/* the rest comes next */
	}
	if (bad < 0 && q.n == 0) {
		out[0] = (struct vfs_found){ .err = bad };
		return 1;
	}
	q.names = (struct vfs_slice){ l.p, l.n };
	if ((err = lv_call(v, tx, VFS_OP_LOOKUP_BATCH, &q, &r)) < 0)
		return err;
	return lv_found_take(v, (struct vfs_slice){ r.results.p,
	    r.results.n }, want, out, q.n);
}

int
vfs_lookup_batch(struct vfs *v, struct vfs_tx *tx,
    const struct vfs_place *places, size_t n, uint32_t want,
    struct vfs_found *out)
{
	size_t max = lv_found_max(v, want), most = n < max ? n : max;
	struct vfs_buf room = { .cap = PLACE_MAX * most };
	int64_t did = 0;

	if (room.cap > lv_payload(v))
		room.cap = lv_payload(v);
	if ((room.p = malloc(room.cap + 1)) == NULL)
		return lv_fail(v, -VFS_NOMEM);
	while (n > 0) {
		did = lookup_some(v, tx, places, n < max ? n : max, want, out,
		    room);
		if (did < 0)
			break;
		places += did;
		out += did;
		n -= (size_t)did;
	}
	free(room.p);
	return did < 0 ? (int)did : 0;
}

/* --- making ----------------------------------------------------------------- */

static int
make(struct vfs *v, struct vfs_tx *tx, const struct vfs_create *q,
    struct vfs_attr *attr, struct vfs_id *handle)
{
	struct vfs_create_reply r;
	int err = lv_call(v, tx, VFS_OP_CREATE, q, &r);

	if (err < 0)
		return err;
	if (attr != NULL)
		*attr = r.attr;
	if (handle != NULL)
		handle->n = r.handle != 0 ? r.handle : r.attr.id.n;
	return 0;
}

int
vfs_create(struct vfs *v, struct vfs_tx *tx, struct vfs_id dir,
    const char *name, uint32_t mode, uint32_t flags, struct vfs_attr *attr,
    struct vfs_id *handle)
{
	struct vfs_create q = { .dir = dir, .name = lv_str(name),
		.mode = VFS_TYPE_MODE(VFS_REG) | (mode & VFS_MODE_PERM),
		.flags = flags & (VFS_CREATE_EXCL | VFS_CREATE_TRUNC) };

	if (handle != NULL)
		q.flags |= VFS_CREATE_OPEN;
	return make(v, tx, &q, attr, handle);
}

int
vfs_mkdir(struct vfs *v, struct vfs_tx *tx, struct vfs_id dir,
    const char *name, uint32_t mode, struct vfs_attr *attr)
{
	struct vfs_create q = { .dir = dir, .name = lv_str(name),
		.mode = VFS_TYPE_MODE(VFS_DIR) | (mode & VFS_MODE_PERM),
		.flags = VFS_CREATE_EXCL };

	return make(v, tx, &q, attr, NULL);
}

int
vfs_mknod(struct vfs *v, struct vfs_tx *tx, struct vfs_id dir,
    const char *name, uint32_t mode, uint32_t major, uint32_t minor,
    struct vfs_attr *attr)
{
	struct vfs_create q = { .dir = dir, .name = lv_str(name),
		.mode = mode, .rdev_major = major, .rdev_minor = minor,
		.flags = VFS_CREATE_EXCL };

	return make(v, tx, &q, attr, NULL);
}

int
vfs_symlink(struct vfs *v, struct vfs_tx *tx, struct vfs_id dir,
    const char *name, const char *target, struct vfs_attr *attr)
{
	struct vfs_create q = { .dir = dir, .name = lv_str(name),
		.mode = VFS_TYPE_MODE(VFS_LNK) | 0777,
		.flags = VFS_CREATE_EXCL, .target = lv_str(target) };

	return make(v, tx, &q, attr, NULL);
}

int
vfs_tmpfile(struct vfs *v, struct vfs_tx *tx, struct vfs_id dir,
    uint32_t mode, struct vfs_id *handle, struct vfs_attr *attr)
{
	struct vfs_tmpfile q = { dir,
		VFS_TYPE_MODE(VFS_REG) | (mode & VFS_MODE_PERM) };
	struct vfs_tmpfile_reply r;
	int err = lv_call(v, tx, VFS_OP_TMPFILE, &q, &r);

	if (err < 0)
		return err;
	if (handle != NULL)
		handle->n = r.handle != 0 ? r.handle : r.attr.id.n;
	if (attr != NULL)
		*attr = r.attr;
	return 0;
}

int
vfs_link(struct vfs *v, struct vfs_tx *tx, struct vfs_id target,
    struct vfs_id dir, const char *name)
{
	struct vfs_link q = { dir, target, lv_str(name) };

	return lv_call(v, tx, VFS_OP_LINK, &q, NULL);
}

int64_t
vfs_readlink(struct vfs *v, struct vfs_tx *tx, struct vfs_id id, char *p,
    size_t cap)
{
	struct vfs_readlink q = { id };
	struct vfs_readlink_reply r;
	int err = lv_call(v, tx, VFS_OP_READLINK, &q, &r);
	int64_t n;

	if (err < 0)
		return err;
	n = lv_bytes_out(v, &r.target, p, cap);
	if (n >= 0 && (size_t)n < cap)
		p[n] = 0;
	return n;
}

/* --- taking away, moving ---------------------------------------------------------- */

uint32_t
lv_unlink_flags(uint32_t flags)
{
	const uint32_t both = VFS_UNLINK_FILE | VFS_UNLINK_DIR;

	return (flags & both) == both ? flags & ~both : flags;
}

int
vfs_unlink(struct vfs *v, struct vfs_tx *tx, struct vfs_id dir,
    const char *name, uint32_t flags, struct vfs_id expect)
{
	struct vfs_unlink q = { dir, expect, lv_unlink_flags(flags),
		lv_str(name) };

	return lv_call(v, tx, VFS_OP_UNLINK, &q, NULL);
}

int
vfs_rename(struct vfs *v, struct vfs_tx *tx, const struct vfs_move *m)
{
	struct vfs_rename q = { m->dir, m->dir2, m->expect, m->expect2,
		m->flags, lv_str(m->name), lv_str(m->name2) };

	return lv_call(v, tx, VFS_OP_RENAME, &q, NULL);
}

/* --- trees ---------------------------------------------------------------------------- */

int
vfs_tree_publish(struct vfs *v, struct vfs_tx *tx, const struct vfs_move *m,
    struct vfs_seq *seq)
{
	struct vfs_tree_publish q = { m->dir, m->dir2, m->expect, m->expect2,
		m->flags, lv_str(m->name), lv_str(m->name2) };
	struct vfs_tree_publish_reply r;
	int err = lv_call(v, tx, VFS_OP_TREE_PUBLISH, &q, &r);

	if (err == 0 && seq != NULL)
		seq->n = r.seq;
	return err;
}

int
vfs_tree_remove(struct vfs *v, struct vfs_tx *tx, struct vfs_id dir,
    const char *name, struct vfs_id expect, struct vfs_seq *seq)
{
	struct vfs_tree_remove q = { dir, expect, 0, lv_str(name) };
	struct vfs_tree_remove_reply r;
	int err = lv_call(v, tx, VFS_OP_TREE_REMOVE, &q, &r);

	if (err == 0 && seq != NULL)
		seq->n = r.seq;
	return err;
}

int
vfs_tree_clone(struct vfs *v, struct vfs_tx *tx, struct vfs_id src,
    struct vfs_id dir, const char *name, struct vfs_attr *attr,
    uint64_t *objects, struct vfs_seq *seq)
{
	struct vfs_tree_clone q = { dir, src, 0, lv_str(name) };
	struct vfs_tree_clone_reply r;
	int err = lv_call(v, tx, VFS_OP_TREE_CLONE, &q, &r);

	if (err < 0)
		return err;
	if (attr != NULL)
		*attr = r.attr;
	if (objects != NULL)
		*objects = r.objects;
	if (seq != NULL)
		seq->n = r.seq;
	return 0;
}
