#include <errno.h>
#include <netinet/in.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

#include "p9c.h"

#define FIRST		8192u		/* room before Tversion */

struct vfs_slice
p9c_str(const char *s)
{
	return (struct vfs_slice){ s, strlen(s) };
}

/* --- connections -------------------------------------------------------- */

static int
room(struct p9c *c, uint32_t msize)
{
	uint8_t *in = realloc(c->in, msize), *out;

	if (in == NULL)
		return -1;
	c->in = in;
	if ((out = realloc(c->out, msize)) == NULL)
		return -1;
	c->out = out;
	c->msize = msize;
	return 0;
}

struct p9c *
p9c_new(int fd)
{
	struct p9c *c = calloc(1, sizeof *c);

	if (c == NULL || room(c, FIRST) < 0)
		abort();
	c->fd = fd;
	return c;
}

struct p9c *
p9c_connect(const char *path, unsigned port)
{
	struct sockaddr_un un = { .sun_family = AF_UNIX };
	struct sockaddr_in in = { .sin_family = AF_INET,
	    .sin_port = htons((uint16_t)port),
	    .sin_addr = { htonl(INADDR_LOOPBACK) } };
	int fd = socket(path != NULL ? AF_UNIX : AF_INET, SOCK_STREAM, 0);
	int rc;

	if (path != NULL) {
		snprintf(un.sun_path, sizeof un.sun_path, "%s", path);
		rc = connect(fd, (void *)&un, sizeof un);
	} else {
		rc = connect(fd, (void *)&in, sizeof in);
	}
	if (rc < 0) {
		close(fd);
		return NULL;
	}
	return p9c_new(fd);
}

void
p9c_free(struct p9c *c)
{
	if (c == NULL)
		return;
	if (c->fd >= 0)
		close(c->fd);
	free(c->in);
	free(c->out);
	free(c);
}

/* --- messages ----------------------------------------------------------- */

static int
send_all(int fd, const uint8_t *p, size_t n)
{
	ssize_t k;

	for (; n > 0; p += k, n -= (size_t)k)
		if ((k = send(fd, p, n, MSG_NOSIGNAL)) <= 0)
			return -1;
	return 0;
}

static int
recv_all(int fd, uint8_t *p, size_t n)
{
	return n == 0 || recv(fd, p, n, MSG_WAITALL) == (ssize_t)n ? 0 : -1;
}

int
p9c_send(struct p9c *c, uint16_t tag, uint8_t type, const union p9_t *t)
{
	size_t n = p9_t_encode(type, tag, t, c->out, c->msize);

	c->tag = tag;
	return n == 0 ? -1 : send_all(c->fd, c->out, n);
}

int
p9c_recv(struct p9c *c, struct p9_hdr *h, union p9_r *r)
{
	if (recv_all(c->fd, c->in, P9_HDR) < 0)
		return -1;
	p9_hdr_decode(c->in, h);
	if (h->size < P9_HDR || h->size > c->msize ||
	    recv_all(c->fd, c->in + P9_HDR, h->size - P9_HDR) < 0)
		return -1;
	c->in_n = h->size;
	return p9_r_decode(c->in, c->in_n, r) < 0 ? -1 : 0;
}

int
p9c_call(struct p9c *c, uint8_t type, const union p9_t *t, union p9_r *r)
{
	uint16_t tag = type == P9_TVERSION ? P9_NOTAG :
	    (uint16_t)((c->tag + 1) & 0x7fff);
	struct p9_hdr h;

	if (p9c_send(c, tag, type, t) < 0 || p9c_recv(c, &h, r) < 0 ||
	    h.tag != tag)
		return -1;
	if (h.type == P9_RLERROR)
		return r->ecode > 0 ? (int)r->ecode : -1;
	return h.type == type + 1 ? 0 : -1;
}

/* --- what tests ask for ------------------------------------------------- */

int
p9c_version(struct p9c *c, uint32_t msize)
{
	union p9_t t = { .version = { msize, p9c_str(P9_VERSION) } };
	union p9_r r;
	int rc = p9c_call(c, P9_TVERSION, &t, &r);

	if (rc != 0)
		return rc;
	if (r.version.msize > msize ||
	    r.version.version.n != strlen(P9_VERSION) ||
	    memcmp(r.version.version.p, P9_VERSION, r.version.version.n) != 0)
		return -1;
	return room(c, r.version.msize);
}

int
p9c_attach(struct p9c *c, uint32_t fid, const char *aname, uint32_t n_uname)
{
	union p9_t t = { .attach = { .fid = fid, .afid = P9_NOFID,
	    .aname = p9c_str(aname), .n_uname = n_uname } };
	union p9_r r;

	return p9c_call(c, P9_TATTACH, &t, &r);
}

int
p9c_walk(struct p9c *c, uint32_t fid, uint32_t newfid, const char *path)
{
	union p9_t t = { .walk = { .fid = fid, .newfid = newfid } };
	struct p9_names *names = &t.walk.names;
	union p9_r r;
	size_t n;
	int rc;

	for (; *path != '\0' && names->n < P9_WALK_MAX; path += n) {
		path += *path == '/';
		n = strcspn(path, "/");
		names->name[names->n++] = (struct vfs_slice){ path, n };
	}
	rc = p9c_call(c, P9_TWALK, &t, &r);
	if (rc == 0 && r.walk.qids.n < names->n)
		return ENOENT;		/* only some of the way */
	return rc;
}

int
p9c_open(struct p9c *c, uint32_t fid, uint32_t flags)
{
	union p9_t t = { .lopen = { fid, flags } };
	union p9_r r;

	return p9c_call(c, P9_TLOPEN, &t, &r);
}

int
p9c_create(struct p9c *c, uint32_t fid, const char *name, uint32_t flags,
    uint32_t mode)
{
	union p9_t t = { .lcreate = { .fid = fid, .name = p9c_str(name),
	    .flags = flags, .mode = mode, .gid = P9_NOUID } };
	union p9_r r;

	return p9c_call(c, P9_TLCREATE, &t, &r);
}

int
p9c_mkdir(struct p9c *c, uint32_t dfid, const char *name, uint32_t mode)
{
	union p9_t t = { .mkdir = { .dfid = dfid, .name = p9c_str(name),
	    .mode = mode, .gid = P9_NOUID } };
	union p9_r r;

	return p9c_call(c, P9_TMKDIR, &t, &r);
}

int
p9c_unlink(struct p9c *c, uint32_t dfid, const char *name, uint32_t flags)
{
	union p9_t t = { .unlinkat = { dfid, p9c_str(name), flags } };
	union p9_r r;

	return p9c_call(c, P9_TUNLINKAT, &t, &r);
}

int
p9c_rename(struct p9c *c, uint32_t dfid, const char *name, uint32_t dfid2,
    const char *name2)
{
	union p9_t t = { .renameat = { dfid, p9c_str(name), dfid2,
	    p9c_str(name2) } };
	union p9_r r;

	return p9c_call(c, P9_TRENAMEAT, &t, &r);
}

int
p9c_clunk(struct p9c *c, uint32_t fid)
{
	union p9_t t = { .clunk = { fid } };
	union p9_r r;

	return p9c_call(c, P9_TCLUNK, &t, &r);
}

int
p9c_getattr(struct p9c *c, uint32_t fid, struct p9_rgetattr *out)
{
	union p9_t t = { .getattr = { fid, P9_GET_ALL } };
	union p9_r r;
	int rc = p9c_call(c, P9_TGETATTR, &t, &r);

	if (rc == 0)
		*out = r.getattr;
	return rc;
}

int
p9c_read(struct p9c *c, uint32_t fid, uint64_t off, void *p, uint32_t *n)
{
	union p9_t t = { .read = { fid, off, *n } };
	union p9_r r;
	int rc = p9c_call(c, P9_TREAD, &t, &r);

	if (rc != 0)
		return rc;
	if (r.read.data.n > *n)
		return -1;
	*n = (uint32_t)r.read.data.n;
	if (p != NULL)
		memcpy(p, r.read.data.p, *n);
	return 0;
}

int
p9c_write(struct p9c *c, uint32_t fid, uint64_t off, const void *p,
    uint32_t *n)
{
	union p9_t t = { .write = { fid, off, { p, *n } } };
	union p9_r r;
	int rc = p9c_call(c, P9_TWRITE, &t, &r);

	if (rc == 0)
		*n = r.write.count;
	return rc;
}
