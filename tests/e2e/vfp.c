#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

#include "probe.h"
#include "vfp.h"

#define OPS_MAX	(4u << 20)

static void
take(int fd, void *p, size_t n)
{
	size_t got = 0;
	ssize_t k;

	for (; got < n; got += (size_t)k)
		if ((k = recv(fd, (char *)p + got, n - got, 0)) <= 0)
			die("the daemon has hung up");
}

static void
give(int fd, const void *p, size_t n)
{
	size_t done = 0;
	ssize_t k;

	for (; done < n; done += (size_t)k)
		if ((k = send(fd, (const char *)p + done, n - done,
		    MSG_NOSIGNAL)) <= 0)
			die("cannot send");
}

void
vfp_open(struct vfp *c, const char *store)
{
	struct sockaddr_un sa = { .sun_family = AF_UNIX };
	struct vfs_hello q = { .magic = PROTO_MAGIC, .version_min = 1,
	    .version_max = 1, .max_msg = VFS_MSG_MAX };
	struct vfs_hello_reply r;

	*c = (struct vfp){ .msg = malloc(VFS_MSG_MAX),
	    .ops = malloc(OPS_MAX) };
	c->fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);
	snprintf(sa.sun_path, sizeof sa.sun_path, "%.90s/sock", store);
	if (c->msg == NULL || c->ops == NULL || c->fd < 0 ||
	    connect(c->fd, (struct sockaddr *)&sa, sizeof sa) < 0)
		die(sa.sun_path);
	vfp_do(c, VFS_OP_HELLO, &q, &r);
}

void
vfp_close(struct vfp *c)
{
	close(c->fd);
	free(c->msg);
	free(c->ops);
}

int
vfp_call(struct vfp *c, enum vfs_op op, const void *q, void *r)
{
	struct proto_hdr h = { .req_id = ++c->req_id, .prio = 4 };
	struct proto_error e;
	struct rbuf b;

	if (proto_request_encode(op, q, &h, c->msg, VFS_MSG_MAX) < 0)
		die("cannot encode");
	give(c->fd, c->msg, h.len);
	take(c->fd, c->msg, PROTO_HDR);
	if (proto_hdr_decode(c->msg, PROTO_HDR, VFS_MSG_MAX, &h) < 0)
		die("bad reply");
	take(c->fd, c->msg + PROTO_HDR, h.len - PROTO_HDR);
	if (h.req_id != c->req_id || proto_body(&h, c->msg, &b) < 0)
		die("not the reply");
	if (h.status == 0) {
		if (proto_reply_decode(op, &b, r) < 0)
			die("reply does not decode");
		return 0;
	}
	(void)proto_error_decode(&b, &e);
	return -(int)h.status;
}

void
vfp_do(struct vfp *c, enum vfs_op op, const void *q, void *r)
{
	int err = vfp_call(c, op, q, r);

	if (err == 0)
		return;
	fprintf(stderr, "%s: %s\n", proto_ops[op].name, vfs_err_text(err));
	exit(1);
}

void
vfp_add(struct vfp *c, enum vfs_op op, const void *q)
{
	if (proto_tx_op_put(op, q, c->ops, OPS_MAX, &c->ops_n) < 0)
		die("too many operations");
	c->nops++;
}

int
vfp_exec(struct vfp *c)
{
	struct vfs_tx_exec q = { .nops = c->nops,
	    .ops = { c->ops, c->ops_n } };
	struct vfs_tx_exec_reply r;

	c->nops = 0;
	c->ops_n = 0;
	return vfp_call(c, VFS_OP_TX_EXEC, &q, &r);
}

int
vfp_add_to(struct vfp *c, uint64_t tx, uint32_t flags)
{
	struct vfs_tx_add q = { .tx = tx, .flags = flags, .nops = c->nops,
	    .ops = { c->ops, c->ops_n } };
	struct vfs_tx_add_reply r;

	c->nops = 0;
	c->ops_n = 0;
	return vfp_call(c, VFS_OP_TX_ADD, &q, &r);
}

struct vfs_slice
vfp_str(const char *s)
{
	return (struct vfs_slice){ s, strlen(s) };
}

int
vfp_lookup(struct vfp *c, struct vfs_id dir, const char *name,
    struct vfs_attr *a)
{
	struct vfs_lookup q = { .dir = dir, .name = vfp_str(name) };
	struct vfs_lookup_reply r;
	int err = vfp_call(c, VFS_OP_LOOKUP, &q, &r);

	if (err == 0)
		*a = r.attr;
	return err;
}

struct vfs_id
vfp_create(struct vfp *c, struct vfs_id dir, const char *name,
    uint32_t mode)
{
	struct vfs_create q = { .dir = dir, .mode = mode,
	    .flags = VFS_CREATE_EXCL, .name = vfp_str(name) };
	struct vfs_create_reply r;

	vfp_do(c, VFS_OP_CREATE, &q, &r);
	return r.attr.id;
}

/* --- STATUS ----------------------------------------------------------------- */

typedef void pair_fn(void *arg, const char *name, uint64_t n);

static void
each_pair(struct vfp *c, pair_fn *fn, void *arg)
{
	struct vfs_status q = { 0 };
	struct vfs_status_reply r;
	struct proto_pair p;
	struct rbuf b;
	char text[128];

	vfp_do(c, VFS_OP_STATUS, &q, &r);
	proto_list_read(&b, (struct vfs_slice){ r.pairs.p, r.pairs.n });
	while (proto_list_more(&b) && proto_pair_next(&b, &p) == 0) {
		snprintf(text, sizeof text, "%.*s", (int)p.name.n,
		    (const char *)p.name.p);
		fn(arg, text, p.n);
	}
}

static void
add_calls(void *arg, const char *name, uint64_t n)
{
	if (strncmp(name, "fuse.", 5) == 0 && strstr(name, ".calls") &&
	    !strstr(name, "RELEASE") && !strstr(name, "FORGET") &&
	    !strstr(name, "INTERRUPT"))
		*(uint64_t *)arg += n;
}

uint64_t
vfp_fuse_calls(struct vfp *c)
{
	uint64_t n = 0;

	each_pair(c, add_calls, &n);
	return n;
}

struct wanted {
	const char *name;
	uint64_t n;
};

static void
take_wanted(void *arg, const char *name, uint64_t n)
{
	struct wanted *w = arg;

	if (strcmp(name, w->name) == 0)
		w->n = n;
}

uint64_t
vfp_status(struct vfp *c, const char *name)
{
	struct wanted w = { name, 0 };

	each_pair(c, take_wanted, &w);
	return w.n;
}
