/*
 * Names, slots and links say the same thing three times; counts in the
 * inode say it once more.
 */
#include <inttypes.h>
#include <stdlib.h>
#include <string.h>

#include "check_in.h"
#include "dirent.h"

static bool
is_dir(const struct obj *o)
{
	return VFS_MODE_TYPE(o->mode) == VFS_DIR;
}

static bool
same(struct vfs_slice a, struct vfs_slice b)
{
	return a.n == b.n && memcmp(a.p, b.p, a.n) == 0;
}

/* 0 there, -VFS_NOENT absent, -VFS_CORRUPT told elsewhere. */
static int
look(struct check *c, const struct row_key *k, struct vfs_slice *val)
{
	int err = txn_get(c->t, row_key_slice(k), val);

	return err == 0 || err == -VFS_NOENT ? err : -VFS_CORRUPT;
}

/* The directory that an entry stands in. */
static bool
in_dir(struct check *c, enum row_kind kind, uint64_t dir,
    const struct row_key *k, struct obj **out)
{
	struct obj *o = check_obj(c, dir);

	*out = o;
	if (o != NULL && ((o->seen & OBJ_DAMAGED) || is_dir(o)))
		return true;
	check_found(c, kind, dir, true, o == NULL ?
	    "entry in a directory without inode" :
	    "entry in what is no directory");
	check_fix_del(c, k);
	return false;
}

/* --- by name -------------------------------------------------------- */

static void
slot_again(struct check *c, uint64_t dir, const struct rec_name *e,
    struct vfs_slice name)
{
	struct rec_slot s = { .id = e->id, .type = e->type, .name = name };
	struct row_key k;
	struct fix *f;

	row_key_id2(&k, ROW_SLOT, dir, e->slot);
	if ((f = check_fix_add(c, FIX_PUT, &k)) != NULL)
		f->val_n = (uint16_t)rec_slot_encode(&s, f->val);
}

static void
compare_slot(struct check *c, const struct row_parts *p,
    const struct rec_name *e, const struct row_key *self)
{
	struct vfs_slice val;
	struct rec_slot s;
	struct row_key k;
	int err;

	row_key_id2(&k, ROW_SLOT, p->a, e->slot);
	err = look(c, &k, &val);
	if (err == -VFS_NOENT) {
		check_found(c, ROW_SLOT, p->a, true, "slot %" PRIu64
		    " of \"%.*s\" is missing", e->slot, (int)p->name.n,
		    (const char *)p->name.p);
		slot_again(c, p->a, e, p->name);
	} else if (err == -VFS_CORRUPT) {
		slot_again(c, p->a, e, p->name);
	} else if (rec_slot_decode(val, &s) == 0 && (s.id.n != e->id.n ||
	    s.type != e->type || !same(s.name, p->name))) {
		check_found(c, ROW_NAME, p->a, true, "name \"%.*s\" stands "
		    "for object %" PRIu64 ", its slot %" PRIu64
		    " says otherwise", (int)p->name.n,
		    (const char *)p->name.p, e->id.n, e->slot);
		check_fix_del(c, self);
	}
}

void
check_name(struct check *c, const struct row_parts *p, struct vfs_slice val)
{
	struct rec_name e;
	struct row_key k;
	struct obj *dir;

	row_key_name(&k, ROW_NAME, (struct vfs_id){ p->a }, p->name);
	if (!in_dir(c, ROW_NAME, p->a, &k, &dir))
		return;
	dir->names++;
	if (rec_name_decode(val, &e) < 0 || dirent_name_check(p->name) < 0) {
		check_found(c, ROW_NAME, p->a, true,
		    "name does not decode");
		check_fix_del(c, &k);
		return;
	}
	compare_slot(c, p, &e, &k);
}

/* --- by slot -------------------------------------------------------- */

static void
name_again(struct check *c, const struct row_key *k,
    const struct row_parts *p, const struct rec_slot *s)
{
	struct rec_name e = { .id = s->id, .slot = p->b, .type = s->type };
	struct fix *f;

	if ((f = check_fix_add(c, FIX_PUT, k)) != NULL)
		f->val_n = (uint16_t)rec_name_encode(&e, f->val);
}

static void
compare_name(struct check *c, const struct row_parts *p,
    const struct rec_slot *s, const struct row_key *self)
{
	struct vfs_slice val;
	struct rec_name e;
	struct row_key k;
	int err;

	row_key_name(&k, ROW_NAME, (struct vfs_id){ p->a }, s->name);
	err = look(c, &k, &val);
	if (err == -VFS_NOENT)
		check_found(c, ROW_NAME, p->a, true, "name \"%.*s\" of slot %"
		    PRIu64 " is missing", (int)s->name.n,
		    (const char *)s->name.p, p->b);
	if (err < 0) {
		name_again(c, &k, p, s);
	} else if (rec_name_decode(val, &e) == 0 && e.slot != p->b) {
		check_found(c, ROW_SLOT, p->a, true, "slot %" PRIu64
		    ": its name \"%.*s\" is in slot %" PRIu64, p->b,
		    (int)s->name.n, (const char *)s->name.p, e.slot);
		check_fix_del(c, self);
	}
}

static void
compare_link(struct check *c, const struct row_parts *p,
    const struct rec_slot *s)
{
	struct vfs_slice val;
	struct row_key k;
	int err;

	row_key_link(&k, s->id, (struct vfs_id){ p->a }, p->b);
	err = look(c, &k, &val);
	if (err == -VFS_NOENT)
		check_found(c, ROW_LINK, s->id.n, true, "link back to slot %"
		    PRIu64 " of directory %" PRIu64 " is missing", p->b,
		    p->a);
	if (err < 0)
		check_fix_add(c, FIX_PUT, &k);
}

/* The object that a slot stands for. */
static void
compare_target(struct check *c, const struct row_parts *p,
    const struct rec_slot *s)
{
	struct obj *o = check_obj(c, s->id.n);
	struct fix *f;

	if (o == NULL || (o->seen & OBJ_DAMAGED)) {
		if (o == NULL)
			check_found(c, ROW_INODE, s->id.n, true,
			    "inode is missing; slot %" PRIu64
			    " of directory %" PRIu64 " names it \"%.*s\"",
			    p->b, p->a, (int)s->name.n,
			    (const char *)s->name.p);
		f = check_fix_add(c, FIX_INODE, NULL);
		if (f != NULL) {
			f->a = s->id.n;
			f->b = s->type;
			f->dir = p->a;
		}
	} else if (VFS_MODE_TYPE(o->mode) != s->type) {
		check_found(c, ROW_SLOT, p->a, false, "slot %" PRIu64
		    ": object %" PRIu64 " is of another type", p->b,
		    s->id.n);
	}
}

void
check_slot(struct check *c, const struct row_parts *p, struct vfs_slice val)
{
	struct rec_slot s;
	struct row_key k;
	struct obj *dir;

	row_key_id2(&k, ROW_SLOT, p->a, p->b);
	if (!in_dir(c, ROW_SLOT, p->a, &k, &dir))
		return;
	dir->slots++;
	if (p->b > dir->slot_max)
		dir->slot_max = p->b;
	if (rec_slot_decode(val, &s) < 0) {
		check_found(c, ROW_SLOT, p->a, true,
		    "slot %" PRIu64 " does not decode", p->b);
		check_fix_del(c, &k);
		return;
	}
	if (p->b < VFS_SLOT_FIRST || p->b > VFS_SLOT_MAX)
		check_found(c, ROW_SLOT, p->a, false,
		    "slot number %" PRIu64 " is reserved", p->b);
	if (s.type == VFS_DIR)
		dir->subdirs++;
	compare_name(c, p, &s, &k);
	compare_link(c, p, &s);
	compare_target(c, p, &s);
}

/* --- from the object ------------------------------------------------ */

void
check_link(struct check *c, const struct row_parts *p, struct vfs_slice val)
{
	struct obj *o = check_obj(c, p->a);
	struct vfs_slice sv;
	struct rec_slot s;
	struct row_key k, self;
	int err;

	row_key_link(&self, (struct vfs_id){ p->a }, (struct vfs_id){ p->b },
	    p->c);
	if (val.n != 0)
		check_found(c, ROW_LINK, p->a, false, "link is not empty");
	if (o != NULL) {
		o->links++;
		o->up = p->b;
	}
	row_key_id2(&k, ROW_SLOT, p->b, p->c);
	err = look(c, &k, &sv);
	if (err == -VFS_CORRUPT)
		return;
	if (err == 0 && rec_slot_decode(sv, &s) == 0 && s.id.n == p->a)
		return;
	check_found(c, ROW_LINK, p->a, true, "link to slot %" PRIu64
	    " of directory %" PRIu64 ", which is not its", p->c, p->b);
	check_fix_del(c, &self);
}

/* --- counts --------------------------------------------------------- */

static void
recount(struct check *c, struct obj *o)
{
	struct fix *f;

	if ((o->seen & OBJ_RECOUNT) != 0)
		return;
	o->seen |= OBJ_RECOUNT;
	if ((f = check_fix_add(c, FIX_RECOUNT, NULL)) != NULL)
		f->a = o->id;
}

static void
miscount(struct check *c, struct obj *o, const char *what, uint64_t says,
    uint64_t is)
{
	check_found(c, ROW_INODE, o->id, true, "inode says %" PRIu64
	    " %s: %" PRIu64, says, what, is);
	recount(c, o);
}

static void
expect(struct check *c, struct obj *o, const char *what, uint64_t says,
    uint64_t is)
{
	if (says != is)
		miscount(c, o, what, says, is);
}

static void
check_dir_counts(struct check *c, struct obj *o)
{
	const struct obj *up = check_obj(c, o->parent);

	expect(c, o, "entries, there are", o->entries, o->slots);
	if (o->slots != 0 && o->next_slot <= o->slot_max)
		miscount(c, o, "as its next slot, there are slots up to",
		    o->next_slot, o->slot_max);
	if (o->nlink != 0)
		expect(c, o, "links, there should be", o->nlink, 2 + (uint64_t)o->subdirs);
	if (o->id == VFS_ID_ROOT)
		return;
	if (o->links == 1)
		expect(c, o, "as its parent, it has a name in", o->parent,
		    o->up);
	if (o->nlink != 0 && o->links > 1)
		check_found(c, ROW_LINK, o->id, false,
		    "directory with %" PRIu32 " names", o->links);
	if (o->nlink != 0 && (up == NULL || !is_dir(up)) &&
	    !(up != NULL && (up->seen & OBJ_DAMAGED)))
		check_found(c, ROW_INODE, o->id, false, "parent %" PRIu64
		    " is no directory", o->parent);
}

static void
check_content_flags(struct check *c, struct obj *o)
{
	bool says = (o->flags & INODE_INLINE) != 0;
	bool is = (o->seen & OBJ_HAS_INLINE) != 0;
	struct row_key k;

	if (is && !says) {
		check_found(c, ROW_INLINE, o->id, true,
		    "inline bytes of a file that has none");
		row_key_id(&k, ROW_INLINE, o->id);
		check_fix_del(c, &k);
	} else if (says && !is && o->size > 0) {
		check_found(c, ROW_INLINE, o->id, false,
		    "inline bytes are missing");
	} else if (says && o->size != o->inline_bytes) {
		miscount(c, o, "bytes, inline are", o->size, o->inline_bytes);
	}
	if (o->blocks == o->got_blocks)
		return;
	check_found(c, ROW_EXTENT, o->id, true, "extents have %" PRIu64
	    " blocks, inode says %" PRIu64, o->got_blocks, o->blocks);
	if (o->got_blocks < o->blocks && !check_lost_blocks(c, o))
		o->seen |= OBJ_LOST_BLOCKS;
	else
		recount(c, o);
}

static void
check_xattr_flags(struct check *c, struct obj *o)
{
	uint32_t want = 0, mask = INODE_HAS_XATTR | INODE_HAS_ACL |
	    INODE_HAS_DEFACL;

	if (o->xattrs != o->got_xattrs) {
		check_found(c, ROW_XATTR, o->id, true, "%" PRIu32
		    " attributes, inode says %" PRIu32, o->got_xattrs,
		    o->xattrs);
		recount(c, o);
		return;
	}
	if (o->got_xattrs > 0)
		want |= INODE_HAS_XATTR;
	if (o->seen & OBJ_HAS_ACL)
		want |= INODE_HAS_ACL;
	if (o->seen & OBJ_HAS_DEFACL)
		want |= INODE_HAS_DEFACL;
	expect(c, o, "as its attributes' flags, right is", o->flags & mask, want);
}

static void
check_names_of(struct check *c, struct obj *o)
{
	struct row_key k;

	if (is_dir(o) && o->id != VFS_ID_ROOT && o->nlink != 0 &&
	    o->links == 0)
		o->seen |= OBJ_LOST;
	if (!is_dir(o) && o->nlink != 0 && o->links == 0)
		o->seen |= OBJ_LOST;
	else if (!is_dir(o))
		expect(c, o, "names, there are", o->nlink, o->links);
	if (o->nlink != 0 || (o->seen & OBJ_HAS_ORPHAN))
		return;
	check_found(c, ROW_ORPHAN, o->id, true,
	    "object without names and without an orphan row");
	row_key_id(&k, ROW_ORPHAN, o->id);
	check_fix_add(c, FIX_PUT, &k);
}

static void
check_draft_rows(struct check *c, struct obj *o)
{
	bool says = (o->seen & OBJ_DRAFT_INLINE) != 0;
	bool is = (o->seen & OBJ_HAS_DINLINE) != 0;

	if (is && !says)
		check_found(c, ROW_DINLINE, o->id, false,
		    "unpublished inline bytes of a draft that has none");
}

/* --- the way to the root -------------------------------------------- */

/* Up from o until something known; all on the way get its answer. */
static void
climb(struct check *c, struct obj *o)
{
	struct obj *at = o, *up;
	uint32_t verdict = OBJ_LOST;
	size_t steps;

	for (steps = 0; steps <= c->nobjs; steps++) {
		if (at->id == VFS_ID_ROOT || (at->seen & OBJ_REACHED)) {
			verdict = OBJ_REACHED;
			break;
		}
		if ((at->seen & (OBJ_ON_WAY | OBJ_LOST | OBJ_DAMAGED)) ||
		    at->links == 0)
			break;
		at->seen |= OBJ_ON_WAY;
		if ((up = check_obj(c, at->parent)) == NULL)
			break;
		at = up;
	}
	if (at->seen & OBJ_DAMAGED)
		verdict = OBJ_REACHED;	/* told already */
	if (verdict == OBJ_LOST && (at->seen & OBJ_ON_WAY) && at->links > 0) {
		at->seen |= OBJ_LOST;
		check_found(c, ROW_INODE, at->id, false,
		    "directory is its own ancestor");
	}
	for (at = o; at != NULL && (at->seen & OBJ_ON_WAY);
	    at = check_obj(c, at->parent))
		at->seen = (at->seen & ~(uint32_t)OBJ_ON_WAY) |
		    (verdict == OBJ_REACHED ? OBJ_REACHED : 0);
}

static void
lost(struct check *c, struct obj *o)
{
	struct fix *f;

	check_found(c, ROW_INODE, o->id, true,
	    "object has no name, and says it has %" PRIu32, o->nlink);
	if (c->moved + c->remade > 0)
		return;		/* its name may be among what comes back */
	if ((f = check_fix_add(c, FIX_ADOPT, NULL)) != NULL)
		f->a = o->id;
}

static void
no_root(struct check *c, const struct obj *o)
{
	struct fix *f;

	if (o == NULL || !(o->seen & OBJ_DAMAGED))
		check_found(c, ROW_INODE, VFS_ID_ROOT, o == NULL,
		    "there is no root directory");
	if ((f = check_fix_add(c, FIX_INODE, NULL)) != NULL) {
		f->a = f->dir = VFS_ID_ROOT;
		f->b = VFS_DIR;
	}
}

void
check_objects(struct check *c)
{
	struct obj *o;
	size_t i;

	o = check_obj(c, VFS_ID_ROOT);
	if (o == NULL || (o->seen & OBJ_DAMAGED) || !is_dir(o))
		no_root(c, o);
	for (i = 0; i < c->nobjs; i++) {
		o = &c->objs[i];
		if (o->seen & OBJ_DAMAGED)
			continue;
		check_draft_rows(c, o);
		if (o->seen & OBJ_UNSURE)
			continue;
		check_names_of(c, o);
		if (is_dir(o))
			check_dir_counts(c, o);
		check_content_flags(c, o);
		check_xattr_flags(c, o);
	}
	for (i = 0; i < c->nobjs; i++) {
		o = &c->objs[i];
		if (is_dir(o) && o->nlink != 0 && !(o->seen & OBJ_DAMAGED))
			climb(c, o);
	}
	for (i = 0; i < c->nobjs; i++)
		if ((c->objs[i].seen & (OBJ_LOST | OBJ_UNSURE)) == OBJ_LOST
		    && c->objs[i].links == 0)
			lost(c, &c->objs[i]);
}
