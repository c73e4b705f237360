/*
 * bytes.c - blocks and file bytes: who has them, put, get
 */
#include <string.h>

#include "engine_impl.h"
#include "plants.h"

#define TIDY_BLOCKS	4096u		/* allocated: look what is free again */
#define PENDING_MAX	(1u << 18)	/* blocks that wait: 1 GiB */

/* --- blocks -------------------------------------------------------- */

/* Free what no reader and no replay can need any more. */
void
space_tidy(struct engine *e)
{
	uint64_t readers = slots_min_tick(e);
	uint64_t durable = atomic_load(&e->ckpt_tick);

#ifdef PLANT_REUSE_BEFORE_CHECKPOINT
	durable = UINT64_MAX;
#endif
#ifdef PLANT_REUSE_UNDER_READER
	readers = UINT64_MAX;
#endif
	space_settle(e->space, readers, durable);
}

/* Overwriting must not eat the disk: look now and then, and do not let
 * too much wait for the next checkpoint. */
static void
tidy_sometimes(struct engine *e, uint32_t got)
{
	struct space_usage u;

	if (atomic_fetch_add(&e->allocated, got) < TIDY_BLOCKS)
		return;
	atomic_store(&e->allocated, 0);
	space_tidy(e);
	space_usage(e->space, &u);
	if (u.pending > PENDING_MAX)
		bg_want(e);
}

int
data_alloc(struct engine *e, uint32_t want, uint64_t hint, uint64_t *block,
    uint32_t *got)
{
	int err = space_alloc(e->space, want, hint, block, got);

	if (err == 0)
		tidy_sometimes(e, *got);
	if (err != -VFS_NOSPC)
		return err;
	/* What was freed may do, once a checkpoint has forgotten it. */
	space_tidy(e);
	err = space_alloc(e->space, want, hint, block, got);
	if (err != -VFS_NOSPC || engine_checkpoint(e) < 0)
		return err;
	space_tidy(e);
	return space_alloc(e->space, want, hint, block, got);
}

void
data_unalloc(struct engine *e, uint64_t block, uint32_t n)
{
	(void)space_unalloc(e->space, block, n);
}

bool
data_is_free(struct engine *e, uint64_t block, uint64_t n)
{
	return space_is_free(e->space, block, n);
}

bool
data_is_ready(struct engine *e, uint64_t block, uint64_t n)
{
	return space_is_ready(e->space, block, n);
}

uint64_t
data_end(struct engine *e)
{
	struct space_usage u;

	space_usage(e->space, &u);
	return u.end;
}

int
engine_room(struct engine *e, uint64_t *total, uint64_t *free_)
{
	struct space_usage u;
	uint64_t host_free, host_total;
	int err;

	if ((err = e->dops->room(e->data, &host_free, &host_total)) < 0)
		return err;
	space_usage(e->space, &u);
	*total = host_total;
	*free_ = host_free + u.free * VFS_BLOCK;
	return 0;
}

/* --- bytes --------------------------------------------------------- */

#define WRITEBACK_MIN	(64u << 10)	/* begin writing larger puts at once */

int
data_put(struct engine *e, uint64_t block, const void *p, size_t n,
    uint64_t *gen)
{
	uint64_t off = block * VFS_BLOCK;
	int err = e->dops->write(e->data, off, p, n);

	if (err == -VFS_NOSPC)
		return efault(e, err, "data file: no room for block %llu",
		    (unsigned long long)block);
	if (err < 0)
		return latch(e, err, "write to the data file");
	/* After the write: a sync that covers the number covers the bytes. */
	*gen = atomic_fetch_add(&e->sync.data_gen, 1) + 1;
	if (n >= WRITEBACK_MIN)
		e->dops->writeback(e->data, off, n);
	return 0;
}

/* Blocks that a read-only recovery found only in the log. */
static void
get_carried(struct engine *e, uint64_t block, uint8_t *p, size_t n)
{
	uint64_t from = block * VFS_BLOCK, lo, hi, at;
	size_t i;

	for (i = 0; i < e->ncarried; i++) {
		const struct carry_ent *c = &e->carried[i];

		at = c->block * VFS_BLOCK;
		lo = at > from ? at : from;
		hi = at + c->n < from + n ? at + c->n : from + n;
		if (lo < hi)
			memcpy(p + (lo - from),
			    e->carried_buf + c->off + (lo - at), hi - lo);
	}
}

int
data_get(struct engine *e, uint64_t block, void *p, size_t n)
{
	int err = e->dops->read(e->data, block * VFS_BLOCK, p, n);

	if (err < 0)
		return efault(e, err, "read block %llu of the data file",
		    (unsigned long long)block);
	get_carried(e, block, p, n);
	return 0;
}

bool
data_is_synced(struct engine *e, uint64_t gen)
{
	return gen <= atomic_load(&e->sync.data_synced);
}
