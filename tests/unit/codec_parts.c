/*
 * What messages are made of: names, extensions, blobs, headers and errors,
 * at their limits and one past.
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

static char text[600];

static void
name__limits__at_and_one_past(void **state)
{
	struct vfs_slice s = { text, VFS_NAME_MAX };

	(void)state;
	memset(text, 'x', sizeof text);
	assert_int_equal(proto_name_check(s), 0);
	s.n++;
	assert_int_equal(proto_name_check(s), -VFS_NAMETOOLONG);
	s.n = 0;
	assert_int_equal(proto_name_check(s), -VFS_NAME);
	s.n = 2;
	text[1] = '/';
	assert_int_equal(proto_name_check(s), -VFS_NAME);
	text[1] = 0;
	assert_int_equal(proto_name_check(s), -VFS_NAME);
	s.n = 1;
	assert_int_equal(proto_name_check(s), 0);
}

/* Eight bytes are looked at together: a bad one shows at any place, and
 * those that are like it in some bits are good. */
static void
name__bad_byte_anywhere__is_found(void **state)
{
	static const char good[] = "\x01\x2e\x30\x7f\x80\x81\xaf\xff";
	struct vfs_slice s = { text, 0 };
	size_t at, k;

	(void)state;
	for (s.n = 1; s.n < 40; s.n++)
		for (at = 0; at < s.n; at++) {
			for (k = 0; k < sizeof good - 1; k++) {
				memset(text, good[k], sizeof text);
				assert_int_equal(proto_name_check(s), 0);
				text[at] = '/';
				assert_int_equal(proto_name_check(s),
				    -VFS_NAME);
				text[at] = 0;
				assert_int_equal(proto_name_check(s),
				    -VFS_NAME);
			}
		}
}

/* A STAT request with one extension behind it. */
static int
with_ext(const uint8_t *ext, size_t n)
{
	struct vfs_stat q = { .id = { 1 } };
	struct proto_hdr h = { .req_id = 1 };
	uint8_t msg[256];
	struct rbuf b;

	assert_int_equal(proto_request_encode(VFS_OP_STAT, &q, &h, msg,
	    sizeof msg), 0);
	memcpy(msg + h.len, ext, n);
	h.len += (uint32_t)n;
	h.flags = PROTO_EXT;
	h.ext_len = (uint16_t)(n / 8);
	proto_hdr_encode(&h, msg);
	assert_int_equal(proto_hdr_decode(msg, h.len, MSG, &h), 0);
	if (proto_body(&h, msg, &b) < 0)
		return b.err;
	return proto_stat_decode(&b, &q);
}

static void
extension__unknown__skipped_unless_critical(void **state)
{
	uint8_t ext[16] = { 9, 0, 0, 0, 3, 0, 0, 0, 'a', 'b', 'c' };

	(void)state;
	assert_int_equal(with_ext(ext, 16), 0);
	ext[2] = 1;
	assert_int_equal(with_ext(ext, 16), -VFS_UNSUPPORTED_EXT);
	ext[2] = 2;
	assert_int_equal(with_ext(ext, 16), -VFS_MALFORMED);
	ext[2] = 0;
	ext[12] = 1;			/* a pad byte */
	assert_int_equal(with_ext(ext, 16), -VFS_MALFORMED);
	ext[12] = 0;
	ext[4] = 9;			/* longer than what is there */
	assert_int_equal(with_ext(ext, 16), -VFS_MALFORMED);
}

/* The descriptor at the end of a WRITE's fixed part. */
static void
put_far(uint8_t *msg, unsigned kind, unsigned grant, uint64_t off, size_t n)
{
	struct wbuf w;

	wbuf_init(&w, msg, 72, 56, 16);
	wbuf_u32(&w, (uint32_t)n);
	wbuf_u16(&w, (uint16_t)kind);
	wbuf_u16(&w, (uint16_t)grant);
	wbuf_u64(&w, off);
}

static const void *
far_get(void *arg, unsigned kind, unsigned grant, uint64_t off, uint32_t n)
{
	return kind == PROTO_GRANT && grant == 3 && off == 16 && n == 5 ?
	    arg : NULL;
}

static void
blob__elsewhere__comes_from_where_the_reader_knows(void **state)
{
	struct vfs_write q = { .id = { 5 } };
	struct proto_hdr h = { .req_id = 1 };
	struct proto_far far = { far_get, (void *)(uintptr_t)"hello" };
	uint8_t msg[MSG];
	struct rbuf b;

	(void)state;
	assert_int_equal(proto_request_encode(VFS_OP_WRITE, &q, &h, msg,
	    sizeof msg), 0);
	put_far(msg, PROTO_GRANT, 3, 16, 5);
	assert_int_equal(proto_body(&h, msg, &b), 0);
	assert_int_equal(proto_write_decode(&b, &q), -VFS_UNSUPPORTED);
	assert_int_equal(proto_body(&h, msg, &b), 0);
	b.far = &far;
	assert_int_equal(proto_write_decode(&b, &q), 0);
	assert_int_equal(q.data.n, 5);
	assert_memory_equal(q.data.p, "hello", 5);
	put_far(msg, PROTO_GRANT, 3, 16, 0);
	assert_int_equal(proto_body(&h, msg, &b), 0);
	b.far = &far;
	assert_int_equal(proto_write_decode(&b, &q), -VFS_MALFORMED);
	put_far(msg, PROTO_STAGED, 0, 16, 5);
	assert_int_equal(proto_body(&h, msg, &b), 0);
	b.far = &far;
	assert_int_equal(proto_write_decode(&b, &q), -VFS_MALFORMED);
}

static void
header__each_rule_broken__is_malformed(void **state)
{
	static const struct {
		unsigned at;
		uint8_t v;
	} bad[] = {
		{ 0, 33 }, { 0, 24 }, { 2, 1 }, { 4, 0 }, { 6, 2 }, { 6, 4 },
		{ 6, 1 }, { 7, 8 }, { 8, 0 }, { 26, 1 }, { 28, 1 }, { 31, 1 },
	};
	struct proto_hdr h = { .len = 40, .op = 4, .req_id = 1, .prio = 4 }, o;
	uint8_t p[PROTO_HDR];
	size_t i;

	(void)state;
	proto_hdr_encode(&h, p);
	assert_int_equal(proto_hdr_decode(p, 32, MSG, &o), 0);
	assert_int_equal(o.len, 40);
	assert_int_equal(proto_hdr_decode(p, 31, MSG, &o), -VFS_MALFORMED);
	assert_int_equal(proto_hdr_decode(p, 32, 39, &o), -VFS_MALFORMED);
	for (i = 0; i < sizeof bad / sizeof bad[0]; i++) {
		proto_hdr_encode(&h, p);
		p[bad[i].at] = bad[i].v;
		assert_int_equal(proto_hdr_decode(p, 32, MSG, &o),
		    -VFS_MALFORMED);
	}
}

static void
error_reply__any__round_trips(void **state)
{
	struct proto_error e = { 1, 2, 3, 4 }, o;
	struct proto_hdr h = { .op = 0x101, .req_id = 9, .prio = 4 };
	uint8_t msg[64];
	struct rbuf b;

	(void)state;
	assert_int_equal(proto_failed_encode(&e, -VFS_NOENT, &h, msg,
	    sizeof msg), 0);
	assert_int_equal(proto_hdr_decode(msg, 56, MSG, &h), 0);
	assert_int_equal(h.status, VFS_NOENT);
	assert_int_equal(h.op, 0x8101);
	assert_int_equal(proto_body(&h, msg, &b), 0);
	assert_int_equal(proto_error_decode(&b, &o), 0);
	assert_memory_equal(&e, &o, sizeof e);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(name__limits__at_and_one_past),
		cmocka_unit_test(name__bad_byte_anywhere__is_found),
		cmocka_unit_test(extension__unknown__skipped_unless_critical),
		cmocka_unit_test(
		    blob__elsewhere__comes_from_where_the_reader_knows),
		cmocka_unit_test(header__each_rule_broken__is_malformed),
		cmocka_unit_test(error_reply__any__round_trips),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
