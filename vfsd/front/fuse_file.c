/*
 * fuse_file.c - open files: create, read, write, sync, space
 */
#include <errno.h>
#include <fcntl.h>
#include <linux/falloc.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "fuse_lock.h"
#include "fuse_req.h"

#define FMODE_EXEC	0x20u		/* the kernel's: by execve(2) */
#define COPY_MAX	0x7ffff000u	/* what a 32-bit count can say */

static struct fuse_handle *
handle_of(const struct freq *q, uint64_t fh)
{
	return fuse_handle_find(q->f->handles, fh, freq_id(q));
}

static bool
for_writing(uint32_t flags)
{
	return (flags & O_ACCMODE) != O_RDONLY;
}

/*
 * Who only appends has no cache in between: the kernel would put the bytes
 * where it believes the end to be, which a commit of others has moved.
 */
static bool
appends(uint32_t flags)
{
	return (flags & (O_ACCMODE | O_APPEND)) == (O_WRONLY | O_APPEND);
}

/*
 * Pages are kept: all that changes bytes passes through the kernel that
 * has them, or through a front that tells it.  NOFLUSH saves a request at
 * each close, but a forwarded fcntl lock must go when any descriptor is
 * closed, and only FLUSH tells.
 */
static uint32_t
open_flags(const struct fuse_front *f, uint32_t flags)
{
	uint32_t fl = FOPEN_KEEP_CACHE;

	if (f->conf.direct)
		fl = FOPEN_DIRECT_IO;
	else if (appends(flags))
		fl |= FOPEN_DIRECT_IO;
	if (!f->conf.shared_locks)
		fl |= FOPEN_NOFLUSH;
	return fl;
}

/*
 * Does a write of his take set-id bits away?  With HANDLE_KILLPRIV_V2 the
 * kernel leaves that to us, goes on with the mode that it knows, and would
 * run the file by it: it is told before the reply.  It holds the inode's
 * lock from before the request, so no bits come in between.
 */
static bool
has_setid(struct freq *q, struct vfs_id id)
{
	struct vfs_stat sq = { .id = id };
	struct vfs_stat_reply r = { 0 };

	return !q->env.privileged &&
	    freq_dispatch(q, VFS_OP_STAT, &sq, &r) == 0 &&
	    (r.attr.mode & (S_ISUID | S_ISGID)) != 0;
}

int
fuse_do_open(struct freq *q)
{
	const struct fuse_open_in *in = (const void *)q->body;
	struct vfs_open oq = { .id = freq_id(q) };
	struct vfs_open_reply r = { 0 };
	struct fuse_open_out out = {
		.open_flags = open_flags(q->f, in->flags)
	};
	bool trunc = in->flags & O_TRUNC, setid;
	int err;

	if ((in->flags & O_ACCMODE) != O_WRONLY)
		oq.flags |= VFS_OPEN_READ;
	if (for_writing(in->flags))
		oq.flags |= VFS_OPEN_WRITE;
	/* Reads may be answered by the kernel's pages, so opening for
	 * nothing else counts as reading; see read_atime for the rest. */
	if (oq.flags == VFS_OPEN_READ && q->f->conf.atime &&
	    !(in->flags & O_NOATIME))
		oq.flags |= VFS_OPEN_ATIME;
	if (in->flags & FMODE_EXEC)
		oq.flags ^= VFS_OPEN_READ | VFS_OPEN_EXEC;
	if (trunc)
		oq.flags |= VFS_OPEN_TRUNC;
	if (in->open_flags & FUSE_OPEN_KILL_SUIDGID)
		oq.flags |= VFS_OPEN_KILL_SUIDGID;
	setid = (oq.flags & VFS_OPEN_KILL_SUIDGID) && has_setid(q, oq.id);
	freq_watch(q);
	if ((err = freq_dispatch(q, VFS_OP_OPEN, &oq, &r)) < 0)
		return err;
	if (setid)
		fuse_forget_attr(q->f, oq.id);
	/* Its bytes are about to change, or have, and pages of before may
	 * be there still. */
	if (!freq_keeps_pages(q, oq.id))
		out.open_flags &= ~FOPEN_KEEP_CACHE;
	err = fuse_handle_add(q->f->handles, oq.id, in->flags, &out.fh);
	if (err < 0)
		return err;
	handle_of(q, out.fh)->direct = out.open_flags & FOPEN_DIRECT_IO;
	if (trunc)
		atomic_store(&handle_of(q, out.fh)->wrote, true);
	if (!freq_reply(q, &out, sizeof out)) {
		fuse_handle_del(q->f->handles, out.fh);
		if (trunc)
			server_released(q->f->conf.server, oq.id);
	}
	return 0;
}

/* Before it puts written pages into its cache the kernel asks, once for each
 * file, for capabilities that it would have to clear. */
static uint32_t
new_flags(const struct fuse_front *f, uint32_t flags)
{
	uint32_t fl = open_flags(f, flags);

	if (f->conf.direct_new && (flags & O_ACCMODE) == O_WRONLY)
		fl |= FOPEN_DIRECT_IO;
	return fl;
}

/* A new file, and a handle on it, in one reply. */
static int
reply_created(struct freq *q, struct vfs_slice name,
    const struct vfs_attr *a, uint32_t flags)
{
	struct fuse_entry_out e;
	struct fuse_open_out o = { .open_flags = new_flags(q->f, flags) };
	int err;

	err = fuse_handle_add(q->f->handles, a->id, flags, &o.fh);
	if (err < 0)
		return err;
	fuse_handle_find(q->f->handles, o.fh, a->id)->direct =
	    o.open_flags & FOPEN_DIRECT_IO;
	fuse_hold(q->f, a->id, 1);
	freq_entry_fill(q, name, a, &e);
	if (!freq_reply2(q, &e, sizeof e, &o, sizeof o)) {
		fuse_handle_del(q->f->handles, o.fh);
		fuse_drop(q->f, a->id, 1);
	}
	return 0;
}

int
fuse_do_create(struct freq *q)
{
	const struct fuse_create_in *in = (const void *)q->body;
	struct vfs_create cq = {
		.dir = freq_id(q), .flags = VFS_CREATE_EXCL,
		.mode = S_IFREG | (in->mode & VFS_MODE_PERM),
	};
	struct vfs_create_reply r = { 0 };
	size_t off = sizeof *in;
	int err;

	q->env.umask = in->umask;
	if ((err = freq_name(q, &off, &cq.name)) < 0)
		return err;
	freq_watch(q);
	err = freq_dispatch(q, VFS_OP_CREATE, &cq, &r);
	/* Another front was first: the kernel has not asked whether this
	 * file may be opened.  ESTALE makes it walk again and ask. */
	if (err == -VFS_EXIST && !(in->flags & O_EXCL))
		return freq_errno(q, ESTALE);
	return err < 0 ? err : reply_created(q, cq.name, &r.attr, in->flags);
}

int
fuse_do_tmpfile(struct freq *q)
{
	const struct fuse_create_in *in = (const void *)q->body;
	struct vfs_tmpfile tq = {
		.dir = freq_id(q),
		.mode = S_IFREG | (in->mode & VFS_MODE_PERM),
	};
	struct vfs_tmpfile_reply r = { 0 };
	static const struct vfs_slice none;
	int err;

	q->env.umask = in->umask;
	freq_watch(q);
	err = freq_dispatch(q, VFS_OP_TMPFILE, &tq, &r);
	return err < 0 ? err : reply_created(q, none, &r.attr, in->flags);
}

void
freq_atime(struct freq *q)
{
	struct vfs_open oq = { .id = freq_id(q), .flags = VFS_OPEN_ATIME };
	struct vfs_open_reply r;

	if (q->f->conf.atime)
		(void)freq_dispatch(q, VFS_OP_OPEN, &oq, &r);
}

/* The first read after opening for both, or after a write. */
static void
read_atime(struct freq *q, uint64_t fh)
{
	struct fuse_handle *h = handle_of(q, fh);

	if (h == NULL || (h->flags & (O_ACCMODE | O_NOATIME)) != O_RDWR ||
	    atomic_exchange(&h->read, true))
		return;
	freq_atime(q);
}

int
fuse_do_read(struct freq *q)
{
	const struct fuse_read_in *in = (const void *)q->body;
	struct vfs_read rq = { .id = freq_id(q), .off = in->offset };
	struct vfs_read_reply r = { .data = { q->w->out, VFS_IO_MAX, 0 } };
	int err;

	rq.count = in->size < VFS_IO_MAX ? in->size : VFS_IO_MAX;
	r.data.cap = rq.count;
	fuse_handles_was_read(q->f->handles, rq.id);
	if ((err = freq_dispatch(q, VFS_OP_READ, &rq, &r)) < 0)
		return err;
	read_atime(q, in->fh);
	freq_reply(q, r.data.p, r.data.n);
	return 0;
}

/*
 * The kernel drops the pages in which it believes that it has appended, and
 * what is put where it knew of no bytes it does not have; but a reader may
 * have learned of them in between.
 */
static bool
dropped_all(const struct fuse_handle *h, const struct fuse_write_in *in,
    const struct vfs_write_reply *r)
{
	if (h == NULL || !h->direct)
		return false;
	return in->size > 0 && r->off >= in->offset &&
	    (r->off + in->size - 1) / VFS_BLOCK <=
	    (in->offset + in->size - 1) / VFS_BLOCK;
}

static void
synced(void *arg, int err)
{
	freq_done(arg, vfs_err_errno(err));
}

/* Our flush: somebody else reads requests meanwhile, if there are any. */
static void
leads(void *arg)
{
	struct freq_later *l = arg;

	fuse_turn_flush(l->w);
}

/* The flush may be somebody else's; then its leader replies, with these at
 * most 8 bytes. */
static int
sync_id(struct freq *q, struct vfs_id id, uint32_t flags,
    struct vfs_slice reply)
{
	struct sync_call c = { .done = synced, .leads = leads };
	struct freq_later *l;
	int err;

	if (q->w->ring != NULL) {	/* its thread answers, or nobody */
		err = dispatch_sync(q->f->conf.server, &q->env, id, flags,
		    NULL);
		if (err == 0)
			freq_reply(q, reply.p, reply.n);
		return err;
	}
	if ((l = freq_later(q)) == NULL)
		return -VFS_NOMEM;
	c.arg = l;
	l->n = (uint32_t)reply.n;
	if (reply.n > 0)
		memcpy(l->reply, reply.p, reply.n);
	err = dispatch_sync(q->f->conf.server, &q->env, id, flags, &c);
	if (err == 1)
		return 0;		/* l and the reply are the leader's */
	fuse_turn_flushed(q->w);
	freq_not_later(q, l);
	if (err < 0)
		return err;
	freq_reply(q, reply.p, reply.n);
	return 0;
}

int
fuse_do_write(struct freq *q)
{
	const struct fuse_write_in *in = (const void *)q->body;
	struct vfs_write wq = { .id = freq_id(q), .off = in->offset };
	struct vfs_write_reply r = { 0 };
	struct fuse_write_out out = { 0 };
	struct fuse_handle *h = handle_of(q, in->fh);
	bool setid;
	int err;

	if (in->size > q->n - sizeof *in || in->size > VFS_IO_MAX)
		return -VFS_INVAL;
	wq.data = (struct vfs_slice){ in + 1, in->size };
	/* Pages of a mapping have their place; only write(2) appends. */
	if (in->flags & O_APPEND && !(in->write_flags & FUSE_WRITE_CACHE))
		wq.flags |= VFS_WRITE_APPEND;
	/* Whoever writes: with HANDLE_KILLPRIV_V2 that is up to us. */
	if (!(in->write_flags & FUSE_WRITE_CACHE))
		wq.flags |= VFS_WRITE_KILL_CAPS;
	if (in->write_flags & FUSE_WRITE_KILL_SUIDGID)
		wq.flags |= VFS_WRITE_KILL_SUIDGID;
	/* Before the bytes are there: a release may come right after. */
	if (h != NULL && !atomic_load_explicit(&h->wrote,
	    memory_order_relaxed))
		atomic_store(&h->wrote, true);
	if (h != NULL)
		atomic_store_explicit(&h->read, false, memory_order_relaxed);
	setid = (wq.flags & VFS_WRITE_KILL_SUIDGID) && has_setid(q, wq.id);
	if ((err = freq_dispatch(q, VFS_OP_WRITE, &wq, &r)) < 0)
		return err;
	if (setid)
		fuse_forget_attr(q->f, wq.id);
	out.size = r.count;
	if (wq.flags & VFS_WRITE_APPEND && r.off != in->offset &&
	    !dropped_all(h, in, &r))
		fuse_misplaced(q->f, wq.id);
	/* Where there is a page cache the kernel asks with FSYNC. */
	if (in->flags & O_DSYNC && h != NULL && h->direct)
		return sync_id(q, wq.id, (in->flags & O_SYNC) == O_SYNC ? 0 :
		    VFS_SYNC_DATA, (struct vfs_slice){ &out, sizeof out });
	freq_reply(q, &out, sizeof out);
	return 0;
}

int
fuse_do_flush(struct freq *q)
{
	const struct fuse_flush_in *in = (const void *)q->body;

	fuse_locks_flushed(q, in->lock_owner);
	freq_reply(q, NULL, 0);
	return 0;
}

int
fuse_do_release(struct freq *q)
{
	const struct fuse_release_in *in = (const void *)q->body;
	struct fuse_handle *h = handle_of(q, in->fh);
	bool wrote = h != NULL && atomic_load(&h->wrote);

	if (h != NULL)
		fuse_handle_del(q->f->handles, in->fh);
	fuse_locks_released(q, in);
	if (wrote)
		server_released(q->f->conf.server, freq_id(q));
	freq_reply(q, NULL, 0);
	return 0;
}

int
fuse_do_fsync(struct freq *q)
{
	const struct fuse_fsync_in *in = (const void *)q->body;

	return sync_id(q, freq_id(q), in->fsync_flags & FUSE_FSYNC_FDATASYNC ?
	    VFS_SYNC_DATA : 0, (struct vfs_slice){ 0 });
}

int
fuse_do_fsyncdir(struct freq *q)
{
	return fuse_do_fsync(q);
}

int
fuse_do_syncfs(struct freq *q)
{
	return sync_id(q, (struct vfs_id){ 0 }, 0, (struct vfs_slice){ 0 });
}

int
fuse_do_fallocate(struct freq *q)
{
	const struct fuse_fallocate_in *in = (const void *)q->body;
	struct vfs_allocate aq = {
		.id = freq_id(q), .off = in->offset, .len = in->length
	};
	struct vfs_allocate_reply r = { 0 };
	bool setid;
	int err;

	if (in->mode & ~(uint32_t)(FALLOC_FL_KEEP_SIZE |
	    FALLOC_FL_PUNCH_HOLE | FALLOC_FL_ZERO_RANGE))
		return -VFS_UNSUPPORTED;
	if (in->mode & FALLOC_FL_KEEP_SIZE)
		aq.flags |= VFS_ALLOC_KEEP_SIZE;
	if (in->mode & FALLOC_FL_PUNCH_HOLE)
		aq.flags |= VFS_ALLOC_PUNCH;
	if (in->mode & FALLOC_FL_ZERO_RANGE)
		aq.flags |= VFS_ALLOC_ZERO;
	/* Nothing in the request tells; the kernel leaves it to us. */
	if (!q->env.privileged)
		aq.flags |= VFS_ALLOC_KILL_SUIDGID;
	setid = has_setid(q, aq.id);
	if ((err = freq_dispatch(q, VFS_OP_ALLOCATE, &aq, &r)) < 0)
		return err;
	if (setid)
		fuse_forget_attr(q->f, aq.id);
	freq_reply(q, NULL, 0);
	return 0;
}

/* Before it asks, the kernel does not write what was stored through a
 * mapping: what we have no bytes of may be data. */
static int
seek_all(struct freq *q, const struct fuse_lseek_in *in)
{
	struct vfs_stat sq = { .id = freq_id(q) };
	struct vfs_stat_reply r = { 0 };
	struct fuse_lseek_out out;
	int err;

	if ((err = freq_dispatch(q, VFS_OP_STAT, &sq, &r)) < 0)
		return err;
	if (in->offset >= r.attr.size)
		return -VFS_NXIO;
	out.offset = in->whence == SEEK_DATA ? in->offset : r.attr.size;
	freq_reply(q, &out, sizeof out);
	return 0;
}

int
fuse_do_lseek(struct freq *q)
{
	const struct fuse_lseek_in *in = (const void *)q->body;
	struct vfs_seek sq = { .id = freq_id(q), .off = in->offset };
	struct vfs_seek_reply r = { 0 };
	struct fuse_lseek_out out;
	int err;

	if (in->whence == SEEK_DATA)
		sq.whence = VFS_SEEK_DATA;
	else if (in->whence == SEEK_HOLE)
		sq.whence = VFS_SEEK_HOLE;
	else
		return -VFS_INVAL;
	if (fuse_handles_mapped(q->f->handles, sq.id))
		return seek_all(q, in);
	if ((err = freq_dispatch(q, VFS_OP_SEEK, &sq, &r)) < 0)
		return err;
	out.offset = r.off;
	freq_reply(q, &out, sizeof out);
	return 0;
}

static int
copy_range(struct freq *q, uint64_t max, uint64_t *copied)
{
	const struct fuse_copy_file_range_in *in = (const void *)q->body;
	struct vfs_copy_range cq = {
		.src = freq_id(q), .dst = { in->nodeid_out },
		.src_off = in->off_in, .dst_off = in->off_out,
		.len = in->len < max ? in->len : max,
	};
	struct vfs_copy_range_reply r = { 0 };
	struct fuse_handle *h;
	bool setid;
	int err;

	setid = has_setid(q, cq.dst);
	if ((err = freq_dispatch(q, VFS_OP_COPY_RANGE, &cq, &r)) < 0)
		return err;
	if (setid)
		fuse_forget_attr(q->f, cq.dst);
	h = fuse_handle_find(q->f->handles, in->fh_out, cq.dst);
	if (h != NULL)
		atomic_store(&h->wrote, true);
	*copied = r.copied;
	return 0;
}

int
fuse_do_copy_file_range(struct freq *q)
{
	struct fuse_write_out out = { 0 };
	uint64_t n = 0;
	int err;

	if ((err = copy_range(q, COPY_MAX, &n)) < 0)
		return err;
	out.size = (uint32_t)n;
	freq_reply(q, &out, sizeof out);
	return 0;
}

int
fuse_do_copy_file_range_64(struct freq *q)
{
	struct fuse_copy_file_range_out out = { 0 };
	int err;

	err = copy_range(q, VFS_FILE_MAX, &out.bytes_copied);
	if (err < 0)
		return err;
	freq_reply(q, &out, sizeof out);
	return 0;
}
