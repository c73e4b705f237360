/*
 * grant.h - regions that a connection has mapped for bulk data
 *
 * GRANT_MAP gives a region a number; blobs of requests may then stand in
 * it (kind 1), and READ may put its bytes there.  Bytes of a request are
 * copied out once, before anything looks at them; bytes of a reply are
 * copied in when it is sent.
 *
 * Threads:   any.  A region that is unmapped while it is copied goes when
 *            the copy is done.
 * Failure:   0 or a negative vfs_err.
 */
#ifndef FRONT_GRANT_H
#define FRONT_GRANT_H

#include <pthread.h>

#include "../../protocol/codec.h"
#include "region.h"

#define GRANT_COPIES_MAX	4u	/* blobs of one request */

struct grants {
	pthread_rwlock_t lock;		/* guards the table */
	struct {
		struct region region;
		bool write;
	} row[VFS_GRANTS_MAX];
};

void grants_init(struct grants *g);
void grants_free(struct grants *g);

/* Borrows fd (-1: the message brought none, -VFS_INVAL). */
int grants_map(struct grants *g, int fd, const struct vfs_grant_map *q,
    struct vfs_grant_map_reply *r);
int grants_unmap(struct grants *g, const struct vfs_grant_unmap *q);

/* The copies that one request needs. */
struct grant_copies {
	struct grants *g;
	void *copy[GRANT_COPIES_MAX];
	unsigned n;
};

/* For struct proto_far of kind PROTO_GRANT; arg is a grant_copies. */
const void *grant_get(void *arg, unsigned kind, unsigned grant,
    uint64_t off, uint32_t n);
void grant_copies_free(struct grant_copies *c);

/* Would n bytes at off fit?  Asked before anything is done. */
int grants_room(struct grants *g, uint32_t grant, uint64_t off, size_t n);
/* Copies into a region that the peer lets us write. */
int grants_put(struct grants *g, uint32_t grant, uint64_t off,
    const void *p, size_t n);

#endif
