/*
 * visible.c - one program, the wire and the mount at once: what is
 * committed there is seen here when the reply is in
 *
 *	probe visible rounds STORE MOUNT N
 *	probe visible readers STORE MOUNT MS THREADS [apart]
 *	probe visible rules STORE MOUNT
 *	probe visible cost STORE MOUNT
 *	probe visible bulk STORE MOUNT MS
 *	probe visible trees STORE MOUNT MS THREADS
 *	probe visible open STORE MOUNT MS
 *	probe visible own STORE MOUNT MS THREADS chmod|link|none
 */
#include <errno.h>
#include <fcntl.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#include "probe.h"
#include "visible.h"

uint64_t
clock_ns(void)
{
	struct timespec ts;

	clock_gettime(CLOCK_MONOTONIC, &ts);
	return (uint64_t)ts.tv_sec * 1000000000u + (uint64_t)ts.tv_nsec;
}

void
both_open(struct both *b, const char *store, const char *mnt,
    const char *name)
{
	static const struct vfs_id root = { VFS_ID_ROOT };
	char path[4096];
	struct vfs_attr a;

	*b = (struct both){ .store = store, .mnt = mnt };
	vfp_open(&b->c, store);
	if (vfp_lookup(&b->c, root, name, &a) == 0)
		b->dir = a.id;
	else
		b->dir = vfp_create(&b->c, root, name, S_IFDIR | 0777);
	snprintf(path, sizeof path, "%s/%s", mnt, name);
	if ((b->dfd = open(path, O_RDONLY | O_DIRECTORY)) < 0)
		die(path);
}

void
both_close(struct both *b)
{
	close(b->dfd);
	vfp_close(&b->c);
}

void
wire_setattr(struct both *b, struct vfs_id id, uint32_t valid,
    uint32_t mode, int64_t mtime)
{
	struct vfs_setattr q = { .id = id, .valid = valid, .mode = mode,
	    .mtime = { mtime, 0 } };
	struct vfs_setattr_reply r;

	vfp_do(&b->c, VFS_OP_SETATTR, &q, &r);
}

/* --- rounds ------------------------------------------------------------------ */

struct rounds {
	struct both *b;
	unsigned long n, bad;
	char name[32], other[32], stage[32];
	struct vfs_id id;
	uint64_t size;
	int fd;				/* open since the file was made */
};

static void
wrong(struct rounds *s, const char *what)
{
	if (s->bad++ < 20)
		printf("round %lu: %s (%s)\n", s->n, what, s->name);
}

/* The mount says what the wire said; mode 0: the name is not there. */
static void
seen(struct rounds *s, const char *name, struct vfs_id id, const char *what)
{
	struct stat st;
	int rc = fstatat(s->b->dfd, name, &st, AT_SYMLINK_NOFOLLOW);

	if (id.n == 0 ? rc == 0 || errno != ENOENT :
	    rc != 0 || st.st_ino != id.n)
		wrong(s, what);
}

static void
seen_dir(struct rounds *s)
{
	struct vfs_stat q = { .id = s->b->dir };
	struct vfs_stat_reply r;
	struct stat st;

	vfp_do(&s->b->c, VFS_OP_STAT, &q, &r);
	if (fstat(s->b->dfd, &st) != 0 ||
	    st.st_mtim.tv_sec != r.attr.mtime.sec ||
	    st.st_mtim.tv_nsec != (long)r.attr.mtime.nsec ||
	    st.st_nlink != r.attr.nlink)
		wrong(s, "directory's times or links");
}

static void
do_create(struct rounds *s)
{
	static const struct vfs_id none;
	unsigned long k = s->n / 8;

	snprintf(s->name, sizeof s->name, "f%lu", k % 64);
	snprintf(s->other, sizeof s->other, "g%lu", k % 64);
	snprintf(s->stage, sizeof s->stage, "h%lu", k % 64);
	seen(s, s->name, none, "it was there before");
	seen(s, s->other, none, "the other was there before");
	if (k % 2 == 0) {
		s->id = vfp_create(&s->b->c, s->b->dir, s->name,
		    S_IFREG | 0644);
		s->fd = openat(s->b->dfd, s->name, O_RDWR);
	} else {			/* the mount's own */
		struct stat st = { 0 };

		s->fd = openat(s->b->dfd, s->name, O_RDWR | O_CREAT | O_EXCL,
		    0644);
		fstat(s->fd, &st);
		s->id.n = st.st_ino;
	}
	s->size = 0;
	if (s->fd < 0)
		wrong(s, "cannot be opened");
	seen(s, s->name, s->id, "created");
	seen_dir(s);
}

static void
do_write(struct rounds *s)
{
	char buf[64] = { 0 }, was[64];
	struct vfs_write q = { .id = s->id, .data = { buf, 20 } };
	struct vfs_write_reply r;
	struct stat st;
	int fd;

	memset(buf, 'a' + (int)(s->n % 26), sizeof buf);
	if (pread(s->fd, was, sizeof was, 0) < 0)	/* its page is there */
		wrong(s, "read before");
	vfp_do(&s->b->c, VFS_OP_WRITE, &q, &r);
	s->size = 20;
	if (fstat(s->fd, &st) != 0 || st.st_size != 20)
		wrong(s, "written: size");
	if (pread(s->fd, was, sizeof was, 0) != 20 ||
	    memcmp(was, buf, 20) != 0)
		wrong(s, "written: an open file's bytes");
	/* Both append. */
	q.flags = VFS_WRITE_APPEND;
	q.data.n = 5;
	vfp_do(&s->b->c, VFS_OP_WRITE, &q, &r);
	fd = openat(s->b->dfd, s->name, O_WRONLY | O_APPEND);
	if (write(fd, "12345", 5) != 5)
		wrong(s, "append");
	close(fd);
	fd = openat(s->b->dfd, s->name, O_RDONLY);
	memcpy(buf + 25, "12345", 5);
	if (read(fd, was, sizeof was) != 30 || memcmp(was, buf, 30) != 0)
		wrong(s, "appended: bytes");
	close(fd);
}

static void
do_chmod(struct rounds *s)
{
	struct stat st;
	uint32_t mode = 0600 + (s->n & 077);

	if (s->n / 8 % 3 == 0)		/* the kernel has just done so */
		fchmodat(s->b->dfd, s->name, 0777, 0);
	wire_setattr(s->b, s->id, VFS_SET_MODE, mode, 0);
	if (fstatat(s->b->dfd, s->name, &st, 0) != 0 ||
	    (st.st_mode & 07777) != mode)
		wrong(s, "mode");
}

static void
do_link(struct rounds *s)
{
	struct vfs_link q = { .dir = s->b->dir, .target = s->id,
	    .name = vfp_str(s->other) };
	struct vfs_link_reply r;
	struct stat st;

	vfp_do(&s->b->c, VFS_OP_LINK, &q, &r);
	seen(s, s->other, s->id, "linked");
	if (fstat(s->fd, &st) != 0 || st.st_nlink != 2)
		wrong(s, "link count");
}

static void
wire_rename(struct rounds *s, const char *from, const char *to,
    uint32_t flags)
{
	struct vfs_rename q = { .dir = s->b->dir, .dir2 = s->b->dir,
	    .flags = flags, .name = vfp_str(from), .name2 = vfp_str(to) };
	struct vfs_rename_reply r;

	vfp_do(&s->b->c, VFS_OP_RENAME, &q, &r);
}

static void
wire_unlink(struct rounds *s, const char *name)
{
	struct vfs_unlink q = { .dir = s->b->dir, .flags = VFS_UNLINK_FILE,
	    .name = vfp_str(name) };
	struct vfs_unlink_reply r;

	vfp_do(&s->b->c, VFS_OP_UNLINK, &q, &r);
}

static void
do_replace(struct rounds *s)
{
	struct vfs_id id = vfp_create(&s->b->c, s->b->dir, s->stage,
	    S_IFREG | 0644);
	static const struct vfs_id none;
	struct stat st;

	seen(s, s->stage, id, "staged");
	wire_rename(s, s->stage, s->name, 0);
	seen(s, s->name, id, "replaced");
	seen(s, s->stage, none, "renamed away");
	seen(s, s->other, s->id, "the other link");
	if (fstat(s->fd, &st) != 0 || st.st_nlink != 1)
		wrong(s, "link count after the replacement");
}

static void
do_exchange(struct rounds *s)
{
	struct vfs_attr a, o;

	if (vfp_lookup(&s->b->c, s->b->dir, s->name, &a) < 0 ||
	    vfp_lookup(&s->b->c, s->b->dir, s->other, &o) < 0)
		die("lookup");
	wire_rename(s, s->name, s->other, VFS_RENAME_EXCHANGE);
	seen(s, s->name, o.id, "exchanged");
	seen(s, s->other, a.id, "exchanged, the other");
}

static void
do_unlink(struct rounds *s)
{
	static const struct vfs_id none;
	struct stat st;

	wire_unlink(s, s->name);
	seen(s, s->name, none, "unlinked");
	if (fstat(s->fd, &st) != 0 || st.st_nlink != 0)
		wrong(s, "link count after unlink");
	seen_dir(s);
}

static void
do_clear(struct rounds *s)
{
	static const struct vfs_id none;

	wire_unlink(s, s->other);
	seen(s, s->other, none, "unlinked, the other");
	close(s->fd);
}

int
visible_rounds(struct both *b, unsigned long n)
{
	static void (*const step[8])(struct rounds *) = {
		do_create, do_write, do_chmod, do_link, do_replace,
		do_exchange, do_unlink, do_clear,
	};
	struct rounds s = { .b = b };

	for (s.n = 0; s.n < n || s.n % 8 != 0; s.n++)
		step[s.n % 8](&s);
	printf("%lu rounds, %lu wrong\n", s.n, s.bad);
	return s.bad > 0;
}

int
visible_main(int argc, char **argv)
{
	const char *dir = getenv("VISIBLE_DIR");
	char name[64];
	struct both b;
	int rc = 2;

	if (argc < 5 && (argc < 4 || (strcmp(argv[1], "rules") != 0 &&
	    strcmp(argv[1], "cost") != 0))) {
		fprintf(stderr, "probe visible: wrong arguments\n");
		return 2;
	}
	setvbuf(stdout, NULL, _IOLBF, 0);
	/* A directory of its own for each run, unless there is one. */
	snprintf(name, sizeof name, "%s%d", argv[1], (int)getpid());
	if (dir != NULL)
		snprintf(name, sizeof name, "%s", dir);
	both_open(&b, argv[2], argv[3], name);
	if (strcmp(argv[1], "rounds") == 0)
		rc = visible_rounds(&b, strtoul(argv[4], NULL, 0));
	if (strcmp(argv[1], "readers") == 0 && argc > 5)
		rc = visible_readers(&b, (unsigned)atoi(argv[4]),
		    (unsigned)atoi(argv[5]), argc > 6);
	if (strcmp(argv[1], "bulk") == 0)
		rc = visible_bulk(&b, (unsigned)atoi(argv[4]));
	if (strcmp(argv[1], "cost") == 0)
		rc = visible_cost(&b);
	if (strcmp(argv[1], "rules") == 0)
		rc = visible_rules(&b);
	if (strcmp(argv[1], "trees") == 0 && argc > 5)
		rc = visible_trees(&b, (unsigned)atoi(argv[4]),
		    (unsigned)atoi(argv[5]));
	if (strcmp(argv[1], "first") == 0 && argc > 5)
		rc = visible_first(&b, (unsigned)atoi(argv[4]),
		    (unsigned)atoi(argv[5]));
	if (strcmp(argv[1], "own") == 0 && argc > 6)
		rc = visible_own(&b, (unsigned)atoi(argv[4]),
		    (unsigned)atoi(argv[5]), argv[6]);
	if (strcmp(argv[1], "open") == 0)
		rc = visible_open(&b, (unsigned)atoi(argv[4]));
	both_close(&b);
	return rc;
}
