#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>

#include "why.h"

struct ring {
	uint64_t n;			/* ever noted */
	struct why_rec rec[WHY_KEPT];
};

struct why {
	pthread_mutex_t lock;		/* guards all below */
	uint64_t n;			/* ever noted, of all kinds */
	struct ring ring[WHY_KINDS];
};

int
why_new(struct why **out)
{
	struct why *w = calloc(1, sizeof *w);

	if (w == NULL)
		return -VFS_NOMEM;
	pthread_mutex_init(&w->lock, NULL);
	*out = w;
	return 0;
}

void
why_free(struct why *w)
{
	if (w == NULL)
		return;
	pthread_mutex_destroy(&w->lock);
	free(w);
}

/* Could the program have known?  Not of damage, not of what else happens
 * to the store; a refusal lies in what it asked for. */
static enum why_kind
kind_of(int err)
{
	switch (-err) {
	case VFS_CORRUPT:
	case VFS_IO:
		return WHY_DAMAGE;
	case VFS_NOSPC:
	case VFS_QUOTA:
	case VFS_ROFS:
	case VFS_NOMEM:
	case VFS_CONFLICT:
		return WHY_STATE;
	case VFS_NOENT:
	case VFS_NOXATTR:
		return WHY_MISS;
	default:
		return WHY_REFUSAL;
	}
}

/* Misses are frequent: no more is written than there is to say. */
static void
fill(struct why_rec *r, const struct req_env *env, const struct why_what *x)
{
	r->trace_id = env->trace_id;
	r->when = env->now;
	r->pid = env->pid;
	r->op = x->op;
	r->err = x->err;
	r->id = x->id;
	r->text[0] = 0;
	if (x->text != NULL)
		snprintf(r->text, sizeof r->text, "%s", x->text);
}

void
why_note(struct why *w, const struct req_env *env, struct why_what what)
{
	struct ring *ring = &w->ring[kind_of(what.err)];
	struct why_rec *r;

	pthread_mutex_lock(&w->lock);
	r = &ring->rec[ring->n++ % WHY_KEPT];
	fill(r, env, &what);
	r->n = w->n++;
	pthread_mutex_unlock(&w->lock);
}

static size_t
find_in(const struct ring *ring, uint64_t trace_id, uint32_t pid,
    struct why_rec *out)
{
	uint64_t i, kept = ring->n < WHY_KEPT ? ring->n : WHY_KEPT;
	size_t n = 0;

	for (i = 1; i <= kept && n < WHY_TOLD; i++) {
		const struct why_rec *r = &ring->rec[(ring->n - i) % WHY_KEPT];

		if ((trace_id == 0 || r->trace_id == trace_id) &&
		    (pid == 0 || r->pid == pid))
			out[n++] = *r;
	}
	return n;
}

static int
newest_first(const void *pa, const void *pb)
{
	const struct why_rec *a = pa, *b = pb;

	return a->n < b->n ? 1 : a->n > b->n ? -1 : 0;
}

size_t
why_find(struct why *w, uint64_t trace_id, uint32_t pid,
    struct why_rec out[WHY_FOUND_MAX])
{
	size_t n = 0;
	unsigned kind;

	pthread_mutex_lock(&w->lock);
	for (kind = 0; kind < WHY_KINDS; kind++)
		n += find_in(&w->ring[kind], trace_id, pid, out + n);
	pthread_mutex_unlock(&w->lock);
	qsort(out, n, sizeof *out, newest_first);
	return n;
}
