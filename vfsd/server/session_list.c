/*
 * session_list.c - SESSIONS: who is there, which tokens are out, and what
 * was denied
 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "../../protocol/codec.h"
#include "session_in.h"

/* One line of the list: a session or a token. */
struct line {
	uint64_t number;
	struct session *s;
	const struct token *t;
};

static int
by_number(const void *a, const void *b)
{
	const struct line *x = a, *y = b;

	return x->number < y->number ? -1 : x->number > y->number;
}

static size_t
collect(struct sessions *ss, uint64_t from, struct line *v)
{
	struct session *s;
	const struct token *t;
	size_t n = 0;

	for (s = ss->list; s != NULL; s = s->next)
		if (s->number >= from && s->ended == 0)
			v[n++] = (struct line){ s->number, s, NULL };
	for (t = ss->tokens; t != NULL; t = t->next)
		if (t->number >= from)
			v[n++] = (struct line){ t->number, NULL, t };
	qsort(v, n, sizeof *v, by_number);
	return n;
}

/* s->lock is taken, for s->used. */
static bool
put_session(struct proto_list *l, struct session *s)
{
	struct proto_session r = { .number = s->number, .parent = s->token,
		.root = s->root, .since = s->since, .expires = s->expires,
		.flags = s->cred ? PROTO_SESSION_CRED : 0,
		.rights = s->rights, .uid = s->uid, .gid = s->gid,
		.pid = s->pid, .label = { s->client, s->client_n },
		.transport = { s->transport, strlen(s->transport) } };

	pthread_mutex_lock(&s->lock);
	r.handles = s->used;
	pthread_mutex_unlock(&s->lock);
	return proto_session_put(l, &r);
}

static bool
put_token(struct proto_list *l, const struct token *t)
{
	bool cred = (t->rec.flags & TOKEN_CRED) != 0;
	struct proto_session r = { .number = t->number,
		.parent = t->rec.parent, .root = t->rec.root,
		.since = t->rec.since, .expires = t->rec.expires,
		.flags = PROTO_SESSION_TOKEN | (cred ? PROTO_SESSION_CRED :
		    0),
		.rights = t->rec.rights, .uid = t->rec.uid,
		.gid = t->rec.gid, .handles = t->rec.max_handles,
		.label = t->rec.label };

	return proto_session_put(l, &r);
}

static size_t
count(const struct sessions *ss)
{
	const struct session *s;
	size_t n = ss->ntokens;

	for (s = ss->list; s != NULL; s = s->next)
		n++;
	return n;
}

void
sessions_counts(struct sessions *ss, struct sessions_counts *out)
{
	struct session *s;

	*out = (struct sessions_counts){ 0 };
	pthread_mutex_lock(&ss->lock);
	out->tokens = ss->ntokens;
	for (s = ss->list; s != NULL; s = s->next) {
		out->sessions++;
		pthread_mutex_lock(&s->lock);
		out->handles += s->used;
		pthread_mutex_unlock(&s->lock);
	}
	pthread_mutex_unlock(&ss->lock);
}

static int
list(struct sessions *ss, uint64_t from, struct vfs_sessions_reply *r)
{
	struct proto_list l = { .p = r->sessions.p, .cap = r->sessions.cap };
	struct line *v;
	size_t i, n;

	pthread_mutex_lock(&ss->lock);
	if ((v = malloc((count(ss) + 1) * sizeof *v)) == NULL) {
		pthread_mutex_unlock(&ss->lock);
		return -VFS_NOMEM;
	}
	n = collect(ss, from, v);
	for (i = 0; i < n && (v[i].s != NULL ? put_session(&l, v[i].s) :
	    put_token(&l, v[i].t)); i++)
		;
	r->next = i < n ? v[i].number : 0;
	pthread_mutex_unlock(&ss->lock);
	free(v);
	r->sessions.n = l.n;
	return 0;
}

/* --- what was denied ------------------------------------------------------ */

struct word {
	uint32_t bit;
	const char *text;
};

size_t
session_rights_text(uint32_t rights, char *buf, size_t cap)
{
	static const struct word words[] = {
#define RIGHT(bit, NAME, word, text) { bit, word },
		VFS_RIGHTS(RIGHT)
#undef RIGHT
	};
	size_t i, n = 0;

	buf[0] = 0;
	for (i = 0; i < sizeof words / sizeof words[0]; i++)
		if ((rights & words[i].bit) != 0 && n < cap)
			n += (size_t)snprintf(buf + n, cap - n, "%s%s",
			    n > 0 ? "," : "", words[i].text);
	return n < cap ? n : cap - 1;
}

void
audit_text(const struct audit_rec *a, char *buf, size_t cap)
{
	char rights[256], who[32] = "nobody in particular";

	session_rights_text(a->missing, rights, sizeof rights);
	if (a->has_cred)
		snprintf(who, sizeof who, "uid %u", a->uid);
	if (a->session == 0)
		snprintf(buf, cap, "refused %s over %s", who, a->transport);
	else if (a->missing == 0)
		snprintf(buf, cap, "session %llu (%s over %s) sees no such "
		    "object", (unsigned long long)a->session, who,
		    a->transport);
	else
		snprintf(buf, cap, "session %llu (%s over %s) lacks %s",
		    (unsigned long long)a->session, who, a->transport,
		    rights);
}

static int
list_audit(struct sessions *ss, struct vfs_sessions_reply *r)
{
	struct proto_list l = { .p = r->sessions.p, .cap = r->sessions.cap };
	struct audit_rec *v = malloc(AUDIT_MAX * sizeof *v);
	char text[400];
	uint64_t ever;
	size_t i, n;

	if (v == NULL)
		return -VFS_NOMEM;
	n = audit_last(ss->audit, v, AUDIT_MAX, &ever);
	for (i = 0; i < n; i++) {
		struct proto_fault f = { .trace_id = v[i].trace_id,
			.when = v[i].when, .pid = v[i].pid, .id = v[i].id,
			.op = proto_ops[v[i].op].number,
			.err = (uint32_t)-v[i].err };

		audit_text(&v[i], text, sizeof text);
		f.text = (struct vfs_slice){ text, strlen(text) };
		if (!proto_fault_put(&l, &f))
			break;
	}
	free(v);
	r->next = 0;
	r->sessions.n = l.n;
	return 0;
}

int
session_sessions(struct run *r, void *qp, void *rp)
{
	const struct vfs_sessions *q = qp;

	if ((q->flags & ~VFS_SESSIONS_AUDIT) != 0)
		return -VFS_INVAL;
	if (q->flags & VFS_SESSIONS_AUDIT)
		return list_audit(r->s->ss, rp);
	return list(r->s->ss, q->after, rp);
}
