#include <assert.h>
#include <string.h>

#include "le.h"
#include "record.h"
#include "sum.h"

#define INODE_BYTES	144u
#define NAME_BYTES	17u
#define SLOT_BYTES	9u		/* before the name */
#define EXTENT_BYTES	24u		/* before the sums */
#define SHARE_BYTES	8u
#define JOURNAL_BYTES	48u		/* before the names */

#define INODE_FLAGS	255u
#define NSEC_MAX	999999999u

static bool
type_ok(unsigned type)
{
	switch (type) {
	case VFS_FIFO:
	case VFS_CHR:
	case VFS_DIR:
	case VFS_BLK:
	case VFS_REG:
	case VFS_LNK:
	case VFS_SOCK:
		return true;
	default:
		return false;
	}
}

/* What may stand in a row as a name: the rules of every front. */
static bool
name_ok(const void *p, size_t n)
{
	return n >= 1 && n <= VFS_NAME_MAX && memchr(p, '/', n) == NULL &&
	    memchr(p, '\0', n) == NULL;
}

/* --- inodes ------------------------------------------------------------ */

static uint8_t *
put_time(uint8_t *p, struct vfs_time t)
{
	return le_put32(le_put64(p, (uint64_t)t.sec), t.nsec);
}

static const uint8_t *
get_time(const uint8_t *p, struct vfs_time *t)
{
	t->sec = (int64_t)le_get64(p);
	t->nsec = le_get32(p + 8);
	return p + 12;
}

size_t
rec_inode_encode(const struct rec_inode *r, uint8_t *buf)
{
	uint8_t *p = buf;

	p = le_put32(p, r->mode);
	p = le_put32(p, r->nlink);
	p = le_put32(p, r->uid);
	p = le_put32(p, r->gid);
	p = le_put32(p, r->rdev_major);
	p = le_put32(p, r->rdev_minor);
	p = le_put32(p, r->flags);
	p = le_put32(p, r->xattrs);
	p = le_put64(p, r->size);
	p = le_put64(p, r->blocks);
	p = put_time(p, r->atime);
	p = put_time(p, r->mtime);
	p = put_time(p, r->ctime);
	p = put_time(p, r->btime);
	p = le_put64(p, r->data_version);
	p = le_put64(p, r->meta_version);
	p = le_put64(p, r->parent);
	p = le_put64(p, r->next_slot);
	p = le_put64(p, r->entries);
	p = le_put64(p, r->cut);
	assert(p == buf + INODE_BYTES);
	return INODE_BYTES;
}

static bool
inode_ok(const struct rec_inode *r)
{
	return (r->mode >> 16) == 0 && type_ok(VFS_MODE_TYPE(r->mode)) &&
	    (r->flags & ~INODE_FLAGS) == 0 && r->size <= VFS_FILE_MAX &&
	    r->atime.nsec <= NSEC_MAX && r->mtime.nsec <= NSEC_MAX &&
	    r->ctime.nsec <= NSEC_MAX && r->btime.nsec <= NSEC_MAX;
}

int
rec_inode_decode(struct vfs_slice val, struct rec_inode *r)
{
	const uint8_t *p = val.p;
	struct rec_inode in;

	if (val.n != INODE_BYTES)
		return -VFS_CORRUPT;
	in.mode = le_get32(p);
	in.nlink = le_get32(p + 4);
	in.uid = le_get32(p + 8);
	in.gid = le_get32(p + 12);
	in.rdev_major = le_get32(p + 16);
	in.rdev_minor = le_get32(p + 20);
	in.flags = le_get32(p + 24);
	in.xattrs = le_get32(p + 28);
	in.size = le_get64(p + 32);
	in.blocks = le_get64(p + 40);
	p = get_time(p + 48, &in.atime);
	p = get_time(p, &in.mtime);
	p = get_time(p, &in.ctime);
	p = get_time(p, &in.btime);
	in.data_version = le_get64(p);
	in.meta_version = le_get64(p + 8);
	in.parent = le_get64(p + 16);
	in.next_slot = le_get64(p + 24);
	in.entries = le_get64(p + 32);
	in.cut = le_get64(p + 40);
	if (!inode_ok(&in))
		return -VFS_CORRUPT;
	*r = in;
	return 0;
}

/* --- names and slots ---------------------------------------------------- */

size_t
rec_name_encode(const struct rec_name *r, uint8_t *buf)
{
	uint8_t *p = le_put64(le_put64(buf, r->id.n), r->slot);

	*p = r->type;
	return NAME_BYTES;
}

int
rec_name_decode(struct vfs_slice val, struct rec_name *r)
{
	const uint8_t *p = val.p;

	if (val.n != NAME_BYTES || !type_ok(p[16]))
		return -VFS_CORRUPT;
	r->id.n = le_get64(p);
	r->slot = le_get64(p + 8);
	r->type = p[16];
	return 0;
}

size_t
rec_slot_encode(const struct rec_slot *r, uint8_t *buf)
{
	uint8_t *p = le_put64(buf, r->id.n);

	*p++ = r->type;
	memcpy(p, r->name.p, r->name.n);
	return SLOT_BYTES + r->name.n;
}

int
rec_slot_decode(struct vfs_slice val, struct rec_slot *r)
{
	const uint8_t *p = val.p;

	if (val.n <= SLOT_BYTES || !type_ok(p[8]) ||
	    !name_ok(p + SLOT_BYTES, val.n - SLOT_BYTES))
		return -VFS_CORRUPT;
	r->id.n = le_get64(p);
	r->type = p[8];
	r->name = (struct vfs_slice){ p + SLOT_BYTES, val.n - SLOT_BYTES };
	return 0;
}

/* --- extents ------------------------------------------------------------ */

/* Only written blocks have checksums. */
static size_t
sums_wanted(const struct rec_extent *r)
{
	if (r->place == 0 || (r->flags & EXTENT_UNWRITTEN))
		return 0;
	return 8u * (size_t)r->nblocks;
}

size_t
rec_extent_encode(const struct rec_extent *r, uint8_t *buf)
{
	uint8_t *p = buf;

	assert(r->nblocks >= 1 && r->nblocks <= VFS_EXTENT_BLOCKS_MAX);
	assert(r->sums.n == sums_wanted(r));
	p = le_put32(p, r->nblocks);
	p = le_put32(p, r->flags);
	p = le_put64(p, r->place);
	p = le_put64(p, r->gen);
	if (r->sums.n > 0)
		memcpy(p, r->sums.p, r->sums.n);
	return EXTENT_BYTES + r->sums.n;
}

int
rec_extent_decode(struct vfs_slice val, struct rec_extent *r)
{
	const uint8_t *p = val.p;
	struct rec_extent x;

	if (val.n < EXTENT_BYTES)
		return -VFS_CORRUPT;
	x.nblocks = le_get32(p);
	x.flags = le_get32(p + 4);
	x.place = le_get64(p + 8);
	x.gen = le_get64(p + 16);
	x.sums = (struct vfs_slice){ p + EXTENT_BYTES, val.n - EXTENT_BYTES };
	if (x.nblocks < 1 || x.nblocks > VFS_EXTENT_BLOCKS_MAX ||
	    (x.flags & ~(uint32_t)(EXTENT_UNWRITTEN | EXTENT_SHARED)) != 0 ||
	    x.sums.n != sums_wanted(&x))
		return -VFS_CORRUPT;
	*r = x;
	return 0;
}

size_t
rec_share_encode(const struct rec_share *r, uint8_t *buf)
{
	le_put32(le_put32(buf, r->nblocks), r->refs);
	return SHARE_BYTES;
}

int
rec_share_decode(struct vfs_slice val, struct rec_share *r)
{
	struct rec_share s;

	if (val.n != SHARE_BYTES)
		return -VFS_CORRUPT;
	s.nblocks = le_get32(val.p);
	s.refs = le_get32((const uint8_t *)val.p + 4);
	if (s.nblocks < 1 || s.refs < 2)
		return -VFS_CORRUPT;
	*r = s;
	return 0;
}

/* --- the journal -------------------------------------------------------- */

size_t
rec_journal_encode(const struct rec_journal *r, uint8_t *buf)
{
	uint8_t *p = buf;

	assert(r->name.n <= VFS_NAME_MAX && r->name2.n <= VFS_NAME_MAX);
	p = le_put64(p, r->id.n);
	p = le_put64(p, r->parent.n);
	p = le_put64(p, r->parent2.n);
	p = le_put64(p, r->data_version);
	p = le_put64(p, r->meta_version);
	p = le_put16(p, r->kind);
	*p++ = r->type;
	*p++ = r->flags;
	p = le_put16(p, (uint16_t)r->name.n);
	p = le_put16(p, (uint16_t)r->name2.n);
	if (r->name.n > 0)
		memcpy(p, r->name.p, r->name.n);
	if (r->name2.n > 0)
		memcpy(p + r->name.n, r->name2.p, r->name2.n);
	return JOURNAL_BYTES + r->name.n + r->name2.n;
}

static bool
journal_ok(const struct rec_journal *r)
{
	return r->kind >= JOURNAL_CREATE && r->kind <= JOURNAL_KIND_MAX &&
	    r->kind != JOURNAL_ENTERED && r->kind != JOURNAL_LEFT &&
	    type_ok(r->type) && (r->flags & ~JOURNAL_MANY) == 0 &&
	    r->name.n <= VFS_NAME_MAX && r->name2.n <= VFS_NAME_MAX;
}

int
rec_journal_decode(struct vfs_slice val, struct rec_journal *r)
{
	const uint8_t *p = val.p;
	struct rec_journal j;

	if (val.n < JOURNAL_BYTES)
		return -VFS_CORRUPT;
	j.id.n = le_get64(p);
	j.parent.n = le_get64(p + 8);
	j.parent2.n = le_get64(p + 16);
	j.data_version = le_get64(p + 24);
	j.meta_version = le_get64(p + 32);
	j.kind = le_get16(p + 40);
	j.type = p[42];
	j.flags = p[43];
	j.name = (struct vfs_slice){ p + JOURNAL_BYTES, le_get16(p + 44) };
	j.name2 = (struct vfs_slice){ p + JOURNAL_BYTES, le_get16(p + 46) };
	if (!journal_ok(&j) ||
	    val.n != JOURNAL_BYTES + j.name.n + j.name2.n)
		return -VFS_CORRUPT;
	j.name2.p = p + JOURNAL_BYTES + j.name.n;
	*r = j;
	return 0;
}

bool
rec_journal_moved(const struct rec_journal *r, struct rec_moved *out)
{
	struct rec_moved m = { { 0 }, { 0 } };

	if (r->type != VFS_DIR && (r->flags & JOURNAL_MANY) == 0)
		return false;
	switch (r->kind) {
	case JOURNAL_LINK:
		m.to = r->parent;
		break;
	case JOURNAL_RENAME:
	case JOURNAL_EXCHANGE:
		m.to = r->parent2;
		m.from = r->parent;
		break;
	case JOURNAL_UNLINK:
	case JOURNAL_REMOVE_TREE:
	case JOURNAL_DELETE:
		m.from = r->parent;
		break;
	default:
		break;
	}
	*out = m;
	return m.from.n != m.to.n;
}

size_t
rec_moved_encode(const struct rec_moved *r, uint8_t *buf)
{
	le_put64(le_put64(buf, r->from.n), r->to.n);
	return REC_MOVED_MAX;
}

int
rec_moved_decode(struct vfs_slice val, struct rec_moved *r)
{
	if (val.n != REC_MOVED_MAX)
		return -VFS_CORRUPT;
	r->from.n = le_get64(val.p);
	r->to.n = le_get64((const uint8_t *)val.p + 8);
	return 0;
}

/* --- checksums ---------------------------------------------------------- */

uint64_t
sum_block(const void *p)
{
	return sum_bytes(p, VFS_BLOCK, 0);
}

/* The key's hash seeds the value's: one pass each, nothing is copied. */
uint64_t
sum_row(struct vfs_slice key, struct vfs_slice val)
{
	return sum_bytes(val.p, val.n, sum_bytes(key.p, key.n, 0));
}
