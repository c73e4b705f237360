/*
 * path.c - paths: a convenience over names
 *
 * The daemon walks names; symbolic links are this side's business.  A
 * link is put in the place of its name in the text of what is left, so
 * that nothing but the directory at the start has to be named, by id or
 * by handle.
 */
#include <stdlib.h>
#include <string.h>

#include "vfs_in.h"

struct walk {
	struct vfs *v;
	struct vfs_tx *tx;
	struct vfs_id base;
	bool temporary;			/* base is a handle of ours */
	bool by_handle;			/* this session may not use ids */
	unsigned at, links;
	char path[VFS_PATH_MAX + 1];	/* what is left */
	/* the next names */
	char names[VFS_PATH_MAX + 1];	/* '/' between them */
	unsigned n;			/* how many */
	size_t ends[VFS_WALK_MAX];	/* of each, in names */
	size_t rests[VFS_WALK_MAX];	/* what is behind each, in path */
	bool dir[VFS_WALK_MAX];		/* it has to be a directory */
	/* where they led */
	struct vfs_attr attr;
	struct vfs_id handle;		/* by_handle: of it */
};

static void
base_set(struct walk *w, struct vfs_id id, bool temporary)
{
	if (w->temporary)
		vfs_close(w->v, w->base);
	w->base = id;
	w->temporary = temporary;
}

/* --- text ------------------------------------------------------------------ */

/* One name of the path at i, or nothing; where it ends. */
static size_t
name_end(const char *path, size_t i)
{
	while (path[i] != 0 && path[i] != '/')
		i++;
	return i;
}

static bool
is_dot(const char *p, size_t n)
{
	return n == 1 && p[0] == '.';
}

/* Takes up to VFS_WALK_MAX names off the path; "." only says that what
 * is before it is a directory. */
static int
names_take(struct walk *w)
{
	size_t i = 0, end, used = 0;
	bool dot;

	w->n = 0;
	for (;;) {
		while (w->path[i] == '/')
			i++;
		end = name_end(w->path, i);
		dot = is_dot(w->path + i, end - i);
		if (end == i || (w->n == VFS_WALK_MAX && !dot))
			return 0;
		if (end - i > VFS_NAME_MAX)
			return -VFS_NAMETOOLONG;
		if (!dot) {
			if (w->n > 0)
				w->names[used++] = '/';
			memcpy(w->names + used, w->path + i, end - i);
			used += end - i;
			w->ends[w->n] = used;
			w->n++;
		}
		if (w->n > 0) {
			w->rests[w->n - 1] = end;
			w->dir[w->n - 1] = dot || w->path[end] == '/';
		}
		if (w->n == 0 && w->path[end] == 0)
			return 0;
		i = end;
	}
}

/* The k-th name is a link with this target. */
static int
splice(struct walk *w, unsigned k, const char *target, size_t n)
{
	char text[VFS_PATH_MAX + 1];
	size_t head = k > 0 ? w->ends[k - 1] : 0;
	size_t rest = strlen(w->path + w->rests[k]), total;

	if (n > 0 && target[0] == '/') {
		head = 0;
		base_set(w, w->v->root, false);
	}
	total = head + (head > 0) + n + rest;
	if (total > VFS_PATH_MAX)
		return -VFS_NAMETOOLONG;
	memcpy(text, w->names, head);
	if (head > 0)
		text[head++] = '/';
	memcpy(text + head, target, n);
	memcpy(text + head + n, w->path + w->rests[k], rest);
	text[total] = 0;
	memcpy(w->path, text, total + 1);
	return 0;
}

/* --- messages ---------------------------------------------------------------- */

/* The first n names; *k is where it ended. */
static int
walk(struct walk *w, unsigned n, unsigned *k)
{
	struct vfs_walk q = { .dir = w->base, .rights = VFS_RIGHTS_ALL,
		.flags = w->by_handle ? VFS_WALK_OPEN : 0 };
	struct vfs_walk_reply r;
	int err;

	q.path = (struct vfs_slice){ w->names, n > 0 ? w->ends[n - 1] : 0 };
	err = lv_call(w->v, w->tx, VFS_OP_WALK, &q, &r);
	*k = err < 0 ? w->v->failure.op_index : n;
	w->handle.n = 0;
	if (err < 0)
		return err;
	w->attr = r.attr;
	if (w->by_handle)
		w->handle.n = r.handle;
	return 0;
}

static void
found_drop(struct walk *w)
{
	vfs_close_if(w->v, w->handle);
	w->handle.n = 0;
}

/* w->attr is of the k-th name, which is a link. */
static int
follow(struct walk *w, unsigned k)
{
	char target[VFS_SYMLINK_MAX + 1];
	struct vfs_id id = w->handle.n != 0 ? w->handle : w->attr.id;
	int64_t n;

	if (w->links++ == VFS_SYMLOOP_MAX)
		return -VFS_LOOP;
	n = vfs_readlink(w->v, w->tx, id, target, sizeof target);
	found_drop(w);
	if (n <= 0)
		return n < 0 ? (int)n : -VFS_NOENT;
	return splice(w, k, target, (size_t)n);
}

/* --- resolving ------------------------------------------------------------------ */

static bool
is_link(const struct walk *w)
{
	return VFS_MODE_TYPE(w->attr.mode) == VFS_LNK;
}

/* A name behind the k-th could not be looked up in it: is it a link? */
static int
stopped(struct walk *w, unsigned k, int err)
{
	unsigned at;

	if (err != -VFS_NOTDIR || k == 0 || k >= w->n)
		return err;
	if ((err = walk(w, k, &at)) < 0)
		return err;
	if (is_link(w))
		return follow(w, k - 1);
	found_drop(w);
	return -VFS_NOTDIR;
}

/* All names taken were found: 1 if that is the end. */
static int
arrived(struct walk *w)
{
	unsigned k = w->n - 1;
	const char *rest = w->path + w->rests[k];
	bool more;

	rest += strspn(rest, "/");	/* or it would start at the root */
	more = *rest != 0;
	if (is_link(w) && (more || w->dir[k] ||
	    (w->at & VFS_AT_NOFOLLOW) == 0))
		return follow(w, k);
	if ((more || w->dir[k]) &&
	    VFS_MODE_TYPE(w->attr.mode) != VFS_DIR) {
		found_drop(w);
		return -VFS_NOTDIR;
	}
	if (!more)
		return 1;
	base_set(w, w->by_handle ? w->handle : w->attr.id, w->by_handle);
	w->handle.n = 0;
	memmove(w->path, rest, strlen(rest) + 1);
	return 0;
}

/* Nothing is left but the directory itself. */
static int
here(struct walk *w)
{
	unsigned k;
	int err;

	if (w->by_handle)
		return walk(w, 0, &k);
	err = vfs_stat(w->v, w->tx, w->base, &w->attr);
	if (err == 0 && VFS_MODE_TYPE(w->attr.mode) != VFS_DIR &&
	    w->path[0] != 0)
		return -VFS_NOTDIR;
	return err;
}

static int
run(struct walk *w)
{
	unsigned k;
	int err;

	for (;;) {
		if (w->path[0] == '/')
			base_set(w, w->v->root, false);
		if ((err = names_take(w)) < 0)
			return err;
		if (w->n == 0)
			return here(w);
		err = walk(w, w->n, &k);
		if (err < 0)
			err = stopped(w, k, err);
		else if ((err = arrived(w)) > 0)
			return 0;
		if (err < 0)
			return err;
	}
}

static int
begin(struct walk *w, struct vfs *v, struct vfs_tx *tx, struct vfs_id dir,
    const char *path, unsigned at)
{
	size_t n = strlen(path);

	w->v = v;
	w->tx = tx;
	w->base = dir;
	w->temporary = false;
	w->by_handle = (v->rights & VFS_RIGHT_OPEN_BY_ID) == 0;
	w->at = at;
	w->links = 0;
	w->handle.n = 0;
	if (n == 0 && (at & VFS_AT_EMPTY) == 0)
		return -VFS_NOENT;
	if (n > VFS_PATH_MAX)
		return -VFS_NAMETOOLONG;
	memcpy(w->path, path, n + 1);
	return 0;
}

/* What is found is in w; the caller has its handle, if there is one. */
static int
resolve(struct walk *w, struct vfs *v, struct vfs_tx *tx,
    struct vfs_id dir, const char *path, unsigned at)
{
	int err = begin(w, v, tx, dir, path, at);
	struct vfs_failure why;

	if (err < 0)
		return lv_fail(v, err);
	err = run(w);
	why = v->failure;
	base_set(w, dir, false);
	if (err < 0 && why.err != err)
		return lv_fail(v, err);
	if (err < 0)
		v->failure = why;
	return err;
}

int
vfs_resolve(struct vfs *v, struct vfs_tx *tx, struct vfs_id dir,
    const char *path, unsigned at, struct vfs_attr *attr)
{
	struct walk w;
	int err = resolve(&w, v, tx, dir, path, at);

	if (err < 0)
		return err;
	found_drop(&w);
	*attr = w.attr;
	return 0;
}

int
vfs_resolve_open(struct vfs *v, struct vfs_tx *tx, struct vfs_id dir,
    const char *path, unsigned at, uint32_t rights, struct vfs_id *handle,
    struct vfs_attr *attr)
{
	struct walk w;
	int err = resolve(&w, v, tx, dir, path, at);

	if (err < 0)
		return err;
	if (w.handle.n == 0 && tx == NULL)
		return vfs_open_id(v, w.attr.id, rights, handle, attr);
	if (attr != NULL)
		*attr = w.attr;
	if (w.handle.n == 0) {		/* made in tx, perhaps */
		*handle = w.attr.id;
		return 0;
	}
	if (rights == 0 || rights == VFS_RIGHTS_ALL) {
		*handle = w.handle;
		return 0;
	}
	err = vfs_dup(v, w.handle, rights, handle);
	found_drop(&w);
	return err;
}

void
vfs_close_if(struct vfs *v, struct vfs_id id)
{
	struct vfs_failure why = v->failure;

	if (id.n != v->root.n && lv_handle_find(v, id.n) != NULL)
		vfs_close(v, id);
	v->failure = why;
}

/* --- the directory of a name ------------------------------------------------------ */

/* Splits a path before its last name; false if there is none. */
static bool
split(const char *path, char *head, char *name)
{
	size_t end = strlen(path), at;

	while (end > 0 && path[end - 1] == '/')
		end--;
	for (at = end; at > 0 && path[at - 1] != '/'; at--)
		;
	if (at == end || end - at > VFS_NAME_MAX || at > VFS_PATH_MAX)
		return false;
	memcpy(name, path + at, end - at);
	name[end - at] = 0;
	memcpy(head, path, at);
	head[at] = 0;
	return strcmp(name, ".") != 0 && strcmp(name, "..") != 0;
}

int
vfs_resolve_parent(struct vfs *v, struct vfs_tx *tx, struct vfs_id dir,
    const char *path, struct vfs_id *parent, char name[VFS_NAME_MAX + 1])
{
	char head[VFS_PATH_MAX + 1];
	struct walk w;
	int err;

	if (path[0] == 0)
		return lv_fail(v, -VFS_NOENT);
	if (!split(path, head, name))
		return lv_fail(v, strlen(path) > VFS_NAME_MAX ?
		    -VFS_NAMETOOLONG : -VFS_INVAL);
	if (head[0] == 0) {
		*parent = dir;
		return 0;
	}
	if ((err = resolve(&w, v, tx, dir, head, 0)) < 0)
		return err;
	if (VFS_MODE_TYPE(w.attr.mode) != VFS_DIR) {
		found_drop(&w);
		return lv_fail(v, -VFS_NOTDIR);
	}
	*parent = w.handle.n != 0 ? w.handle : w.attr.id;
	return 0;
}
