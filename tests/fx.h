/*
 * fx.h - a store in memory, for tests: engine and core, no front
 *
 * Everything is deterministic: time moves by the fixture's clock, no
 * thread runs.  Operations are run as the dispatcher runs them (prepare,
 * begin, run, commit), without its locks and its publisher.
 *
 * fx_op_NAME takes the request of protocol/ops.def; the helpers below
 * take paths ("/a/b"; "/" is the root) and return 0 or a negative
 * vfs_err.  Paths are walked as root, operations run as fx->env says.
 */
#ifndef TESTS_FX_H
#define TESTS_FX_H

#include <stdio.h>

#include "../protocol/proto.h"
#include "../vfsd/core/core.h"
#include "../vfsd/engine/engine.h"

struct fx {
	struct engine *e;
	struct engine_conf conf;	/* change it before fx_reopen */
	struct req_env env;		/* of the next operation */
	struct core_root root;
	uint64_t step_ns;		/* the clock's, for each operation */
	bool quiet;			/* do not print reported faults */
	/* Not NULL: operations are run there instead (tests/unit/ops). */
	int (*via)(void *arg, enum vfs_op op, const void *q, void *r);
	void *via_arg;
	char report[200];		/* the last of them */
	uint32_t groups[8];
};

/* For cmocka: *state is a struct fx with an empty store. */
int fx_setup(void **state);
int fx_teardown(void **state);

struct fx *fx_open(void);
struct fx *fx_open_log(uint64_t log_bytes);	/* 0: as always */
void fx_close(struct fx *fx);

/* Stop as kill -9 does and recover, same boot. */
void fx_reopen(struct fx *fx);
/* The same, as after a power cut that lost nothing but the boot. */
void fx_reboot(struct fx *fx);
/* Stop in order and start again. */
void fx_restart(struct fx *fx);

/* Who asks from now on: checked by the core; uid 0 may do everything. */
void fx_as(struct fx *fx, uint32_t uid, uint32_t gid);
void fx_groups(struct fx *fx, uint32_t n, const uint32_t *groups);
void fx_as_kernel(struct fx *fx);	/* at the start */

#define OP(n, NAME, name, mode, lock, req, rep) FX_##mode(name)
#define FX_READ(name) \
	int fx_op_##name(struct fx *fx, const struct vfs_##name *q, \
	    struct vfs_##name##_reply *r);
#define FX_WRITE(name)	FX_READ(name)
#define FX_NONE(name)
#include "../protocol/ops.def"
#undef OP
#undef FX_READ
#undef FX_WRITE
#undef FX_NONE

int fx_stat(struct fx *fx, const char *path, struct vfs_attr *a);
struct vfs_id fx_id(struct fx *fx, const char *path);	/* or asserts */
int fx_create(struct fx *fx, const char *path, uint32_t mode);	/* EXCL */
int fx_mkdir(struct fx *fx, const char *path, uint32_t mode);
int fx_symlink(struct fx *fx, const char *target, const char *path);
int fx_link(struct fx *fx, const char *path, const char *path2);
int fx_unlink(struct fx *fx, const char *path);
int fx_rmdir(struct fx *fx, const char *path);
int fx_rename(struct fx *fx, const char *path, const char *path2,
    uint32_t flags);
int fx_chmod(struct fx *fx, const char *path, uint32_t mode);
int fx_chown(struct fx *fx, const char *path, uint32_t uid, uint32_t gid);
int fx_truncate(struct fx *fx, const char *path, uint64_t size);
int fx_write(struct fx *fx, const char *path, uint64_t off, const void *p,
    size_t n);
/* Up to n bytes; how many, or an error. */
int64_t fx_read(struct fx *fx, const char *path, uint64_t off, void *p,
    size_t n);
int fx_setxattr(struct fx *fx, const char *path, const char *name,
    const void *p, size_t n, uint32_t flags);
/* How long the value is, or an error. */
int64_t fx_getxattr(struct fx *fx, const char *path, const char *name,
    void *p, size_t n);
int fx_removexattr(struct fx *fx, const char *path, const char *name);
int fx_publish(struct fx *fx, const char *path);

/* What the dispatcher does at open and when holders go. */
int fx_publish_all(struct fx *fx);
int fx_reclaim_all(struct fx *fx);
/* One batch of a removed directory; *next goes from call to call. */
int fx_reap(struct fx *fx, struct vfs_id id, uint32_t max, uint64_t *next,
    bool *done);
int fx_tree_remove(struct fx *fx, const char *path);
int fx_tree_clone(struct fx *fx, const char *path, const char *path2);
int fx_tree_publish(struct fx *fx, const char *path, const char *path2,
    uint32_t flags);

/* Something of everything: rows of each kind, shared and inline bytes, two
 * names of one file, a file without any.  Asserts. */
void fx_varied(struct fx *fx);

/*
 * The store in one number.  fx_digest: every row of it, but for the
 * engine's marks.  fx_tree_digest: what people see (see fx_dump), the
 * same for every way to get there.
 */
uint64_t fx_digest(struct fx *fx);
uint64_t fx_tree_digest(struct fx *fx);

/*
 * The tree as text, a line for each name in the order of the directory:
 *	path type mode uid gid nlink #N detail
 * #N numbers objects as they are met; detail is the size and hash of a
 * file's bytes, a symlink's target, a device's numbers; then attributes.
 */
void fx_dump(struct fx *fx, FILE *out);

/* The paths that begin with path, but for what may change by other names
 * of files that have some. */
uint64_t fx_part_digest(struct fx *fx, const char *path);

/* A hash that tests may use to compare bytes with fx_dump's. */
uint64_t fx_hash(const void *p, size_t n, uint64_t seed);

/* Do the rows agree with each other, and says the store checker so too?
 * Prints what does not; how many. */
unsigned fx_check(struct fx *fx);

#endif
