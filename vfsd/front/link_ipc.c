/*
 * link_ipc.c - bounded IPC, simulated: listen=ipc:PATH
 *
 * A peer connects to a unix socket and gets 16 bytes (u64 magic, u64 bytes)
 * with the descriptor of a sealed page; from then on messages go through
 * the page's mailboxes (protocol/ipc.h), and a byte on the socket is the
 * kernel's signal that a notification word is no longer zero.
 */
#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/socket.h>
#include <unistd.h>

#include "../../protocol/hdr.h"
#include "../../protocol/ipc.h"
#include "link_bytes.h"
#include "listen.h"

struct ipc_link {
	struct link_bytes b;
	struct ipc ipc;
	void *page;
	bool signal;			/* the peer has to be woken */
};

static struct ipc_link *
ipc_of(struct link_bytes *b)
{
	return (struct ipc_link *)b;	/* its first member */
}

static size_t
mail_read(struct link_bytes *b, void *p, size_t n)
{
	return ipc_read(&ipc_of(b)->ipc, p, n, &ipc_of(b)->signal);
}

static size_t
mail_write(struct link_bytes *b, const void *p, size_t n)
{
	return ipc_write(&ipc_of(b)->ipc, p, n, &ipc_of(b)->signal);
}

static int
mail_look(struct link_bytes *b)
{
	return bell_hear(b->fd);
}

static int
mail_tell(struct link_bytes *b)
{
	struct ipc_link *i = ipc_of(b);

	if (!i->signal)
		return 0;
	i->signal = false;
	return bell_ring(b->fd);
}

/* With the word zero the next letter, or room, comes with a signal. */
static bool
mail_sleep(struct link_bytes *b, bool room)
{
	(void)room;
	return ipc_noticed(&ipc_of(b)->ipc) == 0;
}

static int
mail_err(struct link_bytes *b)
{
	return ipc_of(b)->ipc.err;
}

static void
mail_free(struct link_bytes *b)
{
	struct ipc_link *i = ipc_of(b);

	if (i->page != MAP_FAILED)
		munmap(i->page, IPC_PAGE);
	bell_end(b->fd, i->ipc.err);
	close(b->fd);
	free(i);
}

static const struct bytes_ops mail = {
	mail_read, mail_write, mail_look, mail_tell, mail_sleep, mail_err,
	NULL, mail_free
};

/* That the journal has grown is a bit here, and no message. */
static int
ipc_send(struct link *l, const void *msg, size_t n)
{
	struct ipc_link *i = (struct ipc_link *)l;
	struct proto_hdr h;
	int err = 0;

	if (proto_hdr_decode(msg, n, VFS_MSG_MAX, &h) < 0 ||
	    h.op != PROTO_N_CHANGED || h.session != 0)
		return link_bytes_send(l, msg, n);
	pthread_mutex_lock(&i->b.lock);
	if (ipc_notify(&i->ipc, IPC_CHANGED))
		err = bell_ring(i->b.fd);
	pthread_mutex_unlock(&i->b.lock);
	return err;
}

const struct link_ops link_ipc = {
	.name = "ipc", .fds = link_bytes_fds, .recv = link_bytes_recv,
	.send = ipc_send, .flush = link_bytes_flush,
	.tick = link_bytes_tick, .close = link_bytes_close
};

/* --- coming in ------------------------------------------------------- */

static int
page_new(int *fd, void **page)
{
	*fd = memfd_create("vfsd-ipc", MFD_CLOEXEC | MFD_ALLOW_SEALING);
	if (*fd < 0 || ftruncate(*fd, IPC_PAGE) < 0 || fcntl(*fd, F_ADD_SEALS,
	    F_SEAL_SHRINK | F_SEAL_GROW | F_SEAL_SEAL) < 0)
		return vfs_err_from_os(errno);
	*page = mmap(NULL, IPC_PAGE, PROT_READ | PROT_WRITE, MAP_SHARED, *fd,
	    0);
	if (*page == MAP_FAILED)
		return vfs_err_from_os(errno);
	ipc_format(*page);
	return 0;
}

static int
hand_over(int sock, int page_fd)
{
	uint64_t words[2] = { IPC_MAGIC, IPC_PAGE };
	union {
		char room[CMSG_SPACE(sizeof(int))];
		struct cmsghdr align;
	} u;
	struct iovec v = { words, sizeof words };
	struct msghdr h = { .msg_iov = &v, .msg_iovlen = 1,
		.msg_control = u.room, .msg_controllen = sizeof u.room };
	struct cmsghdr *c;

	memset(&u, 0, sizeof u);
	c = CMSG_FIRSTHDR(&h);
	c->cmsg_level = SOL_SOCKET;
	c->cmsg_type = SCM_RIGHTS;
	c->cmsg_len = CMSG_LEN(sizeof page_fd);
	memcpy(CMSG_DATA(c), &page_fd, sizeof page_fd);
	return sendmsg(sock, &h, MSG_NOSIGNAL | MSG_DONTWAIT) ==
	    sizeof words ? 0 : -VFS_SESSION_CLOSED;
}

static int
ipc_link_new(int sock, const struct link_frame *frame, struct link **out)
{
	struct ipc_link *i = calloc(1, sizeof *i);
	int err, fd = -1;

	if (i == NULL) {
		close(sock);
		return -VFS_NOMEM;
	}
	i->page = MAP_FAILED;
	link_bytes_init(&i->b, &link_ipc, &mail, frame, sock);
	if ((err = link_peer(&i->b.link, sock)) == 0 &&
	    (err = page_new(&fd, &i->page)) == 0 &&
	    (err = ipc_attach(&i->ipc, i->page, IPC_PAGE, true)) == 0)
		err = hand_over(sock, fd);
	if (fd >= 0)
		close(fd);
	if (err < 0)
		link_bytes_close(&i->b.link);
	else
		*out = &i->b.link;
	return err;
}

static int
ipc_accept(struct listener *l, const struct link_frame *frame,
    struct link **out)
{
	int fd = accept4(l->fd, NULL, NULL, SOCK_CLOEXEC | SOCK_NONBLOCK);

	if (fd < 0)
		return errno == EAGAIN || errno == EINTR ||
		    errno == ECONNABORTED ? -VFS_AGAIN :
		    vfs_err_from_os(errno);
	return ipc_link_new(fd, frame, out);
}

const struct listen_kind listen_ipc = {
	.name = "ipc", .open = listen_unix_open, .accept = ipc_accept
};
