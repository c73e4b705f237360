/* Fids: numbers that a client gave to objects, and on whose behalf. */
#include <stdlib.h>
#include <string.h>

#include "p9_in.h"

#define SLOTS_MIN	64u

struct p9_fid_slot {
	uint32_t number;
	bool dead;			/* was one; the search goes on */
	struct p9_fid *f;
};

/* --- whose -------------------------------------------------------------- */

struct p9_as *
p9_as_new(struct session *s)
{
	struct p9_as *as = calloc(1, sizeof *as);

	if (as == NULL) {
		session_close(s);
		session_drop(s);
		return NULL;
	}
	*as = (struct p9_as){ .refs = 1, .session = s };
	return as;
}

struct p9_as *
p9_as_hold(struct p9_as *as)
{
	atomic_fetch_add(&as->refs, 1);
	return as;
}

void
p9_as_drop(struct p9_as *as)
{
	if (as == NULL || atomic_fetch_sub(&as->refs, 1) != 1)
		return;
	session_close(as->session);
	session_drop(as->session);
	free(as);
}

/* --- one ---------------------------------------------------------------- */

struct p9_fid *
p9_fid_new(struct p9 *p, struct p9_as *as, const struct vfs_attr *a)
{
	struct p9_fid *f = calloc(1, sizeof *f);

	if (f == NULL)
		return NULL;
	f->refs = 1;
	f->p9 = p;
	f->as = p9_as_hold(as);
	f->id = f->ref = a->id;
	f->type = VFS_MODE_TYPE(a->mode);
	f->serial = p9_serial(p);
	server_hold(p->conf.server, f->id, 1);
	atomic_fetch_add(&p->fids, 1);
	return f;
}

void
p9_fid_handle(struct p9_fid *f, uint64_t handle)
{
	f->ref.n = handle;
	server_drop(f->p9->conf.server, f->id, 1);	/* it holds too */
}

static bool
has_handle(const struct p9_fid *f)
{
	return f->ref.n != f->id.n;
}

int
p9_fid_like(struct p9_req *q, struct p9_fid *f, struct p9_fid **out)
{
	struct vfs_attr a = { .id = f->id, .mode = VFS_TYPE_MODE(f->type) };
	struct vfs_dup dq = { .id = f->ref };
	struct vfs_dup_reply r = { 0 };
	struct p9_fid *n;
	int err = 0;

	if (has_handle(f) &&
	    (err = p9_run(q, f->as, VFS_OP_DUP, &dq, &r)) < 0)
		return err;
	n = p9_fid_new(f->p9, f->as, &a);
	if (n == NULL && r.handle != 0)
		p9_close(f->as, r.handle);
	if (n == NULL)
		return -VFS_NOMEM;
	if (r.handle != 0)
		p9_fid_handle(n, r.handle);
	*out = n;
	return 0;
}

int
p9_fid_name(struct p9_fid *f, struct vfs_id dir, struct vfs_slice name)
{
	char *copy;

	if (name.n == 0)
		return 0;
	if ((copy = malloc(name.n)) == NULL)
		return -VFS_NOMEM;
	memcpy(copy, name.p, name.n);
	free((void *)(uintptr_t)f->name.p);
	f->dir = dir;
	f->name = (struct vfs_slice){ copy, name.n };
	return 0;
}

void
p9_fid_hold(struct p9_fid *f)
{
	atomic_fetch_add(&f->refs, 1);
}

void
p9_fid_drop(struct p9_fid *f)
{
	if (f == NULL || atomic_fetch_sub(&f->refs, 1) != 1)
		return;
	if (has_handle(f))
		p9_close(f->as, f->ref.n);
	else
		server_drop(f->p9->conf.server, f->id, 1);
	atomic_fetch_sub(&f->p9->fids, 1);
	p9_as_drop(f->as);
	free((void *)(uintptr_t)f->name.p);
	free(f->bytes);
	free(f);
}

/* --- the table; all under the connection's lock ------------------------- */

static uint32_t
place(const struct p9_fids *t, uint32_t number)
{
	return (uint32_t)((number * 0x9e3779b97f4a7c15ull) >> 32) &
	    (t->cap - 1);
}

static struct p9_fid_slot *
find(const struct p9_fids *t, uint32_t number)
{
	struct p9_fid_slot *s;
	uint32_t i;

	if (t->cap == 0)
		return NULL;
	for (i = place(t, number);; i = (i + 1) & (t->cap - 1)) {
		s = &t->slot[i];
		if (s->f == NULL && !s->dead)
			return NULL;
		if (s->f != NULL && s->number == number)
			return s;
	}
}

static void
put(struct p9_fids *t, uint32_t number, struct p9_fid *f)
{
	uint32_t i = place(t, number);

	while (t->slot[i].f != NULL)
		i = (i + 1) & (t->cap - 1);
	if (t->slot[i].dead)
		t->dead--;
	t->slot[i] = (struct p9_fid_slot){ .number = number, .f = f };
	t->n++;
}

/* At most half of the slots are in use, dead ones counted. */
static int
make_room(struct p9_fids *t)
{
	struct p9_fids big = { .cap = SLOTS_MIN };
	uint32_t i;

	if ((t->n + t->dead + 1) * 2 <= t->cap)
		return 0;
	while (big.cap < (t->n + 1) * 4)
		big.cap *= 2;
	if ((big.slot = calloc(big.cap, sizeof *big.slot)) == NULL)
		return -VFS_NOMEM;
	for (i = 0; i < t->cap; i++)
		if (t->slot[i].f != NULL)
			put(&big, t->slot[i].number, t->slot[i].f);
	free(t->slot);
	*t = big;
	return 0;
}

struct p9_fid *
p9_fid_get(struct p9_conn *c, uint32_t number)
{
	struct p9_fid_slot *s;
	struct p9_fid *f = NULL;

	pthread_mutex_lock(&c->lock);
	if ((s = find(&c->fids, number)) != NULL) {
		f = s->f;
		p9_fid_hold(f);
	}
	pthread_mutex_unlock(&c->lock);
	return f;
}

int
p9_fid_add(struct p9_conn *c, uint32_t number, struct p9_fid *old,
    struct p9_fid *f)
{
	struct p9_fid_slot *s;
	struct p9_fid *gone = f;
	int err = 0;

	pthread_mutex_lock(&c->lock);
	s = find(&c->fids, number);
	if (number == P9_NOFID || (s != NULL ? s->f : NULL) != old)
		err = -VFS_BAD_HANDLE;
	else if (s != NULL) {
		gone = s->f;
		s->f = f;
	} else if (c->fids.n >= P9_FIDS_MAX)
		err = -VFS_NOMEM;
	else if ((err = make_room(&c->fids)) == 0) {
		put(&c->fids, number, f);
		gone = NULL;
	}
	pthread_mutex_unlock(&c->lock);
	p9_fid_drop(gone);
	return err;
}

struct p9_fid *
p9_fid_take(struct p9_conn *c, uint32_t number)
{
	struct p9_fid_slot *s;
	struct p9_fid *f = NULL;

	pthread_mutex_lock(&c->lock);
	if ((s = find(&c->fids, number)) != NULL) {
		f = s->f;
		*s = (struct p9_fid_slot){ .dead = true };
		c->fids.n--;
		c->fids.dead++;
	}
	pthread_mutex_unlock(&c->lock);
	return f;
}

/* --- the end ------------------------------------------------------------ */

static int
set_xattr(struct p9_req *q, struct p9_fid *f)
{
	struct vfs_xattr_set sq = { .id = f->ref, .flags = f->xflags,
		.name = f->name, .value = { f->bytes, f->size } };
	struct vfs_xattr_set_reply sr;
	struct vfs_xattr_remove rq = { .id = f->ref, .name = f->name };
	struct vfs_xattr_remove_reply rr;

	if (f->nbytes != f->size)
		return -VFS_INVAL;	/* not all of it has come */
	/* No message removes: Linux replaces by nothing. */
	if (f->size == 0 && (f->xflags & VFS_XATTR_REPLACE))
		return p9_run(q, f->as, VFS_OP_XATTR_REMOVE, &rq, &rr);
	return p9_run(q, f->as, VFS_OP_XATTR_SET, &sq, &sr);
}

/* What the end of an open file means, whoever brings it about. */
static void
released(struct p9_fid *f)
{
	if (f->kind != P9_OPEN)
		return;
	atomic_store(&f->clunked, true);
	if (atomic_load(&f->locked))
		locks_drop_handle(f->p9->locks, f->id, P9_DOMAIN,
		    f->serial);
}

int
p9_fid_clunk(struct p9_req *q, struct p9_fid *f)
{
	int err = 0;

	if (f->kind == P9_XATTR_WRITE)
		err = set_xattr(q, f);
	released(f);
	p9_fid_drop(f);
	return err;
}

/* Nobody waits for an answer: attributes under way are forgotten. */
void
p9_fid_clunk_all(struct p9_conn *c)
{
	struct p9_fids t;
	uint32_t i;

	pthread_mutex_lock(&c->lock);
	t = c->fids;
	c->fids = (struct p9_fids){ 0 };
	pthread_mutex_unlock(&c->lock);
	for (i = 0; i < t.cap; i++) {
		if (t.slot[i].f == NULL)
			continue;
		released(t.slot[i].f);
		p9_fid_drop(t.slot[i].f);
	}
	free(t.slot);
}
