/* 9P: bytes that no honest client sends, and what is over the limits. */
#include <errno.h>
#include <sys/socket.h>
#include <unistd.h>

#include "../cm.h"
#include "../p9_rig.h"
#include "../scratch.h"

#define ok(call)	assert_int_equal(call, 0)
#define fails(call, e)	assert_int_equal(call, e)

/* Every request with fields that mean something, for all below. */
static union p9_t
sample(uint8_t type)
{
	union p9_t t = { 0 };

	switch (type) {
	case P9_TVERSION:
		t.version = (struct p9_tversion){ 8192, p9c_str(P9_VERSION) };
		break;
	case P9_TATTACH:
		t.attach = (struct p9_tattach){ 1, P9_NOFID, p9c_str("me"),
		    p9c_str("/"), P9_NOUID };
		break;
	case P9_TWALK:
		t.walk = (struct p9_twalk){ 1, 2, { 2, { { "a", 1 },
		    { "bc", 2 } } } };
		break;
	case P9_TWRITE:
		t.write = (struct p9_twrite){ 1, 5, { "bytes", 5 } };
		break;
	case P9_TLOCK:
		t.lock = (struct p9_tlock){ 1, 1, 1, 2, 3, 4,
		    p9c_str("host") };
		break;
	case P9_TRENAMEAT:
		t.renameat = (struct p9_trenameat){ 1, p9c_str("a"), 2,
		    p9c_str("b") };
		break;
	default:
		memset(&t, 1, 8);	/* a fid, and a bit more */
		if (type == P9_TMKDIR)
			t.mkdir.name = p9c_str("n");
	}
	return t;
}

static const uint8_t types[] = {
#define P9(n, NAME, name, req, rep) n,
#include "../../vfsd/front/p9_msg.def"
#undef P9
};
#define NTYPES	(sizeof types / sizeof types[0])

static void
codec__every_request__round_trip_and_no_shorter(void **state)
{
	uint8_t a[512], b[512];
	union p9_t t, u;
	size_t i, n, cut;

	(void)state;
	for (i = 0; i < NTYPES; i++) {
		t = sample(types[i]);
		n = p9_t_encode(types[i], 7, &t, a, sizeof a);
		assert_true(n >= P9_HDR);
		ok(p9_t_decode(a, n, &u));
		assert_int_equal(p9_t_encode(types[i], 7, &u, b, sizeof b),
		    n);
		assert_memory_equal(a, b, n);
		assert_int_equal(p9_r_decode(a, n, &(union p9_r){ 0 }),
		    -VFS_UNKNOWN_OP);
		for (cut = P9_HDR; cut < n; cut++) {
			assert_int_equal(p9_t_encode(types[i], 7, &t, b, cut),
			    0);
			memcpy(b, a, cut);
			b[0] = (uint8_t)cut;
			b[1] = b[2] = b[3] = 0;
			if (types[i] == P9_TFSYNC && cut == n - 4)
				continue;	/* old clients' */
			assert_int_equal(p9_t_decode(b, cut, &u),
			    -VFS_MALFORMED);
		}
		memcpy(b, a, n);	/* one byte too many */
		b[n] = 0;
		b[0] = (uint8_t)(n + 1);
		assert_int_equal(p9_t_decode(b, n + 1, &u), -VFS_MALFORMED);
	}
}

static void
codec__every_reply__round_trip(void **state)
{
	uint8_t a[512], b[512];
	union p9_r r, s;
	size_t i, n;

	(void)state;
	for (i = 0; i < NTYPES; i++) {
		memset(&r, 0, sizeof r);
		if (types[i] == P9_TWALK)
			r.walk.qids = (struct p9_qids){ 2, { { 1, 2, 3 },
			    { 4, 5, 6 } } };
		if (types[i] == P9_TREAD)
			r.read.data = p9c_str("data");
		n = p9_r_encode(types[i] + 1, 7, &r, a, sizeof a);
		assert_true(n >= P9_HDR);
		ok(p9_r_decode(a, n, &s));
		assert_int_equal(p9_r_encode(types[i] + 1, 7, &s, b,
		    sizeof b), n);
		assert_memory_equal(a, b, n);
		assert_string_equal(p9_type_name(types[i]) + 1,
		    p9_type_name(types[i] + 1u) + 1);
	}
	assert_null(p9_type_name(255));
	assert_null(p9_type_name(6));
}

static void
codec__too_many_names__malformed(void **state)
{
	uint8_t a[512];
	union p9_t t = { .walk = { 1, 2, { P9_WALK_MAX, { { 0 } } } } }, u;
	size_t n;

	(void)state;
	n = p9_t_encode(P9_TWALK, 1, &t, a, sizeof a);
	ok(p9_t_decode(a, n, &u));
	a[15] = P9_WALK_MAX + 1;	/* the count; and bytes for them */
	a[n] = a[n + 1] = 0;
	a[0] = (uint8_t)(n + 2);
	assert_int_equal(p9_t_decode(a, n + 2, &u), -VFS_MALFORMED);
	t.walk.names.n = P9_WALK_MAX + 1;
	assert_int_equal(p9_t_encode(P9_TWALK, 1, &t, a, sizeof a), 0);
}

/* Is the connection closed by the other side, within a second? */
static bool
is_closed(int fd)
{
	struct timeval tv = { .tv_sec = 5 };
	char ch;

	setsockopt(fd, SOL_SOCKET, SO_RCVTIMEO, &tv, sizeof tv);
	return recv(fd, &ch, 1, 0) == 0 || errno == ECONNRESET;
}

static void
size__beyond_msize_or_below_a_header__ends_the_connection(void **state)
{
	static const uint32_t sizes[] = { 0, 6, P9_MSIZE_MIN + 1, 1u << 30,
	    UINT32_MAX };
	struct p9_rig *k = *state;
	uint8_t msg[P9_HDR] = { 0, 0, 0, 0, P9_TCLUNK };
	struct p9_rgetattr a;
	struct p9c *c;
	size_t i;

	for (i = 0; i < sizeof sizes / sizeof sizes[0]; i++) {
		c = p9_rig_bare(k);
		memcpy(msg, &sizes[i], 4);
		assert_int_equal(send(c->fd, msg, sizeof msg, MSG_NOSIGNAL),
		    sizeof msg);
		assert_true(is_closed(c->fd));
		p9c_free(c);
	}
	ok(p9c_getattr(k->c, P9C_ROOT, &a));	/* nobody else minds */
}

static void
unknown__types_and_bodies__are_answered(void **state)
{
	struct p9_rig *k = *state;
	uint8_t msg[P9_HDR + 1] = { 0 };
	unsigned type, n;
	struct p9_hdr h;
	union p9_r r;

	for (type = 0; type < 256; type++) {
		if (type == P9_TVERSION || type == P9_TFLUSH)
			continue;
		for (n = P9_HDR; n <= P9_HDR + 1; n++) {
			msg[0] = (uint8_t)n;
			msg[4] = (uint8_t)type;
			msg[5] = (uint8_t)n;
			assert_int_equal(send(k->c->fd, msg, n, MSG_NOSIGNAL),
			    n);
			ok(p9c_recv(k->c, &h, &r));
			assert_int_equal(h.type, P9_RLERROR);
			assert_int_equal(h.tag, n);
			assert_true(r.ecode == EBADMSG ||
			    r.ecode == EOPNOTSUPP);
		}
	}
}

static void
names__that_are_none__refused(void **state)
{
	struct p9_rig *k = *state;
	char longest[300];

	memset(longest, 'x', sizeof longest);
	longest[256] = '\0';
	fails(p9c_mkdir(k->c, P9C_ROOT, longest, 0755), ENAMETOOLONG);
	fails(p9c_walk(k->c, P9C_ROOT, 1, longest), ENAMETOOLONG);
	longest[255] = '\0';
	ok(p9c_mkdir(k->c, P9C_ROOT, longest, 0755));
	fails(p9c_mkdir(k->c, P9C_ROOT, "", 0755), EINVAL);
	fails(p9c_mkdir(k->c, P9C_ROOT, ".", 0755), EINVAL);
	fails(p9c_mkdir(k->c, P9C_ROOT, "..", 0755), EINVAL);
	fails(p9c_mkdir(k->c, P9C_ROOT, "a/b", 0755), EINVAL);
}

/* Bytes at random, in frames that are right: everything is answered or
 * the connection ends; the front serves on, the store is sound. */
static void
noise__in_frames__nothing_breaks(void **state)
{
	struct p9_rig *k = *state;
	uint64_t rnd = 88172645463325252ull;
	uint8_t msg[64], sink[4096];
	struct p9_rgetattr a;
	struct p9c *c;
	unsigned round, i;
	size_t n;

	for (round = 0; round < 30; round++) {
		c = p9_rig_client(k, "");
		for (i = 0; i < 200; i++) {
			n = P9_HDR + scratch_random(&rnd) % (sizeof msg -
			    P9_HDR);
			for (size_t j = 4; j < n; j++)
				msg[j] = scratch_random(&rnd) % 4 ? 0 :
				    (uint8_t)scratch_random(&rnd);
			msg[0] = (uint8_t)n;
			msg[1] = msg[2] = msg[3] = 0;
			msg[4] = types[scratch_random(&rnd) % NTYPES];
			if (send(c->fd, msg, n, MSG_NOSIGNAL) < 0)
				break;
			while (recv(c->fd, sink, sizeof sink,
			    MSG_DONTWAIT) > 0)
				;
		}
		p9c_free(c);
	}
	ok(p9c_getattr(k->c, P9C_ROOT, &a));
}

/* A peer that does not read is not waited for, and gets all in the end. */
static void
slow__reader__blocks_nobody(void **state)
{
	struct p9_rig *k = *state;
	struct p9c *c = p9_rig_client(k, "");
	union p9_t t = { .read = { 1, 0, 60000 } };
	static uint8_t bytes[60000];
	struct p9_rgetattr a;
	struct p9_hdr h;
	union p9_r r;
	unsigned i, sent = 0;

	memset(bytes, 'b', sizeof bytes);
	ok(p9_rig_put(k->c, "f", bytes, sizeof bytes));
	ok(p9c_walk(c, P9C_ROOT, 1, "f"));
	ok(p9c_open(c, 1, P9_O_RDONLY));
	for (i = 0; i < 50; i++, sent++)
		ok(p9c_send(c, (uint16_t)(i + 1), P9_TREAD, &t));
	ok(p9c_getattr(k->c, P9C_ROOT, &a));
	for (i = 0; i < sent; i++) {
		ok(p9c_recv(c, &h, &r));
		assert_int_equal(h.type, P9_RREAD);
		assert_int_equal(r.read.data.n, sizeof bytes);
	}
	p9c_free(c);
}

/* More connections than there are places: the rest is turned away. */
static void
connections__one_too_many__closed(void **state)
{
	struct p9_rig *k = *state;
	struct p9c *c[P9_CONNS_MAX];
	int fd[2];
	unsigned i;

	for (i = 0; i < P9_CONNS_MAX - 1; i++)
		c[i] = p9_rig_bare(k);
	ok(socketpair(AF_UNIX, SOCK_STREAM, 0, fd));
	assert_int_equal(p9_adopt(k->p, fd[1]), -VFS_BUSY);
	assert_true(is_closed(fd[0]));
	close(fd[0]);
	for (i = 0; i < P9_CONNS_MAX - 1; i++)
		p9c_free(c[i]);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(
		    codec__every_request__round_trip_and_no_shorter),
		cmocka_unit_test(codec__every_reply__round_trip),
		cmocka_unit_test(codec__too_many_names__malformed),
		P9_TEST(size__beyond_msize_or_below_a_header__ends_the_connection),
		P9_TEST(unknown__types_and_bodies__are_answered),
		P9_TEST(names__that_are_none__refused),
		P9_TEST(noise__in_frames__nothing_breaks),
		P9_TEST(slow__reader__blocks_nobody),
		P9_TEST(connections__one_too_many__closed),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
