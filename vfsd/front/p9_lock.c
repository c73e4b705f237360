/*
 * p9_lock.c - Tlock and Tgetlock
 *
 * An owner is a process of a client: its number within the client_id, and
 * that within the connection.  Linux sends flock(2) as a lock of the whole
 * range, so here all are ranges.  A lock goes with the fid that took it at
 * the latest.
 */
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "p9_in.h"

/* --- whose -------------------------------------------------------------- */

/* The connection's lock is held. */
static struct p9_client *
new_client(struct p9_conn *c, struct vfs_slice id)
{
	struct p9_client *k;

	if (c->clients == NULL)
		c->clients = calloc(P9_CLIENTS_MAX, sizeof *c->clients);
	if (c->clients == NULL || c->nclients == P9_CLIENTS_MAX)
		return NULL;
	k = &c->clients[c->nclients++];
	k->n = (uint8_t)id.n;
	if (id.n > 0)
		memcpy(k->id, id.p, id.n);
	k->number = atomic_fetch_add(&c->p9->clients, 1) + 1;
	return k;
}

static int
owner_of(struct p9_conn *c, struct vfs_slice id, uint32_t proc,
    uint64_t *out)
{
	struct p9_client *k = NULL;
	unsigned i;

	if (id.n > P9_CLIENT_ID_MAX)
		return -VFS_INVAL;
	pthread_mutex_lock(&c->lock);
	for (i = 0; i < c->nclients && k == NULL; i++)
		if (c->clients[i].n == id.n &&
		    memcmp(c->clients[i].id, id.p, id.n) == 0)
			k = &c->clients[i];
	if (k == NULL)
		k = new_client(c, id);
	if (k != NULL)
		*out = (uint64_t)k->number << 32 | proc;
	pthread_mutex_unlock(&c->lock);
	return k != NULL ? 0 : ENOLCK;
}

static int
lock_of(struct p9_conn *c, struct p9_fid *f, const struct p9_tlock *t,
    struct lock *out)
{
	static const enum lock_type types[] = {
		[P9_RDLCK] = LOCK_SHARED, [P9_WRLCK] = LOCK_EXCL,
		[P9_UNLCK] = LOCK_NONE,
	};

	*out = (struct lock){ .id = f->id, .handle = f->serial,
	    .domain = P9_DOMAIN,
	    .start = t->start, .end = INT64_MAX, .pid = t->proc_id };
	if (f->kind != P9_OPEN)
		return -VFS_BAD_HANDLE;
	if (t->type > P9_UNLCK || t->start > INT64_MAX ||
	    t->length > INT64_MAX)
		return -VFS_INVAL;
	out->type = types[t->type];
	if (t->length > 0 && t->length - 1 <= INT64_MAX - t->start)
		out->end = t->start + (t->length - 1);
	return owner_of(c, t->client_id, t->proc_id, &out->owner);
}

/* --- taking ------------------------------------------------------------- */

/* A fid that went meanwhile takes with it what came too late. */
static void
granted(struct p9_fid *f)
{
	if (atomic_load(&f->clunked))
		locks_drop_handle(f->p9->locks, f->id, P9_DOMAIN,
		    f->serial);
}

static int
status_of(int err, uint8_t *status)
{
	if (err == -VFS_NOMEM)
		return ENOLCK;
	if (err != 0 && err != -VFS_LOCKED)
		return err;
	*status = err == 0 ? P9_LOCK_SUCCESS : P9_LOCK_BLOCKED;
	return 0;
}

static void
told(void *arg, int err)
{
	struct p9_req *q = arg;
	union p9_r r = { 0 };

	if (err == 0)
		granted(q->fid);
	p9_answer(q, status_of(err, &r.lock.status), &r);
}

/* 1: it may wait, and a Tflush from now on ends that; 0: no room for one
 * more; -VFS_INTR: the Tflush has come already. */
static int
may_wait(struct p9_req *q, struct p9_fid *f)
{
	struct p9_conn *c = q->c;
	int ok;

	pthread_mutex_lock(&c->lock);
	ok = c->nwaits < P9_WAITS_MAX && !c->dead && c->version == NULL;
	if (ok && atomic_load(&q->flushed))
		ok = -VFS_INTR;
	if (ok == 1) {
		c->nwaits++;
		q->waits = true;
		q->fid = f;
		p9_fid_hold(f);
	}
	pthread_mutex_unlock(&c->lock);
	return ok;
}

static void
not_waiting(struct p9_req *q)
{
	pthread_mutex_lock(&q->c->lock);
	q->c->nwaits--;
	q->waits = false;
	pthread_mutex_unlock(&q->c->lock);
}

static int
take(struct p9_req *q, struct p9_fid *f, const struct lock *want, bool wait)
{
	struct locks *locks = q->c->p9->locks;
	int err, waits = 0;

	atomic_store(&f->locked, true);
	if (wait && want->type != LOCK_NONE &&
	    (waits = may_wait(q, f)) < 0)
		return waits;
	if (waits == 0) {
		err = locks_set(locks, want, 0, NULL, NULL);
	} else {
		err = locks_set(locks, want, q->serial, told, q);
		if (err == 1)
			return P9_LATER;	/* the answer is told's */
		not_waiting(q);
	}
	if (err == 0)
		granted(f);
	return err;
}

int
p9_do_lock(struct p9_req *q, const struct p9_tlock *t, struct p9_rlock *r)
{
	struct p9_fid *f = p9_fid_get(q->c, t->fid);
	struct lock want;
	int err;

	if (f == NULL)
		return -VFS_BAD_HANDLE;
	if ((err = p9_allows(q, f, VFS_RIGHT_LOCK)) == 0 &&
	    (err = lock_of(q->c, f, t, &want)) == 0) {
		err = take(q, f, &want, t->flags & P9_LOCK_BLOCK);
		if (err != P9_LATER)
			err = status_of(err, &r->status);
	}
	p9_fid_drop(f);
	return err;
}

/* --- asking ------------------------------------------------------------- */

/* Linux asks for UNLCK, whatever it is asked: then for the strongest. */
int
p9_do_getlock(struct p9_req *q, const struct p9_tgetlock *t,
    struct p9_rgetlock *r)
{
	struct p9_fid *f = p9_fid_get(q->c, t->fid);
	struct p9_tlock as = { .type = t->type == P9_UNLCK ? P9_WRLCK :
	    t->type, .start = t->start, .length = t->length,
	    .proc_id = t->proc_id, .client_id = t->client_id };
	struct lock want, held;
	int err;

	if (f == NULL)
		return -VFS_BAD_HANDLE;
	if ((err = p9_allows(q, f, VFS_RIGHT_LOCK)) == 0)
		err = lock_of(q->c, f, &as, &want);
	p9_fid_drop(f);
	if (err != 0)
		return err;
	*r = (struct p9_rgetlock){ .type = P9_UNLCK, .start = t->start,
	    .length = t->length, .proc_id = t->proc_id,
	    .client_id = t->client_id };
	if (locks_test(q->c->p9->locks, &want, &held)) {
		r->type = held.type == LOCK_EXCL ? P9_WRLCK : P9_RDLCK;
		r->start = held.start;
		r->length = held.end >= INT64_MAX ? 0 :
		    held.end - held.start + 1;
		r->proc_id = held.pid;
	}
	return 0;
}
