#include <assert.h>
#include <stdlib.h>

#include "freemap.h"

struct range {
	uint64_t start, n;
	uint64_t longest;		/* of this subtree */
	uint32_t prio;
	struct range *l, *r;
};

struct freemap {
	struct range *root;
	uint64_t total, ranges;
	uint32_t rnd;
};

int
freemap_new(struct freemap **out)
{
	struct freemap *m = calloc(1, sizeof *m);

	if (m == NULL)
		return -VFS_NOMEM;
	m->rnd = 2463534242u;
	*out = m;
	return 0;
}

static void
drop_all(struct range *r)
{
	while (r != NULL) {
		struct range *right = r->r;

		drop_all(r->l);
		free(r);
		r = right;
	}
}

void
freemap_free(struct freemap *m)
{
	if (m == NULL)
		return;
	drop_all(m->root);
	free(m);
}

static void
update(struct range *r)
{
	r->longest = r->n;
	if (r->l != NULL && r->l->longest > r->longest)
		r->longest = r->l->longest;
	if (r->r != NULL && r->r->longest > r->longest)
		r->longest = r->r->longest;
}

/* Split into starts below at, and the others. */
static void
split(struct range *t, uint64_t at, struct range **l, struct range **r)
{
	if (t == NULL) {
		*l = *r = NULL;
	} else if (t->start < at) {
		split(t->r, at, &t->r, r);
		*l = t;
		update(t);
	} else {
		split(t->l, at, l, &t->l);
		*r = t;
		update(t);
	}
}

static struct range *
join(struct range *l, struct range *r)
{
	if (l == NULL || r == NULL)
		return l != NULL ? l : r;
	if (l->prio > r->prio) {
		l->r = join(l->r, r);
		update(l);
		return l;
	}
	r->l = join(l, r->l);
	update(r);
	return r;
}

/* The last range that starts at or before at. */
static struct range *
before(const struct freemap *m, uint64_t at)
{
	struct range *t = m->root, *best = NULL;

	while (t != NULL) {
		if (t->start <= at) {
			best = t;
			t = t->r;
		} else {
			t = t->l;
		}
	}
	return best;
}

/* The first range that starts at or after at. */
static struct range *
after(const struct freemap *m, uint64_t at)
{
	struct range *t = m->root, *best = NULL;

	while (t != NULL) {
		if (t->start >= at) {
			best = t;
			t = t->l;
		} else {
			t = t->r;
		}
	}
	return best;
}

static int
insert(struct freemap *m, uint64_t start, uint64_t n)
{
	struct range *r = calloc(1, sizeof *r), *a, *b;

	if (r == NULL)
		return -VFS_NOMEM;
	m->rnd ^= m->rnd << 13;
	m->rnd ^= m->rnd >> 17;
	m->rnd ^= m->rnd << 5;
	*r = (struct range){ .start = start, .n = n, .longest = n,
	    .prio = m->rnd };
	split(m->root, start, &a, &b);
	m->root = join(join(a, r), b);
	m->ranges++;
	return 0;
}

static void
delete(struct freemap *m, struct range *r)
{
	struct range *a, *b, *c;

	split(m->root, r->start, &a, &b);
	split(b, r->start + 1, &b, &c);
	assert(b == r);
	free(b);
	m->root = join(a, c);
	m->ranges--;
}

/* Give a range another extent; its place in the order stays. */
static void
resize(struct freemap *m, struct range *r, uint64_t start, uint64_t n)
{
	struct range *a, *b, *c;

	split(m->root, r->start, &a, &b);
	split(b, r->start + 1, &b, &c);
	assert(b == r);
	r->start = start;
	r->n = n;
	update(r);
	m->root = join(join(a, r), c);
}

int
freemap_add(struct freemap *m, uint64_t start, uint64_t n)
{
	struct range *p = before(m, start), *q = after(m, start);
	int err;

	if (n == 0)
		return 0;
	if ((p != NULL && p->start + p->n > start) ||
	    (q != NULL && start + n > q->start))
		return -VFS_CORRUPT;
	if (p != NULL && p->start + p->n != start)
		p = NULL;
	if (q != NULL && start + n != q->start)
		q = NULL;
	m->total += n;
	if (p != NULL && q != NULL) {
		n += q->n;
		delete(m, q);
		resize(m, p, p->start, p->n + n);
	} else if (p != NULL) {
		resize(m, p, p->start, p->n + n);
	} else if (q != NULL) {
		resize(m, q, start, q->n + n);
	} else if ((err = insert(m, start, n)) < 0) {
		m->total -= n;
		return err;
	}
	return 0;
}

int
freemap_del(struct freemap *m, uint64_t start, uint64_t n)
{
	struct range *p = before(m, start);
	uint64_t end, from;
	int err;

	if (n == 0)
		return 0;
	if (p == NULL || start - p->start > p->n ||
	    p->n - (start - p->start) < n)
		return -VFS_CORRUPT;
	from = p->start;
	end = p->start + p->n;
	if (from == start && end == start + n) {
		delete(m, p);
	} else if (from == start) {
		resize(m, p, start + n, end - start - n);
	} else {
		if (end > start + n &&
		    (err = insert(m, start + n, end - start - n)) < 0)
			return err;
		resize(m, p, from, start - from);
	}
	m->total -= n;
	return 0;
}

/* The first range at or after at with at least want, or NULL. */
static const struct range *
first_fit(const struct range *t, uint64_t at, uint64_t want)
{
	const struct range *r;

	if (t == NULL || t->longest < want)
		return NULL;
	if (t->start < at)
		return first_fit(t->r, at, want);
	if ((r = first_fit(t->l, at, want)) != NULL)
		return r;
	return t->n >= want ? t : first_fit(t->r, at, want);
}

static const struct range *
longest(const struct range *t)
{
	while (t->n != t->longest)
		t = t->l != NULL && t->l->longest == t->longest ? t->l : t->r;
	return t;
}

int
freemap_find(const struct freemap *m, uint64_t hint, uint64_t want,
    uint64_t *start, uint64_t *n)
{
	const struct range *r = before(m, hint);

	if (m->root == NULL)
		return -VFS_NOENT;
	if (r != NULL && hint - r->start < r->n) {
		*start = hint;
		*n = r->n - (hint - r->start);
	} else {
		r = first_fit(m->root, hint, want);
		if (r == NULL)
			r = first_fit(m->root, 0, want);
		if (r == NULL)
			r = longest(m->root);
		*start = r->start;
		*n = r->n;
	}
	if (*n > want)
		*n = want;
	return 0;
}

int
freemap_next(const struct freemap *m, uint64_t at, uint64_t *start,
    uint64_t *n)
{
	const struct range *r = before(m, at);

	if (r == NULL || at - r->start >= r->n)
		r = after(m, at);
	if (r == NULL)
		return -VFS_NOENT;
	*start = r->start;
	*n = r->n;
	return 0;
}

uint64_t
freemap_total(const struct freemap *m)
{
	return m->total;
}

uint64_t
freemap_ranges(const struct freemap *m)
{
	return m->ranges;
}
