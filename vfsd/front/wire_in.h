/*
 * wire_in.h - what the files of the wire front share
 *
 * All of it belongs to the wire's thread, except struct wire_check,
 * whose lock guards it.
 */
#ifndef FRONT_WIRE_IN_H
#define FRONT_WIRE_IN_H

#include <pthread.h>
#include <sys/types.h>

#include "../../protocol/codec.h"
#include "wire.h"

#define WIRE_OUT_MAX	(2u << 20)	/* bytes a peer may leave unread */
#define WIRE_STALL_MS	10000		/* for the rest of a message */
#define WIRE_CREDITS	64u
#define WIRE_GROUPS_MAX	64u
#define WIRE_LIST_MAX	65536u		/* bytes of entries in one reply */
#define WIRE_ROOMS	2u		/* most BUFs of one reply */
#define WIRE_FINDINGS_MAX 10000u	/* kept of one check */

/* One peer. */
struct wire_conn {
	int fd;				/* -1: free */
	uid_t uid;
	gid_t gid;
	pid_t pid;
	uint32_t groups[WIRE_GROUPS_MAX], ngroups;
	uint32_t max_msg;		/* what it takes, from HELLO */
	uint64_t last_req;
	uint64_t serial;		/* of the connection, from 1 */
	uint64_t since_ms;		/* the message under way began */
	bool ending;			/* send what is left, then close */
	uint8_t *in, *out;
	size_t in_cap, in_n;
	size_t out_cap, out_at, out_n;
};

/* The checker on request: one run at a time. */
struct wire_check {
	struct engine *engine;
	pthread_t thread;
	bool started;			/* thread is there */
	pthread_mutex_t lock;		/* guards all below */
	pthread_cond_t wake;
	bool quit, stop;
	uint32_t state, flags;		/* VFS_CHECK_* */
	int result;
	uint64_t done, total, found;
	struct proto_list list;		/* the findings, up to a bound */
};

struct wire {
	struct wire_conf conf;
	struct engine_status *status;	/* scratch of STATUS and HELLO */
	int listen_fd, wake_fd;
	pthread_t thread;
	bool started;
	uid_t owner;
	struct wire_conn conns[WIRE_CONNS_MAX];
	uint64_t trace;
	uint64_t peers;			/* ever */
	uint64_t served, refused, bad;	/* requests, peers, messages */
	uint8_t *msg;			/* a reply, VFS_MSG_MAX */
	uint8_t *room;			/* what a reply's BUFs lend */
	unsigned lent;
	uint8_t *list;			/* what its sink lends */
	struct proto_list entries;
	struct wire_check check;
};

/* wire_ops.c: answers the message; what to send is in w->msg, its length
 * the result. */
size_t wire_serve(struct wire *w, struct wire_conn *c,
    const struct proto_hdr *h, const uint8_t *msg);

/* Whose a connection's transactions are; never 0, never used again. */
static inline uint64_t
wire_owner(const struct wire_conn *c)
{
	return c->serial;
}

/* wire_status.c */
void wire_status(struct wire *w, struct proto_list *l);

/* wire_check.c */
int wire_check_start(struct wire_check *k, struct engine *e);
void wire_check_stop(struct wire_check *k);
int wire_check_ask(struct wire_check *k, const struct vfs_check *q,
    struct vfs_check_reply *r);

#endif
