/*
 * wire.h - VFP/1 over every kind of link
 *
 * A few threads serve the store's own socket and the places of listen=.
 * One polls, and runs what it reads itself as long as that cannot block;
 * before it runs something that may, it hands the polling to another one.
 * A checker runs in a thread of its own when a peer asks for it.  All of
 * them exist from wire_start on, so a sandbox may forbid clone later.
 *
 * Each request gets exactly one reply, in any order; the only connections
 * that end without are those that ended themselves, or were told why.
 *
 * Threads:   start and stop from one thread.
 * Failure:   0 or a negative vfs_err.
 */
#ifndef FRONT_WIRE_H
#define FRONT_WIRE_H

#include "../server/session.h"

#define WIRE_SOCK	"sock"		/* in the store's directory */
#define WIRE_CONNS_MAX	256u		/* peers at once */
#define WIRE_STRANGERS_MAX 64u		/* of these, over TCP without a token
					 * yet: others come in beside them */
#define WIRE_PLACES_MAX	8u		/* listeners beside WIRE_SOCK */
#define WIRE_THREADS	8u
#define WIRE_THREADS_MAX 32u

/* Takes one (name, number) pair of STATUS. */
typedef void wire_put(void *to, const char *name, uint64_t n);

struct wire;
struct listener;

struct wire_conf {
	struct server *server;
	struct sessions *sessions;
	int store_dirfd;		/* borrowed until wire_stop */
	bool no_file;			/* the store is not written to: listen
					 * under an abstract name (addr.h) */
	/* More places where peers come in: the listeners, not the array,
	 * are borrowed until wire_stop. */
	struct listener *const *listeners;
	unsigned nlisteners;
	/* Those of other fronts, which STATUS tells too; the same holds. */
	struct listener *const *others;
	unsigned nothers;
	unsigned threads;		/* 3 or more; 0: WIRE_THREADS */
	uint32_t stall_ms;		/* for tests; 0: 10 seconds */
	const char *options;		/* a text of STATUS, borrowed until
					 * wire_stop; or NULL */
	/* What the caller adds to STATUS (FUSE counters); may be NULL.
	 * Called from the wire's threads. */
	void (*more)(void *arg, wire_put *put, void *to);
	void *more_arg;
};

/* Binds the socket (a left-over one is replaced: the caller holds the
 * store's lock) and starts the threads. */
int wire_start(const struct wire_conf *conf, struct wire **out);

/* Ends connections, which are told so, and threads; removes the socket;
 * NULL is fine. */
void wire_stop(struct wire *w);

#endif
