/*
 * The wire front over a real socket: what peers may ask, and what those
 * get who ask wrongly.
 */
#include "wire_fx.h"

/* The stream has ended with a reason. */
static void
must_end(int fd, uint32_t reason)
{
	struct proto_hdr h;
	struct rbuf b;

	assert_true(receive(fd, &h));
	assert_int_equal(h.op, PROTO_N_SHUTDOWN);
	assert_int_equal(proto_body(&h, msg, &b), 0);
	assert_int_equal(rbuf_u32(&b), reason);
	assert_false(receive(fd, &h));
}

static void
must_ping(int fd)
{
	struct vfs_ping q = { .cookie = 77 };
	struct vfs_ping_reply r;

	assert_int_equal(call(fd, VFS_OP_PING, &q, &r, NULL), 0);
	assert_int_equal(r.cookie, 77);
}

/* --- what works ------------------------------------------------------- */

static void
hello__version_one__limits_are_told(void **state)
{
	struct vfs_hello q = { .magic = PROTO_MAGIC, .version_min = 1,
		.version_max = 9, .max_msg = PROTO_MSG_MIN };
	struct vfs_hello_reply r;
	int fd = peer(*state);

	assert_int_equal(call(fd, VFS_OP_HELLO, &q, &r, NULL), 0);
	assert_int_equal(r.version, 1);
	assert_int_equal(r.max_name, VFS_NAME_MAX);
	assert_int_equal(r.uuid.n, 16);
	q.version_min = 2;
	assert_int_equal(call(fd, VFS_OP_HELLO, &q, &r, NULL), -VFS_VERSION);
	q.version_min = 1;
	q.max_msg--;
	assert_int_equal(call(fd, VFS_OP_HELLO, &q, &r, NULL), -VFS_INVAL);
	close(fd);
}

static bool
count_one(void *arg, const struct vfs_dirent *e)
{
	(void)e;
	++*(unsigned *)arg;
	return true;
}

static void
reads__of_a_tree__are_served(void **state)
{
	struct vfs_lookup lq = { .dir = { VFS_ID_ROOT }, .name = { "g", 1 } };
	struct vfs_lookup_reply lr;
	struct vfs_walk wq = { .dir = { VFS_ID_ROOT }, .path = { "d/f", 3 } };
	struct vfs_walk_reply wr;
	struct vfs_paths_of pq;
	struct vfs_paths_of_reply pr;
	struct vfs_dir_read dq = { .dir = { VFS_ID_ROOT },
		.want = VFS_WANT_ATTR };
	struct vfs_dir_read_reply dr;
	struct proto_error e;
	unsigned n = 0;
	int fd = peer(*state);

	assert_int_equal(call(fd, VFS_OP_LOOKUP, &lq, &lr, NULL), 0);
	assert_int_equal(call(fd, VFS_OP_WALK, &wq, &wr, NULL), 0);
	assert_int_equal(wr.walked, 2);
	assert_int_equal(wr.attr.id.n, lr.attr.id.n);
	assert_int_equal(wr.attr.nlink, 2);
	wq.path = (struct vfs_slice){ "d/no/x", 6 };
	assert_int_equal(call(fd, VFS_OP_WALK, &wq, &wr, &e), -VFS_NOENT);
	assert_int_equal(e.op_index, 1);
	assert_true(e.trace_id != 0);
	pq.id = lr.attr.id;
	pr.links = (struct vfs_sink){ count_one, &n };
	assert_int_equal(call(fd, VFS_OP_PATHS_OF, &pq, &pr, NULL), 0);
	assert_int_equal(n, 2);
	n = 0;
	dr.entries = (struct vfs_sink){ count_one, &n };
	assert_int_equal(call(fd, VFS_OP_DIR_READ, &dq, &dr, NULL), 0);
	assert_true(n >= 2 && dr.eof == 1);
	close(fd);
}

static void
status__after_requests__counts_them(void **state)
{
	struct vfs_status q = { 0 };
	struct vfs_status_reply r;
	struct proto_pair p;
	struct rbuf b;
	uint64_t served = 0;
	int fd = peer(*state);

	must_ping(fd);
	must_ping(fd);
	assert_int_equal(call(fd, VFS_OP_STATUS, &q, &r, NULL), 0);
	proto_list_read(&b, (struct vfs_slice){ r.pairs.p, r.pairs.n });
	while (proto_list_more(&b)) {
		assert_int_equal(proto_pair_next(&b, &p), 0);
		if (p.name.n == 11 && memcmp(p.name.p, "wire.served", 11) == 0)
			served = p.n;
	}
	assert_int_equal(served, 2);
	close(fd);
}

static void
check__sound_store__ends_with_nothing_found(void **state)
{
	struct vfs_check q = { .action = VFS_CHECK_START,
		.flags = VFS_CHECK_DATA };
	struct vfs_check_reply r;
	int fd = peer(*state), i;

	assert_int_equal(call(fd, VFS_OP_CHECK, &q, &r, NULL), 0);
	q = (struct vfs_check){ .action = VFS_CHECK_POLL };
	for (i = 0; i < 2000 && r.state == VFS_CHECK_RUNNING; i++) {
		usleep(5000);
		assert_int_equal(call(fd, VFS_OP_CHECK, &q, &r, NULL), 0);
	}
	assert_int_equal(r.state, VFS_CHECK_DONE);
	assert_int_equal(r.result, 0);
	assert_int_equal(r.found, 0);
	assert_true(r.done > 0);
	q.action = 9;
	assert_int_equal(call(fd, VFS_OP_CHECK, &q, &r, NULL), -VFS_INVAL);
	close(fd);
}

static void
changes__of_a_peer__are_done(void **state)
{
	struct vfs_create q = { .dir = { VFS_ID_ROOT }, .mode = 0100644,
		.name = { "new", 3 } };
	struct vfs_create_reply r;
	struct vfs_lookup lq = { .dir = { VFS_ID_ROOT }, .name = { "new", 3 } };
	struct vfs_lookup_reply lr;
	int fd = peer(*state);

	assert_int_equal(call(fd, VFS_OP_CREATE, &q, &r, NULL), 0);
	assert_int_equal(call(fd, VFS_OP_LOOKUP, &lq, &lr, NULL), 0);
	assert_int_equal(r.attr.id.n, lr.attr.id.n);
	close(fd);
}

/* --- what does not ---------------------------------------------------- */

/* An empty request of any number. */
static int
bare(int fd, uint16_t op, size_t len, struct proto_error *e)
{
	struct proto_hdr h = { .op = op, .req_id = ++req_id,
		.len = (uint32_t)len };
	uint8_t out[64] = { 0 };
	struct rbuf b;

	proto_hdr_encode(&h, out);
	assert_int_equal(send(fd, out, len, MSG_NOSIGNAL), len);
	assert_true(receive(fd, &h));
	assert_int_equal(h.op, op | PROTO_REPLY);
	assert_int_equal(h.req_id, req_id);
	assert_int_equal(proto_body(&h, msg, &b), 0);
	assert_int_equal(proto_error_decode(&b, e), 0);
	return -(int)h.status;
}

static void
requests__unknown_or_malformed__get_one_reply(void **state)
{
	struct proto_error e;
	int fd = peer(*state);

	assert_int_equal(bare(fd, 0x3ffe, 32, &e), -VFS_UNKNOWN_OP);
	assert_int_equal(bare(fd, 0x3f01, 40, &e), -VFS_UNKNOWN_OP);
	assert_int_equal(bare(fd, 0x0004, 32, &e), -VFS_MALFORMED);
	assert_int_equal(e.detail, 32);
	assert_int_equal(bare(fd, 0x0004, 48, &e), -VFS_MALFORMED);
	assert_int_equal(e.detail, 40);
	req_id--;			/* the same number again */
	assert_int_equal(bare(fd, 0x0004, 40, &e), -VFS_MALFORMED);
	assert_int_equal(e.detail, 8);
	must_ping(fd);
	close(fd);
}

static void
header__broken__ends_the_stream_with_a_reason(void **state)
{
	uint8_t junk[64];
	struct proto_hdr h = { .len = 32, .op = 0x4001 };
	int fd = peer(*state), other = peer(*state);

	memset(junk, 0xff, sizeof junk);
	assert_int_equal(send(fd, junk, sizeof junk, 0), sizeof junk);
	must_end(fd, VFS_MALFORMED);
	close(fd);
	fd = peer(*state);		/* a notification is no request */
	proto_hdr_encode(&h, junk);
	assert_int_equal(send(fd, junk, 32, 0), 32);
	must_end(fd, VFS_MALFORMED);
	close(fd);
	must_ping(other);
	close(other);
}

static void
messages__in_pieces_and_in_heaps__each_is_answered(void **state)
{
	struct vfs_ping q = { .cookie = 5 };
	uint8_t one[64], *heap = malloc(500 * sizeof one);
	struct proto_hdr h;
	size_t n, i, len = 0;
	uint64_t first = req_id + 2;
	int fd = peer(*state);

	n = request(VFS_OP_PING, &q, one, sizeof one);
	for (i = 0; i < n; i++)
		assert_int_equal(send(fd, one + i, 1, 0), 1);
	assert_true(receive(fd, &h));
	for (i = 0; i < 500; i++)
		len += request(VFS_OP_PING, &q, heap + len, sizeof one);
	assert_int_equal(send(fd, heap, len, 0), len);
	for (i = 0; i < 500; i++) {
		assert_true(receive(fd, &h));
		assert_int_equal(h.req_id, first + i);
		assert_int_equal(h.status, 0);
	}
	free(heap);
	close(fd);
}

/* A peer that asks and never reads is not served on and on. */
static void
peer__reads_nothing__does_not_harm_others(void **state)
{
	struct vfs_status q = { 0 };
	uint8_t one[64];
	size_t n, i, sent = 0;
	int fd = peer(*state), other = peer(*state);

	fcntl(fd, F_SETFL, O_NONBLOCK);
	for (i = 0; i < 20000; i++) {
		n = request(VFS_OP_STATUS, &q, one, sizeof one);
		if (send(fd, one, n, MSG_NOSIGNAL) != (ssize_t)n)
			break;
		sent++;
	}
	assert_true(sent < 20000);
	must_ping(other);
	close(fd);
	must_ping(other);
	close(other);
}

static void
peers__one_too_many__is_told_busy(void **state)
{
	int fd[WIRE_CONNS_MAX], more, i;

	for (i = 0; i < (int)WIRE_CONNS_MAX; i++) {
		fd[i] = peer(*state);
		must_ping(fd[i]);
		req_id++;
	}
	more = peer(*state);
	must_end(more, VFS_BUSY);
	close(more);
	must_ping(fd[0]);
	for (i = 0; i < (int)WIRE_CONNS_MAX; i++)
		close(fd[i]);
}

static void
peer__of_another_user__is_refused(void **state)
{
	struct rig *r = *state;
	pid_t pid;
	int fd, status;

	if (getuid() != 0)
		skip();
	assert_int_equal(fchmodat(r->dir.dirfd, WIRE_SOCK, 0666, 0), 0);
	assert_int_equal(fchmod(r->dir.dirfd, 0755), 0);
	pid = fork();
	if (pid == 0) {
		struct proto_hdr h;

		if (setgid(65534) != 0 || setuid(65534) != 0)
			_exit(9);
		fd = addr_connect(r->dir.path, 0);
		if (fd < 0)
			_exit(8);
		_exit(receive(fd, &h) && h.op == PROTO_N_SHUTDOWN &&
		    msg[PROTO_HDR] == VFS_ACCESS ? 0 : 1);
	}
	assert_int_equal(waitpid(pid, &status, 0), pid);
	assert_int_equal(status, 0);
}

/* Noise, cut anywhere: the daemon is there afterwards. */
static void
noise__from_many_peers__is_survived(void **state)
{
	struct vfs_lookup q = { .dir = { 1 }, .name = { "g", 1 } };
	uint64_t seed = scratch_seed();
	uint8_t out[256], in[4096];
	size_t n, k, i;
	int fd, round;

	for (round = 0; round < 300; round++) {
		fd = peer(*state);
		req_id = 0;
		n = request(VFS_OP_LOOKUP, &q, out, sizeof out);
		for (k = scratch_random(&seed) % 4; k > 0; k--) {
			i = scratch_random(&seed) % n;
			out[i] = (uint8_t)scratch_random(&seed);
		}
		n -= scratch_random(&seed) % 3 == 0 ?
		    scratch_random(&seed) % n : 0;
		send(fd, out, n, MSG_NOSIGNAL);
		shutdown(fd, SHUT_WR);
		while (recv(fd, in, sizeof in, 0) > 0)
			;
		close(fd);
	}
	req_id = 0;
	fd = peer(*state);
	must_ping(fd);
	close(fd);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
#define T(f) cmocka_unit_test_setup_teardown(f, setup, teardown)
		T(hello__version_one__limits_are_told),
		T(reads__of_a_tree__are_served),
		T(status__after_requests__counts_them),
		T(check__sound_store__ends_with_nothing_found),
		T(changes__of_a_peer__are_done),
		T(requests__unknown_or_malformed__get_one_reply),
		T(header__broken__ends_the_stream_with_a_reason),
		T(messages__in_pieces_and_in_heaps__each_is_answered),
		T(peer__reads_nothing__does_not_harm_others),
		T(peers__one_too_many__is_told_busy),
		T(peer__of_another_user__is_refused),
		T(noise__from_many_peers__is_survived),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
