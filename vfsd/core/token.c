#include <string.h>

#include "core.h"
#include "le.h"
#include "token.h"

#define TOKEN_NEXT	8u

static uint8_t *
put_time(uint8_t *p, struct vfs_time t)
{
	p = le_put64(p, (uint64_t)t.sec);
	p = le_put32(p, t.nsec);
	return le_put32(p, 0);
}

size_t
rec_token_encode(const struct rec_token *r, uint8_t *buf)
{
	uint8_t *p = buf;

	memcpy(p, r->hash, TOKEN_HASH);
	p += TOKEN_HASH;
	p = le_put64(p, r->parent);
	p = le_put64(p, r->root.n);
	p = le_put64(p, r->root_parent.n);
	p = le_put32(p, r->rights);
	p = le_put32(p, r->flags);
	p = le_put32(p, r->uid);
	p = le_put32(p, r->gid);
	p = le_put32(p, r->max_handles);
	p = le_put32(p, r->max_credits);
	p = le_put32(p, r->max_tx_open);
	p = le_put32(p, (uint32_t)r->label.n);
	p = le_put64(p, r->max_bytes);
	p = put_time(p, r->since);
	p = put_time(p, r->expires);
	if (r->label.n > 0)
		memcpy(p, r->label.p, r->label.n);
	return (size_t)(p - buf) + r->label.n;
}

static int
get_time(const uint8_t *p, struct vfs_time *t)
{
	t->sec = (int64_t)le_get64(p);
	t->nsec = le_get32(p + 8);
	return t->nsec > 999999999u || le_get32(p + 12) != 0 ?
	    -VFS_CORRUPT : 0;
}

int
rec_token_decode(struct vfs_slice val, struct rec_token *r)
{
	const uint8_t *p = val.p;
	struct rec_token x;

	if (val.n < TOKEN_FIXED)
		return -VFS_CORRUPT;
	memcpy(x.hash, p, TOKEN_HASH);
	x.parent = le_get64(p + 32);
	x.root.n = le_get64(p + 40);
	x.root_parent.n = le_get64(p + 48);
	x.rights = le_get32(p + 56);
	x.flags = le_get32(p + 60);
	x.uid = le_get32(p + 64);
	x.gid = le_get32(p + 68);
	x.max_handles = le_get32(p + 72);
	x.max_credits = le_get32(p + 76);
	x.max_tx_open = le_get32(p + 80);
	x.label = (struct vfs_slice){ p + TOKEN_FIXED, le_get32(p + 84) };
	x.max_bytes = le_get64(p + 88);
	if (get_time(p + 96, &x.since) < 0 ||
	    get_time(p + 112, &x.expires) < 0 ||
	    x.label.n != val.n - TOKEN_FIXED || x.label.n > VFS_LABEL_MAX ||
	    x.root.n == 0 || (x.rights & ~(uint32_t)VFS_RIGHTS_ALL) != 0 ||
	    (x.flags & ~(uint32_t)TOKEN_CRED) != 0)
		return -VFS_CORRUPT;
	*r = x;
	return 0;
}

int
rec_token_next(struct vfs_slice val, uint64_t *next)
{
	if (val.n != TOKEN_NEXT)
		return -VFS_CORRUPT;
	*next = le_get64(val.p);
	return 0;
}

/* The daemon's own: a token comes (with the number after it) or goes. */
int
op_token(struct txn *t, const struct vfs_token *q, struct plan *plan,
    struct vfs_token_reply *r)
{
	uint8_t next[TOKEN_NEXT];
	struct row_key k;
	int err;

	(void)plan;
	r->unused = 0;
	row_key_id(&k, ROW_TOKEN, q->number);
	if (q->row.n == 0)
		return txn_del(t, row_key_slice(&k));
	if ((err = txn_put(t, row_key_slice(&k), q->row)) < 0)
		return err;
	le_put64(next, q->next);
	row_key_id(&k, ROW_TOKEN, 0);
	return txn_put(t, row_key_slice(&k),
	    (struct vfs_slice){ next, TOKEN_NEXT });
}
