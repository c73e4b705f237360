/*
 * mirror.h - a tree kept from change records alone, to be compared
 *
 * What a consumer of the journal does: it keeps a cursor, (directory,
 * name) -> id, and of each object type and versions.  A walk fills another
 * one with what is there.
 */
#ifndef TESTS_MIRROR_H
#define TESTS_MIRROR_H

#include "../protocol/records.h"
#include "fx.h"

struct mirror {
	struct vfs_id top;		/* 0: the whole tree, from its birth */
	uint64_t seq;			/* the cursor */
	uint32_t idx;
	uint32_t flags, max;		/* of JOURNAL_READ */
	size_t room;			/* bytes of a page */
	bool dir_versions;		/* compared too */
	uint64_t records, pages;	/* read so far */
	uint32_t kinds;			/* 1 << kind of them */
	struct mirror_name {
		uint64_t dir, id;
		char name[16];
	} *names;
	struct mirror_obj {
		uint64_t id, dv, mv;
		unsigned type, nlink;	/* nlink: of a walk only */
		bool whole;		/* a directory all of whose names are
					 * known */
	} *objs;
	size_t nnames, nobjs, names_cap, objs_cap;
};

/* Of a subtree: with what is there now, and the cursor of now. */
void mirror_init(struct mirror *m, struct fx *fx, struct vfs_id top);
void mirror_free(struct mirror *m);

/* Read what is new and apply it.  0 or the error of JOURNAL_READ. */
int mirror_read(struct mirror *m, struct fx *fx);

/* Against the tree; prints differences, how many. */
unsigned mirror_compare(struct mirror *m, struct fx *fx);

#endif
