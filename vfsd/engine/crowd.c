/*
 * crowd.c - when the next flush begins
 */
#include "crowd.h"

void
crowd_asks(struct crowd *c, uint64_t who, uint64_t now)
{
	c->latest = now;
	c->seen[(who * 0x9e3779b97f4a7c15u) >> 58] = now;
}

bool
crowd_joins(struct crowd *c)
{
	c->waiting++;
	if (c->enough == 0 || c->waiting < c->enough)
		return false;
	c->enough = 0;
	return true;
}

unsigned
crowd_takes(struct crowd *c)
{
	unsigned n = c->waiting;

	c->waiting = 0;
	c->enough = 0;
	return n;
}

static unsigned
lately(const struct crowd *c, uint64_t now)
{
	unsigned i, n = 0;

	for (i = 0; i < CROWD_SLOTS; i++)
		n += c->seen[i] != 0 && now - c->seen[i] < CROWD_LATELY_NS;
	return n;
}

void
crowd_served(struct crowd *c, unsigned n, uint64_t began, uint64_t now)
{
	unsigned half = lately(c, now) / 2;

	c->gap_ns = now - began;
	c->latest = now;
	c->until = now + CROWD_WAIT_NS;
	c->enough = half > 1 && n + c->waiting > 1 && c->waiting < half ?
	    half : 0;
}

bool
crowd_waits(struct crowd *c, uint64_t now, uint64_t *until)
{
	if (c->enough == 0)
		return false;
	*until = c->latest + c->gap_ns;
	if (*until > c->until)
		*until = c->until;
	if (now >= *until)
		c->enough = 0;
	return c->enough != 0;
}
