/*
 * lmdb/room.c - room on the host's disk for what applies will write
 *
 * LMDB grows its file by writing past the end, and reuses the pages that
 * no reader can see.  What it may need is kept allocated past the end.
 */
#include <errno.h>
#include <fcntl.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/statvfs.h>
#include <unistd.h>

#include "../dir.h"
#include "../escape.h"
#include "lmdb_store.h"

#define RESERVE_STEP	(1u << 20)	/* reserve a little more than asked */
#define RESERVE_KEPT	(6u << 20)	/* for who opens on a full disk */

static int
reserve_to(struct lmdb_store *s, int fd, uint64_t end)
{
	int err;

	struct statvfs vfs;
	struct stat st;
	uint64_t have;

	/* A fallocate that fails keeps what it got, so ask first. */
	if (fstat(fd, &st) < 0 || fstatvfs(fd, &vfs) < 0)
		return vfs_err_from_os(errno);
	have = (uint64_t)st.st_blocks * 512 +
	    (uint64_t)vfs.f_bavail * vfs.f_frsize;
	if (end > have || end > be_file_max())
		return -VFS_NOSPC;
	if (s->reserved == 0 && (err = be_own_blocks(fd, st.st_size)) < 0)
		return be_no_room(err);
	/* From 0 the first time: a copied store may have holes. */
	while (fallocate(fd, FALLOC_FL_KEEP_SIZE, (off_t)s->reserved,
	    (off_t)(end - s->reserved)) < 0) {
		if (errno != EINTR)
			return be_no_room(vfs_err_from_os(errno));
	}
	s->reserved = end;
	return 0;
}

bool
lmdb_disk_full(MDB_env *env)
{
	struct statvfs vfs;
	struct stat st;
	int fd;

	if (mdb_env_get_fd(env, &fd) != 0 || fstatvfs(fd, &vfs) < 0 ||
	    fstat(fd, &st) < 0)
		return false;
	return (uint64_t)vfs.f_bavail * vfs.f_frsize < RESERVE_STEP ||
	    (uint64_t)st.st_size + RESERVE_STEP > be_file_max();
}

void
lmdb_reserve_end(struct lmdb_store *s)
{
	struct statvfs vfs;
	struct stat st;
	int fd;

	if (s->reserved == 0 || mdb_env_get_fd(s->env, &fd) != 0 ||
	    fstat(fd, &st) < 0 || fstatvfs(fd, &vfs) < 0)
		return;
	/* A full disk might not give again what it gets. */
	if (s->reserved <= (uint64_t)st.st_size + RESERVE_KEPT ||
	    (uint64_t)vfs.f_bavail * vfs.f_frsize < RESERVE_KEPT)
		return;
	if (ftruncate(fd, st.st_size) == 0)
		(void)fallocate(fd, FALLOC_FL_KEEP_SIZE, st.st_size,
		    RESERVE_KEPT);
}

/* No page freed by this transaction or a later one is reused yet. */
static size_t
oldest_reader(struct lmdb_store *s, size_t newest)
{
	struct lmdb_snap *p;
	size_t min = newest, id;

	pthread_mutex_lock(&s->lock);
	for (p = s->snaps; p; p = p->next)
		if ((id = mdb_txn_id(p->txn)) < min)
			min = id;
	pthread_mutex_unlock(&s->lock);
	return min;
}

/*
 * Sums up LMDB's list of free pages (database 0: number of the
 * transaction that freed them, then how many and which).
 */
static int
count_free(struct lmdb_store *s, uint64_t *pages)
{
	MDB_txn *txn;
	MDB_cursor *c;
	MDB_val k, v;
	size_t oldest, id, n;
	uint64_t sum = 0;
	int rc;

	if ((rc = lmdb_begin(s->env, &txn)) != 0)
		return rc;
	oldest = oldest_reader(s, mdb_txn_id(txn));
	if ((rc = mdb_cursor_open(txn, 0, &c)) != 0) {
		mdb_txn_abort(txn);
		return rc;
	}
	while ((rc = lmdb_cursor_get(c, &k, &v, MDB_NEXT)) == 0) {
		if (k.mv_size != sizeof id || v.mv_size < sizeof n) {
			rc = MDB_CORRUPTED;
			break;
		}
		memcpy(&id, k.mv_data, sizeof id);
		memcpy(&n, v.mv_data, sizeof n);
		if (id >= oldest)
			break;
		sum += n;
	}
	mdb_cursor_close(c);
	mdb_txn_abort(txn);
	if (rc != 0 && rc != MDB_NOTFOUND)
		return rc;
	*pages = sum;
	return 0;
}

/*
 * Free pages count for three quarters, since a large value needs a run
 * of them, and never for all: the list itself takes room.
 */
int
lmdb_reserve(void *self, uint64_t bytes)
{
	struct lmdb_store *s = self;
	MDB_envinfo info;
	uint64_t used, need, end, pages;
	int fd, rc, err;

	if (s->rdonly)
		return -VFS_ROFS;
	if ((rc = lmdb_info(s->env, &info)) != 0 ||
	    (rc = mdb_env_get_fd(s->env, &fd)) != 0)
		return lmdb_err(rc);
	used = ((uint64_t)info.me_last_pgno + 1) * s->page;
	if (bytes > info.me_mapsize - used)
		return -VFS_NOSPC;
	if (used + bytes <= s->reserved)
		return 0;
	if (!s->free_known) {
		if ((rc = count_free(s, &pages)) != 0)
			return lmdb_err(rc);
		s->free = pages * s->page / 4 * 3;
		s->free_known = true;
	}
	need = bytes > s->free ? bytes - s->free : 0;
	end = used + (need > RESERVE_STEP ? need : RESERVE_STEP);
	if (end <= s->reserved)
		return 0;
	err = reserve_to(s, fd, (end + RESERVE_STEP - 1) / RESERVE_STEP *
	    RESERVE_STEP);
	if (err == -VFS_NOSPC && used + need > s->reserved)
		err = reserve_to(s, fd, used + need);
	else if (err == -VFS_NOSPC)
		err = 0;
	return err;
}

struct usage {
	MDB_env *env;
	MDB_stat st;
};

static int
usage(void *arg)
{
	struct usage *u = arg;

	return mdb_env_stat(u->env, &u->st);
}

int
lmdb_usage(void *self, struct store_usage *out)
{
	struct lmdb_store *s = self;
	struct usage u = { .env = s->env };
	struct stat st;
	int fd, rc;

	if ((rc = escape_run(usage, &u, MDB_CORRUPTED)) != 0 ||
	    (rc = mdb_env_get_fd(s->env, &fd)) != 0)
		return lmdb_err(rc);
	if (fstat(fd, &st) < 0)
		return vfs_err_from_os(errno);
	out->bytes_file = (uint64_t)st.st_blocks * 512;
	out->bytes_used = (uint64_t)u.st.ms_psize * (u.st.ms_branch_pages +
	    u.st.ms_leaf_pages + u.st.ms_overflow_pages);
	out->rows = u.st.ms_entries;
	return 0;
}
