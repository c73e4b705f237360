/*
 * locks.h - advisory locks that hold across fronts (locks=shared)
 *
 * Ranges as fcntl has them (owned by a process or, OFD, by an open file)
 * and whole-file locks as flock has them; the two kinds do not see each
 * other.  Whoever has to wait is queued and told later, so no thread ever
 * waits here.  A wait that would close a circle of owners is refused.
 *
 * Threads:   any.  told is called without a lock held, by the thread that
 *            let the waiter through.
 */
#ifndef VFSD_LOCKS_H
#define VFSD_LOCKS_H

#include "../../protocol/err.h"
#include "../../protocol/types.h"

#define LOCKS_MAX	(1u << 18)	/* held and waited for, together */

enum lock_type {
	LOCK_NONE,			/* unlock */
	LOCK_SHARED,
	LOCK_EXCL,
};

struct lock {
	struct vfs_id id;
	uint64_t owner;
	uint64_t domain;		/* whose owners: 0 the kernel's, else a
					 * session's number, or 9P's */
	uint64_t handle;		/* through which it was asked for */
	uint64_t start, end;		/* end is the last byte */
	enum lock_type type;
	bool flock;
	uint32_t pid;			/* for those who ask who has it */
};

struct locks;

int locks_new(struct locks **out);
void locks_free(struct locks *t);

/* Held and waited for; for status. */
unsigned locks_count(struct locks *t);

/* The first lock in the way of want; false if there is none. */
bool locks_test(struct locks *t, const struct lock *want, struct lock *out);

/*
 * 0: done.  -VFS_LOCKED: somebody is in the way.  With told, instead: 1,
 * and told(arg, err) comes later (0, or -VFS_INTR), or -VFS_DEADLK.
 * key names the wait for locks_interrupt.  -VFS_NOMEM beyond LOCKS_MAX.
 */
int locks_set(struct locks *t, const struct lock *want, uint64_t key,
    void (*told)(void *arg, int err), void *arg);

/* The wait called key ends with -VFS_INTR, now or when it begins. */
void locks_interrupt(struct locks *t, uint64_t key);
void locks_interrupt_all(struct locks *t);

/* What owner has on id goes: its ranges, or its flock. */
void locks_drop_owner(struct locks *t, struct vfs_id id, uint64_t owner,
    bool flock);
/* All that owners of a domain have goes. */
void locks_drop_domain(struct locks *t, uint64_t domain);
/* All ranges that were asked for through a handle go (OFD locks). */
void locks_drop_handle(struct locks *t, struct vfs_id id, uint64_t domain,
    uint64_t handle);

#endif
