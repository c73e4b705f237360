/*
 * Every block of every file against its checksum.
 */
#include <inttypes.h>
#include <stdlib.h>
#include <string.h>

#include "check_in.h"
#include "le.h"

#define BYTES_A_TXN	(8u << 20)	/* then others get their turn */

static void
check_block(struct check *c, const struct row_parts *p,
    const struct rec_extent *x, uint32_t i, const uint8_t *block)
{
	uint64_t sum = le_get64((const uint8_t *)x->sums.p + 8 * (size_t)i);

	if (sum_block(block) == sum)
		return;
	c->sum.unreadable++;
	check_found(c, p->kind, p->a, false, "block %" PRIu64
	    " of the file, at %" PRIu64 " of space: checksum of its bytes "
	    "is wrong", p->b + 1 - x->nblocks + i, x->place + i);
}

static void
read_extent(struct check *c, const struct row_parts *p,
    const struct rec_extent *x)
{
	uint32_t i;
	int err;

	err = data_get(txn_engine(c->t), x->place, c->buf,
	    (size_t)x->nblocks * VFS_BLOCK);
	if (err < 0)
		c->sum.unreadable++;
	if (err < 0)
		check_found(c, p->kind, p->a, false, "blocks %" PRIu64
		    " to %" PRIu64 " of space cannot be read: %s", x->place,
		    x->place + x->nblocks - 1, vfs_err_text(err));
	for (i = 0; err == 0 && i < x->nblocks; i++)
		check_block(c, p, x, i, c->buf + (size_t)i * VFS_BLOCK);
	c->sum.blocks += x->nblocks;
}

/* Extents from where the last txn ended; *n counts bytes. */
static int
some(struct check *c, struct txn_cur *cur, size_t *n)
{
	struct vfs_slice key = { NULL, 0 }, val;
	struct rec_extent x;
	struct row_parts p;
	int err;

	err = txn_cur_seek(cur, row_key_slice(&c->bytes_at), &key, &val);
	while ((err == 0 || (err == -VFS_CORRUPT && key.p != NULL)) &&
	    *n < BYTES_A_TXN) {
		if (row_key_parse(key, &p) == 0 && p.kind != ROW_EXTENT &&
		    p.kind != ROW_DEXTENT)
			return -VFS_NOENT;
		if (err == 0 && rec_extent_decode(val, &x) == 0 &&
		    x.sums.n > 0) {
			read_extent(c, &p, &x);
			*n += (size_t)x.nblocks * VFS_BLOCK;
		}
		memcpy(c->bytes_at.b, key.p, key.n);
		c->bytes_at.b[key.n] = 0;	/* the next one */
		c->bytes_at.n = key.n + 1;
		key.p = NULL;
		err = txn_cur_next(cur, &key, &val);
	}
	return err;
}

int
check_bytes(struct check *c, struct txn *t, bool *more)
{
	struct txn_cur *cur;
	size_t n = 0;
	int err;

	c->t = t;
	if (c->buf == NULL) {
		c->buf = malloc(VFS_EXTENT_BLOCKS_MAX * VFS_BLOCK);
		if (c->buf == NULL)
			return -VFS_NOMEM;
		row_key_id(&c->bytes_at, ROW_EXTENT, 0);
	}
	if ((err = txn_cur_open(t, &cur)) < 0)
		return err;
	err = some(c, cur, &n);
	txn_cur_close(cur);
	c->t = NULL;
	*more = true;
	if (err == -VFS_NOENT && c->bytes_at.b[0] == ROW_EXTENT) {
		row_key_id(&c->bytes_at, ROW_DEXTENT, 0);
		err = 0;
	} else if (err == -VFS_NOENT || (err == -VFS_CORRUPT && n == 0)) {
		*more = false;
		err = 0;
	}
	if (!check_more(c))
		return -VFS_CANCELLED;
	return err == -VFS_CORRUPT ? 0 : err;
}
