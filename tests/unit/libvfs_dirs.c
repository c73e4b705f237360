/* libvfs: paths, directories as streams, batches. */
#include "../cm.h"
#include "../vfs_proxy.h"
#include "../vfs_rig.h"

#define OK(call)	assert_int_equal((call), 0)
#define ROOT		VFS_RIG_ROOT

static struct vfs_id
dir(struct vfs *v, const char *path)
{
	struct vfs_attr a;

	OK(vfs_mkdir_path(v, NULL, ROOT, path, 0755, &a));
	return a.id;
}

static struct vfs_id
file(struct vfs *v, struct vfs_id d, const char *name)
{
	struct vfs_attr a;

	OK(vfs_create(v, NULL, d, name, 0644, VFS_CREATE_EXCL, &a, NULL));
	return a.id;
}

static int
look(struct vfs *v, const char *path, unsigned at, uint64_t *id)
{
	struct vfs_attr a;
	int err = vfs_resolve(v, NULL, ROOT, path, at, &a);

	if (err == 0)
		*id = a.id.n;
	return err;
}

/* --- paths ------------------------------------------------------------------ */

static void
paths__plain_ones__are_walked(void **state)
{
	struct vfs *v = ((struct vfs_rig *)*state)->v;
	struct vfs_id a = dir(v, "a"), b = dir(v, "a/b"), f = file(v, b, "f");
	uint64_t id;

	OK(look(v, "a/b/f", 0, &id));
	assert_int_equal(id, f.n);
	OK(look(v, "/a//b/./f", 0, &id));
	assert_int_equal(id, f.n);
	OK(look(v, "a/b/../b/", 0, &id));
	assert_int_equal(id, b.n);
	OK(look(v, "a/.", 0, &id));
	assert_int_equal(id, a.n);
	OK(look(v, "/", 0, &id));
	assert_int_equal(id, 1);
	OK(look(v, "../../a/..", 0, &id));
	assert_int_equal(id, 1);
	assert_err(look(v, "", 0, &id), NOENT);
	OK(look(v, "", VFS_AT_EMPTY, &id));
	assert_err(look(v, "a/x/f", 0, &id), NOENT);
	assert_err(look(v, "a/b/f/", 0, &id), NOTDIR);
	assert_err(look(v, "a/b/f/.", 0, &id), NOTDIR);
	assert_err(look(v, "a/b/f/g", 0, &id), NOTDIR);
}

static void
paths__with_links__are_followed(void **state)
{
	struct vfs *v = ((struct vfs_rig *)*state)->v;
	struct vfs_id b, f;
	uint64_t id, link;

	dir(v, "a");
	b = dir(v, "a/b");
	f = file(v, b, "f");
	OK(vfs_symlink_path(v, NULL, ROOT, "a/l", "b"));
	OK(vfs_symlink_path(v, NULL, ROOT, "abs", "/a/l/f"));
	OK(vfs_symlink_path(v, NULL, ROOT, "a/b/up", "../l/f"));
	OK(vfs_symlink_path(v, NULL, ROOT, "me", "me"));
	OK(vfs_symlink_path(v, NULL, ROOT, "dangles", "no/where"));
	OK(look(v, "a/l/f", 0, &id));
	assert_int_equal(id, f.n);
	OK(look(v, "abs", 0, &id));
	assert_int_equal(id, f.n);
	OK(look(v, "a/l/up", 0, &id));
	assert_int_equal(id, f.n);
	OK(look(v, "abs", VFS_AT_NOFOLLOW, &link));
	assert_true(link != f.n);
	OK(look(v, "a/l", VFS_AT_NOFOLLOW, &link));
	assert_true(link != b.n);
	OK(look(v, "a/l/", VFS_AT_NOFOLLOW, &id));
	assert_int_equal(id, b.n);
	assert_err(look(v, "me", 0, &id), LOOP);
	assert_err(look(v, "me/x", 0, &id), LOOP);
	assert_err(look(v, "dangles", 0, &id), NOENT);
	assert_err(look(v, "abs/x", 0, &id), NOTDIR);
}

static void
paths__deeper_than_a_message__are_walked(void **state)
{
	struct vfs *v = ((struct vfs_rig *)*state)->v;
	char path[600] = "", link[400];
	struct vfs_attr a;
	uint64_t id;
	unsigned i;

	for (i = 0; i < 50; i++) {
		snprintf(path + strlen(path), 10, "%sd%u", i ? "/" : "", i);
		OK(vfs_mkdir_path(v, NULL, ROOT, path, 0755, &a));
	}
	assert_err(look(v, "d16", 0, &id), NOENT);
	OK(look(v, path, 0, &id));
	assert_int_equal(id, a.id.n);
	strcpy(link, path);
	OK(vfs_symlink_path(v, NULL, ROOT, "deep", link));
	strcat(path, "/../d49/./../d49");
	OK(look(v, path, 0, &id));
	assert_int_equal(id, a.id.n);
	OK(look(v, "deep/", 0, &id));
	assert_int_equal(id, a.id.n);
	memset(path, 'n', 300);
	path[300] = 0;
	assert_err(look(v, path, 0, &id), NAMETOOLONG);
}

static bool
note_path(void *arg, const char *path, size_t n)
{
	char *all = arg;

	assert_int_equal(strlen(path), n);
	strcat(strcat(all, path), ";");
	return true;
}

static void
calls__by_path__do_the_same(void **state)
{
	struct vfs *v = ((struct vfs_rig *)*state)->v;
	struct vfs_id d = dir(v, "d"), f = file(v, d, "f");
	char all[200] = "";
	uint64_t id;

	OK(vfs_link_path(v, NULL, ROOT, "d/f", "g"));
	OK(vfs_rename_path(v, NULL, ROOT, "g", "d/h", 0));
	OK(vfs_paths(v, NULL, f, note_path, all));
	assert_string_equal(all, "/d/f;/d/h;");
	OK(vfs_unlink_path(v, NULL, ROOT, "d/f", VFS_UNLINK_FILE));
	assert_err(look(v, "d/f", 0, &id), NOENT);
	assert_err(vfs_unlink_path(v, NULL, ROOT, "/", VFS_UNLINK_DIR),
	    INVAL);
	assert_err(vfs_unlink_path(v, NULL, ROOT, "d/..", VFS_UNLINK_DIR),
	    INVAL);
	assert_err(vfs_mkdir_path(v, NULL, ROOT, "no/x", 0755, NULL), NOENT);
	assert_err(vfs_mkdir_path(v, NULL, ROOT, "d/h/x", 0755, NULL),
	    NOTDIR);
	all[0] = 0;
	OK(vfs_paths(v, NULL, ROOT, note_path, all));
	assert_string_equal(all, "/;");
}

/* --- streams ------------------------------------------------------------------ */

#define MANY	700u

static void
fill(struct vfs *v, struct vfs_id d)
{
	char name[30];
	unsigned i;

	for (i = 0; i < MANY; i++) {
		snprintf(name, sizeof name, "name-%u", i);
		file(v, d, name);
	}
}

/* Reads on with a buffer of n bytes; each name once, in order. */
static unsigned
stream(struct vfs *v, struct vfs_stream *s, size_t n, uint32_t mask)
{
	const struct vfs_dent *e;
	char *buf = malloc(n);
	unsigned count = 0;
	int64_t got;

	while ((got = vfs_getdents(v, NULL, s, buf, n, mask)) > 0) {
		for (e = (void *)buf; (char *)e < buf + got;
		    e = VFS_DENT_NEXT(e)) {
			assert_int_equal(strlen(e->d_name), e->d_namlen);
			assert_int_equal(e->d_reclen % 8, 0);
			assert_int_equal(e->d_attr != NULL, mask != 0);
			if (mask != 0)
				assert_int_equal(e->d_attr->id.n, e->d_ino);
			count += e->d_name[0] == 'n';
			s->cookie = e->d_cookie;
		}
	}
	assert_int_equal(got, 0);
	free(buf);
	return count;
}

static void
getdents__with_any_buffer__tells_each_name_once(void **state)
{
	static const size_t sizes[] = { 120, 300, 4096, 100000 };
	struct vfs *v = ((struct vfs_rig *)*state)->v;
	struct vfs_id d = dir(v, "d");
	struct vfs_stream s;
	char tiny[24];
	unsigned i;

	fill(v, d);
	for (i = 0; i < 4; i++) {
		s = (struct vfs_stream){ .dir = d };
		assert_int_equal(stream(v, &s, sizes[i], 0), MANY);
	}
	s = (struct vfs_stream){ .dir = d };
	assert_int_equal(stream(v, &s, 3000, VFS_WANT_ATTR), MANY);
	assert_int_equal(vfs_getdents(v, NULL, &s, tiny, sizeof tiny, 0), 0);
	s = (struct vfs_stream){ .dir = d };
	assert_err(vfs_getdents(v, NULL, &s, tiny, sizeof tiny, 0), INVAL);
	assert_int_equal(s.cookie, 0);
}

static void
getdents__while_names_come_and_go__goes_on(void **state)
{
	struct vfs *v = ((struct vfs_rig *)*state)->v;
	struct vfs_id d = dir(v, "d"), none = { 0 };
	struct vfs_stream s = { .dir = d };
	char buf[400];

	fill(v, d);
	assert_true(vfs_getdents(v, NULL, &s, buf, sizeof buf, 0) > 0);
	OK(vfs_unlink(v, NULL, d, "name-0", VFS_UNLINK_FILE, none));
	OK(vfs_unlink(v, NULL, d, "name-699", VFS_UNLINK_FILE, none));
	file(v, d, "new");
	/* Those that the first buffer held, the last, and the new one. */
	assert_true(stream(v, &s, 4096, 0) < MANY - 1);
	assert_true(stream(v, &(struct vfs_stream){ .dir = d }, 4096, 0) ==
	    MANY - 1);
}

struct seen {
	unsigned n, stop_at;
	uint64_t bytes;
};

static bool
see(void *arg, const struct vfs_dirent *e)
{
	struct seen *s = arg;

	assert_true(e->attr == NULL || e->attr->id.n == e->id.n);
	return ++s->n != s->stop_at;
}

static void
list__of_a_directory__leaves_out_the_dots(void **state)
{
	struct vfs *v = ((struct vfs_rig *)*state)->v;
	struct vfs_id d = dir(v, "d");
	struct seen s = { 0 };

	OK(vfs_list(v, NULL, d, 0, see, &s));
	assert_int_equal(s.n, 0);
	fill(v, d);
	OK(vfs_list(v, NULL, d, VFS_WANT_ATTR, see, &s));
	assert_int_equal(s.n, MANY);
	s = (struct seen){ .stop_at = 5 };
	OK(vfs_list(v, NULL, d, 0, see, &s));
	assert_int_equal(s.n, 5);
	assert_err(vfs_list(v, NULL, file(v, d, "f"), 0, see, &s), NOTDIR);
}

/* --- the page behind ------------------------------------------------------------ */

#define SHORT	2048u			/* bytes of a message: many pages */

static void
getdents__of_many_pages__fills_the_buffer(void **state)
{
	struct vfs_rig *r = *state;
	struct vfs_conf conf = { .max_msg = SHORT };
	struct vfs *v = vfs_rig_peer(r, &conf);
	struct vfs_id d = dir(v, "d");
	struct vfs_stream s = { .dir = d };
	static _Alignas(8) char buf[1 << 20];
	int64_t got;

	fill(r->v, d);
	got = vfs_getdents(v, NULL, &s, buf, sizeof buf, VFS_WANT_ATTR);
	assert_true(got > (int64_t)(MANY * sizeof(struct vfs_attr)));
	assert_true(s.eof);
	s = (struct vfs_stream){ .dir = d };
	assert_int_equal(stream(v, &s, 40000, VFS_WANT_ATTR), MANY);
	s = (struct vfs_stream){ .dir = d };
	assert_int_equal(stream(v, &s, 40000, 0), MANY);
	assert_int_equal(vfs_pending(v), 0);
	vfs_disconnect(v);
}

/* What was asked for ahead is nobody's then; the connection goes on. */
static void
list__stopped_anywhere__leaves_the_connection_whole(void **state)
{
	struct vfs_rig *r = *state;
	struct vfs_conf conf = { .max_msg = SHORT };
	struct vfs *v = vfs_rig_peer(r, &conf);
	struct vfs_id d = dir(v, "d");
	struct seen s;
	struct vfs_attr a;
	unsigned i;

	fill(r->v, d);
	for (i = 1; i < MANY; i += 29) {
		s = (struct seen){ .stop_at = i };
		OK(vfs_list(v, NULL, d, VFS_WANT_ATTR, see, &s));
		assert_int_equal(s.n, i);
		OK(vfs_stat(v, NULL, d, &a));
		assert_int_equal(a.id.n, d.n);
	}
	assert_int_equal(vfs_pending(v), 0);
	vfs_disconnect(v);
}

struct losing {
	struct proxy *x;
	enum proxy_loses what;
	unsigned n, at;
	uint64_t last;
};

static bool
see_and_lose(void *arg, const struct vfs_dirent *e)
{
	struct losing *l = arg;

	assert_true(e->cookie > l->last);
	l->last = e->cookie;
	if (++l->n == l->at)
		proxy_lose(l->x, l->what, VFS_OP_DIR_READ);
	return true;
}

static void
list__connection_lost_on_the_way__tells_each_name_once(void **state)
{
	static const unsigned ats[] = { 1, 8, 9, 100, MANY - 40 };
	struct vfs_rig *r = *state;
	struct vfs_conf conf = { .max_msg = SHORT };
	struct vfs_id d = dir(r->v, "d");
	struct losing l;
	struct proxy x;
	struct vfs *v;
	unsigned i;

	fill(r->v, d);
	proxy_open(&x, r->dir.path);
	OK(vfs_connect(x.where, &conf, &v));
	for (i = 0; i < 10; i++) {
		l = (struct losing){ .x = &x, .at = ats[i / 2],
			.what = i % 2 != 0 ? PROXY_REQUEST : PROXY_REPLY };
		OK(vfs_list(v, NULL, d, VFS_WANT_ATTR, see_and_lose, &l));
		assert_int_equal(l.n, MANY);
		assert_int_equal(x.lost, i + 1);
		assert_int_equal(vfs_pending(v), 0);
	}
	vfs_disconnect(v);
	proxy_close(&x);
}

/* --- batches: one message -------------------------------------------------------- */

static void
batches__of_many__are_answered_one_by_one(void **state)
{
	struct vfs *v = ((struct vfs_rig *)*state)->v;
	struct vfs_id d = dir(v, "d"), ids[4];
	struct vfs_found found[4];
	struct vfs_place places[3] = { { d, "b" }, { d, "none" }, { d, "a" } };
	char buf[3][20];
	struct vfs_range ranges[3];
	int err;

	ids[0] = file(v, d, "a");
	ids[1] = (struct vfs_id){ 999 };
	ids[2] = file(v, d, "b");
	ids[3] = ROOT;
	OK(vfs_write(v, NULL, ids[0], 0, "hello", 5));
	err = vfs_stat_batch(v, NULL, ids, 4, VFS_WANT_STAT, found);
	if (err == -VFS_UNKNOWN_OP || err == -VFS_UNSUPPORTED)
		skip();
	OK(err);
	assert_int_equal(found[0].attr.size, 5);
	assert_err(found[1].err, NO_SUCH_ID);
	assert_int_equal(found[2].attr.id.n, ids[2].n);
	assert_int_equal(found[3].err, 0);
	OK(vfs_stat_batch(v, NULL, ids, 4, VFS_WANT_BRIEF, found));
	assert_int_equal(found[0].attr.size, 5);
	OK(vfs_lookup_batch(v, NULL, places, 3, VFS_WANT_STAT, found));
	assert_int_equal(found[0].attr.id.n, ids[2].n);
	assert_err(found[1].err, NOENT);
	assert_int_equal(found[2].attr.id.n, ids[0].n);
	ranges[0] = (struct vfs_range){ .id = ids[0], .p = buf[0],
		.count = 20 };
	ranges[1] = (struct vfs_range){ .id = ids[1], .p = buf[1],
		.count = 20 };
	ranges[2] = (struct vfs_range){ .id = ids[0], .off = 1, .p = buf[2],
		.count = 3 };
	OK(vfs_read_batch(v, NULL, ranges, 3));
	assert_int_equal(ranges[0].n, 5);
	assert_memory_equal(buf[0], "hello", 5);
	assert_err(ranges[1].err, NO_SUCH_ID);
	assert_int_equal(ranges[2].n, 3);
	assert_memory_equal(buf[2], "ell", 3);
}

/* Longer than one message: parts, the next of which is under way; ids that
 * are not there, and a connection that is lost in between. */
static void
batches__of_several_parts__are_answered_in_order(void **state)
{
	enum { N = 2500 };
	static struct vfs_id ids[N];
	static struct vfs_found found[N];
	struct vfs_rig *r = *state;
	struct vfs_id d = dir(r->v, "d"), f[7];
	struct proxy x;
	struct vfs *v;
	char name[8];
	unsigned i, round;

	for (i = 0; i < 7; i++) {
		snprintf(name, sizeof name, "f%u", i);
		f[i] = file(r->v, d, name);
	}
	for (i = 0; i < N; i++)
		ids[i].n = i % 11 == 5 ? 999 : f[i % 7].n;
	proxy_open(&x, r->dir.path);
	OK(vfs_connect(x.where, NULL, &v));
	for (round = 0; round < 3; round++) {
		memset(found, 0, sizeof found);
		if (round > 0)
			proxy_lose(&x, round == 1 ? PROXY_REPLY :
			    PROXY_REQUEST, VFS_OP_STAT_BATCH);
		OK(vfs_stat_batch(v, NULL, ids, N, VFS_WANT_STAT, found));
		assert_int_equal(x.lost, round);
		for (i = 0; i < N; i++) {
			assert_int_equal(found[i].err, i % 11 == 5 ?
			    -VFS_NO_SUCH_ID : 0);
			if (found[i].err == 0)
				assert_int_equal(found[i].attr.id.n,
				    ids[i].n);
		}
		assert_int_equal(vfs_pending(v), 0);
	}
	vfs_disconnect(v);
	proxy_close(&x);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		VFS_TEST(paths__plain_ones__are_walked),
		VFS_TEST(paths__with_links__are_followed),
		VFS_TEST(paths__deeper_than_a_message__are_walked),
		VFS_TEST(calls__by_path__do_the_same),
		VFS_TEST(getdents__with_any_buffer__tells_each_name_once),
		VFS_TEST(getdents__while_names_come_and_go__goes_on),
		VFS_TEST(list__of_a_directory__leaves_out_the_dots),
		VFS_TEST(getdents__of_many_pages__fills_the_buffer),
		VFS_TEST(list__stopped_anywhere__leaves_the_connection_whole),
		VFS_TEST(
		    list__connection_lost_on_the_way__tells_each_name_once),
		VFS_TEST(batches__of_many__are_answered_one_by_one),
		VFS_TEST(batches__of_several_parts__are_answered_in_order),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
