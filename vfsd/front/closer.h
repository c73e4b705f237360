/*
 * closer.h - closes what peers have passed
 *
 * How long close(2) takes is up to who made what is behind a descriptor: a
 * socket may linger over bytes that nobody reads, a file's server may not
 * answer.  And a unix socket brings all those along that were not received
 * from it.  So a thread of its own closes them.  What lingers is
 * interrupted; what hangs all the same keeps this thread only: the rest
 * then stays open, and the end does not wait for it.
 *
 * Threads:   take from any; start and stop from one.  The thread exists
 *            from start on, so a sandbox may forbid clone later.
 * Failure:   0 or a negative vfs_err.
 */
#ifndef FRONT_CLOSER_H
#define FRONT_CLOSER_H

#define CLOSER_MAX	4096u		/* that wait; more stay open */

struct closer;

int closer_start(struct closer **out);
/* Waits half a second for what is not closed yet; NULL is fine. */
void closer_stop(struct closer *c);
/* Takes fd, or -1; without a closer (NULL) it is closed at once. */
void closer_take(struct closer *c, int fd);

#endif
