/*
 * redo.h - records of the redo log
 *
 * A record is rows as they are to be (not what changed), and perhaps
 * file bytes that the data file may not have yet.  Each checksum is
 * seeded with the one before, so that an old record that happens to
 * stand behind a torn one is never taken for its successor.
 *
 *	0 u64 sum	XXH3 of what follows, seed: sum of the record before
 *	8 u32 length	whole, a multiple of 8
 *	12 u32 type
 *	16 u64 seq	commit sequence number, 0 for drafts
 *	24 u64 synced	log and its data are durable up to this position
 *	32 u32 rows, u32 carried runs
 *	40 rows: u32 length of value (REDO_DEAD: deletion), u16 of key, key,
 *	   value with its checksum; runs: u64 block, u32 length, bytes
 */
#ifndef ENGINE_REDO_H
#define ENGINE_REDO_H

#include "../../protocol/types.h"

#define REDO_HEAD	40u
#define REDO_ROW	6u
#define REDO_RUN	12u
#define REDO_DEAD	UINT32_MAX

#define REDO_RELOG_BYTES	(256u << 10)	/* a record of live drafts */

enum redo_type {
	REDO_COMMIT = 1,
	REDO_DRAFT = 2,		/* rows of volatile kinds only */
	REDO_RELOG = 3,		/* drafts that live on past a freeze */
	REDO_OPEN = 4,		/* the store was opened: see redo_open */
};

struct redo_head {
	uint64_t sum, seq, synced;
	uint32_t len, type, nrows, nruns;
};

/* The body of REDO_OPEN: as if it were one row's worth of bytes. */
#define REDO_OPEN_BODY	32u	/* boot id, opens, nonce */

/* One row of a record, as a bounded reader finds it. */
struct redo_row {
	struct vfs_slice key, val;	/* val with its sum; p NULL: dead */
};
struct redo_run {
	uint64_t block;
	struct vfs_slice bytes;
};

void redo_head_put(uint8_t *p, const struct redo_head *h);
void redo_head_get(const uint8_t *p, struct redo_head *h);
uint64_t redo_sum(const uint8_t *rec, uint32_t len, uint64_t before);

/* Take the next row or run of [*p, end): 0 or -VFS_CORRUPT. */
int redo_row_get(const uint8_t **p, const uint8_t *end, struct redo_row *r);
int redo_run_get(const uint8_t **p, const uint8_t *end, struct redo_run *r);

uint8_t *redo_run_put(uint8_t *p, uint64_t block, struct vfs_slice bytes);
size_t redo_row_size(size_t nkey, size_t nval);
uint8_t *redo_row_put(uint8_t *p, struct vfs_slice key,
    struct vfs_slice payload, bool dead);

/* A row as it is, with its sum; how many bytes. */
size_t redo_row_copy(uint8_t *p, const struct redo_row *r);

struct engine;

/* Fill in the head of the record in e->rec and append it; serial. */
int redo_append(struct engine *e, struct redo_head *h);
/* Start a record of n bytes in e->rec: its body, or NULL. */
uint8_t *redo_start(struct engine *e, size_t n);

/*
 * A large record, whose n bytes go into the log as they come: its head
 * does last, and before that it is none.  begin: NULL without memory.
 * room is for the next bytes of the body, to be filled by the next call;
 * NULL after an error.  end takes the record and says which; it is as
 * redo_append otherwise.
 */
struct redo_out;
struct redo_out *redo_out_begin(struct engine *e, struct redo_head *h,
    size_t n);
uint8_t *redo_out_room(struct redo_out *o, size_t n);
int redo_out_end(struct redo_out *o, struct redo_head *h);

#endif
