#include <stdlib.h>
#include <string.h>

#include "content.h"
#include "plan.h"

int
plan_new(const struct node *n, struct plan **out)
{
	struct plan *p = calloc(1, sizeof *p);

	if (p == NULL)
		return -VFS_NOMEM;
	p->id = n->id;
	p->ctime = n->in.ctime;
	*out = p;
	return 0;
}

void
plan_drop(struct engine *e, struct plan *p, bool committed)
{
	size_t i;

	if (p == NULL)
		return;
	/* A commit whose sync has failed is seen all the same. */
	committed |= !engine_writable(e);
	for (i = 0; i < p->nruns; i++)
		if (!p->runs[i].own && (!committed || !p->runs[i].taken))
			data_unalloc(e, p->runs[i].place, p->runs[i].n);
	free(p->runs);
	free(p->sums);
	free(p->bytes);
	free(p->carries);
	free(p);
}

int
plan_again(struct txn *t, struct plan *p, struct vfs_id src)
{
	struct node n;
	size_t i;
	int err;

	if ((err = node_get(t, p->id, &n)) < 0)
		return err;
	p->ctime = n.in.ctime;
	p->bare = p->bare_end = 0;	/* room may have been set aside since */
	for (i = 0; i < p->nruns; i++)
		p->runs[i].taken = false;
	if (src.n == 0)
		return 0;
	if ((err = node_get(t, src, &n)) < 0)
		return err;
	p->src_ctime = n.in.ctime;
	return 0;
}

int
plan_fits(const struct plan *p, const struct node *n)
{
	return p->id.n == n->id.n && p->ctime.sec == n->in.ctime.sec &&
	    p->ctime.nsec == n->in.ctime.nsec ? 0 : -VFS_AGAIN;
}

static int
room(struct plan *p, size_t sums)
{
	size_t cap;
	void *m;

	if (p->nruns == p->runs_cap) {
		cap = p->runs_cap ? 2 * p->runs_cap : 4;
		m = realloc(p->runs, cap * sizeof *p->runs);
		if (m == NULL)
			return -VFS_NOMEM;
		p->runs = m;
		p->runs_cap = cap;
	}
	if (p->sums_cap - p->nsums < sums) {
		cap = 2 * p->sums_cap + sums;
		m = realloc(p->sums, cap * sizeof *p->sums);
		if (m == NULL)
			return -VFS_NOMEM;
		p->sums = m;
		p->sums_cap = cap;
	}
	return 0;
}

/* Blocks for a run: at most n, and not more than a row can hold. */
static int
add_run(struct txn *rt, struct plan *p, uint64_t first, uint64_t n,
    uint64_t hint, bool write, struct plan_run **out)
{
	struct plan_run *r;
	uint32_t want = n < VFS_EXTENT_BLOCKS_MAX ? (uint32_t)n :
	    VFS_EXTENT_BLOCKS_MAX;
	int err;

	if ((err = room(p, write ? want : 0)) < 0)
		return err;
	r = &p->runs[p->nruns];
	*r = (struct plan_run){ .first = first, .sum_at = p->nsums,
	    .flags = write ? 0 : EXTENT_UNWRITTEN };
	if ((err = data_alloc(txn_engine(rt), want, hint, &r->place,
	    &r->n)) < 0)
		return err;
	p->nruns++;
	if (write)
		p->nsums += r->n;
	*out = r;
	return 0;
}

static int
put_run(struct txn *rt, struct plan *p, struct plan_run *r, plan_src *src,
    const void *arg, uint32_t from)
{
	const uint8_t *b, *next;
	uint32_t i, n;
	int err;

	for (i = 0; i < r->n; i += n) {
		b = next = src(arg, from + i);
		for (n = 0; i + n < r->n && src(arg, from + i + n) == next;
		    n++, next += VFS_BLOCK)
			p->sums[r->sum_at + i + n] = htole64(sum_block(next));
		if ((err = data_put(txn_engine(rt), r->place + i, b,
		    (size_t)n * VFS_BLOCK, &r->gen)) < 0)
			return err;
	}
	return 0;
}

int
plan_write(struct txn *rt, struct plan *p, uint64_t first, uint32_t n,
    uint64_t hint, plan_src *src, const void *arg)
{
	struct plan_run *r;
	uint32_t done;
	int err;

	for (done = 0; done < n; done += r->n) {
		if ((err = add_run(rt, p, first + done, n - done, hint, true,
		    &r)) < 0 ||
		    (err = put_run(rt, p, r, src, arg, done)) < 0)
			return err;
		hint = (r->place + r->n) | (hint & DATA_GROWS);
	}
	return 0;
}

int
plan_fill(struct txn *rt, struct plan *p, uint64_t first, uint32_t n,
    uint64_t place, plan_src *src, const void *arg)
{
	struct plan_run *r;
	int err;

	if ((err = room(p, n)) < 0)
		return err;
	r = &p->runs[p->nruns++];
	*r = (struct plan_run){ .first = first, .n = n, .place = place,
	    .sum_at = p->nsums, .own = true };
	p->nsums += n;
	p->fills = true;
	return put_run(rt, p, r, src, arg, 0);
}

static const uint8_t *
src_block(const void *arg, uint32_t i)
{
	return (const uint8_t *)arg + (size_t)i * VFS_BLOCK;
}

int
plan_write_block(struct txn *rt, struct plan *p, uint64_t block,
    uint64_t hint, const uint8_t *bytes)
{
	return plan_write(rt, p, block, 1, hint, src_block, bytes);
}

int
plan_reserve(struct txn *rt, struct plan *p, uint64_t first, uint64_t n,
    uint64_t hint)
{
	struct plan_run *r;
	uint64_t done;
	int err;

	for (done = 0; done < n; done += r->n) {
		if ((err = add_run(rt, p, first + done, n - done, hint, false,
		    &r)) < 0)
			return err;
		hint = r->place + r->n;
	}
	return 0;
}

/* What lies under a run goes; *mapped: how many of its blocks all see. */
static int
make_way(struct txn *t, const struct plan *p, enum row_kind kind,
    const struct node *n, const struct ext *x, uint64_t *mapped)
{
	uint64_t gone;
	int err;

	*mapped = 0;
	if (x->first >= p->bare && ext_last(x) < p->bare_end)
		return 0;
	if ((err = ext_count(t, n, x->first, ext_last(x), mapped)) < 0)
		return err;
	return ext_clear(t, kind, n, x->first, ext_last(x), 0, &gone);
}

int
plan_apply(struct txn *t, struct plan *p, enum row_kind kind,
    struct node *n)
{
	bool empty = n->in.blocks == 0;
	uint64_t mapped = 0;
	struct plan_run *r;
	struct ext x;
	size_t i;
	int err;

	for (i = 0; i < p->nruns; i++) {
		r = &p->runs[i];
		x = (struct ext){
			.first = r->first, .n = r->n, .place = r->place,
			.gen = r->gen, .flags = r->flags,
			.sums = r->flags & EXTENT_UNWRITTEN ? NULL :
			    (const uint8_t *)(p->sums + r->sum_at),
		};
		if (r->own) {
			if ((err = ext_fill(t, n, &x)) < 0)
				return err;
			continue;
		}
		if (!empty && (err = make_way(t, p, kind, n, &x,
		    &mapped)) < 0)
			return err;
		if ((err = ext_put(t, kind, n, &x)) < 0)
			return err;
		n->in.blocks += x.n - mapped;
		r->taken = true;
	}
	return 0;
}

/* Has the file had to go on somewhere else before?  The first row, and one
 * behind a full one, begin at a multiple. */
static bool
is_broken(const struct ext_walk *w, const struct ext *x)
{
	const struct ext *row = x->draft ? &w->up.x : &w->low.x;

	return row->first % VFS_EXTENT_BLOCKS_MAX != 0;
}

/* Nothing of first..last is mapped, as far as a walk goes that stands on x
 * and began one block before. */
static int
is_bare(struct ext_walk *w, struct ext *x, uint64_t first, uint64_t last,
    bool *bare)
{
	int err = 0;

	if (ext_last(x) < first)
		err = ext_walk_next(w, x);
	*bare = err == -VFS_NOENT || (err == 0 && x->first > last);
	return err == -VFS_NOENT ? 0 : err;
}

/* After the block before it; else over its own old place, so that small
 * appends stay near each other. */
static int
look(struct txn *rt, const struct node *n, uint64_t first, uint64_t last,
    uint64_t *hint, bool *bare)
{
	bool broken;
	struct ext_walk w;
	struct ext x;
	int err;

	*hint = 0;
	*bare = false;
	if (n->in.blocks == 0 || (n->in.flags & INODE_INLINE))
		return 0;
	if ((err = ext_walk_begin(&w, rt, n, first > 0 ? first - 1 : 0,
	    last)) < 0)
		return err;
	if ((err = ext_walk_next(&w, &x)) == 0) {
		broken = is_broken(&w, &x);
		if (first > 0 && x.first == first - 1)
			*hint = (x.place + 1) | (broken ? DATA_GROWS : 0);
		else if (x.first <= first)
			*hint = x.place + (first - x.first);
		err = is_bare(&w, &x, first, last, bare);
	} else if (err == -VFS_NOENT) {
		*bare = true;
		err = 0;
	}
	ext_walk_end(&w);
	return err;
}

int
plan_hint(struct txn *rt, const struct node *n, uint64_t first,
    uint64_t *hint)
{
	bool bare;

	return look(rt, n, first, first, hint, &bare);
}

int
plan_look(struct txn *rt, struct plan *p, const struct node *n,
    uint64_t first, uint64_t last, uint64_t *hint)
{
	bool bare;
	int err = look(rt, n, first, last, hint, &bare);

	if (err == 0 && bare) {
		p->bare = first;
		p->bare_end = last + 1;
	}
	return err;
}
