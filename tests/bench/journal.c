/*
 * journal.c - reading change records, in process
 *
 * Prints records a second of JOURNAL_READ, by pages of a message's size:
 * of the whole tree and of a subtree eight directories deep, from the row
 * store and from the table.  The goal is a million.  Not part of make
 * check.
 *
 *	journal [RECORDS]
 */
#include <fcntl.h>
#include <ftw.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#include "../../vfsd/core/core.h"
#include "../../vfsd/engine/engine.h"
#include "times.h"

#define DEPTH	8u
#define NAMES	64u			/* of a directory, used again */

static const struct req_env env = { .kernel_checked = true,
	.privileged = true };

static void
must(int err, const char *what)
{
	if (err >= 0)
		return;
	fprintf(stderr, "%s: %s\n", what, vfs_err_text(err));
	exit(1);
}

static struct vfs_id
create(struct txn *t, struct vfs_id dir, const char *name, uint32_t mode)
{
	struct vfs_create q = { .dir = dir, .mode = mode,
		.name = { name, strlen(name) } };
	struct vfs_create_reply r;

	must(op_create(t, &q, NULL, &r), "create");
	return r.attr.id;
}

static struct vfs_id
deep(struct engine *e)
{
	struct vfs_id dir = { VFS_ID_ROOT };
	struct txn *t;
	unsigned i;

	must(txn_begin(e, TXN_WRITE, &env, &t), "begin");
	for (i = 0; i < DEPTH; i++)
		dir = create(t, dir, "directory", VFS_TYPE_MODE(VFS_DIR) |
		    0755);
	must(txn_commit(t, NULL), "commit");
	return dir;
}

/* Renames, a commit each, with names as builds have them. */
static void
renames(struct engine *e, struct vfs_id dir, unsigned n)
{
	struct vfs_rename_reply r;
	char a[40], b[40];
	struct txn *t;
	unsigned i;

	for (i = 0; i < n; i++) {
		struct vfs_rename q = { .dir = dir, .dir2 = dir };

		snprintf(a, sizeof a, "object-%04u.%c", i % NAMES,
		    i / NAMES % 2 ? 'n' : 'o');
		snprintf(b, sizeof b, "object-%04u.%c", i % NAMES,
		    i / NAMES % 2 ? 'o' : 'n');
		q.name = (struct vfs_slice){ a, strlen(a) };
		q.name2 = (struct vfs_slice){ b, strlen(b) };
		must(txn_begin(e, TXN_WRITE, &env, &t), "begin");
		must(op_rename(t, &q, NULL, &r), "rename");
		must(txn_commit(t, NULL), "commit");
	}
}

static void
measure(struct engine *e, struct vfs_id subtree, uint32_t flags,
    const char *what)
{
	static uint8_t page[VFS_IO_MAX];
	struct vfs_journal_read q = { .subtree = subtree, .flags = flags };
	struct vfs_journal_read_reply r = { .more = 1 };
	uint64_t from = clock_ns(), n = 0, pages = 0, ns;
	struct txn *t;

	while (r.more) {
		r = (struct vfs_journal_read_reply){
			.records = { page, sizeof page, 0 } };
		must(txn_begin(e, TXN_READ, &env, &t), "begin");
		must(op_journal_read(t, &q, &r), "read");
		txn_abort(t);
		q.seq = r.seq;
		q.idx = r.idx;
		n += r.n;
		pages++;
	}
	ns = clock_ns() - from;
	printf("%-34s %9lu records, %5lu pages, %9.0f records/s\n", what,
	    (unsigned long)n, (unsigned long)pages, (double)n * 1e9 /
	    (double)(ns > 0 ? ns : 1));
}

static int
rm(const char *path, const struct stat *st, int flag, struct FTW *f)
{
	(void)st, (void)flag, (void)f;
	return remove(path);
}

int
main(int argc, char **argv)
{
	unsigned n = argc > 1 ? (unsigned)atoi(argv[1]) : 1000000, i;
	char dir[] = "/tmp/vfsd-bench-XXXXXX", name[40];
	struct core_root root = { .mode = 0755 };
	struct engine_conf conf = { .create = true, .format = core_format,
		.format_arg = &root };
	struct vfs_id top, all = { 0 };
	struct timespec ts;
	struct engine *e;
	struct txn *t;

	if (mkdtemp(dir) == NULL)
		return 1;
	clock_gettime(CLOCK_REALTIME, &ts);
	conf.now.sec = ts.tv_sec;
	conf.dirfd = open(dir, O_RDONLY | O_DIRECTORY);
	must(engine_open(&conf, &e), "open");
	top = deep(e);
	must(txn_begin(e, TXN_WRITE, &env, &t), "begin");
	for (i = 0; i < NAMES; i++) {
		snprintf(name, sizeof name, "object-%04u.o", i);
		create(t, top, name, VFS_TYPE_MODE(VFS_REG) | 0644);
	}
	must(txn_commit(t, NULL), "commit");
	renames(e, top, n);
	must(engine_checkpoint(e), "checkpoint");
	measure(e, all, 0, "all, from the row store");
	measure(e, all, 0, "again");
	measure(e, top, 0, "below a directory");
	measure(e, all, VFS_JOURNAL_COLLAPSE, "collapsed");
	must(engine_close(e), "close");
	nftw(dir, rm, 8, FTW_DEPTH | FTW_PHYS);
	return 0;
}
