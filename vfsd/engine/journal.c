/*
 * journal.c - how much journal there is, and which of it goes
 *
 * Change records are rows like others, put with the change that they tell
 * of.  What lies beyond the bound is trimmed behind a checkpoint, when
 * nobody waits for it any more: straight from the row store, since rows
 * so old are in no table, a batch at a time, each with the mark that says
 * what the newest record is that went.  A reader's snapshot has records
 * and mark of one moment, so it is never unsure what is missing.
 */
#include <stdlib.h>
#include <string.h>

#include "engine_impl.h"

#define TRIM_ROWS	8192u		/* of one batch: the store is ours
					 * for some milliseconds */

/* --- counting ------------------------------------------------------- */

static bool
is_journal(struct vfs_slice key)
{
	uint8_t kind = *(const uint8_t *)key.p;

	return kind == ROW_JOURNAL || kind == ROW_MOVED;
}

/* A row came into the tables. */
void
journal_count(struct engine *e, struct vfs_slice key,
    const struct vfs_slice *val)
{
	if (!is_journal(key) || val->p == NULL)
		return;
	if (*(const uint8_t *)key.p == ROW_JOURNAL)
		atomic_fetch_add(&e->journal.rows, 1);
	atomic_fetch_add(&e->journal.bytes, key.n + val->n);
}

/* ... or, n bytes with its checksum, into the store. */
void
journal_tally(struct vfs_slice key, size_t n, struct ckpt_mark *m)
{
	if (!is_journal(key))
		return;
	m->journal_rows += *(const uint8_t *)key.p == ROW_JOURNAL;
	m->journal_bytes += key.n + n;
}

/* --- where it ends -------------------------------------------------- */

/* Is there a record at or behind at?  Its position. */
static int
record_from(struct txn_cur *c, struct journal_pos at,
    struct journal_pos *out)
{
	struct vfs_slice key, val;
	struct row_parts p;
	struct row_key k;
	int err;

	row_key_id2(&k, ROW_JOURNAL, at.seq, at.idx);
	err = txn_cur_seek_in(c, row_key_slice(&k), 1, &key, &val);
	if (err < 0)
		return err;
	if (row_key_parse(key, &p) < 0 || p.b > UINT32_MAX)
		return -VFS_CORRUPT;
	*out = (struct journal_pos){ p.a, (uint32_t)p.b };
	return 0;
}

/* The newest commit with records, or the newest record of a commit, at
 * or behind *at, which is one: gallop, then halve. */
static int
last_from(struct txn_cur *c, bool in_commit, struct journal_pos *at)
{
	uint64_t lo = in_commit ? at->idx : at->seq, step = 1, mid;
	uint64_t hi = in_commit ? UINT32_MAX : UINT64_MAX;
	struct journal_pos try, got;
	int err;

	while (lo < hi) {
		mid = step != 0 && hi - lo > step ? lo + step :
		    lo + (hi - lo + 1) / 2;
		try = in_commit ? (struct journal_pos){ at->seq,
		    (uint32_t)mid } : (struct journal_pos){ mid, 0 };
		err = record_from(c, try, &got);
		if (err < 0 && err != -VFS_NOENT)
			return err;
		step = err == 0 ? step << 1 : 0;
		if (err == 0 && !in_commit)
			lo = got.seq;
		else if (err == 0 && got.seq == at->seq)
			lo = got.idx;
		else
			hi = mid - 1;
	}
	*at = in_commit ? (struct journal_pos){ at->seq, (uint32_t)lo } :
	    (struct journal_pos){ lo, 0 };
	return 0;
}

/* The newest record that t sees; -VFS_NOENT. */
static int
find_last(struct txn *t, struct journal_pos *at)
{
	uint64_t hint = atomic_load(&t->e->journal.seq);
	struct txn_cur *c;
	int err;

	if ((err = txn_cur_open(t, &c)) < 0)
		return err;
	err = record_from(c, (struct journal_pos){ hint, 0 }, at);
	if (err == -VFS_NOENT && hint > 0)	/* newer than t */
		err = record_from(c, (struct journal_pos){ 0, 0 }, at);
	if (err == 0)
		err = last_from(c, false, at);
	if (err == 0)
		err = last_from(c, true, at);
	txn_cur_close(c);
	return err;
}

int
txn_journal_info(struct txn *t, struct journal_info *out)
{
	struct engine *e = t->e;
	struct ckpt_mark m;
	int err;

	if ((err = mark_get(t, &m)) < 0)
		return err;
	*out = (struct journal_info){ .floor = m.journal_floor,
		.opened = e->seq_opened,
		.newest = atomic_load(&e->last_seq),
		.records = atomic_load(&e->journal.rows),
		.bytes = atomic_load(&e->journal.bytes),
		.bytes_max = e->conf.journal_bytes_max };
	err = find_last(t, &out->last);
	if (err == -VFS_NOENT) {
		out->last = out->floor;
		err = 0;
	}
	return err;
}

/* Damage here is told to whoever reads the journal. */
int
journal_open(struct engine *e)
{
	struct journal_pos at = { 0, 0 };
	struct txn *t;
	int err;

	if ((err = txn_begin_inner(e, TXN_READ, NULL, &t)) < 0)
		return err;
	if (find_last(t, &at) == 0)
		atomic_store(&e->journal.seq, at.seq);
	txn_abort(t);
	return 0;
}

/* --- trimming ------------------------------------------------------- */

struct trim {
	struct batch b;
	struct ckpt_mark m;		/* as it will be */
	struct row_key *moved;		/* TRIM_ROWS */
	size_t nmoved;
	uint64_t rows, bytes;		/* that go */
	bool all;			/* however few there are */
};

static bool
over(const struct engine *e, uint64_t gone, uint64_t slack)
{
	return atomic_load(&e->journal.bytes) - gone >
	    e->conf.journal_bytes_max + slack;
}

static size_t
moved_bytes(const struct row_key *k)
{
	return k->n + REC_MOVED_MAX + ROW_SUM;
}

/* One record goes.  A damaged one goes too: it is as old. */
static int
trim_one(struct trim *x, struct vfs_slice key, struct vfs_slice val)
{
	struct row_parts p;
	struct rec_journal j;
	struct rec_moved m;
	struct row_key *k;
	int err;

	if ((err = row_key_parse(key, &p)) < 0)
		return err;
	if (p.kind != ROW_JOURNAL)
		return -VFS_NOENT;
	x->b.row[x->b.n++] = (struct store_row){ key, { NULL, 0 } };
#ifdef PLANT_TRIM_WITHOUT_FLOOR
	if (x->rows > 0)
#endif
	x->m.journal_floor = (struct journal_pos){ p.a, (uint32_t)p.b };
	x->rows++;
	x->bytes += key.n + val.n;
	val.n -= val.n >= ROW_SUM ? ROW_SUM : val.n;
	if (rec_journal_decode(val, &j) < 0 || !rec_journal_moved(&j, &m))
		return 0;
	k = &x->moved[x->nmoved++];
	row_key_moved(k, j.id, p.a, p.b);
	x->bytes += moved_bytes(k);
	return 0;
}

static int
collect(struct trim *x, void *snap)
{
	const struct store_ops *ops = x->b.e->sops;
	static const uint8_t kind = ROW_JOURNAL;
	struct vfs_slice key, val;
	void *cur;
	int err;

	if ((err = ops->cur_open(snap, &cur)) < 0)
		return err;
	err = ops->cur_seek(cur, (struct vfs_slice){ &kind, 1 }, &key, &val);
	while (err == 0 && x->rows < TRIM_ROWS &&
	    (x->all || over(x->b.e, x->bytes, 0))) {
		if ((err = trim_one(x, key, val)) == 0)
			err = ops->cur_next(cur, &key, &val);
	}
	ops->cur_close(cur);
	return err == -VFS_NOENT ? 0 : err;
}

static int
by_key(const void *a, const void *b)
{
	return slice_cmp(row_key_slice(a), row_key_slice(b));
}

static int
trim_apply(struct trim *x)
{
	size_t i;

	qsort(x->moved, x->nmoved, sizeof(x->moved[0]), by_key);
	for (i = 0; i < x->nmoved; i++)
		x->b.row[x->b.n++] = (struct store_row){
		    row_key_slice(&x->moved[i]), { NULL, 0 } };
	/* A repair may have put rows that were not counted. */
	if (x->rows > x->m.journal_rows)
		x->rows = x->m.journal_rows;
	if (x->bytes > x->m.journal_bytes)
		x->bytes = x->m.journal_bytes;
	x->m.journal_rows -= x->rows;
	x->m.journal_bytes -= x->bytes;
	return batch_apply(&x->b, &x->m);
}

/* Under ckpt_lock: one batch.  1: some went; 0: there is none to go. */
static int
trim_some(struct engine *e, bool all)
{
	struct trim x = { .b = { .e = e, .n = 1 }, .m = e->mark,
		.all = all };
	void *snap = NULL;
	bool some;
	int err = -VFS_NOMEM;

	x.b.row = malloc((2 * TRIM_ROWS + 1) * sizeof(x.b.row[0]));
	x.moved = malloc(TRIM_ROWS * sizeof(x.moved[0]));
	if (x.b.row != NULL && x.moved != NULL)
		err = e->sops->snap_begin(e->store, &snap);
	if (err == 0)
		err = collect(&x, snap);
	some = x.rows > 0;
	if (err == 0 && some)
		err = trim_apply(&x);
	if (err == 0 && some) {
		e->mark = x.m;
		atomic_store(&e->journal.floor, x.m.journal_floor.seq);
		atomic_fetch_sub(&e->journal.rows, x.rows);
		atomic_fetch_sub(&e->journal.bytes, x.bytes);
		err = 1;
	}
	if (snap != NULL)
		e->sops->snap_end(snap);
	free(x.b.row);
	free(x.moved);
	return err;
}

/* It gives way to a checkpoint that is due, unless the journal has grown
 * an eighth beyond its bound. */
void
journal_trim(struct engine *e)
{
	int some = 1;

	while (some == 1 && over(e, 0, 0) && (!ckpt_due(e) ||
	    over(e, 0, e->conf.journal_bytes_max / 8))) {
		pthread_mutex_lock(&e->ckpt_lock);
		some = atomic_load(&e->latched) == 0 ?
		    trim_some(e, false) : 0;
		pthread_mutex_unlock(&e->ckpt_lock);
	}
}

static int
forget(struct engine *e, uint64_t seq)
{
	struct store_row row;
	struct batch b = { .e = e, .row = &row, .n = 1 };
	struct ckpt_mark m;
	int err;

	while ((err = trim_some(e, true)) > 0)
		;
	if (err < 0)
		return err;
	m = e->mark;
	mark_forget(&m, seq);
	if ((err = batch_apply(&b, &m)) == 0) {
		e->mark = m;
		atomic_store(&e->journal.floor, m.journal_floor.seq);
		atomic_store(&e->journal.rows, 0);
		atomic_store(&e->journal.bytes, 0);
	}
	return err;
}

/* A number of its own: whoever goes on behind the last commit by that one's
 * number is to be told, too. */
static int
number_take(struct engine *e, uint64_t *seq)
{
	int err;

	pthread_mutex_lock(&e->serial);
	if ((err = marks_need(e)) == 0)
		*seq = atomic_fetch_add(&e->seq_now, 1);
	pthread_mutex_unlock(&e->serial);
	return err;
}

int
engine_journal_forget(struct engine *e)
{
	uint64_t seq = 0;
	int err;

	if ((err = number_take(e, &seq)) < 0 ||
	    (err = engine_checkpoint(e)) < 0)
		return err;
	pthread_mutex_lock(&e->ckpt_lock);
	err = atomic_load(&e->latched);
	if (err == 0)
		err = forget(e, seq);
	pthread_mutex_unlock(&e->ckpt_lock);
	if (err < 0)
		return err;
	/* Who begins from now on sees it. */
	atomic_store(&e->bg.again, true);
	return engine_checkpoint(e);
}
