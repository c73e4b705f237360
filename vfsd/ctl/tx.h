/*
 * tx.h - the operations of a vfsctl tx script
 */
#ifndef VFSD_CTL_TX_H
#define VFSD_CTL_TX_H

#include "ctl.h"
#include "script.h"

struct tx {
	struct ctl k;
	const char *file;		/* for messages */
	struct vfs_id at;		/* where relative paths begin */
	const struct script_line *l;	/* the line that is run */
	const char *why;		/* what is wrong, if no error says it */
	bool mistake;			/* ... and it is the script */
	unsigned *lines;		/* of each operation that counts */
	uint32_t nops;
	uint64_t seq;
	uint8_t *buf;			/* VFS_IO_MAX */
};

struct tx_command {
	const char *name;
	const char *words;		/* those after it, for messages */
	unsigned min, max;		/* words, the name too */
	bool asks;			/* -VFS_PRECOND: it is not so */
	int (*run)(struct tx *t);	/* the line t->l */
};

/* NULL if there is none of the line's name. */
const struct tx_command *tx_command_of(const struct script_line *l);

#endif
