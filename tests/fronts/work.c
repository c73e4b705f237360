/*
 * work.c - writers and readers on all fronts at once
 *
 * Each writer has two files, a and b, whose sizes only grow.  Where there
 * are transactions both grow in one, so whoever sees one of them sees both;
 * elsewhere first a, then b: whoever sees b grown sees a.  Coins move from
 * tree to tree, by one rename or in a transaction with a counter; in a
 * snapshot there is each of them once.
 */
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "fronts.h"

static void
name_of(char name[16], char letter, unsigned who)
{
	snprintf(name, 16, "%c%u", letter, who);
}

int
enter_all(struct front *f)
{
	char name[16];
	unsigned i;
	int rc = f->ops->enter(f, WORK, ROOT, "work");

	for (i = 0; i < TREES && rc == 0; i++) {
		name_of(name, 't', i);
		rc = f->ops->enter(f, TREE + i, WORK, name);
	}
	return rc;
}

int
furnish(struct front *f, unsigned n)
{
	char name[16];
	unsigned i;
	int rc = f->ops->mkdir(f, ROOT, "work");

	if (rc == 0)
		rc = f->ops->enter(f, WORK, ROOT, "work");
	for (i = 0; i < TREES && rc == 0; i++) {
		name_of(name, 't', i);
		rc = f->ops->mkdir(f, WORK, name);
	}
	if (rc == 0)
		rc = enter_all(f);
	for (i = 0; i < COINS && rc == 0; i++) {
		name_of(name, 'c', i);
		rc = f->ops->create(f, TREE + i % TREES, name);
	}
	for (i = 0; i < 3 * n && rc == 0; i++) {
		name_of(name, "abk"[i % 3], i / 3);
		rc = f->ops->create(f, WORK, name);
	}
	return rc != 0 ? rc : f->ops->create(f, WORK, "sum");
}

/* --- writers ----------------------------------------------------------------- */

struct hand {
	struct front *f;
	unsigned seed, n;
	char a[16], b[16], k[16];
	struct tally *t;
};

static unsigned
draw(struct hand *h, unsigned n)
{
	return (unsigned)rand_r(&h->seed) % n;
}

/* A coin goes elsewhere, if it is where we think. */
static int
move(struct hand *h)
{
	unsigned from = draw(h, TREES), to = draw(h, TREES), i;
	char coin[16];
	int rc = ENOENT;

	for (i = 0; i < TREES && rc == ENOENT; i++) {
		name_of(coin, 'c', draw(h, COINS));
		rc = h->f->ops->rename(h->f, TREE + from, coin, TREE + to,
		    coin);
	}
	if (rc == 0)
		h->t->moves++;
	return rc == ENOENT ? 0 : rc;
}

/* One more than it is: of two who do that at once one has to try again. */
static int
add_one(struct hand *h)
{
	struct front_stat st;
	int rc = h->f->ops->stat(h->f, WORK, "sum", &st);

	return rc != 0 ? rc : h->f->ops->resize(h->f, WORK, "sum",
	    st.size + 1);
}

static int
commit(struct hand *h, bool adds)
{
	int rc = front_tx_end(h->f, true);

	if (rc == 0)
		h->t->a = h->t->b = h->n;
	h->t->sums += adds && rc == 0;
	h->t->unsure += adds && rc == ELOST;
	return rc;
}

/* Nothing of it, or all: both files grow, a coin moves, it is counted. */
static int
in_one(struct hand *h)
{
	const struct front_ops *o = h->f->ops;
	bool adds = draw(h, 4) == 0;
	int rc = front_tx_begin(h->f);

	if (rc != 0)
		return rc;
	rc = o->resize(h->f, WORK, h->a, h->n);
	if (rc == 0)
		rc = o->resize(h->f, WORK, h->b, h->n);
	if (rc == 0)
		rc = move(h);
	if (rc == 0)
		rc = o->resize(h->f, WORK, h->k, h->n);
	if (rc == 0 && adds)
		rc = add_one(h);
	if (rc == 0)
		return commit(h, adds);
	if (rc != ELOST)
		front_tx_end(h->f, false);
	return rc;
}

static int
one_by_one(struct hand *h)
{
	const struct front_ops *o = h->f->ops;
	int rc = o->resize(h->f, WORK, h->a, h->n);

	if (rc != 0)
		return rc;
	h->t->a = h->n;
	if ((rc = o->resize(h->f, WORK, h->b, h->n)) != 0)
		return rc;
	h->t->b = h->n;
	rc = move(h);
	return rc != 0 ? rc : o->resize(h->f, WORK, h->k, h->n);
}

static int
write_one(struct hand *h)
{
	int rc;

	h->n++;
	h->t->tried = h->n;
	rc = front_has_tx(h->f) ? in_one(h) : one_by_one(h);
	if (rc == 0) {
		h->t->acked = h->n;
	} else if (rc == EBUSY) {
		h->t->lost_races++;
		rc = 0;
	}
	return rc;
}

int
writer(struct front *f, unsigned who, unsigned ms, unsigned seed,
    struct tally *t)
{
	struct hand h = { .f = f, .seed = seed, .t = t };
	uint64_t end = clock_ms() + ms;
	struct front_stat st;
	int rc;

	name_of(h.a, 'a', who);
	name_of(h.b, 'b', who);
	name_of(h.k, 'k', who);
	/* from where an earlier one came to */
	if ((rc = f->ops->stat(f, WORK, h.a, &st)) != 0)
		return rc;
	h.n = (unsigned)st.size;
	if ((rc = f->ops->stat(f, WORK, h.k, &st)) != 0)
		return rc;
	t->tried = t->a = h.n;
	t->b = t->acked = st.size;
	while (rc == 0 && clock_ms() < end)
		rc = write_one(&h);
	return rc != 0 && rc != ELOST ? wrong(f, "writes: %s",
	    strerror(rc)) : rc;
}

/* --- readers ----------------------------------------------------------------- */

/* What was seen of the others, last. */
struct eye {
	struct front *f;
	const char *has_tx;
	uint64_t a[FRONTS_MAX], b[FRONTS_MAX];
};

static int
grown(struct eye *e, char letter, unsigned who, uint64_t *last)
{
	struct front_stat st;
	char name[16];
	int rc;

	name_of(name, letter, who);
	if ((rc = e->f->ops->stat(e->f, WORK, name, &st)) != 0)
		return rc;
	if (st.size < *last)
		return wrong(e->f, "%s goes back from %ju to %ju", name,
		    (uintmax_t)*last, (uintmax_t)st.size);
	*last = st.size;
	return 0;
}

/* b, then a, then b, then a ... */
static int
look_at_pair(struct eye *e, unsigned who)
{
	int rc;

	if ((rc = grown(e, 'b', who, &e->b[who])) != 0)
		return rc;
	if (e->has_tx[who] == 'y' && e->b[who] < e->a[who])
		return wrong(e->f, "a%u is %ju and b%u still %ju", who,
		    (uintmax_t)e->a[who], who, (uintmax_t)e->b[who]);
	if ((rc = grown(e, 'a', who, &e->a[who])) != 0)
		return rc;
	if (e->a[who] < e->b[who])
		return wrong(e->f, "b%u is %ju and a%u still %ju", who,
		    (uintmax_t)e->b[who], who, (uintmax_t)e->a[who]);
	return 0;
}

struct purse {
	uint8_t coin[COINS];		/* how often it was seen */
	unsigned all;
};

static void
count_name(void *arg, const char *name, size_t n)
{
	struct purse *p = arg;
	char text[16] = "";
	unsigned k;

	if (n < 2 || n >= sizeof text || name[0] != 'c')
		return;
	memcpy(text, name + 1, n - 1);
	if ((k = (unsigned)atoi(text)) >= COINS)
		return;
	p->coin[k]++;
	p->all++;
}

static int
each_once(const struct front *f, const struct purse *p, const char *where)
{
	unsigned i;

	for (i = 0; i < COINS; i++)
		if (p->coin[i] > 1)
			return wrong(f, "c%u is seen %u times in %s", i,
			    p->coin[i], where);
	return 0;
}

static int
list_all(struct front *f, struct purse *p)
{
	unsigned i;
	int rc = 0;

	for (i = 0; i < TREES && rc == 0; i++)
		rc = f->ops->list(f, TREE + i, count_name, p);
	return rc;
}

static int
all_there(const struct front *f, const struct purse *p)
{
	return p->all != COINS ? wrong(f, "%u coins, not %u", p->all, COINS) :
	    each_once(f, p, "all trees");
}

static int
snapshot(struct front *f)
{
	struct purse p = { .all = 0 };
	int rc = front_tx_begin(f), end;

	if (rc != 0)
		return rc;
	rc = list_all(f, &p);
	if (rc == ELOST)
		return rc;
	end = front_tx_end(f, false);
	if (rc == 0)
		rc = end;
	return rc != 0 ? rc : all_there(f, &p);
}

/* No snapshot here: but in one directory none is seen twice. */
static int
one_tree(struct front *f, unsigned k)
{
	struct purse p = { .all = 0 };
	int rc = f->ops->list(f, TREE + k, count_name, &p);

	return rc != 0 ? rc : each_once(f, &p, "one tree");
}

int
reader(struct front *f, unsigned n, const char *has_tx, unsigned ms,
    struct tally *t)
{
	struct eye e = { .f = f, .has_tx = has_tx };
	uint64_t end = clock_ms() + ms;
	unsigned i;
	int rc = 0;

	while (rc == 0 && clock_ms() < end) {
		for (i = 0; i < n && rc == 0; i++)
			rc = look_at_pair(&e, i);
		if (rc == 0)
			rc = front_has_tx(f) ? snapshot(f) :
			    one_tree(f, (unsigned)(t->looks % TREES));
		if (rc == EBUSY) {	/* too old a snapshot, by now */
			t->lost_races++;
			rc = 0;
		}
		t->looks++;
	}
	return rc != 0 && rc != ELOST && rc != EILSEQ ? wrong(f,
	    "reads: %s", strerror(rc)) : rc;
}

/* --- afterwards -------------------------------------------------------------- */

static int
verify_one(struct front *f, unsigned who, bool has_tx, const struct tally *t)
{
	struct front_stat a, b, k;
	char na[16], nb[16], nk[16];
	int rc;

	name_of(na, 'a', who);
	name_of(nb, 'b', who);
	name_of(nk, 'k', who);
	if ((rc = f->ops->stat(f, WORK, na, &a)) != 0 ||
	    (rc = f->ops->stat(f, WORK, nb, &b)) != 0 ||
	    (rc = f->ops->stat(f, WORK, nk, &k)) != 0)
		return wrong(f, "pair %u: %s", who, strerror(rc));
	if (k.size < t->acked || a.size < t->a || b.size < t->b || a.size > t->tried || b.size > a.size ||
	    k.size > b.size || (has_tx && (a.size != b.size ||
	    b.size != k.size)))
		return wrong(f, "writer %u was told of %ju, %ju, %ju and has "
		    "tried %ju: a %ju, b %ju, counted %ju", who,
		    (uintmax_t)t->a, (uintmax_t)t->b, (uintmax_t)t->acked,
		    (uintmax_t)t->tried, (uintmax_t)a.size,
		    (uintmax_t)b.size, (uintmax_t)k.size);
	return 0;
}

/* Each time that somebody added one, and was told so, is in it. */
static int
verify_sum(struct front *f, unsigned n, const struct tally *t)
{
	struct front_stat st;
	uint64_t least = 0, most = 0;
	unsigned i;
	int rc = f->ops->stat(f, WORK, "sum", &st);

	for (i = 0; i < n; i++) {
		least += t[i].sums;
		most += t[i].sums + t[i].unsure;
	}
	if (rc == 0 && (st.size < least || st.size > most))
		rc = wrong(f, "the sum is %ju, not %ju to %ju",
		    (uintmax_t)st.size, (uintmax_t)least, (uintmax_t)most);
	return rc;
}

int
verify(struct front *f, unsigned n, const char *has_tx,
    const struct tally *t)
{
	struct purse p = { .all = 0 };
	unsigned i;
	int rc = list_all(f, &p);

	if (rc == 0)
		rc = all_there(f, &p);
	if (rc == 0)
		rc = verify_sum(f, n, t);
	for (i = 0; i < n && rc == 0; i++)
		rc = verify_one(f, i, has_tx[i] == 'y', &t[i]);
	return rc;
}
