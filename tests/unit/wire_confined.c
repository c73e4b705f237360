/* The wire: what a session with a root of its own is told unasked. */
#include "../wire_rig.h"

#define ROOT		((struct vfs_id){ VFS_ID_ROOT })
#define DIR_MODE	0040755u
#define FILE_MODE	0100644u

static int
setup(void **state)
{
	*state = wire_rig_open(0, 0, false, "tcp:127.0.0.1:0");
	return *state == NULL;
}

static struct vfs_id
make(struct wire_peer *p, struct vfs_id dir, const char *name, uint32_t mode)
{
	struct vfs_create q = { .dir = dir, .mode = mode,
		.flags = VFS_CREATE_EXCL, .name = { name, strlen(name) } };
	struct vfs_create_reply r;

	assert_int_equal(wire_call(p, VFS_OP_CREATE, &q, &r), 0);
	return r.attr.id;
}

/* A peer over TCP that has the directory and nothing else. */
static struct wire_peer *
confined(struct wire_rig *w, struct wire_peer *own, struct vfs_id dir)
{
	struct wire_peer *p = wire_peer_tcp(w);
	struct vfs_derive dq = { .root = dir };
	struct vfs_derive_reply dr;
	uint8_t token[VFS_TOKEN_BYTES];
	struct vfs_attach aq = { .token = { token, sizeof token } };

	assert_int_equal(wire_call(own, VFS_OP_DERIVE, &dq, &dr), 0);
	memcpy(token, dr.token.p, sizeof token);
	assert_int_equal(wire_hello(p, NULL), 0);
	assert_int_equal(wire_call(p, VFS_OP_ATTACH, &aq, NULL), 0);
	return p;
}

static void
watch__outside__is_no_id_and_says_nothing(void **state)
{
	struct wire_peer *own = wire_peer_unix(*state), *p;
	struct vfs_id jail = make(own, ROOT, "jail", DIR_MODE);
	struct vfs_id out = make(own, ROOT, "out", DIR_MODE);
	struct vfs_journal_pos pq = { 0 };
	struct vfs_journal_pos_reply pr;
	struct vfs_watch q = { .subtree = out };

	p = confined(*state, own, jail);
	assert_int_equal(wire_call(p, VFS_OP_WATCH, &q, NULL),
	    -VFS_NO_SUCH_ID);
	q.subtree = ROOT;
	assert_int_equal(wire_call(p, VFS_OP_WATCH, &q, NULL),
	    -VFS_NO_SUCH_ID);
	q.subtree.n = out.n + 1000;	/* nobody's: the same */
	assert_int_equal(wire_call(p, VFS_OP_WATCH, &q, NULL),
	    -VFS_NO_SUCH_ID);
	assert_int_equal(wire_call(p, VFS_OP_JOURNAL_POS, &pq, &pr), 0);
	q = (struct vfs_watch){ .seq = pr.seq, .idx = pr.idx };
	assert_int_equal(wire_call(p, VFS_OP_WATCH, &q, NULL), 0);
	make(own, out, "f", FILE_MODE);
	wire_silence(p, 100);
	make(own, jail, "f", FILE_MODE);
	wire_noted(p, PROTO_N_CHANGED);
	wire_peer_close(p);
	wire_peer_close(own);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup_teardown(
		    watch__outside__is_no_id_and_says_nothing, setup,
		    wire_rig_teardown),
	};

	return cmocka_run_group_tests_name("wire: confined", tests, NULL,
	    NULL);
}
