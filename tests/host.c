#include <arpa/inet.h>
#include <errno.h>
#include <fcntl.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <poll.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <termios.h>
#include <unistd.h>

#include "../vfsd/clock.h"
#include "host.h"

#define WAIT_MS	30000

static void
fresh(struct host *h, int fd)
{
	memset(h, 0, sizeof *h);
	h->fd = fd;
	h->other = h->pass = -1;
	h->patience_ms = WAIT_MS;
	h->pipe.arg = h;
	fcntl(fd, F_SETFL, fcntl(fd, F_GETFL) | O_NONBLOCK);
}

/* --- sockets --------------------------------------------------------- */

static long
moved(ssize_t k)
{
	if (k > 0)
		return (long)k;
	return k < 0 && (errno == EAGAIN || errno == EINTR) ? 0 :
	    -VFS_SESSION_CLOSED;
}

static long
sock_read(void *arg, void *p, size_t n)
{
	struct host *h = arg;

	return moved(recv(h->fd, p, n, MSG_DONTWAIT));
}

static long
sock_write(void *arg, const void *p, size_t n)
{
	struct host *h = arg;
	int fd = h->pass;

	if (fd >= 0) {			/* with the first byte */
		h->pass = -1;
		return host_send_fd(h->fd, p, 1, fd) == 0 ? 1 :
		    -VFS_SESSION_CLOSED;
	}
	return moved(send(h->fd, p, n, MSG_DONTWAIT | MSG_NOSIGNAL));
}

static int
fd_wait(struct host *h, short events)
{
	struct pollfd p = { .fd = h->fd, .events = events };

	h->calls++;
	return poll(&p, 1, h->patience_ms) == 1 ? 0 : -VFS_DEADLINE;
}

static int
sock_wait(void *arg, bool room)
{
	return fd_wait(arg, (short)(POLLIN | (room ? POLLOUT : 0)));
}

static void
sock_on(struct host *h, int fd)
{
	fresh(h, fd);
	h->pipe.get = sock_read;
	h->pipe.put = sock_write;
	h->pipe.wait = sock_wait;
}

static int
connect_unix(const char *where)
{
	struct sockaddr_un sa = { .sun_family = AF_UNIX };
	int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0), rc = -errno;

	if (fd < 0)
		return rc;
	rc = -ENAMETOOLONG;
	if (strlen(where) < sizeof sa.sun_path) {
		memcpy(sa.sun_path, where, strlen(where) + 1);
		if (connect(fd, (struct sockaddr *)&sa, sizeof sa) == 0)
			return fd;
		rc = -errno;
	}
	close(fd);
	return rc;
}

int
host_unix(struct host *h, const char *where)
{
	int fd = connect_unix(where);

	if (fd < 0)
		return fd;
	sock_on(h, fd);
	return 0;
}

int
host_tcp(struct host *h, const char *where)
{
	struct sockaddr_in sa = { .sin_family = AF_INET };
	const char *colon = strrchr(where, ':');
	int one = 1, rc, fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);

	if (fd < 0 || colon == NULL)
		return -EINVAL;
	sa.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
	sa.sin_port = htons((uint16_t)atoi(colon + 1));
	if (connect(fd, (struct sockaddr *)&sa, sizeof sa) < 0) {
		rc = -errno;
		close(fd);
		return rc;
	}
	setsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &one, sizeof one);
	sock_on(h, fd);
	return 0;
}

/* --- bells ----------------------------------------------------------- */

static void
bell(struct host *h)
{
	char one = 1;

	h->bells++;
	if (send(h->fd, &one, 1, MSG_DONTWAIT | MSG_NOSIGNAL) < 0)
		return;			/* full of bells, or gone: we see it */
}

/* Sleeps until a bell; a byte that is no bell says why it ended. */
static int
bell_wait(struct host *h)
{
	uint8_t some[64];
	ssize_t k, i;
	int err = fd_wait(h, POLLIN);

	if (err < 0)
		return err;
	k = recv(h->fd, some, sizeof some, MSG_DONTWAIT);
	if (k == 0)
		return -VFS_SESSION_CLOSED;
	for (i = 0; i < k; i++)
		if (some[i] != 1)
			return -(int)some[i];
	return 0;
}

int
host_memfd(size_t n, bool sealed, void **p)
{
	int fd = memfd_create("vfp", MFD_CLOEXEC | MFD_ALLOW_SEALING);

	if (fd < 0 || ftruncate(fd, (off_t)n) < 0 ||
	    (sealed && fcntl(fd, F_ADD_SEALS, F_SEAL_SHRINK) < 0))
		return -errno;
	*p = mmap(NULL, n, PROT_READ | PROT_WRITE, MAP_SHARED, fd, 0);
	return *p == MAP_FAILED ? -errno : fd;
}

int
host_send_fd(int sock, const void *p, size_t n, int fd)
{
	union {
		char room[CMSG_SPACE(sizeof(int))];
		struct cmsghdr align;
	} u;
	struct iovec v = { (void *)(uintptr_t)p, n };
	struct msghdr h = { .msg_iov = &v, .msg_iovlen = 1 };
	struct cmsghdr *c;

	memset(&u, 0, sizeof u);
	if (fd >= 0) {
		h.msg_control = u.room;
		h.msg_controllen = sizeof u.room;
		c = CMSG_FIRSTHDR(&h);
		c->cmsg_level = SOL_SOCKET;
		c->cmsg_type = SCM_RIGHTS;
		c->cmsg_len = CMSG_LEN(sizeof fd);
		memcpy(CMSG_DATA(c), &fd, sizeof fd);
	}
	return sendmsg(sock, &h, MSG_NOSIGNAL) == (ssize_t)n ? 0 : -errno;
}

int
host_pass_fd(struct host *h, int fd)
{
	if (h->region != NULL)		/* a bell brings it */
		return host_send_fd(h->fd, "\1", 1, fd);
	h->pass = fd;
	return 0;
}

/* --- ring ------------------------------------------------------------ */

static long
slots_moved(struct host *h, size_t k)
{
	if (h->ring.err < 0)
		return h->ring.err;
	if (k > 0 && ring_bell(&h->ring))
		bell(h);
	return (long)k;
}

static long
slots_read(void *arg, void *p, size_t n)
{
	struct host *h = arg;

	return slots_moved(h, ring_read(&h->ring, p, n));
}

static long
slots_write(void *arg, const void *p, size_t n)
{
	struct host *h = arg;

	return slots_moved(h, ring_write(&h->ring, p, n));
}

static int
slots_wait(void *arg, bool room)
{
	struct host *h = arg;

	return ring_sleep(&h->ring, true, room) ? bell_wait(h) : h->ring.err;
}

/* The 16 bytes that begin it, and the answer. */
static int
ring_hello(struct host *h, int memfd, uint32_t slots)
{
	uint32_t pre[4] = { RING_MAGIC, RING_VERSION, slots, 0 };
	uint8_t *p = (uint8_t *)pre;
	size_t n = 0;
	long k;
	int err;

	if ((err = host_send_fd(h->fd, pre, sizeof pre, memfd)) < 0)
		return err;
	while (n < sizeof pre) {
		if ((k = sock_read(h, p + n, sizeof pre - n)) < 0)
			return -ECONNRESET;
		if (k == 0 && sock_wait(h, false) < 0)
			return -ETIMEDOUT;
		n += (size_t)k;
	}
	if (pre[0] != RING_MAGIC)
		return -EPROTO;
	return pre[2] == 0 ? 0 : -vfs_err_errno((int)pre[2]);
}

int
host_ring_on(struct host *h, int fd, uint32_t slots)
{
	int memfd, err;

	fresh(h, fd);
	h->region_n = ring_bytes(slots);
	if ((memfd = host_memfd(h->region_n, true, &h->region)) < 0)
		return memfd;
	ring_format(h->region, slots);
	if ((err = ring_hello(h, memfd, slots)) == 0)
		err = ring_attach(&h->ring, h->region, h->region_n, false);
	close(memfd);
	h->pipe.get = slots_read;
	h->pipe.put = slots_write;
	h->pipe.wait = slots_wait;
	return err;
}

int
host_ring(struct host *h, const char *where)
{
	int fd = connect_unix(where);

	return fd < 0 ? fd : host_ring_on(h, fd, HOST_SLOTS);
}

/* --- mailbox --------------------------------------------------------- */

static long
mail_moved(struct host *h, size_t k, bool signal)
{
	if (signal)
		bell(h);
	return h->ipc.err < 0 ? h->ipc.err : (long)k;
}

static long
mail_read(void *arg, void *p, size_t n)
{
	struct host *h = arg;
	bool signal = false;
	size_t k = ipc_read(&h->ipc, p, n, &signal);

	return mail_moved(h, k, signal);
}

static long
mail_write(void *arg, const void *p, size_t n)
{
	struct host *h = arg;
	bool signal = false;
	size_t k = ipc_write(&h->ipc, p, n, &signal);

	return mail_moved(h, k, signal);
}

static int
mail_wait(void *arg, bool room)
{
	struct host *h = arg;
	uint64_t bits = ipc_noticed(&h->ipc);

	(void)room;
	if ((bits & IPC_CHANGED) != 0 && h->changed != NULL)
		*h->changed = true;
	return bits != 0 ? 0 : bell_wait(h);
}

int
host_ipc_on(struct host *h, int fd)
{
	union {
		char room[CMSG_SPACE(sizeof(int))];
		struct cmsghdr align;
	} u;
	uint64_t words[2];
	struct iovec v = { words, sizeof words };
	struct msghdr m = { .msg_iov = &v, .msg_iovlen = 1,
		.msg_control = u.room, .msg_controllen = sizeof u.room };
	int page;

	fresh(h, fd);
	if (fd_wait(h, POLLIN) < 0 || recvmsg(fd, &m, MSG_CMSG_CLOEXEC) !=
	    sizeof words || m.msg_controllen < CMSG_LEN(sizeof page))
		return -EPROTO;
	memcpy(&page, CMSG_DATA(CMSG_FIRSTHDR(&m)), sizeof page);
	h->region_n = IPC_PAGE;
	h->region = mmap(NULL, IPC_PAGE, PROT_READ | PROT_WRITE, MAP_SHARED,
	    page, 0);
	close(page);
	if (h->region == MAP_FAILED)
		return -errno;
	h->pipe.get = mail_read;
	h->pipe.put = mail_write;
	h->pipe.wait = mail_wait;
	return ipc_attach(&h->ipc, h->region, IPC_PAGE, false);
}

int
host_ipc(struct host *h, const char *where)
{
	int fd = connect_unix(where);

	return fd < 0 ? fd : host_ipc_on(h, fd);
}

/* --- serial ---------------------------------------------------------- */

/* Moves what there is between the tty and the frames. */
static int
pump(struct host *h)
{
	uint8_t buf[4096];
	const uint8_t *p;
	size_t left;
	ssize_t k;

	while ((k = read(h->fd, buf, sizeof buf)) > 0)
		cobs_input(&h->cobs, buf, (size_t)k, clock_ms());
	if (k == 0 || (errno != EAGAIN && errno != EINTR))
		return -VFS_SESSION_CLOSED;
	while (p = cobs_output(&h->cobs, &left, clock_ms()), left > 0) {
		k = write(h->fd, p, left);
		if (k <= 0)
			break;
		cobs_sent(&h->cobs, (size_t)k);
	}
	return h->cobs.state == COBS_ENDED ? -VFS_SESSION_CLOSED : 0;
}

static long
frames_read(void *arg, void *p, size_t n)
{
	struct host *h = arg;
	size_t k = cobs_read(&h->cobs, p, n);
	int err = pump(h);

	if (k == 0)
		k = cobs_read(&h->cobs, p, n);
	return k > 0 || err == 0 ? (long)k : err;
}

static long
frames_write(void *arg, const void *p, size_t n)
{
	struct host *h = arg;
	size_t k = cobs_write(&h->cobs, p, n);
	int err = pump(h);

	return err < 0 ? err : (long)k;
}

static int
frames_wait(void *arg, bool room)
{
	struct host *h = arg;
	struct pollfd p = { .fd = h->fd, .events = POLLIN };
	uint64_t now = clock_ms(), due = cobs_due(&h->cobs);
	int ms = due == 0 ? h->patience_ms : due > now ? (int)(due - now) : 0;

	/* reading took acknowledgements too, and so on */
	if (cobs_readable(&h->cobs) > 0 || (room && cobs_writable(&h->cobs)))
		return 0;
	h->calls++;
	if (h->cobs.out_at < h->cobs.out_n)
		p.events |= POLLOUT;
	if (poll(&p, 1, ms) == 0 && due == 0)
		return -VFS_DEADLINE;
	return pump(h);
}

int
host_serial_on(struct host *h, int tty, uint32_t epoch)
{
	struct termios t;
	int err = 0;

	fresh(h, tty);
	if (tcgetattr(tty, &t) == 0) {
		cfmakeraw(&t);
		tcsetattr(tty, TCSANOW, &t);
	}
	h->pipe.get = frames_read;
	h->pipe.put = frames_write;
	h->pipe.wait = frames_wait;
	cobs_start(&h->cobs, epoch, clock_ms());
	while (err == 0 && h->cobs.state == COBS_KNOCK)
		if ((err = pump(h)) == 0 && h->cobs.state == COBS_KNOCK)
			err = frames_wait(h, false);
	return err;
}

int
host_serial(struct host *h, const char *where)
{
	int fd = open(where, O_RDWR | O_NOCTTY | O_NONBLOCK | O_CLOEXEC);

	return fd < 0 ? -errno : host_serial_on(h, fd,
	    (uint32_t)clock_ms() | 1);
}

/* --- all of them ------------------------------------------------------ */

int
host_open(struct host *h, const char *kind, const char *where)
{
	static const struct {
		const char *kind;
		int (*open)(struct host *h, const char *where);
	} rows[] = {
		{ "unix", host_unix }, { "tcp", host_tcp },
		{ "ring", host_ring }, { "ipc", host_ipc },
		{ "serial", host_serial },
	};
	unsigned i;

	for (i = 0; i < sizeof rows / sizeof rows[0]; i++)
		if (strcmp(rows[i].kind, kind) == 0)
			return rows[i].open(h, where);
	return -ENOENT;
}

void
host_close(struct host *h)
{
	if (h->pipe.get == frames_read) {
		cobs_close(&h->cobs);
		pump(h);
	}
	if (h->region != NULL)
		munmap(h->region, h->region_n);
	close(h->fd);
	if (h->other >= 0)
		close(h->other);
}
