/*
 * fronts - all fronts of one daemon at once
 *
 *	fronts visible MS TOKEN SPEC...	what each does all others see
 *	fronts work MS TALLIES TOKEN SPEC...	a writer and a reader on each
 *	fronts hostile MS SEED FOE-TOKEN TOKEN SPEC...	foes on each
 *	fronts stall 0 - SPEC...	who says nothing is ended
 *	fronts verify TALLIES TOKEN SPEC...	is all there that was told?
 *
 * A SPEC is KIND=WHERE (front.c); a line and its second cable are
 * serial=TTY,TTY, since a line has one peer.  TALLIES is a file: what the
 * writers were told, kept when they or the daemon are killed.  work ends
 * when its time is over or the daemon is gone, and says which.
 */
#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/wait.h>
#include <unistd.h>

#include "fronts.h"
#include "hostile.h"

int
wrong(const struct front *f, const char *fmt, ...)
{
	char text[200];
	va_list ap;

	va_start(ap, fmt);
	vsnprintf(text, sizeof text, fmt, ap);
	va_end(ap);
	fprintf(stderr, "# %s: %s\n", f->kind, text);
	return EILSEQ;
}

struct args {
	unsigned n, ms;
	const char *token;
	char **spec;
	char has_tx[FRONTS_MAX + 1];	/* y or n, for each */
	struct tally *t;		/* writers', then readers' */
};

/* The second: who reads on it has the other cable, if there is one. */
static int
open_one(struct args *a, struct front *f, unsigned i, bool second)
{
	char spec[4096], *comma;
	int rc;

	snprintf(spec, sizeof spec, "%s", a->spec[i]);
	if ((comma = strchr(spec, ',')) != NULL) {
		*comma = '\0';
		if (second)
			snprintf(strchr(spec, '=') + 1, sizeof spec / 2, "%s",
			    strchr(a->spec[i], ',') + 1);
	}
	if ((rc = front_open(f, spec, a->token)) != 0)
		fprintf(stderr, "# %s: cannot open: %s\n", spec,
		    rc == ELOST ? "nobody is there" : strerror(rc));
	return rc;
}

static int
open_all(struct args *a, struct front *f)
{
	unsigned i;
	int rc = 0;

	for (i = 0; i < a->n && rc == 0; i++)
		rc = open_one(a, &f[i], i, false);
	return rc;
}

static void
close_all(struct args *a, struct front *f)
{
	unsigned i;

	for (i = 0; i < a->n; i++)
		if (f[i].ops != NULL)
			front_close(&f[i]);
}

static struct tally *
map_tallies(const char *path)
{
	size_t n = 2 * FRONTS_MAX * sizeof(struct tally);
	int fd = open(path, O_RDWR | O_CREAT | O_CLOEXEC, 0600);
	void *p;

	if (fd < 0 || ftruncate(fd, (off_t)n) < 0)
		return NULL;
	p = mmap(NULL, n, PROT_READ | PROT_WRITE, MAP_SHARED, fd, 0);
	return p == MAP_FAILED ? NULL : p;
}

/* --- the three commands ------------------------------------------------------- */

static int
do_visible(struct args *a)
{
	static struct front f[FRONTS_MAX];
	unsigned i, bad = 0;
	int rc = open_all(a, f);

	if (rc == 0)
		rc = furnish(&f[0], a->n);
	for (i = 0; i < a->n && rc == 0; i++)
		rc = enter_all(&f[i]);
	if (rc != 0)
		fprintf(stderr, "# cannot begin: %s\n", strerror(rc));
	else
		bad = visible(f, a->n, a->ms);
	close_all(a, f);
	return rc != 0 || bad != 0;
}

/* In a process of its own: 0 in the end, 1 wrong, 3 the daemon went. */
static pid_t
play(struct args *a, unsigned i, bool writes)
{
	static struct front f;
	pid_t pid = fork();
	int rc;

	if (pid != 0)
		return pid;
	prctl(PR_SET_PDEATHSIG, SIGKILL);
	if ((rc = open_one(a, &f, i, !writes)) == 0 &&
	    (rc = enter_all(&f)) == 0)
		rc = writes ? writer(&f, i, a->ms, (unsigned)getpid(),
		    &a->t[i]) : reader(&f, a->n, a->has_tx, a->ms,
		    &a->t[FRONTS_MAX + i]);
	if (f.ops != NULL && rc != ELOST)
		front_close(&f);
	_exit(rc == 0 ? 0 : rc == ELOST ? 3 : 1);
}

static void
tell(struct args *a)
{
	unsigned i;

	for (i = 0; i < a->n; i++)
		printf("# %.*s: %ju commits, %ju coins moved, %ju conflicts; "
		    "%ju looks at all\n", (int)strcspn(a->spec[i], "="),
		    a->spec[i], (uintmax_t)a->t[i].acked,
		    (uintmax_t)a->t[i].moves, (uintmax_t)a->t[i].lost_races,
		    (uintmax_t)a->t[FRONTS_MAX + i].looks);
}

static int
do_work(struct args *a)
{
	pid_t pid[2 * FRONTS_MAX];
	unsigned i, lost = 0, bad = 0;
	int status;

	fflush(NULL);
	for (i = 0; i < 2 * a->n; i++)
		pid[i] = play(a, i / 2, i % 2 == 0);
	for (i = 0; i < 2 * a->n; i++) {
		waitpid(pid[i], &status, 0);
		lost += WIFEXITED(status) && WEXITSTATUS(status) == 3;
		bad += !WIFEXITED(status) || WEXITSTATUS(status) == 1;
	}
	tell(a);
	return bad > 0 ? 1 : lost > 0 ? 3 : 0;
}

static int
do_verify(struct args *a)
{
	static struct front f[FRONTS_MAX];
	unsigned i, bad = 0;

	if (open_all(a, f) != 0)
		return 1;
	for (i = 0; i < a->n; i++)
		bad += enter_all(&f[i]) != 0 ||
		    verify(&f[i], a->n, a->has_tx, a->t) != 0;
	close_all(a, f);
	return bad > 0;
}

int
hostile_open(const struct hostile_args *h, struct front *f, unsigned i,
    bool second)
{
	return open_one(h->more, f, i, second);
}

static int
do_hostile(struct args *a, char **argv)
{
	struct hostile_args h = { .n = a->n, .ms = a->ms, .spec = a->spec,
		.seed = (unsigned)strtoul(argv[3], NULL, 0),
		.foe_token = argv[4], .more = a };

	return hostile(&h);
}

static void
list_specs(struct args *a, int argc, char **argv, int at)
{
	unsigned i;

	a->token = argv[at];
	a->spec = argv + at + 1;
	a->n = (unsigned)(argc - at - 1);
	for (i = 0; i < a->n && i < FRONTS_MAX; i++)
		a->has_tx[i] = strncmp(a->spec[i], "9p", 2) == 0 ||
		    strncmp(a->spec[i], "mount", 5) == 0 ? 'n' : 'y';
}

int
main(int argc, char **argv)
{
	static struct args a;
	const char *what = argc > 4 ? argv[1] : "";
	int at = strcmp(what, "work") == 0 ? 4 :
	    strcmp(what, "hostile") == 0 ? 5 : 3;

	if (argc <= at + 1 || argc - at - 1 > (int)FRONTS_MAX)
		return 2;
	list_specs(&a, argc, argv, at);
	a.ms = (unsigned)atoi(argv[2]);
	if (strcmp(what, "visible") == 0)
		return do_visible(&a);
	if (strcmp(what, "hostile") == 0)
		return do_hostile(&a, argv);
	if (strcmp(what, "stall") == 0)
		return stall(a.n, a.spec);
	a.t = map_tallies(argv[at - 1]);
	if (a.t == NULL)
		return 2;
	return strcmp(what, "work") == 0 ? do_work(&a) :
	    strcmp(what, "verify") == 0 ? do_verify(&a) : 2;
}
