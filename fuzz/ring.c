/*
 * A peer that changes the shared region between any two loads of ours: its
 * rings give bytes or an end, never more than was asked for, never anything
 * from outside the region, and what was copied out stays as it was.
 *
 * The input is a row of changes, three bytes each (where, two bytes; what is
 * flipped), taken one at each load, and between them what both sides do.
 */
#include <stdlib.h>
#include <string.h>

#include "fuzz.h"

static void ring_mutate(void);
#define RING_BETWEEN()	ring_mutate()
#include "../protocol/ring.c"

#include "../protocol/codec.h"

#define SLOTS	4u
#define STEPS	200u
#define LOADS_MAX	1000000u

/* The hand on the other side. */
static struct {
	const uint8_t *p;
	size_t n;
	uint8_t *region;
	size_t region_n;
	unsigned loads;
} hand;

static unsigned
next_byte(void)
{
	if (hand.n == 0)
		return 0;
	hand.n--;
	return *hand.p++;
}

/* Half of the changes go to the control lines, where they hurt. */
static void
ring_mutate(void)
{
	size_t at;
	unsigned a;

	if (++hand.loads > LOADS_MAX)
		abort();		/* it gets no further */
	if (hand.n < 3 || (a = next_byte()) == 0)
		return;
	at = (a & 0x7f) << 8 | next_byte();
	at %= (a & 0x80) != 0 ? 576 : hand.region_n;
	hand.region[at] ^= (uint8_t)next_byte();
}

/* What a server makes of the bytes: heads, lengths, requests. */
struct taker {
	uint8_t *msg;
	size_t n, want;
};

static void
taken(struct taker *t)
{
	struct proto_hdr h, again;
	union proto_req q;
	struct rbuf b;
	enum vfs_op op;

	if (proto_hdr_decode(t->msg, t->n, VFS_MSG_MAX, &h) < 0)
		abort();		/* it was right when it was copied */
	if (h.len != t->n)
		abort();
	op = proto_op_find(h.op);
	if (op != VFS_OP_NONE && proto_body(&h, t->msg, &b) == 0)
		proto_request_decode(op, &b, &q);
	if (proto_hdr_decode(t->msg, t->n, VFS_MSG_MAX, &again) < 0 ||
	    h.len != again.len || h.op != again.op ||
	    h.req_id != again.req_id)
		abort();
}

/* One read of up to want bytes, into room of exactly that size. */
static bool
take(struct ring *r, struct taker *t)
{
	struct proto_hdr h;
	uint64_t before = r->in.mine;
	size_t k;

	if (t->msg == NULL) {
		t->msg = malloc(PROTO_HDR);
		t->want = PROTO_HDR;
		t->n = 0;
	}
	k = ring_read(r, t->msg + t->n, t->want - t->n);
	if (k > t->want - t->n || (r->err != 0 && k != 0))
		abort();
	if (k > (r->in.mine - before + 1) * RING_DATA ||
	    r->in.at > RING_DATA)
		abort();		/* more than the slots have */
	t->n += k;
	if (r->err != 0 || t->n < t->want)
		return k > 0;
	if (t->want == PROTO_HDR) {
		if (proto_hdr_decode(t->msg, PROTO_HDR, 65536, &h) < 0) {
			r->err = -VFS_MALFORMED;
			return false;
		}
		t->want = h.len;
		t->msg = realloc(t->msg, t->want);
	}
	if (t->n == t->want) {
		taken(t);
		free(t->msg);
		t->msg = NULL;
	}
	return true;
}

/* The honest half of the client: pings, of any length. */
static void
speak(struct ring *client, unsigned n)
{
	uint8_t msg[2048];
	static const uint8_t zeroes[256 * 7];
	struct vfs_write q = { .id = { 5 }, .data = { zeroes, n * 7 } };
	struct proto_hdr h = { .req_id = 1, .prio = 4 };

	if (proto_request_encode(VFS_OP_WRITE, &q, &h, msg, sizeof msg) == 0)
		ring_write(client, msg, h.len);
}

static void
play(struct ring *server, struct ring *client)
{
	struct taker t = { NULL, 0, 0 };
	uint8_t echo[600] = { 0 };
	unsigned i, what;
	size_t k;

	for (i = 0; i < STEPS && hand.n > 0; i++) {
		what = next_byte();
		if ((what & 1) != 0)
			speak(client, next_byte());
		while (take(server, &t))
			;
		if ((what & 2) != 0 && (k = ring_write(server, echo,
		    sizeof echo)) > sizeof echo)
			abort();
		if ((what & 4) != 0)
			ring_read(client, echo, sizeof echo);
		ring_bell(server);
		if (ring_sleep(server, true, true) && server->err != 0)
			abort();
	}
	if (server->err != 0 && (ring_read(server, echo, 1) != 0 ||
	    ring_write(server, echo, 1) != 0))
		abort();		/* for ever */
	free(t.msg);
}

int
LLVMFuzzerTestOneInput(const uint8_t *p, size_t n)
{
	struct ring server, client;

	hand.region_n = ring_bytes(SLOTS);
	hand.region = aligned_alloc(64, hand.region_n);
	memset(hand.region, 0, hand.region_n);
	hand.n = hand.loads = 0;
	ring_format(hand.region, SLOTS);
	ring_attach(&client, hand.region, hand.region_n, false);
	hand.p = p;
	hand.n = n;
	if (ring_attach(&server, hand.region, hand.region_n, true) == 0) {
		if (server.n > SLOTS)
			abort();
		play(&server, &client);
	}
	free(hand.region);
	return 0;
}
