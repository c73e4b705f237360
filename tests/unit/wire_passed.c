/*
 * Descriptors that peers pass, and whose close(2) takes its time: a socket
 * that lingers over bytes that nobody reads.
 */
#include <errno.h>
#include <netinet/in.h>
#include <poll.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include "../../protocol/ring.h"
#include "../../vfsd/clock.h"
#include "../../vfsd/front/closer.h"
#include "../wire_rig.h"

#define LINGER_S	30		/* longer than the rig's patience */

/* A connected pair; who closes end[0] last waits. */
static void
lingering(int end[2])
{
	static const char bytes[65536];
	struct sockaddr_in sa = { .sin_family = AF_INET,
		.sin_addr.s_addr = htonl(INADDR_LOOPBACK) };
	struct linger linger = { 1, LINGER_S };
	int at = socket(AF_INET, SOCK_STREAM, 0);
	socklen_t n = sizeof sa;

	end[0] = socket(AF_INET, SOCK_STREAM, 0);
	assert_int_equal(bind(at, (struct sockaddr *)&sa, n), 0);
	assert_int_equal(getsockname(at, (struct sockaddr *)&sa, &n), 0);
	assert_int_equal(listen(at, 1), 0);
	assert_int_equal(connect(end[0], (struct sockaddr *)&sa, n), 0);
	end[1] = accept(at, NULL, NULL);
	assert_true(end[1] >= 0);
	close(at);
	while (send(end[0], bytes, sizeof bytes, MSG_DONTWAIT) > 0)
		;
	assert_int_equal(errno, EAGAIN);
	assert_int_equal(setsockopt(end[0], SOL_SOCKET, SO_LINGER, &linger,
	    sizeof linger), 0);
}

/* Sends one that lingers, with the first byte of a message and then the
 * rest; what keeps it from being closed. */
static int
pass(struct wire_peer *p, const uint8_t *msg, size_t n, unsigned copies)
{
	union {
		char room[CMSG_SPACE(16 * sizeof(int))];
		struct cmsghdr align;
	} u = { { 0 } };
	struct iovec v = { (void *)(uintptr_t)msg, 1 };
	struct msghdr h = { .msg_iov = &v, .msg_iovlen = 1,
		.msg_control = u.room,
		.msg_controllen = CMSG_SPACE(copies * sizeof(int)) };
	struct cmsghdr *c = CMSG_FIRSTHDR(&h);
	int end[2];
	unsigned i;

	lingering(end);
	c->cmsg_level = SOL_SOCKET;
	c->cmsg_type = SCM_RIGHTS;
	c->cmsg_len = CMSG_LEN(copies * sizeof(int));
	for (i = 0; i < copies; i++)
		memcpy(CMSG_DATA(c) + i * sizeof(int), &end[0], sizeof(int));
	assert_int_equal(sendmsg(p->fd, &h, MSG_NOSIGNAL), 1);
	close(end[0]);
	if (n > 1)
		assert_int_equal(send(p->fd, msg + 1, n - 1, MSG_NOSIGNAL),
		    n - 1);
	return end[1];
}

static void
others_are_served(struct wire_rig *r)
{
	struct wire_peer *p = wire_peer_unix(r);

	wire_ping(p);
	assert_int_equal(wire_look(p, "x"), -VFS_NOENT);
	wire_peer_close(p);
	wire_rig_until(r, "wire.peers", 1);
}

static void
passed__for_a_ring__keeps_nobody(void **state)
{
	struct wire_peer *p = wire_peer_unix(*state);
	uint8_t pre[16] = { 0x56, 0x46, 0x50, 0x52, RING_VERSION, 0, 0, 0,
		16 };
	int end = pass(p, pre, sizeof pre, 1);
	struct pollfd pf = { .fd = p->fd, .events = POLLIN };
	uint8_t answer[16];

	assert_int_equal(poll(&pf, 1, 20000), 1);
	assert_int_equal(recv(p->fd, answer, sizeof answer, MSG_WAITALL), 16);
	assert_int_equal(answer[8], VFS_INVAL);
	wire_peer_close(p);
	others_are_served(*state);
	close(end);
}

static void
passed__for_a_grant__keeps_nobody(void **state)
{
	struct wire_peer *p = wire_peer_unix(*state);
	struct vfs_grant_map q = { .size = 4096 };
	struct proto_hdr h = { .req_id = ++p->req_id };
	uint8_t msg[128];
	int end;

	assert_int_equal(proto_request_encode(VFS_OP_GRANT_MAP, &q, &h, msg,
	    sizeof msg), 0);
	end = pass(p, msg, h.len, 1);
	assert_int_equal(wire_reply(p, 1, VFS_OP_GRANT_MAP, NULL),
	    -VFS_INVAL);
	wire_ping(p);
	wire_peer_close(p);
	others_are_served(*state);
	close(end);
}

/* More than anybody wants, more than there is a place for. */
static void
passed__for_nothing__keeps_nobody(void **state)
{
	static const uint8_t msg[4] = { 40 };
	struct wire_peer *p = wire_peer_unix(*state);
	int one = pass(p, msg, 1, 2), two = pass(p, msg + 1, 1, 16);

	wire_peer_close(p);
	others_are_served(*state);
	close(one);
	close(two);
}

/* What is still in the socket when that is closed. */
static void
passed__and_never_read__keeps_nobody(void **state)
{
	uint64_t since = clock_ms();
	struct wire_peer *p;
	struct closer *c;
	struct link *l;
	int end, fd[2];

	(void)state;
	assert_int_equal(socketpair(AF_UNIX, SOCK_STREAM, 0, fd), 0);
	p = wire_peer_fd(fd[0]);
	end = pass(p, (const uint8_t *)"x", 1, 1);
	assert_int_equal(link_stream_new(fd[1], &link_unix, &link_frame_vfp,
	    &l), 0);
	assert_int_equal(closer_start(&c), 0);
	l->closer = c;
	l->ops->close(l);
	assert_false(wire_hear(p));	/* it has ended */
	closer_stop(c);
	assert_true(clock_ms() - since < LINGER_S * 1000 / 2);
	wire_peer_close(p);
	close(end);
}

int
main(void)
{
#define T(f)	cmocka_unit_test_setup_teardown(f, wire_rig_setup, wire_rig_teardown)
	const struct CMUnitTest tests[] = {
		T(passed__for_a_ring__keeps_nobody),
		T(passed__for_a_grant__keeps_nobody),
		T(passed__for_nothing__keeps_nobody),
		cmocka_unit_test(passed__and_never_read__keeps_nobody),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
