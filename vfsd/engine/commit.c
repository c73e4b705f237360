/*
 * commit.c - the serial point: log the rows, put them into the table
 */
#include <assert.h>
#include <stdlib.h>
#include <string.h>

#include "engine_impl.h"

#define DEAD_SOME	32u	/* dead keys: worth asking who reads */
#define AHEAD		8u	/* keys that are fetched from memory */
#define REC_KEEP	(1u << 20)	/* memory for records between commits */
#define SYNC_SOON	(1u << 20)	/* the disk has something to do */

_Static_assert(OV_MORE == ROW_SUM, "a row in a table has its sum");

/* --- how large ----------------------------------------------------- */

struct measure {
	size_t record, table;		/* bytes */
	uint32_t nrows, ndead;		/* ndead: volatile ones deleted */
	bool stable, extents, deletes;	/* kinds of rows among them */
	bool adopts;			/* large: nothing is copied */
};

/* What the write set has counted; to walk it here would be to fetch all of
 * a large one from memory once more. */
static void
measure_rows(struct overlay *ws, struct measure *m)
{
	size_t live = 0, rows = overlay_rows(ws);
	uint64_t kinds = overlay_kinds(ws);

	for (; kinds != 0; kinds &= kinds - 1) {
		unsigned i = (unsigned)__builtin_ctzll(kinds);
		struct ov_kind k = overlay_kind(ws, i);
		uint8_t kind = (uint8_t)(OV_KIND_FIRST + i);

		live += k.live;
		m->stable |= !ROW_IS_VOLATILE(kind);
		m->extents |= kind == ROW_EXTENT && k.live > 0;
		if (ROW_IS_VOLATILE(kind))
			m->ndead += (uint32_t)(k.keys - k.live);
	}
	m->nrows = (uint32_t)rows;
	m->deletes = live < rows;
	m->record = overlay_newest(ws) + rows * redo_row_size(0, 0) +
	    live * ROW_SUM;
	m->table = overlay_cost_all(ws, ROW_SUM);
}

static void
measure_txn(const struct txn *t, struct measure *m)
{
	memset(m, 0, sizeof(*m));
	measure_rows(t->ws, m);
	m->record += t->did.carried.n * REDO_RUN + t->did.carry_buf.n;
#ifndef PLANT_ACK_BEFORE_APPEND
	if ((m->adopts = overlay_adopts(t->ws)))
		m->table = 0;
#endif
}

void
txn_each_key(struct txn *t, void (*fn)(void *arg, struct vfs_slice key),
    void *arg)
{
	struct ov_key *k;

	assert(t->mode == TXN_WRITE);
	if (!overlay_adopts(t->ws)) {
		k = overlay_seek(t->ws, (struct vfs_slice){ "", 0 });
		for (; k != NULL; k = overlay_next(t->ws, k))
			fn(arg, overlay_key(k));
		return;
	}
	for (k = overlay_oldest(t->ws); k != NULL; k = overlay_younger(k)) {
		overlay_ahead(k);
		fn(arg, overlay_key(k));
	}
}

/* --- the record ---------------------------------------------------- */

static uint8_t *
encode_rows(const struct txn *t, uint8_t *p)
{
	struct ov_key *k = overlay_seek(t->ws, (struct vfs_slice){ "", 0 });

	for (; k != NULL; k = overlay_next(t->ws, k)) {
		const struct ov_ver *v = overlay_at(k, OV_TICK_MAX);

		p = redo_row_put(p, overlay_key(k),
		    (struct vfs_slice){ v->b, v->n }, v->dead);
	}
	return p;
}

static void
encode_runs(const struct txn *t, uint8_t *p)
{
	const struct carry_ent *c = t->did.carried.p;
	size_t i;

	for (i = 0; i < t->did.carried.n; i++)
		p = redo_run_put(p, c[i].block, (struct vfs_slice){
		    (const uint8_t *)t->did.carry_buf.p + c[i].off, c[i].n });
}

/* Each row gets its checksum, as it has in the table. */
static void
pieces_of_rows(const struct txn *t, struct redo_out *o)
{
	struct ov_key *k = overlay_oldest(t->ws);
	uint8_t *p;

	for (; k != NULL; k = overlay_younger(k)) {
		const struct ov_ver *v = overlay_at(k, OV_TICK_MAX);

		overlay_ahead(k);
		p = redo_out_room(o, redo_row_size(k->n, v->dead ? 0 :
		    v->n + ROW_SUM));
		if (p == NULL)
			return;
		p = redo_row_put(p, overlay_key(k),
		    (struct vfs_slice){ v->b, v->n }, v->dead);
		if (!v->dead)
			overlay_more(v, p - ROW_SUM);
	}
}

static void
pieces_of_runs(const struct txn *t, struct redo_out *o)
{
	const struct carry_ent *c = t->did.carried.p;
	uint8_t *p;
	size_t i;

	for (i = 0; i < t->did.carried.n; i++) {
		p = redo_out_room(o, REDO_RUN + c[i].n);
		if (p == NULL)
			return;
		redo_run_put(p, c[i].block, (struct vfs_slice){
		    (const uint8_t *)t->did.carry_buf.p + c[i].off, c[i].n });
	}
}

static int
log_pieces(struct txn *t, const struct measure *m, struct redo_head *h)
{
	struct redo_out *o = redo_out_begin(t->e, h, m->record);

	if (o == NULL)
		return -VFS_NOMEM;
	pieces_of_rows(t, o);
	pieces_of_runs(t, o);
	return redo_out_end(o, h);
}

static int
log_whole(struct txn *t, const struct measure *m, struct redo_head *h)
{
	uint8_t *body = redo_start(t->e, m->record);

	if (body == NULL)
		return -VFS_NOMEM;
	encode_runs(t, encode_rows(t, body));
	return redo_append(t->e, h);
}

static int
log_txn(struct txn *t, const struct measure *m, struct redo_head *h)
{
	*h = (struct redo_head){
		.type = t->draft ? REDO_DRAFT : REDO_COMMIT,
		.seq = t->draft ? 0 : t->seq,
		.nrows = m->nrows,
		.nruns = (uint32_t)t->did.carried.n,
	};
	return m->adopts ? log_pieces(t, m, h) : log_whole(t, m, h);
}

/* --- the table ----------------------------------------------------- */

/* Keep count of live drafts.  All of them are in the active table. */
static void
count_draft(struct engine *e, struct overlay *o, struct vfs_slice key,
    struct vfs_slice val)
{
	uint32_t hash = 0;
	const struct ov_ver *was = overlay_get(o, key, OV_TICK_MAX, &hash);
	bool lived = was != NULL && !was->dead;

	if (lived)
		atomic_fetch_sub(&e->draft_bytes, redo_row_size(key.n, was->n));
	if (val.p != NULL)
		atomic_fetch_add(&e->draft_bytes, redo_row_size(key.n, val.n));
	if (*(const uint8_t *)key.p != ROW_DRAFT)
		return;
	if (lived && val.p == NULL)
		atomic_fetch_sub(&e->drafts, 1);
	else if (!lived && val.p != NULL)
		atomic_fetch_add(&e->drafts, 1);
}

/* What ckpt_due looks at; under the serial point. */
void
table_size(struct engine *e)
{
	atomic_store(&e->table_bytes, overlay_bytes(e->cur->active));
	atomic_store(&e->table_rows, overlay_rows(e->cur->active));
}

/*
 * Rows of drafts come and go with each publication, and whoever looks for
 * those of one file would step over all that ever were.  So they are
 * taken out of the walk once no reader can see them; without memory for
 * that, they are not.
 */
static void
dead_note(struct engine *e, struct overlay *o, struct vfs_slice key,
    uint64_t tick)
{
	struct dead_key *d;

	if (vec_room(&e->dead, sizeof(*d), 1) < 0)
		return;
	d = e->dead.p;
	d[e->dead.n++] = (struct dead_key){ overlay_find(o, key), tick };
}

void
dead_forget(struct engine *e)
{
	e->dead.n = e->dead_done = 0;
}

static void
dead_unlink(struct engine *e, struct overlay *o)
{
	struct dead_key *d = e->dead.p;
	const struct ov_ver *v;
	uint64_t min;

	if (e->dead.n - e->dead_done < DEAD_SOME)
		return;
	min = slots_min_tick(e);
	for (; e->dead_done < e->dead.n && d[e->dead_done].tick <= min;
	    e->dead_done++) {
		v = overlay_at(d[e->dead_done].k, OV_TICK_MAX);
		if (v->dead && v->tick <= min)
			overlay_unlink(o, d[e->dead_done].k);
	}
	if (e->dead_done == e->dead.n)
		dead_forget(e);
}

/* Before a row (val with its sum; p NULL: dead) goes into the table. */
static void
row_count(struct engine *e, struct overlay *o, struct vfs_slice key,
    struct vfs_slice val, uint64_t *stable)
{
	if (ROW_IS_VOLATILE(*(const uint8_t *)key.p))
		count_draft(e, o, key, val);
	else
		++*stable;
	journal_count(e, key, &val);
}

/* Put the rows of a record into a table that has room for them. */
int
rows_insert(struct engine *e, struct overlay *o, uint64_t tick,
    const uint8_t *p, const uint8_t *end, uint32_t nrows)
{
	struct redo_row r;
	uint64_t stable = 0;
	int err;

	for (; nrows > 0; nrows--) {
		if ((err = redo_row_get(&p, end, &r)) < 0)
			return err;
		row_count(e, o, r.key, r.val, &stable);
		if ((err = overlay_put(o, r.key, r.val, tick)) < 0)
			return err;
		if (r.val.p == NULL &&
		    ROW_IS_VOLATILE(*(const uint8_t *)r.key.p))
			dead_note(e, o, r.key, tick);
	}
	if (stable > 0)
		atomic_fetch_add(&e->stable_rows, stable);
	return 0;
}

/* The write set's own rows, which the record has been made of. */
static void
rows_adopt(struct engine *e, struct overlay *o, struct overlay *ws,
    uint64_t tick)
{
	struct ov_key *k = overlay_oldest(ws), *ahead = k, *next;
	uint64_t stable = 0;
	unsigned i;

	for (i = 0; ahead != NULL && i < AHEAD; i++)
		ahead = overlay_younger(ahead);
	for (; k != NULL; k = next) {
		const struct ov_ver *v = overlay_at(k, OV_TICK_MAX);
		struct vfs_slice key = overlay_key(k);
		bool dead = v->dead;

		next = overlay_younger(k);
		overlay_ahead(k);
		if (ahead != NULL) {
			overlay_adopt_soon(o, ahead);
			ahead = overlay_younger(ahead);
		}
		row_count(e, o, key, dead ? (struct vfs_slice){ NULL, 0 } :
		    (struct vfs_slice){ v->b, v->n + ROW_SUM }, &stable);
		overlay_adopt(o, k, tick);
		if (dead && ROW_IS_VOLATILE(*(const uint8_t *)key.p))
			dead_note(e, o, key, tick);
	}
	overlay_adopted(o, ws);
	atomic_fetch_add(&e->stable_rows, stable);
}

/* --- commit -------------------------------------------------------- */

/* Without memory for it the room is lost until the store is reopened. */
static void
free_blocks(struct txn *t, uint64_t tick)
{
	const struct free_ent *f = t->did.frees.p;
	size_t i;

	for (i = 0; i < t->did.frees.n; i++)
		if (space_defer(t->e->space, f[i].block, f[i].n, tick,
		    f[i].published) < 0)
			efault(t->e, -VFS_NOMEM, "%u freed blocks are lost "
			    "until the store is opened again", f[i].n);
}

static void
publish(struct txn *t, const struct measure *m, const struct redo_head *h)
{
	struct engine *e = t->e;
	uint64_t tick = atomic_load(&e->tick) + 1;
	bool moves = (t->did.changes & CHANGES_PLACES) != 0;
	const uint8_t *rec = e->rec.p;
	int err = 0;

	if (m->adopts)
		rows_adopt(e, t->v->active, t->ws, tick);
	else
		err = rows_insert(e, t->v->active, tick, rec + REDO_HEAD,
		    rec + h->len, h->nrows);
	assert(err == 0);		/* its memory was reserved */
	(void)err;
	atomic_fetch_add(&e->commits, 1);
	rows_pend(e, m->nrows, m->record);
	table_size(e);
	if (moves)
		atomic_fetch_add(&e->places, 1);
	atomic_store_explicit(&e->tick, tick, memory_order_release);
	if (moves)
		atomic_fetch_add(&e->places, 1);
	/* After the tick: who takes first this and then the tick sees it. */
	if (h->seq != 0) {
		if (t->did.njournal > 0)
			atomic_store(&e->journal.seq, h->seq);
		atomic_store(&e->last_seq, h->seq);
		e->seq_now++;
	}
	dead_unlink(e, t->v->active);
	free_blocks(t, tick);
}

/* A large transaction's record was a quarter of the log, perhaps. */
static void
rec_trim(struct engine *e)
{
	if (e->rec.cap <= REC_KEEP)
		return;
	free(e->rec.p);
	e->rec = (struct vec){ 0 };
}

static int
commit_rows(struct txn *t, struct vfs_seq *seq)
{
	struct engine *e = t->e;
	struct redo_head h;
	struct measure m;
	int err;

	measure_txn(t, &m);
	assert(!t->draft || !m.stable);
	if (m.record + REDO_HEAD + 8 > e->log_size / 4)
		return -VFS_TX_LIMIT;
	if ((err = rows_room(e, m.nrows, m.record,
	    m.deletes || t->did.frees.n > 0)) < 0)
		return err;
	if ((err = overlay_reserve(t->v->active, m.table)) < 0 ||
	    (err = vec_room(&e->dead, sizeof(struct dead_key), m.ndead)) < 0)
		return err;
	/* Before the append: a sync that takes the record along must know. */
	if (m.extents)
		atomic_store(t->did.carries ? &e->sync.carry_need :
		    &e->sync.data_need, atomic_load(&e->sync.data_gen));
	if ((err = log_txn(t, &m, &h)) < 0)
		return err;
	if (t->stable && m.record >= SYNC_SOON)
		sync_soon(e);
	publish(t, &m, &h);
	rec_trim(e);
	seq->n = h.seq;
	return 0;
}

void
engine_on_commit(struct engine *e, struct committed *c)
{
	atomic_store(&e->committed, c);
}

static void
tell(struct engine *e, struct vfs_seq seq, uint32_t changes)
{
	const struct committed *c = atomic_load(&e->committed);

	if (c != NULL)
		c->fn(c->arg, seq, changes);
}

int
txn_commit(struct txn *t, struct vfs_seq *seq)
{
	struct engine *e = t->e;
	struct vfs_seq got = { 0 };
	bool stable = !t->draft;
	uint32_t changes = t->did.changes;
	bool written = t->mode == TXN_WRITE && overlay_rows(t->ws) > 0;
	int err = 0;

	if (written)
		err = commit_rows(t, &got);
	else
		assert(t->did.frees.n == 0);
	txn_end(t);
	if (err < 0)
		return err;
	if (written)
		bg_committed(e);
	if (got.n != 0 && changes != 0)
		tell(e, got, changes);
	if (got.n != 0 && stable && e->conf.sync_all &&
	    (err = engine_sync(e)) < 0)
		return err;
	if (seq != NULL)
		*seq = got;
	return 0;
}
