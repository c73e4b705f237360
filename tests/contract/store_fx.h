/*
 * store_fx.h - a row backend, and what its suites ask of it again and again
 */
#ifndef CONTRACT_STORE_FX_H
#define CONTRACT_STORE_FX_H

#define CONTRACT	store
#define OPEN(ops, dirfd, create, rdonly, b) \
	(ops)->open(dirfd, create, rdonly, b)

#include "fixture.h"

static inline struct vfs_slice
str(const char *p)
{
	return (struct vfs_slice){ p, strlen(p) };
}

static const struct vfs_slice absent;	/* as a value: delete */

static inline int
put1(struct fx *fx, struct vfs_slice key, struct vfs_slice val)
{
	struct store_row row = { key, val };
	struct store_batch b = { &row, 1 };

	return fx->ops->apply(fx->b, &b);
}

static inline void
put_ok(struct fx *fx, const char *key, const char *val)
{
	assert_int_equal(put1(fx, str(key), val ? str(val) : absent), 0);
}

static inline void *
snap(struct fx *fx)
{
	void *p = NULL;

	assert_int_equal(fx->ops->snap_begin(fx->b, &p), 0);
	return p;
}

static inline void
assert_slice(struct vfs_slice got, struct vfs_slice want)
{
	assert_int_equal(got.n, want.n);
	assert_memory_equal(got.p, want.p, want.n);
}

static inline void
assert_get(struct fx *fx, void *sn, const char *key, const char *want)
{
	struct vfs_slice val;
	int err = fx->ops->get(sn, str(key), &val);

	assert_int_equal(err, want ? 0 : -VFS_NOENT);
	if (want)
		assert_slice(val, str(want));
}

/* What a fresh snapshot says. */
static inline void
assert_now(struct fx *fx, const char *key, const char *want)
{
	void *sn = snap(fx);

	assert_get(fx, sn, key, want);
	fx->ops->snap_end(sn);
}

/* The keys of a snapshot from a place on, each followed by a space. */
static inline void
assert_keys(struct fx *fx, void *sn, const char *from, const char *want)
{
	struct vfs_slice key, val;
	char got[256] = "";
	void *cur;
	int err;

	assert_int_equal(fx->ops->cur_open(sn, &cur), 0);
	for (err = fx->ops->cur_seek(cur, str(from), &key, &val); err == 0;
	    err = fx->ops->cur_next(cur, &key, &val)) {
		strncat(got, key.p, key.n);
		strcat(got, " ");
	}
	fx->ops->cur_close(cur);
	assert_int_equal(err, -VFS_NOENT);
	assert_string_equal(got, want);
}

#endif
