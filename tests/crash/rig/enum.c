#include <string.h>

#include "enum.h"

struct run {
	struct disk *d;
	struct pick k;
	bool (*each)(void *, const struct pick *);
	void *arg;
	bool stop;
};

/* A directory's names reach the medium in order. */
static void
order_names(struct disk *d, struct pick *k)
{
	bool lost = false;
	int i;

	for (i = 0; i < k->n; i++) {
		if (d->pend[i].kind < PEND_LINK)
			continue;
		if (k->keep[i] == KEEP_NONE)
			lost = true;
		k->keep[i] = lost ? KEEP_NONE : KEEP_ALL;
	}
}

static void
go(struct run *u)
{
	struct pick k = u->k;

	if (u->stop)
		return;
	order_names(u->d, &k);
	if (!u->each(u->arg, &k))
		u->stop = true;
}

static void
set(struct run *u, int from, int to, int keep)
{
	if (to > from)
		memset(u->k.keep + from, keep, (size_t)(to - from));
}

static void
singles(struct run *u)
{
	int i, n = u->k.n;

	for (i = 1; i < n; i++) {		/* prefixes, not none, not all */
		set(u, 0, i, KEEP_ALL);
		set(u, i, n, KEEP_NONE);
		go(u);
	}
	for (i = 0; i < n; i++) {
		set(u, 0, n, KEEP_ALL);
		u->k.keep[i] = KEEP_NONE;
		go(u);
		set(u, 0, n, KEEP_NONE);
		u->k.keep[i] = KEEP_ALL;
		go(u);
	}
}

static void
subsets(struct run *u, struct rng *r, int random_max)
{
	int i, j, n = u->k.n;

	if (n <= 8) {
		for (i = 0; i < 1 << n; i++) {
			for (j = 0; j < n; j++)
				u->k.keep[j] = i >> j & 1 ? KEEP_ALL : KEEP_NONE;
			go(u);
		}
		return;
	}
	for (i = 0; i < random_max; i++) {
		uint32_t p = 1 + rng_to(r, 7);

		for (j = 0; j < n; j++)
			u->k.keep[j] = rng_to(r, 8) < p ? KEEP_ALL : KEEP_NONE;
		go(u);
	}
}

static void
torn(struct run *u, struct rng *r)
{
	static const uint8_t how[] = { KEEP_HEAD, KEEP_TORN, KEEP_TORN_PAGES,
	    KEEP_SIZE };
	int i, j, h, n = u->k.n;

	for (i = 0; i < n; i++) {
		const struct pend *p = &u->d->pend[i];

		if (p->kind != PEND_WRITE || p->nsect < 2)
			continue;
		for (h = 0; h < 4; h++) {
			if (how[h] == KEEP_TORN_PAGES && p->nsect <= 8)
				continue;
			if (how[h] == KEEP_SIZE &&
			    p->end <= u->d->file[p->file].dsize)
				continue;
			u->k.seed = (uint32_t)rng_u64(r);
			set(u, 0, n, KEEP_ALL);
			u->k.keep[i] = how[h];
			go(u);
			set(u, i + 1, n, KEEP_NONE);
			go(u);
		}
	}
	for (i = 0; i < n && i < 8; i++) {	/* several at once */
		u->k.seed = (uint32_t)rng_u64(r);
		for (j = 0; j < n; j++)
			u->k.keep[j] = (uint8_t)rng_to(r, KEEP_SIZE);
		go(u);
	}
}

void
enum_picks(struct disk *d, struct rng *r, int random_max,
    bool (*each)(void *, const struct pick *), void *arg)
{
	struct run u = { .d = d, .each = each, .arg = arg };

	disk_look(d);
	u.k.n = d->npend;
	set(&u, 0, u.k.n, KEEP_NONE);
	go(&u);
	set(&u, 0, u.k.n, KEEP_ALL);
	go(&u);
	if (u.k.n == 0)
		return;
	singles(&u);
	subsets(&u, r, random_max);
	torn(&u, r);
}

void
enum_random(struct disk *d, struct rng *r, struct pick *k)
{
	uint32_t p = rng_to(r, 9);
	int i;

	disk_look(d);
	memset(k, 0, sizeof(*k));
	k->n = d->npend;
	k->seed = (uint32_t)rng_u64(r);
	for (i = 0; i < k->n; i++) {
		k->keep[i] = rng_to(r, 8) < p ? KEEP_ALL : KEEP_NONE;
		if (rng_to(r, 8) == 0)
			k->keep[i] = (uint8_t)rng_to(r, KEEP_SIZE);
	}
	order_names(d, k);
}
