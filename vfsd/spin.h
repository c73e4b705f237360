/*
 * spin.h - look a little longer before going to sleep
 *
 * Who sleeps for the next request of a peer that is about to send it makes
 * the peer pay for a wake-up, which takes longer than most requests.  So
 * look again for SPIN_NS, and give the CPU to whoever else wants it at each
 * turn.  If somebody does, this is no time to spin: go to sleep at once, and
 * do so for a while, longer each time.
 *
 *	spin_start(&s);
 *	while (!ready() && spin_more(&s))
 *		;
 *
 * Threads:   a struct spin belongs to one thread.
 */
#ifndef VFSD_SPIN_H
#define VFSD_SPIN_H

#include <sched.h>
#include <stdbool.h>

#include "clock.h"

#define SPIN_NS		50000u
#define SPIN_LOST_NS	30000u		/* the CPU was somebody else's */
#define SPIN_CALM_MIN	1000000u
#define SPIN_CALM_MAX	256000000u

struct spin {
	uint64_t end, last;
	uint64_t calm, calm_until;	/* how long not to spin, until when */
};

static inline void
spin_start(struct spin *s)
{
	s->last = clock_ns();
	s->end = s->last + SPIN_NS;
}

static inline bool
spin_more(struct spin *s)
{
	uint64_t now, last = s->last;

	if (last < s->calm_until || last >= s->end)
		return false;
	sched_yield();
	s->last = now = clock_ns();
	if (now - last < SPIN_LOST_NS) {
		if (now >= s->end)
			s->calm = 0;	/* nobody minded */
		return true;
	}
	s->calm = s->calm == 0 ? SPIN_CALM_MIN : s->calm * 2;
	if (s->calm > SPIN_CALM_MAX)
		s->calm = SPIN_CALM_MAX;
	s->calm_until = now + s->calm;
	return true;			/* a last look */
}

#endif
