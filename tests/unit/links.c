/*
 * Links over rings, mailboxes and serial lines: whole messages of any
 * length, many under way, against a peer that echoes; and peers that try
 * what they should not.
 */
#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <pthread.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/mman.h>
#include <sys/socket.h>
#include <termios.h>
#include <unistd.h>
#include <cmocka.h>

#include "../../vfsd/front/grant.h"
#include "../../vfsd/front/link_bytes.h"
#include "../../vfsd/front/listen.h"
#include "../host.h"
#include "../scratch.h"

#define BIG	100000u

/* --- a server that echoes -------------------------------------------- */

struct echo {
	struct link *link;		/* or the listener that makes it */
	struct listener *at;
	pthread_t thread;
	int err;			/* how it ended */
	unsigned messages, sessions;	/* sessions: one after the other */
};

static int
serve_ready(struct echo *e, bool ready)
{
	struct proto_hdr h;
	uint8_t *msg;
	size_t n;
	int rc;

	while ((rc = e->link->ops->recv(e->link, ready, &msg, &n)) == 1) {
		ready = false;
		e->messages++;
		assert_int_equal(proto_hdr_decode(msg, n, VFS_MSG_MAX, &h), 0);
		h.op |= PROTO_REPLY;
		h.prio = 0;
		h.status = 0;
		proto_hdr_encode(&h, msg);
		rc = e->link->ops->send(e->link, msg, n);
		free(msg);
		if (rc < 0)
			return rc;
	}
	return rc;
}

/* As the wire's loop does it. */
static void
serve(struct echo *e)
{
	struct link_fd f[LINK_FDS_MAX];
	struct pollfd p;
	uint32_t again = 0;
	bool in;

	while (e->err == 0) {
		in = e->link->unsent < 300000;
		assert_int_equal(e->link->ops->fds(e->link, in, f), 1);
		p = (struct pollfd){ .fd = f[0].fd, .events = (short)(
		    (f[0].events & EPOLLIN ? POLLIN : 0) |
		    (f[0].events & EPOLLOUT ? POLLOUT : 0)) };
		assert_true(poll(&p, 1, again ? (int)again : 20000) >= 0);
		if (e->link->ops->tick != NULL)
			e->err = e->link->ops->tick(e->link, 1u << 30, &again);
		if (e->err == 0 && e->link->unsent > 0)
			e->err = e->link->ops->flush(e->link);
		if (e->err == 0 && in)
			e->err = serve_ready(e, p.revents != 0);
	}
}

static void
come_in(struct echo *e)
{
	struct pollfd p = { .fd = e->at->fd, .events = POLLIN };
	int err;

	do {
		assert_int_equal(poll(&p, 1, 20000), 1);
		err = listen_accept(e->at, &link_frame_vfp, &e->link);
	} while (err == -VFS_AGAIN);
	assert_int_equal(err, 0);
}

static void *
echo_run(void *arg)
{
	struct echo *e = arg;

	do {
		if (e->at != NULL)
			come_in(e);
		e->err = 0;
		serve(e);
		e->link->ops->close(e->link);
	} while (e->sessions-- > 1);
	return NULL;
}

static void
echo_start(struct echo *e)
{
	e->err = 0;
	e->messages = 0;
	assert_int_equal(pthread_create(&e->thread, NULL, echo_run, e), 0);
}

static int
echo_end(struct echo *e)
{
	pthread_join(e->thread, NULL);
	return e->err;
}

/* --- the five ways ---------------------------------------------------- */

static void
by_stream(struct echo *e, int *fd)
{
	int two[2];

	*e = (struct echo){ 0 };
	assert_int_equal(socketpair(AF_UNIX, SOCK_STREAM | SOCK_NONBLOCK, 0,
	    two), 0);
	assert_int_equal(link_stream_new(two[0], &link_unix, &link_frame_vfp,
	    &e->link), 0);
	echo_start(e);
	*fd = two[1];
}

static void
listen_at(struct echo *e, const char *spec)
{
	struct listen_conf lc = { .owner = getuid(), .group = getgid() };
	char why[256] = "";

	*e = (struct echo){ 0 };
	if (listen_open(spec, &lc, &e->at, why, sizeof why) != 0)
		fail_msg("%s", why);
}

/* Both ends of a pty; the name of the one that the daemon opens. */
static int
pty(char name[64])
{
	int fd = posix_openpt(O_RDWR | O_NOCTTY | O_CLOEXEC);

	assert_true(fd >= 0);
	assert_int_equal(grantpt(fd), 0);
	assert_int_equal(unlockpt(fd), 0);
	assert_int_equal(ptsname_r(fd, name, 64), 0);
	return fd;
}

struct way {
	struct echo echo;
	struct host host;
	struct scratch dir;
	int master;
};

static void
way_open(struct way *w, const char *kind)
{
	char spec[300], tty[64];
	int fd;

	memset(w, 0, sizeof *w);
	w->master = -1;
	if (strcmp(kind, "ring") == 0) {
		by_stream(&w->echo, &fd);
		assert_int_equal(host_ring_on(&w->host, fd, 4), 0);
	} else if (strcmp(kind, "ipc") == 0) {
		assert_int_equal(scratch_open(&w->dir), 0);
		snprintf(spec, sizeof spec, "ipc:%s/s", w->dir.path);
		listen_at(&w->echo, spec);
		echo_start(&w->echo);
		assert_int_equal(host_open(&w->host, "ipc", spec + 4), 0);
	} else {
		w->master = pty(tty);
		snprintf(spec, sizeof spec, "serial:%s", tty);
		listen_at(&w->echo, spec);
		echo_start(&w->echo);
		assert_int_equal(host_serial_on(&w->host, dup(w->master), 7),
		    0);
	}
}

static void
way_close(struct way *w)
{
	host_close(&w->host);
	assert_int_equal(echo_end(&w->echo), -VFS_SESSION_CLOSED);
	if (w->master >= 0)
		close(w->master);
	listen_close(w->echo.at, true);
	if (w->dir.path[0] != '\0')
		scratch_close(&w->dir);
}

/* --- messages --------------------------------------------------------- */

static uint8_t out[BIG + 4096], in[4 * BIG], data[BIG];

static void
check_echo(struct client *c, struct proto_hdr *h, struct rbuf *b, size_t n)
{
	struct vfs_write w;

	(void)c;
	assert_int_equal(proto_write_decode(b, &w), 0);
	assert_int_equal(w.data.n, n);
	assert_int_equal(w.off, h->req_id);
	assert_memory_equal(w.data.p, data + h->req_id % 100, n);
}

/* Sizes of messages 1 .. n, any but the same each time. */
static size_t
size_of(uint64_t k)
{
	uint64_t r = k * 0x9e3779b97f4a7c15 >> 40;

	return k % 7 == 0 ? r % (BIG - 200) : r % 600;
}

static void
many(const char *kind, unsigned n, unsigned under_way)
{
	struct vfs_write q = { .id = { 5 } };
	struct way w;
	struct client c;
	struct proto_hdr h;
	struct rbuf b;
	unsigned i, sent = 0;

	for (i = 0; i < sizeof data; i++)
		data[i] = (uint8_t)(i * i >> 3);
	way_open(&w, kind);
	client_init(&c, &w.host.pipe, out, sizeof out, in, sizeof in);
	for (i = 1; i <= n; i++) {
		while (sent < n && sent < i + under_way - 1) {
			q.off = ++sent;
			q.data = (struct vfs_slice){ data + sent % 100,
				size_of(sent) };
			assert_int_equal(client_send(&c, VFS_OP_WRITE, &q), 0);
		}
		assert_int_equal(client_next(&c, true, &h, &b), 0);
		assert_int_equal(h.req_id, i);
		check_echo(&c, &h, &b, size_of(i));
	}
	assert_int_equal(w.echo.messages, n);
	way_close(&w);
}

static void
ring__messages_of_any_length__come_back(void **state)
{
	(void)state;
	many("ring", 400, 1);
	many("ring", 400, 8);
}

static void
ipc__messages_of_any_length__come_back(void **state)
{
	(void)state;
	many("ipc", 200, 1);
	many("ipc", 200, 8);
}

static void
serial__messages_of_any_length__come_back(void **state)
{
	(void)state;
	many("serial", 100, 1);
	many("serial", 100, 8);
}

/* The line survives its sessions: the next one begins where none is. */
static void
serial__sessions_one_after_the_other__on_one_line(void **state)
{
	struct vfs_ping q = { .cookie = 3 };
	struct vfs_ping_reply r;
	struct way w;
	struct client c;
	unsigned i;

	(void)state;
	way_open(&w, "serial");
	w.echo.sessions = 6;
	for (i = 0; i < 6; i++) {
		client_init(&c, &w.host.pipe, out, sizeof out, in, sizeof in);
		assert_int_equal(client_call(&c, VFS_OP_PING, &q, &r), 0);
		assert_int_equal(r.cookie, 3);
		if (i == 5)
			break;
		if (i == 2)		/* without a word: the next one tells */
			close(w.host.fd);
		else
			host_close(&w.host);
		assert_int_equal(host_serial_on(&w.host, dup(w.master),
		    100 + i), 0);
	}
	way_close(&w);
	assert_int_equal(w.echo.messages, 6);
}

/* --- peers that should not -------------------------------------------- */

/* What a memfd has to be. */
static void
region__not_sealed_or_too_small__is_refused(void **state)
{
	struct region r;
	void *p;
	int fd = host_memfd(8192, false, &p);

	(void)state;
	assert_int_equal(region_map(fd, 8192, true, &r), -VFS_INVAL);
	assert_int_equal(fcntl(fd, F_ADD_SEALS, F_SEAL_SHRINK), 0);
	assert_int_equal(region_map(fd, 8193, true, &r), -VFS_INVAL);
	assert_int_equal(region_map(fd, 0, true, &r), -VFS_INVAL);
	assert_int_equal(region_map(fd, VFS_GRANT_BYTES_MAX + 1, true, &r),
	    -VFS_INVAL);
	assert_int_equal(region_map(fd, 8192, true, &r), 0);
	assert_int_equal(ftruncate(fd, 10), -1);
	assert_int_equal(errno, EPERM);
	r.p[8191] = 7;
	assert_int_equal(((uint8_t *)p)[8191], 7);
	region_unmap(&r);
	munmap(p, 8192);
	close(fd);
	fd = open("/proc/self/exe", O_RDONLY);
	assert_int_equal(region_map(fd, 4096, false, &r), -VFS_INVAL);
	close(fd);
	fd = open("/dev/zero", O_RDWR);
	assert_int_equal(region_map(fd, 4096, false, &r), -VFS_INVAL);
	close(fd);
	assert_int_equal(region_map(-1, 4096, false, &r), -VFS_INVAL);
}

static void
region__sealed_against_writing__only_read(void **state)
{
	struct region r;
	void *p;
	int fd = host_memfd(8192, true, &p);

	(void)state;
	munmap(p, 8192);
	assert_int_equal(fcntl(fd, F_ADD_SEALS, F_SEAL_WRITE), 0);
	assert_int_equal(region_map(fd, 8192, true, &r), -VFS_ACCESS);
	assert_int_equal(region_map(fd, 8192, false, &r), 0);
	region_unmap(&r);
	close(fd);
}

/* 16 bytes and a descriptor, and what is answered. */
static uint32_t
ask_ring(const uint32_t pre[4], int memfd, struct echo *e)
{
	uint32_t answer[4] = { 0 };
	int fd;

	by_stream(e, &fd);
	assert_int_equal(host_send_fd(fd, pre, 16, memfd), 0);
	fcntl(fd, F_SETFL, 0);
	assert_int_equal(recv(fd, answer, 16, MSG_WAITALL), 16);
	assert_int_equal(answer[0], RING_MAGIC);
	close(fd);
	echo_end(e);
	return answer[2];
}

static void
ring__asked_for_wrongly__is_refused_with_a_reason(void **state)
{
	struct echo e;
	void *p, *q;
	int open_fd = host_memfd(1 << 16, false, &p);
	int fd = host_memfd(ring_bytes(4), true, &q);

	(void)state;
	ring_format(q, 4);
	assert_int_equal(ask_ring((uint32_t[]){ RING_MAGIC, 1, 4, 0 }, fd,
	    &e), 0);
	assert_int_equal(ask_ring((uint32_t[]){ RING_MAGIC, 1, 4, 0 },
	    open_fd, &e), VFS_INVAL);
	assert_int_equal(ask_ring((uint32_t[]){ RING_MAGIC, 1, 4, 0 }, -1,
	    &e), VFS_INVAL);
	assert_int_equal(ask_ring((uint32_t[]){ RING_MAGIC, 2, 4, 0 }, fd,
	    &e), VFS_VERSION);
	assert_int_equal(ask_ring((uint32_t[]){ RING_MAGIC, 1, 5, 0 }, fd,
	    &e), VFS_MALFORMED);
	assert_int_equal(ask_ring((uint32_t[]){ RING_MAGIC, 1, 8, 0 }, fd,
	    &e), VFS_INVAL);		/* larger than it is */
	assert_int_equal(ask_ring((uint32_t[]){ RING_MAGIC, 1, 2, 0 }, fd,
	    &e), VFS_MALFORMED);	/* the region itself says 4 */
	munmap(p, 1 << 16);
	munmap(q, ring_bytes(4));
	close(open_fd);
	close(fd);
}

static void
ring__poisoned__ends_with_a_reason(void **state)
{
	struct way w;
	uint64_t far = 1000;

	(void)state;
	way_open(&w, "ring");
	memcpy((uint8_t *)w.host.region + 64, &far, sizeof far);
	assert_int_equal(host_send_fd(w.host.fd, "\1", 1, -1), 0);
	assert_int_equal(echo_end(&w.echo), -VFS_MALFORMED);
	assert_int_equal(w.host.pipe.wait(&w.host, false), -VFS_MALFORMED);
	host_close(&w.host);
}

/* --- grants ------------------------------------------------------------ */

static void
grant__places_in_and_outside__copied_or_refused(void **state)
{
	struct grants g;
	struct grant_copies c = { .g = &g };
	struct vfs_grant_map q = { .flags = VFS_GRANT_WRITE, .size = 8192 };
	struct vfs_grant_map_reply r, ro;
	struct vfs_grant_unmap u;
	const uint8_t *got;
	void *p;
	int fd = host_memfd(8192, true, &p);
	unsigned i;

	(void)state;
	grants_init(&g);
	assert_int_equal(grants_map(&g, -1, &q, &r), -VFS_INVAL);
	assert_int_equal(grants_map(&g, fd, &q, &r), 0);
	q.flags = 0;
	assert_int_equal(grants_map(&g, fd, &q, &ro), 0);
	memcpy((char *)p + 8187, "hello", 5);
	got = grant_get(&c, PROTO_GRANT, r.grant, 8187, 5);
	assert_non_null(got);
	memcpy((char *)p + 8187, "HELLO", 5);	/* too late */
	assert_memory_equal(got, "hello", 5);
	assert_null(grant_get(&c, PROTO_GRANT, r.grant, 8187, 6));
	assert_null(grant_get(&c, PROTO_GRANT, r.grant, 8193, 1));
	assert_null(grant_get(&c, PROTO_GRANT, r.grant, UINT64_MAX, 2));
	assert_null(grant_get(&c, PROTO_GRANT, 0, 0, 1));
	assert_null(grant_get(&c, PROTO_GRANT, VFS_GRANTS_MAX + 1, 0, 1));
	assert_null(grant_get(&c, PROTO_GRANT, 7, 0, 1));
	assert_null(grant_get(&c, PROTO_STAGED, r.grant, 0, 1));
	grant_copies_free(&c);
	assert_int_equal(grants_put(&g, r.grant, 8190, "xy", 2), 0);
	assert_memory_equal((char *)p + 8190, "xy", 2);
	assert_int_equal(grants_put(&g, r.grant, 8191, "xy", 2),
	    -VFS_MALFORMED);
	assert_int_equal(grants_room(&g, r.grant, 0, 8193), -VFS_MALFORMED);
	assert_int_equal(grants_put(&g, ro.grant, 0, "x", 1), -VFS_MALFORMED);
	u.grant = ro.grant;
	assert_int_equal(grants_unmap(&g, &u), 0);
	assert_int_equal(grants_unmap(&g, &u), -VFS_INVAL);
	for (i = 1; i < VFS_GRANTS_MAX; i++)
		assert_int_equal(grants_map(&g, fd, &q, &ro), 0);
	assert_int_equal(grants_map(&g, fd, &q, &ro), -VFS_QUOTA);
	grants_free(&g);
	munmap(p, 8192);
	close(fd);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(ring__messages_of_any_length__come_back),
		cmocka_unit_test(ipc__messages_of_any_length__come_back),
		cmocka_unit_test(serial__messages_of_any_length__come_back),
		cmocka_unit_test(
		    serial__sessions_one_after_the_other__on_one_line),
		cmocka_unit_test(region__not_sealed_or_too_small__is_refused),
		cmocka_unit_test(region__sealed_against_writing__only_read),
		cmocka_unit_test(
		    ring__asked_for_wrongly__is_refused_with_a_reason),
		cmocka_unit_test(ring__poisoned__ends_with_a_reason),
		cmocka_unit_test(
		    grant__places_in_and_outside__copied_or_refused),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
