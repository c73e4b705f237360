/* libvfs in a session that a token confines, with and without ids. */
#include "../cm.h"
#include "../vfs_proxy.h"
#include "../vfs_rig.h"

#define OK(call)	assert_int_equal((call), 0)
#define ROOT		VFS_RIG_ROOT

static void
grant_as(struct vfs *v, struct vfs_grant q, uint8_t token[VFS_TOKEN_BYTES])
{
	struct vfs_grant_reply r;
	struct vfs_call c = { .op = VFS_OP_GRANT, .q = &q, .r = &r }, *got;

	OK(vfs_submit(v, &c));
	while (vfs_complete(v, &got) == 0)
		;
	OK(c.err);
	assert_int_equal(r.token.n, VFS_TOKEN_BYTES);
	memcpy(token, r.token.p, VFS_TOKEN_BYTES);
}

/* A token for what is below a directory. */
static void
grant(struct vfs *v, struct vfs_id root, uint32_t rights,
    uint8_t token[VFS_TOKEN_BYTES])
{
	grant_as(v, (struct vfs_grant){ .root = root, .rights = rights },
	    token);
}

struct confined {
	struct vfs_rig *r;
	struct vfs *v;			/* confined to d */
	struct vfs_id d, outside;
	struct proxy p;
};

static void
confined_open(struct confined *k, void **state, uint32_t rights)
{
	uint8_t token[VFS_TOKEN_BYTES];
	struct vfs_conf conf = { .token = token };
	struct vfs_attr a;

	k->r = *state;
	OK(vfs_create(k->r->v, NULL, ROOT, "outside", 0644, 0, &a, NULL));
	k->outside = a.id;
	OK(vfs_mkdir(k->r->v, NULL, ROOT, "d", 0755, &a));
	k->d = a.id;
	OK(vfs_mkdir(k->r->v, NULL, k->d, "sub", 0755, &a));
	OK(vfs_create(k->r->v, NULL, a.id, "f", 0644, 0, &a, NULL));
	OK(vfs_write(k->r->v, NULL, a.id, 0, "text", 4));
	OK(vfs_symlink(k->r->v, NULL, k->d, "l", "sub/../sub", NULL));
	OK(vfs_symlink(k->r->v, NULL, k->d, "abs", "/sub/f", NULL));
	OK(vfs_symlink(k->r->v, NULL, k->d, "out", "../outside", NULL));
	grant(k->r->v, k->d, rights, token);
	proxy_open(&k->p, k->r->dir.path);
	OK(vfs_connect(k->p.where, &conf, &k->v));
	assert_int_equal(vfs_root(k->v).n, k->d.n);
}

static void
confined_close(struct confined *k)
{
	vfs_disconnect(k->v);
	proxy_close(&k->p);
}

static bool
count(void *arg, const struct vfs_dirent *e)
{
	(void)e;
	++*(unsigned *)arg;
	return true;
}

#define NO_IDS	(VFS_RIGHTS_ALL & ~(uint32_t)VFS_RIGHT_OPEN_BY_ID)

static void
session__without_ids__lives_by_paths(void **state)
{
	struct vfs_attr a;
	struct confined k;
	struct vfs_id h, root;
	unsigned n = 0;
	char got[8];

	confined_open(&k, state, NO_IDS);
	root = vfs_root(k.v);
	assert_int_equal(vfs_rights(k.v) & VFS_RIGHT_OPEN_BY_ID, 0);
	OK(vfs_list(k.v, NULL, root, 0, count, &n));
	assert_int_equal(n, 4);
	OK(vfs_resolve(k.v, NULL, root, "l/f", 0, &a));
	assert_err(vfs_stat(k.v, NULL, a.id, &a), NO_SUCH_ID);
	OK(vfs_open_path(k.v, NULL, root, "abs", VFS_OPEN_READ, 0, 0, &h,
	    NULL));
	assert_int_equal(vfs_read(k.v, NULL, h, 0, got, 8), 4);
	OK(vfs_close(k.v, h));
	OK(vfs_open_path(k.v, NULL, root, "l/new",
	    VFS_OPEN_WRITE | VFS_O_CREATE, 0600, 0, &h, NULL));
	OK(vfs_write(k.v, NULL, h, 0, "new", 3));
	OK(vfs_close(k.v, h));
	OK(vfs_link_path(k.v, NULL, root, "l/new", "sub/also"));
	OK(vfs_rename_path(k.v, NULL, root, "sub/also", "moved", 0));
	OK(vfs_mkdir_path(k.v, NULL, root, "sub/x", 0700, &a));
	OK(vfs_unlink_path(k.v, NULL, root, "sub/x", VFS_UNLINK_DIR));
	OK(vfs_resolve_open(k.v, NULL, root, "l", 0, 0, &h, &a));
	OK(vfs_lookup(k.v, NULL, h, "new", &a));
	OK(vfs_close(k.v, h));
	confined_close(&k);
}

static void
session__below_a_root__does_not_get_out(void **state)
{
	struct vfs_id root, none = { 0 };
	struct vfs_attr a;
	struct confined k;

	confined_open(&k, state, VFS_RIGHTS_ALL);
	root = vfs_root(k.v);
	OK(vfs_resolve(k.v, NULL, root, "../../sub/f", 0, &a));
	OK(vfs_stat(k.v, NULL, a.id, &a));
	assert_err(vfs_resolve(k.v, NULL, root, "out", 0, &a), NOENT);
	assert_err(vfs_stat(k.v, NULL, k.outside, &a), NO_SUCH_ID);
	assert_err(vfs_stat(k.v, NULL, ROOT, &a), NO_SUCH_ID);
	assert_err(vfs_unlink(k.v, NULL, ROOT, "outside", VFS_UNLINK_FILE,
	    none), NO_SUCH_ID);
	confined_close(&k);
}

/* It does not own the file, but may write. */
static void
utimens__not_the_owner__only_both_to_now(void **state)
{
	struct vfs_time t = { 1000, 7 };
	struct vfs_attr a;
	struct confined k;

	confined_open(&k, state, VFS_RIGHTS_ALL);
	OK(vfs_resolve(k.v, NULL, vfs_root(k.v), "sub/f", 0, &a));
	OK(vfs_chown(k.r->v, NULL, a.id, 54321, VFS_KEEP));
	OK(vfs_utimens(k.v, NULL, a.id, NULL, NULL));
	assert_err(vfs_utimens(k.v, NULL, a.id, NULL, &t), PERM);
	confined_close(&k);
}

static bool
take_path(void *arg, const char *path, size_t n)
{
	(void)n;
	strcpy(arg, path);
	return true;
}

static void
paths__below_a_root__begin_there(void **state)
{
	struct vfs_attr a;
	struct confined k;
	char path[100] = "";

	confined_open(&k, state, VFS_RIGHTS_ALL);
	OK(vfs_resolve(k.v, NULL, vfs_root(k.v), "sub/f", 0, &a));
	OK(vfs_paths(k.v, NULL, a.id, take_path, path));
	assert_string_equal(path, "/sub/f");
	OK(vfs_paths(k.v, NULL, vfs_root(k.v), take_path, path));
	assert_string_equal(path, "/");
	confined_close(&k);
}

/* A user who may not list a directory above is told no half of a path. */
static void
paths__not_all_known__are_not_told(void **state)
{
	uint8_t token[VFS_TOKEN_BYTES];
	struct vfs_conf conf = { .token = token };
	struct vfs_attr shut, in, f;
	struct confined k;
	char path[100] = "";
	struct vfs *v;

	confined_open(&k, state, VFS_RIGHTS_ALL);
	OK(vfs_mkdir(k.r->v, NULL, ROOT, "shut", 0711, &shut));
	OK(vfs_mkdir(k.r->v, NULL, shut.id, "in", 0755, &in));
	OK(vfs_create(k.r->v, NULL, in.id, "f", 0644, 0, &f, NULL));
	grant_as(k.r->v, (struct vfs_grant){ .root = ROOT, .uid = 54321,
	    .gid = 54321, .flags = VFS_GRANT_CRED }, token);
	OK(vfs_connect(k.r->dir.path, &conf, &v));
	OK(vfs_paths(v, NULL, f.id, take_path, path));
	assert_string_equal(path, "");
	OK(vfs_chmod(k.r->v, NULL, shut.id, 0755));
	OK(vfs_paths(v, NULL, f.id, take_path, path));
	assert_string_equal(path, "/shut/in/f");
	vfs_disconnect(v);
	confined_close(&k);
}

/* Of those that the connection has, a token may leave few. */
static void
credits__few_for_the_session__the_rest_wait(void **state)
{
	uint8_t token[VFS_TOKEN_BYTES];
	struct vfs_conf conf = { .token = token };
	struct vfs_stat q = { ROOT };
	struct vfs_call c[5], *got;
	struct vfs_rig *r = *state;
	unsigned i, n = 0;
	struct vfs *v;

	grant_as(r->v, (struct vfs_grant){ .root = ROOT,
	    .rights = VFS_RIGHTS_ALL, .max_credits = 3 }, token);
	OK(vfs_connect(r->dir.path, &conf, &v));
	for (i = 0; i < 5; i++) {
		c[i] = (struct vfs_call){ .op = VFS_OP_STAT, .q = &q };
		assert_int_equal(vfs_submit(v, &c[i]), i < 3 ? 0 : -VFS_AGAIN);
	}
	while (vfs_pending(v) > 0)
		if (vfs_complete(v, &got) == 1) {
			OK(got->err);
			n++;
		}
	assert_int_equal(n, 3);
	vfs_disconnect(v);
}

static void
session__connection_lost__is_the_same_again(void **state)
{
	struct vfs_attr a;
	struct confined k;

	confined_open(&k, state, NO_IDS);
	proxy_lose(&k.p, PROXY_REPLY, VFS_OP_STATFS);
	OK(vfs_statfs(k.v, vfs_root(k.v), &(struct vfs_statfs_reply){ 0 }));
	assert_int_equal(vfs_root(k.v).n, k.d.n);
	assert_err(vfs_stat(k.v, NULL, k.outside, &a), NO_SUCH_ID);
	OK(vfs_resolve(k.v, NULL, vfs_root(k.v), "sub/f", 0, &a));
	confined_close(&k);
}

/* Without WRITE nothing is written, by handle or path. */
static void
rights__that_are_missing__are_missed(void **state)
{
	struct vfs_attr a;
	struct confined k;
	struct vfs_id h, root;

	confined_open(&k, state, NO_IDS & ~(uint32_t)(VFS_RIGHT_WRITE |
	    VFS_RIGHT_APPEND | VFS_RIGHT_CREATE));
	root = vfs_root(k.v);
	assert_err(vfs_mkdir_path(k.v, NULL, root, "sub/x", 0700, &a),
	    ACCESS);
	OK(vfs_resolve_open(k.v, NULL, root, "sub/f", 0, 0, &h, &a));
	assert_err(vfs_write(k.v, NULL, h, 0, "x", 1), ACCESS);
	assert_true(vfs_failure(k.v)->trace_id != 0);
	confined_close(&k);
}

static void
token__as_text__is_read(void **state)
{
	static const char text[] = "00112233445566778899aabbccddeeff"
	    "00112233445566778899AABBCCDDEEFF\n";
	uint8_t t[VFS_TOKEN_BYTES];

	(void)state;
	OK(vfs_token_parse(text, t));
	assert_int_equal(t[1], 0x11);
	assert_int_equal(t[31], 0xff);
	assert_err(vfs_token_parse(text + 1, t), INVAL);
	assert_err(vfs_token_parse("", t), INVAL);
	assert_err(vfs_token_parse("0g", t), INVAL);
}

static void
token__that_is_unknown__is_refused(void **state)
{
	struct vfs_rig *r = *state;
	uint8_t token[VFS_TOKEN_BYTES] = { 1 };
	struct vfs_conf conf = { .token = token };
	struct vfs *v;

	assert_true(vfs_connect(r->dir.path, &conf, &v) < 0);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		VFS_TEST(session__without_ids__lives_by_paths),
		VFS_TEST(session__below_a_root__does_not_get_out),
		VFS_TEST(utimens__not_the_owner__only_both_to_now),
		VFS_TEST(paths__below_a_root__begin_there),
		VFS_TEST(paths__not_all_known__are_not_told),
		VFS_TEST(credits__few_for_the_session__the_rest_wait),
		VFS_TEST(session__connection_lost__is_the_same_again),
		VFS_TEST(rights__that_are_missing__are_missed),
		cmocka_unit_test(token__as_text__is_read),
		VFS_TEST(token__that_is_unknown__is_refused),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
