/*
 * orphans.c - what nobody names or holds any more goes away
 */
#include "../core/record.h"
#include "dispatch_in.h"
#include "../engine/engine.h"
#include "holders.h"
#include "publisher.h"
#include "reaper.h"

#define OLD_MAX		256u		/* orphans that an open reclaims */

/* In steps: a huge file does not fit one commit, a tree goes to the
 * reaper. */
static int
reclaim(struct server *s, struct vfs_id id)
{
	struct vfs_reclaim q = { .id = id };
	struct vfs_reclaim_reply r;
	struct req_env env;
	int err;

	server_env(&env);
	do {
		r.reclaimed = 1;
		err = dispatch(s, VFS_OP_RECLAIM, &env, &q, &r);
	} while (err == 0 && r.reclaimed == 0);
	if (err < 0)
		return err;
	if (r.reclaimed == VFS_RECLAIM_TREE) {
		reaper_add(s->reaper, id);
		s->graves = true;
	} else {
		publisher_forget(s->publisher, id);
	}
	return 0;
}

void
server_orphaned(struct server *s, struct vfs_id id, bool keep)
{
	if (holders_orphan(s->holders, id, keep))
		(void)reclaim(s, id);	/* else the next open does it */
}

void
server_tree_orphaned(struct server *s, struct vfs_id id)
{
	if (holders_orphan(s->holders, id, false))
		(void)reclaim(s, id);
	else
		reaper_left(s->reaper, id);
	s->graves = true;
}

void
after_unlink(struct server *s, const void *q, const void *r)
{
	const struct vfs_unlink_reply *u = r;

	(void)q;
	if (u->nlink == 0)
		server_orphaned(s, u->id, false);
}

void
after_rename(struct server *s, const void *q, const void *r)
{
	const struct vfs_rename_reply *u = r;

	(void)q;
	if (u->replaced.n != 0 && u->replaced_nlink == 0)
		server_orphaned(s, u->replaced, false);
}

void
after_tmpfile(struct server *s, const void *q, const void *r)
{
	const struct vfs_tmpfile_reply *u = r;

	(void)q;
	server_orphaned(s, u->attr.id, true);
}

/* (What has another name is left by RECLAIM.) */
void
after_tree_remove(struct server *s, const void *q, const void *r)
{
	const struct vfs_tree_remove_reply *u = r;

	(void)q;
	server_tree_orphaned(s, u->id);
}

void
after_tree_publish(struct server *s, const void *q, const void *r)
{
	const struct vfs_tree_publish_reply *u = r;

	(void)q;
	if (u->replaced.n != 0)
		server_tree_orphaned(s, u->replaced);
}

void
server_hold(struct server *s, struct vfs_id id, uint64_t n)
{
	(void)holders_add(s->holders, HOLDER_OTHER, id, n);
}

void
server_drop(struct server *s, struct vfs_id id, uint64_t n)
{
	if (holders_drop(s->holders, HOLDER_OTHER, id, n))
		(void)reclaim(s, id);
}

void
server_kernel_hold(struct server *s, struct vfs_id id, uint64_t n)
{
	(void)holders_add(s->holders, HOLDER_KERNEL, id, n);
}

void
server_kernel_drop(struct server *s, struct vfs_id id, uint64_t n)
{
	if (holders_drop(s->holders, HOLDER_KERNEL, id, n))
		(void)reclaim(s, id);
}

/*
 * A name that goes after the object was seen to have it is taken by
 * somebody who finds the holder.  Seen without one, it may be going.
 */
bool
server_kept(struct server *s, struct vfs_id id)
{
	struct vfs_stat_reply r = { .attr = { .nlink = 0 } };
	struct vfs_stat q = { id };
	struct req_env env;
	struct txn *t;
	int err;

	server_env(&env);
	if (txn_begin(s->engine, TXN_READ, &env, &t) < 0)
		return true;		/* who looks next is told */
	err = op_stat(t, &q, &r);
	txn_abort(t);
	return (err == 0 && r.attr.nlink > 0) ||
	    holders_marked(s->holders, id);
}

int
server_orphans(struct server *s, struct vfs_id after, struct vfs_id *ids,
    size_t cap, size_t *n)
{
	struct vfs_slice key, val;
	struct row_parts parts;
	struct txn_cur *c;
	struct req_env env;
	struct row_key k;
	struct txn *t;
	int err;

	*n = 0;
	server_env(&env);
	if ((err = txn_begin(s->engine, TXN_READ, &env, &t)) < 0)
		return err;
	row_key_id(&k, ROW_ORPHAN, after.n + 1);
	if ((err = txn_cur_open(t, &c)) < 0)
		goto out;
	err = txn_cur_seek_in(c, row_key_slice(&k), 1, &key, &val);
	while (err == 0 && *n < cap &&
	    (err = row_key_parse(key, &parts)) == 0 &&
	    parts.kind == ROW_ORPHAN) {
		ids[(*n)++].n = parts.a;
		err = txn_cur_next(c, &key, &val);
	}
out:
	txn_abort(t);
	return err == -VFS_NOENT ? 0 : err;
}

int
server_reclaim_old(struct server *s)
{
	struct vfs_id ids[OLD_MAX], none = { 0 };
	struct engine_status st;
	size_t i, n;
	int err;

	if ((err = server_orphans(s, none, ids, OLD_MAX, &n)) < 0)
		return err;
	for (i = 0; i < n; i++)
		if ((err = reclaim(s, ids[i])) < 0)
			return err;
	if (n < OLD_MAX)
		return 0;
	engine_status(s->engine, &st);
	s->graves = true;
	st.next_id.n--;			/* what comes later has holders */
	reaper_scan(s->reaper, ids[n - 1], st.next_id);
	return 0;
}

bool
server_reaper_busy(struct server *s)
{
	struct reaper_counts c;

	reaper_counts(s->reaper, &c);
	return c.waiting > 0;
}

bool
server_has_graves(struct server *s)
{
	if (!s->graves)
		return false;
	s->graves = false;		/* whoever adds one sets it after that */
	if (server_reaper_busy(s) || holders_any_orphan(s->holders))
		s->graves = true;
	return s->graves;
}

void
server_reaper_counts(struct server *s, struct reaper_counts *out)
{
	reaper_counts(s->reaper, out);
}

int
server_reap(struct server *s)
{
	return reaper_step(s->reaper);
}
