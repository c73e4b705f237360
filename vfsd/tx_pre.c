/*
 * tx_pre.c - what has to be so, or nothing happens
 *
 * A file whose newest bytes are not published has no version that anybody
 * could have asked for, so a precondition on its content does not hold.
 */
#include <string.h>

#include "core/dirent.h"
#include "core/node.h"
#include "core/within.h"
#include "tx_in.h"

#define DEPTH_MAX	(1u << 20)

static int
fails(struct tx_verdict *v, struct vfs_id object, struct vfs_slice name,
    uint64_t detail)
{
	v->object = object;
	v->detail = detail;
	v->name_n = name.n;
	if (name.n > 0)
		memcpy(v->name, name.p, name.n);
	return -VFS_PRECOND;
}

static int
pre_id_version(struct txn *t, const struct vfs_tx_pre *p,
    struct tx_verdict *v)
{
	struct vfs_slice none = { NULL, 0 };
	struct node n;
	int err = node_get(t, p->id, &n);

	if (err == -VFS_NO_SUCH_ID)
		return fails(v, p->id, none, 0);
	if (err < 0)
		return err;
	if (p->a != 0 && (n.draft || n.in.data_version != p->a))
		return fails(v, p->id, none, n.in.data_version);
	if (p->b != 0 && n.in.meta_version != p->b)
		return fails(v, p->id, none, n.in.meta_version);
	return 0;
}

static int
pre_name(struct txn *t, const struct vfs_tx_pre *p, struct tx_verdict *v)
{
	struct rec_name e = { .id = { 0 } };
	int err = dirent_find(t, p->id, p->name, &e);

	if (err < 0 && err != -VFS_NOENT)
		return err;
	return e.id.n == p->id2.n ? 0 : fails(v, p->id, p->name, e.id.n);
}

static int
pre_hash_is(struct txn *t, const struct vfs_tx_pre *p, struct tx_verdict *v)
{
	(void)t, (void)p, (void)v;
	return -VFS_UNSUPPORTED;
}

static int
pre_dir_version(struct txn *t, const struct vfs_tx_pre *p,
    struct tx_verdict *v)
{
	struct vfs_slice none = { NULL, 0 };
	struct node n;
	int err = node_get_dir(t, p->id, &n);

	if (err == -VFS_NO_SUCH_ID)
		return fails(v, p->id, none, 0);
	if (err < 0)
		return err;
	return n.in.data_version == p->a ? 0 :
	    fails(v, p->id, none, n.in.data_version);
}

/* --- the journal --------------------------------------------------------- */

/* Is dir top, or below it?  One that is gone is not. */
static int
is_below(struct txn *t, uint64_t dir, uint64_t top)
{
	struct node n;
	unsigned i;
	int err;

	for (i = 0; i < DEPTH_MAX && dir != 0; i++) {
		if (dir == top)
			return 1;
		if (dir == VFS_ID_ROOT)
			return 0;
		err = node_get_published(t, (struct vfs_id){ dir }, &n);
		if (err < 0)
			return err == -VFS_NO_SUCH_ID ? 0 : err;
		dir = n.in.parent;
	}
	return 0;
}

/* An object without a directory in its record: look at all its names. */
static int
object_below(struct txn *t, uint64_t id, uint64_t top)
{
	struct vfs_slice key, val;
	struct row_parts parts;
	struct txn_cur *c;
	struct row_key k;
	int err, below = 0;

	if (id == top)
		return 1;
	row_key_id(&k, ROW_LINK, id);
	if ((err = txn_cur_open(t, &c)) < 0)
		return err;
	err = txn_cur_seek(c, row_key_slice(&k), &key, &val);
	while (err == 0 && below == 0 && row_key_parse(key, &parts) == 0 &&
	    parts.kind == ROW_LINK && parts.a == id) {
		below = is_below(t, parts.b, top);
		if (below == 0)
			err = txn_cur_next(c, &key, &val);
	}
	txn_cur_close(c);
	return err < 0 && err != -VFS_NOENT ? err : below;
}

static int
touches(struct txn *t, const struct rec_journal *j, uint64_t top)
{
	int below;

	if (top == 0 || top == VFS_ID_ROOT)
		return 1;
	if (j->parent.n == 0)
		return object_below(t, j->id.n, top);
	if (j->id.n == top || (below = is_below(t, j->parent.n, top)) == 1)
		return 1;
	if (below < 0 || j->parent2.n == 0)
		return below;
	return is_below(t, j->parent2.n, top);
}

static int
journal_row(struct txn *t, const struct vfs_tx_pre *p,
    struct vfs_slice key, struct vfs_slice val, struct tx_verdict *v)
{
	struct row_parts parts;
	struct rec_journal j;
	int err;

	if (row_key_parse(key, &parts) < 0 || parts.kind != ROW_JOURNAL)
		return -VFS_NOENT;	/* the end */
	if (rec_journal_decode(val, &j) < 0)
		return fault(t, -VFS_CORRUPT, "a change record");
	if ((err = touches(t, &j, p->id.n)) <= 0)
		return err;
	return fails(v, j.id, j.name, parts.a);
}

/* Does the journal still go back so far?  If it is empty, yes. */
static int
journal_reaches(struct txn *t, struct txn_cur *c, uint64_t seq)
{
	struct vfs_slice key, val;
	struct row_parts parts;
	struct row_key k;
	int err;

	(void)t;
	row_key_id2(&k, ROW_JOURNAL, 0, 0);
	err = txn_cur_seek(c, row_key_slice(&k), &key, &val);
	if (err < 0)
		return err == -VFS_NOENT ? 0 : err;
	if (row_key_parse(key, &parts) < 0 || parts.kind != ROW_JOURNAL)
		return 0;
	return parts.a > seq + 1 ? -VFS_CURSOR_EXPIRED : 0;
}

static int
journal_scan(struct txn *t, struct txn_cur *c, const struct vfs_tx_pre *p,
    struct tx_verdict *v)
{
	struct vfs_slice key, val;
	struct row_key k;
	unsigned n = 0;
	int err;

	if ((err = journal_reaches(t, c, p->a)) < 0)
		return err;
	row_key_id2(&k, ROW_JOURNAL, p->a + 1, 0);
	err = txn_cur_seek(c, row_key_slice(&k), &key, &val);
	while (err == 0) {
		if ((err = journal_row(t, p, key, val, v)) < 0)
			break;
		if (++n > VFS_TX_JOURNAL_MAX)
			return -VFS_TX_LIMIT;
		err = txn_cur_next(c, &key, &val);
	}
	return err == -VFS_NOENT ? 0 : err;
}

static int
pre_journal(struct txn *t, const struct vfs_tx_pre *p, struct tx_verdict *v)
{
	struct txn_cur *c;
	int err;

	if (p->a == UINT64_MAX)
		return 0;
	if ((err = txn_cur_open(t, &c)) < 0)
		return err;
	err = journal_scan(t, c, p, v);
	txn_cur_close(c);
	return err;
}

/* --- who may ask about what ----------------------------------------------- */

#define NOBODY	(VFS_HANDLE - 1)	/* an id that no object has */

/* A confined request's question: what lies outside is not there. */
static int
confined(struct txn *t, const struct vfs_tx_pre *p, struct tx_verdict *v,
    int (*check)(struct txn *, const struct vfs_tx_pre *,
    struct tx_verdict *))
{
	struct vfs_tx_pre q = *p;
	int err, in = within(t, q.id);

	if (in < 0)
		return in;
	if (in == 0)
		q.id.n = NOBODY;
	err = check(t, &q, v);
	if (v->object.n == NOBODY)
		v->object = p->id;
	if (p->kind == VFS_PRE_JOURNAL_AT_MOST)
		v->name_n = 0;		/* it may have had it elsewhere */
	return err;
}

int
pre_check(struct txn *t, const struct vfs_tx_pre *pre, size_t n,
    struct tx_verdict *v)
{
	static int (*const check[])(struct txn *, const struct vfs_tx_pre *,
	    struct tx_verdict *) = {
		[VFS_PRE_ID_VERSION] = pre_id_version,
		[VFS_PRE_NAME_IS] = pre_name,
		[VFS_PRE_NAME_ABSENT] = pre_name,
		[VFS_PRE_HASH_IS] = pre_hash_is,
		[VFS_PRE_DIR_VERSION] = pre_dir_version,
		[VFS_PRE_JOURNAL_AT_MOST] = pre_journal,
	};
	size_t i;
	int err;

	for (i = 0; i < n; i++) {
		v->op_index = (uint32_t)i;
		err = within_all(t) ? check[pre[i].kind](t, &pre[i], v) :
		    confined(t, &pre[i], v, check[pre[i].kind]);
		if (err < 0)
			return err;
	}
	v->op_index = 0;
	return 0;
}
