/*
 * fuse_notify.c - telling the kernel what others have changed
 *
 * The kernel's side of visible.h.  Facts about Linux that it builds on:
 *
 * INVAL_ENTRY takes the lock of the parent, which LOOKUP of a name that is
 * not cached, READDIR and all changes in the directory hold until their
 * reply is taken in: when it returns, none of these is under way that was
 * before, whether the name was cached or not.  Not so the LOOKUP by which
 * a cached name is checked again; but then the name is, and goes.  If it
 * was a directory's and is looked up anew, its dentry comes back
 * (d_splice_alias), and with it the good that such an old reply says of it.
 * So names go once more after a commit, with all that were not for keeps and
 * would have to be checked again.
 *
 * INVAL_INODE makes attributes of replies to requests that were sent before
 * it useless, but for SETATTR and LINK, which have the object's lock; so has
 * INVAL_ENTRY in it.
 *
 * A stat that may use the attributes which the kernel has takes no lock, and
 * a reply first says that they may be used and then puts new ones in: who
 * looks in between goes back.  So the first replies about what has changed
 * are not kept, and the one that is says what is there already.
 */
#include <errno.h>
#include <stdlib.h>
#include <sys/uio.h>

#include "fuse_req.h"
#include "fuse_tell.h"

#define NAMES_AFTER	64u
#define WARY_NS		100000000u	/* an answer is taken in by then */
#define SET_FRESH_NS	10000000000ull	/* after that a reply was taken in */

/* --- to the kernel ---------------------------------------------------------- */

/* 0, -VFS_NOENT; that the kernel is gone is no failure. */
static int
send_notice(struct fuse_front *f, int code, const void *p, size_t n,
    struct vfs_slice name)
{
	struct fuse_out_header h = { .error = code };
	struct iovec v[4] = {
		{ &h, sizeof h }, { (void *)(uintptr_t)p, n },
		{ (void *)(uintptr_t)name.p, name.n },
		{ (void *)(uintptr_t)"", 1 },
	};
	int nv = name.n > 0 ? 4 : 2;

	h.len = (uint32_t)(sizeof h + n + (name.n > 0 ? name.n + 1 : 0));
	while (writev(f->notice_fd, v, nv) < 0)
		if (errno != EINTR)
			return errno == ENOENT ? -VFS_NOENT : 0;
	return 0;
}

static void
inval_entry(struct fuse_front *f, struct vfs_id dir, struct vfs_slice name)
{
	struct fuse_notify_inval_entry_out e = {
		.parent = dir.n, .namelen = (uint32_t)name.n
	};

	(void)send_notice(f, FUSE_NOTIFY_INVAL_ENTRY, &e, sizeof e, name);
}

static int
inval_inode(struct fuse_front *f, struct vfs_id id, bool pages)
{
	struct fuse_notify_inval_inode_out i = {
		.ino = id.n, .off = pages ? 0 : -1
	};

	return send_notice(f, FUSE_NOTIFY_INVAL_INODE, &i, sizeof i,
	    (struct vfs_slice){ NULL, 0 });
}

void
fuse_forget_attr(struct fuse_front *f, struct vfs_id id)
{
	(void)inval_inode(f, id, false);
}

void
fuse_forget_names(struct fuse_front *f)
{
	(void)send_notice(f, FUSE_NOTIFY_INC_EPOCH, NULL, 0,
	    (struct vfs_slice){ NULL, 0 });
}

/* --- who listens ------------------------------------------------------------ */

static _Atomic uint64_t *
set_of(struct fuse_front *f, struct vfs_id id)
{
	return &f->set_ns[id.n * 0x9e3779b97f4a7c15ull >> 32 & (FUSE_SETS - 1)];
}

void
fuse_sets(struct fuse_front *f, struct vfs_id id)
{
	atomic_store(set_of(f, id), clock_ns());
}

static bool
on_unseen(void *arg, struct vfs_id id, uint64_t since_ns)
{
	return atomic_load(set_of(arg, id)) >= since_ns;
}

static int
on_object(void *arg, struct vfs_id id, bool pages)
{
	static const struct vfs_slice nothing = { "/", 1 };
	struct fuse_front *f = arg;
	uint64_t set = atomic_load(set_of(f, id));

	if (!pages && set != 0 && clock_ns() - set < SET_FRESH_NS)
		inval_entry(f, id, nothing);
	return inval_inode(f, id, pages);
}

static void
on_name(void *arg, struct vfs_id dir, struct vfs_slice name)
{
	inval_entry(arg, dir, name);
}

static void
on_run(void *arg, void (*fn)(void *p), void *p)
{
	struct fuse_front *f = arg;

	fuse_tellers_run(f->tellers, fn, p);
}

/* --- pages that are wrong --------------------------------------------------- */

/* Objects whose pages a thread drops. */
struct fuse_dropper {
	pthread_t thread;
	pthread_mutex_t lock;		/* all below */
	pthread_cond_t wake;
	struct vfs_id *ids;
	size_t n, cap;
	bool stop;
};

struct drop {
	struct fuse_front *f;
	struct vfs_id id;
};

static void
drop_one(void *p)
{
	struct drop *d = p;

	(void)inval_inode(d->f, d->id, true);
}

static void *
drop_pages(void *arg)
{
	struct fuse_front *f = arg;
	struct fuse_dropper *d = f->dropper;
	struct vfs_id id;

	pthread_mutex_lock(&d->lock);
	while (!d->stop) {
		if (d->n == 0) {
			pthread_cond_wait(&d->wake, &d->lock);
			continue;
		}
		id = d->ids[--d->n];
		pthread_mutex_unlock(&d->lock);
		fuse_tellers_run(f->tellers, drop_one,
		    &(struct drop){ f, id });
		visible_fresh(f->visible, id);
		pthread_mutex_lock(&d->lock);
	}
	pthread_mutex_unlock(&d->lock);
	return NULL;
}

/* Without memory the mark stays: no open keeps the pages any more. */
void
fuse_misplaced(struct fuse_front *f, struct vfs_id id)
{
	struct fuse_dropper *d = f->dropper;
	size_t cap;
	void *p;

	if (d == NULL || visible_stale(f->visible, id) < 0)
		return;
	pthread_mutex_lock(&d->lock);
	if (d->n == d->cap) {
		cap = d->cap > 0 ? 2 * d->cap : 16;
		if ((p = realloc(d->ids, cap * sizeof *d->ids)) != NULL) {
			d->ids = p;
			d->cap = cap;
		}
	}
	if (d->n < d->cap)
		d->ids[d->n++] = id;
	pthread_cond_signal(&d->wake);
	pthread_mutex_unlock(&d->lock);
}

static int
dropper_start(struct fuse_front *f)
{
	struct fuse_dropper *d = calloc(1, sizeof *d);

	if (d == NULL)
		return -VFS_NOMEM;
	pthread_mutex_init(&d->lock, NULL);
	pthread_cond_init(&d->wake, NULL);
	f->dropper = d;
	if (pthread_create(&d->thread, NULL, drop_pages, f) == 0)
		return 0;
	f->dropper = NULL;
	free(d);
	return -VFS_NOMEM;
}

/* What comes later stays undone: nobody is told any more. */
static void
dropper_stop(struct fuse_dropper *d)
{
	if (d == NULL)
		return;
	pthread_mutex_lock(&d->lock);
	d->stop = true;
	pthread_cond_signal(&d->wake);
	pthread_mutex_unlock(&d->lock);
	pthread_join(d->thread, NULL);
}

static void
dropper_free(struct fuse_front *f)
{
	struct fuse_dropper *d = f->dropper;

	if (d == NULL)
		return;
	while (d->n > 0)
		visible_fresh(f->visible, d->ids[--d->n]);
	pthread_cond_destroy(&d->wake);
	pthread_mutex_destroy(&d->lock);
	free(d->ids);
	free(d);
	f->dropper = NULL;
}

/* --- start and end ------------------------------------------------------------ */

int
fuse_notify_start(struct fuse_front *f)
{
	struct visible_ear ear = { .object = on_object, .name = on_name,
		.unseen = on_unseen, .run = on_run, .arg = f,
		.names_after = NAMES_AFTER, .wary_ns = WARY_NS };
	int err;

	if ((err = fuse_tellers_start(f->notice_fd, &f->tellers)) < 0)
		return err;
	visible_listen(f->visible, &ear);
	return dropper_start(f);
}

void
fuse_notify_stop(struct fuse_front *f)
{
	visible_listen(f->visible, NULL);
	dropper_stop(f->dropper);
	fuse_tellers_stop(f->tellers);
	f->tellers = NULL;
}

void
fuse_notify_free(struct fuse_front *f)
{
	dropper_free(f);
}

/* --- what is kept ------------------------------------------------------------ */

void
freq_watch(struct freq *q)
{
	if (!q->watched)
		visible_enter(q->f->visible, q->w->n);
	q->watched = true;
}

bool
freq_keeps(const struct freq *q, struct vfs_id id)
{
	return q->watched && visible_keeps(q->f->visible, id);
}

bool
freq_keeps_answer(const struct freq *q, struct vfs_id id)
{
	return q->watched && visible_keeps_answer(q->f->visible, id,
	    q->h->pid);
}

bool
freq_keeps_pages(const struct freq *q, struct vfs_id id)
{
	return q->watched && visible_keeps_pages(q->f->visible, id);
}

bool
freq_keeps_name(const struct freq *q, struct vfs_slice name)
{
	return q->watched && visible_keeps_name(q->f->visible, freq_id(q),
	    name);
}

void
fuse_hold(struct fuse_front *f, struct vfs_id id, uint64_t n)
{
	server_kernel_hold(f->conf.server, id, n);
}

void
fuse_drop(struct fuse_front *f, struct vfs_id id, uint64_t n)
{
	server_kernel_drop(f->conf.server, id, n);
}
