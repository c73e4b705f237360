/*
 * lmdb/store.c - rows in LMDB
 *
 * One file, rows.mdb, one database, LMDB's default sync mode: a commit
 * writes its pages, calls fdatasync, then writes the meta page with
 * O_DSYNC.  Beside it lies rows.mdb-lock with LMDB's reader table, which
 * the next opener resets; it holds nothing that must survive.
 *
 * LMDB wants path names, we have a directory's descriptor: /proc/self/fd
 * turns one into the other.
 *
 * Not used, on purpose: MDB_NORDAHEAD (a cold start scans the rows, and
 * stores are smaller than memory as a rule), MDB_NOMEMINIT (old heap
 * bytes would reach the disk), and everything that loosens a sync.
 */
#include <assert.h>
#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>

#include "../../protocol/limits.h"
#include "../dir.h"
#include "../escape.h"
#include "lmdb_store.h"

#define FILE_NAME	"rows.mdb"
#define FILE_NEW	"rows.mdb.new"	/* a creation under way */
#define FILE_LOCK	"rows.mdb-lock"	/* LMDB's readers */
#define READERS_ROOM	32768		/* > a cache line for each reader */

/* The only place where LMDB's codes become ours. */
int
lmdb_err(int rc)
{
	switch (rc) {
	case MDB_SUCCESS:
		return 0;
	case MDB_NOTFOUND:
		return -VFS_NOENT;
	case MDB_MAP_FULL:
	case EFBIG:
	case EDQUOT:
		return -VFS_NOSPC;
	case MDB_READERS_FULL:
		return -VFS_BUSY;
	case MDB_BAD_VALSIZE:
		return -VFS_INVAL;
	case MDB_CORRUPTED:
	case MDB_PAGE_NOTFOUND:
	case MDB_CURSOR_FULL:		/* a tree that is too deep */
	case MDB_PAGE_FULL:
	case MDB_BAD_TXN:		/* met damage before */
	case MDB_INVALID:
	case MDB_VERSION_MISMATCH:
		return -VFS_CORRUPT;
	default:
		return rc > 0 ? vfs_err_from_os(rc) : -VFS_IO;
	}
}

/* Which failures of a write end all writing. */
static bool
is_final(int err)
{
	return err < 0 && err != -VFS_NOSPC && err != -VFS_NOMEM &&
	    err != -VFS_INVAL;
}

static void
on_assert(MDB_env *env, const char *text)
{
	(void)env;
	(void)text;
	escape_now();
}

/* --- opening and creating ------------------------------------------ */

static int
env_try(const char *path, unsigned flags, size_t map, MDB_env **out)
{
	MDB_env *env = NULL;
	int rc;

	rc = mdb_env_create(&env);
	if (rc == 0)
		rc = mdb_env_set_assert(env, on_assert);
	if (rc == 0)
		rc = mdb_env_set_mapsize(env, map);
	if (rc == 0)	/* two more: reserve reads the free list, renew */
		rc = mdb_env_set_maxreaders(env, STORE_SNAPS_MAX + 2);
	if (rc == 0)
		rc = mdb_env_open(env, path, flags | MDB_NOSUBDIR | MDB_NOTLS,
		    0600);
	if (rc != 0 && env)
		mdb_env_close(env);
	else
		*out = env;
	return rc;
}

/*
 * LMDB grows its reader table by ftruncate and writes it through a
 * mapping: on a full disk that would be SIGBUS.  Not while the
 * environment is open: closing the file would drop LMDB's own locks.
 */
static int
reserve_readers(int dirfd, const char *name)
{
	char path[64];
	int fd, rc;

	snprintf(path, sizeof path, "%s-lock", name);
	fd = be_dir_open(dirfd, path, O_RDWR | O_CREAT);
	if (fd < 0)
		return fd;
	do
		rc = fallocate(fd, FALLOC_FL_KEEP_SIZE, 0, READERS_ROOM) < 0 ?
		    errno : 0;
	while (rc == EINTR);
	close(fd);
	return rc == EOPNOTSUPP || rc == ENOSYS ? 0 : lmdb_err(rc);
}

/* The same bytes at the same place, but no longer a file's. */
static void
leave_file(void *at, size_t n)
{
	void *own = mmap(NULL, n, PROT_READ | PROT_WRITE,
	    MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);

	if (own == MAP_FAILED)
		return;
	memcpy(own, at, n);
	if (mremap(own, n, n, MREMAP_MAYMOVE | MREMAP_FIXED, at) == MAP_FAILED)
		munmap(own, n);
}

/*
 * Nobody else uses the reader table (vfsd/engine/lock.c), and LMDB does not
 * say where it has mapped it.  Where the host writes each block to a new
 * place, as btrfs does, a store into a page of the file wants room and would
 * be SIGBUS on a full disk.
 */
static void
own_readers(int dirfd)
{
	unsigned long from, end;
	char shared, *line = NULL;
	struct stat st;
	uint64_t ino;
	size_t cap = 0;
	FILE *f;

	if (fstatat(dirfd, FILE_LOCK, &st, 0) < 0 ||
	    (f = fopen("/proc/self/maps", "re")) == NULL)
		return;
	while (getline(&line, &cap, f) > 0) {
		if (sscanf(line, "%lx-%lx %*3c%c %*s %*s %" SCNu64, &from, &end,
		    &shared, &ino) != 4 || shared != 's' ||
		    ino != st.st_ino || strstr(line, FILE_LOCK) == NULL)
			continue;
		leave_file((void *)from, end - from);
		break;
	}
	free(line);
	fclose(f);
}

/* With less address space where the machine, or a limit, has less; valgrind
 * says EINVAL then. */
static int
env_open(int dirfd, const char *name, unsigned flags, MDB_env **out)
{
	char path[64];
	size_t map;
	int rc;

	if (!(flags & (MDB_RDONLY | MDB_NOLOCK)) &&
	    (rc = reserve_readers(dirfd, name)) != 0)
		return rc;
	snprintf(path, sizeof path, "/proc/self/fd/%d/%s", dirfd, name);
	for (map = LMDB_MAP_MAX; ; map /= 4) {
		rc = env_try(path, flags, map, out);
		if ((rc != ENOMEM && rc != EINVAL) || map <= LMDB_MAP_MIN)
			return lmdb_err(rc);
	}
}

/*
 * LMDB writes the first meta pages and syncs neither them nor the
 * directory, and cannot read back a half-written pair.  So the file is
 * made under another name and gets its own when it is whole.
 */
int
lmdb_make(int dirfd, int (*fill)(MDB_env *env, void *arg), void *arg,
    const char *keep)
{
	MDB_env *env;
	int err;

	if (unlinkat(dirfd, FILE_NEW, 0) < 0 && errno != ENOENT)
		return vfs_err_from_os(errno);
	if ((err = env_open(dirfd, FILE_NEW, MDB_NOLOCK, &env)) < 0)
		return err;
	if (fill)
		err = fill(env, arg);
	if (err == 0)
		err = lmdb_err(mdb_env_sync(env, 1));
	if (err == -VFS_IO && lmdb_disk_full(env))
		err = -VFS_NOSPC;
	mdb_env_close(env);
	if (err == 0 && keep)
		err = be_dir_keep(dirfd, FILE_NAME, keep);
	if (err == 0 && renameat(dirfd, FILE_NEW, dirfd, FILE_NAME) < 0) {
		err = vfs_err_from_os(errno);
		if (keep)
			(void)unlinkat(dirfd, keep, 0);
	}
	if (err == 0)
		err = be_dir_sync(dirfd);
	if (err < 0)
		(void)unlinkat(dirfd, FILE_NEW, 0);
	return err;
}

static int
store_create(int dirfd)
{
	int err = lmdb_make(dirfd, NULL, NULL, NULL);

	if (err < 0)
		(void)unlinkat(dirfd, FILE_NAME, 0);
	return err;
}

/*
 * A store exists if its file does; LMDB itself would create one.  Whoever
 * made it may have died before it synced the name.
 */
static int
store_find(int dirfd, bool create)
{
	struct stat st;

	if (fstatat(dirfd, FILE_NAME, &st, AT_SYMLINK_NOFOLLOW) < 0) {
		if (errno != ENOENT)
			return vfs_err_from_os(errno);
		return create ? store_create(dirfd) : -VFS_NOENT;
	}
	if (!S_ISREG(st.st_mode) || st.st_size == 0)
		return -VFS_CORRUPT;
	return create ? be_dir_sync(dirfd) : 0;
}

static int
dbi_open(struct lmdb_store *s)
{
	MDB_txn *txn = NULL;
	MDB_stat st;
	int rc;

	rc = mdb_txn_begin(s->env, NULL, MDB_RDONLY, &txn);
	if (rc == 0)
		rc = mdb_dbi_open(txn, NULL, 0, &s->dbi);
	if (rc == 0)
		rc = mdb_stat(txn, s->dbi, &st);
	if (rc == 0)
		s->page = st.ms_psize;
	if (txn)
		mdb_txn_abort(txn);
	return lmdb_err(rc);
}

static void
lmdb_close(void *self)
{
	struct lmdb_store *s = self;

	if (!s)
		return;
	assert(s->nsnaps == 0);
	if (s->env) {
		lmdb_reserve_end(s);
		mdb_env_close(s->env);
	}
	if (s->fd >= 0)
		close(s->fd);
	pthread_mutex_destroy(&s->lock);
	free(s);
}

static int
store_map(struct lmdb_store *s, int dirfd)
{
	int err = env_open(dirfd, FILE_NAME,
	    s->rdonly ? MDB_RDONLY | MDB_NOLOCK : 0, &s->env);

	if (err == 0 && !s->rdonly)
		own_readers(dirfd);
	return err < 0 ? err : dbi_open(s);
}

static int
lmdb_open(int dirfd, bool create, bool rdonly, void **self)
{
	struct lmdb_store *s;
	int err;

	assert(!(create && rdonly));
	escape_begin();
	if ((err = store_find(dirfd, create)) < 0)
		return err;
	if (!(s = calloc(1, sizeof *s)))
		return -VFS_NOMEM;
	pthread_mutex_init(&s->lock, NULL);
	s->rdonly = rdonly;
	s->fd = -1;
	err = lmdb_meta_check(dirfd, FILE_NAME);
	if (err == 0)
		err = store_map(s, dirfd);
	else if (err == -VFS_CORRUPT && rdonly)
		err = s->fd = lmdb_meta_open(dirfd, FILE_NAME, &s->page);
	if (err < 0) {
		lmdb_close(s);
		return err;
	}
	*self = s;
	return 0;
}

/* --- writing ------------------------------------------------------- */

/* The largest key there is, copied: puts move the pages it lies in. */
static int
last_key(MDB_cursor *c, unsigned char *buf, size_t cap, MDB_val *out)
{
	MDB_val k, v;
	int rc;

	rc = mdb_cursor_get(c, &k, &v, MDB_LAST);
	if (rc == MDB_NOTFOUND)
		k.mv_size = 0;
	else if (rc != 0)
		return rc;
	if (k.mv_size > cap)
		return MDB_CORRUPTED;
	if (k.mv_size > 0)
		memcpy(buf, k.mv_data, k.mv_size);
	*out = (MDB_val){ .mv_size = k.mv_size, .mv_data = buf };
	return 0;
}

struct commit {
	struct lmdb_store *s;
	const struct store_batch *b;
	struct lmdb_way *way;
};

/* Rows beyond the last key fill pages to the brim (MDB_APPEND). */
static int
put_rows(MDB_txn *txn, const struct commit *to)
{
	const struct store_batch *b = to->b;
	MDB_dbi dbi = to->s->dbi;
	unsigned char buf[512];
	MDB_cursor *c;
	MDB_val k, v, last;
	bool append = false;
	size_t i;
	int rc;

	if ((rc = mdb_cursor_open(txn, dbi, &c)) != 0)
		return rc;
	rc = lmdb_way_begin(to->way, to->s, c);
	if (rc == 0)
		rc = last_key(c, buf, sizeof buf, &last);
	for (i = 0; rc == 0 && i < b->nrows; i++) {
		k = val_of(b->rows[i].key);
		v = val_of(b->rows[i].val);
		if (k.mv_size < 1 || k.mv_size > VFS_KEY_MAX)
			rc = MDB_BAD_VALSIZE;
		else
			rc = lmdb_way_row(to->way, &b->rows[i]);
		if (rc != 0)
			break;
		if (!append)
			append = mdb_cmp(txn, dbi, &k, &last) > 0;
		if (v.mv_data) {
			rc = mdb_cursor_put(c, &k, &v, append ? MDB_APPEND : 0);
		} else if (!append) {
			rc = mdb_del(txn, dbi, &k, NULL);
			if (rc == MDB_NOTFOUND)
				rc = 0;
		}
	}
	mdb_cursor_close(c);
	return rc;
}

/*
 * A reader in LMDB takes the number n of the last commit and then copies
 * meta page n % 2.  If it sleeps in between while commits n + 1 and n + 2
 * are made, it copies a page that is being written, and a later snapshot
 * may be older than its own.  So no commit starts while a snapshot does.
 */
static void
snaps_pass(struct lmdb_store *s)
{
	pthread_mutex_lock(&s->lock);
	pthread_mutex_unlock(&s->lock);
}

/* Escaped from, its transaction is LMDB's last: no lock is given back. */
static int
commit(void *arg)
{
	struct commit *c = arg;
	MDB_txn *txn = NULL;
	int rc;

	rc = mdb_txn_begin(c->s->env, NULL, 0, &txn);
	if (rc == 0)
		rc = put_rows(txn, c);
	if (rc == 0) {
		snaps_pass(c->s);
		rc = mdb_txn_commit(txn);
		txn = NULL;		/* consumed, whatever it returned */
	}
	if (txn)
		mdb_txn_abort(txn);
	return rc;
}

/*
 * LMDB goes on committing after a failed fdatasync; we do not.  Lack of
 * space is no such failure: whatever was written belongs to no commit,
 * and the next try writes each of its pages again.
 */
static int
lmdb_apply(void *self, const struct store_batch *b)
{
	struct lmdb_store *s = self;
	struct commit c = { s, b, NULL };
	int rc, err;

	if (b->nrows > STORE_BATCH_MAX)
		return -VFS_INVAL;
	if (s->rdonly)
		return -VFS_ROFS;
	if (s->failed)
		return s->failed;
	s->free_known = false;
	if ((c.way = lmdb_way_new()) == NULL)
		return -VFS_NOMEM;
	rc = escape_run(commit, &c, MDB_CORRUPTED);
	lmdb_way_free(c.way);
	err = rc == EIO && lmdb_disk_full(s->env) ? -VFS_NOSPC : lmdb_err(rc);
	if (is_final(err))
		s->failed = err;
	return err;
}

const struct store_ops be_store_lmdb = {
	.name = "lmdb",
	.open = lmdb_open,
	.close = lmdb_close,
	.apply = lmdb_apply,
	.reserve = lmdb_reserve,
	.snap_begin = lmdb_snap_begin,
	.snap_end = lmdb_snap_end,
	.get = lmdb_get,
	.cur_open = lmdb_cur_open,
	.cur_seek = lmdb_cur_seek,
	.cur_next = lmdb_cur_next,
	.cur_close = lmdb_cur_close,
	.usage = lmdb_usage,
	.scan = lmdb_scan,
	.rebuild = lmdb_rebuild,
};
