/* Foes of VFP/1 on every transport. */
#include <poll.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

#include "foe.h"

#define MOMENT_MS	30
#define LINE_MS		1500		/* to knock on a bad line */

uint32_t
foe_rnd(struct foe *x, uint32_t n)
{
	x->seed = x->seed * 6364136223846793005u + 1442695040888963407u;
	return (uint32_t)(x->seed >> 33) % n;
}

void
foe_bytes(struct foe *x, void *p, size_t n)
{
	uint8_t *b = p;

	while (n-- > 0)
		*b++ = (uint8_t)foe_rnd(x, 256);
}

/* --- coming and going --------------------------------------------------------- */

static bool
show_token(struct foe *x)
{
	struct vfs_attach_reply r;
	uint8_t token[VFS_TOKEN_BYTES];
	unsigned i, byte;

	for (i = 0; i < sizeof token; i++) {
		if (sscanf(x->token + 2 * i, "%2x", &byte) != 1)
			return false;
		token[i] = (uint8_t)byte;
	}
	if (client_attach(&x->c, token, sizeof token, &r) != 0)
		return false;
	x->root = r.root_id;
	return true;
}

bool
foe_come(struct foe *x, bool token)
{
	struct vfs_hello_reply r;

	if (host_open(&x->h, x->kind, x->where) < 0)
		return false;
	x->open = true;
	x->h.patience_ms = LINE_MS;
	client_init(&x->c, &x->h.pipe, x->out, sizeof x->out, x->in,
	    sizeof x->in);
	if (!token || (client_hello(&x->c, "foe", &r) == 0 && show_token(x)))
		return true;
	foe_go(x);
	return false;
}

void
foe_go(struct foe *x)
{
	if (x->open)
		host_close(&x->h);
	x->open = false;
}

void
foe_keep(struct foe *x, int fd)
{
	unsigned at = x->nkept++ % FOE_KEPT;

	if (x->kept[at] > 0)
		close(x->kept[at]);
	x->kept[at] = fd;
}

void
foe_send(struct foe *x, size_t n)
{
	uint64_t end = clock_ms() + MOMENT_MS;
	const uint8_t *p = x->msg;
	long k = 0;

	while (n > 0 && k >= 0 && clock_ms() < end) {
		if ((k = x->h.pipe.put(x->h.pipe.arg, p, n)) > 0) {
			p += k;
			n -= (size_t)k;
		} else if (!foe_drain(x)) {
			return;
		}
	}
}

bool
foe_drain(struct foe *x)
{
	long k;

	while ((k = x->h.pipe.get(x->h.pipe.arg, x->in, sizeof x->in)) > 0)
		;
	return k == 0;
}

/* Is it ended within a moment, as it should be? */
static void
wait_end(struct foe *x)
{
	uint64_t end = clock_ms() + MOMENT_MS;

	while (foe_drain(x) && clock_ms() < end)
		poll(NULL, 0, 1);
}

/* --- requests ------------------------------------------------------------------ */

void
foe_request(struct foe *x, enum vfs_op op)
{
	union proto_req q;
	struct proto_hdr h = { .req_id = ++x->c.req_id,
		.prio = (uint8_t)foe_rnd(x, 8) };
	uint8_t body[512];
	struct rbuf b;
	size_t n = 8 * (8 + foe_rnd(x, 50));

	/* What random bytes happen to mean, if anything; else nothing. */
	memset(&q, 0, sizeof q);
	foe_bytes(x, body, n);
	rbuf_init(&b, body, n, 0);
	if (proto_request_decode(op, &b, &q) < 0)
		memset(&q, 0, sizeof q);
	x->n = 0;
	if (proto_request_encode(op, &q, &h, x->msg, sizeof x->msg) == 0)
		x->n = h.len;
}

static void
write_request(struct foe *x, size_t n)
{
	struct vfs_write q = { .id = x->root,
		.data = { x->in, n } };
	struct proto_hdr h = { .req_id = ++x->c.req_id };

	x->n = proto_request_encode(VFS_OP_WRITE, &q, &h, x->msg,
	    sizeof x->msg) == 0 ? h.len : 0;
}

static enum vfs_op
any_op(struct foe *x)
{
	return (enum vfs_op)(1 + foe_rnd(x, VFS_OP_COUNT - 1));
}

/* --- mischief -------------------------------------------------------------------- */

static void
garbage(struct foe *x)
{
	if (!foe_come(x, foe_rnd(x, 2)))
		return;
	foe_bytes(x, x->msg, 4096);
	foe_send(x, 8 + foe_rnd(x, 4000));
	wait_end(x);
	foe_go(x);
}

static void
bad_header(struct foe *x)
{
	static const uint32_t lens[] = { 0, 1, 31, 33, 40, 1u << 31,
		UINT32_MAX, VFS_MSG_MAX + 8 };
	uint32_t len = lens[foe_rnd(x, 8)];

	if (!foe_come(x, true))
		return;
	write_request(x, 8);
	if (foe_rnd(x, 2))
		memcpy(x->msg, &len, 4);
	else
		foe_bytes(x, x->msg + 4 + foe_rnd(x, 24), 4);
	foe_send(x, x->n);
	wait_end(x);
	foe_go(x);
}

/* Right outside, wrong inside: each is answered, and nothing is done. */
static void
bad_bodies(struct foe *x)
{
	unsigned i, k;

	if (!foe_come(x, true))
		return;
	for (i = 0; i < 48; i++) {
		foe_request(x, any_op(x));
		for (k = foe_rnd(x, 4); k > 0 && x->n > PROTO_HDR; k--)
			x->msg[PROTO_HDR + foe_rnd(x,
			    (uint32_t)x->n - PROTO_HDR)] ^=
			    (uint8_t)(1 << foe_rnd(x, 8));
		foe_send(x, x->n);
		if (!foe_drain(x))
			break;
	}
	foe_go(x);
}

static void
truncated(struct foe *x)
{
	if (!foe_come(x, true))
		return;
	write_request(x, 30000);
	foe_send(x, 1 + foe_rnd(x, (uint32_t)x->n - 1));
	foe_go(x);
}

/* Half of a message, and then nothing, for as long as it is let. */
static void
stalled(struct foe *x)
{
	if (!foe_come(x, foe_rnd(x, 2)))
		return;
	write_request(x, 30000);
	foe_send(x, foe_rnd(x, 2) ? 3 : 5000);
	x->open = false;
	foe_keep(x, x->h.fd);
	if (x->h.region != NULL)
		munmap(x->h.region, x->h.region_n);
}

/* More than it has credits for, and reads nothing. */
static void
flood(struct foe *x)
{
	uint64_t end = clock_ms() + 2 * MOMENT_MS;
	struct vfs_dir_read q = { .max_bytes = 65536,
		.want = VFS_WANT_ATTR };
	struct proto_hdr h;
	long k = 0;

	if (!foe_come(x, true))
		return;
	q.dir = x->root;
	while (k >= 0 && clock_ms() < end) {
		h = (struct proto_hdr){ .req_id = ++x->c.req_id, .prio = 7 };
		if (proto_request_encode(VFS_OP_DIR_READ, &q, &h, x->msg,
		    sizeof x->msg) < 0)
			break;
		k = x->h.pipe.put(x->h.pipe.arg, x->msg, h.len);
		if (k > 0 && (size_t)k < h.len)
			break;		/* half of one: that is enough */
		if (k == 0)
			poll(NULL, 0, 1);
	}
	foe_go(x);
}

/* Numbers that were never given to it. */
static void
forged(struct foe *x)
{
	struct vfs_stat sq;
	struct vfs_stat_reply sr;
	struct vfs_read rq = { .count = 4096 };
	struct vfs_read_reply rr;
	struct vfs_tx_commit tq = { 0 };
	struct vfs_tx_commit_reply tr;
	unsigned i;

	if (!foe_come(x, true))
		return;
	for (i = 0; i < 40 && x->c.ended == 0; i++) {
		rq.id.n = sq.id.n = VFS_HANDLE | (uint64_t)foe_rnd(x, 64)
		    << 40 | foe_rnd(x, 64);
		x->believed += client_call(&x->c, VFS_OP_STAT, &sq, &sr) == 0;
		x->believed += client_call(&x->c, VFS_OP_READ, &rq, &rr) == 0;
		sq.id.n = 16 + foe_rnd(x, 200);	/* somebody else's file */
		x->believed += client_call(&x->c, VFS_OP_STAT, &sq, &sr) == 0;
		tq.tx = foe_rnd(x, 1000);
		x->believed += client_call(&x->c, VFS_OP_TX_COMMIT, &tq,
		    &tr) == 0;
	}
	foe_go(x);
}

/* Everything that can be open is, and nothing is said before it goes. */
static void
dies(struct foe *x)
{
	struct vfs_tx_begin bq = { 0 };
	struct vfs_tx_begin_reply br;
	struct vfs_create cq = { .mode = 0100600, .name = { "left", 4 } };
	struct vfs_create_reply cr;
	struct vfs_tmpfile fq = { .mode = 0100600 };
	struct vfs_tmpfile_reply fr;
	struct vfs_write wq = { .data = { x->msg, 20000 } };
	struct vfs_write_reply wr;
	unsigned i;

	if (!foe_come(x, true))
		return;
	cq.dir = fq.dir = x->root;
	for (i = 0; i < 8; i++) {
		if (client_call(&x->c, VFS_OP_TMPFILE, &fq, &fr) != 0)
			break;
		wq.id.n = fr.handle;
		client_call(&x->c, VFS_OP_WRITE, &wq, &wr);
		wq.off = 0;
	}
	if (client_call(&x->c, VFS_OP_TX_BEGIN, &bq, &br) == 0) {
		x->c.tx = br.tx;
		if (client_call(&x->c, VFS_OP_CREATE, &cq, &cr) == 0) {
			wq.id = cr.attr.id;
			client_call(&x->c, VFS_OP_WRITE, &wq, &wr);
		}
		foe_request(x, VFS_OP_TX_COMMIT);
		foe_send(x, x->n / 2);
	}
	if (strcmp(x->kind, "serial") != 0 && x->h.region == NULL) {
		x->open = false;
		close(x->h.fd);		/* not even a good-bye */
	}
	foe_go(x);
}

const struct foe_row foe_vfp[] = {
	{ "garbage", "", garbage }, { "bad header", "", bad_header },
	{ "bad bodies", "", bad_bodies }, { "truncated", "", truncated },
	{ "stalled", "unix tcp ring ipc", stalled }, { "flood", "", flood },
	{ "forged", "", forged }, { "dies", "", dies },
};
const unsigned foe_vfp_n = sizeof foe_vfp / sizeof foe_vfp[0];

/* --- all of it ------------------------------------------------------------------- */

static void
pick(struct foe *x, const struct foe_row *v, unsigned n)
{
	const struct foe_row *r = &v[foe_rnd(x, n)];

	if (r->kinds[0] == 0 || strstr(r->kinds, x->kind) != NULL) {
		r->run(x);
		x->done++;
	}
}

void
foe_run(struct foe *x)
{
	bool p9 = strncmp(x->kind, "9p", 2) == 0;

	while (clock_ms() < x->end_ms) {
		if (p9)
			pick(x, foe_p9, foe_p9_n);
		else if (foe_rnd(x, 3) > 0)
			pick(x, foe_vfp, foe_vfp_n);
		else
			pick(x, foe_shared, foe_shared_n);
	}
}
