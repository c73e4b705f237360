/*
 * redo.c - encoding, decoding and appending of log records
 */
#include <assert.h>
#include <stdlib.h>
#include <string.h>

#define XXH_INLINE_ALL
#include <xxhash.h>

#include "../core/le.h"
#include "../core/sum.h"
#include "engine_impl.h"
#include "plants.h"

#define OPEN_ROOM	4096u		/* for the records of openings */
#define BLOCK_MAX	(UINT64_MAX / 2 / VFS_BLOCK - UINT32_MAX)

void
redo_head_put(uint8_t *p, const struct redo_head *h)
{
	le_put64(p, h->sum);
	le_put32(p + 8, h->len);
	le_put32(p + 12, h->type);
	le_put64(p + 16, h->seq);
	le_put64(p + 24, h->synced);
	le_put32(p + 32, h->nrows);
	le_put32(p + 36, h->nruns);
}

void
redo_head_get(const uint8_t *p, struct redo_head *h)
{
	h->sum = le_get64(p);
	h->len = le_get32(p + 8);
	h->type = le_get32(p + 12);
	h->seq = le_get64(p + 16);
	h->synced = le_get64(p + 24);
	h->nrows = le_get32(p + 32);
	h->nruns = le_get32(p + 36);
}

static uint64_t
seed_of(uint64_t before)
{
#ifdef PLANT_NO_CHAIN
	before = 0;
#endif
	return before;
}

uint64_t
redo_sum(const uint8_t *rec, uint32_t len, uint64_t before)
{
	return sum_bytes(rec + 8, len - 8, seed_of(before));
}

/* --- rows and runs ------------------------------------------------- */

size_t
redo_row_size(size_t nkey, size_t nval)
{
	return REDO_ROW + nkey + nval;
}

uint8_t *
redo_row_put(uint8_t *p, struct vfs_slice key, struct vfs_slice payload,
    bool dead)
{
	le_put32(p, dead ? REDO_DEAD : (uint32_t)(payload.n + ROW_SUM));
	le_put16(p + 4, (uint16_t)key.n);
	memcpy(p + REDO_ROW, key.p, key.n);
	p += REDO_ROW + key.n;
	if (dead)
		return p;
	if (payload.n > 0)
		memcpy(p, payload.p, payload.n);
	le_put64(p + payload.n, sum_row(key, payload));
	return p + payload.n + ROW_SUM;
}

size_t
redo_row_copy(uint8_t *p, const struct redo_row *r)
{
	le_put32(p, r->val.p == NULL ? REDO_DEAD : (uint32_t)r->val.n);
	le_put16(p + 4, (uint16_t)r->key.n);
	memcpy(p + REDO_ROW, r->key.p, r->key.n);
	if (r->val.n > 0)
		memcpy(p + REDO_ROW + r->key.n, r->val.p, r->val.n);
	return redo_row_size(r->key.n, r->val.n);
}

int
redo_row_get(const uint8_t **p, const uint8_t *end, struct redo_row *r)
{
	size_t left = (size_t)(end - *p), nval;

	if (left < REDO_ROW)
		return -VFS_CORRUPT;
	nval = le_get32(*p);
	r->key.n = le_get16(*p + 4);
	left -= REDO_ROW;
	*p += REDO_ROW;
	r->val = (struct vfs_slice){ NULL, 0 };
	if (r->key.n == 0 || r->key.n > VFS_KEY_MAX || r->key.n > left)
		return -VFS_CORRUPT;
	r->key.p = *p;
	*p += r->key.n;
	left -= r->key.n;
	if (nval == REDO_DEAD)
		return 0;
	if (nval < ROW_SUM || nval > left)
		return -VFS_CORRUPT;
	r->val = (struct vfs_slice){ *p, nval };
	*p += nval;
	return 0;
}

uint8_t *
redo_run_put(uint8_t *p, uint64_t block, struct vfs_slice bytes)
{
	le_put64(p, block);
	le_put32(p + 8, (uint32_t)bytes.n);
	memcpy(p + REDO_RUN, bytes.p, bytes.n);
	return p + REDO_RUN + bytes.n;
}

int
redo_run_get(const uint8_t **p, const uint8_t *end, struct redo_run *r)
{
	size_t left = (size_t)(end - *p);

	if (left < REDO_RUN)
		return -VFS_CORRUPT;
	r->block = le_get64(*p);
	r->bytes.n = le_get32(*p + 8);
	r->bytes.p = *p + REDO_RUN;
	if (r->bytes.n == 0 || r->bytes.n > left - REDO_RUN ||
	    r->block > BLOCK_MAX)
		return -VFS_CORRUPT;
	*p += REDO_RUN + r->bytes.n;
	return 0;
}

/* --- appending ----------------------------------------------------- */

uint8_t *
redo_start(struct engine *e, size_t n)
{
	e->rec.n = 0;
	if (vec_room(&e->rec, 1, REDO_HEAD + n + 8) < 0)
		return NULL;
	e->rec.n = REDO_HEAD + ((n + 7) & ~(size_t)7);
	memset((uint8_t *)e->rec.p + REDO_HEAD + n, 0,
	    e->rec.n - REDO_HEAD - n);
	return (uint8_t *)e->rec.p + REDO_HEAD;
}

/* Hand the finished record to the log. */
static int
append_now(struct engine *e, uint64_t pos, const void *p, size_t n)
{
	int err = e->lops->append(e->log, pos, p, n);

	return err < 0 ? latch(e, err, "append to the log") : 0;
}

/*
 * Bytes that a record leaves free behind it: the checkpoint that makes room
 * logs live drafts again first, and so do openings leave a record each.
 */
static uint64_t
kept_free(struct engine *e, const struct redo_head *h)
{
	uint64_t n = atomic_load(&e->draft_bytes);

	if (h->type == REDO_OPEN)
		return 0;
	if (h->type == REDO_RELOG)
		return OPEN_ROOM;
	if (h->type == REDO_DRAFT)
		n += h->len;
	return OPEN_ROOM + n + (n / REDO_RELOG_BYTES + 1) * (REDO_HEAD + 8);
}

/* What a record's head says of its place in the log, but its sum.  What
 * waited for the serial point saw more room than there is: another try waits
 * for a checkpoint. */
static int
head_begin(struct engine *e, struct redo_head *h, size_t len)
{
	uint64_t pos = atomic_load_explicit(&e->log_end,
	    memory_order_relaxed);

	h->len = (uint32_t)len;
	h->synced = atomic_load_explicit(&e->sync.pos, memory_order_relaxed);
	if (pos + h->len + kept_free(e, h) - atomic_load(&e->log_start) <=
	    e->log_size)
		return 0;
	atomic_store(&e->bg.again, true);
	return -VFS_AGAIN;
}

static void
appended(struct engine *e, const struct redo_head *h)
{
	uint64_t pos = atomic_load_explicit(&e->log_end,
	    memory_order_relaxed);

	e->log_sum = h->sum;
	atomic_store_explicit(&e->log_end, pos + h->len,
	    memory_order_release);
}

int
redo_append(struct engine *e, struct redo_head *h)
{
	uint64_t pos = atomic_load_explicit(&e->log_end,
	    memory_order_relaxed);
	uint8_t *p = e->rec.p;
	int err;

	if ((err = head_begin(e, h, e->rec.n)) < 0)
		return err;
	redo_head_put(p, h);
	h->sum = redo_sum(p, h->len, e->log_sum);
	le_put64(p, h->sum);
#ifdef PLANT_ACK_BEFORE_APPEND
	if (e->held.n > 0 && (err = append_now(e, e->held_pos, e->held.p,
	    e->held.n)) < 0)
		return err;
	e->held.n = 0;
	if (vec_room(&e->held, 1, h->len) < 0)
		return -VFS_NOMEM;
	memcpy(e->held.p, p, h->len);
	e->held.n = h->len;
	e->held_pos = pos;
	err = 0;
#else
	err = append_now(e, pos, p, h->len);
#endif
	if (err < 0)
		return err;
	appended(e, h);
	return 0;
}

/* --- in pieces --------------------------------------------------------- */

#define PIECE	(256u << 10)		/* stays in the processor's cache */
#ifdef PLANT_ALL_LARGE
#undef PIECE
#define PIECE	512u
#endif

struct redo_out {
	struct engine *e;
	uint64_t pos;			/* of what is in e->rec */
	XXH3_state_t *hash;
	int err;
};

struct redo_out *
redo_out_begin(struct engine *e, struct redo_head *h, size_t n)
{
	struct redo_out *o = calloc(1, sizeof(*o));
	uint8_t head[REDO_HEAD];

	if (o == NULL || (o->hash = XXH3_createState()) == NULL) {
		free(o);
		return NULL;
	}
	o->e = e;
	o->pos = atomic_load_explicit(&e->log_end, memory_order_relaxed) +
	    REDO_HEAD;
	e->rec.n = 0;
	o->err = head_begin(e, h, REDO_HEAD + ((n + 7) & ~(size_t)7));
	redo_head_put(head, h);
	XXH3_64bits_reset_withSeed(o->hash, seed_of(e->log_sum));
	XXH3_64bits_update(o->hash, head + 8, REDO_HEAD - 8);
	return o;
}

static void
piece_put(struct redo_out *o)
{
	struct vec *rec = &o->e->rec;

	if (o->err < 0 || rec->n == 0)
		return;
	XXH3_64bits_update(o->hash, rec->p, rec->n);
	o->err = append_now(o->e, o->pos, rec->p, rec->n);
	o->pos += rec->n;
	rec->n = 0;
}

uint8_t *
redo_out_room(struct redo_out *o, size_t n)
{
	struct vec *rec = &o->e->rec;
	uint8_t *p;

	if (rec->n + n > PIECE)
		piece_put(o);
	if (o->err == 0)
		o->err = vec_room(rec, 1, n > PIECE ? n : PIECE - rec->n);
	if (o->err < 0)
		return NULL;
	p = (uint8_t *)rec->p + rec->n;
	rec->n += n;
	return p;
}

int
redo_out_end(struct redo_out *o, struct redo_head *h)
{
	uint64_t end = atomic_load_explicit(&o->e->log_end,
	    memory_order_relaxed) + h->len;
	uint8_t head[REDO_HEAD], *p;
	size_t n;
	int err;

	/* What makes it a multiple of 8. */
	n = o->err == 0 ? end - o->pos - o->e->rec.n : 0;
	assert(n < 8);
	if (n > 0 && (p = redo_out_room(o, n)) != NULL)
		memset(p, 0, n);
	piece_put(o);
	h->sum = XXH3_64bits_digest(o->hash);
	redo_head_put(head, h);
	if (o->err == 0)
		o->err = append_now(o->e, end - h->len, head, sizeof(head));
	if ((err = o->err) == 0)
		appended(o->e, h);
	XXH3_freeState(o->hash);
	free(o);
	return err;
}
