/*
 * dispatch.h - the only owner of transactions
 *
 * Fronts hand in a decoded request and get a filled reply; everything
 * between (object lock, prepare, serial point, commit, durability, reclaim
 * of what lost its last name and last holder) happens here.
 *
 * Threads:   any.  Blocks only for the object's lock and, above 3/4 of the
 *            ring or table, for the checkpoint.
 */
#ifndef VFSD_DISPATCH_H
#define VFSD_DISPATCH_H

#include "../../protocol/proto.h"
#include "../core/txn.h"

struct server;

struct server_conf {
	struct engine *engine;
	bool sync_all;			/* durability=sync */
};

int server_new(const struct server_conf *conf, struct server **out);
/* Publishes all drafts; the engine stays open. */
void server_free(struct server *s);
/* Stop as kill -9 would: nothing is published.  For tests. */
void server_kill(struct server *s);
struct engine *server_engine(struct server *s);

/* q and r are the structs of proto.h for op.  0 or a negative vfs_err. */
int dispatch(struct server *s, enum vfs_op op, const struct req_env *env,
    const void *q, void *r);

/*
 * SYNC: publishes id's draft (0: all drafts) and flushes.  With a call
 * (txn.h) it may share somebody else's flush, and returns 1 then; without,
 * 0 or an error when it is done.
 */
int dispatch_sync(struct server *s, const struct req_env *env,
    struct vfs_id id, uint32_t flags, const struct sync_call *call);

/*
 * Holders: somebody outside may still use this id though it has no name
 * (kernel lookup counts, open handles).  The drop of the last holder of an
 * object without names reclaims it.  What the kernel holds is counted
 * apart: that is what it may keep (visible.h).
 */
void server_hold(struct server *s, struct vfs_id id, uint64_t n);
void server_drop(struct server *s, struct vfs_id id, uint64_t n);
void server_kernel_hold(struct server *s, struct vfs_id id, uint64_t n);
void server_kernel_drop(struct server *s, struct vfs_id id, uint64_t n);
/* Found by a name, then held: was that early enough?  false: others may
 * have taken the name and the object in between. */
bool server_kept(struct server *s, struct vfs_id id);

/*
 * Removed trees go in the background.  busy: there are some (not counting
 * what waits for its holders).  reap: one piece of it now, 1 if there may
 * be more; for tests, which may have no thread for it.
 */
bool server_reaper_busy(struct server *s);
/* May there be objects that only a removed tree still has?  Whoever takes
 * ids from outside looks where they lie then. */
bool server_has_graves(struct server *s);
int server_reap(struct server *s);
struct reaper_counts;
void server_reaper_counts(struct server *s, struct reaper_counts *out);

/* A handle that wrote was released: publish the draft. */
void server_released(struct server *s, struct vfs_id id);

/* What the kernel keeps, and who tells it (visible.h). */
struct visible;
struct visible *server_visible(struct server *s);

/* Counters per operation for vfsctl status. */
struct op_count {
	uint64_t calls, errors, ns_total, ns_max;
};
void server_counts(struct server *s, struct op_count out[VFS_OP_COUNT]);

/* Commits that were under way when it was called are over. */
void server_barrier(struct server *s);

/* Advisory locks: one table for all fronts. */
struct locks;
struct locks *server_locks(struct server *s);

/* The last errors that requests got (why.h). */
struct why;
struct why *server_why(struct server *s);

#endif
