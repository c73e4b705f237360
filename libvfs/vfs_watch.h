/*
 * vfs_watch.h - what has changed
 *
 * The journal is the history of the store: one record for each change, in
 * order, written together with it.  A cursor is a place in it; whoever
 * keeps one is told everything that happened since, across restarts and
 * crashes, or -VFS_CURSOR_EXPIRED, and then looks at everything once.
 */
#ifndef VFS_WATCH_H
#define VFS_WATCH_H

#ifndef VFS_H
#error "include vfs.h"
#endif

#ifdef __cplusplus
extern "C" {
#endif

/* The place of the last record that its owner was told.  May be stored;
 * all zero is before the store's first change. */
struct vfs_cursor {
	uint64_t seq;
	uint32_t idx;
};

enum vfs_change_kind {
	VFS_CHANGE_CREATE = 1,
	VFS_CHANGE_LINK = 2,
	VFS_CHANGE_UNLINK = 3,
	VFS_CHANGE_RENAME = 4,		/* parent/name -> parent2/name2 */
	VFS_CHANGE_EXCHANGE = 5,
	VFS_CHANGE_DATA = 6,		/* content was published */
	VFS_CHANGE_META = 7,		/* mode, owner, times */
	VFS_CHANGE_XATTR = 8,
	VFS_CHANGE_DELETE = 9,		/* the object itself is gone */
	VFS_CHANGE_ENTERED = 10,	/* moved into the subtree */
	VFS_CHANGE_LEFT = 11,		/* moved out of it */
	VFS_CHANGE_REMOVE_TREE = 12,	/* a whole tree was unlinked */
	VFS_CHANGE_CLONE_TREE = 13,	/* a whole tree was made */
};
/* For masks. */
#define VFS_CHANGE_BIT(kind)	(1u << (kind))

struct vfs_change {
	struct vfs_cursor at;		/* its place */
	enum vfs_change_kind kind;
	enum vfs_type type;		/* of id */
	struct vfs_id id, parent, parent2;
	uint64_t data_version, meta_version;
	struct vfs_slice name, name2;	/* good during the call */
};

/* Where the journal ends now, and the oldest place it still knows. */
int vfs_journal_pos(struct vfs *v, struct vfs_cursor *now,
    struct vfs_seq *oldest);

/* The same, after everything that was written so far is published: what
 * is read up to there is all there is. */
int vfs_settle(struct vfs *v, struct vfs_cursor *now);

struct vfs_filter {
	struct vfs_id subtree;		/* 0: all */
	uint32_t kinds;			/* VFS_CHANGE_BITs; 0: all */
	const char *pattern;		/* of names, fnmatch's; NULL: all */
	bool collapse;			/* one record an object where that
					 * tells the same */
};

/*
 * The changes behind *cursor, which moves along; f may be NULL.  fn gets
 * one at a time and returns false to stop (that one counts as told; with
 * collapse some may be told again); it must not use v.  Returns how many
 * were told: all there are now, unless fn stopped.  -VFS_CURSOR_EXPIRED:
 * the journal does not go back so far, or never had this place.
 */
int64_t vfs_changes(struct vfs *v, const struct vfs_filter *f,
    struct vfs_cursor *cursor,
    bool (*fn)(void *arg, const struct vfs_change *c), void *arg);

/*
 * From now on the daemon says when something behind cursor has changed:
 * vfs_fd gets readable, and vfs_changed tells.  Several changes are one
 * notice until vfs_changes was called.  Watches live on over lost
 * connections.
 */
int vfs_watch(struct vfs *v, struct vfs_id subtree, struct vfs_cursor cursor,
    uint32_t kinds, uint64_t *watch);
int vfs_unwatch(struct vfs *v, uint64_t watch);

/* 1: something has, up to *seq (may be NULL); 0: not since the last
 * question.  Never waits. */
int vfs_changed(struct vfs *v, struct vfs_seq *seq);
/* The same, but waits up to ms (-1: for ever). */
int vfs_changed_wait(struct vfs *v, int ms, struct vfs_seq *seq);

#ifdef __cplusplus
}
#endif

#endif
