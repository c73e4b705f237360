/*
 * Any bytes as any message: byte 0 picks the direction, the header the
 * operation.  What is accepted must encode to the same bytes.
 */
#include <stdlib.h>
#include <string.h>

#include "../protocol/codec.h"
#include "fuzz.h"

#define MSG_MAX	65536

static size_t
encode(enum vfs_op op, int reply, const void *m, uint8_t *to, size_t cap)
{
	struct proto_hdr h = { .req_id = 1 };
	int err;

	err = reply ? proto_reply_encode(op, m, &h, to, cap)
	    : proto_request_encode(op, m, &h, to, cap);
	return err == 0 ? h.len : 0;
}

static void
message(int reply, const uint8_t *p, size_t n)
{
	static uint8_t again[MSG_MAX], entries[MSG_MAX];
	union {
		union proto_req req;
		union proto_rep rep;
	} m;
	struct proto_list list = { .p = entries, .cap = sizeof entries,
		.dirs = true };
	struct proto_error e;
	struct proto_hdr h;
	struct rbuf b;
	enum vfs_op op;
	size_t body;

	if (proto_hdr_decode(p, n, MSG_MAX, &h) < 0 || h.len != n)
		return;
	op = proto_op_find(h.op & ~PROTO_REPLY);
	if (proto_body(&h, p, &b) < 0 || op == VFS_OP_NONE)
		return;
	if (reply && h.status != 0) {
		proto_error_decode(&b, &e);
		return;
	}
	memset(&m, 0, sizeof m);
	if (reply && op == VFS_OP_DIR_READ)
		m.rep.dir_read.entries = proto_list_sink(&list);
	if (reply && op == VFS_OP_PATHS_OF)
		m.rep.paths_of.links = proto_list_sink(&list);
	if ((reply ? proto_reply_decode(op, &b, &m)
	    : proto_request_decode(op, &b, &m)) < 0)
		return;
	body = n - (size_t)h.ext_len * 8;
	if (encode(op, reply, &m, again, sizeof again) != body ||
	    memcmp(again + PROTO_HDR, p + PROTO_HDR, body - PROTO_HDR) != 0)
		abort();
}

static void
records(const uint8_t *p, size_t n)
{
	struct proto_pair pair;
	struct proto_finding finding;
	struct proto_fault fault;
	struct rbuf b;

	proto_list_read(&b, (struct vfs_slice){ p, n });
	while (proto_list_more(&b))
		proto_pair_next(&b, &pair);
	proto_list_read(&b, (struct vfs_slice){ p, n });
	while (proto_list_more(&b))
		proto_finding_next(&b, &finding);
	proto_list_read(&b, (struct vfs_slice){ p, n });
	while (proto_list_more(&b))
		proto_fault_next(&b, &fault);
}

int
LLVMFuzzerTestOneInput(const uint8_t *p, size_t n)
{
	uint8_t *copy;

	if (n < 1)
		return 0;
	copy = malloc(n);		/* exactly: one past it is seen */
	memcpy(copy, p + 1, n - 1);
	if (p[0] == 2)
		records(copy, n - 1);
	else
		message(p[0] & 1, copy, n - 1);
	free(copy);
	return 0;
}
