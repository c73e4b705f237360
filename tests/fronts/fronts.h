/*
 * fronts.h - what is played on all fronts at once
 */
#ifndef TESTS_FRONTS_H
#define TESTS_FRONTS_H

#include "../../vfsd/clock.h"
#include "front.h"

#define TREES		4u		/* directories with coins */
#define COINS		32u		/* in all of them, always */

/* Numbers of directories that everybody has entered. */
enum { ROOT, WORK, TREE };

/* What somebody was told, in the file that he writes. */
struct tally {
	uint64_t tried;			/* sizes that were asked for ... */
	uint64_t a, b, acked;		/* ... and acknowledged: his two
					 * files', his counter's */
	uint64_t sums, unsure;		/* "sum" grew by 1; or it may have */
	uint64_t moves, looks, lost_races;
};

/* In the store: the work directory, its trees and coins; n pairs. */
int furnish(struct front *f, unsigned n);
int enter_all(struct front *f);

/* One after the other: what one front does all the others see; returns
 * the number of things that were wrong, and says them. */
unsigned visible(struct front *f, unsigned n, unsigned ms);

/* One of n, with its own pair of files and its own counter, until ms are
 * over or the daemon is gone. */
int writer(struct front *f, unsigned who, unsigned ms, unsigned seed,
    struct tally *t);
/* Looks at everybody's.  Wrong: EILSEQ, and it is said. */
int reader(struct front *f, unsigned n, const char *has_tx, unsigned ms,
    struct tally *t);
/* Nobody writes: is all there that was acknowledged, the same on f? */
int verify(struct front *f, unsigned n, const char *has_tx,
    const struct tally *t);

int wrong(const struct front *f, const char *fmt, ...)
    __attribute__((format(printf, 2, 3)));

#endif
