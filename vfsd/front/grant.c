#include <stdlib.h>
#include <string.h>

#include "grant.h"

void
grants_init(struct grants *g)
{
	memset(g, 0, sizeof *g);
	pthread_rwlock_init(&g->lock, NULL);
}

void
grants_free(struct grants *g)
{
	unsigned i;

	for (i = 0; i < VFS_GRANTS_MAX; i++)
		region_unmap(&g->row[i].region);
	pthread_rwlock_destroy(&g->lock);
}

int
grants_map(struct grants *g, int fd, const struct vfs_grant_map *q,
    struct vfs_grant_map_reply *r)
{
	bool write = (q->flags & VFS_GRANT_WRITE) != 0;
	struct region region;
	unsigned i;
	int err;

	if ((q->flags & ~VFS_GRANT_WRITE) != 0 || q->unused != 0 || fd < 0)
		return -VFS_INVAL;
	if ((err = region_map(fd, q->size, write, &region)) < 0)
		return err;
	pthread_rwlock_wrlock(&g->lock);
	for (i = 0; i < VFS_GRANTS_MAX && g->row[i].region.p != NULL; i++)
		;
	if (i < VFS_GRANTS_MAX) {
		g->row[i].region = region;
		g->row[i].write = write;
	}
	pthread_rwlock_unlock(&g->lock);
	if (i == VFS_GRANTS_MAX) {
		region_unmap(&region);
		return -VFS_QUOTA;
	}
	r->grant = i + 1;		/* 0 is none */
	return 0;
}

int
grants_unmap(struct grants *g, const struct vfs_grant_unmap *q)
{
	struct region old = { NULL, 0 };

	if (q->grant == 0 || q->grant > VFS_GRANTS_MAX)
		return -VFS_INVAL;
	pthread_rwlock_wrlock(&g->lock);
	old = g->row[q->grant - 1].region;
	g->row[q->grant - 1].region = (struct region){ NULL, 0 };
	pthread_rwlock_unlock(&g->lock);
	if (old.p == NULL)
		return -VFS_INVAL;
	region_unmap(&old);
	return 0;
}

/* n bytes of a region, or NULL.  With the lock held. */
static uint8_t *
place(struct grants *g, unsigned grant, uint64_t off, size_t n, bool write)
{
	const struct region *r;

	if (grant == 0 || grant > VFS_GRANTS_MAX)
		return NULL;
	r = &g->row[grant - 1].region;
	if (r->p == NULL || off > r->n || n > r->n - off ||
	    (write && !g->row[grant - 1].write))
		return NULL;
	return r->p + off;
}

const void *
grant_get(void *arg, unsigned kind, unsigned grant, uint64_t off, uint32_t n)
{
	struct grant_copies *c = arg;
	const uint8_t *from;
	void *p = NULL;

	if (kind != PROTO_GRANT || n > VFS_MSG_MAX ||
	    c->n == GRANT_COPIES_MAX)
		return NULL;
	pthread_rwlock_rdlock(&c->g->lock);
	from = place(c->g, grant, off, n, false);
	if (from != NULL && (p = malloc(n)) != NULL) {
		memcpy(p, from, n);
		c->copy[c->n++] = p;
	}
	pthread_rwlock_unlock(&c->g->lock);
	return p;
}

void
grant_copies_free(struct grant_copies *c)
{
	while (c->n > 0)
		free(c->copy[--c->n]);
}

int
grants_room(struct grants *g, uint32_t grant, uint64_t off, size_t n)
{
	bool there;

	pthread_rwlock_rdlock(&g->lock);
	there = place(g, grant, off, n, true) != NULL;
	pthread_rwlock_unlock(&g->lock);
	return there ? 0 : -VFS_MALFORMED;
}

int
grants_put(struct grants *g, uint32_t grant, uint64_t off, const void *p,
    size_t n)
{
	uint8_t *to;

	pthread_rwlock_rdlock(&g->lock);
	if ((to = place(g, grant, off, n, true)) != NULL)
		memcpy(to, p, n);
	pthread_rwlock_unlock(&g->lock);
	return to != NULL ? 0 : -VFS_MALFORMED;
}
