/*
 * vfsctl dump: every row of a store nobody serves, as it is
 */
#include <inttypes.h>
#include <string.h>

#include "../core/le.h"
#include "../core/record.h"
#include "../core/token.h"
#include "ctl.h"
#include "../engine/engine.h"

/* One row on its way out: text, or members of a JSON object. */
struct out {
	bool json;
	struct json j;
};

static void
num(struct out *o, const char *name, uint64_t n)
{
	if (o->json)
		json_num(&o->j, name, n);
	else
		printf(" %s=%" PRIu64, name, n);
}

static void
str(struct out *o, const char *name, struct vfs_slice s)
{
	if (o->json) {
		json_str(&o->j, name, s);
		return;
	}
	printf(" %s=\"", name);
	ctl_print(stdout, s);
	putchar('"');
}

static void
when(struct out *o, const char *name, struct vfs_time t)
{
	char text[48];

	snprintf(text, sizeof text, "%" PRId64 ".%09" PRIu32, t.sec, t.nsec);
	if (o->json)
		json_text(&o->j, name, text);
	else
		printf(" %s=%s", name, text);
}

static void
hex(struct out *o, const char *name, struct vfs_slice s, size_t max)
{
	static const char digits[] = "0123456789abcdef";
	const uint8_t *p = s.p;
	char text[2 * 64 + 4];
	size_t i, n = 0;

	for (i = 0; i < s.n && i < max && i < 64; i++) {
		text[n++] = digits[p[i] >> 4];
		text[n++] = digits[p[i] & 15];
	}
	if (i < s.n) {
		memcpy(text + n, "...", 3);
		n += 3;
	}
	str(o, name, (struct vfs_slice){ text, n });
}

/* --- values ---------------------------------------------------------- */

static int
inode(struct out *o, struct vfs_slice val)
{
	struct rec_inode in;
	char mode[16];

	if (rec_inode_decode(val, &in) < 0)
		return -1;
	snprintf(mode, sizeof mode, "%06o", in.mode);
	str(o, "mode", (struct vfs_slice){ mode, strlen(mode) });
	num(o, "nlink", in.nlink);
	num(o, "uid", in.uid);
	num(o, "gid", in.gid);
	if (in.rdev_major != 0 || in.rdev_minor != 0) {
		num(o, "major", in.rdev_major);
		num(o, "minor", in.rdev_minor);
	}
	num(o, "flags", in.flags);
	num(o, "xattrs", in.xattrs);
	num(o, "size", in.size);
	num(o, "blocks", in.blocks);
	when(o, "atime", in.atime);
	when(o, "mtime", in.mtime);
	when(o, "ctime", in.ctime);
	when(o, "btime", in.btime);
	num(o, "data_version", in.data_version);
	num(o, "meta_version", in.meta_version);
	num(o, "parent", in.parent);
	num(o, "next_slot", in.next_slot);
	num(o, "entries", in.entries);
	num(o, "cut", in.cut);
	return 0;
}

static int
name(struct out *o, struct vfs_slice val)
{
	struct rec_name e;

	if (rec_name_decode(val, &e) < 0)
		return -1;
	num(o, "target", e.id.n);
	num(o, "in_slot", e.slot);
	num(o, "type", e.type);
	return 0;
}

static int
slot(struct out *o, struct vfs_slice val)
{
	struct rec_slot s;

	if (rec_slot_decode(val, &s) < 0)
		return -1;
	num(o, "target", s.id.n);
	num(o, "type", s.type);
	str(o, "name", s.name);
	return 0;
}

static int
extent(struct out *o, struct vfs_slice val)
{
	struct rec_extent x;

	if (rec_extent_decode(val, &x) < 0)
		return -1;
	num(o, "blocks", x.nblocks);
	num(o, "flags", x.flags);
	num(o, "place", x.place);
	num(o, "gen", x.gen);
	hex(o, "sums", x.sums, 16);
	return 0;
}

static int
share(struct out *o, struct vfs_slice val)
{
	struct rec_share s;

	if (rec_share_decode(val, &s) < 0)
		return -1;
	num(o, "blocks", s.nblocks);
	num(o, "refs", s.refs);
	return 0;
}

static int
journal(struct out *o, struct vfs_slice val)
{
	struct rec_journal r;

	if (rec_journal_decode(val, &r) < 0)
		return -1;
	num(o, "change", r.kind);
	num(o, "type", r.type);
	num(o, "flags", r.flags);
	num(o, "object", r.id.n);
	num(o, "parent", r.parent.n);
	num(o, "parent2", r.parent2.n);
	num(o, "data_version", r.data_version);
	num(o, "meta_version", r.meta_version);
	str(o, "name", r.name);
	str(o, "name2", r.name2);
	return 0;
}

/* The hash is nobody's business: the token cannot be made from it. */
static int
token(struct out *o, struct vfs_slice val)
{
	struct rec_token r;
	uint64_t next;

	if (rec_token_next(val, &next) == 0) {
		num(o, "next", next);
		return 0;
	}
	if (rec_token_decode(val, &r) < 0)
		return -1;
	num(o, "parent", r.parent);
	num(o, "root", r.root.n);
	num(o, "root_parent", r.root_parent.n);
	num(o, "rights", r.rights);
	num(o, "flags", r.flags);
	num(o, "uid", r.uid);
	num(o, "gid", r.gid);
	num(o, "expires", (uint64_t)r.expires.sec);
	str(o, "label", r.label);
	return 0;
}

static int
moved(struct out *o, struct vfs_slice val)
{
	struct rec_moved r;

	if (rec_moved_decode(val, &r) < 0)
		return -1;
	num(o, "from", r.from.n);
	num(o, "to", r.to.n);
	return 0;
}

static int
bytes(struct out *o, struct vfs_slice val)
{
	num(o, "bytes", val.n);
	hex(o, "value", val, 32);
	return 0;
}

static int
nothing(struct out *o, struct vfs_slice val)
{
	(void)o;
	return val.n == 0 ? 0 : -1;
}

/* --- keys ------------------------------------------------------------ */

/* How a kind's numbers are called, and who shows its value. */
static const struct kind {
	uint8_t kind;
	const char *a, *b, *c;
	int (*value)(struct out *, struct vfs_slice);
} kinds[] = {
	{ ROW_META, NULL, NULL, NULL, bytes },
	{ ROW_INODE, "id", NULL, NULL, inode },
	{ ROW_NAME, "dir", NULL, NULL, name },
	{ ROW_SLOT, "dir", "slot", NULL, slot },
	{ ROW_LINK, "id", "dir", "slot", nothing },
	{ ROW_XATTR, "id", NULL, NULL, bytes },
	{ ROW_INLINE, "id", NULL, NULL, bytes },
	{ ROW_EXTENT, "id", "last", NULL, extent },
	{ ROW_SHARE, "last", NULL, NULL, share },
	{ ROW_ORPHAN, "id", NULL, NULL, nothing },
	{ ROW_JOURNAL, "seq", "index", NULL, journal },
	{ ROW_MOVED, "id", "seq", "index", moved },
	{ ROW_TOKEN, "number", NULL, NULL, token },
	{ ROW_DRAFT, "id", NULL, NULL, inode },
	{ ROW_DINLINE, "id", NULL, NULL, bytes },
	{ ROW_DEXTENT, "id", "last", "version", extent },
};

static const struct kind *
kind_of(uint8_t c)
{
	size_t i;

	for (i = 0; i < sizeof kinds / sizeof kinds[0]; i++)
		if (kinds[i].kind == c)
			return &kinds[i];
	return NULL;
}

static void
word(struct out *o, const char *key, const char *w)
{
	if (o->json)
		json_text(&o->j, key, w);
	else
		printf(" %s", w);
}

static void
row(struct out *o, int err, struct vfs_slice key, const struct row_parts *p,
    struct vfs_slice val)
{
	const struct kind *k = p != NULL ? kind_of((uint8_t)p->kind) : NULL;

	if (o->json)
		json_begin(&o->j, NULL, '{');
	else
		fputs(ctl_kind(p != NULL ? (uint32_t)p->kind : 0), stdout);
	if (o->json)
		json_text(&o->j, "row",
		    ctl_kind(p != NULL ? (uint32_t)p->kind : 0));
	if (k == NULL)
		hex(o, "key", key, 64);
	if (k != NULL && k->a != NULL)
		num(o, k->a, p->a);
	if (k != NULL && k->b != NULL)
		num(o, k->b, p->b);
	if (k != NULL && k->c != NULL)
		num(o, k->c, p->c);
	if (k != NULL && p->name.n > 0)
		str(o, "name", p->name);
	if (err < 0)
		word(o, "damage", "CHECKSUM-IS-WRONG");
	else if ((k != NULL ? k->value : bytes)(o, val) < 0)
		word(o, "damage", "DOES-NOT-DECODE");
	if (o->json)
		json_end(&o->j, '}');
	putchar('\n');
	o->j.more = false;		/* a row is a line of its own */
}

/* --- all of them ------------------------------------------------------ */

struct filter {
	const char *kind;		/* letter or name; NULL: all */
	bool by_id;
	uint64_t id;
};

static bool
is_kind(const char *s, unsigned kind)
{
	return strcmp(s, ctl_kind(kind)) == 0 ||
	    (s[0] == (char)kind && s[1] == 0);
}

static bool
wanted(const struct filter *f, const struct row_parts *p)
{
	if (p == NULL)
		return f->kind == NULL && !f->by_id;
	if (f->by_id && (p->a != f->id || p->kind == ROW_JOURNAL ||
	    p->kind == ROW_SHARE || p->kind == ROW_META))
		return false;
	return f->kind == NULL || is_kind(f->kind, p->kind);
}

/* Says which there are. */
static bool
known_kind(const char *s)
{
	unsigned k;

	for (k = 1; k < 256; k++)
		if (strcmp(ctl_kind(k), "row") != 0 && is_kind(s, k))
			return true;
	fprintf(stderr, "vfsctl dump: no kind of row: %s (", s);
	for (k = 1; k < 256; k++)
		if (strcmp(ctl_kind(k), "row") != 0)
			fprintf(stderr, "%s ", ctl_kind(k));
	fprintf(stderr, "or their letters)\n");
	return false;
}

static int
rows(struct txn *t, struct out *o, const struct filter *f)
{
	static const uint8_t first;
	struct vfs_slice key = { NULL, 0 }, val = { NULL, 0 };
	struct row_parts p;
	struct txn_cur *c;
	bool known;
	int err;

	if ((err = txn_cur_open(t, &c)) < 0)
		return err;
	err = txn_cur_seek(c, (struct vfs_slice){ &first, 1 }, &key, &val);
	while (err == 0 || (err == -VFS_CORRUPT && key.p != NULL)) {
		known = row_key_parse(key, &p) == 0;
		if (wanted(f, known ? &p : NULL))
			row(o, err, key, known ? &p : NULL, val);
		key.p = NULL;
		err = txn_cur_next(c, &key, &val);
	}
	txn_cur_close(c);
	return err == -VFS_NOENT ? 0 : err;
}

static int
dump(const char *dir, struct out *o, const struct filter *f)
{
	struct req_env env = { .kernel_checked = true };
	struct ctl_store s;
	struct txn *t;
	int err;

	if (ctl_store_open(dir, false, &s) < 0)
		return CTL_FAILED;
	if ((err = txn_begin(s.engine, TXN_READ, &env, &t)) == 0) {
		err = rows(t, o, f);
		txn_abort(t);
	}
	ctl_store_close(&s);
	return err < 0 ? ctl_fail(dir, err) : CTL_OK;
}

int
ctl_dump(const struct ctl_cmd *cmd, int argc, char **argv)
{
	static const char *const flags[] = { "--kind=", "--id=", NULL };
	struct out o = { .j = { .to = stdout } };
	struct filter f = { 0 };
	struct ctl_args a;
	struct addr addr;
	int err;

	if (!ctl_parse(cmd, argc, argv, flags, 1, 1, &a) ||
	    (a.flag[1] && !ctl_number(cmd, a.value[1], 10, UINT64_MAX,
	    &f.id)))
		return CTL_USAGE;
	o.json = a.json;
	f.kind = a.flag[0] ? a.value[0] : NULL;
	f.by_id = a.flag[1];
	if (f.kind != NULL && !known_kind(f.kind))
		return CTL_USAGE;
	if ((err = addr_find(a.arg[0], &addr)) < 0)
		return ctl_lost(a.arg[0], &addr, err);
	return dump(addr.store, &o, &f);
}
