/*
 * crowd.h - when the next flush begins, so that many share it
 *
 * A flush that served several sends them all back at the same moment, and
 * they return one by one: one that began with the first of them would make
 * the others wait for yet another.  So the next one begins when half of
 * those who have asked lately are there; the other half comes while it
 * runs.  It waits neither for one who takes longer than the last flush
 * did, nor for more than CROWD_WAIT_NS, nor at all if the last flush served
 * one thread and nobody came meanwhile.
 *
 * Threads:   one at a time; times are the caller's.
 */
#ifndef ENGINE_CROWD_H
#define ENGINE_CROWD_H

#include <stdbool.h>
#include <stdint.h>

#define CROWD_SLOTS	64u
#define CROWD_WAIT_NS	1000000u
#define CROWD_LATELY_NS	5000000u

struct crowd {
	uint64_t seen[CROWD_SLOTS];	/* when somebody of this hash asked */
	unsigned waiting;		/* for the next flush */
	unsigned enough;		/* for it to begin; 0: it may */
	uint64_t latest, gap_ns, until;
};

/* Somebody asks for a flush. */
void crowd_asks(struct crowd *c, uint64_t who, uint64_t now);

/* And waits for the next one.  true: so many were wanted, it may begin. */
bool crowd_joins(struct crowd *c);

/* The flush begins; for how many who waited. */
unsigned crowd_takes(struct crowd *c);

/* It has ended, and served so many. */
void crowd_served(struct crowd *c, unsigned n, uint64_t began, uint64_t now);

/* Whether the next has to wait for others, and until when at most. */
bool crowd_waits(struct crowd *c, uint64_t now, uint64_t *until);

#endif
