/*
 * fronts.h - other protocols that listen=NAME:... reaches
 *
 * A front with protocol and threads of its own; the wire and FUSE are not
 * in this list.  Threads are made in start, so that a sandbox may forbid
 * clone afterwards.
 */
#ifndef FRONT_FRONTS_H
#define FRONT_FRONTS_H

#include "../server/users.h"
#include "listen.h"
#include "wire.h"

struct front_conf {
	struct server *server;
	struct sessions *sessions;	/* NULL as long as there are none */
	uint32_t owner;			/* uid: whose the store is */
	bool others;			/* allow_other was said */
	bool atime;			/* it is kept */
	const struct users *users;	/* NULL: nobody is known */
	struct listener *const *listeners;	/* of this front only */
	unsigned nlisteners;
};

struct front_row {
	const char *name;
	int (*start)(const struct front_conf *conf, void **out);
	/* NULL is fine. */
	void (*stop)(void *front);
	/* Its counters, for STATUS; may be NULL. */
	void (*status)(void *front, wire_put *put, void *to);
};

#define FRONTS_MAX	4u
extern const struct front_row fronts[];
extern const unsigned fronts_n;

#endif
