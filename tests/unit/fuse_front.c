/*
 * The FUSE front over a socket in the place of /dev/fuse: what is agreed
 * with older and newer kernels, and that no bytes bring it down.
 */
#include "fuse_fx.h"

#include <errno.h>
#include <fcntl.h>

#include "../../vfsd/front/fuse_dir.h"
#include "../../vfsd/front/fuse_handle.h"
#include "../../vfsd/front/fuse_req.h"
#include "../../vfsd/front/fuse_stats.h"
#include "../../vfsd/server/visible.h"

#define END	0x7fffffffffffff00ull	/* unique of the last request */

static int
rig_open(void **state)
{
	return rig_open_as(state, (struct fuse_front_conf){ .atime = true,
	    .shared_locks = true, .store = "/store" });
}

static struct fuse_init_out
hello(struct rig *r, uint32_t major, uint32_t minor, uint64_t flags,
    int *os)
{
	struct fuse_init_in in = { .major = major, .minor = minor,
	    .max_readahead = 131072, .flags = (uint32_t)flags,
	    .flags2 = (uint32_t)(flags >> 32) };
	struct fuse_init_out out = { 0 };

	request(r, FUSE_INIT, 1, 0, &in, sizeof in);
	*os = answer(r, 1);
	if (*os == 0)
		memcpy(&out, body(r), r->n - sizeof(struct fuse_out_header));
	return out;
}

static void
init__newer_kernel__we_speak_what_we_know(void **state)
{
	struct fuse_init_out out;
	int os;

	out = hello(*state, 7, 99, ~0ull, &os);
	assert_int_equal(os, 0);
	assert_int_equal(out.major, 7);
	assert_int_equal(out.minor, FUSE_MINOR);
	assert_int_equal(out.max_write, VFS_IO_MAX);
	assert_true(out.flags & FUSE_PARALLEL_DIROPS);
	assert_true(out.flags & FUSE_POSIX_LOCKS);
	assert_false(out.flags & (1u << 16));		/* writeback cache */
	assert_int_equal(out.flags2, FUSE_DIRECT_IO_ALLOW_MMAP >> 32);
}

static void
init__older_kernel__only_what_it_has(void **state)
{
	struct fuse_init_out out;
	int os;

	out = hello(*state, 7, 31, FUSE_BIG_WRITES | FUSE_ASYNC_READ, &os);
	assert_int_equal(os, 0);
	assert_int_equal(out.minor, 31);
	assert_int_equal(out.flags, FUSE_BIG_WRITES | FUSE_ASYNC_READ);
	assert_int_equal(out.flags2, 0);
	assert_int_equal(out.max_write, 32 * 4096);
}

static void
init__too_old_or_foreign__refused(void **state)
{
	struct fuse_init_out out;
	int os;

	hello(*state, 7, 30, ~0ull, &os);
	assert_int_equal(os, EPROTO);
	hello(*state, 6, 99, ~0ull, &os);
	assert_int_equal(os, EPROTO);
	out = hello(*state, 8, 0, ~0ull, &os);
	assert_int_equal(os, 0);
	assert_int_equal(out.major, 7);
}

static void
lookup__names__replies_and_refusals(void **state)
{
	struct rig *r = *state;
	const struct fuse_entry_out *e = body(r);
	char name[300];

	request(r, FUSE_LOOKUP, 2, 1, "d", 2);
	assert_int_equal(answer(r, 2), 0);
	assert_int_equal(e->nodeid, fx_id(r->fx, "/d").n);
	request(r, FUSE_LOOKUP, 3, e->nodeid, "..", 3);
	assert_int_equal(answer(r, 3), 0);
	assert_int_equal(e->nodeid, 1);
	request(r, FUSE_LOOKUP, 4, 1, "none", 5);
	assert_int_equal(answer(r, 4), 0);
	assert_int_equal(e->nodeid, 0);		/* remembered as absent */
	request(r, FUSE_LOOKUP, 5, 12345, "x", 2);
	assert_int_equal(answer(r, 5), ESTALE);
	request(r, FUSE_LOOKUP, 6, 1, "no", 2);	/* no NUL */
	assert_int_equal(answer(r, 6), EINVAL);
	request(r, FUSE_LOOKUP, 7, 1, "a/b", 4);
	assert_int_equal(answer(r, 7), EINVAL);
	memset(name, 'n', sizeof name);
	name[255] = '\0';
	request(r, FUSE_LOOKUP, 8, 1, name, 256);
	assert_int_equal(answer(r, 8), 0);
	name[255] = 'n';
	name[256] = '\0';
	request(r, FUSE_LOOKUP, 9, 1, name, 257);
	assert_int_equal(answer(r, 9), ENAMETOOLONG);
}

static void
handle__never_given_or_released__bad(void **state)
{
	struct rig *r = *state;
	struct fuse_open_in open = { 0 };
	struct fuse_read_in rd = { .fh = 12345, .size = 4096 };
	struct fuse_release_in rel = { 0 };

	request(r, FUSE_READDIR, 2, 1, &rd, sizeof rd);
	assert_int_equal(answer(r, 2), EBADF);
	request(r, FUSE_OPENDIR, 3, 1, &open, sizeof open);
	assert_int_equal(answer(r, 3), 0);
	rd.fh = ((const struct fuse_open_out *)body(r))->fh;
	request(r, FUSE_READDIR, 4, 1, &rd, sizeof rd);
	assert_int_equal(answer(r, 4), 0);
	rd.size = 8;				/* not one entry fits */
	request(r, FUSE_READDIR, 5, 1, &rd, sizeof rd);
	assert_int_equal(answer(r, 5), EINVAL);
	rd.size = 4096;
	request(r, FUSE_READDIR, 6, fx_id(r->fx, "/d").n, &rd, sizeof rd);
	assert_int_equal(answer(r, 6), EBADF);	/* another object's */
	rel.fh = rd.fh;
	request(r, FUSE_RELEASEDIR, 7, 1, &rel, sizeof rel);
	assert_int_equal(answer(r, 7), 0);
	request(r, FUSE_READDIR, 8, 1, &rd, sizeof rd);
	assert_int_equal(answer(r, 8), EBADF);
}

static void
setlkw__interrupted__eintr(void **state)
{
	struct rig *r = *state;
	struct fuse_lk_in lk = { .owner = 1,
	    .lk = { 0, INT64_MAX, 1 /* F_WRLCK */, 7 } };
	struct fuse_interrupt_in in = { .unique = 3 };
	uint64_t id = fx_id(r->fx, "/d/f").n;

	request(r, FUSE_SETLKW, 2, id, &lk, sizeof lk);
	assert_int_equal(answer(r, 2), 0);
	lk.owner = 2;
	request(r, FUSE_SETLKW, 3, id, &lk, sizeof lk);
	request(r, FUSE_INTERRUPT, 4, 0, &in, sizeof in);
	assert_int_equal(answer(r, 3), EINTR);
}

/* --- what others change ------------------------------------------------- */

static void
assert_notice_inode(struct rig *r, uint64_t id, int64_t off)
{
	const struct fuse_notify_inval_inode_out *i = body(r);

	assert_int_equal(answer(r, 0), -FUSE_NOTIFY_INVAL_INODE);
	assert_int_equal(i->ino, id);
	assert_int_equal(i->off, off);
	assert_int_equal(i->len, 0);
}

static void
notices__rename_by_another__in_order(void **state)
{
	struct rig *r = *state;
	struct req_env env = { .privileged = true };
	struct vfs_rename q = { .name = { "f", 1 }, .name2 = { "g", 1 } };
	struct vfs_rename_reply rep;
	uint64_t d = look(r, 2, 1, "d"), f = look(r, 3, d, "f");

	assert_int_equal(look(r, 4, d, "g"), 0);
	q.dir.n = q.dir2.n = d;
	assert_int_equal(dispatch(r->server, VFS_OP_RENAME, &env, &q, &rep),
	    0);
	assert_notice_inode(r, d, -1);
	assert_notice_inode(r, f, -1);
	assert_notice_entry(r, d, "f");
	assert_notice_entry(r, d, "g");
	assert_int_equal(look(r, 5, d, "f"), 0);
	assert_int_equal(look(r, 6, d, "g"), f);
}

static void
notices__after_setattr_by_the_kernel__its_lock_is_waited_for(void **state)
{
	struct rig *r = *state;
	struct req_env env = { .privileged = true };
	struct fuse_setattr_in in = { .valid = FATTR_MODE, .mode = 0100600 };
	struct vfs_setattr q = { .valid = VFS_SET_MODE, .mode = 0640 };
	struct vfs_setattr_reply rep;

	q.id.n = look(r, 3, look(r, 2, 1, "d"), "f");
	request(r, FUSE_SETATTR, 4, q.id.n, &in, sizeof in);
	assert_int_equal(answer(r, 4), 0);
	assert_int_equal(dispatch(r->server, VFS_OP_SETATTR, &env, &q, &rep),
	    0);
	assert_notice_entry(r, q.id.n, "/");
	assert_notice_inode(r, q.id.n, -1);
}

static void
notices__after_link_by_the_kernel__its_lock_is_waited_for(void **state)
{
	struct rig *r = *state;
	struct req_env env = { .privileged = true };
	struct vfs_setattr q = { .valid = VFS_SET_MODE, .mode = 0640 };
	struct vfs_setattr_reply rep;
	struct {
		struct fuse_link_in in;
		char name[2];
	} link = { .name = "l" };

	q.id.n = look(r, 3, look(r, 2, 1, "d"), "f");
	link.in.oldnodeid = q.id.n;
	request(r, FUSE_LINK, 4, 1, &link, sizeof link.in + 2);
	assert_int_equal(answer(r, 4), 0);
	assert_int_equal(dispatch(r->server, VFS_OP_SETATTR, &env, &q, &rep),
	    0);
	assert_notice_entry(r, q.id.n, "/");
	assert_notice_inode(r, q.id.n, -1);
}

static void
notices__append_elsewhere_than_the_kernel_believes__pages_go(void **state)
{
	struct rig *r = *state;
	struct {
		struct fuse_write_in in;
		char text[8];
	} w = { .in = { .offset = 5, .size = 3, .flags = O_APPEND },
	    .text = "abc" };
	uint64_t f = look(r, 3, look(r, 2, 1, "d"), "f");

	request(r, FUSE_WRITE, 4, f, &w, sizeof w.in + 3);
	assert_int_equal(answer(r, 4), 0);	/* where it ends: nothing */
	request(r, FUSE_WRITE, 5, f, &w, sizeof w.in + 3);
	assert_notice_inode(r, f, 0);		/* before the reply, or after */
}

/* Pages to be dropped come until the threads that serve have ended. */
static void
notices__stopped_while_pages_go__nothing_stays(void **state)
{
	struct rig *r = *state;
	struct {
		struct fuse_write_in in;
		char text[8];
	} w = { .in = { .offset = 5, .size = 3, .flags = O_APPEND },
	    .text = "abc" };
	uint64_t f = look(r, 3, look(r, 2, 1, "d"), "f");
	struct visible *v = server_visible(r->server);
	unsigned i;

	for (i = 0; i < 100; i++)
		request(r, FUSE_WRITE, 4 + i, f, &w, sizeof w.in + 3);
	fuse_front_stop(r->front);
	r->front = NULL;
	visible_enter(v, 0);
	assert_true(visible_keeps_pages(v, (struct vfs_id){ f }));
	visible_leave(v, 0);
}

/* --- pages made ahead ----------------------------------------------------- */

#define LISTED	200u

struct listing {
	struct rig *r;
	struct fuse_read_in in;
	uint64_t unique;
	unsigned seen;			/* names "n...", in order */
	uint64_t watched;
	uint32_t mode;			/* of that, if it came */
};

static void
listing_begin(struct listing *l, struct rig *r)
{
	struct fuse_open_in open = { .flags = O_NOATIME };
	char path[32];
	unsigned i;

	for (i = 0; i < LISTED; i++) {
		snprintf(path, sizeof path, "/d/n%u", i);
		assert_int_equal(fx_create(r->fx, path, 0644), 0);
	}
	*l = (struct listing){ .r = r, .unique = 10,
		.in = { .size = 8192 } };
	request(r, FUSE_OPENDIR, 9, fx_id(r->fx, "/d").n, &open, sizeof open);
	assert_int_equal(answer(r, 9), 0);
	l->in.fh = ((const struct fuse_open_out *)body(r))->fh;
}

/* The next page; false: that was the end. */
static bool
listing_next(struct listing *l)
{
	const struct fuse_entry_out *e;
	const struct fuse_dirent *d;
	const uint8_t *p = body(l->r), *end;

	request(l->r, FUSE_READDIRPLUS, ++l->unique, fx_id(l->r->fx, "/d").n,
	    &l->in, sizeof l->in);
	assert_int_equal(answer(l->r, l->unique), 0);
	end = l->r->reply + l->r->n;
	if (p == end)
		return false;
	for (; p < end; p += sizeof *e + FUSE_DIRENT_SIZE(d->namelen)) {
		e = (const void *)p;
		d = (const void *)(e + 1);
		l->in.offset = d->off;
		l->seen += d->name[0] == 'n';
		if (d->ino == l->watched)
			l->mode = e->attr.mode;
	}
	return true;
}

/* When so many pages were made ahead, or will not be. */
static struct fuse_stats
made_ahead(struct rig *r, uint64_t n)
{
	struct fuse_stats st;
	unsigned i;

	for (i = 0; i < 2000; i++) {
		fuse_front_stats(r->front, &st);
		if (st.pages_ahead >= n)
			break;
		usleep(1000);
	}
	return st;
}

static void
readdirplus__nothing_changes__pages_are_made_ahead(void **state)
{
	struct rig *r = *state;
	struct listing l;
	uint64_t n = 0;

	listing_begin(&l, r);
	while (listing_next(&l))
		made_ahead(r, ++n);
	assert_int_equal(l.seen, LISTED);
	assert_int_equal(made_ahead(r, 0).pages_sent,
	    made_ahead(r, 0).pages_ahead);
	assert_true(made_ahead(r, 0).pages_sent >= 3);
	assert_int_equal(made_ahead(r, 0).pages_stale, 0);
}

static void
readdirplus__changed_since_it_was_made__is_made_anew(void **state)
{
	struct rig *r = *state;
	struct req_env env = { .privileged = true };
	struct vfs_setattr q = { .valid = VFS_SET_MODE, .mode = 0640 };
	struct vfs_setattr_reply rep;
	struct listing l;
	char path[32];

	listing_begin(&l, r);
	assert_true(listing_next(&l));
	made_ahead(r, 1);
	snprintf(path, sizeof path, "/d/n%u", l.seen + 10);
	q.id = fx_id(r->fx, path);
	l.watched = q.id.n;
	assert_int_equal(dispatch(r->server, VFS_OP_SETATTR, &env, &q, &rep),
	    0);
	while (listing_next(&l))
		;
	assert_int_equal(l.seen, LISTED);
	assert_int_equal(l.mode, 0100640);
	assert_int_equal(made_ahead(r, 0).pages_stale, 1);
}

/* A page that is not good any more stays where it is: others make theirs
 * there while this one's is made anew. */
static void
ahead__stale_page__its_room_is_not_lent(void **state)
{
	struct rig *r = *state;
	struct fuse_page page = { .dir = fx_id(r->fx, "/d"), .plus = true };
	struct freq q = { .f = r->front };
	struct fuse_page_out out = { 0 };
	struct fuse_handle *h;
	struct listing l;
	uint8_t own;

	listing_begin(&l, r);
	assert_true(listing_next(&l));
	made_ahead(r, 1);
	assert_int_equal(fx_mkdir(r->fx, "/other", 0755), 0);
	h = fuse_handle_find(r->front->handles, l.in.fh, page.dir);
	assert_non_null(h);
	page.fh = l.in.fh;
	page.cookie = l.in.offset;
	page.cap = l.in.size;
	page.fence = atomic_load(&h->fence);
	out.p = &own;
	assert_false(fuse_ahead_take(&q, h, &page, &out));
	assert_ptr_equal(out.p, &own);
	assert_int_equal(made_ahead(r, 0).pages_stale, 1);
}

/* xorshift: the seed is printed when something fails */
static uint32_t
rnd(uint64_t *s)
{
	*s ^= *s << 13;
	*s ^= *s >> 7;
	*s ^= *s << 17;
	return (uint32_t)(*s >> 32);
}

static void
flip(uint8_t *p, size_t n, uint64_t *s)
{
	unsigned k = rnd(s) % 6;

	while (n > 0 && k-- > 0)
		p[rnd(s) % n] = (uint8_t)rnd(s);
}

/* A message that is right in its length, and sometimes in more. */
static size_t
hostile(struct rig *r, uint8_t *p, uint64_t *s)
{
	struct fuse_in_header h = { .opcode = rnd(s) % 60 };
	const uint64_t ids[] = { 0, 1, fx_id(r->fx, "/d").n,
	    fx_id(r->fx, "/d/f").n, rnd(s), UINT64_MAX };
	size_t i, n = rnd(s) % 200;

	if (h.opcode == FUSE_SETLKW)
		h.opcode = FUSE_SETLK;		/* that may rightly wait */
	h.unique = 2 + rnd(s);
	h.nodeid = ids[rnd(s) % 6];
	h.total_extlen = rnd(s) % 8 == 0 ? (uint16_t)rnd(s) : 0;
	for (i = 0; i < n; i++)
		p[sizeof h + i] = rnd(s) % 3 ? 0 : (uint8_t)rnd(s);
	h.len = (uint32_t)(sizeof h + n);
	memcpy(p, &h, sizeof h);
	if (rnd(s) % 4 == 0)
		flip(p + 4, sizeof h - 4, s);
	return rnd(s) % 16 == 0 ? rnd(s) % (h.len + 1) : h.len;
}

static void
hostile_bytes__any__it_still_serves(void **state)
{
	struct rig *r = *state;
	uint64_t seed = 0x9e3779b97f4a7c15ull;
	uint8_t msg[512];
	struct fuse_stats st;
	size_t n;
	unsigned i;

	for (i = 0; i < 20000; i++) {
		if ((n = hostile(r, msg, &seed)) > 0)
			send_raw(r, msg, n);
		if (i % 16 == 15) {
			request(r, FUSE_STATFS, END + i % 128, 1, NULL, 0);
			assert_int_equal(answer(r, END + i % 128), 0);
		}
	}
	fuse_front_stats(r->front, &st);
	assert_true(st.malformed > 0 && st.unknown > 0);
	assert_true(st.op[FUSE_LOOKUP].calls > 0);
}

int
main(void)
{
#define T(f)	cmocka_unit_test_setup_teardown(f, rig_open, rig_close)
	const struct CMUnitTest tests[] = {
		T(init__newer_kernel__we_speak_what_we_know),
		T(init__older_kernel__only_what_it_has),
		T(init__too_old_or_foreign__refused),
		T(lookup__names__replies_and_refusals),
		T(handle__never_given_or_released__bad),
		T(setlkw__interrupted__eintr),
		T(notices__rename_by_another__in_order),
		T(notices__after_setattr_by_the_kernel__its_lock_is_waited_for),
		T(notices__after_link_by_the_kernel__its_lock_is_waited_for),
		T(notices__append_elsewhere_than_the_kernel_believes__pages_go),
		T(notices__stopped_while_pages_go__nothing_stays),
		T(readdirplus__nothing_changes__pages_are_made_ahead),
		T(readdirplus__changed_since_it_was_made__is_made_anew),
		T(ahead__stale_page__its_room_is_not_lent),
		T(hostile_bytes__any__it_still_serves),
	};

	return cmocka_run_group_tests_name("fuse_front", tests, NULL, NULL);
}
