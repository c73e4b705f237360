/*
 * tx.h - what the bytes of transaction messages hold
 *
 * A list of items, each at a multiple of 8 and as long as it says:
 *
 *	u16 number, u16 flags (0), u32 length (these 8 bytes too), body
 *
 * An operation has its number of ops.def and the body of its request as
 * it always is; blobs count from the item's first byte.  A precondition
 * has its kind and a body of its own (struct vfs_tx_pre).  An id with
 * VFS_TX_RESULT set is the result of that operation of the same
 * transaction, counted from 0: a whole tree fits one message.
 *
 * Results come back as brief records (records.h), one for each operation.
 */
#ifndef PROTO_TX_H
#define PROTO_TX_H

#include "codec.h"

/* Append to list[0..cap), *n bytes of which are used.  -VFS_TOO_BIG. */
int proto_tx_op_put(enum vfs_op op, const void *q, void *list, size_t cap,
    size_t *n);
int proto_tx_pre_put(const struct vfs_tx_pre *pre, void *list, size_t cap,
    size_t *n);

/*
 * Take the first item off a list: 1, 0 if it is empty, or an error
 * (-VFS_UNKNOWN_OP too).  q is written on success only and borrows.
 */
int proto_tx_op_next(struct vfs_slice *list, enum vfs_op *op,
    union proto_req *q);
int proto_tx_pre_next(struct vfs_slice *list, struct vfs_tx_pre *out);

/* Visit every id of a request, to put another in its place.  Stops at
 * the first error of fn and returns it. */
int proto_each_id(enum vfs_op op, void *q,
    int (*fn)(void *arg, struct vfs_id *id), void *arg);

#endif
