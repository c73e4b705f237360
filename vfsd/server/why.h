/*
 * why.h - the last errors that requests got, and whose they were
 *
 * An error that is expected (no such name) has no fault record; people ask
 * about those too.  What programs are answered all day must not push out
 * what is rare, so there are rings by the kind of error, the newest WHY_KEPT
 * in each.
 *
 * Threads: any.
 */
#ifndef VFSD_WHY_H
#define VFSD_WHY_H

#include "../../protocol/proto.h"
#include "../core/txn.h"

#define WHY_KEPT	1024u		/* of each kind */
#define WHY_TOLD	64u		/* of each kind, to who asks once */
#define WHY_TEXT_MAX	200u

/* What an error tells of.  The same thing may be met many times a second, a
 * full disk for one: so even what is bad has a ring for each of these. */
enum why_kind {
	WHY_DAMAGE,			/* bytes or rows are lost */
	WHY_STATE,			/* the store, the disk, others' work */
	WHY_REFUSAL,			/* the request itself */
	WHY_MISS,			/* there is none of this name */
	WHY_KINDS
};

#define WHY_FOUND_MAX	(WHY_KINDS * WHY_TOLD)

struct why;

struct why_rec {
	uint64_t trace_id;
	struct vfs_time when;
	uint32_t pid, op;		/* op: enum vfs_op */
	int err;
	uint64_t id;			/* the first object of the request */
	uint64_t n;			/* of all, in order */
	char text[WHY_TEXT_MAX];	/* what err does not say; or "" */
};

int why_new(struct why **out);
void why_free(struct why *w);

struct why_what {
	enum vfs_op op;
	int err;
	uint64_t id;
	const char *text;		/* NULL: err says it */
};
void why_note(struct why *w, const struct req_env *env,
    struct why_what what);

/* Newest first; of a trace or a process if those are not 0. */
size_t why_find(struct why *w, uint64_t trace_id, uint32_t pid,
    struct why_rec out[WHY_FOUND_MAX]);

#endif
