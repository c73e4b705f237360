#include <pthread.h>
#include <setjmp.h>
#include <signal.h>
#include <stddef.h>

#include "escape.h"

static _Thread_local jmp_buf *out;
static struct sigaction bus_before, segv_before;

void
escape_now(void)
{
	if (out != NULL)
		longjmp(*out, 1);
}

/* Left alone, a fault comes again, to who had the signal before.  With a code
 * of 0 and below it is none: somebody sent it. */
static void
on_fault(int sig, siginfo_t *info, void *context)
{
	(void)context;
	if (info->si_code > 0)
		escape_now();
	sigaction(sig, sig == SIGBUS ? &bus_before : &segv_before, NULL);
	if (info->si_code <= 0)
		raise(sig);
}

static void
take(int sig, struct sigaction *before)
{
	/* Nothing restores the mask on the way out, so nothing is masked. */
	struct sigaction sa = { .sa_sigaction = on_fault,
		.sa_flags = SA_SIGINFO | SA_NODEFER }, now;

	sigemptyset(&sa.sa_mask);
	if (sigaction(sig, NULL, &now) == 0 && now.sa_sigaction != on_fault &&
	    sigaction(sig, &sa, NULL) == 0)
		*before = now;
}

void
escape_begin(void)
{
	static pthread_mutex_t lock = PTHREAD_MUTEX_INITIALIZER;

	pthread_mutex_lock(&lock);
	take(SIGBUS, &bus_before);
	take(SIGSEGV, &segv_before);
	pthread_mutex_unlock(&lock);
}

int
escape_run(int (*fn)(void *arg), void *arg, int bad)
{
	jmp_buf here;
	int ret;

	if (setjmp(here) != 0) {
		out = NULL;
		return bad;
	}
	out = &here;
	ret = fn(arg);
	out = NULL;
	return ret;
}
