#include <assert.h>
#include <inttypes.h>
#include <stdlib.h>
#include <string.h>

#include "mirror.h"

#define PAGE_ROOM	65536u

/* --- the two tables ---------------------------------------------------- */

static void *
grown(void *p, size_t n, size_t *cap, size_t item)
{
	if (n < *cap)
		return p;
	*cap = *cap > 0 ? 2 * *cap : 64;
	p = realloc(p, *cap * item);
	assert(p != NULL);
	return p;
}

static struct mirror_obj *
obj(struct mirror *m, uint64_t id)
{
	size_t i;

	for (i = 0; i < m->nobjs; i++)
		if (m->objs[i].id == id)
			return &m->objs[i];
	return NULL;
}

static uint64_t
larger(uint64_t a, uint64_t b)
{
	return a > b ? a : b;
}

static void
set_obj(struct mirror *m, uint64_t id, unsigned type, uint64_t dv,
    uint64_t mv)
{
	struct mirror_obj *o = obj(m, id);

	if (o == NULL) {
		m->objs = grown(m->objs, m->nobjs, &m->objs_cap,
		    sizeof *m->objs);
		o = &m->objs[m->nobjs++];
		*o = (struct mirror_obj){ .id = id };
	}
	o->type = type;
	o->dv = larger(o->dv, dv);
	o->mv = larger(o->mv, mv);
}

static struct mirror_name *
name(struct mirror *m, uint64_t dir, const char *s)
{
	size_t i;

	for (i = 0; i < m->nnames; i++)
		if (m->names[i].dir == dir &&
		    strcmp(m->names[i].name, s) == 0)
			return &m->names[i];
	return NULL;
}

static const char *
text(struct vfs_slice s, char buf[16])
{
	assert(s.n < 16);
	memcpy(buf, s.p, s.n);
	buf[s.n] = 0;
	return buf;
}

static void
set_name(struct mirror *m, uint64_t dir, struct vfs_slice s, uint64_t id)
{
	char buf[16];
	struct mirror_name *n = name(m, dir, text(s, buf));

	if (n == NULL) {
		m->names = grown(m->names, m->nnames, &m->names_cap,
		    sizeof *m->names);
		n = &m->names[m->nnames++];
		n->dir = dir;
		strcpy(n->name, buf);
	}
	n->id = id;
}

/* Only if it still stands for that object. */
static void
drop_name(struct mirror *m, uint64_t dir, struct vfs_slice s, uint64_t id)
{
	char buf[16];
	struct mirror_name *n = name(m, dir, text(s, buf));

	if (n != NULL && n->id == id)
		*n = m->names[--m->nnames];
}

/* --- what cannot be reached any more ------------------------------------ */

static bool
reached(const struct mirror *m, uint64_t id, unsigned depth)
{
	size_t i;

	if (id == (m->top.n == 0 ? VFS_ID_ROOT : m->top.n))
		return true;
	for (i = 0; i < m->nnames && depth < 64; i++)
		if (m->names[i].id == id &&
		    reached(m, m->names[i].dir, depth + 1))
			return true;
	return false;
}

static void
sweep(struct mirror *m)
{
	size_t i;

	/* Who is told everything keeps trees that are being prepared. */
	for (i = 0; m->top.n != 0 && i < m->nnames;) {
		if (reached(m, m->names[i].dir, 0))
			i++;
		else
			m->names[i] = m->names[--m->nnames];
	}
	for (i = 0; m->top.n != 0 && i < m->nobjs;) {
		if (reached(m, m->objs[i].id, 0))
			i++;
		else
			m->objs[i] = m->objs[--m->nobjs];
	}
}

/* --- walking ------------------------------------------------------------ */

struct listing {
	struct mirror *m;
	struct fx *fx;
	uint64_t dir, sub[256];
	unsigned nsub;
};

static bool
list_one(void *arg, const struct vfs_dirent *e)
{
	struct listing *l = arg;

	if (e->cookie <= 2)
		return true;
	set_name(l->m, l->dir, e->name, e->id.n);
	assert(l->nsub < 256);
	l->sub[l->nsub++] = e->id.n;
	return true;
}

static void list(struct mirror *m, struct fx *fx, uint64_t id);

/* It may have been out of sight for a while. */
static void
forget_dir(struct mirror *m, uint64_t dir)
{
	size_t i;

	for (i = 0; i < m->nnames;)
		if (m->names[i].dir == dir)
			m->names[i] = m->names[--m->nnames];
		else
			i++;
}

static void
list_dir(struct mirror *m, struct fx *fx, uint64_t id)
{
	struct listing l = { m, fx, id, { 0 }, 0 };
	struct vfs_dir_read q = { .dir = { id } };
	struct vfs_dir_read_reply r = { .entries = { list_one, &l } };
	unsigned i;
	int err;

	forget_dir(m, id);
	err = fx_op_dir_read(fx, &q, &r);
	assert(err == 0 && r.eof);
	(void)err;
	obj(m, id)->whole = true;
	for (i = 0; i < l.nsub; i++)
		list(m, fx, l.sub[i]);
}

static void
list(struct mirror *m, struct fx *fx, uint64_t id)
{
	struct vfs_stat q = { { id } };
	struct vfs_stat_reply r;

	if (fx_op_stat(fx, &q, &r) < 0)
		return;
	set_obj(m, id, VFS_MODE_TYPE(r.attr.mode), r.attr.data_version,
	    r.attr.meta_version);
	obj(m, id)->nlink = r.attr.nlink;
	if (VFS_MODE_TYPE(r.attr.mode) == VFS_DIR)
		list_dir(m, fx, id);
}

void
mirror_init(struct mirror *m, struct fx *fx, struct vfs_id top)
{
	struct vfs_journal_pos q = { 0 };
	struct vfs_journal_pos_reply r;
	int err;

	*m = (struct mirror){ .top = top, .dir_versions = true };
	if (top.n == 0)
		return;
	err = fx_op_journal_pos(fx, &q, &r);
	assert(err == 0);
	(void)err;
	m->seq = r.seq;
	m->idx = r.idx;
	list(m, fx, top.n);
}

void
mirror_free(struct mirror *m)
{
	free(m->names);
	free(m->objs);
	*m = (struct mirror){ 0 };
}

/* --- records ------------------------------------------------------------ */

/* Is it below top today?  A confined reader could not list it else. */
static bool
is_inside(struct mirror *m, struct fx *fx, uint64_t id)
{
	struct vfs_stat q = { { id } };
	struct vfs_stat_reply r;

	while (id != m->top.n) {
		q.id.n = id;
		if (id == VFS_ID_ROOT || fx_op_stat(fx, &q, &r) < 0 ||
		    r.attr.nlink == 0)
			return false;
		id = r.attr.parent.n;
	}
	return true;
}

static void
drop_below(struct mirror *m, uint64_t dir)
{
	struct mirror_obj *o = obj(m, dir);
	size_t i;

	if (o != NULL)
		o->whole = false;
	for (i = 0; i < m->nnames;) {
		if (m->names[i].dir == dir) {
			uint64_t id = m->names[i].id;

			m->names[i] = m->names[--m->nnames];
			drop_below(m, id);
			i = 0;
		} else {
			i++;
		}
	}
}

static void
look_into(struct mirror *m, struct fx *fx, uint64_t id)
{
	if (m->top.n == 0 || is_inside(m, fx, id))
		list(m, fx, id);
}

/* A tree came in: what is in it is for the reader to look at. */
static void
entered(struct mirror *m, struct fx *fx, const struct proto_change *x)
{
	set_name(m, x->parent2.n, x->name2, x->id.n);
	if (x->type != VFS_DIR)
		return;
	drop_below(m, x->id.n);
	look_into(m, fx, x->id.n);
}

/* A directory's versions follow from the names in it. */
static void
touch(struct mirror *m, uint64_t dir, const struct proto_change *x)
{
	struct mirror_obj *o = obj(m, dir);

	if (o == NULL)
		return;
	o->dv = larger(o->dv, x->seq);
	if (x->type == VFS_DIR)
		o->mv = larger(o->mv, x->seq);
}

static void
drop_obj(struct mirror *m, uint64_t id)
{
	struct mirror_obj *o = obj(m, id);

	if (o != NULL)
		*o = m->objs[--m->nobjs];
}

static void
apply(struct mirror *m, struct fx *fx, const struct proto_change *x)
{
	uint64_t id = x->id.n;
	bool news;

	m->kinds |= 1u << x->kind;
	set_obj(m, id, x->type, x->data_version, x->meta_version);
	if (x->kind == PROTO_CHANGE_CREATE)
		obj(m, id)->whole = true;
	news = x->type == VFS_DIR && !obj(m, id)->whole;
	switch (x->kind) {
	case PROTO_CHANGE_CLONE_TREE:
		look_into(m, fx, id);
		/* fall through */
	case PROTO_CHANGE_CREATE:
	case PROTO_CHANGE_LINK:
		if (x->name.n > 0)
			set_name(m, x->parent.n, x->name, id);
		break;
	case PROTO_CHANGE_REMOVE_TREE:
	case PROTO_CHANGE_LEFT:
		drop_below(m, id);
		/* fall through */
	case PROTO_CHANGE_UNLINK:
		if (x->name.n > 0)
			drop_name(m, x->parent.n, x->name, id);
		break;
	case PROTO_CHANGE_RENAME:
	case PROTO_CHANGE_EXCHANGE:
		drop_name(m, x->parent.n, x->name, id);
		set_name(m, x->parent2.n, x->name2, id);
		if (news)		/* out of a tree that came whole */
			look_into(m, fx, id);
		break;
	case PROTO_CHANGE_ENTERED:
		entered(m, fx, x);
		break;
	case PROTO_CHANGE_DELETE:
		drop_obj(m, id);
		return;
	default:
		return;
	}
	if (x->name.n > 0)
		touch(m, x->parent.n, x);
	if (x->name2.n > 0)
		touch(m, x->parent2.n, x);
}

int
mirror_read(struct mirror *m, struct fx *fx)
{
	size_t room = m->room > 0 ? m->room : PAGE_ROOM;
	uint8_t *page = malloc(room);
	struct vfs_journal_read q = { .subtree = m->top, .flags = m->flags,
		.max = m->max };
	struct vfs_journal_read_reply r;
	struct proto_change x;
	struct rbuf b;
	int err;

	assert(page != NULL);
	do {
		q.seq = m->seq;
		q.idx = m->idx;
		r = (struct vfs_journal_read_reply){
			.records = { page, room, 0 } };
		if ((err = fx_op_journal_read(fx, &q, &r)) < 0)
			break;
		m->pages++;
		m->records += r.n;
		proto_list_read(&b, (struct vfs_slice){ page, r.records.n });
		while (proto_list_more(&b) && proto_change_next(&b, &x) == 0)
			apply(m, fx, &x);
		assert(b.err == 0);
		m->seq = r.seq;
		m->idx = r.idx;
	} while (r.more);
	sweep(m);
	free(page);
	return err;
}

/* --- comparing ---------------------------------------------------------- */

static unsigned
differ(const char *what, uint64_t id, uint64_t got, uint64_t want)
{
	if (got == want)
		return 0;
	printf("# object %" PRIu64 ": %s is %" PRIu64 ", should be %" PRIu64
	    "\n", id, what, got, want);
	return 1;
}

static unsigned
links(const struct mirror *m, const struct mirror_obj *o)
{
	unsigned n = 0, subs = 0;
	size_t i;

	for (i = 0; i < m->nnames; i++) {
		n += m->names[i].id == o->id;
		if (m->names[i].dir == o->id) {
			struct mirror_obj *k = obj((struct mirror *)m,
			    m->names[i].id);

			subs += k != NULL && k->type == VFS_DIR;
		}
	}
	return o->type == VFS_DIR ? 2 + subs : n;
}

static unsigned
compare_obj(struct mirror *m, const struct mirror_obj *want)
{
	struct mirror_obj *o = obj(m, want->id);
	unsigned bad = 0;

	if (o == NULL)
		return differ("is there", want->id, 0, 1);
	bad += differ("type", o->id, o->type, want->type);
	if (m->top.n == 0 || o->type == VFS_DIR)
		bad += differ("links", o->id, links(m, o), want->nlink);
	if (o->type == VFS_DIR && !m->dir_versions)
		return bad;
	bad += differ("data_version", o->id, o->dv, want->dv);
	return bad + differ("meta_version", o->id, o->mv, want->mv);
}

unsigned
mirror_compare(struct mirror *m, struct fx *fx)
{
	struct mirror w = { .top = m->top };
	struct mirror_name *n;
	unsigned bad = 0, unreached = 0;
	size_t i;

	for (i = 0; i < m->nnames; i++)
		unreached += !reached(m, m->names[i].dir, 0);
	list(&w, fx, m->top.n == 0 ? VFS_ID_ROOT : m->top.n);
	for (i = 0; i < w.nnames; i++) {
		n = name(m, w.names[i].dir, w.names[i].name);
		if (n == NULL || n->id != w.names[i].id) {
			printf("# %" PRIu64 "/%s is %" PRIu64 ", should be %"
			    PRIu64 "\n", w.names[i].dir, w.names[i].name,
			    n != NULL ? n->id : 0, w.names[i].id);
			bad++;
		}
	}
	bad += differ("names", 0, m->nnames - unreached, w.nnames);
	for (i = 0; i < w.nobjs; i++)
		bad += compare_obj(m, &w.objs[i]);
	mirror_free(&w);
	fflush(stdout);
	return bad;
}
