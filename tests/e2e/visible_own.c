/*
 * visible_own.c - the kernel's own changes of what commits change as well
 *
 * Of all that the kernel takes in, replies to SETATTR and LINK are the only
 * ones that it takes however old they are.
 */
#include <errno.h>
#include <fcntl.h>
#include <pthread.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

#include "probe.h"
#include "visible.h"

#define FILES	4u
#define BASE	1000000000

struct own {
	struct both *b;
	int fd[FILES], away;
	bool links;
	_Atomic uint64_t seen[FILES], n, bad, changes;
	_Atomic bool stop;
};

static void *
watch(void *arg)
{
	struct own *s = arg;
	uint64_t floor, was;
	struct stat st;
	int64_t got;
	unsigned i;

	for (i = 0; !atomic_load(&s->stop); i = (i + 1) % FILES) {
		floor = atomic_load(&s->seen[i]);
		got = fstat(s->fd[i], &st) != 0 ? -1 :
		    st.st_mtim.tv_sec - BASE;
		atomic_fetch_add(&s->n, 1);
		if (got < (int64_t)floor) {
			if (atomic_fetch_add(&s->bad, 1) < 5)
				printf("# f%u: %ld after %lu\n", i,
				    (long)got, (unsigned long)floor);
			continue;
		}
		was = floor;
		while ((int64_t)was < got && !atomic_compare_exchange_weak(
		    &s->seen[i], &was, (uint64_t)got))
			;
	}
	return NULL;
}

/* Neither touches what is looked at. */
static void *
change(void *arg)
{
	struct own *s = arg;
	char name[16];
	unsigned i;

	for (i = 0; !atomic_load(&s->stop); i++) {
		snprintf(name, sizeof name, "f%u", i % FILES);
		if (!s->links) {
			if (fchmod(s->fd[i % FILES], 0600 + i % 64) != 0)
				die("fchmod");
		/* The kernel counts links down by itself, beside replies that
		 * say so as well: for a moment it may believe that it is 0. */
		} else if (linkat(s->b->dfd, name, s->away, name, 0) == 0) {
			unlinkat(s->away, name, 0);
		} else if (errno != ENOENT) {
			die("link");
		}
		atomic_fetch_add(&s->changes, 1);
	}
	return NULL;
}

int
visible_own(struct both *b, unsigned ms, unsigned threads, const char *how)
{
	uint64_t end = clock_ns() + ms * 1000000ull, gen = 0;
	struct own s = { .b = b, .links = how[0] == 'l' };
	struct vfs_setattr q = { .valid = VFS_SET_MTIME };
	struct vfs_id id[FILES];
	pthread_t th[64];
	char name[16];
	unsigned i, n;

	for (i = 0; i < FILES; i++) {
		snprintf(name, sizeof name, "f%u", i);
		id[i] = vfp_create(&b->c, b->dir, name, S_IFREG | 0644);
		wire_setattr(b, id[i], VFS_SET_MTIME, 0, BASE);
		if ((s.fd[i] = openat(b->dfd, name, O_RDONLY)) < 0)
			die(name);
	}
	vfp_create(&b->c, b->dir, "away", S_IFDIR | 0777);
	s.away = openat(b->dfd, "away", O_RDONLY | O_DIRECTORY);
	for (n = 0; n < threads && n < 63; n++)
		pthread_create(&th[n], NULL, watch, &s);
	if (how[0] != 'n')
		pthread_create(&th[n++], NULL, change, &s);
	while (clock_ns() < end) {
		q.mtime.sec = BASE + (int64_t)++gen;
		for (i = 0; i < FILES; i++) {
			q.id = id[i];
			vfp_add(&b->c, VFS_OP_SETATTR, &q);
		}
		if (vfp_exec(&b->c) < 0)
			die("commit");
	}
	atomic_store(&s.stop, true);
	while (n > 0)
		pthread_join(th[--n], NULL);
	printf("# %lu commits, %lu own changes (%s), %lu looks\nwrong %lu\n",
	    (unsigned long)gen, (unsigned long)s.changes, how,
	    (unsigned long)s.n, (unsigned long)s.bad);
	for (i = 0; i < FILES; i++)
		close(s.fd[i]);
	close(s.away);
	return s.bad > 0;
}
