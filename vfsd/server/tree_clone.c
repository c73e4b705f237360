/*
 * tree_clone.c - TREE_CLONE of what does not fit one commit
 *
 * All that was written before is published, and the number of the last
 * commit remembered: what is copied must not be newer.  The copy grows in a
 * staging directory, in commits of its own; one more puts it in place.  If
 * anything fails, or the daemon dies, the staging directory goes as every
 * object does that nobody names or holds.
 */
#include "../core/clone.h"
#include "../core/dirent.h"
#include "dispatch_in.h"
#include "../engine/engine.h"

#define STEP_BYTES	(192u << 10)	/* of rows */

static const struct vfs_slice top_name = { "top", 3 };

struct big {
	struct server *s;
	const struct req_env *env;	/* who asks */
	struct req_env own;		/* the daemon, in his time */
	const struct vfs_tree_clone *q;
	struct vfs_id staging;
	struct clone *c;
	size_t bytes;			/* a step */
};

/* The first attempt has checked who asks; the parts are ours. */
static int
stage(struct big *b)
{
	struct vfs_tmpfile q = { .dir = b->q->dir,
		.mode = VFS_TYPE_MODE(VFS_DIR) | 0700 };
	struct vfs_tmpfile_reply r;
	int err;

	if ((err = dispatch(b->s, VFS_OP_TMPFILE, &b->own, &q, &r)) < 0)
		return err;
	b->staging = r.attr.id;
	server_hold(b->s, b->staging, 1);
	return 0;
}

static int
top(struct big *b, struct txn *t)
{
	struct node dir;
	int err;

	if ((err = node_get_dir(t, b->staging, &dir)) < 0 ||
	    (err = clone_top(t, b->c, &dir, top_name)) < 0)
		return err;
	dir.in.flags |= INODE_UNTOLD;
	return node_put(t, &dir);
}

/* One commit; 1 if there is more to do. */
static int
step(struct big *b)
{
	struct txn *t;
	int err, more = 1;

	if ((err = txn_begin(b->s->engine, TXN_WRITE, b->env, &t)) < 0)
		return err;
	if (clone_id(b->c).n == 0)
		err = top(b, t);
	else
		err = more = clone_step(t, b->c, b->bytes);
	if (err >= 0 && b->env->stop != NULL)
		err = b->env->stop(b->env->stop_arg);
	if (err < 0) {
		txn_abort(t);
		return err;
	}
	err = txn_commit(t, NULL);
	return err < 0 ? err : more;
}

static int
publish(struct big *b, struct vfs_tree_clone_reply *r)
{
	struct vfs_tree_publish q = { .dir = b->staging, .dir2 = b->q->dir,
		.flags = VFS_RENAME_NOREPLACE, .name = top_name,
		.name2 = b->q->name };
	struct vfs_tree_publish_reply pr;
	struct vfs_stat sq = { clone_id(b->c) };
	struct vfs_stat_reply sr;
	int err;

	if ((err = dispatch(b->s, VFS_OP_TREE_PUBLISH, &b->own, &q,
	    &pr)) < 0 ||
	    (err = dispatch(b->s, VFS_OP_STAT, &b->own, &sq, &sr)) < 0)
		return err;
	*r = (struct vfs_tree_clone_reply){ .attr = sr.attr,
	    .objects = clone_objects(b->c), .seq = pr.seq };
	return 0;
}

static int
run(struct big *b, struct vfs_tree_clone_reply *r)
{
	int err;

	if ((err = stage(b)) < 0)
		return err;
	while ((err = step(b)) > 0)
		;
	if (err == 0)
		err = publish(b, r);
	server_drop(b->s, b->staging, 1);
	return err;
}

int
big_tree_clone(struct server *s, const struct req_env *env, const void *q,
    void *r)
{
	struct big b = { .s = s, .env = env, .own = *env, .q = q,
		.bytes = engine_commit_max(s->engine) / 4 };
	struct engine_status st;
	int err;

	if (b.bytes > STEP_BYTES)
		b.bytes = STEP_BYTES;
	b.own.root = 0;
	b.own.privileged = true;
	if ((err = server_publish_all(s, env)) < 0)
		return err;
	engine_status(s->engine, &st);
	if ((err = clone_new(b.q->src, st.seq.n, &b.c)) < 0)
		return err;
	err = run(&b, r);
	clone_free(b.c);
	return err;
}
