/*
 * mem.h - contents of the mem backends
 *
 * They live in this process, keyed by the number of the directory's
 * descriptor, until be_mem_forget: so close and open with the same
 * number find them again, and what a kill -9 would keep is kept.  They
 * are for tests; nothing reaches a disk.
 */
#ifndef BACKENDS_MEM_H
#define BACKENDS_MEM_H

#include "../backends.h"

enum mem_kind {
	MEM_STORE, MEM_LOG, MEM_DATA, MEM_KINDS
};

/* Drop everything kept for dirfd; no backend may have it open. */
void be_mem_forget(int dirfd);

/*
 * For the mem backends: the contents of one kind, 0 or -VFS_NOENT, and
 * their entry by add, which takes p (drop frees it) or gives -VFS_NOMEM.
 */
int mem_find(int dirfd, enum mem_kind kind, void **p);
int mem_add(int dirfd, enum mem_kind kind, void *p, void (*drop)(void *));

#endif
