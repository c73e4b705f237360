/*
 * link_stream.c - messages over a stream that tells their length first
 *
 * Small messages share a buffer and are copied out; the bytes of a large
 * one go where its taker will have them.
 */
#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/socket.h>
#include <unistd.h>

#include "../../protocol/hdr.h"
#include "../../protocol/ring.h"
#include "../core/le.h"
#include "closer.h"
#include "link_bytes.h"

#define IN_BYTES	16384u		/* read at once */
#define FDS_KEPT	4u		/* descriptors nobody has taken */
#define HEARD_MAX	4u		/* reads of bells at once */
#define FDS_SENT_MAX	253u		/* at once: SCM_MAX_FD of Linux */

struct stream {
	struct link link;
	const struct link_frame *frame;
	int fd;
	bool passes;			/* descriptors may come */
	/* receiving */
	uint8_t *in;			/* IN_BYTES, from at to n */
	size_t in_at, in_n;
	uint8_t *big;			/* a message under way */
	size_t big_len, big_n;
	int fds[FDS_KEPT];
	unsigned nfds;
	bool first;			/* nothing has come yet: a unix peer
					 * may ask for a ring */
	struct link *_Atomic ring;	/* then all goes through this */
	/* sending */
	uint8_t *out;
	size_t out_cap, out_at, out_n;
};

static int
vfp_len(const uint8_t *head, uint32_t max, uint32_t *len)
{
	struct proto_hdr h;
	int err;

	if ((err = proto_hdr_decode(head, PROTO_HDR, max, &h)) == 0)
		*len = h.len;
	return err;
}

const struct link_frame link_frame_vfp = { PROTO_HDR, VFS_MSG_MAX, vfp_len };

static struct stream *
stream_of(struct link *l)
{
	return (struct stream *)l;	/* its first member */
}

static bool
again(void)
{
	return errno == EAGAIN || errno == EINTR;
}

static unsigned
stream_fds(struct link *l, bool in, struct link_fd fd[LINK_FDS_MAX])
{
	struct link *ring = stream_of(l)->ring;

	if (ring != NULL)
		return link_bytes_fds(ring, in, fd);
	fd[0].fd = stream_of(l)->fd;
	fd[0].events = (in ? (uint32_t)EPOLLIN : 0) |
	    (l->unsent > 0 ? (uint32_t)EPOLLOUT : 0);
	return 1;
}

/* --- receiving ------------------------------------------------------- */

static void
keep_fds(struct stream *s, struct msghdr *h)
{
	struct cmsghdr *c;
	size_t i, n;
	int fd;

	for (c = CMSG_FIRSTHDR(h); c != NULL; c = CMSG_NXTHDR(h, c)) {
		if (c->cmsg_level != SOL_SOCKET || c->cmsg_type != SCM_RIGHTS)
			continue;
		n = (c->cmsg_len - CMSG_LEN(0)) / sizeof fd;
		for (i = 0; i < n; i++) {
			memcpy(&fd, CMSG_DATA(c) + i * sizeof fd, sizeof fd);
			if (s->nfds < FDS_KEPT)
				s->fds[s->nfds++] = fd;
			else
				closer_take(s->link.closer, fd);
		}
	}
}

/* As recv(2), for ttys and pipes too. */
static ssize_t
take(struct stream *s, void *p, size_t n)
{
	/* The kernel would close here what there is no room for. */
	char room[CMSG_SPACE(sizeof(int) * FDS_SENT_MAX)];
	struct iovec v = { p, n };
	struct msghdr h = { .msg_iov = &v, .msg_iovlen = 1 };
	ssize_t k;

	if (!s->passes)
		return read(s->fd, p, n);
	h.msg_control = room;
	h.msg_controllen = sizeof room;
	k = recvmsg(s->fd, &h, MSG_DONTWAIT | MSG_CMSG_CLOEXEC);
	if (k > 0 && h.msg_controllen > 0)
		keep_fds(s, &h);
	return k;
}

/* One read into p: bytes, 0 if there are none now, or an error. */
static ssize_t
more(struct stream *s, void *p, size_t n)
{
	ssize_t k = take(s, p, n);

	if (k > 0)
		return k;
	if (k == 0)
		return -VFS_SESSION_CLOSED;
	return again() ? 0 : vfs_err_from_os(errno);
}

static int
big_done(struct stream *s, uint8_t **msg, size_t *n)
{
	*msg = s->big;
	*n = s->big_len;
	s->big = NULL;
	return 1;
}

/* A message whose length is known, with what is here of it. */
static int
begin(struct stream *s, uint32_t len, uint8_t **msg, size_t *n)
{
	size_t have = s->in_n - s->in_at;

	if (have > len)
		have = len;
	if ((s->big = malloc(len)) == NULL)
		return -VFS_NOMEM;
	memcpy(s->big, s->in + s->in_at, have);
	s->in_at += have;
	s->big_len = len;
	s->big_n = have;
	return have == len ? big_done(s, msg, n) : 0;
}

/* The next message of those that are here: 1; or begins with it. */
static int
next(struct stream *s, uint8_t **msg, size_t *n)
{
	uint32_t len;
	int err;

	if (s->in_n - s->in_at < s->frame->head)
		return 0;
	err = s->frame->len(s->in + s->in_at, s->link.max_msg, &len);
	if (err < 0)
		return err;
	/* What fits and may be read with the next ones waits here. */
	if (len > s->in_n - s->in_at && len <= IN_BYTES / 4)
		return 0;
	return begin(s, len, msg, n);
}

static int
fill(struct stream *s)
{
	ssize_t k;

	if (s->in == NULL && (s->in = malloc(IN_BYTES)) == NULL)
		return -VFS_NOMEM;
	if (s->in_at > 0) {
		memmove(s->in, s->in + s->in_at, s->in_n - s->in_at);
		s->in_n -= s->in_at;
		s->in_at = 0;
	}
	if ((k = more(s, s->in + s->in_n, IN_BYTES - s->in_n)) <= 0)
		return (int)k;
	s->in_n += (size_t)k;
	return 1;
}

/* The rest of a large message: as long as there is any. */
static int
fill_big(struct stream *s, uint8_t **msg, size_t *n)
{
	ssize_t k;

	do {
		k = more(s, s->big + s->big_n, s->big_len - s->big_n);
		if (k <= 0)
			return (int)k;
		s->big_n += (size_t)k;
	} while (s->big_n < s->big_len);
	return big_done(s, msg, n);
}

/* --- a ring instead ---------------------------------------------------- */

/* Bells, and descriptors that come with them; who rings without end is heard
 * again when others had their turn. */
static int
hear(void *arg)
{
	struct stream *s = arg;
	char some[1024];
	ssize_t k = 1;
	unsigned i;

	for (i = 0; i < HEARD_MAX && k > 0; i++)
		k = more(s, some, sizeof some);
	return k < 0 ? (int)k : 0;
}

/* The first 16 bytes ask for a ring, or are none of ours to look at. */
static int
perhaps_ring(struct stream *s)
{
	size_t have = s->in_n - s->in_at;
	struct link *ring;
	int fd, err;

	if (have < 4 || le_get32(s->in + s->in_at) != RING_MAGIC) {
		s->first = have < 4;
		return 0;
	}
	if (have < LINK_RING_PRE)
		return 0;
	if (have > LINK_RING_PRE)	/* it has to wait for the answer */
		return -VFS_MALFORMED;
	s->first = false;
	fd = s->nfds > 0 ? s->fds[--s->nfds] : -1;
	err = link_ring_new(s->fd, fd, s->in + s->in_at, hear, s, &ring);
	closer_take(s->link.closer, fd);
	if (err < 0)
		return err;
	s->in_at = s->in_n = 0;
	s->link.who.transport = ring->ops->name;
	s->ring = ring;
	return 0;
}

static int
ring_recv(struct stream *s, bool ready, uint8_t **msg, size_t *n)
{
	struct link *ring = s->ring;
	int rc = link_bytes_recv(ring, ready, msg, n);

	s->link.partial = ring->partial;
	s->link.unsent = ring->unsent;
	return rc;
}

static int
receive(struct stream *s, bool ready, uint8_t **msg, size_t *n)
{
	int rc;

	if (s->big != NULL)
		return ready ? fill_big(s, msg, n) : 0;
	if (!s->first && ((rc = next(s, msg, n)) != 0 || s->big != NULL))
		return rc;
	if (!ready)
		return 0;
	if ((rc = fill(s)) <= 0)
		return rc;
	if (s->first && ((rc = perhaps_ring(s)) < 0 || s->ring != NULL))
		return rc;
	return s->first ? 0 : next(s, msg, n);
}

static int
stream_recv(struct link *l, bool ready, uint8_t **msg, size_t *n)
{
	struct stream *s = stream_of(l);
	int rc;

	if (s->ring != NULL)
		return ring_recv(s, ready, msg, n);
	rc = receive(s, ready, msg, n);
	if (s->ring != NULL)		/* what it has put there since */
		return ring_recv(s, false, msg, n);
	l->partial = s->big != NULL || s->in_n > s->in_at;
	return rc;
}

static int
stream_take_fd(struct link *l)
{
	struct stream *s = stream_of(l);
	int fd;

	if (s->nfds == 0 && s->ring != NULL)
		hear(s);		/* it comes before the message */
	if (s->nfds == 0)
		return -1;
	fd = s->fds[0];
	memmove(s->fds, s->fds + 1, --s->nfds * sizeof fd);
	return fd;
}

/* --- sending --------------------------------------------------------- */

/* As send(2) with nothing waited for, for ttys and pipes too. */
static ssize_t
put(struct stream *s, const void *p, size_t n)
{
	ssize_t k = send(s->fd, p, n, MSG_NOSIGNAL | MSG_DONTWAIT);

	if (k < 0 && errno == ENOTSOCK)
		k = write(s->fd, p, n);
	if (k < 0 && again())
		return 0;
	return k < 0 ? -VFS_SESSION_CLOSED : k;
}

static int
keep(struct stream *s, const uint8_t *p, size_t n)
{
	uint8_t *q;
	size_t cap;

	if (s->out_at > 0) {
		memmove(s->out, s->out + s->out_at, s->out_n - s->out_at);
		s->out_n -= s->out_at;
		s->out_at = 0;
	}
	if (n > s->out_cap - s->out_n) {
		cap = s->out_n + n + s->out_cap;
		if ((q = realloc(s->out, cap)) == NULL)
			return -VFS_NOMEM;
		s->out = q;
		s->out_cap = cap;
	}
	memcpy(s->out + s->out_n, p, n);
	s->out_n += n;
	s->link.unsent = s->out_n;
	return 0;
}

static int
stream_send(struct link *l, const void *msg, size_t n)
{
	struct stream *s = stream_of(l);
	struct link *ring = s->ring;
	ssize_t k = 0;
	int err;

	if (ring != NULL) {
		err = link_bytes_send(ring, msg, n);
		l->unsent = ring->unsent;
		return err;
	}
	if (l->unsent == 0 && (k = put(s, msg, n)) < 0)
		return (int)k;
	return (size_t)k == n ? 0 :
	    keep(s, (const uint8_t *)msg + k, n - (size_t)k);
}

static int
stream_flush(struct link *l)
{
	struct stream *s = stream_of(l);
	struct link *ring = s->ring;
	ssize_t k;
	int err;

	if (ring != NULL) {
		err = link_bytes_flush(ring);
		l->unsent = ring->unsent;
		return err;
	}
	while (s->out_at < s->out_n) {
		k = put(s, s->out + s->out_at, s->out_n - s->out_at);
		if (k <= 0)
			return (int)k;
		s->out_at += (size_t)k;
		l->unsent = s->out_n - s->out_at;
	}
	free(s->out);			/* idle peers cost nothing */
	s->out = NULL;
	s->out_cap = s->out_n = s->out_at = 0;
	return 0;
}

/* --- begin and end --------------------------------------------------- */

/* With what was never received the kernel closes what was passed with it;
 * nothing comes any more once it is shut down. */
static void
socket_close(struct stream *s)
{
	char c;

	shutdown(s->fd, SHUT_RD);
	if (recv(s->fd, &c, 1, MSG_PEEK | MSG_DONTWAIT) > 0) {
		shutdown(s->fd, SHUT_RDWR);	/* the peer does not wait */
		closer_take(s->link.closer, s->fd);
	} else {
		close(s->fd);
	}
}

static void
stream_close(struct link *l)
{
	struct stream *s = stream_of(l);

	if (s->ring != NULL)
		link_bytes_close(s->ring);
	while (s->nfds > 0)
		closer_take(l->closer, s->fds[--s->nfds]);
	if (s->passes)
		socket_close(s);
	else
		close(s->fd);
	free(s->in);
	free(s->big);
	free(s->out);
	free(s);
}

#define STREAM_OPS(text) { \
	.name = text, .fds = stream_fds, .recv = stream_recv, \
	.send = stream_send, .flush = stream_flush, \
	.take_fd = stream_take_fd, .close = stream_close }

const struct link_ops link_unix = STREAM_OPS("unix");
const struct link_ops link_tcp = STREAM_OPS("tcp");

int
link_stream_new(int fd, const struct link_ops *ops,
    const struct link_frame *frame, struct link **out)
{
	struct stream *s = calloc(1, sizeof *s);

	if (s == NULL) {
		close(fd);
		return -VFS_NOMEM;
	}
	s->link.ops = ops;
	s->link.who.transport = ops->name;
	s->link.max_msg = frame->max;
	s->frame = frame;
	s->fd = fd;
	s->passes = ops == &link_unix;
	s->first = s->passes && frame == &link_frame_vfp;
	*out = &s->link;
	return 0;
}

int
link_peer(struct link *l, int fd)
{
	struct ucred cred;
	socklen_t n = sizeof cred;

	if (getsockopt(fd, SOL_SOCKET, SO_PEERCRED, &cred, &n) < 0)
		return vfs_err_from_os(errno);
	l->who.has_cred = true;
	l->who.uid = cred.uid;
	l->who.gid = cred.gid;
	l->who.pid = (uint32_t)cred.pid;
	l->who.groups = l->groups;
	n = sizeof l->groups;
	if (getsockopt(fd, SOL_SOCKET, SO_PEERGROUPS, l->groups, &n) == 0)
		l->who.ngroups = (uint32_t)(n / sizeof l->groups[0]);
	return 0;
}
