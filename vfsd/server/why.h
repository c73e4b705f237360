/*
 * why.h - the last errors that requests got, and whose they were
 *
 * An error that is expected (no such name) has no fault record; people ask
 * about those too.  The newest WHY_MAX are kept.
 *
 * Threads: any.
 */
#ifndef VFSD_WHY_H
#define VFSD_WHY_H

#include "../core/txn.h"

#define WHY_MAX		4096u

struct why;

struct why_rec {
	uint64_t trace_id;
	struct vfs_time when;
	uint32_t pid, op;		/* op: enum vfs_op */
	int err;
	uint64_t id;			/* the first object of the request */
};

int why_new(struct why **out);
void why_free(struct why *w);

void why_note(struct why *w, const struct req_env *env, uint32_t op,
    uint64_t id, int err);

/* Newest first; of a trace or a process if those are not 0. */
size_t why_find(struct why *w, uint64_t trace_id, uint32_t pid,
    struct why_rec *out, size_t cap);

#endif
