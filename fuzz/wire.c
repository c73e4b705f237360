/*
 * Any messages to a daemon whose peers may change the store: each request
 * gets one reply that decodes, and the store is sound afterwards.
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

struct rig {
	struct engine *engine;
	struct server *server;
	struct wire w;
	struct wire_conn c;
	uint64_t first;			/* the next id, at the start */
};

static void
rig_open(struct rig *r)
{
	struct engine_conf conf = { .dirfd = DIR_FD, .create = true,
		.no_threads = true, .log_bytes = 1 << 20,
		.now = { 1704067200, 0 }, .boot = { 1, 1 },
		.store = &be_store_mem, .log = &be_log_mem,
		.data = &be_data_mem, .format = core_format,
		.format_arg = &wire_root };
	struct server_conf sc = { 0 };

	memset(r, 0, sizeof *r);
	if (engine_open(&conf, &r->engine) < 0)
		abort();
	sc.engine = r->engine;
	if (server_new(&sc, &r->server) < 0)
		abort();
	r->w.conf.server = r->server;
	r->w.conf.changes = true;
	r->w.msg = malloc(VFS_MSG_MAX);
	r->w.room = malloc(WIRE_ROOMS * (size_t)VFS_IO_MAX);
	r->w.list = malloc(WIRE_LIST_MAX);
	r->w.status = malloc(sizeof *r->w.status);
	pthread_mutex_init(&r->w.check.lock, NULL);
	pthread_cond_init(&r->w.check.wake, NULL);
	r->c.max_msg = VFS_MSG_MAX;
	engine_status(r->engine, r->w.status);
	r->first = r->w.status->next_id.n;
}

static void
rig_close(struct rig *r)
{
	struct check_conf cc = { .bytes = true, .still = true };
	struct check_sum sum;

	if (check_store(r->engine, &cc, &sum) < 0 || sum.found > 0)
		abort();
	server_free(r->server);
	engine_kill(r->engine);
	be_mem_forget(DIR_FD);
	free(r->w.msg);
	free(r->w.room);
	free(r->w.list);
	free(r->w.status);
}

/* The reply says what was asked, and decodes. */
static void
judge(struct rig *r, const struct proto_hdr *q, size_t n)
{
	enum vfs_op op = proto_op_find(q->op);
	union proto_rep rep;
	struct proto_error e;
	struct proto_hdr h;
	struct rbuf b;

	if (proto_hdr_decode(r->w.msg, n, VFS_MSG_MAX, &h) < 0 ||
	    h.len != n || h.req_id != q->req_id ||
	    h.op != (q->op | PROTO_REPLY) || proto_body(&h, r->w.msg, &b) < 0)
		abort();
	memset(&rep, 0, sizeof rep);
	if (h.status != 0 ? proto_error_decode(&b, &e) < 0 :
	    proto_reply_decode(op, &b, &rep) < 0)
		abort();
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

int
LLVMFuzzerTestOneInput(const uint8_t *p, size_t n)
{
	struct proto_hdr h;
	struct rig r;
	uint8_t *copy;
	unsigned i;
	size_t len;

	rig_open(&r);
	for (i = 0; i < MESSAGES && proto_hdr_decode(p, n, VFS_MSG_MAX, &h)
	    == 0 && h.len <= n && h.op < 0x4000; i++) {
		copy = malloc(h.len);
		memcpy(copy, p, h.len);
		aim(&r, copy, h.len);
		len = wire_serve(&r.w, &r.c, &h, copy);
		judge(&r, &h, len);
		free(copy);
		p += h.len;
		n -= h.len;
	}
	rig_close(&r);
	return 0;
}
