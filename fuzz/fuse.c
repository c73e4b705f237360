/*
 * Any requests from a kernel: nothing crashes, and the store is sound
 * afterwards.  Input: messages of opcode, node, flags, length (two bytes)
 * and as many bytes of body.
 */
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "../backends/mem/mem.h"
#include "../vfsd/check_store.h"
#include "../vfsd/core/core.h"
#include "../vfsd/core/le.h"
#include "../vfsd/engine/engine.h"
#include "../vfsd/front/fuse_req.h"
#include "fuzz.h"

#define DIR_FD		(-79)
#define MESSAGES	64u
#define HEAD		5u
#define EXTLEN		1u		/* flags: a header extension is said */
#define OTHER_USER	2u
#define CUT		4u		/* the length is a lie */
#define AIM		8u		/* small numbers in front are nodes */

static const struct core_root fuse_root = { .mode = 0777 };

struct rig {
	struct engine *engine;
	struct fuse_front f;
	struct fuse_worker w;
	uint64_t first;			/* the next id, at the start */
	uint8_t in[FUSE_BUF];
};

static void
rig_open(struct rig *r)
{
	struct engine_conf conf = { .dirfd = DIR_FD, .create = true,
		.no_threads = true, .log_bytes = 1 << 20,
		.now = { 1704067200, 0 }, .boot = { 1, 1 },
		.store = &be_store_mem, .log = &be_log_mem,
		.data = &be_data_mem, .format = core_format,
		.format_arg = &fuse_root };
	struct server_conf sc = { 0 };
	struct engine_status st;

	if (engine_open(&conf, &r->engine) < 0)
		abort();
	sc.engine = r->engine;
	if (server_new(&sc, &r->f.conf.server) < 0 ||
	    fuse_handles_new(&r->f.handles) < 0 ||
	    locks_new(&r->f.locks) < 0)
		abort();
	r->f.visible = server_visible(r->f.conf.server);
	r->f.conf.atime = r->f.conf.shared_locks = true;
	r->f.flags = FUSE_SETXATTR_EXT;
	r->w.f = &r->f;
	r->w.out = malloc(FUSE_BUF);
	r->w.fd = open("/dev/null", O_WRONLY);
	engine_status(r->engine, &st);
	r->first = st.next_id.n;
}

static void
rig_close(struct rig *r)
{
	struct check_conf cc = { .bytes = true, .still = true };
	struct check_sum sum;

	locks_free(r->f.locks);		/* answers who waits */
	fuse_handles_free(r->f.handles);
	if (check_store(r->engine, &cc, &sum) < 0 || sum.found > 0)
		abort();
	server_free(r->f.conf.server);
	engine_kill(r->engine);
	be_mem_forget(DIR_FD);
	free(r->w.out);
	close(r->w.fd);
}

/* 1 is the root, 2 to 15 the first objects that were made. */
static uint64_t
node(const struct rig *r, uint8_t n)
{
	return n < 2 ? n : n < 16 ? r->first + n - 2 : n * 1000003ull;
}

static void
aim(const struct rig *r, uint8_t *body, size_t n)
{
	size_t at;
	uint64_t id;

	for (at = 0; at + 8 <= n && at < 24; at += 8) {
		id = le_get64(body + at);
		if (id > 1 && id < 16)
			le_put64(body + at, node(r, (uint8_t)id));
	}
}

int
LLVMFuzzerTestOneInput(const uint8_t *p, size_t n)
{
	struct rig *r = calloc(1, sizeof *r);
	struct fuse_in_header h;
	unsigned i;
	size_t len;

	rig_open(r);
	for (i = 0; i < MESSAGES && n >= HEAD; i++) {
		len = p[3] | (size_t)p[4] << 8;
		if (len > n - HEAD)
			len = n - HEAD;
		h = (struct fuse_in_header){ .opcode = p[0],
		    .nodeid = node(r, p[1]), .unique = i + 1, .pid = 1,
		    .len = (uint32_t)(sizeof h + len),
		    .uid = p[2] & OTHER_USER ? 1000 : 0,
		    .total_extlen = p[2] & EXTLEN ? 1 : 0 };
		memcpy(r->in, &h, sizeof h);
		memcpy(r->in + sizeof h, p + HEAD, len);
		if (p[2] & AIM)
			aim(r, r->in + sizeof h, len);
		fuse_serve(&r->w, r->in, p[2] & CUT ? p[2] : h.len);
		p += HEAD + len;
		n -= HEAD + len;
	}
	rig_close(r);
	free(r);
	return 0;
}
