/*
 * wire_poll.c - the poller's: peers come, speak, fall silent, go
 *
 * One thread at a time is in here; what it leaves for the next one is
 * handed over with w->lock.
 */
#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <unistd.h>

#include "../server/share.h"
#include "../server/tx.h"
#include "wire_in.h"

#define EVENTS		64		/* taken at once */
#define SCAN_MS		1000u
#define TAG_WAKE	0u
#define TAG_PLACE	1u		/* and from there on */
#define TAGS		64u		/* below: no pointer */

/* --- descriptors -------------------------------------------------------- */

static int
watch(struct wire *w, int fd, uint32_t events, epoll_data_t data)
{
	struct epoll_event ev = { .events = events, .data = data };
	int rc = epoll_ctl(w->epoll_fd, EPOLL_CTL_ADD, fd, &ev);

	/* A line that was its own listener. */
	if (rc < 0 && errno == EEXIST)
		rc = epoll_ctl(w->epoll_fd, EPOLL_CTL_MOD, fd, &ev);
	return rc < 0 ? vfs_err_from_os(errno) : 0;
}

int
wire_watch_places(struct wire *w)
{
	unsigned i;
	int err;

	err = watch(w, w->wake_fd, EPOLLIN, (epoll_data_t){ .u64 = TAG_WAKE });
	for (i = 0; i < w->nplaces && err == 0; i++)
		if (w->places[i]->fd >= 0)
			err = watch(w, w->places[i]->fd, EPOLLIN,
			    (epoll_data_t){ .u64 = TAG_PLACE + i });
	return err;
}

static int
watch_link(struct wire_conn *c)
{
	struct link_fd fd[LINK_FDS_MAX];
	unsigned i, n = c->link->ops->fds(c->link, true, fd);
	int err = 0;

	for (i = 0; i < n && err == 0; i++) {
		c->events[i] = fd[i].events;
		err = watch(c->w, fd[i].fd, fd[i].events,
		    (epoll_data_t){ .ptr = c });
	}
	return err;
}

static void
unwatch_link(struct wire_conn *c)
{
	struct link_fd fd[LINK_FDS_MAX];
	unsigned i, n = c->link->ops->fds(c->link, false, fd);

	for (i = 0; i < n; i++)
		epoll_ctl(c->w->epoll_fd, EPOLL_CTL_DEL, fd[i].fd, NULL);
}

/* --- peers come ---------------------------------------------------------- */

/* Has it yet to show a token? */
static bool
is_stranger(const struct wire_conn *c)
{
	return c->token_first && c->sess[0].s == NULL &&
	    c->next_session == 0;
}

/* w->lock is held. */
static unsigned
strangers(const struct wire *w)
{
	unsigned i, n = 0;

	for (i = 0; i < WIRE_CONNS_MAX; i++)
		n += w->conns[i] != NULL && w->conns[i]->used &&
		    w->conns[i]->link != NULL && is_stranger(w->conns[i]) &&
		    w->conns[i]->link->ops == &link_tcp;
	return n;
}

/* Is there a place for one more like that?  Others than the owner have a
 * share of them, and each whom a socket names half of all; w->lock is
 * held. */
static bool
has_place(const struct wire *w, const struct link *l)
{
	unsigned i, all = 0, his = 0;

	if (sessions_owner(w->conf.sessions, &l->who))
		return true;
	if (l->ops == &link_tcp && strangers(w) >= WIRE_STRANGERS_MAX)
		return false;
	for (i = 0; i < WIRE_CONNS_MAX; i++) {
		const struct wire_conn *c = w->conns[i];

		if (c == NULL || !c->used || c->own)
			continue;
		all++;
		his += c->who.has_cred && l->who.has_cred &&
		    c->who.uid == l->who.uid;
	}
	return all < share_of(WIRE_CONNS_MAX, false) &&
	    his < WIRE_CONNS_MAX / 2;
}

/* A free connection, all of it as at the start; w->lock is held. */
static struct wire_conn *
conn_new(struct wire *w)
{
	struct wire_conn *c;
	unsigned i, j;

	for (i = 0; i < WIRE_CONNS_MAX; i++)
		if (w->conns[i] == NULL || !w->conns[i]->used)
			break;
	if (i == WIRE_CONNS_MAX)
		return NULL;
	if ((c = w->conns[i]) == NULL) {
		if ((c = calloc(1, sizeof *c)) == NULL)
			return NULL;
		c->w = w;
		pthread_mutex_init(&c->send_lock, NULL);
		TAILQ_INIT(&c->reqs);
		for (j = 0; j < WIRE_SESSIONS; j++)
			c->sess[j].c = c;
		w->conns[i] = c;
	}
	c->used = true;
	return c;
}

static void
know(struct wire_conn *c, const struct link *l)
{
	c->who = l->who;
	if (l->who.ngroups > 0)
		memcpy(c->groups, l->who.groups,
		    l->who.ngroups * sizeof c->groups[0]);
	c->who.groups = c->groups;
	c->own = sessions_owner(c->w->conf.sessions, &l->who);
	c->token_first = l->token_first;
	c->pid = l->who.pid;
}

static void
conn_reset(struct wire_conn *c, struct link *l)
{
	struct wire_sess *ws;
	unsigned i;

	c->link = l;
	know(c, l);
	c->born_ms = c->partial_ms = c->unsent_ms = clock_ms();
	c->tick_ms = 0;
	c->unsent_seen = 0;
	c->was_partial = false;
	c->eof = false;
	c->ending = false;
	c->gone = false;
	c->hello = false;
	c->max_msg = l->max_msg;
	c->granted = WIRE_CREDITS;
	grants_init(&c->grants);
	c->next_session = c->strikes = c->attach_failed = 0;
	for (i = 0; i < WIRE_SESSIONS; i++) {
		ws = &c->sess[i];
		ws->used = false;
		ws->number = 0;
		ws->last_req = 0;
		ws->done_at = 0;
		ws->ended = 0;
		memset(ws->done, 0, sizeof ws->done);
	}
}

/* Nobody listens to it any longer than this takes. */
static void
turn_away(struct wire *w, struct link *l, int err)
{
	uint8_t msg[PROTO_HDR + 8];
	struct proto_hdr h = { .len = sizeof msg, .op = PROTO_N_SHUTDOWN };
	struct wbuf b;

	w->n.refused++;
	proto_hdr_encode(&h, msg);
	wbuf_init(&b, msg, sizeof msg, PROTO_HDR, 8);
	wbuf_u32(&b, (uint32_t)-err);
	wbuf_u32(&b, 0);
	l->ops->send(l, msg, sizeof msg);
	l->ops->close(l);
}

void
wire_adopt(struct wire_work *k, struct link *l)
{
	struct wire *w = k->w;
	struct wire_conn *c;
	int err = -VFS_BUSY;

	l->closer = w->closer;
	w->n.peers++;
	pthread_mutex_lock(&w->lock);
	c = has_place(w, l) ? conn_new(w) : NULL;
	if (c != NULL)
		conn_reset(c, l);
	pthread_mutex_unlock(&w->lock);
	if (c != NULL && (err = wire_sess_first(c)) == 0 &&
	    (err = watch_link(c)) == 0)
		return;
	if (c != NULL) {
		pthread_mutex_lock(&w->lock);
		c->link = NULL;
		wire_conn_end(c);
		pthread_mutex_unlock(&w->lock);
	}
	turn_away(w, l, err);
}

static void
accept_peers(struct wire_work *k, struct listener *l)
{
	struct link *link;
	int err;

	while ((err = listen_accept(l, &link_frame_vfp, &link)) == 0) {
		k->w->scan_ms = 0;	/* it may have to be quick */
		wire_adopt(k, link);
		if (l->fd < 0)
			return;		/* it was the line itself */
	}
	if (err != -VFS_AGAIN && l->fd >= 0) {
		/* No descriptors, say: the others may give some back. */
		watch(k->w, l->fd, 0, (epoll_data_t){ .u64 = TAG_WAKE });
		k->w->deaf = err != -VFS_GONE;
	}
}

/* --- peers speak ----------------------------------------------------------- */

static void
conn_end(struct wire_conn *c)
{
	pthread_mutex_lock(&c->w->lock);
	wire_conn_end(c);
	pthread_mutex_unlock(&c->w->lock);
}

static void
flush(struct wire_conn *c)
{
	int err;

	pthread_mutex_lock(&c->send_lock);
	err = c->link->ops->flush(c->link);
	if (err == 0)
		wire_interest(c);
	pthread_mutex_unlock(&c->send_lock);
	if (err < 0)
		conn_end(c);
	else if (c->ending && c->link->unsent == 0)
		c->w->reap = true;
}

/* Reading has come to an end, in one way or the other. */
static void
read_ended(struct wire_conn *c, int err)
{
	if (err == -VFS_SESSION_CLOSED) {
		c->eof = true;
		pthread_mutex_lock(&c->send_lock);
		wire_interest(c);
		pthread_mutex_unlock(&c->send_lock);
		c->w->reap = true;
	} else if (err == -VFS_MALFORMED) {
		c->w->n.bad++;
		wire_farewell(c, err);
	} else {
		conn_end(c);
	}
}

static bool
listens(const struct wire_conn *c)
{
	return !c->eof && !c->gone && !wire_clogged(c);
}

/* A unix socket may turn out to be a ring. */
static int
receive(struct wire_conn *c, bool ready, uint8_t **msg, size_t *n)
{
	int rc = c->link->ops->recv(c->link, ready, msg, n);

	if (c->who.transport != c->link->who.transport) {
		pthread_mutex_lock(&c->w->lock);
		c->who.transport = c->link->who.transport;
		pthread_mutex_unlock(&c->w->lock);
	}
	return rc;
}

static void
read_all(struct wire_work *k, struct wire_conn *c)
{
	bool ready = true;
	uint8_t *msg;
	size_t n;
	int rc = 0;

	while (listens(c) && (rc = receive(c, ready, &msg, &n)) == 1) {
		ready = false;
		c->partial_ms = clock_ms();
		wire_arrive(k, c, msg, n);
	}
	if (rc < 0)
		read_ended(c, rc);
	if (c->link->partial && !c->was_partial)
		c->partial_ms = clock_ms();
	c->was_partial = c->link->partial;
}

void
wire_ready(struct wire_work *k, struct wire_conn *c, uint32_t events)
{
	if (c->gone || c->link == NULL)
		return;
	if (c->link->unsent > 0)
		flush(c);
	read_all(k, c);
	if ((events & (EPOLLHUP | EPOLLERR)) != 0 && !c->gone && !listens(c))
		conn_end(c);		/* nobody reads what is left */
}

/* --- peers fall silent ------------------------------------------------------ */

static bool
past(uint64_t since, uint32_t ms, uint64_t now)
{
	return since + ms <= now;
}

/* Does it owe us something for too long?  The reason, or 0. */
static int
owes(struct wire_conn *c, uint64_t now)
{
	if (c->token_first && !c->hello &&
	    past(c->born_ms, VFS_HELLO_MS, now))
		return -VFS_DEADLINE;
	if (is_stranger(c) && past(c->born_ms, c->w->stall_ms, now))
		return -VFS_ACCESS;
	return c->link->partial && past(c->partial_ms, c->w->stall_ms, now) ?
	    -VFS_DEADLINE : 0;
}

static bool
reads_nothing(struct wire_conn *c, uint64_t now)
{
	size_t unsent = c->link->unsent;

	if (unsent == 0 || unsent != c->unsent_seen) {
		c->unsent_seen = unsent;
		c->unsent_ms = now;
		return false;
	}
	return past(c->unsent_ms, c->w->stall_ms, now);
}

static void
tick(struct wire_conn *c, uint64_t now)
{
	uint32_t again = 0;

	if (c->link->ops->tick == NULL || now < c->tick_ms)
		return;
	if (c->link->ops->tick(c->link, now, &again) < 0) {
		conn_end(c);
		return;
	}
	c->tick_ms = now + (again != 0 ? again : SCAN_MS);
	if (c->tick_ms < c->w->scan_ms)
		c->w->scan_ms = c->tick_ms;
}

static void
look_after(struct wire_conn *c, uint64_t now)
{
	uint64_t hello = c->born_ms + VFS_HELLO_MS;
	int err;

	pthread_mutex_lock(&c->w->lock);
	err = owes(c, now);
	pthread_mutex_unlock(&c->w->lock);
	if (err < 0)
		wire_farewell(c, err);
	if (reads_nothing(c, now)) {
		c->w->n.stalled += !c->ending;
		conn_end(c);
	}
	if (c->token_first && hello > now && hello < c->w->scan_ms)
		c->w->scan_ms = hello;
	tick(c, now);
}

/* What is too old ends; that may take its time, so it is the lane's. */
static void
expire_old(struct wire_req *q)
{
	struct wire *w = q->chore;

	tx_expire(w->conf.server, clock_ms());
	sessions_expire(w->conf.sessions);
	w->chore = false;
}

static void
chores(struct wire *w)
{
	struct wire_req *q;

	if (atomic_exchange(&w->chore, true))
		return;			/* still at it */
	if ((q = calloc(1, sizeof *q)) == NULL) {
		w->chore = false;
		return;
	}
	q->chore = w;
	q->fd = -1;
	q->class = WIRE_LANE;
	q->job = expire_old;
	pthread_mutex_lock(&w->lock);
	wire_enqueue(w, q);
	pthread_mutex_unlock(&w->lock);
}

static void
scan(struct wire *w, uint64_t now)
{
	unsigned i;

	w->scan_ms = now + (w->stall_ms < SCAN_MS ? w->stall_ms : SCAN_MS);
	chores(w);
	if (w->deaf) {
		w->deaf = false;
		wire_watch_places(w);
	}
	for (i = 0; i < WIRE_CONNS_MAX; i++)
		if (w->conns[i] != NULL && w->conns[i]->link != NULL &&
		    !w->conns[i]->gone)
			look_after(w->conns[i], now);
}

/* Queued requests whose time is over; the rest says when to look again. */
static void
late(struct wire *w, struct wire_queue *from, struct wire_queue *drop,
    uint64_t now)
{
	struct wire_req *q, *next;

	for (q = TAILQ_FIRST(from); q != NULL; q = next) {
		next = TAILQ_NEXT(q, in_queue);
		if (q->deadline_ms == 0)
			continue;
		if (q->deadline_ms <= now) {
			wire_unqueue(w, q);
			TAILQ_INSERT_TAIL(drop, q, in_queue);
		} else if (w->deadline_ms == 0 ||
		    q->deadline_ms < w->deadline_ms) {
			w->deadline_ms = q->deadline_ms;
		}
	}
}

static void
expire(struct wire_work *k, uint64_t now)
{
	struct wire_queue drop = TAILQ_HEAD_INITIALIZER(drop);
	struct wire *w = k->w;
	unsigned p;

	pthread_mutex_lock(&w->lock);
	if (w->deadline_ms != 0 && w->deadline_ms <= now) {
		w->deadline_ms = 0;
		late(w, &w->lane, &drop, now);
		for (p = 0; p < WIRE_PRIOS; p++)
			late(w, &w->prio[p], &drop, now);
	}
	pthread_mutex_unlock(&w->lock);
	wire_refuse_all(k, &drop, -VFS_DEADLINE);
}

/* --- peers go ---------------------------------------------------------------- */

/* All that it asked for is answered, and sent. */
static bool
is_done(const struct wire_conn *c)
{
	return c->busy == 0 && c->link != NULL && c->link->unsent == 0 &&
	    (c->ending || (c->eof && TAILQ_EMPTY(&c->reqs)));
}

static void
reap_one(struct wire_conn *c)
{
	struct wire *w = c->w;
	struct link *l = NULL;
	bool over;

	pthread_mutex_lock(&w->lock);
	if (!c->gone && is_done(c))
		wire_conn_end(c);
	if (c->gone && c->busy == 0 && c->link != NULL) {
		unwatch_link(c);
		l = c->link;
		c->link = NULL;
	}
	over = wire_conn_over(c);
	pthread_mutex_unlock(&w->lock);
	if (l != NULL)
		l->ops->close(l);
	if (!over)
		return;
	grants_free(&c->grants);
	pthread_mutex_lock(&w->lock);
	c->used = false;
	pthread_mutex_unlock(&w->lock);
}

void
wire_reap(struct wire *w)
{
	unsigned i;

	for (i = 0; i < WIRE_CONNS_MAX; i++)
		if (w->conns[i] != NULL && w->conns[i]->used)
			reap_one(w->conns[i]);
}

/* --- all of it ---------------------------------------------------------------- */

static void
house(struct wire_work *k)
{
	struct wire *w = k->w;
	uint64_t now = clock_ms();

	expire(k, now);
	if (atomic_exchange(&w->tell, false))
		wire_tell(w);
	if (now >= w->scan_ms)
		scan(w, now);
	if (atomic_exchange(&w->reap, false))
		wire_reap(w);
}

static int
patience(struct wire *w)
{
	uint64_t now = clock_ms(), until = w->scan_ms;

	pthread_mutex_lock(&w->lock);
	if (w->deadline_ms != 0 && w->deadline_ms < until)
		until = w->deadline_ms;
	pthread_mutex_unlock(&w->lock);
	return until <= now ? 0 : (int)(until - now);
}

void
wire_poll(struct wire_work *k, bool wait)
{
	struct epoll_event ev[EVENTS];
	struct wire *w = k->w;
	uint64_t drain;
	int i, n;

	house(k);
	n = epoll_wait(w->epoll_fd, ev, EVENTS, wait ? patience(w) : 0);
	w->n.polls++;
	for (i = 0; i < n; i++) {
		if (ev[i].data.u64 >= TAGS)
			wire_ready(k, ev[i].data.ptr, ev[i].events);
		else if (ev[i].data.u64 >= TAG_PLACE)
			accept_peers(k, w->places[ev[i].data.u64 -
			    TAG_PLACE]);
		else if (read(w->wake_fd, &drain, sizeof drain) < 0)
			continue;	/* it was somebody else's */
	}
}
