/*
 * listen.h - places where peers come in: listen=[FRONT:]KIND:WHERE
 *
 * Opened by the launcher, before anything is confined and by the user who
 * started it; accepted from by the server; removed by the launcher.
 *
 *	listen=unix:PATH		listen=tcp:127.0.0.1:PORT
 *	listen=9p:unix:PATH		listen=9p:tcp:127.0.0.1:PORT
 *	listen=serial:PATH		listen=ipc:PATH
 *	listen=store			only STORE/sock, which is there anyway
 *
 * A kind is a row of the table in listen.c; a front one of fronts.c.
 */
#ifndef FRONT_LISTEN_H
#define FRONT_LISTEN_H

#include <sys/types.h>

#include "link.h"

#define LISTEN_SPEC_MAX	4096u
#define LISTEN_BASE_MAX	80u	/* bytes of a socket file's last name */

struct listener;

struct listen_kind {
	const char *name;
	/* Opens l->fd for where, the rest of the option; fills l->shown if
	 * where is not what to show.  -1 with one line in why. */
	int (*open)(struct listener *l, const char *where, char *why,
	    size_t cap);
	/* One peer of a readable l->fd; -VFS_AGAIN: none there after all,
	 * -VFS_GONE: there never will be one again.  A line that is its own
	 * only peer gives l->fd away (-1) with the first call. */
	int (*accept)(struct listener *l, const struct link_frame *frame,
	    struct link **out);
	/* Frees what it keeps in own; may be NULL. */
	void (*close)(struct listener *l);
};
extern const struct listen_kind listen_unix, listen_tcp, listen_serial,
    listen_ipc;

struct listener {
	const struct listen_kind *kind;
	char front[16];			/* "9p"; "" is VFP/1 */
	char shown[LISTEN_SPEC_MAX];	/* as status tells it */
	int fd;				/* readable when a peer is there */
	void *own;			/* the kind's */
	/* What the kinds keep: the socket file, to take it away again. */
	bool others;			/* allow_other: whoever can */
	uid_t owner;			/* whose the store is, and his group */
	gid_t group;
	int dirfd;
	char base[LISTEN_BASE_MAX + 1];
	dev_t dev;
	ino_t ino;
};

struct listen_conf {
	bool others;
	uid_t owner;
	gid_t group;
};

/* spec is what stands behind "listen=".  0, or -1 with one line in why. */
int listen_open(const char *spec, const struct listen_conf *conf,
    struct listener **out, char *why, size_t cap);
/* Does it look like one that listen_open knows?  Touches nothing. */
int listen_check(const char *spec, char *why, size_t cap);
int listen_accept(struct listener *l, const struct link_frame *frame,
    struct link **out);
/* Closes; NULL is fine.  remove: takes the socket file away too, if it is
 * still ours. */
void listen_close(struct listener *l, bool remove);

/* For kinds that begin with a unix socket. */
int listen_unix_open(struct listener *l, const char *path, char *why,
    size_t cap);

#endif
