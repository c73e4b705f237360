/*
 * wire_conn.c - one connection: sending on it, and its end
 */
#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>

#include "wire_in.h"

bool
wire_clogged(const struct wire_conn *c)
{
	return c->ending || (c->link != NULL &&
	    c->link->unsent >= WIRE_OUT_MAX);
}

void
wire_interest(struct wire_conn *c)
{
	struct link_fd fd[LINK_FDS_MAX];
	struct epoll_event ev = { .data.ptr = c };
	bool in = !c->eof && !wire_clogged(c);
	unsigned i, n = c->link->ops->fds(c->link, in, fd);

	for (i = 0; i < n; i++) {
		if (fd[i].events == c->events[i])
			continue;
		ev.events = c->events[i] = fd[i].events;
		epoll_ctl(c->w->epoll_fd, EPOLL_CTL_MOD, fd[i].fd, &ev);
	}
}

/* --- sending --------------------------------------------------------------- */

bool
wire_hold(struct wire_conn *c)
{
	bool there = !c->gone && !c->ending && c->link != NULL;

	c->busy += there;
	return there;
}

static bool
send_begin(struct wire_conn *c)
{
	bool there;

	pthread_mutex_lock(&c->w->lock);
	there = wire_hold(c);
	pthread_mutex_unlock(&c->w->lock);
	return there;
}

/* err: the peer is gone. */
static void
send_end(struct wire_conn *c, int err)
{
	struct wire *w = c->w;
	bool poke;

	pthread_mutex_lock(&w->lock);
	c->busy--;
	if (err < 0)
		wire_conn_end(c);
	poke = c->gone || c->ending;
	if (poke)
		w->reap = true;
	pthread_mutex_unlock(&w->lock);
	if (poke)
		wire_poke(w);
}

static int
put(struct wire_conn *c, const void *msg, size_t n, bool last)
{
	int err;

	pthread_mutex_lock(&c->send_lock);
	err = c->link->ops->send(c->link, msg, n);
	if (last)
		c->ending = true;
	if (err == 0)
		wire_interest(c);
	pthread_mutex_unlock(&c->send_lock);
	return err;
}

void
wire_send_held(struct wire_conn *c, const void *msg, size_t n)
{
	send_end(c, put(c, msg, n, false));
}

static size_t
note(unsigned op, uint32_t session, const uint32_t word[4], uint8_t *msg)
{
	size_t len = op == PROTO_N_CHANGED ? PROTO_HDR + 16 : PROTO_HDR + 8;
	struct proto_hdr h = { .len = (uint32_t)len, .op = (uint16_t)op,
		.session = session };
	struct wbuf b;
	size_t i;

	proto_hdr_encode(&h, msg);
	wbuf_init(&b, msg, len, PROTO_HDR, len - PROTO_HDR);
	for (i = 0; i < (len - PROTO_HDR) / 4; i++)
		wbuf_u32(&b, word[i]);
	return len;
}

void
wire_note(struct wire_conn *c, unsigned op, uint32_t session,
    const uint32_t word[4])
{
	uint8_t msg[PROTO_HDR + 16];
	size_t n = note(op, session, word, msg);

	c->w->n.notes++;
	if (send_begin(c))
		wire_send_held(c, msg, n);
}

/* Malformed headers are counted where they are found. */
static void
count_end(struct wire_counts *n, int err)
{
	n->stalled += err == -VFS_DEADLINE;
	n->flooded += err == -VFS_NO_CREDIT;
	n->strange += err == -VFS_ACCESS;
}

void
wire_farewell(struct wire_conn *c, int err)
{
	uint32_t word[4] = { (uint32_t)-err, 0 };
	uint8_t msg[PROTO_HDR + 16];
	size_t n = note(PROTO_N_SHUTDOWN, 0, word, msg);

	if (!send_begin(c))
		return;
	count_end(&c->w->n, err);
	c->partial_ms = c->unsent_ms = clock_ms();
	send_end(c, put(c, msg, n, true));
}

/* --- its end --------------------------------------------------------------- */

static void
close_session(struct wire_req *q)
{
	wire_watch_end(q->ws);
	session_close(q->s);
}

/* Nobody is there to be answered: what has not begun is dropped, what
 * runs is asked to stop.  Sessions are closed on the lane. */
void
wire_conn_end(struct wire_conn *c)
{
	struct wire_req *q, *next;
	struct wire_queue drop = TAILQ_HEAD_INITIALIZER(drop);
	unsigned i;

	if (c->gone)
		return;
	c->gone = true;
	c->w->reap = true;
	for (i = 0; i < WIRE_SESSIONS; i++)
		if (c->sess[i].used)
			wire_sess_end(&c->sess[i], NULL, &drop);
	for (q = TAILQ_FIRST(&drop); q != NULL; q = next) {
		next = TAILQ_NEXT(q, in_queue);
		wire_settle(q);
		wire_req_free(q);
	}
	for (i = 0; i < WIRE_SESSIONS; i++) {
		struct wire_sess *ws = &c->sess[i];

		if (ws->s == NULL)
			continue;
		if (wire_job(c, ws, ws->s, close_session) < 0)
			session_close(ws->s);	/* rather here than never */
		ws->s = NULL;
	}
}

bool
wire_conn_over(const struct wire_conn *c)
{
	return c->gone && c->busy == 0 && c->link == NULL &&
	    TAILQ_EMPTY(&c->reqs);
}
