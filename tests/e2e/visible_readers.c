/*
 * visible_readers.c - all of a commit or none of it, and never backwards
 *
 * Each commit carries a generation: it replaces files, changes times and
 * bytes of others, and moves a name to and fro.  Whoever has seen it
 * anywhere must see it everywhere, in whatever thread.
 */
#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <pthread.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#include "probe.h"
#include "visible.h"

#define SWAPPED	16u			/* files replaced by each commit */
#define CHANGED	8u			/* files changed in place */
#define STILL	32u			/* files that nobody touches */
#define BASE	1000000000		/* mtime of generation 0 */
#define TEXT	64u
#define STALL_NS	10000000u
#define WARY_US		150000u

enum { STAT_SWAPPED, STAT_CHANGED, FSTAT, LIST, READ_SWAPPED, READ_CHANGED,
    READ_OPEN, ABSENT, KINDS };

static const char *const kinds[KINDS] = {
	"stat of a replaced name", "stat of a changed file", "fstat",
	"readdir with stats", "open, read of a replaced name",
	"open, read of a changed file", "read of an open file",
	"presence and absence",
};

struct run {
	struct both *b;
	int fd[CHANGED];		/* open since before */
	struct vfs_id changed[CHANGED], stage;
	struct vfs_id target;		/* of commits: watched, or apart */
	_Atomic uint64_t seen, committed;
	_Atomic bool stop;
	_Atomic uint64_t n[KINDS], bad[KINDS], stalls, stall_max, own;
	pthread_rwlock_t pause;		/* read by all, written to count */
};

/* --- what readers see --------------------------------------------------------- */

static void
note(struct run *r, unsigned kind, const char *name, uint64_t floor,
    int64_t got)
{
	uint64_t was = atomic_load(&r->seen);

	atomic_fetch_add(&r->n[kind], 1);
	if (got < (int64_t)floor) {
		if (atomic_fetch_add(&r->bad[kind], 1) < 5)
			printf("# %s, %s: %ld after %lu\n", kinds[kind],
			    name, (long)got, (unsigned long)floor);
		return;
	}
	while ((int64_t)was < got &&
	    !atomic_compare_exchange_weak(&r->seen, &was, (uint64_t)got))
		;
}

static uint64_t
floor_of(const struct run *r)
{
	uint64_t a = atomic_load(&r->seen), b = atomic_load(&r->committed);

	return a > b ? a : b;
}

static int64_t
stat_gen(struct run *r, const char *name)
{
	uint64_t t0 = clock_ns(), ns, max;
	struct stat st;
	struct statx sx;
	int rc;

	/* Where nobody commits it asks all the same, to compare times. */
	if (r->target.n != r->b->dir.n && statx(r->b->dfd, name,
	    AT_STATX_FORCE_SYNC, STATX_BASIC_STATS, &sx) != 0)
		die(name);
	rc = fstatat(r->b->dfd, name, &st, 0);
	ns = clock_ns() - t0;
	max = atomic_load(&r->stall_max);
	while (ns > max &&
	    !atomic_compare_exchange_weak(&r->stall_max, &max, ns))
		;
	if (ns > STALL_NS)
		atomic_fetch_add(&r->stalls, 1);
	return rc != 0 ? -errno : st.st_mtim.tv_sec - BASE;
}

/* All copies of the number must agree. */
static int64_t
text_gen(const char *text, ssize_t n)
{
	char one[17];

	if (n != (ssize_t)TEXT)
		return -1000 - n;
	memcpy(one, text, 16);
	one[16] = 0;
	if (memcmp(text, text + 16, 16) != 0 ||
	    memcmp(text, text + 32, 32) != 0)
		return -2;
	return strtol(one, NULL, 16);
}

static void
gen_text(char text[TEXT + 1], uint64_t gen)
{
	snprintf(text, TEXT + 1, "%016lx%016lx%016lx%016lx",
	    (unsigned long)gen, (unsigned long)gen, (unsigned long)gen,
	    (unsigned long)gen);
}

static void
see_stat(struct run *r, unsigned kind, const char *name)
{
	uint64_t floor = floor_of(r);

	note(r, kind, name, floor, stat_gen(r, name));
}

static void
see_read(struct run *r, unsigned kind, const char *name)
{
	uint64_t floor = floor_of(r);
	char text[TEXT + 1];
	int fd = openat(r->b->dfd, name, O_RDONLY);

	note(r, kind, name, floor, fd < 0 ? -errno :
	    text_gen(text, read(fd, text, sizeof text)));
	if (fd >= 0)
		close(fd);
}

static void
see_open(struct run *r, unsigned i)
{
	uint64_t floor = atomic_load(&r->committed);
	char text[TEXT + 1];

	note(r, READ_OPEN, "open", floor, text_gen(text,
	    pread(r->fd[i], text, sizeof text, 0)));
}

static void
see_fstat(struct run *r, unsigned i)
{
	uint64_t floor = floor_of(r);
	struct stat st;

	note(r, FSTAT, "open", floor, fstat(r->fd[i], &st) != 0 ? -errno :
	    st.st_mtim.tv_sec - BASE);
}

/* Between two looks at one generation, exactly its name is there. */
static void
see_absence(struct run *r)
{
	uint64_t floor = floor_of(r);
	int64_t before, after;
	struct stat st;
	bool even, odd;

	before = stat_gen(r, "s0");
	even = fstatat(r->b->dfd, "p0", &st, 0) == 0;
	odd = fstatat(r->b->dfd, "p1", &st, 0) == 0;
	after = stat_gen(r, "s1");
	note(r, ABSENT, "s0", floor, before);
	note(r, ABSENT, "s1", before > 0 ? (uint64_t)before : 0,
	    after);
	if (before == after && (even != (before % 2 == 0) || even == odd)) {
		if (atomic_fetch_add(&r->bad[ABSENT], 1) < 5)
			printf("# generation %ld: p0 %d, p1 %d\n",
			    (long)before, even, odd);
	}
}

static void
see_list(struct run *r)
{
	uint64_t floor = floor_of(r);
	int fd = openat(r->b->dfd, ".", O_RDONLY | O_DIRECTORY);
	DIR *d = fd >= 0 ? fdopendir(fd) : NULL;
	struct dirent *e;
	unsigned swapped = 0, parity = 0;

	if (d == NULL)
		die("opendir");
	while ((e = readdir(d)) != NULL) {
		if (e->d_name[0] == 'p')
			parity++;
		if (e->d_name[0] == 's')
			swapped++;
		if (e->d_name[0] == 's' || e->d_name[0] == 'a') {
			floor = floor_of(r);
			note(r, LIST, e->d_name, floor,
			    stat_gen(r, e->d_name));
		}
	}
	closedir(d);
	if (swapped != SWAPPED || parity != 1) {
		if (atomic_fetch_add(&r->bad[LIST], 1) < 5)
			printf("# listed %u and %u\n", swapped, parity);
	}
}

static void *
reader(void *arg)
{
	struct run *r = arg;
	unsigned seed = (unsigned)(uintptr_t)&seed ^ (unsigned)clock_ns();
	char name[16];
	unsigned k;

	while (!atomic_load(&r->stop)) {
		k = (unsigned)rand_r(&seed);
		pthread_rwlock_rdlock(&r->pause);
		snprintf(name, sizeof name, "s%u", k / 32 % SWAPPED);
		switch (k % 16) {
		case 0: case 1: case 2: case 3:
			see_stat(r, STAT_SWAPPED, name);
			break;
		case 4: case 5:
			see_read(r, READ_SWAPPED, name);
			break;
		case 6: case 7: case 8:
			name[0] = 'a';
			name[1] = (char)('0' + k / 32 % CHANGED);
			name[2] = 0;
			see_stat(r, STAT_CHANGED, name);
			break;
		case 9:
			name[0] = 'a';
			name[1] = (char)('0' + k / 32 % CHANGED);
			name[2] = 0;
			see_read(r, READ_CHANGED, name);
			break;
		case 10: case 11:
			see_fstat(r, k / 32 % CHANGED);
			break;
		case 12: case 13:
			see_open(r, k / 32 % CHANGED);
			break;
		case 14:
			see_absence(r);
			break;
		default:
			see_list(r);
		}
		pthread_rwlock_unlock(&r->pause);
	}
	return NULL;
}

/* --- writers through the mount, beside the commits ----------------------------- */

static void *
writer(void *arg)
{
	struct run *r = arg;
	int d = r->b->dfd, fd;
	unsigned i;

	for (i = 0; !atomic_load(&r->stop); i++) {
		pthread_rwlock_rdlock(&r->pause);
		fd = openat(d, "w0", O_RDWR | O_CREAT, 0644);
		if (fd < 0 || write(fd, "12345678", 8) != 8)
			die("writer: create");
		close(fd);
		if (renameat(d, "w0", d, "w1") != 0 ||
		    linkat(d, "w1", d, "w2", 0) != 0 ||
		    mkdirat(d, "w3", 0755) != 0 ||
		    unlinkat(d, "w3", AT_REMOVEDIR) != 0 ||
		    unlinkat(d, "w1", 0) != 0 || unlinkat(d, "w2", 0) != 0)
			die("writer");
		/* What the commits touch, too; times stay. */
		if (fchmod(r->fd[i % CHANGED], 0600 + i % 64) != 0)
			die("writer: fchmod");
		atomic_fetch_add(&r->own, 1);
		pthread_rwlock_unlock(&r->pause);
	}
	return NULL;
}

/* --- commits -------------------------------------------------------------------- */

static void
stage(struct run *r, uint64_t gen, bool first)
{
	struct vfp *c = &r->b->c;
	char name[32], text[TEXT + 1];
	struct vfs_create cq = { .dir = first ? r->target : r->stage,
	    .mode = S_IFREG | 0644, .flags = VFS_CREATE_EXCL };
	struct vfs_write wq = { .data = { text, TEXT } };
	struct vfs_setattr sq = { .valid = VFS_SET_MTIME,
	    .mtime = { BASE + (int64_t)gen, 0 } };
	unsigned i;

	gen_text(text, gen);
	for (i = 0; i < SWAPPED + (first ? CHANGED : 0); i++) {
		snprintf(name, sizeof name, "%c%u", i < SWAPPED ? 's' : 'a',
		    i < SWAPPED ? i : i - SWAPPED);
		cq.name = vfp_str(name);
		wq.id.n = VFS_TX_RESULT | c->nops;
		sq.id = wq.id;
		vfp_add(c, VFS_OP_CREATE, &cq);
		vfp_add(c, VFS_OP_WRITE, &wq);
		vfp_add(c, VFS_OP_SETATTR, &sq);
	}
	if (vfp_exec(c) < 0)
		die("stage");
}

static void
commit(struct run *r, uint64_t gen)
{
	struct vfp *c = &r->b->c;
	char name[32], text[TEXT + 1];
	struct vfs_rename rq = { .dir = r->stage, .dir2 = r->target };
	struct vfs_write wq = { .data = { text, TEXT } };
	struct vfs_setattr sq = { .valid = VFS_SET_MTIME,
	    .mtime = { BASE + (int64_t)gen, 0 } };
	unsigned i;
	int err;

	stage(r, gen, false);
	gen_text(text, gen);
	for (i = 0; i < SWAPPED; i++) {
		snprintf(name, sizeof name, "s%u", i);
		rq.name = rq.name2 = vfp_str(name);
		vfp_add(c, VFS_OP_RENAME, &rq);
	}
	for (i = 0; i < CHANGED; i++) {
		wq.id = sq.id = r->changed[i];
		vfp_add(c, VFS_OP_WRITE, &wq);
		vfp_add(c, VFS_OP_SETATTR, &sq);
	}
	rq.dir = r->target;
	rq.name = vfp_str(gen % 2 == 0 ? "p1" : "p0");
	rq.name2 = vfp_str(gen % 2 == 0 ? "p0" : "p1");
	vfp_add(c, VFS_OP_RENAME, &rq);
	if ((err = vfp_exec(c)) < 0) {
		printf("# commit: %s\n", vfs_err_text(err));
		die("commit");
	}
	if (r->target.n == r->b->dir.n)
		atomic_store(&r->committed, gen);
}

/* A request is counted when its reply is out already. */
static uint64_t
settled(struct run *r)
{
	uint64_t was, now = vfp_fuse_calls(&r->b->c);
	unsigned same;

	for (same = 0; same < 5; same = was == now ? same + 1 : 0) {
		was = now;
		usleep(2000);
		now = vfp_fuse_calls(&r->b->c);
	}
	return now;
}

/* Right after a commit, with everybody else quiet: what it has not touched
 * costs no request. */
static uint64_t
untouched(struct run *r)
{
	uint64_t before, after;
	struct stat st;
	char name[16];
	unsigned i;

	pthread_rwlock_wrlock(&r->pause);
	/* The directory itself has changed, and who had the first answers,
	 * which are not kept, does not ask again. */
	fstat(r->b->dfd, &st);
	usleep(WARY_US);
	fstat(r->b->dfd, &st);
	faccessat(r->b->dfd, "u0", F_OK, 0);
	before = settled(r);
	for (i = 0; i < 10 * STILL; i++) {
		snprintf(name, sizeof name, "u%u", i % STILL);
		if (fstatat(r->b->dfd, name, &st, 0) != 0)
			die(name);
	}
	after = settled(r);
	pthread_rwlock_unlock(&r->pause);
	return after - before;
}

/* --- all together ----------------------------------------------------------------- */

static void
prepare(struct run *r, bool apart)
{
	struct both *b = r->b;
	struct vfs_attr a;
	struct stat st;
	char name[16];
	unsigned i;

	r->stage = vfp_create(&b->c, b->dir, "x-stage", S_IFDIR | 0755);
	r->target = b->dir;
	stage(r, 0, true);
	vfp_create(&b->c, b->dir, "p0", S_IFREG | 0644);
	for (i = 0; i < STILL; i++) {
		snprintf(name, sizeof name, "u%u", i);
		vfp_create(&b->c, b->dir, name, S_IFREG | 0644);
		fstatat(b->dfd, name, &st, 0);
	}
	if (apart) {
		r->target = vfp_create(&b->c, b->dir, "x-apart", S_IFDIR | 0755);
		stage(r, 0, true);
		vfp_create(&b->c, r->target, "p0", S_IFREG | 0644);
	}
	for (i = 0; i < CHANGED; i++) {
		snprintf(name, sizeof name, "a%u", i);
		if ((r->fd[i] = openat(b->dfd, name, O_RDWR)) < 0 ||
		    vfp_lookup(&b->c, r->target, name, &a) < 0)
			die(name);
		r->changed[i] = a.id;
	}
}

static unsigned long
report(struct run *r, uint64_t commits, uint64_t asked)
{
	unsigned long bad = 0, n = 0;
	unsigned i;

	for (i = 0; i < KINDS; i++) {
		printf("# %9lu %s, %lu wrong\n", (unsigned long)r->n[i],
		    kinds[i], (unsigned long)r->bad[i]);
		n += r->n[i];
		bad += r->bad[i];
	}
	printf("# %lu commits of %u names and %u files, beside them %lu "
	    "rounds of own changes\n", (unsigned long)commits, SWAPPED + 2,
	    SWAPPED + CHANGED, (unsigned long)r->own);
	printf("observations %lu\nwrong %lu\nuntouched %lu\n", n, bad,
	    (unsigned long)asked);
	printf("stalls %lu\nstall_max_us %lu\n", (unsigned long)r->stalls,
	    (unsigned long)r->stall_max / 1000);
	return bad;
}

int
visible_readers(struct both *b, unsigned ms, unsigned threads, bool apart)
{
	uint64_t end = clock_ns() + ms * 1000000ull, gen = 0, asked = 0;
	struct run *r = calloc(1, sizeof *r);
	pthread_rwlockattr_t fair;
	pthread_t t[64];
	unsigned i;

	if (r == NULL || threads > 63)
		die("readers");
	r->b = b;
	pthread_rwlockattr_init(&fair);
	pthread_rwlockattr_setkind_np(&fair,
	    PTHREAD_RWLOCK_PREFER_WRITER_NONRECURSIVE_NP);
	pthread_rwlock_init(&r->pause, &fair);
	prepare(r, apart);
	for (i = 0; i <= threads; i++)
		pthread_create(&t[i], NULL, i == 0 ? writer : reader, r);
	while (clock_ns() < end) {
		commit(r, ++gen);
		if (gen % 256 == 0)
			asked += untouched(r);
	}
	asked += untouched(r);
	atomic_store(&r->stop, true);
	for (i = 0; i <= threads; i++)
		pthread_join(t[i], NULL);
	return report(r, gen, asked) > 0;
}
