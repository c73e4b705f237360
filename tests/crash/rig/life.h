/*
 * life.h - a store on the simulated disk, and the judge of its crashes
 *
 * A life runs operations through dispatch() on an engine whose files lie
 * on the live disk.  After each change of what is visible it remembers the
 * moment: digests of the rows, and the model of names and contents.  At
 * each sync and after each operation every state that a power cut may
 * leave is built on the scratch disk and opened; it must equal a moment
 * between the last that was promised and the last that was begun.
 */
#ifndef CRASH_LIFE_H
#define CRASH_LIFE_H

#include "../../../protocol/records.h"
#include "../../../vfsd/core/record.h"
#include "../../../vfsd/server/dispatch.h"
#include "disk.h"
#include "enum.h"
#include "model.h"

#define MOMENTS_MAX	512
#define SEEN_MAX	(1u << 17)

struct moment {
	uint64_t pub, full;
	struct journal_pos cur;	/* where its journal ends */
	uint64_t nrec;		/* change records since the beginning */
	bool known;		/* m is the model of this moment */
	struct model m;
};

/* One request, with its bytes; or one of the rig's own acts. */
enum act {
	ACT_OP,			/* through dispatch() */
	ACT_TX,			/* several, in a transaction */
	ACT_DROP,		/* the last holder of an orphan goes */
	ACT_RELEASE,		/* a handle that wrote is closed */
	ACT_CHECKPOINT,
	ACT_STEP,		/* one piece of background work */
	ACT_READER,		/* a long reader comes, or goes */
	ACT_CUT,		/* power cut */
	ACT_KILL,		/* kill -9 */
	ACT_CLOSE,		/* clean stop */
};

#define STEP_DATA_MAX	(160u << 10)

struct step {
	enum act act;
	enum vfs_op op;
	union {
#define OP(n, N, name, mode, lock, req, rep) struct vfs_##name name;
#include "../../../protocol/ops.def"
#undef OP
	} q;
	union {
#define OP(n, N, name, mode, lock, req, rep) struct vfs_##name##_reply name;
#include "../../../protocol/ops.def"
#undef OP
	} r;
	uint64_t id;		/* ACT_DROP, ACT_RELEASE */
	char name[16], name2[16];
	uint32_t seed;		/* of the data */
	size_t ndata;
	int xattr;
	struct step_tx *tx;	/* ACT_TX; the life's */
	char text[120];
};

/* Operations of one transaction. */
#define TX_SUBS		7
enum tx_how { TX_EXEC, TX_STAGED, TX_OPEN };
struct step_tx {
	struct step_tx *next;
	enum tx_how how;
	uint64_t name;		/* its tx_id; 0: none */
	bool stable;
	bool fails;		/* sub[n] is one that does */
	int n;			/* of sub that do not */
	int back;		/* TX_OPEN: where it goes back to; -1 */
	struct step sub[TX_SUBS];
	struct proto_brief result[TX_SUBS];
	size_t nresult;
	bool repeated;
	unsigned gone;		/* commits of what came and went in it */
};

/* A commit that was asked for under a name. */
#define TX_NAMED	64
struct named {
	uint64_t name;
	int at;			/* the moment it came with */
	int nresult;
};

/* Shared by all workers. */
struct tally {
	_Atomic uint64_t states, distinct, deep, steps, runs, failed;
	_Atomic uint64_t *seen;	/* hashes of images, 0: free */
	uint64_t seen_max;
};

struct seen {
	uint64_t hash;
	int at;			/* the moment it recovered to */
};

/* A store at rest, and where records began in its log's ring. */
#define RING_BYTES	(1u << 20)
#define STARTS		(RING_BYTES / 64)
struct image {
	struct disk *disk;
	uint8_t starts[STARTS];
};

struct life {
	struct disk *live, *scratch;
	int live_fd, scratch_fd;
	struct engine *e;
	struct server *s;
	struct engine_conf conf;
	uint64_t boot;
	struct rng rng;		/* for picks and depth */
	struct model m;
	struct moment *at;
	int n, lo, acked;	/* latest, durable, acknowledged moment */
	uint64_t id_max, seq_max;	/* given, lost futures included */
	struct journal_pos lost;	/* the newest cursor that a cut took
					 * back; seq 0: none */
	uint64_t seq_last;		/* of the last commit */
	unsigned appends;	/* log records since the operation began */
	bool dirty;		/* ... and since the last moment */
	uint64_t logged;	/* bytes appended in this process */
	uint8_t starts[STARTS];	/* a bit for each 8 bytes of the ring */
	uint64_t last_pos;	/* of the last append, also in the scratch */
	size_t last_len;
	bool gag;		/* the scratch's appends go nowhere */
	bool judging, quiet;
	bool sync_all;		/* durability=sync */
	struct seen *seen;
	struct step last;	/* for doing it again after a crash */
	int last_from;		/* the moment it began at */
	struct step_tx *txs;		/* of this workload */
	uint64_t tx_names;
	struct named named[TX_NAMED];
	int nnamed;
	bool trying;		/* what it does is not for good */
	struct txn *reader;
	uint64_t reader_full;
	int random_max, deep_every;
	struct tally *tally;
	uint64_t judged;
	char why[600];		/* not empty: a promise was broken */
};

/* Directories live and scratch below base; an empty, formatted store. */
int life_new(const char *base, struct tally *t, struct life **out);
void life_free(struct life *l);
/* Make the empty store; then append until only left bytes of the log's
 * first lap are left.  Nothing is judged. */
bool life_create(struct life *l);
bool life_wind(struct life *l, uint64_t left);
/* Start again from the image kept in base. */
bool life_begin(struct life *l, const struct image *image, uint64_t seed);
void life_end(struct life *l);
/* Run one, compare, judge.  false: l->why. */
bool life_step(struct life *l, struct step *st);
/* Open the engine on the live disk again; its rows must be these. */
bool life_open(struct life *l, const uint64_t *want);
bool life_serve(struct life *l);
/* Stop as kill -9 does; the files stay as they were at that moment. */
void life_kill(struct life *l);
bool life_fail(struct life *l, const char *fmt, ...)
    __attribute__((format(printf, 2, 3)));

/* --- step.c, step_make.c, step_apply.c ------------------------------ */
void step_random(struct life *l, struct rng *r, struct step *st);
/* Only this operation (or act), with whatever arguments make sense;
 * false: none do now. */
bool step_make(struct life *l, struct rng *r, enum act act, enum vfs_op op,
    struct step *st);
void step_describe(struct step *st);	/* into st->text */
int step_run(struct server *s, struct step *st, const struct req_env *env);
void step_lend(struct step *st);	/* the bytes that it borrows */
void step_apply(struct life *l, const struct step *st);
/* The object whose draft this must have published; 0: none. */
uint64_t step_publishes(const struct step *st);
/* step_tree.c */
bool step_make_clone(struct life *l, struct rng *r, struct step *st);
void step_apply_clone(struct life *l, const struct step *st);
/* step_tx.c */
bool step_make_tx(struct life *l, struct rng *r, struct step *st);
void step_tx_free(struct life *l);	/* of a workload */
int step_run_tx(struct server *s, struct step *st,
    const struct req_env *env);
void step_apply_tx(struct life *l, const struct step *st);
void step_tx_begun(struct life *l, const struct step *st);
void step_tx_failed(struct life *l, const struct step *st);
void step_tx_cut(struct life *l, int at);
bool step_tx_known(struct life *l, struct server *s, int at, char text[200]);
void step_data(uint32_t seed, uint8_t *buf, size_t n);

/* --- judge.c -------------------------------------------------------- */
/* Every state a power cut, and the one that kill -9, may leave now. */
void judge_all(struct life *l);
void judge_kill(struct life *l);
/* How many change records are behind this cursor; or an error. */
int judge_read(struct engine *e, struct journal_pos at);
/* What vfsctl check says about the rows. */
bool judge_check(struct engine *e, char text[200]);

extern struct log_ops life_log;		/* appends are watched */

#endif
