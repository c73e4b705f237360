#include <pthread.h>
#include <signal.h>
#include <stdbool.h>
#include <stdlib.h>
#include <time.h>
#include <unistd.h>

#include "../../protocol/err.h"
#include "../clock.h"
#include "closer.h"
#include "quiet.h"

#define PATIENCE_NS	10000000	/* of one close, then it is told */
#define END_NS		500000000u	/* of stop, for the thread */

struct closer {
	pthread_t thread;
	pthread_mutex_t lock;		/* guards the rest */
	pthread_cond_t wake;
	bool ready, quit, done;
	int err;
	unsigned n;
	int fd[CLOSER_MAX];
};

static void
on_time(int sig)
{
	(void)sig;			/* close(2) was interrupted */
}

/* A signal for this thread, again and again once the timer runs. */
static int
timer_new(timer_t *out)
{
	struct sigaction sa = { .sa_handler = on_time };
	struct sigevent ev = { .sigev_notify = SIGEV_THREAD_ID,
		.sigev_signo = SIGUSR1 };
	sigset_t set;

	ev._sigev_un._tid = gettid();
	sigaction(SIGUSR1, &sa, NULL);	/* no SA_RESTART */
	sigemptyset(&set);
	sigaddset(&set, SIGUSR1);
	pthread_sigmask(SIG_UNBLOCK, &set, NULL);
	return timer_create(CLOCK_MONOTONIC, &ev, out) < 0 ? -VFS_NOMEM : 0;
}

static void
close_one(timer_t timer, int fd)
{
	struct itimerspec on = { { 0, PATIENCE_NS }, { 0, PATIENCE_NS } };
	struct itimerspec off = { { 0, 0 }, { 0, 0 } };

	timer_settime(timer, 0, &on, NULL);
	close(fd);
	timer_settime(timer, 0, &off, NULL);
}

static void *
closer(void *arg)
{
	struct closer *c = arg;
	timer_t timer;
	int fd, err = timer_new(&timer);

	pthread_mutex_lock(&c->lock);
	c->err = err;
	c->ready = true;
	pthread_cond_broadcast(&c->wake);
	while (err == 0 && (c->n > 0 || !c->quit)) {
		if (c->n == 0) {
			pthread_cond_wait(&c->wake, &c->lock);
			continue;
		}
		fd = c->fd[--c->n];
		pthread_mutex_unlock(&c->lock);
		close_one(timer, fd);
		pthread_mutex_lock(&c->lock);
	}
	if (err == 0)
		timer_delete(timer);
	c->done = true;
	pthread_cond_broadcast(&c->wake);
	pthread_mutex_unlock(&c->lock);
	return NULL;
}

static void
closer_free(struct closer *c)
{
	pthread_cond_destroy(&c->wake);
	pthread_mutex_destroy(&c->lock);
	free(c);
}

int
closer_start(struct closer **out)
{
	struct closer *c = calloc(1, sizeof *c);
	int os;

	if (c == NULL)
		return -VFS_NOMEM;
	pthread_mutex_init(&c->lock, NULL);
	pthread_cond_init(&c->wake, NULL);
	os = quiet_create(&c->thread, closer, c);
	if (os != 0) {
		closer_free(c);
		return vfs_err_from_os(os);
	}
	pthread_mutex_lock(&c->lock);
	while (!c->ready)
		pthread_cond_wait(&c->wake, &c->lock);
	pthread_mutex_unlock(&c->lock);
	if (c->err < 0) {
		os = c->err;
		closer_stop(c);
		return os;
	}
	*out = c;
	return 0;
}

void
closer_stop(struct closer *c)
{
	struct timespec until = clock_at(clock_ns() + END_NS);
	bool done;

	if (c == NULL)
		return;
	pthread_mutex_lock(&c->lock);
	c->quit = true;
	pthread_cond_broadcast(&c->wake);
	while (!c->done && pthread_cond_clockwait(&c->wake, &c->lock,
	    CLOCK_MONOTONIC, &until) == 0)
		;
	done = c->done;
	pthread_mutex_unlock(&c->lock);
	if (!done)
		return;			/* it hangs, and c is still its */
	pthread_join(c->thread, NULL);
	closer_free(c);
}

void
closer_take(struct closer *c, int fd)
{
	if (c == NULL && fd >= 0)
		close(fd);
	if (c == NULL || fd < 0)
		return;
	pthread_mutex_lock(&c->lock);
	if (c->n < CLOSER_MAX) {
		c->fd[c->n++] = fd;
		pthread_cond_signal(&c->wake);
	}
	pthread_mutex_unlock(&c->lock);
}
