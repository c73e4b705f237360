#include <string.h>

#include "le.h"
#include "txid.h"

void
txid_key(struct row_key *k, const uint8_t id[16])
{
	row_key_id2(k, ROW_TXID, be_get64(id), be_get64(id + 8));
}

size_t
rec_txid_encode(const struct rec_txid *r, uint8_t *buf)
{
	uint8_t *p = buf;

	p = le_put64(p, r->seq.n);
	p = le_put64(p, r->digest[0]);
	p = le_put64(p, r->digest[1]);
	p = le_put32(p, (uint32_t)r->when.sec);
	p = le_put32(p, r->whose);
	p = le_put32(p, r->when.nsec);
	p = le_put32(p, r->nresults);
	if (r->results.n > 0)
		memcpy(p, r->results.p, r->results.n);
	return TXID_FIXED + r->results.n;
}

int
rec_txid_decode(struct vfs_slice val, struct rec_txid *r)
{
	const uint8_t *p = val.p;
	struct rec_txid x;

	if (val.n < TXID_FIXED)
		return -VFS_CORRUPT;
	x.seq.n = le_get64(p);
	x.digest[0] = le_get64(p + 8);
	x.digest[1] = le_get64(p + 16);
	x.when.sec = le_get32(p + 24);
	x.whose = le_get32(p + 28);
	x.when.nsec = le_get32(p + 32);
	x.nresults = le_get32(p + 36);
	x.results = (struct vfs_slice){ p + TXID_FIXED, val.n - TXID_FIXED };
	if (x.when.nsec > 999999999u || x.results.n % TXID_BRIEF != 0 ||
	    x.results.n / TXID_BRIEF > x.nresults)
		return -VFS_CORRUPT;
	*r = x;
	return 0;
}
