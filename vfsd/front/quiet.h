/*
 * quiet.h - threads that no signal of the process's reaches
 *
 * Signals are for the program's own threads, but for those that tell of a
 * damaged store (backends/escape.h): blocked, these would end the process.
 */
#ifndef FRONT_QUIET_H
#define FRONT_QUIET_H

#include <pthread.h>

/* pthread_create; 0 or an errno. */
int quiet_create(pthread_t *t, void *(*fn)(void *arg), void *arg);

#endif
