#include "records.h"

void
proto_attr_encode(const struct vfs_attr *a, struct wbuf *w)
{
	unsigned i;

	wbuf_u64(w, PROTO_STAT_ALL);
	wbuf_u64(w, a->id.n);
	wbuf_u64(w, a->parent.n);
	wbuf_u64(w, a->data_version);
	wbuf_u64(w, a->meta_version);
	wbuf_u64(w, a->size);
	wbuf_u64(w, a->alloc);
	wbuf_time(w, a->atime);
	wbuf_time(w, a->mtime);
	wbuf_time(w, a->ctime);
	wbuf_time(w, a->btime);
	wbuf_u32(w, a->mode);
	wbuf_u32(w, a->nlink);
	wbuf_u32(w, a->uid);
	wbuf_u32(w, a->gid);
	wbuf_u32(w, a->rdev_major);
	wbuf_u32(w, a->rdev_minor);
	wbuf_u32(w, VFS_MODE_TYPE(a->mode));
	wbuf_u32(w, 0);			/* no hash yet: algorithm, 32 bytes */
	for (i = 0; i < 4; i++)
		wbuf_u64(w, 0);
}

void
proto_attr_decode(struct rbuf *b, struct vfs_attr *a)
{
	unsigned i;

	if (rbuf_u64(b) != PROTO_STAT_ALL)
		rbuf_fail(b, -VFS_MALFORMED, b->pos - 8);
	a->id.n = rbuf_u64(b);
	a->parent.n = rbuf_u64(b);
	a->data_version = rbuf_u64(b);
	a->meta_version = rbuf_u64(b);
	a->size = rbuf_u64(b);
	a->alloc = rbuf_u64(b);
	a->atime = rbuf_time(b);
	a->mtime = rbuf_time(b);
	a->ctime = rbuf_time(b);
	a->btime = rbuf_time(b);
	a->mode = rbuf_u32(b);
	a->nlink = rbuf_u32(b);
	a->uid = rbuf_u32(b);
	a->gid = rbuf_u32(b);
	a->rdev_major = rbuf_u32(b);
	a->rdev_minor = rbuf_u32(b);
	if (rbuf_u32(b) != (uint32_t)VFS_MODE_TYPE(a->mode))
		rbuf_fail(b, -VFS_MALFORMED, b->pos - 4);
	for (i = 0; i < 9; i++)
		rbuf_zero32(b);
}

void
proto_brief_encode(const struct proto_brief *a, struct wbuf *w)
{
	wbuf_u64(w, a->id.n);
	wbuf_u64(w, a->data_version);
	wbuf_u64(w, a->meta_version);
	wbuf_u64(w, a->size);
	wbuf_u32(w, a->nlink);
	wbuf_u32(w, a->mode);
}

void
proto_brief_decode(struct rbuf *b, struct proto_brief *a)
{
	a->id.n = rbuf_u64(b);
	a->data_version = rbuf_u64(b);
	a->meta_version = rbuf_u64(b);
	a->size = rbuf_u64(b);
	a->nlink = rbuf_u32(b);
	a->mode = rbuf_u32(b);
}

void
proto_list_read(struct rbuf *b, struct vfs_slice list)
{
	rbuf_init(b, list.p, list.n, 0);
}

bool
proto_list_more(const struct rbuf *b)
{
	return b->err == 0 && b->pos < b->len;
}

static void
list_start(struct proto_list *l, struct wbuf *w)
{
	wbuf_init(w, l->p, l->cap, l->n, 0);
}

static bool
list_done(struct proto_list *l, struct wbuf *w)
{
	wbuf_align(w, 8);
	if (w->err != 0)
		return false;
	l->n = w->pos;
	l->count++;
	return true;
}

static struct vfs_slice
take(struct rbuf *b, size_t n)
{
	struct vfs_slice s = { rbuf_bytes(b, n), n };

	if (s.p == NULL)
		s.n = 0;
	return s;
}

bool
proto_dirent_put(struct proto_list *l, const struct vfs_dirent *e)
{
	bool dir = l->dirs && e->dir.n != 0;
	uint32_t attrlen = e->attr != NULL ? PROTO_STAT : 0;
	size_t len = PROTO_DIRENT + (dir ? 8 : 0) + attrlen + e->name.n;
	struct wbuf w;

	if (e->name.n > VFS_NAME_MAX)
		return false;
	list_start(l, &w);
	wbuf_u64(&w, e->cookie);
	wbuf_u64(&w, e->id.n);
	wbuf_u16(&w, (uint16_t)((len + 7) & ~(size_t)7));
	wbuf_u16(&w, (uint16_t)e->name.n);
	wbuf_u8(&w, (uint8_t)e->type);
	wbuf_u8(&w, dir ? PROTO_DIRENT_DIR : 0);
	wbuf_u16(&w, (uint16_t)attrlen);
	if (dir)
		wbuf_u64(&w, e->dir.n);
	if (attrlen != 0)
		proto_attr_encode(e->attr, &w);
	wbuf_bytes(&w, e->name.p, e->name.n);
	return list_done(l, &w);
}

int
proto_dirent_next(struct rbuf *b, struct vfs_dirent *e, struct vfs_attr *attr)
{
	size_t at = b->pos;
	uint16_t reclen, namelen, kind, attrlen;
	int err;

	e->cookie = rbuf_u64(b);
	e->id.n = rbuf_u64(b);
	reclen = rbuf_u16(b);
	namelen = rbuf_u16(b);
	kind = rbuf_u16(b);
	attrlen = rbuf_u16(b);
	e->type = (enum vfs_type)(kind & 255);
	e->dir.n = 0;
	e->attr = NULL;
	kind >>= 8;
	if ((kind & ~PROTO_DIRENT_DIR) != 0 ||
	    (attrlen != 0 && attrlen != PROTO_STAT))
		rbuf_fail(b, -VFS_MALFORMED, at + 20);
	if ((kind & PROTO_DIRENT_DIR) != 0 && (e->dir.n = rbuf_u64(b)) == 0)
		rbuf_fail(b, -VFS_MALFORMED, at + PROTO_DIRENT);
	if (attrlen != 0) {
		proto_attr_decode(b, attr);
		e->attr = attr;
	}
	e->name = take(b, namelen);
	if (b->err == 0 && (err = proto_name_check(e->name)) < 0)
		rbuf_fail(b, err, b->pos - namelen);
	rbuf_align(b, 8);
	if (b->err == 0 && b->pos - at != reclen)
		rbuf_fail(b, -VFS_MALFORMED, at + 16);
	return b->err;
}

bool
proto_list_add(void *list, const struct vfs_dirent *e)
{
	return proto_dirent_put(list, e);
}

struct vfs_sink
proto_list_sink(struct proto_list *l)
{
	return (struct vfs_sink){ proto_list_add, l };
}

/* Two texts behind their lengths: how the other records end. */
static void
texts_put(struct wbuf *w, struct vfs_slice a, struct vfs_slice b)
{
	if (a.n > UINT16_MAX || b.n > UINT16_MAX)
		w->err = -VFS_TOO_BIG;
	wbuf_u16(w, (uint16_t)a.n);
	wbuf_u16(w, (uint16_t)b.n);
	wbuf_u32(w, 0);
	wbuf_bytes(w, a.p, a.n);
	wbuf_bytes(w, b.p, b.n);
}

static int
texts_next(struct rbuf *b, struct vfs_slice *x, struct vfs_slice *y)
{
	uint16_t n, m;

	n = rbuf_u16(b);
	m = rbuf_u16(b);
	rbuf_zero32(b);
	*x = take(b, n);
	*y = take(b, m);
	rbuf_align(b, 8);
	return b->err;
}

bool
proto_pair_put(struct proto_list *l, const struct proto_pair *r)
{
	struct wbuf w;

	list_start(l, &w);
	wbuf_u64(&w, r->n);
	texts_put(&w, r->name, r->text);
	return list_done(l, &w);
}

int
proto_pair_next(struct rbuf *b, struct proto_pair *r)
{
	r->n = rbuf_u64(b);
	return texts_next(b, &r->name, &r->text);
}

bool
proto_finding_put(struct proto_list *l, const struct proto_finding *r)
{
	struct wbuf w;

	list_start(l, &w);
	wbuf_u32(&w, r->kind);
	wbuf_u32(&w, r->flags);
	wbuf_u64(&w, r->id);
	texts_put(&w, r->path, r->text);
	return list_done(l, &w);
}

int
proto_finding_next(struct rbuf *b, struct proto_finding *r)
{
	r->kind = rbuf_u32(b);
	r->flags = rbuf_u32(b);
	r->id = rbuf_u64(b);
	return texts_next(b, &r->path, &r->text);
}

bool
proto_fault_put(struct proto_list *l, const struct proto_fault *r)
{
	struct wbuf w;

	list_start(l, &w);
	wbuf_u64(&w, r->trace_id);
	wbuf_time(&w, r->when);
	wbuf_u32(&w, r->err);
	wbuf_u32(&w, r->line);
	wbuf_u32(&w, r->pid);
	wbuf_u32(&w, r->op);
	wbuf_u64(&w, r->id);
	texts_put(&w, r->file, r->text);
	return list_done(l, &w);
}

int
proto_fault_next(struct rbuf *b, struct proto_fault *r)
{
	r->trace_id = rbuf_u64(b);
	r->when = rbuf_time(b);
	r->err = rbuf_u32(b);
	r->line = rbuf_u32(b);
	r->pid = rbuf_u32(b);
	r->op = rbuf_u32(b);
	r->id = rbuf_u64(b);
	return texts_next(b, &r->file, &r->text);
}
