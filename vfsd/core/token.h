/*
 * token.h - ROW_TOKEN: a capability that somebody holds
 *
 * The row has a hash of the token, so that whoever reads the store does
 * not get what it gives.  Row 0 only says which number comes next: none is
 * ever given twice.
 */
#ifndef CORE_TOKEN_H
#define CORE_TOKEN_H

#include "record.h"

#define TOKEN_HASH	32u		/* SHA-256 */

enum {
	TOKEN_CRED = 1 << 0,		/* acts as uid and gid */
};

struct rec_token {
	uint8_t hash[TOKEN_HASH];
	uint64_t parent;		/* the token it came from; 0: none */
	struct vfs_id root;
	struct vfs_id root_parent;	/* of the root then; 0: anywhere */
	uint32_t rights, flags, uid, gid;
	uint32_t max_handles, max_credits, max_tx_open;
	uint64_t max_bytes;
	struct vfs_time since, expires;	/* expires 0: never */
	struct vfs_slice label;		/* borrows */
};
#define TOKEN_FIXED	128u		/* before the label */
#define REC_TOKEN_MAX	(TOKEN_FIXED + VFS_LABEL_MAX)

size_t rec_token_encode(const struct rec_token *r, uint8_t *buf);
int rec_token_decode(struct vfs_slice val, struct rec_token *r);

/* Row 0: the next number, and nothing else. */
int rec_token_next(struct vfs_slice val, uint64_t *next);

#endif
