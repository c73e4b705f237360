/*
 * fx_check: do the rows agree with each other?  Written from record.h
 * alone, apart from the store checker, so that each finds what the other
 * forgets.
 */
#include <assert.h>
#include <inttypes.h>
#include <string.h>

#include "../vfsd/check_store.h"
#include "../vfsd/core/record.h"
#include "fx.h"

struct check {
	struct txn *t;
	unsigned bad;
	uint64_t names, slots, links, orphans;
};

#define BAD(c, ...) \
	((c)->bad++, printf("# check: "), printf(__VA_ARGS__), printf("\n"))

static int
inode_of(struct check *c, uint64_t id, struct rec_inode *in)
{
	struct vfs_slice val;
	struct row_key k;
	int err;

	row_key_id(&k, ROW_INODE, id);
	if ((err = txn_get(c->t, row_key_slice(&k), &val)) < 0)
		return err;
	return rec_inode_decode(val, in);
}

static bool
has(struct check *c, const struct row_key *k)
{
	struct vfs_slice val;

	return txn_get(c->t, row_key_slice(k), &val) == 0;
}

/* How many rows of kind id has; of those, how many entries are dirs. */
static uint64_t
count(struct check *c, enum row_kind kind, uint64_t id, uint64_t *dirs,
    uint64_t *last_b)
{
	struct vfs_slice key, val;
	struct row_parts p;
	struct rec_name e;
	struct txn_cur *cur;
	struct row_key k;
	uint64_t n = 0;
	int err;

	*dirs = *last_b = 0;
	err = txn_cur_open(c->t, &cur);
	assert(err == 0);
	row_key_id(&k, kind, id);
	err = txn_cur_seek(cur, row_key_slice(&k), &key, &val);
	while (err == 0 && row_key_parse(key, &p) == 0 && p.kind == kind &&
	    p.a == id) {
		n++;
		*last_b = p.b;
		if (kind == ROW_NAME && rec_name_decode(val, &e) == 0)
			*dirs += e.type == VFS_DIR;
		err = txn_cur_next(cur, &key, &val);
	}
	txn_cur_close(cur);
	return n;
}

static void
check_dir(struct check *c, uint64_t id, const struct rec_inode *in)
{
	uint64_t dirs, last, n = count(c, ROW_NAME, id, &dirs, &last);

	if (n != in->entries)
		BAD(c, "directory %" PRIu64 ": %" PRIu64 " names, counts %"
		    PRIu64, id, n, in->entries);
	if (in->nlink != 0 && in->nlink != 2 + dirs)
		BAD(c, "directory %" PRIu64 ": nlink %u, %" PRIu64
		    " directories in it", id, in->nlink, dirs);
}

static void
check_inode(struct check *c, uint64_t id, struct vfs_slice val)
{
	uint64_t dirs, dir, n = count(c, ROW_LINK, id, &dirs, &dir);
	struct rec_inode in;
	struct row_key k;
	bool is_dir;

	if (rec_inode_decode(val, &in) < 0) {
		BAD(c, "inode %" PRIu64 " does not decode", id);
		return;
	}
	is_dir = VFS_MODE_TYPE(in.mode) == VFS_DIR;
	if (is_dir)
		check_dir(c, id, &in);
	if (is_dir && id != VFS_ID_ROOT ? n != (in.nlink != 0) :
	    !is_dir && n != in.nlink)
		BAD(c, "object %" PRIu64 ": nlink %u, %" PRIu64 " links",
		    id, in.nlink, n);
	if (is_dir && n == 1 && dir != in.parent)
		BAD(c, "directory %" PRIu64 ": parent %" PRIu64 ", link in %"
		    PRIu64, id, in.parent, dir);
	row_key_id(&k, ROW_ORPHAN, id);
	if (has(c, &k) != (in.nlink == 0))
		BAD(c, "object %" PRIu64 ": nlink %u, orphan %d", id,
		    in.nlink, has(c, &k));
	n = count(c, ROW_XATTR, id, &dirs, &dir);
	if ((n > 0) != ((in.flags & INODE_HAS_XATTR) != 0))
		BAD(c, "object %" PRIu64 ": %" PRIu64 " xattrs, flags %x",
		    id, n, in.flags);
}

static void
check_name(struct check *c, const struct row_parts *p, struct vfs_slice val)
{
	struct rec_inode dir, in;
	struct rec_slot slot;
	struct rec_name e;
	struct row_key k;

	if (rec_name_decode(val, &e) < 0 ||
	    inode_of(c, p->a, &dir) < 0 || inode_of(c, e.id.n, &in) < 0) {
		BAD(c, "a name in directory %" PRIu64 " leads nowhere",
		    p->a);
		return;
	}
	if (VFS_MODE_TYPE(in.mode) != e.type || in.nlink == 0 ||
	    e.slot >= dir.next_slot || e.slot < VFS_SLOT_FIRST)
		BAD(c, "directory %" PRIu64 ", slot %" PRIu64
		    ": wrong type, slot or nlink", p->a, e.slot);
	row_key_link(&k, e.id, (struct vfs_id){ p->a }, e.slot);
	if (!has(c, &k))
		BAD(c, "object %" PRIu64 " has no link row", e.id.n);
	row_key_id2(&k, ROW_SLOT, p->a, e.slot);
	if (txn_get(c->t, row_key_slice(&k), &val) < 0 ||
	    rec_slot_decode(val, &slot) < 0 || slot.id.n != e.id.n ||
	    slot.type != e.type || slot.name.n != p->name.n ||
	    memcmp(slot.name.p, p->name.p, p->name.n) != 0)
		BAD(c, "directory %" PRIu64 ", slot %" PRIu64
		    ": slot and name disagree", p->a, e.slot);
}

static void
check_owner(struct check *c, const struct row_parts *p)
{
	struct rec_inode in;

	if (inode_of(c, p->a, &in) < 0)
		BAD(c, "row of kind %c of object %" PRIu64
		    ", which is not there", p->kind, p->a);
}

static void
check_row(struct check *c, const struct row_parts *p, struct vfs_slice val)
{
	switch (p->kind) {
	case ROW_INODE:
		check_inode(c, p->a, val);
		break;
	case ROW_NAME:
		c->names++;
		check_name(c, p, val);
		break;
	case ROW_SLOT:
		c->slots++;
		break;
	case ROW_LINK:
		c->links++;
		break;
	case ROW_XATTR:
	case ROW_INLINE:
	case ROW_EXTENT:
	case ROW_ORPHAN:
	case ROW_DRAFT:
	case ROW_DINLINE:
	case ROW_DEXTENT:
		check_owner(c, p);
		break;
	default:
		break;
	}
}

static void
told(void *arg, const struct check_finding *f)
{
	(void)arg;
	printf("# checker: %c %" PRIu64 " %s: %s\n", f->kind, f->id, f->path,
	    f->text);
	fflush(stdout);
}

/* What vfsctl check would say, bytes included. */
static unsigned
checker(struct fx *fx)
{
	struct check_conf conf = { .bytes = true, .still = true,
		.found = told };
	struct check_sum sum;
	int err = check_store(fx->e, &conf, &sum);

	if (err < 0)
		printf("# checker: %s\n", vfs_err_name(err));
	return (unsigned)sum.found + (err < 0);
}

unsigned
fx_check(struct fx *fx)
{
	struct vfs_slice key, val, first = { "\0", 1 };
	struct check c = { 0 };
	struct row_parts p;
	struct txn_cur *cur;
	int err;

	err = txn_begin(fx->e, TXN_READ, &fx->env, &c.t);
	assert(err == 0);
	err = txn_cur_open(c.t, &cur);
	assert(err == 0);
	err = txn_cur_seek(cur, first, &key, &val);
	while (err == 0) {
		if (row_key_parse(key, &p) < 0)
			BAD(&c, "a key that does not parse");
		else
			check_row(&c, &p, val);
		err = txn_cur_next(cur, &key, &val);
	}
	if (err != -VFS_NOENT)
		BAD(&c, "walk: %s", vfs_err_name(err));
	if (c.names != c.slots || c.names != c.links)
		BAD(&c, "%" PRIu64 " names, %" PRIu64 " slots, %" PRIu64
		    " links", c.names, c.slots, c.links);
	txn_abort(c.t);
	return c.bad + checker(fx);
}
