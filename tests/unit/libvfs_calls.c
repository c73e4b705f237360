/* libvfs against a daemon that behaves: what each call does. */
#include "../cm.h"
#include "../vfs_rig.h"

#define OK(call)	assert_int_equal((call), 0)
#define ROOT		VFS_RIG_ROOT

static const struct vfs_id none;

/* A file with these bytes. */
static struct vfs_id
make(struct vfs *v, struct vfs_id dir, const char *name, const char *text)
{
	struct vfs_attr a;

	OK(vfs_create(v, NULL, dir, name, 0644, VFS_CREATE_EXCL, &a, NULL));
	OK(vfs_write(v, NULL, a.id, 0, text, strlen(text)));
	return a.id;
}

static void
must_hold(struct vfs *v, struct vfs_id id, const char *text)
{
	char got[200];
	int64_t n = vfs_read(v, NULL, id, 0, got, sizeof got);

	assert_int_equal(n, strlen(text));
	assert_memory_equal(got, text, (size_t)n);
}

/* --- the connection -------------------------------------------------------- */

static void
connect__to_a_store__tells_its_limits(void **state)
{
	struct vfs_rig *r = *state;
	const struct vfs_hello_reply *p = vfs_peer(r->v);

	assert_int_equal(p->version, 1);
	assert_int_equal(p->uuid.n, 16);
	assert_int_equal(p->max_name, VFS_NAME_MAX);
	assert_true(p->credits > 0);
	assert_int_equal(vfs_root(r->v).n, VFS_ID_ROOT);
	assert_true(vfs_fd(r->v) >= 0);
}

static void
connect__to_nothing__says_what_is_missing(void **state)
{
	struct vfs_rig *r = *state;
	struct vfs *v;
	char where[200];

	assert_err(vfs_connect("/nowhere/at/all", NULL, &v), NOENT);
	assert_err(vfs_connect("/etc/passwd", NULL, &v), NOENT);
	assert_err(vfs_connect("/", NULL, &v), OFFLINE);
	assert_string_equal(vfs_err_text(-VFS_OFFLINE),
	    "nobody serves it: is vfsd running?");
	assert_err(vfs_connect("unix:", NULL, &v), NOENT);
	assert_err(vfs_connect("tcp:localhost:1", NULL, &v), INVAL);
	assert_err(vfs_connect("tcp:127.0.0.1:x", NULL, &v), INVAL);
	assert_err(vfs_connect("tcp:127.0.0.1:99999", NULL, &v), INVAL);
	snprintf(where, sizeof where, "unix:%s/sock", r->dir.path);
	OK(vfs_connect(where, NULL, &v));
	vfs_disconnect(v);
	vfs_disconnect(NULL);
}

/* --- content --------------------------------------------------------------- */

static void
write__longer_than_a_message__reads_back_whole(void **state)
{
	struct vfs_rig *r = *state;
	size_t n = 5 * VFS_IO_MAX / 2 + 7, i;
	uint8_t *p = malloc(n), *q = malloc(n + 1);
	struct vfs_attr a;

	for (i = 0; i < n; i++)
		p[i] = (uint8_t)(i * 7 + i / 251);
	OK(vfs_create(r->v, NULL, ROOT, "big", 0644, 0, &a, NULL));
	OK(vfs_write(r->v, NULL, a.id, 3, p, n));
	assert_int_equal(vfs_read(r->v, NULL, a.id, 3, q, n + 1), n);
	assert_memory_equal(p, q, n);
	assert_int_equal(vfs_read(r->v, NULL, a.id, n + 3, q, 1), 0);
	free(p);
	free(q);
}

static void
append__twice__goes_to_the_end(void **state)
{
	struct vfs_rig *r = *state;
	struct vfs_id f = make(r->v, ROOT, "f", "one");
	uint64_t off;

	OK(vfs_append(r->v, NULL, f, " two", 4, &off));
	assert_int_equal(off, 3);
	OK(vfs_append(r->v, NULL, f, " three", 6, NULL));
	must_hold(r->v, f, "one two three");
	OK(vfs_truncate(r->v, NULL, f, 3));
	must_hold(r->v, f, "one");
}

static void
holes__and_copies__are_found(void **state)
{
	struct vfs_rig *r = *state;
	struct vfs_id f = make(r->v, ROOT, "f", ""), g;
	uint64_t off;

	OK(vfs_write(r->v, NULL, f, 1 << 20, "data", 4));
	OK(vfs_sync(r->v, f, false, NULL));
	OK(vfs_seek_data(r->v, NULL, f, 0, &off));
	assert_true(off > 0 && off <= 1 << 20);
	OK(vfs_seek_hole(r->v, NULL, f, 0, &off));
	assert_int_equal(off, 0);
	assert_err(vfs_seek_data(r->v, NULL, f, 2 << 20, &off), NXIO);
	g = make(r->v, ROOT, "g", "");
	assert_int_equal(vfs_copy_range(r->v, NULL, f, 1 << 20, g, 0, 4), 4);
	must_hold(r->v, g, "data");
	OK(vfs_allocate(r->v, NULL, g, 0, 10, 0));
	assert_int_equal(vfs_copy_range(r->v, NULL, g, 2, g, 100, 2), 2);
}

/* --- attributes -------------------------------------------------------------- */

static void
attributes__set__are_as_set(void **state)
{
	struct vfs_rig *r = *state;
	struct vfs_id f = make(r->v, ROOT, "f", "x");
	struct vfs_time t = { 1000, 7 };
	struct vfs_statfs_reply fs;
	struct vfs_attr a;

	OK(vfs_chmod(r->v, NULL, f, 0600));
	OK(vfs_utimens(r->v, NULL, f, NULL, &t));
	OK(vfs_stat(r->v, NULL, f, &a));
	assert_int_equal(a.mode, 0100600);
	assert_int_equal(a.mtime.sec, 1000);
	assert_int_equal(a.mtime.nsec, 7);
	assert_true(a.atime.sec > 1000);
	OK(vfs_chown(r->v, NULL, f, VFS_KEEP, 12));
	OK(vfs_stat(r->v, NULL, f, &a));
	assert_int_equal(a.gid, 12);
	OK(vfs_access(r->v, NULL, f, VFS_MAY_READ | VFS_MAY_WRITE));
	OK(vfs_statfs(r->v, ROOT, &fs));
	assert_int_equal(fs.namelen, VFS_NAME_MAX);
	assert_err(vfs_stat(r->v, NULL, (struct vfs_id){ 999 }, &a),
	    NO_SUCH_ID);
	assert_int_equal(vfs_failure(r->v)->err, -VFS_NO_SUCH_ID);
	assert_true(vfs_failure(r->v)->trace_id != 0);
}

static void
xattrs__set_and_listed__come_back(void **state)
{
	struct vfs_rig *r = *state;
	struct vfs_id f = make(r->v, ROOT, "f", "x");
	char p[100];

	OK(vfs_setxattr(r->v, NULL, f, "user.a", "value", 5, 0));
	assert_err(vfs_setxattr(r->v, NULL, f, "user.a", "v", 1,
	    VFS_XATTR_CREATE), EXIST);
	assert_int_equal(vfs_getxattr(r->v, NULL, f, "user.a", p, 0), 5);
	assert_err(vfs_getxattr(r->v, NULL, f, "user.a", p, 4), RANGE);
	assert_int_equal(vfs_getxattr(r->v, NULL, f, "user.a", p, 100), 5);
	assert_memory_equal(p, "value", 5);
	assert_int_equal(vfs_listxattr(r->v, NULL, f, p, 100), 7);
	assert_string_equal(p, "user.a");
	OK(vfs_removexattr(r->v, NULL, f, "user.a"));
	assert_err(vfs_getxattr(r->v, NULL, f, "user.a", p, 9), NOXATTR);
}

/* --- names --------------------------------------------------------------------- */

static void
names__of_every_kind__are_made_and_moved(void **state)
{
	struct vfs_rig *r = *state;
	struct vfs *v = r->v;
	struct vfs_id f = make(v, ROOT, "f", "x");
	struct vfs_attr a, d;
	struct vfs_move m = { .dir = ROOT, .name = "f", .name2 = "g" };
	const uint32_t either = VFS_UNLINK_FILE | VFS_UNLINK_DIR;
	char p[100];

	OK(vfs_mkdir(v, NULL, ROOT, "d", 0700, &d));
	assert_err(vfs_mkdir(v, NULL, ROOT, "d", 0700, NULL), EXIST);
	OK(vfs_mknod(v, NULL, d.id, "p", VFS_TYPE_MODE(VFS_FIFO) | 0600, 0, 0,
	    NULL));
	OK(vfs_symlink(v, NULL, d.id, "s", "to/somewhere", &a));
	assert_int_equal(vfs_readlink(v, NULL, a.id, p, sizeof p), 12);
	assert_string_equal(p, "to/somewhere");
	OK(vfs_link(v, NULL, f, d.id, "f2"));
	m.dir2 = d.id;
	OK(vfs_rename(v, NULL, &m));
	assert_err(vfs_lookup(v, NULL, ROOT, "f", &a), NOENT);
	OK(vfs_lookup(v, NULL, d.id, "g", &a));
	assert_int_equal(a.id.n, f.n);
	assert_int_equal(a.nlink, 2);
	assert_err(vfs_unlink(v, NULL, d.id, "g", VFS_UNLINK_FILE, d.id),
	    PRECOND);
	OK(vfs_unlink(v, NULL, d.id, "g", VFS_UNLINK_FILE, f));
	assert_err(vfs_unlink(v, NULL, ROOT, "d", VFS_UNLINK_FILE, none),
	    ISDIR);
	OK(vfs_unlink(v, NULL, d.id, "s", either, none));
	OK(vfs_mkdir(v, NULL, ROOT, "e", 0700, NULL));
	OK(vfs_unlink_path(v, NULL, ROOT, "e", either));
	OK(vfs_mkdir(v, NULL, ROOT, "e", 0700, NULL));
	OK(vfs_unlink(v, NULL, ROOT, "e", 0, none));
	assert_err(vfs_unlink(v, NULL, ROOT, "d", VFS_UNLINK_DIR, none),
	    NOTEMPTY);
	assert_err(vfs_lookup(v, NULL, ROOT, "a/b", &a), NAME);
}

/* --- handles ----------------------------------------------------------------- */

static void
handles__keep_what_they_name(void **state)
{
	struct vfs_rig *r = *state;
	struct vfs *v = r->v;
	struct vfs_id f = make(v, ROOT, "f", "text"), h, d, all[40];
	struct vfs_attr a;
	char got[8];
	unsigned i;

	OK(vfs_open(v, NULL, f, VFS_OPEN_READ, &h, &a));
	assert_int_equal(a.id.n, f.n);
	assert_true(h.n != f.n);
	OK(vfs_dup(v, h, VFS_RIGHT_READ, &d));
	OK(vfs_unlink(v, NULL, ROOT, "f", VFS_UNLINK_FILE, none));
	assert_int_equal(vfs_read(v, NULL, h, 0, got, 8), 4);
	assert_int_equal(vfs_read(v, NULL, d, 0, got, 8), 4);
	assert_err(vfs_write(v, NULL, h, 0, "x", 1), ACCESS);
	assert_err(vfs_chmod(v, NULL, d, 0600), ACCESS);
	OK(vfs_close(v, h));
	assert_err((int)vfs_read(v, NULL, h, 0, got, 8), BAD_HANDLE);
	assert_err(vfs_close(v, h), BAD_HANDLE);
	OK(vfs_close(v, d));
	OK(vfs_close(v, ROOT));
	for (i = 0; i < 40; i++)
		OK(vfs_open_id(v, ROOT, 0, &all[i], NULL));
	OK(vfs_close_batch(v, all, 40));
	OK(vfs_open_id(v, ROOT, 0, &h, NULL));
	assert_true(h.n != all[39].n);
	OK(vfs_close(v, h));
}

static void
open_path__with_create__makes_one(void **state)
{
	struct vfs_rig *r = *state;
	struct vfs *v = r->v;
	struct vfs_id h, g;
	struct vfs_attr a;

	assert_err(vfs_open_path(v, NULL, ROOT, "f", VFS_OPEN_READ, 0, 0, &h,
	    &a), NOENT);
	OK(vfs_open_path(v, NULL, ROOT, "f", VFS_OPEN_WRITE | VFS_O_CREATE |
	    VFS_O_EXCL, 0640, 0, &h, &a));
	assert_int_equal(a.mode, 0100640);
	OK(vfs_write(v, NULL, h, 0, "text", 4));
	assert_err(vfs_open_path(v, NULL, ROOT, "f", VFS_OPEN_WRITE |
	    VFS_O_CREATE | VFS_O_EXCL, 0640, 0, &g, &a), EXIST);
	OK(vfs_open_path(v, NULL, ROOT, "f", VFS_OPEN_WRITE | VFS_OPEN_TRUNC |
	    VFS_O_CREATE, 0640, 0, &g, &a));
	assert_int_equal(vfs_read(v, NULL, a.id, 0, &a, 4), 0);
	OK(vfs_close(v, g));
	OK(vfs_close(v, h));
	OK(vfs_symlink(v, NULL, ROOT, "l", "f", NULL));
	assert_err(vfs_open_path(v, NULL, ROOT, "l", VFS_OPEN_READ, 0,
	    VFS_AT_NOFOLLOW, &h, &a), LOOP);
	OK(vfs_mkdir(v, NULL, ROOT, "d", 0755, NULL));
	OK(vfs_symlink(v, NULL, ROOT, "a", "d/b", NULL));
	OK(vfs_symlink_path(v, NULL, ROOT, "d/b", "made"));
	assert_err(vfs_open_path(v, NULL, ROOT, "a", VFS_OPEN_WRITE |
	    VFS_O_CREATE | VFS_O_EXCL, 0600, 0, &h, &a), EXIST);
	OK(vfs_open_path(v, NULL, ROOT, "a", VFS_OPEN_WRITE | VFS_O_CREATE,
	    0600, 0, &h, &a));
	OK(vfs_close(v, h));
	OK(vfs_resolve(v, NULL, ROOT, "d/made", VFS_AT_NOFOLLOW, &a));
	assert_int_equal(a.mode, 0100600);
	OK(vfs_tmpfile(v, NULL, ROOT, 0600, &h, &a));
	OK(vfs_write(v, NULL, h, 0, "tmp", 3));
	OK(vfs_link(v, NULL, h, ROOT, "kept"));
	OK(vfs_close(v, h));
	OK(vfs_lookup(v, NULL, ROOT, "kept", &a));
	assert_int_equal(a.size, 3);
	OK(vfs_create(v, NULL, ROOT, "c", 0600, 0, &a, &h));
	OK(vfs_write(v, NULL, h, 0, "c", 1));
	OK(vfs_close(v, h));
}

static void
content__hashed_and_mapped__is_described(void **state)
{
	struct vfs_rig *r = *state;
	struct vfs_extent x[8];
	struct vfs_id f = make(r->v, ROOT, "f", "abc");
	uint8_t hash[64];
	uint64_t next = 1, version;
	struct vfs_seq seq;

	OK(vfs_write(r->v, NULL, f, 1 << 20, "far", 3));
	OK(vfs_sync(r->v, f, true, &seq));
	OK(vfs_wait(r->v, seq, VFS_WAIT_STABLE));
	assert_true(vfs_map_extents(r->v, f, 0, 2 << 20, x, 8, &next) >= 1);
	assert_int_equal(next, 0);
	assert_int_equal(vfs_map_extents(r->v, f, 0, 2 << 20, x, 1, &next),
	    1);
	OK(vfs_truncate(r->v, NULL, f, 3));
	assert_int_equal(vfs_hash(r->v, f, VFS_HASH_SHA256, hash, 64,
	    &version), 32);
	assert_int_equal(hash[0], 0xba);	/* of "abc", as FIPS 180 */
	assert_int_equal(hash[31], 0xad);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		VFS_TEST(connect__to_a_store__tells_its_limits),
		VFS_TEST(connect__to_nothing__says_what_is_missing),
		VFS_TEST(write__longer_than_a_message__reads_back_whole),
		VFS_TEST(append__twice__goes_to_the_end),
		VFS_TEST(holes__and_copies__are_found),
		VFS_TEST(attributes__set__are_as_set),
		VFS_TEST(xattrs__set_and_listed__come_back),
		VFS_TEST(names__of_every_kind__are_made_and_moved),
		VFS_TEST(handles__keep_what_they_name),
		VFS_TEST(open_path__with_create__makes_one),
		VFS_TEST(content__hashed_and_mapped__is_described),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
