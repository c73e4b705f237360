/*
 * share.h - how much of what there is for all may be had by whom
 *
 * Connections, threads, transactions, watches and locks are counted, and
 * there are so many of them.  The last quarter is for the owner of the
 * store and root (sessions with VFS_RIGHT_ADMIN): whatever others do, they
 * find a place, and can look and revoke.
 */
#ifndef VFSD_SHARE_H
#define VFSD_SHARE_H

#include <stdbool.h>

static inline unsigned
share_of(unsigned max, bool own)
{
	return own || max < 2 ? max : max - (max + 3) / 4;
}

#endif
