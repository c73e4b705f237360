/*
 * Out of what a 9P client has attached, on purpose: names that climb, and
 * fids of what somebody moved out while they were open.  All of it is
 * refused, nothing outside changes, and no reply has a name of outside.
 */
#include <errno.h>
#include <sys/stat.h>

#include "../cm.h"
#include "../p9_rig.h"

#define ok(call)	assert_int_equal(call, 0)
#define SECRET		"SECRET"

/* Fids of the client: P9C_ROOT is /jail. */
enum { DIR_FID = 10, FILE_FID, OPEN_FID, LIST_FID, LINK_FID, IN_FID, TRY_FID };

struct jail {
	struct p9_rig *k;
	struct p9c *c;
	uint64_t out;			/* a digest */
};

static void
put(struct p9_rig *k, const char *path, uint32_t mode)
{
	ok(S_ISDIR(mode) ? fx_mkdir(k->r->fx, path, mode & 07777) :
	    fx_create(k->r->fx, path, mode & 07777));
}

/* The client has all of /jail/goes in its hands; then it goes. */
static void
jail_open(struct jail *j, struct p9_rig *k)
{
	struct fx *fx = k->r->fx;

	*j = (struct jail){ .k = k };
	put(k, "/" SECRET, S_IFDIR | 0777);
	put(k, "/" SECRET "/" SECRET "-f", S_IFREG | 0666);
	put(k, "/jail", S_IFDIR | 0777);
	put(k, "/jail/f", S_IFREG | 0666);
	put(k, "/jail/goes", S_IFDIR | 0777);
	put(k, "/jail/goes/in", S_IFREG | 0666);
	ok(fx_symlink(fx, SECRET, "/jail/goes/ln"));
	ok(fx_write(fx, "/jail/goes/in", 0, SECRET, 6));
	ok(fx_write(fx, "/" SECRET "/" SECRET "-f", 0, SECRET, 6));
	j->c = p9_rig_client(k, "jail");
	ok(p9c_walk(j->c, P9C_ROOT, IN_FID, "f"));
	ok(p9c_walk(j->c, P9C_ROOT, DIR_FID, "goes"));
	ok(p9c_walk(j->c, DIR_FID, FILE_FID, "in"));
	ok(p9c_walk(j->c, DIR_FID, OPEN_FID, "in"));
	ok(p9c_open(j->c, OPEN_FID, P9_O_RDWR));
	ok(p9c_walk(j->c, DIR_FID, LIST_FID, ""));
	ok(p9c_open(j->c, LIST_FID, P9_O_RDONLY));
	ok(p9c_walk(j->c, DIR_FID, LINK_FID, "ln"));
	ok(fx_rename(fx, "/jail/goes", "/" SECRET "/" SECRET "-gone", 0));
	j->out = fx_part_digest(fx, "/" SECRET);
}

static void
jail_close(struct jail *j)
{
	assert_true(fx_part_digest(j->k->r->fx, "/" SECRET) == j->out);
	p9c_free(j->c);
}

static bool
tells(const struct p9c *c)
{
	size_t i;

	for (i = 0; i + 6 <= c->in_n; i++)
		if (memcmp(c->in + i, SECRET, 6) == 0)
			return true;
	return false;
}

/* It is refused; the reply has nothing in it. */
static void
refused(struct jail *j, uint8_t type, union p9_t t)
{
	union p9_r r;
	int rc = p9c_call(j->c, type, &t, &r);

	if (rc <= 0)
		fail_msg("%s is not refused: %d", p9_type_name(type), rc);
	if (tells(j->c))
		fail_msg("%s tells a name", p9_type_name(type));
	if (fx_part_digest(j->k->r->fx, "/" SECRET) != j->out)
		fail_msg("%s has changed what lies outside",
		    p9_type_name(type));
}

/* --- what was moved out --------------------------------------------------- */

static void
fid__moved_out__looks_at_nothing(void **state)
{
	const struct p9_names in = { 1, { p9c_str("in") } };
	const struct p9_names up = { 1, { p9c_str("..") } };
	struct jail j;

	jail_open(&j, *state);
	refused(&j, P9_TWALK, (union p9_t){ .walk = { DIR_FID, TRY_FID,
	    in } });
	refused(&j, P9_TWALK, (union p9_t){ .walk = { DIR_FID, TRY_FID,
	    up } });
	refused(&j, P9_TWALK, (union p9_t){ .walk = { FILE_FID, TRY_FID,
	    up } });
	refused(&j, P9_TLOPEN, (union p9_t){ .lopen = { DIR_FID, 0 } });
	refused(&j, P9_TLOPEN, (union p9_t){ .lopen = { FILE_FID, 0 } });
	refused(&j, P9_TGETATTR, (union p9_t){ .getattr = { DIR_FID,
	    P9_GET_ALL } });
	refused(&j, P9_TGETATTR, (union p9_t){ .getattr = { OPEN_FID,
	    P9_GET_ALL } });
	refused(&j, P9_TREADDIR, (union p9_t){ .readdir = { LIST_FID, 0,
	    4096 } });
	refused(&j, P9_TREAD, (union p9_t){ .read = { OPEN_FID, 0, 100 } });
	refused(&j, P9_TREADLINK, (union p9_t){ .readlink = { LINK_FID } });
	refused(&j, P9_TSTATFS, (union p9_t){ .statfs = { DIR_FID } });
	refused(&j, P9_TXATTRWALK, (union p9_t){ .xattrwalk = { FILE_FID,
	    TRY_FID, p9c_str("user.a") } });
	refused(&j, P9_TXATTRWALK, (union p9_t){ .xattrwalk = { FILE_FID,
	    TRY_FID, p9c_str("") } });
	refused(&j, P9_TGETLOCK, (union p9_t){ .getlock = { .fid = OPEN_FID,
	    .type = P9_WRLCK, .client_id = p9c_str("me") } });
	jail_close(&j);
}

static void
fid__moved_out__changes_nothing(void **state)
{
	const union p9_t xa = { .xattrcreate = { FILE_FID, p9c_str("user.a"),
	    0, 0 } };
	union p9_r r;
	struct jail j;

	jail_open(&j, *state);
	refused(&j, P9_TWRITE, (union p9_t){ .write = { OPEN_FID, 0,
	    p9c_str("x") } });
	refused(&j, P9_TSETATTR, (union p9_t){ .setattr = { .fid = FILE_FID,
	    .valid = P9_SET_MODE, .mode = 0 } });
	refused(&j, P9_TSETATTR, (union p9_t){ .setattr = { .fid = OPEN_FID,
	    .valid = P9_SET_SIZE } });
	refused(&j, P9_TFSYNC, (union p9_t){ .fsync = { OPEN_FID, 0 } });
	refused(&j, P9_TLOCK, (union p9_t){ .lock = { .fid = OPEN_FID,
	    .type = P9_WRLCK, .client_id = p9c_str("me") } });
	refused(&j, P9_TLCREATE, (union p9_t){ .lcreate = { DIR_FID,
	    p9c_str("new"), P9_O_RDWR, 0644, 0 } });
	refused(&j, P9_TSYMLINK, (union p9_t){ .symlink = { DIR_FID,
	    p9c_str("new"), p9c_str("x"), 0 } });
	refused(&j, P9_TMKNOD, (union p9_t){ .mknod = { DIR_FID,
	    p9c_str("new"), S_IFIFO | 0644, 0, 0, 0 } });
	refused(&j, P9_TMKDIR, (union p9_t){ .mkdir = { DIR_FID,
	    p9c_str("new"), 0755, 0 } });
	refused(&j, P9_TUNLINKAT, (union p9_t){ .unlinkat = { DIR_FID,
	    p9c_str("in"), 0 } });
	ok(p9c_call(j.c, P9_TXATTRCREATE, &xa, &r));	/* done by Tclunk */
	refused(&j, P9_TCLUNK, (union p9_t){ .clunk = { FILE_FID } });
	refused(&j, P9_TREMOVE, (union p9_t){ .remove = { LINK_FID } });
	jail_close(&j);
}

static void
fid__moved_out__no_name_crosses(void **state)
{
	struct jail j;

	jail_open(&j, *state);
	refused(&j, P9_TLINK, (union p9_t){ .link = { P9C_ROOT, FILE_FID,
	    p9c_str("l") } });
	refused(&j, P9_TLINK, (union p9_t){ .link = { DIR_FID, IN_FID,
	    p9c_str("l") } });
	refused(&j, P9_TRENAME, (union p9_t){ .rename = { FILE_FID, P9C_ROOT,
	    p9c_str("r") } });
	refused(&j, P9_TRENAME, (union p9_t){ .rename = { IN_FID, DIR_FID,
	    p9c_str("r") } });
	refused(&j, P9_TRENAMEAT, (union p9_t){ .renameat = { DIR_FID,
	    p9c_str("in"), P9C_ROOT, p9c_str("r") } });
	refused(&j, P9_TRENAMEAT, (union p9_t){ .renameat = { P9C_ROOT,
	    p9c_str("f"), DIR_FID, p9c_str("r") } });
	jail_close(&j);
}

/* --- names ------------------------------------------------------------------ */

/* A walk up ends at the root that was attached. */
static void
walk__up__stays_at_the_root(void **state)
{
	struct jail j;
	struct p9_rgetattr root, a;

	jail_open(&j, *state);
	ok(p9c_getattr(j.c, P9C_ROOT, &root));
	ok(p9c_walk(j.c, P9C_ROOT, TRY_FID, "../../.."));
	ok(p9c_getattr(j.c, TRY_FID, &a));
	assert_int_equal(a.qid.path, root.qid.path);
	ok(p9c_clunk(j.c, TRY_FID));
	assert_int_equal(p9c_walk(j.c, P9C_ROOT, TRY_FID, "../" SECRET),
	    ENOENT);
	assert_int_equal(p9c_walk(j.c, P9C_ROOT, TRY_FID, "../jail"),
	    ENOENT);
	jail_close(&j);
}

static void
names__that_climb__name_nothing(void **state)
{
	static const char *const names[] = { "..", ".", "", "/", "/" SECRET,
		"../" SECRET, "../" SECRET "/x", SECRET "/x", "../x" };
	struct jail j;
	unsigned i;

	jail_open(&j, *state);
	for (i = 0; i < sizeof names / sizeof names[0]; i++) {
		struct vfs_slice n = p9c_str(names[i]);

		ok(p9c_walk(j.c, P9C_ROOT, TRY_FID, ""));
		refused(&j, P9_TLCREATE, (union p9_t){ .lcreate = { TRY_FID,
		    n, P9_O_RDWR, 0644, 0 } });
		ok(p9c_clunk(j.c, TRY_FID));
		refused(&j, P9_TMKDIR, (union p9_t){ .mkdir = { P9C_ROOT, n,
		    0755, 0 } });
		refused(&j, P9_TSYMLINK, (union p9_t){ .symlink = { P9C_ROOT,
		    n, p9c_str("x"), 0 } });
		refused(&j, P9_TMKNOD, (union p9_t){ .mknod = { P9C_ROOT, n,
		    S_IFIFO | 0644, 0, 0, 0 } });
		refused(&j, P9_TLINK, (union p9_t){ .link = { P9C_ROOT,
		    IN_FID, n } });
		refused(&j, P9_TUNLINKAT, (union p9_t){ .unlinkat = {
		    P9C_ROOT, n, 0 } });
		refused(&j, P9_TUNLINKAT, (union p9_t){ .unlinkat = {
		    P9C_ROOT, n, P9_REMOVEDIR } });
		refused(&j, P9_TRENAMEAT, (union p9_t){ .renameat = {
		    P9C_ROOT, p9c_str("f"), P9C_ROOT, n } });
		refused(&j, P9_TRENAMEAT, (union p9_t){ .renameat = {
		    P9C_ROOT, n, P9C_ROOT, p9c_str("r") } });
		refused(&j, P9_TRENAME, (union p9_t){ .rename = { IN_FID,
		    P9C_ROOT, n } });
	}
	jail_close(&j);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		P9_TEST(fid__moved_out__looks_at_nothing),
		P9_TEST(fid__moved_out__changes_nothing),
		P9_TEST(fid__moved_out__no_name_crosses),
		P9_TEST(walk__up__stays_at_the_root),
		P9_TEST(names__that_climb__name_nothing),
	};

	return cmocka_run_group_tests_name("9P: escapes", tests, NULL, NULL);
}
