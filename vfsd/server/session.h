/*
 * session.h - one client's capability: what it can name, what it may do
 *
 * Every front but FUSE speaks to the dispatcher through a session.  It has
 * a root, rights, perhaps a user, limits and an end; it comes from the
 * transport's identity (SO_PEERCRED) or from a token, and only shrinks.
 * Nothing outside the root can be named, opened, linked, seen in the
 * journal or told by an error: what is outside is answered like what does
 * not exist.
 *
 * Threads:   any; a session may run several requests at once.
 * Lifetime:  counted: new and attach give a reference; a request under way
 *            holds one.  A closed session answers SESSION_CLOSED, a revoked
 *            one REVOKED, an old one EXPIRED.
 * Failure:   0 or a negative vfs_err.
 */
#ifndef VFSD_SESSION_H
#define VFSD_SESSION_H

#include "../../protocol/codec.h"
#include "dispatch.h"

struct session;
struct sessions;			/* all of a server */

/* How it came. */
struct session_who {
	const char *transport;		/* "unix", "tcp", "ring", "9p" ... */
	struct vfs_slice client;	/* what it says of itself */
	bool has_cred;			/* the transport knows the user */
	uint32_t uid, gid, pid;
	const uint32_t *groups;
	uint32_t ngroups;
	bool vouched;			/* a peer that may be anybody says that
					 * it acts for this user */
	uint64_t trace_id;		/* of the request that brings it in */
};

struct session_limits {
	uint32_t handles, credits, tx_open;
	uint64_t bytes, stage;		/* under way; staged */
};

/* owner: whose the store is; he and root have all rights by identity,
 * others, where others may connect, all but OPEN_BY_ID, DELEGATE, ADMIN and
 * WATCH. */
int sessions_new(struct server *s, uint32_t owner, bool allow_other,
    struct sessions **out);
void sessions_free(struct sessions *ss);

/* Tokens and sessions whose time is over end.  Fronts call it every second
 * or so. */
void sessions_expire(struct sessions *ss);
/* A line now and then when something was denied. */
void sessions_on_denied(struct sessions *ss,
    void (*report)(void *arg, const char *line), void *arg);
/* For tests: the clock is this many seconds ahead. */
void sessions_ahead(struct sessions *ss, int64_t sec);

/* Is it the store's owner, or root, by what the transport says? */
bool sessions_owner(const struct sessions *ss, const struct session_who *who);

/* By identity: -VFS_ACCESS if who has none or may not connect. */
int session_new(struct sessions *ss, const struct session_who *who,
    struct session **out);
/* By token (q->token); *out's root handle and limits are in *r. */
int session_attach(struct sessions *ss, const struct session_who *who,
    const struct vfs_attach *q, struct session **out,
    struct vfs_attach_reply *r);

/* Somebody without a session asked for one, or for more: an audit record.
 * Returns err. */
int session_refused(struct sessions *ss, const struct session_who *who,
    int err);

/* Before its first request: only what lies at and below root is there.
 * root was found by the session itself, in the directory parent; unless it
 * has the whole store it is gone when it is moved from there. */
void session_confine(struct session *s, struct vfs_id root,
    struct vfs_id parent);

void session_hold(struct session *s);
void session_drop(struct session *s);
/* It ends: transactions are aborted, handles closed. */
void session_close(struct session *s);

/* Of all fronts, for status; out of date at once. */
struct sessions_counts {
	uint64_t sessions, tokens, handles;
};
void sessions_counts(struct sessions *ss, struct sessions_counts *out);

uint32_t session_rights(const struct session *s);
/* The owner's, root's, or of somebody whom they let see to the daemon. */
bool session_is_own(const struct session *s);
/* One number for all sessions of a user, or that came by one token. */
uint64_t session_whose(const struct session *s);
struct vfs_id session_root(const struct session *s);
void session_limits(const struct session *s, struct session_limits *out);
/* What it says of itself, at most VFS_CLIENT_MAX bytes: for SESSIONS. */
void session_client(struct session *s, struct vfs_slice client);
/* Whose its transactions are; never 0, never used again. */
uint64_t session_number(const struct session *s);
/* Has it ended?  0, -VFS_REVOKED, -VFS_EXPIRED, -VFS_SESSION_CLOSED.
 * fn(arg) is called once, from any thread, when it is revoked; it must not
 * call anything of the session.  Once session_close or session_on_end(s,
 * NULL, NULL) has returned it is not called any more. */
int session_state(struct session *s);
void session_on_end(struct session *s, void (*fn)(void *arg, int err),
    void *arg);

/* One request on its way. */
struct session_call {
	struct session *s;
	const struct req_env *env;	/* now, pid, trace id: the front's; who
					 * asks is the session's */
	uint64_t tx;			/* run it in this transaction; 0: none */
	size_t room;			/* bytes of reply that the peer takes */
	bool own_ids;			/* the front itself found the ids, by
					 * this session: they need no right */
	bool has_gid;			/* what is made gets this group, if the */
	uint32_t gid;			/* user may choose it */
	/* Asked before the commit and while waiting: 0, or -VFS_DEADLINE or
	 * -VFS_CANCELLED, and then the request has no effect.  NULL: never. */
	int (*stop)(void *arg);
	void *stop_arg;
	struct proto_error e;		/* of a failure */
};

/*
 * Any operation that is not the connection's own (HELLO ATTACH DETACH PING
 * CANCEL CREDIT STAGE GRANT_MAP GRANT_UNMAP WATCH UNWATCH) nor the
 * daemon's (STATUS CHECK WHY, for which the front asks for ADMIN).  Ids in
 * q are resolved in place; r's BUFs and SINKs have been given room.  What
 * the reply tells of outside the root is taken out.
 */
int session_run(struct session_call *k, enum vfs_op op, void *q, void *r);

/* Is this there, for this session?  An id of the core's, no handle; no
 * right is asked for.  0, -VFS_NO_SUCH_ID. */
int session_sees(struct session_call *k, struct vfs_id id);

/* May all of these be done?  A refusal is an audit record. */
int session_allows(struct session_call *k, uint32_t rights);

#endif
