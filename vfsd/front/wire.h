/*
 * wire.h - VFP/1 on the store's unix socket
 *
 * One thread serves STORE/sock: peers of the store's owner and root
 * only, bounded messages and connections, exactly one reply for each
 * request.  A second thread runs the checker when a peer asks for it.
 * Both exist from wire_start on, so a sandbox may forbid clone later.
 *
 * Threads:   start and stop from one thread.
 * Failure:   0 or a negative vfs_err.
 */
#ifndef FRONT_WIRE_H
#define FRONT_WIRE_H

#include "../dispatch.h"

#define WIRE_SOCK	"sock"		/* in the store's directory */
#define WIRE_CONNS_MAX	64u		/* peers at once */

/* Takes one (name, number) pair of STATUS. */
typedef void wire_put(void *to, const char *name, uint64_t n);

struct wire;
struct listener;

struct wire_conf {
	struct server *server;
	int store_dirfd;		/* borrowed until wire_stop */
	bool no_file;			/* the store is not written to: listen
					 * under an abstract name (addr.h) */
	bool changes;			/* peers may change the store: not
					 * beside a mount, whose caches would
					 * not hear of it */
	bool others;			/* users but the owner and root too */
	/* More places where peers come in; borrowed until wire_stop. */
	struct listener *const *listeners;
	unsigned nlisteners;
	/* What the caller adds to STATUS (FUSE counters, mount options);
	 * may be NULL.  Called from the wire's thread. */
	void (*more)(void *arg, wire_put *put, void *to);
	void *more_arg;
};

/* Binds the socket (a left-over one is replaced: the caller holds the
 * store's lock) and starts the threads. */
int wire_start(const struct wire_conf *conf, struct wire **out);

/* Ends connections and threads, removes the socket; NULL is fine. */
void wire_stop(struct wire *w);

#endif
