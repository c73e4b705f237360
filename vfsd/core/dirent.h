/*
 * dirent.h - the names of a directory
 *
 * A link is three rows that always change together: by name, by slot (the
 * stream's order and cookie), and from the object back to its directory.
 * The directory's node is changed in the caller's hands (entries, next
 * slot); the caller touches and puts it.
 */
#ifndef CORE_DIRENT_H
#define CORE_DIRENT_H

#include "node.h"

/* 1 to 255 bytes, no '/', no NUL, not "." or "..".
 * -VFS_NAME, -VFS_NAMETOOLONG. */
int dirent_name_check(struct vfs_slice name);

static inline bool
dirent_is_dot(struct vfs_slice name)
{
	return name.n == 1 && *(const char *)name.p == '.';
}

static inline bool
dirent_is_dotdot(struct vfs_slice name)
{
	return name.n == 2 && ((const char *)name.p)[0] == '.' &&
	    ((const char *)name.p)[1] == '.';
}

/* The directory to put a name into: there, not removed, permitted. */
int dirent_parent(struct txn *t, struct vfs_id id, struct node *dir);

/* -VFS_NOENT if there is no such name. */
int dirent_find(struct txn *t, struct vfs_id dir, struct vfs_slice name,
    struct rec_name *out);

/* The object behind an entry.  One that is missing is damage. */
int dirent_node(struct txn *t, struct vfs_id dir, const struct rec_name *e,
    struct node *out);

/* Add a name that is not there, in a new slot.  -VFS_NOSPC when the
 * directory has used all its slots. */
int dirent_add(struct txn *t, struct node *dir, struct vfs_slice name,
    struct vfs_id id, enum vfs_type type);

/* Take away a name; e is what dirent_find said. */
int dirent_del(struct txn *t, struct node *dir, struct vfs_slice name,
    const struct rec_name *e);

/* Let a name stand for another object; its slot stays. */
int dirent_set(struct txn *t, struct node *dir, struct vfs_slice name,
    const struct rec_name *e, struct vfs_id id, enum vfs_type type);

/* Give an entry another name, which is free; its slot stays. */
int dirent_rename(struct txn *t, struct node *dir, struct vfs_slice name,
    const struct rec_name *e, struct vfs_slice name2);

/* A copy of one entry, for those who change a directory they walk. */
struct dirent_row {
	struct rec_name e;
	size_t name_n;
	char name[VFS_NAME_MAX];
};

static inline struct vfs_slice
dirent_row_name(const struct dirent_row *v)
{
	return (struct vfs_slice){ v->name, v->name_n };
}

/* Up to max entries, in the order of slots, from slot from on. */
int dirent_batch(struct txn *t, struct vfs_id dir, uint64_t from,
    uint32_t max, struct dirent_row *v, uint32_t *n);

#endif
