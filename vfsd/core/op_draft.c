/*
 * op_draft.c - drafts: cut, publish (PUBLISH, and within other operations)
 */
#include <assert.h>
#include <inttypes.h>
#include <stdlib.h>
#include <string.h>

#include "content.h"

int
draft_cut(struct txn *t, struct node *n)
{
	uint64_t gone;
	int err;

	if (n->draft) {
		err = ext_clear(t, ROW_DEXTENT, n, 0, EXT_LAST_BLOCK, 0,
		    &gone);
		if (err < 0)
			return err;
		if ((n->in.flags & INODE_INLINE) &&
		    (err = node_del_row(t, ROW_DINLINE, n->id)) < 0)
			return err;
	}
	n->draft = true;
	n->in.flags &= ~(uint32_t)INODE_INLINE;
	n->in.flags |= INODE_DRAFT_CUT;
	n->in.cut = 0;
	n->in.size = 0;
	n->in.blocks = 0;
	node_touch(t, n, NODE_DATA);
	return node_put_draft(t, n);
}

/* --- publishing --------------------------------------------------------- */

/* Everything published so far is replaced. */
static int
drop_published(struct txn *t, const struct node *old)
{
	uint64_t gone;

	if (old->in.flags & INODE_INLINE)
		return node_del_row(t, ROW_INLINE, old->id);
	if (old->in.blocks == 0)
		return 0;
	return ext_clear(t, ROW_EXTENT, old, 0, EXT_LAST_BLOCK, 0, &gone);
}

static int
publish_inline(struct txn *t, struct node *n)
{
	struct vfs_slice bytes;
	int err;

	if ((err = content_inline(t, n, &bytes)) < 0 ||
	    (err = content_put_inline(t, n, ROW_INLINE, bytes)) < 0)
		return err;
	return node_del_row(t, ROW_DINLINE, n->id);
}

#ifdef PLANT_HALF_WRITE
/* The break: only the first half of a write is published now. */
static int		/* 1 if a rest stays behind */
half_write(struct txn *t, struct node *n, struct ext *x)
{
	struct ext rest = *x;
	int err;

	if (x->n < 2)
		return 0;
	ext_clip(&rest, x->first + x->n / 2, UINT64_MAX);
	if ((err = ext_put(t, ROW_DEXTENT, n, &rest)) < 0)
		return err;
	ext_clip(x, x->first, x->first + x->n / 2 - 1);
	return 1;
}
#endif

/* Rows of a draft that continue each other: they become one. */
struct piece {
	struct ext x;			/* no blocks: none yet */
	uint8_t sums[8 * VFS_EXTENT_BLOCKS_MAX];
};

static bool
continues(const struct ext *a, const struct ext *x)
{
	return x->first == a->first + a->n && x->place == a->place + a->n &&
	    x->flags == a->flags && ext_written(x) &&
	    a->n + x->n <= VFS_EXTENT_BLOCKS_MAX;
}

/* It replaces what is published below it. */
static int
piece_put(struct txn *t, const struct node *n, const struct node *old,
    struct piece *p)
{
	uint64_t gone;
	int err;

	if (p->x.n == 0)
		return 0;
	if (old->in.blocks > 0 && (err = ext_clear(t, ROW_EXTENT, n,
	    p->x.first, ext_last(&p->x), 0, &gone)) < 0)
		return err;
	return ext_put(t, ROW_EXTENT, n, &p->x);
}

static int
piece_add(struct txn *t, const struct node *n, const struct node *old,
    struct piece *p, const struct ext *x)
{
	int err;

	if (p->x.n == 0 || !continues(&p->x, x)) {
		if ((err = piece_put(t, n, old, p)) < 0)
			return err;
		p->x = *x;
		p->x.n = 0;
	}
	if (ext_written(x)) {
		memcpy(p->sums + 8 * (size_t)p->x.n, x->sums,
		    8 * (size_t)x->n);
		p->x.sums = p->sums;
	}
	p->x.n += x->n;
	return 0;
}

/* A draft has no more than all blocks: where they end nothing is to be
 * looked for. */
static int
publish_blocks(struct txn *t, struct node *n, const struct node *old,
    bool *rest)
{
	uint64_t at = 0, left = n->in.blocks;
	struct ext x, whole;
	struct piece p;
	int err = 0;

	*rest = false;
	p.x.n = 0;
	while (left > 0 && (err = ext_row_at(t, ROW_DEXTENT, n, at,
	    EXT_LAST_BLOCK, &x)) == 0) {
		at = ext_last(&x) + 1;
		left -= left < x.n ? left : x.n;
		whole = x;
#ifdef PLANT_HALF_WRITE
		if ((err = half_write(t, n, &x)) < 0)
			return err;
		if (err > 0)
			*rest = true;
#endif
		if ((err = piece_add(t, n, old, &p, &x)) < 0)
			return err;
		if (ext_last(&x) == ext_last(&whole) &&
		    (err = ext_row_del(t, ROW_DEXTENT, n, &whole)) < 0)
			return err;
	}
	if ((err < 0 && err != -VFS_NOENT) ||
	    (err = piece_put(t, n, old, &p)) < 0)
		return err;
	return old->in.flags & INODE_INLINE ?
	    node_del_row(t, ROW_INLINE, n->id) : 0;
}

int
draft_publish(struct txn *t, struct node *n)
{
	struct node old, keep;
	bool rest = false;
	int err;

	assert(txn_mode(t) == TXN_WRITE);
	if (!n->draft)
		return 0;
	if ((err = node_get_published(t, n->id, &old)) < 0)
		return fault(t, -VFS_CORRUPT,
		    "object %" PRIu64 " has a draft and no inode", n->id.n);
	if ((n->in.flags & INODE_DRAFT_CUT) &&
	    (err = drop_published(t, &old)) < 0)
		return err;
	err = n->in.flags & INODE_INLINE ? publish_inline(t, n) :
	    publish_blocks(t, n, &old, &rest);
	if (err < 0)
		return err;
	keep = *n;
	n->draft = false;
	n->in.flags &= ~(uint32_t)INODE_DRAFT_CUT;
	n->in.cut = 0;
	n->in.data_version = txn_seq(t).n;
	if (node_lost_privs(&old.in, n) != 0)
		n->in.meta_version = n->in.data_version;
	if ((err = node_put(t, n)) < 0)
		return err;
	keep.in.flags = n->in.flags;
	err = rest ? node_put_draft(t, &keep) :
	    node_del_row(t, ROW_DRAFT, n->id);
	return err < 0 ? err : node_journal_content(t, n, &old.in);
}

/* --- PUBLISH ------------------------------------------------------------ */

int
peek_publish(struct txn *rt, const struct vfs_publish *q, bool rdonly,
    struct vfs_publish_reply *r)
{
	struct node n;
	int err;

	(void)rdonly;
	if ((err = node_get(rt, q->id, &n)) < 0)
		return err;
	r->published = 0;
	return n.draft ? 0 : 1;
}

/* Read back what is not on the disk yet, up to carry_max bytes. */
static int
read_back(struct txn *rt, struct plan *p, const struct ext *x)
{
	size_t n = p->ncarries + x->n, i;
	struct plan_carry *c;
	uint8_t *b;

	if ((c = realloc(p->carries, n * sizeof *c)) == NULL)
		return -VFS_NOMEM;
	p->carries = c;
	if ((b = realloc(p->bytes, n * VFS_BLOCK)) == NULL)
		return -VFS_NOMEM;
	p->bytes = b;
	for (i = 0; i < x->n; i++)
		c[p->ncarries + i] = (struct plan_carry){
		    .place = x->place + i, .gen = x->gen };
	b += p->ncarries * VFS_BLOCK;
	p->ncarries = n;
	return data_get(txn_engine(rt), x->place, b,
	    (size_t)x->n * VFS_BLOCK);
}

int
prep_publish(struct txn *rt, const struct vfs_publish *q, struct plan **out)
{
	uint64_t at = 0, left = q->carry_max / VFS_BLOCK;
	struct node n;
	struct ext x;
	int err;

	if (left == 0)
		return 0;
	if ((err = node_get(rt, q->id, &n)) < 0 || !n.draft)
		return err;
	if ((err = plan_new(&n, out)) < 0)
		return err;
	while ((err = ext_row_at(rt, ROW_DEXTENT, &n, at,
	    EXT_LAST_BLOCK, &x)) == 0) {
		at = ext_last(&x) + 1;
		if (data_is_synced(txn_engine(rt), x.gen))
			continue;
		if (x.n > left) {	/* too much: it will be flushed */
			(*out)->ncarries = 0;
			return 0;
		}
		left -= x.n;
		if ((err = read_back(rt, *out, &x)) < 0)
			return err;
	}
	return err == -VFS_NOENT ? 0 : err;
}

/* Is all that is not on the disk yet in the plan?  The draft may have
 * changed since; a block in the plan is the same if place and gen are. */
static int
all_carried(struct txn *t, struct plan *p, const struct node *n,
    bool *all)
{
	uint64_t at = 0;
	struct ext x;
	size_t i = 0;
	uint32_t k;
	int err;

	*all = true;
	while ((err = ext_row_at(t, ROW_DEXTENT, n, at,
	    EXT_LAST_BLOCK, &x)) == 0) {
		at = ext_last(&x) + 1;
		if (data_is_synced(txn_engine(t), x.gen))
			continue;
		while (i < p->ncarries && p->carries[i].place != x.place)
			i++;		/* synced since the plan was made */
		for (k = 0; k < x.n; k++, i++) {
			if (i >= p->ncarries || p->carries[i].gen != x.gen ||
			    p->carries[i].place != x.place + k) {
				*all = false;
				return 0;
			}
			p->carries[i].wanted = true;
		}
	}
	return err == -VFS_NOENT ? 0 : err;
}

static int
carry(struct txn *t, struct plan *p, const struct node *n)
{
	bool all;
	size_t i;
	int err;

	if ((err = all_carried(t, p, n, &all)) < 0 || !all)
		return err;
	for (i = 0; i < p->ncarries; i++)
		if (p->carries[i].wanted &&
		    (err = txn_carry(t, p->carries[i].place,
		    p->bytes + i * VFS_BLOCK, VFS_BLOCK)) < 0)
			return err;
	return txn_carry(t, 0, NULL, 0);	/* nothing needs a flush */
}

int
op_publish(struct txn *t, const struct vfs_publish *q, struct plan *p,
    struct vfs_publish_reply *r)
{
	struct node n;
	int err;

	r->published = 0;
	if ((err = node_get(t, q->id, &n)) < 0 || !n.draft)
		return err;
	if (p != NULL && (err = carry(t, p, &n)) < 0)
		return err;
	if ((err = draft_publish(t, &n)) < 0)
		return err;
	r->published = 1;
	return 0;
}

/* --- RECLAIM ------------------------------------------------------------ */

int
peek_reclaim(struct txn *rt, const struct vfs_reclaim *q, bool rdonly,
    struct vfs_reclaim_reply *r)
{
	struct node n;
	int err;

	(void)rdonly;
	err = node_get(rt, q->id, &n);
	if (err < 0 && err != -VFS_NO_SUCH_ID)
		return err;
	if (err == 0 && n.in.nlink == 0 && n.in.entries > 0) {
		r->reclaimed = VFS_RECLAIM_TREE;
		return 1;
	}
	r->reclaimed = 1;
	return err < 0 || n.in.nlink > 0 ? 1 : 0;
}
