/*
 * foe.h - peers that mean harm
 *
 * Each function does one kind of mischief, on a connection of its own, and
 * returns soon; the daemon may end that connection at any time.  What they
 * may do by right is little: they have a token for one directory, so
 * nothing that they send can be a request that harms others.
 *
 * Threads: one, but for the mutator's.
 */
#ifndef TESTS_FOE_H
#define TESTS_FOE_H

#include "fronts.h"

#define FOE_KEPT	12u		/* stalled connections, kept open */

struct foe {
	const char *kind, *where, *token;
	uint64_t seed;
	struct host h;
	struct client c;
	bool open;
	struct vfs_id root;		/* the directory that it may use */
	uint8_t out[65536], in[65536];
	uint8_t msg[65536];
	size_t n;
	int kept[FOE_KEPT];		/* 0: none */
	unsigned nkept;
	uint64_t done, believed;	/* mischief done; forgeries taken for
					 * real, which is wrong */
	uint64_t end_ms;
};

typedef void mischief(struct foe *x);

struct foe_row {
	const char *name;
	const char *kinds;		/* of transports, "" is all */
	mischief *run;
};
extern const struct foe_row foe_vfp[], foe_shared[], foe_p9[];
extern const unsigned foe_vfp_n, foe_shared_n, foe_p9_n;

/* Until end_ms: mischief of all kinds that suit, in any order. */
void foe_run(struct foe *x);

uint32_t foe_rnd(struct foe *x, uint32_t n);
void foe_bytes(struct foe *x, void *p, size_t n);
/* Connects; with a token by right. */
bool foe_come(struct foe *x, bool token);
void foe_go(struct foe *x);
/* The connection stays open, and nobody looks at it any more. */
void foe_keep(struct foe *x, int fd);
/* A request of this kind, with fields that mean something, in x->msg. */
void foe_request(struct foe *x, enum vfs_op op);
/* As much of x->msg[0..n) as goes within a moment. */
void foe_send(struct foe *x, size_t n);
/* Takes what has come; false: it has ended. */
bool foe_drain(struct foe *x);

#endif
