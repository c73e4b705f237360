/* 9P: files and attributes, as a scripted client has them. */
#include <errno.h>
#include <sys/stat.h>
#include <unistd.h>

#include "../cm.h"
#include "../p9_rig.h"

#define ok(call)	assert_int_equal(call, 0)
#define fails(call, e)	assert_int_equal(call, e)

/* --- version, attach ---------------------------------------------------- */

static void
version__too_small_or_unknown__says_so(void **state)
{
	struct p9_rig *k = *state;
	struct p9c *c = p9_rig_bare(k);
	union p9_t t = { .version = { 8192, p9c_str("9P2000.u") } };
	union p9_r r;

	fails(p9c_version(c, P9_MSIZE_MIN - 1), EMSGSIZE);
	ok(p9c_call(c, P9_TVERSION, &t, &r));
	assert_int_equal(r.version.version.n, strlen("unknown"));
	fails(p9c_attach(c, 0, "", P9_NOUID), EPROTONOSUPPORT);
	ok(p9c_version(c, P9_MSIZE_MIN));
	assert_int_equal(c->msize, P9_MSIZE_MIN);
	ok(p9c_attach(c, 0, "", P9_NOUID));
	p9c_free(c);
}

static void
version__mid_session__starts_anew(void **state)
{
	struct p9_rig *k = *state;
	struct p9_rgetattr a;

	ok(p9c_walk(k->c, P9C_ROOT, 1, ""));
	ok(p9c_version(k->c, 1u << 21));
	assert_int_equal(k->c->msize, P9_MSIZE_MAX);
	fails(p9c_getattr(k->c, 1, &a), EBADF);
	fails(p9c_getattr(k->c, P9C_ROOT, &a), EBADF);
	ok(p9c_attach(k->c, P9C_ROOT, "", P9_NOUID));
	ok(p9c_getattr(k->c, P9C_ROOT, &a));
	assert_int_equal(a.qid.path, VFS_ID_ROOT);
	assert_int_equal(a.qid.type, P9_QTDIR);
}

static void
attach__aname__is_the_top(void **state)
{
	struct p9_rig *k = *state;
	struct p9_rgetattr a, top;
	struct p9c *c;

	ok(p9c_mkdir(k->c, P9C_ROOT, "a", 0755));
	ok(p9c_walk(k->c, P9C_ROOT, 1, "a"));
	ok(p9c_mkdir(k->c, 1, "b", 0755));
	c = p9_rig_client(k, "/a//./b/..");
	ok(p9c_getattr(c, P9C_ROOT, &top));
	ok(p9c_walk(c, P9C_ROOT, 1, "b/../../.."));
	ok(p9c_getattr(c, 1, &a));
	assert_int_equal(a.qid.path, top.qid.path);
	assert_int_not_equal(a.qid.path, VFS_ID_ROOT);
	fails(p9c_attach(c, 5, "/nope", P9_NOUID), ENOENT);
	ok(p9_rig_put(k->c, "f", "x", 1));
	fails(p9c_attach(c, 5, "/f", P9_NOUID), ENOTDIR);
	fails(p9c_attach(c, P9C_ROOT, "", P9_NOUID), EBADF);
	p9c_free(c);
}

static void
attach__moved_out__dotdot_stays_below(void **state)
{
	struct p9_rig *k = *state;
	struct p9c *c;

	ok(p9c_mkdir(k->c, P9C_ROOT, "a", 0755));
	ok(p9c_walk(k->c, P9C_ROOT, 1, "a"));
	ok(p9c_mkdir(k->c, 1, "b", 0755));
	c = p9_rig_client(k, "a");
	ok(p9c_walk(c, P9C_ROOT, 1, "b"));
	ok(p9c_rename(k->c, 1, "b", P9C_ROOT, "b"));
	fails(p9c_walk(c, 1, 2, ".."), ESTALE);
	p9c_free(c);
}

static void
attach__other_users__only_of_root(void **state)
{
	struct p9_rig *k = *state;
	struct p9_rgetattr a;
	struct p9c *c = p9_rig_user(k, getuid(), false);

	if (getuid() != 0)
		fails(p9c_attach(c, 0, "", 0), EPERM);
	fails(p9c_attach(c, 0, "", getuid() + 1), EPERM);
	ok(p9c_attach(c, 0, "", getuid()));
	p9c_free(c);
	c = p9_rig_user(k, 0, true);
	ok(p9c_attach(c, 0, "", 0));
	ok(p9c_attach(c, 1, "", 1234));
	/* the root is the store's owner's: 1234 may not write */
	fails(p9c_mkdir(c, 1, "x", 0777), EACCES);
	ok(p9c_mkdir(c, 0, "open", 0777));
	ok(p9c_walk(c, 1, 2, "open"));
	ok(p9c_mkdir(c, 2, "x", 0750));
	ok(p9c_walk(c, 2, 3, "x"));
	ok(p9c_getattr(c, 3, &a));
	assert_int_equal(a.uid, 1234);
	p9c_free(c);
}

/* --- open files --------------------------------------------------------- */

static void
unlinked__open_fid__stays_a_file(void **state)
{
	struct p9_rig *k = *state;
	struct p9c *c = k->c;
	union p9_t t = { .setattr = { .fid = 1, .valid = P9_SET_SIZE,
	    .size = 3 } };
	union p9_r r;
	struct p9_rgetattr a;
	char buf[16];
	uint32_t n;

	ok(p9c_walk(c, P9C_ROOT, 1, ""));
	ok(p9c_create(c, 1, "f", P9_O_RDWR, 0644));
	n = 6;
	ok(p9c_write(c, 1, 0, "hello\n", &n));
	ok(p9c_unlink(c, P9C_ROOT, "f", 0));
	ok(p9c_getattr(c, 1, &a));
	assert_int_equal(a.nlink, 0);
	assert_int_equal(a.size, 6);
	ok(p9c_call(c, P9_TSETATTR, &t, &r));
	ok(p9c_walk(c, 1, 2, ""));		/* as Linux's fstat does */
	ok(p9c_getattr(c, 2, &a));
	assert_int_equal(a.size, 3);
	n = sizeof buf;
	ok(p9c_read(c, 1, 0, buf, &n));
	assert_int_equal(n, 3);
	assert_memory_equal(buf, "hel", 3);
	ok(p9c_clunk(c, 1));
	ok(p9c_getattr(c, 2, &a));
	ok(p9c_clunk(c, 2));
	fails(p9c_walk(c, P9C_ROOT, 1, "f"), ENOENT);
}

static void
unlinked__below_aname__stays_a_file_too(void **state)
{
	struct p9_rig *k = *state;
	struct p9_rgetattr a;
	struct p9c *c;
	uint32_t n = 1;

	ok(p9c_mkdir(k->c, P9C_ROOT, "a", 0755));
	c = p9_rig_client(k, "a");
	ok(p9c_walk(c, P9C_ROOT, 1, ""));
	ok(p9c_create(c, 1, "f", P9_O_RDWR, 0));
	ok(p9c_unlink(c, P9C_ROOT, "f", 0));
	ok(p9c_write(c, 1, 0, "x", &n));
	ok(p9c_getattr(c, 1, &a));
	assert_int_equal(a.size, 1);
	ok(p9c_walk(c, 1, 2, ""));
	ok(p9c_clunk(c, 1));
	ok(p9c_getattr(c, 2, &a));
	p9c_free(c);
}

static void
mode__changed_after_open__does_not_count(void **state)
{
	struct p9_rig *k = *state;
	struct p9c *c = p9_rig_user(k, 0, true);
	union p9_t t = { .setattr = { .fid = 2, .valid = P9_SET_MODE } };
	union p9_r r;
	uint32_t n = 1;
	char ch;

	ok(p9c_attach(c, P9C_ROOT, "", 0));
	ok(p9c_mkdir(c, P9C_ROOT, "open", 0777));
	ok(p9c_attach(c, 1, "open", 1234));
	ok(p9c_walk(c, 1, 2, ""));
	/* made for writing, though nobody may write it */
	ok(p9c_create(c, 2, "f", P9_O_RDWR, 0444));
	ok(p9c_write(c, 2, 0, "x", &n));
	ok(p9c_call(c, P9_TSETATTR, &t, &r));
	n = 1;
	ok(p9c_read(c, 2, 0, &ch, &n));
	ok(p9c_walk(c, 1, 3, "f"));
	fails(p9c_open(c, 3, P9_O_RDONLY), EACCES);
	t.setattr = (struct p9_tsetattr){ .fid = 3, .valid = P9_SET_SIZE };
	fails(p9c_call(c, P9_TSETATTR, &t, &r), EACCES);
	t.setattr.fid = 2;
	ok(p9c_call(c, P9_TSETATTR, &t, &r));
	p9c_free(c);
}

static void
io__not_opened_for_it__refused(void **state)
{
	struct p9_rig *k = *state;
	struct p9c *c = k->c;
	uint32_t n = 1;
	char ch;

	ok(p9_rig_put(c, "f", "abc", 3));
	ok(p9c_walk(c, P9C_ROOT, 1, "f"));
	fails(p9c_read(c, 1, 0, &ch, &n), EBADF);
	fails(p9c_open(c, 1, P9_O_ACCMODE), EINVAL);
	fails(p9c_open(c, 1, P9_O_DIRECTORY), ENOTDIR);
	ok(p9c_open(c, 1, P9_O_RDONLY));
	fails(p9c_open(c, 1, P9_O_RDONLY), EBADF);
	fails(p9c_write(c, 1, 0, "x", &n), EBADF);
	fails(p9c_walk(c, 1, 1, ""), EBADF);
	ok(p9c_walk(c, P9C_ROOT, 2, "f"));
	ok(p9c_open(c, 2, P9_O_WRONLY));
	fails(p9c_read(c, 2, 0, &ch, &n), EBADF);
	ok(p9c_walk(c, P9C_ROOT, 3, ""));
	fails(p9c_open(c, 3, P9_O_RDWR), EISDIR);
	ok(p9c_open(c, 3, P9_O_RDONLY));
	fails(p9c_read(c, 3, 0, &ch, &n), EISDIR);
	fails(p9c_create(c, 3, "g", P9_O_RDWR, 0644), EINVAL);
}

static void
append__two_writers__both_at_the_end(void **state)
{
	struct p9_rig *k = *state;
	struct p9c *c = k->c;
	char buf[8];
	uint32_t n = 2;

	ok(p9_rig_put(c, "f", "", 0));
	ok(p9c_walk(c, P9C_ROOT, 1, "f"));
	ok(p9c_walk(c, P9C_ROOT, 2, "f"));
	ok(p9c_open(c, 1, P9_O_WRONLY | P9_O_APPEND));
	ok(p9c_open(c, 2, P9_O_RDWR | P9_O_APPEND));
	ok(p9c_write(c, 1, 0, "ab", &n));
	ok(p9c_write(c, 2, 0, "cd", &n));
	n = sizeof buf;
	ok(p9c_read(c, 2, 0, buf, &n));
	assert_int_equal(n, 4);
	assert_memory_equal(buf, "abcd", 4);
}

static void
create__exists__opened_unless_excl(void **state)
{
	struct p9_rig *k = *state;
	struct p9c *c = k->c;
	struct p9_rgetattr a;

	ok(p9_rig_put(c, "f", "abc", 3));
	ok(p9c_walk(c, P9C_ROOT, 1, ""));
	fails(p9c_create(c, 1, "f", P9_O_RDWR | P9_O_EXCL, 0644), EEXIST);
	ok(p9c_create(c, 1, "f", P9_O_RDWR | P9_O_TRUNC, 0600));
	ok(p9c_getattr(c, 1, &a));
	assert_int_equal(a.size, 0);
	assert_int_equal(a.mode, S_IFREG | 0644);
	ok(p9c_mkdir(c, P9C_ROOT, "d", 0755));
	ok(p9c_walk(c, P9C_ROOT, 2, ""));
	fails(p9c_create(c, 2, "d", P9_O_RDWR, 0644), EISDIR);
	fails(p9c_create(c, 2, "a/b", P9_O_RDWR, 0644), EINVAL);
	fails(p9c_create(c, 2, "", P9_O_RDWR, 0644), EINVAL);
}

static void
msize__every_power__moves_all_bytes(void **state)
{
	struct p9_rig *k = *state;
	const uint32_t size = VFS_IO_MAX + 100;
	uint8_t *in = malloc(size), *out = malloc(size);
	uint32_t msize, at, n, i;
	struct p9c *c;

	for (i = 0; i < size; i++)
		in[i] = (uint8_t)(i * 7 + i / 251);
	for (msize = P9_MSIZE_MIN; msize <= 1u << 20; msize *= 2) {
		c = p9_rig_bare(k);
		ok(p9c_version(c, msize));
		assert_int_equal(c->msize, msize);
		ok(p9c_attach(c, P9C_ROOT, "", P9_NOUID));
		ok(p9c_walk(c, P9C_ROOT, 1, ""));
		ok(p9c_create(c, 1, "f", P9_O_RDWR | P9_O_TRUNC, 0644));
		for (at = 0; at < size; at += n) {
			n = size - at < msize - 23 ? size - at : msize - 23;
			ok(p9c_write(c, 1, at, in + at, &n));
			assert_true(n > 0);
		}
		memset(out, 0, size);
		for (at = 0; at < size; at += n) {
			n = size - at < msize - 11 ? size - at : msize - 11;
			ok(p9c_read(c, 1, at, out + at, &n));
			assert_true(n > 0);
		}
		assert_memory_equal(in, out, size);
		n = UINT32_MAX;		/* more than a reply holds */
		ok(p9c_read(c, 1, 0, NULL, &n));
		assert_int_equal(n, msize - 11 < VFS_IO_MAX ? msize - 11 :
		    VFS_IO_MAX);
		n = 10;
		ok(p9c_read(c, 1, size, out, &n));
		assert_int_equal(n, 0);
		p9c_free(c);
	}
	free(in);
	free(out);
}

static void
fsync__any_fid__answered(void **state)
{
	struct p9_rig *k = *state;
	union p9_t t = { .fsync = { P9C_ROOT, 0 } };
	union p9_r r;

	ok(p9c_call(k->c, P9_TFSYNC, &t, &r));
	ok(p9c_walk(k->c, P9C_ROOT, 1, ""));
	ok(p9c_create(k->c, 1, "f", P9_O_RDWR, 0644));
	t.fsync = (struct p9_tfsync){ 1, 1 };
	ok(p9c_call(k->c, P9_TFSYNC, &t, &r));
	t.fsync.fid = 77;
	fails(p9c_call(k->c, P9_TFSYNC, &t, &r), EBADF);
}

static uint64_t
flushes(struct p9_rig *k)
{
	struct engine_status st;

	engine_status(server_engine(k->r->s), &st);
	return st.log_syncs;
}

static void
write__opened_with_o_sync__flushed(void **state)
{
	static const uint32_t flags[] = { P9_O_DSYNC, P9_O_SYNC,
	    P9_O_SYNC | P9_O_APPEND };
	struct p9_rig *k = *state;
	struct p9c *c = k->c;
	uint64_t before;
	uint32_t i, n;

	ok(p9_rig_put(c, "f", "abc", 3));
	for (i = 0; i < sizeof flags / sizeof flags[0]; i++) {
		ok(p9c_walk(c, P9C_ROOT, i + 1, "f"));
		ok(p9c_open(c, i + 1, P9_O_WRONLY | flags[i]));
		before = flushes(k);
		n = 2;
		ok(p9c_write(c, i + 1, 0, "de", &n));
		assert_int_equal(n, 2);
		assert_int_equal(flushes(k), before + 1);
	}
}

/* --- attributes --------------------------------------------------------- */

static void
setattr__each_part__is_set(void **state)
{
	struct p9_rig *k = *state;
	struct p9c *c = k->c;
	union p9_t t = { .setattr = { .fid = 1, .valid = P9_SET_MODE |
	    P9_SET_SIZE | P9_SET_ATIME | P9_SET_ATIME_SET | P9_SET_MTIME |
	    P9_SET_MTIME_SET | P9_SET_CTIME, .mode = S_IFREG | 0604,
	    .size = 9, .atime = 11, .atime_ns = 12, .mtime = 13,
	    .mtime_ns = 999999999 } };
	union p9_r r;
	struct p9_rgetattr a, b;

	ok(p9_rig_put(c, "f", "abc", 3));
	ok(p9c_walk(c, P9C_ROOT, 1, "f"));
	ok(p9c_call(c, P9_TSETATTR, &t, &r));
	ok(p9c_getattr(c, 1, &a));
	assert_int_equal(a.valid, P9_GET_ALL);
	assert_int_equal(a.mode, S_IFREG | 0604);
	assert_int_equal(a.size, 9);
	assert_int_equal(a.atime, 11);
	assert_int_equal(a.atime_ns, 12);
	assert_int_equal(a.mtime, 13);
	assert_int_equal(a.mtime_ns, 999999999);
	t.setattr = (struct p9_tsetattr){ .fid = 1, .valid = P9_SET_MTIME };
	ok(p9c_call(c, P9_TSETATTR, &t, &r));
	ok(p9c_getattr(c, 1, &b));
	assert_true(b.mtime > 13);
	assert_int_equal(b.atime, 11);
	t.setattr = (struct p9_tsetattr){ .fid = 1, .mtime_ns = 1000000000,
	    .valid = P9_SET_MTIME | P9_SET_MTIME_SET };
	fails(p9c_call(c, P9_TSETATTR, &t, &r), EINVAL);
	t.setattr = (struct p9_tsetattr){ .fid = P9C_ROOT,
	    .valid = P9_SET_SIZE };
	fails(p9c_call(c, P9_TSETATTR, &t, &r), EISDIR);
}

static void
statfs_readlink_mknod__tell_what_is_there(void **state)
{
	struct p9_rig *k = *state;
	struct p9c *c = k->c;
	union p9_t t = { .statfs = { P9C_ROOT } };
	union p9_r r;
	struct p9_rgetattr a;

	ok(p9c_call(c, P9_TSTATFS, &t, &r));
	assert_int_equal(r.statfs.type, P9_STATFS_TYPE);
	assert_int_equal(r.statfs.namelen, VFS_NAME_MAX);
	assert_true(r.statfs.blocks >= r.statfs.bfree);

	t.symlink = (struct p9_tsymlink){ P9C_ROOT, p9c_str("l"),
	    p9c_str("to/where"), P9_NOUID };
	ok(p9c_call(c, P9_TSYMLINK, &t, &r));
	assert_int_equal(r.symlink.qid.type, P9_QTSYMLINK);
	fails(p9c_call(c, P9_TSYMLINK, &t, &r), EEXIST);
	ok(p9c_walk(c, P9C_ROOT, 1, "l"));
	t.readlink.fid = 1;
	ok(p9c_call(c, P9_TREADLINK, &t, &r));
	assert_int_equal(r.readlink.target.n, 8);
	assert_memory_equal(r.readlink.target.p, "to/where", 8);
	fails(p9c_open(c, 1, P9_O_RDONLY), ELOOP);
	t.readlink.fid = P9C_ROOT;
	fails(p9c_call(c, P9_TREADLINK, &t, &r), EINVAL);

	t.mknod = (struct p9_tmknod){ P9C_ROOT, p9c_str("p"), S_IFIFO | 0640,
	    0, 0, P9_NOUID };
	ok(p9c_call(c, P9_TMKNOD, &t, &r));
	t.mknod.name = p9c_str("q");
	t.mknod.mode = S_IFDIR | 0755;
	fails(p9c_call(c, P9_TMKNOD, &t, &r), EINVAL);
	t.mknod.mode = 0644;
	ok(p9c_call(c, P9_TMKNOD, &t, &r));
	ok(p9c_walk(c, P9C_ROOT, 2, "q"));
	ok(p9c_getattr(c, 2, &a));
	assert_int_equal(a.mode, S_IFREG | 0644);
	if (getuid() != 0)
		return;
	t.mknod = (struct p9_tmknod){ P9C_ROOT, p9c_str("c"), S_IFCHR | 0600,
	    0x123, 0x45678, P9_NOUID };
	ok(p9c_call(c, P9_TMKNOD, &t, &r));
	ok(p9c_walk(c, P9C_ROOT, 3, "c"));
	ok(p9c_getattr(c, 3, &a));
	/* as Linux packs it */
	assert_int_equal(a.rdev, 0x78 | 0x123 << 8 | 0x456ull << 20);
}

static void
gid__setgid_directory_and_callers__as_posix(void **state)
{
	struct p9_rig *k = *state;
	struct p9c *c = p9_rig_user(k, 0, true);
	union p9_t t = { .mkdir = { .dfid = P9C_ROOT, .name = p9c_str("d"),
	    .mode = 02777, .gid = 500 } };
	union p9_r r;
	struct p9_rgetattr a;

	ok(p9c_attach(c, P9C_ROOT, "", 0));
	ok(p9c_call(c, P9_TMKDIR, &t, &r));
	ok(p9c_walk(c, P9C_ROOT, 1, "d"));
	ok(p9c_getattr(c, 1, &a));
	assert_int_equal(a.gid, 500);
	t.setattr = (struct p9_tsetattr){ .fid = 1, .valid = P9_SET_MODE,
	    .mode = 02777 };
	ok(p9c_call(c, P9_TSETATTR, &t, &r));
	/* somebody's file in it is the directory's group's */
	ok(p9c_attach(c, 2, "d", 1234));
	ok(p9c_create(c, 2, "f", P9_O_RDWR, 0644));
	ok(p9c_getattr(c, 2, &a));
	assert_int_equal(a.uid, 1234);
	assert_int_equal(a.gid, 500);
	p9c_free(c);
	/* an ordinary peer has no group but its own */
	c = p9_rig_user(k, getuid() + 7, false);
	p9c_free(c);
}

/* --- extended attributes ------------------------------------------------ */

static int
set_xattr(struct p9c *c, const char *name, const char *value, uint32_t size,
    uint32_t flags)
{
	union p9_t t = { .xattrcreate = { 50, p9c_str(name), size, flags } };
	union p9_r r;
	uint32_t n = (uint32_t)strlen(value);
	int rc;

	ok(p9c_walk(c, 1, 50, ""));
	rc = p9c_call(c, P9_TXATTRCREATE, &t, &r);
	if (rc == 0 && n > 0)
		rc = p9c_write(c, 50, 0, value, &n);
	if (rc != 0) {
		p9c_clunk(c, 50);
		return rc;
	}
	return p9c_clunk(c, 50);
}

static int
get_xattr(struct p9c *c, const char *name, char *buf, uint32_t *n)
{
	union p9_t t = { .xattrwalk = { 1, 51, p9c_str(name) } };
	union p9_r r;
	int rc = p9c_call(c, P9_TXATTRWALK, &t, &r);

	if (rc != 0)
		return rc;
	rc = p9c_read(c, 51, 0, buf, n);
	if (rc == 0)
		assert_int_equal(*n, r.xattrwalk.size == 0 ? 0 : *n);
	p9c_clunk(c, 51);
	return rc;
}

static void
xattr__set_get_list_remove__as_written(void **state)
{
	struct p9_rig *k = *state;
	struct p9c *c = k->c;
	char buf[64];
	uint32_t n;

	ok(p9_rig_put(c, "f", "", 0));
	ok(p9c_walk(c, P9C_ROOT, 1, "f"));
	n = sizeof buf;
	fails(get_xattr(c, "user.a", buf, &n), ENODATA);
	ok(set_xattr(c, "user.a", "value", 5, 0));
	n = sizeof buf;
	ok(get_xattr(c, "user.a", buf, &n));
	assert_int_equal(n, 5);
	assert_memory_equal(buf, "value", 5);
	fails(set_xattr(c, "user.a", "x", 1, P9_XATTR_CREATE), EEXIST);
	fails(set_xattr(c, "user.b", "x", 1, P9_XATTR_REPLACE), ENODATA);
	ok(set_xattr(c, "user.b", "", 0, 0));	/* empty, and there */
	n = sizeof buf;
	ok(get_xattr(c, "user.b", buf, &n));
	assert_int_equal(n, 0);
	n = sizeof buf;
	ok(get_xattr(c, "", buf, &n));
	assert_int_equal(n, 14);
	assert_memory_equal(buf, "user.a\0user.b", 14);
	ok(set_xattr(c, "user.a", "", 0, P9_XATTR_REPLACE));
	n = sizeof buf;
	fails(get_xattr(c, "user.a", buf, &n), ENODATA);
	/* less than was said, more, a hole */
	fails(set_xattr(c, "user.c", "xy", 3, 0), EINVAL);
	fails(set_xattr(c, "user.c", "xyz", 2, 0), EINVAL);
	fails(set_xattr(c, "user.c", "", VFS_XATTR_SIZE_MAX + 1, 0), ENOSPC);
	fails(set_xattr(c, "", "x", 1, 0), EINVAL);
	fails(set_xattr(c, "user.c", "x", 1, 4), EINVAL);
	n = sizeof buf;
	fails(get_xattr(c, "user.c", buf, &n), ENODATA);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		P9_TEST(version__too_small_or_unknown__says_so),
		P9_TEST(version__mid_session__starts_anew),
		P9_TEST(attach__aname__is_the_top),
		P9_TEST(attach__moved_out__dotdot_stays_below),
		P9_TEST(attach__other_users__only_of_root),
		P9_TEST(unlinked__open_fid__stays_a_file),
		P9_TEST(unlinked__below_aname__stays_a_file_too),
		P9_TEST(mode__changed_after_open__does_not_count),
		P9_TEST(io__not_opened_for_it__refused),
		P9_TEST(append__two_writers__both_at_the_end),
		P9_TEST(create__exists__opened_unless_excl),
		P9_TEST(msize__every_power__moves_all_bytes),
		P9_TEST(fsync__any_fid__answered),
		P9_TEST(write__opened_with_o_sync__flushed),
		P9_TEST(setattr__each_part__is_set),
		P9_TEST(statfs_readlink_mknod__tell_what_is_there),
		P9_TEST(gid__setgid_directory_and_callers__as_posix),
		P9_TEST(xattr__set_get_list_remove__as_written),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
