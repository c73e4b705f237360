/*
 * visible_marks.c - what replies to the kernel may say is for keeps
 */
#include <stdlib.h>
#include <time.h>
#define XXH_INLINE_ALL
#include <xxhash.h>

#include "../../protocol/err.h"
#include "visible_in.h"

#define IDLE	UINT64_MAX

/* --- hashes: one that is shared only makes a reply not kept --------------- */

enum { OF_OBJECT = 1, OF_NAME, OF_NAMES };

/* Never 0, which is a free slot of the table, nor MARK_ALL. */
static uint64_t
hash(uint64_t id, unsigned what, struct vfs_slice name)
{
	uint64_t seed = id * 4 + what;

	return XXH3_64bits_withSeed(name.n > 0 ? name.p : "", name.n, seed) |
	    2;
}

uint64_t
mark_object(struct vfs_id id)
{
	return hash(id.n, OF_OBJECT, (struct vfs_slice){ NULL, 0 });
}

uint64_t
mark_name(struct vfs_id dir, struct vfs_slice name)
{
	return hash(dir.n, OF_NAME, name);
}

uint64_t
mark_names(struct vfs_id dir)
{
	return hash(dir.n, OF_NAMES, (struct vfs_slice){ NULL, 0 });
}

/* --- start and end -------------------------------------------------------- */

int
visible_new(struct holders *h, struct visible **out)
{
	struct visible *v = calloc(1, sizeof *v);
	pthread_rwlockattr_t fair;
	unsigned i;
	int err;

	if (v == NULL)
		return -VFS_NOMEM;
	pthread_mutex_init(&v->lock, NULL);
	pthread_mutex_init(&v->wary_lock, NULL);
	/* Commits come without end; who listens anew is let in. */
	pthread_rwlockattr_init(&fair);
	pthread_rwlockattr_setkind_np(&fair,
	    PTHREAD_RWLOCK_PREFER_WRITER_NONRECURSIVE_NP);
	pthread_rwlock_init(&v->ear_lock, &fair);
	pthread_rwlockattr_destroy(&fair);
	for (i = 0; i < VISIBLE_THREADS; i++)
		atomic_init(&v->since[i], IDLE);
	v->holders = h;
	if ((err = holders_new(&v->marks)) < 0) {
		visible_free(v);
		return err;
	}
	*out = v;
	return 0;
}

void
visible_free(struct visible *v)
{
	if (v == NULL)
		return;
	holders_free(v->marks);
	free(v->old);
	pthread_mutex_destroy(&v->lock);
	pthread_mutex_destroy(&v->wary_lock);
	pthread_rwlock_destroy(&v->ear_lock);
	free(v);
}

void
visible_listen(struct visible *v, const struct visible_ear *ear)
{
	static const struct timespec nap = { .tv_nsec = 100000 };

	pthread_rwlock_wrlock(&v->ear_lock);
	v->ear = ear != NULL ? *ear : (struct visible_ear){ 0 };
	atomic_store(&v->wary_ns, v->ear.wary_ns);
	pthread_rwlock_unlock(&v->ear_lock);
	atomic_store(&v->listening, ear != NULL);
	while (ear != NULL && atomic_load(&v->deaf) > 0)
		nanosleep(&nap, NULL);
}

void
visible_counts(struct visible *v, struct visible_counts *out)
{
	*out = (struct visible_counts){
		.commits = atomic_load(&v->count.commits),
		.objects = atomic_load(&v->count.objects),
		.names = atomic_load(&v->count.names),
		.pages = atomic_load(&v->count.pages),
		.again = atomic_load(&v->count.again),
		.late = atomic_load(&v->count.late),
		.marks = atomic_load(&v->nmarks),
	};
}

/* --- marks ---------------------------------------------------------------- */

int
marks_add(struct visible *v, uint64_t mark)
{
	int err = holders_add(v->marks, HOLDER_OTHER,
	    (struct vfs_id){ mark }, 1);

	if (err == 0)
		atomic_fetch_add(&v->nmarks, 1);
	return err;
}

static void
forget(struct visible *v, uint64_t mark)
{
	(void)holders_drop(v->marks, HOLDER_OTHER, (struct vfs_id){ mark }, 1);
	atomic_fetch_sub(&v->nmarks, 1);
}

/* When the oldest request under way began; IDLE if there is none. */
static uint64_t
oldest(struct visible *v)
{
	uint64_t s, min = IDLE;
	unsigned i;

	for (i = 0; i < VISIBLE_THREADS; i++)
		if ((s = atomic_load(&v->since[i])) < min)
			min = s;
	return min;
}

/* Under the lock. */
static void
purge(struct visible *v)
{
	uint64_t min = oldest(v);
	struct old_mark *m;

	for (; v->old_n > 0; v->old_n--) {
		m = &v->old[v->old_at];
		if (m->until > min)
			break;
		forget(v, m->hash);
		v->old_at = (v->old_at + 1) & (v->old_cap - 1);
	}
}

static bool
ring_grow(struct visible *v)
{
	size_t cap = v->old_cap > 0 ? 2 * v->old_cap : 64, i;
	struct old_mark *p = malloc(cap * sizeof *p);

	if (p == NULL)
		return false;
	for (i = 0; i < v->old_n; i++)
		p[i] = v->old[(v->old_at + i) & (v->old_cap - 1)];
	free(v->old);
	v->old = p;
	v->old_cap = cap;
	v->old_at = 0;
	return true;
}

/* Without memory a mark stays for good, which costs requests only. */
void
marks_retire(struct visible *v, const uint64_t *marks, size_t n)
{
	uint64_t until;
	size_t i;

	pthread_mutex_lock(&v->lock);
	until = atomic_fetch_add(&v->seq, 1) + 1;
	for (i = 0; i < n; i++) {
		if (v->old_n == v->old_cap && !ring_grow(v))
			break;
		v->old[(v->old_at + v->old_n++) & (v->old_cap - 1)] =
		    (struct old_mark){ marks[i], until };
	}
	purge(v);
	pthread_mutex_unlock(&v->lock);
}

/* --- what the kernel has --------------------------------------------------- */

bool
visible_holds(struct visible *v, struct vfs_id id)
{
	return id.n == VFS_ID_ROOT || holders_kernel(v->holders, id);
}

/* --- requests -------------------------------------------------------------- */

void
visible_enter(struct visible *v, unsigned thread)
{
	atomic_store(&v->since[thread], atomic_load(&v->seq));
}

void
visible_leave(struct visible *v, unsigned thread)
{
	atomic_store_explicit(&v->since[thread], IDLE, memory_order_release);
}

static bool
any_marks(struct visible *v)
{
	if (atomic_load(&v->nmarks) == 0)
		return false;
	if (pthread_mutex_trylock(&v->lock) == 0) {
		purge(v);
		pthread_mutex_unlock(&v->lock);
	}
	return atomic_load(&v->nmarks) > 0;
}

static bool
marked(struct visible *v, uint64_t mark)
{
#ifdef PLANT_VISIBLE_NO_MARK
	return (void)v, (void)mark, false;
#endif
	return holders_held(v->marks, (struct vfs_id){ mark });
}

bool
visible_keeps_pages(struct visible *v, struct vfs_id id)
{
	return !any_marks(v) ||
	    (!marked(v, mark_object(id)) && !marked(v, MARK_ALL));
}

bool
visible_keeps_name(struct visible *v, struct vfs_id dir,
    struct vfs_slice name)
{
	return !any_marks(v) || (!marked(v, mark_name(dir, name)) &&
	    !marked(v, mark_names(dir)) && !marked(v, MARK_ALL));
}

void
visible_moves(struct visible *v, struct vfs_id dir, struct vfs_slice name)
{
	uint64_t n;

	if (atomic_load(&v->nmarks) == 0)
		return;
	pthread_mutex_lock(&v->lock);
	n = atomic_load(&v->moves);
	atomic_store(&v->moved[n & (VISIBLE_MOVES - 1)],
	    mark_name(dir, name));
	atomic_store(&v->moves, n + 1);
	pthread_mutex_unlock(&v->lock);
}

int
visible_stale(struct visible *v, struct vfs_id id)
{
	return marks_add(v, mark_object(id));
}

void
visible_fresh(struct visible *v, struct vfs_id id)
{
	uint64_t mark = mark_object(id);

	marks_retire(v, &mark, 1);
}
