/* Version, auth, attach, flush, clunk: the connection's own messages. */
#include <errno.h>
#include <string.h>

#include "p9_in.h"

#define GROUP_NONE	65534u		/* of whom nobody knows */

static bool
is_text(struct vfs_slice s, const char *text)
{
	return s.n == strlen(text) && memcmp(s.p, text, s.n) == 0;
}

/* Runs alone on its connection. */
int
p9_do_version(struct p9_req *q, const struct p9_tversion *t,
    struct p9_rversion *r)
{
	struct p9_conn *c = q->c;
	bool known = is_text(t->version, P9_VERSION);

	if (t->msize < P9_MSIZE_MIN)
		return EMSGSIZE;
	p9_fid_clunk_all(c);
	r->msize = t->msize < P9_MSIZE_MAX ? t->msize : P9_MSIZE_MAX;
	r->version.p = known ? P9_VERSION : "unknown";
	r->version.n = strlen(r->version.p);
	atomic_store(&c->msize, r->msize);
	atomic_store(&c->versioned, known);
	return 0;
}

/* The transport says who it is. */
int
p9_do_auth(struct p9_req *q, const struct p9_tauth *t, struct p9_rauth *r)
{
	(void)q, (void)t, (void)r;
	return ENOENT;			/* "not required", to Linux and diod */
}

/* --- attach ------------------------------------------------------------- */

int
p9_refused(struct p9_conn *c, int err)
{
	const struct p9_peer *w = &c->peer;
	struct session_who who = { .transport = w->tcp ? "9p-tcp" : "9p",
	    .has_cred = !w->tcp, .uid = w->uid, .gid = w->gid,
	    .pid = w->pid };

	return session_refused(c->p9->conf.sessions, &who, err);
}

/*
 * A peer acts for itself; root's also for anybody whose number it says.
 * Names (uname) are the client's, and not looked up.
 */
static int
by_identity(struct p9_conn *c, uint32_t n_uname, struct session **out)
{
	const struct p9_peer *w = &c->peer;
	struct session_who who = { .transport = "9p", .has_cred = true,
	    .uid = w->uid, .gid = w->gid, .pid = w->pid,
	    .groups = w->groups, .ngroups = w->ngroups,
	    .vouched = w->anybody };
	const struct user *u;

	if (n_uname != P9_NOUID && n_uname != w->uid) {
		if (!w->anybody)
			return p9_refused(c, -VFS_PERM);
		u = users_find(c->p9->conf.users, n_uname);
		who.uid = n_uname;
		who.gid = u != NULL ? u->gid : GROUP_NONE;
		who.groups = u != NULL ? u->groups : NULL;
		who.ngroups = u != NULL ? u->ngroups : 0;
	}
	return session_new(c->p9->conf.sessions, &who, out);
}

static bool
hex_digit(uint8_t ch, uint8_t *v)
{
	if (ch >= '0' && ch <= '9')
		*v = ch - '0';
	else if (ch >= 'a' && ch <= 'f')
		*v = ch - 'a' + 10;
	else if (ch >= 'A' && ch <= 'F')
		*v = ch - 'A' + 10;
	else
		return false;
	return true;
}

static bool
token_of(struct vfs_slice s, uint8_t token[VFS_TOKEN_BYTES])
{
	const uint8_t *p = s.p;
	uint8_t hi, lo;
	unsigned i;

	if (s.n != 2 * VFS_TOKEN_BYTES)
		return false;
	for (i = 0; i < VFS_TOKEN_BYTES; i++) {
		if (!hex_digit(p[2 * i], &hi) || !hex_digit(p[2 * i + 1], &lo))
			return false;
		token[i] = (uint8_t)(hi << 4 | lo);
	}
	return true;
}

/*
 * The user's name is a token in hexadecimal.  Linux says it once, when it
 * mounts; who attaches to the same connection later has shown it.
 */
static int
by_token(struct p9_conn *c, struct vfs_slice uname, struct session **out)
{
	struct session_who who = { .transport = c->peer.tcp ? "9p-tcp" :
	    "9p", .pid = c->peer.pid };
	struct vfs_attach aq = { 0 };
	struct vfs_attach_reply r;
	uint8_t token[VFS_TOKEN_BYTES];
	int err;

	if (!token_of(uname, token)) {
		pthread_mutex_lock(&c->lock);
		memcpy(token, c->peer.token, sizeof token);
		pthread_mutex_unlock(&c->lock);
	}
	aq.token = (struct vfs_slice){ token, sizeof token };
	err = session_attach(c->p9->conf.sessions, &who, &aq, out, &r);
	if (err < 0)
		return err;
	pthread_mutex_lock(&c->lock);
	memcpy(c->peer.token, token, sizeof token);
	c->peer.has_token = true;
	pthread_mutex_unlock(&c->lock);
	return 0;
}

static int
acting(struct p9_conn *c, const struct p9_tattach *t, struct p9_as **out)
{
	uint8_t token[VFS_TOKEN_BYTES];
	struct session *s;
	bool has;
	int err;

	pthread_mutex_lock(&c->lock);
	has = c->peer.has_token;
	pthread_mutex_unlock(&c->lock);
	if (has || token_of(t->uname, token))
		err = by_token(c, t->uname, &s);
	else if (c->peer.tcp)
		err = p9_refused(c, -VFS_ACCESS);
	else
		err = by_identity(c, t->n_uname, &s);
	if (err < 0)
		return err;
	*out = p9_as_new(s);
	return *out != NULL ? 0 : -VFS_NOMEM;
}

/* The next name of a path; empty ones are skipped. */
static bool
next_name(struct vfs_slice *path, struct vfs_slice *name)
{
	const char *p = path->p, *end = p + path->n, *q;

	while (p < end && *p == '/')
		p++;
	for (q = p; q < end && *q != '/'; q++)
		;
	*name = (struct vfs_slice){ p, (size_t)(q - p) };
	*path = (struct vfs_slice){ q, (size_t)(end - q) };
	return name->n > 0;
}

/* aname is a path from the session's root, walked as who attaches. */
static int
find_root(struct p9_req *q, struct p9_as *as, struct vfs_slice path,
    struct vfs_attr *out)
{
	struct vfs_stat sq = { .id = session_root(as->session) };
	struct vfs_lookup lq = { .dir = sq.id };
	struct vfs_stat_reply sr;
	struct vfs_lookup_reply lr;
	int err;

	if ((err = p9_run(q, as, VFS_OP_STAT, &sq, &sr)) < 0)
		return err;
	*out = sr.attr;
	while (next_name(&path, &lq.name)) {
		lq.dir = out->id;
		if ((err = p9_run(q, as, VFS_OP_LOOKUP, &lq, &lr)) < 0)
			return err;
		*out = lr.attr;
	}
	if (VFS_MODE_TYPE(out->mode) != VFS_DIR)
		return -VFS_NOTDIR;
	session_confine(as->session, out->id, out->parent);
	return 0;
}

int
p9_do_attach(struct p9_req *q, const struct p9_tattach *t,
    struct p9_rattach *r)
{
	struct p9_conn *c = q->c;
	struct p9_as *as;
	struct p9_fid *f;
	struct vfs_attr a;
	int err;

	if (t->afid != P9_NOFID)
		return -VFS_BAD_HANDLE;
	if ((err = acting(c, t, &as)) < 0)
		return err;
	err = find_root(q, as, t->aname, &a);
	if (err == 0) {
		f = p9_fid_new(c->p9, as, &a);
		err = f == NULL ? -VFS_NOMEM :
		    p9_fid_add(c, t->fid, NULL, f);
	}
	if (err == 0) {
		r->qid = p9_qid_of(&a);
		atomic_store(&c->attached, true);
	}
	p9_as_drop(as);
	return err;
}

/* --- flush -------------------------------------------------------------- */

/* Answered after the request that it flushes, which then either was
 * answered or has had no effect. */
int
p9_do_flush(struct p9_req *q, const struct p9_tflush *t,
    struct p9_rflush *r)
{
	struct p9_conn *c = q->c;
	struct locks *locks = c->p9->locks;
	struct p9_req *old;
	uint64_t wait = 0;

	(void)r;
	pthread_mutex_lock(&c->lock);
	for (old = c->active; old != NULL; old = old->next)
		if (old->tag == t->oldtag && old != q)
			break;
	if (old != NULL) {
		q->flush_next = old->flushes;
		old->flushes = q;
		atomic_store(&old->flushed, true);
		wait = old->waits ? old->serial : 0;
	}
	pthread_mutex_unlock(&c->lock);
	if (old == NULL)
		return 0;
	if (wait != 0)			/* q and old may be gone */
		locks_interrupt(locks, wait);
	return P9_LATER;
}

/* --- clunk -------------------------------------------------------------- */

int
p9_do_clunk(struct p9_req *q, const struct p9_tclunk *t,
    struct p9_rclunk *r)
{
	struct p9_fid *f = p9_fid_take(q->c, t->fid);

	(void)r;
	return f == NULL ? -VFS_BAD_HANDLE : p9_fid_clunk(q, f);
}
