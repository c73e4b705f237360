/*
 * api.c - what a client does in one step, and the host in many
 *
 *	api host DIR [FILES [ENTRIES]]
 *	api vfsd DIR [FILES [ENTRIES]]	DIR is in a mount of vfsd
 *
 * Files of 1 KiB made durably, all at once or each by itself; a hundred
 * replaced, all or nothing; attributes of many objects; a large directory
 * with attributes.  The host does it with system calls, vfsd by libvfs.
 * Prints one line each: its name, a number, its unit; what several lines
 * of the host stand beside is printed under each of their names.
 */
#include <sys/stat.h>

#include <dirent.h>
#include <err.h>
#include <fcntl.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "../../libvfs/vfs.h"
#include "times.h"

#define BYTES		1024u		/* of a file */
#define UPDATED		100u
#define UPDATES		15u
#define PASSES		5u
#define MADE		5000u		/* names of a transaction */
#define PAGE		(1u << 20)

struct api {
	const char *path;
	unsigned files, entries;
	int dir;			/* the host's */
	struct vfs *v;			/* or vfsd's */
	struct vfs_id top;
	uint8_t *pack;			/* operations: VFS_MSG_MAX */
	char data[BYTES];
};

static void
say(const char *name, uint64_t ns, double per, const char *unit)
{
	printf("%s %.3f %s\n", name, (double)ns / per, unit);
	fflush(stdout);
}

/* Other bytes each time, that do not compress. */
static void
fill(struct api *a, uint64_t x)
{
	size_t i;

	for (i = 0; i < sizeof a->data; i += sizeof x) {
		x = x * 6364136223846793005u + 1442695040888963407u;
		memcpy(a->data + i, &x, sizeof x);
	}
}

static void
drop_caches(void)
{
	int fd;

	sync();
	fd = open("/proc/sys/vm/drop_caches", O_WRONLY);
	if (fd < 0 || write(fd, "3", 1) != 1)
		warn("cannot drop caches: cold numbers are warm ones");
	if (fd >= 0)
		close(fd);
}

/* --- the host ------------------------------------------------------------ */

static int
host_sub(struct api *a, const char *name)
{
	int fd;

	if (mkdirat(a->dir, name, 0755) < 0 ||
	    (fd = openat(a->dir, name, O_RDONLY | O_DIRECTORY)) < 0)
		err(1, "%s", name);
	return fd;
}

static void
host_write(struct api *a, int dir, const char *name, bool synced)
{
	int fd = openat(dir, name, O_CREAT | O_TRUNC | O_WRONLY, 0644);

	if (fd < 0 || write(fd, a->data, BYTES) != (ssize_t)BYTES ||
	    (synced && fsync(fd) < 0))
		err(1, "%s", name);
	close(fd);
}

/* As editors and package managers do it. */
static void
host_replace(struct api *a, int dir, const char *name)
{
	char tmp[64];

	snprintf(tmp, sizeof tmp, "%s.tmp", name);
	host_write(a, dir, tmp, true);
	if (renameat(dir, tmp, dir, name) < 0)
		err(1, "rename %s", name);
}

static uint64_t
host_files(struct api *a, int dir, unsigned n, bool each)
{
	uint64_t t0 = clock_ns();
	char name[32];
	unsigned i;

	for (i = 0; i < n; i++) {
		snprintf(name, sizeof name, "file-%05u", i);
		if (each)
			host_replace(a, dir, name);
		else
			host_write(a, dir, name, false);
	}
	if ((each ? fsync(dir) : syncfs(dir)) < 0)
		err(1, "sync");
	return clock_ns() - t0;
}

static void
host_stats(struct api *a, int dir)
{
	uint64_t t[PASSES], t0;
	struct stat st;
	unsigned i, k;
	char name[32];

	for (k = 0; k < PASSES; k++) {
		t0 = clock_ns();
		for (i = 0; i < a->files; i++) {
			snprintf(name, sizeof name, "file-%05u", i);
			if (fstatat(dir, name, &st, AT_SYMLINK_NOFOLLOW) < 0)
				err(1, "%s", name);
		}
		t[k] = clock_ns() - t0;
	}
	say("stat_10k", median(t, PASSES), 1e3 * a->files, "us/each");
}

static uint64_t
host_list(int dir, unsigned want)
{
	uint64_t t0 = clock_ns();
	struct dirent *e;
	struct stat st;
	unsigned n = 0;
	DIR *d;

	if ((d = fdopendir(dup(dir))) == NULL)
		err(1, "directory");
	rewinddir(d);
	while ((e = readdir(d)) != NULL) {
		if (e->d_name[0] == '.')
			continue;
		if (fstatat(dir, e->d_name, &st, AT_SYMLINK_NOFOLLOW) < 0)
			err(1, "%s", e->d_name);
		n++;
	}
	closedir(d);
	if (n != want)
		errx(1, "%u entries, not %u", n, want);
	return clock_ns() - t0;
}

static void
host_lists(struct api *a)
{
	int dir = host_sub(a, "large"), fd;
	uint64_t t[PASSES];
	char name[32];
	unsigned i;

	for (i = 0; i < a->entries; i++) {
		snprintf(name, sizeof name, "entry-%06u", i);
		fd = openat(dir, name, O_CREAT | O_EXCL | O_WRONLY, 0644);
		if (fd < 0)
			err(1, "%s", name);
		close(fd);
	}
	drop_caches();
	say("list_100k_cold", host_list(dir, a->entries), 1e3 * a->entries,
	    "us/entry");
	for (i = 0; i < PASSES; i++)
		t[i] = host_list(dir, a->entries);
	say("list_100k", median(t, PASSES), 1e3 * a->entries, "us/entry");
	close(dir);
}

static void
host(struct api *a)
{
	uint64_t t[UPDATES];
	int one, each;
	unsigned i;

	if ((a->dir = open(a->path, O_RDONLY | O_DIRECTORY)) < 0)
		err(1, "%s", a->path);
	one = host_sub(a, "one");
	each = host_sub(a, "each");
	sync();
	say("files_sync", host_files(a, one, a->files, false), 1e6, "ms");
	say("files_each", host_files(a, each, a->files, true), 1e6, "ms");
	for (i = 0; i < UPDATES; i++) {
		fill(a, i);
		t[i] = host_files(a, each, UPDATED, true);
	}
	say("update_100", median(t, UPDATES), 1e6, "ms");
	host_stats(a, one);
	host_lists(a);
	close(one);
	close(each);
}

/* --- libvfs -------------------------------------------------------------- */

static void
must(struct api *a, int64_t e, const char *what)
{
	if (e < 0)
		errx(1, "%s: %s (operation %u)", what, vfs_strerror((int)e),
		    a->v == NULL ? 0 : vfs_failure(a->v)->op_index);
}

static struct vfs_id
sub(struct api *a, const char *name)
{
	struct vfs_attr at;

	must(a, vfs_mkdir(a->v, NULL, a->top, name, 0755, &at), name);
	return at.id;
}

/* All of them in one transaction, on stable media when it returns. */
static uint64_t
files(struct api *a, struct vfs_id *ids)
{
	struct vfs_id dir = sub(a, "one");
	struct vfs_result *r = calloc(2 * a->files, sizeof *r);
	struct vfs_pack p;
	char name[32];
	uint64_t t0;
	unsigned i;

	if (r == NULL)
		err(1, NULL);
	t0 = clock_ns();
	vfs_pack_begin(&p, a->v, a->pack, VFS_MSG_MAX, NULL, 0);
	for (i = 0; i < a->files; i++) {
		snprintf(name, sizeof name, "file-%05u", i);
		vfs_pack_file(&p, dir, name, 0644, a->data, BYTES);
	}
	must(a, vfs_pack_exec(&p, VFS_TX_STABLE, NULL, r, 2 * a->files,
	    NULL), "files");
	t0 = clock_ns() - t0;
	for (i = 0; i < a->files; i++)
		ids[i] = r[2 * i].id;
	free(r);
	return t0;
}

static uint64_t
update(struct api *a, const struct vfs_id *ids)
{
	uint64_t t0 = clock_ns();
	struct vfs_pack p;
	unsigned i;

	vfs_pack_begin(&p, a->v, a->pack, VFS_MSG_MAX, NULL, 0);
	for (i = 0; i < UPDATED; i++)
		vfs_pack_write(&p, ids[i], 0, a->data, BYTES);
	must(a, vfs_pack_exec(&p, VFS_TX_STABLE, NULL, NULL, 0, NULL),
	    "update");
	return clock_ns() - t0;
}

static void
stats(struct api *a, const struct vfs_id *ids)
{
	struct vfs_found *f = calloc(a->files, sizeof *f);
	uint64_t t[PASSES], t0;
	unsigned i, k;

	if (f == NULL)
		err(1, NULL);
	for (k = 0; k < PASSES; k++) {
		t0 = clock_ns();
		must(a, vfs_stat_batch(a->v, NULL, ids, a->files,
		    VFS_WANT_STAT, f), "stat");
		t[k] = clock_ns() - t0;
		for (i = 0; i < a->files; i++)
			if (f[i].err < 0 || f[i].attr.size != BYTES)
				errx(1, "stat %u", i);
	}
	say("stat_10k", median(t, PASSES), 1e3 * a->files, "us/each");
	free(f);
}

static uint64_t
list(struct api *a, struct vfs_id dir)
{
	static _Alignas(8) char page[PAGE];
	struct vfs_stream s = { .dir = dir };
	const struct vfs_dent *d;
	uint64_t t0 = clock_ns(), size = 0;
	unsigned n = 0;
	int64_t got, at;

	while ((got = vfs_getdents(a->v, NULL, &s, page, sizeof page,
	    VFS_WANT_ATTR)) > 0)
		for (at = 0; at < got; at += d->d_reclen) {
			d = (const void *)(page + at);
			if (d->d_name[0] == '.')
				continue;
			n++;
			size += d->d_attr != NULL ? d->d_attr->size : 1;
		}
	must(a, got, "list");
	if (n != a->entries || size != 0)
		errx(1, "%u entries, %lu bytes", n, (unsigned long)size);
	return clock_ns() - t0;
}

static void
lists(struct api *a)
{
	struct vfs_id dir = sub(a, "large");
	uint64_t t[PASSES];
	struct vfs_pack p;
	char name[32];
	unsigned i = 0;

	while (i < a->entries) {
		vfs_pack_begin(&p, a->v, a->pack, VFS_MSG_MAX, NULL, 0);
		do {
			snprintf(name, sizeof name, "entry-%06u", i);
			vfs_pack_file(&p, dir, name, 0644, NULL, 0);
		} while (++i % MADE != 0 && i < a->entries);
		must(a, vfs_pack_exec(&p, VFS_TX_VISIBLE, NULL, NULL, 0,
		    NULL), "entries");
	}
	drop_caches();
	say("list_100k_cold", list(a, dir), 1e3 * a->entries, "us/entry");
	for (i = 0; i < PASSES; i++)
		t[i] = list(a, dir);
	say("list_100k", median(t, PASSES), 1e3 * a->entries, "us/entry");
}

static void
vfsd(struct api *a)
{
	struct vfs_id *ids = calloc(a->files, sizeof *ids);
	uint64_t t[UPDATES], ns;
	struct vfs_attr at;
	unsigned i;

	a->pack = malloc(VFS_MSG_MAX);
	if (a->pack == NULL || ids == NULL)
		err(1, NULL);
	must(a, vfs_connect(a->path, NULL, &a->v), a->path);
	must(a, vfs_mkdir(a->v, NULL, vfs_root(a->v), "api", 0755, &at),
	    "api");
	a->top = at.id;
	sync();
	must(a, vfs_sync(a->v, a->top, false, NULL), "sync");
	ns = files(a, ids);
	say("files_sync", ns, 1e6, "ms");
	say("files_each", ns, 1e6, "ms");
	for (i = 0; i < UPDATES; i++) {
		fill(a, i);
		t[i] = update(a, ids);
	}
	say("update_100", median(t, UPDATES), 1e6, "ms");
	stats(a, ids);
	lists(a);
	vfs_disconnect(a->v);
	free(ids);
	free(a->pack);
}

int
main(int argc, char **argv)
{
	struct api a = { .files = 10000, .entries = 100000 };

	if (argc < 3)
		errx(2, "usage: api host|vfsd DIR [FILES [ENTRIES]]");
	a.path = argv[2];
	if (argc > 3)
		a.files = (unsigned)atoi(argv[3]);
	if (argc > 4)
		a.entries = (unsigned)atoi(argv[4]);
	if (a.files < UPDATED)
		errx(2, "files: at least %u", UPDATED);
	fill(&a, 1);
	if (strcmp(argv[1], "host") == 0)
		host(&a);
	else
		vfsd(&a);
	return 0;
}
