/*
 * libvfs against a daemon that does not behave: whatever it sends, each
 * call comes back once, in time, and nothing leaks or crashes.
 */
#include <pthread.h>
#include <sys/socket.h>
#include <unistd.h>

#include "../../protocol/codec.h"
#include "../../protocol/tx.h"
#include "../../vfsd/clock.h"
#include "../cm.h"
#include "../scratch.h"
#include "../vfs_answers.h"
#include "../vfs_rig.h"

#define MSG	4096u

/* One message of the script. */
struct chunk {
	uint8_t p[MSG];
	size_t n;
};

static struct proto_hdr
header(uint64_t req_id)
{
	return (struct proto_hdr){ .req_id = req_id, .credits = 1 };
}

static void
put_reply(struct chunk *c, enum vfs_op op, uint64_t req_id)
{
	c->n = vfs_answer(c->p, MSG, op, req_id);
	assert_true(c->n > 0);
}

/* --- the daemon -------------------------------------------------------------- */

struct script {
	int fd;
	struct chunk *chunks;
	unsigned n;
	bool hold;			/* stay silent at the end */
	pthread_t thread;
};

static bool
read_all(int fd, void *p, size_t n)
{
	ssize_t k;

	for (; n > 0; p = (char *)p + k, n -= (size_t)k)
		if ((k = recv(fd, p, n, 0)) <= 0)
			return false;
	return true;
}

static bool
read_request(int fd)
{
	uint8_t buf[MSG];
	struct proto_hdr h;

	return read_all(fd, buf, PROTO_HDR) &&
	    proto_hdr_decode(buf, PROTO_HDR, MSG, &h) == 0 &&
	    read_all(fd, buf, h.len - PROTO_HDR);
}

static void *
play(void *arg)
{
	struct script *s = arg;
	uint8_t junk[256];
	unsigned i;

	for (i = 0; i < s->n && read_request(s->fd); i++)
		if (send(s->fd, s->chunks[i].p, s->chunks[i].n,
		    MSG_NOSIGNAL) < 0)
			break;
	if (!s->hold)
		shutdown(s->fd, SHUT_WR);
	while (recv(s->fd, junk, sizeof junk, 0) > 0)
		;
	close(s->fd);
	return NULL;
}

/* HELLO and ATTACH are the first two chunks. */
static int
dial(struct script *s, const struct vfs_conf *conf, struct vfs **v)
{
	int fd[2];

	assert_int_equal(socketpair(AF_UNIX, SOCK_STREAM, 0, fd), 0);
	s->fd = fd[1];
	assert_int_equal(pthread_create(&s->thread, NULL, play, s), 0);
	return vfs_connect_fd(fd[0], conf, v);
}

static void
hang_up(struct script *s, struct vfs *v)
{
	vfs_disconnect(v);
	pthread_join(s->thread, NULL);
}

static struct chunk *
opening(unsigned n)
{
	struct chunk *c = calloc(n, sizeof *c);

	put_reply(&c[0], VFS_OP_HELLO, 1);
	put_reply(&c[1], VFS_OP_ATTACH, 2);
	return c;
}

/* --- one call that has to come back ---------------------------------------------- */

/* The call's error; the connection may be lost afterwards. */
static int
must_return(struct vfs *v, enum vfs_op op)
{
	union proto_req q;
	union proto_rep r;
	uint8_t room[MSG];
	struct vfs_call c = { .op = op, .q = &q, .r = &r, .buf = room,
		.cap = sizeof room, .deadline_ms = 2000 };
	struct vfs_call *got = NULL;
	uint64_t until = clock_ms() + 10000;
	int rc, err;

	memset(&r, 0, sizeof r);
	vfs_answer_fill(op, &q, &r);
	if (op == VFS_OP_DIR_READ)
		r.dir_read.entries.add = NULL;
	if (op == VFS_OP_PATHS_OF)
		r.paths_of.links.add = NULL;
	if ((err = vfs_submit(v, &c)) < 0)
		return err;
	while ((rc = vfs_complete(v, &got)) == 0) {
		assert_true(clock_ms() < until);
		usleep(50);
	}
	assert_int_equal(rc, 1);
	assert_ptr_equal(got, &c);
	assert_int_equal(vfs_pending(v), 0);
	return c.err;
}

static bool
is_tested(unsigned op)
{
	return proto_ops[op].number < 0x3f00 && op != VFS_OP_HELLO;
}

/* The script's third message, changed, for one operation. */
static int
try(enum vfs_op op, const struct chunk *third)
{
	struct script s = { .chunks = opening(4), .n = 3 };
	struct vfs *v = NULL;
	int err;

	s.chunks[2] = *third;
	assert_int_equal(dial(&s, NULL, &v), 0);
	err = must_return(v, op);
	hang_up(&s, v);
	free(s.chunks);
	return err;
}

static void
replies__right__are_taken(void **state)
{
	struct chunk c;
	unsigned op;

	(void)state;
	for (op = 1; op < VFS_OP_COUNT; op++) {
		if (!is_tested(op))
			continue;
		put_reply(&c, op, 3);
		if (try(op, &c) != 0)
			fail_msg("%s", proto_ops[op].name);
	}
}

static void
replies__cut_anywhere__end_the_connection(void **state)
{
	struct chunk c;
	unsigned op;
	size_t len;

	(void)state;
	for (op = 1; op < VFS_OP_COUNT; op++) {
		if (!is_tested(op))
			continue;
		put_reply(&c, op, 3);
		len = c.n;
		for (c.n = op % 8; c.n < len; c.n += 8)
			assert_true(try(op, &c) < 0);
	}
}

static void
replies__with_a_wrong_byte__do_no_harm(void **state)
{
	uint64_t seed = scratch_seed();
	struct chunk right, c;
	unsigned op;
	size_t i;

	(void)state;
	for (op = 1; op < VFS_OP_COUNT; op++) {
		if (!is_tested(op))
			continue;
		put_reply(&right, op, 3);
		for (i = scratch_random(&seed) % 4; i < right.n;
		    i += 1 + scratch_random(&seed) % 6) {
			c = right;
			c.p[i] ^= (uint8_t)(1 + scratch_random(&seed) % 255);
			(void)try(op, &c);
		}
	}
}

/* --- answers to nothing --------------------------------------------------------- */

static void
set_header(struct chunk *c, void (*change)(struct proto_hdr *))
{
	struct proto_hdr h;

	assert_int_equal(proto_hdr_decode(c->p, c->n, VFS_MSG_MAX, &h), 0);
	change(&h);
	proto_hdr_encode(&h, c->p);
}

static void
next_req(struct proto_hdr *h)
{
	h->req_id++;
}

static void
last_req(struct proto_hdr *h)
{
	h->req_id = 1;
}

static void
other_op(struct proto_hdr *h)
{
	h->op++;
}

static void
other_session(struct proto_hdr *h)
{
	h->session = 5;
}

static void
huge(struct proto_hdr *h)
{
	h->len = VFS_MSG_MAX + 8;
}

static void
more_follows(struct proto_hdr *h)
{
	h->flags |= PROTO_MORE;
}

static void
headers__that_lie__end_the_connection(void **state)
{
	static void (*const lies[])(struct proto_hdr *) = { next_req,
		last_req, other_op, other_session, huge, more_follows };
	struct chunk c;
	unsigned i;

	(void)state;
	for (i = 0; i < sizeof lies / sizeof lies[0]; i++) {
		put_reply(&c, VFS_OP_STAT, 3);
		set_header(&c, lies[i]);
		assert_err(try(VFS_OP_STAT, &c), MALFORMED);
	}
	/* a request, as an answer */
	put_reply(&c, VFS_OP_STAT, 3);
	c.p[5] &= 0x7f;
	assert_err(try(VFS_OP_STAT, &c), MALFORMED);
}

/* Two answers to one request: the second is one too many. */
static void
replies__twice__are_taken_once(void **state)
{
	struct script s = { .chunks = opening(4), .n = 3 };
	struct vfs *v;
	struct chunk again;

	(void)state;
	put_reply(&s.chunks[2], VFS_OP_STAT, 3);
	put_reply(&again, VFS_OP_STAT, 3);
	memcpy(s.chunks[2].p + s.chunks[2].n, again.p, again.n);
	s.chunks[2].n += again.n;
	assert_int_equal(dial(&s, NULL, &v), 0);
	assert_err(must_return(v, VFS_OP_STAT), OK);
	assert_err(must_return(v, VFS_OP_STAT), MALFORMED);
	hang_up(&s, v);
	free(s.chunks);
}

/* --- notifications ---------------------------------------------------------------- */

static void
put_note(struct chunk *c, uint16_t op, uint32_t a, uint32_t b)
{
	struct proto_hdr h = { .len = PROTO_HDR + 16, .op = op };
	struct wbuf w;

	proto_hdr_encode(&h, c->p);
	wbuf_init(&w, c->p, MSG, PROTO_HDR, 16);
	wbuf_u32(&w, a);
	wbuf_u32(&w, b);
	wbuf_u64(&w, 0);
	c->n = h.len;
}

/* note before the reply, in one piece. */
static int
after_note(uint16_t op, uint32_t a, uint32_t b, struct vfs_seq *seq)
{
	struct script s = { .chunks = opening(4), .n = 3 };
	struct chunk reply;
	struct vfs *v;
	int err;

	put_note(&s.chunks[2], op, a, b);
	put_reply(&reply, VFS_OP_STAT, 3);
	memcpy(s.chunks[2].p + s.chunks[2].n, reply.p, reply.n);
	s.chunks[2].n += reply.n;
	assert_int_equal(dial(&s, NULL, &v), 0);
	err = must_return(v, VFS_OP_STAT);
	if (err == 0 && seq != NULL) {
		assert_int_equal(vfs_changed(v, seq), 1);
		assert_int_equal(vfs_changed(v, seq) > 0, 0);
	}
	hang_up(&s, v);
	free(s.chunks);
	return err;
}

static void
notifications__between_replies__are_understood(void **state)
{
	struct vfs_seq seq = { 0 };

	(void)state;
	assert_err(after_note(PROTO_N_CHANGED, 99, 0, &seq), OK);
	assert_int_equal(seq.n, 99);
	assert_err(after_note(0x4002, 1, 2, NULL), OK);	/* N_INVAL: not ours */
	assert_err(after_note(0x7fff, 1, 2, NULL), OK);
	assert_err(after_note(PROTO_N_SHUTDOWN, VFS_BUSY, 0, NULL), BUSY);
	assert_err(after_note(PROTO_N_SHUTDOWN, 0, 0, NULL), SESSION_CLOSED);
	assert_err(after_note(PROTO_N_SHUTDOWN, 4000000, 0, NULL), IO);
	assert_err(after_note(PROTO_N_REVOKED, 0, VFS_REVOKED, NULL), REVOKED);
}

/* --- first words ------------------------------------------------------------------- */

static int
hello_with(const struct vfs_hello_reply *r)
{
	struct script s = { .chunks = opening(3), .n = 2 };
	struct proto_hdr h = header(1);
	struct vfs *v = NULL;
	int err;

	assert_int_equal(proto_reply_encode(VFS_OP_HELLO, r, &h,
	    s.chunks[0].p, MSG), 0);
	s.chunks[0].n = h.len;
	err = dial(&s, NULL, &v);
	hang_up(&s, err == 0 ? v : NULL);
	free(s.chunks);
	return err;
}

static void
hello__with_nonsense__is_refused(void **state)
{
	uint8_t uuid[16] = { 1 }, name[200] = { 'x' };
	struct vfs_hello_reply r = { .version = 1, .max_msg = VFS_MSG_MAX,
		.credits = 4, .uuid = { uuid, 16, 16 },
		.server = { name, 4, 4 } };

	(void)state;
	assert_err(hello_with(&r), OK);
	r.version = 2;
	assert_err(hello_with(&r), VERSION);
	r.version = 1;
	r.max_msg = PROTO_MSG_MIN - 1;
	assert_err(hello_with(&r), MALFORMED);
	r.max_msg = VFS_MSG_MAX;
	r.uuid.n = 15;
	assert_err(hello_with(&r), MALFORMED);
	r.uuid.n = 16;
	r.server = (struct vfs_buf){ name, 200, 200 };
	assert_err(hello_with(&r), MALFORMED);
	r.server.n = 4;
	r.credits = 0;			/* asked for some, it says this: */
	assert_err(hello_with(&r), MALFORMED);
}

static void
credits__none_ever__is_an_error(void **state)
{
	struct script s = { .chunks = opening(4), .n = 3 };
	struct vfs_credit_reply r = { 0 };
	struct proto_hdr h = header(3);
	struct vfs *v;

	(void)state;
	/* HELLO gives one, ATTACH's reply brings none back. */
	s.chunks[1].p[24] = 0;
	put_reply(&s.chunks[0], VFS_OP_HELLO, 1);
	s.chunks[0].p[PROTO_HDR + 24] = 1;
	assert_int_equal(proto_reply_encode(VFS_OP_CREDIT, &r, &h,
	    s.chunks[2].p, MSG), 0);
	s.chunks[2].n = h.len;
	assert_int_equal(dial(&s, NULL, &v), 0);
	assert_err(vfs_stat(v, NULL, VFS_RIG_ROOT, NULL), NO_CREDIT);
	hang_up(&s, v);
	free(s.chunks);
}

/* --- silence ------------------------------------------------------------------------- */

static void
silence__ends_at_the_deadline(void **state)
{
	struct script s = { .chunks = opening(4), .n = 2, .hold = true };
	struct vfs_conf conf = { .deadline_ms = 60 };
	struct vfs_attr a;
	uint64_t since;
	struct vfs *v;

	(void)state;
	assert_int_equal(dial(&s, &conf, &v), 0);
	since = clock_ms();
	assert_err(vfs_stat(v, NULL, VFS_RIG_ROOT, &a), DEADLINE);
	assert_true(clock_ms() - since >= 60 && clock_ms() - since < 2000);
	assert_true(vfs_failure(v)->unsure);
	assert_int_equal(vfs_pending(v), 0);
	hang_up(&s, v);
	free(s.chunks);
}

/* Its answer after all: nobody is confused. */
static void
answer__after_the_deadline__is_skipped(void **state)
{
	struct script s = { .chunks = opening(5), .n = 4, .hold = true };
	struct vfs_conf conf = { .deadline_ms = 60 };
	struct chunk late;
	struct vfs_attr a;
	struct vfs *v;

	(void)state;
	s.chunks[2].n = 0;		/* to the third: nothing */
	put_reply(&s.chunks[3], VFS_OP_STAT, 3);
	put_reply(&late, VFS_OP_STAT, 4);
	memcpy(s.chunks[3].p + s.chunks[3].n, late.p, late.n);
	s.chunks[3].n += late.n;
	assert_int_equal(dial(&s, &conf, &v), 0);
	assert_err(vfs_stat(v, NULL, VFS_RIG_ROOT, &a), DEADLINE);
	vfs_set_deadline(v, 5000);
	assert_err(vfs_stat(v, NULL, VFS_RIG_ROOT, &a), OK);
	assert_int_equal(a.id.n, 17);
	hang_up(&s, v);
	free(s.chunks);
}

/* --- memory ----------------------------------------------------------------------------- */

static void
connect__any_failed_allocation__is_an_error(void **state)
{
	struct script s;
	struct vfs *v;
	unsigned n;
	int err;

	(void)state;
	for (n = 0; ; n++) {
		s = (struct script){ .chunks = opening(3), .n = 2,
			.hold = true };
		int fd[2];

		assert_int_equal(socketpair(AF_UNIX, SOCK_STREAM, 0, fd), 0);
		s.fd = fd[1];
		pthread_create(&s.thread, NULL, play, &s);
		fault_arm(n, 1);
		err = vfs_connect_fd(fd[0], NULL, &v);
		if (!fault_disarm())
			break;
		assert_err(err, NOMEM);
		hang_up(&s, NULL);
		free(s.chunks);
	}
	assert_int_equal(err, 0);
	assert_true(n >= 4);
	hang_up(&s, v);
	free(s.chunks);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(replies__right__are_taken),
		cmocka_unit_test(replies__cut_anywhere__end_the_connection),
		cmocka_unit_test(replies__with_a_wrong_byte__do_no_harm),
		cmocka_unit_test(headers__that_lie__end_the_connection),
		cmocka_unit_test(replies__twice__are_taken_once),
		cmocka_unit_test(
		    notifications__between_replies__are_understood),
		cmocka_unit_test(hello__with_nonsense__is_refused),
		cmocka_unit_test(credits__none_ever__is_an_error),
		cmocka_unit_test(silence__ends_at_the_deadline),
		cmocka_unit_test(answer__after_the_deadline__is_skipped),
		cmocka_unit_test(connect__any_failed_allocation__is_an_error),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
