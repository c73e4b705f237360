#include <assert.h>
#include <fcntl.h>
#include <stdlib.h>
#include <sys/socket.h>
#include <unistd.h>

#include "p9_rig.h"

int
p9_rig_setup(void **state)
{
	struct p9_rig *k = calloc(1, sizeof *k);
	struct p9_conf conf = { .owner = getuid(), .atime = true };
	int err;

	assert(k != NULL);
	k->r = rig_open(0);
	conf.server = k->r->s;
	err = p9_start(&conf, &k->p);
	assert(err == 0);
	(void)err;
	k->c = p9_rig_client(k, "");
	*state = k;
	return 0;
}

int
p9_rig_teardown(void **state)
{
	struct p9_rig *k = *state;
	unsigned bad;

	p9c_free(k->c);
	p9_stop(k->p);
	bad = fx_check(k->r->fx);
	rig_close(k->r);
	free(k);
	return bad == 0 ? 0 : -1;
}

struct p9c *
p9_rig_bare(struct p9_rig *k)
{
	int fd[2], rc;

	rc = socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, fd);
	assert(rc == 0);
	rc = p9_adopt(k->p, fd[1]);
	assert(rc == 0);
	(void)rc;
	return p9c_new(fd[0]);
}

struct p9c *
p9_rig_client(struct p9_rig *k, const char *aname)
{
	struct p9c *c = p9_rig_bare(k);
	int rc = p9c_version(c, P9_RIG_MSIZE);

	assert(rc == 0);
	rc = p9c_attach(c, P9C_ROOT, aname, P9_NOUID);
	assert(rc == 0);
	(void)rc;
	return c;
}

struct p9c *
p9_rig_user(struct p9_rig *k, uint32_t uid, bool anybody)
{
	struct p9_conn *conn;
	struct p9c *c;
	int fd[2], rc;

	rc = socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, fd);
	assert(rc == 0);
	fcntl(fd[1], F_SETFL, O_NONBLOCK);
	rc = p9_conn_new(k->p, fd[1], &conn);
	assert(rc == 0);
	(void)rc;
	conn->peer.uid = uid;
	conn->peer.gid = uid;
	conn->peer.ngroups = 0;
	conn->peer.anybody = anybody;
	p9_conn_drop(conn);
	c = p9c_new(fd[0]);
	rc = p9c_version(c, P9_RIG_MSIZE);
	assert(rc == 0);
	return c;
}

int
p9_rig_put(struct p9c *c, const char *name, const void *p, uint32_t n)
{
	const uint32_t fid = 900;
	uint32_t done = n;
	int rc;

	if ((rc = p9c_walk(c, P9C_ROOT, fid, "")) != 0 ||
	    (rc = p9c_create(c, fid, name, P9_O_RDWR | P9_O_TRUNC,
	    0644)) != 0)
		return rc;
	if (n > 0)
		rc = p9c_write(c, fid, 0, p, &done);
	if (rc == 0 && done != n)
		rc = -1;
	p9c_clunk(c, fid);
	return rc;
}
