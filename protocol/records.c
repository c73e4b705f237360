#include "mem.h"

#include "codec.h"

/*
 * Entries and attributes are most of what there is in a long list, so they
 * are written and read as one piece whose place is checked once.
 */
#define AT_TIMES	56u		/* atime, mtime, ctime, btime */
#define AT_MODE		120u
#define AT_TYPE		144u		/* and the hash: nothing yet */
#define NSEC_MAX	999999999u

static void
put2(uint8_t *p, uint16_t v)
{
	p[0] = (uint8_t)v;
	p[1] = (uint8_t)(v >> 8);
}

static void
put4(uint8_t *p, uint32_t v)
{
	p[0] = (uint8_t)v;
	p[1] = (uint8_t)(v >> 8);
	p[2] = (uint8_t)(v >> 16);
	p[3] = (uint8_t)(v >> 24);
}

static void
put8(uint8_t *p, uint64_t v)
{
	put4(p, (uint32_t)v);
	put4(p + 4, (uint32_t)(v >> 32));
}

static uint16_t
get2(const uint8_t *p)
{
	return (uint16_t)(p[0] | p[1] << 8);
}

static uint32_t
get4(const uint8_t *p)
{
	return p[0] | (uint32_t)p[1] << 8 | (uint32_t)p[2] << 16 |
	    (uint32_t)p[3] << 24;
}

static uint64_t
get8(const uint8_t *p)
{
	return get4(p) | (uint64_t)get4(p + 4) << 32;
}

static void
put_time(uint8_t *p, struct vfs_time t)
{
	put8(p, (uint64_t)t.sec);
	put4(p + 8, t.nsec);
	put4(p + 12, 0);
}

static void
attr_put(uint8_t *p, const struct vfs_attr *a)
{
	put8(p, PROTO_STAT_ALL);
	put8(p + 8, a->id.n);
	put8(p + 16, a->parent.n);
	put8(p + 24, a->data_version);
	put8(p + 32, a->meta_version);
	put8(p + 40, a->size);
	put8(p + 48, a->alloc);
	put_time(p + AT_TIMES, a->atime);
	put_time(p + AT_TIMES + 16, a->mtime);
	put_time(p + AT_TIMES + 32, a->ctime);
	put_time(p + AT_TIMES + 48, a->btime);
	put4(p + AT_MODE, a->mode);
	put4(p + AT_MODE + 4, a->nlink);
	put4(p + AT_MODE + 8, a->uid);
	put4(p + AT_MODE + 12, a->gid);
	put4(p + AT_MODE + 16, a->rdev_major);
	put4(p + AT_MODE + 20, a->rdev_minor);
	put4(p + AT_TYPE, VFS_MODE_TYPE(a->mode));
	memset(p + AT_TYPE + 4, 0, PROTO_STAT - AT_TYPE - 4);
}

void
proto_attr_encode(const struct vfs_attr *a, struct wbuf *w)
{
	uint8_t *p = wbuf_room(w, PROTO_STAT);

	if (p != NULL)
		attr_put(p, a);
}

static struct vfs_time
get_time(const uint8_t *p)
{
	return (struct vfs_time){ (int64_t)get8(p), get4(p + 8) };
}

static bool
time_good(const uint8_t *p)
{
	return get4(p + 8) <= NSEC_MAX && get4(p + 12) == 0;
}

/* All that is not free to be anything. */
static bool
attr_good(const uint8_t *p)
{
	uint64_t hash = 0;
	unsigned i;

	for (i = AT_TYPE + 8; i < PROTO_STAT; i += 8)
		hash |= get8(p + i);
	return get8(p) == PROTO_STAT_ALL && time_good(p + AT_TIMES) &&
	    time_good(p + AT_TIMES + 16) && time_good(p + AT_TIMES + 32) &&
	    time_good(p + AT_TIMES + 48) && get8(p + AT_TYPE) ==
	    (uint64_t)VFS_MODE_TYPE(get4(p + AT_MODE)) && hash == 0;
}

/* Where the first of it is wrong. */
static size_t
attr_bad_at(const uint8_t *p)
{
	size_t i;

	if (get8(p) != PROTO_STAT_ALL)
		return 0;
	for (i = AT_TIMES; i < AT_MODE; i += 16)
		if (!time_good(p + i))
			return get4(p + i + 8) > NSEC_MAX ? i + 8 : i + 12;
	if (get4(p + AT_TYPE) != (uint32_t)VFS_MODE_TYPE(get4(p + AT_MODE)))
		return AT_TYPE;
	for (i = AT_TYPE + 4; get4(p + i) == 0; i += 4)
		;
	return i;
}

void
proto_attr_decode(struct rbuf *b, struct vfs_attr *a)
{
	const uint8_t *p;
	size_t at;

	rbuf_align(b, 8);
	at = b->pos;
	if (b->len - at < PROTO_STAT)	/* the field that is cut off */
		rbuf_fail(b, -VFS_MALFORMED, b->len);
	p = rbuf_bytes(b, PROTO_STAT);
	if (p != NULL && !attr_good(p))
		rbuf_fail(b, -VFS_MALFORMED, at + attr_bad_at(p));
	if (b->err != 0) {
		memset(a, 0, sizeof *a);
		return;
	}
	*a = (struct vfs_attr){
		.id = { get8(p + 8) }, .parent = { get8(p + 16) },
		.data_version = get8(p + 24), .meta_version = get8(p + 32),
		.size = get8(p + 40), .alloc = get8(p + 48),
		.atime = get_time(p + AT_TIMES),
		.mtime = get_time(p + AT_TIMES + 16),
		.ctime = get_time(p + AT_TIMES + 32),
		.btime = get_time(p + AT_TIMES + 48),
		.mode = get4(p + AT_MODE), .nlink = get4(p + AT_MODE + 4),
		.uid = get4(p + AT_MODE + 8), .gid = get4(p + AT_MODE + 12),
		.rdev_major = get4(p + AT_MODE + 16),
		.rdev_minor = get4(p + AT_MODE + 20),
	};
}

/* By hand: a transaction's answer has one for each of its operations. */
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

bool
proto_dirent_put(struct proto_list *l, const struct vfs_dirent *e)
{
	bool dir = l->dirs && e->dir.n != 0;
	size_t attr = PROTO_DIRENT + (dir ? 8 : 0);
	size_t name = attr + (e->attr != NULL ? PROTO_STAT : 0);
	size_t len = (name + e->name.n + 7) & ~(size_t)7;
	uint8_t *p = l->p + l->n;

	if (e->name.n > VFS_NAME_MAX || len > l->cap - l->n)
		return false;
	put8(p + len - 8, 0);		/* what the name does not fill */
	put8(p, e->cookie);
	put8(p + 8, e->id.n);
	put2(p + 16, (uint16_t)len);
	put2(p + 18, (uint16_t)e->name.n);
	p[20] = (uint8_t)e->type;
	p[21] = dir ? PROTO_DIRENT_DIR : 0;
	put2(p + 22, (uint16_t)(name - attr));
	if (dir)
		put8(p + PROTO_DIRENT, e->dir.n);
	if (e->attr != NULL)
		attr_put(p + attr, e->attr);
	if (e->name.n > 0)
		memcpy(p + name, e->name.p, e->name.n);
	l->n += len;
	l->count++;
	return true;
}

int
proto_dirent_next(struct rbuf *b, struct vfs_dirent *e, struct vfs_attr *attr)
{
	size_t at = b->pos;
	const uint8_t *p = rbuf_bytes(b, PROTO_DIRENT);
	unsigned flags, namelen, attrlen;
	int err;

	*e = (struct vfs_dirent){ .id = { 0 } };
	if (p == NULL)
		return b->err;
	e->cookie = get8(p);
	e->id.n = get8(p + 8);
	namelen = get2(p + 18);
	e->type = (enum vfs_type)p[20];
	flags = p[21];
	attrlen = get2(p + 22);
	if ((flags & ~PROTO_DIRENT_DIR) != 0 ||
	    (attrlen != 0 && attrlen != PROTO_STAT))
		rbuf_fail(b, -VFS_MALFORMED, at + 20);
	if ((flags & PROTO_DIRENT_DIR) != 0 && (e->dir.n = rbuf_u64(b)) == 0)
		rbuf_fail(b, -VFS_MALFORMED, at + PROTO_DIRENT);
	if (attrlen != 0) {
		proto_attr_decode(b, attr);
		e->attr = attr;
	}
	e->name = rbuf_slice(b, namelen);
	if (b->err == 0 && (err = proto_name_check(e->name)) < 0)
		rbuf_fail(b, err, b->pos - namelen);
	rbuf_align(b, 8);
	if (b->err == 0 && b->pos - at != get2(p + 16))
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

/* Never called: the decoder knows it. */
bool
proto_list_lend(void *list, const struct vfs_dirent *e)
{
	(void)list, (void)e;
	return false;
}

struct vfs_sink
proto_list_lent(struct vfs_slice *list)
{
	return (struct vfs_sink){ proto_list_lend, list };
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
	RECORD_NEXT(name, form)
#define RECORD_NEXT(name, form) \
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
RECORD_NEXT(change, "842288888X")
RECORD(session, "888TT444444X")

/* In one piece: readers of the journal get millions. */
#define CHANGE		64u		/* bytes before the names */

bool
proto_change_put(struct proto_list *l, const struct proto_change *r)
{
	size_t len = (CHANGE + r->name.n + r->name2.n + 7) & ~(size_t)7;
	uint8_t *p = l->p + l->n;

	if (r->name.n > UINT16_MAX || r->name2.n > UINT16_MAX ||
	    len > l->cap - l->n)
		return false;
	put8(p + len - 8, 0);		/* what the names do not fill */
	put8(p, r->seq);
	put4(p + 8, r->idx);
	put2(p + 12, r->kind);
	put2(p + 14, r->type);
	put8(p + 16, r->id.n);
	put8(p + 24, r->parent.n);
	put8(p + 32, r->parent2.n);
	put8(p + 40, r->data_version);
	put8(p + 48, r->meta_version);
	put2(p + 56, (uint16_t)r->name.n);
	put2(p + 58, (uint16_t)r->name2.n);
	put4(p + 60, 0);
	if (r->name.n > 0)
		memcpy(p + CHANGE, r->name.p, r->name.n);
	if (r->name2.n > 0)
		memcpy(p + CHANGE + r->name.n, r->name2.p, r->name2.n);
	l->n += len;
	l->count++;
	return true;
}

bool
proto_id_put(struct proto_list *l, struct vfs_id id)
{
	if (l->cap - l->n < 8)
		return false;
	put8(l->p + l->n, id.n);
	l->n += 8;
	l->count++;
	return true;
}

int
proto_id_next(struct rbuf *b, struct vfs_id *id)
{
	id->n = rbuf_u64(b);
	return b->err;
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
