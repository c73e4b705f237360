/*
 * fuse_lock.c - locks=shared: fcntl, OFD and flock locks kept here
 *
 * The kernel does not tell when an open file with OFD locks goes, so locks
 * remember the handle they were asked for through: when it is released,
 * what is left of its ranges can only be OFD locks.
 */
#include <errno.h>
#include <fcntl.h>

#include "fuse_lock.h"

static int
lock_of(const struct freq *q, struct lock *out)
{
	const struct fuse_lk_in *in = (const void *)q->body;

	*out = (struct lock){
		.id = freq_id(q), .owner = in->owner, .handle = in->fh,
		.start = in->lk.start, .end = in->lk.end, .pid = in->lk.pid,
		.flock = in->lk_flags & FUSE_LK_FLOCK,
	};
	if (in->lk.type == F_RDLCK)
		out->type = LOCK_SHARED;
	else if (in->lk.type == F_WRLCK)
		out->type = LOCK_EXCL;
	else if (in->lk.type != F_UNLCK)
		return -VFS_INVAL;
	if (out->end > INT64_MAX)
		out->end = INT64_MAX;
	return out->start > out->end ? -VFS_INVAL : 0;
}

int
fuse_do_getlk(struct freq *q)
{
	struct fuse_lk_out out = { .lk = { .type = F_UNLCK } };
	struct lock want, held;
	int err;

	if (q->f->locks == NULL)
		return freq_errno(q, ENOSYS);
	if ((err = lock_of(q, &want)) < 0)
		return err;
	if (locks_test(q->f->locks, &want, &held))
		out.lk = (struct fuse_file_lock){
			.start = held.start, .end = held.end,
			.type = held.type == LOCK_EXCL ? F_WRLCK : F_RDLCK,
			.pid = held.pid,
		};
	freq_reply(q, &out, sizeof out);
	return 0;
}

static int
reply_lock(struct freq *q, int err)
{
	if (err == -VFS_NOMEM)
		return freq_errno(q, ENOLCK);
	if (err < 0)
		return err;
	freq_reply(q, NULL, 0);
	return 0;
}

int
fuse_do_setlk(struct freq *q)
{
	struct lock want;
	int err;

	if (q->f->locks == NULL)
		return freq_errno(q, ENOSYS);
	if ((err = lock_of(q, &want)) < 0)
		return err;
	return reply_lock(q, locks_set(q->f->locks, &want, 0, NULL, NULL));
}

static void
told(void *arg, int err)
{
	freq_done(arg, err == -VFS_NOMEM ? ENOLCK : vfs_err_errno(err));
}

int
fuse_do_setlkw(struct freq *q)
{
	struct freq_later *l;
	struct lock want;
	int err;

	if (q->f->locks == NULL)
		return freq_errno(q, ENOSYS);
	if ((err = lock_of(q, &want)) < 0)
		return err;
	if ((l = freq_later(q)) == NULL)
		return -VFS_NOMEM;
	err = locks_set(q->f->locks, &want, q->h->unique, told, l);
	if (err == 1)
		return 0;		/* the reply is told's */
	freq_not_later(q, l);
	return reply_lock(q, err);
}

/* Only a wait for a lock takes long enough to be interrupted. */
int
fuse_do_interrupt(struct freq *q)
{
	const struct fuse_interrupt_in *in = (const void *)q->body;

	if (q->f->locks != NULL)
		locks_interrupt(q->f->locks, in->unique);
	return 0;
}

void
fuse_locks_flushed(struct freq *q, uint64_t owner)
{
	if (q->f->locks != NULL)
		locks_drop_owner(q->f->locks, freq_id(q), owner, false);
}

void
fuse_locks_released(struct freq *q, const struct fuse_release_in *in)
{
	if (q->f->locks == NULL)
		return;
	if (in->release_flags & FUSE_RELEASE_FLOCK_UNLOCK)
		locks_drop_owner(q->f->locks, freq_id(q), in->lock_owner,
		    true);
	locks_drop_handle(q->f->locks, freq_id(q), 0, in->fh);
}
