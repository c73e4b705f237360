/*
 * hostile.h - foes at one front after the other
 */
#ifndef TESTS_HOSTILE_H
#define TESTS_HOSTILE_H

#include "fronts.h"

struct hostile_args {
	unsigned n, ms, seed;
	char **spec;
	const char *foe_token;		/* for one directory */
	void *more;			/* hostile_open's */
};

/* 0: honest work went on, at more than half its pace, and no forgery was
 * believed; else it is said what was wrong. */
int hostile(const struct hostile_args *a);

/* Peers that owe something, on each front where that is so: all are ended,
 * and what they are told is said. */
int stall(unsigned n, char **spec);

/* The i-th front; second: by the second cable of a line. */
int hostile_open(const struct hostile_args *a, struct front *f, unsigned i,
    bool second);

#endif
