/*
 * fuse_dir.c - directory streams
 *
 * A stream's position is an entry's cookie, and its end (the fence) is
 * fixed when it starts, so names made during a scan cannot keep it from
 * ending.  The fence lives in the handle; offset 0 starts a new scan.
 */
#include <errno.h>
#include <fcntl.h>
#include <string.h>

#include "fuse_dir.h"

int
fuse_do_opendir(struct freq *q)
{
	const struct fuse_open_in *in = (const void *)q->body;
	struct fuse_open_out out = { 0 };
	struct vfs_open oq = { .id = freq_id(q), .flags = VFS_OPEN_READ };
	struct vfs_open_reply r = { 0 };
	int err;

	/* As with files, atime is decided here. */
	if (q->f->conf.atime && !(in->flags & O_NOATIME))
		oq.flags |= VFS_OPEN_ATIME;
	if ((err = freq_dispatch(q, VFS_OP_OPEN, &oq, &r)) < 0)
		return err;
	err = fuse_handle_add(q->f->handles, oq.id, in->flags, &out.fh);
	if (err < 0)
		return err;
	if (!freq_reply(q, &out, sizeof out))
		fuse_handle_del(q->f->handles, out.fh);
	return 0;
}

int
fuse_do_releasedir(struct freq *q)
{
	const struct fuse_release_in *in = (const void *)q->body;

	if (fuse_handle_find(q->f->handles, in->fh, freq_id(q)) != NULL)
		fuse_handle_del(q->f->handles, in->fh);
	freq_reply(q, NULL, 0);
	return 0;
}

/* Entries on their way into a page. */
struct pack {
	struct fuse_page_out *out;
	size_t cap;
	bool plus;
};

static bool
is_dots(struct vfs_slice name)
{
	return name.n <= 2 && memcmp(name.p, "..", name.n) == 0;
}

static bool
pack_add(void *arg, const struct vfs_dirent *e)
{
	struct pack *k = arg;
	size_t head = k->plus ? sizeof(struct fuse_entry_out) : 0;
	size_t size = head + FUSE_DIRENT_SIZE(e->name.n);
	uint8_t *p = k->out->p + k->out->n;
	struct fuse_dirent *d;

	if (size > k->cap - k->out->n)
		return false;
	memset(p, 0, size);
	if (k->plus && e->attr != NULL)
		fuse_entry_fill((void *)p, e->attr);
	/* The kernel counts no lookup of "." and "..". */
	if (k->plus && is_dots(e->name))
		((struct fuse_entry_out *)(void *)p)->nodeid = 0;
	d = (void *)(p + head);
	d->ino = e->id.n;
	d->off = e->cookie;
	d->namelen = (uint32_t)e->name.n;
	d->type = e->type;
	memcpy(d->name, e->name.p, e->name.n);
	k->out->n += size;
	return true;
}

int
fuse_page_make(struct fuse_front *f, const struct req_env *env,
    const struct fuse_page *page, struct fuse_page_out *out)
{
	struct pack k = { out, page->cap, page->plus };
	struct vfs_dir_read q = {
		.dir = page->dir, .cookie = page->cookie,
		.fence = page->fence, .want = page->plus ? VFS_WANT_ATTR : 0,
	};
	struct vfs_dir_read_reply r = { .entries = { pack_add, &k } };
	int err;

	out->n = 0;
	if ((err = dispatch(f->conf.server, VFS_OP_DIR_READ, env, &q, &r)) < 0)
		return err;
	out->next = r.next_cookie;
	out->fence = r.fence;
	out->eof = r.eof;
	return 0;
}

typedef void each_fn(struct freq *q, struct fuse_entry_out *e,
    const struct fuse_dirent *d);

/* All that a READDIRPLUS hands over. */
static void
page_each(const struct fuse_page_out *k, struct freq *q, each_fn *fn)
{
	struct fuse_entry_out *e;
	const struct fuse_dirent *d;
	size_t at;

	for (at = 0; at < k->n;
	    at += sizeof *e + FUSE_DIRENT_SIZE(d->namelen)) {
		e = (void *)(k->p + at);
		d = (const void *)(e + 1);
		if (e->nodeid != 0)
			fn(q, e, d);
	}
}

static void
entry_drop(struct freq *q, struct fuse_entry_out *e,
    const struct fuse_dirent *d)
{
	(void)d;
	fuse_drop(q->f, (struct vfs_id){ e->nodeid }, 1);
}

/* What may not be kept is listed without attributes: the kernel would keep
 * the name though it is told not to. */
static void
entry_hold(struct freq *q, struct fuse_entry_out *e,
    const struct fuse_dirent *d)
{
	struct vfs_id id = { e->nodeid };

	fuse_hold(q->f, id, 1);
	if (freq_keeps(q, id) && freq_keeps_name(q,
	    (struct vfs_slice){ d->name, d->namelen }))
		return;
	e->nodeid = 0;
	fuse_drop(q->f, id, 1);
}

static void
entry_hide(struct freq *q, struct fuse_entry_out *e,
    const struct fuse_dirent *d)
{
	(void)q;
	(void)d;
	e->nodeid = 0;
}

static int
reply_page(struct freq *q, const struct fuse_page_out *out, bool plus)
{
	if (out->n == 0 && !out->eof)
		return -VFS_INVAL;	/* not even one entry fits */
	if (plus)
		page_each(out, q, freq_may_search(q, freq_id(q)) ?
		    entry_hold : entry_hide);
	if (!freq_reply(q, out->p, out->n) && plus)
		page_each(out, q, entry_drop);
	return 0;
}

static int
read_dir(struct freq *q, bool plus)
{
	const struct fuse_read_in *in = (const void *)q->body;
	struct fuse_page page = { .fh = in->fh, .dir = freq_id(q),
		.cookie = in->offset, .plus = plus,
		.cap = in->size < VFS_IO_MAX ? in->size : VFS_IO_MAX };
	struct fuse_page_out out = { .p = q->w->out };
	struct fuse_handle *h;
	bool ahead;
	int err;

	h = fuse_handle_find(q->f->handles, in->fh, page.dir);
	if (h == NULL)
		return -VFS_BAD_HANDLE;
	if (in->offset != 0)
		page.fence = atomic_load(&h->fence);
	else if (!(h->flags & O_NOATIME))
		freq_atime(q);
	freq_watch(q);
	ahead = plus && fuse_ahead_take(q, h, &page, &out);
	if (!ahead && (err = fuse_page_make(q->f, &q->env, &page, &out)) < 0)
		return err;
	atomic_store(&h->fence, out.fence);
	err = reply_page(q, &out, plus);
	if (ahead)
		fuse_ahead_done(q);
	if (plus && err == 0 && !out.eof) {
		page.cookie = out.next;
		page.fence = out.fence;
		fuse_ahead_ask(q, h, &page);
	}
	return err;
}

int
fuse_do_readdir(struct freq *q)
{
	return read_dir(q, false);
}

int
fuse_do_readdirplus(struct freq *q)
{
	return read_dir(q, true);
}
