/* The wire: transactions of a peer. */
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

static int
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

static int
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

static int
peer(struct rig *r)
{
	int fd = addr_connect(r->dir.path);

	assert_true(fd >= 0);
	return fd;
}

/* n bytes, or how many came before the end. */
static size_t
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
static bool
receive(int fd, struct proto_hdr *h)
{
	if (take(fd, msg, PROTO_HDR) < PROTO_HDR)
		return false;
	assert_int_equal(proto_hdr_decode(msg, PROTO_HDR, VFS_MSG_MAX, h), 0);
	assert_int_equal(take(fd, msg + PROTO_HDR, h->len - PROTO_HDR),
	    h->len - PROTO_HDR);
	return true;
}

static size_t
request(enum vfs_op op, const void *q, uint8_t *to, size_t cap)
{
	struct proto_hdr h = { .req_id = ++req_id, .prio = 4 };

	assert_int_equal(proto_request_encode(op, q, &h, to, cap), 0);
	return h.len;
}

/* Request and reply; 0 or a negative error, e if it was refused. */
static int
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

/* --- transactions ------------------------------------------------------ */

/* mkdir name, and a file in it with a few bytes. */
static size_t
pack_tree(const char *name, uint8_t *list, size_t cap)
{
	struct vfs_create d = { .dir = { VFS_ID_ROOT }, .mode = 0040755,
		.flags = VFS_CREATE_EXCL, .name = { name, strlen(name) } };
	struct vfs_create f = { .dir = { VFS_TX_RESULT }, .mode = 0100644,
		.name = { "f", 1 } };
	struct vfs_write w = { .id = { VFS_TX_RESULT | 1 },
		.data = { "bytes", 5 } };
	size_t n = 0;

	assert_int_equal(proto_tx_op_put(VFS_OP_CREATE, &d, list, cap, &n), 0);
	assert_int_equal(proto_tx_op_put(VFS_OP_CREATE, &f, list, cap, &n), 0);
	assert_int_equal(proto_tx_op_put(VFS_OP_WRITE, &w, list, cap, &n), 0);
	return n;
}

static int
look(int fd, const char *name)
{
	struct vfs_lookup q = { .dir = { VFS_ID_ROOT },
		.name = { name, strlen(name) } };
	struct vfs_lookup_reply r;

	return call(fd, VFS_OP_LOOKUP, &q, &r, NULL);
}

static void
tx__one_message__makes_a_tree_once(void **state)
{
	uint8_t list[1024];
	struct vfs_tx_exec q = { .nops = 3,
		.tx_id = { "0123456789abcdef", 16 } };
	struct vfs_tx_status sq = { q.tx_id };
	struct vfs_tx_exec_reply r;
	struct vfs_tx_status_reply sr;
	struct proto_brief b;
	struct proto_error e;
	struct rbuf rb;
	uint64_t seq;
	int fd = peer(*state);

	q.ops = (struct vfs_slice){ list, pack_tree("t", list, sizeof list) };
	assert_int_equal(call(fd, VFS_OP_TX_EXEC, &q, &r, NULL), 0);
	assert_int_equal(r.nresults, 3);
	assert_int_equal(r.results.n, 3 * PROTO_BRIEF);
	rbuf_init(&rb, (uint8_t *)r.results.p + 2 * PROTO_BRIEF, PROTO_BRIEF,
	    0);
	proto_brief_decode(&rb, &b);
	assert_int_equal(b.size, 5);
	seq = r.seq;
	assert_int_equal(call(fd, VFS_OP_TX_EXEC, &q, &r, NULL), 0);
	assert_int_equal(r.repeated, 1);
	assert_int_equal(r.seq, seq);
	assert_int_equal(call(fd, VFS_OP_TX_STATUS, &sq, &sr, NULL), 0);
	assert_int_equal(sr.state, VFS_TX_COMMITTED);
	assert_int_equal(sr.seq, seq);
	q.tx_id.n = 0;
	assert_int_equal(call(fd, VFS_OP_TX_EXEC, &q, &r, &e), -VFS_EXIST);
	assert_int_equal(e.op_index, 0);
	close(fd);
}

static void
tx__peer_goes_away__it_is_aborted(void **state)
{
	uint8_t list[1024];
	int one = peer(*state), two = peer(*state);
	struct vfs_tx_begin bq = { 0 };
	struct vfs_tx_begin_reply b;
	struct vfs_tx_add aq = { .nops = 3 };
	struct vfs_tx_add_reply a;
	struct vfs_tx_commit cq = { 0 };
	struct vfs_tx_commit_reply c;

	aq.ops = (struct vfs_slice){ list, pack_tree("t", list, sizeof list) };
	assert_int_equal(call(one, VFS_OP_TX_BEGIN, &bq, &b, NULL), 0);
	aq.tx = cq.tx = b.tx;
	assert_int_equal(call(one, VFS_OP_TX_ADD, &aq, &a, NULL), 0);
	assert_int_equal(look(two, "t"), -VFS_NOENT);
	/* Not his. */
	assert_int_equal(call(two, VFS_OP_TX_COMMIT, &cq, &c, NULL),
	    -VFS_TX_UNKNOWN);
	close(one);
	one = peer(*state);
	assert_int_equal(call(one, VFS_OP_TX_COMMIT, &cq, &c, NULL),
	    -VFS_TX_UNKNOWN);
	assert_int_equal(call(one, VFS_OP_TX_BEGIN, &bq, &b, NULL), 0);
	aq.tx = cq.tx = b.tx;
	cq.durability = VFS_TX_STABLE;
	assert_int_equal(call(one, VFS_OP_TX_ADD, &aq, &a, NULL), 0);
	assert_int_equal(call(one, VFS_OP_TX_COMMIT, &cq, &c, NULL), 0);
	assert_int_equal(c.nresults, 3);
	assert_int_equal(look(two, "t"), 0);
	close(one);
	close(two);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
#define T(f) cmocka_unit_test_setup_teardown(f, setup, teardown)
		T(tx__one_message__makes_a_tree_once),
		T(tx__peer_goes_away__it_is_aborted),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
