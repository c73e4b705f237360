/*
 * p9.h - 9P2000.L: Linux's v9fs, QEMU's guests, diod's tools
 *
 * A few threads of its own serve all connections: a thread takes one
 * message off a connection, gives the connection back to the others and
 * then answers, so requests of one connection run side by side, at most
 * P9_BUSY_MAX of them, and none waits for another connection's.  Nothing
 * that can wait long (locks, fsync behind another's flush) keeps a thread.
 *
 * Threads:   start, listen, adopt and stop from one thread.
 * Failure:   0 or a negative vfs_err.
 */
#ifndef FRONT_P9_H
#define FRONT_P9_H

#include "../server/locks.h"
#include "../server/session.h"
#include "../server/users.h"

#define P9_THREADS	6u
#define P9_BUSY_MAX	3u		/* of one connection, in threads */
#define P9_CONNS_MAX	64u
#define P9_STRANGERS_MAX 32u		/* over TCP, without a token yet:
					 * others come in beside them */
#define P9_LISTEN_MAX	8u
#define P9_FIDS_MAX	(1u << 20)	/* of one connection: v9fs keeps one
					 * for each cached name */
#define P9_ACTIVE_MAX	1024u		/* requests of one connection */
#define P9_WAITS_MAX	512u		/* of them, waiting for locks */
#define P9_MSIZE_MIN	4096u
#define P9_MSIZE_MAX	(VFS_IO_MAX + 24u)

struct p9;

struct p9_conf {
	struct server *server;
	struct sessions *sessions;	/* NULL: own ones, by identity only */
	uint32_t owner;			/* whose the store is */
	bool others;			/* anybody may connect */
	bool atime;			/* keep it, as the mount does */
	uint32_t stall_ms;		/* for tests; 0: VFS_STALL_MS */
	bool no_threads;		/* p9_test.h */
	const struct users *users;	/* borrowed; NULL: nobody known */
};

int p9_start(const struct p9_conf *conf, struct p9 **out);
/* Connections of a listening socket are served from now on; fd stays the
 * caller's. */
int p9_listen(struct p9 *p, int fd);
/* The same for one connected socket, which is the front's, also on
 * failure. */
int p9_adopt(struct p9 *p, int fd);
/* Ends connections and threads; NULL is fine. */
void p9_stop(struct p9 *p);

struct p9_stats {
	uint64_t conns, fids, messages, errors, refused, malformed, stalled;
};
void p9_stats(struct p9 *p, struct p9_stats *out);

#endif
