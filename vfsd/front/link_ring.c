/*
 * link_ring.c - rings in shared memory, on a unix connection
 *
 * Instead of its first message a peer sends 16 bytes (u32 magic "VFPR",
 * u32 version, u32 slots, u32 0) with the descriptor of a memfd that is
 * sealed against shrinking and holds a region of protocol/ring.h.  The
 * answer is as long: u32 magic, u32 version, u32 status, u32 0.  From then
 * on messages go through the rings, and a byte on the socket is a bell.
 */
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include "../../protocol/ring.h"
#include "../core/le.h"
#include "link_bytes.h"
#include "region.h"

struct ring_link {
	struct link_bytes b;
	struct ring ring;
	struct region region;
	int (*hear)(void *arg);		/* takes bells off the socket */
	void *arg;
};

static struct ring_link *
ring_of(struct link_bytes *b)
{
	return (struct ring_link *)b;	/* its first member */
}

static size_t
slots_read(struct link_bytes *b, void *p, size_t n)
{
	return ring_read(&ring_of(b)->ring, p, n);
}

static size_t
slots_write(struct link_bytes *b, const void *p, size_t n)
{
	return ring_write(&ring_of(b)->ring, p, n);
}

static int
slots_look(struct link_bytes *b)
{
	return ring_of(b)->hear(ring_of(b)->arg);
}

static int
slots_tell(struct link_bytes *b)
{
	struct ring *r = &ring_of(b)->ring;

	if (r->err < 0)
		return r->err;
	return ring_bell(r) ? bell_ring(b->fd) : 0;
}

static bool
slots_sleep(struct link_bytes *b, bool room)
{
	return ring_sleep(&ring_of(b)->ring, !room, room);
}

static int
slots_err(struct link_bytes *b)
{
	return ring_of(b)->ring.err;
}

/* The descriptor is the stream's that this began as. */
static void
slots_free(struct link_bytes *b)
{
	struct ring_link *r = ring_of(b);

	bell_end(b->fd, r->ring.err);
	region_unmap(&r->region);
	free(r);
}

static const struct bytes_ops slots = {
	slots_read, slots_write, slots_look, slots_tell, slots_sleep,
	slots_err, NULL, slots_free
};

const struct link_ops link_ring = LINK_BYTES_OPS("ring", NULL);

static int
answer(int fd, int err)
{
	uint8_t msg[LINK_RING_PRE] = { 0 };

	le_put32(msg, RING_MAGIC);
	le_put32(msg + 4, RING_VERSION);
	le_put32(msg + 8, (uint32_t)-err);
	return send(fd, msg, sizeof msg, MSG_NOSIGNAL | MSG_DONTWAIT) ==
	    sizeof msg ? 0 : -VFS_SESSION_CLOSED;
}

static int
attach(struct ring_link *r, int memfd, const uint8_t pre[LINK_RING_PRE])
{
	uint32_t n = le_get32(pre + 8);
	int err;

	if (le_get32(pre + 4) != RING_VERSION)
		return -VFS_VERSION;
	if (ring_bytes(n) == 0 || le_get32(pre + 12) != 0)
		return -VFS_MALFORMED;
	if ((err = region_map(memfd, ring_bytes(n), true, &r->region)) < 0)
		return err;
	return ring_attach(&r->ring, r->region.p, r->region.n, true);
}

int
link_ring_new(int fd, int memfd, const uint8_t pre[LINK_RING_PRE],
    int (*hear)(void *arg), void *arg, struct link **out)
{
	struct ring_link *r = calloc(1, sizeof *r);
	int err = -VFS_NOMEM, sent;

	if (r != NULL) {
		link_bytes_init(&r->b, &link_ring, &slots, &link_frame_vfp,
		    fd);
		r->hear = hear;
		r->arg = arg;
		err = attach(r, memfd, pre);
	}
	sent = answer(fd, err);
	if (err == 0)
		err = sent;
	if (err == 0) {
		*out = &r->b.link;
	} else if (r != NULL) {
		r->ring.err = 0;	/* it was told */
		link_bytes_close(&r->b.link);
	}
	return err;
}
