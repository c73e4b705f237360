/*
 * recover.c - what the log knows and the row store does not yet
 *
 * Replay starts where the last checkpoint's mark says and stops at the
 * first record that does not check.  Rows are absolute, so going over rows
 * that a half-done checkpoint has put already changes nothing.
 *
 * Drafts belong to a boot of the host: under the same one they are kept (the
 * daemon was killed; its writes are in the page cache), under another
 * they are dropped (a power cut).  Each opening leaves a record with the
 * boot id, so that a second replay drops the same ones.
 *
 * After a power cut the last records may have reached the disk while the
 * file bytes that they refer to have not: nobody was promised more than
 * what stands before the newest "synced" position.  There the bytes are
 * looked at, and the first record whose bytes are missing ends the
 * history.
 */
#include <assert.h>
#include <stdlib.h>
#include <string.h>

#include "../core/le.h"
#include "engine_impl.h"

struct replay {
	struct engine *e;
	uint64_t pos, sum;		/* of the next record */
	uint64_t boot[2];		/* that drafts met now belong to */
	uint64_t synced;		/* the newest such position */
	uint64_t ours;			/* from here on it is this boot's */
	uint8_t *rec;			/* the record, cap bytes */
	size_t cap;
	struct redo_head h;
};

/* --- one record ---------------------------------------------------- */

#ifdef PLANT_PART_OF_RECORD
/* Of a torn record the rows that are whole, as if each came alone. */
static int
record_part(struct replay *r)
{
	const uint8_t *p = r->rec + REDO_HEAD;
	struct redo_row row;
	uint32_t n = 0;

	for (; n < r->h.nrows && r->h.type == REDO_COMMIT &&
	    redo_row_get(&p, r->rec + r->h.len, &row) == 0; n++) {
		if (row.val.p == NULL)
			continue;
		row.val.n -= ROW_SUM;
		if (sum_row(row.key, row.val) !=
		    le_get64((const uint8_t *)row.val.p + row.val.n))
			break;
	}
	r->h.nrows = n;
	r->h.nruns = 0;
	return n > 0 && r->h.seq > atomic_load(&r->e->last_seq) ? 0 :
	    -VFS_NOENT;
}
#endif

/* -VFS_NOENT where the history ends. */
static int
record_read(struct replay *r)
{
	struct engine *e = r->e;
	uint8_t head[REDO_HEAD];
	int err;

	if ((err = e->lops->read(e->log, r->pos, head, sizeof(head))) < 0)
		return efault(e, err, "read the log at %llu",
		    (unsigned long long)r->pos);
	redo_head_get(head, &r->h);
	if (r->h.len < REDO_HEAD || r->h.len % 8 != 0 ||
	    r->h.len > e->log_size / 4)
		return -VFS_NOENT;
	if (r->h.len > r->cap) {
		free(r->rec);
		r->cap = r->h.len * 2;
		if ((r->rec = malloc(r->cap)) == NULL)
			return -VFS_NOMEM;
	}
	if ((err = e->lops->read(e->log, r->pos, r->rec, r->h.len)) < 0)
		return efault(e, err, "read the log at %llu",
		    (unsigned long long)r->pos);
#ifdef PLANT_PART_OF_RECORD
	if (redo_sum(r->rec, r->h.len, r->sum) != r->h.sum)
		return record_part(r);
#endif
	return redo_sum(r->rec, r->h.len, r->sum) == r->h.sum ?
	    0 : -VFS_NOENT;
}

/* A record that checks but cannot be taken apart was never ours. */
static int
malformed(struct replay *r)
{
	return efault(r->e, -VFS_CORRUPT,
	    "the log's record at %llu has a good checksum and no sense",
	    (unsigned long long)r->pos);
}

static int
skip_rows(struct replay *r, const uint8_t **p)
{
	struct redo_row row;
	uint32_t i;

	*p = r->rec + REDO_HEAD;
	for (i = 0; i < r->h.nrows; i++)
		if (redo_row_get(p, r->rec + r->h.len, &row) < 0)
			return malformed(r);
	return 0;
}

/* --- carried bytes ------------------------------------------------- */

static int
run_keep(struct engine *e, const struct redo_run *run)
{
	struct carry_ent *c;
	uint8_t *b;

	c = realloc(e->carried, (e->ncarried + 1) * sizeof(*c));
	if (c == NULL)
		return -VFS_NOMEM;
	e->carried = c;
	b = realloc(e->carried_buf, e->carried_len + run->bytes.n);
	if (b == NULL)
		return -VFS_NOMEM;
	e->carried_buf = b;
	c[e->ncarried++] = (struct carry_ent){ run->block,
	    (uint32_t)run->bytes.n, e->carried_len };
	memcpy(b + e->carried_len, run->bytes.p, run->bytes.n);
	e->carried_len += run->bytes.n;
	return 0;
}

/* Published blocks are not used again before a checkpoint, so this
 * never overwrites newer bytes. */
static int
runs_apply(struct replay *r)
{
	struct engine *e = r->e;
	struct redo_run run;
	const uint8_t *p;
	uint32_t i;
	int err;

	if (r->h.nruns == 0)
		return 0;
	if ((err = skip_rows(r, &p)) < 0)
		return err;
	for (i = 0; i < r->h.nruns; i++) {
		if (redo_run_get(&p, r->rec + r->h.len, &run) < 0)
			return malformed(r);
		err = e->conf.rdonly ? run_keep(e, &run) :
		    e->dops->write(e->data, run.block * VFS_BLOCK,
		    run.bytes.p, run.bytes.n);
		if (err < 0)
			return efault(e, err, "put carried bytes back");
	}
	return 0;
}

/* --- bytes that may be missing ------------------------------------- */

static int
extent_present(struct engine *e, const struct rec_extent *x)
{
	uint8_t b[VFS_BLOCK];
	uint32_t i;
	int err;

	if (x->place == 0 || (x->flags & EXTENT_UNWRITTEN) != 0)
		return 0;
	for (i = 0; i < x->nblocks; i++) {
		if ((err = data_get(e, x->place + i, b, sizeof(b))) < 0)
			return err;
		if (sum_block(b) != le_get64(
		    (const uint8_t *)x->sums.p + 8 * i))
			return -VFS_NOENT;
	}
	return 0;
}

/* -VFS_NOENT if a row of the record refers to bytes that are not there. */
static int
bytes_present(struct replay *r)
{
	const uint8_t *p = r->rec + REDO_HEAD;
	struct rec_extent x;
	struct redo_row row;
	uint32_t i;
	int err;

	for (i = 0; i < r->h.nrows; i++) {
		if (redo_row_get(&p, r->rec + r->h.len, &row) < 0)
			return malformed(r);
		if (*(const uint8_t *)row.key.p != ROW_EXTENT ||
		    row.val.p == NULL)
			continue;
		row.val.n -= ROW_SUM;
		if (rec_extent_decode(row.val, &x) < 0)
			return malformed(r);
		if ((err = extent_present(r->e, &x)) < 0)
			return err;
	}
	return 0;
}

/* --- drafts -------------------------------------------------------- */

/* Delete every volatile row of the table. */
static int
drafts_drop(struct engine *e, struct overlay *o, uint64_t tick)
{
	static const uint8_t first = ROW_DRAFT;
	struct ov_key *k;
	int err;

	if (atomic_load(&e->drafts) == 0)
		return 0;
	k = overlay_seek(o, (struct vfs_slice){ &first, 1 });
	for (; k != NULL; k = overlay_next(o, k)) {
		const struct ov_ver *v = overlay_at(k, OV_TICK_MAX);

		if (v->dead)
			continue;
		err = overlay_put(o, overlay_key(k),
		    (struct vfs_slice){ NULL, 0 }, tick);
		if (err < 0)
			return err;
	}
	atomic_store(&e->drafts, 0);
	atomic_store(&e->draft_bytes, 0);
	e->drafts_dropped = true;
	return 0;
}

static int
boot_met(struct replay *r, uint64_t b0, uint64_t b1, struct overlay *o,
    uint64_t tick)
{
	int err = 0;

	if (b0 != r->boot[0] || b1 != r->boot[1])
		err = drafts_drop(r->e, o, tick);
	r->boot[0] = b0;
	r->boot[1] = b1;
	return err;
}

/* --- places that must not be used yet -------------------------------- */

static void
place_seen(struct engine *e, struct vfs_slice val)
{
	struct rec_extent x;

	if (val.p == NULL || val.n < ROW_SUM)
		return;
	val.n -= ROW_SUM;
	if (rec_extent_decode(val, &x) == 0 && x.place + x.nblocks >
	    e->places_end)
		e->places_end = x.place + x.nblocks;
}

/*
 * The keys must be ones of ours: the tables take no others, and the
 * engine's own rows are never in the log.
 *
 * A place that rows of the store or of the log name, though no longer the
 * newest rows, may be free and lie beyond all that is in use.
 */
static int
places_seen(struct replay *r)
{
	void *snap = r->e->cur->base->snap[0];
	const uint8_t *p = r->rec + REDO_HEAD;
	struct row_parts parts;
	struct vfs_slice old;
	struct redo_row row;
	uint32_t i;
	int err;

	for (i = 0; i < r->h.nrows; i++) {
		if (redo_row_get(&p, r->rec + r->h.len, &row) < 0 ||
		    row_key_parse(row.key, &parts) < 0 ||
		    parts.kind == ROW_META)
			return malformed(r);
		if (parts.kind != ROW_EXTENT)
			continue;
		place_seen(r->e, row.val);
		err = r->e->sops->get(snap, row.key, &old);
		if (err == 0)
			place_seen(r->e, old);
		else if (err != -VFS_NOENT)
			return err;
	}
	return 0;
}

/* --- the whole ----------------------------------------------------- */

static int
record_apply(struct replay *r, struct overlay *o)
{
	struct engine *e = r->e;
	uint64_t tick = atomic_load(&e->tick) + 1;
	const uint8_t *body = r->rec + REDO_HEAD;
	int err;

	if (r->h.type == REDO_OPEN) {
		if (r->h.len < REDO_HEAD + REDO_OPEN_BODY)
			return malformed(r);
		err = boot_met(r, le_get64(body), le_get64(body + 8), o, tick);
	} else if ((err = places_seen(r)) == 0) {
		err = rows_insert(e, o, tick, body, r->rec + r->h.len,
		    r->h.nrows);
		if (err == -VFS_CORRUPT)
			return malformed(r);
	}
	if (err < 0)
		return err;
	if (r->h.seq != 0)
		atomic_store(&e->last_seq, r->h.seq);
	rows_pend(e, r->h.nrows, r->h.len);
	atomic_store(&e->tick, tick);
	e->recovered_records++;
	return 0;
}

static bool
is_our_boot(const struct replay *r, uint64_t b0, uint64_t b1)
{
	return b0 == r->e->conf.boot[0] && b1 == r->e->conf.boot[1];
}

/*
 * Find the newest position that a record knows to be synced, and where
 * the part begins that was written under this boot: its bytes are in the
 * page cache.  (The header's boot id would not do: an opening that was cut
 * short has put it there without looking at any bytes.)
 */
static int
look_ahead(struct replay *r, const struct ckpt_mark *m)
{
	const uint8_t *body;
	bool ours = is_our_boot(r, m->boot[0], m->boot[1]);
	int err;

	r->pos = m->pos;
	r->sum = m->sum;
	r->ours = ours ? m->pos : UINT64_MAX;
	while ((err = record_read(r)) == 0) {
		body = r->rec + REDO_HEAD;
		if (r->h.type == REDO_OPEN && r->h.len >= REDO_HEAD + 16) {
			ours = is_our_boot(r, le_get64(body),
			    le_get64(body + 8));
			if (!ours)
				r->ours = UINT64_MAX;
			else if (r->ours == UINT64_MAX)
				r->ours = r->pos;
		}
		if (r->h.synced > r->synced)
			r->synced = r->h.synced;
		r->sum = r->h.sum;
		r->pos += r->h.len;
	}
	r->pos = m->pos;
	r->sum = m->sum;
	return err == -VFS_NOENT ? 0 : err;
}

static int
replay_all(struct replay *r, struct overlay *o)
{
	struct engine *e = r->e;
	int err;

	while ((err = record_read(r)) == 0) {
		if ((err = runs_apply(r)) < 0)
			return err;
		if (r->pos >= r->synced && r->pos < r->ours &&
		    (err = bytes_present(r)) < 0)
			break;
		if ((err = record_apply(r, o)) < 0)
			return err;
		r->sum = r->h.sum;
		r->pos += r->h.len;
	}
	if (err != -VFS_NOENT)
		return err;
	atomic_store(&e->log_end, r->pos);
	e->log_sum = r->sum;
	err = boot_met(r, e->conf.boot[0], e->conf.boot[1], o,
	    atomic_load(&e->tick) + 1);
	atomic_fetch_add(&e->tick, 1);
	return err;
}

/* Bring the table up to date with the log. */
int
replay(struct engine *e, const struct ckpt_mark *m)
{
	struct replay r = {
		.e = e, .boot = { m->boot[0], m->boot[1] },
	};
	int err;

	atomic_store(&e->last_seq, m->seq);
	if ((err = look_ahead(&r, m)) == 0)
		err = replay_all(&r, e->cur->active);
	free(r.rec);
	if (err == 0 && atomic_load(&e->log_end) < m->upto)
		err = log_ends_short(e, m->upto);
	e->drafts_kept = atomic_load(&e->drafts) > 0;
	return err;
}
