/*
 * walk.h - the rows of an engine, digested and checked, without core
 *
 * A second reading of the row formats: what the checker and the
 * operations believe is not taken for granted here.
 */
#ifndef CRASH_WALK_H
#define CRASH_WALK_H

#include "../../../vfsd/core/record.h"
#include "../../../vfsd/engine/engine.h"

struct walk {
	uint64_t pub;		/* digest of the rows that survive a cut */
	uint64_t full;		/* and of drafts */
	uint32_t rows, drafts, orphans, names;
	struct journal_pos last;	/* the newest change record */
	uint64_t blocks;	/* different blocks that rows refer to */
	char bad[200];		/* empty: nothing wrong was seen */
};

/* bytes: read every block and compare checksums and references. */
int walk_txn(struct txn *t, bool bytes, struct walk *out);
int walk_engine(struct engine *e, bool bytes, struct walk *out);

bool walk_there(struct engine *e, uint64_t id);
/* A file's inode and content, published, or as readers see it. */
int walk_inode(struct txn *t, struct vfs_id id, bool draft,
    struct rec_inode *out);
int walk_content(struct txn *t, struct vfs_id id, bool draft, uint8_t *buf,
    size_t cap, size_t *n);

/* The journal is bounded: which records are still there is no part of the
 * digests, only which is the newest: none but the oldest may go (life.h:
 * nrec). */
extern bool walk_trims;

extern const struct req_env walk_env;

#endif
