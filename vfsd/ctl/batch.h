/*
 * batch.h - many small operations in few messages
 *
 * Operations are collected and sent as one transaction when there are
 * enough.  An object that is made in a batch has for its id, until the
 * batch is sent, the place of its operation (VFS_TX_RESULT); then the real
 * one is put where the caller keeps it.  So ask for room first, then build
 * requests from ids, then add them.
 */
#ifndef VFSD_CTL_BATCH_H
#define VFSD_CTL_BATCH_H

#include "ctl.h"

#define BATCH_DATA_MAX	(256u << 10)	/* file bytes of one operation */

struct batch;

int batch_new(struct ctl *k, struct batch **out);
void batch_free(struct batch *b);

/* Room for a few operations with so many bytes in them: sends what is there
 * if there is none. */
int batch_room(struct batch *b, size_t bytes);

/* about, for messages, is copied; id, if not NULL, gets the result. */
int batch_add(struct batch *b, enum vfs_op op, const void *q,
    const char *about, struct vfs_id *id);

/* The caller's place for an id goes away. */
void batch_forget(struct batch *b, const struct vfs_id *id);

/* Nothing is left behind.  What was refused has been told. */
int batch_send(struct batch *b);

#endif
