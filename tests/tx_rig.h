/*
 * tx_rig.h - a store in memory with its dispatcher, and transactions
 *
 * Names are paths of one level below the root unless a directory's id is
 * given.  Everything returns 0 or a negative vfs_err.
 */
#ifndef TESTS_TX_RIG_H
#define TESTS_TX_RIG_H

#include "../vfsd/server/dispatch.h"
#include "../vfsd/server/tx.h"
#include "fx.h"

#define RIG_OWNER	7u
#define RIG_RESULTS	64u
#define RIG_LIST_MAX	(16u << 20)
#define ROOT		((struct vfs_id){ VFS_ID_ROOT })
#define RESULT(k)	((struct vfs_id){ VFS_TX_RESULT | (k) })

struct rig {
	struct fx *fx;
	struct server *s;
	/* The message under construction. */
	uint8_t *ops, *pre;
	size_t nops_bytes, npre_bytes;
	uint32_t nops, npre;
	struct proto_brief results[RIG_RESULTS];
	struct tx_verdict v;		/* of the last call */
};

/* log_bytes 0: the fixture's. */
struct rig *rig_open(uint64_t log_bytes);
void rig_close(struct rig *r);
int rig_setup(void **state);
int rig_teardown(void **state);
/* Stop as kill -9 does, and start again; open transactions are lost. */
void rig_kill(struct rig *r);

/* A message: start, add, send. */
void rig_new(struct rig *r);
void rig_add(struct rig *r, enum vfs_op op, const void *q);
void rig_create(struct rig *r, struct vfs_id dir, const char *name,
    uint32_t mode);
void rig_write(struct rig *r, struct vfs_id id, uint64_t off, const void *p,
    size_t n);
void rig_unlink(struct rig *r, struct vfs_id dir, const char *name);
void rig_pre(struct rig *r, struct vfs_tx_pre pre);
/* id: a number for the tx_id, 0 none. */
int rig_exec(struct rig *r, uint64_t id);
int rig_status(struct rig *r, uint64_t id);

/* Interactive. */
uint64_t rig_begin(struct rig *r);
/* The message as a part, with TX_ADD; *first as in its reply. */
int rig_part(struct rig *r, uint64_t tx, uint32_t flags, uint32_t *first);
int rig_commit(struct rig *r, uint64_t tx);
int rig_commit_as(struct rig *r, uint64_t tx, uint64_t id);

/* One operation, in tx or (0) alone. */
int rig_op(struct rig *r, uint64_t tx, enum vfs_op op, const void *q,
    void *rep);
int do_create(struct rig *r, uint64_t tx, struct vfs_id dir,
    const char *name, uint32_t mode, struct vfs_id *id);
int do_lookup(struct rig *r, uint64_t tx, struct vfs_id dir,
    const char *name, struct vfs_id *id);
int do_write(struct rig *r, uint64_t tx, struct vfs_id id, uint64_t off,
    const void *p, size_t n);
int64_t do_read(struct rig *r, uint64_t tx, struct vfs_id id, uint64_t off,
    void *p, size_t n);
int do_unlink(struct rig *r, uint64_t tx, struct vfs_id dir,
    const char *name);
int do_rename(struct rig *r, uint64_t tx, struct vfs_id dir,
    const char *name, struct vfs_id dir2, const char *name2);
int do_chmod(struct rig *r, uint64_t tx, struct vfs_id id, uint32_t mode);
int do_truncate(struct rig *r, uint64_t tx, struct vfs_id id,
    uint64_t size);
int do_stat(struct rig *r, uint64_t tx, struct vfs_id id,
    struct vfs_attr *a);
/* How many entries but the dots; the last one's cookie. */
int do_list(struct rig *r, uint64_t tx, struct vfs_id dir, uint64_t *last);

#endif
