/*
 * visible_first.c - the first looks at what a commit has changed
 *
 * A stat takes no lock in the kernel, which takes an answer in by saying
 * first how long it is good and then what it says.  So all threads look at
 * the same files in the same order, some time after the commit, when nobody
 * has looked yet: whoever meets an answer on its way in must see it all.
 */
#include <fcntl.h>
#include <pthread.h>
#include <stdatomic.h>
#include <stdio.h>
#include <unistd.h>

#include "probe.h"
#include "visible.h"

#define FILES		64u
#define BASE		1000000000
#define PAUSE_US	3000		/* nobody looks for so long */

struct first {
	int fd[FILES];
	uint64_t gen;			/* 0: the end.  Between the barriers */
	pthread_barrier_t begin, end;
	_Atomic uint64_t n, bad;
};

static void
look(struct first *s, unsigned i)
{
	struct stat st;
	int64_t got = fstat(s->fd[i], &st) != 0 ? -1 :
	    st.st_mtim.tv_sec - BASE;

	atomic_fetch_add(&s->n, 1);
	if (got != (int64_t)s->gen && atomic_fetch_add(&s->bad, 1) < 5)
		printf("# f%u: %ld after %lu\n", i, (long)got,
		    (unsigned long)s->gen);
}

static void *
watch(void *arg)
{
	struct first *s = arg;
	unsigned i;

	for (;;) {
		pthread_barrier_wait(&s->begin);
		if (s->gen == 0)
			return NULL;
		for (i = 0; i < FILES; i++)
			look(s, i);
		pthread_barrier_wait(&s->end);
	}
}

static void
commit(struct both *b, const struct vfs_id id[FILES], uint64_t gen)
{
	struct vfs_setattr q = { .valid = VFS_SET_MTIME,
		.mtime.sec = BASE + (int64_t)gen };
	unsigned i;

	for (i = 0; i < FILES; i++) {
		q.id = id[i];
		vfp_add(&b->c, VFS_OP_SETATTR, &q);
	}
	if (vfp_exec(&b->c) < 0)
		die("commit");
}

int
visible_first(struct both *b, unsigned ms, unsigned threads)
{
	uint64_t end = clock_ns() + ms * 1000000ull, gen;
	struct first s = { .gen = 1 };
	struct vfs_id id[FILES];
	pthread_t th[64];
	char name[16];
	unsigned i;

	if (threads > sizeof th / sizeof th[0])
		die("threads");
	for (i = 0; i < FILES; i++) {
		snprintf(name, sizeof name, "f%u", i);
		id[i] = vfp_create(&b->c, b->dir, name, S_IFREG | 0644);
		if ((s.fd[i] = openat(b->dfd, name, O_RDONLY)) < 0)
			die(name);
	}
	pthread_barrier_init(&s.begin, NULL, threads + 1);
	pthread_barrier_init(&s.end, NULL, threads + 1);
	for (i = 0; i < threads; i++)
		pthread_create(&th[i], NULL, watch, &s);
	for (gen = 1; clock_ns() < end; gen++) {
		commit(b, id, gen);
		usleep(PAUSE_US);
		s.gen = gen;
		pthread_barrier_wait(&s.begin);
		pthread_barrier_wait(&s.end);
	}
	s.gen = 0;
	pthread_barrier_wait(&s.begin);
	for (i = 0; i < threads; i++)
		pthread_join(th[i], NULL);
	printf("# %lu commits, %lu looks\nwrong %lu\n", (unsigned long)gen - 1,
	    (unsigned long)s.n, (unsigned long)s.bad);
	for (i = 0; i < FILES; i++)
		close(s.fd[i]);
	return s.bad > 0;
}
