/*
 * acl.h - POSIX access control lists
 *
 * In rows and on the wire an ACL is the kernel's xattr form (version 2,
 * entries in canonical order).  The functions here are pure; xattr.c
 * keeps ACLs, perm.c asks them.
 */
#ifndef CORE_ACL_H
#define CORE_ACL_H

#include "../../protocol/err.h"
#include "../../protocol/limits.h"
#include "../../protocol/types.h"

#define ACL_NAME_ACCESS		"system.posix_acl_access"
#define ACL_NAME_DEFAULT	"system.posix_acl_default"

enum acl_tag {
	ACL_USER_OBJ = 0x01,
	ACL_USER = 0x02,
	ACL_GROUP_OBJ = 0x04,
	ACL_GROUP = 0x08,
	ACL_MASK = 0x10,
	ACL_OTHER = 0x20,
};

struct acl {
	unsigned n;
	struct acl_entry {
		uint16_t tag, perm;
		uint32_t id;
	} e[VFS_ACL_MAX];
};
#define ACL_BYTES_MAX	(4 + 8 * VFS_ACL_MAX)

/* -VFS_INVAL if it is not a valid ACL, -VFS_NOSPC if it is too long.
 * n == 0: no entries, which means "remove". */
int acl_decode(struct vfs_slice val, struct acl *out);
size_t acl_encode(const struct acl *a, uint8_t buf[ACL_BYTES_MAX]);

/* The permission bits that say the same, or nearly; true if exactly. */
bool acl_to_mode(const struct acl *a, uint32_t *mode);

/* chmod: let the ACL follow the mode. */
void acl_chmod(struct acl *a, uint32_t mode);

/* A new object under default ACL a: both are cut down to what they have
 * in common.  true if the mode says it all. */
bool acl_inherit(struct acl *a, uint32_t *mode);

/* Who asks, for acl_allows. */
struct acl_who {
	uint32_t uid, owner, group;
	bool (*in_group)(const void *arg, uint32_t gid);
	const void *arg;
};
bool acl_allows(const struct acl *a, const struct acl_who *w,
    uint32_t want);

#endif
