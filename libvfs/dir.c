/* dir.c - directories as streams */
#include <string.h>

#include "vfs_in.h"

#define LIST_BYTES	(1u << 20)	/* of entries in one message */

static int
dir_read(struct vfs *v, struct vfs_tx *tx, struct vfs_stream *s,
    size_t bytes, uint32_t want, struct vfs_sink sink)
{
	size_t most = lv_payload(v) & ~(size_t)7;
	struct vfs_dir_read q = { .dir = s->dir, .cookie = s->cookie,
		.fence = s->fence, .want = want,
		.max_bytes = (uint32_t)(bytes < most ? bytes : most) };
	struct vfs_dir_read_reply r = { .entries = sink };
	int err = lv_call(v, tx, VFS_OP_DIR_READ, &q, &r);

	if (err < 0)
		return err;
	s->fence = r.fence;
	s->version = r.version;
	s->eof = r.eof != 0;
	return 0;
}

/* --- entries for the caller's buffer ------------------------------------------ */

struct fill {
	struct vfs_stream *s;
	char *p;
	size_t cap, n;
	bool full;
};

static bool
fill_add(void *arg, const struct vfs_dirent *e)
{
	struct fill *f = arg;
	size_t head = offsetof(struct vfs_dent, d_name) + e->name.n + 1;
	size_t len = (head + 7) & ~(size_t)7;
	size_t total = len + (e->attr != NULL ? sizeof *e->attr : 0);
	struct vfs_dent *d = (struct vfs_dent *)(void *)(f->p + f->n);

	if (total > f->cap - f->n) {
		f->full = true;
		return false;
	}
	*d = (struct vfs_dent){ .d_ino = e->id.n, .d_cookie = e->cookie,
		.d_reclen = (uint16_t)total, .d_type = (uint8_t)e->type,
		.d_namlen = (uint16_t)e->name.n };
	memcpy(d->d_name, e->name.p, e->name.n);
	d->d_name[e->name.n] = 0;
	if (e->attr != NULL) {
		memcpy(f->p + f->n + len, e->attr, sizeof *e->attr);
		d->d_attr = (const struct vfs_attr *)(void *)(f->p + f->n +
		    len);
	}
	f->n += total;
	f->s->cookie = e->cookie;
	return true;
}

/* What the daemon packs into so many bytes fits into about as many here;
 * what does not is asked for again. */
int64_t
vfs_getdents(struct vfs *v, struct vfs_tx *tx, struct vfs_stream *s, void *p,
    size_t n, uint32_t mask)
{
	struct fill f = { .s = s, .p = p, .cap = n };
	struct vfs_sink sink = { fill_add, &f };
	int err;

	if ((uintptr_t)p % 8 != 0 || (mask & ~VFS_WANT_ATTR) != 0)
		return lv_fail(v, -VFS_INVAL);
	while (!s->eof && f.n == 0) {
		err = dir_read(v, tx, s, n > 480 ? n : 480, mask, sink);
		if (err < 0)
			return err;
		if (f.full)
			s->eof = false;
		if (f.full && f.n == 0)
			return lv_fail(v, -VFS_INVAL);
		if (f.n == 0 && !s->eof)	/* no entry, and no end? */
			return lv_fail(v, -VFS_MALFORMED);
	}
	return (int64_t)f.n;
}

/* --- entries for the caller's function --------------------------------------- */

struct each {
	struct vfs_stream s;
	bool (*fn)(void *arg, const struct vfs_dirent *e);
	void *arg;
	bool stop;
	unsigned n;
};

static bool
each_add(void *arg, const struct vfs_dirent *e)
{
	struct each *x = arg;

	x->s.cookie = e->cookie;
	x->n++;
	if (e->cookie < VFS_SLOT_FIRST)	/* "." and ".." */
		return true;
	x->stop = !x->fn(x->arg, e);
	return !x->stop;
}

int
vfs_list(struct vfs *v, struct vfs_tx *tx, struct vfs_id dir, uint32_t mask,
    bool (*fn)(void *arg, const struct vfs_dirent *e), void *arg)
{
	struct each x = { .s = { .dir = dir }, .fn = fn, .arg = arg };
	struct vfs_sink sink = { each_add, &x };
	int err;

	do {
		x.n = 0;
		err = dir_read(v, tx, &x.s, LIST_BYTES, mask, sink);
		if (err == 0 && x.n == 0 && !x.s.eof)
			err = lv_fail(v, -VFS_MALFORMED);
	} while (err == 0 && !x.s.eof && !x.stop);
	return err;
}
