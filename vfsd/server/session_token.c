/*
 * session_token.c - tokens: capabilities that outlive their sessions
 *
 * A token is 32 random bytes that only its holder has; the store keeps a
 * hash, and what it gives.  All are in memory as well, in a list where a
 * parent stands before what was derived from it.
 */
#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <sys/random.h>

#include "../engine/engine.h"
#include "hash.h"
#include "session_in.h"

/* --- the rows ------------------------------------------------------------ */

static int
row_put(struct sessions *ss, uint64_t number, uint64_t next,
    struct vfs_slice row)
{
	struct vfs_token q = { .number = number, .next = next, .row = row };
	struct vfs_token_reply r;
	struct req_env env;

	server_env(&env);
	return dispatch(ss->server, VFS_OP_TOKEN, &env, &q, &r);
}

static struct token *
token_new(uint64_t number, const struct rec_token *rec)
{
	struct token *t = calloc(1, sizeof *t);

	if (t == NULL)
		return NULL;
	t->number = number;
	t->rec = *rec;
	if (rec->label.n > 0)
		memcpy(t->label, rec->label.p, rec->label.n);
	t->rec.label.p = t->label;
	return t;
}

/* A parent is in the list before anything is derived from it. */
static void
append(struct sessions *ss, struct token *t)
{
	struct token **at;

	for (at = &ss->tokens; *at != NULL; at = &(*at)->next)
		;
	*at = t;
	ss->ntokens++;
}

static struct token *
by_number(struct sessions *ss, uint64_t number)
{
	struct token *t;

	for (t = ss->tokens; t != NULL && t->number != number; t = t->next)
		;
	return t;
}

/* One row of the store.  A token whose parent is gone is gone too: the
 * daemon ended while it was being revoked. */
static int
load_row(struct sessions *ss, struct txn *t, uint64_t number,
    struct vfs_slice val)
{
	struct rec_token rec;
	struct token *new;

	if (number == 0) {
		if (rec_token_next(val, &ss->next_token) < 0)
			fault(t, -VFS_CORRUPT, "the number of the next grant");
		return 0;
	}
	if (number >= ss->next_token)
		ss->next_token = number + 2;
	if (rec_token_decode(val, &rec) < 0) {
		fault(t, -VFS_CORRUPT, "a grant");
		return 0;
	}
	if (ss->ntokens >= VFS_TOKENS_MAX ||
	    (rec.parent != 0 && by_number(ss, rec.parent) == NULL))
		return 0;
	if ((new = token_new(number, &rec)) == NULL)
		return -VFS_NOMEM;
	append(ss, new);
	return 0;
}

static int
load(struct sessions *ss, struct txn *t)
{
	struct vfs_slice key, val;
	struct row_parts parts;
	struct txn_cur *c;
	struct row_key k;
	int err;

	row_key_id(&k, ROW_TOKEN, 0);
	if ((err = txn_cur_open(t, &c)) < 0)
		return err;
	err = txn_cur_seek_in(c, row_key_slice(&k), 1, &key, &val);
	while (err == 0 && row_key_parse(key, &parts) == 0 &&
	    parts.kind == ROW_TOKEN) {
		if ((err = load_row(ss, t, parts.a, val)) < 0)
			break;
		err = txn_cur_next(c, &key, &val);
	}
	txn_cur_close(c);
	return err == -VFS_NOENT ? 0 : err;
}

int
tokens_load(struct sessions *ss)
{
	struct req_env env;
	struct txn *t;
	int err;

	ss->next_token = 1;
	server_env(&env);
	err = txn_begin(server_engine(ss->server), TXN_READ, &env, &t);
	if (err < 0)
		return err;
	err = load(ss, t);
	txn_abort(t);
	return err;
}

void
tokens_free(struct sessions *ss)
{
	struct token *t;

	while ((t = ss->tokens) != NULL) {
		ss->tokens = t->next;
		free(t);
	}
}

/* --- coming with one ----------------------------------------------------- */

/* All are compared, to the last byte: time tells nothing. */
struct token *
token_find(struct sessions *ss, struct vfs_slice token)
{
	struct token *t, *found = NULL;
	uint8_t hash[HASH_MAX];

	if (token.n != VFS_TOKEN_BYTES)
		return NULL;
	hash_sha256(token.p, token.n, hash);
	for (t = ss->tokens; t != NULL; t = t->next)
		if (hash_same(hash, t->rec.hash, TOKEN_HASH))
			found = t;
	return found;
}

uint64_t
token_origin(struct sessions *ss, const struct token *t)
{
	const struct token *up = t;

	while (up != NULL && up->rec.parent != 0) {
		t = up;
		up = by_number(ss, up->rec.parent);
	}
	return up != NULL ? up->number : t->number;
}

/* --- giving one ---------------------------------------------------------- */

static uint64_t
least(uint64_t want, uint64_t have)
{
	return want == 0 || want > have ? have : want;
}

static struct vfs_time
until(const struct session *s, uint32_t ttl)
{
	struct vfs_time now = sessions_now(s->ss), end = s->expires;

	if (ttl == 0)
		return end;
	now.sec += ttl;
	return end.sec != 0 && end.sec < now.sec ? end : now;
}

/* The root has to be a directory that this session sees; where it lies. */
static int
check_root(struct run *r, struct vfs_id root, struct vfs_id *parent)
{
	struct vfs_stat q = { .id = root };
	struct vfs_stat_reply rep;
	int err;

	r->k->tx = 0;
	if ((err = run_core(r, VFS_OP_STAT, &q, &rep)) < 0)
		return err;
	if (VFS_MODE_TYPE(rep.attr.mode) != VFS_DIR)
		return -VFS_NOTDIR;
	if (rep.attr.nlink == 0)
		return -VFS_NOENT;
	*parent = root.n == r->s->root.n ? r->s->root_parent :
	    rep.attr.parent;
	return 0;
}

/* What every token has of the session that gives it. */
static int
draw(struct run *r, const struct vfs_derive *q, struct rec_token *out)
{
	const struct session *s = r->s;
	uint32_t have = r->f[0].rights;
	int err;

	if (q->label.n > VFS_LABEL_MAX)
		return -VFS_TOO_BIG;
	*out = (struct rec_token){ .root = q->root, .parent = s->token,
		.rights = q->rights == 0 ? have : q->rights & have,
		.flags = s->cred ? TOKEN_CRED : 0, .uid = s->uid,
		.gid = s->gid,
		.max_handles = (uint32_t)least(q->max_handles,
		    s->limits.handles),
		.max_credits = (uint32_t)least(q->max_credits,
		    s->limits.credits),
		.max_tx_open = (uint32_t)least(q->max_tx_open,
		    s->limits.tx_open),
		.max_bytes = least(q->max_bytes, s->limits.bytes),
		.since = sessions_now(s->ss), .expires = until(s, q->ttl_s),
		.label = q->label };
	if ((err = check_root(r, q->root, &out->root_parent)) < 0)
		return err;
	/* The daemon and the whole store are no part of a directory. */
	if (out->root.n != VFS_ID_ROOT)
		out->rights &= ~(uint32_t)VFS_RIGHT_ADMIN;
	return 0;
}

static int
random_bytes(uint8_t *p, size_t n)
{
	ssize_t k;

	while (n > 0) {
		k = getrandom(p, n, 0);
		if (k < 0 && errno != EINTR)
			return -VFS_IO;
		if (k > 0) {
			p += k;
			n -= (size_t)k;
		}
	}
	return 0;
}

/* The last step, unless what it came from was revoked meanwhile: whoever
 * revokes finds it in the list, or it is not there. */
static bool
let_in(struct sessions *ss, struct token *t)
{
	bool ok;

	pthread_mutex_lock(&ss->lock);
	ok = t->rec.parent == 0 || by_number(ss, t->rec.parent) != NULL;
	if (ok)
		append(ss, t);
	pthread_mutex_unlock(&ss->lock);
	return ok;
}

/* It is safe on the disk before anybody hears of it. */
static int
keep(struct sessions *ss, const struct rec_token *rec, uint64_t *number)
{
	uint8_t row[REC_TOKEN_MAX];
	struct token *t;
	uint64_t next;
	int err;

	sessions_expire(ss);
	pthread_mutex_lock(&ss->lock);
	err = ss->ntokens >= VFS_TOKENS_MAX ? -VFS_QUOTA : 0;
	*number = ss->next_token;
	next = ss->next_token += 2;
	pthread_mutex_unlock(&ss->lock);
	if (err < 0)
		return err;
	if ((t = token_new(*number, rec)) == NULL)
		return -VFS_NOMEM;
	err = row_put(ss, *number, next, (struct vfs_slice){ row,
	    rec_token_encode(rec, row) });
	if (err == 0)
		err = engine_sync(server_engine(ss->server));
	if (err == 0 && !let_in(ss, t)) {
		(void)row_put(ss, *number, 0, (struct vfs_slice){ NULL, 0 });
		err = -VFS_REVOKED;
	}
	if (err < 0)
		free(t);
	return err;
}

static int
give(struct run *r, struct rec_token *rec, struct vfs_derive_reply *rep)
{
	uint8_t secret[VFS_TOKEN_BYTES];
	int err;

	if (rep->token.cap < sizeof secret)
		return -VFS_RANGE;
	if ((err = random_bytes(secret, sizeof secret)) < 0)
		return err;
	hash_sha256(secret, sizeof secret, rec->hash);
	err = keep(r->s->ss, rec, &rep->number);
	if (err == 0) {
		memcpy(rep->token.p, secret, sizeof secret);
		rep->token.n = sizeof secret;
		rep->rights = rec->rights;
		rep->expires = rec->expires;
	}
	explicit_bzero(secret, sizeof secret);
	return err;
}

int
session_derive(struct run *r, void *qp, void *rp)
{
	struct vfs_derive *q = qp;
	struct rec_token rec;
	int err;

	if (q->flags != 0)
		return -VFS_INVAL;
	if ((err = run_resolve(r, VFS_OP_DERIVE, q)) < 0 ||
	    (err = draw(r, q, &rec)) < 0)
		return err;
	return give(r, &rec, rp);
}

/* Whose may it be?  A session that is itself bound to a user by a token
 * gives on no other user; only root's own makes a root. */
static int
check_user(struct run *r, const struct vfs_grant *q)
{
	const struct session *s = r->s;
	bool same = s->cred && s->uid == q->uid && s->gid == q->gid;
	bool any = s->token == 0 || !s->cred;
	bool root = s->token == 0 && s->cred && s->uid == 0;

	if (same || root || (any && q->uid != 0))
		return 0;
	return run_denied(r, VFS_OP_GRANT, 0, VFS_RIGHT_ADMIN);
}

int
session_grant(struct run *r, void *qp, void *rp)
{
	const struct vfs_grant *q = qp;
	struct vfs_derive d = { .root = q->root, .rights = q->rights,
		.ttl_s = q->ttl_s, .max_handles = q->max_handles,
		.max_credits = q->max_credits,
		.max_tx_open = q->max_tx_open, .max_bytes = q->max_bytes,
		.label = q->label };
	struct vfs_grant_reply *rep = rp;
	struct vfs_derive_reply out = { .token = rep->token };
	struct rec_token rec;
	int err;

	if ((q->flags & ~VFS_GRANT_CRED) != 0)
		return -VFS_INVAL;
	if ((err = run_resolve(r, VFS_OP_DERIVE, &d)) < 0 ||
	    (err = draw(r, &d, &rec)) < 0)
		return err;
	if (q->flags & VFS_GRANT_CRED) {
		if ((err = check_user(r, q)) < 0)
			return err;
		rec.flags = TOKEN_CRED;
		rec.uid = q->uid;
		rec.gid = q->gid;
		rec.rights = session_rights_of(r->s->ss, q->uid, rec.rights);
	} else if (r->s->token == 0) {
		rec.flags = 0;		/* nobody's in particular */
		rec.uid = rec.gid = 0;
	}
	err = give(r, &rec, &out);
	rep->number = out.number;
	rep->rights = out.rights;
	rep->expires = out.expires;
	rep->token = out.token;
	return err;
}

/* --- taking it back ------------------------------------------------------ */

struct doomed {
	struct token *tokens;		/* parents first */
	uint32_t ntokens;
};

/* Under ss->lock: those that are marked leave the list. */
static void
take_tokens(struct sessions *ss, struct doomed *d)
{
	struct token **at = &ss->tokens, **to = &d->tokens, *t;

	while ((t = *at) != NULL) {
		if (!t->doomed) {
			at = &t->next;
			continue;
		}
		*at = t->next;
		t->next = NULL;
		*to = t;
		to = &t->next;
		ss->ntokens--;
		d->ntokens++;
	}
}

static bool
is_doomed(const struct doomed *d, uint64_t token)
{
	const struct token *t;

	for (t = d->tokens; t != NULL && t->number != token; t = t->next)
		;
	return t != NULL;
}

/* A session of what was taken that goes on yet, with a reference. */
static struct session *
next_session(struct sessions *ss, const struct doomed *d)
{
	struct session *s;

	pthread_mutex_lock(&ss->lock);
	for (s = ss->list; s != NULL && (s->token == 0 || s->ended != 0 ||
	    !is_doomed(d, s->token)); s = s->next)
		;
	if (s != NULL)
		s->refs++;
	pthread_mutex_unlock(&ss->lock);
	return s;
}

/* Sessions end first: what they still try has no effect, and what was at
 * the serial point is over when the rows go. */
static int
finish(struct sessions *ss, struct doomed *d, int why)
{
	struct vfs_slice none = { NULL, 0 };
	struct session *s;
	struct token *t;
	int err = 0, one;

	while ((s = next_session(ss, d)) != NULL) {
		session_end(s, why);
		session_drop(s);
	}
	server_barrier(ss->server);
	while ((t = d->tokens) != NULL) {
		d->tokens = t->next;
		one = row_put(ss, t->number, 0, none);
		if (one < 0 && err == 0)
			err = one;
		free(t);
	}
	return err;
}

/* Mark what comes from those that are marked, under ss->lock. */
static void
mark_children(struct sessions *ss)
{
	struct token *t, *p;

	for (t = ss->tokens; t != NULL; t = t->next)
		if (t->rec.parent != 0 && !t->doomed) {
			p = by_number(ss, t->rec.parent);
			t->doomed = p == NULL || p->doomed;
		}
}

/* Does token come from the one of this number? */
static bool
descends(struct sessions *ss, const struct token *t, uint64_t from)
{
	while (t != NULL && t->number != from && t->rec.parent != 0)
		t = by_number(ss, t->rec.parent);
	return t != NULL && t->number == from;
}

/* Which token the request means; NULL: none that it may take back. */
static struct token *
meant(struct run *r, const struct vfs_revoke *q)
{
	struct sessions *ss = r->s->ss;
	struct token *t;

	if (q->token.n > 0)
		return token_find(ss, q->token);
	t = by_number(ss, q->number);
	if (t == NULL || (r->s->rights & VFS_RIGHT_ADMIN) != 0)
		return t;
	return t->rec.parent != 0 && r->s->token != 0 &&
	    t->number != r->s->token && descends(ss, t, r->s->token) ?
	    t : NULL;
}

/* A session is an administrator's to end. */
static int
revoke_session(struct run *r, uint64_t number)
{
	struct sessions *ss = r->s->ss;
	struct session *s;

	if ((r->s->rights & VFS_RIGHT_ADMIN) == 0)
		return -VFS_NOENT;
	pthread_mutex_lock(&ss->lock);
	for (s = ss->list; s != NULL && s->number != number; s = s->next)
		;
	if (s != NULL)
		s->refs++;
	pthread_mutex_unlock(&ss->lock);
	if (s == NULL)
		return -VFS_NOENT;
	session_end(s, -VFS_REVOKED);
	session_drop(s);
	server_barrier(ss->server);
	return 0;
}

int
session_revoke(struct run *r, void *qp, void *rp)
{
	uint32_t any = VFS_RIGHT_DELEGATE | VFS_RIGHT_ADMIN;
	struct sessions *ss = r->s->ss;
	const struct vfs_revoke *q = qp;
	struct vfs_revoke_reply *rep = rp;
	struct doomed d = { 0 };
	struct token *t;
	int err;

	if ((r->s->rights & any) == 0)
		return run_denied(r, VFS_OP_REVOKE, 0, any);
	if ((q->token.n > 0) == (q->number > 0))
		return -VFS_INVAL;
	if (q->number != 0 && q->number % 2 == 0) {
		rep->revoked = 1;
		return revoke_session(r, q->number);
	}
	pthread_mutex_lock(&ss->lock);
	if ((t = meant(r, q)) != NULL) {
		t->doomed = true;
		mark_children(ss);
		take_tokens(ss, &d);
	}
	pthread_mutex_unlock(&ss->lock);
	if (t == NULL)
		return -VFS_NOENT;
	rep->revoked = d.ntokens;
	err = finish(ss, &d, -VFS_REVOKED);
	return err < 0 ? err : engine_sync(server_engine(ss->server));
}

/* --- the end of their time ----------------------------------------------- */

void
sessions_expire(struct sessions *ss)
{
	int64_t now = sessions_now(ss).sec;
	struct doomed d = { 0 };
	struct token *t;
	bool any = false;

	pthread_mutex_lock(&ss->lock);
	for (t = ss->tokens; t != NULL; t = t->next) {
		t->doomed = t->rec.expires.sec != 0 &&
		    t->rec.expires.sec <= now;
		any = any || t->doomed;
	}
	if (any) {
		mark_children(ss);
		take_tokens(ss, &d);
	}
	pthread_mutex_unlock(&ss->lock);
	if (any)
		(void)finish(ss, &d, -VFS_EXPIRED);
}
