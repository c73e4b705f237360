/* Foes of 9P. */
#include <poll.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include "../../vfsd/core/le.h"
#include "foe.h"

#define MSIZE		65536u
#define MOMENT_MS	30

static bool
come(struct foe *x, bool token)
{
	bool tcp = strcmp(x->kind, "9p-tcp") == 0;
	const char *colon = strrchr(x->where, ':');
	union p9_t t = { .attach = { .fid = P9C_ROOT, .afid = P9_NOFID,
	    .uname = p9c_str(x->token), .aname = p9c_str(""),
	    .n_uname = P9_NOUID } };
	struct p9c *c = tcp && colon != NULL ?
	    p9c_connect(NULL, (unsigned)atoi(colon + 1)) :
	    p9c_connect(x->where, 0);
	union p9_r r;

	x->h.fd = c == NULL ? -1 : c->fd;
	x->h.pipe.arg = c;		/* whose it is */
	if (c == NULL)
		return false;
	if (!token || (p9c_version(c, MSIZE) == 0 &&
	    p9c_call(c, P9_TATTACH, &t, &r) == 0))
		return true;
	p9c_free(c);
	return false;
}

static struct p9c *
client(struct foe *x)
{
	return x->h.pipe.arg;
}

static void
go(struct foe *x)
{
	p9c_free(client(x));
}

static void
push(struct foe *x, const void *p, size_t n)
{
	(void)!send(x->h.fd, p, n, MSG_NOSIGNAL | MSG_DONTWAIT);
}

static void
drain(struct foe *x)
{
	struct pollfd p = { .fd = x->h.fd, .events = POLLIN };

	while (poll(&p, 1, 2) == 1 &&
	    recv(x->h.fd, x->in, sizeof x->in, MSG_DONTWAIT) > 0)
		;
}

static const uint8_t types[] = {
#define P9(n, NAME, name, req, rep) n,
#include "../../vfsd/front/p9_msg.def"
#undef P9
};

/* Some message; right, but for what it says. */
static size_t
message(struct foe *x, uint8_t type)
{
	uint8_t body[400];
	size_t n = P9_HDR + foe_rnd(x, sizeof body);
	union p9_t t;

	foe_bytes(x, body, sizeof body);
	le_put32(body, (uint32_t)n);
	body[4] = type;
	body[9] = body[10] = 0;		/* low fids are there */
	if (p9_t_decode(body, n, &t) == 0)
		return p9_t_encode(type, 1, &t, x->msg, sizeof x->msg);
	memcpy(x->msg, body, n);
	return n;
}

static void
garbage(struct foe *x)
{
	if (!come(x, foe_rnd(x, 2)))
		return;
	foe_bytes(x, x->msg, 4000);
	push(x, x->msg, 1 + foe_rnd(x, 3999));
	drain(x);
	go(x);
}

static void
bad_size(struct foe *x)
{
	static const uint32_t sizes[] = { 0, 6, MSIZE + 1, 1u << 31,
		UINT32_MAX };

	if (!come(x, true))
		return;
	le_put32(x->msg, sizes[foe_rnd(x, 5)]);
	foe_bytes(x, x->msg + 4, 60);
	push(x, x->msg, 64);
	drain(x);
	go(x);
}

static void
bad_bodies(struct foe *x)
{
	uint8_t type;
	unsigned i;

	if (!come(x, true))
		return;
	for (i = 0; i < 100; i++) {
		type = types[foe_rnd(x, sizeof types)];
		push(x, x->msg, message(x, type));
		if (i % 10 == 0)
			drain(x);
	}
	drain(x);
	go(x);
}

static void
truncated(struct foe *x)
{
	if (!come(x, foe_rnd(x, 2)))
		return;
	le_put32(x->msg, 4000);
	x->msg[4] = P9_TWRITE;
	push(x, x->msg, 1 + foe_rnd(x, 3900));
	go(x);
}

static void
stalled(struct foe *x)
{
	struct p9c *c;

	if (!come(x, foe_rnd(x, 2)))
		return;
	c = client(x);
	le_put32(x->msg, 4000);
	push(x, x->msg, foe_rnd(x, 3) * 700);
	foe_keep(x, dup(c->fd));
	go(x);
}

/* Drips, a byte each time: often enough that a thread that waited for the
 * next would never be free. */
static void
slow(struct foe *x)
{
	uint64_t end = clock_ms() + 2 * MOMENT_MS;

	if (!come(x, true))
		return;
	le_put32(x->msg, 60000);
	push(x, x->msg, 5);
	while (clock_ms() < end) {
		push(x, x->msg + 5, 1);
		usleep(200);
	}
	go(x);
}

/* Asks and does not read. */
static void
flood(struct foe *x)
{
	union p9_t t = { .getattr = { P9C_ROOT, P9_GET_ALL } };
	struct pollfd p = { .events = POLLOUT };
	uint64_t end = clock_ms() + 2 * MOMENT_MS;
	size_t n = p9_t_encode(P9_TGETATTR, 3, &t, x->msg, sizeof x->msg);

	if (!come(x, true))
		return;
	p.fd = x->h.fd;
	while (clock_ms() < end) {
		push(x, x->msg, n);
		poll(&p, 1, 5);		/* as fast as it is taken */
	}
	go(x);
}

static void
forged(struct foe *x)
{
	struct p9_rgetattr a;
	unsigned i;

	if (!come(x, true))
		return;
	for (i = 0; i < 60; i++) {
		uint32_t fid = 1 + foe_rnd(x, 1000);

		x->believed += p9c_getattr(client(x), fid, &a) == 0;
		x->believed += p9c_clunk(client(x), fid) == 0;
		x->believed += p9c_walk(client(x), P9C_ROOT, 2000 + i,
		    "../home") == 0;
	}
	go(x);
}

static void
dies(struct foe *x)
{
	union p9_t t = { .lock = { .fid = 5, .type = 1, .length = 10,
	    .client_id = p9c_str("foe") } };
	union p9_r r;
	uint32_t n, i;

	if (!come(x, true))
		return;
	for (i = 5; i < 13; i++) {
		n = 20000;
		if (p9c_walk(client(x), P9C_ROOT, i, "") != 0 ||
		    p9c_create(client(x), i, i % 2 ? "one" : "two",
		    P9_O_RDWR, 0600) != 0 ||
		    p9c_write(client(x), i, 0, x->msg, &n) != 0)
			break;
	}
	p9c_call(client(x), P9_TLOCK, &t, &r);
	p9c_unlink(client(x), P9C_ROOT, "one", 0);
	push(x, x->msg, 3);
	go(x);
}

const struct foe_row foe_p9[] = {
	{ "garbage", "", garbage }, { "bad size", "", bad_size },
	{ "bad bodies", "", bad_bodies }, { "truncated", "", truncated },
	{ "stalled", "", stalled }, { "slow", "", slow },
	{ "flood", "", flood }, { "forged", "", forged },
	{ "dies", "", dies },
};
const unsigned foe_p9_n = sizeof foe_p9 / sizeof foe_p9[0];
