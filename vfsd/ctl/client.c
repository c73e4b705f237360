#include <errno.h>
#include <poll.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/time.h>
#include <unistd.h>

#include "ctl.h"

#define WAIT_MS	30000			/* for a daemon that says nothing */

static int
send_all(int fd, const uint8_t *p, size_t n)
{
	ssize_t k;

	while (n > 0) {
		k = send(fd, p, n, MSG_NOSIGNAL);
		if (k < 0 && errno == EINTR)
			continue;
		if (k < 0)
			return errno == EPIPE || errno == ECONNRESET ?
			    -VFS_SESSION_CLOSED : errno == EAGAIN ?
			    -VFS_DEADLINE : vfs_err_from_os(errno);
		p += k;
		n -= (size_t)k;
	}
	return 0;
}

static int
recv_all(int fd, uint8_t *p, size_t n)
{
	struct pollfd pf = { .fd = fd, .events = POLLIN };
	ssize_t k;

	while (n > 0) {
		k = poll(&pf, 1, WAIT_MS);
		if (k == 0)
			return -VFS_DEADLINE;
		if (k > 0)
			k = recv(fd, p, n, 0);
		else
			k = -1;
		if (k == 0)
			return -VFS_SESSION_CLOSED;
		if (k < 0 && errno == EINTR)
			continue;
		if (k < 0)
			return vfs_err_from_os(errno);
		p += k;
		n -= (size_t)k;
	}
	return 0;
}

/* A notification: the end of our session, or of the connection. */
static int
farewell(const struct proto_hdr *h, const uint8_t *msg)
{
	struct rbuf b;
	uint32_t why;

	if ((h->op != PROTO_N_SHUTDOWN && h->op != PROTO_N_REVOKED) ||
	    proto_body(h, msg, &b) < 0)
		return -VFS_MALFORMED;
	if (h->op == PROTO_N_REVOKED)
		(void)rbuf_u32(&b);	/* which session: there is one */
	why = rbuf_u32(&b);
	return why == 0 || why > 1000 ? -VFS_SESSION_CLOSED : -(int)why;
}

/* The next message; of notifications only N_CHANGED. */
static int
message(struct ctl *k, struct proto_hdr *h)
{
	int err;

	if ((err = recv_all(k->fd, k->msg, PROTO_HDR)) < 0 ||
	    (err = proto_hdr_decode(k->msg, PROTO_HDR, VFS_MSG_MAX, h)) < 0)
		return err;
	err = recv_all(k->fd, k->msg + PROTO_HDR, h->len - PROTO_HDR);
	if (err < 0)
		return err;
	if (h->op == PROTO_N_CHANGED)
		k->changed = true;
	else if (h->op >= 0x4000 && h->op < PROTO_REPLY)
		return farewell(h, k->msg);
	return 0;
}

static int
receive(struct ctl *k, enum vfs_op op, void *r)
{
	struct proto_hdr h;
	struct rbuf b;
	int err;

	do {
		if ((err = message(k, &h)) < 0)
			return err;
	} while (h.op == PROTO_N_CHANGED);
	if (h.op != (proto_ops[op].number | PROTO_REPLY) ||
	    h.req_id != k->req_id)
		return -VFS_MALFORMED;
	if ((err = proto_body(&h, k->msg, &b)) < 0)
		return err;
	if (h.status == 0)
		return proto_reply_decode(op, &b, r);
	if ((err = proto_error_decode(&b, &k->error)) < 0)
		return err;
	return h.status > 1000 ? -VFS_IO : -(int)h.status;
}

int
ctl_call(struct ctl *k, enum vfs_op op, const void *q, void *r)
{
	struct proto_hdr h = { .req_id = ++k->req_id, .prio = 4,
		.credits = 1 };
	int err;

	err = proto_request_encode(op, q, &h, k->msg, VFS_MSG_MAX);
	if (err == 0 && k->tx != 0)
		err = proto_ext_tx(&h, k->msg, VFS_MSG_MAX, k->tx);
	if (err == 0)
		err = send_all(k->fd, k->msg, h.len);
	if (err == 0 || err == -VFS_SESSION_CLOSED)
		err = receive(k, op, r);
	return err;
}

int
ctl_wait(struct ctl *k, int fd, int ms)
{
	struct pollfd pf[2] = { { .fd = k->fd, .events = POLLIN },
		{ .fd = fd, .events = POLLIN } };
	struct proto_hdr h;
	int err;

	if (poll(pf, 2, ms) < 0)
		return errno == EINTR ? 0 : vfs_err_from_os(errno);
	if (pf[1].revents != 0 || pf[0].revents == 0)
		return 0;
	if ((err = message(k, &h)) < 0)
		return err;
	return h.op == PROTO_N_CHANGED ? 1 : -VFS_MALFORMED;
}

int
ctl_open(struct ctl *k, const struct addr *a)
{
	struct vfs_hello q = { .magic = PROTO_MAGIC,
		.version_min = PROTO_VERSION, .version_max = PROTO_VERSION,
		.max_msg = VFS_MSG_MAX, .client = { "vfsctl", 6 } };
	struct timeval tv = { .tv_sec = WAIT_MS / 1000 };
	struct vfs_hello_reply r;
	int err;

	memset(k, 0, sizeof *k);
	if ((k->fd = addr_connect(a->store, a->user)) < 0)
		return k->fd;
	setsockopt(k->fd, SOL_SOCKET, SO_SNDTIMEO, &tv, sizeof tv);
	k->msg = malloc(VFS_MSG_MAX);
	err = k->msg == NULL ? -VFS_NOMEM
	    : ctl_call(k, VFS_OP_HELLO, &q, &r);
	if (err < 0)
		ctl_close(k);
	return err;
}

void
ctl_close(struct ctl *k)
{
	if (k->fd >= 0)
		close(k->fd);
	free(k->msg);
	memset(k, 0, sizeof *k);
	k->fd = -1;
}
