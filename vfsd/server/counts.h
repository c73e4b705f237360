/*
 * counts.h - how often each operation ran, how it ended, how long it took
 *
 * Threads: any.
 */
#ifndef VFSD_COUNTS_H
#define VFSD_COUNTS_H

#include <stdatomic.h>

#include "dispatch.h"

struct counts {
	struct {
		_Atomic uint64_t calls, errors, ns_total, ns_max;
	} op[VFS_OP_COUNT];
};

/* One that began at start (clock_ns) has ended. */
void counts_add(struct counts *c, enum vfs_op op, uint64_t start, int err);
void counts_get(struct counts *c, struct op_count out[VFS_OP_COUNT]);

#endif
