/*
 * content.h - the bytes of a file, inside the core
 *
 * Up to VFS_INLINE_MAX bytes live in a row, as long as the file has no
 * blocks; its length is the file's size.  Else in blocks.  What lies
 * beyond the size in the last block is zero.
 */
#ifndef CORE_CONTENT_H
#define CORE_CONTENT_H

#include "draft.h"
#include "extent.h"
#include "plan.h"

/* Would a file of this size, which is now n, have its bytes in a row? */
static inline bool
content_fits_inline(const struct node *n, uint64_t size)
{
	return size <= VFS_INLINE_MAX &&
	    ((n->in.flags & INODE_INLINE) || n->in.blocks == 0);
}

/* Rows that RECLAIM takes away in one commit. */
#define CONTENT_STEP_ROWS	4096u

/* A regular file, or the error that says what else it is. */
int content_file(struct txn *t, struct vfs_id id, struct node *out);

/* Is this a range that a file can have?  -VFS_FBIG. */
int content_range(uint64_t off, uint64_t len);

/* One whole block as readers see it, verified; zeroes if not there. */
int content_block(struct txn *t, const struct node *n, uint64_t block,
    uint8_t buf[VFS_BLOCK]);

/* len bytes from off on, which lie within the file's blocks. */
int content_read(struct txn *t, const struct node *n, uint64_t off,
    void *p, size_t len);

/* Put all bytes of an inline file as kind (ROW_INLINE, ROW_DINLINE), and
 * n->in.flags and size accordingly; no bytes means no row. */
int content_put_inline(struct txn *t, struct node *n, enum row_kind kind,
    struct vfs_slice bytes);

/* Overlay bytes (NULL: zeroes) on an inline file's; *size is set. */
struct content_inline {
	size_t n;
	uint8_t b[VFS_INLINE_MAX];
};
int content_inline_edit(struct txn *t, const struct node *n, uint64_t off,
    const void *p, size_t len, struct content_inline *out);

/*
 * An inline file is about to get blocks: its bytes become block 0, unless
 * the caller writes that block anyway.
 */
int content_plan_convert(struct txn *rt, const struct node *n,
    struct plan *p);

/* Bytes (at least one) for off of a file that has, or gets, blocks; in
 * the latter case content_plan_convert comes after it. */
int content_plan_write(struct txn *rt, const struct node *n, uint64_t off,
    struct vfs_slice data, struct plan *p);

/* Set-id bits go, and capabilities; *caps: there were some, so rows
 * changed that no draft may change. */
int content_kill_privs(struct txn *t, struct node *n, bool *caps);
/* Capabilities go, whoever changes the bytes. */
int content_kill_caps(struct txn *t, struct node *n, bool *caps);

#endif
