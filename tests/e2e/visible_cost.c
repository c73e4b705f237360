/*
 * visible_cost.c - what it costs a commit that the kernel holds what it
 * touches
 */
#include <fcntl.h>
#include <stdio.h>
#include <sys/stat.h>
#include <unistd.h>

#include "probe.h"
#include "visible.h"

#define SMALL	2000u
#define LARGE	10000u

static uint64_t
notices(struct both *b)
{
	return vfp_status(&b->c, "visible.objects") +
	    vfp_status(&b->c, "visible.names") +
	    vfp_status(&b->c, "visible.pages");
}

static void
tell(struct both *b, const char *what, uint64_t t0, uint64_t n0, unsigned n)
{
	double us = (double)(clock_ns() - t0) / 1000;

	printf("%-44s %8.2f us, %5.2f notices each\n", what, us / n,
	    (double)(notices(b) - n0) / n);
}

static void
chmods(struct both *b, const char *name, bool held)
{
	struct vfs_id id = vfp_create(&b->c, b->dir, name, S_IFREG | 0644);
	uint64_t n0 = notices(b), t0;
	struct stat st;
	unsigned i;

	if (held && fstatat(b->dfd, name, &st, 0) != 0)
		die(name);
	t0 = clock_ns();
	for (i = 0; i < SMALL; i++)
		wire_setattr(b, id, VFS_SET_MODE, 0600 + i % 64, 0);
	tell(b, held ? "SETATTR, held" : "SETATTR, not held", t0, n0, SMALL);
}

static void
creates(struct both *b, struct vfs_id dir, const char *what)
{
	uint64_t n0 = notices(b), t0;
	struct vfs_create q = { .dir = dir, .mode = S_IFREG | 0644,
	    .flags = VFS_CREATE_EXCL };
	char name[32];
	unsigned i;

	for (i = 0; i < LARGE; i++) {
		snprintf(name, sizeof name, "n%u", i);
		q.name = vfp_str(name);
		vfp_add(&b->c, VFS_OP_CREATE, &q);
	}
	t0 = clock_ns();
	if (vfp_exec(&b->c) < 0)
		die("creates");
	tell(b, what, t0, n0, LARGE);
}

/* Many names at once come and go where others look. */
int
visible_bulk(struct both *b, unsigned ms)
{
	uint64_t end = clock_ns() + ms * 1000000ull, n = 0;
	struct vfs_unlink q = { .dir = b->dir, .flags = VFS_UNLINK_FILE };
	char name[32];
	unsigned i;

	for (; clock_ns() < end; n++) {
		creates(b, b->dir, "10,000 creates");
		for (i = 0; i < LARGE; i++) {
			snprintf(name, sizeof name, "n%u", i);
			q.name = vfp_str(name);
			vfp_add(&b->c, VFS_OP_UNLINK, &q);
		}
		if (vfp_exec(&b->c) < 0)
			die("unlinks");
	}
	printf("# %lu times\n", (unsigned long)n);
	return 0;
}

int
visible_cost(struct both *b)
{
	struct vfs_id strange = vfp_create(&b->c, b->dir, "strange",
	    S_IFDIR | 0755), known = vfp_create(&b->c, b->dir, "known",
	    S_IFDIR | 0755);
	struct stat st;

	if (fstatat(b->dfd, "known", &st, 0) != 0)
		die("known");
	chmods(b, "a", false);
	chmods(b, "b", true);
	creates(b, strange, "10,000 creates at once, directory not held");
	creates(b, known, "10,000 creates at once, directory held");
	return 0;
}
