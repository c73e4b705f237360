/* The wire: transactions of a peer. */
#include "wire_fx.h"

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
