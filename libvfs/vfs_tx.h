/*
 * vfs_tx.h - transactions: many operations, one commit, or nothing
 *
 * A transaction sees one stable snapshot and its own writes, blocks nobody
 * and is seen by nobody until it is committed.  Whoever commits first
 * wins: the other one's commit returns -VFS_CONFLICT, and vfs_failure
 * tells the object and the name that decided.
 *
 * Two forms: interactive (vfs_tx_begin, then any call with the
 * transaction), and packed (struct vfs_pack: operations are collected and
 * sent in one message).
 */
#ifndef VFS_TX_H
#define VFS_TX_H

#ifndef VFS_H
#error "include vfs.h"
#endif

#ifdef __cplusplus
extern "C" {
#endif

/* --- interactive ------------------------------------------------------------ */

/*
 * It expires when it is not used for tx_idle_ms or lives longer than
 * tx_life_ms (vfs_peer): -VFS_EXPIRED; more than max_tx_open at once are
 * -VFS_TX_LIMIT.  It ends with the connection: then, and when the daemon
 * was started again, calls in it return -VFS_ABORTED.  *out is good until
 * commit or abort, which take it whatever they return.
 */
int vfs_tx_begin(struct vfs *v, struct vfs_tx **out);

/*
 * durability: VFS_TX_VISIBLE: seen by everybody, safe against kill -9;
 * VFS_TX_STABLE: on stable media too.  *seq (may be NULL) is the commit's
 * place in history, for vfs_wait and the journal; 0 if nothing was changed.
 * If the answer is lost with the connection, what became of the commit is
 * found out on the next one; -VFS_ABORTED: nothing happened, nor will.
 * -VFS_SESSION_CLOSED with unsure in vfs_failure: the daemon could not be
 * reached again; vfs_tx_status, later, knows.
 */
int vfs_tx_commit(struct vfs_tx *tx, uint32_t durability,
    struct vfs_seq *seq);
/* NULL is fine. */
void vfs_tx_abort(struct vfs_tx *tx);

/* Go back to how it was at a savepoint; later ones are gone then.  At
 * most VFS_TX_SAVEPOINTS_MAX: -VFS_TX_LIMIT. */
int vfs_tx_savepoint(struct vfs_tx *tx, uint32_t *savepoint);
int vfs_tx_rollback(struct vfs_tx *tx, uint32_t savepoint);

/* The name under which a commit is known, across restarts; made at begin.
 * Note it down before the commit to ask later. */
struct vfs_tx_name {
	uint8_t b[16];
};
struct vfs_tx_name vfs_tx_name(const struct vfs_tx *tx);
/* For vfs_pack_exec. */
int vfs_tx_name_new(struct vfs *v, struct vfs_tx_name *out);

/*
 * What became of a commit: VFS_TX_COMMITTED and *seq, VFS_TX_ABORTED, or
 * VFS_TX_NEVER_SEEN (or so long ago that it is forgotten: the last
 * VFS_TX_IDS_MAX are known).  A commit without operations that change
 * anything counts as aborted.
 */
int vfs_tx_status(struct vfs *v, const struct vfs_tx_name *name,
    uint32_t *state, struct vfs_seq *seq);

/*
 * Runs fn in a transaction and commits; again, after a pause of random
 * length, while that returns -VFS_CONFLICT, -VFS_EXPIRED or -VFS_ABORTED,
 * up to VFS_TX_TRIES times.  fn returns 0, or an error, which ends it; it
 * must be able to run more than once.
 */
#define VFS_TX_TRIES	16u
int vfs_tx_run(struct vfs *v, uint32_t durability,
    int (*fn)(struct vfs *v, struct vfs_tx *tx, void *arg), void *arg,
    struct vfs_seq *seq);

/* --- packed -------------------------------------------------------------------- */

/*
 * Operations in the caller's memory.  While they fit buf, all go in one
 * message; beyond that (buf full, or longer than a message) they are sent
 * in parts, in the staged form, and the commit is the same.  The first
 * error sticks: check vfs_pack_exec's result only.
 */
struct vfs_pack {
	struct vfs *v;
	uint8_t *buf;
	size_t cap, n;		/* of operations */
	uint8_t *pre;
	size_t pre_cap, pre_n;
	uint32_t ops;		/* in buf */
	uint32_t sent;		/* before them, in parts */
	uint32_t npre;
	int err;
	struct vfs_tx *tx;	/* of the staged form */
};

/* Zero a struct vfs_pack is not: begin.  pre may be NULL, if there are no
 * preconditions.  vfs_pack_end lets go; vfs_pack_exec does too. */
void vfs_pack_begin(struct vfs_pack *p, struct vfs *v, void *buf, size_t cap,
    void *pre, size_t pre_cap);
void vfs_pack_end(struct vfs_pack *p);

/* The object that an operation gives (the made, the written), for later
 * ones of the same pack; what the functions below return. */
#define VFS_RESULT(k)	(1ull << 63 | (k))

/* Any of CREATE LINK UNLINK RENAME TMPFILE SETATTR WRITE ALLOCATE
 * COPY_RANGE XATTR_SET XATTR_REMOVE TREE_PUBLISH TREE_REMOVE, LOOKUP and
 * STAT. */
struct vfs_id vfs_pack_op(struct vfs_pack *p, enum vfs_op op, const void *q);

struct vfs_id vfs_pack_mkdir(struct vfs_pack *p, struct vfs_id dir,
    const char *name, uint32_t mode);
struct vfs_id vfs_pack_file(struct vfs_pack *p, struct vfs_id dir,
    const char *name, uint32_t mode, const void *data, size_t n);
struct vfs_id vfs_pack_symlink(struct vfs_pack *p, struct vfs_id dir,
    const char *name, const char *target);
/* Up to write_atomic_max at a time, cut if longer. */
void vfs_pack_write(struct vfs_pack *p, struct vfs_id id, uint64_t off,
    const void *data, size_t n);
void vfs_pack_unlink(struct vfs_pack *p, struct vfs_id dir, const char *name,
    uint32_t flags);
void vfs_pack_rename(struct vfs_pack *p, const struct vfs_move *m);
/* As vfs_tree_publish and vfs_tree_remove. */
void vfs_pack_publish(struct vfs_pack *p, const struct vfs_move *m);
void vfs_pack_remove_tree(struct vfs_pack *p, struct vfs_id dir,
    const char *name);

/*
 * What has to be so, or nothing happens: -VFS_PRECOND, with op_index the
 * precondition's.  Versions are those of struct vfs_attr; 0: any.
 */
void vfs_pack_if_version(struct vfs_pack *p, struct vfs_id id, uint64_t data,
    uint64_t meta);
void vfs_pack_if_name(struct vfs_pack *p, struct vfs_id dir,
    const char *name, struct vfs_id is);
void vfs_pack_if_absent(struct vfs_pack *p, struct vfs_id dir,
    const char *name);
void vfs_pack_if_dir_version(struct vfs_pack *p, struct vfs_id dir,
    uint64_t version);
/* The content has this hash (VFS_HASH_*; see vfs_hash). */
void vfs_pack_if_hash(struct vfs_pack *p, struct vfs_id id, uint32_t alg,
    const void *hash, size_t n);
/* Nothing below subtree (0: at all) has changed since. */
void vfs_pack_if_unchanged(struct vfs_pack *p, struct vfs_id subtree,
    struct vfs_seq since);

/* What an operation gave. */
struct vfs_result {
	struct vfs_id id;
	uint64_t data_version, meta_version, size;
	uint32_t nlink, mode;
};

/*
 * All of it, or nothing.  name NULL: one is made, so an answer that is
 * lost is asked for again without a second effect; a name that was used
 * before with the same operations returns the first result.  results gets
 * up to nresults, one for each operation, in order; of a commit whose first
 * answer was lost the first 4096 are known, the others have id 0.
 */
int vfs_pack_exec(struct vfs_pack *p, uint32_t durability,
    const struct vfs_tx_name *name, struct vfs_result *results,
    size_t nresults, struct vfs_seq *seq);

#ifdef __cplusplus
}
#endif

#endif
