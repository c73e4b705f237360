/*
 * Any bytes on a serial line: what is read is no more than what fits, the
 * state is one of the four, and an end has a reason.  Frames that are right
 * come from the other end's encoder, with bytes of the input in between.
 */
#include <stdlib.h>
#include <string.h>

#include "../protocol/cobs.h"
#include "fuzz.h"

static void
carry(struct cobs *from, struct cobs *to, uint8_t flip, uint64_t now)
{
	uint8_t line[COBS_FRAME];
	const uint8_t *p;
	size_t n;
	unsigned i;

	for (i = 0; i < 8 && (p = cobs_output(from, &n, now), n > 0); i++) {
		if (n > COBS_FRAME)
			abort();
		memcpy(line, p, n);
		line[flip % n] ^= flip >> 3;
		cobs_sent(from, n);
		cobs_input(to, line, n, now);
	}
}

static void
judge(const struct cobs *c)
{
	if (c->state > COBS_ENDED || c->have > COBS_WINDOW ||
	    (uint8_t)(c->end - c->una) > COBS_WINDOW ||
	    (c->state == COBS_ENDED) != (c->reason != COBS_NONE))
		abort();
}

int
LLVMFuzzerTestOneInput(const uint8_t *p, size_t n)
{
	static struct cobs a, b;
	uint8_t text[1500] = { 7 };
	uint64_t now = 1;
	size_t k;

	memset(&a, 0, sizeof a);
	memset(&b, 0, sizeof b);
	cobs_start(&a, 5, now);
	cobs_start(&b, 0, now);
	while (n > 2) {
		carry(&a, &b, p[0] & 1 ? p[1] : 0, now);
		carry(&b, &a, p[0] & 2 ? p[1] : 0, now);
		k = p[0] >> 2 & 15;
		k = k < n - 2 ? k : n - 2;
		cobs_input(&b, p + 2, k, now);
		if (p[0] & 64)
			cobs_write(&a, text, 4u * p[1]);
		if (cobs_read(&b, text, sizeof text) > sizeof text)
			abort();
		judge(&a);
		judge(&b);
		if (b.state == COBS_ENDED)
			cobs_start(&b, 0, now);
		if (a.state == COBS_ENDED)
			cobs_start(&a, (uint32_t)now + 6, now);
		now += p[1];
		p += 2 + k;
		n -= 2 + k;
	}
	return 0;
}
