/*
 * The wire front under load: who is served when not all can be.
 *
 * wire_rig_hold keeps everything that changes the store waiting, so that
 * threads are blocked for as long as a test likes.
 */
#include <poll.h>
#include <stdio.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include "../../vfsd/front/wire_in.h"
#include "../wire_rig.h"

/* One thread for ordinary requests: what is next shows in the replies. */
static int
setup_one(void **state)
{
	*state = wire_rig_open(WIRE_SPARE + 1, 0, false, NULL);
	return 0;
}

/* n CREATEs that wait for the store, each in a thread if there is one. */
static struct wire_peer *
block(struct wire_rig *r, unsigned n, unsigned threads)
{
	struct wire_peer *p = wire_peer_unix(r);
	char name[16];
	unsigned i;

	wire_rig_hold(r);
	for (i = 0; i < n; i++) {
		snprintf(name, sizeof name, "b%u", i);
		wire_ask_create(p, name);
	}
	wire_rig_until_running(r, threads);
	return p;
}

/* All of block's are answered, in any order. */
static void
unblock(struct wire_rig *r, struct wire_peer *p, unsigned n)
{
	wire_rig_release(r);
	while (n-- > 0) {
		assert_true(wire_hear(p));
		assert_int_equal(p->h.status, 0);
	}
	wire_peer_close(p);
}

/* --- the control lane ------------------------------------------------------ */

static void
control_lane__all_threads_blocked__is_served(void **state)
{
	unsigned busy = WIRE_THREADS - WIRE_SPARE;
	struct wire_peer *b = block(*state, busy + 3, busy), *p;
	struct vfs_close close_q = { { "\0\0\0\0\0\0\0\100", 8 } };
	struct vfs_tx_abort abort_q = { .tx = 99 };
	struct vfs_tx_status status_q = { { "0123456789abcdef", 16 } };
	struct vfs_credit credit_q = { .want = 1 };
	struct vfs_detach detach_q = { 0 };
	struct vfs_hello_reply hr;
	uint64_t stat;

	p = wire_peer_unix(*state);
	assert_int_equal(wire_hello(p, &hr), 0);
	stat = wire_ask_stat(p);	/* ordinary: it has to wait */
	wire_ping(p);
	assert_int_equal(wire_call(p, VFS_OP_CLOSE, &close_q, NULL),
	    -VFS_BAD_HANDLE);
	assert_int_equal(wire_call(p, VFS_OP_TX_ABORT, &abort_q, NULL),
	    -VFS_TX_UNKNOWN);
	assert_int_equal(wire_call(p, VFS_OP_TX_STATUS, &status_q, NULL), 0);
	assert_int_equal(wire_call(p, VFS_OP_CREDIT, &credit_q, NULL), 0);
	wire_ping(b);
	wire_silence(p, 30);
	wire_ask(p, VFS_OP_DETACH, &detach_q);
	assert_int_equal(wire_reply(p, stat, VFS_OP_STAT, NULL),
	    -VFS_SESSION_CLOSED);
	assert_int_equal(wire_reply(p, p->req_id, VFS_OP_DETACH, NULL), 0);
	unblock(*state, b, busy + 3);
	wire_peer_close(p);
}

static void
reads__a_thread_is_free__are_served(void **state)
{
	unsigned busy = WIRE_THREADS - WIRE_SPARE - 1;
	struct wire_peer *b = block(*state, busy, busy), *p;

	p = wire_peer_unix(*state);
	assert_int_equal(wire_reply(p, wire_ask_stat(p), VFS_OP_STAT, NULL),
	    0);
	unblock(*state, b, busy);
	wire_peer_close(p);
}

/* What should not block does: somebody else polls then. */
static void
quick_request__that_blocks__does_not_keep_the_polling(void **state)
{
	struct wire_rig *r = *state;
	struct wire_peer *p = wire_peer_unix(r), *other = wire_peer_unix(r);
	struct vfs_status q = { 0 };
	uint64_t id;

	wire_ping(other);
	r->stuck = true;
	id = wire_ask(p, VFS_OP_STATUS, &q);
	wire_rig_until_running(r, 1);
	wire_ping(other);
	wire_ping(p);
	assert_int_equal(wire_reply(other, wire_ask_stat(other), VFS_OP_STAT,
	    NULL), 0);
	wire_silence(p, 1);
	r->stuck = false;
	assert_int_equal(wire_reply(p, id, VFS_OP_STATUS, NULL), 0);
	wire_peer_close(p);
	wire_peer_close(other);
}

/* --- priorities -------------------------------------------------------------- */

static uint64_t
ask_at(struct wire_peer *p, uint8_t prio)
{
	p->prio = prio;
	return wire_ask_stat(p);
}

/* Who polls has read all of it. */
static void
settle(struct wire_peer *p)
{
	wire_ping(p);
}

static void
priorities__one_thread__urgent_first_then_shares(void **state)
{
	struct wire_peer *b = block(*state, 1, 1), *p;
	uint64_t want[5], low;
	unsigned i, n = 0;

	p = wire_peer_unix(*state);
	want[2] = ask_at(p, 5);
	want[4] = ask_at(p, 0);
	want[1] = ask_at(p, 6);
	want[3] = ask_at(p, 3);
	want[0] = ask_at(p, 7);
	settle(p);
	unblock(*state, b, 1);
	for (i = 0; i < 5; i++)
		assert_int_equal(wire_reply(p, want[i], VFS_OP_STAT, NULL),
		    0);
	b = block(*state, 0, 0);
	wire_ask_create(b, "again");
	wire_rig_until_running(*state, 1);
	low = ask_at(p, 0);
	for (i = 1; i < 6; i++)
		ask_at(p, 0);
	for (i = 0; i < 12; i++)
		ask_at(p, 5);
	settle(p);
	unblock(*state, b, 1);
	for (i = 0; i < 18; i++) {
		assert_true(wire_hear(p));
		if (i < 14 && p->h.req_id < low + 6)
			n++;		/* of the low ones */
	}
	assert_int_equal(n, 2);		/* 1 to 6 */
	wire_peer_close(p);
}

static void
priorities__an_old_one__is_not_overtaken_for_ever(void **state)
{
	struct wire_peer *b = block(*state, 1, 1), *p;
	uint64_t old;
	unsigned i;

	p = wire_peer_unix(*state);
	old = ask_at(p, 0);
	settle(p);
	poll(NULL, 0, VFS_AGE_MS / 2 + 20);
	for (i = 0; i < 10; i++)
		ask_at(p, 7);
	settle(p);
	unblock(*state, b, 1);
	for (i = 0; i < 11; i++) {
		assert_true(wire_hear(p));
		if (p->h.req_id == old)
			break;
	}
	assert_true(i < 2);
	for (; i < 10; i++)
		assert_true(wire_hear(p));
	wire_peer_close(p);
}

/* --- deadlines ----------------------------------------------------------------- */

static void
deadline__queued_behind_blocked__is_told_in_time(void **state)
{
	struct wire_peer *b = block(*state, 1, 1), *p;
	uint64_t id;

	p = wire_peer_unix(*state);
	p->deadline_ms = 30;
	id = wire_ask_create(p, "late");
	assert_int_equal(wire_reply(p, id, VFS_OP_CREATE, NULL),
	    -VFS_DEADLINE);
	unblock(*state, b, 1);		/* still blocked until here */
	p->deadline_ms = 0;
	assert_int_equal(wire_look(p, "late"), -VFS_NOENT);
	assert_int_equal(wire_rig_count(*state, "wire.late"), 1);
	wire_peer_close(p);
}

static void
deadline__while_it_runs__has_no_effect(void **state)
{
	struct wire_rig *r = *state;
	struct wire_peer *p = wire_peer_unix(r);
	uint64_t id;

	wire_rig_hold(r);
	p->deadline_ms = 30;
	id = wire_ask_create(p, "late");
	wire_rig_until_running(r, 1);
	poll(NULL, 0, 40);
	wire_rig_release(r);
	assert_int_equal(wire_reply(p, id, VFS_OP_CREATE, NULL),
	    -VFS_DEADLINE);
	p->deadline_ms = 10000;		/* far away: no harm */
	assert_int_equal(wire_look(p, "late"), -VFS_NOENT);
	wire_peer_close(p);
}

/* --- cancelling ------------------------------------------------------------------ */

static uint32_t
cancel(struct wire_peer *p, uint64_t req)
{
	struct vfs_cancel q = { .req = req };
	struct vfs_cancel_reply r;

	assert_int_equal(wire_call(p, VFS_OP_CANCEL, &q, &r), 0);
	return r.state;
}

static void
cancel__queued__is_done_and_answered_first(void **state)
{
	struct wire_peer *b = block(*state, 1, 1), *p;
	struct vfs_cancel q;
	struct vfs_cancel_reply r;
	uint64_t id;

	p = wire_peer_unix(*state);
	q.req = wire_ask_create(p, "never");
	id = wire_ask(p, VFS_OP_CANCEL, &q);
	assert_int_equal(wire_reply(p, q.req, VFS_OP_CREATE, NULL),
	    -VFS_CANCELLED);
	assert_int_equal(wire_reply(p, id, VFS_OP_CANCEL, &r), 0);
	assert_int_equal(r.state, VFS_CANCEL_DONE);
	unblock(*state, b, 1);
	assert_int_equal(wire_look(p, "never"), -VFS_NOENT);
	wire_peer_close(p);
}

static void
cancel__running__is_too_late_but_heard(void **state)
{
	struct wire_peer *b = block(*state, 1, 1);
	uint64_t id = b->req_id;

	assert_int_equal(cancel(b, id), VFS_CANCEL_TOO_LATE);
	wire_rig_release(*state);
	assert_int_equal(wire_reply(b, id, VFS_OP_CREATE, NULL),
	    -VFS_CANCELLED);
	assert_int_equal(wire_look(b, "b0"), -VFS_NOENT);
	wire_peer_close(b);
}

static void
cancel__answered_or_unheard_of__changes_nothing(void **state)
{
	struct wire_peer *p = wire_peer_unix(*state), *other;
	uint64_t id = wire_ask_create(p, "here");

	assert_int_equal(wire_reply(p, id, VFS_OP_CREATE, NULL), 0);
	assert_int_equal(cancel(p, id), VFS_CANCEL_TOO_LATE);
	assert_int_equal(cancel(p, 1000), VFS_CANCEL_UNKNOWN);
	other = wire_peer_unix(*state);
	other->req_id = 10;		/* id is not its own */
	assert_int_equal(cancel(other, id), VFS_CANCEL_UNKNOWN);
	assert_int_equal(wire_look(p, "here"), 0);
	wire_peer_close(other);
	wire_peer_close(p);
}

/* --- credits ------------------------------------------------------------------------ */

static void
credits__exceeded__twice_told_then_the_end(void **state)
{
	struct wire_rig *r = *state;
	struct wire_peer *p = wire_peer_unix(r), *other = wire_peer_unix(r);
	struct vfs_hello_reply hr;
	unsigned i;

	assert_int_equal(wire_hello(p, &hr), 0);
	assert_int_equal(hr.credits, WIRE_CREDITS);
	assert_int_equal(p->h.credits, 0);
	wire_rig_hold(r);
	for (i = 0; i < hr.credits; i++)
		wire_ask_create(p, "x");
	for (i = 0; i < WIRE_STRIKES; i++)
		assert_int_equal(wire_reply(p, wire_ask_create(p, "y"),
		    VFS_OP_CREATE, NULL), -VFS_NO_CREDIT);
	wire_ping(p);			/* the lane has its own */
	assert_int_equal(wire_reply(p, wire_ask_create(p, "y"),
	    VFS_OP_CREATE, NULL), -VFS_NO_CREDIT);
	assert_int_equal(p->h.credits, 0);
	wire_ends(p, -VFS_NO_CREDIT);
	wire_ping(other);
	wire_rig_release(r);
	wire_rig_until(r, "wire.peers", 2);
	assert_int_equal(wire_look(other, "y"), -VFS_NOENT);
	wire_peer_close(p);
	wire_peer_close(other);
}

static void
credits__asked_for__are_granted_up_to_the_limit(void **state)
{
	struct wire_rig *r = *state;
	struct wire_peer *p = wire_peer_unix(r);
	struct vfs_credit q = { .want = 16 };
	struct vfs_credit_reply cr;
	struct vfs_hello_reply hr;
	unsigned i;

	assert_int_equal(wire_call(p, VFS_OP_CREDIT, &q, &cr), 0);
	assert_int_equal(cr.granted, 16);
	assert_int_equal(p->h.credits, 16);
	q.want = UINT32_MAX;
	assert_int_equal(wire_call(p, VFS_OP_CREDIT, &q, &cr), 0);
	assert_int_equal(cr.granted, VFS_CREDITS - WIRE_CREDITS - 16);
	assert_int_equal(wire_hello(p, &hr), 0);
	assert_int_equal(hr.credits, VFS_CREDITS);
	wire_rig_hold(r);
	for (i = 0; i < VFS_CREDITS; i++)
		wire_ask_create(p, "x");
	assert_int_equal(wire_reply(p, wire_ask_create(p, "y"),
	    VFS_OP_CREATE, NULL), -VFS_NO_CREDIT);
	wire_rig_release(r);
	for (i = 0; i < VFS_CREDITS; i++) {
		assert_true(wire_hear(p));
		assert_int_equal(p->h.credits, 1);
	}
	assert_int_equal(wire_look(p, "x"), 0);	/* and all are back */
	wire_peer_close(p);
}

static void
bytes__more_than_told__have_no_credit(void **state)
{
	static char data[VFS_IO_MAX];
	struct wire_rig *r = *state;
	struct wire_peer *p = wire_peer_unix(r);
	struct vfs_write q = { .id = { VFS_ID_ROOT + 90 },
		.data = { data, sizeof data } };
	struct vfs_hello_reply hr;
	uint64_t one, two, three;

	assert_int_equal(wire_hello(p, &hr), 0);
	assert_true(hr.max_bytes >= 2 * sizeof data &&
	    hr.max_bytes < 3 * sizeof data);
	wire_peer_close(block(r, WIRE_THREADS - WIRE_SPARE, WIRE_THREADS -
	    WIRE_SPARE));
	one = wire_ask(p, VFS_OP_WRITE, &q);
	two = wire_ask(p, VFS_OP_WRITE, &q);
	three = wire_ask(p, VFS_OP_WRITE, &q);
	assert_int_equal(wire_reply(p, three, VFS_OP_WRITE, NULL),
	    -VFS_NO_CREDIT);
	wire_rig_release(r);
	assert_true(wire_hear(p) && wire_hear(p));
	assert_true(one < two);
	assert_int_equal(wire_call(p, VFS_OP_WRITE, &q, NULL),
	    -VFS_NO_SUCH_ID);
	wire_peer_close(p);
}

/* --- peers that go, and the end -------------------------------------------------------- */

static void
peer__gone_with_requests_under_way__leaves_nothing(void **state)
{
	struct wire_rig *r = *state;
	struct wire_peer *p, *b = block(r, 1, 1);
	unsigned i;

	for (i = 0; i < 20; i++) {
		p = wire_peer_unix(r);
		wire_ask_create(p, "gone");
		wire_ask_stat(p);
		wire_ping(p);
		wire_peer_close(p);
	}
	wire_peer_close(b);
	p = wire_peer_unix(r);
	wire_ping(p);
	wire_rig_release(r);
	wire_rig_until(r, "wire.peers", 2);
	wire_rig_until(r, "wire.queued", 0);
	assert_int_equal(wire_look(p, "gone"), -VFS_NOENT);
	wire_peer_close(p);
}

static void
peers__thousand_come_and_go__leave_nothing(void **state)
{
	struct vfs_tx_begin tq = { 0 };
	struct wire_peer *p;
	unsigned i;

	for (i = 0; i < 1000; i++) {
		p = wire_peer_unix(*state);
		if (i % 4 == 0)
			wire_ping(p);
		if (i % 8 == 1)
			assert_int_equal(wire_call(p, VFS_OP_TX_BEGIN, &tq,
			    NULL), 0);
		if (i % 8 == 2)
			send(p->fd, "\100\0\0", 3, MSG_NOSIGNAL);
		wire_peer_close(p);
	}
	wire_rig_until(*state, "wire.peers", 1);
	wire_rig_until(*state, "wire.sessions", 1);
}

static void
stop__with_peers__tells_them(void **state)
{
	struct wire_rig *r = *state;
	struct wire_peer *b = block(r, 3, 1);

	wire_rig_release(r);
	wire_stop(r->wire);
	r->wire = NULL;
	do
		assert_true(wire_hear(b));
	while (b->h.op != PROTO_N_SHUTDOWN);
	assert_int_equal(rbuf_u32(&b->body), VFS_SESSION_CLOSED);
	assert_int_equal(b->req_id, 3);
	assert_false(wire_hear(b));
	wire_peer_close(b);
}

/* --- what a small call costs -------------------------------------------------------------- */

static void
small_calls__one_after_the_other__are_not_handed_over(void **state)
{
	struct wire_rig *r = *state;
	struct wire_peer *p = wire_peer_unix(r);
	uint64_t over = r->wire->n.handovers, polls, wakes;
	unsigned i;

	wire_ping(p);
	polls = r->wire->n.polls;
	wakes = r->wire->n.wakes;
	for (i = 0; i < 100; i++)
		assert_int_equal(wire_reply(p, wire_ask_stat(p), VFS_OP_STAT,
		    NULL), 0);
	assert_int_equal(r->wire->n.handovers, over);
	/* The lane's chores may come in between, once a second. */
	assert_true(r->wire->n.polls - polls <= 125);
	assert_true(r->wire->n.wakes - wakes <= 5);
	assert_int_equal(wire_reply(p, wire_ask_create(p, "c"),
	    VFS_OP_CREATE, NULL), 0);
	assert_int_equal(r->wire->n.handovers, over + 1);
	wire_peer_close(p);
}

/* --- peers that stall ------------------------------------------------------------------------ */

#define STALL_MS	60u

static int
setup_stall(void **state)
{
	*state = wire_rig_open(0, STALL_MS, false, NULL);
	return 0;
}

static void
half_a_message__and_no_more__ends_with_a_reason(void **state)
{
	struct wire_peer *p = wire_peer_unix(*state),
	    *other = wire_peer_unix(*state);

	assert_int_equal(send(p->fd, "\60\0\0\0\4\0\0\4", 8, 0), 8);
	wire_ends(p, -VFS_DEADLINE);
	wire_ping(other);		/* idle is not stalled */
	wire_peer_close(p);
	wire_peer_close(other);
}

static void
replies__that_nobody_reads__end_the_peer(void **state)
{
	struct wire_rig *r = *state;
	struct wire_peer *p = wire_peer_unix(r);
	struct vfs_status q = { 0 };
	unsigned i;

	/* Within its credits, but more than a socket holds. */
	for (i = 0; i < WIRE_CREDITS; i++)
		wire_ask(p, VFS_OP_STATUS, &q);
	wire_rig_until(r, "wire.peers", 1);
	wire_peer_close(p);
}

int
main(void)
{
#define T(f)	cmocka_unit_test_setup_teardown(f, wire_rig_setup, wire_rig_teardown)
#define T1(f)	cmocka_unit_test_setup_teardown(f, setup_one, wire_rig_teardown)
#define TS(f)	cmocka_unit_test_setup_teardown(f, setup_stall, wire_rig_teardown)
	const struct CMUnitTest tests[] = {
		T(control_lane__all_threads_blocked__is_served),
		T(reads__a_thread_is_free__are_served),
		T(quick_request__that_blocks__does_not_keep_the_polling),
		T1(priorities__one_thread__urgent_first_then_shares),
		T1(priorities__an_old_one__is_not_overtaken_for_ever),
		T1(deadline__queued_behind_blocked__is_told_in_time),
		T1(deadline__while_it_runs__has_no_effect),
		T1(cancel__queued__is_done_and_answered_first),
		T1(cancel__running__is_too_late_but_heard),
		T(cancel__answered_or_unheard_of__changes_nothing),
		T(credits__exceeded__twice_told_then_the_end),
		T(credits__asked_for__are_granted_up_to_the_limit),
		T(bytes__more_than_told__have_no_credit),
		T1(peer__gone_with_requests_under_way__leaves_nothing),
		T(peers__thousand_come_and_go__leave_nothing),
		T1(stop__with_peers__tells_them),
		T(small_calls__one_after_the_other__are_not_handed_over),
		TS(half_a_message__and_no_more__ends_with_a_reason),
		TS(replies__that_nobody_reads__end_the_peer),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
