/*
 * meta.c - the engine's own rows: what format, and where replay starts
 */
#include <assert.h>
#include <string.h>

#include "../core/le.h"
#include "engine_impl.h"

#define FORMAT_MAGIC	"vfsd"
#define FORMAT_VERSION	2u
#define FORMAT_SIZE	24u		/* magic, u32 version, uuid */

static void
row_seal(struct meta_row *r, const char *name, size_t n)
{
	row_key_name(&r->key, ROW_META, (struct vfs_id){ 0 },
	    (struct vfs_slice){ name, strlen(name) });
	le_put64(r->val + n, sum_row(row_key_slice(&r->key),
	    (struct vfs_slice){ r->val, n }));
	r->n = n + ROW_SUM;
	assert(r->n <= META_VAL_MAX);
}

struct store_row
meta_store_row(const struct meta_row *r)
{
	return (struct store_row){ row_key_slice(&r->key),
	    { r->val, r->n } };
}

void
format_row(const struct engine *e, struct meta_row *r)
{
	memcpy(r->val, FORMAT_MAGIC, 4);
	le_put32(r->val + 4, FORMAT_VERSION);
	memcpy(r->val + 8, e->head.uuid, 16);
	row_seal(r, META_FORMAT, FORMAT_SIZE);
}

/* 0 position, 8 checksum, 16 sequence number, 24 boot id, 40 journal
 * rows, 48 the newest trimmed one's sequence number, 56 must reach, 64 its
 * index, 72 bytes of journal rows */
void
mark_row(const struct ckpt_mark *m, struct meta_row *r)
{
	le_put64(r->val, m->pos);
	le_put64(r->val + 8, m->sum);
	le_put64(r->val + 16, m->seq);
	le_put64(r->val + 24, m->boot[0]);
	le_put64(r->val + 32, m->boot[1]);
	le_put64(r->val + 40, m->journal_rows);
	le_put64(r->val + 48, m->journal_floor.seq);
	le_put64(r->val + 56, m->upto);
	le_put64(r->val + 64, m->journal_floor.idx);
	le_put64(r->val + 72, m->journal_bytes);
	row_seal(r, META_MARK, MARK_SIZE);
}

/* Through a transaction, so that the checksum is looked at. */
static int
row_get(struct txn *t, const char *name, size_t n, struct vfs_slice *val)
{
	struct row_key key;
	int err;

	row_key_name(&key, ROW_META, (struct vfs_id){ 0 },
	    (struct vfs_slice){ name, strlen(name) });
	err = txn_get(t, row_key_slice(&key), val);
	return err == 0 && val->n < n ? -VFS_CORRUPT : err;
}

static int
meta_get(struct engine *e, const char *name, size_t n, uint8_t *out)
{
	struct vfs_slice val;
	struct txn *t;
	int err;

	if ((err = txn_begin_inner(e, TXN_READ, NULL, &t)) < 0)
		return err;
	if ((err = row_get(t, name, n, &val)) == 0)
		memcpy(out, val.p, n);
	txn_abort(t);
	return err;
}

static void
mark_parse(const uint8_t *b, struct ckpt_mark *m)
{
	m->pos = le_get64(b);
	m->sum = le_get64(b + 8);
	m->seq = le_get64(b + 16);
	m->boot[0] = le_get64(b + 24);
	m->boot[1] = le_get64(b + 32);
	m->journal_rows = le_get64(b + 40);
	m->journal_floor.seq = le_get64(b + 48);
	m->upto = le_get64(b + 56);
	m->journal_floor.idx = (uint32_t)le_get64(b + 64);
	m->journal_bytes = le_get64(b + 72);
}

int
mark_get(struct txn *t, struct ckpt_mark *m)
{
	struct vfs_slice val;
	int err = row_get(t, META_MARK, MARK_SIZE, &val);

	if (err == -VFS_NOENT)
		return efault(t->e, -VFS_CORRUPT,
		    "the row store has no checkpoint mark");
	if (err == 0)
		mark_parse(val.p, m);
	return err;
}

void
mark_forget(struct ckpt_mark *m, uint64_t seq)
{
	m->journal_floor = (struct journal_pos){ seq, UINT32_MAX - 1 };
	/* Of those that were counted, damage may have taken some before. */
	m->journal_rows = m->journal_bytes = 0;
}

static bool
is_mark(struct vfs_slice key, struct vfs_slice val)
{
	struct vfs_slice body = { val.p, MARK_SIZE };
	struct row_key k;

	row_key_name(&k, ROW_META, (struct vfs_id){ 0 },
	    (struct vfs_slice){ META_MARK, strlen(META_MARK) });
	return slice_cmp(key, row_key_slice(&k)) == 0 &&
	    val.n == MARK_SIZE + ROW_SUM && sum_row(key, body) ==
	    le_get64((const uint8_t *)val.p + MARK_SIZE);
}

/* What is in the log behind the mark is whole, and its records are put
 * again from there. */
struct vfs_slice
engine_row_anew(struct vfs_slice key, struct vfs_slice val,
    uint8_t buf[ENGINE_ANEW_MAX])
{
	uint8_t kind = *(const uint8_t *)key.p;
	struct meta_row row;
	struct ckpt_mark m;

	if (kind == ROW_JOURNAL || kind == ROW_MOVED)
		return (struct vfs_slice){ NULL, 0 };
	if (!is_mark(key, val))
		return val;
	mark_parse(val.p, &m);
	mark_forget(&m, m.seq);
	mark_row(&m, &row);
	memcpy(buf, row.val, row.n);
	return (struct vfs_slice){ buf, row.n };
}

int
mark_read(struct engine *e, struct ckpt_mark *m)
{
	struct txn *t;
	int err;

	if ((err = txn_begin_inner(e, TXN_READ, NULL, &t)) < 0)
		return err;
	err = mark_get(t, m);
	txn_abort(t);
	return err;
}

int
format_uuid(struct engine *e, uint8_t uuid[16])
{
	uint8_t b[FORMAT_SIZE];
	int err = meta_get(e, META_FORMAT, sizeof(b), b);

	if (err == -VFS_NOENT)
		return efault(e, -VFS_CORRUPT,
		    "the row store has no format row");
	if (err < 0)
		return err;
	if (memcmp(b, FORMAT_MAGIC, 4) != 0)
		return efault(e, -VFS_INVAL, "not a store of vfsd");
	if (le_get32(b + 4) != FORMAT_VERSION)
		return efault(e, -VFS_VERSION,
		    "the store has format %u, we know %u",
		    le_get32(b + 4), FORMAT_VERSION);
	memcpy(uuid, b + 8, 16);
	return 0;
}

/* The row store and the log must be of one store. */
int
format_check(struct engine *e)
{
	uint8_t uuid[16];
	int err = format_uuid(e, uuid);

	if (err == 0 && memcmp(uuid, e->head.uuid, 16) != 0)
		return efault(e, -VFS_CORRUPT,
		    "the log belongs to another store than the rows");
	return err;
}
