/*
 * tx_pre.c - what has to be so, or nothing happens
 *
 * A file whose newest bytes are not published has no version that anybody
 * could have asked for, so a precondition on its content does not hold.
 */
#include <string.h>

#include "../../protocol/records.h"
#include "../core/dirent.h"
#include "../core/node.h"
#include "../core/perm.h"
#include "../core/within.h"
#include "tx_in.h"

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

/* A directory that is not there has no name. */
static int
may_search(struct txn *t, struct vfs_id dir)
{
	struct node n;
	int err = node_get_dir(t, dir, &n);

	if (err == -VFS_NO_SUCH_ID || err == -VFS_NOTDIR)
		return 0;
	return err < 0 ? err : perm_check(t, &n, VFS_MAY_EXEC);
}

static int
pre_name(struct txn *t, const struct vfs_tx_pre *p, struct tx_verdict *v)
{
	struct rec_name e = { .id = { 0 } };
	int err;

	if ((err = may_search(t, p->id)) < 0)
		return err;
	err = dirent_find(t, p->id, p->name, &e);
	if (err < 0 && err != -VFS_NOENT)
		return err;
	return e.id.n == p->id2.n ? 0 : fails(v, p->id, p->name, e.id.n);
}

/* tx_exec.c has put ID_VERSION in its place. */
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

/* The first record behind commit a that a reader of the subtree gets. */
static int
pre_journal(struct txn *t, const struct vfs_tx_pre *p, struct tx_verdict *v)
{
	uint8_t room[2048];		/* for one */
	struct vfs_journal_read q = { .subtree = p->id, .seq = p->a,
		.idx = UINT32_MAX, .max = 1 };
	struct vfs_journal_read_reply r = {
		.records = { room, sizeof room, 0 } };
	struct proto_change x;
	struct rbuf b;
	int err;

	if (p->a == UINT64_MAX)
		return 0;
	if ((err = op_journal_read(t, &q, &r)) < 0)
		return err;
	if (r.n == 0)
		return r.more ? -VFS_TX_LIMIT : 0;
	proto_list_read(&b, (struct vfs_slice){ room, r.records.n });
	if ((err = proto_change_next(&b, &x)) < 0)
		return err;
	return fails(v, x.id, x.name, x.seq);
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
