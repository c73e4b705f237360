/*
 * dir.c - directories as streams
 *
 * While the entries of a page are handed out the daemon gets the next one:
 * its reply tells where that begins before anybody has looked at the
 * entries themselves.
 */
#include <string.h>

#include "vfs_in.h"

#define LIST_BYTES	(1u << 20)	/* of entries in one message */
#define AHEAD_MIN	16384u		/* less room is not worth a request */

/* --- pages ------------------------------------------------------------------- */

struct pages {
	struct vfs *v;
	struct vfs_stream *s;		/* stands behind what was taken */
	uint32_t want;
	struct vfs_dir_read q;
	struct vfs_dir_read_reply r;
	struct vfs_slice list;		/* its entries */
	struct vfs_call call;		/* idle, or asks for the next page */
};

static void
pages_init(struct pages *p, struct vfs *v, struct vfs_tx *tx,
    struct vfs_stream *s, uint32_t want)
{
	*p = (struct pages){ .v = v, .s = s, .want = want };
	p->call = (struct vfs_call){ .op = VFS_OP_DIR_READ, .tx = tx };
}

static void
page_request(struct pages *p, uint64_t cookie, size_t bytes)
{
	size_t most = lv_payload(p->v) & ~(size_t)7;

	p->q = (struct vfs_dir_read){ .dir = p->s->dir, .cookie = cookie,
		.fence = p->s->fence, .want = p->want,
		.max_bytes = (uint32_t)(bytes < most ? bytes : most) };
	p->r.entries = proto_list_lent(&p->list);
	p->call.q = &p->q;
	p->call.r = &p->r;
	p->call.deadline_ms = 0;
}

/* The next page, of so many bytes unless it was asked for already. */
static int
page_next(struct pages *p, size_t bytes)
{
	int err;

	if (p->call.state == CALL_IDLE)
		page_request(p, p->s->cookie, bytes);
	if ((err = lv_run(p->v, &p->call)) < 0)
		return err;
	p->s->fence = p->r.fence;
	p->s->version = p->r.version;
	return 0;
}

/* Have the daemon get the page behind this one; best effort. */
static void
page_ahead(struct pages *p, size_t bytes)
{
	if (p->r.eof != 0 || bytes < AHEAD_MIN)
		return;
	page_request(p, p->r.next_cookie, bytes);
	lv_ahead(p->v, &p->call);
}

/*
 * Hands the page's entries over, until fn has enough.  1: all of them;
 * 0: not all.  Who sends such a thing as cannot be read is not asked again.
 */
static int
page_give(struct pages *p, struct vfs_sink to)
{
	struct vfs_dirent e;
	struct vfs_attr attr;
	struct rbuf b;

	proto_list_read(&b, p->list);
	while (proto_list_more(&b)) {
		if (proto_dirent_next(&b, &e, &attr) < 0) {
			lv_lose(p->v, -VFS_MALFORMED);
			return lv_fail(p->v, p->call.tx != NULL ?
			    -VFS_ABORTED : -VFS_MALFORMED);
		}
		if (!to.add(to.arg, &e))
			return 0;
	}
	if (p->list.n == 0 && p->r.eof == 0)	/* no entry, and no end? */
		return lv_fail(p->v, -VFS_MALFORMED);
	return 1;
}

/* --- entries for the caller's buffer ------------------------------------------ */

struct fill {
	struct vfs_stream *s;
	char *p;
	size_t cap, n;
};

static bool
fill_add(void *arg, const struct vfs_dirent *e)
{
	struct fill *f = arg;
	size_t head = offsetof(struct vfs_dent, d_name) + e->name.n + 1;
	size_t len = (head + 7) & ~(size_t)7;
	size_t total = len + (e->attr != NULL ? sizeof *e->attr : 0);
	struct vfs_dent *d = (struct vfs_dent *)(void *)(f->p + f->n);

	if (total > f->cap - f->n)
		return false;
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

/* Bytes of entries of a message that fit, behind others of its like: none
 * takes more here with attributes, and at most 5/4 without. */
static size_t
fill_room(const struct fill *f, uint32_t mask, size_t others)
{
	size_t left = f->cap - f->n;

	if ((mask & VFS_WANT_ATTR) == 0)
		left -= left / 5;
	return left > others ? left - others : 0;
}

static int
fill_all(struct fill *f, struct pages *p)
{
	struct vfs_sink sink = { fill_add, f };
	size_t room;
	int rc;

	do {
		room = fill_room(f, p->want, 0);
		rc = page_next(p, room > 480 ? room : 480);
		if (rc < 0)		/* the next call will tell */
			return f->n > 0 ? 0 : rc;
		page_ahead(p, fill_room(f, p->want, p->list.n));
		if ((rc = page_give(p, sink)) < 0)
			return rc;
		f->s->eof = rc == 1 && p->r.eof != 0;
	} while (p->call.state != CALL_IDLE && rc == 1);
	if (f->n == 0 && !f->s->eof)	/* not even one fits */
		return lv_fail(p->v, -VFS_INVAL);
	return 0;
}

int64_t
vfs_getdents(struct vfs *v, struct vfs_tx *tx, struct vfs_stream *s, void *p,
    size_t n, uint32_t mask)
{
	struct vfs_stream at = *s;
	struct fill f = { .s = &at, .p = p, .cap = n };
	struct pages pages;
	int err;

	if ((uintptr_t)p % 8 != 0 || (mask & ~VFS_WANT_ATTR) != 0)
		return lv_fail(v, -VFS_INVAL);
	if (s->eof)
		return 0;
	pages_init(&pages, v, tx, &at, mask);
	err = fill_all(&f, &pages);
	vfs_forget(v, &pages.call);	/* a page that has no room */
	if (err < 0)
		return err;
	*s = at;
	return (int64_t)f.n;
}

/* --- entries for the caller's function --------------------------------------- */

struct each {
	struct vfs_stream s;
	bool (*fn)(void *arg, const struct vfs_dirent *e);
	void *arg;
	bool stop;
};

static bool
each_add(void *arg, const struct vfs_dirent *e)
{
	struct each *x = arg;

	x->s.cookie = e->cookie;
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
	struct pages p;
	int err;

	pages_init(&p, v, tx, &x.s, mask);
	do {
		if ((err = page_next(&p, LIST_BYTES)) < 0)
			break;
		if (x.s.cookie != 0)	/* it was not enough for fn */
			page_ahead(&p, LIST_BYTES);
		err = page_give(&p, (struct vfs_sink){ each_add, &x });
	} while (err == 1 && p.r.eof == 0);
	vfs_forget(v, &p.call);
	return err < 0 ? err : 0;
}
