/*
 * txn.h - what the core asks of the engine
 *
 * A txn is one consistent view of the rows (a snapshot taken when it
 * began, and its own writes over it).  Only the dispatcher begins,
 * commits and aborts; an operation gets, seeks, puts and deletes, and
 * returns 0 or a negative vfs_err.  A failed operation's writes are
 * dropped, so it never undoes anything.
 *
 * Threads:   a txn belongs to one thread.  Writing txns run one at a time
 *            (they hold the engine's serial point) and must not do I/O.
 * Lifetime:  what get and the cursor lend is good until the txn ends or
 *            writes the same key.
 * Time, ids and credentials come from the request's env, so that equal
 * input gives equal output.
 */
#ifndef CORE_TXN_H
#define CORE_TXN_H

#include "../../protocol/err.h"
#include "../../protocol/limits.h"
#include "../../protocol/types.h"

struct txn;
struct engine;

enum txn_mode {
	TXN_READ,
	TXN_WRITE,
};

/* Who asks, and when.  Lives as long as the request. */
struct req_env {
	struct vfs_time now;		/* wall clock at the request's start */
	uint32_t uid, gid, umask, pid;
	const uint32_t *groups;		/* supplementary; lent */
	uint32_t ngroups;
	bool from_kernel;		/* FUSE: it knows of what it changes */
	bool kernel_checked;		/* and has checked permissions */
	bool privileged;		/* may do what CAP_* lets root do */
	bool no_modes;			/* modes were looked at when the handle
					 * was opened, or do not count; owners
					 * do */
	bool own_store;			/* root, or whose store it is: trees go
					 * whole, unlooked at */
	uint32_t whose;			/* its names of commits are; 0: root's
					 * and of whose store it is */
	uint64_t trace_id;		/* of this request; for fault records */
	/* Confined to what lies below a directory (within.h); 0: not. */
	uint64_t root;
	uint64_t root_parent;		/* the root has to lie here; 0: anywhere */
	bool (*holds)(const void *holder, uint64_t id);	/* has id open */
	/* Was id found below the root, when nothing had moved since? */
	bool (*seen)(const void *holder, uint64_t id, uint64_t stamp);
	void (*saw)(const void *holder, uint64_t id, uint64_t stamp);
	const void *holder;
	/* Asked just before a commit: not 0, and nothing has happened. */
	int (*stop)(void *arg);
	void *stop_arg;
};

const struct req_env *txn_env(const struct txn *t);
enum txn_mode txn_mode(const struct txn *t);

/* --- rows --------------------------------------------------------- */

/* Lends the row's payload; its checksum was verified.  -VFS_NOENT. */
int txn_get(struct txn *t, struct vfs_slice key, struct vfs_slice *val);

/* Put copies key and payload; del of an absent row is fine. */
int txn_put(struct txn *t, struct vfs_slice key, struct vfs_slice val);
int txn_del(struct txn *t, struct vfs_slice key);

/*
 * Walk rows in key order.  The cursor sees writes made before its seek;
 * after a put or del of the same txn seek again.  At most
 * TXN_CURSORS_MAX are open in one txn; the txn's end closes them.
 */
struct txn_cur;
#define TXN_CURSORS_MAX	4

int txn_cur_open(struct txn *t, struct txn_cur **c);
int txn_cur_seek(struct txn_cur *c, struct vfs_slice at,
    struct vfs_slice *key, struct vfs_slice *val);
/*
 * The same among keys that begin with the first n bytes of at: where they
 * end, so does the walk.  Deletions stay in the tables until the next
 * checkpoint; without this a seek behind the last row of one object steps
 * through those of all that follow.
 */
int txn_cur_seek_in(struct txn_cur *c, struct vfs_slice at, size_t n,
    struct vfs_slice *key, struct vfs_slice *val);
/* The same, and the walk ends behind key end: what was deleted beyond it
 * is not waded through. */
int txn_cur_seek_until(struct txn_cur *c, struct vfs_slice at,
    struct vfs_slice end, struct vfs_slice *key, struct vfs_slice *val);
int txn_cur_next(struct txn_cur *c,
    struct vfs_slice *key, struct vfs_slice *val);
void txn_cur_close(struct txn_cur *c);

/* --- what is handed out ------------------------------------------- */

/* A new id, never used before; burnt if the txn fails. */
int txn_new_id(struct txn *t, struct vfs_id *id);

/* The sequence number this txn's commit will have (TXN_WRITE only). */
struct vfs_seq txn_seq(const struct txn *t);

/* Add one change record; the engine keeps them in order (see record.h).
 * *at: its position; 0 in a private txn, which has no journal. */
struct rec_journal;
struct journal_pos;
int txn_journal(struct txn *t, const struct rec_journal *rec,
    struct journal_pos *at);

/* The journal as t sees it: of what precedes the oldest record that is
 * kept, and of the newest, the position.  The rest is of now. */
struct journal_info;
int txn_journal_info(struct txn *t, struct journal_info *out);

/*
 * This txn changed only volatile rows (drafts): it gets no sequence
 * number and no journal record, is logged, and visible at once.
 */
void txn_set_draft(struct txn *t);

/* Is it one that leaves no drafts: a client's transaction? */
bool txn_publishes(const struct txn *t);

/*
 * A private txn's commit will number things again: what it gets until
 * then is VFS_PROVISIONAL or above.  Slots start here; 0 if it is not
 * private.
 */
#define VFS_PROVISIONAL	(1ull << 61)
uint64_t txn_slot_floor(const struct txn *t);

/* --- durability ---------------------------------------------------- */

/*
 * Who asks for a flush and does not wait for somebody else's: it gets 1,
 * and done(arg, err) is called later by the thread that leads the flush.
 * 0 or an error: it has led one itself, and done is not called.  leads(arg),
 * if not NULL, comes before that, which takes as long as the disk does.
 */
struct sync_call {
	void (*done)(void *arg, int err);
	void (*leads)(void *arg);
	void *arg;
};

/* --- file bytes --------------------------------------------------- */

/*
 * Blocks for new bytes, before the row that will refer to them: at most
 * want, at least one, contiguous, near hint (0: anywhere).  DATA_GROWS
 * beside it: what comes next in the file wants to lie behind them.  Called
 * in the prepare step, outside the serial point.  -VFS_NOSPC.  gen, from
 * data_put, tells whether the bytes have since reached the disk.
 */
#define DATA_GROWS	(1ull << 63)
int data_alloc(struct engine *e, uint32_t want, uint64_t hint,
    uint64_t *block, uint32_t *got);
int data_put(struct engine *e, uint64_t block, const void *p, size_t n,
    uint64_t *gen);
int data_get(struct engine *e, uint64_t block, void *p, size_t n);

/* Give back blocks that no row ever referred to (a failed prepare). */
void data_unalloc(struct engine *e, uint64_t block, uint32_t n);

/* For the checker: is the whole range free, or waiting to be?  Can it be
 * handed out right now?  Where the space that was ever used ends. */
bool data_is_free(struct engine *e, uint64_t block, uint64_t n);
bool data_is_ready(struct engine *e, uint64_t block, uint64_t n);
uint64_t data_end(struct engine *e);

/*
 * At commit these blocks lose their last reference.  published: a row that
 * was published refers to them, so they are reused only when a
 * checkpoint without it is durable; both kinds wait for the readers.
 */
int txn_free_blocks(struct txn *t, uint64_t block, uint32_t n,
    bool published);

/*
 * Carry bytes in this commit's record instead of flushing the data file:
 * for a publication that is about to be synced (see op_publish).  The first
 * call also says that *all* bytes which this commit publishes are carried or
 * synced already (data_is_synced), so that no flush of the data file is
 * needed for it; n == 0 says just that.
 */
int txn_carry(struct txn *t, uint64_t block, const void *p, size_t n);
bool data_is_synced(struct engine *e, uint64_t gen);

/* Room: bytes free and in total for statfs; rows fit within too. */
int engine_room(struct engine *e, uint64_t *total, uint64_t *free_);

/* Will it take a TXN_WRITE?  Not when read-only, nor once latched. */
bool engine_writable(struct engine *e);

/* --- surprises ---------------------------------------------------- */

/*
 * Note the birthplace of an unexpected error (I/O, damage, memory)
 * once; returns err.  what names the object: printf style.
 */
#define fault(t, err, ...) \
	txn_fault(t, err, __FILE__, __LINE__, __VA_ARGS__)
int txn_fault(struct txn *t, int err, const char *file, int line,
    const char *fmt, ...) __attribute__((format(printf, 5, 6)));

/* The engine behind a txn, for the data_ functions. */
struct engine *txn_engine(struct txn *t);

/*
 * Has anything moved?  What txn_placed says of the txn in which something
 * was found: as long as txn_places_now says the same, in a later txn, no
 * name of a directory and no last name has come or gone.  0: never mind.
 */
uint64_t txn_placed(const struct txn *t);
uint64_t txn_places_now(const struct txn *t);

/* Somebody else asks from now on (one of several requests in one txn). */
void txn_set_env(struct txn *t, const struct req_env *env);

#endif
