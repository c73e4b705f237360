/*
 * probe kill ROUNDS SEED STORE MNT DAEMON... - no acknowledged operation
 * is lost when the daemon dies
 *
 * The daemon is our child.  Operations run one at a time and every one
 * that was acknowledged is entered in a ledger, here in memory; a timer
 * kills the daemon at some instant.  A new one is started and the tree
 * compared with the ledger; of the operation in flight both outcomes are
 * right, of a write in flight any mixture of old and new bytes.  In every
 * second round a file stays open with writes that nobody has flushed.
 *
 * With KILL_ITSELF set the daemon's own wrapper kills it, at a system call
 * of its choice, perhaps before it serves; the timer is for calls that do
 * not come.
 */
#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/stat.h>
#include <sys/time.h>
#include <sys/vfs.h>
#include <sys/wait.h>
#include <sys/xattr.h>
#include <time.h>
#include <unistd.h>

#include "kill.h"
#include "probe.h"

#define FUSE_MAGIC 0x65735546
#define STARTS_MAX	20u	/* daemons in a row that die before they serve */

static pid_t victim;		/* for the signal handler */
static volatile sig_atomic_t timer_fired;

static void
on_timer(int sig)
{
	(void)sig;
	timer_fired = 1;
	kill(-victim, SIGKILL);
}

static unsigned
draw(struct rig *r, unsigned n)
{
	return rand_r(&r->seed) % n;
}

static double
now_s(void)
{
	struct timespec t;

	clock_gettime(CLOCK_MONOTONIC, &t);
	return t.tv_sec + t.tv_nsec * 1e-9;
}

static bool
answers(struct rig *r)
{
	struct statfs s;

	return statfs(r->mnt, &s) == 0 && s.f_type == FUSE_MAGIC;
}

/* A daemon that ends is not waited for: false. */
static bool
start_once(struct rig *r)
{
	double from = now_s();

	r->pid = fork();
	if (r->pid < 0)
		die("fork");
	if (r->pid == 0) {
		setpgid(0, 0);
		execv(r->daemon[0], r->daemon);
		_exit(127);
	}
	setpgid(r->pid, r->pid);
	while (!answers(r)) {
		if (waitpid(r->pid, NULL, WNOHANG) == r->pid)
			return false;
		if (now_s() - from > 60) {
			printf("not ok - no mount after a minute\n");
			exit(1);
		}
		usleep(1000);
	}
	if (now_s() - from > r->slowest)
		r->slowest = now_s() - from;
	return true;
}

static void
reap_all(struct rig *r)
{
	kill(-r->pid, SIGKILL);
	/* its server has the store until it is gone */
	while (waitpid(-1, NULL, 0) > 0)
		;
}

static void
start(struct rig *r)
{
	unsigned tries;

	for (tries = 0; !start_once(r); tries++) {
		if (!r->itself || tries == STARTS_MAX) {
			printf("not ok - the daemon did not start again\n");
			exit(1);
		}
		r->early++;
		reap_all(r);
	}
}

static int
put(const char *p, int flags, const struct op *o)
{
	static unsigned char b[BYTES];
	int fd = open(p, flags, 0644);
	ssize_t n;

	if (fd < 0)
		return -1;
	memset(b, o->byte, o->len);
	n = pwrite(fd, b, o->len, o->off);
	close(fd);
	return n == (ssize_t)o->len ? 0 : -1;
}

/* write a temporary file, fsync, rename over: the way of editors */
static int
replace(struct rig *r, const struct op *o)
{
	static unsigned char b[BYTES];
	const char *tmp = kill_path(r, 99, ".tmp"), *p = kill_path(r, o->a, "");
	int fd = open(tmp, O_CREAT | O_TRUNC | O_WRONLY, 0644);

	if (fd < 0)
		return -1;
	memset(b, o->byte, o->len);
	if (write(fd, b, o->len) != (ssize_t)o->len || fsync(fd) < 0) {
		close(fd);
		return -1;
	}
	close(fd);
	return rename(tmp, p);
}

static int
run_op(struct rig *r, const struct op *o)
{
	const char *p = kill_path(r, o->a, "");
	char note = o->byte;

	switch (o->what) {
	case CREATE:
		return put(p, O_CREAT | O_EXCL | O_WRONLY, o);
	case WRITE:
		if (r->held >= 0 && r->held_name == o->a) {
			static unsigned char b[BYTES];

			memset(b, o->byte, o->len);
			return pwrite(r->held, b, o->len, o->off) ==
			    (ssize_t)o->len ? 0 : -1;
		}
		return put(p, O_WRONLY, o);
	case APPEND:
		return put(p, O_WRONLY | O_APPEND, o);
	case CUT:
		return truncate(p, o->len);
	case RENAME:
		return rename(p, kill_path(r, o->b, ""));
	case UNLINK:
		return unlink(p);
	case CHMOD:
		return chmod(p, 0600 + o->byte % 64);
	case NOTE:
		return setxattr(p, "user.note", &note, 1, 0);
	case REPLACE:
		return replace(r, o);
	default:
		return -1;
	}
}

/* The same in the ledger. */
static void
enter(struct file *f, const struct op *o)
{
	struct file *a = &f[o->a];
	size_t off = o->what == APPEND ? a->size : o->off;

	switch (o->what) {
	case REPLACE:
	case CREATE:
		memset(a, 0, sizeof *a);
		a->there = true;
		a->mode = 0644;
		/* fallthrough */
	case WRITE:
	case APPEND:
		memset(a->data + off, o->byte, o->len);
		if (off + o->len > a->size)
			a->size = off + o->len;
		break;
	case CUT:
		if (o->len < a->size)
			memset(a->data + o->len, 0, a->size - o->len);
		a->size = o->len;
		break;
	case RENAME:
		f[o->b] = *a;
		a->there = false;
		break;
	case UNLINK:
		a->there = false;
		break;
	case CHMOD:
		a->mode = 0600 + o->byte % 64;
		break;
	case NOTE:
		a->note = o->byte;
		break;
	default:
		break;
	}
}

/* An operation that must succeed in this state. */
static struct op
choose(struct rig *r)
{
	struct op o = { 0 };

	o.what = draw(r, WHATS);
	o.a = draw(r, NAMES);
	o.b = (o.a + 1 + draw(r, NAMES - 1)) % NAMES;
	o.byte = 1 + draw(r, 255);
	o.off = draw(r, 3) ? 0 : draw(r, BYTES / 3);
	o.len = 1 + draw(r, draw(r, 4) ? 500 : BYTES / 3);
	if (o.what == REPLACE || o.what == CREATE || o.what == APPEND)
		o.off = 0;
	if (o.what == REPLACE && o.a == r->held_name && r->held >= 0)
		o.what = WRITE;
	if (!r->now[o.a].there)
		o.what = CREATE, o.off = 0;
	else if (o.what == CREATE)
		o.what = APPEND;
	if (o.what == APPEND && r->now[o.a].size + o.len > BYTES)
		o.what = CUT;
	if (r->held >= 0 && (r->held_name == o.a || r->held_name == o.b) &&
	    (o.what == RENAME || o.what == UNLINK))
		o.what = CHMOD;		/* keep the draft's name */
	return o;
}

/* The ledger takes the state on disk where both were right. */
static void
adopt(struct rig *r)
{
	unsigned i;

	for (i = 0; i < NAMES; i++) {
		struct file *f = &r->now[i];
		struct stat st;
		int fd;

		memset(f, 0, sizeof *f);
		if (lstat(kill_path(r, i, ""), &st) < 0)
			continue;
		f->there = true;
		f->mode = st.st_mode & 07777;
		if (getxattr(kill_path(r, i, ""), "user.note", &f->note, 1) < 0)
			f->note = 0;
		if ((fd = open(kill_path(r, i, ""), O_RDONLY)) < 0) {
			if (r->itself)
				return;		/* it has died */
			die("adopt");
		}
		f->size = read(fd, f->data, BYTES);
		close(fd);
	}
}

static void
hold_one(struct rig *r)
{
	unsigned i;

	r->held = -1;
	for (i = 0; i < NAMES; i++) {
		if (!r->now[i].there)
			continue;
		r->held_name = i;
		r->held = open(kill_path(r, i, ""), O_RDWR);
		return;
	}
}

/* An operation failed: the daemon must be dying, or it was wrong. */
static void
await_death(struct rig *r, const struct op *o)
{
	int err = errno, i;

	for (i = 0; i < 500; i++) {
		if (waitpid(r->pid, NULL, WNOHANG) == r->pid) {
			reap_all(r);
			return;
		}
		usleep(10000);
	}
	printf("not ok - op %ju (%d on f%u): %s\n", (uintmax_t)r->ops,
	    o->what, o->a, strerror(err));
	exit(1);
}

/* Has it died?  An error may come before its parent knows. */
static bool
died(struct rig *r, bool wrong)
{
	int i;

	if (!r->itself || (!wrong && answers(r)))
		return false;
	for (i = 0; i < 300; i++) {
		if (waitpid(r->pid, NULL, WNOHANG) == r->pid) {
			reap_all(r);
			return true;
		}
		usleep(10000);
	}
	return false;
}

/* Start, compare, go on from there; a daemon that kills itself may do so
 * under our eyes, and then we have seen nothing. */
static void
look(struct rig *r, const struct op *o)
{
	struct file was;
	const char *why;

	memcpy(&was, &r->now[o->a], sizeof was);
	do {
		memcpy(&r->now[o->a], &was, sizeof was);
		start(r);
		why = kill_verify(r, o);
	} while (died(r, why != NULL));
	if (why != NULL) {
		printf("not ok - after op %ju (%d on f%u): %s\n",
		    (uintmax_t)r->ops, o->what, o->a, why);
		exit(1);
	}
	unlink(kill_path(r, 99, ".tmp"));
	adopt(r);
	while (died(r, false)) {
		start(r);
		unlink(kill_path(r, 99, ".tmp"));
		adopt(r);
	}
	errno = 0;
}

static void
round_run(struct rig *r, bool draft)
{
	struct itimerval t = { .it_value.tv_usec = 20000 + draw(r, 150000) };
	struct op o;

	if (r->itself)
		t.it_value = (struct timeval){ .tv_usec = 500000 };
	if (draft)
		hold_one(r);
	timer_fired = 0;
	victim = r->pid;
	setitimer(ITIMER_REAL, &t, NULL);
	for (;;) {
		o = choose(r);
		memcpy(r->next, r->now, sizeof r->now);
		enter(r->next, &o);
		if (run_op(r, &o) < 0)
			break;
		memcpy(r->now, r->next, sizeof r->now);
		r->ops++;
		r->kinds[o.what]++;
	}
	await_death(r, &o);
	memset(&t, 0, sizeof t);
	setitimer(ITIMER_REAL, &t, NULL);
	r->timer += timer_fired != 0;
	if (r->held >= 0)
		close(r->held);
	r->held = -1;
	look(r, &o);
}

/* ROUNDS SEED STORE MNT DAEMON ARGS... */
int
kill_main(int argc, char **argv)
{
	static struct rig r;
	struct sigaction sa = { .sa_handler = on_timer };
	int i, rounds;

	if (argc < 6) {
		fprintf(stderr, "probe kill ROUNDS SEED STORE MNT DAEMON\n");
		return 2;
	}
	setvbuf(stdout, NULL, _IOLBF, 0);
	rounds = atoi(argv[1]);
	r.seed = strtoul(argv[2], NULL, 10);
	r.store = argv[3];
	r.mnt = argv[4];
	r.daemon = argv + 5;
	r.held = -1;
	r.itself = getenv("KILL_ITSELF") != NULL;
	umask(0);
	sigaction(SIGALRM, &sa, NULL);
	prctl(PR_SET_CHILD_SUBREAPER, 1);
	do {
		start(&r);
		adopt(&r);
	} while (died(&r, false));
	r.slowest = 0;
	for (i = 0; i < rounds; i++)
		round_run(&r, i % 2);
	printf("# %d rounds, seed %s: %ju acknowledged operations kept, "
	    "slowest start %.2f s\n", rounds, argv[2], (uintmax_t)r.ops,
	    r.slowest);
	if (r.itself)
		printf("# %u daemons died before they served, %u by the "
		    "timer\n", r.early, r.timer);
	kill(-r.pid, SIGTERM);	/* strace would ignore it */
	waitpid(r.pid, NULL, 0);
	return 0;
}
