/* 9P: names, streams, locks and what is under way at the same time. */
#include <errno.h>
#include <sys/stat.h>
#include <unistd.h>

#include "../cm.h"
#include "../p9_rig.h"

#define ok(call)	assert_int_equal(call, 0)
#define fails(call, e)	assert_int_equal(call, e)

/* --- walk --------------------------------------------------------------- */

static void
walk__sixteen_names__in_one_message(void **state)
{
	static const char deep[] = "d/d/d/d/d/d/d/d/d/d/d/d/d/d/d/d";
	struct p9_rig *k = *state;
	union p9_t t = { .walk = { .fid = P9C_ROOT, .newfid = 2 } };
	struct p9_rgetattr a;
	union p9_r r;
	unsigned i;

	ok(p9c_walk(k->c, P9C_ROOT, 1, ""));
	for (i = 0; i < P9_WALK_MAX; i++) {
		ok(p9c_mkdir(k->c, 1, "d", 0755));
		ok(p9c_walk(k->c, 1, 1, "d"));
		t.walk.names.name[i] = p9c_str("d");
	}
	t.walk.names.n = P9_WALK_MAX;
	ok(p9c_call(k->c, P9_TWALK, &t, &r));
	assert_int_equal(r.walk.qids.n, P9_WALK_MAX);
	ok(p9c_getattr(k->c, 1, &a));
	assert_int_equal(a.qid.path, r.walk.qids.qid[15].path);
	ok(p9c_walk(k->c, P9C_ROOT, 3, deep));
	ok(p9c_walk(k->c, 3, 4, "../../../../../../../../../../../../../../.."
	    "/.."));
	ok(p9c_getattr(k->c, 4, &a));
	assert_int_equal(a.qid.path, VFS_ID_ROOT);
}

static void
walk__fails_half_way__tells_how_far_and_makes_no_fid(void **state)
{
	struct p9_rig *k = *state;
	union p9_t t = { .walk = { P9C_ROOT, 9, { 3, { { "a", 1 },
	    { "b", 1 }, { "c", 1 } } } } };
	struct p9_rgetattr a;
	union p9_r r;

	fails(p9c_call(k->c, P9_TWALK, &t, &r), ENOENT);
	ok(p9c_mkdir(k->c, P9C_ROOT, "a", 0755));
	ok(p9c_walk(k->c, P9C_ROOT, 1, "a"));
	ok(p9c_call(k->c, P9_TWALK, &t, &r));
	assert_int_equal(r.walk.qids.n, 1);
	fails(p9c_getattr(k->c, 9, &a), EBADF);
	ok(p9c_create(k->c, 1, "b", P9_O_RDWR, 0644));
	ok(p9c_call(k->c, P9_TWALK, &t, &r));
	assert_int_equal(r.walk.qids.n, 2);	/* b is no directory */
	t.walk.newfid = 1;			/* open, and not fid */
	t.walk.names.n = 2;
	fails(p9c_call(k->c, P9_TWALK, &t, &r), EBADF);
	fails(p9c_walk(k->c, 77, 5, ""), EBADF);
	fails(p9c_walk(k->c, P9C_ROOT, P9_NOFID, ""), EBADF);
}

static void
fid__clunked_and_given_again__is_the_new_one(void **state)
{
	struct p9_rig *k = *state;
	struct p9_rgetattr a;
	unsigned i;

	ok(p9_rig_put(k->c, "f", "abc", 3));
	for (i = 0; i < 300; i++) {
		ok(p9c_walk(k->c, P9C_ROOT, 7, i % 2 ? "f" : ""));
		ok(p9c_getattr(k->c, 7, &a));
		assert_int_equal(a.qid.type, i % 2 ? 0 : P9_QTDIR);
		fails(p9c_walk(k->c, P9C_ROOT, 7, "f"), EBADF);
		ok(p9c_clunk(k->c, 7));
		fails(p9c_clunk(k->c, 7), EBADF);
	}
	for (i = 0; i < 1000; i++)
		ok(p9c_walk(k->c, P9C_ROOT, 1000 + i * 64, "f"));
	for (i = 0; i < 1000; i++)
		ok(p9c_clunk(k->c, 1000 + i * 64));
}

/* --- remove and rename -------------------------------------------------- */

static int
remove_fid(struct p9c *c, uint32_t fid)
{
	union p9_t t = { .remove = { fid } };
	union p9_r r;

	return p9c_call(c, P9_TREMOVE, &t, &r);
}

static int
rename_fid(struct p9c *c, uint32_t fid, uint32_t dfid, const char *name)
{
	union p9_t t = { .rename = { fid, dfid, p9c_str(name) } };
	union p9_r r;

	return p9c_call(c, P9_TRENAME, &t, &r);
}

static int
link_fid(struct p9c *c, uint32_t fid, const char *name)
{
	union p9_t t = { .link = { P9C_ROOT, fid, p9c_str(name) } };
	union p9_r r;

	return p9c_call(c, P9_TLINK, &t, &r);
}

static void
remove__any_fid__clunks_it_too(void **state)
{
	struct p9_rig *k = *state;
	struct p9c *c = k->c;

	ok(p9_rig_put(c, "f", "abc", 3));
	ok(p9c_mkdir(c, P9C_ROOT, "d", 0755));
	ok(p9c_walk(c, P9C_ROOT, 1, "f"));
	ok(p9c_open(c, 1, P9_O_RDONLY));
	ok(remove_fid(c, 1));
	fails(p9c_clunk(c, 1), EBADF);
	fails(p9c_walk(c, P9C_ROOT, 1, "f"), ENOENT);
	ok(p9c_walk(c, P9C_ROOT, 1, "d"));
	ok(p9c_mkdir(c, 1, "e", 0755));
	fails(remove_fid(c, 1), ENOTEMPTY);
	fails(p9c_clunk(c, 1), EBADF);
	ok(p9c_walk(c, P9C_ROOT, 1, "d/e"));
	ok(remove_fid(c, 1));
	ok(p9c_walk(c, P9C_ROOT, 1, ""));
	fails(remove_fid(c, 1), EBUSY);
	fails(remove_fid(c, 1), EBADF);
}

static void
remove__renamed_since__takes_the_new_name(void **state)
{
	struct p9_rig *k = *state;
	struct p9c *c = k->c;

	ok(p9_rig_put(c, "f", "abc", 3));
	ok(p9c_walk(c, P9C_ROOT, 1, "f"));
	ok(p9c_rename(c, P9C_ROOT, "f", P9C_ROOT, "g"));
	ok(p9_rig_put(c, "f", "another", 7));
	ok(remove_fid(c, 1));
	ok(p9c_walk(c, P9C_ROOT, 1, "f"));
	fails(p9c_walk(c, P9C_ROOT, 2, "g"), ENOENT);
	/* two names elsewhere: which one is nobody's guess */
	ok(p9c_mkdir(c, P9C_ROOT, "d", 0755));
	ok(p9c_walk(c, P9C_ROOT, 3, "d"));
	ok(link_fid(c, 1, "h"));
	ok(p9c_rename(c, P9C_ROOT, "f", 3, "f"));
	ok(p9c_rename(c, P9C_ROOT, "h", 3, "h"));
	fails(remove_fid(c, 1), ENOENT);
	ok(p9c_walk(c, 3, 4, "f"));
	ok(remove_fid(c, 4));
	fails(p9c_walk(c, 3, 4, "f"), ENOENT);
	ok(p9c_walk(c, 3, 4, "h"));
}

static void
rename__by_fid__goes_on_being_that_file(void **state)
{
	struct p9_rig *k = *state;
	struct p9c *c = k->c;
	uint32_t n = 3;
	char buf[4];

	ok(p9_rig_put(c, "f", "abc", 3));
	ok(p9c_mkdir(c, P9C_ROOT, "d", 0755));
	ok(p9c_walk(c, P9C_ROOT, 2, "d"));
	ok(p9c_walk(c, P9C_ROOT, 1, "f"));
	ok(p9c_open(c, 1, P9_O_RDONLY));
	ok(rename_fid(c, 1, 2, "g"));
	ok(rename_fid(c, 1, 2, "h"));
	ok(p9c_read(c, 1, 0, buf, &n));
	assert_memory_equal(buf, "abc", 3);
	ok(p9c_walk(c, 2, 3, "h"));
	fails(rename_fid(c, 2, 2, "x"), EINVAL);	/* into itself */
	fails(rename_fid(c, P9C_ROOT, 2, "x"), EBUSY);
	fails(rename_fid(c, 1, 2, ".."), EINVAL);
	fails(p9c_rename(c, 2, "nope", P9C_ROOT, "x"), ENOENT);
}

static void
unlinkat__flags__file_or_directory(void **state)
{
	struct p9_rig *k = *state;
	struct p9c *c = k->c;

	ok(p9_rig_put(c, "f", "", 0));
	ok(p9c_mkdir(c, P9C_ROOT, "d", 0755));
	fails(p9c_unlink(c, P9C_ROOT, "d", 0), EISDIR);
	fails(p9c_unlink(c, P9C_ROOT, "f", P9_REMOVEDIR), ENOTDIR);
	fails(p9c_unlink(c, P9C_ROOT, "f", 1), EINVAL);
	fails(p9c_unlink(c, P9C_ROOT, "..", P9_REMOVEDIR), EINVAL);
	ok(p9c_unlink(c, P9C_ROOT, "d", P9_REMOVEDIR));
	ok(p9c_unlink(c, P9C_ROOT, "f", 0));
}

static void
link__two_names__one_qid(void **state)
{
	struct p9_rig *k = *state;
	struct p9c *c = k->c;
	struct p9_rgetattr a, b;

	ok(p9_rig_put(c, "f", "x", 1));
	ok(p9c_walk(c, P9C_ROOT, 1, "f"));
	ok(link_fid(c, 1, "g"));
	fails(link_fid(c, 1, "g"), EEXIST);
	fails(link_fid(c, P9C_ROOT, "h"), EPERM);
	ok(p9c_walk(c, P9C_ROOT, 2, "g"));
	ok(p9c_getattr(c, 1, &a));
	ok(p9c_getattr(c, 2, &b));
	assert_int_equal(a.qid.path, b.qid.path);
	assert_int_equal(a.nlink, 2);
	/* gone and made again: never the same number */
	ok(p9c_unlink(c, P9C_ROOT, "f", 0));
	ok(p9c_unlink(c, P9C_ROOT, "g", 0));
	p9c_clunk(c, 1);
	p9c_clunk(c, 2);
	ok(p9_rig_put(c, "f", "x", 1));
	ok(p9c_walk(c, P9C_ROOT, 1, "f"));
	ok(p9c_getattr(c, 1, &b));
	assert_true(b.qid.path > a.qid.path);
}

/* --- directory streams -------------------------------------------------- */

/* All entries in replies of at most count bytes; names made by each add. */
static unsigned
scan(struct p9c *c, uint32_t fid, uint32_t count, unsigned *dots,
    void (*between)(struct p9c *c, unsigned n))
{
	union p9_t t = { .readdir = { fid, 0, count } };
	union p9_r r;
	struct p9_dirent e;
	unsigned n = 0, replies = 0;
	size_t at;

	*dots = 0;
	for (;;) {
		ok(p9c_call(c, P9_TREADDIR, &t, &r));
		if (r.readdir.data.n == 0)
			return n;
		for (at = 0; p9_dirent_next(r.readdir.data.p,
		    r.readdir.data.n, &at, &e) == 1;) {
			t.readdir.offset = e.offset;
			assert_true(e.offset < 1ull << 62);
			if (((const char *)e.name.p)[0] == '.')
				(*dots)++;
			else
				n++;
		}
		if (between != NULL)
			between(c, replies++);
	}
}

static void
one_more(struct p9c *c, unsigned n)
{
	char name[32];

	snprintf(name, sizeof name, "new%u", n);
	assert_int_equal(p9_rig_put(c, name, "", 0), 0);
}

static void
readdir__names_come_meanwhile__ends_and_misses_nothing(void **state)
{
	struct p9_rig *k = *state;
	struct p9c *c = k->c;
	union p9_t t = { .readdir = { 1, 0, 23 } };
	union p9_r r;
	unsigned i, dots;
	char name[256];

	for (i = 0; i < 200; i++) {
		snprintf(name, sizeof name, "%0*u", 10 + (int)i, i);
		ok(p9_rig_put(c, name, "", 0));
	}
	ok(p9c_walk(c, P9C_ROOT, 1, ""));
	fails(p9c_call(c, P9_TREADDIR, &t, &r), EBADF);
	ok(p9c_open(c, 1, P9_O_RDONLY));
	fails(p9c_call(c, P9_TREADDIR, &t, &r), EINVAL);
	assert_int_equal(scan(c, 1, 300, &dots, one_more), 200);
	assert_int_equal(dots, 2);
	assert_true(scan(c, 1, 1u << 20, &dots, NULL) > 200);
	/* a cookie is good in another session */
	ok(p9c_walk(c, P9C_ROOT, 2, ""));
	ok(p9c_open(c, 2, P9_O_RDONLY));
	t.readdir = (struct p9_treaddir){ 2, 2, 1000 };
	ok(p9c_call(c, P9_TREADDIR, &t, &r));
	assert_true(r.readdir.data.n > 0);
	t.readdir.offset = 1ull << 62;
	fails(p9c_call(c, P9_TREADDIR, &t, &r), EINVAL);
}

/* --- locks -------------------------------------------------------------- */

static union p9_t
lock_msg(uint32_t fid, uint8_t type, uint32_t flags, uint64_t start,
    uint64_t length, uint32_t proc)
{
	return (union p9_t){ .lock = { fid, type, flags, start, length, proc,
	    p9c_str("host") } };
}

static int
lock(struct p9c *c, uint32_t fid, uint8_t type, uint32_t proc)
{
	union p9_t t = lock_msg(fid, type, 0, 0, 0, proc);
	union p9_r r;
	int rc = p9c_call(c, P9_TLOCK, &t, &r);

	return rc == 0 ? r.lock.status : -rc;
}

static void
lock__conflicts_are_seen__across_connections(void **state)
{
	struct p9_rig *k = *state;
	struct p9c *c = k->c, *d = p9_rig_client(k, "");
	union p9_t t = { .getlock = { 1, P9_WRLCK, 10, 5, 2,
	    p9c_str("host") } };
	union p9_r r;

	ok(p9_rig_put(c, "f", "x", 1));
	ok(p9c_walk(c, P9C_ROOT, 1, "f"));
	assert_int_equal(lock(c, 1, P9_RDLCK, 1), -EBADF);
	ok(p9c_open(c, 1, P9_O_RDWR));
	ok(p9c_walk(d, P9C_ROOT, 1, "f"));
	ok(p9c_open(d, 1, P9_O_RDWR));
	assert_int_equal(lock(c, 1, P9_RDLCK, 1), P9_LOCK_SUCCESS);
	assert_int_equal(lock(d, 1, P9_RDLCK, 1), P9_LOCK_SUCCESS);
	assert_int_equal(lock(d, 1, P9_WRLCK, 1), P9_LOCK_BLOCKED);
	assert_int_equal(lock(c, 1, P9_UNLCK, 1), P9_LOCK_SUCCESS);
	assert_int_equal(lock(d, 1, P9_WRLCK, 1), P9_LOCK_SUCCESS);
	assert_int_equal(lock(c, 1, 3, 1), -EINVAL);
	/* the same process number of another client is another one */
	ok(p9c_call(c, P9_TGETLOCK, &t, &r));
	assert_int_equal(r.getlock.type, P9_WRLCK);
	assert_int_equal(r.getlock.proc_id, 1);
	assert_int_equal(r.getlock.start, 0);
	assert_int_equal(r.getlock.length, 0);
	t.getlock.type = P9_UNLCK;		/* what Linux asks */
	ok(p9c_call(c, P9_TGETLOCK, &t, &r));
	assert_int_equal(r.getlock.type, P9_WRLCK);
	/* it goes with the fid, and with the connection */
	ok(p9c_clunk(d, 1));
	assert_int_equal(lock(c, 1, P9_WRLCK, 9), P9_LOCK_SUCCESS);
	assert_int_equal(lock(c, 1, P9_UNLCK, 9), P9_LOCK_SUCCESS);
	ok(p9c_call(c, P9_TGETLOCK, &t, &r));
	assert_int_equal(r.getlock.type, P9_UNLCK);
	assert_int_equal(r.getlock.length, 5);
	p9c_free(d);
}

static void
lock__waiting__granted_when_free(void **state)
{
	struct p9_rig *k = *state;
	struct p9c *c = k->c, *d = p9_rig_client(k, "");
	union p9_t t = lock_msg(1, P9_WRLCK, P9_LOCK_BLOCK, 0, 0, 5);
	struct p9_rgetattr a;
	struct p9_hdr h;
	union p9_r r;

	ok(p9_rig_put(c, "f", "x", 1));
	ok(p9c_walk(c, P9C_ROOT, 1, "f"));
	ok(p9c_open(c, 1, P9_O_RDWR));
	ok(p9c_walk(d, P9C_ROOT, 1, "f"));
	ok(p9c_open(d, 1, P9_O_RDWR));
	assert_int_equal(lock(c, 1, P9_WRLCK, 1), P9_LOCK_SUCCESS);
	ok(p9c_send(d, 100, P9_TLOCK, &t));
	/* nothing else of it waits */
	ok(p9c_getattr(d, 1, &a));
	p9c_free(c);				/* so does the holder's end */
	k->c = p9_rig_client(k, "");
	ok(p9c_recv(d, &h, &r));
	assert_int_equal(h.tag, 100);
	assert_int_equal(h.type, P9_RLOCK);
	assert_int_equal(r.lock.status, P9_LOCK_SUCCESS);
	p9c_free(d);
}

static void
flush__waiting_lock__only_the_flush_is_answered(void **state)
{
	struct p9_rig *k = *state;
	struct p9c *c = k->c, *d = p9_rig_client(k, "");
	union p9_t t = lock_msg(1, P9_WRLCK, P9_LOCK_BLOCK, 0, 0, 5);
	union p9_t f = { .flush = { 100 } }, g = { .flush = { 101 } };
	struct p9_hdr h;
	union p9_r r;
	unsigned i;

	ok(p9_rig_put(c, "f", "x", 1));
	ok(p9c_walk(c, P9C_ROOT, 1, "f"));
	ok(p9c_open(c, 1, P9_O_RDWR));
	ok(p9c_walk(d, P9C_ROOT, 1, "f"));
	ok(p9c_open(d, 1, P9_O_RDWR));
	assert_int_equal(lock(c, 1, P9_WRLCK, 1), P9_LOCK_SUCCESS);
	/* whether it waits by then or is about to */
	for (i = 0; i < 200; i++) {
		ok(p9c_send(d, 100, P9_TLOCK, &t));
		ok(p9c_send(d, 101, P9_TFLUSH, &f));
		ok(p9c_recv(d, &h, &r));
		assert_int_equal(h.type, P9_RFLUSH);
		assert_int_equal(h.tag, 101);
	}
	ok(p9c_call(d, P9_TFLUSH, &f, &r));
	ok(p9c_call(d, P9_TFLUSH, &g, &r));	/* of what is over */
	/* it is not waited for any more */
	assert_int_equal(lock(c, 1, P9_UNLCK, 1), P9_LOCK_SUCCESS);
	assert_int_equal(lock(c, 1, P9_WRLCK, 2), P9_LOCK_SUCCESS);
	p9c_free(d);
}

static void
version__with_a_lock_waited_for__ends_the_wait(void **state)
{
	struct p9_rig *k = *state;
	struct p9c *c = k->c, *d = p9_rig_client(k, "");
	union p9_t t = lock_msg(1, P9_WRLCK, P9_LOCK_BLOCK, 0, 0, 5);

	ok(p9_rig_put(c, "f", "x", 1));
	ok(p9c_walk(c, P9C_ROOT, 1, "f"));
	ok(p9c_open(c, 1, P9_O_RDWR));
	ok(p9c_walk(d, P9C_ROOT, 1, "f"));
	ok(p9c_open(d, 1, P9_O_RDWR));
	assert_int_equal(lock(c, 1, P9_WRLCK, 1), P9_LOCK_SUCCESS);
	ok(p9c_send(d, 100, P9_TLOCK, &t));
	ok(p9c_version(d, 8192));		/* the first answer is its */
	ok(p9c_attach(d, P9C_ROOT, "", P9_NOUID));
	assert_int_equal(lock(c, 1, P9_UNLCK, 1), P9_LOCK_SUCCESS);
	assert_int_equal(lock(c, 1, P9_WRLCK, 2), P9_LOCK_SUCCESS);
	p9c_free(d);
}

/* --- at the same time --------------------------------------------------- */

/* Reads and the clunk of their fid at once: each is answered once. */
static void
clunk__during_reads__all_are_answered(void **state)
{
	struct p9_rig *k = *state;
	struct p9c *c = k->c;
	union p9_t t = { .read = { 1, 0, 8192 } }, z = { .clunk = { 1 } };
	uint8_t bytes[8192] = { 1, 2, 3 };
	unsigned round, i, seen, good;
	struct p9_hdr h;
	union p9_r r;

	ok(p9_rig_put(c, "f", bytes, sizeof bytes));
	for (round = 0; round < 50; round++) {
		ok(p9c_walk(c, P9C_ROOT, 1, "f"));
		ok(p9c_open(c, 1, P9_O_RDONLY));
		for (i = 0; i < 8; i++) {
			ok(p9c_send(c, (uint16_t)(i + 10), P9_TREAD, &t));
			if (i == round % 8)
				ok(p9c_send(c, 30, P9_TCLUNK, &z));
		}
		for (seen = good = 0, i = 0; i < 9; i++) {
			ok(p9c_recv(c, &h, &r));
			seen += h.tag == 30 ? 100 : 1;
			if (h.type == P9_RREAD) {
				good++;
				assert_int_equal(r.read.data.n, 8192);
			} else if (h.type != P9_RCLUNK) {
				assert_int_equal(r.ecode, EBADF);
			}
		}
		assert_int_equal(seen, 108);
	}
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		P9_TEST(walk__sixteen_names__in_one_message),
		P9_TEST(walk__fails_half_way__tells_how_far_and_makes_no_fid),
		P9_TEST(fid__clunked_and_given_again__is_the_new_one),
		P9_TEST(remove__any_fid__clunks_it_too),
		P9_TEST(remove__renamed_since__takes_the_new_name),
		P9_TEST(rename__by_fid__goes_on_being_that_file),
		P9_TEST(unlinkat__flags__file_or_directory),
		P9_TEST(link__two_names__one_qid),
		P9_TEST(readdir__names_come_meanwhile__ends_and_misses_nothing),
		P9_TEST(lock__conflicts_are_seen__across_connections),
		P9_TEST(lock__waiting__granted_when_free),
		P9_TEST(flush__waiting_lock__only_the_flush_is_answered),
		P9_TEST(version__with_a_lock_waited_for__ends_the_wait),
		P9_TEST(clunk__during_reads__all_are_answered),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
