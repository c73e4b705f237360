/*
 * check_store.h - a whole check, with the transactions it needs
 */
#ifndef VFSD_CHECK_STORE_H
#define VFSD_CHECK_STORE_H

#include "core/check.h"

/*
 * Checks the store behind e, one snapshot for the rows and short ones for
 * bytes, and repairs if conf says so (nobody else may use e then).
 * 0 when it came to its end, whatever was found.
 */
int check_store(struct engine *e, const struct check_conf *conf,
    struct check_sum *out);

#endif
