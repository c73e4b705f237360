/*
 * session_open.c - operations that give and take handles
 */
#include <string.h>

#include "../../protocol/codec.h"
#include "../core/dirent.h"
#include "session_in.h"

#define FOUND_TRIES	64u		/* names that are replaced while one looks */

/* 0 asks for all that there is. */
static uint32_t
wanted(uint32_t rights, uint32_t have)
{
	return rights == 0 ? have : rights & have;
}

/*
 * A handle of what was just found.  -VFS_NO_SUCH_ID: others have taken it
 * away in between.  (In a transaction it is what the snapshot has; what
 * a handle leads to was held all the time.)
 */
static int
handle_found(struct run *r, struct vfs_id id, uint32_t rights,
    uint32_t opened, uint64_t *out)
{
	bool by_handle = r->f[0].handle != 0 &&
	    (r->op == VFS_OP_OPEN || r->op == VFS_OP_OPEN_ID);
	int err = handle_new(r->s, id, rights, opened, out);

	if (err < 0 || by_handle || r->k->tx != 0 ||
	    server_kept(r->server, id))
		return err;
	(void)handle_close(r->s, *out);
	*out = 0;
	return -VFS_NO_SUCH_ID;
}

/* --- WALK ---------------------------------------------------------------- */

/* The next name of a path; false at its end. */
static bool
next_name(struct vfs_slice *path, struct vfs_slice *name)
{
	const char *slash;

	if (path->n == 0)
		return false;
	slash = memchr(path->p, '/', path->n);
	name->p = path->p;
	name->n = slash != NULL ? (size_t)(slash - (const char *)path->p)
	    : path->n;
	path->p = (const char *)path->p + name->n + (slash != NULL);
	path->n -= name->n + (slash != NULL);
	return true;
}

static int
walk_step(struct run *r, const struct field *f, struct vfs_lookup *q,
    struct vfs_attr *at)
{
	struct vfs_lookup_reply rep;
	int err;

	if ((f->rights & VFS_RIGHT_TRAVERSE) == 0)
		return run_denied(r, VFS_OP_WALK, q->dir.n,
		    VFS_RIGHT_TRAVERSE);
	if ((err = proto_name_check(q->name)) < 0 ||
	    (err = run_core(r, VFS_OP_LOOKUP, q, &rep)) < 0)
		return err;
	*at = rep.attr;
	q->dir = rep.attr.id;
	return 0;
}

/* A symbolic link is an end like any file: nobody follows it. */
static int
walk_names(struct run *r, const struct field *f, const struct vfs_walk *q,
    struct vfs_walk_reply *rep)
{
	struct vfs_lookup lq = { .dir = q->dir };
	struct vfs_slice path = q->path;
	int err;

	for (rep->walked = 0; next_name(&path, &lq.name); rep->walked++) {
		r->k->e.op_index = rep->walked;
		if (rep->walked == VFS_WALK_MAX)
			return -VFS_TOO_BIG;
		if ((err = walk_step(r, f, &lq, &rep->attr)) < 0)
			return err;
	}
	return 0;
}

int
session_walk(struct run *r, void *qp, void *rp)
{
	struct vfs_walk_reply *rep = rp;
	struct vfs_walk *q = qp;
	struct vfs_stat_reply st;
	struct vfs_stat at;
	struct field f;
	unsigned tries = 0;
	int err;

	if ((q->flags & ~VFS_WALK_OPEN) != 0)
		return -VFS_INVAL;
	if ((err = run_resolve(r, VFS_OP_WALK, q)) < 0)
		return err;
	f = r->f[0];
	at.id = q->dir;
	if ((err = run_core(r, VFS_OP_STAT, &at, &st)) < 0)
		return err;
	rep->attr = st.attr;
	rep->rights = wanted(q->rights, f.rights);
	do {
		if ((err = walk_names(r, &f, q, rep)) < 0)
			return err;
		if (q->flags & VFS_WALK_OPEN)
			err = handle_found(r, rep->attr.id, rep->rights, 0,
			    &rep->handle);
	} while (err == -VFS_NO_SUCH_ID && rep->walked > 0 &&
	    ++tries < FOUND_TRIES);
	run_mask(r, f.rights, &rep->attr);
	return err;
}

/* --- OPEN, OPEN_ID ------------------------------------------------------- */

int
session_open_id(struct run *r, void *qp, void *rp)
{
	struct vfs_open_id_reply *rep = rp;
	struct vfs_open_id *q = qp;
	struct vfs_stat_reply st;
	struct vfs_stat at;
	int err;

	if ((q->flags & ~VFS_WALK_OPEN) != 0)
		return -VFS_INVAL;
	if ((err = run_resolve(r, VFS_OP_OPEN_ID, q)) < 0)
		return err;
	at.id = q->id;
	if ((err = run_core(r, VFS_OP_STAT, &at, &st)) < 0)
		return err;
	rep->attr = st.attr;
	rep->rights = wanted(q->rights, r->f[0].rights);
	err = handle_found(r, q->id, rep->rights, 0, &rep->handle);
	run_mask(r, r->f[0].rights, &rep->attr);
	return err;
}

/* Bytes are for what the file was opened for, and no more. */
static uint32_t
opened_rights(uint32_t flags, uint32_t rights)
{
	if ((flags & (VFS_OPEN_READ | VFS_OPEN_EXEC)) == 0)
		rights &= ~(uint32_t)VFS_RIGHT_READ;
	if ((flags & VFS_OPEN_WRITE) == 0)
		rights &= ~(uint32_t)(VFS_RIGHT_WRITE | VFS_RIGHT_APPEND);
	return rights;
}

/* Who may execute what he may not read does not get its bytes. */
static uint32_t
opened_modes(uint32_t flags)
{
	return flags & (VFS_OPEN_READ | VFS_OPEN_WRITE);
}

/* OPEN_TRUNC leaves a draft, which a handle that may write publishes. */
int
session_open(struct run *r, void *qp, void *rp)
{
	struct vfs_open_reply *rep = rp;
	struct vfs_open *q = qp;
	uint32_t rights, opened;
	int err;

	if ((err = run_resolve(r, VFS_OP_OPEN, q)) < 0)
		return err;
	if (q->flags & ~(VFS_OPEN_READ | VFS_OPEN_WRITE | VFS_OPEN_TRUNC |
	    VFS_OPEN_EXEC | VFS_OPEN_ATIME | VFS_OPEN_KILL_SUIDGID))
		return -VFS_INVAL;
	opened = opened_modes(q->flags);
	/* What an open handle was opened for needs no second look. */
	if ((opened & ~r->f[0].opened) == 0 && opened != 0)
		r->env.no_modes = true;
	if ((err = run_core(r, VFS_OP_OPEN, q, rep)) < 0)
		return err;
	rights = opened_rights(q->flags, r->f[0].rights);
	rep->rights = wanted(q->rights, rights);
	err = handle_found(r, q->id, rep->rights, opened, &rep->handle);
	if (err == 0 && (q->flags & VFS_OPEN_TRUNC))
		handle_wrote(r->s, rep->handle);
	run_mask(r, r->f[0].rights, &rep->attr);
	return err;
}

/* --- CREATE, TMPFILE ----------------------------------------------------- */

/* Who has made a file may read and write it, whatever its mode is; one
 * that was there is as WALK finds it. */
static int
created_open(struct run *r, struct vfs_create_reply *rep)
{
	bool file = VFS_MODE_TYPE(rep->attr.mode) == VFS_REG;
	uint32_t opened = rep->created && file ?
	    VFS_OPEN_READ | VFS_OPEN_WRITE : 0;

	return handle_found(r, rep->attr.id, r->f[0].rights, opened,
	    &rep->handle);
}

int
session_create(struct run *r, void *qp, void *rp)
{
	struct vfs_create_reply *rep = rp;
	struct vfs_create *q = qp;
	bool open = (q->flags & VFS_CREATE_OPEN) != 0;
	unsigned tries = 0;
	int err;

	q->flags &= ~VFS_CREATE_OPEN;
	if ((err = run_resolve(r, VFS_OP_CREATE, q)) < 0)
		return err;
	do {
		if ((err = run_core(r, VFS_OP_CREATE, q, rep)) < 0)
			return err;
		rep->handle = 0;
		if (open)
			err = created_open(r, rep);
	} while (err == -VFS_NO_SUCH_ID && ++tries < FOUND_TRIES);
	run_mask(r, r->f[0].rights, &rep->attr);
	return err;
}

/* It has no name, so the handle is what keeps it. */
int
session_tmpfile(struct run *r, void *qp, void *rp)
{
	struct vfs_tmpfile_reply *rep = rp;
	int err;

	if ((err = run_resolve(r, VFS_OP_TMPFILE, qp)) < 0 ||
	    (err = run_core(r, VFS_OP_TMPFILE, qp, rep)) < 0)
		return err;
	err = handle_new(r->s, rep->attr.id, r->f[0].rights,
	    VFS_OPEN_READ | VFS_OPEN_WRITE, &rep->handle);
	if (err < 0 && r->k->tx == 0) {	/* then nobody keeps it */
		server_hold(r->server, rep->attr.id, 1);
		server_drop(r->server, rep->attr.id, 1);
	}
	run_mask(r, r->f[0].rights, &rep->attr);
	return err;
}

/* --- CLOSE, DUP ---------------------------------------------------------- */

/* All that can be closed are; the first that cannot is told. */
int
session_close_op(struct run *r, void *qp, void *rp)
{
	struct vfs_close_reply *rep = rp;
	const struct vfs_close *q = qp;
	struct vfs_id h;
	struct rbuf b;
	uint32_t i;
	int err = 0, one;

	if (q->handles.n % 8 != 0 || q->handles.n == 0)
		return -VFS_INVAL;
	if (q->handles.n / 8 > VFS_CLOSE_MAX)
		return -VFS_TOO_BIG;
	rep->closed = 0;
	proto_list_read(&b, q->handles);
	for (i = 0; proto_list_more(&b); i++) {
		proto_id_next(&b, &h);
		one = handle_close(r->s, h.n);
		rep->closed += one == 0;
		if (one < 0 && err == 0) {
			err = one;
			r->k->e.op_index = i;
		}
	}
	return err;
}

int
session_dup(struct run *r, void *qp, void *rp)
{
	struct vfs_dup_reply *rep = rp;
	struct vfs_dup *q = qp;
	int err;

	if ((q->id.n & VFS_HANDLE) == 0)
		return -VFS_BAD_HANDLE;
	if ((err = run_resolve(r, VFS_OP_DUP, q)) < 0)
		return err;
	rep->rights = wanted(q->rights, r->f[0].rights);
	return handle_new(r->s, q->id, rep->rights, r->f[0].opened,
	    &rep->handle);
}
