#include "acl.h"
#include "le.h"

#define ACL_VERSION	2u
#define ID_NONE		UINT32_MAX

/* Entries come in this order; a mask is a must when users or groups are
 * named. */
static int
validate(const struct acl *a)
{
	unsigned i, last = 0, count[ACL_OTHER + 1] = { 0 };

	for (i = 0; i < a->n; i++) {
		const struct acl_entry *e = &a->e[i];

		switch (e->tag) {
		case ACL_USER:
		case ACL_GROUP:
			if (e->id == ID_NONE)
				return -VFS_INVAL;
			break;
		case ACL_USER_OBJ:
		case ACL_GROUP_OBJ:
		case ACL_MASK:
		case ACL_OTHER:
			if (count[e->tag] > 0)
				return -VFS_INVAL;
			break;
		default:
			return -VFS_INVAL;
		}
		if (e->tag < last || e->perm > 7)
			return -VFS_INVAL;
		last = e->tag;
		count[e->tag]++;
	}
	if (!count[ACL_USER_OBJ] || !count[ACL_GROUP_OBJ] ||
	    !count[ACL_OTHER])
		return -VFS_INVAL;
	if ((count[ACL_USER] || count[ACL_GROUP]) && !count[ACL_MASK])
		return -VFS_INVAL;
	return 0;
}

int
acl_decode(struct vfs_slice val, struct acl *out)
{
	const uint8_t *p = val.p;
	unsigned i;

	out->n = 0;
	if (val.n == 0)
		return 0;
	if (val.n < 4 || (val.n - 4) % 8 != 0 || le_get32(p) != ACL_VERSION)
		return -VFS_INVAL;
	if (val.n > ACL_BYTES_MAX)
		return -VFS_NOSPC;
	out->n = (unsigned)((val.n - 4) / 8);
	for (i = 0, p += 4; i < out->n; i++, p += 8)
		out->e[i] = (struct acl_entry){
			.tag = le_get16(p), .perm = le_get16(p + 2),
			.id = le_get32(p + 4),
		};
	return out->n == 0 ? 0 : validate(out);
}

size_t
acl_encode(const struct acl *a, uint8_t buf[ACL_BYTES_MAX])
{
	uint8_t *p = le_put32(buf, ACL_VERSION);
	unsigned i;

	for (i = 0; i < a->n; i++) {
		p = le_put16(p, a->e[i].tag);
		p = le_put16(p, a->e[i].perm);
		p = le_put32(p, a->e[i].id);
	}
	return (size_t)(p - buf);
}

/* Where in the mode an entry's bits are; users and groups have no place.
 * The group bits of the mode are the mask's, if there is one. */
static int
mode_shift(const struct acl *a, const struct acl_entry *e)
{
	unsigned i;

	switch (e->tag) {
	case ACL_USER_OBJ:
		return 6;
	case ACL_OTHER:
		return 0;
	case ACL_MASK:
		return 3;
	case ACL_GROUP_OBJ:
		for (i = 0; i < a->n; i++)
			if (a->e[i].tag == ACL_MASK)
				return -1;
		return 3;
	default:
		return -1;
	}
}

static bool
is_minimal(const struct acl *a)
{
	return a->n == 3;	/* it is valid: user, group, other */
}

bool
acl_to_mode(const struct acl *a, uint32_t *mode)
{
	uint32_t bits = 0;
	unsigned i;
	int s;

	for (i = 0; i < a->n; i++)
		if ((s = mode_shift(a, &a->e[i])) >= 0)
			bits |= (uint32_t)a->e[i].perm << s;
	*mode = bits;
	return is_minimal(a);
}

void
acl_chmod(struct acl *a, uint32_t mode)
{
	unsigned i;
	int s;

	for (i = 0; i < a->n; i++)
		if ((s = mode_shift(a, &a->e[i])) >= 0)
			a->e[i].perm = (mode >> s) & 7;
}

bool
acl_inherit(struct acl *a, uint32_t *mode)
{
	uint32_t bits = 0;
	unsigned i;
	int s;

	for (i = 0; i < a->n; i++)
		if ((s = mode_shift(a, &a->e[i])) >= 0) {
			a->e[i].perm &= (*mode >> s) & 7;
			bits |= (uint32_t)a->e[i].perm << s;
		}
	*mode = (*mode & ~0777u) | bits;
	return is_minimal(a);
}

/* POSIX 1003.1e: the first class that fits decides; among the groups any
 * one that grants everything is enough. */
bool
acl_allows(const struct acl *a, const struct acl_who *w, uint32_t want)
{
	uint32_t mask = 7, other = 0;
	const struct acl_entry *e, *end = a->e + a->n;
	bool member = false;

	for (e = a->e; e < end; e++) {
		if (e->tag == ACL_MASK)
			mask = e->perm;
		if (e->tag == ACL_OTHER)
			other = e->perm;
	}
	for (e = a->e; e < end; e++) {
		if (e->tag == ACL_USER_OBJ && w->uid == w->owner)
			return (e->perm & want) == want;
		if (e->tag == ACL_USER && e->id == w->uid)
			return (e->perm & mask & want) == want;
		if ((e->tag == ACL_GROUP_OBJ &&
		    w->in_group(w->arg, w->group)) ||
		    (e->tag == ACL_GROUP && w->in_group(w->arg, e->id))) {
			if ((e->perm & mask & want) == want)
				return true;
			member = true;
		}
	}
	return !member && (other & want) == want;
}
