/*
 * tx_in.h - what the files of client transactions share
 *
 *   tx.c	what fronts ask
 *   tx_list.c	which are open, whose, and for how long
 *   tx_open.c	operations of an open one, going back
 *   tx_exec.c	TX_EXEC: operations that come packed
 *   tx_add.c	TX_ADD: the same in parts
 *   tx_speculate.c	parts that wait for the commit, run before it
 *   tx_run.c	one operation of several; the commit
 *   tx_deps.c	what a transaction has read, and whether it still holds
 *   tx_pre.c	preconditions
 *   tx_ids.c	which commits were asked for under which name
 */
#ifndef VFSD_TX_IN_H
#define VFSD_TX_IN_H

#include <pthread.h>

#include "../core/record.h"
#include "dispatch_in.h"
#include "../engine/arena.h"
#include "../engine/engine.h"
#include "tx.h"

/* --- what was read ------------------------------------------------------- */

struct dep {
	uint64_t id, stamp;
	uint32_t name_at;
	uint16_t name_n;
	uint8_t kind;
	bool draft;			/* stamp is of unpublished content */
};

/* A set: each thing once, as the snapshot has it. */
struct deps {
	struct dep *v;
	uint32_t *slots;		/* index + 1, by hash */
	uint8_t *names;
	size_t n, cap, nslots, names_n, names_cap;
};

void deps_free(struct deps *d);
/* May op be in a transaction?  In a list of several? */
bool deps_allows(enum vfs_op op);
bool deps_allows_packed(enum vfs_op op);
/*
 * Note what op has learned of what was there before this transaction:
 * below has none of its writes, own (ascending) are objects that it made.
 */
struct own {
	const struct vfs_id *ids;
	size_t n;
};
int deps_note(struct deps *d, struct txn *below, struct own own,
    enum vfs_op op, const void *q);
/* All attributes of an object that some entry has told. */
int deps_note_attr(struct deps *d, struct txn *below, struct own own,
    struct vfs_id id);
/* -VFS_CONFLICT, with what decided, if anything is not so any more. */
int deps_check(const struct deps *d, struct txn *t, struct tx_verdict *v);

/* --- operations ---------------------------------------------------------- */

struct item {
	enum vfs_op op;
	const void *q;			/* the request; NULL: it is body */
	uint8_t *body;			/* packed, with ids resolved */
	size_t nbody;
	size_t data_n;			/* a WRITE whose bytes are planned */
	struct plan *plan;
	struct req_env *env;		/* whose it was then, but for groups;
					 * NULL: the commit's */
	size_t ids_at, nids;		/* what it was given */
	struct vfs_id id;		/* its result, from the last run */
};

struct items {
	struct item *v;
	size_t n, cap;
	size_t bytes;			/* of bodies */
};

/* An object that has lost its name in a transaction. */
struct orphan {
	struct vfs_id id;
	bool keep, tree;
};

struct orphans {
	struct orphan *v;
	size_t n, cap;
};

/* Room for n in all, of which there are fewer; then one more, with room made
 * for it; NULL: none. */
int items_room(struct items *l, size_t n);
struct item *items_add(struct items *l);
/* Drops plans, and the last items down to n. */
void items_cut(struct server *s, struct items *l, size_t n, bool committed);
/* Pack what q says into the last one: then q may go. */
int items_keep(struct items *l, const void *q);
/* What operation i asks for, ids resolved; borrows from the list. */
int items_request(const struct items *l, size_t i, union proto_req *q);
/* Put results of v[0..n) where q has VFS_TX_RESULT. */
int items_resolve(const struct items *l, size_t n, enum vfs_op op, void *q);

/* It runs once more in t, and gets what it was given; ids are all that
 * its transaction has got (NULL: none). */
static inline void
item_give_ids(const struct item *it, struct txn *t, const struct vfs_id *ids)
{
	txn_set_ids(t, it->nids > 0 ? ids + it->ids_at : NULL, it->nids);
}

/* In the name of who asked for it, with what now has of him (groups, the
 * trace); of who asks now, if it came packed.  *env stays until t has another. */
void item_ask_as(const struct item *it, struct txn *t,
    const struct req_env *now, struct req_env *env);
/* Run operation i in t, where those before it have run. */
int item_run(struct items *l, size_t i, struct txn *t, void *rep,
    struct orphans *o);
/* The same with the request in hand, resolved. */
int item_run_q(struct item *it, struct txn *t, const void *q, void *rep,
    struct orphans *o);
/* How its object is now; rep is what the operation said. */
int item_brief(const struct item *it, struct txn *t,
    const union proto_rep *rep, struct proto_brief *out);

/* Operations that the commit will run, decoded; they borrow from copies
 * of the messages. */
struct packed {
	enum vfs_op op;
	union proto_req q;
};
/* It borrows from op. */
struct item *items_add_packed(struct items *l, const struct packed *op);

struct part {
	struct part *next;
	struct packed *ops;
	uint32_t n;
	struct req_env env;		/* who added them; it stops nothing */
	uint32_t groups[];		/* of env */
};

struct later {
	struct part *first, *last;
	size_t n;			/* operations */
	bool confined;			/* somebody who may not see all asked */
	struct arena copies;
	size_t bytes;			/* of copies */
};
void later_free(struct later *l);
struct tx;
/* Run them now; *at: which failed, with which the transaction ends. */
int later_run(struct server *s, struct tx *t, const struct req_env *env,
    uint32_t *at);

/* --- what waits for the commit, run before it ---------------------------- */

/* The thread's while it runs parts, else its transaction's. */
struct speculation {
	bool over;			/* it failed: not again */
	struct private *priv;		/* NULL: nothing was run */
	struct items items;		/* as many as were run */
	struct orphans orphans;
	struct proto_brief *briefs;	/* one for each */
};

struct speculator;
int speculator_new(struct server *s, struct speculator **out);
void speculator_free(struct speculator *sp);
/* t has one more part.  Nobody is told if it fails. */
void speculate(struct speculator *sp, struct tx *t);
/* All of t's parts have come.  True: all were run. */
bool speculation_end(struct speculator *sp, struct tx *t);
/* Forget what was run of t. */
void speculation_drop(struct speculator *sp, struct tx *t);
/* The commit has taken them up: what they would have told it. */
int speculation_told(const struct speculation *x, struct orphans *o,
    struct tx_verdict *v);

struct commit {
	const struct req_env *env;
	struct items *items;
	const struct vfs_tx_pre *pre;
	size_t npre;
	const struct deps *deps;	/* NULL: the operations never ran */
	const struct speculation *spec;	/* but perhaps here; NULL: no */
	struct own own;			/* ids that they were given */
	const uint8_t *tx_id;		/* NULL: none */
	uint64_t digest[2];
	uint32_t durability;
};

/* One attempt.  It takes no item, whatever it returns; v->seq is 0 unless
 * it is committed (a sync may have failed after that). */
int commit_run(struct server *s, const struct commit *c,
    struct tx_verdict *v);

/* --- open transactions --------------------------------------------------- */

struct tx {
	struct tx *next;		/* txs.lock */
	uint64_t number, owner;
	unsigned refs;			/* txs.lock; the list is one */
	pthread_mutex_t lock;		/* all below */
	_Atomic int dead;		/* the error that it answers with;
					 * set under lock, looked at without */
	struct private *priv;
	struct items items;
	struct deps deps;
	struct later later;		/* nothing was run before them */
	struct speculation spec;	/* of those */
	uint64_t data;			/* bytes written */
	struct {
		uint32_t number;
		size_t n;		/* items then */
	} saves[VFS_TX_SAVEPOINTS_MAX];
	unsigned nsaves;
	uint32_t last_save;
	uint64_t begun_ms, used_ms, idle_ms;
};

/* Who asks when nobody does. */
static const struct req_env tx_nobody = {
	.kernel_checked = true, .privileged = true
};

/* The objects that it has made. */
struct own tx_own(const struct tx *t);
/* One that is in no list, for TX_EXEC. */
int tx_new(struct server *s, struct tx **out);
void tx_free(struct server *s, struct tx *t);
/* One operation of an open one; r as for dispatch. */
int tx_run_op(struct server *s, struct tx *t, const struct req_env *env,
    enum vfs_op op, const void *q, void *r);
/* The same for what came packed: even a LOOKUP counts. */
int tx_run_packed(struct server *s, struct tx *t, const struct req_env *env,
    enum vfs_op op, const void *q, void *r);
/* Back to the first n operations. */
int tx_cut(struct server *s, struct tx *t, size_t n);

/* A transaction by its number, locked; then give it back. */
int tx_get(struct server *s, struct tx_ref ref, struct tx **out);
void tx_put(struct server *s, struct tx *t);
void tx_forget(struct server *s, uint64_t number);

/* Was this very request committed before?  1 and the answer, 0; -VFS_INVAL
 * if another one was. */
int tx_answered(struct server *s, const uint8_t *tx_id,
    const uint64_t digest[2], struct tx_verdict *v);
void tx_tally(struct server *s, int err);
void tx_speculated(struct server *s);

/* The commit of operations that were kept for it. */
int later_commit(struct server *s, struct tx *t, const struct req_env *env,
    uint32_t durability, const uint8_t *tx_id, struct tx_verdict *v);

/* Can all n do without a prepare step? */
bool packed_are_rows(const struct packed *ops, uint32_t n);
/* Decode and check n operations; *out is the caller's to free. */
int packed_decode(struct vfs_slice list, uint32_t n,
    const struct tx_gate *gate, struct packed **out, uint32_t *at);

/* --- preconditions ------------------------------------------------------- */

int pre_check(struct txn *t, const struct vfs_tx_pre *pre, size_t n,
    struct tx_verdict *v);

/* --- names of commits ---------------------------------------------------- */

struct txids;
int txids_new(struct engine *e, struct txids **out);
void txids_free(struct txids *x);
/* Around a commit under a name, from before its begin on. */
void txids_lock(struct txids *x);
void txids_unlock(struct txids *x);
/* 1 and the answer if there was this commit, 0 if not. */
int txids_find(struct txn *t, const uint8_t id[16], uint64_t digest[2],
    struct tx_verdict *v);
/* Bytes that the answer of n operations takes in a commit, at most. */
size_t txids_row(size_t n);
int txids_put(struct txids *x, struct txn *t, const struct commit *c,
    const struct tx_verdict *v);
void txids_committed(struct txids *x, const struct commit *c);
/* What failed is remembered for a while, in memory. */
void txids_failed(struct txids *x, const uint8_t id[16], int err,
    const struct tx_verdict *v);
bool txids_find_failed(struct txids *x, const uint8_t id[16],
    struct tx_verdict *v);

/* NULL if it is empty or zero; -VFS_INVAL unless 0 or 16 bytes. */
int txid_of(struct vfs_slice s, const uint8_t **out);

struct txs {
	pthread_mutex_t lock;		/* all below, but ids */
	struct tx *list;
	uint64_t next;
	struct tx_counts counts;
	struct txids *ids;
	struct speculator *speculator;
};

/* A verdict without an answer yet. */
static inline void
verdict_clear(struct tx_verdict *v)
{
	struct proto_brief *results = v->results;
	size_t cap = v->cap;

	*v = (struct tx_verdict){ .results = results, .cap = cap };
}

#endif
