#include "mem.h"

#include "cobs.h"

enum kind {
	KNOCK = 1,		/* the client's: let me in */
	HELLO,			/* come in */
	DATA,
	ACK,
	NAK,			/* ACK, and something was lost: send again */
	ASK,			/* have you room again? */
	BYE,			/* this epoch is over */
};

#define HEAD	8u
#define TAIL	4u		/* the checksum */

/* --- bytes ----------------------------------------------------------- */

uint32_t
cobs_crc(const void *p, size_t n)
{
	static const uint32_t nibble[16] = {
		0x00000000, 0x105ec76f, 0x20bd8ede, 0x30e349b1,
		0x417b1dbc, 0x5125dad3, 0x61c69362, 0x7198540d,
		0x82f63b78, 0x92a8fc17, 0xa24bb5a6, 0xb21572c9,
		0xc38d26c4, 0xd3d3e1ab, 0xe330a81a, 0xf36e6f75,
	};
	const uint8_t *b = p;
	uint32_t crc = UINT32_MAX;

	while (n-- > 0) {
		crc ^= *b++;
		crc = crc >> 4 ^ nibble[crc & 15];
		crc = crc >> 4 ^ nibble[crc & 15];
	}
	return ~crc;
}

size_t
cobs_encode(const uint8_t *p, size_t n, uint8_t *to)
{
	size_t code = 0, at = 1, i;	/* code: where the block began */

	for (i = 0; i < n; i++) {
		if (p[i] != 0)
			to[at++] = p[i];
		if (p[i] == 0 || at - code == 255) {
			to[code] = (uint8_t)(at - code);
			code = at++;
		}
	}
	to[code] = (uint8_t)(at - code);
	return at;
}

size_t
cobs_decode(uint8_t *p, size_t n)
{
	size_t at = 0, i = 0, end;
	uint8_t code;

	while (i < n) {
		code = p[i++];
		if (code == 0 || (size_t)code - 1 > n - i)
			return 0;
		for (end = i + code - 1; i < end; i++) {
			if (p[i] == 0)
				return 0;
			p[at++] = p[i];
		}
		if (code < 255 && i < n)
			p[at++] = 0;
	}
	return at;
}

static uint32_t
get32(const uint8_t *p)
{
	return p[0] | (uint32_t)p[1] << 8 | (uint32_t)p[2] << 16 |
	    (uint32_t)p[3] << 24;
}

static void
put32(uint8_t *p, uint32_t v)
{
	unsigned i;

	for (i = 0; i < 4; i++)
		p[i] = (uint8_t)(v >> 8 * i);
}

/* --- beginning and end ----------------------------------------------- */

static uint8_t
used(const struct cobs *c)
{
	return (uint8_t)(c->end - c->una);
}

static void
begin(struct cobs *c, uint8_t state, uint32_t epoch)
{
	c->state = state;
	c->reason = COBS_NONE;
	c->epoch = epoch;
	c->una = c->nxt = c->sent = c->end = c->want = 0;
	c->room = c->told = COBS_WINDOW;
	c->first = c->have = 0;
	c->at = 0;
	c->wait_ms = COBS_RETRY_MS;
	c->due = 0;
	c->tries = 0;
	c->say_ack = c->nak = c->ask = false;
	c->say_hello = state != COBS_LISTEN;
}

void
cobs_start(struct cobs *c, uint32_t epoch, uint64_t now)
{
	c->client = epoch != 0;
	if (c->client)
		begin(c, COBS_KNOCK, epoch);
	else if (c->knock != 0)
		begin(c, COBS_UP, c->knock);
	else
		begin(c, COBS_LISTEN, 0);
	c->knock = 0;
	c->naked = now;
	c->nak_told = false;
}

static void
finish(struct cobs *c, enum cobs_reason why)
{
	c->state = COBS_ENDED;
	c->reason = (uint8_t)why;
	c->due = 0;
	c->have = 0;
	c->una = c->nxt = c->sent = c->end;
	c->say_hello = c->say_ack = c->nak = c->ask = false;
}

static void
finish_aloud(struct cobs *c, enum cobs_reason why)
{
	c->bye = c->epoch;
	c->say_bye = c->epoch != 0;
	finish(c, why);
}

void
cobs_close(struct cobs *c)
{
	if (c->state != COBS_ENDED)
		finish_aloud(c, COBS_CLOSED);
}

/* --- the stream ------------------------------------------------------ */

bool
cobs_writable(const struct cobs *c)
{
	if (c->state != COBS_UP)
		return false;
	return used(c) < COBS_WINDOW || (c->sent != c->end &&
	    c->tx[(uint8_t)(c->end - 1) % COBS_WINDOW].n < COBS_PAYLOAD);
}

size_t
cobs_write(struct cobs *c, const void *p, size_t n)
{
	struct cobs_piece *t;
	size_t done = 0, k;

	while (done < n && cobs_writable(c)) {
		if (c->sent == c->end || c->tx[(uint8_t)(c->end - 1) %
		    COBS_WINDOW].n == COBS_PAYLOAD)
			c->tx[c->end++ % COBS_WINDOW].n = 0;
		t = &c->tx[(uint8_t)(c->end - 1) % COBS_WINDOW];
		k = COBS_PAYLOAD - t->n;
		if (k > n - done)
			k = n - done;
		memcpy(t->p + t->n, (const uint8_t *)p + done, k);
		t->n = (uint16_t)(t->n + k);
		done += k;
	}
	return done;
}

size_t
cobs_readable(const struct cobs *c)
{
	return c->have == 0 ? 0 : (size_t)c->rx[c->first].n - c->at;
}

size_t
cobs_read(struct cobs *c, void *p, size_t n)
{
	struct cobs_piece *r;
	size_t done = 0, k;

	while (done < n && c->have > 0) {
		r = &c->rx[c->first];
		k = (size_t)r->n - c->at;
		if (k > n - done)
			k = n - done;
		memcpy((uint8_t *)p + done, r->p + c->at, k);
		c->at = (uint16_t)(c->at + k);
		done += k;
		if (c->at < r->n)
			break;
		c->first = (uint8_t)((c->first + 1) % COBS_WINDOW);
		c->have--;
		c->at = 0;
		if (c->told == 0)	/* it waits to hear of room */
			c->say_ack = true;
	}
	return done;
}

bool
cobs_idle(const struct cobs *c)
{
	return c->una == c->end;
}

/* --- what comes ------------------------------------------------------ */

static void
acked(struct cobs *c, uint8_t ack, uint8_t room, uint64_t now)
{
	uint8_t more = (uint8_t)(ack - c->una);

	if (more > 127)			/* an old one, late */
		return;
	if (more > (uint8_t)(c->sent - c->una) || room > COBS_WINDOW) {
		finish_aloud(c, COBS_BROKEN);
		return;
	}
	if ((uint8_t)(c->nxt - c->una) < more)
		c->nxt = ack;
	c->una = ack;
	c->room = room;
	if (more > 0 || c->una == c->sent) {
		c->tries = 0;
		c->wait_ms = COBS_RETRY_MS;
		c->due = c->una == c->end ? 0 : now + c->wait_ms;
	}
}

static void
data_came(struct cobs *c, uint8_t seq, const uint8_t *p, size_t n)
{
	uint8_t ahead = (uint8_t)(seq - c->want);
	struct cobs_piece *r;

	c->say_ack = true;
	if (ahead > 127) {
		c->dup++;
		return;
	}
	if (n == 0 || n > COBS_PAYLOAD || ahead >= COBS_WINDOW) {
		finish_aloud(c, COBS_BROKEN);
		return;
	}
	if (ahead > 0) {
		c->nak = true;
		return;
	}
	if (c->have == COBS_WINDOW)	/* more than it was told: later */
		return;
	r = &c->rx[(c->first + c->have) % COBS_WINDOW];
	memcpy(r->p, p, n);
	r->n = (uint16_t)n;
	c->have++;
	c->want++;
	c->nak = c->nak_told = false;	/* if more is missing, more tells */
}

/* A frame that belongs to no epoch, or opens one. */
static void
stranger(struct cobs *c, uint8_t kind, uint32_t epoch)
{
	if (kind == HELLO && c->client) {
		if (c->state == COBS_KNOCK && epoch == c->epoch)
			begin(c, COBS_UP, epoch);
		c->say_hello = c->state == COBS_KNOCK;
		return;
	}
	if (kind == KNOCK && !c->client && epoch != 0) {
		if (c->state == COBS_LISTEN) {
			begin(c, COBS_UP, epoch);
		} else if (c->state == COBS_UP && epoch == c->epoch) {
			c->say_hello = true;
		} else {
			c->knock = epoch;
			if (c->state == COBS_UP)
				finish(c, COBS_AGAIN);
		}
		return;
	}
	if (kind == BYE || kind == KNOCK || kind == HELLO ||
	    c->state == COBS_KNOCK)
		return;
	c->bye = epoch;
	c->say_bye = true;
}

static void
frame_came(struct cobs *c, const uint8_t *p, size_t n, uint64_t now)
{
	uint8_t kind = p[0];
	uint32_t epoch = get32(p + 4);

	c->frames++;
	if (kind == BYE && epoch == c->epoch && c->state != COBS_ENDED &&
	    c->state != COBS_LISTEN) {
		finish(c, COBS_PEER);
		return;
	}
	if (c->state != COBS_UP || epoch != c->epoch || kind <= HELLO) {
		stranger(c, kind, epoch);
		return;
	}
	if (kind > BYE || (kind != DATA && n != HEAD)) {
		finish_aloud(c, COBS_BROKEN);
		return;
	}
	acked(c, p[2], p[3], now);
	if (c->state == COBS_UP && kind == DATA)
		data_came(c, p[1], p + HEAD, n - HEAD);
	if (kind == ASK)
		c->say_ack = true;
	if (kind != DATA)
		c->nak_told = false;	/* it was heard, or needs not be */
	if (kind == NAK && c->una != c->sent) {
		c->nxt = c->una;
		c->again++;
	}
}

/* Up to a zero, or what should have been one. */
static void
line_came(struct cobs *c, uint64_t now)
{
	size_t n = cobs_decode(c->in, c->in_n);

	if (!c->skip && c->in_n == 0)
		return;
	if (c->skip || n < HEAD + TAIL ||
	    cobs_crc(c->in, n - TAIL) != get32(c->in + n - TAIL)) {
		c->bad++;
		c->nak = c->state == COBS_UP;
		return;
	}
	frame_came(c, c->in, n - TAIL, now);
}

void
cobs_input(struct cobs *c, const void *p, size_t n, uint64_t now)
{
	const uint8_t *b = p;

	for (; n > 0; n--, b++) {
		if (*b == 0) {
			line_came(c, now);
			c->in_n = 0;
			c->skip = false;
		} else if (c->in_n == sizeof c->in) {
			c->skip = true;
		} else {
			c->in[c->in_n++] = *b;
		}
	}
}

/* --- what goes ------------------------------------------------------- */

static bool
put(struct cobs *c, enum kind kind, uint32_t epoch, uint8_t seq,
    const struct cobs_piece *t)
{
	uint8_t raw[HEAD + COBS_PAYLOAD + TAIL];
	size_t n = HEAD;

	raw[0] = (uint8_t)kind;
	raw[1] = seq;
	raw[2] = c->want;
	raw[3] = c->told = (uint8_t)(COBS_WINDOW - c->have);
	put32(raw + 4, epoch);
	if (t != NULL) {
		memcpy(raw + n, t->p, t->n);
		n += t->n;
	}
	put32(raw + n, cobs_crc(raw, n));
	n += TAIL;
	c->out[0] = 0;			/* ends whatever garbage was there */
	n = 1 + cobs_encode(raw, n, c->out + 1);
	c->out[n++] = 0;
	c->out[n++] = 0;		/* one may get lost, at the end */
	c->out_n = (uint16_t)n;
	c->out_at = 0;
	if (kind >= DATA && kind <= ASK)
		c->say_ack = false;
	return true;
}

/* Nobody answered in time. */
static void
timer(struct cobs *c, uint64_t now)
{
	if (++c->tries > COBS_TRIES) {
		finish_aloud(c, COBS_SILENT);
		return;
	}
	if (c->state == COBS_KNOCK)
		c->say_hello = true;
	else if (c->una != c->sent)
		c->again++;
	else
		c->ask = true;
	c->nxt = c->una;
	c->wait_ms = c->wait_ms * 2 > COBS_RETRY_MS_MAX ?
	    COBS_RETRY_MS_MAX : c->wait_ms * 2;
	c->due = now + c->wait_ms;
}

static bool
may_send(const struct cobs *c)
{
	return c->nxt != c->end && (uint8_t)(c->nxt - c->una) < c->room;
}

static bool
put_data(struct cobs *c)
{
	uint8_t seq = c->nxt++;

	if ((uint8_t)(seq - c->una) >= (uint8_t)(c->sent - c->una))
		c->sent = c->nxt;
	return put(c, DATA, c->epoch, seq, &c->tx[seq % COBS_WINDOW]);
}

/* The same hole is told of again only after a while. */
static uint64_t
nak_at(const struct cobs *c)
{
	return c->nak_told ? c->naked + COBS_NAK_MS : 1;
}

static bool
next_up(struct cobs *c, uint64_t now)
{
	if (c->una != c->end && c->due == 0)
		c->due = now + c->wait_ms;
	if (c->nak && now >= nak_at(c)) {
		c->nak = false;
		c->naked = now;
		c->nak_told = true;
		return put(c, NAK, c->epoch, 0, NULL);
	}
	if (c->ask) {
		c->ask = false;
		return put(c, ASK, c->epoch, 0, NULL);
	}
	if (may_send(c))
		return put_data(c);
	return c->say_ack && put(c, ACK, c->epoch, 0, NULL);
}

static bool
next_frame(struct cobs *c, uint64_t now)
{
	if (c->due != 0 && now >= c->due)
		timer(c, now);
	if (c->say_bye) {
		c->say_bye = false;
		return put(c, BYE, c->bye, 0, NULL);
	}
	if (c->say_hello) {
		c->say_hello = false;
		if (c->client)
			c->due = now + c->wait_ms;
		return put(c, c->client ? KNOCK : HELLO, c->epoch, 0, NULL);
	}
	return c->state == COBS_UP && next_up(c, now);
}

const uint8_t *
cobs_output(struct cobs *c, size_t *n, uint64_t now)
{
	if (c->out_at == c->out_n && !next_frame(c, now))
		c->out_n = c->out_at = 0;
	*n = (size_t)c->out_n - c->out_at;
	return c->out + c->out_at;
}

void
cobs_sent(struct cobs *c, size_t n)
{
	c->out_at = (uint16_t)(c->out_at + n);
}

uint64_t
cobs_due(const struct cobs *c)
{
	uint64_t nak = nak_at(c);

	return c->nak && (c->due == 0 || nak < c->due) ? nak : c->due;
}
