/*
 * STATUS: everything countable, as pairs of a name and a number (or a
 * text).  A list, so that it can grow without a new version.
 */
#include <stdio.h>
#include <string.h>

#include "../engine/engine.h"
#include "../server/locks.h"
#include "../server/reaper.h"
#include "../server/tx.h"
#include "wire_in.h"

static struct vfs_slice
str(const char *s)
{
	return (struct vfs_slice){ s, strlen(s) };
}

static void
number(void *to, const char *name, uint64_t n)
{
	struct proto_pair p = { .n = n, .name = str(name) };

	proto_pair_put(to, &p);
}

static void
text(struct proto_list *l, const char *name, const char *s)
{
	struct proto_pair p = { .name = str(name), .text = str(s) };

	proto_pair_put(l, &p);
}

static void
store(const struct engine_status *st, struct proto_list *l)
{
	char uuid[40];
	const uint8_t *u = st->uuid;

	snprintf(uuid, sizeof uuid, "%02x%02x%02x%02x-%02x%02x-%02x%02x-"
	    "%02x%02x-%02x%02x%02x%02x%02x%02x", u[0], u[1], u[2], u[3],
	    u[4], u[5], u[6], u[7], u[8], u[9], u[10], u[11], u[12], u[13],
	    u[14], u[15]);
	text(l, "store.uuid", uuid);
	number(l, "store.opens", st->opens);
	number(l, "store.next_id", st->next_id.n);
	number(l, "store.rows", st->rows.rows);
	number(l, "store.rows_bytes_used", st->rows.bytes_used);
	number(l, "store.rows_bytes_file", st->rows.bytes_file);
	number(l, "space.total", st->space_total);
	number(l, "space.free", st->space_free);
	number(l, "space.pending", st->space_pending);
	number(l, "seq.visible", st->seq.n);
	number(l, "seq.durable", st->seq_durable.n);
	number(l, "seq.checkpoint", st->seq_checkpoint.n);
}

static void
engine(const struct engine_status *st, struct proto_list *l)
{
	number(l, "log.size", st->log_size);
	number(l, "log.used", st->log_used);
	number(l, "log.syncs", st->log_syncs);
	number(l, "data.syncs", st->data_syncs);
	number(l, "table.bytes", st->table_bytes);
	number(l, "table.rows", st->table_rows);
	number(l, "table.frozen_rows", st->frozen_rows);
	number(l, "drafts", st->drafts);
	number(l, "checkpoints", st->checkpoints);
	number(l, "waits", st->waits);
	number(l, "journal.records", st->journal_rows);
	number(l, "journal.bytes", st->journal_bytes);
	number(l, "journal.bytes_max", st->journal_max);
	number(l, "journal.oldest", st->journal_oldest);
	number(l, "recovery.unclean", st->recovered_unclean);
	number(l, "recovery.records", st->recovered_records);
	number(l, "recovery.ms", st->recovered_ms);
	number(l, "recovery.drafts_published", st->drafts_published);
	number(l, "recovery.drafts_dropped", st->drafts_dropped);
	number(l, "faults.corrupt", st->faults_corrupt);
	number(l, "faults.io", st->faults_io);
	number(l, "latched", st->latched);
	if (st->latched) {
		number(l, "latch.trace", st->latch.trace_id);
		text(l, "latch.error", vfs_err_name(st->latch.err));
		text(l, "latch.text", st->latch.text);
	}
}

static void
reaper(struct server *s, struct proto_list *l)
{
	struct reaper_counts c;

	server_reaper_counts(s, &c);
	number(l, "reaper.waiting", c.waiting);
	number(l, "reaper.held", c.held);
	number(l, "reaper.trees", c.trees);
	number(l, "reaper.batches", c.batches);
	number(l, "reaper.names", c.names);
}

/* What peers of all fronts have open. */
static void
open_things(struct wire *w, struct proto_list *l)
{
	struct sessions_counts c;
	struct tx_counts t;

	sessions_counts(w->conf.sessions, &c);
	tx_counts(w->conf.server, &t);
	number(l, "sessions", c.sessions);
	number(l, "sessions.tokens", c.tokens);
	number(l, "sessions.handles", c.handles);
	number(l, "tx.open", t.open);
	number(l, "tx.commits", t.commits);
	number(l, "tx.aborts", t.aborts);
	number(l, "tx.conflicts", t.conflicts);
	number(l, "tx.expired", t.expired);
	number(l, "tx.speculated", t.speculated);
	number(l, "locks", locks_count(server_locks(w->conf.server)));
}

static void
operations(struct server *s, struct proto_list *l)
{
	struct op_count counts[VFS_OP_COUNT];
	char name[64];
	unsigned op;

	server_counts(s, counts);
	for (op = 1; op < VFS_OP_COUNT; op++) {
		const struct op_count *c = &counts[op];
		const char *n = proto_ops[op].name;

		if (c->calls == 0)
			continue;
		snprintf(name, sizeof name, "op.%s.calls", n);
		number(l, name, c->calls);
		snprintf(name, sizeof name, "op.%s.errors", n);
		number(l, name, c->errors);
		snprintf(name, sizeof name, "op.%s.ns", n);
		number(l, name, c->ns_total);
		snprintf(name, sizeof name, "op.%s.ns_max", n);
		number(l, name, c->ns_max);
	}
}

/* Who is there, by transport. */
static void
peers(struct wire *w, struct proto_list *l)
{
	const char *kind[WIRE_CONNS_MAX];
	uint64_t n[WIRE_CONNS_MAX] = { 0 }, all = 0, sessions = 0;
	unsigned kinds = 0, i, j;
	char name[64];

	pthread_mutex_lock(&w->lock);
	for (i = 0; i < WIRE_CONNS_MAX; i++) {
		const struct wire_conn *c = w->conns[i];

		if (c == NULL || !c->used || c->link == NULL)
			continue;
		for (j = 0; j < kinds && strcmp(kind[j],
		    c->who.transport) != 0; j++)
			;
		if (j == kinds)
			kind[kinds++] = c->who.transport;
		n[j]++;
		all++;
		for (j = 0; j < WIRE_SESSIONS; j++)
			sessions += c->sess[j].s != NULL;
	}
	pthread_mutex_unlock(&w->lock);
	number(l, "wire.peers", all);
	for (j = 0; j < kinds; j++) {
		snprintf(name, sizeof name, "wire.peers_%s", kind[j]);
		number(l, name, n[j]);
	}
	number(l, "wire.sessions", sessions);
}

static void
load(struct wire *w, struct proto_list *l)
{
	unsigned queued, ordinary, waiting;

	pthread_mutex_lock(&w->lock);
	queued = w->queued;
	ordinary = w->ordinary;
	waiting = w->waiting;
	pthread_mutex_unlock(&w->lock);
	number(l, "wire.threads", w->nthreads);
	number(l, "wire.queued", queued);
	number(l, "wire.running", ordinary);
	number(l, "wire.waiting", waiting);
}

static void
wire(struct wire *w, struct proto_list *l)
{
	const struct wire_counts *n = &w->n;
	char name[64];
	unsigned i;

	for (i = 0; i < w->nplaces; i++) {
		snprintf(name, sizeof name, "wire.listen_%u", i);
		text(l, name, w->places[i]->shown);
	}
	for (i = 0; i < w->nothers; i++) {
		snprintf(name, sizeof name, "%s.listen_%u",
		    w->others[i]->front, i);
		text(l, name, w->others[i]->shown);
	}
	peers(w, l);
	load(w, l);
	number(l, "wire.peers_ever", n->peers);
	number(l, "wire.served", n->served);
	number(l, "wire.refused", n->refused);
	number(l, "wire.malformed", n->bad);
	number(l, "wire.stalled", n->stalled);
	number(l, "wire.flooded", n->flooded);
	number(l, "wire.strange", n->strange);
	number(l, "wire.no_credit", n->no_credit);
	number(l, "wire.cancelled", n->cancelled);
	number(l, "wire.late", n->late);
	number(l, "wire.notes", n->notes);
	number(l, "wire.polls", n->polls);
	number(l, "wire.handovers", n->handovers);
	number(l, "wire.wakes", n->wakes);
}

void
wire_status(struct wire_work *k, struct proto_list *l)
{
	struct wire *w = k->w;

	engine_status(server_engine(w->conf.server), k->status);
	text(l, "version", VFSD_VERSION);
	if (w->conf.options != NULL)
		text(l, "options", w->conf.options);
	store(k->status, l);
	engine(k->status, l);
	reaper(w->conf.server, l);
	open_things(w, l);
	operations(w->conf.server, l);
	wire(w, l);
	if (w->conf.more != NULL)
		w->conf.more(w->conf.more_arg, number, l);
}
