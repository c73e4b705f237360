#include "cm.h"
#include "session_site.h"

static struct vfs_slice
str(const char *s)
{
	return (struct vfs_slice){ s, strlen(s) };
}

struct vfs_id
site_make(struct srig *x, struct vfs_id dir, const char *name, uint32_t mode)
{
	struct vfs_create q = { .dir = dir, .mode = mode, .name = str(name),
		.flags = VFS_CREATE_EXCL };
	struct vfs_create_reply r;

	if (mode == LINK_MODE)
		q.target = str("/" SECRET "/f");
	assert_err(srig_run(x, x->own, VFS_OP_CREATE, &q, &r), OK);
	return r.attr.id;
}

static void
fill(struct srig *x, struct vfs_id id, const char *text)
{
	struct vfs_xattr_set q = { .id = id, .name = str("user.a"),
		.value = str(text) };
	struct vfs_xattr_set_reply r;

	assert_err(s_write(x, x->own, id, 0, text, 0), OK);
	assert_err(srig_run(x, x->own, VFS_OP_XATTR_SET, &q, &r), OK);
}

static void
outside_add(struct site *t, struct vfs_id id)
{
	assert_true(t->nout < IDS_MAX);
	t->out[t->nout++] = id;
}

/* A directory and a file that the session has open, and which then go. */
static void
move_out(struct site *t, struct vfs_id secret)
{
	struct srig *x = t->x;
	struct vfs_id dir = site_make(x, t->jail, "goes", DIR_MODE);
	struct vfs_id f = site_make(x, dir, "in", FILE_MODE);
	uint64_t h;

	t->moved = t->nout;
	fill(x, f, SECRET);
	assert_err(s_walk(x, t->s, t->jail, "goes", 0, &h), OK);
	t->lost[t->nlost++] = H(h);
	assert_err(s_open(x, t->s, f, VFS_OPEN_READ | VFS_OPEN_WRITE, &h),
	    OK);
	t->lost[t->nlost++] = H(h);
	assert_err(s_rename(x, x->own, t->jail, "goes", secret,
	    SECRET "-gone"), OK);
	outside_add(t, dir);
	outside_add(t, f);
}

/* Ids are no commits' numbers: those of an aborted transaction are burnt. */
static void
burn_ids(struct srig *x)
{
	struct vfs_tx_begin bq = { 0 };
	struct vfs_tx_begin_reply br;
	struct vfs_tx_abort_reply ar;
	struct vfs_tmpfile q = { ROOT, FILE_MODE };
	struct vfs_tmpfile_reply r;
	unsigned i;

	assert_err(srig_run(x, x->own, VFS_OP_TX_BEGIN, &bq, &br), OK);
	x->tx = br.tx;
	for (i = 0; i < 2000; i++)
		assert_err(srig_run(x, x->own, VFS_OP_TMPFILE, &q, &r), OK);
	x->tx = 0;
	assert_err(srig_run(x, x->own, VFS_OP_TX_ABORT,
	    &(struct vfs_tx_abort){ br.tx }, &ar), OK);
}

void
site_open(struct site *t, struct srig *x)
{
	struct vfs_id secret, id;

	burn_ids(x);

	*t = (struct site){ .x = x, .msg = malloc(VFS_MSG_MAX) };
	assert_non_null(t->msg);
	t->jail = site_make(x, ROOT, "jail", DIR_MODE);
	t->sub = site_make(x, t->jail, "sub", DIR_MODE);
	t->f = site_make(x, t->jail, "f", FILE_MODE);
	t->subf = site_make(x, t->sub, "f", FILE_MODE);
	t->ln = site_make(x, t->jail, "ln", LINK_MODE);
	fill(x, t->f, "inside");
	secret = site_make(x, ROOT, SECRET, DIR_MODE);
	outside_add(t, ROOT);
	outside_add(t, secret);
	outside_add(t, site_make(x, secret, SECRET "-dir", DIR_MODE));
	outside_add(t, site_make(x, secret, SECRET "-link", LINK_MODE));
	outside_add(t, id = site_make(x, secret, SECRET "-f", FILE_MODE));
	fill(x, id, SECRET);
	t->s = srig_token(x, t->jail, 0);
	assert_err(s_open(x, t->s, t->f, VFS_OPEN_READ, &t->h), OK);
	move_out(t, secret);
	/* A file of both: its other name is nobody's business. */
	t->two = site_make(x, t->jail, "two", FILE_MODE);
	assert_err(srig_run(x, x->own, VFS_OP_LINK, &(struct vfs_link){
	    .dir = secret, .target = t->two, .name = str(SECRET "-two") },
	    &(struct vfs_link_reply){ 0 }), OK);
}

void
site_close(struct site *t)
{
	srig_end(t->s);
	free(t->msg);
}

/* --- what a client may ask ------------------------------------------------ */

static bool
names_request(const struct site *t, enum vfs_op op, union proto_req *q)
{
	switch (op) {
	case VFS_OP_LOOKUP:
		q->lookup = (struct vfs_lookup){ t->jail, str("f") };
		return true;
	case VFS_OP_WALK:
		q->walk = (struct vfs_walk){ .dir = t->jail,
			.path = str("../sub/../../f") };
		return true;
	case VFS_OP_CREATE:
		q->create = (struct vfs_create){ .dir = t->jail,
			.mode = FILE_MODE, .name = str("new") };
		return true;
	case VFS_OP_TMPFILE:
		q->tmpfile = (struct vfs_tmpfile){ t->jail, FILE_MODE };
		return true;
	case VFS_OP_LINK:
		q->link = (struct vfs_link){ t->sub, t->f, str("l") };
		return true;
	case VFS_OP_UNLINK:
		q->unlink = (struct vfs_unlink){ .dir = t->jail,
			.name = str("f") };
		return true;
	case VFS_OP_RENAME:
		q->rename = (struct vfs_rename){ .dir = t->jail,
			.dir2 = t->sub, .name = str("f"), .name2 = str("r") };
		return true;
	case VFS_OP_TREE_PUBLISH:
		q->tree_publish = (struct vfs_tree_publish){ .dir = t->jail,
			.dir2 = t->jail, .name = str("sub"),
			.name2 = str("pub"), .flags = VFS_RENAME_NOREPLACE };
		return true;
	case VFS_OP_TREE_REMOVE:
		q->tree_remove = (struct vfs_tree_remove){ .dir = t->jail,
			.name = str("sub") };
		return true;
	case VFS_OP_TREE_CLONE:
		q->tree_clone = (struct vfs_tree_clone){ .dir = t->jail,
			.src = t->sub, .name = str("clone") };
		return true;
	case VFS_OP_PATHS_OF:
		q->paths_of.id = t->two;
		return true;
	case VFS_OP_DIR_READ:
		q->dir_read = (struct vfs_dir_read){ .dir = t->jail,
			.want = VFS_WANT_BRIEF, .max_bytes = 65536 };
		return true;
	case VFS_OP_DIR_FENCE:
		q->dir_fence.dir = t->jail;
		return true;
	case VFS_OP_JOURNAL_READ:
		q->journal_read.subtree = t->jail;
		return true;
	case VFS_OP_DERIVE:
		q->derive.root = t->sub;
		return true;
	default:
		return false;
	}
}

static bool
file_request(const struct site *t, enum vfs_op op, union proto_req *q)
{
	switch (op) {
	case VFS_OP_STAT:
	case VFS_OP_STATFS:
	case VFS_OP_SYNC:
	case VFS_OP_XATTR_LIST:
		q->stat.id = t->f;
		return true;
	case VFS_OP_READLINK:
		q->readlink.id = t->ln;
		return true;
	case VFS_OP_SETATTR:
		q->setattr = (struct vfs_setattr){ .id = t->f,
			.valid = VFS_SET_MODE, .mode = 0600 };
		return true;
	case VFS_OP_ACCESS:
		q->access = (struct vfs_access){ t->f, VFS_MAY_READ };
		return true;
	case VFS_OP_XATTR_GET:
	case VFS_OP_XATTR_REMOVE:
		q->xattr_get = (struct vfs_xattr_get){ t->f, str("user.a") };
		return true;
	case VFS_OP_XATTR_SET:
		q->xattr_set = (struct vfs_xattr_set){ .id = t->f,
			.name = str("user.b"), .value = str("b") };
		return true;
	case VFS_OP_OPEN_ID:
		q->open_id = (struct vfs_open_id){ t->f, VFS_WALK_OPEN, 0 };
		return true;
	case VFS_OP_OPEN:
		q->open = (struct vfs_open){ t->f, VFS_OPEN_READ |
		    VFS_OPEN_WRITE | VFS_OPEN_TRUNC, 0 };
		return true;
	case VFS_OP_DUP:
		q->dup.id.n = t->h;
		return true;
	case VFS_OP_READ:
		q->read = (struct vfs_read){ .id = t->f, .count = 100 };
		return true;
	case VFS_OP_WRITE:
		q->write = (struct vfs_write){ .id = t->f,
			.data = str("new") };
		return true;
	case VFS_OP_TRUNCATE:
		q->truncate = (struct vfs_truncate){ t->f, 1 };
		return true;
	case VFS_OP_ALLOCATE:
		q->allocate = (struct vfs_allocate){ .id = t->f,
			.len = 9000 };
		return true;
	case VFS_OP_COPY_RANGE:
		q->copy_range = (struct vfs_copy_range){ .src = t->f,
			.dst = t->subf, .len = 6 };
		return true;
	case VFS_OP_SEEK:
		q->seek = (struct vfs_seek){ t->f, 0, VFS_SEEK_DATA };
		return true;
	case VFS_OP_MAP_EXTENTS:
		q->map_extents = (struct vfs_map_extents){ t->f, 0, 4096 };
		return true;
	case VFS_OP_HASH:
		q->hash = (struct vfs_hash){ .id = t->f,
			.alg = VFS_HASH_SHA256 };
		return true;
	case VFS_OP_LOCK:
	case VFS_OP_LOCK_TEST:
		q->lock = (struct vfs_lock){ .id = t->f, .owner = 1,
			.type = VFS_LOCK_EXCLUSIVE };
		return true;
	default:
		return false;
	}
}

bool
site_request(const struct site *t, enum vfs_op op, union proto_req *q)
{
	memset(q, 0, sizeof *q);
	return names_request(t, op, q) || file_request(t, op, q);
}
