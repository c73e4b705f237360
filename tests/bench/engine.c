/*
 * engine.c - the engine without a mount: one lookup, one create
 *
 * Prints nanoseconds: a row found through the engine (in the row store,
 * in the table) beside a bare mdb_get of the same rows, and a commit of the
 * rows of a create.  Not part of make check.
 *
 *	engine [ROWS]
 */
#include <fcntl.h>
#include <ftw.h>
#include <lmdb.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#include "../../vfsd/core/record.h"
#include "../../vfsd/engine/engine.h"
#include "times.h"

#define SAMPLES	20000u
#define INODE	150u			/* bytes of an inode row */

static void
must(int err, const char *what)
{
	if (err == 0)
		return;
	fprintf(stderr, "%s: %s\n", what, vfs_err_text(err));
	exit(1);
}

static void
show(const char *what, uint64_t *ns, unsigned n)
{
	uint64_t mid = median(ns, n);

	printf("%-34s median %6lu  p99 %6lu ns\n", what,
	    (unsigned long)mid, (unsigned long)ns[n - n / 100 - 1]);
}

static uint64_t
rnd(uint64_t *s)
{
	*s = *s * 6364136223846793005u + 1442695040888963407u;
	return *s >> 33;
}

/* --- rows ---------------------------------------------------------- */

static void
put(struct txn *t, const struct row_key *k, size_t n)
{
	static const uint8_t bytes[512];

	must(txn_put(t, row_key_slice(k), (struct vfs_slice){ bytes, n }),
	    "put");
}

/* What a create does: two reads, six rows. */
static void
create_rows(struct txn *t, uint64_t dir, uint64_t slot)
{
	struct vfs_slice val;
	struct vfs_id id;
	struct row_key k;
	char name[32];
	struct journal_pos at;
	int n = snprintf(name, sizeof(name), "file-%08lx",
	    (unsigned long)(slot * 2654435761u & 0xffffffff));

	row_key_id(&k, ROW_INODE, dir);
	(void)txn_get(t, row_key_slice(&k), &val);
	put(t, &k, INODE);
	row_key_name(&k, ROW_NAME, (struct vfs_id){ dir },
	    (struct vfs_slice){ name, (size_t)n });
	if (txn_get(t, row_key_slice(&k), &val) == 0)
		must(-VFS_EXIST, "name");
	put(t, &k, 17);
	must(txn_new_id(t, &id), "id");
	row_key_id(&k, ROW_INODE, id.n);
	put(t, &k, INODE);
	row_key_id2(&k, ROW_SLOT, dir, slot);
	put(t, &k, 9 + (size_t)n);
	row_key_link(&k, id, (struct vfs_id){ dir }, slot);
	put(t, &k, 0);
	must(txn_journal(t, &(struct rec_journal){ .kind = JOURNAL_CREATE,
	    .type = VFS_REG, .id = id, .parent = { dir },
	    .name = { name, (size_t)n } }, &at), "journal");
}

static void
create(struct engine *e, uint64_t slot)
{
	static const struct req_env env;
	struct txn *t;

	must(txn_begin(e, TXN_WRITE, &env, &t), "begin");
	create_rows(t, 1, slot);
	must(txn_commit(t, NULL), "commit");
}

/* --- measurements -------------------------------------------------- */

static void
bench_create(struct engine *e, uint64_t *ns, uint64_t from)
{
	unsigned i;

	for (i = 0; i < SAMPLES; i++) {
		uint64_t t0 = clock_ns();

		create(e, from + i);
		ns[i] = clock_ns() - t0;
	}
	show("create: six rows, commit", ns, SAMPLES);
}

static void
fill(struct engine *e, unsigned rows)
{
	struct row_key k;
	struct txn *t;
	unsigned i = 0, n;

	while (i < rows) {
		must(txn_begin(e, TXN_WRITE, NULL, &t), "begin");
		for (n = 0; n < 1000 && i < rows; n++, i++) {
			row_key_id(&k, ROW_INODE, 1000000 + i);
			put(t, &k, INODE);
		}
		must(txn_commit(t, NULL), "commit");
	}
	must(engine_checkpoint(e), "checkpoint");
}

static void
bench_lookup(struct engine *e, uint64_t *ns, unsigned rows, const char *what)
{
	uint64_t seed = 42, t0;
	struct vfs_slice val;
	struct row_key k;
	struct txn *t;
	unsigned i;

	for (i = 0; i < SAMPLES; i++) {
		row_key_id(&k, ROW_INODE, 1000000 + rnd(&seed) % rows);
		t0 = clock_ns();
		must(txn_begin(e, TXN_READ, NULL, &t), "begin");
		must(txn_get(t, row_key_slice(&k), &val), "get");
		txn_abort(t);
		ns[i] = clock_ns() - t0;
	}
	show(what, ns, SAMPLES);
}

/* The same keys by LMDB alone: a reader that is renewed, or one that
 * stays. */
static void
bench_mdb(const char *path, uint64_t *ns, unsigned rows, bool renew)
{
	uint64_t seed = 42, t0;
	MDB_env *env;
	MDB_txn *txn;
	MDB_dbi dbi;
	MDB_val key, val;
	struct row_key k;
	unsigned i;
	int rc;

	if (mdb_env_create(&env) != 0 ||
	    mdb_env_set_mapsize(env, 1ull << 40) != 0 ||
	    mdb_env_open(env, path, MDB_NOSUBDIR | MDB_RDONLY | MDB_NOLOCK |
	    MDB_NOTLS, 0600) != 0 ||
	    mdb_txn_begin(env, NULL, MDB_RDONLY, &txn) != 0 ||
	    mdb_dbi_open(txn, NULL, 0, &dbi) != 0)
		must(-VFS_IO, path);
	for (i = 0; i < SAMPLES; i++) {
		row_key_id(&k, ROW_INODE, 1000000 + rnd(&seed) % rows);
		key = (MDB_val){ k.n, k.b };
		t0 = clock_ns();
		if (renew) {
			mdb_txn_reset(txn);
			mdb_txn_renew(txn);
		}
		rc = mdb_get(txn, dbi, &key, &val);
		ns[i] = clock_ns() - t0;
		if (rc != 0)
			must(-VFS_NOENT, "mdb_get");
	}
	show(renew ? "bare mdb_txn_renew and mdb_get" : "bare mdb_get", ns,
	    SAMPLES);
	mdb_txn_abort(txn);
	mdb_env_close(env);
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
	unsigned rows = argc > 1 ? (unsigned)atoi(argv[1]) : 1000000;
	char dir[] = "/tmp/vfsd-bench-XXXXXX", path[64];
	struct engine_conf conf = { .create = true };
	uint64_t *ns = calloc(SAMPLES, sizeof(*ns));
	struct timespec ts;
	struct engine *e;

	if (ns == NULL || mkdtemp(dir) == NULL)
		return 1;
	clock_gettime(CLOCK_REALTIME, &ts);
	conf.now.sec = ts.tv_sec;
	conf.dirfd = open(dir, O_RDONLY | O_DIRECTORY);
	must(engine_open(&conf, &e), "open");
	bench_create(e, ns, 0);
	bench_create(e, ns, SAMPLES);
	fill(e, rows);
	bench_lookup(e, ns, rows, "lookup: begin, get, end; in store");
	bench_lookup(e, ns, rows, "again");
	must(engine_close(e), "close");
	snprintf(path, sizeof(path), "%s/rows.mdb", dir);
	bench_mdb(path, ns, rows, false);
	bench_mdb(path, ns, rows, false);
	bench_mdb(path, ns, rows, true);
	nftw(dir, rm, 8, FTW_DEPTH | FTW_PHYS);
	return 0;
}
