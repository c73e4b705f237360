/* kill.h - what the files of probe kill share */
#ifndef TESTS_E2E_KILL_H
#define TESTS_E2E_KILL_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/types.h>

#define NAMES	12
#define BYTES	20000		/* largest file */

/* What a name stands for. */
struct file {
	bool there;
	unsigned mode;
	char note;		/* value of user.note; 0: none */
	size_t size;
	unsigned char data[BYTES];
};

enum what { CREATE, WRITE, APPEND, CUT, RENAME, UNLINK, CHMOD, NOTE, REPLACE,
	WHATS };

struct op {
	enum what what;
	unsigned a, b;		/* names */
	size_t off, len;
	unsigned char byte;
};

struct rig {
	const char *store, *mnt;
	char **daemon;
	pid_t pid;
	unsigned seed;
	int held;		/* descriptor of a draft, or -1 */
	unsigned held_name;
	struct file now[NAMES], next[NAMES];	/* without, with the last op */
	uint64_t ops, kinds[WHATS];
	double slowest;		/* start after a kill, seconds */
	bool itself;		/* KILL_ITSELF */
	unsigned timer, early;	/* killed by the timer; before they served */
};

/* A name in the mount; good until the second call from here. */
const char *kill_path(struct rig *r, unsigned n, const char *suffix);
/* Is the tree as it was without o, or with it?  NULL, or what is wrong. */
const char *kill_verify(struct rig *r, const struct op *o);

#endif
