/*
 * dispatch_in.h - what the dispatcher's own files share
 *
 * The table of operations for whoever runs several in one txn, and what
 * happens after a commit.
 */
#ifndef VFSD_DISPATCH_IN_H
#define VFSD_DISPATCH_IN_H

#include <pthread.h>

#include "../core/core.h"
#include "counts.h"
#include "dispatch.h"

#define SERVER_LOCKS	1024u		/* stripes of object locks */

struct server {
	struct engine *engine;
	_Atomic bool sync_all;		/* set when threads run already */
	uint64_t draft_max;		/* bytes of rows; see wrote() */
	struct holders *holders;
	struct publisher *publisher;
	struct reaper *reaper;
	_Atomic bool graves;		/* see server_has_graves */
	struct visible *visible;
	struct txs *txs;
	struct why *why;
	struct watches *watches;
	struct locks *lock_table;	/* of fcntl and flock, LOCK, Tlock */
	pthread_mutex_t locks[SERVER_LOCKS];	/* content of the ids of a stripe */
	struct counts counts;
};

enum op_mode { MODE_NONE, MODE_READ, MODE_WRITE };

/* MODE_NONE for numbers that are no operation, too. */
enum op_mode table_mode(enum vfs_op op);
/* *p is NULL if there is nothing to prepare; may be set on failure. */
int table_prepare(enum vfs_op op, struct txn *t, const void *q,
    struct plan **p);
int table_run(enum vfs_op op, struct txn *t, const void *q, struct plan *p,
    void *r);

/* The daemon asks, now. */
void server_env(struct req_env *env);

/* orphans.c: what happens after a commit, by what it replied. */
typedef void after_fn(struct server *s, const void *q, const void *r);
after_fn after_unlink, after_rename, after_tmpfile, after_tree_remove,
    after_tree_publish;
/* The same request, in several commits, when one has said -VFS_TX_LIMIT. */
typedef int big_fn(struct server *s, const struct req_env *env,
    const void *q, void *r);
big_fn big_tree_clone;
/* Objects without names that the last daemon left: a few at once, the
 * rest in the background. */
int server_reclaim_old(struct server *s);
/* Up to cap of them, ascending, from after on. */
int server_orphans(struct server *s, struct vfs_id after,
    struct vfs_id *ids, size_t cap, size_t *n);
/* An object has lost its last name, in a commit that is done. */
void server_orphaned(struct server *s, struct vfs_id id, bool keep);
/* The same of what may have been the top of a tree. */
void server_tree_orphaned(struct server *s, struct vfs_id id);
int server_publish_all(struct server *s, const struct req_env *env);
/* A publisher_fn; its arg is the server. */
int server_publish_quiet(void *arg, struct vfs_id id, bool late);
bool server_syncs_all(const struct server *s);
struct txs *server_txs(struct server *s);

#endif
