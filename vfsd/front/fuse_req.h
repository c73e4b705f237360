/*
 * fuse_req.h - one request on its way through the FUSE front
 *
 * Internal to vfsd/front/fuse*.c.  A handler gets the request with its
 * fixed part already checked for length.  It either replies (freq_*) and
 * returns 0, or returns a negative vfs_err that becomes the reply.
 */
#ifndef FRONT_FUSE_REQ_H
#define FRONT_FUSE_REQ_H

#include <pthread.h>
#include <stdatomic.h>

#include "../clock.h"
#include "../server/locks.h"
#include "../server/visible.h"
#include "fuse.h"
#include "fuse_abi.h"
#include "fuse_handle.h"
#include "fuse_stats.h"
#include "fuse_turn.h"

#define FUSE_FOREVER	0x7fffffffull	/* seconds; cached until told */
#define FUSE_BUF	(VFS_IO_MAX + 8192u)

struct counter {
	_Atomic uint64_t calls, errors, ns_total, ns_max;
};

struct fuse_ring;			/* fuse_uring.h */
struct fuse_rings;

struct fuse_worker {
	struct fuse_front *f;
	struct fuse_ring *ring;		/* NULL: it reads /dev/fuse */
	unsigned n;
	int fd;
	struct fuse_turn_own turn;
	pthread_t thread;
	bool started;
	uint8_t *in, *out;		/* FUSE_BUF each, page aligned */
	struct counter count[FUSE_OP_COUNT];
	_Atomic uint64_t unknown, malformed;
};

/*
 * When each object's SETATTR or LINK was last answered, by a hash of its
 * id: the kernel takes their replies as they are, however old.
 */
#define FUSE_SETS	1024u

struct fuse_front {
	struct fuse_front_conf conf;
	struct visible *visible;
	int notice_fd;			/* for notices only, if we got one */
	struct fuse_tellers *tellers;
	_Atomic uint64_t set_ns[FUSE_SETS];
	struct fuse_dropper *dropper;
	struct fuse_ahead *ahead;	/* NULL: not started */
	char *store;
	uint32_t *groups;		/* own_checks: of this user */
	uint32_t ngroups, user;
	struct fuse_handles *handles;
	struct locks *locks;	/* NULL: the kernel keeps them */
	_Atomic uint32_t minor;
	_Atomic uint64_t flags;
	atomic_bool stopping, initialized;
	_Atomic unsigned alive;		/* threads that still serve */
	_Atomic unsigned later;		/* replies that a callback owes */
	struct fuse_turn turn;
	struct fuse_worker *worker[FUSE_THREADS_MAX];
	unsigned nworkers;
	struct fuse_rings *rings;	/* NULL: none */
};

struct freq {
	struct fuse_front *f;
	struct fuse_worker *w;
	const struct fuse_in_header *h;
	const uint8_t *body;		/* after the header */
	size_t n;
	struct req_env env;
	uint64_t t0_ns;
	int err;			/* errno of the reply, for counting */
	bool later;			/* the reply comes from a callback */
	bool watched;			/* freq_watch */
};

/* A request whose reply a callback sends. */
struct freq_later {
	struct fuse_worker *w;
	uint64_t unique, t0_ns;
	uint32_t opcode;
	uint32_t n;			/* of the reply, where it is well */
	uint8_t reply[8];
};

/* fuse_loop.c, for threads of either kind */
void fuse_worker_ended(struct fuse_front *f);
void fuse_worker_join(struct fuse_worker *w);

/* One message.  Whatever its bytes are, it ends in at most one reply. */
void fuse_serve(struct fuse_worker *w, const uint8_t *p, size_t n);

typedef int fuse_handler(struct freq *q);
#define FUSE_OP(n, NAME, name, fixed, opened) fuse_handler fuse_do_##name;
#include "fuse_ops.def"
#undef FUSE_OP

static inline struct vfs_id
freq_id(const struct freq *q)
{
	return (struct vfs_id){ q->h->nodeid };
}

static inline int
freq_dispatch(struct freq *q, enum vfs_op op, const void *req, void *rep)
{
	return dispatch(q->f->conf.server, op, &q->env, req, rep);
}

/* Take the next NUL-terminated string from *off on: 1 to 255 bytes; a name
 * of a file has no '/'.  0 or a negative vfs_err. */
int freq_string(const struct freq *q, size_t *off, struct vfs_slice *out);
int freq_name(const struct freq *q, size_t *off, struct vfs_slice *out);

/* Replies.  false: the kernel no longer waits for it (interrupted), so
 * whatever the reply handed over must be taken back. */
bool freq_reply(struct freq *q, const void *p, size_t n);
bool freq_reply2(struct freq *q, const void *p, size_t n,
    const void *p2, size_t n2);
/* An errno (positive) as it is; for what no vfs_err stands for. */
int freq_errno(struct freq *q, int os);

/* Set up *l so that freq_done(l, errno) replies; q counts as handled.  The
 * caller gives l up to its callback.  NULL: no memory. */
struct freq_later *freq_later(struct freq *q);
/* It replied by itself after all, or failed: forget l. */
void freq_not_later(struct freq *q, struct freq_later *l);
void freq_done(struct freq_later *l, int os);

/*
 * fuse_notify.c: what the kernel may keep (visible.h).  watch comes before
 * the state is read; the end of the request undoes it.  Without it nothing
 * is kept.
 */
void freq_watch(struct freq *q);
bool freq_keeps(const struct freq *q, struct vfs_id id);
/* Of the attributes that q is answered with. */
bool freq_keeps_answer(const struct freq *q, struct vfs_id id);
bool freq_keeps_pages(const struct freq *q, struct vfs_id id);
bool freq_keeps_name(const struct freq *q, struct vfs_slice name);
void fuse_hold(struct fuse_front *f, struct vfs_id id, uint64_t n);
void fuse_drop(struct fuse_front *f, struct vfs_id id, uint64_t n);
/* An answer about id that the kernel takes unseen: before the request is
 * run, and before it is given. */
void fuse_sets(struct fuse_front *f, struct vfs_id id);
/*
 * The kernel has put what it appends to id where it believes the end to be,
 * which was elsewhere.  Its pages are dropped when the reply, which comes
 * next, has been taken in: by a thread, for they are locked until then.
 */
void fuse_misplaced(struct fuse_front *f, struct vfs_id id);
int fuse_notify_start(struct fuse_front *f);
/* While the threads still serve. */
void fuse_notify_stop(struct fuse_front *f);
/* When they have ended: they may leave pages to be dropped until then. */
void fuse_notify_free(struct fuse_front *f);

/*
 * fuse_perm.c: permissions, where the kernel checks none (own_checks).
 * Elsewhere these change nothing.
 */
int fuse_groups_read(struct fuse_front *f);
void fuse_groups(const struct fuse_front *f, struct req_env *env);
/* May it search id?  The kernel may keep names in there if so. */
bool freq_may_search(struct freq *q, struct vfs_id id);
/* The mode or an ACL of id has changed.  Before the reply. */
void freq_shut(struct freq *q, struct vfs_id id);
/* fuse_notify.c: the kernel asks for the object's attributes anew.  Takes no
 * lock of its, so before any reply. */
void fuse_forget_attr(struct fuse_front *f, struct vfs_id id);
/* fuse_notify.c: the kernel asks for each name anew.  Takes no lock of its,
 * and so does not wait. */
void fuse_forget_names(struct fuse_front *f);

/* A reply for a new entry: takes a hold for the kernel, and gives it back
 * if the reply was not delivered. */
int freq_entry(struct freq *q, struct vfs_slice name,
    const struct vfs_attr *a);

/* id was read: it may be time for a new atime.  Not worth an error. */
void freq_atime(struct freq *q);

void fuse_attr_fill(struct fuse_attr *out, const struct vfs_attr *a);
/* Kept for ever. */
void fuse_entry_fill(struct fuse_entry_out *out, const struct vfs_attr *a);
/* Kept if it may be; what it hands over is held. */
void freq_entry_fill(const struct freq *q, struct vfs_slice name,
    const struct vfs_attr *a, struct fuse_entry_out *out);

void freq_count(struct freq *q);

#endif
