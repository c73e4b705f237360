/*
 * audit.h - the last uses that were denied, and whose they were
 *
 * A bounded ring in memory; whoever administers the store asks for it
 * (SESSIONS with VFS_SESSIONS_AUDIT).
 *
 * Threads: any.
 */
#ifndef VFSD_AUDIT_H
#define VFSD_AUDIT_H

#include "../../protocol/types.h"

#define AUDIT_MAX	1024u

struct audit;

struct audit_rec {
	uint64_t trace_id, session;
	struct vfs_time when;
	uint32_t uid, pid;
	bool has_cred;			/* uid is somebody's */
	uint32_t op;			/* enum vfs_op; 0: coming in */
	uint32_t missing;		/* rights */
	int err;
	uint64_t id;
	char transport[16];
};

int audit_new(struct audit **out);
void audit_free(struct audit *a);	/* NULL is fine */
void audit_note(struct audit *a, const struct audit_rec *r);
/* Newest first.  *ever: how many there have been. */
size_t audit_last(struct audit *a, struct audit_rec *out, size_t cap,
    uint64_t *ever);

#endif
