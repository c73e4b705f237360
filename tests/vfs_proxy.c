#include <poll.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

#include "vfs_proxy.h"

static void
must(int ok)
{
	if (!ok)
		abort();
}

static int
unix_socket(const char *dir, const char *name, bool listening)
{
	struct sockaddr_un sa = { .sun_family = AF_UNIX };
	int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);

	must(fd >= 0);
	snprintf(sa.sun_path, sizeof sa.sun_path, "%.80s/%.20s", dir, name);
	if (listening)
		must(bind(fd, (void *)&sa, sizeof sa) == 0 &&
		    listen(fd, 8) == 0);
	else if (connect(fd, (void *)&sa, sizeof sa) != 0) {
		close(fd);
		return -1;
	}
	return fd;
}

static bool
all(int fd, uint8_t *p, size_t n, bool out)
{
	ssize_t k;

	for (; n > 0; p += k, n -= (size_t)k) {
		k = out ? send(fd, p, n, MSG_NOSIGNAL) : recv(fd, p, n, 0);
		if (k <= 0)
			return false;
	}
	return true;
}

/* One message; its length, 0 at the end. */
static size_t
take(int fd, uint8_t *buf, struct proto_hdr *h)
{
	if (!all(fd, buf, PROTO_HDR, false) ||
	    proto_hdr_decode(buf, PROTO_HDR, VFS_MSG_MAX, h) < 0 ||
	    !all(fd, buf + PROTO_HDR, h->len - PROTO_HDR, false))
		return 0;
	return h->len;
}

/* Is it the one?  Then once only. */
static enum proxy_loses
chosen(struct proxy *p, const struct proto_hdr *h)
{
	enum proxy_loses l = p->loses;

	if (l == PROXY_NOTHING || h->op != p->op)
		return PROXY_NOTHING;
	p->loses = PROXY_NOTHING;
	p->lost++;
	return l;
}

/* A request; false: the connection has to end. */
static bool
forward(struct proxy *p, int client, int *server, uint8_t *buf)
{
	struct proto_hdr h, r;
	size_t n = take(client, buf, &h);

	if (n == 0)
		return false;
	switch (chosen(p, &h)) {
	case PROXY_NOTHING:
		return all(*server, buf, n, true);
	case PROXY_REPLY:
		must(all(*server, buf, n, true));
		while (take(*server, buf, &r) > 0 && r.req_id != h.req_id)
			;
		return false;
	case PROXY_LATE:
		p->late_fd = *server;
		*server = -1;
		p->late = malloc(n);
		memcpy(p->late, buf, n);
		p->late_n = n;
		return false;
	default:
		return false;
	}
}

static void
relay(struct proxy *p, int client, int server, uint8_t *buf)
{
	struct pollfd pf[2] = { { .fd = client, .events = POLLIN },
		{ .fd = server, .events = POLLIN } };
	struct proto_hdr h;
	bool ok = true;
	size_t n;

	while (ok && poll(pf, 2, -1) > 0) {
		if (pf[0].revents != 0)
			ok = forward(p, client, &server, buf);
		if (ok && pf[1].revents != 0)
			ok = (n = take(server, buf, &h)) > 0 &&
			    all(client, buf, n, true);
	}
	close(client);
	if (server >= 0)
		close(server);
}

static void *
run(void *arg)
{
	uint8_t *buf = malloc(VFS_MSG_MAX);
	struct proxy *p = arg;
	int client, server;

	while ((client = accept(p->listen_fd, NULL, NULL)) >= 0) {
		server = unix_socket(p->dir, "sock", false);
		if (server < 0)
			close(client);
		else
			relay(p, client, server, buf);
	}
	free(buf);
	return NULL;
}

void
proxy_open(struct proxy *p, const char *dir)
{
	memset(p, 0, sizeof *p);
	p->late_fd = -1;
	snprintf(p->dir, sizeof p->dir, "%s", dir);
	snprintf(p->where, sizeof p->where, "unix:%s/proxy", p->dir);
	p->listen_fd = unix_socket(dir, "proxy", true);
	must(pthread_create(&p->thread, NULL, run, p) == 0);
}

void
proxy_close(struct proxy *p)
{
	shutdown(p->listen_fd, SHUT_RDWR);
	pthread_join(p->thread, NULL);
	close(p->listen_fd);
	if (p->late_fd >= 0)
		close(p->late_fd);
	free(p->late);
}

void
proxy_lose(struct proxy *p, enum proxy_loses loses, enum vfs_op op)
{
	p->op = proto_ops[op].number;
	p->loses = loses;
}

int
proxy_late(struct proxy *p)
{
	uint8_t *buf = malloc(VFS_MSG_MAX);
	struct proto_hdr h;
	int err;

	must(all(p->late_fd, p->late, p->late_n, true));
	must(take(p->late_fd, buf, &h) > 0);
	err = -(int)h.status;
	free(buf);
	return err;
}
