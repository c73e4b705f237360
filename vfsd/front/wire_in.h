/*
 * wire_in.h - what the files of the wire front share
 *
 *   wire.c		start and end; the threads and who polls
 *   wire_poll.c	the poller's: peers come, speak, fall silent, go
 *   wire_conn.c	one connection: sending, notifications, its end
 *   wire_admit.c	a request arrives: credits, sessions, its place
 *   wire_queue.c	which request is next; the control lane; cancelling
 *   wire_ops.c		one request: decode, run, encode
 *   wire_own.c		what the daemon and the connection answer
 *   wire_sess.c	sessions of a connection, staging
 *   wire_watch.c	WATCH and N_CHANGED
 *   wire_check.c	the checker on request
 *   wire_status.c	counters
 *
 * One lock, w->lock, guards everything that says so; it is never held
 * while something runs, is sent, or waits.  Each connection's send_lock
 * guards the sending side of its link; it is taken first or alone.
 */
#ifndef FRONT_WIRE_IN_H
#define FRONT_WIRE_IN_H

#include <pthread.h>
#include <stdatomic.h>
#include <sys/queue.h>
#include <sys/types.h>

#include "../../protocol/codec.h"
#include "../clock.h"
#include "../engine/engine.h"
#include "../server/watch.h"
#include "grant.h"
#include "link.h"
#include "listen.h"
#include "wire.h"

#define WIRE_OUT_MAX	(2u << 20)	/* bytes a peer may leave unread */
#define WIRE_CREDITS	64u		/* at first; CREDIT asks for more */
#define WIRE_BYTES	(2u * VFS_MSG_MAX)	/* of unanswered requests */
#define WIRE_STRIKES	2u		/* NO_CREDIT in a row; then the end */
#define WIRE_DONE_KEPT	64u		/* answered requests that CANCEL knows */
#define WIRE_SPARE	2u		/* threads that no ordinary request
					 * gets: the poller, the lane's */
#define WIRE_WATCH_MS	50u		/* the poller runs one request for so
					 * long: another one polls */
#define WIRE_QUICK_READ	65536u		/* bytes that are read while polling */
#define WIRE_LIST_MAX	131072u		/* bytes of entries in one reply */
#define WIRE_FINDINGS_MAX 10000u	/* kept of one check */
#define WIRE_PRIOS	8u
#define WIRE_WATCHES	16u		/* of one session */
#define WIRE_SESSIONS	(1 + VFS_SESSIONS_MAX)	/* of one connection */

/* Where a request is run. */
enum wire_class {
	WIRE_INLINE,			/* by the poller, as it is read */
	WIRE_LANE,			/* control that may block */
	WIRE_QUICK,			/* does not block: the poller may */
	WIRE_WORK,			/* may block */
	WIRE_WAIT,			/* waits for somebody else, or may take
					 * for ever */
};

/* What STAGE has brought; counted, so that a request keeps what was there
 * when it arrived.  refs: w->lock.  The bytes are the poller's to write
 * while it has the only one. */
struct wire_stage {
	unsigned refs;
	size_t n, cap;
	uint8_t p[];
};

struct wire_conn;
struct wire_sess;

/* A watch of a session; its memory outlives it.  w->lock. */
struct wire_watch {
	struct wire_sess *ws;
	bool used;
	uint64_t number;		/* 0: it comes, or goes */
	struct vfs_id subtree;
	uint64_t seq;			/* the peer has read up to here */
	uint32_t idx;
};

/* A session of a connection.  w->lock, but where it says otherwise. */
struct wire_sess {
	struct wire_conn *c;
	bool used;			/* the first one always is */
	uint32_t number;		/* of the header */
	struct session *s;		/* NULL: none yet, or no more */
	int none;			/* what requests get then */
	uint64_t last_req;
	unsigned reqs;			/* unanswered: the slot is not free */
	unsigned ordinary;		/* of these; and their bytes */
	uint64_t bytes;
	struct session_limits limits;
	struct wire_stage *stage;
	uint64_t done[WIRE_DONE_KEPT];
	unsigned done_at;
	struct wire_watch watches[WIRE_WATCHES];
	/* Any thread: */
	_Atomic int ended;		/* an error: tell the peer */
	_Atomic uint64_t changed;	/* a commit: tell the peer */
	_Atomic bool told;		/* of one that it has not read yet */
};

/* A request from its arrival to its reply, or work of our own (h.req_id
 * is 0 then: no reply). */
struct wire_req {
	TAILQ_ENTRY(wire_req) in_queue, in_conn;
	struct wire_conn *c;
	struct wire_sess *ws;
	struct session *s;		/* held; NULL if there is none */
	struct proto_hdr h;
	enum vfs_op op;
	enum wire_class class;
	bool queued;
	bool ends;			/* DETACH, and it is all right */
	bool spent;			/* a credit, which its reply returns */
	struct wire *chore;		/* a job without a connection */
	int early;			/* refused as it arrived: the error */
	uint64_t early_detail;
	uint8_t *msg;
	int fd;				/* came with it, or -1 */
	struct wire_stage *stage;
	uint64_t since_ms, deadline_ms;	/* 0: none */
	_Atomic int stop;		/* -VFS_CANCELLED, -VFS_SESSION_CLOSED */
	uint16_t more_credits;		/* that the reply grants */
	void (*job)(struct wire_req *q);	/* of our own */
};
TAILQ_HEAD(wire_queue, wire_req);

/*
 * One peer.  Memory is kept and used again, never freed before the end:
 * somebody may still tell that a session ended.
 *
 * The link goes as soon as nobody is sending, though requests may still
 * run: only the poller looks into it, and who has made it busy.
 */
struct wire_conn {
	struct wire *w;
	struct link *link;		/* NULL: closed, or free */
	/* What the link said; stays until the last request is settled.  The
	 * transport's name changes once, before the first one: w->lock. */
	struct session_who who;
	uint32_t groups[LINK_GROUPS_MAX];
	char client[VFS_CLIENT_MAX];	/* from the first HELLO on */
	bool token_first;
	bool own;			/* the owner's or root's */
	pthread_mutex_t send_lock;
	/* send_lock: */
	uint32_t events[LINK_FDS_MAX];	/* that are polled for */
	/* The poller's: */
	uint64_t born_ms, partial_ms, unsent_ms, tick_ms;
	size_t unsent_seen;
	bool was_partial;
	/* w->lock: */
	bool used;
	bool hello;
	uint32_t pid;
	_Atomic uint32_t max_msg;	/* that the peer takes */
	uint32_t next_session;
	unsigned granted, ordinary, lane, strikes;
	unsigned attach_failed;
	uint64_t bytes;
	unsigned busy;			/* threads that are sending */
	struct grants grants;		/* has a lock of its own */
	struct wire_queue reqs;		/* unanswered, and jobs */
	struct wire_sess sess[WIRE_SESSIONS];
	/* Written under w->lock or by the poller, read by all: */
	_Atomic bool eof;		/* the peer sends no more */
	_Atomic bool ending;		/* told farewell: closed when sent */
	_Atomic bool gone;		/* nothing is sent any more */
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

/* Who has a thread that others want, too. */
struct wire_turn {
	bool foreign;			/* neither the owner nor root */
	bool waits;			/* class WAIT */
	uint64_t whose;
};

/* A thread, and what it works with. */
struct wire_work {
	struct wire *w;
	pthread_t thread;
	bool started;
	struct wire_turn turn;		/* w->lock */
	unsigned streak;		/* requests run since it polled */
	uint8_t *msg;			/* a reply, VFS_MSG_MAX */
	uint8_t *room;			/* what a second BUF lends */
	unsigned lent;
	struct proto_list entries;	/* what a SINK lends: of msg */
	struct engine_status *status;	/* scratch of STATUS and HELLO */
};

struct wire_counts {
	_Atomic uint64_t peers, refused;	/* ever; turned away */
	_Atomic uint64_t served, bad;		/* requests; broken headers */
	_Atomic uint64_t no_credit, cancelled, late;
	_Atomic uint64_t stalled, flooded, strange;	/* ended for that */
	_Atomic uint64_t polls, handovers, wakes;
	_Atomic uint64_t notes;			/* notifications */
};

struct wire {
	struct wire_conf conf;
	uint32_t stall_ms;
	int epoll_fd, wake_fd;
	struct listener store;		/* WIRE_SOCK */
	struct listener *places[WIRE_PLACES_MAX + 1];	/* that one first */
	unsigned nplaces, nthreads;
	struct listener *others[WIRE_PLACES_MAX];	/* of other fronts */
	unsigned nothers;
	bool bound;			/* WIRE_SOCK is ours to remove */
	_Atomic uint64_t trace;
	_Atomic bool tell;		/* some wire_sess has ended, changed */
	_Atomic bool reap;		/* a connection may be over */
	struct wire_counts n;
	struct wire_check check;
	struct closer *closer;		/* of what peers pass */
	struct wire_work work[WIRE_THREADS_MAX];

	/* The poller's. */
	uint64_t scan_ms;		/* look at all connections then */
	bool deaf;			/* no peers are taken until then */
	_Atomic bool chore;		/* is queued, or runs */

	pthread_mutex_t lock;		/* all below */
	pthread_cond_t wake;
	bool quit;
	struct wire_work *poller;	/* NULL: whoever comes */
	unsigned idle;			/* threads that wait, and were not */
	unsigned tickets;		/* ... woken by these */
	/* What the poller runs itself: since when (0: nothing), how many
	 * so far, how many when it was last looked at, and is somebody? */
	uint64_t inline_ms, inline_runs, watched;
	bool watching;
	unsigned ordinary, waiting;	/* requests being run: not the lane's;
					 * and of class WAIT */
	unsigned queued;
	struct wire_queue lane, prio[WIRE_PRIOS];
	int weight[WIRE_PRIOS];		/* of the share among 0 to 5 */
	bool strict_turn;		/* not an aged one again */
	uint64_t deadline_ms;		/* the first of those queued, or less */
	struct wire_conn *conns[WIRE_CONNS_MAX];
};

/* Wakes the poller. */
void wire_poke(struct wire *w);

/* --- wire.c ---------------------------------------------------------- */

/* w->lock held: one that waits looks again. */
void wire_wake(struct wire *w);
/* Everything but sockets and threads; for fuzzers too. */
int wire_init(struct wire *w, const struct wire_conf *conf);
void wire_fini(struct wire *w);
/* Runs what is queued, without threads; for fuzzers. */
void wire_drain(struct wire_work *k);
int wire_work_init(struct wire *w, struct wire_work *k);
void wire_work_fini(struct wire_work *k);

/* --- wire_poll.c: the poller only --------------------------------------- */

/* Waits for something to happen, or only looks. */
void wire_poll(struct wire_work *k, bool wait);
/* A peer; takes the link whatever happens. */
void wire_adopt(struct wire_work *k, struct link *l);
/* Its descriptors have events (EPOLL*). */
void wire_ready(struct wire_work *k, struct wire_conn *c, uint32_t events);
/* Frees what is over. */
void wire_reap(struct wire *w);
int wire_watch_places(struct wire *w);

/* --- wire_conn.c -------------------------------------------------------- */

/* w->lock held: it stays, with its link, until a message was sent; false:
 * nobody is there any more. */
bool wire_hold(struct wire_conn *c);
/* Sends a whole message, from any thread without a lock. */
void wire_send_held(struct wire_conn *c, const void *msg, size_t n);
void wire_note(struct wire_conn *c, unsigned op, uint32_t session,
    const uint32_t word[4]);
/* A peer that cannot be served any more is told why, and closed. */
void wire_farewell(struct wire_conn *c, int err);
/* Waits for what the link waits for; send_lock is held. */
void wire_interest(struct wire_conn *c);
/* May its requests be run, its messages be read? */
bool wire_clogged(const struct wire_conn *c);
/* w->lock held: nothing is sent any more, requests are dropped. */
void wire_conn_end(struct wire_conn *c);
/* w->lock held: is it free to be used again? */
bool wire_conn_over(const struct wire_conn *c);

/* --- wire_admit.c: the poller only -------------------------------------- */

/* One message; takes it. */
void wire_arrive(struct wire_work *k, struct wire_conn *c, uint8_t *msg,
    size_t n);

/* --- wire_queue.c: w->lock held ------------------------------------------ */

void wire_enqueue(struct wire *w, struct wire_req *q);
/* What k runs next, taken off; NULL: nothing that it may. */
struct wire_req *wire_pick(struct wire *w, struct wire_work *k);
struct wire_turn wire_turn_of(const struct wire_req *q);
/* It is answered: what it held is given back; the caller frees it. */
void wire_settle(struct wire_req *q);
void wire_req_free(struct wire_req *q);
/* Taken out of the queue before it ran; false: it runs, or ran. */
bool wire_unqueue(struct wire *w, struct wire_req *q);
/* Work of our own, on the lane. */
int wire_job(struct wire_conn *c, struct wire_sess *ws, struct session *s,
    void (*job)(struct wire_req *));

/* --- wire_ops.c: no lock ------------------------------------------------- */

/* Runs and answers; frees q. */
void wire_run(struct wire_work *k, struct wire_req *q);
/* Answers with an error instead. */
void wire_refuse(struct wire_work *k, struct wire_req *q, int err,
    uint64_t detail);
/* The reply, in k->msg; its length. */
size_t wire_serve(struct wire_work *k, struct wire_req *q);
/* 0, or why the request shall have no effect. */
int wire_asked(void *req);
/* How and where an operation is run. */
enum wire_class wire_class_of(enum vfs_op op, const struct proto_hdr *h,
    const uint8_t *msg);
bool wire_is_control(enum vfs_op op);

/* --- wire_own.c ------------------------------------------------------------ */

/* One request being run. */
struct wire_call {
	struct wire_work *k;
	struct wire *w;
	struct wire_req *q;
	struct req_env env;
	struct session_call sc;
	struct grant_copies copies;
};
typedef int wire_own_fn(struct wire_call *, const void *q, void *r);
/* NULL: the session's. */
wire_own_fn *wire_own(enum vfs_op op);

/* --- wire_sess.c ------------------------------------------------------------ */

/* w->lock held. */
struct wire_sess *wire_sess_find(struct wire_conn *c, uint32_t number);
/* Session 0, by the transport's identity. */
int wire_sess_first(struct wire_conn *c);
/* w->lock held: requests that run are asked to stop, those that have not
 * begun are moved to drop, for SESSION_CLOSED; but neither except nor one
 * that closes the session itself. */
void wire_sess_end(struct wire_sess *ws, const struct wire_req *except,
    struct wire_queue *drop);
/* w->lock held: a DETACH has arrived. */
void wire_sess_detach(struct wire_req *q, struct wire_queue *drop);
/* Answers all of drop. */
void wire_refuse_all(struct wire_work *k, struct wire_queue *drop, int err);
/* w->lock held. */
void wire_stage_drop(struct wire_stage *st);
/* Tells peers of sessions that have ended, or have something to read; the
 * poller only. */
void wire_tell(struct wire *w);
wire_own_fn wire_own_attach, wire_own_detach, wire_own_stage;
const void *wire_far_get(void *call, unsigned kind, unsigned grant,
    uint64_t off, uint32_t n);

/* --- wire_watch.c ------------------------------------------------------------ */

wire_own_fn wire_own_watch, wire_own_unwatch;
/* No lock: all of a session that has ended, or ends. */
void wire_watch_end(struct wire_sess *ws);
/* JOURNAL_READ was answered with r. */
void wire_watch_read(struct wire_call *k, const struct vfs_journal_read *q,
    const struct vfs_journal_read_reply *r);

/* --- the rest ------------------------------------------------------------- */

void wire_status(struct wire_work *k, struct proto_list *l);

int wire_check_start(struct wire_check *k, struct engine *e);
void wire_check_stop(struct wire_check *k);
int wire_check_ask(struct wire_check *k, const struct vfs_check *q,
    struct vfs_check_reply *r);

#endif
