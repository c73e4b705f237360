/*
 * front.h - one store through whichever front, for tests of all at once
 *
 * The same few calls through the mount, over VFP/1 on each of its
 * transports, and over 9P.  All names are in directories that were entered
 * before; directory 0 is the one that the tests work in.
 *
 * Threads:   one for each front.
 * Failure:   0 or an errno; ELOST: the daemon is not there any more.
 */
#ifndef TESTS_FRONT_H
#define TESTS_FRONT_H

#include "../host.h"
#include "../p9c.h"

#define FRONT_DIRS_MAX	16u
#define ELOST		10000
#define FRONTS_MAX	10u

struct front;

struct front_stat {
	uint64_t id, size;
};

typedef void front_entry(void *arg, const char *name, size_t n);

struct front_ops {
	int (*open)(struct front *f, const char *where, const char *token);
	void (*close)(struct front *f);
	/* Enters a directory as number k; k is 0 and dir unused for the
	 * root. */
	int (*enter)(struct front *f, unsigned k, unsigned dir,
	    const char *name);
	int (*mkdir)(struct front *f, unsigned dir, const char *name);
	int (*create)(struct front *f, unsigned dir, const char *name);
	int (*unlink)(struct front *f, unsigned dir, const char *name);
	int (*rename)(struct front *f, unsigned dir, const char *name,
	    unsigned dir2, const char *name2);
	int (*stat)(struct front *f, unsigned dir, const char *name,
	    struct front_stat *out);
	int (*resize)(struct front *f, unsigned dir, const char *name,
	    uint64_t size);
	/* From the start of the file, as many as there are: *n. */
	int (*read)(struct front *f, unsigned dir, const char *name,
	    void *p, size_t *n);
	int (*write)(struct front *f, unsigned dir, const char *name,
	    const void *p, size_t n);
	int (*list)(struct front *f, unsigned dir, front_entry *fn,
	    void *arg);
};
extern const struct front_ops front_fuse, front_vfp, front_p9;

struct front {
	const struct front_ops *ops;
	char kind[16];			/* "ring" */
	union {
		int fd;			/* fuse */
		struct vfs_id id;	/* vfp */
	} dir[FRONT_DIRS_MAX];		/* 9p: fid 1 + k */
	struct host host;
	struct client c;
	struct p9c *p9;
	uint8_t *out, *in;
};

/* spec: KIND=WHERE; token: hexadecimal, for those who need one.  Directory
 * 0 is the root. */
int front_open(struct front *f, const char *spec, const char *token);
void front_close(struct front *f);

/* Transactions, on those fronts that have them. */
static inline bool
front_has_tx(const struct front *f)
{
	return f->ops == &front_vfp;
}
/* From begin to end all calls run in it; end commits or aborts.
 * EBUSY, from any of them: another one was first, or it was too old. */
int front_tx_begin(struct front *f);
int front_tx_end(struct front *f, bool commit);

#endif
