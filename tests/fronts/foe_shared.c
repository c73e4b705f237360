/*
 * Foes who share memory with the daemon, or a line: bytes that change
 * between any two loads, indices that jump, regions that are not what they
 * seem.
 */
#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <pthread.h>
#include <stdatomic.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

#include "foe.h"

#define MOMENT_MS	40
#define REGION		(256u << 10)

/* --- a hand that changes what is shared ------------------------------------------ */

struct hand {
	_Atomic uint8_t *p;
	size_t n, often;		/* bytes; those changed more often */
	uint64_t seed;
	atomic_bool stop;
	pthread_t thread;
};

static void *
change(void *arg)
{
	struct hand *h = arg;
	size_t at;

	while (!atomic_load(&h->stop)) {
		h->seed = h->seed * 6364136223846793005u +
		    1442695040888963407u;
		at = (size_t)(h->seed >> 33) %
		    ((h->seed >> 32 & 1) != 0 ? h->often : h->n);
		h->p[at] ^= (uint8_t)(1 << (h->seed >> 29 & 7));
	}
	return NULL;
}

static bool
hand_start(struct hand *h, struct foe *x, void *p, size_t n, size_t often)
{
	h->p = p;
	h->n = n;
	h->often = often;
	h->seed = x->seed + foe_rnd(x, 1000);
	atomic_store(&h->stop, false);
	return pthread_create(&h->thread, NULL, change, h) == 0;
}

static void
hand_stop(struct hand *h)
{
	atomic_store(&h->stop, true);
	pthread_join(h->thread, NULL);
}

/* --- rings, mailboxes --------------------------------------------------------------- */

/* Requests come all the while, from whoever has not noticed anything. */
static void
talk(struct foe *x)
{
	uint64_t end = clock_ms() + MOMENT_MS;
	unsigned i;

	while (clock_ms() < end && x->c.ended == 0) {
		foe_request(x, VFS_OP_LOOKUP + foe_rnd(x, 20));
		for (i = 0; i < 4 && x->n > 0; i++)
			foe_send(x, x->n);
		if (!foe_drain(x))
			return;
	}
}

static void
flips(struct foe *x)
{
	struct hand h;

	if (!foe_come(x, true))
		return;
	if (hand_start(&h, x, x->h.region, x->h.region_n,
	    strcmp(x->kind, "ring") == 0 ? 576 : 128)) {
		talk(x);
		hand_stop(&h);
	}
	foe_go(x);
}

/* Heads and tails, lengths of slots, wishes for bells: anything. */
static void
jumps(struct foe *x)
{
	static const uint64_t much[] = { 0, 1, 65, 1000, 1ull << 32,
		1ull << 63, UINT64_MAX };
	uint8_t *p;
	uint64_t to;

	if (!foe_come(x, true))
		return;
	p = x->h.region;
	to = foe_rnd(x, 2) ? much[foe_rnd(x, 7)] : foe_rnd(x, 70);
	memcpy(p + 64 + 64 * foe_rnd(x, 8), &to, 8);
	if (foe_rnd(x, 2))		/* the length in some slot */
		memcpy(p + RING_HEAD + RING_SLOT * foe_rnd(x, 128), &to, 4);
	host_send_fd(x->h.fd, "\1", 1, -1);
	talk(x);
	foe_go(x);
}

static int
connected(const char *path)
{
	struct sockaddr_un sa = { .sun_family = AF_UNIX };
	int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);

	strncpy(sa.sun_path, path, sizeof sa.sun_path - 1);
	if (fd >= 0 && connect(fd, (struct sockaddr *)&sa, sizeof sa) == 0)
		return fd;
	if (fd >= 0)
		close(fd);
	return -1;
}

/* A region that could shrink under the daemon, or is too small, or none. */
static void
unsealed(struct foe *x)
{
	uint32_t pre[4] = { RING_MAGIC, RING_VERSION, 64, 0 };
	size_t n = foe_rnd(x, 2) ? ring_bytes(64) : 4096;
	bool sealed = n == 4096 && foe_rnd(x, 2);
	int fd = connected(x->where), memfd;
	void *p = NULL;

	memfd = foe_rnd(x, 8) ? host_memfd(n, sealed, &p) :
	    open("/dev/zero", O_RDWR | O_CLOEXEC);
	if (fd < 0 || memfd < 0)
		goto out;
	if (p != NULL && n > 4096)
		ring_format(p, 64);
	if (host_send_fd(fd, pre, sizeof pre, memfd) == 0 &&
	    recv(fd, pre, sizeof pre, 0) == sizeof pre && pre[2] == 0)
		x->believed++;		/* it was taken */
	(void)!ftruncate(memfd, 0);
out:
	if (p != NULL)
		munmap(p, n);
	if (fd >= 0)
		close(fd);
	if (memfd >= 0)
		close(memfd);
}

/* Sealed, as it should be: it cannot be made smaller any more. */
static void
shrinks(struct foe *x)
{
	void *p = NULL;
	int fd = host_memfd(REGION, true, &p);
	struct vfs_grant_map q = { .flags = VFS_GRANT_WRITE, .size = REGION };
	struct vfs_grant_map_reply r;

	if (fd >= 0 && foe_come(x, true)) {
		if (foe_rnd(x, 2))
			q.size = REGION + 4096;	/* more than there is */
		if (host_pass_fd(&x->h, fd) == 0)
			x->believed += client_call(&x->c, VFS_OP_GRANT_MAP,
			    &q, &r) == 0 && q.size > REGION;
		x->believed += ftruncate(fd, 0) == 0;
		talk(x);
		foe_go(x);
	}
	if (p != NULL && p != MAP_FAILED)
		munmap(p, REGION);
	if (fd >= 0)
		close(fd);
}

/* --- bulk data ------------------------------------------------------------------------- */

/* Blobs outside, over each other, in what READ writes to at the time. */
static void
use_grant(struct foe *x, uint32_t grant, struct vfs_id file)
{
	struct vfs_write wq = { .id = file };
	struct vfs_write_reply wr;
	struct vfs_read rq = { .id = file, .grant = grant };
	struct vfs_read_reply rr;
	struct client_far far = { .kind = PROTO_GRANT, .grant = grant };
	uint64_t end = clock_ms() + MOMENT_MS;

	while (clock_ms() < end && x->c.ended == 0) {
		far.off = foe_rnd(x, REGION + 5000);
		far.n = foe_rnd(x, 65536);
		if (foe_rnd(x, 8) == 0)
			far.off = UINT64_MAX - foe_rnd(x, 9);
		wq.off = foe_rnd(x, 100000);
		if (client_call_far(&x->c, VFS_OP_WRITE, &wq, &far, &wr) == 0)
			x->believed += far.off + far.n > REGION;
		rq.off = foe_rnd(x, 100000);
		rq.count = foe_rnd(x, 65536);
		rq.grant_off = foe_rnd(x, REGION + 5000);
		client_call(&x->c, VFS_OP_READ, &rq, &rr);
	}
}

static void
grants(struct foe *x)
{
	void *p = NULL;
	int fd = host_memfd(REGION, true, &p);
	struct vfs_create cq = { .mode = 0100600, .name = { "bulk", 4 } };
	struct vfs_create_reply cr;
	struct vfs_grant_map q = { .flags = VFS_GRANT_WRITE, .size = REGION };
	struct vfs_grant_map_reply r;
	struct hand h;

	if (fd < 0 || !foe_come(x, true))
		goto out;
	cq.dir = x->root;
	if (client_call(&x->c, VFS_OP_CREATE, &cq, &cr) == 0 &&
	    host_pass_fd(&x->h, fd) == 0 &&
	    client_call(&x->c, VFS_OP_GRANT_MAP, &q, &r) == 0 &&
	    hand_start(&h, x, p, REGION, REGION)) {
		use_grant(x, r.grant, cr.attr.id);
		hand_stop(&h);
	}
	foe_go(x);
out:
	if (p != NULL && p != MAP_FAILED)
		munmap(p, REGION);
	if (fd >= 0)
		close(fd);
}

/* Descriptors by the dozen, with messages that want none. */
static void
many_fds(struct foe *x)
{
	int fd = open("/dev/null", O_RDWR | O_CLOEXEC);
	unsigned i;

	if (fd >= 0 && foe_come(x, true)) {
		for (i = 0; i < 40; i++) {
			foe_request(x, VFS_OP_PING);
			if (host_pass_fd(&x->h, fd) == 0)
				foe_send(x, x->n);
		}
		foe_drain(x);
		foe_go(x);
	}
	if (fd >= 0)
		close(fd);
}

/* --- a line ---------------------------------------------------------------------------- */

static void
noise(struct foe *x)
{
	int fd = open(x->where, O_RDWR | O_NOCTTY | O_NONBLOCK | O_CLOEXEC);
	unsigned i;

	if (fd < 0)
		return;
	for (i = 0; i < 8; i++) {
		foe_bytes(x, x->msg, 2048);
		if (write(fd, x->msg, 1 + foe_rnd(x, 2000)) < 0)
			poll(NULL, 0, 2);
	}
	while (read(fd, x->msg, sizeof x->msg) > 0)
		;
	close(fd);
}

const struct foe_row foe_shared[] = {
	{ "flips", "ring ipc", flips }, { "jumps", "ring", jumps },
	{ "unsealed", "ring", unsealed }, { "shrinks", "ring unix", shrinks },
	{ "grants", "ring unix", grants }, { "descriptors", "ring unix",
	    many_fds }, { "noise", "serial", noise },
};
const unsigned foe_shared_n = sizeof foe_shared / sizeof foe_shared[0];
