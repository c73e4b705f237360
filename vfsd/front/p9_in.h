/*
 * p9_in.h - what the files of the 9P front share
 *
 * Locks: p9.lock guards the tables, p9_conn.lock what it says.  Neither is
 * taken under the other, and neither is held while the dispatcher or the
 * lock table is called.
 */
#ifndef FRONT_P9_IN_H
#define FRONT_P9_IN_H

#include <pthread.h>
#include <stdatomic.h>

#include "../clock.h"
#include "p9.h"
#include "p9_codec.h"

#define P9_OUT		P9_MSIZE_MAX
#define P9_CLIENTS_MAX	64u		/* lock owners' client_ids of one
					 * connection */
#define P9_CLIENT_ID_MAX 255u
#define P9_SPARE_MAX	2u		/* message buffers kept */
#define P9_DOMAIN	(3ull << 62)	/* of locks; no session's number */

/* On whose behalf requests are made: one attach, one session. */
struct p9_as {
	_Atomic unsigned refs;
	struct session *session;
};

/* Who is at the other end. */
struct p9_peer {
	bool tcp;			/* nobody, without a token */
	bool anybody;			/* root: acts for whom it likes */
	uint32_t uid, gid, pid, ngroups;
	uint32_t groups[USERS_GROUPS_MAX];
	bool has_token;			/* it has attached by one */
	uint8_t token[VFS_TOKEN_BYTES];
};

enum p9_kind {
	P9_PATH,			/* walked to */
	P9_OPEN,			/* Tlopen or Tlcreate */
	P9_XATTR_READ,			/* bytes: a value, or the names */
	P9_XATTR_WRITE,			/* bytes so far; set at clunk */
};

/*
 * What a fid's number stands for.  All but the atomics and, for
 * P9_XATTR_WRITE, what its connection's lock guards (nbytes, bytes) stays
 * as it was made: a fid that changes is another one under that number.
 */
struct p9_fid {
	_Atomic unsigned refs;
	enum p9_kind kind;
	struct p9 *p9;
	struct p9_as *as;
	struct vfs_id id;		/* held as long as this */
	struct vfs_id ref;		/* the session's handle of it, through
					 * which bytes go; or the id */
	enum vfs_type type;
	uint32_t flags;			/* open(2)'s, of P9_OPEN */
	uint64_t serial;		/* what its locks know it by */
	_Atomic uint64_t fence;		/* end of this scan */
	atomic_bool read, locked, clunked;
	struct vfs_id dir;		/* where it was found last: 0 or ... */
	struct vfs_slice name;		/* its own copy; xattrs: the name */
	uint8_t *bytes;
	size_t nbytes, size;
	uint32_t xflags;
};

/* fid number -> struct p9_fid. */
struct p9_fids {
	struct p9_fid_slot *slot;	/* open addressing, a power of two */
	uint32_t cap, n, dead;
};

/* One request on its way. */
struct p9_req {
	struct p9_conn *c;
	struct p9_req *next, *prev;	/* among the connection's */
	struct p9_req *flushes;		/* Tflushes that wait for its end */
	struct p9_req *flush_next;
	uint64_t serial;		/* a lock wait's key */
	struct p9_fid *fid;		/* ... and through what; counted */
	uint8_t *p;			/* the message */
	size_t cap, n;
	uint8_t type;
	uint16_t tag;
	atomic_bool flushed;
	bool waits;
	uint8_t *out;			/* while it is in a thread: P9_OUT */
};

struct p9_client {			/* of locks */
	char id[P9_CLIENT_ID_MAX];
	uint8_t n;
	uint32_t number;
};

struct p9_conn {
	struct p9 *p9;
	int fd;
	uint64_t key;			/* serial << 8 | place in the table */
	_Atomic uint32_t msize;
	atomic_bool versioned;		/* a Tversion was answered */

	atomic_bool attached;		/* once, at least */
	bool stranger;			/* came without an identity */
	uint64_t born_ms;

	_Atomic unsigned refs;

	pthread_mutex_t lock;		/* guards all below */
	struct p9_peer peer;
	bool dead;			/* takes and sends nothing more */
	bool reading;			/* a thread has taken the event */
	uint32_t armed;			/* epoll's events now */
	unsigned busy, nactive, nwaits;
	struct p9_req *active;
	struct p9_req *version;		/* waits for the others to end ... */
	bool version_runs;		/* ... which they did */
	struct p9_fids fids;
	struct p9_client *clients;
	unsigned nclients;
	uint8_t *late;			/* what the socket did not take */
	size_t late_at, late_n, late_cap;
	uint64_t late_ms;		/* since when it takes no more */
	uint64_t partial_ms;		/* since when a message is not whole;
					 * 0: there is none */
	bool deaf;			/* it is not the peer's fault */
	struct p9_req *spare;
	unsigned nspare;

	/* The thread that reads has these. */
	struct p9_req *in;
	size_t in_n;
	size_t rest_at;			/* no thread waits before in_n is here */
	uint8_t head[4];
};

struct p9 {
	struct p9_conf conf;
	struct sessions *own_sessions;
	struct locks *locks;
	int epfd, wake_fd;
	uint64_t fsid;
	pthread_t thread[P9_THREADS];
	unsigned nthreads;
	_Atomic uint64_t serial, trace;
	_Atomic uint32_t clients;
	_Atomic uint64_t messages, errors, refused, malformed, fids, stalled;
	uint32_t stall_ms;
	_Atomic uint64_t look_ms;	/* who owes us something? */
	atomic_bool stopping;
	_Atomic unsigned late;		/* answers that a callback owes */

	pthread_mutex_t lock;		/* guards the tables */
	struct p9_conn *conn[P9_CONNS_MAX];
	int listen[P9_LISTEN_MAX];
	unsigned nlisten;
};

/* --- p9_conn.c: bytes --------------------------------------------------- */

/* Sends a message, or keeps what does not go out now. */
void p9_conn_send(struct p9_conn *c, const uint8_t *p, size_t n);
struct p9_conn *p9_conn_hold(struct p9_conn *c);
void p9_conn_drop(struct p9_conn *c);
/* Nothing more comes from or goes to the peer. */
void p9_conn_kill(struct p9_conn *c);
/* In the table; with a reference for the caller. */
int p9_conn_new(struct p9 *p, int fd, struct p9_conn **out);
/* Look again at what the connection waits for. */
void p9_conn_arm(struct p9_conn *c);
bool p9_conn_flush(struct p9_conn *c);

/* --- p9_stall.c: peers fall silent -------------------------------------- */

#define P9_NEVER	UINT64_MAX

/* Somebody has to be looked at by then. */
void p9_look(struct p9 *p, uint64_t ms);
/* How long a thread may sleep, for epoll_wait. */
int p9_patience(struct p9 *p);
/* Ends those whose time is over, if it is time to look. */
void p9_end_stalled(struct p9 *p);

/* --- p9_loop.c ---------------------------------------------------------- */

void *p9_loop(void *p9);

/* --- p9_serve.c: messages ----------------------------------------------- */

struct p9_req *p9_req_new(struct p9_conn *c, size_t n);
/* A whole message has come: q->p, q->n.  From begin on a Tflush finds it;
 * serve answers it, now or later. */
void p9_begin(struct p9_req *q);
void p9_serve(struct p9_req *q, uint8_t *out);
/* Those who wait for locks wait no longer: the connection ends, or starts
 * anew. */
void p9_interrupt(struct p9_conn *c);
/* The end of a request whose handler returned P9_LATER. */
void p9_answer(struct p9_req *q, int err, const union p9_r *r);

/*
 * A handler: 0 and *r is the reply, a negative vfs_err, a positive errno
 * for what no vfs_err stands for, or P9_LATER: p9_answer was or will be
 * called, q is not its own any more.
 */
#define P9_LATER	(-1000)

#define P9(n, NAME, name, req, rep) \
	int p9_do_##name(struct p9_req *q, const struct p9_t##name *t, \
	    struct p9_r##name *r);
#include "p9_msg.def"
#undef P9

/* --- p9_fid.c ----------------------------------------------------------- */

/* Nobody has a session yet, and this one gets none: a record; err. */
int p9_refused(struct p9_conn *c, int err);
/* The session is its own from now on, also on failure (NULL). */
struct p9_as *p9_as_new(struct session *s);
struct p9_as *p9_as_hold(struct p9_as *as);
void p9_as_drop(struct p9_as *as);

/* P9_PATH until the caller changes it, before it is added; holds its id.
 * NULL: no memory. */
struct p9_fid *p9_fid_new(struct p9 *p, struct p9_as *as,
    const struct vfs_attr *a);
/* The same for what f is, with a handle of its own if f has one. */
int p9_fid_like(struct p9_req *q, struct p9_fid *f, struct p9_fid **out);
/* It has this handle, and closes it. */
void p9_fid_handle(struct p9_fid *f, uint64_t handle);
int p9_fid_name(struct p9_fid *f, struct vfs_id dir, struct vfs_slice name);
void p9_fid_hold(struct p9_fid *f);
void p9_fid_drop(struct p9_fid *f);

/* Counted; NULL: no such fid. */
struct p9_fid *p9_fid_get(struct p9_conn *c, uint32_t number);
/* The connection's from now on, also on failure: -VFS_BAD_HANDLE if the
 * number is taken (by another than old), -VFS_NOMEM. */
int p9_fid_add(struct p9_conn *c, uint32_t number, struct p9_fid *old,
    struct p9_fid *f);
/* Takes the number away; the caller gets its reference.  NULL: none. */
struct p9_fid *p9_fid_take(struct p9_conn *c, uint32_t number);
/* It was clunked: locks go, what was written is published, an attribute
 * is set.  Gives up the reference. */
int p9_fid_clunk(struct p9_req *q, struct p9_fid *f);
void p9_fid_clunk_all(struct p9_conn *c);

/* --- p9_run.c: to the sessions ------------------------------------------ */

/* As whoever made the fid.  Ids in req are the front's or handles. */
int p9_run(struct p9_req *q, struct p9_as *as, enum vfs_op op, void *req,
    void *rep);
/* The same for what is made: its group is gid, if that may be. */
int p9_make(struct p9_req *q, struct p9_as *as, uint32_t gid, enum vfs_op op,
    void *req, void *rep);
/* Rights, and being seen, where no operation asks for them by itself. */
int p9_allows(struct p9_req *q, struct p9_fid *f, uint32_t rights);
void p9_close(struct p9_as *as, uint64_t handle);
/* id was read: it may be time for a new atime.  Not worth an error. */
void p9_atime(struct p9_req *q, struct p9_fid *f);
uint64_t p9_serial(struct p9 *p);
void p9_env(struct p9_req *q, struct req_env *env);

struct p9_qid p9_qid(struct vfs_id id, enum vfs_type type);
struct p9_qid p9_qid_of(const struct vfs_attr *a);

#endif
