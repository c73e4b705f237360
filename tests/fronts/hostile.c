/*
 * hostile.c - honest work on all fronts while foes are at one of them
 *
 * For each transport, several times: a while of honest work alone, a while
 * of it beside foes, and what was done in both.
 */
#include <errno.h>
#include <signal.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/wait.h>
#include <unistd.h>

#include "foe.h"
#include "hostile.h"

#define TIMES	3u			/* each, by turns */
#define ENOUGH	50u			/* jobs, to say something of one */
#define LEAST	15u			/* per cent that everybody keeps: who is left
					 * out has none, and machines are busy */

/* Shared by all processes. */
struct board {
	_Atomic uint64_t work[FRONTS_MAX];	/* done */
	_Atomic uint64_t done, believed;	/* by foes */
	_Atomic int wrong;
};

/* --- honest work ---------------------------------------------------------------------- */

/* A name, bytes, a size, and away again; all as it was left. */
static int
one_job(struct front *f, unsigned n)
{
	const struct front_ops *o = f->ops;
	struct front_stat st;
	char name[16], text[32], back[40];
	size_t k = sizeof back;
	int rc;

	snprintf(name, sizeof name, "j%u", n % 8);
	snprintf(text, sizeof text, "%-31u", n);
	if ((rc = o->create(f, WORK, name)) != 0 ||
	    (rc = o->write(f, WORK, name, text, sizeof text)) != 0 ||
	    (rc = o->read(f, WORK, name, back, &k)) != 0 ||
	    (rc = o->stat(f, WORK, name, &st)) != 0)
		return rc;
	if (k != sizeof text || memcmp(back, text, k) != 0 ||
	    st.size != sizeof text)
		return wrong(f, "%s is not what was written", name);
	return o->unlink(f, WORK, name);
}

static pid_t
start_worker(const struct hostile_args *a, unsigned i, struct board *b)
{
	static struct front f;
	char name[16];
	unsigned n;
	pid_t pid = fork();
	int rc;

	if (pid != 0)
		return pid;
	prctl(PR_SET_PDEATHSIG, SIGKILL);
	snprintf(name, sizeof name, "w%u", i);
	rc = hostile_open(a, &f, i, false);
	if (rc == 0 && (rc = f.ops->mkdir(&f, ROOT, name)) == EEXIST)
		rc = 0;
	if (rc == 0)
		rc = f.ops->enter(&f, WORK, ROOT, name);
	for (n = 0; rc == 0 && n < 8; n++) {	/* of one that was killed */
		snprintf(name, sizeof name, "j%u", n);
		f.ops->unlink(&f, WORK, name);
	}
	for (n = 0; rc == 0; n++) {
		if ((rc = one_job(&f, n)) == 0)
			atomic_fetch_add(&b->work[i], 1);
	}
	wrong(&f, "honest work: %s", rc == ELOST ? "cut off" :
	    strerror(rc));
	atomic_store(&b->wrong, 1);
	_exit(1);
}

/* --- foes ----------------------------------------------------------------------------- */

static pid_t
start_foe(const struct hostile_args *a, unsigned i, unsigned seed,
    struct board *b)
{
	static struct foe x;
	const char *spec = a->spec[i], *where = strchr(spec, '=') + 1;
	static char kind[16];
	uint64_t end;
	pid_t pid = fork();

	if (pid != 0)
		return pid;
	prctl(PR_SET_PDEATHSIG, SIGKILL);
	signal(SIGPIPE, SIG_IGN);
	snprintf(kind, sizeof kind, "%.*s", (int)strcspn(spec, "="), spec);
	if (strchr(where, ',') != NULL)	/* the other cable */
		where = strchr(where, ',') + 1;
	x.kind = kind;
	x.where = where;
	x.token = a->foe_token;
	x.seed = seed;
	for (end = clock_ms() + 10 * a->ms; clock_ms() < end;) {
		x.done = x.believed = 0;
		x.end_ms = clock_ms() + 20;
		foe_run(&x);
		atomic_fetch_add(&b->done, x.done);
		atomic_fetch_add(&b->believed, x.believed);
	}
	_exit(0);
}

/* --- measuring ------------------------------------------------------------------------- */

static void
while_it_lasts(const struct hostile_args *a, struct board *b,
    uint64_t work[FRONTS_MAX])
{
	uint64_t before[FRONTS_MAX];
	unsigned i;

	for (i = 0; i < a->n; i++)
		before[i] = atomic_load(&b->work[i]);
	usleep(a->ms * 1000);
	for (i = 0; i < a->n; i++)
		work[i] += atomic_load(&b->work[i]) - before[i];
}

/* true: they keep more than half, and nobody is left out. */
static bool
compare(const struct hostile_args *a, unsigned foe, const uint64_t *alone,
    const uint64_t *beside, struct board *b)
{
	uint64_t all[2] = { 0, 0 };
	unsigned i, worst = 0, least = UINT32_MAX, pc;

	for (i = 0; i < a->n; i++) {
		if (i == foe)
			continue;
		all[0] += alone[i];
		all[1] += beside[i];
		pc = alone[i] == 0 ? 100 :
		    (unsigned)(100 * beside[i] / alone[i]);
		if (pc < least) {
			least = pc;
			worst = i;
		}
	}
	pc = all[0] == 0 ? 0 : (unsigned)(100 * all[1] / all[0]);
	printf("# %.*s: %ju kinds of mischief; others keep %u %% of %ju "
	    "jobs, %.*s %u %%\n",
	    (int)strcspn(a->spec[foe], "="), a->spec[foe],
	    (uintmax_t)atomic_exchange(&b->done, 0), pc,
	    (uintmax_t)all[0], (int)strcspn(a->spec[worst], "="),
	    a->spec[worst], least);
	return pc > 50 && (least >= LEAST || alone[worst] < ENOUGH);
}

/* A line does not tell that its peer has died; the next one that comes
 * does. */
static void
say_goodbye(const struct hostile_args *a, unsigned i, bool second)
{
	struct front f;

	if (strncmp(a->spec[i], "serial", 6) == 0 &&
	    hostile_open(a, &f, i, second) == 0)
		front_close(&f);
}

static bool
against(const struct hostile_args *a, unsigned foe, struct board *b)
{
	uint64_t alone[FRONTS_MAX] = { 0 }, beside[FRONTS_MAX] = { 0 };
	pid_t pid;
	unsigned t;

	for (t = 0; t < TIMES; t++) {
		while_it_lasts(a, b, alone);
		pid = start_foe(a, foe, a->seed + 10 * foe + t, b);
		while_it_lasts(a, b, beside);
		kill(pid, SIGKILL);	/* in the middle of something */
		waitpid(pid, NULL, 0);
		say_goodbye(a, foe, true);
	}
	return compare(a, foe, alone, beside, b);
}

int
hostile(const struct hostile_args *a)
{
	struct board *b = mmap(NULL, sizeof *b, PROT_READ | PROT_WRITE,
	    MAP_SHARED | MAP_ANONYMOUS, -1, 0);
	pid_t pid[FRONTS_MAX];
	unsigned i, bad = 0;

	fflush(NULL);
	for (i = 0; i < a->n; i++)
		pid[i] = start_worker(a, i, b);
	usleep(300000);
	for (i = 0; i < a->n; i++)
		if (strncmp(a->spec[i], "mount", 5) != 0)
			bad += !against(a, i, b);
	for (i = 0; i < a->n; i++) {
		kill(pid[i], SIGKILL);
		waitpid(pid[i], NULL, 0);
		say_goodbye(a, i, false);
	}
	if (atomic_load(&b->believed) > 0)
		printf("# %ju forgeries were believed\n",
		    (uintmax_t)b->believed);
	return bad > 0 || b->wrong || b->believed > 0;
}
