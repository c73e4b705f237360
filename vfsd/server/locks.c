#include <pthread.h>
#include <stdlib.h>
#include <string.h>

#include "locks.h"

#define BUCKETS	1024u
#define EARLY	64u			/* interrupts that came first */
#define WORK	(1u << 20)		/* locks looked at for a circle */

struct node {
	struct lock l;
	struct node *next;
};

struct waiter {
	struct lock want;
	uint64_t key;
	void (*told)(void *arg, int err);
	void *arg;
	int err;
	struct waiter *next;
	bool seen;			/* while a circle is looked for */
	struct waiter *todo;
};

struct locks {
	pthread_mutex_t lock;		/* all below */
	struct node *held[BUCKETS];	/* by id */
	struct waiter *waiting, **tail;	/* in order of arrival */
	uint64_t early[EARLY];
	unsigned nearly, count;
};

int
locks_new(struct locks **out)
{
	struct locks *t = calloc(1, sizeof *t);

	if (t == NULL)
		return -VFS_NOMEM;
	pthread_mutex_init(&t->lock, NULL);
	t->tail = &t->waiting;
	*out = t;
	return 0;
}

void
locks_free(struct locks *t)
{
	struct node *n, *next;
	unsigned i;

	if (t == NULL)
		return;
	locks_interrupt_all(t);
	for (i = 0; i < BUCKETS; i++)
		for (n = t->held[i]; n != NULL; n = next) {
			next = n->next;
			free(n);
		}
	pthread_mutex_destroy(&t->lock);
	free(t);
}

static struct node **
bucket(struct locks *t, struct vfs_id id)
{
	return &t->held[(id.n * 0x9e3779b97f4a7c15ull) >> 54];
}

static bool
same_who(const struct lock *a, const struct lock *b)
{
	return a->owner == b->owner && a->domain == b->domain;
}

static bool
same_owner(const struct lock *a, const struct lock *b)
{
	return same_who(a, b) && a->flock == b->flock;
}

static bool
overlap(const struct lock *a, const struct lock *b)
{
	return a->id.n == b->id.n && a->flock == b->flock &&
	    a->start <= b->end && b->start <= a->end;
}

static bool
in_the_way(const struct lock *held, const struct lock *want)
{
	return overlap(held, want) && !same_who(held, want) &&
	    (held->type == LOCK_EXCL || want->type == LOCK_EXCL);
}

/* The first, by its place in the file. */
static const struct lock *
blocker(struct locks *t, const struct lock *want)
{
	const struct lock *first = NULL;
	struct node *n;

	if (want->type == LOCK_NONE)
		return NULL;
	for (n = *bucket(t, want->id); n != NULL; n = n->next)
		if (in_the_way(&n->l, want) &&
		    (first == NULL || n->l.start < first->start))
			first = &n->l;
	return first;
}

unsigned
locks_count(struct locks *t)
{
	unsigned n;

	pthread_mutex_lock(&t->lock);
	n = t->count;
	pthread_mutex_unlock(&t->lock);
	return n;
}

bool
locks_test(struct locks *t, const struct lock *want, struct lock *out)
{
	const struct lock *b;

	pthread_mutex_lock(&t->lock);
	if ((b = blocker(t, want)) != NULL)
		*out = *b;
	pthread_mutex_unlock(&t->lock);
	return b != NULL;
}

static struct node *
node_new(struct locks *t, const struct lock *l)
{
	struct node *n = t->count < LOCKS_MAX ? malloc(sizeof *n) : NULL;

	if (n == NULL)
		return NULL;
	n->l = *l;
	t->count++;
	return n;
}

static void
push(struct locks *t, struct node *n)
{
	struct node **b = bucket(t, n->l.id);

	n->next = *b;
	*b = n;
}

/*
 * Make room in what the owner has for [start, end] of l: cut, split or
 * drop.  spare is for the one split there can be; what is unused is left.
 */
static void
carve(struct locks *t, const struct lock *l, struct node **spare)
{
	struct node **at = bucket(t, l->id), *n;

	while ((n = *at) != NULL) {
		if (!same_owner(&n->l, l) || !overlap(&n->l, l)) {
			at = &n->next;
		} else if (n->l.start < l->start && n->l.end > l->end) {
			(*spare)->l = n->l;
			(*spare)->l.start = l->end + 1;
			n->l.end = l->start - 1;
			push(t, *spare);
			*spare = NULL;
			return;		/* nothing else overlaps */
		} else if (n->l.start < l->start) {
			n->l.end = l->start - 1;
			at = &n->next;
		} else if (n->l.end > l->end) {
			n->l.start = l->end + 1;
			at = &n->next;
		} else {
			*at = n->next;
			free(n);
			t->count--;
		}
	}
}

/* l, with the ranges of its owner and type that it meets. */
static struct lock
merged(struct locks *t, const struct lock *l)
{
	struct lock m = *l;
	struct node *n;
	bool more = l->type != LOCK_NONE;

	while (more) {
		more = false;
		for (n = *bucket(t, l->id); n != NULL; n = n->next) {
			if (n->l.id.n != m.id.n || n->l.type != m.type ||
			    !same_owner(&n->l, &m) ||
			    n->l.start > m.end + 1 || m.start > n->l.end + 1 ||
			    (n->l.start >= m.start && n->l.end <= m.end))
				continue;
			if (n->l.start < m.start)
				m.start = n->l.start;
			if (n->l.end > m.end)
				m.end = n->l.end;
			more = true;
		}
	}
	return m;
}

/* Nothing is in the way: take it. */
static int
apply(struct locks *t, const struct lock *want)
{
	struct lock m = merged(t, want), *l = &m;
	struct node *spare = node_new(t, l), *n = NULL;

	if (spare == NULL)
		return -VFS_NOMEM;
	if (l->type != LOCK_NONE && (n = node_new(t, l)) == NULL) {
		free(spare);
		t->count--;
		return -VFS_NOMEM;
	}
	carve(t, l, &spare);
	if (n != NULL)
		push(t, n);
	if (spare != NULL) {
		free(spare);
		t->count--;
	}
	return 0;
}

/* Waiters of the owner of held wait for what stands in the way of others:
 * those not seen yet are put on the list. */
static void
follow(struct locks *t, const struct lock *held, struct waiter **todo,
    unsigned *work)
{
	struct waiter *w;

	for (w = t->waiting; w != NULL && *work < WORK; w = w->next) {
		++*work;
		if (w->seen || w->want.flock || !same_who(&w->want, held))
			continue;
		w->seen = true;
		w->todo = *todo;
		*todo = w;
	}
}

/* Does want wait for l's owner, or (they are in todo then) for others who
 * wait?  Everybody in the way counts, not the first only. */
static bool
waits_for(struct locks *t, const struct lock *want, const struct lock *l,
    struct waiter **todo, unsigned *work)
{
	struct node *n;

	for (n = *bucket(t, want->id); n != NULL; n = n->next) {
		++*work;
		if (!in_the_way(&n->l, want))
			continue;
		if (same_who(&n->l, l))
			return true;
		follow(t, &n->l, todo, work);
	}
	return false;
}

/* Would l's owner wait, over others who wait, for itself?  (A search that
 * gets too long ends: then they wait, and can be interrupted.) */
static bool
deadlock(struct locks *t, const struct lock *l)
{
	struct waiter *todo = NULL, *w;
	unsigned work = 0;
	bool circle;

	if (l->flock)
		return false;
	for (w = t->waiting; w != NULL; w = w->next)
		w->seen = false;
	circle = waits_for(t, l, l, &todo, &work);
	while (!circle && (w = todo) != NULL && work < WORK) {
		todo = w->todo;
		circle = waits_for(t, &w->want, l, &todo, &work);
	}
	return circle;
}

/* Take the waiter at *at out of the queue. */
static struct waiter *
unqueue(struct locks *t, struct waiter **at)
{
	struct waiter *w = *at;

	*at = w->next;
	if (*at == NULL)
		t->tail = at;
	t->count--;
	return w;
}

/* Waiters on id that nothing holds up any more, in a list of their own. */
static struct waiter *
let_through(struct locks *t, struct vfs_id id)
{
	struct waiter **at = &t->waiting, *w, *out = NULL, **end = &out;

	while ((w = *at) != NULL) {
		if (w->want.id.n != id.n || blocker(t, &w->want) != NULL) {
			at = &w->next;
			continue;
		}
		w = unqueue(t, at);
		w->err = apply(t, &w->want);
		w->next = NULL;
		*end = w;
		end = &w->next;
	}
	return out;
}

static void
tell(struct waiter *w)
{
	struct waiter *next;

	for (; w != NULL; w = next) {
		next = w->next;
		w->told(w->arg, w->err);
		free(w);
	}
}

static bool
came_early(struct locks *t, uint64_t key)
{
	unsigned i;

	for (i = 0; i < EARLY; i++)
		if (t->early[i] == key && key != 0) {
			t->early[i] = 0;
			return true;
		}
	return false;
}

static int
queue(struct locks *t, const struct lock *want, uint64_t key,
    void (*told)(void *arg, int err), void *arg)
{
	struct waiter *w;

	if (came_early(t, key))
		return -VFS_INTR;
	if (deadlock(t, want))
		return -VFS_DEADLK;
	if (t->count >= LOCKS_MAX || (w = malloc(sizeof *w)) == NULL)
		return -VFS_NOMEM;
	*w = (struct waiter){ .want = *want, .key = key, .told = told,
	    .arg = arg };
	*t->tail = w;
	t->tail = &w->next;
	t->count++;
	return 1;
}

/* flock(2) that cannot be had at once gives up what it would replace: two
 * who both want more than they share would else wait for each other. */
static struct waiter *
give_up(struct locks *t, const struct lock *want)
{
	struct node *spare = NULL;	/* whole files are never split */
	struct lock all = *want;

	all.start = 0;
	all.end = UINT64_MAX;
	carve(t, &all, &spare);
	return let_through(t, want->id);
}

int
locks_set(struct locks *t, const struct lock *want, uint64_t key,
    void (*told)(void *arg, int err), void *arg)
{
	struct waiter *through = NULL;
	int err;

	pthread_mutex_lock(&t->lock);
	if (want->flock && blocker(t, want) != NULL)
		through = give_up(t, want);
	if (blocker(t, want) == NULL) {
		err = apply(t, want);
		/* An unlock, or a weaker lock in place of a stronger. */
		if (err == 0 && want->type != LOCK_EXCL)
			through = let_through(t, want->id);
	} else if (told == NULL) {
		err = -VFS_LOCKED;
	} else {
		err = queue(t, want, key, told, arg);
	}
	pthread_mutex_unlock(&t->lock);
	tell(through);
	return err;
}

void
locks_interrupt(struct locks *t, uint64_t key)
{
	struct waiter **at, *w = NULL;

	pthread_mutex_lock(&t->lock);
	for (at = &t->waiting; *at != NULL; at = &(*at)->next)
		if ((*at)->key == key) {
			w = unqueue(t, at);
			w->next = NULL;
			w->err = -VFS_INTR;
			break;
		}
	if (w == NULL)
		t->early[t->nearly++ % EARLY] = key;
	pthread_mutex_unlock(&t->lock);
	tell(w);
}

void
locks_interrupt_all(struct locks *t)
{
	struct waiter *w, *all;

	if (t == NULL)
		return;
	pthread_mutex_lock(&t->lock);
	all = t->waiting;
	t->waiting = NULL;
	t->tail = &t->waiting;
	for (w = all; w != NULL; w = w->next) {
		w->err = -VFS_INTR;
		t->count--;
	}
	pthread_mutex_unlock(&t->lock);
	tell(all);
}

/* Drop what match says of id's locks, and let through who can go. */
static void
drop(struct locks *t, const struct lock *like, bool by_handle)
{
	struct node **at, *n;
	struct waiter *through = NULL;
	bool any = false;

	pthread_mutex_lock(&t->lock);
	at = bucket(t, like->id);
	while ((n = *at) != NULL) {
		if (n->l.id.n != like->id.n || n->l.flock != like->flock ||
		    n->l.domain != like->domain ||
		    (by_handle ? n->l.handle != like->handle :
		    n->l.owner != like->owner)) {
			at = &n->next;
			continue;
		}
		*at = n->next;
		free(n);
		t->count--;
		any = true;
	}
	if (any)
		through = let_through(t, like->id);
	pthread_mutex_unlock(&t->lock);
	tell(through);
}

void
locks_drop_owner(struct locks *t, struct vfs_id id, uint64_t owner,
    bool flock)
{
	struct lock like = { .id = id, .owner = owner, .flock = flock };

	drop(t, &like, false);
}

void
locks_drop_handle(struct locks *t, struct vfs_id id, uint64_t domain,
    uint64_t handle)
{
	struct lock like = { .id = id, .domain = domain, .handle = handle };

	drop(t, &like, true);
}

/* The id of some lock of a domain; under the lock. */
static bool
any_of(struct locks *t, uint64_t domain, struct vfs_id *id)
{
	struct node *n;
	unsigned i;

	for (i = 0; i < BUCKETS; i++)
		for (n = t->held[i]; n != NULL; n = n->next)
			if (n->l.domain == domain) {
				*id = n->l.id;
				return true;
			}
	return false;
}

static void
drop_all_of(struct locks *t, struct vfs_id id, uint64_t domain)
{
	struct node **at = bucket(t, id), *n;

	while ((n = *at) != NULL) {
		if (n->l.id.n != id.n || n->l.domain != domain) {
			at = &n->next;
			continue;
		}
		*at = n->next;
		free(n);
		t->count--;
	}
}

void
locks_drop_domain(struct locks *t, uint64_t domain)
{
	struct waiter *through;
	struct vfs_id id;
	bool more;

	do {
		through = NULL;
		pthread_mutex_lock(&t->lock);
		if ((more = any_of(t, domain, &id))) {
			drop_all_of(t, id, domain);
			through = let_through(t, id);
		}
		pthread_mutex_unlock(&t->lock);
		tell(through);
	} while (more);
}
