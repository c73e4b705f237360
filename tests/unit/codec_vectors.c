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
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "../../protocol/codec.h"
#include "../vector_text.h"

#define DIR_OF_VECTORS	"tests/vectors"
#define MSG		VECTOR_MSG
#define INTERNAL	0x3f00u		/* numbers that clients never send */

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
	char want[VECTOR_TEXT] = "", hex[2 * MSG + 64] = "";
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
