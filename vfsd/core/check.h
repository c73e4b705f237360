/*
 * check.h - is the store what it says it is?
 *
 * The rows of one snapshot are read once in key order and compared with
 * each other in every direction: counts, names, slots, links, extents and
 * who owns which block.  Then, if asked, every byte of every file against
 * its checksum, in short transactions.  What is wrong is told one finding
 * at a time, with the kind of row, the object and its path.  Nothing is
 * changed except by check_fix.
 *
 * Memory: about 100 bytes an object and 32 an extent.
 * Threads: a check belongs to one.
 */
#ifndef CORE_CHECK_H
#define CORE_CHECK_H

#include "record.h"
#include "txn.h"

#define CHECK_STEP	4096u	/* rows, then progress is told */

struct check_finding {
	enum row_kind kind;		/* of the row that is wrong */
	uint64_t id;			/* object; block of space for shares */
	const char *path;		/* "" if not known */
	const char *text;		/* what is wrong */
	bool fixable;			/* check_fix knows what to do */
};

struct check_conf {
	bool bytes;			/* read file bytes too */
	bool still;			/* nobody else uses the store */
	bool repair;			/* remember what check_fix needs */
	uint64_t rows_hint;		/* about how many, for progress */
	uint64_t journal_rows;		/* how many there must be; 0: unknown */
	bool anew;			/* rows were lost: so were records */
	void (*found)(void *arg, const struct check_finding *f);
	/* false ends the check with -VFS_CANCELLED; may be NULL */
	bool (*progress)(void *arg, uint64_t done, uint64_t total);
	void *arg;
};

struct check_sum {
	uint64_t rows, objects, blocks;	/* looked at */
	uint64_t found, fixed;
	uint64_t unreadable;		/* of found: bytes, not rows */
	uint64_t records;		/* of found: of the journal */
	uint64_t left;			/* after a repair */
};

struct check;

int check_new(const struct check_conf *conf, struct check **out);
void check_free(struct check *c);

/* Reads all rows of t's snapshot.  An error is one of the check itself:
 * damage is a finding.  -VFS_CORRUPT: some cannot be reached (that is told),
 * and what is seen without them says nothing. */
int check_rows(struct check *c, struct txn *t);

/* After check_rows: next_id is what the next object will get. */
void check_ids(struct check *c, uint64_t next_id);

/* Space that nobody owned and that was not free is looked at again, in a
 * fresh txn: what another had just taken has an owner by now.  Told when
 * last.  1 if there is still some. */
int check_leaks(struct check *c, struct txn *t, bool last);

/* Reads some bytes of files; more: call again with a fresh txn. */
int check_bytes(struct check *c, struct txn *t, bool *more);

/* Is anything to be put right?  Before that the journal is to be forgotten
 * (engine_journal_forget), which puts that right, too. */
bool check_to_fix(const struct check *c);

/* Puts some of what was found right, in a writing txn. */
int check_fix(struct check *c, struct txn *t, bool *more);

void check_result(const struct check *c, struct check_sum *out);

#endif
