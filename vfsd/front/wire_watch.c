/*
 * wire_watch.c - WATCH: peers are told that the journal has something
 *
 * A session hears N_CHANGED once, whatever number of watches have
 * something, and again only after it has called JOURNAL_READ; that also
 * arms its watches again, behind what was read.
 */
#include "wire_in.h"

/* The watch thread's; takes no lock. */
static void
notify(void *arg, uint64_t seq)
{
	struct wire_watch *x = arg;
	struct wire *w = x->ws->c->w;

	x->ws->changed = seq;
	w->tell = true;
	wire_poke(w);
}

/* What a watch may be about is what the session may look at. */
static int
resolve(struct wire_call *k, struct vfs_id *subtree)
{
	struct vfs_stat q = { .id = *subtree };
	struct vfs_stat_reply r;
	int err;

	if ((err = session_state(k->q->s)) < 0 ||
	    (err = session_allows(&k->sc, VFS_RIGHT_WATCH)) < 0)
		return err;
	if (subtree->n == 0) {
		*subtree = session_root(k->q->s);
		return 0;
	}
	if ((err = session_run(&k->sc, VFS_OP_STAT, &q, &r)) == 0)
		*subtree = r.attr.id;
	return err;
}

/* A free place, taken; w->lock is held. */
static struct wire_watch *
place(struct wire_sess *ws)
{
	unsigned i;

	for (i = 0; i < WIRE_WATCHES; i++)
		if (!ws->watches[i].used) {
			ws->watches[i].used = true;
			ws->watches[i].number = 0;
			ws->watches[i].ws = ws;
			return &ws->watches[i];
		}
	return NULL;
}

static void
give_back(struct wire *w, struct wire_watch *x)
{
	pthread_mutex_lock(&w->lock);
	x->used = false;
	pthread_mutex_unlock(&w->lock);
}

/* The place is free when nobody will write to it any more. */
static void
end(struct wire *w, struct wire_watch *x, uint64_t number)
{
	watch_del(w->conf.server, number);
	give_back(w, x);
}

/* From here on it is found, unless the session has ended meanwhile. */
static bool
put(struct wire_call *k, struct wire_watch *x, const struct watch_conf *wc,
    uint64_t number)
{
	bool there;

	pthread_mutex_lock(&k->w->lock);
	there = k->q->ws->s == k->q->s;
	if (there) {
		x->number = number;
		x->subtree = wc->subtree;
		x->seq = wc->seq;
		x->idx = wc->idx;
	}
	pthread_mutex_unlock(&k->w->lock);
	return there;
}

int
wire_own_watch(struct wire_call *k, const void *qp, void *rp)
{
	const struct vfs_watch *q = qp;
	struct vfs_watch_reply *r = rp;
	struct watch_conf wc = { .subtree = q->subtree, .seq = q->seq,
		.idx = q->idx, .mask = q->mask, .notify = notify,
		.foreign = !session_is_own(k->q->s) };
	struct wire_watch *x;
	int err;

	if (q->flags != 0)
		return -VFS_INVAL;
	if ((err = resolve(k, &wc.subtree)) < 0)
		return err;
	pthread_mutex_lock(&k->w->lock);
	x = k->q->ws->s == k->q->s ? place(k->q->ws) : NULL;
	pthread_mutex_unlock(&k->w->lock);
	if (x == NULL)
		return -VFS_QUOTA;
	wc.arg = x;
	err = watch_add(k->w->conf.server, &wc, &r->watch);
	if (err < 0) {
		give_back(k->w, x);
		return err;
	}
	if (!put(k, x, &wc, r->watch)) {
		end(k->w, x, r->watch);
		return -VFS_SESSION_CLOSED;
	}
	r->seq = q->seq;
	r->idx = q->idx;
	return 0;
}

static struct wire_watch *
find(struct wire_sess *ws, uint64_t number)
{
	unsigned i;

	for (i = 0; i < WIRE_WATCHES; i++)
		if (ws->watches[i].used && ws->watches[i].number == number &&
		    number != 0)
			return &ws->watches[i];
	return NULL;
}

int
wire_own_unwatch(struct wire_call *k, const void *qp, void *r)
{
	const struct vfs_unwatch *q = qp;
	struct wire_watch *x;

	(void)r;
	pthread_mutex_lock(&k->w->lock);
	if ((x = find(k->q->ws, q->watch)) != NULL)
		x->number = 0;		/* nobody else ends it */
	pthread_mutex_unlock(&k->w->lock);
	if (x == NULL)
		return -VFS_NOENT;
	end(k->w, x, q->watch);
	return 0;
}

void
wire_watch_end(struct wire_sess *ws)
{
	struct wire *w = ws->c->w;
	struct wire_watch *x;
	uint64_t number;
	unsigned i;

	for (i = 0; i < WIRE_WATCHES; i++) {
		x = &ws->watches[i];
		pthread_mutex_lock(&w->lock);
		number = x->used ? x->number : 0;
		x->number = 0;
		pthread_mutex_unlock(&w->lock);
		if (number != 0)
			end(w, x, number);
	}
	ws->changed = 0;
	ws->told = false;
}

/* Everything that one of the watch's could be among is what was read. */
static bool
covers(const struct wire_watch *x, const struct vfs_journal_read *q)
{
	return q->subtree.n <= VFS_ID_ROOT || q->subtree.n == x->subtree.n;
}

static bool
is_behind(const struct wire_watch *x, const struct vfs_journal_read_reply *r)
{
	return r->seq > x->seq || (r->seq == x->seq && r->idx > x->idx);
}

struct cursor {
	uint64_t number, seq;
	uint32_t idx;
};

/* Where the session's watches go on behind what was read. */
static unsigned
advance(struct wire_call *k, const struct vfs_journal_read *q,
    const struct vfs_journal_read_reply *r, struct cursor *to)
{
	struct wire_watch *x = k->q->ws->watches;
	unsigned n = 0;

	pthread_mutex_lock(&k->w->lock);
	for (; x < k->q->ws->watches + WIRE_WATCHES; x++) {
		if (!x->used || x->number == 0)
			continue;
		if (covers(x, q) && is_behind(x, r)) {
			x->seq = r->seq;
			x->idx = r->idx;
		}
		to[n++] = (struct cursor){ x->number, x->seq, x->idx };
	}
	pthread_mutex_unlock(&k->w->lock);
	return n;
}

/* What a watch finds behind its old cursor meanwhile has been read: all
 * rest until it is sure that none of them will say so. */
void
wire_watch_read(struct wire_call *k, const struct vfs_journal_read *q,
    const struct vfs_journal_read_reply *r)
{
	struct server *s = k->w->conf.server;
	struct wire_sess *ws = k->q->ws;
	struct cursor at[WIRE_WATCHES];
	unsigned i, n = advance(k, q, r, at);

	for (i = 0; i < n; i++)
		watch_rest(s, at[i].number);
	ws->changed = 0;
	ws->told = false;
	for (i = 0; i < n; i++)
		watch_arm(s, at[i].number, at[i].seq, at[i].idx);
	k->w->tell = true;		/* what came since it was told */
	wire_poke(k->w);
}
