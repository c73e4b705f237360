/* MAP_EXTENTS: where the bytes of a file are. */
#include "../../protocol/records.h"
#include "content.h"
#include "core.h"
#include "perm.h"
#include "within.h"

/* Where blocks lie depends on everybody's files: a confined request is not
 * told. */
static int
extent_of(struct txn *t, const struct ext *x, struct proto_extent *out)
{
	uint32_t flags = ext_written(x) ? 0 : PROTO_EXTENT_UNWRITTEN;
	bool shared = false;
	int err;

	if ((x->flags & EXTENT_SHARED) &&
	    (err = share_any(t, x->place, x->n, &shared)) < 0)
		return err;
	if (shared)
		flags |= PROTO_EXTENT_SHARED;
	*out = (struct proto_extent){ .off = x->first * VFS_BLOCK,
		.len = (uint64_t)x->n * VFS_BLOCK,
		.place = within_all(t) ? x->place * VFS_BLOCK : 0,
		.flags = flags };
	return 0;
}

static int
map_blocks(struct txn *t, const struct node *n, uint64_t first,
    uint64_t last, struct proto_list *l, uint64_t *next)
{
	struct proto_extent e;
	struct ext_walk w;
	struct ext x;
	int err;

	if ((err = ext_walk_begin(&w, t, n, first, last)) < 0)
		return err;
	while ((err = ext_walk_next(&w, &x)) == 0 && x.first <= last) {
		ext_clip(&x, first, last);
		if ((err = extent_of(t, &x, &e)) < 0)
			break;
		if (!proto_extent_put(l, &e)) {
			*next = e.off;
			break;
		}
	}
	ext_walk_end(&w);
	return err == -VFS_NOENT ? 0 : err;
}

static void
map_inline(const struct node *n, struct proto_list *l)
{
	struct proto_extent e = { .len = n->in.size,
		.flags = PROTO_EXTENT_INLINE };

	if (n->in.size > 0)
		proto_extent_put(l, &e);
}

int
op_map_extents(struct txn *t, const struct vfs_map_extents *q,
    struct vfs_map_extents_reply *r)
{
	struct proto_list l = { .p = r->extents.p, .cap = r->extents.cap };
	uint64_t last = EXT_LAST_BLOCK;
	struct node n;
	int err;

	if ((err = content_file(t, q->id, &n)) < 0 ||
	    (err = perm_check(t, &n, VFS_MAY_READ)) < 0 ||
	    (err = content_range(q->off, q->len)) < 0)
		return err;
	r->next = 0;
	if (q->len > 0)			/* 0: to the end */
		last = (q->off + q->len - 1) / VFS_BLOCK;
	if (n.in.flags & INODE_INLINE)
		map_inline(&n, &l);
	else
		err = map_blocks(t, &n, q->off / VFS_BLOCK, last, &l,
		    &r->next);
	r->extents.n = l.n;
	return err;
}
