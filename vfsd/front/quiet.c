#include <signal.h>
#include <stddef.h>

#include "quiet.h"

int
quiet_create(pthread_t *t, void *(*fn)(void *arg), void *arg)
{
	sigset_t all, old;
	int os;

	sigfillset(&all);
	sigdelset(&all, SIGBUS);
	sigdelset(&all, SIGSEGV);
	pthread_sigmask(SIG_SETMASK, &all, &old);
	os = pthread_create(t, NULL, fn, arg);
	pthread_sigmask(SIG_SETMASK, &old, NULL);
	return os;
}
