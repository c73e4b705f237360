/*
 * dispatch_in.h - what the dispatcher's own files share
 *
 * The table of operations for whoever runs several in one txn, and what
 * happens after a commit.
 */
#ifndef VFSD_DISPATCH_IN_H
#define VFSD_DISPATCH_IN_H

#include "core/core.h"
#include "dispatch.h"

enum op_mode { MODE_NONE, MODE_READ, MODE_WRITE };

/* MODE_NONE for numbers that are no operation, too. */
enum op_mode table_mode(enum vfs_op op);
/* *p is NULL if there is nothing to prepare; may be set on failure. */
int table_prepare(enum vfs_op op, struct txn *t, const void *q,
    struct plan **p);
int table_run(enum vfs_op op, struct txn *t, const void *q, struct plan *p,
    void *r);

/* An object has lost its last name, in a commit that is done. */
void server_orphaned(struct server *s, struct vfs_id id, bool keep);
int server_publish_all(struct server *s, const struct req_env *env);
bool server_syncs_all(const struct server *s);
struct txs *server_txs(struct server *s);

#endif
