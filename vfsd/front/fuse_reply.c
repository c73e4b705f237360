/*
 * fuse_reply.c - from results to the kernel's bytes, counted
 */
#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <sys/uio.h>

#include "fuse_uring.h"

/* false: the request is gone (interrupted, or the session ended). */
static bool
put(struct fuse_worker *w, uint64_t unique, int os, const struct iovec *body,
    int nbody)
{
	struct fuse_out_header h = { .error = -os, .unique = unique };
	struct iovec v[3];
	size_t len = sizeof h;
	int i;

	if (w->ring != NULL) {		/* whoever waits there, waits */
		fuse_ring_put(w->ring, unique, os, body, nbody);
		return true;
	}
	v[0] = (struct iovec){ &h, sizeof h };
	for (i = 0; i < nbody; i++) {
		v[i + 1] = body[i];
		len += body[i].iov_len;
	}
	h.len = (uint32_t)len;
	return writev(w->fd, v, nbody + 1) == (ssize_t)len;
}

bool
freq_reply2(struct freq *q, const void *p, size_t n,
    const void *p2, size_t n2)
{
	struct iovec v[2] = {
		{ (void *)(uintptr_t)p, n }, { (void *)(uintptr_t)p2, n2 }
	};

	return put(q->w, q->h->unique, 0, v, n2 > 0 ? 2 : n > 0 ? 1 : 0);
}

bool
freq_reply(struct freq *q, const void *p, size_t n)
{
	return freq_reply2(q, p, n, NULL, 0);
}

int
freq_errno(struct freq *q, int os)
{
	q->err = os;
	put(q->w, q->h->unique, os, NULL, 0);
	return 0;
}

struct freq_later *
freq_later(struct freq *q)
{
	struct freq_later *l = malloc(sizeof *l);

	if (l == NULL)
		return NULL;
	*l = (struct freq_later){ .w = q->w, .unique = q->h->unique,
	    .t0_ns = q->t0_ns, .opcode = q->h->opcode };
	q->later = true;
	atomic_fetch_add(&q->f->later, 1);
	return l;
}

void
freq_not_later(struct freq *q, struct freq_later *l)
{
	q->later = false;
	atomic_fetch_sub(&q->f->later, 1);
	free(l);
}

static void
count(struct counter *c, uint64_t ns, bool bad)
{
	uint64_t max = atomic_load_explicit(&c->ns_max, memory_order_relaxed);

	atomic_fetch_add_explicit(&c->calls, 1, memory_order_relaxed);
	atomic_fetch_add_explicit(&c->ns_total, ns, memory_order_relaxed);
	if (bad)
		atomic_fetch_add_explicit(&c->errors, 1, memory_order_relaxed);
	if (ns > max)
		atomic_store_explicit(&c->ns_max, ns, memory_order_relaxed);
}

void
freq_done(struct freq_later *l, int os)
{
	struct fuse_front *f = l->w->f;
	struct iovec v = { l->reply, l->n };

	put(l->w, l->unique, os, &v, os == 0 && l->n > 0);
	count(&l->w->count[l->opcode], clock_ns() - l->t0_ns, os != 0);
	free(l);
	atomic_fetch_sub(&f->later, 1);
}

void
freq_count(struct freq *q)
{
	count(&q->w->count[q->h->opcode], clock_ns() - q->t0_ns,
	    q->err != 0);
}

/* As new_encode_dev() has it in the kernel. */
static uint32_t
rdev(const struct vfs_attr *a)
{
	return (a->rdev_minor & 0xff) | a->rdev_major << 8 |
	    (a->rdev_minor & ~0xffu) << 12;
}

void
fuse_attr_fill(struct fuse_attr *out, const struct vfs_attr *a)
{
	*out = (struct fuse_attr){
		.ino = a->id.n, .size = a->size,
		.blocks = (a->alloc + 511) / 512,
		.atime = (uint64_t)a->atime.sec, .atimensec = a->atime.nsec,
		.mtime = (uint64_t)a->mtime.sec, .mtimensec = a->mtime.nsec,
		.ctime = (uint64_t)a->ctime.sec, .ctimensec = a->ctime.nsec,
		.mode = a->mode, .nlink = a->nlink,
		.uid = a->uid, .gid = a->gid, .rdev = rdev(a),
		/* What stdio and readdir use as their buffer; each of their
		 * calls is a request. */
		.blksize = VFS_DIRBLK,
	};
}

void
fuse_entry_fill(struct fuse_entry_out *out, const struct vfs_attr *a)
{
	out->nodeid = a->id.n;
	out->generation = 0;		/* ids are never used again */
	out->entry_valid = out->attr_valid = FUSE_FOREVER;
	out->entry_valid_nsec = out->attr_valid_nsec = 0;
	fuse_attr_fill(&out->attr, a);
}

void
freq_entry_fill(const struct freq *q, struct vfs_slice name,
    const struct vfs_attr *a, struct fuse_entry_out *out)
{
	fuse_entry_fill(out, a);
	if (!freq_keeps_name(q, name))
		out->entry_valid = 0;
	if (!freq_keeps_answer(q, a->id))
		out->attr_valid = 0;
}

int
freq_entry(struct freq *q, struct vfs_slice name, const struct vfs_attr *a)
{
	struct fuse_entry_out e;

	fuse_hold(q->f, a->id, 1);
	freq_entry_fill(q, name, a, &e);
	if (!freq_reply(q, &e, sizeof e))
		fuse_drop(q->f, a->id, 1);
	return 0;
}

int
freq_string(const struct freq *q, size_t *off, struct vfs_slice *out)
{
	const uint8_t *p = q->body + *off, *end;

	end = memchr(p, 0, q->n - *off);
	if (end == NULL)
		return -VFS_INVAL;
	out->p = p;
	out->n = (size_t)(end - p);
	*off += out->n + 1;
	if (out->n > VFS_NAME_MAX)
		return -VFS_NAMETOOLONG;
	return out->n == 0 ? -VFS_INVAL : 0;
}

int
freq_name(const struct freq *q, size_t *off, struct vfs_slice *out)
{
	int err = freq_string(q, off, out);

	return err == 0 && memchr(out->p, '/', out->n) != NULL ? -VFS_INVAL :
	    err;
}
