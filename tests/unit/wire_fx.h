/*
 * wire_fx.h - the wire on a real socket, and a peer that speaks bytes
 */
#ifndef TESTS_UNIT_WIRE_FX_H
#define TESTS_UNIT_WIRE_FX_H

#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <sys/wait.h>
#include <unistd.h>
#include <cmocka.h>

#include "../../protocol/codec.h"
#include "../../protocol/tx.h"
#include "../../vfsd/addr.h"
#include "../../vfsd/front/wire.h"
#include "../fx.h"
#include "../scratch.h"

struct rig {
	struct fx *fx;
	struct server *server;
	struct sessions *sessions;
	struct scratch dir;
	struct wire *wire;
};

static uint8_t msg[VFS_MSG_MAX];
static uint64_t req_id;

static inline int
setup(void **state)
{
	struct rig *r = calloc(1, sizeof *r);
	struct server_conf sc = { 0 };
	struct wire_conf wc = { 0 };

	r->fx = fx_open();
	assert_int_equal(fx_mkdir(r->fx, "/d", 0755), 0);
	assert_int_equal(fx_create(r->fx, "/d/f", 0644), 0);
	assert_int_equal(fx_link(r->fx, "/d/f", "/g"), 0);
	sc.engine = r->fx->e;
	assert_int_equal(server_new(&sc, &r->server), 0);
	assert_int_equal(scratch_open(&r->dir), 0);
	assert_int_equal(sessions_new(r->server, getuid(), false,
	    &r->sessions), 0);
	wc.server = r->server;
	wc.sessions = r->sessions;
	wc.store_dirfd = r->dir.dirfd;
	assert_int_equal(wire_start(&wc, &r->wire), 0);
	req_id = 0;
	*state = r;
	return 0;
}

static inline int
teardown(void **state)
{
	struct rig *r = *state;
	struct stat st;

	wire_stop(r->wire);
	assert_int_equal(fstatat(r->dir.dirfd, WIRE_SOCK, &st, 0), -1);
	sessions_free(r->sessions);
	server_free(r->server);
	fx_close(r->fx);
	scratch_close(&r->dir);
	free(r);
	return 0;
}

static inline int
peer(struct rig *r)
{
	int fd = addr_connect(r->dir.path, 0);

	assert_true(fd >= 0);
	return fd;
}

/* n bytes, or how many came before the end. */
static inline size_t
take(int fd, void *p, size_t n)
{
	struct pollfd pf = { .fd = fd, .events = POLLIN };
	size_t got = 0;
	ssize_t k;

	while (got < n) {
		assert_true(poll(&pf, 1, 20000) == 1);
		k = recv(fd, (char *)p + got, n - got, 0);
		if (k <= 0)
			break;
		got += (size_t)k;
	}
	return got;
}

/* One message into msg; false at the end of the stream. */
static inline bool
receive(int fd, struct proto_hdr *h)
{
	if (take(fd, msg, PROTO_HDR) < PROTO_HDR)
		return false;
	assert_int_equal(proto_hdr_decode(msg, PROTO_HDR, VFS_MSG_MAX, h), 0);
	assert_int_equal(take(fd, msg + PROTO_HDR, h->len - PROTO_HDR),
	    h->len - PROTO_HDR);
	return true;
}

static inline size_t
request(enum vfs_op op, const void *q, uint8_t *to, size_t cap)
{
	struct proto_hdr h = { .req_id = ++req_id, .prio = 4 };

	assert_int_equal(proto_request_encode(op, q, &h, to, cap), 0);
	return h.len;
}

/* Request and reply; 0 or a negative error, e if it was refused. */
static inline int
call(int fd, enum vfs_op op, const void *q, void *r, struct proto_error *e)
{
	uint8_t out[4096];
	struct proto_error mine;
	struct proto_hdr h;
	struct rbuf b;
	size_t n = request(op, q, out, sizeof out);

	assert_int_equal(send(fd, out, n, MSG_NOSIGNAL), n);
	assert_true(receive(fd, &h));
	assert_int_equal(h.req_id, req_id);
	assert_int_equal(h.op, proto_ops[op].number | PROTO_REPLY);
	assert_int_equal(proto_body(&h, msg, &b), 0);
	if (h.status == 0) {
		assert_int_equal(proto_reply_decode(op, &b, r), 0);
		return 0;
	}
	assert_int_equal(proto_error_decode(&b, e != NULL ? e : &mine), 0);
	return -(int)h.status;
}

#endif
