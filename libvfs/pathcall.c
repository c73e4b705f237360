/* pathcall.c - calls by path, and the paths of an object */
#include <stdlib.h>
#include <string.h>

#include "vfs_in.h"

#define OPEN_FLAGS	0xffffu		/* those that the daemon knows */

struct spot {
	struct vfs_id dir;
	char name[VFS_NAME_MAX + 1];
};

/* Most users may not name objects by id, which would lead past modes. */
static bool
by_handle(const struct vfs *v)
{
	return (v->rights & VFS_RIGHT_OPEN_BY_ID) == 0;
}

static int
spot(struct vfs *v, struct vfs_tx *tx, struct vfs_id dir, const char *path,
    struct spot *out)
{
	return vfs_resolve_parent(v, tx, dir, path, &out->dir, out->name);
}

/* Such a path names a directory, or nothing (POSIX 4.16). */
static bool
slashed(const char *path)
{
	size_t n = strlen(path);

	return n > 0 && path[n - 1] == '/';
}

/* 0 if the name is a directory's. */
static int
need_dir(struct vfs *v, struct vfs_tx *tx, const struct spot *s)
{
	struct vfs_attr a;
	int err = vfs_lookup(v, tx, s->dir, s->name, &a);

	if (err == 0 && VFS_MODE_TYPE(a.mode) != VFS_DIR)
		err = lv_fail(v, -VFS_NOTDIR);
	return err;
}

/* The spot's directory is not needed any more, if it was opened for it. */
static int
leave(struct vfs *v, struct vfs_id dir, const struct spot *s, int err)
{
	if (s->dir.n != dir.n)
		vfs_close_if(v, s->dir);
	return err;
}

int
vfs_stat_path(struct vfs *v, struct vfs_tx *tx, struct vfs_id dir,
    const char *path, unsigned at, struct vfs_attr *attr)
{
	return vfs_resolve(v, tx, dir, path, at, attr);
}

int
vfs_mkdir_path(struct vfs *v, struct vfs_tx *tx, struct vfs_id dir,
    const char *path, uint32_t mode, struct vfs_attr *attr)
{
	struct spot s;
	int err = spot(v, tx, dir, path, &s);

	if (err < 0)
		return err;
	err = vfs_mkdir(v, tx, s.dir, s.name, mode, attr);
	return leave(v, dir, &s, err);
}

int
vfs_symlink_path(struct vfs *v, struct vfs_tx *tx, struct vfs_id dir,
    const char *path, const char *target)
{
	struct spot s;
	int err = spot(v, tx, dir, path, &s);

	if (err < 0)
		return err;
	err = slashed(path) ? lv_fail(v, -VFS_NOENT) :
	    vfs_symlink(v, tx, s.dir, s.name, target, NULL);
	return leave(v, dir, &s, err);
}

int
vfs_unlink_path(struct vfs *v, struct vfs_tx *tx, struct vfs_id dir,
    const char *path, uint32_t flags)
{
	struct vfs_id any = { 0 };
	struct spot s;
	int err = spot(v, tx, dir, path, &s);

	if (err < 0)
		return err;
	if (slashed(path))
		err = need_dir(v, tx, &s);
	if (err == 0)
		err = vfs_unlink(v, tx, s.dir, s.name, flags, any);
	return leave(v, dir, &s, err);
}

int
vfs_link_path(struct vfs *v, struct vfs_tx *tx, struct vfs_id dir,
    const char *target, const char *path)
{
	struct vfs_id from;
	struct vfs_attr a;
	struct spot s;
	int err;

	if (by_handle(v)) {
		err = vfs_resolve_open(v, tx, dir, target, VFS_AT_NOFOLLOW,
		    0, &from, &a);
	} else {
		err = vfs_resolve(v, tx, dir, target, VFS_AT_NOFOLLOW, &a);
		from = a.id;
	}
	if (err < 0)
		return err;
	if ((err = spot(v, tx, dir, path, &s)) == 0) {
		err = slashed(path) ? lv_fail(v, -VFS_NOENT) :
		    vfs_link(v, tx, from, s.dir, s.name);
		leave(v, dir, &s, err);
	}
	vfs_close_if(v, from);
	return err;
}

int
vfs_rename_path(struct vfs *v, struct vfs_tx *tx, struct vfs_id dir,
    const char *from, const char *to, uint32_t flags)
{
	struct vfs_move m = { .flags = flags };
	struct spot a, b;
	int err;

	if ((err = spot(v, tx, dir, from, &a)) < 0)
		return err;
	if ((err = spot(v, tx, dir, to, &b)) == 0) {
		m.dir = a.dir;
		m.name = a.name;
		m.dir2 = b.dir;
		m.name2 = b.name;
		if (slashed(from) || slashed(to))
			err = need_dir(v, tx, &a);
		if (err == 0)
			err = vfs_rename(v, tx, &m);
		leave(v, dir, &b, err);
	}
	return leave(v, dir, &a, err);
}

/* --- opening ------------------------------------------------------------------ */

/* Where a link leads: its target is the path from its directory on. */
static int
beyond(struct vfs *v, struct vfs_tx *tx, const struct vfs_attr *link,
    const struct spot *s, char target[VFS_SYMLINK_MAX + 1])
{
	struct vfs_id h = link->id;
	int64_t n;
	int err = 0;

	if (by_handle(v))
		err = vfs_resolve_open(v, tx, s->dir, s->name,
		    VFS_AT_NOFOLLOW, 0, &h, NULL);
	if (err < 0)
		return err;
	n = vfs_readlink(v, tx, h, target, VFS_SYMLINK_MAX + 1);
	vfs_close_if(v, h);
	return n < 0 ? (int)n : 0;
}

static int
open_found(struct vfs *v, struct vfs_tx *tx, struct vfs_id dir,
    const char *path, uint32_t flags, unsigned at, struct vfs_id *handle,
    struct vfs_attr *attr)
{
	struct vfs_attr a;
	struct vfs_id h;
	int err;

	if (!by_handle(v)) {
		err = vfs_resolve(v, tx, dir, path, at, &a);
		h = a.id;
	} else {
		err = vfs_resolve_open(v, tx, dir, path, at, 0, &h, &a);
	}
	if (err < 0)
		return err;
	if (VFS_MODE_TYPE(a.mode) == VFS_LNK)
		err = lv_fail(v, -VFS_LOOP);	/* POSIX open, O_NOFOLLOW */
	else if (VFS_MODE_TYPE(a.mode) == VFS_DIR && (flags & VFS_O_CREATE))
		err = lv_fail(v, -VFS_ISDIR);
	else
		err = vfs_open(v, tx, h, flags & OPEN_FLAGS, handle, attr);
	vfs_close_if(v, h);
	return err;
}

/* What was made is opened as asked, whatever its mode says (POSIX open):
 * through the handle that making it gave, which may do anything. */
static int
open_made(struct vfs *v, struct vfs_tx *tx, struct vfs_id made,
    uint32_t flags, struct vfs_id *handle, struct vfs_attr *attr)
{
	const uint32_t all = VFS_OPEN_READ | VFS_OPEN_WRITE;
	int err;

	*handle = made;
	if ((flags & all) == all)
		return 0;
	err = vfs_open(v, tx, made, flags & ~VFS_OPEN_TRUNC, handle, attr);
	vfs_close_if(v, made);
	return err;
}

/* One name: 1 if it is a link, which *attr tells then.  In a transaction
 * an id will do, for those who may use it. */
static int
make(struct vfs *v, struct vfs_tx *tx, const struct spot *s,
    uint32_t flags, uint32_t mode, struct vfs_id *handle,
    struct vfs_attr *attr)
{
	bool open = tx == NULL || by_handle(v);
	struct vfs_id made;
	int err;

	err = vfs_create(v, tx, s->dir, s->name, mode, VFS_CREATE_EXCL, attr,
	    open ? &made : NULL);
	if (err == 0 && !open)
		*handle = attr->id;
	else if (err == 0)
		err = open_made(v, tx, made, flags & OPEN_FLAGS, handle,
		    attr);
	if (err != -VFS_EXIST || (flags & VFS_O_EXCL) != 0)
		return err;
	if ((err = vfs_lookup(v, tx, s->dir, s->name, attr)) < 0)
		return err;
	if (VFS_MODE_TYPE(attr->mode) == VFS_LNK)
		return 1;
	return open_found(v, tx, s->dir, s->name, flags, VFS_AT_NOFOLLOW,
	    handle, attr);
}

/* A link at the end that leads to nothing makes what it leads to (POSIX
 * open, O_CREAT), unless that must not exist. */
static int
create_path(struct vfs *v, struct vfs_tx *tx, struct vfs_id dir,
    const char *path, uint32_t flags, uint32_t mode, struct vfs_id *handle,
    struct vfs_attr *attr)
{
	char target[VFS_SYMLINK_MAX + 1];
	struct spot s, before = { .dir = dir };
	unsigned links = 0;
	int err;

	for (;;) {
		if (slashed(path)) {	/* that would be a directory */
			err = lv_fail(v, -VFS_ISDIR);
			break;
		}
		if ((err = spot(v, tx, before.dir, path, &s)) < 0)
			break;
		if (s.dir.n != before.dir.n)
			leave(v, dir, &before, 0);
		before = s;
		err = make(v, tx, &s, flags, mode, handle, attr);
		if (err <= 0)
			break;
		err = links++ < VFS_SYMLOOP_MAX ?
		    beyond(v, tx, attr, &s, target) :
		    lv_fail(v, -VFS_LOOP);
		if (err < 0)
			break;
		path = target;
	}
	return leave(v, dir, &before, err);
}

int
vfs_open_path(struct vfs *v, struct vfs_tx *tx, struct vfs_id dir,
    const char *path, uint32_t flags, uint32_t mode, unsigned at,
    struct vfs_id *handle, struct vfs_attr *attr)
{
	bool create = (flags & VFS_O_CREATE) != 0;
	struct vfs_attr a;
	int err = -VFS_NOENT;

	if (!create || (flags & VFS_O_EXCL) == 0)
		err = open_found(v, tx, dir, path, flags, at, handle, attr);
	if (err != -VFS_NOENT || !create)
		return err;
	err = create_path(v, tx, dir, path, flags, mode, handle, &a);
	if (err == 0 && attr != NULL)
		*attr = a;
	return err;
}

/* --- all paths of an id ---------------------------------------------------------- */

#define PATHS_DEPTH	4096u

struct up {
	struct vfs *v;
	struct vfs_tx *tx;
	char text[VFS_PATH_MAX + 2];
	size_t at;			/* the path is text[at..] */
};

/* The name of a directory: it has one only. */
struct one {
	struct vfs_id dir;
	char name[VFS_NAME_MAX];
	size_t n;
	unsigned count;
};

static bool
take_one(void *arg, const struct vfs_dirent *e)
{
	struct one *o = arg;

	o->dir = e->dir;
	o->n = e->name.n;
	memcpy(o->name, e->name.p, e->name.n);
	o->count++;
	return true;
}

static bool
prepend(struct up *u, const char *name, size_t n)
{
	if (u->at < n + 1)
		return false;
	u->at -= n;
	memcpy(u->text + u->at, name, n);
	u->text[--u->at] = '/';
	return true;
}

/* The path of a directory before what u has.  1: it is gone, or it may not be
 * known. */
static int
climb(struct up *u, struct vfs_id dir)
{
	struct vfs_paths_of q;
	struct vfs_paths_of_reply r;
	struct one o;
	unsigned depth;
	int err;

	for (depth = 0; dir.n != VFS_ID_ROOT && dir.n != u->v->root.n;
	    depth++) {
		o = (struct one){ .count = 0 };
		q.id = dir;
		r.links = (struct vfs_sink){ take_one, &o };
		err = lv_call(u->v, u->tx, VFS_OP_PATHS_OF, &q, &r);
		if (err < 0)
			return err;
		if (o.count == 0)
			return 1;
		if (depth == PATHS_DEPTH || !prepend(u, o.name, o.n))
			return lv_fail(u->v, -VFS_NAMETOOLONG);
		dir = o.dir;
	}
	return 0;
}

/* Links are kept packed until all are there: climbing needs v. */
static int
links_of(struct vfs *v, struct vfs_tx *tx, struct vfs_id id,
    struct proto_list *l)
{
	struct vfs_paths_of q = { id };
	struct vfs_paths_of_reply r = { proto_list_sink(l) };

	return lv_call(v, tx, VFS_OP_PATHS_OF, &q, &r);
}

static int
each_link(struct vfs *v, struct vfs_tx *tx, struct vfs_slice links,
    bool (*fn)(void *arg, const char *path, size_t n), void *arg)
{
	struct vfs_dirent e;
	struct vfs_attr attr;
	struct rbuf b;
	struct up u = { .v = v, .tx = tx };
	int err;

	proto_list_read(&b, links);
	while (proto_list_more(&b) &&
	    proto_dirent_next(&b, &e, &attr) == 0) {
		u.at = sizeof u.text - 1;
		u.text[u.at] = 0;
		if (!prepend(&u, e.name.p, e.name.n))
			return lv_fail(v, -VFS_NAMETOOLONG);
		if ((err = climb(&u, e.dir)) < 0)
			return err;
		if (err == 0 && !fn(arg, u.text + u.at,
		    sizeof u.text - 1 - u.at))
			break;
	}
	return 0;
}

int
vfs_paths(struct vfs *v, struct vfs_tx *tx, struct vfs_id id,
    bool (*fn)(void *arg, const char *path, size_t n), void *arg)
{
	struct proto_list l = { .cap = v->conf.max_msg, .dirs = true };
	int err;

	if (id.n == VFS_ID_ROOT || id.n == v->root.n) {
		fn(arg, "/", 1);
		return 0;
	}
	if ((l.p = malloc(l.cap)) == NULL)
		return lv_fail(v, -VFS_NOMEM);
	err = links_of(v, tx, id, &l);
	if (err == 0)
		err = each_link(v, tx, (struct vfs_slice){ l.p, l.n }, fn,
		    arg);
	free(l.p);
	return err;
}
