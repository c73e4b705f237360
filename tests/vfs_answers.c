#include <string.h>

#include "vfs_answers.h"

static uint8_t entries[512];
static struct proto_list list = { .p = entries, .cap = sizeof entries,
	.dirs = true };
static const uint8_t bytes[40] = { 1, 0, 0, 0 };

static struct vfs_attr
some_attr(void)
{
	return (struct vfs_attr){ .id = { 17 }, .parent = { 1 },
		.mode = 0100644, .nlink = 1, .size = 40 };
}

static void
some_entries(void)
{
	struct vfs_attr a = some_attr();
	struct vfs_dirent e = { .id = { 17 }, .dir = { 1 }, .cookie = 20,
		.type = VFS_REG, .name = { "name", 4 }, .attr = &a };

	list.n = list.count = 0;
	proto_dirent_put(&list, &e);
	e.cookie++;
	e.name = (struct vfs_slice){ "other", 5 };
	e.attr = NULL;
	proto_dirent_put(&list, &e);
}

#define REQ(...)	__VA_ARGS__
#define REP(...)	__VA_ARGS__
#define ID(f)		m->f.n = 17;
#define U32(f)		m->f = 1;
#define U64(f)		m->f = 30;
#define TIME(f)		m->f = (struct vfs_time){ 1, 2 };
#define ATTR(f)		m->f = some_attr();
#define NAME(f)		m->f = (struct vfs_slice){ "name", 4 };
#define BYTES(f)	m->f = (struct vfs_slice){ NULL, 0 };
#define BUF(f)		m->f = (struct vfs_buf){ (void *)(uintptr_t)bytes, \
	    sizeof bytes, sizeof bytes };
#define SINK(f)		m->f = proto_list_sink(&list);
#define OP(n, N, name, mode, lock, req, rep) \
	static void \
	fill_##name(union proto_req *q, union proto_rep *r) \
	{ \
		{ struct vfs_##name *m = &q->name; req } \
		{ struct vfs_##name##_reply *m = &r->name; rep } \
	}
#include "../protocol/ops.def"
#undef OP

static void (*const fill[VFS_OP_COUNT])(union proto_req *,
    union proto_rep *) = {
#define OP(n, N, name, mode, lock, req, rep) [VFS_OP_##N] = fill_##name,
#include "../protocol/ops.def"
#undef OP
};

void
vfs_answer_fill(enum vfs_op op, union proto_req *q, union proto_rep *r)
{
	some_entries();
	fill[op](q, r);
}

size_t
vfs_answer(uint8_t *p, size_t cap, enum vfs_op op, uint64_t req_id)
{
	static uint8_t uuid[16] = { 7 };
	struct proto_hdr h = { .req_id = req_id, .credits = 1 };
	union proto_req q;
	union proto_rep r;

	memset(&r, 0, sizeof r);
	vfs_answer_fill(op, &q, &r);
	if (op == VFS_OP_HELLO) {
		r.hello.version = 1;
		r.hello.max_msg = VFS_MSG_MAX;
		r.hello.credits = 8;
		r.hello.max_bytes = VFS_MSG_MAX;
		r.hello.uuid = (struct vfs_buf){ uuid, 16, 16 };
		r.hello.server.n = 5;
	}
	if (op == VFS_OP_ATTACH) {
		r.attach.rights = VFS_RIGHTS_ALL;
		r.attach.max_credits = 8;
		r.attach.max_bytes = VFS_MSG_MAX;
	}
	return proto_reply_encode(op, &r, &h, p, cap) < 0 ? 0 : h.len;
}
