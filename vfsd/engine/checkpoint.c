/*
 * checkpoint.c - from the table into the row store
 *
 * Freeze, make log and data durable, put the frozen rows in sorted
 * batches.  Only the last batch moves the mark where replay starts; then
 * the ring is trimmed to it and what was freed before may be used again.
 */
#include <assert.h>
#include <malloc.h>
#include <stdlib.h>
#include <string.h>

#include "engine_impl.h"
#include "plants.h"

#define BATCH_BYTES	(32u << 20)
#define TIGHT_ROWS	512u		/* of a checkpoint when the disk is full */

/* --- when ---------------------------------------------------------- */

static uint64_t
log_used(struct engine *e)
{
	/* Live drafts will be logged again at the freeze. */
	return atomic_load(&e->log_end) - atomic_load(&e->log_start) +
	    atomic_load(&e->draft_bytes);
}

static bool
table_over(struct engine *e, unsigned num, unsigned den)
{
	return atomic_load(&e->table_bytes) >
	    e->conf.table_bytes_max / den * num ||
	    atomic_load(&e->table_rows) > e->conf.table_rows_max / den * num;
}

bool
ckpt_due(struct engine *e)
{
	return table_over(e, 1, 1) || log_used(e) > e->log_size / 2;
}

/*
 * Mutations wait: the table is half over what it should be, while the
 * frozen one is still being written, or room for rows is short.  On a full
 * disk some deletions at a time fit what is kept for them.
 */
bool
ckpt_pressed(struct engine *e)
{
	return atomic_load(&e->bg.again) || (atomic_load(&e->bg.tight) &&
	    atomic_load(&e->stable_rows) > TIGHT_ROWS) ||
	    table_over(e, 3, 2) || log_used(e) > e->log_size / 4 * 3;
}

/* --- freeze -------------------------------------------------------- */

struct freeze {
	struct overlay *frozen;
	struct ckpt_mark mark;
	uint64_t tick;
};

static int
relog_append(struct engine *e, uint32_t nrows)
{
#ifdef PLANT_TRIM_LIVE_DRAFT
	(void)e, (void)nrows;
	return 0;
#endif
	struct redo_head h = { .type = REDO_RELOG, .nrows = nrows };

	e->rec.n = (e->rec.n + 7) & ~(size_t)7;
	return nrows > 0 ? redo_append(e, &h) : 0;
}

/* Rows that live in no table but this one: log them anew and put them
 * into the next. */
static int
relog_drafts(struct engine *e, struct overlay *from, struct overlay *to,
    uint64_t tick)
{
	static const uint8_t first = ROW_DRAFT;
	struct ov_key *k = overlay_seek(from, (struct vfs_slice){ &first, 1 });
	uint32_t nrows = 0;
	int err = 0;

	e->rec.n = REDO_HEAD;
	for (; err == 0 && k != NULL; k = overlay_next(from, k)) {
		const struct ov_ver *v = overlay_at(k, OV_TICK_MAX);
		struct redo_row r;

		if (v == NULL || v->dead)
			continue;
		if (e->rec.n > REDO_RELOG_BYTES) {
			if ((err = relog_append(e, nrows)) < 0)
				break;
			e->rec.n = REDO_HEAD;
			nrows = 0;
		}
		r.key = overlay_key(k);
		r.val = (struct vfs_slice){ v->b, v->n };
		if ((err = vec_room(&e->rec, 1, redo_row_size(r.key.n,
		    r.val.n) + 8)) < 0)
			break;
		e->rec.n += redo_row_copy((uint8_t *)e->rec.p + e->rec.n, &r);
		nrows++;
		err = overlay_put(to, r.key, r.val, tick);
	}
	return err < 0 ? err : relog_append(e, nrows);
}

static int
freeze_locked(struct engine *e, struct overlay *next, struct freeze *f)
{
	int err;

	f->frozen = e->cur->active;
	f->tick = atomic_load(&e->tick);
	f->mark.pos = atomic_load(&e->log_end);
	f->mark.sum = e->log_sum;
	f->mark.seq = atomic_load(&e->last_seq);
	f->mark.boot[0] = e->conf.boot[0];
	f->mark.boot[1] = e->conf.boot[1];
	if ((err = relog_drafts(e, f->frozen, next, f->tick)) < 0)
		return err;
	if ((err = version_swap(e, next, f->frozen, NULL)) < 0)
		return err;
	rows_freeze(e);
	dead_forget(e);
	table_size(e);
	atomic_store(&e->stable_rows, 0);
	return 0;
}

/* The active table becomes the frozen one. */
static int
freeze(struct engine *e, struct freeze *f)
{
	struct overlay *next = NULL;
	int err;

	if ((err = overlay_new(true, &next)) < 0)
		return err;
	pthread_mutex_lock(&e->serial);
	err = freeze_locked(e, next, f);
	pthread_mutex_unlock(&e->serial);
	overlay_drop(next);
	return err;
}

/* --- batches ------------------------------------------------------- */

int
batch_apply(struct batch *b, const struct ckpt_mark *m)
{
	struct engine *e = b->e;
	struct meta_row mark;
	int err;

	if ((err = atomic_load(&e->latched)) < 0)
		return err;
	mark_row(m, &mark);
	b->row[0] = meta_store_row(&mark);
	pthread_mutex_lock(&e->store_lock);
	err = e->sops->apply(e->store, &(struct store_batch){ b->row, b->n });
	rows_applied(e);
	pthread_mutex_unlock(&e->store_lock);
	if (err < 0 && err != -VFS_NOSPC)
		return latch(e, err, "write rows to the store");
	b->n = 1;
	b->bytes = 0;
	return err;
}

/* All frozen rows; the last batch moves the mark. */
static int
write_rows(struct batch *b, const struct freeze *f, struct ckpt_mark *last)
{
	struct ckpt_mark old = b->e->mark;
	struct ov_key *k = overlay_seek(f->frozen,
	    (struct vfs_slice){ "", 0 });
	int err;

	old.upto = f->mark.pos;		/* the log is durable up to there */
	for (; k != NULL; k = overlay_next(f->frozen, k)) {
		const struct ov_ver *v = overlay_at(k, OV_TICK_MAX);
		struct vfs_slice key = overlay_key(k);

		if (ROW_IS_VOLATILE(*(const uint8_t *)key.p))
			break;
		if (b->n == STORE_BATCH_MAX || b->bytes > BATCH_BYTES)
			if ((err = batch_apply(b, &old)) < 0)
				return err;
		b->row[b->n++] = (struct store_row){ key,
		    { v->dead ? NULL : v->b, v->dead ? 0 : v->n } };
		b->bytes += key.n + v->n;
		if (!v->dead)
			journal_tally(key, v->n, last);
	}
	return batch_apply(b, last);
}

/* --- the whole ----------------------------------------------------- */

static int
write_frozen(struct engine *e, struct freeze *f)
{
	struct batch b = { .e = e, .n = 1 };
	struct ckpt_mark m = f->mark;
	int err;

	b.row = malloc(STORE_BATCH_MAX * sizeof(b.row[0]));
	if (b.row == NULL)
		return -VFS_NOMEM;
	m.journal_rows = e->mark.journal_rows;
	m.journal_bytes = e->mark.journal_bytes;
	m.journal_floor = e->mark.journal_floor;
	err = write_rows(&b, f, &m);
	free(b.row);
	if (err == 0)
		e->mark = m;
	return err;
}

/* The rows are in the store: readers get them from there. */
static int
thaw(struct engine *e, const struct freeze *f)
{
	struct base *base = NULL;
	int err;

	privates_retire(e);
	if ((err = base_new(e, &base)) < 0)
		return latch(e, err, "open snapshots of the store");
	pthread_mutex_lock(&e->serial);
	err = version_swap(e, e->cur->active, NULL, base);
	e->pending_frozen.rows = e->pending_frozen.bytes = 0;
	pthread_mutex_unlock(&e->serial);
	if (err < 0) {
		base_put(e, base);
		return latch(e, err, "make a version");
	}
	atomic_store(&e->log_start, f->mark.pos);
	atomic_store(&e->ckpt_seq, f->mark.seq);
	atomic_store(&e->ckpt_tick, f->tick);
	atomic_fetch_add(&e->bg.ended, 1);
	space_tidy(e);
	return 0;
}

static bool
something_to_do(struct engine *e)
{
	return e->stalled || atomic_load(&e->stable_rows) > 0 ||
	    atomic_load(&e->log_end) - atomic_load(&e->log_start) >
	    e->log_size / 4 || atomic_load(&e->bg.tight) ||
	    atomic_load(&e->bg.again);
}

/* Under ckpt_lock. */
static int
run(struct engine *e)
{
	struct freeze f = { 0 };
	int err;

	if ((err = atomic_load(&e->latched)) < 0)
		return err;
	if (!something_to_do(e))
		return 0;
	if (e->stalled)			/* the last one found the disk full */
		f = (struct freeze){ e->cur->frozen, e->stalled_mark,
		    e->stalled_tick };
	else if ((err = freeze(e, &f)) < 0)
		return err;
	/* Failing here leaves the table frozen, to be tried again. */
	e->stalled = true;
	e->stalled_mark = f.mark;
	e->stalled_tick = f.tick;
	if ((err = sync_for_checkpoint(e)) < 0 ||
	    (err = write_frozen(e, &f)) < 0 || (err = thaw(e, &f)) < 0)
		return err;
	e->stalled = false;
	garbage_free(e);
	return 0;
}

int
ckpt_run(struct engine *e)
{
	int err;

	pthread_mutex_lock(&e->ckpt_lock);
	err = run(e);
	pthread_mutex_unlock(&e->ckpt_lock);
	bg_progress(e, err);
	if (err == 0)
		journal_trim(e);	/* nobody waits for it */
	return err;
}

int
engine_checkpoint(struct engine *e)
{
	if (e->conf.rdonly)
		return 0;
	return ckpt_run(e);
}
