/*
 * engine_impl.h - what the engine's files share with each other
 *
 * Order of locks: ckpt_lock, serial, store_lock, then one of the small ones
 * (vlock, sync.lock, bg.lock, head_lock, fault.lock, space's own), of
 * which a thread holds at most one at a time.
 */
#ifndef ENGINE_ENGINE_IMPL_H
#define ENGINE_ENGINE_IMPL_H

#include <pthread.h>
#include <stdatomic.h>

#include "../core/record.h"
#include "engine.h"
#include "overlay.h"
#include "redo.h"
#include "space.h"

#define ROW_SUM		8u	/* bytes of checksum behind a payload */

/* Per version of the tables a store snapshot for each slot and one that
 * private txns share, for at most three generations at once; older ones
 * keep only the shared one (STORE_SNAPS_MAX in all). */
#define GENERATIONS_MAX	6u
#define SLOTS_MAX	((STORE_SNAPS_MAX - GENERATIONS_MAX) / 3 - 1)
#define LEASE		65536u	/* ids, sequence numbers */
#define FAULTS_MAX	64u

/* Snapshots of one state of the store, one for each slot. */
struct base {
	_Atomic unsigned refs;		/* of versions */
	_Atomic bool retired;		/* there is a newer one */
	unsigned n;
	_Atomic(void *) snap[SLOTS_MAX + 1];	/* NULL: ended already */
	unsigned privates;		/* that use the last one; vlock */
	pthread_mutex_t shared;		/* who uses it now */
	_Atomic unsigned waiting;	/* for that */
};

/* What readers take at once: where the rows are. */
struct version {
	_Atomic unsigned refs;
	struct overlay *active, *frozen;	/* frozen may be NULL */
	struct base *base;
	struct version *next;		/* in the list of garbage */
};

/* One layer of a cursor: where it stands in a table. */
struct layer {
	struct overlay *o;		/* NULL: not there */
	uint64_t tick;
	struct ov_key *at;		/* NULL: at the end */
	const struct ov_ver *ver;
};

enum { LAYER_WS, LAYER_ACTIVE, LAYER_FROZEN, LAYERS };

struct txn_cur {
	struct txn *t;
	bool open;
	bool store_live;		/* skey and sval are where it stands */
	void *store;			/* opened at the first seek */
	struct layer layer[LAYERS];
	struct vfs_slice skey, sval;
	struct row_key last;		/* what next is called behind; b only
					 * while a table has more */
	struct row_key within;		/* keys that begin so; n 0: all */
	struct row_key end;		/* nothing after it; n == 0: all */
};

struct free_ent {
	uint64_t block;
	uint32_t n;
	bool published;
};

struct carry_ent {
	uint64_t block;
	uint32_t n;
	size_t off;			/* in carry_buf */
};

/* A growing array: p has room for cap items of the caller's size. */
struct vec {
	void *p;
	size_t n, cap;
};

/* What a commit goes by, besides the write set. */
struct did {
	uint64_t first_id;		/* the next one when it began */
	uint32_t njournal, changes;	/* records; 1 << kind of them */
	bool carries;			/* its unsynced bytes are carried */
	struct vec frees;		/* of free_ent */
	struct vec carried;		/* of carry_ent */
	struct vec carry_buf;		/* of bytes */
};

struct txn {
	struct engine *e;
	enum txn_mode mode;
	const struct req_env *env;
	struct version *v;
	uint64_t tick;
	unsigned slot;
	struct overlay *ws;		/* TXN_WRITE */
	bool draft;			/* txn_set_draft */
	bool whole;			/* many operations: never a draft */
	bool stable;			/* a flush is about to be asked for */
	struct private *priv;		/* NULL: not one that lives long */
	bool speculative;		/* priv's writes may be committed */
	struct private *taken;		/* whose writes it has taken up */
	uint64_t seq;			/* what its rows say */
	const struct vfs_id *ids;	/* to give out before new ones */
	size_t nids;
	uint64_t places;		/* engine.places, from before v */
	struct did did;
	struct txn_cur cur[TXN_CURSORS_MAX];
};

/* Kinds of records after which something may lie elsewhere, or nowhere. */
#define CHANGES_PLACES	(~(1u << JOURNAL_CREATE | 1u << JOURNAL_DATA | \
	1u << JOURNAL_META | 1u << JOURNAL_XATTR))

/* A reader's place.  tick is UINT64_MAX while nobody reads. */
struct slot {
	_Alignas(64) _Atomic uint64_t tick;
	_Atomic bool busy;
	_Atomic(struct base *) base;	/* whose snapshot is in use */
	struct txn txn;
};

/* It writes for itself only. */
static inline bool
txn_is_private(const struct txn *t)
{
	return t->priv != NULL && !t->speculative;
}

/* A private txn, or a speculative one: lives long. */
struct private {
	struct txn txn;
	pthread_mutex_t busy;		/* while an operation runs */
	struct private *next, **prev;	/* in engine.privates; vlock */
	uint64_t generation;		/* of its base */
	struct overlay *ws;
	struct vec issued;		/* of vfs_id, ascending */
	uint64_t puts;			/* rows put, ever */
	size_t journal;			/* bytes of records not written */
	struct vfs_seq seq;		/* the last commit that it sees */
	bool expired;			/* holds nothing any more */
	bool taken;			/* a commit has what it wrote */
};

/* What the header of the log holds. */
struct head {
	uint8_t uuid[16];
	uint64_t boot[2];
	uint64_t id_mark, seq_mark;	/* none at or above was handed out */
	uint64_t opens;
	bool clean;
	bool anew;			/* the journal is to begin anew */
};

/* The META row that the last batch of a checkpoint writes. */
struct ckpt_mark {
	uint64_t pos, sum;		/* where replay starts */
	uint64_t seq;			/* rows up to here are in the store */
	uint64_t boot[2];		/* drafts behind pos are of this boot */
	uint64_t journal_rows, journal_bytes;
	struct journal_pos journal_floor;	/* of the newest that is gone */
	uint64_t upto;			/* being written: log must reach it */
};

/* A key of the active table whose newest version was a deletion. */
struct dead_key {
	struct ov_key *k;
	uint64_t tick;
};

struct waiter {
	struct sync_call c;
	struct waiter *next;
};

struct engine {
	struct engine_conf conf;
	const struct store_ops *sops;
	const struct log_ops *lops;
	const struct data_ops *dops;
	void *store, *log, *data;
	int lock_fd;
	unsigned nslots;
	bool threads_on;

	/*
	 * serial: the serial point.  Guards the active table against a
	 * second writer, ws, the log's end, ids, sequence numbers, rec.
	 */
	pthread_mutex_t serial;
	struct overlay *ws;
	struct vec rec;			/* the record being built */
	_Atomic uint64_t id_now, seq_now;	/* the next ones */
	_Atomic uint64_t places;	/* grows by 1 before, and by 1 after a
					 * commit that moves something shows */
	uint64_t seq_opened;		/* the first of this opening */
	_Atomic uint64_t id_lease, seq_lease;	/* durable; exclusive */
	uint64_t log_sum;		/* of the last record */
	_Atomic uint64_t log_end;	/* written under serial */
	_Atomic uint64_t log_start;	/* replay would start here */
	_Atomic uint64_t last_seq;	/* of the last commit */
	_Atomic uint64_t drafts;	/* live */
	_Atomic uint64_t log_size;
	struct {
		uint64_t rows, bytes;	/* not in the store yet */
	} pending, pending_frozen;
	struct vec dead;		/* volatile keys deleted: dead_key */
	size_t dead_done;		/* of these, out of the walk */
	_Atomic uint64_t draft_bytes;	/* of live volatile rows */
	_Atomic uint64_t table_bytes, table_rows;	/* the active one's */
	_Atomic uint64_t stable_rows;	/* for a checkpoint, in active */
	_Atomic uint64_t commits;	/* of rows that a checkpoint takes */

	/* vlock: which version is the newest; slot ticks are set in it. */
	pthread_mutex_t vlock;
	pthread_cond_t slot_free;
	struct version *cur;
	struct version *garbage;
	_Atomic bool have_garbage;
	_Atomic unsigned slot_waiters;
	struct private *privates;
	_Atomic bool speculates;	/* one of them is speculative */
	uint64_t generation;		/* bases so far */
	_Atomic uint64_t tick;		/* newest visible; under serial */
	struct slot *slots;

	/* store_lock: apply and reserve one at a time; row_room. */
	pthread_mutex_t store_lock;
	_Atomic uint64_t row_room;	/* bytes promised by the store */
	_Atomic uint64_t store_used;	/* bytes, after the last apply */

	struct space *space;
	_Atomic uint64_t allocated;	/* blocks since the last look */

	/* sync.lock: the flush under way and who waits for one. */
	struct {
		pthread_mutex_t lock;
		pthread_cond_t done;	/* a flush has ended */
		pthread_cond_t wake;	/* the thread: queue, soon */
		pthread_t thread;
		bool stop, flushing;
		bool soon;		/* a flush for who will ask for it */
		struct waiter *queue;
		uint64_t round, ended;	/* the last flush begun, ended */
		int err;		/* of the last one that ended */
		_Atomic uint64_t pos;	/* log and its data durable to here */
		_Atomic uint64_t seq;	/* the same as a sequence number */
		_Atomic uint64_t data_gen;	/* last data_put */
		_Atomic uint64_t data_synced;	/* durable up to this gen */
		_Atomic uint64_t data_need;	/* committed rows need this gen */
		_Atomic uint64_t carry_need;	/* a checkpoint needs this gen */
		_Atomic uint64_t log_syncs, data_syncs;
	} sync;

	/* bg.lock: requests to the background threads, and their state. */
	struct {
		pthread_mutex_t lock;
		pthread_cond_t wake, sync_wake, progress;
		pthread_t ckpt, syncer;
		bool stop, want;
		uint64_t rounds;	/* checkpoints, failed ones too */
		int err;		/* of the last one */
		_Atomic bool due;	/* a checkpoint is */
		_Atomic bool resting;	/* no rows for a checkpoint: asleep */
		_Atomic bool dirty;	/* the syncer has something to do */
		_Atomic bool lease;	/* leases are half used up */
		_Atomic bool tight;	/* little room for rows is left */
		_Atomic bool again;	/* a commit must wait for more room */
		_Atomic uint64_t waits, ended;
	} bg;

	/* The journal: rows and bytes, in the store or not. */
	struct {
		_Atomic uint64_t rows, bytes;
		_Atomic uint64_t floor;	/* mark.journal_floor.seq */
		_Atomic uint64_t seq;	/* of the last commit with some */
	} journal;
	_Atomic(struct committed *) committed;	/* who hears of them */

	/* ckpt_lock: one checkpoint at a time; its state. */
	pthread_mutex_t ckpt_lock;
	struct ckpt_mark mark;		/* as in the store */
	bool stalled;			/* frozen rows could not be put yet */
	struct ckpt_mark stalled_mark;
	uint64_t stalled_tick;
	_Atomic uint64_t ckpt_tick;	/* durable in the store up to here */
	_Atomic uint64_t ckpt_seq;

	/* head_lock: head and head_put. */
	pthread_mutex_t head_lock;
	struct head head;

	/* fault.lock: the ring of recent faults, and how many there were. */
	struct {
		pthread_mutex_t lock;
		struct fault_rec ring[FAULTS_MAX];
		uint64_t n, corrupt, io;
		struct fault_rec latch;
	} fault;
	_Atomic int latched;		/* the error, or 0 */

	/* Recovery's findings; constant once open. */
	uint64_t places_end;		/* named by replayed rows, or those
					 * that they replaced */
	struct carry_ent *carried;	/* rdonly: blocks only in the log */
	size_t ncarried;
	uint8_t *carried_buf;
	size_t carried_len;
	uint64_t recovered_records, recovered_ms;
	bool recovered_unclean, drafts_kept, drafts_dropped;
	struct engine_lost lost;
#ifdef PLANT_ACK_BEFORE_APPEND
	struct vec held;		/* the record that is still to append */
	uint64_t held_pos;
#endif
};

/* vec.c-sized helpers: room for one more, -VFS_NOMEM. */
int vec_room(struct vec *v, size_t item, size_t more);

/* version.c */
int version_first(struct engine *e, struct overlay *active);
int version_swap(struct engine *e, struct overlay *active,
    struct overlay *frozen, struct base *base);
void version_put(struct engine *e, struct version *v);
int base_new(struct engine *e, struct base **out);
void base_put(struct engine *e, struct base *b);	/* NULL is nothing */
void base_private(struct engine *e, struct base *b, int by);
bool garbage_free(struct engine *e);
void versions_close(struct engine *e);
uint64_t slots_min_tick(struct engine *e);
struct txn *slot_take(struct engine *e, bool serial);
void slot_give(struct engine *e, struct txn *t);

/* private.c */
int private_new_id(struct private *p, struct vfs_id *id);
bool speculation_take(struct private *p, struct txn *t);	/* serial */
void speculation_give_back(struct txn *t);	/* it was not committed */
uint64_t privates_min_tick(const struct engine *e);	/* under vlock */
void privates_retire(struct engine *e);

/* txn.c */
int txn_begin_inner(struct engine *e, enum txn_mode mode,
    const struct req_env *env, struct txn **out);
void txn_end(struct txn *t);
static inline void *
txn_snap(const struct txn *t)
{
	return atomic_load_explicit(&t->v->base->snap[t->slot],
	    memory_order_relaxed);
}
int row_check(struct txn *t, struct vfs_slice key, struct vfs_slice raw,
    struct vfs_slice *val);

/* commit.c */
int rows_insert(struct engine *e, struct overlay *o, uint64_t tick,
    const uint8_t *p, const uint8_t *end, uint32_t nrows);
void dead_forget(struct engine *e);	/* serial: the table is another */
void table_size(struct engine *e);	/* serial: after the table changed */

/* journal.c */
void journal_count(struct engine *e, struct vfs_slice key,
    const struct vfs_slice *val);
void journal_tally(struct vfs_slice key, size_t n, struct ckpt_mark *m);
int journal_open(struct engine *e);
void journal_trim(struct engine *e);

/* bytes.c */
void space_tidy(struct engine *e);

/* rows.c: room in the row store for what is not there yet */
int rows_room(struct engine *e, uint64_t rows, uint64_t bytes, bool frees);
void rows_pend(struct engine *e, uint64_t rows, uint64_t bytes);
void rows_freeze(struct engine *e);
void rows_applied(struct engine *e);

/* faults.c */
int engine_fault(struct engine *e, uint64_t trace_id, int err,
    const char *file, int line, const char *fmt, ...)
    __attribute__((format(printf, 6, 7)));
#define efault(e, err, ...) \
	engine_fault(e, 0, err, __FILE__, __LINE__, __VA_ARGS__)
/* The first failure makes the store read-only; returns err. */
int engine_latch(struct engine *e, int err, const char *file, int line,
    const char *what);
#define latch(e, err, what) engine_latch(e, err, __FILE__, __LINE__, what)
/* A key as text: kind and numbers. */
const char *key_text(struct vfs_slice key, char *buf, size_t cap);

/* marks.c */
int head_read(struct engine *e, struct head *h);
int head_write(struct engine *e);
size_t head_encode(const struct head *h, uint8_t b[LOG_HEAD_MAX]);
/* Is the clock right, as far as is known, and at or beyond this number? */
bool marks_clock_past(const struct engine *e, uint64_t n);
void marks_start(struct engine *e);
int marks_open(struct engine *e);
int marks_need(struct engine *e);	/* serial: renew leases if used up */
int marks_renew(struct engine *e);	/* any thread: at half */
bool marks_due(struct engine *e);

/* lost.c */
int log_open(struct engine *e);
int log_ends_short(struct engine *e, uint64_t upto);
int lost_journal(struct engine *e);	/* once it is open */

/* recover.c */
int replay(struct engine *e, const struct ckpt_mark *from);
/* claim.c */
int claim_space(struct engine *e);

/* verify.c: look at every row, before they are trusted */
int verify_store(struct engine *e);

/* create.c: an empty store */
int store_create(struct engine *e);
uint64_t create_ring_size(const struct engine *e);
int versions_make(struct engine *e);

/* lock.c */
int lock_take(struct engine *e);

/* checkpoint.c */
bool ckpt_due(struct engine *e);
struct batch {
	struct engine *e;
	struct store_row *row;		/* STORE_BATCH_MAX; [0] is the mark */
	size_t n, bytes;
};
int batch_apply(struct batch *b, const struct ckpt_mark *m);
bool ckpt_pressed(struct engine *e);
int ckpt_run(struct engine *e);

/* meta.c: the engine's own rows */
#define META_MARK	"checkpoint"
#define META_FORMAT	"format"
#define MARK_SIZE	80u
#define META_VAL_MAX	128u
struct meta_row {
	struct row_key key;
	uint8_t val[META_VAL_MAX];
	size_t n;			/* with the checksum */
};
int mark_get(struct txn *t, struct ckpt_mark *m);	/* as t sees it */
int mark_read(struct engine *e, struct ckpt_mark *m);
void mark_row(const struct ckpt_mark *m, struct meta_row *r);
/* The journal begins anew behind this number: once the store is open, one that
 * no commit has. */
void mark_forget(struct ckpt_mark *m, uint64_t seq);
void format_row(const struct engine *e, struct meta_row *r);
int format_check(struct engine *e);
int format_uuid(struct engine *e, uint8_t uuid[16]);
struct store_row meta_store_row(const struct meta_row *r);

/* background.c */
void bg_init(struct engine *e);
int bg_start(struct engine *e);
void bg_stop(struct engine *e);
void bg_kick(struct engine *e);		/* the checkpoint thread */
void bg_want(struct engine *e);
void bg_tight(struct engine *e);
void bg_progress(struct engine *e, int err);
void bg_committed(struct engine *e);
int bg_wait_room(struct engine *e);	/* backpressure */

/* sync.c */
int sync_for_checkpoint(struct engine *e);
void *sync_thread(void *engine);
void sync_thread_stop(struct engine *e);
void sync_soon(struct engine *e);

#endif
