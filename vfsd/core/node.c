#include <assert.h>
#include <inttypes.h>

#include "draft.h"
#include "xattr.h"

#define MODE_SETUID	04000u
#define MODE_SETGID	02000u
#define MODE_XGROUP	00010u
#define NSEC		1000000000u

/* What a directory entry is said to take: du and tar believe st_size. */
#define DIRENT_BYTES	32u

static int
get_row(struct txn *t, enum row_kind kind, struct vfs_id id,
    struct rec_inode *in)
{
	struct row_key k;
	struct vfs_slice val;
	int err;

	row_key_id(&k, kind, id.n);
	if ((err = txn_get(t, row_key_slice(&k), &val)) < 0)
		return err;
	if (rec_inode_decode(val, in) < 0)
		return fault(t, -VFS_CORRUPT, "inode of object %" PRIu64,
		    id.n);
	return 0;
}

int
node_get_published(struct txn *t, struct vfs_id id, struct node *out)
{
	int err = get_row(t, ROW_INODE, id, &out->in);

	if (err < 0)
		return err == -VFS_NOENT ? -VFS_NO_SUCH_ID : err;
	out->id = id;
	out->draft = false;
	return 0;
}

int
node_get(struct txn *t, struct vfs_id id, struct node *out)
{
	int err = get_row(t, ROW_DRAFT, id, &out->in);

	if (err == -VFS_NOENT)
		return node_get_published(t, id, out);
	if (err < 0)
		return err;
	out->id = id;
	out->draft = true;
	return 0;
}

/* Only regular files have drafts, so one look is enough. */
int
node_get_dir(struct txn *t, struct vfs_id id, struct node *out)
{
	struct node n;
	int err;

	if ((err = node_get_published(t, id, &n)) < 0)
		return err;
	if (!node_is_dir(&n))
		return -VFS_NOTDIR;
	*out = n;
	return 0;
}

static int
put_row(struct txn *t, enum row_kind kind, const struct node *n)
{
	uint8_t buf[REC_INODE_MAX];
	struct row_key k;
	struct vfs_slice val = { buf, rec_inode_encode(&n->in, buf) };

	row_key_id(&k, kind, n->id.n);
	return txn_put(t, row_key_slice(&k), val);
}

int
node_put(struct txn *t, const struct node *n)
{
	assert(!n->draft);
	return put_row(t, ROW_INODE, n);
}

int
node_put_draft(struct txn *t, const struct node *n)
{
	assert(n->draft);
	return put_row(t, ROW_DRAFT, n);
}

int
node_new(struct txn *t, uint32_t mode, uint32_t uid, uint32_t gid,
    struct node *out)
{
	struct vfs_time now = txn_env(t)->now;
	uint64_t seq = txn_seq(t).n;
	struct node n = { .in = {
		.mode = mode, .nlink = 1, .uid = uid, .gid = gid,
		.atime = now, .mtime = now, .ctime = now, .btime = now,
		.data_version = seq, .meta_version = seq,
	} };
	int err;

	if ((err = txn_new_id(t, &n.id)) < 0)
		return err;
	if (node_is_dir(&n)) {
		n.in.nlink = 2;
		n.in.next_slot = VFS_SLOT_FIRST;
	}
	*out = n;
	return 0;
}

static bool
time_before(struct vfs_time a, struct vfs_time b)
{
	return a.sec < b.sec || (a.sec == b.sec && a.nsec < b.nsec);
}

/* No two states of an object share a ctime, even if the clock stands. */
void
node_touch(struct txn *t, struct node *n, unsigned what)
{
	struct vfs_time next = n->in.ctime, now = txn_env(t)->now;

	if (next.sec < INT64_MAX && ++next.nsec == NSEC) {
		next.nsec = 0;
		next.sec++;
	}
	n->in.ctime = time_before(next, now) ? now : next;
	if (what & NODE_DATA)
		n->in.mtime = n->in.ctime;
	if (n->draft)
		return;
	if (what & NODE_DATA)
		n->in.data_version = txn_seq(t).n;
	if (what & NODE_META)
		n->in.meta_version = txn_seq(t).n;
}

static int
put_moved(struct txn *t, struct vfs_id id, const struct rec_moved *m,
    struct journal_pos at)
{
	uint8_t buf[REC_MOVED_MAX];
	struct row_key k;

	row_key_moved(&k, id, at.seq, at.idx);
	return txn_put(t, row_key_slice(&k),
	    (struct vfs_slice){ buf, rec_moved_encode(m, buf) });
}

int
node_journal(struct txn *t, const struct node *n, struct rec_journal rec)
{
	struct journal_pos at;
	struct rec_moved m;
	int err;

	rec.id = n->id;
	rec.type = node_type(n);
	rec.flags = n->in.flags & INODE_MANY ? JOURNAL_MANY : 0;
	rec.data_version = n->in.data_version;
	rec.meta_version = n->in.meta_version;
	if (rec.kind >= JOURNAL_DATA && rec.kind <= JOURNAL_DELETE &&
	    n->in.nlink > 0)
		rec.parent.n = n->in.parent;
	if ((err = txn_journal(t, &rec, &at)) < 0 || at.seq == 0)
		return err;
	return rec_journal_moved(&rec, &m) ? put_moved(t, n->id, &m, at) : 0;
}

unsigned
node_lost_privs(const struct rec_inode *was, const struct node *n)
{
	return was->mode != n->in.mode || was->xattrs != n->in.xattrs ?
	    NODE_META : 0;
}

int
node_journal_content(struct txn *t, const struct node *n,
    const struct rec_inode *was)
{
	static const struct vfs_slice caps = {
		XATTR_CAPS, sizeof XATTR_CAPS - 1
	};
	int err;

	err = node_journal(t, n, (struct rec_journal){
	    .kind = JOURNAL_DATA });
	if (err == 0 && was->mode != n->in.mode)
		err = node_journal(t, n, (struct rec_journal){
		    .kind = JOURNAL_META });
	if (err == 0 && was->xattrs != n->in.xattrs)
		err = node_journal(t, n, (struct rec_journal){
		    .kind = JOURNAL_XATTR, .name = caps });
	return err;
}

int
node_orphan(struct txn *t, const struct node *n)
{
	struct row_key k;

	row_key_id(&k, ROW_ORPHAN, n->id.n);
	return txn_put(t, row_key_slice(&k), (struct vfs_slice){ "", 0 });
}

int
node_unlinked(struct txn *t, struct node *n)
{
	int err;

	if ((err = draft_publish(t, n)) < 0)
		return err;
	if (n->in.nlink == 0)
		return fault(t, -VFS_CORRUPT, "object %" PRIu64
		    " has more names than it counts", n->id.n);
	n->in.nlink = node_is_dir(n) ? 0 : n->in.nlink - 1;
	node_touch(t, n, NODE_META);
	if ((err = node_put(t, n)) < 0)
		return err;
	return n->in.nlink == 0 ? node_orphan(t, n) : 0;
}

static uint64_t
round_up(uint64_t n, uint64_t unit)
{
	return (n + unit - 1) / unit * unit;
}

/* Inline bytes take room too: what has a size must not look like a hole. */
static uint64_t
alloc_bytes(const struct rec_inode *in)
{
	uint64_t n = in->blocks * VFS_BLOCK;

	if (in->flags & INODE_INLINE)
		n += round_up(in->size, 512);
	return n;
}

void
node_attr(const struct node *n, struct vfs_attr *out)
{
	const struct rec_inode *in = &n->in;

	*out = (struct vfs_attr){
		.id = n->id, .parent = { in->parent },
		.mode = in->mode, .nlink = in->nlink,
		.uid = in->uid, .gid = in->gid,
		.rdev_major = in->rdev_major, .rdev_minor = in->rdev_minor,
		.size = in->size, .alloc = alloc_bytes(in),
		.atime = in->atime, .mtime = in->mtime,
		.ctime = in->ctime, .btime = in->btime,
		.data_version = in->data_version,
		.meta_version = in->meta_version,
	};
	if (node_is_dir(n)) {
		out->size = (in->entries + 2) * DIRENT_BYTES;
		out->alloc = round_up(out->size, VFS_BLOCK);
	}
}

/*
 * Set-gid without group execute goes too, as on Linux, unless the caller is
 * of the group; FUSE tells us only his first group, and in doubt it goes.
 */
bool
node_kill_suidgid(struct txn *t, struct node *n)
{
	const struct req_env *env = txn_env(t);
	uint32_t kill = MODE_SETUID;

	if ((n->in.mode & MODE_XGROUP) ||
	    (!env->privileged && env->gid != n->in.gid))
		kill |= MODE_SETGID;
	if (node_is_dir(n) || (n->in.mode & kill) == 0)
		return false;
	n->in.mode &= ~kill;
	return true;
}

int
node_del_row(struct txn *t, enum row_kind kind, struct vfs_id id)
{
	struct row_key k;

	row_key_id(&k, kind, id.n);
	return txn_del(t, row_key_slice(&k));
}
