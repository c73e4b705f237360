/* VFP/1 over any transport: protocol/client.h over tests/host.h. */
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "front.h"

#define ROOM	65536u
#define LINE_MS	5000		/* a line does not tell that it is cut */

static int
result(struct front *f, int err)
{
	if (f->c.ended != 0)
		return ELOST;
	if (err == -VFS_CONFLICT || err == -VFS_EXPIRED ||
	    err == -VFS_ABORTED)
		return EBUSY;
	return err < 0 ? vfs_err_errno(err) : 0;
}

static int
call(struct front *f, enum vfs_op op, const void *q, void *r)
{
	return result(f, client_call(&f->c, op, q, r));
}

static struct vfs_slice
str(const char *s)
{
	return (struct vfs_slice){ s, strlen(s) };
}

static int
vfp_open(struct front *f, const char *where, const char *token)
{
	struct vfs_hello_reply hr;
	struct vfs_attach_reply ar;
	uint8_t bytes[VFS_TOKEN_BYTES];
	unsigned i, byte;
	int err;

	f->out = malloc(ROOM);
	f->in = malloc(ROOM);
	if ((err = host_open(&f->host, f->kind, where)) < 0)
		return ELOST;
	client_init(&f->c, &f->host.pipe, f->out, ROOM, f->in, ROOM);
	f->host.patience_ms = LINE_MS;
	f->host.changed = &f->c.changed;
	err = client_hello(&f->c, "fronts", &hr);
	if (err < 0 || (strcmp(f->kind, "tcp") != 0 &&
	    strcmp(f->kind, "serial") != 0))
		return result(f, err);
	for (i = 0; i < sizeof bytes; i++) {
		if (sscanf(token + 2 * i, "%2x", &byte) != 1)
			return EINVAL;
		bytes[i] = (uint8_t)byte;
	}
	return result(f, client_attach(&f->c, bytes, sizeof bytes, &ar));
}

static void
vfp_close(struct front *f)
{
	host_close(&f->host);
	free(f->out);
	free(f->in);
}

static int
find(struct front *f, unsigned dir, const char *name, struct vfs_attr *a)
{
	struct vfs_lookup q = { .dir = f->dir[dir].id, .name = str(name) };
	struct vfs_lookup_reply r;
	int rc = call(f, VFS_OP_LOOKUP, &q, &r);

	if (rc == 0)
		*a = r.attr;
	return rc;
}

static int
vfp_enter(struct front *f, unsigned k, unsigned dir, const char *name)
{
	struct vfs_attr a = { .id = { VFS_ID_ROOT } };
	int rc = name == NULL ? 0 : find(f, dir, name, &a);

	f->dir[k].id = a.id;
	return rc;
}

static int
make(struct front *f, unsigned dir, const char *name, uint32_t mode)
{
	struct vfs_create q = { .dir = f->dir[dir].id, .mode = mode,
		.name = str(name), .flags = VFS_CREATE_EXCL };
	struct vfs_create_reply r;

	return call(f, VFS_OP_CREATE, &q, &r);
}

static int
vfp_mkdir(struct front *f, unsigned dir, const char *name)
{
	return make(f, dir, name, 040755);
}

static int
vfp_create(struct front *f, unsigned dir, const char *name)
{
	return make(f, dir, name, 0100644);
}

static int
vfp_unlink(struct front *f, unsigned dir, const char *name)
{
	struct vfs_unlink q = { .dir = f->dir[dir].id, .name = str(name),
		.flags = VFS_UNLINK_FILE };
	struct vfs_unlink_reply r;

	return call(f, VFS_OP_UNLINK, &q, &r);
}

static int
vfp_rename(struct front *f, unsigned dir, const char *name, unsigned dir2,
    const char *name2)
{
	struct vfs_rename q = { .dir = f->dir[dir].id,
		.dir2 = f->dir[dir2].id, .name = str(name),
		.name2 = str(name2) };
	struct vfs_rename_reply r;

	return call(f, VFS_OP_RENAME, &q, &r);
}

static int
vfp_stat(struct front *f, unsigned dir, const char *name,
    struct front_stat *out)
{
	struct vfs_attr a;
	int rc = find(f, dir, name, &a);

	if (rc == 0)
		*out = (struct front_stat){ a.id.n, a.size };
	return rc;
}

static int
vfp_resize(struct front *f, unsigned dir, const char *name, uint64_t size)
{
	struct vfs_setattr q = { .valid = VFS_SET_SIZE, .size = size };
	struct vfs_setattr_reply r;
	struct vfs_attr a;
	int rc = find(f, dir, name, &a);

	q.id = a.id;
	return rc != 0 ? rc : call(f, VFS_OP_SETATTR, &q, &r);
}

static int
vfp_read(struct front *f, unsigned dir, const char *name, void *p, size_t *n)
{
	struct vfs_read q = { .count = (uint32_t)*n };
	struct vfs_read_reply r;
	struct vfs_attr a;
	int rc = find(f, dir, name, &a);

	q.id = a.id;
	if (rc != 0 || (rc = call(f, VFS_OP_READ, &q, &r)) != 0)
		return rc;
	*n = r.data.n;
	memcpy(p, r.data.p, *n);
	return 0;
}

static int
vfp_write(struct front *f, unsigned dir, const char *name, const void *p,
    size_t n)
{
	struct vfs_write q = { .data = { p, n } };
	struct vfs_write_reply r;
	struct vfs_attr a;
	int rc = find(f, dir, name, &a);

	q.id = a.id;
	return rc != 0 ? rc : call(f, VFS_OP_WRITE, &q, &r);
}

struct see {
	front_entry *fn;
	void *arg;
};

static bool
see(void *arg, const struct vfs_dirent *e)
{
	struct see *s = arg;

	if (((const char *)e->name.p)[0] != '.')
		s->fn(s->arg, e->name.p, e->name.n);
	return true;
}

static int
vfp_list(struct front *f, unsigned dir, front_entry *fn, void *arg)
{
	struct vfs_dir_read q = { .dir = f->dir[dir].id, .max_bytes = 4096 };
	struct vfs_dir_read_reply r;
	struct see s = { fn, arg };
	int rc;

	do {
		r.entries = (struct vfs_sink){ see, &s };
		if ((rc = call(f, VFS_OP_DIR_READ, &q, &r)) != 0)
			return rc;
		q.cookie = r.next_cookie;
		q.fence = r.fence;
	} while (r.eof == 0);
	return 0;
}

/* --- transactions --------------------------------------------------------- */

int
front_tx_begin(struct front *f)
{
	struct vfs_tx_begin q = { 0 };
	struct vfs_tx_begin_reply r;
	int rc = call(f, VFS_OP_TX_BEGIN, &q, &r);

	if (rc == 0)
		f->c.tx = r.tx;
	return rc;
}

int
front_tx_end(struct front *f, bool commit)
{
	struct vfs_tx_commit q = { .tx = f->c.tx };
	struct vfs_tx_commit_reply r;
	struct vfs_tx_abort aq = { .tx = f->c.tx };
	struct vfs_tx_abort_reply ar;

	f->c.tx = 0;
	return commit ? call(f, VFS_OP_TX_COMMIT, &q, &r) :
	    call(f, VFS_OP_TX_ABORT, &aq, &ar);
}

const struct front_ops front_vfp = {
	vfp_open, vfp_close, vfp_enter, vfp_mkdir, vfp_create, vfp_unlink,
	vfp_rename, vfp_stat, vfp_resize, vfp_read, vfp_write, vfp_list,
};
