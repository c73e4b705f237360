/*
 * op_write.c - WRITE: new bytes become part of the file's draft
 *
 * Every block that a write touches gets a fresh place; of a block that it
 * covers in part the rest is read first.  So what readers, crashes and
 * older snapshots see is never half of a write.
 */
#include <assert.h>
#include <string.h>

#include "content.h"
#include "perm.h"
#include "xattr.h"

/* Memory of the blocks of one write: whole ones lie in the request. */
struct src {
	const uint8_t *data;		/* where block `first` would start */
	uint32_t n;
	bool head, tail;		/* is the edge a block of its own? */
	uint8_t edge[2][VFS_BLOCK];
};

static const uint8_t *
src_at(const void *arg, uint32_t i)
{
	const struct src *s = arg;

	if (i == 0 && s->head)
		return s->edge[0];
	if (i + 1 == s->n && s->tail)
		return s->edge[1];
	return s->data + (size_t)i * VFS_BLOCK;
}

/* The bytes of a block around those that the write brings. */
static int
read_edge(struct txn *rt, const struct node *n, uint64_t block, uint8_t *buf)
{
	if (block * VFS_BLOCK < n->in.size)
		return content_block(rt, n, block, buf);
	memset(buf, 0, VFS_BLOCK);
	return 0;
}

static int
fill_edges(struct txn *rt, const struct node *n, uint64_t off,
    struct vfs_slice data, struct src *s)
{
	uint64_t first = off / VFS_BLOCK, last = first + s->n - 1;
	size_t from = off % VFS_BLOCK, upto = (off + data.n) % VFS_BLOCK;
	size_t len;
	int err;

	s->head = from != 0 || (s->n == 1 && upto != 0);
	s->tail = s->n > 1 && upto != 0;
	if (s->head) {
		len = VFS_BLOCK - from < data.n ? VFS_BLOCK - from : data.n;
		if ((err = read_edge(rt, n, first, s->edge[0])) < 0)
			return err;
		memcpy(s->edge[0] + from, data.p, len);
	}
	if (s->tail) {
		if ((err = read_edge(rt, n, last, s->edge[1])) < 0)
			return err;
		memcpy(s->edge[1], (const uint8_t *)data.p + data.n - upto,
		    upto);
	}
	return 0;
}

/* The blocks of a write from some block on. */
struct rest {
	const struct src *s;
	uint32_t from;
};

static const uint8_t *
rest_at(const void *arg, uint32_t i)
{
	const struct rest *r = arg;

	return src_at(r->s, r->from + i);
}

/*
 * How many blocks go behind those before them.  A file that lies in pieces
 * is one whose last block has been written twice, once in part; the place
 * behind the others is left to the second time.
 */
static uint32_t
blocks_in_line(const struct node *n, uint64_t off, size_t len,
    uint64_t hint, const struct src *s)
{
	bool part = (off + len) % VFS_BLOCK != 0 && off + len >= n->in.size;

	return part && (hint & DATA_GROWS) ? s->n - 1 : s->n;
}

int
content_plan_write(struct txn *rt, const struct node *n, uint64_t off,
    struct vfs_slice data, struct plan *p)
{
	uint64_t first = off / VFS_BLOCK, hint;
	uint64_t last = (off + data.n - 1) / VFS_BLOCK;
	struct rest end;
	struct src s;
	int err;

	s.data = (const uint8_t *)data.p - off % VFS_BLOCK;
	s.n = (uint32_t)(last - first + 1);
	if ((err = fill_edges(rt, n, off, data, &s)) < 0 ||
	    (err = plan_look(rt, p, n, first, last, &hint)) < 0)
		return err;
	end = (struct rest){ &s, blocks_in_line(n, off, data.n, hint, &s) };
	if (end.from > 0 && (err = plan_write(rt, p, first, end.from, hint,
	    src_at, &s)) < 0)
		return err;
	return end.from == s.n ? 0 :
	    plan_write(rt, p, last, 1, 0, rest_at, &end);
}

static uint64_t
write_off(const struct node *n, const struct vfs_write *q)
{
	return q->flags & VFS_WRITE_APPEND ? n->in.size : q->off;
}

static uint64_t
size_after(const struct node *n, uint64_t off, uint64_t len)
{
	return n->in.size > off + len ? n->in.size : off + len;
}

/* --- a full disk --------------------------------------------------------- */

static bool
is_set_aside(const struct ext *x)
{
	return !x->draft && x->flags == EXTENT_UNWRITTEN;
}

/* What was set aside for the file is used where it lies, for the rest
 * there may be just enough. */
static int
plan_pieces(struct txn *rt, const struct node *n, uint64_t first,
    const struct src *s, struct plan *p)
{
	uint64_t last = first + s->n - 1, at = first, upto;
	struct rest r = { .s = s };
	struct ext_walk w;
	struct ext x;
	int err;

	if ((err = ext_walk_begin(&w, rt, n, first, last)) < 0)
		return err;
	while (err == 0 && at <= last) {
		err = ext_walk_next(&w, &x);
		if (err < 0 && err != -VFS_NOENT)
			break;
		if (err == 0 && x.first <= last && is_set_aside(&x))
			ext_clip(&x, at, last);
		else if (err == 0 && x.first <= last)
			x.first = ext_last(&x) + 1, x.n = 0;
		else
			x.first = last + 1, x.n = 0;
		upto = x.first <= last ? x.first : last + 1;
		r.from = (uint32_t)(at - first);
		err = upto > at ? plan_write(rt, p, at,
		    (uint32_t)(upto - at), 0, rest_at, &r) : 0;
		r.from = (uint32_t)(x.first - first);
		if (err == 0 && x.n > 0)
			err = plan_fill(rt, p, x.first, x.n, x.place,
			    rest_at, &r);
		at = upto + x.n;
	}
	ext_walk_end(&w);
	return err;
}

static int
plan_write_full(struct txn *rt, const struct node *n, uint64_t off,
    struct vfs_slice data, struct plan *p)
{
	uint64_t first = off / VFS_BLOCK;
	uint64_t last = (off + data.n - 1) / VFS_BLOCK;
	struct src s;
	int err;

	s.data = (const uint8_t *)data.p - off % VFS_BLOCK;
	s.n = (uint32_t)(last - first + 1);
	if ((err = fill_edges(rt, n, off, data, &s)) < 0)
		return err;
	return plan_pieces(rt, n, first, &s, p);
}

/* --- WRITE -------------------------------------------------------------- */

int
prep_write(struct txn *rt, const struct vfs_write *q, struct plan **out)
{
	struct node n;
	uint64_t off;
	int err;

	if ((err = content_file(rt, q->id, &n)) < 0)
		return err;
	off = write_off(&n, q);
	if ((err = content_range(off, q->data.n)) < 0)
		return err;
	if (q->data.n > VFS_IO_MAX)
		return -VFS_INVAL;
	if (q->data.n == 0 ||
	    content_fits_inline(&n, size_after(&n, off, q->data.n)))
		return 0;
	if ((err = plan_new(&n, out)) < 0)
		return err;
	err = content_plan_write(rt, &n, off, q->data, *out);
	/* Not in private: others may use the same blocks before it ends. */
	if (err == -VFS_NOSPC && n.in.blocks > 0 &&
	    txn_slot_floor(rt) == 0) {
		plan_drop(txn_engine(rt), *out, false);
		*out = NULL;
		if ((err = plan_new(&n, out)) < 0)
			return err;
		return plan_write_full(rt, &n, off, q->data, *out);
	}
	return err < 0 ? err : content_plan_convert(rt, &n, *out);
}

/* To the draft, or to the rows that all see. */
static int
write_inline(struct txn *t, struct node *n, uint64_t off,
    struct vfs_slice data, bool draft)
{
	enum row_kind kind = draft ? ROW_DINLINE : ROW_INLINE;
	struct content_inline c;
	int err;

	if (n->in.size == 0 && off == 0) {	/* nothing to go on with */
		n->draft = draft;
		return content_put_inline(t, n, kind, data);
	}
	err = content_inline_edit(t, n, off, data.p, data.n, &c);
	if (err < 0)
		return err;
	n->draft = draft;
	return content_put_inline(t, n, kind, (struct vfs_slice){ c.b, c.n });
}

static int
write_blocks(struct txn *t, struct node *n, uint64_t off, size_t len,
    struct plan *p, bool draft)
{
	int err;

	if (n->draft == draft && (n->in.flags & INODE_INLINE) &&
	    (err = node_del_row(t, draft ? ROW_DINLINE : ROW_INLINE,
	    n->id)) < 0)
		return err;
	n->in.flags &= ~(uint32_t)INODE_INLINE;
	n->draft = draft;
	n->in.size = size_after(n, off, len);
	return plan_apply(t, p, draft ? ROW_DEXTENT : ROW_EXTENT, n);
}

/*
 * Without a draft: places of published rows get bytes, or this is part of
 * a commit that publishes everything.  was: before the write had any
 * effect.
 */
static int
write_published(struct txn *t, struct node *n, uint64_t off,
    struct vfs_slice data, struct plan *p, const struct rec_inode *was)
{
	int err;

	if ((err = draft_publish(t, n)) < 0)
		return err;
	err = p == NULL ? write_inline(t, n, off, data, false) :
	    write_blocks(t, n, off, data.n, p, false);
	if (err < 0)
		return err;
	node_touch(t, n, NODE_DATA | node_lost_privs(was, n));
	if ((err = node_put(t, n)) < 0)
		return err;
	return node_journal_content(t, n, was);
}

int
content_kill_privs(struct txn *t, struct node *n, bool *caps)
{
	static const struct vfs_slice name = {
		XATTR_CAPS, sizeof XATTR_CAPS - 1
	};
	struct vfs_slice val;
	bool changed;
	int err;

	err = xattr_get(t, n, name, &val);
	if (err < 0 && err != -VFS_NOXATTR)
		return err;
	*caps = err == 0;
	return xattr_kill_privs(t, n, &changed);
}

int
content_kill_caps(struct txn *t, struct node *n, bool *caps)
{
	static const struct vfs_slice name = {
		XATTR_CAPS, sizeof XATTR_CAPS - 1
	};
	struct vfs_slice val;
	int err;

	err = xattr_get(t, n, name, &val);
	*caps = err == 0;
	if (err == -VFS_NOXATTR)
		return 0;
	return err < 0 ? err : xattr_del(t, n, name);
}

int
op_write(struct txn *t, const struct vfs_write *q, struct plan *p,
    struct vfs_write_reply *r)
{
	bool caps = false, in_row;
	struct rec_inode was;
	struct node n;
	uint64_t off;
	int err;

	assert(txn_mode(t) == TXN_WRITE);
	if ((err = content_file(t, q->id, &n)) < 0 ||
	    (err = perm_check(t, &n, VFS_MAY_WRITE)) < 0)
		return err;
	if (q->flags & ~(VFS_WRITE_APPEND | VFS_WRITE_KILL_SUIDGID |
	    VFS_WRITE_KILL_CAPS))
		return -VFS_INVAL;
	off = write_off(&n, q);
	r->count = (uint32_t)q->data.n;
	r->off = off;
	if (q->data.n == 0)
		return 0;
	in_row = content_fits_inline(&n, size_after(&n, off, q->data.n));
	if (in_row != (p == NULL))
		return -VFS_AGAIN;
	if (p != NULL && (err = plan_fits(p, &n)) < 0)
		return err;
	was = n.in;
	if (((q->flags & VFS_WRITE_KILL_SUIDGID) ||
	    perm_kills_suidgid(t)) &&
	    (err = content_kill_privs(t, &n, &caps)) < 0)
		return err;
	if ((q->flags & VFS_WRITE_KILL_CAPS) && !caps &&
	    (err = content_kill_caps(t, &n, &caps)) < 0)
		return err;
	if ((p != NULL && p->fills) || (txn_publishes(t) && !n.draft))
		return write_published(t, &n, off, q->data, p, &was);
	err = in_row ? write_inline(t, &n, off, q->data, true) :
	    write_blocks(t, &n, off, q->data.n, p, true);
	if (err < 0)
		return err;
	node_touch(t, &n, NODE_DATA);
	if ((err = node_put_draft(t, &n)) < 0)
		return err;
	if (caps)
		return draft_publish(t, &n);
	txn_set_draft(t);
	return 0;
}
