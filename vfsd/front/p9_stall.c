/*
 * p9_stall.c - peers fall silent
 *
 * A peer owes us an attach once it has connected, the rest of a message
 * that it has begun, and that it reads what it asked for.  The threads
 * sleep until the first of these is due, and for ever if none is.
 */
#include <limits.h>

#include "p9_in.h"

/* Who says so is a thread of the front, and asks p9_patience next: the
 * others need not be woken. */
void
p9_look(struct p9 *p, uint64_t ms)
{
	uint64_t was = atomic_load(&p->look_ms);

	while (ms < was &&
	    !atomic_compare_exchange_weak(&p->look_ms, &was, ms))
		;
}

int
p9_patience(struct p9 *p)
{
	uint64_t look = atomic_load(&p->look_ms), now;

	if (look == P9_NEVER)
		return -1;
	now = clock_ms();
	if (look <= now)
		return 0;
	return look - now < INT_MAX ? (int)(look - now) : INT_MAX;
}

/* When its time is over; the connection's lock is held. */
static uint64_t
due(const struct p9_conn *c)
{
	uint64_t since = P9_NEVER;

	if (!atomic_load(&c->attached))
		since = c->born_ms;
	if (c->partial_ms != 0 && !c->deaf && c->partial_ms < since)
		since = c->partial_ms;
	if (c->late_n > 0 && c->late_ms < since)
		since = c->late_ms;
	return since == P9_NEVER ? since : since + c->p9->stall_ms;
}

static void
look_at(struct p9_conn *c, uint64_t now)
{
	uint64_t when;

	pthread_mutex_lock(&c->lock);
	when = due(c);
	pthread_mutex_unlock(&c->lock);
	if (when <= now) {
		atomic_fetch_add(&c->p9->stalled, 1);
		p9_conn_kill(c);
	} else {
		p9_look(c->p9, when);
	}
}

void
p9_end_stalled(struct p9 *p)
{
	uint64_t now, look = atomic_load(&p->look_ms);
	struct p9_conn *c;
	unsigned i;

	if (look == P9_NEVER || look > (now = clock_ms()) ||
	    !atomic_compare_exchange_strong(&p->look_ms, &look, P9_NEVER))
		return;			/* not yet; or another one looks */
	for (i = 0; i < P9_CONNS_MAX; i++) {
		pthread_mutex_lock(&p->lock);
		if ((c = p->conn[i]) != NULL)
			p9_conn_hold(c);
		pthread_mutex_unlock(&p->lock);
		if (c == NULL)
			continue;
		look_at(c, now);
		p9_conn_drop(c);
	}
}
