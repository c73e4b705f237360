/*
 * claim.c - which blocks are in use, from the rows that refer to them
 *
 * A walk over EXTENT and DEXTENT rows at open.  A draft lies over what is
 * published and may name the same blocks, so it claims only what is left.
 */
#include "engine_impl.h"

/* Read-only, or for the checker, what can be read is shown. */
static int
go_on(struct engine *e, int err)
{
	bool may = e->conf.rdonly || e->conf.damaged_ok;

	return may && err == -VFS_CORRUPT ? 0 : err;
}

static int
claim_row(struct engine *e, struct vfs_slice key, struct vfs_slice val,
    bool draft)
{
	struct rec_extent x;
	char text[96];
	int err;

	err = rec_extent_decode(val, &x);
	if (err == 0 && x.place != 0)
		err = space_claim(e->space, x.place, x.nblocks,
		    draft || (x.flags & EXTENT_SHARED) != 0);
	if (err == 0)
		return 0;
	efault(e, err, "row %s%s", key_text(key, text, sizeof(text)),
	    err == -VFS_CORRUPT ? ": its blocks are not a range, or another "
	    "row's too" : "");
	return go_on(e, err);
}

static int
claim_kind(struct txn *t, uint8_t kind)
{
	struct vfs_slice key = { NULL, 0 }, val;
	struct txn_cur *c = NULL;
	int err;

	if ((err = txn_cur_open(t, &c)) < 0)
		return err;
	err = txn_cur_seek(c, (struct vfs_slice){ &kind, 1 }, &key, &val);
	/* A row with a wrong checksum is lent too, without its value. */
	while ((err == 0 || (key.p != NULL && go_on(t->e, err) == 0)) &&
	    *(const uint8_t *)key.p == kind) {
		if (err == 0)
			err = claim_row(t->e, key, val, kind == ROW_DEXTENT);
		if (err < 0 && go_on(t->e, err) < 0)
			break;
		key.p = NULL;
		err = txn_cur_next(c, &key, &val);
	}
	txn_cur_close(c);
	return err == -VFS_NOENT ? 0 : go_on(t->e, err);
}

int
claim_space(struct engine *e)
{
	struct txn *t;
	int err;

	if ((err = txn_begin_inner(e, TXN_READ, NULL, &t)) < 0)
		return err;
	err = claim_kind(t, ROW_EXTENT);
	if (err == 0)
		err = claim_kind(t, ROW_DEXTENT);
	txn_abort(t);
	return err;
}
