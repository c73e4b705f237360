/*
 * watch.h - tells who waits that the journal has something for him
 *
 * A watch is a cursor and a filter, as of JOURNAL_READ.  When a record that
 * it lets through is behind the cursor, notify is called, once; then the
 * watch rests until it is armed again, which its owner does when he has
 * read.  Records that are there already count: nothing is missed between
 * reading and arming.  Also told: that the cursor has expired.
 *
 * One thread looks through the journal for all of them; a commit costs one
 * load while nobody waits, and at most a wake-up.
 *
 * Threads:   any.  notify is called by the watch thread, without locks; it
 *            may arm but not delete.  After watch_del it is not called any
 *            more, and is not running: hold no lock there that it takes.
 */
#ifndef VFSD_WATCH_H
#define VFSD_WATCH_H

#include "dispatch.h"

struct watch_conf {
	struct vfs_id subtree;		/* 0, 1: everything */
	uint64_t seq;			/* the cursor */
	uint32_t idx;
	uint32_t mask;			/* 1 << kind; 0: all */
	bool foreign;			/* neither the owner's nor root's */
	/* seq: of a commit with something to read, not older than it. */
	void (*notify)(void *arg, uint64_t seq);
	void *arg;
};

/* -VFS_TX_LIMIT beyond its share (share.h) of VFS_WATCHES_MAX.  *number is never used again. */
int watch_add(struct server *s, const struct watch_conf *conf,
    uint64_t *number);
/* Until it is armed again nobody is notified; it waits for one who is just
 * being. */
void watch_rest(struct server *s, uint64_t number);
/* Wait for what comes behind this cursor; -VFS_NOENT. */
int watch_arm(struct server *s, uint64_t number, uint64_t seq, uint32_t idx);
int watch_del(struct server *s, uint64_t number);

/* For the server. */
struct watches;
int watches_new(struct server *s, struct watches **out);
void watches_free(struct watches *w);	/* NULL is fine */

#endif
