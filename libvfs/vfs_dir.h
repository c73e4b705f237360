/*
 * vfs_dir.h - names, paths, directories and whole trees
 *
 * A name is 1 to VFS_NAME_MAX bytes without '/' and NUL; it belongs to a
 * directory, which is an id or a handle.  See vfs_file.h for tx, for
 * out-parameters and for the errors that every call may return.
 */
#ifndef VFS_DIR_H
#define VFS_DIR_H

#ifndef VFS_H
#error "include vfs.h"
#endif

#ifdef __cplusplus
extern "C" {
#endif

/* --- names --------------------------------------------------------------- */

/* The name itself: symbolic links are not followed.  "." and ".." are
 * names too; above the session's root is the root. */
int vfs_lookup(struct vfs *v, struct vfs_tx *tx, struct vfs_id dir,
    const char *name, struct vfs_attr *attr);

/* Many at once, in one message or as few as fit. */
struct vfs_place {
	struct vfs_id dir;
	const char *name;
};
int vfs_lookup_batch(struct vfs *v, struct vfs_tx *tx,
    const struct vfs_place *places, size_t n, uint32_t want,
    struct vfs_found *out);

/* mode: permissions; VFS_CREATE_EXCL and VFS_CREATE_TRUNC in flags (POSIX
 * open with O_CREAT).  handle, unless NULL, is open for reading and
 * writing.  *attr is what is there now. */
int vfs_create(struct vfs *v, struct vfs_tx *tx, struct vfs_id dir,
    const char *name, uint32_t mode, uint32_t flags, struct vfs_attr *attr,
    struct vfs_id *handle);
int vfs_mkdir(struct vfs *v, struct vfs_tx *tx, struct vfs_id dir,
    const char *name, uint32_t mode, struct vfs_attr *attr);
/* mode with its type: VFS_TYPE_MODE(VFS_FIFO) | 0644. */
int vfs_mknod(struct vfs *v, struct vfs_tx *tx, struct vfs_id dir,
    const char *name, uint32_t mode, uint32_t major, uint32_t minor,
    struct vfs_attr *attr);
int vfs_symlink(struct vfs *v, struct vfs_tx *tx, struct vfs_id dir,
    const char *name, const char *target, struct vfs_attr *attr);
/* A file without a name; link it, or it goes with the handle. */
int vfs_tmpfile(struct vfs *v, struct vfs_tx *tx, struct vfs_id dir,
    uint32_t mode, struct vfs_id *handle, struct vfs_attr *attr);
int vfs_link(struct vfs *v, struct vfs_tx *tx, struct vfs_id target,
    struct vfs_id dir, const char *name);

/* The target, and a NUL where there is room; its length. -VFS_RANGE. */
int64_t vfs_readlink(struct vfs *v, struct vfs_tx *tx, struct vfs_id id,
    char *p, size_t cap);

/* flags: VFS_UNLINK_FILE, VFS_UNLINK_DIR, or both or 0 for either.  expect,
 * unless 0, must be what the name is: else -VFS_PRECOND. */
int vfs_unlink(struct vfs *v, struct vfs_tx *tx, struct vfs_id dir,
    const char *name, uint32_t flags, struct vfs_id expect);

/* VFS_RENAME_NOREPLACE, VFS_RENAME_EXCHANGE; expect and expect2, unless
 * 0, must be what name and name2 are. */
struct vfs_move {
	struct vfs_id dir, dir2;
	const char *name, *name2;
	struct vfs_id expect, expect2;
	uint32_t flags;
};
int vfs_rename(struct vfs *v, struct vfs_tx *tx, const struct vfs_move *m);

/* --- paths ------------------------------------------------------------------ */

#define VFS_AT_NOFOLLOW	1u	/* a symbolic link at the end is the result */
#define VFS_AT_EMPTY	2u	/* "" is dir itself */

/*
 * What a path names, from dir on, or from vfs_root if it begins with '/'
 * (POSIX 4.16, Pathname Resolution: "//" is "/", a trailing '/' asks for
 * a directory).  Symbolic links are followed here, VFS_SYMLOOP_MAX of
 * them (else -VFS_LOOP); absolute ones start at vfs_root.  Up to 16 names
 * cost one message.  Each message sees the tree as it is then; inside of
 * a transaction all see the same.
 */
#define VFS_SYMLOOP_MAX	40u
#define VFS_PATH_MAX	4096u	/* with what links add; -VFS_NAMETOOLONG */
int vfs_resolve(struct vfs *v, struct vfs_tx *tx, struct vfs_id dir,
    const char *path, unsigned at, struct vfs_attr *attr);

/* The same, and a handle with these rights (0: all there are): the way
 * of sessions that may not name objects by id. */
int vfs_resolve_open(struct vfs *v, struct vfs_tx *tx, struct vfs_id dir,
    const char *path, unsigned at, uint32_t rights, struct vfs_id *handle,
    struct vfs_attr *attr);

/*
 * The directory that holds, or would hold, the last name of a path, and
 * that name.  -VFS_INVAL: there is none ("/", "a/.."; "a/b/" is b).
 * *parent may be a handle, which is closed by vfs_close_if; that leaves
 * ids alone.
 */
int vfs_resolve_parent(struct vfs *v, struct vfs_tx *tx, struct vfs_id dir,
    const char *path, struct vfs_id *parent, char name[VFS_NAME_MAX + 1]);
void vfs_close_if(struct vfs *v, struct vfs_id id);

/* The calls above by path. */
int vfs_stat_path(struct vfs *v, struct vfs_tx *tx, struct vfs_id dir,
    const char *path, unsigned at, struct vfs_attr *attr);
int vfs_mkdir_path(struct vfs *v, struct vfs_tx *tx, struct vfs_id dir,
    const char *path, uint32_t mode, struct vfs_attr *attr);
int vfs_symlink_path(struct vfs *v, struct vfs_tx *tx, struct vfs_id dir,
    const char *path, const char *target);
int vfs_unlink_path(struct vfs *v, struct vfs_tx *tx, struct vfs_id dir,
    const char *path, uint32_t flags);
int vfs_link_path(struct vfs *v, struct vfs_tx *tx, struct vfs_id dir,
    const char *target, const char *path);
int vfs_rename_path(struct vfs *v, struct vfs_tx *tx, struct vfs_id dir,
    const char *from, const char *to, uint32_t flags);

/*
 * Every path of an object, complete, from the root, in no order; of a user
 * who is not the store's owner, those that he could find.  fn gets
 * one at a time, NUL behind it, and returns false to stop.  A path of a
 * directory above that is renamed meanwhile may be told as it was; use a
 * transaction where that matters.
 */
int vfs_paths(struct vfs *v, struct vfs_tx *tx, struct vfs_id id,
    bool (*fn)(void *arg, const char *path, size_t n), void *arg);

/* --- directories --------------------------------------------------------------- */

/*
 * A stream over a directory: begin with zeroes and dir.  cookie is where
 * it stands; it may be kept, given to another process or session, and
 * stays good when entries come and go, that entry's own included.
 * A stream shows each name that is there throughout exactly once, none
 * that was made after its start, and always ends.
 */
struct vfs_stream {
	struct vfs_id dir;
	uint64_t cookie;	/* 0: at the start */
	uint64_t fence;		/* the stream's end, set by the first call */
	uint64_t version;	/* of the directory, at the last call */
	bool eof;
};

/* Entries follow each other in the buffer, each at a multiple of 8.  C++
 * has no flexible members, but its compilers do. */
#ifdef __GNUC__
#pragma GCC diagnostic push
#pragma GCC diagnostic ignored "-Wpedantic"
#endif
struct vfs_dent {
	uint64_t d_ino;		/* the id */
	uint64_t d_cookie;	/* go on after this entry */
	const struct vfs_attr *d_attr;	/* NULL unless wanted and readable */
	uint16_t d_reclen;	/* to the next one */
	uint16_t d_namlen;
	uint8_t d_type;		/* enum vfs_type, the values of DT_* */
	char d_name[];		/* and a NUL */
};
#ifdef __GNUC__
#pragma GCC diagnostic pop
#endif
#define VFS_DENT_NEXT(d) \
	((const struct vfs_dent *)((const char *)(d) + (d)->d_reclen))

/*
 * The contract of posix_getdents (POSIX.1-2024): fills p with whole
 * entries, at least one, "." and ".." among them, and returns the bytes
 * used; 0 at the end; -VFS_INVAL if the next entry does not fit (nothing
 * is skipped).  d_type is always known.  mask: VFS_WANT_ATTR for d_attr,
 * which points into p.
 */
int64_t vfs_getdents(struct vfs *v, struct vfs_tx *tx, struct vfs_stream *s,
    void *p, size_t n, uint32_t mask);

/*
 * A whole directory, but "." and "..", in as few messages as it takes.
 * fn gets one entry at a time, whose name and attr are good during the
 * call only, and returns false to stop.  It must not use v.
 */
int vfs_list(struct vfs *v, struct vfs_tx *tx, struct vfs_id dir,
    uint32_t mask, bool (*fn)(void *arg, const struct vfs_dirent *e),
    void *arg);

/* --- trees ------------------------------------------------------------------------ */

/*
 * A prepared tree takes another one's place, in one commit.  m->flags: 0
 * as vfs_rename, VFS_RENAME_NOREPLACE, VFS_RENAME_EXCHANGE, or
 * VFS_TREE_REPLACE: what was at name2, of any size, is taken away in the
 * same step.  *seq (may be NULL) is the commit's.
 */
int vfs_tree_publish(struct vfs *v, struct vfs_tx *tx,
    const struct vfs_move *m, struct vfs_seq *seq);
/* A tree of any size, in one commit; its space comes back later. */
int vfs_tree_remove(struct vfs *v, struct vfs_tx *tx, struct vfs_id dir,
    const char *name, struct vfs_id expect, struct vfs_seq *seq);
/* A copy under a new name: new ids, shared bytes.  *objects: how many. */
int vfs_tree_clone(struct vfs *v, struct vfs_tx *tx, struct vfs_id src,
    struct vfs_id dir, const char *name, struct vfs_attr *attr,
    uint64_t *objects, struct vfs_seq *seq);

#ifdef __cplusplus
}
#endif

#endif
