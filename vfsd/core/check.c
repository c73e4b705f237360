#include <inttypes.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "acl.h"
#include "check_in.h"
#include "token.h"
#include "txid.h"

#define PATH_DEPTH	256u
#define PATH_BYTES	4096u

/* --- findings ------------------------------------------------------- */

/* The first name of an object, and where; false if it has none. */
static bool
first_name(struct check *c, uint64_t id, uint64_t *dir, struct vfs_slice *name)
{
	struct vfs_slice key, val = { NULL, 0 };
	struct row_parts p;
	struct rec_slot s;
	struct txn_cur *cur;
	struct row_key k;
	bool found = false;

	if (txn_cur_open(c->t, &cur) < 0)
		return false;
	row_key_id(&k, ROW_LINK, id);
	if (txn_cur_seek(cur, row_key_slice(&k), &key, &val) == 0 &&
	    row_key_parse(key, &p) == 0 && p.kind == ROW_LINK && p.a == id) {
		*dir = p.b;
		row_key_id2(&k, ROW_SLOT, p.b, p.c);
		found = check_has(c, &k, &val) &&
		    rec_slot_decode(val, &s) == 0 && s.id.n == id;
	}
	txn_cur_close(cur);
	if (found)
		*name = s.name;
	return found;
}

/* Backwards from the end of buf; "" where the way up is broken. */
static const char *
path_of(struct check *c, uint64_t id, char *buf)
{
	char *p = buf + PATH_BYTES - 1;
	struct vfs_slice name;
	uint64_t dir;
	unsigned i;

	*p = 0;
	if (id == VFS_ID_ROOT)
		*--p = '/';
	for (i = 0; id != VFS_ID_ROOT; i++) {
		if (i == PATH_DEPTH || !first_name(c, id, &dir, &name) ||
		    name.n + 1 > (size_t)(p - buf))
			return "";
		p -= name.n;
		memcpy(p, name.p, name.n);
		*--p = '/';
		id = dir;
	}
	return p;
}

static bool
is_space(enum row_kind kind)
{
	return kind == ROW_SHARE || kind == ROW_META ||
	    kind == ROW_JOURNAL || kind == ROW_TXID || kind == ROW_TOKEN ||
	    kind == ROW_MOVED;
}

void
check_found(struct check *c, enum row_kind kind, uint64_t id, bool fixable,
    const char *fmt, ...)
{
	char text[400], buf[PATH_BYTES];
	struct check_finding f = { .kind = kind, .id = id, .path = "",
		.text = text, .fixable = fixable };
	va_list ap;

	c->sum.found++;
	c->sum.records += kind == ROW_JOURNAL;
	va_start(ap, fmt);
	vsnprintf(text, sizeof text, fmt, ap);
	va_end(ap);
	if (!is_space(kind) && c->t != NULL)
		f.path = path_of(c, id, buf);
	if (c->conf.found != NULL)
		c->conf.found(c->conf.arg, &f);
}

int
check_grow(void **p, size_t *cap, size_t n, size_t item)
{
	size_t want = *cap + *cap / 2 + 1024;
	void *q;

	if (n < *cap)
		return 0;
	if ((q = realloc(*p, want * item)) == NULL)
		return -VFS_NOMEM;
	*p = q;
	*cap = want;
	return 0;
}

struct fix *
check_fix_add(struct check *c, enum fix_kind kind, const struct row_key *key)
{
	struct fix *f;

	if (!c->conf.repair || c->nfixes == FIXES_MAX ||
	    check_grow((void **)&c->fixes, &c->fixes_cap, c->nfixes,
	    sizeof *f) < 0)
		return NULL;
	f = &c->fixes[c->nfixes++];
	memset(f, 0, sizeof *f);
	f->kind = kind;
	c->remade += kind == FIX_INODE;
	c->moved += kind == FIX_DEL || kind == FIX_PUT;
	if (key != NULL)
		f->key = *key;
	return f;
}

void
check_fix_del(struct check *c, const struct row_key *key)
{
	check_fix_add(c, FIX_DEL, key);
}

bool
check_has(struct check *c, const struct row_key *k, struct vfs_slice *val)
{
	return txn_get(c->t, row_key_slice(k), val) == 0;
}

bool
check_more(struct check *c)
{
	return c->conf.progress == NULL || c->conf.progress(c->conf.arg,
	    c->sum.rows + c->sum.blocks, c->total);
}

/* Rows ask for ascending ids mostly; else a search. */
struct obj *
check_obj(struct check *c, uint64_t id)
{
	size_t lo = 0, hi = c->nobjs, mid;

	if (c->at < c->nobjs && c->objs[c->at].id == id)
		return &c->objs[c->at];
	while (lo < hi) {
		mid = lo + (hi - lo) / 2;
		if (c->objs[mid].id < id)
			lo = mid + 1;
		else
			hi = mid;
	}
	if (lo == c->nobjs || c->objs[lo].id != id)
		return NULL;
	c->at = lo;
	return &c->objs[lo];
}

/* --- rows of one object --------------------------------------------- */

static int
obj_add(struct check *c, uint64_t id, const struct rec_inode *in)
{
	struct obj *o;
	int err;

	err = check_grow((void **)&c->objs, &c->objs_cap, c->nobjs,
	    sizeof *o);
	if (err < 0)
		return err;
	o = &c->objs[c->nobjs++];
	memset(o, 0, sizeof *o);
	o->id = id;
	if (in == NULL) {
		o->seen = OBJ_DAMAGED | OBJ_UNSURE;
		return 0;
	}
	o->size = in->size;
	o->blocks = in->blocks;
	o->parent = in->parent;
	o->next_slot = in->next_slot;
	o->entries = in->entries;
	o->mode = in->mode;
	o->nlink = in->nlink;
	o->flags = in->flags;
	o->xattrs = in->xattrs;
	return 0;
}

static int
check_inode(struct check *c, const struct row_parts *p, struct vfs_slice val)
{
	struct rec_inode in;

	c->sum.objects++;
	if (rec_inode_decode(val, &in) < 0) {
		check_found(c, ROW_INODE, p->a, true,
		    "inode does not decode");
		return obj_add(c, p->a, NULL);
	}
	if (p->a == 0 || (p->a > VFS_ID_ROOT && p->a < VFS_ID_FIRST))
		check_found(c, ROW_INODE, p->a, false,
		    "inode with a reserved id");
	if (in.flags & INODE_DRAFT_CUT)
		check_found(c, ROW_INODE, p->a, false,
		    "inode with a flag of drafts");
	return obj_add(c, p->a, &in);
}

/* A row that belongs to an object, which must be there. */
static struct obj *
owner(struct check *c, const struct row_parts *p, struct vfs_slice key,
    const char *what)
{
	struct obj *o = check_obj(c, p->a);
	struct row_key k;

	if (o != NULL)
		return o;
	check_found(c, p->kind == ROW_ORPHAN ? ROW_INODE : p->kind, p->a,
	    true, "%s of an object without inode", what);
	memcpy(k.b, key.p, key.n);
	k.n = key.n;
	if (c->remade == 0)	/* else it may get one: see the next sweep */
		check_fix_del(c, &k);
	return NULL;
}

static bool
named(struct vfs_slice name, const char *s)
{
	return name.n == strlen(s) && memcmp(name.p, s, name.n) == 0;
}

static void
check_xattr(struct check *c, const struct row_parts *p, struct vfs_slice key)
{
	struct obj *o = owner(c, p, key, "attribute");

	if (o == NULL)
		return;
	o->got_xattrs++;
	if (named(p->name, ACL_NAME_ACCESS))
		o->seen |= OBJ_HAS_ACL;
	if (named(p->name, ACL_NAME_DEFAULT))
		o->seen |= OBJ_HAS_DEFACL;
}

static void
check_inline(struct check *c, const struct row_parts *p,
    struct vfs_slice key, struct vfs_slice val)
{
	struct obj *o = owner(c, p, key, "inline bytes");

	if (o == NULL)
		return;
	o->seen |= OBJ_HAS_INLINE;
	o->inline_bytes = val.n;
}

static void
check_orphan(struct check *c, const struct row_parts *p,
    struct vfs_slice key, struct vfs_slice val)
{
	struct obj *o = owner(c, p, key, "orphan row");
	struct row_key k;

	if (val.n != 0)
		check_found(c, ROW_ORPHAN, p->a, false,
		    "orphan row is not empty");
	if (o == NULL)
		return;
	o->seen |= OBJ_HAS_ORPHAN;
	if (o->nlink == 0 || (o->seen & OBJ_DAMAGED))
		return;
	check_found(c, ROW_ORPHAN, p->a, true,
	    "orphan row, but the object has %" PRIu32 " names", o->nlink);
	row_key_id(&k, ROW_ORPHAN, p->a);
	check_fix_del(c, &k);
}

static void
check_draft(struct check *c, const struct row_parts *p, struct vfs_slice key,
    struct vfs_slice val)
{
	struct obj *o = owner(c, p, key, "draft");
	struct rec_inode in;

	if (o == NULL)
		return;
	if (p->kind == ROW_DINLINE) {
		o->seen |= OBJ_HAS_DINLINE;
		return;
	}
	o->seen |= OBJ_HAS_DRAFT;
	if (rec_inode_decode(val, &in) < 0)
		check_found(c, ROW_DRAFT, p->a, false,
		    "draft does not decode");
	else if (in.flags & INODE_INLINE)
		o->seen |= OBJ_DRAFT_INLINE;
}

/* --- rows of the store ---------------------------------------------- */

static void
check_meta(struct check *c, const struct row_parts *p)
{
	if (!named(p->name, "format") && !named(p->name, "checkpoint"))
		check_found(c, ROW_META, 0, false,
		    "unknown row about the store: %.*s", (int)p->name.n,
		    (const char *)p->name.p);
}

/* Without its row a grant is revoked: that is safe. */
static void
check_token(struct check *c, const struct row_parts *p, struct vfs_slice val)
{
	struct rec_token token;
	struct row_key k;
	uint64_t next;

	if ((p->a == 0 ? rec_token_next(val, &next) :
	    rec_token_decode(val, &token)) == 0)
		return;
	check_found(c, ROW_TOKEN, p->a, p->a != 0,
	    "a grant does not decode");
	row_key_id(&k, ROW_TOKEN, p->a);
	if (p->a != 0)
		check_fix_del(c, &k);
}

static int
check_row(struct check *c, const struct row_parts *p, struct vfs_slice key,
    struct vfs_slice val)
{
	struct rec_txid txid;

	switch (p->kind) {
	case ROW_META:
		check_meta(c, p);
		return 0;
	case ROW_INODE:
		return check_inode(c, p, val);
	case ROW_NAME:
		check_name(c, p, val);
		return 0;
	case ROW_SLOT:
		check_slot(c, p, val);
		return 0;
	case ROW_LINK:
		check_link(c, p, val);
		return 0;
	case ROW_XATTR:
		check_xattr(c, p, key);
		return 0;
	case ROW_INLINE:
		check_inline(c, p, key, val);
		return 0;
	case ROW_EXTENT:
	case ROW_DEXTENT:
		return owner(c, p, key, "extent") != NULL ?
		    check_extent(c, p, val) : 0;
	case ROW_SHARE:
		return check_share(c, p, val);
	case ROW_ORPHAN:
		check_orphan(c, p, key, val);
		return 0;
	case ROW_JOURNAL:
		check_journal(c, p, val);
		return 0;
	case ROW_MOVED:
		check_moved(c, p, key, val);
		return 0;
	case ROW_DRAFT:
	case ROW_DINLINE:
		check_draft(c, p, key, val);
		return 0;
	case ROW_TXID:
		if (rec_txid_decode(val, &txid) < 0)
			check_found(c, ROW_TXID, p->a, false,
			    "the answer to a commit does not decode");
		return 0;
	case ROW_TOKEN:
		check_token(c, p, val);
		return 0;
	}
	return 0;
}

/* --- damage --------------------------------------------------------- */

/*
 * May a row that says nothing any more be deleted?  Not if its absence
 * would be a lie where its damage is an error: a hole in a file, a journal
 * that seems whole, permissions without their ACL.
 */
static bool
expendable(struct check *c, const struct row_parts *p)
{
	struct obj *o;

	switch (p->kind) {
	case ROW_META:
	case ROW_JOURNAL:
		return false;
	case ROW_XATTR:
		return !named(p->name, ACL_NAME_ACCESS) &&
		    !named(p->name, ACL_NAME_DEFAULT);
	case ROW_INLINE:
	case ROW_EXTENT:
	case ROW_DINLINE:
	case ROW_DEXTENT:
		o = check_obj(c, p->a);
		return o == NULL ? c->remade == 0
		    : (o->seen & OBJ_DAMAGED) == 0 && o->nlink == 0;
	default:
		return true;
	}
}

/* What a damaged row leaves unsure: its object, its directory. */
static int
damaged(struct check *c, struct vfs_slice key)
{
	struct row_parts p;
	struct row_key k;
	struct obj *o;
	bool fix;

	memcpy(k.b, key.p, key.n);
	k.n = key.n;
	if (row_key_parse(key, &p) < 0) {
		fix = key.n > 0 && k.b[0] >= 'A' && k.b[0] <= 'z';
		check_found(c, key.n > 0 ? k.b[0] : 0, 0, fix,
		    "a row with a key that is none");
		if (fix)
			check_fix_del(c, &k);
		return 0;
	}
	fix = expendable(c, &p);
	check_found(c, p.kind, p.a, fix || p.kind == ROW_JOURNAL,
	    "checksum of the row is wrong");
	if (p.kind == ROW_INODE) {
		check_fix_del(c, &k);
		c->sum.objects++;
		return obj_add(c, p.a, NULL);
	}
	if (p.kind == ROW_JOURNAL)
		c->jrows++;
	if (fix)
		check_fix_del(c, &k);
	else if (p.kind == ROW_EXTENT && check_obj(c, p.a) != NULL)
		check_poison(c, p.a, p.b);
	if ((o = check_obj(c, p.a)) != NULL && !is_space(p.kind))
		o->seen |= OBJ_UNSURE;
	if (p.kind == ROW_LINK && (o = check_obj(c, p.b)) != NULL)
		o->seen |= OBJ_UNSURE;
	return 0;
}

/* --- the sweep ------------------------------------------------------ */

static int
one(struct check *c, int err, struct vfs_slice key, struct vfs_slice val)
{
	struct row_parts p;

	c->sum.rows++;
	if (err == -VFS_CORRUPT || row_key_parse(key, &p) < 0)
		return damaged(c, key);
	return check_row(c, &p, key, val);
}

static int
sweep(struct check *c, struct txn_cur *cur)
{
	static const uint8_t first;
	struct vfs_slice none = { NULL, 0 }, key = none, val;
	int err, e2;

	err = txn_cur_seek(cur, (struct vfs_slice){ &first, 1 }, &key, &val);
	/* A damaged row is lent all the same; behind damage of the row store
	 * there is none. */
	while (err == 0 || (err == -VFS_CORRUPT && key.p != NULL)) {
		if ((e2 = one(c, err, key, val)) < 0)
			return e2;
		if (c->sum.rows % CHECK_STEP == 0 && !check_more(c))
			return -VFS_CANCELLED;
		key = none;
		err = txn_cur_next(cur, &key, &val);
	}
	if (err == -VFS_CORRUPT)
		check_found(c, ROW_META, 0, false,
		    "the row store itself is damaged");
	return err == -VFS_NOENT ? 0 : err;
}

int
check_rows(struct check *c, struct txn *t)
{
	struct txn_cur *cur;
	int err;

	c->t = t;
	c->total = c->conf.rows_hint;
	if ((err = txn_cur_open(t, &cur)) < 0)
		return err;
	err = sweep(c, cur);
	txn_cur_close(cur);
	if (err < 0)
		return err;
	if (c->conf.journal_rows != 0 && c->jrows != c->conf.journal_rows)
		check_found(c, ROW_JOURNAL, 0, true, "%" PRIu64
		    " change records, there should be %" PRIu64, c->jrows,
		    c->conf.journal_rows);
	check_objects(c);
	err = check_owners(c);
	c->total = c->sum.rows + c->written;
	c->t = NULL;
	return err;
}

void
check_ids(struct check *c, uint64_t next_id)
{
	size_t i;

	for (i = c->nobjs; i > 0 && c->objs[i - 1].id >= next_id; i--)
		check_found(c, ROW_INODE, c->objs[i - 1].id, false,
		    "inode with an id that was not given out yet (the next "
		    "is %" PRIu64 ")", next_id);
}

/* --- start and end -------------------------------------------------- */

int
check_new(const struct check_conf *conf, struct check **out)
{
	struct check *c = calloc(1, sizeof *c);

	if (c == NULL)
		return -VFS_NOMEM;
	c->conf = *conf;
	*out = c;
	return 0;
}

void
check_free(struct check *c)
{
	if (c == NULL)
		return;
	free(c->objs);
	free(c->runs);
	free(c->shares);
	free(c->gaps);
	free(c->fixes);
	free(c->buf);
	free(c);
}

void
check_result(const struct check *c, struct check_sum *out)
{
	*out = c->sum;
}
