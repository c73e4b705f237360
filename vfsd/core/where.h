/*
 * where.h - was an object below a directory when a change was recorded?
 *
 * The tree has changed since.  Where directories, and objects with several
 * names, were at any position of the journal is told by ROW_MOVED: the
 * first of a directory's behind the position has the parent of then; if
 * there is none it is today's.  For objects with several names all of
 * them behind the position are undone.
 */
#ifndef CORE_WHERE_H
#define CORE_WHERE_H

#include "node.h"

#define WHERE_CACHE	256u		/* directories */

struct where {
	struct txn *t;
	uint64_t top;			/* the directory asked for */
	struct txn_cur *moved, *links;
	uint64_t work;			/* rows looked at so far */
	struct where_dir {		/* its parent, before position until */
		uint64_t dir, parent;
		struct journal_pos until;
	} cache[WHERE_CACHE];
	struct where_name {		/* by how much more than today */
		uint64_t dir;
		int64_t n;
	} *names;
	size_t nnames, cap;
};

void where_init(struct where *w, struct txn *t, struct vfs_id top);
void where_end(struct where *w);

/* Was dir top, or below it, after the record at?  Positions must not fall
 * from call to call.  1, 0 or an error. */
int where_dir(struct where *w, uint64_t dir, struct journal_pos at);

/* The same of the object of a record.  *parent: a directory of it that
 * is below; 0 for top itself. */
int where_object(struct where *w, const struct rec_journal *j,
    struct journal_pos at, uint64_t *parent);

#endif
