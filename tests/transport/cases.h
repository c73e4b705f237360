/*
 * cases.h - what every transport has to carry
 *
 * One list of cases, run by the same code over each of them: by a program
 * with a C library over five (main.c), by one without over bounded IPC
 * (hostsim.c).  So nothing here but protocol/ and memcpy.
 */
#ifndef TRANSPORT_CASES_H
#define TRANSPORT_CASES_H

#include "../../protocol/client.h"
#include "../../protocol/tx.h"

struct cases {
	struct client *c;
	const char *name;		/* of the directory to work in */
	uint8_t *room;			/* scratch, at least 8 KiB */
	size_t room_n;
	struct vfs_id dir;		/* made by case_setup */
	/* Makes memory that is shared with the daemon: its descriptor goes
	 * with the next request.  NULL: this transport cannot. */
	int (*share)(struct cases *k, size_t n, void **p);
	void *host;			/* share's */
	bool skipped;			/* this case was none, here */
	/* Where it failed, and what was answered instead. */
	unsigned line;
	int got, want;
};

struct case_row {
	const char *name;
	bool (*run)(struct cases *k);
};
extern const struct case_row case_rows[];
extern const unsigned case_rows_n;

/* Makes the directory, empty. */
bool case_setup(struct cases *k);

/* Numbers of their own for the host's directory. */
struct vfs_slice case_slice(const char *s);

#endif
