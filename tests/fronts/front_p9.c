/* 9P2000.L, over a unix socket or TCP. */
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "front.h"

#define MSIZE	65536u
#define FID	100u			/* of whatever is looked at now */

static uint32_t
fid(unsigned dir)
{
	return 1 + dir;
}

static int
result(int rc)
{
	return rc < 0 ? ELOST : rc;
}

static int
p9_open(struct front *f, const char *where, const char *token)
{
	bool tcp = strcmp(f->kind, "9p-tcp") == 0;
	const char *colon = strrchr(where, ':');
	union p9_t t = { .attach = { .fid = P9C_ROOT, .afid = P9_NOFID,
	    .uname = p9c_str(tcp ? token : ""), .aname = p9c_str(""),
	    .n_uname = P9_NOUID } };
	union p9_r r;
	int rc;

	f->p9 = tcp && colon != NULL ?
	    p9c_connect(NULL, (unsigned)atoi(colon + 1)) :
	    p9c_connect(where, 0);
	if (f->p9 == NULL)
		return ELOST;
	rc = p9c_version(f->p9, MSIZE);
	return result(rc != 0 ? rc : p9c_call(f->p9, P9_TATTACH, &t, &r));
}

static void
p9_close(struct front *f)
{
	p9c_free(f->p9);
}

static int
p9_enter(struct front *f, unsigned k, unsigned dir, const char *name)
{
	if (name == NULL)
		return result(p9c_walk(f->p9, P9C_ROOT, fid(k), ""));
	return result(p9c_walk(f->p9, fid(dir), fid(k), name));
}

static int
p9_mkdir(struct front *f, unsigned dir, const char *name)
{
	return result(p9c_mkdir(f->p9, fid(dir), name, 0755));
}

/* FID is name's, for one call; done gives it back. */
static int
at(struct front *f, unsigned dir, const char *name)
{
	return result(p9c_walk(f->p9, fid(dir), FID, name));
}

static int
done(struct front *f, int rc)
{
	int clunked;

	if (result(rc) == ELOST)
		return ELOST;
	clunked = p9c_clunk(f->p9, FID);
	return result(rc != 0 ? rc : clunked);
}

static int
p9_create(struct front *f, unsigned dir, const char *name)
{
	int rc = at(f, dir, "");

	return rc != 0 ? rc : done(f, p9c_create(f->p9, FID, name,
	    P9_O_RDWR | P9_O_EXCL, 0644));
}

static int
p9_unlink(struct front *f, unsigned dir, const char *name)
{
	return result(p9c_unlink(f->p9, fid(dir), name, 0));
}

static int
p9_rename(struct front *f, unsigned dir, const char *name, unsigned dir2,
    const char *name2)
{
	return result(p9c_rename(f->p9, fid(dir), name, fid(dir2), name2));
}

static int
p9_stat(struct front *f, unsigned dir, const char *name,
    struct front_stat *out)
{
	struct p9_rgetattr a;
	int rc = at(f, dir, name);

	if (rc != 0)
		return rc;
	if ((rc = p9c_getattr(f->p9, FID, &a)) == 0)
		*out = (struct front_stat){ a.qid.path, a.size };
	return done(f, rc);
}

static int
p9_resize(struct front *f, unsigned dir, const char *name, uint64_t size)
{
	union p9_t t = { .setattr = { .fid = FID, .valid = P9_SET_SIZE,
	    .size = size } };
	union p9_r r;
	int rc = at(f, dir, name);

	return rc != 0 ? rc : done(f, p9c_call(f->p9, P9_TSETATTR, &t, &r));
}

static int
p9_read(struct front *f, unsigned dir, const char *name, void *p, size_t *n)
{
	uint32_t k = (uint32_t)*n;
	int rc = at(f, dir, name);

	if (rc != 0)
		return rc;
	if ((rc = p9c_open(f->p9, FID, 0)) == 0)
		rc = p9c_read(f->p9, FID, 0, p, &k);
	*n = k;
	return done(f, rc);
}

static int
p9_write(struct front *f, unsigned dir, const char *name, const void *p,
    size_t n)
{
	uint32_t k = (uint32_t)n;
	int rc = at(f, dir, name);

	if (rc != 0)
		return rc;
	if ((rc = p9c_open(f->p9, FID, 1)) == 0)
		rc = p9c_write(f->p9, FID, 0, p, &k);
	return done(f, rc);
}

/* One reply's entries; the offset to go on from, 0 at the end. */
static int
some(struct front *f, uint64_t *off, front_entry *fn, void *arg)
{
	union p9_t t = { .readdir = { FID, *off, MSIZE / 2 } };
	struct p9_dirent e;
	union p9_r r;
	size_t n = 0;
	int rc = p9c_call(f->p9, P9_TREADDIR, &t, &r);

	*off = 0;
	if (rc != 0)
		return rc;
	while (p9_dirent_next(r.readdir.data.p, r.readdir.data.n, &n,
	    &e) == 1) {
		*off = e.offset;
		if (((const char *)e.name.p)[0] != '.')
			fn(arg, e.name.p, e.name.n);
	}
	return 0;
}

static int
p9_list(struct front *f, unsigned dir, front_entry *fn, void *arg)
{
	uint64_t off = 0;
	int rc = at(f, dir, "");

	if (rc != 0)
		return rc;
	rc = p9c_open(f->p9, FID, 0);
	do {
		if (rc == 0)
			rc = some(f, &off, fn, arg);
	} while (rc == 0 && off != 0);
	return done(f, rc);
}

const struct front_ops front_p9 = {
	p9_open, p9_close, p9_enter, p9_mkdir, p9_create, p9_unlink,
	p9_rename, p9_stat, p9_resize, p9_read, p9_write, p9_list,
};
