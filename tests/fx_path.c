/* The helpers of fx.h that take paths. */
#include <assert.h>
#include <string.h>

#include "fx.h"

/* Root again, while a path is walked; returns what to put back. */
static struct req_env
become_root(struct fx *fx)
{
	struct req_env env = fx->env;

	fx->env.uid = 0;
	fx->env.privileged = fx->env.kernel_checked = true;
	return env;
}

static void
become_again(struct fx *fx, struct req_env env)
{
	env.now = fx->env.now;
	fx->env = env;
}

static int
walk(struct fx *fx, const char *path, size_t n, struct vfs_attr *out)
{
	struct vfs_lookup q = { .dir = { VFS_ID_ROOT } };
	struct vfs_stat root = { .id = { VFS_ID_ROOT } };
	struct vfs_lookup_reply r;
	struct vfs_stat_reply s;
	const char *end = path + n, *slash;
	int err = fx_op_stat(fx, &root, &s);

	*out = s.attr;
	while (err == 0 && path < end) {
		if (*path == '/') {
			path++;
			continue;
		}
		slash = memchr(path, '/', (size_t)(end - path));
		if (slash == NULL)
			slash = end;
		q.name = (struct vfs_slice){ path, (size_t)(slash - path) };
		if ((err = fx_op_lookup(fx, &q, &r)) == 0)
			*out = r.attr;
		q.dir = out->id;
		path = slash;
	}
	return err;
}

int
fx_stat(struct fx *fx, const char *path, struct vfs_attr *a)
{
	struct req_env env = become_root(fx);
	int err = walk(fx, path, strlen(path), a);

	become_again(fx, env);
	return err;
}

struct vfs_id
fx_id(struct fx *fx, const char *path)
{
	struct vfs_attr a;
	int err = fx_stat(fx, path, &a);

	assert(err == 0);
	(void)err;
	return a.id;
}

/* The directory and the last name of a path. */
static int
parent(struct fx *fx, const char *path, struct vfs_id *dir,
    struct vfs_slice *name)
{
	const char *slash = strrchr(path, '/');
	struct req_env env = become_root(fx);
	struct vfs_attr a;
	int err;

	assert(slash != NULL);
	err = walk(fx, path, (size_t)(slash - path), &a);
	become_again(fx, env);
	if (err < 0)
		return err;
	*dir = a.id;
	*name = (struct vfs_slice){ slash + 1, strlen(slash + 1) };
	return 0;
}

static int
object(struct fx *fx, const char *path, struct vfs_id *id)
{
	struct vfs_attr a;
	int err = fx_stat(fx, path, &a);

	if (err == 0)
		*id = a.id;
	return err;
}

static int
make(struct fx *fx, const char *path, struct vfs_create q)
{
	struct vfs_create_reply r;
	int err;

	if ((err = parent(fx, path, &q.dir, &q.name)) < 0)
		return err;
	q.flags = VFS_CREATE_EXCL;
	return fx_op_create(fx, &q, &r);
}

int
fx_create(struct fx *fx, const char *path, uint32_t mode)
{
	return make(fx, path, (struct vfs_create){
	    .mode = VFS_TYPE_MODE(VFS_REG) | mode });
}

int
fx_mkdir(struct fx *fx, const char *path, uint32_t mode)
{
	return make(fx, path, (struct vfs_create){
	    .mode = VFS_TYPE_MODE(VFS_DIR) | mode });
}

int
fx_symlink(struct fx *fx, const char *target, const char *path)
{
	return make(fx, path, (struct vfs_create){
	    .mode = VFS_TYPE_MODE(VFS_LNK) | 0777,
	    .target = { target, strlen(target) } });
}

int
fx_link(struct fx *fx, const char *path, const char *path2)
{
	struct vfs_link_reply r;
	struct vfs_link q;
	int err;

	if ((err = object(fx, path, &q.target)) < 0 ||
	    (err = parent(fx, path2, &q.dir, &q.name)) < 0)
		return err;
	return fx_op_link(fx, &q, &r);
}

static int
take_away(struct fx *fx, const char *path, uint32_t flags)
{
	struct vfs_unlink q = { .flags = flags };
	struct vfs_unlink_reply r;
	int err;

	if ((err = parent(fx, path, &q.dir, &q.name)) < 0)
		return err;
	return fx_op_unlink(fx, &q, &r);
}

int
fx_unlink(struct fx *fx, const char *path)
{
	return take_away(fx, path, VFS_UNLINK_FILE);
}

int
fx_rmdir(struct fx *fx, const char *path)
{
	return take_away(fx, path, VFS_UNLINK_DIR);
}

int
fx_tree_remove(struct fx *fx, const char *path)
{
	struct vfs_tree_remove q = { .flags = 0 };
	struct vfs_tree_remove_reply r;
	int err;

	if ((err = parent(fx, path, &q.dir, &q.name)) < 0)
		return err;
	return fx_op_tree_remove(fx, &q, &r);
}

int
fx_tree_publish(struct fx *fx, const char *path, const char *path2,
    uint32_t flags)
{
	struct vfs_tree_publish q = { .flags = flags };
	struct vfs_tree_publish_reply r;
	int err;

	if ((err = parent(fx, path, &q.dir, &q.name)) < 0 ||
	    (err = parent(fx, path2, &q.dir2, &q.name2)) < 0)
		return err;
	return fx_op_tree_publish(fx, &q, &r);
}

int
fx_tree_clone(struct fx *fx, const char *path, const char *path2)
{
	struct vfs_tree_clone q = { .flags = 0 };
	struct vfs_tree_clone_reply r;
	int err;

	if ((err = object(fx, path, &q.src)) < 0 ||
	    (err = parent(fx, path2, &q.dir, &q.name)) < 0)
		return err;
	return fx_op_tree_clone(fx, &q, &r);
}

int
fx_rename(struct fx *fx, const char *path, const char *path2,
    uint32_t flags)
{
	struct vfs_rename q = { .flags = flags };
	struct vfs_rename_reply r;
	int err;

	if ((err = parent(fx, path, &q.dir, &q.name)) < 0 ||
	    (err = parent(fx, path2, &q.dir2, &q.name2)) < 0)
		return err;
	return fx_op_rename(fx, &q, &r);
}

static int
set(struct fx *fx, const char *path, struct vfs_setattr q)
{
	struct vfs_setattr_reply r;
	int err;

	if ((err = object(fx, path, &q.id)) < 0)
		return err;
	return fx_op_setattr(fx, &q, &r);
}

int
fx_chmod(struct fx *fx, const char *path, uint32_t mode)
{
	return set(fx, path, (struct vfs_setattr){
	    .valid = VFS_SET_MODE, .mode = mode });
}

int
fx_chown(struct fx *fx, const char *path, uint32_t uid, uint32_t gid)
{
	return set(fx, path, (struct vfs_setattr){
	    .valid = VFS_SET_UID | VFS_SET_GID, .uid = uid, .gid = gid });
}

int
fx_truncate(struct fx *fx, const char *path, uint64_t size)
{
	return set(fx, path, (struct vfs_setattr){
	    .valid = VFS_SET_SIZE, .size = size });
}

int
fx_write(struct fx *fx, const char *path, uint64_t off, const void *p,
    size_t n)
{
	struct vfs_write q = { .off = off, .data = { p, n } };
	struct vfs_write_reply r;
	int err;

	if ((err = object(fx, path, &q.id)) < 0)
		return err;
	return fx_op_write(fx, &q, &r);
}

int64_t
fx_read(struct fx *fx, const char *path, uint64_t off, void *p, size_t n)
{
	struct vfs_read q = { .off = off, .count = (uint32_t)n };
	struct vfs_read_reply r = { .data = { .p = p, .cap = n } };
	int err;

	if ((err = object(fx, path, &q.id)) < 0 ||
	    (err = fx_op_read(fx, &q, &r)) < 0)
		return err;
	return (int64_t)r.data.n;
}

int
fx_setxattr(struct fx *fx, const char *path, const char *name,
    const void *p, size_t n, uint32_t flags)
{
	struct vfs_xattr_set q = { .flags = flags,
	    .name = { name, strlen(name) }, .value = { p, n } };
	struct vfs_xattr_set_reply r;
	int err;

	if ((err = object(fx, path, &q.id)) < 0)
		return err;
	return fx_op_xattr_set(fx, &q, &r);
}

int64_t
fx_getxattr(struct fx *fx, const char *path, const char *name, void *p,
    size_t n)
{
	struct vfs_xattr_get q = { .name = { name, strlen(name) } };
	struct vfs_xattr_get_reply r = { .value = { .p = p, .cap = n } };
	int err;

	if ((err = object(fx, path, &q.id)) < 0 ||
	    (err = fx_op_xattr_get(fx, &q, &r)) < 0)
		return err;
	return (int64_t)r.value.n;
}

int
fx_removexattr(struct fx *fx, const char *path, const char *name)
{
	struct vfs_xattr_remove q = { .name = { name, strlen(name) } };
	struct vfs_xattr_remove_reply r;
	int err;

	if ((err = object(fx, path, &q.id)) < 0)
		return err;
	return fx_op_xattr_remove(fx, &q, &r);
}

int
fx_publish(struct fx *fx, const char *path)
{
	struct vfs_publish q = { .carry_max = 0 };
	struct vfs_publish_reply r;
	int err;

	if ((err = object(fx, path, &q.id)) < 0)
		return err;
	return fx_op_publish(fx, &q, &r);
}
