#include <assert.h>
#include <stdlib.h>
#include <string.h>

#include "tx_rig.h"

/* --- the store ---------------------------------------------------------- */

static void
start(struct rig *r)
{
	struct server_conf conf = { .engine = r->fx->e };
	int err = server_new(&conf, &r->s);

	assert(err == 0);
	(void)err;
}

struct rig *
rig_open(uint64_t log_bytes)
{
	struct rig *r = calloc(1, sizeof *r);

	assert(r != NULL);
	r->fx = fx_open_log(log_bytes);
	r->ops = malloc(RIG_LIST_MAX);
	r->pre = malloc(RIG_LIST_MAX / 16);
	assert(r->ops != NULL && r->pre != NULL);
	start(r);
	return r;
}

void
rig_close(struct rig *r)
{
	server_free(r->s);
	fx_close(r->fx);
	free(r->ops);
	free(r->pre);
	free(r);
}

int
rig_setup(void **state)
{
	*state = rig_open(0);
	return 0;
}

int
rig_teardown(void **state)
{
	rig_close(*state);
	return 0;
}

/* What the server would still write at its end comes too late: the log's
 * state of now is what the next one finds. */
void
rig_kill(struct rig *r)
{
	tx_abort_all(r->s, RIG_OWNER);
	server_kill(r->s);
	fx_reopen(r->fx);
	start(r);
}

/* --- messages ----------------------------------------------------------- */

void
rig_new(struct rig *r)
{
	r->nops_bytes = r->npre_bytes = 0;
	r->nops = r->npre = 0;
}

void
rig_add(struct rig *r, enum vfs_op op, const void *q)
{
	int err = proto_tx_op_put(op, q, r->ops, RIG_LIST_MAX,
	    &r->nops_bytes);

	assert(err == 0);
	(void)err;
	r->nops++;
}

static struct vfs_slice
str(const char *s)
{
	return (struct vfs_slice){ s, strlen(s) };
}

void
rig_create(struct rig *r, struct vfs_id dir, const char *name, uint32_t mode)
{
	struct vfs_create q = { .dir = dir, .mode = mode,
		.flags = VFS_CREATE_EXCL, .name = str(name) };

	rig_add(r, VFS_OP_CREATE, &q);
}

void
rig_write(struct rig *r, struct vfs_id id, uint64_t off, const void *p,
    size_t n)
{
	struct vfs_write q = { .id = id, .off = off, .data = { p, n } };

	rig_add(r, VFS_OP_WRITE, &q);
}

void
rig_unlink(struct rig *r, struct vfs_id dir, const char *name)
{
	struct vfs_unlink q = { .dir = dir, .name = str(name) };

	rig_add(r, VFS_OP_UNLINK, &q);
}

void
rig_pre(struct rig *r, struct vfs_tx_pre pre)
{
	int err = proto_tx_pre_put(&pre, r->pre, RIG_LIST_MAX / 16,
	    &r->npre_bytes);

	assert(err == 0);
	(void)err;
	r->npre++;
}

static struct vfs_slice
name_of(uint64_t id, uint8_t buf[16])
{
	memset(buf, 0, 16);
	memcpy(buf, &id, sizeof id);
	return (struct vfs_slice){ buf, id != 0 ? 16 : 0 };
}

static void
verdict(struct rig *r)
{
	r->v = (struct tx_verdict){ .results = r->results, .cap = RIG_RESULTS };
}

int
rig_exec(struct rig *r, uint64_t id)
{
	uint8_t buf[16];
	struct vfs_tx_exec q = {
		.npre = r->npre, .nops = r->nops, .tx_id = name_of(id, buf),
		.pre = { r->pre, r->npre_bytes },
		.ops = { r->ops, r->nops_bytes },
	};

	verdict(r);
	return tx_exec(r->s, &r->fx->env, &q, NULL, &r->v);
}

int
rig_status(struct rig *r, uint64_t id)
{
	uint8_t buf[16];
	struct vfs_tx_status q = { name_of(id, buf) };

	verdict(r);
	return tx_status(r->s, &q, &r->v);
}

/* --- interactive -------------------------------------------------------- */

uint64_t
rig_begin(struct rig *r)
{
	struct vfs_tx_begin q = { 0 };
	struct vfs_tx_begin_reply rep;
	int err = tx_begin(r->s, VFS_TX_OPEN_MAX, RIG_OWNER, &q, &rep);

	assert(err == 0);
	(void)err;
	return rep.tx;
}

int
rig_part(struct rig *r, uint64_t tx, uint32_t flags, uint32_t *first)
{
	struct vfs_tx_add q = { .tx = tx, .flags = flags, .nops = r->nops,
		.ops = { r->ops, r->nops_bytes } };
	int err;

	verdict(r);
	err = tx_add(r->s, &r->fx->env, RIG_OWNER, &q, NULL, first, &r->v);
	rig_new(r);
	return err;
}

int
rig_commit_as(struct rig *r, uint64_t tx, uint64_t id)
{
	uint8_t buf[16];
	struct vfs_tx_commit q = { .tx = tx, .tx_id = name_of(id, buf) };

	verdict(r);
	return tx_commit(r->s, &r->fx->env, RIG_OWNER, &q, &r->v);
}

int
rig_commit(struct rig *r, uint64_t tx)
{
	return rig_commit_as(r, tx, 0);
}

int
rig_op(struct rig *r, uint64_t tx, enum vfs_op op, const void *q, void *rep)
{
	struct tx_ref ref = { tx, RIG_OWNER };

	if (tx == 0)
		return dispatch(r->s, op, &r->fx->env, q, rep);
	return tx_op(r->s, &r->fx->env, ref, op, q, rep);
}

/* --- operations --------------------------------------------------------- */

int
do_create(struct rig *r, uint64_t tx, struct vfs_id dir, const char *name,
    uint32_t mode, struct vfs_id *id)
{
	struct vfs_create q = { .dir = dir, .mode = mode,
		.flags = VFS_CREATE_EXCL, .name = str(name) };
	struct vfs_create_reply rep;
	int err = rig_op(r, tx, VFS_OP_CREATE, &q, &rep);

	if (err == 0 && id != NULL)
		*id = rep.attr.id;
	return err;
}

int
do_lookup(struct rig *r, uint64_t tx, struct vfs_id dir, const char *name,
    struct vfs_id *id)
{
	struct vfs_lookup q = { .dir = dir, .name = str(name) };
	struct vfs_lookup_reply rep;
	int err = rig_op(r, tx, VFS_OP_LOOKUP, &q, &rep);

	if (err == 0 && id != NULL)
		*id = rep.attr.id;
	return err;
}

int
do_write(struct rig *r, uint64_t tx, struct vfs_id id, uint64_t off,
    const void *p, size_t n)
{
	struct vfs_write q = { .id = id, .off = off, .data = { p, n } };
	struct vfs_write_reply rep;

	return rig_op(r, tx, VFS_OP_WRITE, &q, &rep);
}

int64_t
do_read(struct rig *r, uint64_t tx, struct vfs_id id, uint64_t off, void *p,
    size_t n)
{
	struct vfs_read q = { .id = id, .off = off, .count = (uint32_t)n };
	struct vfs_read_reply rep = { .data = { p, n, 0 } };
	int err = rig_op(r, tx, VFS_OP_READ, &q, &rep);

	return err < 0 ? err : (int64_t)rep.data.n;
}

int
do_unlink(struct rig *r, uint64_t tx, struct vfs_id dir, const char *name)
{
	struct vfs_unlink q = { .dir = dir, .name = str(name) };
	struct vfs_unlink_reply rep;

	return rig_op(r, tx, VFS_OP_UNLINK, &q, &rep);
}

int
do_rename(struct rig *r, uint64_t tx, struct vfs_id dir, const char *name,
    struct vfs_id dir2, const char *name2)
{
	struct vfs_rename q = { .dir = dir, .name = str(name), .dir2 = dir2,
		.name2 = str(name2) };
	struct vfs_rename_reply rep;

	return rig_op(r, tx, VFS_OP_RENAME, &q, &rep);
}

int
do_chmod(struct rig *r, uint64_t tx, struct vfs_id id, uint32_t mode)
{
	struct vfs_setattr q = { .id = id, .valid = VFS_SET_MODE,
		.mode = mode };
	struct vfs_setattr_reply rep;

	return rig_op(r, tx, VFS_OP_SETATTR, &q, &rep);
}

int
do_truncate(struct rig *r, uint64_t tx, struct vfs_id id, uint64_t size)
{
	struct vfs_setattr q = { .id = id, .valid = VFS_SET_SIZE,
		.size = size };
	struct vfs_setattr_reply rep;

	return rig_op(r, tx, VFS_OP_SETATTR, &q, &rep);
}

int
do_stat(struct rig *r, uint64_t tx, struct vfs_id id, struct vfs_attr *a)
{
	struct vfs_stat q = { id };
	struct vfs_stat_reply rep;
	int err = rig_op(r, tx, VFS_OP_STAT, &q, &rep);

	if (err == 0 && a != NULL)
		*a = rep.attr;
	return err;
}

struct count {
	int n;
	uint64_t last;
};

static bool
count_entry(void *arg, const struct vfs_dirent *e)
{
	struct count *c = arg;

	if (e->cookie > 2) {
		c->n++;
		c->last = e->cookie;
	}
	return true;
}

int
do_list(struct rig *r, uint64_t tx, struct vfs_id dir, uint64_t *last)
{
	struct count c = { 0, 0 };
	struct vfs_dir_read q = { .dir = dir };
	struct vfs_dir_read_reply rep = { .entries = { count_entry, &c } };
	int err = rig_op(r, tx, VFS_OP_DIR_READ, &q, &rep);

	if (last != NULL)
		*last = c.last;
	return err < 0 ? err : c.n;
}
