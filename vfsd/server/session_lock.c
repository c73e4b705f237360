/*
 * session_lock.c - LOCK, LOCK_TEST: shared with FUSE where locks=shared
 *
 * The table tells waiters later; here the request's thread is one of them,
 * and looks up now and then whether it shall stop.
 */
#include <time.h>

#include "locks.h"
#include "session_in.h"

#define LOOK_UP_MS	20
#define KEY_OF_SESSIONS	(1ull << 63)	/* FUSE's requests are below */

static int
lock_of(struct run *r, const struct vfs_lock *q, struct lock *out)
{
	static const enum lock_type types[] = {
		[VFS_LOCK_SHARED] = LOCK_SHARED,
		[VFS_LOCK_EXCLUSIVE] = LOCK_EXCL,
		[VFS_LOCK_NONE] = LOCK_NONE,
	};
	bool whole = (q->flags & VFS_LOCK_WHOLE) != 0;

	if (q->type < VFS_LOCK_SHARED || q->type > VFS_LOCK_NONE ||
	    (q->flags & ~(VFS_LOCK_WAIT | VFS_LOCK_WHOLE)) != 0 ||
	    (whole && (q->start != 0 || q->len != 0)) ||
	    q->start > VFS_FILE_MAX ||
	    (q->len != 0 && q->len - 1 > VFS_FILE_MAX - q->start))
		return -VFS_INVAL;
	*out = (struct lock){ .id = q->id, .owner = q->owner,
		.domain = r->s->number, .start = q->start,
		.end = q->len == 0 ? VFS_FILE_MAX : q->start + q->len - 1,
		.type = types[q->type], .flock = whole, .pid = r->env.pid };
	return 0;
}

/* --- waiting --------------------------------------------------------------- */

struct wait {
	pthread_mutex_t lock;
	pthread_cond_t wake;
	bool done;
	int err;
};

static void
told(void *arg, int err)
{
	struct wait *w = arg;

	pthread_mutex_lock(&w->lock);
	w->done = true;
	w->err = err;
	pthread_cond_signal(&w->wake);
	pthread_mutex_unlock(&w->lock);
}

static void
wait_a_while(struct wait *w)
{
	struct timespec until;

	clock_gettime(CLOCK_REALTIME, &until);
	until.tv_nsec += LOOK_UP_MS * 1000000;
	if (until.tv_nsec >= 1000000000) {
		until.tv_nsec -= 1000000000;
		until.tv_sec++;
	}
	pthread_cond_timedwait(&w->wake, &w->lock, &until);
}

/* The lock is had after all if it came before the word to stop. */
static int
wait_told(struct run *r, struct wait *w, uint64_t key)
{
	int stop = 0;

	pthread_mutex_lock(&w->lock);
	while (!w->done) {
		wait_a_while(w);
		if (w->done || stop != 0)
			continue;
		pthread_mutex_unlock(&w->lock);
		stop = r->env.stop(r->env.stop_arg);
		if (stop != 0)
			locks_interrupt(server_locks(r->server), key);
		pthread_mutex_lock(&w->lock);
	}
	pthread_mutex_unlock(&w->lock);
	return w->err == -VFS_INTR && stop != 0 ? stop : w->err;
}

static int
set_and_wait(struct run *r, const struct lock *l)
{
	uint64_t key = KEY_OF_SESSIONS |
	    atomic_fetch_add(&r->s->ss->waits, 1);
	struct wait w = { .done = false };
	int err;

	pthread_mutex_init(&w.lock, NULL);
	pthread_cond_init(&w.wake, NULL);
	err = locks_set(server_locks(r->server), l, key, told, &w);
	if (err == 1)
		err = wait_told(r, &w, key);
	pthread_cond_destroy(&w.wake);
	pthread_mutex_destroy(&w.lock);
	return err;
}

/* --- the operations --------------------------------------------------------- */

/* One of these has to be allowed; 0: nothing. */
static uint32_t
lock_needs(const struct lock *l)
{
	if (l->type == LOCK_NONE)
		return 0;
	if (l->flock)
		return VFS_MAY_READ | VFS_MAY_WRITE;
	return l->type == LOCK_EXCL ? VFS_MAY_WRITE : VFS_MAY_READ;
}

/* Only files that are there, and what is seen, can be locked; by who may
 * open them for it, or has. */
static int
lockable(struct run *r, struct vfs_id id, uint32_t any)
{
	struct vfs_access q = { .id = id, .mask = any };
	struct vfs_access_reply rep;
	uint32_t opened = r->f[0].opened, may;
	int err;

	if (r->k->tx != 0)
		return -VFS_UNSUPPORTED;	/* a lock is no part of one */
	if ((err = run_core(r, VFS_OP_ACCESS, &q, &rep)) < 0)
		return err;
	may = rep.granted | (opened & VFS_OPEN_READ ? VFS_MAY_READ : 0) |
	    (opened & VFS_OPEN_WRITE ? VFS_MAY_WRITE : 0);
	return any == 0 || (may & any) != 0 ? 0 : -VFS_ACCESS;
}

int
session_lock(struct run *r, void *qp, void *rep)
{
	struct vfs_lock *q = qp;
	struct lock l;
	int err;

	(void)rep;
	if ((err = run_resolve(r, VFS_OP_LOCK, q)) < 0 ||
	    (err = lock_of(r, q, &l)) < 0 ||
	    (err = lockable(r, q->id, lock_needs(&l))) < 0)
		return err;
	r->s->locked = true;
	err = q->flags & VFS_LOCK_WAIT ? set_and_wait(r, &l) :
	    locks_set(server_locks(r->server), &l, 0, NULL, NULL);
	/* Ended meanwhile: then nobody else lets it go. */
	if (err == 0 && r->s->ended != 0) {
		locks_drop_domain(server_locks(r->server), r->s->number);
		return r->s->ended;
	}
	return err;
}

int
session_lock_test(struct run *r, void *qp, void *rp)
{
	struct vfs_lock_test_reply *rep = rp;
	struct vfs_lock_test *q = qp;
	struct lock want, held;
	struct vfs_lock like;
	int err;

	if ((err = run_resolve(r, VFS_OP_LOCK_TEST, q)) < 0 ||
	    (err = lockable(r, q->id, VFS_MAY_READ | VFS_MAY_WRITE)) < 0)
		return err;
	like = (struct vfs_lock){ q->id, q->owner, q->start, q->len, q->type,
		q->flags };
	if ((err = lock_of(r, &like, &want)) < 0)
		return err;
	*rep = (struct vfs_lock_test_reply){ .type = VFS_LOCK_NONE };
	if (!locks_test(server_locks(r->server), &want, &held))
		return 0;
	rep->start = held.start;
	rep->len = held.end >= VFS_FILE_MAX ? 0 : held.end - held.start + 1;
	rep->type = held.type == LOCK_EXCL ? VFS_LOCK_EXCLUSIVE :
	    VFS_LOCK_SHARED;
	/* Processes are no part of a directory. */
	rep->pid = r->env.root == 0 ? held.pid : 0;
	return 0;
}
