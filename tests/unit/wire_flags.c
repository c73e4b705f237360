/* The wire front: what is refused by everything, and what that costs. */
#include <unistd.h>

#include "../cm.h"
#include "../wire_rig.h"

#define UNKNOWN		(1u << 31)

/* Requests with every name and id filled in, and with such flags; false
 * if the operation has none. */
#define REQ(...)	__VA_ARGS__
#define REP(...)
#define ID(f)		q->f = id;
#define U32(f)		if (strcmp(#f, "flags") == 0) \
				{ q->f = UNKNOWN; has = true; }
#define U64(f)
#define TIME(f)
#define ATTR(f)
#define NAME(f)		q->f = (struct vfs_slice){ "name", 4 };
#define BYTES(f)
#define BUF(f)
#define SINK(f)
#define OP(n, N, name, mode, lock, req, rep) \
	static bool \
	fill_##name(void *p, struct vfs_id id) \
	{ \
		struct vfs_##name *q = p; \
		bool has = false; \
		(void)q, (void)id; \
		req \
		return has; \
	}
#include "../../protocol/ops.def"
#undef OP

static bool (*const fill[VFS_OP_COUNT])(void *, struct vfs_id) = {
#define OP(n, N, name, mode, lock, req, rep) [VFS_OP_##N] = fill_##name,
#include "../../protocol/ops.def"
#undef OP
};

static int
ask(struct wire_peer *p, enum vfs_op op, uint64_t id, bool *has)
{
	union proto_req q;

	memset(&q, 0, sizeof q);
	*has = fill[op](&q, (struct vfs_id){ id });
	return *has ? wire_call(p, op, &q, NULL) : 0;
}

static void
flags__unknown__are_refused(void **state)
{
	struct wire_peer *p = wire_peer_unix(*state);
	struct vfs_create q = { .dir = { 1 }, .mode = 0100644,
		.name = { "f", 1 } };
	struct vfs_create_reply r;
	unsigned op, n = 0;
	bool has;
	int err;

	assert_int_equal(wire_call(p, VFS_OP_CREATE, &q, &r), 0);
	for (op = 1; op < VFS_OP_COUNT; op++) {
		if (proto_ops[op].number >= 0x3f00)
			continue;	/* the daemon's own */
		err = ask(p, (enum vfs_op)op, r.attr.id.n, &has);
		if (err != -VFS_INVAL && has)
			err = ask(p, (enum vfs_op)op, 1, &has);
		if (has && err != -VFS_INVAL)
			fail_msg("%04x: %s", proto_ops[op].number,
			    vfs_err_name(err));
		n += has;
	}
	assert_true(n > 20);
	assert_int_equal(wire_look(p, "f"), 0);
	wire_peer_close(p);
}

/* Who counts credits by the manual must not lose one. */
static void
refused__without_a_look__gives_its_credit_back(void **state)
{
	struct wire_peer *p = wire_peer_unix(*state);
	struct proto_hdr h = { .len = PROTO_HDR, .op = 0x3eff };
	uint8_t msg[PROTO_HDR];

	p->session = 77;
	assert_int_equal(wire_look(p, "x"), -VFS_SESSION_CLOSED);
	assert_int_equal(p->h.credits, 1);
	p->session = 0;
	h.req_id = p->req_id += 10;
	proto_hdr_encode(&h, msg);
	assert_int_equal(write(p->fd, msg, sizeof msg), sizeof msg);
	assert_true(wire_hear(p));
	assert_int_equal(p->h.status, VFS_UNKNOWN_OP);
	assert_int_equal(p->h.credits, 1);
	p->req_id -= 5;
	assert_int_equal(wire_look(p, "x"), -VFS_MALFORMED);
	assert_int_equal(p->h.credits, 1);
	wire_peer_close(p);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup_teardown(flags__unknown__are_refused,
		    wire_rig_setup, wire_rig_teardown),
		cmocka_unit_test_setup_teardown(
		    refused__without_a_look__gives_its_credit_back,
		    wire_rig_setup, wire_rig_teardown),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
