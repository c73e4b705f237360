/*
 * link_serial.c - a framed serial line: listen=serial:PATH
 *
 * PATH is a tty, or one end of a pty.  The line is its own only peer: while
 * nobody has knocked the listener reads it, then the link does, and when
 * the link ends the listener does again.  Who holds the other end is not
 * known, so a token comes first, as over TCP.
 *
 * The listener's descriptor is an epoll instance that holds the tty as long
 * as there is no link, and an eventfd that says that somebody has knocked
 * already.
 */
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/eventfd.h>
#include <termios.h>
#include <unistd.h>

#include "../../protocol/cobs.h"
#include "../clock.h"
#include "link_bytes.h"
#include "listen.h"

#define LOOK_MAX	16u		/* reads at once */
#define TICK_MS		200u		/* when nothing happens */
#define TICK_BUSY_MS	20u		/* when frames have come since the last */

/* What listener and link share; used by one of them at a time. */
struct line {
	struct cobs c;
	int tty, poll, kick;
	_Atomic unsigned refs;
};

struct serial_link {
	struct link_bytes b;
	struct line *line;
	uint64_t seen;			/* frames at the last tick */
};

/* --- the line --------------------------------------------------------- */

static void
line_drop(struct line *n)
{
	if (n == NULL || --n->refs > 0)
		return;
	if (n->tty >= 0)
		close(n->tty);
	if (n->kick >= 0)
		close(n->kick);
	free(n);			/* poll is the listener's */
}

/* What has come on the tty goes in. */
static int
line_in(struct line *n)
{
	uint8_t buf[4096];
	unsigned i;
	ssize_t k;

	for (i = 0; i < LOOK_MAX; i++) {
		k = read(n->tty, buf, sizeof buf);
		if (k > 0)
			cobs_input(&n->c, buf, (size_t)k, clock_ms());
		else if (k < 0 && (errno == EAGAIN || errno == EINTR))
			return 0;
		else
			return -VFS_GONE;
		if ((size_t)k < sizeof buf)
			return 0;
	}
	return 0;
}

/* What there is to say goes out; true if the tty takes no more now. */
static bool
line_out(struct line *n)
{
	const uint8_t *p;
	size_t left;
	ssize_t k;

	while (p = cobs_output(&n->c, &left, clock_ms()), left > 0) {
		k = write(n->tty, p, left);
		if (k <= 0)
			return true;
		cobs_sent(&n->c, (size_t)k);
	}
	return false;
}

static void
line_watch(struct line *n, bool on)
{
	struct epoll_event e = { .events = EPOLLIN };
	uint64_t one = 1;

	epoll_ctl(n->poll, on ? EPOLL_CTL_ADD : EPOLL_CTL_DEL, n->tty, &e);
	if (on && n->c.state == COBS_UP &&
	    write(n->kick, &one, sizeof one) < 0)
		return;			/* it is kicked already */
}

/* --- the link --------------------------------------------------------- */

static struct line *
line_of(struct link_bytes *b)
{
	return ((struct serial_link *)b)->line;	/* b is its first member */
}

static size_t
frames_read(struct link_bytes *b, void *p, size_t n)
{
	return cobs_read(&line_of(b)->c, p, n);
}

static size_t
frames_write(struct link_bytes *b, const void *p, size_t n)
{
	return cobs_write(&line_of(b)->c, p, n);
}

static int
frames_look(struct link_bytes *b)
{
	return line_in(line_of(b));
}

static int
frames_tell(struct link_bytes *b)
{
	b->to_write = line_out(line_of(b));
	return 0;
}

static bool
frames_sleep(struct link_bytes *b, bool room)
{
	const struct cobs *c = &line_of(b)->c;

	return room ? !cobs_writable(c) : cobs_readable(c) == 0;
}

static int
frames_err(struct link_bytes *b)
{
	const struct cobs *c = &line_of(b)->c;

	if (c->state != COBS_ENDED)
		return 0;
	return c->reason == COBS_BROKEN ? -VFS_MALFORMED :
	    c->reason == COBS_SILENT ? -VFS_DEADLINE : -VFS_SESSION_CLOSED;
}

static int
frames_tick(struct link_bytes *b, uint64_t now, uint32_t *again_ms)
{
	struct serial_link *s = (struct serial_link *)b;
	struct line *n = line_of(b);
	uint64_t due, all = n->c.frames + n->c.bad;

	b->to_write = line_out(n);
	due = cobs_due(&n->c);
	*again_ms = s->seen != all ? TICK_BUSY_MS : TICK_MS;
	if (due > now && due - now < *again_ms)
		*again_ms = (uint32_t)(due - now);
	s->seen = all;
	return frames_err(b);
}

static void
frames_free(struct link_bytes *b)
{
	struct line *n = line_of(b);

	cobs_close(&n->c);
	line_out(n);
	cobs_start(&n->c, 0, clock_ms());
	line_watch(n, true);
	line_drop(n);
	free(b);
}

static const struct bytes_ops frames = {
	frames_read, frames_write, frames_look, frames_tell, frames_sleep,
	frames_err, frames_tick, frames_free
};

const struct link_ops link_serial = LINK_BYTES_OPS("serial", NULL);

/* --- coming in -------------------------------------------------------- */

static int
tty_open(const char *path)
{
	struct termios t;
	int fd = open(path, O_RDWR | O_NOCTTY | O_NONBLOCK | O_CLOEXEC);

	if (fd >= 0 && tcgetattr(fd, &t) == 0) {
		cfmakeraw(&t);
		t.c_cflag |= CLOCAL | CREAD;
		if (tcsetattr(fd, TCSANOW, &t) == 0)
			return fd;
	}
	if (fd >= 0)
		close(fd);
	return -1;
}

static int
serial_open(struct listener *l, const char *where, char *why, size_t cap)
{
	struct line *n = calloc(1, sizeof *n);
	struct epoll_event e = { .events = EPOLLIN };

	if (n == NULL) {
		snprintf(why, cap, "out of memory");
		return -1;
	}
	l->own = n;
	n->refs = 1;
	n->kick = -1;
	n->tty = tty_open(where);
	if (n->tty >= 0) {
		n->kick = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);
		l->fd = n->poll = epoll_create1(EPOLL_CLOEXEC);
	}
	if (n->tty < 0 || n->kick < 0 || n->poll < 0 ||
	    epoll_ctl(n->poll, EPOLL_CTL_ADD, n->kick, &e) < 0) {
		snprintf(why, cap, "listen=serial:%s: %s", where,
		    errno == ENOTTY ? "not a tty" : strerror(errno));
		return -1;
	}
	cobs_start(&n->c, 0, clock_ms());
	line_watch(n, true);
	return 0;
}

static int
serial_accept(struct listener *l, const struct link_frame *frame,
    struct link **out)
{
	struct line *n = l->own;
	struct serial_link *s;
	uint64_t kicks;
	int err = 0;

	if (n->refs > 1)		/* the link has it */
		return -VFS_AGAIN;
	if (read(n->kick, &kicks, sizeof kicks) < 0)	/* by the line, then */
		err = line_in(n);
	if (n->c.state == COBS_ENDED)
		cobs_start(&n->c, 0, clock_ms());
	line_out(n);
	if (n->c.state != COBS_UP)
		return err < 0 ? err : -VFS_AGAIN;
	if ((s = calloc(1, sizeof *s)) == NULL)
		return -VFS_NOMEM;
	link_bytes_init(&s->b, &link_serial, &frames, frame, n->tty);
	s->b.link.token_first = true;
	s->line = n;
	n->refs++;
	line_watch(n, false);
	*out = &s->b.link;
	return 0;
}

static void
serial_close(struct listener *l)
{
	line_drop(l->own);
}

const struct listen_kind listen_serial = {
	.name = "serial", .open = serial_open, .accept = serial_accept,
	.close = serial_close
};
