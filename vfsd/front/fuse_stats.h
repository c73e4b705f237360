/*
 * fuse_stats.h - what the FUSE front counts, for vfsctl status
 */
#ifndef FRONT_FUSE_STATS_H
#define FRONT_FUSE_STATS_H

#include <stdint.h>

#include "fuse_abi.h"

struct fuse_front;

/* One kind of request, from its arrival to its reply. */
struct fuse_count {
	uint64_t calls, errors, ns_total, ns_max;
};

struct fuse_stats {
	struct fuse_count op[FUSE_OP_COUNT];
	uint64_t unknown;		/* requests of no known kind */
	uint64_t malformed;		/* refused before any handler */
	uint64_t handles;		/* open now */
	uint32_t minor;			/* of the protocol, as negotiated */
	uint64_t flags;			/* INIT flags in use */
	unsigned threads;
	unsigned rings;			/* threads on io_uring */
	/* Pages of directories made before they were asked for; of these,
	 * sent, and no longer true when they were asked for. */
	uint64_t pages_ahead, pages_sent, pages_stale;
};

/* "LOOKUP"; NULL if there is no such opcode. */
const char *fuse_op_name(unsigned opcode);

/* Any thread; adds up what the serving threads counted. */
void fuse_front_stats(struct fuse_front *f, struct fuse_stats *out);

#endif
