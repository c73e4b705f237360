#include <stdatomic.h>
#include <stdio.h>
#include <string.h>

#include "../../../vfsd/core/check.h"
#include "../../../vfsd/core/core.h"
#include "life.h"
#include "real.h"

static struct seen *
seen_at(struct life *l, uint64_t hash)
{
	uint64_t i = hash % SEEN_MAX, n;

	for (n = 0; n < SEEN_MAX; n++, i = (i + 1) % SEEN_MAX)
		if (l->seen[i].hash == hash || l->seen[i].hash == 0)
			return &l->seen[i];
	return NULL;
}

/* Count images that no worker had before. */
static void
tally_image(struct tally *t, uint64_t hash)
{
	uint64_t i = hash % t->seen_max, n, none;

	for (n = 0; n < 64; n++, i = (i + 1) % t->seen_max) {
		none = 0;
		if (t->seen[i] == hash)
			return;
		if (atomic_compare_exchange_strong(&t->seen[i], &none, hash)) {
			t->distinct++;
			return;
		}
		if (none == hash)
			return;
	}
}

static void
describe_pick(struct life *l, const struct pick *k, char *buf, size_t cap)
{
	static const char *const how[] = { "-", "+", "torn", "torn4k", "head",
	    "size" };
	size_t n = 0;
	int i;

	for (i = 0; i < k->n && n + 60 < cap; i++) {
		const struct pend *p = &l->live->pend[i];

		n += (size_t)snprintf(buf + n, cap - n, " %s", how[k->keep[i]]);
		if (p->kind == PEND_WRITE)
			n += (size_t)snprintf(buf + n, cap - n,
			    "f%d@%llu+%u", p->file, (unsigned long long)p->off,
			    p->nsect * DISK_SECTOR);
		else
			n += (size_t)snprintf(buf + n, cap - n, "k%d",
			    p->kind);
	}
	buf[n < cap ? n : cap - 1] = 0;
}

static void
judged_wrong(struct life *l, const struct pick *k, const char *what,
    const char *more)
{
	char pends[360];

	describe_pick(l, k, pends, sizeof(pends));
	life_fail(l, "%s: %s [moments %d..%d, acked %d] kept:%s", what, more,
	    l->lo, l->n, l->acked, pends);
}

static int
open_scratch(struct life *l, uint64_t boot, struct engine **e)
{
	struct engine_conf c = l->conf;

	c.dirfd = l->scratch_fd;
	c.boot[0] = boot;
	c.create = false;
	c.now = (struct vfs_time){ (int64_t)(disk_now_ns / 1000000000u),
	    (uint32_t)(disk_now_ns % 1000000000u) };
	return engine_open(&c, e);
}

/* The next id and sequence number must be new, lost futures included. */
static bool
new_numbers(struct life *l, struct engine *e, char text[200])
{
	struct vfs_id id = { 0 };
	struct txn *t;
	uint64_t seq;
	int err;

	if ((err = txn_begin(e, TXN_WRITE, &walk_env, &t)) < 0) {
		snprintf(text, 200, "begin: %s", vfs_err_text(err));
		return false;
	}
	err = txn_new_id(t, &id);
	seq = txn_seq(t).n;
	txn_abort(t);
	if (err < 0 || id.n <= l->id_max) {
		snprintf(text, 200, "id %llu is given again (%llu was)",
		    (unsigned long long)id.n, (unsigned long long)l->id_max);
		return false;
	}
	if (seq <= l->seq_max) {
		snprintf(text, 200, "sequence number %llu again (%llu was)",
		    (unsigned long long)seq, (unsigned long long)l->seq_max);
		return false;
	}
	return true;
}

static bool
started(const struct life *l, uint64_t pos)
{
	uint64_t at = pos % RING_BYTES / 8;

	return l->starts[at / 8] >> at % 8 & 1;
}

static int
root_xattr(struct server *s, size_t n)
{
	static uint8_t value[60000];
	struct vfs_xattr_set q = { .id = { VFS_ID_ROOT },
	    .name = { "user.end", 8 }, .value = { value, n } };
	struct vfs_xattr_set_reply r;

	return dispatch(s, VFS_OP_XATTR_SET, &walk_env, &q, &r);
}

/*
 * Make the last record end exactly where an older one begins: one that the
 * crash tore off, or of the ring's last lap.  It must not be taken for
 * the next.
 */
static void
end_before_old(struct life *l, struct server *s)
{
	uint64_t from, n;

	if (root_xattr(s, 1) < 0)
		return;
	from = l->last_pos + l->last_len + l->last_len;
	for (n = 0; n < 50000; n += 8)
		if (started(l, from + n))
			break;
	if (n < 50000)
		(void)root_xattr(s, 1 + n);
}

static int
kill_scratch(struct life *l, struct engine **e, struct server **s)
{
	l->gag = true;			/* what server_free publishes */
	server_free(*s);
	l->gag = false;
	*s = NULL;
	engine_kill(*e);
	*e = NULL;
	return open_scratch(l, l->boot + 1000, e);
}

/* What was under way; a transaction with a name (known: its commit is in
 * this state) has happened by now, just once. */
static bool
once_more(struct server *s, const struct step *last,
    const struct req_env *env, bool known, char *text)
{
	struct step st = *last;
	struct step_tx x;
	int err;

	if (st.act == ACT_TX) {
		x = *st.tx;	/* somebody waits for the answer there */
		st.tx = &x;
	}
	if (st.act != ACT_OP && st.act != ACT_TX)
		return true;
	err = step_run(s, &st, env);
	if (st.act != ACT_TX || x.how != TX_EXEC || x.name == 0)
		return true;
	if (known ? err == 0 && x.repeated : err < 0 || !x.repeated)
		return true;
	snprintf(text, 200, "again: %.80s: %s%s", st.text,
	    err < 0 ? vfs_err_text(err) : "ok", x.repeated ? ", repeated" :
	    known ? ", though it was committed" : "");
	return false;
}

/* A second life after the crash: what was under way is done again, and
 * must survive a kill. */
static bool
second_life(struct life *l, struct engine **e, struct server **s, bool knows,
    char *text)
{
	struct req_env env = walk_env;
	struct walk a, b;
	int err;

	env.now.sec = (int64_t)(disk_now_ns / 1000000000u);
	if (!once_more(*s, &l->last, &env, knows, text))
		return false;
	end_before_old(l, *s);
	if ((err = walk_engine(*e, true, &a)) < 0 || a.bad[0]) {
		snprintf(text, 200, "second life: %.60s: %.90s", l->last.text,
		    err < 0 ? vfs_err_text(err) : a.bad);
		return false;
	}
	if ((err = kill_scratch(l, e, s)) < 0 ||
	    (err = walk_engine(*e, true, &b)) < 0 || b.bad[0] ||
	    a.full != b.full) {
		snprintf(text, 200, "second life, reopened: %.120s",
		    err < 0 ? vfs_err_text(err) : b.bad[0] ? b.bad :
		    "other rows");
		return false;
	}
	return true;
}

static void
found(void *arg, const struct check_finding *f)
{
	char *text = arg;

	if (!text[0])
		snprintf(text, 200, "checker: %c %llu: %.150s", f->kind,
		    (unsigned long long)f->id, f->text);
}

bool
judge_check(struct engine *e, char text[200])
{
	struct check_conf conf = { .found = found, .arg = text };
	struct check *c;
	struct txn *t;
	int err;

	text[0] = 0;
	if ((err = check_new(&conf, &c)) < 0)
		return false;
	if ((err = txn_begin(e, TXN_READ, &walk_env, &t)) == 0) {
		err = check_rows(c, t);
		txn_abort(t);
	}
	check_free(c);
	if (err < 0 && !text[0])
		snprintf(text, 200, "checker: %s", vfs_err_text(err));
	return !text[0];
}

/* Is the transaction that was under way in the state of this moment? */
static bool
last_known(const struct life *l, int at)
{
	const struct named *n;

	if (l->last.act != ACT_TX || l->nnamed == 0)
		return false;
	n = &l->named[l->nnamed - 1];
	return n->name == l->last.tx->name && n->at <= at;
}

static bool
deep(struct life *l, struct engine **e, int at, char text[200])
{
	struct server_conf sc = { .engine = *e };
	struct server *s;
	struct model m;
	struct walk w;
	bool ok = true;
	int err;

	l->tally->deep++;
	if ((err = server_new(&sc, &s)) < 0) {
		snprintf(text, 200, "server_new: %s", vfs_err_text(err));
		return false;
	}
	while ((err = server_reap(s)) > 0)	/* no thread does it here */
		;
	if (err < 0) {
		snprintf(text, 200, "server_reap: %s", vfs_err_text(err));
		ok = false;
	}
	if (ok && ((err = walk_engine(*e, true, &w)) < 0 || w.bad[0] ||
	    w.orphans || w.drafts)) {
		snprintf(text, 200, "settled: %.100s, %u orphans, %u drafts",
		    err < 0 ? vfs_err_text(err) : w.bad, w.orphans, w.drafts);
		ok = false;
	}
	if (ok)
		ok = judge_check(*e, text);
	if (ok && l->at[at].known) {
		model_copy(&m, &l->at[at].m);
		model_undraft(&m);
		model_orphans_gone(&m);
		ok = model_check(&m, *e, text) == 0;
		model_drop(&m);
	}
	if (ok)
		ok = step_tx_known(l, s, at, text);
	if (ok)
		ok = second_life(l, e, &s, last_known(l, at), text);
	if (s)
		server_free(s);
	return ok;
}

int
judge_read(struct engine *e, struct journal_pos at)
{
	static uint8_t room[256u << 10];
	struct vfs_journal_read q = { .seq = at.seq, .idx = at.idx };
	struct vfs_journal_read_reply r = {
		.records = { room, sizeof(room), 0 } };
	struct txn *t;
	int err;

	if ((err = txn_begin(e, TXN_READ, &walk_env, &t)) < 0)
		return err;
	err = op_journal_read(t, &q, &r);
	txn_abort(t);
	return err < 0 ? err : r.more ? -VFS_TOO_BIG : (int)r.n;
}

static bool
taken_back(struct engine *e, struct journal_pos cur)
{
	struct journal_pos all = { cur.seq, UINT32_MAX };

	return judge_read(e, cur) == -VFS_CURSOR_EXPIRED &&
	    judge_read(e, all) == -VFS_CURSOR_EXPIRED;
}

/* An older cursor has what happened since, or is too old: never a part of
 * it. */
static bool
old_holds(struct life *l, struct engine *e, int at, char text[200])
{
	const struct moment *m = &l->at[l->judged % (unsigned)(at + 1)];
	uint64_t want = l->at[at].nrec - m->nrec;
	int got = judge_read(e, m->cur);

	if (got >= 0 ? (uint64_t)got == want :
	    got == -VFS_CURSOR_EXPIRED && walk_trims)
		return true;
	snprintf(text, 200, "cursor %llu.%u: %d records of %llu, %s",
	    (unsigned long long)m->cur.seq, m->cur.idx, got,
	    (unsigned long long)want, got < 0 ? vfs_err_text(got) : "ok");
	return false;
}

/*
 * A cursor never sees another history than the one that it was given in:
 * that of the moment is where the journal ends, and what a cut took back
 * was never there.  (What lies between is among the rows.)
 */
static bool
cursors_hold(struct life *l, struct engine *e, int at, char text[200])
{
	struct journal_pos cur = l->at[at].cur, end = l->at[l->n].cur;
	int got = judge_read(e, cur);

	if (!old_holds(l, e, at, text))
		return false;
	if (got != 0)
		snprintf(text, 200, "cursor %llu.%u: %s",
		    (unsigned long long)cur.seq, cur.idx,
		    got > 0 ? "more records" : vfs_err_text(got));
	else if (end.seq != cur.seq && !taken_back(e, end))
		snprintf(text, 200, "cursor %llu of a lost future is good",
		    (unsigned long long)end.seq);
	else if (l->lost.seq != 0 && !taken_back(e, l->lost))
		snprintf(text, 200, "cursor %llu of a lost past is good",
		    (unsigned long long)l->lost.seq);
	return !text[0];
}

static int
moment_find(struct life *l, uint64_t pub)
{
	int i;

	for (i = l->n; i >= 0; i--)
		if (l->at[i].pub == pub)
			return i;
	return -1;
}

/* Read-only recovers the same into memory, and writes nothing. */
static bool
same_rdonly(struct life *l, uint64_t pub, char text[200])
{
	struct engine_conf c = l->conf;
	uint64_t writes = l->scratch->writes;
	struct engine *e = NULL;
	struct walk w;
	int err;

	c.dirfd = l->scratch_fd;
	c.boot[0] = l->boot + 1001;
	c.rdonly = true;
	if ((err = engine_open(&c, &e)) == 0)
		err = walk_engine(e, true, &w);
	engine_kill(e);
	if (err < 0 || w.bad[0] || w.pub != pub ||
	    l->scratch->writes != writes) {
		snprintf(text, 200, "read-only: %.150s", err < 0 ?
		    vfs_err_text(err) : w.bad[0] ? w.bad :
		    w.pub != pub ? "other rows" : "something was written");
		return false;
	}
	return true;
}

/* Build it, open it under another boot id: which moment is it? */
static int
judge_image(struct life *l, const struct pick *k)
{
	struct engine *e = NULL;
	struct walk w;
	char text[200] = "";
	int err, at = -1;

	disk_make(l->live, k, l->scratch);
	l->tally->states++;
	if ((err = open_scratch(l, l->boot + 1000, &e)) < 0) {
		judged_wrong(l, k, "cannot be opened", vfs_err_text(err));
		return -1;
	}
	err = walk_engine(e, true, &w);
	if (err < 0 || w.bad[0])
		judged_wrong(l, k, "damaged", err < 0 ? vfs_err_text(err) :
		    w.bad);
	else if (w.full != w.pub)
		judged_wrong(l, k, "drafts after a power cut", "");
	else if ((at = moment_find(l, w.pub)) < 0)
		judged_wrong(l, k, "a state that never was", "");
	else if (at < l->lo)
		judged_wrong(l, k, "a durable operation is lost", "");
	else if (!cursors_hold(l, e, at, text))
		judged_wrong(l, k, "journal", text);
	else if (!new_numbers(l, e, text))
		judged_wrong(l, k, "numbers", text);
	else if (l->deep_every > 0 && l->judged++ %
	    (unsigned)l->deep_every == 0 && !deep(l, &e, at, text))
		judged_wrong(l, k, "settling", text);
	engine_kill(e);
	/* (deep has changed what is there) */
	if (at >= 0 && !l->why[0] && l->judged % 16 == 9 &&
	    !same_rdonly(l, w.pub, text))
		judged_wrong(l, k, "opened once more", text);
	return l->why[0] ? -1 : at;
}

int judge_where(struct life *l, const struct pick *k);

int
judge_where(struct life *l, const struct pick *k)
{
	bool was = l->judging;
	int at;

	l->judging = true;
	at = judge_image(l, k);
	l->judging = was;
	return at;
}

static bool
judge_pick(void *arg, const struct pick *k)
{
	struct life *l = arg;
	uint64_t h = disk_hash(l->live, k);
	struct seen *s = seen_at(l, h);

	if (!s)
		return false;
	if (s->hash == h) {
		/* drafts make moments too: to a cut they are all one */
		if (moment_find(l, l->at[s->at].pub) < l->lo)
			judged_wrong(l, k, "a durable operation is lost",
			    "(seen before)");
		return !l->why[0];
	}
	s->at = judge_image(l, k);
	if (s->at >= 0)
		s->hash = h;
	tally_image(l->tally, h);
	return !l->why[0];
}

void
judge_kill(struct life *l)
{
	struct engine *e = NULL;
	struct pick k = { .n = l->live->npend };
	struct walk w;
	int err, i;

	memset(k.keep, KEEP_ALL, sizeof(k.keep));
	disk_make(l->live, &k, l->scratch);
	l->tally->states++;
	if ((err = open_scratch(l, l->boot, &e)) < 0) {
		judged_wrong(l, &k, "kill -9: cannot be opened",
		    vfs_err_text(err));
		return;
	}
	err = walk_engine(e, false, &w);
	for (i = l->n; i >= l->acked && l->at[i].full != w.full; i--)
		;
	if (err < 0 || w.bad[0])
		judged_wrong(l, &k, "kill -9: damaged", err < 0 ?
		    vfs_err_text(err) : w.bad);
	else if (i < l->acked)
		judged_wrong(l, &k, "kill -9: not the state before it", "");
	engine_kill(e);
}

void
judge_all(struct life *l)
{
	if (l->judging || l->why[0])
		return;
	l->judging = true;
	disk_look(l->live);
	judge_kill(l);
	if (!l->why[0])
		enum_picks(l->live, &l->rng, l->random_max, judge_pick, l);
	l->judging = false;
}
