/* The front's threads: messages in. */
#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/eventfd.h>
#include <sys/socket.h>
#include <unistd.h>

#include "../core/le.h"
#include "../engine/engine.h"
#include "p9_in.h"
#include "quiet.h"

#define KEY_WAKE	UINT64_MAX
#define KEY_LISTEN	(UINT64_MAX - P9_LISTEN_MAX)	/* and up */
#define REST_MS		1		/* for the rest of a message ... */
#define REST_BYTES	4096u		/* ... if so much has come meanwhile */

/* --- one message -------------------------------------------------------- */

/* 1: all of it is there; 0: not yet; -1: the peer is gone. */
static int
take(struct p9_conn *c, uint8_t *p, size_t want, size_t *have)
{
	struct pollfd pfd = { .fd = c->fd, .events = POLLIN };
	ssize_t k;

	while (*have < want) {
		k = recv(c->fd, p + *have, want - *have, MSG_DONTWAIT);
		if (k > 0) {
			*have += (size_t)k;
			continue;
		}
		if (k < 0 && errno == EINTR)
			continue;
		if (k == 0 || errno != EAGAIN)
			return -1;
		/* Who sends byte by byte keeps no thread. */
		if (*have == 0 || *have < c->rest_at)
			return 0;
		c->rest_at = *have + REST_BYTES;
		if (poll(&pfd, 1, REST_MS) <= 0)
			return 0;
	}
	return 1;
}

static int
take_size(struct p9_conn *c)
{
	uint32_t size;
	int rc = take(c, c->head, sizeof c->head, &c->in_n);

	if (rc != 1)
		return rc;
	size = le_get32(c->head);
	if (size < P9_HDR || size > atomic_load(&c->msize) ||
	    (c->in = p9_req_new(c, size)) == NULL) {
		atomic_fetch_add(&c->p9->malformed, 1);
		return -1;
	}
	memcpy(c->in->p, c->head, sizeof c->head);
	return 1;
}

static int
take_message(struct p9_conn *c, struct p9_req **out)
{
	int rc;

	if (c->in == NULL && (rc = take_size(c)) != 1)
		return rc;
	if ((rc = take(c, c->in->p, c->in->n, &c->in_n)) != 1)
		return rc;
	*out = c->in;
	c->in = NULL;
	c->in_n = 0;
	c->rest_at = 0;
	return 1;
}

/* The lock is held. */
static void
note_partial(struct p9_conn *c, bool partial)
{
	if (!partial) {
		c->partial_ms = 0;
	} else if (c->partial_ms == 0) {
		c->partial_ms = clock_ms();
		p9_look(c->p9, c->partial_ms + c->p9->stall_ms);
	}
}

/* This thread reads from c until it has a message or there is no more. */
static void
read_one(struct p9_conn *c, uint8_t *out)
{
	struct p9_req *q = NULL;
	int rc = take_message(c, &q);

	pthread_mutex_lock(&c->lock);
	c->reading = false;
	note_partial(c, rc == 0 && c->in_n > 0);
	if (rc == 1)
		c->busy++;
	pthread_mutex_unlock(&c->lock);
	if (rc < 0)
		p9_conn_kill(c);
	if (rc != 1)
		return;
	p9_begin(q);
	p9_conn_arm(c);			/* others may have the next one */
	p9_serve(q, out);
	pthread_mutex_lock(&c->lock);
	c->busy--;
	pthread_mutex_unlock(&c->lock);
}

/* --- events ------------------------------------------------------------- */

static struct p9_conn *
conn_of(struct p9 *p, uint64_t key)
{
	struct p9_conn *c;

	pthread_mutex_lock(&p->lock);
	c = p->conn[key % P9_CONNS_MAX];
	if (c != NULL && c->key == key)
		p9_conn_hold(c);
	else
		c = NULL;
	pthread_mutex_unlock(&p->lock);
	return c;
}

static void
conn_event(struct p9 *p, uint64_t key, uint32_t events, uint8_t *out)
{
	struct p9_conn *c = conn_of(p, key);
	bool read = false, ok = true;

	if (c == NULL)
		return;
	pthread_mutex_lock(&c->lock);
	c->armed = 0;
	if (c->version != NULL)		/* nothing is read beside it */
		ok = (events & (EPOLLHUP | EPOLLERR)) == 0;
	else if ((events & ~(uint32_t)EPOLLOUT) != 0 && !c->reading)
		read = c->reading = true;
	pthread_mutex_unlock(&c->lock);
	if (ok && (events & EPOLLOUT) != 0)
		ok = p9_conn_flush(c);
	if (!ok)
		p9_conn_kill(c);
	if (read)
		read_one(c, out);
	p9_conn_arm(c);
	p9_conn_drop(c);
}

static void
accept_one(struct p9 *p, unsigned i)
{
	struct p9_conn *c;
	int fd = accept4(p->listen[i], NULL, NULL,
	    SOCK_CLOEXEC | SOCK_NONBLOCK);

	if (fd >= 0 && p9_conn_new(p, fd, &c) == 0)
		p9_conn_drop(c);
}

void *
p9_loop(void *arg)
{
	struct p9 *p = arg;
	uint8_t *out = malloc(P9_OUT);
	struct epoll_event ev;

	while (out != NULL) {
		int n = epoll_wait(p->epfd, &ev, 1, p9_patience(p));

		if (atomic_load(&p->stopping))
			break;
		p9_end_stalled(p);
		if (n != 1)
			continue;
		if (ev.data.u64 >= KEY_LISTEN)
			accept_one(p, (unsigned)(ev.data.u64 - KEY_LISTEN));
		else
			conn_event(p, ev.data.u64, ev.events, out);
	}
	free(out);
	return NULL;
}

/* --- start and end ------------------------------------------------------ */

static int
watch(struct p9 *p, int fd, uint64_t key, uint32_t how)
{
	struct epoll_event ev = { .events = EPOLLIN | how,
	    .data.u64 = key };

	return epoll_ctl(p->epfd, EPOLL_CTL_ADD, fd, &ev) < 0 ?
	    vfs_err_from_os(errno) : 0;
}

static int
start_threads(struct p9 *p)
{
	int os = 0;

	while (os == 0 && p->nthreads < P9_THREADS) {
		os = quiet_create(&p->thread[p->nthreads], p9_loop, p);
		if (os == 0)
			p->nthreads++;
	}
	return os == 0 ? 0 : vfs_err_from_os(os);
}

static int
open_fds(struct p9 *p)
{
	p->epfd = epoll_create1(EPOLL_CLOEXEC);
	p->wake_fd = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);
	if (p->epfd < 0 || p->wake_fd < 0)
		return vfs_err_from_os(errno);
	return watch(p, p->wake_fd, KEY_WAKE, 0);
}

static uint64_t
fsid_of(struct server *s)
{
	struct engine_status *st = malloc(sizeof *st);
	uint64_t id = 0;

	if (st == NULL)
		return 0;
	engine_status(server_engine(s), st);
	id = le_get64(st->uuid);
	free(st);
	return id;
}

int
p9_start(const struct p9_conf *conf, struct p9 **out)
{
	struct p9 *p = calloc(1, sizeof *p);
	int err;

	if (p == NULL)
		return -VFS_NOMEM;
	p->conf = *conf;
	p->epfd = p->wake_fd = -1;
	p->look_ms = P9_NEVER;
	p->stall_ms = conf->stall_ms != 0 ? conf->stall_ms : VFS_STALL_MS;
	p->fsid = fsid_of(conf->server);
	pthread_mutex_init(&p->lock, NULL);
	p->locks = server_locks(conf->server);
	if (conf->sessions == NULL) {
		if ((err = sessions_new(conf->server, conf->owner,
		    conf->others, &p->own_sessions)) < 0)
			goto out;
		p->conf.sessions = p->own_sessions;
	}
	if ((err = open_fds(p)) < 0 ||
	    (!conf->no_threads && (err = start_threads(p)) < 0))
		goto out;
	*out = p;
	p = NULL;
out:
	p9_stop(p);
	return err;
}

int
p9_listen(struct p9 *p, int fd)
{
	int err = -VFS_BUSY;

	fcntl(fd, F_SETFL, fcntl(fd, F_GETFL) | O_NONBLOCK);
	pthread_mutex_lock(&p->lock);
	if (p->nlisten < P9_LISTEN_MAX) {
		p->listen[p->nlisten] = fd;
		err = watch(p, fd, KEY_LISTEN + p->nlisten, EPOLLEXCLUSIVE);
		if (err == 0)
			p->nlisten++;
	}
	pthread_mutex_unlock(&p->lock);
	return err;
}

int
p9_adopt(struct p9 *p, int fd)
{
	struct p9_conn *c;
	int err;

	fcntl(fd, F_SETFL, fcntl(fd, F_GETFL) | O_NONBLOCK);
	if ((err = p9_conn_new(p, fd, &c)) == 0)
		p9_conn_drop(c);
	return err;
}

static void
kill_all(struct p9 *p)
{
	struct p9_conn *c;
	unsigned i;

	for (i = 0; i < P9_CONNS_MAX; i++) {
		pthread_mutex_lock(&p->lock);
		if ((c = p->conn[i]) != NULL)
			p9_conn_hold(c);
		pthread_mutex_unlock(&p->lock);
		if (c == NULL)
			continue;
		p9_conn_kill(c);
		p9_conn_drop(c);
	}
}

void
p9_stop(struct p9 *p)
{
	uint64_t one = 1;
	unsigned i;

	if (p == NULL)
		return;
	atomic_store(&p->stopping, true);
	while (p->wake_fd >= 0 && write(p->wake_fd, &one, sizeof one) < 0 &&
	    errno == EINTR)
		;
	for (i = 0; i < p->nthreads; i++)
		pthread_join(p->thread[i], NULL);
	kill_all(p);
	while (atomic_load(&p->late) > 0)
		usleep(1000);		/* flushes under way end by themselves */
	sessions_free(p->own_sessions);
	pthread_mutex_destroy(&p->lock);
	if (p->epfd >= 0)
		close(p->epfd);
	if (p->wake_fd >= 0)
		close(p->wake_fd);
	free(p);
}

void
p9_stats(struct p9 *p, struct p9_stats *out)
{
	unsigned i;

	*out = (struct p9_stats){
		.fids = atomic_load(&p->fids),
		.messages = atomic_load(&p->messages),
		.errors = atomic_load(&p->errors),
		.refused = atomic_load(&p->refused),
		.malformed = atomic_load(&p->malformed),
		.stalled = atomic_load(&p->stalled),
	};
	pthread_mutex_lock(&p->lock);
	for (i = 0; i < P9_CONNS_MAX; i++)
		out->conns += p->conn[i] != NULL;
	pthread_mutex_unlock(&p->lock);
}
