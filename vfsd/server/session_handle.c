/*
 * session_handle.c - what a session has open
 *
 * A handle is a slot and a generation that counts all that the session
 * ever opened: one that was closed, or was never given, matches nothing.
 */
#include <stdlib.h>

#include "session_in.h"

#define GEN_BITS	40u
#define GEN_MAX		((1ull << GEN_BITS) - 1)
#define SLOT_MASK	((1u << VFS_HANDLE_SLOT_BITS) - 1)

static uint64_t
name_of(uint32_t slot, uint64_t gen)
{
	return VFS_HANDLE | gen << VFS_HANDLE_SLOT_BITS | slot;
}

/* Under s->lock; NULL: there is no such handle. */
static struct handle *
find(struct session *s, uint64_t handle)
{
	uint32_t slot = (uint32_t)handle & SLOT_MASK;
	uint64_t gen = handle >> VFS_HANDLE_SLOT_BITS & GEN_MAX;

	if ((handle & VFS_HANDLE) == 0 || handle >> 63 != 0 ||
	    slot >= s->nhandles || s->handles[slot].id == 0 ||
	    s->handles[slot].gen != gen)
		return NULL;
	return &s->handles[slot];
}

/* A free slot; under s->lock. */
static int
slot_take(struct session *s, uint32_t *slot)
{
	struct handle *v;
	uint32_t cap;

	if (s->used >= s->limits.handles || s->gen == GEN_MAX)
		return -VFS_QUOTA;
	if (s->first_free != 0) {
		*slot = s->first_free - 1;
		s->first_free = s->handles[*slot].next_free;
		return 0;
	}
	if (s->nhandles == s->cap) {
		cap = s->cap > 0 ? 2 * s->cap : 16;
		if ((v = realloc(s->handles, cap * sizeof *v)) == NULL)
			return -VFS_NOMEM;
		s->handles = v;
		s->cap = cap;
	}
	*slot = s->nhandles++;
	return 0;
}

int
handle_new(struct session *s, struct vfs_id id, uint32_t rights,
    uint32_t opened, uint64_t *out)
{
	uint32_t slot = 0;
	int err;

	pthread_mutex_lock(&s->lock);
	err = s->ended != 0 ? s->ended : slot_take(s, &slot);
	if (err == 0) {
		s->handles[slot] = (struct handle){ .id = id.n,
			.gen = ++s->gen, .rights = rights, .opened = opened };
		s->used++;
		*out = name_of(slot, s->gen);
		server_hold(s->ss->server, id, 1);
	}
	pthread_mutex_unlock(&s->lock);
	return err;
}

int
handle_get(struct session *s, uint64_t handle, struct handle *out)
{
	struct handle *h;
	int err = -VFS_BAD_HANDLE;

	pthread_mutex_lock(&s->lock);
	if ((h = find(s, handle)) != NULL) {
		*out = *h;
		err = h->lost ? -VFS_NO_SUCH_ID : 0;
	}
	pthread_mutex_unlock(&s->lock);
	return err;
}

static void
let_go(struct session *s, const struct handle *h)
{
	struct vfs_id id = { h->id };

	if (h->wrote)
		server_released(s->ss->server, id);
	server_drop(s->ss->server, id, 1);
}

int
handle_close(struct session *s, uint64_t handle)
{
	struct handle *h, was;

	pthread_mutex_lock(&s->lock);
	if ((h = find(s, handle)) != NULL) {
		was = *h;
		h->id = 0;
		h->next_free = s->first_free;
		s->first_free = (uint32_t)(h - s->handles) + 1;
		s->used--;
	}
	pthread_mutex_unlock(&s->lock);
	if (h == NULL)
		return -VFS_BAD_HANDLE;
	let_go(s, &was);
	return 0;
}

void
handle_wrote(struct session *s, uint64_t handle)
{
	struct handle *h;

	pthread_mutex_lock(&s->lock);
	if ((h = find(s, handle)) != NULL)
		h->wrote = true;
	pthread_mutex_unlock(&s->lock);
}

void
handle_lost(struct session *s, uint64_t handle)
{
	struct handle *h;

	pthread_mutex_lock(&s->lock);
	if ((h = find(s, handle)) != NULL)
		h->lost = true;
	pthread_mutex_unlock(&s->lock);
}

void
handle_close_all(struct session *s)
{
	struct handle *v;
	uint32_t i, n;

	pthread_mutex_lock(&s->lock);
	v = s->handles;
	n = s->nhandles;
	s->handles = NULL;
	s->nhandles = s->cap = s->used = s->first_free = 0;
	pthread_mutex_unlock(&s->lock);
	for (i = 0; i < n; i++)
		if (v[i].id != 0)
			let_go(s, &v[i]);
	free(v);
}

/* Asked for objects without a name only. */
bool
handle_holds(const void *session, uint64_t id)
{
	/* the lock of an object that is not changed otherwise */
	struct session *s = (struct session *)(uintptr_t)session;
	bool found = false;
	uint32_t i;

	pthread_mutex_lock(&s->lock);
	for (i = 0; i < s->nhandles && !found; i++)
		found = s->handles[i].id == id && !s->handles[i].lost;
	pthread_mutex_unlock(&s->lock);
	return found;
}
