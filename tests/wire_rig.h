/*
 * wire_rig.h - a store in memory behind the wire front, and its peers
 *
 * Peers are plain sockets: a test sends what it likes and looks at each
 * message that comes.  All of it fails the test by itself.
 */
#ifndef TESTS_WIRE_RIG_H
#define TESTS_WIRE_RIG_H

#include "../protocol/codec.h"
#include "../vfsd/front/listen.h"
#include "../vfsd/front/wire.h"
#include "cm.h"
#include "fx.h"
#include "scratch.h"

struct wire_rig {
	struct fx *fx;
	struct server *server;
	struct sessions *sessions;
	struct scratch dir;
	struct wire *wire;
	struct listener *place;		/* one more, or NULL */
	struct txn *held;		/* the store, from changes */
	_Atomic bool stuck;		/* STATUS takes as long as this */
};

/* threads: as wire_conf; spec: one more place, or NULL. */
struct wire_rig *wire_rig_open(unsigned threads, uint32_t stall_ms,
    bool others, const char *spec);
void wire_rig_close(struct wire_rig *r);
/* For cmocka: as many threads and as much patience as always, no other users;
 * its end, however it was opened. */
int wire_rig_setup(void **state);
int wire_rig_teardown(void **state);

/* Nothing changes the store between the two: whoever tries waits. */
void wire_rig_hold(struct wire_rig *r);
void wire_rig_release(struct wire_rig *r);

/* A counter of STATUS, asked over a connection of its own. */
uint64_t wire_rig_count(struct wire_rig *r, const char *name);
/* Waits until it is n. */
void wire_rig_until(struct wire_rig *r, const char *name, uint64_t n);

/* Waits until so many requests, at least, hold a thread. */
void wire_rig_until_running(struct wire_rig *r, unsigned n);

/* One connection, and the last message that came. */
struct wire_peer {
	int fd;
	uint64_t req_id;
	/* Of the next requests: */
	uint32_t session, deadline_ms;
	uint8_t prio;
	uint64_t tx;
	/* Received: */
	uint8_t *msg;
	struct proto_hdr h;
	struct rbuf body;
	struct proto_error e;
};

struct wire_peer *wire_peer_unix(struct wire_rig *r);
struct wire_peer *wire_peer_tcp(struct wire_rig *r);
struct wire_peer *wire_peer_fd(int fd);
void wire_peer_close(struct wire_peer *p);

/* Sends a request; its req_id. */
uint64_t wire_ask(struct wire_peer *p, enum vfs_op op, const void *q);
/* A whole message into p->msg; false at the end of the stream. */
bool wire_hear(struct wire_peer *p);
/* Nothing comes for ms. */
void wire_silence(struct wire_peer *p, int ms);
/* The reply to req_id comes next: its status, negative; r is filled. */
int wire_reply(struct wire_peer *p, uint64_t req_id, enum vfs_op op,
    void *r);
/* Both. */
int wire_call(struct wire_peer *p, enum vfs_op op, const void *q, void *r);
/* A notification comes next. */
void wire_noted(struct wire_peer *p, unsigned op);
/* N_SHUTDOWN with this error comes next, and then the end. */
void wire_ends(struct wire_peer *p, int err);

/* Requests that tests like. */
uint64_t wire_ask_create(struct wire_peer *p, const char *name);
uint64_t wire_ask_stat(struct wire_peer *p);
int wire_look(struct wire_peer *p, const char *name);
void wire_ping(struct wire_peer *p);
int wire_hello(struct wire_peer *p, struct vfs_hello_reply *r);

#endif
