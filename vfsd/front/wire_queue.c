/*
 * wire_queue.c - which request is next
 *
 * The control lane goes first and needs no ordinary thread.  6 and 7 go
 * before 0 to 5, which share by weight; one that has waited for VFS_AGE_MS
 * goes before all of them, but only every second time, so that a flood of
 * old ones does not hold up what is urgent.
 */
#include <stdlib.h>

#include "../server/share.h"
#include "closer.h"
#include "wire_in.h"

#define STRICT	6u			/* priorities from here on */

void
wire_enqueue(struct wire *w, struct wire_req *q)
{
	q->queued = true;
	w->queued++;
	if (q->deadline_ms != 0 && (w->deadline_ms == 0 ||
	    q->deadline_ms < w->deadline_ms))
		w->deadline_ms = q->deadline_ms;
	if (q->class == WIRE_LANE)
		TAILQ_INSERT_TAIL(&w->lane, q, in_queue);
	else
		TAILQ_INSERT_TAIL(&w->prio[q->h.prio], q, in_queue);
}

static void
take(struct wire *w, struct wire_req *q)
{
	if (q->class == WIRE_LANE)
		TAILQ_REMOVE(&w->lane, q, in_queue);
	else
		TAILQ_REMOVE(&w->prio[q->h.prio], q, in_queue);
	q->queued = false;
	w->queued--;
}

bool
wire_unqueue(struct wire *w, struct wire_req *q)
{
	if (!q->queued)
		return false;
	take(w, q);
	return true;
}

/* --- which one ----------------------------------------------------------- */

/* How many requests may run that are not the lane's; that wait. */
static unsigned
ordinary_max(const struct wire *w)
{
	return w->nthreads > WIRE_SPARE ? w->nthreads - WIRE_SPARE : 1;
}

static unsigned
waiting_max(const struct wire *w)
{
	unsigned n = ordinary_max(w);

	return n > 1 ? n - 1 : 1;
}

struct wire_turn
wire_turn_of(const struct wire_req *q)
{
	return (struct wire_turn){ .waits = q->class == WIRE_WAIT,
		.foreign = q->s == NULL || !session_is_own(q->s),
		.whose = q->s != NULL ? session_whose(q->s) : UINT64_MAX };
}

/* Of max threads others than the owner have a share, and each of them half
 * of all, which is less: the next one finds some. */
static bool
has_share(const struct wire *w, const struct wire_turn *t, bool waits,
    unsigned max)
{
	unsigned i, all = 0, his = 0;

	for (i = 0; i < w->nthreads; i++) {
		const struct wire_turn *x = &w->work[i].turn;

		if (!x->foreign || (waits && !x->waits))
			continue;
		all++;
		his += x->whose == t->whose;
	}
	return all < share_of(max, false) && his < (max > 1 ? max / 2 : 1);
}

static bool
may_run(const struct wire *w, const struct wire_req *q)
{
	struct wire_turn t;

	if (q->job != NULL)
		return true;
	if (q->class == WIRE_LANE)
		return !wire_clogged(q->c);
	t = wire_turn_of(q);
	if (t.waits && w->waiting >= waiting_max(w))
		return false;
	if (t.foreign && (!has_share(w, &t, false, ordinary_max(w)) ||
	    (t.waits && !has_share(w, &t, true, waiting_max(w)))))
		return false;
	return !wire_clogged(q->c);
}

/* The oldest that may run. */
static struct wire_req *
first(struct wire *w, struct wire_queue *l)
{
	struct wire_req *q;

	TAILQ_FOREACH(q, l, in_queue)
		if (may_run(w, q))
			return q;
	return NULL;
}

static struct wire_req *
aged(struct wire *w, uint64_t now)
{
	struct wire_req *q, *old = NULL;
	unsigned p;

	for (p = 0; p < WIRE_PRIOS; p++) {
		q = first(w, &w->prio[p]);
		if (q != NULL && (old == NULL || q->since_ms < old->since_ms))
			old = q;
	}
	/* Half of the bound: the other half is for those before it. */
	return old != NULL && old->since_ms + VFS_AGE_MS / 2 <= now ?
	    old : NULL;
}

static struct wire_req *
strict(struct wire *w)
{
	struct wire_req *q;
	unsigned p;

	for (p = WIRE_PRIOS; p-- > STRICT; )
		if ((q = first(w, &w->prio[p])) != NULL)
			return q;
	return NULL;
}

/* Each gains its weight for each turn that it waits; the richest pays. */
static struct wire_req *
weighted(struct wire *w)
{
	struct wire_req *q, *best = NULL;
	unsigned p, at = 0;
	int sum = 0;

	for (p = 0; p < STRICT; p++) {
		if ((q = first(w, &w->prio[p])) == NULL)
			continue;
		w->weight[p] += (int)p + 1;
		sum += (int)p + 1;
		if (best == NULL || w->weight[p] >= w->weight[at]) {
			best = q;
			at = p;
		}
	}
	if (best != NULL)
		w->weight[at] -= sum;
	return best;
}

static struct wire_req *
ordinary(struct wire *w)
{
	struct wire_req *q = NULL;

	if (!w->strict_turn && (q = aged(w, clock_ms())) != NULL) {
		w->strict_turn = true;
		return q;
	}
	w->strict_turn = false;
	if ((q = strict(w)) == NULL)
		q = weighted(w);
	return q;
}

/* The poller takes nothing that may block unless somebody can poll
 * instead, and, when all others are busy, nothing at all. */
struct wire_req *
wire_pick(struct wire *w, struct wire_work *k)
{
	struct wire_req *q;

	if (w->queued == 0 || (w->poller == k && w->idle == 0))
		return NULL;
	q = first(w, &w->lane);
	if (q == NULL && w->ordinary < ordinary_max(w))
		q = ordinary(w);
	if (q != NULL)
		take(w, q);
	return q;
}

/* --- its end ------------------------------------------------------------- */

void
wire_settle(struct wire_req *q)
{
	struct wire_conn *c = q->c;
	struct wire_sess *ws = q->ws;

	TAILQ_REMOVE(&c->reqs, q, in_conn);
	if (ws != NULL)
		ws->reqs--;
	if (q->job == NULL && q->early == 0) {
		if (wire_is_control(q->op)) {
			c->lane--;
		} else {
			c->ordinary--;
			c->bytes -= q->h.len;
			ws->ordinary--;
			ws->bytes -= q->h.len;
		}
		ws->done[ws->done_at++ % WIRE_DONE_KEPT] = q->h.req_id;
	}
	wire_stage_drop(q->stage);
	q->stage = NULL;
}

void
wire_req_free(struct wire_req *q)
{
	session_drop(q->s);
	if (q->fd >= 0)
		closer_take(q->c->w->closer, q->fd);
	free(q->msg);
	free(q);
}

int
wire_job(struct wire_conn *c, struct wire_sess *ws, struct session *s,
    void (*job)(struct wire_req *))
{
	struct wire_req *q = calloc(1, sizeof *q);

	if (q == NULL)
		return -VFS_NOMEM;
	q->c = c;
	q->ws = ws;
	q->s = s;
	q->fd = -1;
	q->class = WIRE_LANE;
	q->job = job;
	if (ws != NULL)
		ws->reqs++;
	TAILQ_INSERT_TAIL(&c->reqs, q, in_conn);
	wire_enqueue(c->w, q);
	return 0;
}
