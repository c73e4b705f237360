/*
 * perm.h - may this request do that?
 *
 * Where the kernel checks FUSE requests (env->kernel_checked) the functions
 * say yes at once.  All others are checked here: mode, supplementary groups,
 * access ACL, sticky directories.
 */
#ifndef CORE_PERM_H
#define CORE_PERM_H

#include "../../protocol/proto.h"
#include "node.h"

/* mask: VFS_MAY_*.  0 or -VFS_ACCESS. */
int perm_check(struct txn *t, const struct node *n, uint32_t mask);

/* What of mask is granted, whoever checked before. */
int perm_granted(struct txn *t, const struct node *n, uint32_t mask,
    uint32_t *granted);

/* Owner (or privileged) only: chmod, utimes, ACLs.  0 or -VFS_PERM. */
int perm_owner(const struct txn *t, const struct node *n);

/* May it do what takes a capability?  The kernel looks at those itself, even
 * where it checks no modes. */
bool perm_trusted(const struct txn *t);

/* Take a name of victim out of dir: write, search, sticky.
 * -VFS_ACCESS, -VFS_PERM. */
int perm_remove(struct txn *t, const struct node *dir,
    const struct node *victim);

/* Do modes stop this caller from anything?  Not root, nor the store's owner,
 * nor who has no user; nor the kernel, which has looked itself. */
bool perm_stops(const struct txn *t);

/* Make one more name of n: who does not own it needs a file without set-id
 * bits that he may read and write, and that has a name.  The kernel has looked
 * for its own.  -VFS_PERM. */
int perm_link(struct txn *t, const struct node *n);

/* Must set-id bits go when this request changes bytes, whatever it says?
 * A kernel says so itself. */
bool perm_kills_suidgid(const struct txn *t);

/* Is gid one of the caller's groups? */
bool perm_in_group(const struct txn *t, uint32_t gid);

#endif
