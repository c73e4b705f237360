/* Open files and directories. */
#include <errno.h>
#include <string.h>
#include <sys/stat.h>

#include "p9_in.h"

#define READ_HDR	(P9_HDR + 4u)	/* before the bytes of a reply */

static bool
for_writing(uint32_t flags)
{
	return (flags & P9_O_ACCMODE) != P9_O_RDONLY;
}

static bool
for_reading(uint32_t flags)
{
	return (flags & P9_O_ACCMODE) != P9_O_WRONLY;
}

/* What a reply of this connection has room for. */
static uint32_t
room(const struct p9_req *q, uint32_t count)
{
	uint32_t max = atomic_load(&q->c->msize) - READ_HDR;

	if (max > VFS_IO_MAX)
		max = VFS_IO_MAX;
	return count < max ? count : max;
}

/* --- opening ------------------------------------------------------------ */

/* atime is looked at when the first read comes. */
static uint32_t
open_flags(uint32_t flags)
{
	uint32_t out = 0;

	if (for_reading(flags))
		out |= VFS_OPEN_READ;
	if (for_writing(flags))
		out |= VFS_OPEN_WRITE;
	if (flags & P9_O_TRUNC)
		out |= VFS_OPEN_TRUNC;
	return out;
}

/* The same fid, open; f is still the caller's, the handle is not. */
static int
opened(struct p9_req *q, uint32_t number, struct p9_fid *f,
    const struct vfs_attr *a, uint32_t flags, uint64_t handle)
{
	struct p9_fid *o = p9_fid_new(q->c->p9, f->as, a);

	if (o == NULL) {
		p9_close(f->as, handle);
		return -VFS_NOMEM;
	}
	o->kind = P9_OPEN;
	o->flags = flags;
	p9_fid_handle(o, handle);
	return p9_fid_add(q->c, number, f, o);
}

static int
open_it(struct p9_req *q, struct p9_fid *f, uint32_t number, uint32_t flags,
    struct vfs_attr *a)
{
	struct vfs_open oq = { .id = f->id,
	    .flags = open_flags(flags) };
	struct vfs_open_reply r;
	int err;

	if (f->kind != P9_PATH)
		return -VFS_BAD_HANDLE;
	if ((flags & P9_O_ACCMODE) == P9_O_ACCMODE)
		return -VFS_INVAL;
	if ((flags & P9_O_DIRECTORY) && f->type != VFS_DIR)
		return -VFS_NOTDIR;
	if ((err = p9_run(q, f->as, VFS_OP_OPEN, &oq, &r)) < 0)
		return err;
	*a = r.attr;
	return opened(q, number, f, a, flags, r.handle);
}

int
p9_do_lopen(struct p9_req *q, const struct p9_tlopen *t,
    struct p9_rlopen *r)
{
	struct p9_fid *f = p9_fid_get(q->c, t->fid);
	struct vfs_attr a;
	int err = -VFS_BAD_HANDLE;

	if (f != NULL)
		err = open_it(q, f, t->fid, t->flags, &a);
	p9_fid_drop(f);
	if (err == 0)
		r->qid = p9_qid_of(&a);	/* iounit 0: what msize allows */
	return err;
}

/* Somebody was first, and that is fine: then it is opened like any. */
static int
open_existing(struct p9_req *q, struct p9_fid *d, uint32_t flags,
    struct vfs_attr *a, uint64_t *handle)
{
	struct vfs_open oq = { .id = a->id,
	    .flags = open_flags(flags) };
	struct vfs_open_reply r;
	int err = p9_run(q, d->as, VFS_OP_OPEN, &oq, &r);

	if (err == 0) {
		*a = r.attr;
		*handle = r.handle;
	}
	return err;
}

static int
create_in(struct p9_req *q, struct p9_fid *d, const struct p9_tlcreate *t,
    struct vfs_attr *a)
{
	struct vfs_create cq = { .dir = d->id, .name = t->name,
	    .mode = S_IFREG | (t->mode & VFS_MODE_PERM),
	    .flags = VFS_CREATE_OPEN |
	    (t->flags & P9_O_EXCL ? VFS_CREATE_EXCL : 0) };
	struct vfs_create_reply r = { 0 };
	uint64_t handle;
	int err;

	if (d->kind != P9_PATH || (t->flags & P9_O_ACCMODE) == P9_O_ACCMODE)
		return -VFS_INVAL;
	if ((err = p9_make(q, d->as, t->gid, VFS_OP_CREATE, &cq, &r)) < 0)
		return err;
	*a = r.attr;
	handle = r.handle;
	if (!r.created) {
		err = open_existing(q, d, t->flags, a, &handle);
		p9_close(d->as, r.handle);
	}
	return err < 0 ? err :
	    opened(q, t->fid, d, a, t->flags, handle);
}

int
p9_do_lcreate(struct p9_req *q, const struct p9_tlcreate *t,
    struct p9_rlcreate *r)
{
	struct p9_fid *d = p9_fid_get(q->c, t->fid);
	struct vfs_attr a;
	int err = d == NULL ? -VFS_BAD_HANDLE : create_in(q, d, t, &a);

	p9_fid_drop(d);
	if (err == 0)
		r->qid = p9_qid_of(&a);
	return err;
}

/* --- reading and writing ------------------------------------------------ */

static int
read_bytes(struct p9_req *q, struct p9_fid *f, const struct p9_tread *t,
    struct vfs_slice *out)
{
	size_t n = f->nbytes;

	if (t->offset >= n)
		return 0;
	n -= (size_t)t->offset;
	out->p = f->bytes + t->offset;
	out->n = room(q, t->count) < n ? room(q, t->count) : n;
	return 0;
}

static int
read_file(struct p9_req *q, struct p9_fid *f, const struct p9_tread *t,
    struct vfs_slice *out)
{
	struct vfs_read rq = { .id = f->ref, .off = t->offset,
	    .count = room(q, t->count) };
	struct vfs_read_reply r = {
		.data = { q->out + READ_HDR, rq.count, 0 }
	};
	int err;

	if (f->kind == P9_XATTR_READ)
		return read_bytes(q, f, t, out);
	if (f->kind != P9_OPEN || !for_reading(f->flags))
		return -VFS_BAD_HANDLE;
	if (f->type == VFS_DIR)
		return -VFS_ISDIR;
	if ((err = p9_run(q, f->as, VFS_OP_READ, &rq, &r)) < 0)
		return err;
	if (!atomic_load_explicit(&f->read, memory_order_relaxed) &&
	    !atomic_exchange(&f->read, true))
		p9_atime(q, f);
	*out = (struct vfs_slice){ r.data.p, r.data.n };
	return 0;
}

int
p9_do_read(struct p9_req *q, const struct p9_tread *t, struct p9_rread *r)
{
	struct p9_fid *f = p9_fid_get(q->c, t->fid);
	int err = f == NULL ? -VFS_BAD_HANDLE :
	    read_file(q, f, t, &r->data);

	/* The bytes of an attribute go with the fid. */
	if (err == 0 && r->data.n > 0 && f->kind == P9_XATTR_READ) {
		memcpy(q->out + READ_HDR, r->data.p, r->data.n);
		r->data.p = q->out + READ_HDR;
	}
	p9_fid_drop(f);
	return err;
}

/* In order and without holes, as Linux and everybody sends it. */
static int
write_bytes(struct p9_req *q, struct p9_fid *f, const struct p9_twrite *t,
    uint32_t *count)
{
	int err = -VFS_INVAL;

	pthread_mutex_lock(&q->c->lock);
	if (t->offset == f->nbytes && t->data.n <= f->size - f->nbytes) {
		memcpy(f->bytes + f->nbytes, t->data.p, t->data.n);
		f->nbytes += t->data.n;
		*count = (uint32_t)t->data.n;
		err = 0;
	}
	pthread_mutex_unlock(&q->c->lock);
	return err;
}

static int
sync_fid(struct p9_req *q, const struct p9_fid *f, bool data_only,
    const struct sync_call *c)
{
	struct req_env env;

	p9_env(q, &env);
	env.kernel_checked = env.privileged = true;
	return dispatch_sync(q->c->p9->conf.server, &env, f->id,
	    data_only ? VFS_SYNC_DATA : 0, c);
}

/* Opened with O_SYNC: the bytes are durable before the reply. */
static int
sync_written(struct p9_req *q, const struct p9_fid *f)
{
	return f->flags & P9_O_DSYNC ? sync_fid(q, f,
	    (f->flags & P9_O_SYNC) != P9_O_SYNC, NULL) : 0;
}

static int
write_file(struct p9_req *q, struct p9_fid *f, const struct p9_twrite *t,
    uint32_t *count)
{
	struct vfs_write wq = { .id = f->ref, .off = t->offset,
	    .data = t->data, .flags = VFS_WRITE_KILL_CAPS };
	struct vfs_write_reply r;
	int err;

	if (f->kind == P9_XATTR_WRITE)
		return write_bytes(q, f, t, count);
	if (f->kind != P9_OPEN || !for_writing(f->flags))
		return -VFS_BAD_HANDLE;
	if (wq.data.n > VFS_IO_MAX)
		wq.data.n = VFS_IO_MAX;
	/* The offset is where the client believes the end to be. */
	if (f->flags & P9_O_APPEND)
		wq.flags |= VFS_WRITE_APPEND;
	atomic_store(&f->read, false);
	if ((err = p9_run(q, f->as, VFS_OP_WRITE, &wq, &r)) < 0)
		return err;
	*count = r.count;
	return sync_written(q, f);
}

int
p9_do_write(struct p9_req *q, const struct p9_twrite *t,
    struct p9_rwrite *r)
{
	struct p9_fid *f = p9_fid_get(q->c, t->fid);
	int err = f == NULL ? -VFS_BAD_HANDLE :
	    write_file(q, f, t, &r->count);

	p9_fid_drop(f);
	return err;
}

/* --- fsync -------------------------------------------------------------- */

static void
synced(void *arg, int err)
{
	struct p9_req *q = arg;
	struct p9 *p = q->c->p9;

	p9_answer(q, err, &(union p9_r){ 0 });
	atomic_fetch_sub(&p->late, 1);
}

/* The flush may be somebody else's; then its leader answers. */
int
p9_do_fsync(struct p9_req *q, const struct p9_tfsync *t,
    struct p9_rfsync *r)
{
	struct p9 *p = q->c->p9;
	struct p9_fid *f = p9_fid_get(q->c, t->fid);
	struct sync_call c = { .done = synced, .arg = q };
	int err;

	(void)r;
	if (f == NULL)
		return -VFS_BAD_HANDLE;
	if ((err = p9_allows(q, f, VFS_RIGHT_SYNC)) < 0) {
		p9_fid_drop(f);
		return err;
	}
	atomic_fetch_add(&p->late, 1);
	err = sync_fid(q, f, t->datasync != 0, &c);
	p9_fid_drop(f);
	if (err == 1)
		return P9_LATER;
	atomic_fetch_sub(&p->late, 1);
	return err;
}

/* --- directories -------------------------------------------------------- */

/* Entries on their way into a reply. */
struct pack {
	uint8_t *p;
	size_t cap, n;
};

static bool
pack_add(void *arg, const struct vfs_dirent *e)
{
	struct pack *k = arg;
	struct p9_dirent d = { .qid = p9_qid(e->id, e->type),
	    .offset = e->cookie, .type = e->type, .name = e->name };

	return p9_dirent_put(k->p, k->cap, &k->n, &d);
}

static int
read_dir(struct p9_req *q, struct p9_fid *f, const struct p9_treaddir *t,
    struct vfs_slice *out)
{
	struct pack k = { .p = q->out + READ_HDR,
	    .cap = room(q, t->count) };
	struct vfs_dir_read dq = { .dir = f->ref, .cookie = t->offset };
	struct vfs_dir_read_reply r = { .entries = { pack_add, &k } };
	int err;

	if (f->kind != P9_OPEN || !for_reading(f->flags))
		return -VFS_BAD_HANDLE;
	if (f->type != VFS_DIR)
		return -VFS_NOTDIR;
	if (t->offset != 0)
		dq.fence = atomic_load(&f->fence);
	else
		p9_atime(q, f);
	if ((err = p9_run(q, f->as, VFS_OP_DIR_READ, &dq, &r)) < 0)
		return err;
	if (k.n == 0 && !r.eof)
		return -VFS_INVAL;	/* not even one entry fits */
	atomic_store(&f->fence, r.fence);
	*out = (struct vfs_slice){ k.p, k.n };
	return 0;
}

int
p9_do_readdir(struct p9_req *q, const struct p9_treaddir *t,
    struct p9_rreaddir *r)
{
	struct p9_fid *f = p9_fid_get(q->c, t->fid);
	int err = f == NULL ? -VFS_BAD_HANDLE : read_dir(q, f, t, &r->data);

	p9_fid_drop(f);
	return err;
}
