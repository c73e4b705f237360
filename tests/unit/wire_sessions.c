/*
 * The sessions of a connection: coming, going, what they stage, watch, and
 * run in transactions; connections that need a token.
 */
#include <poll.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include "../../protocol/tx.h"
#include "../wire_rig.h"

#define ROOT	{ VFS_ID_ROOT }

static int
setup_tcp(void **state)
{
	*state = wire_rig_open(0, 0, false, "tcp:127.0.0.1:0");
	return 0;
}

static int
setup_tcp_stall(void **state)
{
	*state = wire_rig_open(0, 500, false, "tcp:127.0.0.1:0");
	return 0;
}

/* --- attaching, detaching ----------------------------------------------------- */

static int
attach(struct wire_peer *p, uint32_t flags, struct vfs_attach_reply *r)
{
	struct vfs_attach q = { .flags = flags };

	return wire_call(p, VFS_OP_ATTACH, &q, r);
}

static int
detach(struct wire_peer *p)
{
	struct vfs_detach q = { 0 };

	return wire_call(p, VFS_OP_DETACH, &q, NULL);
}

static void
sessions__more_than_one__are_apart(void **state)
{
	struct wire_peer *p = wire_peer_unix(*state);
	struct vfs_attach_reply a, b;
	struct vfs_tx_begin bq = { 0 };
	struct vfs_tx_begin_reply tx;
	struct vfs_tx_abort aq;

	assert_int_equal(attach(p, VFS_ATTACH_NEW, &a), 0);
	assert_int_equal(attach(p, VFS_ATTACH_NEW, &b), 0);
	assert_true(a.session != 0 && b.session != a.session);
	p->session = a.session;
	p->req_id = 0;			/* numbers are each session's own */
	assert_int_equal(wire_call(p, VFS_OP_TX_BEGIN, &bq, &tx), 0);
	assert_int_equal(p->h.session, a.session);
	aq.tx = tx.tx;
	p->session = b.session;
	p->req_id = 0;
	assert_int_equal(wire_call(p, VFS_OP_TX_ABORT, &aq, NULL),
	    -VFS_TX_UNKNOWN);
	p->session = a.session;
	p->req_id = 1;
	assert_int_equal(wire_call(p, VFS_OP_TX_ABORT, &aq, NULL), 0);
	assert_int_equal(detach(p), 0);
	assert_int_equal(wire_look(p, "x"), -VFS_SESSION_CLOSED);
	p->session = 77;		/* never there */
	assert_int_equal(wire_look(p, "x"), -VFS_SESSION_CLOSED);
	p->session = b.session;
	assert_int_equal(wire_look(p, "x"), -VFS_NOENT);
	wire_peer_close(p);
}

static void
sessions__first_detached__can_attach_again(void **state)
{
	struct wire_peer *p = wire_peer_unix(*state);
	struct vfs_attach_reply a;
	struct vfs_hello_reply hr;

	assert_int_equal(detach(p), 0);
	assert_int_equal(wire_look(p, "x"), -VFS_SESSION_CLOSED);
	assert_int_equal(detach(p), -VFS_SESSION_CLOSED);
	wire_ping(p);
	assert_int_equal(wire_hello(p, &hr), 0);
	assert_int_equal(attach(p, 0, &a), 0);
	assert_int_equal(a.session, 0);
	assert_int_equal(wire_look(p, "x"), -VFS_NOENT);
	assert_int_equal(attach(p, 0, &a), 0);	/* in its place */
	assert_int_equal(wire_look(p, "x"), -VFS_NOENT);
	wire_peer_close(p);
	wire_rig_until(*state, "wire.sessions", 1);
}

static void
sessions__one_too_many__is_refused(void **state)
{
	struct wire_peer *p = wire_peer_unix(*state);
	struct vfs_attach_reply a;
	unsigned i;

	for (i = 0; i < VFS_SESSIONS_MAX; i++)
		assert_int_equal(attach(p, VFS_ATTACH_NEW, &a), 0);
	assert_int_equal(attach(p, VFS_ATTACH_NEW, &a), -VFS_QUOTA);
	p->session = 3;
	p->req_id = 100;
	assert_int_equal(detach(p), 0);
	p->session = 0;
	assert_int_equal(attach(p, VFS_ATTACH_NEW, &a), 0);
	assert_true(a.session > VFS_SESSIONS_MAX);
	wire_peer_close(p);
}

static void
detach__requests_under_way__are_told_closed(void **state)
{
	struct wire_rig *r = *state;
	struct wire_peer *p = wire_peer_unix(r);
	struct vfs_detach q = { 0 };
	uint64_t running, id;

	wire_rig_hold(r);
	running = wire_ask_create(p, "a");
	wire_ping(p);
	while (wire_rig_count(r, "wire.running") < 2)	/* and the asker */
		poll(NULL, 0, 2);
	id = wire_ask(p, VFS_OP_DETACH, &q);
	poll(NULL, 0, 20);
	wire_rig_release(r);
	/* Which is first is not said. */
	assert_true(wire_hear(p));
	if (p->h.req_id == id) {
		assert_int_equal(p->h.status, 0);
		assert_true(wire_hear(p));
	}
	assert_int_equal(p->h.req_id, running);
	assert_int_equal(p->h.status, VFS_SESSION_CLOSED);
	wire_peer_close(p);
	p = wire_peer_unix(r);
	assert_int_equal(wire_look(p, "a"), -VFS_NOENT);
	wire_peer_close(p);
}

static void
revoked__session__its_peer_is_told(void **state)
{
	struct wire_peer *p = wire_peer_unix(*state);
	struct vfs_derive dq = { .root = ROOT, .rights = VFS_RIGHTS_ALL,
		.label = { "one", 3 } };
	struct vfs_derive_reply dr;
	struct vfs_attach aq = { .flags = VFS_ATTACH_NEW };
	struct vfs_attach_reply ar;
	struct vfs_revoke rq = { 0 };
	uint8_t token[VFS_TOKEN_BYTES];
	uint32_t session;
	uint64_t id;

	assert_int_equal(wire_call(p, VFS_OP_DERIVE, &dq, &dr), 0);
	assert_int_equal(dr.token.n, sizeof token);
	memcpy(token, dr.token.p, sizeof token);
	rq.number = dr.number;
	aq.token = (struct vfs_slice){ token, sizeof token };
	assert_int_equal(wire_call(p, VFS_OP_ATTACH, &aq, &ar), 0);
	session = ar.session;
	id = wire_ask(p, VFS_OP_REVOKE, &rq);
	/* The note and the reply, in any order. */
	assert_true(wire_hear(p));
	if (p->h.op != PROTO_N_REVOKED) {
		assert_int_equal(p->h.req_id, id);
		assert_int_equal(p->h.status, 0);
		wire_noted(p, PROTO_N_REVOKED);
	} else {
		assert_int_equal(rbuf_u32(&p->body), session);
		assert_int_equal(rbuf_u32(&p->body), VFS_REVOKED);
		assert_int_equal(wire_reply(p, id, VFS_OP_REVOKE, NULL), 0);
	}
	p->session = session;
	assert_int_equal(wire_look(p, "x"), -VFS_REVOKED);
	p->session = 0;
	assert_int_equal(wire_look(p, "x"), -VFS_NOENT);
	wire_peer_close(p);
}

/* --- staging ------------------------------------------------------------------------ */

static int
stage(struct wire_peer *p, uint64_t off, const void *data, size_t n,
    uint64_t *staged)
{
	struct vfs_stage q = { .off = off, .data = { data, n } };
	struct vfs_stage_reply r = { 0 };
	int err = wire_call(p, VFS_OP_STAGE, &q, &r);

	*staged = r.staged;
	return err;
}

/* A request that ends in one blob, which stands in the staging buffer. */
static uint64_t
ask_blob(struct wire_peer *p, enum vfs_op op, const void *q, uint64_t off,
    uint32_t n)
{
	struct proto_hdr h = { .req_id = ++p->req_id, .prio = 4,
		.session = p->session };
	uint8_t out[128];
	struct wbuf w;

	assert_int_equal(proto_request_encode(op, q, &h, out, sizeof out), 0);
	h.len = PROTO_HDR + 24;		/* the blob is not in it */
	proto_hdr_encode(&h, out);
	wbuf_init(&w, out, h.len, PROTO_HDR + 8, 16);
	wbuf_u32(&w, n);
	wbuf_u16(&w, PROTO_STAGED);
	wbuf_u16(&w, 0);
	wbuf_u64(&w, off);
	assert_int_equal(send(p->fd, out, h.len, MSG_NOSIGNAL), h.len);
	return p->req_id;
}

/* A LOOKUP of a staged name. */
static uint64_t
ask_staged(struct wire_peer *p, uint64_t off, uint32_t n)
{
	struct vfs_lookup q = { .dir = ROOT, .name = { "x", 1 } };

	return ask_blob(p, VFS_OP_LOOKUP, &q, off, n);
}

static int
look_staged(struct wire_peer *p, uint64_t off, uint32_t n)
{
	return wire_reply(p, ask_staged(p, off, n), VFS_OP_LOOKUP, NULL);
}

static void
stage__in_pieces__is_read_by_requests(void **state)
{
	struct wire_peer *p = wire_peer_unix(*state);
	uint64_t n;

	assert_int_equal(wire_reply(p, wire_ask_create(p, "name"),
	    VFS_OP_CREATE, NULL), 0);
	assert_int_equal(look_staged(p, 0, 4), -VFS_MALFORMED);
	assert_int_equal(stage(p, 0, "..na", 4, &n), 0);
	assert_int_equal(n, 4);
	assert_int_equal(stage(p, 5, "x", 1, &n), -VFS_INVAL);	/* a gap */
	assert_int_equal(stage(p, 4, "me!!", 4, &n), 0);
	assert_int_equal(n, 8);
	assert_int_equal(look_staged(p, 2, 4), 0);
	assert_int_equal(look_staged(p, 2, 5), -VFS_NOENT);
	assert_int_equal(look_staged(p, 2, 7), -VFS_MALFORMED);
	assert_int_equal(look_staged(p, UINT64_MAX, 4), -VFS_MALFORMED);
	assert_int_equal(stage(p, 0, NULL, 0, &n), 0);
	assert_int_equal(look_staged(p, 2, 4), -VFS_MALFORMED);
	wire_peer_close(p);
}

/* What is staged may be staged once more, a little further on. */
static void
stage__of_what_is_staged__moves_it(void **state)
{
	struct wire_peer *p = wire_peer_unix(*state);
	struct vfs_stage q = { .off = 1, .data = { "x", 1 } };
	char name[65], moved[65];
	struct vfs_stage_reply r;
	uint64_t n;
	unsigned i;

	for (i = 0; i < 64; i++)
		moved[i + 1] = name[i] = (char)('A' + i % 57);
	moved[0] = name[0];
	moved[64] = name[64] = '\0';
	assert_int_equal(stage(p, 0, name, 64, &n), 0);
	assert_int_equal(wire_reply(p, ask_blob(p, VFS_OP_STAGE, &q, 0, 63),
	    VFS_OP_STAGE, &r), 0);
	assert_int_equal(r.staged, 64);
	assert_int_equal(wire_reply(p, wire_ask_create(p, moved),
	    VFS_OP_CREATE, NULL), 0);
	assert_int_equal(look_staged(p, 0, 64), 0);
	wire_peer_close(p);
}

static void
stage__at_its_limit_and_one_past__fits_and_does_not(void **state)
{
	static uint8_t big[VFS_STAGE_MAX];
	struct wire_peer *p = wire_peer_unix(*state);
	uint64_t n;

	assert_int_equal(stage(p, 0, big, sizeof big, &n), 0);
	assert_int_equal(n, VFS_STAGE_MAX);
	assert_int_equal(stage(p, n, "x", 1, &n), -VFS_TOO_BIG);
	assert_int_equal(stage(p, UINT64_MAX, "x", 1, &n), -VFS_INVAL);
	wire_peer_close(p);
}

/* A request sees what was staged when it came. */
static void
stage__again_behind_a_request__does_not_change_it(void **state)
{
	struct wire_rig *r = *state;
	struct wire_peer *p = wire_peer_unix(r), *b = wire_peer_unix(r);
	struct vfs_stage q = { .off = 0, .data = { "zzzz", 4 } };
	uint64_t n, look, id;
	unsigned i;

	assert_int_equal(wire_reply(p, wire_ask_create(p, "name"),
	    VFS_OP_CREATE, NULL), 0);
	assert_int_equal(stage(p, 0, "name", 4, &n), 0);
	wire_rig_hold(r);
	for (i = 0; i < WIRE_THREADS; i++)
		wire_ask_create(b, "name");
	wire_ping(b);
	look = ask_staged(p, 0, 4);
	id = wire_ask(p, VFS_OP_STAGE, &q);
	wire_rig_release(r);
	for (i = 0; i < 2; i++) {
		assert_true(wire_hear(p));
		assert_true(p->h.req_id == look || p->h.req_id == id);
		assert_int_equal(p->h.status, 0);
	}
	assert_int_equal(look_staged(p, 0, 4), -VFS_NOENT);
	wire_peer_close(p);
	wire_peer_close(b);
}

/* --- transactions, by extension -------------------------------------------------------- */

static void
tx__requests_with_the_extension__run_in_it(void **state)
{
	struct wire_peer *p = wire_peer_unix(*state), *q;
	struct vfs_tx_begin bq = { 0 };
	struct vfs_tx_begin_reply b;
	struct vfs_tx_commit cq = { 0 };
	struct vfs_ping pq = { .cookie = 1 };
	struct vfs_sync sq = { 0 };

	q = wire_peer_unix(*state);
	assert_int_equal(wire_call(p, VFS_OP_TX_BEGIN, &bq, &b), 0);
	p->tx = b.tx;
	assert_int_equal(wire_reply(p, wire_ask_create(p, "in"),
	    VFS_OP_CREATE, NULL), 0);
	assert_int_equal(wire_look(p, "in"), 0);
	assert_int_equal(wire_look(q, "in"), -VFS_NOENT);
	assert_int_equal(wire_call(p, VFS_OP_PING, &pq, NULL),
	    -VFS_UNSUPPORTED);
	assert_int_equal(wire_call(p, VFS_OP_SYNC, &sq, NULL),
	    -VFS_UNSUPPORTED);
	q->tx = b.tx;			/* somebody else's */
	assert_int_equal(wire_look(q, "in"), -VFS_TX_UNKNOWN);
	q->tx = 0;
	p->tx = 0;
	assert_int_equal(wire_look(p, "in"), -VFS_NOENT);
	cq.tx = b.tx;
	assert_int_equal(wire_call(p, VFS_OP_TX_COMMIT, &cq, NULL), 0);
	assert_int_equal(wire_look(q, "in"), 0);
	wire_peer_close(p);
	wire_peer_close(q);
}

/* --- watching --------------------------------------------------------------------------- */

static void
journal_end(struct wire_peer *p, struct vfs_journal_pos_reply *pos)
{
	struct vfs_journal_pos q = { 0 };

	assert_int_equal(wire_call(p, VFS_OP_JOURNAL_POS, &q, pos), 0);
}

static void
watch__changes__are_told_once_until_read(void **state)
{
	struct wire_peer *p = wire_peer_unix(*state),
	    *w = wire_peer_unix(*state);
	struct vfs_journal_pos_reply pos;
	struct vfs_watch q = { 0 };
	struct vfs_watch_reply wr, more;
	struct vfs_journal_read jq = { 0 };
	struct vfs_journal_read_reply jr;
	struct vfs_unwatch uq;

	journal_end(w, &pos);
	jq.seq = q.seq = pos.seq;
	jq.idx = q.idx = pos.idx;
	assert_int_equal(wire_call(w, VFS_OP_WATCH, &q, &wr), 0);
	wire_silence(w, 20);
	assert_int_equal(wire_reply(p, wire_ask_create(p, "one"),
	    VFS_OP_CREATE, NULL), 0);
	wire_noted(w, PROTO_N_CHANGED);
	assert_true(rbuf_u64(&w->body) > pos.seq);
	assert_int_equal(wire_reply(p, wire_ask_create(p, "two"),
	    VFS_OP_CREATE, NULL), 0);
	/* One more that has something at once: he knows already. */
	assert_int_equal(wire_call(w, VFS_OP_WATCH, &q, &more), 0);
	wire_silence(w, 30);
	assert_int_equal(wire_call(w, VFS_OP_JOURNAL_READ, &jq, &jr), 0);
	assert_true(jr.n >= 2);
	wire_silence(w, 30);		/* he has read all */
	assert_int_equal(wire_reply(p, wire_ask_create(p, "three"),
	    VFS_OP_CREATE, NULL), 0);
	wire_noted(w, PROTO_N_CHANGED);
	jq.seq = jr.seq;
	jq.idx = jr.idx;
	assert_int_equal(wire_call(w, VFS_OP_JOURNAL_READ, &jq, &jr), 0);
	uq.watch = more.watch;
	assert_int_equal(wire_call(w, VFS_OP_UNWATCH, &uq, NULL), 0);
	uq.watch = wr.watch;
	assert_int_equal(wire_call(w, VFS_OP_UNWATCH, &uq, NULL), 0);
	assert_int_equal(wire_call(w, VFS_OP_UNWATCH, &uq, NULL),
	    -VFS_NOENT);
	assert_int_equal(wire_reply(p, wire_ask_create(p, "four"),
	    VFS_OP_CREATE, NULL), 0);
	wire_silence(w, 30);
	wire_peer_close(p);
	wire_peer_close(w);
}

static void
watch__peer_goes__leaves_nothing(void **state)
{
	struct wire_peer *p = wire_peer_unix(*state), *w;
	struct vfs_watch q = { 0 };
	uint64_t id;
	unsigned i;

	for (i = 0; i < 100; i++) {
		w = wire_peer_unix(*state);
		id = wire_ask(w, VFS_OP_WATCH, &q);
		do		/* something is there: told at once */
			assert_true(wire_hear(w));
		while (w->h.req_id != id);
		assert_int_equal(w->h.status, 0);
		wire_peer_close(w);
	}
	assert_int_equal(wire_reply(p, wire_ask_create(p, "one"),
	    VFS_OP_CREATE, NULL), 0);
	wire_peer_close(p);
	wire_rig_until(*state, "wire.peers", 1);
}

/* --- where the transport knows nobody --------------------------------------------------------- */

static void
tcp__anything_before_hello__is_the_end(void **state)
{
	struct wire_peer *p = wire_peer_tcp(*state);

	wire_ask_stat(p);
	wire_ends(p, -VFS_ACCESS);
	wire_peer_close(p);
	p = wire_peer_tcp(*state);	/* and so is silence */
	wire_ends(p, -VFS_DEADLINE);
	wire_peer_close(p);
}

/* The newest record of what was denied is of the last reply. */
static void
is_on_record(struct wire_rig *r, uint64_t trace_id)
{
	struct wire_peer *u = wire_peer_unix(r);
	struct vfs_sessions q = { .flags = VFS_SESSIONS_AUDIT };
	struct vfs_sessions_reply rep;
	struct proto_fault f;
	struct rbuf b;

	assert_int_equal(wire_call(u, VFS_OP_SESSIONS, &q, &rep), 0);
	proto_list_read(&b, (struct vfs_slice){ rep.sessions.p,
	    rep.sessions.n });
	assert_int_equal(proto_fault_next(&b, &f), 0);
	assert_true(trace_id != 0);
	assert_int_equal(f.trace_id, trace_id);
	wire_peer_close(u);
}

static void
tcp__without_a_token__nothing_is_told(void **state)
{
	struct wire_peer *p = wire_peer_tcp(*state);
	struct vfs_hello_reply hr;
	uint8_t wrong[VFS_TOKEN_BYTES] = { 9 };
	struct vfs_attach q = { .token = { wrong, sizeof wrong } };
	struct vfs_status sq = { 0 };
	unsigned i;

	assert_int_equal(wire_hello(p, &hr), 0);
	assert_int_equal(hr.next_id.n, 0);
	assert_int_equal(hr.commit_seq, 0);
	assert_int_equal(wire_look(p, "x"), -VFS_ACCESS);
	assert_int_equal(wire_call(p, VFS_OP_STATUS, &sq, NULL), -VFS_ACCESS);
	is_on_record(*state, p->e.trace_id);
	for (i = 0; i < 2; i++)
		assert_true(wire_call(p, VFS_OP_ATTACH, &q, NULL) < 0);
	is_on_record(*state, p->e.trace_id);
	wire_ask(p, VFS_OP_ATTACH, &q);
	wire_ends(p, -VFS_ACCESS);
	wire_peer_close(p);
}

static void
until_let_go(void *arg, const char *line)
{
	(void)line;
	while (*(_Atomic bool *)arg)
		poll(NULL, 0, 2);
}

/* It is refused when nobody is there any more who could be told. */
static void
tcp__gone_while_its_token_is_refused__harms_nobody(void **state)
{
	struct wire_peer *p = wire_peer_tcp(*state), *u;
	struct wire_rig *r = *state;
	uint8_t wrong[VFS_TOKEN_BYTES] = { 9 };
	struct vfs_attach q = { .token = { wrong, sizeof wrong } };
	struct vfs_hello_reply hr;
	_Atomic bool stuck = true;

	assert_int_equal(wire_hello(p, &hr), 0);
	sessions_on_denied(r->sessions, until_let_go, &stuck);
	wire_ask(p, VFS_OP_ATTACH, &q);
	wire_rig_until(r, "wire.running", 2);	/* with who asks */
	wire_peer_close(p);
	wire_rig_until(r, "wire.peers", 1);
	stuck = false;
	wire_rig_until(r, "wire.running", 1);
	u = wire_peer_unix(r);
	wire_ping(u);
	wire_peer_close(u);
}

static void
tcp__with_a_token__is_served(void **state)
{
	struct wire_peer *p = wire_peer_tcp(*state),
	    *u = wire_peer_unix(*state);
	struct vfs_derive dq = { .root = ROOT, .rights = VFS_RIGHTS_ALL,
		.label = { "tcp", 3 } };
	struct vfs_derive_reply dr;
	struct vfs_attach aq = { 0 };
	struct vfs_hello_reply hr;
	struct vfs_lookup lq = { .name = { "x", 1 } };
	struct vfs_attach_reply ar;
	uint8_t token[VFS_TOKEN_BYTES];

	assert_int_equal(wire_call(u, VFS_OP_DERIVE, &dq, &dr), 0);
	memcpy(token, dr.token.p, sizeof token);
	aq.token = (struct vfs_slice){ token, sizeof token };
	assert_int_equal(wire_hello(p, &hr), 0);
	assert_int_equal(wire_call(p, VFS_OP_ATTACH, &aq, &ar), 0);
	lq.dir.n = ar.root;
	assert_int_equal(wire_call(p, VFS_OP_LOOKUP, &lq, NULL),
	    -VFS_NOENT);
	assert_int_equal(wire_rig_count(*state, "wire.peers_tcp"), 1);
	wire_peer_close(p);
	wire_peer_close(u);
}

static void
tcp__hello_and_no_token__is_ended(void **state)
{
	struct wire_peer *p = wire_peer_tcp(*state),
	    *u = wire_peer_unix(*state);
	struct vfs_hello_reply hr;

	assert_int_equal(wire_hello(p, &hr), 0);
	wire_ends(p, -VFS_ACCESS);
	assert_int_equal(wire_rig_count(*state, "wire.strange"), 1);
	wire_ping(u);			/* was silent all the time */
	wire_peer_close(p);
	wire_peer_close(u);
}

static void
tcp__too_many_strangers__leave_room_for_others(void **state)
{
	struct wire_peer *p[WIRE_STRANGERS_MAX], *more, *u;
	struct vfs_hello_reply hr;
	unsigned i;

	for (i = 0; i < WIRE_STRANGERS_MAX; i++) {
		p[i] = wire_peer_tcp(*state);
		assert_int_equal(wire_hello(p[i], &hr), 0);
	}
	more = wire_peer_tcp(*state);
	wire_ends(more, -VFS_BUSY);
	wire_peer_close(more);
	u = wire_peer_unix(*state);
	wire_ping(u);
	wire_peer_close(p[0]);
	wire_rig_until(*state, "wire.peers_tcp", WIRE_STRANGERS_MAX - 1);
	more = wire_peer_tcp(*state);
	assert_int_equal(wire_hello(more, &hr), 0);
	wire_peer_close(more);
	wire_peer_close(u);
	for (i = 1; i < WIRE_STRANGERS_MAX; i++)
		wire_peer_close(p[i]);
}

int
main(void)
{
#define T(f)	cmocka_unit_test_setup_teardown(f, wire_rig_setup, wire_rig_teardown)
#define TS(f)	cmocka_unit_test_setup_teardown(f, setup_tcp_stall, wire_rig_teardown)
#define TCP(f)	cmocka_unit_test_setup_teardown(f, setup_tcp, wire_rig_teardown)
	const struct CMUnitTest tests[] = {
		T(sessions__more_than_one__are_apart),
		T(sessions__first_detached__can_attach_again),
		T(sessions__one_too_many__is_refused),
		T(detach__requests_under_way__are_told_closed),
		T(revoked__session__its_peer_is_told),
		T(stage__in_pieces__is_read_by_requests),
		T(stage__of_what_is_staged__moves_it),
		T(stage__at_its_limit_and_one_past__fits_and_does_not),
		T(stage__again_behind_a_request__does_not_change_it),
		T(tx__requests_with_the_extension__run_in_it),
		T(watch__changes__are_told_once_until_read),
		T(watch__peer_goes__leaves_nothing),
		TCP(tcp__anything_before_hello__is_the_end),
		TCP(tcp__without_a_token__nothing_is_told),
		TCP(tcp__gone_while_its_token_is_refused__harms_nobody),
		TCP(tcp__with_a_token__is_served),
		TS(tcp__hello_and_no_token__is_ended),
		TCP(tcp__too_many_strangers__leave_room_for_others),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
