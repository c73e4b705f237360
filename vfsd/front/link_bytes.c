#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/socket.h>
#include <unistd.h>

#include "link_bytes.h"

static struct link_bytes *
bytes_of(struct link *l)
{
	return (struct link_bytes *)l;	/* its first member */
}

void
link_bytes_init(struct link_bytes *b, const struct link_ops *ops,
    const struct bytes_ops *how, const struct link_frame *frame, int fd)
{
	b->link.ops = ops;
	b->link.who.transport = ops->name;
	b->link.max_msg = frame->max;
	b->ops = how;
	b->frame = frame;
	b->fd = fd;
	pthread_mutex_init(&b->lock, NULL);
}

/* Room is told by what comes in, so that is waited for then too. */
unsigned
link_bytes_fds(struct link *l, bool in, struct link_fd fd[LINK_FDS_MAX])
{
	struct link_bytes *b = bytes_of(l);

	pthread_mutex_lock(&b->lock);
	fd[0].fd = b->fd;
	fd[0].events = (in || l->unsent > 0 ? (uint32_t)EPOLLIN : 0) |
	    (b->to_write ? (uint32_t)EPOLLOUT : 0);
	pthread_mutex_unlock(&b->lock);
	return 1;
}

/* --- sending --------------------------------------------------------- */

static int
keep(struct link_bytes *b, const uint8_t *p, size_t n)
{
	uint8_t *q;
	size_t cap;

	if (b->out_at > 0) {
		memmove(b->out, b->out + b->out_at, b->out_n - b->out_at);
		b->out_n -= b->out_at;
		b->out_at = 0;
	}
	if (n > b->out_cap - b->out_n) {
		cap = b->out_n + n + b->out_cap;
		if ((q = realloc(b->out, cap)) == NULL)
			return -VFS_NOMEM;
		b->out = q;
		b->out_cap = cap;
	}
	memcpy(b->out + b->out_n, p, n);
	b->out_n += n;
	return 0;
}

/* As much as goes: 0, or the error that ended it. */
static int
put(struct link_bytes *b, const uint8_t *p, size_t n, size_t *done)
{
	size_t k;

	*done = 0;
	while (*done < n) {
		k = b->ops->write(b, p + *done, n - *done);
		*done += k;
		if (k == 0 && (b->ops->err(b) < 0 || b->ops->sleep(b, true)))
			break;
	}
	return b->ops->err(b);
}

static void
forget(struct link_bytes *b)
{
	free(b->out);			/* idle peers cost nothing */
	b->out = NULL;
	b->out_cap = b->out_n = b->out_at = 0;
}

/* What was kept. */
static int
drain(struct link_bytes *b)
{
	size_t k;
	int err;

	err = put(b, b->out + b->out_at, b->out_n - b->out_at, &k);
	b->out_at += k;
	if (b->out_at == b->out_n)
		forget(b);
	return err;
}

/* --- receiving ------------------------------------------------------- */

/* The length of the message whose head is here, and room for it. */
static int
begin(struct link_bytes *b)
{
	uint32_t len;
	int err;

	err = b->frame->len(b->head, b->link.max_msg, &len);
	if (err < 0)
		return err;
	if ((b->msg = malloc(len)) == NULL)
		return -VFS_NOMEM;
	memcpy(b->msg, b->head, b->frame->head);
	b->len = len;
	return 0;
}

/* 1: a message is whole; 0: not yet; or an error. */
static int
gather(struct link_bytes *b)
{
	size_t k, want;
	int err;

	for (;;) {
		want = b->msg != NULL ? b->len : b->frame->head;
		k = b->n == want ? 0 : b->ops->read(b, (b->msg != NULL ?
		    b->msg : b->head) + b->n, want - b->n);
		b->n += k;
		if (b->n < want && k == 0)
			return b->ops->err(b);
		if (b->n < want)
			continue;
		if (b->msg != NULL)
			return 1;
		if ((err = begin(b)) < 0)
			return err;
	}
}

/* What came before the end is still given.  The bell that is taken here
 * may have told of room, so what was kept goes on too. */
static int
receive(struct link_bytes *b, bool ready)
{
	int rc, end = 0;

	if (ready)
		end = b->ops->look(b);
	if (b->out_n > 0 && end == 0)
		end = drain(b);
	for (;;) {
		if ((rc = gather(b)) != 0)
			return rc;
		if (end < 0)
			return end;
		if (b->ops->sleep(b, false))
			return 0;
	}
}

int
link_bytes_recv(struct link *l, bool ready, uint8_t **msg, size_t *n)
{
	struct link_bytes *b = bytes_of(l);
	int rc, err;

	pthread_mutex_lock(&b->lock);
	rc = receive(b, ready);
	if (rc == 1) {
		*msg = b->msg;
		*n = b->len;
		b->msg = NULL;
		b->n = 0;
	}
	l->partial = b->n > 0;
	l->unsent = b->out_n - b->out_at;
	err = b->ops->tell(b);
	pthread_mutex_unlock(&b->lock);
	return rc == 0 && err < 0 ? err : rc;
}

/* --- both ------------------------------------------------------------ */

int
link_bytes_send(struct link *l, const void *msg, size_t n)
{
	struct link_bytes *b = bytes_of(l);
	size_t k = 0;
	int err = 0, rc;

	pthread_mutex_lock(&b->lock);
	if (b->out_n == 0)
		err = put(b, msg, n, &k);
	if (err == 0 && k < n)
		err = keep(b, (const uint8_t *)msg + k, n - k);
	l->unsent = b->out_n - b->out_at;
	rc = b->ops->tell(b);
	pthread_mutex_unlock(&b->lock);
	return err < 0 ? err : rc;
}

int
link_bytes_flush(struct link *l)
{
	struct link_bytes *b = bytes_of(l);
	int err, rc;

	pthread_mutex_lock(&b->lock);
	err = b->ops->look(b);
	if (err == 0)
		err = drain(b);
	l->unsent = b->out_n - b->out_at;
	rc = b->ops->tell(b);
	pthread_mutex_unlock(&b->lock);
	return err < 0 ? err : rc;
}

int
link_bytes_tick(struct link *l, uint64_t now_ms, uint32_t *again_ms)
{
	struct link_bytes *b = bytes_of(l);
	int err = 0;

	*again_ms = 0;
	pthread_mutex_lock(&b->lock);
	if (b->ops->tick != NULL)
		err = b->ops->tick(b, now_ms, again_ms);
	pthread_mutex_unlock(&b->lock);
	return err;
}

void
link_bytes_close(struct link *l)
{
	struct link_bytes *b = bytes_of(l);

	free(b->msg);
	free(b->out);
	pthread_mutex_destroy(&b->lock);
	b->ops->free(b);
}

/* --- bells ----------------------------------------------------------- */

int
bell_ring(int fd)
{
	char one = 1;

	/* If there is no room there are plenty on their way. */
	if (send(fd, &one, 1, MSG_NOSIGNAL | MSG_DONTWAIT) < 0 &&
	    errno != EAGAIN && errno != EINTR)
		return -VFS_SESSION_CLOSED;
	return 0;
}

void
bell_end(int fd, int err)
{
	uint8_t why = (uint8_t)-err;

	if (err < -1)
		send(fd, &why, 1, MSG_NOSIGNAL | MSG_DONTWAIT);
}

int
bell_hear(int fd)
{
	char some[64];
	ssize_t k;

	do
		k = recv(fd, some, sizeof some, MSG_DONTWAIT);
	while (k == sizeof some);
	if (k == 0 || (k < 0 && errno != EAGAIN && errno != EINTR))
		return -VFS_SESSION_CLOSED;
	return 0;
}
