/*
 * Who owns which block: extents against each other, against the share
 * rows, and against what the engine believes to be free.
 */
#include <inttypes.h>
#include <stdlib.h>
#include <string.h>

#include "check_in.h"
#include "extent.h"

#define PLACE_MAX	(UINT64_MAX / VFS_BLOCK)
#define POISON_BLOCKS	32u		/* of one row: fits a fix */
#define UNSURE_MAX	(1u << 20)	/* blocks of a file's holes, some of
					 * which may always have been ones */

/* --- rows ----------------------------------------------------------- */

static int
run_add(struct check *c, const struct run *r)
{
	int err = check_grow((void **)&c->runs, &c->runs_cap, c->nruns,
	    sizeof *r);

	if (err == 0)
		c->runs[c->nruns++] = *r;
	return err;
}

/* Within the file: no block twice, and where a file has blocks. */
static void
check_in_file(struct check *c, const struct row_parts *p,
    const struct rec_extent *x, struct obj *o)
{
	uint64_t first = p->b + 1 - x->nblocks;

	if (p->a == c->last_id && c->last_end > first)
		check_found(c, p->kind, p->a, false, "extents overlap at "
		    "block %" PRIu64 " of the file", first);
	c->last_id = p->a;
	c->last_end = p->b + 1;
	if (o->seen & OBJ_DAMAGED)
		return;
	if (VFS_MODE_TYPE(o->mode) != VFS_REG)
		check_found(c, p->kind, p->a, false,
		    "extent of what is no file");
	else if (p->kind == ROW_EXTENT && (o->flags & INODE_INLINE))
		check_found(c, p->kind, p->a, false,
		    "extent of a file whose bytes are inline");
}

/* n blocks of the file from first on, in fresh space; their sums fit
 * nothing, so they cannot be read. */
static bool
put_poison(struct check *c, uint64_t id, uint64_t first, uint64_t place,
    uint32_t n)
{
	uint8_t sums[8 * POISON_BLOCKS];
	struct rec_extent x = { .nblocks = n, .place = place,
		.sums = { sums, 8 * (size_t)n } };
	struct row_key k;
	struct fix *f;

	memset(sums, 0xde, sizeof sums);
	row_key_id2(&k, ROW_EXTENT, id, first + n - 1);
	if ((f = check_fix_add(c, FIX_PUT, &k)) == NULL)
		return false;
	f->val_n = (uint16_t)rec_extent_encode(&x, f->val);
	c->sum.unreadable += n;		/* as check_bytes will count */
	(void)run_add(c, &(struct run){ .place = place, .id = id,
	    .last = first + n - 1, .n = n, .kind = ROW_EXTENT });
	return true;
}

/* The blocks first..last, where no row is.  false: not all of them. */
static bool
poison(struct check *c, uint64_t id, uint64_t first, uint64_t last)
{
	uint64_t place;
	uint32_t n;

	for (; first <= last; first += n) {
		n = last + 1 - first < POISON_BLOCKS ?
		    (uint32_t)(last + 1 - first) : POISON_BLOCKS;
		if (data_alloc(txn_engine(c->t), n, 0, &place, &n) < 0)
			return false;
		if (!put_poison(c, id, first, place, n)) {
			data_unalloc(txn_engine(c->t), place, n);
			return false;
		}
	}
	return true;
}

/* From the extent before up to last: more it cannot have been. */
void
check_poison(struct check *c, uint64_t id, uint64_t last)
{
	uint64_t first = 0;

	if (!c->conf.repair)
		return;
	if (last >= VFS_EXTENT_BLOCKS_MAX)
		first = last + 1 - VFS_EXTENT_BLOCKS_MAX;
	if (c->last_id == id && c->last_end > first)
		first = c->last_end;
	c->last_id = id;
	c->last_end = last + 1;
	(void)poison(c, id, first, last);
}

/* The holes of n before block end: how many blocks, and poisoned if fill.
 * false if that did not come to its end. */
static bool
holes(struct check *c, const struct node *n, uint64_t end, bool fill,
    uint64_t *count)
{
	uint64_t at = 0, to;
	struct ext_walk w;
	struct ext x;
	int err;

	*count = 0;
	if (end == 0)
		return true;
	if (ext_walk_begin(&w, c->t, n, 0, end - 1) < 0)
		return false;
	do {
		err = ext_walk_next(&w, &x);
		to = err == 0 && x.first < end ? x.first : end;
		if (to > at && fill && !poison(c, n->id.n, at, to - 1))
			err = -VFS_NOSPC;
		*count += to > at ? to - at : 0;
		at = err == 0 ? ext_last(&x) + 1 : end;
	} while (err == 0 && at < end);
	ext_walk_end(&w);
	return err == 0 || err == -VFS_NOENT;
}

bool
check_lost_blocks(struct check *c, struct obj *o)
{
	uint64_t end = (o->size + VFS_BLOCK - 1) / VFS_BLOCK, n;
	struct node nd;

	if (VFS_MODE_TYPE(o->mode) != VFS_REG || (o->flags & INODE_INLINE))
		return true;
	if (!c->conf.repair || node_get_published(c->t,
	    (struct vfs_id){ o->id }, &nd) < 0 ||
	    !holes(c, &nd, end, false, &n))
		return false;
	if (n > o->blocks - o->got_blocks && n > UNSURE_MAX)
		return false;
	if (!holes(c, &nd, end, true, &n))
		return false;
	o->got_blocks += n;
	return true;
}

/* Bytes behind the end would come to light when the file grows. */
static void
check_end(struct check *c, const struct row_parts *p,
    const struct rec_extent *x, const struct obj *o)
{
	if (!(o->seen & OBJ_DAMAGED) && !(x->flags & EXTENT_UNWRITTEN) &&
	    p->b >= (o->size + VFS_BLOCK - 1) / VFS_BLOCK)
		check_found(c, p->kind, p->a, false, "extent up to block %"
		    PRIu64 " of a file of %" PRIu64 " bytes", p->b, o->size);
}

int
check_extent(struct check *c, const struct row_parts *p, struct vfs_slice val)
{
	struct obj *o = check_obj(c, p->a);
	struct rec_extent x;
	struct row_key k;

	if (p->kind == ROW_DEXTENT)
		row_key_dextent(&k, (struct vfs_id){ p->a }, p->c, p->b);
	else
		row_key_id2(&k, p->kind, p->a, p->b);
	if (rec_extent_decode(val, &x) < 0 || x.nblocks > p->b + 1 ||
	    x.place > PLACE_MAX) {
		check_found(c, p->kind, p->a, o->nlink == 0,
		    "extent up to block %" PRIu64 " does not decode", p->b);
		if (o->nlink == 0 && !(o->seen & OBJ_DAMAGED))
			check_fix_del(c, &k);
		else if (p->kind == ROW_EXTENT)
			check_poison(c, p->a, p->b);
		return 0;
	}
	if (c->last_id == p->a && p->kind == ROW_DEXTENT && c->nruns > 0 &&
	    c->runs[c->nruns - 1].kind != ROW_DEXTENT)
		c->last_id = 0;
	check_in_file(c, p, &x, o);
	if (p->kind == ROW_EXTENT && x.gen != 0)
		check_found(c, p->kind, p->a, false,
		    "extent with a generation, as drafts have");
	if (x.place == 0) {
		if (p->kind == ROW_EXTENT)
			check_found(c, p->kind, p->a, false,
			    "extent without a place");
		return 0;
	}
	if (p->kind == ROW_EXTENT) {
		o->got_blocks += x.nblocks;
		check_end(c, p, &x, o);
	}
	if (!(x.flags & EXTENT_UNWRITTEN))
		c->written += x.nblocks;
	return run_add(c, &(struct run){ .place = x.place, .id = p->a,
	    .last = p->b, .n = x.nblocks, .kind = (uint8_t)p->kind,
	    .shared = (x.flags & EXTENT_SHARED) != 0 });
}

int
check_share(struct check *c, const struct row_parts *p, struct vfs_slice val)
{
	struct rec_share s;
	struct row_key k;
	int err;

	row_key_id(&k, ROW_SHARE, p->a);
	if (rec_share_decode(val, &s) < 0 || s.nblocks > p->a ||
	    p->a > PLACE_MAX) {
		check_found(c, ROW_SHARE, p->a, true,
		    "share does not decode");
		check_fix_del(c, &k);
		return 0;
	}
	err = check_grow((void **)&c->shares, &c->shares_cap, c->nshares,
	    sizeof *c->shares);
	if (err < 0)
		return err;
	c->shares[c->nshares++] = (struct run){ .place = p->a + 1 - s.nblocks,
		.n = s.nblocks, .refs = s.refs, .last = p->a };
	if (c->nshares > 1 && c->shares[c->nshares - 2].last >=
	    p->a + 1 - s.nblocks)
		check_found(c, ROW_SHARE, p->a, false, "shares overlap");
	return 0;
}

/* --- all of them, by place ------------------------------------------ */

static int
by_place(const void *a, const void *b)
{
	const struct run *x = a, *y = b;

	return x->place < y->place ? -1 : x->place > y->place;
}

static int
by_number(const void *a, const void *b)
{
	const uint64_t *x = a, *y = b;

	return *x < *y ? -1 : *x > *y;
}

/* A walk over the space, from one change of owners to the next. */
struct walk {
	struct check *c;
	const uint64_t *ends;		/* of the runs, ascending */
	size_t begun, ended, share;
	uint64_t at, next;
};

/* The first run at or before begun that covers at, from *i down. */
static struct run *
covering(struct walk *w, size_t *i)
{
	struct run *r;

	while (*i > 0) {
		r = &w->c->runs[--*i];
		if (r->place + VFS_EXTENT_BLOCKS_MAX <= w->at)
			break;
		if (r->place <= w->at && w->at < r->place + r->n)
			return r;
	}
	return NULL;
}

static uint64_t
least(uint64_t a, uint64_t b)
{
	return a < b ? a : b;
}

static const struct run *
share_at(const struct walk *w)
{
	const struct run *s;

	if (w->share == w->c->nshares)
		return NULL;
	s = &w->c->shares[w->share];
	return s->place <= w->at ? s : NULL;
}

/* Where the next owner comes or goes. */
static uint64_t
next_change(const struct walk *w)
{
	struct check *c = w->c;
	uint64_t n = UINT64_MAX;

	if (w->begun < c->nruns)
		n = least(n, c->runs[w->begun].place);
	if (w->ended < c->nruns)
		n = least(n, w->ends[w->ended]);
	if (w->share < c->nshares) {
		const struct run *s = &c->shares[w->share];

		n = least(n, s->place > w->at ? s->place : s->last + 1);
	}
	return n;
}

static void
put_share(struct walk *w, uint32_t refs)
{
	struct rec_share s = { (uint32_t)(w->next - w->at), refs };
	struct row_key k;
	struct fix *f;

	row_key_id(&k, ROW_SHARE, w->next - 1);
	if ((f = check_fix_add(w->c, FIX_PUT, &k)) != NULL)
		f->val_n = (uint16_t)rec_share_encode(&s, f->val);
}

/* Every extent here says that it may be shared. */
static void
set_flags(struct walk *w, bool tell)
{
	size_t i = w->begun;
	struct row_key k;
	struct run *r;

	while ((r = covering(w, &i)) != NULL) {
		if (r->shared || r->kind != ROW_EXTENT)
			continue;
		if (tell)
			check_found(w->c, ROW_EXTENT, r->id, true, "blocks "
			    "from %" PRIu64 " have other owners, the extent "
			    "does not say so", w->at);
		r->shared = true;
		row_key_id2(&k, ROW_EXTENT, r->id, r->last);
		check_fix_add(w->c, FIX_SHARED, &k);
	}
}

/* Two owners of a block, and nothing says that it is shared. */
static void
overlap(struct walk *w, const struct run *a, const struct run *b,
    uint32_t pub)
{
	check_found(w->c, a->kind, a->id, pub > 1, "blocks %" PRIu64
	    " to %" PRIu64 " of space belong to object %" PRIu64 " too",
	    w->at, w->next - 1, b->id);
	if (pub > 1) {		/* the sums tell whose they are */
		put_share(w, pub);
		set_flags(w, false);
	}
}

/* One piece of space with the same owners throughout. */
static void
piece(struct walk *w)
{
	const struct run *s = share_at(w);
	struct run *a = NULL, *b = NULL, *r;
	uint32_t pub = 0;
	size_t i = w->begun;
	struct row_key k;

	while ((r = covering(w, &i)) != NULL) {
		if (r->kind == ROW_EXTENT)
			pub++;
		if (a == NULL)
			a = r;
		else if (b == NULL || r->id != a->id)
			b = r;
	}
	if (s != NULL && pub != s->refs) {
		check_found(w->c, ROW_SHARE, w->at, true, "blocks %" PRIu64
		    " to %" PRIu64 " of space have %" PRIu32 " owners, the "
		    "share says %" PRIu32 "%s", w->at, w->next - 1, pub,
		    s->refs, pub == 0 ? ": leaked" : "");
		row_key_id(&k, ROW_SHARE, s->last);
		check_fix_del(w->c, &k);
		if (pub > 1)
			put_share(w, pub);
	} else if (s == NULL && pub > 1 && a->shared && b->shared) {
		check_found(w->c, ROW_SHARE, w->at, true, "blocks %" PRIu64
		    " to %" PRIu64 " of space have %" PRIu32 " owners and "
		    "no share", w->at, w->next - 1, pub);
		put_share(w, pub);
	} else if (s == NULL && b != NULL && (pub > 1 || a->id != b->id)) {
		overlap(w, a, b, pub);
	}
	if (s != NULL && pub > 1)
		set_flags(w, true);
}

/* --- free space ----------------------------------------------------- */

static int
gap_add(struct check *c, uint64_t at, uint64_t n)
{
	struct run *last = c->ngaps > 0 ? &c->gaps[c->ngaps - 1] : NULL;
	int err;

	if (last != NULL && last->last + 1 == at) {
		last->last += n;
		return 0;
	}
	err = check_grow((void **)&c->gaps, &c->gaps_cap, c->ngaps,
	    sizeof *last);
	if (err == 0)
		c->gaps[c->ngaps++] = (struct run){ .place = at,
			.last = at + n - 1 };
	return err;
}

/* What of a range without owners is not free either: halves, until one
 * answer holds for all of it. */
static int
gap(struct check *c, uint64_t at, uint64_t n)
{
	struct { uint64_t at, n; } todo[128];
	struct engine *e = txn_engine(c->t);
	unsigned k = 0;
	int err;

	if (n == 0)
		return 0;
	todo[k].at = at;
	todo[k++].n = n;
	while (k > 0) {
		at = todo[--k].at;
		n = todo[k].n;
		if (data_is_free(e, at, n))
			continue;
		if (n == 1) {
			if ((err = gap_add(c, at, 1)) < 0)
				return err;
			continue;
		}
		todo[k].at = at + n / 2;
		todo[k++].n = n - n / 2;
		todo[k].at = at;
		todo[k++].n = n / 2;
	}
	return 0;
}

/* Owned blocks that the engine would give to the next who asks. */
static void
check_taken(struct walk *w)
{
	size_t i = w->begun;
	struct run *r = covering(w, &i);

	if (r != NULL && data_is_ready(txn_engine(w->c->t), w->at, 1))
		check_found(w->c, r->kind, r->id, false, "block %" PRIu64
		    " of space is in use and counts as free", w->at);
}

static int
walk_space(struct walk *w)
{
	struct check *c = w->c;
	uint64_t end = data_end(txn_engine(c->t));
	int err;

	for (w->at = 1; (w->next = next_change(w)) != UINT64_MAX;
	    w->at = w->next) {
		if (w->next > w->at) {
			piece(w);
			if (w->begun != w->ended)
				check_taken(w);
			else if ((err = gap(c, w->at, w->next - w->at)) < 0)
				return err;
		}
		while (w->begun < c->nruns &&
		    c->runs[w->begun].place <= w->next)
			w->begun++;
		while (w->ended < c->nruns && w->ends[w->ended] <= w->next)
			w->ended++;
		while (w->share < c->nshares &&
		    c->shares[w->share].last < w->next)
			w->share++;
	}
	return end > w->at ? gap(c, w->at, end - w->at) : 0;
}

int
check_owners(struct check *c)
{
	uint64_t *ends = malloc((c->nruns + 1) * sizeof *ends);
	struct walk w = { .c = c, .ends = ends };
	size_t i;
	int err;

	if (ends == NULL)
		return -VFS_NOMEM;
	if (c->nruns > 0)
		qsort(c->runs, c->nruns, sizeof *c->runs, by_place);
	for (i = 0; i < c->nruns; i++)
		ends[i] = c->runs[i].place + c->runs[i].n;
	qsort(ends, c->nruns, sizeof *ends, by_number);
	err = walk_space(&w);
	free(ends);
	return err;
}

/* --- leaks, looked at again ------------------------------------------ */

static int
runs_again(struct check *c, struct txn_cur *cur, uint8_t kind)
{
	struct vfs_slice key = { NULL, 0 }, val;
	struct row_parts p;
	struct rec_extent x;
	int err, e2;

	err = txn_cur_seek(cur, (struct vfs_slice){ &kind, 1 }, &key, &val);
	while ((err == 0 || (err == -VFS_CORRUPT && key.p != NULL)) &&
	    row_key_parse(key, &p) == 0 && p.kind == kind) {
		if (err == 0 && rec_extent_decode(val, &x) == 0 &&
		    x.place != 0) {
			e2 = run_add(c, &(struct run){ .place = x.place,
			    .n = x.nblocks });
			if (e2 < 0)
				return e2;
		}
		key.p = NULL;
		err = txn_cur_next(cur, &key, &val);
	}
	return err == 0 || err == -VFS_NOENT || err == -VFS_CORRUPT ? 0 : err;
}

/* What of the old gaps nobody owns now either. */
static int
gaps_again(struct check *c)
{
	struct run *old = c->gaps, *g, *r = c->runs;
	size_t i, n = c->ngaps, k = 0;
	uint64_t at;
	int err = 0;

	c->gaps = NULL;
	c->ngaps = c->gaps_cap = 0;
	for (i = 0; i < n && err == 0; i++) {
		g = &old[i];
		at = g->place;
		while (k > 0 && r[k - 1].place + VFS_EXTENT_BLOCKS_MAX > at)
			k--;
		for (; err == 0 && k < c->nruns && r[k].place <= g->last;
		    k++) {
			if (r[k].place > at)
				err = gap(c, at, r[k].place - at);
			if (r[k].place + r[k].n > at)
				at = r[k].place + r[k].n;
		}
		if (err == 0 && at <= g->last)
			err = gap(c, at, g->last + 1 - at);
	}
	free(old);
	return err;
}

int
check_leaks(struct check *c, struct txn *t, bool last)
{
	struct txn_cur *cur;
	size_t i;
	int err;

	if (c->ngaps == 0)
		return 0;
	c->t = t;
	c->nruns = 0;
	if ((err = txn_cur_open(t, &cur)) < 0)
		return err;
	if ((err = runs_again(c, cur, ROW_EXTENT)) == 0)
		err = runs_again(c, cur, ROW_DEXTENT);
	txn_cur_close(cur);
	if (c->nruns > 0)
		qsort(c->runs, c->nruns, sizeof *c->runs, by_place);
	if (err == 0)
		err = gaps_again(c);
	for (i = 0; err == 0 && last && i < c->ngaps; i++)
		check_found(c, ROW_SHARE, c->gaps[i].place, false, "blocks %"
		    PRIu64 " to %" PRIu64 " of space are leaked: no row "
		    "refers to them, and they are not free",
		    c->gaps[i].place, c->gaps[i].last);
	c->t = NULL;
	return err < 0 ? err : c->ngaps > 0;
}
