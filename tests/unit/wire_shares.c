/*
 * What there is a number of: others than the owner do not get all of it.
 */
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "../../vfsd/addr.h"
#include "../../vfsd/front/wire_in.h"
#include "../../vfsd/server/share.h"
#include "../wire_rig.h"

#define SOMEBODY	65534u

static int
setup(void **state)
{
	*state = wire_rig_open(0, 0, true, NULL);
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

/* --- threads -------------------------------------------------------------- */

/* By a token of its own. */
static struct wire_peer *
somebody(struct wire_rig *r)
{
	struct wire_peer *p = wire_peer_unix(r);
	struct token t;

	derive(r, &t);
	assert_int_equal(attach(p, &t), 0);
	return p;
}

static void
is_served(struct wire_peer *p)
{
	assert_int_equal(wire_reply(p, wire_ask_stat(p), VFS_OP_STAT, NULL),
	    0);
	wire_peer_close(p);
}

static void
changes__of_one_user__leave_threads_to_others(void **state)
{
	struct wire_rig *r = *state;
	struct wire_peer *p = somebody(r), *other = somebody(r);
	unsigned i;

	wire_rig_hold(r);
	for (i = 0; i < 2 * WIRE_THREADS; i++)
		wire_ask_create(p, "x");
	wire_ping(p);
	wire_rig_until_running(r, 1);
	is_served(other);
	is_served(wire_peer_unix(r));
	wire_rig_release(r);
	for (i = 0; i < 2 * WIRE_THREADS; i++)
		assert_true(wire_hear(p));
	wire_peer_close(p);
}

static void
changes__of_many_users__leave_one_to_the_owner(void **state)
{
	struct wire_rig *r = *state;
	struct wire_peer *p[WIRE_THREADS];
	unsigned i;

	for (i = 0; i < WIRE_THREADS; i++)
		p[i] = somebody(r);
	wire_rig_hold(r);
	for (i = 0; i < WIRE_THREADS; i++) {
		wire_ask_create(p[i], "x");
		wire_ping(p[i]);
	}
	wire_rig_until_running(r, 2);
	is_served(wire_peer_unix(r));
	assert_int_equal(wire_rig_count(r, "wire.queued") > 0, 1);
	wire_rig_release(r);
	for (i = 0; i < WIRE_THREADS; i++) {
		assert_true(wire_hear(p[i]));
		wire_peer_close(p[i]);
	}
}

static void
waits__of_one_user__leave_some_to_others(void **state)
{
	struct vfs_wait never = { .seq = UINT64_MAX }, now = { .seq = 0 };
	struct wire_rig *r = *state;
	struct wire_peer *p = somebody(r), *other = somebody(r);
	unsigned i;

	for (i = 0; i < 2 * WIRE_THREADS; i++)
		wire_ask(p, VFS_OP_WAIT, &never);
	wire_ping(p);
	wire_rig_until_running(r, 1);
	assert_int_equal(wire_call(other, VFS_OP_WAIT, &now, NULL), 0);
	wire_peer_close(other);
	is_served(wire_peer_unix(r));
	wire_peer_close(p);
	wire_rig_until(r, "wire.waiting", 0);
}

/* Whoever's it is; and it ends when nobody will hear of it. */
static void
hash__of_a_file_without_end__leaves_threads(void **state)
{
	struct vfs_create cq = { .dir = { VFS_ID_ROOT }, .mode = 0100644,
		.name = { "long", 4 } };
	struct vfs_create_reply cr;
	struct vfs_truncate tq = { .size = VFS_FILE_MAX };
	struct vfs_hash hq = { .alg = VFS_HASH_XXH3_128 };
	struct wire_rig *r = *state;
	struct wire_peer *p = wire_peer_unix(r);
	unsigned i;

	assert_int_equal(wire_call(p, VFS_OP_CREATE, &cq, &cr), 0);
	hq.id = tq.id = cr.attr.id;
	assert_int_equal(wire_call(p, VFS_OP_TRUNCATE, &tq, NULL), 0);
	for (i = 0; i < 2 * WIRE_THREADS; i++)
		wire_ask(p, VFS_OP_HASH, &hq);
	wire_ping(p);
	wire_rig_until_running(r, WIRE_THREADS - WIRE_SPARE - 1);
	is_served(wire_peer_unix(r));
	is_served(somebody(r));
	wire_peer_close(p);
	wire_rig_until(r, "wire.running", 1);	/* who asks */
}

int
main(void)
{
#define T(f)	cmocka_unit_test_setup_teardown(f, setup, wire_rig_teardown)
	const struct CMUnitTest tests[] = {
		T(transactions__of_others__leave_some_to_the_owner),
		T(watches__of_others__leave_some_to_the_owner),
		T(connections__of_others__leave_some),
		T(changes__of_one_user__leave_threads_to_others),
		T(changes__of_many_users__leave_one_to_the_owner),
		T(waits__of_one_user__leave_some_to_others),
		T(hash__of_a_file_without_end__leaves_threads),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
