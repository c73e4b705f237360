/*
 * vfp.h - a plain client of the wire: one request, one reply
 *
 * What goes wrong ends the program; what the daemon refuses is returned.
 */
#ifndef E2E_VFP_H
#define E2E_VFP_H

#include "../../protocol/codec.h"
#include "../../protocol/tx.h"

struct vfp {
	int fd;
	uint64_t req_id;
	uint8_t *msg;			/* VFS_MSG_MAX, the last reply */
	/* The operations of a TX_EXEC under construction. */
	uint8_t *ops;
	size_t ops_n;
	uint32_t nops;
};

void vfp_open(struct vfp *c, const char *store);
void vfp_close(struct vfp *c);

/* 0 or a negative vfs_err; r borrows until the next call. */
int vfp_call(struct vfp *c, enum vfs_op op, const void *q, void *r);
/* The same; a refusal ends the program. */
void vfp_do(struct vfp *c, enum vfs_op op, const void *q, void *r);

/* Operations for one TX_EXEC, and running them all; or, for TX_ADD. */
void vfp_add(struct vfp *c, enum vfs_op op, const void *q);
int vfp_exec(struct vfp *c);
int vfp_add_to(struct vfp *c, uint64_t tx, uint32_t flags);

struct vfs_slice vfp_str(const char *s);
/* -VFS_NOENT or 0 */
int vfp_lookup(struct vfp *c, struct vfs_id dir, const char *name,
    struct vfs_attr *a);
struct vfs_id vfp_create(struct vfp *c, struct vfs_id dir, const char *name,
    uint32_t mode);

/* The sum of the fuse.*.calls that somebody waited for. */
uint64_t vfp_fuse_calls(struct vfp *c);
/* One number of STATUS; 0 if it is not there. */
uint64_t vfp_status(struct vfp *c, const char *name);

#endif
