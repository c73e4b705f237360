/*
 * session.c - who is there: coming, going, limits
 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#include "locks.h"
#include "session_in.h"

/* Others that may connect: no way around names, no way to more. */
#define RIGHTS_OTHERS	(VFS_RIGHTS_ALL & ~(uint32_t)(VFS_RIGHT_OPEN_BY_ID | \
	VFS_RIGHT_DELEGATE | VFS_RIGHT_ADMIN))

#define WHOSE_TOKEN	(1u << 31)	/* beside its number; users are below */

#define REPORT_EVERY	10		/* seconds */

int
sessions_new(struct server *s, uint32_t owner, bool allow_other,
    struct sessions **out)
{
	struct sessions *ss = calloc(1, sizeof *ss);
	int err;

	if (ss == NULL)
		return -VFS_NOMEM;
	ss->server = s;
	ss->owner = owner;
	ss->owner_gid = getegid();
	ss->allow_other = allow_other;
	pthread_mutex_init(&ss->lock, NULL);
	if ((err = audit_new(&ss->audit)) < 0 ||
	    (err = tokens_load(ss)) < 0) {
		sessions_free(ss);
		return err;
	}
	*out = ss;
	return 0;
}

void
sessions_free(struct sessions *ss)
{
	if (ss == NULL)
		return;
	while (ss->list != NULL)
		session_close(ss->list);
	tokens_free(ss);
	audit_free(ss->audit);
	pthread_mutex_destroy(&ss->lock);
	free(ss);
}

struct vfs_time
sessions_now(const struct sessions *ss)
{
	struct timespec ts;

	clock_gettime(CLOCK_REALTIME, &ts);
	return (struct vfs_time){ ts.tv_sec + ss->ahead,
		(uint32_t)ts.tv_nsec };
}

void
sessions_ahead(struct sessions *ss, int64_t sec)
{
	ss->ahead = sec;
}

void
sessions_on_denied(struct sessions *ss,
    void (*report)(void *arg, const char *line), void *arg)
{
	pthread_mutex_lock(&ss->lock);
	ss->report = report;
	ss->report_arg = arg;
	pthread_mutex_unlock(&ss->lock);
}

/* A line every REPORT_EVERY seconds at most, whoever knocks how often. */
static void
tell(struct sessions *ss, const struct audit_rec *a)
{
	void (*report)(void *, const char *) = NULL;
	int64_t now = sessions_now(ss).sec;
	char text[400], line[480];
	uint64_t others = 0;
	void *arg = NULL;

	pthread_mutex_lock(&ss->lock);
	if (ss->report != NULL && now - ss->reported >= REPORT_EVERY) {
		report = ss->report;
		arg = ss->report_arg;
		others = ss->unreported;
		ss->reported = now;
		ss->unreported = 0;
	} else {
		ss->unreported++;
	}
	pthread_mutex_unlock(&ss->lock);
	if (report == NULL)
		return;
	audit_text(a, text, sizeof text);
	snprintf(line, sizeof line, "denied: %s (%llu more before)", text,
	    (unsigned long long)others);
	report(arg, line);
}

void
sessions_denied(struct sessions *ss, const struct audit_rec *a)
{
	audit_note(ss->audit, a);
	tell(ss, a);
}

/* --- one ----------------------------------------------------------------- */

bool
sessions_owns(const struct sessions *ss, uint32_t uid)
{
	return uid == 0 || uid == ss->owner;
}

/* The journal knows no modes: it tells the names in what they shut. */
uint32_t
session_rights_of(const struct sessions *ss, uint32_t uid, uint32_t rights)
{
	return sessions_owns(ss, uid) ? rights :
	    rights & ~(uint32_t)VFS_RIGHT_WATCH;
}

static bool
is_over(const struct session *s)
{
	return s->expires.sec != 0 &&
	    sessions_now(s->ss).sec >= s->expires.sec;
}

static const struct session_limits limits_max = {
	.handles = VFS_HANDLES_MAX, .credits = VFS_CREDITS,
	.tx_open = VFS_TX_OPEN_MAX, .bytes = 2 * VFS_MSG_MAX,
	.stage = VFS_STAGE_MAX,
};

static void
put_client(struct session *s, struct vfs_slice client)
{
	s->client_n = client.n < sizeof s->client ? client.n :
	    sizeof s->client;
	if (s->client_n > 0)
		memcpy(s->client, client.p, s->client_n);
}

static struct session *
session_of(struct sessions *ss, const struct session_who *who)
{
	struct session *s = calloc(1, sizeof *s);

	if (s == NULL)
		return NULL;
	s->ss = ss;
	s->refs = 1;
	s->root.n = VFS_ID_ROOT;
	s->pid = who->pid;
	s->limits = limits_max;
	s->since = sessions_now(ss);
	if (who->transport != NULL)
		strncpy(s->transport, who->transport,
		    sizeof s->transport - 1);
	put_client(s, who->client);
	pthread_mutex_init(&s->lock, NULL);
	pthread_mutex_init(&s->begin, NULL);
	return s;
}

/* Under ss->lock. */
static void
list_add(struct session *s)
{
	struct sessions *ss = s->ss;

	s->number = ss->next += 2;	/* tokens are odd */
	s->next = ss->list;
	ss->list = s;
	s->listed = true;
	s->refs++;
}

int
session_refused(struct sessions *ss, const struct session_who *who, int err)
{
	struct audit_rec r = { .trace_id = who->trace_id, .uid = who->uid,
		.pid = who->pid, .has_cred = who->has_cred, .err = err,
		.when = sessions_now(ss) };

	if (who->transport != NULL)
		strncpy(r.transport, who->transport, sizeof r.transport - 1);
	sessions_denied(ss, &r);
	return err;
}

bool
sessions_owner(const struct sessions *ss, const struct session_who *who)
{
	return who->has_cred && sessions_owns(ss, who->uid);
}

int
session_new(struct sessions *ss, const struct session_who *who,
    struct session **out)
{
	bool own = sessions_owner(ss, who);
	struct session *s;

	if (!who->has_cred || (!own && !ss->allow_other && !who->vouched))
		return session_refused(ss, who, -VFS_ACCESS);
	if ((s = session_of(ss, who)) == NULL)
		return -VFS_NOMEM;
	s->rights = session_rights_of(ss, who->uid,
	    own ? (uint32_t)VFS_RIGHTS_ALL : RIGHTS_OTHERS);
	s->cred = true;
	s->any_gid = who->vouched || who->uid == 0;
	s->uid = who->uid;
	s->gid = who->gid;
	s->whose = own ? 0 : who->uid;
	s->ngroups = who->ngroups < SESSION_GROUPS_MAX ? who->ngroups :
	    SESSION_GROUPS_MAX;
	if (s->ngroups > 0)
		memcpy(s->groups, who->groups,
		    s->ngroups * sizeof s->groups[0]);
	pthread_mutex_lock(&ss->lock);
	list_add(s);
	pthread_mutex_unlock(&ss->lock);
	*out = s;
	return 0;
}

/* By what a token says. */
static void
as_token(struct session *s, const struct token *t)
{
	const struct rec_token *rec = &t->rec;

	s->token = t->number;
	s->whose = (uint32_t)token_origin(s->ss, t) | WHOSE_TOKEN;
	s->root = rec->root;
	s->root_parent = rec->root_parent;
	s->rights = rec->rights;
	s->cred = (rec->flags & TOKEN_CRED) != 0;
	s->uid = rec->uid;
	s->gid = rec->gid;
	if (s->cred)
		s->rights = session_rights_of(s->ss, s->uid, s->rights);
	s->expires = rec->expires;
	s->limits.handles = rec->max_handles;
	s->limits.credits = rec->max_credits;
	s->limits.tx_open = rec->max_tx_open;
	s->limits.bytes = rec->max_bytes;
	if (s->limits.stage > rec->max_bytes)
		s->limits.stage = rec->max_bytes;
}

/* Found and listed in one step: a token that is revoked meanwhile takes
 * its session along. */
static int
session_by_token(struct sessions *ss, const struct session_who *who,
    struct vfs_slice token, struct session **out)
{
	struct session *s = session_of(ss, who);
	struct token *t;
	int err = 0;

	if (s == NULL)
		return -VFS_NOMEM;
	pthread_mutex_lock(&ss->lock);
	if ((t = token_find(ss, token)) == NULL) {
		err = -VFS_ACCESS;
	} else {
		as_token(s, t);
		if (is_over(s))
			err = -VFS_EXPIRED;
	}
	if (err == 0)
		list_add(s);
	pthread_mutex_unlock(&ss->lock);
	if (err < 0) {
		session_drop(s);
		return session_refused(ss, who, err);
	}
	*out = s;
	return 0;
}

/* A root that was moved or removed is nothing to begin with. */
static int
check_root(struct session *s)
{
	struct req_env env = { 0 };
	struct session_call k = { .s = s, .env = &env };
	int err = session_sees(&k, s->root);

	return err == -VFS_NO_SUCH_ID ? -VFS_GONE : err;
}

static int
attached(struct session *s, struct vfs_attach_reply *r)
{
	*r = (struct vfs_attach_reply){
		.rights = s->rights, .root_id = s->root,
		.flags = s->cred ? VFS_ATTACH_CRED : 0,
		.uid = s->uid, .gid = s->gid,
		.max_handles = s->limits.handles,
		.max_credits = s->limits.credits,
		.max_tx_open = s->limits.tx_open,
		.max_bytes = s->limits.bytes, .max_stage = s->limits.stage,
		.expires = s->expires,
	};
	return handle_new(s, s->root, s->rights, 0, &r->root);
}

int
session_attach(struct sessions *ss, const struct session_who *who,
    const struct vfs_attach *q, struct session **out,
    struct vfs_attach_reply *r)
{
	struct session *s;
	int err;

	if ((q->flags & ~VFS_ATTACH_NEW) != 0)
		return -VFS_INVAL;
	err = q->token.n != 0 ? session_by_token(ss, who, q->token, &s) :
	    session_new(ss, who, &s);
	if (err < 0)
		return err;
	if (q->max_handles != 0 && q->max_handles < s->limits.handles)
		s->limits.handles = q->max_handles;
	if ((err = check_root(s)) < 0 || (err = attached(s, r)) < 0) {
		session_close(s);
		session_drop(s);
		return err;
	}
	*out = s;
	return 0;
}

void
session_confine(struct session *s, struct vfs_id root, struct vfs_id parent)
{
	if (root.n == s->root.n)
		return;
	pthread_mutex_lock(&s->ss->lock);	/* it is listed already */
	if (s->root.n != VFS_ID_ROOT)
		s->root_parent = parent;
	s->root = root;
	pthread_mutex_unlock(&s->ss->lock);
}

void
session_hold(struct session *s)
{
	pthread_mutex_lock(&s->ss->lock);
	s->refs++;
	pthread_mutex_unlock(&s->ss->lock);
}

static void
session_free(struct session *s)
{
	free(s->handles);
	pthread_mutex_destroy(&s->begin);
	pthread_mutex_destroy(&s->lock);
	free(s);
}

void
session_drop(struct session *s)
{
	struct sessions *ss;
	bool last;

	if (s == NULL)
		return;
	ss = s->ss;
	pthread_mutex_lock(&ss->lock);
	last = --s->refs == 0;
	pthread_mutex_unlock(&ss->lock);
	if (last)
		session_free(s);
}

static void
unlist(struct session *s)
{
	struct sessions *ss = s->ss;
	struct session **at;
	bool was;

	pthread_mutex_lock(&ss->lock);
	was = s->listed;
	for (at = &ss->list; was && *at != s; at = &(*at)->next)
		;
	if (was)
		*at = s->next;
	s->listed = false;
	pthread_mutex_unlock(&ss->lock);
	if (was)
		session_drop(s);
}

/* The first reason to end is the one that counts. */
static bool
set_ended(struct session *s, int err)
{
	bool first;

	pthread_mutex_lock(&s->lock);
	first = s->ended == 0;
	if (first)
		s->ended = err;
	pthread_mutex_unlock(&s->lock);
	return first;
}

void
session_end(struct session *s, int err)
{
	if (!set_ended(s, err))
		return;
	session_hold(s);
	tx_abort_all(s->ss->server, s->number);
	if (s->locked)
		locks_drop_domain(server_locks(s->ss->server), s->number);
	handle_close_all(s);
	pthread_mutex_lock(&s->lock);
	if (err != -VFS_SESSION_CLOSED && s->on_end != NULL)
		s->on_end(s->on_end_arg, err);
	s->on_end = NULL;
	pthread_mutex_unlock(&s->lock);
	session_drop(s);
}

void
session_close(struct session *s)
{
	if (s == NULL)
		return;
	pthread_mutex_lock(&s->lock);
	s->on_end = NULL;		/* whoever closes it knows */
	pthread_mutex_unlock(&s->lock);
	session_end(s, -VFS_SESSION_CLOSED);
	unlist(s);
}

/* --- looking ------------------------------------------------------------- */

uint32_t
session_rights(const struct session *s)
{
	return s->rights;
}

bool
session_is_own(const struct session *s)
{
	return (s->rights & VFS_RIGHT_ADMIN) != 0;
}

uint64_t
session_whose(const struct session *s)
{
	return s->token != 0 ? 1ull << 32 | s->token << 33 : s->uid;
}

void
session_client(struct session *s, struct vfs_slice client)
{
	pthread_mutex_lock(&s->ss->lock);
	put_client(s, client);
	pthread_mutex_unlock(&s->ss->lock);
}

struct vfs_id
session_root(const struct session *s)
{
	return s->root;
}

void
session_limits(const struct session *s, struct session_limits *out)
{
	*out = s->limits;
}

uint64_t
session_number(const struct session *s)
{
	return s->number;
}

int
session_state(struct session *s)
{
	if (s->ended == 0 && is_over(s))
		session_end(s, -VFS_EXPIRED);
	return s->ended;
}

void
session_on_end(struct session *s, void (*fn)(void *arg, int err), void *arg)
{
	int err;

	pthread_mutex_lock(&s->lock);
	err = s->ended;
	s->on_end = err == 0 ? fn : NULL;
	s->on_end_arg = arg;
	if (err != 0 && err != -VFS_SESSION_CLOSED && fn != NULL)
		fn(arg, err);
	pthread_mutex_unlock(&s->lock);
}
