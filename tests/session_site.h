/*
 * session_site.h - a directory that a session has, much that it has not,
 * and a good request of each operation
 *
 * What is outside has SECRET in its names and contents.  Requests fail the
 * test by themselves.
 */
#ifndef TESTS_SESSION_SITE_H
#define TESTS_SESSION_SITE_H

#include "session_rig.h"

#define FILE_MODE	0100644u
#define DIR_MODE	0040755u
#define LINK_MODE	0120777u
#define SECRET		"SECRET"
#define IDS_MAX		16u

/* /jail: what the session has; /SECRET: the rest. */
struct site {
	struct srig *x;
	struct session *s;
	struct vfs_id jail, sub, f, subf, ln, two;
	struct vfs_id out[IDS_MAX];	/* outside now */
	unsigned nout, moved;		/* ... from here on was inside */
	struct vfs_id lost[4];		/* handles of what was moved there */
	unsigned nlost;
	uint64_t h;			/* of f, for DUP */
	uint8_t *msg;
};

void site_open(struct site *t, struct srig *x);
void site_close(struct site *t);

/* By the store's owner. */
struct vfs_id site_make(struct srig *x, struct vfs_id dir, const char *name,
    uint32_t mode);

/* A request that the session may make, with raw ids and inside all of it;
 * false: op takes no ids, or is not a session's. */
bool site_request(const struct site *t, enum vfs_op op,
    union proto_req *q);

#endif
