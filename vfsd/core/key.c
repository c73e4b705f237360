#include <assert.h>

#include "le.h"
#include "record.h"

/* What follows the kind byte: 8-byte numbers, then perhaps a name. */
struct key_shape {
	uint8_t numbers;
	bool named;
	uint16_t name_max;
};

static int
shape_of(uint8_t kind, struct key_shape *s)
{
	switch (kind) {
	case ROW_META:
		*s = (struct key_shape){ 0, true, VFS_NAME_MAX };
		return 0;
	case ROW_NAME:
	case ROW_XATTR:
		*s = (struct key_shape){ 1, true, VFS_NAME_MAX };
		return 0;
	case ROW_INODE:
	case ROW_INLINE:
	case ROW_SHARE:
	case ROW_ORPHAN:
	case ROW_TOKEN:
	case ROW_DRAFT:
	case ROW_DINLINE:
		*s = (struct key_shape){ 1, false, 0 };
		return 0;
	case ROW_SLOT:
	case ROW_EXTENT:
	case ROW_JOURNAL:
	case ROW_TXID:
		*s = (struct key_shape){ 2, false, 0 };
		return 0;
	case ROW_LINK:
	case ROW_MOVED:
	case ROW_DEXTENT:
		*s = (struct key_shape){ 3, false, 0 };
		return 0;
	default:
		return -VFS_CORRUPT;
	}
}

void
row_key_id(struct row_key *k, enum row_kind kind, uint64_t id)
{
	k->b[0] = kind;
	be_put64(k->b + 1, id);
	k->n = 9;
}

void
row_key_id2(struct row_key *k, enum row_kind kind, uint64_t id,
    uint64_t second)
{
	k->b[0] = kind;
	be_put64(be_put64(k->b + 1, id), second);
	k->n = 17;
}

void
row_key_dextent(struct row_key *k, struct vfs_id id, uint64_t version,
    uint64_t last)
{
	k->b[0] = ROW_DEXTENT;
	be_put64(be_put64(be_put64(k->b + 1, id.n), version), last);
	k->n = 25;
}

void
row_key_link(struct row_key *k, struct vfs_id id, struct vfs_id dir,
    uint64_t slot)
{
	k->b[0] = ROW_LINK;
	be_put64(be_put64(be_put64(k->b + 1, id.n), dir.n), slot);
	k->n = 25;
}

void
row_key_moved(struct row_key *k, struct vfs_id id, uint64_t seq,
    uint64_t idx)
{
	k->b[0] = ROW_MOVED;
	be_put64(be_put64(be_put64(k->b + 1, id.n), seq), idx);
	k->n = 25;
}

/* A META row is one of the store, so its key has no id. */
void
row_key_name(struct row_key *k, enum row_kind kind, struct vfs_id id,
    struct vfs_slice name)
{
	uint8_t *p = k->b;

	assert(name.n <= VFS_NAME_MAX);
	*p++ = kind;
	if (kind != ROW_META)
		p = be_put64(p, id.n);
	memcpy(p, name.p, name.n);
	k->n = (size_t)(p - k->b) + name.n;
}

int
row_key_second(struct vfs_slice key, uint64_t *out)
{
	if (key.n != ROW_KEY_ID + 8)
		return -VFS_CORRUPT;
	*out = be_get64((const uint8_t *)key.p + ROW_KEY_ID);
	return 0;
}

int
row_key_parse(struct vfs_slice key, struct row_parts *out)
{
	const uint8_t *p = key.p;
	struct row_parts r = { 0 };
	uint64_t *numbers[] = { &r.a, &r.b, &r.c };
	struct key_shape s;
	size_t left;
	int err, i;

	if (key.n == 0)
		return -VFS_CORRUPT;
	if ((err = shape_of(p[0], &s)) < 0)
		return err;
	left = key.n - 1;
	if (left < 8u * s.numbers)
		return -VFS_CORRUPT;
	r.kind = p[0];
	p++;
	for (i = 0; i < s.numbers; i++, p += 8, left -= 8)
		*numbers[i] = be_get64(p);
	if (s.named ? left == 0 || left > s.name_max : left != 0)
		return -VFS_CORRUPT;
	if (r.kind == ROW_DEXTENT) {	/* the block is b, as in EXTENT */
		uint64_t version = r.b;

		r.b = r.c;
		r.c = version;
	}
	if (s.named)
		r.name = (struct vfs_slice){ p, left };
	*out = r;
	return 0;
}
