/*
 * visible.h - commits of other fronts, seen through the kernel's caches
 *
 * The kernel keeps names, attributes, absences and pages for ever, since
 * all that it does itself passes through it.  What others commit must
 * become visible in one step nevertheless, and stay so.  Four steps:
 *
 *   mark     what the commit touches: from now on replies to the kernel
 *            about it may not be kept
 *   tell     the kernel to forget what it keeps of that, while everything
 *            is still served from the old state
 *   commit   at the serial point, if it touches nothing that is not marked
 *            and told; else it is dropped, told, and run again
 *   unmark   after the pages of changed files are gone, and what is still
 *            on its way in that the kernel would not compare
 *
 * Only what the kernel holds is told.  What a commit touches is derived
 * from the rows of its write set, so nobody lists it.
 *
 * Threads:   any.  visible_tell and visible_end wait for requests of the
 *            kernel's to end: call them without locks, never at the serial
 *            point, and never from a thread that serves the kernel.
 * Failure:   0 or a negative vfs_err.
 */
#ifndef VFSD_VISIBLE_H
#define VFSD_VISIBLE_H

#include "../core/txn.h"

#define VISIBLE_THREADS	64u		/* that serve the kernel */
#define VISIBLE_MARKS	16384u		/* things that one commit marks one
					 * by one; with more, everything is */
#define VISIBLE_TRIES	64u		/* to find what it touches told */

struct visible;
struct holders;

/* h: what the kernel holds. */
int visible_new(struct holders *h, struct visible **out);
void visible_free(struct visible *v);	/* NULL is fine */

/* --- the one who tells the kernel --------------------------------------- */

struct visible_ear {
	/* Forget the attributes of id, pages: and its pages.  -VFS_NOENT:
	 * the kernel has no such object, or has not got it yet. */
	int (*object)(void *arg, struct vfs_id id, bool pages);
	/* Forget what stands at a name; what is under way in dir has ended
	 * when it returns. */
	void (*name)(void *arg, struct vfs_id dir, struct vfs_slice name);
	/* Has a request begun since, of which the kernel takes in what the
	 * answer says of id, whatever it knows by then?  object() of it
	 * returns when that has been taken in.  CLOCK_MONOTONIC.  NULL: no. */
	bool (*unseen)(void *arg, struct vfs_id id, uint64_t since_ns);
	/* Runs fn(p) where the first two may be called, and waits for its
	 * end.  NULL: anywhere. */
	void (*run)(void *arg, void (*fn)(void *p), void *p);
	void *arg;
	/* Names of a commit that touches no more than so many are told once
	 * more when it is done: what has been looked up since the first time
	 * goes, too. */
	size_t names_after;
	/* The first answers about an object after a commit are not kept:
	 * until a thread that has had some asks again, or for so long since
	 * the first of them.  0: they are. */
	uint64_t wary_ns;
};

/* From now on; NULL: nobody.  Waits for those that are being told. */
void visible_listen(struct visible *v, const struct visible_ear *ear);

/* --- requests of the kernel --------------------------------------------- */

/* Around a request whose reply the kernel may keep: from before the state
 * is read.  thread: below VISIBLE_THREADS, one request at a time. */
void visible_enter(struct visible *v, unsigned thread);
void visible_leave(struct visible *v, unsigned thread);
/* May it?  Within, after server_kernel_hold of what the reply hands
 * over.  The second is asked once for each answer that gives a thread of the
 * kernel's the attributes of id; 0: nobody knows which thread. */
bool visible_keeps(struct visible *v, struct vfs_id id);
bool visible_keeps_answer(struct visible *v, struct vfs_id id,
    uint32_t thread);
bool visible_keeps_pages(struct visible *v, struct vfs_id id);
bool visible_keeps_name(struct visible *v, struct vfs_id dir,
    struct vfs_slice name);
/* The kernel is about to rename, which moves what it keeps. */
void visible_moves(struct visible *v, struct vfs_id dir,
    struct vfs_slice name);

/* Pages of id are wrong from now on, until they are gone: nothing about it
 * is kept.  -VFS_NOMEM. */
int visible_stale(struct visible *v, struct vfs_id id);
void visible_fresh(struct visible *v, struct vfs_id id);

/*
 * id stands at a name in a directory that nobody else can reach: if the
 * kernel has it only because it keeps it, it lets go.  false: it does not
 * have it.
 */
bool visible_shed(struct visible *v, struct vfs_id dir,
    struct vfs_slice name, struct vfs_id id);

/* --- a commit ------------------------------------------------------------ */

struct visible_commit {
	struct visible *v;		/* NULL: came from the kernel */
	struct visible_thing *things;
	size_t n, cap;
	size_t marked;			/* of these, have their mark */
	uint32_t *slots;		/* index + 1, by hash */
	size_t nslots;
	char *names;
	size_t names_n, names_cap;
	struct vfs_id first_new;	/* nobody knows ids from here on */
	struct vfs_id last_dir;		/* of the name marked last */
	bool last_held;
	uint64_t moves;			/* as they were when it was told */
	uint64_t since_ns;		/* when it began */
	unsigned tries;
	bool all;			/* everything is marked */
	bool tried;			/* it may be committed */
	int err;			/* of collecting */
};

#define VISIBLE_TELL	256		/* not a vfs_err */

/* v NULL: it is no business of ours, and everything below passes. */
void visible_begin(struct visible_commit *c, struct visible *v);
/*
 * In the place of txn_commit, and takes t as that does.  VISIBLE_TELL:
 * nothing was committed; give up the locks, visible_tell, run again.
 */
int visible_txn_commit(struct visible_commit *c, struct txn *t,
    struct vfs_seq *seq);
void visible_tell(struct visible_commit *c);
/* Before the answer is given. */
void visible_end(struct visible_commit *c);

struct visible_counts {
	uint64_t commits;		/* that found something to tell */
	uint64_t objects, names, pages;	/* told */
	uint64_t again;			/* times that it was told more */
	uint64_t late;			/* told after, not before */
	uint64_t marks;			/* now */
};
void visible_counts(struct visible *v, struct visible_counts *out);

#endif
