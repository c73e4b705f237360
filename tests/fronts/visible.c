/*
 * visible.c - rounds: one front commits, and all others look at once
 */
#include <errno.h>
#include <stdio.h>
#include <string.h>

#include "fronts.h"

/* Names and numbers of one round. */
struct round {
	unsigned n;
	char old[16], new[16], text[24];
};

static int
resize(struct front *x, struct round *r)
{
	return x->ops->resize(x, WORK, "size", r->n);
}

static int
see_size(struct front *y, const struct round *r)
{
	struct front_stat st = { 0, 0 };
	int rc = y->ops->stat(y, WORK, "size", &st);

	return rc != 0 ? rc : st.size == r->n ? 0 : EILSEQ;
}

static int
move(struct front *x, struct round *r)
{
	return x->ops->rename(x, WORK, r->old, WORK, r->new);
}

static int
see_name(struct front *y, const struct round *r)
{
	struct front_stat st;
	int rc = y->ops->stat(y, WORK, r->old, &st);

	if (rc != ENOENT)
		return rc == 0 ? EILSEQ : rc;
	return y->ops->stat(y, WORK, r->new, &st);
}

static int
write_text(struct front *x, struct round *r)
{
	return x->ops->write(x, WORK, "text", r->text, sizeof r->text);
}

static int
see_text(struct front *y, const struct round *r)
{
	char text[sizeof r->text + 8];
	size_t n = sizeof text;
	int rc = y->ops->read(y, WORK, "text", text, &n);

	if (rc != 0)
		return rc;
	return n == sizeof r->text && memcmp(text, r->text, n) == 0 ? 0 :
	    EILSEQ;
}

static int
come_and_go(struct front *x, struct round *r)
{
	return r->n % 2 == 0 ? x->ops->create(x, TREE, "there") :
	    x->ops->unlink(x, TREE, "there");
}

static int
see_there(struct front *y, const struct round *r)
{
	struct front_stat st;
	int rc = y->ops->stat(y, TREE, "there", &st);

	if (r->n % 2 == 0 || (rc != 0 && rc != ENOENT))
		return rc;
	return rc == ENOENT ? 0 : EILSEQ;
}

static const struct {
	const char *what;
	int (*act)(struct front *, struct round *);
	int (*see)(struct front *, const struct round *);
} acts[] = {
	{ "size", resize, see_size }, { "name", move, see_name },
	{ "bytes", write_text, see_text },
	{ "coming and going", come_and_go, see_there },
};
#define NACTS	(sizeof acts / sizeof acts[0])

static unsigned
look(struct front *x, struct front *f, unsigned n, unsigned act,
    const struct round *r)
{
	unsigned i, bad = 0;
	int rc;

	for (i = 0; i < n; i++) {
		if ((rc = acts[act].see(&f[i], r)) == 0)
			continue;
		bad++;
		wrong(&f[i], "%s of %s in round %u is not seen: %s",
		    acts[act].what, x->kind, r->n, rc == EILSEQ ?
		    "still as before" : strerror(rc));
	}
	return bad;
}

static unsigned
one_round(struct front *f, unsigned n, struct round *r)
{
	struct front *x = &f[r->n % n];
	unsigned act, bad = 0;
	int rc;

	snprintf(r->old, sizeof r->old, "name%u", r->n - 1);
	snprintf(r->new, sizeof r->new, "name%u", r->n);
	snprintf(r->text, sizeof r->text, "%-23u", r->n);
	for (act = 0; act < NACTS && bad == 0; act++) {
		if ((rc = acts[act].act(x, r)) == 0) {
			bad = look(x, f, n, act, r);
			continue;
		}
		wrong(x, "%s in round %u: %s", acts[act].what, r->n,
		    strerror(rc));
		bad++;
	}
	return bad;
}

unsigned
visible(struct front *f, unsigned n, unsigned ms)
{
	struct front *a = &f[0];
	struct round r = { .n = 1 };
	uint64_t end = clock_ms() + ms;
	unsigned bad;

	bad = a->ops->create(a, WORK, "size") != 0 ||
	    a->ops->create(a, WORK, "text") != 0 ||
	    a->ops->create(a, WORK, "name1") != 0 ||
	    a->ops->create(a, TREE, "there") != 0;
	for (r.n = 2; bad == 0 && (r.n < 4 * n || clock_ms() < end); r.n++) {
		/* "there" is there in even rounds */
		if (r.n == 2)
			a->ops->unlink(a, TREE, "there");
		bad = one_round(f, n, &r);
	}
	if (r.n % 2 == 1)
		a->ops->unlink(a, TREE, "there");
	printf("# %u rounds on %u fronts, %zu changes in each\n", r.n - 2, n,
	    NACTS);
	return bad;
}
