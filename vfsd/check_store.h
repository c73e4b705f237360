/*
 * check_store.h - a whole check, with the transactions it needs
 */
#ifndef VFSD_CHECK_STORE_H
#define VFSD_CHECK_STORE_H

#include "core/check.h"

/*
 * Checks the store behind e (and how its rows are kept, unless
 * conf->still), one snapshot for the rows and short ones for bytes, and
 * repairs if conf says so (nobody else may use e then).  0 when it came to
 * its end, whatever was found.
 */
int check_store(struct engine *e, const struct check_conf *conf,
    struct check_sum *out);

/*
 * Before that, of a store that nobody has open: how the rows are kept in
 * dirfd, made anew from what is left of them if conf says so.  *kept: the
 * name of what they were made from, or NULL.
 */
int check_kept(int dirfd, const struct check_conf *conf,
    struct check_sum *out, const char **kept);

#endif
