/* file.c - content of objects */
#include <stdlib.h>
#include <string.h>

#include "vfs_in.h"

/* --- opening ------------------------------------------------------------- */

int
vfs_open(struct vfs *v, struct vfs_tx *tx, struct vfs_id id, uint32_t flags,
    struct vfs_id *handle, struct vfs_attr *attr)
{
	struct vfs_open q = { .id = id, .flags = flags,
		.rights = VFS_RIGHTS_ALL };
	struct vfs_open_reply r;
	int err = lv_call(v, tx, VFS_OP_OPEN, &q, &r);

	if (err < 0)
		return err;
	handle->n = r.handle != 0 ? r.handle : id.n;	/* in a tx */
	if (attr != NULL)
		*attr = r.attr;
	return 0;
}

int
vfs_open_id(struct vfs *v, struct vfs_id id, uint32_t rights,
    struct vfs_id *handle, struct vfs_attr *attr)
{
	struct vfs_open_id q = { .id = id,
		.rights = rights != 0 ? rights : VFS_RIGHTS_ALL };
	struct vfs_open_id_reply r;
	int err = lv_call(v, NULL, VFS_OP_OPEN_ID, &q, &r);

	if (err < 0)
		return err;
	handle->n = r.handle;
	if (attr != NULL)
		*attr = r.attr;
	return 0;
}

int
vfs_dup(struct vfs *v, struct vfs_id handle, uint32_t rights,
    struct vfs_id *out)
{
	struct vfs_dup q = { .id = handle,
		.rights = rights != 0 ? rights : VFS_RIGHTS_ALL };
	struct vfs_dup_reply r;
	int err = lv_call(v, NULL, VFS_OP_DUP, &q, &r);

	if (err == 0)
		out->n = r.handle;
	return err;
}

int
vfs_close(struct vfs *v, struct vfs_id handle)
{
	return vfs_close_batch(v, &handle, 1);
}

/* One that is gone needs no closing; a lost connection closed them all. */
static int
close_some(struct vfs *v, const struct vfs_id *handles, size_t n)
{
	uint8_t list[8 * VFS_CLOSE_MAX];
	struct proto_list l = { .p = list, .cap = sizeof list };
	struct vfs_close q;
	struct vfs_close_reply r;
	struct handle *h;
	int err = 0;
	size_t i;

	for (i = 0; i < n; i++) {
		if ((handles[i].n & VFS_HANDLE) == 0)
			continue;	/* an id: nothing is open */
		if ((h = lv_handle_find(v, handles[i].n)) == NULL)
			err = lv_fail(v, -VFS_BAD_HANDLE);
		else if (h->real != 0 && v->lost == 0)
			proto_id_put(&l, handles[i]);
		else
			lv_handle_drop(v, h);
	}
	if (l.count == 0)
		return err;
	q.handles = (struct vfs_slice){ list, l.n };
	if ((i = (size_t)-lv_call(v, NULL, VFS_OP_CLOSE, &q, &r)) != 0)
		err = v->lost != 0 ? 0 : -(int)i;
	return err;
}

int
vfs_close_batch(struct vfs *v, const struct vfs_id *handles, size_t n)
{
	size_t k;
	int err = 0, one;

	for (; n > 0; n -= k, handles += k) {
		k = n < VFS_CLOSE_MAX ? n : VFS_CLOSE_MAX;
		if ((one = close_some(v, handles, k)) < 0 && err == 0)
			err = one;
	}
	return err;
}

/* --- reading ----------------------------------------------------------------- */

/* Bytes of one request. */
static size_t
io_max(const struct vfs *v)
{
	size_t n = lv_payload(v);

	return n < VFS_IO_MAX ? n & ~(size_t)7 : VFS_IO_MAX;
}

int64_t
vfs_read(struct vfs *v, struct vfs_tx *tx, struct vfs_id id, uint64_t off,
    void *p, size_t n)
{
	struct vfs_read q = { .id = id };
	struct vfs_read_reply r;
	size_t done = 0;
	int err;

	do {
		q.off = off + done;
		q.count = (uint32_t)(n - done < io_max(v) ? n - done :
		    io_max(v));
		if ((err = lv_call(v, tx, VFS_OP_READ, &q, &r)) < 0)
			return err;
		if (r.data.n > q.count)
			return lv_fail(v, -VFS_MALFORMED);
		if (r.data.n > 0)
			memcpy((char *)p + done, r.data.p, r.data.n);
		done += r.data.n;
	} while (done < n && r.data.n == q.count);
	return (int64_t)done;
}

/* --- batches of ranges ------------------------------------------------------- */

/* How many of the ranges one message and its reply hold: 24 bytes each
 * there, 8 and what was read here. */
static size_t
ranges_fit(struct vfs *v, const struct vfs_range *r, size_t n)
{
	size_t room = io_max(v), want, i;

	for (i = 0; i < n && i < VFS_BATCH_MAX; i++) {
		want = 24 + ((r[i].count + 7u) & ~(size_t)7);
		if (want > room)
			break;
		room -= want;
	}
	return i;
}

static void
range_take(struct vfs_range *r, const struct proto_bytes *got)
{
	r->err = got->err != 0 ? lv_err_of_status(got->err) : 0;
	r->n = 0;
	if (r->err != 0)
		return;
	if (got->data.n > r->count) {
		r->err = -VFS_MALFORMED;
		return;
	}
	r->n = (uint32_t)got->data.n;
	if (r->n > 0)
		memcpy(r->p, got->data.p, r->n);
}

/* How many were answered, which may be less. */
static int64_t
read_some(struct vfs *v, struct vfs_tx *tx, struct vfs_range *ranges,
    size_t n, void *list)
{
	struct proto_list l = { .p = list, .cap = 24 * n };
	struct vfs_read_batch q = { .n = (uint32_t)n };
	struct vfs_read_batch_reply r;
	struct proto_range range;
	struct proto_bytes got;
	struct rbuf b;
	size_t i;
	int err;

	for (i = 0; i < n; i++) {
		range = (struct proto_range){ ranges[i].id, ranges[i].off,
			ranges[i].count };
		proto_range_put(&l, &range);
	}
	q.reads = (struct vfs_slice){ list, l.n };
	if ((err = lv_call(v, tx, VFS_OP_READ_BATCH, &q, &r)) < 0)
		return err;
	proto_list_read(&b, (struct vfs_slice){ r.results.p, r.results.n });
	for (i = 0; i < n && proto_list_more(&b); i++) {
		if (proto_bytes_next(&b, &got) < 0)
			return lv_fail(v, -VFS_MALFORMED);
		range_take(&ranges[i], &got);
	}
	return i == 0 ? lv_fail(v, -VFS_MALFORMED) : (int64_t)i;
}

/* One that is as long as a message by itself. */
static int64_t
read_one(struct vfs *v, struct vfs_tx *tx, struct vfs_range *r)
{
	int64_t n = vfs_read(v, tx, r->id, r->off, r->p, r->count);

	if (n < 0 && v->lost != 0)
		return n;
	r->err = n < 0 ? (int)n : 0;
	r->n = n < 0 ? 0 : (uint32_t)n;
	return 1;
}

int
vfs_read_batch(struct vfs *v, struct vfs_tx *tx, struct vfs_range *ranges,
    size_t n)
{
	size_t max = n < VFS_BATCH_MAX ? n : VFS_BATCH_MAX, k;
	void *list = malloc(24 * max + 1);
	int64_t did = 0;

	if (list == NULL)
		return lv_fail(v, -VFS_NOMEM);
	while (n > 0) {
		k = ranges_fit(v, ranges, n);
		did = k == 0 ? read_one(v, tx, ranges) :
		    read_some(v, tx, ranges, k, list);
		if (did < 0)
			break;
		ranges += did;
		n -= (size_t)did;
	}
	free(list);
	return did < 0 ? (int)did : 0;
}

/* --- writing ------------------------------------------------------------------- */

static size_t
write_max(const struct vfs *v)
{
	size_t n = io_max(v);

	return v->peer.write_atomic_max > 0 && n > v->peer.write_atomic_max ?
	    (size_t)v->peer.write_atomic_max : n;
}

int
vfs_write(struct vfs *v, struct vfs_tx *tx, struct vfs_id id, uint64_t off,
    const void *p, size_t n)
{
	struct vfs_write q = { .id = id };
	struct vfs_write_reply r;
	size_t done = 0, k;
	int err;

	do {
		k = n - done < write_max(v) ? n - done : write_max(v);
		q.off = off + done;
		q.data = (struct vfs_slice){ (const char *)p + done, k };
		if ((err = lv_call(v, tx, VFS_OP_WRITE, &q, &r)) < 0)
			return err;
		done += k;
	} while (done < n);
	return 0;
}

int
vfs_append(struct vfs *v, struct vfs_tx *tx, struct vfs_id id, const void *p,
    size_t n, uint64_t *off)
{
	struct vfs_write q = { .id = id, .flags = VFS_WRITE_APPEND,
		.data = { p, n } };
	struct vfs_write_reply r;
	int err;

	if (n > write_max(v))
		return lv_fail(v, -VFS_TOO_BIG);
	err = lv_call(v, tx, VFS_OP_WRITE, &q, &r);
	if (err == 0 && off != NULL)
		*off = r.off;
	return err;
}

int
vfs_allocate(struct vfs *v, struct vfs_tx *tx, struct vfs_id id,
    uint64_t off, uint64_t len, uint32_t flags)
{
	struct vfs_allocate q = { id, off, len, flags };

	return lv_call(v, tx, VFS_OP_ALLOCATE, &q, NULL);
}

int64_t
vfs_copy_range(struct vfs *v, struct vfs_tx *tx, struct vfs_id src,
    uint64_t src_off, struct vfs_id dst, uint64_t dst_off, uint64_t len)
{
	struct vfs_copy_range q = { .src = src, .dst = dst };
	struct vfs_copy_range_reply r;
	uint64_t done = 0;
	int err;

	do {
		q.src_off = src_off + done;
		q.dst_off = dst_off + done;
		q.len = len - done;
		err = lv_call(v, tx, VFS_OP_COPY_RANGE, &q, &r);
		if (err < 0)
			return err;
		if (r.copied > q.len)
			return lv_fail(v, -VFS_MALFORMED);
		done += r.copied;
	} while (done < len && r.copied > 0);
	return (int64_t)done;
}

static int
seek(struct vfs *v, struct vfs_tx *tx, struct vfs_id id, uint64_t off,
    uint32_t whence, uint64_t *out)
{
	struct vfs_seek q = { id, off, whence };
	struct vfs_seek_reply r;
	int err = lv_call(v, tx, VFS_OP_SEEK, &q, &r);

	if (err == 0)
		*out = r.off;
	return err;
}

int
vfs_seek_data(struct vfs *v, struct vfs_tx *tx, struct vfs_id id,
    uint64_t off, uint64_t *out)
{
	return seek(v, tx, id, off, VFS_SEEK_DATA, out);
}

int
vfs_seek_hole(struct vfs *v, struct vfs_tx *tx, struct vfs_id id,
    uint64_t off, uint64_t *out)
{
	return seek(v, tx, id, off, VFS_SEEK_HOLE, out);
}

int
vfs_sync(struct vfs *v, struct vfs_id id, bool data_only,
    struct vfs_seq *seq)
{
	struct vfs_sync q = { id, data_only ? VFS_SYNC_DATA : 0 };
	struct vfs_sync_reply r;
	int err = lv_call(v, NULL, VFS_OP_SYNC, &q, &r);

	if (err == 0 && seq != NULL)
		seq->n = r.seq;
	return err;
}

int
vfs_wait(struct vfs *v, struct vfs_seq seq, uint32_t level)
{
	struct vfs_wait q = { seq.n, level, 0 };

	return lv_call(v, NULL, VFS_OP_WAIT, &q, NULL);
}
