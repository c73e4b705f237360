/*
 * lmdb_store.h - shared by the files of this folder only
 */
#ifndef LMDB_LMDB_STORE_H
#define LMDB_LMDB_STORE_H

#include <pthread.h>

#include <lmdb.h>

#include "../backends.h"

#define LMDB_MAP_MAX	(1ull << 40)	/* address space only */
#define LMDB_MAP_MIN	(1ull << 32)

struct lmdb_store {
	MDB_env *env;		/* NULL: only to be scanned */
	int fd;			/* then; or -1 */
	MDB_dbi dbi;
	bool rdonly;
	unsigned page;
	/* The applier's: */
	int failed;		/* the first failure to write */
	uint64_t reserved;	/* blocks of the file up to here are ours */
	uint64_t free;		/* reusable bytes below; after apply unknown */
	bool free_known;
	/* Guards the two below, and is held while a snapshot begins. */
	pthread_mutex_t lock;
	struct lmdb_snap *snaps;
	unsigned nsnaps;
};

struct lmdb_snap {
	struct lmdb_store *s;
	MDB_txn *txn;
	unsigned renewed;	/* how often txn is another one */
	MDB_cursor *near;	/* where get found the last row; or NULL */
	size_t near_n;		/* length of its key, 0: none */
	uint64_t near_end;	/* the key's last bytes, as a number */
	struct lmdb_snap *prev, *next;
};

static inline MDB_val
val_of(struct vfs_slice s)
{
	return (MDB_val){ .mv_size = s.n, .mv_data = (void *)s.p };
}

/* LMDB's codes become ours here and nowhere else. */
int lmdb_err(int rc);

/* read.c: snapshots. */
int lmdb_snap_begin(void *self, void **snap);
void lmdb_snap_end(void *snap);
int lmdb_get(void *snap, struct vfs_slice key, struct vfs_slice *val);
int lmdb_cur_open(void *snap, void **cur);
int lmdb_cur_seek(void *cur, struct vfs_slice at,
    struct vfs_slice *key, struct vfs_slice *val);
int lmdb_cur_next(void *cur, struct vfs_slice *key, struct vfs_slice *val);
void lmdb_cur_close(void *cur);

/* mdb_cursor_get, but damage that LMDB would die of is MDB_CORRUPTED; the
 * cursor is only good to be closed or renewed then. */
int lmdb_cursor_get(MDB_cursor *c, MDB_val *k, MDB_val *v, MDB_cursor_op op);

/* mdb_env_info, and mdb_txn_begin of a reader, likewise. */
int lmdb_info(MDB_env *env, MDB_envinfo *out);
int lmdb_begin(MDB_env *env, MDB_txn **txn);

/*
 * A new file of rows takes the place of the old one, if there is one, when it
 * is whole; fill (or NULL) puts them in.  keep (or NULL): another name for
 * the old one, -VFS_EXIST if it is taken.
 */
int lmdb_make(int dirfd, int (*fill)(MDB_env *env, void *arg), void *arg,
    const char *keep);

#define LMDB_NONE	UINT64_MAX	/* the root of a tree without rows */

struct lmdb_tree {
	uint64_t root, rows;
	unsigned depth;
};

struct lmdb_meta {
	struct lmdb_tree free, rows;
	uint64_t npages, id;		/* of the transaction */
};

/* meta.c: one of the two pages that tell of all others, false or -VFS_CORRUPT
 * if it cannot; whether both can; and a descriptor for a scan if one of them
 * can. */
bool lmdb_meta_parse(const void *p, size_t page, unsigned i,
    struct lmdb_meta *out);
int lmdb_meta_read(int fd, size_t page, unsigned i, struct lmdb_meta *out);
int lmdb_meta_check(int dirfd, const char *name);
int lmdb_meta_open(int dirfd, const char *name, unsigned *page);

/* scan.c: the pages themselves. */
int lmdb_scan(void *self, const struct store_scan *to);
int lmdb_rebuild(int dirfd, const struct store_scan *to, store_anew *anew,
    const char **kept);

/*
 * way.c: may LMDB write where it will?  0, or one of its codes.  begin with a
 * cursor of a transaction that has written nothing, and row before each row
 * of a batch; both within escape_run, the other two outside.
 */
struct lmdb_way *lmdb_way_new(void);
int lmdb_way_begin(struct lmdb_way *w, const struct lmdb_store *s,
    MDB_cursor *c);
int lmdb_way_row(struct lmdb_way *w, const struct store_row *row);
void lmdb_way_free(struct lmdb_way *w);

/* room.c: what the file takes on the host's disk. */
int lmdb_reserve(void *self, uint64_t bytes);
int lmdb_usage(void *self, struct store_usage *out);

/* Nothing left but what is reserved.  LMDB calls it EIO when the host took a
 * part of a write. */
bool lmdb_disk_full(MDB_env *env);

/* At close: gives back most of what lies past the file's end; if it fails,
 * no harm done. */
void lmdb_reserve_end(struct lmdb_store *s);

#endif
