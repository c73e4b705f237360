/* The digests, the dump, and what the dispatcher does at open. */
#include <assert.h>
#include <inttypes.h>
#include <stdlib.h>
#include <string.h>
#include <xxhash.h>

#include "../vfsd/core/record.h"
#include "fx.h"

#define IDS_MAX		4096
#define DEPTH_MAX	64

uint64_t
fx_hash(const void *p, size_t n, uint64_t seed)
{
	return XXH3_64bits_withSeed(p, n, seed);
}

/* --- everything with a draft, everything without a name ---------------- */

/* Ids of what a kind of row is about, ascending. */
struct ids {
	struct vfs_id id[IDS_MAX];
	size_t n;
};

static int
list_ids(struct fx *fx, enum row_kind kind, struct ids *out)
{
	struct vfs_slice key, val;
	struct row_parts parts;
	struct txn_cur *c;
	struct row_key k;
	struct txn *t;
	int err;

	out->n = 0;
	if ((err = txn_begin(fx->e, TXN_READ, &fx->env, &t)) < 0)
		return err;
	row_key_id(&k, kind, 0);
	err = txn_cur_open(t, &c);
	if (err == 0)
		err = txn_cur_seek(c, row_key_slice(&k), &key, &val);
	while (err == 0 && row_key_parse(key, &parts) == 0 &&
	    parts.kind == kind && out->n < IDS_MAX) {
		out->id[out->n++].n = parts.a;
		err = txn_cur_next(c, &key, &val);
	}
	txn_abort(t);
	return err == -VFS_NOENT ? 0 : err;
}

int
fx_publish_all(struct fx *fx)
{
	struct vfs_publish_reply r;
	struct ids ids;
	size_t i;
	int err = list_ids(fx, ROW_DRAFT, &ids);

	for (i = 0; i < ids.n && err == 0; i++) {
		struct vfs_publish q = { .id = ids.id[i] };

		err = fx_op_publish(fx, &q, &r);
	}
	return err;
}

int
fx_reap(struct fx *fx, struct vfs_id id, uint32_t max, uint64_t *next,
    bool *done)
{
	struct vfs_id orphans[VFS_REAP_MAX];
	struct vfs_reap q = { .id = id, .from = *next, .max = max };
	struct vfs_reap_reply r = {
	    .orphans = { .p = orphans, .cap = sizeof orphans } };
	int err = fx_op_reap(fx, &q, &r);

	if (err == 0) {
		*next = r.next;
		*done = r.done != 0;
	}
	return err;
}

static int
reap_dir(struct fx *fx, struct vfs_id id)
{
	uint64_t next = 0;
	bool done = false;
	int err = 0;

	while (err == 0 && !done)
		err = fx_reap(fx, id, VFS_REAP_MAX, &next, &done);
	return err;
}

static int
reclaim_one(struct fx *fx, struct vfs_id id, bool *trees)
{
	struct vfs_reclaim q = { .id = id };
	struct vfs_reclaim_reply r = { 0 };
	int err;

	do
		err = fx_op_reclaim(fx, &q, &r);
	while (err == 0 && r.reclaimed == 0);
	if (err < 0 || r.reclaimed != VFS_RECLAIM_TREE)
		return err;
	*trees = true;
	return reap_dir(fx, id);
}

/* Directories leave orphans of their own. */
int
fx_reclaim_all(struct fx *fx)
{
	struct ids ids;
	bool trees;
	size_t i;
	int err;

	do {
		trees = false;
		err = list_ids(fx, ROW_ORPHAN, &ids);
		for (i = 0; i < ids.n && err == 0; i++)
			err = reclaim_one(fx, ids.id[i], &trees);
	} while (err == 0 && trees);
	return err;
}

/* --- every row --------------------------------------------------------- */

uint64_t
fx_digest(struct fx *fx)
{
	struct vfs_slice key, val, first = { "\0", 1 };
	struct txn_cur *c;
	struct txn *t;
	uint64_t sum = 0;
	int err;

	err = txn_begin(fx->e, TXN_READ, &fx->env, &t);
	assert(err == 0);
	err = txn_cur_open(t, &c);
	assert(err == 0);
	err = txn_cur_seek(c, first, &key, &val);
	while (err == 0) {
		if (*(const uint8_t *)key.p != ROW_META) {
			sum = fx_hash(key.p, key.n, sum);
			sum = fx_hash(val.p, val.n, sum);
		}
		err = txn_cur_next(c, &key, &val);
	}
	assert(err == -VFS_NOENT);
	txn_abort(t);
	return sum;
}

/* --- what people see --------------------------------------------------- */

struct dump {
	struct fx *fx;
	FILE *out;
	uint64_t seen[IDS_MAX];
	size_t nseen;
};

static size_t
number_of(struct dump *d, struct vfs_id id)
{
	size_t i;

	for (i = 0; i < d->nseen; i++)
		if (d->seen[i] == id.n)
			return i;
	assert(d->nseen < IDS_MAX);
	d->seen[d->nseen] = id.n;
	return d->nseen++;
}

static void
dump_bytes(struct dump *d, const struct vfs_attr *a)
{
	static char buf[65536];		/* tests are single-threaded */
	struct vfs_read q = { .id = a->id, .count = sizeof buf };
	struct vfs_read_reply r = { .data = { .p = buf, .cap = sizeof buf } };
	uint64_t sum = 0;
	int err;

	for (; q.off < a->size; q.off += r.data.n) {
		r.data.n = 0;
		if ((err = fx_op_read(d->fx, &q, &r)) < 0) {
			fprintf(d->out, " !%s", vfs_err_name(err));
			return;
		}
		if (r.data.n == 0)
			break;
		sum = fx_hash(buf, r.data.n, sum);
	}
	fprintf(d->out, " %" PRIu64 " %016" PRIx64, a->size, sum);
}

static void
dump_target(struct dump *d, const struct vfs_attr *a)
{
	char buf[VFS_SYMLINK_MAX];
	struct vfs_readlink q = { .id = a->id };
	struct vfs_readlink_reply r = {
		.target = { .p = buf, .cap = sizeof buf } };
	int err = fx_op_readlink(d->fx, &q, &r);

	if (err < 0)
		fprintf(d->out, " !%s", vfs_err_name(err));
	else
		fprintf(d->out, " -> %.*s", (int)r.target.n, buf);
}

static void
dump_xattr(struct dump *d, const struct vfs_attr *a, const char *name)
{
	static char buf[VFS_XATTR_SIZE_MAX];
	struct vfs_xattr_get q = { .id = a->id,
	    .name = { name, strlen(name) } };
	struct vfs_xattr_get_reply r = {
		.value = { .p = buf, .cap = sizeof buf } };
	int err = fx_op_xattr_get(d->fx, &q, &r);

	if (err < 0)
		fprintf(d->out, " %s!%s", name, vfs_err_name(err));
	else
		fprintf(d->out, " %s=%016" PRIx64, name,
		    fx_hash(buf, r.value.n, 0));
}

static void
dump_xattrs(struct dump *d, const struct vfs_attr *a)
{
	static char buf[VFS_XATTR_LIST_MAX];
	struct vfs_xattr_list q = { .id = a->id };
	struct vfs_xattr_list_reply r = {
		.names = { .p = buf, .cap = sizeof buf } };
	const char *p;
	int err = fx_op_xattr_list(d->fx, &q, &r);

	if (err < 0)
		fprintf(d->out, " !%s", vfs_err_name(err));
	else
		for (p = buf; p < buf + r.names.n; p += strlen(p) + 1)
			dump_xattr(d, a, p);
}

static void
dump_object(struct dump *d, const char *path, const struct vfs_attr *a)
{
	fprintf(d->out, "%s %d %04o %u %u %u #%zu", path,
	    VFS_MODE_TYPE(a->mode), a->mode & VFS_MODE_PERM, a->uid,
	    a->gid, a->nlink, number_of(d, a->id));
	switch (VFS_MODE_TYPE(a->mode)) {
	case VFS_REG:
		dump_bytes(d, a);
		break;
	case VFS_LNK:
		dump_target(d, a);
		break;
	case VFS_CHR:
	case VFS_BLK:
		fprintf(d->out, " %u:%u", a->rdev_major, a->rdev_minor);
		break;
	default:
		break;
	}
	dump_xattrs(d, a);
	putc('\n', d->out);
}

/* One entry of a directory at a time: entries are lent only during the
 * call, and nothing may be asked inside it. */
struct one {
	char name[VFS_NAME_MAX + 1];
	struct vfs_id id;
	uint64_t cookie;
	bool taken;
};

static bool
take_one(void *arg, const struct vfs_dirent *e)
{
	struct one *o = arg;

	if (o->taken)
		return false;
	memcpy(o->name, e->name.p, e->name.n);
	o->name[e->name.n] = '\0';
	o->id = e->id;
	o->cookie = e->cookie;
	return o->taken = true;
}

static int
next_entry(struct dump *d, struct vfs_id dir, uint64_t *cookie,
    struct one *o)
{
	struct vfs_dir_read q = { .dir = dir, .cookie = *cookie };
	struct vfs_dir_read_reply r = { .entries = { take_one, o } };
	int err;

	o->taken = false;
	if ((err = fx_op_dir_read(d->fx, &q, &r)) < 0)
		return err;
	*cookie = o->cookie;
	return o->taken;
}

static void
dump_dir(struct dump *d, const char *path, struct vfs_id id, int depth)
{
	uint64_t cookie = 2;		/* behind "." and ".." */
	struct vfs_stat_reply s;
	struct vfs_stat q;
	char sub[4096];
	struct one o;
	int err;

	assert(depth < DEPTH_MAX);
	while ((err = next_entry(d, id, &cookie, &o)) > 0) {
		snprintf(sub, sizeof sub, "%s/%s", path, o.name);
		q.id = o.id;
		if ((err = fx_op_stat(d->fx, &q, &s)) < 0) {
			fprintf(d->out, "%s !%s\n", sub, vfs_err_name(err));
			continue;
		}
		dump_object(d, sub, &s.attr);
		if (VFS_MODE_TYPE(s.attr.mode) == VFS_DIR)
			dump_dir(d, sub, o.id, depth + 1);
	}
	if (err < 0)
		fprintf(d->out, "%s/ !%s\n", path, vfs_err_name(err));
}

void
fx_dump(struct fx *fx, FILE *out)
{
	struct dump *d = calloc(1, sizeof *d);
	struct vfs_stat q = { .id = { VFS_ID_ROOT } };
	struct req_env env = fx->env;
	struct vfs_stat_reply s;
	int err;

	d->fx = fx;
	d->out = out;
	fx_as_kernel(fx);
	if ((err = fx_op_stat(fx, &q, &s)) < 0) {
		fprintf(out, "/ !%s\n", vfs_err_name(err));
	} else {
		dump_object(d, "/", &s.attr);
		dump_dir(d, "", q.id, 0);
	}
	fx->env = env;			/* looking takes no time */
	free(d);
}

uint64_t
fx_tree_digest(struct fx *fx)
{
	char *text = NULL;
	size_t n = 0;
	FILE *f = open_memstream(&text, &n);
	uint64_t sum;

	fx_dump(fx, f);
	fclose(f);
	sum = fx_hash(text, n, 0);
	free(text);
	return sum;
}

/* How much of a line is its tree's alone: what has a second name may
 * be changed by that; objects are numbered as they are met. */
static size_t
told_by(const char *line)
{
	unsigned nlink = 0;
	const char *no = strstr(line, " #");

	(void)sscanf(line, "%*s %*s %*s %*s %*s %u", &nlink);
	if (nlink > 1 && strstr(line, " d ") == NULL)
		return strcspn(line, " ");
	return no != NULL ? (size_t)(no - line) : strlen(line);
}

uint64_t
fx_part_digest(struct fx *fx, const char *path)
{
	char *text = NULL, *line, *save;
	size_t n = 0;
	uint64_t sum = 0;
	FILE *f = open_memstream(&text, &n);

	fx_dump(fx, f);
	fclose(f);
	for (line = strtok_r(text, "\n", &save); line != NULL;
	    line = strtok_r(NULL, "\n", &save))
		if (strncmp(line, path, strlen(path)) == 0)
			sum = fx_hash(line, told_by(line), sum);
	free(text);
	return sum;
}
