/*
 * status.c - what the engine shows of itself
 */
#include <string.h>

#include "engine_impl.h"

static void
status_space(struct engine *e, struct engine_status *s)
{
	struct space_usage u;
	uint64_t host_free = 0, total = 0;

	space_usage(e->space, &u);
	(void)e->dops->room(e->data, &host_free, &total);
	s->space_total = total;
	s->space_free = host_free + u.free * VFS_BLOCK;
	s->space_pending = u.pending * VFS_BLOCK;
}

static void
status_fault(struct engine *e, struct engine_status *s)
{
	s->latched = atomic_load(&e->latched) != 0;
	pthread_mutex_lock(&e->fault.lock);
	s->latch = e->fault.latch;
	s->faults_corrupt = e->fault.corrupt;
	s->faults_io = e->fault.io;
	pthread_mutex_unlock(&e->fault.lock);
}

static void
status_tables(struct engine *e, struct engine_status *s)
{
	pthread_mutex_lock(&e->vlock);
	s->table_bytes = overlay_bytes(e->cur->active);
	s->table_rows = overlay_rows(e->cur->active);
	if (e->cur->frozen != NULL) {
		s->table_bytes += overlay_bytes(e->cur->frozen);
		s->frozen_rows = overlay_rows(e->cur->frozen);
	}
	pthread_mutex_unlock(&e->vlock);
	s->drafts = atomic_load(&e->drafts);
}

void
engine_status(struct engine *e, struct engine_status *s)
{
	memset(s, 0, sizeof(*s));
	s->seq.n = atomic_load(&e->last_seq);
	s->seq_durable.n = atomic_load(&e->sync.seq);
	s->seq_checkpoint.n = atomic_load(&e->ckpt_seq);
	s->next_id.n = atomic_load(&e->id_now);
	memcpy(s->uuid, e->head.uuid, sizeof(s->uuid));
	s->opens = e->head.opens;
	s->log_size = atomic_load(&e->log_size);
	s->log_end = atomic_load(&e->log_end);
	s->log_used = atomic_load(&e->log_end) - atomic_load(&e->log_start);
	s->checkpoints = atomic_load(&e->bg.ended);
	s->log_syncs = atomic_load(&e->sync.log_syncs);
	s->data_syncs = atomic_load(&e->sync.data_syncs);
	s->journal_rows = atomic_load(&e->journal.rows);
	s->journal_bytes = atomic_load(&e->journal.bytes);
	s->journal_oldest = atomic_load(&e->journal.floor);
	s->journal_max = e->conf.journal_bytes_max;
	s->waits = atomic_load(&e->bg.waits);
	s->recovered_records = e->recovered_records;
	s->recovered_ms = e->recovered_ms;
	s->recovered_unclean = e->recovered_unclean;
	s->drafts_published = e->drafts_kept;
	s->drafts_dropped = e->drafts_dropped;
	status_fault(e, s);
	status_tables(e, s);
	status_space(e, s);
	(void)e->sops->usage(e->store, &s->rows);
}

uint64_t
engine_tick(struct engine *e)
{
	return atomic_load(&e->tick);
}

bool
engine_crowded(struct engine *e)
{
	return ckpt_due(e) || ckpt_pressed(e);
}

bool
engine_drafts_heavy(struct engine *e)
{
	return atomic_load(&e->draft_bytes) > atomic_load(&e->log_size) / 16;
}

int
engine_drafts(struct engine *e, struct vfs_id after, struct vfs_id *out,
    size_t cap, size_t *n)
{
	struct vfs_slice key, val;
	struct txn_cur *c = NULL;
	struct row_parts parts;
	struct row_key from;
	struct txn *t;
	int err;

	*n = 0;
	if (atomic_load(&e->drafts) == 0 || after.n == UINT64_MAX)
		return 0;
	if ((err = txn_begin_inner(e, TXN_READ, NULL, &t)) < 0)
		return err;
	row_key_id(&from, ROW_DRAFT, after.n + 1);
	if ((err = txn_cur_open(t, &c)) == 0)
		err = txn_cur_seek_in(c, row_key_slice(&from), 1, &key,
		    &val);
	while (err == 0 && *n < cap &&
	    (err = row_key_parse(key, &parts)) == 0 &&
	    parts.kind == ROW_DRAFT) {
		out[(*n)++].n = parts.a;
		err = txn_cur_next(c, &key, &val);
	}
	txn_abort(t);
	return err == -VFS_NOENT ? 0 : err;
}
