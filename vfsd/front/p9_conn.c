/* Connections: who is there, and bytes out. */
#include <errno.h>
#include <poll.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/socket.h>
#include <unistd.h>

#include "p9_in.h"

#define SEND_MS		10		/* for a peer that reads slowly */

/* --- what it waits for -------------------------------------------------- */

/* The rest of a message was not read for a while: its time begins anew. */
static void
listen_again(struct p9_conn *c)
{
	if (!c->deaf)
		return;
	c->deaf = false;
	if (c->partial_ms == 0)
		return;
	c->partial_ms = clock_ms();
	p9_look(c->p9, c->partial_ms + c->p9->stall_ms);
}

/* The lock is held. */
static void
arm(struct p9_conn *c)
{
	struct epoll_event ev = { .events = EPOLLONESHOT,
	    .data.u64 = c->key };

	if (c->dead || c->p9->conf.no_threads)
		return;
	if (c->busy < P9_BUSY_MAX && c->late_n == 0 &&
	    c->nactive < P9_ACTIVE_MAX && c->version == NULL) {
		listen_again(c);
		if (!c->reading)
			ev.events |= EPOLLIN;
	} else {
		c->deaf = true;
	}
	if (c->late_n > 0)
		ev.events |= EPOLLOUT;
	if (ev.events == c->armed)
		return;
	if (epoll_ctl(c->p9->epfd, EPOLL_CTL_MOD, c->fd, &ev) == 0)
		c->armed = ev.events;
}

void
p9_conn_arm(struct p9_conn *c)
{
	pthread_mutex_lock(&c->lock);
	arm(c);
	pthread_mutex_unlock(&c->lock);
}

/* --- bytes out ---------------------------------------------------------- */

/* How many went out, or -1: the peer is gone. */
static ssize_t
push(struct p9_conn *c, const uint8_t *p, size_t n, int patience_ms)
{
	struct pollfd pfd = { .fd = c->fd, .events = POLLOUT };
	size_t done = 0;
	ssize_t k;

	while (done < n) {
		k = send(c->fd, p + done, n - done,
		    MSG_NOSIGNAL | MSG_DONTWAIT);
		if (k >= 0) {
			done += (size_t)k;
			continue;
		}
		if (errno == EINTR)
			continue;
		if (errno != EAGAIN)
			return -1;
		if (patience_ms == 0 || poll(&pfd, 1, patience_ms) <= 0)
			break;
	}
	return (ssize_t)done;
}

static bool
keep(struct p9_conn *c, const uint8_t *p, size_t n)
{
	uint8_t *q;

	if (c->late_n + n > c->late_cap) {
		if ((q = realloc(c->late, c->late_n + n)) == NULL)
			return false;
		c->late = q;
		c->late_cap = c->late_n + n;
	}
	if (c->late_n == 0) {
		c->late_ms = clock_ms();
		p9_look(c->p9, c->late_ms + c->p9->stall_ms);
	}
	memcpy(c->late + c->late_n, p, n);
	c->late_n += n;
	return true;
}

void
p9_conn_send(struct p9_conn *c, const uint8_t *p, size_t n)
{
	bool ok = true;
	ssize_t k = 0;

	pthread_mutex_lock(&c->lock);
	if (!c->dead) {
		if (c->late_n == 0)
			k = push(c, p, n, SEND_MS);
		ok = k >= 0 && ((size_t)k == n ||
		    keep(c, p + k, n - (size_t)k));
		arm(c);
	}
	pthread_mutex_unlock(&c->lock);
	if (!ok)
		p9_conn_kill(c);
}

/* The socket takes more; false: the peer is gone. */
bool
p9_conn_flush(struct p9_conn *c)
{
	ssize_t k;

	pthread_mutex_lock(&c->lock);
	k = push(c, c->late + c->late_at, c->late_n - c->late_at, 0);
	if (k > 0) {
		c->late_at += (size_t)k;
		c->late_ms = clock_ms();
	}
	if (k >= 0 && c->late_at == c->late_n) {
		free(c->late);
		c->late = NULL;
		c->late_at = c->late_n = c->late_cap = 0;
	}
	pthread_mutex_unlock(&c->lock);
	return k >= 0;
}

/* --- life --------------------------------------------------------------- */

struct p9_conn *
p9_conn_hold(struct p9_conn *c)
{
	atomic_fetch_add(&c->refs, 1);
	return c;
}

static void
req_list_free(struct p9_req *q)
{
	struct p9_req *next;

	for (; q != NULL; q = next) {
		next = q->next;
		free(q->p);
		free(q);
	}
}

void
p9_conn_drop(struct p9_conn *c)
{
	if (atomic_fetch_sub(&c->refs, 1) != 1)
		return;
	p9_fid_clunk_all(c);
	close(c->fd);
	if (c->in != NULL) {
		free(c->in->p);
		free(c->in);
	}
	req_list_free(c->spare);
	free(c->late);
	free(c->clients);
	pthread_mutex_destroy(&c->lock);
	free(c);
}

void
p9_conn_kill(struct p9_conn *c)
{
	struct p9 *p = c->p9;
	bool was;

	pthread_mutex_lock(&c->lock);
	was = c->dead;
	c->dead = true;
	if (!was) {
		epoll_ctl(p->epfd, EPOLL_CTL_DEL, c->fd, NULL);
		shutdown(c->fd, SHUT_RDWR);
	}
	pthread_mutex_unlock(&c->lock);
	if (was)
		return;
	p9_interrupt(c);
	pthread_mutex_lock(&p->lock);
	p->conn[c->key % P9_CONNS_MAX] = NULL;
	pthread_mutex_unlock(&p->lock);
	p9_conn_drop(c);
}

/* TCP tells nobody; a token does, later. */
static int
who_is_it(struct p9_conn *c)
{
	struct p9_peer *w = &c->peer;
	const struct p9_conf *conf = &c->p9->conf;
	struct ucred cred;
	socklen_t n = sizeof cred;
	int domain = 0;
	socklen_t dn = sizeof domain;

	if (getsockopt(c->fd, SOL_SOCKET, SO_DOMAIN, &domain, &dn) < 0)
		return vfs_err_from_os(errno);
	if ((w->tcp = c->stranger = domain != AF_UNIX))
		return 0;
	if (getsockopt(c->fd, SOL_SOCKET, SO_PEERCRED, &cred, &n) < 0)
		return vfs_err_from_os(errno);
	w->uid = cred.uid;
	w->gid = cred.gid;
	w->pid = (uint32_t)cred.pid;
	w->anybody = cred.uid == 0;
	n = sizeof w->groups;
	if (getsockopt(c->fd, SOL_SOCKET, SO_PEERGROUPS, w->groups, &n) == 0)
		w->ngroups = n / sizeof w->groups[0];
	return conf->others || w->uid == 0 || w->uid == conf->owner ? 0 :
	    p9_refused(c, -VFS_ACCESS);
}

/* p->lock is held: how many have shown no token yet, of those who need
 * one. */
static unsigned
strangers(struct p9 *p)
{
	unsigned i, n = 0;

	for (i = 0; i < P9_CONNS_MAX; i++)
		n += p->conn[i] != NULL && p->conn[i]->stranger &&
		    !atomic_load(&p->conn[i]->attached);
	return n;
}

/* A place in the table, which has a reference too. */
static int
enter(struct p9 *p, struct p9_conn *c)
{
	struct epoll_event ev = { .events = EPOLLONESHOT };
	unsigned i;
	int err = -VFS_BUSY;

	pthread_mutex_lock(&p->lock);
	for (i = 0; i < P9_CONNS_MAX; i++)
		if (p->conn[i] == NULL)
			break;
	if (c->stranger && strangers(p) >= P9_STRANGERS_MAX)
		i = P9_CONNS_MAX;
	if (i < P9_CONNS_MAX) {
		c->key = (atomic_fetch_add(&p->serial, 1) + 1) *
		    P9_CONNS_MAX + i;
		ev.data.u64 = c->key;
		err = p->conf.no_threads || epoll_ctl(p->epfd, EPOLL_CTL_ADD,
		    c->fd, &ev) == 0 ? 0 : vfs_err_from_os(errno);
	}
	if (err == 0)
		p->conn[i] = p9_conn_hold(c);
	pthread_mutex_unlock(&p->lock);
	return err;
}

int
p9_conn_new(struct p9 *p, int fd, struct p9_conn **out)
{
	struct p9_conn *c = calloc(1, sizeof *c);
	int err;

	if (c == NULL) {
		close(fd);
		return -VFS_NOMEM;
	}
	c->p9 = p;
	c->fd = fd;
	c->refs = 1;
	c->msize = P9_MSIZE_MIN;
	c->born_ms = clock_ms();
	pthread_mutex_init(&c->lock, NULL);
	if ((err = who_is_it(c)) < 0 || (err = enter(p, c)) < 0) {
		atomic_fetch_add(&p->refused, 1);
		p9_conn_drop(c);
		return err;
	}
	p9_look(p, c->born_ms + p->stall_ms);
	p9_conn_arm(c);
	*out = c;
	return 0;
}
