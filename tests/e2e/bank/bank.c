/*
 * bank - clients of libvfs that cannot tolerate half of anything
 *
 *	bank setup WHERE	what they work on
 *	bank work WHERE ID MS	one client; prints how many commits of its
 *				own it was told of
 *	bank check WHERE	the sums, and what each ID has committed
 *
 * Each client moves money between accounts, turns one of two switches off
 * if both are on (write skew), and adds a name to a directory that may
 * hold LIST of them (phantom).  Every commit counts itself in a file of
 * the client's, in the same transaction.  The daemon may be killed at any
 * time; who is told of a commit must find it, and once.
 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "../../../libvfs/vfs.h"

#define ACCOUNTS	6
#define EACH		1000
#define LIST		5

struct client {
	unsigned long seed, commits, what;
	char count[32];
};

static unsigned
rnd(struct client *c, unsigned n)
{
	c->seed = c->seed * 6364136223846793005ul + 1442695040888963407ul;
	return (unsigned)(c->seed >> 33) % n;
}

static int
get(struct vfs *v, struct vfs_tx *tx, const char *name, long *n)
{
	struct vfs_attr a;
	char text[32] = "";
	int64_t k;
	int err = vfs_lookup(v, tx, vfs_root(v), name, &a);

	if (err < 0)
		return err;
	k = vfs_read(v, tx, a.id, 0, text, sizeof text - 1);
	*n = atol(text);
	return k < 0 ? (int)k : 0;
}

static int
put(struct vfs *v, struct vfs_tx *tx, const char *name, long n)
{
	struct vfs_attr a;
	char text[32];
	int err = vfs_create(v, tx, vfs_root(v), name, 0644, 0, &a, NULL);

	snprintf(text, sizeof text, "%-20ld\n", n);
	return err < 0 ? err : vfs_write(v, tx, a.id, 0, text, strlen(text));
}

/* --- what is done ---------------------------------------------------------- */

static int
transfer(struct vfs *v, struct vfs_tx *tx, struct client *c)
{
	char from[16], to[16];
	unsigned i = rnd(c, ACCOUNTS), k = rnd(c, ACCOUNTS - 1);
	long a, b, amount = rnd(c, 100);
	int err;

	snprintf(from, sizeof from, "acct%u", i);
	snprintf(to, sizeof to, "acct%u", k >= i ? k + 1 : k);
	if ((err = get(v, tx, from, &a)) < 0 ||
	    (err = get(v, tx, to, &b)) < 0 ||
	    (err = put(v, tx, from, a - amount)) < 0)
		return err;
	return put(v, tx, to, b + amount);
}

/* Either may be off, never both. */
static int
skew(struct vfs *v, struct vfs_tx *tx, struct client *c)
{
	const char *mine = rnd(c, 2) ? "one" : "two";
	long a, b;
	int err;

	if ((err = get(v, tx, "one", &a)) < 0 ||
	    (err = get(v, tx, "two", &b)) < 0)
		return err;
	if (a + b == 2)
		return put(v, tx, mine, 0);
	err = put(v, tx, "one", 1);
	return err < 0 ? err : put(v, tx, "two", 1);
}

static bool
count_one(void *arg, const struct vfs_dirent *e)
{
	(void)e;
	++*(unsigned *)arg;
	return true;
}

static bool
first_name(void *arg, const struct vfs_dirent *e)
{
	memcpy(arg, e->name.p, e->name.n);
	((char *)arg)[e->name.n] = 0;
	return false;
}

/* Up to LIST names; whoever finds it full takes one away. */
static int
phantom(struct vfs *v, struct vfs_tx *tx, struct client *c)
{
	char name[VFS_NAME_MAX + 1];
	struct vfs_id none = { 0 };
	struct vfs_attr dir;
	unsigned n = 0;
	int err;

	if ((err = vfs_lookup(v, tx, vfs_root(v), "list", &dir)) < 0 ||
	    (err = vfs_list(v, tx, dir.id, 0, count_one, &n)) < 0)
		return err;
	if (n < LIST) {
		snprintf(name, sizeof name, "%s-%lu", c->count, c->commits);
		err = vfs_create(v, tx, dir.id, name, 0644, 0, NULL, NULL);
		return err;
	}
	err = vfs_list(v, tx, dir.id, 0, first_name, name);
	return err < 0 ? err : vfs_unlink(v, tx, dir.id, name,
	    VFS_UNLINK_FILE, none);
}

static int
one(struct vfs *v, struct vfs_tx *tx, void *arg)
{
	static int (*const does[])(struct vfs *, struct vfs_tx *,
	    struct client *) = { transfer, skew, phantom };
	struct client *c = arg;
	int err = does[c->what](v, tx, c);

	return err < 0 ? err : put(v, tx, c->count, (long)c->commits + 1);
}

/* What may come of others, or of a daemon that is killed. */
static bool
is_bad_luck(int err)
{
	return err == -VFS_CONFLICT || err == -VFS_OFFLINE ||
	    err == -VFS_ABORTED || err == -VFS_EXPIRED ||
	    err == -VFS_SESSION_CLOSED;
}

static unsigned long
now_ms(void)
{
	struct timespec ts;

	clock_gettime(CLOCK_MONOTONIC, &ts);
	return (unsigned long)ts.tv_sec * 1000 +
	    (unsigned long)ts.tv_nsec / 1000000;
}

static int
work(struct vfs *v, const char *id, const char *ms)
{
	unsigned long until = now_ms() + strtoul(ms, NULL, 10);
	struct client c = { .seed = strtoul(id, NULL, 10) };
	int err;

	snprintf(c.count, sizeof c.count, "count%.10s", id);
	while (now_ms() < until) {
		c.what = rnd(&c, 3);
		err = vfs_tx_run(v, VFS_TX_VISIBLE, one, &c, NULL);
		if (err == 0) {
			c.commits++;
		} else if (!is_bad_luck(err) || vfs_failure(v)->unsure) {
			fprintf(stderr, "%s: %s%s\n", id, vfs_strerror(err),
			    vfs_failure(v)->unsure ? ", unsure" : "");
			return 1;
		}
	}
	printf("%lu\n", c.commits);
	return 0;
}

/* --- before and after -------------------------------------------------------- */

static int
fill(struct vfs *v, struct vfs_tx *tx, void *arg)
{
	char name[16];
	unsigned i;
	int err = vfs_mkdir(v, tx, vfs_root(v), "list", 0755, NULL);

	(void)arg;
	for (i = 0; err == 0 && i < ACCOUNTS; i++) {
		snprintf(name, sizeof name, "acct%u", i);
		err = put(v, tx, name, EACH);
	}
	if (err == 0)
		err = put(v, tx, "one", 1);
	return err < 0 ? err : put(v, tx, "two", 1);
}

static int
audit(struct vfs *v, struct vfs_tx *tx, void *arg)
{
	long sum = 0, n, a, b;
	struct vfs_attr dir;
	unsigned i, names = 0;
	char name[16];
	int err;

	for (i = 0; i < ACCOUNTS; i++) {
		snprintf(name, sizeof name, "acct%u", i);
		if ((err = get(v, tx, name, &n)) < 0)
			return err;
		sum += n;
	}
	if ((err = get(v, tx, "one", &a)) < 0 ||
	    (err = get(v, tx, "two", &b)) < 0 ||
	    (err = vfs_lookup(v, tx, vfs_root(v), "list", &dir)) < 0 ||
	    (err = vfs_list(v, tx, dir.id, 0, count_one, &names)) < 0)
		return err;
	*(bool *)arg = sum == ACCOUNTS * EACH && a + b >= 1 && names <= LIST;
	if (!*(bool *)arg)
		fprintf(stderr, "sum %ld, switches %ld %ld, names %u\n", sum,
		    a, b, names);
	return 0;
}

int
main(int argc, char **argv)
{
	const struct vfs_conf conf = { .client = "bank", .retry_ms = 30000 };
	bool right = true;
	struct vfs *v;
	int err;

	if (argc < 3 || vfs_connect(argv[2], &conf, &v) < 0)
		return 2;
	if (strcmp(argv[1], "setup") == 0)
		err = vfs_tx_run(v, VFS_TX_STABLE, fill, NULL, NULL);
	else if (strcmp(argv[1], "work") == 0 && argc == 5)
		return work(v, argv[3], argv[4]);
	else
		err = vfs_tx_run(v, VFS_TX_VISIBLE, audit, &right, NULL);
	if (err < 0)
		fprintf(stderr, "%s\n", vfs_strerror(err));
	vfs_disconnect(v);
	return err < 0 || !right;
}
