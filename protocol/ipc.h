/*
 * ipc.h - messages through 64 words, for kernels that pass no more
 *
 * One page, shared by a client and the server: a mailbox of 64 words of 8
 * bytes each way, and a notification word each way, to which bits are
 * or-ed.  It stands for the message registers and the notification object
 * of a microkernel; there the kernel copies and the labels are its own.
 *
 *	   0	u64 magic, zeroes
 *	  64	to the server: u64 filled (counts letters), a cache line,
 *	 128	u64 taken, 192 u64 notification word
 *	 256	to the client: the same
 *	1024	64 words to the server, 1536 64 words to the client
 *
 * Word 0 of a letter is its label: 0x5646 in the upper 16 bits, how many
 * bytes of the stream follow in the low 16, between them zero.  A message
 * longer than 63 words comes in several letters, in order.  One letter is
 * under way in each direction; taking it makes room for the next.
 *
 * The notification word: IPC_LETTER (one came), IPC_ROOM (one was taken),
 * IPC_CHANGED (the journal has grown: N_CHANGED is this bit).  Or-ing to a
 * word that was not zero needs no signal: whoever sleeps on it has one
 * coming.
 *
 * Threads:   one a side.
 * Failure:   -VFS_MALFORMED once the peer broke the rules, for ever.
 */
#ifndef PROTO_IPC_H
#define PROTO_IPC_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define IPC_PAGE	4096u
#define IPC_MAGIC	0x4950435f31504656ull	/* "VFP1_CPI" as bytes */
#define IPC_LABEL	0x5646ull
#define IPC_WORDS	64u
#define IPC_DATA	(8u * (IPC_WORDS - 1))	/* bytes of one letter */

#define IPC_LETTER	1ull
#define IPC_ROOM	2ull
#define IPC_CHANGED	4ull

struct ipc_way {
	uint8_t *ctl, *words;		/* shared */
	uint64_t n;			/* letters that this side moved */
};

struct ipc {
	struct ipc_way in, out;
	uint16_t len, at;		/* of the letter under way */
	uint8_t letter[8 * IPC_WORDS];
	int err;
};

/* Makes a zeroed page ready. */
void ipc_format(void *page);
/* Take a side; the page is aligned to 64 bytes. */
int ipc_attach(struct ipc *i, void *page, size_t n, bool server);

/*
 * The stream: how many bytes were given or taken.  *signal becomes true if
 * the other side has to be woken.
 */
size_t ipc_read(struct ipc *i, void *p, size_t n, bool *signal);
size_t ipc_write(struct ipc *i, const void *p, size_t n, bool *signal);
/* Or bits to the other side's word: must it be woken? */
bool ipc_notify(struct ipc *i, uint64_t bits);
/* The bits of this side's word, which become zero.  Ask after each wakeup,
 * then read and write until nothing moves. */
uint64_t ipc_noticed(struct ipc *i);

#endif
