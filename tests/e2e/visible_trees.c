/*
 * visible_trees.c - directories that are exchanged whole, and looked into
 *
 * A tree with the next generation changes places with "cur", and what was
 * there goes.  A path through "cur" never goes back.
 *
 * It is walked in two steps, on any filesystem: who has come into "cur"
 * before an exchange finds nothing there when the old tree has been emptied.
 * Then that exchange was done while it looked; else the name was missing.
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

#define FILES	6u
#define BASE	1000000000

struct trees {
	struct both *b;
	_Atomic uint64_t seen, n, bad, gone;
	_Atomic uint64_t exchanged;	/* the next tree is emptied after it */
	_Atomic bool stop;
};

static void *
look(void *arg)
{
	struct trees *t = arg;
	unsigned seed = (unsigned)clock_ns();
	char name[32], text[32];
	uint64_t floor, was, before;
	int64_t got;
	struct stat st;
	int k, fd;

	while (!atomic_load(&t->stop)) {
		k = rand_r(&seed);
		snprintf(name, sizeof name, "cur/f%u",
		    (unsigned)k / 8 % FILES);
		floor = atomic_load(&t->seen);
		before = atomic_load(&t->exchanged);
		if (k % 4 == 0) {
			fd = openat(t->b->dfd, name, O_RDONLY);
			got = fd < 0 ? -errno : read(fd, text, 17) == 16 ?
			    (text[16] = 0, strtol(text, NULL, 16)) : -1;
			close(fd);
		} else {
			got = fstatat(t->b->dfd, name, &st, 0) != 0 ? -errno :
			    st.st_mtim.tv_sec - BASE;
		}
		atomic_fetch_add(&t->n, 1);
		if ((got == -ESTALE || got == -ENOENT) &&
		    atomic_load(&t->exchanged) > before) {
			atomic_fetch_add(&t->gone, 1);
			continue;
		}
		if (got < (int64_t)floor) {
			if (atomic_fetch_add(&t->bad, 1) < 5)
				printf("# %s: %ld after %lu\n", name,
				    (long)got, (unsigned long)floor);
			continue;
		}
		was = atomic_load(&t->seen);
		while ((int64_t)was < got && !atomic_compare_exchange_weak(
		    &t->seen, &was, (uint64_t)got))
			;
	}
	return NULL;
}

/* A tree of its own for each generation: whoever stands in an old one
 * must not see there what is to come. */
static void
make(struct both *b, const char *name, uint64_t gen)
{
	char text[32], f[16];
	struct vfs_create cq = { .dir = b->dir, .mode = S_IFDIR | 0755,
	    .flags = VFS_CREATE_EXCL, .name = vfp_str(name) };
	struct vfs_write wq = { .data = { text, 16 } };
	struct vfs_setattr sq = { .valid = VFS_SET_MTIME,
	    .mtime = { BASE + (int64_t)gen, 0 } };
	unsigned i;

	snprintf(text, sizeof text, "%016lx", (unsigned long)gen);
	vfp_add(&b->c, VFS_OP_CREATE, &cq);
	for (i = 0; i < FILES; i++) {
		snprintf(f, sizeof f, "f%u", i);
		cq.dir.n = VFS_TX_RESULT | 0;
		cq.mode = S_IFREG | 0644;
		cq.name = vfp_str(f);
		wq.id.n = sq.id.n = VFS_TX_RESULT | b->c.nops;
		vfp_add(&b->c, VFS_OP_CREATE, &cq);
		vfp_add(&b->c, VFS_OP_WRITE, &wq);
		vfp_add(&b->c, VFS_OP_SETATTR, &sq);
	}
	if (vfp_exec(&b->c) < 0)
		die("make");
}

static void
clear(struct both *b, const char *name)
{
	struct vfs_unlink q = { .flags = VFS_UNLINK_FILE };
	struct vfs_attr a;
	char f[16];
	unsigned i;

	if (vfp_lookup(&b->c, b->dir, name, &a) < 0)
		die(name);
	q.dir = a.id;
	for (i = 0; i < FILES; i++) {
		snprintf(f, sizeof f, "f%u", i);
		q.name = vfp_str(f);
		vfp_add(&b->c, VFS_OP_UNLINK, &q);
	}
	q.dir = b->dir;
	q.flags = VFS_UNLINK_DIR;
	q.name = vfp_str(name);
	vfp_add(&b->c, VFS_OP_UNLINK, &q);
	if (vfp_exec(&b->c) < 0)
		die("clear");
}

int
visible_trees(struct both *b, unsigned ms, unsigned threads)
{
	uint64_t end = clock_ns() + ms * 1000000ull, gen = 0;
	struct trees t = { .b = b };
	struct vfs_rename q = { .dir = b->dir, .dir2 = b->dir,
	    .flags = VFS_RENAME_EXCHANGE, .name = vfp_str("new"),
	    .name2 = vfp_str("cur") };
	struct vfs_rename_reply r;
	pthread_t th[64];
	unsigned i;

	make(b, "cur", 0);
	for (i = 0; i < threads && i < 64; i++)
		pthread_create(&th[i], NULL, look, &t);
	while (clock_ns() < end) {
		make(b, "new", ++gen);
		vfp_do(&b->c, VFS_OP_RENAME, &q, &r);
		atomic_store(&t.exchanged, gen);
		clear(b, "new");
	}
	atomic_store(&t.stop, true);
	while (i > 0)
		pthread_join(th[--i], NULL);
	printf("# %lu exchanges, %lu looks; %lu were in a tree that was "
	    "exchanged\n# and emptied meanwhile (a path is walked in steps)\n"
	    "wrong %lu\n", (unsigned long)gen, (unsigned long)t.n,
	    (unsigned long)t.gone, (unsigned long)t.bad);
	return t.bad > 0;
}
