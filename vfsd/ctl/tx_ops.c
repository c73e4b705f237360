#include <errno.h>
#include <fcntl.h>
#include <string.h>
#include <unistd.h>

#include "../../protocol/tx.h"
#include "tx.h"

/* --- paths --------------------------------------------------------------- */

static int
look(struct tx *t, struct vfs_id dir, struct vfs_slice name,
    struct vfs_attr *out)
{
	struct vfs_lookup q = { .dir = dir, .name = name };
	struct vfs_lookup_reply r;
	int err;

	if ((err = ctl_call(&t->k, VFS_OP_LOOKUP, &q, &r)) == 0)
		*out = r.attr;
	return err;
}

/* The directory of a path's last name, and that name; links are not
 * followed. */
static int
parent(struct tx *t, struct vfs_slice path, struct vfs_id *dir,
    struct vfs_slice *name)
{
	const char *p = path.p, *end = p + path.n;
	struct vfs_slice next = { NULL, 0 };
	struct vfs_attr a = { .mode = 0 };
	int err;

	*dir = path.n > 0 && *p == '/' ? (struct vfs_id){ VFS_ID_ROOT } :
	    t->at;
	for (;;) {
		while (p < end && *p == '/')
			p++;
		next = (struct vfs_slice){ p, 0 };
		while (p < end && *p != '/')
			p++;
		next.n = (size_t)(p - (const char *)next.p);
		while (p < end && *p == '/')
			p++;
		if (p == end)
			break;
		if ((err = look(t, *dir, next, &a)) < 0)
			return err;
		if (VFS_MODE_TYPE(a.mode) != VFS_DIR)
			return -VFS_NOTDIR;
		*dir = a.id;
	}
	*name = next;
	return 0;
}

/* What a path names; "" and "/" name a directory. */
static int
object(struct tx *t, struct vfs_slice path, struct vfs_attr *out)
{
	struct vfs_slice name, self = { ".", 1 };
	struct vfs_id dir;
	int err;

	if ((err = parent(t, path, &dir, &name)) < 0)
		return err;
	return look(t, dir, name.n > 0 ? name : self, out);
}

/* --- operations ---------------------------------------------------------- */

/* One that changes something; about is what it was about. */
static int
change(struct tx *t, enum vfs_op op, const void *q)
{
	union proto_rep r;
	int err = ctl_call(&t->k, op, q, &r);

	if (err == 0)
		t->lines[t->nops++] = t->l->number;
	return err;
}

/* The script is wrong. */
static int
bad(struct tx *t, const char *why)
{
	t->why = why;
	t->mistake = true;
	return -VFS_INVAL;
}

/* A file of the host is. */
static int
bad_file(struct tx *t)
{
	t->why = strerror(errno);
	return -VFS_IO;
}

static int
mode_of(struct tx *t, unsigned i, uint32_t dflt, uint32_t *mode)
{
	uint64_t n = dflt;

	if (i < t->l->n && (!script_number(t->l->w[i], 8, &n) || n > 07777))
		return bad(t, "the mode is no octal number");
	*mode = (uint32_t)n;
	return 0;
}

static int
make(struct tx *t, enum vfs_type type, uint32_t dflt)
{
	struct vfs_create q = { .flags = VFS_CREATE_EXCL };
	int err;

	if ((err = mode_of(t, 2, dflt, &q.mode)) < 0 ||
	    (err = parent(t, t->l->w[1], &q.dir, &q.name)) < 0)
		return err;
	q.mode |= VFS_TYPE_MODE(type);
	return change(t, VFS_OP_CREATE, &q);
}

static int
do_mkdir(struct tx *t)
{
	return make(t, VFS_DIR, 0755);
}

static int
do_create(struct tx *t)
{
	return make(t, VFS_REG, 0644);
}

static int
do_symlink(struct tx *t)
{
	struct vfs_create q = { .flags = VFS_CREATE_EXCL,
		.mode = VFS_TYPE_MODE(VFS_LNK) | 0777,
		.target = t->l->w[1] };
	int err;

	if ((err = parent(t, t->l->w[2], &q.dir, &q.name)) < 0)
		return err;
	return change(t, VFS_OP_CREATE, &q);
}

static int
write_host_file(struct tx *t, struct vfs_write *q, const char *file)
{
	ssize_t n;
	int fd, err = 0;

	if ((fd = open(file, O_RDONLY | O_CLOEXEC)) < 0)
		return bad_file(t);
	while (err == 0 && (n = read(fd, t->buf, VFS_IO_MAX)) != 0) {
		if (n < 0 && errno == EINTR)
			continue;
		if (n < 0) {
			err = bad_file(t);
			break;
		}
		q->data = (struct vfs_slice){ t->buf, (size_t)n };
		err = t->nops == VFS_TX_OPS_MAX ? -VFS_TX_LIMIT :
		    change(t, VFS_OP_WRITE, q);
		q->off += (uint64_t)n;
	}
	close(fd);
	return err;
}

static int
do_write(struct tx *t)
{
	struct vfs_slice data = t->l->w[3];
	struct vfs_write q = { .data = data };
	char file[4096];
	struct vfs_attr a;
	int err;

	if (!script_number(t->l->w[2], 10, &q.off))
		return bad(t, "the offset is no number");
	if ((err = object(t, t->l->w[1], &a)) < 0)
		return err;
	q.id = a.id;
	if (t->l->quoted[3] || data.n < 2 || *(const char *)data.p != '@')
		return change(t, VFS_OP_WRITE, &q);
	if (data.n > sizeof file)
		return -VFS_NAMETOOLONG;
	memcpy(file, (const char *)data.p + 1, data.n - 1);
	file[data.n - 1] = 0;
	return write_host_file(t, &q, file);
}

static int
do_truncate(struct tx *t)
{
	struct vfs_setattr q = { .valid = VFS_SET_SIZE };
	struct vfs_attr a;
	int err;

	if (!script_number(t->l->w[2], 10, &q.size))
		return bad(t, "the size is no number");
	if ((err = object(t, t->l->w[1], &a)) < 0)
		return err;
	q.id = a.id;
	return change(t, VFS_OP_SETATTR, &q);
}

static int
do_chmod(struct tx *t)
{
	struct vfs_setattr q = { .valid = VFS_SET_MODE };
	struct vfs_attr a;
	int err;

	if ((err = mode_of(t, 2, 0, &q.mode)) < 0 ||
	    (err = object(t, t->l->w[1], &a)) < 0)
		return err;
	q.id = a.id;
	return change(t, VFS_OP_SETATTR, &q);
}

/* UID, UID:GID or :GID. */
static int
do_chown(struct tx *t)
{
	const char *p = t->l->w[2].p, *colon = memchr(p, ':', t->l->w[2].n);
	size_t n = colon != NULL ? (size_t)(colon - p) : t->l->w[2].n;
	struct vfs_slice who = { p, n }, group = { p + n + 1, 0 };
	struct vfs_setattr q = { .valid = 0 };
	uint64_t uid = 0, gid = 0;
	struct vfs_attr a;
	int err;

	if (colon != NULL)
		group.n = t->l->w[2].n - n - 1;
	q.valid = (n > 0 ? VFS_SET_UID : 0) | (group.n > 0 ? VFS_SET_GID : 0);
	if (q.valid == 0 || (n > 0 && !script_number(who, 10, &uid)) ||
	    (group.n > 0 && !script_number(group, 10, &gid)) ||
	    uid >= UINT32_MAX || gid >= UINT32_MAX)
		return bad(t, "the owner is not UID:GID");
	if ((err = object(t, t->l->w[1], &a)) < 0)
		return err;
	q.id = a.id;
	q.uid = (uint32_t)uid;
	q.gid = (uint32_t)gid;
	return change(t, VFS_OP_SETATTR, &q);
}

static int
do_link(struct tx *t)
{
	struct vfs_link q = { .target = { 0 } };
	struct vfs_attr a;
	int err;

	if ((err = object(t, t->l->w[1], &a)) < 0 ||
	    (err = parent(t, t->l->w[2], &q.dir, &q.name)) < 0)
		return err;
	q.target = a.id;
	return change(t, VFS_OP_LINK, &q);
}

/* The word behind two paths; -VFS_INVAL if it is none of what there is. */
static int
move_flag(struct tx *t, bool tree, uint32_t *flag)
{
	struct vfs_slice w = t->l->w[3];

	*flag = 0;
	if (t->l->n < 4)
		return 0;
	if (script_is(w, "noreplace"))
		*flag = VFS_RENAME_NOREPLACE;
	else if (script_is(w, "exchange"))
		*flag = VFS_RENAME_EXCHANGE;
	else if (tree && script_is(w, "replace"))
		*flag = VFS_TREE_REPLACE;
	return *flag != 0 ? 0 : bad(t, tree ?
	    "not noreplace, replace or exchange" :
	    "not noreplace or exchange");
}

static int
do_rename(struct tx *t)
{
	struct vfs_rename q = { .flags = 0 };
	int err;

	if ((err = move_flag(t, false, &q.flags)) < 0 ||
	    (err = parent(t, t->l->w[1], &q.dir, &q.name)) < 0 ||
	    (err = parent(t, t->l->w[2], &q.dir2, &q.name2)) < 0)
		return err;
	return change(t, VFS_OP_RENAME, &q);
}

static int
do_publish(struct tx *t)
{
	struct vfs_tree_publish q = { .flags = 0 };
	int err;

	if ((err = move_flag(t, true, &q.flags)) < 0 ||
	    (err = parent(t, t->l->w[1], &q.dir, &q.name)) < 0 ||
	    (err = parent(t, t->l->w[2], &q.dir2, &q.name2)) < 0)
		return err;
	if (t->l->n < 4)
		q.flags = VFS_RENAME_NOREPLACE;
	return change(t, VFS_OP_TREE_PUBLISH, &q);
}

static int
take_away(struct tx *t, uint32_t flag)
{
	struct vfs_unlink q = { .flags = flag };
	int err;

	if ((err = parent(t, t->l->w[1], &q.dir, &q.name)) < 0)
		return err;
	return change(t, VFS_OP_UNLINK, &q);
}

static int
do_unlink(struct tx *t)
{
	return take_away(t, VFS_UNLINK_FILE);
}

static int
do_rmdir(struct tx *t)
{
	return take_away(t, VFS_UNLINK_DIR);
}

static int
do_remove_tree(struct tx *t)
{
	struct vfs_tree_remove q = { .flags = 0 };
	int err;

	if ((err = parent(t, t->l->w[1], &q.dir, &q.name)) < 0)
		return err;
	return change(t, VFS_OP_TREE_REMOVE, &q);
}

static int
do_setxattr(struct tx *t)
{
	struct vfs_xattr_set q = { .name = t->l->w[2], .value = t->l->w[3] };
	struct vfs_attr a;
	int err;

	if ((err = object(t, t->l->w[1], &a)) < 0)
		return err;
	q.id = a.id;
	return change(t, VFS_OP_XATTR_SET, &q);
}

static int
do_removexattr(struct tx *t)
{
	struct vfs_xattr_remove q = { .name = t->l->w[2] };
	struct vfs_attr a;
	int err;

	if ((err = object(t, t->l->w[1], &a)) < 0)
		return err;
	q.id = a.id;
	return change(t, VFS_OP_XATTR_REMOVE, &q);
}

/* --- require ------------------------------------------------------------- */

static int
require_absent(int err)
{
	if (err == -VFS_NOENT)
		return 0;
	return err < 0 ? err : -VFS_PRECOND;
}

/* What is asked for becomes a part of what the transaction has read: if it
 * changes before the commit, that fails. */
static int
do_require(struct tx *t)
{
	struct vfs_slice w = t->l->w[2];
	struct vfs_stat q;
	struct vfs_stat_reply r;
	struct vfs_attr a;
	uint64_t n = 0;
	int err;

	if ((t->l->n == 3) != (script_is(w, "absent") ||
	    script_is(w, "present")) ||
	    (t->l->n == 4 && !script_number(t->l->w[3], 10, &n)))
		return bad(t, "not absent, present, is ID or version N");
	err = object(t, t->l->w[1], &a);
	if (script_is(w, "absent"))
		return require_absent(err);
	if (err == -VFS_NOENT)
		return -VFS_PRECOND;
	if (err < 0 || script_is(w, "present"))
		return err;
	if (script_is(w, "is"))
		return a.id.n == n ? 0 : -VFS_PRECOND;
	if (!script_is(w, "version"))
		return bad(t, "not absent, present, is ID or version N");
	q.id = a.id;
	if ((err = ctl_call(&t->k, VFS_OP_STAT, &q, &r)) < 0)
		return err;
	return r.attr.data_version == n ? 0 : -VFS_PRECOND;
}

/* --- the table ----------------------------------------------------------- */

static const struct tx_command commands[] = {
	{ "mkdir", "PATH [MODE]", 2, 3, false, do_mkdir },
	{ "create", "PATH [MODE]", 2, 3, false, do_create },
	{ "write", "PATH OFFSET TEXT|@FILE", 4, 4, false, do_write },
	{ "truncate", "PATH SIZE", 3, 3, false, do_truncate },
	{ "symlink", "TARGET PATH", 3, 3, false, do_symlink },
	{ "link", "PATH NEWPATH", 3, 3, false, do_link },
	{ "rename", "PATH NEWPATH [noreplace|exchange]", 3, 4,
	    false, do_rename },
	{ "publish", "PATH NEWPATH [noreplace|replace|exchange]", 3, 4,
	    false, do_publish },
	{ "unlink", "PATH", 2, 2, false, do_unlink },
	{ "rmdir", "PATH", 2, 2, false, do_rmdir },
	{ "remove-tree", "PATH", 2, 2, false, do_remove_tree },
	{ "chmod", "PATH MODE", 3, 3, false, do_chmod },
	{ "chown", "PATH UID:GID", 3, 3, false, do_chown },
	{ "setxattr", "PATH NAME VALUE", 4, 4, false, do_setxattr },
	{ "removexattr", "PATH NAME", 3, 3, false, do_removexattr },
	{ "require", "PATH absent|present|is ID|version N", 3, 4,
	    true, do_require },
};

const struct tx_command *
tx_command_of(const struct script_line *l)
{
	size_t i;

	for (i = 0; i < sizeof commands / sizeof commands[0]; i++)
		if (script_is(l->w[0], commands[i].name))
			return &commands[i];
	return NULL;
}
