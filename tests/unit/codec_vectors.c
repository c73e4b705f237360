/*
 * The conformance vectors: messages as text, with what a decoder must make
 * of each.  tests/vectors/NAME.txt has blocks of lines:
 *
 *	hex	the message
 *	then	what it says, a field a line; or "refuse", why, and where
 *
 * With --write the files are made anew from ops.def; git shows what has
 * changed.  tests/second reads the same files.
 */
#include <ctype.h>
#include <dirent.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "../../protocol/codec.h"

#define DIR_OF_VECTORS	"tests/vectors"
#define MSG		4096u
#define TEXT		16384u
#define INTERNAL	0x3f00u		/* numbers that clients never send */

/* --- the names of fields ------------------------------------------------- */

#define REQ(...)	"" __VA_ARGS__
#define REP(...)	"" __VA_ARGS__
#define ID(f)		#f " "
#define U32(f)		#f " "
#define U64(f)		#f " "
#define TIME(f)		#f " "
#define ATTR(f)		#f " "
#define NAME(f)		#f " "
#define BYTES(f)	#f " "
#define BUF(f)		#f " "
#define SINK(f)		#f " "
static const struct {
	const char *req, *rep;
} names[VFS_OP_COUNT] = {
#define OP(n, N, name, mode, lock, req, rep) [VFS_OP_##N] = { req, rep },
#include "../../protocol/ops.def"
#undef OP
};

/* --- what a message says ------------------------------------------------- */

struct text {
	char s[TEXT];
	size_t n;
};

static void
say(struct text *t, const char *fmt, ...)
{
	va_list ap;

	va_start(ap, fmt);
	t->n += (size_t)vsnprintf(t->s + t->n, TEXT - t->n, fmt, ap);
	va_end(ap);
	if (t->n >= TEXT)
		abort();
}

static void
say_hex(struct text *t, const void *p, size_t n)
{
	const uint8_t *b = p;
	size_t i;

	for (i = 0; i < n; i++)
		say(t, "%02x", b[i]);
}

#define LL(x)	((unsigned long long)(x))

static void
say_time(struct text *t, struct vfs_time v)
{
	say(t, "%lld.%09u", (long long)v.sec, v.nsec);
}

static void
say_attr(struct text *t, const struct vfs_attr *a)
{
	say(t, "%llu %llu %llu %llu %llu %llu ", LL(a->id.n),
	    LL(a->parent.n), LL(a->data_version), LL(a->meta_version),
	    LL(a->size), LL(a->alloc));
	say_time(t, a->atime);
	say(t, " ");
	say_time(t, a->mtime);
	say(t, " ");
	say_time(t, a->ctime);
	say(t, " ");
	say_time(t, a->btime);
	say(t, " %o %u %u %u %u %u", a->mode, a->nlink, a->uid, a->gid,
	    a->rdev_major, a->rdev_minor);
}

static bool
say_entry(void *arg, const struct vfs_dirent *e)
{
	struct text *t = arg;

	say(t, "\n  %llu %llu %llu %d ", LL(e->cookie), LL(e->id.n),
	    LL(e->dir.n), (int)e->type);
	say_hex(t, e->name.p, e->name.n);
	if (e->attr != NULL) {
		say(t, " ");
		say_attr(t, e->attr);
	}
	return true;
}

/* Each field is copied out at its place, as the codec does. */
static void
say_field(struct text *t, char letter, const char *p)
{
	union {
		uint64_t n8;
		uint32_t n4;
		struct vfs_time time;
		struct vfs_attr attr;
		struct vfs_slice slice;
		struct vfs_buf buf;
	} f;

	switch (letter) {
	case '8':
		memcpy(&f.n8, p, sizeof f.n8);
		say(t, "%llu", LL(f.n8));
		break;
	case '4':
		memcpy(&f.n4, p, sizeof f.n4);
		say(t, "%u", f.n4);
		break;
	case 'T':
		memcpy(&f.time, p, sizeof f.time);
		say_time(t, f.time);
		break;
	case 'A':
		memcpy(&f.attr, p, sizeof f.attr);
		say_attr(t, &f.attr);
		break;
	case 'R':
		memcpy(&f.buf, p, sizeof f.buf);
		say_hex(t, f.buf.p, f.buf.n);
		break;
	default:
		memcpy(&f.slice, p, sizeof f.slice);
		say_hex(t, f.slice.p, f.slice.n);
	}
}

/* Where a field is: the struct of the form up to it, aligned. */
static size_t
place(const char *form, size_t i)
{
	char upto[32];

	memcpy(upto, form, i + 1);
	upto[i + 1] = '\0';
	switch (form[i]) {
	case '4':
		upto[i] = '\0';
		/* behind an odd number of u32 there is no gap before one */
		return i > 0 && form[i - 1] == '4' ? place(form, i - 1) + 4 :
		    proto_form_struct(upto);
	case '8':
		return proto_form_struct(upto) - 8;
	case 'T':
		return proto_form_struct(upto) - sizeof(struct vfs_time);
	case 'A':
		return proto_form_struct(upto) - sizeof(struct vfs_attr);
	case 'R':
		return proto_form_struct(upto) - sizeof(struct vfs_buf);
	default:
		return proto_form_struct(upto) - sizeof(struct vfs_slice);
	}
}

static void
say_fields(struct text *t, const char *form, const char *name, const void *p)
{
	size_t i, n;

	for (i = 0; form[i] != '\0'; i++) {
		n = strcspn(name, " ");
		say(t, "%.*s", (int)n, name);
		name += n + 1;
		if (form[i] != 'S') {
			say(t, " ");
			say_field(t, form[i], (const char *)p +
			    place(form, i));
			say(t, "\n");
		}
	}
}

static void
refuse(struct text *t, int err, size_t at)
{
	say(t, "refuse %s %zu\n", vfs_err_name(err), at);
}

static int
say_error(struct text *t, struct rbuf *b)
{
	struct proto_error e;
	int err = proto_error_decode(b, &e);

	if (err == 0)
		say(t, "detail %llu\ntrace_id %llu\nop_index %u\n"
		    "retry_after_ms %u\n", LL(e.detail), LL(e.trace_id),
		    e.op_index, e.retry_after_ms);
	return err;
}

static int
say_reply(struct text *t, enum vfs_op op, struct rbuf *b)
{
	struct text entries = { .n = 0 };
	union proto_rep rep;
	int err;

	memset(&rep, 0, sizeof rep);
	if (op == VFS_OP_DIR_READ)
		rep.dir_read.entries = (struct vfs_sink){ say_entry,
			&entries };
	if (op == VFS_OP_PATHS_OF)
		rep.paths_of.links = (struct vfs_sink){ say_entry, &entries };
	if ((err = proto_reply_decode(op, b, &rep)) < 0)
		return err;
	say_fields(t, proto_ops[op].rep, names[op].rep, &rep);
	if (strchr(proto_ops[op].rep, 'S') != NULL) {
		entries.s[entries.n] = '\0';
		say(t, "%s\n", entries.s);
	}
	return 0;
}

static int
say_request(struct text *t, enum vfs_op op, struct rbuf *b)
{
	union proto_req req;
	int err = proto_request_decode(op, b, &req);

	if (err == 0)
		say_fields(t, proto_ops[op].req, names[op].req, &req);
	return err;
}

static void
say_message(struct text *t, const uint8_t *msg, size_t len)
{
	struct text said = { .n = 0 };
	struct proto_hdr h;
	struct rbuf b;
	enum vfs_op op;
	int err;

	t->n = 0;
	if (proto_hdr_decode(msg, len, MSG, &h) < 0 || h.len != len) {
		say(t, "refuse header\n");
		return;
	}
	op = proto_op_find(h.op & ~PROTO_REPLY);
	say(&said, "%s %s flags %u prio %u req_id %llu session %u %s %u "
	    "credits %u\n", h.op & PROTO_REPLY ? "reply" : "request",
	    proto_ops[op].name, h.flags, h.prio, LL(h.req_id), h.session,
	    h.op & PROTO_REPLY ? "status" : "deadline", h.status, h.credits);
	err = proto_body(&h, msg, &b);
	if (err == 0)
		err = (h.op & PROTO_REPLY) == 0 ? say_request(&said, op, &b) :
		    h.status != 0 ? say_error(&said, &b) :
		    say_reply(&said, op, &b);
	if (err < 0)
		refuse(t, err, b.err_at);
	else
		say(t, "%s", said.s);
}

/* --- writing them -------------------------------------------------------- */

struct maker {
	FILE *to;
	uint64_t seed;
	unsigned size;			/* 0 least, 1 usual, 2 most */
};

static uint64_t
next(struct maker *m)
{
	m->seed = m->seed * 6364136223846793005ull + 1442695040888963407ull;
	return m->seed >> 24;
}

static void
block(struct maker *m, const uint8_t *msg, size_t len)
{
	struct text t;
	size_t i;

	fputs("hex ", m->to);
	for (i = 0; i < len; i++)
		fprintf(m->to, "%02x", msg[i]);
	say_message(&t, msg, len);
	fprintf(m->to, "\n%s\n", t.s);
}

static uint8_t bytes[256];

static struct vfs_slice
some(struct maker *m, bool name)
{
	static const size_t n[] = { 0, 9, 40 };

	return (struct vfs_slice){ bytes, name ? m->size == 2 ? 255 :
		1 + n[m->size] : n[m->size] };
}

static struct vfs_time
some_time(struct maker *m)
{
	return m->size == 2 ? (struct vfs_time){ -(int64_t)next(m), 999999999 }
	    : (struct vfs_time){ m->size * 1700000000ll, m->size * 5 };
}

static struct vfs_attr
some_attr(struct maker *m)
{
	struct vfs_attr a = { .id = { next(m) }, .mode = 0100644,
		.nlink = 1 };

	if (m->size == 0)
		return a;
	a.parent.n = next(m);
	a.size = next(m);
	a.alloc = next(m);
	a.uid = (uint32_t)next(m);
	a.gid = (uint32_t)next(m);
	a.data_version = next(m);
	a.meta_version = next(m);
	a.mode = m->size == 2 ? 0041777 : 0020600;
	a.rdev_major = a.rdev_minor = m->size;
	a.atime = a.mtime = a.ctime = a.btime = some_time(m);
	return a;
}

static struct vfs_sink
some_entries(struct maker *m, struct proto_list *l)
{
	struct vfs_attr a = some_attr(m);
	struct vfs_dirent e = { .id = a.id, .type = VFS_MODE_TYPE(a.mode),
		.cookie = 16, .dir = { 1 }, .name = some(m, true) };
	unsigned i;

	l->n = 0;
	for (i = 0; i < m->size; i++) {
		e.attr = i == 1 ? &a : NULL;
		proto_dirent_put(l, &e);
		e.cookie = next(m);
	}
	return proto_list_sink(l);
}

#undef REQ
#undef REP
#undef ID
#undef U32
#undef U64
#undef TIME
#undef ATTR
#undef NAME
#undef BYTES
#undef BUF
#undef SINK
#define REQ(...)	__VA_ARGS__
#define REP(...)	__VA_ARGS__
#define ID(f)		p->f.n = m->size == 2 ? UINT64_MAX : next(m);
#define U32(f)		p->f = m->size == 0 ? 0 : (uint32_t)next(m);
#define U64(f)		p->f = m->size == 0 ? 0 : next(m);
#define TIME(f)		p->f = some_time(m);
#define ATTR(f)		p->f = some_attr(m);
#define NAME(f)		p->f = some(m, true);
#define BYTES(f)	p->f = some(m, false);
#define BUF(f)		p->f = (struct vfs_buf){ bytes, sizeof bytes, \
				some(m, false).n };
#define SINK(f)		p->f = some_entries(m, l);
#define OP(n, N, name, mode, lock, req, rep) \
	static void \
	fill_##name(struct maker *m, void *v) \
	{ \
		struct vfs_##name *p = v; \
		(void)m, (void)p; \
		req \
	} \
	static void \
	fill_##name##_reply(struct maker *m, void *v, struct proto_list *l) \
	{ \
		struct vfs_##name##_reply *p = v; \
		(void)m, (void)p, (void)l; \
		rep \
	}
#include "../../protocol/ops.def"
#undef OP

static const struct {
	void (*req)(struct maker *, void *);
	void (*rep)(struct maker *, void *, struct proto_list *);
} fill[VFS_OP_COUNT] = {
#define OP(n, N, name, mode, lock, req, rep) \
	[VFS_OP_##N] = { fill_##name, fill_##name##_reply },
#include "../../protocol/ops.def"
#undef OP
};

/* The same message with one thing wrong. */
static void
spoil(struct maker *m, const uint8_t *msg, size_t len, const char *form,
    bool all)
{
	uint8_t bad[MSG];
	size_t fixed = PROTO_HDR + proto_form_fixed(form), at;

	memcpy(bad, msg, len);
	if (len > PROTO_HDR) {		/* eight bytes short */
		bad[0] = (uint8_t)(len - 8);
		bad[1] = (uint8_t)((len - 8) >> 8);
		block(m, bad, len - 8);
	}
	memcpy(bad, msg, len);		/* eight too many */
	memset(bad + len, 0, 8);
	bad[0] = (uint8_t)(len + 8);
	bad[1] = (uint8_t)((len + 8) >> 8);
	block(m, bad, len + 8);
	if (!all)
		return;
	for (at = PROTO_HDR; at < fixed; at += 4) {	/* each word */
		memcpy(bad, msg, len);
		bad[at + 3] ^= 0x80;
		block(m, bad, len);
	}
	if (len > fixed) {			/* the padding */
		memcpy(bad, msg, len);
		bad[len - 1] ^= 1;
		block(m, bad, len);
		bad[len - 1] ^= 1;
		bad[fixed] = '/';
		block(m, bad, len);
	}
}

static void
write_op(enum vfs_op op)
{
	static uint8_t room[MSG];
	struct proto_list l = { .p = room, .cap = sizeof room,
		.dirs = op == VFS_OP_PATHS_OF };
	struct maker m = { .seed = op };
	struct proto_hdr h;
	union proto_req req;
	union proto_rep rep;
	uint8_t msg[MSG];
	char path[256];

	snprintf(path, sizeof path, DIR_OF_VECTORS "/%s.txt",
	    proto_ops[op].name);
	if ((m.to = fopen(path, "w")) == NULL) {
		perror(path);
		exit(1);
	}
	for (m.size = 0; m.size < 3; m.size++) {
		memset(&req, 0, sizeof req);
		fill[op].req(&m, &req);
		h = (struct proto_hdr){ .req_id = 1 + m.size, .prio = 4,
			.status = m.size * 100, .credits = 1 };
		if (proto_request_encode(op, &req, &h, msg, MSG - 8) != 0)
			abort();
		block(&m, msg, h.len);
		if (m.size == 1)
			spoil(&m, msg, h.len, proto_ops[op].req, true);
		memset(&rep, 0, sizeof rep);
		fill[op].rep(&m, &rep, &l);
		h = (struct proto_hdr){ .req_id = 1 + m.size, .session = 3,
			.credits = 1 };
		if (proto_reply_encode(op, &rep, &h, msg, MSG - 8) != 0)
			abort();
		block(&m, msg, h.len);
		if (m.size == 1)
			spoil(&m, msg, h.len, proto_ops[op].rep, false);
	}
	fclose(m.to);
}

/* Headers, extensions and errors, on a PING. */
static void
write_frames(void)
{
	static const uint8_t ping[40] = { 40, 0, 0, 0, 4, 0, 0, 4, 1 };
	static const uint8_t exts[][16] = {
		{ 9, 0, 0, 0, 8, 0, 0, 0, 1 },	/* skipped */
		{ 9, 0, 1, 0, 8, 0, 0, 0, 1 },	/* critical */
		{ 9, 0, 2, 0, 8, 0, 0, 0, 1 },	/* no such flag */
		{ 9, 0, 0, 0, 9, 0, 0, 0, 1 },	/* longer than there is */
		{ 9, 0, 0, 0, 5, 0, 0, 0, 1, 2, 3, 4, 5, 6 }, /* pad */
	};
	struct maker m = { .seed = 0 };
	struct proto_error e = { 7, 8, 9, 10 };
	struct proto_hdr h = { .op = 4, .req_id = 5 };
	uint8_t msg[MSG];
	size_t i;

	if ((m.to = fopen(DIR_OF_VECTORS "/frames.txt", "w")) == NULL)
		exit(1);
	for (i = 0; i < sizeof ping; i++) {	/* each byte of it */
		memcpy(msg, ping, sizeof ping);
		msg[i] ^= i == 0 ? 4 : i == 4 ? 3 : 0x81;
		block(&m, msg, sizeof ping);
	}
	block(&m, ping, 31);
	for (i = 0; i < sizeof exts / sizeof exts[0]; i++) {
		memcpy(msg, ping, sizeof ping);
		memcpy(msg + sizeof ping, exts[i], 16);
		msg[0] = 56;
		msg[6] = 1;
		msg[26] = 2;
		block(&m, msg, 56);
	}
	if (proto_failed_encode(&e, -VFS_NOENT, &h, msg, MSG) != 0)
		abort();
	block(&m, msg, h.len);
	msg[0] -= 8;
	block(&m, msg, h.len - 8u);
	fclose(m.to);
}

static int
write_all(void)
{
	size_t i;
	unsigned op;

	for (i = 0; i < sizeof bytes; i++)
		bytes[i] = (uint8_t)(i == 0 ? 'a' : 'b' + i % 180);
	for (op = VFS_OP_NONE + 1; op < VFS_OP_COUNT; op++)
		if (proto_ops[op].number < INTERNAL)
			write_op((enum vfs_op)op);
	write_frames();
	return 0;
}

/* --- checking them ------------------------------------------------------- */

static size_t
unhex(const char *s, uint8_t *out)
{
	size_t n = 0;
	unsigned v;

	while (n < MSG && sscanf(s + 2 * n, "%2x", &v) == 1)
		out[n++] = (uint8_t)v;
	return n;
}

/* Blocks that are not as they say. */
static unsigned
check_file(FILE *f, const char *name, unsigned *seen)
{
	static char line[2 * MSG + 64];
	char want[TEXT] = "", hex[2 * MSG + 64] = "";
	struct text got;
	uint8_t msg[MSG];
	unsigned bad = 0;

	while (fgets(line, sizeof line, f) != NULL) {
		if (strncmp(line, "hex ", 4) == 0) {
			strcpy(hex, line + 4);
			want[0] = '\0';
		} else if (line[0] != '\n' || want[0] == '\0') {
			strncat(want, line, sizeof want - strlen(want) - 1);
		}
		if (line[0] != '\n' || hex[0] == '\0')
			continue;
		say_message(&got, msg, unhex(hex, msg));
		++*seen;
		if (strcmp(got.s, want) != 0 &&
		    bad++ == 0)
			printf("# %s: %s# is %s# not %s", name, hex, got.s,
			    want);
		hex[0] = '\0';
	}
	return bad;
}

int
main(int argc, char **argv)
{
	DIR *d;
	struct dirent *e;
	unsigned n = 0, seen, bad, wrong = 0;
	char path[512];
	FILE *f;

	if (argc > 1 && strcmp(argv[1], "--write") == 0)
		return write_all();
	if ((d = opendir(DIR_OF_VECTORS)) == NULL)
		return 1;
	while ((e = readdir(d)) != NULL) {
		snprintf(path, sizeof path, DIR_OF_VECTORS "/%s", e->d_name);
		if (e->d_name[0] == '.' || (f = fopen(path, "r")) == NULL)
			continue;
		seen = 0;
		bad = check_file(f, e->d_name, &seen);
		fclose(f);
		wrong += bad > 0 || seen == 0;
		printf("%sok %u - vectors__%s__%u_as_they_say\n",
		    bad > 0 || seen == 0 ? "not " : "", ++n, e->d_name, seen);
	}
	closedir(d);
	printf("1..%u\n", n);
	return n == 0 || wrong > 0;
}
