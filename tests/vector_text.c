#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "vector_text.h"

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
#include "../protocol/ops.def"
#undef OP
};

/* --- what a message says ------------------------------------------------- */

static void
say(struct text *t, const char *fmt, ...)
{
	va_list ap;

	va_start(ap, fmt);
	t->n += (size_t)vsnprintf(t->s + t->n, VECTOR_TEXT - t->n, fmt, ap);
	va_end(ap);
	if (t->n >= VECTOR_TEXT)
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

void
say_message(struct text *t, const uint8_t *msg, size_t len)
{
	struct text said = { .n = 0 };
	struct proto_hdr h;
	struct rbuf b;
	enum vfs_op op;
	int err;

	t->n = 0;
	if (proto_hdr_decode(msg, len, VECTOR_MSG, &h) < 0 || h.len != len) {
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
