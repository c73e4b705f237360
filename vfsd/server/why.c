#include <pthread.h>
#include <stdlib.h>

#include "why.h"

struct why {
	pthread_mutex_t lock;		/* guards all below */
	uint64_t n;			/* ever noted */
	struct why_rec ring[WHY_MAX];
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

void
why_note(struct why *w, const struct req_env *env, uint32_t op, uint64_t id,
    int err)
{
	struct why_rec r = { .trace_id = env->trace_id, .when = env->now,
		.pid = env->pid, .op = op, .err = err, .id = id };

	pthread_mutex_lock(&w->lock);
	w->ring[w->n++ % WHY_MAX] = r;
	pthread_mutex_unlock(&w->lock);
}

size_t
why_find(struct why *w, uint64_t trace_id, uint32_t pid, struct why_rec *out,
    size_t cap)
{
	size_t n = 0;
	uint64_t i, kept;

	pthread_mutex_lock(&w->lock);
	kept = w->n < WHY_MAX ? w->n : WHY_MAX;
	for (i = 1; i <= kept && n < cap; i++) {
		const struct why_rec *r = &w->ring[(w->n - i) % WHY_MAX];

		if ((trace_id == 0 || r->trace_id == trace_id) &&
		    (pid == 0 || r->pid == pid))
			out[n++] = *r;
	}
	pthread_mutex_unlock(&w->lock);
	return n;
}
