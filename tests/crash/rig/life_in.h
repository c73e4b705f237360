/*
 * life_in.h - what the files of a life share
 *
 *	life.c		birth, opening, the ways to stop
 *	life_step.c	one step of a workload
 *	moment.c	what was, when; the watched log
 */
#ifndef CRASH_LIFE_IN_H
#define CRASH_LIFE_IN_H

#include "life.h"

struct vfs_time life_clock(void);
/* Whose appends these are; NULL: nobody's. */
void moment_watch(struct life *l);
/* Forget all of them; the promise has moved on to the newest. */
void moments_clear(struct life *l);
void moments_promised(struct life *l);
/* If something was committed since the last look, remember the moment. */
void moment_look(struct life *l);
/* The model of the newest is known. */
void moment_model(struct life *l);
/* A disk's hook, for the life arg. */
void moment_at_sync(void *arg, struct disk *d, bool after);
int moment_append(void *self, uint64_t pos, const void *p, size_t n);

/* Run one and compare; nothing is judged. */
bool life_run(struct life *l, struct step *st);

/* The ways to stop, with what has to hold after each. */
bool life_killed(struct life *l);
bool life_power_cut(struct life *l);
bool life_closed(struct life *l);
/* A reader that is there for several steps. */
void life_reader_end(struct life *l);

#endif
