/*
 * visible_open.c - transactions that stay open, and what the mount feels
 */
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

#include "probe.h"
#include "visible.h"

#define OPEN	64u			/* VFS_TX_OPEN_MAX */
#define SOME	2000000u

static int
ascending(const void *a, const void *b)
{
	const uint32_t *x = a, *y = b;

	return (*x > *y) - (*x < *y);
}

struct times {
	uint32_t *stat, *create;
	size_t n;
};

/* stat and create through the mount for ms; names of their own. */
static void
measure(struct both *b, unsigned ms, char tag, struct times *t)
{
	uint64_t end = clock_ns() + ms * 1000000ull, t0;
	struct stat st;
	char name[32];
	int fd;

	for (t->n = 0; t->n < SOME && (t0 = clock_ns()) < end; t->n++) {
		snprintf(name, sizeof name, "%c%zu", tag, t->n % 512);
		unlinkat(b->dfd, name, 0);
		t0 = clock_ns();
		fd = openat(b->dfd, name, O_WRONLY | O_CREAT, 0644);
		t->create[t->n] = (uint32_t)((clock_ns() - t0) / 100);
		if (fd < 0)
			die(name);
		close(fd);
		t0 = clock_ns();
		fstatat(b->dfd, name, &st, 0);
		t->stat[t->n] = (uint32_t)((clock_ns() - t0) / 100);
	}
	qsort(t->stat, t->n, sizeof *t->stat, ascending);
	qsort(t->create, t->n, sizeof *t->create, ascending);
}

static void
tell(const char *when, const struct times *t)
{
	printf("%s_n %zu\n%s_stat_p99 %u\n%s_create_p99 %u\n", when, t->n,
	    when, t->stat[t->n * 99 / 100], when,
	    t->create[t->n * 99 / 100]);
}

/* Each has read and written in the directory that is measured. */
static void
begin(struct both *b, unsigned i, uint64_t *tx)
{
	struct vfs_tx_begin q = { 0 };
	struct vfs_tx_begin_reply r;
	struct vfs_stat sq = { .id = b->dir };
	struct vfs_create cq = { .dir = b->dir, .mode = S_IFREG | 0644 };
	char name[32];
	int err;

	vfp_do(&b->c, VFS_OP_TX_BEGIN, &q, &r);
	*tx = r.tx;
	snprintf(name, sizeof name, "t%u", i);
	cq.name = vfp_str(name);
	sq.id.n = VFS_TX_RESULT;
	vfp_add(&b->c, VFS_OP_CREATE, &cq);
	vfp_add(&b->c, VFS_OP_STAT, &sq);
	if ((err = vfp_add_to(&b->c, r.tx, 0)) < 0) {
		printf("in a transaction: %s\n", vfs_err_text(err));
		exit(1);
	}
}

int
visible_open(struct both *b, unsigned ms)
{
	struct times t = { malloc(SOME * sizeof(uint32_t)),
	    malloc(SOME * sizeof(uint32_t)), 0 };
	struct vfs_tx_commit cq = { 0 };
	struct vfs_tx_commit_reply cr;
	uint64_t tx[OPEN];
	unsigned i, bad = 0;
	struct stat st;
	char name[32];

	if (t.stat == NULL || t.create == NULL)
		die("memory");
	measure(b, ms, 'x', &t);	/* warm up */
	measure(b, ms, 'x', &t);
	tell("before", &t);
	for (i = 0; i < OPEN; i++)
		begin(b, i, &tx[i]);
	measure(b, ms, 'x', &t);
	tell("open", &t);
	for (i = 0; i < OPEN; i++) {
		snprintf(name, sizeof name, "t%u", i);
		bad += fstatat(b->dfd, name, &st, 0) == 0;
		cq.tx = tx[i];
		vfp_do(&b->c, VFS_OP_TX_COMMIT, &cq, &cr);
		bad += fstatat(b->dfd, name, &st, 0) != 0;
	}
	printf("wrong %u\n", bad);
	return bad > 0;
}
