#include "codec.h"

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

#define BRIEF	"888844"

void
proto_brief_encode(const struct proto_brief *a, struct wbuf *w)
{
	proto_form_encode(BRIEF, a, w);
}

void
proto_brief_decode(struct rbuf *b, struct proto_brief *a)
{
	proto_form_decode(BRIEF, b, a);
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
	e->name = rbuf_slice(b, namelen);
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

/* --- records that are their struct ---------------------------------- */

static bool
put(struct proto_list *l, const char *form, const void *r)
{
	struct wbuf w;

	list_start(l, &w);
	proto_form_encode(form, r, &w);
	return list_done(l, &w);
}

static int
next(struct rbuf *b, const char *form, void *r)
{
	proto_form_decode(form, b, r);
	rbuf_align(b, 8);
	return b->err;
}

#define RECORD(name, form) \
	bool \
	proto_##name##_put(struct proto_list *l, \
	    const struct proto_##name *r) \
	{ \
		return put(l, form, r); \
	} \
	int \
	proto_##name##_next(struct rbuf *b, struct proto_##name *r) \
	{ \
		return next(b, form, r); \
	}
RECORD(pair, "8X")
RECORD(finding, "448X")
RECORD(fault, "8T44448X")
RECORD(range, "884Z")
RECORD(extent, "8884Z")
RECORD(change, "842288888X")
RECORD(session, "888TT444444X")

bool
proto_id_put(struct proto_list *l, struct vfs_id id)
{
	return put(l, "8", &id);
}

int
proto_id_next(struct rbuf *b, struct vfs_id *id)
{
	return next(b, "8", id);
}

/* --- and those that are not ----------------------------------------- */

bool
proto_place_put(struct proto_list *l, const struct proto_place *r)
{
	struct proto_pair p = { .n = r->dir.n, .name = r->name };

	return proto_pair_put(l, &p);
}

int
proto_place_next(struct rbuf *b, struct proto_place *r)
{
	size_t at = b->pos;
	struct proto_pair p;
	int err = proto_pair_next(b, &p);

	if (err == 0 && p.text.n > 0)
		rbuf_fail(b, -VFS_MALFORMED, at + 10);
	else if (err == 0 && (err = proto_name_check(p.name)) < 0)
		rbuf_fail(b, err, at + 16);
	*r = (struct proto_place){ { p.n }, p.name };
	return b->err;
}

/* A brief record tells a part of what a stat record does. */
static struct proto_brief
brief_of(const struct vfs_attr *a)
{
	return (struct proto_brief){ .id = a->id,
		.data_version = a->data_version,
		.meta_version = a->meta_version, .size = a->size,
		.nlink = a->nlink, .mode = a->mode };
}

bool
proto_found_put(struct proto_list *l, uint32_t want,
    const struct proto_found *r)
{
	static const struct vfs_attr none;
	const struct vfs_attr *a = r->err == 0 ? &r->attr : &none;
	struct proto_brief brief = brief_of(a);
	struct wbuf w;

	list_start(l, &w);
	wbuf_u32(&w, r->err);
	wbuf_u32(&w, 0);
	if (want == VFS_WANT_BRIEF)
		proto_brief_encode(&brief, &w);
	else
		proto_attr_encode(a, &w);
	return list_done(l, &w);
}

int
proto_found_next(struct rbuf *b, uint32_t want, struct proto_found *r)
{
	struct proto_brief brief;

	r->err = rbuf_u32(b);
	rbuf_zero32(b);
	if (want != VFS_WANT_BRIEF) {
		proto_attr_decode(b, &r->attr);
		return b->err;
	}
	proto_brief_decode(b, &brief);
	r->attr = (struct vfs_attr){ .id = brief.id,
		.data_version = brief.data_version,
		.meta_version = brief.meta_version, .size = brief.size,
		.nlink = brief.nlink, .mode = brief.mode };
	return b->err;
}

bool
proto_bytes_put(struct proto_list *l, const struct proto_bytes *r)
{
	struct wbuf w;

	if (r->data.n > UINT32_MAX)
		return false;
	list_start(l, &w);
	wbuf_u32(&w, r->err);
	wbuf_u32(&w, (uint32_t)r->data.n);
	wbuf_bytes(&w, r->data.p, r->data.n);
	return list_done(l, &w);
}

int
proto_bytes_next(struct rbuf *b, struct proto_bytes *r)
{
	uint32_t n;

	r->err = rbuf_u32(b);
	n = rbuf_u32(b);
	r->data = rbuf_slice(b, n);
	rbuf_align(b, 8);
	return b->err;
}
