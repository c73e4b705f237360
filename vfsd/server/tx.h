/*
 * tx.h - transactions of clients: many operations, one commit
 *
 * TX_EXEC brings everything in one message.  An interactive transaction
 * runs each operation at once, in private: it sees one stable snapshot
 * and its own writes, holds no lock and blocks nobody.  What it read is
 * recorded; commit checks at the serial point that all of it still
 * holds, then runs the operations again, for good, with the ids that were
 * given out before.
 *
 * Conflicts are per name of a directory, per attribute group of an object
 * (content; all else), per whole directory for whoever listed it or asked
 * whether it is empty.  What LOOKUP, CREATE and the like say of a
 * directory's own size, times and link count is not part of what was
 * read; STAT makes it so.
 *
 * Threads:   any; calls on one transaction take turns.
 * Failure:   0 or a negative vfs_err.  After -VFS_CONFLICT, -VFS_PRECOND
 *            and whatever else a commit or TX_EXEC returns, nothing of it
 *            has happened (-VFS_IO excepted, when the store has latched).
 *            -VFS_EXPIRED: the transaction was idle for too long, lived
 *            too long or kept too many old states alive; -VFS_TX_UNKNOWN:
 *            there is none of this number and owner.
 */
#ifndef VFSD_TX_H
#define VFSD_TX_H

#include "../../protocol/tx.h"
#include "dispatch.h"

/*
 * What a front does with a decoded operation before it is run: handles
 * become ids (those with VFS_TX_RESULT are left alone: proto_each_id),
 * rights are checked.  NULL: nothing.
 */
struct tx_gate {
	int (*op)(void *arg, enum vfs_op op, void *q);
	int (*pre)(void *arg, struct vfs_tx_pre *pre);
	void *arg;
};

/* How it ended.  The caller gives results and cap (NULL and 0: not
 * wanted) and frees nothing. */
struct tx_verdict {
	struct vfs_seq seq;		/* of the commit */
	bool repeated;			/* the answer to an earlier message */
	uint32_t state;			/* TX_STATUS */
	int err;			/* TX_STATUS: why it was aborted */
	/* Of failures: */
	uint32_t op_index;		/* operation or precondition */
	struct vfs_id object;		/* that decided; 0: none */
	size_t name_n;			/* its name there, if one decided */
	char name[VFS_NAME_MAX];
	uint64_t detail;		/* PRECOND: the version there is */
	const char *about;		/* CONFLICT: what of the object; or */
	enum vfs_op again;		/* op_index, which did otherwise when */
	int cause;			/* run again: its error, 0: none */
	/* One for each operation: */
	struct proto_brief *results;
	size_t cap, nresults;		/* nresults may be beyond cap */
};

/* A transaction's number, and whose it is (a session, say): the wrong
 * owner is told that there is none. */
struct tx_ref {
	uint64_t tx, owner;
};

/*
 * All of q or nothing.  Operations: CREATE LINK UNLINK RENAME TMPFILE
 * TREE_PUBLISH TREE_REMOVE
 * SETATTR WRITE ALLOCATE COPY_RANGE XATTR_SET XATTR_REMOVE; LOOKUP and
 * STAT for their results; others are -VFS_UNSUPPORTED.  A tx_id that was
 * committed before: the first answer if q is the same, else -VFS_INVAL.
 */
int tx_exec(struct server *s, const struct req_env *env,
    const struct vfs_tx_exec *q, const struct tx_gate *gate,
    struct tx_verdict *v);

/* owner is any number but 0; *tx is the reply's.  -VFS_TX_LIMIT if max of
 * them are open, whosesoever. */
int tx_begin(struct server *s, unsigned max, uint64_t owner,
    const struct vfs_tx_begin *q, struct vfs_tx_begin_reply *r);

/*
 * One operation as dispatch() has it, in the transaction: any with a
 * mode but the daemon's own and SYNC.  If it fails it has done nothing
 * and the transaction goes on; -VFS_TX_LIMIT: it would become too large.
 */
int tx_op(struct server *s, const struct req_env *env, struct tx_ref ref,
    enum vfs_op op, const void *q, void *r);

/*
 * Several, packed (operations of TX_EXEC): they all happen or none.  With
 * VFS_TX_LATER they may be kept for the commit, which is then as TX_EXEC
 * of all that were added: errors are told there, and no results here.
 * Another operation of the transaction runs them first, so that it sees
 * them; a savepoint is -VFS_INVAL.
 */
int tx_add(struct server *s, const struct req_env *env, uint64_t owner,
    const struct vfs_tx_add *q, const struct tx_gate *gate,
    uint32_t *first, struct tx_verdict *v);

int tx_savepoint(struct server *s, struct tx_ref ref, uint32_t *savepoint);
/* The savepoint itself stays, later ones go. */
int tx_rollback_to(struct server *s, struct tx_ref ref, uint32_t savepoint);

/* The transaction ends whatever this returns.  One that is gone but whose
 * tx_id was committed: that answer. */
int tx_commit(struct server *s, const struct req_env *env, uint64_t owner,
    const struct vfs_tx_commit *q, struct tx_verdict *v);
int tx_abort(struct server *s, struct tx_ref ref);
/* All of an owner: a session has ended. */
void tx_abort_all(struct server *s, uint64_t owner);

/* Survives restarts, for commits. */
int tx_status(struct server *s, const struct vfs_tx_status *q,
    struct tx_verdict *v);

/* Expire what is due; now is CLOCK_MONOTONIC.  Fronts call it every
 * second or so; begin does too. */
void tx_expire(struct server *s, uint64_t now_ms);

/* How many an owner has open. */
uint32_t tx_open(struct server *s, uint64_t owner);

/* Open now; for status. */
struct tx_counts {
	uint64_t open, commits, aborts, conflicts, expired;
	uint64_t speculated;		/* commits that were run before */
};
void tx_counts(struct server *s, struct tx_counts *out);

/* --- the dispatcher's -------------------------------------------------- */

struct txs;
int txs_new(struct server *s, struct txs **out);
void txs_free(struct server *s, struct txs *x);

#endif
