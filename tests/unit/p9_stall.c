/* 9P: peers that fall silent, and how many may have said nothing yet. */
#include <arpa/inet.h>
#include <errno.h>
#include <netinet/in.h>
#include <poll.h>
#include <sys/socket.h>
#include <unistd.h>

#include "../cm.h"
#include "../p9_rig.h"
#include "../scratch.h"

#define STALL_MS	600
#define PATIENCE_MS	20000

/* A second front over the same store that is quick to lose patience; on
 * TCP and, since who is there has to be known, on a socket pair. */
struct quick {
	struct p9_rig *k;
	struct p9 *p;
	int listen;
	unsigned port;
};

static void
setup(struct quick *q, void **state)
{
	struct sockaddr_in in = { .sin_family = AF_INET,
	    .sin_addr = { htonl(INADDR_LOOPBACK) } };
	socklen_t n = sizeof in;
	struct p9_conf conf = { .owner = getuid(), .stall_ms = STALL_MS };

	q->k = *state;
	conf.server = q->k->r->s;
	assert_int_equal(p9_start(&conf, &q->p), 0);
	q->listen = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
	assert_int_equal(bind(q->listen, (void *)&in, n), 0);
	assert_int_equal(listen(q->listen, 128), 0);
	assert_int_equal(getsockname(q->listen, (void *)&in, &n), 0);
	q->port = ntohs(in.sin_port);
	assert_int_equal(p9_listen(q->p, q->listen), 0);
}

static void
teardown(struct quick *q)
{
	p9_stop(q->p);
	close(q->listen);
}

static struct p9c *
attached(struct quick *q)
{
	int fd[2];
	struct p9c *c;

	assert_int_equal(socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0,
	    fd), 0);
	assert_int_equal(p9_adopt(q->p, fd[1]), 0);
	c = p9c_new(fd[0]);
	assert_int_equal(p9c_version(c, P9_RIG_MSIZE), 0);
	assert_int_equal(p9c_attach(c, P9C_ROOT, "", P9_NOUID), 0);
	return c;
}

static bool
is_closed(struct p9c *c, int patience_ms)
{
	struct pollfd p = { .fd = c->fd, .events = POLLIN };
	char some[4096];
	ssize_t n;

	do {
		if (poll(&p, 1, patience_ms) != 1)
			return false;
		n = recv(c->fd, some, sizeof some, 0);
	} while (n > 0);
	return n == 0 || errno == ECONNRESET;
}

static uint64_t
stalled(struct quick *q)
{
	struct p9_stats st;

	p9_stats(q->p, &st);
	return st.stalled;
}

static uint64_t
conns(struct quick *q)
{
	struct p9_stats st;

	p9_stats(q->p, &st);
	return st.conns;
}

static void
connection__says_nothing__is_ended_and_counted(void **state)
{
	struct quick q;
	struct p9c *c, *other;

	setup(&q, state);
	other = attached(&q);
	c = p9c_connect(NULL, q.port);
	assert_true(is_closed(c, PATIENCE_MS));
	assert_int_equal(stalled(&q), 1);
	poll(NULL, 0, 2 * STALL_MS);	/* who has attached may be idle */
	assert_int_equal(p9c_walk(other, P9C_ROOT, 7, ""), 0);
	assert_int_equal(stalled(&q), 1);
	p9c_free(c);
	p9c_free(other);
	teardown(&q);
}

static void
version__and_no_attach__is_ended(void **state)
{
	struct quick q;
	struct p9c *c;

	setup(&q, state);
	c = p9c_connect(NULL, q.port);
	assert_int_equal(p9c_version(c, P9_RIG_MSIZE), 0);
	assert_int_equal(p9c_attach(c, P9C_ROOT, "", P9_NOUID), EACCES);
	assert_true(is_closed(c, PATIENCE_MS));
	assert_int_equal(stalled(&q), 1);
	p9c_free(c);
	teardown(&q);
}

static void
message__byte_by_byte__has_no_more_time(void **state)
{
	static const uint8_t start[] = { 0, 8, 0, 0, P9_TWRITE };
	struct quick q;
	struct p9c *c, *other;
	unsigned sent = 0;

	setup(&q, state);
	c = attached(&q);
	other = attached(&q);
	assert_int_equal(send(c->fd, start, sizeof start, 0), sizeof start);
	while (!is_closed(c, 1)) {
		assert_true(sent++ < PATIENCE_MS);
		send(c->fd, start, 1, MSG_NOSIGNAL);
		assert_int_equal(p9c_walk(other, P9C_ROOT, 7, ""), 0);
		assert_int_equal(p9c_clunk(other, 7), 0);
	}
	assert_int_equal(stalled(&q), 1);
	while (conns(&q) != 1)		/* it is closed before it is gone */
		poll(NULL, 0, 5);
	p9c_free(c);
	p9c_free(other);
	teardown(&q);
}

static void
replies__that_nobody_reads__end_it(void **state)
{
	static const uint8_t bytes[P9_RIG_MSIZE / 2] = { 1 };
	struct quick q;
	struct p9c *c;
	union p9_t t = { .read = { 5, 0, P9_RIG_MSIZE / 2 } };
	unsigned i;

	setup(&q, state);
	c = attached(&q);
	assert_int_equal(p9_rig_put(c, "f", bytes, sizeof bytes), 0);
	assert_int_equal(p9c_walk(c, P9C_ROOT, 5, "f"), 0);
	assert_int_equal(p9c_open(c, 5, 0), 0);
	for (i = 0; i < 64; i++)	/* more than a socket holds */
		assert_int_equal(p9c_send(c, (uint16_t)i, P9_TREAD, &t), 0);
	for (i = 0; stalled(&q) == 0; i++) {
		assert_true(i < PATIENCE_MS / 5);
		poll(NULL, 0, 5);
	}
	assert_true(is_closed(c, PATIENCE_MS));
	p9c_free(c);
	teardown(&q);
}

static void
strangers__too_many__leave_room_for_others(void **state)
{
	struct p9c *c[P9_STRANGERS_MAX], *more, *other;
	struct quick q;
	unsigned i;

	setup(&q, state);
	q.p->stall_ms = PATIENCE_MS;
	for (i = 0; i < P9_STRANGERS_MAX; i++) {
		c[i] = p9c_connect(NULL, q.port);
		assert_int_equal(p9c_version(c[i], P9_RIG_MSIZE), 0);
	}
	more = p9c_connect(NULL, q.port);
	assert_true(is_closed(more, PATIENCE_MS));
	other = attached(&q);
	assert_int_equal(conns(&q), P9_STRANGERS_MAX + 1);
	p9c_free(more);
	p9c_free(other);
	p9c_free(c[0]);			/* makes room for one */
	while (conns(&q) != P9_STRANGERS_MAX - 1)
		poll(NULL, 0, 5);
	more = p9c_connect(NULL, q.port);
	assert_int_equal(p9c_version(more, P9_RIG_MSIZE), 0);
	p9c_free(more);
	for (i = 1; i < P9_STRANGERS_MAX; i++)
		p9c_free(c[i]);
	teardown(&q);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		P9_TEST(connection__says_nothing__is_ended_and_counted),
		P9_TEST(version__and_no_attach__is_ended),
		P9_TEST(message__byte_by_byte__has_no_more_time),
		P9_TEST(replies__that_nobody_reads__end_it),
		P9_TEST(strangers__too_many__leave_room_for_others),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
