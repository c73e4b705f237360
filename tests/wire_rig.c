#include <netinet/in.h>
#include <poll.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include "../vfsd/addr.h"
#include "../vfsd/engine/engine.h"
#include "../vfsd/front/wire_in.h"
#include "wire_rig.h"

#define PATIENCE_MS	20000

static void
more(void *arg, wire_put *put, void *to)
{
	struct wire_rig *r = arg;

	(void)put, (void)to;
	while (r->stuck)
		poll(NULL, 0, 2);
}

struct wire_rig *
wire_rig_open(unsigned threads, uint32_t stall_ms, bool others,
    const char *spec)
{
	struct wire_rig *r = calloc(1, sizeof *r);
	struct server_conf sc = { 0 };
	struct wire_conf wc = { .threads = threads, .stall_ms = stall_ms };
	struct listen_conf lc = { .owner = getuid(), .group = getgid(),
		.others = others };
	char why[300];

	assert_non_null(r);
	r->fx = fx_open();
	sc.engine = r->fx->e;
	assert_int_equal(server_new(&sc, &r->server), 0);
	assert_int_equal(sessions_new(r->server, getuid(), others,
	    &r->sessions), 0);
	assert_int_equal(scratch_open(&r->dir), 0);
	if (spec != NULL) {
		assert_int_equal(listen_open(spec, &lc, &r->place, why,
		    sizeof why), 0);
		wc.listeners = &r->place;
		wc.nlisteners = 1;
	}
	wc.more = more;
	wc.more_arg = r;
	wc.server = r->server;
	wc.sessions = r->sessions;
	wc.store_dirfd = r->dir.dirfd;
	assert_int_equal(wire_start(&wc, &r->wire), 0);
	return r;
}

void
wire_rig_close(struct wire_rig *r)
{
	wire_rig_release(r);
	wire_stop(r->wire);
	listen_close(r->place, true);
	sessions_free(r->sessions);
	server_free(r->server);
	fx_close(r->fx);
	scratch_close(&r->dir);
	free(r);
}

int
wire_rig_setup(void **state)
{
	*state = wire_rig_open(0, 0, false, NULL);
	return 0;
}

int
wire_rig_teardown(void **state)
{
	wire_rig_close(*state);
	return 0;
}

void
wire_rig_hold(struct wire_rig *r)
{
	static const struct req_env env = { .privileged = true };

	assert_null(r->held);
	assert_int_equal(txn_begin(r->fx->e, TXN_WRITE, &env, &r->held), 0);
}

void
wire_rig_release(struct wire_rig *r)
{
	if (r->held != NULL)
		txn_abort(r->held);
	r->held = NULL;
}

static uint64_t
find_count(struct wire_peer *p, const char *name)
{
	struct vfs_status q = { 0 };
	struct vfs_status_reply sr;
	struct proto_pair pair;
	struct rbuf b;

	p->prio = 7;			/* before what the test has queued */
	assert_int_equal(wire_call(p, VFS_OP_STATUS, &q, &sr), 0);
	proto_list_read(&b, (struct vfs_slice){ sr.pairs.p, sr.pairs.n });
	while (proto_list_more(&b)) {
		assert_int_equal(proto_pair_next(&b, &pair), 0);
		if (pair.name.n == strlen(name) &&
		    memcmp(pair.name.p, name, pair.name.n) == 0)
			return pair.n;
	}
	return 0;
}

uint64_t
wire_rig_count(struct wire_rig *r, const char *name)
{
	struct wire_peer *p = wire_peer_unix(r);
	uint64_t n = find_count(p, name);

	wire_peer_close(p);
	return n;
}

void
wire_rig_until(struct wire_rig *r, const char *name, uint64_t n)
{
	struct wire_peer *p = wire_peer_unix(r);
	int tries;

	for (tries = 0; find_count(p, name) != n; tries++) {
		assert_true(tries < PATIENCE_MS / 5);
		poll(NULL, 0, 5);
	}
	wire_peer_close(p);
}

void
wire_rig_until_running(struct wire_rig *r, unsigned n)
{
	unsigned now;

	do {
		poll(NULL, 0, 2);
		pthread_mutex_lock(&r->wire->lock);
		now = r->wire->ordinary;
		pthread_mutex_unlock(&r->wire->lock);
	} while (now < n);
}

/* --- one peer --------------------------------------------------------------- */

struct wire_peer *
wire_peer_fd(int fd)
{
	struct wire_peer *p = calloc(1, sizeof *p);

	assert_true(fd >= 0 && p != NULL);
	p->fd = fd;
	p->prio = 4;
	p->msg = malloc(VFS_MSG_MAX);
	assert_non_null(p->msg);
	return p;
}

struct wire_peer *
wire_peer_unix(struct wire_rig *r)
{
	return wire_peer_fd(addr_connect(r->dir.path, 0));
}

struct wire_peer *
wire_peer_tcp(struct wire_rig *r)
{
	struct sockaddr_in sa = { .sin_family = AF_INET,
		.sin_addr.s_addr = htonl(INADDR_LOOPBACK) };
	int fd = socket(AF_INET, SOCK_STREAM, 0);

	sa.sin_port = htons((uint16_t)atoi(strrchr(r->place->shown, ':') +
	    1));
	assert_int_equal(connect(fd, (struct sockaddr *)&sa, sizeof sa), 0);
	return wire_peer_fd(fd);
}

void
wire_peer_close(struct wire_peer *p)
{
	close(p->fd);
	free(p->msg);
	free(p);
}

uint64_t
wire_ask(struct wire_peer *p, enum vfs_op op, const void *q)
{
	struct proto_hdr h = { .req_id = ++p->req_id, .prio = p->prio,
		.session = p->session, .status = p->deadline_ms };
	uint8_t *out = malloc(VFS_MSG_MAX);
	size_t at;
	ssize_t k;

	assert_non_null(out);
	assert_int_equal(proto_request_encode(op, q, &h, out, VFS_MSG_MAX),
	    0);
	if (p->tx != 0)
		assert_int_equal(proto_ext_tx(&h, out, VFS_MSG_MAX, p->tx),
		    0);
	for (at = 0; at < h.len; at += (size_t)k) {
		k = send(p->fd, out + at, h.len - at, MSG_NOSIGNAL);
		assert_true(k > 0);
	}
	free(out);
	return p->req_id;
}

/* n bytes, or how many came before the end. */
static size_t
take(int fd, uint8_t *to, size_t n)
{
	struct pollfd pf = { .fd = fd, .events = POLLIN };
	size_t got = 0;
	ssize_t k;

	while (got < n) {
		assert_int_equal(poll(&pf, 1, PATIENCE_MS), 1);
		k = recv(fd, to + got, n - got, 0);
		if (k <= 0)
			break;
		got += (size_t)k;
	}
	return got;
}

bool
wire_hear(struct wire_peer *p)
{
	size_t rest;

	if (take(p->fd, p->msg, PROTO_HDR) < PROTO_HDR)
		return false;
	assert_int_equal(proto_hdr_decode(p->msg, PROTO_HDR, VFS_MSG_MAX,
	    &p->h), 0);
	rest = p->h.len - PROTO_HDR;
	assert_int_equal(take(p->fd, p->msg + PROTO_HDR, rest), rest);
	assert_int_equal(proto_body(&p->h, p->msg, &p->body), 0);
	return true;
}

void
wire_silence(struct wire_peer *p, int ms)
{
	struct pollfd pf = { .fd = p->fd, .events = POLLIN };

	assert_int_equal(poll(&pf, 1, ms), 0);
}

int
wire_reply(struct wire_peer *p, uint64_t req_id, enum vfs_op op, void *r)
{
	union proto_rep mine;

	assert_true(wire_hear(p));
	assert_int_equal(p->h.op, proto_ops[op].number | PROTO_REPLY);
	assert_int_equal(p->h.req_id, req_id);
	memset(&mine, 0, sizeof mine);
	if (p->h.status == 0) {
		assert_int_equal(proto_reply_decode(op, &p->body,
		    r != NULL ? r : &mine), 0);
		return 0;
	}
	assert_int_equal(proto_error_decode(&p->body, &p->e), 0);
	return -(int)p->h.status;
}

int
wire_call(struct wire_peer *p, enum vfs_op op, const void *q, void *r)
{
	return wire_reply(p, wire_ask(p, op, q), op, r);
}

void
wire_noted(struct wire_peer *p, unsigned op)
{
	assert_true(wire_hear(p));
	assert_int_equal(p->h.op, op);
}

void
wire_ends(struct wire_peer *p, int err)
{
	wire_noted(p, PROTO_N_SHUTDOWN);
	assert_int_equal(rbuf_u32(&p->body), -err);
	assert_false(wire_hear(p));
}

/* --- requests ------------------------------------------------------------------ */

uint64_t
wire_ask_create(struct wire_peer *p, const char *name)
{
	struct vfs_create q = { .dir = { VFS_ID_ROOT }, .mode = 0100644,
		.flags = VFS_CREATE_EXCL, .name = { name, strlen(name) } };

	return wire_ask(p, VFS_OP_CREATE, &q);
}

uint64_t
wire_ask_stat(struct wire_peer *p)
{
	struct vfs_stat q = { .id = { VFS_ID_ROOT } };

	return wire_ask(p, VFS_OP_STAT, &q);
}

int
wire_look(struct wire_peer *p, const char *name)
{
	struct vfs_lookup q = { .dir = { VFS_ID_ROOT },
		.name = { name, strlen(name) } };

	return wire_call(p, VFS_OP_LOOKUP, &q, NULL);
}

void
wire_ping(struct wire_peer *p)
{
	struct vfs_ping q = { .cookie = 77 };
	struct vfs_ping_reply r;

	assert_int_equal(wire_call(p, VFS_OP_PING, &q, &r), 0);
	assert_int_equal(r.cookie, 77);
}

int
wire_hello(struct wire_peer *p, struct vfs_hello_reply *r)
{
	struct vfs_hello q = { .magic = PROTO_MAGIC, .version_min = 1,
		.version_max = 1, .max_msg = VFS_MSG_MAX,
		.client = { "test", 4 } };

	return wire_call(p, VFS_OP_HELLO, &q, r);
}
