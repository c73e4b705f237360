/*
 * rows.c - room in the row store for rows that are not there yet
 *
 * "Full" is decided at commit, not at the checkpoint: the store promises
 * room for all pending rows before one more is taken.  What a checkpoint
 * may dirty is bounded by the new bytes, split pages and all, and for each
 * row a page that exists already.
 */
#include "engine_impl.h"

#define PAGE		4096u
#define FIXED		(256u << 10)	/* root pages, marks, free list */
#define FOR_DELETES	(4u << 20)	/* only what frees may use it */
#define SLACK		(1u << 20)	/* less than that left: checkpoint first */
#define PENDING_FEW	64u		/* rows; a checkpoint would not help */
#define STEP		(16u << 20)	/* promised at once, where possible */

static uint64_t
estimate(struct engine *e, uint64_t rows, uint64_t bytes)
{
	uint64_t pages = atomic_load(&e->store_used) + bytes * 3;

	if (rows * PAGE < pages)
		pages = rows * PAGE;
	return FIXED + bytes * 3 + pages;
}

static uint64_t
pending(struct engine *e, uint64_t rows, uint64_t bytes)
{
	return estimate(e, rows + e->pending.rows + e->pending_frozen.rows,
	    bytes + e->pending.bytes + e->pending_frozen.bytes);
}

/* Under store_lock: have a promise of n bytes or more. */
static int
promise(struct engine *e, uint64_t n, uint64_t more)
{
	int err;

	if (n <= atomic_load(&e->row_room))
		return 0;
	err = e->sops->reserve(e->store, n + more);
	if (err == -VFS_NOSPC && more > 0) {
		more = 0;
		err = e->sops->reserve(e->store, n);
	}
	if (err == -VFS_UNSUPPORTED) {
		atomic_store(&e->row_room, UINT64_MAX);
		return 0;
	}
	if (err == 0)
		atomic_store(&e->row_room, n + more);
	else if (err != -VFS_NOSPC)
		latch(e, err, "reserve room for rows");
	return err;
}

/*
 * At the serial point: room for a commit of so many rows.  What frees may
 * use the last of it.  Where there is little left, the next transactions
 * wait for a checkpoint, which makes the estimate small again; -VFS_AGAIN
 * if this one should have.
 */
int
rows_room(struct engine *e, uint64_t rows, uint64_t bytes, bool frees)
{
	uint64_t need = pending(e, rows, bytes);
	bool few;
	int err;

	if (need + FOR_DELETES + SLACK <= atomic_load(&e->row_room))
		return 0;
	pthread_mutex_lock(&e->store_lock);
	err = promise(e, need + FOR_DELETES + SLACK, STEP);
	if (err == -VFS_NOSPC) {
		bg_tight(e);
		err = promise(e, need + FOR_DELETES, 0);
		if (err == -VFS_NOSPC && frees)
			err = promise(e, need, 0);
	}
	few = e->pending.rows + e->pending_frozen.rows <= PENDING_FEW;
	/* Free blocks are kept for bytes only while there is other room. */
	while (err == -VFS_NOSPC && few && space_yield(e->space) > 0)
		err = promise(e, need + FOR_DELETES, 0);
	pthread_mutex_unlock(&e->store_lock);
	if (err == -VFS_NOSPC && !few) {
		atomic_store(&e->bg.again, true);
		return -VFS_AGAIN;
	}
	return err;
}

void
rows_pend(struct engine *e, uint64_t rows, uint64_t bytes)
{
	e->pending.rows += rows;
	e->pending.bytes += bytes;
}

/* At the serial point: the active table has become the frozen one. */
void
rows_freeze(struct engine *e)
{
	e->pending_frozen = e->pending;
	e->pending.rows = e->pending.bytes = 0;
}

/* Under store_lock: an apply used some of the promise, nobody knows how
 * much.  Promise anew, for a whole table if the host has that. */
void
rows_applied(struct engine *e)
{
	struct store_usage u;

	if (e->sops->usage(e->store, &u) == 0)
		atomic_store(&e->store_used, u.bytes_used);
	if (atomic_load(&e->row_room) != UINT64_MAX)
		atomic_store(&e->row_room, 0);
}
