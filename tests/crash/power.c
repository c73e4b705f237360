/*
 * power.c - every state that a power cut or kill -9 may leave (rig R1)
 *
 * Workers run workloads on the simulated disk, each made from one number,
 * until together they have judged CRASH_STATES different disk images (or
 * CRASH_SECONDS have passed).  A failure prints that number, and
 * SEED=number, or make replay SEED=number, runs exactly that workload.
 */
#include <errno.h>
#include <malloc.h>
#include <signal.h>
#include <stdarg.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#include "rig/life.h"
#include "rig/real.h"

#define WORKERS_MAX	16
#define IMAGES		3
#define STATES		55000u		/* of make check */
#define STATES_ASAN	3000u
#define SECONDS		240u
#define HANG_MS		20000u	/* without one more state */

struct worker {
	char base[48];
	uint64_t seed;
	int nstep;
	char text[120];
};

struct shared {
	struct tally tally;
	struct worker worker[WORKERS_MAX];
	_Atomic bool stop;
};

static struct shared *sh;
static bool verbose;

static uint64_t
env_u64(const char *name, uint64_t dflt)
{
	const char *s = getenv(name);

	return s && *s ? strtoull(s, NULL, 0) : dflt;
}

static uint64_t
mono_ms(void)
{
	struct timespec t;

	__real_clock_gettime(CLOCK_MONOTONIC, &t);
	return (uint64_t)t.tv_sec * 1000u + (uint64_t)t.tv_nsec / 1000000u;
}

/* --- the images that workloads start from ------------------------------ */

static struct image images[IMAGES];
static int nimages;

static bool
keep_image(const char *base, struct image *im, struct life *l)
{
	char dir[100];

	snprintf(dir, sizeof(dir), "%s/image%d", base, nimages++);
	if (__real_mkdir(dir, 0700) < 0)
		return false;
	im->disk = disk_new(dir, false);
	disk_copy(im->disk, l->live);
	memcpy(im->starts, l->starts, sizeof(im->starts));
	return true;
}

/* 0: just formatted; 1, 2: the log's end is near, so that it wraps. */
static bool
make_images(const char *base)
{
	static const uint64_t left[IMAGES] = { 0, 9000, 40000 };
	struct life *l;
	char dir[80];
	int i;

	for (i = 0; i < IMAGES; i++) {
		snprintf(dir, sizeof(dir), "%s/make%d", base, i);
		if (__real_mkdir(dir, 0700) < 0 ||
		    life_new(dir, &sh->tally, &l) < 0)
			return false;
		if (!life_create(l) || (i > 0 && !life_wind(l, left[i])) ||
		    engine_checkpoint(l->e) < 0) {
			printf("# image %d: %s\n", i, l->why);
			return false;
		}
		life_end(l);
		disk_flush(l->live);
		if (!keep_image(base, &images[i], l))
			return false;
		life_free(l);
		rmdir(dir);
	}
	return true;
}

/* --- one workload ------------------------------------------------------- */

static struct step *trail;
static int ntrail;

static bool
one(struct life *l, struct worker *w, struct step *st)
{
	bool ok;

	snprintf(w->text, sizeof(w->text), "%s", st->text);
	w->nstep = ntrail;
	trail[ntrail++] = *st;
	ok = life_step(l, st);
	sh->tally.steps++;
	if (verbose)
		printf("# %3d %-60s moments %d..%d pend %d states %llu\n",
		    ntrail, st->text, l->lo, l->n, l->live->npend,
		    (unsigned long long)sh->tally.states);
	return ok;
}

/* Every operation and act gets its turn behind a few random ones. */
static const struct {
	enum act act;
	enum vfs_op op;
} turns[] = {
	{ ACT_OP, VFS_OP_CREATE }, { ACT_OP, VFS_OP_TMPFILE },
	{ ACT_OP, VFS_OP_LINK }, { ACT_OP, VFS_OP_UNLINK },
	{ ACT_OP, VFS_OP_RENAME }, { ACT_OP, VFS_OP_SETATTR },
	{ ACT_OP, VFS_OP_XATTR_SET }, { ACT_OP, VFS_OP_XATTR_REMOVE },
	{ ACT_OP, VFS_OP_OPEN }, { ACT_OP, VFS_OP_WRITE },
	{ ACT_OP, VFS_OP_ALLOCATE }, { ACT_OP, VFS_OP_COPY_RANGE },
	{ ACT_OP, VFS_OP_SYNC }, { ACT_OP, VFS_OP_PUBLISH },
	{ ACT_OP, VFS_OP_RECLAIM }, { ACT_OP, VFS_OP_TREE_REMOVE },
	{ ACT_OP, VFS_OP_TREE_PUBLISH }, { ACT_OP, VFS_OP_REAP },
	{ ACT_OP, VFS_OP_TREE_CLONE }, { ACT_OP, VFS_OP_TOKEN },
	{ ACT_TX, 0 }, { ACT_TX, 0 }, { ACT_TX, 0 },
	{ ACT_DROP, 0 }, { ACT_RELEASE, 0 },
	{ ACT_CHECKPOINT, 0 }, { ACT_STEP, 0 }, { ACT_CUT, 0 },
	{ ACT_KILL, 0 }, { ACT_CLOSE, 0 },
};
#define TURNS	(sizeof(turns) / sizeof(turns[0]))

static bool
pair(struct life *l, struct worker *w, struct rng *r, uint64_t seed)
{
	unsigned a = (unsigned)(seed % TURNS);
	unsigned b = (unsigned)(seed / TURNS % TURNS);
	struct step st;
	int i, n = 3 + (int)rng_to(r, 5);

	l->quiet = true;
	for (i = 0; i < n; i++) {
		do
			step_random(l, r, &st);
		while (st.act > ACT_RELEASE);
		if (!one(l, w, &st))
			return false;
	}
	if (rng_to(r, 2) && (!step_make(l, r, ACT_OP, VFS_OP_SYNC, &st) ||
	    !one(l, w, &st)))
		return false;
	if (rng_to(r, 3) == 0)
		disk_flush(l->live);
	l->quiet = false;
	if (step_make(l, r, turns[a].act, turns[a].op, &st) &&
	    !one(l, w, &st))
		return false;
	return !step_make(l, r, turns[b].act, turns[b].op, &st) ||
	    one(l, w, &st);
}

static bool
long_one(struct life *l, struct worker *w, struct rng *r)
{
	struct step st;
	int i, n = 8 + (int)rng_to(r, 24);

	for (i = 0; i < n; i++) {
		step_random(l, r, &st);
		if (!one(l, w, &st))
			return false;
	}
	memset(&st, 0, sizeof(st));
	if (!step_make(l, r, rng_to(r, 2) ? ACT_KILL : ACT_CUT, 0, &st))
		return true;
	return one(l, w, &st);
}

/* Overwrite some blocks of some file, whole ones. */
static bool
overwrite(struct life *l, struct worker *w, struct rng *r)
{
	struct step st;

	if (!step_make(l, r, ACT_OP, VFS_OP_WRITE, &st))
		return true;
	st.q.write.off = 4096 * rng_to(r, 4);
	st.ndata = 4096 * (4 + rng_to(r, 8));
	step_describe(&st);
	return one(l, w, &st);
}

/* The same few blocks over and over, on a disk with hardly any room, while
 * somebody reads; then the end of it under the knife. */
static bool
crowded(struct life *l, struct worker *w, struct rng *r)
{
	static const enum vfs_op ops[] = { VFS_OP_WRITE, VFS_OP_WRITE,
	    VFS_OP_WRITE, VFS_OP_SYNC, VFS_OP_PUBLISH, VFS_OP_COPY_RANGE };
	struct step st;
	int i, n = 15 + (int)rng_to(r, 10);

	l->quiet = true;
	for (i = 0; i < n; i++) {
		enum act act = i > 3 && rng_to(r, 6) == 0 ? ACT_CHECKPOINT :
		    i % 7 == 5 ? ACT_READER : ACT_OP;
		enum vfs_op op = i < 2 ? VFS_OP_TMPFILE : ops[rng_to(r, 6)];

		if (act == ACT_OP && op == VFS_OP_WRITE) {
			if (!overwrite(l, w, r))
				return false;
			continue;
		}
		if (step_make(l, r, act, op, &st) && !one(l, w, &st))
			return false;
	}
	if (step_make(l, r, ACT_OP, VFS_OP_SYNC, &st) && !one(l, w, &st))
		return false;
	for (i = 0; i < 6; i++) {
		l->quiet = i < 3;
		if (!overwrite(l, w, r) || (step_make(l, r, ACT_OP,
		    VFS_OP_PUBLISH, &st) && !one(l, w, &st)))
			return false;
	}
	return true;
}

/* A directory without a name, to build a tree in; 0: none could be made. */
static uint64_t
staging(struct life *l, struct worker *w, struct rng *r)
{
	struct step st;

	if (!step_make(l, r, ACT_OP, VFS_OP_TMPFILE, &st))
		return 0;
	st.q.tmpfile.mode = VFS_TYPE_MODE(VFS_DIR) | 0755;
	step_describe(&st);
	return one(l, w, &st) ? st.r.tmpfile.attr.id.n : 0;
}

/* One of the names that are there now. */
static void
publish_from(struct life *l, struct rng *r, uint64_t dir, struct step *st)
{
	int i, seen = 0;

	st->q.tree_publish.dir.n = dir;
	for (i = 0; i < l->m.nname; i++)
		if (l->m.name[i].dir == dir &&
		    rng_to(r, (uint32_t)++seen) == 0)
			snprintf(st->name, sizeof(st->name), "%s",
			    l->m.name[i].name);
	st->q.tree_publish.name.n = strlen(st->name);
}

/* A few steps, then a tree is built aside and put in place of whatever is
 * there, under the knife; what it replaced may be left where it was built. */
static bool
built_aside(struct life *l, struct worker *w, struct rng *r)
{
	struct step st;
	uint64_t dir;
	int i, n = 3 + (int)rng_to(r, 4);

	for (i = 0; i < 4; i++) {
		step_random(l, r, &st);
		if (!one(l, w, &st))
			return false;
	}
	if ((dir = staging(l, w, r)) == 0)
		return l->why[0] == '\0';
	for (i = 0; i < n; i++) {
		if (!step_make(l, r, ACT_OP, VFS_OP_CREATE, &st))
			break;
		if (rng_to(r, 2))
			st.q.create.dir.n = dir;
		step_describe(&st);
		if (!one(l, w, &st))
			return false;
	}
	for (i = 0; i < 2; i++) {
		if (!step_make(l, r, ACT_OP, VFS_OP_TREE_PUBLISH, &st))
			break;
		publish_from(l, r, dir, &st);
		step_describe(&st);
		if (!one(l, w, &st))
			return false;
	}
	return true;
}

static bool
workload(struct life *l, struct worker *w, uint64_t seed)
{
	struct rng r = { seed * 0xD1342543DE82EF95ull };
	bool ok;

	w->seed = seed;
	ntrail = 0;
	snprintf(w->text, sizeof(w->text), "opening the image");
	/* few rows make a table full: freezes and checkpoints of their own */
	l->conf.table_rows_max = rng_to(&r, 3) ? 0 : 30 + rng_to(&r, 60);
	/* a small disk, so that freed blocks are soon used again */
	l->live->room = rng_to(&r, 2) ? 0 : 4096ull * (20 + rng_to(&r, 100));
	if (seed % 8 == 4)
		l->live->room = 4096ull * (24 + rng_to(&r, 24));
	l->scratch->room = l->live->room;
	l->sync_all = rng_to(&r, 6) == 0;
	/* a journal that soon is too long, though not within one step */
	l->conf.journal_bytes_max = rng_to(&r, 4) ? 0 : 2500 + rng_to(&r, 3000);
	if (!life_begin(l, &images[rng_to(&r, (uint32_t)nimages)], seed))
		return false;
	ok = seed % 2 ? pair(l, w, &r, seed / 2) :
	    seed % 8 == 4 ? crowded(l, w, &r) :
	    seed % 8 == 2 ? built_aside(l, w, &r) : long_one(l, w, &r);
	if (ok && !disk_audit(l->live))
		ok = life_fail(l, "the rig missed a write");
	if (!ok)
		return false;
	life_end(l);
	sh->tally.runs++;
	return true;
}

static void
tell(struct worker *w, struct life *l)
{
	int i;

	printf("# SEED=%llu, step %d: %s\n", (unsigned long long)w->seed,
	    ntrail, w->text);
	printf("# %s\n", l->why);
	for (i = 0; i < ntrail; i++)
		printf("#   %d %s\n", i + 1, trail[i].text);
	fflush(stdout);
}

static bool
enough(uint64_t states, uint64_t until)
{
	return sh->stop || sh->tally.distinct >= states || mono_ms() > until;
}

/* In a process of its own. */
static int
work(int me, int workers, uint64_t first, uint64_t states, uint64_t until)
{
	struct worker *w = &sh->worker[me];
	uint64_t seed = first + (uint64_t)me;
	struct life *l;
	int rc = 0;

	/* LMDB callocs 2 MiB at each open: let the kernel have the zeroes */
	mallopt(M_MMAP_THRESHOLD, 256 << 10);
	trail = calloc(400, sizeof(*trail));
	snprintf(w->text, sizeof(w->text), "making the first images");
	if (!make_images(w->base) || life_new(w->base, &sh->tally, &l) < 0) {
		fflush(stdout);
		return 1;
	}
	do {
		if (!workload(l, w, seed)) {
			tell(w, l);
			sh->stop = true;
			rc = 1;
		}
		seed += (uint64_t)workers;
	} while (rc == 0 && states > 0 && !enough(states, until));
	fflush(stdout);
	return rc;
}

/* --- the parent ---------------------------------------------------------- */

static bool
mkbase(struct worker *w)
{
	strcpy(w->base, "/dev/shm/vfsd-crash.XXXXXX");
	if (mkdtemp(w->base))
		return true;
	strcpy(w->base, "/tmp/vfsd-crash.XXXXXX");
	return mkdtemp(w->base) != NULL;
}

static void
rmbase(struct worker *w)
{
	char cmd[80];

	snprintf(cmd, sizeof(cmd), "rm -rf %s", w->base);
	if (system(cmd) != 0)
		printf("# could not remove %s\n", w->base);
}

static bool
start_workers(int n, pid_t *pid, uint64_t first, uint64_t states,
    uint64_t until)
{
	int i;

	fflush(stdout);
	for (i = 0; i < n; i++) {
		if (!mkbase(&sh->worker[i]))
			return false;
		if ((pid[i] = fork()) == 0) {
			prctl(PR_SET_PDEATHSIG, SIGKILL);
			_exit(work(i, n, first, states, until));
		}
	}
	return true;
}

static int
ended(const struct worker *w, int status)
{
	if (!WIFSIGNALED(status))
		return WEXITSTATUS(status) != 0;
	if (sh->stop && WTERMSIG(status) == SIGKILL)
		return 0;		/* by us, because of another one */
	printf("# SEED=%llu, step %d: %s: killed by signal %d\n",
	    (unsigned long long)w->seed, w->nstep + 1, w->text,
	    WTERMSIG(status));
	return 1;
}

/* When did any worker last get on? */
static uint64_t
moved_ms(void)
{
	static uint64_t seen, at;
	uint64_t now = sh->tally.states + sh->tally.steps;

	if (now != seen || at == 0)
		at = mono_ms();
	seen = now;
	return at;
}

/* Wait for all.  Who gets no further hangs, which is a failure too; after
 * another one's failure it just ends. */
static int
all_workers(int n, uint64_t first, uint64_t states, uint64_t until)
{
	pid_t pid[WORKERS_MAX] = { 0 };
	int i, status, left = n, bad = 0;
	uint64_t stopped = 0;

	if (!start_workers(n, pid, first, states, until))
		return 1;
	while (left > 0) {
		struct timespec ms10 = { 0, 10000000 };

		for (i = 0; i < n; i++) {
			if (pid[i] == 0 || waitpid(pid[i], &status,
			    WNOHANG) != pid[i])
				continue;
			pid[i] = 0;
			left--;
			bad |= ended(&sh->worker[i], status);
			sh->stop |= bad;
			rmbase(&sh->worker[i]);
		}
		if (sh->stop && stopped == 0)
			stopped = mono_ms();
		for (i = 0; i < n; i++)
			if (pid[i] != 0 && (mono_ms() > moved_ms() + HANG_MS ||
			    (stopped && mono_ms() > stopped + 3000)))
				kill(pid[i], SIGKILL);
		__real_nanosleep(&ms10, NULL);
	}
	return bad;
}

static bool
share(void)
{
	uint64_t max = 1u << 24;

	sh = mmap(NULL, sizeof(*sh), PROT_READ | PROT_WRITE,
	    MAP_SHARED | MAP_ANONYMOUS, -1, 0);
	if (sh == MAP_FAILED)
		return false;
	sh->tally.seen_max = max;
	sh->tally.seen = mmap(NULL, max * sizeof(uint64_t), PROT_READ |
	    PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);
	return (void *)sh->tally.seen != MAP_FAILED;
}

int
main(void)
{
#ifdef __SANITIZE_ADDRESS__
	uint64_t states = env_u64("CRASH_STATES", STATES_ASAN);
#else
	uint64_t states = env_u64("CRASH_STATES", STATES);
#endif
	uint64_t seconds = env_u64("CRASH_SECONDS", SECONDS);
	uint64_t first = env_u64("FIRST_SEED", 1), t = mono_ms();
	int workers = (int)env_u64("CRASH_WORKERS",
	    (uint64_t)sysconf(_SC_NPROCESSORS_ONLN));
	int bad;

	if (!share())
		return 1;
	if (workers < 1 || workers > WORKERS_MAX)
		workers = WORKERS_MAX;
	if (getenv("SEED") && *getenv("SEED")) {
		verbose = true;
		workers = 1;
		first = env_u64("SEED", 1);
		states = 0;
	}
	printf("# FIRST_SEED=%llu\n", (unsigned long long)first);
	bad = all_workers(workers, first, states, t + seconds * 1000);
	t = mono_ms() - t;
	printf("# %llu workloads, %llu steps, %llu states opened, "
	    "%llu different images, %llu settled and lived on, %.1f s\n",
	    (unsigned long long)sh->tally.runs,
	    (unsigned long long)sh->tally.steps,
	    (unsigned long long)sh->tally.states,
	    (unsigned long long)sh->tally.distinct,
	    (unsigned long long)sh->tally.deep, (double)t / 1000);
	printf("%sok 1 - power__cut_or_kill_anywhere__an_allowed_state\n",
	    bad ? "not " : "");
	printf("%sok 2 - power__%llu_different_images__were_judged\n",
	    sh->tally.distinct < states ? "not " : "",
	    (unsigned long long)states);
	printf("1..2\n");
	return bad || sh->tally.distinct < states;
}
