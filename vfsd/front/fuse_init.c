/*
 * fuse_init.c - what we and the kernel agree on
 */
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "fuse_uring.h"

/* What we use where the kernel has it.  Not here on purpose:
 * WRITEBACK_CACHE (sizes and times would be the kernel's),
 * READDIRPLUS_AUTO (guesses; a listing with attributes would fall back to
 * one LOOKUP a name after the first buffer), AUTO_INVAL_DATA (drops pages
 * whenever a time differs; what changes passes through us, and we say
 * so), ASYNC_DIO (the kernel drops the pages below an O_DIRECT write of aio
 * before it, not again after it: who reads meanwhile brings the old bytes
 * back, for good), NO_OPEN and NO_OPENDIR (a release is a publish point, and
 * a scan needs its end). */
#define WANT \
	(FUSE_ASYNC_READ | FUSE_ATOMIC_O_TRUNC | FUSE_EXPORT_SUPPORT | \
	FUSE_BIG_WRITES | FUSE_DONT_MASK | FUSE_DO_READDIRPLUS | \
	FUSE_PARALLEL_DIROPS | FUSE_POSIX_ACL | FUSE_MAX_PAGES | \
	FUSE_CACHE_SYMLINKS | FUSE_EXPLICIT_INVAL_DATA | \
	FUSE_HANDLE_KILLPRIV_V2 | FUSE_SETXATTR_EXT | FUSE_INIT_EXT | \
	FUSE_DIRECT_IO_ALLOW_MMAP)
/* It turns default_permissions on. */
#define WANT_NO_CHECKS	(WANT & ~(uint64_t)FUSE_POSIX_ACL)
#define WANT_SHARED_LOCKS	(FUSE_POSIX_LOCKS | FUSE_FLOCK_LOCKS)

#define READAHEAD_MAX	(1u << 20)
#define PAGES_DEFAULT	32u		/* of a request without MAX_PAGES */
#define PAGE		4096u

static void
tell_ready(struct fuse_front *f, int err)
{
	if (f->conf.ready != NULL &&
	    !atomic_exchange(&f->initialized, true))
		f->conf.ready(f->conf.arg, err);
}

static int
refuse(struct freq *q, int err)
{
	tell_ready(q->f, err);
	return freq_errno(q, EPROTO);
}

static uint64_t
flags_wanted(const struct fuse_front *f, const struct fuse_init_in *in)
{
	uint64_t have = in->flags;
	uint64_t want = f->conf.own_checks ? WANT_NO_CHECKS : WANT;

	if (in->flags & FUSE_INIT_EXT)
		have |= (uint64_t)in->flags2 << 32;
	if (f->conf.shared_locks)
		want |= WANT_SHARED_LOCKS;
	if (f->rings != NULL)
		want |= FUSE_OVER_IO_URING;
	return have & want;
}

int
fuse_do_init(struct freq *q)
{
	struct fuse_front *f = q->f;
	struct fuse_init_in in = { 0 };
	struct fuse_init_out r = { .major = FUSE_MAJOR, .minor = FUSE_MINOR };
	uint64_t use;

	memcpy(&in, q->body, q->n < sizeof in ? q->n : sizeof in);
	if (in.major > FUSE_MAJOR) {
		/* It asks again with our number. */
		freq_reply(q, &r, 8);
		return 0;
	}
	if (in.major < FUSE_MAJOR || in.minor < FUSE_MINOR_MIN)
		return refuse(q, -VFS_VERSION);
	if (f->conf.own_checks && in.minor < FUSE_MINOR_EPOCH)
		return refuse(q, -VFS_UNSUPPORTED);
	use = flags_wanted(f, &in);
	if (in.minor < r.minor)
		r.minor = in.minor;
	r.flags = (uint32_t)use;
	r.flags2 = use & FUSE_INIT_EXT ? (uint32_t)(use >> 32) : 0;
	r.max_readahead = in.max_readahead < READAHEAD_MAX ?
	    in.max_readahead : READAHEAD_MAX;
	r.max_background = 64;
	r.congestion_threshold = 48;
	r.time_gran = 1;
	r.max_pages = VFS_IO_MAX / PAGE;
	r.max_write = use & FUSE_MAX_PAGES ? VFS_IO_MAX : PAGES_DEFAULT * PAGE;
	atomic_store(&f->minor, r.minor);
	atomic_store(&f->flags, use);
	if (!freq_reply(q, &r, sizeof r))
		return 0;
	if (use & FUSE_OVER_IO_URING)
		fuse_rings_go(f);
	tell_ready(f, 0);
	return 0;
}

int
fuse_do_destroy(struct freq *q)
{
	freq_reply(q, NULL, 0);
	return 0;
}

/* What we leave to the kernel: ENOSYS makes it stop asking. */
int
fuse_do_bmap(struct freq *q)
{
	return freq_errno(q, ENOSYS);
}

int
fuse_do_poll(struct freq *q)
{
	return freq_errno(q, ENOSYS);
}

int
fuse_do_ioctl(struct freq *q)
{
	return freq_errno(q, ENOTTY);
}

int
fuse_do_notify_reply(struct freq *q)
{
	(void)q;			/* we never ask for pages */
	return 0;
}
