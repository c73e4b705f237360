#include <assert.h>
#include <stdlib.h>
#include <string.h>

#include "session_rig.h"

static void
start(struct srig *x)
{
	int err;

	x->s = x->r->s;
	err = sessions_new(x->s, SRIG_OWNER, true, &x->ss);
	assert(err == 0);
	(void)err;
	x->own = srig_user(x, SRIG_OWNER, SRIG_OWNER);
}

static void
stop(struct srig *x)
{
	srig_end(x->own);
	sessions_free(x->ss);
}

struct srig *
srig_open(void)
{
	struct srig *x = calloc(1, sizeof *x);

	assert(x != NULL);
	x->r = rig_open(0);
	x->room = malloc(SRIG_ROOM);
	x->cap = SRIG_ROOM / 4;
	x->entries.p = malloc(SRIG_ROOM);
	assert(x->room != NULL && x->entries.p != NULL);
	fx_as(x->r->fx, 0, 0);
	assert(fx_chown(x->r->fx, "/", SRIG_OWNER, SRIG_OWNER) == 0);
	start(x);
	return x;
}

void
srig_close(struct srig *x)
{
	stop(x);
	rig_close(x->r);
	free(x->room);
	free(x->entries.p);
	free(x);
}

int
srig_setup(void **state)
{
	*state = srig_open();
	return 0;
}

int
srig_teardown(void **state)
{
	srig_close(*state);
	return 0;
}

void
srig_restart(struct srig *x)
{
	stop(x);
	rig_kill(x->r);
	start(x);
}

struct session *
srig_user(struct srig *x, uint32_t uid, uint32_t gid)
{
	struct session_who who = { .transport = "test", .has_cred = true,
		.uid = uid, .gid = gid, .pid = 77 };
	struct session *s;
	int err = session_new(x->ss, &who, &s);

	assert(err == 0);
	(void)err;
	return s;
}

void
srig_end(struct session *s)
{
	session_close(s);
	session_drop(s);
}

/* --- calls ---------------------------------------------------------------- */

static struct vfs_buf
lent(struct srig *x, unsigned *n)
{
	return (struct vfs_buf){ x->room + (*n)++ * x->cap, x->cap, 0 };
}

#define REQ(...)
#define REP(...)	__VA_ARGS__
#define ID(f)
#define U32(f)
#define U64(f)
#define TIME(f)
#define ATTR(f)
#define NAME(f)
#define BYTES(f)
#define BUF(f)		r->f = lent(x, &n);
#define SINK(f)		r->f = proto_list_sink(&x->entries);
#define OP(num, N, name, mode, lock, req, rep) \
	static void \
	lend_##name(struct srig *x, void *p) \
	{ \
		struct vfs_##name##_reply *r = p; \
		unsigned n = 0; \
		(void)x, (void)r, (void)n; \
		rep \
	}
#include "../protocol/ops.def"
#undef OP

static void (*const lend[VFS_OP_COUNT])(struct srig *, void *) = {
#define OP(n, N, name, mode, lock, req, rep) [VFS_OP_##N] = lend_##name,
#include "../protocol/ops.def"
#undef OP
};

int
srig_run(struct srig *x, struct session *s, enum vfs_op op, const void *q,
    void *rep)
{
	struct session_call k = { .s = s, .env = &x->r->fx->env,
		.tx = x->tx, .room = VFS_MSG_MAX };
	union proto_req copy;
	int err;

	x->r->fx->env.now.sec++;
	x->r->fx->env.pid = 0;
	memcpy(&copy, q, proto_ops[op].req_size);
	memset(rep, 0, proto_ops[op].rep_size);
	x->entries.n = x->entries.count = 0;
	x->entries.cap = SRIG_ROOM;
	x->entries.dirs = op == VFS_OP_PATHS_OF;
	lend[op](x, rep);
	err = session_run(&k, op, &copy, rep);
	x->e = k.e;
	return err;
}

int
srig_call(struct session *s, enum vfs_op op, union proto_req *q,
    union proto_rep *r, uint64_t tx)
{
	struct req_env env = { .now = { 1800000000, 0 } };
	struct session_call k = { .s = s, .env = &env, .tx = tx,
		.room = 65536 };

	return session_run(&k, op, q, r);
}

static struct vfs_slice
str(const char *s)
{
	return (struct vfs_slice){ s, strlen(s) };
}

int
s_walk(struct srig *x, struct session *s, struct vfs_id dir,
    const char *path, uint32_t rights, uint64_t *h)
{
	struct vfs_walk q = { .dir = dir, .flags = VFS_WALK_OPEN,
		.rights = rights, .path = str(path) };
	struct vfs_walk_reply r;
	int err = srig_run(x, s, VFS_OP_WALK, &q, &r);

	if (err == 0)
		*h = r.handle;
	return err;
}

int
s_open(struct srig *x, struct session *s, struct vfs_id id, uint32_t flags,
    uint64_t *h)
{
	struct vfs_open q = { .id = id, .flags = flags };
	struct vfs_open_reply r;
	int err = srig_run(x, s, VFS_OP_OPEN, &q, &r);

	if (err == 0)
		*h = r.handle;
	return err;
}

int
s_close(struct srig *x, struct session *s, uint64_t h)
{
	struct vfs_close q = { .handles = { &h, sizeof h } };
	struct vfs_close_reply r;

	return srig_run(x, s, VFS_OP_CLOSE, &q, &r);
}

int
s_create(struct srig *x, struct session *s, struct vfs_id dir,
    const char *name, uint32_t mode, struct vfs_id *id)
{
	struct vfs_create q = { .dir = dir, .mode = mode,
		.flags = VFS_CREATE_EXCL, .name = str(name) };
	struct vfs_create_reply r;
	int err = srig_run(x, s, VFS_OP_CREATE, &q, &r);

	if (err == 0 && id != NULL)
		*id = r.attr.id;
	return err;
}

int
s_lookup(struct srig *x, struct session *s, struct vfs_id dir,
    const char *name, struct vfs_id *id)
{
	struct vfs_lookup q = { .dir = dir, .name = str(name) };
	struct vfs_lookup_reply r;
	int err = srig_run(x, s, VFS_OP_LOOKUP, &q, &r);

	if (err == 0 && id != NULL)
		*id = r.attr.id;
	return err;
}

int
s_unlink(struct srig *x, struct session *s, struct vfs_id dir,
    const char *name)
{
	struct vfs_unlink q = { .dir = dir, .name = str(name) };
	struct vfs_unlink_reply r;

	return srig_run(x, s, VFS_OP_UNLINK, &q, &r);
}

int
s_rename(struct srig *x, struct session *s, struct vfs_id dir,
    const char *name, struct vfs_id dir2, const char *name2)
{
	struct vfs_rename q = { .dir = dir, .dir2 = dir2, .name = str(name),
		.name2 = str(name2) };
	struct vfs_rename_reply r;

	return srig_run(x, s, VFS_OP_RENAME, &q, &r);
}

int
s_stat(struct srig *x, struct session *s, struct vfs_id id,
    struct vfs_attr *a)
{
	struct vfs_stat q = { .id = id };
	struct vfs_stat_reply r;
	int err = srig_run(x, s, VFS_OP_STAT, &q, &r);

	if (err == 0 && a != NULL)
		*a = r.attr;
	return err;
}

int
s_write(struct srig *x, struct session *s, struct vfs_id id, uint64_t off,
    const char *text, uint32_t flags)
{
	struct vfs_write q = { .id = id, .off = off, .flags = flags,
		.data = str(text) };
	struct vfs_write_reply r;

	return srig_run(x, s, VFS_OP_WRITE, &q, &r);
}

int64_t
s_read(struct srig *x, struct session *s, struct vfs_id id, uint64_t off,
    uint32_t n)
{
	struct vfs_read q = { .id = id, .off = off, .count = n };
	struct vfs_read_reply r;
	int err = srig_run(x, s, VFS_OP_READ, &q, &r);

	return err < 0 ? err : (int64_t)r.data.n;
}

struct session *
srig_token(struct srig *x, struct vfs_id root, uint32_t rights)
{
	struct vfs_grant q = { .root = root, .rights = rights };
	struct session_who who = { .transport = "test" };
	uint8_t token[VFS_TOKEN_BYTES];
	struct vfs_attach_reply ar;
	struct vfs_grant_reply r;
	struct vfs_attach aq;
	struct session *s;
	int err = srig_run(x, x->own, VFS_OP_GRANT, &q, &r);

	assert(err == 0);
	memcpy(token, r.token.p, sizeof token);
	aq = (struct vfs_attach){ .token = { token, sizeof token } };
	err = session_attach(x->ss, &who, &aq, &s, &ar);
	assert(err == 0);
	(void)err;
	return s;
}
