/*
 * launch.h - the two processes of a daemon, and what they tell each other
 *
 * The server opens the store and answers requests; it is confined and can
 * do nothing else.  The launcher is its parent: it opens the places to
 * listen at, mounts, hands over the session's descriptors, waits, and
 * unmounts and takes socket files away when it is told to or when the
 * server has died.  Without a mount point it only waits.  kill -9 of the
 * launcher kills the server too.
 */
#ifndef VFSD_LAUNCH_H
#define VFSD_LAUNCH_H

#include "conf.h"
#include "front/listen.h"
#include "report.h"
#include "storedir.h"

/* One datagram between the two; descriptors may come with it. */
enum launch_word {
	LAUNCH_OPENED = 'o',		/* server: the store is open */
	LAUNCH_SESSION = 'f',		/* launcher: with descriptors */
	LAUNCH_READY = 'r',		/* server: the kernel is answered */
	LAUNCH_FAILED = 'e',		/* server: text says why */
	LAUNCH_UNMOUNT = 'u',		/* server: somebody asked me to end */
	LAUNCH_ENDED = 'x',		/* server: the session has ended */
	LAUNCH_QUIT = 'q',		/* launcher: end now */
};

#define LAUNCH_TEXT_MAX	1024

struct launch_msg {
	char word;
	char text[LAUNCH_TEXT_MAX];
};

int launch_send(int sock, enum launch_word word, const char *text,
    const int *fds, unsigned nfds);
/* 1, 0 at the end, -1; fds has room for FUSE_THREADS_MAX. */
int launch_recv(int sock, struct launch_msg *m, int *fds, unsigned *nfds);

/* Signals that end us wait for launch_run from here on. */
void launch_signals(void);
/*
 * Runs until the mount is gone; the exit status.  ready, if not -1, is a
 * socket that is told (one byte) when the mount is ready, answers, and is
 * closed; no answer: whoever waited was told to end, and so are we.
 */
int launch_run(const struct conf *c, struct storedir *d, struct report *r,
    int ready);

/* What the launcher opened for the server. */
struct places {
	struct listener *v[CONF_LISTEN_MAX];
	unsigned n;
};

/* The server's side; called in the child.  The exit status. */
int serve_run(const struct conf *c, struct storedir *d, struct report *r,
    struct places *places, int sock);

#endif
