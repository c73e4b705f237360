/*
 * Any messages of 9P2000.L: nothing crashes, and the store is sound
 * afterwards.  Input: messages of type, flags, length (two bytes) and as
 * many bytes of body; a client has attached as fid 0 before.  Answers are
 * decoded: each must be one.
 */
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include "../backends/mem/mem.h"
#include "../vfsd/check_store.h"
#include "../vfsd/core/core.h"
#include "../vfsd/core/le.h"
#include "../vfsd/engine/engine.h"
#include "../vfsd/front/p9_in.h"
#include "fuzz.h"

#define DIR_FD		(-83)
#define MESSAGES	64u
#define HEAD		4u
#define RAW		1u		/* flags: numbers are not made small */
#define MSIZE		8192u
#define FIDS		8u

static const struct core_root p9_root = { .mode = 0777 };

struct p9_fuzz {
	struct engine *engine;
	struct server *server;
	struct p9 *p;
	struct p9_conn *c;
	int fd;				/* the client's end */
	uint8_t out[P9_OUT], sink[65536];
	size_t sunk;
};

static void
open_store(struct p9_fuzz *z)
{
	struct engine_conf conf = { .dirfd = DIR_FD, .create = true,
		.no_threads = true, .log_bytes = 1 << 20,
		.now = { 1704067200, 0 }, .boot = { 1, 1 },
		.store = &be_store_mem, .log = &be_log_mem,
		.data = &be_data_mem, .format = core_format,
		.format_arg = &p9_root };
	struct server_conf sc = { 0 };
	struct p9_conf pc = { .owner = getuid(), .atime = true,
		.no_threads = true };
	int fd[2];

	if (engine_open(&conf, &z->engine) < 0)
		abort();
	sc.engine = z->engine;
	if (server_new(&sc, &z->server) < 0)
		abort();
	pc.server = z->server;
	if (p9_start(&pc, &z->p) < 0 ||
	    socketpair(AF_UNIX, SOCK_STREAM | SOCK_NONBLOCK, 0, fd) < 0 ||
	    p9_conn_new(z->p, fd[1], &z->c) < 0)
		abort();
	z->fd = fd[0];
}

static void
close_store(struct p9_fuzz *z)
{
	struct check_conf cc = { .bytes = true, .still = true };
	struct check_sum sum;

	p9_conn_drop(z->c);
	p9_stop(z->p);
	close(z->fd);
	if (check_store(z->engine, &cc, &sum) < 0 || sum.found > 0)
		abort();
	server_free(z->server);
	engine_kill(z->engine);
	be_mem_forget(DIR_FD);
}

/* What came is whole messages, and answers. */
static void
drain(struct p9_fuzz *z)
{
	union p9_r r;
	struct p9_hdr h;
	ssize_t n;
	size_t at = 0;

	while ((n = recv(z->fd, z->sink + z->sunk, sizeof z->sink - z->sunk,
	    MSG_DONTWAIT)) > 0)
		z->sunk += (size_t)n;
	while (z->sunk - at >= P9_HDR) {
		p9_hdr_decode(z->sink + at, &h);
		if (h.size > MSIZE)
			abort();
		if (h.size > z->sunk - at)
			break;
		if (p9_r_decode(z->sink + at, h.size, &r) < 0)
			abort();
		at += h.size;
	}
	memmove(z->sink, z->sink + at, z->sunk - at);
	z->sunk -= at;
}

static void
feed(struct p9_fuzz *z, const uint8_t *msg, size_t n)
{
	struct p9_req *q;

	if (n > atomic_load(&z->c->msize) ||
	    (q = p9_req_new(z->c, n)) == NULL)
		return;
	memcpy(q->p, msg, n);
	p9_begin(q);
	p9_serve(q, z->out);
	drain(z);
}

static void
hello(struct p9_fuzz *z)
{
	uint8_t msg[128];
	union p9_t t = { .version = { MSIZE, { P9_VERSION, 8 } } };

	feed(z, msg, p9_t_encode(P9_TVERSION, 0, &t, msg, sizeof msg));
	t.attach = (struct p9_tattach){ .afid = P9_NOFID,
	    .n_uname = P9_NOUID };
	feed(z, msg, p9_t_encode(P9_TATTACH, 0, &t, msg, sizeof msg));
}

/* Fids become small, msize stays what the room here is. */
static void
aim(uint8_t type, uint8_t *body, size_t n)
{
	bool two = type == P9_TWALK || type == P9_TLINK ||
	    type == P9_TRENAME || type == P9_TXATTRWALK;

	if (type == P9_TVERSION && n >= 4)
		le_put32(body, MSIZE);
	if (type == P9_TVERSION || type == P9_TFLUSH)
		return;
	if (n >= 4)
		le_put32(body, body[0] % FIDS);
	if (two && n >= 8)
		le_put32(body + 4, body[4] % FIDS);
	if (type == P9_TATTACH && n >= 8)
		le_put32(body + 4, P9_NOFID);
}

int
LLVMFuzzerTestOneInput(const uint8_t *p, size_t n)
{
	struct p9_fuzz *z = calloc(1, sizeof *z);
	uint8_t msg[P9_HDR + 65536];
	unsigned i;
	size_t len;

	if (z == NULL)
		abort();
	open_store(z);
	hello(z);
	for (i = 0; i < MESSAGES && n >= HEAD; i++) {
		len = p[2] | (size_t)p[3] << 8;
		if (len > n - HEAD)
			len = n - HEAD;
		le_put32(msg, (uint32_t)(P9_HDR + len));
		msg[4] = p[0];
		le_put16(msg + 5, (uint16_t)i);
		memcpy(msg + P9_HDR, p + HEAD, len);
		if ((p[1] & RAW) == 0)
			aim(p[0], msg + P9_HDR, len);
		else if (p[0] == P9_TVERSION && len >= 4)
			le_put32(msg + P9_HDR, MSIZE);
		feed(z, msg, P9_HDR + len);
		p += HEAD + len;
		n -= HEAD + len;
	}
	close_store(z);
	free(z);
	return 0;
}
