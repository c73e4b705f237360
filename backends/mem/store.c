/*
 * mem/store.c - rows in memory: the reference for store.h
 *
 * A version is a sorted array of pointers to rows that never change; an
 * apply merges its batch with the newest version into the next one.  A
 * snapshot keeps a version.  Rows that the next version has replaced
 * die with the version when no older one is left.
 *
 * What a snapshot lends is its own copy, overwritten and freed when the
 * snapshot ends, so that whoever keeps a lent pointer too long is caught
 * by the garbage, or by ASan, and not only once LMDB reuses the page.
 */
#include <assert.h>
#include <pthread.h>
#include <stdlib.h>
#include <string.h>

#include "../../protocol/limits.h"
#include "mem.h"

#define SPOIL 0xdd

struct row {
	uint32_t nkey, nval;
	unsigned char bytes[];		/* key, value */
};

struct version {
	struct version *newer;
	unsigned snaps;
	size_t n, ndead;
	struct row **rows;		/* by key */
	struct row **dead;		/* replaced in newer */
};

/* The contents.  The lock guards the list of versions and their snaps. */
struct rows {
	pthread_mutex_t lock;
	struct version *oldest, *newest;
	unsigned snaps;
};

struct mem_store {
	struct rows *r;
	bool rdonly;
};

/* Lent memory, one per row, made on first use. */
struct lent {
	struct lent *next;
	struct row row;			/* last: its bytes follow */
};

struct mem_snap {
	struct rows *r;
	struct version *v;
	struct lent *all;
	struct row **copies;		/* by place in v->rows, or NULL */
};

struct mem_cur {
	struct mem_snap *snap;
	size_t at;			/* v->n: at the end, or not placed */
};

/* --- rows and versions --------------------------------------------- */

static struct vfs_slice
row_key(const struct row *r)
{
	return (struct vfs_slice){ r->bytes, r->nkey };
}

static struct row *
row_new(const struct store_row *s)
{
	struct row *r = malloc(sizeof *r + s->key.n + s->val.n);

	if (!r)
		return NULL;
	r->nkey = (uint32_t)s->key.n;
	r->nval = (uint32_t)s->val.n;
	memcpy(r->bytes, s->key.p, s->key.n);
	memcpy(r->bytes + s->key.n, s->val.p, s->val.n);
	return r;
}

/* The first place whose key is >= key. */
static size_t
find(const struct version *v, struct vfs_slice key)
{
	size_t lo = 0, hi = v->n, mid;

	while (lo < hi) {
		mid = lo + (hi - lo) / 2;
		if (store_key_cmp(row_key(v->rows[mid]), key) < 0)
			lo = mid + 1;
		else
			hi = mid;
	}
	return lo;
}

static struct version *
version_new(size_t nmax)
{
	struct version *v = calloc(1, sizeof *v);

	if (v && !(v->rows = malloc((nmax + 1) * sizeof *v->rows))) {
		free(v);
		return NULL;
	}
	return v;
}

/* Frees v and the rows that only it and older ones had. */
static void
version_free(struct version *v)
{
	size_t i;

	if (!v)
		return;
	for (i = 0; i < v->ndead; i++)
		free(v->dead[i]);
	free(v->dead);
	free(v->rows);
	free(v);
}

/* The caller holds the lock. */
static void
drop_unused(struct rows *r)
{
	struct version *v;

	while (r->oldest != r->newest && r->oldest->snaps == 0) {
		v = r->oldest;
		r->oldest = v->newer;
		version_free(v);
	}
}

static void
rows_free(void *p)
{
	struct rows *r = p;
	size_t i;

	drop_unused(r);
	assert(r->oldest == r->newest);
	for (i = 0; i < r->newest->n; i++)
		free(r->newest->rows[i]);
	version_free(r->newest);
	pthread_mutex_destroy(&r->lock);
	free(r);
}

static int
rows_new(int dirfd, struct rows **out)
{
	struct rows *r = calloc(1, sizeof *r);

	if (!r)
		return -VFS_NOMEM;
	if (!(r->oldest = r->newest = version_new(0))) {
		free(r);
		return -VFS_NOMEM;
	}
	pthread_mutex_init(&r->lock, NULL);
	if (mem_add(dirfd, MEM_STORE, r, rows_free) < 0) {
		rows_free(r);
		return -VFS_NOMEM;
	}
	*out = r;
	return 0;
}

static void
mem_close(void *self)
{
	struct mem_store *s = self;

	if (!s)
		return;
	assert(s->r->snaps == 0);
	free(s);
}

static int
mem_open(int dirfd, bool create, bool rdonly, void **self)
{
	struct rows *r = NULL;
	struct mem_store *s;
	void *p;
	int err;

	assert(!(create && rdonly));
	err = mem_find(dirfd, MEM_STORE, &p);
	if (err == 0)
		r = p;
	else if (create)
		err = rows_new(dirfd, &r);
	if (err < 0)
		return err;
	if (!(s = calloc(1, sizeof *s)))
		return -VFS_NOMEM;
	s->r = r;
	s->rdonly = rdonly;
	*self = s;
	return 0;
}

/* --- writing ------------------------------------------------------- */

static bool
valid(const struct store_batch *b)
{
	size_t i;

	for (i = 0; i < b->nrows; i++) {
		if (b->rows[i].key.n < 1 || b->rows[i].key.n > VFS_KEY_MAX)
			return false;
		if (i > 0)
			assert(store_key_cmp(b->rows[i - 1].key,
			    b->rows[i].key) < 0);
	}
	return true;
}

/* New rows for what b puts, NULL for what it deletes. */
static struct row **
rows_of(const struct store_batch *b)
{
	struct row **fresh = calloc(b->nrows + 1, sizeof *fresh);
	size_t i;

	for (i = 0; fresh && i < b->nrows; i++) {
		if (!b->rows[i].val.p || (fresh[i] = row_new(&b->rows[i])))
			continue;
		while (i > 0)
			free(fresh[--i]);
		free(fresh);
		return NULL;
	}
	return fresh;
}

/* v and the batch, in order, into next; replaced rows into v->dead. */
static void
merge(struct version *v, const struct store_batch *b, struct row **fresh,
    struct version *next)
{
	size_t i = 0, j;
	int c;

	for (j = 0; j < b->nrows; j++) {
		c = -1;
		while (i < v->n && (c = store_key_cmp(row_key(v->rows[i]),
		    b->rows[j].key)) < 0)
			next->rows[next->n++] = v->rows[i++];
		if (i < v->n && c == 0)
			v->dead[v->ndead++] = v->rows[i++];
		if (fresh[j])
			next->rows[next->n++] = fresh[j];
	}
	while (i < v->n)
		next->rows[next->n++] = v->rows[i++];
}

static int
mem_apply(void *self, const struct store_batch *b)
{
	struct mem_store *s = self;
	struct version *v = s->r->newest, *next;
	struct row **fresh;

	if (b->nrows > STORE_BATCH_MAX)
		return -VFS_INVAL;
	if (s->rdonly)
		return -VFS_ROFS;
	if (!valid(b))
		return -VFS_INVAL;
	next = version_new(v->n + b->nrows);
	v->dead = malloc((b->nrows + 1) * sizeof *v->dead);
	fresh = rows_of(b);
	if (!next || !v->dead || !fresh) {
		version_free(next);
		free(v->dead);
		v->dead = NULL;
		if (fresh)
			for (size_t i = 0; i < b->nrows; i++)
				free(fresh[i]);
		free(fresh);
		return -VFS_NOMEM;
	}
	merge(v, b, fresh, next);
	free(fresh);
	pthread_mutex_lock(&s->r->lock);
	v->newer = next;
	s->r->newest = next;
	drop_unused(s->r);
	pthread_mutex_unlock(&s->r->lock);
	return 0;
}

static int
mem_reserve(void *self, uint64_t bytes)
{
	struct mem_store *s = self;

	(void)bytes;
	return s->rdonly ? -VFS_ROFS : 0;
}

static int
mem_usage(void *self, struct store_usage *out)
{
	struct rows *r = ((struct mem_store *)self)->r;
	const struct version *v;
	uint64_t bytes = 0;
	size_t i;

	pthread_mutex_lock(&r->lock);
	v = r->newest;
	for (i = 0; i < v->n; i++)
		bytes += v->rows[i]->nkey + v->rows[i]->nval;
	out->bytes_file = out->bytes_used = bytes;
	out->rows = v->n;
	pthread_mutex_unlock(&r->lock);
	return 0;
}

/* --- reading ------------------------------------------------------- */

static int
mem_snap_begin(void *self, void **snap)
{
	struct rows *r = ((struct mem_store *)self)->r;
	struct mem_snap *p = calloc(1, sizeof *p);
	int err = 0;

	if (!p)
		return -VFS_NOMEM;
	p->r = r;
	pthread_mutex_lock(&r->lock);
	if (r->snaps == STORE_SNAPS_MAX)
		err = -VFS_BUSY;
	else if (!(p->copies = calloc(r->newest->n + 1, sizeof *p->copies)))
		err = -VFS_NOMEM;
	if (err == 0) {
		p->v = r->newest;
		p->v->snaps++;
		r->snaps++;
	}
	pthread_mutex_unlock(&r->lock);
	if (err < 0) {
		free(p);
		return err;
	}
	*snap = p;
	return 0;
}

static void
spoil(struct lent *l)
{
	size_t n = (size_t)l->row.nkey + l->row.nval;
	volatile unsigned char *p = l->row.bytes;

	while (n-- > 0)
		*p++ = SPOIL;
	free(l);
}

static void
mem_snap_end(void *snap)
{
	struct mem_snap *p = snap;
	struct lent *l;

	if (!p)
		return;
	while ((l = p->all) != NULL) {
		p->all = l->next;
		spoil(l);
	}
	pthread_mutex_lock(&p->r->lock);
	p->v->snaps--;
	p->r->snaps--;
	drop_unused(p->r);
	pthread_mutex_unlock(&p->r->lock);
	free(p->copies);
	free(p);
}

static struct row *
lend(struct mem_snap *p, size_t at)
{
	const struct row *r = p->v->rows[at];
	struct lent *l;

	if (p->copies[at])
		return p->copies[at];
	if (!(l = malloc(sizeof *l + r->nkey + r->nval)))
		return NULL;
	memcpy(&l->row, r, sizeof *r + r->nkey + r->nval);
	l->next = p->all;
	p->all = l;
	return p->copies[at] = &l->row;
}

static int
mem_get(void *snap, struct vfs_slice key, struct vfs_slice *val)
{
	struct mem_snap *p = snap;
	size_t at = find(p->v, key);
	struct row *r;

	if (at == p->v->n || store_key_cmp(row_key(p->v->rows[at]), key) != 0)
		return -VFS_NOENT;
	if (!(r = lend(p, at)))
		return -VFS_NOMEM;
	*val = (struct vfs_slice){ r->bytes + r->nkey, r->nval };
	return 0;
}

static int
mem_cur_open(void *snap, void **cur)
{
	struct mem_cur *c = malloc(sizeof *c);

	if (!c)
		return -VFS_NOMEM;
	c->snap = snap;
	c->at = c->snap->v->n;
	*cur = c;
	return 0;
}

static int
cur_lend(struct mem_cur *c, struct vfs_slice *key, struct vfs_slice *val)
{
	struct row *r;

	if (c->at == c->snap->v->n)
		return -VFS_NOENT;
	if (!(r = lend(c->snap, c->at)))
		return -VFS_NOMEM;
	*key = row_key(r);
	*val = (struct vfs_slice){ r->bytes + r->nkey, r->nval };
	return 0;
}

static int
mem_cur_seek(void *cur, struct vfs_slice at,
    struct vfs_slice *key, struct vfs_slice *val)
{
	struct mem_cur *c = cur;

	c->at = at.n > 0 ? find(c->snap->v, at) : 0;
	return cur_lend(c, key, val);
}

static int
mem_cur_next(void *cur, struct vfs_slice *key, struct vfs_slice *val)
{
	struct mem_cur *c = cur;

	if (c->at < c->snap->v->n)
		c->at++;
	return cur_lend(c, key, val);
}

static void
mem_cur_close(void *cur)
{
	free(cur);
}

/* Nothing here can be damaged but rows. */
static int
mem_scan(void *self, const struct store_scan *to)
{
	struct vfs_slice none = { NULL, 0 }, key, val;
	void *snap, *cur;
	int err;

	if ((err = mem_snap_begin(self, &snap)) < 0)
		return err;
	if ((err = mem_cur_open(snap, &cur)) == 0) {
		err = mem_cur_seek(cur, none, &key, &val);
		while (err == 0 && to->row(to->arg, key, val))
			err = mem_cur_next(cur, &key, &val);
		mem_cur_close(cur);
	}
	mem_snap_end(snap);
	return err == 0 ? -VFS_CANCELLED : err == -VFS_NOENT ? 0 : err;
}

const struct store_ops be_store_mem = {
	.name = "mem",
	.open = mem_open,
	.close = mem_close,
	.apply = mem_apply,
	.reserve = mem_reserve,
	.snap_begin = mem_snap_begin,
	.snap_end = mem_snap_end,
	.get = mem_get,
	.cur_open = mem_cur_open,
	.cur_seek = mem_cur_seek,
	.cur_next = mem_cur_next,
	.cur_close = mem_cur_close,
	.scan = mem_scan,
	.usage = mem_usage,
};
