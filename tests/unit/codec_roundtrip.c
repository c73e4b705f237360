/*
 * The codec: what is encoded decodes to the same, what decodes encodes to
 * the same bytes, and no bytes lead outside the message.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <cmocka.h>

#include "../../protocol/codec.h"

#define MSG 8192

static uint64_t seed = 42;

static uint64_t
rnd(void)
{
	seed ^= seed << 13;
	seed ^= seed >> 7;
	seed ^= seed << 17;
	return seed;
}

static struct vfs_time
rnd_time(void)
{
	return (struct vfs_time){ (int64_t)rnd(), rnd() % 1000000000 };
}

static struct vfs_attr
rnd_attr(void)
{
	struct vfs_attr a = { .id = { rnd() }, .parent = { rnd() },
		.mode = rnd() & 0xffff, .nlink = rnd(), .uid = rnd(),
		.gid = rnd(), .rdev_major = rnd(), .rdev_minor = rnd(),
		.size = rnd(), .alloc = rnd(), .data_version = rnd(),
		.meta_version = rnd() };

	a.atime = rnd_time();
	a.mtime = rnd_time();
	a.ctime = rnd_time();
	a.btime = rnd_time();
	return a;
}

/* Room for what random messages borrow. */
static char text[600];
static uint8_t entries[2048], got[2048];
static struct proto_list list, back;

static void
rnd_entries(void)
{
	struct vfs_attr a = rnd_attr();
	struct vfs_dirent e = { .type = VFS_REG };
	unsigned n = rnd() % 5;

	list = (struct proto_list){ .p = entries, .cap = sizeof entries,
		.dirs = true };
	while (n-- > 0) {
		e.id.n = rnd();
		e.dir.n = rnd() % 2 ? rnd() : 0;
		e.cookie = rnd();
		e.attr = rnd() % 2 ? &a : NULL;
		e.name = (struct vfs_slice){ text, 1 + rnd() % 255 };
		assert_true(proto_dirent_put(&list, &e));
	}
}

/* The fields of a form, set from the outside: a second reading of the
 * table, by names, against the codec's by letters. */
#define REQ(...)	__VA_ARGS__
#define REP(...)	__VA_ARGS__
#define ID(f)		m->f.n = rnd();
#define U32(f)		m->f = (uint32_t)rnd();
#define U64(f)		m->f = rnd();
#define TIME(f)		m->f = rnd_time();
#define ATTR(f)		m->f = rnd_attr();
#define NAME(f)		m->f = (struct vfs_slice){ text, 1 + rnd() % 255 };
#define BYTES(f)	m->f = (struct vfs_slice){ text, rnd() % sizeof text };
#define BUF(f)		m->f = (struct vfs_buf){ text, sizeof text, \
				rnd() % sizeof text };
#define SINK(f)		rnd_entries(); m->f = proto_list_sink(&list);
#define OP(n, N, name, mode, lock, req, rep) \
	static void \
	fill_##name(void *p) \
	{ \
		struct vfs_##name *m = p; \
		req \
	} \
	static void \
	fill_##name##_reply(void *p) \
	{ \
		struct vfs_##name##_reply *m = p; \
		rep \
	}
#include "../../protocol/ops.def"
#undef OP
#undef ID
#undef U32
#undef U64
#undef TIME
#undef ATTR
#undef NAME
#undef BYTES
#undef BUF
#undef SINK

/* ... and compared again after the way there and back. */
static int
same_slice(struct vfs_slice a, struct vfs_slice b)
{
	return a.n == b.n && memcmp(a.p, b.p, a.n) == 0;
}

static int
same_time(struct vfs_time a, struct vfs_time b)
{
	return a.sec == b.sec && a.nsec == b.nsec;
}

static int
same_attr(const struct vfs_attr *a, const struct vfs_attr *b)
{
	return a->id.n == b->id.n && a->parent.n == b->parent.n &&
	    a->mode == b->mode && a->nlink == b->nlink && a->uid == b->uid &&
	    a->gid == b->gid && a->rdev_major == b->rdev_major &&
	    a->rdev_minor == b->rdev_minor && a->size == b->size &&
	    a->alloc == b->alloc && same_time(a->atime, b->atime) &&
	    same_time(a->mtime, b->mtime) && same_time(a->ctime, b->ctime) &&
	    same_time(a->btime, b->btime) &&
	    a->data_version == b->data_version &&
	    a->meta_version == b->meta_version;
}

#define ID(f)		assert_true(m->f.n == o->f.n);
#define U32(f)		assert_true(m->f == o->f);
#define U64(f)		assert_true(m->f == o->f);
#define TIME(f)		assert_true(same_time(m->f, o->f));
#define ATTR(f)		assert_true(same_attr(&m->f, &o->f));
#define NAME(f)		assert_true(same_slice(m->f, o->f));
#define BYTES(f)	assert_true(same_slice(m->f, o->f));
#define BUF(f)		assert_true(m->f.n == o->f.n && \
				memcmp(m->f.p, o->f.p, m->f.n) == 0);
#define SINK(f)		assert_true(list.n == back.n && \
				memcmp(list.p, back.p, list.n) == 0);
#define OP(n, N, name, mode, lock, req, rep) \
	static void \
	same_##name(const void *a, const void *b) \
	{ \
		const struct vfs_##name *m = a, *o = b; \
		(void)m, (void)o; \
		req \
	} \
	static void \
	same_##name##_reply(const void *a, const void *b) \
	{ \
		const struct vfs_##name##_reply *m = a, *o = b; \
		(void)m, (void)o; \
		rep \
	}
#include "../../protocol/ops.def"
#undef OP
#undef ID
#undef U32
#undef U64
#undef TIME
#undef ATTR
#undef NAME
#undef BYTES
#undef BUF
#undef SINK

static const struct side {
	enum vfs_op op;
	int reply;
	void (*fill)(void *);
	void (*same)(const void *, const void *);
} sides[] = {
#define OP(n, N, name, mode, lock, req, rep) \
	{ VFS_OP_##N, 0, fill_##name, same_##name }, \
	{ VFS_OP_##N, 1, fill_##name##_reply, same_##name##_reply },
#include "../../protocol/ops.def"
#undef OP
};
#define NSIDES (sizeof sides / sizeof sides[0])

union any {
	union proto_req req;
	union proto_rep rep;
};

static size_t
encode(const struct side *s, const void *m, uint8_t *msg, size_t cap)
{
	struct proto_hdr h = { .req_id = 7, .prio = 4 };
	int err;

	err = s->reply ? proto_reply_encode(s->op, m, &h, msg, cap)
	    : proto_request_encode(s->op, m, &h, msg, cap);
	return err == 0 ? h.len : 0;
}

static int
decode(const struct side *s, const uint8_t *msg, size_t len, union any *m)
{
	struct proto_hdr h;
	struct rbuf b;
	int err;

	memset(m, 0, sizeof *m);
	back = (struct proto_list){ .p = got, .cap = sizeof got,
		.dirs = true };
	if (s->reply && s->op == VFS_OP_DIR_READ)
		m->rep.dir_read.entries = proto_list_sink(&back);
	if (s->reply && s->op == VFS_OP_PATHS_OF)
		m->rep.paths_of.links = proto_list_sink(&back);
	if ((err = proto_hdr_decode(msg, len, MSG, &h)) < 0)
		return err;
	if (h.len != len)
		return -VFS_MALFORMED;
	if ((err = proto_body(&h, msg, &b)) < 0)
		return err;
	return s->reply ? proto_reply_decode(s->op, &b, m)
	    : proto_request_decode(s->op, &b, m);
}

static void
codec__every_message__decodes_to_itself(void **state)
{
	uint8_t msg[MSG], again[MSG];
	union any m, o;
	size_t i, len;
	unsigned n;

	(void)state;
	memset(text, 'x', sizeof text);
	for (i = 0; i < NSIDES; i++) {
		for (n = 0; n < 50; n++) {
			memset(&m, 0, sizeof m);
			sides[i].fill(&m);
			len = encode(&sides[i], &m, msg, sizeof msg);
			assert_true(len >= PROTO_HDR && len % 8 == 0);
			assert_int_equal(decode(&sides[i], msg, len, &o), 0);
			sides[i].same(&m, &o);
			assert_int_equal(encode(&sides[i], &o, again,
			    sizeof again), len);
			assert_memory_equal(msg, again, len);
		}
	}
}

static void
codec__room_one_byte_short__is_refused(void **state)
{
	uint8_t msg[MSG];
	union any m;
	size_t i, len;

	(void)state;
	memset(text, 'x', sizeof text);
	for (i = 0; i < NSIDES; i++) {
		memset(&m, 0, sizeof m);
		sides[i].fill(&m);
		len = encode(&sides[i], &m, msg, sizeof msg);
		assert_int_equal(encode(&sides[i], &m, msg, len), len);
		assert_int_equal(encode(&sides[i], &m, msg, len - 1), 0);
	}
}

/* A copy of exactly len bytes, so that a sanitizer sees one past it. */
static int
decode_copy(const struct side *s, const uint8_t *msg, size_t len)
{
	uint8_t *p = malloc(len == 0 ? 1 : len), again[MSG];
	union any m;
	int err;

	memcpy(p, msg, len);
	err = decode(s, p, len, &m);
	if (err == 0) {		/* accepted: then it is canonical */
		struct proto_hdr h;

		assert_int_equal(proto_hdr_decode(p, len, MSG, &h), 0);
		if (h.ext_len == 0) {
			assert_int_equal(encode(s, &m, again, sizeof again),
			    len);
			assert_memory_equal(p + PROTO_HDR, again + PROTO_HDR,
			    len - PROTO_HDR);
		}
	}
	free(p);
	return err;
}

static void
codec__cut_anywhere__is_refused(void **state)
{
	uint8_t msg[MSG];
	union any m;
	size_t i, len, cut;

	(void)state;
	for (i = 0; i < NSIDES; i++) {
		memset(&m, 0, sizeof m);
		sides[i].fill(&m);
		len = encode(&sides[i], &m, msg, sizeof msg);
		for (cut = 0; cut < len; cut++) {
			assert_int_not_equal(
			    decode_copy(&sides[i], msg, cut), 0);
			if (cut % 8 == 0 && cut >= PROTO_HDR) {
				uint8_t sub[MSG];

				memcpy(sub, msg, cut);
				sub[0] = cut & 255;
				sub[1] = cut >> 8;
				assert_int_not_equal(
				    decode_copy(&sides[i], sub, cut), 0);
			}
		}
	}
}

static void
codec__bytes_changed__one_of_six_errors_or_canonical(void **state)
{
	static const int kinds[] = { 0, VFS_MALFORMED, VFS_NAME,
		VFS_NAMETOOLONG, VFS_UNSUPPORTED, VFS_UNSUPPORTED_EXT,
		VFS_TOO_BIG };
	uint8_t msg[MSG], bad[MSG];
	union any m;
	size_t i, j, len;
	unsigned n, k;
	int err;

	(void)state;
	for (i = 0; i < NSIDES; i++) {
		memset(&m, 0, sizeof m);
		sides[i].fill(&m);
		len = encode(&sides[i], &m, msg, sizeof msg);
		for (n = 0; n < 500; n++) {
			memcpy(bad, msg, len);
			for (k = 0; k <= rnd() % 3; k++)
				bad[rnd() % (n % 2 && len > 96 ? 96 : len)]
				    = rnd() % 4 ? 1u << rnd() % 8 : rnd();
			err = decode_copy(&sides[i], bad, len);
			for (j = 0; j < 7 && kinds[j] != -err; j++)
				;
			assert_true(j < 7);
		}
	}
}

static void
codec__forms__match_the_structs(void **state)
{
	unsigned op;

	(void)state;
	for (op = 1; op < VFS_OP_COUNT; op++) {
		const struct proto_op *r = &proto_ops[op];

		assert_int_equal(proto_form_struct(r->req), r->req_size);
		assert_int_equal(proto_form_struct(r->rep), r->rep_size);
		assert_int_equal(proto_op_find(r->number), op);
	}
	assert_int_equal(proto_op_find(0x3ffe), VFS_OP_NONE);
}

static void
codec__sizes__are_the_specified_ones(void **state)
{
	struct vfs_stat_reply st = { .attr = { .mode = 0100644 } };
	struct vfs_rename rn = { .name = { text, 255 },
		.name2 = { text, 255 } };
	struct vfs_dirent e = { .name = { text, 255 }, .type = VFS_REG };
	uint8_t msg[MSG];
	struct proto_list l = { .p = msg, .cap = sizeof msg };
	struct proto_hdr h = { .req_id = 1 };

	(void)state;
	memset(text, 'x', sizeof text);
	assert_int_equal(proto_reply_encode(VFS_OP_STAT, &st, &h, msg,
	    sizeof msg), 0);
	assert_int_equal(h.len, 216);
	assert_int_equal(proto_request_encode(VFS_OP_RENAME, &rn, &h, msg,
	    sizeof msg), 0);
	assert_int_equal(h.len, 616);
	assert_true(proto_dirent_put(&l, &e));
	assert_int_equal(l.n, 280);
}

static void
records__packed__come_back(void **state)
{
	uint8_t room[256];
	struct proto_list l = { .p = room, .cap = sizeof room };
	struct proto_pair p = { 5, { "ops", 3 }, { "", 0 } }, p2;
	struct proto_finding f = { 'C', 1, 17, { "/a", 2 }, { "gone", 4 } },
	    f2;
	struct proto_fault t = { 1, { 2, 3 }, 4, 5, 6, 7, 8, { "x.c", 3 },
		{ "no", 2 } }, t2;
	struct rbuf b;

	(void)state;
	assert_true(proto_pair_put(&l, &p));
	assert_true(proto_finding_put(&l, &f));
	assert_true(proto_fault_put(&l, &t));
	while (proto_pair_put(&l, &p))
		;
	assert_true(l.n <= sizeof room && l.n % 8 == 0);
	proto_list_read(&b, (struct vfs_slice){ l.p, l.n });
	assert_int_equal(proto_pair_next(&b, &p2), 0);
	assert_int_equal(p2.n, 5);
	assert_true(same_slice(p2.name, p.name));
	assert_int_equal(proto_finding_next(&b, &f2), 0);
	assert_true(f2.kind == 'C' && f2.flags == 1 && f2.id == 17);
	assert_true(same_slice(f2.path, f.path));
	assert_true(same_slice(f2.text, f.text));
	assert_int_equal(proto_fault_next(&b, &t2), 0);
	assert_true(t2.trace_id == 1 && same_time(t2.when, t.when));
	assert_true(t2.err == 4 && t2.line == 5 && t2.pid == 6 &&
	    t2.op == 7 && t2.id == 8);
	assert_true(same_slice(t2.text, t.text));
}

/* What was put, taken off and put again is the same bytes. */
#define AGAIN(name, ...) do { \
	struct proto_##name a = { __VA_ARGS__ }, b; \
	struct proto_list x = { .p = one, .cap = sizeof one }; \
	struct proto_list y = { .p = two, .cap = sizeof two }; \
	struct rbuf rb; \
	memset(&b, 0xee, sizeof b); \
	assert_true(proto_##name##_put(&x, &a)); \
	proto_list_read(&rb, (struct vfs_slice){ x.p, x.n }); \
	assert_int_equal(proto_##name##_next(&rb, &b), 0); \
	assert_false(proto_list_more(&rb)); \
	assert_true(proto_##name##_put(&y, &b)); \
	assert_int_equal(x.n, y.n); \
	assert_memory_equal(one, two, x.n); \
} while (0)

static void
records__each_kind__comes_back(void **state)
{
	uint8_t one[512], two[512];
	struct proto_found f = { .attr = { .id = { 7 }, .size = 8,
		.mode = 0100644, .nlink = 2, .data_version = 3,
		.meta_version = 4 } }, g;
	struct proto_list l = { .p = one, .cap = sizeof one };
	struct rbuf r;

	(void)state;
	AGAIN(place, { 5 }, { "name", 4 });
	AGAIN(range, { 5 }, 6, 7);
	AGAIN(bytes, 3, { "abc", 3 });
	AGAIN(extent, 1, 2, 3, 4);
	AGAIN(change, 1, 2, 3, 4, { 5 }, { 6 }, { 7 }, 8, 9, { "a", 1 },
	    { "bc", 2 });
	AGAIN(session, 1, 2, { 3 }, { 4, 5 }, { 6, 7 }, 8, 9, 10, 11, 12, 13,
	    { "label", 5 }, { "unix", 4 });
	assert_true(proto_found_put(&l, VFS_WANT_STAT, &f));
	assert_int_equal(l.n, 8 + PROTO_STAT);
	proto_list_read(&r, (struct vfs_slice){ l.p, l.n });
	assert_int_equal(proto_found_next(&r, VFS_WANT_STAT, &g), 0);
	assert_true(same_attr(&f.attr, &g.attr));
	l.n = 0;
	assert_true(proto_found_put(&l, VFS_WANT_BRIEF, &f));
	assert_int_equal(l.n, 8 + PROTO_BRIEF);
	proto_list_read(&r, (struct vfs_slice){ l.p, l.n });
	assert_int_equal(proto_found_next(&r, VFS_WANT_BRIEF, &g), 0);
	assert_true(same_attr(&f.attr, &g.attr));
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(codec__every_message__decodes_to_itself),
		cmocka_unit_test(codec__room_one_byte_short__is_refused),
		cmocka_unit_test(codec__cut_anywhere__is_refused),
		cmocka_unit_test(
		    codec__bytes_changed__one_of_six_errors_or_canonical),
		cmocka_unit_test(codec__forms__match_the_structs),
		cmocka_unit_test(codec__sizes__are_the_specified_ones),
		cmocka_unit_test(records__packed__come_back),
		cmocka_unit_test(records__each_kind__comes_back),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
