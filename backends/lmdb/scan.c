/*
 * lmdb/scan.c - LMDB's pages, read without LMDB
 *
 * LMDB believes what stands on a page.  Here each page of the tree is read
 * from the file and looked at before anything on it is used, so that damage
 * is found where it is, and what it does not concern is still reached.
 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "../../protocol/limits.h"
#include "../file/fd.h"
#include "lmdb_store.h"
#include "page.h"

#define KEPT		"rows.mdb.damaged"
#define META_TRIES	8u

struct scan {
	const struct store_scan *to;
	int fd;
	size_t size;			/* of a page */
	uint64_t npages;
	uint8_t *seen;			/* a bit for each page */
	uint8_t *page[DEPTH_MAX];	/* the way down */
	unsigned at[DEPTH_MAX];		/* which of its nodes */
	uint8_t *next;			/* a page behind it */
	unsigned height;		/* of the tree that is walked */
	bool is_free;			/* it is that of what is free */
	uint8_t *big;			/* a value with pages of its own */
	size_t big_cap;
	uint8_t last[VFS_KEY_MAX];	/* the last key that was seen */
	size_t last_n;
	uint64_t rows, losses;
};

struct node {
	uint64_t n;			/* the value's length, or a page */
	unsigned flags;
	struct vfs_slice key;
	const uint8_t *val;
};

/* --- what is wrong ------------------------------------------------- */

static void
lose(struct scan *s, uint64_t no, struct vfs_slice from, struct vfs_slice to,
    const char *why)
{
	struct vfs_slice none = { NULL, 0 };
	char text[160];

	s->losses++;
	snprintf(text, sizeof text, "page %llu of rows.mdb%s %s",
	    (unsigned long long)no, s->is_free ? " (its free list)" : "", why);
	s->to->lost(s->to->arg, s->is_free ? none : from,
	    s->is_free ? none : to, text);
}

/* The first one of these pages, which nobody else has: NULL, or why not. */
static const char *
take(struct scan *s, uint64_t no, uint64_t n)
{
	uint64_t i;

	if (no < 2 || no >= s->npages || n > s->npages - no)
		return "is outside of what was written";
	for (i = no; i < no + n; i++) {
		if (s->seen[i / 8] & 1u << i % 8)
			return "is in two places";
		s->seen[i / 8] |= (uint8_t)(1u << i % 8);
	}
	return NULL;
}

static const char *
bytes(struct scan *s, uint64_t at, uint8_t *p, size_t n)
{
	size_t got;

	if (fd_read(s->fd, at, p, n, &got) < 0)
		return "cannot be read";
	return got < n ? "is behind the file's end" : NULL;
}

/* --- a page and its nodes ------------------------------------------ */

static const char *
page_look(struct scan *s, uint64_t no, unsigned level, uint8_t *p)
{
	const char *why;
	unsigned kind = level + 1 == s->height ? LEAF : BRANCH;

	if ((why = bytes(s, no * s->size, p, s->size)) != NULL)
		return why;
	if (u64(p) != no)
		return "is not what was written there";
	if ((u16(p + 10) & ~(uint64_t)DIRTY) != kind)
		return kind == LEAF ? "does not hold rows" : "is no branch";
	if (u16(p + 12) < PAGE_HEAD || u16(p + 12) % 2 != 0 ||
	    u16(p + 14) < u16(p + 12) || u16(p + 14) > s->size)
		return "has an impossible head";
	return NULL;
}

static const char *
page_read(struct scan *s, uint64_t no, unsigned level)
{
	const char *why = take(s, no, 1);

	return why != NULL ? why : page_look(s, no, level, s->page[level]);
}

/* false: it is not within the page. */
static bool
node_read(const struct scan *s, const uint8_t *p, unsigned i, bool branch,
    struct node *out)
{
	uint64_t at = u16(p + PAGE_HEAD + 2 * (size_t)i), left;

	if (at < u16(p + 14) || at + NODE_HEAD > s->size)
		return false;
	left = s->size - at - NODE_HEAD;
	p += at;
	out->n = u32(p);
	out->flags = (unsigned)u16(p + 4);
	out->key = (struct vfs_slice){ p + NODE_HEAD, u16(p + 6) };
	out->val = p + NODE_HEAD + out->key.n;
	if (out->key.n > left || out->key.n > VFS_KEY_MAX)
		return false;
	left -= out->key.n;
	if (branch) {
		out->n |= (uint64_t)out->flags << 32;
		return true;
	}
	return out->key.n > 0 && (out->flags == BIG ? left >= 8 :
	    out->flags == 0 && left >= out->n);
}

static int
compare(const struct scan *s, struct vfs_slice a, struct vfs_slice b)
{
	uint64_t x, y;

	if (s->is_free && a.n == 8 && b.n == 8) {
		x = u64(a.p);
		y = u64(b.p);
		return x < y ? -1 : x > y;
	}
	return store_key_cmp(a, b);
}

/* Behind all keys that were seen, and before `to` (empty: the end). */
static bool
in_order(const struct scan *s, struct vfs_slice key, struct vfs_slice to)
{
	struct vfs_slice last = { s->last, s->last_n };

	return (last.n == 0 || compare(s, last, key) < 0) &&
	    (to.n == 0 || compare(s, key, to) < 0);
}

/* --- rows ---------------------------------------------------------- */

/* A value with pages of its own. */
static const char *
big_read(struct scan *s, const struct node *nd, struct vfs_slice *val)
{
	uint64_t no = u64(nd->val), n;
	uint8_t head[PAGE_HEAD];
	const char *why;
	void *p;

	n = (PAGE_HEAD + nd->n + s->size - 1) / s->size;
	if ((why = take(s, no, n)) != NULL ||
	    (why = bytes(s, no * s->size, head, sizeof head)) != NULL)
		return why;
	if (u64(head) != no || u32(head + 12) != n ||
	    (u16(head + 10) & ~(uint64_t)DIRTY) != OVERFLOW)
		return "does not begin a large value";
	if (nd->n > s->big_cap) {
		if ((p = realloc(s->big, nd->n)) == NULL)
			return "is longer than memory";
		s->big = p;
		s->big_cap = nd->n;
	}
	*val = (struct vfs_slice){ s->big, nd->n };
	return bytes(s, no * s->size + PAGE_HEAD, s->big, nd->n);
}

/* Pages that are free are not used as well. */
static const char *
free_row(struct scan *s, struct vfs_slice key, struct vfs_slice val)
{
	const uint8_t *p = val.p;
	const char *why = NULL;
	uint64_t n, i;

	if (key.n != 8 || val.n < 8 || (n = u64(p)) > val.n / 8 - 1)
		return "is no list of pages";
	for (i = 1; i <= n && why == NULL; i++)
		why = take(s, u64(p + 8 * i), 1);
	return why == NULL ? NULL : "names a page that is used, or none";
}

/* 1: it was told that it is lost. */
static int
row(struct scan *s, uint64_t no, const struct node *nd, struct vfs_slice to)
{
	struct vfs_slice val = { nd->val, nd->n };
	const char *why = NULL;

	memcpy(s->last, nd->key.p, nd->key.n);
	s->last_n = nd->key.n;
	if (nd->flags == BIG && (why = big_read(s, nd, &val)) != NULL)
		no = u64(nd->val);
	if (why == NULL && s->is_free)
		why = free_row(s, nd->key, val);
	if (why != NULL)
		return lose(s, no, nd->key, to, why), 1;
	s->rows++;
	return s->is_free || s->to->row(s->to->arg, nd->key, val) ? 0 :
	    -VFS_CANCELLED;
}

/* The first key behind this leaf, whatever branches say of it; until the next
 * such call. */
static bool
first_behind(struct scan *s, struct vfs_slice *key)
{
	unsigned level = s->height - 1;
	struct node nd;

	do
		if (level-- == 0)
			return false;
	while (s->at[level] + 1 >= nodes(s->page[level]));
	if (!node_read(s, s->page[level], s->at[level] + 1, true, &nd))
		return false;
	if (s->next == NULL && (s->next = malloc(s->size)) == NULL)
		return false;
	while (++level < s->height)
		if (nd.n >= s->npages ||
		    page_look(s, nd.n, level, s->next) != NULL ||
		    nodes(s->next) == 0 || !node_read(s, s->next, 0,
		    level + 1 < s->height, &nd))
			return false;
	*key = nd.key;
	return true;
}

/* Where rows lie that are not in their place. */
struct astray {
	unsigned bad;			/* not in order: not told */
	unsigned hidden;		/* told, but a search passes them by */
	struct vfs_slice low;		/* the least key of the bad ones */
	struct vfs_slice behind;	/* where the next leaf begins */
	bool looked;			/* for that */
};

/* It is the branch that is wrong, if the next leaf begins behind this row. */
static bool
is_before_next(struct scan *s, struct vfs_slice key, struct astray *a)
{
	if (!a->looked && !first_behind(s, &a->behind))
		a->behind.n = 0;
	a->looked = true;
	return a->behind.n > 0 && in_order(s, key, a->behind);
}

static void
lose_rows(struct scan *s, uint64_t no, const struct astray *a,
    struct vfs_slice from, struct vfs_slice to)
{
	struct vfs_slice none = { NULL, 0 };
	unsigned n = nodes(s->page[s->height - 1]);
	char why[80];

	if (a->bad > 0) {
		snprintf(why, sizeof why, "has %u rows of %u that are not "
		    "in their place", a->bad, n);
		lose(s, no, a->low.n > 0 && compare(s, a->low, from) < 0 ?
		    a->low : from, to, why);
	}
	if (a->hidden > 0) {
		snprintf(why, sizeof why, "has %u rows of %u that its branch "
		    "does not lead to", a->hidden, n);
		lose(s, no, none, none, why);
	}
}

/* false: it cannot be told. */
static bool
place(struct scan *s, const uint8_t *p, unsigned i, struct vfs_slice from,
    struct vfs_slice to, struct node *nd, struct astray *a)
{
	if (!node_read(s, p, i, false, nd)) {
		a->bad++;
		return false;
	}
	if (in_order(s, nd->key, to)) {
		a->hidden += from.n > 0 && compare(s, nd->key, from) < 0;
	} else if (is_before_next(s, nd->key, a)) {
		a->hidden++;
	} else {
		if (a->low.n == 0 || compare(s, nd->key, a->low) < 0)
			a->low = nd->key;
		a->bad++;
		return false;
	}
	return true;
}

static int
leaf(struct scan *s, uint64_t no, unsigned level, struct vfs_slice from,
    struct vfs_slice to)
{
	const uint8_t *p = s->page[level];
	struct astray a = { .bad = 0 };
	unsigned i, n = nodes(p);
	struct vfs_slice next;
	struct node nd, after;
	int err = 0;

	for (i = 0; err >= 0 && i < n; i++) {
		if (!place(s, p, i, from, to, &nd, &a))
			continue;
		next = i + 1 < n && node_read(s, p, i + 1, false, &after) ?
		    after.key : a.behind.n > 0 ? a.behind : to;
		err = row(s, no, &nd, next);
	}
	lose_rows(s, no, &a, from, to);
	return err < 0 ? err : 0;
}

/* --- trees --------------------------------------------------------- */

static bool
fits(const struct scan *s, const uint8_t *p, unsigned i, struct vfs_slice from,
    struct vfs_slice to, struct node *nd)
{
	return i < nodes(p) && node_read(s, p, i, true, nd) &&
	    nd->key.n > 0 && in_order(s, nd->key, to) &&
	    (from.n == 0 || compare(s, from, nd->key) < 0);
}

/*
 * Where the next child's keys begin, or, which is told, the end of all if
 * this cannot be: its rows are found without it, but by nobody else.  Of two
 * in the wrong order the first is blamed, or all to come would be.
 */
static struct vfs_slice
bound(struct scan *s, uint64_t no, const uint8_t *p, unsigned i,
    struct vfs_slice from, struct vfs_slice to)
{
	struct vfs_slice none = { NULL, 0 };
	struct node nd, next;

	if (i >= nodes(p))
		return to;
	if (fits(s, p, i, from, to, &nd) &&
	    (!fits(s, p, i + 1, from, to, &next) ||
	    compare(s, nd.key, next.key) < 0))
		return nd.key;
	lose(s, no, none, none, "has a key that is not in its place");
	return to;
}

/* The pages below this one hold the keys from `from` to before `to`. */
static int
below(struct scan *s, uint64_t no, unsigned level, struct vfs_slice from,
    struct vfs_slice to)
{
	const uint8_t *p = s->page[level];
	const char *why = page_read(s, no, level);
	struct vfs_slice lo = from, hi;
	struct node nd;
	unsigned i, n;
	int err = 0;

	if (why != NULL)
		return lose(s, no, from, to, why), 0;
	if (level + 1 == s->height)
		return leaf(s, no, level, from, to);
	for (i = 0, n = nodes(p); err == 0 && i < n; i++) {
		s->at[level] = i;
		hi = bound(s, no, p, i + 1, lo, to);
		if (node_read(s, p, i, true, &nd))
			err = below(s, nd.n, level + 1, lo, hi);
		else
			lose(s, no, lo, hi, "has a bad way down");
		if (hi.p != to.p)
			lo = hi;
	}
	return err;
}

static int
tree(struct scan *s, const struct lmdb_tree *t)
{
	struct vfs_slice none = { NULL, 0 };
	unsigned i;
	int err;

	if (t->root == LMDB_NONE)
		return 0;
	s->height = t->depth;
	for (i = 0; i < t->depth; i++)
		if (s->page[i] == NULL &&
		    (s->page[i] = malloc(s->size)) == NULL)
			return -VFS_NOMEM;
	s->last_n = 0;
	s->rows = 0;
	err = below(s, t->root, 0, none, none);
	if (err == 0 && s->losses == 0 && s->rows != t->rows)
		lose(s, t->root, none, none, "and those below have not as "
		    "many rows as there should be");
	return err;
}

/* --- the whole ----------------------------------------------------- */

/* The roots as transaction id left them (0: as the newest that can be read
 * did), unless two more have come. */
static int
meta_read(struct scan *s, uint64_t id, struct lmdb_meta *out)
{
	struct lmdb_meta m;
	bool found = false;
	unsigned i;
	int err = -VFS_AGAIN, rc;

	for (i = 0; i < 2; i++) {
		if ((rc = lmdb_meta_read(s->fd, s->size, i, &m)) < 0) {
			err = rc;
		} else if (id == 0 ? !found || m.id > out->id : m.id == id) {
			*out = m;
			found = true;
		}
	}
	return found ? 0 : err;
}

static void
metas_lose(struct scan *s)
{
	struct vfs_slice none = { NULL, 0 };
	struct lmdb_meta m;
	unsigned i;

	for (i = 0; i < 2; i++)
		if (lmdb_meta_read(s->fd, s->size, i, &m) < 0)
			lose(s, i, none, none, "is no head of all others: "
			    "what was written last may be lost");
}

static int
snap_begin(struct lmdb_store *store, struct scan *s, struct lmdb_meta *out,
    void **snap)
{
	unsigned i;
	int err = -VFS_AGAIN;

	*snap = NULL;
	if (store->env == NULL)
		return s->fd = store->fd, meta_read(s, 0, out);
	if (mdb_env_get_fd(store->env, &s->fd) != 0)
		return -VFS_IO;
	for (i = 0; err == -VFS_AGAIN && i < META_TRIES; i++) {
		if ((err = lmdb_snap_begin(store, snap)) < 0)
			return err;
		err = meta_read(s, mdb_txn_id(((struct lmdb_snap *)*snap)->txn),
		    out);
		if (err < 0)
			lmdb_snap_end(*snap);
	}
	return err;
}

int
lmdb_scan(void *self, const struct store_scan *to)
{
	struct lmdb_store *store = self;
	struct scan s = { .to = to, .size = store->page };
	struct lmdb_meta meta;
	void *snap;
	unsigned i;
	int err;

	if ((err = snap_begin(store, &s, &meta, &snap)) < 0)
		return err;
	s.npages = meta.npages;
	metas_lose(&s);
	if ((s.seen = calloc(1, (size_t)(s.npages / 8 + 1))) == NULL)
		err = -VFS_NOMEM;
	if (err == 0)
		err = tree(&s, &meta.rows);
	s.is_free = true;
	if (err == 0)
		err = tree(&s, &meta.free);
	lmdb_snap_end(snap);
	for (i = 0; i < DEPTH_MAX; i++)
		free(s.page[i]);
	free(s.next);
	free(s.big);
	free(s.seen);
	return err;
}

/* --- made anew ----------------------------------------------------- */

struct fill {
	const struct store_scan *to;
	store_anew *anew;
	MDB_env *env;
	MDB_txn *txn;
	MDB_dbi dbi;
	unsigned n;			/* rows in it */
	int rc;
};

static void
fill_commit(struct fill *f)
{
	if (f->txn != NULL && f->rc == 0)
		f->rc = mdb_txn_commit(f->txn);
	else if (f->txn != NULL)
		mdb_txn_abort(f->txn);
	f->txn = NULL;
	f->n = 0;
}

static bool
fill_row(void *arg, struct vfs_slice key, struct vfs_slice val)
{
	struct fill *f = arg;
	MDB_val k = val_of(key), v;

	if (f->anew != NULL)
		val = f->anew(f->to->arg, key, val);
	if (val.p == NULL)
		return true;
	v = val_of(val);
	if (f->txn == NULL)
		f->rc = mdb_txn_begin(f->env, NULL, 0, &f->txn);
	if (f->rc == 0 && f->n == 0)
		f->rc = mdb_dbi_open(f->txn, NULL, 0, &f->dbi);
	if (f->rc == 0)
		f->rc = mdb_put(f->txn, f->dbi, &k, &v, MDB_APPEND);
	if (f->rc == 0 && ++f->n == STORE_BATCH_MAX)
		fill_commit(f);
	return f->rc == 0 && f->to->row(f->to->arg, key, val);
}

static void
fill_lost(void *arg, struct vfs_slice from, struct vfs_slice to,
    const char *why)
{
	struct fill *f = arg;

	f->to->lost(f->to->arg, from, to, why);
}

struct source {
	void *store;
	const struct store_scan *to;
	store_anew *anew;
};

static int
fill(MDB_env *env, void *arg)
{
	struct source *from = arg;
	struct fill f = { .to = from->to, .anew = from->anew, .env = env };
	struct store_scan to = { &f, fill_row, fill_lost };
	int err;

	/* All is synced at the end. */
	f.rc = mdb_env_set_flags(env, MDB_NOSYNC, 1);
	err = f.rc != 0 ? 0 : lmdb_scan(from->store, &to);
	fill_commit(&f);
	return f.rc != 0 ? lmdb_err(f.rc) : err;
}

int
lmdb_rebuild(int dirfd, const struct store_scan *to, store_anew *anew,
    const char **kept)
{
	struct source from = { .to = to, .anew = anew };
	int err;

	*kept = KEPT;
	err = be_store_lmdb.open(dirfd, false, true, &from.store);
	if (err < 0)
		return err;
	err = lmdb_make(dirfd, fill, &from, KEPT);
	be_store_lmdb.close(from.store);
	return err;
}
