/* 9P: who comes over TCP has a token, and is what it says. */
#include <errno.h>
#include <fcntl.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <unistd.h>

#include "../cm.h"
#include "../p9_rig.h"

#define ok(call)	assert_int_equal(call, 0)
#define fails(call, e)	assert_int_equal(call, e)

/* A connection as of TCP: nobody is known. */
static struct p9c *
tcp_client(struct p9_rig *k)
{
	struct p9_conn *conn;
	struct p9c *c;
	int fd[2];

	ok(socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, fd));
	fcntl(fd[1], F_SETFL, O_NONBLOCK);
	ok(p9_conn_new(k->p, fd[1], &conn));
	memset(&conn->peer, 0, sizeof conn->peer);
	conn->peer.tcp = true;
	p9_conn_drop(conn);
	c = p9c_new(fd[0]);
	ok(p9c_version(c, 65536));
	return c;
}

/* A token below root, in hexadecimal. */
static void
grant(struct p9_rig *k, const char *dir, uint32_t rights, bool cred,
    uint32_t uid, char hex[65], uint64_t *number)
{
	struct session_who who = { .transport = "unix", .has_cred = true,
	    .uid = getuid(), .gid = getgid() };
	struct vfs_grant gq = { .rights = rights, .ttl_s = 60,
	    .flags = cred ? VFS_GRANT_CRED : 0, .uid = uid, .gid = uid };
	uint8_t token[64];
	struct vfs_grant_reply gr = { .token = { token, sizeof token, 0 } };
	struct req_env env = { .now = k->r->fx->env.now };
	struct session_call call = { .env = &env, .room = VFS_MSG_MAX,
	    .own_ids = true };
	unsigned i;

	gq.root = fx_id(k->r->fx, dir);
	ok(session_new(k->p->conf.sessions, &who, &call.s));
	ok(session_run(&call, VFS_OP_GRANT, &gq, &gr));
	assert_int_equal(gr.token.n, VFS_TOKEN_BYTES);
	for (i = 0; i < VFS_TOKEN_BYTES; i++)
		snprintf(hex + 2 * i, 3, "%02x", token[i]);
	*number = gr.number;
	session_close(call.s);
	session_drop(call.s);
}

static int
attach_to(struct p9c *c, uint32_t fid, const char *uname, uint32_t n_uname,
    const char *aname)
{
	union p9_t t = { .attach = { fid, P9_NOFID, p9c_str(uname),
	    p9c_str(aname), n_uname } };
	union p9_r r;

	return p9c_call(c, P9_TATTACH, &t, &r);
}

static int
attach_as(struct p9c *c, uint32_t fid, const char *uname, uint32_t n_uname)
{
	return attach_to(c, fid, uname, n_uname, "/");
}

/* How many records there are of what was denied. */
static unsigned
refusals(struct p9_rig *k)
{
	struct session_who who = { .transport = "unix", .has_cred = true,
	    .uid = getuid(), .gid = getgid() };
	struct vfs_sessions q = { .flags = VFS_SESSIONS_AUDIT };
	uint8_t room[4096];
	struct vfs_sessions_reply r = { .sessions = { room, sizeof room,
	    0 } };
	struct req_env env = { .now = k->r->fx->env.now };
	struct session_call call = { .env = &env, .room = sizeof room };
	struct proto_fault f;
	struct rbuf b;
	unsigned n = 0;

	ok(session_new(k->p->conf.sessions, &who, &call.s));
	ok(session_run(&call, VFS_OP_SESSIONS, &q, &r));
	proto_list_read(&b, (struct vfs_slice){ room, r.sessions.n });
	while (proto_list_more(&b) && proto_fault_next(&b, &f) == 0)
		n++;
	session_close(call.s);
	session_drop(call.s);
	return n;
}

static void
tcp__without_a_token__refused(void **state)
{
	struct p9_rig *k = *state;
	struct p9c *c = tcp_client(k);
	char hex[65];

	fails(attach_as(c, 0, "root", 0), EACCES);
	fails(attach_as(c, 0, "", P9_NOUID), EACCES);
	assert_int_equal(refusals(k), 2);
	memset(hex, 'a', 64);
	hex[64] = '\0';
	fails(attach_as(c, 0, hex, P9_NOUID), EACCES);
	assert_int_equal(refusals(k), 3);
	p9c_free(c);
}

static void
token__once_shown__opens_the_connection(void **state)
{
	struct p9_rig *k = *state;
	struct p9_rgetattr a;
	struct p9c *c;
	char hex[65];
	uint64_t number;

	ok(p9c_mkdir(k->c, P9C_ROOT, "d", 0755));
	grant(k, "/d", VFS_RIGHTS_ALL, false, 0, hex, &number);
	c = tcp_client(k);
	ok(attach_as(c, 0, hex, P9_NOUID));
	ok(attach_as(c, 1, "", 1234));		/* as Linux does next */
	ok(p9c_mkdir(c, 0, "x", 0755));
	ok(p9c_walk(c, 1, 2, "x"));
	ok(p9c_walk(c, 0, 3, "../../.."));
	ok(p9c_getattr(c, 3, &a));
	assert_int_equal(a.qid.path, fx_id(k->r->fx, "/d").n);
	p9c_free(c);
	c = tcp_client(k);			/* another one has not */
	fails(attach_as(c, 0, "", P9_NOUID), EACCES);
	p9c_free(c);
}

/* Whatever the depth, the root is where the names led, as long as it stays
 * there. */
static void
token__attached_to_names_below__is_of_that_directory(void **state)
{
	static const char *const names[] = { "", "b", "b/c", "/b//c/e" };
	static const char *const paths[] = { "/a", "/a/b", "/a/b/c",
		"/a/b/c/e" };
	struct p9_rig *k = *state;
	struct p9_rgetattr a;
	struct p9c *c;
	char hex[65];
	uint64_t number;
	uint32_t i;

	ok(p9c_mkdir(k->c, P9C_ROOT, "a", 0755));
	for (i = 1; i < 4; i++)
		ok(fx_mkdir(k->r->fx, paths[i], 0755));
	grant(k, "/a", VFS_RIGHTS_ALL, false, 0, hex, &number);
	c = tcp_client(k);
	for (i = 0; i < 4; i++) {
		ok(attach_to(c, i, hex, P9_NOUID, names[i]));
		ok(p9c_getattr(c, i, &a));
		assert_int_equal(a.qid.path, fx_id(k->r->fx, paths[i]).n);
		ok(p9c_mkdir(c, i, "new", 0755));
	}
	ok(fx_rename(k->r->fx, "/a/b/c", "/a/c", 0));
	fails(p9c_getattr(c, 2, &a), ESTALE);
	ok(p9c_getattr(c, 3, &a));
	p9c_free(c);
}

static void
token__with_fewer_rights__gives_no_more(void **state)
{
	struct p9_rig *k = *state;
	struct p9c *c;
	char hex[65], ch;
	uint64_t number;
	uint32_t n = 1;
	union p9_t t = { .lock = { .fid = 1, .client_id = p9c_str("h") } };
	union p9_r r;

	ok(p9_rig_put(k->c, "f", "x", 1));
	grant(k, "/", VFS_RIGHT_TRAVERSE | VFS_RIGHT_GETATTR |
	    VFS_RIGHT_READ | VFS_RIGHT_ENUMERATE, false, 0, hex, &number);
	c = tcp_client(k);
	ok(attach_as(c, 0, hex, P9_NOUID));
	fails(p9c_mkdir(c, 0, "x", 0755), EACCES);
	fails(p9c_unlink(c, 0, "f", 0), EACCES);
	ok(p9c_walk(c, 0, 1, "f"));
	fails(p9c_open(c, 1, P9_O_RDWR), EACCES);
	ok(p9c_open(c, 1, P9_O_RDONLY));
	ok(p9c_read(c, 1, 0, &ch, &n));
	fails(p9c_call(c, P9_TLOCK, &t, &r), EACCES);
	t.fsync = (struct p9_tfsync){ 1, 0 };
	fails(p9c_call(c, P9_TFSYNC, &t, &r), EACCES);
	p9c_free(c);
}

static void
token__revoked__ends_what_it_gave(void **state)
{
	struct p9_rig *k = *state;
	struct session_who who = { .transport = "unix", .has_cred = true,
	    .uid = getuid(), .gid = getgid() };
	struct req_env env = { .now = k->r->fx->env.now };
	struct session_call call = { .env = &env, .room = VFS_MSG_MAX };
	struct vfs_revoke rq = { 0 };
	struct vfs_revoke_reply rr;
	struct p9_rgetattr a;
	struct p9c *c;
	char hex[65];

	grant(k, "/", VFS_RIGHTS_ALL, false, 0, hex, &rq.number);
	c = tcp_client(k);
	ok(attach_as(c, 0, hex, P9_NOUID));
	ok(p9c_getattr(c, 0, &a));
	ok(session_new(k->p->conf.sessions, &who, &call.s));
	ok(session_run(&call, VFS_OP_REVOKE, &rq, &rr));
	session_close(call.s);
	session_drop(call.s);
	fails(p9c_getattr(c, 0, &a), EACCES);
	fails(attach_as(c, 1, "", P9_NOUID), EACCES);
	p9c_free(c);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		P9_TEST(tcp__without_a_token__refused),
		P9_TEST(token__once_shown__opens_the_connection),
		P9_TEST(token__attached_to_names_below__is_of_that_directory),
		P9_TEST(token__with_fewer_rights__gives_no_more),
		P9_TEST(token__revoked__ends_what_it_gave),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
