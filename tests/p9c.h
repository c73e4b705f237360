/*
 * p9c.h - a small client of 9P2000.L, for tests and measurements
 *
 * Calls return 0, a positive errno that the server said, or -1 when the
 * connection or the reply was wrong.  Paths have '/' between names; "" is
 * the fid itself.  Threads: one.
 */
#ifndef TESTS_P9C_H
#define TESTS_P9C_H

#include "../vfsd/front/p9_codec.h"

#define P9C_ROOT	0u		/* the fid of p9c_attach */

struct p9c {
	int fd;
	uint32_t msize;
	uint16_t tag;			/* of the last request */
	uint8_t *out, *in;		/* messages, msize each */
	size_t in_n;
};

/* fd is the client's from now on. */
struct p9c *p9c_new(int fd);
/* A unix socket at path, or a loopback port. */
struct p9c *p9c_connect(const char *path, unsigned port);
void p9c_free(struct p9c *c);

/* One message each way; what *r borrows is good until the next. */
int p9c_send(struct p9c *c, uint16_t tag, uint8_t type,
    const union p9_t *t);
int p9c_recv(struct p9c *c, struct p9_hdr *h, union p9_r *r);
int p9c_call(struct p9c *c, uint8_t type, const union p9_t *t,
    union p9_r *r);

int p9c_version(struct p9c *c, uint32_t msize);
int p9c_attach(struct p9c *c, uint32_t fid, const char *aname,
    uint32_t n_uname);
int p9c_walk(struct p9c *c, uint32_t fid, uint32_t newfid,
    const char *path);
int p9c_open(struct p9c *c, uint32_t fid, uint32_t flags);
int p9c_create(struct p9c *c, uint32_t fid, const char *name,
    uint32_t flags, uint32_t mode);
int p9c_mkdir(struct p9c *c, uint32_t dfid, const char *name, uint32_t mode);
int p9c_unlink(struct p9c *c, uint32_t dfid, const char *name,
    uint32_t flags);
int p9c_rename(struct p9c *c, uint32_t dfid, const char *name,
    uint32_t dfid2, const char *name2);
int p9c_clunk(struct p9c *c, uint32_t fid);
int p9c_getattr(struct p9c *c, uint32_t fid, struct p9_rgetattr *out);
/* *n: in: how much; out: how much there was. */
int p9c_read(struct p9c *c, uint32_t fid, uint64_t off, void *p,
    uint32_t *n);
int p9c_write(struct p9c *c, uint32_t fid, uint64_t off, const void *p,
    uint32_t *n);

struct vfs_slice p9c_str(const char *s);

#endif
