/*
 * serial STORE MNT SECONDS SEED KILLS DAEMON... - transactions from several
 * clients leave what some order of them would
 *
 * The daemon is our child, killed KILLS times on the way.  Beside it run,
 * as processes:
 *
 *	tellers		move money between accounts; the sum stays
 *	doctors		go off duty if another one is on it (write skew)
 *	tenants		take one of three rooms if one is free, by listing
 *			who is there (phantoms)
 *	a janitor	through the mount: touches accounts, empties rooms
 *	an auditor	reads everything in one transaction, over and over
 *
 * A teller also counts its transfers in a file of its own, in the same
 * transaction: after each crash and at the end the count is at least what
 * was acknowledged and at most what was tried.
 */
#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdarg.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/stat.h>
#include <sys/vfs.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#include "../../libvfs/vfs.h"

#define ACCOUNTS	16u
#define SUM		(ACCOUNTS * 1000)
#define TELLERS		2u
#define DOCTORS		2u
#define TENANTS		2u
#define ROOMS		3u
#define FUSE_MAGIC	0x65735546

/* Shared by all processes. */
struct tally {
	_Atomic uint64_t tried[TELLERS], acked[TELLERS];
	_Atomic uint64_t conflicts, audits, shifts, rented, swept, lost;
	_Atomic int stop, wrong;
	char what[200];			/* of the first wrong */
};

struct rig {
	const char *store, *mnt;
	char **daemon;
	pid_t pid;
	unsigned seed, who;
	bool in_charge;			/* the process that started all */
	struct tally *t;
	struct vfs *v;
	struct vfs_id dir;
	struct vfs_id account[ACCOUNTS], count[TELLERS], duty[DOCTORS], rooms;
};

static void
wrong(struct rig *r, const char *fmt, ...)
{
	va_list ap;

	if (atomic_exchange(&r->t->wrong, 1) == 0) {
		va_start(ap, fmt);
		vsnprintf(r->t->what, sizeof r->t->what, fmt, ap);
		va_end(ap);
	}
	atomic_store(&r->t->stop, 1);
	if (r->in_charge) {
		printf("# %s\n", r->t->what);
		fflush(stdout);
		kill(-r->pid, SIGTERM);
		waitpid(r->pid, NULL, 0);
	}
	_exit(1);
}

static void
must(struct rig *r, int err, const char *what)
{
	if (err < 0)
		wrong(r, "%s: %s", what, vfs_strerror(err));
}

static unsigned
draw(struct rig *r, unsigned n)
{
	return (unsigned)rand_r(&r->seed) % n;
}

/* --- numbers in files ---------------------------------------------------- */

static int
get(struct rig *r, struct vfs_tx *tx, struct vfs_id id, long *out)
{
	char text[24] = "";
	int64_t n = vfs_read(r->v, tx, id, 0, text, sizeof text - 1);

	if (n < 0)
		return (int)n;
	*out = atol(text);
	return n == 20 ? 0 : -VFS_CORRUPT;
}

static int
put(struct rig *r, struct vfs_tx *tx, struct vfs_id id, long n)
{
	char text[24];

	snprintf(text, sizeof text, "%019ld\n", n);
	return vfs_write(r->v, tx, id, 0, text, 20);
}

static struct vfs_id
number(struct rig *r, const char *name, unsigned i, long n)
{
	struct vfs_attr a;
	char path[32];

	snprintf(path, sizeof path, "%s%u", name, i);
	must(r, vfs_create(r->v, NULL, r->dir, path, 0644, 0, &a, NULL),
	    path);
	must(r, put(r, NULL, a.id, n), path);
	return a.id;
}

/* --- who does what ------------------------------------------------------- */

struct transfer {
	struct rig *r;
	unsigned from, to;
	long amount;
};

static int
transfer(struct vfs *v, struct vfs_tx *tx, void *arg)
{
	struct transfer *x = arg;
	struct rig *r = x->r;
	long a = 0, b = 0, n = 0;
	int err;

	(void)v;
	if ((err = get(r, tx, r->account[x->from], &a)) < 0 ||
	    (err = get(r, tx, r->account[x->to], &b)) < 0 ||
	    (err = get(r, tx, r->count[r->who], &n)) < 0 ||
	    (err = put(r, tx, r->account[x->from], a - x->amount)) < 0 ||
	    (err = put(r, tx, r->account[x->to], b + x->amount)) < 0)
		return err;
	return put(r, tx, r->count[r->who], n + 1);
}

/* What may come of a transaction that was done in vain. */
static bool
lost(struct rig *r, int err)
{
	switch (-err) {
	case VFS_CONFLICT:
		atomic_fetch_add(&r->t->conflicts, 1);
		return true;
	case VFS_ABORTED:
	case VFS_EXPIRED:
	case VFS_SESSION_CLOSED:
	case VFS_OFFLINE:
		atomic_fetch_add(&r->t->lost, 1);
		return true;
	default:
		return false;
	}
}

static void
teller(struct rig *r)
{
	struct transfer x = { .r = r };
	struct vfs_seq seq;
	int err;

	x.from = draw(r, ACCOUNTS);
	x.to = (x.from + 1 + draw(r, ACCOUNTS - 1)) % ACCOUNTS;
	x.amount = 1 + draw(r, 100);
	atomic_fetch_add(&r->t->tried[r->who], 1);
	err = vfs_tx_run(r->v, draw(r, 8) ? VFS_TX_VISIBLE : VFS_TX_STABLE,
	    transfer, &x, &seq);
	if (err == 0)
		atomic_fetch_add(&r->t->acked[r->who], 1);
	else if (!lost(r, err))
		wrong(r, "teller: %s", vfs_strerror(err));
}

/* Go off duty if somebody else is on; else come back. */
static int
shift(struct vfs *v, struct vfs_tx *tx, void *arg)
{
	struct rig *r = arg;
	long on[DOCTORS] = { 0 };
	unsigned i, others = 0;
	int err;

	(void)v;
	for (i = 0; i < DOCTORS; i++) {
		if ((err = get(r, tx, r->duty[i], &on[i])) < 0)
			return err;
		others += i != r->who && on[i] != 0;
	}
	return put(r, tx, r->duty[r->who], on[r->who] && others ? 0 : 1);
}

static void
doctor(struct rig *r)
{
	int err = vfs_tx_run(r->v, VFS_TX_VISIBLE, shift, r, NULL);

	if (err == 0)
		atomic_fetch_add(&r->t->shifts, 1);
	else if (!lost(r, err))
		wrong(r, "doctor: %s", vfs_strerror(err));
}

static bool
count_entry(void *arg, const struct vfs_dirent *e)
{
	(void)e;
	++*(unsigned *)arg;
	return true;
}

static int
rooms_taken(struct rig *r, struct vfs_tx *tx, unsigned *out)
{
	*out = 0;
	return vfs_list(r->v, tx, r->rooms, 0, count_entry, out);
}

static int
rent(struct vfs *v, struct vfs_tx *tx, void *arg)
{
	struct rig *r = arg;
	char name[40];
	unsigned n;
	int err;

	if ((err = rooms_taken(r, tx, &n)) < 0)
		return err;
	if (n >= ROOMS)
		return -VFS_BUSY;
	snprintf(name, sizeof name, "t%u-%u", r->who, draw(r, 1u << 30));
	return vfs_create(v, tx, r->rooms, name, 0644, VFS_CREATE_EXCL, NULL,
	    NULL);
}

static void
tenant(struct rig *r)
{
	int err = vfs_tx_run(r->v, VFS_TX_VISIBLE, rent, r, NULL);

	if (err == 0)
		atomic_fetch_add(&r->t->rented, 1);
	else if (err == -VFS_BUSY)
		usleep(500);
	else if (!lost(r, err))
		wrong(r, "tenant: %s", vfs_strerror(err));
}

struct audit {
	struct rig *r;
	long sum, on, counts[TELLERS];
	unsigned rooms;
};

static int
audit(struct vfs *v, struct vfs_tx *tx, void *arg)
{
	struct audit *a = arg;
	struct rig *r = a->r;
	unsigned i;
	long n = 0;
	int err;

	(void)v;
	a->sum = a->on = 0;
	for (i = 0; i < ACCOUNTS; i++, a->sum += n)
		if ((err = get(r, tx, r->account[i], &n)) < 0)
			return err;
	for (i = 0; i < DOCTORS; i++, a->on += n)
		if ((err = get(r, tx, r->duty[i], &n)) < 0)
			return err;
	for (i = 0; i < TELLERS; i++)
		if ((err = get(r, tx, r->count[i], &a->counts[i])) < 0)
			return err;
	return rooms_taken(r, tx, &a->rooms);
}

static void
auditor(struct rig *r)
{
	struct audit a = { .r = r };
	uint64_t acked[TELLERS], tried;
	unsigned i;
	int err;

	for (i = 0; i < TELLERS; i++)
		acked[i] = atomic_load(&r->t->acked[i]);
	err = vfs_tx_run(r->v, VFS_TX_VISIBLE, audit, &a, NULL);
	if (err < 0 && !lost(r, err))
		wrong(r, "auditor: %s", vfs_strerror(err));
	if (err < 0)
		return;
	if (a.sum != SUM)
		wrong(r, "the sum is %ld, not %u", a.sum, SUM);
	if (a.on < 1)
		wrong(r, "no doctor is on duty");
	if (a.rooms > ROOMS)
		wrong(r, "%u of %u rooms are taken", a.rooms, ROOMS);
	for (i = 0; i < TELLERS; i++) {
		tried = atomic_load(&r->t->tried[i]);
		if ((uint64_t)a.counts[i] < acked[i] ||
		    (uint64_t)a.counts[i] > tried)
			wrong(r, "teller %u: %ld transfers, %ju acknowledged, "
			    "%ju tried", i, a.counts[i], (uintmax_t)acked[i],
			    (uintmax_t)tried);
	}
	atomic_fetch_add(&r->t->audits, 1);
}

/* Through the kernel.  Errors are the daemon's deaths. */
static void
janitor(struct rig *r)
{
	struct dirent *e;
	char path[4096];
	DIR *d;

	snprintf(path, sizeof path, "%s/serial/a%u", r->mnt,
	    draw(r, ACCOUNTS));
	(void)chmod(path, 0600 + draw(r, 64));
	snprintf(path, sizeof path, "%s/serial/rooms", r->mnt);
	if ((d = opendir(path)) == NULL) {
		usleep(1000);
		return;
	}
	while ((e = readdir(d)) != NULL)
		if (e->d_name[0] == 't' && draw(r, 2) == 0 &&
		    unlinkat(dirfd(d), e->d_name, 0) == 0)
			atomic_fetch_add(&r->t->swept, 1);
	closedir(d);
	usleep(300);
}

/* --- the daemon, the processes ------------------------------------------- */

static void
start(struct rig *r)
{
	struct statfs s;
	unsigned i;

	r->pid = fork();
	if (r->pid == 0) {
		setpgid(0, 0);
		prctl(PR_SET_PDEATHSIG, SIGKILL);
		execv(r->daemon[0], r->daemon);
		_exit(127);
	}
	setpgid(r->pid, r->pid);
	for (i = 0; i < 3000; i++) {
		if (statfs(r->mnt, &s) == 0 && s.f_type == FUSE_MAGIC)
			return;
		if (waitpid(r->pid, NULL, WNOHANG) == r->pid)
			break;
		usleep(10000);
	}
	wrong(r, "the daemon does not start");
}

static void
connect_one(struct rig *r)
{
	struct vfs_conf c = { .client = "serial", .retry_ms = 60000 };

	must(r, vfs_connect(r->store, &c, &r->v), "connect");
}

static pid_t
run(struct rig *r, void (*one)(struct rig *), unsigned who)
{
	pid_t pid = fork();

	if (pid != 0)
		return pid;
	prctl(PR_SET_PDEATHSIG, SIGKILL);
	r->in_charge = false;
	r->who = who;
	r->seed = r->seed * 31 + who + (unsigned)(uintptr_t)one;
	if (one != janitor)
		connect_one(r);
	while (!atomic_load(&r->t->stop))
		one(r);
	_exit(0);
}

static void
furnish(struct rig *r)
{
	struct vfs_attr a;
	unsigned i;

	connect_one(r);
	must(r, vfs_mkdir(r->v, NULL, vfs_root(r->v), "serial", 0755, &a),
	    "mkdir");
	r->dir = a.id;
	for (i = 0; i < ACCOUNTS; i++)
		r->account[i] = number(r, "a", i, 1000);
	for (i = 0; i < TELLERS; i++)
		r->count[i] = number(r, "count", i, 0);
	for (i = 0; i < DOCTORS; i++)
		r->duty[i] = number(r, "duty", i, 1);
	must(r, vfs_mkdir(r->v, NULL, r->dir, "rooms", 0755, &a), "mkdir");
	r->rooms = a.id;
	vfs_disconnect(r->v);
}

static void
crash(struct rig *r)
{
	kill(-r->pid, SIGKILL);
	waitpid(r->pid, NULL, 0);
	usleep(50000);
	start(r);
}

static int
report(struct rig *r)
{
	struct tally *t = r->t;
	uint64_t acked = 0;
	unsigned i;

	for (i = 0; i < TELLERS; i++)
		acked += t->acked[i];
	printf("# %ju transfers, %ju shifts, %ju rooms rented, %ju swept, "
	    "%ju audits, %ju conflicts told, %ju cut off\n",
	    (uintmax_t)acked, (uintmax_t)t->shifts, (uintmax_t)t->rented,
	    (uintmax_t)t->swept, (uintmax_t)t->audits,
	    (uintmax_t)t->conflicts, (uintmax_t)t->lost);
	if (t->wrong)
		printf("# %s\n", t->what);
	return t->wrong || acked == 0 || t->shifts == 0 || t->rented == 0 ||
	    t->swept == 0 || t->audits == 0;
}

int
main(int argc, char **argv)
{
	static struct rig r;
	pid_t kids[16];
	unsigned i, n = 0, kills, seconds;
	int status;

	if (argc < 7) {
		fprintf(stderr, "serial STORE MNT SECONDS SEED KILLS "
		    "DAEMON...\n");
		return 2;
	}
	r.store = argv[1];
	r.mnt = argv[2];
	seconds = (unsigned)atoi(argv[3]);
	r.seed = (unsigned)strtoul(argv[4], NULL, 10);
	kills = (unsigned)atoi(argv[5]);
	r.daemon = argv + 6;
	r.t = mmap(NULL, sizeof *r.t, PROT_READ | PROT_WRITE,
	    MAP_SHARED | MAP_ANONYMOUS, -1, 0);
	r.in_charge = true;
	start(&r);
	furnish(&r);
	for (i = 0; i < TELLERS; i++)
		kids[n++] = run(&r, teller, i);
	for (i = 0; i < DOCTORS; i++)
		kids[n++] = run(&r, doctor, i);
	for (i = 0; i < TENANTS; i++)
		kids[n++] = run(&r, tenant, i);
	kids[n++] = run(&r, janitor, 0);
	kids[n++] = run(&r, auditor, 0);
	for (i = 0; i <= kills && !atomic_load(&r.t->stop); i++) {
		usleep(seconds * 1000000 / (kills + 1));
		if (i < kills)
			crash(&r);
	}
	atomic_store(&r.t->stop, 1);
	for (i = 0; i < n; i++)
		waitpid(kids[i], &status, 0);
	connect_one(&r);
	auditor(&r);
	vfs_disconnect(r.v);
	kill(r.pid, SIGTERM);
	waitpid(r.pid, NULL, 0);
	return report(&r);
}
