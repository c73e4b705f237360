/*
 * fuse_fx.h - a FUSE front over a socket in the place of /dev/fuse
 *
 * The store has a directory d with a file f in it.
 */
#ifndef TESTS_UNIT_FUSE_FX_H
#define TESTS_UNIT_FUSE_FX_H

#include "../cm.h"

#include <poll.h>
#include <sys/socket.h>
#include <unistd.h>

#include "../../vfsd/front/fuse.h"
#include "../../vfsd/front/fuse_abi.h"

struct rig {
	struct fx *fx;
	struct server *server;
	struct fuse_front *front;
	int kernel;			/* our end */
	uint32_t uid;			/* who asks */
	_Alignas(8) uint8_t reply[1 << 16];
	size_t n;
};

static inline int
rig_open_as(void **state, struct fuse_front_conf fc)
{
	struct rig *r = calloc(1, sizeof *r);
	struct server_conf sc = { 0 };
	int sv[2];

	r->fx = fx_open();
	r->fx->quiet = true;
	assert_int_equal(fx_mkdir(r->fx, "/d", 0755), 0);
	assert_int_equal(fx_create(r->fx, "/d/f", 0644), 0);
	assert_int_equal(fx_write(r->fx, "/d/f", 0, "hello", 5), 0);
	sc.engine = r->fx->e;
	assert_int_equal(server_new(&sc, &r->server), 0);
	assert_int_equal(socketpair(AF_UNIX, SOCK_SEQPACKET, 0, sv), 0);
	r->kernel = sv[1];
	fc.server = r->server;
	fc.fds = sv;
	fc.nfds = 1;
	assert_int_equal(fuse_front_start(&fc, &r->front), 0);
	*state = r;
	return 0;
}

static inline int
rig_close(void **state)
{
	struct rig *r = *state;

	close(r->kernel);
	fuse_front_stop(r->front);
	server_free(r->server);
	fx_close(r->fx);
	free(r);
	return 0;
}

static inline void
send_raw(struct rig *r, const void *p, size_t n)
{
	assert_int_equal(send(r->kernel, p, n, 0), n);
}

static inline void
request(struct rig *r, uint32_t op, uint64_t unique, uint64_t nodeid,
    const void *body, size_t n)
{
	uint8_t msg[8192];
	struct fuse_in_header h = { .len = (uint32_t)(sizeof h + n),
	    .opcode = op, .unique = unique, .nodeid = nodeid,
	    .uid = r->uid, .gid = r->uid };

	assert_true(n <= sizeof msg - sizeof h);
	memcpy(msg, &h, sizeof h);
	if (n > 0)
		memcpy(msg + sizeof h, body, n);
	send_raw(r, msg, sizeof h + n);
}

/* The reply to unique, other replies skipped; its errno. */
static inline int
answer(struct rig *r, uint64_t unique)
{
	struct fuse_out_header h;
	struct pollfd p = { .fd = r->kernel, .events = POLLIN };
	ssize_t n;

	for (;;) {
		assert_int_equal(poll(&p, 1, 10000), 1);
		n = recv(r->kernel, r->reply, sizeof r->reply, 0);
		assert_true(n >= (ssize_t)sizeof h);
		memcpy(&h, r->reply, sizeof h);
		assert_int_equal(h.len, n);
		r->n = (size_t)n;
		if (h.unique == unique)
			return -h.error;
	}
}

static inline const void *
body(const struct rig *r)
{
	return r->reply + sizeof(struct fuse_out_header);
}

static inline void
assert_notice_entry(struct rig *r, uint64_t dir, const char *name)
{
	const struct fuse_notify_inval_entry_out *e = body(r);

	assert_int_equal(answer(r, 0), -FUSE_NOTIFY_INVAL_ENTRY);
	assert_int_equal(e->parent, dir);
	assert_int_equal(e->namelen, strlen(name));
	assert_string_equal((const char *)(e + 1), name);
	assert_int_equal(r->n, sizeof(struct fuse_out_header) + sizeof *e +
	    strlen(name) + 1);
}

static inline uint64_t
look(struct rig *r, uint64_t unique, uint64_t dir, const char *name)
{
	const struct fuse_entry_out *e = body(r);

	request(r, FUSE_LOOKUP, unique, dir, name, strlen(name) + 1);
	assert_int_equal(answer(r, unique), 0);
	assert_true(e->entry_valid > 0);
	return e->nodeid;
}

#endif
