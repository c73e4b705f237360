/*
 * core.h - what a filesystem means: the operations over rows
 *
 * op_NAME(t, request, reply) for every row of ops.def with a mode.  It
 * looks up, checks, puts rows and fills the reply; it never undoes.
 *
 * Operations that bring new file bytes have a step before it, prep_NAME:
 * outside the serial point, under the object's lock, with a read txn; it
 * writes the new blocks, to which nothing refers yet, and leaves a plan.
 * The plan is freed by plan_drop whatever happens (which also gives back
 * blocks that the commit did not take).
 */
#ifndef CORE_CORE_H
#define CORE_CORE_H

#include "../../protocol/proto.h"
#include "txn.h"

struct plan;

#define OP(n, NAME, name, mode, lock, req, rep) CORE_##mode(name)
#define CORE_READ(name) \
	int op_##name(struct txn *, const struct vfs_##name *, \
	    struct vfs_##name##_reply *);
/* plan is NULL for operations without a prepare step */
#define CORE_WRITE(name) \
	int op_##name(struct txn *, const struct vfs_##name *, \
	    struct plan *, struct vfs_##name##_reply *);
#define CORE_NONE(name)
#include "../../protocol/ops.def"
#undef OP
#undef CORE_READ
#undef CORE_WRITE
#undef CORE_NONE

/*
 * Some writes mostly change nothing.  A peek answers the request in a
 * read txn and returns 1, or returns 0: it has to be run.  rdonly: it
 * cannot be run, so do without what is only nice to have (atime).
 */
int peek_open(struct txn *rt, const struct vfs_open *q, bool rdonly,
    struct vfs_open_reply *r);
int peek_publish(struct txn *rt, const struct vfs_publish *q, bool rdonly,
    struct vfs_publish_reply *r);
int peek_reclaim(struct txn *rt, const struct vfs_reclaim *q, bool rdonly,
    struct vfs_reclaim_reply *r);

/* An operation whose plan no longer fits returns -VFS_AGAIN: prepare again.
 * *out may be set even if the prepare step fails; drop it all the same. */
int prep_write(struct txn *rt, const struct vfs_write *q, struct plan **out);
int prep_setattr(struct txn *rt, const struct vfs_setattr *q,
    struct plan **out);
int prep_allocate(struct txn *rt, const struct vfs_allocate *q,
    struct plan **out);
int prep_copy_range(struct txn *rt, const struct vfs_copy_range *q,
    struct plan **out);
int prep_publish(struct txn *rt, const struct vfs_publish *q,
    struct plan **out);
/*
 * The same plan for the same content in another txn: whoever calls knows
 * that it is (its data version was checked), though attributes may have
 * changed.  src: a copy's source, or 0.
 */
int plan_again(struct txn *t, struct plan *p, struct vfs_id src);
/* NULL is fine. */
void plan_drop(struct engine *e, struct plan *p, bool committed);

/* The rows of an empty store: the root directory.  For engine_conf.
 * arg: struct core_root. */
struct core_root {
	uint32_t uid, gid, mode;
};
int core_format(struct txn *t, const void *arg);

#endif
