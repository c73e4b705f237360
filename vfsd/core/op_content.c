/* READ and SEEK: a file's bytes as one snapshot has them. */
#include "content.h"
#include "perm.h"

int
op_read(struct txn *t, const struct vfs_read *q, struct vfs_read_reply *r)
{
	size_t len = q->count < r->data.cap ? q->count : r->data.cap;
	struct node n;
	int err;

	if ((err = content_file(t, q->id, &n)) < 0 ||
	    (err = perm_check(t, &n, VFS_MAY_READ)) < 0)
		return err;
	r->data.n = 0;
	r->count = 0;
	r->eof = len >= n.in.size || q->off >= n.in.size - len;
	if (q->off >= n.in.size)
		return 0;
	if (len > n.in.size - q->off)
		len = n.in.size - q->off;
	if (len == 0)
		return 0;
	if ((err = content_read(t, &n, q->off, r->data.p, len)) < 0)
		return err;
	r->data.n = len;
	r->count = (uint32_t)len;
	return 0;
}

/* The first byte at or after off that is (data) or is not (!data) in a
 * written block. */
static int
seek_blocks(struct txn *t, const struct node *n, uint64_t off, bool data,
    uint64_t *out)
{
	uint64_t at = off, start;
	struct ext_walk w;
	struct ext x;
	int err;

	if ((err = ext_walk_begin(&w, t, n, off / VFS_BLOCK,
	    EXT_LAST_BLOCK)) < 0)
		return err;
	while ((err = ext_walk_next(&w, &x)) == 0) {
		start = x.first * VFS_BLOCK;
		if (!ext_written(&x))
			continue;
		if (start > at && !data)
			break;
		if (data) {
			at = start > at ? start : at;
			break;
		}
		at = start + (uint64_t)x.n * VFS_BLOCK;
	}
	ext_walk_end(&w);
	if (err < 0 && err != -VFS_NOENT)
		return err;
	*out = err == -VFS_NOENT && data ? n->in.size : at;
	return 0;
}

int
op_seek(struct txn *t, const struct vfs_seek *q, struct vfs_seek_reply *r)
{
	bool data = q->whence == VFS_SEEK_DATA;
	struct node n;
	uint64_t at;
	int err;

	if (!data && q->whence != VFS_SEEK_HOLE)
		return -VFS_INVAL;
	if ((err = content_file(t, q->id, &n)) < 0 ||
	    (err = perm_check(t, &n, VFS_MAY_READ)) < 0)
		return err;
	if (q->off >= n.in.size)
		return -VFS_NXIO;
	if (n.in.flags & INODE_INLINE)
		at = data ? q->off : n.in.size;
	else if ((err = seek_blocks(t, &n, q->off, data, &at)) < 0)
		return err;
	if (data && at >= n.in.size)
		return -VFS_NXIO;
	r->off = at < n.in.size ? at : n.in.size;
	return 0;
}
