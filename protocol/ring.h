/*
 * ring.h - two rings in memory that two parties share and neither trusts
 *
 * One ring for each direction, one producer, one consumer.  A slot holds up
 * to 504 bytes of the stream of messages; a message may span slots, which
 * are made visible together.  The region, numbers in the machine's order:
 *
 *	   0	u32 magic, u32 version (1), u32 slots, u32 512, zeroes
 *	  64	ring to the server: four cache lines of 64 bytes,
 *		u64 tail (the producer's), u64 head (the consumer's),
 *		u32 want_data (the consumer sleeps: ring the bell),
 *		u32 want_room (the producer sleeps)
 *	 320	ring to the client: the same
 *	 576	zeroes up to 1024
 *	1024	slots to the server, then slots to the client: u32 length,
 *		u32 unused, 504 bytes
 *
 * The side that consumes keeps its head, the side that produces its tail
 * in memory of its own; the shared copy is for the other.  Every shared
 * number is loaded once into a local, bytes are copied out once, and only
 * the copy is looked at.  An index that cannot be (tail - head beyond the
 * slots, one that goes back) or a length that does not fit poisons the
 * session and nothing else.
 *
 * Sleeping (after sDDF): say that you want to be woken, look once more,
 * sleep only if there is still nothing.  The other side moves its index
 * first and then asks who wants a bell.  tests/spin/ring.pml shows that no
 * wakeup is lost.
 *
 * Threads:   one a side.
 * Failure:   -VFS_MALFORMED once poisoned, for ever.
 */
#ifndef PROTO_RING_H
#define PROTO_RING_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define RING_MAGIC	0x52504656u	/* "VFPR" as bytes */
#define RING_VERSION	1u
#define RING_SLOT	512u
#define RING_DATA	(RING_SLOT - 8u)
#define RING_SLOTS_MIN	2u
#define RING_SLOTS_MAX	4096u		/* of one direction; powers of 2 */
#define RING_HEAD	1024u		/* bytes before the slots */

/* One direction as one side sees it. */
struct ring_way {
	uint8_t *ctl, *slots;		/* shared */
	uint64_t mine;			/* the index that this side moves */
	uint64_t theirs;		/* the other, when looked at last */
	uint32_t len, at;		/* consumer: the slot under way */
};

struct ring {
	struct ring_way in, out;
	uint32_t n;			/* slots of one direction */
	bool wrote, took;		/* since the bell was thought of */
	int err;			/* once it is poisoned */
};

/* Bytes of a region; 0 if slots is no power of two within the limits. */
size_t ring_bytes(uint32_t slots);
/* Makes a zeroed region ready: for whoever made the memory. */
void ring_format(void *region, uint32_t slots);
/* Take a side.  -VFS_MALFORMED if it is no region of n bytes or more. */
int ring_attach(struct ring *r, void *region, size_t n, bool server);

/* The stream: how many bytes were given or taken; look at r->err. */
size_t ring_read(struct ring *r, void *p, size_t n);
size_t ring_write(struct ring *r, const void *p, size_t n);

/*
 * After reads or writes: does the other side want its bell rung for what
 * they did?  Asking takes the wish away.  Whoever waits for data is not
 * woken because there is room.
 */
bool ring_bell(struct ring *r);
/* Before sleeping for something to read, or for room to write: true if
 * there is nothing, and the other side knows. */
bool ring_sleep(struct ring *r, bool for_data, bool for_room);

#endif
