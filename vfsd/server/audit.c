#include <pthread.h>
#include <stdlib.h>

#include "../../protocol/err.h"
#include "audit.h"

struct audit {
	pthread_mutex_t lock;		/* guards all below */
	uint64_t n;			/* ever noted */
	struct audit_rec ring[AUDIT_MAX];
};

int
audit_new(struct audit **out)
{
	struct audit *a = calloc(1, sizeof *a);

	if (a == NULL)
		return -VFS_NOMEM;
	pthread_mutex_init(&a->lock, NULL);
	*out = a;
	return 0;
}

void
audit_free(struct audit *a)
{
	if (a == NULL)
		return;
	pthread_mutex_destroy(&a->lock);
	free(a);
}

void
audit_note(struct audit *a, const struct audit_rec *r)
{
	pthread_mutex_lock(&a->lock);
	a->ring[a->n++ % AUDIT_MAX] = *r;
	pthread_mutex_unlock(&a->lock);
}

size_t
audit_last(struct audit *a, struct audit_rec *out, size_t cap, uint64_t *ever)
{
	uint64_t i, kept;
	size_t n = 0;

	pthread_mutex_lock(&a->lock);
	kept = a->n < AUDIT_MAX ? a->n : AUDIT_MAX;
	for (i = 1; i <= kept && n < cap; i++)
		out[n++] = a->ring[(a->n - i) % AUDIT_MAX];
	*ever = a->n;
	pthread_mutex_unlock(&a->lock);
	return n;
}
