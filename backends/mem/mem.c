#include <assert.h>
#include <pthread.h>
#include <stdlib.h>

#include "mem.h"

struct entry {
	struct entry *next;
	int dirfd;
	enum mem_kind kind;
	void *p;
	void (*drop)(void *);
};

/*
 * Changeable and file-scope, because it has to outlast every handle: it
 * stands for the disk.  The lock guards the list.
 */
static struct {
	pthread_mutex_t lock;
	struct entry *first;
} disk = { .lock = PTHREAD_MUTEX_INITIALIZER };

int
mem_find(int dirfd, enum mem_kind kind, void **p)
{
	struct entry *e;

	pthread_mutex_lock(&disk.lock);
	for (e = disk.first; e; e = e->next)
		if (e->dirfd == dirfd && e->kind == kind)
			break;
	if (e)
		*p = e->p;
	pthread_mutex_unlock(&disk.lock);
	return e ? 0 : -VFS_NOENT;
}

int
mem_add(int dirfd, enum mem_kind kind, void *p, void (*drop)(void *))
{
	struct entry *e;

	assert(kind < MEM_KINDS);
	if (!(e = malloc(sizeof *e)))
		return -VFS_NOMEM;
	e->dirfd = dirfd;
	e->kind = kind;
	e->p = p;
	e->drop = drop;
	pthread_mutex_lock(&disk.lock);
	e->next = disk.first;
	disk.first = e;
	pthread_mutex_unlock(&disk.lock);
	return 0;
}

void
be_mem_forget(int dirfd)
{
	struct entry **at, *e;

	pthread_mutex_lock(&disk.lock);
	for (at = &disk.first; (e = *at) != NULL; ) {
		if (e->dirfd != dirfd) {
			at = &e->next;
			continue;
		}
		*at = e->next;
		e->drop(e->p);
		free(e);
	}
	pthread_mutex_unlock(&disk.lock);
}
