/*
 * users.h - who is in which groups
 *
 * As passwd(5) and group(5) had it when they were read: fronts that are
 * told a user's number only (9P) need the rest, and the sandbox hides the
 * files later.
 */
#ifndef VFSD_USERS_H
#define VFSD_USERS_H

#include "../../protocol/err.h"
#include "../../protocol/types.h"

#define USERS_MAX		65536u
#define USERS_GROUPS_MAX	64u	/* of one user */

struct users;

struct user {
	uint32_t uid, gid;
	uint32_t ngroups;
	const uint32_t *groups;
};

/* A file that is not there has nobody in it. */
int users_read(const char *passwd, const char *group, struct users **out);
void users_free(struct users *u);
/* NULL: nobody has this uid. */
const struct user *users_find(const struct users *u, uint32_t uid);

#endif
