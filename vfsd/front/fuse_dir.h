/*
 * fuse_dir.h - pages of a directory stream, and the next one made ahead
 *
 * Internal to vfsd/front/fuse*.c.  While the kernel takes in a page of
 * READDIRPLUS, which takes longer than making it, a thread makes the next.
 * It is sent only if the engine's tick says that nothing has changed since:
 * then it is what would be made now.
 */
#ifndef FRONT_FUSE_DIR_H
#define FRONT_FUSE_DIR_H

#include "fuse_req.h"

/* Which one. */
struct fuse_page {
	uint64_t fh;
	struct vfs_id dir;
	uint64_t cookie, fence;		/* fence 0: of a new scan */
	size_t cap;			/* bytes, at most */
	bool plus;
};

/* Its bytes, and what goes with them. */
struct fuse_page_out {
	uint8_t *p;			/* page.cap of them, or more */
	size_t n;
	uint64_t next, fence;
	bool eof;
};

/* 0 or a negative vfs_err. */
int fuse_page_make(struct fuse_front *f, const struct req_env *env,
    const struct fuse_page *page, struct fuse_page_out *out);

/* fuse_ahead.c.  Threads: any; start and stop from one. */
int fuse_ahead_start(struct fuse_front *f);
void fuse_ahead_stop(struct fuse_front *f);	/* when nobody serves */
/* Make it soon, for the one whose env it is; h is its handle. */
void fuse_ahead_ask(struct freq *q, struct fuse_handle *h,
    const struct fuse_page *page);
/*
 * The page, if it was asked for and is as good as one made now; waits for
 * one that is being made.  After freq_watch.  Then it is the caller's until
 * fuse_ahead_done.
 */
bool fuse_ahead_take(struct freq *q, struct fuse_handle *h,
    const struct fuse_page *page, struct fuse_page_out *out);
void fuse_ahead_done(struct freq *q);

void fuse_ahead_count(struct fuse_front *f, struct fuse_stats *out);

#endif
