#include <fcntl.h>
#include <pthread.h>
#include <stdlib.h>

#include "../../protocol/err.h"
#include "fuse_handle.h"

#define CHUNK	4096u
#define NCHUNKS	(FUSE_HANDLES_MAX / CHUNK)
#define NONE	UINT32_MAX
#define HASHES	(1u << 14)

struct mapped {
	_Atomic uint32_t both;		/* open for reading and writing */
	atomic_bool read;
};

struct fuse_handles {
	_Atomic(struct fuse_handle *) chunk[NCHUNKS];
	pthread_mutex_t lock;		/* used, free_head, open, next_free */
	uint32_t used;			/* records ever given */
	uint32_t free_head;
	_Atomic uint64_t open;
	struct mapped mapped[HASHES];
};

int
fuse_handles_new(struct fuse_handles **out)
{
	struct fuse_handles *t = calloc(1, sizeof *t);

	if (t == NULL)
		return -VFS_NOMEM;
	pthread_mutex_init(&t->lock, NULL);
	t->free_head = NONE;
	*out = t;
	return 0;
}

void
fuse_handles_free(struct fuse_handles *t)
{
	unsigned i;

	if (t == NULL)
		return;
	for (i = 0; i < NCHUNKS; i++)
		free(atomic_load(&t->chunk[i]));
	pthread_mutex_destroy(&t->lock);
	free(t);
}

static struct fuse_handle *
at(struct fuse_handles *t, uint32_t index)
{
	struct fuse_handle *c;

	if (index >= FUSE_HANDLES_MAX)
		return NULL;
	c = atomic_load_explicit(&t->chunk[index / CHUNK],
	    memory_order_acquire);
	return c == NULL ? NULL : &c[index % CHUNK];
}

/* A record nobody uses; called with the lock held. */
static struct fuse_handle *
take(struct fuse_handles *t)
{
	struct fuse_handle *h, *c;
	uint32_t i;

	if (t->free_head != NONE) {
		h = at(t, t->free_head);
		t->free_head = h->next_free;
		return h;
	}
	if (t->used == FUSE_HANDLES_MAX)
		return NULL;
	i = t->used;
	if (i % CHUNK == 0) {
		if ((c = calloc(CHUNK, sizeof *c)) == NULL)
			return NULL;
		atomic_store_explicit(&t->chunk[i / CHUNK], c,
		    memory_order_release);
	}
	t->used++;
	h = at(t, i);
	h->index = i;
	return h;
}

static struct mapped *
mapped(struct fuse_handles *t, struct vfs_id id)
{
	return &t->mapped[id.n * 0x9e3779b97f4a7c15u >> 50];
}

int
fuse_handle_add(struct fuse_handles *t, struct vfs_id id, uint32_t flags,
    uint64_t *fh)
{
	struct fuse_handle *h;
	uint32_t gen;

	pthread_mutex_lock(&t->lock);
	h = take(t);
	pthread_mutex_unlock(&t->lock);
	if (h == NULL)
		return -VFS_NOMEM;
	h->id = id;
	h->flags = flags;
	h->direct = false;
	atomic_store_explicit(&h->wrote, false, memory_order_relaxed);
	atomic_store_explicit(&h->read, false, memory_order_relaxed);
	atomic_store_explicit(&h->fence, 0, memory_order_relaxed);
	atomic_store_explicit(&h->ahead, FUSE_AHEAD_MAY,
	    memory_order_relaxed);
	gen = atomic_load_explicit(&h->gen, memory_order_relaxed) + 1;
	atomic_store_explicit(&h->gen, gen, memory_order_release);
	atomic_fetch_add_explicit(&t->open, 1, memory_order_relaxed);
	if ((flags & O_ACCMODE) == O_RDWR)
		atomic_fetch_add(&mapped(t, id)->both, 1);
	*fh = (uint64_t)gen << 32 | h->index;
	return 0;
}

struct fuse_handle *
fuse_handle_find(struct fuse_handles *t, uint64_t fh, struct vfs_id id)
{
	struct fuse_handle *h = at(t, (uint32_t)fh);
	uint32_t gen = fh >> 32;

	if (h == NULL || (gen & 1) == 0 ||
	    atomic_load_explicit(&h->gen, memory_order_acquire) != gen ||
	    h->id.n != id.n)
		return NULL;
	return h;
}

void
fuse_handle_del(struct fuse_handles *t, uint64_t fh)
{
	struct fuse_handle *h = at(t, (uint32_t)fh);
	uint32_t gen = fh >> 32;

	if (h == NULL || (gen & 1) == 0 ||
	    !atomic_compare_exchange_strong(&h->gen, &gen, gen + 1))
		return;
	if ((h->flags & O_ACCMODE) == O_RDWR)
		atomic_fetch_sub(&mapped(t, h->id)->both, 1);
	pthread_mutex_lock(&t->lock);
	h->next_free = t->free_head;
	t->free_head = h->index;
	pthread_mutex_unlock(&t->lock);
	atomic_fetch_sub_explicit(&t->open, 1, memory_order_relaxed);
}

uint64_t
fuse_handles_open(struct fuse_handles *t)
{
	return atomic_load_explicit(&t->open, memory_order_relaxed);
}

bool
fuse_handles_mapped(struct fuse_handles *t, struct vfs_id id)
{
	struct mapped *m = mapped(t, id);

	return atomic_load(&m->read) && atomic_load(&m->both) > 0;
}

void
fuse_handles_was_read(struct fuse_handles *t, struct vfs_id id)
{
	struct mapped *m = mapped(t, id);

	if (!atomic_load_explicit(&m->read, memory_order_relaxed))
		atomic_store(&m->read, true);
}
