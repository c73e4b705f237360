/*
 * escape.h - out of code that would end the process over a damaged page
 *
 * Where the host cannot bring in a page of a mapped file (a bad sector, a
 * file that was cut short), touching it is a SIGBUS.  And LMDB believes what
 * stands on a page: where that is nonsense it asserts, or follows it to a
 * SIGSEGV.  In fn, all of these are a result.
 *
 * What fn held then is held for ever: locks, memory, a cursor's place.
 * Threads: any, each by itself; one that blocks these signals dies of them.
 * Outside of fn, they do what they did before.
 */
#ifndef BACKENDS_ESCAPE_H
#define BACKENDS_ESCAPE_H

/* Takes the two signals for the process, if it has not got them: whoever
 * opens what escape_run reads calls it. */
void escape_begin(void);

/* What fn(arg) returns, or bad if it did not come to its end. */
int escape_run(int (*fn)(void *arg), void *arg, int bad);

/* From within fn: to its end.  Returns only outside of any. */
void escape_now(void);

#endif
