#include <pthread.h>
#include <sched.h>
#include <semaphore.h>
#include <stdbool.h>
#include <stdlib.h>
#include <unistd.h>

#include "../../protocol/err.h"
#include "fuse_tell.h"

#define TELLERS		4u		/* commits that are told at once */

struct job {
	void (*fn)(void *arg);
	void *arg;
	sem_t done;
	struct job *next;
};

struct fuse_tellers {
	int fd;
	pthread_t thread[TELLERS];
	unsigned n;
	pthread_mutex_t lock;		/* guards all below */
	pthread_cond_t work;
	struct job *first, **last;
	bool stop;
};

/* The next one; NULL: there will be none. */
static struct job *
take(struct fuse_tellers *t)
{
	struct job *j;

	pthread_mutex_lock(&t->lock);
	while (t->first == NULL && !t->stop)
		pthread_cond_wait(&t->work, &t->lock);
	if ((j = t->first) != NULL && (t->first = j->next) == NULL)
		t->last = &t->first;
	pthread_mutex_unlock(&t->lock);
	return j;
}

static void *
teller(void *arg)
{
	struct fuse_tellers *t = arg;
	struct job *j;

	if (unshare(CLONE_FILES) == 0) {	/* else as good as it gets */
		if (t->fd > 0)
			(void)close_range(0, (unsigned)t->fd - 1, 0);
		(void)close_range((unsigned)t->fd + 1, ~0u, 0);
	}
	while ((j = take(t)) != NULL) {
		j->fn(j->arg);
		sem_post(&j->done);
	}
	return NULL;
}

void
fuse_tellers_run(struct fuse_tellers *t, void (*fn)(void *arg), void *arg)
{
	struct job j = { .fn = fn, .arg = arg };

	sem_init(&j.done, 0, 0);
	pthread_mutex_lock(&t->lock);
	*t->last = &j;
	t->last = &j.next;
	pthread_cond_signal(&t->work);
	pthread_mutex_unlock(&t->lock);
	while (sem_wait(&j.done) != 0)
		;			/* a signal */
	sem_destroy(&j.done);
}

int
fuse_tellers_start(int fd, struct fuse_tellers **out)
{
	struct fuse_tellers *t = calloc(1, sizeof *t);

	if (t == NULL)
		return -VFS_NOMEM;
	t->fd = fd;
	t->last = &t->first;
	pthread_mutex_init(&t->lock, NULL);
	pthread_cond_init(&t->work, NULL);
	for (; t->n < TELLERS; t->n++)
		if (pthread_create(&t->thread[t->n], NULL, teller, t) != 0) {
			fuse_tellers_stop(t);
			return -VFS_NOMEM;
		}
	*out = t;
	return 0;
}

void
fuse_tellers_stop(struct fuse_tellers *t)
{
	unsigned i;

	if (t == NULL)
		return;
	pthread_mutex_lock(&t->lock);
	t->stop = true;
	pthread_cond_broadcast(&t->work);
	pthread_mutex_unlock(&t->lock);
	for (i = 0; i < t->n; i++)
		pthread_join(t->thread[i], NULL);
	pthread_cond_destroy(&t->work);
	pthread_mutex_destroy(&t->lock);
	free(t);
}
