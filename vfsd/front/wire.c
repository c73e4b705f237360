#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/eventfd.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <time.h>
#include <unistd.h>

#include "../addr.h"
#include "../engine/engine.h"
#include "../tx.h"
#include "wire_in.h"

#define IN_START	4096u

static uint64_t
now_ms(void)
{
	struct timespec ts;

	clock_gettime(CLOCK_MONOTONIC, &ts);
	return (uint64_t)ts.tv_sec * 1000 + (uint64_t)ts.tv_nsec / 1000000;
}

/* --- peers ---------------------------------------------------------- */

static void
conn_close(struct wire *w, struct wire_conn *c)
{
	tx_abort_all(w->conf.server, wire_owner(c));
	close(c->fd);
	free(c->in);
	free(c->out);
	memset(c, 0, sizeof *c);
	c->fd = -1;
}

/* Keep what the socket does not take now. */
static bool
out_keep(struct wire_conn *c, const uint8_t *p, size_t n)
{
	uint8_t *q;
	size_t cap;

	if (c->out_at > 0) {
		memmove(c->out, c->out + c->out_at, c->out_n - c->out_at);
		c->out_n -= c->out_at;
		c->out_at = 0;
	}
	if (n > c->out_cap - c->out_n) {
		cap = c->out_n + n;
		if ((q = realloc(c->out, cap)) == NULL)
			return false;
		c->out = q;
		c->out_cap = cap;
	}
	memcpy(c->out + c->out_n, p, n);
	c->out_n += n;
	return true;
}

static bool
again(void)
{
	return errno == EAGAIN || errno == EINTR;
}

static bool
out_flush(struct wire_conn *c)
{
	ssize_t k;

	while (c->out_at < c->out_n) {
		k = send(c->fd, c->out + c->out_at, c->out_n - c->out_at,
		    MSG_NOSIGNAL | MSG_DONTWAIT);
		if (k < 0)
			return again();
		c->out_at += (size_t)k;
	}
	free(c->out);			/* idle peers cost nothing */
	c->out = NULL;
	c->out_cap = c->out_n = c->out_at = 0;
	return true;
}

static bool
conn_send(struct wire_conn *c, const uint8_t *p, size_t n)
{
	ssize_t k = 0;

	if (c->out_n == c->out_at) {
		k = send(c->fd, p, n, MSG_NOSIGNAL | MSG_DONTWAIT);
		if (k < 0 && !again())
			return false;
		if (k < 0)
			k = 0;
	}
	return (size_t)k == n || out_keep(c, p + k, n - (size_t)k);
}

/* A header that cannot be trusted ends the stream: say so, and why. */
static bool
shutdown_peer(struct wire *w, struct wire_conn *c, int err)
{
	uint8_t msg[PROTO_HDR + 8];
	struct proto_hdr h = { .len = sizeof msg, .op = PROTO_N_SHUTDOWN };
	struct wbuf b;

	w->bad++;
	proto_hdr_encode(&h, msg);
	wbuf_init(&b, msg, sizeof msg, PROTO_HDR, 8);
	wbuf_u32(&b, (uint32_t)-err);
	wbuf_u32(&b, 0);
	c->ending = true;
	c->in_n = 0;
	return conn_send(c, msg, sizeof msg);
}

/* One whole message is in; the first h->len bytes of c->in. */
static bool
answer(struct wire *w, struct wire_conn *c, const struct proto_hdr *h)
{
	size_t n;

	if (h->op >= 0x4000)		/* not a request: nothing to answer */
		return shutdown_peer(w, c, -VFS_MALFORMED);
	n = wire_serve(w, c, h, c->in);
	w->served++;
	return conn_send(c, w->msg, n);
}

/* Answer what is complete, as long as the peer takes its replies. */
static bool
consume(struct wire *w, struct wire_conn *c)
{
	struct proto_hdr h;
	uint8_t *p;

	while (c->in_n >= PROTO_HDR && !c->ending &&
	    c->out_n - c->out_at < WIRE_OUT_MAX) {
		if (proto_hdr_decode(c->in, c->in_n, VFS_MSG_MAX, &h) < 0)
			return shutdown_peer(w, c, -VFS_MALFORMED);
		if (h.len > c->in_cap) {
			if ((p = realloc(c->in, h.len)) == NULL)
				return false;
			c->in = p;
			c->in_cap = h.len;
		}
		if (c->in_n < h.len)
			break;
		if (!answer(w, c, &h))
			return false;
		if (c->ending)
			break;
		memmove(c->in, c->in + h.len, c->in_n - h.len);
		c->in_n -= h.len;
		c->since_ms = now_ms();
	}
	return true;
}

static bool
conn_read(struct wire *w, struct wire_conn *c)
{
	ssize_t k;

	if (c->in == NULL) {
		if ((c->in = malloc(IN_START)) == NULL)
			return false;
		c->in_cap = IN_START;
	}
	if (c->in_n == c->in_cap)	/* waits for the peer to read */
		return true;
	k = recv(c->fd, c->in + c->in_n, c->in_cap - c->in_n, MSG_DONTWAIT);
	if (k == 0)
		return false;
	if (k < 0)
		return again();
	if (c->in_n == 0)
		c->since_ms = now_ms();
	c->in_n += (size_t)k;
	return consume(w, c);
}

/* The rest of a message that does not come, replies nobody reads. */
static bool
stalled(const struct wire_conn *c, uint64_t now)
{
	return (c->in_n > 0 || c->ending || c->out_n > c->out_at) &&
	    c->since_ms + WIRE_STALL_MS < now;	/* now may be older */
}

static void
conn_serve(struct wire *w, struct wire_conn *c, int revents, uint64_t now)
{
	size_t left = c->out_n - c->out_at;
	bool ok = true;

	if ((revents & POLLOUT) != 0) {
		ok = out_flush(c);
		if (c->out_n - c->out_at < left)
			c->since_ms = now;
		ok = ok && consume(w, c);
	}
	if (ok && (revents & (POLLIN | POLLHUP | POLLERR)) != 0 && !c->ending)
		ok = conn_read(w, c);
	if (!ok || stalled(c, now) ||
	    (c->ending && (c->out_n == c->out_at || revents & POLLHUP)))
		conn_close(w, c);
}

static bool
peer_known(struct wire *w, struct wire_conn *c)
{
	struct ucred cred;
	socklen_t n = sizeof cred;

	if (getsockopt(c->fd, SOL_SOCKET, SO_PEERCRED, &cred, &n) < 0)
		return false;
	c->uid = cred.uid;
	c->gid = cred.gid;
	c->pid = cred.pid;
	n = sizeof c->groups;
	if (getsockopt(c->fd, SOL_SOCKET, SO_PEERGROUPS, c->groups, &n) == 0)
		c->ngroups = n / sizeof c->groups[0];
	return c->uid == 0 || c->uid == w->owner;
}

static void
accept_peer(struct wire *w)
{
	struct wire_conn one = { .fd = -1, .max_msg = VFS_MSG_MAX,
		.serial = ++w->peers }, *c = NULL;
	size_t i;

	one.fd = accept4(w->listen_fd, NULL, NULL,
	    SOCK_CLOEXEC | SOCK_NONBLOCK);
	if (one.fd < 0)
		return;
	for (i = 0; i < WIRE_CONNS_MAX && c == NULL; i++)
		if (w->conns[i].fd < 0)
			c = &w->conns[i];
	one.since_ms = now_ms();
	if (c != NULL && peer_known(w, &one)) {
		*c = one;
		return;
	}
	w->refused++;
	shutdown_peer(w, &one, c == NULL ? -VFS_BUSY : -VFS_ACCESS);
	conn_close(w, &one);
}

/* --- the loop ------------------------------------------------------- */

static short
wanted(const struct wire_conn *c)
{
	short ev = 0;

	if (c->out_n > c->out_at)
		ev |= POLLOUT;
	if (!c->ending && c->out_n - c->out_at < WIRE_OUT_MAX)
		ev |= POLLIN;
	return ev;
}

static void *
loop(void *arg)
{
	struct wire *w = arg;
	struct pollfd p[WIRE_CONNS_MAX + 2];
	uint64_t now;
	size_t i;

	for (;;) {
		p[0] = (struct pollfd){ .fd = w->wake_fd, .events = POLLIN };
		p[1] = (struct pollfd){ .fd = w->listen_fd, .events = POLLIN };
		for (i = 0; i < WIRE_CONNS_MAX; i++)
			p[i + 2] = (struct pollfd){ .fd = w->conns[i].fd,
				.events = wanted(&w->conns[i]) };
		if (poll(p, WIRE_CONNS_MAX + 2, 1000) < 0 && errno != EINTR)
			break;
		if (p[0].revents != 0)
			break;
		now = now_ms();
		tx_expire(w->conf.server, now);
		for (i = 0; i < WIRE_CONNS_MAX; i++)
			if (w->conns[i].fd >= 0)
				conn_serve(w, &w->conns[i], p[i + 2].revents,
				    now);
		if (p[1].revents != 0)
			accept_peer(w);
	}
	return NULL;
}

/* --- start and end -------------------------------------------------- */

/* The socket's address through the directory's descriptor: a path of any
 * length fits. */
static void
address(int dirfd, struct sockaddr_un *sa)
{
	memset(sa, 0, sizeof *sa);
	sa->sun_family = AF_UNIX;
	snprintf(sa->sun_path, sizeof sa->sun_path, "/proc/self/fd/%d/%s",
	    dirfd, WIRE_SOCK);
}

static int
listen_at(struct wire *w)
{
	struct sockaddr_un sa;
	socklen_t n = sizeof sa;
	struct stat st;

	if (fstat(w->conf.store_dirfd, &st) < 0)
		return vfs_err_from_os(errno);
	w->owner = st.st_uid;
	w->listen_fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC |
	    SOCK_NONBLOCK, 0);
	if (w->listen_fd < 0)
		return vfs_err_from_os(errno);
	if (!w->conf.no_file && unlinkat(w->conf.store_dirfd, WIRE_SOCK,
	    0) < 0 && errno != ENOENT)
		return vfs_err_from_os(errno);
	if (w->conf.no_file)
		n = (socklen_t)addr_abstract(w->conf.store_dirfd, &sa);
	else
		address(w->conf.store_dirfd, &sa);
	fchmod(w->listen_fd, 0600);
	if (bind(w->listen_fd, (struct sockaddr *)&sa, n) < 0 ||
	    listen(w->listen_fd, 16) < 0)
		return vfs_err_from_os(errno);
	return 0;
}

/* Signals are for the program's own threads. */
static int
start_thread(struct wire *w)
{
	sigset_t all, old;
	int os;

	sigfillset(&all);
	pthread_sigmask(SIG_SETMASK, &all, &old);
	os = pthread_create(&w->thread, NULL, loop, w);
	pthread_sigmask(SIG_SETMASK, &old, NULL);
	w->started = os == 0;
	return os == 0 ? 0 : vfs_err_from_os(os);
}

static int
buffers(struct wire *w)
{
	w->msg = malloc(VFS_MSG_MAX);
	w->room = malloc(WIRE_ROOMS * (size_t)VFS_IO_MAX);
	w->list = malloc(WIRE_LIST_MAX);
	w->status = malloc(sizeof *w->status);
	return w->msg == NULL || w->room == NULL || w->list == NULL ||
	    w->status == NULL ? -VFS_NOMEM : 0;
}

int
wire_start(const struct wire_conf *conf, struct wire **out)
{
	struct wire *w = calloc(1, sizeof *w);
	size_t i;
	int err;

	if (w == NULL)
		return -VFS_NOMEM;
	w->conf = *conf;
	w->listen_fd = w->wake_fd = -1;
	for (i = 0; i < WIRE_CONNS_MAX; i++)
		w->conns[i].fd = -1;
	w->trace = (uint64_t)time(NULL) << 24;
	if ((err = buffers(w)) < 0)
		goto out;
	w->wake_fd = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);
	if (w->wake_fd < 0) {
		err = vfs_err_from_os(errno);
		goto out;
	}
	if ((err = wire_check_start(&w->check,
	    server_engine(conf->server))) < 0 ||
	    (err = listen_at(w)) < 0 || (err = start_thread(w)) < 0)
		goto out;
	*out = w;
	w = NULL;
out:
	wire_stop(w);
	return err;
}

void
wire_stop(struct wire *w)
{
	uint64_t one = 1;
	size_t i;

	if (w == NULL)
		return;
	if (w->started) {
		while (write(w->wake_fd, &one, sizeof one) < 0 &&
		    errno == EINTR)
			;
		pthread_join(w->thread, NULL);
		if (!w->conf.no_file)
			unlinkat(w->conf.store_dirfd, WIRE_SOCK, 0);
	}
	wire_check_stop(&w->check);
	for (i = 0; i < WIRE_CONNS_MAX; i++)
		if (w->conns[i].fd >= 0)
			conn_close(w, &w->conns[i]);
	if (w->listen_fd >= 0)
		close(w->listen_fd);
	if (w->wake_fd >= 0)
		close(w->wake_fd);
	free(w->msg);
	free(w->room);
	free(w->list);
	free(w->status);
	free(w);
}
