/*
 * tx_deps.c - what a transaction has read, and whether it still holds
 *
 * For each operation a rule says which parts of which objects, and which
 * names, its answer rests on.  The snapshot's state of them is noted as a
 * number; the commit looks again.  What the operation changes is found
 * out when it is run for good, so a rule is only about what it was told.
 */
#include <assert.h>
#include <stdlib.h>
#include <string.h>
#define XXH_INLINE_ALL
#include <xxhash.h>

#include "../core/dirent.h"
#include "../core/node.h"
#include "../core/tree.h"
#include "../core/within.h"
#include "tx_in.h"

enum {
	ALIVE = 1 << 0,			/* it exists and has a name; a
					 * directory is not in a removed tree */
	PERM = 1 << 1,			/* mode, owner, ACLs */
	META = 1 << 2,			/* all attributes but size, bytes */
	DATA = 1 << 3,			/* content; all names of a directory */
	NAME = 1 << 4,			/* which object has the name */
	OUTSIDE = 1 << 5,		/* it is nothing of the session's */
	FOUND_EMPTY = 1 << 6,		/* if it is a directory: DATA */
	FOUND_ATTR = 1 << 7,		/* if it is none: META and DATA */
	TAKEN = 1 << 8,			/* nothing, but it is allowed */
	PACKED = 1 << 9,		/* allowed in a list */
	ATTR = 1 << 10,			/* META, DATA if it is no directory */
	CHECK = 1 << 11,		/* PERM, if permissions are checked */
	FOUND_CHECK = 1 << 12,		/* the same of the named object */
};

struct rule {
	unsigned what;
	size_t id, name;		/* where in the request */
};

#define R1(op, w, i)		{ { (w), offsetof(struct vfs_##op, i), 0 } }
#define RN(op, w, i, n)	{ (w), offsetof(struct vfs_##op, i), \
	offsetof(struct vfs_##op, n) }

static const struct rule rules[VFS_OP_COUNT][2] = {
	[VFS_OP_LOOKUP] = {
	    RN(lookup, CHECK | NAME | FOUND_ATTR | PACKED, dir, name) },
	[VFS_OP_CREATE] = {
	    RN(create, ALIVE | PERM | NAME | FOUND_ATTR | PACKED, dir,
	    name) },
	[VFS_OP_TMPFILE] = R1(tmpfile, ALIVE | PERM | PACKED, dir),
	[VFS_OP_LINK] = {
	    RN(link, ALIVE | CHECK | NAME | PACKED, dir, name),
	    { ALIVE | CHECK, offsetof(struct vfs_link, target), 0 } },
	[VFS_OP_UNLINK] = {
	    RN(unlink, CHECK | NAME | FOUND_CHECK | FOUND_EMPTY | PACKED, dir,
	    name) },
	[VFS_OP_RENAME] = {
	    RN(rename, CHECK | NAME | FOUND_CHECK | PACKED, dir, name),
	    RN(rename, ALIVE | CHECK | NAME | FOUND_CHECK | FOUND_EMPTY, dir2,
	    name2) },
	[VFS_OP_TREE_REMOVE] = {
	    RN(tree_remove, CHECK | NAME | FOUND_CHECK | PACKED, dir, name) },
	[VFS_OP_TREE_PUBLISH] = {
	    RN(tree_publish, CHECK | NAME | FOUND_CHECK | PACKED, dir, name),
	    RN(tree_publish, ALIVE | CHECK | NAME | FOUND_CHECK | FOUND_EMPTY,
	    dir2, name2) },
	[VFS_OP_PATHS_OF] = R1(paths_of, META, id),
	[VFS_OP_DIR_READ] = R1(dir_read, ALIVE | CHECK | DATA, dir),
	[VFS_OP_STAT] = R1(stat, META | DATA | PACKED, id),
	[VFS_OP_SETATTR] = R1(setattr, META | PACKED, id),
	[VFS_OP_ACCESS] = R1(access, PERM, id),
	[VFS_OP_READLINK] = R1(readlink, ALIVE, id),
	[VFS_OP_STATFS] = R1(statfs, TAKEN, id),
	[VFS_OP_XATTR_GET] = R1(xattr_get, META, id),
	[VFS_OP_XATTR_SET] = R1(xattr_set, META | PACKED, id),
	[VFS_OP_XATTR_LIST] = R1(xattr_list, META, id),
	[VFS_OP_XATTR_REMOVE] = R1(xattr_remove, META | PACKED, id),
	[VFS_OP_OPEN] = R1(open, CHECK | ATTR | PACKED, id),
	[VFS_OP_READ] = R1(read, CHECK | DATA, id),
	[VFS_OP_WRITE] = R1(write, CHECK | DATA | PACKED, id),
	[VFS_OP_ALLOCATE] = R1(allocate, CHECK | DATA | PACKED, id),
	[VFS_OP_COPY_RANGE] = {
	    { CHECK | DATA | PACKED, offsetof(struct vfs_copy_range, src), 0 },
	    { CHECK | DATA, offsetof(struct vfs_copy_range, dst), 0 } },
	[VFS_OP_SEEK] = R1(seek, CHECK | DATA, id),
};

bool
deps_allows(enum vfs_op op)
{
	return op > VFS_OP_NONE && op < VFS_OP_COUNT && rules[op][0].what != 0;
}

bool
deps_allows_packed(enum vfs_op op)
{
	return deps_allows(op) && (rules[op][0].what & PACKED) != 0;
}

/* --- the state of one thing, as a number --------------------------------- */

static uint64_t
time_stamp(struct vfs_time t)
{
	return (uint64_t)t.sec * 1000000000u + t.nsec;
}

static uint64_t
perm_stamp(const struct rec_inode *in)
{
	uint64_t v[4] = { in->mode, (uint64_t)in->uid << 32 | in->gid,
		in->flags & (INODE_HAS_ACL | INODE_HAS_DEFACL), 0 };

	if (v[2] != 0)
		v[3] = in->meta_version;
	return XXH3_64bits(v, sizeof v) | 1;
}

/* A draft has no version yet, but every change moves the ctime. */
static uint64_t
node_stamp(unsigned kind, const struct node *n, bool as_draft)
{
	switch (kind) {
	case PERM:
		return perm_stamp(&n->in);
	case META:
		return XXH3_64bits_withSeed(&n->in.meta_version, 8,
		    n->in.mode);
	default:
		return as_draft ? time_stamp(n->in.ctime) :
		    n->in.data_version;
	}
}

static int
alive_stamp(struct txn *t, const struct node *n, uint64_t *stamp)
{
	int alive = n->in.nlink > 0;

	if (node_is_dir(n) && (alive = tree_takes_names(n)))
		alive = tree_is_below(t, n->id,
		    (struct vfs_id){ VFS_ID_ROOT });
	*stamp = alive > 0 ? 2 : 1;
	return alive < 0 ? alive : 0;
}

static int
name_stamp(struct txn *t, uint64_t dir, struct vfs_slice name,
    uint64_t *stamp)
{
	struct rec_name e;
	int err = dirent_find(t, (struct vfs_id){ dir }, name, &e);

	*stamp = err == 0 ? e.id.n : 0;
	return err == -VFS_NOENT ? 0 : err;
}

static int
within_stamp(struct txn *t, uint64_t id, uint64_t *stamp)
{
	int in = within(t, (struct vfs_id){ id });

	*stamp = in > 0 ? 2 : 1;
	return in < 0 ? in : 0;
}

/* 0: there is no such thing. */
static int
stamp_new(struct txn *t, struct dep *d, struct vfs_slice name)
{
	struct node n;
	int err;

	if (d->kind == NAME)
		return name_stamp(t, d->id, name, &d->stamp);
	if (d->kind == OUTSIDE)
		return within_stamp(t, d->id, &d->stamp);
	err = node_get(t, (struct vfs_id){ d->id }, &n);
	if (err == -VFS_NO_SUCH_ID) {
		d->stamp = 0;
		return 0;
	}
	if (err < 0)
		return err;
	if (d->kind == ALIVE)
		return alive_stamp(t, &n, &d->stamp);
	d->draft = d->kind == DATA && n.draft;
	d->stamp = node_stamp(d->kind, &n, d->draft);
	return 0;
}

/* 1: it is as it was. */
static int
stamp_same(struct txn *t, const struct dep *d, struct vfs_slice name)
{
	struct dep now = *d;
	struct node n;
	int err;

	if (!d->draft) {
		if ((err = stamp_new(t, &now, name)) < 0)
			return err;
		return now.draft == d->draft && now.stamp == d->stamp;
	}
	/* Published since is no change. */
	err = node_get(t, (struct vfs_id){ d->id }, &n);
	if (err < 0)
		return err == -VFS_NO_SUCH_ID ? 0 : err;
	return node_stamp(DATA, &n, true) == d->stamp;
}

/* --- the set ------------------------------------------------------------- */

void
deps_free(struct deps *d)
{
	free(d->v);
	free(d->slots);
	free(d->names);
	*d = (struct deps){ 0 };
}

static struct vfs_slice
dep_name(const struct deps *d, const struct dep *x)
{
	return (struct vfs_slice){ x->name_n > 0 ? d->names + x->name_at : NULL,
	    x->name_n };
}

static uint64_t
dep_hash(unsigned kind, uint64_t id, struct vfs_slice name)
{
	return XXH3_64bits_withSeed(name.p != NULL ? name.p : "", name.n,
	    id * 31 + kind);
}

static uint32_t *
slot_of(struct deps *d, unsigned kind, uint64_t id, struct vfs_slice name)
{
	size_t at = dep_hash(kind, id, name) & (d->nslots - 1);

	for (;; at = (at + 1) & (d->nslots - 1)) {
		const struct dep *x;
		struct vfs_slice has;

		if (d->slots[at] == 0)
			return &d->slots[at];
		x = &d->v[d->slots[at] - 1];
		has = dep_name(d, x);
		if (x->id == id && x->kind == kind && has.n == name.n &&
		    (name.n == 0 || memcmp(has.p, name.p, name.n) == 0))
			return &d->slots[at];
	}
}

static int
grow(struct deps *d)
{
	size_t n = d->nslots > 0 ? 2 * d->nslots : 64, i;
	uint32_t *slots;
	struct dep *v;

	if (d->n >= VFS_TX_READS_MAX)
		return -VFS_TX_LIMIT;
	if (d->n < d->cap)
		return 0;
	if ((v = realloc(d->v, n / 2 * sizeof *v)) == NULL)
		return -VFS_NOMEM;
	d->v = v;
	if ((slots = calloc(n, sizeof *slots)) == NULL)
		return -VFS_NOMEM;
	free(d->slots);
	d->slots = slots;
	d->nslots = n;
	d->cap = n / 2;
	for (i = 0; i < d->n; i++)
		*slot_of(d, d->v[i].kind, d->v[i].id,
		    dep_name(d, &d->v[i])) = (uint32_t)i + 1;
	return 0;
}

static int
names_room(struct deps *d, size_t n)
{
	size_t cap = 2 * d->names_cap + 256;
	uint8_t *p;

	if (d->names_cap - d->names_n >= n)
		return 0;
	if ((p = realloc(d->names, cap)) == NULL)
		return -VFS_NOMEM;
	d->names = p;
	d->names_cap = cap;
	return 0;
}

static int
note_one(struct deps *d, struct txn *below, unsigned kind, uint64_t id,
    struct vfs_slice name)
{
	struct dep x = { .id = id, .kind = (uint8_t)kind };
	uint32_t *slot;
	int err;

	if (name.n > VFS_NAME_MAX)
		return 0;		/* no name: nothing was learned */
	if ((err = grow(d)) < 0 || (err = names_room(d, name.n)) < 0)
		return err;
	if (*(slot = slot_of(d, kind, id, name)) != 0)
		return 0;
	if ((err = stamp_new(below, &x, name)) < 0)
		return err;
	x.name_at = (uint32_t)d->names_n;
	x.name_n = (uint16_t)name.n;
	if (name.n > 0)
		memcpy(d->names + d->names_n, name.p, name.n);
	d->names_n += name.n;
	d->v[d->n++] = x;
	*slot = (uint32_t)d->n;
	return 0;
}

/* --- rules --------------------------------------------------------------- */

static bool
is_own(struct own own, uint64_t id)
{
	size_t lo = 0, hi = own.n, mid;

	while (lo < hi) {
		mid = lo + (hi - lo) / 2;
		if (own.ids[mid].n == id)
			return true;
		if (own.ids[mid].n < id)
			lo = mid + 1;
		else
			hi = mid;
	}
	return false;
}

/* Whom everything is allowed has not learned what is. */
static bool
is_checked(const struct txn *t)
{
	const struct req_env *env = txn_env(t);

	return !env->kernel_checked && !env->privileged;
}

static int
note_kinds(struct deps *d, struct txn *below, struct own own, unsigned what,
    uint64_t id)
{
	static const struct vfs_slice none;
	unsigned kind;
	int err;

	if (is_own(own, id))
		return 0;
	if ((what & CHECK) && is_checked(below))
		what |= PERM;
	for (kind = ALIVE; kind <= DATA; kind <<= 1)
		if ((what & kind) &&
		    (err = note_one(d, below, kind, id, none)) < 0)
			return err;
	return 0;
}

/* What lies behind a name below; 0: nothing. */
static int
note_found(struct deps *d, struct txn *below, struct own own,
    unsigned rule, uint64_t dir, struct vfs_slice name)
{
	struct rec_name e;
	unsigned what = 0;
	int err;

	err = dirent_find(below, (struct vfs_id){ dir }, name, &e);
	if (err < 0)
		return err == -VFS_NOENT ? 0 : err;
	if (rule & FOUND_CHECK)
		what |= CHECK;
	if ((rule & FOUND_EMPTY) && e.type == VFS_DIR)
		what |= DATA;
	if (rule & FOUND_ATTR)
		what |= e.type == VFS_DIR ? 0 : META | DATA;
	return note_kinds(d, below, own, what, e.id.n);
}

static int
note_name(struct deps *d, struct txn *below, struct own own,
    unsigned rule, uint64_t dir, struct vfs_slice name)
{
	int err;

	if (is_own(own, dir))
		return 0;
	if (dirent_is_dot(name) || dirent_is_dotdot(name))
		return note_kinds(d, below, own, META, dir);
	if ((err = note_one(d, below, NAME, dir, name)) < 0)
		return err;
	if ((rule & (FOUND_CHECK | FOUND_EMPTY | FOUND_ATTR)) == 0 ||
	    name.n > VFS_NAME_MAX)
		return 0;
	return note_found(d, below, own, rule, dir, name);
}

int
deps_note_attr(struct deps *d, struct txn *below, struct own own,
    struct vfs_id id)
{
	struct node n;
	int err = node_get(below, id, &n);

	if (err < 0)
		return err == -VFS_NO_SUCH_ID ? 0 : err;
	return node_is_dir(&n) ? 0 :
	    note_kinds(d, below, own, META | DATA, id.n);
}

/* What was refused as no object of the session's: that it is none.  All
 * else of it is nobody's business, nor are its changes.  1: it is so. */
static int
note_outside(struct deps *d, struct txn *below, struct own own,
    struct vfs_id id)
{
	static const struct vfs_slice none;
	int in, err;

	if (within_all(below) || id.n == 0 || is_own(own, id.n))
		return 0;
	if ((in = within(below, id)) != 0)
		return in < 0 ? in : 0;
	err = note_one(d, below, OUTSIDE, id.n, none);
	return err < 0 ? err : 1;
}

static int
note_rule(struct deps *d, struct txn *below, struct own own, enum vfs_op op,
    const struct rule *r, const void *q)
{
	const struct vfs_setattr *set = q;
	const struct vfs_tree_publish *publish = q;
	struct vfs_slice name;
	unsigned what = r->what;
	struct vfs_id id;
	int err;

	memcpy(&id, (const char *)q + r->id, sizeof id);
	if ((err = note_outside(d, below, own, id)) != 0)
		return err < 0 ? err : 0;
	if (op == VFS_OP_SETATTR && (set->valid & VFS_SET_SIZE))
		what |= DATA;
	if (op == VFS_OP_TREE_PUBLISH && publish->flags != 0)
		what &= ~(unsigned)FOUND_EMPTY;	/* it may be full */
	if ((err = note_kinds(d, below, own, what, id.n)) < 0)
		return err;
	if ((what & ATTR) &&
	    (err = deps_note_attr(d, below, own, id)) < 0)
		return err;
	if ((what & NAME) == 0)
		return 0;
	memcpy(&name, (const char *)q + r->name, sizeof name);
	return note_name(d, below, own, what, id.n, name);
}

int
deps_note(struct deps *d, struct txn *below, struct own own,
    enum vfs_op op, const void *q)
{
	int i, err;

	for (i = 0; i < 2 && rules[op][i].what != 0; i++)
		if ((err = note_rule(d, below, own, op, &rules[op][i],
		    q)) < 0)
			return err;
	return 0;
}

static const char *
kind_text(unsigned kind)
{
	switch (kind) {
	case ALIVE:
		return "that it is there";
	case PERM:
		return "mode, owner or access list";
	case META:
		return "attributes";
	case DATA:
		return "content";
	case OUTSIDE:
		return "that it is outside of the session's root";
	default:
		return "name";
	}
}

int
deps_check(const struct deps *d, struct txn *t, struct tx_verdict *v)
{
	size_t i;
	int same;

	for (i = 0; i < d->n; i++) {
		struct vfs_slice name = dep_name(d, &d->v[i]);

		if ((same = stamp_same(t, &d->v[i], name)) > 0)
			continue;
		if (same < 0)
			return same;
		v->object.n = d->v[i].id;
		v->about = kind_text(d->v[i].kind);
		v->name_n = name.n;
		if (name.n > 0)
			memcpy(v->name, name.p, name.n);
		return -VFS_CONFLICT;
	}
	return 0;
}
