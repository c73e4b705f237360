/*
 * What there is a number of: others than the owner do not get all of it.
 */
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "../../vfsd/addr.h"
#include "../../vfsd/server/share.h"
#include "../wire_rig.h"

#define SOMEBODY	65534u

static int
setup(void **state)
{
	*state = wire_rig_open(0, 0, true, NULL);
	return 0;
}

static int
teardown(void **state)
{
	wire_rig_close(*state);
	return 0;
}

struct token {
	uint8_t bytes[VFS_TOKEN_BYTES];
};

/* All rights but that of the owner. */
static void
derive(struct wire_rig *r, struct token *out)
{
	struct wire_peer *p = wire_peer_unix(r);
	struct vfs_derive q = { .root = { VFS_ID_ROOT },
		.rights = VFS_RIGHTS_ALL & ~(uint32_t)VFS_RIGHT_ADMIN,
		.label = { "one", 3 } };
	struct vfs_derive_reply dr;

	assert_int_equal(wire_call(p, VFS_OP_DERIVE, &q, &dr), 0);
	memcpy(out->bytes, dr.token.p, sizeof out->bytes);
	wire_peer_close(p);
}

/* One more session of p, which becomes its own. */
static int
attach(struct wire_peer *p, const struct token *t)
{
	struct vfs_attach q = { .flags = VFS_ATTACH_NEW,
		.token = { t->bytes, sizeof t->bytes } };
	struct vfs_attach_reply r;
	static uint64_t first;
	int err;

	if (p->session == 0)
		first = p->req_id;
	p->session = 0;
	p->req_id = first;
	err = wire_call(p, VFS_OP_ATTACH, &q, &r);
	first = p->req_id;
	p->session = r.session;
	p->req_id = 0;
	return err;
}

static void
transactions__of_others__leave_some_to_the_owner(void **state)
{
	struct wire_peer *p = wire_peer_unix(*state),
	    *owner = wire_peer_unix(*state);
	struct vfs_tx_begin q = { 0 };
	struct token t;
	unsigned i, n = share_of(VFS_TX_OPEN_MAX, false);

	assert_true(n < VFS_TX_OPEN_MAX);
	derive(*state, &t);
	assert_int_equal(attach(p, &t), 0);
	for (i = 0; i < n; i++)
		assert_int_equal(wire_call(p, VFS_OP_TX_BEGIN, &q, NULL), 0);
	assert_int_equal(wire_call(p, VFS_OP_TX_BEGIN, &q, NULL),
	    -VFS_TX_LIMIT);
	for (; i < VFS_TX_OPEN_MAX; i++)
		assert_int_equal(wire_call(owner, VFS_OP_TX_BEGIN, &q, NULL),
		    0);
	assert_int_equal(wire_call(owner, VFS_OP_TX_BEGIN, &q, NULL),
	    -VFS_TX_LIMIT);
	wire_peer_close(p);
	wire_peer_close(owner);
}

/* Nothing is behind their cursor, so nothing is told. */
static int
watch(struct wire_peer *p)
{
	struct vfs_journal_pos jq = { 0 };
	struct vfs_journal_pos_reply pos;
	struct vfs_watch q = { 0 };

	assert_int_equal(wire_call(p, VFS_OP_JOURNAL_POS, &jq, &pos), 0);
	q.seq = pos.seq;
	q.idx = pos.idx;
	return wire_call(p, VFS_OP_WATCH, &q, NULL);
}

static void
watches__of_others__leave_some_to_the_owner(void **state)
{
	struct wire_peer *p[8], *owner = wire_peer_unix(*state);
	unsigned i, k = 0, n = share_of(VFS_WATCHES_MAX, false);
	struct token t;

	derive(*state, &t);
	for (i = 0; i < n; i++) {
		if (i % 256 == 0)	/* 16 sessions with 16 of them */
			p[k++] = wire_peer_unix(*state);
		if (i % 16 == 0)
			assert_int_equal(attach(p[k - 1], &t), 0);
		assert_int_equal(watch(p[k - 1]), 0);
	}
	p[k++] = wire_peer_unix(*state);
	assert_int_equal(attach(p[k - 1], &t), 0);
	assert_int_equal(watch(p[k - 1]), -VFS_TX_LIMIT);
	assert_int_equal(watch(owner), 0);
	while (k > 0)
		wire_peer_close(p[--k]);
	wire_peer_close(owner);
}

static int
connect_as(struct wire_rig *r, uint32_t uid)
{
	int fd;

	assert_int_equal(seteuid(uid), 0);
	fd = addr_connect(r->dir.path, 0);
	assert_int_equal(seteuid(0), 0);
	return fd;
}

static void
connections__of_others__leave_some(void **state)
{
	unsigned i, n = 0, half = WIRE_CONNS_MAX / 2,
	    all = share_of(WIRE_CONNS_MAX, false);
	struct wire_peer *p[WIRE_CONNS_MAX], *one;
	struct wire_rig *r = *state;

	if (getuid() != 0)
		skip();
	assert_int_equal(fchmodat(r->dir.dirfd, WIRE_SOCK, 0666, 0), 0);
	assert_int_equal(fchmod(r->dir.dirfd, 0755), 0);
	for (i = 0; i < all; i++) {
		if (i == half) {
			one = wire_peer_fd(connect_as(r, SOMEBODY));
			wire_ends(one, -VFS_BUSY);
			wire_peer_close(one);
		}
		p[n] = wire_peer_fd(connect_as(r, i < half ? SOMEBODY :
		    SOMEBODY - 1));
		wire_ping(p[n++]);
	}
	one = wire_peer_fd(connect_as(r, SOMEBODY - 2));
	wire_ends(one, -VFS_BUSY);
	wire_peer_close(one);
	for (; n < WIRE_CONNS_MAX; n++) {
		p[n] = wire_peer_unix(r);
		wire_ping(p[n]);
	}
	while (n > 0)
		wire_peer_close(p[--n]);
}

int
main(void)
{
#define T(f)	cmocka_unit_test_setup_teardown(f, setup, teardown)
	const struct CMUnitTest tests[] = {
		T(transactions__of_others__leave_some_to_the_owner),
		T(watches__of_others__leave_some_to_the_owner),
		T(connections__of_others__leave_some),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
