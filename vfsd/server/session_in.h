/*
 * session_in.h - what the files of sessions share
 *
 *   session.c		who is there: coming, going, limits
 *   session_handle.c	the table of handles
 *   session_rights.c	what an operation needs
 *   session_run.c	one request: ids, rights, who asks; then the work
 *   session_token.c	tokens, in the store and in memory
 *   session_list.c	who is there, for administrators
 *   session_open.c	operations that give and take handles
 *   session_data.c	TRUNCATE, SYNC, ACCESS, HASH, WAIT
 *   session_batch.c	many small questions at once
 *   session_lock.c	locks
 *   session_tx.c	transactions as messages
 */
#ifndef VFSD_SESSION_IN_H
#define VFSD_SESSION_IN_H

#include <pthread.h>

#include "audit.h"
#include "../core/token.h"
#include "dispatch_in.h"
#include "session.h"
#include "tx.h"
#include "why.h"

#define SESSION_GROUPS_MAX	64u
#define SESSION_SEEN		256u	/* remembered; a power of two */
#define SESSION_TRANSPORT_MAX	16u

struct sessions {
	struct server *server;
	uint32_t owner, owner_gid;
	bool allow_other;
	struct audit *audit;
	_Atomic uint64_t waits;		/* for locks, ever: their keys */
	_Atomic int64_t ahead;		/* tests: of the clock, in seconds */
	pthread_mutex_t lock;		/* all below */
	struct session *list;
	uint64_t next;
	struct token *tokens;		/* a parent before its children */
	unsigned ntokens;
	uint64_t next_token;
	void (*report)(void *arg, const char *line);
	void *report_arg;
	int64_t reported;		/* when, for the last time */
	uint64_t unreported;		/* refusals since then */
};

struct token {
	struct token *next;
	uint64_t number;
	struct rec_token rec;
	char label[VFS_LABEL_MAX];
	bool doomed;			/* about to be taken back */
};

/* What was opened; id 0: a free slot. */
struct handle {
	uint64_t id, gen;
	uint32_t rights;
	uint32_t opened;		/* VFS_OPEN_* that the modes allowed */
	uint32_t next_free;
	bool wrote;			/* CLOSE publishes */
	bool lost;			/* it was found outside the root */
};

struct session {
	struct sessions *ss;
	struct session *next;		/* ss->lock */
	unsigned refs;			/* ss->lock */
	bool listed;			/* ss->lock; the list is a ref */
	/* Never changes: */
	uint64_t number;
	struct vfs_id root, root_parent;	/* parent 0: anywhere */
	uint32_t rights;
	bool cred;			/* it is a user's ... */
	bool any_gid;			/* who may be in any group */
	uint32_t uid, gid, pid;
	uint32_t whose;			/* as in struct req_env */
	uint32_t groups[SESSION_GROUPS_MAX], ngroups;
	struct session_limits limits;
	struct vfs_time since, expires;	/* expires.sec 0: never */
	uint64_t token;			/* it came from; 0: an identity */
	char transport[SESSION_TRANSPORT_MAX];
	char client[VFS_CLIENT_MAX];	/* ss->lock; client_n bytes */
	size_t client_n;

	pthread_mutex_t begin;		/* its transactions are counted, and
					 * one more begins, in one step */
	_Atomic bool locked;		/* it may have locks */
	_Atomic int ended;		/* why; 0: it goes on */
	pthread_mutex_t lock;		/* all below */
	struct handle *handles;
	uint32_t nhandles, cap, used, first_free;	/* slot + 1; 0: none */
	uint64_t gen;
	struct {
		uint64_t id, stamp;
	} seen[SESSION_SEEN];		/* below the root, by id */
	void (*on_end)(void *arg, int err);
	void *on_end_arg;
};

struct vfs_time sessions_now(const struct sessions *ss);

/* Root, or the one whose store it is? */
bool sessions_owns(const struct sessions *ss, uint32_t uid);
/* What of rights a user may have. */
uint32_t session_rights_of(const struct sessions *ss, uint32_t uid,
    uint32_t rights);

/* A refusal: kept, and told now and then. */
void sessions_denied(struct sessions *ss, const struct audit_rec *a);
/* "read,write"; its length. */
size_t session_rights_text(uint32_t rights, char *buf, size_t cap);
void audit_text(const struct audit_rec *a, char *buf, size_t cap);

/* --- tokens (session_token.c) --------------------------------------------- */

int tokens_load(struct sessions *ss);
void tokens_free(struct sessions *ss);
/* Under ss->lock; NULL: nobody's. */
struct token *token_find(struct sessions *ss, struct vfs_slice token);
/* The number of the one that it was derived from in the end, under ss->lock. */
uint64_t token_origin(struct sessions *ss, const struct token *t);

/* --- one (session.c) ------------------------------------------------------ */

/* It ends for this reason; running requests have no effect any more. */
void session_end(struct session *s, int err);

/* --- handles (session_handle.c) ------------------------------------------ */

/* Pins the object.  -VFS_QUOTA at the session's limit. */
int handle_new(struct session *s, struct vfs_id id, uint32_t rights,
    uint32_t opened, uint64_t *out);
/* A copy of what it is; -VFS_BAD_HANDLE. */
int handle_get(struct session *s, uint64_t handle, struct handle *out);
int handle_close(struct session *s, uint64_t handle);
void handle_wrote(struct session *s, uint64_t handle);
void handle_lost(struct session *s, uint64_t handle);
void handle_close_all(struct session *s);
bool handle_holds(const void *session, uint64_t id);

/* --- one request (session_run.c) ----------------------------------------- */

#define RUN_IDS	4u			/* most id fields of an operation */

/* What an id field of the request said. */
struct field {
	uint64_t handle;		/* 0: it was an id */
	uint64_t raw;			/* that id, unless it is the root's */
	uint32_t rights;		/* what may be done through it */
	uint32_t opened;
};

struct run {
	struct session_call *k;
	struct session *s;
	struct server *server;
	struct req_env env;
	enum vfs_op op;
	const void *q;			/* its request */
	int told;			/* the error that was noted last */
	unsigned n;			/* fields resolved */
	struct field f[RUN_IDS];
};

/* Ids of q become the core's, and may all of it be done? */
int run_resolve(struct run *r, enum vfs_op op, void *q);
/* One id of a list, for op. */
int run_resolve_one(struct run *r, enum vfs_op op, struct vfs_id *id,
    struct field *f);
/* The core's work on a resolved request, in the call's transaction. */
int run_core(struct run *r, enum vfs_op op, const void *q, void *rep);
/* Both, for what the core does alone. */
int run_plain(struct run *r, enum vfs_op op, void *q, void *rep);
/* A refusal: noted. */
int run_denied(struct run *r, enum vfs_op op, uint64_t id, uint32_t missing);
/* What why tells of an error that the dispatcher does not see. */
void run_note(struct run *r, struct why_what what);
/* Bytes of what was opened for it: the modes are not looked at again. */
void run_opened(struct run *r, enum vfs_op op, const void *q);
/* What a session without GETATTR may see of attributes. */
void run_mask(const struct run *r, uint32_t rights, struct vfs_attr *a);

/* --- rights (session_rights.c) ------------------------------------------- */

/* What field n of a request for op needs of those rights; what is missing
 * is denied. */
uint32_t rights_needed(enum vfs_op op, const void *q, unsigned n,
    uint32_t have);
/* What the session needs besides. */
uint32_t rights_of_session(enum vfs_op op);
/* Fields by position that are bytes of an open file: VFS_OPEN_READ or
 * WRITE, 0. */
uint32_t rights_bytes(enum vfs_op op, const void *q, unsigned n);

/* --- operations that are not the core's alone ----------------------------- */

typedef int session_fn(struct run *r, void *q, void *rep);
session_fn session_walk, session_open_id, session_open, session_close_op,
    session_dup, session_create, session_tmpfile;
session_fn session_truncate, session_sync, session_access, session_hash, session_wait,
    session_lock, session_lock_test, session_batch;
session_fn session_tx;
session_fn session_derive, session_grant, session_revoke, session_sessions;

#endif
