/*
 * Any messages to a daemon whose peers may change the store: each request
 * gets exactly one reply, which decodes, and the store is sound afterwards.
 */
#include <stdlib.h>
#include <string.h>

#include "../backends/mem/mem.h"
#include "../vfsd/check_store.h"
#include "../vfsd/core/core.h"
#include "../vfsd/core/le.h"
#include "../vfsd/engine/engine.h"
#include "../vfsd/front/wire_in.h"
#include "fuzz.h"

#define DIR_FD		(-78)
#define MESSAGES	64u

static const struct core_root wire_root = { .mode = 0755 };

/* A peer whose words are made up and whose ears check. */
struct rig {
	struct link link;		/* first */
	struct engine *engine;
	struct server *server;
	struct sessions *sessions;
	struct wire w;
	struct wire_work k;
	struct wire_conn *c;
	const struct proto_hdr *q;	/* what was asked */
	unsigned replies;
	uint64_t first;			/* the next id, at the start */
};

static unsigned
ear_fds(struct link *l, bool in, struct link_fd fd[LINK_FDS_MAX])
{
	(void)l, (void)in, (void)fd;
	return 0;
}

static int
ear_flush(struct link *l)
{
	(void)l;
	return 0;
}

static void
ear_close(struct link *l)
{
	(void)l;
}

/* The reply says what was asked, and decodes. */
static int
ear_send(struct link *l, const void *msg, size_t n)
{
	struct rig *r = (struct rig *)l;
	union proto_rep rep;
	struct proto_error e;
	struct proto_hdr h;
	struct rbuf b;

	if (proto_hdr_decode(msg, n, VFS_MSG_MAX, &h) < 0 || h.len != n ||
	    proto_body(&h, msg, &b) < 0)
		abort();
	if (h.op < PROTO_REPLY)
		return 0;		/* a notification */
	if (h.req_id != r->q->req_id || h.session != r->q->session ||
	    h.op != (r->q->op | PROTO_REPLY))
		abort();
	r->replies++;
	memset(&rep, 0, sizeof rep);
	if (h.status != 0 ? proto_error_decode(&b, &e) < 0 :
	    proto_reply_decode(proto_op_find(r->q->op), &b, &rep) < 0)
		abort();
	return 0;
}

static const struct link_ops ear = { .name = "fuzz", .fds = ear_fds,
	.send = ear_send, .flush = ear_flush, .close = ear_close };

static void
peer_comes(struct rig *r)
{
	r->link.ops = &ear;
	r->link.max_msg = VFS_MSG_MAX;
	r->link.who.transport = "fuzz";
	r->link.who.has_cred = true;
	wire_adopt(&r->k, &r->link);
	r->c = r->w.conns[0];
	if (r->c == NULL || !r->c->used)
		abort();
}

static void
rig_open(struct rig *r)
{
	struct engine_conf conf = { .dirfd = DIR_FD, .create = true,
		.no_threads = true, .log_bytes = 1 << 20,
		.now = { 1704067200, 0 }, .boot = { 1, 1 },
		.store = &be_store_mem, .log = &be_log_mem,
		.data = &be_data_mem, .format = core_format,
		.format_arg = &wire_root };
	struct wire_conf wc = { .threads = 3 };
	struct server_conf sc = { 0 };

	memset(r, 0, sizeof *r);
	if (engine_open(&conf, &r->engine) < 0)
		abort();
	sc.engine = r->engine;
	if (server_new(&sc, &r->server) < 0 ||
	    sessions_new(r->server, 0, false, &r->sessions) < 0)
		abort();
	wc.server = r->server;
	wc.sessions = r->sessions;
	if (wire_init(&r->w, &wc) < 0 || wire_work_init(&r->w, &r->k) < 0)
		abort();
	pthread_mutex_init(&r->w.check.lock, NULL);
	pthread_cond_init(&r->w.check.wake, NULL);
	peer_comes(r);
	engine_status(r->engine, r->k.status);
	r->first = r->k.status->next_id.n;
}

static void
peer_goes(struct rig *r)
{
	pthread_mutex_lock(&r->w.lock);
	wire_conn_end(r->c);
	pthread_mutex_unlock(&r->w.lock);
	wire_drain(&r->k);
	wire_reap(&r->w);
	if (r->c->used)
		abort();
}

static void
rig_close(struct rig *r)
{
	struct check_conf cc = { .bytes = true, .still = true };
	struct check_sum sum;

	peer_goes(r);
	if (check_store(r->engine, &cc, &sum) < 0 || sum.found > 0)
		abort();
	wire_work_fini(&r->k);
	wire_fini(&r->w);
	sessions_free(r->sessions);
	server_free(r->server);
	engine_kill(r->engine);
	be_mem_forget(DIR_FD);
}

/* Ids that exist are hard to guess: reserved ones stand for the first
 * that are made. */
static void
aim(const struct rig *r, uint8_t *msg, size_t n)
{
	size_t at;
	uint64_t id;

	for (at = PROTO_HDR; at + 8 <= n && at < PROTO_HDR + 16; at += 8) {
		id = le_get64(msg + at);
		if (id > VFS_ID_ROOT && id < VFS_ID_FIRST)
			le_put64(msg + at, r->first + id - 2);
	}
}

/* One request and its one reply. */
static void
ask(struct rig *r, struct proto_hdr *h, const uint8_t *p)
{
	uint8_t *copy = malloc(h->len);

	if (copy == NULL)
		abort();
	memcpy(copy, p, h->len);
	aim(r, copy, h->len);
	/* Nobody else ends what waits. */
	if (wire_class_of(proto_op_find(h->op), h, copy) == WIRE_WAIT)
		le_put32(copy + 20, 1);
	r->q = h;
	r->replies = 0;
	wire_arrive(&r->k, r->c, copy, h->len);
	wire_drain(&r->k);
	if (r->replies != 1)
		abort();
}

int
LLVMFuzzerTestOneInput(const uint8_t *p, size_t n)
{
	struct proto_hdr h;
	struct rig r;
	unsigned i;

	rig_open(&r);
	for (i = 0; i < MESSAGES && proto_hdr_decode(p, n, VFS_MSG_MAX, &h)
	    == 0 && h.len <= n && h.op < 0x4000; i++) {
		ask(&r, &h, p);
		p += h.len;
		n -= h.len;
	}
	rig_close(&r);
	return 0;
}
