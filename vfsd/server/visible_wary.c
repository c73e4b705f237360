/*
 * visible_wary.c - the first answers after a commit, which are not kept
 *
 * A stat takes no lock in the kernel, which takes an answer in by storing
 * how long it is good, then what it says: who looks in between copies what
 * was there.  So what was there must be new already when an answer is kept.
 * That a thread has taken an answer in is known when it asks again; one such
 * answer may have been overtaken by an old one, so there are two.
 */
#include "visible_in.h"

#define ANSWERS		2u
#define NOT_LOOKED_AT	UINT64_MAX
#define SHARED		MARK_ALL	/* two objects in one slot */

static struct wary *
slot_of(struct visible *v, uint64_t mark)
{
	return &v->wary[mark >> 32 & (VISIBLE_WARY - 1)];
}

void
wary_set(struct visible *v, uint64_t mark)
{
	struct wary *w = slot_of(v, mark);
	uint64_t ns = atomic_load(&v->wary_ns), now = clock_ns(), is;

#ifdef PLANT_VISIBLE_NO_WARY
	return;
#endif
	if (ns == 0)
		return;
	pthread_mutex_lock(&v->wary_lock);
	is = atomic_load(&w->mark);
	atomic_fetch_add(&v->nwary, is == 0);
	if (is == 0 || is == mark || w->until <= now) {
		atomic_store(&w->mark, mark);
		w->until = NOT_LOOKED_AT;
		w->thread = w->answers = 0;
	} else {
		atomic_store(&w->mark, SHARED);
		w->until = now + ns;
	}
	pthread_mutex_unlock(&v->wary_lock);
}

/* Has the thread taken in what it was told?  0: it may be anybody. */
static bool
has_taken(struct visible *v, struct wary *w, uint32_t thread)
{
	if (w->until == NOT_LOOKED_AT) {
		w->until = clock_ns() + atomic_load(&v->wary_ns);
		w->thread = thread;
	}
	return thread != 0 && thread == w->thread && w->answers++ >= ANSWERS;
}

static bool
is_wary(struct visible *v, struct vfs_id id, bool answer, uint32_t thread)
{
	uint64_t mark, is;
	struct wary *w;
	bool done = true;

	if (atomic_load(&v->nwary) == 0)
		return false;
	mark = mark_object(id);
	w = slot_of(v, mark);
	is = atomic_load(&w->mark);
	if (is != mark && is != SHARED)
		return false;
	pthread_mutex_lock(&v->wary_lock);
	is = atomic_load(&w->mark);
	if (is == mark || is == SHARED) {
		done = w->until <= clock_ns() ||
		    (is == mark && answer && has_taken(v, w, thread));
		if (done) {
			atomic_store(&w->mark, 0);
			atomic_fetch_sub(&v->nwary, 1);
		}
	}
	pthread_mutex_unlock(&v->wary_lock);
	return !done;
}

bool
visible_keeps(struct visible *v, struct vfs_id id)
{
	return visible_keeps_pages(v, id) &&
	    !is_wary(v, id, false, 0);
}

bool
visible_keeps_answer(struct visible *v, struct vfs_id id, uint32_t thread)
{
	return visible_keeps_pages(v, id) &&
	    !is_wary(v, id, true, thread);
}
