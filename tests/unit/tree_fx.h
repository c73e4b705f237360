/*
 * tree_fx.h - a small tree of everything, and what can be asked of it
 */
#ifndef TESTS_UNIT_TREE_FX_H
#define TESTS_UNIT_TREE_FX_H

#include "../../vfsd/core/tree.h"
#include "../fx.h"

static inline struct vfs_attr
stat_of(struct fx *fx, const char *path)
{
	struct vfs_attr a = { .nlink = 0 };

	assert_err(fx_stat(fx, path, &a), OK);
	return a;
}

/* /t with a directory, files, a symlink and a hard link to /keep. */
static inline void
make_tree(struct fx *fx)
{
	assert_err(fx_mkdir(fx, "/t", 0755), OK);
	assert_err(fx_mkdir(fx, "/t/d", 0755), OK);
	assert_err(fx_create(fx, "/t/d/f", 0644), OK);
	assert_err(fx_write(fx, "/t/d/f", 0, "bytes", 5), OK);
	assert_err(fx_symlink(fx, "target", "/t/d/l"), OK);
	assert_err(fx_create(fx, "/t/g", 0644), OK);
	assert_err(fx_write(fx, "/t/g", 0, "kept", 4), OK);
	assert_err(fx_truncate(fx, "/t/g", 20000), OK);
	assert_err(fx_link(fx, "/t/g", "/keep"), OK);
}

static inline bool
count(void *arg, const struct vfs_dirent *e)
{
	(void)e;
	++*(unsigned *)arg;
	return true;
}

/* How many names a directory has. */
static inline int
list(struct fx *fx, struct vfs_id dir, unsigned *n)
{
	struct vfs_dir_read q = { .dir = dir };
	struct vfs_dir_read_reply r = { .entries = { count, n } };

	*n = 0;
	return fx_op_dir_read(fx, &q, &r);
}

static inline uint64_t
seq_now(struct fx *fx)
{
	struct engine_status st;

	engine_status(fx->e, &st);
	return st.seq.n;
}

static inline int
reaches(struct fx *fx, struct vfs_id id, struct vfs_id root)
{
	struct txn *t;
	int yes;

	assert_err(txn_begin(fx->e, TXN_READ, &fx->env, &t), OK);
	yes = tree_reaches(t, id, root);
	txn_abort(t);
	return yes;
}

#endif
