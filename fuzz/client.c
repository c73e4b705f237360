/*
 * Any bytes as what a daemon says to libvfs.  The socket's calls are the
 * harness's: a message is let through when a request was sent, or when
 * the client waits, so no thread, time or kernel takes part.
 *
 * Byte 0: 1, replies get the number of the request that they are let
 * through for; 2, and its operation.  Byte 1: where the calls begin.
 */
#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include "../libvfs/vfs_in.h"
#include "fuzz.h"

#define REQS_MAX	512u
#define MSG_MAX		32768u

static struct peer {
	const uint8_t *in;		/* what it says */
	size_t n;
	uint8_t how;
	uint8_t now[MSG_MAX];	/* let through, not yet received */
	size_t now_n, now_at;
	unsigned sent, served;		/* requests, replies */
	struct proto_hdr reqs[REQS_MAX];
	size_t skip;			/* rest of a request's body */
	uint8_t head[PROTO_HDR];
	size_t head_n;
} peer;

/* --- the harness's socket ---------------------------------------------------- */

/* The next message, or all that is left if it is none. */
static void
let_through(void)
{
	struct proto_hdr h;
	const struct proto_hdr *q;
	size_t n = peer.n;

	if (peer.n == 0)
		return;
	if (proto_hdr_decode(peer.in, peer.n, MSG_MAX, &h) == 0 &&
	    h.len <= peer.n)
		n = h.len;
	if (n > sizeof peer.now - peer.now_n)
		n = sizeof peer.now - peer.now_n;
	memcpy(peer.now + peer.now_n, peer.in, n);
	if (n >= PROTO_HDR && (peer.in[5] & 0x80) != 0 &&
	    peer.served < peer.sent && peer.served < REQS_MAX) {
		q = &peer.reqs[peer.served++];
		if (proto_hdr_decode(peer.in, n, VFS_MSG_MAX, &h) == 0) {
			if (peer.how & 1)
				h.req_id = q->req_id;
			if (peer.how & 2)
				h.op = q->op | PROTO_REPLY;
			proto_hdr_encode(&h, peer.now + peer.now_n);
		}
	}
	peer.now_n += n;
	peer.in += n;
	peer.n -= n;
}

static ssize_t
peer_recv(int fd, void *p, size_t n, int flags)
{
	(void)fd, (void)flags;
	if (peer.now_at == peer.now_n) {
		peer.now_at = peer.now_n = 0;
		if (peer.served < peer.sent)
			let_through();
	}
	if (peer.now_at == peer.now_n) {
		errno = EAGAIN;
		return peer.n == 0 ? 0 : -1;
	}
	if (n > peer.now_n - peer.now_at)
		n = peer.now_n - peer.now_at;
	memcpy(p, peer.now + peer.now_at, n);
	peer.now_at += n;
	return (ssize_t)n;
}

/* What the client sends has to be right. */
static ssize_t
peer_send(int fd, const void *p, size_t n, int flags)
{
	const uint8_t *b = p;
	struct proto_hdr h;
	size_t i = 0, k;

	(void)fd, (void)flags;
	while (i < n) {
		if (peer.skip > 0) {
			k = n - i < peer.skip ? n - i : peer.skip;
			peer.skip -= k;
			i += k;
			continue;
		}
		peer.head[peer.head_n++] = b[i++];
		if (peer.head_n < PROTO_HDR)
			continue;
		if (proto_hdr_decode(peer.head, PROTO_HDR, VFS_MSG_MAX, &h) < 0)
			abort();
		peer.head_n = 0;
		peer.skip = h.len - PROTO_HDR;
		if (peer.sent < REQS_MAX)
			peer.reqs[peer.sent++] = h;
	}
	return (ssize_t)n;
}

/* It waits: there will be no more but what is there. */
static int
peer_poll(struct pollfd *p, nfds_t n, int ms)
{
	(void)p, (void)n, (void)ms;
	let_through();
	return 1;
}

#define recv	peer_recv
#define send	peer_send
#define poll	peer_poll
#include "../libvfs/stream.c"
#include "../libvfs/call.c"
#undef recv
#undef send
#undef poll

/* --- the client ----------------------------------------------------------------- */

static const struct vfs_id one = { 1 };
static uint8_t room[8192];

static bool
any_entry(void *arg, const struct vfs_dirent *e)
{
	*(uint64_t *)arg += e->id.n + (e->attr != NULL ? e->attr->size : 0);
	return true;
}

static bool
any_path(void *arg, const char *path, size_t n)
{
	*(uint64_t *)arg += strlen(path) + n;
	return true;
}

static bool
any_change(void *arg, const struct vfs_change *c)
{
	*(uint64_t *)arg += c->id.n + c->name.n;
	return true;
}

static void
names(struct vfs *v)
{
	struct vfs_attr a;
	uint64_t sum = 0;

	vfs_lookup(v, NULL, one, "name", &a);
	vfs_resolve(v, NULL, one, "a/b/../c", 0, &a);
	vfs_paths(v, NULL, (struct vfs_id){ 17 }, any_path, &sum);
	vfs_readlink(v, NULL, one, (char *)room, sizeof room);
}

static void
dirs(struct vfs *v)
{
	struct vfs_stream s = { .dir = one };
	uint64_t sum = 0;

	vfs_getdents(v, NULL, &s, room, 512, VFS_WANT_ATTR);
	vfs_getdents(v, NULL, &s, room, 512, 0);
	vfs_list(v, NULL, one, VFS_WANT_ATTR, any_entry, &sum);
}

static void
content(struct vfs *v)
{
	struct vfs_id h = one;
	uint64_t off;

	if (vfs_open(v, NULL, one, VFS_OPEN_READ, &h, NULL) < 0)
		h = one;
	vfs_read(v, NULL, h, 0, room, sizeof room);
	vfs_write(v, NULL, h, 0, room, 100);
	vfs_append(v, NULL, h, room, 100, &off);
	vfs_copy_range(v, NULL, h, 0, one, 0, 100);
	vfs_close(v, h);
}

static void
attrs(struct vfs *v)
{
	struct vfs_extent x[4];
	struct vfs_attr a;
	uint64_t next;

	vfs_stat(v, NULL, one, &a);
	vfs_getxattr(v, NULL, one, "user.x", room, 64);
	vfs_listxattr(v, NULL, one, (char *)room, 64);
	vfs_map_extents(v, one, 0, 1 << 20, x, 4, &next);
	vfs_hash(v, one, VFS_HASH_SHA256, room, 64, &next);
}

static void
batches(struct vfs *v)
{
	struct vfs_id ids[3] = { one, one, one };
	struct vfs_place places[2] = { { one, "a" }, { one, "b" } };
	struct vfs_range r[2] = { { .id = one, .p = room, .count = 64 },
		{ .id = one, .p = room + 64, .count = 64 } };
	struct vfs_found f[3];

	vfs_stat_batch(v, NULL, ids, 3, VFS_WANT_STAT, f);
	vfs_stat_batch(v, NULL, ids, 3, VFS_WANT_BRIEF, f);
	vfs_lookup_batch(v, NULL, places, 2, VFS_WANT_STAT, f);
	vfs_read_batch(v, NULL, r, 2);
}

static void
txs(struct vfs *v)
{
	struct vfs_tx *tx;
	struct vfs_id h;
	uint32_t sp;

	if (vfs_tx_begin(v, &tx) < 0)
		return;
	vfs_create(v, tx, one, "f", 0644, 0, NULL, &h);
	vfs_tx_savepoint(tx, &sp);
	vfs_tx_commit(tx, VFS_TX_STABLE, NULL);
}

static void
packs(struct vfs *v)
{
	struct vfs_result res[8];
	struct vfs_seq seq;
	struct vfs_pack p;

	vfs_pack_begin(&p, v, room, 512, room + 4096, 512);
	vfs_pack_if_absent(&p, one, "d");
	vfs_pack_file(&p, vfs_pack_mkdir(&p, one, "d", 0755), "f", 0644,
	    room + 5000, 600);
	vfs_pack_file(&p, one, "g", 0644, room + 5000, 100);
	vfs_pack_exec(&p, VFS_TX_VISIBLE, NULL, res, 8, &seq);
}

static void
journal(struct vfs *v)
{
	struct vfs_cursor c = { 0, 0 };
	uint64_t sum = 0, watch;
	struct vfs_seq seq;

	vfs_journal_pos(v, &c, &seq);
	vfs_settle(v, &c);
	vfs_changes(v, NULL, &c, any_change, &sum);
	if (vfs_watch(v, one, c, 0, &watch) == 0)
		vfs_unwatch(v, watch);
	vfs_changed(v, &seq);
}

static void (*const calls[])(struct vfs *) = { names, dirs, content, attrs,
	batches, txs, packs, journal };
#define CALLS	(sizeof calls / sizeof calls[0])

int
LLVMFuzzerTestOneInput(const uint8_t *p, size_t n)
{
	struct vfs_conf conf = { .max_msg = MSG_MAX };
	struct vfs *v;
	uint8_t *copy;
	size_t i;

	if (n < 2)
		return 0;
	copy = malloc(n);		/* exactly: one past it is seen */
	memcpy(copy, p, n);
	peer.in = copy + 2;
	peer.n = n - 2;
	peer.how = copy[0];
	peer.now_n = peer.now_at = peer.skip = peer.head_n = 0;
	peer.sent = peer.served = 0;
	if (vfs_connect_fd(open("/dev/null", O_RDWR | O_CLOEXEC), &conf,
	    &v) == 0) {
		for (i = 0; i < CALLS; i++)
			calls[(copy[1] + i) % CALLS](v);
		vfs_disconnect(v);
	}
	free(copy);
	return 0;
}
