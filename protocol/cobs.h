/*
 * cobs.h - a stream of bytes over a line that loses and spoils them
 *
 * For serial lines and virtio consoles.  A frame is at most 1024 bytes
 * between zero bytes (one before, two behind), COBS-encoded, and ends
 * with a CRC32C:
 *
 *	u8 kind, u8 seq, u8 ack, u8 room, u32 epoch, payload, u32 crc
 *
 * Four frames may be under way; each is acknowledged, and sent again when
 * no answer comes.  What is read at one end is what was written at the
 * other, once and in order, or the line has ended with a reason: whatever
 * was under way is then void, and a new epoch begins.  The client chooses
 * the epoch (any number it has not used lately) and knocks; the other end
 * listens.
 *
 * No I/O, no clock, no allocation: the caller moves bytes between this and
 * the line, and says what time it is.
 *
 * Threads:   one at a time.
 * Failure:   cobs_state says why it ended; only cobs_start goes on.
 */
#ifndef PROTO_COBS_H
#define PROTO_COBS_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define COBS_PAYLOAD	960u	/* bytes of the stream in one frame */
#define COBS_FRAME	1024u	/* on the line, delimiters included */
#define COBS_WINDOW	4u
#define COBS_RETRY_MS	200u	/* first; doubles up to the last */
#define COBS_RETRY_MS_MAX 2000u
#define COBS_NAK_MS	50u	/* the same hole is told of so often */
#define COBS_TRIES	10u	/* without an answer: ended */

enum cobs_state {
	COBS_LISTEN,		/* waits for a knock */
	COBS_KNOCK,		/* has knocked */
	COBS_UP,
	COBS_ENDED,
};

enum cobs_reason {
	COBS_NONE,
	COBS_SILENT,		/* no answer for COBS_TRIES */
	COBS_PEER,		/* the peer ended it, or knows nothing of it */
	COBS_AGAIN,		/* the peer began anew: start to let it in */
	COBS_BROKEN,		/* sound frames that make no sense */
	COBS_CLOSED,		/* by cobs_close */
};

struct cobs_piece {
	uint16_t n;
	uint8_t p[COBS_PAYLOAD];
};

struct cobs {
	bool client;
	uint8_t state, reason;
	uint32_t epoch, knock;		/* knock: to be let in; 0: none */
	/* sending: una the oldest not acknowledged, nxt the next for the
	 * line, sent one past the last that ever went, end the next to be
	 * filled */
	uint8_t una, nxt, sent, end, room;
	struct cobs_piece tx[COBS_WINDOW];
	uint32_t wait_ms;
	uint64_t due;			/* of the timer; 0: none */
	unsigned tries;
	/* receiving */
	uint8_t want, told;		/* told: the room said last */
	uint8_t first, have;
	uint16_t at;			/* in the first piece */
	struct cobs_piece rx[COBS_WINDOW];
	bool say_hello, say_ack, say_bye, nak, ask;
	bool nak_told;			/* the same hole, not long ago */
	uint64_t naked;			/* when that was */
	uint32_t bye;			/* epoch that is told off */
	/* the line */
	bool skip;			/* up to the next zero */
	uint16_t in_n, out_n, out_at;
	uint8_t in[COBS_FRAME], out[COBS_FRAME];
	uint64_t frames, bad, again, dup;	/* counted */
};

/* epoch != 0: knock with it; 0: listen.  Keeps the knock of COBS_AGAIN
 * and the line's state; zero the struct before the first time. */
void cobs_start(struct cobs *c, uint32_t epoch, uint64_t now);
/* Tells the peer; what was under way is void. */
void cobs_close(struct cobs *c);

/* The stream: how many bytes were taken, or given. */
size_t cobs_write(struct cobs *c, const void *p, size_t n);
size_t cobs_read(struct cobs *c, void *p, size_t n);
size_t cobs_readable(const struct cobs *c);
bool cobs_writable(const struct cobs *c);
/* Has the peer acknowledged all that was written? */
bool cobs_idle(const struct cobs *c);

/* The line: bytes that came; bytes to send now (*n may be 0), and how many
 * of them went. */
void cobs_input(struct cobs *c, const void *p, size_t n, uint64_t now);
const uint8_t *cobs_output(struct cobs *c, size_t *n, uint64_t now);
void cobs_sent(struct cobs *c, size_t n);
/* When cobs_output wants to be asked even if nothing happens; 0: never. */
uint64_t cobs_due(const struct cobs *c);

/* For tests, and other framings: CRC32C, COBS of n bytes (room for n +
 * n / 254 + 1), and back in place (the length, or 0). */
uint32_t cobs_crc(const void *p, size_t n);
size_t cobs_encode(const uint8_t *p, size_t n, uint8_t *to);
size_t cobs_decode(uint8_t *p, size_t n);

#endif
