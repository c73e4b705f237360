/*
 * txid.h - ROW_TXID: a commit that was asked for under a name
 *
 * The key is the client's 16 bytes.  The row came with the commit itself,
 * so whoever has lost the answer finds it here, or nothing happened.
 */
#ifndef CORE_TXID_H
#define CORE_TXID_H

#include "record.h"

#define TXID_BRIEF	40u	/* bytes of one result, as on the wire */

struct rec_txid {
	struct vfs_seq seq;
	uint64_t digest[2];		/* of the request; 0, 0: interactive */
	struct vfs_time when;		/* until 2106 */
	uint32_t whose;			/* as in struct req_env */
	uint32_t nresults;		/* there were; kept may be fewer */
	struct vfs_slice results;	/* TXID_BRIEF bytes each */
};
#define TXID_FIXED	40u		/* before the results */

void txid_key(struct row_key *k, const uint8_t id[16]);
/* buf has room for TXID_FIXED and the results. */
size_t rec_txid_encode(const struct rec_txid *r, uint8_t *buf);
int rec_txid_decode(struct vfs_slice val, struct rec_txid *r);

#endif
