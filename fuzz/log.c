/*
 * Any records, with right checksums, in the log of a store that was killed:
 * recovered, checked, read and repaired, nothing may crash.  Input: records
 * of u8 type, u8 flags, u16 rows, u16 runs, u16 length of what follows: the
 * body as it stands there (flag 1), or rows of u8 key length, u16 value
 * length, key, value, which get their checksums here.
 */
#include <stdlib.h>
#include <string.h>

#include "../vfsd/engine/engine_impl.h"
#include "../vfsd/engine/redo.h"
#include "fuzz.h"
#include "image.h"

#define RECORD_MAX	65536u
#define RAW		1u

struct tail {
	void *log;
	uint64_t pos, sum, seq;		/* where the next record goes */
};

/* Where replay will begin. */
static void
tail_find(struct tail *t)
{
	struct vfs_slice val;
	struct row_key k;
	void *store, *snap;

	row_key_name(&k, ROW_META, (struct vfs_id){ 0 },
	    (struct vfs_slice){ META_MARK, strlen(META_MARK) });
	if (be_store_mem.open(DIR_FD, false, true, &store) < 0 ||
	    be_store_mem.snap_begin(store, &snap) < 0 ||
	    be_store_mem.get(snap, row_key_slice(&k), &val) < 0)
		abort();
	t->pos = le_get64(val.p);
	t->sum = le_get64((const uint8_t *)val.p + 8);
	t->seq = le_get64((const uint8_t *)val.p + 16);
	be_store_mem.snap_end(snap);
	be_store_mem.close(store);
}

/* How many bytes of body came of them; *nrows are counted. */
static size_t
rows_in(const uint8_t *p, size_t n, uint8_t *to, uint32_t *nrows)
{
	size_t used = 0, nkey, nval;

	for (*nrows = 0; n >= 3; ++*nrows) {
		nkey = p[0];
		nval = le_get16(p + 1);
		p += 3;
		n -= 3;
		if (nkey == 0 || nkey > VFS_KEY_MAX || nkey + nval > n ||
		    used + redo_row_size(nkey, nval + ROW_SUM) > RECORD_MAX)
			break;
		used = (size_t)(redo_row_put(to + used,
		    (struct vfs_slice){ p, nkey },
		    (struct vfs_slice){ p + nkey, nval }, nval == 0) - to);
		p += nkey + nval;
		n -= nkey + nval;
	}
	return used;
}

static void
append(struct tail *t, uint8_t *rec, struct redo_head *h, size_t body)
{
	h->len = (uint32_t)(REDO_HEAD + body + 7) / 8 * 8;
	memset(rec + REDO_HEAD + body, 0, h->len - REDO_HEAD - body);
	h->seq = h->type == REDO_COMMIT ? ++t->seq : 0;
	redo_head_put(rec, h);
	h->sum = redo_sum(rec, h->len, t->sum);
	redo_head_put(rec, h);
	if (be_log_mem.append(t->log, t->pos, rec, h->len) < 0)
		abort();
	t->pos += h->len;
	t->sum = h->sum;
}

static void
records(struct tail *t, const uint8_t *p, size_t n)
{
	static uint8_t rec[REDO_HEAD + RECORD_MAX + 8];
	size_t body, len;

	for (; n >= 8; p += len, n -= len) {
		struct redo_head h = { .type = p[0] % 6,
		    .nrows = le_get16(p + 2), .nruns = le_get16(p + 4) };
		unsigned flags = p[1];

		len = le_get16(p + 6);
		p += 8;
		n -= 8;
		if (len > n)
			len = n;
		if (flags & RAW)
			memcpy(rec + REDO_HEAD, p, body = len);
		else
			body = rows_in(p, len, rec + REDO_HEAD, &h.nrows);
		append(t, rec, &h, body);
	}
}

int
LLVMFuzzerTestOneInput(const uint8_t *p, size_t n)
{
	struct engine_conf conf = image_conf(false);
	struct engine *e;
	struct tail t;

	if (engine_open(&conf, &e) < 0 || engine_close(e) < 0)
		abort();
	tail_find(&t);
	if (be_log_mem.open(DIR_FD, false, false, 0, &t.log) < 0)
		abort();
	records(&t, p, n);
	be_log_mem.close(t.log);
	image_use(false);
	image_use(true);
	be_mem_forget(DIR_FD);
	return 0;
}
