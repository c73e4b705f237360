/*
 * engine.h - the transaction engine under one store
 *
 *   operation -> write set -> [serial point: append to log, insert]
 *             -> active table -> frozen table -> row store
 *   read = write set, active, frozen, store, merged in key order
 *
 * It owns the three backends, the tables, the redo log, space, the
 * marks of ids and sequence numbers, and its background threads
 * (checkpoint, the syncer that keeps power loss under 5 s, and one that
 * flushes for several who wait).  It knows
 * rows and blocks; what they mean is core's business, except for the
 * few kinds named in recover.c and space.c.
 *
 * Threads:   every function from any thread, a txn from one.  Each thread
 *            that reads holds a reader slot for the length of its txn.
 * Failure:   0 or a negative vfs_err.  The first failed write or sync (not
 *            lack of space) latches the engine read-only: every later
 *            TXN_WRITE fails with -VFS_ROFS... except that the failing
 *            request itself gets the original error.
 */
#ifndef ENGINE_ENGINE_H
#define ENGINE_ENGINE_H

#include "../../backends/backends.h"
#include "../core/txn.h"

/* One surprise: where it was born and what it was about. */
struct fault_rec {
	uint64_t trace_id;
	int err;			/* negative vfs_err; 0 for a notice */
	const char *file;
	int line;
	struct vfs_time when;
	char text[200];			/* what failed; err says why */
};

/* A log that is not whole, for which log_anew is. */
struct engine_lost {
	const char *what;		/* it is, or was; NULL: whole */
	const char *kept;		/* the old one's name now, or NULL */
};

struct engine_conf {
	int dirfd;			/* the store's directory, kept open */
	bool create;			/* make it when there is none */
	bool rdonly;			/* recover into memory, write nothing */
	bool damaged_ok;		/* for the checker: open all the same,
					 * cursors step over damaged rows */
	bool log_anew;			/* for a repair: a log that is lost, in
					 * part or whole, is made anew */
	struct engine_lost *lost;	/* open tells, or NULL */
	bool sync_all;			/* durability=sync */
	uint64_t log_bytes;		/* of a new store; 0: by the disk's room */
	size_t table_bytes_max;		/* freeze the active table at; 0: 32 MiB */
	size_t table_rows_max;		/* 0: 200,000 */
	uint64_t journal_bytes_max;	/* rows beyond it go, the oldest first;
					 * 0: VFS_JOURNAL_BYTES */
	unsigned readers_max;		/* at a time; 0: as many as there can be */
	bool no_threads;		/* tests: the caller runs engine_step() */
	uint64_t boot[2];		/* the host's boot id */
	struct vfs_time now;		/* wall clock, for the marks */
	const struct store_ops *store;	/* NULL: the registry's first */
	const struct log_ops *log;
	const struct data_ops *data;
	/* What the front's log does with a fault or a notice. */
	void (*report)(void *arg, const struct fault_rec *f);
	void *report_arg;
	/* Makes the rows of an empty store (root directory); run once. */
	int (*format)(struct txn *t, const void *arg);
	const void *format_arg;
};

struct engine_status {
	struct vfs_seq seq, seq_durable, seq_checkpoint;
	struct vfs_id next_id;
	uint8_t uuid[16];
	uint64_t opens;			/* times the store was opened */
	bool latched;
	struct fault_rec latch;
	uint64_t faults_corrupt, faults_io;	/* met since it was opened */
	uint64_t log_size, log_used, log_end;	/* log_end: a position */
	uint64_t table_bytes, table_rows, frozen_rows;
	uint64_t drafts;
	uint64_t space_total, space_free, space_pending;
	uint64_t checkpoints, log_syncs, data_syncs, waits;
	uint64_t recovered_records, recovered_ms;
	uint64_t journal_rows, journal_bytes, journal_max;
	uint64_t journal_oldest;	/* the newest record that is gone: its
					 * commit; 0: none is */
	bool recovered_unclean, drafts_published, drafts_dropped;
	struct store_usage rows;
};

int engine_open(const struct engine_conf *conf, struct engine **out);

/* Publishes nothing by itself: the caller publishes drafts first.  Runs a
 * last checkpoint and marks the store clean. */
int engine_close(struct engine *e);

/* Stop as kill -9 would: nothing is flushed, threads end.  For tests. */
void engine_kill(struct engine *e);

/* --- transactions: used by the dispatcher only --------------------- */

int txn_begin(struct engine *e, enum txn_mode mode,
    const struct req_env *env, struct txn **out);
/* Appends to the log and inserts; 0 with the sequence in *seq (may be
 * NULL; 0 if nothing was written).  -VFS_NOSPC if there is no room for the
 * rows; -VFS_AGAIN if there may be after a checkpoint: the next begin waits
 * for that.  Takes t whatever it returns. */
int txn_commit(struct txn *t, struct vfs_seq *seq);
void txn_abort(struct txn *t);

/*
 * Several operations in one txn: what txn_set_draft says of one is not
 * true of all.  Each may have its own env, and the ids that it was given
 * before.
 */
void txn_set_whole(struct txn *t);
/* Its commit is followed by engine_sync: of a large one the flush begins as
 * soon as it is logged. */
void txn_set_stable(struct txn *t);
void txn_set_env(struct txn *t, const struct req_env *env);
void txn_set_ids(struct txn *t, const struct vfs_id *ids, size_t n);

/*
 * Whoever wants to know of commits with change records, from the thread
 * that commits, after it is visible: kinds has 1 << kind of the records.
 * c stays until it was taken away and every thread has moved on; NULL:
 * nobody.
 */
struct committed {
	void (*fn)(void *arg, struct vfs_seq seq, uint32_t kinds);
	void *arg;
};
void engine_on_commit(struct engine *e, struct committed *c);

/* Ids from here on were made in t, unless it was given some (TXN_WRITE). */
struct vfs_id txn_first_id(const struct txn *t);
/* What t is about to write: the key of each row, in order or, if they are
 * many, as they came (TXN_WRITE). */
void txn_each_key(struct txn *t,
    void (*fn)(void *arg, struct vfs_slice key), void *arg);

/* The row store's structure: see its scan. */
int engine_scan(struct engine *e, const struct store_scan *to);

/* The rows were changed without records (a repair): the journal begins
 * anew, and every cursor that anybody has is expired. */
int engine_journal_forget(struct engine *e);

/* The same for a row store that is made anew because rows were lost: what
 * value this row, with its checksum, has there; p NULL: it has no place. */
#define ENGINE_ANEW_MAX	128u
struct vfs_slice engine_row_anew(struct vfs_slice key, struct vfs_slice val,
    uint8_t buf[ENGINE_ANEW_MAX]);

/* Bytes of rows that one commit may have. */
size_t engine_commit_max(const struct engine *e);

/* --- private transactions: what a client's one sees until its commit - */

/*
 * One snapshot for as long as it lives, and writes over it that nobody
 * else sees and that are never committed: a client transaction is run
 * here and, to commit, once more in a TXN_WRITE.  It takes no reader slot
 * and no lock between enter and leave.  Ids are real ones; sequence
 * numbers and slots are provisional; nothing is freed or journalled.
 *
 * It keeps old tables and a store snapshot alive.  When the store has
 * moved on by several checkpoints it is expired: -VFS_EXPIRED from enter.
 */
struct private;
int private_begin(struct engine *e, struct private **out);
void private_end(struct private *p);	/* NULL is fine */
/* One operation at a time (several of a speculative one); t is good until
 * leave.  -VFS_CONFLICT: speculative, and somebody else has committed. */
int private_enter(struct private *p, const struct req_env *env,
    struct txn **t);
void private_leave(struct private *p);
/* Within: look below its own writes, or not any more. */
void private_look(struct private *p, bool below);
/* Within: forget all writes. */
void private_reset(struct private *p);
/* Puts so far (they never fall); memory of its rows, each as often as it
 * was put; what a commit of them writes, records included; ids given
 * out. */
uint64_t private_puts(const struct private *p);
size_t private_bytes(const struct private *p);
size_t private_record(const struct private *p);
const struct vfs_id *private_ids(const struct private *p, size_t *n);
/* The last commit that it sees. */
struct vfs_seq private_seq(const struct private *p);

/* --- speculative ones: a commit that is run before it is asked for ------ */

/*
 * What somebody will commit soon is run on the guess that nobody else commits
 * before that.  It is entered and left as a private one, but its rows are those
 * that a TXN_WRITE would have now.  One at a time: -VFS_BUSY.
 */
int speculation_begin(struct engine *e, struct private **out);
/* Has nobody committed yet? */
bool speculation_holds(const struct private *p);
/*
 * As txn_begin with TXN_WRITE.  1: nobody did, and t has all that was run in
 * p, as if that had been run in t; if t is aborted, p has it again, with what
 * t has added.  0: the guess was wrong, or p is NULL, and t has nothing.
 */
int txn_begin_speculated(struct engine *e, struct private *p,
    const struct req_env *env, struct txn **t);

/* --- waiting and durability ---------------------------------------- */

/* Everything committed up to now is on stable media when it returns.
 * Concurrent callers share one flush. */
int engine_sync(struct engine *e);

/* The same without waiting for somebody else's flush: see sync_call. */
int engine_sync_shared(struct engine *e, const struct sync_call *c);

/* Freeze and write everything to the row store; waits for it. */
int engine_checkpoint(struct engine *e);

/* With no_threads: do one unit of background work, 0 if there was none. */
int engine_step(struct engine *e);

/* --- looking ------------------------------------------------------- */

void engine_status(struct engine *e, struct engine_status *out);

/* Moves on with all that readers can see, drafts too; what was begun after
 * a look at it sees at least that. */
uint64_t engine_tick(struct engine *e);

/* Ids with a live draft, ascending, from after: for the publisher. */
int engine_drafts(struct engine *e, struct vfs_id after,
    struct vfs_id *out, size_t cap, size_t *n);

/* Live drafts take a good part of the log: publish what is written, at
 * once, or the log cannot be trimmed and a publication may not fit. */
bool engine_drafts_heavy(struct engine *e);

/* A checkpoint is due, or late: what can wait should. */
bool engine_crowded(struct engine *e);

/* Recent faults, newest first; by trace id, or all if 0. */
size_t engine_faults(struct engine *e, uint64_t trace_id,
    struct fault_rec *out, size_t cap);

#endif
