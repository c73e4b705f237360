/*
 * wire_sess.c - the sessions of a connection, and what they have staged
 */
#include <stdlib.h>
#include <string.h>

#include "wire_in.h"

/* --- which one ----------------------------------------------------------- */

struct wire_sess *
wire_sess_find(struct wire_conn *c, uint32_t number)
{
	unsigned i;

	for (i = 0; i < WIRE_SESSIONS; i++)
		if (c->sess[i].used && c->sess[i].number == number)
			return &c->sess[i];
	return NULL;
}

/* It was revoked, or is too old; any thread. */
static void
on_end(void *arg, int err)
{
	struct wire_sess *ws = arg;

	ws->ended = err;
	ws->c->w->tell = true;
	wire_poke(ws->c->w);
}

/* w->lock held, but for a connection that nobody knows yet. */
static void
install(struct wire_sess *ws, struct session *s)
{
	ws->s = s;
	ws->none = -VFS_SESSION_CLOSED;
	ws->ended = 0;
	ws->changed = 0;
	ws->told = false;
	session_limits(s, &ws->limits);
}

int
wire_sess_first(struct wire_conn *c)
{
	struct wire_sess *ws = &c->sess[0];
	struct session *s;
	int err;

	ws->used = true;
	ws->none = -VFS_ACCESS;
	ws->limits = (struct session_limits){ .credits = VFS_CREDITS,
		.bytes = WIRE_BYTES };
	if (c->token_first)
		return 0;
	err = session_new(c->w->conf.sessions, &c->who, &s);
	if (err < 0)
		return err;
	install(ws, s);
	session_on_end(s, on_end, ws);
	return 0;
}

void
wire_sess_end(struct wire_sess *ws, const struct wire_req *except,
    struct wire_queue *drop)
{
	struct wire_req *q;

	TAILQ_FOREACH(q, &ws->c->reqs, in_conn) {
		if (q->ws != ws || q == except || q->job != NULL ||
		    q->ends)
			continue;
		if (wire_unqueue(ws->c->w, q))
			TAILQ_INSERT_TAIL(drop, q, in_queue);
		else
			q->stop = -VFS_SESSION_CLOSED;
	}
	wire_stage_drop(ws->stage);
	ws->stage = NULL;
}

void
wire_sess_detach(struct wire_req *q, struct wire_queue *drop)
{
	struct wire_sess *ws = q->ws;

	wire_sess_end(ws, q, drop);
	session_drop(ws->s);		/* q holds it too, and closes it */
	ws->s = NULL;
	ws->used = ws == &ws->c->sess[0];
}

void
wire_refuse_all(struct wire_work *k, struct wire_queue *drop, int err)
{
	struct wire_req *q;

	while ((q = TAILQ_FIRST(drop)) != NULL) {
		TAILQ_REMOVE(drop, q, in_queue);
		wire_refuse(k, q, err, 0);
	}
}

struct notes {
	unsigned n;
	struct { uint16_t op; uint32_t session, word[4]; } v[2 * WIRE_SESSIONS];
};

static void
gather(struct wire_sess *ws, struct notes *to)
{
	uint64_t seq;
	int err = atomic_exchange(&ws->ended, 0);

	if (ws->s == NULL)
		return;
	if (err != 0) {
		to->v[to->n].op = PROTO_N_REVOKED;
		to->v[to->n].session = to->v[to->n].word[0] = ws->number;
		to->v[to->n++].word[1] = (uint32_t)-err;
	}
	if (ws->changed == 0 || atomic_exchange(&ws->told, true))
		return;
	seq = atomic_exchange(&ws->changed, 0);
	to->v[to->n].op = PROTO_N_CHANGED;
	to->v[to->n].session = ws->number;
	to->v[to->n].word[0] = (uint32_t)seq;
	to->v[to->n++].word[1] = (uint32_t)(seq >> 32);
}

static void
tell(struct wire_conn *c)
{
	struct notes notes = { 0 };
	unsigned i;

	pthread_mutex_lock(&c->w->lock);
	for (i = 0; i < WIRE_SESSIONS; i++)
		gather(&c->sess[i], &notes);
	pthread_mutex_unlock(&c->w->lock);
	for (i = 0; i < notes.n; i++)
		wire_note(c, notes.v[i].op, notes.v[i].session,
		    notes.v[i].word);
}

void
wire_tell(struct wire *w)
{
	unsigned i;

	for (i = 0; i < WIRE_CONNS_MAX; i++)
		if (w->conns[i] != NULL && w->conns[i]->link != NULL)
			tell(w->conns[i]);
}

/* --- ATTACH, DETACH ------------------------------------------------------- */

#define ATTACH_FAILS_MAX	3u	/* tokens that are wrong */

static struct wire_sess *
free_slot(struct wire_conn *c)
{
	unsigned i;

	for (i = 1; i < WIRE_SESSIONS; i++)
		if (!c->sess[i].used && c->sess[i].reqs == 0)
			return &c->sess[i];
	return NULL;
}

static struct wire_sess *
new_slot(struct wire_conn *c)
{
	struct wire_sess *ws = free_slot(c);

	if (ws != NULL) {
		ws->used = true;
		ws->number = ++c->next_session;
		ws->last_req = 0;
		ws->done_at = 0;
		memset(ws->done, 0, sizeof ws->done);
	}
	return ws;
}

/* The connection has room for s, or takes it for its first. */
static int
put_session(struct wire_call *k, bool new, struct session *s,
    struct wire_queue *drop, struct session **old, struct wire_sess **out)
{
	struct wire_conn *c = k->q->c;
	struct wire_sess *ws;

	if (c->gone)
		return -VFS_SESSION_CLOSED;
	if ((ws = new ? new_slot(c) : &c->sess[0]) == NULL)
		return -VFS_QUOTA;
	*old = ws->s;
	if (*old != NULL) {
		session_on_end(*old, NULL, NULL);
		wire_sess_end(ws, k->q, drop);
	}
	install(ws, s);
	*out = ws;
	return 0;
}

static int
attach_failed(struct wire_call *k, int err)
{
	struct wire_conn *c = k->q->c;
	bool enough;

	pthread_mutex_lock(&k->w->lock);
	enough = c->token_first &&
	    ++c->attach_failed >= ATTACH_FAILS_MAX && c->sess[0].s == NULL;
	pthread_mutex_unlock(&k->w->lock);
	if (enough)
		wire_farewell(c, -VFS_ACCESS);
	return err;
}

int
wire_own_attach(struct wire_call *k, const void *qp, void *rp)
{
	struct wire_queue drop = TAILQ_HEAD_INITIALIZER(drop);
	const struct vfs_attach *q = qp;
	struct vfs_attach_reply *r = rp;
	struct session_who who = k->q->c->who;
	struct session *s, *old = NULL;
	struct wire_sess *ws = NULL;
	int err;

	who.trace_id = k->env.trace_id;
	err = session_attach(k->w->conf.sessions, &who, q, &s, r);
	if (err < 0)
		return attach_failed(k, err);
	session_hold(s);		/* the connection may end */
	pthread_mutex_lock(&k->w->lock);
	err = put_session(k, (q->flags & VFS_ATTACH_NEW) != 0, s, &drop, &old,
	    &ws);
	pthread_mutex_unlock(&k->w->lock);
	wire_refuse_all(k->k, &drop, -VFS_SESSION_CLOSED);
	if (err < 0)
		old = s;
	else if (old != NULL)
		wire_watch_end(ws);
	session_close(old);
	session_drop(old);
	if (err == 0) {
		session_on_end(s, on_end, ws);
		r->session = ws->number;
	}
	session_drop(s);
	return err;
}

/* Its requests were told when this one arrived. */
int
wire_own_detach(struct wire_call *k, const void *qp, void *r)
{
	const struct vfs_detach *q = qp;

	(void)r;
	if (q->flags != 0)
		return -VFS_INVAL;
	wire_watch_end(k->q->ws);
	session_close(k->q->s);
	return 0;
}

/* --- STAGE ------------------------------------------------------------------ */

void
wire_stage_drop(struct wire_stage *st)
{
	if (st != NULL && --st->refs == 0)
		free(st);
}

/* n bytes of a stage that only this request and its session know: the one
 * there is, or a copy. */
static struct wire_stage *
stage_own(struct wire *w, struct wire_stage *old, size_t cap)
{
	struct wire_stage *st;
	bool mine;

	pthread_mutex_lock(&w->lock);
	mine = old != NULL && old->refs <= 2;
	pthread_mutex_unlock(&w->lock);
	if (mine && old->cap >= cap)
		return old;
	if (old != NULL && cap > old->cap && cap < 2 * old->cap)
		cap = 2 * old->cap;	/* small steps stay cheap */
	if ((st = malloc(sizeof *st + cap)) == NULL)
		return NULL;
	st->refs = 0;
	st->cap = cap;
	st->n = old == NULL ? 0 : old->n < cap ? old->n : cap;
	if (st->n > 0)
		memcpy(st->p, old->p, st->n);
	return st;
}

/* It becomes the session's, unless that has ended in the meantime. */
static void
stage_put(struct wire *w, struct wire_req *q, struct wire_stage *st)
{
	struct wire_sess *ws = q->ws;

	pthread_mutex_lock(&w->lock);
	if (st != NULL)
		st->refs++;
	if (ws->s == q->s) {
		wire_stage_drop(ws->stage);
		ws->stage = st;
	} else {
		wire_stage_drop(st);
	}
	pthread_mutex_unlock(&w->lock);
}

/* The poller runs it as it arrives: nobody else changes what is staged,
 * and no request looks yet where it writes. */
int
wire_own_stage(struct wire_call *k, const void *qp, void *rp)
{
	struct wire_stage *old = k->q->stage, *st = NULL;
	const struct vfs_stage *q = qp;
	struct vfs_stage_reply *r = rp;
	uint64_t max = k->q->ws->limits.stage;
	size_t end;

	if (q->off > (old != NULL ? old->n : 0))
		return -VFS_INVAL;	/* no gaps */
	if (q->data.n > max || q->off > max - q->data.n)
		return -VFS_TOO_BIG;
	end = (size_t)q->off + q->data.n;
	if (end > 0) {
		if ((st = stage_own(k->w, old, end)) == NULL)
			return -VFS_NOMEM;
		if (q->data.n > 0)
			memmove(st->p + q->off, q->data.p, q->data.n);
		st->n = end;
	}
	stage_put(k->w, k->q, st);
	r->staged = end;
	return 0;
}

const void *
wire_far_get(void *call, unsigned kind, unsigned grant, uint64_t off,
    uint32_t n)
{
	struct wire_call *k = call;
	const struct wire_stage *st = k->q->stage;

	if (kind == PROTO_GRANT)
		return grant_get(&k->copies, kind, grant, off, n);
	if (st == NULL || off > st->n || n > st->n - off)
		return NULL;
	return st->p + off;
}
