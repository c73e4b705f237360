/*
 * op_open.c - OPEN: permission, O_TRUNC, atime
 *
 * Most opens change nothing and are answered by peek_open alone.
 */
#include <assert.h>

#include "content.h"
#include "perm.h"

#define DAY_SEC		86400
#define SCATTERED	32768u		/* extents: the smallest log takes 45,000 */

static bool
after(struct vfs_time a, struct vfs_time b)
{
	return a.sec > b.sec || (a.sec == b.sec && a.nsec > b.nsec);
}

/* relatime: readers want to know that it was read since it changed. */
static bool
atime_due(struct txn *t, const struct node *n)
{
	struct vfs_time now = txn_env(t)->now;

	return !after(n->in.atime, n->in.mtime) ||
	    !after(n->in.atime, n->in.ctime) ||
	    now.sec - n->in.atime.sec >= DAY_SEC;
}

static int
open_check(struct txn *t, const struct vfs_open *q, struct node *n)
{
	uint32_t mask = 0;
	int err;

	if ((err = node_get(t, q->id, n)) < 0)
		return err;
	if (node_is_dir(n) && (q->flags & (VFS_OPEN_WRITE | VFS_OPEN_TRUNC)))
		return -VFS_ISDIR;
	/* Reading a link's target is no open, but sets its atime too. */
	if (node_type(n) == VFS_LNK && q->flags != VFS_OPEN_ATIME)
		return -VFS_LOOP;
	if (q->flags & VFS_OPEN_READ)
		mask |= VFS_MAY_READ;
	if (q->flags & (VFS_OPEN_WRITE | VFS_OPEN_TRUNC))
		mask |= VFS_MAY_WRITE;
	if (q->flags & VFS_OPEN_EXEC)
		mask |= VFS_MAY_EXEC;
	return perm_check(t, n, mask);
}

static bool
truncates(const struct vfs_open *q, const struct node *n)
{
	return (q->flags & VFS_OPEN_TRUNC) && node_is_file(n);
}

int
peek_open(struct txn *rt, const struct vfs_open *q, bool rdonly,
    struct vfs_open_reply *r)
{
	struct node n;
	int err;

	if ((err = open_check(rt, q, &n)) < 0)
		return err;
	if (truncates(q, &n))
		return 0;
	if (!rdonly && (q->flags & VFS_OPEN_ATIME) && atime_due(rt, &n))
		return 0;
	node_attr(&n, &r->attr);
	return 1;
}

/*
 * 1: so many extents that their deletion may not fit into one commit, as
 * the draft's must.  Looked at only where there are as many blocks.
 */
static int
is_scattered(struct txn *t, const struct node *n)
{
	struct ext_walk w;
	struct ext x;
	unsigned i = 0;
	int err;

	if (n->in.blocks < SCATTERED)
		return 0;
	if ((err = ext_walk_begin(&w, t, n, 0, EXT_LAST_BLOCK)) < 0)
		return err;
	while (i < SCATTERED && (err = ext_walk_next(&w, &x)) == 0)
		i++;
	ext_walk_end(&w);
	return err < 0 && err != -VFS_NOENT ? err : i == SCATTERED;
}

static int
open_trunc(struct txn *t, const struct vfs_open *q, struct node *n)
{
	int scattered = is_scattered(t, n), err;
	bool caps = false;

	if (scattered < 0)
		return scattered;
	if (((q->flags & VFS_OPEN_KILL_SUIDGID) || perm_kills_suidgid(t)) &&
	    (err = content_kill_privs(t, n, &caps)) < 0)
		return err;
	if (!caps && (err = content_kill_caps(t, n, &caps)) < 0)
		return err;
	if ((err = draft_cut(t, n)) < 0)
		return err;
	if (caps || scattered)
		return draft_publish(t, n);
	txn_set_draft(t);
	return 0;
}

/* No version changes, and nobody hears of it. */
static int
open_atime(struct txn *t, struct node *n)
{
	n->in.atime = txn_env(t)->now;
	if (!n->draft)
		return node_put(t, n);
	txn_set_draft(t);
	return node_put_draft(t, n);
}

int
op_open(struct txn *t, const struct vfs_open *q, struct plan *p,
    struct vfs_open_reply *r)
{
	struct node n;
	int err;

	(void)p;
	assert(txn_mode(t) == TXN_WRITE);
	if ((err = open_check(t, q, &n)) < 0)
		return err;
	if (truncates(q, &n))
		err = open_trunc(t, q, &n);
	else if ((q->flags & VFS_OPEN_ATIME) && atime_due(t, &n))
		err = open_atime(t, &n);
	if (err < 0)
		return err;
	node_attr(&n, &r->attr);
	return 0;
}
