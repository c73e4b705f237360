/* DIR_READ and PATHS_OF: many names at once. */
#include <inttypes.h>

#include "core.h"
#include "dirent.h"
#include "perm.h"
#include "tree.h"
#include "within.h"

#define COOKIE_DOT	1u
#define COOKIE_DOTDOT	2u
#define DEPTH_MAX	(1u << 20)	/* more parents are damage */

/* A stream in progress; last is the cookie of what was taken last. */
struct stream {
	struct txn *t;
	const struct node *dir;
	const struct vfs_dir_read *q;
	struct vfs_sink *sink;
	uint64_t fence, last;
	struct within_last parent;
	bool attrs, full;
};

/*
 * Hand one entry over.  An object that cannot be read costs only its
 * attributes: the rest of the directory is still listed, and whoever
 * looks that one name up gets the error.
 */
static void
give(struct stream *s, struct vfs_dirent *e)
{
	struct vfs_attr attr;
	struct node n;

	e->dir = s->dir->id;
	if (s->attrs) {
		int err = e->type == VFS_REG ? node_get(s->t, e->id, &n) :
		    node_get_published(s->t, e->id, &n);

		if (err == 0) {
			node_attr(&n, &attr);
			err = within_attr_next(s->t, &attr, &s->parent);
		}
		if (err == 0)
			e->attr = &attr;
	}
	if (s->sink->add(s->sink->arg, e))
		s->last = e->cookie;
	else
		s->full = true;
}

static void
give_dots(struct stream *s)
{
	struct vfs_dirent dot = {
		.id = s->dir->id, .cookie = COOKIE_DOT, .type = VFS_DIR,
		.name = { ".", 1 },
	};
	struct vfs_dirent up = {
		.id = within_up(s->t, s->dir->id, s->dir->in.parent),
		.cookie = COOKIE_DOTDOT,
		.type = VFS_DIR, .name = { "..", 2 },
	};

	if (s->q->cookie < COOKIE_DOT)
		give(s, &dot);
	if (s->q->cookie < COOKIE_DOTDOT && !s->full)
		give(s, &up);
}

/* One of the directory's slots: is it an entry of this stream?  1, 0 (the
 * end) or an error. */
static int
take_row(struct stream *s, struct vfs_slice key, struct vfs_slice val,
    struct vfs_dirent *e)
{
	struct rec_slot slot;
	uint64_t at;

	if (row_key_second(key, &at) < 0)
		return fault(s->t, -VFS_CORRUPT,
		    "a row of directory %" PRIu64, s->dir->id.n);
	if (at >= s->fence)
		return 0;
	if (rec_slot_decode(val, &slot) < 0)
		return fault(s->t, -VFS_CORRUPT, "slot %" PRIu64
		    " of directory %" PRIu64, at, s->dir->id.n);
	*e = (struct vfs_dirent){ .id = slot.id, .cookie = at,
	    .type = slot.type, .name = slot.name };
	return 1;
}

static int
give_entries(struct stream *s, struct txn_cur *c)
{
	struct vfs_slice key, val;
	struct vfs_dirent e;
	struct row_key k;
	uint64_t from = s->last + 1;
	int err;

	if (from < VFS_SLOT_FIRST)
		from = VFS_SLOT_FIRST;
	row_key_id2(&k, ROW_SLOT, s->dir->id.n, from);
	err = txn_cur_seek_in(c, row_key_slice(&k), ROW_KEY_ID, &key, &val);
	while (err == 0) {
		if ((err = take_row(s, key, val, &e)) <= 0)
			return err;
		give(s, &e);
		if (s->full)
			return 0;
		err = txn_cur_next(c, &key, &val);
	}
	return err == -VFS_NOENT ? 0 : err;
}

static int
run_stream(struct stream *s)
{
	struct txn_cur *c;
	int err;

	give_dots(s);
	if (s->full || s->dir->in.entries == 0)
		return 0;
	if ((err = txn_cur_open(s->t, &c)) < 0)
		return err;
	err = give_entries(s, c);
	txn_cur_close(c);
	return err;
}

/* A look at each name would need the permission to search. */
static int
gives_attrs(struct stream *s)
{
	int err;

	if ((s->q->want & VFS_WANT_ATTR) == 0)
		return 0;
	err = perm_check(s->t, s->dir, VFS_MAY_EXEC);
	s->attrs = err == 0;
	return err == -VFS_ACCESS ? 0 : err;
}

int
op_dir_read(struct txn *t, const struct vfs_dir_read *q,
    struct vfs_dir_read_reply *r)
{
	struct node dir;
	struct stream s = { .t = t, .dir = &dir, .q = q,
	    .sink = &r->entries, .fence = q->fence, .last = q->cookie };
	int err;

	if (q->cookie > VFS_SLOT_MAX)
		return -VFS_BAD_COOKIE;
	if ((q->want & ~VFS_WANT_ATTR) != 0)
		return -VFS_INVAL;
	if ((err = node_get_dir(t, q->dir, &dir)) < 0 ||
	    (err = perm_check(t, &dir, VFS_MAY_READ)) < 0)
		return err;
	if (!tree_takes_names(&dir) && dir.in.entries == 0)
		return -VFS_NOENT;	/* removed, and nothing is left */
	if (s.fence == 0)
		s.fence = dir.in.next_slot;
	if ((err = gives_attrs(&s)) < 0 || (err = run_stream(&s)) < 0)
		return err;
	r->next_cookie = s.last;
	r->fence = s.fence;
	r->version = dir.in.data_version;
	r->eof = !s.full;
	return 0;
}

int
op_dir_fence(struct txn *t, const struct vfs_dir_fence *q,
    struct vfs_dir_fence_reply *r)
{
	struct node dir;
	int err;

	if (q->flags != 0)
		return -VFS_INVAL;
	if ((err = node_get_dir(t, q->dir, &dir)) < 0 ||
	    (err = perm_check(t, &dir, VFS_MAY_READ)) < 0)
		return err;
	r->fence = dir.in.next_slot;
	r->version = dir.in.data_version;
	return 0;
}

/* --- PATHS_OF ----------------------------------------------------------- */

static int
link_entry(struct txn *t, const struct row_parts *link,
    struct vfs_dirent *e)
{
	struct row_key k;
	struct vfs_slice val;
	struct rec_slot slot;
	int err;

	row_key_id2(&k, ROW_SLOT, link->b, link->c);
	err = txn_get(t, row_key_slice(&k), &val);
	if (err < 0 && err != -VFS_NOENT)
		return err;
	if (err < 0 || rec_slot_decode(val, &slot) < 0 ||
	    slot.id.n != link->a)
		return fault(t, -VFS_CORRUPT, "link of object %" PRIu64
		    " in directory %" PRIu64 ", slot %" PRIu64,
		    link->a, link->b, link->c);
	*e = (struct vfs_dirent){ .id = slot.id, .dir = { link->b },
	    .cookie = link->c, .type = slot.type, .name = slot.name };
	return 0;
}

/* May the caller list it, and search all above?  1, 0 or an error. */
static int
may_list(struct txn *t, struct vfs_id dir)
{
	const struct req_env *env = txn_env(t);
	uint32_t mask = VFS_MAY_READ;
	struct node n;
	unsigned i;
	int err;

	if (!perm_stops(t))
		return 1;
	for (i = 0; i < DEPTH_MAX; i++) {
		if ((err = node_get_dir(t, dir, &n)) < 0 ||
		    (err = perm_check(t, &n, mask)) < 0)
			return err == -VFS_ACCESS ? 0 : err;
		if (dir.n == VFS_ID_ROOT || dir.n == env->root ||
		    n.in.nlink == 0)
			return 1;
		dir.n = n.in.parent;
		mask = VFS_MAY_EXEC;
	}
	return fault(t, -VFS_CORRUPT, "the parents of directory %" PRIu64
	    " have no end", dir.n);
}

/* 1: go on. */
static int
give_link(struct txn *t, const struct row_parts *link, struct vfs_sink *sink)
{
	struct vfs_dirent e;
	int in = 1, err;

	if (!within_all(t) && (link->a == txn_env(t)->root ||
	    (in = within_dir(t, (struct vfs_id){ link->b })) <= 0))
		return in < 0 ? in : 1;
	if ((in = may_list(t, (struct vfs_id){ link->b })) <= 0)
		return in < 0 ? in : 1;
	if ((err = link_entry(t, link, &e)) < 0)
		return err;
	return sink->add(sink->arg, &e);
}

static int
give_links(struct txn *t, struct txn_cur *c, struct vfs_id id,
    struct vfs_sink *sink)
{
	struct vfs_slice key, val;
	struct row_parts link;
	struct row_key k;
	int err;

	row_key_id(&k, ROW_LINK, id.n);
	err = txn_cur_seek_in(c, row_key_slice(&k), ROW_KEY_ID, &key, &val);
	while (err == 0) {
		if (row_key_parse(key, &link) < 0)
			return fault(t, -VFS_CORRUPT,
			    "a row behind the links of object %" PRIu64,
			    id.n);
		if (link.kind != ROW_LINK || link.a != id.n)
			return 0;
		if ((err = give_link(t, &link, sink)) <= 0)
			return err;
		err = txn_cur_next(c, &key, &val);
	}
	return err == -VFS_NOENT ? 0 : err;
}

int
op_paths_of(struct txn *t, const struct vfs_paths_of *q,
    struct vfs_paths_of_reply *r)
{
	struct txn_cur *c;
	struct node n;
	int err;

	if ((err = node_get(t, q->id, &n)) < 0 ||
	    (err = txn_cur_open(t, &c)) < 0)
		return err;
	err = give_links(t, c, q->id, &r->links);
	txn_cur_close(c);
	return err;
}
